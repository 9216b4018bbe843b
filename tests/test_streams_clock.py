"""The clock of a source: steps, disorder, and both at once."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import ROOT
from engine_runs import MS, SECOND, Bench, cells, difference, records
from spoiled import retimed, time_of

from otsec.streams.clock import Clock, Step

DAY = 86_400 * SECOND
STEPS = {"back": -3_600 * SECOND, "ahead": 2 * DAY}


def told(time: list[int]) -> tuple[list[int], list[int], tuple[Step, ...]]:
    """Epochs, steady times and steps of time stamps."""
    found = Clock().advance(np.array(time, np.int64))
    return found.epoch.tolist(), found.steady.tolist(), found.steps


@pytest.mark.parametrize("by", STEPS.values(), ids=STEPS)
def test_what_was_stamped_before_a_step_and_comes_behind_it_is_no_step(by: int) -> None:
    """Packets that change places about a step leave one step, and time goes on from it."""
    step = by // MS
    time = [0, 10, 20, 30 + step, 25, 35 + step, 28, 40 + step, 2_000 + step]
    epoch, steady, steps = told([DAY + at * MS for at in time])

    assert [(one.row, one.end - one.begin) for one in steps] == [(3, by + 10 * MS)]
    assert epoch == [0, 0, 0, *[1] * 6]
    assert [at // MS for at in steady] == [0, 10, 20, 20, 20, 25, 25, 30, 1_990]


@pytest.mark.parametrize("by", STEPS.values(), ids=STEPS)
def test_a_clock_that_is_set_back_again_steps_twice(by: int) -> None:
    """Who goes on by the old clock has not come late: that is a step of its own."""
    time = [0, 10 + by // MS, *range(20, 3_000, 100)]
    _, _, steps = told([3 * DAY + at * MS for at in time])

    assert len(steps) == (2 if by > 0 else 1)  # less than a day ahead is no step


def test_disorder_about_a_clock_step_is_one_gap(tmp_path: Path) -> None:
    """A capture whose clock steps while packets change places has one gap, in every way of reading."""
    content = (ROOT / "pcaps" / "plant" / "ten_minutes.pcap").read_bytes()
    parts = records(content)
    true = [time_of(part, 10**6) for part in parts]
    half = min(range(20, len(parts) - 20), key=lambda at: true[at + 9] - true[at - 10])
    dice = Random(5)
    late = [at + dice.randrange(5_000) for at in true]
    stamped = [
        part if at < half else retimed(part, true[at] - 3_600 * 10**6, 10**6)
        for at, part in enumerate(parts)
    ]
    order = sorted(range(len(parts)), key=late.__getitem__)
    assert [at < half for at in order] != sorted((at < half for at in order), reverse=True)
    near = range(half - 300, half + 300)
    spoiled = content[:24] + b"".join(stamped[at] for at in order if at in near)
    bench = Bench(tmp_path)
    dump = bench.dump(spoiled)
    assert [row["kind"] for row in cells(dump, "gap")] == ["clock_back"]
    for options in ({"batch": 7}, {"batch": 64, "workers": 2}, {"all_plain": True}):
        assert not difference(dump, bench.dump(spoiled, **options)), options
    assert not difference(dump, bench.grown(spoiled, 290))
