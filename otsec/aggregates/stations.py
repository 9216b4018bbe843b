"""Who was heard: each address that sent, with the MAC address that carried it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, mac_text
from otsec.aggregates.counters import Row
from otsec.columns import I64, Ints, group
from otsec.model import Kind, Packets, place_text

STATION = np.dtype([("frames", "<i8"), ("first", "<i8", (2,)), ("last", "<i8", (2,)), ("new", "?")])


class Stations:
    """Ordered: the stations of one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.index: dict[tuple[str, str, str], int] = {}
        self.table = np.zeros(1024, STATION)
        self.cache: dict[bytes, int] = {}
        self.refused = 0

    def add(self, packets: Packets, rows: I64, ordinal: int, seed: int) -> None:
        """Count each packet for its sender. ``rows``: those whose addresses were read."""
        if not len(rows):
            return
        kind = packets.kind[rows].astype(np.uint64)
        words = [
            packets.mac_source[rows],
            np.where(kind == Kind.MAC, 0, packets.source_lo[rows]).astype(np.uint64),
            (kind << np.uint64(56)) ^ packets.place[rows],
        ]
        if packets.source_hi[rows].any():
            words.append(packets.source_hi[rows])
        groups = group(words, seed)
        first = rows[groups.first]
        number = self._numbers(packets, first)
        last = rows[groups.order[groups.start + groups.count - 1]]
        self._note(packets, number, groups.count, first, last, ordinal)

    def _note(
        self, packets: Packets, number: I64, count: I64, first: I64, last: I64, ordinal: int
    ) -> None:
        keep = np.flatnonzero(number >= 0)
        number, first, last = number[keep], first[keep], last[keep]
        table = self.table
        fresh = number[table["frames"][number] == 0]
        at = first[table["frames"][number] == 0]
        table["first"][fresh] = np.stack([packets.time[at], ordinal + packets.row[at]], axis=1)
        np.add.at(table["frames"], number, count[keep])
        table["last"][number] = np.stack([packets.time[last], ordinal + packets.row[last]], axis=1)
        table["new"][number] = True

    def _numbers(self, packets: Packets, rows: I64) -> I64:
        """The number of the sender of each row, -1 where there is no room; in order of rows."""
        number = np.empty(len(rows), np.int64)
        columns: list[Ints] = [
            packets.kind[rows], packets.place[rows], packets.mac_source[rows],
            packets.source_hi[rows], packets.source_lo[rows],
        ]  # fmt: skip
        keys = np.stack([column.astype(np.uint64) for column in columns], axis=1)
        for at in np.argsort(rows, kind="stable").tolist():
            key = keys[at].tobytes()
            known = self.cache.get(key)
            if known is None:
                known = self._enter(*keys[at].tolist())
                if len(self.cache) > 2 * self.cap:
                    self.cache.clear()
                self.cache[key] = known
            self.refused += known < 0
            number[at] = known
        return number

    def _enter(self, kind: int, place: int, mac: int, high: int, low: int) -> int:
        address = "" if kind == Kind.MAC else address_text(kind, high, low)
        name = place_text(place), mac_text(mac) if mac else "", address
        known = self.index.get(name)
        if known is None:
            if len(self.index) >= self.cap:
                return -1
            known = self.index[name] = len(self.index)
            if known == len(self.table):
                self.table = np.concatenate([self.table, np.zeros(known, STATION)])
        return known

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `station` that changed since the last call."""
        names = list(self.index)
        changed = np.flatnonzero(self.table["new"])
        self.table["new"][changed] = False
        return [
            (source, number, *names[number], frames, *first, *last)
            for number, frames, first, last in zip(
                changed.tolist(),
                self.table["frames"][changed].tolist(),
                self.table["first"][changed].tolist(),
                self.table["last"][changed].tolist(),
                strict=True,
            )
        ]

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds, in order of number."""
        for _, number, place, mac, address, frames, *seen in rows:
            self.index[place, mac, address] = number
            while number >= len(self.table):
                self.table = np.concatenate([self.table, np.zeros(len(self.table), STATION)])
            self.table[number] = (frames, tuple(seen[:2]), tuple(seen[2:]), False)
