"""Who sends to whom: how much in each hour, and when one who speaks all the time fell silent.

Two sorts are followed: each pair of sender and receiver, and each sender as a whole (a path
without receiver). Up to which length silences are usual for a path is learned on the way: half a
minute at first; every few that were longer raise it, to the mean of them at least. A silence is
kept by itself, with the packets before and behind it, if it is twice as long as that, and no sooner
than an hour after the path was first heard. So a path has few of them, however long it is followed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, address_words
from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.numbers import Numbers
from otsec.aggregates.sums import Sums
from otsec.columns import FEW, I64, U64, Mask, group, with_room
from otsec.model import TICK_NS, Packets, place_of, place_text
from otsec.nanoseconds import HOUR_NS
from otsec.state import records
from otsec.streams.clock import Times
from otsec.streams.connections import key_bytes
from otsec.streams.flows import Flows

LEAST_NS = 3 * TICK_NS  # shorter silences are not looked for
EMPTY_TICKS = 3  # from one tick to the next: less cannot hold such a silence
OFTEN = 8  # silences that were longer than usual are usual
RAISED = (3, 2)  # by which what is usual is raised at least, numerator and denominator
NEWS = 2  # times what is usual: such a silence is kept
YOUNG_NS = 3600 * 10**9  # none is kept of a path that was heard for less
NEVER = -(1 << 40)  # a tick before all others
MOST_CELLS = 1 << 20  # of the table that tells in which ticks a path was heard
HOUR_BITS = 22  # hours up to 2262

PATH = np.dtype(
    [
        ("first", "<i8", (2,)),  # time and ordinal
        ("last", "<i8", (2,)),
        ("steady", "<i8"),  # of the last packet
        ("epoch", "<i8"),
        ("least", "<i8"),  # silences up to this are usual, ns
        ("longer", "<i8"),  # silences that were longer since it was last raised
        ("sum", "<i8"),  # of these
        ("since", "<i8"),  # when it was first heard, Times.steady
        ("changed", "?"),
    ]
)
PAIR_WORDS, SENDER_WORDS = 5, 3  # kind and place, sender in two words, receiver in two
Silence = tuple[int, int, int, int, int, int]  # path, time and packet before and behind, least


class Paths:
    """Ordered: the paths of one source."""

    def __init__(self, pairs: int, senders: int) -> None:
        """Of each sort so many are followed; further ones are not."""
        self.pairs = Followed(PAIR_WORDS, pairs)
        self.senders = Followed(SENDER_WORDS, senders)
        self.volumes = Sums()  # path and hour in one word, packets, bytes
        self.refused = Refusals()

    def add(self, packets: Packets, flows: Flows, times: Times, ordinal: int) -> None:
        """Take the packets of a batch; ``ordinal``: of row 0."""
        if not len(flows.order):
            return
        begin = flows.order[flows.lane_start]
        end = flows.order[flows.lane_start + flows.lane_count - 1]
        seen = _Seen(packets, times, ordinal)
        words = _words(flows)
        pair, heads = _distinct(words, begin)
        words, began = words[heads], begin[heads]
        number = self.pairs.enter(words, began, seen)[pair]
        sender, first = _distinct(words[:, :SENDER_WORDS], began)
        whole = self.senders.enter(words[first, :SENDER_WORDS], began[first], seen)[sender][pair]
        over = np.flatnonzero(number < 0)
        self.refused.note_spans(
            flows.lane_count[over], seen.sights(begin[over]), seen.sights(end[over])
        )
        moments = _Moments.of(flows, seen)
        self.pairs.look(number, moments, seen, end)
        self.senders.look(whole, moments, seen, end)
        self._measure(number, packets, flows)

    def _measure(self, number: I64, packets: Packets, flows: Flows) -> None:
        """Packets and bytes of each pair and hour."""
        time = packets.time
        low, high = int(time.min()) // HOUR_NS, int(time.max()) // HOUR_NS
        if low == high:
            lane, hour = np.flatnonzero(number >= 0), np.array([low])
            columns = [flows.lane_count[lane], flows.lane_bytes[lane].astype(np.int64)]
        else:
            hours = time[flows.order] // HOUR_NS
            heads = np.ones(len(hours), np.bool_)
            heads[1:] = hours[1:] != hours[:-1]
            heads[flows.lane_start] = True
            at = np.flatnonzero(heads)
            lane = np.searchsorted(flows.lane_start, at, side="right") - 1
            wire = np.add.reduceat(packets.wire[flows.order].astype(np.int64), at)
            some = number[lane] >= 0
            columns = [np.diff(at, append=len(hours))[some], wire[some]]
            lane, hour = lane[some], hours[at[some]]
        word = number[lane] << HOUR_BITS | hour
        self.volumes.add(np.stack([word, *columns]))

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int) -> dict[str, Iterable[Row]]:
        """Rows of the tables path, silence and volume since the last call."""
        names = self.pairs.names
        rows: list[Row] = []
        volumes = self.volumes.take()
        for word, packets, size in () if volumes is None else volumes.T.tolist():
            hour = word & (1 << HOUR_BITS) - 1
            rows.append((source, *names[word >> HOUR_BITS], hour, packets, size))
        followed = (self.senders, self.pairs)
        return {
            "path": chain.from_iterable([one.take_rows(source) for one in followed]),
            "silence": [row for one in followed for row in one.take_silences(source)],
            "volume": rows,
        }

    def restore(self, rows: Iterable[tuple[Any, ...]], steady: int) -> None:
        """Take back what the store holds, where no state tells more; ``steady``: by now."""
        for _, place, sender, receiver, *seen, least in rows:
            kind, *words = address_words(sender)
            key = [kind | place_of(place) << 8, *words]
            key += address_words(receiver)[1:] if receiver else []
            (self.pairs if receiver else self.senders).restore(key, seen, least, steady)

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"pairs": self.pairs.dump(), "senders": self.senders.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.pairs.load(state["pairs"])
        self.senders.load(state["senders"])


class _Seen:
    """What is known of the packets of a batch by their row."""

    def __init__(self, packets: Packets, times: Times, ordinal: int) -> None:
        self.time, self.row = packets.time, packets.row
        self.steady, self.epoch, self.ordinal = times.steady, times.epoch, ordinal

    def sights(self, rows: I64) -> I64:
        """Time and ordinal; shape (rows, 2)."""
        return np.stack([self.time[rows], self.ordinal + self.row[rows]], axis=1)


class _Moments:
    """The packets of each lane in each tick, as one."""

    __slots__ = ("first", "lane", "last", "tick")

    def __init__(self, lane: I64, tick: I64, first: I64, last: I64) -> None:
        self.lane, self.tick, self.first, self.last = lane, tick, first, last

    @classmethod
    def of(cls, flows: Flows, seen: _Seen) -> "_Moments":
        tick = (seen.steady // TICK_NS)[seen.row[flows.order]]
        begins = np.zeros(len(tick), np.bool_)
        begins[flows.lane_start] = True
        heads = begins.copy()
        heads[1:] |= tick[1:] != tick[:-1]
        at = np.flatnonzero(heads)
        lane = np.cumsum(begins[at]) - 1
        last = flows.order[np.append(at[1:], len(tick)) - 1]
        return cls(lane, tick[at], flows.order[at], last)


class Followed:
    """Ordered: paths of one sort, when each was last heard, and its silences."""

    def __init__(self, words: int, cap: int) -> None:
        self.words, self.cap = words, cap
        self.index = Numbers()
        self.keys: list[list[int]] = []
        self.names: list[tuple[str, str, str]] = []  # place, sender, receiver
        self.table = np.zeros(FEW, PATH)
        self.silences: list[Silence] = []

    def enter(self, keys: U64, rows: I64, seen: _Seen) -> I64:
        """The number of each path, -1 if it is not followed.

        New ones are entered in the order of their first rows, as far as there is room.
        """
        order = np.argsort(rows, kind="stable")
        first = seen.sights(rows[order])
        begun = seen.steady[seen.row[rows[order]]]
        keys, number = keys[order], np.empty(len(rows), np.int64)
        room = len(self.keys) < self.cap
        number[order] = self.index.of(keys, self._entering(keys, first, begun), room=room)
        return number

    def _entering(self, keys: U64, first: I64, begun: I64) -> Callable[[int], int]:
        def enter(row: int) -> int:
            if len(self.keys) >= self.cap:
                return -1
            number = self._add(keys[row].tolist())
            self.table["first"][number] = first[row]
            self.table["epoch"][number] = -1  # it was not heard before
            self.table["least"][number] = LEAST_NS
            self.table["since"][number] = begun[row]
            return number

        return enter

    def _add(self, key: list[int]) -> int:
        number = len(self.keys)
        self.keys.append(key)
        self.names.append(_name(key))
        self.table = with_room(self.table, number + 1)
        return number

    def look(self, number: I64, moments: _Moments, seen: _Seen, end: I64) -> None:
        """Look for silences; ``number``: the path of each lane, ``end``: its last row."""
        self._silences(number, moments, seen)
        lanes = np.flatnonzero(number >= 0)
        last = np.full(len(self.keys), -1)
        np.maximum.at(last, number[lanes], end[lanes])
        heard = np.flatnonzero(last >= 0)
        rows, table = last[heard], self.table
        table["last"][heard] = seen.sights(rows)
        table["steady"][heard] = seen.steady[seen.row[rows]]
        table["epoch"][heard] = seen.epoch[seen.row[rows]]
        table["changed"][heard] = True

    def _silences(self, number: I64, moments: _Moments, seen: _Seen) -> None:
        path = number[moments.lane]
        some = np.flatnonzero(path >= 0)
        if not len(some):
            return
        suspect = self._suspect(path[some], moments.tick[some])
        some = some[suspect[path[some]]]
        if not len(some):
            return
        order = np.lexsort((moments.first[some], moments.tick[some], path[some]))
        some = some[order]
        path, tick = path[some], moments.tick[some]
        heads = np.ones(len(some), np.bool_)
        heads[1:] = (path[1:] != path[:-1]) | (tick[1:] != tick[:-1])
        at = np.flatnonzero(heads)
        first = np.minimum.reduceat(moments.first[some], at)
        last = np.maximum.reduceat(moments.last[some], at)
        self._keep(path[at], first, last, seen)

    def _suspect(self, path: I64, tick: I64) -> Mask:
        """Which paths may have been silent: so many ticks without a packet lie in between."""
        low, width = int(tick.min()), int(tick.max() - tick.min()) + 1
        count = len(self.keys)
        if count * width > MOST_CELLS:
            return np.ones(count, np.bool_)
        heard = np.full((count, width), NEVER)
        heard[path, tick - low] = tick - low
        known, before = self.table["epoch"][:count] >= 0, self.table["steady"][:count]
        latest = np.empty_like(heard)
        latest[:, 0] = np.where(known, before // TICK_NS - low, NEVER)
        latest[:, 1:] = heard[:, :-1]
        np.maximum.accumulate(latest, axis=1, out=latest)
        gone = (heard - latest >= EMPTY_TICKS) & (heard > NEVER) & (latest > NEVER)
        return np.asarray(gone.any(axis=1), np.bool_)

    def _keep(self, path: I64, first: I64, last: I64, seen: _Seen) -> None:
        """``path``, in order, with the first and the last row of each tick in which it is heard."""
        table = self.table
        begins = np.ones(len(path), np.bool_)
        begins[1:] = path[1:] != path[:-1]
        before = np.empty((len(path), 4), np.int64)  # steady, epoch, time, ordinal
        before[1:, 0] = seen.steady[seen.row[last[:-1]]]
        before[1:, 1] = seen.epoch[seen.row[last[:-1]]]
        before[1:, 2:] = seen.sights(last[:-1])
        start = path[begins]
        before[begins, 0], before[begins, 1] = table["steady"][start], table["epoch"][start]
        before[begins, 2:] = table["last"][start]
        gone = seen.steady[seen.row[first]] - before[:, 0]
        long = (gone > table["least"][path]) & (before[:, 1] == seen.epoch[seen.row[first]])
        some = np.flatnonzero(long)
        old = before[some, 0] - table["since"][path[some]] >= YOUNG_NS
        news = np.flatnonzero(old & (gone[some] > NEWS * table["least"][path[some]]))
        ends = dict(zip(news.tolist(), seen.sights(first[some[news]]).tolist(), strict=True))
        names = ("least", "longer", "sum")
        paths = np.unique(path[some])
        rows = zip(*(table[name][paths].tolist() for name in names), strict=True)
        usuals = dict(zip(paths.tolist(), map(list, rows), strict=True))
        for at, (one, length) in enumerate(
            zip(path[some].tolist(), gone[some].tolist(), strict=True)
        ):
            usual = usuals[one][0]
            if length > usual:  # else it was raised meanwhile
                if at in ends and length > NEWS * usual:
                    begin, end = before[some[at], 2:].tolist(), ends[at]
                    self.silences.append((one, begin[0], begin[1], end[0], end[1], usual))
                _raise(usuals[one], length)
        for name, column in zip(names, zip(*usuals.values(), strict=True), strict=False):
            table[name][paths] = column

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int) -> Iterator[Row]:
        """Rows of the table `path` that changed since the last call."""
        changed = np.flatnonzero(self.table["changed"])
        self.table["changed"][changed] = False
        return drawn(partial(self._rows, source), changed)

    def _rows(self, source: int, changed: I64) -> list[Row]:
        table = self.table[changed]
        columns = (table[name].tolist() for name in ("first", "last", "least"))
        return [
            (source, *self.names[number], *first, *last, least)
            for number, first, last, least in zip(changed.tolist(), *columns, strict=True)
        ]

    def take_silences(self, source: int) -> list[Row]:
        """Rows of the table `silence` since the last call."""
        found, self.silences = self.silences, []
        return [(source, *self.names[path], *row) for path, *row in found]

    def restore(self, key: list[int], seen: Sequence[int], least: int, steady: int) -> None:
        """Take back a path; no silence is told until it was heard again."""
        number = self._add(key)
        self.index[key_bytes(np.array([key], np.uint64))[0]] = number
        since = max(steady - (seen[2] - seen[0]), 0)
        self.table[number] = seen[:2], seen[2:], steady, -1, least, 0, 0, since, False

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        table = self.table[: len(self.keys)]
        return {"keys": np.array(self.keys, np.uint64).ravel(), "table": table}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        keys = state["keys"].reshape(-1, self.words)
        self.keys = keys.tolist()
        self.names = list(map(_name, self.keys))
        self.index = Numbers(zip(key_bytes(keys), range(len(keys)), strict=True))
        table = records(state["table"], PATH)
        self.table = with_room(self.table, len(table))
        self.table[: len(table)] = table


def _raise(usual: list[int], length: int) -> None:
    """Count a silence that was longer than usual; so many are usual."""
    usual[1] += 1
    usual[2] += length
    if usual[1] >= OFTEN:
        usual[:] = [max(usual[0] * RAISED[0] // RAISED[1], usual[2] // OFTEN), 0, 0]


def _words(flows: Flows) -> U64:
    """Kind and place, sender and receiver of each lane; shape (lanes, PAIR_WORDS)."""
    what, low_lo, high_lo, place, low_hi, high_hi = flows.key[flows.lane_flow].T
    low_speaks = flows.lane_side == 0
    kind = what >> np.uint64(48) | place << np.uint64(8)
    return np.stack(
        [
            kind,
            np.where(low_speaks, low_hi, high_hi),
            np.where(low_speaks, low_lo, high_lo),
            np.where(low_speaks, high_hi, low_hi),
            np.where(low_speaks, high_lo, low_lo),
        ],
        axis=1,
    )


def _name(key: list[int]) -> tuple[str, str, str]:
    """Place, sender and receiver as text; the latter is empty for a sender as a whole."""
    what, high, low, *receiver = key
    kind = what & 0xFF
    there = address_text(kind, *receiver) if receiver else ""
    return place_text(what >> 8), address_text(kind, high, low), there


def _distinct(words: U64, rows: I64) -> tuple[I64, I64]:
    """The group of each row of words, and of each group the one that comes first by ``rows``."""
    columns = [word for word in words.T if word.any()]
    groups = group([np.ascontiguousarray(word) for word in columns], 0)
    inorder = rows[groups.order]
    least = np.repeat(np.minimum.reduceat(inorder, groups.start), groups.count)
    heads = np.flatnonzero(inorder == least)
    return groups.group_of_rows(), groups.order[heads]
