"""What order consumers share: they follow who speaks on a connection, from one unit to the next.

Units come batch by batch as columns, and the few that later ones are compared with are carried
over. What is found must not depend on where batches end. So what lies between two units is asked
by its position or time, never by the batch in which it came: of what the capture lacks the last
place in front of a unit is enough (`Losses`); who was silent for long begins anew, whether he was
still carried or not; and who has a place, where there is none for all, is settled minute by minute
of capture time.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from otsec.aggregates.sequences import Sequences
from otsec.columns import I64, Header, Mask
from otsec.exchanges.calls import Calls
from otsec.nanoseconds import HOUR_NS, MINUTE_NS
from otsec.protocols.api import Protocol

SILENCE_NS = HOUR_NS  # who said nothing for longer begins anew, as connections do
ROOM = 4_096  # that are followed of a protocol; of those that begin later the first ones are

LINE, PAIR, SERIAL, POSITION, STEADY, EPOCH, CONVERSATION, SIDE, TIME, TALK = range(10)
OWN = 10  # from here on each consumer has rows of its own. PAIR: of stations, on the connection
WHO = slice(LINE, PAIR + 1)  # is followed, from one connection to the next on the same ports
# TALK: a number for what he says on one connection between silences


class Losses:
    """Where the capture lacks something of connections: order is not judged across it."""

    def __init__(self) -> None:
        self.places = np.empty((2, 0), np.int64)  # serial << 1 | side, and position; in order

    def note(self, serial: I64, side: I64, position: I64) -> None:
        """Something of a side is missing in front of some positions."""
        places = np.concatenate([self.places, np.stack([serial << 1 | side, position])], axis=1)
        self.places = places[:, np.lexsort(places[::-1])]

    def before(self, serial: I64, position: I64) -> I64:
        """The last such position of each connection up to another one; -1: none."""
        return np.maximum(*(self.of_side(serial, side, position) for side in (0, 1)))

    def of_side(self, serial: I64, side: I64 | int, position: I64) -> I64:
        """The same of one side."""
        end, found = serial << 1 | side, np.full(len(serial), -1)
        if not self.places.shape[1]:
            return found
        some = np.flatnonzero(np.isin(end, self.places[0]))
        known = self.places.shape[1]
        both = np.concatenate([self.places, np.stack([end[some], position[some]])], axis=1)
        asks = np.arange(both.shape[1]) >= known  # what is missing stands in front of its packet
        order = np.lexsort((asks, both[1], both[0]))
        last = np.maximum.accumulate(np.where(asks[order], -1, order))[asks[order]]
        some = some[order[asks[order]] - known]
        mine = (last >= 0) & (self.places[0, last] == end[some])
        found[some] = np.where(mine, self.places[1, last], -1)
        return found

    def leave(self) -> None:
        """The batch is over: of each end only the last place counts for what comes."""
        self.places = self.places[:, np.diff(self.places[0], append=-1) != 0]

    def forget(self, serials: I64) -> None:
        """Drop what is known of connections that ended."""
        self.places = self.places[:, ~np.isin(self.places[0] >> 1, serials)]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"places": self.places}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.places = state["places"]


class Following(ABC):
    """Ordered: follows speakers of one source, and judges each unit by those before it."""

    def __init__(self, sequences: Sequences, losses: Losses) -> None:
        """``sequences``: where it is counted what does not go by the rules."""
        self.sequences, self.losses = sequences, losses
        self.carried: dict[str, I64] = {}  # of each protocol, speaker by speaker

    @abstractmethod
    def _judge(self, protocol: Protocol, rows: I64, fresh: Mask) -> I64:
        """Tell what is wrong with the fresh ones of some rows; gives those to be carried over.

        ``rows``: all units of some connections, speaker by speaker, in order.
        """

    def follow(self, protocol: Protocol, parts: Sequence[I64]) -> None:
        """Take the units of a protocol in one batch, as columns that `columns` began."""
        new = np.concatenate(parts, axis=1) if parts else np.empty((OWN, 0), np.int64)
        if not new.shape[1] or self._follow(protocol, new):
            return
        minute = new[STEADY] // MINUTE_NS
        for one in np.unique(minute).tolist():
            self._follow(protocol, self._with_room(protocol.name, new[:, minute == one]))

    def _follow(self, protocol: Protocol, new: I64) -> bool:
        """Whether there is room for all who speak; nothing is judged if not."""
        if not new.shape[1]:
            return True
        known = self._awake(protocol.name, new)
        here = np.isin(known[LINE], new[LINE])
        rest, rows = known[:, ~here], np.concatenate([known[:, here], new], axis=1)
        order = np.lexsort((rows[POSITION], rows[PAIR], rows[LINE]))
        rows, fresh = rows[:, order], order >= int(here.sum())
        heads = _heads(rows)
        if int(heads.sum() + _heads(rest).sum()) > ROOM:
            return False
        rows[TALK] = np.cumsum(heads | _begins(rows)) - 1
        goes_on = np.zeros(int(rows[TALK, -1]) + 1, np.bool_)
        goes_on[rows[TALK, np.append(heads[1:], True)]] = True
        left = self._judge(protocol, rows, fresh)
        self.carried[protocol.name] = np.concatenate([rest, left[:, goes_on[left[TALK]]]], axis=1)
        return True

    def _awake(self, protocol: str, new: I64) -> I64:
        """What is carried of those who were not silent for too long."""
        known = self.carried.get(protocol, new[:, :0])
        since = int(new[STEADY].min()) // MINUTE_NS * MINUTE_NS - SILENCE_NS
        if not known.shape[1] or int(known[STEADY].min()) >= since:
            return known
        first = np.flatnonzero(_heads(known))
        awake = np.maximum.reduceat(known[STEADY], first) >= since
        known = known[:, np.repeat(awake, np.diff(first, append=known.shape[1]))]
        self.carried[protocol] = known
        return known

    def _with_room(self, protocol: str, new: I64) -> I64:
        """Of the units of one minute those of speakers who have a place; who comes first has."""
        known = self._awake(protocol, new)
        both = np.concatenate([known, new], axis=1)
        order = np.lexsort((both[POSITION], both[PAIR], both[LINE]))
        heads = _heads(both[:, order])
        first = order[heads]  # of each speaker the first unit, one that is carried if there is any
        who = np.empty(len(order), np.int64)
        who[order] = np.cumsum(heads) - 1
        rank = np.empty(len(first), np.int64)
        rank[np.lexsort((both[POSITION, first], first >= known.shape[1]))] = np.arange(len(first))
        return new[:, rank[who[known.shape[1] :]] < ROOM]

    def _tell(self, protocol: Protocol, verdict: str, units: I64) -> None:
        """Count units that show a verdict."""
        told = units[[CONVERSATION, SIDE, TIME, POSITION]]
        self.sequences.note_units(protocol.name, verdict, told)

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"carried": self.carried}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.carried = state["carried"]


def columns(part: Calls, table: Header, unit: I64, *own: I64, pair: I64 | int = 0) -> I64:
    """Some units as a consumer follows them, with rows of its own; shape (OWN + len(own), units).

    ``table``: of connections.
    """
    shared = {
        SERIAL: part.serial, POSITION: part.position, STEADY: part.steady, EPOCH: part.epoch,
        CONVERSATION: part.conversation, SIDE: part.side, TIME: part.time,
    }  # fmt: skip
    rows = np.zeros((OWN + len(own), len(unit)), np.int64)
    for at, column in shared.items():
        rows[at] = column[unit]
    rows[LINE], rows[PAIR] = table["line"][part.slot[unit]], pair
    for at, column in enumerate(own, OWN):
        rows[at] = column
    return rows


def _heads(rows: I64) -> Mask:
    """The first row of each speaker; rows of one lie together."""
    heads = np.ones(rows.shape[1], np.bool_)
    heads[1:] = (rows[WHO, 1:] != rows[WHO, :-1]).any(axis=0)
    return heads


def _begins(rows: I64) -> Mask:
    """Rows that begin anew: on another connection, or after so long that it may have been let go."""
    minute = rows[STEADY] // MINUTE_NS * MINUTE_NS
    silent = minute - np.append(minute[:1], rows[STEADY, :-1]) > SILENCE_NS
    return np.asarray(silent | (np.diff(rows[SERIAL], prepend=-1) != 0))
