"""How complete the baseline of each device is, and what keeps it open."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from otsec.baseline.evidence import Evidence, evidence, poisson_bound
from otsec.baseline.learning import Baseline
from otsec.baseline.model import Scope
from otsec.baseline.words import described
from otsec.inventory.model import Node
from otsec.nanoseconds import DAY_NS
from otsec.store.queries import address_key


@dataclass(frozen=True, slots=True)
class Standing:
    """How complete the learning of a scope is, and what keeps it open."""

    scope: Scope
    name: str  # of the asset
    state: str  # `learning`, `complete`, `approved`, `imported`
    things: int
    repeated: int  # of these, seen on more than one occasion
    singles: int  # seen on one, and not within another such thing
    watched_ns: int
    expected: float | None  # new things a day
    at_most: float | None
    presence: str
    ended: int  # ns; 0: not yet
    open: tuple[str, ...]  # what keeps it open
    barred: int  # things that were seen and are not learned

    @property
    def complete(self) -> float:
        """The share of what was seen that was seen again."""
        return self.repeated / self.things if self.things else 0.0


ENDS = {"evidence": "complete"}
NAMED = 3  # things that keep a scope open


def standings(base: Baseline, budget: int) -> list[Standing]:
    """Each point group as a whole, then its devices."""
    everything = evidence(base.learnable(), base.shown.spans, base.said)
    closable = {one.scope for one in base.may_end(everything, budget)}
    not_learned: dict[Scope, int] = {}
    for thing in base.shown.things:
        if thing.key in base.barred and thing.key not in base.said:
            not_learned[thing.scope] = not_learned.get(thing.scope, 0) + 1
    presences = {
        thing.scope: str(json.loads(thing.detail)[0])
        for thing in base.shown.things
        if thing.key.kind == "presence"
    }
    found = []
    for one in everything:
        scope = one.scope
        end = base.end(scope)
        reasons = () if end is not None else tuple(_open(base, one, closable, budget))
        found.append(
            Standing(
                scope,
                _name(base, scope),
                "learning" if end is None else ENDS.get(end.how, end.how),
                *(one.things, one.repeated, len(one.singles), one.watched_ns),
                *(one.expected, one.at_most),
                presences.get(scope, ""),
                0 if end is None else end.ended,
                reasons,
                not_learned.get(scope, 0),
            )
        )
    return sorted(found, key=_by_address)


def _by_address(one: Standing) -> tuple[object, ...]:
    scope = one.scope
    return (scope.site, scope.group, bool(scope.address), address_key(scope.address), scope.place)


def _name(base: Baseline, scope: Scope) -> str:
    if not scope.address:
        return f"(devices of {scope.group or scope.site})"
    asset = base.shown.inventory.at(Node(*scope))
    return asset.name if asset else scope.address


def _open(base: Baseline, one: Evidence, closable: set[Scope], budget: int) -> Iterable[str]:
    if one.scope in closable:
        yield "nothing: the next `otsec baseline learn` ends it"
        return
    if one.scope in base.undecided:
        yield base.undecided[one.scope]
    least = poisson_bound(len(one.singles)) * DAY_NS / budget
    missing = least - one.watched_ns
    singles = sorted(one.singles, key=lambda thing: (-thing.last_time, thing.key))
    for thing in singles[:NAMED]:
        yield f"seen on one occasion: {described(thing.key)}"
    if len(singles) > NAMED:
        yield f"and {len(singles) - NAMED} more like it"
    if missing > 0:
        yield f"{missing / DAY_NS:.1f} more days of watching"
    elif singles or base.pools():
        yield "the budget of the site is used up by other devices"
