"""Which numbered objects are covered by those that are known, and how far a value is off."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from otsec.baseline.model import CHANGING, Key
from otsec.store.baseline import Line
from otsec.store.filters import Span, span

Where: TypeAlias = tuple[
    str, ...
]  # site, group, place, client, server, protocol, device, sort, space
MARGIN = 0.1  # of the width of a range: so far outside a value still counts as within
STEP = 0.01  # of a value that was always the same: the least by which people turn it
RARE = 0.001  # of all writes may be told although they are as the others
MOST = 0.5  # of the greatest value: people turn a setpoint by less
LEAST_LOOKS = 2  # one tells nothing of how values are spread
SAID = 0  # looks at what a person said
LOOK_NS = 3_600 * 10**9


def where(key: Key, space: str) -> Where:
    """What shares covered ranges: reads and changes are apart."""
    sort = "change" if key.cls in CHANGING else "read"
    return (*key[1:6], key.protocol, key.device, sort, space)


def covered(keys: Iterable[Key]) -> Mapping[Where, list[Span]]:
    """The ranges of numbered objects, joined where they touch, in order."""
    found: dict[Where, list[Span]] = defaultdict(list)
    for key in keys:
        told = span(key.object)
        if key.kind == "object" and told is not None:
            found[where(key, told.space)].append(told)
    return {at: _joined(spans) for at, spans in found.items()}


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for one in sorted(spans, key=lambda one: (one.first, one.last)):
        if joined and one.first <= joined[-1].last + 1:
            last = max(joined[-1].last, one.last)
            joined[-1] = Span(one.space, joined[-1].first, last)
        else:
            joined.append(one)
    return joined


def inside(key: Key, ranges: Mapping[Where, list[Span]]) -> bool:
    """Whether all elements of an object are within what is covered."""
    told = span(key.object)
    if told is None:
        return False
    mine = ranges.get(where(key, told.space), ())
    return any(one.first <= told.first and told.last <= one.last for one in mine)


class Known(NamedTuple):
    """A range of values that is known, and by how many looks at it."""

    least: float
    greatest: float
    looks: int  # SAID: a person said so

    @classmethod
    def of(cls, line: Line) -> "Known":
        """The range of a line of the baseline."""
        least, greatest, _ = json.loads(line.detail)
        seen = looks(line.times, line.first_time, line.last_time) if line.how == "learned" else SAID
        return cls(least, greatest, seen)

    @property
    def margin(self) -> float:
        """How far outside a value may lie that is drawn as those were, but once in a thousand.

        Of n values drawn evenly the next one lies beyond either end by more than m widths with
        probability 2 / (n + 1) / (1 + m)^(n - 1). So few values promise little of the next; but
        half as much again as the greatest is told however few there were. After many a tenth of
        the width is what counts as rounding and trim.
        """
        n, width = self.looks, self.greatest - self.least
        usual = MARGIN * width
        if n == SAID:
            return usual
        size = max(abs(self.least), abs(self.greatest))
        most = max(usual, MOST * size)
        if n < LEAST_LOOKS:
            return most
        spread: float = max(2 / ((n + 1) * RARE), 1.0) ** (1 / (n - 1)) - 1
        return min(max(usual, spread * max(width, STEP * size)), most)


def outside(low: float, high: float, known: Known) -> bool:
    """Whether values from low to high leave a known range by more than its margin."""
    margin = known.margin
    return low < known.least - margin or high > known.greatest + margin


def looks(times: int, first: int, last: int) -> int:
    """How many independent looks so many writes between two times (ns) are.

    A program writes the same value again and again: that is one decision, not many.
    """
    return min(times, 1 + (last - first) // LOOK_NS)
