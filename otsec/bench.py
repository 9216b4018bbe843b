"""What the pipeline costs: CPU of whole runs next to tshark's, time by stage, peak memory.

Whole runs are processes of their own, as a user starts them, each with a fresh store. The CPU of
the same command on a capture of one packet is its start-up and is subtracted, on both sides.
"""

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from inspect import isgeneratorfunction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from otsec import processes
from otsec.capture import open_capture
from otsec.config import Config
from otsec.errors import Exit, InputError, UsageError
from otsec.pipeline import Options, Run, plan_sources
from otsec.store import open_store

SAMPLE_S = 0.005  # between two looks at the memory of a run
STAGES = {  # what is timed: module:name, charged with its time less that of what it calls
    "read": ("otsec.pipeline:places",),
    "dissect": ("otsec.engine:dissect", "otsec.engine:dissect_datagrams"),
    "duplicates": (
        "otsec.engine:repeated",
        "otsec.engine:DuplicateTail.check",
        "otsec.engine:DuplicateTail.remember",
    ),
    "fragments": ("otsec.engine:Fragments.add",),
    "flows": ("otsec.engine:find_flows",),
    "framing": ("otsec.engine:speculate",),
    "connections": ("otsec.engine:Engine._flow",),
    "streams": ("otsec.engine:Streams.apply", "otsec.engine:Streams.finish"),
    "plain path": ("otsec.streams.plain:PlainPath.apply",),
    "exchanges": ("otsec.engine:Exchanges.apply",),
    "decode": ("otsec.engine:Cache.decode",),
    "aggregates": (
        "otsec.engine:Engine._note_stations",
        "otsec.engine:Hearing.add",
        "otsec.engine:Hearing.copied",
        "otsec.engine:Hearing.dissected",
        "otsec.engine:Conversations.enter",
        "otsec.engine:Conversations.fold",
        "otsec.engine:Conversations.untracked",
        "otsec.engine:Paths.add",
        "otsec.aggregates.totals:Behaviours.add",
        "otsec.engine:Stamps.add",
        "otsec.engine:Contents.add",
    ),
    "order": (
        "otsec.engine:Phrases.add",
        "otsec.aggregates.totals:Steps.follow",
        "otsec.engine:Sequences.add",
        "otsec.engine:Acknowledgements.add",
        "otsec.engine:Dialogues.add",
        "otsec.engine:Answers.add",
    ),
    "rows and state": (
        "otsec.engine:Engine.take_rows",
        "otsec.engine:Engine.dump",
        "otsec.pipeline:pack",
    ),
    "store": ("otsec.pipeline:Store.checkpoint",),
}
REST = "rest"  # opening and hashing the capture, planning, what lies between the stages


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process and those it started took."""

    cpu_s: float  # user and system
    clock_s: float


@dataclass(frozen=True, slots=True)
class Program:
    """What a program took on the capture, in all rounds."""

    name: str  # with its version
    rounds: tuple[Spent, ...]
    start_ups: tuple[Spent, ...]

    @property
    def start_up(self) -> Spent:
        """The median of the runs on a capture of one packet."""
        return _median(self.start_ups)

    @property
    def net(self) -> tuple[Spent, ...]:
        """Each round without start-up."""
        less = self.start_up
        return tuple(
            Spent(max(one.cpu_s - less.cpu_s, 0.0), max(one.clock_s - less.clock_s, 0.0))
            for one in self.rounds
        )

    @property
    def middle(self) -> Spent:
        """The median of the rounds without start-up."""
        return _median(self.net)


@dataclass(frozen=True, slots=True)
class Stage:
    """CPU of one stage in one round in one process."""

    name: str
    ns: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured."""

    capture: Path
    size_bytes: int
    packets: int
    workers: int
    stages: tuple[Stage, ...]
    otsec: Program
    tshark: Program | None
    peak_memory_bytes: int | None  # anonymous and shared, of all processes; None: not told here

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times the CPU of otsec tshark took, by round; none without tshark."""
        return times(self.tshark, self.otsec) if self.tshark else ()

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return median(self.ratios) if self.ratios else None


def measure(
    capture: Path,
    config: Config,
    options: Options,
    *,
    rounds: int,
    alone: bool,
    tell: Callable[[str], None],
) -> Report:
    """Measure the pipeline on a capture; ``alone``: leave tshark out."""
    with workplace(capture) as folder:
        packets, stages = _by_stage(capture, config, options, folder)
        tell(f"by stage: {packets:,} packets, {sum(one.ns for one in stages) / 1e9:.2f} CPU s")
        commands = {"otsec": analyze(config, options, folder)}
        if not alone and (tshark := shutil.which("tshark")):
            commands["tshark"] = lambda path: [
                tshark, "-n", "-q", "-z", "io,phs", "-r", str(path)
            ]  # fmt: skip
        programs = {
            one: replace(spent, name=_named(one))
            for one, spent in in_turn(commands, capture, rounds, folder, tell).items()
        }
        peak = peak_memory(commands["otsec"](capture), folder)
    return Report(
        capture, capture.stat().st_size, packets, options.workers, stages,
        programs["otsec"], programs.get("tshark"), peak,
    )  # fmt: skip


@contextmanager
def workplace(capture: Path) -> Iterator[Path]:
    """A folder for the stores of runs on a capture that can be measured."""
    if not hasattr(os, "wait4"):
        raise UsageError("bench: this system does not tell the CPU of ended processes (wait4)")
    if not capture.is_file():
        raise InputError(f"{capture}: no such file; bench takes one capture")
    with TemporaryDirectory(prefix="otsec-bench-") as name:
        yield Path(name)


def times(more: Program, less: Program) -> tuple[float, ...]:
    """How many times the CPU of the second the first took, by round, start-up left out."""
    both = zip(more.net, less.net, strict=True)
    return tuple(theirs.cpu_s / mine.cpu_s for theirs, mine in both if mine.cpu_s)


def _median(some: tuple[Spent, ...]) -> Spent:
    return Spent(median(one.cpu_s for one in some), median(one.clock_s for one in some))


# ------------------------------------------------------------------------------- whole runs

Command = Callable[[Path], list[str]]


def in_turn(
    commands: dict[str, Command],
    capture: Path,
    rounds: int,
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, Program]:
    """What each command takes on the capture and on its first packet, one after the other."""
    single = folder / "one.pcap"
    single.write_bytes(first_packet(capture))
    whole: dict[str, list[Spent]] = {name: [] for name in commands}
    start: dict[str, list[Spent]] = {name: [] for name in commands}
    for number in range(1, rounds + 1):
        for name, command in commands.items():
            start[name].append(run(command(single), name, folder))
            whole[name].append(run(command(capture), name, folder))
        took = (f"{name} {some[-1].cpu_s:.2f} CPU s" for name, some in whole.items())
        tell(f"round {number} of {rounds}: {', '.join(took)}")
    return {name: Program(name, tuple(whole[name]), tuple(start[name])) for name in whole}


def analyze(config: Config, options: Options, folder: Path) -> Command:
    """The command line of a run on a capture, each time with another store."""
    numbers = iter(range(1_000_000))

    def command(capture: Path) -> list[str]:
        words = processes.words(processes.OTSEC, "analyze", str(capture), "--quiet")
        words += ["--db", str(folder / f"{next(numbers)}.db"), "--workers", str(options.workers)]
        words += ["--batch", str(options.batch_packets)]
        return words + (["--config", str(config.path)] if config.path else [])

    return command


@contextmanager
def _started(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running process; ended where we are."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command line, or tshark's
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=processes.surroundings(),
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()


def run(words: list[str], program: str, folder: Path) -> Spent:
    """Run to the end; what it took."""
    begin = time.perf_counter()
    with _started(words, folder) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    passed = time.perf_counter() - begin
    _must_have_worked(process.returncode, program, folder)
    for store in folder.glob("*.db*"):
        store.unlink()
    return Spent(used.ru_utime + used.ru_stime, passed)


def _must_have_worked(code: int, program: str, folder: Path) -> None:
    # A damaged capture is measured up to its damage; tshark calls its end an error as well.
    if code in {Exit.FINE, Exit.INPUT} or (program == "tshark" and code > 0):
        return
    said = (folder / "said").read_text("utf-8", "replace").strip().splitlines()
    raise InputError(f"bench: {program} ended with {code}: {said[-1] if said else 'no message'}")


def _named(program: str) -> str:
    if program == "otsec":
        from otsec import __version__  # noqa: PLC0415 - nothing else of the package is wanted

        return f"otsec {__version__}"
    told = subprocess.run(  # noqa: S603
        [shutil.which(program) or program, "--version"], capture_output=True, check=False
    )
    words = told.stdout.decode("utf-8", "replace").split()
    return " ".join([program, *[word.rstrip(".") for word in words if word[:1].isdigit()][:1]])


def first_packet(capture: Path) -> bytes:
    """A capture of the first packet of another one, as classic pcap with nanoseconds."""
    reader = open_capture(capture, batch_packets=1)
    try:
        for chunk in reader.chunks():
            for batch in chunk.batches:
                begin, size = int(batch.offset[0]), int(batch.captured[0])
                seconds, ns = divmod(int(batch.time[0]), 1_000_000_000)
                return (
                    struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, batch.link)
                    + struct.pack("<IIII", seconds & 0xFFFF_FFFF, ns, size, int(batch.wire[0]))
                    + batch.buffer[begin : begin + size].tobytes()
                )
    finally:
        reader.close()
    raise InputError(f"{capture}: has no packets, nothing to measure")


# ------------------------------------------------------------------------------- memory


def peak_memory(words: list[str], folder: Path) -> int | None:
    """The most anonymous and shared memory that all processes of a run had at once, in bytes.

    A run of its own: each look makes the kernel walk the page tables of what it looks at.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        return None
    peak = 0
    with _started(words, folder) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_held, _family(process.pid))))
            time.sleep(SAMPLE_S)
    return peak


def _family(process: int) -> Iterator[int]:
    """The process, and those it started, and those they started."""
    yield process
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in _text(path).split():
            yield from _family(int(child))


def _held(process: int) -> int:
    """Anonymous and shared bytes of a process; of what it shares with others only its part."""
    lines = (line.split() for line in _text(Path(f"/proc/{process}/smaps_rollup")).splitlines())
    return 1024 * sum(int(words[1]) for words in lines if words[0] in {"Pss_Anon:", "Pss_Shmem:"})


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:  # ended meanwhile
        return ""


# ------------------------------------------------------------------------------- stages


@dataclass(slots=True)
class Watch:
    """Charges CPU to the innermost stage that is running."""

    spent: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*STAGES, REST), 0))
    running: list[str] = field(default_factory=lambda: [REST])
    since: int = field(default_factory=time.process_time_ns)

    def enter(self, stage: str) -> None:
        """From now on it is this stage."""
        self._charge()
        self.running.append(stage)

    def leave(self) -> None:
        """From now on it is the stage that was interrupted."""
        self._charge()
        self.running.pop()

    def _charge(self) -> None:
        now = time.process_time_ns()
        self.spent[self.running[-1]] += now - self.since
        self.since = now

    def around(self, stage: str, called: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time charged to the stage."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self.enter(stage)
            try:
                return called(*arguments, **named)
            finally:
                self.leave()

        return timed

    def between(self, stage: str, called: Callable[..., Any]) -> Callable[..., Any]:
        """The same generator function, the time to its next value charged to the stage."""

        def timed(*arguments: Any, **named: Any) -> Iterator[Any]:
            drawn = called(*arguments, **named)
            draw = self.around(stage, lambda: next(drawn, self))
            while (value := draw()) is not self:
                yield value

        return timed


def _by_stage(
    capture: Path, config: Config, options: Options, folder: Path
) -> tuple[int, tuple[Stage, ...]]:
    """(packets, CPU of each stage) of a run in this process."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(folder / "stages.db"))
        watch = stack.enter_context(watched())
        job = Run(store, config, replace(options, workers=1), _unsaid, _never)
        packets = sum(one.packets for one in job.read(plan_sources([capture], None), named=False))
        watch.enter(REST)
    if not packets:
        raise InputError(f"{capture}: has no packets, nothing to measure")
    return packets, tuple(Stage(name, ns) for name, ns in watch.spent.items())


@contextmanager
def watched() -> Iterator[Watch]:
    """Time every stage until the end of the block."""
    watch = Watch()
    kept: list[tuple[Any, str, Any]] = []
    try:
        for stage, names in STAGES.items():
            for name in names:
                owner, last = _owner(name)
                called = getattr(owner, last)
                kept.append((owner, last, called))
                wrap = watch.between if isgeneratorfunction(called) else watch.around
                setattr(owner, last, wrap(stage, called))
        yield watch
    finally:
        for owner, last, called in reversed(kept):
            setattr(owner, last, called)


def _owner(name: str) -> tuple[Any, str]:
    """The module or class that holds what ``module:name`` says, and its name there."""
    module, _, inner = name.partition(":")
    owner: Any = import_module(module)
    *classes, last = inner.split(".")
    for one in classes:
        owner = getattr(owner, one)
    return owner, last


def _unsaid(_done: int, _packets: int, _label: str) -> None:
    """Progress that nobody sees."""


def _never() -> bool:
    return False
