"""Which captures there are, and which of them are one source.

A *source* is one tap with one clock. Rotated files are one source: files of one folder, of one
format and link type, whose names differ only in a number or time, and which do not overlap in
time. Every other file is a source of its own.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeAlias

import numpy as np

from otsec.capture.compressed import open_content
from otsec.capture.files import HEAD, capture_format, open_capture
from otsec.capture.in_time import SET_BACK_NS
from otsec.capture.pcap import PcapReader
from otsec.capture.pcapng import PcapngReader
from otsec.errors import InputError, OtsecError, RightsError

STDIN = Path("-")
TAIL = 1 << 20  # bytes at the end of a file in which its last packet is looked for
FIRST = 1024  # records read at once until a packet comes: blocks without any may be millions
OVERLAP_NS = SET_BACK_NS  # packets are written out of order by less, also across two files
MAX_NUMBERS = 6  # numbers of one name that are tried as the one that rotates

Span: TypeAlias = tuple[int | None, int | None]  # first and last time, None if not known


@dataclass(frozen=True, slots=True)
class Source:
    """One tap with one clock: its capture point, and its captures in time order."""

    point: str
    captures: tuple[Path, ...]


# ----------------------------------------------------------------------------------- finding


def find_captures(paths: Sequence[Path]) -> list[Path]:
    """The captures among files and in folders, by content, in order of path, each once.

    A file that is named stays in the list whatever it is: opening it tells what is wrong. In
    folders, other files are passed over; a capture that may not be read stays.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = list(_captures_below(path))
        if not inside:
            raise InputError(f"{path}: has no capture in it; name a folder with pcap files")
        found += inside
    seen: dict[Path, Path] = {}
    for path in sorted(found):
        seen.setdefault(path.resolve(), path)
    return list(seen.values())


def _captures_below(folder: Path) -> Iterable[Path]:
    waiting, seen = [folder], {folder.resolve()}
    while waiting:
        for path in _listed(waiting.pop()):
            if not path.is_dir():
                if _is_capture(path):
                    yield path
            elif path.resolve() not in seen:  # a link may lead back
                seen.add(path.resolve())
                waiting.append(path)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError as error:
        raise RightsError(f"{folder}: no permission to list it; change its rights") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error


def passes_once(path: Path) -> bool:
    """Whether what was read of the path is gone: standard input, a pipe (``<(zcat x)``), a device."""
    if path == STDIN:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # opening it tells what is wrong
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))


def _is_regular(path: Path) -> bool:
    try:
        return S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _is_capture(path: Path) -> bool:
    if not _is_regular(path):  # a pipe would be waited for
        return False
    try:
        content = open_content(path)
    except RightsError:
        return _NAME.fullmatch(path.name) is not None
    except InputError:
        return False
    try:
        head = bytearray(HEAD)
        return capture_format(bytes(head[: content.read_into(memoryview(head))])) is not None
    finally:
        content.close()


# -------------------------------------------------------------------------------------- times


def times(path: Path) -> Span:
    """Time of the first packet, and of the last where that does not cost reading it all.

    None for what is not known: of pipes both, of an empty capture both, of a compressed one the
    last.
    """
    if not _is_regular(path):
        return None, None
    reader = open_capture(path, batch_packets=FIRST, capacity=2 * TAIL)
    try:
        first = None
        for chunk in reader.chunks():
            if chunk.batches:
                first = min(int(batch.time[0]) for batch in chunk.batches)
                break
        if first is None or reader.size is None:
            return first, None
        return first, _last_in_tail(path, reader.size, reader, first)
    finally:
        reader.close()


def _last_in_tail(path: Path, size: int, reader: object, first: int) -> int | None:
    if size <= TAIL or not isinstance(reader, PcapReader | PcapngReader):
        return _last(path)
    with path.open("rb") as file:
        file.seek(-TAIL, os.SEEK_END)
        tail = np.frombuffer(file.read(TAIL), np.uint8)
    return reader.last_time(tail, first)


def _last(path: Path) -> int | None:
    """Time of the last packet, by reading the whole capture."""
    last = None
    reader = open_capture(path)
    try:
        for chunk in reader.chunks():
            if chunk.batches:
                last = max(int(batch.time[-1]) for batch in chunk.batches)
    finally:
        reader.close()
    return last


def _span(path: Path) -> Span:
    """First and last time, whatever that costs; a capture that cannot be read has none."""
    if not _is_regular(path):
        return None, None
    try:
        first, last = times(path)
        return first, _last(path) if first is not None and last is None else last
    except OtsecError:  # told when it is opened to be read
        return None, None


def _links(path: Path) -> tuple[object, ...]:
    """Format and link types; unlike those of any other file if it cannot be read."""
    if not _is_regular(path):
        return (path,)
    try:
        reader = open_capture(path, capacity=2 * TAIL)
    except OtsecError:
        return (path,)
    try:
        next(reader.chunks(), None)
        return (reader.format, *(interface.link for interface in reader.interfaces))
    finally:
        reader.close()


# ----------------------------------------------------------------------------------- planning


def plan(paths: Sequence[Path], point: str | None) -> list[Source]:
    """The sources of captures, in order of path; with a point, all are one source.

    The name of a point is that of its file without endings (``.pcap``, ``.gz``, ``.pcap3``,
    ``.pcap.1``) and without what tcpdump, dumpcap and logrotate add when they rotate files: a
    date, a date with time, a Unix time, or a number of at least five digits that begins with 0,
    with the separators before it (``ring_00001_20240101120000.pcap`` is ``ring``). Any other
    number is part of the name (``modbus_test_2``), unless files of this plan differ only in it
    and are rotated ones. If nothing is left, the name of the file stays. A name that is taken gets
    the folder's name in front; then ``#2``.
    """
    ordered = sorted(dict.fromkeys(paths))
    if point is not None:
        return [Source(point, _joined(ordered))] if ordered else []
    groups = sorted(_groups(ordered), key=lambda group: min(group[1]))
    taken: set[str] = set()
    sources = []
    for name, captures in groups:
        unique = _unique(name, captures[0], taken)
        taken.add(unique)
        sources.append(Source(unique, captures))
    return sources


def _unique(name: str, path: Path, taken: set[str]) -> str:
    if name not in taken:
        return name
    name = f"{as_text(path.absolute().parent.name)}/{name}"
    number, unique = 2, name
    while unique in taken:
        unique = f"{name}#{number}"
        number += 1
    return unique


def _joined(paths: list[Path]) -> tuple[Path, ...]:
    """Files that the user says are one source, in time order."""
    if len(paths) == 1:
        return tuple(paths)
    ordered, overlap = _in_time_order(paths)
    if overlap is not None:
        one, other = overlap
        raise InputError(
            f"{one} and {other}: overlap in time, so they cannot be one point; "
            "give each a point of its own"
        )
    return ordered


def _in_time_order(paths: list[Path]) -> tuple[tuple[Path, ...], tuple[Path, Path] | None]:
    """Files by the time of their first packet, and two of them that overlap, if any."""
    spans = {path: _span(path) for path in paths}
    begun, latest = {}, 0
    for path in sorted(paths):  # one without packets stays behind the one before it by name
        begun[path] = latest = spans[path][0] or latest
    ordered = sorted(
        paths,
        key=lambda path: (begun[path], spans[path][0] is None, spans[path][1] or 0, path),
    )
    filled = [path for path in ordered if spans[path][0] is not None]
    for one, other in pairwise(filled):
        if _overlap(spans[one], spans[other]):
            return tuple(ordered), (one, other)
    return tuple(ordered), None


def _overlap(one: Span, other: Span) -> bool:
    """Whether two files were written at the same time, the first of them no later."""
    (first, last), (begin, end) = one, other
    if first is None or last is None or begin is None:
        return False
    if begin == first:
        return begin < last
    longer = max(last - first, (end or begin) - begin)
    return begin < last - min(OVERLAP_NS, longer // 2)  # short files may lie side by side in it


# -------------------------------------------------------------------------------------- names

_NAME = re.compile(
    r"(?P<stem>.+?)(?P<ending>\.(?:pcapng|pcap|cap|ntar|dmp))(?:[-_.]?\d+)?"
    r"(?:\.(?:gz|gzip|zst|zstd))?",
    re.IGNORECASE,
)
_PACKED = re.compile(r"\.(?:gz|gzip|zst|zstd)$", re.IGNORECASE)
_DATE = r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[-_.T ]?\d\d([-_.:]?)\d\d(?:\2\d\d)?(?:Z|[+-]\d{4})?)?"
_ROTATION = re.compile(rf"(?:^|[-_. ])(?:{_DATE}{_TIME}|1\d{{9}}|0\d{{4,}})(?=$|[-_. ])")
_NUMBER = re.compile(r"\d+")

Key: TypeAlias = Callable[[str], str | None]


def _stem(path: Path) -> str:
    name = as_text(path.name)
    match = _NAME.fullmatch(name)
    return match["stem"] if match else _PACKED.sub("", name)


def as_text(name: str) -> str:
    """A name of a file as text: bytes that are no UTF-8 (PEP 383) as escapes.

    No store holds such bytes, and escapes keep the names of points apart.
    """
    return name.encode("utf-8", "backslashreplace").decode()


def _ending(path: Path) -> str:
    """The ending without number and compression."""
    match = _NAME.fullmatch(path.name)
    return match["ending"].lower() if match else ""


def _unrotated(stem: str) -> str:
    """A name without the times and numbers that rotation adds; all of it if nothing is left."""
    return _ROTATION.sub("", stem).strip("-_. ") or stem


def _without_number(which: int) -> Key:
    """A name without one of its numbers, counted from the end; None if it has fewer."""

    def key(stem: str) -> str | None:
        numbers = list(_NUMBER.finditer(stem))
        if len(numbers) <= which:
            return None
        number = numbers[-1 - which]
        before, behind = stem[: number.start()], stem[number.end() :]
        return (before + behind).strip("-_. ") if not behind else before + "\0" + behind

    return key


_KEYS: tuple[Key, ...] = (_unrotated, *(_without_number(which) for which in range(MAX_NUMBERS)))


def _groups(paths: list[Path]) -> list[tuple[str, tuple[Path, ...]]]:
    """Name and files, in time order, of each source."""
    groups: list[tuple[str, tuple[Path, ...]]] = []
    left = paths
    for key in _KEYS:
        alike: dict[tuple[Path, str, str], list[Path]] = {}
        for path in left:
            masked = key(_stem(path))
            if masked is not None:
                alike.setdefault((path.absolute().parent, _ending(path), masked), []).append(path)
        for (_, _, masked), same in alike.items():
            groups += ((_tidy(masked) or _stem(one[0]), one) for one in _rotated(same))
        done = {path for _, captures in groups for path in captures}
        left = [path for path in left if path not in done]
    return [*groups, *((_unrotated(_stem(path)), (path,)) for path in left)]


def _tidy(masked: str) -> str:
    """A masked name as one for people."""
    return re.sub(r"[-_. ]*\0", "", masked).strip("-_. ")


def _rotated(paths: list[Path]) -> list[tuple[Path, ...]]:
    """Those of files with like names that are one source."""
    if len(paths) < 2:
        return []
    by_link: dict[tuple[object, ...], list[Path]] = {}
    for path in paths:
        by_link.setdefault(_links(path), []).append(path)
    rotations = []
    for same in by_link.values():
        if len(same) > 1:
            ordered, overlap = _in_time_order(same)
            if overlap is None:
                rotations.append(ordered)
    return rotations
