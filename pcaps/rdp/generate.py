"""Writes the RDP capture of this folder from MS-RDPBCGR 2.2.1, with `python generate.py`."""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
SERVER = Host("scada-1", "d0:94:66:2a:30:71", "10.10.30.71")


def x224(code: int, user: bytes) -> bytes:
    """X.224 13.3: a request or a confirmation, in TPKT."""
    unit = struct.pack(">BBHHB", 6 + len(user), code, 0, 0x1234 * (code == 0xD0), 0) + user
    return struct.pack(">BBH", 3, 0, 4 + len(unit)) + unit


def data(message: bytes) -> bytes:
    """X.224 13.7."""
    return struct.pack(">BBHBBB", 3, 0, 7 + len(message), 2, 0xF0, 0x80) + message


def ber(tag: bytes, content: bytes) -> bytes:
    """A value with a length of two bytes."""
    return tag + b"\x82" + struct.pack(">H", len(content)) + content


def domain(*numbers: int) -> bytes:
    """T.125 7: what a domain can do."""
    parts = b"".join(b"\x02\x02" + struct.pack(">H", number) for number in numbers)
    return b"\x30" + bytes([len(parts)]) + parts


def per(size: int) -> bytes:
    """A length of X.691 in two bytes."""
    return struct.pack(">H", size | 0x8000)


def initial(name: str) -> bytes:
    """2.2.1.3: Connect-Initial with the client's core and security settings."""
    core = struct.pack("<IHHHHII", 0x00080004, 1280, 1024, 0xCA01, 0xAA03, 0x407, 2600)
    core += name.encode("utf-16-le").ljust(32, b"\0") + struct.pack("<III64s", 4, 0, 12, b"")
    core += struct.pack("<HHIHHH64sBBI", 0xCA01, 1, 0, 16, 7, 1, b"", 0, 0, 0)
    settings = struct.pack("<HH", 0xC001, 4 + len(core)) + core
    settings += struct.pack("<HHII", 0xC002, 12, 0x1B, 0)
    request = b"\0\x08\0\x10\0\1\xc0\0Duca" + per(len(settings)) + settings
    gcc = b"\0\5\0\x14\x7c\0\1" + per(len(request)) + request
    flags = b"\4\1\1\4\1\1\1\1\xff"
    limits = (
        domain(34, 2, 0, 1, 0, 1, 0xFFFF, 2), domain(1, 1, 1, 1, 0, 1, 1056, 2),
        domain(0xFFFF, 0xFC17, 0xFFFF, 1, 0, 1, 0xFFFF, 2),
    )  # fmt: skip
    return ber(b"\x7f\x65", flags + b"".join(limits) + ber(b"\4", gcc))


def response() -> bytes:
    """2.2.1.4: Connect-Response with the server's core, security and network settings."""
    settings = struct.pack("<HHII", 0x0C01, 12, 0x00080004, 0)
    settings += struct.pack("<HHII", 0x0C02, 12, 0, 0) + struct.pack("<HHHH", 0x0C03, 8, 1003, 0)
    request = b"\x14\x76\x0a\1\1\0\1\xc0\0McDn" + per(len(settings)) + settings
    gcc = b"\0\5\0\x14\x7c\0\1" + per(len(request)) + request
    limits = domain(34, 3, 0, 1, 0, 1, 0xFFF8, 2)
    return ber(b"\x7f\x66", b"\x0a\1\0\2\1\0" + limits + ber(b"\4", gcc))


def negotiation(kind: int, value: int) -> bytes:
    """2.2.1.1.1."""
    return struct.pack("<BBHI", kind, 0, 8, value)


SESSIONS: tuple[Said, ...] = (
    [
        (0, x224(0xE0, b"Cookie: mstshash=service\r\n" + negotiation(1, 0))),
        (1, x224(0xD0, negotiation(2, 0))),
        (0, data(initial("EWS-3"))),
        (1, data(response())),
        (0, data(b"\4\1\0\1\0")),
        (0, data(b"\x28")),
    ],
    [(0, x224(0xE0, negotiation(1, 3))), (1, x224(0xD0, negotiation(2, 2)))],
    [(0, x224(0xE0, negotiation(1, 0))), (1, x224(0xD0, negotiation(3, 5)))],
)


def main() -> None:
    """Write `by_hand.pcap`."""
    tape, now = Tape(), START
    for number, said in enumerate(SESSIONS):
        now = put(tape, (STATION, SERVER), (56_000 + number, 3389), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
