"""Writes captures of PCOM: a panel that polls, and a stranger from outside who stops and loads.

    python generate.py

Requests of ASCII mode and reads of operands are those of the package pcom (metalsartigan, MIT);
the rest is set from Unitronics' PCOM Protocol and from Claroty's PCOM-Tools.
"""

import struct
import sys
from datetime import datetime
from pathlib import Path

from pcom import commands
from pcom.commands.base_command import BaseCommand

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
PANEL = Host("panel", "00:15:5d:10:00:81", "192.168.64.81")
STRANGER = Host("stranger", "00:15:5d:10:00:01", "203.0.113.66")
PLC = Host("plc", "00:08:dc:10:00:05", "192.168.64.5")
PORT = 20_256
ASCII, BINARY = 101, 102


def framed(number: int, mode: int, data: bytes) -> bytes:
    """A message behind the header of PCOM/TCP."""
    return struct.pack("<HBBH", number, mode, 0, len(data)) + data


def plain(words: str, *, reply: bool = False) -> bytes:
    """A message of ASCII mode: ``00CCS`` is unit and command."""
    total = sum(words.encode()) & 0xFF
    return f"/{'A' if reply else ''}{words}{total:02X}\r".encode()


def binary(command: int, detail: int = 0, details: bytes = bytes(6), data: bytes = b"") -> bytes:
    """A message of binary mode; replies have the upper bit of the command."""
    ends = (0xFE, 0) if command & 0x80 else (0, 0xFE)
    head = b"/_OPLC" + bytes((*ends, 1, 0, 0, 0, command, detail)) + details
    head += struct.pack("<H", len(data))
    head += struct.pack("<H", -sum(head) & 0xFFFF)
    return head + data + struct.pack("<H", -sum(data) & 0xFFFF) + b"\\"


def said(command: BaseCommand) -> bytes:
    """What the package says, without its header of random numbers."""
    return bytes(command.get_bytes())


def poll(tape: Tape) -> None:
    """A panel reads bits and integers, and writes some."""
    line = Connection(tape, PANEL, PLC, 52_100, PORT)
    line.open(START)
    several = commands.ReadOperands()
    several.add_request(commands.operand_request.MI(addresses=[10], length=4))
    talk: list[tuple[int, bytes, bytes]] = []
    for at in range(10):
        talk += [
            (ASCII, plain("00RB000A05"), plain("00RB0110" + str(at % 2), reply=True)),
            (ASCII, plain("00RW006402"), plain(f"00RW{at:04X}0457", reply=True)),
            (BINARY, said(several),
             binary(0xCD, 0, struct.pack("<IH", 0, 1), struct.pack("<4H", at, 7, 0, 55))),
        ]  # fmt: skip
    bits = commands.SetBits(code=commands.SetBits.MEMORY, address=300, values=[True, False])
    numbers = commands.WriteIntegers(code=commands.WriteIntegers.MI, address=100, values=[815])
    longs = commands.WriteIntegers(code=commands.WriteIntegers.ML, address=5, values=[70_000])
    talk += [
        (ASCII, said(bits), plain("00SB", reply=True)),
        (ASCII, said(numbers), plain("00SW", reply=True)),
        (ASCII, said(longs), plain("00SN", reply=True)),
        (ASCII, said(commands.ReadRtc()), plain("00RC000008020501260", reply=True)),
        (ASCII, said(commands.SetRtc(value=datetime(2026, 1, 5, 8, 2, 0))),  # noqa: DTZ001
         plain("00SC", reply=True)),
        (ASCII, plain("00RNJ000901"), plain("00RN00A1B2C3", reply=True)),
        (BINARY, binary(4, 0, struct.pack("<IH", 19_000, 0), struct.pack("<HHI", 8, 2, 8) + bytes(24)),
         binary(0x84, 0, bytes(6), bytes(16))),
        (BINARY, binary(68, 0, struct.pack("<IH", 19_000, 0),
                        struct.pack("<HHI", 8, 1, 8) + bytes(24) + bytes(8)),
         binary(0xC4)),
        (BINARY, binary(80, 0, struct.pack("<IH", 0, 2), bytes(20)), binary(0xD0)),
    ]  # fmt: skip
    speak(line, talk)


IDENTITY = "00ID49T4  C00401036B00200253P00000043F11100001FT"


def stranger(tape: Tape) -> None:
    """Somebody from outside asks who it is, tries passwords, stops it and loads a project."""
    line = Connection(tape, STRANGER, PLC, 52_200, PORT)
    line.open(START)
    at, size = struct.pack("<I", 0x40000), struct.pack("<H", 976)
    talk = [
        (ASCII, said(commands.ID()), plain(IDENTITY, reply=True)),
        (ASCII, plain("00UG"), plain("00UG01", reply=True)),
        (BINARY, binary(12), binary(0x8C, 0, bytes(6), b"BOOSTER PUMPS")),
        (BINARY, binary(2, 0, bytes(6), b"12345678"), binary(0xFF, 5)),
        (BINARY, binary(2, 0, bytes(6), b"password"), binary(0x82)),
        (BINARY, binary(2, 0, bytes(6), b"1111    "), binary(0x82, 0x64)),
        (BINARY, binary(16, 6), binary(0x90, 0, bytes(6), struct.pack("<III", 0x40000, 5000, 6))),
        (BINARY, binary(22, 0, bytes(6), b"\x64\x00\x0d\x00"),
         binary(0x96, 0, bytes(6), bytes(10))),
        (BINARY, binary(26), binary(0x9A)),
        (BINARY, binary(1, 1, at + size), binary(0x81, 1, bytes(6), bytes(976))),
        (ASCII, plain("00CCS"), plain("00CC", reply=True)),
        (BINARY, binary(65, 1, at + size, bytes(976)), binary(0xC1, 1)),
        (BINARY, binary(66), binary(0xC2)),
        (ASCII, plain("00US02"), plain("00US", reply=True)),
        (ASCII, plain("00CCI"), plain("00CC", reply=True)),
        (ASCII, plain("00CCE"), plain("00CC", reply=True)),
        (ASCII, plain("00CCR"), plain("00CC", reply=True)),
        (ASCII, plain("03ID"), plain("03" + IDENTITY[2:], reply=True)),
    ]  # fmt: skip
    speak(line, talk)


def speak(line: Connection, talk: list[tuple[int, bytes, bytes]]) -> None:
    """Requests and their replies, one after the other."""
    now = START
    for number, (mode, asks, tells) in enumerate(talk, 0x1000):
        now += SECOND
        line.ask(now, framed(number, mode, asks))
        line.answer(now + 30_000, framed(number, mode, tells))
    line.close(now + SECOND)


def main() -> None:
    """Write the captures."""
    for name, work in (("polled", poll), ("stranger", stranger)):
        tape = Tape()
        work(tape)
        tape.write(HERE / f"{name}.pcap")


if __name__ == "__main__":
    main()
