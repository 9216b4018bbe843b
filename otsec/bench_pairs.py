"""What rules and checks cost, or baselines: the pipeline with them next to without, in turn.

Both are whole runs of ``otsec analyze``, as `otsec.bench` makes them. Without rules: none is read
or judged, and nothing looks at counters (`aggregates.sequences`) and transfers
(`aggregates.contents`). Without baselines: nothing follows order, rhythms, silences and volumes.
With them the store holds, when the run begins, all that was learned of the same capture, and no
scope learns any more; so at its end everything is judged. Learning itself is a step of its own and
is timed apart.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from otsec.bench import Command, Program, Spent, _analyze, _run, first_packet
from otsec.config import Config
from otsec.errors import InputError, UsageError
from otsec.pipeline import Options

WITHOUT = "without"
BEFORE_NS = 1  # learning has ended before the capture begins: all of it is judged


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the pipeline that can be left out."""

    name: str  # of the option that measures it
    title: str
    wanted: float  # of the speed that is to be left
    less: tuple[str, ...] = ()  # further words of the command that leaves it out


RULES = Part("rules", "with rules and checks", 0.85, ("--no-rules",))
BASELINES = Part("baselines", "with baselines", 0.8)
PARTS = {one.name: one for one in (RULES, BASELINES)}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the speed."""

    part: Part
    capture: Path
    size_bytes: int
    without: Program
    whole: Program
    learning_cpu_s: float | None = None  # of baselines: what learning all of it takes, once
    lines: int = 0  # that were learned

    @property
    def ratios(self) -> tuple[float, ...]:
        """The CPU without them by the CPU with them, by round, start-up left out."""
        both = zip(self.without.net, self.whole.net, strict=True)
        return tuple(less.cpu_s / more.cpu_s for less, more in both if more.cpu_s)

    @property
    def ratio(self) -> float | None:
        """The median of them; None where the runs take no time."""
        return median(self.ratios) if self.ratios else None


def compare(
    part: Part,
    capture: Path,
    config: Config,
    options: Options,
    *,
    rounds: int,
    tell: Callable[[str], None],
) -> Kept:
    """Run both in turn, each on the capture and on its first packet."""
    if not hasattr(os, "wait4"):
        raise UsageError("bench: this system does not tell the CPU of ended processes (wait4)")
    if not capture.is_file():
        raise InputError(f"{capture}: no such file; bench takes one capture")
    with TemporaryDirectory(prefix="otsec-bench-") as name:
        folder = Path(name)
        single = folder / "one.pcap"
        single.write_bytes(first_packet(capture))
        plain = _analyze(config, options, folder)
        commands: dict[str, Command] = {WITHOUT: _without(plain, part), part.title: plain}
        taken: tuple[float | None, int] = (None, 0)
        if part is BASELINES:
            template = folder / "learned"
            taken = _learned(plain(capture), template, folder)
            tell(f"learned {taken[1]} lines: {taken[0]:.2f} CPU s")
            commands[part.title] = _upon(plain, template)
        whole: dict[str, list[Spent]] = {one: [] for one in commands}
        start: dict[str, list[Spent]] = {one: [] for one in commands}
        for number in range(1, rounds + 1):
            for one, command in commands.items():
                # to take up a baseline is a part of its costs, so it is no start-up
                start[one].append(_run((command if part is RULES else plain)(single), one, folder))
                whole[one].append(_run(command(capture), one, folder))
            took = (f"{one} {some[-1].cpu_s:.2f} CPU s" for one, some in whole.items())
            tell(f"pair {number} of {rounds}: {', '.join(took)}")
    programs = {one: Program(one, tuple(whole[one]), tuple(start[one])) for one in commands}
    less, more = programs.values()
    return Kept(part, capture, capture.stat().st_size, less, more, *taken)


def _without(command: Command, part: Part) -> Command:
    """The same command line, run by this module."""

    def without(capture: Path) -> list[str]:
        words = command(capture)
        return [words[0], "-m", "otsec.bench_pairs", part.name, *words[3:], *part.less]

    return without


def _leave_out(part: Part) -> None:
    """Nothing of a part is done in this process from here on."""
    from otsec.aggregates.announcements import Announcements  # noqa: PLC0415 - only this process pays
    from otsec.aggregates.contents import Contents  # noqa: PLC0415
    from otsec.aggregates.paths import Paths  # noqa: PLC0415
    from otsec.aggregates.rhythms import Rhythms  # noqa: PLC0415
    from otsec.aggregates.sequences import Sequences  # noqa: PLC0415
    from otsec.aggregates.steps import Steps  # noqa: PLC0415

    consumers: tuple[Any, ...] = (Contents, Sequences)
    if part is BASELINES:
        consumers = (Announcements, Paths, Rhythms, Steps)
    for one in consumers:
        one.add = lambda *_: None


# ------------------------------------------------------------------------------- baselines


def _learned(words: list[str], template: Path, folder: Path) -> tuple[float, int]:
    """Write a store that holds only what was learned of a capture: CPU seconds, and lines.

    ``words``: the command that reads it.
    """
    from otsec.baseline.learning import end_everywhere, learn  # noqa: PLC0415
    from otsec.store import baseline as kept  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415

    path = folder / "whole"
    words = [*words[: words.index("--db") + 1], str(path), *words[words.index("--db") + 2 :]]
    _run(words, "otsec", folder)
    with open_store(path) as whole, open_store(template) as store:
        begin = time.process_time()
        learn(whole, 1)
        took = time.process_time() - begin
        end_everywhere(whole)
        lines = kept.lines(whole)
        ends = [one._replace(ended=BEFORE_NS) for one in kept.ended(whole)]
        kept.keep(store, [one._replace(since=BEFORE_NS) for one in lines], ends)
    path.unlink()
    return took, len(lines)


def _upon(command: Command, template: Path) -> Command:
    """The same command line, into a store that holds a baseline."""

    def upon(capture: Path) -> list[str]:
        words = command(capture)
        shutil.copy(template, words[words.index("--db") + 1])
        return words

    return upon


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PARTS:
        sys.exit(f"{__name__}: is started by `otsec bench --rules` or `--baselines`")
    from otsec.cli import main

    _leave_out(PARTS[sys.argv[1]])
    sys.exit(main(sys.argv[2:]))
