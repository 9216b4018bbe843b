"""What rules and checks cost: the pipeline with them next to the same without, in turn.

Both are whole runs of ``otsec analyze``, as `otsec.bench` makes them. Without: no rule is read or
judged, and nothing looks at counters (`aggregates.sequences`) and transfers (`aggregates.contents`).
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from otsec.bench import Command, Program, Spent, _analyze, _run, first_packet
from otsec.config import Config
from otsec.errors import InputError, UsageError
from otsec.pipeline import Options

WITH, WITHOUT = "with rules and checks", "without"
MARK = "without-checks"  # how the process that leaves them out is started
WANTED = 0.85  # of the speed that is to be left


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the speed."""

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
    capture: Path, config: Config, options: Options, *, rounds: int, tell: Callable[[str], None]
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
        commands: dict[str, Command] = {WITHOUT: _without(plain), WITH: plain}
        whole: dict[str, list[Spent]] = {one: [] for one in commands}
        start: dict[str, list[Spent]] = {one: [] for one in commands}
        for number in range(1, rounds + 1):
            for one, command in commands.items():
                start[one].append(_run(command(single), one, folder))
                whole[one].append(_run(command(capture), one, folder))
            took = (f"{one} {some[-1].cpu_s:.2f} CPU s" for one, some in whole.items())
            tell(f"pair {number} of {rounds}: {', '.join(took)}")
    programs = {one: Program(one, tuple(whole[one]), tuple(start[one])) for one in commands}
    return Kept(capture, capture.stat().st_size, programs[WITHOUT], programs[WITH])


def _without(command: Command) -> Command:
    """The same command line, run by this module."""

    def without(capture: Path) -> list[str]:
        words = command(capture)
        return [words[0], "-m", "otsec.bench_rules", MARK, *words[3:], "--no-rules"]

    return without


def _leave_out() -> None:
    """Nothing looks at counters and transfers in this process from here on."""
    from otsec.aggregates.contents import Contents  # noqa: PLC0415 - only this process pays
    from otsec.aggregates.sequences import Sequences  # noqa: PLC0415

    Contents.add = Sequences.add = lambda *_: None  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    if sys.argv[1:2] != [MARK]:
        sys.exit(f"{__name__}: is started by `otsec bench --rules`")
    from otsec.cli import main

    _leave_out()
    sys.exit(main(sys.argv[2:]))
