"""What the numbered elements of objects held: least, greatest, first and last value of each."""

from dataclasses import dataclass, fields, replace

import numpy as np

from otsec.aggregates.counters import Refusals
from otsec.columns import FEW, I64, Ints, Mask, ranges, windows, with_room
from otsec.exchanges.calls import VALUE_BITS, Values
from otsec.protocols.api import VALUE_TYPES
from otsec.protocols.values import LEAST, MOST, from_cells, is_float, to_cells

BLOCK = np.dtype(
    [
        ("base", "<i8"),  # its first cell
        ("size", "<i8"),  # cells
        ("first_element", "<i8"),
        ("type", "<i8"),  # position in VALUE_TYPES
        ("count", "<i8"),  # how often its values were seen
        ("first", "<i8", (2,)),  # time and ordinal
        ("last", "<i8", (2,)),
        ("traced", "<i8"),  # its first cell of `traces`; -1 none
    ]
)
UNTRACED = -1
PIECE = 64  # bytes of a strand
RUN = 16  # rows of a strand: so many steps for each lot of values, however often a block comes


class Cells:
    """Ordered: all cells of one source, in columns, and the blocks they form.

    A block is the cells of one behaviour, which are always seen together.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.used = 0
        self.refused = Refusals()
        self.spaces: list[str] = []
        self.blocks = np.zeros(FEW, BLOCK)
        self.minimum = np.zeros(FEW, np.int64)
        self.maximum, self.first, self.last = (self.minimum.copy() for _ in range(3))
        # of traced cells: time and ordinal of the packet of the least and of the greatest value
        self.traces = np.full((0, 2, 2), UNTRACED, np.int64)
        self.traced = 0

    def room(self, space: str, first: int, size: int, kind: int, *, traced: bool = False) -> int:
        """A new block of ``size`` elements; -1 where there is no room for it.

        ``traced``: the packets of its least and greatest values are kept too.
        """
        if self.used + size > self.cap or len(self.spaces) >= self.cap:
            return -1
        for name in ("minimum", "maximum", "first", "last"):
            setattr(self, name, with_room(getattr(self, name), self.used + size))
        number = len(self.spaces)
        self.blocks = with_room(self.blocks, number + 1)
        self.spaces.append(space)
        trace = self.traced if traced else UNTRACED
        self.blocks[number] = (self.used, size, first, kind, 0, (0, 0), (0, 0), trace)
        if traced:
            self.traced += size
            if self.traced > len(self.traces):
                more = np.full((2 * self.traced - len(self.traces), 2, 2), UNTRACED, np.int64)
                self.traces = np.concatenate([self.traces, more])
        cells = slice(self.used, self.used + size)
        self.minimum[cells], self.maximum[cells] = MOST, LEAST
        self.used += size
        return number

    def add(
        self, values: Values, rows: I64, block: I64, first: Mask, last: Mask, seen: I64
    ) -> None:
        """Take the values of some rows of ``values``, those of a block one behind the other.

        ``block``: of each row; ``first``, ``last``: whether it is the first or last of all that
        its block was ever given; ``seen``: time and ordinal, shape (rows, 2).
        """
        size = np.minimum(self.blocks["size"][block], values.count[rows])
        kinds = values.type[rows]
        behind = values.start[rows] + (size * VALUE_BITS[kinds] + 7 >> 3)
        values = _padded(values, int(behind.max(initial=0)) + PIECE)
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            mine = np.flatnonzero((kinds == kind) & (size > 0))
            strands = _strands(block[mine], size[mine], kind)
            low, high = _least_and_most(strands, values, rows[mine], kind)
            cell = self._cells(strands)
            least, most = strands.held(low, kind), strands.held(high, kind)
            self._trace(strands, (least, most), _Rows(values, rows[mine], seen[mine], kind))
            np.minimum.at(self.minimum, cell, least)
            np.maximum.at(self.maximum, cell, most)
            begin, end = mine[strands.row], mine[strands.row + strands.rows - 1]
            for column, row, marks in ((self.first, begin, first), (self.last, end, last)):
                marked = np.flatnonzero(marks[row])
                some = strands.take(marked)
                read = _read(values, rows[row[marked]], some.first, some.size, kind)
                column[self._cells(some)] = some.held(read, kind)

    def put_last(self, values: Values, row: int, block: int, begin: int) -> None:
        """Set the last values of a block, from number ``begin`` on, to those of one row."""
        size = np.minimum(self.blocks["size"][[block]], values.count[[row]])
        kind = int(values.type[row])
        values = _padded(
            values, int(values.start[row] + (size[0] * VALUE_BITS[kind] + 7 >> 3)) + PIECE
        )
        strands = _strands(np.array([block]), size, kind)
        rows = np.full(len(strands.row), row)
        held = strands.held(_read(values, rows, strands.first, strands.size, kind), kind)
        base = int(self.blocks["base"][block])
        self.last[base + begin : base + int(size[0])] = held[begin:]

    def _trace(self, strands: "Strands", ends: tuple[I64, I64], mine: "_Rows") -> None:
        """Note the packets of new least and greatest values, before these are taken over.

        Of several packets the one of the least ordinal, so that the order of work does not show.
        """
        traced = self.blocks["traced"][strands.block]
        if not len(traced) or traced.max() < 0:
            return
        owner = np.repeat(np.arange(len(traced)), strands.size)
        number = ranges(np.zeros_like(strands.size), strands.size)
        cell, trace = self._cells(strands), (traced + strands.first)[owner] + number
        earliest = mine.earliest(strands)[owner]
        known = traced[owner] >= 0
        for side, (held, told, sign) in enumerate(
            ((ends[0], self.minimum[cell], 1), (ends[1], self.maximum[cell], -1))
        ):
            before = self.traces[np.where(known, trace, 0), side, 1]
            better = _beyond(held, told, sign)
            better |= (held == told) & (earliest < before)  # one that is not known is below zero
            some = np.flatnonzero(known & better)
            if len(some):
                at = strands.take(owner[some])
                which, row = mine.with_value(at, number[some], held[some])
                order = np.lexsort(
                    (mine.seen[row, 1], sign * held[some][which], trace[some][which])
                )
                which, row = which[order], row[order]
                heads = np.flatnonzero(np.diff(trace[some][which], prepend=-1))
                which, row = which[heads], row[heads]
                new = _beyond(held[some], told[some], sign)[which]
                new |= mine.seen[row, 1] < before[some][which]
                self.traces[trace[some][which[new]], side] = mine.seen[row[new]]

    def element(self, values: Values, rows: I64, number: int, kind: int) -> I64:
        """Value ``number`` of some rows of ``values`` that hold as many, as cells hold it."""
        width = _width(kind)
        behind = values.start[rows] + (values.count[rows] * VALUE_BITS[kind] + 7 >> 3)
        values = _padded(values, int(behind.max(initial=0)) + PIECE)
        first = np.full(len(rows), number // width * width)
        read = _read(values, rows, first, values.count[rows] - first, kind)
        if VALUE_TYPES[kind] is None:
            read = np.unpackbits(read, axis=1, bitorder="little")
        return np.asarray(read[:, number % width], np.int64)

    def trace(self, block: int) -> I64:
        """Time and ordinal of the packets of least and greatest values; shape (cells, 2, 2)."""
        base, size = self.blocks["traced"][block], self.blocks["size"][block]
        return self.traces[base : base + size] if base >= 0 else self.traces[:0]

    def _cells(self, strands: "Strands") -> I64:
        """The cells of the values in all strands, one strand behind the other."""
        return ranges(self.blocks["base"][strands.block] + strands.first, strands.size)


@dataclass(frozen=True, slots=True)
class Strands:
    """The same few values of a block, seen in some rows one behind the other.

    All strands of one type are of the same width, so that NumPy works on many of them at once; the
    longest stand first, so that those with a row of a rank are the beginning of all.
    """

    row: I64  # the first of its rows
    rows: I64  # how many, at most RUN
    block: I64
    first: I64  # number of its first value
    size: I64  # values that the block has of it; what is read behind them is not looked at

    def take(self, rows: I64) -> "Strands":
        """Some of them."""
        return Strands(*(getattr(self, field.name)[rows] for field in fields(self)))

    def held(self, read: Ints, kind: int) -> I64:
        """What a block has of values read for each strand, one strand behind the other.

        As wide as cells are, for NumPy is slow where two widths meet.
        """
        if VALUE_TYPES[kind] is None:
            read = np.unpackbits(read, axis=1, bitorder="little")
        held = np.arange(read.shape[1]) < self.size[:, None]
        return np.asarray(read[held], np.int64)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one type that strands are cut from."""

    values: Values
    rows: I64  # of `values`
    seen: I64  # time and ordinal of each
    kind: int

    def earliest(self, strands: Strands) -> I64:
        """The least ordinal of each strand."""
        heads = np.unique(strands.row)  # pieces of one lot share their rows
        least = np.minimum.reduceat(self.seen[:, 1], heads)
        return least[np.searchsorted(heads, strands.row)]

    def with_value(self, strands: Strands, number: I64, wanted: I64) -> tuple[I64, I64]:
        """The strands and rows in which value ``number`` of a strand is the wanted one."""
        which = np.repeat(np.arange(len(strands.row)), strands.rows)
        row = ranges(strands.row, strands.rows)
        some = strands.take(which)
        read = _read(self.values, self.rows[row], some.first, some.size, self.kind)
        if VALUE_TYPES[self.kind] is None:
            read = np.unpackbits(read, axis=1, bitorder="little")
        hits = np.flatnonzero(read[np.arange(len(row)), number[which]] == wanted[which])
        return which[hits], row[hits]


def _beyond(held: I64, told: I64, sign: int) -> Mask:
    """What is less (sign 1) or greater (sign -1) than what was known."""
    return np.asarray(held < told if sign > 0 else held > told, np.bool_)


def _width(kind: int) -> int:
    """Values of a strand."""
    return PIECE * 8 // int(VALUE_BITS[kind])


def _padded(values: Values, size: int) -> Values:
    """The same values over a buffer of at least ``size`` bytes: the last may be read past it."""
    lacking = size - len(values.buffer)
    if lacking <= 0:
        return values
    return replace(values, buffer=np.concatenate([values.buffer, np.zeros(lacking, np.uint8)]))


def _read(values: Values, rows: I64, first: I64, size: I64, kind: int) -> Ints:
    """The values from number ``first`` on of some rows, as many as a strand is wide; bits packed.

    Only the first ``size`` of them mean anything. Shape (rows, width).
    """
    start, dtype = values.start[rows], VALUE_TYPES[kind]
    if values.step is None or dtype is None:
        dtype = np.dtype(np.uint8) if dtype is None else dtype
        offset = start + (first * VALUE_BITS[kind] >> 3)
        raw = windows(values.buffer, np.dtype(f"V{PIECE}"))[offset].view(dtype)
        raw = raw.reshape(len(rows), PIECE // dtype.itemsize)
    else:
        number = first[:, None] + np.minimum(np.arange(_width(kind)), size[:, None] - 1)
        offset = start[:, None] + values.step[rows][:, None] * number
        raw = windows(values.buffer, dtype)[offset].view(dtype)
    with np.errstate(invalid="ignore"):  # any bytes may be a float, also one that signals
        return to_cells(raw)


def _strands(block: I64, size: I64, kind: int) -> Strands:
    """Rows of one type as strands. ``size``: values of each row."""
    changed = np.ones(len(block), np.bool_)
    changed[1:] = (block[1:] != block[:-1]) | (size[1:] != size[:-1])
    start = np.flatnonzero(changed)
    count = np.diff(start, append=len(block))
    cuts = -(-count // RUN)
    cut = ranges(np.zeros_like(cuts), cuts) * RUN
    start, count = np.repeat(start, cuts) + cut, np.minimum(np.repeat(count, cuts) - cut, RUN)
    longest = np.argsort(-count, kind="stable")
    start, count = start[longest], count[longest]
    width = _width(kind)
    pieces = -(-size[start] // width)
    first = ranges(np.zeros_like(pieces), pieces) * width
    start, count = np.repeat(start, pieces), np.repeat(count, pieces)
    return Strands(start, count, block[start], first, np.minimum(size[start] - first, width))


def _least_and_most(strands: Strands, values: Values, rows: I64, kind: int) -> tuple[Ints, Ints]:
    """The least and greatest of each value of each strand; shape (strands, width), bits packed."""
    alive = np.searchsorted(-strands.rows, -np.arange(1, RUN + 1), side="right")
    which = ranges(np.zeros_like(alive), alive)
    rank = np.repeat(np.arange(RUN), alive)
    row = rows[strands.row[which] + rank]
    read = _read(values, row, strands.first[which], strands.size[which], kind)
    low = high = read
    if is_float(kind):  # what is not a number is neither least nor greatest
        known = ~np.isnan(from_cells(read, kind))
        low, high = np.where(known, read, MOST), np.where(known, read, LEAST)
    packed = VALUE_TYPES[kind] is None
    least, most = (np.bitwise_and, np.bitwise_or) if packed else (np.minimum, np.maximum)
    lowest, highest = low[: alive[0]].copy(), high[: alive[0]].copy()
    end = np.cumsum(alive)
    for begin, count in zip(end[:-1].tolist(), alive[1:].tolist(), strict=True):
        least(lowest[:count], low[begin : begin + count], out=lowest[:count])
        most(highest[:count], high[begin : begin + count], out=highest[:count])
    return lowest, highest
