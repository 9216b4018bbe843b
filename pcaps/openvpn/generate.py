"""Writes a capture of OpenVPN on UDP and TCP, with `python generate.py`.

The bytes are set from OpenVPN's description of its wire protocol; digests, keys and what is
encrypted say nothing.
"""

import hashlib
import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]

from relay import put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

SECOND = 1_000_000  # microseconds, as all times on a tape
SECONDS = START // SECOND
VENDOR = Host("vendor's laptop", "00:0c:29:5e:71:09", "198.51.100.9")
ROUTER = Host("cell-router", "00:30:de:4a:30:51", "10.10.30.51")
CLIENT, SERVER = bytes.fromhex("51ab09e3c47f2d68"), bytes.fromhex("8d62f7045be11ca9")


def noise(size: int, word: str) -> bytes:
    """Bytes that look random."""
    return hashlib.shake_128(word.encode()).digest(size)


def packet(
    code: int, side: int, number: int, acked: list[int], rest: bytes = b"", digest: int = 0
) -> bytes:
    """A control packet; with the digest of tls-auth and what keeps it from being sent again."""
    session, other = (SERVER, CLIENT) if side else (CLIENT, SERVER)
    out = bytes([code << 3]) + session
    if digest:
        out += noise(digest, f"{code} {side} {number}") + struct.pack(">II", number + 1, SECONDS)
    out += bytes([len(acked)]) + b"".join(struct.pack(">I", one) for one in acked)
    out += other if acked else b""
    return out + (struct.pack(">I", number) if code != 5 else b"") + rest


def crypt(code: int, side: int, number: int, size: int, key: bytes = b"") -> bytes:
    """A control packet by tls-crypt."""
    out = (
        bytes([code << 3]) + (SERVER if side else CLIENT) + struct.pack(">II", number + 1, SECONDS)
    )
    return out + noise(32 + size, f"crypt {code} {number}") + key


def hello() -> bytes:
    """A record of TLS with a client's hello, RFC 8446 4.1.2."""
    body = b"\3\3" + noise(32, "hello") + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    body = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(body)) + body


def conversation(digest: int) -> list[tuple[int, bytes]]:
    """From reset to data."""
    data = b"\0\0\1" + noise(100, "data")
    return [
        (0, packet(7, 0, 0, [], digest=digest)),
        (1, packet(8, 1, 0, [0], digest=digest)),
        (0, packet(5, 0, 1, [0], digest=digest)),
        (0, packet(4, 0, 1, [], hello(), digest=digest)),
        (1, packet(5, 1, 1, [1], digest=digest)),
        (0, bytes([9 << 3]) + data),
        (1, bytes([9 << 3]) + data),
        (0, bytes([6 << 3]) + data),
        (0, packet(3, 0, 2, [], digest=digest)),
    ]


def main() -> None:
    """Write `tunnels.pcap`."""
    tape, now = Tape(), START
    wrapped = struct.pack(">H", 290)
    sealed = [
        (0, crypt(7, 0, 0, 5)),
        (1, crypt(8, 1, 0, 17)),
    ]
    newer = [
        (0, crypt(10, 0, 0, 5, noise(288, "key") + wrapped)),
        (1, crypt(8, 1, 0, 17)),
        (0, crypt(11, 0, 1, 40, noise(288, "key") + wrapped)),
    ]
    for number, said in enumerate((conversation(0), conversation(20), sealed, newer)):
        for side, data in said:
            now += SECOND // 4
            ends = (ROUTER, VENDOR) if side else (VENDOR, ROUTER)
            ports = (1194, 41_000 + number) if side else (41_000 + number, 1194)
            tape.datagram(now, *ends, ports, data)
    framed = [(side, struct.pack(">H", len(data)) + data) for side, data in conversation(0)]
    put(tape, (VENDOR, ROUTER), (42_000, 1194), framed, now + SECOND)
    tape.write(HERE / "tunnels.pcap")


if __name__ == "__main__":
    main()
