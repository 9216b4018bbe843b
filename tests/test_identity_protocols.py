"""LLDP, CDP, STP, DHCP, DNS, NBNS, NTP and SNMP against tshark on all captures, and hostile bytes."""

import shutil
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_units import batches, claimed, claimed_by, payloads, side_of, units_of
from test_protocols_golden import load
from wire_captures import in_one_file, tshark

from otsec.errors import WireError
from otsec.protocols import cdp, dhcp, dns, lldp, nbns, ntp, ptp, snmp, stp
from otsec.protocols.api import VALUE_TYPES, Message, Protocol, Reader, Side
from otsec.protocols.reading import read

OWN = Path(__file__).parents[1] / "pcaps"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
Said = tuple[str, ...]


@dataclass(frozen=True)
class Oracle:
    """What tshark is asked, and the same of a message of ours."""

    protocol: Protocol
    filter: str
    fields: tuple[str, ...]
    theirs: Callable[[list[str]], Said]
    ours: Callable[[bytes, tuple[Message, ...]], Said]


def facts(messages: tuple[Message, ...], attribute: str) -> str:
    """The values of an attribute, each once."""
    return ",".join(
        dict.fromkeys(
            fact.value for one in messages for fact in one.facts if fact.attribute == attribute
        )
    )


def _bits(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _dns_ours(data: bytes, messages: tuple[Message, ...]) -> Said:
    asked = _bits(data, 4)
    first = messages[0].object.split(" ")[0] if asked else ""
    return str(_bits(data, 2) >> 15), str(_bits(data, 2) >> 11 & 15), str(asked), first


def _dns_theirs(row: list[str]) -> Said:
    count = row[2] or row[4]  # of updates, zones
    name = row[3].split(",")[0].lower() if count != "0" else ""
    return row[0], row[1], count, "" if name == "<root>" else name


def _snmp_ours(data: bytes, _: tuple[Message, ...]) -> Said:
    units = units_of([data])
    heads = snmp._heads(units)
    tag = int(heads.tag[0])
    found = snmp._variables(units.buffer, heads)
    spans = zip(found.name.tolist(), found.name_end.tolist(), strict=True)
    names = [snmp._oid(data[begin + 2 : end]) for begin, end in spans]
    if tag == snmp.TRAP_V1:  # its enterprise is no variable
        names = []
    return str(int(heads.version[0])), str(tag & 0x1F) if tag else "", ",".join(names)


def _snmp_theirs(row: list[str]) -> Said:
    version, tag, names = row
    return version, tag, names if tag != "4" else ""


def _snmp_row(row: list[str]) -> Said:
    return _snmp_theirs([row[0] or row[1], row[2], row[3]])


def _identity(told: tuple[Message, ...], attribute: str) -> str:
    """An identity of a clock as tshark writes it."""
    value = facts(told, attribute).replace(":", "")
    return f"0x{value}" if value else ""


def _stp_theirs(row: list[str]) -> Said:
    version, kind, flags, root, bridge, of_region, port, vlan, region, trees, more = row
    said = (int(one, 16) for one in f"{flags},{more}".split(",") if one)
    changes = kind == "0x80" or any(one & 1 for one in said)
    number = str(int(port, 16) & 0xFFF) if port else ""
    return version, str(changes), root, of_region or bridge, number, vlan, region, trees


def _stp_ours(_: bytes, messages: tuple[Message, ...]) -> Said:
    (one,) = messages
    versions = {"STP": "0", "RSTP": "2", "MSTP": "3", "SPT": "4"}
    told = facts(messages, "stp_version")
    version = next(number for name, number in versions.items() if told in {name, f"PVST+ ({name})"})
    port, _, vlan = one.object.removeprefix("port ").partition(", VLAN ")
    trees = facts(messages, "tree_root").split(",")
    roots = facts(messages, "stp_root").split(" ")[-1:] if not vlan else trees[0].split(" ")[-1:]
    return (
        version, str(one.operation.startswith("topology_change")), roots[0],
        facts(messages, "mac"), port, vlan, facts(messages, "mst_region").partition(",")[0],
        ",".join(tree[4:].partition(":")[0] for tree in trees if tree.startswith("MST ")),
    )  # fmt: skip


ORACLES = {
    "lldp": Oracle(
        lldp.PROTOCOL, "lldp",
        ("lldp.tlv.system.name", "lldp.tlv.system.desc", "lldp.port.desc"),
        tuple,
        lambda _, told: tuple(
            facts(told, one) for one in ("name", "description", "port_description")
        ),
    ),
    "cdp": Oracle(
        cdp.PROTOCOL, "cdp", ("cdp.deviceid", "cdp.platform", "cdp.portid"),
        tuple,
        lambda _, told: (
            facts(told, "name"), "cisco " + facts(told, "model_name"), told[0].object[5:],
        ),
    ),
    "dhcp": Oracle(
        dhcp.PROTOCOL, "dhcp and not icmp",
        ("dhcp.option.dhcp", "dhcp.hw.mac_addr", "dhcp.option.hostname"),
        # the MAC again where it is the client id
        lambda row: (row[0] or "0", row[1].split(",")[0], row[2]),
        lambda _, told: (
            next(str(code) for code, one in dhcp.KINDS.items() if one[0] == told[0].operation),
            told[0].object.split(" ")[0], facts(told, "hostname"),
        ),
    ),
    "dns": Oracle(
        dns.PROTOCOL, "(dns or mdns or llmnr) and udp and not icmp and not icmpv6",
        ("dns.flags.response", "dns.flags.opcode", "dns.count.queries", "dns.qry.name",
         "dns.count.zones"),
        _dns_theirs, _dns_ours,
    ),
    "nbns": Oracle(
        nbns.PROTOCOL, "nbns and not icmp", ("nbns.flags.response", "nbns.flags.opcode"),
        # a wait tells the flags of what it makes wait
        lambda row: tuple(one.split(",")[0] for one in row),
        lambda data, _: (str(_bits(data, 2) >> 15), str(_bits(data, 2) >> 11 & 15)),
    ),
    "ntp": Oracle(
        ntp.PROTOCOL, "ntp and not icmp", ("ntp.flags.mode", "ntp.stratum"),
        tuple,
        lambda data, _: (str(data[0] & 7), "" if data[0] & 7 == ntp.CONTROL else str(data[1])),
    ),
    "ptp": Oracle(
        ptp.PROTOCOL, "ptp",
        ("ptp.v2.messagetype", "ptp.v2.clockidentity", "ptp.v2.an.grandmasterclockidentity",
         "ptp.v2.an.grandmasterclockclass"),
        lambda row: (str(int(row[0], 16) & 0xF), *row[1:]),
        lambda data, told: (
            str(data[0] & 0xF), _identity(told, "clock_identity"), _identity(told, "clock_master"),
            facts(told, "clock_class"),
        ),
    ),
    "stp": Oracle(
        stp.PROTOCOL, "stp",
        ("stp.version", "stp.type", "stp.flags", "stp.root.hw", "stp.bridge.hw",
         "mstp.cist_bridge.hw", "stp.port", "stp.pvst.origvlan", "mstp.config_name",
         "mstp.msti.msti_id", "mstp.msti.flags"),
        _stp_theirs, _stp_ours,
    ),
    "snmp": Oracle(
        snmp.PROTOCOL, "snmp and not icmp",
        ("snmp.version", "snmp.msgVersion", "snmp.data", "snmp.name"),
        _snmp_row, _snmp_ours,
    ),
}  # fmt: skip
by_protocol = pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
AT_LEAST = {
    "ptp": 0,
    "stp": 6500,
    "lldp": 830,
    "cdp": 24,
    "dhcp": 800,
    "dns": 480,
    "nbns": 1500,
    "ntp": 54,
    "snmp": 570,
}


def theirs(paths: list[Path], oracle: Oracle, folder: Path) -> list[Counter[Said]]:
    """What tshark reads of each capture; they are joined in a file, for it takes long to start."""
    told: list[Counter[Said]] = [Counter() for _ in paths]
    if not paths:
        return told
    ends = list(accumulate(sum(len(batch) for _, batch, _ in batches(path)) for path in paths))
    joined = in_one_file(paths, folder / "all.pcapng")
    fields = ("frame.number", *oracle.fields)
    wanted = [word for field in fields for word in ("-e", field)]
    for number, *row in tshark(joined, "-Y", oracle.filter, "-E", "occurrence=a", *wanted):
        told[bisect_left(ends, int(number))][oracle.theirs(row)] += 1
    return told


def ours(path: Path, oracle: Oracle) -> Counter[Said]:
    """What we read of it: every payload that is claimed, by its content alone."""
    told: Counter[Said] = Counter()
    for frame, data in claimed(path, oracle.protocol):
        if oracle.protocol is cdp.PROTOCOL and _bits(data, 3) != cdp.PID:
            continue
        reading = read(oracle.protocol, data, side_of(oracle.protocol, data))
        assert reading is not None, (path.name, frame)
        told[oracle.ours(data, reading.messages)] += 1
    return told


# of all captures, those in which tshark reads any of these protocols
SPEAKING = {
    "beckhoff-ads/iti__addroute1.pcapng": "dns lldp nbns",
    "beckhoff-ads/iti__beckoffiplink.pcapng": "nbns",
    "beckhoff-ads/iti__invokeid12.pcapng": "dns lldp nbns",
    "bsap/icsnpp-bsap__bsap-ip_example.pcap": "dns lldp",
    "bsap/icsnpp-bsap__bsap-serial_example.pcapng": "cdp dns nbns stp",
    "c37118/icsnpp-synchrophasor__c37118_1100_unclean.pcap": "dns nbns",
    "c37118/icsnpp-synchrophasor__c37_pmu_unclean.pcap": "dns lldp stp",
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Reboot_or_Restart.pcap": "lldp stp",
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Remote_Mode_Change_Attempt.pcap": "cdp nbns stp",
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Software_Upload.pcap": "cdp lldp stp",
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Unlock_PLC_Attempt.pcap": "stp",
    "enip-cip/icsnpp-enip__enip_cip_example.pcap": "lldp stp",
    "enip-cip/iti__EIP-ChangeDateAttempt.pcap": "lldp stp",
    "enip-cip/iti__EIP-IPAddressChangeAttempt.pcap": "cdp dhcp lldp nbns stp",
    "enip-cip/iti__EIP-SoftwareUploadFailure.pcap": "cdp lldp nbns stp",
    "goose/iti__Sample_File_MMS_and_GOOSE.pcap": "nbns ntp snmp stp",
    "iec104/iti__JavaRMI_and_IEC_Misc.pcap": "ntp",
    "labelled-switched-network/westermo-2023-right-tap-reduced.pcap": "dhcp dns lldp stp",
    "lldp/zeek__lldp.pcap": "lldp",
    "modbus/zeek__modbusSmall.pcap": "dns",
    "opcua/icsnpp-opcua-binary__open62541_client-server_mainloop.pcap": "dns",
    "opcua/icsnpp-opcua-binary__open62541_client-server_mainloop.pcapng": "dns",
    "opcua/icsnpp-opcua-binary__open62541_discover_getendpoints_discover_urls.pcapng": "dns",
    "profinet/icsnpp-profinet-io-cm__profinet_io_cm_mixed_1.pcap": "dhcp dns lldp nbns",
    "profinet/icsnpp-profinet-io-cm__profinet_io_cm_mixed_2.pcapng": "dhcp dns lldp nbns",
    "profinet/iti__Profinet_Failed.pcap": "dns lldp",
    "snmp/nDPI__snmp.pcapng": "snmp",
    "snmp/zeek__leak_test.pcapng": "snmp",
    "snmp/zeek__snmpv1_set.pcap": "snmp",
    "snmp/zeek__snmpv2_get_next.pcap": "snmp",
    "snmp/zeek__snmpwalk-short.pcap": "snmp",
}
BEYOND = {  # what is claimed where tshark does not look for it, and why
    ("icsnpp-opcua-binary__open62541_client-server_mainloop.pcap", "ntp"): (
        2,
        "a client and its server, whose ports were changed in the capture",
    ),
    ("icsnpp-synchrophasor__C37.118_2PMUsInSync_TCP.pcap", "dhcp"): (
        1,
        "a test set's search for its kind has the form of DHCP, on ports of its own",
    ),
}
LARGEST = 1_000_000  # bytes of the other captures that are looked at


@needs_tshark
@by_protocol
def test_captures_that_speak_it(oracle: Oracle, captures: Path, tmp_path: Path) -> None:
    """Exactly the messages that tshark reads are claimed, by content alone, and read alike."""
    name = oracle.protocol.name
    paths = [captures / path for path, spoken in SPEAKING.items() if name in spoken.split()]
    total = 0
    for path, told in zip(paths, theirs(paths, oracle, tmp_path), strict=True):
        mine = ours(path, oracle)
        assert mine == told, (path.name, mine - told, told - mine)
        total += mine.total()
    assert total >= AT_LEAST[name]


def test_other_captures_are_not_claimed(captures: Path) -> None:
    """Nothing is claimed in captures in which tshark does not read that protocol."""
    paths = [path for path in sorted(captures.rglob("*.pcap*")) if path.stat().st_size <= LARGEST]
    assert len(paths) > 150
    protocols = [oracle.protocol for oracle in ORACLES.values()]
    found = {
        (path.name, one.name): count
        for path in paths
        for one, count in zip(protocols, claimed_by(path, protocols), strict=True)
        if count and one.name not in SPEAKING.get(path.relative_to(captures).as_posix(), "").split()
    }
    assert found == {one: count for one, (count, _) in BEYOND.items()}


@needs_tshark
@by_protocol
def test_own_captures(oracle: Oracle, tmp_path: Path) -> None:
    """Tshark finds nothing malformed in our captures, and reads in them what we do."""
    paths = sorted((OWN / oracle.protocol.name).glob("*.pcap"))
    assert len(paths) == 1
    spoiled = "_ws.malformed or _ws.expert.group == 0x07000000"
    assert tshark(paths[0], "-Y", spoiled, "-e", "frame.number") == []
    mine = ours(paths[0], oracle)
    assert [mine] == theirs(paths, oracle, tmp_path)
    assert mine.total() >= 3


@by_protocol
def test_generators_make_them_again(oracle: Oracle, tmp_path: Path) -> None:
    """Each generator gives the capture that is stored, byte for byte."""
    folder = OWN / oracle.protocol.name
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main()"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, check=True, capture_output=True)
    for path in folder.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@by_protocol
def test_set_bytes_are_those_of_own_captures(oracle: Oracle) -> None:
    """Golden messages set by hand stand in our captures, which tshark reads alike."""
    made = [golden.data for golden in load(oracle.protocol) if golden.origin == "set"]
    folder = OWN / oracle.protocol.name
    whole = [data for path in folder.glob("*.pcap") for _, data in payloads(path, oracle.protocol)]
    assert all(any(one.startswith(data) for one in whole) for data in made)
    assert made


# ------------------------------------------------------------------------ columns and decode


def everything(protocol: Protocol, captures: Path) -> list[bytes]:
    """Units of the smaller captures and of our own."""
    paths = [path for path in captures.rglob("*.pcap*") if path.stat().st_size < 2_000_000]
    paths += (OWN / protocol.name).glob("*.pcap")
    return [data for path in sorted(paths) for _, data in claimed(path, protocol)]


@by_protocol
def test_equal_keys_say_equal_messages(oracle: Oracle, captures: Path) -> None:
    """Units with one key and one side have one message, items each their own."""
    protocol = oracle.protocol
    data = list(dict.fromkeys(everything(protocol, captures)))
    seen: dict[tuple[object, ...], tuple[bytes, Message]] = {}
    for one in data:
        side = side_of(protocol, one)
        units = units_of([one], side)
        split = protocol.split(units)
        begin, size = int(split.key_start[0]), int(split.key_length[0])
        words = [int(word[0]) for word in split.key_words]
        key = (side, *words, one[begin : begin + size])
        told = protocol.decode(Reader(one, framing=0), side, None)
        assert seen.setdefault(key, (one, told))[1] == told
        if protocol.items is None:
            continue
        items = protocol.items(units)
        for at in range(len(items.owner)):
            start, length = int(items.split.key_start[at]), int(items.split.key_length[at])
            mine = tuple(int(word[at]) for word in items.split.key_words)
            span = int(items.start[at]), int(items.end[at])
            told = protocol.decode(Reader(one, framing=0, item=span), side, None)
            whole = (key, mine, one[start : start + length])
            assert seen.setdefault(whole, (one, told))[1] == told
    assert len(seen) > 5


def test_times_and_numbers_are_not_in_the_keys() -> None:
    """Transaction ids, time stamps and values change no key."""
    free = {"dhcp": range(4, 10), "dns": range(1, 2), "nbns": range(2), "ntp": range(16, 24)}
    for name, places in free.items():
        protocol = ORACLES[name].protocol
        golden = next(one for one in load(protocol) if len(one.data) > 40)
        for at in places:
            changed = bytearray(golden.data)
            changed[at] ^= 0x41
            both = protocol.split(units_of([golden.data, bytes(changed)], golden.side))
            assert all(word[0] == word[1] for word in both.key_words), (name, at)


def test_a_poll_has_two_keys_and_many_values() -> None:
    """Counters that are polled are values; of three bytes that are not positive alone they are none.

    The poll also had 343_003 and 2_401_003, which have no column type of three bytes.
    """
    (path,) = (OWN / "snmp").glob("*.pcap")
    data = [one for _, one in claimed(path, snmp.PROTOCOL)]
    told: dict[str, list[float]] = {}
    for one in data:
        reading = read(snmp.PROTOCOL, one, side_of(snmp.PROTOCOL, one))
        assert reading is not None
        kept = [said for said in reading.messages if said.elements is not None]
        for said, values in zip(kept, reading.values, strict=True):
            told.setdefault(said.object, []).extend(values)
    assert told["ifInOctets.3"] == [1_003, 7_003, 49_003, 16_807_003, 77, 77, 77]
    assert told["ifInOctets.4"] == [1_004, 7_004, 49_004, 16_807_004]


def test_communities_are_never_told() -> None:
    """A community is a class: its text stands in no message and in no key."""
    (path,) = (OWN / "snmp").glob("*.pcap")
    classes = set()
    for _, one in claimed(path, snmp.PROTOCOL):
        side = side_of(snmp.PROTOCOL, one)
        reading = read(snmp.PROTOCOL, one, side)
        assert reading is not None
        told = repr(reading.messages)
        assert "plant-read-7" not in told
        assert "public" not in told
        split = snmp.split(units_of([one], side))
        begin = int(split.key_start[0])
        key = one[begin : begin + int(split.key_length[0])]
        assert b"public" not in key
        assert b"plant-read-7" not in key
        classes |= {facts(reading.messages, "snmp_community")}
    assert classes == {"", "default", "weak", "clear"}


def test_dns_on_tcp_is_read_like_on_udp() -> None:
    """The length in front changes nothing of what is said."""
    golden = next(one for one in load(dns.PROTOCOL) if one.side == Side.RESPONSE)
    framed = len(golden.data).to_bytes(2, "big") + golden.data
    reading = read(dns.PROTOCOL, framed, golden.side, framing=dns.ON_TCP)
    assert reading is not None
    assert reading.messages == golden.messages


def test_pointers_without_end_are_refused() -> None:
    """Names that point at themselves, forward, or through each other cost nothing."""
    head = b"\0\1\1\0\0\1\0\0\0\0\0\0"
    for name in (b"\xc0\x0c", b"\xc0\x40", b"\1a\xc0\x0c"):
        with pytest.raises(WireError):
            dns.decode(Reader(b"".join((head, name, b"\0\1\0\1"))), Side.REQUEST, None)


# ------------------------------------------------------------------------------ hostile bytes


@st.composite
def spoiled(draw: st.DrawFn, protocol: Protocol) -> bytes:
    """A golden message with bytes changed, cut or doubled."""
    data = bytearray(draw(st.sampled_from([golden.data for golden in load(protocol)])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut]) + draw(st.binary(max_size=8)) if draw(st.booleans()) else bytes(data)


@by_protocol
@settings(deadline=None, max_examples=60)
@given(draw=st.data())
def test_hostile_bytes(oracle: Oracle, draw: st.DataObject) -> None:
    """Nothing but WireError leaves the decoder, and no column points outside a unit."""
    protocol = oracle.protocol
    one = spoiled(protocol) | st.binary(max_size=80)
    data = draw.draw(st.lists(one, min_size=1, max_size=6))
    units = units_of(data)
    protocol.claims(units)
    assert np.isin(protocol.sides(units), (0, 1, 2)).all()
    split = protocol.split(units)
    inside = (split.key_start >= units.start) & (split.key_start + split.key_length <= units.end)
    assert (inside & (split.key_length >= 0)).all()
    good = [one for one, bad in zip(data, split.malformed.tolist(), strict=True) if not bad]
    if protocol.items is not None and good:
        columns = units_of(good)
        items = protocol.items(columns)
        start, end = columns.start[items.owner], columns.end[items.owner]
        assert ((start <= items.start) & (items.start < items.end) & (items.end <= end)).all()
        cut = items.split
        sizes = np.array([1, *(dtype.itemsize for dtype in VALUE_TYPES if dtype)])
        last = cut.value_start + cut.value_count * sizes[cut.value_type]
        assert ((start <= cut.value_start) & (last <= end)).all()
    for raw in data:
        for side in (Side.REQUEST, Side.RESPONSE):
            for framing in range(len(protocol.framings)):
                try:
                    protocol.decode(Reader(raw, framing=framing), side, None)
                except WireError:
                    continue
