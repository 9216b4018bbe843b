"""How fast devices are asked and answer, hour by hour, and how often a client changes something.

They are made of the sums that the behaviours keep anyhow, so they cost nothing a packet.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from otsec.aggregates.counters import Row
from otsec.aggregates.sums import Sums
from otsec.columns import I64
from otsec.model import HISTOGRAM

HOUR_BITS, BUCKET_BITS = 22, 8  # hours up to 2262

Channel: TypeAlias = tuple[int, str, str]  # conversation, protocol, device


class Rhythms:
    """Ordered: the response times and intervals of one source since they were last told."""

    def __init__(self) -> None:
        self.numbers: dict[Channel, int] = {}
        self.channels: list[Channel] = []
        self.sums = {
            kind: Sums()
            for kind in (
                *("response_us", "interval_us", "changes"),
                *("order_asks", "order_changes", "order_tells"),  # of steps
            )
        }

    def number(self, channel: Channel) -> int:
        """The number by which `add` knows a channel."""
        if channel not in self.numbers:
            self.numbers[channel] = len(self.channels)
            self.channels.append(channel)
        return self.numbers[channel]

    def add(self, kind: str, word: I64, count: I64) -> None:
        """Count measured values; ``word``: of each the channel, the hour and the bucket."""
        self.sums[kind].add(np.stack([word, count]))

    def take_rows(self, source: int) -> Iterable[Row]:
        """What is to be added to the table `rhythm`."""
        for kind, sums in self.sums.items():
            if (told := sums.take()) is None:
                continue
            for at, buckets in histograms(*told):
                channel, hour = self.channels[at >> HOUR_BITS], at & (1 << HOUR_BITS) - 1
                yield source, *channel, hour, kind, buckets


def histograms(word: I64, count: I64) -> Iterable[tuple[int, bytes]]:
    """Each key with what was counted of it, as the store keeps it.

    ``word``: of each count the key and, in its last bits, the bucket; in order.
    """
    pairs = np.empty(len(word), HISTOGRAM)
    pairs["bucket"], pairs["count"] = word & (1 << BUCKET_BITS) - 1, count
    key = word >> BUCKET_BITS
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    cuts = [*(starts * HISTOGRAM.itemsize).tolist(), pairs.nbytes]
    data = pairs.tobytes()
    told = (data[begin:end] for begin, end in pairwise(cuts))
    return zip(key[starts].tolist(), told, strict=True)
