"""When checkpoints are written while a capture is read."""

import gzip
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from capture_bytes import pcap
from engine_runs import analyse

from otsec import pipeline
from otsec.pipeline import Run
from otsec.pipeline import take as pipeline_take

PACKETS = 200  # one a batch, and a second of the clock each
EVERY_S = 10.0


def written(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, cost: float) -> list[int]:
    """Behind how many packets checkpoints came that took so many seconds each."""
    clock = 0.0
    behind: list[int] = []

    def take(*told: Any) -> None:
        nonlocal clock
        clock += 1
        pipeline_take(*told)

    def write(run: Run, *_: object, **__: object) -> None:
        nonlocal clock
        clock += cost
        behind.append(run.packets)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "time", SimpleNamespace(monotonic=lambda: clock))
        patch.setattr(pipeline, "take", take)
        patch.setattr(Run, "write", write)
        analyse([path], folder / "x.db", batch=1, checkpoint_s=EVERY_S)
    return behind


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of frames of no protocol."""
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(1_700_000_000 * 10**9 + at, bytes(60)) for at in range(PACKETS)]))
    return path


def test_that_take_long_come_less_often(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that takes more than a twentieth of the time comes at a third of the usual pace."""
    often, rarely = (
        written(capture, tmp_path, monkeypatch, cost=cost)[:-1] for cost in (0.0, EVERY_S)
    )

    assert {after - before for before, after in pairwise(often)} == {10}
    assert {after - before for before, after in pairwise(rarely)} == {30}


def test_none_comes_just_before_the_end(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a capture is read in a few seconds more, its last checkpoint is enough."""
    packed = tmp_path / "x.pcap.gz"  # nobody knows how long it is
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    known, unknown = (written(path, tmp_path, monkeypatch, cost=0.0) for path in (capture, packed))

    assert known[-1] == unknown[-1] == PACKETS
    assert known[-2] < PACKETS - EVERY_S / 2 - 1
    assert unknown[-2] >= known[-2]
