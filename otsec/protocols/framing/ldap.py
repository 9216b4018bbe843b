"""Messages of LDAP: BER sequences that begin with a number.

Source: [LDAP] RFC 4511 4.1.1 and 5.1.

What begins otherwise is protected by TLS or SASL: a frame without an end, of which nothing is
delivered.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, gather
from otsec.protocols.api import NOT_MINE, Framing

SEQUENCE, INTEGER = 0x30, 0x02
HEADER = np.dtype([("tag", "u1"), ("size", "u1"), ("rest", "V5")])
LONGEST = 1 << 20  # bytes; entries with pictures are long
ENDLESS = 2 * LONGEST
WIDTHS = range(1, 5)  # bytes of a length in its long form


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    size = header["size"].astype(np.int64)
    length = np.where(size < 0x80, size + 2, 0)
    front = np.full(len(start), 2)
    for width in WIDTHS:
        octets, fits = gather(buffer, start + 2, end, np.dtype(f"({width},)u1"))
        long_ = fits & (size == 0x80 + width)
        value = np.zeros(len(start), np.int64)
        for at in range(width):
            value = value << 8 | octets[:, at].astype(np.int64)
        length[long_] = value[long_] + 2 + width
        front[long_] = 2 + width
    number, fits = gather(buffer, start + front, end, np.dtype("u1"))
    mine = fits & (number == INTEGER) & (length >= HEADER.itemsize) & (length <= LONGEST)
    length = np.where(mine, length, NOT_MINE)
    return np.where(header["tag"] == SEQUENCE, length, ENDLESS)


LDAP = Framing("ldap", HEADER, _lengths, longest=ENDLESS, begins=((0, frozenset({SEQUENCE})),))
