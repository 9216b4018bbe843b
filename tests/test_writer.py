"""Two workers: what adds up, and the store, in a process of their own."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import analyse, difference
from test_engine_anew import HALF, PLANT, State, alter, first_half, newer, totals_field

from otsec import slots
from otsec.errors import Exit, UsageError
from otsec.store import open_store
from otsec.store.dump import dump

WAIT_S = 60.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The dump of the plant, read by one process."""
    return analyse([PLANT], tmp_path_factory.mktemp("whole") / "x.db").dump


def begin(db: Path, workers: str = "2") -> "subprocess.Popen[str]":
    """A run over the plant with two workers and many checkpoints."""
    words = ["analyze", PLANT, "--point", "tap", "--db", db, "--no-rules", "--quiet"]
    words += ["--workers", workers, "--batch", "300", "--checkpoint", "0.001"]
    return subprocess.Popen(
        [sys.executable, "-m", "otsec", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(db: Path, checkpoints: int) -> None:
    """Until so many checkpoints are in a store."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            with closing(sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True)) as store:
                if store.execute("SELECT SUM(number) FROM checkpoint").fetchone()[0] >= checkpoints:
                    return
        except (sqlite3.Error, TypeError):  # it is being made
            pass
        time.sleep(0.005)
    raise AssertionError("no checkpoint")


def children(process: int) -> list[int]:
    """The processes that one has started."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in listed.split()]


def told(db: Path) -> list[str]:
    """The dump of a store."""
    with open_store(db, readonly=True) as store:
        return list(dump(store))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends it with us")
@pytest.mark.parametrize("checkpoints", [1, 2, 4, 7])
def test_killed_and_resumed(tmp_path: Path, whole: list[str], checkpoints: int) -> None:
    """Killed at any moment and run again, at once: the same dump, and nobody goes on writing."""
    db = tmp_path / "x.db"
    run = begin(db)
    wait_for(db, checkpoints)
    helpers = children(run.pid)
    run.kill()
    run.communicate()

    assert analyse([PLANT], db).outcomes[0].complete
    assert not difference(whole, told(db))
    assert not any(_writes(one, db) for one in helpers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends it with us")
@pytest.mark.parametrize("workers", ["2", "3"])
def test_killed_without_a_word(tmp_path: Path, workers: str) -> None:
    """Of a run that is killed no process and no shared memory is left, and nothing is said of it."""
    db = tmp_path / "x.db"
    run = begin(db, workers)
    wait_for(db, 2)
    run.kill()
    _, said = run.communicate(timeout=WAIT_S)  # the tracker of Python's ends last

    assert said == ""


def _writes(process: int, db: Path) -> bool:
    try:
        return any(one.readlink() == db for one in Path(f"/proc/{process}/fd").iterdir())
    except OSError:  # it has ended
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_writer_that_is_ended_is_one_line(tmp_path: Path, whole: list[str]) -> None:
    """Where the system ends the process that writes, one line says so, and the next run goes on."""
    db = tmp_path / "x.db"
    run = begin(db)
    wait_for(db, 1)
    for one in children(run.pid):
        if _writes(one, db):
            os.kill(one, signal.SIGKILL)

    _, said = run.communicate(timeout=WAIT_S)
    assert run.returncode == Exit.STORAGE
    assert said.count("\n") == 1
    assert "the process that writes it was ended from outside" in said
    analyse([PLANT], db)
    assert not difference(whole, told(db))


def test_a_full_disk(small_disk: Path, tmp_path: Path, whole: list[str]) -> None:
    """A full disk is the same line whoever writes; with room again the run goes on."""
    db = small_disk / "x.db"
    run = begin(db)
    _, said = run.communicate(timeout=WAIT_S)

    assert run.returncode == Exit.STORAGE
    assert said.count("\n") == 1
    assert "the disk is full; free some space" in said
    for file in small_disk.iterdir():
        shutil.copy(file, tmp_path / file.name)
    analyse([PLANT], tmp_path / "x.db")
    assert not difference(whole, told(tmp_path / "x.db"))


@pytest.mark.parametrize("change", [newer, totals_field], ids=lambda one: one.__name__)
def test_without_the_state(tmp_path: Path, change: Callable[[State], None]) -> None:
    """State of another version is gone on without, the same with two workers as with one."""
    path, dumps = tmp_path / "x.pcap", []
    for workers in (1, 2):
        db = tmp_path / f"{workers}.db"
        path.write_bytes(first_half(PLANT, HALF))
        analyse([path], db)
        alter(db, change)
        path.write_bytes(PLANT.read_bytes())
        dumps.append(analyse([path], db, workers=workers).dump)
    assert not difference(*dumps)


def test_shares_larger_than_their_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: list[str]
) -> None:
    """What does not fit into shared memory goes another way, to the same dump."""
    monkeypatch.setattr(slots, "SLOT", 4096)
    other = analyse([PLANT], tmp_path / "x.db", workers=2, batch=4096).dump
    assert not difference(whole, other)


@pytest.mark.skipif(not slots.FOLDER.is_dir(), reason="shared memory lies elsewhere")
def test_little_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: list[str]
) -> None:
    """With room for one slot it works all the same; with less, one line says what to do."""
    usage = shutil.disk_usage(slots.FOLDER)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=slots.SLOT + 1))
    assert not difference(whole, analyse([PLANT], tmp_path / "x.db", workers=2, batch=999).dump)
    with pytest.raises(UsageError, match="room for 40 MiB, and 160 are wanted"):
        analyse([PLANT], tmp_path / "y.db", workers=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=slots.SLOT - 1))
    with pytest.raises(UsageError, match="--shm-size"):
        analyse([PLANT], tmp_path / "z.db", workers=2)
