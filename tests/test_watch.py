"""`otsec watch`: folders in which a recorder writes, rotates and removes captures."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from struct import unpack_from

import pytest
from conftest import ROOT, Command

from otsec.watch import point_of

POLLING = ROOT / "pcaps" / "modbus" / "normal_polling.pcap"
HEADER = 24  # bytes of the file header of pcap
SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def records_of(data: bytes) -> list[bytes]:
    """The records of a little-endian pcap."""
    at, records = HEADER, []
    while at < len(data):
        size = 16 + unpack_from("<I", data, at + 8)[0]
        records.append(data[at : at + size])
        at += size
    return records


def rotations(parts: int) -> list[bytes]:
    """The capture as files that follow each other."""
    data = POLLING.read_bytes()
    records = records_of(data)
    cuts = sorted(random.Random(parts).sample(range(1, len(records)), parts - 1))
    bounds = zip([0, *cuts], [*cuts, len(records)], strict=True)
    return [data[:HEADER] + b"".join(records[begin:end]) for begin, end in bounds]


def dump(otsec_command: Command, db: Path) -> str:
    """The canonical text of a store."""
    done = otsec_command("db", "dump", "--db", db)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def whole(otsec_command: Command, tmp_path: Path) -> str:
    """The dump of the capture read at once, as point `ring`."""
    db = tmp_path / "whole.db"
    done = otsec_command("analyze", POLLING, "--point", "ring", "--db", db)
    assert done.returncode == 0, done.stderr
    return dump(otsec_command, db)


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("ring_00001_20260105080000.pcap", "ring"),
        ("ring_00002_20260105090000.pcapng.gz", "ring"),
        ("trace.pcap", "trace"),
        ("trace.pcap12", "trace"),
        ("trace", "trace"),
        ("trace3", "trace"),
        ("line-2_2026-01-05_08-00.pcap", "line-2"),
        ("eth0_00001_20260105080000.pcap", "eth0"),
        ("20260105-0800.pcap", "recorder"),
        ("1767600000.pcap", "recorder"),
    ],
)
def test_point_of_a_name(tmp_path: Path, name: str, point: str) -> None:
    """The capture point is the name without what tcpdump and dumpcap add, else the folder's."""
    assert point_of(tmp_path / "recorder" / name) == point


@SIGNALS
def test_growing_and_rotating(otsec_command: Command, tmp_path: Path, whole: str) -> None:
    """Files written in odd pieces, rotated and removed give what the whole capture gives."""
    folder, db = tmp_path / "ring", tmp_path / "x.db"
    folder.mkdir()
    (folder / "notes.txt").write_text("not a capture")
    watching = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "otsec", "watch", str(folder), "--db", str(db),
         "--every", "0.05"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    chance = random.Random(7)
    paths: list[Path] = []
    for number, data in enumerate(rotations(5), 1):
        paths.append(folder / f"ring_{number:05}_20260105080000.pcap")
        with paths[-1].open("wb", buffering=0) as file:
            at = 0
            while at < len(data):
                size = chance.choice([1, 9, 30, 333, 4_000, 9_000])
                file.write(data[at : at + size])
                at += size
                time.sleep(0.004)
        if len(paths) > 3:
            _until_read(db, len(records_of(rotations(5)[0])))
            paths.pop(0).unlink()
    _until_read(db, 824)
    watching.send_signal(signal.SIGTERM)
    out, err = watching.communicate(timeout=30)

    assert (watching.returncode, out) == (0, "")
    assert err == f"otsec: read 824 packets of 5 captures into {db}\n"
    assert dump(otsec_command, db) == whole


def _until_read(db: Path, packets: int) -> None:
    """Wait until the store, read while it is written, has so many packets."""
    from otsec.store import open_store
    from otsec.store.queries import sources

    end = time.monotonic() + 40
    seen = 0
    while time.monotonic() < end:
        if db.exists() and db.stat().st_size:
            with open_store(db, readonly=True) as store:
                seen = sum(source.packets for source in sources(store))
        if seen >= packets:
            return
        time.sleep(0.05)
    pytest.fail(f"only {seen} of {packets} packets after 40 s")


def test_goes_on_after_a_restart(otsec_command: Command, tmp_path: Path, whole: str) -> None:
    """Each look in a process of its own: half-written files, renamed ones and removed ones."""
    folder, db = tmp_path / "capture", tmp_path / "x.db"
    folder.mkdir()
    first, second, third = rotations(3)
    path = folder / "ring_00001_20260105080000.pcap"

    def look(code: int = 0) -> str:
        done = otsec_command("watch", folder, "--db", db, "--once", "-q")
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        return done.stderr

    assert look() == ""  # an empty folder
    path.write_bytes(first[:HEADER])
    assert look() == ""  # no packet yet
    path.write_bytes(first[: len(first) // 2])
    assert "ends inside a record" in look(3)
    path.write_bytes(first)
    assert look() == ""
    (folder / "ring_00002_20260105080100.pcap").write_bytes(second)
    assert look() == ""
    path.unlink()
    (folder / "ring_00003_20260105080200.pcap").write_bytes(third)
    assert look() == ""
    assert look() == ""
    assert dump(otsec_command, db) == whole


def test_ring_that_writes_over_its_files(
    otsec_command: Command, tmp_path: Path, whole: str
) -> None:
    """`tcpdump -W 2` writes over its first file: that is a new capture of the same point."""
    folder, db = tmp_path / "capture", tmp_path / "x.db"
    folder.mkdir()
    for number, data in enumerate(rotations(4)):
        (folder / f"ring.pcap{number % 2}").write_bytes(data)
        done = otsec_command("watch", folder, "--db", db, "--once", "-q")
        assert (done.returncode, done.stderr) == (0, "")

    assert dump(otsec_command, db) == whole


def test_two_rotations_in_one_folder(otsec_command: Command, tmp_path: Path) -> None:
    """Files of two recorders are two points; --point would join them."""
    folder, db = tmp_path / "capture", tmp_path / "x.db"
    folder.mkdir()
    for name in ("eth0_00001_20260105080000.pcap", "eth1_00001_20260105080000.pcap"):
        (folder / name).write_bytes(POLLING.read_bytes())
    done = otsec_command("watch", folder, "--db", db, "--once")

    assert done.returncode == 0
    assert done.stderr == f"otsec: read 1,648 packets of 2 captures into {db}\n"
    text = dump(otsec_command, db)
    assert [line for line in text.splitlines() if line.startswith("source ")] == [
        'source "site/eth0/" group=""',
        'source "site/eth1/" group=""',
    ]


def test_what_is_wrong_is_told_once(otsec_command: Command, tmp_path: Path) -> None:
    """A damaged capture behind which another has begun is named; the others are read."""
    folder, db = tmp_path / "capture", tmp_path / "x.db"
    folder.mkdir()
    first, second = rotations(2)
    (folder / "ring_00001_20260105080000.pcap").write_bytes(first[:-3])
    (folder / "ring_00002_20260105080100.pcap").write_bytes(second)
    done = otsec_command("watch", folder, "--db", db, "--once", "-q")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "ring_00001_20260105080000.pcap: ends inside a record" in done.stderr


def test_no_such_folder(otsec_command: Command, tmp_path: Path) -> None:
    """A folder that is not there is one line, and no store is made."""
    done = otsec_command("watch", tmp_path / "none", "--db", tmp_path / "x.db")

    assert done.returncode == 3
    assert done.stderr == (
        f"otsec: {tmp_path}/none: no such folder; name the one in which the recorder writes\n"
    )
    assert list(tmp_path.iterdir()) == []
