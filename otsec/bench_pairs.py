"""What rules and checks cost, or baselines: the pipeline with them next to without, in turn.

Both are whole runs of ``otsec analyze``, as `otsec.bench` makes them. Without rules: none is read
or judged, and nothing looks at counters (`aggregates.sequences`) and transfers
(`aggregates.contents`). Without baselines: nothing follows order, rhythms, silences and volumes.
What baselines take by lines and not by packets is measured apart, on the store that comes of it:
learning all that it shows, and judging all of it by what was learned.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from otsec import processes
from otsec.bench import Command, Program, analyze, in_turn, peak_memory, run, times, workplace
from otsec.config import Config
from otsec.pipeline import Options

MODULE = "otsec.bench_pairs"
WITHOUT, ONCE = "without", "once"
BEFORE_NS = 1  # learning has ended before the capture begins: all of it is judged
TITLES = {"learn": "learning", "judge": "judging by them"}


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
class Once:
    """What baselines take whenever a store is learned, or judged by them."""

    name: str
    cpu_s: float  # start-up of a process and all
    peak_memory_bytes: int | None  # anonymous and shared; None: not told on this system


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the speed."""

    part: Part
    capture: Path
    size_bytes: int
    without: Program
    whole: Program
    once: tuple[Once, ...] = ()  # of baselines
    lines: int = 0  # that were learned

    @property
    def ratios(self) -> tuple[float, ...]:
        """The CPU without them by the CPU with them, by round, start-up left out."""
        return times(self.without, self.whole)

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
    with workplace(capture) as folder:
        plain = analyze(config, options, folder)
        commands = {WITHOUT: _without(plain, part), part.title: plain}
        programs = in_turn(commands, capture, rounds, folder, tell)
        once, lines = _learned(plain(capture), folder, tell) if part is BASELINES else ((), 0)
    less, more = programs.values()
    return Kept(part, capture, capture.stat().st_size, less, more, once, lines)


def _without(command: Command, part: Part) -> Command:
    """The same command line, run by this module."""

    def without(capture: Path) -> list[str]:
        _, _, _, *words = command(capture)
        return processes.words(MODULE, part.name, *words, *part.less)

    return without


def _leave_out(part: Part) -> None:
    """Nothing of a part is done in this process from here on."""
    from otsec.aggregates.acknowledgements import (  # noqa: PLC0415 - only this process pays
        Acknowledgements,
    )
    from otsec.aggregates.announcements import Announcements  # noqa: PLC0415
    from otsec.aggregates.answers import Answers  # noqa: PLC0415
    from otsec.aggregates.contents import Contents  # noqa: PLC0415
    from otsec.aggregates.dialogues import Dialogues  # noqa: PLC0415
    from otsec.aggregates.paths import Paths  # noqa: PLC0415
    from otsec.aggregates.phrases import Phrases  # noqa: PLC0415
    from otsec.aggregates.rhythms import Rhythms  # noqa: PLC0415
    from otsec.aggregates.sequences import Sequences  # noqa: PLC0415

    consumers: tuple[Any, ...] = (Contents, Acknowledgements, Answers, Dialogues, Sequences)
    if part is BASELINES:
        consumers = (Announcements, Paths, Phrases, Rhythms)
    for one in consumers:
        one.add = lambda *_: None


# ------------------------------------------------------------------------------- baselines


def _learned(
    words: list[str], folder: Path, tell: Callable[[str], None]
) -> tuple[tuple[Once, ...], int]:
    """What learning and judging take, each in a process of its own; and how many lines there are.

    ``words``: the command that reads the capture.
    """
    from otsec.store import baseline as kept  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415

    path = folder / "whole"
    at = words.index("--db") + 1
    run([*words[:at], str(path), *words[at + 1 :]], "otsec", folder)
    found = []
    for name, title in TITLES.items():
        command = processes.words(MODULE, ONCE, name, str(path))
        cpu_s = run(command, "otsec", folder).cpu_s
        found.append(Once(title, cpu_s, peak_memory(command, folder)))
        tell(f"{title}: {cpu_s:.2f} CPU s")
    with open_store(path, readonly=True) as store:
        return tuple(found), len(kept.lines(store))


def _once(name: str, path: Path) -> None:
    """Learn all that a store shows and end learning everywhere, or judge it."""
    from otsec.baseline.deviations import judge  # noqa: PLC0415 - only this process pays
    from otsec.baseline.learning import end_everywhere, learn  # noqa: PLC0415
    from otsec.detect.loading import folders, load  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415

    with open_store(path) as store:
        if name == "learn":
            learn(store, 1)
            end_everywhere(store, BEFORE_NS)
        else:
            judge(store, load(folders(None)).rules)


def main(arguments: Sequence[str]) -> int | str:
    """What `otsec bench` starts in processes of their own."""
    match arguments:
        case [how, name, path] if how == ONCE:
            _once(name, Path(path))
            return 0
        case [name, *words] if name in PARTS:
            from otsec.cli import main as otsec  # noqa: PLC0415 - the layer above, with less in it

            _leave_out(PARTS[name])
            return otsec(words)
        case _:
            return f"{MODULE}: is started by `otsec bench --rules` or `--baselines`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
