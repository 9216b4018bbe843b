"""Frames that a mirror delivered twice."""

import json
import random

import numpy as np
import pytest
from dissect_frames import FRAMES, batch_of, cut_batch, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from otsec.dissect import DuplicateTail, mirror, repeated
from otsec.dissect.mirror import LATE_NS, WINDOW_FRAMES, WINDOW_NS
from otsec.model import PacketBatch

MS = 1_000_000
NONE = np.empty(0, np.int64)
A, B, SHORT, LONG = b"A" * 60, b"A" * 30 + b"B" + b"A" * 29, b"A" * 7, b"A" * 200


def plainly(batch: PacketBatch) -> list[int]:
    """Which copy of another each frame is, frame by frame; 0: none."""
    last: dict[tuple[bytes, int], int] = {}
    found: list[int] = []
    times = batch.time.tolist()
    for row, time in enumerate(times):
        start = int(batch.offset[row])
        data = batch.buffer[start : start + int(batch.captured[row])].tobytes()
        key = (data, int(batch.wire[row]))
        before = last.get(key)
        last[key] = row
        repeats = (
            before is not None
            and abs(time - times[before]) <= WINDOW_NS
            and row - before <= WINDOW_FRAMES
            and max(times[before:row]) <= times[before] + WINDOW_NS + LATE_NS
        )
        found.append(1 + found[before] if repeats and before is not None else 0)
    return found


def copies(batch: PacketBatch, seed: int = 1, bits: int = 64) -> list[int]:
    """The same by the columns of one batch."""
    return repeated(batch, seed, bits).among(len(batch), NONE, NONE).tolist()


def in_batches(batch: PacketBatch, sizes: list[int], bits: int = 64) -> list[int]:
    """The same over batches of some sizes, the tail taken through JSON at every border."""
    tail = DuplicateTail()
    found: list[int] = []
    first = 0
    for size in [*sizes, len(batch)]:
        part = cut_batch(batch, first, first + size)
        first += size
        copy = repeated(part, 1, bits).among(len(part), *tail.check(part))
        tail.remember(part, copy)
        found += copy.tolist()
        state = json.loads(json.dumps(tail.dump()))
        tail = DuplicateTail()
        tail.load(state)
    return found


CASES = {
    "at once": ([A, A], [0, 0], [False, True]),
    "after 2 ms": ([A, A], [0, 2 * MS], [False, True]),
    "after more": ([A, A], [0, 2 * MS + 1], [False, False]),
    "each to the one before": ([A, A, A], [0, 2 * MS, 4 * MS], [False, True, True]),
    "one byte differs": ([A, B], [0, 0], [False, False]),
    "others between": ([A, B, A, B], [0, 0, MS, 3 * MS], [False, False, True, False]),
    "short": ([SHORT, SHORT, b"", b""], [0, 0, 0, 0], [False, True, False, True]),
    "other length": ([A, LONG, A + b"A"], [0, 0, 0], [False, False, False]),
    "stamped in another order": ([A, A], [MS, 0], [False, True]),
    "clock set back": ([A, A], [2 * MS + 1, 0], [False, False]),
    "one of another port between": ([A, B, A], [0, 7 * MS, MS], [False, False, True]),
    "later frame between": ([A, B, A], [0, 7 * MS + 1, MS], [False, False, False]),
}


@pytest.mark.parametrize("bits", [64, 8, 1])
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, bits: int) -> None:
    """A frame repeats if the last identical one is at most 2 ms off, however hashes collide."""
    frames, times, expected = CASES[name]
    batch = batch_of(frames, times=times)
    numbers = plainly(batch)
    assert [number > 0 for number in numbers] == expected
    assert copies(batch, 1, bits) == numbers
    for cut in range(1, len(frames)):
        assert in_batches(batch, [cut]) == numbers


def test_wire_length_counts() -> None:
    """Frames with equal captured bytes but other lengths on the wire are not identical."""
    batch = batch_of([A, A, A], wires=[60, 61, 60])
    assert copies(batch) == [False, False, True]
    assert in_batches(batch, [1, 1]) == [False, False, True]


@pytest.mark.parametrize("size", [1, 8, 63, 64, 65, 128, 129, 1514])
def test_every_byte_is_compared(size: int) -> None:
    """Frames that differ in any one byte are not identical, even if all hashes are."""
    plain = bytes(size)
    frames = [plain]
    for at in {0, size // 3, size // 2, size - 2, size - 1} - {-1}:
        frames += [plain[:at] + b"\1" + plain[at + 1 :]]
    batch = batch_of([*frames, *frames])
    expected = [False] * len(frames) + [True] * len(frames)
    for bits in (64, 1):
        assert copies(batch, 1, bits) == expected


def test_every_frame_twice() -> None:
    """A mirror of both directions of a port doubles everything: half of it is left."""
    frames = [frame(name) for name in FRAMES if FRAMES[name][0] == 1]
    doubled = [one for one in frames for _ in range(2)]
    times = [row // 2 * MS * 5 + row % 2 * 900 for row in range(len(doubled))]
    assert copies(batch_of(doubled, times=times)) == [False, True] * len(frames)


def test_window_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """The identical frame must be among the last so many, within batches and across them."""
    monkeypatch.setattr(mirror, "WINDOW_FRAMES", 3)
    batch = batch_of([A, b"1", b"2", A, b"3", b"4", b"5", A])
    expected = [False, False, False, True, False, False, False, False]
    assert copies(batch) == expected
    for cut in range(1, 8):
        assert in_batches(batch, [cut]) == expected
        assert in_batches(batch, [1] * cut) == expected


def test_tail_is_small() -> None:
    """The tail keeps frames of the last 7 ms only, and of those no more than its cap."""
    tail = DuplicateTail()
    tail.remember(
        batch_of([b"1", b"2", b"3"], times=[0, MS, 8 * MS]), np.zeros(WINDOW_FRAMES + 5, np.int64)
    )
    assert [known.time for known in tail.frames] == [MS, 8 * MS]
    many = [b"%d" % number for number in range(WINDOW_FRAMES + 5)]
    tail.remember(batch_of(many, times=[8 * MS] * len(many)), np.zeros(WINDOW_FRAMES + 5, np.int64))
    assert len(tail.frames) == WINDOW_FRAMES
    assert tail.frames[0].number == 3 + 5


def test_empty_batches() -> None:
    """A batch without frames changes nothing."""
    tail = DuplicateTail()
    empty = batch_of([])
    assert copies(empty) == []
    assert [rows.tolist() for rows in tail.check(empty)] == [[], []]
    tail.remember(empty, NONE)
    assert tail.dump() == DuplicateTail().dump()


@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.sampled_from([64, 8, 2]),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_any_split(seed: int, count: int, bits: int, forward: bool) -> None:
    """In one batch or in any batches, with collisions or without: as if compared one by one."""
    chance = random.Random(seed)
    kinds = [A, B, SHORT, LONG, b"A" * 64, b"A" * 65, b"B" + b"A" * 63]
    frames = [chance.choice(kinds) for _ in range(count)]
    times = [chance.randrange(12 * MS) // 250_000 * 250_000 for _ in range(count)]
    wires = [len(one) + chance.randrange(2) for one in frames]
    batch = batch_of(frames, times=sorted(times) if forward else times, wires=wires)
    expected = plainly(batch)
    assert copies(batch, seed, bits) == expected
    sizes = [chance.randrange(count // 3 + 2) for _ in range(chance.randrange(8))]
    assert in_batches(batch, sizes, bits) == expected


def test_many_rows_without_duplicates() -> None:
    """A full batch of different frames has no repeats; their hashes may share slots."""
    rows = 65_536
    numbers = np.arange(rows, dtype=">u8")
    buffer = np.zeros((rows, 64), np.uint8)
    buffer[:, 20:28] = numbers.view(np.uint8).reshape(rows, 8)
    batch = PacketBatch(
        0,
        1,
        buffer.reshape(-1),
        np.arange(rows) * 64,
        np.full(rows, 64),
        np.full(rows, 64),
        np.zeros(rows, np.int64),
    )
    assert not any(copies(batch))
    batch.buffer[-64:] = batch.buffer[:64]
    batch.time[-1] = 1
    assert np.flatnonzero(copies(batch)).tolist() == []
    batch.offset[-1] = batch.offset[-2]
    assert np.flatnonzero(copies(batch)).tolist() == [rows - 1]
