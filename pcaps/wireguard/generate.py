"""Writes a capture of WireGuard, with `python generate.py`.

The bytes are set from the WireGuard paper, 5.4; keys and what is encrypted say nothing.
"""

import hashlib
import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
VENDOR = Host("vendor's laptop", "00:0c:29:5e:71:09", "198.51.100.9")
ROUTER = Host("cell-router", "00:30:de:4a:30:51", "10.10.30.51")
OURS, THEIRS = bytes.fromhex("9c41e20b"), bytes.fromhex("27d8506f")


def noise(size: int, word: str) -> bytes:
    """Bytes that look random."""
    return hashlib.shake_128(word.encode()).digest(size)


def data(index: bytes, counter: int, size: int) -> bytes:
    """5.4.6: content is filled up to 16 bytes, a check value of 16 is behind it."""
    return b"\4\0\0\0" + index + struct.pack("<Q", counter) + noise(size + 16, f"{index} {counter}")


def main() -> None:
    """Write `tunnels.pcap`: a handshake and data; one under load; one that began before."""
    tape = Tape()
    begin = b"\1\0\0\0" + OURS + noise(140 - 16, "begin") + bytes(16)
    again = b"\1\0\0\0" + OURS + noise(140 - 16, "again") + noise(16, "cookie")
    answer = b"\2\0\0\0" + THEIRS + OURS + noise(80 - 16, "answer") + bytes(16)
    renew = b"\1\0\0\0" + THEIRS + noise(140 - 16, "renew") + bytes(16)
    busy = b"\3\0\0\0" + OURS + noise(56, "busy")
    said = [
        (0, 40_001, begin), (1, 40_001, answer), (0, 40_001, data(THEIRS, 0, 96)),
        (1, 40_001, data(OURS, 0, 96)), (0, 40_001, data(THEIRS, 1, 0)), (1, 40_001, renew),
        (0, 40_002, begin), (1, 40_002, busy), (0, 40_002, again), (1, 40_002, answer),
        (0, 40_003, data(THEIRS, 70_001, 1408)), (1, 40_003, data(OURS, 65_002, 64)),
    ]  # fmt: skip
    for at, (side, port, one) in enumerate(said):
        ends = (ROUTER, VENDOR) if side else (VENDOR, ROUTER)
        ports = (51_820, port) if side else (port, 51_820)
        tape.datagram(START + at * SECOND // 2, *ends, ports, one)
    tape.write(HERE / "tunnels.pcap")


if __name__ == "__main__":
    main()
