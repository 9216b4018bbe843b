"""Writes the VNC capture of this folder from RFC 6143, with `python generate.py`."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
PANEL = Host("panel-2", "00:30:de:4a:30:61", "10.10.30.61")
RANDOM = bytes(range(0x41, 0x51))


def init(name: bytes) -> bytes:
    """7.3.2: screen, format of pixels, name."""
    pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    return struct.pack(">HH", 1024, 768) + pixels + struct.pack(">I", len(name)) + name


def session(name: bytes, *, password: bool) -> Said:
    """From the versions to the first request for a picture."""
    version = b"RFB 003.008\n"
    kind = 2 if password else 1
    challenge: Said = [(1, RANDOM), (0, RANDOM[::-1])] if password else []
    return [
        (1, version),
        (0, version),
        (1, bytes([2, kind, 16])),
        (0, bytes([kind])),
        *challenge,
        (1, bytes(4)),
        (0, b"\1"),
        (1, init(name)),
        (0, struct.pack(">BBHHHH", 3, 0, 0, 0, 1024, 768)),
    ]


def main() -> None:
    """Write `by_hand.pcap`."""
    tape, now = Tape(), START
    for number, password in enumerate((True, False)):
        said = session(b"Panel 2 - Mixer", password=password)
        now = put(tape, (STATION, PANEL), (55_000 + number, 5900), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
