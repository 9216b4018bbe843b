"""What a path carries in each hour of the week: how it is learned, and what is too much.

A backup on Sunday night is normal on Sunday night. How sure that is depends on how many weeks were
seen: of an hour that was seen in several its own weeks tell; of one that was seen once only the
same hour of the other days like it can, workdays or weekend. The hours beside it count as well, for
nothing begins to the minute, and clocks are put forward in spring. Whose own weeks differ so much
that one of them would have been told by the others keeps no hours, and has no rule.

Hours are kept by UTC, so that a text means the same wherever it is read; which days are alike, and
how an hour is called, the clocks of the site tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from otsec.baseline.spans import Heard
from otsec.columns import I64
from otsec.nanoseconds import HOUR_NS

WEEK_HOURS, DAY_HOURS = 168, 24
THURSDAY = 3  # on which 1970 began
WEEKS = 4  # as far back as it is learned from
WHOLE = 0.9  # of an hour that was listened to, to count as seen
SEVERAL = 2  # weeks of one hour, or days of one sort, from which on there is a rule
BESIDE = (-1, 0, 1)
SATURDAY = 5
TIMES, MORE = 10, 1_000_000  # so many times what is usual, and so many bytes more
OCCASION = 8  # hours around one that are the same event
TRIED = 32  # busiest hours of a path by which it is told whether it keeps hours
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Usual:
    """What is known of an hour of the week."""

    most: int  # bytes
    times: int  # weeks in which it was seen, or days of its sort
    when: str  # `on Sundays at 2 o'clock`
    exact: bool  # whether it was seen in several weeks


def listened(heard: Heard, first: int, stop: int) -> I64:
    """The hours from one on and before another in which somebody listened nearly all the time."""
    hours = np.arange(first, stop, dtype=np.int64)
    if not heard.spans or not len(hours):
        return hours[:0]
    begin, end = np.array(heard.spans, np.int64).T
    before = np.cumsum(end - begin) - (end - begin)
    edges = np.arange(first, stop + 1, dtype=np.int64) * HOUR_NS
    at = np.maximum(np.searchsorted(begin, edges, side="right") - 1, 0)
    upto = before[at] + np.clip(edges - begin[at], 0, (end - begin)[at])
    return np.asarray(hours[np.diff(upto) >= WHOLE * HOUR_NS], np.int64)


def learned(hour: I64, size: I64, seen: I64) -> list[int]:
    """The most bytes of each hour of the week, then in how many weeks each was seen; 0: no rule.

    ``seen``: all hours in which the path would have been seen, also those in which it was silent.
    """
    whole = _counted(hour, size, seen)
    busiest = np.argsort(-size, kind="stable")[:TRIED]
    busiest = busiest[size[busiest] > max(MORE, TIMES * min(whole[:WEEK_HOURS]))]
    if any(_odd_one(int(hour[at]), int(size[at]), (hour, size, seen)) for at in busiest):
        return [*whole[:WEEK_HOURS], *([0] * WEEK_HOURS)]
    return whole


def _counted(hour: I64, size: I64, seen: I64) -> list[int]:
    most = np.zeros(WEEK_HOURS, np.int64)
    np.maximum.at(most, _slots(hour), size)
    weeks = np.bincount(_slots(seen), minlength=WEEK_HOURS)
    return [*most.tolist(), *weeks.tolist()]


def _odd_one(hour: int, size: int, columns: tuple[I64, I64, I64]) -> bool:
    """Whether an hour would be told, had it been seen behind all others."""
    hours, sizes, seen = columns
    others = np.abs(hours - hour) >= OCCASION
    rest = _counted(hours[others], sizes[others], seen[np.abs(seen - hour) >= OCCASION])
    known = usual(rest, hour, UTC, several=1)
    return known is None or far_more(size, known)


def _slots(hour: I64) -> I64:
    """The hours of the week, from Monday on; ``hour``: since 1970."""
    found: I64 = (hour + THURSDAY * DAY_HOURS) % WEEK_HOURS
    return found


def far_more(size: int, known: Usual) -> bool:
    """Whether an hour carries far more than is known of it."""
    return size > max(TIMES * known.most, known.most + MORE)


def usual(detail: Sequence[int], hour: int, zone: tzinfo, several: int = SEVERAL) -> Usual | None:
    """What is known of an hour since 1970; None: it was seen too seldom to know anything."""
    most, weeks = detail[:WEEK_HOURS], detail[WEEK_HOURS:]
    at = (hour + THURSDAY * DAY_HOURS) % WEEK_HOURS
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    ahead = round((moment.astimezone(zone).utcoffset() or timedelta()) / timedelta(hours=1))
    day, clock = divmod((at + ahead) % WEEK_HOURS, DAY_HOURS)
    if weeks[at] >= several:
        when = f"on {DAYS[day]}s around {clock} o'clock (site time)"
        return Usual(_around(most, [at]), weeks[at], when, exact=True)
    days = [one for one in range(len(DAYS)) if (one < SATURDAY) == (day < SATURDAY)]
    alike = [(one * DAY_HOURS + clock - ahead) % WEEK_HOURS for one in days]
    alike = [one for one in alike if weeks[one] > 0]
    if len(alike) < several:
        return None
    when = (
        f"{'on workdays' if day < SATURDAY else 'at weekends'} around {clock} o'clock (site time)"
    )
    return Usual(_around(most, alike), len(alike), when, exact=False)


def _around(most: Sequence[int], slots: Sequence[int]) -> int:
    """The most of some hours of the week and those beside them."""
    return max(most[(at + beside) % WEEK_HOURS] for at in slots for beside in BESIDE)
