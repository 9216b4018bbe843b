"""IEC 60870-5-104: captures against tshark, columns against `decode`, and bytes at random."""

import struct
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TsharkValues
from engine_runs import Bench, analyse, cells
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import cut, payloads, tshark

from otsec.capture import open_capture
from otsec.columns import gather
from otsec.dissect import dissect
from otsec.errors import Malformed, WireError
from otsec.model import TCP
from otsec.protocols import iec104
from otsec.protocols.api import VALUE_TYPES, Message, Reader, Side, Split, Units
from otsec.protocols.framing.apci import APCI
from otsec.protocols.iec104 import PROTOCOL
from otsec.protocols.reading import read
from otsec.protocols.words.iec104 import TYPES

OWN = Path(__file__).parents[1] / "pcaps" / "iec104"
PORT = 2404
MESSAGES = {"all_types": 251, "c104": 306, "hat": 57, "substation": 316}  # units of our captures
RECORDED = {"c104", "hat"}  # by `peers.py`; the others are made by `generate.py`


def units_of(data: list[bytes], side: Side | list[Side] = Side.UNKNOWN) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    sides = np.array(side if isinstance(side, list) else [side] * len(data), np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, sides, zeros, zeros)


# ------------------------------------------------------------------------ our own captures


@pytest.mark.parametrize("name", MESSAGES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures, and no wrong check sum."""
    path = OWN / f"{name}.pcap"
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    wrong = (
        "_ws.malformed || iec104.short_asdu || iec104.apdu_invalid_len || tcp.analysis.flags"
        " || tcp.checksum.status==0 || ip.checksum.status==0"
    )
    assert tshark(path, *checks, "-Y", wrong, "-e", "frame.number") == []
    assert len(of_capture(path)) == MESSAGES[name]
    assert path.stat().st_size < 50_000


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(MESSAGES)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for name in set(MESSAGES) - RECORDED:
        made, kept = (folder / f"{name}.pcap" for folder in (tmp_path, OWN))
        assert made.read_bytes() == kept.read_bytes(), name


# ---------------------------------------------------------------- captures against tshark

Unit = tuple[int, bool, bytes]  # frame, whether the server speaks, bytes


@cache
def of_capture(path: Path) -> tuple[Unit, ...]:
    """Units that begin at the start of a payload, or behind one that does."""
    found = payloads(path)
    row, start, end = cut(APCI, found.buffer, found.start, found.end)
    rows = zip(row.tolist(), start.tolist(), end.tolist(), strict=True)
    return tuple(
        (found.frame[at], found.source_port[at] == PORT, found.buffer[begin:stop].tobytes())
        for at, begin, stop in rows
    )


HEADS = ("typeid", "causetx", "nega", "test", "oa", "addr", "ioa")
NUMBERS = ("siq.spi", "diq.dpi", "vti.v", "vti.t", "bitstring", "normval", "scalval", "float",
           "bcr.count", "sco.on", "dco.on", "rco.up")  # fmt: skip
QUALITIES = {
    "iv": "invalid",
    "nt": "not_topical",
    "ov": "overflow",
    "bl": "blocked",
    "sb": "substituted",
}
BAD = tuple(f"{kind}.{flag}" for kind in ("siq", "diq", "qds") for flag in QUALITIES)
BAD = tuple(name for name in BAD if name not in {"siq.ov", "diq.ov"})
Told = dict[str, list[float]]  # by field, in order


def tshark_tells(path: Path) -> dict[tuple[int, bool], Told]:
    """By frame and whether the server speaks, what tshark reads."""
    links = ("iec60870_104.type", "iec60870_104.utype")
    names = [*links, *(f"iec60870_asdu.{name}" for name in (*HEADS, *NUMBERS, *BAD))]
    fields = [word for name in ("frame.number", "tcp.srcport", *names) for word in ("-e", name)]
    shown = ("-Y", "iec60870_104 && !tcp.analysis.retransmission")
    return {
        (int(row[0]), row[1] == str(PORT)): {
            name.removeprefix("iec60870_asdu."): [_number(one) for one in text.split(",")]
            for name, text in zip(names, row[2:], strict=True)
            if text
        }
        for row in tshark(path, *shown, *fields)
    }


def _number(text: str) -> float:
    return float(int(text, 16)) if text.startswith("0x") else float(text)


SHOWN = {  # by type: what tshark calls its value
    **dict.fromkeys((1, 2, 30), "siq.spi"), **dict.fromkeys((3, 4, 31), "diq.dpi"),
    **dict.fromkeys((5, 6, 32), "vti.v"), **dict.fromkeys((7, 8, 33, 51, 64), "bitstring"),
    **dict.fromkeys((9, 10, 21, 34, 48, 61, 110), "normval"),
    **dict.fromkeys((11, 12, 35, 49, 62, 111), "scalval"),
    **dict.fromkeys((13, 14, 36, 50, 63, 112), "float"), **dict.fromkeys((15, 16, 37, 41), "bcr.count"),
    **dict.fromkeys((45, 58), "sco.on"), **dict.fromkeys((46, 59), "dco.on"),
    **dict.fromkeys((47, 60), "rco.up"),
}  # fmt: skip
PLAIN_OBJECTS = {*range(1, 17), 21, *range(30, 38), 45, 46, 47, 48, 49, 50, 51,
                 *range(58, 65), 110, 111, 112}  # fmt: skip


def we_tell(found: tuple[Unit, ...]) -> dict[tuple[int, bool], Told]:
    """The same by our columns and `decode`."""
    told: dict[tuple[int, bool], Told] = defaultdict(lambda: defaultdict(list))
    for frame, by_server, data in found:
        tell = told[frame, by_server]
        control = data[2]
        kind = 0 if not control & 1 else control & 3
        tell["iec60870_104.type"].append(kind)
        if kind == 3:
            tell["iec60870_104.utype"].append(control >> 2)
        if kind == 0:
            _tell_data(tell, data)
    return told


def _tell_data(tell: Told, data: bytes) -> None:
    kind, _, cause, originator, address = struct.unpack_from("<BBBBH", data, 6)
    head = (kind, cause & 0x3F, cause >> 6 & 1, cause >> 7, originator, address)
    for name, value in zip(HEADS, head, strict=False):
        tell[name].append(value)
    reading = read(PROTOCOL, data, Side.RESPONSE)
    if reading is None or kind not in TYPES or TYPES[kind].group == "security":
        return
    split, items = _cut(data)
    listed = items.split if len(items.owner) else split
    for at, message in enumerate(reading.messages):
        words = {*message.outcome.split(", "), *message.note.split(", ")}
        element = int(listed.value_start[at])
        address = _address(data, at) if len(items.owner) else int.from_bytes(data[12:15], "little")
        tell["ioa"].append(address)
        if len(items.owner) and kind < 40 and kind not in (38, 39):
            assert str(address) in message.object
        _tell_quality(tell, kind, words)
        if kind in SHOWN:
            tell[SHOWN[kind]].append(_value(data, kind, element, listed, at, message))


def _cut(data: bytes) -> tuple[Split, Any]:
    units = units_of([data], Side.RESPONSE)
    return iec104.split(units), iec104.items(units)


def _address(data: bytes, at: int) -> int:
    number, size = data[7], TYPES[data[6]].element.size
    if number & 0x80:
        return int.from_bytes(data[12:15], "little") + at
    begin = 12 + at * (3 + size)
    return int.from_bytes(data[begin : begin + 3], "little")


def _tell_quality(tell: Told, kind: int, words: set[str]) -> None:
    element = TYPES[kind].element
    at = element.quality
    if at < 0 or kind in {17, 18, 19, 38, 39, 40}:
        return
    name = {1: "siq", 2: "siq", 30: "siq", 3: "diq", 4: "diq", 31: "diq"}.get(kind, "qds")
    for flag, word in QUALITIES.items():
        if f"{name}.{flag}" in BAD:
            tell[f"{name}.{flag}"].append(word in words)


def _value(data: bytes, kind: int, start: int, split: Split, at: int, message: Message) -> float:
    """The value of an object as tshark says it; a position without one is in the note."""
    count, value_type = int(split.value_count[at]), int(split.value_type[at])
    if SHOWN[kind] == "vti.v" and not count:
        return float(message.note.split(", ")[0].removeprefix("step "))
    dtype = VALUE_TYPES[value_type]
    if dtype is None:
        return float(data[start] & ((1 << count) - 1))
    if SHOWN[kind] == "bitstring":  # tshark begins with the wrong end, as c104.pcap proves
        return float(int.from_bytes(data[start : start + 4], "big"))
    value = float(np.frombuffer(data[start : start + dtype.itemsize], dtype)[0])
    return value / 32768 if SHOWN[kind] == "normval" else value


DIFFERENCES: dict[str, tuple[str, set[int]]] = {
    # by capture, why, and in which frames
    "nDPI__iec60780-5-104": (
        "garbage: tshark looks for the next 0x68 and reads on from there, but it begins no unit",
        {25, 36, 41, 58, 71, 75, 83, 96},
    ),
}


def captures_of(captures: Path) -> list[Path]:
    """The real captures and our own."""
    return [*sorted((captures / "iec104").iterdir()), *sorted(OWN.glob("*.pcap"))]


def test_captures_are_read_as_tshark_does(captures: Path) -> None:
    """Units, types, causes, addresses, qualities and values are tshark's, frame by frame."""
    found: dict[str, set[int]] = {}
    objects = 0
    paths = captures_of(captures)
    with ThreadPoolExecutor() as pool:
        told, units = pool.map(tshark_tells, paths), pool.map(of_capture, paths)
        all_told = list(zip(paths, told, units, strict=True))
    for path, theirs, found_units in all_told:
        ours = we_tell(found_units)
        for key in theirs.keys() | ours.keys():
            tell, own = theirs.get(key, {}), ours.get(key, {})
            objects += len(own.get("ioa", ()))
            if not _agree(tell, own):
                found.setdefault(path.stem, set()).add(key[0])
    assert found == {name: frames for name, (_, frames) in DIFFERENCES.items()}
    assert objects > 1_500


def _agree(theirs: Told, ours: Told) -> bool:
    kinds = set(map(int, ours.get("typeid", ())))
    for name in {*theirs, *ours}:
        if name == "ioa" and not kinds <= PLAIN_OBJECTS:
            continue  # tshark does not read the objects of files, statistics and protection alike
        if name == "vti.t" or (name in {*NUMBERS, *BAD} and not kinds <= PLAIN_OBJECTS):
            continue
        their, own = theirs.get(name, []), ours.get(name, [])
        if len(their) != len(own) or not np.allclose(their, own):
            return False
    return True


def test_bits_of_a_string_begin_with_the_lowest() -> None:
    """A bit string that c104 was given as 0xa1b2c3d4 is that number."""
    words = {
        value
        for _, by_server, data in of_capture(OWN / "c104.pcap")
        if by_server and data[6:7] == b"\x07"
        for reading in (read(PROTOCOL, data, Side.RESPONSE),)
        if reading is not None
        for values in reading.values
        for value in values
    }
    assert words == {0, 0xA1B2C3D4}  # before it was given one, and behind


# ------------------------------------------------------------------ no other protocol's

LARGEST = 100_000  # bytes of a capture in the next test: the others say the same again and again


def claimed_in(path: Path) -> int:
    """How many units at the beginning of TCP payloads of a capture are claimed."""
    reader = open_capture(path)
    claimed = 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            rows = (packets.protocol == TCP) & (packets.payload_end > packets.payload)
            start, end = packets.payload[rows], packets.payload_end[rows]
            _, begin, stop = cut(APCI, batch.buffer, start, end)
            zeros = np.zeros(len(begin), np.uint8)
            some = Units(batch.buffer, begin, stop, zeros + 2, zeros, zeros)
            claimed += int(iec104.claims(some).sum())
    reader.close()
    return claimed


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of all other protocols no payload is claimed."""
    claimed = {
        f"{path.parent.name}/{path.name}": claimed_in(path)
        for path in sorted(captures.rglob("*.pcap*"))
        if path.parent.name != "iec104" and path.stat().st_size <= LARGEST
    }
    assert {name: some for name, some in claimed.items() if some} == {}
    assert len(claimed) > 200
    assert claimed_in(OWN / "substation.pcap") == MESSAGES["substation"]


@pytest.mark.parametrize("name", MESSAGES)
def test_own_units_are_claimed(name: str) -> None:
    """Every unit of our captures, alone, is claimed, but those whose length nothing tells."""
    units = [data for _, _, data in of_capture(OWN / f"{name}.pcap")]
    refused = {
        data[6]
        for data, mine in zip(units, iec104.claims(units_of(units)), strict=True)
        if not mine
    }
    unusual = {102} if name == "c104" else set()  # it confirms read commands
    assert refused == {kind for kind in refused if TYPES[kind].group == "security"} | unusual


FOREIGN = {
    "M-Bus": "6808086808017a00000000000016",
    "M-Bus that says its length with even numbers": "680c0c680c01" + "00" * 8,
    "IEC 101": "680909687301640106010000147616",
    "a type that is not known": "680e0000000080010300010001000000",
    "a cause that the type has not": "680e0000000001010600010001000000",
    "no common address": "680e0000000001010300000001000000",
    "more objects than there are": "680e0000000001020300010001000000",
    "a U unit of two functions": "68040f000000",
    "an S unit with a send count": "680401020000",
    "HTTP": b"hello world, this begins with the start octet".hex(),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_only_looks_alike_is_not_claimed(name: str) -> None:
    """Bytes that begin like a unit are none without all the rest."""
    data = bytes.fromhex(FOREIGN[name])
    assert not iec104.claims(units_of([data])).any()
    header, _ = gather(
        np.frombuffer(data, np.uint8), np.array([0]), np.array([len(data)]), APCI.header
    )
    length = int(APCI.lengths(*_spans(data), header)[0])
    if length:
        assert not iec104.claims(units_of([data[:length]])).any()


def _spans(data: bytes) -> tuple[Any, Any, Any]:
    return np.frombuffer(data, np.uint8), np.array([0]), np.array([len(data)])


def test_framing_begins_as_it_says() -> None:
    """The framing takes no first two bytes but those that it lists, and all of those."""
    pairs = [bytes([one, two]) for one in range(256) for two in range(256)]
    buffer = np.frombuffer(b"".join(pairs), np.uint8)
    start = np.arange(0, len(buffer), 2)
    header, _ = gather(buffer, start, start + 2, APCI.header)
    taken = APCI.lengths(buffer, start, start + 2, header) > 0
    first, second = (values for _, values in APCI.begins)
    assert taken.tolist() == [one[0] in first and one[1] in second for one in pairs]


# ---------------------------------------------------------------- columns against `decode`

GOLDEN = load(PROTOCOL)


def keys(units: Units, split: Split) -> list[tuple[Any, ...]]:
    """The key of each row."""
    columns = [word.tolist() for word in split.key_words]
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    return [
        (units.buffer[start : start + length].tobytes(), *(word[row] for word in columns))
        for row, (start, length) in enumerate(spans)
    ]


def mutants(count: int, seed: int) -> list[bytes]:
    """Units like golden ones, changed in a few bytes or in length, with a right length octet."""
    rng = np.random.default_rng(seed)
    made = []
    while len(made) < count:
        body = bytearray(GOLDEN[rng.integers(len(GOLDEN))].data[2:])
        for _ in range(rng.integers(4)):
            at = int(rng.integers(len(body)))
            match int(rng.integers(5)):
                case 0:
                    body[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0x81, 0xFF]))
                case 1:
                    body[at] = int(rng.integers(256))
                case 2:
                    body[at] ^= 1 << int(rng.integers(8))
                case 3 if len(body) > 5:
                    del body[at]
                case _:
                    body.insert(at, int(rng.integers(256)))
        if 4 <= len(body) <= 253:
            made.append(bytes([0x68, len(body)]) + bytes(body))
    return made


def decoded(data: bytes, side: Side, item: tuple[int, int] | None = None) -> Message | None:
    """The message, None where it is malformed."""
    try:
        return PROTOCOL.decode(Reader(data, item=item), side, None)
    except WireError:
        return None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", list(Side))
def test_columns_agree_with_decode(side: Side, seed: int) -> None:
    """Columns call malformed what decode refuses; units and items of one key are one message."""
    data = mutants(2_000, seed * 3 + side)
    units = units_of(data, side)
    split = iec104.split(units)
    iec104.items(units)  # of all of them: no error, whatever they hold
    messages = [decoded(one, side) for one in data]
    assert split.malformed.tolist() == [message is None for message in messages]
    good = np.flatnonzero(~split.malformed)
    whole = units_of([data[row] for row in good.tolist()], side)
    _check(whole, iec104.split(whole), [messages[row] for row in good.tolist()])
    items = iec104.items(whole)
    unit_keys = keys(whole, iec104.split(whole))
    owners = items.owner.tolist()
    start = items.start - whole.start[items.owner]
    end = items.end - whole.start[items.owner]
    told = [
        decoded(data[int(good[owner])], side, (begin, stop))
        for owner, begin, stop in zip(owners, start.tolist(), end.tolist(), strict=True)
    ]
    assert None not in told
    _check(whole, items.split, told, [unit_keys[owner] for owner in owners])
    limit = whole.end[items.owner]
    assert ((items.start >= whole.start[items.owner]) & (items.end <= limit)).all()
    assert (np.diff(items.owner) >= 0).all()


def _check(
    units: Units, split: Split, messages: list[Message | None], before: list[Any] | None = None
) -> None:
    """One message a key, and values within the units."""
    by_key = defaultdict(set)
    own = keys(units, split)
    for row, message in enumerate(messages):
        by_key[own[row], before[row] if before else None].add(message)
    assert [said for said in by_key.values() if len(said) > 1] == []
    assert 50 < len(by_key) < len(messages)
    sizes = np.array([1 if one is None else one.itemsize for one in VALUE_TYPES])
    bits = split.value_type == 0
    size = np.where(bits, (split.value_count + 7) // 8, split.value_count * sizes[split.value_type])
    begin = np.where(size > 0, split.value_start, 0)
    assert (begin + size <= len(units.buffer)).all()
    for row, message in enumerate(messages):
        if message is not None and message.elements is not None:
            assert message.elements.count == split.value_count[row]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_counters_times_and_values_are_no_part_of_a_key(golden: Golden) -> None:
    """Other sequence numbers, values and times make no other thing of a unit."""
    changed = bytearray(golden.data)
    if not changed[2] & 1:
        changed[2:6] = (int.from_bytes(changed[2:6], "little") ^ 0x1234_5678).to_bytes(4, "little")
        changed[4] &= 0xFE
        changed[2] &= 0xFE
    kind = changed[6] if len(changed) > 6 else 0
    units = units_of([golden.data, bytes(changed)], golden.side)
    split = iec104.split(units)
    assert keys(units, split)[0] == keys(units, split)[1]
    assert split.tag[0] == split.tag[1]
    if kind in {9, 11, 13, 34, 35, 36} and changed[7] == 1:
        changed[15:17] = b"\x55\x66"
        changed[-1] ^= 0x11 if kind > 30 else 0
        units = units_of([golden.data, bytes(changed)], golden.side)
        one, two = keys(units, iec104.items(units).split)
        assert one == two


@given(st.binary(max_size=80), st.sampled_from(list(Side)))
@settings(max_examples=200)
def test_random_bytes(data: bytes, side: Side) -> None:
    """Random bytes make no error but those of the wire, in columns none at all."""
    for head in (b"", b"\x68" + bytes([len(data) & 0xFF])):
        with suppress(WireError):
            PROTOCOL.decode(Reader(head + data), side, None)
        if head + data:
            units = units_of([head + data], side)
            iec104.claims(units)
            iec104.sides(units)
            iec104.split(units)
            iec104.items(units)


@given(st.data())
@settings(max_examples=300)
def test_random_bodies(data: st.DataObject) -> None:
    """Random bodies of every type are read the same in columns and plainly, or refused by both."""
    kind = data.draw(st.integers(0, 255))
    number = data.draw(st.sampled_from([1, 1, 2, 3, 0x81, 0x83, 0, 0x80]))
    body = bytes([kind, number]) + data.draw(st.binary(min_size=3, max_size=60))
    unit = bytes([0x68, 4 + len(body), 0, 0, 0, 0]) + body
    for side in Side:
        refused = bool(iec104.split(units_of([unit], side)).malformed[0])
        assert refused == (decoded(unit, side) is None)


REFUSED = {  # hex of the unit: the words of the error
    "670443000000": "start 0x67, length 4",
    "6803430000": "start 0x68, length 3",
    "680447000000": "control field 47000000, 0 bytes behind it",
    "68054300000000": "control field 43000000, 1 bytes behind it",
    "680401000100": "control field 01000100, 0 bytes behind it",
    "68040000 0000": "0 bytes of a data unit",
    "680e00000100 01010300010001000000": r"N\(R\) 0100",
    "680e00000000 01010000010001000000": "type 1, cause 0, VSQ 0x01, 16 bytes",
    "680e00000000 00010300010001000000": "type 0, cause 3, VSQ 0x01, 16 bytes",
    "680e00000000 01020300010001000000": "type 1, cause 3, VSQ 0x02, 16 bytes",
    "680e00000000 2d810600010001000000": "type 45, cause 6, VSQ 0x81, 16 bytes",
    "680f00000000 01820300 0100 ffffff0000": "2 objects from 16777215",
    "681400000000 7d010d00010001000001000105aabbcc": "segment of 5 bytes, 3 left",
    # the forms of 101 with shorter addresses do not exist in 104
    "680b00000000 01010301010000": "type 1, cause 3, VSQ 0x01, 13 bytes",
}


@pytest.mark.parametrize("text", REFUSED)
def test_contradictions_are_malformed(text: str) -> None:
    """A unit that contradicts the standard is refused with the reason, in columns too."""
    data = bytes.fromhex(text)
    with pytest.raises(Malformed, match=f"^{REFUSED[text]}$"):
        PROTOCOL.decode(Reader(data), Side.RESPONSE, None)
    if data[0] == 0x68 and data[1] > 3:
        assert iec104.split(units_of([data])).malformed[0]


def test_sides() -> None:
    """The type and the cause tell who speaks; what both say has no side."""
    units = [golden.data for golden in GOLDEN]
    sides = iec104.sides(units_of(units)).tolist()
    for golden, side in zip(GOLDEN, sides, strict=True):
        assert side in {golden.side, Side.UNKNOWN}, golden.name
    unknown = {golden.data[6] for golden, side in zip(GOLDEN, sides, strict=True)
               if side == Side.UNKNOWN and len(golden.data) > 6}  # fmt: skip
    assert {TYPES[kind].group for kind in unknown} == {"file", "security"}


def test_operations_are_those_of_tshark(tshark_values: TsharkValues) -> None:
    """Every type that tshark names is an operation; what we have besides is of 101."""
    rows = tshark_values["iec60870_asdu.typeid"]
    named = {(int(code, 0), name.lower()) for _, code, name in rows}
    ours = {(code, one.name) for code, one in TYPES.items()}
    of_101 = {(17, "m_ep_ta_1"), (18, "m_ep_tb_1"), (19, "m_ep_tc_1"), (104, "c_ts_na_1"),
              (106, "c_cd_na_1")}  # fmt: skip
    assert named - ours == set()
    assert ours - named == of_101


# ---------------------------------------------------------------------------- the engine


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("iec104"))


def test_who_is_told_of_a_start_has_not_started_anything(bench: Bench) -> None:
    """The end of a station's start is a report of the station, and each one an event."""
    lines = analyse([OWN / "substation.pcap"], bench.store()).dump

    (row,) = [row for row in cells(lines, "behaviour") if row["operation"] == "m_ei_na_1"]
    assert (row["device"], row["class"], row["object"], row["outcome"], row["count"]) == (
        *("ca 11", "report", "local power on", "ok", 1),
    )
    assert [row["packet"] for row in cells(lines, "event") if "m_ei_na_1" in row["behaviour"]] == [
        7
    ]


def test_substation_tells_its_story(bench: Bench) -> None:
    """The behaviours are what the generator says of them: paired, refused, terminated."""
    lines = analyse([OWN / "substation.pcap"], bench.store()).dump
    told = {
        (row["operation"], row["device"], row["object"], row["outcome"]): row["count"]
        for row in cells(lines, "behaviour")
        if row["class"] != "report" and row["protocol"] == "iec104"
    }
    ended = {
        (row["operation"].removesuffix("_termination"), row["device"], row["count"])
        for row in cells(lines, "behaviour")
        if row["operation"].endswith("_termination") and row["outcome"] == "ok"
    }
    assert ended == {
        ("c_dc_na_1", "ca 11", 1), ("c_se_nc_1", "ca 12", 1), ("c_ci_na_1", "ca 11", 2),
        ("c_ic_na_1", "ca 11", 1), ("c_ic_na_1", "ca 12", 1),
    }  # fmt: skip
    breaker, tap, limit = "ioa 6100", "ioa 6140", "ioa 6300"
    expected = {
        ("startdt", "", "", "ok"): 1, ("stopdt", "", "", "ok"): 1, ("testfr", "", "", "ok"): 3,
        ("supervisory", "", "", "ok"): 16,
        ("c_dc_na_1_select", "ca 11", breaker, "ok"): 1, ("c_dc_na_1", "ca 11", breaker, "ok"): 1,
        ("c_dc_na_1", "ca 11", "ioa 6199", "unknown_object_address"): 1,
        ("c_rc_na_1", "ca 12", tap, "ok"): 3,
        ("c_se_nc_1", "ca 12", limit, "negative"): 1, ("c_se_nc_1", "ca 12", limit, "ok"): 1,
        ("p_me_nc_1", "ca 12", "ioa 700 threshold", "ok"): 1,
    }  # fmt: skip
    for common in ("ca 11", "ca 12"):
        expected["c_ic_na_1", common, "station", "ok"] = 1
        expected["c_cs_na_1", common, "", "ok"] = 1
    expected["c_ci_na_1_freeze", "ca 11", "counters", "ok"] = 2
    assert told == expected


WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("all_types", {"batch": 1}), ("c104", {"batch": 7}), ("c104", {"cache_off": True}),
    ("c104", {"all_plain": True}), ("c104", {"hash_bits": 8}), ("hat", {"batch": 1}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "way"), WAYS, ids=str)
def test_no_way_of_reading_changes_the_result(name: str, way: dict[str, Any], bench: Bench) -> None:
    """The store is the same for any batch size, without cache, by the slow path, with collisions."""
    path = OWN / f"{name}.pcap"
    assert analyse([path], bench.store(), **way).dump == analyse([path], bench.store()).dump
