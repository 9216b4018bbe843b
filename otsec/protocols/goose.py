"""GOOSE of IEC 61850 on Ethernet; GSE management beside it.

Sources: [8-1] IEC 61850-8-1:2011, 18 (GOOSE), annex A (the messages in ASN.1), annex C (the frame);
[X690] ITU-T X.690 (BER). The ASN.1 is as Wireshark's `goose.asn` gives it.

A message is published again and again, each time with the same structure. So the first of those
with equal beginnings is taken apart in plain Python (`_layout`), and where the bytes of all others
that say how they are built are the same, so is all the rest: the layout holds for them too. Those
that differ are looked at once more.

The key of a message is what leads to its time stamp, the digest of its structure, and its revision
and marks. State number and sequence number are the tag. Time stamp and data are in neither: the
data are the values, of items. An item is a run of data of one type that lie side by side: eight
booleans, one float, a quality. Data are counted through structures and arrays, from 1; bit strings
are the bytes that they fill. Integers of three, five and nine bytes are read where the first is
zero; they and texts, and what else is no number, are given byte by byte.

`timeAllowedtoLive` is in the key, but no message says it. The second reserved word is passed over:
where messages are signed, [62351-6] puts a check sum there that differs each time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from otsec.columns import (
    I64,
    U64,
    Bytes,
    Header,
    Ints,
    Mask,
    gather,
    group,
    hash_spans,
    ranges,
    span_word,
    windows,
)
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import (
    F32_BE,
    F64_BE,
    FOLLOWS,
    I8,
    I16_BE,
    I32_BE,
    I64_BE,
    NOT_MINE,
    REPEATS,
    RESTARTS,
    RETURNS,
    SKIPS,
    U8,
    U16_BE,
    U32_BE,
    U64_BE,
    Counting,
    Elements,
    Fact,
    Framing,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)

ETHERTYPES = frozenset({0x88B8, 0x88B9})  # GOOSE and GSE management, [8-1] annex C
HEADER = np.dtype([("appid", ">u2"), ("length", ">u2"), ("reserved", ">u2"), ("second", ">u2")])
FRONT = HEADER.itemsize
SHORTEST = FRONT + 4
LONGEST = 65_535  # bytes of a frame's content; jumbo frames
SIMULATED = 0x8000  # of the first reserved word, [8-1] C.2.4

MANAGEMENT, PUBLISHED = 0x60, 0x61  # tags of the two messages, [8-1] annex A
REQUESTS, RESPONSES = 0xA1, 0xA2  # of GSE management
REFERENCE, LIVE, DATASET, ID, TIME, STATE, SEQUENCE = range(0x80, 0x87)
TEST, REVISION, UNCOMMISSIONED, ENTRIES, DATA = 0x87, 0x88, 0x89, 0x8A, 0xAB
SECURITY = (0x8C, 0xAC)
ORDER = (
    REFERENCE, LIVE, DATASET, ID, TIME, STATE, SEQUENCE, TEST, REVISION, UNCOMMISSIONED, ENTRIES,
    DATA, *SECURITY,
)  # fmt: skip
OPTIONAL = frozenset({ID, TEST, UNCOMMISSIONED, *SECURITY})
NUMBERS = frozenset({LIVE, STATE, SEQUENCE, REVISION, ENTRIES})  # INT32U: up to five bytes
SIZES = {TIME: 8, TEST: 1, UNCOMMISSIONED: 1}
DEEPEST = 8  # structures within structures; [8-1] has no deeper ones than five
ROUNDS = 8  # layouts of messages that begin alike; what is left is looked at one by one

# ----------------------------------------------------------------------------- the words

MANAGEMENT_OPERATIONS: dict[int, tuple[str, OperationClass]] = {  # tag's number, [8-1] annex A
    0: ("management_not_supported", "browse"),
    1: ("get_go_reference", "browse"),
    2: ("get_goose_element_number", "browse"),
    3: ("get_gs_reference", "browse"),
    4: ("get_gsse_data_offset", "browse"),
}
NOT_SUPPORTED = 0
BY_NAME = (2, 4)  # ask by names, the others by numbers
CONTROL_BLOCK_ERRORS = {  # GlbErrors
    0: "other",
    1: "unknown_control_block",
    2: "response_too_large",
    3: "control_block_configuration_error",
}
MEMBER_ERRORS = {0: "other", 1: "not_found"}  # ErrorReason
OPERATIONS = (
    Operation("publish", "report", PUBLISHED),
    *(Operation(name, cls, code) for code, (name, cls) in MANAGEMENT_OPERATIONS.items()),
)

# ------------------------------------------------------------------------------ framing


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """The length that the header says; what follows it is padding or a signature."""
    length = header["length"].astype(np.int64)
    return np.where(length >= SHORTEST, length, NOT_MINE)


GOOSE = Framing("goose", HEADER, _lengths, longest=LONGEST, datagram=True)


@dataclass(frozen=True, slots=True)
class _Heads:
    """What stands in front of messages, as columns; `fits`: BER and header agree on the length."""

    buffer: Bytes
    start: I64
    behind: I64  # of the message, padding left out
    appid: U64
    reserved: U64
    tag: Ints  # u1, of the message
    content: I64  # offset of its first field
    first: Ints  # u1, tag of that field
    fits: Mask


def _heads(units: Units) -> _Heads:
    header, whole = gather(units.buffer, units.start, units.end, HEADER)
    behind = units.start + header["length"]
    at = units.start + FRONT
    word = span_word(units.buffer, at, np.minimum(behind, units.end) - at, 0)
    size, width = _ber_lengths(word >> np.uint64(8))
    content = at + 1 + width
    first = (word >> (np.uint64(8) * (1 + width).astype(np.uint64))).astype(np.uint8)
    return _Heads(
        buffer=units.buffer,
        start=units.start,
        behind=behind,
        appid=header["appid"].astype(np.uint64),
        reserved=header["reserved"].astype(np.uint64),
        tag=(word & np.uint64(0xFF)).astype(np.uint8),
        content=content,
        first=first,
        fits=whole & (behind <= units.end) & (size >= 2) & (content + size == behind),
    )


def _ber_lengths(word: U64) -> tuple[I64, I64]:
    """Lengths as BER has them, and the bytes that they take; -1 where it is none of up to 64 KiB."""
    front = (word & np.uint64(0xFF)).astype(np.int64)
    one = (word >> np.uint64(8) & np.uint64(0xFF)).astype(np.int64)
    two = one << 8 | (word >> np.uint64(16) & np.uint64(0xFF)).astype(np.int64)
    size = np.where(front < 0x80, front, np.where(front == 0x81, one, two))
    width = np.where(front < 0x80, 1, front - 0x7F)
    known = front <= 0x82
    known &= front != 0x80
    return np.where(known, size, -1), np.where(known, width, 1)


def claims(units: Units) -> Mask:
    """Header and BER agree on the length, and the first field is that of the message."""
    heads = _heads(units)
    known = (heads.tag == PUBLISHED) | (heads.tag == MANAGEMENT)
    return np.asarray(heads.fits & known & (heads.first == REFERENCE), np.bool_)


def sides(units: Units) -> Ints:
    """Publishers are clients; management says which it is."""
    heads = _heads(units)
    side = np.where(heads.tag == PUBLISHED, Side.REQUEST, Side.UNKNOWN)
    rows = np.flatnonzero(heads.fits & (heads.tag == MANAGEMENT))
    if len(rows):
        _, _, choice = _states(heads, rows)
        side[rows[choice == REQUESTS]] = Side.REQUEST
        side[rows[choice == RESPONSES]] = Side.RESPONSE
    return side.astype(np.uint8)


# ------------------------------------------------------------------------------ layouts

_BYTES = -1  # a datum that is no number


@dataclass(frozen=True, slots=True)
class _Datum:
    """One value of a data set: where it stands, and how it is read."""

    tag: int
    start: int  # of its tag
    begin: int  # of its content
    end: int
    kind: int  # position in VALUE_TYPES, or _BYTES
    skip: int  # bytes of the content in front of the number
    alike: bytes  # those bytes

    def goes_on(self, other: "_Datum") -> bool:
        """Whether this one is of the other's type and follows it.

        Integers stand alone: their size depends on what they hold.
        """
        return (
            self.tag in _STEADY
            and self.kind != _BYTES
            and (self.tag, self.kind, self.alike) == (other.tag, other.kind, other.alike)
            and self.start == other.end
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """Data of one type, side by side: an item."""

    first: int  # number of the first datum, from 1
    data: tuple[_Datum, ...]

    @property
    def span(self) -> tuple[int, int]:
        """From the first tag to behind the last content."""
        return self.data[0].start, self.data[-1].end

    @property
    def columns(self) -> tuple[int, int, int, int, int, int]:
        """Start, end; offset, number, type and distance of the values."""
        datum = self.data[0]
        begin = datum.begin + datum.skip
        if datum.kind == _BYTES:
            return *self.span, begin, datum.end - begin, U8, 1
        return *self.span, begin, len(self.data), datum.kind, datum.end - datum.start

    def told(self, name: str) -> tuple[str, Elements]:
        """Object and elements within the control block of that name."""
        if self.data[0].kind == _BYTES:
            size = self.columns[3]
            return f"{name} value {self.first} bytes", Elements(
                f"{name} value {self.first} byte", 0, size
            )
        last = self.first + len(self.data) - 1
        numbers = str(last) if last == self.first else f"{self.first}-{last}"
        return f"{name} value {numbers}", Elements(f"{name} value", self.first, len(self.data))


@dataclass(slots=True)
class _Ber:
    """Walks BER, and notes the bytes that say how the message is built."""

    reader: Reader
    marks: list[int] = field(default_factory=list)

    def element(self, end: int) -> tuple[int, int, int]:
        """Tag, begin and end of the next element's content, [X690] 8.1; goes on behind its head."""
        at = self.reader.offset
        tag, size = self.reader.u8(), self.reader.u8()
        if size > 0x80:
            size = int.from_bytes(self.reader.take(size & 0x7F), "big")
        elif size == 0x80:
            raise Malformed("indefinite length")
        begin = self.reader.offset
        if begin + size > end:
            raise Malformed(f"element {tag:#04x} of {size} bytes at {at} passes {end}")
        self.marks += range(at, begin)
        return tag, begin, begin + size

    def skip(self, end: int) -> bytes:
        """The content up to its end."""
        return self.reader.take(end - self.reader.offset)


@dataclass(frozen=True)
class _Layout:
    """How a message is built, and where in it everything stands; offsets are of the unit."""

    data: bytes
    fields: dict[int, tuple[int, int]]
    marks: NDArray[np.int64]  # bytes that say so: equal marks, equal layout
    runs: tuple[_Run, ...]

    @property
    def time_at(self) -> int:
        """Where the time stamp's tag stands: what is before belongs to the key."""
        return self.fields[TIME][0] - 2

    @cached_property
    def told(self) -> Bytes:
        """The bytes at the marks."""
        return np.frombuffer(self.data, np.uint8)[self.marks]

    @cached_property
    def digest(self) -> tuple[int, int]:
        """What stands for the marks in a key."""
        raw = blake2b(self.told.tobytes() + self.marks.tobytes(), digest_size=16).digest()
        return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big")

    def number(self, tag: int) -> int:
        """A field that is a number or a mark; 0 where it is missing."""
        begin, end = self.fields.get(tag, (0, 0))
        return int.from_bytes(self.data[begin:end], "big")

    def text(self, tag: int) -> str:
        """A field that is a text."""
        begin, end = self.fields.get(tag, (0, 0))
        return _text(self.data[begin:end])


@lru_cache(maxsize=64)  # the items of one message ask one after the other
def _layout(data: bytes) -> _Layout:
    """Take a published message apart; ``data``: the unit up to the length that it says."""
    ber = _Ber(Reader(data, FRONT))
    tag, _, end = ber.element(len(data))
    if tag != PUBLISHED or end != len(data):
        raise Malformed(f"message {tag:#04x} ends at {end} of {len(data)}")
    fields: dict[int, tuple[int, int]] = {}
    known = iter(ORDER)
    found: list[_Datum] = []
    entries = 0
    while ber.reader.offset < end:
        tag, begin, stop = ber.element(end)
        _pass_optional(known, tag)
        fields[tag] = begin, stop
        if tag == DATA:
            entries = _data(ber, stop, found)
        else:
            _check(ber, tag, begin, ber.skip(stop))
    if DATA not in fields:
        raise Malformed("no data")
    begin, stop = fields[ENTRIES]
    told = int.from_bytes(data[begin:stop], "big")
    if told != entries:
        raise Malformed(f"{entries} data where {told} are told")
    marks = sorted({*ber.marks, *range(begin, stop)})
    return _Layout(data, fields, np.array(marks), _runs(found))


def _pass_optional(known: Iterator[int], tag: int) -> None:
    """Go on in the order of fields up to this one."""
    for expected in known:
        if expected == tag:
            return
        if expected not in OPTIONAL:
            raise Malformed(f"field {tag:#04x} where {expected:#04x} should be")
    raise Malformed(f"field {tag:#04x}")


def _check(ber: _Ber, tag: int, begin: int, content: bytes) -> None:
    if tag in NUMBERS:
        if not 1 <= len(content) <= 5:
            raise Malformed(f"number of {len(content)} bytes")
        if len(content) == 5:
            ber.marks.append(begin)
            if content[0]:
                raise Malformed("number beyond 32 bits")
    elif len(content) != SIZES.get(tag, len(content)):
        raise Malformed(f"field {tag:#04x} of {len(content)} bytes")


def _data(ber: _Ber, end: int, found: list[_Datum], depth: int = 0) -> int:
    """Collect the data of a list; gives how many entries it has itself."""
    entries = 0
    while ber.reader.offset < end:
        start = ber.reader.offset
        tag, begin, stop = ber.element(end)
        entries += 1
        if tag in _LISTS:
            if depth == DEEPEST:
                raise Malformed("too deep")
            _data(ber, stop, found, depth + 1)
        else:
            kind, skip = _reads(tag, content := ber.skip(stop))
            ber.marks += range(begin, begin + skip)
            if kind == _BYTES:
                skip = 0
            found.append(_Datum(tag, start, begin, stop, kind, skip, content[:skip]))
    return entries


_LISTS = (0xA1, 0xA2)  # array, structure
_BOOLEAN, _BITS, _INTEGER, _UNSIGNED, _FLOAT, _UTC = 0x83, 0x84, 0x85, 0x86, 0x87, 0x91
_TEXTS = frozenset({0x88, 0x89, 0x8A, 0x8C, 0x8D, 0x8E, 0x8F, 0x90})  # and what else is no number
_STEADY = frozenset({_BOOLEAN, _BITS, _FLOAT, _UTC})  # whose size says nothing of what they hold
_UNSIGNED_KINDS = {1: U8, 2: U16_BE, 4: U32_BE, 8: U64_BE}
_SIGNED_KINDS = {1: I8, 2: I16_BE, 4: I32_BE, 8: I64_BE}
_FLOAT_KINDS = {(5, 8): F32_BE, (9, 11): F64_BE}  # size, width of the exponent; ISO 9506-2


def _reads(tag: int, content: bytes) -> tuple[int, int]:
    """How a datum is read, and the bytes in front of its number, which are marks too."""
    size = len(content)
    if tag in _TEXTS:
        return _BYTES, 0
    if not size:
        raise Malformed(f"datum {tag:#04x} without content")
    if tag == _BOOLEAN and size == 1:
        return U8, 0
    if tag == _BITS and content[0] < 8:
        return _UNSIGNED_KINDS.get(size - 1, _BYTES), 1
    if tag in (_INTEGER, _UNSIGNED):
        if size in (3, 5, 9):
            return (_UNSIGNED_KINDS[size - 1] if content[0] == 0 else _BYTES), 1
        return (_SIGNED_KINDS if tag == _INTEGER else _UNSIGNED_KINDS).get(size, _BYTES), 0
    if tag == _FLOAT:
        return _FLOAT_KINDS.get((size, content[0]), _BYTES), 1
    if tag == _UTC and size == 8:
        return U32_BE, 0  # the seconds; fraction and quality of the clock are left out
    raise Malformed(f"datum {tag:#04x} of {size} bytes")


def _runs(found: list[_Datum]) -> tuple[_Run, ...]:
    runs: list[_Run] = []
    for number, datum in enumerate(found, 1):
        if datum.begin + datum.skip >= datum.end:
            continue  # holds nothing
        if runs and datum.goes_on(runs[-1].data[-1]):
            runs[-1] = replace(runs[-1], data=(*runs[-1].data, datum))
        else:
            runs.append(_Run(number, (datum,)))
    return tuple(runs)


def _laid_out(data: bytes) -> _Layout | None:
    try:
        return _layout(data)
    except WireError:
        return None


@dataclass(slots=True)
class _Sorted:
    """The layout of each unit, -1 where it has none, and all layouts."""

    which: I64
    layouts: list[_Layout]

    def note(self, rows: I64, layout: _Layout) -> None:
        self.which[rows] = len(self.layouts)
        self.layouts.append(layout)

    def told(self, what: Callable[[_Layout], int], rows: I64) -> I64:
        """A number of the layout of each of some rows."""
        table = np.array([what(layout) for layout in self.layouts], np.int64)
        return np.asarray(table[self.which[rows]])


# By size, application and first bytes of a message: the layout of one that was seen before. It is
# only a guess, so that the same need not be taken apart in each batch; the marks decide.
_seen: dict[tuple[int, ...], _Layout] = {}
MOST_SEEN = 4096


def _sort_out(heads: _Heads) -> _Sorted:
    """The published messages by layout."""
    found = _Sorted(np.full(len(heads.start), -1), [])
    rows = np.flatnonzero(heads.fits & (heads.tag == PUBLISHED))
    if not len(rows):
        return found
    start = heads.start[rows]
    size = heads.behind[rows] - start
    begin = span_word(heads.buffer, start + FRONT, size - FRONT, 0)
    front = size.astype(np.uint64) << np.uint64(16) | heads.appid[rows]
    groups = group([front, begin], 0)
    names = zip(front[groups.first].tolist(), begin[groups.first].tolist(), strict=True)
    bounds = zip(groups.start.tolist(), groups.count.tolist(), strict=True)
    for name, (first, count) in zip(names, bounds, strict=True):
        mine = groups.order[first : first + count]
        length = int(size[mine[0]])
        octets = windows(heads.buffer, np.dtype(f"V{length}"))[start[mine]]
        last = _guess(found, rows[mine], octets.view(np.uint8).reshape(-1, length), _seen.get(name))
        if last is not None:
            if len(_seen) >= MOST_SEEN:
                _seen.clear()
            _seen[name] = last
    return found


def _guess(found: _Sorted, rows: I64, octets: Bytes, seen: _Layout | None) -> _Layout | None:
    """Guess that all are laid out as one seen before, then as the first; try the others again.

    ``octets``: of each, shape (rows, length). Gives the layout to guess next time.
    """
    for _ in range(ROUNDS):
        layout = seen or _laid_out(octets[0].tobytes())
        same = np.zeros(len(rows), np.bool_)
        if layout is not None:
            same = (octets[:, layout.marks] == layout.told).all(axis=1)
            found.note(rows[same], layout)
        elif seen is None:
            same[0] = True  # malformed
        if same.all():
            return layout
        rows, octets = rows[~same], octets[~same]
        seen = None
    for at in range(len(rows)):
        layout = _laid_out(octets[at].tobytes())
        if layout is not None:
            found.note(rows[at : at + 1], layout)
    return layout


# -------------------------------------------------------------------------------- split


def split(units: Units) -> Split:
    """Key: what leads to the time stamp, the structure, revision and marks. Tag: the counters."""
    heads, count = _heads(units), len(units)
    none = np.zeros(count, np.int64)
    alone = heads.tag == PUBLISHED
    front = heads.appid | heads.reserved << np.uint64(16) | alone.astype(np.uint64) << np.uint64(32)
    words = np.zeros((3, count), np.uint64)
    result = Split(
        key_words=[front, *words],
        key_start=units.start + FRONT,
        key_length=none.copy(),
        tag=np.zeros(count, np.uint64),
        value_start=units.start,
        value_count=none,
        value_type=np.full(count, U8, np.uint8),
        malformed=np.ones(count, np.bool_),
        alone=alone,
    )
    found = _sort_out(heads)
    rows = np.flatnonzero(found.which >= 0)
    if len(rows):
        _split_published(result, heads, found, rows)
    rows = np.flatnonzero(heads.fits & (heads.tag == MANAGEMENT))
    if len(rows):
        state, behind, choice = _states(heads, rows)
        result.tag[rows] = state
        result.key_start[rows] = behind
        result.key_length[rows] = heads.behind[rows] - behind
        result.malformed[rows] = choice == 0
    return result


def _split_published(result: Split, heads: _Heads, found: _Sorted, rows: I64) -> None:
    def number(tag: int) -> U64:
        """A field that is a number; 0 where it is missing."""
        begin = found.told(lambda layout: layout.fields.get(tag, (0, 0))[0], rows)
        end = found.told(lambda layout: layout.fields.get(tag, (0, 0))[1], rows)
        size = end - begin
        word = span_word(heads.buffer, heads.start[rows] + begin, size, 0).byteswap()
        return np.where(size > 0, word >> (np.uint64(8) * (8 - size).astype(np.uint64)), 0)

    for at in (0, 1):
        table = np.array([layout.digest[at] for layout in found.layouts], np.uint64)
        result.key_words[1 + at][rows] = table[found.which[rows]]
    marks = number(TEST) << np.uint64(8) | number(UNCOMMISSIONED)
    result.key_words[3][rows] = number(REVISION) << np.uint64(16) | marks
    result.tag[rows] = number(STATE) << np.uint64(32) | number(SEQUENCE)
    result.key_length[rows] = found.told(lambda layout: layout.time_at - FRONT, rows)
    result.malformed[rows] = False


def _states(heads: _Heads, rows: I64) -> tuple[U64, I64, Ints]:
    """Of management: the state id, the offset behind it, and the tag there; 0 where it is none."""
    at, behind = heads.content[rows], heads.behind[rows]
    word = span_word(heads.buffer, at, behind - at, 0).byteswap()
    size = (word >> np.uint64(48) & np.uint64(0xFF)).astype(np.int64)
    fits = (heads.first[rows] == REFERENCE) & (size >= 1) & (size <= 5) & (at + 2 + size < behind)
    size = np.where(fits, size, 1)
    state = word << np.uint64(16) >> (np.uint64(8) * (8 - size).astype(np.uint64))
    choice = heads.buffer[np.where(fits, at + 2 + size, 0)]
    known = fits & ((choice == REQUESTS) | (choice == RESPONSES))
    return state, at + 2 + size, np.where(known, choice, 0)


def items(units: Units) -> Items:
    """The data: one item for each run of one type."""
    found = _sort_out(_heads(units))
    runs = [run for layout in found.layouts for run in layout.runs]
    counts = np.array([len(layout.runs) for layout in found.layouts], np.int64)
    rows = np.flatnonzero(found.which >= 0)
    which = found.which[rows]
    count = counts[which]
    first = (np.cumsum(counts) - counts)[which]
    owner = np.repeat(rows, count)
    run = ranges(first, count)
    table = np.array([run.columns for run in runs], np.int64).reshape(-1, 6).T
    start, end, value, size, kind, step = (column[run] for column in table)
    base = units.start[owner]
    none = np.zeros(len(owner), np.int64)
    return Items(
        owner, base + start, base + end,
        Split(
            key_words=[(run - np.repeat(first, count)).astype(np.uint64)],
            key_start=none,
            key_length=none,
            tag=none.astype(np.uint64),
            value_start=base + value,
            value_count=size,
            value_type=kind.astype(np.uint8),
            malformed=none.astype(np.bool_),
            value_step=step,
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A published message, one run of its data, or a message of management."""
    appid, length = reader.u16(), reader.u16()
    reserved = reader.u16()
    if length > len(reader.data):
        raise Malformed(f"{length} bytes of {len(reader.data)}")
    whole = Reader(reader.data[:length], FRONT)
    if whole.u8() == MANAGEMENT:
        return _managed(Reader(whole.data, FRONT), reserved, request)
    layout = _layout(whole.data)
    name, note, left = layout.text(REFERENCE), "", 0
    if reserved & ~SIMULATED:
        note = f"reserved {reserved & ~SIMULATED:#06x}"
    if layout.fields.keys() & SECURITY:
        note = "opaque: security"
        left = sum(
            end - begin
            for tag, (begin, end) in layout.fields.items()
            if tag in SECURITY and reader.item is None
        )
    message = Message(
        "publish", "report", name,
        outcome=_marks(layout, reserved) or ("ok" if side == Side.RESPONSE else ""),
        facts=_facts(layout, appid, "server" if side == Side.RESPONSE else "client"),
        note=note,
        left=left,
    )  # fmt: skip
    if reader.item is None:
        return message
    run = next((one for one in layout.runs if one.span == reader.item), None)
    if run is None:
        raise Malformed(f"no data at {reader.item}")
    facts = message.facts if run is layout.runs[0] else ()  # once a message is enough
    what, elements = run.told(name)
    return replace(message, object=what, elements=elements, facts=facts)


def _marks(layout: _Layout, reserved: int) -> str:
    """What keeps a subscriber from acting on the message; "" where nothing does.

    What is `test` in the first edition of [8-1] is `simulation` in the second, where the header
    says so too.
    """
    simulated = bool(reserved & SIMULATED), bool(layout.number(TEST))
    told = [_SIMULATIONS[simulated]] if any(simulated) else []
    if layout.number(UNCOMMISSIONED):
        told.append("needs_commissioning")
    return ", ".join(told)


_SIMULATIONS = {
    (True, True): "simulated",
    (False, True): "test",
    (True, False): "simulated_by_header_only",
}


def _facts(layout: _Layout, appid: int, about: str) -> tuple[Fact, ...]:
    """What a message says of its publisher; some of it holds for one control block alone."""
    name = layout.text(REFERENCE)
    told = [
        ("appid", f"{name} {appid:#06x}"),
        ("dataset", f"{name} {layout.text(DATASET)}"),
        ("configuration_revision", f"{name} {layout.number(REVISION)}"),
    ]
    if ID in layout.fields:
        told.append(("goose_id", f"{name} {layout.text(ID)}"))
    if "/" in name:
        told.append(("logical_device", name.partition("/")[0]))
    return tuple(Fact(attribute, value, about) for attribute, value in told)


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")


# --------------------------------------------------------------------------- management


def _managed(reader: Reader, reserved: int, request: Message | None) -> Message:
    """A request or response of GSE management, [8-1] annex A; what it tells of is a control block."""
    ber = _Ber(reader)
    ber.element(len(reader.data))
    _, _, end = ber.element(len(reader.data))
    ber.skip(end)  # the state id is the tag
    asked, _, end = ber.element(len(reader.data))
    choice, _, end = ber.element(end)
    name, cls = MANAGEMENT_OPERATIONS.get(choice & 0x1F, (f"unknown_{choice:#04x}", "browse"))
    note = f"reserved {reserved:#06x}" if reserved else ""
    if asked == RESPONSES and choice == 0x80 | NOT_SUPPORTED:
        if request is not None:
            name, cls = request.operation, request.cls
        return Message(name, cls, outcome="not_supported", note=note)
    if choice & ~0x1F != 0xA0:
        raise Malformed(f"choice {choice:#04x}")
    if request is not None and name != request.operation:
        note = f"answers {request.operation}"
    ident = _text(_expect(ber, 0x80, end))
    if asked == REQUESTS:
        wanted = _listed(ber, end, texts=choice & 0x1F in BY_NAME)
        return Message(name, cls, " ".join((ident, *wanted)), note=note)
    return _answered(ber, end, Message(name, cls, ident, note=note))


def _expect(ber: _Ber, expected: int, end: int) -> bytes:
    """The content of an element that must be there."""
    tag, _, stop = ber.element(end)
    if tag != expected:
        raise Malformed(f"element {tag:#04x} where {expected:#04x} should be")
    return ber.skip(stop)


def _listed(ber: _Ber, end: int, *, texts: bool) -> list[str]:
    """The members that are asked for."""
    tag, _, stop = ber.element(end)
    if tag != 0xA1:
        raise Malformed(f"element {tag:#04x} where a list should be")
    wanted = []
    while ber.reader.offset < stop:
        raw = _expect(ber, _VISIBLE_STRING if texts else _PLAIN_INTEGER, stop)
        wanted.append(_text(raw) if texts else str(int.from_bytes(raw, "big", signed=True)))
    return wanted


_PLAIN_INTEGER, _VISIBLE_STRING = 0x02, 0x1A  # universal tags, [X690] 8.14


def _answered(ber: _Ber, end: int, message: Message) -> Message:
    """The answer to a request for members: a fact for each, errors in the outcome."""
    facts, outcome = [], "ok"
    while ber.reader.offset < end:
        tag, _, stop = ber.element(end)
        if tag == 0xA2:
            more, outcome = _results(ber, stop, message.object)
            facts += more
        elif tag == 0x81:
            revision = int.from_bytes(ber.skip(stop), "big")
            facts.append(Fact("configuration_revision", f"{message.object} {revision}"))
        elif tag == 0x83:
            number = int.from_bytes(ber.skip(stop), "big")
            outcome = CONTROL_BLOCK_ERRORS.get(number, f"error {number}")
        else:
            raise Malformed(f"answer {tag:#04x}")
    return replace(message, outcome=outcome, facts=tuple(facts))


def _results(ber: _Ber, end: int, name: str) -> tuple[list[Fact], str]:
    """What a positive answer tells, and the first error among its members."""
    facts, outcome = [], "ok"
    while ber.reader.offset < end:
        tag, _, stop = ber.element(end)
        if tag == 0x80:
            facts.append(Fact("dataset", f"{name} {_text(ber.skip(stop))}"))
        elif tag != 0xA1:
            raise Malformed(f"answer {tag:#04x}")
        while ber.reader.offset < stop:
            kind, _, behind = ber.element(stop)
            raw = ber.skip(behind)
            number = int.from_bytes(raw, "big", signed=True)
            if kind == 0x82 and outcome == "ok":
                outcome = MEMBER_ERRORS.get(number, f"error {number}")
            elif kind in (0x80, 0x81):
                member = _text(raw) if kind == 0x81 else str(number)
                facts.append(Fact("dataset_member", f"{name} {member}"))
            elif kind != 0x82:
                raise Malformed(f"result {kind:#04x}")
    return facts, outcome


# ------------------------------------------------------------------------------- counters


def _counters(units: Units, split: Split) -> tuple[Mask, U64, U64]:
    """What `stNum` and `sqNum` say of each control block, [81] 18.2.3; its reference tells it apart.

    Not all that leads to the time stamp does: how long a message lives is shorter behind a change.
    """
    heads = _heads(units)
    alone = heads.fits & (heads.tag == PUBLISHED)
    rest = np.maximum(np.minimum(heads.behind, units.end) - heads.content, 0)
    size, width = _ber_lengths(span_word(units.buffer, heads.content + 1, rest - 1, 0))
    named = alone & (heads.first == REFERENCE) & (size >= 0) & (1 + width + size <= rest)
    begin = np.where(named, heads.content, split.key_start)
    length = np.where(named, 1 + width + size, split.key_length)
    return alone, hash_spans(units.buffer, begin, length, 0), split.tag


def _verdict(before: U64, now: U64) -> Ints:
    """A new state begins with sqNum 0, each repetition counts on; a publisher begins with 1."""
    state, number = (now >> np.uint64(32)).astype(np.int64), (now & _LOW).astype(np.int64)
    old, last = (before >> np.uint64(32)).astype(np.int64), (before & _LOW).astype(np.int64)
    next_ = np.where(last == int(_LOW), 1, last + 1)  # 0 is only for a new state
    same, later = state == old, state > old
    follows = (same & (number == next_)) | ((state == old + 1) & (number == 0))
    return np.select(
        [
            follows,
            same & (number == last),
            (state <= 1) & (number <= 1),
            later,
            same & (number > last),
        ],
        [FOLLOWS, REPEATS, RESTARTS, SKIPS, SKIPS],
        RETURNS,
    )


_LOW = np.uint64(0xFFFFFFFF)
COUNTING = Counting(_counters, _verdict)


PROTOCOL = Protocol(
    name="goose",
    title="IEC 61850 GOOSE",
    standard="IEC 61850-8-1",
    transports=frozenset({"ethernet"}),
    ports=ETHERTYPES,
    framings=(GOOSE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=(
        "appid", "dataset", "configuration_revision", "goose_id", "logical_device",
        "dataset_member",
    ),
    items=items,
    counting=COUNTING,
)  # fmt: skip
