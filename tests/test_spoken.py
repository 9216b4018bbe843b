"""Protocols of which only the beginning is read: keys, mutations, claims, the cost of bulk."""

import re
from pathlib import Path

import numpy as np
import pytest
from engine_runs import CLIENT, SERVER, Bench, Tcp, Wire, difference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.capture import open_capture
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.errors import WireError
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Protocol, Reader, Side, Units
from otsec.streams.claim import Registry

NAMES = ("tls", "http", "ssh", "smb", "rdp", "vnc")
SPOKEN = {protocol.name: protocol for protocol in PROTOCOLS if protocol.name in NAMES}
GOLDEN = {name: load(protocol) for name, protocol in SPOKEN.items()}
OWN = Path(__file__).parents[1] / "pcaps"
each = pytest.mark.parametrize("name", NAMES)


def units(golden: list[Golden], data: list[bytes]) -> Units:
    """Messages as columns, each with side and kind of its golden message."""
    size = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(size)
    side = np.array([one.side for one in golden], np.uint8)
    kind = np.array([one.kind for one in golden], np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - size, end, side, np.zeros(len(data), np.uint8), kind)


@each
def test_equal_keys_say_equal_messages(name: str) -> None:
    """What differs only in bytes that say nothing has the same key; what says more has another."""
    protocol = SPOKEN[name]
    for golden in GOLDEN[name]:
        other = bytearray(golden.data)
        for begin, end in golden.open:
            other[begin:end] = bytes(octet ^ 1 for octet in other[begin:end])
        told, changed = golden.read(golden.data, bytes(other))
        if golden.name.startswith("kexinit"):  # what HASSH counts of the other direction
            continue
        if changed != told:  # several of the bytes together may say something
            continue
        some = units([golden] * 2, [golden.data, bytes(other)])
        words = protocol.split(some).key_words
        assert all(word[0] == word[1] for word in words), golden.name
        if protocol.items is not None:
            items = protocol.items(some)
            words = items.split.key_words
            half = len(items.owner) // 2
            assert all((word[:half] == word[half:]).all() for word in words), golden.name


@each
def test_different_messages_have_different_keys(name: str) -> None:
    """No two golden messages that say different things share a key."""
    protocol = SPOKEN[name]
    found = GOLDEN[name]
    some = units(found, [golden.data for golden in found])
    split = protocol.split(some)
    keys = list(zip(*(word.tolist() for word in split.key_words), strict=True))
    if protocol.items is not None:
        items = protocol.items(some)
        for owner, *words in zip(
            items.owner.tolist(), *(w.tolist() for w in items.split.key_words), strict=True
        ):
            keys[owner] += tuple(words)
    said: dict[object, object] = {}
    for golden, key in zip(found, keys, strict=True):
        told = protocol.decode(_reader(golden), Side.REQUEST, None)
        assert said.setdefault(key, told) == told, golden.name


def _reader(golden: Golden, data: bytes | None = None) -> Reader:
    return Reader(golden.data if data is None else data, framing=0)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Protocol, Golden, bytes]:
    """A golden message with some bytes changed, cut or put in."""
    name = draw(st.sampled_from(NAMES))
    golden = draw(st.sampled_from(GOLDEN[name]))
    data = bytearray(golden.data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return SPOKEN[name], golden, bytes(data)


@settings(max_examples=600, deadline=None)
@given(damaged())
def test_damage_is_survived(case: tuple[Protocol, Golden, bytes]) -> None:
    """Columns never raise nor point outside; decoding raises nothing but errors of the wire."""
    protocol, golden, data = case
    some = units([golden], [data])
    protocol.claims(some)
    protocol.sides(some)
    split = protocol.split(some)
    assert (split.key_length == 0).all()
    spans: list[tuple[int, int] | None] = [None]
    if protocol.items is not None and not split.malformed[0]:
        items = protocol.items(some)
        assert (items.start >= 0).all()
        assert (items.end <= len(data)).all()
        spans += zip(items.start.tolist(), items.end.tolist(), strict=True)
    for span in spans:
        for side in (Side.REQUEST, Side.RESPONSE):
            try:
                protocol.decode(Reader(data, framing=0, item=span), side, None)
            except WireError:
                continue


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=80), st.integers(0, 40))
def test_framings_survive_anything(name: str, data: bytes, start: int) -> None:
    """A framing gives a length for any bytes; what is cut by it lies in them."""
    framing = SPOKEN[name].framings[0]
    size = framing.header.itemsize
    if start + size > len(data):
        return
    buffer = np.frombuffer(data, np.uint8)
    begin, end = np.array([start]), np.array([len(data)])
    header = np.frombuffer(data[start : start + size], framing.header)
    length = int(framing.lengths(buffer, begin, end, header)[0])
    assert length >= 0
    if size <= length <= len(data) - start and framing.pieces is not None:
        pieces = framing.pieces(buffer, begin, begin + length)
        assert pieces.bad[0] or start <= pieces.start[0] <= pieces.end[0] <= start + length


# ------------------------------------------------------------------------------- claims

MINE = {  # captures of others that hold them too, as tshark sees it
    "hart-ip/icsnpp-hart-ip__hart-ip.pcapng": {"smb"},
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Remote_Mode_Change_Attempt.pcap": {"smb"},
    "enip-cip/iti__EIP-IPAddressChangeAttempt.pcap": {"smb"},
    "goose/iti__Sample_File_MMS_and_GOOSE.pcap": {"smb"},
    "c37118/icsnpp-synchrophasor__c37118_1100_unclean.pcap": {"http"},
    "labelled-switched-network/westermo-2023-right-tap-reduced.pcap": {"ssh"},
    # a scanner's request with the cookie of RDP in frame 80, which tshark does not read on port 502
    "modbus/zeek__modbus-and-non-modbus-p502.pcap": {"http", "rdp", "tls"},
    "mqtt/suricata-verify__mqtt-events-missing-connect-input.pcap": {"http", "tls"},
}


def owners(path: Path) -> set[str]:
    """Which of these protocols own a connection of a capture."""
    registry = Registry(PROTOCOLS)
    engine = Engine(registry, Caps(), Settings(seed=7))
    reader = open_capture(path)
    try:
        for chunk in reader.chunks():
            for batch in chunk.batches:
                engine.apply(batch, columnar(batch, registry, engine.settings))
    finally:
        reader.close()
    return {
        said for row in engine.take_rows(1)["behaviour"] for said in row if isinstance(said, str)
    } & set(NAMES)


def test_no_capture_of_another_is_claimed(claimed: dict[str, set[str]]) -> None:
    """Of all shared captures these hold what tshark finds in them, and no other holds any."""
    found = {name: mine for name, owners in claimed.items() if (mine := owners & set(NAMES))}
    assert found == MINE


LARGEST = 20_000_000


# -------------------------------------------------------------------------- own captures


def own() -> list[Path]:
    """The captures of this project."""
    return [path for name in NAMES for path in sorted((OWN / name).glob("*.pcap"))]


@pytest.mark.parametrize("path", own(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Our captures say the same however they are cut into batches, in columns or one by one."""
    bench = Bench(tmp_path)
    content = path.read_bytes()
    whole = bench.dump(content)
    for batch, plain in ((1, False), (3, True), (7, False), (65_536, True)):
        other = bench.dump(content, batch=batch, all_plain=plain)
        assert not difference(whole, other), (batch, plain)


@pytest.mark.parametrize("path", own(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_own_captures_are_sound(path: Path) -> None:
    """Nothing in our captures is malformed, in tshark's reading."""
    wrong = "_ws.malformed || tcp.analysis.flags"
    assert tshark(path, "-Y", wrong, "-e", "frame.number") == []
    assert owners(path) == {path.parent.name}


@pytest.mark.parametrize("size", [70, 1_400])
@each
def test_segments_make_no_difference(name: str, size: int, tmp_path: Path) -> None:
    """Golden messages in a stream say the same in segments of any size."""
    bench = Bench(tmp_path)
    found = [bench.dump(_stream(name, one), batch=1_000) for one in (size, 900)]
    assert _said(found[0]) == _said(found[1])
    assert _said(found[0])


def _stream(name: str, size: int) -> bytes:
    wire = Wire()
    ends = {"rdp": 3389, "smb": 445, "ssh": 22, "tls": 443, "http": 80, "vnc": 5900}
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", ends[name])))
    tcp.open()
    for golden in _opening(name):
        side = CLIENT if golden.side == Side.REQUEST else SERVER
        data = _framed(name, golden)
        for at in range(0, len(data), size):
            tcp.say(side, data[at : at + size])
    return wire.bytes()


def _opening(name: str) -> list[Golden]:
    """A few messages with which a connection can begin."""
    wanted = {
        "tls": ("client_hello", "server_hello", "certificate"), "http": ("get", "response_answered"),
        "ssh": ("identification_of_client", "identification", "kexinit_of_client", "kexinit"),
        "smb": ("smb2_negotiate", "smb2_negotiate_answered"),
        "rdp": ("connection_request", "connection_confirm_answered"),
        "vnc": ("protocol_version", "protocol_version_of_client", "security_types"),
    }[name]  # fmt: skip
    by_name = {golden.name: golden for golden in GOLDEN[name]}
    return [by_name[one] for one in wanted]


def _framed(name: str, golden: Golden) -> bytes:
    if name == "http":  # with the content that a header block announces
        said = re.search(rb"(?i)content-length: *(\d+)", golden.data)
        return golden.data + bytes(int(said[1]) if said else 0)
    if name != "rdp":
        return golden.data
    return b"\3\0" + (4 + len(golden.data)).to_bytes(2, "big") + golden.data


def _said(lines: list[str]) -> list[str]:
    """Facts, without packets and times."""
    return sorted({line.partition(" first_time")[0] for line in lines if line.startswith("fact ")})
