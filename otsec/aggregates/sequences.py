"""Do counters follow one another? Of senders that number what they send.

An order consumer: it works in columns over the units of a batch and remembers the last counter of
each lane. Whether a unit follows the one before it is for the protocol to say; that the capture
lost packets, or has them in another order than the wire had, is known here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from otsec.aggregates.counters import Tally
from otsec.columns import I64, Header
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.nanoseconds import MINUTE_NS
from otsec.protocols.api import (
    FOLLOWS,
    REPEATS,
    RETURNS,
    VERDICTS,
    Counting,
    Protocol,
    Side,
    Split,
)

SPAN_NS = 10 * MINUTE_NS  # counters further apart are not compared
NEAR_NS = 10**8  # within this two packets may change places on their way to a port
LANES = 65_536  # counters that are followed of a protocol; of those that begin later the first are

Lane = tuple[int, int, int]  # line of connections, Side, and what a protocol tells lanes apart by
Last = tuple[
    int, int, int, int
]  # its last counter, steady time and epoch, serial of the connection
NOTHING: Last = (0, 0, -1, -1)  # no epoch is below zero: follows whatever comes
Key = tuple[int, str, str, str]  # conversation, protocol, speaker, verdict
SPEAKERS = {Side.REQUEST: "client", Side.RESPONSE: "server", Side.UNKNOWN: "unknown"}

LINE, SIDE, LANE, POSITION, COUNTER, STEADY, EPOCH, SERIAL, CONVERSATION, TIME = range(10)


class Sequences(Tally[Key]):
    """Ordered: how often the counters of one source did not follow, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: dict[str, dict[Lane, Last]] = {}  # by protocol

    def add(self, protocol: Protocol, cut: Sequence[tuple[Calls, Split]], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        if protocol.counting is None:
            return
        columns = [_read(protocol.counting, part, split, table) for part, split in cut]
        rows = np.concatenate([np.empty((TIME + 1, 0), np.int64), *columns], axis=1)
        if len(self.lanes.setdefault(protocol.name, {})) + rows.shape[1] <= LANES:
            self._follow(protocol, rows)
            return
        minute = rows[STEADY] // MINUTE_NS  # where places lack, batches must have no say in them
        for one in np.unique(minute).tolist():
            self._let_go(protocol.name, one * MINUTE_NS - SPAN_NS)
            self._follow(protocol, rows[:, minute == one])

    def _let_go(self, protocol: str, since: int) -> None:
        """Forget lanes that were silent: they would be compared with nothing."""
        lanes = self.lanes[protocol]
        self.lanes[protocol] = {name: last for name, last in lanes.items() if last[1] >= since}

    def _follow(self, protocol: Protocol, rows: I64) -> None:
        """Compare each unit with the one before it on its lane."""
        if not rows.shape[1]:
            return
        rows = rows[:, np.lexsort((rows[POSITION], rows[LANE], rows[SIDE], rows[LINE]))]
        heads = np.ones(rows.shape[1], np.bool_)
        heads[1:] = (rows[:POSITION, 1:] != rows[:POSITION, :-1]).any(axis=0)
        before = np.empty_like(rows[COUNTER:CONVERSATION])
        before[:, 1:] = rows[COUNTER:CONVERSATION, :-1]
        self._recall(protocol.name, rows, np.flatnonzero(heads), before)
        odd, verdict = _judge(protocol, rows, before)
        if len(odd):
            self._count(protocol.name, rows[:, odd], verdict)

    def _recall(self, protocol: str, rows: I64, starts: I64, before: I64) -> None:
        """Fill in what came before the first of each lane; remember the last."""
        lanes = self.lanes[protocol]
        ends = np.append(starts[1:], rows.shape[1]) - 1
        names = rows[:POSITION, starts].T.tolist()
        lasts = rows[COUNTER:CONVERSATION, ends].T.tolist()
        for at in np.argsort(rows[POSITION, starts]).tolist():  # who comes first is kept
            name = tuple(names[at])
            before[:, starts[at]] = lanes.get(name, NOTHING)
            if name in lanes or len(lanes) < LANES:
                lanes[name] = tuple(lasts[at])
            else:  # nor are its units compared with one another
                before[:, starts[at] : ends[at] + 1] = np.array(NOTHING)[:, None]

    def _count(self, protocol: str, odd: I64, verdict: I64) -> None:
        kinds = np.stack([odd[CONVERSATION], odd[SIDE], verdict], axis=1)
        names, first, which = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
        which = which.ravel()
        count, last = np.bincount(which).tolist(), np.zeros(len(names), np.int64)
        last[which] = np.arange(len(which))
        seen = np.stack([odd[TIME], odd[POSITION] >> PART_BITS], axis=1)
        for at, (conversation, side, kind) in enumerate(names.tolist()):
            key = conversation, protocol, SPEAKERS[Side(side)], VERDICTS[kind]
            begin, end = seen[first[at]].tolist(), seen[last[at]].tolist()
            self.note(key, count[at], (begin[0], begin[1]), (end[0], end[1]))

    def note_units(self, protocol: str, verdict: str, units: I64) -> None:
        """Units that show a verdict; columns: conversation, side, time, position."""
        for conversation, side in np.unique(units[:2], axis=1).T.tolist():
            mine = units[2:, (units[0] == conversation) & (units[1] == side)]
            ends = mine[:, [mine[1].argmin(), mine[1].argmax()]]
            first, last = zip(ends[0].tolist(), (ends[1] >> PART_BITS).tolist(), strict=True)
            key = conversation, protocol, SPEAKERS[Side(side)], verdict
            self.note(key, mine.shape[1], first, last)

    def dump(self) -> dict[str, Any]:
        """What the store's table does not hold."""
        return {
            "lanes": [
                [protocol, *name, *last]
                for protocol, lanes in self.lanes.items()
                for name, last in lanes.items()
            ]
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for protocol, line, side, lane, *last in state["lanes"]:
            lanes = self.lanes.setdefault(protocol, {})
            lanes[line, side, lane] = (last[0], last[1], last[2], last[3])


def _read(counting: Counting, part: Calls, split: Split, table: Header) -> I64:
    """Of the units that have a counter: LINE to TIME; shape (TIME + 1, units)."""
    counts, lane, counter = counting.read(part.units(), split)
    rows = np.flatnonzero(counts & (part.slot >= 0))  # not what waited since an earlier batch
    columns = (
        table["line"][part.slot], part.side, lane.view(np.int64), part.position,
        counter.view(np.int64), part.steady, part.epoch, part.serial, part.conversation, part.time,
    )  # fmt: skip
    return np.stack([column[rows].astype(np.int64) for column in columns])


def _judge(protocol: Protocol, rows: I64, before: I64) -> tuple[I64, I64]:
    """The units that do not follow those before, in order, and their verdicts."""
    assert protocol.counting is not None  # noqa: S101 - the caller looked
    verdict = protocol.counting.verdict(before[0].view(np.uint64), rows[COUNTER].view(np.uint64))
    apart = rows[STEADY] - before[1]
    odd = (verdict != FOLLOWS) & (apart < protocol.counting.within_ns)
    odd &= (before[2] == rows[EPOCH]) & (before[3] == rows[SERIAL])
    if "tcp" not in protocol.transports:  # nothing puts its packets back in order
        odd &= (apart > NEAR_NS) | ((verdict != RETURNS) & (verdict != REPEATS))
    some = np.flatnonzero(odd)
    some = some[np.argsort(rows[POSITION, some], kind="stable")]
    return some, verdict[some].astype(np.int64)
