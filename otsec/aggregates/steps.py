"""In which order messages come: which one followed which two, stream by stream.

An order consumer: it works in columns over what the units of a batch say (`phrases.py`), and looks
closer only at what it has not met. Two messages are enough of
a past to tell the cycle in which a machine goes round, also where one comes in it several times;
after a deviation it is in step again with the third message.

No step is counted across a gap, or where bytes of the connection were lost.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from functools import partial
from itertools import compress, islice
from typing import Any

import numpy as np

from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.following import SILENCE_NS
from otsec.aggregates.phrases import (
    BEGAN,
    CHANGES,
    LINE,
    PARTY,
    PHRASE,
    POSITION,
    SERIAL,
    SORTS,
    STEADY,
    TELLS,
    TIME,
    Said,
    Stream,
)
from otsec.aggregates.rhythms import BUCKET_BITS, HOUR_BITS, Rhythms
from otsec.columns import FEW, I64, Mask, with_room
from otsec.exchanges.calls import PART_BITS
from otsec.exchanges.recent import Recent
from otsec.nanoseconds import HOUR_NS, MINUTE_NS

FURTHER = 255  # rank of all steps of a stream that have none of their own; a bucket is a byte
PLACE_BITS = 35  # of an ordinal beside the rank of a side
LANES = 65_536  # that are followed at a time; further ones are not
BREAKS = 4_096  # sides of connections of which it is known where bytes were lost; of others of long ago not
SYMBOL = PHRASE  # the column in which phrases give way to their symbols
START, UNKNOWN = 0, -1  # symbols: a connection begins; not known, or none
REFUSED = -3  # of a step or symbol for which there was no room

Symbol = tuple[int, str]  # stream by number, name of the message
Triple = tuple[int, int, int]  # the symbols of a step
Lane = tuple[int, int]  # line of connections (-1: all of the conversation), stream
# the last two symbols, ordinal and steady time of the last, and the serial of its connection
Place = tuple[int, int, int, int, int]
STATS = np.dtype(
    [
        ("count", "<i8"),
        ("first", "<i8", (2,)),  # time and ordinal
        ("last", "<i8", (2,)),
        ("symbols", "<i4", (3,)),
        ("rank", "<i8"),  # within its stream, in order of first sight
        ("channel", "<i8"),  # of rhythms
        ("sort", "<i8"),  # position in SORTS
        ("changed", "?"),
    ]
)
OF_STEP = ("symbols", "rank", "channel", "sort")
WORD_BITS = 64  # of a symbol in a key
STEP_PLACE_BITS = 16  # for `Recent`: a plant makes far more steps than it says things


class Steps:
    """Ordered: the steps of one source."""

    def __init__(self, cap: int, rhythms: Rhythms) -> None:
        """``rhythms``: count the steps by the hour."""
        self.cap, self.rhythms = cap, rhythms
        self.streams: dict[Stream, int] = {}
        self.stream_names: list[Stream] = []
        self.symbols: dict[Symbol, int] = {}
        self.names: list[Symbol] = [(UNKNOWN, "")]  # by number; the first is START
        self.of_symbol = np.zeros((FEW, 2), np.int64)  # stream and sort
        self.ranks: list[int] = []  # of each stream, how many steps have one
        self.channels: list[tuple[int, int]] = []  # of each, its channel and sort
        self.index: dict[int, int] = {}  # number of each step, by its symbols as one number
        self.new: list[tuple[Triple, int, int, int]] = []  # what stands in OF_STEP of the last ones
        self.table = np.zeros(FEW, STATS)
        self.lanes: dict[Lane, Place] = {}
        # of one side of a connection (serial << 1 | side), where bytes of it were last lost
        self.breaks: dict[int, int] = {}
        self.gap = UNKNOWN  # ordinal of the first packet behind the last gap
        self.phrases = 0  # that were told
        self.of_phrase = np.zeros(FEW, np.int64)  # the symbol of each
        self.recent_steps = Recent(2, place_bits=STEP_PLACE_BITS)
        self.refused = Refusals()
        self.gaps: list[int] = []  # in the batch at hand
        self.lost: list[tuple[int, int]] = []  # in it: sides of connections and ordinals

    # ------------------------------------------------------------------ one batch

    def follow(self, said: Said, seed: int) -> None:
        """Count the steps of what was said in one batch, or in a part of one."""
        if said.left:
            self._leave()
        self.gaps += said.gaps
        self.lost += said.lost
        columns = said.columns[:, np.argsort(said.columns[POSITION])]
        columns[SYMBOL] = self._symbols(columns[PHRASE], said)
        over = columns[SYMBOL] == REFUSED
        self.refused.note_all(columns[TIME, over], columns[POSITION, over] >> PART_BITS)
        if over.any():
            columns = columns[:, ~over]
        if self._follow(_Talk(columns, self.of_symbol), seed):
            return
        minute = columns[STEADY] // MINUTE_NS  # where places lack, batches must have no say in them
        for one in np.unique(minute).tolist():
            self._let_go(one * MINUTE_NS - SILENCE_NS)
            talk = _Talk(columns[:, minute == one], self.of_symbol)
            self._follow(talk.of_lanes(self._placed(talk)), seed)

    def _follow(self, talk: "_Talk", seed: int) -> bool:
        """Whether there is room for all lanes; nothing is counted if not."""
        if len(self.lanes) + len({*talk.names} - self.lanes.keys()) > LANES:
            return False
        if talk.names:
            self._count(talk, self._steps(talk, seed))
        return True

    def _let_go(self, since: int) -> None:
        """Forget lanes of connections on which nothing was said any more: they begin anew."""
        self.lanes = {
            name: place
            for name, place in self.lanes.items()
            if name[0] == UNKNOWN or place[3] >= since
        }

    def _placed(self, talk: "_Talk") -> Mask:
        """Which lanes have a place, where there is none for all: who comes first has one."""
        first = np.argsort(talk.said[POSITION, talk.heads])
        new = dict.fromkeys(talk.names[at] for at in first.tolist())
        room = max(LANES - len(self.lanes), 0)
        some = {*islice((name for name in new if name not in self.lanes), room)}
        return np.array([name in some or name in self.lanes for name in talk.names], np.bool_)

    def _steps(self, talk: "_Talk", seed: int) -> I64:
        """The step that each unit makes, UNKNOWN where it makes none."""
        said, heads = talk.said, talk.heads
        now, ordinal = said[SYMBOL], said[POSITION] >> PART_BITS
        before, earlier, since = (np.empty_like(now) for _ in range(3))
        before[1:], earlier[2:], since[1:] = now[:-1], now[:-2], ordinal[:-1]
        ends = np.append(heads[1:], len(now)) - 1
        serial = talk.serial[heads]
        first = np.where(talk.began, START, UNKNOWN)
        columns = heads, serial, first, talk.goes_on[heads]
        for name, at, mine, begin, since_when in zip(
            talk.names, *(column.tolist() for column in columns), strict=True
        ):
            last = self.lanes.get(name)
            if last is None or last[-1] != mine or last[3] < since_when:
                last = begin, begin, UNKNOWN, 0, mine
            earlier[at], before[at], since[at] = last[:3]
        second = heads[heads < ends] + 1
        earlier[second] = before[second - 1]
        cut = self._cut(talk.speaker, since, ordinal)
        before[cut] = earlier[cut] = UNKNOWN
        behind = np.flatnonzero(cut[:-1] & ~talk.starts[1:]) + 1
        earlier[behind] = UNKNOWN
        lasts = before[ends], now[ends], ordinal[ends], said[STEADY, ends], serial
        self.lanes.update(
            zip(talk.names, zip(*(one.tolist() for one in lasts), strict=True), strict=True)
        )
        number = np.full(len(now), UNKNOWN)
        some = np.flatnonzero((before >= 0) & (earlier >= 0))
        number[some] = self._numbers(
            earlier[some], before[some], now[some], said[POSITION, some], seed
        )
        return number

    def _cut(self, speaker: I64, since: I64, ordinal: I64) -> Mask:
        """Before which units something is missing; ``since``: the unit before on the lane."""
        cut = np.zeros(len(speaker), np.bool_)
        for gap in [self.gap, *self.gaps]:
            cut |= (since < gap) & (gap <= ordinal)
        lost = [*self.breaks.items(), *self.lost]
        if lost:
            end, at = np.array(lost, np.int64).T
            # Numbers of connections grow for ever: a word has room for their ranks alone.
            sides, rank = np.unique(end, return_inverse=True)
            places = np.sort(rank << PLACE_BITS | at)
            own = np.minimum(np.searchsorted(sides, speaker), len(sides) - 1)
            mine, own = sides[own] == speaker, own << PLACE_BITS
            upto = np.searchsorted(places, own | ordinal, side="right")
            before = np.searchsorted(places, own | np.maximum(since, 0), side="right")
            cut |= mine & (upto > before)
        return np.asarray(cut & (since >= 0), np.bool_)

    def _leave(self) -> None:
        """A batch is over: only the last of what was missing counts for what comes."""
        if self.gaps:
            self.gap, self.gaps = max(self.gaps), []
        for end, at in self.lost:
            self.breaks.pop(end, None)
            self.breaks[end] = at
        self.lost = []
        while len(self.breaks) > BREAKS:
            del self.breaks[next(iter(self.breaks))]

    def _count(self, talk: "_Talk", number: I64) -> None:
        """Count steps; ``number``: of each unit."""
        order = np.argsort(talk.said[POSITION])
        number, time, ordinal = number[order], talk.said[TIME, order], talk.said[POSITION, order]
        ordinal = ordinal >> PART_BITS
        over = number == REFUSED
        self.refused.note_all(time[over], ordinal[over])
        some = np.flatnonzero(number >= 0)
        if not len(some):
            return
        number, time, size = number[some], time[some], len(self.index)
        seen = np.stack([time, ordinal[some]], axis=1)
        count = np.bincount(number, minlength=size)
        ends = np.empty(size, np.int64)
        table, place = self.table, np.arange(len(number))
        ends[number[::-1]] = place[::-1]  # the last one written stays
        new = np.flatnonzero((count > 0) & (table["count"][:size] == 0))
        table["first"][new] = seen[ends[new]]
        ends[number] = place
        touched = np.flatnonzero(count)
        table["last"][touched] = seen[ends[touched]]
        table["count"][touched] += count[touched]
        table["changed"][touched] = True
        hour = time // HOUR_NS
        if hour.min() == hour.max():
            number, hour, counts = touched, hour[:1], count[touched]
        else:
            counts = np.ones(len(number), np.int64)
        words, sort = self._words(number, hour), table["sort"][number]
        for at, name in enumerate(SORTS):  # steps of several sorts may have the same word
            mine = np.flatnonzero(sort == at)
            if len(mine):
                self.rhythms.add(f"order_{name}", words[mine], counts[mine])

    def _words(self, number: I64, hour: I64) -> I64:
        table = self.table
        where: I64 = table["channel"][number] << HOUR_BITS | hour
        ranked: I64 = where << BUCKET_BITS | table["rank"][number]
        return ranked

    # ------------------------------------------------------------------ steps by number

    def _numbers(self, earlier: I64, before: I64, now: I64, position: I64, seed: int) -> I64:
        words = [(earlier << 32 | before).view(np.uint64), now.view(np.uint64)]

        def enter(rows: I64) -> I64:
            order = np.argsort(position[rows], kind="stable")  # who comes first is kept
            columns = (column[rows[order]].tolist() for column in (earlier, before, now))
            triples = list(zip(*columns, strict=True))
            known = list(map(self.index.get, map(_key, triples)))
            number = np.empty(len(rows), np.int64)
            number[order] = [
                self._enter(triple) if one is None else one
                for triple, one in zip(triples, known, strict=True)
            ]
            self._fill()
            return number

        return self.recent_steps.numbers(words, seed, enter)

    def _enter(self, triple: Triple) -> int:
        known = self.index.get(_key(triple))
        if known is not None:
            return known
        stream = self.names[triple[2]][0]
        if self.ranks[stream] >= FURTHER:
            triple = (UNKNOWN, UNKNOWN, stream)
            if _key(triple) in self.index:
                return self.index[_key(triple)]
        if len(self.index) >= self.cap:
            return REFUSED
        return self._add(triple, stream)

    def _add(self, triple: Triple, stream: int) -> int:
        number = self.index[_key(triple)] = len(self.index)
        if triple[0] == UNKNOWN:
            self.new.append((triple, FURTHER, *self.channels[stream]))
        else:
            self.new.append((triple, self.ranks[stream], *self.channels[stream]))
            self.ranks[stream] += 1
        return number

    def _fill(self) -> None:
        """Make room for new steps, all at once."""
        begin, end = len(self.index) - len(self.new), len(self.index)
        self.table = with_room(self.table, end)
        if self.new:
            for name, column in zip(OF_STEP, zip(*self.new, strict=True), strict=True):
                self.table[name][begin:end] = column
            self.new = []

    # ------------------------------------------------------------------ symbols

    def _symbols(self, phrase: I64, said: Said) -> I64:
        """The symbol of each phrase; ``phrase``: by position."""
        if said.anew:
            self.phrases = 0
        begin, self.phrases = self.phrases, self.phrases + len(said.new)
        self.of_phrase = with_room(self.of_phrase, self.phrases)
        new = np.flatnonzero(phrase >= begin)
        numbers, first = np.unique(phrase[new], return_index=True)
        for number in numbers[np.argsort(first)].tolist():  # who comes first is kept
            self.of_phrase[number] = self._symbol(*said.new[number - begin])
        return self.of_phrase[phrase]

    def _symbol(self, stream: Stream, name: str) -> int:
        number = self._stream(stream)
        if number < 0:
            return REFUSED
        key = (number, name)
        if key not in self.symbols and self.ranks[number] >= FURTHER:
            key = (number, "")  # no step of it will have a rank
        if key not in self.symbols:
            self.symbols[key] = new = len(self.names)
            self.names.append(key)
            self.of_symbol = with_room(self.of_symbol, new + 1)
            self.of_symbol[new] = number, SORTS.index(stream[3])
        return self.symbols[key]

    def _stream(self, name: Stream) -> int:
        if name not in self.streams and len(self.stream_names) >= self.cap:
            return REFUSED
        return self._known_stream(name)

    def _known_stream(self, name: Stream) -> int:
        """The number of a stream that has a place."""
        if name not in self.streams:
            self.streams[name] = len(self.stream_names)
            self.stream_names.append(name)
            self.ranks.append(0)
            self.channels.append((self.rhythms.number(name[:3]), SORTS.index(name[3])))
        return self.streams[name]

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int) -> Iterator[Row]:
        """Rows of the table `step` that changed since the last call."""
        changed = np.flatnonzero(self.table["changed"])
        self.table["changed"][changed] = False
        keys = tuple(self.table[name][changed] for name in ("rank", "sort", "channel"))
        changed = changed[np.lexsort(keys)]  # as the store has them: a third quicker
        return drawn(partial(self._rows, source), changed)

    def _rows(self, source: int, changed: I64) -> list[Row]:
        table = self.table[changed]
        columns = (table[name].tolist() for name in ("symbols", "rank", "count", "first", "last"))
        return [
            (source, *self._told(*symbols), rank, count, *first, *last)
            for symbols, rank, count, first, last in zip(*columns, strict=True)
        ]

    def _told(self, earlier: int, before: int, now: int) -> tuple[int | str, ...]:
        """Stream and messages of a step."""
        if earlier == UNKNOWN:
            return (*self.stream_names[now], "", "", "")
        stream, name = self.names[now]
        return (*self.stream_names[stream], self.names[earlier][1], self.names[before][1], name)

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        stats = []
        for _, *name, earlier, before, now, rank, count, begin, first, end, last in rows:
            stream = self._known_stream((name[0], name[1], name[2], name[3]))
            triple = (UNKNOWN, UNKNOWN, stream)
            if rank != FURTHER:
                triple = (
                    self._numbered(stream, earlier),
                    self._numbered(stream, before),
                    self._numbered(stream, now),
                )
            self._add(triple, stream)
            stats.append((rank, count, begin, first, end, last))
        self._fill()
        if stats:
            told = np.array(stats, np.int64)
            table = self.table[: len(stats)]
            table["rank"], table["count"] = told[:, 0], told[:, 1]
            table["first"], table["last"] = told[:, 2:4], told[:, 4:]

    def _numbered(self, stream: int, name: str) -> int:
        return self._symbol(self.stream_names[stream], name) if name else START

    def dump(self) -> dict[str, Any]:
        """What the store's table does not hold; no batch is at hand."""
        self._leave()
        return {
            "streams": [list(name) for name in self.stream_names],
            "lanes": [
                [line, stream, *map(self._name, place[:2]), *place[2:]]
                for (line, stream), place in self.lanes.items()
            ],
            "breaks": [list(pair) for pair in self.breaks.items()],
            "gap": self.gap,
        }

    def _name(self, symbol: int) -> str | int:
        return self.names[symbol][1] if symbol > 0 else symbol

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave, after `restore`."""
        numbers = [self._known_stream((one[0], one[1], one[2], one[3])) for one in state["streams"]]
        for line, at, *names, ordinal, steady, serial in state["lanes"]:
            stream = numbers[at]
            earlier, before = (
                one if isinstance(one, int) else self._symbol(self.stream_names[stream], one)
                for one in names
            )
            self.lanes[line, stream] = earlier, before, ordinal, steady, serial
        self.breaks = dict(state["breaks"])
        self.gap = state["gap"]


def _key(triple: Triple) -> int:
    """The symbols of a step as one number: as a tuple they take three times the memory."""
    earlier, before, now = triple
    return (earlier << WORD_BITS | before) << WORD_BITS | now


class _Talk:
    """What was said in a batch, or some of it, lane by lane in order."""

    def __init__(self, said: I64, of_symbol: I64) -> None:
        """``said``: as columns, in order; ``of_symbol``: stream and sort of each symbol."""
        stream, sort = of_symbol[said[SYMBOL]].T
        serial = np.where(sort == CHANGES, UNKNOWN, said[SERIAL])
        lane = (serial + 1) << 32 | stream
        order = np.argsort(lane, kind="stable")
        self.said, self.serial = said[:, order], serial[order]
        self.starts = np.diff(lane[order], prepend=-1) != 0
        # since when a lane must have been heard to go on, the same for a whole minute; those of a
        # conversation always do
        goes_on = self.said[STEADY] // MINUTE_NS * MINUTE_NS - SILENCE_NS
        self.goes_on = np.where(self.serial == UNKNOWN, 0, goes_on)
        self.starts[1:] |= self.said[STEADY, :-1] < self.goes_on[1:]
        self.heads = np.flatnonzero(self.starts)
        whole = self.serial[self.heads] == UNKNOWN  # of the conversation
        line = np.where(whole, UNKNOWN, self.said[LINE, self.heads])
        self.names = list(zip(line.tolist(), stream[order[self.heads]].tolist(), strict=True))
        party = self.said[PARTY]
        self.began = (party[self.heads] >> BEGAN != 0) & ~whole
        says = party & 1 ^ (sort[order] == TELLS)
        self.speaker = self.said[SERIAL] << 1 | says

    def of_lanes(self, mine: Mask) -> "_Talk":
        """Some of its lanes."""
        left, rows = copy(self), mine[np.cumsum(self.starts) - 1]
        left.said, left.serial, left.starts = (
            self.said[:, rows],
            self.serial[rows],
            self.starts[rows],
        )
        left.heads = np.flatnonzero(left.starts)
        left.names = list(compress(self.names, mine.tolist()))
        left.began, left.speaker = self.began[mine], self.speaker[rows]
        left.goes_on = self.goes_on[rows]
        return left
