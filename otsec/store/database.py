"""The store: opening it, and writing and reading what the engine needs to go on.

The engine keeps absolute values in memory and hands over the rows that changed. A row is named
by its natural key, so writing it again changes nothing; only histograms are handed over as what
was added since the last checkpoint.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from sqlite_utils import Database

from otsec.errors import StorageError
from otsec.store import ends, histograms
from otsec.store.faults import told
from otsec.store.migrations import NEWEST, migrate, version
from otsec.store.schema import TABLES

Row: TypeAlias = tuple[Any, ...]  # one row in the order of its table's columns
State: TypeAlias = tuple[int, str, bytes]  # of which source, of which module, and what

BUSY_S = 10.0  # how long to wait for another program that writes
MAKING_S, MAKING_LOOKS = 1.0, 50  # how long, and how often, a reader waits for a store to be made
WAL_BYTES = 64 << 20  # what the -wal file is cut back to once its content is in the store
WRITTEN_AT_ONCE = 4096  # rows
MERGED_AT_ONCE = 400  # behaviours whose histograms are read together: SQLite binds at least 999


def _plain(number: Any) -> int:
    return int(number)


for _number in (np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8):
    sqlite3.register_adapter(_number, _plain)  # else SQLite takes a NumPy number for a BLOB
sqlite3.register_adapter(np.bool_, _plain)


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that was read, and how far."""

    id: int
    source: int  # the source it was first read for
    path: str
    head_length: int  # bytes that head_hash covers
    head_hash: str
    tail_hash: str  # of the last 64 KiB before position
    position: int  # uncompressed bytes behind the last record used
    packets: int
    complete: bool
    damage: str  # "" where nothing is wrong
    reader_state: dict[str, Any]  # what the reader needs to go on at position


@dataclass(frozen=True, slots=True)
class CaptureProgress:
    """What a checkpoint changes of a capture; fields as in Capture."""

    id: int
    tail_hash: str
    position: int
    packets: int
    complete: bool
    damage: str
    reader_state: Mapping[str, Any]


def storable(text: str) -> str:
    """The text without what no database holds: NUL and lone surrogates, shown as U+FFFD.

    Whoever keys rows by text of the network applies this before, so that a key read back is the
    key that was written.
    """
    if text.isascii() and "\0" not in text:
        return text
    clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean.replace("\0", "\N{REPLACEMENT CHARACTER}")


def open_store(
    path: Path, *, readonly: bool = False, create: bool = True, busy_s: float = BUSY_S
) -> "Store":
    """Open a store; without readonly make it if need be, and bring it up to this version.

    Raises StorageError with one line if that cannot be.
    """
    path = Path(path)
    made = False
    if path.is_dir():
        raise StorageError(f"{path}: is a folder; name a file with --db")
    with told(path):
        if not path.exists():
            if readonly or not create:
                raise StorageError(
                    f"{path}: there is no such store; make one with `otsec analyze CAPTURE --db {path}`"
                )
            _make(path)
            made = True
    try:
        with told(path):
            connection = _connect_to_read(path, busy_s) if readonly else _connect(path, busy_s)
            return Store(path, Database(connection, execute_plugins=False), readonly=readonly)
    except BaseException:
        if made:
            _unmake(path)
        raise


def _make(path: Path) -> None:
    """An empty file that only its owner can read; SQLite gives -wal and -shm the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _unmake(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?{mode}"


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    if not path.stat().st_size:
        path.chmod(0o600)
    connection = sqlite3.connect(
        _uri(path, "mode=rw"), timeout=busy_s, isolation_level=None, uri=True
    )
    try:
        _check_version(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")  # what was replaced leaves no trace
        connection.execute("PRAGMA synchronous = FULL")  # one fsync a checkpoint: it then stays
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")  # SQLite opens what it may not write; better told now
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path, busy_s: float) -> sqlite3.Connection:
    try:
        return _open_to_read(path, "mode=ro", busy_s)
    except sqlite3.OperationalError as error:
        # Where -shm can be neither read nor made (read-only folder or medium), a store that
        # nobody has open can still be read as it is.
        wal = path.with_name(path.name + "-wal")
        unread = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not unread or (wal.exists() and wal.stat().st_size):
            raise
    return _open_to_read(path, "mode=ro&immutable=1", busy_s)


def _open_to_read(path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(_uri(path, mode), timeout=busy_s, isolation_level=None, uri=True)
    try:
        found = _check_version(path, connection)
        for _ in range(MAKING_LOOKS):  # somebody may be making it just now
            if found:
                break
            sleep(MAKING_S / MAKING_LOOKS)
            found = _check_version(path, connection)
    except BaseException:
        connection.close()
        raise
    if found < NEWEST:
        connection.close()
        if not found:
            raise StorageError(
                f"{path}: is empty; read a capture into it with `otsec analyze CAPTURE --db {path}`"
            )
        raise StorageError(
            f"{path}: was written by an older otsec (schema {found}, this one reads {NEWEST}); "
            "run `otsec analyze` with it once, which brings it up to date"
        )
    return connection


def _check_version(path: Path, connection: sqlite3.Connection) -> int:
    connection.execute("PRAGMA trusted_schema = OFF")  # a store handed over may be made to harm
    connection.create_function(ends.NOW.removesuffix("()"), 0, ends.now_text, deterministic=True)
    try:
        found = version(connection)
    except ValueError as error:
        raise StorageError(
            f"{path}: is {error}, not a store of otsec; name another file with --db"
        ) from error
    if found > NEWEST:
        raise StorageError(
            f"{path}: was written by a newer otsec (schema {found}, this one knows {NEWEST}); "
            "update otsec"
        )
    return found


class Store:
    """An open store. One thread at a time; several programs may read while one writes."""

    def __init__(self, path: Path, db: Database, *, readonly: bool = False) -> None:
        self.path = path
        self.db = db
        self.readonly = readonly
        self._turns: dict[int, int] = {}  # checkpoints of each source when it was taken up
        self._looking = False  # within `snapshot`

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what was not checkpointed is not kept."""
        with told(self.path):
            self.db.conn.close()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[dict[str, Any]]:
        """Rows of a SELECT as dictionaries, for the queries of this package."""
        with told(self.path):
            yield from self.db.query(sql, parameters)

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Rows of a SELECT as tuples."""
        with told(self.path):
            return self.db.conn.execute(sql, parameters).fetchall()

    def each(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """The same one by one, where there are so many that they should not stand there twice."""
        with told(self.path):
            yield from self.db.conn.execute(sql, parameters)

    # ------------------------------------------------------------------ sources and captures

    def source(self, site: str, point: str, group: str, interface: str) -> int:
        """The id of a source, made if it is new; its group becomes the one given."""
        where = "FROM site_source WHERE site = ? AND point = ? AND interface = ?"
        key = (site, point, interface)
        found = self.all(f"SELECT id, point_group {where}", key)
        if not found or found[0][1] != group:
            with self._transaction():
                self.db.conn.execute(
                    "INSERT INTO site_source (id, site, point, point_group, interface) "
                    "VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM site_source), ?, ?, ?, ?) "
                    "ON CONFLICT (site, point, interface) "
                    "DO UPDATE SET point_group = excluded.point_group",
                    (site, point, group, interface),
                )
            found = self.all(f"SELECT id, point_group {where}", key)
        source = int(found[0][0])
        self._turns[source] = self._turn(source)
        return source

    def take_up(self, source: int, turn: int) -> None:
        """Go on with a source where another process of this run took it up; see `turn`."""
        self._turns[source] = turn

    def turn(self, source: int) -> int:
        """How many checkpoints a source had when it was taken up here."""
        return self._turns[source]

    def captures(self, source: int) -> list[Capture]:
        """The captures first read for a source, in the order in which they were added."""
        return self._captures("WHERE source = ?", (source,))

    def point_captures(self, site: str, point: str) -> list[Capture]:
        """The captures of all interfaces of a point: a capture is known within its point."""
        return self._captures(
            "WHERE source IN (SELECT id FROM site_source WHERE site = ? AND point = ?)",
            (site, point),
        )

    def all_captures(self) -> list[Capture]:
        """Every capture of the store."""
        return self._captures("", ())

    def add_capture(
        self,
        source: int,
        path: str,
        head_length: int,
        head_hash: str,
        reader_state: Mapping[str, Any] | None = None,
    ) -> int:
        """Remember a capture of which nothing has been read yet; gives its id."""
        with self._transaction():
            (number,) = self.db.conn.execute(
                "SELECT COALESCE(MAX(id), 0) + 1 FROM capture"
            ).fetchone()
            row = (
                *(number, source, storable(path), head_length, head_hash),
                *("", 0, 0, 0, "", json.dumps(reader_state or {})),
            )
            self.db.conn.execute(TABLES["capture"].upsert, row)
        return int(number)

    def move_capture(self, capture: int, path: str) -> None:
        """Remember where a capture lies now."""
        with self._transaction():
            self.db.conn.execute(
                "UPDATE capture SET path = ? WHERE id = ?", (storable(path), capture)
            )

    def _captures(self, where: str, parameters: Sequence[object]) -> list[Capture]:
        columns = ", ".join(TABLES["capture"].names)
        rows = self.all(
            f"SELECT {columns} FROM capture {where} ORDER BY id",  # noqa: S608 - text of this file
            parameters,
        )
        return [_capture(row) for row in rows]

    # ------------------------------------------------------------------------- the engine

    def rows(self, table: str, source: int) -> list[Row]:
        """All rows of a source in order of their key; tuples in order of the columns."""
        shape = TABLES[table]
        return self.all(
            f"SELECT {', '.join(shape.names)} FROM {shape.name} WHERE source = ? "  # noqa: S608 - names of schema.py
            f"ORDER BY {', '.join(shape.key)}",
            (source,),
        )

    def next_number(self, table: str, source: int) -> int:
        """The number behind the last that a row of a source has."""
        found = self.all(
            f"SELECT COALESCE(MAX(number), -1) + 1 FROM {TABLES[table].name} WHERE source = ?",  # noqa: S608 - a name of schema.py
            (source,),
        )
        return int(found[0][0])

    def state(self, source: int) -> dict[str, bytes]:
        """The state of the engine's parts at the last checkpoint of a source, by module."""
        return dict(
            self.all("SELECT module, data FROM state WHERE source = ? ORDER BY module", (source,))
        )

    def checkpoint(
        self,
        rows: Mapping[str, Iterable[Row]],
        captures: Sequence[CaptureProgress],
        state: Iterable[State],
        sources: Iterable[int],
    ) -> None:
        """Write changed rows, capture positions and state in one transaction: all or nothing.

        ``rows`` and then ``state`` are drawn once, and are of ``sources``. They
        replace those of the same key; histograms and what tables call summed are added to them.
        Raises StorageError if the store cannot be written, or if another program has gone on
        with one of the sources since it was taken up here.
        """
        unknown = [name for name in rows if name not in TABLES or not TABLES[name].pushed]
        if unknown:
            raise ValueError(f"not tables of a checkpoint: {', '.join(unknown)}")
        clock = list(rows.get("clock", ()))  # of each source that was read
        read = [(source,) for source in sorted({int(row[0]) for row in clock})]
        with self._transaction():
            turns = self._take_turns({*sources} | self._sources_of(captures))
            self.db.conn.executemany(
                "DELETE FROM behaviour WHERE source = ? AND number < 0",  # open at the last one
                read,
            )
            self.db.conn.executemany(
                "DELETE FROM content WHERE source = ? AND reason = 'open'",  # at the last one
                read,
            )
            for name, part in {**rows, "clock": clock}.items():
                self._upsert(
                    TABLES[name].upsert, _MERGED[name](self, part) if name in _MERGED else part
                )
            self.db.conn.executemany(
                "DELETE FROM conversation WHERE source = ? AND first_packet < 0",  # all moved away
                read,
            )
            self._upsert(
                "UPDATE capture SET tail_hash = ?, position = ?, packets = ?, complete = ?, "
                "damage = ?, reader_state = ? WHERE id = ?",
                [_progress(capture) for capture in captures],
            )
            for one in state:  # each may be large
                self._upsert(TABLES["state"].upsert, [one])
        self._turns.update(turns)

    def _upsert(self, statement: str, rows: Iterable[Row]) -> None:
        rows = iter(rows)
        while some := list(islice(rows, WRITTEN_AT_ONCE)):
            try:
                self.db.conn.executemany(statement, some)
            except UnicodeEncodeError:  # a lone surrogate; writing rows twice changes nothing
                self.db.conn.executemany(statement, map(_storable_row, some))

    def _sources_of(self, captures: Sequence[CaptureProgress]) -> set[int]:
        sources = set()
        for capture in captures:
            found = self.all("SELECT source FROM capture WHERE id = ?", (capture.id,))
            if not found:
                raise ValueError(f"no capture {capture.id} in the store")
            sources.add(int(found[0][0]))
        return sources

    def _turn(self, source: int) -> int:
        found = self.all("SELECT number FROM checkpoint WHERE source = ?", (source,))
        return int(found[0][0]) if found else 0

    def _take_turns(self, sources: Iterable[int]) -> dict[int, int]:
        """Count this checkpoint for each source, having seen that nobody else has written."""
        turns: dict[int, int] = {}
        for source in sorted(sources):
            turn = self._turn(source)
            if self._turns.get(source, turn) != turn:
                raise StorageError(
                    f"{self.path}: another otsec has read the same capture point into this store "
                    "meanwhile; its work is kept: run the same command again"
                )
            turns[source] = turn + 1
        self.db.conn.executemany(TABLES["checkpoint"].upsert, list(turns.items()))
        return turns

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within is the store as it was at one moment, whoever writes meanwhile.

        It ends where something is written within.
        """
        connection = self.db.conn
        with told(self.path):
            connection.execute("BEGIN")
        self._looking = True
        try:
            yield
        finally:
            self._look_up()

    def _look_up(self) -> None:
        if self._looking:
            self._looking = False
            self.db.conn.execute("ROLLBACK")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, whatever ends it; waits for other writers."""
        connection = self.db.conn
        with told(self.path):
            self._look_up()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _capture(row: Row) -> Capture:
    cells = dict(zip(TABLES["capture"].names, row, strict=True))
    cells["complete"] = bool(cells["complete"])
    cells["reader_state"] = json.loads(cells["reader_state"])
    return Capture(**cells)


def _progress(capture: CaptureProgress) -> Row:
    return (
        *(capture.tail_hash, capture.position, capture.packets, int(capture.complete)),
        *(capture.damage, json.dumps(capture.reader_state), capture.id),
    )


def _storable_row(row: Row) -> Row:
    return tuple(storable(cell) if isinstance(cell, str) else cell for cell in row)


def _merged_histograms(store: Store, rows: Iterable[Row]) -> list[Row]:
    """Rows of `histogram` with what the store has of them added; asked for by behaviour."""
    return _merged("histogram", store, rows, 0)


def _merged_rhythms(store: Store, rows: Iterable[Row]) -> list[Row]:
    """Rows of `rhythm` with what the store has of them added; asked for by hour."""
    storable_rows = ((*row[:2], storable(row[2]), storable(row[3]), *row[4:]) for row in rows)
    return _merged("rhythm", store, storable_rows, 3)


_MERGED = {"histogram": _merged_histograms, "rhythm": _merged_rhythms}


def _merged(name: str, store: Store, rows: Iterable[Row], which: int) -> list[Row]:
    """Rows of a table of histograms with what the store has of them added.

    Their key is the source, then further columns; that at ``which`` of these is asked by.
    """
    by_source: dict[int, dict[Row, bytes]] = {}
    for source, *cells, buckets in rows:
        added = by_source.setdefault(int(source), {})
        key = tuple(cell if isinstance(cell, str) else int(cell) for cell in cells)
        added[key] = added.get(key, b"") + buckets
    merged: list[Row] = []
    for source, added in by_source.items():
        keys = sorted(added, key=lambda key: key[which])
        for begin in range(0, len(keys), MERGED_AT_ONCE):
            piece = keys[begin : begin + MERGED_AT_ONCE]
            asked = sorted({key[which] for key in piece})
            stored = _stored_histograms(store, name, source, which, asked)
            blobs = [added[key] for key in piece]
            sums = (
                histograms.add([stored.get(key, b"") for key in piece], blobs) if stored else blobs
            )
            merged += [(source, *key, total) for key, total in zip(piece, sums, strict=True)]
    return merged


def _stored_histograms(
    store: Store, name: str, source: int, which: int, asked: Sequence[int]
) -> dict[Row, bytes]:
    columns = TABLES[name].names[1:]
    return {
        tuple(key): buckets
        for *key, buckets in store.all(
            f"SELECT {', '.join(columns)} FROM {name} "  # noqa: S608 - names of schema.py
            f"WHERE source = ? AND {columns[which]} IN ({', '.join('?' * len(asked))})",
            (source, *asked),
        )
    }
