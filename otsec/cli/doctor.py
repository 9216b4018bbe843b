"""``otsec doctor``: whether this machine has what otsec needs, in words."""

import os
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from otsec.cli import options
from otsec.cli.monitor import duration
from otsec.cli.output import Column, bytes_text, say, style_of, write
from otsec.errors import Exit, OtsecError

if TYPE_CHECKING:
    from otsec.config import Config

LEAST_PYTHON = (3, 11)
LEAST_NUMPY = (1, 26)
LEAST_SQLITE = (3, 24, 0)  # the first that knows INSERT ... ON CONFLICT DO UPDATE
LEAST_FREE_BYTES = 1_000_000_000  # a store grows by megabytes a day; a capture beside it does not
LEAST_MEMORY_BYTES = 1_000_000_000  # one process takes up to 400 MB
WAIT_S = 5.0  # for another program to tell its version
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
)

State = Literal["ok", "note", "problem"]


class Check(NamedTuple):
    """One thing looked at."""

    what: str
    state: State  # note: works, but know it; problem: something required is missing
    found: str
    advice: str = ""
    exit: Exit = Exit.USAGE  # of a problem


COLUMNS = (
    Column("what", "what", about="what was looked at"),
    Column("state", "state", about="ok, note (works, but know it) or problem"),
    Column("found", "found", about="what was found"),
    Column("advice", "what to do", about="what to do about it"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    options.store(parser)
    parser.add_argument(
        "-i",
        "--interface",
        metavar="IF",
        help="also listen on this interface, and judge the mirror",
    )
    parser.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        default=30.0,
        metavar="TIME",
        help="how long to listen (default 30s)",
    )
    options.formats(parser)


def run(arguments: Namespace) -> int:
    """Look at everything; the exit code of the first problem, if there is one."""
    from datetime import UTC

    checks = list(examined(arguments))
    if arguments.interface is not None:
        checks += live(arguments)
    write("checks", COLUMNS, checks, style_of(arguments, UTC), sys.stdout)
    failed = (check.exit for check in checks if check.state == "problem" and check.exit)
    return next(failed, Exit.FINE)


def examined(arguments: Namespace) -> Iterator[Check]:
    """Every check; one that fails does not keep the others from being made."""
    for look in (python, numpy, sqlite, zstandard):
        yield look()
    yield machine()
    config, check = configuration(arguments)
    yield check
    folder = Path(config.store if config else arguments.db or ".").absolute().parent
    for check_folder in (writable, file_system, free_space):
        yield check_folder(folder)
    yield clock()
    yield tshark()


def live(arguments: Namespace) -> Iterator[Check]:
    """What is heard on an interface."""
    from otsec.cli.signals import listening
    from otsec.config import Config
    from otsec.sensor.trial import tried

    config, _ = configuration(arguments)
    folder = Path(config.store if config else ".").absolute().parent
    with listening() as stop:
        if not arguments.quiet:
            say(f"otsec: listening on {arguments.interface} for {arguments.for_s:.0f} s")
        for found in tried(
            arguments.interface,
            arguments.for_s,
            folder if folder.is_dir() else Path(),
            config or Config(),
            stop.stop_requested,
        ):
            yield Check(*found)


# ------------------------------------------------------------------------------- software


def python() -> Check:
    """Python's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= LEAST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "problem", found, "install Python 3.11 or later")


def numpy() -> Check:
    """NumPy's version."""
    try:
        from numpy import __version__ as found
    except ImportError as error:
        return _missing("NumPy", error)
    return _at_least("NumPy", found, LEAST_NUMPY, "update it: python -m pip install -U numpy")


def zstandard() -> Check:
    """The decompressor of .zst captures."""
    try:
        from zstandard import __version__ as found
    except ImportError as error:
        return _missing("zstandard", error)
    return Check("zstandard", "ok", str(found))


def sqlite() -> Check:
    """SQLite's version."""
    try:
        from sqlite3 import sqlite_version as found

        import sqlite_utils  # noqa: F401 - without it no store can be opened
    except ImportError as error:
        return _missing("SQLite", error)
    return _at_least("SQLite", found, LEAST_SQLITE, "use a Python that comes with a newer SQLite")


def _at_least(what: str, found: str, least: tuple[int, ...], advice: str) -> Check:
    numbers = tuple(int(part) for part in found.split(".")[: len(least)] if part.isdecimal())
    if numbers >= least:
        return Check(what, "ok", found)
    wanted = ".".join(map(str, least))
    return Check(what, "problem", f"{found}, older than {wanted}", advice)


def _missing(what: str, error: ImportError) -> Check:
    return Check(what, "problem", f"missing: {error}", "install otsec again, with its dependencies")


def tshark() -> Check:
    """Wireshark's command, which only deep views of single packets want."""
    path = shutil.which("tshark")
    if path is None:
        return Check(
            "tshark", "note", "not installed", "only needed to look into single packets in depth"
        )
    try:
        told = subprocess.run(  # noqa: S603 - the tshark that the user's PATH names
            [path, "--version"],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=WAIT_S,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("tshark", "note", f"does not run: {error}", "otsec works without it")
    return Check("tshark", "ok", told.partition("\n")[0] or "installed")


# ------------------------------------------------------------------------------- machine


def machine() -> Check:
    """Cores and memory."""
    cores, memory = _cores(), _memory_bytes()
    known = "memory unknown" if memory is None else f"{bytes_text(memory)} of memory"
    found = f"{cores} core{'s' if cores != 1 else ''}, {known}"
    if memory is not None and memory < LEAST_MEMORY_BYTES:
        return Check("machine", "note", found, "lower caps in otsec.yaml if runs end for memory")
    return Check("machine", "ok", found)


def _cores() -> int:
    """Cores that this process may use."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _memory_bytes() -> int | None:
    """Memory of the machine, or of the container if that is less; None if nobody tells."""
    known = []
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):  # "max" is no number: no limit
        known.append(int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return min(known, default=None)


def clock() -> Check:
    """Whether the system's clock follows a time server, where the system tells."""
    from otsec.sensor.machine import clock as of_machine

    state = of_machine().state
    if state == "unknown":
        return Check("clock", "note", "not known here", "see that this machine keeps its time")
    if state == "free":
        return Check(
            "clock",
            "note",
            "follows no time server",
            "live captures carry this clock's time: set up NTP (chrony, systemd-timesyncd)",
        )
    return Check("clock", "ok", "follows a time server")


# ------------------------------------------------------------------------------- site


def configuration(arguments: Namespace) -> "tuple[Config | None, Check]":
    """The configuration, if it can be used."""
    try:
        config = options.configured(arguments, "db")
    except OtsecError as error:
        first, *others = str(error).split("\n")
        found = first + (f" (and {len(others)} more)" if others else "")
        return None, Check(
            "configuration",
            "problem",
            found,
            "`otsec config check` tells every mistake",
            error.exit,
        )
    zone = "" if "time_zone" in config.origins else "; times are shown in UTC"
    found = f"{config.path}: no mistakes" if config.path else "no file, defaults"
    return config, Check("configuration", "ok", found + zone)


def writable(folder: Path) -> Check:
    """Whether a store can be made and written in the folder, by making one."""
    advice = "name another place with --db, or `store` in otsec.yaml"
    if not folder.is_dir():
        return Check("store", "problem", f"{folder}: no such folder", advice, Exit.STORAGE)
    try:
        from otsec.store import open_store

        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".otsec-doctor-") as place,
            open_store(Path(place, "probe.db")),
        ):
            log = Path(place, "probe.db-wal").exists()
    except PermissionError:
        found = f"{folder}: not allowed to write"
        return Check("store", "problem", found, advice, Exit.PERMISSION)
    except (OSError, OtsecError) as error:
        return Check("store", "problem", f"{folder}: {error}", advice, Exit.STORAGE)
    except ImportError as error:
        return _missing("store", error)
    if not log:  # SQLite falls back silently where locks or shared memory are missing
        found = f"{folder}: a store can be made, but without write-ahead log"
        return Check("store", "note", found, "nobody can read the store while otsec writes it")
    return Check("store", "ok", f"{folder}: a store with write-ahead log can be made")


def file_system(folder: Path) -> Check:
    """What the store lies on; SQLite's locks do not hold over a network."""
    kind = _file_system(folder)
    if kind is None:
        return Check("file system", "ok", "kind not known here")
    if kind in NETWORK_FILE_SYSTEMS:
        return Check(
            "file system",
            "note",
            f"{kind}, over a network",
            "a store can be damaged there; keep it on a disk of this machine",
        )
    return Check("file system", "ok", kind)


def _file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of the file system that holds the folder, None where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    best, kind = -1, None
    for line in lines:
        _device, where, name, *_ = line.split(" ")
        place = Path(where.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if folder.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), name
    return kind


def free_space(folder: Path) -> Check:
    """Room for the store."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", "note", f"{folder}: {error.strerror}")
    found = f"{bytes_text(free)} free in {folder}"
    if free < LEAST_FREE_BYTES:
        return Check("disk", "note", found, "free some space before long captures")
    return Check("disk", "ok", found)
