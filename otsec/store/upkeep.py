"""Looking after a store: what is in it, whether it is sound, and a copy of it."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from otsec.errors import StorageError
from otsec.store import histograms
from otsec.store.arrays import numbers
from otsec.store.database import Capture, Store
from otsec.store.faults import told
from otsec.store.migrations import NEWEST, version
from otsec.store.schema import NONE, TABLES

MAX_DAMAGES = 20  # lines of SQLite's own check; one broken page can give thousands


@dataclass(frozen=True, slots=True)
class Info:
    """What a store is and holds."""

    path: Path
    schema: int  # version of the schema
    newest: int  # version that this otsec writes
    sqlite: str  # version of the SQLite library
    size_bytes: int
    wal_bytes: int  # written, but not yet moved into the store's file
    rows: dict[str, int]  # by table
    captures: tuple[Capture, ...]


def info(store: Store) -> Info:
    """Versions, sizes, rows of each table, and how far each capture was read."""
    wal = store.path.with_name(store.path.name + "-wal")
    with told(store.path):
        return Info(
            path=store.path,
            schema=version(store.db.conn),
            newest=NEWEST,
            sqlite=sqlite3.sqlite_version,
            size_bytes=store.path.stat().st_size,
            wal_bytes=wal.stat().st_size if wal.exists() else 0,
            rows={name: _count(store, f"SELECT COUNT(*) FROM {name}") for name in TABLES},  # noqa: S608 - names of schema.py
            captures=tuple(store.all_captures()),
        )


def _count(store: Store, sql: str) -> int:
    return int(store.all(sql)[0][0])


def check(store: Store) -> list[str]:
    """What is wrong with a store, one line each; nothing if it is sound."""
    problems = list(_damages(store)) or list(_types(store))
    if problems:
        return problems  # what cannot be read need not be looked at further
    return [*_modes(store), *_lost_references(store), *_numbers(store), *_cells(store)]


def _damages(store: Store) -> Iterator[str]:
    try:
        found = store.all(f"PRAGMA integrity_check({MAX_DAMAGES})")
    except StorageError as error:
        yield str(error)
        return
    yield from (f"the file is damaged: {text}" for (text,) in found if text != "ok")


def _modes(store: Store) -> Iterator[str]:
    if os.name != "posix":
        return
    for end in ("", "-wal", "-shm"):
        path = store.path.with_name(store.path.name + end)
        if path.exists() and (mode := path.stat().st_mode & 0o777) & 0o077:
            yield f"{path}: others can open it (mode {mode:04o}); run `chmod 600 {path}`"


def _lost_references(store: Store) -> Iterator[str]:
    for table in TABLES.values():
        for column in table.columns:
            if not column.refers:
                continue
            other, name = column.refers.split(".")
            same = "" if other == "site_source" else "AND o.source = t.source"
            lost = _count(
                store,
                f"SELECT COUNT(*) FROM {table.name} AS t WHERE t.{column.name} <> {NONE} "  # noqa: S608 - names of schema.py
                f"AND NOT EXISTS (SELECT 1 FROM {other} AS o "
                f"WHERE o.{name} = t.{column.name} {same})",
            )
            if lost:
                yield f"{table.name}: {lost} rows name a {column.name} that is not there"


def _types(store: Store) -> Iterator[str]:
    """SQLite keeps any type in any column; otsec reads only what the schema says."""
    for table in TABLES.values():
        wrong = " OR ".join(
            f"typeof({column.name}) <> '{column.type.lower()}'" for column in table.columns
        )
        if count := _count(store, f"SELECT COUNT(*) FROM {table.name} WHERE {wrong}"):  # noqa: S608 - names of schema.py
            yield f"{table.name}: {count} rows have cells of a wrong type"


_BEYOND = {  # rows that tell of packets which their source did not have
    table.name: column
    for table in TABLES.values()
    for column in ("last_packet", "packet")
    if table.derived and column in table.names
}


def _numbers(store: Store) -> Iterator[str]:
    for name, column in _BEYOND.items():
        above = ">" if name == "gap" else ">="  # behind a gap at the end no packet may have come
        beyond = _count(
            store,
            f"SELECT COUNT(*) FROM {name} AS t WHERE t.{column} {above} "  # noqa: S608 - names of schema.py
            "COALESCE((SELECT packets FROM clock WHERE clock.source = t.source), 0)",
        )
        if beyond:
            yield f"{name}: {beyond} rows name packets that their source does not have"
    for name in ("conversation", "behaviour", "value", "fact", "counter", "held"):
        backward = _count(
            store,
            f"SELECT COUNT(*) FROM {name} WHERE first_packet > last_packet",  # noqa: S608 - names of this file
        )
        if backward:
            yield f"{name}: {backward} rows end before they begin"


def _cells(store: Store) -> Iterator[str]:
    """Contents of cells that only otsec understands."""
    cells: tuple[tuple[str, str, str, Callable[..., object]], ...] = (
        ("behaviour", "packets", "packets", json.loads),
        ("capture", "reader_state", "reader_state", json.loads),
        ("histogram", "buckets", "buckets", histograms.pairs),
        ("value", "arrays", "minimum, maximum, first, last", _same_length),
    )
    for table, what, columns, read in cells:
        bad = 0
        for row in store.all(f"SELECT {columns} FROM {table}"):  # noqa: S608 - names of this file
            try:
                read(*row)
            except ValueError:
                bad += 1
        if bad:
            yield f"{table}: {bad} rows have {what} that cannot be read"


def _same_length(*arrays: bytes) -> None:
    if len({len(numbers(array)) for array in arrays}) != 1:
        raise ValueError("arrays of different lengths")


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise StorageError(f"{path}: exists already; name another file")


def backup(store: Store, path: Path) -> None:
    """Copy a store to a new file while it is in use; the copy is whole or not there.

    Raises StorageError if the file exists or cannot be written.
    """
    path = Path(path)
    _refuse_existing(path)
    part = path.with_name(path.name + ".part")
    with told(path):
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            copy = sqlite3.connect(part)
            try:
                store.db.conn.backup(copy)
            finally:
                copy.close()
            _refuse_existing(path)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
