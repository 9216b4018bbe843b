"""Writes a capture of TriStation: a safety controller is watched, and its program changed.

    python generate.py

The bytes are set from what Nozomi Networks (tricotools, 2018) and FireEye (2018) published.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
STATION = Host("station", "00:15:5d:10:00:41", "192.168.61.41")
TRICON = Host("tricon", "40:00:00:10:00:02", "192.168.61.2")
PORTS = (1503, 1502)
COMMAND = 5
QUIET = bytes(48)  # contents of a program, which say nothing


def crc(data: bytes) -> bytes:
    """CRC-16 with the polynomial 0x8005, lowest bit first."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return struct.pack("<H", register)


def bare(kind: int) -> bytes:
    """A message without data: what opens and closes, and refusals."""
    front = struct.pack("<BBH", kind, 0, 0)
    return front + crc(front)


def command(code: int, sequence: int, data: bytes = b"", *, answer: bool = False) -> bytes:
    """A command or its answer."""
    length = 10 + len(data)
    head = struct.pack("<BBBBHHH", int(answer), 0, code, sequence, 0, 0, length)
    total = (length + sum(head) + sum(data)) & 0xFFFF
    head = struct.pack("<BBBBHHH", int(answer), 0, code, sequence, 0, total, length)
    front = struct.pack("<BBH", COMMAND, 0, length) + head + data
    return front + crc(front)


def status(key: int, state: int) -> bytes:
    """How the control program is, with the name of the project."""
    front = struct.pack("<HBBBBBBB", 1, 0, 0, 13, 0, 1, key, state)
    return front.ljust(66, b"\0") + b"DISTILL1".ljust(10, b"\0") + bytes(110)


def part(number: int) -> bytes:
    """A part of a program or function: its number, what follows, sizes, contents."""
    return struct.pack("<HHHHH", number, 0, 0, 0, len(QUIET) // 4) + QUIET


def download() -> bytes:
    """What begins the download of a program: time, project, how many of what."""
    return bytes(6) + bytes(4) + b"DISTILL1".ljust(10, b"\0") + struct.pack("<HHH", 22, 5, 0)


RUN, PROGRAM = 2, 1  # positions of the key
# command, its data, code of the answer, its data
TALK: tuple[tuple[int, bytes, int, bytes], ...] = (
    (13, b"", 106, b"\x03\x00\x33\x0a\x04\x00"),
    (19, b"", 108, status(RUN, 0)),
    (24, b"", 119, bytes(40)),
    (54, b"", 151, bytes(130)),
    (65, struct.pack("<HI", 2, 0), 162, part(2)),
    (66, struct.pack("<HI", 7, 0), 163, part(7)),
    (1, bytes(20), 212, b""),
    (19, b"", 108, status(PROGRAM, 0)),
    (1, bytes(20), 102, b""),
    (55, part(2), 153, b""),
    (56, part(7), 154, b""),
    (11, bytes(12), 103, b""),
    (59, download(), 214, b""),
    (21, b"", 110, b""),
    (20, b"", 109, b""),
    (80, b"", 100, b""),
)
REST = (  # commands whose data is of no interest here
    0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 17, 18, 22, 23, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 57, 58, 60,
    61, 62, 63, 64, 67, 68, 69, 70, 71, 72, 73, 74,
)  # fmt: skip


def main() -> None:
    """Write the captures: a change of a program, and every other command once."""
    tape = Tape()
    now = START
    talk = [(bare(1), bare(2))]
    talk += [
        (command(code, at, data), command(told, at, said, answer=True))
        for at, (code, data, told, said) in enumerate(TALK)
    ]
    talk += [(bare(6), b""), (bare(4), bare(3)), (bare(1), bare(7)), (b"", bare(8))]
    for asks, told in talk:
        now += SECOND
        if asks:
            tape.datagram(now, STATION, TRICON, PORTS, asks)
        if told:
            tape.datagram(now + 9_000, TRICON, STATION, PORTS[::-1], told)
    tape.write(HERE / "program_changed.pcap")
    tape, now = Tape(), START
    for at, code in enumerate(REST):
        now += SECOND
        tape.datagram(now, STATION, TRICON, PORTS, command(code, at, bytes(4)))
        told = command(241, at, answer=True)
        tape.datagram(now + 9_000, TRICON, STATION, PORTS[::-1], told)
    tape.write(HERE / "all_commands.pcap")


if __name__ == "__main__":
    main()
