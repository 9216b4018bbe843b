"""When something is allowed: windows of a policy over columns of times."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from otsec.columns import I64, Mask
from otsec.nanoseconds import DAY_NS, MINUTE_NS, SECOND_NS
from otsec.policy.model import Rule, Window

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

STEP_NS = 15 * MINUTE_NS  # offsets of time zones change at quarters of an hour of UTC
MINUTES = 1_440
EPOCH = date(1970, 1, 1)  # a Thursday
THURSDAY = 3
# What time stamps of a capture can be and `datetime` too: to 9999, less a day for the offset.
LATEST = 253_402_214_400 * SECOND_NS


def local(times: I64, zone: "ZoneInfo") -> I64:
    """Times as the clocks of the site show them, ns since 1970 there."""
    steps, where = np.unique(np.clip(times, 0, (1 << 62)) // STEP_NS, return_inverse=True)
    offsets = np.array([_offset(int(step) * STEP_NS, zone) for step in steps], np.int64)
    return times + (offsets[where] if len(offsets) else 0)


def _offset(time: int, zone: "ZoneInfo") -> int:
    seconds = min(time, LATEST) // SECOND_NS
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds()) * SECOND_NS


def at(day: date, minute: int, zone: "ZoneInfo") -> int:
    """A time of the site in ns since 1970 UTC."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)
    return round(moment.timestamp()) * SECOND_NS


def inside(window: Window, times: I64, zone: "ZoneInfo") -> Mask:
    """Which times are in a window.

    One that ends on the next day belongs, with days and dates, to the day on which it begins.
    """
    shown = local(times, zone)
    day, minute = shown // DAY_NS, shown % DAY_NS // MINUTE_NS
    if window.start < window.end:
        within = (minute >= window.start) & (minute < window.end)
        begun = day
    else:
        late = minute >= window.start
        within = late | (minute < window.end)
        begun = np.where(late, day, day - 1)
    if window.days:
        within &= np.isin((begun + THURSDAY) % 7, list(window.days))
    if window.from_date is not None:
        within &= begun >= (window.from_date - EPOCH).days
    if window.to_date is not None:
        within &= begun <= (window.to_date - EPOCH).days
    return within


def until_end(window: Window, times: I64, zone: "ZoneInfo") -> I64:
    """How long the window lasts from times inside it, in ns; clock changes are left out."""
    passed = local(times, zone) % DAY_NS
    end = window.end * MINUTE_NS
    return np.where(passed < end, end - passed, end + DAY_NS - passed)


def holds(rule: Rule, times: I64, zone: "ZoneInfo") -> Mask:
    """At which times a rule is in force."""
    held = np.ones(len(times), bool)
    if rule.window is not None:
        within = inside(rule.window, times, zone)
        held &= ~within if rule.kind == "never" else within
    if rule.begins is not None:
        held &= times >= rule.begins
    if rule.ends is not None:
        held &= times < rule.ends
    return held


def lasts(rule: Rule, first: I64, last: I64, zone: "ZoneInfo") -> Mask:
    """Whether a rule that holds at both ends holds all the time between them."""
    kept = np.ones(len(first), bool)
    if rule.window is not None and rule.kind != "never":
        kept &= last - first < until_end(rule.window, first, zone)
    return kept


def told(window: Window) -> str:
    """`change-night (tue, thu 22:00-02:00)`."""
    days = ", ".join(DAYS[day] for day in sorted(window.days))
    dates = " to ".join(str(day) for day in (window.from_date, window.to_date) if day)
    hours = f"{_clock(window.start)}-{_clock(window.end)}"
    return f"{window.name} ({' '.join(part for part in (dates, days, hours) if part)})"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


DAYS: Sequence[str] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
