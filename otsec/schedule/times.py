"""When a schedule is due, and the period that a due time covers; all in the site's zone.

cronsim knows cron and summer time: what is due at 02:30 on the day on which that time does not
exist is due at 03:00, and on the day on which it exists twice it is due once.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from otsec.differences import Period
from otsec.errors import UsageError
from otsec.nanoseconds import SECOND_NS
from otsec.reports.period import start_of

DEFAULT_TIME = "06:00"
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
FORMS = (
    "`daily 06:00`, `every weekday 06:00`, `every monday 07:00`, `weekly`, `monthly`, "
    "`monthly 15 06:00`, `monthly last`, `quarterly`, `yearly`, `hourly`, or five fields of cron"
)
SPANS = ("hour", "day", "week", "month", "quarter", "year", "since", "all")
_TIME = r"(?: (?:at )?(\d{1,2}):(\d{2}))?"
_DAY = rf"({'|'.join(DAYS)})"
# words: what the fields of cron behind minute and hour are, and the period that is covered
_WORDS: tuple[tuple[str, str, str], ...] = (
    (rf"(?:daily|every day){_TIME}", "* * *", "day"),
    (rf"every weekday{_TIME}", "* * 1-5", "since"),
    (rf"(?:weekly|every week){_TIME}", "* * 1", "week"),
    (rf"(?:weekly|every|every week on) {_DAY}{_TIME}", "* * {day}", "week"),
    (rf"(?:monthly|every month){_TIME}", "1 * *", "month"),
    (rf"(?:monthly|every month)(?: on)? (?P<of>\d{{1,2}}){_TIME}", "{of} * *", "month"),
    (rf"(?:monthly|every month)(?: on)? last{_TIME}", "L * *", "since"),  # closes the month
    (rf"(?:quarterly|every quarter){_TIME}", "1 1,4,7,10 *", "quarter"),
    (rf"(?:yearly|every year){_TIME}", "1 1 *", "year"),
)


def cron_of(words: str) -> tuple[str, str]:
    """The five fields of cron of a person's words, and the period that suits them.

    Raises UsageError where they mean no time.
    """
    text = " ".join(words.lower().split())
    if text in {"hourly", "every hour"}:
        return "0 * * * *", "hour"
    for shape, fields, span in _WORDS:
        if found := re.fullmatch(shape, text):
            return _cron(words, found, fields), span
    if len(text.split()) != 5:
        raise UsageError(f"schedule {words!a}: no such time; write {FORMS}")
    return _checked(words, text.upper()), "since"


def _cron(words: str, found: re.Match[str], fields: str) -> str:
    groups = found.groupdict()
    texts = [text for text in found.groups() if text]
    clock = [int(text) for text in texts[-2:]] if len(texts) > 1 and texts[-1].isdecimal() else []
    hour, minute = clock or map(int, DEFAULT_TIME.split(":"))
    of = groups.get("of")
    if of and not 1 <= int(of) <= 28:
        raise UsageError(f"schedule {words!a}: not every month has a day {of}; say `monthly last`")
    day = next((str(DAYS.index(text)) for text in texts if text in DAYS), "")
    return _checked(words, f"{minute} {hour} {fields.format(day=day, of=int(of or 1))}")


def _checked(words: str, cron: str) -> str:
    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration, OverflowError) as error:
        detail = str(error) or "is never due"
        raise UsageError(f"schedule {words!a}: {detail}; write {FORMS}") from None
    return cron


def dues(cron: str, zone: ZoneInfo, after: int, until: int) -> Iterator[int]:
    """Due times behind ``after`` and up to ``until``, ns since 1970 UTC, the earliest first."""
    for due in _from(cron, zone, after):
        if due > until:
            return
        yield due


def next_dues(cron: str, zone: ZoneInfo, after: int, count: int) -> list[int]:
    """The next due times."""
    return list(islice(_from(cron, zone, after), count))


def _from(cron: str, zone: ZoneInfo, after: int) -> Iterator[int]:
    start = datetime.fromtimestamp(after // SECOND_NS, zone)
    before = after
    for moment in CronSim(cron, start):
        due = int(moment.timestamp()) * SECOND_NS
        if due > before:  # an hour that comes twice may give one moment twice
            before = due
            yield due


def latest_dues(cron: str, zone: ZoneInfo, after: int, until: int, most: int) -> list[int]:
    """The newest due times behind ``after`` and up to ``until``, at most so many, oldest first.

    Counted back from the end: after a clock that jumped by years only the last ones are wanted.
    """
    start = datetime.fromtimestamp(until // SECOND_NS + 1, zone)
    found: list[int] = []
    for moment in CronSim(cron, start, reverse=True):
        due = int(moment.timestamp()) * SECOND_NS
        if due <= after or len(found) >= most:
            break
        if due <= until and (not found or due < found[-1]):
            found.append(due)
    return found[::-1]


# ---------------------------------------------------------------------------------- periods


def covered(span: str, due: int, previous: int, zone: ZoneInfo) -> tuple[Period | None, str]:
    """The period that a report of this due time covers, and its name; None: all there is.

    It follows the due time alone: a monthly report that is three days late tells of the same
    month. ``previous``: the due time before, ns.
    """
    if span == "all":
        return None, ""
    if span in {"since", "hour"}:
        begin = previous if span == "since" else due - 3600 * SECOND_NS
        return Period(begin, due - 1), f"{_moment(begin, zone)}..{_moment(due, zone)}"
    first, behind, name = _calendar(span, datetime.fromtimestamp(due // SECOND_NS, zone).date())
    return Period(start_of(first, zone), start_of(behind, zone) - 1), name


def _calendar(span: str, today: date) -> tuple[date, date, str]:
    """The last whole day, week, month, quarter or year before a day: first, day behind, name."""
    if span == "day":
        first = today - timedelta(days=1)
        return first, today, first.isoformat()
    if span == "week":
        behind = today - timedelta(days=today.weekday())
        first = behind - timedelta(days=7)
        year, week, _ = first.isocalendar()
        return first, behind, f"{year}-W{week:02}"
    months = {"month": 1, "quarter": 3, "year": 12}[span]
    behind = today.replace(month=(today.month - 1) // months * months + 1, day=1)
    year, month = divmod(behind.year * 12 + behind.month - 1 - months, 12)
    first = date(year, month + 1, 1)
    names = {
        "month": f"{first.year}-{first.month:02}",
        "quarter": f"{first.year}-Q{(first.month + 2) // 3}",
        "year": f"{first.year}",
    }
    return first, behind, names[span]


def _moment(ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ns // SECOND_NS, zone).isoformat(timespec="minutes")
