"""Lists of properties cut into items, in columns.

Source: [135] ANSI/ASHRAE 135-2020, 13.1 (notifications), 15.7 and 15.10 (read, write many).
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Bytes, Ints, Mask, span_word
from otsec.protocols.api import Items, Split
from otsec.protocols.bac.codes import (
    ASK,
    COMPLEX,
    COV,
    READ_MANY,
    TELL,
    TOLD_COV,
    WRITE_MANY,
    code_of,
)
from otsec.protocols.bac.reads import CONSTRUCTED, Read, number_at, tells, value_words
from otsec.protocols.bac.tags import (
    CLOSE,
    CONTEXT,
    OPEN,
    PRIMITIVE,
    ROUNDS_BYTES,
    TAG,
    Tags,
    measure,
    tags_of,
)
from otsec.protocols.bac.units import Bodies
from otsec.protocols.words import bacnet as words

# Roles of the tags of a list, outside of values.
(NOTHING, OBJECT, BEGIN, NAME, INDEX, VALUE_BEGIN, VALUE_END, ERROR_BEGIN, ERROR_END, PRIORITY,
 FINISH, FIELD) = range(12)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How the tags of a list follow one another: [135] 15.7, 15.10, 13.1."""

    roles: Ints  # by depth 0 or 1, kind, and number below 8
    follows: Mask  # by role, and role of the tag in front
    ends: Mask  # by role: whether the list may end behind it
    fields: int  # tags in front of the lists


def _grammar(outer: dict[tuple[int, int], int], inner: dict[tuple[int, int], int]) -> Ints:
    roles = np.zeros((2, 5, 8), np.uint8)
    for depth, table in enumerate((outer, inner)):
        for (kind, number), role in table.items():
            roles[depth, kind, number] = role
    return roles.reshape(-1)


def _between(*pairs: tuple[int, tuple[int, ...]]) -> Mask:
    """``pairs``: a role, and those that may stand behind it."""
    follows = np.zeros((FIELD + 1, FIELD + 1), np.bool_)
    for before, behind in pairs:
        follows[list(behind), before] = True
    return follows


_OUTER = {(CONTEXT, 0): OBJECT, (OPEN, 1): BEGIN, (CLOSE, 1): FINISH}
_WRITTEN = {(CONTEXT, 0): NAME, (CONTEXT, 1): INDEX, (OPEN, 2): VALUE_BEGIN,
            (CLOSE, 2): VALUE_END, (CONTEXT, 3): PRIORITY}  # fmt: skip


_LIST = (
    (NOTHING, (OBJECT,)),
    (OBJECT, (BEGIN,)),
    (BEGIN, (NAME, FINISH)),
    (FINISH, (OBJECT,)),
)
_WRITES = (
    (NAME, (INDEX, VALUE_BEGIN)),
    (INDEX, (VALUE_BEGIN,)),
    (VALUE_BEGIN, (VALUE_END,)),
    (VALUE_END, (PRIORITY, NAME, FINISH)),
    (PRIORITY, (NAME, FINISH)),
)
_AT_FINISH = np.arange(FIELD + 1) == FINISH
_COV_GRAMMAR = _Grammar(
    _grammar({**{(CONTEXT, one): FIELD for one in range(4)}, (OPEN, 4): BEGIN, (CLOSE, 4): FINISH},
             _WRITTEN),
    _between((NOTHING, (FIELD,)), (FIELD, (FIELD, BEGIN)), (BEGIN, (NAME, FINISH)), *_WRITES),
    _AT_FINISH,
    4,
)  # fmt: skip
GRAMMARS = {
    code_of(ASK, READ_MANY): _Grammar(
        _grammar(_OUTER, {(CONTEXT, 0): NAME, (CONTEXT, 1): INDEX}),
        _between(*_LIST, (NAME, (INDEX, NAME, FINISH)), (INDEX, (NAME, FINISH))),
        _AT_FINISH,
        0,
    ),
    code_of(COMPLEX, READ_MANY): _Grammar(
        _grammar(_OUTER, {(CONTEXT, 2): NAME, (CONTEXT, 3): INDEX, (OPEN, 4): VALUE_BEGIN,
                          (CLOSE, 4): VALUE_END, (OPEN, 5): ERROR_BEGIN, (CLOSE, 5): ERROR_END}),
        _between(
            *_LIST, (NAME, (INDEX, VALUE_BEGIN, ERROR_BEGIN)), (INDEX, (VALUE_BEGIN, ERROR_BEGIN)),
            (VALUE_BEGIN, (VALUE_END,)), (ERROR_BEGIN, (ERROR_END,)),
            (VALUE_END, (NAME, FINISH)), (ERROR_END, (NAME, FINISH)),
        ),
        _AT_FINISH,
        0,
    ),
    code_of(ASK, WRITE_MANY): _Grammar(
        _grammar(_OUTER, _WRITTEN), _between(*_LIST, *_WRITES), _AT_FINISH, 0,
    ),
    code_of(ASK, COV): _COV_GRAMMAR,
    code_of(TELL, TOLD_COV): _COV_GRAMMAR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Outline:
    """The tags of lists outside of values, one behind the other."""

    tags: Tags
    row: I64  # of each in `tags`
    owner: I64  # number of the body
    role: Ints
    number: I64  # what its content says
    object: I64  # position, in these columns, of the tag with the object that each belongs to
    good: Mask  # of each body
    front: I64  # of each body, where the object that all its properties belong to ends


def _outline(bodies: Bodies, grammar: _Grammar) -> _Outline:
    tags = tags_of(bodies.buffer, bodies.start, bodies.end)
    row = np.flatnonzero(tags.depth <= 1)
    owner, number, kind = tags.owner[row], tags.number[row], tags.kind[row]
    place = (np.maximum(tags.depth[row], 0) * 5 + kind) * 8 + np.minimum(number, 7)
    role = np.where(number > 7, NOTHING, grammar.roles[place])
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    before = np.concatenate([[NOTHING], role[:-1]])[: len(role)]
    before[heads] = NOTHING
    size = np.where(kind < OPEN, (tags.end - tags.content)[row], 1)
    fits = grammar.follows[role, before] & (size >= 1) & (size <= 4)
    fits &= (role != OBJECT) | (size == 4)
    rank = np.arange(len(row))
    object_ = np.maximum.accumulate(np.where(role == OBJECT, rank, 0))
    good, front = tags.good.copy(), bodies.start.copy()
    if grammar.fields:
        rank -= np.repeat(heads, np.diff(heads, append=len(row)))
        fits &= (role == FIELD) == (rank < grammar.fields)
        fits &= (role != FIELD) | (number == rank)
        object_ = np.arange(len(row)) - rank + COV_OBJECT
        front[owner[rank == COV_OBJECT]] = tags.end[row[rank == COV_OBJECT]]
    said = number_at(
        bodies.buffer, tags.content[row], np.where(kind < OPEN, np.minimum(size, 4), 0)
    )
    fits &= (role != PRIORITY) | ((said >= 1) & (said <= LOWEST))
    good[owner[~fits]] = False
    good &= np.bincount(owner, minlength=len(bodies)) > 0
    tails = np.append(heads[1:], len(row))[: len(heads)] - 1
    good[owner[tails]] &= role[tails] == FINISH
    return _Outline(tags, row, owner, role, said, object_, good, front)


COV_OBJECT = 2  # which of the tags in front of a notification's list names the object


@dataclass(frozen=True, slots=True)
class Listed:
    """The properties that bodies list; the first columns have one entry each, in order."""

    owner: I64  # number of the body
    start: I64
    end: I64
    object: I64
    property: I64
    index: I64  # EVERY_INDEX without one
    value: I64  # offset of the tag of its value; 0 where it is none, or not one alone
    form: Ints  # u1, see below
    priority: I64  # 0 without one
    good: Mask  # of each body
    front: I64  # of each body, where the object that all its properties belong to ends


NO_VALUE, LONE, SEVERAL, FAILED = range(4)  # forms of values


def listed(bodies: Bodies, code: int) -> Listed:
    """Cut the lists of bodies that all have one code.

    Side by side, where each value is one number or text and bodies are no longer than a datagram;
    the others by all their tags.
    """
    found = _side_by_side(bodies, code)
    rest = np.flatnonzero(~found.good)
    if not len(rest):
        return found
    other = _by_tags(bodies.take(rest), code)
    found.good[rest], found.front[rest] = other.good, other.front
    keep = np.flatnonzero(~np.isin(found.owner, rest))
    columns = [
        np.concatenate([getattr(found, name)[keep], getattr(other, name)])
        for name in ("start", "end", "object", "property", "index", "value", "form", "priority")
    ]
    owner = np.concatenate([found.owner[keep], rest[other.owner]])
    order = np.argsort(owner, kind="stable")
    start, end, object_, property_, index, value, form, priority = (
        column[order] for column in columns
    )
    return Listed(
        owner[order], start, end, object_, property_, index, value, form, priority,
        found.good, found.front,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tags:
    """The tags of one kind of list, as first bytes: names and indices are of four lengths."""

    name: int
    value: int  # opening tag; 0 where a name has no value
    failed: int
    prior: int
    finish: int
    notifies: bool  # process, device, object and time stand in front, once


_TAGS = {
    code_of(ASK, READ_MANY): _Tags(0x08, 0, 0, 0, 0x1F, notifies=False),
    code_of(COMPLEX, READ_MANY): _Tags(0x28, 0x4E, 0x5E, 0, 0x1F, notifies=False),
    code_of(ASK, WRITE_MANY): _Tags(0x08, 0x2E, 0, 0x39, 0x1F, notifies=False),
    code_of(ASK, COV): _Tags(0x08, 0x2E, 0, 0x39, 0x4F, notifies=True),
    code_of(TELL, TOLD_COV): _Tags(0x08, 0x2E, 0, 0x39, 0x4F, notifies=True),
}
_OBJECT_BYTES = 6  # tag and number of an object, and the tag that opens its list


def _side_by_side(bodies: Bodies, code: int) -> Listed:
    """One property of each body a round; bodies with anything unusual are not good."""
    form, count = _TAGS[code], len(bodies)
    at, front, object_, good = _fronts(bodies, form)
    good &= bodies.end - bodies.start <= ROUNDS_BYTES
    rows = np.flatnonzero(good)
    parts: list[tuple[Ints, ...]] = []
    while len(rows):
        one = _property(bodies.buffer, at[rows], bodies.end[rows], form)
        fits, end = one[0], one[2]
        parts.append((rows, *one[1:3], object_[rows], *one[3:]))
        good[rows[~fits]] = False
        rows, end = rows[fits], end[fits]
        at[rows] = end
        first = bodies.buffer[end]
        done = np.flatnonzero(first == form.finish)
        left = first & 0xF8 == form.name
        good[rows[~left & (first != form.finish)]] = False
        if len(done):
            last = end[done] + 1 == bodies.end[rows[done]]
            again = done[~last]
            left[again] = True
            _next_object(bodies, form, rows[again], at, object_, good)
        rows = rows[left]
        rows = rows[good[rows]]
    columns = _joined(parts, count)
    keep = good[columns[0]]
    if not keep.all():
        columns = [column[keep] for column in columns]
    owner, begin, end, about, name, index, value, kind, priority = columns
    return Listed(owner, begin, end, about, name, index, value, kind, priority, good, front)


def _joined(parts: list[tuple[Ints, ...]], count: int) -> list[Ints]:
    """The rounds one behind the other, in order of owner."""
    if not parts:
        return [np.empty(0, np.int64)] * 9
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(parts) > 1:
        order = _by_owner(columns[0], count)
        columns = [column[order] for column in columns]
    return columns


def _by_owner(owner: I64, count: int) -> I64:
    """The stable order of numbers below ``count``; NumPy sorts those of 16 bits by radix."""
    return np.argsort(owner.astype(np.uint16) if count <= 1 << 16 else owner, kind="stable")


def _fronts(bodies: Bodies, form: _Tags) -> tuple[I64, I64, I64, Mask]:
    """Where the first property begins, where what is in front of a list ends, and the object."""
    buffer, start, end = bodies.buffer, bodies.start, bodies.end
    at, good = start, end - start > _OBJECT_BYTES
    if form.notifies:
        size = buffer[np.minimum(start, end - 1)].astype(np.int64) - 0x08
        good = good & (size >= 1) & (size <= 4)
        at = np.where(good, start + 1 + size, start)
        object_at = at + 5
        timed = object_at + 5
        good &= timed + 2 < end
        timed = np.where(good, timed, start)
        size = buffer[timed].astype(np.int64) - 0x38
        behind = timed + 1 + size
        good &= (size >= 1) & (size <= 4) & (behind + 1 < end)
        good &= (buffer[at] == 0x1C) & (buffer[np.where(good, object_at, start)] == 0x2C)
        good &= buffer[np.where(good, behind, start)] == 0x4E
        word = span_word(buffer, object_at + 1, np.where(good, 4, 0), 0).byteswap()
        return behind + 1, timed, (word >> np.uint64(32)).astype(np.int64), good
    word = span_word(buffer, at, end - at, 0).byteswap()
    good = (
        good & (word >> np.uint64(56) == 0x0C) & (word >> np.uint64(16) & np.uint64(0xFF) == 0x1E)
    )
    object_ = (word >> np.uint64(24) & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    return at + _OBJECT_BYTES, start.copy(), object_, good


def _next_object(bodies: Bodies, form: _Tags, rows: I64, at: I64, object_: I64, good: Mask) -> None:
    """Go on with the list of another object, or not at all."""
    begin = at[rows] + 1
    some = Bodies(bodies.buffer, begin, bodies.end[rows], rows)
    if form.notifies:
        good[rows] = False
        return
    at[rows], _, object_[rows], fits = _fronts(some, form)
    good[rows] &= fits


def _property(
    buffer: Bytes, at: I64, end: I64, form: _Tags
) -> tuple[Mask, I64, I64, I64, I64, I64, Ints, I64]:
    """One property at each offset: whether all is as usual; start, end, property, index, value, form, priority."""
    last = end - 1
    word = span_word(buffer, at, end - at, 0).byteswap()
    size = (word >> np.uint64(56)).astype(np.int64) - form.name
    fits = (size >= 1) & (size <= 4)
    name = (word >> np.uint64(48)).astype(np.int64) & 0xFF
    odd = np.flatnonzero(fits & (size > 1))
    if len(odd):
        name[odd] = number_at(buffer, at[odd] + 1, size[odd])
    exists = at + 1 + size <= last
    behind = np.minimum(at + 1 + size, last)
    tag = buffer[behind].astype(np.int64)
    index = np.full(len(at), words.EVERY_INDEX)
    indexed = np.flatnonzero((tag & 0xF8 == form.name + 0x10) & (tag & 7 >= 1) & (tag & 7 <= 4))
    if len(indexed):
        long = tag[indexed] & 7
        index[indexed] = number_at(buffer, behind[indexed] + 1, long)
        exists[indexed] = behind[indexed] + 1 + long <= last[indexed]
        behind[indexed] = np.minimum(behind[indexed] + 1 + long, last[indexed])
        tag[indexed] = buffer[behind[indexed]]
    none = np.zeros(len(at), np.int64)
    if not form.value:
        return fits & exists, at, behind, name, index, none, none.astype(np.uint8), none
    value = np.minimum(behind + 1, last)
    length, _ = measure(buffer, value, end)
    close = np.minimum(value + length, last)
    lone = (tag == form.value) & (length > 0) & (buffer[close] == form.value | 1)
    lone &= TAG.kind[buffer[value]] == PRIMITIVE
    kind = lone.astype(np.uint8) * np.uint8(LONE)
    failed = np.flatnonzero(tag == form.failed) if form.failed else none[:0]
    if len(failed):
        error = span_word(buffer, value[failed], end[failed] - value[failed], 0)
        plain = error & _ERROR_MASK == _ERROR_TAGS
        kind[failed[plain]], close[failed] = FAILED, np.minimum(value[failed] + 4, last[failed])
    fits &= kind != NO_VALUE
    behind = np.minimum(close + 1, last)
    priority = none
    if form.prior:
        given = np.flatnonzero(buffer[behind] == form.prior)
        priority = none.copy()
        priority[given] = buffer[np.minimum(behind[given] + 1, last[given])]
        fits[given] &= (priority[given] >= 1) & (priority[given] <= LOWEST)
        fits[given] &= behind[given] + 2 <= last[given]
        behind[given] = np.minimum(behind[given] + 2, last[given])
    fits &= close < last
    return fits, at, behind, name, index, np.where(lone, value, 0), kind, priority


LOWEST = 16  # the last priority, [135] 19.2
_ERROR_MASK, _ERROR_TAGS = np.uint64(0xFF_00FF_00FF), np.uint64(0x5F_0091_0091)


def _by_tags(bodies: Bodies, code: int) -> Listed:
    outline = _outline(bodies, GRAMMARS[code])
    tags, row, role = outline.tags, outline.row, outline.role
    names = np.flatnonzero((role == NAME) & outline.good[outline.owner])
    stops = np.flatnonzero((role == NAME) | (role == FINISH))
    behind = stops[np.searchsorted(stops, names, side="right")]
    indexed = role[names + 1] == INDEX
    opens = names + 1 + indexed
    valued = np.flatnonzero(role[opens] == VALUE_BEGIN)
    content = row[opens[valued]] + 1
    lone = row[opens[valued] + 1] == content + 1  # one tag between opening and closing one
    lone &= tags.kind[np.where(lone, content, 0)] == PRIMITIVE
    form = np.where(role[opens] == ERROR_BEGIN, FAILED, NO_VALUE).astype(np.uint8)
    form[valued] = np.where(lone, LONE, SEVERAL)
    value, priority = np.zeros((2, len(names)), np.int64)
    value[valued[lone]] = tags.at[content[lone]]
    prior = valued[role[np.minimum(opens[valued] + 2, len(role) - 1)] == PRIORITY]
    priority[prior] = outline.number[opens[prior] + 2]
    return Listed(
        outline.owner[names],
        tags.at[row[names]],
        tags.at[row[behind]],
        outline.number[outline.object[names]],
        outline.number[names],
        np.where(indexed, outline.number[names + 1], words.EVERY_INDEX),
        value,
        form,
        priority,
        outline.good,
        outline.front,
    )


def read_list(bodies: Bodies) -> Read:
    """Lists are cut again; who asks for many properties by one name is in the key as a whole."""
    read = Read.nothing(bodies)
    for code in GRAMMARS:
        rows = np.flatnonzero(bodies.code == code)
        if not len(rows):
            continue
        found = listed(bodies.take(rows), code)
        read.good[rows], read.key_end[rows] = found.good, found.front
        whole = rows[_of_many(found, code)]
        read.key_end[whole] = bodies.end[whole]
    return read


def _of_many(found: Listed, code: int) -> Mask:
    """Which requests name a property that stands for many."""
    many = np.zeros(len(found.good), np.bool_)
    if code == code_of(ASK, READ_MANY):
        many[found.owner[_STANDS_FOR_MANY[np.minimum(found.property, 127)]]] = True
    return many


_STANDS_FOR_MANY = np.isin(np.arange(128), (words.ALL, words.OPTIONAL, words.REQUIRED))


def cut_items(bodies: Bodies, code: int) -> tuple[I64, I64, I64, Split]:
    """The properties of lists: owner, start, end, and key and value of each."""
    found = listed(bodies, code)
    owner, start, end = found.owner, found.start, found.end
    read = Read.nothing(Bodies(bodies.buffer, start, end, owner))
    lone = np.flatnonzero(found.form == LONE)
    value_words(read, bodies.buffer, found.value, lone)
    read.more[found.form == SEVERAL] = CONSTRUCTED
    read.more |= found.priority.astype(np.uint64) << np.uint64(16)
    if code == code_of(COMPLEX, READ_MANY):
        told = tells(found.object, found.property)
        read.value_count[told] = 0
        told |= found.form == FAILED
        read.key_end = np.where(told, end, start)
    split = Split(
        [
            found.object.astype(np.uint64),
            (found.property << 32 | found.index).astype(np.uint64),
            read.more,
        ],
        start,
        read.key_end - start,
        np.zeros(len(owner), np.uint64),
        read.value_at,
        read.value_count,
        read.value_type,
        np.zeros(len(owner), np.bool_),
    )
    whole = _of_many(found, code)
    if whole.any():
        rows = np.flatnonzero(~whole[owner])
        return owner[rows], start[rows], end[rows], _take(split, rows)
    return owner, start, end, split


def _take(split: Split, rows: I64) -> Split:
    return Split(
        [word[rows] for word in split.key_words],
        split.key_start[rows],
        split.key_length[rows],
        split.tag[rows],
        split.value_start[rows],
        split.value_count[rows],
        split.value_type[rows],
        split.malformed[rows],
    )


def in_order(parts: list[tuple[I64, I64, I64, Split]], count: int) -> Items:
    """Items of several kinds in the order of their units; ``count``: of the units."""
    if len(parts) == 1:
        return Items(*parts[0])
    none = np.empty(0, np.int64)
    owner, start, end = (np.concatenate([none, *(part[at] for part in parts)]) for at in range(3))
    order = _by_owner(owner, count)

    def column(name: str, dtype: type = np.int64) -> Ints:
        found = [getattr(part[3], name) for part in parts]
        return np.concatenate([none.astype(dtype), *found])[order]

    key = [
        np.concatenate([none.astype(np.uint64), *(part[3].key_words[at] for part in parts)])[order]
        for at in range(3)
    ]
    split = Split(
        key, column("key_start"), column("key_length"), column("tag", np.uint64),
        column("value_start"), column("value_count"), column("value_type", np.uint8),
        column("malformed", np.bool_),
    )  # fmt: skip
    return Items(owner[order], start[order], end[order], split)
