"""Cuts segments into frames, in columns: guess that a segment begins a frame, verify in order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather, span_word, walk
from otsec.protocols.api import Framing

ABSENT = 256  # in place of the value of a byte that is not there


class Status(IntEnum):
    """How a frame came out of its segment."""

    WHOLE = 0
    TRUNCATED = 1  # the capture lacks some of its bytes
    MALFORMED = 2  # no such frame can begin here; lasts to the end of its segment


@dataclass(frozen=True, slots=True)
class Segments:
    """Pieces of streams, or datagrams, as columns over one buffer.

    Frames that begin in a segment begin before ``stop`` and end at or before ``limit``, which is
    behind ``stop`` where the stream goes on in the same buffer.
    """

    buffer: Bytes
    row: I64  # of the packet that brought it
    lane: I64  # whose stream it belongs to; any number
    start: I64
    end: I64  # behind the last byte at hand
    stop: I64
    limit: I64

    def __len__(self) -> int:
        return len(self.row)

    def alone(self) -> "Segments":
        """The same segments, as if none went on in another."""
        return replace(self, end=np.minimum(self.end, self.stop), limit=self.stop)

    def take(self, rows: I64) -> "Segments":
        """Some of the segments, in the order given."""
        columns = (self.row, self.lane, self.start, self.end, self.stop, self.limit)
        return Segments(self.buffer, *(column[rows] for column in columns))


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames in order of segment, then offset; ``exit`` has one entry a segment."""

    segment: I64
    start: I64
    end: I64  # behind its last byte at hand
    status: Ints  # u1, Status
    exit: I64  # where the first frame that does not end before the limit begins, or the next one

    def take(self, rows: I64 | Mask) -> "Frames":
        """Some of the frames, of the same segments."""
        return Frames(
            self.segment[rows], self.start[rows], self.end[rows], self.status[rows], self.exit
        )


def cut(segments: Segments, framing: Framing, stops: I64 | None = None) -> Frames:
    """Cut each segment from its start, on the guess that a frame begins there.

    ``stops``: where all segments of the buffer end, in order, if frames may cross their borders.
    """
    size = framing.header.itemsize
    buffer, end, stop, limit = segments.buffer, segments.end, segments.stop, segments.limit
    refused = np.zeros(len(segments), np.bool_)

    def step(walker: I64, offset: I64) -> I64:
        header, fits = gather(buffer, offset, end[walker], framing.header)
        length = framing.lengths(buffer, offset, end[walker], header)
        if framing.datagram:
            length = np.where(length > 0, limit[walker] - offset, length)
        wrong = fits & ((length < size) | (length > framing.longest))
        refused[walker[wrong]] = True
        lost = ~fits & (end[walker] < limit[walker])
        skipped = wrong | lost
        behind = stop[walker]
        if stops is not None and skipped.any():
            rows = np.flatnonzero(skipped)
            behind[rows] = _shown_at(buffer, offset[rows], end[walker[rows]], framing, stops)
        length = np.where(skipped, behind - offset, length)
        partial = (~fits & ~lost) | (offset + length > limit[walker])
        return np.where(partial & ~skipped, 0, length)

    links = walk(segments.start, stop, step)
    status = np.zeros(len(links.offset), np.uint8)
    behind = links.offset + links.length
    at_hand = end[links.walker]
    status[behind > at_hand] = Status.TRUNCATED
    if refused.any():  # what was refused is the last of its segment
        last = np.append(links.walker[1:] != links.walker[:-1], len(links.walker) > 0)
        status[last[: len(status)] & refused[links.walker]] = Status.MALFORMED
    return Frames(links.walker, links.offset, np.minimum(behind, at_hand), status, links.exit)


def heads(segments: Segments, framing: Framing) -> tuple[Mask, Mask]:
    """Whether each segment, alone, begins with a whole frame, or could begin a longer one.

    Where the capture lacks bytes, no longer one can come of it.
    """
    size, buffer, start, end = (
        framing.header.itemsize,
        segments.buffer,
        segments.start,
        segments.end,
    )
    header, fits = gather(buffer, start, end, framing.header)
    length = framing.lengths(buffer, start, end, header)
    frame = fits & (length >= size) & (length <= framing.longest)
    longer = frame & (start + length > segments.stop)
    short = np.flatnonzero(~fits)
    there = end[short] - start[short]
    longer[short] = could_begin(framing, span_word(buffer, start[short], there, 0), there)
    return frame & (start + length <= end), longer & (end >= segments.stop)


def could_begin(framing: Framing, word: U64, size: I64) -> Mask:
    """Whether spans can begin a frame, by what is there of their first eight bytes.

    ``word``: those bytes, the first one lowest; ``size``: how many there are.
    """
    fits = np.ones(len(word), np.bool_)
    for at, table in _tables(framing):
        value = (word >> np.uint64(8 * at)).astype(np.uint8)
        fits &= table[value] | (size <= at)
    return fits


class Beginnings:
    """Tells of spans which of many framings they can begin, as `could_begin` does of one.

    It costs the same for one framing and for fifty: small batches are asked about all of them.
    """

    def __init__(self, framings: Sequence[Framing]) -> None:
        self._fits = np.ones((8, ABSENT + 1, len(framings)), np.bool_)  # place, byte, framing
        for number, framing in enumerate(framings):
            for at, table in _tables(framing):
                self._fits[at, :ABSENT, number] = table

    def of(self, word: U64, size: I64) -> Mask:
        """A row a span, a column a framing; ``word`` and ``size`` as of `could_begin`."""
        found = np.ones((len(word), self._fits.shape[-1]), np.bool_)
        for at, fits in enumerate(self._fits):
            value = word >> np.uint64(8 * at) & np.uint64(0xFF)
            found &= fits[np.where(size > at, value.astype(np.int64), ABSENT)]
        return found


@cache
def _tables(framing: Framing) -> list[tuple[int, Mask]]:
    return [(at, np.isin(np.arange(256), list(values))) for at, values in framing.begins]


def _shown_at(buffer: Bytes, offset: I64, at_hand: I64, framing: Framing, stops: I64) -> I64:
    """Where the segment ends with whose bytes it showed that no frame begins at each offset.

    Bytes up to there are given up; those of later segments had not come when it was decided.
    """
    size = framing.header.itemsize
    at = np.searchsorted(stops, offset, side="right")
    left = np.arange(len(offset))
    while len(left):
        begin, stop = offset[left], stops[at[left]]
        end = np.minimum(stop, at_hand[left])
        header, fits = gather(buffer, begin, end, framing.header)
        length = framing.lengths(buffer, begin, end, header)
        shown = fits & ((length < size) | (length > framing.longest))
        shown |= (at_hand[left] < stop) | (at[left] == len(stops) - 1)
        left = left[~shown]
        at[left] += 1
    return stops[at]


def cut_runs(segments: Segments, run: I64, framing: Framing) -> Frames:
    """Cut runs of segments that lie behind one another, where frames may cross their borders.

    ``run``: which run each segment belongs to; runs are consecutive. That each segment begins a
    frame is only a guess: it is verified in order against the exit of the one before, and the
    first wrong one of each run is redone, all runs side by side, until none is left.
    """
    frames = cut(segments, framing, segments.stop)
    start, exits = segments.start.copy(), frames.exit
    bounds = np.flatnonzero(np.diff(run, prepend=-1, append=-1)).tolist()
    cursors = {begin: (begin + 1, end) for begin, end in itertools.pairwise(bounds)}
    redone: dict[int, Frames] = {}
    while cursors:
        wrong = []
        for name, (at, end) in list(cursors.items()):
            found = _first_wrong(segments, start, exits, at, end)
            if found == end:
                del cursors[name]
            else:
                cursors[name] = (found + 1, end)
                wrong.append(found)
        if wrong:
            _redo(segments, framing, start, exits, np.array(wrong), redone)
    return _merge(frames, exits, redone)


def _first_wrong(segments: Segments, start: I64, exits: I64, at: int, end: int) -> int:
    """The first segment in at..end that does not start where the one before left; or end.

    Segments that lie wholly within a frame of an earlier one are passed over: they keep no frame,
    and hand on the exit.
    """
    while at < end:
        left = int(exits[at - 1])
        if left < segments.stop[at - 1]:  # an open frame: it covers all the rest of the run
            left = int(segments.limit[at])
        if left != start[at]:
            start[at] = left
            return at
        at += 1
    return end


def _redo(
    segments: Segments,
    framing: Framing,
    start: I64,
    exits: I64,
    wrong: I64,
    redone: dict[int, Frames],
) -> None:
    again = replace(segments.take(wrong), start=start[wrong])
    frames = cut(again, framing, segments.stop)
    exits[wrong] = np.maximum(frames.exit, start[wrong])
    bounds = np.searchsorted(frames.segment, np.arange(len(wrong) + 1))
    for number, segment in enumerate(wrong.tolist()):
        rows = slice(bounds[number], bounds[number + 1])
        redone[segment] = Frames(
            np.full(rows.stop - rows.start, segment),
            frames.start[rows],
            frames.end[rows],
            frames.status[rows],
            frames.exit[number : number + 1],
        )


def _merge(frames: Frames, exits: I64, redone: dict[int, Frames]) -> Frames:
    if not redone:
        return frames
    parts = [frames.take(~np.isin(frames.segment, np.array(list(redone)))), *redone.values()]
    segment = np.concatenate([part.segment for part in parts])
    order = np.argsort(segment, kind="stable")
    return Frames(
        segment[order],
        np.concatenate([part.start for part in parts])[order],
        np.concatenate([part.end for part in parts])[order],
        np.concatenate([part.status for part in parts])[order],
        exits,
    )


def give_up(
    frames: Frames, segments: Segments, open_: I64, status: Status = Status.TRUNCATED
) -> Frames:
    """Turn the open frame at the exit of each of some segments into one of the given status."""
    if not len(open_):
        return frames
    segment = np.concatenate([frames.segment, open_])
    order = np.argsort(segment, kind="stable")
    end = np.minimum(segments.limit[open_], segments.end[open_])
    return Frames(
        segment[order],
        np.concatenate([frames.start, frames.exit[open_]])[order],
        np.concatenate([frames.end, end])[order],
        np.concatenate([frames.status, np.full(len(open_), status, np.uint8)])[order],
        frames.exit,
    )
