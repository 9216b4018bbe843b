"""What the numbered elements of objects held: least, greatest, first and last value of each."""

from collections.abc import Iterator

import numpy as np

from otsec.aggregates.counters import Refusals
from otsec.columns import I64, Ints, Mask, windows
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
        """Take the values of some rows of ``values``.

        ``block``: of each row; ``first``, ``last``: whether it is the first or last of all that
        its block was ever given, by row of ``values``.
        """
        for chosen, size, kind in self._alike(values, rows, block):
            order = chosen[np.argsort(block[chosen], kind="stable")]
            start = np.flatnonzero(np.diff(block[order], prepend=-1))
            read = _read(values, rows[order], size, kind)
            self._spread(read, start, self._cells(block[order[start]], size), kind)
            for column, marks in ((self.first, first), (self.last, last)):
                marked = np.flatnonzero(marks[rows[order]])
                column[self._cells(block[order[marked]], size)] = read[marked]

    def _spread(self, read: Ints, start: I64, cell: I64, kind: int) -> None:
        low = high = read
        if is_float(kind):  # what is not a number is neither least nor greatest
            known = ~np.isnan(from_cells(read, kind))
            low, high = np.where(known, read, MOST), np.where(known, read, LEAST)
        least, most = np.minimum.reduceat(low, start), np.maximum.reduceat(high, start)
        self.minimum[cell] = np.minimum(self.minimum[cell], least)
        self.maximum[cell] = np.maximum(self.maximum[cell], most)

    def _alike(self, values: Values, rows: I64, block: I64) -> Iterator[tuple[I64, int, int]]:
        """Rows with values of one type and equal number, to be read as one matrix."""
        size = np.minimum(self.blocks["size"][block], values.count[rows])
        alike = size << 8 | values.type[rows]
        for name in np.unique(alike).tolist():
            if name >> 8:
                yield np.flatnonzero(alike == name), name >> 8, name & 0xFF

    def _cells(self, block: I64, size: int) -> I64:
        """The first ``size`` cells of each block; shape (blocks, size)."""
        return np.asarray(self.blocks["base"][block][:, None] + np.arange(size))


def _read(values: Values, rows: I64, size: int, kind: int) -> Ints:
    """The first ``size`` values of some rows, as cells hold them; shape (rows, size)."""
    start, dtype = values.start[rows], VALUE_TYPES[kind]
    if dtype is None:
        packed = windows(values.buffer, np.dtype(f"V{(size + 7) // 8}"))[start]
        octets = packed.view(np.uint8).reshape(len(rows), -1)
        return np.unpackbits(octets, axis=1, count=size, bitorder="little")
    if values.step is None:
        whole = windows(values.buffer, np.dtype(f"V{size * dtype.itemsize}"))[start]
        raw = whole.view(dtype).reshape(len(rows), size)
    else:
        at = start[:, None] + values.step[rows][:, None] * np.arange(size)
        raw = windows(values.buffer, dtype)[at].view(dtype)
    return to_cells(raw)
