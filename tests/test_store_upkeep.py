"""Looking after a store: what it holds, what is wrong with it, and copies of it."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from store_rows import row, store_with, write

from otsec.errors import StorageError
from otsec.store import TABLES, open_store
from otsec.store.dump import dump
from otsec.store.migrations import NEWEST
from otsec.store.upkeep import backup, check, info

SOUND: dict[str, list[Any]] = {
    "conversation": [row("conversation", source=1, number=0)],
    "behaviour": [row("behaviour", source=1, number=0)],
    "event": [row("event", source=1, packet=999)],
}


def test_info_tells_versions_sizes_rows_and_captures(tmp_path: Path) -> None:
    """Everything a user needs to know of a store without looking inside."""
    path = tmp_path / "a.db"
    with store_with(path, **SOUND) as store:
        store.add_capture(1, "/a.pcap", 24, "aa")
        told = info(store)

    assert (told.path, told.schema, told.newest) == (path, NEWEST, NEWEST)
    assert told.size_bytes + told.wal_bytes > 4096
    assert {name: count for name, count in told.rows.items() if count} == {
        "site_source": 1,
        "capture": 1,
        "clock": 1,
        "conversation": 1,
        "behaviour": 1,
        "event": 1,
        "checkpoint": 1,
    }
    assert told.rows.keys() == TABLES.keys()
    assert [(capture.path, capture.position) for capture in told.captures] == [("/a.pcap", 0)]


def test_a_sound_store_has_no_problems(tmp_path: Path) -> None:
    """A store as otsec writes it passes, also one opened for reading."""
    with store_with(tmp_path / "a.db", **SOUND) as store:
        assert check(store) == []
    with open_store(tmp_path / "a.db", readonly=True) as store:
        assert check(store) == []


PROBLEMS: list[tuple[str, Any, str]] = [
    (
        "behaviour",
        row("behaviour", source=1, number=1, conversation=7),
        "behaviour: 1 rows name a conversation that is not there",
    ),
    (
        "value",
        row("value", source=1, behaviour=5),
        "value: 1 rows name a behaviour that is not there",
    ),
    (
        "event",
        row("event", source=1, packet=1000),
        "event: 1 rows name packets that their source does not have",
    ),
    (
        "fact",
        row("fact", source=1, first_packet=5, last_packet=4),
        "fact: 1 rows end before they begin",
    ),
    (
        "behaviour",
        row("behaviour", source=1, number=0, packets="[1,"),
        "behaviour: 1 rows have packets that cannot be read",
    ),
    (
        "value",
        row("value", source=1, minimum=b"\0" * 8),
        "value: 1 rows have arrays that cannot be read",
    ),
    (
        "counter",
        row("counter", source=1, count=b"\1\0\0\0\0\0\0\0"),
        "counter: 1 rows have cells of a wrong type",
    ),
]


@pytest.mark.parametrize(("table", "bad", "problem"), PROBLEMS)
def test_what_does_not_fit_together_is_told(
    table: str, bad: Any, problem: str, tmp_path: Path
) -> None:
    """Each kind of inconsistency is one line with its table and number of rows."""
    with store_with(tmp_path / "a.db", **SOUND) as store:
        write(store, **{table: [bad]})

        assert check(store) == [problem]


def test_a_lost_source_and_a_torn_histogram_are_told(tmp_path: Path) -> None:
    """Rows of no source, and bytes that are no histogram."""
    with store_with(tmp_path / "a.db", **SOUND) as store:
        store.db.conn.execute("INSERT INTO histogram VALUES (1, 0, 'response_us', x'0102')")
        write(store, lookup=[row("lookup", source=9)])

        assert check(store) == [
            "lookup: 1 rows name a source that is not there",
            "checkpoint: 1 rows name a source that is not there",
            "histogram: 1 rows have buckets that cannot be read",
        ]


def test_a_damaged_page_is_told(tmp_path: Path) -> None:
    """Where bytes of the file were changed, SQLite's own check says so."""
    path = tmp_path / "a.db"
    facts = [row("fact", source=1, value=f"{n:0300}") for n in range(500)]
    store_with(path, fact=facts, **SOUND).close()
    content = bytearray(path.read_bytes())
    content[-8192:] = bytes(8192)
    path.write_bytes(content)

    with open_store(path) as store:
        problems = check(store)
    assert problems
    assert all("damaged" in problem and "\n" not in problem for problem in problems)


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_a_store_that_others_can_read_is_told(tmp_path: Path) -> None:
    """A mode that was widened later is a problem, with the command that mends it."""
    path = tmp_path / "a.db"
    store_with(path).close()
    path.chmod(0o644)

    with open_store(path) as store:
        assert check(store)[0] == (
            f"{path}: others can open it (mode 0644); run `chmod 600 {path}`"
        )


def test_a_backup_is_the_store_and_only_the_owners(tmp_path: Path) -> None:
    """A copy made while the store is open holds all that was checkpointed, 0600, one file."""
    folder = tmp_path / "copies"
    folder.mkdir()
    with store_with(tmp_path / "a.db", **SOUND) as store:
        backup(store, folder / "b.db")
        before = list(dump(store))
    assert [file.name for file in folder.iterdir()] == ["b.db"]
    if os.name == "posix":
        assert stat.S_IMODE((folder / "b.db").stat().st_mode) == 0o600
    with open_store(folder / "b.db", readonly=True) as copy:
        assert list(dump(copy)) == before
        assert [problem for problem in check(copy) if "others" not in problem] == []


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    """A file that is there is refused and stays as it is."""
    (tmp_path / "b.db").write_text("precious")

    with (
        store_with(tmp_path / "a.db") as store,
        pytest.raises(StorageError, match=r"b\.db: exists already; name another file"),
    ):
        backup(store, tmp_path / "b.db")
    assert (tmp_path / "b.db").read_text() == "precious"


def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A folder that is not there is one line."""
    with (
        store_with(tmp_path / "a.db") as store,
        pytest.raises(StorageError, match="No such file or directory"),
    ):
        backup(store, tmp_path / "nowhere" / "b.db")
