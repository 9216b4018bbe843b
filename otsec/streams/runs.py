"""Runs of bytes that lie behind one another, laid out in one buffer to be asked and cut in columns.

A run begins with what is held of earlier batches. It ends where bytes were lost, where its
connection ends, and where a frame was open for too long.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from otsec.columns import I64, put_spans
from otsec.streams.cut import Frames, Segments
from otsec.streams.reassembly import Delivery

BEFORE = -1  # row of what is held of earlier batches


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that is open; of a connection that nobody owns, a segment that may belong to one."""

    data: bytes
    missing: int  # where in the data the first byte lacks, -1 for none
    when: int  # bytes of all traffic that had gone by with its first segment


@dataclass(slots=True)
class Run:
    """Bytes of one side that lie behind one another."""

    slot: int
    side: int
    held: list[Held] = field(default_factory=list)
    pieces: list[Delivery] = field(default_factory=list)
    ended: bool = False  # nothing follows: an open frame will not be completed
    silent: bool = False  # it ended in silence: what is open is forgotten, as when it is let go
    row: int = 0  # the packet that ended it

    @property
    def counts(self) -> bool:
        """Whether there is anything in it to be looked at."""
        return bool(self.pieces or (self.held and not (self.ended and self.silent)))


@dataclass(frozen=True, slots=True)
class Laid:
    """Runs in one buffer, as columns as long as the segments."""

    segments: Segments
    run: I64  # position in the list of runs
    when: I64  # bytes of all traffic that had gone by with each segment
    heard: I64  # bytes of its side that were heard before each segment

    def take(self, rows: I64) -> "Laid":
        """Some of the segments, in the order given."""
        return Laid(self.segments.take(rows), self.run[rows], self.when[rows], self.heard[rows])

    def ended(self) -> "Laid":
        """The same segments; each run ends with the last of them, whatever followed it."""
        segments = self.segments
        last = np.append(np.flatnonzero(np.diff(self.run)), len(self.run) - 1)
        limit = np.repeat(segments.stop[last], np.diff(last, prepend=-1))
        segments = replace(segments, limit=limit, end=np.minimum(segments.end, limit))
        return replace(self, segments=segments)


def lay_out(runs: list[Run], upto: I64) -> Laid:
    """All runs in one buffer. ``upto``: bytes of all traffic with each row of the batch."""
    chunks: list[bytes] = []
    columns: list[tuple[int, int, int, int, int]] = []
    lacks: list[int] = []
    limits: list[int] = []
    at = 0
    for number, run in enumerate(runs):
        for held in run.held:
            chunks.append(held.data)
            if held.missing >= 0:
                lacks.append(at + held.missing)
            columns.append((BEFORE, number, at, held.when, 0))
            at += len(held.data)
        for piece in run.pieces:
            chunks.append(piece.data)
            if len(piece.data) < piece.size:
                lacks.append(at + len(piece.data))
                chunks.append(bytes(piece.size - len(piece.data)))
            columns.append((piece.row, number, at, 0, piece.at))
            at += piece.size
        limits.append(at)
    row, number_of, start, when, heard = np.array(columns, np.int64).T
    limit = np.array(limits)[number_of]
    lacking = np.array([*lacks, at])
    end = np.minimum(lacking[np.searchsorted(lacking, start)], limit)
    buffer = np.frombuffer(b"".join(chunks), np.uint8)
    segments = Segments(buffer, row, number_of, start, end, np.append(start[1:], at), limit)
    return Laid(segments, number_of, np.where(row == BEFORE, when, upto[row]), heard)


def lay_lanes(segments: Segments, runs: list[Run], run: I64, heard: I64, upto: I64) -> Laid:
    """Runs of flows in order, in one buffer, without a look at single packets.

    ``segments``: of these flows, run by run; ``run``: of each segment, position in the list;
    ``heard``: bytes of its side that were heard before each segment; ``upto``: bytes of all traffic with each row of the batch.
    """
    held = [(number, one) for number, part in enumerate(runs) for one in part.held]
    before = np.array([number for number, _ in held], np.int64)
    sizes = np.array([len(one.data) for _, one in held], np.int64)
    missing = np.array([one.missing for _, one in held], np.int64)
    order = np.argsort(np.concatenate([before, run]), kind="stable")
    number = np.concatenate([before, run])[order]
    size = np.concatenate([sizes, segments.stop - segments.start])[order]
    there = np.concatenate([np.where(missing < 0, sizes, missing), segments.end - segments.start])[
        order
    ]
    none = np.full(len(held), BEFORE)
    row = np.concatenate([none, segments.row])[order]
    when = np.array([one.when for _, one in held], np.int64)
    when = np.concatenate([when, upto[segments.row]])[order]
    stop = np.cumsum(size)
    start = stop - size
    buffer = np.zeros(int(stop[-1]), np.uint8)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    for at, (_, one) in zip(place[: len(held)].tolist(), held, strict=True):
        buffer[start[at] : stop[at]] = np.frombuffer(one.data, np.uint8)
    have = segments.end - segments.start
    put_spans(buffer, start[place[len(held) :]], segments.buffer, segments.start, have)
    ends = np.append(np.flatnonzero(np.diff(number)), len(number) - 1)
    limit = np.repeat(stop[ends], np.diff(ends, prepend=-1))
    lacks = np.append((start + there)[there < size], stop[-1])
    end = np.minimum(lacks[np.searchsorted(lacks, start)], limit)
    heard = np.concatenate([np.zeros(len(held), np.int64), heard])[order]
    return Laid(Segments(buffer, row, number, start, end, stop, limit), number, when, heard)


def settled(laid: Laid, frames: Frames, runs: list[Run]) -> I64:
    """Row of the packet that completed each frame, or with which it was given up.

    Where the frame began does not matter: that may have been in an earlier batch.
    """
    segment = frames.segment
    row = laid.segments.row[np.searchsorted(laid.segments.stop, _behind(frames))]
    given_up = np.flatnonzero(frames.start == frames.exit[segment])
    row[given_up] = [runs[number].row for number in laid.run[segment[given_up]].tolist()]
    return row


def _behind(frames: Frames) -> I64:
    """Where each frame ends in its run, at hand or not."""
    segment = frames.segment
    behind = frames.exit[segment]
    inner = np.flatnonzero(segment[1:] == segment[:-1])
    behind[inner] = frames.start[inner + 1]
    return behind


def too_late(laid: Laid, frames: Frames, window: int) -> list[int]:
    """The first segment of each run that comes too late for the frame that is open.

    ``window``: how much traffic may go by from the first segment of a frame to its last.
    """
    segments, when = laid.segments, laid.when
    open_ = np.flatnonzero(frames.exit < segments.stop)
    begin = np.concatenate([frames.segment, open_])
    behind = np.concatenate([_behind(frames), segments.limit[open_]])
    end = np.searchsorted(segments.stop, behind)
    late = np.flatnonzero(when[end] - when[begin] > window)
    late = late[np.argsort(begin[late], kind="stable")]
    _, first = np.unique(laid.run[begin[late]], return_index=True)
    return [
        int(a + 1 + np.searchsorted(when[a + 1 : b + 1], when[a] + window, side="right"))
        for a, b in zip(begin[late[first]].tolist(), end[late[first]].tolist(), strict=True)
    ]


def break_before(laid: Laid, runs: list[Run], segment: int) -> Laid:
    """End a run in front of a segment; what follows is another one, added to the list."""
    segments, number = laid.segments, int(laid.run[segment])
    old = runs[number]
    runs.append(Run(old.slot, old.side, ended=old.ended, silent=old.silent, row=old.row))
    old.ended, old.silent, old.row = True, False, int(segments.row[segment])
    mine, behind = laid.run == number, np.arange(len(laid.run)) >= segment
    limit = np.where(mine & ~behind, segments.start[segment], segments.limit)
    segments = replace(segments, limit=limit, end=np.minimum(segments.end, limit))
    return replace(laid, segments=segments, run=np.where(mine & behind, len(runs) - 1, laid.run))
