"""Loads by the hour of the week: what is sent at an hour at which little ever was."""

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from baseline_stores import DAY, HMI, PLC, WORD, polled
from inventory_stores import SECOND
from store_rows import row

from otsec.baseline import weeks
from otsec.baseline.deviations import judge
from otsec.baseline.learning import approve, baseline, learn
from otsec.baseline.spans import Heard
from otsec.baseline.text import read, written
from otsec.config import Config
from otsec.store import Store
from otsec.store import baseline as kept
from otsec.store.findings import Finding

WEEK, HOUR_NS = 168, 3600 * SECOND
SUNDAY_2, MONDAY = 3 * 24 + 2, 4 * 24  # hours; time begins on a Thursday
BIG, SMALL = 50_000_000, 20_000
Sizes = Callable[[int], int]


def weekly(hour: int) -> int:
    """A backup on Sundays at two."""
    return BIG if hour % WEEK == SUNDAY_2 else SMALL


def nightly(hour: int) -> int:
    """A backup each day at two."""
    return BIG if hour % 24 == 2 else SMALL


def wandering(hour: int) -> int:
    """A backup each week, at another hour each time."""
    return BIG if hour % WEEK == 10 + 31 * (hour // WEEK) % WEEK else SMALL


def also(usual: Sizes, *hours: int) -> Sizes:
    """The same, and much in some hours."""
    return lambda hour: BIG if hour in hours else usual(hour)


def plant(folder: Path, sizes: Sizes, learned: int, days: int) -> Store:
    """A panel that sends so much in each hour; so many days are learned."""
    made = polled(folder, days)
    path = {"source": made.tap.number, "sender": HMI, "receiver": PLC}
    made.tap.rows["volume"] = [
        row("volume", **path, hour=hour, packets=9, bytes=sizes(hour)) for hour in range(days * 24)
    ]
    made.ends(days * DAY)
    learn(made.store, 1_000, learned * DAY * SECOND)
    return made.store


def told(store: Store, zone: str = "UTC") -> list[Finding]:
    """What loads tell."""
    found = judge(store, (), config=Config(site="plant", time_zone=zone))
    return [one for one in found if one.name in {"load-hour", "load-unusual"}]


TUESDAY_14 = 4 * WEEK + MONDAY + 24 + 14  # behind four weeks


@pytest.mark.parametrize(
    ("sizes", "learned", "days", "expected"),
    [
        (weekly, 28, 35, []),
        (also(weekly, TUESDAY_14), 28, 35, ["medium"]),
        (also(weekly, 4 * WEEK + SUNDAY_2 + 1), 28, 35, []),  # put off by an hour
        (also(wandering, TUESDAY_14), 28, 35, []),  # who keeps no hours has no rule
        (also(nightly, WEEK + MONDAY + 38), 7, 14, ["low"]),  # one week: the days like it tell
        (also(weekly, WEEK + MONDAY + 38), 7, 14, []),  # seen once: nothing is known
    ],
)
def test_much_at_another_hour_of_the_week(
    tmp_path: Path, sizes: Sizes, learned: int, days: int, expected: list[str]
) -> None:
    """A load as ever at an hour at which it never was is told, as sure as that is known."""
    assert [one.level for one in told(plant(tmp_path, sizes, learned, days))] == expected


def test_it_is_told_what_was_learned(tmp_path: Path) -> None:
    """The hour is called as the clocks of the site show it, with the weeks in which it was seen."""
    (one,) = told(plant(tmp_path, also(weekly, TUESDAY_14), 28, 35), "Europe/Paris")

    assert (one.name, one.client, one.server, one.times) == ("load-hour", HMI, PLC, 1)
    assert one.first_time == TUESDAY_14 * HOUR_NS
    assert f"{HMI} sent {PLC} 50 MB in the hour of 1970-02-03 14:00" in one.seen
    assert one.expected == "20 kB at most on Tuesdays around 15 o'clock (site time), in 4 weeks."


def test_more_than_ever_is_told_once(tmp_path: Path) -> None:
    """What is far more than any hour ever carried is not told by its hour as well."""
    sizes = also(lambda _: SMALL, TUESDAY_14)

    assert [one.name for one in told(plant(tmp_path, sizes, 28, 35))] == ["load-unusual"]


def test_what_a_person_approves_is_normal(tmp_path: Path) -> None:
    """Once approved with what came of it, it is told no more."""
    store = plant(tmp_path, also(weekly, TUESDAY_14), 28, 35)
    assert told(store)
    base = baseline(store)
    approve(store, base, [t for t in base.shown.things if t.key.kind == "week"], WORD, 0, end=False)

    assert not told(store)


def test_a_week_is_text(tmp_path: Path) -> None:
    """Its line is read back as it was."""
    lines = [one for one in kept.lines(plant(tmp_path, weekly, 28, 28)) if one.kind == "week"]
    text = "\n".join(written(lines))

    assert len(lines) == 1
    assert "\n".join(written(read(text, "baseline.txt")[0])) == text


def test_workdays_are_those_of_the_site() -> None:
    """Of one week the days alike tell: it is Saturday in Tokyo while it is Friday in London."""
    hours = np.arange(WEEK)
    sizes = np.where((hours >= 24 + 15) & (hours < 3 * 24 + 15), BIG, SMALL)  # the weekend there
    detail = weeks.learned(hours, sizes, hours)
    friday_20 = WEEK + 24 + 20

    for zone, most, when in (
        ("Asia/Tokyo", BIG, "at weekends around 5 o'clock (site time)"),
        ("UTC", BIG, "on workdays around 20 o'clock (site time)"),
        ("America/New_York", BIG, "on workdays around 15 o'clock (site time)"),
    ):
        known = weeks.usual([*detail[:WEEK], *[1] * WEEK], friday_20, ZoneInfo(zone))
        assert known is not None
        assert (known.most, known.when, known.exact) == (most, when, False)
    known = weeks.usual([*detail[:WEEK], *[1] * WEEK], WEEK + 20, ZoneInfo("Asia/Tokyo"))
    assert known is not None
    assert (known.most, known.when) == (SMALL, "on workdays around 5 o'clock (site time)")


def test_only_hours_that_were_listened_to_count() -> None:
    """An hour in which the tap was out for long is not seen."""
    spans = (
        (0, 3 * HOUR_NS),
        (3 * HOUR_NS + HOUR_NS // 2, 5 * HOUR_NS),
        (7 * HOUR_NS, 8 * HOUR_NS),
    )

    assert weeks.listened(Heard(spans), 0, 10).tolist() == [0, 1, 2, 4, 7]
    assert weeks.listened(Heard(), 0, 10).tolist() == []
