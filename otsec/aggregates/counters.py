"""Counters by name: what capture and decoding met, each with its first and last packet."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np

from otsec.columns import I64

Row = tuple[int | str | bytes, ...]
SLICE = 4096  # rows that are made at once, so that a checkpoint needs little room
K = TypeVar("K", bound=tuple[int | str, ...])


def drawn(make: Callable[[I64], Iterable[Row]], numbers: I64) -> Iterator[Row]:
    """The rows that ``make`` gives for numbers, some at a time, as they are asked for."""
    cuts = range(0, len(numbers), SLICE)
    return chain.from_iterable(make(numbers[at : at + SLICE]) for at in cuts)


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

    def note_all(self, time: I64, packet: I64) -> None:
        """Count what several packets showed, once each."""
        seen = np.stack([time, packet], axis=1)
        self.note_spans(np.ones(len(seen), np.int64), seen, seen)

    def note_spans(self, count: I64, first: I64, last: I64) -> None:
        """Count what was seen from some packets to others; each (time, ordinal) a row."""
        if len(count):
            self.note(int(count.sum()), *first[first[:, 1].argmin()].tolist())
            self.note(0, *last[last[:, 1].argmax()].tolist())


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

    def capped(self, name: str, refused: Refusals) -> None:
        """Count what a table had no room for, which counts once."""
        if refused.count:
            self.add(f"cap:{name}", refused.count, refused.first, refused.last)
            refused.clear()

    def count(self, name: str, detail: str = "") -> int:
        """How often something was counted."""
        return self.rows.get((name, detail), [0])[0]
