"""GOOSE against tshark on real traffic, its columns against its decoder, and hostile bytes."""

import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from engine_runs import Bench, as_pcap, cells, difference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.capture import open_capture
from otsec.config import Caps
from otsec.dissect import dissect
from otsec.engine import Engine, Settings, columnar
from otsec.errors import WireError
from otsec.model import Kind
from otsec.protocols import goose
from otsec.protocols.api import VALUE_TYPES, Reader, Side, Units
from otsec.protocols.reading import read
from otsec.streams.claim import Registry

OWN = Path(__file__).parents[1] / "pcaps" / "goose"
GOLDEN = load(goose.PROTOCOL)
MESSAGES = {"bay_trip": 33, "libiec61850": 8, "management": 8, "test_bench": 7}
AS_GOOSE = ("-d", "ethertype==0x88b9,goose")  # tshark knows it on 0x88b8 alone
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
by_name = pytest.mark.parametrize("golden", GOLDEN, ids=[golden.name for golden in GOLDEN])


def units_of(data: list[bytes], side: Side = Side.REQUEST) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, zeros + np.uint8(side), zeros, zeros)


def payloads(path: Path, *, anything: bool = False) -> list[bytes]:
    """What follows the ethertypes of GOOSE; ``anything``: all payloads of whatever protocol."""
    found: list[bytes] = []
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            end = np.minimum(packets.payload_end, packets.payload + packets.payload_wire)
            mine = (packets.kind == Kind.MAC) & np.isin(packets.protocol, list(goose.ETHERTYPES))
            rows = np.flatnonzero((end > packets.payload) & (mine | anything))
            spans = zip(packets.payload[rows].tolist(), end[rows].tolist(), strict=True)
            found += [batch.buffer[begin:stop].tobytes() for begin, stop in spans]
    reader.close()
    return found


# --------------------------------------------------------------------------- against tshark

FIELDS = ("appid", "gocbRef", "datSet", "goID", "stNum", "sqNum", "confRev", "simulation", "ndsCom",
          "numDatSetEntries")  # fmt: skip
TOLD = ("boolean", "bit_string", "integer", "unsigned", "float_value", "visible_string")
Said = tuple[str, ...]


def tshark_says(path: Path, *told: str) -> Counter[Said]:
    """Header fields and data of each message, as tshark reads them."""
    wanted = [word for field in (*FIELDS, *TOLD) for word in ("-e", f"goose.{field}")]
    rows = tshark(path, *told, "-Y", "goose.gocbRef", "-E", "occurrence=a", *wanted)
    return Counter(tuple(row) for row in rows)


def said(data: bytes) -> Said:
    """The same of one message as it is taken apart here."""
    layout = goose._layout(data[: int.from_bytes(data[2:4], "big")])
    reading = read(goose.PROTOCOL, data, Side.REQUEST)
    assert reading is not None
    head = (
        f"0x{data[:2].hex()}", layout.text(goose.REFERENCE), layout.text(goose.DATASET),
        layout.text(goose.ID), str(reading.tag >> 32), str(reading.tag & 0xFFFF_FFFF),
        str(layout.number(goose.REVISION)),
        str(layout.number(goose.TEST)) if goose.TEST in layout.fields else "",
        str(layout.number(goose.UNCOMMISSIONED)) if goose.UNCOMMISSIONED in layout.fields else "",
        str(layout.number(goose.ENTRIES)),
    )  # fmt: skip
    return (*head, *(",".join(values(layout, tag)) for tag in (0x83, 0x84, 0x85, 0x86, 0x87, 0x8A)))


def values(layout: goose._Layout, tag: int) -> list[str]:
    """The data of one type, by the runs that items are made of, in tshark's words."""
    units = units_of([layout.data])
    items = goose.items(units)
    found = []
    for run, at in zip(layout.runs, range(len(items.owner)), strict=True):
        if run.data[0].tag != tag:
            continue
        split = items.split
        dtype = VALUE_TYPES[int(split.value_type[at])]
        assert dtype is not None
        assert split.value_step is not None
        begin, step = int(split.value_start[at]), int(split.value_step[at])
        raw = [
            layout.data[begin + step * number :][: dtype.itemsize]
            for number in range(int(split.value_count[at]))
        ]
        numbers = [np.frombuffer(one, dtype)[0] for one in raw]
        if tag == 0x83:
            found += [str(int(number != 0)) for number in numbers]
        elif tag == 0x84:
            found += [one.hex() for one in raw]
        elif tag == 0x8A:
            found.append(b"".join(raw).decode())
        else:
            found += [f"{number:.6g}" if dtype.kind == "f" else str(number) for number in numbers]
    return found


SPOILED = "_ws.expert.group == 0x07000000"  # malformed, of whatever severity
BROKEN = {  # captures that lack a field or end in one: malformed here and for tshark
    "icsnpp-iec61850-goose__GOOSE_malformed_asn1": "no tag of a reference",
    "icsnpp-iec61850-goose__GOOSE_missing_all_data": "no data",
    "icsnpp-iec61850-goose__GOOSE_missing_conf_rev": "no revision",
    "icsnpp-iec61850-goose__GOOSE_missing_dataset": "no data set",
    "icsnpp-iec61850-goose__GOOSE_missing_gocb_ref": "no reference",
    "icsnpp-iec61850-goose__GOOSE_missing_num_dat_set_entries": "no number of data",
    "icsnpp-iec61850-goose__GOOSE_missing_timestamp": "no time stamp",
    "icsnpp-iec61850-goose__GOOSE_truncated": "ends within its data",
    "icsnpp-iec61850-goose__GOOSE_unsupported_tlv": "a field where the data should be",
}


@needs_tshark
def test_real_captures(captures: Path) -> None:
    """Every header field and datum of every whole message is what tshark reads."""
    whole = 0
    paths = sorted((captures / "goose").iterdir())
    with ThreadPoolExecutor() as pool:
        read_ = dict(zip(paths, pool.map(tshark_says, paths), strict=True))
        wrong = dict(zip(paths, pool.map(spoiled_frames, paths), strict=True))
    for path in paths:
        data = payloads(path)
        units = units_of(data)
        split = goose.split(units)
        good = [one for one, bad in zip(data, split.malformed.tolist(), strict=True) if not bad]
        if path.stem in BROKEN:
            assert good == [], path.stem
            assert wrong[path] or path.stem.endswith("missing_all_data"), path.stem  # let pass
            continue
        assert Counter(map(said, good)) == read_[path], path.stem
        assert goose.claims(units).all()
        whole += len(good)
    assert whole == 496


def spoiled_frames(path: Path) -> list[list[str]]:
    """Frames that tshark finds malformed."""
    return tshark(path, "-Y", SPOILED, "-e", "frame.number")


@needs_tshark
@pytest.mark.parametrize("name", MESSAGES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures, and reads in them what we do."""
    path = OWN / f"{name}.pcap"
    assert tshark(path, *AS_GOOSE, "-Y", SPOILED, "-e", "frame.number") == []
    assert len(tshark(path, *AS_GOOSE, "-Y", "goose", "-e", "frame.number")) == MESSAGES[name]
    data = payloads(path)
    units = units_of(data)
    assert goose.claims(units).all()
    assert not goose.split(units).malformed.any()
    published = [one for one in data if one[8] == goose.PUBLISHED]
    ours, theirs = Counter(map(said, published)), tshark_says(path)
    if name == "test_bench":  # the last holds numbers beyond what tshark shows
        ours, theirs = (Counter(one[:10] for one in both.elements()) for both in (ours, theirs))
    assert ours == theirs


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(MESSAGES)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte, but for the real publisher's."""
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    made = {path.stem for path in tmp_path.glob("*.pcap")}
    assert made == set(MESSAGES) - {"libiec61850"}
    for name in made:
        same = (tmp_path / f"{name}.pcap").read_bytes() == (OWN / f"{name}.pcap").read_bytes()
        assert same, name


@needs_tshark
def test_set_bytes_are_read_alike_by_tshark(tmp_path: Path) -> None:
    """Golden messages set by hand are no others than tshark reads: all fields, or who asks what."""
    made = [golden for golden in GOLDEN if golden.origin == "set"]
    frames = [bytes.fromhex("010ccd010000020000000001 88b8") + golden.data for golden in made]
    path = tmp_path / "set.pcap"
    path.write_bytes(as_pcap((at, frame.ljust(60, b"\0")) for at, frame in enumerate(frames)))
    assert tshark(path, "-Y", "_ws.malformed", "-e", "frame.number") == []
    published = [golden.data for golden in made if golden.data[8] == goose.PUBLISHED]
    ours = Counter(said(data)[:10] for data in published)
    assert ours == Counter(one[:10] for one in tshark_says(path).elements())
    rows = tshark(
        path, "-Y", "goose.gseMngtPdu_element", "-E", "occurrence=a",
        *(word for field in MANAGED for word in ("-e", f"goose.{field}")),
    )  # fmt: skip
    managed = [golden for golden in made if golden.data[8] == goose.MANAGEMENT]
    for golden, (state, asks, answers, ident, *_) in zip(managed, rows, strict=True):
        reading = read(goose.PROTOCOL, golden.data, golden.side, golden.request)
        assert reading is not None
        assert reading.tag == int(state)
        assert bool(asks) == (golden.side == Side.REQUEST)
        told = reading.messages[0]
        if golden.request is None:
            name, _ = goose.MANAGEMENT_OPERATIONS[int(asks or answers)]
            assert told.operation == name
        assert told.object.split(" ")[0] == ident


MANAGED = ("stateID", "requests", "responses", "ident")


# ------------------------------------------------------------------------ columns and decode


def keys(units: Units) -> list[tuple[bytes, ...]]:
    """The key of each unit, side included."""
    split = goose.split(units)
    raw = units.buffer.tobytes()
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    rows = zip(*(word.tolist() for word in split.key_words), units.side.tolist(), strict=True)
    return [
        (raw[start : start + size], *(str(one).encode() for one in row))
        for (start, size), row in zip(spans, rows, strict=True)
    ]


def everything(captures: Path) -> list[bytes]:
    """All messages of all captures, real and our own."""
    folders = (captures / "goose", OWN)
    found = [
        data for folder in folders for path in folder.glob("*.pcap") for data in payloads(path)
    ]
    good = goose.split(units_of(found)).malformed
    return [data for data, bad in zip(found, good.tolist(), strict=True) if not bad]


def test_equal_keys_say_equal_messages(captures: Path) -> None:
    """Units with one key have one reading but for tag and values, items included."""
    data = everything(captures)
    seen: dict[tuple[bytes, ...], tuple[object, ...]] = {}
    units = units_of(data)
    for key, one in zip(keys(units), data, strict=True):
        reading = read(goose.PROTOCOL, one, Side.REQUEST)
        assert reading is not None
        assert seen.setdefault(key, reading.messages) == reading.messages
    assert 30 < len(seen) < len(data) / 4


@by_name
def test_counters_times_and_data_are_not_in_the_key(golden: Golden) -> None:
    """State, sequence, time stamp and values change no key; all else that is told does."""
    if golden.data[8] == goose.MANAGEMENT:
        return
    layout = goose._layout(golden.data)
    free = {at for tag in (goose.TIME, goose.STATE, goose.SEQUENCE) for at in _content(layout, tag)}
    for run in layout.runs:
        begin, _, value, count, kind, step = run.columns[0], *run.columns[1:]
        assert begin < value
        width = np.dtype(VALUE_TYPES[kind] or "u1").itemsize
        free |= {value + step * number + byte for number in range(count) for byte in range(width)}
    free -= set(layout.marks.tolist())  # as the first of three bytes of an integer
    told = keys(units_of([golden.data]))
    for at in range(len(golden.data)):
        data = bytearray(golden.data)
        data[at] ^= 0x41
        units = units_of([bytes(data)])
        same = not goose.split(units).malformed[0] and keys(units) == told
        assert same == (at in free or at in {6, 7} or at in _dated(layout)), at


def _content(layout: goose._Layout, tag: int) -> set[int]:
    begin, end = layout.fields[tag]
    return set(range(begin, end)) - set(layout.marks.tolist())


def _dated(layout: goose._Layout) -> set[int]:
    """Fraction and quality of time stamps among the data."""
    times = [datum for run in layout.runs for datum in run.data if datum.tag == 0x91]
    return {at for datum in times for at in range(datum.begin + 4, datum.end)}


def test_many_layouts_that_begin_alike() -> None:
    """More structures than are guessed, in any order, give the same keys and items as each alone."""
    text = b"A/LLN0$GO$g"
    front = (
        b"\x80\x0b" + text + b"\x81\x01\x0a\x82\x01D\x84\x08" + bytes(8) + b"\x85\x01\1\x86\x01\0"
    )
    data = []
    for number in range(64):
        entries = b"".join(
            b"\x83\x01\1" if number >> bit & 1 else b"\x86\x01\x07" for bit in range(6)
        )
        body = front + b"\x88\x01\1\x8a\x01\6\xab\x12" + entries
        message = b"\x61" + bytes([len(body)]) + body
        data.append(b"\0\1" + (8 + len(message)).to_bytes(2, "big") + bytes(4) + message)
    data *= 3
    together = units_of(data)
    alone = [keys(units_of([one]))[0] for one in data]
    assert keys(together) == alone
    assert len(set(alone)) == 64
    items = goose.items(together)
    assert np.bincount(items.owner, minlength=len(data)).tolist() == [
        len(goose.items(units_of([one])).owner) for one in data
    ]
    assert (np.diff(items.owner) >= 0).all()


# ------------------------------------------------------------------------------ hostile bytes


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A golden message with bytes changed, cut or doubled."""
    data = bytearray(draw(st.sampled_from([golden.data for golden in GOLDEN])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut]) + draw(st.binary(max_size=8)) if draw(st.booleans()) else bytes(data)


@settings(deadline=None, max_examples=300)
@given(st.lists(spoiled() | st.binary(max_size=80), min_size=1, max_size=6))
def test_hostile_bytes(data: list[bytes]) -> None:
    """Nothing but WireError leaves the decoder, and no column points outside a unit."""
    units = units_of(data)
    goose.claims(units)
    assert np.isin(goose.sides(units), (0, 1, 2)).all()
    split = goose.split(units)
    inside = (split.key_start >= units.start) & (split.key_start + split.key_length <= units.end)
    assert (inside | (split.key_length == 0)).all()
    good = units_of(
        [one for one, bad in zip(data, split.malformed.tolist(), strict=True) if not bad]
    )
    items = goose.items(good)
    start, end = good.start[items.owner], good.end[items.owner]
    assert ((start <= items.start) & (items.start < items.end) & (items.end <= end)).all()
    cut = items.split
    assert cut.value_step is not None
    sizes = np.array([1, *(dtype.itemsize for dtype in VALUE_TYPES if dtype)])[cut.value_type]
    last = cut.value_start + cut.value_step * (cut.value_count - 1) + sizes
    assert ((start <= cut.value_start) & (last <= end)).all()
    for one in data:
        for side in (Side.REQUEST, Side.RESPONSE):
            try:
                goose.decode(Reader(one), side, None)
            except WireError:
                continue


def test_deep_structures_are_refused() -> None:
    """Structures within structures do not exhaust the stack."""
    data = b"\x83\x01\0"
    for _ in range(60):
        data = b"\xa2" + bytes([len(data)]) + data if len(data) < 128 else data
    bare = goose._Ber(Reader(data))
    with pytest.raises(WireError):
        goose._data(bare, len(data), [])


# -------------------------------------------------------------------------- others, and engine


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of all other captures, no payload of any transport is claimed, whatever its ethertype."""
    claimed: Counter[str] = Counter()
    seen = 0
    for path in sorted(captures.rglob("*.pcap*")):
        if path.parent.name == "goose" or path.stat().st_size > 100_000:
            continue
        data = payloads(path, anything=True)
        seen += len(data)
        if data:
            claimed[path.name] += int(goose.claims(units_of(data)).sum())
    assert +claimed == Counter()
    assert seen > 10_000


def test_other_ethertypes_of_the_goose_folder_stay_theirs(captures: Path) -> None:
    """In a capture of MMS and GOOSE only the frames that tshark calls GOOSE are claimed."""
    data = payloads(captures / "goose" / "iti__Sample_File_MMS_and_GOOSE.pcap", anything=True)
    assert int(goose.claims(units_of(data)).sum()) == 34


def behaviours(path: Path) -> Counter[tuple[str, str, str]]:
    """Operation, object and how often, by the engine with this protocol alone."""
    registry, given_ = Registry((goose.PROTOCOL,)), Settings(seed=5)
    engine = Engine(registry, Caps(), given_)
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            engine.apply(batch, columnar(batch, registry, given_))
    reader.close()
    rows = engine.take_rows(1)["behaviour"]
    return Counter({(str(row[5]), str(row[7]), str(row[8])): int(row[9]) for row in rows})


def test_bay_trip_in_the_engine() -> None:
    """Each run of data of a message is a behaviour; management pairs with its answers."""
    told = behaviours(OWN / "bay_trip.pcap")
    name = "BAY1LD0/LLN0$GO$gcb01"
    assert {what: count for (_, what, _), count in told.items() if what.startswith(name)} == {
        f"{name} value {one}": 21 for one in ("1", "2", "3", "4", "5-8")
    }
    managed = behaviours(OWN / "management.pcap")
    assert {(operation, outcome) for operation, _, outcome in managed} == {
        ("get_go_reference", "ok"),
        ("get_goose_element_number", "not_found"),
        ("get_gs_reference", "unknown_control_block"),
        ("get_gsse_data_offset", "not_supported"),
    }


def test_batches_and_slow_paths_agree(tmp_path: Path) -> None:
    """The dump is the same for any batches, without the cache, and with 8-bit hashes."""
    bench = Bench(tmp_path)
    content = (OWN / "bay_trip.pcap").read_bytes()
    whole = bench.dump(content)
    assert cells(whole, "behaviour")
    for way in (
        {"batch": 1},
        {"batch": 7},
        {"cache_off": True},
        {"hash_bits": 8},
        {"all_plain": True},
    ):
        assert difference(whole, bench.dump(content, **way)) == "", way


def test_each_message_is_taken_apart_once_for_all_its_items(tmp_path: Path) -> None:
    """Where every message is new, its items are decoded together: thrice apart, not once an item."""
    head = bytes.fromhex("010ccd01000100102000000188b8")
    data = payloads(OWN / "bay_trip.pcap")[0]
    items = len(goose._layout(data).runs)
    frames = [(k * 1_000_000, head + k.to_bytes(2, "big") + data[2:]) for k in range(1, 301)]
    path = tmp_path / "new.pcap"
    path.write_bytes(as_pcap(frames))
    before = goose._layout.cache_info().misses

    behaviours(path)

    assert items > 2
    assert goose._layout.cache_info().misses - before <= 3 * len(frames)
