"""Checkpoints: all or nothing, whatever happens; absolute rows, added histograms."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import row, store_with, write

from otsec.errors import StorageError
from otsec.store import TABLES, CaptureProgress, Store, open_store, storable
from otsec.store.histograms import add, pack, pairs

PUSHED = [name for name, table in TABLES.items() if table.pushed]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store with source 1."""
    with store_with(tmp_path / "site.db") as opened:
        yield opened


# ------------------------------------------------------------------------------------ rows


@pytest.mark.parametrize("name", PUSHED)
def test_rows_come_back_as_they_were_written(store: Store, name: str) -> None:
    """Rows of a source come back in order of their key, in order of the columns, same key last."""
    text, number = "holding 1\n\N{SNOWMAN}", -(1 << 62)

    def cells(nth: int, extra: int) -> tuple[object, ...]:
        plain = {"INTEGER": number + nth, "TEXT": f"{text}{nth}", "BLOB": pack([(nth, 5)])}
        made = {c.name: plain[c.type] for c in TABLES[name].columns} | {"source": 1}
        made |= dict.fromkeys(TABLES[name].summed, 0)
        free = [c for c in TABLES[name].columns if c.name not in TABLES[name].key]
        if free[0].type == "INTEGER":
            made[free[0].name] = extra
        return row(name, **made)

    keys = (1,) if name == "clock" else (3, 1, 2)
    write(store, **{name: [cells(nth, 0) for nth in keys]})
    adds = name in {"histogram", "rhythm"}
    again = {} if adds else {name: [cells(keys[0], 9)]}
    write(store, **again)

    last = 0 if adds else 9
    assert store.rows(name, 1) == [
        cells(nth, last if nth == keys[0] else 0) for nth in sorted(keys)
    ]
    assert store.rows(name, 2) == []


def test_rows_of_unknown_tables_are_a_mistake(store: Store) -> None:
    """Tables that a checkpoint does not write are refused by name, before anything is written."""
    with pytest.raises(ValueError, match="not tables of a checkpoint: capture, cake"):
        write(store, counter=[row("counter", source=1)], capture=[], cake=[])
    assert store.rows("counter", 1) == []


def test_numpy_numbers_are_numbers(store: Store) -> None:
    """NumPy scalars are stored as numbers, never as their bytes."""
    numbers = (np.int64(5), np.uint8(7), np.int32(-2), np.bool_(True))  # noqa: FBT003
    write(store, gap=[row("gap", source=np.int64(1), number=n) for n in numbers])

    assert store.all("SELECT source, number, typeof(number) FROM gap") == [
        (1, -2, "integer"),
        (1, 1, "integer"),
        (1, 5, "integer"),
        (1, 7, "integer"),
    ]


def test_text_no_database_holds_costs_one_character(store: Store) -> None:
    """A lone surrogate does not stop a checkpoint, and `storable` says what is kept of a text."""
    write(store, fact=[row("fact", source=1, value="a\ud800b"), row("fact", source=1, value="c")])

    assert [fact[4] for fact in store.rows("fact", 1)] == ["a\N{REPLACEMENT CHARACTER}b", "c"]
    assert [storable(text) for text in ("a\0b", "a\ud800b", "\N{SNOWMAN}\U0001f600", "ab")] == [
        "a\N{REPLACEMENT CHARACTER}b",
        "a\N{REPLACEMENT CHARACTER}b",
        "\N{SNOWMAN}\U0001f600",
        "ab",
    ]


# ------------------------------------------------------------------------ sources, captures


def test_a_source_is_made_once_and_follows_its_group(store: Store) -> None:
    """Site, point and interface name a source; the group is what the configuration last said."""
    one = store.source("plant", "tap", "net", "")
    other = store.source("plant", "tap", "net", "eth1")

    assert (one, other) == (1, 2)
    assert store.source("plant", "tap", "ring", "") == 1
    assert store.all("SELECT id, point_group FROM site_source ORDER BY id") == [
        (1, "ring"),
        (2, "net"),
    ]


def test_captures_are_those_of_their_point(store: Store) -> None:
    """A capture is told with its source and with its point, on any interface, and on no other."""
    other = store.source("plant", "tap", "net", "eth1")
    store.source("plant", "tap2", "net", "")
    number = store.add_capture(1, "/a.pcap", 24, "aa", {"format": "pcap"})
    store.move_capture(number, "/b.pcap")

    (found,) = store.captures(1)
    assert (found.id, found.path, found.reader_state) == (1, "/b.pcap", {"format": "pcap"})
    assert (found.position, found.complete, found.damage) == (0, False, "")
    assert store.point_captures("plant", "tap") == [found]
    assert store.captures(other) == store.point_captures("plant", "tap2") == []


def test_progress_and_state_are_kept_with_the_rows(store: Store) -> None:
    """A checkpoint moves captures on and replaces the states of the engine's parts."""
    number = store.add_capture(1, "/a.pcap", 24, "aa")
    progress = CaptureProgress(number, "bb", 999, 7, True, "cut short at 999", {"offset": 999})  # noqa: FBT003
    store.checkpoint({}, [progress], [(1, "clock", b"old"), (1, "pairs", b"\0\xff")], [1])
    store.checkpoint({}, [], [(1, "clock", b"new")], [1])

    (capture,) = store.captures(1)
    assert (capture.tail_hash, capture.position, capture.packets) == ("bb", 999, 7)
    assert (capture.complete, capture.damage) == (True, "cut short at 999")
    assert capture.reader_state == {"offset": 999}
    assert store.state(1) == {"clock": b"new", "pairs": b"\0\xff"}
    assert store.state(2) == {}


# ------------------------------------------------------------------------------ histograms

HISTOGRAM = st.dictionaries(st.integers(0, 255), st.integers(1, 1 << 40))


@given(st.lists(st.tuples(HISTOGRAM, HISTOGRAM), max_size=6))
@settings(max_examples=60)
def test_adding_histograms_is_exact(two: list[tuple[dict[int, int], dict[int, int]]]) -> None:
    """The sum has each bucket once, in order, with the sum of its counts."""
    before = [pack(list(one.items())) for one, _ in two]
    after = [pack(list(other.items())) for _, other in two]

    assert [pairs(total) for total in add(before, after)] == [
        sorted((Counter(one) + Counter(other)).items()) for one, other in two
    ]


def test_histograms_of_checkpoints_add_up(store: Store) -> None:
    """Each checkpoint adds to what is there; the same key twice in one checkpoint counts twice."""
    chance = random.Random(5)
    expected: dict[tuple[int, str], Counter[int]] = {}
    for _ in range(4):
        rows = []
        for _ in range(1000):
            key = chance.randrange(700), chance.choice(("response_us", "interval_us"))
            counts = [(chance.randrange(256), chance.randrange(1, 9))]
            rows.append((1, *key, pack(counts)))
            expected.setdefault(key, Counter()).update(dict(counts))
        write(store, histogram=rows)

    assert {(r[1], r[2]): dict(pairs(r[3])) for r in store.rows("histogram", 1)} == expected


# --------------------------------------------------------------------------- all or nothing


def test_an_error_in_the_middle_leaves_the_state_before(store: Store) -> None:
    """Where a later row cannot be written, no earlier one is; the next checkpoint goes on."""
    capture = store.add_capture(1, "/a.pcap", 24, "aa")
    progress = CaptureProgress(capture, "", 5, 5, False, "", {})  # noqa: FBT003
    write(store, gap=[row("gap", source=1, number=0, detail="before")])
    bad = [row("counter", source=1, name="fine"), row("counter", source=1)[:-1]]

    with pytest.raises(Exception, match="binding"):
        store.checkpoint(
            {"gap": [row("gap", source=1, number=0, detail="after")], "counter": bad},
            [progress],
            [(1, "clock", b"after")],
            [1],
        )
    assert store.rows("gap", 1) == [row("gap", source=1, number=0, detail="before")]
    assert store.rows("counter", 1) == []
    assert store.state(1) == {}
    assert store.captures(1)[0].position == 0

    store.checkpoint({"counter": bad[:1]}, [progress], [], [])
    assert store.rows("counter", 1) == bad[:1]
    assert store.captures(1)[0].position == 5


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_rows import row
from otsec.store import CaptureProgress, open_store
from otsec.store.histograms import pack
store = open_store(Path(sys.argv[1]))
source = store.source("plant", "tap", "net", "")
capture = (store.captures(source) or [None])[0]
at = capture.position if capture else 0
number = capture.id if capture else store.add_capture(source, "/a.pcap", 1, "aa")
print(at, flush=True)
while True:
    at += 1
    store.checkpoint(
        {
            "counter": [row("counter", source=source, name=str(n), count=at) for n in range(300)],
            "histogram": [(source, n, "response_us", pack([(7, 1)])) for n in range(300)],
            "clock": [row("clock", source=source, packets=at)],
        },
        [CaptureProgress(number, "", at, at, False, "", {})],
        [(source, "engine", str(at).encode())],
        [source],
    )
    print(at, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """Killed at any moment and started again: everything is of one same checkpoint, none lost."""
    path = tmp_path / "site.db"
    chance = random.Random(11)
    reached = 0
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert int(child.stdout.readline()) >= reached
        time.sleep(chance.uniform(0.0, 0.08))
        child.kill()
        said = child.stdout.read().split()
        child.stdout.close()
        child.wait()
        with open_store(path) as store:
            at = store.captures(1)[0].position
            assert at >= max([reached, *map(int, said)])
            counts = {cells[3] for cells in store.rows("counter", 1)}
            sums = {tuple(pairs(cells[3])) for cells in store.rows("histogram", 1)}
            if at:
                assert (counts, sums) == ({at}, {((7, at),)})
                assert store.rows("clock", 1)[0][1] == at
                assert store.state(1) == {"engine": str(at).encode()}
            assert store.all("PRAGMA integrity_check") == [("ok",)]
        reached = at
    assert reached > 0


def test_a_reader_sees_whole_checkpoints_while_one_is_written(tmp_path: Path) -> None:
    """Who reads during a checkpoint sees the one before, and is not made to wait."""
    with store_with(tmp_path / "a.db") as store:
        write(store, counter=[row("counter", source=1, name="a", count=1)])
        with open_store(tmp_path / "a.db", readonly=True, busy_s=0.0) as reader:
            with store._transaction():
                store.db.conn.execute("UPDATE counter SET count = 2")
                assert [cells[3] for cells in reader.rows("counter", 1)] == [1]
            assert [cells[3] for cells in reader.rows("counter", 1)] == [2]


def test_two_writers_of_one_source_do_not_mix(tmp_path: Path) -> None:
    """The second to write a source that another went on with meanwhile is refused, whole."""
    with store_with(tmp_path / "a.db") as one, open_store(tmp_path / "a.db") as two:
        two.source("plant", "tap", "net", "")
        free = two.source("plant", "tap9", "net", "")
        write(one, counter=[row("counter", source=1, name="a", count=1)])

        with pytest.raises(StorageError, match="another otsec has read the same capture point"):
            write(two, counter=[row("counter", source=1, name="a", count=9)])
        write(two, counter=[row("counter", source=free, name="a", count=9)])
        write(one, counter=[row("counter", source=1, name="a", count=2)])
        assert [cells[3] for cells in one.rows("counter", 1)] == [2]


# ------------------------------------------------------------------------------- full disks

FILLING = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_rows import row, store_with, write
from otsec.errors import StorageError
from otsec.store.upkeep import check
store = store_with(Path(sys.argv[1]), conversation=[row('conversation', source=1)])
if sys.argv[3] != "0":
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), hard))
done = 0
try:
    while done < 100:
        write(store, fact=[row("fact", source=1, value=str(n), device="x" * 400, count=done + 1)
                           for n in range(done * 200, done * 200 + 200)])
        done += 1
except StorageError as error:
    print(error)
if sys.argv[3] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    write(store, fact=[row("fact", source=1, value="more", count=done + 1)])
    store.db.conn.execute("DELETE FROM fact WHERE value = 'more'")
print(done, len(store.rows("fact", 1)), check(store))
"""


def _fill(path: Path, limit: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FILLING, path, Path(__file__).parent, str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(os.name != "posix", reason="file size limits are a matter of POSIX")
def test_a_file_that_may_not_grow_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """Where the system refuses to write, one line tells; the store is whole, and writing goes on."""
    said, left = _fill(tmp_path / "a.db", 1 << 20)

    done = int(left.split()[0])
    assert said.startswith(f"{tmp_path / 'a.db'}: the system could not read or write the store")
    assert 0 < done < 100
    assert left == f"{done} {done * 200} []"


def test_a_full_disk_keeps_the_last_checkpoint(small_disk: Path) -> None:
    """A full disk is one line that says what to do; everything before stays readable."""
    said, left = _fill(small_disk / "a.db", 0)

    done = int(left.split()[0])
    assert said.startswith(f"{small_disk / 'a.db'}: the disk is full; free some space and run the")
    assert 0 < done < 100
    assert left == f"{done} {done * 200} []"


def test_a_new_store_on_a_full_disk_leaves_no_file(small_disk: Path) -> None:
    """A store that cannot be made is not left behind half made."""
    (small_disk / "ballast").write_bytes(b"x" * ((1 << 20) - 8192))

    with pytest.raises(StorageError, match="the disk is full"):
        open_store(small_disk / "a.db")
    assert [file.name for file in small_disk.iterdir()] == ["ballast"]
