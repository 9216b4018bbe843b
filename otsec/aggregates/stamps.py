"""Times that units carry, against the time of their packets: how far clocks are from the capture's.

An order consumer, as `sequences`: it works in columns over the units of a batch.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from otsec.aggregates.counters import Refusals, Row
from otsec.aggregates.sequences import SPEAKERS
from otsec.columns import I64
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.protocols.api import WAYS, Clocks, Protocol, Side, Split

Key = tuple[int, str, str, str, str]  # conversation, protocol, device, speaker, way

CONVERSATION, LANE, SIDE, WAY, POSITION, AHEAD, TIME = range(7)  # of a column


class Stamps:
    """Ordered: what clocks said in one source."""

    def __init__(self, cap: int) -> None:
        """``cap``: rows of a protocol; clocks beyond are only counted."""
        self.cap = cap
        # count; first, last, least and greatest difference; first and last packet
        self.rows: dict[Key, list[int]] = {}
        self.sizes: dict[str, int] = {}  # rows by protocol
        self.changed: set[Key] = set()
        self.refused = Refusals()

    def add(self, protocol: Protocol, cut: Sequence[tuple[Calls, Split]]) -> None:
        """Take the units of one protocol in one batch."""
        if protocol.clocks is None:
            return
        columns = [_read(protocol.clocks, part, split) for part, split in cut]
        rows = np.concatenate([np.empty((7, 0), np.int64), *columns], axis=1)
        if not rows.shape[1]:
            return
        rows = rows[:, np.lexsort((rows[POSITION], *rows[:POSITION]))]
        heads = np.ones(rows.shape[1], np.bool_)
        heads[1:] = (rows[:POSITION, 1:] != rows[:POSITION, :-1]).any(axis=0)
        starts = np.flatnonzero(heads)
        ends = np.append(starts[1:], rows.shape[1])
        for at in np.argsort(rows[POSITION, starts]).tolist():  # who comes first is kept
            self._note(protocol.name, protocol.clocks, rows[:, starts[at] : ends[at]])

    def _note(self, protocol: str, clocks: Clocks, rows: I64) -> None:
        """What one clock said in one batch, in order."""
        conversation, lane, side, way = rows[:POSITION, 0].tolist()
        key = conversation, protocol, clocks.device(lane), SPEAKERS[Side(side)], WAYS[way]
        ahead = rows[AHEAD]
        seen = np.stack([rows[TIME], rows[POSITION] >> PART_BITS], axis=1)
        begin, end = seen[0].tolist(), seen[-1].tolist()
        first, last = int(ahead[0]), int(ahead[-1])
        least, most = int(ahead.min()), int(ahead.max())
        known = self.rows.get(key)
        if known is not None:
            count = known[0] + len(ahead)
            least, most = min(least, known[3]), max(most, known[4])
            self.rows[key] = [count, known[1], last, least, most, *known[5:7], *end]
        elif self.sizes.get(protocol, 0) >= self.cap:
            self.refused.note_spans(np.array([len(ahead)]), seen[:1], seen[-1:])
            return
        else:
            self.sizes[protocol] = self.sizes.get(protocol, 0) + 1
            self.rows[key] = [len(ahead), first, last, least, most, *begin, *end]
        self.changed.add(key)

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `stamp` that changed since the last call."""
        rows: list[Row] = [(source, *key, *self.rows[key]) for key in sorted(self.changed)]
        self.changed.clear()
        return rows

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        for _, *cells in rows:
            conversation, protocol, device, speaker, way = cells[:5]
            self.rows[conversation, protocol, device, speaker, way] = cells[5:]
            self.sizes[protocol] = self.sizes.get(protocol, 0) + 1


def _read(clocks: Clocks, part: Calls, split: Split) -> I64:
    """Of the units that carry a time: CONVERSATION to TIME; shape (7, units)."""
    told = clocks.read(part.units(), split)
    mine = np.flatnonzero(part.slot[told.unit] >= 0)  # not what waited since an earlier batch
    unit = told.unit[mine]
    time = part.time[unit]
    return np.stack(
        [
            part.conversation[unit], told.lane[mine].astype(np.int64), part.side[unit],
            told.way[mine], part.position[unit], told.time[mine] - time, time,
        ]
    ).astype(np.int64)  # fmt: skip
