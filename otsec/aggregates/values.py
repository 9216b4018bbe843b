"""What the numbered elements of objects held: least, greatest, first and last value of each."""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, ranges, windows
from otsec.protocols.api import BITS, VALUE_TYPES
from otsec.protocols.exchanges import Values


@dataclass(slots=True)
class Block:
    """The cells of one behaviour, which are always seen together."""

    base: int  # its first cell
    size: int
    space: str
    first: int  # number of its first element
    type: int  # position in VALUE_TYPES
    count: int = 0
    seen: tuple[int, int, int, int] = (0, 0, 0, 0)  # time and ordinal of first and last


class Cells:
    """Ordered: all cells of one source, in columns."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.used = 0
        self.refused = 0
        self.blocks: dict[int, Block] = {}  # by behaviour
        self.changed: set[int] = set()
        self.minimum = np.zeros(4096, np.int64)
        self.maximum, self.first, self.last = (self.minimum.copy() for _ in range(3))

    def room(self, behaviour: int, space: str, first: int, size: int, kind: int) -> Block | None:
        """The block of a behaviour; None where there is no room for it."""
        block = self.blocks.get(behaviour)
        if block is None:
            if self.used + size > self.cap:
                self.refused += 1
                return None
            while self.used + size > len(self.minimum):
                self._grow()
            block = self.blocks[behaviour] = Block(self.used, size, space, first, kind)
            cells = slice(self.used, self.used + size)
            self.minimum[cells], self.maximum[cells] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
            self.used += size
        return block

    def _grow(self) -> None:
        for name in ("minimum", "maximum", "first", "last"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(len(old), np.int64)]))

    def add(self, values: Values, rows: I64, base: I64, size: I64, first: I64, last: I64) -> None:
        """Take the values of some rows of ``values``; rows of a block in order of time.

        ``base``, ``size``: cells of each row. ``first``, ``last``: whether the row is the first
        ever and the last now of its block.
        """
        size = np.minimum(size, values.count[rows])
        cell = ranges(base, size)
        read = self._read(values, rows, size)
        np.minimum.at(self.minimum, cell, read)
        np.maximum.at(self.maximum, cell, read)
        for column, chosen in ((self.first, first), (self.last, last)):
            picked = np.repeat(chosen, size)
            column[cell[picked]] = read[picked]

    def _read(self, values: Values, rows: I64, size: I64) -> I64:
        kinds = values.type[rows]
        start = values.start[rows]
        if (kinds == kinds[0]).all():
            return _read_type(values, start, size, int(kinds[0]))
        read = np.empty(int(size.sum()), np.int64)
        kind_of_value = np.repeat(kinds, size)
        for kind in np.unique(kinds).tolist():
            mine = kinds == kind
            read[kind_of_value == kind] = _read_type(values, start[mine], size[mine], kind)
        return read


def _read_type(values: Values, start: I64, size: I64, kind: int) -> I64:
    if kind == BITS:
        number = ranges(np.zeros(len(size), np.int64), size)
        byte = values.buffer[np.repeat(start, size) + (number >> 3)]
        return (byte >> (number & 7) & 1).astype(np.int64)
    dtype = VALUE_TYPES[kind]
    if dtype is None or not len(start):
        return np.empty(0, np.int64)
    offset = np.repeat(start, size) + ranges(np.zeros(len(size), np.int64), size) * dtype.itemsize
    return np.asarray(windows(values.buffer, dtype)[offset].view(dtype), np.int64)
