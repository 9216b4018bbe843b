"""CIP messages as columns, cut into key and values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather, gather_spans, ranges, span_word
from otsec.protocols.api import F32_LE, I16_LE, U8, U32_LE, Split
from otsec.protocols.cip.codes import (
    CLASSLESS,
    CLOSE,
    EMBEDDED,
    IDENTITY_SIZES,
    LARGE_OPEN,
    LOGICAL_WRITES,
    LONGEST_ROUTE,
    MANAGER_CLASS,
    MEMORY_CLASS,
    MORE,
    MOST_ALIKE,
    MULTIPLE,
    NUMBERS,
    OPEN,
    PCCC_CLASS,
    PCCC_REPLIES,
    PCCC_SERVICE,
    READ_WORDS,
    REPLY,
    REQUESTER,
    SCOPE_CLASS,
    SEND,
    SEND_FRONT,
    SET_LIST,
    SHORTEST_INTERFACE,
    SHORTEST_TEXT,
    SIZE_OF,
    STRUCTURE,
    SYMBOL_CLASS,
    SYMBOLIC,
    TYPES,
    WORD_BYTES,
)

WORD = np.dtype("<u2")

# --------------------------------------------------------------------- messages as columns

_OTHER, _TAG, _MANAGER, _PCCC, _MEMORY = range(5)  # kinds of classes, by what services mean
_KINDS = np.zeros((1 << 16) + 2, np.uint8)  # by class + 2
_KINDS[[SYMBOLIC + 2, SYMBOL_CLASS + 2]] = _TAG
_KINDS[MANAGER_CLASS + 2], _KINDS[PCCC_CLASS + 2] = _MANAGER, _PCCC
_KINDS[MEMORY_CLASS + 2] = _MEMORY

# Which part of a message is its key, and what of it is values.
(
    HEAD,  # up to the end of its path or status
    _WHOLE,
    _FIRST_ID,  # the number of attributes, and the first of them
    _NUMBER,  # an attribute, as a number or as bytes
    _TYPED,  # a type, and elements of it
    _COUNTED,  # a type, a number of elements, and the elements
    _FRAGMENT,  # the same with an offset
    _MASKS,
    LIST,
    _OPENS,
    _OPENED,
    _CLOSES,
    _CLOSED,
    _COMMAND,  # of PCCC
    _COMMANDED,
    _ATTRIBUTES,
    _OUTER,  # whole, with what is around it
    _ALIKE,  # attributes of one size
    _WORDS,  # of memory
) = range(19)


def _plans() -> Ints:
    """The plan by reply, kind of class and service: (2, 8, 128)."""
    table = np.full((2, 8, 128), HEAD, np.uint8)
    asks, tells = table
    asks[:, [0x03, 0x05, 0x11]] = _WHOLE
    asks[:, SET_LIST], asks[:, 0x10], asks[:, MULTIPLE] = _FIRST_ID, _NUMBER, LIST
    asks[_TAG, [0x4C, 0x52, 0x55]] = _WHOLE
    asks[_TAG, 0x4D], asks[_TAG, 0x53], asks[_TAG, 0x4E] = _COUNTED, _FRAGMENT, _MASKS
    asks[_MANAGER, [OPEN, LARGE_OPEN]], asks[_MANAGER, CLOSE] = _OPENS, _CLOSES
    asks[_MANAGER, SEND] = _WHOLE
    asks[_PCCC, PCCC_SERVICE], asks[_MEMORY, READ_WORDS] = _COMMAND, _WHOLE
    tells[:, 0x01], tells[:, 0x03], tells[:, 0x0E] = _WHOLE, _ATTRIBUTES, _NUMBER
    tells[:, SET_LIST], tells[:, MULTIPLE] = _WHOLE, LIST
    tells[:, [0x4C, 0x52]] = _TYPED
    tells[:, [OPEN, LARGE_OPEN]], tells[:, CLOSE] = _OPENED, _CLOSED
    tells[:, PCCC_SERVICE] = _COMMANDED
    return table.reshape(-1)


_PLANS = _plans()
TELLING = np.isin(np.arange(256), (0, MORE))  # general status of replies whose body is read


@dataclass(frozen=True, slots=True)
class Messages:
    """CIP messages as columns."""

    buffer: Bytes
    start: I64
    end: I64
    body: I64  # behind the path of a request, the status of a reply
    head: U64  # the first eight bytes, least significant first
    service: I64  # without the bit that marks replies
    reply: Mask
    kind: Ints  # of the class that the path names
    fits: Mask

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64) -> "Messages":
        """Some of them."""
        return Messages(
            self.buffer, self.start[rows], self.end[rows], self.body[rows], self.head[rows],
            self.service[rows], self.reply[rows], self.kind[rows], self.fits[rows],
        )  # fmt: skip

    def word(self, at: I64) -> U64:
        """Eight bytes from some offsets on, zero behind the messages' ends."""
        return span_word(self.buffer, at, self.end - at, 0)


def octet(word: U64, at: int) -> I64:
    """One byte of words, the least significant first."""
    return ((word >> np.uint64(8 * at)) & np.uint64(0xFF)).astype(np.int64)


def u16_at(word: U64, at: int) -> I64:
    """Two bytes of words, from one of their bytes on."""
    return ((word >> np.uint64(8 * at)) & np.uint64(0xFFFF)).astype(np.int64)


def read_messages(buffer: Bytes, start: I64, end: I64) -> Messages:
    """The messages in some spans: a service, then path or status."""
    head = span_word(buffer, start, end - start, 0)
    service, second = octet(head, 0), octet(head, 1)
    reply = service >= REPLY
    size = np.where(reply, 4 + 2 * octet(head, 3), 2 + 2 * second)
    fits = (start + size <= end) & (service & 0x7F != 0) & (~reply | (second == 0))
    body = np.minimum(start + size, end)
    named = _leading_class(head)
    scoped = np.flatnonzero((named == SCOPE_CLASS) & ~reply & fits)
    if len(scoped):
        inner = start[scoped] + np.where(octet(head[scoped], 4) == 0x25, 6, 4)
        further = _leading_class(span_word(buffer, inner, body[scoped] - inner, 0))
        named[scoped] = np.where(further == SYMBOL_CLASS, further, named[scoped])
    kind = _KINDS[np.where(reply | (second == 0), CLASSLESS, named) + 2]
    return Messages(buffer, start, end, body, head, service & 0x7F, reply, kind, fits)


def _leading_class(head: U64) -> I64:
    """The class with which paths begin, two bytes behind where the words do: `leading_class`."""
    segment = octet(head, 2)
    found = np.where(segment == 0x91, SYMBOLIC, CLASSLESS)
    found = np.where(segment == 0x20, octet(head, 3), found)
    return np.where(segment == 0x21, u16_at(head, 4), found)


@dataclass(frozen=True, slots=True)
class Cut:
    """Messages cut into key and values; columns as long as the messages."""

    messages: Messages  # what an Unconnected_Send carries in place of it
    plan: Ints
    words: list[U64]
    key_start: I64
    key_end: I64
    value_start: I64
    value_count: I64
    value_type: Ints
    wrapped: Mask  # whether the message stood in an Unconnected_Send
    step: I64  # bytes from one value to the next; 0 where they lie side by side

    def split(self, words: list[U64], tag: U64, malformed: Mask, alone: Mask | None) -> Split:
        """The same for the engine, with more words in front."""
        plan = self.plan.astype(np.uint64) | self.value_type.astype(np.uint64) << np.uint64(8)
        plan |= self.value_count.astype(np.uint64) << np.uint64(16)
        more = (self.messages.end > self.messages.body) & ~malformed
        plan |= more.astype(np.uint64) << np.uint64(63)
        plan |= self.wrapped.astype(np.uint64) << np.uint64(62)
        return Split(
            key_words=[*words, plan, *self.words],
            key_start=self.key_start,
            key_length=np.where(malformed, 0, self.key_end - self.key_start),
            tag=tag,
            value_start=self.value_start,
            value_count=np.where(malformed, 0, self.value_count),
            value_type=self.value_type,
            malformed=malformed,
            alone=alone,
            value_step=self._steps(),
        )

    def _steps(self) -> I64 | None:
        if not self.step.any():
            return None
        return np.where(self.step > 0, self.step, SIZE_OF[self.value_type])


def cut_messages(outer: Messages) -> Cut:
    """Cut messages; those without bytes have no key."""
    count = len(outer)
    zero = np.zeros(count, np.uint64)
    messages, route, route_end = unwrap(outer)
    row = messages.reply.astype(np.int64) << 10 | messages.kind.astype(np.int64) << 7
    plan = _PLANS[row | messages.service]
    status = octet(messages.head, 2)
    failed = messages.reply & ~TELLING[status] & ~((plan == LIST) & (status == EMBEDDED))
    plan[failed | ~messages.fits] = HEAD
    cut = Cut(
        messages,
        plan,
        [zero] * 4,
        messages.start.copy(),
        messages.body.copy(),
        messages.end.copy(),
        np.zeros(count, np.int64),
        np.full(count, U8, np.uint8),
        outer.start != messages.start,
        np.zeros(count, np.int64),
    )
    special = np.flatnonzero(plan > _WHOLE)
    for one in np.unique(plan[special]).tolist():
        rows = special[plan[special] == one]
        if one in _CUTS:
            _CUTS[one](cut, rows, messages.take(rows))
    whole = np.flatnonzero(plan == _WHOLE)
    cut.key_end[whole] = messages.end[whole]
    if route is not None:
        _add_routes(cut, outer, route, route_end)
    return cut


_SEND_FRONT = np.uint64(int.from_bytes(SEND_FRONT, "little"))
_SEND_BYTES = np.uint64((1 << 8 * len(SEND_FRONT)) - 1)


def unwrap(outer: Messages) -> tuple[Messages, I64 | None, I64]:
    """Messages with what Unconnected_Sends carry in their place: (messages, routes' start, end).

    [CIP1] 3-5.5.2: tick and timeout, size of the message, the message padded to an even size,
    size of the route in words, a byte reserved, the route.
    """
    sent = (outer.head & _SEND_BYTES == _SEND_FRONT) & outer.fits
    rows = np.flatnonzero(sent)
    if not len(rows):
        return outer, None, outer.end
    some = outer.take(rows)
    size = u16_at(some.word(some.body), 2)
    inner = some.body + 4
    behind = inner + size + size % 2
    there = behind + 2 <= some.end
    words = u16_at(some.word(np.minimum(behind, some.end)), 0)
    right = there & (size >= 2) & (behind + 2 + 2 * (words & 0xFF) == some.end) & (words < 256)
    padding = octet(some.word(np.minimum(behind - 1, some.end)), 0)
    right &= (size % 2 == 0) | (padding == 0)
    carried = read_messages(outer.buffer, inner, np.where(right, inner + size, some.end))
    right &= carried.fits & ~carried.reply
    columns: dict[str, Any] = {}
    for name in ("start", "end", "body", "head", "service", "kind", "fits"):
        column = getattr(outer, name).copy()
        column[rows] = getattr(carried, name)
        columns[name] = column
    columns["fits"][rows] = right
    route, route_end = outer.end.copy(), outer.end
    route[rows] = np.where(right, behind + 2, some.end)
    return replace(outer, **columns), route, route_end


def _add_routes(cut: Cut, outer: Messages, route: I64, route_end: I64) -> None:
    """Make routes a part of the key: two words, or the whole message where they are longer."""
    rows = np.flatnonzero(route < route_end)
    length = route_end[rows] - route[rows]
    for number in range(2):
        word = np.zeros(len(outer), np.uint64)
        word[rows] = span_word(outer.buffer, route[rows], length, 8 * number)
        cut.words[number] = word
    long = rows[length > LONGEST_ROUTE]
    cut.plan[long] = _OUTER
    cut.key_start[long], cut.key_end[long] = outer.start[long], outer.end[long]
    cut.value_count[long] = 0


def _first_id(cut: Cut, rows: I64, some: Messages) -> None:
    """Attributes to set: their number, the first one's id; of a single one the rest is its value."""
    start = np.minimum(some.body + 4, some.end)
    cut.key_end[rows] = start
    one = u16_at(some.word(some.body), 0) == 1
    _attribute_value(cut, rows[one], some.take(np.flatnonzero(one)), start[one])


def _number(cut: Cut, rows: I64, some: Messages) -> None:
    """An attribute: a number, or bytes; texts and addresses in replies are of the key."""
    _attribute_value(cut, rows, some, some.body)


def _attribute_value(cut: Cut, rows: I64, some: Messages, start: I64) -> None:
    """An attribute that reaches from some offset to the end of its message."""
    size = some.end - start
    kind = _NUMBER_TYPE[np.minimum(size, 9)]
    cut.value_start[rows], cut.value_type[rows] = start, kind
    cut.value_count[rows] = np.where((kind == U8) | (size == 0), size, 1)
    likely = np.flatnonzero(some.reply & (size >= SHORTEST_TEXT) & (size != 8))
    if len(likely):
        told = likely[_is_telling(some.buffer, start[likely], some.end[likely])]
        cut.plan[rows[told]] = _WHOLE
        cut.key_end[rows[told]] = some.end[told]
        cut.value_count[rows[told]] = 0


_NUMBER_TYPE = np.array([NUMBERS.get(size, U8) for size in range(10)], np.uint8)
_TEXT = np.zeros(256, np.bool_)
_TEXT[0x20:0x7F] = True


def _is_telling(buffer: Bytes, start: I64, end: I64) -> Mask:
    """`is_telling_bytes` in columns."""
    size = end - start
    word = span_word(buffer, start, size, 0)
    short = octet(word, 0) == size - 1
    text = short | (u16_at(word, 0) == size - 2)
    rows = np.flatnonzero(text)
    if len(rows):
        begin = start[rows] + np.where(short[rows], 1, 2)
        length = end[rows] - begin
        wrong = ~_TEXT[gather_spans(buffer, begin, length)]
        text[rows] = np.add.reduceat(wrong, np.cumsum(length) - length) == 0
    mask = ~(word >> np.uint64(32)) & np.uint64(0xFFFF_FFFF)
    address = (
        (size >= SHORTEST_INTERFACE) & (octet(word, 3) > 0) & (mask & (mask + np.uint64(1)) == 0)
    )
    address &= word >> np.uint64(56) == 0xFF
    return np.asarray(text | address)


_TYPE_OF = np.zeros(256, np.uint8)
_TYPE_OF[list(TYPES)] = list(TYPES.values())


def _typed(cut: Cut, rows: I64, some: Messages) -> None:
    """The reply to a read of a tag: its type, then elements; else it may be words of memory."""
    word = some.word(some.body)
    code = u16_at(word, 0)
    kind = np.where(code < 256, _TYPE_OF[code & 0xFF], 0)
    structure = code == STRUCTURE
    start = some.body + np.where(structure, 4, 2)
    kind = np.where(structure, U8, kind)
    size, step = some.end - start, SIZE_OF[kind]
    right = (kind > 0) & (size > 0) & (size % step == 0)
    words, rest = np.divmod(some.end - some.body, WORD_BYTES)
    words[rest > 0] = 0
    cut.plan[rows[~right]] = np.where(words > 0, _WORDS, HEAD)[~right]
    cut.key_end[rows] = np.where(right, start, some.body)
    cut.value_start[rows] = np.where(right, start, some.body)
    cut.value_type[rows] = np.where(right, kind, U32_LE)
    cut.value_count[rows] = np.where(right, size // step, words)


def _counted(cut: Cut, rows: I64, some: Messages) -> None:
    """A write of a tag: its type, the number of elements, for a fragment the offset, elements."""
    word = some.word(some.body)
    code = u16_at(word, 0)
    structure = code == STRUCTURE
    kind = np.where(code < 256, _TYPE_OF[code & 0xFF], 0)
    front = np.where(structure, 6, 4) + np.where(cut.plan[rows] == _FRAGMENT, 4, 0)
    start = np.minimum(some.body + front, some.end)
    size = some.end - start
    kind = np.where((kind > 0) & (size % SIZE_OF[kind] == 0), kind, U8)
    cut.key_end[rows] = start
    cut.value_start[rows], cut.value_type[rows] = start, kind
    cut.value_count[rows] = size // SIZE_OF[kind]


def _masks(cut: Cut, rows: I64, some: Messages) -> None:
    """[DATA]: the size of a mask, the OR mask, the AND mask."""
    start = np.minimum(some.body + 2, some.end)
    cut.key_end[rows], cut.value_start[rows] = start, start
    cut.value_count[rows] = some.end - start


def _moved(plan_size: int, first: int, *, reply: bool) -> Callable[[Cut, I64, Messages], None]:
    """A key that leaves out some bytes: the first ones are a word of it, the rest its span.

    ``plan_size``: bytes that there must be; ``first``: where the span begins. Requests must have
    the usual path of two words, or are wholly the key.
    """

    def cut_it(cut: Cut, rows: I64, some: Messages) -> None:
        right = some.end - some.start >= plan_size
        right &= some.body - some.start == (4 if reply else 6)
        cut.plan[rows[~right]] = HEAD if reply else _WHOLE
        good = rows[right]
        mask = np.uint64(0xFFFF_FFFF) if reply else np.uint64((1 << 64) - 1)
        word = cut.words[2].copy()
        word[good] = some.head[right] & mask
        cut.words[2] = word
        cut.key_start[good], cut.key_end[good] = some.start[right] + first, some.end[right]

    return cut_it


_REQUEST_FRONT, _REPLY_FRONT = 17, 15  # bytes up to the function, and to the data of a reply


def _command(cut: Cut, rows: I64, some: Messages) -> None:
    """A PCCC request: all but its transaction number, and the data of logical writes."""
    right = (some.end - some.start >= _REQUEST_FRONT) & (some.body - some.start == 6)
    right &= octet(some.head, 6) == REQUESTER
    cut.plan[rows[~right]] = _WHOLE
    good, some = rows[right], some.take(np.flatnonzero(right))
    _pccc_words(cut, good, some, 7)
    at = some.start + _REQUEST_FRONT
    cut.key_start[good], cut.key_end[good] = at, some.end
    code = octet(some.word(some.start + 13), 0)
    function = octet(some.word(at), 0)
    writes = np.flatnonzero((code == 0x0F) & np.isin(function, LOGICAL_WRITES))
    if len(writes):
        _logical_write(cut, good[writes], some.take(writes))


def _logical_write(cut: Cut, rows: I64, some: Messages) -> None:
    """[DF1] 7-17: size, file, file type, element, sub-element, data; a field of 0xff is longer."""
    at = some.start + _REQUEST_FRONT
    three = octet(some.word(at), 0) == 0xAA
    at = at + 2
    at += np.where(octet(some.word(np.minimum(at, some.end)), 0) == 0xFF, 3, 1)
    file_type = octet(some.word(np.minimum(at, some.end)), 0)
    at += 1
    at += np.where(octet(some.word(np.minimum(at, some.end)), 0) == 0xFF, 3, 1)
    last = np.where(octet(some.word(np.minimum(at, some.end)), 0) == 0xFF, 3, 1)
    at = np.minimum(at + np.where(three, last, 0), some.end)
    size = some.end - at
    kind = np.where(file_type == 0x8A, F32_LE, I16_LE)
    kind = np.where(size % SIZE_OF[kind] == 0, kind, U8)
    cut.key_end[rows], cut.value_start[rows], cut.value_type[rows] = at, at, kind
    cut.value_count[rows] = size // SIZE_OF[kind]


def _commanded(cut: Cut, rows: I64, some: Messages) -> None:
    """A PCCC reply: all but its transaction number and data, which is values."""
    status = octet(some.word(some.start + 12), 0)
    right = (some.end - some.start >= _REPLY_FRONT) & (some.body - some.start == 4)
    right &= (octet(some.head, 4) == REQUESTER) & PCCC_REPLIES[octet(some.word(some.start + 11), 0)]
    cut.plan[rows[~right]] = HEAD
    good, some, status = rows[right], some.take(np.flatnonzero(right)), status[right]
    _pccc_words(cut, good, some, 5)
    at = some.start + _REPLY_FRONT
    data = np.minimum(at + (status == 0xF0), some.end)
    size = some.end - data
    kind = np.where(size % 2 == 0, I16_LE, U8)
    diagnosis = (octet(some.word(some.start + 11), 0) == 0x46) & (status == 0)
    diagnosis &= (size >= 16) & (octet(some.word(data), 1) == 0xEE)
    cut.key_start[good] = at
    cut.key_end[good] = np.where(diagnosis, some.end, data)
    cut.value_start[good], cut.value_type[good] = data, kind
    cut.value_count[good] = np.where(diagnosis, 0, size // SIZE_OF[kind])


def _pccc_words(cut: Cut, rows: I64, some: Messages, size: int) -> None:
    """The first eight bytes are a word of the key, so many behind them another."""
    first, second = cut.words[2].copy(), cut.words[3].copy()
    first[rows] = some.head
    second[rows] = some.word(some.start + 8) & np.uint64((1 << 8 * size) - 1)
    cut.words[2], cut.words[3] = first, second


_NEEDED = 0b1110  # attributes 1 to 3: vendor, type, product code


def _attributes(cut: Cut, rows: I64, some: Messages) -> None:
    """A single attribute of a list is a value, as are several of one size.

    Else the list is of the key, for what was asked shows where one attribute ends and the next
    begins.
    """
    word = some.word(some.body)
    one = (u16_at(word, 0) == 1) & (u16_at(word, 4) == 0) & (some.end > some.body + 6)
    cut.plan[rows] = np.where(one, _ATTRIBUTES, _WHOLE)
    cut.key_end[rows] = some.end
    single, first = rows[one], some.take(np.flatnonzero(one))
    start = first.body + 6
    cut.key_end[single] = start
    _attribute_value(cut, single, first, start)
    others = np.flatnonzero(~one)
    others = others[~_is_identity(some.take(others))]
    _alike(cut, rows[others], some.take(others))


def _alike(cut: Cut, rows: I64, some: Messages) -> None:
    """`size_of_each` in columns: one attribute a round, the numbers are words of the key."""
    count = u16_at(some.word(some.body), 0)
    size = np.maximum(some.end - some.body - 2, 0)
    step, rest = np.divmod(size, np.maximum(count, 1))
    right = (count >= 2) & (count <= MOST_ALIKE) & (rest == 0)
    right &= np.isin(step - 4, list(NUMBERS))
    numbers = [np.zeros(len(some), np.uint64) for _ in range(2)]
    for at in range(MOST_ALIKE):
        here = right & (count > at)
        head = some.word(np.minimum(some.body + 2 + at * step, some.end))
        right &= ~here | ((u16_at(head, 0) > 0) & (u16_at(head, 2) == 0))
        number = np.where(here, head & np.uint64(0xFFFF), np.uint64(0))
        numbers[at // 4] |= number << np.uint64(16 * (at % 4))
    good = np.flatnonzero(right)
    rows = rows[good]
    cut.plan[rows], cut.key_end[rows] = _ALIKE, some.body[good]
    cut.words[2], cut.words[3] = cut.words[2].copy(), cut.words[3].copy()
    cut.words[2][rows], cut.words[3][rows] = numbers[0][good], numbers[1][good]
    cut.value_start[rows], cut.value_count[rows] = some.body[good] + 6, count[good]
    cut.value_type[rows] = _NUMBER_TYPE[np.minimum(step[good] - 4, 9)]
    cut.step[rows] = step[good]


def _is_identity(some: Messages) -> Mask:
    """`_identity_list` in columns: at most eight attributes, one a round."""
    left = u16_at(some.word(some.body), 0)
    at, seen = some.body + 2, np.zeros(len(some), np.int64)
    rows = np.flatnonzero((left >= 3) & (left <= 8))
    right = np.zeros(len(some), np.bool_)
    while len(rows):
        word = span_word(some.buffer, at[rows], some.end[rows] - at[rows], 0)
        attribute = u16_at(word, 0)
        known = (attribute >= 1) & (attribute <= 8) & (u16_at(word, 2) == 0)
        size = IDENTITY_SIZES[np.where(known, attribute, 0)]
        size = np.where(size < 0, 1 + octet(word, 4), size)
        at[rows] += 4 + size
        seen[rows] |= 1 << np.minimum(attribute, 9)
        left[rows] -= 1
        known &= at[rows] <= some.end[rows]
        right[rows[known & (left[rows] == 0)]] = True
        rows = rows[known & (left[rows] > 0)]
    return np.asarray(right & (at == some.end) & (seen & _NEEDED == _NEEDED))


_CUTS: dict[int, Callable[[Cut, I64, Messages], None]] = {
    _FIRST_ID: _first_id,
    _NUMBER: _number,
    _TYPED: _typed,
    _COUNTED: _counted,
    _FRAGMENT: _counted,
    _MASKS: _masks,
    _OPENS: _moved(8 + 10 + 18, 18, reply=False),
    _CLOSES: _moved(8 + 10, 10, reply=False),
    _OPENED: _moved(4 + 26, 14, reply=True),
    _CLOSED: _moved(4 + 10, 6, reply=True),
    _COMMAND: _command,
    _COMMANDED: _commanded,
    _ATTRIBUTES: _attributes,
}


def cut_lists(packets: Messages) -> tuple[I64, I64, I64, Mask]:
    """The services of multiple service packets: (which packet, start, end), and right packets.

    [CIP1] A-4.10: a number, for each service its offset from there, the services. They follow one
    another, are of the side of their packet, and hold their paths or statuses.
    """
    base, size = packets.body, packets.end - packets.body
    count = u16_at(packets.word(base), 0)
    right = (size >= 2) & (2 + 2 * count <= size)
    count[~right] = 0
    owner = np.repeat(np.arange(len(packets)), count)
    rank = ranges(np.zeros(len(packets), np.int64), count)
    base, stop = base[owner], packets.end[owner]
    offset, _ = gather(packets.buffer, base + 2 + 2 * rank, stop, WORD)
    start = base + offset
    end = stop.copy()
    end[:-1] = np.where(owner[1:] == owner[:-1], start[1:], stop[:-1])
    good = (start + 2 <= end) & (end <= stop)
    good &= (rank > 0) | (offset == 2 + 2 * count[owner])
    start, end = np.where(good, start, base), np.where(good, end, base)
    head = span_word(packets.buffer, start, np.minimum(end - start, 4), 0).astype(np.uint32)
    reply = head & np.uint32(REPLY) != 0
    words = np.where(reply, head >> np.uint32(24), head >> np.uint32(8) & np.uint32(0xFF))
    good &= start + 2 + 2 * (reply + words.astype(np.int64)) <= end
    good &= (head & np.uint32(0x7F) != 0) & (reply == packets.reply[owner])
    good &= ~reply | (head & np.uint32(0xFF00) == 0)
    right[owner[~good]] = False
    return owner, start, end, right
