"""PROFINET against tshark on real traffic, its columns against its decoder, and hostile bytes."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_runs import Bench, as_pcap, cells, difference, taken
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
from otsec.protocols import profinet
from otsec.protocols.api import Message, Reader, Side, Units
from otsec.protocols.reading import read
from otsec.protocols.words.profinet import ALARMS
from otsec.streams.claim import Registry

OWN = Path(__file__).parents[1] / "pcaps" / "profinet"
GOLDEN = load(profinet.PROTOCOL)
FRAMES = {"clocks": 7, "commissioning": 21, "production": 129}
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
by_name = pytest.mark.parametrize("golden", GOLDEN, ids=[golden.name for golden in GOLDEN])


def units_of(data: list[bytes], sides: list[int] | None = None) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    side = zeros if sides is None else np.array(sides, np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, side, zeros, zeros)


def payloads(path: Path) -> list[bytes]:
    """What follows the ethertype of PROFINET, in order; all that the engine would ask about."""
    found: list[bytes] = []
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            end = np.minimum(packets.payload_end, packets.payload + packets.payload_wire)
            mine = (packets.kind == Kind.MAC) & (packets.protocol == profinet.ETHERTYPE)
            rows = np.flatnonzero(mine & (end > packets.payload))
            spans = zip(packets.payload[rows].tolist(), end[rows].tolist(), strict=True)
            found += [batch.buffer[begin:stop].tobytes() for begin, stop in spans]
    reader.close()
    return found


def messages(data: list[bytes]) -> Iterator[tuple[bytes, Message]]:
    """What each unit says; answers of DCP with the request of their transaction."""
    asked: dict[bytes, bytes] = {}
    for one, side in zip(data, profinet.sides(units_of(data)).tolist(), strict=True):
        get_set = one[:2] == b"\xfe\xfd"
        request = asked.get(one[4:8]) if get_set and side == Side.RESPONSE else None
        reading = read(profinet.PROTOCOL, one, Side(side), request)
        assert reading is not None, one.hex()
        yield one, reading.messages[0]
        if get_set and side == Side.REQUEST:
            asked[one[4:8]] = one


# --------------------------------------------------------------------------- against tshark

OURS = {  # operation of DCP by service, for those that the service alone does not tell
    "signal": 4, "factory_reset": 4, "reset_to_factory": 4, "set": 4, "get": 3, "identify": 5,
    "hello": 6,
}  # fmt: skip
IDENTITY = {  # tshark's field: our attributes
    "pn_dcp.suboption_device_nameofstation": "name",
    "pn_dcp.suboption_device_devicevendorvalue": "product_name",
    "pn_dcp.suboption_vendor_id": "vendor_id",
    "pn_dcp.suboption_device_id": "device_id",
    "pn_dcp.suboption_ip_ip": "ip_address",
    "pn_dcp.suboption_ip_subnetmask": "network_mask",
    "pn_dcp.suboption_ip_standard_gateway": "gateway",
    "pn_dcp.suboption_ip_mac_address": "mac",
    "pn_dcp.suboption_device_aliasname": "alias",
}
FIELDS = (
    "pn_rt.frame_id", "pn_dcp.service_id", "pn_dcp.service_type", "pn_dcp.xid",
    "pn_rt.cycle_counter", "pn_rt.ds", "pn_rt.transfer_status", "pn_ptcp.sequence_id",
    "pn_io.alarm_type", "pn_io.slot_nr", *IDENTITY,
)  # fmt: skip
NO_ADDRESS = profinet.NO_ADDRESS


def tshark_rows(path: Path) -> list[dict[str, str]]:
    """The fields of each frame of PROFINET."""
    wanted = [word for field in FIELDS for word in ("-e", field)]
    rows = tshark(path, "-Y", "pn_rt", "-E", "occurrence=a", *wanted)
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def check(path: Path) -> Counter[str]:
    """Compare all frames of a capture, field by field; gives the operations seen."""
    seen: Counter[str] = Counter()
    data = payloads(path)
    tags = profinet.split(units_of(data)).tag.tolist()
    for (one, said), theirs, tag in zip(messages(data), tshark_rows(path), tags, strict=True):
        seen[said.operation] += 1
        assert int(theirs["pn_rt.frame_id"], 0) == int.from_bytes(one[:2], "big")
        if service := theirs["pn_dcp.service_id"]:
            assert OURS[said.operation] == int(service)
            assert tag == int(theirs["pn_dcp.xid"], 0)
            if theirs["pn_dcp.service_type"] != "0" or service == "6":
                compare_identity(said, theirs)
        elif said.operation == "cyclic_data":
            assert tag == int(theirs["pn_rt.cycle_counter"])
            status, transfer = int(theirs["pn_rt.ds"], 0), int(theirs["pn_rt.transfer_status"])
            assert bool(said.outcome in {"", "ok"}) == (status == 0x35 and not transfer)
            assert said.elements is not None
            assert said.elements.count == len(one) - 6
        elif sequence := theirs["pn_ptcp.sequence_id"]:
            assert tag == int(sequence)
        elif slot := theirs["pn_io.slot_nr"]:
            assert f"slot {int(slot, 0)} " in said.object + " "
            assert ALARMS[int(theirs["pn_io.alarm_type"], 0)] in said.object
    return seen


def compare_identity(said: Message, theirs: dict[str, str]) -> None:
    """What a device says of itself, in any order."""
    ours = Counter(
        (fact.attribute, fact.value) for fact in said.facts if fact.attribute in IDENTITY.values()
    )
    expected = Counter(
        (attribute, value)
        for field, attribute in IDENTITY.items()
        for value in theirs[field].split(",")
        if value not in {"", NO_ADDRESS}
    )
    if said.operation == "set":  # what the request asked for, which tshark shows there
        return
    assert ours == expected


REAL = {  # operations of each capture
    "iti__ChangeIPUsingDCP.pcap": {"identify": 2, "set": 2},
    "iti__PROFINET-RT.pcap": {"identify": 14},
    "iti__profinet-wireshark-bug.pcap": {"identify": 2, "set": 2},
    "icsnpp-profinet-io-cm__profinet_io_cm.pcapng": {"frame_piece": 10},
    "icsnpp-profinet-io-cm__profinet_io_cm_mixed_1.pcap": {
        "cyclic_data": 102, "identify": 19, "delay_request": 41, "alarm_transport_error": 2,
    },
    "icsnpp-profinet-io-cm__profinet_io_cm_mixed_2.pcapng": {
        "cyclic_data": 102, "identify": 19, "delay_request": 41, "alarm_transport_error": 2,
    },
}  # fmt: skip


@needs_tshark
@pytest.mark.parametrize("name", REAL)
def test_real_captures(captures: Path, name: str) -> None:
    """Every frame is what tshark says it is, every name and address too; none is malformed."""
    path = captures / "profinet" / name
    assert check(path) == REAL[name]
    units = units_of(payloads(path))
    assert profinet.claims(units).all()
    assert not profinet.split(units).malformed.any()


def test_no_other_capture_has_such_frames(captures: Path) -> None:
    """The captures above are all that hold frames of this ethertype, so no other is claimed."""
    found = {
        path.name
        for path in captures.rglob("*.pcap*")
        if path.stat().st_size < 1_000_000 and payloads(path)
    }
    assert found == set(REAL)


@needs_tshark
@pytest.mark.parametrize("name", FRAMES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures, and reads in them what we do."""
    path = OWN / f"{name}.pcap"
    wrong = "_ws.malformed || _ws.expert.group == 0x07000000"
    assert tshark(path, "-Y", wrong, "-e", "frame.number") == []
    assert check(path).total() == FRAMES[name]
    assert profinet.claims(units_of(payloads(path))).all()


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(FRAMES)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


WORDS = {  # golden messages set by hand: what tshark's summary says of them
    "every block of an identity": "Ident Ok , Xid:0x101, Dev-Options(3), DeviceVendorValue, "
    'NameOfStation:"io-station-1", Dev-ID, Dev-Role, Dev-Instance, OEM-Dev-ID, '
    'AliasName:"port-001.plc-line-3", RSI-Properties, DeviceInitiative, MAC, IP, '
    "DHCP client identifier, Manufacturer Specific",
    "address conflict": 'Ident Ok , Xid:0x102, NameOfStation:"io-station-1", IP',
    "set a name for good": 'Set Req, Xid:0x201, NameOfStation:"io-station-1", End-Trans',
    "name set for good": "Set Ok , Xid:0x201, Response(Ok), Response(Ok)",
    "set an address for now": "Set Req, Xid:0x202, Start-Trans, IP",
    "address set for now": "Set Ok , Xid:0x202, Response(Ok), Response(Ok)",
    "set an ip suite": "Set Req, Xid:0x203, MAC",  # the suite is called so by tshark
    "ip suite refused": "Response(Suboption unsupp. or no DataSet avail.)",
    "flash": "Set Req, Xid:0x204, Signal",
    "flashed": "Set Ok , Xid:0x204, Response(Ok)",
    "flashed, unasked": "Set Ok , Xid:0x204, Response(Ok)",
    "reset factory settings": "Set Req, Xid:0x205, Reset FactorySettings",
    "not in operation": "Response(In operation, SET not possible)",
    "reset to factory": "Set Req, Xid:0x206, Reset to Factory",
    "reset done": "Set Ok , Xid:0x206, Response(Ok)",
    "get name and address": "Get Req, Xid:0x301, Name of Station, IP parameter",
    "name and address": 'Get Ok , Xid:0x301, NameOfStation:"switch-1", IP',
    "name and address, unasked": 'Get Ok , Xid:0x301, NameOfStation:"switch-1", IP',
    "get a tsn domain": "Get Req, Xid:0x302, TSN Domain Name",
    "get not supported": "Get unsupported, Xid:0x302",
    "hello": 'Hello Req, Xid:0x401, NameOfStation:"io-station-1", Dev-ID, IP',
    "request from the side of the server": 'NameOfStation:"io-station-1", End-Trans',
    "a wire is broken": "Alarm Notification Low, Diagnosis, Slot: 0x2/0x1",
    "alarm received": "Alarm Low, Src: 0x2, Dst: 0x1, ACK-RTA",
    "alarm acknowledged": "Alarm Ack Low, Alarm Ack, Diagnosis, Slot: 0x2/0x1, OK",
    "process alarm": "Alarm Notification High, Process, Slot: 0x4/0x1",
    "process alarm acknowledged": "Alarm Ack High, Alarm Ack, Process, Slot: 0x4/0x1, OK",
    "module pulled": "Alarm Notification Low, Pull, Slot: 0x3/0x1",
    "alarm rejected": "Alarm Low, Src: 0x2, Dst: 0x1, NACK-RTA",
    "watchdog expired": "AR consumer DHT/WDT expired (RTA_ERR_ABORT)",
    "outputs stopped": "Cycle:15360 (Valid,Primary,Ok,Stop)",
    "inputs not valid": "Cycle:    7 (Invalid,Backup,Ok,Stop)",
    "sync of clocks": "RTSync    (Clock), Seq= 21, Delay=       3333ns",
    "sync of time": "RTSync FU  (Time), Seq= 22",
    "announce": 'Seq=  5, Master=00:0e:8c:00:20:10, Prio1="Primary master"',
    "follow up": "FollowUp   (Time), Seq= 22, Delay=        120ns",
    "delay response": "DelayRes         , Seq=  9",
    "delay follow up": "DelayFuRes       , Seq=  9, Delay=       4800ns",
}


@needs_tshark
def test_set_bytes_are_read_alike_by_tshark(tmp_path: Path) -> None:
    """Golden messages set by hand are no others than tshark reads."""
    made = [golden for golden in GOLDEN if golden.origin == "set"]
    assert {golden.name for golden in made} == set(WORDS)
    head = bytes.fromhex("000ecf002011 000e8c002010 8892")
    path = tmp_path / "set.pcap"
    path.write_bytes(
        as_pcap((at, (head + one.data).ljust(60, b"\0")) for at, one in enumerate(made))
    )
    assert tshark(path, "-Y", "_ws.malformed", "-e", "frame.number") == []
    for golden, (info,) in zip(made, tshark(path, "-e", "_ws.col.Info"), strict=True):
        assert WORDS[golden.name] in info, golden.name


# ------------------------------------------------------------------------ columns and decode

Key = tuple[bytes, int, int]


def keys(units: Units) -> list[Key]:
    """The key of each unit, side included."""
    split = profinet.split(units)
    raw = units.buffer.tobytes()
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    words = split.key_words[0].tolist()
    return [
        (raw[start : start + size], word, side)
        for (start, size), word, side in zip(spans, words, units.side.tolist(), strict=True)
    ]


def test_equal_keys_say_equal_messages(captures: Path) -> None:
    """Units with one key have one message, in real captures and our own."""
    paths = [captures / "profinet" / name for name in REAL] + sorted(OWN.glob("*.pcap"))
    seen: dict[Key, Message] = {}
    count = 0
    for path in paths:
        data = payloads(path)
        units = units_of(data, profinet.sides(units_of(data)).tolist())
        for key, one, side in zip(keys(units), data, units.side.tolist(), strict=True):
            reading = read(profinet.PROTOCOL, one, Side(side))
            assert reading is not None
            assert seen.setdefault(key, reading.messages[0]) == reading.messages[0]
            count += 1
    assert 60 < len(seen) < count / 4


FREE = {  # what is in no key, by operation: spans of the unit
    "cyclic_data": ((2, -4), (-4, -2)),
    "alarm": ((2, 6), (8, 12)),
    "alarm_acknowledge": ((2, 6), (8, 12)),
    "delay_response": ((2, 22),),
}


@by_name
def test_counters_and_data_are_not_in_the_key(golden: Golden) -> None:
    """A changed tag or value changes no key; values are all data of a cyclic frame."""
    assert golden.messages
    operation = golden.messages[0].operation
    if golden.data[0] == 0xFE and golden.data[1] >= 0xFC:
        spans: tuple[tuple[int, int], ...] = ((4, 8),)  # transaction id
    else:
        spans = FREE.get(operation, ())
    told = keys(units_of([golden.data], [golden.side]))
    for begin, end in spans:
        for at in range(len(golden.data))[begin:end]:
            data = bytearray(golden.data)
            data[at] ^= 0x21
            assert keys(units_of([bytes(data)], [golden.side])) == told, at


def test_what_pairs_and_what_stands_alone() -> None:
    """Get and set pair, each from its side; from the wrong one, and all else, they stand alone."""
    for golden in GOLDEN:
        split = profinet.split(units_of([golden.data], [golden.side]))
        assert split.alone is not None
        pairs = golden.data[:2] == b"\xfe\xfd" and (golden.data[3] & 1) == golden.side
        assert bool(split.alone[0]) != pairs, golden.name


# ------------------------------------------------------------------------------ hostile bytes


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A golden message with bytes changed or cut."""
    data = bytearray(draw(st.sampled_from([golden.data for golden in GOLDEN])))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(deadline=None, max_examples=400)
@given(st.lists(spoiled() | st.binary(max_size=80), min_size=1, max_size=6), st.integers(0, 2))
def test_hostile_bytes(data: list[bytes], side: int) -> None:
    """Nothing but WireError leaves the decoder, and no column points outside a unit."""
    units = units_of(data, [side] * len(data))
    before = units.start.tolist(), units.end.tolist()
    profinet.claims(units)
    assert np.isin(profinet.sides(units), (0, 1, 2)).all()
    split = profinet.split(units)
    assert (units.start.tolist(), units.end.tolist()) == before
    fits = split.key_start + split.key_length <= units.end
    assert ((fits & (split.key_start >= units.start)) | (split.key_length == 0)).all()
    fits = split.value_start + split.value_count <= units.end
    assert (fits | (split.value_count == 0)).all()
    request = Message("set", "config", "name a, ip_address x, name, ip_address")
    for one in data:
        for asked in (None, request):
            try:
                profinet.decode(Reader(one), Side(side), asked)
            except WireError:
                continue


def test_a_name_says_nothing_but_itself() -> None:
    """A station name that looks like an address to set gives no fact of an address."""
    name = b"x permanent, ip_address 6.6.6.6 network_mask 6.6.6.6 gateway 6.6.6.6"
    block = b"\2\2" + (2 + len(name)).to_bytes(2, "big") + b"\0\1" + name
    block += bytes(len(block) % 2)
    request = bytes.fromhex("fefd0400000000010000") + len(block).to_bytes(2, "big") + block
    answer = bytes.fromhex("fefd04010000000100000008 0504000302020000")
    reading = read(profinet.PROTOCOL, answer, Side.RESPONSE, request)
    assert reading is not None
    facts = [(fact.attribute, fact.value) for fact in reading.messages[0].facts]
    assert facts == [("name", name.decode())]


# ------------------------------------------------------------------------------------ engine


def run(path: Path) -> dict[str, list[Any]]:
    """Rows of the engine with this protocol alone."""
    registry, given_ = Registry((profinet.PROTOCOL,)), Settings(seed=5)
    engine = Engine(registry, Caps(), given_)
    reader = open_capture(path)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            engine.apply(batch, columnar(batch, registry, given_))
    reader.close()
    return taken(engine)


def test_change_of_an_address(captures: Path) -> None:
    """The station X208-BORD had 192.168.0.6, and was given 192.168.0.10."""
    rows = run(captures / "profinet" / "iti__ChangeIPUsingDCP.pcap")
    facts = [(row[3], row[4], row[-1]) for row in rows["fact"]]
    assert ("name", "X208-BORD", 1) in facts
    assert sorted(fact for fact in facts if fact[0] == "ip_address") == [
        ("ip_address", "192.168.0.10", 3),
        ("ip_address", "192.168.0.6", 1),
    ]
    told = {(row[5], row[7], row[8]) for row in rows["behaviour"]}
    address = "ip_address 192.168.0.10 network_mask 255.255.255.0 gateway 192.168.0.1 permanent"
    assert told == {("identify", "all", "ok"), ("identify", "", "ok"), ("set", address, "ok")}


def test_conversations_have_their_client() -> None:
    """Who asks by DCP is the client, even where the first frame is an answer."""
    rows = run(OWN / "commissioning.pcap")
    acting = {row[2] for row in rows["behaviour"]}
    told = {row[1]: row[4:6] for row in rows["conversation"]}
    tool, station, switch = "3c:52:82:9f:00:70", "00:0e:cf:00:20:11", "08:00:06:00:20:12"
    everyone, greeted = "01:0e:cf:00:00:00", "01:0e:cf:00:00:01"
    assert {told[number] for number in acting} == {
        (tool, station), (tool, switch), (tool, everyone), (station, greeted),
    }  # fmt: skip
    by_operation = Counter(row[5] for row in rows["behaviour"])
    assert by_operation == {
        "identify": 4, "set": 3, "signal": 1, "factory_reset": 1, "reset_to_factory": 1, "get": 2,
        "hello": 1,
    }  # fmt: skip


def test_batches_and_slow_paths_agree(tmp_path: Path) -> None:
    """The dump is the same for any batches, without the cache, and with 8-bit hashes."""
    bench = Bench(tmp_path)
    for name in ("commissioning", "production"):
        content = (OWN / f"{name}.pcap").read_bytes()
        whole = bench.dump(content)
        assert cells(whole, "behaviour")
        for way in ({"batch": 1}, {"batch": 7}, {"cache_off": True}, {"hash_bits": 8}):
            assert difference(whole, bench.dump(content, **way)) == "", way
