"""The nouns that cross modules, a sentence per field.

Times are int64 nanoseconds since 1970 UTC by the capture's clock. An *ordinal* is the number of
a packet within its source, from 0. An address is 16 bytes in two words (``hi``, ``lo``), read
together with its kind: IPv6 as it is, IPv4 as ``::ffff:a.b.c.d``, a MAC in the low 48 bits.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

OperationClass: TypeAlias = Literal[
    "read",
    "write",
    "control",
    "program",
    "mode",
    "firmware",
    "config",
    "file",
    "diagnose",
    "browse",
    "time",
    "report",
    "session",
]
CLASSES: tuple[OperationClass, ...] = get_args(OperationClass)

TICK_NS = 10_000_000_000  # what is judged over time is judged at ticks of capture time
MINUTE_TICKS = 6
HISTOGRAM = np.dtype([("bucket", "u1"), ("count", "<i8")])  # packed, as the store keeps it
BATCH_PACKETS = 65_536  # what one step of the work is given at most; twice as many gain nothing


class Kind(IntEnum):
    """What the addresses of a packet are."""

    NONE = 0  # no address could be read
    MAC = 2
    IPV4 = 4
    IPV6 = 6


class Problem(IntEnum):
    """Why a packet is not dissected to its transport; what is counted for health."""

    NONE = 0
    CUT = 1  # the capture ends inside a header (snap length)
    MALFORMED = 2  # a header contradicts its standard
    FRAGMENT = 3  # an IP fragment, to be joined before its transport can be read
    UNKNOWN_LINK = 4  # a link type that otsec does not read
    TOO_DEEP = 5  # more tags, extension headers or tunnels than any network has


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets of one interface of one capture, in order, as columns over one buffer."""

    interface: int  # its number in the file, counted over all sections; 0 where there is but one
    link: int  # LINKTYPE_ number (tcpdump.org/linktypes.html)
    buffer: Bytes  # the bytes; valid until the next batch is drawn
    offset: I64  # where each packet's bytes begin in the buffer
    captured: I64  # bytes captured of each packet
    wire: I64  # bytes each packet had on the wire
    time: I64  # time stamp of each packet

    def __len__(self) -> int:
        return len(self.offset)

    def written(self) -> I64:
        """Of each packet: how many of the batch were written in front of it."""
        count = np.empty(len(self), np.int64)
        count[np.argsort(self.offset)] = np.arange(len(self))
        return count

    def take(self, rows: "I64 | slice") -> "PacketBatch":
        """Some packets, over the same buffer."""
        columns = (self.offset[rows], self.captured[rows], self.wire[rows], self.time[rows])
        return PacketBatch(self.interface, self.link, self.buffer, *columns)


@dataclass(slots=True)
class Packets:
    """What the headers of packets say: one row a packet, all columns of equal length.

    ``row`` is the position in the batch; rows of datagrams that were joined from fragments
    carry the row of the fragment that completed them, and point behind the batch's bytes.
    """

    row: I64
    time: I64
    wire: I64  # bytes on the wire, all layers
    mac_source: U64  # 0 where the link has none
    mac_target: U64
    place: U64  # VLAN ids and VXLAN network, see `place_text`
    kind: Ints  # u1, Kind
    protocol: Ints  # u2: IP protocol, or the ethertype (LLC: DSAP and SSAP) where kind is MAC
    source_hi: U64
    source_lo: U64
    target_hi: U64
    target_lo: U64
    source_port: Ints  # u2, 0 where there are no ports
    target_port: Ints  # u2
    ttl: Ints  # u1, hop limit of IPv6
    network: I64  # offset of the innermost IP header, -1 without one
    payload: I64  # offset of the first byte behind the last header read
    payload_end: I64  # offset behind the last captured byte of the payload
    payload_wire: I64  # bytes of the payload on the wire, padding taken off where IP tells
    seq: I64  # TCP sequence number, 0 to 2**32 - 1; 0 where it is not TCP
    ack: I64  # TCP acknowledgement number
    flags: Ints  # u1, TCP flags; of ICMP ECHO or ECHOED; else 0
    problem: Ints  # u1, Problem

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: I64) -> "Packets":
        """Some rows, in the order given."""
        return Packets(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, other: "Packets") -> "Packets":
        """Both tables, this one first."""
        return Packets(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )


FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10  # TCP flags, RFC 9293 3.1
ECHO, ECHOED = 0x40, 0x80  # in place of them: who asks for an echo of ICMP, who answers

ARP = 0x0806  # ethertype
ICMP, ICMPV6 = 1, 58
TCP, UDP = 6, 17  # IP protocol numbers, iana.org/assignments/protocol-numbers
IPV4_MAPPED = 0xFFFF_0000_0000  # low word of ::ffff:0.0.0.0, RFC 4291 2.5.5.2

NO_VLAN = 0
VLAN_BITS, VNI_SHIFT = 13, 26  # a VLAN is its id plus one; outer above inner, above both the VNI


def ip_text(ip: "IPv4Address | IPv6Address") -> str:
    """An address as the store has it, whatever Python writes it.

    One of IPv4 within IPv6 stands in hexadecimal; of RFC 5952 both ways are right, and Python took
    the other one with 3.13.
    """
    if ip.version == 6 and ip.ipv4_mapped is not None:
        number = int(ip)
        return f"::ffff:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}"
    return str(ip)


def place_text(place: int) -> str:
    """``""`` for untagged, ``"10"``, ``"100.10"`` (outer, inner), ``"vni 5000"``, ``"vni 5000 10"``."""
    if place == NO_VLAN:
        return ""
    inner, outer = place & 0x1FFF, place >> VLAN_BITS & 0x1FFF
    vlan = ".".join(str(tag - 1) for tag in (outer, inner) if tag)
    vni = place >> VNI_SHIFT
    return " ".join(part for part in (f"vni {vni - 1}" if vni else "", vlan) if part)


def place_of(text: str) -> int:
    """The place that `place_text` writes so."""
    words = text.removeprefix("vni ").split(" ")
    vni = int(words.pop(0)) + 1 if text.startswith("vni ") else 0
    tags = [int(tag) + 1 for word in words if word for tag in word.split(".")]
    inner, outer = (*reversed(tags), 0, 0)[:2]
    return vni << VNI_SHIFT | outer << VLAN_BITS | inner
