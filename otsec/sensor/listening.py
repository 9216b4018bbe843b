"""Listening on interfaces with the pipeline that reads captures: same ticks, checkpoints, store.

An interface is one source with a point of its own. What is applied to its engine is written to its
recording in the same order, so reading the recording gives the same store.
"""

import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from otsec.capture import Drops, Tick, head_hash
from otsec.capture.live import interface
from otsec.capture.live.contract import InterfaceGone, Tap
from otsec.config import Config
from otsec.engine import Columnar, Engine, columnar
from otsec.errors import InputError
from otsec.model import TICK_NS, PacketBatch
from otsec.pipeline import WRITING, Options, Say
from otsec.sensor.kept import Evidence, kept
from otsec.sensor.recording import File, Recording
from otsec.sensor.resuming import read_on
from otsec.store import CaptureProgress, Store
from otsec.store.retention import retire
from otsec.streams.clock import BACK_NS
from otsec.watch import Following
from otsec.workers import Task, Workers

GATHER_S = 1.0  # packets are gathered for so long: a batch has its price, however few are in it
SETTLE_S = 0.5  # the kernel holds a block back for no longer
LOOK_S = 0.02  # how often the rings are looked at meanwhile
HURRY = 0.25  # of a ring: above this nothing more is waited for
LATE_NS = 1_000_000_000  # what the kernel holds back is not older than this
RETRY_S = 2.0  # between two tries to open an interface
RETIRE_S = 3600.0  # between two looks at what has grown old
QUIET_S = 60.0  # between checkpoints while no packet comes
# Of a ring that waits: what is given up from there on, and until it is nearly empty again.
SHED = ((0.5, "bodies"), (0.75, "recording"))
RELIEVED = 0.1
MANY = 1 << 30
SHED_WORDS = {
    "": "keeps up again: everything is recorded as asked for",
    "bodies": "cannot keep up: only headers are recorded, until it can again",
    "recording": "cannot keep up: nothing is recorded, until it can again",
}

Label: TypeAlias = tuple["Ear", tuple[Drops, ...]]


@dataclass(slots=True)
class Ear:
    """One interface: what is open of it, and where its packets go."""

    name: str
    point: str
    source: int
    engine: Engine
    recording: Recording | None
    evidence: Evidence
    tap: Tap | None = None
    why: str = "otsec was not listening"  # since the packet or tick before
    retry_at: float = 0.0
    last: int = 0  # time of the last packet or tick
    heard: bool = False  # whether packets came since the last checkpoint
    shed: str = ""
    fullest: float = 0.0  # share of the ring, since the last heartbeat
    lag_ns: int = 0  # the longest between a packet and its work, since then
    live: File | None = None  # packets that are in no whole recording
    done: list[File] = field(default_factory=list)  # the same, ended
    received: int = 0  # of taps that are closed
    bytes: int = 0
    dropped: int = 0

    def total(self, name: str) -> int:
        """Packets ``received``, ``bytes``, or packets ``dropped``, over all taps."""
        return int(getattr(self, name)) + (getattr(self.tap.tally, name) if self.tap else 0)


class Listening(Following):
    """A run over interfaces instead of files."""

    def __init__(
        self,
        store: Store,
        config: Config,
        options: Options,
        stop: Callable[[], bool],
        open_tap: Callable[[str], Tap],
        say: Say,
    ) -> None:
        super().__init__(store, config, options, lambda *_: None, stop, say)
        self.open_tap = open_tap
        self.ears: list[Ear] = []
        self._workers: Workers | None = None
        self._coming: deque[Task[Label]] = deque()  # batches of which the columns are being made
        self._due = time.monotonic() + options.checkpoint_s
        self._quiet_due = time.monotonic() + QUIET_S
        self._retire_due = 0.0

    # ------------------------------------------------------------------------ beginning

    def add(self, name: str, point: str, recording: Recording | None, evidence: Evidence) -> Ear:
        """Take up an interface where an earlier run has left it."""
        if recording is not None and recording.whole:
            self._catch_up(point, recording)
        self.engines = self.kept.pop(point, {})
        source, engine = self._engine(point, "")
        self.kept[point] = self.engines
        if recording is not None:
            self._read_on(source, engine, recording)
        ear = Ear(name, point, source, engine, recording, evidence)
        self.ears.append(ear)
        return ear

    def _catch_up(self, point: str, recording: Recording) -> None:
        """Read what an earlier run recorded and did not come to write into the store."""
        known = {one.path: one for one in self.store.point_captures(self.config.site, point)}
        for path in recording.files(whole=True):
            capture = known.get(str(path.absolute()))
            if capture is not None and capture.position == path.stat().st_size:
                continue
            if capture is None and known:
                first_new = max(known)
                if str(path.absolute()) < first_new:
                    continue  # of another store, or older than this one
            try:
                outcome = self.follow(point, path)
            except InputError as problem:
                self.say(f"{problem}")
            else:
                if outcome.packets:
                    self.say(f"{path}: read {outcome.packets:,} packets that the store lacked")

    def _read_on(self, source: int, engine: Engine, recording: Recording) -> None:
        """The same of a recording in part, as far as its packets tell which they are."""
        captures = self.store.captures(source)
        try:
            found = read_on(engine, self.options.settings, captures, recording.files())
        except InputError as problem:
            self.say(f"{problem}")
            return
        progress = []
        for one in found:
            known = one.known
            progress.append(
                CaptureProgress(
                    known.id
                    if known
                    else self.store.add_capture(source, str(one.path.absolute()), 0, ""),
                    "",
                    0,
                    one.packets + (known.packets if known else 0),
                    complete=True,
                    damage="",
                    reader_state=(known or captures[-1]).reader_state,
                )
            )
            self.say(f"{one.path}: read {one.packets:,} packets that the store lacked")
        if progress:
            self.write([(source, engine)], progress)

    def connect(self) -> None:
        """Open what is not open; an interface that is down is tried again later."""
        now = time.monotonic()
        for ear in self.ears:
            if ear.tap is not None or now < ear.retry_at:
                continue
            ear.retry_at = now + RETRY_S
            told = interface.look(ear.name)
            if told is None or not told.up:
                continue
            try:
                ear.tap = self.open_tap(ear.name)
            except OSError:  # gone since
                continue
            self._tick(ear, time.time_ns(), ear.why)
            self.say(f"{ear.name}: listening as point {ear.point}{_limit(ear.tap)}")
            if told.speaks:
                self.say(
                    f"{ear.name}: note: otsec sends nothing, but the kernel itself may speak there; "
                    f"`otsec doctor -i {ear.name}` tells how to silence it"
                )

    # ------------------------------------------------------------------------- listening

    def listen(self, until: float | None = None, beat: Callable[[], None] = lambda: None) -> None:
        """Listen until asked to stop, or until a moment of the monotonic clock."""
        with ExitStack() as stack:
            if (beside := self.options.workers - WRITING) > 0:
                self._workers = stack.enter_context(Workers(beside, self.options.settings))
            while not self.stop() and (until is None or time.monotonic() < until):
                self.connect()
                self._wait(until)
                for ear in self.ears:
                    self._hear(ear)
                if not self._in_a_hurry():
                    self._arrive()
                self._checkpoint_if_due()
                beat()
            self._arrive()
            self._workers = None

    def finish(self) -> None:
        """Take no more packets, work off what is there, and write it all down."""
        taps = [ear.tap for ear in self.ears if ear.tap is not None]
        for tap in taps:
            tap.halt()
        time.sleep(SETTLE_S if taps else 0)  # the kernel hands over what it still holds
        for ear in self.ears:
            while ear.tap is not None and self._hear(ear):
                pass
            self._settle(ear)
            if ear.recording is not None:
                ear.recording.close()
        self.checkpoint()

    def _settle(self, ear: Ear) -> None:
        """Close a tap: what it has lost counts, and its numbers stay."""
        if ear.tap is None:
            return
        drops = ear.tap.lost(time.time_ns())
        if drops:
            self._lost(ear, tuple(drops))
        for name in ("received", "bytes", "dropped"):
            setattr(ear, name, ear.total(name))
        tap, ear.tap = ear.tap, None
        tap.close()

    def _wait(self, until: float | None) -> None:
        """Wait until packets came, and then a little, so that batches are large."""
        poll = select.poll()
        for ear in self.ears:
            if ear.tap is not None:
                poll.register(ear.tap.fileno(), select.POLLIN)
        end = time.monotonic() + GATHER_S
        if until is not None:
            end = min(end, until)
        poll.poll(max(end - time.monotonic(), 0) * 1000)
        while (left := end - time.monotonic()) > 0 and not self.stop():
            if self._in_a_hurry():
                return
            time.sleep(min(LOOK_S, left))

    def _in_a_hurry(self) -> bool:
        """Whether a ring has much in it."""
        return any(ear.tap is not None and ear.tap.full() >= HURRY for ear in self.ears)

    def _hear(self, ear: Ear) -> bool:
        """One batch of an interface; whether there was any."""
        if ear.tap is None:
            return False
        full = ear.tap.full()
        ear.fullest = max(ear.fullest, full)
        self._shed(ear, full)
        try:
            chunk = ear.tap.read()
        except InterfaceGone:
            self._arrive()
            self._gone(ear)
            return False
        if chunk is None:
            self._arrive()
            self._silence(ear)
            return False
        if chunk.batches and self._workers is not None:
            if len(self._coming) == self._workers.room:
                self._arrive(1)
            self._coming.append(self._workers.begin((ear, chunk.drops), chunk.batches[0]))
        elif chunk.batches:
            batch = chunk.batches[0]
            prepared = columnar(batch, self.registry, self.options.settings)
            self._apply(ear, batch, prepared, chunk.drops)
        elif chunk.drops:
            self._arrive()
            self._lost(ear, chunk.drops)
        return True

    def _arrive(self, most: int = MANY) -> None:
        """Apply batches of which the columns were made elsewhere, in order; all of them, or some."""
        while self._workers is not None and self._coming and most > 0:
            (ear, drops), batch, prepared = self._workers.end(self._coming.popleft())
            if batch is not None and prepared is not None:
                self._apply(ear, batch, prepared, drops)
            most -= 1

    def _apply(
        self, ear: Ear, batch: PacketBatch, prepared: Columnar, drops: tuple[Drops, ...]
    ) -> None:
        ordinal = ear.engine.packets
        ear.engine.apply(batch, prepared, drops)
        ear.last, ear.heard = int(batch.time[-1]), True
        ear.lag_ns = max(ear.lag_ns, time.time_ns() - int(batch.time[0]))
        self.packets += len(batch)
        recording = self._recording(ear)
        if recording is None:
            self._live(ear, ordinal).packets += len(batch)
            return
        evidence: Evidence = ear.evidence
        if ear.shed == "bodies" and evidence == "mixed":
            evidence = "headers"
        bytes_kept = kept(evidence, batch, prepared, ear.engine)
        self._record(ear, lambda: recording.packets(batch, bytes_kept, drops, ordinal))

    def _lost(self, ear: Ear, drops: tuple[Drops, ...]) -> None:
        ear.engine.lost(drops)
        if recording := self._recording(ear):
            self._record(ear, lambda: recording.lost(drops, ear.engine.packets))

    def _tick(self, ear: Ear, moment: int, outage: str = "") -> None:
        """Time went by; the interface's clock, which stamps the packets, is that of the system."""
        if outage and ear.engine.clock.last is None:
            return  # nothing was heard before
        tick = Tick(0, moment, 0, outage)
        ear.engine.tick(tick)
        ear.last = moment
        if recording := self._recording(ear):
            self._record(ear, lambda: recording.tick(tick, ear.engine.packets))

    def _silence(self, ear: Ear) -> None:
        now = time.time_ns() - LATE_NS
        if ear.last and (now - ear.last >= TICK_NS or now < ear.last - BACK_NS):
            self._tick(ear, now)

    def _gone(self, ear: Ear) -> None:
        self._settle(ear)
        ear.why = "the interface was down or gone"
        ear.retry_at = time.monotonic() + RETRY_S
        self.say(f"{ear.name}: is down or gone; trying again until it is back")

    # ------------------------------------------------------------------------- recording

    def _recording(self, ear: Ear) -> Recording | None:
        """Where packets are recorded now."""
        return None if ear.shed == "recording" else ear.recording

    def _record(self, ear: Ear, write: Callable[[], None]) -> None:
        """Write to the recording; a full disk ends it and nothing else."""
        if ear.live is not None:  # what comes now stands behind it
            ear.done.append(ear.live)
            ear.live = None
        try:
            write()
        except OSError as error:
            self.say(f"{ear.name}: the recording ends: {error.strerror}; listening goes on")
            recording, ear.recording = ear.recording, None
            ear.done += recording.give_up() if recording is not None else ()
            end = ear.engine.packets
            first = ear.done[-1].first + ear.done[-1].packets if ear.done else end
            ear.live = File(Path(ear.name), first=first, packets=end - first)

    def _live(self, ear: Ear, ordinal: int) -> File:
        """The packets that are in no whole recording."""
        if ear.live is None:
            ear.live = File(Path(ear.name), first=ordinal)
            if ear.recording is not None:
                ear.recording.pause()
        return ear.live

    def _shed(self, ear: Ear, full: float) -> None:
        """Give up detail before anything else where the ring fills faster than it empties."""
        if ear.recording is None:
            return
        shed = ear.shed if full > RELIEVED else ""
        for share, what in SHED:
            if full >= share and not (what == "bodies" and (ear.evidence != "mixed" or shed)):
                shed = what
        if shed != ear.shed:
            ear.shed = shed
            self.say(f"{ear.name}: {SHED_WORDS[shed]}")

    # ------------------------------------------------------------------------ checkpoints

    def _checkpoint_if_due(self) -> None:
        now = time.monotonic()
        if (now >= self._due and any(ear.heard for ear in self.ears)) or now >= self._quiet_due:
            self.checkpoint()
            for ear in self.ears:
                if ear.recording is not None:
                    ear.recording.prune(time.time())
            self._retire_if_due()

    def _retire_if_due(self) -> None:
        """Once an hour let go of rows that have grown old."""
        now = time.monotonic()
        if now < self._retire_due:
            return
        self._retire_due = now + RETIRE_S
        for ear in self.ears:
            retire(self.store, ear.source, self.config.keep, self.stop)

    def checkpoint(self) -> None:
        """Write down what changed, and how far each recording goes, in one transaction."""
        self._arrive()
        progress = [one for ear in self.ears for one in self._progress(ear)]
        self.write([(ear.source, ear.engine) for ear in self.ears], progress)
        for ear in self.ears:
            ear.heard = False
        self.written()
        self._due = time.monotonic() + self.options.checkpoint_s
        self._quiet_due = time.monotonic() + QUIET_S

    def _progress(self, ear: Ear) -> Iterator[CaptureProgress]:
        """How far each file of an interface is, oldest first."""
        files = [*ear.done, *([ear.live] if ear.live else [])]
        ear.done = []
        if ear.recording is not None:
            ear.recording.sync()
            files += ear.recording.take()
        for file in sorted(files, key=lambda one: one.first):
            whole = bool(file.state)
            if not file.capture:
                length, digest = head_hash(file.path) if whole else (0, "")
                path = str(file.path.absolute()) if file.size else str(file.path)
                file.capture = self.store.add_capture(ear.source, path, length, digest)
            yield CaptureProgress(
                file.capture,
                file.fingerprint,
                file.size if whole else 0,
                file.packets,
                complete=True,
                damage="",
                reader_state=file.state or {"evidence": ear.evidence, "interface": ear.name},
            )


def _limit(tap: Tap) -> str:
    return f" ({tap.limit})" if tap.limit else ""
