"""The order of the parts: captures in, checkpoints out, each packet exactly once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from secrets import randbits
from typing import TYPE_CHECKING, Any, Self

from otsec.aggregates.held import watched
from otsec.aggregates.totals import Plan, Sums, Totals
from otsec.anew import rebuild
from otsec.capture import (
    OVERLAP_NS,
    STDIN,
    Chunk,
    Drops,
    Reader,
    Source,
    Tick,
    as_text,
    find_captures,
    head_hash,
    open_capture,
    passes_once,
    plan,
    tail_hash,
    times,
)
from otsec.config import Config
from otsec.engine import Columnar, Engine, Settings, columnar
from otsec.errors import InputError, OtsecError, UsageError
from otsec.memory import keep_memory
from otsec.model import BATCH_PACKETS, PacketBatch
from otsec.protocols import PROTOCOLS
from otsec.state import Unlike, pack, unpack
from otsec.store import Capture, CaptureProgress, Store
from otsec.streams.claim import Registry

if TYPE_CHECKING:
    from otsec.writer import Writer

WRITING = 2  # workers that hold state: this process, and the one that writes
CHECKPOINT_S = 10.0  # so much work is done again after a crash; more where a checkpoint takes long
WORTH, RARER = 20, 3  # it takes a twentieth of the time, or comes three times less often
SOON = 2  # none is written within half that time of the end of a capture, at the pace so far


@dataclass(frozen=True, slots=True)
class Options:
    """How to run; none of it may change what is found."""

    workers: int = 1
    batch_packets: int = BATCH_PACKETS
    checkpoint_s: float = CHECKPOINT_S
    settings: Settings = field(default_factory=lambda: Settings(seed=randbits(63)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one capture in this run."""

    path: Path
    point: str
    packets: int  # read in this run
    known: bool  # nothing of it was new
    complete: bool
    problem: str  # one line, "" where there is none


Progress = Callable[[int, int, str], None]  # bytes of all files, packets, what is being read
Say = Callable[[str], None]
ANEW = (
    "{point}: the store was last written by another version of otsec; it goes on from what is told, "
    "and lets go of connections and requests that were open then (a gap says so)"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a capture at which reading can go on."""

    state: dict[str, Any]
    tail_hash: str

    @classmethod
    def of(cls, reader: Reader) -> "Mark":
        """The place behind the chunk that the reader last gave."""
        return cls(reader.state(), reader.fingerprint())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch stands: in which chunk, and what was told within it and right behind it."""

    interface: int
    drops: tuple[Drops, ...]
    tick: Tick | None
    mark: Mark  # the end of the chunk
    last: bool  # of the chunk


class Run:
    """Reads captures into a store; as a context manager it ends the processes that help."""

    def __init__(
        self,
        store: Store,
        config: Config,
        options: Options,
        progress: Progress,
        stop: Callable[[], bool],
        written: Callable[[], None] = lambda: None,
        say: Say = lambda _: None,
    ) -> None:
        """``written``: called behind each checkpoint within a capture, so that it can be judged.

        ``say``: told, in a line, what the user should know.
        """
        keep_memory()
        self.store, self.config, self.options = store, config, options
        self.progress, self.stop, self.written, self.say = progress, stop, written, say
        self.registry = Registry(PROTOCOLS)
        self.engines: dict[str, tuple[int, Engine]] = {}  # of the point, by interface
        self.done_bytes = self.packets = 0
        self.writer: Writer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.writer is not None:
            self.writer.end()

    # ------------------------------------------------------------------ sources

    def read(self, sources: list[Source], *, named: bool) -> Iterator[Outcome]:
        """Read the captures of all sources; ``named``: a person gave the point's name."""
        alone = len(sources) == 1 and len(sources[0].captures) == 1
        for source in sources:
            try:
                yield from self._captures(source, named=named, alone=alone)
            finally:
                self._let_go()

    def _captures(self, source: Source, *, named: bool, alone: bool) -> Iterator[Outcome]:
        point = source.point
        for path in source.captures:
            if self.stop():
                return
            try:
                if not named:
                    point = self._free_point(source.point, point, path)
                yield self._capture(point, path)
            except OtsecError as problem:
                if alone or not isinstance(problem, InputError):
                    raise
                yield Outcome(path, point, 0, known=False, complete=False, problem=str(problem))

    def _let_go(self) -> None:
        """What comes next, another source or judging, needs the memory."""
        sources = [source for source, _ in self.engines.values()]
        while self.engines:
            self.engines.popitem()[1][1].dissolve()
        if self.writer is not None:
            self.writer.let_go(sources)

    def _free_point(self, wanted: str, now: str, path: Path) -> str:
        """The point of a capture by its file's name: its own, a rotation it goes on, or a new one."""
        if passes_once(path):
            return wanted
        if now != wanted and self.engines:
            return now
        names = [wanted, f"{as_text(path.absolute().parent.name)}/{wanted}"]
        names += [f"{wanted}#{number}" for number in range(2, 10_000)]
        for name in names:
            known = self.store.point_captures(self.config.site, name)
            if not known or self._known(known, path) is not None:
                return name
            if Path(known[-1].path).parent == path.absolute().parent and self._goes_on(name, path):
                return name
        raise UsageError(f"{path}: thousands of captures have this name; name its point by --point")

    def _goes_on(self, point: str, path: Path) -> bool:
        """Whether the capture begins where the point's captures have ended."""
        first, _ = times(path)
        source = self.store.source(self.config.site, point, self._group(point), "")
        clock = self.store.rows("clock", source)
        return first is None or not clock or first >= int(clock[0][3])

    def _group(self, point: str) -> str:
        return self.config.point(point).group

    def _known(self, captures: list[Capture], path: Path) -> Capture | None:
        """The capture in the store whose content begins as this file does."""
        hashes: dict[int, tuple[int, str]] = {}
        for capture in sorted(captures, key=lambda one: -one.head_length):
            size = capture.head_length
            if not capture.head_hash:
                continue
            if not capture.packets and capture.path != _stored(path):
                continue  # a bare file header, as every file of its recorder has
            if size not in hashes:
                hashes[size] = head_hash(path, size)
            if hashes[size] == (size, capture.head_hash):
                return capture
        return None

    # ------------------------------------------------------------------ one capture

    def _capture(self, point: str, path: Path) -> Outcome:
        known = None
        if not passes_once(path):
            known = self._known(self.store.point_captures(self.config.site, point), path)
        if (
            known is not None
            and tail_hash(path, known.position) != known.tail_hash
            and known.position
        ):
            raise InputError(
                f"{path}: its content before byte {known.position:,} has changed since it was "
                "read; analyse it under another --point, or into another store"
            )
        reader = self._open(path, known)
        try:
            if known is not None and known.complete and reader.size == known.position:
                return Outcome(path, point, 0, known=True, complete=True, problem=known.damage)
            source = self._engine(point, "")[0]  # what is no capture leaves no source behind
            if known is None:
                self._must_not_overlap(point, path)
                length, digest = (0, "") if passes_once(path) else head_hash(path)
                number = self.store.add_capture(source, _stored(path), length, digest)
                read = 0
            else:
                number, read = known.id, known.packets
                self.store.move_capture(number, _stored(path))
            return self._read(point, path, reader, number, read)
        finally:
            self.done_bytes += reader.total or reader.consumed
            reader.close()

    def _open(self, path: Path, known: Capture | None) -> Reader:
        state = known.reader_state if known is not None and known.position else None
        return open_capture(
            None if path == STDIN else path,
            batch_packets=self.options.batch_packets,
            state=state,
            in_time=True,
        )

    def _must_not_overlap(self, point: str, path: Path) -> None:
        if passes_once(path):
            return
        engine = self._engine(point, "")[1]
        first, _ = times(path)
        if engine.packets and first is not None and first < engine.last_time - OVERLAP_NS:
            raise InputError(
                f"{path}: begins before what capture point {point!r} has already seen ends; "
                "give captures of one point in order of time, or name another --point"
            )

    def _read(self, point: str, path: Path, reader: Reader, number: int, before: int) -> Outcome:
        begun = time.monotonic()
        packets, due, stopped = 0, begun + self.options.checkpoint_s, False
        touched: set[str] = set()
        mark = first = Mark.of(reader)
        for place, batch, prepared in self._batches(reader):
            mark = place.mark
            if batch is not None or place.drops or place.tick:
                name = interface_name(reader, place.interface)
                touched.add(name)
                take(self._engine(point, name)[1], place, batch, prepared)
            if batch is not None:
                packets += len(batch)
                self.packets += len(batch)
            if not place.last:
                continue
            self.progress(self.done_bytes + reader.consumed, self.packets, path.name)
            stopped = self.stop()
            if stopped:
                break
            now = time.monotonic()
            if now >= due and not self._ends_soon(reader.size, first, mark, now - begun):
                self._checkpoint(
                    mark, number, before + packets, touched, complete=False, settle=False
                )
                self.written()
                due = self._next_due(now)
        damage = "" if reader.damage is None else reader.damage.text
        complete = reader.complete and not stopped
        if stopped:
            damage = ""
        else:
            mark = Mark.of(reader)
        self._checkpoint(mark, number, before + packets, touched, complete=complete, damage=damage)
        problem = f"{path}: {damage}" if damage else ""
        nothing_new = complete and before > 0 and packets == 0
        return Outcome(path, point, packets, nothing_new, complete, problem)

    def _ends_soon(self, size: int | None, first: Mark, mark: Mark, took: float) -> bool:
        """Whether the last checkpoint of a capture comes soon; ``took``: s from mark to mark."""
        begin, here = (int(one.state["offset"]) for one in (first, mark))
        soon = self.options.checkpoint_s / SOON
        return size is not None and (size - here) * took < (here - begin) * soon

    def _next_due(self, began: float) -> float:
        """When the next checkpoint is due, behind one that is written; ``began``: with it."""
        now, usual = time.monotonic(), self.options.checkpoint_s
        return now + max(usual, min(WORTH * (now - began), RARER * usual))

    def _batches(
        self, reader: Reader
    ) -> Iterator[tuple[Place, PacketBatch | None, Columnar | None]]:
        """Each batch prepared, in order; a chunk without packets comes without a batch."""
        settings = self.options.settings
        beside = self.options.workers - WRITING
        if beside <= 0:
            for place, batch in places(reader):
                prepared = None if batch is None else columnar(batch, self.registry, settings)
                yield place, batch, prepared
            return
        from otsec.workers import Workers  # noqa: PLC0415 - costs start-up, and few want it

        with Workers(beside, settings) as workers:
            yield from workers.map(places(reader))

    # ------------------------------------------------------------------ store

    def _engine(self, point: str, interface: str) -> tuple[int, Engine]:
        known = self.engines.get(interface)
        if known is not None:
            return known
        source = self.store.source(self.config.site, point, self._group(point), interface)
        engine = self._new_engine(source)
        state = self.store.state(source)
        if state:
            try:
                engine.load(
                    {name: unpack(data) for name, data in state.items()},
                    {table: self.store.rows(table, source) for table in engine.tables},
                )
            except Unlike:
                engine = self._new_engine(source)
                rebuild(engine, self.store, source)
                self.say(ANEW.format(point=point))
        self.engines[interface] = source, engine
        return source, engine

    def _new_engine(self, source: int) -> Engine:
        caps, settings, plan = self.config.caps, self.options.settings, self._plan()
        if self.options.workers > 1:
            totals: Sums = self._its_writer(plan).totals(source, self.store.turn(source))
        else:
            totals = Totals(plan)
        return Engine(self.registry, caps, settings, totals, plan.watch)

    def _plan(self) -> Plan:
        config, registry, watch = self.config, self.registry, watched(self.config.state_from)
        return Plan(
            *(config.caps, self.options.settings.seed, registry.routine, registry.telling),
            *(watch, bool(config.states) or watch is not None),
        )

    def _its_writer(self, plan: Plan) -> "Writer":
        from otsec.writer import Writer  # noqa: PLC0415 - costs start-up, and few want it

        if self.writer is None:
            self.writer = Writer(self.store.path, plan)
        return self.writer

    def write(
        self,
        engines: Iterable[tuple[int, Engine]],
        progress: Sequence[CaptureProgress],
        *,
        settle: bool = True,
    ) -> None:
        """Write what changed of some sources, and how far captures were read: a checkpoint.

        ``settle``: it is in the store when this comes back, also where another process writes.
        """
        engines = list(engines)
        rows: dict[str, list[Iterable[Any]]] = {}
        for source, engine in engines:
            for table, part in engine.take_rows(source).items():
                rows.setdefault(table, []).append(part)
        whole = {table: chain.from_iterable(parts) for table, parts in rows.items()}
        state = (  # packed as it is written: together it takes as much room as all tables
            (source, module, pack(data))
            for source, engine in engines
            for module, data in engine.dump()
        )
        sources = [source for source, _ in engines]
        if self.writer is None:
            self.store.checkpoint(whole, progress, state, sources)
            return
        self.writer.checkpoint(whole, progress, state, sources)
        if settle:
            self.writer.settle()

    def _checkpoint(
        self,
        mark: Mark,
        number: int,
        packets: int,
        touched: set[str],
        *,
        complete: bool,
        damage: str = "",
        settle: bool = True,
    ) -> None:
        progress = CaptureProgress(
            number, mark.tail_hash, int(mark.state["offset"]), packets, complete, damage, mark.state
        )
        self.write([self.engines[name] for name in sorted(touched)], [progress], settle=settle)


def take(
    engine: Engine, place: Place, batch: PacketBatch | None, prepared: Columnar | None
) -> None:
    """Give the engine of a source what stands at a place."""
    if batch is not None and prepared is not None:
        engine.apply(batch, prepared, place.drops)
    else:
        engine.lost(place.drops)
    if place.tick is not None:
        engine.tick(place.tick)


def places(reader: Reader) -> Iterator[tuple[Place, PacketBatch | None]]:
    """Each batch of a capture with its place; what is told apart from packets has none."""
    for chunk in reader.chunks():
        mark = Mark.of(reader)
        parts = parts_of(chunk) or [(0, None, (), None)]
        for number, (interface, batch, drops, tick) in enumerate(parts, 1):
            yield Place(interface, drops, tick, mark, number == len(parts)), batch


Part = tuple[int, PacketBatch | None, tuple[Drops, ...], Tick | None]


def parts_of(chunk: Chunk) -> list[Part]:
    """The batches of a chunk, cut where a tick stands between packets, with what was told."""
    batches = {batch.interface: batch for batch in chunk.batches}
    drops: dict[int, list[Drops]] = {}
    ticks: dict[int, list[Tick]] = {}
    for drop in chunk.drops:
        drops.setdefault(drop.interface, []).append(drop)
    for tick in chunk.ticks:
        ticks.setdefault(tick.interface, []).append(tick)
    parts: list[Part] = []
    for interface in {**batches, **drops, **ticks}:
        batch, begin = batches.get(interface), 0
        lost = drops.get(interface, [])
        for tick in ticks.get(interface, ()):
            mine = tuple(replace(one, row=one.row - begin) for one in lost if one.row <= tick.row)
            lost = lost[len(mine) :]
            parts.append((interface, rows_of(batch, begin, tick.row), mine, tick))
            begin = tick.row
        rest = rows_of(batch, begin, None)
        if rest is not None or lost:
            mine = tuple(replace(one, row=one.row - begin) for one in lost)
            parts.append((interface, rest, mine, None))
    return parts


def rows_of(batch: PacketBatch | None, begin: int, end: int | None) -> PacketBatch | None:
    """Some packets of a batch, in place; None where there are none."""
    if batch is None or not len(batch.offset[begin:end]):
        return None
    if begin == 0 and end is None:
        return batch
    return batch.take(slice(begin, end))


def _stored(path: Path) -> str:
    return "-" if passes_once(path) else str(path.absolute())


def interface_name(reader: Reader, number: int) -> str:
    """What tells the interfaces of a capture apart; the first needs no name."""
    if number == 0:
        return ""
    return f"{number}:{reader.interfaces[number].name}"


def plan_sources(paths: list[Path], point: str | None) -> list[Source]:
    """The sources of what a command line names: files, folders, ``-``."""
    if STDIN in paths:
        if len(paths) > 1:
            raise UsageError("-: standard input is a source of its own; give it alone")
        return [Source(point or "stdin", (STDIN,))]
    return plan(find_captures(paths), point)


def must_open(sources: Iterable[Source]) -> None:
    """See that one of the captures can be read, before a store is made for it.

    Raises InputError where none can, with what is wrong with the first.
    """
    problems: list[InputError] = []
    for path in (path for source in sources for path in source.captures):
        if passes_once(path):
            return  # what is looked at here would be gone
        try:
            open_capture(path).close()
        except InputError as error:
            problems.append(error)
        else:
            return
    if len(problems) > 1:
        raise InputError(f"{problems[0]} (none of the {len(problems)} captures can be read)")
    if problems:
        raise problems[0]
