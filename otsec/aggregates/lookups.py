"""Addresses that were asked for (ARP), and whether they answered."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text
from otsec.aggregates.counters import Refusals, Row
from otsec.columns import I64, Ints, group
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
        self._add(arp.row[asks], arp.target_ip[asks], packets, ordinal, 0)
        shows = arp.sender_ip != 0
        self._add(arp.row[shows], arp.sender_ip[shows], packets, ordinal, 1)

    def _add(self, row: I64, address: Ints, packets: Packets, ordinal: int, which: int) -> None:
        if not len(row):
            return
        place = packets.place[row]
        groups = group([address.astype(np.uint64), place], 0)
        first = groups.first
        for lot in np.argsort(first).tolist():  # in order of sight: who comes first is kept
            one, count = int(first[lot]), int(groups.count[lot])
            at = int(row[one])
            key = place_text(int(place[one])), address_text(Kind.IPV4, 0, int(address[one]))
            self._note(key, which, count, int(packets.time[at]), ordinal + int(packets.row[at]))

    def _note(self, key: Key, which: int, count: int, time: int, packet: int) -> None:
        known = self.rows.get(key)
        if known is None:
            if len(self.rows) >= self.cap:
                self.refused.note(count, time, packet)
                return
            known = self.rows[key] = [0, 0, time, packet]
        known[which] += count
        if packet < known[3]:
            known[2:] = time, packet
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
