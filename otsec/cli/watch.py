"""``otsec watch``: follow a folder in which a recorder writes captures."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.analyze import Judging, engine, judging, options_of, seconds
from otsec.errors import Exit, InputError

if TYPE_CHECKING:
    from otsec.cli.progress import Progress
    from otsec.config import Config
    from otsec.watch import Folder, Following

STEP_S = 0.1  # how soon a signal is heeded while waiting

EPILOG = """\
Files of tcpdump (-C, -G, -W) and dumpcap (-b) are read in order of time while they are written;
files that the recorder removes again are no error. Only files directly in FOLDER count. Without
--point the files' name without number and time is the capture point.
Ctrl-C or SIGTERM ends it at a checkpoint; run again, it goes on where it ended. Others can read
the store meanwhile."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the recorder writes")
    options.store(parser)
    engine(parser)
    judging(parser)
    parser.add_argument(
        "--every",
        type=seconds,
        default=2.0,
        metavar="SECONDS",
        help="how often to look for what is new (default 2)",
    )
    parser.add_argument("--once", action="store_true", help="read what is there now, then end")
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Follow the folder."""
    from otsec.cli.progress import Progress
    from otsec.cli.signals import listening
    from otsec.schedule.recorded import configuration
    from otsec.store import open_store
    from otsec.watch import Folder, Following

    config = options.configured(arguments, "db", "site", "rules")
    if not arguments.folder.is_dir():
        raise InputError(
            f"{arguments.folder}: no such folder; name the one in which the recorder writes"
        )
    folder = Folder(arguments.folder, arguments.point)
    with listening() as stop, open_store(config.store) as store:
        configuration(store, config, time.time_ns())
        with Progress(None, quiet=bool(arguments.quiet)) as progress:

            def update(_bytes: int, packets: int, label: str) -> None:
                progress.update(folder.bytes, packets, label)

            following = Following(
                *(store, config, options_of(arguments), update, stop.stop_requested), progress.tell
            )
            judge = NewFindings(Judging(arguments, store, config))
            with following:
                problems = _follow(folder, following, progress, arguments, judge)
        if not arguments.quiet:
            _tell(folder, config)
        if arguments.once and problems and not stop.stop_requested():
            return Exit.INPUT
        return stop.exit


class NewFindings:
    """Judges the store whenever there is something new in it, and tells of new findings."""

    def __init__(self, judging: Judging) -> None:
        self.judging = judging
        self.packets = -1  # read when it was judged last
        self.known: set[str] | None = None  # findings that were there before

    def new(self, packets: int) -> "list[str]":
        """A line for each finding that was not there before; the first time for none."""
        if packets == self.packets:
            return []
        self.packets = packets
        return self.judged()

    def judged(self) -> "list[str]":
        """The same, whether there is something new in the store or not."""
        found = self.judging.judge()
        told = [] if self.known is None else [one for one in found if one.id not in self.known]
        self.known = {one.id for one in found}
        return [f"{one.level} {one.title}: {one.seen} (otsec finding {one.short})" for one in told]


def _follow(
    folder: "Folder",
    following: "Following",
    progress: "Progress",
    arguments: Namespace,
    judge: NewFindings,
) -> int:
    """Look again and again until asked to stop; how many problems were told."""
    told = 0

    def tell(line: str) -> None:
        nonlocal told
        told += 1
        progress.tell(line)

    while True:
        for line in folder.look(following):
            tell(line)
        for line in judge.new(folder.packets):
            progress.tell(line)
        if arguments.once or following.stop():
            break
        _wait(arguments.every, following.stop)
    if arguments.once:
        for line in folder.unfinished():
            tell(line)
    return told


def _wait(time_s: float, stop: Callable[[], bool]) -> None:
    end = time.monotonic() + time_s
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(STEP_S, left))


def _tell(folder: "Folder", config: "Config") -> None:
    from otsec.cli.output import say

    captures = len(folder.captures)
    say(
        f"otsec: read {folder.packets:,} packets of {captures:,} capture"
        f"{'' if captures == 1 else 's'} into {config.store}"
    )
