"""DNP3 against tshark on real traffic, its columns against its decoder, and hostile bytes."""

import shutil
import struct
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from engine_runs import Bench, analyse, as_pcap, cells, difference, taken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_framing_dnp3 import frame
from test_protocols_golden import Golden, load
from wire_captures import cut, tshark

from otsec.capture import open_capture
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.errors import WireError
from otsec.protocols import dnp3
from otsec.protocols.api import VALUE_TYPES, Items, Message, Reader, Side, Split, Units
from otsec.protocols.framing.dnp3 import DNP3
from otsec.protocols.reading import read
from otsec.streams.claim import Registry

OWN = Path(__file__).parents[1] / "pcaps" / "dnp3"
GOLDEN = load(dnp3.PROTOCOL)
CODES = {operation.name: operation.code for operation in dnp3.OPERATIONS}
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def units_of(data: list[bytes], side: Side = Side.UNKNOWN) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, zeros + np.uint8(side), zeros, zeros)


# ------------------------------------------------------------------------- real captures


@dataclass(frozen=True)
class Said:
    """One fragment as both sides of the comparison tell it."""

    function: int
    control: int  # application control
    objects: tuple[int, ...] = ()  # group and variation of each object header
    numbers: frozenset[float] = frozenset()  # what counters and analog points of it hold


@dataclass(frozen=True)
class Read:
    """One run of tshark over a capture: the bytes that it saw, and what it made of them."""

    streams: dict[str, list[bytes]]
    told: Counter[Said]


@cache
def tshark_reads(path: Path) -> Read:
    """Payloads by who speaks, one behind the other (TCP) or each alone (UDP), and fragments."""
    transport = "udp" if "_udp_" in path.name else "tcp"  # no capture has both
    fields = (f"{transport}.srcport", f"{transport}.dstport", f"{transport}.payload", *FIELDS)
    wanted = f"{transport}.payload && !tcp.analysis.retransmission"
    words = [word for field in fields for word in ("-e", field)]
    streams: dict[str, list[bytes]] = {}
    told: Counter[Said] = Counter()
    for source, target, payload, function, control, objects, *numbers in tshark(
        path, "-Y", wanted, *words
    ):
        streams.setdefault(f"{source} {target}", []).append(bytes.fromhex(payload.split(",")[0]))
        if function:
            names = tuple(int(one, 0) for one in objects.split(",") if one)
            held = [float(one) for word in numbers for one in word.split(",") if one]
            one = Said(int(function), int(control, 0), names, frozenset(held))
            told[one if one.function >= 129 else replace(one, numbers=frozenset())] += 1
    if transport == "tcp":
        return Read({ports: [b"".join(parts)] for ports, parts in streams.items()}, told)
    return Read(streams, told)


FIELDS = (
    "dnp3.al.func", "dnp3.al.ctl", "dnp3.al.obj", "dnp3.al.cnt", "dnp3.al.ana.int",
    "dnp3.al.ana.float", "dnp3.al.anaout.int", "dnp3.al.anaout.float",
)  # fmt: skip


def fragments(path: Path) -> list[bytes]:
    """The units of a capture, joined of their frames by who speaks."""
    whole: list[bytes] = []
    for parts in tshark_reads(path).streams.values():
        end = np.cumsum(np.array([len(part) for part in parts], np.int64))
        start = np.concatenate([[0], end[:-1]])
        buffer = np.frombuffer(b"".join(parts), np.uint8)
        _, start, end = cut(DNP3, buffer, start, end)
        assert DNP3.pieces is not None
        pieces = DNP3.pieces(buffer, start, end)
        before = b""
        for at in np.flatnonzero(~pieces.bad).tolist():
            data = pieces.buffer[pieces.start[at] : pieces.end[at]].tobytes()
            lost = not pieces.first[at] and not before
            data = data if pieces.first[at] else before + data
            before = b"" if lost or pieces.last[at] else data
            if pieces.last[at] and not lost:
                whole.append(data)
    return whole


NUMBERS = (
    "counter", "frozen_counter", "analog_input", "analog_output", "frozen_analog_input",
    "analog_output_block",
)  # fmt: skip


def said(data: bytes) -> Said | None:
    """What a unit says; None of link units and malformed ones."""
    if len(data) < 7 or dnp3.split(units_of([data])).malformed[0]:
        return None
    side = Side.RESPONSE if data[6] in dnp3.ANSWERS else Side.REQUEST
    headers = list(dnp3._object_headers(data, 9 if side else 7, data[6]))
    names = tuple(header.group << 8 | header.variation for header in headers)
    reading = read(dnp3.PROTOCOL, data, side)
    assert reading is not None
    valued = [one.elements.space for one in reading.messages if one.elements is not None]
    held: set[float] = set()
    for space, values in zip(valued, reading.values, strict=True):
        if side and space.split(" ")[0] in NUMBERS:
            held.update(
                float(f"{value:.6g}") if isinstance(value, float) else value for value in values
            )
    return Said(data[6], data[5], names, frozenset(held))


@cache
def our_fragments(path: Path) -> Counter[Said]:
    """What our columns read in the units of a capture."""
    return Counter(one for one in map(said, fragments(path)) if one is not None)


# (what tshark reads and we do not, what we read and tshark does not), each with its reason
QUALIFIER = "an object header with qualifier 0xed, which there is not: malformed to us"
SECURITY = "tshark does not know the objects of group 120"
CLASSES = {(21, "3c02 3c03 3c04"): 2, (18, ""): 4}
READ_HERE = {(1, "3c02 3c03 3c04 3c01"): 1, (129, "0102 0a02 1e01"): 1}
Told = dict[tuple[int, str], int]
DIFFERENCES: dict[str, tuple[str, Told, Told]] = {
    "Quickdraw-Snort__dnp3_test_data_part1": (QUALIFIER, CLASSES, {}),
    "nDPI__dnp3": (QUALIFIER, CLASSES, {}),
    "zeek__dnp3": (QUALIFIER, CLASSES, {}),
    "icsnpp-dnp3__dnp3_example": (
        "where transport numbers come round, tshark joins segments of other fragments",
        {(0, ""): 1},
        {(129, "0102 0a02 1e02 2802"): 3, (129, "0c01"): 1, (130, "0202"): 1},
    ),
    "iti__assign_class": ("tshark lists no objects here", {(22, ""): 1}, {(22, "3c03 0100"): 1}),
    "iti__auth_change_session_keys": (
        SECURITY,
        {(32, ""): 2, (131, ""): 2},
        {(32, "7804"): 1, (32, "7806"): 1, (131, "7805"): 2},
    ),
    "iti__auth_control_challenge_response": (
        SECURITY, {(32, ""): 1, (131, ""): 1}, {(32, "7802"): 1, (131, "7801"): 1},
    ),
    "iti__operate_aggressive_mode": (
        SECURITY, {(5, "7803"): 1}, {(5, "7803 0c01 7809"): 1},
    ),
    "iti__direct_operate_crob_malform_but_good_crc": (
        "two controls are told, and there is one of them: malformed to both", {(5, "0c01"): 1}, {},
    ),
    "suricata-verify__dnp3-max-points-test": (
        "a byte is lacking of 65,535 points: malformed to both", {(2, "0101"): 1}, {},
    ),
    "zeek__dnp3_read_p20001": ("tshark does not look at port 20001", {}, READ_HERE),
}  # fmt: skip


def told(found: Counter[Said]) -> Told:
    """How often each function came with which objects."""
    short: Counter[tuple[int, str]] = Counter()
    for one, count in found.items():
        short[one.function, " ".join(f"{name:04x}" for name in one.objects)] += count
    return dict(short)


# ------------------------------------------------------------------------- whole engine


Rows = dict[str, list[dict[str, object]]]


def rows_of(path: Path) -> Rows:
    """Conversations and behaviours of a capture, with no protocol but this."""
    registry, settings_ = Registry((dnp3.PROTOCOL,)), Settings(seed=7)
    engine = Engine(registry, Caps(), settings_)
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            engine.apply(batch, columnar(batch, registry, settings_))
    reader.close()
    rows = taken(engine)
    names = ("protocol", "device", "operation", "cls", "object", "outcome", "count")
    return {
        "conversation": [{"protocol": row} for row in rows["conversation"] if "dnp3" in row],
        "behaviour": [dict(zip(names, row[3:10], strict=True)) for row in rows["behaviour"]],
        "fact": [
            dict(zip(("device", "attribute", "value"), row[2:5], strict=True))
            for row in rows["fact"]
        ],
    }


def test_nothing_else_is_claimed(captures: Path) -> None:
    """No capture of another protocol has a conversation that is taken for DNP3."""
    for path in sorted(captures.rglob("*cap*")):
        if path.is_file() and path.parent.name not in {"dnp3", "captures"}:
            assert rows_of(path)["conversation"] == [], path.name


# where connections are not owned: their units come in pieces
UNOWNED = {
    "iti__write_vto_empty_string",
    "suricata-verify__dnp3-max-points-test",
    "suricata-verify__dnp3-too-long-reassembly-request-input",
    "suricata-verify__dnp3-too-long-reassembly-response-input",
    "zeek__dnp3-flowbuffer-overflow-assert",
}


def requests_of(rows: Rows) -> Counter[int]:
    """How often each function was asked, as the behaviours count it."""
    sent: Counter[int] = Counter()
    for row in rows["behaviour"]:
        code = CODES[str(row["operation"])]
        if code < 129 and row["outcome"] not in {"unasked", "duplicate"}:
            sent[code] += int(str(row["count"]))
    return sent


def test_a_command_that_breaks_its_form_is_dnp3_all_the_same(
    captures: Path, tmp_path: Path
) -> None:
    """Right check sums prove the protocol: a lone command of a wrong form is told as malformed."""
    path = captures / "dnp3" / "iti__direct_operate_crob_malform_but_good_crc.pcap"

    (row,) = cells(analyse([path], tmp_path / "one.db").dump, "conversation")
    assert (row["protocol"], row["malformed"], row["client"]) == ("dnp3", 1, "192.168.10.3")


@pytest.mark.slow
@needs_tshark
def test_real_captures(captures: Path) -> None:
    """Fragments of all captures: functions, objects and numbers as tshark reads them, or why not.

    The whole engine counts as many requests, one for each control, where it finds the connection.
    """
    paths = sorted((captures / "dnp3").glob("*cap*"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(tshark_reads, paths))
    unowned = set()
    for path in paths:
        ours, theirs = our_fragments(path), tshark_reads(path).told
        _, lacking, more = DIFFERENCES.get(path.stem, ("", {}, {}))
        assert (told(theirs - ours), told(ours - theirs)) == (lacking, more), path.name
        rows = rows_of(path)
        expected: Counter[int] = Counter()
        for one, count in ours.items():
            expected[one.function] += count if one.function < 129 else 0
        if rows["conversation"]:
            assert requests_of(rows) == +expected, path.name
        else:
            unowned.add(path.stem)
    assert unowned == UNOWNED
    assert sum(tshark_reads(path).told.total() for path in paths) > 1_000


# ------------------------------------------------------------------------ set by hand


def framed(golden: Golden) -> bytes:
    """A golden message as frames, cut where a frame is full."""
    data = golden.data
    control, target, source = struct.unpack_from("<BHH", data)
    if len(data) == 5:
        return frame(control, target, source)
    parts = [data[at : at + 249] for at in range(5, len(data), 249)]
    marks = [
        (0x40 if at == 0 else 0) | (0x80 if at == len(parts) - 1 else 0) | at
        for at in range(len(parts))
    ]
    pairs = zip(marks, parts, strict=True)
    return b"".join(frame(control, target, source, bytes([mark]) + part) for mark, part in pairs)


def datagram(number: int, data: bytes) -> bytes:
    """A UDP datagram of a port of its own, so that tshark joins nothing across messages."""
    body = struct.pack(">HHHH", 20_000, 30_000 + number, 8 + len(data), 0) + data
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0)
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + head + b"\x0a\0\0\1\x0a\0\0\2" + body


FUNCTION_ONLY = "tshark 4.0 tells no objects of this function"
LESS: dict[str, str] = {  # messages of which tshark reads less than we do
    **dict.fromkeys(
        (
            "assign class", "initialize data", "initialize an application", "start an application",
            "stop an application", "freeze at a time", "freeze at a time without acknowledgement",
            "ask for a file's description", "authenticate for files", "abort a file",
            "activate a configuration",
        ),
        FUNCTION_ONLY,
    ),
    **dict.fromkeys(
        (
            "direct operate is challenged", "session key status", "answer a challenge",
            "ask for session keys", "authentication error", "direct operate with a MAC",
            "read with a MAC",
        ),
        SECURITY,
    ),
    "write an octet string": "tshark leaves the length out of the variation",
    "octet string": "tshark leaves the length out of the variation",
    "data set descriptor": "tshark reads one of the three objects",
    "security statistics": "tshark does not know group 121",
}  # fmt: skip


@needs_tshark
def test_golden_messages_read_alike(tmp_path: Path) -> None:
    """Tshark finds the same functions, stations, objects and numbers in every golden message."""
    path = tmp_path / "golden.pcap"
    path.write_bytes(
        as_pcap((at * 10**9, datagram(at, framed(one))) for at, one in enumerate(GOLDEN))
    )
    fields = ("dnp3.ctl", "dnp3.dst", "dnp3.src", "_ws.malformed", *FIELDS)
    told = tshark(path, *(word for field in fields for word in ("-e", field)))
    assert len(told) == len(GOLDEN)
    less = set()
    for golden, row in zip(GOLDEN, told, strict=True):
        control, target, source, malformed, function, application, objects, *numbers = row
        head = struct.unpack_from("<BHH", golden.data)
        assert (
            int(control.split(",")[0], 0),
            int(target.split(",")[0]),
            int(source.split(",")[0]),
        ) == head
        ours = said(golden.data)
        if ours is None:
            assert not function, golden.name
            continue
        assert (int(function), int(application, 0)) == (ours.function, ours.control), golden.name
        names = tuple(int(one, 0) for one in objects.split(",") if one)
        held = {float(one) for word in numbers for one in word.split(",") if one}
        read_less = names != ours.objects or malformed != ""
        if ours.function >= 129:
            read_less |= not held >= ours.numbers
        if read_less:
            less.add(golden.name)
    assert less == set(LESS)


# ------------------------------------------------------------- columns against decoder

Key = tuple[object, ...]


def cut_keys(units: Units, cut_: Split | Items, row: int) -> Key:
    """The key of one unit or item."""
    one = cut_.split if isinstance(cut_, Items) else cut_
    start, length = int(one.key_start[row]), int(one.key_length[row])
    span = units.buffer[start : start + length].tobytes()
    return (*(int(word[row]) for word in one.key_words), span)


def keyed(data: list[bytes], side: Side) -> list[tuple[Key, bytes, tuple[int, int] | None]]:
    """Key, bytes and place of everything that well-formed units say."""
    units = units_of(data, side)
    split = dnp3.split(units)
    good = [one for one, bad in zip(data, split.malformed.tolist(), strict=True) if not bad]
    units = units_of(good, side)
    split, items = dnp3.split(units), dnp3.items(units)
    keys = [cut_keys(units, split, row) for row in range(len(good))]
    found: list[tuple[Key, bytes, tuple[int, int] | None]] = []
    for row, owner in enumerate(items.owner.tolist()):
        base = int(units.start[owner])
        place = int(items.start[row]) - base, int(items.end[row]) - base
        found.append((("item", *keys[owner], *cut_keys(units, items, row)), good[owner], place))
    listed = set(items.owner.tolist())
    return found + [(keys[at], one, None) for at, one in enumerate(good) if at not in listed]


def mutants(count: int, seed: int) -> list[bytes]:
    """Golden messages with bytes changed, taken out, put in and doubled."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        data = bytearray(GOLDEN[random.integers(len(GOLDEN))].data)
        for _ in range(random.integers(0, 4)):
            at = int(random.integers(len(data)))
            kind = random.integers(6)
            if kind < 3:
                data[at] ^= int(random.choice((0x01, 0x04, 0x80, 0x5A)))
            elif kind == 3:
                del data[at]
            elif kind == 4:
                data.insert(at, int(random.integers(256)))
            else:
                data += data[at : at + 8]
        made.append(bytes(data) if len(data) > 4 else GOLDEN[0].data)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_one_key_is_one_message(seed: int) -> None:
    """What has one key says one thing; what columns find well-formed is decoded, but for files.

    What stands within the object of a file is only looked at by the decoder.
    """
    seen: dict[Key, Message | None] = {}
    for side in (Side.REQUEST, Side.RESPONSE):
        for key, data, place in keyed(mutants(1_500, seed), side):
            message = None
            try:
                message = dnp3.decode(Reader(data, item=place), side, None)
            except WireError:
                assert bytes([dnp3.FILE]) in data[7:], data.hex()
            assert seen.setdefault((side, *key), message) == message, data.hex()
    assert len(seen) > 500


def reads(data: bytes) -> bool:
    """Whether the decoder's own walk finds the form of a unit right."""
    try:
        if len(data) >= 7 and data[0] & 0x40 and data[0] & 0x0F in {3, 4}:
            if data[6] in (*range(34), *dnp3.ANSWERS):
                at = 9 if data[6] in dnp3.ANSWERS else 7
                bare = data[6] in {0, 13, 14, 19, 23, 24} and data[at : at + 1] not in {b"", b"x"}
                return (
                    len(data) >= at
                    and not bare
                    and list(dnp3._object_headers(data, at, data[6])) is not None
                )
            return False
        dnp3.decode(Reader(data), Side.UNKNOWN, None)
    except WireError:
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_malformed_is_malformed_to_both(seed: int) -> None:
    """Columns and decoder agree which units contradict the standard."""
    data = mutants(1_500, seed + 100)
    malformed = dnp3.split(units_of(data)).malformed.tolist()
    for one, bad in zip(data, malformed, strict=True):
        assert bad is not reads(one), one.hex()


def test_alone_or_among_others() -> None:
    """A unit says the same whichever units stand beside it."""
    data = mutants(400, 7)
    together = {(key, place) for key, _, place in keyed(data, Side.UNKNOWN)}
    apart = {(key, place) for one in data for key, _, place in keyed([one], Side.UNKNOWN)}
    assert together == apart


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), st.sampled_from(Side))
@example([bytes.fromhex("c40a000100c0011e0502ffffffff00000000")], Side.REQUEST)
@example(
    [bytes.fromhex("4401000a00c08100001e0102000000 00ffffffff".replace(" ", ""))], Side.RESPONSE
)
@settings(max_examples=300, deadline=None)
def test_nothing_is_read_outside(data: list[bytes], side: Side) -> None:
    """Any bytes: nothing but WireError leaves the decoder, and columns stay within units."""
    data = [bytes([0xC4, 1, 0, 2, 0]) + one if len(one) % 2 else one for one in data]
    units = units_of(data, side)
    dnp3.claims(units)
    dnp3.sides(units)
    split = dnp3.split(units)
    well = np.flatnonzero(~split.malformed)
    within(split, units.start[well], units.end[well], well)
    items = dnp3.items(units)
    start, end = units.start[items.owner], units.end[items.owner]
    assert ((items.start >= start) & (items.end <= end) & (items.start <= items.end)).all()
    assert (np.diff(items.owner) >= 0).all()
    assert not split.malformed[items.owner].any()
    within(items.split, start, end, np.arange(len(start)))
    for at, one in enumerate(data):
        places = [
            (int(s), int(e)) for s, e in zip(items.start - start, items.end - start, strict=True)
        ]
        mine = [
            place for place, owner in zip(places, items.owner.tolist(), strict=True) if owner == at
        ]
        for place in (None, *mine):
            try:
                dnp3.decode(Reader(one, item=place), side, None)
            except WireError:
                continue


def within(split: Split, start: np.ndarray, end: np.ndarray, rows: np.ndarray) -> None:
    """Key spans and values lie in their units."""
    key = split.key_start[rows], split.key_start[rows] + split.key_length[rows]
    some = split.key_length[rows] > 0
    assert ((key[0] >= start) & (key[1] <= end))[some].all()
    for at in np.flatnonzero(split.value_count[rows] > 0).tolist():
        row = int(rows[at])
        count, size = int(split.value_count[row]), VALUE_TYPES[int(split.value_type[row])]
        begin = int(split.value_start[row])
        if size is None:
            last = begin + (count + 7) // 8
        else:
            step = size.itemsize if split.value_step is None else int(split.value_step[row])
            last = begin + step * (count - 1) + size.itemsize
        assert start[at] <= begin
        assert last <= end[at]


def test_many_headers_are_refused() -> None:
    """A fragment of more object headers than any device sends is malformed, and soon."""
    most = dnp3.MOST_HEADERS
    data = [
        bytes.fromhex("c40a000100c001") + bytes.fromhex("1e0106") * count
        for count in (most, most + 1)
    ]
    assert dnp3.split(units_of(data)).malformed.tolist() == [False, True]
    assert (
        len(dnp3.decode(Reader(data[0], item=(7, len(data[0]))), Side.REQUEST, None).object) < 600
    )


def test_sequence_and_stations_pair() -> None:
    """Tags are equal for a request and its answer, and for no others."""
    ask, tell = bytes.fromhex("c40a000100c10d"), bytes.fromhex("4401000a00c1810000")
    others = ["4401000b00c1810000", "4402000a00c1810000", "4401000a00c2810000"]
    tags = dnp3.split(units_of([ask, tell, *map(bytes.fromhex, others)])).tag.tolist()
    assert tags[0] == tags[1]
    assert len(set(tags)) == 4


def test_who_stands_alone() -> None:
    """Reports, confirmations, broadcasts and what is not acknowledged await no answer."""
    alone = {
        "c40a000100c10d": False, "c4ffff0100c10d": True, "c40a000100c006": True,
        "c40a000100d000": True, "4401000a00f1820000": True, "4401000a00c1810000": False,
        "4401000a0041810000": True, "c90a000100": False, "4964000100": True, "0001000a00": True,
    }  # fmt: skip
    split = dnp3.split(units_of([bytes.fromhex(one) for one in alone]))
    assert split.alone is not None
    assert dict(zip(alone, split.alone.tolist(), strict=True)) == alone
    reversed_ = dnp3.split(units_of([bytes.fromhex("4401000a00c1810000")], Side.REQUEST))
    assert reversed_.alone is not None and reversed_.alone.all()  # noqa: PT018 - None is a bug


# ---------------------------------------------------------------------- our own captures

NOT_IN_BENCH = {
    "link_status",  # is told as the answer to its request; the others tshark does not understand
    "authentication_request", "authentication_request_no_ack", "authentication_response",
    "reset_user_process", "test_link", "nack", "link_not_functioning", "link_not_supported",
}  # fmt: skip


@pytest.mark.parametrize("name", ["bench", "substation"])
@needs_tshark
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing wrong in our captures, and the same fragments in them."""
    path = OWN / f"{name}.pcap"
    wrong = (
        "_ws.malformed || dnp3.hdr.CRC.incorrect || dnp3.data_chunk.CRC.incorrect"
        " || tcp.checksum.status==0 || ip.checksum.status==0 || tcp.analysis.flags"
    )
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *checks, "-Y", wrong, "-e", "frame.number") == []
    ours, theirs = (
        Counter((one.function, one.control) for one in found.elements())
        for found in (our_fragments(path), tshark_reads(path).told)
    )
    assert ours == theirs
    assert path.stat().st_size < 100_000


def test_own_captures_are_made_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    pytest.importorskip("dnp3", reason="dnp3py is not installed")
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_layouts_are_those_of_a_peer() -> None:
    """The objects that dnp3py knows have the same sizes here, and it knows all but a few of ours."""
    layout = pytest.importorskip("dnp3.objects.layout", reason="dnp3py is not installed")
    known = {group << 8 | variation: one for (group, variation), one in layout.LAYOUTS.items()}
    both = known.keys() & dnp3.FORMS.keys()
    assert len(both) > 100
    for name in both:
        ours = dnp3.FORMS[name].size, dnp3.FORMS[name].bits
        assert ours == (known[name].width, known[name].bits_per_point), hex(name)


def test_the_bench_shows_everything() -> None:
    """All operations are in one capture, and so are the facts of an outstation."""
    rows = rows_of(OWN / "bench.pcap")
    seen = {row["operation"] for row in rows["behaviour"]}
    assert set(CODES) - seen == NOT_IN_BENCH
    facts = {(row["attribute"], row["value"]) for row in rows["fact"]}
    assert facts == {
        ("vendor", "Example Relays"), ("product_name", "Feeder unit FU-40"),
        ("serial", "SN2040117"), ("revision", "3.11.2"), ("hardware_revision", "rev C"),
        ("name", "KNURR-07"), ("location", "Bay 7"), ("device_id", "A-77"),
        ("conformance", "2:2013"), ("indications", "need_time, device_restart"),
    }  # fmt: skip


def test_the_substation_tells_its_story() -> None:
    """A breaker is switched, a transducer fails, a feeder is silent, another refuses."""
    rows = rows_of(OWN / "substation.pcap")["behaviour"]
    found = {(row["device"], row["operation"], row["object"], row["outcome"]) for row in rows}
    breaker = "control_relay_output_block"
    assert {
        ("station 10", "operate", f"{breaker} 1 latch_off", "ok"),
        ("station 10", "operate", f"{breaker} 1 latch_on", "ok"),
        ("station 31", "select", f"{breaker} 9 latch_on", "not_supported"),
        ("station 10", "unsolicited_response", "analog_input_event 7", "offline, comm_lost"),
        ("station 10", "response", "analog_input 7", "offline, comm_lost"),
        ("station 10", "response", "analog_input 0-23", "ok"),
        ("station 33", "read", "class 1, class 2, class 3", "unanswered"),
        ("station 32", "read", "floating_point all", "object_unknown"),
        ("station 10", "immediate_freeze", "counter all", "function_not_supported"),
    } <= found


def test_indications_are_counted_by_message(tmp_path: Path) -> None:
    """What a message says as a whole is counted once, however many points it lists."""
    content = (OWN / "substation.pcap").read_bytes()
    bench = Bench(tmp_path)
    dump = bench.dump(content)
    for options in ({"batch": 3}, {"all_plain": True}, {"hash_bits": 8}):
        assert not difference(dump, bench.dump(content, **options)), options

    told = [one for one in cells(dump, "fact") if one["attribute"] == "indications"]
    assert {(one["device"], one["value"]): one["count"] for one in told} == {
        ("station 10", "need_time, device_restart"): 2,
        ("station 31", "need_time, device_restart"): 2,
        ("station 32", "need_time, device_restart"): 2,
        ("station 10", "device_restart"): 1,
        ("station 31", "device_restart"): 1,
        ("station 32", "device_restart"): 1,
    }
