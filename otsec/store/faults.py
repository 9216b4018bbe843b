"""What can go wrong with the store's file, each as one line that says what to do."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otsec.errors import StorageError

_DAMAGED = "the store is damaged; restore a backup of it, or name a new one with --db"
_LOCKED = "another program holds the store; wait until it is done, or stop it, then try again"
_READ_ONLY = (
    "the store cannot be written; give yourself write permission to the file and its folder"
)
_FULL = "the disk is full; free some space and run the same command again, nothing is lost"
_FAILING = (
    "the system could not read or write the store (disk full, quota or failing disk?); "
    "see to it and run the same command again, nothing is lost"
)

# Primary result codes, sqlite.org/rescode.html: the low byte of an extended code.
_BY_CODE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PERM: "you may not open the store; ask its owner for permission",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _FAILING,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: "the store cannot be opened; check that its folder exists and that you may write there",
    sqlite3.SQLITE_PROTOCOL: "another program holds the store by a lock this file system cannot share",
    sqlite3.SQLITE_AUTH: "you may not open the store; ask its owner for permission",
    sqlite3.SQLITE_INTERRUPT: "the question was taken back",
    sqlite3.SQLITE_NOTADB: "this is not a store of otsec; name another file with --db",
}


NO_ROOM_BYTES = 1 << 16  # less than SQLite needs for its -shm file and the next page


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < NO_ROOM_BYTES
    except OSError:
        return False


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn failures of the file into StorageError; what is a mistake of otsec goes through."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code not in _BY_CODE:
            raise
        text = _FULL if code == sqlite3.SQLITE_IOERR and _is_full(path) else _BY_CODE[code]
        raise StorageError(f"{path}: {text} ({error})") from error
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; name another file") from error
