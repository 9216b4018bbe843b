"""Time as it is learned: cycles, response times, loads, and when and how often something is changed.

How fast a client asks, how fast a device answers, how much a path carries and how often a client
changes a device in an hour, and at which hours of the day it changes something.

All of it is read from what the store keeps by the hour. What is told of a whole is the median over
its hours, so that an hour in which something was wrong moves little.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from math import exp, log
from typing import NamedTuple, TypeAlias

import numpy as np

from otsec.baseline import weeks
from otsec.baseline.model import Key, Scope, Sight, Thing
from otsec.baseline.spans import Spans
from otsec.baseline.spread import EDGES, Spreads, centre, limit, near, quantile
from otsec.columns import I64
from otsec.nanoseconds import HOUR_NS
from otsec.store import Store
from otsec.store.queries import is_device
from otsec.store.timing import Rhythm, listened, newest_hour, rhythms, volumes

CALLING = frozenset({"arp"})  # who looks for others has no rhythm of his own
DAY_HOURS = 24
LEARNED_DAYS = 14  # as far back as it is learned from: what was long ago is no longer so
LEAST_HOURS = 12  # in which something was measured, to have a rule
LEAST_MEASURED = 100
DAYS = 3  # from which on days are compared
LEAST_SPREAD = 0.05  # of hourly medians: buckets are no finer
CYCLIC = 0.5  # more spread than this is no cycle
NEAR, REGULAR = log(1.3), 0.7  # of a cycle, so much of it lies so near to its median
LEAST = 0.001  # quantile: what is faster is as fast as it gets
LATE, MISSED = log(1.3), log(1.5)  # cycles: late is no less; nearer to two than to one is missed
ASKED = log(10)  # cycles; what comes later still is no poll, but asked when it was wanted
ODD_HOURS = 2  # learned hours that may have missed more than the rest without being the rule
CHANGED_HOURS, CHANGED_DAYS = 20, 4  # in which something was changed, to have a rule
LEAST_BYTES = 10_000  # of the busiest hour: a path that carries less is not learned
LEAST_WEEKLY = 100_000  # the same, for its week to be learned

At = tuple[str, str, str]
Canonical = Callable[[At, str], str]


@dataclass(frozen=True)
class Hours:
    """What was measured of one thing, hour by hour, in order."""

    key: Key
    source: int
    point: str
    client: str  # as seen
    server: str
    hour: I64
    spreads: Spreads  # one an hour

    def among(self, rows: I64) -> "Hours":
        """Some of the hours."""
        return Hours(
            *(self.key, self.source, self.point, self.client, self.server),
            *(self.hour[rows], self.spreads.take(rows)),
        )


@dataclass(frozen=True)
class Timed:
    """All that was measured, from some hour on."""

    measured: Mapping[str, Sequence[Hours]]
    carried: Sequence["Carried"]

    @classmethod
    def of(cls, store: Store, canonical: "Canonical", back: int) -> "Timed":
        """The last hours of a store."""
        since = newest_hour(store) - back
        return cls(measured(store, canonical, since), carried(store, canonical, since))


class Carried(NamedTuple):
    """What a path carried, hour by hour."""

    key: Key
    source: int
    point: str
    sender: str
    receiver: str
    hour: I64
    bytes: I64

    def between(self, begin: int, stop: int) -> "Carried":
        """Only the hours from one on and before another."""
        rows = np.flatnonzero((self.hour >= begin) & (self.hour < stop))
        return self._replace(hour=self.hour[rows], bytes=self.bytes[rows])


def measured(store: Store, canonical: Canonical, since: int) -> dict[str, list[Hours]]:
    """All that was measured from an hour on, by kind; of what several saw, by who saw most."""
    points = {one.source: one for one in listened(store)}
    rows: dict[tuple[str, Key], dict[int, list[Rhythm]]] = defaultdict(lambda: defaultdict(list))
    for one in rhythms(store, since):
        if one.protocol in CALLING:
            continue
        here = points[one.source]
        at = (here.site, here.group, one.place)
        client, server = canonical(at, one.client), canonical(at, one.server)
        key = Key("response", *at, client, server, one.service, one.protocol, one.device)
        rows[one.kind, key][one.source].append(one)
    found: dict[str, list[Hours]] = defaultdict(list)
    for (kind, key), by_source in sorted(rows.items()):
        source = max(by_source, key=lambda number: (len(by_source[number]), -number))
        found[kind].append(_hours(key, source, points[source].point, by_source[source]))
    return found


def _hours(key: Key, source: int, point: str, rows: Sequence[Rhythm]) -> Hours:
    hours: dict[int, bytes] = {}
    for row in rows:  # addresses of one device may share an hour
        hours[row.hour] = hours.get(row.hour, b"") + row.buckets
    ordered = sorted(hours)
    spreads = _sorted(Spreads.of([hours[hour] for hour in ordered]))
    return Hours(key, source, point, rows[0].client, rows[0].server, np.array(ordered), spreads)


def _sorted(spreads: Spreads) -> Spreads:
    order = np.lexsort((spreads.bucket, spreads.owner))
    return Spreads(spreads.owner[order], spreads.bucket[order], spreads.count[order], spreads.total)


def carried(store: Store, canonical: Canonical, since: int) -> list[Carried]:
    """What each path carried from an hour on."""
    points = {one.source: one for one in listened(store)}
    rows: dict[Key, dict[int, array[int]]] = defaultdict(lambda: defaultdict(lambda: array("q")))
    names: dict[Key, tuple[str, str]] = {}
    for (source, place, sender, receiver), some in groupby(volumes(store, since), lambda o: o[:4]):
        if not is_device(sender):
            continue
        here = points[source]
        at = (here.site, here.group, place)
        key = Key("load", *at, canonical(at, sender), canonical(at, receiver))
        for one in some:
            rows[key][source].extend((one.hour, one.bytes))
        names.setdefault(key, (sender, receiver))
    found = []
    for key, by_source in sorted(rows.items()):
        source = max(by_source, key=lambda number: (sum(by_source[number][1::2]), -number))
        pairs = np.array(by_source[source], np.int64).reshape(-1, 2)
        hour, which = np.unique(pairs[:, 0], return_inverse=True)
        size = np.zeros(len(hour), np.int64)
        np.add.at(size, which, pairs[:, 1])
        found.append(Carried(key, source, points[source].point, *names[key], hour, size))
    return found


def changes(found: Iterable[Hours]) -> Mapping[Key, list[Hours]]:
    """The hours in which each client changed something, whatever it changed."""
    by_client: dict[Key, list[Hours]] = defaultdict(list)
    for one in found:
        if is_device(one.key.client):
            by_client[Key("hours", *one.key[1:4], one.key.client)].append(one)
    return by_client


def any_device(key: Key) -> Key:
    """How often a client changes any one device: for those that it changes too seldom to tell."""
    return Key("changes", *key[1:5])


# -------------------------------------------------------------------------------- learning


def things(
    store: Store,
    canonical: Canonical,
    scope: Callable[[At, str, str], Scope],
    spans: Spans,
    until: int | None,
) -> Iterator[Thing]:
    """What is learned of time; ``until``: ns, from whole hours before it alone."""
    newest = newest_hour(store)
    stop = newest + 1 if until is None else until // HOUR_NS
    found = measured(store, canonical, stop - LEARNED_DAYS * DAY_HOURS)
    loads = carried(store, canonical, stop - weeks.WEEKS * weeks.WEEK_HOURS)
    for key, one, detail, times in chain(
        _paces(found, stop), _loads(loads, spans, stop), _habits(found.get("changes", ()), stop)
    ):
        client, server = (
            (one.client, one.server) if isinstance(one, Hours) else (one.sender, one.receiver)
        )
        first, last = (int(one.hour[at]) * HOUR_NS for at in (0, -1))
        seen = Sight(times, one.source, one.point, first, 0, last, 0, ())
        where = scope(key[1:4], client, server if key.server else client)
        two = key.server and key.kind in {"response", "cycle", "changes"}
        parents = (Key("conversation", *key[1:8]),) if two else ()
        yield Thing(key, where, seen, parents, json.dumps(detail), client, server)


# Of whom, the hours it is learned from, what is learned, and how many sights that stands on.
_Learned: TypeAlias = tuple[Key, Hours | Carried, Sequence[object], int]


def _paces(found: Mapping[str, Sequence[Hours]], stop: int) -> Iterator[_Learned]:
    """How fast devices answer, and how often they are asked; from the hours before ``stop``."""
    missing = missed(found)
    for kind, make in (("response_us", _response), ("interval_us", _cycle)):
        for one in found.get(kind, ()):
            early = one.among(np.flatnonzero(one.hour < stop))
            times = int(early.spreads.total.sum())
            if len(early.hour) < LEAST_HOURS or times < LEAST_MEASURED:
                continue
            detail = make(early, missing.get(one.key, {}))
            if detail is not None:
                key = one.key._replace(kind="cycle") if kind == "interval_us" else one.key
                yield key, early, detail, times


def _loads(found: Iterable[Carried], spans: Spans, stop: int) -> Iterator[_Learned]:
    """How much is carried in an hour, and at which hours of the week."""
    for whole in found:
        path = whole.between(stop - LEARNED_DAYS * DAY_HOURS, stop)
        rows, sizes = len(path.hour), path.bytes
        if rows >= LEAST_HOURS and sizes.max() >= LEAST_BYTES:
            detail = [int(sizes.max()), int(np.median(sizes)), rows]
            yield path.key, path, detail, rows
        path = whole.between(0, stop)
        if len(path.hour) and path.bytes.max() >= LEAST_WEEKLY:
            heard = spans.of_group(Scope(*path.key[1:3]))
            seen = weeks.listened(heard, int(path.hour[0]), stop)
            detail = [*weeks.learned(path.hour, path.bytes, seen)]
            yield path.key._replace(kind="week"), path, detail, len(path.hour)


def _habits(found: Sequence[Hours], stop: int) -> Iterator[_Learned]:
    """How often each client changes each device, and at which hours of the day it changes any."""
    for one in found:
        early = one.among(np.flatnonzero(one.hour < stop))
        counts, days = early.spreads.total, np.unique(early.hour // DAY_HOURS)
        if len(days) >= CHANGED_DAYS:
            detail = [int(counts.max()), int(np.median(counts)), len(counts)]
            yield one.key._replace(kind="changes"), early, detail, int(counts.sum())
    for key, some in changes(found).items():
        cells = {int(hour) for one in some for hour in one.hour if hour < stop}
        if len(cells) < CHANGED_HOURS or len({cell // DAY_HOURS for cell in cells}) < CHANGED_DAYS:
            continue
        by_hour = np.bincount([cell % DAY_HOURS for cell in sorted(cells)], minlength=DAY_HOURS)
        first = min(some, key=lambda one: int(one.hour[0]))
        early = first.among(np.flatnonzero(first.hour < stop))
        yield key, early, by_hour.tolist(), len(cells)
        counts = np.concatenate([one.spreads.total[one.hour < stop] for one in some])
        detail = [int(counts.max()), int(np.median(counts)), len(counts)]
        yield any_device(key), early, detail, int(counts.sum())


def _response(one: Hours, missing: Mapping[int, tuple[int, int]]) -> list[object] | None:
    """Median, spread of hourly medians, least, limit, and how many of a million are missing."""
    middle, spread = _centre(one)
    counts = one.spreads.whole()
    asked = [missing[hour] for hour in one.hour.tolist() if hour in missing]
    lost, total = sum(lost for lost, _ in asked), sum(total for _, total in asked)
    return [
        *(round(exp(middle)), round(spread, 3), round(exp(quantile(counts, LEAST)))),
        *(round(exp(limit(counts))), round(1e6 * lost / total) if total else 0),
    ]


def _cycle(one: Hours, _: Mapping[int, tuple[int, int]]) -> list[object] | None:
    """Median, spread of hourly medians, limit, and how many of a million are missed in bad hours.

    None where there is no cycle. The bad hour is the worst but two: what a device misses in more of
    them, as one that is also asked something seldom does, is its rule.
    """
    middle, spread = _centre(one)
    counts = one.spreads.whole()
    if spread > CYCLIC or near(counts, middle, NEAR) < REGULAR:
        return None
    late = limit(np.where(EDGES[1:] <= middle + ASKED, counts, 0))
    gone = beyond(one.spreads, middle, MISSED) / one.spreads.total
    worst = float(np.sort(gone)[-1 - ODD_HOURS])
    return [
        *(round(exp(middle)), round(spread, 3)),
        *(round(exp(min(late, middle + ASKED))), round(1e6 * worst)),
    ]


def beyond(polls: Spreads, middle: float, apart: float) -> I64:
    """How many polls of each hour came later than by so much; of its pace, if that is slower."""
    due = np.maximum(polls.medians(), middle)
    return polls.above(due + apart) - polls.above(due + max(apart, ASKED))


def _centre(one: Hours) -> tuple[float, float]:
    """Median of hourly medians, and how far they spread: from hour to hour, or from day to day."""
    medians, days = one.spreads.medians(), one.hour // DAY_HOURS
    middle, spread = centre(medians, LEAST_SPREAD)
    daily = np.array([np.median(medians[days == day]) for day in np.unique(days)])
    return middle, max(spread, float(np.std(daily, ddof=1))) if len(daily) >= DAYS else spread


def missed(found: Mapping[str, Sequence[Hours]]) -> Mapping[Key, Mapping[int, tuple[int, int]]]:
    """Of each channel, by the hour: requests without an answer, and all of them.

    Requests are counted by the times between them, so the first of each sort is not among them.
    """
    answered = {
        one.key: dict(zip(one.hour.tolist(), one.spreads.total.tolist(), strict=True))
        for one in found.get("response_us", ())
    }
    missing: dict[Key, dict[int, tuple[int, int]]] = {}
    for one in found.get("interval_us", ()):
        told = answered.get(one.key)
        if told is None:
            continue
        missing[one.key] = {
            hour: (max(asked - told.get(hour, 0), 0), asked)
            for hour, asked in zip(one.hour.tolist(), one.spreads.total.tolist(), strict=True)
        }
    return missing
