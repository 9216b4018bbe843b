"""Counters that do not follow: what a replay, a second sender, loss and disorder look like."""

import struct
from pathlib import Path

import numpy as np
import pytest
from engine_runs import MS, START, Bench, as_pcap, cells, difference

from otsec.protocols import goose, iec104, profinet
from otsec.protocols.api import VERDICTS, Counting

OWN = Path(__file__).parents[1] / "pcaps"

# of each protocol: counters before and now, and the verdict
CASES: list[tuple[Counting, tuple[int, ...], tuple[int, ...], str]] = [
    (goose.COUNTING, (3, 7), (3, 8), "follows"),
    (goose.COUNTING, (3, 7), (4, 0), "follows"),
    (goose.COUNTING, (3, 0xFFFFFFFF), (3, 1), "follows"),
    (goose.COUNTING, (3, 7), (3, 7), "repeats"),
    (goose.COUNTING, (3, 7), (3, 9), "skips"),
    (goose.COUNTING, (3, 7), (4, 1), "skips"),
    (goose.COUNTING, (3, 7), (6, 0), "skips"),
    (goose.COUNTING, (3, 7), (3, 6), "returns"),
    (goose.COUNTING, (3, 7), (2, 9), "returns"),
    (goose.COUNTING, (3, 7), (1, 0), "restarts"),
    (goose.COUNTING, (1, 12), (1, 1), "restarts"),
    (iec104.COUNTING, (5,), (6,), "follows"),
    (iec104.COUNTING, (32767,), (0,), "follows"),
    (iec104.COUNTING, (5,), (5,), "repeats"),
    (iec104.COUNTING, (5,), (8,), "skips"),
    (iec104.COUNTING, (5,), (4,), "returns"),
    (profinet.COUNTING, (65_504,), (0,), "follows"),
    (profinet.COUNTING, (32,), (32,), "repeats"),
    (profinet.COUNTING, (64,), (32,), "returns"),
]


def counter(parts: tuple[int, ...]) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """State and number side by side, or a number alone."""
    return np.array([parts[0] if len(parts) == 1 else parts[0] << 32 | parts[1]], np.uint64)


@pytest.mark.parametrize(("counting", "before", "now", "expected"), CASES)
def test_verdicts(
    counting: Counting, before: tuple[int, ...], now: tuple[int, ...], expected: str
) -> None:
    """Each protocol tells what follows from what is lost, repeated, old or begun anew."""
    assert VERDICTS[int(counting.verdict(counter(before), counter(now))[0])] == expected


def published(number: int) -> bytes:
    """A frame of one publisher, of state 1 and with a number below 128."""
    fields = b"".join(
        bytes([tag, len(content)]) + content
        for tag, content in (
            (0x80, b"BAY1/LLN0$GO$gcb"), (0x81, b"\x07\xd0"), (0x82, b"BAY1/LLN0$trip"),
            (0x83, b"bay1"), (0x84, bytes(8)), (0x85, b"\x01"), (0x86, bytes([number])),
            (0x87, b"\x00"), (0x88, b"\x01"), (0x89, b"\x00"), (0x8A, b"\x01"),
            (0xAB, b"\x83\x01\x00"),
        )
    )  # fmt: skip
    message = bytes([0x61, len(fields)]) + fields
    head = bytes.fromhex("010ccd0100010030a7000103") + b"\x88\xb8"
    return head + struct.pack(">HHHH", 1, 8 + len(message), 0, 0) + message


def verdicts(dump: list[str]) -> dict[str, int]:
    """How often each verdict was given."""
    return {row["verdict"]: row["count"] for row in cells(dump, "sequence")}


def played(tmp_path: Path, order: list[tuple[int, int]]) -> dict[str, int]:
    """The verdicts over frames, given as (milliseconds, which frame)."""
    content = as_pcap((START + at * MS, published(10 + which)) for at, which in order)
    bench = Bench(tmp_path)
    dump = bench.dump(content)
    for options in ({"batch": 1}, {"batch": 3}, {"all_plain": True}, {"hash_bits": 8}):
        other = bench.dump(content, **options)
        assert not difference(dump, other), options
    assert not difference(dump, bench.grown(content, 2))
    return verdicts(dump)


def test_what_counts_on_is_in_order(tmp_path: Path) -> None:
    """A publisher that counts on is told nothing of."""
    assert played(tmp_path, [(1000 * at, at) for at in range(7)]) == {}


def test_a_recording_played_again_returns(tmp_path: Path) -> None:
    """Old frames sent again stand out where they begin, and the true one behind them is a skip."""
    order = [(1000 * at, at) for at in range(6)]
    replay = [(5500, 2), (5600, 3), (6000, 6)]
    assert played(tmp_path, order + replay) == {"returns": 1, "skips": 1}


def test_two_that_count_in_turn_return_each_time(tmp_path: Path) -> None:
    """Two publishers of one name are seen at each frame of the one behind."""
    order = [
        (1000 * at + 500 * (at % 2), 4 + at // 2 if at % 2 else 1 + at // 2) for at in range(6)
    ]
    assert played(tmp_path, order) == {"returns": 2, "skips": 3}


def test_frames_that_change_places_are_forgiven(tmp_path: Path) -> None:
    """Two frames of one burst in the wrong order are no return."""
    told = played(tmp_path, [(0, 0), (1000, 2), (1005, 1), (2000, 3), (3000, 4)])
    assert not {"returns", "repeats"} & set(told), told


def test_a_clock_step_and_a_long_pause_are_not_judged(tmp_path: Path) -> None:
    """What stands on the two sides of a gap is not compared."""
    assert played(tmp_path, [(0, 5), (11 * 60_000, 1), (11 * 60_000 + 1000, 2)]) == {}
    assert played(tmp_path, [(100_000, 5), (0, 1), (1000, 2)]) == {}


def test_loss_is_a_skip(tmp_path: Path) -> None:
    """Frames that the capture lost are skipped, nothing worse."""
    assert played(tmp_path, [(0, 0), (1000, 1), (4000, 4), (5000, 5)]) == {"skips": 1}


@pytest.mark.parametrize("name", ["iec104/substation", "profinet/production", "dnp3/substation"])
def test_our_own_plants_count_on(tmp_path: Path, name: str) -> None:
    """Captures of regular senders show no counter that returns."""
    content = (OWN / f"{name}.pcap").read_bytes()
    assert struct.unpack_from("<I", content)[0] in {0xA1B2C3D4, 0xA1B23C4D}
    told = verdicts(Bench(tmp_path).dump(content))
    assert "returns" not in told, told
