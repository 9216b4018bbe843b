"""DNP3 on TCP and UDP, read passively: link units, application functions, objects and their points.

Sources: [1815] IEEE 1815-2012; the framing is in `framing/dnp3.py`. A unit is an application
fragment behind the five bytes of the link header that say who speaks to whom, or those five bytes
alone (resets, acknowledgements, link status).

The key of a unit is its header: control octet without its frame count bits, both stations, function,
first/final/confirm/unsolicited, and the internal indications without those that say which classes
hold data. The tag is both stations and the application's sequence number.

What a unit lists is cut into items:

- A READ is one item, all its object headers. Its response is one item for itself (its header), and
  one for each object header and each point with an index of its own. The first answers the READ; the
  others have no request to stand for, as a poll of classes names no object: they are told as
  `response` with an object of their own. For that the READ without its item is not decoded.
- Controls and their echo are an item a point, with the status as outcome.
- A point of bad quality has its flags as outcome. Where points stand in a range, the range is `ok`
  unless all of it has the same bad flags; runs of bad points within it are told besides.

A key of an item has no value and no time in it. Not decoded are security (group 120: opaque by its
nature), data sets (85-88) and private objects; after an object that is not known the rest of its
fragment is opaque, as its size is not known either.

The device is the outstation. Broadcasts have no response and stand alone, as do confirmations,
functions without response, unsolicited responses, further fragments of a response, and link units
other than a master's request for the link's status: an acknowledgement does not say of what.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, hash_spans, ranges, span_word, windows
from otsec.errors import Malformed, Truncated
from otsec.model import OperationClass
from otsec.protocols.api import (
    BITS,
    F32_LE,
    F64_LE,
    FIRST,
    FREE,
    I16_LE,
    I32_LE,
    LAST,
    MARKS,
    SETS,
    U8,
    U16_LE,
    U32_LE,
    Clocks,
    Elements,
    Fact,
    Items,
    Message,
    Numbered,
    Numbering,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Times,
    Turn,
    Units,
)
from otsec.protocols.credentials import covered
from otsec.protocols.framing.dnp3 import (
    CONFIRMED_USER_DATA,
    DIR,
    DNP3,
    FUNCTION,
    PREFIX,
    PRM,
    UNCONFIRMED_USER_DATA,
)
from otsec.protocols.instants import LATEST_MS, MS_NS
from otsec.protocols.texts import sent
from otsec.protocols.transfers.dnp3 import TRANSFERS
from otsec.protocols.words.dnp3 import (
    ANSWERS,
    AOB,
    APPLICATION,
    ATTRIBUTE_NAMES,
    ATTRIBUTES,
    AUTHENTICATION_RESPONSE,
    CLASS,
    CLASS_OF_GROUP,
    CONFIRM,
    CONTROL_CODES,
    CONTROL_STATUS,
    CONTROLS,
    CROB,
    DATA_GROUPS,
    FAILURES,
    FILE,
    FILE_MODES,
    FILE_STATUS,
    FREEZE_WITH_TIME,
    FUNCTIONS,
    GROUPS,
    INDICATIONS,
    LAYOUTS,
    LINK_CODE,
    LINK_FUNCTIONS,
    LINK_OUTCOMES,
    MORE_QUALITY,
    NO_ACK,
    OCTETS,
    ONLINE,
    PAIRED_ANSWERS,
    QUALITY,
    READ,
    REQUEST_LINK_STATUS,
    RESPONSE,
    SECURITY,
    SECURITY_OBJECTS,
    TIME,
    TIME_DELAY,
    TRIP_CLOSE,
    UNLISTED,
    UNSOLICITED,
    WRITE,
)

MOST_HEADERS = 1_024  # in a fragment; one of 2,048 bytes, the standard's longest, has room for 682
MOST_NAMED = 16  # object headers of a request that its object text names
BROADCAST = 0xFFFD  # and the two above, [1815] 9.2.4

# ---------------------------------------------------------------------------- the words

OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in FUNCTIONS.items()),
    *(
        Operation(FUNCTIONS[function][0], cls, function)
        for function, cls in dict.fromkeys(
            (function, cls) for (function, _), cls in CLASS_OF_GROUP.items()
        )
    ),
    *(Operation(name, cls, LINK_CODE | code) for code, (name, cls) in LINK_FUNCTIONS.items()),
)

IDENTITY = (*ATTRIBUTE_NAMES.values(), "indications")

# ------------------------------------------------------------- what objects look like

_TYPES = {
    "u1": U8, "u2": U16_LE, "u4": U32_LE, "i2": I16_LE, "i4": I32_LE, "f4": F32_LE, "f8": F64_LE,
}  # fmt: skip
_LONG = {"t": 6, "r": 2, "f": 1, "s": 1, "e": 1}  # bytes of the letters that are no numbers
_NUMBER_NAMES = {F32_LE: " float", F64_LE: " double"}


@dataclass(frozen=True, slots=True)
class _Form:
    """How the objects of one group and variation are built."""

    size: int = 0  # bytes of one, without its index
    bits: int = 0  # of one, where they are packed
    value_at: int = 0
    value_type: int = U8
    values: int = 0  # of one object
    front: int = 0  # bits of its first bytes that belong to its key
    last: int = 0  # the same of its last byte
    quality: int = 0  # bits of its flags, its first byte, that say how good it is
    suffix: str = ""  # tells objects whose values are of another kind


def _form(group: int, layout: str) -> _Form:
    if layout.startswith("b"):
        bits = int(layout[1:])
        return _Form(bits=bits, value_type=BITS, values=bits)
    size, found = 0, [(0, U8)] if layout[:1] in ("f", "s") else []
    numbers = []
    for word in layout.split():
        if word in _TYPES:
            numbers.append((size, _TYPES[word]))
        size += _LONG[word] if word in _LONG else int(word[1:])
    found = numbers or found
    status = 0x7F if layout.startswith("s") else 0
    more = sum(0x20 << at for at, word in enumerate(MORE_QUALITY.get(group, ())) if word)
    quality = 0x1F | more if layout.startswith("f") else 0
    flagged = " flags" if found and not numbers else ""
    return _Form(
        size=size,
        value_at=found[0][0] if found else 0,
        value_type=found[0][1] if found else U8,
        values=len(found),
        front=0xFFFF if group == CROB else quality or status,
        last=0xFF if layout.endswith("e") else 0,
        quality=quality,
        suffix=_NUMBER_NAMES.get(found[0][1], flagged) if found else "",
    )


FORMS = {
    group << 8 | variation: _form(group, layout)
    for group, variations in LAYOUTS.items()
    for variation, layout in variations.items()
} | {
    group << 8 | size: _Form(size=size, values=size)
    for group in OCTETS
    for size in range(1, 256)
}  # fmt: skip
_ALL_FORMS = (_Form(), *FORMS.values())  # the first: not known
_OF_OBJECT = np.zeros(1 << 16, np.int64)  # by group and variation as they lie in a header
_OF_OBJECT[[one >> 8 | (one & 0xFF) << 8 for one in FORMS]] = np.arange(1, len(_ALL_FORMS))


def _column(name: str) -> I64:
    return np.array([getattr(form, name) for form in _ALL_FORMS], np.int64)


_SIZE, _FRONT, _LAST = (_column(name) for name in ("size", "front", "last"))
_BITS = 8 * _SIZE + _column("bits")  # of one object
_VALUE_AT, _VALUE_TYPE, _VALUES = (_column(name) for name in ("value_at", "value_type", "values"))
_QUALITY = _column("quality")

# qualifiers, [1815] 4.2.2.7: prefix code in the upper half, range code in the lower
_RANGE_BYTES = (2, 4, 8, 2, 4, 8, 0, 1, 2, 4, 0, 1, 0, 0, 0, 0)
_WIDTH = (8, 16, 32, 8, 16, 32, 0, 8, 16, 32, 0, 8, 0, 0, 0, 0)  # bits of a number in the range
_IS_RANGE = tuple(code < 6 for code in range(16))
_ALL = 6  # range code: no range
_WIDE = (2, 5)
_PREFIX_BYTES = (0, 1, 2, 4)  # of an index
_SIZED = {4: 1, 5: 2, 6: 4}  # prefix codes that are sizes, and their bytes


def _qualifier_fits(qualifier: int) -> bool:
    prefix, code = qualifier >> 4, qualifier & 0x0F
    if prefix == 0:
        return code <= 9
    return prefix <= 6 and (7 <= code <= 9 or (prefix in _SIZED and code == 0x0B))


def _of_codes(values: list[int]) -> I64:
    return np.array(values, np.int64)


_FITS = np.array([_qualifier_fits(one) for one in range(256)])
_HEAD = _of_codes([3 + size for size in _RANGE_BYTES])
_SHIFT = np.array(_WIDTH, np.uint64)
_LOW = _of_codes([(1 << width) - 1 for width in _WIDTH])
# a range counts from its first number to its last; else the one number is the count
_HIGH = _of_codes([mask if ranged else 0 for mask, ranged in zip(_LOW, _IS_RANGE, strict=True)])
_SIGN = _of_codes([-1 if ranged else 1 for ranged in _IS_RANGE])
_LEAST = _of_codes([int(ranged) for ranged in _IS_RANGE])
_INDEX = _of_codes([_PREFIX_BYTES[one >> 4] if one >> 4 < 4 else 0 for one in range(256)])
_SIZE_BYTES = _of_codes([_SIZED.get(one >> 4, 0) for one in range(256)])


def _marks(codes: tuple[int, ...], count: int = 256) -> Mask:
    return np.isin(np.arange(count), codes)


_CARRIES = _marks((WRITE, *CONTROLS, *ANSWERS))
# which objects have content: by function the sorts that do, by group its sort
_ORDINARY, _OF_TIME, _OF_SECURITY = 1, 2, 4
_CARRIED = np.where(_CARRIES, _ORDINARY | _OF_TIME | _OF_SECURITY, _OF_SECURITY)
_CARRIED[list(FREEZE_WITH_TIME)] |= _OF_TIME
_SORT = np.full(256, _ORDINARY)
_SORT[TIME], _SORT[SECURITY] = _OF_TIME, _OF_SECURITY
_ANSWERS = _marks(ANSWERS)
_LISTS = _marks((WRITE, *CONTROLS))
_TOLD = _marks((RESPONSE, UNSOLICITED))
_KNOWN = _marks(tuple(FUNCTIONS))
_NO_ACK = _marks((CONFIRM, UNSOLICITED, *NO_ACK))
_DATA = _marks(DATA_GROUPS)
_UNLISTED = _marks(UNLISTED)
_LINK_KNOWN = _marks(tuple(LINK_FUNCTIONS))
_LINK_PAIRED = _marks((REQUEST_LINK_STATUS | DIR, *PAIRED_ANSWERS))
_BARE = _marks((CONFIRM, 13, 14, 19, 23, 24))  # functions without objects, [1815] 4.4

# ------------------------------------------------------------------- units as columns

REQUEST_HEAD, RESPONSE_HEAD = PREFIX + 2, PREFIX + 4
_FIRST_FRAGMENT, _FINAL_FRAGMENT, _UNSOLICITED, _SEQUENCE = 0x80, 0x40, 0x10, 0x0F
# class 1 to 3 available come and go with every event
_LASTING = 0xFFF1


@dataclass(frozen=True, slots=True)
class _Fragments:
    """The headers of units as columns."""

    buffer: Bytes
    start: I64
    end: I64
    control: I64
    target: U64
    source: U64
    application: I64  # application control
    function: I64
    indications: I64
    link: Mask  # has no fragment
    answers: Mask  # is sent by an outstation
    whole: Mask  # the headers are all there, and say something
    objects: I64  # where the object headers begin


def _word(buffer: Bytes, at: I64) -> U64:
    """Eight bytes from each offset on, as a little-endian word; zero behind the buffer's end.

    They may be of what lies behind a unit: whoever reads them holds them against its end.
    """
    last = len(buffer) - 8
    if last < 0:
        buffer = np.concatenate([buffer, np.zeros(8, np.uint8)])
        last = len(buffer) - 8
    word = windows(buffer, _WORD)[np.minimum(at, last)].view(_WORD)
    near = np.flatnonzero(at > last)
    if len(near):
        away = np.minimum(at[near] - last, 8).astype(np.uint64)
        word[near] = np.where(away < 8, word[near] >> np.minimum(away * np.uint64(8), _TOP), 0)
    return np.asarray(word)


_WORD = np.dtype("<u8")
_TOP = np.uint64(63)
_BYTE, _SHORT = np.uint64(0xFF), np.uint64(0xFFFF)


def _fragments(units: Units) -> _Fragments:
    buffer, start, end = units.buffer, units.start, units.end
    size = end - start
    word = _word(buffer, start)
    control = (word & _BYTE).astype(np.int64)
    application = (word >> np.uint64(40) & _BYTE).astype(np.int64)
    function = (word >> np.uint64(48) & _BYTE).astype(np.int64)
    of_link = control & (PRM | FUNCTION)
    link = (of_link != PRM | CONFIRMED_USER_DATA) & (of_link != PRM | UNCONFIRMED_USER_DATA)
    answers = _ANSWERS[function] & ~link
    whole = np.where(link, (size == PREFIX) & _LINK_KNOWN[of_link], _KNOWN[function])
    head = np.where(link, PREFIX, np.where(answers, RESPONSE_HEAD, REQUEST_HEAD))
    whole &= size >= head
    indications = np.zeros(len(start), np.int64)
    told = np.flatnonzero(answers & whole)
    indications[told] = buffer[start[told] + 7] | buffer[start[told] + 8].astype(np.int64) << 8
    by_direction = link | (function == CONFIRM)
    return _Fragments(
        buffer, start, end, control,
        word >> np.uint64(8) & _SHORT, word >> np.uint64(24) & _SHORT,
        application, function, indications, link,
        np.where(by_direction, control & DIR == 0, answers), whole,
        np.minimum(start + head, end),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Headers:
    """Object headers of units as columns: the first ones of all units, then the second ones, ..."""

    unit: I64
    start: I64
    body: I64  # where the objects begin
    end: I64
    what: I64  # group, variation and qualifier, an octet each, the group lowest
    first: I64  # index of the first object
    count: I64
    form: I64  # position in `_ALL_FORMS`
    carries: Mask  # the objects have content
    known: Mask  # all that is up to the end is of this header

    @property
    def group(self) -> I64:
        return self.what & 0xFF

    @property
    def qualifier(self) -> I64:
        return self.what >> 16

    def take(self, rows: I64) -> "_Headers":
        """Some of them."""
        return _Headers(*(getattr(self, field.name)[rows] for field in fields(self)))


def _headers(fragments: _Fragments) -> tuple[_Headers, Mask]:
    """Object headers, one a round; and whether each unit is of the form it should be.

    Requests that ask for all of some groups, as polls of classes do, are known by their
    qualifiers alone; their headers are not among those given.
    """
    fits = fragments.whole.copy()
    buffer, at, end = fragments.buffer, fragments.objects.copy(), fragments.end
    bare = np.flatnonzero(_BARE[fragments.function] & ~fragments.link & (at < end))
    fits[bare] &= buffer[at[bare]] == SECURITY
    rows = np.flatnonzero(fits & (at < end))
    rows = rows[~_asks_for_all(buffer, at[rows], end[rows], fragments.function[rows])]
    found: list[_Headers] = []
    for _ in range(MOST_HEADERS):
        if not len(rows):
            break
        stop = end[rows]
        one, good = _next(buffer, rows, at[rows], stop, _CARRIED[fragments.function[rows]])
        good &= one.end <= stop
        at[rows] = one.end
        if not good.all():
            fits[rows[~good]] = False
            one = one.take(np.flatnonzero(good))
        found.append(one)
        rows = one.unit[one.end < end[one.unit]]
    fits[rows] = False
    return _joined(found), fits


def _joined(found: list[_Headers]) -> _Headers:
    if len(found) == 1:
        return found[0]
    none = np.empty(0, np.int64)
    nothing = _Headers(*(none,) * 8, none.astype(np.bool_), none.astype(np.bool_))
    return _Headers(
        *(
            np.concatenate([getattr(one, field.name) for one in found or [nothing]])
            for field in fields(_Headers)
        )
    )


def _asks_for_all(buffer: Bytes, at: I64, end: I64, function: I64) -> Mask:
    """Whether units hold up to five headers without range, and no objects."""
    size = np.where(_CARRIES[function], 0, np.minimum(end - at, len(_QUALIFIERS) - 1))
    mask = _QUALIFIERS[size]
    asks: Mask = (mask[:, 0] > 0) & (_word(buffer, at) & mask[:, 0] == _SIXES & mask[:, 0])
    more = np.flatnonzero(asks & (mask[:, 1] > 0))
    if len(more):
        asks[more] = _word(buffer, at[more] + 7) & mask[more, 1] == _SIXES & mask[more, 1]
    return asks


_QUALIFIERS = np.zeros((17, 2), np.uint64)  # by size: where they are in bytes 0 to 7 and 7 to 14
for _size in range(3, 16, 3):
    for _at in range(2, _size, 3):
        _QUALIFIERS[_size, _at // 8] |= np.uint64(0xFF << 8 * (_at % 8 + _at // 8))
_SIXES = np.uint64(0x0606060606060606)


def _next(buffer: Bytes, rows: I64, at: I64, end: I64, carried: I64) -> tuple[_Headers, Mask]:
    """One header of each of the units ``rows``, and whether it has the form of one."""
    word = _word(buffer, at)
    what = (word & np.uint64(0xFF_FFFF)).astype(np.int64)
    group, qualifier = what & 0xFF, what >> 16
    code = qualifier & 0x0F
    rest = word >> np.uint64(24)
    low = rest.astype(np.int64) & _LOW[code]
    high = (rest >> _SHIFT[code]).astype(np.int64)
    wide = np.flatnonzero((code == _WIDE[0]) | (code == _WIDE[1]))
    if len(wide):
        high[wide] = (_word(buffer, at[wide] + 7) & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    least = _LEAST[code]
    count = (high & _HIGH[code]) + low * _SIGN[code] + least
    body = at + _HEAD[code]
    form = _OF_OBJECT[what & 0xFFFF]
    carries = _SORT[group] & carried > 0
    index = _INDEX[qualifier]
    bits = np.where(carries, _BITS[form], 0)
    length = count * (bits + 8 * index) + 7 >> 3
    known = ~carries | (form > 0) | (count == 0)
    odd = (_SIZE_BYTES[qualifier] > 0) | (carries & (group == ATTRIBUTES))
    odd |= (bits & 7 > 0) & (index > 0)
    if odd.any():
        some = np.flatnonzero(odd)
        length[some], known[some] = _own_lengths(
            buffer, body[some], end[some], _SIZE_BYTES[qualifier[some]], count[some]
        )
        known[some] &= (bits[some] & 7 == 0) | (index[some] == 0)
        carries[some] = True
    length = np.where(known, length, np.maximum(end - body, 0))
    good = _FITS[qualifier] & (count >= least) & (count <= 0xFFFF_FFFF) & (body <= end)
    return _Headers(
        rows, at, body, body + length, what, low * least, count, form, carries, known
    ), good  # fmt: skip


MOST_SIZED = 64  # objects of one header that say their own length; what comes behind is opaque


def _own_lengths(
    buffer: Bytes, body: I64, end: I64, size_bytes: I64, count: I64
) -> tuple[I64, Mask]:
    """Length of objects that say their own, by prefix or as attributes do, and if it is known."""
    at, left = body.copy(), count.copy()
    mask = (np.uint64(1) << np.uint64(8) * size_bytes.astype(np.uint64)) - np.uint64(1)
    rows = np.flatnonzero(left > 0)
    for _ in range(MOST_SIZED):
        if not len(rows):
            break
        word = span_word(buffer, at[rows], end[rows] - at[rows], 0)
        attribute = 2 + (word >> np.uint64(8) & _BYTE).astype(np.int64)
        prefixed = size_bytes[rows] + (word & mask[rows]).astype(np.int64)
        at[rows] += np.where(size_bytes[rows] > 0, prefixed, attribute)
        left[rows] -= 1
        rows = rows[(left[rows] > 0) & (at[rows] <= end[rows])]
    # a length beyond the end is no form, one that was not come to is not known
    return at - body, (left <= 0) | (at > end)


# -------------------------------------------------------------------- claims and sides


def claims(units: Units) -> Mask:
    """Whether each unit is DNP3: all are, for start octets and check sums are proof enough.

    So a unit that breaks its form from the first octet on, as those of fuzzers do, is told as one
    that does, and not as something unknown.
    """
    return np.ones(len(units.start), np.bool_)


def sides(units: Units) -> Ints:
    """Masters ask, outstations answer; link units and confirmations tell by their direction."""
    fragments = _fragments(units)
    sides = np.where(fragments.answers, Side.RESPONSE, Side.REQUEST)
    return np.where(fragments.whole, sides, Side.UNKNOWN).astype(np.uint8)


# ------------------------------------------------------------------------------- split


def split(units: Units) -> Split:
    """Key: header, and the objects of what lists none. Tag: stations and sequence number."""
    fragments = _fragments(units)
    headers, fits = _headers(fragments)
    style = _styles(fragments, headers)
    link, answers = fragments.link, fragments.answers
    start = fragments.objects
    secured = (start < fragments.end) & ~link
    secured[secured] = units.buffer[start[secured]] == SECURITY
    control = fragments.control & (DIR | PRM | FUNCTION)
    busy = link & (control & PRM == 0)  # data flow control, where others have a count bit
    control |= np.where(busy, fragments.control & 0x10, 0)
    words = [
        control.astype(np.uint64) | fragments.target << np.uint64(8)
        | fragments.source << np.uint64(24)
        | np.where(link, 0, fragments.function << 8 | fragments.application & 0xF0).astype(np.uint64)
        << np.uint64(40),
        (fragments.indications & _LASTING | secured << 16).astype(np.uint64),
    ]  # fmt: skip
    outstation = np.where(answers, fragments.source, fragments.target)
    master = np.where(answers, fragments.target, fragments.source)
    number = np.where(link, 0x10, fragments.application & _SEQUENCE).astype(np.uint64)
    said = units.side != Side.UNKNOWN
    alone = np.where(link, ~_LINK_PAIRED[control & ~0x10 & 0xFF], _NO_ACK[fragments.function])
    alone |= said & (answers != (units.side == Side.RESPONSE))  # who opened it is not the master
    alone |= answers & ~link & (fragments.application & _FIRST_FRAGMENT == 0)
    alone |= ~answers & (outstation >= BROADCAST)
    length = np.where(style == _WHOLE, fragments.end - start, 0)
    values = np.zeros(len(units), np.int64)
    at = values.copy()
    _cut_opaque(fragments, headers, style, length, values, at)
    return Split(
        key_words=words,
        key_start=start,
        key_length=length,
        tag=outstation << np.uint64(24) | master << np.uint64(8) | number,
        value_start=at,
        value_count=values,
        value_type=np.where(values == 1, U16_LE, U32_LE).astype(np.uint8),
        malformed=~fits,
        alone=alone,
    )


_WHOLE, _ASKED, _LISTED, _HEADED = range(4)  # no items; one; what it lists; itself and that


def _styles(fragments: _Fragments, headers: _Headers) -> I64:
    """How each unit is cut into items."""
    asked = (fragments.function == READ) & ~fragments.link & (fragments.objects < fragments.end)
    style = np.where(asked, _ASKED, _WHOLE)
    if not len(headers.unit):
        return style
    function = fragments.function[headers.unit]
    told, group = _TOLD[function], headers.group
    style[headers.unit[_LISTS[function]]] = _LISTED
    style[headers.unit[told & _DATA[group]]] = _HEADED
    style[headers.unit[told & ((group == CROB) | (group == AOB))]] = _LISTED
    style[headers.unit[(function == WRITE) & (group == FILE)]] = _WHOLE
    return style


def _cut_opaque(
    fragments: _Fragments, headers: _Headers, style: I64, length: I64, values: I64, at: I64
) -> None:
    """Leave out of the key what changes with each message and tells nothing; find its values."""
    if not len(headers.unit):
        return
    first = np.flatnonzero(
        (headers.start == fragments.objects[headers.unit]) & (style[headers.unit] == _WHOLE)
    )
    if not len(first):
        return
    unit, group = headers.unit[first], headers.group[first]
    alone = headers.end[first] == fragments.end[unit]
    security = (group == SECURITY) & _marks((32, 33, 131))[fragments.function[unit]]
    length[unit[security]] = _OBJECT_HEAD
    delay = (group == TIME_DELAY) & (headers.count[first] == 1) & alone & headers.carries[first]
    length[unit[delay]], values[unit[delay]] = _OBJECT_HEAD, 1
    at[unit[delay]] = headers.body[first[delay]]
    block = (group == FILE) & (headers.what[first] >> 8 & 0xFF == _TRANSPORT) & alone
    block &= (headers.end - headers.body)[first] >= _BLOCK_BYTES
    block &= headers.qualifier[first] == _FREE_FORMAT
    length[unit[block]], values[unit[block]] = _OBJECT_HEAD, 2
    at[unit[block]] = headers.body[first[block]] + 2


_OBJECT_HEAD = 4  # group, variation, qualifier, count of one octet
_TRANSPORT, _FREE_FORMAT = 5, 0x5B
_BLOCK_BYTES = 10  # size, handle, number of the block

# ------------------------------------------------------------------------------- items


@dataclass(frozen=True, slots=True)
class _Parts:
    """Items of one sort as columns; a number stands for a column of it."""

    unit: I64
    start: I64
    end: I64
    what: I64 | int = 0  # group, variation, qualifier; 0 for what is no object
    where: I64 | int = 0  # index of the first object, and their count in the upper half
    how: I64 | int = 0  # flags, status and the like: all else that is told of them
    key_start: I64 | int = 0
    key_length: I64 | int = 0
    value_start: I64 | int = 0
    value_count: I64 | int = 0
    value_type: I64 | int = 0
    value_step: I64 | int = 0


def items(units: Units) -> Items:
    """What the units list, see the head of this module."""
    fragments = _fragments(units)
    headers, fits = _headers(fragments)
    style = np.where(fits, _styles(fragments, headers), _WHOLE)
    listing = (style == _LISTED) | (style == _HEADED)
    rows = np.flatnonzero(listing[headers.unit] & ~_UNLISTED[headers.group])
    listed = headers if len(rows) == len(headers.unit) else headers.take(rows)
    single = listed.carries & listed.known & (listed.count > 0) & (_SIZE[listed.form] > 0)
    single &= (_INDEX[listed.qualifier] > 0) | (_LAST[listed.form] > 0)
    single &= _SIZE_BYTES[listed.qualifier] == 0
    ranges_, mixed = _ranges(fragments, listed.take(np.flatnonzero(~single)))
    parts = [
        _heads(fragments, np.flatnonzero(style == _HEADED)),
        _reads(fragments, np.flatnonzero(style == _ASKED)),
        ranges_,
        _points(fragments, listed.take(np.flatnonzero(single))),
        mixed,
    ]
    return _assemble(fragments, [one for one in parts if one is not None and len(one.unit)])


def _assemble(fragments: _Fragments, parts: list[_Parts]) -> Items:
    """All items in order of units, then of their ends."""
    sizes = [len(one.unit) for one in parts]
    borders = np.cumsum([0, *sizes]).tolist()
    total = borders[-1]
    place = np.arange(total)
    if len(parts) > 1 or total > len(fragments.start):  # headers come round by round
        keys = [one.unit << 17 | one.end - fragments.start[one.unit] for one in parts]
        place[np.argsort(np.concatenate(keys), kind="stable")] = np.arange(total)
    places = [place[begin:end] for begin, end in pairwise(borders)]

    def column(name: str) -> I64:
        filled = np.zeros(total, np.int64)
        for one, where in zip(parts, places, strict=True):
            values = getattr(one, name)
            if not isinstance(values, int) or values:
                filled[where] = values
        return filled

    return Items(
        owner=column("unit"),
        start=column("start"),
        end=column("end"),
        split=Split(
            key_words=[
                column("what").view(np.uint64) | column("how").view(np.uint64) << np.uint64(32),
                column("where").view(np.uint64),
            ],
            key_start=column("key_start"),
            key_length=column("key_length"),
            tag=np.zeros(total, np.uint64),
            value_start=column("value_start"),
            value_count=column("value_count"),
            value_type=column("value_type").astype(np.uint8),
            malformed=np.zeros(total, np.bool_),
            value_step=column("value_step"),
        ),
    )


def _heads(fragments: _Fragments, unit: I64) -> _Parts:
    """The responses themselves; all that they say is in the key of the unit."""
    return _Parts(unit, fragments.start[unit], fragments.objects[unit])


def _reads(fragments: _Fragments, unit: I64) -> _Parts:
    """What reads ask for."""
    start, end = fragments.objects[unit], fragments.end[unit]
    return _Parts(unit, start, end, key_start=start, key_length=end - start)


def _ranges(fragments: _Fragments, headers: _Headers) -> tuple[_Parts, _Parts | None]:
    """Object headers as items that end where their objects begin; and runs of bad points of them."""
    form, count = headers.form, headers.count
    size = _SIZE[form]
    own = (_SIZE_BYTES[headers.qualifier] > 0) | (headers.group == ATTRIBUTES)
    valued = headers.carries & headers.known & ~own
    octets = _OCTETS[headers.group]
    how = np.zeros(len(form), np.int64)
    mixed = _qualities(fragments.buffer, headers, how)
    attribute = headers.carries & headers.known & (headers.group == ATTRIBUTES)
    part = _Parts(
        unit=headers.unit,
        start=headers.start,
        end=headers.body,
        what=headers.what,
        where=headers.first | (count & 0xFFFF_FFFF) << 32,
        how=how,
        key_start=headers.body,
        key_length=np.where(attribute, headers.end - headers.body, 0),
        value_start=headers.body + _VALUE_AT[form],
        value_count=np.where(valued, count * _VALUES[form], 0),
        value_type=_VALUE_TYPE[form],
        value_step=np.where(octets, 1, size),
    )
    return part, mixed


_OCTETS = _marks(OCTETS)
_MIXED = 0x100


def _qualities(buffer: Bytes, headers: _Headers, how: I64) -> _Parts | None:
    """Note the flags that all points of a header have; the runs of bad ones where they differ."""
    rows = np.flatnonzero(
        (_QUALITY[headers.form] > 0) & headers.carries & (headers.count > 0)
        & (_SIZE_BYTES[headers.qualifier] == 0)
    )  # fmt: skip
    if not len(rows):
        return None
    count, size = headers.count[rows], _SIZE[headers.form[rows]]
    which = np.repeat(np.arange(len(rows)), count)
    rank = ranges(np.zeros(len(rows), np.int64), count)
    quality = (
        buffer[headers.body[rows][which] + rank * size[which]]
        & _QUALITY[headers.form[rows]].astype(np.uint8)[which]
    )
    begin = np.cumsum(count) - count
    least, most = np.minimum.reduceat(quality, begin), np.maximum.reduceat(quality, begin)
    how[rows] = np.where(least == most, least.astype(np.int64), _MIXED)
    if (least == most).all():
        return None
    changed = np.ones(len(which), np.bool_)
    changed[1:] = quality[1:] != quality[:-1]
    changed[begin] = True
    run = np.flatnonzero(changed)
    length = np.diff(run, append=len(which))
    bad = (quality[run] != ONLINE) & (least != most)[which[run]]
    run, length = run[bad], length[bad]
    return _runs(headers.take(rows[which[run]]), rank[run], length, quality[run])


def _runs(headers: _Headers, rank: I64, count: I64, quality: Ints) -> _Parts:
    """Neighbours of the same bad flags as items that begin with the header and end with them."""
    form = headers.form
    size = _SIZE[form]
    return _Parts(
        unit=headers.unit, start=headers.start, end=headers.body + (rank + count) * size,
        what=headers.what, where=headers.first + rank | count << 32,
        how=quality.astype(np.int64) | _POINT,
        value_start=headers.body + rank * size + _VALUE_AT[form],
        value_count=count * _VALUES[form], value_type=_VALUE_TYPE[form], value_step=size,
    )  # fmt: skip


def _points(fragments: _Fragments, headers: _Headers) -> _Parts | None:
    """Each object as an item that begins with its header and ends with the object."""
    if not len(headers.unit):
        return None
    buffer, index = fragments.buffer, _INDEX[headers.qualifier]
    stride = _SIZE[headers.form] + index
    which = np.repeat(np.arange(len(headers.unit)), headers.count)
    rank = ranges(np.zeros(len(headers.unit), np.int64), headers.count)
    start = headers.body[which] + rank * stride[which]
    number = (_word(buffer, start) & _INDEX_MASK[index][which]).astype(np.int64)
    counted = index == 0
    if counted.any():
        number += np.where(counted[which], headers.first[which] + rank, 0)
    form, content, end = headers.form[which], start + index[which], start + stride[which]
    how = _word(buffer, content).astype(np.int64) & _FRONT[form]
    how |= (buffer[end - 1] & _LAST[form]) << 16
    return _Parts(
        unit=headers.unit[which], start=headers.start[which], end=end, what=headers.what[which],
        where=number | 1 << 32, how=how | _POINT,
        value_start=content + _VALUE_AT[form], value_count=_VALUES[form],
        value_type=_VALUE_TYPE[form], value_step=_POINT_STEP[headers.group][which],
    )  # fmt: skip


_INDEX_MASK = np.array([(1 << 8 * size) - 1 for size in range(5)], np.uint64)
_POINT_STEP = np.where(_OCTETS, 1, 4)  # only octets and the two times of a relay are several
_POINT = 1 << 24  # tells a point from a range of one

# ------------------------------------------------------------------------------ decode


@dataclass(frozen=True, slots=True)
class _Fragment:
    """One unit in front of its objects."""

    function: int
    operation: str
    cls: OperationClass
    device: str
    answers: bool
    failures: str  # of the indications; "" where there are none
    facts: tuple[Fact, ...]
    note: str
    request: Message | None

    def says(
        self,
        object_: str = "",
        *,
        outcome: str = "ok",
        group: int = -1,
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        note: str = "",
    ) -> Message:
        """A message; a failure that the response has as a whole goes before its own success."""
        if self.answers and outcome == "ok":
            outcome = self.failures or outcome
        notes = "; ".join(one for one in (note, self.note) if one)
        cls = CLASS_OF_GROUP.get((self.function, group), self.cls)
        return Message(
            self.operation, cls, object_, self.device, outcome if self.answers else "",
            elements, (*facts, *self.facts), notes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Header:
    """One object header."""

    group: int
    variation: int
    qualifier: int
    first: int
    count: int
    body: int  # offset of the objects

    @property
    def name(self) -> str:
        return GROUPS.get(self.group, f"group_{self.group}")

    @property
    def form(self) -> _Form:
        return FORMS.get(self.group << 8 | self.variation, _ALL_FORMS[0])

    @property
    def index_bytes(self) -> int:
        prefix = self.qualifier >> 4
        return _PREFIX_BYTES[prefix] if prefix < len(_PREFIX_BYTES) else 0

    @property
    def size_bytes(self) -> int:
        return _SIZED.get(self.qualifier >> 4, 0)


MISMATCH = "mismatch"  # the echo of a control is not what was asked


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct unit, or item of one.

    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts [1815].
    """
    head = Reader(reader.data)
    control, target, source = head.u8(), head.u16le(), head.u16le()
    if control & (PRM | FUNCTION) not in (PRM | CONFIRMED_USER_DATA, PRM | UNCONFIRMED_USER_DATA):
        return _link_message(control, target if control & DIR else source, head.left())
    application, function = head.u8(), head.u8()
    if function not in FUNCTIONS:
        raise Malformed(f"function {function:#04x}")
    answers = function in ANSWERS or (function == CONFIRM and not control & DIR)
    indications = head.u16le() if function in ANSWERS else 0
    operation, cls = FUNCTIONS[function]
    secured = _OPAQUE if reader.data[head.offset : head.offset + 1] == bytes([SECURITY]) else ""
    fragment = _Fragment(
        function,
        operation,
        cls,
        f"station {source if answers else target}",
        answers,
        ", ".join(word for bit, word in FAILURES.items() if indications >> bit & 1),
        _indications(indications, side),
        "; ".join(one for one in (_FRAGMENTS[application >> 6], secured) if one),
        request,
    )
    try:
        return _objects_message(fragment, reader, head.offset)
    except Truncated as error:  # the unit is whole, so its content contradicts its length
        raise Malformed(f"{operation}: {error}") from error


_FRAGMENTS = ("within a response", "ends a response", "more follows", "")  # by FIR and FIN


def _indications(indications: int, side: Side) -> tuple[Fact, ...]:
    said = ", ".join(word for bit, word in INDICATIONS.items() if indications >> bit & 1)
    about = "client" if side == Side.REQUEST else "server"
    return (Fact("indications", said, about),) if said else ()


def _link_message(control: int, station: int, left: int) -> Message:
    code = control & (PRM | FUNCTION)
    if code not in LINK_FUNCTIONS or left:
        raise Malformed(f"link function {code:#04x}, {left} bytes behind it")
    operation, cls = LINK_FUNCTIONS[code]
    outcome = "" if control & PRM else LINK_OUTCOMES.get(code, "ok")
    note = "data flow control: buffers are full" if control & 0x10 and not control & PRM else ""
    asks = "by the outstation" if bool(control & DIR) != bool(control & PRM) else ""
    if not control & PRM:  # who answers an outstation is the master
        asks = "by the master" if control & DIR else ""
    return Message(operation, cls, asks, f"station {station}", outcome, note=note)


def _objects_message(fragment: _Fragment, reader: Reader, at: int) -> Message:
    data, item, function = reader.data, reader.item, fragment.function
    if item is None:
        if function == READ and len(data) > at:
            raise Malformed("a READ is told by its item")
        if function in (WRITE, *CONTROLS) and not _is_file(data, at):
            return fragment.says()
        return _whole_message(fragment, data, at)
    if function == READ:
        headers = list(_object_headers(data, at, READ))
        return fragment.says(_asked_text(data, headers, READ), group=headers[0].group)
    if item[1] == at and fragment.answers:
        return fragment.says(outcome=_no_echo(fragment) or "ok")
    header = _object_header(data, item[0])
    if item[1] == header.body:
        return _range_message(fragment, data, header)
    if header.index_bytes or header.form.last:
        return _point_message(fragment, data, header, item[1])
    return _run_message(fragment, data, header, item[1])


def _is_file(data: bytes, at: int) -> bool:
    return any(header.group == FILE for header in _object_headers(data, at, WRITE))


# --------------------------------------------------------------------- object headers


def _object_header(data: bytes, at: int) -> _Header:
    reader = Reader(data, at)
    group, variation, qualifier = reader.u8(), reader.u8(), reader.u8()
    if not _qualifier_fits(qualifier):
        raise Malformed(f"qualifier {qualifier:#04x}")
    code = qualifier & 0x0F
    width = _WIDTH[code] // 8
    first = int.from_bytes(reader.take(width), "little")
    count = first
    if _IS_RANGE[code]:
        count = int.from_bytes(reader.take(width), "little") - first + 1
        if count < 1:
            raise Malformed(f"objects {first} to {first + count - 1}")
    else:
        first = 0
    return _Header(group, variation, qualifier, first, count, reader.offset)


def _object_headers(data: bytes, at: int, function: int) -> Iterator[_Header]:
    """The headers from an offset on, up to the first whose objects have no known size."""
    for _ in range(MOST_HEADERS):
        if at == len(data):
            return
        header = _object_header(data, at)
        yield header
        carries = _CARRIES[function] or header.group == SECURITY
        carries |= header.group == TIME and function in FREEZE_WITH_TIME
        length = _content_bytes(data, header, carries=bool(carries))
        if length < 0:
            return
        at = header.body + length
        if at > len(data):
            raise Truncated(f"{length} bytes of objects at {header.body}")
    if at < len(data):
        raise Malformed(f"more than {MOST_HEADERS} object headers")


def _content_bytes(data: bytes, header: _Header, *, carries: bool) -> int:
    """Bytes of all the objects of a header; -1 where they cannot be known."""
    if header.count == 0:
        return 0
    form = header.form if carries else _ALL_FORMS[0]
    if header.size_bytes or (carries and header.group == ATTRIBUTES):
        return _own_bytes(data, header)
    if carries and header.group << 8 | header.variation not in FORMS:
        return -1
    if form.bits and header.index_bytes:
        return -1
    bits = form.bits + 8 * (form.size + header.index_bytes)
    return (header.count * bits + 7) // 8


def _own_bytes(data: bytes, header: _Header) -> int:
    """The same of objects that say their own length."""
    reader = Reader(data, header.body)
    for _ in range(min(header.count, MOST_SIZED)):
        if header.size_bytes:
            size = int.from_bytes(reader.take(header.size_bytes), "little")
        else:
            size = reader.take(2)[1]
        reader.take(size)
    return reader.offset - header.body if header.count <= MOST_SIZED else -1


# ------------------------------------------------------------------ what is asked for


def _asked_text(data: bytes, headers: list[_Header], function: int) -> str:
    """The objects that a unit names, with their indexes where it names them without content."""
    listed = data if not _CARRIES[function] else b""
    named = [_asked(data, header, listed) for header in headers[:MOST_NAMED]]
    if len(headers) > MOST_NAMED:
        named.append(f"{len(headers) - MOST_NAMED} more")
    return ", ".join(named)


def _asked(data: bytes, header: _Header, listed: bytes) -> str:
    if header.group == ATTRIBUTES:
        return f"device_attribute {_attribute(header.variation)}{_sets(header)}"
    if header.group == SECURITY:
        return _security_object(header)
    if header.group == APPLICATION and header.size_bytes and header.count:
        size = Reader(data, header.body).take(header.size_bytes)
        text = Reader(data, header.body + header.size_bytes).take(int.from_bytes(size, "little"))
        return f"application {sent(text)}"
    if header.group == FILE:
        return "file block" if header.variation == _TRANSPORT else "file"
    name = header.name
    variation = f" v{header.variation}" if header.variation else ""
    if header.group == CLASS:
        name, variation = f"class {header.variation - 1}", ""
    return f"{name}{_extent(listed, header)}{variation}"


def _extent(listed: bytes, header: _Header) -> str:
    """Which objects a header names; ``listed`` is empty where their indexes stand in content."""
    code = header.qualifier & 0x0F
    if code == _ALL:
        return "" if header.group == CLASS else " all"
    if _IS_RANGE[code]:
        return " " + _span(header.first, header.count)
    if not header.index_bytes or not listed:
        return f" first {header.count}"
    reader = Reader(listed, header.body)
    numbers = [
        int.from_bytes(reader.take(header.index_bytes), "little")
        for _ in range(min(header.count, MOST_NAMED))
    ]
    more = " and more" if header.count > MOST_NAMED else ""
    return " " + " ".join(map(str, numbers)) + more


def _span(first: int, count: int) -> str:
    return f"{first}" if count == 1 else f"{first}-{first + count - 1}"


def _sets(header: _Header) -> str:
    """The sets of attributes that are meant; the first is the standard's own."""
    said = _span(header.first, header.count)
    return "" if said == "0" or header.qualifier & 0x0F == _ALL else f" of set {said}"


def _attribute(variation: int) -> str:
    if variation in (254, 255):
        return "all" if variation == 254 else "list"
    return ATTRIBUTE_NAMES.get(variation, str(variation))


def _security_object(header: _Header) -> str:
    return f"authentication {SECURITY_OBJECTS.get(header.variation, header.variation)}"


# --------------------------------------------------------------------- what has content


def _range_message(fragment: _Fragment, data: bytes, header: _Header) -> Message:
    """All the objects of one header."""
    group, form, count = header.group, header.form, header.count
    known = group << 8 | header.variation in FORMS
    if group == ATTRIBUTES and 0 < count <= MOST_SIZED and not header.size_bytes:
        return _attribute_message(fragment, data, header)
    if header.size_bytes or not (known or count == 0):
        sort = "object" if header.size_bytes else "object of unknown size"
        name = header.name if group in GROUPS else f"group_{group}"
        note = f"opaque: {sort}, count {count}"
        return fragment.says(f"{name} v{header.variation}", group=group, note=note)
    code = header.qualifier & 0x0F
    counted = not _IS_RANGE[code] and count == 1  # times have no index
    where = "" if counted or count == 0 else " " + _span(header.first, count)
    object_ = f"{header.name}{where}{form.suffix}"
    if count == 0:
        object_ = f"{header.name} none"
    return fragment.says(
        object_,
        outcome=_range_quality(data, header),
        group=group,
        elements=_elements(header, header.first, count),
        note="" if group in GROUPS else "private object",
    )


def _elements(header: _Header, first: int, count: int) -> Elements | None:
    form = header.form
    if not form.values or not count:
        return None
    space = header.name.removesuffix("_event") + form.suffix
    if header.group == CROB and not form.bits:
        return Elements(f"{space} {first} on/off ms", 0, form.values * count)
    if header.group in OCTETS:
        return Elements(f"{space} {first} octet", 0, form.values * count)
    if form.bits == 2:
        return Elements(f"{space} bit", 2 * first, 2 * count)
    return Elements(space, first, count)


def _range_quality(data: bytes, header: _Header) -> str:
    """The flags of all points where they are the same, else nothing is said of them."""
    form = header.form
    if not form.quality or not header.count:
        return "ok"
    flags = data[header.body : header.body + header.count * form.size : form.size]
    found = {flag & form.quality for flag in set(flags)}
    return _quality(header.group, found.pop()) if len(found) == 1 else "ok"


def _quality(group: int, flags: int) -> str:
    """How good a point is, by the flags that say so."""
    words = (*QUALITY, *MORE_QUALITY.get(group, ("", "")))
    said = [word for bit, word in enumerate(words) if word and (flags ^ ONLINE) >> bit & 1]
    return ", ".join(said) or "ok"


def _run_message(fragment: _Fragment, data: bytes, header: _Header, end: int) -> Message:
    """Points of the same bad flags, up to the end of the item."""
    form = header.form
    last = (end - header.body) // max(form.size, 1) - 1
    if not form.quality or not 0 <= last < header.count:
        raise Malformed(f"no run of points ends at {end}")
    flags = data[header.body : end : form.size]
    same = flags[last] & form.quality
    first = last
    while first and flags[first - 1] & form.quality == same:
        first -= 1
    count = last - first + 1
    first += header.first
    return fragment.says(
        f"{header.name} {_span(first, count)}{form.suffix}",
        outcome=_quality(header.group, same),
        group=header.group,
        elements=_elements(header, first, count),
    )


def _no_echo(fragment: _Fragment) -> str:
    """How it is to tell points where a control is to be echoed: the answer is another request's.

    Two requests of one number may be under way where a master gives one up, and asks on.
    """
    asked = fragment.request
    if asked is None or asked.cls != "control" or not asked.object:
        return ""
    return fragment.failures or MISMATCH


def _point_message(fragment: _Fragment, data: bytes, header: _Header, end: int) -> Message:
    """One object, with the index in front of it or counted from the header's first."""
    form, width = header.form, header.index_bytes
    size = form.size + width
    if not form.size or end < header.body + size:
        raise Malformed(f"an object of {form.size} bytes that ends at {end}")
    content = Reader(data[:end], end - size)
    index = header.first + (end - header.body) // size - 1
    if width:
        index = int.from_bytes(content.take(width), "little")
    body = content.rest()
    object_, outcome, note = f"{header.name} {index}{form.suffix}", "ok", ""
    if form.quality:
        outcome = _quality(header.group, body[0] & form.quality)
    elif form.front == 0x7F:
        outcome = _status(body[0] & 0x7F)
    if header.group == CROB:
        object_ = f"{object_} {_control_code(body[0])}{'' if body[1] == 1 else f' x{body[1]}'}"
    if form.last:
        outcome = _status(body[-1])
        note = f"status {outcome} in a request" if body[-1] and not fragment.answers else ""
        if fragment.request is not None and fragment.request.cls == "control":
            outcome = outcome if fragment.request.object == object_ else MISMATCH
    return fragment.says(
        object_,
        outcome=outcome,
        group=header.group,
        elements=_elements(header, index, 1),
        note=note,
    )


def _control_code(code: int) -> str:
    """[1815] A.8: the operation, what it does to a trip and close pair, and two marks."""
    operation = code & 0x0F
    name = CONTROL_CODES[operation] if operation < len(CONTROL_CODES) else f"op_{operation}"
    marks = (" queue" if code & 0x10 else "") + (" clear" if code & 0x20 else "")
    return f"{TRIP_CLOSE[code >> 6]}{name}{marks}"


def _status(code: int) -> str:
    return CONTROL_STATUS.get(code, f"status {code:#04x}")


def _attribute_message(fragment: _Fragment, data: bytes, header: _Header) -> Message:
    """[1815] A.1: type, length, value of one set of attributes after the other."""
    reader = Reader(data, header.body)
    name = ATTRIBUTE_NAMES.get(header.variation, f"attribute_{header.variation:#04x}")
    facts = []
    for _ in range(header.count):
        kind = reader.u8()
        facts.append(Fact(name, _attribute_value(kind, reader.take(reader.u8()))))
    return fragment.says(
        f"device_attribute {_attribute(header.variation)}{_sets(header)}",
        group=ATTRIBUTES,
        facts=tuple(facts),
    )


def _attribute_value(kind: int, raw: bytes) -> str:
    if kind == 1:
        return sent(raw)
    if kind in (2, 7):
        return str(int.from_bytes(raw, "little"))
    if kind == 3:
        return str(int.from_bytes(raw, "little", signed=True))
    if kind == 4 and len(raw) in (4, 8):
        return repr(float(np.frombuffer(raw, f"<f{len(raw)}")[0]))
    if kind == 8 and len(raw) % 2 == 0:
        return raw.decode("utf-16-le", "replace")
    return f"type {kind:#04x}: {raw.hex()}"


# ------------------------------------------------------------- units that list nothing


def _whole_message(fragment: _Fragment, data: bytes, at: int) -> Message:
    """All the objects of a unit; of security, delays and file blocks only what the key holds."""
    if at == len(data):
        return fragment.says()
    first = _object_header(data, at)
    if first.group == SECURITY and fragment.function in (32, 33, AUTHENTICATION_RESPONSE):
        outcome = _SECURITY_OUTCOMES.get(first.variation, "ok")
        message = fragment.says(_security_object(first), outcome=outcome)
        return message.leaving(len(data) - first.body)
    headers = list(_object_headers(data, at, fragment.function))
    if first.group == TIME_DELAY and len(headers) == 1:
        unit = "s" if first.variation == 1 else "ms"
        delay = Elements(f"time_delay {unit}", 0, 1) if first.count == 1 else None
        return fragment.says(elements=delay)
    if first.group == FILE and first.size_bytes == 2 and first.count == 1:
        return _file_message(fragment, Reader(data, first.body), first.variation)
    return fragment.says(_asked_text(data, headers, fragment.function))


_OPAQUE = "opaque: security"
_SECURITY_OUTCOMES = {1: "challenged", 7: "error"}


def _file_message(fragment: _Fragment, outer: Reader, variation: int) -> Message:
    """[1815] A.27: one object of group 70."""
    body = outer.part(outer.u16le())
    read = _FILES.get(variation)
    if read is None:
        return fragment.says(
            f"file v{variation}", group=FILE, note="opaque: file authentication"
        ).leaving(body.left())
    return read(fragment, body)


def _file_name(body: Reader, at: int, size: int) -> str:
    """The name behind an object; its offset is from the object's beginning."""
    return sent(body.at(at).take(size))


def _file_command(fragment: _Fragment, body: Reader) -> Message:
    at, size = body.u16le(), body.u16le()
    time = int.from_bytes(body.take(6), "little")
    rights, key, length = body.u16le(), body.u32le(), body.u32le()
    mode, block, number = body.u16le(), body.u16le(), body.u16le()
    word = FILE_MODES.get(mode, f"mode {mode}")
    note = (
        f"size {length}, rights {rights:#o}, time {time}, block {block}, number {number}"
        f"{', with a key' if key else ''}"
    )
    return fragment.says(f"file {_file_name(body, at, size)} {word}", group=FILE, note=note)


def _file_status(fragment: _Fragment, body: Reader) -> Message:
    handle, length, block, number = body.u32le(), body.u32le(), body.u16le(), body.u16le()
    outcome = _file_outcome(body.u8())
    text = sent(body.rest())
    note = f"handle {handle}, size {length}, block {block}, number {number} {text}".rstrip()
    if not fragment.answers and outcome != "ok":
        note += f", status {outcome}"
    return fragment.says("file", outcome=outcome, group=FILE, note=note)


def _file_block(fragment: _Fragment, _: Reader) -> Message:
    elements = Elements("file handle and block", 0, 2)
    return fragment.says("file block", group=FILE, elements=elements, note="content not kept")


def _file_block_status(fragment: _Fragment, body: Reader) -> Message:
    handle, number = body.u32le(), body.u32le()
    outcome, text = _file_outcome(body.u8()), sent(body.rest())
    note = f"handle {handle}, block {number:#x} {text}".rstrip()
    return fragment.says("file block", outcome=outcome, group=FILE, note=note)


def _file_descriptor(fragment: _Fragment, body: Reader) -> Message:
    at, size, kind, length = body.u16le(), body.u16le(), body.u16le(), body.u32le()
    time = int.from_bytes(body.take(6), "little")
    rights, number = body.u16le(), body.u16le()
    note = f"type {kind}, size {length}, rights {rights:#o}, time {time}, number {number}"
    return fragment.says(f"file {_file_name(body, at, size)}", group=FILE, note=note)


def _file_string(fragment: _Fragment, body: Reader) -> Message:
    return fragment.says(f"file {sent(body.rest())}", group=FILE)


def _file_outcome(code: int) -> str:
    return FILE_STATUS.get(code, f"file status {code:#04x}")


_FILES = {
    3: _file_command,
    4: _file_status,
    _TRANSPORT: _file_block,
    6: _file_block_status,
    7: _file_descriptor,
    8: _file_string,
}


_AUTHENTICATES = _marks((32, 33))  # they have the number of what they authenticate
_RESTARTED = 0x80  # the first octet of indications: the outstation says that it begins anew


def _numbered(units: Units) -> Numbered:
    """[1815] 4.2.2.4: requests and what answers them, apart from them unsolicited responses."""
    fragments = _fragments(units)
    function, answers = fragments.function, fragments.answers
    spontaneous = fragments.application & _UNSOLICITED != 0
    turn = np.where(answers, Turn.ANSWERS, Turn.ASKS)
    turn[function == UNSOLICITED] = Turn.REPORTS
    turn[function == CONFIRM] = Turn.CONFIRMS
    station = np.where(fragments.answers, fragments.source, fragments.target)
    master = np.where(fragments.answers, fragments.target, fragments.source)
    mine = fragments.whole & ~fragments.link & (station < BROADCAST)
    mine &= (function != AUTHENTICATION_RESPONSE) & (spontaneous | (function != CONFIRM))
    unit = np.flatnonzero(mine)
    free = _AUTHENTICATES[function] & ~answers
    free |= answers & (fragments.indications & _RESTARTED != 0)
    first, last = (
        fragments.application & _FIRST_FRAGMENT != 0,
        fragments.application & _FINAL_FRAGMENT != 0,
    )
    begin = fragments.start + PREFIX
    return Numbered(
        unit,
        (station << np.uint64(16) | master)[unit].astype(np.int64),
        master[unit].astype(np.int64),
        turn[unit],
        (fragments.application & _SEQUENCE)[unit],
        hash_spans(units.buffer, begin[unit], (units.end - begin)[unit], 0),
        (FIRST * first + LAST * last + FREE * free)[unit],
    )


NUMBERING = Numbering(_numbered, _SEQUENCE + 1)

_TIME_BYTES = 6
# where the time begins in an object, by group and variation as they lie in a header; -1: none
_TIME_AT = np.full(1 << 16, -1)
for _group, _variations in LAYOUTS.items():
    for _variation, _layout in _variations.items():
        if _layout.split()[-1:] == ["t"]:
            _TIME_AT[_group | _variation << 8] = _form(_group, _layout).size - _TIME_BYTES
_PREFIXES = {0x07: (1, 0), 0x08: (2, 0), 0x17: (1, 1), 0x28: (2, 2)}  # count, index: octets
_SIZES_OF = np.full((256, 2), -1)
for _qualifier, _octets in _PREFIXES.items():
    _SIZES_OF[_qualifier] = _octets
_TIMES_SET = _marks((TIME,))
_EVENTS = _marks(tuple(group for group in LAYOUTS if group not in {TIME, FILE, SECURITY}))


def _times(units: Units, _split: Split) -> Times:
    """Of the first object: a time that is written, or that of an event; [1815] A.26, A.27."""
    fragments = _fragments(units)
    word = _word(units.buffer, fragments.objects)
    what = (word & np.uint64(0xFFFF)).astype(np.int64)
    group, sizes = what & 0xFF, _SIZES_OF[(word >> np.uint64(16) & _BYTE).astype(np.int64)]
    sets = ~fragments.answers & (fragments.function == WRITE) & _TIMES_SET[group]
    mine = (sets | (fragments.answers & _EVENTS[group])) & fragments.whole & ~fragments.link
    at = fragments.objects + 3 + sizes.sum(axis=1) + _TIME_AT[what]
    mine &= (_TIME_AT[what] >= 0) & (sizes[:, 0] > 0) & (at + _TIME_BYTES <= fragments.end)
    rows = np.flatnonzero(mine)
    ms = span_word(units.buffer, at[rows], np.full(len(rows), _TIME_BYTES), 0).astype(np.int64)
    near = (ms > 0) & (ms < LATEST_MS)
    rows, ms = rows[near], ms[near]
    station = np.where(fragments.answers, fragments.source, fragments.target)[rows]
    way = np.where(sets[rows], SETS, MARKS).astype(np.uint8)
    return Times(rows, ms * MS_NS, station, way)


CLOCKS = Clocks(_times, lambda station: f"station {station}")


AUTHENTICATE_FILE, AUTHENTICATION = 29, 2  # function; variation of objects of files


def scrub(reader: Reader) -> bytes:
    """[1815] A.27.2: account and password of who wants to use files, which are not looked at."""
    data, head = reader.data, Reader(reader.data, 6)  # behind the link's and the control octet
    if len(data) <= head.offset or head.u8() != AUTHENTICATE_FILE:
        return data
    first = _object_header(data, head.offset)
    if (first.group, first.variation) != (FILE, AUTHENTICATION):
        return data
    return covered(data, first.body + 2, len(data))


PROTOCOL = Protocol(
    name="dnp3",
    title="DNP3",
    standard="IEEE 1815-2012",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({20_000}),
    framings=(DNP3,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=IDENTITY,
    items=items,
    scrub=scrub,
    transfers=TRANSFERS,
    routine=frozenset({"confirm", "ack", "request_link_status", "test_link"}),
    numbering=NUMBERING,
    clocks=CLOCKS,
    session=True,
)
