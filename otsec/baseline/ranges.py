"""Which numbered objects are covered by those that are known, and how far a value is off."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from otsec.baseline.model import CHANGING, Key
from otsec.store.filters import Span, span

Where: TypeAlias = tuple[
    str, ...
]  # site, group, place, client, server, protocol, device, sort, space
MARGIN = 0.1  # of the width of a range: so far outside a value still counts as within


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


def outside(low: float, high: float, least: float, greatest: float) -> bool:
    """Whether values from low to high leave a known range by more than a margin."""
    margin = MARGIN * (greatest - least)
    return low < least - margin or high > greatest + margin
