"""CDP: what a Cisco device tells its neighbour; VTP, DTP and UDLD beside it are recognised.

Source: "Cisco Discovery Protocol packet format" (Cisco, public), field names as Wireshark's.
Publishers are clients. A unit begins at the OUI of SNAP, which all of Cisco's share; what is not
CDP is told by name only, but PVST+ (`stp.py`). The key is the whole message but padding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather, walk
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
from otsec.protocols.words.descriptions import DESCRIBED, described

SNAP = 0xAAAA
HEADER = np.dtype(
    [("oui_high", ">u2"), ("oui_low", "u1"), ("pid", ">u2"), ("version", "u1"), ("ttl", "u1"),
     ("sum", ">u2")]
)  # fmt: skip
CISCO = 0x00000C
PID, PVST = 0x2000, 0x010B
FRONT = 5  # bytes of SNAP
VERSIONS = (1, 2)
TLV = np.dtype([("type", ">u2"), ("length", ">u2")])

REPORT: OperationClass = "report"
OTHERS = {0x0104: "pagp", 0x0111: "udld", 0x2003: "vtp", 0x2004: "dtp"}
OPERATIONS = (
    Operation("announce", REPORT, PID),
    *(Operation(name, REPORT, pid) for pid, name in OTHERS.items()),
)


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """All of the frame, if the OUI is Cisco's."""
    mine = (header["oui_high"] == CISCO >> 8) & (header["oui_low"] == CISCO & 0xFF)
    mine &= header["pid"] != PVST
    return np.where(mine, HEADER.itemsize, NOT_MINE)


FRAME = Framing(
    "cdp", HEADER, _lengths, LONGEST, datagram=True,
    begins=((0, frozenset({0})), (1, frozenset({0})), (2, frozenset({0x0C}))),
)  # fmt: skip


def _end(units: Units) -> tuple[Ints, I64, Mask]:
    """PID, where the TLVs end, and whether there are any that fill the frame as they should."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    first = units.start + HEADER.itemsize

    def step(walker: I64, offset: I64) -> I64:
        head, whole = gather(units.buffer, offset, units.end[walker], TLV)
        size = head["length"].astype(np.int64)
        good = whole & (size >= TLV.itemsize) & (head["type"] > 0)
        return np.where(good & (offset + size <= units.end[walker]), size, 0)

    cdp = header["pid"] == PID
    links = walk(first, np.where(cdp, units.end, first), step)
    fits &= ~cdp | (np.isin(header["version"], VERSIONS) & (links.exit > first))
    # padding is zero; a TLV that passes the end is cut off, or no TLV
    behind, more = gather(units.buffer, links.exit, units.end, TLV)
    fits &= ~cdp | ~more | ((behind["type"] == 0) & (behind["length"] == 0))
    return header["pid"], np.where(cdp, links.exit, units.end), np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """Versions 1 and 2, TLVs to the end; of the others only the PID."""
    pid, _, fits = _end(units)
    return np.asarray(fits & ((pid == PID) | np.isin(pid, list(OTHERS))), np.bool_)


def sides(units: Units) -> Ints:
    """Publishers are clients."""
    return np.full(len(units), Side.REQUEST, np.uint8)


def split(units: Units) -> Split:
    """The key is PID, version, time to live, check sum and TLVs; of other PIDs only these."""
    pid, end, fits = _end(units)
    start = units.start + FRONT
    length = np.where(pid == PID, end - start, 0)
    return keyed(units, start, length, ~fits, [pid.astype(np.uint64)])


# ------------------------------------------------------------------------------- decode


@dataclass(slots=True)
class _Said:
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    port: str = ""

    def tell(self, attribute: str, value: str) -> None:
        """Add a fact about who publishes."""
        if value:
            self.facts.append(Fact(attribute, value, "client"))


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """All TLVs."""
    reader.at(3)
    pid = reader.u16()
    if pid != PID:
        name = OTHERS.get(pid, f"unknown_{pid:#06x}")
        return Message(name, REPORT, note="opaque: told by its PID alone")
    version, ttl, _ = reader.u8(), reader.u8(), reader.u16()
    said = _Said(notes=[f"version {version}, holds {ttl} s"])
    behind = reader.offset
    while reader.left() >= TLV.itemsize:
        kind, size = reader.u16(), reader.u16()
        if kind == 0 and size == 0:
            break
        content = reader.part(size - TLV.itemsize)
        behind = reader.offset
        _READERS.get(kind, _other(kind))(content, said)
    if _sums(reader.data[FRONT:behind]).isdisjoint((0, 0xFFFF)):
        raise Malformed("check sum")
    return Message(
        "announce", REPORT, said.port, facts=tuple(dict.fromkeys(said.facts)),
        note=", ".join(said.notes),
    )  # fmt: skip


def _sums(data: bytes) -> set[int]:
    """Check sums as of IP over all, in the ways in which an odd last byte is taken."""
    if len(data) % 2 == 0:
        ends = [data]
    else:
        last = data[-1:]
        signed = b"\xff" if last[0] & 0x80 else b"\0"
        ends = [data[:-1] + end for end in (last + b"\0", b"\0" + last, signed + last)]
        if last[0] & 0x80:  # as Cisco's do: with its sign, and one less
            ends.append(data[:-1] + b"\xff" + bytes([(last[0] - 1) & 0xFF]))
    found = set()
    for one in ends:
        total = sum(one[at] << 8 | one[at + 1] for at in range(0, len(one), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        found.add(total)
    return found


def _other(kind: int) -> Callable[[Reader, _Said], None]:
    def note(content: Reader, said: _Said) -> None:
        said.notes.append(f"TLV {kind:#06x} {content.rest()[:32].hex()}")

    return note


def _named(attribute: str) -> Callable[[Reader, _Said], None]:
    def tell(content: Reader, said: _Said) -> None:
        said.tell(attribute, text(content.rest()))

    return tell


def _addresses(attribute: str) -> Callable[[Reader, _Said], None]:
    """A count, then of each: how its protocol is named, that name, and the address."""

    def tell(content: Reader, said: _Said) -> None:
        for _ in range(min(content.u32(), content.left())):
            content.u8()
            protocol = content.take(content.u8())
            raw = content.take(content.u16())
            if protocol != b"\xcc" and len(protocol) != 8:
                said.notes.append(f"address of {protocol.hex()} {raw.hex()}")
            elif any(raw):
                said.tell(attribute, address(raw))

    return tell


def _port(content: Reader, said: _Said) -> None:
    said.port = f"port {text(content.rest())}"


_ABILITIES = ("router", "bridge", "source_route_bridge", "switch", "host", "igmp", "repeater",
              "telephone", "remotely_managed", "cvta", "two_port_relay")  # fmt: skip


def _abilities(content: Reader, said: _Said) -> None:
    bits = content.u32()
    for bit in range(32):
        if bits >> bit & 1:
            known = bit < len(_ABILITIES)
            said.tell("role_hint", _ABILITIES[bit] if known else f"bit {bit}")


def _software(content: Reader, said: _Said) -> None:
    line = text(content.rest())
    said.tell("description", line)
    for attribute, value in described(line.replace(" ,", ", ")):
        said.tell(attribute, value)


def _platform(content: Reader, said: _Said) -> None:
    """As Cisco writes it, the maker comes first."""
    name = text(content.rest())
    if name.lower().startswith("cisco "):
        said.tell("vendor", "Cisco")
        name = name[6:]
    said.tell("model_name", name)


def _vlan(content: Reader, said: _Said) -> None:
    said.tell("port_vlan", str(content.u16()))


def _duplex(content: Reader, said: _Said) -> None:
    value = content.u8()
    if value > 1:
        raise Malformed(f"duplex {value}")
    said.notes.append("full duplex" if value else "half duplex")


_READERS: dict[int, Callable[[Reader, _Said], None]] = {
    0x0001: _named("name"),
    0x0002: _addresses("ip_address"),
    0x0003: _port,
    0x0004: _abilities,
    0x0005: _software,
    0x0006: _platform,
    0x0009: _named("vtp_domain"),
    0x000A: _vlan,
    0x000B: _duplex,
    0x0014: _named("hostname"),
    0x0016: _addresses("management_address"),
    0x0017: _named("location"),
}

PROTOCOL = Protocol(
    name="cdp",
    title="Cisco Discovery Protocol",
    standard="Cisco Discovery Protocol, versions 1 and 2",
    transports=frozenset({"ethernet"}),
    ports=frozenset({SNAP}),
    framings=(FRAME,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    paired=False,
    identity=tuple(
        sorted(
            {
                "name", "ip_address", "role_hint", "description", "vendor", "model_name",
                "vtp_domain", "port_vlan", "hostname", "management_address", "location",
                *DESCRIBED,
            }
        )
    ),
)  # fmt: skip
