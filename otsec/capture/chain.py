"""A chain of lengths, walked in columns: guess a record in each segment, verify, redo.

Where one record ends the next begins, so a capture can be indexed only from front to back. To
do that over columns, a record start is guessed in each of many segments, all segments are walked
at once, and each walk must end exactly where the next was guessed to begin. Where it does not,
the stretch is walked record by record until it meets a guess. The result is that of the plain
walk for any bytes; a wrong guess only costs time.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import isqrt
from typing import Protocol

import numpy as np

from otsec.columns import I64, Bytes, Ints, Mask

FIRST = 1 << 14  # bytes walked plainly at first, to learn how long records are
GROWTH = 4  # each stretch that went well is followed by one so much longer
MIN_RECORDS = 1_024  # fewer are walked faster one by one
MAX_SEGMENTS = 4_096
MIN_STEPS = 16  # records a segment, at least
STEP_BYTES = 5_000  # bytes that can be searched for a guess in the time one step takes, measured
SEARCHES = 4  # windows searched for a guess, each twice as long, before a segment goes without
MAX_FAILURES = 4  # stretches given up before the rest of the buffer is walked one by one
FEW_WALKERS = 32  # so many records one by one take the time of a step in columns
FEW = 8  # where fewer than an 8th of the segments have a guess, records are walked one by one
PATIENCE = 16  # a stretch of which more than a 16th had to be redone is given up, and shorter next


@dataclass(frozen=True, slots=True)
class Mark:
    """A field by which most places are ruled out: ``low <= field <= low + span``, wrapping."""

    dtype: np.dtype[np.uint8] | np.dtype[np.uint32]
    at: int  # bytes from the record's start
    low: int
    span: int
    align: int  # bytes between places where a record can start


class Rule(Protocol):
    """How long the records of a format are."""

    header: int  # bytes needed to know a length; the least length of a record

    def lengths(self, buffer: Bytes, offset: I64, limit: int) -> I64:
        """Length of the record at each offset; 0 where it does not fit or cannot be one.

        ``offset + header <= limit`` holds for all.
        """

    def plain(self, buffer: Bytes, start: int, stop: int, limit: int) -> tuple[list[int], int]:
        """The same, one by one: starts of the records before stop, and where that ended."""

    def mark(self, buffer: Bytes, start: int) -> Mark:
        """What records near the one at start have in common."""

    def likely(self, buffer: Bytes, offset: I64, limit: int, mark: Mark) -> Mask:
        """Whether a record seems to start at each offset. Only a guess."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where each record starts, and where the chain ended: the end, or what it cannot pass."""

    start: I64
    exit: int
    mean: int  # bytes of a record, about; 0 if there was none


def chain(buffer: Bytes, begin: int, limit: int, rule: Rule, mean: int = 0) -> Chain:
    """All whole records of ``buffer[begin:limit]``, the first of which starts at begin.

    ``mean`` is how long records were before, which saves learning it; 0 where nothing is known.
    """
    last = limit - rule.header + 1
    position, reach, failures = begin, limit - begin if mean else FIRST, 0
    found: list[I64] = []
    while position < last:
        stop = min(position + reach, last)
        if mean and stop - position >= MIN_RECORDS * mean and failures < MAX_FAILURES:
            starts, leave, stuck = _columns(buffer, position, stop, limit, rule, mean)
            failures += leave < stop
        else:
            plain, leave = rule.plain(buffer, position, stop, limit)
            starts, stuck = np.array(plain, np.int64), leave < stop
        found.append(starts)
        reach = max(FIRST, reach * GROWTH if leave >= stop else reach // GROWTH)
        if len(starts):
            mean = max((leave - position) // len(starts), rule.header)
        position = leave
        if stuck:
            break
    return Chain(np.concatenate(found) if found else np.empty(0, np.int64), position, mean)


def _columns(
    buffer: Bytes, begin: int, stop: int, limit: int, rule: Rule, mean: int
) -> tuple[I64, int, bool]:
    """Records that start before stop, where they end, and whether the chain is stuck there.

    May end before stop without being stuck, if too much had to be redone.
    """
    records = (stop - begin) // mean
    segments = min(isqrt(records * STEP_BYTES // mean), records // MIN_STEPS, MAX_SEGMENTS)
    size = (stop - begin) // segments & ~3
    guess = _guess(buffer, begin, size, segments, limit, rule, mean)
    if len(guess) * FEW < segments:  # few walkers are slower than none
        goal = begin + (stop - begin) // PATIENCE
        plain, end = rule.plain(buffer, begin, goal, limit)
        return np.array(plain, np.int64), end, end < goal
    segment_end = np.minimum(begin + ((guess - begin) // size + 1) * size, stop)
    segment_end[-1] = stop if guess[-1] >= begin + (segments - 1) * size else segment_end[-1]
    until = np.minimum(segment_end, np.append(guess[1:], stop))
    found, leave = _walk(buffer, guess, until, limit, rule)
    if leave[-1] >= stop and (leave[:-1] == guess[1:]).all():
        return _ordered([start for _, start in found]), int(leave[-1]), False
    kept, redone, end, stuck = _verify(buffer, guess, leave, until, stop, limit, rule)
    starts = [start[kept[walker]] for walker, start in found]
    return _ordered([*starts, np.array(redone, np.int64)]), end, stuck


def _ordered(starts: list[I64]) -> I64:
    """All starts ascending; each array is, and the stable sort merges such runs."""
    return np.sort(np.concatenate(starts), kind="stable")


def _walk(
    buffer: Bytes, start: I64, until: I64, limit: int, rule: Rule
) -> tuple[list[tuple[I64, I64]], I64]:
    """Walk from each start until at or beyond its end: (walkers and starts a step, exits).

    `columns.walk` for this one case, where no walker stops before most have gone far: nothing is
    moved about in the steps before, and the order is restored by one sort of the starts.
    """
    leave = start.copy()
    walker = np.arange(len(start))
    found: list[tuple[I64, I64]] = []
    owner: list[int] = []
    last: list[int] = []
    while len(start) > FEW_WALKERS:
        length = rule.lengths(buffer, start, limit)
        follower = start + length
        going = follower < until
        if np.count_nonzero(length) < len(length):
            stuck = length == 0
            leave[walker[stuck]] = start[stuck]
            walker, start, until = walker[~stuck], start[~stuck], until[~stuck]
            follower, going = follower[~stuck], going[~stuck]
        found.append((walker, start))
        if np.count_nonzero(going) == len(going):
            start = follower
            continue
        leave[walker[~going]] = follower[~going]
        walker, start, until = walker[going], follower[going], until[going]
    for one, position, stop in zip(walker.tolist(), start.tolist(), until.tolist(), strict=True):
        starts, leave[one] = rule.plain(buffer, position, stop, limit)
        last += starts
        owner += [one] * len(starts)
    found.append((np.array(owner, np.int64), np.array(last, np.int64)))
    return found, leave


def _verify(
    buffer: Bytes, guess: I64, leave: I64, until: I64, stop: int, limit: int, rule: Rule
) -> tuple[Mask, list[int], int, bool]:
    """Which walkers walked the true chain, the records in between, and how it ended."""
    kept = np.zeros(len(guess), np.bool_)
    redone: list[int] = []
    patience = (stop - int(guess[0])) // PATIENCE
    starts_at = guess.tolist()
    walker = 0
    for last in [*np.flatnonzero(leave[:-1] != guess[1:]).tolist(), len(guess) - 1]:
        if last < walker:
            continue  # its walk began at a wrong guess
        kept[walker : last + 1] = True  # each walked to where the next one began
        position = int(leave[last])
        if position < until[last]:
            return kept, redone, position, True
        walker = last + 1
        while True:
            walker = bisect_left(starts_at, position, walker)
            goal = starts_at[walker] if walker < len(starts_at) else stop
            if position >= goal:
                break
            if patience <= 0:
                return kept, redone, position, False
            aim = min(goal, position + patience)
            starts, reached = rule.plain(buffer, position, aim, limit)
            redone += starts
            if reached < aim:
                return kept, redone, reached, True
            patience -= reached - position
            position = reached
    return kept, redone, position, False


def _guess(
    buffer: Bytes, begin: int, size: int, segments: int, limit: int, rule: Rule, mean: int
) -> I64:
    """A likely record start in most segments, ascending; the first is begin itself."""
    mark = rule.mark(buffer, begin)
    found = np.full(segments, -1, np.int64)
    found[0] = begin
    left = np.arange(1, segments)
    at, window = 0, 2 * mean & ~3
    for _ in range(SEARCHES):
        if not len(left) or at >= size:
            break
        window = min(window, size - at)
        segment, offset = _marked(buffer, begin + at, size, segments, left, window, limit, mark)
        if len(offset):
            likely = rule.likely(buffer, offset, limit, mark)
            segment, offset = segment[likely], offset[likely]
            found[segment[::-1]] = offset[::-1]  # the first of each segment is written last
            left = left[found[left] < 0]
        at += window
        window *= 2
    return found[found >= 0]


def _marked(
    buffer: Bytes,
    begin: int,
    size: int,
    segments: int,
    left: I64,
    window: int,
    limit: int,
    mark: Mark,
) -> tuple[I64, I64]:
    """Places in the first bytes of the segments left that bear the mark: (segment, offset)."""
    field = mark.dtype.itemsize
    # A segment near the end must not be searched beyond it.
    readable = limit - mark.at - field - begin - window
    left = left[left * size <= readable]
    if not len(left) or window < mark.align:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places: Ints = np.ndarray(
        (int(left[-1]) + 1, window // mark.align),
        mark.dtype,
        buffer,
        begin + mark.at,
        (size, mark.align),
    )
    places = places[left] if len(left) < segments - 1 else places[1:]
    marked = (places - places.dtype.type(mark.low)) <= mark.span
    row, column = np.divmod(np.flatnonzero(marked), marked.shape[1])
    row = left[row]
    offset = begin + row * size + column * mark.align
    return row, offset
