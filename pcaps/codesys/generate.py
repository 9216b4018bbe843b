"""Writes a capture of CODESYS V3: a search by broadcast, logins that fail and succeed, files read.

    python generate.py

The bytes are set from Kaspersky's "Security research: CODESYS Runtime" (2019), part 2, and from
Microsoft's ics-forensics-tools.
"""

import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
STATION = Host("station", "00:15:5d:10:00:51", "192.168.62.51")
PLC = Host("plc", "00:30:de:10:00:20", "192.168.62.20")
EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "192.168.62.255")
UDP_PORT, TCP_PORT = 1740, 11_740
NAMES_ASKED, NAMES_TOLD, CHANNELS = 3, 4, 64
DEVICE, APPLICATION, FILES = 0x01, 0x02, 0x08
CHALLENGE = 0x6B7D8A53


def datagram(service: int, payload: bytes, target: bytes, source: bytes, front: int = 0) -> bytes:
    """The datagram layer; addresses in words of two bytes, all filled up to four."""
    lengths = len(source) // 2 << 4 | len(target) // 2
    head = struct.pack("<BBBBBB", 0xC5, 13 << 3 | 3, 0x40, service, 0, lengths) + target + source
    return head + bytes((front + len(head)) % 4) + payload


def on_tcp(service: int, payload: bytes) -> bytes:
    """The same in a block of TCP, between addresses of port and IPv4."""
    target = struct.pack(">H", TCP_PORT) + PLC.packed
    source = struct.pack(">H", 50_100) + STATION.packed
    data = datagram(service, payload, target, source, 8)
    return struct.pack("<II", 0xE8170100, 8 + len(data)) + data


def asked(subcommand: int, number: int) -> bytes:
    """A question to the name server."""
    return struct.pack("<HHI", subcommand, 0x400, number)


def device_info(number: int) -> bytes:
    """Who a device is."""
    node, device, vendor = "PLC-MIXER", "CODESYS Control for PFC200 SL", "WAGO"
    serial = b"0030DE100020"
    head = struct.pack(
        "<HHIHBBHHHHHHI4sIB",
        0xC280, 0x400, number, 8, 1, 0, 0, len(node), len(device), len(vendor),
        4096, 7, 0, bytes((40, 15, 5, 3)), 0, len(serial),
    )  # fmt: skip
    names = b"".join(f"{name}\0".encode("utf-16-le") for name in (node, device, vendor))
    return head.ljust(48, b"\0") + names + serial


def summed(front: bytes, back: bytes) -> bytes:
    """A message of the channel layer with its check sum between its parts."""
    total = zlib.crc32(front + bytes(4) + back)
    return front + struct.pack("<I", total) + back


def open_channel(number: int) -> bytes:
    """A channel is asked for."""
    return summed(struct.pack("<BBH", 0xC3, 0, 0x0101), struct.pack("<III", number, 0x1F4000, 5))


def opened(number: int, channel: int, reason: int = 0) -> bytes:
    """A channel is given, or not."""
    back = struct.pack("<IHHII", number, reason, channel, 0x1F4000, 4)
    return summed(struct.pack("<BBH", 0x83, 0, 0x0101), back)


def close_channel(channel: int) -> bytes:
    """A channel is given back."""
    return summed(struct.pack("<BBH", 0xC4, 0, 0x0101), struct.pack("<HH", channel, 0))


def block(channel: int, numbers: tuple[int, int], payload: bytes, *, client: bool) -> bytes:
    """The first block of a message."""
    flags = 0x81 if client else 0x01
    return struct.pack(
        "<BBHIIII", 1, flags, channel, *numbers, len(payload), zlib.crc32(payload)
    ) + payload  # fmt: skip


def more(channel: int, numbers: tuple[int, int], payload: bytes) -> bytes:
    """A further block of the same message, by the server."""
    return struct.pack("<BBHII", 1, 0, channel, *numbers) + payload


def acknowledge(channel: int, number: int) -> bytes:
    """A block has come."""
    return struct.pack("<BBHI", 2, 0x80, channel, number)


def keep_alive(channel: int) -> bytes:
    """A channel is still wanted."""
    return struct.pack("<BBH", 3, 0, channel)


def tag(number: int, content: bytes) -> bytes:
    """A tag: number, length filled up to four bytes, content."""
    size = bytearray()
    left = len(content)
    while not size or left:
        size.append(left & 0x7F)
        left >>= 7
    while len(size) < 3:
        size[-1] |= 0x80
        size.append(0)
    size = bytearray(one | 0x80 for one in size[:-1]) + size[-1:]
    return bytes([number & 0x7F | (0x80 if number > 0x7F else 0)]) + (
        b"\x01" if number > 0x7F else b""
    ) + bytes(size) + content  # fmt: skip


def service(group: int, command: int, session: int, tags: bytes, *, answer: bool = False) -> bytes:
    """A service of the runtime."""
    return struct.pack(
        "<HHHHII", 0xCD55, 12, group | (0x80 if answer else 0), command, session, len(tags)
    ) + tags  # fmt: skip


def login(user: bytes, hidden: bytes) -> bytes:
    """A login; the password is hidden by the challenge."""
    inner = tag(0x10, user) + (tag(0x11, hidden) if hidden else b"")
    front = tag(0x22, struct.pack("<I", 1))
    front += tag(0x23, struct.pack("<I", CHALLENGE)) if hidden else b""
    return service(DEVICE, 2, 0, front + tag(0x81, inner))


def logged_in(session: int, error: int = 0) -> bytes:
    """What a login gives."""
    inner = tag(0x20, struct.pack("<H", error)) if error else tag(0x21, struct.pack("<I", session))
    return service(DEVICE, 2, session, tag(0x82, inner), answer=True)


def main() -> None:
    """Write the captures."""
    tape = Tape()
    tape.known.add((STATION.address, EVERYBODY.address))
    ports = (UDP_PORT, UDP_PORT)
    mine, its = b"\x00\x33", b"\x00\x14"
    now = START
    told = (
        (STATION, EVERYBODY, datagram(NAMES_ASKED, asked(0xC202, 1), b"", mine)),
        (PLC, STATION, datagram(NAMES_TOLD, device_info(1), mine, its)),
        (STATION, PLC, datagram(NAMES_ASKED, asked(0xC201, 2), its, mine)),
        (PLC, STATION, datagram(NAMES_TOLD, asked(0xC201, 2), mine, its)),
        (STATION, PLC, datagram(1, b"\0\0\0\0", its, mine)),
        (PLC, STATION, datagram(2, b"\0\0\0\0", mine, its)),
        (STATION, PLC, datagram(CHANNELS, open_channel(0x1234), its, mine)),
        (PLC, STATION, datagram(CHANNELS, opened(0x1234, 0x0A01), mine, its)),
        (STATION, PLC, datagram(CHANNELS, block(0x0A01, (1, 0), login(b"", b""), client=True),
                                its, mine)),
        (PLC, STATION, datagram(CHANNELS, block(0x0A01, (1, 1), logged_in(0, 0x19), client=False),
                                mine, its)),
        (STATION, PLC, datagram(CHANNELS, keep_alive(0x0A01), its, mine)),
        (STATION, PLC, datagram(CHANNELS, struct.pack("<BBH", 0xC2, 0, 0x0101), its, mine)),
        (STATION, PLC, datagram(CHANNELS, close_channel(0x0A01), its, mine)),
    )  # fmt: skip
    for at, (source, target, data) in enumerate(told):
        tape.datagram(now + at * 10_000, source, target, ports, data)
    tape.write(HERE / "found.pcap")

    tape = Tape()
    line = Connection(tape, STATION, PLC, 50_100, TCP_PORT)
    line.open(START)
    now = START + SECOND
    line.ask(now, on_tcp(NAMES_ASKED, asked(0xC202, 3)))
    line.answer(now + 9_000, on_tcp(NAMES_TOLD, device_info(3)))
    line.ask(now + SECOND, on_tcp(CHANNELS, open_channel(0x8321D481)))
    line.answer(now + SECOND + 9_000, on_tcp(CHANNELS, opened(0x8321D481, 0x0B02)))
    hidden = [bytes([one]) * 32 for one in range(1, 7)]
    talk = [(login(b"Administrator\0", one), logged_in(0, 0x19)) for one in hidden[:-1]]
    talk.append((login(b"Administrator\0", hidden[-1]), logged_in(0x55AA1234)))
    session = 0x55AA1234
    name = b"$PlcLogic$/Application/Application.app\0"
    talk += [
        (service(FILES, 12, session, tag(0x0B, b"$PlcLogic$\0\0\0\0")),
         service(FILES, 12, session, b"", answer=True)),
        (service(FILES, 5, session, tag(0x01, name) + tag(0x02, bytes(8))),
         service(FILES, 5, session, b"", answer=True)),
        (service(FILES, 7, session, tag(0x05, bytes(8))),
         service(FILES, 7, session, tag(0x06, bytes(4)), answer=True)),
        (service(FILES, 8, session, tag(0x07, bytes(8))),
         service(FILES, 8, session, b"", answer=True)),
        (service(APPLICATION, 0x10, session, tag(0x01, b"\1\0\0\0")),
         service(APPLICATION, 0x10, session, b"", answer=True)),
    ]  # fmt: skip
    now += 2 * SECOND
    for at, (asks, says) in enumerate(talk, 1):
        line.ask(now, on_tcp(CHANNELS, block(0x0B02, (at, at - 1), asks, client=True)))
        line.answer(now + 9_000, on_tcp(CHANNELS, block(0x0B02, (at, at), says, client=False)))
        line.ask(now + 12_000, on_tcp(CHANNELS, acknowledge(0x0B02, at)))
        now += SECOND
    line.answer(now, on_tcp(CHANNELS, more(0x0B02, (90, 12), bytes(64))))
    secured = struct.pack("<HHHHII", 0x7557, 12, 2, 1, session, 16) + bytes(16)
    line.ask(now + SECOND, on_tcp(CHANNELS, block(0x0B02, (91, 90), secured, client=True)))
    line.answer(now + SECOND + 9_000,
                on_tcp(CHANNELS, block(0x0B02, (92, 91), secured, client=False)))  # fmt: skip
    line.ask(now + 2 * SECOND, on_tcp(CHANNELS, close_channel(0x0B02)))
    line.close(now + 3 * SECOND)
    tape.write(HERE / "logins.pcap")


if __name__ == "__main__":
    main()
