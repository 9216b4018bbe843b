"""Rows that make a finding only together: many, of many values, or in an order.

Time is judged in ticks of steady time: a window is so many ticks, whatever their borders. Where the
clock was set back, time goes on from where it was; where it ran ahead by days, or nothing could be
heard, nobody knows how long that was, and no window reaches across. An order is never judged across
any gap. The store keeps the
first events of each behaviour and hour one by one and counts the rest, so a count is at least what
is told here, never less than it says.
"""

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeAlias

from otsec.detect.model import Correlation
from otsec.detect.rows import Judged
from otsec.model import TICK_NS
from otsec.nanoseconds import HOUR_NS, SECOND_NS
from otsec.store.judged import Break, Occurrence, Seen

DROPS = "drops"
SET_BACK = "clock_back"

Events: TypeAlias = Mapping[tuple[int, int], Sequence[Occurrence]]  # by source and behaviour


class Point(NamedTuple):
    """One or several occurrences of a row at one tick."""

    segment: int  # between breaks
    tick: int  # of steady time
    packet: int
    time: int
    times: int
    which: int  # position of the selection that chose the row
    row: Judged


@dataclass(frozen=True, slots=True)
class Together:
    """What a correlation found in one group of rows."""

    points: tuple[Point, ...]  # those within windows that hold, in order
    number: int  # the most in one window


class Breaks:
    """Where each source is broken."""

    def __init__(self, breaks: Iterable[Break]) -> None:
        self.steps: dict[int, list[int]] = defaultdict(list)
        self.gaps: dict[int, list[int]] = defaultdict(list)
        self.backs: dict[int, list[int]] = defaultdict(list)
        self.lost: dict[int, list[int]] = defaultdict(lambda: [0])  # ns up to each step back
        for one in sorted(breaks, key=lambda one: (one.source, one.packet)):
            self.gaps[one.source].append(one.packet)
            if one.kind == SET_BACK:
                self.backs[one.source].append(one.packet)
                lost = self.lost[one.source]
                lost.append(lost[-1] + one.begin_time - one.end_time)
            elif one.kind != DROPS:
                self.steps[one.source].append(one.packet)

    def segment(self, source: int, packet: int, *, order: bool) -> int:
        """Number of the stretch in which a packet lies; ``order``: any gap ends one."""
        return bisect_right((self.gaps if order else self.steps)[source], packet)

    def steady(self, source: int, time: int, packet: int) -> int:
        """The time of a packet as if the clock had never been set back, ns."""
        return time + self.lost[source][bisect_right(self.backs[source], packet)]

    def span(self, source: int, seen: Seen) -> int:
        """Steady time from the first to the last packet of a row, ns."""
        begin = self.steady(source, seen.first_time, seen.first_packet)
        return self.steady(source, seen.last_time, seen.last_packet) - begin


def together(
    correlation: Correlation,
    chosen: Sequence[tuple[int, Judged]],
    events: Events,
    breaks: Breaks,
) -> Together | None:
    """What the rows of one group make; None where they make nothing."""
    order = correlation.kind == "temporal_ordered"
    points = sorted(
        point
        for which, row in chosen
        for point in _points(correlation, which, row, events, breaks, order=order)
    )
    span = max(-(-correlation.timespan_s * SECOND_NS // TICK_NS), 1)
    if order:
        return _ordered(correlation, points, span)
    return _windows(correlation, points, span)


def _points(
    correlation: Correlation,
    which: int,
    row: Judged,
    events: Events,
    breaks: Breaks,
    *,
    order: bool,
) -> Iterator["_Sorted"]:
    seen, source = row.seen, row.source.number
    kept = events.get((source, seen.number), ()) if row.category.name == "operation" else ()
    places: list[tuple[int, int, int]]
    if correlation.kind == "value_count":
        places = [(seen.first_time, seen.first_packet, 1)]
    elif kept:
        places = [(one.time, one.packet, _weight(one, row, correlation)) for one in kept]
    elif correlation.kind == "event_count":
        count = _least(seen.times, breaks.span(source, seen), correlation)
        places = [(seen.first_time, seen.first_packet, count)]
    else:
        places = [(seen.first_time, seen.first_packet, 1), (seen.last_time, seen.last_packet, 1)]
    for time, packet, count in places:
        segment = breaks.segment(source, packet, order=order)
        tick = breaks.steady(source, time, packet) // TICK_NS
        yield _Sorted((segment, tick, packet, time, count, which, row))


class _Sorted(Point):
    """A point that sorts by where it stands; rows have no order."""

    __slots__ = ()

    def __new__(cls, cells: tuple[Any, ...]) -> Self:
        return tuple.__new__(cls, cells)

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return self[:6] < other[:6]


def _weight(event: Occurrence, row: Judged, correlation: Correlation) -> int:
    """Of events that were only counted, at least how many lie in one window."""
    if not event.capped:
        return event.times
    end = (event.time // HOUR_NS + 1) * HOUR_NS
    if (
        row.seen.last_time >= event.time
    ):  # else the clock was set back, and they may be of all of it
        end = min(end, row.seen.last_time)
    return _least(event.times, end - event.time, correlation)


def _least(count: int, span_ns: int, correlation: Correlation) -> int:
    """The most that surely lie in one window, of ``count`` spread anyhow over a span."""
    windows = max(-(-(span_ns + 1) // (correlation.timespan_s * SECOND_NS)), 1)
    return -(-count // windows)


def _windows(correlation: Correlation, points: Sequence[Point], span: int) -> Together | None:
    """A window slides over the points of each segment."""
    window: deque[Point] = deque()
    held: dict[int, Point] = {}  # by position
    inside: Counter[Any] = Counter()
    total, most, begin = 0, 0, 0
    needed = len(set(correlation.order)) if correlation.order else 0
    for at, point in enumerate(points):
        while window and (
            window[0].segment != point.segment or window[0].tick <= point.tick - span
        ):
            gone = window.popleft()
            begin += 1
            total -= gone.times
            _leave(inside, _counted(correlation, gone))
        window.append(point)
        total += point.times
        inside[_counted(correlation, point)] += 1
        number = total if correlation.kind == "event_count" else len(inside)
        holds = number >= needed if correlation.kind == "temporal" else correlation.holds(number)
        if holds:
            most = max(most, number)
            first = max(begin, max(held, default=-1) + 1)
            held.update((n, points[n]) for n in range(min(first, at), at + 1))
    return Together(tuple(held.values()), most) if held else None


def _counted(correlation: Correlation, point: Point) -> Any:
    if correlation.kind == "value_count":
        return point.row.cell(correlation.counted)
    return point.which


def _leave(inside: Counter[Any], value: Any) -> None:
    inside[value] -= 1
    if not inside[value]:
        del inside[value]


def _ordered(correlation: Correlation, points: Sequence[Point], span: int) -> Together | None:
    """The latest chain that each point can end, in the order of the rules."""
    chains: list[tuple[Point, ...]] = [()] * len(correlation.order)
    earlier, packet = chains, -1  # as they were in front of the packet at hand
    found: dict[tuple[int, int], Point] = {}  # by packet and selection
    number = 0
    for point in points:
        if point.packet != packet:
            earlier, packet = list(chains), point.packet
        for step, wanted in enumerate(correlation.order):
            before = earlier[step - 1] if step else ()
            if wanted != point.which or (step and not _follows(before, point, span)):
                continue
            chains[step] = (*before, point)
            if step == len(correlation.order) - 1:
                number += 1
                found.update({(one.packet, one.which): one for one in chains[step]})
    return Together(tuple(found.values()), number) if found else None


def _follows(before: tuple[Point, ...], point: Point, span: int) -> bool:
    if not before:
        return False
    first, last = before[0], before[-1]
    near = first.segment == point.segment and first.tick > point.tick - span
    return near and last.packet < point.packet
