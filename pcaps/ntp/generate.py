"""Writes a capture of NTP: a client and its server, a broadcast, equals, control messages.

    python generate.py

The bytes are set from RFC 5905 7.3 and RFC 9327 2.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

CONTROLLER = Host("controller", "00:1c:06:10:00:21", "192.168.50.21")
SERVER = Host("server", "00:15:5d:10:00:01", "192.168.50.1")
CLOCK = Host("clock", "00:15:5d:10:00:02", "192.168.50.4")
EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "192.168.50.255")
PORT = 123
SINCE_1900 = 2_208_988_800  # seconds up to 1970


def stamp(time: int) -> int:
    """A time stamp, 6."""
    return (time // SECOND + SINCE_1900) << 32 | (time % SECOND << 32) // SECOND


def message(
    front: int,
    stratum: int,
    reference: bytes,
    times: tuple[int, int, int, int],
    *,
    precision: int = -20,
) -> bytes:
    """A message of 48 bytes; zero is no time."""
    stamps = (stamp(one) if one else 0 for one in times)
    head = struct.pack(">BBbbII", front, stratum, 6, precision, 0x300 if stratum else 0, 0x50)
    return head + reference + struct.pack(">QQQQ", *stamps)


def control(code: int, sequence: int, data: bytes = b"", status: int = 0, of: int = 0) -> bytes:
    """A control message, padded to whole words."""
    head = struct.pack(">BBHHHHH", 0x26, code, sequence, status, of, 0, len(data))
    return head + data + bytes(-len(data) % 4)


def main() -> None:
    """Write the capture."""
    tape = Tape()
    tape.known.add((CLOCK.address, EVERYBODY.address))
    for at in range(5):
        time = START + at * 64 * SECOND
        asks = message(0x23, 0, bytes(4), (0, 0, 0, time), precision=0)
        tape.datagram(time, CONTROLLER, SERVER, (PORT, PORT), asks)
        times = (time - 9 * SECOND, time, time + 150, time + 170)
        tape.datagram(
            time + 400, SERVER, CONTROLLER, (PORT, PORT), message(0x24, 2, CLOCK.packed, times)
        )
    time = START + 400 * SECOND
    equal = (time - 5 * SECOND, 0, 0, time)
    told = (
        (CLOCK, EVERYBODY, message(0x25, 1, b"GPS\0", (time, 0, 0, time))),
        (SERVER, CLOCK, message(0x21, 2, CLOCK.packed, equal)),
        (CLOCK, SERVER, message(0x22, 1, b"GPS\0", (time, time, time + 100, time + 200))),
        (CONTROLLER, SERVER, control(1, 1)),
        (SERVER, CONTROLLER, control(0x81, 1, struct.pack(">HH", 17, 0x961A), 0x0615)),
        (CONTROLLER, SERVER, control(2, 2)),
        (SERVER, CONTROLLER, control(0x82, 2,
            b'version="ntpd 4.2.8p15@1.3728-o", processor="x86_64",\r\n'
            b'system="Linux/5.10.0", leap=0, stratum=2\r\n', 0x0615)),
        (CONTROLLER, SERVER, control(3, 3, b"tai=37")),
        (SERVER, CONTROLLER, control(0xC3, 3, b"", 0x0600)),
        (CONTROLLER, SERVER, control(4, 4)),
        (SERVER, CONTROLLER, control(0x84, 4, b"device=1, timecode=2\r\n", 0x0100)),
        (CONTROLLER, SERVER, control(5, 5, b"fudge=1 ")),
        (CONTROLLER, SERVER, control(8, 6, b"tos orphan 6")),
        (CONTROLLER, SERVER, control(6, 7)),
        (CONTROLLER, SERVER, control(10, 8)),
        (SERVER, CONTROLLER, control(0x87, 9, b"peer lost   ", 0x0605)),
    )  # fmt: skip
    for at, (source, target, data) in enumerate(told):
        tape.datagram(time + at * SECOND, source, target, (PORT, PORT), data)
    tape.write(HERE / "clocks.pcap")


if __name__ == "__main__":
    main()
