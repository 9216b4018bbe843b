"""SNMP versions 1, 2c and 3: who reads and writes which objects, and who a device says it is.

Sources: [1157] RFC 1157 (version 1 and its trap), [3416] RFC 3416 (operations), [3412] RFC 3412 and
[3414] RFC 3414 (version 3 and its user), [3411] RFC 3411 5 (engine ids), [X690] ITU-T X.690 (BER).

The key of a message is its version, operation and error, and in version 3 the engine and the user;
request ids are tags. Each variable is an item: its key is its object and what type its value has.
Values are numbers, or texts byte by byte; where a text tells who somebody is, it belongs to the
key. Integers of 3 (first bits set), 6 and 7 bytes have no column type: they are told, not kept.

A community is told only as `default` (one that everybody knows), `weak` (short) or `clear`; its
bytes are in no key and no fact.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Ints, Mask, span_word, walk, windows
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    I8,
    I16_BE,
    I32_BE,
    I64_BE,
    U8,
    U16_BE,
    U32_BE,
    U64_BE,
    Elements,
    Fact,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.credentials import covered
from otsec.protocols.framing.whole import whole
from otsec.protocols.texts import address, text
from otsec.protocols.words import snmp as words
from otsec.protocols.words.descriptions import DESCRIBED, described

PORTS = frozenset({161, 162})
INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER, GAUGE, TICKS, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x46
NUMBERS = (INTEGER, COUNTER, GAUGE, TICKS, COUNTER64, 0x47)
V1, V2C, V3 = 0, 1, 3
REPORTABLE, PRIVATE = 0x04, 0x02  # of msgFlags, [3412] 6.4
USM = 3  # the user-based security model
RESPONSE, TRAP_V1, TRAP, REPORT, SET = 0xA2, 0xA4, 0xA7, 0xA8, 0xA3

OPERATIONS_BY_TAG: dict[int, tuple[str, OperationClass]] = {
    0xA0: ("get_request", "read"),
    0xA1: ("get_next_request", "read"),
    RESPONSE: ("response", "read"),
    SET: ("set_request", "write"),
    TRAP_V1: ("trap_v1", "report"),
    0xA5: ("get_bulk_request", "read"),
    0xA6: ("inform_request", "report"),
    TRAP: ("trap", "report"),
    REPORT: ("report", "diagnose"),
}
ENCRYPTED: tuple[str, OperationClass] = ("encrypted", "session")
OPERATIONS = (
    *(Operation(name, cls, tag) for tag, (name, cls) in OPERATIONS_BY_TAG.items()),
    Operation(*ENCRYPTED, 0),
)
MESSAGE = whole("snmp", 12, ((0, frozenset({SEQUENCE})),))
PARTS = 4  # words of 8 bytes that hold an engine id

# ------------------------------------------------------------------------- BER in columns


def _padded(buffer: Bytes) -> Header:
    """The buffer as words of eight bytes from every place, with zeros behind its end."""
    return windows(np.concatenate([buffer, np.zeros(16, np.uint8)]), _WORD)


_WORD = np.dtype("<u8")


class _Cursor:
    """Reads element after element of many messages at once; a row that fails stays failed.

    What stands behind a row's end is looked at, never believed: no row goes on past it.
    """

    def __init__(self, words: Header, at: I64, end: I64, good: Mask) -> None:
        self.words, self.at, self.end, self.good = words, at, end, good

    def next(self, *tags: int) -> tuple[Ints, I64, I64]:
        """Tag, begin and end of the next element's content; any tag where none is named."""
        word = self.words[self.at].view(_WORD)
        tag = word.astype(np.uint8)
        size, width = _ber_lengths(word)
        begin = self.at + 1 + width
        behind = begin + size
        good = self.good & (behind <= self.end) & (size >= 0)
        if len(tags) == 1:
            good &= tag == tags[0]
        elif tags:
            good &= np.isin(tag, tags)
        if not good.all():
            begin = np.where(good, begin, self.at)
            behind = np.where(good, behind, self.at)
        self.good, self.at = good, behind
        return tag, begin, behind

    def number(self, *tags: int, longest: int = 5) -> U64:
        """The next integer, modulo 2**64."""
        _, begin, behind = self.next(*tags or (INTEGER,))
        size = behind - begin
        self.good &= (size >= 1) & (size <= longest)
        word = self.words[begin].view(_WORD).byteswap()
        shift = np.where(self.good, 8 - size, 0) * 8
        return np.asarray(word >> shift.astype(np.uint64), np.uint64)

    def inside(self, *tags: int) -> "_Cursor":
        """The content of the next element, which must have one of the tags."""
        _, begin, behind = self.next(*tags)
        return _Cursor(self.words, begin, behind, self.good)

    def filled(self, good: Mask) -> None:
        """The last element must be the end; ``good``: of what was read inside."""
        self.good = self.good & good & (self.at == self.end)


def _ber_lengths(word: U64) -> tuple[I64, I64]:
    """Lengths behind the tag, and the bytes that they take; -1 where it is none, [X690] 8.1.3."""
    front = (word >> np.uint64(8) & np.uint64(0xFF)).astype(np.int64)
    if (front < 0x80).all():
        return front, np.ones(len(front), np.int64)
    octets = [(word >> np.uint64(8 * at) & np.uint64(0xFF)).astype(np.int64) for at in range(2, 6)]
    size, long = np.full(len(word), -1), np.zeros(len(word), np.int64)
    for count, octet in enumerate(octets, 1):
        long = long << 8 | octet
        size = np.where(front == 0x80 | count, long, size)
    return np.where(front < 0x80, front, size), np.where(front < 0x80, 1, (front & 0x7F) + 1)


@dataclass(slots=True)
class _Heads:
    """Messages as columns up to their variables."""

    good: Mask
    version: U64
    flags: U64  # of version 3
    tag: Ints  # u1, of the operation; 0 where it is encrypted
    number: U64  # request id; message id of version 3
    status: U64  # error, or what GetBulk does not repeat
    community: U64  # 0 default, 1 weak, 2 clear
    engine: list[U64]
    span: I64  # what of the message belongs to the key: user, or what a trap of version 1 is
    span_end: I64
    begin: I64  # of the variables
    end: I64

    @classmethod
    def empty(cls, count: int, at: I64) -> "_Heads":
        """As many rows, none of them good."""
        zero = np.zeros(count, np.uint64)
        return cls(
            np.zeros(count, np.bool_), zero.copy(), zero.copy(), np.zeros(count, np.uint8),
            zero.copy(), zero.copy(), zero.copy(), [zero.copy() for _ in range(PARTS)],
            at.copy(), at.copy(), at.copy(), at.copy(),
        )  # fmt: skip


def _heads(units: Units) -> _Heads:
    heads = _Heads.empty(len(units), units.start)
    octets = _padded(units.buffer)
    outer = _Cursor(octets, units.start, units.end, units.end > units.start)
    inner = outer.inside(SEQUENCE)
    outer.filled(inner.good)
    inner.good = outer.good
    heads.version = inner.number(longest=1)
    for rows, read in (
        (np.flatnonzero(inner.good & (heads.version <= V2C)), _plain),
        (np.flatnonzero(inner.good & (heads.version == V3)), _version_3),
    ):
        if len(rows):
            some = _Cursor(octets, inner.at[rows], inner.end[rows], inner.good[rows])
            heads.good[rows] = read(some, units.buffer, heads, rows)
    return heads


def _plain(inner: _Cursor, buffer: Bytes, heads: _Heads, rows: I64) -> Mask:
    """Versions 1 and 2c: community and operation."""
    _, begin, behind = inner.next(OCTETS)
    heads.community[rows] = _classify(buffer, begin, behind)
    inner.filled(_operation(inner, heads, rows))
    return inner.good


def _classify(buffer: Bytes, begin: I64, behind: I64) -> U64:
    size = behind - begin
    first, second = (span_word(buffer, begin, size, at) for at in (0, 8))
    known = np.zeros(len(size), np.bool_)
    for one in words.DEFAULTS:
        parts = [int.from_bytes(one[at : at + 8], "little") for at in (0, 8)]
        known |= (size == len(one)) & (first == parts[0]) & (second == parts[1])
    return np.where(known, 0, np.where(size < words.SHORT, 1, 2)).astype(np.uint64)


def _operation(inner: _Cursor, heads: _Heads, rows: I64) -> Mask:
    """An operation with its variables, [3416] 3, or the trap of version 1, [1157] 4.1.6."""
    tag, begin, behind = inner.next()
    good = inner.good & (tag >= 0xA0) & (tag <= REPORT)
    heads.tag[rows] = tag
    for which in (False, True):
        at = np.flatnonzero(good & ((tag == TRAP_V1) == which))
        if not len(at):
            continue
        body = _Cursor(inner.words, begin[at], behind[at], good[at])
        mine = rows[at]
        if which:
            heads.span[mine] = body.at
            for one in (OID, IP_ADDRESS, INTEGER, INTEGER):
                body.next(one)
            heads.span_end[mine] = body.at
            body.number(TICKS)
        else:
            heads.number[mine] = body.number() | heads.number[mine] << np.uint64(32)
            heads.status[mine] = body.number() & np.uint64(0xFFFF) | (
                body.number() & np.uint64(0xFFFF)
            ) << np.uint64(16)
        listed = body.inside(SEQUENCE)
        body.filled(listed.good)
        heads.begin[mine], heads.end[mine] = listed.at, listed.end
        good[at] = body.good
    return np.asarray(good, np.bool_)


def _version_3(inner: _Cursor, buffer: Bytes, heads: _Heads, rows: I64) -> Mask:
    """Header, security parameters, and the data if they are not encrypted; [3412] 6, [3414] 2.4."""
    head = inner.inside(SEQUENCE)
    heads.number[rows] = head.number()
    head.number()
    heads.flags[rows] = head.number(OCTETS, longest=1)
    model = head.number()
    head.filled(model == USM)
    inner.good = head.good & inner.good
    outer = inner.inside(OCTETS)
    security = outer.inside(SEQUENCE)
    outer.filled(security.good)
    _, begin, behind = security.next(OCTETS)
    security.good &= behind - begin <= 8 * PARTS
    for part, word in enumerate(heads.engine):
        word[rows] = span_word(buffer, begin, behind - begin, 8 * part)
    security.number()
    security.number()
    heads.span[rows] = security.at
    security.next(OCTETS)
    heads.span_end[rows] = security.at
    security.next(OCTETS)
    security.next(OCTETS)
    security.filled(outer.good)
    inner.good &= security.good
    tag, begin, behind = inner.next(SEQUENCE, OCTETS)
    private = (heads.flags[rows] & np.uint64(PRIVATE)) != 0
    inner.filled(private == (tag == OCTETS))
    good = inner.good
    at = np.flatnonzero(good & ~private)
    if len(at):
        scoped = _Cursor(inner.words, begin[at], behind[at], good[at])
        scoped.next(OCTETS)
        scoped.next(OCTETS)
        scoped.filled(_operation(scoped, heads, rows[at]))
        good[at] = scoped.good
    return np.asarray(good, np.bool_)


@dataclass(frozen=True, slots=True)
class _Variables:
    """All variables of all good messages; those of one side by side."""

    owner: I64
    start: I64
    behind: I64
    name: I64  # of its object id
    numbers: I64  # of that one's content
    name_end: I64
    tag: Ints  # u1, of the value
    value: I64
    good: Mask
    complete: Mask  # of each message: whether its variables fill their list


def _variables(buffer: Bytes, heads: _Heads) -> _Variables:
    begin = np.where(heads.good, heads.begin, 0)
    end = np.where(heads.good, heads.end, 0)

    octets = _padded(buffer)

    def step(walker: I64, offset: I64) -> I64:
        cursor = _Cursor(octets, offset, end[walker], np.ones(len(walker), np.bool_))
        cursor.next(SEQUENCE)
        return np.where(cursor.good, cursor.at - offset, 0)

    links = walk(begin, end, step)
    behind = links.offset + links.length
    inner = _Cursor(octets, links.offset, behind, np.ones(len(behind), np.bool_)).inside(SEQUENCE)
    name = inner.at
    _, numbers, _ = inner.next(OID)
    name_end = inner.at
    tag, value, _ = inner.next()
    inner.filled(inner.good)
    return _Variables(
        links.walker, links.offset, behind, name, numbers, name_end, tag, value, inner.good,
        np.asarray(links.exit == end, np.bool_),
    )  # fmt: skip


def claims(units: Units) -> Mask:
    """Whether BER fills the datagram as one of the three versions has it."""
    heads = _heads(units)
    return ~_malformed(heads, _variables(units.buffer, heads))


def _malformed(heads: _Heads, variables: _Variables) -> Mask:
    bad = ~heads.good | ~variables.complete
    bad[variables.owner[~variables.good]] = True
    return np.asarray(bad, np.bool_)


def sides(units: Units) -> Ints:
    """The operation tells; who sends a trap is the client. Encrypted: who wants a report asks."""
    heads = _heads(units)
    answers = (heads.tag == RESPONSE) | (heads.tag == REPORT)
    side = np.where(answers, Side.RESPONSE, Side.REQUEST)
    asks = (heads.flags & np.uint64(REPORTABLE)) != 0
    side = np.where((heads.tag == 0) & ~asks, Side.UNKNOWN, side)
    return np.where(heads.good, side, Side.UNKNOWN).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: version, operation, error, engine, user. Tag: the request's number."""
    heads = _heads(units)
    bad = _malformed(heads, _variables(units.buffer, heads))
    three = heads.version == V3
    front = heads.version | heads.tag.astype(np.uint64) << np.uint64(8)
    front |= heads.flags << np.uint64(16) | heads.community << np.uint64(24)
    front |= heads.status << np.uint64(32)
    return Split(
        key_words=[front, *heads.engine],
        key_start=np.where(bad, units.start, heads.span),
        key_length=np.where(bad, 0, heads.span_end - heads.span),
        # of version 3 the message's number, which its encrypted messages have too
        tag=np.where(three & (heads.tag != 0), heads.number >> np.uint64(32), heads.number),
        value_start=units.start,
        value_count=np.zeros(len(units), np.int64),
        value_type=np.full(len(units), U8, np.uint8),
        malformed=bad,
        alone=(heads.tag == TRAP_V1) | (heads.tag == TRAP),
    )


_NOTHING, _SIGNED, _PADDED, _OCTETS, _ODD = range(5)  # how a value is kept
_SIGNED_TYPES = {1: I8, 2: I16_BE, 4: I32_BE, 8: I64_BE}
_PADDED_TYPES = {3: U16_BE, 5: U32_BE, 9: U64_BE}  # behind a zero that makes them positive
_LONGEST_TEXT = 64  # bytes that are kept as values
# objects whose texts tell something, by their first six bytes: system, parts, names of traps
_TELLING = tuple(
    int.from_bytes(bytes.fromhex(one), "little")
    for one in ("2b0601020101", "2b060102012f", "2b0601060301")
)


def _kind_of(tag: int, raw: bytes, name: bytes) -> int:
    """How a value is kept; the same for one as `_kinds` says for many."""
    if tag in NUMBERS:
        if len(raw) in _PADDED_TYPES and raw[0] == 0:
            return _PADDED
        return _SIGNED if len(raw) in _SIGNED_TYPES else _ODD
    telling = int.from_bytes(name[:6].ljust(6, b"\0"), "little") in _TELLING
    if tag == OCTETS and not telling and 1 <= len(raw) <= _LONGEST_TEXT:
        return _OCTETS
    return _NOTHING


def _kinds(buffer: Bytes, variables: _Variables) -> Ints:
    size = variables.behind - variables.value
    tag = variables.tag
    first = span_word(buffer, variables.value, np.minimum(size, 1), 0)
    number = np.isin(tag, NUMBERS)
    padded = np.isin(size, list(_PADDED_TYPES)) & (first == 0)
    signed = np.isin(size, list(_SIGNED_TYPES))
    numeric = np.where(padded, _PADDED, np.where(signed, _SIGNED, _ODD))
    front = span_word(
        buffer, variables.numbers, np.clip(variables.name_end - variables.numbers, 0, 6), 0
    )
    octets = (tag == OCTETS) & ~np.isin(front, np.array(_TELLING, np.uint64))
    octets &= (size >= 1) & (size <= _LONGEST_TEXT)
    return np.where(number, numeric, np.where(octets, _OCTETS, _NOTHING))


def items(units: Units) -> Items:
    """The variables."""
    heads = _heads(units)
    found = _variables(units.buffer, heads)
    kind = _kinds(units.buffer, found)
    size = found.behind - found.value
    word = found.tag.astype(np.uint64) | kind.astype(np.uint64) << np.uint64(8)
    word |= np.where(kind == _OCTETS, size, 0).astype(np.uint64) << np.uint64(16)
    kept = (kind == _SIGNED) | (kind == _PADDED)
    types = np.full(len(size), U8, np.uint8)
    for table, which in ((_SIGNED_TYPES, _SIGNED), (_PADDED_TYPES, _PADDED)):
        for width, dtype in table.items():
            types[(kind == which) & (size == width)] = dtype
    return Items(
        found.owner, found.start, found.behind,
        Split(
            key_words=[word],
            key_start=found.name,
            key_length=np.where(kind == _NOTHING, found.behind, found.name_end) - found.name,
            tag=np.zeros(len(size), np.uint64),
            value_start=found.value + (kind == _PADDED),
            value_count=np.where(kept, 1, np.where(kind == _OCTETS, size, 0)),
            value_type=types,
            malformed=np.zeros(len(size), np.bool_),
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------- decode


def _element(reader: Reader, expected: int | None = None) -> tuple[int, Reader]:
    """Tag and content of the next element."""
    tag, size = reader.u8(), reader.u8()
    if size > 0x80:
        size = int.from_bytes(reader.take(size & 0x7F), "big")
    elif size == 0x80:
        raise Malformed("indefinite length")
    if expected is not None and tag != expected:
        raise Malformed(f"element {tag:#04x} where {expected:#04x} should be")
    return tag, reader.part(size)


def _number(reader: Reader, expected: int = INTEGER) -> int:
    return int.from_bytes(_element(reader, expected)[1].rest(), "big", signed=True)


def _oid(raw: bytes) -> str:
    """An object id as numbers, [X690] 8.19."""
    if not raw or raw[-1] & 0x80:
        raise Malformed("object id ends within a number")
    numbers, value = [], 0
    for octet in raw:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _named(oid: str) -> tuple[str, str]:
    """An object's name, where there is one, and its instance."""
    parts = oid.split(".")
    for size in range(len(parts), 6, -1):
        name = words.COLUMNS.get(".".join(parts[:size]))
        if name:
            return name, ".".join(parts[size:])
    return oid, ""


@dataclass(frozen=True, slots=True)
class _Said:
    """What stands in front of the variables."""

    tag: int  # 0 where it is encrypted
    status: int = 0
    index: int = 0
    facts: tuple[Fact, ...] = ()
    trap: str = ""


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A message, or one of its variables."""
    speaker = "server" if side == Side.RESPONSE else "client"
    _, inner = _element(Reader(reader.data), SEQUENCE)
    said = _front(inner, speaker)
    name, cls = OPERATIONS_BY_TAG.get(said.tag, ENCRYPTED)
    if said.tag == RESPONSE and request is not None:
        name, cls = request.operation, request.cls
    outcome = _outcome(said, side)
    if said.tag == 0:
        return Message(name, cls, outcome=outcome, facts=said.facts, note="opaque: encrypted")
    note = f"repeats {said.index} behind {said.status}" if said.tag == BULK else ""
    if reader.item is None:
        return Message(name, cls, said.trap, outcome=outcome, facts=said.facts, note=note)
    begin, end = reader.item
    what = _variable(Reader(reader.data[:end], begin), speaker)
    return Message(
        name, cls, f"{said.trap} {what.name}" if said.trap else what.name,
        outcome=what.missing if what.missing and outcome == "ok" else outcome,
        elements=what.elements, facts=said.facts + what.facts, note=note or what.note,
    )  # fmt: skip


BULK = 0xA5


def _outcome(said: _Said, side: Side) -> str:
    if side != Side.RESPONSE:
        return ""
    if said.tag != RESPONSE or not said.status:
        return "ok"
    known = said.status < len(words.ERRORS)
    name = words.ERRORS[said.status] if known else f"error {said.status}"
    return f"{name} at {said.index}"


def _front(inner: Reader, speaker: str) -> _Said:
    """Version, who asks by what right, and the operation up to its variables."""
    version = _number(inner)
    if version == V3:
        return _front_3(inner, speaker)
    community = _element(inner, OCTETS)[1].rest()
    facts = [Fact("snmp_version", "1" if version == V1 else "2c", speaker)]
    if speaker == "client":
        facts.append(Fact("snmp_community", _community(community), "client"))
    return _operated(inner, tuple(facts))


def _community(raw: bytes) -> str:
    if raw in words.DEFAULTS:
        return "default"
    return "weak" if len(raw) < words.SHORT else "clear"


def _front_3(inner: Reader, speaker: str) -> _Said:
    _, head = _element(inner, SEQUENCE)
    _number(head)
    _number(head)
    flags = _element(head, OCTETS)[1].u8()
    _number(head)
    _, security = _element(_element(inner, OCTETS)[1], SEQUENCE)
    engine = _element(security, OCTETS)[1].rest()
    _number(security)
    _number(security)
    user = _element(security, OCTETS)[1].rest()
    tag, scoped = _element(inner)
    level = ("none", "authenticated", "encrypted", "encrypted")[flags & 3]
    facts = [Fact("snmp_version", "3", speaker), Fact("snmp_security", level, speaker)]
    if user:
        facts.append(Fact("user", text(user), "client"))
    if tag != SEQUENCE:
        return _Said(0, facts=(*facts, *_engine(engine, "server")))
    _element(scoped, OCTETS)
    _element(scoped, OCTETS)
    said = _operated(scoped, ())
    # the engine that has the last word on security is who answers, or who reports unasked
    owner = "client" if said.tag == TRAP else "server"
    return _Said(said.tag, said.status, said.index, (*facts, *_engine(engine, owner)))


def _engine(raw: bytes, about: str) -> tuple[Fact, ...]:
    """An engine's id, its maker, and the address in it; [3411] 5."""
    if not raw:
        return ()
    facts = [Fact("engine_id", raw.hex(), about)]
    if len(raw) > 4 and raw[0] & 0x80:
        number = int.from_bytes(raw[:4], "big") & 0x7FFF_FFFF
        facts += _enterprise(number, about)
        size = {1: 4, 2: 16, 3: 6}.get(raw[4])
        if size == len(raw) - 5:
            facts.append(Fact("mac" if size == 6 else "ip_address", address(raw[5:]), about))
    return tuple(facts)


def _enterprise(number: int, about: str) -> list[Fact]:
    name = words.ENTERPRISES.get(number)
    if number in words.SOFTWARE:
        return [Fact("application", name or "", about)]
    told = [Fact("enterprise", str(number), about)]
    return [*told, Fact("vendor", name, about)] if name else told


def _operated(reader: Reader, facts: tuple[Fact, ...]) -> _Said:
    tag, body = _element(reader)
    if tag not in OPERATIONS_BY_TAG:
        raise Malformed(f"operation {tag:#04x}")
    if tag != TRAP_V1:
        _number(body)
        return _Said(tag, _number(body) & 0xFFFF, _number(body) & 0xFFFF, facts)
    enterprise = _oid(_element(body, OID)[1].rest())
    agent = _element(body, IP_ADDRESS)[1].take(4)
    generic, specific = _number(body), _number(body)
    known = 0 <= generic < len(words.TRAPS)
    name = words.TRAPS[generic] if known else f"trap {generic}"
    if any(agent):
        facts = (*facts, Fact("ip_address", address(agent), "client"))
    facts = (*facts, Fact("object_id", enterprise, "client"))
    return _Said(tag, 0, 0, facts, f"{enterprise} {name} {specific}")


@dataclass(frozen=True, slots=True)
class _Variable:
    """One object, and what is told of its value."""

    name: str
    elements: Elements | None = None
    facts: tuple[Fact, ...] = ()
    missing: str = ""
    note: str = ""


def _variable(reader: Reader, speaker: str) -> _Variable:
    _, inner = _element(reader, SEQUENCE)
    name = _element(inner, OID)[1].rest()
    oid = _oid(name)
    column, instance = _named(oid)
    shown = f"{column}.{instance}" if instance else column
    tag, content = _element(inner)
    raw = content.rest()
    if tag in words.EXCEPTIONS:
        return _Variable(shown, missing=words.EXCEPTIONS[tag])
    kind = _kind_of(tag, raw, name)
    if kind in (_SIGNED, _PADDED):
        return _Variable(shown, Elements(shown, 0, 1), note=_unusual(tag))
    if kind == _OCTETS:
        return _Variable(shown, Elements(f"{shown} byte", 0, len(raw)))
    if kind == _ODD:
        return _Variable(shown, note="an integer of this size is not kept")
    if tag == NULL:
        return _Variable(shown)
    if tag == OID and column == "snmpTrapOID":
        trap = _oid(raw)
        return _Variable(f"{shown} {words.STANDARD_TRAPS.get(trap, trap)}")
    if tag == OID:
        value = _oid(raw)
        facts = _told(column, instance, value, speaker)
        return _Variable(shown, facts=facts, note="" if facts else f"{value}")
    if tag == OCTETS:
        facts = _told(column, instance, text(raw), speaker)
        return _Variable(shown, facts=facts, note="" if facts or not raw else _text_note(raw))
    value = address(raw) if tag == IP_ADDRESS else raw.hex()
    return _Variable(shown, note=f"{tag:#04x} {value}")


def _unusual(tag: int) -> str:
    return "" if tag != 0x47 else "unsigned of version 2 drafts"


_SHOWN = 80  # bytes of a value in a note


def _text_note(raw: bytes) -> str:
    """A text that is in the key, as it is told."""
    return f"{len(raw)} bytes" if len(raw) > _SHOWN else text(raw)


def _told(column: str, instance: str, value: str, about: str) -> tuple[Fact, ...]:
    """What a value tells of who has it."""
    value = value.strip()
    if not value:
        return ()
    part = words.TELLS_OF_PART.get(column)
    if part is not None:
        return (Fact(part if instance == "1" else f"part_{part}", _of(instance, value), about),)
    attribute = words.TELLS.get(column)
    if attribute is None:
        return ()
    facts = [Fact(attribute, value, about)]
    if attribute == "description":
        facts += [Fact(*one, about) for one in described(value)]
    if attribute == "object_id" and value.startswith(_PRIVATE):
        number = value.removeprefix(_PRIVATE).split(".")[0]
        facts += _enterprise(int(number), about)
    return tuple(facts)


_PRIVATE = "1.3.6.1.4.1."


def _of(instance: str, value: str) -> str:
    return value if instance == "1" else f"{instance} {value}"


def scrub(reader: Reader) -> bytes:
    """A community by its kind; version 3 shows none."""
    inner = _element(Reader(reader.data), SEQUENCE)[1]
    before = len(reader.data) - inner.left()
    if _number(inner) == V3:
        return reader.data
    community = _element(inner, OCTETS)[1].rest()
    end = before + inner.offset
    kind = _community(community)
    known = [word for word in words.DEFAULTS if len(word) == len(community)]
    content = known[0] if kind == "default" else b""
    return covered(reader.data, end - len(community), end, content)


PROTOCOL = Protocol(
    name="snmp",
    title="SNMP",
    standard="RFC 3411-3418, RFC 1157",
    transports=frozenset({"udp"}),
    ports=PORTS,
    framings=(MESSAGE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    items=items,
    identity=tuple(
        sorted(
            {
                "snmp_version", "snmp_community", "snmp_security", "user", "engine_id", "mac",
                "ip_address", "application", "enterprise", "vendor", *words.TELLS.values(),
                *words.TELLS_OF_PART.values(), *DESCRIBED,
                *(f"part_{one}" for one in words.TELLS_OF_PART.values()),
            }
        )
    ),
    scrub=scrub,
    routine=frozenset({"encrypted"}),
)  # fmt: skip
