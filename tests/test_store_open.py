"""Opening a store: what is made, what is refused, and in which words."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest
from store_rows import row, store_with, write

from otsec.errors import Exit, StorageError
from otsec.store import database, open_store
from otsec.store.migrations import MIGRATIONS, NEWEST, Migration, migrate, version

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test lies."""
    return tmp_path / "site.db"


@pytest.fixture
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@posix
@pytest.mark.usefixtures("_no_umask")
@pytest.mark.parametrize("empty_file", [False, True])
def test_only_the_owner_can_read_it(path: Path, *, empty_file: bool) -> None:
    """The store and its companions are 0600 whatever the umask says."""
    if empty_file:
        path.touch(0o644)
    with store_with(path):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"site.db": 0o600, "site.db-wal": 0o600, "site.db-shm": 0o600}


def test_it_is_in_wal_mode_and_of_the_newest_version(path: Path) -> None:
    """A new store is written ahead, synchronised, and of the version of the last migration."""
    with open_store(path) as store:
        assert store.all("PRAGMA journal_mode") == [("wal",)]
        assert store.all("PRAGMA synchronous") == [(2,)]
        assert store.all("SELECT number, name FROM migration") == [
            (number, migration.name) for number, migration in enumerate(MIGRATIONS, 1)
        ]


def _newer(path: Path) -> None:
    with open_store(path) as store:
        store.db.conn.execute(
            "INSERT INTO migration (number, name) VALUES (?, ?)", (NEWEST + 6, "later")
        )


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipe (cake)")
    connection.close()


def _text(path: Path) -> None:
    path.write_text("time,client,server\n" * 100)


def _broken(path: Path) -> None:
    store_with(path).close()
    content = bytearray(path.read_bytes())
    content[100:2000] = b"\xff" * 1900
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.mkdir()


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (
        _newer,
        rf"written by a newer otsec \(schema {NEWEST + 6}, this one knows {NEWEST}\); update otsec",
    ),
    "foreign": (
        _foreign,
        "is a database of another program, not a store of otsec; name another file with --db",
    ),
    "text": (
        _text,
        r"this is not a store of otsec; name another file with --db \(file is not a database\)",
    ),
    "broken": (_broken, "the store is damaged; restore a backup of it, or name a new one"),
    "folder": (_folder, "is a folder; name a file with --db"),
}


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_store_is_refused_in_one_line(
    path: Path,
    case: str,
    *,
    readonly: bool,
) -> None:
    """Each wrong file is named with what is wrong and what to do, and is left as it was."""
    make, message = REFUSED[case]
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(StorageError, match=message) as caught:
        open_store(path, readonly=readonly)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit == Exit.STORAGE
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(("readonly", "create"), [(True, True), (False, False)])
def test_a_missing_store_is_not_made_for_reading(
    path: Path,
    *,
    readonly: bool,
    create: bool,
) -> None:
    """Who reads a store that is not there is told how to make one; nothing is made."""
    with pytest.raises(StorageError, match="there is no such store; make one with `otsec analyze"):
        open_store(path, readonly=readonly, create=create)
    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """A store in a folder that does not exist is one line."""
    with pytest.raises(StorageError, match=r"nowhere.a\.db: No such file or directory"):
        open_store(tmp_path / "nowhere" / "a.db")


def test_a_locked_store_is_told(path: Path) -> None:
    """Where another program writes for longer than one waits, that is said."""
    with store_with(path) as holder:
        holder.db.conn.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another program holds the store; wait until"):
            open_store(path, busy_s=0.05)
        holder.db.conn.execute("ROLLBACK")
        open_store(path, busy_s=0.05).close()


AS_NOBODY = """
import os, sys
import urllib.parse  # of Path.as_uri; nobody may not be let to where Python lies
from pathlib import Path
from otsec.errors import StorageError
from otsec.store import database, open_store
from otsec.store.queries import sources
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
path = Path(sys.argv[1])
if not os.access(path, os.R_OK):
    sys.exit(print("unreachable"))
with open_store(path, readonly=True) as store:
    print(len(sources(store)))
try:
    open_store(path)
except StorageError as error:
    print(error)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that another user can reach, which those of pytest are not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


@posix
def test_a_read_only_store_can_be_read_but_not_written(reachable: Path) -> None:
    """In a folder that may not be written a store can be read; opening it to write says why not."""
    path = reachable / "site.db"
    store_with(path).close()
    path.chmod(0o444)
    reachable.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, path], capture_output=True, text=True, check=False
    )

    if done.stdout == "unreachable\n":
        pytest.skip("the folder for temporary files is closed to other users")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "1"
    assert lines[1].startswith(f"{path}: the store cannot be written; give yourself write perm")


def test_an_unfinished_migration_leaves_the_version_before(path: Path) -> None:
    """A migration that fails half way changes nothing and is not recorded."""
    with store_with(path) as store:
        broken = Migration("broken", ("CREATE TABLE extra (a INTEGER NOT NULL)", "NONSENSE"))
        with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
            migrate(store.db.conn, (*MIGRATIONS, broken))

        assert version(store.db.conn) == len(MIGRATIONS)
        assert store.all("SELECT name FROM sqlite_master WHERE name = 'extra'") == []


def test_a_later_migration_is_applied_once_and_keeps_the_rows(path: Path) -> None:
    """A store of an older version gets what it lacks, and keeps what it has."""
    more = Migration("extra", ("CREATE TABLE extra (a INTEGER NOT NULL)",))
    counter = row("counter", source=1, name="frames", count=3)
    with store_with(path, counter=[counter]) as store:
        migrate(store.db.conn, (*MIGRATIONS, more))
        migrate(store.db.conn, (*MIGRATIONS, more))

        assert version(store.db.conn) == len(MIGRATIONS) + 1
        assert store.rows("counter", 1) == [counter]


def test_an_empty_store_is_not_made_by_a_reader(path: Path) -> None:
    """Reading never changes a store: one that nobody fills is told to be empty."""
    path.touch()

    with pytest.raises(StorageError, match=r"is empty; read a capture into it with `otsec analyze"):
        open_store(path, readonly=True)
    assert path.read_bytes() == b""


def test_an_older_store_is_not_migrated_by_a_reader(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lacks migrations is told to be opened for writing."""
    open_store(path).close()
    monkeypatch.setattr(database, "NEWEST", len(MIGRATIONS) + 1)

    with pytest.raises(
        StorageError, match=r"an older otsec \(schema \d+, this one reads \d+\); run"
    ):
        open_store(path, readonly=True)


def test_a_reader_waits_for_a_store_that_is_made(path: Path) -> None:
    """Who opens a store between its making and its first table reads it as soon as it is there."""
    path.touch()
    maker = Timer(0.2, lambda: open_store(path).close())
    maker.start()
    with open_store(path, readonly=True) as store:
        assert store.all("SELECT COUNT(*) FROM conversation") == [(0,)]
    maker.join()


def test_a_new_store_is_never_seen_half_made(path: Path) -> None:
    """All migrations of a new store are one transaction: a failing one leaves nothing."""
    connection = sqlite3.connect(path, isolation_level=None)
    broken = Migration("broken", ("CREATE TABLE nothing (",))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, broken))
    assert version(connection) == 0
    connection.close()


def test_a_reader_cannot_write(path: Path) -> None:
    """A store opened for reading refuses to be written."""
    store_with(path).close()

    with (
        open_store(path, readonly=True) as store,
        pytest.raises(StorageError, match="the store cannot be written"),
    ):
        write(store, counter=[row("counter", source=1, name="frames")])
