"""Counters by name: what capture and decoding met, each with its first and last packet."""

from collections.abc import Iterable

from otsec.columns import I64

Row = tuple[int | str | bytes, ...]


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


class Counters:
    """Ordered: the counters of one source. Names and details are otsec's own words."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[int]] = {}
        self.changed: set[tuple[str, str]] = set()

    def add(
        self, name: str, count: int, first: tuple[int, int], last: tuple[int, int], detail: str = ""
    ) -> None:
        """Count something seen from the packet ``first`` to the packet ``last`` (time, ordinal)."""
        key = name, detail
        known = self.rows.get(key)
        if known is None:
            self.rows[key] = [count, *first, *last]
        else:
            known[0] += count
            if first[1] < known[2]:
                known[1:3] = first
            if last[1] >= known[4]:
                known[3:] = last
        self.changed.add(key)

    def count(self, name: str, detail: str = "") -> int:
        """How often something was counted."""
        return self.rows.get((name, detail), [0])[0]

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `counter` that changed since the last call."""
        rows: list[Row] = [(source, *key, *self.rows[key]) for key in sorted(self.changed)]
        self.changed.clear()
        return rows

    def restore(self, rows: Iterable[Row]) -> None:
        """Take back what the store holds."""
        for _, name, detail, *numbers in rows:
            self.rows[str(name), str(detail)] = [int(number) for number in numbers]
