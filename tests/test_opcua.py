"""OPC UA: real and our own captures against tshark, keys against messages, mutations, contexts."""

import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from conftest import TsharkValues
from engine_runs import Bench, cells, difference, said
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import cut, tshark

from otsec.capture import open_capture
from otsec.dissect import dissect
from otsec.errors import WireError
from otsec.model import TCP
from otsec.protocols import opcua
from otsec.protocols.api import Message, Reader, Side, Split, Units
from otsec.protocols.framing.opcua import ABORT, OPCUA
from otsec.protocols.ua.heads import heads_of
from otsec.protocols.values import from_cells
from otsec.protocols.words.opcua import REQUESTS, SERVICES

OWN = Path(__file__).parents[1] / "pcaps" / "opcua"
MESSAGES = {"operator": 154, "every_service": 60, "secured": 38, "chunked": 15, "by_hand": 26}
SERVER_PORTS = {
    "icsnpp-opcua-binary__open62541_client-server_mainloop-not-localhost-non-standard-port": 48010
}
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


# ------------------------------------------------------------------------------ messages


@dataclass
class Told:
    """One message of a capture."""

    data: bytes
    kind: int
    client: bool  # whether the client sent it
    stream: str

    @property
    def service(self) -> int:
        """Its service, 0 if it has none that can be read."""
        return int(heads_of(units([self.data], self.kind)).service[0])


def units(data: list[bytes], kind: int = 0, side: Side = Side.UNKNOWN) -> Units:
    """Messages as columns."""
    end = np.cumsum(np.array([len(one) for one in data], np.int64))
    start = end - np.array([len(one) for one in data], np.int64)
    marks = [np.full(len(data), mark, np.uint8) for mark in (side, 0, kind)]
    return Units(np.frombuffer(b"".join(data), np.uint8), start, end, *marks)


FIELDS = (
    "tcp.stream", "tcp.srcport", "tcp.seq", "tcp.analysis.retransmission",
    "tcp.analysis.spurious_retransmission", "tcp.payload", "opcua.servicenodeid.numeric",
    "opcua.transport.type", "opcua.AttributeId", "opcua.ApplicationUri", "opcua.ProductUri",
    "opcua.transport.endpoint",
)  # fmt: skip


@lru_cache(maxsize=64)
def rows(path: Path) -> list[dict[str, str]]:
    """What tshark reads of the segments of a capture that are on the server's port."""
    port = SERVER_PORTS.get(path.stem, 4840)
    where = f"tcp.port == {port} && tcp.len > 0"
    asked = (word for one in FIELDS for word in ("-e", one))
    found = tshark(path, "-d", f"tcp.port=={port},opcua", "-Y", where, *asked)
    return [dict(zip(FIELDS, row, strict=True)) for row in found]


@lru_cache(maxsize=64)
def messages(path: Path) -> list[Told]:
    """The messages of a capture; behind a gap they begin anew with a segment."""
    port = str(SERVER_PORTS.get(path.stem, 4840))
    streams: dict[tuple[str, str], tuple[int, bytes, bytes]] = {}
    found = []
    for row in rows(path):
        if row["tcp.analysis.retransmission"] or row["tcp.analysis.spurious_retransmission"]:
            continue
        name, sequence = (row["tcp.stream"], row["tcp.srcport"]), int(row["tcp.seq"])
        payload = bytes.fromhex(row["tcp.payload"])
        expected, rest, pieces = streams.get(name, (sequence, b"", b""))
        data = rest + payload if expected == sequence else payload
        while len(data) >= 8 and len(data) >= (size := int.from_bytes(data[4:8], "little")) > 8:
            chunk, data = data[:size], data[size:]
            aborts = chunk[:4] == b"MSGA"
            if chunk[3:4] == b"C":
                pieces += chunk
                continue
            whole = chunk if aborts else pieces + chunk
            found.append(Told(whole, ABORT * aborts, name[1] != port, name[0]))
            pieces = b""
        streams[name] = sequence + len(payload), data, pieces
    return found


def captures_of(captures: Path) -> list[Path]:
    """All captures of OPC UA."""
    return sorted((captures / "opcua").iterdir()) + sorted(OWN.glob("*.pcap"))


@lru_cache(maxsize=64)
def decoded(path: Path) -> list[tuple[Told, tuple[Message, ...]]]:
    """What the messages of a capture say, each response with its request; items by themselves."""
    asked: dict[tuple[str, int], tuple[Message, ...]] = {}
    found = []
    for told in messages(path):
        side = Side.REQUEST if told.client else Side.RESPONSE
        some = units([told.data], told.kind, side)
        split, items = opcua.split(some), opcua.items(some)
        assert not split.malformed[0], (path.name, told.data[:60].hex())
        tag = told.stream, int(split.tag[0])
        spans = list(zip(items.start.tolist(), items.end.tolist(), strict=True)) or [None]
        requests = () if told.client else asked.get(tag, ())
        said_ = tuple(
            opcua.decode(
                Reader(told.data, framing=0, item=span), side,
                requests[min(at, len(requests) - 1)] if requests else None,
            )
            for at, span in enumerate(spans)
        )  # fmt: skip
        if told.client:
            asked[tag] = said_
        found.append((told, said_))
    return found


# ------------------------------------------------------------------------------ tshark


@pytest.fixture(scope="module")
def every(captures: Path) -> list[Path]:
    """All captures, read by tshark side by side."""
    paths = captures_of(captures)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(rows, paths))
    return paths


def counted(path: Path, field: str) -> Counter[str]:
    """How often tshark reads each value of a field."""
    return Counter(value for row in rows(path) for value in row[field].split(",") if value)


@needs_tshark
def test_services(every: list[Path]) -> None:
    """Every capture has as many messages of each type and service as tshark counts."""
    wrong = {}
    for path in every:
        services = Counter(str(told.service) for told in messages(path) if told.service)
        types = Counter(told.data[:3].decode() for told in messages(path))
        # tshark counts chunks, and shows the service of a message at its last
        types["MSG"] += sum(told.data.count(b"MSGC") for told in messages(path))
        types["MSG"] += LOST_CHUNKS.get(path.stem, 0)
        theirs = counted(path, "opcua.servicenodeid.numeric")
        # tshark reads a number where an encrypted body begins with the bytes of one
        known = Counter({code: count for code, count in theirs.items() if int(code) in SERVICES})
        if services != known or types != counted(path, "opcua.transport.type"):
            wrong[path.name] = services, known, types
    assert wrong == {}


LOST_CHUNKS = {"by_hand": 1}  # the beginning of a message that is aborted


@needs_tshark
def test_nothing_is_malformed(every: list[Path]) -> None:
    """Nothing in any capture is malformed, in our reading as in tshark's."""
    for path in every:
        assert len(decoded(path)) == len(messages(path)), path.name
    for path in OWN.glob("*.pcap"):
        wrong = "_ws.malformed || tcp.analysis.flags"
        assert tshark(path, "-Y", wrong, "-e", "frame.number") == [], path.name
        assert len(messages(path)) == MESSAGES[path.stem], path.name
    assert {path.stem for path in OWN.glob("*.pcap")} == set(MESSAGES)


OF_OTHERS = (  # what a server tells of others without an address is told of nobody
    "icsnpp-opcua-binary__open62541_discover_getendpoints_discover_urls",
)


@needs_tshark
def test_identities(every: list[Path]) -> None:
    """The names by which clients and servers call themselves are those that tshark reads."""
    compared = 0
    for path in every:
        facts = defaultdict(set)
        for _, told in decoded(path):
            for fact in (fact for message in told for fact in message.facts):
                facts[fact.attribute].add(fact.value)
        for attribute, field in (
            ("application_uri", "opcua.ApplicationUri"),
            ("product_uri", "opcua.ProductUri"),
            ("endpoint_url", "opcua.transport.endpoint"),
        ):
            theirs = set(counted(path, field)) - {"[OpcUa Null String]", "[OpcUa Empty String]"}
            assert path.stem in OF_OTHERS or theirs <= facts[attribute], (path.name, attribute)
            compared += len(theirs)
    assert compared > 90


@needs_tshark
def test_nodes_read_and_written(every: list[Path]) -> None:
    """Reads and writes name as many values, and as many other attributes, as tshark counts."""
    compared = 0
    for path in every:
        if path.stem == "chunked":
            continue  # its list stands whole, as those of messages in several chunks do
        for service in (631, 673):
            theirs: Counter[bool] = Counter()
            for row in rows(path):
                if str(service) in row["opcua.servicenodeid.numeric"].split(","):
                    codes = row["opcua.AttributeId"].split(",")
                    theirs.update(int(code, 0) == VALUE for code in codes if code)
            ours = Counter(
                " " not in message.object
                for told, messages_ in decoded(path)
                if told.service == service
                for message in messages_
            )
            assert ours == theirs, (path.name, service)
            compared += ours[True]
    assert compared > 300


VALUE = 13  # the attribute


def test_operations_are_tshark_s(tshark_values: TsharkValues) -> None:
    """Our operations are the service requests of tshark's table, and those of the connection."""
    theirs = {
        int(code)
        for kind, code, name in tshark_values["opcua.servicenodeid.numeric"]
        if kind == "V" and name.endswith("Request")
    }
    assert theirs == set(REQUESTS)
    names = {operation.name for operation in opcua.OPERATIONS}
    of_connections = {
        "hello",
        "reverse_hello",
        "error",
        "abort",
        "secured_message",
        "service_fault",
    }
    assert names == {name for name, _ in REQUESTS.values()} | of_connections


# ------------------------------------------------------------------------------ claims

LARGEST = 100_000


def claimed_in(path: Path) -> int:
    """How many units at the beginning of TCP payloads of a capture are claimed."""
    reader = open_capture(path)
    claimed = 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            rows = (packets.protocol == TCP) & (packets.payload_end > packets.payload)
            start, end = packets.payload[rows], packets.payload_end[rows]
            _, begin, stop = cut(OPCUA, batch.buffer, start, end)
            kind = OPCUA.pieces(batch.buffer, begin, stop).kind if OPCUA.pieces else begin
            zeros = np.zeros(len(begin), np.uint8)
            some = Units(batch.buffer, begin, stop, zeros + 2, zeros, kind)
            claimed += int(opcua.claims(some).sum())
    reader.close()
    return claimed


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of all other protocols no payload is claimed; of our own nearly all are."""
    claimed = {
        f"{path.parent.name}/{path.name}": claimed_in(path)
        for path in sorted(captures.rglob("*.pcap*"))
        if path.parent.name not in {"opcua", "labelled-switched-network"}
        and path.stat().st_size <= LARGEST
    }
    assert {name: some for name, some in claimed.items() if some} == {}
    assert len(claimed) > 200
    assert claimed_in(OWN / "secured.pcap") >= 24  # others begin in the middle of a segment


# ------------------------------------------------------------------------------ keys

GOLDEN = load(opcua.PROTOCOL)
Key = tuple[object, ...]


def keys(data: bytes, kind: int, side: Side) -> tuple[Key, list[Key]] | None:
    """The key of a unit and of each of its items; None where it is malformed."""
    some = units([data], kind, side)
    split = opcua.split(some)
    items = opcua.items(some)
    check_spans(split, some.start, some.end)
    check_spans(items.split, some.start[items.owner], some.end[items.owner])
    assert ((some.start[items.owner] <= items.start) & (items.end <= some.end[items.owner])).all()
    opcua.claims(some), opcua.sides(some), opcua.PROTOCOL.contexts.names(some)
    if split.malformed[0]:
        return None
    return key_of(data, split, 0), [key_of(data, items.split, at) for at in range(len(items.owner))]


def key_of(data: bytes, split: Split, at: int) -> Key:
    """One key."""
    start, length = int(split.key_start[at]), int(split.key_length[at])
    return *(int(word[at]) for word in split.key_words), data[start : start + length]


def check_spans(split: Split, start: np.ndarray, end: np.ndarray) -> None:
    """No span of a key or value lies outside its unit."""
    good = ~split.malformed
    key_end = split.key_start + split.key_length
    assert (split.key_length >= 0)[good].all()
    assert ((split.key_start >= start) & (key_end <= end))[good].all()
    widths = np.array([0, 2, 1, 2, 4, 4, 1, 2, 2, 4, 4, 8, 8, 8, 8, 4, 4, 8, 8])
    full = good & (split.value_count > 0)
    value_end = split.value_start + split.value_count * widths[split.value_type]
    assert ((split.value_start >= start) & (value_end <= end))[full].all()


def told_by(
    golden: Golden, data: bytes
) -> tuple[tuple[Key, list[Key]], list[Message | None]] | None:
    """The keys of a unit, and what it says where decoding does not refuse it."""
    found = keys(data, golden.kind, golden.side)
    if found is None:
        return None
    items = opcua.items(units([data], golden.kind, golden.side))
    spans = list(zip(items.start.tolist(), items.end.tolist(), strict=True)) or [None]
    said_: list[Message | None] = []
    for span in spans:
        reader = Reader(data, framing=0, item=span, context=golden.context)
        try:
            said_.append(opcua.decode(reader, golden.side, None))
        except WireError:
            said_.append(None)
    return found, said_


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_equal_keys_say_equal_messages(golden: Golden) -> None:
    """Of all units that differ in a byte, those with the same key say the same."""
    told = told_by(golden, golden.data)
    assert told is not None
    equal = 0
    for at in range(8, len(golden.data), 1 + len(golden.data) // 40):
        data = bytearray(golden.data)
        data[at] ^= 0x11
        other = told_by(golden, bytes(data))
        if other is not None and other[0] == told[0]:
            assert other[1] == told[1], at
            equal += 1
    assert equal or golden.data[:3] in (b"ERR", b"RHE", b"HEL", b"ACK")


@pytest.mark.parametrize(
    "name", ["publish_done", "read_done", "write_done_asked", "secured_message"]
)
def test_what_changes_from_message_to_message_is_in_no_key(name: str) -> None:
    """Sequence, token and time, and of values the numbers, leave the key as it is."""
    golden = next(one for one in GOLDEN if one.name == name)
    data = bytearray(golden.data)
    data[12:24] = bytes(range(12))
    if name != "secured_message":
        data[36 - 4 : 44 - 4] = b"\x55" * 8 if golden.side == Side.RESPONSE else data[32:40]
    split = opcua.split(units([bytes(data)]))
    assert split.tag[0] == int.from_bytes(bytes(range(8, 12)), "little")
    for read in (opcua.items(units([bytes(data)])),):
        for at in range(len(read.owner)):
            start, size = int(read.split.value_start[at]), int(read.split.value_count[at])
            data[start : start + size] = bytes(size)
    assert keys(bytes(data), 0, golden.side) == keys(golden.data, 0, golden.side)


@settings(max_examples=300, deadline=None)
@given(
    golden=st.sampled_from(GOLDEN),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), max_size=6),
    resize=st.integers(-40, 40),
)
def test_mutations(golden: Golden, edits: list[tuple[int, bytes]], resize: int) -> None:
    """Whatever bytes stand in a unit, nothing points outside it and only WireError is raised."""
    data = bytearray(golden.data)
    for at, new in edits:
        place = at % len(data)
        data[place : place + len(new)] = new
    data = data[:resize] if resize < 0 else data + bytes(resize)
    if len(data) > 8 and resize and data[3:4] != b"C":
        data[4:8] = len(data).to_bytes(4, "little")
    told_by(golden, bytes(data))
    with suppress(WireError):
        opcua.learn(Reader(bytes(data), framing=0), golden.side, {})


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=120), kind=st.sampled_from([0, ABORT]))
def test_random_bytes(data: bytes, kind: int) -> None:
    """Random bytes are refused or read, and never claimed."""
    assert not opcua.claims(units([data], kind)).any()
    keys(data, kind, Side.REQUEST)
    for side in Side:
        try:
            opcua.decode(Reader(data, framing=0), side, None)
        except WireError:
            continue


def test_columns_of_many_are_those_of_one() -> None:
    """Units side by side are cut as each is by itself."""
    golden = [one for one in GOLDEN if one.kind == 0 and one.side == Side.RESPONSE]
    some = units([one.data for one in golden], side=Side.RESPONSE)
    split, items = opcua.split(some), opcua.items(some)
    for at, one in enumerate(golden):
        alone = opcua.split(units([one.data], side=Side.RESPONSE))
        assert [int(word[at]) for word in split.key_words] == [
            int(word[0]) for word in alone.key_words
        ]
        assert split.key_length[at] == alone.key_length[0]
        assert split.tag[at] == alone.tag[0]
        assert split.malformed[at] == alone.malformed[0]
        listed = opcua.items(units([one.data], side=Side.RESPONSE))
        assert (items.owner == at).sum() == len(listed.owner), one.name


# ------------------------------------------------------------------------------ the engine


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("opcua"))


WAYS = [
    {"batch": 1}, {"batch": 7}, {"all_plain": True}, {"cache_off": True}, {"hash_bits": 8},
    {"workers": 2},
]  # fmt: skip


@pytest.mark.parametrize("name", ["operator", "secured", "chunked", "by_hand"])
def test_dumps_are_equal(bench: Bench, name: str) -> None:
    """However a capture is read, the dump is the same: batches, paths, cache, hash, resumed."""
    content = (OWN / f"{name}.pcap").read_bytes()
    expected = bench.dump(content)
    for way in WAYS:
        assert difference(expected, bench.dump(content, **way)) == "", way
    assert difference(expected, bench.grown(content, 30)) == ""


def test_operator(bench: Bench) -> None:
    """An operator's session: what is read, written and reported, by node; values as sent."""
    dump = bench.dump((OWN / "operator.pcap").read_bytes())
    found = said(dump)
    assert found["", "write", "ns=2;s=Mixer.Setpoint", "ok"] == 5
    assert found["", "read", "ns=2;s=Mixer.Recipe", "ok"] == 6
    # the context: handles of a subscription are told by the nodes that they stand for
    assert found["", "publish", "ns=2;s=Mixer.Setpoint", "ok"] == 5
    assert not any("handle" in object_ for _, _, object_, _ in found)
    assert not any("hunter2" in line for line in dump)
    told = {
        row["space"]: [from_cells(np.array(row[end]), row["value_type"]).tolist() for end in ENDS]
        for row in cells(dump, "value")
    }
    assert told["ns=2;s=Mixer.Setpoint"] == [[60.0], [64.0]]
    assert told["ns=2;s=Mixer.Recipe"] == [[1, 5, 8], [1, 5, 8]]


ENDS = ("minimum", "maximum")


def test_secured(bench: Bench) -> None:
    """Signed messages are read, encrypted ones counted as opaque with the policy of the channel."""
    found = said(bench.dump((OWN / "secured.pcap").read_bytes()))
    assert found["", "read", "ns=2;s=Mixer.Level", "ok"] == 3
    assert found["", "secured_message", "to the server", "ok"] == 7
    assert found["", "secured_message", "to the client", "ok"] == 7


def test_a_request_without_its_opening_is_not_guessed(bench: Bench) -> None:
    """Reports whose items were created before the capture began are told by their handles."""
    content = (OWN / "operator.pcap").read_bytes()
    from engine_runs import records

    parts = records(content)
    late = content[:24] + b"".join(parts[-60:])
    found = said(bench.dump(late))
    named = [object_ for _, operation, object_, _ in found if operation == "publish"]
    assert any(object_.startswith("subscription") for object_ in named)


def test_thumbprints_agree(captures: Path) -> None:
    """The certificate that a client names is the one that the server shows."""
    path = captures / "opcua" / "icsnpp-opcua-binary__open62541_client-server_encrypted.pcapng"
    facts = {
        (fact.attribute, fact.about): fact.value
        for told, said_ in decoded(path)
        if told.data[:3] == b"OPN"
        for message in said_
        for fact in message.facts
        if not told.client or fact.about == "client"
    }
    named = {
        fact.value
        for told, said_ in decoded(path)
        if told.data[:3] == b"OPN" and told.client
        for message in said_
        for fact in message.facts
        if (fact.attribute, fact.about) == ("certificate_sha1", "server")
    }
    assert named == {facts["certificate_sha1", "server"]}
    assert "CN=" in facts["certificate", "server"]


def test_generator_by_hand_makes_it_again(tmp_path: Path) -> None:
    """What the generator says by hand is stored byte for byte."""
    pytest.importorskip("asyncua", reason="asyncua is not installed")
    code = (
        "import generate, pathlib; "
        f"generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main(['by_hand'])"
    )
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    assert (tmp_path / "by_hand.pcap").read_bytes() == (OWN / "by_hand.pcap").read_bytes()
