"""Writes a capture of SNMP: a switch polled, read for its identity, set; traps and informs.

    python generate.py

The bytes are set from RFC 1157, RFC 3416 and the basic encoding rules (ITU-T X.690).
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

MANAGER = Host("manager", "00:15:5d:10:00:01", "192.168.50.1")
SWITCH = Host("switch", "00:07:7c:10:00:01", "192.168.50.2")
SYSTEM, PARTS, IN_OCTETS = "1.3.6.1.2.1.1.", "1.3.6.1.2.1.47.1.1.1.1.", "1.3.6.1.2.1.2.2.1.10."
Binding = tuple[str, bytes]


def ber(tag: int, content: bytes) -> bytes:
    """One element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x82]) + struct.pack(">H", size) + content


def number(value: int, tag: int = 2) -> bytes:
    """An integer, as short as can be."""
    size = (8 + (value if value >= 0 else ~value).bit_length()) // 8
    return ber(tag, value.to_bytes(size, "big", signed=True))


def oid(text: str) -> bytes:
    """An object id."""
    first, second, *rest = map(int, text.split("."))
    out = bytearray([40 * first + second])
    for one in rest:
        parts = [one & 0x7F]
        while one := one >> 7:
            parts.append(one & 0x7F | 0x80)
        out += bytes(reversed(parts))
    return ber(6, bytes(out))


def text(value: str) -> bytes:
    """An octet string."""
    return ber(4, value.encode())


NULL = ber(5, b"")


def listed(bindings: list[Binding]) -> bytes:
    """Variables."""
    return ber(0x30, b"".join(ber(0x30, oid(name) + value) for name, value in bindings))


def pdu(tag: int, ident: int, bindings: list[Binding], error: tuple[int, int] = (0, 0)) -> bytes:
    """An operation."""
    return ber(tag, number(ident) + number(error[0]) + number(error[1]) + listed(bindings))


def message(body: bytes, community: str, version: int = 1) -> bytes:
    """A message of version 1 or 2c."""
    return ber(0x30, number(version) + text(community) + body)


def nothing(*names: str) -> list[Binding]:
    """Names without values."""
    return [(name, NULL) for name in names]


def main() -> None:
    """Write the capture."""
    tape = Tape()
    who = [SYSTEM + one for one in ("1.0", "2.0", "4.0", "5.0", "6.0")]
    said = [
        text("RedFox WeOS v4.33.2"), oid("1.3.6.1.4.1.16177.1.2.200"), text("ops@plant.example"),
        text("cell-4"), text("Hall 2, rack 7"),
    ]  # fmt: skip
    parts = [PARTS + one for one in ("10.1", "11.1", "12.1", "13.1")]
    told = [text("4.33.2"), text("SN0012345"), text("Westermo"), text("RFI-18-F4G-T4G")]
    trap = [
        (SYSTEM + "3.0", number(987_654, 0x43)),
        ("1.3.6.1.6.3.1.1.4.1.0", oid("1.3.6.1.6.3.1.1.5.3")), (IN_OCTETS + "3", number(77, 0x41)),
    ]  # fmt: skip
    old = b"".join((
        oid("1.3.6.1.4.1.16177.1.2.200"), ber(0x40, SWITCH.packed), number(2), number(0),
        number(987_000, 0x43), listed([(IN_OCTETS + "4", number(5))]),
    ))  # fmt: skip
    name = [(SYSTEM + "5.0", text("cell-4b"))]
    talk: list[tuple[bytes, bytes]] = [
        (message(pdu(0xA0, 1, nothing(*who)), "public"),
         message(pdu(0xA2, 1, list(zip(who, said, strict=True))), "public")),
        (message(pdu(0xA5, 2, nothing(*parts), (0, 1)), "plant-read-7"),
         message(pdu(0xA2, 2, list(zip(parts, told, strict=True))), "plant-read-7")),
        (message(pdu(0xA3, 3, name), "wr"), message(pdu(0xA2, 3, name, (17, 1)), "wr")),
        (message(pdu(0xA1, 4, nothing(SYSTEM + "9")), "public", 0),
         message(pdu(0xA2, 4, nothing(SYSTEM + "9"), (2, 1)), "public", 0)),
    ]  # fmt: skip
    for at in range(6):  # a poll
        values = [(f"{IN_OCTETS}{port}", number(1_000 * 7**at + port, 0x41)) for port in (3, 4)]
        asks = pdu(0xA0, 100 + at, nothing(*(one for one, _ in values)))
        talk.append((message(asks, "public"), message(pdu(0xA2, 100 + at, values), "public")))
    for at, (asks, answers) in enumerate(talk):
        time = START + at * 10 * SECOND
        tape.datagram(time, MANAGER, SWITCH, (50_161, 161), asks)
        tape.datagram(time + 900, SWITCH, MANAGER, (161, 50_161), answers)
    time = START + 200 * SECOND
    for tag, ident in ((0xA7, 501), (0xA6, 502)):
        tape.datagram(
            time, SWITCH, MANAGER, (50_162, 162), message(pdu(tag, ident, trap), "public")
        )
        time += SECOND
    answer = message(pdu(0xA2, 502, trap), "public")
    tape.datagram(time, MANAGER, SWITCH, (162, 50_162), answer)
    tape.datagram(
        time + SECOND, SWITCH, MANAGER, (50_162, 162), message(ber(0xA4, old), "public", 0)
    )
    tape.write(HERE / "switch.pcap")


if __name__ == "__main__":
    main()
