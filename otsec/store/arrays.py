"""Numbers as the table `value` keeps them: signed 64 bits each, least significant byte first."""

import math

import numpy as np

from otsec.columns import I64
from otsec.protocols.values import from_cells, is_float

VALUE_BYTES = 8
_VALUE = np.dtype("<i8")


def numbers(blob: bytes) -> tuple[int, ...]:
    """The numbers of one array. Raises ValueError if the bytes are not whole numbers."""
    return tuple(np.frombuffer(blob, _VALUE).tolist())


def told(cells: I64, kind: int) -> list[int | float | None]:
    """What numbers of a type stand for, a position in `VALUE_TYPES`; None: not a number.

    Floats that were sent in 32 bits have no more than 7 digits that mean anything.
    """
    if not is_float(kind):
        return list(map(int, cells))
    return [
        float(f"{value:.7g}") if math.isfinite(value) else None
        for value in from_cells(cells, kind).tolist()
    ]
