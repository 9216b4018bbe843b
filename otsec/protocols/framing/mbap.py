"""The Modbus application header on TCP and UDP.

Source: [TCP] Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype(
    [
        ("transaction", ">u2"),
        ("protocol", ">u2"),
        ("length", ">u2"),  # of what follows it: unit, function and data
        ("unit", "u1"),
        ("function", "u1"),
    ]
)
FRONT = 6  # bytes that the length field does not count
SHORTEST = 2  # unit and function
LONGEST = 260  # the standard's 254 would do, but some stacks count the header too: 255 and more
LONGEST_UMAS = 2048  # controllers agree with their tool on more than a Modbus unit holds
UMAS = 0x5A


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each unit; NOT_MINE where the protocol id is not 0 or the length impossible."""
    word = header.view(">u8").astype(np.uint64)
    # protocol id and length as one number: it is small only where the id is zero
    said = (word >> np.uint64(16)) & np.uint64(0xFFFF_FFFF)
    fits = said - np.uint64(SHORTEST) <= np.uint64(LONGEST - SHORTEST)
    if not fits.all():
        umas = word & np.uint64(0xFF) == UMAS
        fits |= umas & (said - np.uint64(SHORTEST) <= np.uint64(LONGEST_UMAS - SHORTEST))
    return np.where(fits, said.astype(np.int64) + FRONT, NOT_MINE)


MBAP = Framing(
    "mbap",
    HEADER,
    _lengths,
    longest=LONGEST_UMAS + FRONT,
    begins=(
        (2, frozenset({0})),
        (3, frozenset({0})),
        (4, frozenset(range((LONGEST_UMAS >> 8) + 1))),
    ),
)
