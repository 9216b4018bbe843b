"""``otsec analyze``: read captures into a store and sum up what they show."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.findings import fail_on
from otsec.errors import ConfigError, Exit, InputError, OtsecError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otsec.capture import Source
    from otsec.cli.progress import Progress
    from otsec.config import Config
    from otsec.detect.model import Rule
    from otsec.pipeline import Options, Outcome
    from otsec.policy.model import Policy
    from otsec.store import Store
    from otsec.store.findings import Finding

LEAST_BETWEEN = 50  # judging takes about 2 % of the time before the end
FIRST_S = 1.0  # what it is taken to take before anything is known

EPILOG = """\
A capture is known by its content: one that was read before is not read again, one that has grown
is read on from where it ended, so the same command can be run after an interruption.
With --quiet nothing is summed up, unless --json asks for it.
Without FILE the files of the points in otsec.yaml are read."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "captures",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="pcap or pcapng, also gzip or zstd; a folder: all in it; -: standard input",
    )
    parser.add_argument(
        "-r",
        dest="read",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="the same as FILE",
    )
    options.store(parser)
    engine(parser)
    judging(parser)
    fail_on(parser)
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the summary as one JSON object",
    )
    parser.add_argument(
        "--utc", action="store_true", help="times in UTC instead of the site's zone"
    )
    parser.epilog = EPILOG


def engine(parser: ArgumentParser) -> None:
    """Arguments of every command that reads captures."""
    parser.add_argument("--point", metavar="NAME", help="capture point: the files are one source")
    parser.add_argument("--site", metavar="NAME", help="the site (default: `site` of otsec.yaml)")
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes (default 1): the second writes, further ones dissect; the result is the same",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=None,
        metavar="PACKETS",
        help="packets in a batch; the result is the same",
    )
    parser.add_argument(
        "--checkpoint",
        type=seconds,
        default=None,
        metavar="SECONDS",
        help="time between checkpoints (default 10), up to three times as long where they take long",
    )


def judging(parser: ArgumentParser) -> None:
    """Arguments of every command that judges what was read."""
    options.rules(parser)
    parser.add_argument("--no-rules", action="store_true", help="do not judge what was read")


class Judging:
    """Judges a store again and again as it grows; rules and the site's policy are read once.

    Raises ConfigError for a policy with errors.
    """

    def __init__(self, arguments: Namespace, store: "Store", config: "Config") -> None:
        self.wanted, self.store, self.config = not arguments.no_rules, store, config
        self._rules: list[Rule] | None = None
        self._policy = site_policy(config) if self.wanted else None
        self._ended, self._took = time.monotonic(), FIRST_S

    def judge(self) -> "list[Finding]":
        """The findings of the store as it is now; none where it is not to be judged."""
        if not self.wanted:
            return []
        from otsec.baseline.deviations import judge

        begun = time.monotonic()
        found = judge(self.store, self._read(), self._policy, self.config)
        self._ended = time.monotonic()
        self._took = self._ended - begun
        return found

    def now_and_then(self) -> None:
        """Judge what was written so far, unless that would take more than a part of the time."""
        if self.due():
            self.judge()

    def due(self) -> bool:
        """Whether judging would not take more than a part of the time."""
        return time.monotonic() - self._ended >= self._took * LEAST_BETWEEN

    def version(self) -> str:
        """Which rules are in effect; empty: none are judged."""
        from otsec.detect.loading import version

        return version(self._read()) if self.wanted else ""

    def read_again(self) -> None:
        """Read the rules again at the next judging; those with mistakes are told and left out.

        Of a policy with errors the one before stays in effect.
        """
        from otsec.cli.output import say

        self._rules = None
        try:
            self._policy = site_policy(self.config) if self.wanted else None
        except OtsecError as error:
            say(f"otsec: the policy of before stays in effect\n{error}")

    def _read(self) -> "list[Rule]":
        from otsec.cli.output import say
        from otsec.detect.loading import folders, load

        if self._rules is None:
            loaded = load(folders(self.config.rules))
            for problem in loaded.problems:
                say(f"otsec: {problem} (left out; see otsec rules check)")
            self._rules = loaded.rules
        return self._rules


def site_policy(config: "Config") -> "Policy | None":
    """The policy that otsec.yaml names, to judge by. Raises ConfigError with all its errors."""
    return None if config.policy is None else usable_policy(config.policy)


def usable_policy(path: Path) -> "Policy":
    """A policy to judge by, whatever the time. Raises ConfigError with all its errors."""
    from otsec.policy.checking import usable
    from otsec.policy.problems import as_text

    found = usable(path)
    if found.policy is None:
        wrong = [problem for problem in found.problems if problem.fatal]
        raise ConfigError(as_text(str(path), wrong).rstrip("\n"))
    return found.policy


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"expected a whole number of at least 1, found {text!a}")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds above 0 and at most a day, for argparse."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 86_400:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"expected seconds, more than 0 and at most 86400, found {text!a}")
    return found


def run(arguments: Namespace) -> int:
    """Read the captures, then sum up the store."""
    from otsec.cli.progress import Progress
    from otsec.cli.signals import listening
    from otsec.pipeline import Run, must_open
    from otsec.schedule.recorded import settings
    from otsec.store import open_store

    config = options.configured(arguments, "db", "site", "rules")
    planned = plan(arguments, config)
    must_open(source for sources, _ in planned for source in sources)
    outcomes: list[Outcome] = []
    with listening() as stop, open_store(config.store) as store:
        settings(store, config)
        with Progress(_size(planned), quiet=bool(arguments.quiet)) as progress:
            judging = Judging(arguments, store, config)
            reading = Run(
                *(store, config, options_of(arguments), progress.update, stop.stop_requested),
                written=judging.now_and_then,
                say=progress.tell,
            )
            with reading:
                for sources, named in planned:
                    for outcome in reading.read(sources, named=named):
                        outcomes.append(outcome)
                        tell(outcome, progress)
        if stop.stop_requested():
            judging.judge()
            _tell_stopped(arguments, planned, config)
            return stop.exit
        judging.judge()
        if not arguments.quiet:
            _tell_known(outcomes)
        if not arguments.quiet or arguments.format == "json":
            _sum_up(arguments, store, config, outcomes)
        failed = arguments.fail_on is not None and _fails(store, arguments.fail_on)
    if any(outcome.problem for outcome in outcomes):
        return Exit.INPUT
    return Exit.FINDINGS if failed else Exit.FINE


def _fails(store: "Store", level: str) -> bool:
    """Whether an open finding is of the level that the exit code is to tell of."""
    from otsec.cli.findings import failing
    from otsec.detect.cases import cases

    return failing(cases(store), level)


def _sum_up(
    arguments: Namespace, store: "Store", config: "Config", outcomes: "list[Outcome]"
) -> None:
    from otsec.cli.output import style_of
    from otsec.cli.summary import show

    problems = [problem_of(outcome) for outcome in outcomes if outcome.problem]
    show(store, config, style_of(arguments, config.zone()), problems)


def options_of(arguments: Namespace) -> "Options":
    """How to run, as the command line says."""
    from otsec.model import BATCH_PACKETS
    from otsec.pipeline import CHECKPOINT_S, Options

    return Options(
        workers=arguments.workers,
        batch_packets=arguments.batch or BATCH_PACKETS,
        checkpoint_s=arguments.checkpoint or CHECKPOINT_S,
    )


Planned = list[tuple["list[Source]", bool]]  # sources, and whether a person named their point


def plan(arguments: Namespace, config: "Config") -> Planned:
    """The sources of the files on the command line, else of the points in otsec.yaml."""
    from otsec.pipeline import plan_sources

    named = [*arguments.read, *arguments.captures]
    if named:
        return [(plan_sources(named, arguments.point), arguments.point is not None)]
    planned: Planned = []
    for point in config.points.values():
        if point.files and arguments.point in {None, point.name}:
            planned.append(
                (plan_sources(_files(point.name, point.files, config), point.name), True)
            )
    if not planned:
        raise UsageError(
            "analyze: name a capture, a folder of captures, or - for standard input "
            "(or give points in otsec.yaml their `files`)"
        )
    return planned


def _files(point: str, patterns: "Iterable[str]", config: "Config") -> list[Path]:
    """The captures that the patterns of a point name; relative ones count from otsec.yaml."""
    from glob import glob

    folder = config.path.absolute().parent if config.path else Path()
    found: list[Path] = []
    for pattern in patterns:
        name = str(folder / Path(pattern).expanduser())
        here = [name] if Path(name).exists() else sorted(glob(name, recursive=True))  # noqa: PTH207 - takes absolute patterns
        if not here:
            raise InputError(
                f"{name}: no such file (`files` of point {point!a} in {config.path}); "
                "correct the pattern, or name captures on the command line"
            )
        found += map(Path, here)
    return found


def _size(planned: Planned) -> int | None:
    """Bytes of all captures on disk; None where nobody knows."""
    total = 0
    for path in _paths(planned):
        if not path.is_file():
            return None
        total += path.stat().st_size
    return total


def _paths(planned: Planned) -> "Iterator[Path]":
    for sources, _ in planned:
        for source in sources:
            yield from source.captures


def tell(outcome: "Outcome", progress: "Progress") -> None:
    """Say what is wrong with a capture as soon as it is known."""
    from otsec.cli.output import say

    if outcome.problem:
        progress.clear()
        say(f"otsec: {problem_of(outcome)}")


def problem_of(outcome: "Outcome") -> str:
    """The problem with the name of the file."""
    named = outcome.problem.startswith(str(outcome.path))
    return outcome.problem if named else f"{outcome.path}: {outcome.problem}"


def _tell_known(outcomes: "list[Outcome]") -> None:
    from otsec.cli.output import say

    known = [outcome for outcome in outcomes if outcome.known]
    if len(known) == 1:
        say(f"otsec: {known[0].path} was known already, nothing new in it")
    elif known:
        say(
            f"otsec: {len(known)} of {len(outcomes)} captures were known already, nothing new in them"
        )


def _tell_stopped(arguments: Namespace, planned: Planned, config: "Config") -> None:
    from otsec.capture import passes_once
    from otsec.cli.output import say

    if arguments.quiet:
        return
    if any(map(passes_once, _paths(planned))):
        say(
            f"otsec: stopped; {config.store} holds what came so far, marked incomplete: "
            "standard input and pipes cannot be gone on with"
        )
    else:
        say(f"otsec: stopped; {config.store} holds what came so far, the same command goes on")
