"""Packets of MQTT, and where each ends.

Sources: [V3] MQTT 3.1.1 2.2; [V5] MQTT 5.0 2.1.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, span_word
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("first", "u1"), ("left", "u1")])  # the length goes on for up to 3 bytes more
MOST_DIGITS = 4  # bytes of a length
CONNECT, CONNACK, PUBLISH = 1, 2, 3
PUBACK, PUBREC, PUBREL, PUBCOMP = 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT, AUTH = 12, 13, 14, 15
_FLAGS = {
    PUBREL: (2,),
    SUBSCRIBE: (2,),
    UNSUBSCRIBE: (2,),
    PUBLISH: (0, 1, 2, 3, 4, 5, 10, 11, 12, 13),
}
FIRSTS = frozenset(
    kind << 4 | flags for kind in range(CONNECT, AUTH + 1) for flags in _FLAGS.get(kind, (0,))
)  # [V3] 2.2.2; nothing is sent again that is sent at most once
_RIGHT = np.isin(np.arange(256), list(FIRSTS))
_LEAST = np.array([0, 10, 2, 3, 2, 2, 2, 2, 5, 3, 4, 2, 0, 0, 0, 0])  # bytes behind the length
# only what is published can be long; all else is read as a whole
_MOST = np.array([0, 1 << 19, 1 << 17, 1 << 28, *[1 << 17] * 8, 0, 0, 1 << 17, 1 << 17])
_NAMES = (4, 6)  # bytes of `MQTT` and `MQIsdp`


def digits(word: U64) -> tuple[I64, I64]:
    """How many bytes each length has, 5 where it does not end, and what it says; [V3] 2.2.3."""
    count, value = np.full(len(word), MOST_DIGITS + 1), np.zeros(len(word), np.int64)
    for at in range(1, MOST_DIGITS + 1):
        octet = (word >> np.uint64(8 * at) & np.uint64(0xFF)).astype(np.int64)
        goes_on = count > MOST_DIGITS
        value += np.where(goes_on, (octet & 0x7F) << 7 * (at - 1), 0)
        count[goes_on & (octet < 0x80)] = at
    return count, value


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    """Length of each packet; more than is there where its length is not."""
    there = end - start
    word = span_word(buffer, start, there, 0)
    count, left = digits(word)
    kind = header["first"] >> 4
    fits = _RIGHT[header["first"]] & (left >= _LEAST[kind]) & (left <= _MOST[kind])
    size = (word >> (8 * (count + 1)).astype(np.uint64)).astype(np.int64)  # of name or topic
    size = (size & 0xFF) << 8 | size >> 8 & 0xFF
    known = (there >= count + 3) & fits
    fits &= ~known | (kind != CONNECT) | np.isin(size, _NAMES)
    fits &= ~known | (kind != PUBLISH) | (size + 2 <= left)
    length = np.where(fits, 1 + count + left, NOT_MINE)
    open_ = (there <= count) & _RIGHT[header["first"]] & (there <= MOST_DIGITS)
    return np.where(open_, MOST_DIGITS + 2, np.where(count > MOST_DIGITS, NOT_MINE, length))


MQTT = Framing(
    "mqtt",
    HEADER,
    _lengths,
    longest=(1 << 28) + MOST_DIGITS,
    begins=((0, FIRSTS),),
)
