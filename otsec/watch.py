"""Follows a folder in which a recorder writes: files that rotate, grow, and are removed again.

The folder is looked at again and again (polling works on every file system). A capture is read as
far as it goes and gone on with when it has grown; the engines of a point stay from look to look.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, TypeAlias

from otsec.capture import plan, times
from otsec.config import Config
from otsec.errors import InputError, OtsecError, RightsError
from otsec.pipeline import Options, Outcome, Progress, Run, Say
from otsec.store import Store

if TYPE_CHECKING:
    from otsec.engine import Engine

Signature: TypeAlias = tuple[int, int, int]  # inode, size in bytes, time of change in ns

_ENDING = re.compile(r"\.(?:pcapng|pcap|cap|ntar|dmp)(?:[-_.]?\d+)?(?:\.\w+)?$", re.IGNORECASE)


def point_of(path: Path) -> str:
    """The capture point of a file by its name without what rotation adds.

    The name of the folder where nothing else is left, as of ``20260105-0800.pcap``.
    """
    name = plan([path], None)[0].point
    if not _ENDING.search(path.name):  # `tcpdump -C -w trace` writes trace, trace1, trace2
        name = re.sub(r"[-_. ]*\d+$", "", name)
    return name if re.search(r"[^\d\W_]", name) else path.absolute().parent.name


class Following(Run):
    """A run whose points go on: what was read stays in memory from one look to the next."""

    def __init__(
        self,
        store: Store,
        config: Config,
        options: Options,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = lambda _: None,
    ) -> None:
        super().__init__(store, config, options, progress, stop, say=say)
        self.kept: dict[str, dict[str, tuple[int, Engine]]] = {}  # engines by point, interface

    def follow(self, point: str, path: Path) -> Outcome:
        """Read what is new in a capture of a point."""
        self.engines = self.kept.pop(point, {})
        outcome = self._capture(point, path)
        self.kept[point] = self.engines  # not after an error: what was not written is read again
        return outcome


class Folder:
    """What is known of the files of a folder."""

    def __init__(self, path: Path, point: str | None) -> None:
        """``point``: of all files; None: each by its name."""
        self.path, self.point = path, point
        self.seen: dict[Path, Signature] = {}  # how each file was when it was last read
        self.bytes = 0  # read, on disk
        self.packets = 0
        self.captures: set[Path] = set()
        self._open: dict[str, tuple[Path, str]] = {}  # by point: its last capture, what is wrong
        self._refused: dict[Path, tuple[Signature, str]] = {}  # told if it stays so

    def look(self, run: Following) -> Iterator[str]:
        """Read all that is new, in order of time; gives what is wrong, a line each, once."""
        found = self._files()
        for path in self.seen.keys() - found.keys():  # removed by the ring, or renamed
            del self.seen[path]
        yield from self._settled(found)
        new = {path: sign for path, sign in found.items() if self.seen.get(path) != sign}
        for path in self._in_time_order(new):
            if run.stop():
                return
            yield from self._read(run, path, new[path])

    def unfinished(self) -> list[str]:
        """What is wrong with the captures that came last, when nobody will look again."""
        told = [problem for _, problem in self._open.values() if problem]
        return [*told, *(problem for _, problem in self._refused.values())]

    def _files(self) -> dict[Path, Signature]:
        try:
            inside = list(self.path.iterdir())
        except PermissionError as error:
            raise RightsError(
                f"{self.path}: no permission to list it; change its rights"
            ) from error
        except OSError:
            return {}  # gone for a while, as a share that is mounted again
        found = {}
        for path in inside:
            try:
                status = path.stat()
            except OSError:  # removed since
                continue
            if S_ISREG(status.st_mode):
                found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    def _settled(self, found: dict[Path, Signature]) -> Iterator[str]:
        """What was refused and has not changed since."""
        for path, (sign, problem) in list(self._refused.items()):
            del self._refused[path]
            if found.get(path) == sign:
                yield problem

    def _in_time_order(self, new: dict[Path, Signature]) -> list[Path]:
        """The captures with packets among new files, by the time of the first."""
        begun: dict[Path, int] = {}
        for path, sign in new.items():
            first = self._first(path, sign)
            if first is not None:
                begun[path] = first
            else:
                self.seen[path] = sign  # empty so far, or no capture
        return sorted(begun, key=lambda path: (begun[path], path))

    def _first(self, path: Path, sign: Signature) -> int | None:
        try:
            return times(path)[0]
        except InputError:  # no capture, not one yet, or removed since
            return None
        except RightsError as problem:
            self._refused[path] = (sign, str(problem))
            return None

    def _read(self, run: Following, path: Path, sign: Signature) -> Iterator[str]:
        point = self.point or point_of(path)
        try:
            outcome = run.follow(point, path)
        except OtsecError as problem:
            if not isinstance(problem, InputError | RightsError):
                raise
            if path.exists():
                self._refused[path] = (sign, str(problem))
                self.seen[path] = sign
            return
        before = self.seen.get(path, (0, 0, 0))[1] if path in self.captures else 0
        self.bytes += max(sign[1] - before, 0)
        self.packets += outcome.packets
        self.captures.add(path)
        if outcome.complete or not run.stop():
            self.seen[path] = sign
        last, problem_text = self._open.get(point, (path, ""))
        if last != path and problem_text:
            yield problem_text  # another file has begun, so this one will not grow any more
        self._open[point] = (path, outcome.problem)
