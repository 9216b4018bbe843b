"""Addresses that were asked for (ARP), and whether they answered."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text
from otsec.aggregates.counters import Refusals, Row
from otsec.columns import group
from otsec.dissect import ArpColumns
from otsec.model import Kind, Packets, place_text

Key = tuple[str, str]  # place, address


class Lookups:
    """Ordered: who was asked for at one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.rows: dict[Key, list[int]] = {}
        self.changed: set[Key] = set()
        self.refused = Refusals()

    def add(self, arp: ArpColumns, packets: Packets, ordinal: int) -> None:
        """Take the ARP packets of a batch: requests ask for their target, all others answer.

        A host that asks, or that announces itself, shows that it is there as well.
        """
        asks = (arp.operation == 1) & (arp.target_ip != arp.sender_ip) & (arp.target_ip != 0)
        shows = arp.sender_ip != 0
        row = np.concatenate([arp.row[asks], arp.row[shows]])
        address = np.concatenate([arp.target_ip[asks], arp.sender_ip[shows]]).astype(np.uint64)
        answers = np.repeat([0, 1], [asks.sum(), shows.sum()])
        groups = group([address, packets.place[row], answers.astype(np.uint64)], 0)
        first, last = groups.first, groups.order[groups.start + groups.count - 1]
        # in order of sight, asked before asking: who comes first is kept
        for lot in np.lexsort((answers[first], row[first])).tolist():
            one, count = int(first[lot]), int(groups.count[lot])
            place = place_text(int(packets.place[row[one]]))
            key = place, address_text(Kind.IPV4, 0, int(address[one]))
            ends = [
                (int(packets.time[at]), ordinal + int(packets.row[at]))
                for at in (int(row[one]), int(row[last[lot]]))
            ]
            self._note(key, int(answers[one]), count, ends[0], ends[1])

    def _note(
        self, key: Key, which: int, count: int, first: tuple[int, int], last: tuple[int, int]
    ) -> None:
        known = self.rows.get(key)
        if known is None:
            if len(self.rows) >= self.cap:
                self.refused.note(count, *first)
                self.refused.note(0, *last)
                return
            known = self.rows[key] = [0, 0, *first]
        known[which] += count
        if first[1] < known[3]:
            known[2:] = first
        self.changed.add(key)

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `lookup` that changed since the last call."""
        rows: list[Row] = [(source, *key, *self.rows[key]) for key in sorted(self.changed)]
        self.changed.clear()
        return rows

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        for _, place, address, *numbers in rows:
            self.rows[place, address] = list(numbers)
