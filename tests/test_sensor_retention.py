"""Rows that grow old: summed up by the day, bounded in number, nothing else touched."""

from pathlib import Path

import pytest
from store_rows import row, store_with, write

from otsec.config import Keep
from otsec.nanoseconds import DAY_NS, HOUR_NS
from otsec.store import Store
from otsec.store.retention import retire
from otsec.store.sensor import Heartbeat, beat, heartbeats
from otsec.store.upkeep import check

DAYS = 10


def _events(store: Store) -> list[tuple[int, str, int]]:
    """Day, kind and count of every event, in order of time."""
    rows = store.all("SELECT time, kind, count FROM event ORDER BY time, packet")
    return [(time // DAY_NS, kind, count) for time, kind, count in rows]


@pytest.fixture
def aged(tmp_path: Path) -> Store:
    """A store with three events a day: two of one behaviour, one of another."""
    store = store_with(tmp_path / "x.db")
    write(
        store,
        clock=[row("clock", source=1, packets=1000, last_time=DAYS * DAY_NS - 1)],
        conversation=[row("conversation", source=1, number=0)],
        behaviour=[row("behaviour", source=1, number=n, conversation=0) for n in (0, 1)],
        event=[
            row(
                "event", source=1, packet=10 * day + part, part=part, conversation=0, behaviour=kind,
                time=day * DAY_NS + part * HOUR_NS, kind="operation", count=1 + part,
            )
            for day in range(DAYS)
            for part, kind in enumerate((0, 1, 0))
        ],
    )  # fmt: skip
    return store


def test_days_are_summed_up(aged: Store) -> None:
    """Events beyond their age are one row a behaviour and day, with all of their counts."""
    assert retire(aged, 1, Keep(event_days=2), lambda: False) == 7

    found = _events(aged)
    assert found[:3] == [(0, "past", 4), (0, "past", 2), (1, "past", 4)]
    assert [day for day, kind, _ in found if kind == "operation"] == [7, 7, 7, 8, 8, 8, 9, 9, 9]
    assert sum(count for _, _, count in found) == DAYS * 6
    assert check(aged) == []
    assert retire(aged, 1, Keep(event_days=2), lambda: False) == 0
    aged.close()


def test_numbers_are_bounded(aged: Store) -> None:
    """More events than there may be are summed up, the oldest days first, and then deleted."""
    retire(aged, 1, Keep(event_rows=20), lambda: False)
    found = _events(aged)
    assert {kind for _, kind, _ in found[-3:]} == {"operation"}
    assert found[:2] == [(0, "past", 2), (1, "past", 4)]
    assert len(found) == 20

    for _ in range(12):
        retire(aged, 1, Keep(event_rows=6), lambda: False)
    found = _events(aged)
    assert len(found) == 6
    assert [day for day, _, _ in found] == sorted(day for day, _, _ in found)
    assert found[-1][0] == DAYS - 1
    assert check(aged) == []
    aged.close()


def test_stopping_between_days(aged: Store) -> None:
    """Asked to stop, it does so behind a day, and goes on with the next one later."""
    asked = iter([False, False, True])
    retire(aged, 1, Keep(event_days=1), lambda: next(asked))

    assert [kind for _, kind, _ in _events(aged)].count("past") == 4
    retire(aged, 1, Keep(event_days=1), lambda: False)
    assert [kind for _, kind, _ in _events(aged)].count("past") == 16
    aged.close()


@pytest.mark.parametrize(
    ("keep", "left"), [(Keep(), 240), (Keep(event_days=3), 96), (Keep(hour_rows=50), 50)]
)
def test_hours(tmp_path: Path, keep: Keep, left: int) -> None:
    """What is kept by the hour is bounded by age and by number; the newest stays."""
    store = store_with(tmp_path / "x.db")
    hours = range(24 * DAYS)
    write(
        store,
        clock=[row("clock", source=1, packets=1000, last_time=DAYS * DAY_NS - 1)],
        volume=[row("volume", source=1, sender="a", receiver="b", hour=hour) for hour in hours],
        silence=[
            row("silence", source=1, sender="a", begin_packet=hour, end_time=hour * HOUR_NS)
            for hour in hours
        ],
    )
    retire(store, 1, keep, lambda: False)
    for table, column, unit in (("volume", "hour", 1), ("silence", "end_time", HOUR_NS)):
        kept = store.all(f"SELECT {column} FROM {table} ORDER BY {column}")  # noqa: S608 - names above
        assert [hour // unit for (hour,) in kept] == list(hours)[-left:]
    store.close()


def test_heartbeats(tmp_path: Path) -> None:
    """Heartbeats of a past day become one: sums, the highest, and what was shed."""
    store = store_with(tmp_path / "x.db")

    def one(hour: int, **cells: object) -> Heartbeat:
        values: dict[str, object] = dict.fromkeys(Heartbeat.__slots__, 0)
        values |= {"source": 1, "time": hour * HOUR_NS, "state": "listening", "shed": ""}
        values |= {"clock": "free", "rules": "", "packets": 5, "lag_ms": hour, "span_ms": 1000}
        return Heartbeat(**{**values, **cells})  # type: ignore[arg-type]

    beat(store, [one(hour, shed="bodies" if hour == 3 else "") for hour in range(80)])
    assert retire(store, 1, Keep(heartbeat_days=1), lambda: False) == 2 * 23

    kept = heartbeats(store, 1, 1000)
    assert len(kept) == 80 - 2 * 23
    assert kept[0] == one(23, state="past", packets=120, span_ms=24_000, lag_ms=23, shed="bodies")
    assert kept[-1] == one(79)
    store.close()


def test_nothing_to_do(tmp_path: Path) -> None:
    """An empty store has nothing that is old."""
    store = store_with(tmp_path / "x.db")

    assert retire(store, 1, Keep(), lambda: False) == 0
    store.close()
