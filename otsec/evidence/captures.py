"""Where the packets of a source lie: which capture holds which ordinals, found and verified.

The captures of a point are read in the order in which the store took them up. Where the point has
but one interface the counts of the store tell which file holds an ordinal, and files before it
are not opened; with several interfaces their packets are mixed in each file, so all files before
it are read over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from otsec.capture import find_captures, head_hash, open_capture, tail_hash
from otsec.capture.pcapng import told_ordinals
from otsec.columns import I64
from otsec.errors import InputError, OtsecError
from otsec.model import PacketBatch
from otsec.pipeline import interface_name
from otsec.store import Capture, Store
from otsec.store.references import Tap, taps

CHUNK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame as it was read, and where from."""

    source: int
    ordinal: int
    time: int
    wire: int
    data: bytes
    link: int
    capture: int  # `capture.id`
    number: int | None  # in its file from 1, as Wireshark counts; None: not known


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets of one source that lie one behind the other in one batch."""

    batch: PacketBatch
    ordinal: I64  # of each row, ascending
    capture: int
    number: I64 | None  # of each row within its file, from 1; None with several interfaces


@dataclass(slots=True)
class Library:
    """The captures behind a store, each verified when it is first opened."""

    store: Store
    folder: Path | None = None  # where else to look
    paths: dict[int, Path] = field(default_factory=dict)  # of captures that were verified
    moved: set[int] = field(default_factory=set)  # found elsewhere than where they were read
    _elsewhere: list[Path] | None = None
    _hashes: dict[tuple[Path, int], tuple[int, str]] = field(default_factory=dict)

    def read(
        self,
        tap: Tap,
        begin: int,
        end: int,
        *,
        only: I64 | None = None,
        lacking: list[str] | None = None,
    ) -> Iterator[Stretch]:
        """The batches of a source that hold any of the ordinals from begin to before end.

        ``only``: captures without any of these ordinals are passed over. Raises InputError with
        one line where a capture is gone or is not the one read; where ``lacking`` is given, the
        line goes there and reading goes on behind it.
        """
        captures = self.store.point_captures(tap.site, tap.point)
        alone = not tap.interface and self._single(tap)
        ordinal = 0
        for capture in captures:
            if ordinal >= end:
                return
            if alone and not _holds(ordinal, ordinal + capture.packets, begin, only):
                ordinal += capture.packets
                continue
            try:
                self.path(capture)
            except InputError as problem:
                if lacking is None or not alone:
                    raise
                lacking.append(str(problem))
                ordinal += capture.packets
                continue
            for stretch in self._stretches(capture, tap, ordinal, alone=alone):
                if not alone:
                    ordinal += len(stretch.batch)
                if len(stretch.ordinal) and stretch.ordinal[-1] >= begin:
                    yield stretch
                if len(stretch.ordinal) and stretch.ordinal[-1] + 1 >= end:
                    return
            if alone:
                ordinal += capture.packets

    def _single(self, tap: Tap) -> bool:
        """Whether the point has no other interface."""
        point = (tap.site, tap.point)
        return sum((one.site, one.point) == point for one in taps(self.store)) == 1

    def _stretches(
        self, capture: Capture, tap: Tap, ordinal: int, *, alone: bool
    ) -> Iterator[Stretch]:
        if not capture.packets:
            return
        reader = open_capture(self.path(capture), like=capture.reader_state)
        in_part, end = _is_in_part(capture), ordinal + capture.packets
        before = 0  # packets of the file
        try:
            for chunk in reader.chunks():
                for batch in chunk.batches:
                    if interface_name(reader, batch.interface) != tap.interface:
                        before += len(batch)
                        continue
                    here = ordinal + np.arange(len(batch))
                    told = told_ordinals(batch) if in_part else here + before * alone
                    number = before + 1 + batch.written() if alone else None
                    before += len(batch)
                    ordinal += 0 if alone else len(batch)
                    within = int(np.searchsorted(told, end)) if alone else len(batch)
                    yield Stretch(_front(batch, within), told[:within], capture.id, number)
                if alone and not in_part and before >= capture.packets:
                    return
        finally:
            reader.close()
        if not in_part and before < capture.packets:
            raise InputError(
                f"{self.paths[capture.id]}: has {capture.packets - before:,} packets fewer than "
                "were read from it"
            )

    # ------------------------------------------------------------------ finding files

    def path(self, capture: Capture) -> Path:
        """Where the capture lies now, its content verified; raises InputError."""
        if capture.id in self.paths:
            return self.paths[capture.id]
        told = Path(capture.path)
        problem = self._problem(capture, told)
        found = told if not problem else self._search(capture)
        if found is None:
            hint = (
                f"; nothing in {self.folder} has its content either"
                if self.folder is not None
                else "; if it lies elsewhere now, name the folder with --captures DIR"
            )
            raise InputError(f"{problem}{hint}")
        if problem:
            self.moved.add(capture.id)
        self.paths[capture.id] = found
        return found

    def _problem(self, capture: Capture, path: Path) -> str:
        """What keeps the file from being the capture, ``""`` where it is the one."""
        if capture.path == "-":
            return "the packets came from standard input or a pipe, of which nothing was kept"
        if _is_in_part(capture) and path.name == path.as_posix():  # named like its interface
            return f"the packets were heard on {path} and not recorded"
        if not path.exists():
            return f"{path}: is no longer there"
        try:
            if not self._is(capture, path):
                return f"{path}: is not the capture that was read there, its content has changed"
        except OtsecError as error:
            return str(error)
        return ""

    def _is(self, capture: Capture, path: Path) -> bool:
        """Whether the content of the file begins as the capture's, and is it at the place reached.

        The store keeps both hashes; standard input and pipes have only the second.
        """
        if _is_in_part(capture):  # grows while it is read; each packet bears its ordinal
            return path.name == Path(capture.path).name
        if capture.head_hash:
            key = path, capture.head_length
            if key not in self._hashes:
                self._hashes[key] = head_hash(path, capture.head_length)
            if self._hashes[key] != (capture.head_length, capture.head_hash):
                return False
        if not capture.tail_hash:
            return bool(capture.head_hash)
        try:
            return tail_hash(path, capture.position) == capture.tail_hash
        except InputError:
            return False

    def _search(self, capture: Capture) -> Path | None:
        """A file in the folder that has the content; one of the same name is tried first."""
        if self.folder is None:
            return None
        if self._elsewhere is None:
            self._elsewhere = find_captures([self.folder])
        name = Path(capture.path).name
        for path in sorted(self._elsewhere, key=lambda one: (one.name != name, one)):
            try:
                if self._is(capture, path):
                    return path
            except OtsecError:
                continue
        return None

    # ------------------------------------------------------------------ frames

    def frames(self, tap: Tap, ordinals: I64) -> list[Frame]:
        """The frames of some ordinals of a source, which are ascending and distinct."""
        if not len(ordinals):
            return []
        found: list[Frame] = []
        first, last = int(ordinals[0]), int(ordinals[-1])
        for stretch in self.read(tap, first, last + 1, only=ordinals):
            rows = np.flatnonzero(np.isin(stretch.ordinal, ordinals))
            found += [self._frame(tap, stretch, row) for row in rows.tolist()]
        if len(found) < len(ordinals):
            there = {frame.ordinal for frame in found}
            lost = next(one for one in ordinals.tolist() if one not in there)
            raise InputError(
                f"{tap.name}: packet {lost} is not in the captures read for it, nor was it recorded"
            )
        return found

    def _frame(self, tap: Tap, stretch: Stretch, row: int) -> Frame:
        batch = stretch.batch
        start, size = int(batch.offset[row]), int(batch.captured[row])
        return Frame(
            tap.id,
            int(stretch.ordinal[row]),
            int(batch.time[row]),
            int(batch.wire[row]),
            batch.buffer[start : start + size].tobytes(),
            batch.link,
            stretch.capture,
            None if stretch.number is None else int(stretch.number[row]),
        )


def _holds(first: int, end: int, begin: int, only: I64 | None) -> bool:
    """Whether anything of the ordinals from first to before end is wanted."""
    if only is None:
        return end > begin
    return bool(((only >= first) & (only < end)).any())


def _is_in_part(capture: Capture) -> bool:
    """Whether the sensor recorded it without some packets, or their content."""
    return "evidence" in capture.reader_state


def _front(batch: PacketBatch, count: int) -> PacketBatch:
    """The first packets of a batch."""
    return batch if count >= len(batch) else batch.take(slice(max(count, 0)))


def file_hash(path: Path) -> str:
    """SHA-256 of a file as it lies on disk."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
