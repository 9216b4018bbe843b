"""Rows of the store for tests: what is not given is 0 or empty."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import finalize

import numpy as np

from otsec.store import TABLES, Store, open_store

EMPTY: dict[str, Any] = {"INTEGER": 0, "TEXT": "", "BLOB": b""}
ABSENT: dict[tuple[str, str], Any] = {
    ("event", "conversation"): -1,
    ("event", "behaviour"): -1,
    ("event", "connection"): -1,
    ("behaviour", "packets"): "[]",
    ("fact", "about"): "server",
}


def row(table: str, **cells: Any) -> tuple[Any, ...]:
    """One row in the order of the table's columns."""
    columns = TABLES[table].columns
    unknown = cells.keys() - {column.name for column in columns}
    assert not unknown, unknown
    return tuple(cells.get(c.name, ABSENT.get((table, c.name), EMPTY[c.type])) for c in columns)


def array(*numbers: int) -> bytes:
    """Numbers as the table `value` keeps them."""
    return np.array(numbers, "<i8").tobytes()


def values(*numbers: int) -> dict[str, bytes]:
    """The arrays of a value row whose elements never changed."""
    return dict.fromkeys(("minimum", "maximum", "first", "last"), array(*numbers))


def write(store: Store, **tables: Sequence[tuple[Any, ...]]) -> None:
    """One checkpoint of rows alone."""
    sources = {cells[0] for rows in tables.values() for cells in rows}
    store.checkpoint(tables, [], [], sources)


@cache
def _new_store() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        open_store(path).close()
        return path.read_bytes()


def new(path: Path) -> Store:
    """A new store; its tables are made once for all: making them takes a fifth of a small run.

    It is closed when nobody has it any more, which Python does with a warning since 3.13.
    """
    path.write_bytes(_new_store())
    path.chmod(0o600)
    store = open_store(path)
    finalize(store, store.db.conn.close)
    return store


def store_with(path: Path, **tables: Sequence[tuple[Any, ...]]) -> Store:
    """A new store with source 1 (plant, tap) of 1,000 packets and the given rows."""
    store = new(path)
    store.source("plant", "tap", "net", "")
    write(store, clock=[row("clock", source=1, packets=1000)], **tables)
    return store
