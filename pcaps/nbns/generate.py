"""Writes a capture of the NetBIOS name service: all its operations.

    python generate.py

The bytes are set from RFC 1002, 4.2.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

PANEL = Host("panel", "00:1c:06:10:00:11", "192.168.50.111")
SERVER = Host("server", "00:15:5d:10:00:01", "192.168.50.1")
EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "192.168.50.255")
PORT = 137
PLACE = b"\xc0\x0c"  # where the name of the question stands


def name(text: str, suffix: int) -> bytes:
    """A name as it is coded, 4.1."""
    raw = (text.encode().ljust(15, b"\0" if text == "*" else b" ") + bytes([suffix]))[:16]
    return b"\x20" + bytes(0x41 + half for one in raw for half in (one >> 4, one & 15)) + b"\0"


def head(ident: int, flags: int, counts: tuple[int, int, int, int]) -> bytes:
    """The header."""
    return struct.pack(">HHHHHH", ident, flags, *counts)


def question(ident: int, flags: int, who: bytes, kind: int = 0x20) -> bytes:
    """A question alone."""
    return head(ident, flags, (1, 0, 0, 0)) + who + struct.pack(">HH", kind, 1)


def taking(ident: int, flags: int, who: bytes, address: bytes, group: int = 0) -> bytes:
    """A question with the name that is taken or given up."""
    record = PLACE + struct.pack(">HHIHH", 0x20, 1, 300_000, 6, group) + address
    return head(ident, flags, (1, 0, 0, 1)) + who + struct.pack(">HH", 0x20, 1) + record


def answer(ident: int, flags: int, who: bytes, data: bytes, kind: int = 0x20) -> bytes:
    """An answer."""
    return (
        head(ident, flags, (0, 1, 0, 0))
        + who
        + struct.pack(">HHIH", kind, 1, 300_000, len(data))
        + data
    )


def status() -> bytes:
    """All names of the server, and its MAC."""
    names = (("SRV-HIST", 0, 0x0400), ("PLANT", 0, 0x8400), ("SRV-HIST", 0x20, 0x0400),
             ("PLANT", 0x1C, 0x8400))  # fmt: skip
    listed = b"".join(
        text.encode().ljust(15) + struct.pack(">BH", suffix, flags) for text, suffix, flags in names
    )
    return bytes([len(names)]) + listed + SERVER.hardware + bytes(40)


def main() -> None:
    """Write the capture."""
    tape = Tape()
    tape.known.add((PANEL.address, EVERYBODY.address))
    panel, server = name("HMI-LINE4", 0), name("SRV-HIST", 0x20)
    address = struct.pack(">H", 0) + SERVER.packed
    said = (
        (PANEL, EVERYBODY, taking(1, 0x2910, panel, PANEL.packed)),
        (PANEL, EVERYBODY, taking(2, 0x2910, name("PLANT", 0), PANEL.packed, 0x8000)),
        (PANEL, EVERYBODY, question(3, 0x0110, server)),
        (SERVER, PANEL, answer(3, 0x8580, server, address)),
        (PANEL, SERVER, question(4, 0x0000, name("*", 0), 0x21)),
        (SERVER, PANEL, answer(4, 0x8400, name("*", 0), status(), 0x21)),
        (PANEL, SERVER, question(5, 0x0100, name("NOBODY", 0))),
        (SERVER, PANEL, answer(5, 0x8583, name("NOBODY", 0), b"", 0x0A)),
        (PANEL, SERVER, taking(6, 0x7900, panel, PANEL.packed)),
        (SERVER, PANEL, answer(6, 0xBC00, panel, struct.pack(">H", 0x7900), 0x20)),
        (SERVER, PANEL, answer(6, 0xAD80, panel, struct.pack(">H", 0) + PANEL.packed)),
        (PANEL, SERVER, taking(7, 0x4000, panel, PANEL.packed)),
        (PANEL, EVERYBODY, taking(8, 0x3010, panel, PANEL.packed)),
    )
    for at, (source, target, data) in enumerate(said):
        tape.datagram(START + at * SECOND, source, target, (PORT, PORT), data)
    tape.write(HERE / "names.pcap")


if __name__ == "__main__":
    main()
