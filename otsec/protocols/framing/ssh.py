"""What SSH says before it is encrypted: a line, then packets.

Source: [TRANS] RFC 4253 4.2 (identification), 6 (packets).

What is neither is encrypted, and nothing tells its length: it is a frame without an end, of which
nothing is delivered.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, span_word
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("size", ">u4"), ("padding", "u1"), ("code", "u1")])
BANNER = int.from_bytes(b"SSH-", "big")
LONGEST_LINE = 255  # [TRANS] 4.2, with its end
LONGEST = 35_000  # bytes of a packet, [TRANS] 6.1
ENDLESS = 1 << 20
FRONT = 4
LAST_CODE = 49  # of the messages of transport and key exchange, [TRANS] 12


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    size = header["size"].astype(np.int64)
    code, padding = header["code"], header["padding"]
    packet = (size >= 12) & (size <= LONGEST) & ((size + FRONT) % 8 == 0)
    packet &= (code >= 1) & (code <= LAST_CODE) & (padding >= 4) & (padding <= size - 2)
    length = np.where(packet, size + FRONT, ENDLESS)
    rows = np.flatnonzero(size == BANNER)
    if len(rows):
        length[rows] = _lines(buffer, start[rows], end[rows])
    return length


def _lines(buffer: Bytes, start: I64, end: I64) -> I64:
    """Length of lines, in rounds of eight bytes; more than is there where no end was seen."""
    there = np.minimum(end - start, LONGEST_LINE)
    found = np.where(there == LONGEST_LINE, NOT_MINE, LONGEST_LINE)
    left = np.arange(len(start))
    for at in range(0, LONGEST_LINE, 8):
        left = left[there[left] > at]
        if not len(left):
            break
        octets = span_word(buffer, start[left], there[left], at).view(np.uint8).reshape(-1, 8)
        ends = octets == ord("\n")
        seen = ends.any(axis=1)
        found[left[seen]] = at + 1 + ends[seen].argmax(axis=1)
        left = left[~seen]
    return found


SSH = Framing(
    "ssh",
    HEADER,
    _lengths,
    longest=ENDLESS,
    begins=tuple((at, frozenset({letter})) for at, letter in enumerate(b"SSH-")),
)
