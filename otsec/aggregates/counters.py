"""Counters by name: what capture and decoding met, each with its first and last packet."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from otsec.columns import I64

Row = tuple[int | str | bytes, ...]
K = TypeVar("K", bound=tuple[int | str, ...])


class Refusals:
    """What a table had no room for since it was last told, with the first and last packet."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count = 0
        self.first = self.last = (0, 0)

    def note(self, count: int, time: int, packet: int) -> None:
        """Count something that a packet showed."""
        if not self.count or packet < self.first[1]:
            self.first = time, packet
        if not self.count or packet > self.last[1]:
            self.last = time, packet
        self.count += count

    def note_all(self, time: I64, packet: I64, count: I64 | None = None) -> None:
        """Count what several packets showed; once each, or as often as ``count`` says."""
        if len(packet):
            first, last = packet.argmin(), packet.argmax()
            self.note(
                len(packet) if count is None else int(count.sum()),
                int(time[first]),
                int(packet[first]),
            )
            self.note(0, int(time[last]), int(packet[last]))


class Tally(Generic[K]):
    """Ordered: how often things were seen, each with its first and last packet, by key."""

    def __init__(self, cap: int | None = None) -> None:
        self.cap = cap
        self.rows: dict[K, list[int]] = {}
        self.changed: set[K] = set()
        self.refused = Refusals()

    def note(self, key: K, count: int, first: tuple[int, int], last: tuple[int, int]) -> None:
        """Count something seen from the packet ``first`` to the packet ``last`` (time, ordinal)."""
        known = self.rows.get(key)
        if known is None:
            if self.cap is not None and len(self.rows) >= self.cap:
                self.refused.note(count, *first)
                self.refused.note(0, *last)
                return
            self.rows[key] = [count, *first, *last]
        else:
            known[0] += count
            if first[1] < known[2]:
                known[1:3] = first
            if last[1] >= known[4]:
                known[3:] = last
        self.changed.add(key)

    def take_rows(self, source: int) -> list[Row]:
        """Rows that changed since the last call: source, key, count, first and last packet."""
        rows: list[Row] = [(source, *key, *self.rows[key]) for key in sorted(self.changed)]
        self.changed.clear()
        return rows

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        for row in rows:
            key: Any = tuple(row[1:-5])
            self.rows[key] = list(row[-5:])


class Counters(Tally[tuple[str, str]]):
    """Ordered: the counters of one source. Names and details are otsec's own words."""

    def add(
        self, name: str, count: int, first: tuple[int, int], last: tuple[int, int], detail: str = ""
    ) -> None:
        """Count something; see `Tally.note`."""
        self.note((name, detail), count, first, last)

    def count(self, name: str, detail: str = "") -> int:
        """How often something was counted."""
        return self.rows.get((name, detail), [0])[0]
