"""Addresses and services as canonical text."""

import ipaddress
from functools import lru_cache
from socket import AF_INET6, inet_ntop

import numpy as np

from otsec.columns import U64, Mask
from otsec.model import IPV4_MAPPED, TCP, UDP, Kind, ip_text

SERVICES = {
    1: "icmp",
    2: "igmp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmp6",
    89: "ospf",
    112: "vrrp",
}


MAC_COLONS = 5  # an address of IPv6 has seven, or two that stand together


def mac_text(mac: int) -> str:
    """A MAC address as ``00:11:22:33:44:55``."""
    return mac.to_bytes(6, "big").hex(":")


def mac_number(text: str) -> int:
    """The MAC address that `mac_text` writes so."""
    return int(text.replace(":", ""), 16)


@lru_cache(maxsize=65_536)  # the same few thousand addresses are asked for all the time
def address_text(kind: int, high: int, low: int) -> str:
    """An address of a kind (`model.Kind`) as text."""
    if kind == Kind.MAC:
        return mac_text(low & 0xFFFF_FFFF_FFFF)
    if kind == Kind.IPV4:
        return ".".join(map(str, (low & 0xFFFF_FFFF).to_bytes(4, "big")))
    number = high << 64 | low
    if not high:  # of these systems write some as those of IPv4
        return ip_text(ipaddress.IPv6Address(number))
    return inet_ntop(AF_INET6, number.to_bytes(16, "big"))  # ten times as fast


def address_words(text: str) -> tuple[int, int, int]:
    """Kind and words of the address that `address_text` writes so."""
    if text.count(":") == MAC_COLONS and "::" not in text:
        return Kind.MAC, 0, mac_number(text)
    if ":" not in text:
        return Kind.IPV4, 0, IPV4_MAPPED | int(ipaddress.IPv4Address(text))
    number = int(ipaddress.IPv6Address(text))
    return Kind.IPV6, number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def service_text(kind: int, protocol: int, port: int) -> str:
    """``tcp/502``, ``icmp``, ``ip/99``, or the ethertype ``0x88b8``; port -1: several."""
    if kind == Kind.MAC:
        return f"0x{protocol:04x}"
    if protocol in (TCP, UDP):
        name = "tcp" if protocol == TCP else "udp"
        return f"{name}/{port if port >= 0 else 'many'}"
    return SERVICES.get(protocol, f"ip/{protocol}")


def is_group(kind: U64, high: U64, low: U64) -> Mask:
    """Whether each address is a multicast or broadcast one."""
    by_kind = (
        (kind == Kind.MAC) & (low >> np.uint64(40) & np.uint64(1) != 0),
        (kind == Kind.IPV4) & (low & np.uint64(0xF000_0000) == 0xE000_0000),
        (kind == Kind.IPV4) & (low & np.uint64(0xFFFF_FFFF) == 0xFFFF_FFFF),
        (kind == Kind.IPV6) & (high >> np.uint64(56) == 0xFF),
    )
    return np.asarray(np.logical_or.reduce(by_kind), np.bool_)
