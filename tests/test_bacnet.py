"""BACnet against tshark on real traffic, its columns against its decoder, and hostile bytes."""

import importlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_runs import Bench, analyse, cells, counter, said
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.capture import open_capture
from otsec.dissect import dissect
from otsec.errors import WireError
from otsec.model import UDP, Kind
from otsec.protocols import bacnet
from otsec.protocols.api import VALUE_TYPES, Message, Reader, Side, Units
from otsec.protocols.bac import lists
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    COMPLEX,
    ERROR,
    LINK,
    NETWORK,
    READ,
    REJECT,
    SEGMENT,
    SIMPLE,
    TELL,
    code_of,
)
from otsec.protocols.bac.units import cut
from otsec.protocols.framing.bacnet import ETHERNET, VIRTUAL_LINK
from otsec.protocols.words import bacnet as words

OWN = Path(__file__).parents[1] / "pcaps" / "bacnet"
GOLDEN = load(bacnet.PROTOCOL)
REAL = (
    "Quickdraw-Snort__bacnet_test.pcap",
    "ct-samples__bacnet-ethernet.pcap",
    "ct-samples__bacnet-ip.pcap",
    "icsnpp-bacnet__bacnet_error_reject_abort.pcap",
    "icsnpp-bacnet__bacnet_example.pcap",
    "icsnpp-bacnet__bacnet_segmented_data.pcap",
    "icsnpp-bacnet__bacnet_services.pcap",
    "nDPI__bacnet.pcapng",
    "zeek__q-in-q.pcap",
)
real = pytest.mark.parametrize("name", REAL)
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
SAP = 0x8282  # LLC service access points of BACnet, as the protocol of a frame


def units_of(data: list[bytes], framing: int = VIRTUAL_LINK, side: int = Side.UNKNOWN) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(
        buffer, end - length, end, zeros + np.uint8(side), zeros + np.uint8(framing), zeros
    )


def frames(path: Path, *, ports: bool = True) -> Iterator[tuple[int, Units]]:
    """What the datagrams to or from port 47808, and the frames on Ethernet, of a capture carry."""
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            here = (packets.source_port == 47808) | (packets.target_port == 47808)
            ip = (packets.protocol == UDP) & (packets.kind != Kind.MAC) & (here | (not ports))
            frame = (packets.kind == Kind.MAC) & ((packets.protocol == SAP) | (not ports))
            for framing, mask in ((VIRTUAL_LINK, ip), (ETHERNET, frame)):
                rows = np.flatnonzero(mask & (packets.payload_end > packets.payload))
                zeros = np.zeros(len(rows), np.uint8)
                start, end = packets.payload[rows], packets.payload_end[rows]
                marks = zeros + np.uint8(Side.UNKNOWN), zeros + np.uint8(framing), zeros
                yield framing, Units(batch.buffer.copy(), start, end, *marks)
    reader.close()


def well_formed(
    path: Path,
) -> Iterator[tuple[int, Units, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Units of a capture with their codes; of segments only the headers are well-formed."""
    for framing, units in frames(path):
        found = cut(units)
        rows = np.flatnonzero(found.good)
        if len(rows):
            some = Units(
                units.buffer, units.start[rows], units.end[rows], units.side[rows],
                units.framing[rows], units.kind[rows],
            )  # fmt: skip
            yield framing, some, found.code[rows]


# ---------------------------------------------------------------------------- tshark


def named(code: int) -> str:
    """A code as both sides of the comparison tell it."""
    kind, service = code >> 8, code & 0xFF
    return f"{kind} {service}" if kind not in {SEGMENT, REJECT, ABORT} else f"{kind}"


FIELDS = (
    "bvlc.function", "bacnet.mesgtyp", "bacapp.type", "bacapp.confirmed_service",
    "bacapp.unconfirmed_service", "bacapp.objectType", "bacapp.instance_number",
    "bacapp.property_identifier", "bacapp.vendor_identifier", "bacapp.present_value.real",
)  # fmt: skip


@cache
def told_by_tshark(path: Path) -> list[dict[str, str]]:
    """What tshark takes for BACnet, packet by packet: one run tells all that is asked of it here."""
    wanted = [word for field in FIELDS for word in ("-e", field)]
    rows = tshark(path, "-Y", "bvlc or bacnet", *wanted)
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def told(path: Path, where: dict[str, int], *fields: str) -> list[tuple[str, ...]]:
    """Fields of the packets in which others have these values."""
    return [
        tuple(row[f"bacapp.{field}"] for field in fields)
        for row in told_by_tshark(path)
        if all(row[f"bacapp.{name}"] == str(value) for name, value in where.items())
    ]


def tshark_codes(path: Path) -> Counter[str]:
    """What tshark takes for BACnet, by type and service."""
    found: Counter[str] = Counter()
    for row in told_by_tshark(path):
        function, message, kind, confirmed, unconfirmed = (row[field] for field in FIELDS[:5])
        if kind:
            service = unconfirmed if int(kind) == TELL else confirmed
            found[named(int(kind) << 8 | int(service or "0"))] += 1
        elif message:
            found[named(NETWORK << 8 | int(message, 0))] += 1
        else:
            found[named(LINK << 8 | int(function, 0))] += 1
    return found


@needs_tshark
@real
def test_units_are_those_of_tshark(captures: Path, name: str) -> None:
    """Units of real captures by type and service are as many as tshark counts."""
    path = captures / "bacnet" / name
    mine = Counter(named(code) for _, _, codes in well_formed(path) for code in codes.tolist())
    assert mine == tshark_codes(path)


MALFORMED = {  # of real captures: units that contradict the standard in their bodies
    # a notification whose values are closed by a tag that opens (frame 28)
    "icsnpp-bacnet__bacnet_error_reject_abort.pcap": 1,
    # segments on their own; the engine joins them
    "icsnpp-bacnet__bacnet_segmented_data.pcap": 3,
}


@real
def test_real_units_are_read(captures: Path, name: str) -> None:
    """All units of real captures are claimed or told malformed with a reason, and decode."""
    malformed, refused = 0, []
    for framing, units, _ in well_formed(captures / "bacnet" / name):
        split, claimed = bacnet.split(units), bacnet.claims(units)
        malformed += int(split.malformed.sum())
        if framing == VIRTUAL_LINK:
            assert (claimed | split.malformed).all()
        messages = decoded(units, np.flatnonzero(~split.malformed))
        refused += [one for one in messages if isinstance(one, WireError)]
    assert malformed == MALFORMED.get(name, 0)
    assert refused == []


def decoded(
    units: Units, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Iterator[Message | WireError]:
    """What each unit says, or why it does not."""
    for row in rows.tolist():
        data = units.buffer[units.start[row] : units.end[row]].tobytes()
        reader = Reader(data, framing=int(units.framing[row]))
        try:
            yield bacnet.decode(reader, Side(int(units.side[row])), None)
        except WireError as error:
            yield error


def texts(path: Path, code: int) -> Counter[str]:
    """What the objects of units of one code are."""
    found: Counter[str] = Counter()
    for _, units, codes in well_formed(path):
        for message in decoded(units, np.flatnonzero(codes == code)):
            if isinstance(message, Message):
                found[message.object] += 1
    return found


@needs_tshark
@real
def test_objects_are_those_of_tshark(captures: Path, name: str) -> None:
    """Which properties of which objects are read is what tshark says."""
    path = captures / "bacnet" / name
    asked = {"type": ASK, "confirmed_service": READ}
    rows = told(path, asked, "objectType", "instance_number", "property_identifier")
    theirs = Counter(
        f"{words.object_type(int(kind))} {number} {words.property_name(int(what))}"
        for kind, number, what in rows
    )
    mine = texts(path, code_of(ASK, READ))
    without_index: Counter[str] = Counter()
    for text, count in mine.items():
        without_index[text.partition("[")[0]] += count
    assert without_index == theirs


@needs_tshark
@real
def test_announcements_are_those_of_tshark(captures: Path, name: str) -> None:
    """Instance and vendor of each I-Am are those of tshark, routed or not."""
    path = captures / "bacnet" / name
    rows = told(path, {"unconfirmed_service": 0}, "instance_number", "vendor_identifier")
    found: Counter[tuple[str, str]] = Counter()
    for _, units, codes in well_formed(path):
        for message in decoded(units, np.flatnonzero(codes == code_of(TELL, 0))):
            assert isinstance(message, Message)
            facts = {fact.attribute: fact.value for fact in message.facts}
            found[facts["device_id"], facts["vendor_id"]] += 1
    assert found == Counter((number, vendor) for number, vendor in rows)


@needs_tshark
@real
def test_values_are_those_of_tshark(captures: Path, name: str) -> None:
    """The real numbers that answers hold are those that tshark shows."""
    path = captures / "bacnet" / name
    rows = told(path, {"type": COMPLEX, "confirmed_service": READ}, "present_value.real")
    theirs = sorted(np.float32(one) for (one,) in rows if one)
    mine: list[np.float32] = []
    for _, units, codes in well_formed(path):
        split = bacnet.split(units)
        chosen = (codes == code_of(COMPLEX, READ)) & (split.value_count == 1)
        known = np.flatnonzero(chosen & ~split.malformed)
        for row, message in zip(known.tolist(), decoded(units, known), strict=True):
            dtype = VALUE_TYPES[int(split.value_type[row])]
            assert isinstance(message, Message)
            # tshark has a field for this property only
            if dtype == np.dtype(">f4") and message.object.endswith(" present_value"):
                at = int(split.value_start[row])
                mine.append(np.float32(units.buffer[at : at + 4].view(">f4")[0]))
    assert np.allclose(sorted(mine), theirs, rtol=1e-5)


IDENTITIES = {
    "Quickdraw-Snort__bacnet_test.pcap": {
        ("device_id", "500"),
        ("vendor_id", "5"),
        ("vendor", "JCI"),
        ("vendor", "Johnson Controls, Inc."),
        ("revision", "5.1.0.4400"),
        ("model_name", "MS-NAE4510-2"),
        ("name", "KBRNAE"),
    },
    "ct-samples__bacnet-ip.pcap": {
        ("vendor", "Lithonia Lighting"),
        ("model_name", "Simple BACnet Server"),
        ("name", "SimpleServer"),
        ("revision", "1.00"),
        ("device_id", "111"),
    },
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities(captures: Path, name: str, tmp_path: Path) -> None:
    """What devices say of themselves comes out as facts about the server."""
    lines = analyse([captures / "bacnet" / name], tmp_path / "facts.db").dump
    facts = {
        (row["attribute"], row["value"])
        for row in cells(lines, "fact")
        if row["protocol"] == "bacnet" and row["about"] == "server"
    }
    assert facts >= IDENTITIES[name]


@needs_tshark
def test_bytes_set_by_hand_are_read_alike(tmp_path: Path) -> None:
    """What was set by hand for golden messages is to tshark of the same type and service."""
    golden = [one for one in GOLDEN if one.origin == "set"]
    assert len(golden) > 40
    path = tmp_path / "set.pcap"
    write_datagrams(path, [one.data for one in golden])
    fields = ("frame.number", "_ws.malformed", "bvlc.function", "bacnet.mesgtyp", "bacapp.type",
              "bacapp.confirmed_service", "bacapp.unconfirmed_service")  # fmt: skip
    rows = tshark(path, *(word for one in fields for word in ("-e", one)))
    codes = cut(units_of([one.data for one in golden])).code.tolist()
    for one, code, row in zip(golden, codes, rows, strict=True):
        _, bad, function, message, kind, confirmed, unconfirmed = row
        told = LINK << 8 | int(function, 0)
        if kind:
            service = unconfirmed if int(kind) == TELL else confirmed
            told = int(kind) << 8 | int(service or "0")
        elif message:
            told = NETWORK << 8 | int(message, 0)
        assert (named(told), bad) == (named(code), ""), one.name


def write_datagrams(path: Path, data: list[bytes]) -> None:
    """Datagrams between two hosts on port 47808, one a second."""
    sys.path.insert(0, str(OWN.parent / "modbus"))
    try:
        tapes: Any = importlib.import_module("tape")  # it lies with the captures
    finally:
        sys.path.pop(0)
    one, other = (
        tapes.Host(name, f"02:00:00:00:00:0{name}", f"10.0.0.{name}") for name in ("1", "2")
    )
    tape = tapes.Tape()
    tape.known |= {(one.address, other.address)}
    for number, content in enumerate(data):
        tape.datagram(tapes.START + number * 1_000_000, one, other, (47808, 47808), content)
    tape.write(path)


# ------------------------------------------------------------------------ hostile bytes

SEEDS = [one.data for one in GOLDEN]


def mutate(data: st.DataObject, seed: bytes) -> bytes:
    """A golden message, changed."""
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, max(len(changed) - 1, 0)))
        how = data.draw(st.integers(0, 3))
        if how == 0 and changed:
            changed[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == 1:
            del changed[at : at + data.draw(st.integers(1, 5))]
        elif how == 2:
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        elif changed:
            changed[at] = data.draw(st.sampled_from([0x0E, 0x0F, 0x3E, 0x4F, 0x75, 0xFF, 0x35, 0]))
    return bytes(changed)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_hostile_units(data: st.DataObject) -> None:
    """Nothing but WireError leaves the decoder, and nothing points outside a unit."""
    some = [mutate(data, data.draw(st.sampled_from(SEEDS))) for _ in range(30)]
    framing, side = data.draw(st.integers(0, 1)), data.draw(st.sampled_from(list(Side)))
    units = units_of(some, framing, side)
    split, claimed = bacnet.split(units), bacnet.claims(units)
    assert not (claimed & split.malformed).any()
    assert set(bacnet.sides(units).tolist()) <= set(Side)
    inside(split.key_start, split.key_start + split.key_length, units.start, units.end)
    good = np.flatnonzero(~split.malformed)
    whole = Units(units.buffer, units.start[good], units.end[good], units.side[good],
                  units.framing[good], units.kind[good])  # fmt: skip
    items = bacnet.items(whole)
    inside(items.start, items.end, whole.start[items.owner], whole.end[items.owner])
    for one, start, end in ((split, units.start, units.end),
                            (items.split, items.start, items.end)):  # fmt: skip
        rows = np.flatnonzero(one.value_count > 0)
        size = np.array([1 if kind is None else kind.itemsize for kind in VALUE_TYPES])
        step = size[one.value_type] if one.value_step is None else one.value_step
        last = one.value_start + step * (one.value_count - 1) + size[one.value_type]
        inside(one.value_start[rows], last[rows], start[rows], end[rows])
    for _ in decoded(units, np.arange(len(some))):
        pass
    same_keys_say_the_same(whole)


def inside(start: object, end: object, first: object, last: object) -> None:
    """Every span lies within another."""
    assert (np.asarray(start) >= np.asarray(first)).all()
    assert (np.asarray(end) <= np.asarray(last)).all()
    assert (np.asarray(end) >= np.asarray(start)).all()


def same_keys_say_the_same(units: Units) -> None:
    """Units with one key say one message, whatever else is in them."""
    split = bacnet.split(units)
    keys: dict[tuple[object, ...], Message | str] = {}
    for row, message in enumerate(decoded(units, np.arange(len(units)))):
        start, length = int(split.key_start[row]), int(split.key_length[row])
        span = units.buffer[start : start + length].tobytes()
        key = (*(int(word[row]) for word in split.key_words), span)
        said = message if isinstance(message, Message) else "refused"
        assert keys.setdefault(key, said) == said


def changed(golden: Golden, at: int, to: bytes) -> Units:
    """A golden message before and after some of its bytes are others."""
    data = golden.data[:at] + to + golden.data[at + len(to) :]
    return units_of([golden.data, data], golden.framing, golden.side)


def test_what_changes_is_not_in_the_key() -> None:
    """Invoke ids, hop counts and values change no key; what names an object does."""
    by_name = {one.name: one for one in GOLDEN}
    asked = by_name["read property device 101 vendor name"]
    told = by_name["read property ok analog output 101 present value"]
    routed = by_name["read property analog output 101 present value"]
    cases = ((asked, 8, b"\x77", True), (asked, 16, b"\x4d", False), (told, 22, b"\1\2\3\4", True),
             (told, 17, b"\x66", False), (routed, 10, b"\x05", True), (routed, 9, b"\x6d", False),
             (routed, 12, b"\x44", True))  # fmt: skip
    for golden, at, to, equal in cases:
        units = changed(golden, at, to)
        split = bacnet.split(units)
        spans = [
            units.buffer[start : start + length].tobytes()
            for start, length in zip(split.key_start, split.key_length, strict=True)
        ]
        words_equal = all(word[0] == word[1] for word in split.key_words)
        assert (words_equal and spans[0] == spans[1]) == equal, (golden.name, at)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_lists_side_by_side_and_by_tags(data: st.DataObject) -> None:
    """Lists cut at a glance are cut as they are by all their tags."""
    found = cut(units_of(SEEDS))
    seeds = [
        one for one, code in zip(SEEDS, found.code.tolist(), strict=True) if code in lists.GRAMMARS
    ]
    some = [mutate(data, data.draw(st.sampled_from(seeds))) for _ in range(40)]
    found = cut(units_of([one for one in some if len(one) > 8] or seeds))
    for code in lists.GRAMMARS:
        rows = np.flatnonzero((found.code == code) & found.good)
        if not len(rows):
            continue
        bodies = found.take(rows)
        fast, slow = lists._side_by_side(bodies, code), lists._by_tags(bodies, code)
        assert (slow.good | ~fast.good).all()
        mine = fast.good[slow.owner]
        for name in ("owner", "start", "end", "object", "property", "index", "value", "form",
                     "priority"):  # fmt: skip
            assert getattr(fast, name).tolist() == getattr(slow, name)[mine].tolist(), name


def test_long_bodies_are_walked() -> None:
    """A body longer than a datagram is read as a short one is, and does not take long."""
    one = bytes.fromhex("0c00000001 1e 2955 4e 4442280000 4f 1f".replace(" ", ""))
    head = bytes.fromhex("810a00ff 0100 38050002 0e")
    for many in (3, 300):
        data = head + one * many
        items = bacnet.items(units_of([data], side=Side.RESPONSE))
        assert len(items.owner) == many
        span = int(items.start[-1]), int(items.end[-1])
        said = bacnet.decode(Reader(data, framing=0, item=span), Side.RESPONSE, None)
        assert said.object == "analog_input 1 present_value"
    nothing = head + b"\x0e\x0f" * 15_000  # every two bytes a pair of brackets
    assert bacnet.split(units_of([nothing])).malformed[0]


# ---------------------------------------------------------------------------- claims

LARGEST = 100_000  # bytes of a capture in the next test: the others say the same again and again


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of other protocols nothing is claimed, on any port and without virtual link."""
    claimed: Counter[str] = Counter()
    seen = 0
    for path in sorted(captures.rglob("*.pcap*")):
        if path.parent.name == "bacnet" or path.stat().st_size > LARGEST:
            continue
        seen += 1
        for _, units in frames(path, ports=False):
            for framing in (VIRTUAL_LINK, ETHERNET):
                marks = np.full(len(units), framing, np.uint8)
                some = Units(units.buffer, units.start, units.end, units.side, marks, units.kind)
                claimed[path.name] += int(bacnet.claims(some).sum())
    assert +claimed == Counter()
    assert seen > 200


def test_unclear_bytes_are_not_claimed() -> None:
    """Secured messages, unknown services and short units without virtual link prove nothing."""
    link = ["810c000c0102030405060708", "810a000a0104020122aa", "810a00080100a005", "81"]
    bare = ["0100200f05", "01001008", "0120ffff00ff1000", "01"]
    for framing, data in ((VIRTUAL_LINK, link), (ETHERNET, bare)):
        units = units_of([bytes.fromhex(one) for one in data], framing)
        assert not bacnet.claims(units).any()


# --------------------------------------------------------------------------- captures

CAPTURES = {  # units, as tshark counts them
    "building_polls": 197,
    "reported_changes": 44,
    "long_lists": 20,
    "routed_networks": 96,
    "management": 60,
    "on_ethernet": 42,
}


@needs_tshark
@pytest.mark.parametrize("name", CAPTURES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures and counts the same units."""
    path = OWN / f"{name}.pcap"
    wrong = "_ws.malformed || udp.checksum.status==0 || ip.checksum.status==0"
    checks = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *checks, "-Y", wrong, "-e", "frame.number") == []
    mine = Counter(named(code) for _, _, codes in well_formed(path) for code in codes.tolist())
    assert mine == tshark_codes(path)
    assert mine.total() == CAPTURES[name]
    assert path.stat().st_size < 100_000


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(CAPTURES)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    pytest.importorskip("bacpypes3", reason="bacpypes3 is not installed")
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("bacnet"))


STORIES = {  # some of what each capture says: device, operation, object, outcome, and how often
    "building_polls": {
        ("", "read_property_multiple", "analog_input 1 present_value", "ok"): 30,
        ("", "read_property", "analog_input 77 present_value", "error object unknown_object"): 2,
        ("", "write_property", "analog_value 1 present_value priority 8", "ok"): 1,
        ("", "write_property", "binary_output 1 present_value priority 8 null", "ok"): 1,
    },
    "reported_changes": {
        ("", "subscribe_cov", "analog_input 1 for process 1: confirmed 600 s", "ok"): 1,
        ("", "confirmed_cov_notification", "analog_input 1 present_value", "ok"): 13,
        ("", "unconfirmed_cov_notification", "binary_input 1 present_value", "ok"): 3,
        ("", "subscribe_cov", "analog_input 1 for process 1: cancel", "ok"): 1,
    },
    "long_lists": {
        ("", "read_property", "device 2022 object_list", "ok"): 1,
        ("", "read_property_multiple", "analog_input 89 present_value", "ok"): 1,
        ("", "segment_ack", "", "ok"): 5,
    },
    "routed_networks": {
        ("net 5 mac 12", "read_property", "analog_input 12 present_value", "ok"): 12,
        ("net 5 mac 10", "i_am", "device 510", "ok"): 1,
        ("", "register_foreign_device", "300 s", "ok"): 1,
        ("", "network_number_is", "net 1 configured", "ok"): 1,
    },
    "management": {
        ("", "device_communication_control", "disable for 60 min", "ok"): 1,
        ("", "device_communication_control", "enable", "error security password_failure"): 1,
        ("", "reinitialize_device", "coldstart", "ok"): 1,
        ("", "life_safety_operation", "silence life_safety_point 1", "ok"): 1,
        ("", "unknown_confirmed_0x22", "", "reject unrecognized_service"): 1,
        ("", "read_property", "device 4000 object_list", "abort segmentation_not_supported"): 1,
    },
    "on_ethernet": {
        ("", "read_property", "analog_input 1 present_value", "ok"): 20,
        ("", "i_am", "device 2022", "ok"): 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_stories(bench: Bench, name: str) -> None:
    """The captures say what their generator says of them, and nothing of them is malformed."""
    lines = analyse([OWN / f"{name}.pcap"], bench.store()).dump
    found = said(lines)
    assert {key: found[key] for key in STORIES[name]} == STORIES[name]
    rows = [row for row in cells(lines, "conversation") if row["protocol"] == "bacnet"]
    assert all(row["malformed"] == row["truncated"] == row["undecoded_out"] == 0 for row in rows)
    assert not [key for key in found if key[3] in {"unasked", "malformed"}]
    assert counter(lines, "fragments:waiting") == 0


def test_facts_are_of_who_has_them(bench: Bench) -> None:
    """Devices behind a router, and beyond a broadcast table, are not taken for who forwards."""
    lines = analyse([OWN / "routed_networks.pcap"], bench.store()).dump
    facts = {
        (row["about"], row["device"], row["attribute"], row["value"])
        for row in cells(lines, "fact")
    }
    assert ("net 5 mac 11", "", "device_id", "511") in facts
    assert ("10.136.0.77", "", "device_id", "1001") in facts
    assert ("server", "net 5 mac 10", "model_name", "EC FAN") in facts
    assert ("10.136.0.30", "", "role_hint", "bbmd") in facts
    assert ("client", "", "role_hint", "bacnet_router") in facts
    assert not [fact for fact in facts if fact[0] == "client" and fact[2] == "device_id"]


def test_every_service_is_told_apart() -> None:
    """The operations are those of tshark's tables, and the units that have a name of their own."""
    codes = Counter(operation.code >> 8 for operation in bacnet.PROTOCOL.operations)
    assert codes == {ASK: 34 + 2, TELL: 15, NETWORK: 20, LINK: 9, SEGMENT: 1, REJECT: 1, ABORT: 1}
    assert {SIMPLE, COMPLEX, ERROR}.isdisjoint(codes)  # they have the name of what was asked
