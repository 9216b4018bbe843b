"""Spanning tree: which bridges there are, which of them is the root, by which ports they lead there.

Sources: [802.1D] IEEE 802.1D-2004, 9 (STP and RSTP); [802.1Q] IEEE 802.1Q-2018, 14 (MSTP, SPT);
PVST+, a tree for each VLAN, as Wireshark reads it: behind SNAP of Cisco, the VLAN in a TLV.

Bridges are clients and nothing is paired. The key is all but the age of what is said, which grows
from bridge to bridge, and padding. A message that says that the tree changes is an operation of
its own: it is rare, and the only one of which each is kept as an event.
"""

from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    NOT_MINE,
    Fact,
    Framing,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.whole import LONGEST
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text

LLC, SNAP = 0x4242, 0xAAAA  # DSAP and SSAP
FRONT = np.dtype([("zero", ">u2"), ("version", "u1"), ("type", "u1")])  # of TCN it is all there is
BPDU = np.dtype(  # [802.1D] 9.3
    [
        *FRONT.descr,
        ("flags", "u1"),
        ("root", ">u8"),
        ("cost", ">u4"),
        ("bridge", ">u8"),
        ("port", ">u2"),
        ("age", ">u2"),  # in 1/256 s, as are all times
        ("longest", ">u2"),
        ("hello", ">u2"),
        ("delay", ">u2"),
    ]
)
CISCO, PVST = b"\0\0\x0c", 0x010B
SNAP_SIZE = 5  # bytes of OUI and PID
VLAN = np.dtype([("type", ">u2"), ("length", ">u2"), ("vlan", ">u2")])  # of PVST+
VLAN_AT = 36  # in a BPDU of PVST+, of either version
LENGTH, VERSION_1 = np.dtype(">u2"), np.dtype("u1")  # its length, 0
MORE = np.dtype([("version_1", "u1"), ("version_3", ">u2")])  # lengths, behind the first part
MST_AT, MST_LEAST, INSTANCE = 38, 64, 16  # bytes: where MST begins, without and of an instance
MOST_TREES = 64  # of a region, [802.1Q] 14.4
SECOND = 256
LIMITS = (("hello", 1, 10), ("longest", 6, 40), ("delay", 4, 30))  # s; [802.1D] table 17-1 and 8-3

CONFIGURATION, RAPID, CHANGED = 0x00, 0x02, 0x80  # types
VERSIONS = {0: "STP", 2: "RSTP", 3: "MSTP", 4: "SPT"}
REPORT: OperationClass = "report"
OPERATIONS = (
    Operation("configuration", REPORT, CONFIGURATION),
    Operation("rapid_configuration", REPORT, RAPID),
    Operation("multiple_configuration", REPORT, 3 << 8 | RAPID),
    Operation("shortest_path_configuration", REPORT, 4 << 8 | RAPID),
    Operation("topology_change", REPORT, 1 << 16),  # any of these, with the flag
    Operation("topology_change_notification", REPORT, CHANGED),
)
NAMES = {0: "configuration", 2: "rapid_configuration", 3: "multiple_configuration",
         4: "shortest_path_configuration"}  # fmt: skip
CHANGES = 0x01  # of the flags, [802.1D] 9.3.3
ROLES = ("unknown", "alternate or backup", "root", "designated")
LEARNING, FORWARDING = 0x10, 0x20
PRIORITY = 8  # of a port as it leaves the works, in sixteenths, [802.1D] 17.14


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """All of the frame, if a BPDU begins there, or SNAP of Cisco."""
    plain = np.isin(header["version"], list(VERSIONS))
    snap = (header["version"] == CISCO[2]) & (header["type"] == PVST >> 8)
    return np.where((header["zero"] == 0) & (plain | snap), FRONT.itemsize, NOT_MINE)


FRAME = Framing(
    "stp", FRONT, _lengths, LONGEST, datagram=True,
    begins=((0, frozenset({0})), (1, frozenset({0})), (2, frozenset({*VERSIONS, CISCO[2]}))),
)  # fmt: skip


def _read(units: Units) -> tuple[I64, I64, Mask]:
    """Where each BPDU begins, how long it is, and whether it is as the standard says."""
    snap = _snap(units)
    start = units.start + np.where(snap, SNAP_SIZE, 0)
    front, fits = gather(units.buffer, start, units.end, FRONT)
    version, kind = front["version"], front["type"]
    fits &= (front["zero"] == 0) & np.isin(version, list(VERSIONS))
    changed = fits & (version == 0) & (kind == CHANGED)
    head, whole = gather(units.buffer, start, units.end, BPDU)
    told = fits & whole & (kind == np.where(version == 0, CONFIGURATION, RAPID))
    for name, least, most in LIMITS:
        told &= (head[name] >= least * SECOND) & (head[name] <= most * SECOND)
    told &= head["age"] <= head["longest"]
    more, rapid = gather(units.buffer, start + BPDU.itemsize, units.end, VERSION_1)
    told &= (version == 0) | (rapid & (more == 0))
    size = np.where(changed, FRONT.itemsize, BPDU.itemsize + (version > 0))
    longer = told & (version > 2) & ~snap
    end, all_there = _multiple(units, start, version)
    size = np.where(longer, end, size)
    told &= ~longer | all_there
    tail, tagged = gather(units.buffer, start + VLAN_AT, units.end, VLAN)
    tagged &= snap & ~changed & (tail["type"] == 0) & (tail["length"] == 2)
    size = np.where(tagged, VLAN_AT + VLAN.itemsize, size)
    return start, size, np.asarray(changed | (told & (~snap | tagged)), np.bool_)


def _snap(units: Units) -> Mask:
    """Which units begin with the SNAP header of PVST+."""
    head: Mask = span_word(units.buffer, units.start, units.end - units.start, 0) & np.uint64(
        (1 << 8 * SNAP_SIZE) - 1
    ) == int.from_bytes(CISCO + PVST.to_bytes(2, "big"), "little")
    return head


def _multiple(units: Units, start: I64, version: Ints) -> tuple[I64, Mask]:
    """How long those are that go on behind RSTP, and whether all of it is there ([802.1Q] 14.4).

    A part of MST that has none of its lengths is passed over, and the message is one of RSTP.
    """
    more, fits = gather(units.buffer, start + BPDU.itemsize, units.end, MORE)
    length = more["version_3"].astype(np.int64)
    trees, rest = np.divmod(length - MST_LEAST, INSTANCE)
    mine = (rest == 0) & (trees >= 0) & (trees <= MOST_TREES)
    end = np.where(mine, MST_AT + length, BPDU.itemsize + 1)
    behind, told = gather(units.buffer, start + end, units.end, LENGTH)
    shortest = mine & (version > 3)
    fits &= ~shortest | told
    end += np.where(shortest, LENGTH.itemsize + behind.astype(np.int64), 0)
    return end, fits & (start + end <= units.end)


def claims(units: Units) -> Mask:
    """Version, type and lengths that go together, times within their limits."""
    return _read(units)[2]


def sides(units: Units) -> Ints:
    """Bridges are clients."""
    return np.full(len(units), Side.REQUEST, np.uint8)


AGE_AT, BEHIND_AGE = 27, 29


def split(units: Units) -> Split:
    """Key: whether it is PVST+, the bytes before the age, and those behind it."""
    start, size, fits = _read(units)
    words = [span_word(units.buffer, start, np.minimum(size, AGE_AT), at) for at in (0, 8, 16, 24)]
    words.append((start - units.start).astype(np.uint64))
    behind = np.where(size > BEHIND_AGE, start + BEHIND_AGE, units.start)
    return keyed(units, behind, np.maximum(size - BEHIND_AGE, 0), ~fits, words)


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """One BPDU by its version."""
    begin = SNAP_SIZE if reader.data.startswith(CISCO + PVST.to_bytes(2, "big")) else 0
    zero, version, kind = reader.at(begin).u16(), reader.u8(), reader.u8()
    if zero or version not in VERSIONS:
        raise Malformed(f"protocol {zero:#06x}, version {version}")
    name = f"PVST+ ({VERSIONS[version]})" if begin else VERSIONS[version]
    said = [Fact("stp_version", name, "client"), Fact("role_hint", "bridge", "client")]
    if version == 0 and kind == CHANGED:
        return Message("topology_change_notification", REPORT, facts=tuple(said))
    if kind != (RAPID if version else CONFIGURATION):
        raise Malformed(f"type {kind:#04x} of version {version}")
    vlan = _vlan(reader, begin) if begin else ""
    left = 0
    flags, root = reader.at(begin + FRONT.itemsize).u8(), reader.take(8)
    cost, bridge, port = reader.u32(), reader.take(8), reader.u16()
    notes = [f"flags {flags:#04x}", f"cost {cost}", _times(reader.at(begin + BEHIND_AGE))]
    if version and (first := reader.u8()):
        raise Malformed(f"version 1 length {first}")
    part = _region(reader, bridge) if version > 2 and not begin else Part(bridge)
    said += _told(root, part.bridge, vlan)
    number = ", ".join(filter(None, (str(port & 0xFFF), vlan)))
    if version:
        said.append(Fact("port_role", f"{number}: {_state(flags)}", "client"))
    if port >> 12 != PRIORITY:
        notes.append(f"port priority {(port >> 12) * 16}")
    if vlan:
        notes.append(f"bridge {_identity(bridge)}")
    changes = (flags | part.flags) & CHANGES
    if version > 3 and part.told:
        left = len(reader.take(reader.u16()))
        notes.append("opaque: shortest path")
    return Message(
        "topology_change" if changes else NAMES[version], REPORT, f"port {number}",
        facts=(*said, *part.facts),
        note=", ".join([*part.notes, *notes]),
    ).leaving(left)  # fmt: skip


def _times(reader: Reader) -> str:
    """How long what is said holds, how often it is said, how long ports wait."""
    told = []
    for name, key in (("holds", "longest"), ("hello", "hello"), ("delay", "delay")):
        value = reader.u16()
        least, most = next((low, high) for limit, low, high in LIMITS if limit == key)
        if not least * SECOND <= value <= most * SECOND:
            raise Malformed(f"{key} time {value}/{SECOND} s")
        told.append(f"{name} {value / SECOND:g} s")
    return ", ".join(told)


def _vlan(reader: Reader, begin: int) -> str:
    """The VLAN whose tree it is."""
    tail = Reader(reader.data, begin + VLAN_AT)
    kind, size, vlan = tail.u16(), tail.u16(), tail.u16()
    if kind or size != 2:
        raise Malformed(f"TLV {kind:#06x} of {size} bytes")
    return f"VLAN {vlan}"


def _identity(raw: bytes) -> str:
    """A bridge: its priority with the number of its tree in it, and its address, [802.1D] 9.2.5."""
    return f"{int.from_bytes(raw[:2], 'big')} {address(raw[2:])}"


def _told(root: bytes, bridge: bytes, vlan: str) -> list[Fact]:
    """Who the bridge is, and which it takes for the root; of a VLAN's tree that is said with it."""
    own = Fact("mac", address(bridge[2:]), "client")  # its ports have addresses beside this one
    if vlan:
        return [own, Fact("tree_root", f"{vlan}: {_identity(root)}", "client")]
    return [
        own,
        Fact("stp_bridge", _identity(bridge), "client"),
        Fact("stp_root", _identity(root), "client"),
    ]


def _state(flags: int) -> str:
    """What a port is in the tree, [802.1D] 9.3.3."""
    state = "forwarding" if flags & FORWARDING else "learning" if flags & LEARNING else "discarding"
    return f"{ROLES[flags >> 2 & 3]}, {state}"


@dataclass(slots=True)
class Part:
    """What the part of MST says."""

    bridge: bytes  # who speaks
    told: bool = False
    flags: int = 0  # of all trees of the region
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _region(reader: Reader, regional: bytes) -> Part:
    """The bridge, its region and the trees of that, [802.1Q] 14.4.

    ``regional``: the root of the region, which stands where else the bridge does. Where the length
    is none of MST, the message is one of RSTP.
    """
    begin = reader.offset
    length = reader.u16()
    trees, rest = divmod(length - MST_LEAST, INSTANCE)
    if rest or not 0 <= trees <= MOST_TREES:
        reader.at(begin)
        return Part(regional)
    selector, name, revision = reader.u8(), text(reader.take(32)), reader.u16()
    digest, cost = reader.take(16).hex(), reader.u32()
    part = Part(reader.take(8), told=True)
    part.facts = [
        Fact("mst_region", f"{name or 'without a name'}, revision {revision}", "client"),
        Fact("tree_root", f"region: {_identity(regional)}", "client"),
    ]
    part.notes = [f"selector {selector}"] if selector else []
    part.notes += [f"VLANs {digest}", f"cost in the region {cost}, {reader.u8()} hops left"]
    for _ in range(trees):
        _tree(reader, part)
    return part


def _tree(reader: Reader, part: Part) -> None:
    """One tree of a region, [802.1Q] 14.4.1."""
    flags, root, cost = reader.u8(), reader.take(8), reader.u32()
    bridge, port, hops = reader.u8(), reader.u8(), reader.u8()
    name = f"MST {int.from_bytes(root[:2], 'big') & 0xFFF}"
    part.flags |= flags
    part.facts.append(Fact("tree_root", f"{name}: {_identity(root)}", "client"))
    part.notes.append(
        f"{name}: flags {flags:#04x}, cost {cost}, priorities {bridge} {port}, {hops} hops left"
    )


PROTOCOL = Protocol(
    name="stp",
    title="Spanning tree",
    standard="IEEE 802.1D-2004, IEEE 802.1Q-2018; PVST+",
    transports=frozenset({"ethernet"}),
    ports=frozenset({LLC, SNAP}),
    framings=(FRAME,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    paired=False,
    identity=(
        "mac", "mst_region", "port_role", "role_hint", "stp_bridge", "stp_root",
        "stp_version", "tree_root",
    ),
    telling=frozenset({"topology_change", "topology_change_notification"}),
)  # fmt: skip
