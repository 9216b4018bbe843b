"""Writes a capture of CDP and its siblings DTP, VTP, UDLD and PVST+ of one switch.

    python generate.py

The bytes are set from Cisco's public descriptions of the packet formats.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

GROUP = bytes.fromhex("01000ccccccc")
SHARED_TREE = bytes.fromhex("01000ccccccd")
SWITCH = Host("switch", "00:1b:0d:10:00:01", "192.168.50.3")


def check_sum(data: bytes) -> int:
    """As of IP; these have even sizes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tlv(kind: int, content: bytes) -> bytes:
    """One TLV, its head counted."""
    return struct.pack(">HH", kind, 4 + len(content)) + content


def addresses(host: Host) -> bytes:
    """One address of IPv4."""
    return struct.pack(">IBB", 1, 1, 1) + b"\xcc" + struct.pack(">H", 4) + host.packed


def announce() -> bytes:
    """Version 2, holds three minutes."""
    body = b"".join((
        tlv(1, b"core-1"),
        tlv(2, addresses(SWITCH)),
        tlv(3, b"GigabitEthernet0/1"),
        tlv(4, struct.pack(">I", 0x28)),
        tlv(5, b"Cisco IOS Software, IE3000 Software (IE3000-IPSERVICESK9-M), Version 15.2(4)EA5,"
               b" RELEASE SOFTWARE (fc1)"),
        tlv(6, b"cisco IE-3000-8TC"),
        tlv(9, b"PLANT1"),
        tlv(10, struct.pack(">H", 50)),
        tlv(11, b"\1"),
        tlv(22, addresses(SWITCH)),
    ))  # fmt: skip
    body += b"" if len(body) % 2 == 0 else tlv(20, b"core1")
    return struct.pack(">BBH", 2, 180, check_sum(b"\2\xb4\0\0" + body)) + body


def dtp() -> bytes:
    """Trunking: domain, status, type, neighbour."""
    return b"\1" + b"".join(
        (tlv(1, b"PLANT1\0"), tlv(2, b"\x81"), tlv(3, b"\xa5"), tlv(4, SWITCH.hardware))
    )


def vtp() -> bytes:
    """A summary of VLANs."""
    front = struct.pack(">BBBB", 1, 1, 0, 6) + b"PLANT1".ljust(32, b"\0")
    return front + struct.pack(">I", 7) + SWITCH.packed + b"260105080000" + bytes(16)


def udld() -> bytes:
    """A probe: who I am, by which port."""
    body = tlv(1, b"core-1\0\0") + tlv(2, b"Gi0/1\0") + tlv(5, b"\x0f")
    body += tlv(6, b"core-1") + tlv(7, struct.pack(">I", 1))
    padded = body + b"\0" * (len(body) % 2)
    return struct.pack(">BBH", 0x21, 1, check_sum(b"\x21\1\0\0" + padded)) + body


def tree() -> bytes:
    """A configuration message of the spanning tree of VLAN 50."""
    bridge = struct.pack(">H", 0x8032) + SWITCH.hardware
    times = struct.pack(">HHHHH", 0x8001, 0, 20 << 8, 2 << 8, 15 << 8)
    message = struct.pack(">HBBB", 0, 0, 0, 0) + bridge + bytes(4) + bridge + times
    return message + b"\0" + struct.pack(">HHH", 0, 2, 50)


def main() -> None:
    """Write the capture."""
    tape = Tape()
    kinds = (
        (0x2000, announce(), GROUP), (0x2004, dtp(), GROUP), (0x2003, vtp(), GROUP),
        (0x0111, udld(), GROUP), (0x010B, tree(), SHARED_TREE),
    )  # fmt: skip
    for at in range(3):
        for number, (pid, body, group) in enumerate(kinds):
            content = b"\xaa\xaa\3\0\0\x0c" + struct.pack(">H", pid) + body
            time = START + at * 60 * SECOND + number * SECOND
            tape.frame(time, SWITCH, group, len(content), content)
    tape.write(HERE / "switch.pcap")


if __name__ == "__main__":
    main()
