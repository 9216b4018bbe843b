"""Writes pcapng: frames as they were captured, each with comments that say why it is there.

Source: draft-ietf-opsawg-pcapng. Little-endian, time stamps in nanoseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import pack

SECTION, INTERFACE, ENHANCED = 0x0A0D0D0A, 1, 6  # block types, 11.3.1
COMMENT, USER_APPLICATION = 1, 4  # options of any block, and of a section header (4.1)
NAME, DESCRIPTION, RESOLUTION = 2, 3, 9  # options of an interface (4.2)
END = pack("<HH", 0, 0)
LONGEST_OPTION = 0xFFFF - 3  # bytes; its length is told in 16 bits
MAX_TIME = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Interface:
    """Where frames were captured."""

    link: int  # LINKTYPE_ number
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame to write."""

    interface: int  # position among the interfaces
    time: int  # ns since 1970
    wire: int
    data: bytes
    comments: tuple[str, ...]


def capture(
    application: str,
    comments: Sequence[str],
    interfaces: Sequence[Interface],
    packets: Iterable[Packet],
) -> bytes:
    """A whole file of one section."""
    section = [(COMMENT, text) for text in comments] + [(USER_APPLICATION, application)]
    head = pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options(section)
    blocks = [_block(SECTION, head)]
    for one in interfaces:
        options = _options([(NAME, one.name), (DESCRIPTION, one.description), (RESOLUTION, b"\t")])
        blocks.append(_block(INTERFACE, pack("<HHI", one.link, 0, 0) + options))
    blocks += [_packet(one) for one in packets]
    return b"".join(blocks)


def _packet(one: Packet) -> bytes:
    time = min(max(one.time, 0), MAX_TIME)
    front = pack(
        *("<IIIII", one.interface, time >> 32, time & 0xFFFF_FFFF, len(one.data), one.wire)
    )
    comments = _options([(COMMENT, text) for text in one.comments])
    return _block(ENHANCED, front + _padded(one.data) + comments)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return pack("<II", kind, length) + body + pack("<I", length)


def _options(options: Sequence[tuple[int, str | bytes]]) -> bytes:
    told = b""
    for code, value in options:
        data = _cut(value) if isinstance(value, str) else value
        if data:
            told += pack("<HH", code, len(data)) + _padded(data)
    return told + END if told else b""


def _cut(text: str) -> bytes:
    """UTF-8, no longer than an option may be, no letter cut in two."""
    data = text.encode("utf-8", "replace")
    if len(data) <= LONGEST_OPTION:
        return data
    return data[:LONGEST_OPTION].decode("utf-8", "ignore").encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
