"""Every connection that is alive, as a table of columns: what must be known of it to go on.

A connection is one flow key between two silences. It is entered with its first packet, and it
ends when nothing was heard of it for longer than its kind is ever silent.
"""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Ints, Mask
from otsec.model import FIN, RST, TICK_NS
from otsec.state import records
from otsec.streams.flows import KEY_WORDS, Flows

IDLE_TICKS = 360  # one hour: industrial connections are polled far more often
DATAGRAM_TICKS = 60  # ten minutes, where no handshake tells one exchange from the next
CLOSED_TICKS = 6  # one minute behind FIN or RST, or without any content: nothing follows
SPARE = 1024  # slots above the cap, for connections that end and begin within one batch

RESET = 0x04  # in `closed`, behind a bit for the FIN of each side
NO_ROW = -1
UNCLAIMED, WITHDRAWN = 0, -1  # of `protocol`; a claimed one is its number from 1

TABLE = np.dtype(
    [
        ("key", "<u8", (KEY_WORDS,)),
        ("alive", "?"),
        ("steady", "<i8"),  # when it was last heard, Times.steady
        ("next", "<i8", (2,)),  # sequence number expected of each side, -1 not known
        ("heard", "<i8", (2,)),  # bytes of each side's stream, without those that were lost
        ("ack", "<i8", (2,)),  # last acknowledgement of each side, -1 none
        ("stream", "?"),  # TCP
        ("closed", "u1"),
        ("content", "?"),  # whether any payload was seen
        ("conversation", "<i8"),  # its number, -1 before the first packet is counted
        ("client", "i1"),  # side of the client, -1 unknown
        ("reason", "u1"),  # why that is the client, position in REASONS
        ("first", "<i8", (2,)),  # time and ordinal of its first packet
        ("last", "<i8", (2,)),
        ("protocol", "<i2"),
        ("framing", "u1"),
        ("tried", "<i2"),  # segments that no protocol claimed
        ("bad_run", "<i2"),  # malformed segments since the last good unit
        ("serial", "<i8"),  # tells it from all others of the source, also on the same slot
        ("line", "<i8"),  # serial of the first in its line: each ended as the next one began
        ("requests", "<i8"),  # requests seen, for the window of outstanding ones
        ("last_tag", "<u8"),  # tag of the last response
        ("has_tag", "?"),
        ("counts", "<i8", (2, 9)),  # what its packets counted to so far, by side; see COUNTS
        ("single", "<i8"),  # its row in the store, NO_ROW where it is counted with others alone
    ]
)
COUNTS = (
    "packets",
    "bytes",  # on the wire
    "payload",  # bytes behind the last header
    "acked",  # bytes of this side that the other acknowledged
    "lost",  # bytes passed over, because they never came
    "resent",  # bytes that had been heard before
    "decoded",  # payload bytes in units of the protocol that owns the connection
    "malformed",  # units
    "truncated",  # units
)
REASONS = ("unknown", "publisher", "port", "protocol", "syn")  # the strongest last
SYN_SEEN = REASONS.index("syn")  # it was seen to begin


class Connections:
    """Ordered: the live connections of one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.table = np.zeros(cap + SPARE, TABLE)  # memory that was not touched costs nothing
        self.index: dict[bytes, int] = {}
        self.free: list[int] = []  # slots below `used` that can be taken again
        self.used = 0
        self.serial = 1

    def __len__(self) -> int:
        return len(self.index)

    def find(self, keys: list[bytes]) -> I64:
        """Slot of each flow key, -1 where it is not known."""
        return np.fromiter(map(self.index.get, keys, repeat(-1)), np.int64, len(keys))

    def idle_limit(self, slots: I64) -> I64:
        """How many ticks each connection may be silent before it has ended."""
        table = self.table
        brief = (table["closed"][slots] != 0) | ~table["content"][slots]
        return idle_ticks(table["stream"][slots], brief)

    def ended(self, slots: I64, tick: I64) -> Mask:
        """Whether each connection had ended before the given ticks."""
        silent = tick - self.table["steady"][slots] // TICK_NS
        return np.asarray(silent > self.idle_limit(slots), np.bool_)

    def has_ended(self, slot: int, steady: int) -> bool:
        """Whether one connection had ended before a packet at the given time."""
        row = self.table[slot]
        limit = DATAGRAM_TICKS
        if row["stream"]:
            limit = CLOSED_TICKS if row["closed"] or not row["content"] else IDLE_TICKS
        return steady // TICK_NS - int(row["steady"]) // TICK_NS > limit

    def enter(self, keys: list[bytes], words: U64) -> I64:
        """Slots for new connections, in the order given; -1 where the table is full."""
        room = min(self.cap - len(self.index), len(keys))
        taken = self._take(room)
        self.index.update(zip(keys[:room], taken.tolist(), strict=True))
        self.table[taken] = _FRESH
        self.table["key"][taken] = words[:room]
        self.table["serial"][taken] = self.table["line"][taken] = self.serial + np.arange(room)
        self.serial += room
        slots = np.full(len(keys), -1, np.int64)
        slots[:room] = taken
        return slots

    def replace(self, slot: int) -> int:
        """A slot of its own for another connection on the same ports; the old one is left alone.

        It takes the old one's place, so that there is always room for it.
        """
        key = self.table["key"][slot].tobytes()
        new = int(self._take(1)[0])
        self.index[key] = new
        fresh = _FRESH.copy()
        fresh["key"], fresh["stream"] = self.table["key"][slot], self.table["stream"][slot]
        fresh["serial"], fresh["line"] = self.serial, self.table["line"][slot]
        self.serial += 1
        self.table[new] = fresh
        return new

    def purge(self, tick: int, kept: I64, leave: Callable[[I64], None]) -> I64:
        """Let go of all connections that had ended before the tick, but for `kept`.

        ``leave`` is told of their slots before they are free for others.
        """
        alive = self.table["alive"][: self.used].copy()
        alive[kept] = False
        live = np.flatnonzero(alive)
        gone = live[self.ended(live, np.full(len(live), tick))]
        leave(gone)
        self.remove(gone)
        return gone

    def remove(self, slots: I64) -> None:
        """Free the slots; who holds anything by slot must have let go of it."""
        for key in key_bytes(self.table["key"][slots]):
            del self.index[key]
        self.table["alive"][slots] = False
        self.free.extend(slots.tolist())

    def _take(self, count: int) -> I64:
        """Free slots; more than the cap only for a batch that reuses ports again and again."""
        left = max(len(self.free) - count, 0)
        slots, self.free = self.free[left:], self.free[:left]
        new = count - len(slots)
        slots += range(self.used, self.used + new)
        self.used += new
        if self.used > len(self.table):
            more = np.zeros(max(self.used - len(self.table), len(self.table)), TABLE)
            self.table = np.concatenate([self.table, more])
        return np.array(slots, np.int64)

    def follow(self, flows: Flows, lanes: I64, slots: I64) -> None:
        """Take what lanes in order say of their TCP streams. ``slots``: of each lane."""
        side = flows.lane_side[lanes]
        known = flows.lane_next[lanes] >= 0
        self.table["next"][slots[known], side[known]] = flows.lane_next[lanes][known]
        self.note_acks(flows, lanes, slots)
        flags = flows.lane_flags[lanes]
        for bit, closed in ((FIN, 1 << side), (RST, np.full_like(side, RESET))):
            some = np.flatnonzero(flags & bit)
            np.bitwise_or.at(self.table["closed"], slots[some], closed[some].astype(np.uint8))

    def note_acks(self, flows: Flows, lanes: I64, slots: I64) -> None:
        """Count the bytes that each side acknowledged of the other's."""
        has = flows.lane_ack_last[lanes] >= 0
        lanes, slots = lanes[has], slots[has]
        side = flows.lane_side[lanes]
        before = self.table["ack"][slots, side]
        before = np.where(before < 0, flows.lane_ack_first[lanes], before)
        last = flows.lane_ack_last[lanes]
        moved = (last - before + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        self.table["counts"][slots, 1 - side, COUNTS.index("acked")] += moved
        self.table["ack"][slots, side] = last

    def count(self, slots: I64, side: I64, name: str, number: Ints) -> None:
        """Add to a count of one side of connections; a slot may come more than once."""
        if len(slots):  # runs of one side first: adding up is dear where a slot comes often
            heads = np.flatnonzero(np.diff(2 * slots + side, prepend=-1))
            place: Any = slots[heads], side[heads], COUNTS.index(name)
            np.add.at(self.table["counts"], place, np.add.reduceat(number, heads))

    def count_one(self, slot: int, side: int, name: str, number: int = 1) -> None:
        """Add to a count of one side of one connection."""
        self.table["counts"][slot, side, COUNTS.index(name)] += number

    def dump(self) -> dict[str, Any]:
        """The live rows with their slots."""
        live = np.flatnonzero(self.table["alive"][: self.used])
        return {"rows": self.table[live], "slots": live, "used": self.used, "serial": self.serial}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        slots, self.serial, self.used = state["slots"], state["serial"], state["used"]
        self.table = np.zeros(max(self.cap + SPARE, self.used), TABLE)
        self.table[slots] = records(state["rows"], TABLE)
        self.index = dict(zip(key_bytes(self.table["key"][slots]), slots.tolist(), strict=True))
        self.free = np.setdiff1d(np.arange(self.used), slots).tolist()


def key_bytes(keys: U64) -> list[bytes]:
    """The bytes of each row of words, to look it up by; shape of ``keys``: (rows, words)."""
    rows, words = keys.shape
    return np.ascontiguousarray(keys).view(f"V{8 * words}").ravel().tolist() if rows else []


def _fresh() -> Any:
    fresh = np.zeros((), TABLE)
    for name in ("next", "ack", "conversation", "client", "single"):
        fresh[name] = -1
    fresh["alive"] = True
    return fresh


_FRESH = _fresh()


def idle_ticks(stream: Mask, brief: Mask) -> I64:
    """How long connections may be silent; ``brief``: closed, or without any content yet."""
    return np.where(stream, np.where(brief, CLOSED_TICKS, IDLE_TICKS), DATAGRAM_TICKS)
