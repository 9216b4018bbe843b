"""Until when what people decided holds: a moment as text, in an order that SQL has as well.

The end of an acceptance stands in the act, and whether it is over is asked of the machine's clock
whenever the finding is shown: nothing is written when the moment comes.
"""

import time
from datetime import UTC, datetime, timedelta

from otsec.nanoseconds import SECOND_NS

NOW = "CLOCK_NOW()"  # in SQL, on every connection to a store
_START = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = "%Y-%m-%dT%H:%M:%SZ"
LAST = 253_402_300_799 * SECOND_NS  # the end of the year 9999


def end_text(at: int) -> str:
    """A moment, ns since 1970 UTC; 0, and what is beyond all calendars, is no end at all."""
    whole = timedelta(seconds=at // SECOND_NS)
    return (_START + whole).strftime(_FORM) if 0 < at <= LAST else ""


def end_of(text: str) -> int:
    """The moment, ns since 1970 UTC; 0 where there is no end."""
    try:
        when = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError:  # none was said, or a row was made past otsec
        return 0
    return int(when.timestamp()) * SECOND_NS


def now_text() -> str:
    """What the clock of the machine shows."""
    return end_text(time.time_ns())


def is_over(text: str, now: str) -> bool:
    """Whether an end has come."""
    return "" < text <= now
