"""Rows by their place: what the table asks of a listing, however long it is.

A listing that the store can order gives keys alone and fetches the rows that are looked at; one
that is made in Python is kept whole. Both know each row by a key that outlives a change of order.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from otsec.cli.listing import natural
from otsec.cli.output import Column
from otsec.columns import I64
from otsec.store.paging import Keyed

Key: TypeAlias = Hashable
Fetch: TypeAlias = Callable[[Sequence[int] | I64], list[Keyed]]

PAGE = 128  # rows fetched together: three screens
NONE: Sequence[Any] = (None, "", (), [])  # what a cell without a value holds
KEPT = 24  # pages; more were scrolled past long ago


class Row(Protocol):
    """A row and its key."""

    @property
    def key(self) -> Any:
        """By which it is known."""

    @property
    def row(self) -> Any:
        """What it shows."""


def arranged(
    rows: Sequence[Any], columns: Sequence[Column], sort: str, *, descending: bool
) -> Sequence[Any]:
    """Rows in order of a column; those without a value stand last."""
    column = {one.name: one for one in columns}.get(sort)
    if column is None:
        return rows
    known = [row for row in rows if column.of(row) not in NONE]
    known.sort(key=lambda row: natural(column.of(row)), reverse=descending)
    return [*known, *(row for row in rows if column.of(row) in NONE)]


class Rows(Protocol):
    """Rows in an order."""

    def __len__(self) -> int:
        """How many there are."""

    def at(self, place: int) -> Row | None:
        """The row at a place; None where it has gone meanwhile."""

    def place(self, key: Key) -> int | None:
        """Where a row stands; None: nowhere."""

    def new_since(self, other: "Rows") -> frozenset[Key]:
        """Keys that the other does not have."""

    def all_rows(self, fetch: Fetch | None = None) -> "Sequence[Any]":
        """Every row, for an export; ``fetch``: by a connection of the asking thread."""


class Listed:
    """Rows that are kept whole."""

    def __init__(self, rows: Sequence[Any], key: Callable[[Any], Key]) -> None:
        self._given, self._key = rows, key
        self._rows = [Keyed(key(row), row) for row in rows]  # type: ignore[arg-type] # any key
        self.places = {keyed.key: place for place, keyed in enumerate(self._rows)}

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, place: int) -> Row | None:
        """The row at a place."""
        return self._rows[place]

    def place(self, key: Key) -> int | None:
        """Where a row stands."""
        return self.places.get(key)  # type: ignore[call-overload,no-any-return]

    def ordered(self, columns: Sequence[Column], sort: str, *, descending: bool) -> "Listed":
        """The same rows by a column."""
        return Listed(arranged(self._given, columns, sort, descending=descending), self._key)

    def only(self, choose: Callable[[Sequence[Any]], Sequence[Any]]) -> "Listed":
        """Those that are chosen."""
        return Listed(choose(self._given), self._key)

    def new_since(self, other: Rows) -> frozenset[Key]:
        """Keys that the other does not have."""
        if not isinstance(other, Listed):
            return frozenset()
        return frozenset(self.places.keys() - other.places.keys())

    def all_rows(self, fetch: Fetch | None = None) -> Sequence[Any]:  # noqa: ARG002 - as Paged
        """Every row."""
        return [keyed.row for keyed in self._rows]


class Paged:
    """Rows of which only the keys are kept, and the few pages that are looked at."""

    def __init__(self, keys: I64, fetch: Fetch) -> None:
        self.keys, self._fetch = keys, fetch
        self._pages: OrderedDict[int, dict[int, Keyed]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, place: int) -> Row | None:
        """The row at a place; fetches its page."""
        number = place // PAGE
        if number not in self._pages:
            keys = self.keys[number * PAGE : (number + 1) * PAGE]
            self._pages[number] = {keyed.key: keyed for keyed in self._fetch(keys)}
            while len(self._pages) > KEPT:
                self._pages.popitem(last=False)
        self._pages.move_to_end(number)
        return self._pages[number].get(int(self.keys[place]))

    def place(self, key: Key) -> int | None:
        """Where a row stands."""
        found = np.flatnonzero(self.keys == key)
        return int(found[0]) if len(found) else None

    def new_since(self, other: Rows) -> frozenset[Key]:
        """Keys that the other does not have."""
        if not isinstance(other, Paged):
            return frozenset()
        return frozenset(np.setdiff1d(self.keys, other.keys).tolist())

    def all_rows(self, fetch: Fetch | None = None) -> Sequence[Any]:
        """Every row, fetched once more."""
        return _Lazily(self.keys, fetch or self._fetch)


class _Lazily(Sequence[Any]):
    """All rows of some keys, fetched as they are gone through."""

    def __init__(self, keys: I64, fetch: Fetch) -> None:
        self.keys, self._fetch = keys, fetch

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [keyed.row for keyed in self._fetch(self.keys[place])]
        return self._fetch(self.keys[place : place + 1])[0].row

    def __iter__(self) -> Any:
        for begin in range(0, len(self.keys), PAGE * 4):
            for keyed in self._fetch(self.keys[begin : begin + PAGE * 4]):
                yield keyed.row


NOTHING = Listed((), id)
