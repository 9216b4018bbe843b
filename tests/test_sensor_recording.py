"""Recordings of a sensor: what is kept, how much, by whom it can be read, and what it gives back."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from capture_bytes import numbered, pcap
from conftest import ROOT
from engine_runs import START, records
from store_rows import row, store_with

from otsec.capture import Chunk, Drops, Tick, open_capture, plan
from otsec.config import Caps
from otsec.detect.cases import Word, cases_of, decided
from otsec.engine import Engine, Settings, columnar
from otsec.model import PacketBatch
from otsec.protocols import PROTOCOLS
from otsec.sensor.kept import Evidence, kept
from otsec.sensor.pinning import pinned
from otsec.sensor.recording import Bounds, Recording, folder_of
from otsec.store.acts import record
from otsec.store.findings import LISTS
from otsec.store.schema import TABLES
from otsec.streams.claim import Registry

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
HTTP = min((ROOT / "pcaps" / "http").glob("*.pcap"))
SECOND = 1_000_000_000


def _batch(times: list[int], frames: list[bytes]) -> PacketBatch:
    captured = np.array([len(frame) for frame in frames], np.int64)
    return PacketBatch(
        0,
        1,
        np.frombuffer(b"".join(frames), np.uint8),
        np.cumsum(captured) - captured,
        captured,
        captured + 3,
        np.array(times, np.int64),
    )


def _recording(folder: Path, **options: object) -> Recording:
    bounds = options.pop("bounds", Bounds())
    assert isinstance(bounds, Bounds)
    return Recording(folder / "eth1", "eth1", 1, bounds, **options)  # type: ignore[arg-type]


def _frames(path: Path) -> list[tuple[int, int, bytes]]:
    reader = open_capture(path)
    found = []
    for chunk in reader.chunks():
        for batch in chunk.batches:
            assert reader.interfaces[batch.interface].name == "eth1"
            found += [
                (time, wire, batch.buffer[at : at + size].tobytes())
                for time, wire, at, size in zip(
                    batch.time.tolist(),
                    batch.wire.tolist(),
                    batch.offset.tolist(),
                    batch.captured.tolist(),
                    strict=True,
                )
            ]
    assert reader.damage is None
    assert reader.complete
    reader.close()
    return found


def test_packets_and_notes_come_back_in_order(tmp_path: Path) -> None:
    """Packets of every length, losses and ticks are read back where they stood."""
    frames = [bytes(range(size)) for size in (60, 1, 0, 3, 2, 255, 60)]
    times = [START + row for row in range(7)]
    batch = _batch(times, frames)
    recording = _recording(tmp_path)
    early = Tick(0, times[0] - 5, 0, "otsec was not listening")
    recording.tick(early, 0)
    recording.packets(batch, batch.captured, (Drops(0, 9, 4, 0), Drops(0, 10, 2, 3)), 0)
    recording.tick(Tick(0, times[-1] + 10 * SECOND, 0, ""), 7)
    recording.lost((Drops(0, 11, 1, 0),), 7)
    recording.close()
    (path,) = recording.files()

    assert _frames(path) == [(time, len(f) + 3, f) for time, f in zip(times, frames, strict=True)]
    reader = open_capture(path)
    (chunk,) = reader.chunks()
    assert chunk.drops == (Drops(0, 9, 4, 0), Drops(0, 10, 2, 3), Drops(0, 11, 1, 7))
    assert chunk.ticks == (early, Tick(0, times[-1] + 10 * SECOND, 7, ""))
    (file,) = recording.take()
    assert reader.state() == file.state
    assert reader.fingerprint() == file.fingerprint
    assert (file.packets, file.size) == (7, path.stat().st_size)
    reader.close()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_tshark_reads_it(tmp_path: Path) -> None:
    """Another reader finds the same frames, times to the nanosecond, comments and ordinals."""
    times = [START + 123_456_789 * row for row in range(5)]
    batch = _batch(times, [bytes([row]) * 60 for row in range(5)])
    recording = _recording(tmp_path, part="mixed")
    recording.packets(batch, np.array([60, 14, -1, 0, 60]), (Drops(0, times[2], 7, 2),), 1000)
    recording.close()
    (path,) = recording.files()

    fields = [word for name in ("time_epoch", "len", "cap_len") for word in ("-e", f"frame.{name}")]
    told = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *fields],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    assert [line.split("\t") for line in told] == [
        [f"{time // SECOND}.{time % SECOND:09d}", "63", str(size)]
        for time, size in zip(times, (60, 14, -1, 0, 60), strict=True)
        if size >= 0
    ]
    assert [int.from_bytes(path.read_bytes()[at + 4 : at + 12], "little") for at in _ids(path)] == [
        1000, 1001, 1003, 1004,
    ]  # fmt: skip


def _ids(path: Path) -> list[int]:
    """Where the options with ordinals stand: code 5 of eight bytes, in packet blocks."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind = int.from_bytes(data[at : at + 4], "little")
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == 6:
            captured = int.from_bytes(data[at + 20 : at + 24], "little")
            found.append(at + 28 + (captured + 3 & ~3))
        at += size
    return found


def test_files_roll_and_are_bounded(tmp_path: Path) -> None:
    """Files end by size and age, the oldest go first, pinned ones stay; nobody else can read them."""
    bounds = Bounds(bytes=2_000_000, age_s=3600)
    pinned: set[Path] = set()
    recording = _recording(tmp_path, bounds=bounds, pinned=lambda: pinned)
    for number in range(60):
        batch = _batch([START + number * SECOND + row for row in range(500)], [bytes(100)] * 500)
        recording.packets(batch, batch.captured, (), 500 * number)
        if number == 5:
            pinned.add(recording.files()[0])
        recording.prune(0.0)
    recording.close()
    files = recording.files()

    assert sum(path.stat().st_size for path in files) <= bounds.bytes + bounds.file_bytes * 2
    assert files[0] in pinned
    assert max(path.stat().st_size for path in files) < bounds.file_bytes + 80_000
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "eth1").stat().st_mode & 0o777 == 0o700
    whole = [file for file in recording.take() if file.path in files]
    assert [file.path for file in whole] == files
    assert [file.first + file.packets for file in whole[1:-1]] == [one.first for one in whole[2:]]

    os.utime(files[1], (0, 0))
    assert recording.prune(10_000.0) == [files[1]]


def test_files_that_open_findings_need_are_pinned(tmp_path: Path) -> None:
    """The worst findings come first, decided ones need nothing, and no more than half is pinned."""
    files = [tmp_path / f"eth1_{number}.pcapng" for number in range(4)]
    levels = ("low", "medium", "critical", "high")
    lists = dict.fromkeys(LISTS, "[]")
    tables: dict[str, list[tuple[Any, ...]]] = {"capture": [], "finding": [], "finding_packet": []}
    for number, (path, level) in enumerate(zip(files, levels, strict=True)):
        path.write_bytes(bytes(100))
        for table, cells in (
            ("capture", {"id": number + 1, "path": str(path), "packets": 10}),
            ("finding", {"id": level, "level": level, "site": "plant", **lists}),
            ("finding_packet", {"finding": level, "packet": 10 * number + 9}),
        ):
            tables[table].append(row(table, source=1, **cells))
    with store_with(tmp_path / "pins.db") as store:
        with store._transaction():
            for table, rows in tables.items():
                store.db.conn.executemany(TABLES[table].upsert, rows)
        assert pinned(store, 1, Bounds(bytes=10_000)) == set(files[1:])
        assert pinned(store, 1, Bounds(bytes=400)) == set(files[2:])
        (worst,) = cases_of(store, ["critical"])
        record(store, [decided(worst, "resolve", Word("ann", "ann", "desk", 1, "done"))])
        assert pinned(store, 1, Bounds(bytes=10_000)) == {files[1], files[3]}
        assert not pinned(store, 2, Bounds(bytes=10_000))


def test_numbers_go_on(tmp_path: Path) -> None:
    """A later recording goes on with the numbers, and never writes to a file that is there."""
    batch = _batch([START], [bytes(60)])
    for _ in range(3):
        recording = _recording(tmp_path)
        recording.packets(batch, batch.captured, (), 0)
        recording.close()

    names = [path.name for path in recording.files()]
    assert [name.split("_")[1] for name in names] == ["00001", "00002", "00003"]


def test_silence_is_recorded(tmp_path: Path) -> None:
    """Ticks without any packet make few files, which are read in the order of their names."""
    recording = _recording(tmp_path)
    for number in range(5_000):
        recording.tick(Tick(0, START + number * 10 * SECOND, 0, ""), 0)
    batch = _batch([START + 50_000 * SECOND], [bytes(60)])
    recording.packets(batch, batch.captured, (), 0)
    recording.close()
    recording = _recording(tmp_path)
    recording.tick(Tick(0, START + 60_000 * SECOND, 0, "dark"), 1)
    recording.close()

    files = recording.files()
    assert len(files) == 3
    assert [source.captures for source in plan(files, None)] == [tuple(files)]
    assert sum(len(chunk.ticks) for path in files for chunk in _chunks(path)) == 5_001


def _chunks(path: Path) -> list[Chunk]:
    reader = open_capture(path)
    found = list(reader.chunks())
    assert reader.damage is None
    reader.close()
    return found


@pytest.mark.parametrize("name", ["../x", "a/b", "cell 3", "..", ""])
def test_points_name_folders_harmlessly(tmp_path: Path, name: str) -> None:
    """Whatever a point is called, its folder lies in the folder of the evidence."""
    assert folder_of(tmp_path, name).parent == tmp_path


def _kept(path: Path, evidence: Evidence) -> tuple[int, int, bytes]:
    """Bytes and packets of a capture, and what of it is kept."""
    registry, settings = Registry(PROTOCOLS), Settings(seed=1)
    engine = Engine(registry, Caps(), settings)
    reader = open_capture(path)
    size = count = 0
    parts = []
    for chunk in reader.chunks():
        for batch in chunk.batches:
            prepared = columnar(batch, registry, settings)
            engine.apply(batch, prepared)
            keep = kept(evidence, batch, prepared, engine)
            size += int(batch.captured.sum())
            count += int((keep >= 0).sum())
            parts += [
                batch.buffer[at : at + length].tobytes()
                for at, length in zip(batch.offset.tolist(), keep.tolist(), strict=True)
                if length > 0
            ]
    reader.close()
    return size, count, b"".join(parts)


def _arp(path: Path) -> bytes:
    """The ARP frames of a classic capture."""
    found = [record[16:] for record in records(path.read_bytes())]
    return b"".join(frame for frame in found if frame[12:14] == b"\x08\x06")


def test_personal_traffic_is_not_kept() -> None:
    """Of what is not industrial no content is kept, but for `full`; ARP is, and all headers are."""
    size, count, whole = _kept(HTTP, "full")
    assert len(whole) == size
    assert b"HTTP/1." in whole
    for evidence in ("mixed", "headers"):
        _, packets, told = _kept(HTTP, evidence)
        assert packets == count
        assert b"HTTP/1." not in told
        assert len(told) >= 14 * count
    assert _kept(HTTP, "ot-only")[1:] == (2, _arp(HTTP))


def test_industrial_traffic_is_kept_whole() -> None:
    """Of a plant the industrial packets are kept whole, on whatever port, unless only headers are."""
    size, _, whole = _kept(PLANT, "full")
    _, _, mixed = _kept(PLANT, "mixed")
    _, some, only = _kept(PLANT, "ot-only")
    _, _, headers = _kept(PLANT, "headers")

    assert len(whole) == size
    assert 0 < some < 9_959
    assert len(headers) < len(only) < len(mixed) < size


def test_a_full_disk_ends_the_file_whole(tmp_path: Path) -> None:
    """Where the system takes no more, the file ends behind the last block that is whole."""
    resource = pytest.importorskip("resource", reason="limits of POSIX systems")
    recording = _recording(tmp_path)
    batch = _batch([START], [bytes(60)])
    recording.packets(batch, batch.captured, (), 0)
    good = recording.files()[0].stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (good + 10, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            recording.packets(batch, batch.captured, (), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (file,) = recording.give_up()

    assert (file.size, file.packets) == (good, 1)
    assert file.path.stat().st_size == good
    assert len(_frames(file.path)) == 1


def test_other_captures_have_no_ticks(tmp_path: Path) -> None:
    """Captures of other programs tell nothing that looks like a note of otsec."""
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(numbered(3)))

    reader = open_capture(path)

    assert [chunk.ticks for chunk in reader.chunks()] == [()]
    reader.close()
