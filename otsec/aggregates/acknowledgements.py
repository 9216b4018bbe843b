"""Whether both sides of a connection acknowledge what was sent, and in time.

An order consumer: it works in columns over the units of a batch and the few that it carries over
of earlier ones: of each side the last one, the last one that acknowledges, and what the partner
sent and has no answer to. Nothing is judged across bytes that the capture lacks: a unit behind
them, or one whose number does not follow, begins another *span* of its side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from otsec.aggregates.following import (
    EPOCH,
    OWN,
    POSITION,
    SERIAL,
    SIDE,
    STEADY,
    TALK,
    Following,
    columns,
)
from otsec.aggregates.sequences import NEAR_NS
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import Calls
from otsec.protocols.api import Acknowledging, Protocol, Side, Split

REACH = 32  # units that wait and whose times are remembered; the usual windows are 8 and 12
SLACK_NS = 10**9  # who acknowledges may have seen a unit so much later than the tap did

SENT, UPTO, SPAN, OPEN = range(OWN, OWN + 4)
# SPAN: of its side, by number; OPEN: what was told already of the unit that waits
LATE = ("w", "t2", "t1", "k")  # verdicts that last until the next acknowledgement: bits of OPEN
OF_PARTNER = frozenset({"k", "acks_unsent"})  # whose fault the unit of the other side shows
SWITCHED = {"t2": "t1"}  # the first is not told where the second is


class Acknowledgements(Following):
    """Ordered: follows the connections of one source whose sides acknowledge one another."""

    def add(self, protocol: Protocol, cut: Sequence[tuple[Calls, Split]], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        rules = protocol.acknowledging
        if rules is not None:
            self.follow(protocol, [_read(rules, part, split, table) for part, split in cut])

    def _judge(self, protocol: Protocol, rows: I64, fresh: Mask) -> I64:
        assert protocol.acknowledging is not None  # noqa: S101 - `add` looked
        lost = self.losses.of_side(rows[SERIAL], rows[SIDE], rows[POSITION])
        talk = _Talk(protocol.acknowledging, rows, fresh, lost)
        for verdict, told in talk.verdicts().items():
            units = talk.rows[:, told]
            if verdict in OF_PARTNER:
                units[SIDE] = 1 - units[SIDE]
            self._tell(protocol, verdict, units)
        return talk.left()


def _read(rules: Acknowledging, part: Calls, split: Split, table: Header) -> I64:
    sent, upto = rules.read(part.units(), split)
    rows = np.flatnonzero((part.slot >= 0) & (part.side != Side.UNKNOWN))
    none = np.zeros(len(rows), np.int64)
    return columns(part, table, rows, sent[rows], upto[rows], none, none)


@dataclass(frozen=True)
class _Lookup:
    """Some rows of a table, to be asked for the last one of a lane before another row."""

    rows: I64
    key: I64  # ascending

    def before(self, key: I64) -> I64:
        """Position in ``rows`` of the last one below each key, -1: there is none at all."""
        return np.searchsorted(self.key, key) - 1


class _Talk:
    """The units of some connections, lane by lane in order; a lane is one side of one."""

    def __init__(self, rules: Acknowledging, rows: I64, fresh: Mask, lost: I64) -> None:
        """``lost``: of each row the last position up to it in front of which its side lacks bytes."""
        self.rules, self.count = rules, rows.shape[1]
        lane = rows[TALK] * 2 + rows[SIDE]
        order = np.argsort(lane, kind="stable")
        self.rows, self.new, self.lane = rows[:, order], fresh[order], lane[order]
        rank = np.empty(self.count, np.int64)
        rank[np.argsort(self.rows[POSITION], kind="stable")] = np.arange(self.count)
        self.key = self.lane * self.count + rank
        self.across = (self.lane ^ 1) * self.count + rank  # the same moment on the partner's lane
        self.sent = self._those(self.rows[SENT] >= 0)
        self.acks = self._those(self.rows[UPTO] >= 0)
        self._number_spans(lost[order])
        self._judge_waiting()

    def _those(self, wanted: Mask) -> _Lookup:
        rows = np.flatnonzero(wanted)
        return _Lookup(rows, self.key[rows])

    def _last(self, those: _Lookup, key: I64, lane: I64) -> I64:
        """The last row of a lane among those below a key; -1: none."""
        at = those.before(key)
        if not len(those.rows):
            return np.full(len(key), -1)
        found = those.rows[np.maximum(at, 0)]
        return np.where((at >= 0) & (self.lane[found] == lane), found, -1)

    @cached_property
    def previous(self) -> I64:
        """The row before each one on its lane; -1: none."""
        before = np.arange(-1, self.count - 1)
        before[np.diff(self.lane, prepend=-1) != 0] = -1
        return before

    def _ahead(self, one: I64, other: I64) -> I64:
        """How far one number is ahead of another, below 0 where it is behind."""
        half = self.rules.modulus // 2
        return np.asarray((one - other + half) % self.rules.modulus - half)

    def _number_spans(self, missing: I64) -> None:
        """Fill in SPAN of the new rows: one more with each loss on their lane."""
        rows, before = self.rows, self.previous
        broken = (rows[EPOCH] != rows[EPOCH, before]) | (missing > rows[POSITION, before])
        broken &= before >= 0
        told = self.sent.rows
        follows = np.zeros(len(told), np.bool_)
        follows[1:] = self._ahead(rows[SENT, told[1:]], rows[SENT, told[:-1]]) == 1
        heads = np.diff(self.lane[told], prepend=-1) != 0
        broken[told[~follows & ~heads]] = True
        broken &= self.new
        lost = np.cumsum(broken)
        # what the lane had when this batch began: the last carried row before each new one
        carried = self._those(~self.new)
        base = self._last(carried, self.key, self.lane)
        first = np.flatnonzero(self.previous < 0)
        start = np.repeat(lost[first] - broken[first], np.diff(np.append(first, self.count)))
        known = np.where(base >= 0, rows[SPAN, base], 0)
        rows[SPAN] = np.where(self.new, known + lost - start, rows[SPAN])

    def _judge_waiting(self) -> None:
        """What waits for the acknowledgement that each row gives, or does not: fills in OPEN.

        ``asked``: the last acknowledgement of the lane before the row, -1 where there is none;
        ``partner``: the last unit that the partner had sent.
        """
        rows, rules = self.rows, self.rules
        self.asked = self._last(self.acks, self.key, self.lane)
        self.partner = self._last(self.sent, self.across, self.lane ^ 1)
        upto = rows[UPTO, self.asked]
        waiting = self._ahead(rows[SENT, self.partner] + 1, upto)
        sure = self.new & (self.asked >= 0) & (self.partner >= 0)
        sure &= rows[SPAN] == rows[SPAN, self.asked]
        since = self._waited(waiting, 0, upto, sure)
        told = {
            "k": sure & (waiting > rules.k),
            "t1": since > rules.t1_ns,
            "t2": since > rules.t2_ns,
            "w": self._waited(waiting, rules.w - 1, upto, sure) > SLACK_NS,
        }
        self.late = sum(np.where(told[verdict], 1 << bit, 0) for bit, verdict in enumerate(LATE))
        moves = (rows[UPTO] >= 0) & (rows[UPTO] != upto)  # then it is another one that waits
        rows[OPEN] = np.where(self.new, np.where(moves, 0, self.late), rows[OPEN])

    def _waited(self, waiting: I64, further: int, upto: I64, sure: Mask) -> I64:
        """How long the partner's unit waits whose number is so much further (ns); -1: unknown."""
        rows, sent = self.rows, self.sent
        back = waiting - 1 - further
        known = sure & (back >= 0) & (waiting <= REACH)
        if not known.any():
            return np.full(self.count, -1)
        number = np.zeros(self.count, np.int64)
        number[sent.rows] = np.arange(len(sent.rows))
        at = number[self.partner] - back
        known &= at >= 0
        unit = sent.rows[np.where(known, at, 0)]
        known &= rows[SENT, unit] == (upto + further) % self.rules.modulus
        known &= (self.lane[unit] == self.lane ^ 1) & (rows[EPOCH, unit] == rows[EPOCH])
        return np.where(known, rows[STEADY] - rows[STEADY, unit], -1)

    def verdicts(self) -> Mapping[str, I64]:
        """The new rows that show each verdict."""
        rows, before = self.rows, self.previous
        upto = rows[UPTO]
        told = np.where(before >= 0, rows[OPEN, before], 0)
        found = {verdict: (self.late & ~told & 1 << bit) != 0 for bit, verdict in enumerate(LATE)}
        for less, more in SWITCHED.items():
            found[less] &= ~found[more]
        found["acks_back"] = self.new & (upto >= 0) & (self.asked >= 0)
        found["acks_back"] &= self._ahead(upto, rows[UPTO, self.asked]) < 0
        found["acks_unsent"] = self._acknowledged_before()
        silent = self.new & (before >= 0) & (rows[SPAN] == rows[SPAN, before])
        found["t3"] = silent & (
            rows[STEADY] - rows[STEADY, before] > self.rules.t3_ns + self.rules.t1_ns
        )
        return {name: np.flatnonzero(mask) for name, mask in found.items() if mask.any()}

    def _acknowledged_before(self) -> Mask:
        """Units that the partner had acknowledged long before they were sent."""
        rows, units = self.rows, self.sent.rows
        found = np.zeros(self.count, np.bool_)
        if len(units) < 2:
            return found
        now, last = units[1:], units[:-1]
        ack = self._last(self.acks, self.across[now], self.lane[now] ^ 1)
        wrong = self.new[now] & (ack >= 0) & (self.lane[now] == self.lane[last])
        wrong &= rows[SPAN, now] == rows[SPAN, last]
        wrong &= self._ahead(rows[UPTO, ack], rows[SENT, now]) > 0
        wrong &= rows[STEADY, now] - rows[STEADY, ack] > NEAR_NS
        found[now[wrong]] = True
        return found

    def left(self) -> I64:
        """What the next batch must know of these connections."""
        behind = np.append(np.flatnonzero(np.diff(self.lane)), self.count - 1)
        lanes, end = self.lane[behind], (self.lane[behind] + 1) * self.count
        kept = np.zeros(self.count, np.bool_)
        kept[behind] = True
        ack = self._last(self.acks, end, lanes)
        kept[ack[ack >= 0]] = True
        number = np.arange(len(self.sent.rows))
        lane = self.lane[self.sent.rows]
        last = np.searchsorted(lane, lane, side="right") - 1
        kept[self.sent.rows[last - number < REACH]] = True
        return self.rows[:, kept]
