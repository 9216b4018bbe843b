"""LLDP: what a station tells its neighbour of itself and of the port between them.

Sources: [802.1AB] IEEE 802.1AB-2016, 8 and 9 and annex D, E (organisational TLVs); [MED]
ANSI/TIA-1057, 10; [PN] IEC 61158-6-10, 4.11 (PROFINET). Publishers are clients.

The key is all of it but padding. TLVs of organisations that say nothing of identity are named in
the note. Delays of the line, which PROFINET stations measure, are not told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, Ints, Mask, gather, walk
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text
from otsec.protocols.words.descriptions import DESCRIBED, described

ETHERTYPE = 0x88CC
HEAD = np.dtype(">u2")  # type in seven bits, length in nine; [802.1AB] 8.4
END, CHASSIS, PORT, TTL, PORT_TEXT, NAME, TEXT, ABILITIES, MANAGEMENT = range(9)
ORGANISATION = 127
SHORTEST = 12  # the three TLVs that must be there, and the end

OPERATIONS = (Operation("advertise", "report", 1), Operation("shutdown", "report", 0))
REPORT: OperationClass = "report"

_ABILITIES = {  # bits of the capabilities, [802.1AB] 8.5.8
    0: "other",
    1: "repeater",
    2: "bridge",
    3: "access_point",
    4: "router",
    5: "telephone",
    6: "docsis",
    7: "station",
    8: "c_vlan",
    9: "s_vlan",
    10: "two_port_relay",
}
_MAC_CHASSIS, _ADDRESS_CHASSIS = 4, 5  # subtypes of chassis ids, 8.5.2
_MAC_PORT, _ADDRESS_PORT = 3, 4  # of port ids, 8.5.3
_IPV4, _IPV6, _MAC = 1, 2, 6  # families of addresses
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16, _MAC: 6}
_ORGANISATIONS = {
    0x00120F: "802.3",
    0x0080C2: "802.1",
    0x0012BB: "med",
    0x000ECF: "profinet",
}
_INVENTORY = {  # [MED] 10.2.6
    5: "hardware_revision",
    6: "firmware_revision",
    7: "revision",
    8: "serial",
    9: "vendor",
    10: "model_name",
    11: "asset_id",
}

FRAME = whole("lldp", SHORTEST)


def _end(units: Units) -> tuple[I64, Mask]:
    """Where the end TLV ends in each unit, and whether the TLVs lead there in their order."""

    def step(walker: I64, offset: I64) -> I64:
        head, fits = gather(units.buffer, offset, units.end[walker], HEAD)
        return np.where(fits & (head != 0), 2 + (head & 0x1FF).astype(np.int64), 0)

    links = walk(units.start, units.end, step)
    last, fits = gather(units.buffer, links.exit, units.end, HEAD)
    fits &= last == 0
    at = units.start.copy()
    for kind, least in ((CHASSIS, 2), (PORT, 2), (TTL, 2)):
        head, whole = gather(units.buffer, at, units.end, HEAD)
        size = (head & 0x1FF).astype(np.int64)
        fits &= whole & (head >> 9 == kind) & (size >= least)
        at += 2 + size
    return links.exit + 2, np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """Chassis, port and time to live come first, and the TLVs end in the frame."""
    return _end(units)[1]


def sides(units: Units) -> Ints:
    """Publishers are clients."""
    return np.full(len(units), Side.REQUEST, np.uint8)


def split(units: Units) -> Split:
    """The key is everything up to the end TLV."""
    end, fits = _end(units)
    return keyed(units, units.start, end - units.start, ~fits)


# ------------------------------------------------------------------------------- decode


@dataclass(slots=True)
class _Said:
    """What the TLVs of one message say."""

    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    port: str = ""
    alive: bool = True

    def tell(self, attribute: str, value: str) -> None:
        """Add a fact about who publishes."""
        if value:
            self.facts.append(Fact(attribute, value, "client"))


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """All TLVs up to the end."""
    said = _Said()
    for at in range(len(reader.data)):  # a TLV has two bytes or more
        head = reader.u16()
        kind, content = head >> 9, reader.part(head & 0x1FF)
        if head == END:
            break
        if at < len(_FIRST) and kind != _FIRST[at]:
            raise Malformed(f"TLV {kind} where {_FIRST[at]} should be")
        if kind in _READERS:
            _READERS[kind](content, said)
        else:
            said.notes.append(f"opaque: reserved TLV {kind} of {content.left()} bytes")
    return Message(
        "advertise" if said.alive else "shutdown", REPORT,
        said.port, facts=tuple(dict.fromkeys(said.facts)), note=", ".join(said.notes),
    )  # fmt: skip


_FIRST = (CHASSIS, PORT, TTL)


def _chassis(content: Reader, said: _Said) -> None:
    kind, raw = content.u8(), content.rest()
    if kind == _MAC_CHASSIS and len(raw) == 6:
        said.tell("chassis_id", address(raw))
        said.tell("mac", address(raw))
    elif kind == _ADDRESS_CHASSIS:
        said.tell("chassis_id", _network_address(raw, said))
    else:
        said.tell("chassis_id", text(raw))
    if kind not in range(1, 8):
        said.notes.append(f"chassis subtype {kind}")


def _port(content: Reader, said: _Said) -> None:
    kind, raw = content.u8(), content.rest()
    if kind == _MAC_PORT and len(raw) == 6:
        name = address(raw)
        said.tell("port_mac", name)
    elif kind == _ADDRESS_PORT:
        name = address(raw[1:])
    else:
        name = text(raw)
    said.port = f"port {name}"
    if kind not in range(1, 8):
        said.notes.append(f"port subtype {kind}")


def _ttl(content: Reader, said: _Said) -> None:
    seconds = content.u16()
    said.alive = seconds > 0
    if content.left():
        said.notes.append(f"opaque: {content.left()} bytes behind the time to live")
        content.rest()


def _network_address(raw: bytes, said: _Said) -> str:
    """Family and address, [802.1AB] 8.5.2.3."""
    if not raw:
        raise Malformed("address without family")
    if len(raw) - 1 != _ADDRESS_SIZES.get(raw[0]):
        return raw.hex(":")
    name = address(raw[1:])
    if raw[0] != _MAC and any(raw[1:]):
        said.tell("ip_address", name)
    return name


def _named(attribute: str) -> Callable[[Reader, _Said], None]:
    def tell(content: Reader, said: _Said) -> None:
        said.tell(attribute, text(content.rest()))

    return tell


def _description(content: Reader, said: _Said) -> None:
    line = text(content.rest())
    said.tell("description", line)
    for attribute, value in described(line):
        said.tell(attribute, value)


def _abilities(content: Reader, said: _Said) -> None:
    """What it can do, and what of that is switched on; 8.5.8."""
    able, enabled = content.u16(), content.u16()
    if enabled & ~able:
        said.notes.append(f"enabled {enabled & ~able:#06x} without ability")
    for bit in range(16):
        if enabled >> bit & 1:
            said.tell("role_hint", _ABILITIES.get(bit, f"bit {bit}"))
        if (able & ~enabled) >> bit & 1:
            said.tell("capability_off", _ABILITIES.get(bit, f"bit {bit}"))
    _tail(content, said, "capabilities")


def _tail(content: Reader, said: _Said, what: str) -> None:
    if content.left():
        said.notes.append(f"opaque: {content.rest().hex()} behind {what}")


def _management(content: Reader, said: _Said) -> None:
    """An address to manage it by, the interface, an object id; 8.5.9."""
    raw = content.take(content.u8())
    if not 2 <= len(raw) <= 32:
        raise Malformed(f"address of {len(raw)} bytes")
    name = _network_address(raw, said)
    kind, number, oid = content.u8(), content.u32(), content.take(content.u8())
    said.tell("management_address", name)
    said.tell("management_interface", f"{_NUMBERING.get(kind, kind)} {number}")
    said.tell("management_object", oid.hex())
    _tail(content, said, "management address")


_NUMBERING = {1: "unknown", 2: "ifindex", 3: "system_port"}


def _organisation(content: Reader, said: _Said) -> None:
    """[802.1AB] 8.6: OUI, subtype, and what the organisation says."""
    oui, kind = content.u8() << 16 | content.u16(), content.u8()
    name = _ORGANISATIONS.get(oui, f"{oui:06x}")
    tell = _SPECIFIC.get((name, kind))
    if tell is not None:
        tell(content, said)
    elif name == "med" and kind in _INVENTORY:
        said.tell(_INVENTORY[kind], text(content.rest()))
    else:
        said.notes.append(f"opaque: {name} {kind} of {content.left()} bytes")
        content.rest()


def _vlan(content: Reader, said: _Said) -> None:
    said.tell("port_vlan", str(content.u16()))


def _vlan_name(content: Reader, said: _Said) -> None:
    number = content.u16()
    said.tell("vlan", f"{number} {text(content.take(content.u8()))}")


def _frame_size(content: Reader, said: _Said) -> None:
    said.tell("frame_size", str(content.u16()))


def _own_mac(content: Reader, said: _Said) -> None:
    said.tell("mac", address(content.take(6)))


def _link(content: Reader, said: _Said) -> None:
    """[802.1AB] annex E.1: negotiation, what is advertised, and the medium."""
    status, abilities, medium = content.u8(), content.u16(), content.u16()
    said.tell("port_medium", f"{medium} negotiation {status:#04x} {abilities:#06x}")


def _med_kind(content: Reader, said: _Said) -> None:
    """[MED] 10.2.2: what it tells of, and which class of device it is."""
    able, kind = content.u16(), content.u8()
    said.tell("med_class", f"{_MED_CLASSES.get(kind, str(kind))} {able:#06x}")


_MED_CLASSES = {1: "endpoint_1", 2: "media_endpoint", 3: "telephone", 4: "network"}
_SPECIFIC: dict[tuple[str, int], Callable[[Reader, _Said], None]] = {
    ("802.1", 1): _vlan,
    ("802.1", 3): _vlan_name,
    ("802.3", 1): _link,
    ("802.3", 4): _frame_size,
    ("profinet", 3): _named("alias"),
    ("profinet", 5): _own_mac,
    ("med", 1): _med_kind,
}
_READERS: dict[int, Callable[[Reader, _Said], None]] = {
    CHASSIS: _chassis,
    PORT: _port,
    TTL: _ttl,
    PORT_TEXT: _named("port_description"),
    NAME: _named("name"),
    TEXT: _description,
    ABILITIES: _abilities,
    MANAGEMENT: _management,
    ORGANISATION: _organisation,
}

PROTOCOL = Protocol(
    name="lldp",
    title="LLDP",
    standard="IEEE 802.1AB-2016",
    transports=frozenset({"ethernet"}),
    ports=frozenset({ETHERTYPE}),
    framings=(FRAME,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    paired=False,
    identity=(
        "chassis_id", "mac", "port_mac", "ip_address", "port_description", "name", "description",
        "role_hint", "capability_off", "management_address", "management_interface",
        "management_object", "port_vlan", "vlan", "frame_size", "alias", "port_medium",
        "med_class", *sorted({*_INVENTORY.values(), *DESCRIBED}),
    ),
)  # fmt: skip
