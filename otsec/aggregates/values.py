"""What the numbered elements of objects held: least, greatest, first and last value of each."""

import numpy as np

from otsec.columns import I64, ranges, windows
from otsec.protocols.api import BITS, VALUE_TYPES
from otsec.protocols.exchanges import Values

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
        self.refused = 0
        self.spaces: list[str] = []
        self.blocks = np.zeros(256, BLOCK)
        self.minimum = np.zeros(4096, np.int64)
        self.maximum, self.first, self.last = (self.minimum.copy() for _ in range(3))

    def room(self, space: str, first: int, size: int, kind: int) -> int:
        """A new block of ``size`` elements; -1 where there is no room for it."""
        if self.used + size > self.cap or len(self.spaces) >= self.cap:
            self.refused += 1
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
        self.minimum[cells], self.maximum[cells] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        self.used += size
        return number

    def add(self, values: Values, rows: I64, block: I64) -> None:
        """Take the values of some rows of ``values`` into least and greatest."""
        cell, read = self._read(values, rows, block)
        np.minimum.at(self.minimum, cell, read)
        np.maximum.at(self.maximum, cell, read)

    def put(self, column: I64, values: Values, rows: I64, block: I64) -> None:
        """Set the cells of ``first`` or ``last`` to the values of one row a block."""
        cell, read = self._read(values, rows, block)
        column[cell] = read

    def _read(self, values: Values, rows: I64, block: I64) -> tuple[I64, I64]:
        size = np.minimum(self.blocks["size"][block], values.count[rows])
        base, start, kinds = self.blocks["base"][block], values.start[rows], values.type[rows]
        number = ranges(np.zeros(len(size), np.int64), size)
        cell = np.repeat(base, size) + number
        if not len(kinds) or (kinds == kinds[0]).all():
            return cell, _read_type(values, start, size, number, int(kinds[0]) if len(kinds) else 0)
        read = np.empty(len(cell), np.int64)
        kind_of_value = np.repeat(kinds, size)
        for kind in np.unique(kinds).tolist():
            mine, cells = kinds == kind, kind_of_value == kind
            read[cells] = _read_type(values, start[mine], size[mine], number[cells], kind)
        return cell, read


def _read_type(values: Values, start: I64, size: I64, number: I64, kind: int) -> I64:
    """Elements ``number`` of the units whose values begin at ``start``."""
    if kind == BITS:
        byte = values.buffer[np.repeat(start, size) + (number >> 3)]
        return (byte >> (number & 7) & 1).astype(np.int64)
    dtype = VALUE_TYPES[kind]
    if dtype is None or not len(number):
        return np.empty(0, np.int64)
    offset = np.repeat(start, size) + number * dtype.itemsize
    return np.asarray(windows(values.buffer, dtype)[offset].view(dtype), np.int64)
