"""IPv4 and IPv6: addresses, options, extension headers, fragments.

Sources: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 4302 (AH), RFC 6946 (atomic fragments).
"""

import numpy as np

from otsec.columns import I64, Ints
from otsec.dissect.link import IPV4, IPV6
from otsec.dissect.table import NO_NUMBER, Layer, Next, Table, of, put
from otsec.model import IPV4_MAPPED, Kind, Problem

MAX_EXTENSIONS = 8  # extension headers of one datagram; RFC 8200 4.1 knows seven places

IPV4_HEADER = np.dtype(
    [
        ("version_ihl", "u1"),
        ("service", "u1"),
        ("total", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", ">u4"),
        ("target", ">u4"),
    ]
)
IPV6_HEADER = np.dtype(
    [
        ("version_flow", ">u4"),
        ("length", ">u2"),
        ("next", "u1"),
        ("limit", "u1"),
        ("source_hi", ">u8"),
        ("source_lo", ">u8"),
        ("target_hi", ">u8"),
        ("target_lo", ">u8"),
    ]
)
EXTENSION = np.dtype([("next", "u1"), ("length", "u1")])
FRAGMENT_HEADER = np.dtype([("next", "u1"), ("reserved", "u1"), ("fragment", ">u2"), ("id", ">u4")])
NIBBLE = np.dtype("u1")

HOP_BY_HOP, ROUTING, FRAGMENT, AH, NO_NEXT, DESTINATION = 0, 43, 44, 51, 59, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION)
MORE_OR_OFFSET = 0x3FFF  # of IPv4's flags and offset: not a whole datagram
MORE_OR_OFFSET_6 = 0xFFF9  # of IPv6's


def ip(table: Table, step: Next) -> list[Next]:
    """Datagrams of the version that their first nibble says."""
    first, rows, _ = table.read(step.rows, NIBBLE)
    version = first >> 4
    table.mark(rows[(version != 4) & (version != 6)], Problem.MALFORMED)
    return [
        Next(Layer.IPV4, rows[version == 4], NO_NUMBER, step.tunnels),
        Next(Layer.IPV6, rows[version == 6], NO_NUMBER, step.tunnels),
    ]


# ---------------------------------------------------------------------------------- IPv4


def ipv4(table: Table, step: Next) -> list[Next]:
    """An IPv4 header with its options; fragments stop here (RFC 791 3.1)."""
    header, rows, missed = table.read(step.rows, IPV4_HEADER)
    table.describe_missed(missed, IPV4)
    version_ihl = header["version_ihl"]
    if (version_ihl != 0x45).any():
        other = version_ihl >> 4 != 4
        if other.any():
            table.mark(rows[other], Problem.MALFORMED)
            table.describe_missed(rows[other], IPV4)
            header, rows = header[~other], rows[~other]
    packets = table.packets
    put(packets.kind, rows, Kind.IPV4)
    put(packets.source_lo, rows, header["source"] | np.uint64(IPV4_MAPPED))
    put(packets.target_lo, rows, header["target"] | np.uint64(IPV4_MAPPED))
    protocol = header["protocol"].astype(np.uint16)
    put(packets.protocol, rows, protocol)
    put(packets.ttl, rows, header["ttl"])
    if step.tunnels:
        packets.source_hi[rows] = 0
        packets.target_hi[rows] = 0
    put(packets.network, rows, of(packets.payload, rows))
    size = _ipv4_size(header["version_ihl"])
    total = header["total"].astype(np.int64)
    _clip_ipv4(table, rows, total)
    good = (size >= IPV4_HEADER.itemsize) & table.fits(rows, size)
    if not good.all():
        bad = rows[~good]
        table.mark_short(bad, packets.payload[bad] + size[~good])
        table.mark(rows[size < IPV4_HEADER.itemsize], Problem.MALFORMED)
        header, rows, protocol, size = header[good], rows[good], protocol[good], size[good]
    table.skip(rows, size)
    pieces = (header["fragment"] & MORE_OR_OFFSET) != 0
    if pieces.any():
        table.mark(rows[pieces], Problem.FRAGMENT)
        rows, protocol = rows[~pieces], protocol[~pieces]
    return [Next(Layer.TRANSPORT, rows, protocol, step.tunnels)]


def _ipv4_size(version_ihl: Ints) -> I64:
    return (version_ihl & 15).astype(np.int64) << 2


def _clip_ipv4(table: Table, rows: I64, total: I64) -> None:
    """The datagram ends where its length says; 0 is what offloading cards leave."""
    end = of(table.packets.payload, rows) + total
    if (total == 0).any():
        end = np.where(total == 0, of(table.wire_end, rows), end)
    table.clip(rows, end)


# ---------------------------------------------------------------------------------- IPv6


def ipv6(table: Table, step: Next) -> list[Next]:
    """An IPv6 header with its extension headers; fragments stop here (RFC 8200 3, 4)."""
    header, rows, missed = table.read(step.rows, IPV6_HEADER)
    table.describe_missed(missed, IPV6)
    other = header["version_flow"] >> 28 != 6
    if other.any():
        table.mark(rows[other], Problem.MALFORMED)
        table.describe_missed(rows[other], IPV6)
        header, rows = header[~other], rows[~other]
    if not len(rows):
        return []
    packets = table.packets
    if packets.source_hi is packets.target_hi:
        packets.target_hi = packets.source_hi.copy()
    put(packets.kind, rows, Kind.IPV6)
    for name in ("source_hi", "source_lo", "target_hi", "target_lo"):
        put(getattr(packets, name), rows, header[name])
    put(packets.ttl, rows, header["limit"])
    put(packets.network, rows, of(packets.payload, rows))
    table.skip(rows, IPV6_HEADER.itemsize)
    _clip_ipv6(table, rows, header["length"].astype(np.int64), header["next"])
    protocol = header["next"].astype(np.uint16)
    return _extensions(table, rows, protocol, step.tunnels)


def _clip_ipv6(table: Table, rows: I64, length: I64, following: Ints) -> None:
    """The datagram ends where its length says; 0 is a jumbogram or what offloading cards leave."""
    end = of(table.packets.payload, rows) + length
    unknown = (length == 0) & (following != NO_NEXT)
    if unknown.any():
        end = np.where(unknown, of(table.wire_end, rows), end)
    table.clip(rows, end)


def _extensions(table: Table, rows: I64, protocol: Ints, tunnels: int) -> list[Next]:
    """Rows behind their extension headers. Those that end inside one keep its number."""
    found: list[Next] = []
    for left in range(MAX_EXTENSIONS, -1, -1):
        extended = np.isin(protocol, EXTENSIONS)
        put(table.packets.protocol, rows, protocol)
        found.append(Next(Layer.TRANSPORT, rows[~extended], protocol[~extended], tunnels))
        rows, protocol = rows[extended], protocol[extended]
        if not len(rows):
            break
        if left == 0:
            table.mark(rows, Problem.TOO_DEEP)
            break
        rows, protocol = _extension(table, rows, protocol)
    return found


def _extension(table: Table, rows: I64, protocol: Ints) -> tuple[I64, Ints]:
    """One extension header of each row: the rows that go on, and with which protocol."""
    piece = protocol == FRAGMENT
    whole, whole_next = _fragment_header(table, rows[piece])
    rows, protocol = rows[~piece], protocol[~piece]
    header, read, _ = table.read(rows, EXTENSION)
    protocol = protocol[np.isin(rows, read)]
    length = header["length"].astype(np.int64)
    size = np.where(protocol == AH, (length + 2) << 2, (length + 1) << 3)  # RFC 4302 2.2
    held = table.fits(read, size)
    short = read[~held]
    table.mark_short(short, table.packets.payload[short] + size[~held])
    table.skip(read[held], size[held])
    rows = np.concatenate([whole, read[held]])
    following = np.concatenate([whole_next, header["next"][held].astype(np.uint16)])
    order = np.argsort(rows)
    return rows[order], following[order]


def _fragment_header(table: Table, rows: I64) -> tuple[I64, Ints]:
    """Rows whose fragment header says that they are whole (RFC 6946); the others stop behind it."""
    header, rows, _ = table.read(rows, FRAGMENT_HEADER)
    table.skip(rows, FRAGMENT_HEADER.itemsize)
    following = header["next"].astype(np.uint16)
    pieces = (header["fragment"] & MORE_OR_OFFSET_6) != 0
    table.mark(rows[pieces], Problem.FRAGMENT)
    table.packets.protocol[rows[pieces]] = following[pieces]
    return rows[~pieces], following[~pieces]
