"""Frames within packets: GRE, NVGRE, ERSPAN, VXLAN, IP in IP. The row becomes the inner frame's.

An inner Ethernet frame has a place of its own (its network number, its VLAN); an inner datagram
without Ethernet keeps MAC addresses and place of the router that sent it. What cannot be taken
for a tunnel stays described as the packet that it is.

Sources: RFC 2784 and 2890 (GRE), RFC 7637 (NVGRE), RFC 7348 (VXLAN), RFC 2003 and 4213 (IP in IP),
[ERSPAN] draft-foschiano-erspan-03.
"""

from typing import Any

import numpy as np

from otsec.columns import I64, Header, gather
from otsec.dissect.link import ETHERNET_HEADER, IPV4, IPV6
from otsec.dissect.table import MAX_TUNNELS, NO_NUMBER, Layer, Next, Table
from otsec.model import VNI_SHIFT, Problem

GRE_HEADER = np.dtype([("flags", ">u2"), ("protocol", ">u2")])
GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE = 0x8000, 0x2000, 0x1000  # four bytes each, in this order
GRE_UNKNOWN = 0x4007  # source routing (RFC 1701, withdrawn), and versions but 0
GRE_BRIDGED = 0x6558  # Ethernet, RFC 7637 3.2
KEY = np.dtype(">u4")
ERSPAN_2, ERSPAN_3 = (
    0x88BE,
    0x22EB,
)  # [ERSPAN] 4.1, 4.3; without sequence number the first is type I
ERSPAN_2_HEADER = np.dtype([("version_vlan", ">u2"), ("session", ">u2"), ("index", ">u4")])
ERSPAN_3_HEADER = np.dtype(
    [
        ("version_vlan", ">u2"),
        ("session", ">u2"),
        ("time", ">u4"),
        ("group", ">u2"),
        ("type", ">u2"),
    ]
)
ERSPAN_3_MORE = 8  # bytes of the platform's own header, where bit 0 of ``type`` says so
VXLAN_HEADER = np.dtype([("flags", "u1"), ("reserved", "u1", 3), ("network", ">u4")])
VXLAN_VALID = 0x08  # the network number counts


def gre(table: Table, step: Next) -> list[Next]:
    """GRE of version 0, by what it carries; other GRE stays as it is (RFC 2784 2, RFC 2890 2)."""
    if _too_deep(table, step):
        return []
    header, rows, _ = table.read(step.rows, GRE_HEADER)
    flags = header["flags"].astype(np.int64)
    known = flags & GRE_UNKNOWN == 0
    size = np.full(len(rows), GRE_HEADER.itemsize)
    for flag in (GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE):
        size += np.where(flags & flag, 4, 0)
    held = table.fits(rows, size)
    _short(table, rows[known & ~held], size[known & ~held])
    found: list[Next] = []
    for protocol, carry in _CARRIED.items():
        mine = known & held & (header["protocol"] == protocol)
        if mine.any():
            found += carry(table, rows[mine], flags[mine], size[mine], step.tunnels + 1)
    return found


def vxlan(table: Table, step: Next) -> list[Next]:
    """VXLAN (RFC 7348 5); datagrams on its port that cannot be it stay as they are."""
    if _too_deep(table, step):
        return []
    packets = table.packets
    shortest = VXLAN_HEADER.itemsize + ETHERNET_HEADER.itemsize
    rows = step.rows[packets.payload[step.rows] + shortest <= table.wire_end[step.rows]]
    header, rows, _ = table.read(rows, VXLAN_HEADER)
    valid = header["flags"] & VXLAN_VALID != 0
    rows, network = rows[valid], header["network"][valid].astype(np.int64) >> 8
    size = np.full(len(rows), VXLAN_HEADER.itemsize)
    return _frames(table, "vxlan", rows, size, _network_place(network), step.tunnels + 1)


def ip_in_ip(table: Table, step: Next) -> list[Next]:
    """A datagram right behind an IP header (RFC 2003, RFC 4213)."""
    if _too_deep(table, step):
        return []
    table.counts["ip_in_ip"] += len(step.rows)
    return [Next(Layer.IP, step.rows, NO_NUMBER, step.tunnels + 1)]


def _too_deep(table: Table, step: Next) -> bool:
    if step.tunnels < MAX_TUNNELS:
        return False
    table.mark(step.rows, Problem.TOO_DEEP)
    return True


def _short(table: Table, rows: I64, size: I64) -> None:
    """Rows that should have ``size`` bytes more."""
    table.mark_short(rows, table.packets.payload[rows] + size)


def _frames(table: Table, name: str, rows: I64, size: I64, place: I64, tunnels: int) -> list[Next]:
    """Go on with the Ethernet frame ``size`` bytes on, if its header is there."""
    needed = size + ETHERNET_HEADER.itemsize
    held = table.fits(rows, needed)
    _short(table, rows[~held], needed[~held])
    rows = rows[held]
    table.skip(rows, size[held])
    table.packets.place[rows] = place[held]
    table.counts[name] += len(rows)
    return [Next(Layer.ETHERNET, rows, NO_NUMBER, tunnels)]


def _network_place(network: I64) -> I64:
    return (network + 1) << VNI_SHIFT


# ---------------------------------------------------------------------- what GRE carries


def _datagram(table: Table, rows: I64, _flags: I64, size: I64, tunnels: int) -> list[Next]:
    table.skip(rows, size)
    table.counts["gre"] += len(rows)
    return [Next(Layer.IP, rows, NO_NUMBER, tunnels)]


def _bridged(table: Table, rows: I64, flags: I64, size: I64, tunnels: int) -> list[Next]:
    """Ethernet; the key's upper 24 bits are the network, the rest a flow (RFC 7637 3.2)."""
    keyed = flags & GRE_KEY != 0
    behind = table.packets.payload[rows] + GRE_HEADER.itemsize
    behind += np.where(flags & GRE_CHECKSUM, 4, 0)
    key, _ = gather(table.buffer, behind, table.packets.payload_end[rows], KEY)
    place = np.where(keyed, _network_place(key.astype(np.int64) >> 8), 0)
    return _frames(table, "gre", rows, size, place, tunnels)


def _erspan_1_or_2(table: Table, rows: I64, flags: I64, size: I64, tunnels: int) -> list[Next]:
    """Type I is the bare frame; type II tells the VLAN that it took off the frame ([ERSPAN] 4.1)."""
    second = flags & GRE_SEQUENCE != 0
    header, rows_2, size_2 = _behind_gre(table, rows[second], size[second], ERSPAN_2_HEADER)
    version, vlan = header["version_vlan"] >> 12, header["version_vlan"] & 0xFFF
    taken_off = np.isin(header["session"] >> 11 & 3, (1, 2))  # ISL, 802.1Q; 3: still in the frame
    place = np.where(taken_off & (vlan != 0), vlan + 1, 0)
    good = version == 1
    rows_1, size_1 = rows[~second], size[~second]
    return [
        *_frames(table, "erspan", rows_1, size_1, np.zeros(len(rows_1), np.int64), tunnels),
        *_frames(table, "erspan", rows_2[good], size_2[good], place[good], tunnels),
    ]


def _erspan_3(table: Table, rows: I64, _flags: I64, size: I64, tunnels: int) -> list[Next]:
    """Type III carries frames or datagrams, perhaps behind a header more ([ERSPAN] 4.3)."""
    header, rows, size = _behind_gre(table, rows, size, ERSPAN_3_HEADER)
    size = size + np.where(header["type"] & 1, ERSPAN_3_MORE, 0)
    version, vlan = header["version_vlan"] >> 12, header["version_vlan"] & 0xFFF
    carried = header["type"] >> 10 & 0x1F
    frame = (version == 2) & (carried == 0)
    place = np.where(vlan != 0, vlan + 1, 0)
    datagram = (version == 2) & (carried == 2)
    held = table.fits(rows, size)
    _short(table, rows[datagram & ~held], size[datagram & ~held])
    datagram &= held
    table.skip(rows[datagram], size[datagram])
    table.counts["erspan"] += int(datagram.sum())
    return [
        *_frames(table, "erspan", rows[frame], size[frame], place[frame], tunnels),
        Next(Layer.IP, rows[datagram], NO_NUMBER, tunnels),
    ]


def _behind_gre(
    table: Table, rows: I64, size: I64, dtype: np.dtype[Any]
) -> tuple[Header, I64, I64]:
    """The header behind GRE's, of the rows that have it whole: (headers, rows, size with it)."""
    packets = table.packets
    header, fits = gather(
        table.buffer, packets.payload[rows] + size, packets.payload_end[rows], dtype
    )
    size = size + dtype.itemsize
    _short(table, rows[~fits], size[~fits])
    return header[fits], rows[fits], size[fits]


_CARRIED = {
    IPV4: _datagram,
    IPV6: _datagram,
    GRE_BRIDGED: _bridged,
    ERSPAN_2: _erspan_1_or_2,
    ERSPAN_3: _erspan_3,
}
