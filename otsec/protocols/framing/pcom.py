"""PCOM/TCP: a header with a length in front of each message.

Source: [PCOM] Unitronics PCOM Protocol, PCOM/TCP; as read by Wireshark's dissector.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype(
    [("transaction", "<u2"), ("mode", "u1"), ("reserved", "u1"), ("length", "<u2"),
     ("begin", "u1")]
)  # fmt: skip
FRONT = 6  # bytes that the length does not count
ASCII, BINARY = 101, 102
BEGIN = ord("/")
SHORTEST, LONGEST = 8, 8192


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    length = header["length"].astype(np.int64)
    fits = (header["mode"] == ASCII) | (header["mode"] == BINARY)
    fits &= (header["reserved"] == 0) & (header["begin"] == BEGIN)
    return np.where(fits & (length >= SHORTEST) & (length <= LONGEST), length + FRONT, NOT_MINE)


PCOM_TCP = Framing(
    "pcom_tcp",
    HEADER,
    _lengths,
    FRONT + LONGEST,
    begins=((2, frozenset({ASCII, BINARY})), (3, frozenset({0})), (6, frozenset({BEGIN}))),
)
