"""Captures as files: told by their content, opened, and known again by hashes of it."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from otsec.capture.compressed import Content, open_content
from otsec.capture.contract import Reader
from otsec.capture.intake import CAPACITY, FINGERPRINT, Intake
from otsec.capture.pcap import FILE_HEADER, VARIANTS, PcapReader
from otsec.capture.pcapng import BYTE_ORDER, MAGIC, PcapngReader
from otsec.errors import InputError
from otsec.model import BATCH_PACKETS

HEAD = 512  # bytes looked at to tell what a file is
READERS = {"pcap": PcapReader, "pcapng": PcapngReader}

OTHERS = {  # first bytes of what people take for captures
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"\xfd7zXZ\0": "xz data; unpack it first",
    b"BZh": "bzip2 data; unpack it first",
    b"\x04\x22\x4d\x18": "lz4 data; unpack it first",
    b"Rar!": "a rar archive; unpack it first",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"%PDF": "a PDF",
    b"SQLite format 3\0": "a SQLite database",
    b"snoop\0\0\0": "a Solaris snoop capture; convert it with editcap -F pcapng",
    b"GMBU": "a Network Monitor capture; convert it with editcap -F pcapng",
    b"RTSS": "a Network Monitor capture; convert it with editcap -F pcapng",
    b"\x89PNG": "a picture",
    b"\x1f\x8b": "gzip data inside gzip data; unpack it first",
    b"\x28\xb5\x2f\xfd": "zstd data inside zstd data; unpack it first",
}


def open_capture(
    path: Path | None,
    *,
    batch_packets: int = BATCH_PACKETS,
    state: dict[str, Any] | None = None,
    capacity: int = CAPACITY,
    in_time: bool = False,
    like: Mapping[str, Any] | None = None,
) -> Reader:
    """A reader of the capture at path, of standard input without one.

    With the ``state`` of an earlier reader it goes on where that one was, and as that one did.
    ``capacity`` is the size of the buffer in bytes; ``in_time``: packets that were written a
    little out of order come in order of their time stamps, not as they stand; ``like``: the state
    of a reader that has read the capture, whose packets come in the same order again. Raises
    InputError or RightsError with one line.
    """
    name = str(path or "standard input")
    content = open_content(path)
    try:
        intake = Intake(content, capacity)
        if state is not None and state["offset"]:
            return _resume(name, intake, batch_packets, state)
        return _begin(name, intake, batch_packets, like or {"in_time": in_time})
    except BaseException:
        content.close()
        raise


def _begin(name: str, intake: Intake, batch_packets: int, order: Mapping[str, Any]) -> Reader:
    while intake.end < FILE_HEADER and intake.fill(HEAD):
        pass  # a pipe may give less at once
    head = intake.buffer[: intake.end].tobytes()
    kind = capture_format(head)
    if kind is None:
        raise InputError(f"{name}: {_looks_like(head, intake.content)}")
    return READERS[kind](intake, batch_packets, None, order)


def _resume(name: str, intake: Intake, batch_packets: int, state: dict[str, Any]) -> Reader:
    offset = int(state["offset"])
    if not intake.start_at(offset):
        raise InputError(
            f"{name}: has fewer bytes than the {offset:,} read from it before; "
            "it was changed or damaged, so give it as another point"
        )
    return READERS[state["format"]](intake, batch_packets, state, state)


def capture_format(head: bytes) -> str | None:
    """The format of a capture by its first bytes, None if it is none."""
    if head[:4] in VARIANTS:
        return "pcap"
    if head[:4] == MAGIC and (len(head) < 12 or head[8:12] in BYTE_ORDER):
        return "pcapng"
    return None


def _looks_like(head: bytes, content: Content) -> str:
    if not head:
        return content.damage or "is empty; nothing was captured in it"
    for magic, what in OTHERS.items():
        if head.startswith(magic):
            return f"is no capture but {what}"
    if len(head) < 4:
        return f"is no capture: it has only {len(head)} bytes"
    if all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in head):
        return "is no capture but text; give a pcap or pcapng file"
    return f"is no capture: it begins with {head[:8].hex(' ')}; give a pcap or pcapng file"


# ------------------------------------------------------------------------------------ hashes


def head_hash(path: Path, size: int | None = None) -> tuple[int, str]:
    """How many of the first bytes of the content, at most 64 KiB or size, and their SHA-256."""
    content = open_content(path)
    try:
        head = bytearray(FINGERPRINT if size is None else size)
        view, count = memoryview(head), 0
        while more := content.read_into(view[count:]) if count < len(head) else 0:
            count += more
        return count, sha256(view[:count]).hexdigest()
    finally:
        content.close()


def tail_hash(path: Path, offset: int) -> str:
    """SHA-256 of the last 64 KiB of the content before offset: `Reader.fingerprint` there.

    Raises InputError if the content ends before offset.
    """
    content = open_content(path)
    try:
        intake = Intake(content, capacity=16 * FINGERPRINT)
        if not intake.start_at(offset):
            raise InputError(
                f"{path}: has fewer bytes than the {offset:,} read from it before; "
                "it was changed or damaged, so give it as another point"
            )
        return sha256(intake.before(offset, FINGERPRINT).data).hexdigest()
    finally:
        content.close()
