"""What units list, as columns: nodes to read, values read, written and reported."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Bytes, Ints, Mask, ranges
from otsec.protocols.api import U8, Units
from otsec.protocols.framing.opcua import MESSAGE
from otsec.protocols.ua.codes import (
    DATA_CHANGE,
    MOST_ITEMS,
    PUBLISHED,
    READ,
    READ_DONE,
    SIGNATURES,
    WRITE,
    WRITE_DONE,
)
from otsec.protocols.ua.heads import (
    INT,
    IS_LIST,
    TELLS,
    Bodies,
    Heads,
    behind_node,
    behind_text,
    bodies_of,
    heads_of,
    signed,
    words_at,
)
from otsec.protocols.ua.values import WALKED, WHOLE, WRONG, Points, data_values


@dataclass(slots=True)
class Lists:
    """The lists of units, as columns, and what is found of their items."""

    buffer: Bytes
    unit: I64
    service: I64
    at: I64  # where the next item begins; in the end, behind the last
    end: I64
    count: I64
    state: Ints  # u1
    subscription: I64
    structure_end: I64  # of published items, where their structure must end


def lists_of(heads: Heads, bodies: Bodies) -> Lists:
    """Where the lists begin that are cut into items."""
    fits = IS_LIST[heads.service] & (heads.kind == MESSAGE) & heads.front & ~bodies.odd
    unit = np.flatnonzero(fits)
    service, at, end = heads.service[unit], bodies.at[unit], heads.end[unit]
    at[service == READ] += 12  # age and time stamps that are asked for
    zeros = np.zeros(len(unit), np.int64)
    lists = Lists(
        heads.buffer, unit, service, at, end, zeros, np.zeros(len(unit), np.uint8), zeros.copy(),
        end.copy(),
    )  # fmt: skip
    published = np.flatnonzero(service == PUBLISHED)
    if len(published):
        _find_notifications(lists, published)
    # a keep-alive has no structure, so no list either
    listed = np.flatnonzero((lists.state == WALKED) & (lists.structure_end >= 0))
    count = signed(words_at(heads.buffer, at[listed], end[listed]))
    at[listed] += 4
    left = end[listed] - at[listed]
    lists.count[listed] = np.maximum(count, 0)
    lists.state[listed[count > MOST_ITEMS]] = WHOLE
    lists.state[listed[(left < 0) | (count < -1) | (count > left)]] = WRONG
    return lists


@dataclass(frozen=True, slots=True)
class Reading:
    """Units with their lists cut into items."""

    heads: Heads
    bodies: Bodies
    lists: Lists
    points: Points


def read_units(units: Units) -> Reading:
    """Cut the lists of units."""
    heads = heads_of(units)
    bodies = bodies_of(heads)
    lists = lists_of(heads, bodies)
    return Reading(heads, bodies, lists, walk_items(lists))


def _find_notifications(lists: Lists, rows: I64) -> None:
    """Publish responses, [4] 5.14.5: one structure of data changes, or none; else they stand whole."""
    buffer, end, at = lists.buffer, lists.end[rows], lists.at[rows]
    word = words_at(buffer, at, end)
    lists.subscription[rows] = (word & INT).astype(np.int64)
    available = np.maximum(signed(word, 4), 0)
    at = at + 8 + 4 * np.minimum(available, end - at) + 13  # more follows, number, time
    notifications = signed(words_at(buffer, at, end))
    at = at + 4
    head = words_at(buffer, at, end)
    size = signed(words_at(buffer, at + 5, end))
    one = (notifications == 1) & (head & np.uint64(0xFF_FFFF_FFFF) == _CHANGES)
    behind = at + 9 + size
    state = np.where(one | (notifications <= 0), WALKED, WHOLE)
    state[(at > end) | (one & ((behind > end) | (size < 0)))] = WRONG
    lists.state[rows] = state
    lists.at[rows] = np.where(one, at + 9, at)
    lists.structure_end[rows] = np.where(one, behind, -1)


_CHANGES = np.uint64(1 | DATA_CHANGE << 16 | 1 << 32)  # id of the encoding; a body of bytes


def walk_items(lists: Lists) -> Points:
    """Cut the lists into items, all lists at once."""
    found = [_statuses(lists)]
    for service, cut in _CUTS.items():
        listed = (lists.service == service) & (lists.state == WALKED) & (lists.count > 0)
        found += _walk(lists, np.flatnonzero(listed), cut)
    _finish(lists)
    return _join(found, lists.state == WALKED)


def _walk(lists: Lists, rows: I64, cut: "Cut") -> list[Points]:
    """Items of some lists, round by round: the next, and more that are guessed to be as long.

    Of these hold all up to the first that ends elsewhere; as long as all do, twice as many are
    guessed in the next round.
    """
    found = []
    left = lists.count[rows]
    size, guessed = np.zeros((2, len(rows)), np.int64)
    while len(rows):
        fit = (lists.end[rows] - lists.at[rows]) // np.maximum(size, 1)
        count = np.maximum(np.minimum(np.minimum(guessed, left), fit), 1)
        head = np.cumsum(count) - count
        rank = ranges(np.zeros(len(rows), np.int64), count)
        start = np.repeat(lists.at[rows], count) + np.repeat(size, count) * rank
        points, state = cut(lists, np.repeat(rows, count), start)
        goes_on = (points.end - start == np.repeat(size, count)) & (state == WALKED)
        held = np.minimum(
            np.minimum.reduceat(np.where(goes_on, count.max(), rank), head) + 1, count
        )
        kept = rank < np.repeat(held, count)
        found.append(points if kept.all() else points.take(np.flatnonzero(kept)))
        last = head + held - 1
        lists.at[rows], lists.state[rows] = points.end[last], state[last]
        left = left - held
        more = np.flatnonzero((state[last] == WALKED) & (left > 0))
        size = (points.end - start)[last[more]]
        guessed = np.where(held == count, 2 * count, 1)[more]
        rows, left = rows[more], left[more]
    return found


def _finish(lists: Lists) -> None:
    """Go on behind the items to where the body ends; what stands behind it may be a signature."""
    for told in (False, True):  # a publish response has results of its own behind its structure
        published = lists.service == PUBLISHED
        if not told:
            rows = np.flatnonzero((lists.state == WALKED) & published & (lists.structure_end >= 0))
            _pass_diagnostics(lists, rows)
            wrong = lists.at[rows] != lists.structure_end[rows]
            lists.state[rows[wrong & (lists.state[rows] == WALKED)]] = WRONG
            rows = np.flatnonzero((lists.state == WALKED) & published)
            results = signed(words_at(lists.buffer, lists.at[rows], lists.end[rows]))
            lists.at[rows] += 4 + 4 * np.maximum(results, 0)
        else:
            rows = np.flatnonzero((lists.state == WALKED) & TELLS[lists.service])
            _pass_diagnostics(lists, rows)
    behind = lists.end - lists.at
    lists.state[(lists.state == WALKED) & ~np.isin(behind, SIGNATURES)] = WRONG


def _pass_diagnostics(lists: Lists, rows: I64) -> None:
    """An array of diagnostics that is empty; a list with others stands whole."""
    count = signed(words_at(lists.buffer, lists.at[rows], lists.end[rows]))
    lists.at[rows] += 4
    lists.state[rows[count > 0]] = WHOLE
    lists.state[rows[(count < -1) | (lists.at[rows] > lists.end[rows])]] = WRONG


def _join(parts: list[Points], walked: Mask) -> Points:
    """Those of lists that are walked to their end, in order of lists, then as they stand there."""

    def column(name: str) -> I64:
        return np.concatenate([getattr(part, name) for part in parts])

    row = column("row")
    order = np.argsort(row, kind="stable")
    every = Points(
        row, column("start"), column("end"),
        [np.concatenate(word) for word in zip(*(part.key_words for part in parts), strict=True)],
        column("key_start"), column("key_length"),
        column("value_start"), column("value_count"), column("value_type"),
    )  # fmt: skip
    return every.take(order[walked[row[order]]])


def _statuses(lists: Lists) -> Points:
    """Write responses: four bytes an item."""
    rows = np.flatnonzero((lists.service == WRITE_DONE) & (lists.state == WALKED))
    count = lists.count[rows]
    row = np.repeat(rows, count)
    start = np.repeat(lists.at[rows], count) + 4 * ranges(np.zeros(len(rows), np.int64), count)
    lists.at[rows] += 4 * count
    lists.state[rows[lists.at[rows] > lists.end[rows]]] = WRONG
    status = words_at(lists.buffer, start, np.minimum(start + 4, lists.end[row]))
    none = np.zeros(len(row), np.int64)
    words = [status, np.zeros(len(row), np.uint64), np.zeros(len(row), np.uint64)]
    return Points(
        row, start, start + 4, words, start, none, start, none, np.full(len(row), U8, np.uint8)
    )


def _named_nodes(buffer: Bytes, at: I64, end: I64) -> I64:
    """Behind NodeId, attribute and index range of a value."""
    return behind_text(buffer, behind_node(buffer, at, end) + 4, end)


def _values_to_read(lists: Lists, rows: I64, start: I64) -> tuple[Points, Ints]:
    """[4] 7.29 ReadValueId."""
    end = lists.end[rows]
    behind = behind_text(lists.buffer, _named_nodes(lists.buffer, start, end) + 2, end)
    none = np.zeros(len(rows), np.int64)
    words = [none.astype(np.uint64)] * 3
    points = Points(
        rows, start, behind, words, start, np.minimum(behind, end) - start, start, none,
        np.full(len(rows), U8, np.uint8),
    )  # fmt: skip
    return points, np.where(behind > end, WRONG, WALKED)


def _values_read(lists: Lists, rows: I64, start: I64) -> tuple[Points, Ints]:
    return data_values(lists.buffer, rows, start, start, start, lists.end[rows])


def _values_to_write(lists: Lists, rows: I64, start: I64) -> tuple[Points, Ints]:
    """[4] 5.11.4 WriteValue: what names it, and the value."""
    end = lists.end[rows]
    value = np.minimum(_named_nodes(lists.buffer, start, end), end)
    return data_values(lists.buffer, rows, start, start, value, end)


def _values_changed(lists: Lists, rows: I64, start: I64) -> tuple[Points, Ints]:
    """[4] 7.25.2 MonitoredItemNotification: the client's handle, and the value."""
    value, end = start + 4, lists.structure_end[rows]
    points, state = data_values(lists.buffer, rows, start, value, value, end)
    points.key_words[1] |= (words_at(lists.buffer, start, end) & INT) << np.uint64(32)
    return points, state


Cut = Callable[[Lists, I64, I64], tuple[Points, Ints]]  # one item of each of some lists, from there
_CUTS: dict[int, Cut] = {
    READ: _values_to_read,
    READ_DONE: _values_read,
    WRITE: _values_to_write,
    PUBLISHED: _values_changed,
}
