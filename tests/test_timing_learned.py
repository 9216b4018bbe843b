"""What is learned of time, and what deviates from it: drifts, lost answers, polls, loads, hours."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from baseline_stores import DAY, HMI, PLC, WORD, Plant, polled
from hypothesis import given
from hypothesis import strategies as st
from inventory_stores import SECOND
from store_rows import row

from otsec.baseline.deviations import judge
from otsec.baseline.learning import approve, baseline, bring, key_of, learn
from otsec.baseline.off_time import off_time
from otsec.baseline.outages import Device, Outage
from otsec.baseline.spread import EDGES, Spreads, limit, quantile, sums
from otsec.baseline.text import read, written
from otsec.columns import bucket
from otsec.store import baseline as kept
from otsec.store.baseline import Line
from otsec.store.findings import Finding
from otsec.store.histograms import pack

DAYS, LEARNED = 12, 7
HOURS = DAYS * 24
Values = Callable[[int], Iterable[float]]  # of an hour, microseconds


def histogram(values: Iterable[float]) -> bytes:
    """Values as the store keeps them."""
    buckets, counts = np.unique(bucket(np.array([int(v) for v in values])), return_counts=True)
    return pack(list(zip(buckets.tolist(), counts.tolist(), strict=True)))


def plant(folder: Path, **kinds: Values) -> Plant:
    """A plant of some days; ``kinds``: what is measured in each hour."""
    made = polled(folder, DAYS)
    for kind, values in kinds.items():
        for hour in range(HOURS):
            some = list(values(hour))
            if some:
                made.tap.rows.setdefault("rhythm", []).append(
                    row(
                        "rhythm", source=made.tap.number, conversation=0, protocol="modbus",
                        hour=hour, kind=kind, buckets=histogram(some),
                    )
                )  # fmt: skip
    volume(made, lambda _: 1000)
    return made


def volume(made: Plant, size: Callable[[int], int]) -> None:
    """What the panel sends in each hour."""
    made.tap.rows["volume"] = [
        row("volume", source=made.tap.number, sender=HMI, receiver=PLC, hour=hour, packets=9, bytes=size(hour))
        for hour in range(HOURS)
    ]  # fmt: skip


def found(made: Plant) -> list[Finding]:
    """What time tells, learned for a week and judged after it."""
    made.ends(DAYS * DAY)
    learn(made.store, 1, LEARNED * DAY * SECOND)
    assert kept.ended(made.store)
    names = {"response-drift", "response-collapse", "link-failing", "poll-changed"}
    names |= {"load-unusual", "unusual-hour", "write-burst", "polls-missed"}
    return [one for one in judge(made.store, ()) if one.name in names]


def about(middle: float, spread: float = 0.12, count: int = 60, seed: int = 0) -> Values:
    """Values around a middle, other ones each hour."""
    some = [Random(seed + n).lognormvariate(np.log(middle), spread) for n in range(400)]
    return lambda hour: Random(hour * 7919 + seed).choices(some, k=count)


def later(usual: Values, other: Values, since: int = (LEARNED + 1) * 24) -> Values:
    """One thing, then another."""
    return lambda hour: other(hour) if hour >= since else usual(hour)


STEADY = about(10_000)
POLLS = about(60e6, 0.001)


def test_what_goes_on_is_no_news(tmp_path: Path) -> None:
    """Answers and polls as ever tell nothing."""
    assert found(plant(tmp_path, response_us=STEADY, interval_us=POLLS)) == []


def test_drift(tmp_path: Path) -> None:
    """Answers that get slower day by day are one finding of the device."""

    def slower(hour: int) -> Iterable[float]:
        factor = 1 + max(hour - LEARNED * 24, 0) / 48
        return [value * factor for value in STEADY(hour)]

    (one,) = found(plant(tmp_path, response_us=slower, interval_us=POLLS))

    assert (one.name, one.level, one.server) == ("response-drift", "low", PLC)
    assert one.first_time // (3600 * SECOND) - LEARNED * 24 < 48
    assert one.expected.startswith(("After 9.", "After 10."))


def test_single_slow_hours_are_no_drift(tmp_path: Path) -> None:
    """Two bad hours are not the rule."""
    bad = {LEARNED * 24 + 30, LEARNED * 24 + 31}
    values = about(80_000)

    assert found(
        plant(tmp_path, response_us=lambda hour: (values if hour in bad else STEADY)(hour),
              interval_us=POLLS)
    ) == []  # fmt: skip


def test_days_that_differ_are_no_drift(tmp_path: Path) -> None:
    """A device that is now fast, now slow from day to day is so after learning too."""
    speeds = [Random(day).choice((6_000, 9_000, 14_000)) for day in range(DAYS)]

    assert found(
        plant(tmp_path, response_us=lambda hour: about(speeds[hour // 24])(hour), interval_us=POLLS)
    ) == []  # fmt: skip


def test_collapse(tmp_path: Path) -> None:
    """Answers that come sooner than the device can give them are told at medium."""
    made = plant(tmp_path, response_us=later(STEADY, about(400)), interval_us=POLLS)
    (one,) = found(made)

    assert (one.name, one.level) == ("response-collapse", "medium")


def test_link(tmp_path: Path) -> None:
    """Answers that are lost, or come late now and then, are a link that fails."""

    def lossy(hour: int) -> Iterable[float]:
        values = list(STEADY(hour))
        if hour < (LEARNED + 1) * 24:
            return values
        return [value + 250_000 * (n % 7 == 0) for n, value in enumerate(values) if n % 5]

    (one,) = found(plant(tmp_path, response_us=lossy, interval_us=POLLS))

    assert (one.name, one.level, one.server) == ("link-failing", "low", PLC)


@pytest.mark.parametrize("pace", [20e6, 180e6])
def test_polls(tmp_path: Path, pace: float) -> None:
    """A client that asks at another pace is told, once."""
    (one,) = found(
        plant(tmp_path, response_us=STEADY, interval_us=later(POLLS, about(pace, 0.001)))
    )

    assert (one.name, one.client, one.server) == ("poll-changed", HMI, PLC)
    assert one.expected.startswith("About every 6")


def missing(share: float, most: int = 9) -> Values:
    """Polls of which some are left out, each by itself; no more than so many one after another."""

    def values(hour: int) -> Iterable[float]:
        random, spent = Random(hour), 0
        while spent < 60:
            cycles = next((n for n in range(1, most) if random.random() >= share), most)
            spent += cycles
            yield 60e6 * cycles * random.uniform(0.99, 1.01)

    return values


FEW, MANY = missing(0.01), missing(0.05)


@pytest.mark.parametrize(
    ("usual", "other", "told"),
    [
        (POLLS, MANY, 1),
        (FEW, missing(0.15), 1),
        (MANY, missing(0.4), 1),
        (MANY, MANY, 0),
    ],
)
def test_missed_polls(tmp_path: Path, usual: Values, other: Values, told: int) -> None:
    """Who leaves out more of its polls than it did, hour after hour, is told once."""
    some = found(plant(tmp_path, response_us=STEADY, interval_us=later(usual, other)))

    assert [(one.name, one.level, one.client, one.server) for one in some] == [
        ("polls-missed", "low", HMI, PLC)
    ] * told
    for one in some:
        assert one.first_time >= (LEARNED + 1) * DAY * SECOND
        assert " polls came more than 9" in one.seen
        assert one.expected.startswith("About every 6")


def test_polls_beyond_the_tail(tmp_path: Path) -> None:
    """Where polls were always missed, those that come later than the tail allows are told."""
    usual = missing(0.2)

    def stuck(hour: int) -> Iterable[float]:
        return [540e6 if n % 9 == 0 else value for n, value in enumerate(usual(hour))]

    made = plant(tmp_path, response_us=STEADY, interval_us=later(usual, stuck))
    (one,) = found(made)
    (line,) = [line for line in kept.lines(made.store) if line.kind == "cycle"]
    middle, _, limit_us, missed = json.loads(line.detail)

    assert one.name == "polls-missed"
    assert "hardly ever" in one.expected
    assert 3 * middle < limit_us < 9 * middle
    assert 200_000 < missed < 500_000


def test_polls_missed_for_two_hours(tmp_path: Path) -> None:
    """However many are missed in two hours, that is not again and again."""
    begin = (LEARNED + 2) * 24

    def once(hour: int) -> Iterable[float]:
        return (missing(0.4) if begin <= hour < begin + 2 else POLLS)(hour)

    assert found(plant(tmp_path, response_us=STEADY, interval_us=once)) == []


def test_hours_at_which_more_is_asked(tmp_path: Path) -> None:
    """Who asks something else seldom at some hours of each day misses nothing in them."""

    def mixed(usual: Values, other: float) -> Values:
        return lambda hour: [*usual(hour), *[other] * (15 if hour % 24 in {8, 9} else 0)]

    made = plant(tmp_path, response_us=mixed(STEADY, 10_000), interval_us=mixed(POLLS, 90_000e6))

    assert found(made) == []
    (line,) = [line for line in kept.lines(made.store) if line.kind == "cycle"]
    assert json.loads(line.detail)[2] < 180e6


@pytest.mark.parametrize("why", ["no answer", "lost answers", "other pace"])
def test_polls_that_something_else_tells_of(tmp_path: Path, why: str) -> None:
    """What comes of a silent device, a failing link or another pace is not told as missed polls."""

    def answers(hour: int) -> Iterable[float]:
        values = list(STEADY(hour))
        if hour < (LEARNED + 1) * 24 or why == "other pace":
            return values
        return [] if why == "no answer" else values[::2]

    share = 0.7 if why == "other pace" else 0.2
    names = {
        one.name
        for one in found(
            plant(tmp_path, response_us=answers, interval_us=later(POLLS, missing(share)))
        )
    }

    assert names == {"no answer": set(), "lost answers": {"link-failing"}}.get(
        why, {"poll-changed"}
    )


def test_polls_that_an_outage_tells_of(tmp_path: Path) -> None:
    """Where a client is known to have stopped asking, polls are not missed once more."""
    made = plant(tmp_path, response_us=STEADY, interval_us=later(POLLS, MANY))
    (one,) = found(made)
    device = Device(PLC, "", "", one.first_time, one.last_time, announced=False)
    span = (one.first_time, one.last_time, 0, 0)
    out = Outage("peer-silent", "plant", "net", "", 1, "", *span, (device,), 0.7, ())

    assert one.name == "polls-missed"
    assert off_time(baseline(made.store), [out]) == []


def test_a_cycle_of_before(tmp_path: Path) -> None:
    """A line of an older version holds the pace alone, until it is learned or approved again."""
    made = plant(tmp_path, response_us=STEADY, interval_us=later(POLLS, MANY)).ends(DAYS * DAY)
    told, _ = read(
        "cycle site=plant group=net client=10.0.0.11 server=10.0.0.21 service=tcp/502 "
        "protocol=modbus detail=[63000000,0.05] count=9000",
        "baseline.txt",
    )

    def cycle() -> Line:
        (line,) = [one for one in kept.lines(made.store) if one.kind == "cycle"]
        return line

    def missed() -> bool:
        return "polls-missed" in {one.name for one in judge(made.store, ())}

    (before,) = bring(made.store, baseline(made.store), told, [], WORD, replace=False)
    assert cycle() == before
    learn(made.store, 1, LEARNED * DAY * SECOND)
    assert cycle().how == "imported"
    assert len(json.loads(cycle().detail)) == 4
    assert missed()

    kept.keep(made.store, [before], ())
    assert not missed()
    base = baseline(made.store)
    approve(made.store, base, [base.shown.by_key[key_of(before)]], WORD, 0, end=False)
    assert len(json.loads(cycle().detail)) == 4


def test_what_has_no_cycle_is_not_learned(tmp_path: Path) -> None:
    """Of what comes when it likes no pace is learned, so none can change."""

    def anyhow(hour: int) -> Iterable[float]:
        random = Random(hour)
        return [random.expovariate(1 / 60e6) for _ in range(60)]

    made = plant(tmp_path, response_us=STEADY, interval_us=anyhow)

    assert found(made) == []
    assert not [one for one in kept.lines(made.store) if one.kind == "cycle"]


def test_load(tmp_path: Path) -> None:
    """An hour in which far more is sent than ever before is told."""
    made = plant(tmp_path, response_us=STEADY, interval_us=POLLS)
    volume(made, lambda hour: 40_000_000 if hour == (LEARNED + 2) * 24 else 20_000)
    (one,) = found(made)

    assert (one.name, one.client, one.server) == ("load-unusual", HMI, PLC)
    assert "40 MB" in one.seen


def test_odd_hour(tmp_path: Path) -> None:
    """Who changes something in the day shift alone is told when he does so at night."""
    night = (LEARNED + 2) * 24 + 2

    def shift(hour: int) -> Iterable[float]:
        return [0] if 6 <= hour % 24 < 14 or hour == night else []

    (one,) = found(plant(tmp_path, response_us=STEADY, interval_us=POLLS, changes=shift))

    assert (one.name, one.level, one.client) == ("unusual-hour", "medium", HMI)
    assert one.first_time == night * 3600 * SECOND
    assert "6 to 14" in one.expected


BUSY = (LEARNED + 2) * 24 + 9


@pytest.mark.parametrize(
    ("most", "count", "told"), [(3, 300, 1), (3, 40, 0), (40, 300, 0), (40, 401, 1)]
)
def test_write_burst(tmp_path: Path, most: int, count: int, told: int) -> None:
    """Far more changes in an hour than ever are told once; some more of few, or of many, are not."""

    def by_panel(hour: int) -> Iterable[float]:
        usual = hour % most + 1 if 6 <= hour % 24 < 14 else 0
        return [0] * (count if hour == BUSY else usual)

    some = found(plant(tmp_path, response_us=STEADY, interval_us=POLLS, changes=by_panel))

    assert [(one.name, one.level, one.client, one.server) for one in some] == [
        ("write-burst", "medium", HMI, PLC)
    ] * told
    for one in some:
        assert one.first_time == BUSY * 3600 * SECOND
        assert f"{count} times in the hour of" in one.seen


def test_few_days_of_changes_promise_nothing(tmp_path: Path) -> None:
    """Of who changed something on two days only it is not known what would be many."""
    changing = {8: 3, 33: 2, BUSY: 500}
    made = plant(
        tmp_path, response_us=STEADY, interval_us=POLLS,
        changes=lambda hour: [0] * changing.get(hour, 0),
    )  # fmt: skip

    assert found(made) == []


@pytest.mark.parametrize(("most", "told"), [(3, 1), (60, 0)])
def test_burst_at_a_device_that_is_seldom_changed(tmp_path: Path, most: int, told: int) -> None:
    """It is measured by how often its client changes any one device in an hour."""
    other = "10.0.0.22"
    changing = {8: 3, 33: 2, BUSY: 500}
    made = plant(
        tmp_path, response_us=STEADY, interval_us=POLLS,
        changes=lambda hour: [0] * changing.get(hour, 0),
    )  # fmt: skip
    made.hears(other, 0, DAYS * DAY)
    made.does(HMI, other, "write", 0, DAYS * DAY, value=50, object="holding 100")
    made.tap.rows["rhythm"] += [
        row(
            "rhythm", source=made.tap.number, conversation=1, protocol="modbus", hour=hour,
            kind="changes", buckets=histogram([0] * (hour % most + 1)),
        )
        for hour in range(HOURS)
        if hour % 24 in {9, 10, 11}
    ]  # fmt: skip
    some = found(made)

    assert [(one.name, one.client, one.server) for one in some] == [
        ("write-burst", HMI, PLC)
    ] * told
    assert all("of all devices that it changes" in one.expected for one in some)


def test_only_hours_before_are_learned(tmp_path: Path) -> None:
    """Learning until a time takes nothing from later hours."""
    made = plant(tmp_path, response_us=later(STEADY, about(90_000)), interval_us=POLLS)
    made.ends(DAYS * DAY)
    learn(made.store, 1, LEARNED * DAY * SECOND)

    (line,) = [one for one in kept.lines(made.store) if one.kind == "response"]
    assert 9_000 < json.loads(line.detail)[0] < 11_000


def test_lines_are_text(tmp_path: Path) -> None:
    """Each kind is one canonical line, which is read back as it was."""
    made = plant(
        tmp_path, response_us=STEADY, interval_us=POLLS, changes=lambda hour: [0] * (hour % 3)
    )
    volume(made, lambda _: 20_000)
    made.ends(DAYS * DAY)
    learn(made.store, 1)

    lines = [
        one
        for one in kept.lines(made.store)
        if one.kind in {"cycle", "response", "load", "changes", "hours"}
    ]
    assert {one.kind for one in lines} == {"cycle", "response", "load", "changes", "hours"}
    text = "\n".join(written(lines))
    again, _ = read(text, "baseline.txt")
    assert "\n".join(written(again)) == text
    assert {one.id for one in again} == {one.id for one in lines}
    assert all(baseline(made.store).known.values())


# ------------------------------------------------------------------------------- measuring


@given(st.lists(st.integers(4, 10**9), min_size=1, max_size=60), st.integers(1, 5))
def test_medians(values: list[int], often: int) -> None:
    """The median of a histogram is within a bucket of that of the values."""
    spreads = Spreads.of([histogram(values), histogram(values * often)])

    for median in spreads.medians().tolist():
        low, high = (float(v) for v in np.quantile(values, [0.5, 0.5], method="nearest"))
        ordered = sorted(values)
        below, above = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        assert np.log(min(below, low)) - 0.24 <= median <= np.log(max(above, high)) + 0.24


def test_edges_are_those_of_the_buckets() -> None:
    """Each bucket begins where the columns say that it does."""
    for number in range(4, 150):
        least = int(np.rint(np.exp(EDGES[number])))
        assert bucket(np.array([least]))[0] == number
        assert bucket(np.array([least - 1]))[0] == number - 1


@pytest.mark.parametrize("count", [4_000, 20_000, 100_000])
def test_limit_is_where_the_tail_is_rare(count: int) -> None:
    """Hardly any value is beyond the limit, and the limit is not far beyond them."""
    values = np.random.default_rng(3).lognormal(np.log(10_000), 0.3, count)
    counts = Spreads.of([histogram(values)]).whole()

    rare = np.log(np.quantile(values, 1 - 1e-4))
    assert rare <= limit(counts) <= rare + np.log(2.5)
    assert quantile(counts, 0.5) == pytest.approx(np.log(10_000), abs=0.25)


def test_sums_never_fall_below_zero() -> None:
    """A running sum forgets what was good."""
    assert sums([1, -5, 2, 2, -1]) == [1, 0, 2, 4, 3]
