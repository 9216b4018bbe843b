"""ISO transport on TCP: TPKT packets, each with one COTP transport unit.

Sources: [RFC1006] and [RFC2126] (TPKT, port 102), [ISO8073] (= RFC 905) clause 13.

A DT unit carries a piece of a message and says whether it is the last (EOT), never whether it is
the first. So ``first`` is False for every DT: it goes on with what is open on its connection and
direction, and begins a message where nothing is open. All other units are messages of their own
kind, which is the code of the unit (0xE0 connection request, 0xD0 confirm, 0x80 disconnect
request, ...); of them the whole unit from its length indicator on is delivered.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, span_word
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype([("version", "u1"), ("reserved", "u1"), ("length", ">u2")])
VERSION = 3  # [RFC1006] 6
SHORTEST, LONGEST = 7, 65_535  # a header of 4 and a unit of at least 3 bytes
FRONT = 4

DATA = 0xF0  # [ISO8073] 13.7
CODES = {
    0x10: "expedited_data",
    0x20: "expedited_acknowledge",
    0x50: "reject",
    0x60: "acknowledge",
    0x70: "error",
    0x80: "disconnect_request",
    0xC0: "disconnect_confirm",
    0xD0: "connection_confirm",
    0xE0: "connection_request",
    DATA: "data",
}
_KNOWN = np.isin(np.arange(256) & 0xF0, list(CODES))
_EOT = 0x80  # the highest bit of the number octet
_SHORT_FORM, _NORMAL_FORM = 2, 4  # length indicators of DT: class 0 and 1, class 2 to 4


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each packet; NOT_MINE where the version is not 3 or the length impossible."""
    length = header["length"].astype(np.int64)
    fits = (header["version"] == VERSION) & (header["reserved"] == 0) & (length >= SHORTEST)
    return np.where(fits, length, NOT_MINE)


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    """What whole packets carry; see the head of this module for ``first``."""
    unit = start + FRONT
    word = span_word(buffer, unit, end - unit, 0)
    indicator = (word & np.uint64(0xFF)).astype(np.int64)
    code = ((word >> np.uint64(8)) & np.uint64(0xFF)).astype(np.uint8)
    code = np.where(code == DATA, code, code & 0xF0)  # the others carry credit in the low half
    is_data = code == DATA
    # the number octet is the last of the header: third in class 0 and 1, fifth in 2 to 4
    number = word >> np.where(indicator >= _NORMAL_FORM, np.uint64(32), np.uint64(16))
    bad = (unit + 1 + indicator > end) | (indicator < 2) | ~_KNOWN[code]
    bad |= is_data & (indicator != _SHORT_FORM) & (indicator < _NORMAL_FORM)
    return Pieces(
        buffer=buffer,
        start=np.where(is_data & ~bad, unit + 1 + indicator, unit),
        end=end,
        first=~is_data,
        last=~is_data | (number & np.uint64(_EOT) != 0),
        lane=np.zeros(len(start), np.uint64),
        kind=np.where(is_data, 0, code).astype(np.uint8),
        bad=bad,
    )


TPKT_COTP = Framing(
    "tpkt_cotp",
    HEADER,
    _lengths,
    longest=LONGEST,
    pieces=_pieces,
    tells_first=False,
    begins=((0, frozenset({VERSION})), (1, frozenset({0}))),
)
