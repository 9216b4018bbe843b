"""Values as they are kept: 64-bit numbers whose order is that of what they stand for."""

import numpy as np

from otsec.columns import I64, Ints
from otsec.protocols.api import VALUE_TYPES

MOST, LEAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def is_float(kind: int) -> bool:
    """Whether values of a type, a position in VALUE_TYPES, are floats."""
    dtype = VALUE_TYPES[kind]
    return dtype is not None and dtype.kind == "f"


def to_cells(raw: Ints) -> Ints:
    """Values as numbers of at most 64 bits, the signed ones of the same order.

    Floats by their bits, those of negative ones turned round (IEEE 754 sorts so); unsigned numbers
    of 64 bits end at the greatest signed one.
    """
    if raw.dtype.kind == "f":
        bits = raw.astype(np.float64).view(np.int64)
        return np.where(bits < 0, bits ^ MOST, bits)
    if raw.dtype.kind == "u" and raw.dtype.itemsize == 8:
        return np.minimum(raw, np.uint64(MOST)).astype(np.int64)
    return raw.astype(raw.dtype.newbyteorder("="))


def from_cells(cells: I64, kind: int) -> Ints:
    """What cells of a type hold: the floats again that `to_cells` was given, else themselves."""
    if not is_float(kind):
        return cells
    return np.where(cells < 0, cells ^ MOST, cells).view(np.float64)
