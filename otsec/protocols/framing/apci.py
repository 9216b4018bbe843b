"""The frames of IEC 60870-5-104: a start octet, a length, and as many bytes.

Source: [104] IEC 60870-5-104:2006, 5.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("start", "u1"), ("length", "u1")])
START = 0x68
SHORTEST, LONGEST = 4, 253  # bytes behind the length: the control field, and up to 249 more
FRONT = 2


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each frame; NOT_MINE where start octet or length are not possible."""
    length = header["length"]
    fits = (header["start"] == START) & (length >= SHORTEST) & (length <= LONGEST)
    return np.where(fits, length.astype(np.int64) + FRONT, NOT_MINE)


APCI = Framing(
    "apci",
    HEADER,
    _lengths,
    longest=LONGEST + FRONT,
    begins=((0, frozenset({START})), (1, frozenset(range(SHORTEST, LONGEST + 1)))),
)
