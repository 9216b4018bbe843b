"""Who told everybody that an address is his, as hosts do when they start (RFC 5227 2.3)."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, address_words, mac_text
from otsec.aggregates.counters import Row
from otsec.dissect import ArpColumns
from otsec.model import IPV4_MAPPED, Kind, Packets, place_of, place_text
from otsec.nanoseconds import DAY_NS

KEPT = 8  # of an address and day; who says it all the time tells nothing by it
NOBODY = IPV4_MAPPED  # 0.0.0.0, who asks whether an address is free (RFC 5227 2.1.1)


class Announcements:
    """Ordered: those of one source. Those of addresses for which there is no room are not told."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.days: dict[tuple[int, int], tuple[int, int]] = {}
        # by place and address the day of the last, and how many of that day were kept
        self.rows: list[tuple[int | str, ...]] = []

    def add(self, arp: ArpColumns, packets: Packets, ordinal: int) -> None:
        """Take the ARP packets of a batch."""
        own = (arp.sender_ip == arp.target_ip) | (arp.sender_ip == NOBODY)
        some = np.flatnonzero(own & (arp.target_ip != NOBODY))
        row = arp.row[some]
        day = packets.time[row] // DAY_NS
        for at, place, address, mac, today in zip(
            row.tolist(), packets.place[row].tolist(), arp.target_ip[some].tolist(),
            arp.sender_mac[some].tolist(), day.tolist(), strict=True,
        ):  # fmt: skip
            key = place, address
            before = self.days.get(key)
            if before is None and len(self.days) >= self.cap:
                continue
            kept = before[1] if before is not None and before[0] == today else 0
            if kept < KEPT:
                self.days[key] = today, kept + 1
                text = address_text(Kind.IPV4, 0, address)
                packet = ordinal + int(packets.row[at])
                self.rows.append(
                    (place_text(place), text, int(packets.time[at]), packet, mac_text(mac))
                )

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `announcement` since the last call."""
        found, self.rows = self.rows, []
        return [(source, *row) for row in found]

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds, where no state tells more; in order of packets."""
        for _, place, text, time, *_ in rows:
            key, today = (place_of(place), address_words(text)[2]), int(time) // DAY_NS
            day, kept = self.days.get(key, (today, 0))
            self.days[key] = today, kept + 1 if day == today else 1

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"days": [[*key, *day] for key, day in self.days.items()]}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for place, address, day, kept in state["days"]:
            self.days[place, address] = day, kept
