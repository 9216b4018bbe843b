"""Real captures, against tshark and capinfos."""

import csv
import gzip
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from capture_bytes import packets_of
from wire_captures import in_one_file, tshark

from otsec.capture import find_captures, open_capture, plan

needs_tshark = pytest.mark.skipif(
    not (shutil.which("tshark") and shutil.which("capinfos")), reason="needs tshark"
)


def read(path: Path, **options: Any) -> list:
    """All packets of a file, in the order of each interface."""
    reader = open_capture(path, **options)
    packets = [packet for chunk in reader.chunks() for packet in packets_of(chunk)]
    reader.close()
    return sorted(packets, key=lambda packet: packet[0])


@needs_tshark
def test_counts_bytes_and_times(captures: Path) -> None:
    """Packets, bytes on the wire, first and last time of every file are those of capinfos."""
    paths = find_captures([captures])
    report = subprocess.run(
        ["capinfos", "-Tm", "-S", "-c", "-d", "-a", "-e", *map(str, paths)],
        check=False,  # it fails where a file is cut, after having told the rest
        capture_output=True,
        text=True,
    )
    told = {row[0]: row[1:] for row in csv.reader(report.stdout.splitlines()[1:])}

    assert len(paths) == len(told) > 200
    for path in paths:
        packets = read(path)
        times = [time for _, time, _, _ in packets]
        count, size, first, last = told[str(path)]
        assert len(packets) == int(count), path
        assert sum(wire for _, _, wire, _ in packets) == int(size), path
        assert min(times) == Decimal(first) * 10**9, path
        assert max(times) == Decimal(last) * 10**9, path


def _seconds(time: int) -> str:
    return f"{time // 10**9}.{time % 10**9:09d}"


@needs_tshark
def test_each_packet(captures: Path, tmp_path: Path) -> None:
    """Time and lengths of each packet of some files are those of tshark."""
    paths = [path for path in find_captures([captures]) if path.stat().st_size < 40_000][::9]
    assert len(paths) > 20
    # interfaces stay apart, and are numbered on from file to file
    joined = in_one_file(paths, tmp_path / "all.pcapng", "-I", "none")
    fields = ("frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_id")
    told = tshark(joined, *(part for field in fields for part in ("-e", field)))
    for path in paths:
        packets = read(path)
        rows = sorted(told[: len(packets)], key=lambda row: int(row[3] or 0))
        del told[: len(packets)]

        assert [[_seconds(time), str(wire), str(len(data))] for _, time, wire, data in packets] == [
            row[:3] for row in rows
        ], path
    assert told == []


def test_packed_and_in_small_batches(captures: Path, tmp_path: Path) -> None:
    """Compression and batches of 7 packets give the same packets."""
    for path in find_captures([captures])[::12]:
        if path.stat().st_size > 300_000:
            continue
        packed = tmp_path / "x"
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))

        whole = read(path)
        assert read(path, batch_packets=7) == whole
        assert read(packed) == whole


def test_plan_of_all(captures: Path) -> None:
    """Every capture is in exactly one source, and every source has a name of its own."""
    paths = find_captures([captures])

    sources = plan(paths, None)

    assert sorted(path for source in sources for path in source.captures) == paths
    assert len({source.point for source in sources}) == len(sources)
