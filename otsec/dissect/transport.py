"""TCP, UDP and SCTP: ports, and where the payload begins; who asks for an echo by ICMP.

Sources: RFC 9293 (TCP), RFC 768 (UDP), RFC 9260 (SCTP), RFC 792 and 4443 (ICMP).
"""

import numpy as np

from otsec.columns import I64, gather
from otsec.dissect.table import NO_NUMBER, Layer, Next, Table, of, put
from otsec.model import ECHO, ECHOED, ICMP, ICMPV6, TCP, UDP, Problem

SCTP = 132
GRE, IP_IN_IP, IPV6_IN_IP = 47, 4, 41
VXLAN_PORT = 4789  # RFC 7348 5

TCP_HEADER = np.dtype(
    [
        ("source", ">u2"),
        ("target", ">u2"),
        ("seq", ">u4"),
        ("ack", ">u4"),
        ("offset", "u1"),  # in words, in the high nibble
        ("flags", "u1"),
        ("window", ">u2"),
        ("checksum", ">u2"),
        ("urgent", ">u2"),
    ]
)
UDP_HEADER = np.dtype(
    [("source", ">u2"), ("target", ">u2"), ("length", ">u2"), ("checksum", ">u2")]
)
ICMP_HEADER = np.dtype([("type", "u1"), ("code", "u1")])
SCTP_HEADER = np.dtype([("source", ">u2"), ("target", ">u2"), ("tag", ">u4"), ("checksum", ">u4")])


def transport(table: Table, step: Next) -> list[Next]:
    """What an IP protocol number promises; without ports the payload is behind the IP header."""
    rows, protocol = step.rows, step.number
    stream = protocol == TCP
    if stream.all():
        tcp(table, rows)
        return []
    tcp(table, rows[stream])
    rows, protocol = rows[~stream], protocol[~stream]
    datagram = protocol == UDP
    if datagram.all():
        return udp(table, rows, step.tunnels)
    found = udp(table, rows[datagram], step.tunnels)
    rows, protocol = rows[~datagram], protocol[~datagram]
    sctp(table, rows[protocol == SCTP])
    for number, kinds in ECHOES.items():
        icmp(table, rows[protocol == number], kinds)
    for number, layer in TUNNELS.items():
        inside = rows[protocol == number]
        if len(inside):
            found.append(Next(layer, inside, NO_NUMBER, step.tunnels))
    return found


ECHOES = {ICMP: (8, 0), ICMPV6: (128, 129)}  # types of request and reply
TUNNELS = {GRE: Layer.GRE, IP_IN_IP: Layer.IP_IN_IP, IPV6_IN_IP: Layer.IP_IN_IP}


def tcp(table: Table, rows: I64) -> None:
    """TCP headers (RFC 9293 3.1). A header that is not whole leaves the ports 0."""
    if not len(rows):
        return
    header, rows, _ = table.read(rows, TCP_HEADER)
    size = (header["offset"] >> 4).astype(np.int64) << 2
    good = (size >= TCP_HEADER.itemsize) & table.fits(rows, size)
    if not good.all():
        bad = rows[~good]
        table.mark_short(bad, table.packets.payload[bad] + size[~good])
        table.mark(rows[size < TCP_HEADER.itemsize], Problem.MALFORMED)
        header, rows, size = header[good], rows[good], size[good]
    packets = table.packets
    put(packets.source_port, rows, header["source"])
    put(packets.target_port, rows, header["target"])
    put(packets.seq, rows, header["seq"])
    put(packets.ack, rows, header["ack"])
    put(packets.flags, rows, header["flags"])
    table.skip(rows, size)


def udp(table: Table, rows: I64, tunnels: int) -> list[Next]:
    """UDP headers (RFC 768): a length that can be true ends the payload."""
    if not len(rows):
        return []
    header, rows, _ = table.read(rows, UDP_HEADER)
    packets = table.packets
    target = header["target"].astype(np.uint16)
    put(packets.source_port, rows, header["source"])
    put(packets.target_port, rows, target)
    length = header["length"].astype(np.int64)
    end = of(packets.payload, rows) + length
    if (length < UDP_HEADER.itemsize).any():  # 0 is a jumbogram or what offloading cards leave
        end = np.where(length < UDP_HEADER.itemsize, of(table.wire_end, rows), end)
    table.clip(rows, end)
    table.skip(rows, UDP_HEADER.itemsize)
    overlay = target == VXLAN_PORT
    return [Next(Layer.VXLAN, rows[overlay], NO_NUMBER, tunnels)] if overlay.any() else []


def icmp(table: Table, rows: I64, kinds: tuple[int, int]) -> None:
    """The type of ICMP messages tells who asks for an echo; they are payload as a whole."""
    if not len(rows):
        return
    packets = table.packets
    at, end = of(packets.payload, rows), of(packets.payload_end, rows)
    header, fits = gather(table.buffer, at, end, ICMP_HEADER)
    for kind, flag in zip(kinds, (ECHO, ECHOED), strict=True):
        mine = rows[fits & (header["type"] == kind)]
        put(packets.flags, mine, np.full(len(mine), flag, np.uint8))


def sctp(table: Table, rows: I64) -> None:
    """The common header of SCTP (RFC 9260 3.1)."""
    if not len(rows):
        return
    header, rows, _ = table.read(rows, SCTP_HEADER)
    put(table.packets.source_port, rows, header["source"])
    put(table.packets.target_port, rows, header["target"])
    table.skip(rows, SCTP_HEADER.itemsize)
