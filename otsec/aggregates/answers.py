"""Are there more answers than questions? Of protocols in which each request has one answer at most.

An order consumer: it works in columns over the units of a batch and what is carried of each TCP
connection. Requests count up and answers down; who put answers of his own into a connection has
made the sum go below what it was. It is looked at only where a request comes behind a short
silence, so that frames which changed places on their way to the tap do not count. A connection
that was picked up in its middle, whose first bytes nobody understood, or of which something was
lost, is on probation: what was asked before that may still be answered. A late answer, or one of
two to a request that was sent again, has its request, and an answer whose request the capture
lacks stands behind a loss.
"""

from collections.abc import Sequence

import numpy as np

from otsec.aggregates.following import (
    CONVERSATION,
    EPOCH,
    OWN,
    POSITION,
    SERIAL,
    STEADY,
    TALK,
    TIME,
    Following,
    columns,
)
from otsec.aggregates.sequences import SPEAKERS
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.protocols.api import Protocol, Side
from otsec.streams.connections import SYN_SEEN

QUIET_NS = 20 * 10**6  # behind such a silence nothing is under way to the tap
PROBATION_NS = 60 * 10**9  # as long as a request may wait for its answer
FAR = 1 << 40  # more than any sum

STEP, UNTIL = range(OWN, OWN + 2)
# STEP: 1 asks, -1 answers, of what is carried the sum; UNTIL: when probation ends


class Answers(Following):
    """Ordered: follows the connections of one source in which each request has one answer."""

    def add(self, protocol: Protocol, parts: Sequence[Calls], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        if protocol.one_answer:
            self.follow(protocol, [_read(part, table) for part in parts])

    def _judge(self, protocol: Protocol, rows: I64, fresh: Mask) -> I64:
        lost = self.losses.before(rows[SERIAL], rows[POSITION])
        left, told = _judged(rows, fresh, lost)
        for conversation, count, time, position in told.T.tolist():
            key = conversation, protocol.name, SPEAKERS[Side.RESPONSE], "unasked"
            seen = time, position >> PART_BITS
            self.sequences.note(key, count, seen, seen)
        return left


def _read(part: Calls, table: Header) -> I64:
    """The units of streams whose side is known."""
    row = np.flatnonzero((part.slot >= 0) & (part.side != Side.UNKNOWN))
    row = row[table["stream"][part.slot[row]]]
    slot = part.slot[row]
    begun = (table["reason"][slot] == SYN_SEEN) & (table["tried"][slot] == 0)
    step = np.where(part.side[row] == Side.REQUEST, 1, -1)
    return columns(part, table, row, step, np.where(begun, 0, part.steady[row] + PROBATION_NS))


def _judged(rows: I64, fresh: Mask, lost: I64) -> tuple[I64, I64]:
    """The last unit of each connection, and what was answered too often.

    The latter as columns of conversation, count, time and position of the last answer.
    """
    heads = np.diff(rows[TALK], prepend=-1) != 0
    which, first = rows[TALK], np.flatnonzero(heads)
    until = _until(rows, fresh, heads, lost)
    before = np.cumsum(rows[STEP]) - rows[STEP]  # without this unit, of all connections so far
    before -= before[first][which]
    quiet = fresh & ~heads & (rows[STEP] > 0)
    quiet &= np.diff(rows[STEADY], prepend=0) >= QUIET_NS
    # the least sum so far of each connection, where it may be looked at; none is above 0
    least = np.where(quiet, np.minimum(before, 0), 0) - which * FAR
    least = np.minimum.accumulate(least) + which * FAR
    drop = -np.diff(least, prepend=0)
    at = np.flatnonzero(quiet & (drop > 0) & (rows[STEADY] >= until))
    told = np.stack([rows[CONVERSATION, at], drop[at], rows[TIME, at - 1], rows[POSITION, at - 1]])
    ends = np.append(first[1:], rows.shape[1]) - 1
    last = rows[:, ends]
    last[STEP] += before[ends] - least[ends]
    last[UNTIL] = until[ends]
    return last, told


def _until(rows: I64, fresh: Mask, heads: Mask, lost: I64) -> I64:
    """When the probation of each unit's connection ends; a loss begins another one."""
    again = lost > np.append(-1, rows[POSITION, :-1])
    again |= np.diff(rows[EPOCH], prepend=-1) != 0
    again &= fresh & ~heads
    begins = np.maximum.accumulate(np.where(heads | again, np.arange(rows.shape[1]), 0))
    ends: I64 = np.where(again, rows[STEADY] + PROBATION_NS, rows[UNTIL])
    return ends[begins]
