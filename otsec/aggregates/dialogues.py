"""Do the numbers of requests, answers and reports go on? Of protocols in which two stations share them.

An order consumer: it works in columns over the units of a batch and the last ones of each two
stations in earlier batches. Nothing is judged across packets that the capture lacks, nor of who
does not count: a station is held to its numbers once it has kept to them for a while, and only
where what it said before is settled, so that a retry, a late answer or one that was not captured
is no fault of anybody.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from otsec.aggregates.sequences import SPAN_NS, SPEAKERS, Sequences
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import NEVER, PART_BITS, Calls
from otsec.protocols.api import FIRST, FREE, LAST, Numbering, Protocol, Side, Turn
from otsec.streams.messages import Odd

PAIRS = 4_096  # two stations on a connection that are followed, of all protocols
TRUSTED = 3  # numbers in a row that went on, after which a station is held to it

SERIAL, PAIR, POSITION, SIDE, TURN, NUMBER, BY, MARK, MARKS = range(9)
STREAM, STEADY, EPOCH, CONVERSATION, TIME, RUN = range(9, 15)
WIDTH = 15  # MARKS: FIRST, LAST, FREE; STREAM: of TCP; RUN: numbers in a row that went on


class Dialogues:
    """Ordered: follows the numbers of stations that ask, answer and report, of one source."""

    def __init__(self, sequences: Sequences) -> None:
        """``sequences``: where it is counted what does not go by the rules."""
        self.sequences = sequences
        self.carried: dict[str, I64] = {}  # of each protocol, columns as above
        # behind which packet something was lost last, of connections: serial, position
        self.breaks: dict[str, I64] = {}

    def note_breaks(self, protocol: str, breaks: I64) -> None:
        """Something was lost in front of some positions; columns of serial and position."""
        known = self.breaks.get(protocol, breaks[:, :0])
        self.breaks[protocol] = np.concatenate([known, breaks], axis=1)

    def add(self, protocol: Protocol, parts: Sequence[Calls], table: Header) -> None:
        """Take the units of one protocol in one batch; ``table``: of connections."""
        if protocol.numbering is None or not parts:
            return
        new = np.concatenate([_read(protocol.numbering, part, table) for part in parts], axis=1)
        old = self.carried.get(protocol.name, new[:, :0])
        here = np.isin(old[SERIAL], new[SERIAL])
        rest, old = old[:, ~here], old[:, here]
        new = self._with_room(protocol.name, rest, old, new)
        breaks = self.breaks.get(protocol.name, np.empty((2, 0), np.int64))
        talk = _Talk(protocol.numbering, old, new, _Breaks(breaks))
        self.carried[protocol.name] = np.concatenate([rest, talk.left()], axis=1)
        for verdict, rows in talk.verdicts().items():
            told = talk.rows[:, rows][[CONVERSATION, SIDE, TIME, POSITION]]
            self.sequences.note_units(protocol.name, verdict, told)

    def judge_pieces(self, protocol: str, odd: Sequence[Odd], table: Header) -> None:
        """Pieces of messages whose numbers do not follow, where nothing between them was lost."""
        if not odd:
            return
        known = self.breaks.get(protocol, np.empty((2, 0), np.int64))
        breaks, own = _Breaks(known), []
        for one in odd:
            slot = table[one.slot]
            serial = np.array([int(slot["serial"])])
            position = np.array([one.packet << PART_BITS])
            own.append((int(serial[0]), int(position[0])))
            lost = int(breaks.before(serial, position)[0]) > one.before << PART_BITS
            if lost or not slot["stream"] or slot["client"] < 0:
                continue
            side = Side.REQUEST if one.side == slot["client"] else Side.RESPONSE
            key = int(slot["conversation"]), protocol, SPEAKERS[side], "segments"
            self.sequences.note(key, 1, (one.time, one.packet), (one.time, one.packet))
        self.note_breaks(protocol, np.array(own).T)

    def end(self) -> None:
        """Leave the batch: of what was lost on a connection only the last is needed."""
        for name, breaks in self.breaks.items():
            last = breaks[:, np.lexsort((-breaks[1], breaks[0]))]
            self.breaks[name] = last[:, np.diff(last[0], prepend=-1) != 0]

    def _with_room(self, protocol: str, rest: I64, old: I64, new: I64) -> I64:
        """The units of pairs that are followed; who comes first is."""
        others = sum(_number(one) for name, one in self.carried.items() if name != protocol)
        room = PAIRS - others - _number(rest) - _number(old)
        names, which = np.unique(
            np.concatenate([old, new], axis=1)[: PAIR + 1], axis=1, return_inverse=True
        )
        which = which.ravel()
        fresh = np.ones(names.shape[1], np.bool_)
        fresh[which[: old.shape[1]]] = False
        if int(fresh.sum()) <= room:
            return new
        begun = np.full(names.shape[1], NEVER)
        np.minimum.at(begun, which[old.shape[1] :], new[POSITION])
        late = np.flatnonzero(fresh)[np.argsort(begun[fresh], kind="stable")[max(room, 0) :]]
        return new[:, ~np.isin(which[old.shape[1] :], late)]

    def forget(self, serials: I64) -> None:
        """Drop what is carried of connections that ended."""
        for kept in (self.carried, self.breaks):
            for name, one in kept.items():
                kept[name] = one[:, ~np.isin(one[SERIAL], serials)]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"carried": self.carried, "breaks": self.breaks}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.carried, self.breaks = state["carried"], state["breaks"]


def _number(rows: I64) -> int:
    return len(np.unique(rows[: PAIR + 1], axis=1).T)


def _read(rules: Numbering, part: Calls, table: Header) -> I64:
    """The units that are numbered; shape (WIDTH, units)."""
    told = rules.read(part.units())
    mine = (part.slot[told.unit] >= 0) & (part.side[told.unit] != Side.UNKNOWN)
    unit = told.unit[mine]
    columns = (
        part.serial[unit], told.pair[mine], part.position[unit], part.side[unit], told.turn[mine],
        told.number[mine], told.by[mine], told.mark[mine].view(np.int64), told.marks[mine],
        table["stream"][part.slot[unit]], part.steady[unit], part.epoch[unit],
        part.conversation[unit], part.time[unit], np.zeros(len(unit)),
    )  # fmt: skip
    return np.stack([column.astype(np.int64) for column in columns])


class _Breaks:
    """Where something was lost, to be asked for the last one before some units."""

    def __init__(self, breaks: I64) -> None:
        """``breaks``: columns of serial and position."""
        self.breaks = breaks[:, np.lexsort(breaks[::-1])]

    def before(self, serial: I64, position: I64) -> I64:
        """Position of the last one of each connection up to each position; -1: none."""
        count = self.breaks.shape[1]
        if not count:
            return np.full(len(serial), -1)
        both = np.concatenate([self.breaks, np.stack([serial, position])], axis=1)
        kind = np.arange(both.shape[1]) >= count  # a break stands in front of its packet's units
        order = np.lexsort((kind, both[1], both[0]))
        seen = np.maximum.accumulate(np.where(kind[order], -1, order))
        last = np.empty(both.shape[1], np.int64)
        last[order] = seen
        last = last[count:]
        found = (last >= 0) & (self.breaks[0, last] == serial)
        return np.where(found, self.breaks[1, last], -1)


class _Talk:
    """The units of some connections, pair by pair in order."""

    def __init__(self, rules: Numbering, old: I64, new: I64, breaks: _Breaks) -> None:
        self.rules = rules
        rows = np.concatenate([old, new], axis=1)
        order = np.lexsort((rows[POSITION], rows[PAIR], rows[SERIAL]))
        self.rows = rows = rows[:, order]
        self.new = (order >= old.shape[1]).astype(np.bool_)
        self.count = len(order)
        self.heads = self._heads(rows[: PAIR + 1])
        self.lost = breaks.before(rows[SERIAL], rows[POSITION])
        self.ask, self.answer, self.report, self.confirmed = (
            self._before(rows[TURN] == turn) for turn in Turn
        )
        self._follow()

    def _heads(self, names: I64) -> I64:
        """The first row of the same name as each one; rows of one name lie together."""
        starts = np.ones(self.count, np.bool_)
        starts[1:] = (names[:, 1:] != names[:, :-1]).any(axis=0)
        return np.maximum.accumulate(np.where(starts, np.arange(self.count), 0))

    def _before(self, those: Mask) -> I64:
        """The last of some rows in front of each one, of the same pair; -1: none."""
        at = np.where(those, np.arange(self.count), -1)
        last = np.maximum.accumulate(np.append(-1, at[:-1])) if self.count else at
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
        begins = ~new | ~self.goes[rows]
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
