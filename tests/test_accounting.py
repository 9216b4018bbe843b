"""What became of each byte of payload: told by a field that has a name, opaque of a kind, malformed.

What a message leaves untold it says itself (`Message.left`); what no frame holds is `undecoded`.
"""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from conftest import RealStore
from engine_runs import Bench, Tcp, Wire, analyse

from otsec.exchanges.left import Told, told
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Message, Reader
from otsec.store import open_store, queries
from otsec.store.spoken import protocols

FULL = {protocol.name for protocol in PROTOCOLS if protocol.depth == "full"}
LARGEST = 3_000_000  # bytes of a capture that is read
ACCOUNTED, OPAQUE = 0.99, 0.1  # shares of the payload


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("accounting"))


def test_shares_over_all_captures(real_store: RealStore, captures: Path) -> None:
    """Of each protocol at least 99 % are accounted for over all real captures, little is opaque.

    Encrypted OPC UA is among it. Frames that contradict their standard are malformed by proof.
    """
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(captures.glob("*/*.pcap*")):
        if path.stat().st_size > LARGEST:
            continue
        with open_store(real_store(path), readonly=True) as store:
            for row in queries.conversations(store):
                if row.protocol in FULL:
                    sums[row.protocol]["payload"] += row.payload_out + row.payload_in
                    if not row.malformed:
                        undecoded = row.undecoded_out + row.undecoded_in
                        sums[row.protocol]["unaccounted"] += undecoded
            for count in queries.counters(store):
                what, _, protocol = count.name.partition(":")
                if protocol in FULL and what in {"opaque", "passed_over"}:
                    key = "opaque" if what == "opaque" else "unaccounted"
                    sums[protocol][key] += count.count
    assert len(sums) >= 9
    for protocol, found in sums.items():
        assert found["unaccounted"] <= (1 - ACCOUNTED) * found["payload"], (protocol, found)
        assert found["opaque"] <= OPAQUE * found["payload"], (protocol, found)


def umas(transaction: int, session: int, code: int, body: bytes) -> bytes:
    """A UMAS message in Modbus/TCP."""
    pdu = bytes([0, 90, session, code]) + body
    return transaction.to_bytes(2, "big") + b"\0\0" + len(pdu).to_bytes(2, "big") + pdu


@pytest.mark.parametrize("way", [{}, {"batch": 1}, {"cache_off": True}, {"all_plain": True}])
def test_bytes_are_counted_by_kind(bench: Bench, way: dict[str, object]) -> None:
    """Bodies of one key and of different length are each counted with their own."""
    wire = Wire()
    talk = Tcp(wire)
    talk.open()
    asked, answered = [5, 0, 60, 9], [3, 200, 0, 30]
    for number, (ask, answer) in enumerate(zip(asked, answered, strict=True)):
        talk.say(0, umas(number, 1, 0x20, bytes(ask)))
        talk.say(1, umas(number, 1, 0xFE, bytes(answer)))
    path = bench.folder / "umas.pcap"
    path.write_bytes(wire.bytes())
    db = bench.store()
    analyse([path], db, **way)
    with open_store(db, readonly=True) as store:
        counted = [
            (one.name, one.detail, one.count)
            for one in queries.counters(store)
            if "opaque" in one.name
        ]
        (row,) = protocols(store)
        (filtered,) = protocols(store, [queries.Filter("server", "10.0.0.2")])
    left = sum(asked) + sum(answered)
    assert counted == [("opaque:modbus", "UMAS is not public", left)]
    assert (row.accounted, row.opaque) == (100.0, 1000 * left // row.payload / 10)
    assert row.opaque_kinds == ("UMAS is not public",)
    assert (filtered.accounted, filtered.opaque) == (None, None)


def test_kinds_are_read_from_the_note() -> None:
    """The kind is the note's word behind `opaque: `; without it bytes are passed over."""
    said = Message("read", "read", note="job 1, opaque: values that changed, 76 bytes")
    assert told(Reader(bytes(90)), said) is None
    assert told(Reader(bytes(90)), said.leaving(76)) == Told(14, "values that changed")
    item = Reader(bytes(90), item=(10, 30))
    assert told(item, Message("x", "read", note="values not told", left=5)) == Told(15, "")
    sealed = Message("x", "session", note="opaque: encrypted (Basic256)", left=40)
    assert told(Reader(bytes(56)), sealed) == Told(16, "encrypted")
