"""Schedules: due times through summer time, and runs of which none is lost and none made twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import ROOT

from otsec.cli import main
from otsec.cli.schedule import rows
from otsec.errors import Exit, UsageError
from otsec.schedule import manifest, places, running, sshsig
from otsec.schedule.running import Task
from otsec.schedule.times import covered, cron_of, dues, latest_dues, next_dues
from otsec.store import Store, open_store
from otsec.store.acts import verified
from otsec.store.schedules import Run, Schedule, put_runs, put_schedule, runs, schedules

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400 * 10**9


def ns(text: str, zone: ZoneInfo = BERLIN) -> int:
    """A local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 10**9


def local(moment: int) -> str:
    """A time as people of Berlin write it."""
    return datetime.fromtimestamp(moment // 10**9, BERLIN).isoformat(timespec="minutes")


# ------------------------------------------------------------------------------------ times


@pytest.mark.parametrize(
    ("words", "cron", "span"),
    [
        ("daily", "0 6 * * *", "day"),
        ("Daily 05:30", "30 5 * * *", "day"),
        ("every weekday 06:00", "0 6 * * 1-5", "since"),
        ("every monday 07:00", "0 7 * * 1", "week"),
        ("weekly sunday at 8:15", "15 8 * * 0", "week"),
        ("monthly", "0 6 1 * *", "month"),
        ("monthly 15 06:30", "30 6 15 * *", "month"),
        ("monthly last 23:00", "0 23 L * *", "since"),
        ("quarterly 04:00", "0 4 1 1,4,7,10 *", "quarter"),
        ("yearly", "0 6 1 1 *", "year"),
        ("hourly", "0 * * * *", "hour"),
        ("0 7 * * mon-fri", "0 7 * * MON-FRI", "since"),
    ],
)
def test_words_mean_times(words: str, cron: str, span: str) -> None:
    """Words of people become cron, with the period that suits them."""
    assert cron_of(words) == (cron, span)


@pytest.mark.parametrize(
    "words",
    ["", "monthly 31", "every funday", "daily 24:00", "0 0 30 2 *", "61 * * * *", "* * * * * *"],
)
def test_words_that_mean_no_time_are_told(words: str) -> None:
    """What no clock ever shows is refused in one line with what can be written."""
    with pytest.raises(UsageError, match=r"^schedule [^\n]+$"):
        cron_of(words)


def test_summer_time_neither_loses_nor_doubles_a_run() -> None:
    """02:30 is due once on each day: at 03:00 where it does not exist, once where it exists twice."""
    for begin, expected in (
        ("2026-03-28", ["03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00"]),
        ("2026-10-24", ["10-24T02:30+02:00", "10-25T02:30+02:00", "10-26T02:30+01:00"]),
    ):
        start = ns(begin)
        assert [local(one)[5:] for one in next_dues("30 2 * * *", BERLIN, start, 3)] == expected
        assert latest_dues("30 2 * * *", BERLIN, start, start + 3 * DAY, 9) == list(
            dues("30 2 * * *", BERLIN, start, start + 3 * DAY)
        )


def test_every_hour_of_the_long_day_is_due() -> None:
    """Hourly runs come 25 times on the day that is longer by an hour, 23 times on the shorter."""
    for day, count in (("2026-10-25", 25), ("2026-03-29", 23), ("2026-05-05", 24)):
        found = list(dues("0 * * * *", BERLIN, ns(day), ns(f"{day}T23:59")))
        assert len({ns(day), *found}) == count


@pytest.mark.parametrize(
    ("span", "due", "name", "begin", "end"),
    [
        ("day", "2026-03-30T06:00", "2026-03-29", "2026-03-29", "2026-03-30"),
        ("week", "2026-11-25T07:00", "2026-W47", "2026-11-16", "2026-11-23"),
        ("month", "2026-01-01T06:00", "2025-12", "2025-12-01", "2026-01-01"),
        ("quarter", "2026-04-01T06:00", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("year", "2026-01-01T06:00", "2025", "2025-01-01", "2026-01-01"),
    ],
)
def test_the_period_follows_the_due_time(
    span: str, due: str, name: str, begin: str, end: str
) -> None:
    """A report covers the whole period before its due time, in days of the site."""
    assert covered(span, ns(due), 0, BERLIN) == ((ns(begin), ns(end) - 1), name)


# ------------------------------------------------------------------------------------- runs


class Clock:
    """A clock that people set."""

    def __init__(self, text: str) -> None:
        self.now = ns(text)

    def set(self, text: str) -> None:
        """Another time."""
        self.now = ns(text)

    def __call__(self) -> int:
        """What it shows, ns."""
        return self.now


def produce(task: Task) -> Mapping[str, Any]:
    """A report that tells its period."""
    (task.folder / "a.json").write_text(json.dumps([task.run.period, str(task.last)]))
    return {"site": "s", "kinds": ["health"]}


def daily(folder: Path, **changed: Any) -> Schedule:
    """A schedule of each day at six, since 1 May."""
    one = Schedule(
        *("daily", "daily", "0 6 * * *", "Europe/Berlin", "health", "json", "day", "[]"),
        *(str(folder / "reports"), "", "last", 0, 0, 0, ns("2026-05-01")),
    )
    return one._replace(**changed)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "a.db") as made:
        yield made


def add(store: Store, schedule: Schedule) -> None:
    """Add a schedule."""
    put_schedule(store, schedule, running.recorded.act("schedule", 1, "kim", schedule.name))


def states(store: Store) -> list[str]:
    """Day and state of each run."""
    return [f"{local(one.due)[8:10]} {one.state}" for one in runs(store)]


def whole(store: Store) -> list[Path]:
    """The folders of reports; each checked, and the chain over them."""
    found = manifest.folders(store.path.parent / "reports")
    signers = sshsig.trusted(places.public_key(store.path))
    checked = [manifest.checked(one, signers) for one in found]
    assert [one.wrong for one in checked] == [()] * len(found)
    assert manifest.unlinked(checked) == []
    assert sorted(one.chain for one in checked) == list(range(1, len(found) + 1))
    assert verified(store).broken == ()
    return found


def test_what_is_due_is_made_once(store: Store, tmp_path: Path) -> None:
    """Each pass makes what has become due since, in order, signed and chained; no due time twice."""
    add(store, daily(tmp_path))
    clock = Clock("2026-05-01T05:59")
    assert running.work(store, produce, clock).done == []
    for day in (1, 2, 3):
        clock.set(f"2026-05-0{day}T06:10")
        assert len(running.work(store, produce, clock).done) == 1
        assert running.work(store, produce, clock).done == []

    assert states(store) == ["01 done", "02 done", "03 done"]
    folders = whole(store)
    assert [one.name for one in folders] == [f"2026050{day}T040000Z" for day in (1, 2, 3)]
    told = json.loads((folders[2] / "a.json").read_text())
    assert told == ["2026-05-02", str(folders[1])]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("last", ["01 missed", "02 missed", "03 done"]),
        ("all", ["01 done", "02 done", "03 done"]),
        ("none", ["01 missed", "02 missed", "03 missed"]),
    ],
)
def test_missed_runs_are_made_good_as_asked(
    store: Store, tmp_path: Path, catch_up: str, expected: list[str]
) -> None:
    """Behind three days off, the last, all or none of the missed runs are made; none is silent."""
    add(store, daily(tmp_path, catch_up=catch_up))

    outcome = running.work(store, produce, Clock("2026-05-03T18:00"))

    assert states(store) == expected
    assert outcome.missed == sum("missed" in one for one in expected)
    if catch_up == "last":
        told = json.loads((whole(store)[0] / manifest.NAME).read_text())
        assert (told["late_seconds"], told["period"]["name"]) == (12 * 3600, "2026-05-02")


def test_a_clock_set_back_makes_nothing_twice(store: Store, tmp_path: Path) -> None:
    """After the clock went back by two days, the days that were done are not done again."""
    add(store, daily(tmp_path, catch_up="all"))
    clock = Clock("2026-05-04T07:00")
    assert len(running.work(store, produce, clock).done) == 4
    for text in ("2026-05-02T07:00", "2026-05-03T07:00", "2026-05-04T07:00"):
        clock.set(text)
        assert running.work(store, produce, clock).done == []
    clock.set("2026-05-05T07:00")

    assert [local(one.due)[:10] for one in running.work(store, produce, clock).done] == [
        "2026-05-05"
    ]
    assert len(whole(store)) == 5


def test_what_was_done_by_a_clock_ahead_is_not_told_as_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`schedule list` tells the next run that will be made, not one that is done already."""
    add(store, daily(tmp_path, catch_up="all"))
    running.work(store, produce, Clock("2026-05-03T07:00"))
    monkeypatch.setattr("time.time_ns", Clock("2026-05-01T12:00"))
    [row] = rows(store)
    assert (local(row.last or 0)[:10], local(row.next)[:10]) == ("2026-05-03", "2026-05-04")


def test_a_clock_ahead_for_a_while_loses_no_run(store: Store, tmp_path: Path) -> None:
    """What was missed while the clock stood a year ahead is made when its time really comes."""
    add(store, daily(tmp_path))
    clock = Clock("2026-05-01T07:00")
    running.work(store, produce, clock)
    clock.set("2027-05-01T07:00")
    assert running.work(store, produce, clock).missed == 364
    for day in (2, 3, 4):
        clock.set(f"2026-05-0{day}T07:00")
        (done,) = running.work(store, produce, clock).done
        assert local(done.due)[:10] == f"2026-05-0{day}"
    assert len(whole(store)) == 5


def test_a_report_that_fails_is_tried_again_and_keeps_no_other(
    store: Store, tmp_path: Path
) -> None:
    """A report that cannot be made is tried three times with pauses, others go on, retry is heard."""
    add(store, daily(tmp_path))
    add(store, daily(tmp_path, name="other"))

    def broken(task: Task) -> Mapping[str, Any]:
        if task.schedule.name == "daily":
            raise RuntimeError("no\nroom")
        return produce(task)

    clock = Clock("2026-05-01T06:01")
    first = running.work(store, broken, clock)
    assert ([one.schedule for one in first.done], first.failed[0].error) == (
        ["other"],
        "RuntimeError: no room",
    )
    assert running.work(store, broken, clock).failed == []
    for _ in range(2):
        clock.now += 3600 * 10**9
        (failed,) = running.work(store, broken, clock).failed
    assert failed.state == "failed"
    words = ["schedule", "retry", "daily", "-q", "--db", str(store.path)]
    assert main(words) == Exit.FINE
    assert [one.schedule for one in running.work(store, produce, clock).done] == ["daily"]
    assert len(whole(store)) == 2


@pytest.mark.parametrize("where", ["producing", "signed", "renamed"])
def test_cut_short_anywhere_it_ends_the_same(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Killed while it writes, before or behind the rename: the next pass ends it, once."""
    add(store, daily(tmp_path))
    clock = Clock("2026-05-01T06:01")

    class Killed(BaseException):
        """What a SIGKILL does, as far as the store can see."""

    def die(*_: Any) -> Any:
        raise Killed

    makes = die if where == "producing" else produce
    with monkeypatch.context() as patch:
        if where == "renamed":
            patch.setattr(running, "_done", die)
        if where == "signed":
            patch.setattr(Path, "rename", die)
        with pytest.raises(Killed):
            running.work(store, makes, clock)
    assert states(store) == ["01 running"]

    (done,) = running.work(store, produce, clock).done

    assert states(store) == ["01 done"]
    assert whole(store) == [Path(done.folder)]
    assert sorted(one.name for one in Path(done.folder).parent.iterdir()) == ["20260501T040000Z"]


def test_retention_takes_files_and_keeps_what_is_held(store: Store, tmp_path: Path) -> None:
    """Of five runs the newest two stay; manifests stay of all; a hold keeps everything."""
    add(store, daily(tmp_path, catch_up="all", keep_count=2, hold=1))
    clock = Clock("2026-05-05T07:00")
    running.work(store, produce, clock)
    assert [one.split()[1] for one in states(store)] == ["done"] * 5
    first, *_ = runs(store)
    put_runs(store, [first._replace(hold=1)])
    (schedule,) = schedules(store)
    add(store, schedule._replace(hold=0))

    assert running.work(store, produce, clock).retired == 2

    assert [one.split()[1] for one in states(store)] == [
        "done",
        "retired",
        "retired",
        "done",
        "done",
    ]
    assert [(one / "a.json").exists() for one in whole(store)] == [True, False, False, True, True]


def test_a_removed_schedule_leaves_its_reports(store: Store, tmp_path: Path) -> None:
    """What was written stays and verifies; what waited is told as missed."""
    add(store, daily(tmp_path))
    running.work(store, produce, Clock("2026-05-01T07:00"))
    put_runs(store, [Run("daily", ns("2026-05-02T06:00"), "waiting", 1)])

    assert main(["schedule", "remove", "daily", "-q", "--db", str(store.path)]) == Exit.FINE

    assert states(store) == ["01 done", "02 missed"]
    assert len(whole(store)) == 1
    assert running.work(store, produce, Clock("2026-05-09T07:00")).done == []


# ------------------------------------------------------------------------------- processes

WORKER = """
import sys, time
from pathlib import Path
from otsec.schedule import running
from otsec.store import open_store
def produce(task):
    for name in "abc":
        time.sleep(0.02)
        (task.folder / (name + ".json")).write_text(task.run.period)
    return {}
path = Path(sys.argv[1])
with running.locked(path) as mine, open_store(path) as store:
    if mine:
        running.work(store, produce, lambda: int(sys.argv[2]))
"""


def worker(path: Path, now: int) -> "subprocess.Popen[bytes]":
    """A scheduler of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(now)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_several_schedulers_and_kills_lose_nothing_and_double_nothing(
    store: Store, tmp_path: Path
) -> None:
    """Three schedulers at once, killed at random again and again: every due time has one report."""
    add(store, daily(tmp_path, catch_up="all"))
    now = ns("2026-05-12T07:00")
    dice = random.Random(7)
    for _ in range(4):
        some = [worker(tmp_path / "a.db", now) for _ in range(3)]
        time.sleep(0.5 + dice.random())
        for one in some:
            one.send_signal(signal.SIGKILL)
            one.wait()
    some = [worker(tmp_path / "a.db", now) for _ in range(3)]
    assert [one.wait() for one in some] == [0, 0, 0]
    assert worker(tmp_path / "a.db", now).wait() == 0

    assert states(store) == [f"{day:02} done" for day in range(1, 13)]
    assert len(whole(store)) == 12
