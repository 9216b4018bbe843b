"""How well one source is heard: what was lost, cut, copied or not read, and when it was blind."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from otsec.aggregates import loops
from otsec.aggregates.counters import Counters, Row
from otsec.capture import Drops
from otsec.columns import I64
from otsec.dissect import LOOPED, Fragments
from otsec.exchanges.left import PASSED_OVER, Left
from otsec.model import NO_VLAN, PacketBatch, Packets, Problem
from otsec.streams.clock import Step

LOOPS = 16  # senders and receivers of frames in a loop that are told apart
GROUP_BIT = np.uint64(1 << 40)  # of a MAC address as a number: sent to a group, IEEE 802 8.2.2
Sight = tuple[int, int]  # time and ordinal of a packet


class Hearing:
    """Ordered: counters and gaps of one source; `ordinal` is that of a batch's first packet."""

    def __init__(self, cap: int, behind_gap: Callable[[int], None]) -> None:
        """``cap``: gaps that are kept; ``behind_gap``: told the packet behind each gap."""
        self.cap, self.behind_gap = cap, behind_gap
        self.counters = Counters()
        self.seen: Counter[str] = Counter()  # since the last checkpoint, by name of the counter
        self.gaps: list[Row] = []  # since then
        self.gap_count = 0

    # ------------------------------------------------------------------ gaps

    def add(
        self,
        batch: PacketBatch,
        ordinal: int,
        before: int,
        drops: Sequence[Drops],
        steps: Sequence[Step],
    ) -> None:
        """Note what a batch lacks; ``before``: time of the packet in front of it."""
        told: list[Drops | Step] = [*drops, *steps]
        for one in sorted(told, key=attrgetter("row")):  # gaps: the same numbers in any batch
            if isinstance(one, Step):
                self.gap(one.kind, one.begin, one.end, ordinal + one.row, "")
            else:
                since = int(batch.time[one.row - 1]) if one.row else before
                self.drop(one, since, ordinal + one.row)
        self.tell("snapped", batch, ordinal, np.flatnonzero(batch.captured < batch.wire))

    def gap(
        self, kind: str, begin: int, end: int, packet: int, detail: str, *, heard: bool = True
    ) -> None:
        """A span in which the capture was blind; ``heard``: the packet behind it is at hand."""
        if self.gap_count < self.cap:
            self.gaps.append((self.gap_count, kind, begin, end, packet, detail))
            self.gap_count += 1
        here = end, packet if heard else max(packet - 1, 0)
        self.counters.add(f"gap:{kind}", 1, here, here)
        self.behind_gap(packet)

    def drop(self, drop: Drops, begin: int, packet: int) -> None:
        """The capturing machine lost packets before ``packet``, since the time ``begin``."""
        self.gap("drops", begin, drop.time, packet, f"{drop.count} packets")
        here = (drop.time, max(packet - 1, 0))
        self.counters.add("dropped_packets", drop.count, here, here)

    # ------------------------------------------------------------------ frames

    def dissected(
        self, batch: PacketBatch, packets: Packets, ordinal: int, seen: Mapping[str, int]
    ) -> None:
        """Count what could not be read, and how frames are wrapped; ``seen``: by name."""
        problem = packets.problem
        if problem.any():
            for kind in (Problem.CUT, Problem.MALFORMED, Problem.TOO_DEEP):
                rows = packets.row[problem == kind]
                self.tell(f"header:{kind.name.lower()}", batch, ordinal, rows)
            unknown = packets.row[problem == Problem.UNKNOWN_LINK]
            self.tell("unknown_link", batch, ordinal, unknown, str(batch.link))
        group = np.flatnonzero((packets.mac_target & GROUP_BIT) != 0)
        self.tell("group_frames", batch, ordinal, packets.row[group])
        tagged = np.flatnonzero(packets.place != NO_VLAN)
        self.tell("tagged", batch, ordinal, packets.row[tagged])
        self.seen.update(seen)

    def copied(self, batch: PacketBatch, ordinal: int, copy: I64) -> None:
        """Count frames that repeat others; ``copy``: how, of each row of the batch."""
        self.tell("duplicate_frames", batch, ordinal, np.flatnonzero(copy))
        self._looped(batch, ordinal, np.flatnonzero(copy >= LOOPED))

    def _looped(self, batch: PacketBatch, ordinal: int, rows: I64) -> None:
        """Copies that no mirror makes, by who sent the frame to whom; the first few of these."""
        if not len(rows):
            return
        told = {known for name, known in self.counters.rows if name == "looped_frames"}
        others: list[I64] = []
        for detail, mine in loops.ends(batch, rows):
            if detail in told or len(told) < LOOPS:
                told.add(detail)
                self.tell("looped_frames", batch, ordinal, mine, detail)
            else:
                others.append(mine)
        if others:
            rest = np.sort(np.concatenate(others))
            self.tell("looped_frames", batch, ordinal, rest, "others")

    def joined(self, fragments: Fragments) -> None:
        """What became of the datagrams that came in fragments; seen from the first fragment on."""
        known = {**fragments.counters, "waiting": len(fragments.pending)}
        del known["fragments"]
        time, packet = self.counters.rows["fragments", ""][1:3]
        for name, count in known.items():
            grown = count - self.counters.count(f"fragments:{name}")
            # how many wait may fall back to none: it is told then too, wherever batches end
            if grown or name == "waiting":
                self.counters.add(f"fragments:{name}", grown, (time, packet), (time, packet))

    def tell(
        self, name: str, batch: PacketBatch, ordinal: int, rows: I64, detail: str = ""
    ) -> None:
        """Count rows of a batch, in order, under a name."""
        if len(rows):
            first, last = (
                (int(batch.time[row]), ordinal + row) for row in (int(rows[0]), int(rows[-1]))
            )
            self.counters.add(name, len(rows), first, last, detail)

    # ------------------------------------------------------------------ messages

    def left(
        self, protocol: str, left: Left, kinds: Sequence[str], time: I64, ordinal: I64
    ) -> None:
        """Count bytes of messages that are not told: opaque, or passed over.

        ``time``, ``ordinal``: of each occurrence.
        """
        for number in np.unique(left.kind).tolist():
            mine = np.flatnonzero(left.kind == number)
            at, kind = left.occurrence[mine], kinds[number]
            ends = at[ordinal[at].argmin()], at[ordinal[at].argmax()]
            first, last = ((int(time[one]), int(ordinal[one])) for one in ends)
            what = "passed_over" if kind == PASSED_OVER else "opaque"
            self.counters.add(f"{what}:{protocol}", int(left.size[mine].sum()), first, last, kind)

    # ------------------------------------------------------------------ store

    def summed(self, begin: Sight, here: Sight) -> None:
        """Count wrappings (tunnels, tags) over the whole source: they come without packets."""
        for name, count in self.seen.items():
            self.counters.add(f"seen:{name}", count, begin, here)
            self.seen[name] = 0

    def take_rows(self, source: int) -> dict[str, list[Row]]:
        """Rows of the tables counter and gap that changed since the last call."""
        gaps, self.gaps = self.gaps, []
        return {
            "counter": self.counters.take_rows(source),
            "gap": [(source, *gap) for gap in gaps],
        }

    def dump(self) -> dict[str, Any]:
        """What the store's tables do not hold."""
        return {"gap_count": self.gap_count, "seen": dict(self.seen)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.gap_count, self.seen = state["gap_count"], Counter(state["seen"])
