"""What rules and checks cost, or baselines: the pipeline with them next to without, in turn.

Both are whole runs of ``otsec analyze``, as `otsec.bench` makes them. Without rules: none is read
or judged, and nothing looks at counters (`aggregates.sequences`) and transfers
(`aggregates.contents`). Without baselines: nothing follows order, rhythms, silences and volumes;
with them all that was captured is learned at the end, learning is ended, and the store is judged
by it.
"""

import os
import sys
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the pipeline that can be left out."""

    name: str  # of the option that measures it
    title: str
    wanted: float  # of the speed that is to be left
    less: tuple[str, ...]  # further words of the command that leaves it out
    more: bool  # whether the command with it is run by this module as well


RULES = Part("rules", "with rules and checks", 0.85, ("--no-rules",), more=False)
BASELINES = Part("baselines", "with baselines", 0.8, (), more=True)
PARTS = {one.name: one for one in (RULES, BASELINES)}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the speed."""

    part: Part
    capture: Path
    size_bytes: int
    without: Program
    whole: Program

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
        commands: dict[str, Command] = {
            WITHOUT: _by_us(plain, WITHOUT, part),
            part.title: _by_us(plain, "with", part) if part.more else plain,
        }
        whole: dict[str, list[Spent]] = {one: [] for one in commands}
        start: dict[str, list[Spent]] = {one: [] for one in commands}
        for number in range(1, rounds + 1):
            for one, command in commands.items():
                start[one].append(_run(command(single), one, folder))
                whole[one].append(_run(command(capture), one, folder))
            took = (f"{one} {some[-1].cpu_s:.2f} CPU s" for one, some in whole.items())
            tell(f"pair {number} of {rounds}: {', '.join(took)}")
    programs = {one: Program(one, tuple(whole[one]), tuple(start[one])) for one in commands}
    return Kept(part, capture, capture.stat().st_size, *programs.values())


def _by_us(command: Command, how: str, part: Part) -> Command:
    """The same command line, run by this module."""

    def ours(capture: Path) -> list[str]:
        words = command(capture)
        less = part.less if how == WITHOUT else ()
        return [words[0], "-m", "otsec.bench_pairs", how, part.name, *words[3:], *less]

    return ours


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


def _judge(words: Sequence[str]) -> None:
    """Learn what was captured, end learning, and judge by it."""
    from otsec.baseline.deviations import judge  # noqa: PLC0415 - only this process pays
    from otsec.baseline.learning import end_everywhere, learn  # noqa: PLC0415
    from otsec.detect.loading import folders, load  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415

    with open_store(Path(words[words.index("--db") + 1])) as store:
        learn(store, 1)
        end_everywhere(store)
        judge(store, load(folders(None)).rules)


def main(arguments: Sequence[str]) -> int:
    """Run a command line of otsec with or without a part."""
    from otsec.cli import main as run  # noqa: PLC0415 - the layer above, as a process of its own

    how, name, *words = arguments
    if how == WITHOUT:
        _leave_out(PARTS[name])
        return run(words)
    code = run(words)
    _judge(words)
    return code


if __name__ == "__main__":
    if sys.argv[1:2] not in ([WITHOUT], ["with"]):
        sys.exit(f"{__name__}: is started by `otsec bench --rules` or `--baselines`")
    sys.exit(main(sys.argv[1:]))
