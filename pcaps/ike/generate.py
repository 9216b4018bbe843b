"""Writes a capture of IKE in both versions and of ESP behind NAT, with `python generate.py`.

The bytes are set from RFC 7296 3, RFC 2408 3, RFC 2409 and RFC 3948; keys, nonces and what is
encrypted say nothing.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
VENDOR = Host("vendor's router", "00:0c:29:5e:71:09", "198.51.100.9")
ROUTER = Host("cell-router", "00:30:de:4a:30:51", "10.10.30.51")
OURS, THEIRS = bytes.fromhex("a1b2c3d4e5f60718"), bytes.fromhex("18070615f4e3d2c1")
Payloads = list[tuple[int, bytes]]


def message(
    version: int, exchange: int, flags: int, number: int, payloads: Payloads, *, first: bool = False
) -> bytes:
    """Header and payloads, each of which names the next."""
    body = b""
    for at, (_, content) in enumerate(payloads):
        following = payloads[at + 1][0] if at + 1 < len(payloads) else 0
        body += struct.pack(">BBH", following, 0, 4 + len(content)) + content
    kind = payloads[0][0] if payloads else 0
    head = OURS + (bytes(8) if first else THEIRS)
    return (
        head + struct.pack(">BBBBII", kind, version, exchange, flags, number, 28 + len(body)) + body
    )


def sealed(exchange: int, flags: int, number: int, size: int = 60) -> bytes:
    """Version 2, all in one encrypted payload that names a first inner one."""
    body = struct.pack(">BBH", 35, 0, 4 + size) + b"\x5e" * size
    head = OURS + THEIRS + struct.pack(">BBBBII", 46, 0x20, exchange, flags, number, 28 + len(body))
    return head + body


def sealed_1(exchange: int, number: int, kind: int = 8) -> bytes:
    """Version 1, all encrypted."""
    return (
        OURS + THEIRS + struct.pack(">BBBBII", kind, 0x10, exchange, 1, number, 92) + b"\x1e" * 64
    )


def transform_2(kind: int, code: int, size: int = 0, *, last: bool = False) -> bytes:
    """RFC 7296 3.3.2."""
    attribute = struct.pack(">HH", 0x800E, size) if size else b""
    return (
        struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(attribute), kind, 0, code) + attribute
    )


def proposals_2(*sets: list[tuple[int, ...]]) -> bytes:
    """RFC 7296 3.3.1."""
    out = b""
    for number, chosen in enumerate(sets, 1):
        inner = b"".join(
            transform_2(*one, last=at == len(chosen) - 1) for at, one in enumerate(chosen)
        )
        more = 2 if number < len(sets) else 0
        out += struct.pack(">BBHBBBB", more, 0, 8 + len(inner), number, 1, 0, len(chosen)) + inner
    return out


def proposal_1(*transforms: dict[int, int]) -> bytes:
    """RFC 2408 3.4 to 3.6, with the attributes of RFC 2409 appendix A."""
    inner = b""
    for number, told in enumerate(transforms, 1):
        attributes = b"".join(
            struct.pack(">HH", 0x8000 | kind, value) for kind, value in told.items()
        )
        more = 3 if number < len(transforms) else 0
        inner += struct.pack(">BBHBBH", more, 0, 8 + len(attributes), number, 1, 0) + attributes
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(inner), 1, 1, 0, len(transforms)) + inner
    return struct.pack(">II", 1, 1) + proposal


STRONG = [(1, 12, 256), (2, 5), (3, 12), (4, 14)]
OLD = [(1, 3), (2, 2), (3, 2), (4, 2)]
NEW = [(1, 20, 256), (2, 5), (4, 19)]
KEY_2, NONCE = struct.pack(">HH", 14, 0) + b"\x77" * 256, b"\x0d" * 32
KEY_1 = b"\x77" * 128
WEAK_1 = {1: 5, 2: 2, 3: 1, 4: 2, 11: 1, 12: 28_800}
STRONG_1 = {1: 7, 14: 256, 2: 4, 3: 3, 4: 14, 11: 1, 12: 28_800}
STRONGSWAN = bytes.fromhex("882fe56d6fd20dbc2251613b2ebe5beb")
UNITY = bytes.fromhex("12f5f28c457168a9702d9fe274cc0100")
WINDOWS = bytes.fromhex("1e2b516905991c7d7c96fcbfb587e46100000009")
CHECK_POINT = bytes.fromhex("f4ed19e0c114eb516faaac0ee37daf2807b4381f") + bytes(20)
FORTINET = bytes.fromhex("8299031757a36082c6a621de00000000")


def notify_2(code: int, data: bytes = b"") -> tuple[int, bytes]:
    """RFC 7296 3.10."""
    return 41, struct.pack(">BBH", 0, 0, code) + data


def notify_1(code: int) -> tuple[int, bytes]:
    """RFC 2408 3.14."""
    return 11, struct.pack(">IBBH", 1, 1, 0, code)


def version_2() -> list[tuple[int, int, bytes]]:
    """Side, port, and what is sent."""
    detect = notify_2(16388, b"\x21" * 20)
    begin: Payloads = [(34, KEY_2), (40, NONCE)]
    weak: Payloads = [(33, proposals_2(OLD)), *begin]
    asked: Payloads = [(33, proposals_2(STRONG, NEW)), *begin, detect, (43, STRONGSWAN)]
    taken: Payloads = [(33, proposals_2(STRONG)), *begin, detect, (43, WINDOWS)]
    return [
        (0, 500, message(0x20, 34, 0x08, 0, weak, first=True)),
        (1, 500, message(0x20, 34, 0x20, 0, [notify_2(14)])),
        (0, 500, message(0x20, 34, 0x08, 0, asked, first=True)),
        (1, 500, message(0x20, 34, 0x20, 0, [notify_2(16390, b"\x0c" * 16)])),
        (0, 500, message(0x20, 34, 0x08, 0, asked, first=True)),
        (1, 500, message(0x20, 34, 0x20, 0, taken)),
        (0, 4500, bytes(4) + sealed(43, 0x08, 1)),
        (1, 4500, bytes(4) + sealed(43, 0x20, 1)),
        (0, 4500, bytes(4) + sealed(35, 0x08, 2, 240)),
        (1, 4500, bytes(4) + sealed(35, 0x20, 2, 200)),
        (0, 4500, bytes.fromhex("c0ffee01 00000001") + b"\xe5" * 72),
        (1, 4500, bytes.fromhex("c0ffee02 00000001") + b"\xe5" * 72),
        (0, 4500, b"\xff"),
        (0, 4500, bytes(4) + sealed(36, 0x08, 3)),
        (1, 4500, bytes(4) + sealed(36, 0x20, 3)),
        (1, 4500, bytes(4) + sealed(37, 0x00, 0)),
        (0, 4500, bytes(4) + sealed(37, 0x28, 0)),
        (
            0,
            500,
            message(0x20, 38, 0x08, 0, [(40, NONCE), notify_2(16409, b"\x0e" * 32)], first=True),
        ),
    ]


def version_1() -> list[tuple[int, int, bytes]]:
    """Main, aggressive and quick mode, and what is rare."""
    nothing: Payloads = [(4, KEY_1), (10, NONCE[:20])]
    name = struct.pack(">BBH", 3, 17, 0) + b"service@vendor.example"
    sealed_identity: Payloads = [
        (5, struct.pack(">BBH", 1, 17, 500) + ROUTER.packed),
        (8, b"\x9a" * 20),
    ]
    offer = (1, proposal_1(STRONG_1, WEAK_1))
    return [
        (0, 500, message(0x10, 2, 0, 0, [offer, (13, UNITY), (13, FORTINET)], first=True)),
        (1, 500, message(0x10, 2, 0, 0, [(1, proposal_1(STRONG_1)), (13, CHECK_POINT)])),
        (0, 500, message(0x10, 2, 0, 0, nothing)),
        (1, 500, message(0x10, 2, 0, 0, nothing)),
        (0, 500, sealed_1(2, 0, 5)),
        (1, 500, sealed_1(2, 0, 5)),
        (0, 500, sealed_1(6, 0x1234)),
        (0, 500, sealed_1(32, 0x5678)),
        (1, 500, sealed_1(32, 0x5678)),
        (1, 500, sealed_1(5, 0x9ABC)),
        (0, 500, message(0x10, 4, 0, 0, [(1, proposal_1(WEAK_1)), *nothing, (5, name)], first=True)),
        (1, 500, message(0x10, 4, 0, 0, [(1, proposal_1(WEAK_1)), *nothing, *sealed_identity])),
        (0, 500, message(0x10, 4, 0, 0, [(1, proposal_1({1: 1, 2: 1, 3: 1, 4: 1})), *nothing, (5, name)], first=True)),
        (1, 500, message(0x10, 5, 0, 0x77, [notify_1(14)])),
        (0, 500, message(0x10, 1, 0, 0, [offer, (10, NONCE)], first=True)),
        (0, 500, message(0x10, 3, 0, 0, [offer, (10, NONCE)], first=True)),
        (0, 500, sealed_1(33, 0xDEF0)),
    ]  # fmt: skip


def main() -> None:
    """Write the capture."""
    tape, now = Tape(), START
    for one in (version_2(), version_1()):
        for side, port, data in one:
            now += SECOND // 4
            ends = (ROUTER, VENDOR) if side else (VENDOR, ROUTER)
            tape.datagram(now, *ends, (port, port), data)
        now += 3600 * SECOND
    tape.write(HERE / "tunnels.pcap")


if __name__ == "__main__":
    main()
