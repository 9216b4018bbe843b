"""What every reader of captures gives: chunks of packet batches, drops, damage."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from otsec.capture.chain import Rule, chain
from otsec.capture.in_time import (
    NO_PACKET,
    REACH,
    Arranged,
    Broken,
    arrange,
    goes_back,
    latest,
)
from otsec.capture.intake import FINGERPRINT, Intake
from otsec.columns import I64
from otsec.model import PacketBatch

MAX_CAPTURED = 262_144  # bytes of one packet: the largest snap length of tcpdump and dumpcap
MAX_INTERFACES = 1_024  # of one file; a pcapng can announce one in 20 bytes
LEAST_PIECE, PIECE = 64 << 10, 8 << 20  # bytes read, then indexed while the cache holds them
USUAL_RECORD = 128  # bytes, until some were seen
MAX_CHANGES = 4_096  # sections, or headers that change the format: each costs a batch of its own
MAX_ENDS = 4_096  # where a file that grew out of order has ended; behind them it is as it stands


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a capture."""

    number: int  # position over all sections of the file
    name: str  # "" if the file gives none; as sent, not cleaned
    link: int  # LINKTYPE_ number
    snaplen: int  # bytes; 0 is no limit


@dataclass(frozen=True, slots=True)
class Drops:
    """Packets that the capturing machine itself says it lost."""

    interface: int
    time: int  # when it said so
    count: int  # since it last said so
    row: int  # packets of its interface that stand before it in the chunk


@dataclass(frozen=True, slots=True)
class Tick:
    """A note of otsec itself in its recording: time went by, and no packet came."""

    interface: int
    time: int  # by the clock that stamps the packets
    row: int  # packets of its interface that stand before it in the chunk
    outage: str  # why nothing could be heard since the packet or tick before; "": it was quiet


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a capture: one batch for each interface that has packets in it.

    There may be no batch at all where only other blocks were read. Reading can resume at
    ``end``, an offset in the uncompressed content.
    """

    batches: tuple[PacketBatch, ...]
    end: int
    drops: tuple[Drops, ...]
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a capture, and where in its uncompressed content."""

    offset: int
    text: str


class Corrupt(Exception):  # noqa: N818 - a word, not an error of ours
    """The bytes at hand cannot be what stands there in the format; never leaves this package."""


class Reader(ABC):
    """Reads one capture from front to back.

    ``damage`` and ``complete`` are settled when `chunks` is exhausted. ``complete`` is False
    where the file ends inside a record: it may be half-written, and can be resumed there.
    """

    format: str

    def __init__(
        self,
        intake: Intake,
        batch_packets: int,
        state: dict[str, Any] | None,
        order: Mapping[str, Any],
    ) -> None:
        """``order``: what states tell of it, see `in_time`; also of a reader from the beginning."""
        self.interfaces: list[Interface] = []
        self.damage: Damage | None = None
        self.complete = True
        self._intake = intake
        self._batch_packets = batch_packets
        self._end = intake.offset  # behind the chunk last yielded
        self._used = intake.offset  # behind the last record read over
        self._digest: str | None = None  # the fingerprint, where the buffer may move on
        self._changes = 0
        self._record_bytes = 0  # about, once some were read
        self._starts = np.empty(0, np.int64)  # offsets of records that are in no chunk yet
        self._reached = 0  # behind the last of them
        self._in_time = bool(order.get("in_time"))
        # offsets where the file ended when it was read before, and what came then goes back
        self._ends: list[int] = order.get("ends", [])
        kept = {} if state is None else state
        self._broken = {int(at): Broken(*times) for at, times in kept.get("broken", {}).items()}
        self._latest = {int(at): time for at, time in kept.get("latest", {}).items()}

    @property
    def size(self) -> int | None:
        """Bytes of the uncompressed content, if known."""
        return self._intake.content.size

    @property
    def total(self) -> int | None:
        """Bytes of the file as it is on disk, if known."""
        return self._intake.content.total

    @property
    def consumed(self) -> int:
        """Bytes read so far of the file as it is on disk."""
        return self._intake.content.consumed

    def chunks(self) -> Iterator[Chunk]:
        """All packets, as they stand or in order of time; each chunk is valid until the next is drawn."""
        try:
            yield from self._read()
        except Corrupt as reason:
            self._stop(self._used, f"{reason} at byte {self._used:,}")
        if self._used > self._end:
            self._end, self._digest = self._used, None
            yield Chunk((), self._end, ())

    def state(self) -> dict[str, Any]:
        """Plain data from which `open_capture` goes on behind the chunk last yielded."""
        state = {"format": self.format, "offset": self._end, **self._format_state()}
        if self._in_time:
            state["in_time"] = True
        if self._ends:
            state["ends"] = self._ends
        if self._latest:
            state["latest"] = {str(number): time for number, time in self._latest.items()}
        if self._broken:
            broken = self._broken.items()
            state["broken"] = {str(number): [one.latest, one.last] for number, one in broken}
        return state

    def fingerprint(self) -> str:
        """SHA-256 of the last 64 KiB (or fewer, if there are fewer) before that place."""
        if self._digest is None:
            before = self._intake.before(self._end, FINGERPRINT)
            self._digest = sha256(before.data).hexdigest()
        return self._digest

    def close(self) -> None:
        """Give the file back."""
        self._intake.content.close()

    # ------------------------------------------------------------ what a format must say

    @abstractmethod
    def _rule(self) -> Rule:
        """How the chain of records goes on from here."""

    @abstractmethod
    def _format_state(self) -> dict[str, Any]:
        """What the state has beside what all have."""

    @abstractmethod
    def _stamps(self, start: I64, stop: I64) -> tuple[I64, I64]:
        """Time and interface of records; NO_PACKET where a record must stay where it is."""

    @abstractmethod
    def _chunk(self, start: I64, stop: I64, begin: int, end: int) -> Chunk:
        """Records that fill the buffer from begin to end."""

    @abstractmethod
    def _pass(self) -> int:
        """Get over what the chain could not pass: how many bytes, 0 if more are needed.

        Raises Corrupt where there is no way on.
        """

    # ------------------------------------------------------------------------------- reading

    def _read(self) -> Iterator[Chunk]:
        intake = self._intake
        self._reached = intake.offset
        came, whole = self._fill()  # opening took only a look
        while True:
            going = self._index() and whole
            enough = len(self._starts) >= self._batch_packets + self._ahead
            if not going or enough or not intake.room():
                yield from self._divide(hold=going)
            if going:
                came, whole = self._fill()
                continue
            over = self._pass() if intake.end > intake.begin else 0
            if over:
                self.fingerprint()
                more = intake.skip(over)
            else:
                came, whole = self._fill()
                more = came > 0
            if not more:
                self._finish(inside=bool(over) or intake.end > intake.begin)
                return
            if over:
                self._used = self._reached = intake.offset

    def _fill(self) -> tuple[int, bool]:
        """Read what a batch lacks, a piece at most: (bytes that came, whether more is at hand).

        Of a pipe nobody knows; what came of it is given at once.
        """
        lacking = self._batch_packets + self._ahead - len(self._starts)
        lacking = lacking if lacking > 0 else self._ahead  # what a stretch lacks that goes on
        lacking *= self._record_bytes or USUAL_RECORD
        wanted = min(max(lacking + lacking // 64, LEAST_PIECE), PIECE)
        came = self._intake.fill(wanted)
        known = self._intake.content.total is not None
        return came, known and (came == wanted or not self._intake.room())

    def _index(self) -> bool:
        """Follow the chain of records as far as it goes; whether there was any."""
        intake, base = self._intake, self._intake.base
        links = chain(
            intake.buffer, self._reached - base, intake.end, self._rule(), self._record_bytes
        )
        self._record_bytes = links.mean
        self._starts = np.concatenate([self._starts, links.start + base])
        self._reached = base + links.exit
        return len(links.start) > 0

    def _divide(self, *, hold: bool) -> Iterator[Chunk]:
        """Chunks of the records found: full ones, and the rest held; or all."""
        intake = self._intake
        start = self._starts - intake.base
        bounds = np.append(start, self._reached - intake.base)
        stop, first = bounds[1:], 0
        arranged, late = self._arranged(start, stop)
        if arranged is not None:
            start, stop = start[arranged.order], stop[arranged.order]
        for wanted in self._wanted(hold=hold):
            if wanted <= first:
                continue
            last = wanted if arranged is None else arranged.end(first, wanted)
            if hold and last > wanted and len(start) - last < REACH and intake.room():
                break  # stretches of several interfaces overlap; what could lengthen them is to come
            begin, end = int(bounds[first]), int(bounds[last])
            chunk = self._chunk(start[first:last], stop[first:last], begin, end)
            ended = last == len(start)
            self._latest = late if ended else {}
            self._broken = {} if arranged is None else arranged.broken(last)
            intake.begin = end
            self._end = self._used = chunk.end
            self._digest = None
            first = last
            yield chunk
        self._starts = self._starts[first:]

    def _arranged(self, start: I64, stop: I64) -> tuple[Arranged | None, dict[int, int]]:
        """How records are put in order, if at all, and the latest times of the last ones."""
        if not self._in_time or not len(start):
            return None, {}
        time, interface = self._stamps(start, stop)
        if self._latest and len(self._ends) < MAX_ENDS and goes_back(time, interface, self._latest):
            self._ends = [*self._ends, int(self._starts[0])]
        if len(self._ends) == MAX_ENDS:
            interface[self._starts >= self._ends[-1]] = NO_PACKET
        late, self._latest = self._latest | latest(time, interface), {}
        here = [offset for offset in self._ends if offset >= self._starts[0]]
        ends = np.searchsorted(self._starts, np.array(here, np.int64))
        return arrange(time, interface, self._broken, ends), late

    def _wanted(self, *, hold: bool) -> list[int]:
        """Behind how many of the records found chunks should end."""
        size, count = self._batch_packets, len(self._starts)
        if not hold:
            parts = -(-count // size)  # of equal size, so that no tiny one is left over
            return [count * part // parts for part in range(1, parts + 1)]
        ahead = self._ahead if count > self._ahead else count // 2  # there is no room for more
        return list(range(size, count - ahead + 1, size)) or [count - ahead]

    @property
    def _ahead(self) -> int:
        """Records that must be at hand behind a chunk."""
        return 2 * REACH + 1 if self._in_time else 0  # a stretch, and what could lengthen it

    def _finish(self, *, inside: bool) -> None:
        """Settle how the capture ended."""
        content, offset = self._intake.content, self._used
        if content.damage is not None:
            self.complete = not content.truncated
            self._stop(offset, content.damage)
        elif inside:
            self.complete = False
            self._stop(offset, f"ends inside a record, which begins at byte {offset:,}")

    def _note(self, offset: int, text: str) -> None:
        """Tell of damage that does not end the reading; the first stands for all."""
        if self.damage is None or offset < self.damage.offset:
            self.damage = Damage(offset, text)

    def _stop(self, offset: int, text: str) -> None:
        """Tell of the damage that ends the reading, behind one told before."""
        if self.damage is not None:
            offset, text = self.damage.offset, f"{self.damage.text}; then: {text}"
        self.damage = Damage(offset, text)

    def _change(self) -> None:
        self._changes += 1
        if self._changes > MAX_CHANGES:
            raise Corrupt(f"more than {MAX_CHANGES:,} captures or sections in one file")
