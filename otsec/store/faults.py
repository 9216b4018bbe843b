"""What can go wrong with the store's file, each as one line that says what to do."""

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
    5: _LOCKED,  # SQLITE_BUSY
    6: _LOCKED,  # SQLITE_LOCKED
    3: "you may not open the store; ask its owner for permission",  # SQLITE_PERM
    8: _READ_ONLY,
    10: _FAILING,  # SQLITE_IOERR
    11: _DAMAGED,  # SQLITE_CORRUPT
    13: _FULL,
    14: "the store cannot be opened; check that its folder exists and that you may write there",
    15: "another program holds the store by a lock this file system cannot share",
    23: "you may not open the store; ask its owner for permission",  # SQLITE_AUTH
    26: "this is not a store of otsec; name another file with --db",  # SQLITE_NOTADB
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn failures of the file into StorageError; what is a mistake of otsec goes through."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = _BY_CODE.get(getattr(error, "sqlite_errorcode", 1) & 0xFF)
        if text is None:
            raise
        raise StorageError(f"{path}: {text} ({error})") from error
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; name another file") from error
