"""When a point group was listened to: the spans of its sources, gaps left out."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from otsec.baseline.model import Scope
from otsec.nanoseconds import SECOND_NS
from otsec.store import Store
from otsec.store.baseline import Watched, watched

DROPS = "drops"  # the capture lost packets in between; other gaps are steps of the clock


@dataclass(frozen=True, slots=True)
class Heard:
    """When one point group was listened to."""

    spans: tuple[tuple[int, int], ...] = ()  # ns, in order, apart from each other
    blind: tuple[tuple[int, int], ...] = ()  # in which packets are missing

    @property
    def end(self) -> int:
        """When it was last listened to, ns; 0: never."""
        return self.spans[-1][1] if self.spans else 0

    @property
    def begin(self) -> int:
        """When it was first listened to, ns; 0: never."""
        return self.spans[0][0] if self.spans else 0

    @property
    def seconds(self) -> float:
        """How long it was listened to."""
        return self.between(self.begin, self.end) / SECOND_NS

    def between(self, begin: int, end: int) -> int:
        """How long it was listened to between two times, ns."""
        if not self.spans:
            return 0
        at = max(bisect_right(self.spans, (begin, 1 << 63)) - 1, 0)
        total = 0
        for one in self.spans[at:]:
            if one[0] > end:
                break
            total += max(min(one[1], end) - max(one[0], begin), 0)
        return total

    def in_gap(self, begin: int, end: int) -> bool:
        """Whether all between two times lies in one gap."""
        return any(gap[0] <= begin and end <= gap[1] for gap in self.blind)


@dataclass(frozen=True, slots=True)
class Spans:
    """The same of all point groups."""

    groups: Mapping[Scope, Heard] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> Self:
        """As the sources of a store listened."""
        listened: dict[Scope, list[Watched]] = defaultdict(list)
        for one in watched(store):
            listened[Scope(one.site, one.group)].append(one)
        return cls({scope: _heard(some) for scope, some in listened.items()})

    def of_group(self, network: Scope) -> Heard:
        """When a point group was listened to."""
        return self.groups.get(network, Heard())


def _heard(some: Iterable[Watched]) -> Heard:
    spans, blind = [], []
    for one in some:
        gaps = sorted((begin, end, kind) for kind, begin, end in one.gaps if end > begin)
        blind += [(begin, end) for begin, end, kind in gaps if kind == DROPS]
        at = one.first_time
        for begin, end, _ in gaps:
            if begin > at:
                spans.append((at, begin))
            at = max(at, end)
        if one.last_time > at or not gaps:
            spans.append((at, max(one.last_time, at)))
    return Heard(_union(spans), tuple(sorted(blind)))


def _union(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)
