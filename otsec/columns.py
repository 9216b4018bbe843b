"""The few columnar idioms: gather, ranges, hash, group, walk. Knows nothing of networks.

A *batch* is one byte buffer and arrays of offsets into it. Everything here works on whole
arrays; nothing here loops over packets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
I64: TypeAlias = NDArray[np.int64]
U64: TypeAlias = NDArray[np.uint64]
Header: TypeAlias = NDArray[Any]  # a structured array, one row an offset
Ints: TypeAlias = NDArray[Any]  # any integer dtype, named by the field


FEW = 64  # rows of a table that holds nothing yet: a network may have hundreds of them


# ------------------------------------------------------------------------------- tables


def with_room(table: Any, size: int, more: Callable[[Any, np.dtype[Any]], Any] = np.zeros) -> Any:
    """A table with so many rows at least: if some lack, twice as many as it had.

    ``more(shape, dtype)`` makes the rows that are put behind it.
    """
    if size <= len(table):
        return table
    lacking = max(size, 2 * len(table)) - len(table)
    return np.concatenate([table, more((lacking, *table.shape[1:]), table.dtype)])


# ------------------------------------------------------------------------------- gather


def windows(buffer: Bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Every position of the buffer read as dtype, without a copy; shape (len - size + 1,)."""
    size = dtype.itemsize
    return np.ndarray((len(buffer) - size + 1,), f"V{size}", buffer, strides=(1,))


def gather(buffer: Bytes, offset: I64, end: I64, dtype: np.dtype[Any]) -> tuple[Header, Mask]:
    """Read dtype at each offset, if it fits before end: (rows, fits).

    The only place where bytes of the network are read by position: a row that does not fit
    into ``offset <= .. end`` is all zero and its mask is False.
    """
    size = dtype.itemsize
    fits = (offset >= 0) & (offset + size <= np.minimum(end, len(buffer)))
    if len(buffer) < size:
        return np.zeros(len(offset), dtype), fits
    if fits.all():
        return windows(buffer, dtype)[offset].view(dtype), fits
    rows = windows(buffer, dtype)[np.where(fits, offset, 0)].view(dtype)
    rows[~fits] = np.zeros((), dtype)
    return rows, fits


def ranges(start: I64, count: I64) -> I64:
    """All positions of the ranges [start, start + count), one range behind the other."""
    total = int(count.sum())
    if total == 0:
        return np.empty(0, np.int64)
    ends = np.cumsum(count)
    first: I64 = np.repeat(start - (ends - count), count)
    return first + np.arange(total, dtype=np.int64)


def gather_spans(buffer: Bytes, start: I64, length: I64) -> Bytes:
    """The bytes of all spans, one behind the other. The caller has checked the bounds."""
    if _are_long(length):
        ends = zip(start.tolist(), (start + length).tolist(), strict=True)
        return np.concatenate([buffer[begin:end] for begin, end in ends])
    return buffer[ranges(start, length)]


def put_spans(target: Bytes, at: I64, buffer: Bytes, start: I64, length: I64) -> None:
    """Copy the bytes of all spans to their places. The caller has checked the bounds."""
    if _are_long(length):
        columns = (at, at + length, start, start + length)
        for one, two, begin, end in zip(*(column.tolist() for column in columns), strict=True):
            target[one:two] = buffer[begin:end]
        return
    target[ranges(at, length)] = gather_spans(buffer, start, length)


LONG = 256  # bytes: from there on copying span by span is faster, and needs no index of each byte


def _are_long(length: I64) -> bool:
    return len(length) > 0 and int(length.sum()) >= LONG * len(length)


def starts_of(changed: Mask) -> I64:
    """Positions where a new run begins; changed[0] is taken as True."""
    if len(changed) == 0:
        return np.empty(0, np.int64)
    changed[0] = True
    return np.flatnonzero(changed)


# --------------------------------------------------------------------------------- hash


def hash_words(words: list[U64], seed: int) -> U64:
    """One 64-bit hash a row over columns of equal length; random for who has no seed.

    The upper bits are the well mixed ones.
    """
    state: U64 = words[0] * _odd(seed, 0)
    for number, word in enumerate(words[1:], 1):
        state ^= word * _odd(seed, number)
    state ^= state >> np.uint64(32)
    state *= _odd(seed, len(words))
    state ^= state >> np.uint64(32)
    return state


@lru_cache(maxsize=1024)
def _odd(seed: int, number: int) -> np.uint64:
    """An odd multiplier drawn from the seed, by the steps of splitmix64 (Steele et al., 2014)."""
    state = (seed + (number + 1) * 0x9E3779B97F4A7C15) & _ALL
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _ALL
    state = (state ^ state >> 27) * 0x94D049BB133111EB & _ALL
    return np.uint64((state ^ state >> 31) | 1)


_ALL = (1 << 64) - 1
_TAIL = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [(1 << 64) - 1], np.uint64)


def span_word(buffer: Bytes, start: I64, length: I64, at: int) -> U64:
    """Bytes at..at+8 of each span as one little-endian word, zero beyond the span's end."""
    left, offset, last = length - at, start + at, len(buffer) - 8
    inside = len(offset) > 0 and last >= offset.max() and offset.min() >= 0
    if inside and left.min() >= 8:
        return windows(buffer, _WORD)[offset].view(_WORD)
    np.maximum(left, 0, out=left)  # np.clip takes five times as long for few spans
    np.minimum(left, 8, out=left)
    if inside:
        word = windows(buffer, _WORD)[offset].view(_WORD)
    else:
        word = _near_the_end(buffer, np.where(left > 0, offset, 0))
    return np.asarray(word & _TAIL[left], np.uint64)


_WORD = np.dtype("<u8")


def _near_the_end(buffer: Bytes, offset: I64) -> U64:
    """Eight bytes from each offset, zero behind the buffer: read earlier there, and shifted."""
    last = len(buffer) - 8
    if last < 0:
        buffer = np.concatenate([buffer, np.zeros(8, np.uint8)])
        last = len(buffer) - 8
    back = np.maximum(offset - last, 0)
    word: U64 = windows(buffer, _WORD)[offset - back].view(_WORD)
    return word >> (back.astype(np.uint64) * np.uint64(8))


def hash_spans(buffer: Bytes, start: I64, length: I64, seed: int) -> U64:
    """One 64-bit hash a span, over its length and all its bytes, in rounds of 8 bytes."""
    state = hash_words([length.astype(np.uint64)], seed)
    left = np.arange(len(start))
    at = 0
    while len(left):
        word = span_word(buffer, start[left], length[left], at)
        state[left] = hash_words([state[left] ^ word], seed)
        at += 8
        left = left[length[left] > at]
    return state


def equal_spans(buffer: Bytes, start: I64, length: I64, one: I64, other: I64) -> Mask:
    """Whether the spans of rows ``one`` have the same bytes as those of rows ``other``."""
    same: Mask = length[one] == length[other]
    left = np.flatnonzero(same)
    at = 0
    while len(left):
        a, b = one[left], other[left]
        differ = span_word(buffer, start[a], length[a], at) != span_word(
            buffer, start[b], length[b], at
        )
        same[left[differ]] = False
        at += 8
        left = left[~differ & (length[a] > at)]
    return same


# -------------------------------------------------------------------------------- group


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows with equal keys, brought together.

    ``order`` lists all rows, group by group, each group in row order; ``start`` and ``count``
    delimit the groups in ``order``. The groups stand in no meaningful order.
    """

    order: I64
    start: I64
    count: I64

    def __len__(self) -> int:
        return len(self.start)

    @property
    def first(self) -> I64:
        """The first row of each group."""
        return self.order[self.start]

    def group_of_rows(self) -> I64:
        """The group of each row."""
        group = np.empty(len(self.order), np.int64)
        group[self.order] = np.repeat(np.arange(len(self.start)), self.count)
        return group


MANY_MIXED = 16  # where more than a 16th of the rows share a bucket with another key


def group(words: list[U64], seed: int, bits: int = 64) -> Groups:
    """Group rows by equal words. The hash proposes, the words decide.

    ``bits`` keeps only that many bits of the hash (tests let collisions abound with 8).
    """
    if len(words[0]) < 2:
        return _one_group(len(words[0]))
    order, changed = _bring_together(words, hash_words(words, seed), bits)
    return _delimit(order, changed)


def _bring_together(words: list[U64], hashes: U64, bits: int) -> tuple[I64, Mask]:
    """Rows with equal words one behind the other, and where the words change.

    NumPy sorts 16-bit numbers by radix, four times faster than longer ones. Where many buckets
    hold more than one key, twice as many bits are sorted by; the few that still do are sorted
    once more, by the words.
    """
    for taken in (16, 32):
        bucket = (hashes >> np.uint64(64 - min(bits, taken))).astype(np.uint32)
        order = _radix_sort(bucket, taken)
        bucket = bucket[order]
        changed = np.zeros(len(order), np.bool_)
        for word in words:
            inorder = word[order]
            changed[1:] |= inorder[1:] != inorder[:-1]
        mixed = bucket[1:][changed[1:] & (bucket[1:] == bucket[:-1])]
        if MANY_MIXED * len(mixed) < len(order):
            break
    if len(mixed):
        mixed = np.unique(mixed)
        begin = np.searchsorted(bucket, mixed)
        place = ranges(begin, np.searchsorted(bucket, mixed, "right") - begin)
        rows = order[place]
        keys: tuple[Ints, ...] = tuple(word[rows] for word in words)
        order[place] = rows[np.lexsort((*keys, bucket[place]))]
        rows, before = order[place], order[place - 1]
        differs = np.zeros(len(place), np.bool_)
        for word in words:
            differs |= word[rows] != word[before]
        changed[place] = differs
    return order, changed


def _radix_sort(bucket: NDArray[np.uint32], bits: int) -> I64:
    """The stable order of numbers of 16 or 32 bits."""
    order = np.argsort(bucket.astype(np.uint16), kind="stable")
    if bits == 16:
        return order
    upper = (bucket >> np.uint32(16)).astype(np.uint16)
    return order[np.argsort(upper[order], kind="stable")]


def group_spans(
    buffer: Bytes, start: I64, length: I64, words: list[U64], seed: int, bits: int = 64
) -> Groups:
    """Group rows by equal words and equal bytes of their spans; hash proposes, bytes decide."""
    if len(start) < 2:
        return _one_group(len(start))
    hashes = hash_spans(buffer, start, length, seed) >> np.uint64(64 - bits)
    keys = [hashes, length.astype(np.uint64), *words]
    order, changed = _bring_together(keys, hash_words(keys, seed), bits)
    if not (changed[1:] | equal_spans(buffer, start, length, order[1:], order[:-1])).all():
        return _group_spans_plainly(buffer, start, length, words)
    return _delimit(order, changed)


def _one_group(rows: int) -> Groups:
    """Of one row, or of none: most batches of a quiet network have few of a kind."""
    none = np.zeros(rows, np.int64)
    return Groups(none, none, none + 1)


def _group_spans_plainly(buffer: Bytes, start: I64, length: I64, words: list[U64]) -> Groups:
    seen: dict[tuple[bytes, ...], int] = {}
    group = np.empty(len(start), np.int64)
    columns = [word.tolist() for word in words]
    for row, (at, size) in enumerate(zip(start.tolist(), length.tolist(), strict=True)):
        key = (buffer[at : at + size].tobytes(), *(column[row] for column in columns))
        group[row] = seen.setdefault(key, len(seen))
    order = np.argsort(group, kind="stable")
    changed = np.zeros(len(order), np.bool_)
    changed[1:] = group[order][1:] != group[order][:-1]
    return _delimit(order, changed)


def _delimit(order: I64, changed: Mask) -> Groups:
    start = starts_of(changed)
    count = np.empty_like(start)
    np.subtract(start[1:], start[:-1], out=count[:-1])
    count[-1] = len(order) - start[-1]
    return Groups(order, start, count)


# --------------------------------------------------------------------------------- walk


@dataclass(frozen=True, slots=True)
class Walk:
    """Links of chains: link i begins at ``offset[i]`` and belongs to walker ``walker[i]``.

    ``exit`` says for each walker where it stopped: at or beyond its stop, or at the link it
    could not pass. Links stand in order of walker, then offset.
    """

    walker: I64
    offset: I64
    length: I64
    exit: I64


def walk(start: I64, stop: I64, step: Callable[[I64, I64], I64]) -> Walk:
    """Walk many chains of lengths at once: from each start until at or beyond its stop.

    ``step(walker, offset)`` gives the length of the link at each offset, or 0 or less where the
    chain cannot go on.
    """
    position = start.copy()
    walkers = np.flatnonzero(position < stop)
    found: list[tuple[I64, I64, I64]] = []
    while len(walkers):
        offset = position[walkers]
        length = step(walkers, offset)
        going = length > 0
        walkers, offset, length = walkers[going], offset[going], length[going]
        found.append((walkers, offset, length))
        position[walkers] = offset + length
        walkers = walkers[position[walkers] < stop[walkers]]
    return Walk(*rounds(found), position)


def rounds(found: list[tuple[I64, I64, I64]]) -> tuple[I64, I64, I64]:
    """What was found round by round, as columns: in order of the first, then of the rounds."""
    if not found:
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    owner, offset, length = (np.concatenate(column) for column in zip(*found, strict=True))
    if len(found) > 1:
        order = np.argsort(owner, kind="stable")
        owner, offset, length = owner[order], offset[order], length[order]
    return owner, offset, length


# ----------------------------------------------------------------------------- histogram

BUCKETS = 256  # four to an octave over 63 bits


def bucket(value: I64) -> I64:
    """The logarithmic bucket of each value >= 0: 0 to 3 themselves, then four to an octave."""
    small = np.maximum(value, 0)
    mantissa, exponent = np.frexp(small.astype(np.float64))  # value = mantissa * 2**exponent
    fine = (exponent.astype(np.int64) - 1) * 4 + ((mantissa - 0.5) * 8).astype(np.int64) - 4
    return np.where(small < 4, small, np.minimum(fine, BUCKETS - 1))
