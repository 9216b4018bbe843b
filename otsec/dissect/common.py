"""The common case in one step: Ethernet, IPv4 without options, TCP or UDP, nothing unusual.

A guess in columns: all frames are read as if they were of this kind, and those that prove to be
are done. All others are left to the layers as if nothing had happened; for the common ones those
would say the same, only slower (a test compares).
"""

import numpy as np

from otsec.columns import I64, Header, Mask, gather
from otsec.dissect.link import IPV4
from otsec.dissect.network import MORE_OR_OFFSET
from otsec.dissect.table import Table
from otsec.dissect.transport import VXLAN_PORT
from otsec.model import IPV4_MAPPED, TCP, UDP, Kind

FRAME = np.dtype(
    {
        "names": [
            "mac_target", "mac_source", "type", "version_ihl", "total", "fragment", "ttl",
            "protocol", "source", "target", "source_port", "target_port", "seq", "ack", "offset",
            "flags", "udp_length",
        ],
        "formats": [
            ">u8", ">u8", ">u2", "u1", ">u2", ">u2", "u1", "u1", ">u4", ">u4", ">u2", ">u2", ">u4",
            ">u4", "u1", "u1", ">u2",
        ],
        "offsets": [0, 6, 12, 14, 16, 20, 22, 23, 26, 30, 34, 36, 38, 42, 46, 47, 38],
        "itemsize": 54,
    }
)  # fmt: skip
FRONT = 14  # bytes of Ethernet in front of IP
IP_SIZE, UDP_SIZE, TCP_LEAST = 20, 8, 20


def read_common(table: Table) -> I64:
    """Read the frames of the common kind; gives the rows that are left."""
    packets = table.packets
    start = packets.payload
    header, fits = gather(table.buffer, start, packets.payload_end, FRAME)
    protocol = header["protocol"]
    tcp = protocol == TCP
    plain: Mask = (
        fits
        & (header["type"] == IPV4)
        & (header["version_ihl"] == 0x45)
        & (header["fragment"] & MORE_OR_OFFSET == 0)
        & (tcp | ((protocol == UDP) & (header["target_port"] != VXLAN_PORT)))
    )
    if 2 * int(plain.sum()) < len(plain):  # not worth it: tagged, tunnelled, layer 2
        return np.arange(len(plain))
    network = start + FRONT
    total = header["total"].astype(np.int64)
    end = np.minimum(packets.payload_end, network + total)
    size = np.where(tcp, (header["offset"] >> 4).astype(np.int64) << 2, UDP_SIZE)
    payload = network + IP_SIZE + size
    length = header["udp_length"].astype(np.int64)
    plain &= (payload <= end) & (size >= np.where(tcp, TCP_LEAST, UDP_SIZE))
    plain &= tcp | (length >= UDP_SIZE)
    stop = network + np.where(tcp, total, np.minimum(total, IP_SIZE + length))
    _fill(table, header, plain, tcp & plain)
    packets.network[:] = np.where(plain, network, -1)
    packets.payload_end[:] = np.where(plain, np.minimum(end, stop), packets.payload_end)
    table.wire_end[:] = np.where(plain, np.minimum(table.wire_end, stop), table.wire_end)
    packets.payload[:] = np.where(plain, payload, start)
    return np.flatnonzero(~plain)


def _fill(table: Table, header: Header, plain: Mask, tcp: Mask) -> None:
    """Set the columns of the common rows; all others stay as they are, which is zero."""
    packets = table.packets
    mapped = np.uint64(IPV4_MAPPED)
    packets.kind[:] = np.where(plain, Kind.IPV4, Kind.NONE)
    for column, values, rows in (
        (packets.mac_target, header["mac_target"] >> np.uint64(16), plain),
        (packets.mac_source, header["mac_source"] >> np.uint64(16), plain),
        (packets.source_lo, header["source"] | mapped, plain),
        (packets.target_lo, header["target"] | mapped, plain),
        (packets.protocol, header["protocol"], plain),
        (packets.ttl, header["ttl"], plain),
        (packets.source_port, header["source_port"], plain),
        (packets.target_port, header["target_port"], plain),
        (packets.seq, header["seq"], tcp),
        (packets.ack, header["ack"], tcp),
        (packets.flags, header["flags"], tcp),
    ):
        np.multiply(values, rows, out=column, casting="unsafe")
