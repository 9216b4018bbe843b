"""Do the numbers of requests, answers and reports go on? Of protocols in which two stations share them.

An order consumer: it works in columns over the units of a batch and the last ones of each two
stations in earlier batches. Nothing is judged across packets that the capture lacks, nor of who
does not count: a station is held to its numbers once it has kept to them for a while, and only
where what it said before is settled, so that a retry, a late answer or one that was not captured
is no fault of anybody.
"""

from collections.abc import Sequence

import numpy as np

from otsec.aggregates.following import (
    EPOCH,
    OWN,
    POSITION,
    SERIAL,
    STEADY,
    TALK,
    Following,
    columns,
)
from otsec.aggregates.sequences import SPAN_NS, SPEAKERS
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.protocols.api import FIRST, FREE, LAST, Numbering, Protocol, Side, Turn
from otsec.streams.messages import Odd

TRUSTED = 3  # numbers in a row that went on, after which a station is held to it

TURN, NUMBER, BY, MARK, MARKS, STREAM, RUN = range(OWN, OWN + 7)
# MARKS: FIRST, LAST, FREE; STREAM: of TCP; RUN: numbers in a row that went on


class Dialogues(Following):
    """Ordered: follows the numbers of stations that ask, answer and report, of one source."""

    def add(self, protocol: Protocol, parts: Sequence[Calls], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        rules = protocol.numbering
        if rules is not None:
            self.follow(protocol, [_read(rules, part, table) for part in parts])

    def _judge(self, protocol: Protocol, rows: I64, fresh: Mask) -> I64:
        assert protocol.numbering is not None  # noqa: S101 - `add` looked
        lost = self.losses.before(rows[SERIAL], rows[POSITION])
        talk = _Talk(protocol.numbering, rows, fresh, lost)
        for verdict, told in talk.verdicts().items():
            self._tell(protocol, verdict, talk.rows[:, told])
        return talk.left()

    def judge_pieces(self, protocol: str, odd: Sequence[Odd], table: Header) -> None:
        """Pieces of messages whose numbers do not follow, where nothing between them was lost."""
        if not odd:
            return
        serial = table["serial"][[one.slot for one in odd]].astype(np.int64)
        position = np.array([one.packet for one in odd]) << PART_BITS
        lost = self.losses.before(serial, position)
        self.losses.note(serial, np.zeros_like(serial), position)  # of either side
        last: dict[int, int] = {}  # packet of the odd piece before, of each connection
        told = zip(odd, serial.tolist(), (lost >> PART_BITS).tolist(), strict=True)
        for one, end, missing in sorted(told, key=lambda piece: piece[0].packet):
            behind = max(missing, last.get(end, -1)) > one.before
            last[end], slot = one.packet, table[one.slot]
            if behind or not slot["stream"] or slot["client"] < 0:
                continue
            side = Side.REQUEST if one.side == slot["client"] else Side.RESPONSE
            key = int(slot["conversation"]), protocol, SPEAKERS[side], "segments"
            self.sequences.note(key, 1, (one.time, one.packet), (one.time, one.packet))


def _read(rules: Numbering, part: Calls, table: Header) -> I64:
    """The units that are numbered."""
    told = rules.read(part.units())
    mine = (part.slot[told.unit] >= 0) & (part.side[told.unit] != Side.UNKNOWN)
    unit = told.unit[mine]
    own = (
        told.turn[mine], told.number[mine], told.by[mine], told.mark[mine].view(np.int64),
        told.marks[mine], table["stream"][part.slot[unit]], np.zeros(len(unit), np.int64),
    )  # fmt: skip
    return columns(part, table, unit, *own, pair=told.pair[mine])


class _Talk:
    """The units of some connections, pair by pair in order."""

    def __init__(self, rules: Numbering, rows: I64, fresh: Mask, lost: I64) -> None:
        """``lost``: of each row the last position up to it in front of which something lacks."""
        self.rules, self.rows, self.new, self.lost = rules, rows, fresh, lost
        self.count = rows.shape[1]
        starts = np.diff(rows[TALK], prepend=-1) != 0
        self.heads = np.maximum.accumulate(np.where(starts, np.arange(self.count), 0))
        self.ask, self.answer, self.report, self.confirmed = (
            self._before(rows[TURN] == turn) for turn in Turn
        )
        self._follow()

    def _before(self, those: Mask) -> I64:
        """The last of some rows in front of each one, of the same pair; -1: none."""
        at = np.where(those, np.arange(self.count), -1)
        last = np.maximum.accumulate(np.append(-1, at[:-1]))
        return np.where(last >= self.heads, last, -1)

    def _asked_by(self) -> I64:
        """The last request of who asks, whomever of the connection it asked; -1: none."""
        rows = np.flatnonzero(self.rows[TURN] == Turn.ASKS)
        rows = rows[np.lexsort(self.rows[[POSITION, BY, SERIAL]][:, rows])]
        last = np.full(self.count, -1)
        same = (self.rows[[SERIAL, BY]][:, rows[1:]] == self.rows[[SERIAL, BY]][:, rows[:-1]]).all(
            axis=0
        )
        last[rows[1:][same]] = rows[:-1][same]
        return last

    def _near(self, before: I64) -> Mask:
        """Whether nothing was lost between each row and one before it."""
        rows = self.rows
        near = (before >= 0) & (rows[EPOCH] == rows[EPOCH, before])
        near &= rows[STEADY] - rows[STEADY, before] <= SPAN_NS
        return np.asarray(near & (self.lost <= rows[POSITION, before]))

    def _step(self, before: I64) -> I64:
        """How far each number is ahead of another; -1 where that is not known."""
        step = (self.rows[NUMBER] - self.rows[NUMBER, before]) % self.rules.modulus
        return np.where(self._near(before), step, -1)

    def _follow(self) -> None:
        """Which numbers go on, and for how long they have; fills in RUN."""
        rows = self.rows
        asks = rows[TURN] == Turn.ASKS
        self.previous = np.where(
            asks, self.ask, np.where(rows[TURN] == Turn.REPORTS, self.report, -1)
        )
        self.step = self._step(self.previous)
        same = (self.step == 0) & (rows[MARK] == rows[MARK, self.previous])
        goes = (self.step == 1) | same | ((self.step >= 0) & (rows[MARKS] & FREE > 0))
        # behind an answer in parts the number goes on from its last one; and some count their
        # requests over all stations of a line
        goes |= asks & ((self._step(self.answer) == 1) | (self._step(self._asked_by()) == 1))
        self.goes = goes
        for turn in (Turn.ASKS, Turn.REPORTS):
            self._count_runs(np.flatnonzero(rows[TURN] == turn))

    def _count_runs(self, rows: I64) -> None:
        if not len(rows):
            return
        at, new = np.arange(len(rows)), self.new[rows]
        known = np.where(new, 0, self.rows[RUN, rows])
        begins = ~new | ~self.goes[rows] | (self.previous[rows] < 0)  # who begins has no run yet
        anchor = np.maximum.accumulate(np.where(begins, at, 0))
        moved = np.cumsum(~begins & (self.step[rows] != 0))  # what is sent once more proves nothing
        self.rows[RUN, rows] = known[anchor] + moved - moved[anchor]

    def _settled(self) -> Mask:
        """Whether what was asked, or reported, before each row was answered in full, or confirmed."""
        rows, answer = self.rows, self.answer
        whole = rows[MARKS, answer] & LAST > 0
        late = (rows[MARKS, answer] & FIRST > 0) & (rows[NUMBER, answer] != rows[NUMBER, self.ask])
        answered = (answer > self.ask) & (self.ask >= 0) & whole & ~late
        confirmed = (self.confirmed > self.report) & (self.report >= 0)
        confirmed &= rows[NUMBER, self.confirmed] == rows[NUMBER, self.report]
        return np.asarray(np.where(rows[TURN] == Turn.ASKS, answered, confirmed))

    def verdicts(self) -> dict[str, I64]:
        """The new rows that show each verdict."""
        rows = self.rows
        speaks = self.new & (self.step >= 0) & (rows[RUN, self.previous] >= TRUSTED)
        wrong = speaks & ~self.goes & self._settled()
        repeats = self.new & (self.step == 0) & (rows[MARK] == rows[MARK, self.previous])
        found = {
            "reuses": wrong & (self.step == 0),
            "jumps": wrong & (self.step != 0) & (rows[STREAM] > 0),
            "repeats": repeats & (rows[MARKS] & FREE == 0),
            "answers_again": self._answered_otherwise(),
        }
        return {name: np.flatnonzero(mask) for name, mask in found.items() if mask.any()}

    def _answered_otherwise(self) -> Mask:
        """Whole answers to what was answered already, in other words."""
        rows, before = self.rows, self.answer
        whole = rows[MARKS] & (FIRST | LAST) == FIRST | LAST
        again = self.new & (rows[TURN] == Turn.ANSWERS) & whole & whole[before]
        again &= (self.ask >= 0) & (before > self.ask) & (self._step(self.ask) == 0)
        return np.asarray(again & (self._step(before) == 0) & (rows[MARK] != rows[MARK, before]))

    def left(self) -> I64:
        """What the next batch must know: the last unit of each turn, of each pair."""
        kept = np.zeros(self.count, np.bool_)
        for turn in Turn:
            rows = np.flatnonzero(self.rows[TURN] == turn)
            kept[rows[np.diff(self.heads[rows], append=-1) != 0]] = True
        return self.rows[:, kept]
