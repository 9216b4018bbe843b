"""Numbers as the table `value` keeps them: signed 64 bits each, least significant byte first."""

import numpy as np

VALUE_BYTES = 8
_VALUE = np.dtype("<i8")


def numbers(blob: bytes) -> tuple[int, ...]:
    """The numbers of one array. Raises ValueError if the bytes are not whole numbers."""
    return tuple(np.frombuffer(blob, _VALUE).tolist())
