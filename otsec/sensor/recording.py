"""Evidence: pcapng files that roll, bounded in size and age, readable by their owner only.

A point has a folder of its own, so that `otsec analyze FOLDER` finds one source in it. What the
sensor notes beside packets (ticks, outages, drops) stands between them as statistics blocks, so
that reading the recording gives what listening gave. Source: draft-ietf-opsawg-pcapng.
"""

import os
import re
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from otsec import __version__
from otsec.capture import Drops, Tick
from otsec.capture.intake import FINGERPRINT
from otsec.capture.pcapng import MAX_TICKS, OUTAGE, PACKET_ID, PACKET_ORDINAL, TICK
from otsec.columns import I64, Bytes, windows
from otsec.errors import RightsError, StorageError
from otsec.model import PacketBatch

FILE_BYTES = 256 << 20  # a file is not larger, so that Wireshark opens it with ease
FILES = 20  # in which the whole is divided: what is deleted at once is a twentieth of it
LEAST_FILE_BYTES = 64 << 10
FILE_S = 3600.0  # age at which another file is begun

HEAD = np.dtype(  # enhanced packet block (section 4.3), in front of the packet
    [(name, "<u4") for name in ("type", "size", "interface", "high", "low", "captured", "wire")]
)
PACKET, STATISTICS = 6, 5
COMMENT, LOST = 1, 5  # option codes, of unlike blocks


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept."""

    bytes: int = 10 << 30
    age_s: float = 30 * 86_400.0

    @property
    def file_bytes(self) -> int:
        """Size at which another file is begun."""
        return max(min(self.bytes // FILES, FILE_BYTES), LEAST_FILE_BYTES)

    @property
    def file_s(self) -> float:
        """Age at which another file is begun."""
        return min(FILE_S, self.age_s / FILES)


@dataclass(slots=True)
class File:
    """One file that is, or was, written."""

    path: Path
    first: int = 0  # ordinal of the first packet of the source that is in it
    capture: int = 0  # its number in the store, 0 until it is there
    packets: int = 0  # of the source since it was begun, whether kept or not
    size: int = 0
    fingerprint: str = ""  # SHA-256 of the last 64 KiB; "" where it is no whole recording
    state: dict[str, Any] = field(default_factory=dict)  # as `PcapngReader.state`, or empty


def folder_of(evidence: Path, point: str) -> Path:
    """The folder of a point; its name may hold anything."""
    return evidence / (re.sub(r"[^\w.-]", "_", point).lstrip(".") or "point")


class Recording:
    """Writes the packets of one point.

    ``part``: the word for what is kept, where that is not every byte of every packet. Files are
    then named by it, since they are no captures of the whole source, and each packet bears its
    ordinal within the source. ``pinned`` gives the files that may not be deleted.
    """

    def __init__(
        self,
        folder: Path,
        interface: str,
        link: int,
        bounds: Bounds,
        *,
        part: str = "",
        pinned: Callable[[], set[Path]] = set,
    ) -> None:
        self.folder, self.interface, self.link = folder, interface, link
        self.bounds, self.whole, self.pinned = bounds, not part, pinned
        self._stem = f"{folder.name}-{part}" if part else folder.name
        self.now: File | None = None
        self._done: list[File] = []  # closed since the last checkpoint
        self.deleted = 0
        self._file: IO[bytes] | None = None
        self._time = 0  # of the packet written last
        self._begun = 0  # time of the first packet of the file
        self._tail = bytearray()  # the last bytes, for the fingerprint
        self._ticks = 0
        self._lost = 0
        self._number = 0
        self._make_folder()

    # ------------------------------------------------------------------------- writing

    def packets(
        self, batch: PacketBatch, captured: I64, drops: Sequence[Drops], ordinal: int
    ) -> None:
        """Write packets, of each the first ``captured`` bytes (below 0: not at all)."""
        end = 0
        for drop in drops:
            self._some(batch, captured, end, drop.row, ordinal)
            end = drop.row
            self._note(drop, ordinal + end)
        self._some(batch, captured, end, len(batch), ordinal)

    def lost(self, drops: Sequence[Drops], ordinal: int) -> None:
        """Write what was lost, where there are no packets."""
        for drop in drops:
            self._note(drop, ordinal)

    def tick(self, tick: Tick, ordinal: int) -> None:
        """Write that no packet came."""
        if self._ticks == MAX_TICKS:
            self._close()
        self._note(tick, ordinal)

    def _note(self, told: Drops | Tick, ordinal: int) -> None:
        """Write what is no packet."""
        self._begin_if_need_be(told.time, ordinal)
        if isinstance(told, Tick):
            self._ticks += 1
            why = OUTAGE + b" " + told.outage.encode() if told.outage else TICK
            self._write(statistics(told.time, self._lost, why))
        else:
            self._lost += told.count
            self._write(statistics(told.time, self._lost, b""))

    def _some(self, batch: PacketBatch, captured: I64, begin: int, end: int, ordinal: int) -> None:
        if begin == end:
            return
        rows = slice(begin, end)
        first = int(batch.time[begin])
        self._roll(first)
        self._begin_if_need_be(first, ordinal + begin)
        kept = np.flatnonzero(captured[rows] >= 0) + begin
        if len(kept):
            self._write(
                packet_blocks(batch, kept, captured[kept], None if self.whole else ordinal + kept)
            )
        self._time = int(batch.time[end - 1])
        if self.now is not None:
            self.now.packets += end - begin

    def _roll(self, time: int) -> None:
        """Begin another file if this one is full or old.

        Not before a packet that is earlier than the last: two files of a point may not overlap.
        """
        file = self.now
        if file is None or not file.packets or time < self._time:
            return
        old = (time - self._begun) / 1e9 >= self.bounds.file_s
        if old or file.size >= self.bounds.file_bytes:
            self._close()

    def _begin_if_need_be(self, time: int, ordinal: int) -> None:
        if self.now is not None:
            return
        self._number += 1
        stamp = datetime.fromtimestamp(time // 1_000_000_000, UTC).strftime("%Y%m%d%H%M%S")
        name = f"{self._stem}_{self._number:05d}_{stamp}.pcapng"
        path = self.folder / name
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        self.now = File(path, first=ordinal)
        self._begun = self._time = time
        self._tail.clear()
        self._ticks = self._lost = 0
        self._write(section(time) + interface_block(self.interface, self.link))

    def _write(self, content: Bytes | bytes) -> None:
        if self._file is None or self.now is None:
            return
        view = content.data if isinstance(content, np.ndarray) else memoryview(content)
        written = 0
        while written < len(view):
            written += self._file.write(view[written:]) or 0
        self.now.size += len(view)
        self._tail += view[-FINGERPRINT:]
        del self._tail[:-FINGERPRINT]

    # ------------------------------------------------------------------- files as a whole

    def sync(self) -> None:
        """Bring to the disk what was written, before the store says that it is there."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def take(self) -> list[File]:
        """The files that were closed since the last call, and the one that is written."""
        if self.now is not None:
            self._mark(self.now)
        files, self._done = self._done, []
        return [*files, self.now] if self.now is not None else files

    def pause(self) -> None:
        """End the file: packets come that are not recorded."""
        self._close()

    def give_up(self) -> list[File]:
        """End it where the disk takes no more; gives the files that are whole."""
        if self._file is not None and self.now is not None:
            with suppress(OSError):
                self._file.truncate(self.now.size)
            with suppress(OSError):
                self._close()
        return self.take()

    def close(self) -> None:
        """End the recording."""
        self._close()

    def _mark(self, file: File) -> None:
        """Note how far a file is."""
        if self.whole:
            file.fingerprint = sha256(self._tail).hexdigest()
            file.state = self._state(file)

    def _state(self, file: File) -> dict[str, Any]:
        """From where a reader goes on behind what was written (`PcapngReader.state`)."""
        return {
            "format": "pcapng",
            "offset": file.size,
            "order": "<",
            "first": 0,
            "refused": False,
            "time": self._time,
            "ticks": self._ticks,
            "interfaces": [[self.interface, self.link, 0, 9, 0, self._lost]],
        }

    def _close(self) -> None:
        """End the file at hand."""
        if self._file is None or self.now is None:
            return
        self._mark(self.now)
        self._done.append(self.now)
        file, self._file, self.now = self._file, None, None
        with file:
            os.fsync(file.fileno())

    def stored(self) -> int:
        """Bytes of all files of the point."""
        total = 0
        for path in self.files():
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def prune(self, now: float) -> list[Path]:
        """Delete the oldest files beyond the bounds; gives those that were deleted."""
        files = [path for path in self.files() if self.now is None or path != self.now.path]
        told = [(path, path.stat()) for path in files]
        total = sum(status.st_size for _, status in told) + (self.now.size if self.now else 0)
        kept: set[Path] | None = None
        gone = []
        for path, status in told:
            if total <= self.bounds.bytes and now - status.st_mtime <= self.bounds.age_s:
                continue
            if kept is None:  # asked only where something is to go
                kept = self.pinned()
            if path in kept:
                continue
            path.unlink(missing_ok=True)
            total -= status.st_size
            gone.append(path)
        self.deleted += len(gone)
        return gone

    def files(self, *, whole: bool = False) -> list[Path]:
        """The files of the point, oldest first; ``whole``: only those with every byte."""
        part = "" if whole else r"(?:-[a-z-]+)?"
        name = re.compile(re.escape(self.folder.name) + part + r"_(\d{5,})_\d{14}\.pcapng")
        found = [
            (int(match[1]), path)
            for path in self.folder.iterdir()
            if (match := name.fullmatch(path.name)) and path.is_file()
        ]
        return [path for _, path in sorted(found)]

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.files()
        except PermissionError as error:
            raise RightsError(
                f"{self.folder}: no permission to record there; it is written by the owner of the "
                "store, so give it to the same user"
            ) from error
        except OSError as error:
            raise StorageError(f"{self.folder}: cannot record there: {error.strerror}") from error
        self._number = int(found[-1].name.split("_")[-2]) if found else 0


# ------------------------------------------------------------------------------- blocks


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(time: int) -> bytes:
    """A section header (4.1); the time makes the beginnings of two files differ."""
    told = _option(COMMENT, f"begun at {time}".encode()) + _option(
        4, f"otsec {__version__}".encode()
    )
    return _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + told + _option(0, b""))


def interface_block(name: str, link: int) -> bytes:
    """An interface description (4.2): nanoseconds, no limit of length."""
    told = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")
    return _block(1, struct.pack("<HHI", link, 0, 0) + told)


def statistics(time: int, lost: int, comment: bytes) -> bytes:
    """Interface statistics (4.6): packets lost since the file began, and a word of otsec."""
    told = _option(COMMENT, comment) if comment else b""
    told += _option(LOST, struct.pack("<Q", lost)) + _option(0, b"")
    return _block(STATISTICS, struct.pack("<III", 0, time >> 32, time & 0xFFFF_FFFF) + told)


def packet_blocks(batch: PacketBatch, rows: I64, captured: I64, ordinal: I64 | None) -> Bytes:
    """Enhanced packet blocks (4.3) of some packets, one behind the other."""
    captured = np.minimum(captured, batch.captured[rows])
    padded = captured + 3 & ~3
    more = 0 if ordinal is None else PACKET_ORDINAL.itemsize
    size = HEAD.itemsize + padded + more + 4
    end = np.cumsum(size)
    start = end - size
    blocks: Bytes = np.zeros(int(end[-1]), np.uint8)
    head = np.empty(len(rows), HEAD)
    time = batch.time[rows]
    head["type"], head["size"], head["interface"] = PACKET, size, 0
    head["high"], head["low"] = time >> 32, time & 0xFFFF_FFFF
    head["captured"], head["wire"] = captured, batch.wire[rows]
    _put(blocks, start, head)
    begin = start + HEAD.itemsize
    _copy(blocks, begin, batch.buffer, batch.offset[rows], captured)
    if ordinal is not None:
        told = np.zeros(len(rows), PACKET_ORDINAL)
        told["code"], told["length"], told["ordinal"] = PACKET_ID, 8, ordinal
        _put(blocks, begin + padded, told)
    _put(blocks, end - 4, size.astype("<u4"))
    return blocks


def _put(blocks: Bytes, start: I64, what: NDArray[Any]) -> None:
    """Write fixed pieces at places."""
    piece = np.dtype(f"V{what.dtype.itemsize}")
    windows(blocks, piece)[start] = what.view(piece)


def _copy(blocks: Bytes, to: I64, buffer: Bytes, begin: I64, length: I64) -> None:
    """Copy spans, all of one length at once: a span costs one move then, however long it is."""
    order = np.argsort(length, kind="stable")
    edges = np.flatnonzero(np.diff(length[order], prepend=-1))
    for rows in np.split(order, edges[1:]):
        if size := int(length[rows[0]]):
            span = np.dtype(f"V{size}")
            windows(blocks, span)[to[rows]] = windows(buffer, span)[begin[rows]]
