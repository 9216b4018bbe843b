"""Frames in hex, one for each way to wrap a packet, and batches made of frames."""

from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from otsec.columns import Bytes
from otsec.model import ECHO, ECHOED, Kind, PacketBatch, Packets, Problem, place_text

ETHERNET, RAW = 1, 101
GUARD = b"\xa5" * 64  # stands around frames in a buffer: read by none, or a test fails

MACS = "020000000002 020000000001"  # target, source
INNER_MACS = "02000000000b 02000000000a"
IPV4 = "4500 {} 0001 0000 40 {} 0000 0a000001 0a000002"  # total length, protocol
UDP = "03e8 07d0 000d 0000 6f74736563"  # 1000 to 2000, "otsec"
IPV4_UDP = f"{IPV4.format('0021', '11')} {UDP}"
TCP = "0102 0304 11223344 55667788 8018 2000 0000 0000 0101080a0000000100000002 6f74736563"
IPV6_ADDRESSES = "fd000000000000000000000000000001 fd000000000000000000000000000002"
OUTER = "4500 {} 0002 0000 3f {} 0000 c0a80001 c0a80002"
BPDU = "4242 03 0000 00 00 00"
INNER_FRAME = f"{INNER_MACS} 0800 {IPV4_UDP}"  # 47 bytes


def batch_of(
    frames: list[bytes],
    link: int = ETHERNET,
    times: list[int] | None = None,
    wires: list[int] | None = None,
) -> PacketBatch:
    """A batch whose frames lie between guards."""
    pieces, offsets, at = [GUARD], [], len(GUARD)
    for frame in frames:
        offsets.append(at)
        pieces += [frame, GUARD]
        at += len(frame) + len(GUARD)
    return PacketBatch(
        interface=0,
        link=link,
        buffer=np.frombuffer(b"".join(pieces), np.uint8),
        offset=np.array(offsets, np.int64),
        captured=np.array([len(frame) for frame in frames], np.int64),
        wire=np.array(wires or [len(frame) for frame in frames], np.int64),
        time=np.array(times or [0] * len(frames), np.int64),
    )


def cut_batch(batch: PacketBatch, first: int, last: int) -> PacketBatch:
    """Some packets of a batch, in a buffer of their own."""
    rows = slice(first, last)
    return PacketBatch(
        batch.interface,
        batch.link,
        batch.buffer,
        batch.offset[rows],
        batch.captured[rows],
        batch.wire[rows],
        batch.time[rows],
    )


def row_text(packets: Packets, row: int, start: int) -> str:
    """A whole row as people write it, without what is 0; offsets count from ``start``.

    Kind, protocol, addresses and ports; hop limit, MAC addresses, place; offset of the IP header;
    the payload as offset, end of what is captured, bytes on the wire; TCP; the problem.
    """
    raw = {field.name: int(getattr(packets, field.name)[row]) for field in fields(packets)}
    kind, problem = Kind(raw["kind"]), Problem(raw["problem"])
    source = address_text(kind, raw["source_hi"], raw["source_lo"])
    target = address_text(kind, raw["target_hi"], raw["target_lo"])
    if raw["source_port"] or raw["target_port"]:
        source, target = f"{source} {raw['source_port']}", f"{target} {raw['target_port']}"
    words = [f"{kind.name} {raw['protocol']:#x} {source} > {target}"]
    words += [f"ttl {raw['ttl']}"] if raw["ttl"] else []
    if raw["mac_source"] or raw["mac_target"]:
        words.append(f"mac {raw['mac_source']:012x} > {raw['mac_target']:012x}")
    words += [f"place {place_text(raw['place'])}"] if raw["place"] else []
    words += [f"ip {raw['network'] - start}"] if raw["network"] >= 0 else []
    span = f"{raw['payload'] - start}-{raw['payload_end'] - start}"
    words.append(f"payload {span} of {raw['payload_wire']}")
    if raw["seq"] or raw["ack"] or raw["flags"] & ~(ECHO | ECHOED):
        words.append(f"tcp {raw['seq']:08x} {raw['ack']:08x} {raw['flags']:02x}")
    words += [problem.name] if problem else []
    return ", ".join(words)


def address_text(kind: Kind, high: int, low: int) -> str:
    """An address as people write it."""
    if kind == Kind.IPV4:
        assert (high, low >> 32) == (0, 0xFFFF)
        return str(IPv4Address(low & 0xFFFFFFFF))
    if kind == Kind.IPV6:
        return str(IPv6Address(high << 64 | low))
    assert high == 0
    return f"{low:012x}"


def buffer_of(datagrams: list[bytes]) -> Bytes:
    """Datagrams one behind the other."""
    return np.frombuffer(b"".join(datagrams), np.uint8)


E4 = f"{MACS} 0800"
# name: link type, frame, and what it says
FRAMES: dict[str, tuple[int, str, str]] = {
    "udp, padded": (
        1,
        f"{E4} {IPV4_UDP} {'00' * 13}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 42-47 of 5",
    ),
    "tcp with options": (
        1,
        f"{E4} {IPV4.format('0039', '06')} {TCP}",
        "IPV4 0x6 10.0.0.1 258 > 10.0.0.2 772, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 66-71 of 5, tcp 11223344 55667788 18",
    ),
    "ipv4 with options": (
        1,
        f"{E4} 4600 0025 0001 0000 40 11 0000 0a000001 0a000002 94040000 {UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 46-51 of 5",
    ),
    "ipv4, length 0": (
        1,
        f"{E4} {IPV4.format('0000', '11')} 03e8 07d0 0000 0000 6f74736563",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 42-47 of 5",
    ),
    "icmp": (
        1,
        f"{E4} {IPV4.format('001c', '01')} 0800 f7ff 0000 0000 {'00' * 18}",
        "IPV4 0x1 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 34-42 of 8",
    ),
    "sctp": (
        1,
        f"{E4} {IPV4.format('0024', '84')} 0b59 0b5a 00000001 00000000 0e000004",
        "IPV4 0x84 10.0.0.1 2905 > 10.0.0.2 2906, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 46-50 of 4",
    ),
    "goose": (
        1,
        "010ccd010001 020000000001 88b8 0001 000a 0000 0000 6180",
        "MAC 0x88b8 020000000001 > 010ccd010001, mac 020000000001 > 010ccd010001, payload 14-24 of 10",
    ),
    "arp": (
        1,
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
        "MAC 0x806 020000000001 > ffffffffffff, mac 020000000001 > ffffffffffff, payload 14-42 of 28",
    ),
    "vlan": (
        1,
        f"{MACS} 8100 000a 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, place 10, ip 18, payload 46-51 of 5",
    ),
    "priority tag": (
        1,
        f"{MACS} 8100 e000 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 18, payload 46-51 of 5",
    ),
    "qinq": (
        1,
        f"{MACS} 88a8 0064 8100 000a 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, place 100.10, ip 22, payload 50-55 of 5",
    ),
    "qinq of old": (
        1,
        f"{MACS} 9100 0064 8100 000a 88b8 0001 0008 0000 0000",
        "MAC 0x88b8 020000000001 > 020000000002, mac 020000000001 > 020000000002, place 100.10, payload 22-30 of 8",
    ),
    "three tags": (
        1,
        f"{MACS} 88a8 0001 88a8 0002 8100 0003 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, place 2.3, ip 26, payload 54-59 of 5",
    ),
    "llc": (
        1,
        f"0180c2000000 020000000001 0008 {BPDU} {'00' * 38}",
        "MAC 0x4242 020000000001 > 0180c2000000, mac 020000000001 > 0180c2000000, payload 17-22 of 5",
    ),
    "llc, information frame": (
        1,
        f"{MACS} 0006 f0f1 0204 aabb {'00' * 40}",
        "MAC 0xf0f1 020000000001 > 020000000002, mac 020000000001 > 020000000002, payload 18-20 of 2",
    ),
    "snap, ethertype": (
        1,
        f"{MACS} 0029 aaaa 03 000000 0800 {IPV4_UDP} 0000",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 22, payload 50-55 of 5",
    ),
    "snap, vendor": (
        1,
        "01000ccccccc 020000000001 000c aaaa 03 00000c 2000 02b40000",
        "MAC 0xaaaa 020000000001 > 01000ccccccc, mac 020000000001 > 01000ccccccc, payload 17-26 of 9",
    ),
    "vlan, llc": (
        1,
        f"{MACS} 8100 000a 0008 {BPDU}",
        "MAC 0x4242 020000000001 > 020000000002, mac 020000000001 > 020000000002, place 10, payload 21-26 of 5",
    ),
    "hsr": (
        1,
        f"{MACS} 892f 0027 0001 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 20, payload 48-53 of 5",
    ),
    "hsr in vlan": (
        1,
        f"{MACS} 8100 000a 892f 0010 0002 88b8 0001 0008 0000 0000",
        "MAC 0x88b8 020000000001 > 020000000002, mac 020000000001 > 020000000002, place 10, payload 24-32 of 8",
    ),
    "prp": (
        1,
        "010ccd010001 020000000001 88b8 0001 0008 0000 0000 1234 a00e 88fb",
        "MAC 0x88b8 020000000001 > 010ccd010001, mac 020000000001 > 010ccd010001, payload 14-22 of 8",
    ),
    "prp in vlan": (
        1,
        "010ccd010001 020000000001 8100 000a 88b8 0001 0008 0000 0000 1234 b00e 88fb",
        "MAC 0x88b8 020000000001 > 010ccd010001, mac 020000000001 > 010ccd010001, place 10, payload 18-26 of 8",
    ),
    "no prp, size differs": (
        1,
        "010ccd010001 020000000001 88b8 0001 0008 0000 0000 1234 a00f 88fb",
        "MAC 0x88b8 020000000001 > 010ccd010001, mac 020000000001 > 010ccd010001, payload 14-28 of 14",
    ),
    "pppoe": (
        1,
        f"{MACS} 8864 1100 0001 0023 0021 {IPV4_UDP} 0000",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 22, payload 50-55 of 5",
    ),
    "pppoe, lcp": (
        1,
        f"{MACS} 8864 1100 0001 0006 c021 09000004 {'00' * 34}",
        "MAC 0x8864 020000000001 > 020000000002, mac 020000000001 > 020000000002, payload 22-26 of 4",
    ),
    "linux cooked": (
        113,
        f"0000 0001 0006 0200000000010000 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 000000000000, ip 16, payload 44-49 of 5",
    ),
    "linux cooked, no address": (
        113,
        f"0004 fffe 0000 0000000000000000 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 16, payload 44-49 of 5",
    ),
    "linux cooked, arp": (
        113,
        "0001 0001 0006 0200000000010000 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
        "MAC 0x806 020000000001 > 000000000000, mac 020000000001 > 000000000000, payload 16-44 of 28",
    ),
    "linux cooked, llc": (
        113,
        f"0002 0001 0006 0200000000010000 0004 {BPDU}",
        "MAC 0x4242 020000000001 > 000000000000, mac 020000000001 > 000000000000, payload 19-24 of 5",
    ),
    "linux cooked v2": (
        276,
        f"0800 0000 00000002 0001 00 06 0200000000010000 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 000000000000, ip 20, payload 48-53 of 5",
    ),
    "raw ip": (
        101,
        IPV4_UDP,
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 0, payload 28-33 of 5",
    ),
    "raw ip, dlt 12": (
        12,
        IPV4_UDP,
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 0, payload 28-33 of 5",
    ),
    "raw ip, dlt 14": (
        14,
        IPV4_UDP,
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 0, payload 28-33 of 5",
    ),
    "raw ipv4": (
        228,
        IPV4_UDP,
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 0, payload 28-33 of 5",
    ),
    "raw ipv6": (
        229,
        f"60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, ip 0, payload 48-53 of 5",
    ),
    "null, little": (
        0,
        f"02000000 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 4, payload 32-37 of 5",
    ),
    "null, big": (
        0,
        f"00000002 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 4, payload 32-37 of 5",
    ),
    "null, ipv6": (
        0,
        f"1e000000 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, ip 4, payload 52-57 of 5",
    ),
    "loop": (
        108,
        f"00000018 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, ip 4, payload 52-57 of 5",
    ),
    "ppp": (
        9,
        f"ff03 0021 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 4, payload 32-37 of 5",
    ),
    "ppp, compressed": (
        9,
        f"21 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 1, payload 29-34 of 5",
    ),
    "ppp, ipv6": (
        9,
        f"0057 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, ip 2, payload 50-55 of 5",
    ),
    "ppp, lcp": (
        9,
        "ff03 c021 01000004",
        "NONE 0xc021 000000000000 > 000000000000, payload 4-8 of 4",
    ),
    "hdlc, ppp": (
        50,
        f"ff03 0021 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 4, payload 32-37 of 5",
    ),
    "hdlc, cisco": (
        50,
        f"0f00 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 4, payload 32-37 of 5",
    ),
    "pppoe without ethernet": (
        51,
        f"1100 0001 0023 0021 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, ip 8, payload 36-41 of 5",
    ),
    "ipv6": (
        1,
        f"{MACS} 86dd 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP} 0000",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 62-67 of 5",
    ),
    "ipv6, extensions": (
        1,
        (
            f"{MACS} 86dd 60000000 0035 00 40 {IPV6_ADDRESSES}"
            " 2b00 0502 0000 0100 3c02 0400 00000000 fd000000000000000000000000000003"
            f" 1100 0104 00000000 {UDP}"
        ),
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 102-107 of 5",
    ),
    "ipv6, authentication": (
        1,
        (
            f"{MACS} 86dd 60000000 0025 33 40 {IPV6_ADDRESSES}"
            f" 1104 0000 00000001 00000001 000000000000000000000000 {UDP}"
        ),
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 86-91 of 5",
    ),
    "ipv6, nothing follows": (
        1,
        f"{MACS} 86dd 60000000 0000 3b 40 {IPV6_ADDRESSES} 0000",
        "IPV6 0x3b fd00::1 > fd00::2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 54-54 of 0",
    ),
    "ipv6, atomic fragment": (
        1,
        f"{MACS} 86dd 60000000 0015 2c 40 {IPV6_ADDRESSES} 1100 0000 00000007 {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 70-75 of 5",
    ),
    "ipv6, fragment": (
        1,
        f"{MACS} 86dd 60000000 0010 2c 40 {IPV6_ADDRESSES} 1100 0001 00000007 03e8 07d0 000d 0000",
        "IPV6 0x11 fd00::1 > fd00::2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 62-70 of 8, FRAGMENT",
    ),
    "ipv4, first fragment": (
        1,
        f"{E4} 4500 001c 0001 2000 40 11 0000 0a000001 0a000002 03e8 07d0 000d 0000",
        "IPV4 0x11 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 34-42 of 8, FRAGMENT",
    ),
    "ipv4, last fragment": (
        1,
        f"{E4} 4500 0019 0001 0001 40 11 0000 0a000001 0a000002 6f74736563",
        "IPV4 0x11 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 34-39 of 5, FRAGMENT",
    ),
    "gre": (
        1,
        f"{E4} {OUTER.format('0039', '2f')} 0000 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 38, payload 66-71 of 5",
    ),
    "gre with all fields": (
        1,
        (
            f"{MACS} 8100 0005 0800 {OUTER.format('0045', '2f')}"
            f" b000 0800 0000 0000 0000002a 00000001 {IPV4_UDP}"
        ),
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, place 5, ip 54, payload 82-87 of 5",
    ),
    "gre of version 1": (
        1,
        f"{E4} {OUTER.format('0020', '2f')} 2001 880b 0000 0001",
        "IPV4 0x2f 192.168.0.1 > 192.168.0.2, ttl 63, mac 020000000001 > 020000000002, ip 14, payload 34-42 of 8",
    ),
    "gre, ipv6": (
        1,
        f"{E4} {OUTER.format('004d', '2f')} 0000 86dd 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 38, payload 86-91 of 5",
    ),
    "gre over ipv6": (
        1,
        f"{MACS} 86dd 60000000 0025 2f 40 {IPV6_ADDRESSES} 0000 0800 {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 58, payload 86-91 of 5",
    ),
    "gre, ethernet": (
        1,
        f"{E4} {OUTER.format('0047', '2f')} 0000 6558 {INNER_FRAME}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, ip 52, payload 80-85 of 5",
    ),
    "nvgre": (
        1,
        f"{E4} {OUTER.format('004b', '2f')} 2000 6558 00138801 {INNER_FRAME}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, place vni 5000, ip 56, payload 84-89 of 5",
    ),
    "vxlan": (
        1,
        (
            f"{MACS} 8100 0005 0800 {OUTER.format('0057', '11')} c000 12b5 0043 0000"
            f" 08000000 00138800 {INNER_MACS} 8100 0007 0800 {IPV4_UDP}"
        ),
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, place vni 5000 7, ip 72, payload 100-105 of 5",
    ),
    "vxlan, goose": (
        1,
        (
            f"{E4} {OUTER.format('003a', '11')} c000 12b5 0026 0000 08000000 00000100"
            f" 010ccd010001 02000000000a 88b8 0001 0008 0000 0000"
        ),
        "MAC 0x88b8 02000000000a > 010ccd010001, mac 02000000000a > 010ccd010001, place vni 1, payload 64-72 of 8",
    ),
    "vxlan port, no vxlan": (
        1,
        f"{E4} {OUTER.format('0034', '11')} c000 12b5 0020 0000 {'00' * 24}",
        "IPV4 0x11 192.168.0.1 49152 > 192.168.0.2 4789, ttl 63, mac 020000000001 > 020000000002, ip 14, payload 42-66 of 24",
    ),
    "erspan 1": (
        1,
        f"{MACS} 8100 0005 0800 {OUTER.format('0047', '2f')} 0000 88be {INNER_FRAME}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, ip 56, payload 84-89 of 5",
    ),
    "erspan 2": (
        1,
        f"{E4} {OUTER.format('0053', '2f')} 1000 88be 00000001 1007 1001 00000000 {INNER_FRAME}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, place 7, ip 64, payload 92-97 of 5",
    ),
    "erspan 2, untagged": (
        1,
        f"{E4} {OUTER.format('0053', '2f')} 1000 88be 00000001 1007 0001 00000000 {INNER_FRAME}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, ip 64, payload 92-97 of 5",
    ),
    "erspan 3": (
        1,
        (
            f"{E4} {OUTER.format('0057', '2f')} 1000 22eb 00000001 2007 0001 00000000 0000 0000"
            f" {INNER_FRAME}"
        ),
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, place 7, ip 68, payload 96-101 of 5",
    ),
    "erspan 3, platform, tag inside": (
        1,
        (
            f"{E4} {OUTER.format('0063', '2f')} 1000 22eb 00000001 2007 0001 00000000 0000 0001"
            f" 0000000000000000 {INNER_MACS} 8100 0008 0800 {IPV4_UDP}"
        ),
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 02000000000a > 02000000000b, place 8, ip 80, payload 108-113 of 5",
    ),
    "erspan 3, datagram": (
        1,
        (
            f"{E4} {OUTER.format('0049', '2f')} 1000 22eb 00000001 2000 0001 00000000 0000 0800"
            f" {IPV4_UDP}"
        ),
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 54, payload 82-87 of 5",
    ),
    "ip in ip": (
        1,
        f"{E4} {OUTER.format('0035', '04')} {IPV4_UDP}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 34, payload 62-67 of 5",
    ),
    "ipv6 in ip": (
        1,
        f"{E4} {OUTER.format('0049', '29')} 60000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 020000000001 > 020000000002, ip 34, payload 82-87 of 5",
    ),
    "five tags": (
        1,
        f"{MACS} {'8100 0001 ' * 5} 0800 {IPV4_UDP}",
        "MAC 0x8100 020000000001 > 020000000002, mac 020000000001 > 020000000002, place 1.1, payload 30-67 of 37, TOO_DEEP",
    ),
    "nine extensions": (
        1,
        (
            f"{MACS} 86dd 60000000 0055 3c 40 {IPV6_ADDRESSES} {'3c00 010400000000 ' * 8}"
            f" 1100 010400000000 {UDP}"
        ),
        "IPV6 0x3c fd00::1 > fd00::2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 118-139 of 21, TOO_DEEP",
    ),
    "five tunnels": (
        1,
        (
            f"{E4} {OUTER.format('0085', '04')} {OUTER.format('0071', '04')} {OUTER.format('005d', '04')}"
            f" {OUTER.format('0049', '04')} {OUTER.format('0035', '04')} {IPV4_UDP}"
        ),
        "IPV4 0x4 192.168.0.1 > 192.168.0.2, ttl 63, mac 020000000001 > 020000000002, ip 94, payload 114-147 of 33, TOO_DEEP",
    ),
    "ipv4, ihl 4": (
        1,
        f"{E4} 4400 0021 0001 0000 40 11 0000 0a000001 0a000002 {UDP}",
        "IPV4 0x11 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 14-47 of 33, MALFORMED",
    ),
    "ipv4, shorter than its header": (
        1,
        f"{E4} 4600 0016 0001 0000 40 11 0000 0a000001 0a000002 94040000 {UDP}",
        "IPV4 0x11 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 14-36 of 22, MALFORMED",
    ),
    "ipv4, version 6": (
        1,
        f"{E4} 65{IPV4_UDP[2:]}",
        "MAC 0x800 020000000001 > 020000000002, mac 020000000001 > 020000000002, payload 14-47 of 33, MALFORMED",
    ),
    "ipv6, version 4": (
        1,
        f"{MACS} 86dd 40000000 000d 11 40 {IPV6_ADDRESSES} {UDP}",
        "MAC 0x86dd 020000000001 > 020000000002, mac 020000000001 > 020000000002, payload 14-67 of 53, MALFORMED",
    ),
    "raw ip, version 5": (
        101,
        f"55{IPV4_UDP[2:]}",
        "NONE 0x0 000000000000 > 000000000000, payload 0-33 of 33, MALFORMED",
    ),
    "tcp, offset 4": (
        1,
        f"{E4} {IPV4.format('0039', '06')} {TCP.replace('8018', '4018')}",
        "IPV4 0x6 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 34-71 of 37, MALFORMED",
    ),
    "tcp, offset beyond": (
        1,
        f"{E4} {IPV4.format('0039', '06')} {TCP.replace('8018', 'f018')}",
        "IPV4 0x6 10.0.0.1 > 10.0.0.2, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 34-71 of 37, MALFORMED",
    ),
    "udp beyond its datagram": (
        1,
        f"{E4} {IPV4.format('0021', '11')} {UDP.replace('000d', '0fff')}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 42-47 of 5",
    ),
    "udp shorter than its datagram": (
        1,
        f"{E4} {IPV4.format('0021', '11')} {UDP.replace('000d', '000a')}",
        "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002, ip 14, payload 42-44 of 2",
    ),
    "llc, length 0": (
        1,
        "00" * 60,
        "MAC 0x0 000000000000 > 000000000000, payload 14-14 of 0, MALFORMED",
    ),
    "unknown link": (
        227,
        "00000001 03000000 010203",
        "NONE 0x0 000000000000 > 000000000000, payload 0-11 of 11, UNKNOWN_LINK",
    ),
}


def frame(name: str) -> bytes:
    """The bytes of a frame."""
    return bytes.fromhex(FRAMES[name][1])
