"""Captures as bytes for tests, written by nothing of otsec; and all packets of a reader."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from struct import pack
from typing import Any

from otsec.capture import Chunk, Drops, Reader, open_capture

MICRO, NANO, KUZNETZOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
START = 1_700_000_000  # seconds
Packet = tuple[int, int, int, bytes]  # interface, time in ns, bytes on the wire, bytes captured


def pcap_header(order: str = "<", magic: int = MICRO, link: int = 1, snaplen: int = 65535) -> bytes:
    """A file header, draft-ietf-opsawg-pcap section 4."""
    return pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)


def pcap_record(
    time_ns: int, data: bytes, order: str = "<", magic: int = MICRO, wire: int | None = None
) -> bytes:
    """A packet record, section 5."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    fraction = rest if magic == NANO else rest // 1000
    wire = len(data) if wire is None else wire
    more = b"\x07\0\0\0\x08\0\0\0" if magic == KUZNETZOV else b""
    return pack(order + "IIII", seconds, fraction, len(data), wire) + more + data


def pcap(
    packets: list[tuple[int, bytes]], order: str = "<", magic: int = MICRO, link: int = 1
) -> bytes:
    """A whole file."""
    records = (pcap_record(time, data, order, magic) for time, data in packets)
    return pcap_header(order, magic, link) + b"".join(records)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block, draft-ietf-opsawg-pcapng section 3.1."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return pack(order + "II", kind, length) + body + pack(order + "I", length)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option, section 3.5."""
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", major: int = 1) -> bytes:
    """A section header, section 4.1."""
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1), order)


def interface(order: str = "<", link: int = 1, snaplen: int = 65535, options: bytes = b"") -> bytes:
    """An interface description, section 4.2."""
    return block(1, pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(
    number: int,
    ticks: int,
    data: bytes,
    order: str = "<",
    options: bytes = b"",
    wire: int | None = None,
) -> bytes:
    """An enhanced packet, section 4.3."""
    wire = len(data) if wire is None else wire
    head = pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def simple(data: bytes, order: str = "<", wire: int | None = None) -> bytes:
    """A simple packet, section 4.4."""
    return block(3, pack(order + "I", len(data) if wire is None else wire) + data, order)


def old_packet(number: int, lost: int, ticks: int, data: bytes, order: str = "<") -> bytes:
    """An obsolete packet block, appendix A."""
    size = len(data)
    head = pack(order + "HHIIII", number, lost, ticks >> 32, ticks & 0xFFFFFFFF, size, size)
    return block(2, head + data, order)


def statistics(number: int, ticks: int, dropped: int, order: str = "<") -> bytes:
    """Interface statistics with isb_ifdrop, section 4.6."""
    head = pack(order + "III", number, ticks >> 32, ticks & 0xFFFFFFFF)
    received = option(4, pack(order + "Q", 99), order)
    return block(5, head + received + option(5, pack(order + "Q", dropped), order), order)


@dataclass
class Read:
    """All that a reader gave."""

    packets: list[Packet] = field(default_factory=list)
    drops: list[Drops] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    reader: Reader | None = None


def packets_of(chunk: Chunk) -> list[Packet]:
    """The packets of a chunk, interface by interface."""
    return [
        (batch.interface, time, wire, batch.buffer[offset : offset + captured].tobytes())
        for batch in chunk.batches
        for offset, captured, wire, time in zip(
            batch.offset.tolist(),
            batch.captured.tolist(),
            batch.wire.tolist(),
            batch.time.tolist(),
            strict=True,
        )
    ]


def read_all(reader: Reader) -> Read:
    """Read to the end."""
    read = Read(reader=reader)
    for chunk in reader.chunks():
        read.packets += packets_of(chunk)
        read.drops += (replace(drop, row=0) for drop in chunk.drops)
        read.ends.append(chunk.end)
    reader.close()
    return read


def read_bytes(folder: Path, content: bytes, name: str = "x.pcap", **options: Any) -> Read:
    """Read content as a file."""
    path = folder / name
    path.write_bytes(content)
    return read_all(open_capture(path, **options))


def numbered(count: int, size: int = 20, step_ns: int = 1_000_000) -> list[tuple[int, bytes]]:
    """Packets that differ, in time order."""
    return [
        (START * 10**9 + row * step_ns, (row.to_bytes(4, "big") * size)[:size])
        for row in range(count)
    ]


def expected(packets: list[tuple[int, bytes]], number: int = 0) -> list[Packet]:
    """What reading such packets must give."""
    return [(number, time, len(data), data) for time, data in packets]
