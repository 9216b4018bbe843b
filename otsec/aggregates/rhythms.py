"""How fast devices are asked and answer, hour by hour, and how often a client changes something.

They are made of the sums that the behaviours keep anyhow, so they cost nothing a packet.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from otsec.aggregates.counters import Row
from otsec.columns import I64
from otsec.model import HISTOGRAM

HOUR_NS = 3600 * 10**9
HOUR_BITS, BUCKET_BITS = 22, 8  # hours up to 2262
MERGE_ROWS = 1 << 16

Channel: TypeAlias = tuple[int, str, str]  # conversation, protocol, device


class Rhythms:
    """Ordered: the response times and intervals of one source since they were last told."""

    def __init__(self) -> None:
        self.numbers: dict[Channel, int] = {}
        self.channels: list[Channel] = []
        self.logs: dict[str, list[I64]] = {"response_us": [], "interval_us": [], "changes": []}

    def number(self, channel: Channel) -> int:
        """The number by which `add` knows a channel."""
        if channel not in self.numbers:
            self.numbers[channel] = len(self.channels)
            self.channels.append(channel)
        return self.numbers[channel]

    def add(self, kind: str, word: I64, count: I64) -> None:
        """Count measured values; ``word``: of each the channel, the hour and the bucket."""
        log = self.logs[kind]
        log.append(np.stack([word, count]))
        if sum(part.shape[1] for part in log) > MERGE_ROWS:
            log[:] = [_summed(log)]

    def take_rows(self, source: int) -> Iterable[Row]:
        """What is to be added to the table `rhythm`."""
        for kind, log in self.logs.items():
            if not log:
                continue
            word, count = _summed(log)
            log.clear()
            where = word >> BUCKET_BITS
            pairs = np.empty(len(word), HISTOGRAM)
            pairs["bucket"], pairs["count"] = word & (1 << BUCKET_BITS) - 1, count
            start = np.flatnonzero(np.diff(where, prepend=-1))
            for at, begin, end in zip(
                where[start].tolist(), start.tolist(), [*start[1:].tolist(), len(word)], strict=True
            ):
                channel, hour = self.channels[at >> HOUR_BITS], at & (1 << HOUR_BITS) - 1
                yield source, *channel, hour, kind, pairs[begin:end].tobytes()


def _summed(log: list[I64]) -> I64:
    """Counts of the same word as one, sorted by word."""
    table = np.concatenate(log, axis=1)
    table = table[:, np.argsort(table[0], kind="stable")]
    at = np.flatnonzero(np.diff(table[0], prepend=-1))
    return np.stack([table[0, at], np.add.reduceat(table[1], at)])
