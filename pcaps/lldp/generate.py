"""Writes a capture of LLDP: a switch, a telephone's inventory, a PROFINET station, a goodbye.

    python generate.py

The bytes are set from IEEE 802.1AB-2016, 8 and annex D and E, ANSI/TIA-1057 10 and IEC 61158-6-10.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

ETHERTYPE = 0x88CC
GROUP = bytes.fromhex("0180c200000e")
SWITCH = Host("switch", "00:07:7c:10:00:01", "192.168.50.2")
CAMERA = Host("camera", "00:40:8c:10:00:02", "192.168.50.40")
STATION = Host("station", "00:0e:8c:10:00:03", "192.168.50.30")


def tlv(kind: int, content: bytes) -> bytes:
    """One TLV, 8.4."""
    return struct.pack(">H", kind << 9 | len(content)) + content


def named(oui: str, kind: int, content: bytes) -> bytes:
    """A TLV of an organisation, 8.6."""
    return tlv(127, bytes.fromhex(oui) + bytes([kind]) + content)


def managed(host: Host, interface: int, oid: bytes = b"") -> bytes:
    """A management address, 8.5.9."""
    return tlv(8, b"\5\1" + host.packed + struct.pack(">BIB", 2, interface, len(oid)) + oid)


def front(chassis: bytes, port: bytes, seconds: int = 120) -> bytes:
    """What must be there."""
    return tlv(1, chassis) + tlv(2, port) + tlv(3, struct.pack(">H", seconds))


def switch(port: int) -> bytes:
    """A switch with all optional TLVs of the standard."""
    return b"".join((
        front(b"\4" + SWITCH.hardware, b"\5" + f"ethX{port}".encode()),
        tlv(4, f"10/100TX Eth {port}".encode()),
        tlv(5, b"cell-4"),
        tlv(6, b"RedFox WeOS v4.33.2"),
        tlv(7, struct.pack(">HH", 0x14, 0x04)),
        managed(SWITCH, port, bytes.fromhex("2b06010401fe3101")),
        named("0080c2", 1, struct.pack(">H", 50)),
        named("0080c2", 3, struct.pack(">HB", 50, 4) + b"cell"),
        named("00120f", 1, struct.pack(">BHH", 3, 0x6C01, 16)),
        named("00120f", 4, struct.pack(">H", 1522)),
        tlv(0, b""),
    ))  # fmt: skip


def camera() -> bytes:
    """An end point with the inventory of MED."""
    texts = ("1.2", "boot 3.1", "9.80.1", "ACCC8E100002", "Axis", "P3245-V", "CAM-17")
    return b"".join((
        front(b"\5\1" + CAMERA.packed, b"\3" + CAMERA.hardware, 180),
        named("0012bb", 1, struct.pack(">HB", 0x21, 2)),
        *(named("0012bb", 5 + at, one.encode()) for at, one in enumerate(texts)),
        tlv(0, b""),
    ))  # fmt: skip


def station() -> bytes:
    """A PROFINET station: names as ids, delays of the line, its MAC."""
    return b"".join((
        front(b"\7et200sp-cell4", b"\7port-001.et200sp-cell4", 20),
        named("000ecf", 1, bytes(20)),
        named("000ecf", 2, bytes(4)),
        named("000ecf", 5, STATION.hardware),
        tlv(0, b""),
    ))  # fmt: skip


def main() -> None:
    """Write the capture."""
    tape = Tape()
    for at in range(3):
        begin = START + at * 30 * SECOND
        tape.frame(begin, SWITCH, GROUP, ETHERTYPE, switch(3))
        tape.frame(begin + 1000, SWITCH, GROUP, ETHERTYPE, switch(4))
        tape.frame(begin + 2000, CAMERA, GROUP, ETHERTYPE, camera())
        tape.frame(begin + 3000, STATION, GROUP, ETHERTYPE, station())
    goodbye = front(b"\4" + SWITCH.hardware, b"\5ethX4", 0) + tlv(0, b"")
    tape.frame(START + 100 * SECOND, SWITCH, GROUP, ETHERTYPE, goodbye)
    tape.write(HERE / "neighbours.pcap")


if __name__ == "__main__":
    main()
