"""What the numbered elements of objects held: least, greatest, first and last value of each."""

from dataclasses import dataclass, fields, replace

import numpy as np

from otsec.aggregates.counters import Refusals
from otsec.columns import I64, Ints, Mask, ranges, windows
from otsec.exchanges.calls import Values
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
    ]
)
PIECE = 64  # bytes of a strand
RUN = 16  # rows of a strand: so many steps for each lot of values, however often a block comes
_BITS = np.array([1 if dtype is None else 8 * dtype.itemsize for dtype in VALUE_TYPES])


class Cells:
    """Ordered: all cells of one source, in columns, and the blocks they form.

    A block is the cells of one behaviour, which are always seen together.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.used = 0
        self.refused = Refusals()
        self.spaces: list[str] = []
        self.blocks = np.zeros(256, BLOCK)
        self.minimum = np.zeros(4096, np.int64)
        self.maximum, self.first, self.last = (self.minimum.copy() for _ in range(3))

    def room(self, space: str, first: int, size: int, kind: int) -> int:
        """A new block of ``size`` elements; -1 where there is no room for it."""
        if self.used + size > self.cap or len(self.spaces) >= self.cap:
            return -1
        while self.used + size > len(self.minimum):
            for name in ("minimum", "maximum", "first", "last"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(len(old), np.int64)]))
        number = len(self.spaces)
        if number == len(self.blocks):
            self.blocks = np.concatenate([self.blocks, np.zeros(number, BLOCK)])
        self.spaces.append(space)
        self.blocks[number] = (self.used, size, first, kind, 0, (0, 0), (0, 0))
        cells = slice(self.used, self.used + size)
        self.minimum[cells], self.maximum[cells] = MOST, LEAST
        self.used += size
        return number

    def add(self, values: Values, rows: I64, block: I64, first: Mask, last: Mask) -> None:
        """Take the values of some rows of ``values``, those of a block one behind the other.

        ``block``: of each row; ``first``, ``last``: whether it is the first or last of all that
        its block was ever given.
        """
        size = np.minimum(self.blocks["size"][block], values.count[rows])
        kinds = values.type[rows]
        behind = values.start[rows] + (size * _BITS[kinds] + 7 >> 3)
        values = _padded(values, int(behind.max(initial=0)) + PIECE)
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            mine = np.flatnonzero((kinds == kind) & (size > 0))
            strands = _strands(block[mine], size[mine], kind)
            low, high = _least_and_most(strands, values, rows[mine], kind)
            cell = self._cells(strands)
            np.minimum.at(self.minimum, cell, strands.held(low, kind))
            np.maximum.at(self.maximum, cell, strands.held(high, kind))
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
        values = _padded(values, int(values.start[row] + (size[0] * _BITS[kind] + 7 >> 3)) + PIECE)
        strands = _strands(np.array([block]), size, kind)
        rows = np.full(len(strands.row), row)
        held = strands.held(_read(values, rows, strands.first, strands.size, kind), kind)
        base = int(self.blocks["base"][block])
        self.last[base + begin : base + int(size[0])] = held[begin:]

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


def _width(kind: int) -> int:
    """Values of a strand."""
    return PIECE * 8 // int(_BITS[kind])


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
        offset = start + (first * _BITS[kind] >> 3)
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
