"""Are there more answers than questions? Of protocols in which each request has one answer at most.

An order consumer: it works in columns over the units of a batch and what is carried of each TCP
connection. Requests count up and answers down; who put answers of his own into a connection has
made the sum go below what it was. It is looked at only where a request comes behind a short
silence, so that frames which changed places on their way to the tap do not count. A connection
that was picked up in its middle, or lost bytes, is on probation: what was asked before that may
still be answered. A late answer, or one of two to a request that was sent again, has its request,
and an answer whose request the capture lacks stands behind a loss.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from otsec.aggregates.dialogues import Breaks
from otsec.aggregates.sequences import SPEAKERS, Sequences
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.protocols.api import Protocol, Side

CONNECTIONS = 4_096  # that are followed, of all protocols; who comes first is
QUIET_NS = 20 * 10**6  # behind such a silence nothing is under way to the tap
PROBATION_NS = 60 * 10**9  # as long as a request may wait for its answer
VERDICT = "unasked"
SYN = 4  # position in `streams.connections.REASONS`: the connection was seen to begin
FAR = 1 << 40  # more than any sum

SERIAL, POSITION, STEADY, TIME, CONVERSATION, STEP, UNTIL = range(7)
WIDTH = 7  # STEP: 1 asks, -1 answers, of what is carried the sum; UNTIL: when probation ends


class Answers:
    """Ordered: follows the connections of one source in which each request has one answer."""

    def __init__(self, sequences: Sequences) -> None:
        """``sequences``: where it is counted what does not go by the rules."""
        self.sequences = sequences
        self.carried: dict[str, I64] = {}  # of each protocol, the last unit of each connection
        self.breaks: dict[str, I64] = {}  # of each protocol since the last units: serial, position

    def note_breaks(self, protocol: str, breaks: I64) -> None:
        """Something was lost in front of some positions; columns of serial and position."""
        known = self.breaks.get(protocol, breaks[:, :0])  # of these the last ones are enough
        known = known[:, np.lexsort((-known[1], known[0]))]
        known = known[:, np.diff(known[0], prepend=-1) != 0]
        self.breaks[protocol] = np.concatenate([known, breaks], axis=1)

    def add(self, protocol: Protocol, parts: Sequence[Calls], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        if not protocol.one_answer or not parts:
            return
        new = np.concatenate([_read(part, table) for part in parts], axis=1)
        old = self.carried.get(protocol.name, new[:, :0])
        here = np.isin(old[SERIAL], new[SERIAL])
        rest, old = old[:, ~here], old[:, here]
        new = self._with_room(protocol.name, rest, old, new)
        if not new.shape[1]:
            return
        breaks = self.breaks.get(protocol.name, np.empty((2, 0), np.int64))
        last, told = _judged(old, new, Breaks(breaks))
        waits = ~np.isin(breaks[0], new[SERIAL])
        self.breaks[protocol.name] = breaks[:, waits]
        self.carried[protocol.name] = np.concatenate([rest, last], axis=1)
        for conversation, count, time, position in told.T.tolist():
            key = conversation, protocol.name, SPEAKERS[Side.RESPONSE], VERDICT
            seen = time, position >> PART_BITS
            self.sequences.note(key, count, seen, seen)

    def _with_room(self, protocol: str, rest: I64, old: I64, new: I64) -> I64:
        """The units of connections that are followed; serials ascend as connections begin."""
        others = sum(one.shape[1] for name, one in self.carried.items() if name != protocol)
        room = CONNECTIONS - others - rest.shape[1] - old.shape[1]
        fresh = np.setdiff1d(new[SERIAL], old[SERIAL])
        late = fresh[max(room, 0) :]
        return new if not len(late) else new[:, ~np.isin(new[SERIAL], late)]

    def forget(self, serials: I64) -> None:
        """Drop what is carried of connections that ended."""
        for kept in (self.carried, self.breaks):
            for name, one in kept.items():
                kept[name] = one[:, ~np.isin(one[0], serials)]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"carried": self.carried, "breaks": self.breaks}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.carried, self.breaks = state["carried"], state["breaks"]


def _read(part: Calls, table: Header) -> I64:
    """The units of streams whose side is known; shape (WIDTH, units)."""
    row = np.flatnonzero((part.slot >= 0) & (part.side != Side.UNKNOWN))
    row = row[table["stream"][part.slot[row]]]
    begun = table["reason"][part.slot[row]] == SYN
    columns = (
        part.serial[row], part.position[row], part.steady[row], part.time[row],
        part.conversation[row], np.where(part.side[row] == Side.REQUEST, 1, -1),
        np.where(begun, 0, part.steady[row] + PROBATION_NS),
    )  # fmt: skip
    return np.stack([column.astype(np.int64) for column in columns])


def _judged(old: I64, new: I64, breaks: Breaks) -> tuple[I64, I64]:
    """The last unit of each connection, and what was answered too often.

    The latter as columns of conversation, count, time and position of the last answer.
    """
    rows = np.concatenate([old, new], axis=1)
    order = np.lexsort((rows[POSITION], rows[SERIAL]))
    rows, fresh = rows[:, order], order >= old.shape[1]
    count = rows.shape[1]
    heads = np.diff(rows[SERIAL], prepend=-1) != 0
    which = np.cumsum(heads) - 1
    until = _until(rows, fresh, heads, breaks)
    sums = np.cumsum(rows[STEP])
    first = np.flatnonzero(heads)
    before = sums - rows[STEP]  # without this unit, of all connections so far
    before = before - before[first][which]
    quiet = fresh & ~heads & (rows[STEP] > 0)
    quiet &= np.diff(rows[STEADY], prepend=0) >= QUIET_NS
    # the least sum so far of each connection, where it may be looked at; none is above 0
    least = np.where(quiet, np.minimum(before, 0), 0) - which * FAR
    least = np.minimum.accumulate(least) + which * FAR
    drop = -np.diff(least, prepend=0)
    at = np.flatnonzero(quiet & (drop > 0) & (rows[STEADY] >= until))
    at = at[~heads[at]]
    told = np.stack([rows[CONVERSATION, at], drop[at], rows[TIME, at - 1], rows[POSITION, at - 1]])
    ends = np.append(first[1:], count) - 1
    last = rows[:, ends]
    last[STEP] = before[ends] + rows[STEP, ends] - least[ends]
    last[UNTIL] = until[ends]
    return last, told


def _until(rows: I64, fresh: Mask, heads: Mask, breaks: Breaks) -> I64:
    """When the probation of each unit's connection ends; a loss begins another one."""
    lost = breaks.before(rows[SERIAL], rows[POSITION])
    again = fresh & ~heads & (lost > np.append(-1, rows[POSITION, :-1]))
    begins = np.maximum.accumulate(np.where(heads | again, np.arange(rows.shape[1]), 0))
    ends: I64 = np.where(again, rows[STEADY] + PROBATION_NS, rows[UNTIL])
    return ends[begins]
