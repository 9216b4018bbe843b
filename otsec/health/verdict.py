"""What a check says: a verdict with its figure, the packets that show it, and what to do."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a verdict is; the worst is the least, so that sorting puts it first."""

    BAD = 0  # something that the capture should show cannot be told from it
    WARN = 1  # what is told has a hole, or the capture costs more than it need
    UNKNOWN = 2  # nothing in the capture to judge it by
    GOOD = 3


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that shows it: its ordinal within the verdict's source, and its time in ns."""

    ordinal: int
    time: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing judged of one source."""

    check: str  # name of the check
    severity: Severity
    figure: str  # what was seen, with its numbers, as a sentence
    evidence: tuple[Packet, ...] = ()
    cause: str = ""  # what it probably comes from
    advice: str = ""  # what to change
    share: float = 0.0  # 0 to 1, how much of the source it concerns: orders equal severities


def percent(part: int, whole: int) -> str:
    """A share for people; never 0 % or 100 % where it is not exactly so."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %" if share < 10 or 99 < share < 100 else f"{share:.0f} %"


def number(count: int) -> str:
    """A count for people."""
    return f"{count:,}".replace(",", " ")


def counted(count: int, one: str, many: str = "") -> str:
    """``1 packet``, ``2 packets``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def duration(ns: int) -> str:
    """A length of time in words, in its greatest unit."""
    seconds = abs(ns) // 1_000_000_000
    size, unit = next((span for span in _SPANS if seconds >= span[0]), _SPANS[-1])
    return counted(seconds // size, unit)
