"""When learning may end: how much new is still to be expected, against the budget of the site.

Good and Turing: what has been seen once is as much as what is still to come. Of a device watched
for T days on which n1 things were seen on one occasion only, n1 / T new things a day are to be
expected (n1 / n for the next sight, n / T sights a day), and with 95 % confidence no more than
U(n1) / T, U being the exact Poisson bound (3.0 for none). An occasion is a shift, for what one
person does in an afternoon is one sight, however many packets it has.

The budget is the site's: false alerts in a day over all devices. Devices are closed one after the
other, the surest first, as long as the bound on all that are closed together keeps the budget;
for them the shortest time watched counts. So learning ends where it costs nothing, and a new
device keeps a window of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log, sqrt

from otsec.baseline.model import NOVEL, ORDERED, TIMED, Key, Scope, Thing
from otsec.baseline.presence import OCCASION_S
from otsec.baseline.spans import Spans
from otsec.nanoseconds import DAY_NS, SECOND_NS

OCCASION_NS = OCCASION_S * SECOND_NS
CONFIDENCE = 0.95
MANY = 200  # events from which on the bound is taken from its normal form (Wilson and Hilferty)


@lru_cache(4096)
def poisson_bound(events: int) -> float:
    """The exact upper bound, 95 %, of the mean of a Poisson count of which so many were seen."""
    if events > MANY:
        n = events + 1
        return float(n * (1 - 1 / (9 * n) + 1.6449 / (3 * sqrt(n))) ** 3)
    low, high = float(events), 4.0 * events + 10.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(events, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, mean: float) -> float:
    """The probability of at most so many events."""
    return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(events + 1))


@dataclass(frozen=True, slots=True)
class Evidence:
    """How complete the learning of one scope is."""

    scope: Scope
    things: int  # that can be learned
    repeated: int  # of these, seen on more than one occasion
    singles: tuple[Thing, ...]  # seen on one occasion only, none within another
    watched_ns: int

    @property
    def days(self) -> float:
        """How long it was watched."""
        return self.watched_ns / DAY_NS

    @property
    def expected(self) -> float | None:
        """New things to be expected in a day; None: not watched for one occasion even."""
        return len(self.singles) / self.days if self.watched_ns >= OCCASION_NS else None

    @property
    def at_most(self) -> float | None:
        """The same, with 95 % confidence."""
        if self.watched_ns < OCCASION_NS:
            return None
        return poisson_bound(len(self.singles)) / self.days


def evidence(
    things: Sequence[Thing], spans: Spans, known: frozenset[Key], until: int | None = None
) -> list[Evidence]:
    """The evidence of each scope, in order.

    ``things``: what may be learned; ``known``: what a person made normal, which is no longer in
    doubt; ``until``: only what was seen by then, ns.
    """
    scopes: dict[Scope, list[Thing]] = {}
    began: dict[Scope, int] = {}
    for thing in things:
        if thing.key.kind in TIMED | ORDERED:
            continue
        mine = scopes.setdefault(thing.scope, [])
        if thing.key.kind in NOVEL:
            mine.append(thing)
        began[thing.scope] = min(thing.first_time, began.get(thing.scope, thing.first_time))
    found = []
    single = {
        thing.key
        for thing in things
        if thing.key.kind in NOVEL and thing.key not in known and once(thing, until)
    }
    for scope, mine in sorted(scopes.items()):
        heard = spans.of_group(scope.network)
        begin = began[scope] if scope.address else heard.begin
        end = heard.end if until is None else min(until, heard.end)
        alone = [
            thing for thing in mine if thing.key in single and single.isdisjoint(thing.parents)
        ]
        seldom = sum(once(thing, until) for thing in mine)
        watched_ns = heard.between(begin, end)
        found.append(Evidence(scope, len(mine), len(mine) - seldom, tuple(alone), watched_ns))
    return found


def once(thing: Thing, until: int | None = None) -> bool:
    """Whether it was seen on one occasion only.

    The store keeps the first and the last sight. Of a time in between it is told as if sights
    were evenly spread.
    """
    last = thing.last_time
    if until is not None and last > until:
        mean = (last - thing.first_time) // max(thing.seen.times - 1, 1)
        last = thing.first_time + (until - thing.first_time) // max(mean, 1) * mean
    return last - thing.first_time < OCCASION_NS


@dataclass(frozen=True, slots=True)
class Pool:
    """What the scopes of a site that are closed let expect together."""

    singles: int = 0
    shortest_ns: int = 0  # 0: none is closed

    def with_(self, singles: int, watched_ns: int) -> "Pool":
        """With one more scope."""
        shortest = min(self.shortest_ns, watched_ns) if self.shortest_ns else watched_ns
        return Pool(self.singles + singles, shortest)

    @property
    def at_most(self) -> float:
        """False alerts in a day, with 95 % confidence."""
        if not self.shortest_ns:
            return 0.0
        return poisson_bound(self.singles) * DAY_NS / self.shortest_ns


def closing(found: Sequence[Evidence], closed: Mapping[str, Pool], budget: int) -> list[Evidence]:
    """The scopes whose learning may end, given those of each site that are closed already."""
    pools = dict(closed)
    chosen = []
    for one in sorted(found, key=_surest):
        if not one.watched_ns:
            continue
        pool = pools.get(one.scope.site, Pool()).with_(len(one.singles), one.watched_ns)
        if pool.at_most <= budget:
            pools[one.scope.site] = pool
            chosen.append(one)
    return sorted(chosen, key=lambda one: one.scope)


def _surest(one: Evidence) -> tuple[float, int, Scope]:
    return len(one.singles) / max(one.watched_ns, 1), -one.watched_ns, one.scope
