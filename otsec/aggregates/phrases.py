"""What units say, by number, as columns: each thing said is decoded and named once.

`Steps` counts in which order it comes. A stream is what one client asks of one device, what it
changes there, or what the device reports of itself; in each of these, others would only be noise.
"""

from dataclasses import dataclass

import numpy as np

from otsec.aggregates.behaviours import CHANGING
from otsec.columns import I64, U64, Header
from otsec.exchanges.calls import CONTENT_BITS
from otsec.exchanges.pairing import Exchanges
from otsec.exchanges.recent import Recent
from otsec.exchanges.work import Work
from otsec.protocols.api import Message, Side
from otsec.streams.connections import SYN_SEEN

LONGEST = 160  # letters of a message's name; those that begin alike are the same message
SORTS = ("asks", "changes", "tells")
ASKS, CHANGES, TELLS = range(3)
COLUMNS = 7  # of what was said
PHRASE, SERIAL, LINE, PARTY, POSITION, STEADY, TIME = range(COLUMNS)
BEGAN = 1  # bit of a party: the connection was heard from its beginning; bit 0: its client's side
NOTHING = -1  # the number of what says nothing that is known

Stream = tuple[int, str, str, str]  # conversation, protocol, device, sort
Phrase = tuple[Stream, str]  # what was said, by the name of the message


@dataclass(frozen=True, slots=True)
class Said:
    """What was said in a batch, or in a part of one, and where something is missing of it."""

    columns: I64  # PHRASE, SERIAL, ...: a row each; a column for each unit, in no order
    new: list[Phrase]  # phrases that have the next numbers
    anew: bool  # numbers begin at 0 again
    gaps: list[int]  # packets in front of which the capture was blind
    lost: list[tuple[int, int]]  # sides of connections (serial << 1 | side): bytes lost in a packet
    left: bool  # what was missing before belongs to an earlier batch


class Phrases:
    """Ordered: numbers for what the units of one source say."""

    def __init__(self, cap: int) -> None:
        """``cap``: twice as many phrases have a number at a time."""
        self.cap = cap
        self.known: dict[str, dict[tuple[int, ...], int]] = {}  # by protocol, phrases of keys
        self.recent: dict[str, Recent] = {}  # the same, of those seen last
        self.count = 0  # of phrases that have a number
        self.anew, self.left = True, False
        self.new: list[Phrase] = []  # since the last share, as all that follows
        self.said: list[I64] = []  # by protocol
        self.gaps: list[int] = []
        self.lost: list[tuple[int, int]] = []

    def note_breaks(self, end: I64, ordinal: I64) -> None:
        """Where bytes were lost, in the batch at hand; ``end``: connection << 1 | side."""
        self.lost += zip(end.tolist(), ordinal.tolist(), strict=True)

    def note_gap(self, packet: int) -> None:
        """The capture was blind in front of a packet of the batch at hand, or of the next."""
        self.gaps.append(packet)

    def leave(self) -> None:
        """The batch is over."""
        self.left = True

    def forget_keys(self, protocol: str) -> None:
        """Numbers of keys became void."""
        self.known.pop(protocol, None)
        self.recent.pop(protocol, None)

    def add(self, exchanges: Exchanges, work: Work, table: Header, seed: int) -> None:
        """Take the units of one protocol in one batch; ``table``: of the connections."""
        protocol = exchanges.protocol
        if not protocol.industrial or protocol.transports == {"ethernet"}:
            return
        told = work.side == Side.RESPONSE
        wanted = (work.slot >= 0) & (~told if work.alone is None else ~told | work.alone)
        if not protocol.paired:
            wanted = work.slot >= 0
        rows = work.order[wanted[work.order]]
        if not len(rows):
            return
        phrase = self._numbers(_Units(exchanges, work, rows), seed)
        some = np.flatnonzero(phrase != NOTHING)
        phrase, rows = phrase[some], rows[some]
        slot = work.slot[rows]
        began = table["stream"][slot] & (table["reason"][slot] == SYN_SEEN)
        party = began.astype(np.int64) << BEGAN | (table["client"][slot] & 1)
        serial, position = work.serial[rows], work.position[rows]
        columns = serial, table["line"][slot], party, position, work.steady[rows], work.time[rows]
        self.said.append(np.stack([phrase, *columns]))

    def take(self) -> Said:
        """What came since the last call."""
        none = np.empty((COLUMNS, 0), np.int64)
        columns = np.concatenate(self.said, axis=1) if self.said else none
        said = Said(columns, self.new, self.anew, self.gaps, self.lost, self.left)
        self.new, self.said, self.gaps, self.lost = [], [], [], []
        self.anew = self.left = False
        if max(self.count, sum(map(len, self.known.values()))) > 2 * self.cap:
            self.known, self.recent, self.count, self.anew = {}, {}, 0, True
        return said

    def _numbers(self, units: "_Units", seed: int) -> I64:
        """The phrase of each unit."""
        known = self.known.setdefault(units.protocol, {})
        words = units.words()
        recent = self.recent.setdefault(units.protocol, Recent(len(words)))

        def enter(some: I64) -> I64:
            keys = units.keys(some)
            for unit, key in zip(some.tolist(), keys, strict=True):
                if key not in known:
                    known[key] = self._meet(units, int(units.rows[unit]))
            return np.fromiter(map(known.__getitem__, keys), np.int64, len(keys))

        return recent.numbers(words, seed, enter)

    def _meet(self, units: "_Units", row: int) -> int:
        """The number of what a unit says that was not met before."""
        work = units.work
        message, what = _said(units.exchanges, work, row)
        if message is None:
            return NOTHING
        told = Side(int(work.side[row])) == Side.RESPONSE
        sort = TELLS if told else CHANGES if message.cls in CHANGING else ASKS
        stream = int(work.conversation[row]), units.protocol, message.device, SORTS[sort]
        self.new.append((stream, what[:LONGEST]))
        self.count += 1
        return self.count - 1


class _Units:
    """The units of a protocol in one batch, those that are said, in order."""

    def __init__(self, exchanges: Exchanges, work: Work, rows: I64) -> None:
        self.exchanges, self.work, self.rows = exchanges, work, rows
        self.protocol = exchanges.protocol.name
        told = work.side[rows] == Side.RESPONSE  # both sides may say the same
        self.columns = [(work.conversation[rows] << 1 | told) << CONTENT_BITS | work.key[rows]]
        if work.items:
            self.columns += _listed(work, rows)

    def words(self) -> list[U64]:
        """What tells apart what they say."""
        return [column.view(np.uint64) for column in self.columns]

    def keys(self, some: I64) -> list[tuple[int, ...]]:
        """The same of some of them, one by one."""
        return list(zip(*(column[some].tolist() for column in self.columns), strict=True))


def _listed(work: Work, rows: I64) -> list[I64]:
    """Of units that list things: the first and the last of these, and how many there are."""
    count = work.item_count[rows]
    first = np.minimum(work.item_first[rows], len(work.key) - 1)
    last = np.minimum(first + np.maximum(count - 1, 0), len(work.key) - 1)
    listed = (count > 0) & (work.side[rows] != Side.RESPONSE)
    return [np.where(listed, column, 0) for column in (work.key[first], work.key[last], count)]


def _said(exchanges: Exchanges, work: Work, row: int) -> tuple[Message | None, str]:
    """What a unit says, and how it is called; of what is reported the operation alone."""
    if Side(int(work.side[row])) == Side.RESPONSE:
        message = exchanges.reported(work, row)
        return message, message.operation if message is not None else ""
    count = int(work.item_count[row]) if work.items else 0
    if not count:
        message = exchanges.asked(work, row)
        return message, _called(message)
    at = int(work.item_first[row])
    message = exchanges.asked(work, at)
    what = _called(message)
    if count > 1 and (last := exchanges.asked(work, at + count - 1)) is not None:
        what = f"{what[: LONGEST // 2]} to {last.object[: LONGEST // 3]} ({count})"
    return message, what


def _called(message: Message | None) -> str:
    return "" if message is None else f"{message.operation} {message.object}".rstrip()
