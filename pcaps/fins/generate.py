"""Writes captures of FINS: a press polled on UDP, and an engineer who changes it on TCP.

    python generate.py

The bytes are set from OMRON W342 (commands) and W421 (FINS/TCP).
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
PANEL = Host("panel", "00:15:5d:10:00:71", "192.168.63.71")
STATION = Host("station", "00:15:5d:10:00:72", "192.168.63.72")
PLC = Host("plc", "00:00:0a:10:00:10", "192.168.63.10")
PORT = 9600
NODE, PANEL_NODE, STATION_NODE = 10, 71, 72
DM, WORK_BIT, CIO_BIT = 0x82, 0x31, 0x30


def asks(node: int, sid: int, command: int, data: bytes = b"", *, quiet: bool = False) -> bytes:
    """A command to the CPU."""
    head = struct.pack(
        ">BBBBBBBBBBH", 0x81 if quiet else 0x80, 0, 2, 0, NODE, 0, 0, node, 0, sid, command
    )
    return head + data


def says(node: int, sid: int, command: int, end: int = 0, data: bytes = b"") -> bytes:
    """Its response."""
    head = struct.pack(">BBBBBBBBBBH", 0xC0, 0, 2, 0, node, 0, 0, NODE, 0, sid, command)
    return head + struct.pack(">H", end) + data


def place(area: int, word: int, bit: int, count: int) -> bytes:
    """A range of memory."""
    return struct.pack(">BHBH", area, word, bit, count)


def framed(data: bytes, command: int = 2, error: int = 0) -> bytes:
    """A frame of FINS/TCP."""
    return b"FINS" + struct.pack(">III", 8 + len(data), command, error) + data


def identity() -> bytes:
    """Model, version, what is for the system, sizes of areas."""
    model, version = b"CJ2M-CPU33".ljust(20), b"02.01".ljust(20)
    return model + version + bytes(40) + bytes(12)


def poll(tape: Tape) -> None:
    """The panel reads eight words and a bit, and once writes a setpoint."""
    read, bit = place(DM, 100, 0, 8), place(WORK_BIT, 3, 5, 1)
    for at in range(30):
        now, sid = START + at * SECOND, at & 0xFF
        words = struct.pack(">8H", 120 + at % 4, 118, 0, 0, 75, 300, 1, at)
        said = says(PANEL_NODE, sid, 0x0101, 0, words)
        tape.datagram(now, PANEL, PLC, (PORT, PORT), asks(PANEL_NODE, sid, 0x0101, read))
        tape.datagram(now + 4_000, PLC, PANEL, (PORT, PORT), said)
        sid = 128 + at
        tape.datagram(now + 9_000, PANEL, PLC, (PORT, PORT), asks(PANEL_NODE, sid, 0x0101, bit))
        told = says(PANEL_NODE, sid, 0x0101, 0, bytes([at % 2]))
        tape.datagram(now + 13_000, PLC, PANEL, (PORT, PORT), told)
    now = START + 31 * SECOND
    data = place(DM, 104, 0, 1) + struct.pack(">H", 82)
    tape.datagram(now, PANEL, PLC, (PORT, PORT), asks(PANEL_NODE, 200, 0x0102, data))
    tape.datagram(now + 4_000, PLC, PANEL, (PORT, PORT), says(PANEL_NODE, 200, 0x0102))
    data = place(WORK_BIT, 4, 0, 1) + b"\x01"
    tape.datagram(now + SECOND, PANEL, PLC, (PORT, PORT),
                  asks(PANEL_NODE, 201, 0x0102, data, quiet=True))  # fmt: skip
    data = place(DM, 9000, 0, 50)
    tape.datagram(now + 2 * SECOND, PANEL, PLC, (PORT, PORT),
                  asks(PANEL_NODE, 202, 0x0101, data))  # fmt: skip
    tape.datagram(now + 2 * SECOND + 4_000, PLC, PANEL, (PORT, PORT),
                  says(PANEL_NODE, 202, 0x0101, 0x1104))  # fmt: skip


PASSWORD = struct.pack(">HBII", 0xFFFF, 0, 0, 0xFFFFFFFF)
# command, its data, end code, what the response holds
TALK: tuple[tuple[int, bytes, int, bytes], ...] = (
    (0x0501, b"\0", 0, identity()),
    (0x0601, b"", 0, bytes((1, 4)) + bytes(24)),
    (0x0620, b"\1", 0, struct.pack(">III", 51, 64, 48)),
    (0x0701, b"", 0, bytes.fromhex("26010508005501")),
    (0x0305, PASSWORD + b"1234", 0x2602, b""),
    (0x0305, PASSWORD + b"0000", 0x2602, b""),
    (0x0305, PASSWORD + b"7733", 0, b""),
    (0x0306, struct.pack(">HIH", 0xFFFF, 0, 0x01F0), 0,
     struct.pack(">HIH", 0xFFFF, 0, 0x01F0) + bytes(0x1F0)),
    (0x0402, b"", 0, b""),
    (0x0307, struct.pack(">HIH", 0xFFFF, 0, 0x0080) + bytes(0x80), 0,
     struct.pack(">HIH", 0xFFFF, 0, 0x0080)),
    (0x0307, struct.pack(">HIH", 0xFFFF, 0x80, 0x8040) + bytes(0x40), 0,
     struct.pack(">HIH", 0xFFFF, 0x80, 0x8040)),
    (0x0401, b"\xff\xff\x02", 0, b""),
    (0x2301, struct.pack(">H", 1) + b"\x00\x01" + struct.pack(">BHB", CIO_BIT, 100, 3), 0, b""),
    (0x2302, b"", 0, b""),
    (0x0702, bytes.fromhex("26010508010001"), 0, b""),
    (0x2103, b"", 0, b""),
    (0x0403, b"", 0x2201, b""),
    (0x0C01, b"\xff\xff", 0x3001, b""),
)  # fmt: skip


def engineer(tape: Tape) -> None:
    """The engineer looks, finds the password, stops, loads, forces and starts."""
    line = Connection(tape, STATION, PLC, 51_400, PORT)
    line.open(START)
    now = START + SECOND
    line.ask(now, framed(struct.pack(">I", 0), 0))
    line.answer(now + 4_000, framed(struct.pack(">II", STATION_NODE, NODE), 1))
    for sid, (command, data, end, said) in enumerate(TALK, 1):
        now += SECOND
        line.ask(now, framed(asks(STATION_NODE, sid, command, data)))
        line.answer(now + 6_000, framed(says(STATION_NODE, sid, command, end, said)))
    line.ask(now + SECOND, framed(b"", 6))
    line.answer(now + 2 * SECOND, framed(b"", 3, 0x21))
    line.close(now + 3 * SECOND)


def main() -> None:
    """Write the captures."""
    for name, work in (("polled", poll), ("engineer", engineer)):
        tape = Tape()
        work(tape)
        tape.write(HERE / f"{name}.pcap")


if __name__ == "__main__":
    main()
