"""Bodies read in columns, each by its form.

Source: [135] ANSI/ASHRAE 135-2020, 13 to 17.
"""

from collections.abc import Callable

import numpy as np

from otsec.columns import I64, Bytes, Mask, span_word
from otsec.protocols.api import U32_BE
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    COMPLEX,
    COV,
    LINK,
    NETWORK,
    READ,
    READ_MANY,
    REJECT,
    SEGMENT,
    SIMPLE,
    TELL,
    TIME,
    TOLD_COV,
    UTC_TIME,
    WRITE,
    WRITE_MANY,
    code_of,
)
from otsec.protocols.bac.lists import read_list
from otsec.protocols.bac.reads import CONSTRUCTED, Read, reference, tells, value_words
from otsec.protocols.bac.tags import CLOSE, OPEN, PRIMITIVE, TAG, measure, tags_of
from otsec.protocols.bac.units import LINK_ENTRY, LINK_SIZES, Bodies
from otsec.protocols.framing.bacnet import octet

# Forms of bodies: nothing, tags that are all in the key, tags of which the first ones are, one
# property and its value, lists of properties, times, and what has no tags.
EMPTY, WHOLE, FRONT, VALUE, LIST, MOMENT, RAW = range(7)
_FRONTS = {  # how many tags in front are in the key: those that name the object
    (ASK, 6): 1, (COMPLEX, 6): 0, (ASK, 7): 1, (COMPLEX, 7): 0,  # files
    (ASK, 26): 3, (COMPLEX, 26): 3,  # logs: object, property, index
    (ASK, 8): 3, (ASK, 9): 3,  # lists, alike
    (COMPLEX, 3): 0, (COMPLEX, 4): 0, (COMPLEX, 29): 0,  # alarms that are
    (ASK, 13): 0, (COMPLEX, 13): 0,
    (ASK, 18): 2, (COMPLEX, 18): 2, (TELL, 4): 2,  # a vendor's own: vendor and service
    (ASK, 23): 1, (COMPLEX, 23): 0, (ASK, 24): 0, (COMPLEX, 24): 0, (ASK, 25): 0,
    (ASK, 31): 2, (TELL, 11): 2,  # subscriber and device
    (ASK, 32): 0, (TELL, 12): 0, (ASK, 33): 0, (COMPLEX, 33): 0,
    (TELL, 10): 2,  # group and priority
}  # fmt: skip
_LISTS = (
    (ASK, READ_MANY), (COMPLEX, READ_MANY), (ASK, WRITE_MANY), (ASK, COV), (TELL, TOLD_COV),
)  # fmt: skip
_NO_BODY = ((ASK, 3), *((SIMPLE, service) for service in range(256)))


class _Forms:
    """The form of a body, by code."""

    def __init__(self) -> None:
        self.form = np.full(16 << 8, WHOLE, np.uint8)
        self.kept = np.zeros(16 << 8, np.int64)
        for codes, form in (
            (_FRONTS, FRONT),
            (((COMPLEX, READ), (ASK, WRITE)), VALUE),
            (_LISTS, LIST),
            (((TELL, TIME), (TELL, UTC_TIME)), MOMENT),
            (_NO_BODY, EMPTY),
        ):
            self.form[[code_of(*one) for one in codes]] = form
        for kind in (SEGMENT, REJECT, ABORT):
            self.form[kind << 8 : (kind + 1) << 8] = EMPTY
        for kind in (NETWORK, LINK):
            self.form[kind << 8 : (kind + 1) << 8] = RAW
        for one, count in _FRONTS.items():
            self.kept[code_of(*one)] = count


_FORMS = _Forms()


# what nobody can read without its key, or changes with each message: nothing of it is kept
SEALED = (*(code_of(NETWORK, one) for one in range(0x0A, 0x12)), code_of(LINK, 0x0C))


def read_bodies(bodies: Bodies) -> Read:
    """Read all bodies, each by its form."""
    read = Read.nothing(bodies)
    form = _FORMS.form[bodies.code]
    for one, reader in _READERS.items():
        rows = np.flatnonzero(form == one)
        if len(rows) == len(bodies):
            return reader(bodies)
        if len(rows):
            read.put(rows, reader(bodies.take(rows)))
    return read


def _empty(bodies: Bodies) -> Read:
    read = Read.nothing(bodies)
    read.good &= bodies.start == bodies.end
    return read


def _whole(bodies: Bodies) -> Read:
    """All is in the key; a reference to one property, the commonest, is known at a glance."""
    read = Read.nothing(bodies)
    read.key_end = bodies.end
    simple = np.zeros(len(bodies), np.bool_)
    asks = bodies.code == code_of(ASK, READ)
    if asks.any():
        behind = reference(bodies)[0]
        simple = asks & (behind == bodies.end)
    rows = np.flatnonzero(~simple)
    if len(rows):
        read.good[rows] = tags_of(bodies.buffer, bodies.start[rows], bodies.end[rows]).good
    return read


def _front(bodies: Bodies) -> Read:
    """The first tags are in the key; of the rest that they are tags."""
    read = Read.nothing(bodies)
    tags = tags_of(bodies.buffer, bodies.start, bodies.end)
    heads = np.searchsorted(tags.owner, np.arange(len(bodies)))
    kept = _FORMS.kept[bodies.code]
    left = kept.copy()
    for rank in range(int(kept.max())):
        at = heads + rank
        there = np.flatnonzero((rank < kept) & (at < len(tags.owner)))
        at = at[there]
        fits = (tags.owner[at] == there) & (tags.kind[at] < OPEN)
        fits &= (tags.kind[at] == PRIMITIVE) | (tags.number[at] < kept[there])
        fits &= read.key_end[there] == tags.at[at]
        read.key_end[there[fits]] = tags.end[at[fits]]
        left[there[fits]] -= 1
    read.good = tags.good | (np.isin(bodies.code, _PRIVATE) & (left == 0))
    return read


_PRIVATE = (
    code_of(ASK, 18),
    code_of(COMPLEX, 18),
    code_of(TELL, 4),
)  # not all vendors keep to tags


def _moment(bodies: Bodies) -> Read:
    """A date and a time: two values."""
    read = Read.nothing(bodies)
    size = bodies.end - bodies.start
    first = span_word(bodies.buffer, bodies.start, size, 0)
    read.good = (size == 10) & (octet(first, 0) == 0xA4) & (octet(first, 5) == 0xB4)
    read.value_at = bodies.start + 1
    read.value_count += 2
    read.value_type += np.uint8(U32_BE)
    return read


MOMENT_STEP = 5  # bytes from the date to the time


def _raw(bodies: Bodies) -> Read:
    """Messages of the lower layers: all is in the key, but for what is sealed."""
    read = Read.nothing(bodies)
    size, service = bodies.end - bodies.start, bodies.code & 0xFF
    sealed = np.isin(bodies.code, SEALED)
    read.key_end = np.where(sealed, bodies.start, bodies.end)
    link = bodies.code >> 8 == LINK
    wanted = _LINK_BODY[service]
    table = link & ~sealed & (wanted < 0)
    read.good &= ~link | sealed | table | (size == wanted)
    read.good &= ~table | (size % LINK_ENTRY == 0)
    return read


_LINK_BODY = np.array([LINK_SIZES.get(one, -1) for one in range(256)])


def _value(bodies: Bodies) -> Read:
    """An object, its property, and a value between tags 3; of a write also a priority."""
    read = Read.nothing(bodies)
    buffer, end = bodies.buffer, bodies.end
    behind, object_, property_ = reference(bodies)
    opens = np.minimum(behind, end - 1)
    read.good = (behind > 0) & (behind + 2 <= end) & (buffer[opens] == 0x3E)
    at = np.minimum(opens + 1, end - 1)
    length, _ = measure(buffer, at, end)
    primitive = (TAG.kind[buffer[at]] == PRIMITIVE) & (length > 0)
    close = np.where(primitive, at + length, end)
    primitive &= (close < end) & (buffer[np.minimum(close, end - 1)] == 0x3F)
    read.key_end = at
    value_words(read, bodies.buffer, at, np.flatnonzero(read.good & primitive))
    rows = np.flatnonzero(read.good & ~primitive)
    if len(rows):
        close[rows], read.good[rows] = _constructed(buffer, opens[rows], end[rows])
        read.more[rows] = CONSTRUCTED
    left = end - close - 1
    prior = (bodies.code == code_of(ASK, WRITE)) & (left == 2)
    priority = buffer[end - 1].astype(np.uint64)
    prior &= (buffer[np.maximum(end - 2, 0)] == 0x49) & (priority >= 1) & (priority <= 16)
    read.good &= (left == 0) | prior
    read.more |= np.where(prior, priority << np.uint64(16), np.uint64(0))
    told = np.flatnonzero(tells(object_, property_) & (bodies.code >> 8 == COMPLEX))
    read.key_end[told], read.value_count[told] = end[told], 0
    return read


def _constructed(buffer: Bytes, opens: I64, end: I64) -> tuple[I64, Mask]:
    """Where the tag closes that opens at each offset, and whether all is well up to the end."""
    tags = tags_of(buffer, opens, end)
    closes = np.flatnonzero((tags.depth == 0) & (tags.kind == CLOSE))
    where, good = end.copy(), np.zeros(len(end), np.bool_)
    owner = tags.owner[closes]
    lone = np.bincount(owner, minlength=len(end)) == 1
    where[owner] = tags.at[closes]
    good[owner] = tags.number[closes] == 3
    return where, good & lone & tags.good


_READERS: dict[int, Callable[[Bodies], Read]] = {
    EMPTY: _empty,
    WHOLE: _whole,
    FRONT: _front,
    VALUE: _value,
    LIST: read_list,
    MOMENT: _moment,
    RAW: _raw,
}
