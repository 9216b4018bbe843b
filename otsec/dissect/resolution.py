"""ARP: who says that he has, or asks for, which IPv4 address.

Source: RFC 826.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, gather
from otsec.dissect.link import ARP
from otsec.model import IPV4_MAPPED, Kind, Packets

ETHERNET_IPV4 = (1, 0x0800, 0x0604)  # hardware, protocol, the sizes of their addresses

ARP_HEADER = np.dtype(
    {
        "names": ["hardware", "protocol", "sizes", "operation", "mac", "sender", "target"],
        "formats": [">u2", ">u2", ">u2", ">u2", ">u8", ">u4", ">u4"],
        "offsets": [0, 2, 4, 6, 8, 14, 24],  # the sender's MAC and two bytes of its IP address
        "itemsize": 28,
    }
)


@dataclass(frozen=True, slots=True)
class ArpColumns:
    """ARP messages for IPv4 over Ethernet, in packet order, columns of equal length."""

    row: I64  # position in the packets asked about
    operation: Ints  # u2: 1 request, 2 reply
    sender_mac: U64
    sender_ip: U64  # as in Packets.source_lo; 0.0.0.0 in a probe (RFC 5227)
    target_ip: U64


def arp(buffer: Bytes, packets: Packets) -> ArpColumns:
    """The ARP messages among the packets; what is cut or not of IPv4 over Ethernet is left out."""
    row = np.flatnonzero((packets.protocol == ARP) & (packets.kind == Kind.MAC))
    header, fits = gather(buffer, packets.payload[row], packets.payload_end[row], ARP_HEADER)
    for name, value in zip(("hardware", "protocol", "sizes"), ETHERNET_IPV4, strict=True):
        fits &= header[name] == value
    header = header[fits]
    return ArpColumns(
        row=row[fits],
        operation=header["operation"].astype(np.uint16),
        sender_mac=header["mac"] >> np.uint64(16),
        sender_ip=header["sender"] | np.uint64(IPV4_MAPPED),
        target_ip=header["target"] | np.uint64(IPV4_MAPPED),
    )
