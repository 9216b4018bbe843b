"""All units of one protocol in one batch, with the items that they list, as numbered rows."""

from bisect import bisect_right
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Mask
from otsec.exchanges.calls import NEVER, Calls, Values
from otsec.protocols.api import Items, Reader, Side, Split

OUTCOMES = ("", "late", "unanswered", "unknown", "unasked", "duplicate", "open")
LATE, UNANSWERED, GAP, UNASKED, DUPLICATE, OPEN = range(1, 7)


@dataclass(slots=True)
class Found:
    """Exchanges as rows of Work; -1 where there is no request or no response."""

    request: I64
    response: I64
    position: I64
    outcome: I64
    took: I64  # ns from request to response, -1 without both

    def take(self, rows: I64) -> "Found":
        """Some of them."""
        return Found(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, other: "Found") -> "Found":
        """These, then the others."""
        return Found(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )


class Work:
    """Units side by side; the rows of their items stand behind all of them."""

    def __init__(
        self, parts: list[Calls], splits: list[Split], key: I64, contexts: list[str]
    ) -> None:
        self.parts, self.splits, self.key, self.contexts = parts, splits, key, contexts
        sizes = [len(part) for part in parts]
        self.bases = [sum(sizes[:at]) for at in range(len(sizes))]
        self.tag: U64 = np.concatenate([split.tag for split in splits])
        self.side, self.serial, self.slot = (
            self._column("side"),
            self._column("serial"),
            self._column("slot"),
        )
        self.conversation, self.position = self._column("conversation"), self._column("position")
        self.single = self._column("single")
        self.time, self.steady = self._column("time"), self._column("steady")
        self.epoch, self.number = self._column("epoch"), self._column("number")
        self.order = np.argsort(self.position, kind="stable")  # all rows, by position
        # position of the request that is one too many for each to wait on; NEVER: none so far
        self.pushed = np.full(len(self.position), NEVER)
        self.alone = _alone(splits)
        self.aloud: Mask = self._column("aloud")
        self.items: list[Items] = []
        self.item_bases: list[int] = []

    def _column(self, name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in self.parts])

    def responds(self) -> Mask:
        """Which units are responses that should have a request."""
        told: Mask = self.side == Side.RESPONSE
        return told if self.alone is None else told & ~self.alone

    # ------------------------------------------------------------------ items

    def add_items(self, items: list[Items], key: list[I64]) -> None:
        """Take the items of each part, with the numbers of their keys."""
        self.items = items
        self.key = np.concatenate([self.key, *key])
        sizes = [len(one.owner) for one in items]
        units = len(self.position)
        self.item_bases = [units + sum(sizes[:at]) for at in range(len(sizes))]
        owner = np.concatenate(
            [one.owner + base for one, base in zip(items, self.bases, strict=True)]
        )
        self.item_count = np.bincount(owner, minlength=units)
        self.item_first = units + np.cumsum(self.item_count) - self.item_count

    def itemize(self, found: Found) -> tuple[Found, I64]:
        """Exchanges of items instead of units, and of which exchange each one is.

        Where one side lists fewer than the other, its whole unit stands for the missing ones.
        """
        counts = [
            np.where(rows >= 0, self.item_count[rows], 0)
            for rows in (found.request, found.response)
        ]
        times = np.maximum(np.maximum(*counts), 1)
        which = np.repeat(np.arange(len(times)), times)
        rank = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
        result = found.take(which)
        for rows, count in ((result.request, counts[0]), (result.response, counts[1])):
            listed = np.flatnonzero(rank < count[which])
            rows[listed] = self.item_first[rows[listed]] + rank[listed]
        return result, which

    def sizes(self, rows: I64) -> I64:
        """Bytes of units and items."""
        units = [part.end - part.start for part in self.parts]
        items = [one.end - one.start for one in self.items]
        return np.concatenate([*units, *items])[rows]

    def unit(self, row: int) -> Reader:
        """One unit or item, to be decoded."""
        if row < len(self.position):
            number = bisect_right(self.bases, row) - 1
            return self._reader(self.parts[number], row - self.bases[number], None)
        number = bisect_right(self.item_bases, row) - 1
        items, at, part = self.items[number], row - self.item_bases[number], self.parts[number]
        unit = int(items.owner[at])
        start = int(part.start[unit])
        item = int(items.start[at]) - start, int(items.end[at]) - start
        return self._reader(part, unit, item)

    def _reader(self, part: Calls, at: int, item: tuple[int, int] | None) -> Reader:
        data = part.buffer[part.start[at] : part.end[at]].tobytes()
        context = self.contexts[int(part.context[at])]
        return Reader(data, framing=int(part.framing[at]), item=item, context=context)

    # ------------------------------------------------------------------ values

    def values(self, row: I64) -> tuple[Values, ...]:
        """Where the values of some rows lie, by buffer; row -1 has none."""
        lots = [(part.buffer, split, base) for part, split, base in self._lots()]
        return tuple(found for lot in lots if (found := _values(row, *lot)) is not None)

    def _lots(self) -> list[tuple[Calls, Split, int]]:
        units = list(zip(self.parts, self.splits, self.bases, strict=True))
        items = zip(self.parts, self.items, self.item_bases, strict=False)
        return units + [(part, one.split, base) for part, one, base in items]


def _values(row: I64, buffer: Bytes, split: Split, base: int) -> Values | None:
    mine = np.flatnonzero((row >= base) & (row < base + len(split.value_count)))
    unit = row[mine] - base
    full = np.flatnonzero(split.value_count[unit] > 0)
    if not len(full):
        return None
    mine, unit = mine[full], unit[full]
    step = None if split.value_step is None else split.value_step[unit]
    return Values(
        buffer, mine, split.value_start[unit], split.value_count[unit], split.value_type[unit], step
    )


def _alone(splits: list[Split]) -> Mask | None:
    if all(split.alone is None for split in splits):
        return None
    none = [np.zeros(len(split.tag), np.bool_) for split in splits]
    return np.concatenate(
        [no if split.alone is None else split.alone for split, no in zip(splits, none, strict=True)]
    )
