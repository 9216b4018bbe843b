"""Periods in words: a year, quarter, month, week or day of the site, or from one time to another."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from otsec.differences import Period
from otsec.errors import UsageError
from otsec.nanoseconds import SECOND_NS

FORMS = "2026, 2026-Q1, 2026-01, 2026-W05, 2026-01-31, 30d, or 2026-01-01..2026-01-15"
_SHAPES: tuple[tuple[str, Callable[[re.Match[str]], tuple[date, date]]], ...] = (
    (r"(\d{4})", lambda found: (date(int(found[1]), 1, 1), date(int(found[1]) + 1, 1, 1))),
    (r"(\d{4})-Q([1-4])", lambda found: _months(int(found[1]), 3 * int(found[2]) - 2, 3)),
    (r"(\d{4})-(\d{2})", lambda found: _months(int(found[1]), int(found[2]), 1)),
    (r"(\d{4})-W(\d{2})", lambda found: _days(date.fromisocalendar(int(found[1]), int(found[2]), 1), 7)),
    (r"(\d{4})-(\d{2})-(\d{2})", lambda found: _days(date(*map(int, found.groups())), 1)),
)  # fmt: skip


def period(text: str, zone: ZoneInfo, newest: int) -> Period:
    """The period of a text; days are the site's. ``newest``: ns, from which days count back.

    Raises UsageError where the text names none.
    """
    word = text.strip()
    if back := re.fullmatch(r"([1-9]\d{0,3})d", word):
        return Period(newest - int(back[1]) * 86_400 * SECOND_NS + 1, newest)
    begin, dots, end = word.partition("..")
    try:
        first = _span(begin)
        last = _span(end) if dots else first
        found = Period(start_of(first[0], zone), start_of(last[1], zone) - 1)
    except (ValueError, OverflowError):
        raise UsageError(f"period {text!a}: write {FORMS}") from None
    if found.begin > found.end:
        raise UsageError(f"period {text!a}: it ends before it begins")
    return found


def _span(text: str) -> tuple[date, date]:
    """First day, and the day behind the last."""
    for shape, days in _SHAPES:
        if found := re.fullmatch(shape, text):
            return days(found)
    raise ValueError(text)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    behind = month + count - 1
    return date(year, month, 1), date(year + behind // 12, behind % 12 + 1, 1)


def _days(first: date, count: int) -> tuple[date, date]:
    return first, first + timedelta(days=count)


def start_of(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day, ns."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND_NS
