"""Addresses that were asked for (ARP), and whether they answered."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, mac_text
from otsec.aggregates.counters import Refusals, Row
from otsec.aggregates.numbers import Numbers
from otsec.aggregates.span import sights, unseen
from otsec.columns import FEW, I64, group, with_room
from otsec.dissect import ArpColumns
from otsec.model import IPV4_MAPPED, Kind, Packets, place_text

LOOKUP = np.dtype([("counts", "<i8", (2,)), ("first", "<i8", (2,)), ("new", "?")])
NOBODY = IPV4_MAPPED  # 0.0.0.0, who asks before having an address (RFC 5227)
ASKED, ANSWERED = 0, 1  # of `counts`

Key = tuple[str, str]  # place, address


class Lookups:
    """Ordered: who was asked for at one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.known = Numbers()  # by place and address as numbers
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.askers: list[str] = []  # of each, who asked first
        self.table = unseen(FEW, LOOKUP)
        self.refused = Refusals()

    def add(self, arp: ArpColumns, packets: Packets, ordinal: int) -> None:
        """Take the ARP packets of a batch: requests ask for their target, all others answer.

        A host that asks, or that announces itself, shows that it is there as well.
        """
        asks = (arp.operation == 1) & (arp.target_ip != arp.sender_ip) & (arp.target_ip != NOBODY)
        shows = arp.sender_ip != NOBODY
        row = np.concatenate([arp.row[asks], arp.row[shows]])
        if not len(row):
            return
        address = np.concatenate([arp.target_ip[asks], arp.sender_ip[shows]]).astype(np.uint64)
        asker = np.concatenate([np.flatnonzero(asks), np.full(shows.sum(), -1)])  # row of `arp`
        which = np.repeat([ASKED, ANSWERED], [asks.sum(), shows.sum()])
        place = packets.place[row]
        groups = group([address, place, which.astype(np.uint64)], 0)
        first, last = groups.first, groups.order[groups.start + groups.count - 1]
        # in order of sight, asked before asking: who comes first is kept
        lots = np.lexsort((which[first], row[first]))
        first, last, count = first[lots], last[lots], groups.count[lots]
        keys = np.stack([place[first], address[first]], axis=1)
        number = self.known.of(keys, lambda lot: self._enter(*keys[lot].tolist()))
        begin, end = (sights(packets, row[rows], ordinal) for rows in (first, last))
        over = number < 0
        if over.any():
            self.refused.note_spans(count[over], begin[over], end[over])
        self._note(number[~over], which[first][~over], count[~over], begin[~over])
        self._name(number, asker[first], arp)

    def _name(self, number: I64, asker: I64, arp: ArpColumns) -> None:
        """Note who asked first; by its MAC address where it had no other yet."""
        asked = np.flatnonzero((number >= 0) & (asker >= 0))
        for one, row in zip(number[asked].tolist(), asker[asked].tolist(), strict=True):
            if not self.askers[one]:
                address = int(arp.sender_ip[row])
                self.askers[one] = (
                    mac_text(int(arp.sender_mac[row]))
                    if address == NOBODY
                    else address_text(Kind.IPV4, 0, address)
                )

    def _note(self, number: I64, which: I64, count: I64, seen: I64) -> None:
        """Each pair of number and ``which`` comes once, in order of sight."""
        table = self.table
        table["counts"][number, which] += count
        new = np.flatnonzero(table["first"][number, 1] < 0)[::-1]  # the earliest stays
        table["first"][number[new]] = seen[new]
        table["new"][number] = True

    def _enter(self, place: int, address: int) -> int:
        key = place_text(place), address_text(Kind.IPV4, 0, address)
        known = self.index.get(key)
        if known is not None:
            return known
        return self._add(key) if len(self.keys) < self.cap else -1

    def _add(self, key: Key) -> int:
        number = self.index[key] = len(self.keys)
        self.keys.append(key)
        self.askers.append("")
        self.table = with_room(self.table, number + 1, unseen)
        return number

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `lookup` that changed since the last call."""
        changed = np.flatnonzero(self.table["new"])
        self.table["new"][changed] = False
        counts, first = (
            self.table["counts"][changed].tolist(),
            self.table["first"][changed].tolist(),
        )
        return [
            (source, *self.keys[number], *counted, *seen, self.askers[number])
            for number, counted, seen in zip(changed.tolist(), counts, first, strict=True)
        ]

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        for _, place, address, asked, answered, *first, asker in rows:
            number = self._add((place, address))  # before `self.table`, which may grow by it
            self.table[number] = (asked, answered), first, False
            self.askers[number] = asker
