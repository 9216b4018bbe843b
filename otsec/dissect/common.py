"""The common case in one step: Ethernet, IPv4 without options, TCP or UDP, nothing unusual.

A guess in columns: all frames are read as if they were of this kind, and those that prove to be
are done. All others are left to the layers as if nothing had happened; for the common ones those
would say the same, only slower (a test compares).
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Ints, Mask, gather
from otsec.dissect.link import IPV4
from otsec.dissect.network import MORE_OR_OFFSET
from otsec.dissect.table import Table
from otsec.dissect.transport import VXLAN_PORT
from otsec.model import IPV4_MAPPED, TCP, UDP, Kind, Packets

# The first 48 bytes as six words: fields are cut out of them by shifts, which takes a fraction of
# reading each by itself. What lies in each, from the most significant bit:
FRAME = np.dtype(
    [
        ("link", ">u8"),  # target address 48, upper source address 16
        ("kind", ">u8"),  # lower source address 32, type 16, version and IHL 8, service 8
        ("datagram", ">u8"),  # total length 16, id 16, flags and offset 16, TTL 8, protocol 8
        ("source", ">u8"),  # check sum 16, source 32, upper target 16
        ("ports", ">u8"),  # lower target 16, ports 16 and 16, upper seq 16 (UDP: length 16)
        ("stream", ">u8"),  # lower seq 16, ack 32, offset 4, reserved 4, flags 8
    ]
)
PLAIN_IPV4 = IPV4 << 16 | 0x45 << 8  # of `kind`
FRONT = 14  # bytes of Ethernet in front of IP
IP_SIZE, UDP_SIZE, TCP_LEAST = 20, 8, 20
LONGEST = 1 << 16  # bytes, more than any datagram has


@dataclass(slots=True)
class _Words:
    """The words of all frames (u8), in the byte order of the machine."""

    link: Ints
    kind: Ints
    datagram: Ints
    source: Ints
    ports: Ints
    stream: Ints


def read_common(table: Table) -> I64:
    """Read the frames of the common kind; gives the rows that are left."""
    packets = table.packets
    header, fits = gather(table.buffer, packets.payload, packets.payload_end, FRAME)
    words = _Words(*(header[name].astype(np.uint64) for name in FRAME.names or ()))
    protocol = words.datagram & 0xFF
    tcp = protocol == TCP
    plain: Mask = (
        fits
        & (words.kind & 0xFFFFFF00 == PLAIN_IPV4)
        & (words.datagram & MORE_OR_OFFSET << 16 == 0)
        & (tcp | ((protocol == UDP) & (words.ports >> 16 & 0xFFFF != VXLAN_PORT)))
    )
    if 2 * int(plain.sum()) < len(plain):  # not worth it: tagged, tunnelled, layer 2
        return np.arange(len(plain))
    only_tcp = -tcp.astype(np.uint64)  # all bits, or none
    words.stream &= only_tcp
    length = (words.ports & 0xFFFF | only_tcp & LONGEST).view(np.int64)  # of UDP
    size = np.where(tcp, words.stream >> 10 & 0x3C, UDP_SIZE).view(np.int64)
    network = packets.payload + FRONT
    payload = network + IP_SIZE + size
    stop = network + np.minimum((words.datagram >> 48).view(np.int64), length + IP_SIZE)
    end = np.minimum(packets.payload_end, stop)
    plain &= (payload <= end) & (length >= UDP_SIZE) & (~tcp | (size >= TCP_LEAST))
    left = np.flatnonzero(~plain)
    for column, fresh in (
        (network, packets.network),
        (payload, packets.payload),
        (end, packets.payload_end),
        (stop, table.wire_end),
    ):
        column[left] = fresh[left]
    packets.network, packets.payload, packets.payload_end = network, payload, end
    table.wire_end = np.minimum(table.wire_end, stop)
    words.ports &= only_tcp | ~np.uint64(0xFFFF)  # the length of UDP is no sequence number
    _fill(packets, words, left)
    return left


def _fill(packets: Packets, words: _Words, left: I64) -> None:
    """Cut the columns out of the words; in the rows that are left they stay zero."""
    for word in (words.link, words.kind, words.datagram, words.source, words.ports, words.stream):
        word[left] = 0
    packets.kind[:] = Kind.IPV4
    packets.source_lo = _unsigned(words.source >> 16 & 0xFFFFFFFF | IPV4_MAPPED)
    target = (words.source & 0xFFFF) << 16 | words.ports >> 48
    packets.target_lo = _unsigned(target | IPV4_MAPPED)
    for column in (packets.kind, packets.source_lo, packets.target_lo):
        column[left] = 0
    packets.mac_target = _unsigned(words.link >> 16)
    packets.mac_source = _unsigned((words.link & 0xFFFF) << 32 | words.kind >> 32)
    packets.protocol = (words.datagram & 0xFF).astype(np.uint16)
    packets.ttl = (words.datagram >> 8).astype(np.uint8)
    packets.source_port = (words.ports >> 32).astype(np.uint16)
    packets.target_port = (words.ports >> 16).astype(np.uint16)
    packets.seq = ((words.ports & 0xFFFF) << 16 | words.stream >> 48).view(np.int64)
    packets.ack = (words.stream >> 16 & 0xFFFFFFFF).view(np.int64)
    packets.flags = words.stream.astype(np.uint8)


def _unsigned(column: Ints) -> U64:
    return np.asarray(column, np.uint64)
