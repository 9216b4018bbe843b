"""What a client does with a server: one operation on one object of one device, with its outcome.

Each is counted with its times; what is notable is also kept one by one; values go to the cells.
"""

import json
from array import array
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from otsec.aggregates.bouts import CLASS, Bouts
from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.facts import Facts, Told
from otsec.aggregates.held import Held
from otsec.aggregates.rhythms import BUCKET_BITS, HOUR_BITS, Rhythms, histograms
from otsec.aggregates.sums import Sums, summed
from otsec.aggregates.values import Cells
from otsec.columns import FEW, I64, bucket, ranges, with_room
from otsec.exchanges.cache import Content
from otsec.exchanges.calls import Occurrences
from otsec.exchanges.recent import Recent
from otsec.nanoseconds import HOUR_NS
from otsec.protocols.api import Elements

MANY_OBJECTS = "(many)"  # stands for objects that there was no room to tell apart
NOTABLE = frozenset({"control", "program", "mode", "firmware", "config", "file", "time", "session"})
CHANGING = frozenset({"write", "control", "program", "mode", "firmware", "config"})
SETTING = frozenset({"write", "control"})  # of these the packets of extreme values are kept
SPREAD = 4  # packets are remembered of occurrences 4, 16, 64, ...

TOLD = ("count", "first", "last", "response", "interval", "request_time")  # in the store
STATS = np.dtype(
    [
        ("count", "<i8"),
        ("first", "<i8", (2,)),  # time and ordinal
        ("last", "<i8", (2,)),
        ("response", "<i8", (4,)),  # count, least, greatest, sum, in microseconds
        ("interval", "<i8", (4,)),
        ("request_time", "<i8"),  # of the last request
        ("request_epoch", "<i8"),
        ("hour", "<i8"),  # of the last notable event
        ("events", "<i8"),  # kept in that hour
        ("channel", "<i8"),  # of rhythms
        ("block", "<i8"),  # of cells; -1 none, UNASKED not known yet
        ("notable", "?"),  # its occurrences are events
        ("changing", "?"),  # they change something
        ("followed", "?"),  # their bouts are kept
        ("watched", "?"),  # it was asked whether its values are watched
        ("watch", "<i8"),  # which of them is; -1 none
        ("changed", "?"),
    ]
)
UNASKED = -2
Key = tuple[int, str, str, str, str, str, str]
# conversation, protocol, device, operation, class, object, outcome


class Behaviours:
    """Ordered: the behaviours of one source."""

    def __init__(
        self,
        cap: int,
        events_per_hour: int,
        cells: Cells,
        facts: Facts,
        routine: frozenset[tuple[str, str]],
        telling: frozenset[tuple[str, str]],
        held: Held,
        bouts: Bouts,
    ) -> None:
        """``routine``: protocol and operation of what is no event unless it fails.

        ``telling``: of what is one whatever its class.
        """
        self.cap, self.events_per_hour = cap, events_per_hour
        self.routine, self.telling = routine, telling
        self.cells, self.facts = cells, facts
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.notes: list[str] = []
        self.packets: dict[int, array[int]] = {}
        self.table = np.zeros(FEW, STATS)
        self.known: dict[str, dict[int, int]] = {}  # by protocol, of conversation and content
        self.recent: dict[str, Recent] = {}  # by protocol, the same, of those seen last
        self.refused = Refusals()
        self.events: dict[tuple[int, int, str, int], Row] = {}
        # packet, part, time and connection of the first
        self.capped: dict[int, tuple[int, int, int, int]] = {}
        self.spread = {"response_us": Sums(), "interval_us": Sums()}
        self.rhythms, self.held, self.bouts = Rhythms(), held, bouts

    # ------------------------------------------------------------------ one batch

    def add(self, told: Sequence[Told]) -> None:
        """Count the exchanges of one batch, protocol by protocol."""
        told = [one for one in told if len(one[-1])]
        if len(told) > 1 and not (self._has_room(told) and self.facts.has_room(told)):
            self._admit(told)
        lots = [self._add_protocol(one) for one in told]
        carried = [
            _Carried(contents, found, own)
            for (_, contents, found), own in zip(told, lots, strict=True)
            if found.values
        ]
        self._give_blocks(carried)
        for one in carried:
            self._keep_values(one)

    def _has_room(self, told: Sequence[Told]) -> bool:
        return len(self.keys) + sum(len(found) for *_, found in told) <= self.cap

    def _admit(self, told: Sequence[Told]) -> None:
        """Give the last places, for behaviours and facts, to who comes first of all protocols."""
        new: list[tuple[int, int, int, int]] = []  # position, of which protocol, row, pair
        for at, (protocol, _, found) in enumerate(told):
            known = self.known.setdefault(protocol, {})
            names, first = np.unique(found.pairs(), return_index=True)
            columns = found.position[first].tolist(), first.tolist(), names.tolist()
            new += [
                (position, at, row, name)
                for position, row, name in zip(*columns, strict=True)
                if name not in known
            ]
        for _, at, row, name in sorted(new):
            one = told[at]
            if self._meet(one, row, name) >= 0 and one[-1].tells[row]:
                self.facts.meet(one, row, name)

    def _add_protocol(self, told: Told) -> "Lots":
        found = told[-1]
        row_number = self._numbers(told)
        self._note_refused(found, row_number)
        order = np.argsort(row_number, kind="stable")
        order = order[row_number[order] >= 0]
        inorder = row_number[order]
        start = np.flatnonzero(np.diff(inorder, prepend=-1))
        lots = Lots(inorder[start], start, np.diff(start, append=len(order)), order)
        if not len(order):
            return lots
        before = self.table["count"][lots.number].copy()
        self._count(found, lots)
        self._count_changes(found, lots)
        self._intervals(found, lots)
        self._responses(found, lots)
        self._remember(found, lots, before)
        self.facts.add(told, np.flatnonzero(found.tells & (row_number >= 0)))
        self._notable(found, lots)
        self._follow(found, lots)
        return lots

    def _note_refused(self, found: Occurrences, number: I64) -> None:
        """Count the exchanges that have no behaviour of their own."""
        rows = np.flatnonzero((number < 0) | (number >= self.cap))
        self.refused.note_all(found.time[rows], found.ordinal[rows])

    def _numbers(self, told: Told) -> I64:
        """The behaviour of each exchange, -1 where there is no room.

        Contents that differ only in what is not part of a behaviour share its number.
        """
        protocol, _, found = told
        known = self.known.setdefault(protocol, {})
        if len(known) > 2 * self.cap:
            known.clear()
        recent = self.recent.setdefault(protocol, Recent(1))
        pairs = found.pairs()

        def enter(rows: I64) -> I64:
            names, first, which = np.unique(pairs[rows], return_index=True, return_inverse=True)
            number = list(map(known.get, names.tolist()))
            new = [at for at, one in enumerate(number) if one is None]
            for at in sorted(new, key=first.tolist().__getitem__):  # who comes first is kept
                row, name = int(rows[first[at]]), int(names[at])
                number[at] = self._meet(told, row, name)
            return np.array(number, np.int64)[which]

        return recent.numbers([pairs], 0, enter)

    def _meet(self, told: Told, row: int, name: int) -> int:
        """The number of a conversation and content, by their ``name``, that come in a row."""
        protocol, contents, found = told
        said, conversation = contents[int(found.content[row])], int(found.conversation[row])
        number = self._enter(protocol, conversation, said) if said else -1
        self.known[protocol][name] = number
        return number

    def forget_contents(self, protocol: str) -> None:
        """Numbers of contents became void."""
        self.known.pop(protocol, None)
        self.recent.pop(protocol, None)
        self.facts.forget_contents(protocol)

    def _enter(self, protocol: str, conversation: int, content: Content) -> int:
        key = _key(conversation, protocol, content)
        known = self.index.get(key)
        if known is not None:
            return known
        if len(self.keys) < self.cap:
            return self._add(key, content.message.note)
        for room, stand_in in (
            (self.cap // 4, (*key[:5], MANY_OBJECTS, key[6])),
            (self.cap // 2, (*key[:2], MANY_OBJECTS, MANY_OBJECTS, key[4], MANY_OBJECTS, "")),
        ):
            if stand_in in self.index:
                return self.index[stand_in]
            if len(self.keys) < self.cap + room:
                return self._add(stand_in, "")
        return -1

    def _add(self, key: Key, note: str) -> int:
        number = self.index[key] = len(self.keys)
        self.keys.append(key)
        self.notes.append(note)
        self.table = with_room(self.table, number + 1)
        self.table["block"][number] = UNASKED
        self.table["notable"][number] = self._event_kind(key) != ""
        self.table["channel"][number] = self.rhythms.number(key[:3])
        self.table["changing"][number] = key[4] in CHANGING and key[6] in {"ok", ""}
        self.table["followed"][number] = self.bouts.follows and key[4] == CLASS
        return number

    def _count(self, found: Occurrences, lots: "Lots") -> None:
        table, number = self.table, lots.number
        ordinal, time = found.ordinal[lots.order], found.time[lots.order]
        lowest = np.minimum.reduceat(ordinal, lots.start)
        highest = np.maximum.reduceat(ordinal, lots.start)
        begin = np.stack([_at(time, ordinal, lowest, lots), lowest], axis=1)
        end = np.stack([_at(time, ordinal, highest, lots), highest], axis=1)
        new = (table["count"][number] == 0) | (begin[:, 1] < table["first"][number, 1])
        table["first"][number[new]] = begin[new]
        later = (table["count"][number] == 0) | (end[:, 1] > table["last"][number, 1])
        table["last"][number[later]] = end[later]
        table["count"][number] += lots.count
        table["changed"][number] = True

    def _count_changes(self, found: Occurrences, lots: "Lots") -> None:
        """Count by the hour what changes something."""
        some = np.flatnonzero(self.table["changing"][lots.number])
        if not len(some):
            return
        rows = lots.order[ranges(lots.start[some], lots.count[some])]
        channel = np.repeat(self.table["channel"][lots.number[some]], lots.count[some])
        hour = found.time[rows] // HOUR_NS
        self.rhythms.add(
            "changes", (channel << HOUR_BITS | hour) << BUCKET_BITS, np.ones_like(hour)
        )

    def _intervals(self, found: Occurrences, lots: "Lots") -> None:
        table, number = self.table, lots.number
        time, epoch = found.time[lots.order], found.epoch[lots.order]
        before, before_epoch = np.empty_like(time), np.empty_like(epoch)
        before[1:], before_epoch[1:] = time[:-1], epoch[:-1]
        before[lots.start] = table["request_time"][number]
        before_epoch[lots.start] = np.where(
            table["interval"][number, 0] < 0, -1, table["request_epoch"][number]
        )
        fresh = table["count"][number] == lots.count
        before_epoch[lots.start[fresh]] = -1
        last = lots.start + lots.count - 1
        table["request_time"][number] = time[last]
        table["request_epoch"][number] = epoch[last]
        measured = before_epoch == epoch
        apart = np.maximum(time - before, 0) // 1000
        self._summarise("interval", lots, measured, apart, time)

    def _responses(self, found: Occurrences, lots: "Lots") -> None:
        took = found.response_ns[lots.order]
        self._summarise("response", lots, took >= 0, took // 1000, found.time[lots.order])

    def _summarise(self, name: str, lots: "Lots", measured: Any, value: I64, time: I64) -> None:
        """Add the measured values to count, least, greatest, sum and histograms."""
        rows = np.flatnonzero(measured)
        if not len(rows):
            return
        lot = lots.of_rows()[rows]
        value = value[rows]
        start = np.flatnonzero(np.diff(lot, prepend=-1))
        number = lots.number[lot[start]]
        stats = self.table[name]
        count = np.diff(start, append=len(lot))
        none = stats[number, 0] == 0
        least, most = np.minimum.reduceat(value, start), np.maximum.reduceat(value, start)
        stats[number, 1] = np.where(none, least, np.minimum(stats[number, 1], least))
        stats[number, 2] = np.where(none, most, np.maximum(stats[number, 2], most))
        stats[number, 0] += count
        stats[number, 3] += np.add.reduceat(value, start)
        codes = lots.number[lot] << BUCKET_BITS | bucket(value)
        self.spread[f"{name}_us"].add(_hourly(codes, time[rows]))

    def _remember(self, found: Occurrences, lots: "Lots", before: I64) -> None:
        """Keep the packets of occurrences 4, 16, 64, ... of each behaviour."""
        after = before + lots.count
        power = _power(before)
        crossed = np.flatnonzero(_power(after) > power)
        nth = SPREAD ** (power[crossed] + 1)
        while len(crossed):
            row = lots.order[lots.start[crossed] + nth - 1 - before[crossed]]
            for number, packet in zip(
                lots.number[crossed].tolist(), found.ordinal[row].tolist(), strict=True
            ):
                self.packets.setdefault(number, array("q")).append(packet)
            nth *= SPREAD
            more = nth <= after[crossed]
            crossed, nth = crossed[more], nth[more]

    # ------------------------------------------------------------------ values

    def _keep_values(self, carried: "_Carried") -> None:
        found, order, heads, counts = carried.found, carried.order, carried.heads, carried.counts
        if not len(order):
            return
        number, tails = carried.number, heads + counts - 1
        block = self.table["block"][number]
        kept = np.flatnonzero(block >= 0)
        fresh = kept[self.cells.blocks["count"][block[kept]] == 0]
        self._note_blocks(found, block, (carried.first, order[tails]), counts, fresh, kept)
        block_of = np.repeat(block, counts)
        is_first, is_last = np.zeros((2, len(order)), np.bool_)
        is_first[heads[fresh]] = is_last[tails[kept]] = True
        for values in found.values:
            row_of = np.full(len(found), -1)
            row_of[values.occurrence] = np.arange(len(values.occurrence))
            row = row_of[order]
            mine = np.flatnonzero((row >= 0) & (block_of >= 0))
            at = order[mine]
            self.cells.add(
                *(values, row[mine], block_of[mine], is_first[mine], is_last[mine]),
                np.stack([found.time[at], found.ordinal[at]], axis=1),
            )
        self._keep_tails(found, order, block_of)
        if self.held.watch is not None:
            self._watch(found, order, number, heads, counts)

    def _watch(self, found: Occurrences, order: I64, number: I64, heads: I64, counts: I64) -> None:
        """Give the watched element its values; ``order``: occurrences by behaviour, ``number``."""
        table, blocks = self.table, self.cells.blocks
        for name in number[~table["watched"][number]].tolist():
            block, key = int(table["block"][name]), self.keys[name]
            table["watched"][name], table["watch"][name] = True, -1
            if block >= 0:
                span = (int(blocks["first_element"][block]), int(blocks["size"][block]))
                space = self.cells.spaces[block]
                table["watch"][name] = self.held.place(key[0], key[2], space, *span)
        for lot in np.flatnonzero(table["watch"][number] >= 0).tolist():
            begin, at = int(heads[lot]), int(table["watch"][number[lot]])
            mine = order[begin : begin + int(counts[lot])]
            kind = int(blocks["type"][table["block"][number[lot]]])
            value = np.zeros(len(found), np.int64)
            has = np.zeros(len(found), np.bool_)
            for values in found.values:
                rows = np.flatnonzero(
                    np.isin(values.occurrence, mine) & (values.count > at) & (values.type == kind)
                )
                value[values.occurrence[rows]] = self.cells.element(values, rows, at, kind)
                has[values.occurrence[rows]] = True
            mine = mine[has[mine]]
            if len(mine):
                seen = np.stack([found.time[mine], found.ordinal[mine]], axis=1)
                self.held.add(int(number[lot]), kind, value[mine], seen, found.epoch[mine])

    def _keep_tails(self, found: Occurrences, order: I64, block: I64) -> None:
        """Where values of a block differ in number, what the later ones do not reach stays."""
        size = np.zeros(len(found), np.int64)
        for values in found.values:
            size[values.occurrence] = values.count
        size = np.where(block >= 0, np.minimum(size[order], self.cells.blocks["size"][block]), 0)
        same = block[1:] == block[:-1]
        uneven = np.unique(block[1:][same & (size[1:] < size[:-1]) & (block[1:] >= 0)])
        for one in uneven.tolist():
            covered = 0
            for at in np.flatnonzero(block == one)[::-1].tolist():
                if covered and size[at] > covered:
                    for values in found.values:
                        for row in np.flatnonzero(values.occurrence == order[at]).tolist():
                            self.cells.put_last(values, row, one, covered)
                covered = max(covered, int(size[at]))

    def _give_blocks(self, carried: Sequence["_Carried"]) -> None:
        """Give behaviours that have none a block of cells; who comes first is kept."""
        new: list[tuple[int, int, int, int]] = []  # position, of which protocol, row, behaviour
        for at, one in enumerate(carried):
            some = np.flatnonzero(self.table["block"][one.number] == UNASKED)
            rows = one.first[some]
            columns = one.found.position[rows].tolist(), rows.tolist(), one.number[some].tolist()
            new += [(position, at, row, name) for position, row, name in zip(*columns, strict=True)]
        for _, at, row, name in sorted(new):
            self.table["block"][name] = self._block(carried[at], row, name)

    def _block(self, carried: "_Carried", row: int, name: int) -> int:
        """A block for the values of a behaviour, which first come in a row; -1: there is none."""
        found = carried.found
        elements = _elements(carried.contents[int(found.content[row])])
        if elements is None or self.keys[name][5] == MANY_OBJECTS:
            return -1
        block = self.cells.room(
            *(elements.space, elements.first, elements.count, int(carried.kind[row])),
            traced=self.keys[name][4] in SETTING,
        )
        if block < 0:
            self.cells.refused.note(1, int(found.time[row]), int(found.ordinal[row]))
        return block

    def _note_blocks(
        self,
        found: Occurrences,
        block: I64,
        ends: tuple[I64, I64],
        count: I64,
        fresh: I64,
        kept: I64,
    ) -> None:
        first, last = ends
        table = self.cells.blocks
        for name, rows, at in (("first", first, fresh), ("last", last, kept)):
            seen = np.stack([found.time[rows[at]], found.ordinal[rows[at]]], axis=1)
            table[name][block[at]] = seen
        table["count"][block[kept]] += count[kept]

    # ------------------------------------------------------------------ one by one

    def _notable(self, found: Occurrences, lots: "Lots") -> None:
        for lot in np.flatnonzero(self.table["notable"][lots.number]).tolist():
            begin = int(lots.start[lot])
            rows = lots.order[begin : begin + int(lots.count[lot])]
            self._events(found, rows, int(lots.number[lot]))

    def _follow(self, found: Occurrences, lots: "Lots") -> None:
        for lot in np.flatnonzero(self.table["followed"][lots.number]).tolist():
            begin = int(lots.start[lot])
            rows = lots.order[begin : begin + int(lots.count[lot])]
            seen = np.stack([found.time[rows], found.ordinal[rows]], axis=1)
            self.bouts.add(int(lots.number[lot]), seen, found.epoch[rows])

    def _event_kind(self, key: Key) -> str:
        """How an occurrence of a behaviour is notable; empty if it is not."""
        _, protocol, _, operation, cls, _, outcome = key
        if outcome not in {"ok", ""}:
            return "failure"
        if (protocol, operation) in self.routine:
            return ""
        if cls == "session":
            return "session"
        return "operation" if cls in NOTABLE or (protocol, operation) in self.telling else ""

    def _events(self, found: Occurrences, rows: I64, number: int) -> None:
        """Keep occurrences of one behaviour one by one, so many an hour; count the others."""
        stats, key = self.table[number], self.keys[number]
        conversation, kind = key[0], self._event_kind(key)
        hour, kept = int(stats["hour"]), int(stats["events"])
        columns = found.time, found.ordinal, found.part, found.single
        for time, packet, part, single in zip(
            *(column[rows].tolist() for column in columns), strict=True
        ):
            if time // HOUR_NS != hour:
                hour, kept = time // HOUR_NS, 0
                self.capped.pop(number, None)
            kept += 1
            if kept <= self.events_per_hour:
                self.events[packet, part, kind, number] = (
                    packet, part, time, conversation, number, kind, 1, single,
                )  # fmt: skip
            else:
                *at, first = self.capped.setdefault(number, (packet, part, time, single))
                self.events[at[0], at[1], "capped", number] = (
                    *at, conversation, number, "capped", kept - self.events_per_hour, first,
                )  # fmt: skip
        stats["hour"], stats["events"] = hour, kept

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int) -> dict[str, Iterable[Row]]:
        """Rows of the tables behaviour, histogram, value and event that changed.

        To be drawn before the next batch: there may be very many.
        """
        changed = np.flatnonzero(self.table["changed"])
        self.table["changed"] = False
        carrying = changed[self.table["block"][changed] >= 0]
        rows: dict[str, Iterable[Row]] = {
            "behaviour": drawn(partial(self._rows, source), changed),
            "histogram": self._histograms(source),
            "rhythm": self.rhythms.take_rows(source),
            "value": drawn(partial(self._value_rows, source), carrying),
            "event": [(source, *row) for row in self.events.values()],
            "held": self.held.take_rows(source),
            "bout": self.bouts.take_rows(source),
        }
        self.events.clear()
        return rows

    def _rows(self, source: int, numbers: I64) -> list[Row]:
        stats = self.table[numbers]
        columns = (stats[name].tolist() for name in TOLD)
        none = array("q")
        return [
            (
                source, number, *self.keys[number], count, *first, *last,
                str(self.packets.get(number, none).tolist()),  # integers: JSON as well
                *response, *interval, request_time, self.notes[number],
            )
            for number, count, first, last, response, interval, request_time
            in zip(numbers.tolist(), *columns, strict=True)
        ]  # fmt: skip

    def _histograms(self, source: int) -> Iterable[Row]:
        """What is to be added to the table `histogram`; at once to `rhythm`, by the hour."""
        parts: list[Iterable[Row]] = []
        for kind, sums in self.spread.items():
            if (told := sums.take()) is None:
                continue
            (code, count), size = told, HOUR_BITS + BUCKET_BITS
            number, rest = code >> size, code & (1 << size) - 1
            self.rhythms.add(kind, self.table["channel"][number] << size | rest, count)
            whole = number << BUCKET_BITS | code & (1 << BUCKET_BITS) - 1
            merged = summed(np.stack([whole, count]))
            parts.append(_spread_rows(source, kind, *merged))
        return chain.from_iterable(parts)

    def _value_rows(self, source: int, numbers: I64) -> Iterable[Row]:
        cells, which = self.cells, self.table["block"][numbers]
        whole = [
            column.astype("<i8", copy=False)
            for column in (cells.minimum, cells.maximum, cells.first, cells.last)
        ]
        blocks = cells.blocks[which].tolist()
        for number, block, told in zip(numbers.tolist(), which.tolist(), blocks, strict=True):
            base, size, element, kind, count, first, last, _ = told
            trace = cells.trace(block).astype("<i8", copy=False)
            yield (
                source, number, cells.spaces[block], element, kind,
                *(column[base : base + size].tobytes() for column in whole), count, *first, *last,
                trace[:, 0].tobytes(), trace[:, 1].tobytes(),
            )  # fmt: skip

    def restore(self, rows: Iterable[tuple[Any, ...]], values: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds of the tables behaviour and value, in order of number."""
        for row in rows:
            _, number, conversation, protocol, device, operation, cls, what, outcome = row[:9]
            if number < 0:  # open when it was written; it waits in the state
                continue
            key: Key = conversation, protocol, device, operation, cls, what, outcome
            if self._add(key, row[-1]) != number:
                raise ValueError(f"behaviour {number} is out of order")
            stats = self.table[number]
            stats["count"], stats["first"], stats["last"] = row[9], row[10:12], row[12:14]
            kept = json.loads(row[14])
            if kept:
                self.packets[number] = array("q", kept)
            stats["response"], stats["interval"] = row[15:19], row[19:23]
            stats["request_time"] = row[23]
        for _, number, space, first, kind, least, most, begin, last, count, *seen in values:
            size = len(least) // 8
            traced = self.keys[number][4] in SETTING
            block = self.cells.room(space, first, size, kind, traced=traced)
            self.table["block"][number] = block
            self.cells.blocks[["count", "first", "last"]][block] = (count, seen[:2], seen[2:4])
            for side, blob in enumerate(seen[4:]):
                if blob:  # a store of an older version has none
                    self.cells.trace(block)[:, side] = np.frombuffer(blob, "<i8").reshape(-1, 2)
            at = int(self.cells.blocks["base"][block])
            for name, blob in zip(
                ("minimum", "maximum", "first", "last"), (least, most, begin, last), strict=True
            ):
                getattr(self.cells, name)[at : at + size] = np.frombuffer(blob, "<i8")

    def begin_anew(self) -> None:
        """Go on without what `dump` gave, after `restore`: no interval reaches back."""
        self.table["request_epoch"][: len(self.keys)] = -1

    def dump(self) -> dict[str, Any]:
        """What the store's tables do not hold."""
        count = len(self.keys)
        names = ("request_epoch", "hour", "events")
        return {
            **{name: self.table[name][:count].copy() for name in names},
            "capped": [[number, list(name)] for number, name in self.capped.items()],
            "held": self.held.dump(),
            "bouts": self.bouts.runs.dump(),
            "blockless": np.flatnonzero(self.table["block"][:count] == -1),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave, after `restore`."""
        for name in ("request_epoch", "hour", "events"):
            self.table[name][: len(self.keys)] = state[name]
        self.capped = {number: tuple(name) for number, name in state["capped"]}
        self.table["block"][state["blockless"]] = -1
        self.held.load(state["held"])
        self.bouts.runs.load(state["bouts"])


class Lots:
    """Occurrences brought together by behaviour, each lot in order of completion."""

    __slots__ = ("count", "number", "order", "start")

    def __init__(self, number: I64, start: I64, count: I64, order: I64) -> None:
        self.number, self.start, self.count, self.order = number, start, count, order

    def of_rows(self) -> I64:
        """The lot of each position in `order`."""
        return np.repeat(np.arange(len(self.number)), self.count)


class _Carried:
    """Occurrences of a protocol that carry values, those of a behaviour one behind the other."""

    def __init__(self, contents: Sequence[Content | None], found: Occurrences, lots: Lots) -> None:
        self.contents, self.found = contents, found
        self.kind = np.full(len(found), -1, np.int64)  # of the values of each occurrence
        for values in found.values:
            self.kind[values.occurrence] = values.type
        carries = np.flatnonzero(self.kind[lots.order] >= 0)
        lot = lots.of_rows()[carries]
        self.order = lots.order[carries]
        self.heads = np.flatnonzero(np.diff(lot, prepend=-1))
        self.counts = np.diff(self.heads, append=len(lot))
        self.number, self.first = lots.number[lot[self.heads]], self.order[self.heads]


def _key(conversation: int, protocol: str, content: Content) -> Key:
    said = content.message
    return (
        conversation, protocol, said.device, said.operation, said.cls, said.object, said.outcome,
    )  # fmt: skip


def open_rows(
    source: int,
    protocol: str,
    contents: Sequence[Content | None],
    found: Occurrences,
    used: int,
) -> list[Row]:
    """Requests that wait, as rows of the table `behaviour` that the next checkpoint replaces.

    They have numbers below zero, the first one behind ``used`` others.
    """
    lots: dict[Key, list[int]] = {}
    for row in np.argsort(found.ordinal, kind="stable").tolist():
        content = contents[int(found.content[row])]
        if content is None:
            continue
        key = _key(int(found.conversation[row]), protocol, content)
        lots.setdefault(key, []).append(row)
    return [
        (
            source, -number, *key, len(rows),
            int(found.time[rows[0]]), int(found.ordinal[rows[0]]),
            int(found.time[rows[-1]]), int(found.ordinal[rows[-1]]),
            "[]", *(0,) * 8, int(found.time[rows[-1]]), "",
        )
        for number, (key, rows) in enumerate(lots.items(), used + 1)
    ]  # fmt: skip


def _at(time: I64, ordinal: I64, wanted: I64, lots: Lots) -> I64:
    """The time of the occurrence with the wanted ordinal, for each lot."""
    hit = np.flatnonzero(ordinal == np.repeat(wanted, lots.count))
    lot = lots.of_rows()[hit]
    return time[hit[np.flatnonzero(np.diff(lot, prepend=-1))]]


def _spread_rows(source: int, kind: str, word: I64, count: I64) -> Iterable[Row]:
    return ((source, number, kind, buckets) for number, buckets in histograms(word, count))


def _power(count: I64) -> I64:
    """How many of SPREAD, SPREAD squared, ... are at most count."""
    return np.searchsorted(_POWERS, count, side="right")


_POWERS = np.array([SPREAD**n for n in range(1, 31)])


def _tally(codes: I64) -> I64:
    """Distinct codes and how often each comes; shape (2, n)."""
    code, count = np.unique(codes, return_counts=True)
    return np.stack([code, count])


def _hourly(codes: I64, time: I64) -> I64:
    """Distinct codes with the hour before the bucket, and how often each comes; shape (2, n)."""
    low = (1 << BUCKET_BITS) - 1
    hour = int(time.min()) // HOUR_NS
    if hour != int(time.max()) // HOUR_NS:
        split = (codes >> BUCKET_BITS) << HOUR_BITS | time // HOUR_NS
        return _tally(split << BUCKET_BITS | codes & low)
    tally = _tally(codes)
    split = (tally[0] >> BUCKET_BITS) << HOUR_BITS | hour
    tally[0] = split << BUCKET_BITS | tally[0] & low
    return tally


def _elements(content: Content | None) -> Elements | None:
    return content.message.elements if content else None
