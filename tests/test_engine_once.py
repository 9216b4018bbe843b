"""Each packet counts once: captures are known by their content, wherever they lie."""

import gc
import gzip
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from engine_runs import OWN, SECOND, Tcp, Wire, analyse, as_pcap, difference, request, response

from otsec import pipeline
from otsec.engine import Engine
from otsec.errors import InputError
from otsec.store import open_store
from otsec.store.dump import dump


@pytest.fixture
def polling() -> Path:
    """A capture of our own, 824 packets."""
    return next(path for path in OWN if path.stem == "normal_polling")


def test_the_same_capture_again(tmp_path: Path, polling: Path) -> None:
    """A capture that was read is known, none of it counts again, whatever the batches."""
    db = tmp_path / "x.db"
    first = analyse([polling], db)
    assert [(one.packets, one.known, one.complete) for one in first.outcomes] == [
        (824, False, True)
    ]
    again = analyse([polling], db, batch=7, seed=5)
    assert [(one.packets, one.known, one.complete) for one in again.outcomes] == [(0, True, True)]
    assert difference(first.dump, again.dump) == ""


def test_a_grown_capture(tmp_path: Path, polling: Path) -> None:
    """A capture that grows, also in the middle of a record, is gone on with where it ended."""
    content = polling.read_bytes()
    path, db = tmp_path / "growing.pcap", tmp_path / "x.db"
    seen = 0
    for size in (24, 30_000, 30_007, 50_001, len(content)):
        path.write_bytes(content[:size])
        outcome = analyse([path], db, batch=100).outcomes[0]
        seen += outcome.packets
        assert outcome.complete == (size in {24, len(content)}), size
    assert seen == 824
    whole = analyse([polling], tmp_path / "whole.db")
    with open_store(db) as store:
        assert difference(whole.dump, list(dump(store))) == ""


def test_a_changed_capture(tmp_path: Path, polling: Path) -> None:
    """A capture whose past was changed is refused in one line, and nothing of it is taken."""
    content = bytearray(polling.read_bytes())
    path, db = tmp_path / "x.pcap", tmp_path / "x.db"
    path.write_bytes(content)
    first = analyse([path], db)
    content[70_000] ^= 1  # behind the first 64 KiB, by which it is known
    path.write_bytes(content)
    with pytest.raises(
        InputError, match="before byte 73,052 has changed since it was read"
    ) as info:
        analyse([path], db)
    assert "\n" not in str(info.value)
    with open_store(db) as store:
        assert difference(first.dump, list(dump(store))) == ""


@pytest.mark.parametrize("name", ["renamed.pcap", "elsewhere/moved.pcap", "packed.pcap.gz"])
def test_known_by_content(tmp_path: Path, polling: Path, name: str) -> None:
    """Renamed, moved or compressed, a capture is still known."""
    db, path = tmp_path / "x.db", tmp_path / name
    first = analyse([polling], db)
    path.parent.mkdir(exist_ok=True)
    content = polling.read_bytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    again = analyse([path], db)
    assert again.outcomes[0].packets == 0
    assert difference(first.dump, again.dump) == ""


def test_points_are_apart(tmp_path: Path, polling: Path) -> None:
    """The same capture at another point is another source, with the same things seen."""
    db = tmp_path / "x.db"
    one = analyse([polling], db, point="one").dump
    both = analyse([polling], db, point="two").dump
    two = [line.replace("/two/", "/one/") for line in both if "/two/" in line]
    assert [line for line in both if "/one/" in line] == one == two


def frames(begin: int, count: int) -> list[tuple[int, bytes]]:
    """Polls, one a second."""
    wire = Wire(time=Wire().time + begin * SECOND)
    tcp = Tcp(wire)
    tcp.sent = [12 * begin, 13 * begin]
    for at in range(begin, begin + count):
        tcp.say(0, request(at, 1, 5, 2))
        tcp.say(1, response(at, 1, [at, 7]))
        wire.time += SECOND - 2 * wire.step
    return wire.frames


def test_out_of_time_order(tmp_path: Path) -> None:
    """A capture that begins before what its point has seen is refused in one line."""
    early, late, db = tmp_path / "a.pcap", tmp_path / "b.pcap", tmp_path / "x.db"
    early.write_bytes(as_pcap(frames(0, 10)))
    late.write_bytes(as_pcap(frames(10, 10)))
    first = analyse([late], db)
    with pytest.raises(InputError, match="begins before what capture point 'tap' has already seen"):
        analyse([early], db)
    with open_store(db) as store:
        assert difference(first.dump, list(dump(store))) == ""


def test_rotated_captures_in_two_runs(tmp_path: Path) -> None:
    """Captures of one point read in several runs give what one run over all of them gives."""
    paths = []
    for at in range(4):
        paths.append(tmp_path / f"tap-{at}.pcap")
        paths[-1].write_bytes(as_pcap(frames(25 * at, 25)))
    for upto in range(1, 5):
        found = analyse(paths[:upto], tmp_path / "runs.db")
        assert [one.known for one in found.outcomes] == [True] * (upto - 1) + [False]
    assert difference(analyse(paths, tmp_path / "one.db").dump, found.dump) == ""


def test_standard_input(tmp_path: Path, polling: Path) -> None:
    """A capture through a pipe gives what the file gives; it is complete, but never known."""
    code = (
        "import sys; from pathlib import Path; from engine_runs import analyse\n"
        "found = analyse([Path('-')], Path(sys.argv[1]), point='tap', batch=50)\n"
        "one = found.outcomes[0]; print(one.packets, one.known, one.complete, one.problem)\n"
    )
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here.parent, here)))}
    db = tmp_path / "x.db"
    with polling.open("rb") as file:
        command = [sys.executable, "-c", code, str(db)]
        done = subprocess.run(command, stdin=file, env=env, check=True, capture_output=True)
    assert done.stdout.decode().split() == ["824", "False", "True"]
    with open_store(db) as store:
        piped = list(dump(store))
    assert difference(analyse([polling], tmp_path / "y.db").dump, piped) == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_with_a_name(tmp_path: Path, polling: Path) -> None:
    """A pipe with a name, as of `<(zcat x.gz)`, is read once from its first byte, and is never known."""
    pipe, db = tmp_path / "pipe", tmp_path / "x.db"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(polling.read_bytes()))
    writer.start()

    found = analyse([pipe], db, point="tap", batch=50)
    writer.join()

    assert [(one.packets, one.known, one.complete, one.problem) for one in found.outcomes] == [
        (824, False, True, "")
    ]
    with open_store(db) as store:
        (capture,) = store.point_captures("site", "tap")
    assert (capture.path, capture.head_hash) == ("-", "")
    assert difference(analyse([polling], tmp_path / "y.db", point="tap").dump, found.dump) == ""


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of files are text there")
def test_names_that_are_no_text(tmp_path: Path, polling: Path) -> None:
    """Bytes of names that are no UTF-8 keep no capture from being read, and points stay apart."""
    folder = tmp_path / "taps\udcfc"
    folder.mkdir()
    for name in ("k\udcfche.pcap", "k\udcf6che.pcap", "water.pcap"):
        (folder / name).write_bytes(polling.read_bytes())

    found = analyse([folder], tmp_path / "x.db", point=None)

    assert sorted(one.point for one in found.outcomes) == [r"k\udcf6che", r"k\udcfche", "water"]
    again = analyse([folder], tmp_path / "x.db", point=None)
    assert [one.known for one in again.outcomes] == [True, True, True]


def test_what_is_done_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of a source is gone when the next source begins, also where nobody collects cycles."""
    made: list[weakref.ref[Engine]] = []
    alive: list[int] = []

    def engine(*given: Any, **named: Any) -> Engine:
        alive.append(sum(one() is not None for one in made))
        one = Engine(*given, **named)
        made.append(weakref.ref(one))
        return one

    monkeypatch.setattr(pipeline, "Engine", engine)
    gc.collect()
    gc.disable()
    try:
        analyse(OWN[:4], tmp_path / "x.db", point=None)
    finally:
        gc.enable()
    assert len(made) > 2
    assert not any(alive)
