"""Addresses that were asked for (ARP), and whether they answered."""

from collections.abc import Iterable
from typing import Any

from otsec.aggregates.addresses import address_text
from otsec.aggregates.counters import Row
from otsec.dissect import ArpColumns
from otsec.model import Kind, Packets, place_text

Key = tuple[str, str]  # place, address


class Lookups:
    """Ordered: who was asked for at one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.rows: dict[Key, list[int]] = {}
        self.changed: set[Key] = set()
        self.refused = 0

    def add(self, arp: ArpColumns, packets: Packets, ordinal: int) -> None:
        """Take the ARP packets of a batch: requests ask for their target, all others answer.

        A host that asks, or that announces itself, shows that it is there as well.
        """
        columns = zip(
            arp.row.tolist(), arp.operation.tolist(), arp.sender_ip.tolist(),
            arp.target_ip.tolist(),
            strict=True,
        )  # fmt: skip
        for row, operation, sender, target in columns:
            place = place_text(int(packets.place[row]))
            seen = int(packets.time[row]), ordinal + int(packets.row[row])
            if operation == 1 and target not in {sender, 0}:
                self._note((place, address_text(Kind.IPV4, 0, target)), 1, 0, seen)
            if sender:
                key = place, address_text(Kind.IPV4, 0, sender)
                if key in self.rows:
                    self._note(key, 0, 1, seen)

    def _note(self, key: Key, asked: int, answered: int, seen: tuple[int, int]) -> None:
        known = self.rows.get(key)
        if known is None:
            if len(self.rows) >= self.cap:
                self.refused += 1
                return
            known = self.rows[key] = [0, 0, *seen]
        known[0] += asked
        known[1] += answered
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
