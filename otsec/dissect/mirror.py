"""Frames that a mirror delivered twice: the same frame again within two milliseconds.

A frame repeats if the last identical frame before it (same captured bytes, same length on the
wire) is at most `WINDOW_NS` older or younger and at most `WINDOW_FRAMES` frames before, and no
frame between the two is later than that window by more than `LATE_NS`: who captures several ports
hands over their frames in turn, so that copies may stand in another order than they were stamped.
The last two conditions say nothing new where time runs forward at rates that networks have; they
make the answer depend only on a bounded tail, so that it is the same wherever batches end.

A mirror delivers a frame once or a few times more. What comes again without end goes round in a
loop of the network: repeats of one frame are numbered, and many of them are no mirror's.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.columns import (
    I64,
    U64,
    Bytes,
    Mask,
    gather,
    group_spans,
    hash_words,
    windows,
)
from otsec.model import PacketBatch

WINDOW_NS = 2_000_000  # a mirror of two ports repeats within microseconds, a busy one within 1 ms
LATE_NS = 5_000_000  # frames of several ports change places over no more than this
UNTIL_NS = WINDOW_NS + LATE_NS  # behind a frame that may still be repeated
LOOPED = 8  # copies of one frame: more than any number of mirrored ports on its way
WINDOW_FRAMES = 8_192  # four million frames a second; also the frames a tail keeps at most

_WORD = np.dtype("<u8")
_BLOCK = np.dtype("V64")
# where fingerprints look: id, protocol and check sum of IPv4; sequence and acknowledgement of TCP
_PROBE = np.dtype(
    {"names": ["network", "transport"], "formats": ["<u8", "<u8"], "offsets": [0, 20]}
)
_PROBE_AT = 18
_SLOT_BITS = 19  # eight slots for each frame of a full batch


def fingerprint(batch: PacketBatch, seed: int) -> U64:
    """A hash of a few words of each frame: equal for identical frames, mostly different else."""
    return _with_end(batch, _front(batch, seed), seed)


def _front(batch: PacketBatch, seed: int) -> U64:
    """A hash of the lengths and of two words near the front."""
    end = batch.offset + batch.captured
    # in frames too short for it the probe moves to the front
    at = end - np.maximum(batch.captured - _PROBE_AT, _PROBE.itemsize)
    probe, _ = gather(batch.buffer, np.where(at < batch.offset, -1, at), end, _PROBE)
    lengths = (batch.captured << 32 ^ batch.wire).astype(np.uint64)
    return hash_words([lengths, probe["network"], probe["transport"]], seed)


def _with_end(batch: PacketBatch, front: U64, seed: int) -> U64:
    """A hash of that and of the last word."""
    end = batch.offset + batch.captured
    at = end - _WORD.itemsize
    word, _ = gather(batch.buffer, np.where(at < batch.offset, -1, at), end, _WORD)
    return hash_words([front, word], seed)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Frames that repeat others of their batch, as columns of one length."""

    row: I64  # ascending
    first: I64  # row of the frame that all of them repeat, the first of this batch
    copy: I64  # which copy of that it is, from 1

    def among(self, count: int, rows: I64, copies: I64) -> I64:
        """Which copy each of ``count`` frames is, where ``rows`` are copies of earlier batches."""
        found = np.zeros(count, np.int64)
        found[rows] = copies
        found[self.row] = self.copy + found[self.first]
        return found


def repeated(batch: PacketBatch, seed: int, bits: int = 64) -> Repeats:
    """The frames that repeat a frame of the same batch; hash proposes, bytes decide.

    ``bits`` keeps only that many bits of the hashes (tests let collisions abound with 8).
    """
    none = np.empty(0, np.int64)
    if len(batch) < 2:
        return Repeats(none, none, none)
    rows, kept = _alike(batch, seed, bits)
    if not len(rows):
        return Repeats(none, none, none)
    forward = bool((batch.time[1:] >= batch.time[:-1]).all())
    order, run = _runs(batch, rows, kept, forward=forward)
    rows, earlier = _identical_pairs(batch, order, run, seed, bits)
    age = batch.time[rows] - batch.time[earlier]
    near = (np.abs(age) <= WINDOW_NS) & (rows - earlier <= WINDOW_FRAMES)
    rows, earlier = rows[near], earlier[near]
    if not forward:
        ahead = _latest_between(batch.time, earlier, rows) > batch.time[earlier] + UNTIL_NS
        rows, earlier = rows[~ahead], earlier[~ahead]
    return _numbered(rows, earlier, len(batch))


def _numbered(rows: I64, earlier: I64, count: int) -> Repeats:
    """The number of each repeat, by which frame it repeats: each step looks twice as far back."""
    origin, copy = np.arange(count), np.zeros(count, np.int64)
    origin[rows], copy[rows] = earlier, 1
    rows = np.sort(rows)
    while len(left := rows[copy[origin[rows]] > 0]):
        copy[left], origin[left] = copy[left] + copy[origin[left]], origin[origin[left]]
    return Repeats(rows, origin[rows], copy[rows])


def _alike(batch: PacketBatch, seed: int, bits: int) -> tuple[I64, U64]:
    """Rows that may have an equal, and their fingerprints; most frames differ near the front."""
    if bits < 64:
        return np.arange(len(batch)), fingerprint(batch, seed) >> np.uint64(64 - bits)
    front = _front(batch, seed)
    rows = _sharing_a_slot(front)
    kept = _with_end(batch.take(rows), front[rows], seed)
    again = _sharing_a_slot(kept)
    return rows[again], kept[again]


def _sharing_a_slot(fingerprints: U64) -> I64:
    """Rows that may have an equal: a scatter and a gather, far cheaper than to sort them all."""
    slot = fingerprints >> np.uint64(64 - _SLOT_BITS)
    slot = slot.view(np.int64)
    owner = np.empty(1 << _SLOT_BITS, np.int32)  # read only where it was written
    row = np.arange(len(slot), dtype=np.int32)
    owner[slot] = row
    robbed = slot[owner[slot] != row]
    if not len(robbed):
        return np.empty(0, np.int64)
    owner[robbed] = -1
    return np.flatnonzero(owner[slot] == -1)


def _runs(batch: PacketBatch, rows: I64, kept: U64, *, forward: bool) -> tuple[I64, I64]:
    """Rows in runs of equal fingerprints ``kept``, each in row order, and the run of each.

    Rows without such a neighbour in time are left out; where time does not run forward, neighbours
    say nothing, and all rows of equal fingerprints stay.
    """
    sort = np.argsort(kept, kind="stable")
    order, kept = rows[sort], kept[sort]
    linked = kept[1:] == kept[:-1]
    if forward:
        linked &= batch.time[order[1:]] - batch.time[order[:-1]] <= WINDOW_NS
    in_run = np.zeros(len(order), np.bool_)
    in_run[1:] = linked
    in_run[:-1] |= linked
    run = np.zeros(len(order), np.int64)
    np.cumsum(~linked, out=run[1:])
    return order[in_run], run[in_run]


def _identical_pairs(
    batch: PacketBatch, order: I64, run: I64, seed: int, bits: int
) -> tuple[I64, I64]:
    """Rows of runs that have an identical row before them in their run: (row, the last such)."""
    rows, earlier = order[1:], order[:-1]
    linked = run[1:] == run[:-1]
    same = np.zeros(len(rows), np.bool_)
    same[linked] = _identical(batch, rows[linked], earlier[linked])
    mixed_runs = run[1:][linked & ~same]  # frames of several kinds: neighbours do not decide
    if not len(mixed_runs):
        return rows[same], earlier[same]
    mixed = np.isin(run, mixed_runs)
    same &= ~mixed[1:]
    members = order[mixed]
    words = [batch.wire[members].astype(np.uint64), run[mixed].astype(np.uint64)]
    groups = group_spans(
        batch.buffer, batch.offset[members], batch.captured[members], words, seed, bits
    )
    follows = np.ones(len(members), np.bool_)
    follows[groups.start] = False
    members = members[groups.order]
    return (
        np.concatenate([rows[same], members[1:][follows[1:]]]),
        np.concatenate([earlier[same], members[:-1][follows[1:]]]),
    )


def _identical(batch: PacketBatch, one: I64, other: I64) -> Mask:
    """Whether frames are identical pair by pair, in blocks from the front and one at the end."""
    same: Mask = batch.captured[one] == batch.captured[other]
    same &= batch.wire[one] == batch.wire[other]
    left = np.flatnonzero(same)
    for dtype in (_BLOCK, _WORD, np.dtype("u1")):  # frames shorter than a block go on by words
        size = dtype.itemsize
        length = batch.captured[one[left]]
        short = left[length < size]
        left = left[length >= size]
        _compare(batch, one, other, left, dtype, same)
        left = short
    return same


def _compare(
    batch: PacketBatch, one: I64, other: I64, left: I64, dtype: np.dtype[Any], same: Mask
) -> None:
    """Unset ``same`` for the pairs ``left`` that differ; each is at least one dtype long."""
    view = windows(batch.buffer, dtype) if len(left) else None
    width = "<u8" if dtype.itemsize >= _WORD.itemsize else "u1"
    at = 0
    while len(left) and view is not None:
        a, b = one[left], other[left]
        last = batch.captured[a] - dtype.itemsize
        step = np.minimum(at, last)
        x = view[batch.offset[a] + step].view(width).reshape(len(left), -1)
        y = view[batch.offset[b] + step].view(width).reshape(len(left), -1)
        equal = (x == y).all(axis=1)
        same[left[~equal]] = False
        left = left[equal & (last > at)]
        at += dtype.itemsize


def _latest_between(time: I64, first: I64, last: I64) -> I64:
    """The latest of time[first:last] for each pair, first < last, from maxima over powers of two."""
    span = last - first
    level = np.frexp(span.astype(np.float64))[1] - 1  # 2**level <= span
    latest = np.empty(len(first), np.int64)
    maxima = time
    for power in range(int(level.max(initial=-1)) + 1):
        mine = level == power
        size = 1 << power
        latest[mine] = np.maximum(maxima[first[mine]], maxima[last[mine] - size])
        maxima = np.maximum(maxima[:-size], maxima[size:]) if len(maxima) > size else maxima
    return latest


# ------------------------------------------------------------------------- across batches


@dataclass(frozen=True, slots=True)
class _Frame:
    """What is kept of a frame: SHA-256 stands for its bytes, so that size and state stay small."""

    number: int  # within the source
    time: int
    mark: int  # fingerprint, to look at few frames of the next batch
    digest: bytes
    copies: int = 0  # how many of it came before, each near the last


@dataclass(slots=True)
class DuplicateTail:
    """The ordered half: frames of the last few milliseconds of one source.

    For each batch first `check`, then `remember`.
    """

    frames: list[_Frame] = field(default_factory=list)
    number: int = 0  # frames seen before

    def check(self, batch: PacketBatch) -> tuple[I64, I64]:
        """Rows that repeat a frame of an earlier batch, where none before them in this batch does.

        With each, which copy of it that is.
        """
        if not self.frames or not len(batch):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        head = self._head(batch)
        known = {frame.digest: frame for frame in self.frames}  # the last of identical ones
        latest = np.maximum.accumulate(head.time)
        found = []
        marks = np.array([frame.mark for frame in self.frames], np.uint64)
        for row in np.flatnonzero(np.isin(fingerprint(head, 0), marks)).tolist():
            frame = known.pop(_digest(head, row), None)
            if frame is None:
                continue
            near = abs(int(head.time[row]) - frame.time) <= WINDOW_NS
            ahead = row > 0 and latest[row - 1] > frame.time + UNTIL_NS
            if near and not ahead and self.number + row - frame.number <= WINDOW_FRAMES:
                found.append((row, frame.copies + 1))
        self.frames = list(known.values())  # only the last identical frame before counts
        rows, copies = np.array(found, np.int64).reshape(-1, 2).T
        return rows, copies

    def _head(self, batch: PacketBatch) -> PacketBatch:
        """The rows that can still repeat a kept frame: until a later one ends all windows."""
        before = np.maximum.accumulate(batch.time[: min(WINDOW_FRAMES, len(batch)) - 1])
        last = max(frame.time for frame in self.frames) + UNTIL_NS
        return batch.take(np.arange(1 + np.searchsorted(before, last, "right")))

    def remember(self, batch: PacketBatch, copies: I64) -> None:
        """Keep what the next batch may repeat: of identical frames the last, if it is near.

        ``copies``: which copy of another each frame is.
        """
        if not len(batch):
            return
        oldest, newest = self.number + len(batch) - WINDOW_FRAMES, int(batch.time.max())
        self.frames = [
            frame
            for frame in self.frames
            if frame.number >= oldest and frame.time + UNTIL_NS >= newest
        ]
        times = batch.time[-WINDOW_FRAMES:]
        latest = np.maximum.accumulate(times[::-1])[::-1]  # from each row on
        near = times + UNTIL_NS >= latest
        skipped = int(near.argmax())  # the last row, at least, is near
        near = near[skipped:]
        first = len(batch) - len(near)
        end = batch.take(np.arange(first, len(batch)))
        marks = fingerprint(end, 0)
        alike = near if near.all() else np.isin(marks, marks[near])
        last = {_digest(end, row): row for row in np.flatnonzero(alike).tolist()}
        self.frames += [
            _Frame(
                self.number + first + row,
                int(end.time[row]),
                int(marks[row]),
                digest,
                int(copies[first + row]),
            )
            for digest, row in last.items()
            if near[row]
        ]
        self.number += len(batch)

    def dump(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "number": self.number,
            "frames": [
                [frame.number, frame.time, frame.mark, frame.digest.hex(), frame.copies]
                for frame in self.frames
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state dumped before."""
        self.number = state["number"]
        self.frames = [
            _Frame(number, time, mark, bytes.fromhex(digest), copies)
            for number, time, mark, digest, copies in state["frames"]
        ]


def _digest(batch: PacketBatch, row: int) -> bytes:
    start = int(batch.offset[row])
    frame: Bytes = batch.buffer[start : start + int(batch.captured[row])]
    return hashlib.sha256(frame.tobytes() + int(batch.wire[row]).to_bytes(8, "big")).digest()
