"""Why something was told, or was not: the line that makes it normal, who said so, which packets."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from otsec.baseline.barred import NO_RULES, Told, tells
from otsec.baseline.deviations import deviations
from otsec.baseline.learning import Baseline
from otsec.baseline.model import CHANGING, KINDS, TIMED, Key, Thing
from otsec.baseline.outages import outages
from otsec.baseline.ranges import Known, outside
from otsec.baseline.shift import Deviation, joined
from otsec.baseline.words import described
from otsec.errors import UsageError
from otsec.store import Store
from otsec.store.baseline import Line
from otsec.store.findings import Finding, findings

Verdict: TypeAlias = Literal["normal", "told", "not judged", "not normal"]
LEAST_ID = 4  # letters of an id
DESCRIBING = (
    frozenset({"presence", "volume", "order"}) | TIMED
)  # of which nothing is ever told but silence


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing, and why it was told or not."""

    id: str
    kind: str
    what: str
    verdict: Verdict
    why: str
    how: str  # of its line; empty: there is none
    who: str
    since: int | None  # ns, since when it is normal
    times: int
    first_time: int
    last_time: int
    point: str
    packets: tuple[int, ...]
    finding: str  # the finding that tells of it; empty: none


def deviating(store: Store, base: Baseline) -> list[Deviation]:
    """What deviates in a store, as it was judged last."""
    told = [one for one in findings(store) if one.category not in NO_RULES]
    return joined(store, base, deviations(base, told, outages(store, base.shown.inventory)))


def things_of(store: Store, base: Baseline, finding: str) -> list[Thing]:
    """The things of which a finding of the baseline tells, by its id or the beginning of it."""
    met = [
        one
        for one in deviating(store, base)
        if len(finding) >= LEAST_ID and one.found[0].id.startswith(finding.casefold())
    ]
    return with_them(base, met[0].things) if len(met) == 1 else []


def with_them(base: Baseline, things: Sequence[Thing]) -> list[Thing]:
    """Things and what is new with them: who approves a conversation means what is said in it.

    What changes a machine is among it only where the change itself was chosen.
    """
    chosen = {thing.key: thing for thing in things}
    changes = {thing.key for thing in things if thing.key.kind == "writer"}
    parties = {key[1:6] for key in changes}
    for thing in base.shown.things:  # a part stands behind what it is a part of
        key = thing.key
        part = not chosen.keys().isdisjoint(thing.parents)
        part |= key[1:6] in parties and key.kind in {"conversation", "operation", "object"}
        allowed = key.cls not in CHANGING or writer_of(key) in changes
        if part and allowed and not key.guarded and base.known.get(key) is None:
            chosen[key] = thing
    return list(chosen.values())


def writer_of(key: Key) -> Key:
    """The change that an operation or an object is a part of."""
    return key._replace(kind="writer", service="", operation="", object="")


def explained(store: Store, base: Baseline, words: Sequence[str]) -> list[Reason]:
    """Why what the words name was told or not.

    ``words``: the id of a finding or of a thing, or client and server, by address or name, and
    the service. Raises UsageError if there is nothing of the kind.
    """
    made = deviating(store, base)
    told = {thing.key: one.found[0].id for one in made for thing in one.things}
    others = [one for one in findings(store) if one.category not in NO_RULES]
    look = _Explaining(base, told, Told(others))
    chosen = _by_id(base, made, others, words[0]) if len(words) == 1 else _flow(base, words)
    if not chosen:
        raise UsageError(
            f"nothing seen or learned is meant by {' '.join(words)!a}; "
            "write an id, or CLIENT SERVER [SERVICE]"
        )
    return [look.reason(one) for one in chosen]


Chosen = Sequence[Thing | Line]


def _by_id(
    base: Baseline, made: Sequence[Deviation], others: Iterable[Finding], text: str
) -> Chosen:
    wanted = text.strip().casefold()
    if len(wanted) < LEAST_ID:
        raise UsageError(f"{text!a} is too short for an id")
    for one in made:
        if one.found[0].id.startswith(wanted):
            return one.things
    things = [thing for thing in base.shown.things if thing.id.startswith(wanted)]
    if things:
        return things
    for rule in others:
        if rule.id.startswith(wanted):
            return [thing for thing in base.shown.things if tells(rule, thing)]
    return [line for line in base.lines if line.id.startswith(wanted)]


def _flow(base: Baseline, words: Sequence[str]) -> Chosen:
    if len(words) > 3:
        raise UsageError("explain: name CLIENT SERVER [SERVICE]")
    client, server = (_addresses(base, word) for word in words[:2])
    service = words[2] if len(words) == 3 else ""
    order = {kind: at for at, kind in enumerate(KINDS)}

    def meant(key: Key) -> bool:
        parties = key.client in client and key.server in server
        return parties and key.kind not in DESCRIBING and service in {"", key.service}

    seen = [thing for thing in base.shown.things if meant(thing.key)]
    keys = {thing.key for thing in seen}
    gone = [line for key, line in base.known.items() if meant(key) and key not in keys]
    return [*sorted(seen, key=lambda one: (order[one.key.kind], one.key)), *gone]


def _addresses(base: Baseline, word: str) -> set[str]:
    """The addresses that stand for what a word names."""
    wanted = word.casefold()
    found = {wanted}
    for asset in base.shown.inventory.assets:
        if wanted in {asset.name.casefold(), asset.id, *asset.ips, *asset.macs}:
            found.add(asset.anchor.address)
            found.update((*asset.ips, *asset.macs))
    return found


@dataclass(frozen=True)
class _Explaining:
    base: Baseline
    told: Mapping[Key, str]
    others: Told

    def reason(self, one: Thing | Line) -> Reason:
        if isinstance(one, Line):
            return self._of_line(one)
        line = self.base.known.get(one.key)
        verdict, why, finding = self._verdict(one, line)
        return Reason(
            id=one.id,
            kind=one.key.kind,
            what=described(one.key),
            verdict=verdict,
            why=why,
            how="" if line is None else line.how,
            who="" if line is None else line.who,
            since=None if line is None else line.since,
            times=one.seen.times,
            first_time=one.first_time,
            last_time=one.last_time,
            point=one.seen.point,
            packets=one.seen.packets,
            finding=finding,
        )

    def _of_line(self, line: Line) -> Reason:
        return Reason(
            id=line.id,
            kind=line.kind,
            what=described(line),
            verdict="normal" if line.how != "forgotten" else "not normal",
            why=f"{_said(line)}; this store does not show it",
            how=line.how,
            who=line.who,
            since=line.since,
            times=line.times,
            first_time=line.first_time,
            last_time=line.last_time,
            point=line.point,
            packets=tuple(json.loads(line.packets)),
            finding="",
        )

    def _verdict(self, thing: Thing, line: Line | None) -> tuple[Verdict, str, str]:
        if finding := self.told.get(thing.key, ""):
            return "told", self._off(thing, line), finding
        if line is not None and line.holds(thing.last_time):
            return "normal", _said(line), ""
        rule = self.others.by(thing)
        if rule is not None:
            return "told", f"by the rule {rule.name}", rule.id
        if line is not None and line.how == "forgotten":
            why = _said(line)
        elif line is not None:
            why = f"{_said(line)}, but no longer"
        else:
            why = "it is not in the baseline"
        if thing.key in self.base.barred:
            why = f"{why}: {self.base.barred[thing.key]}"
        if self.base.end(thing.scope) is None:
            name = thing.scope.address or f"the devices of {thing.scope.group or thing.scope.site}"
            return "not judged", f"{why}; learning of {name} goes on", ""
        if finding := self._with(thing):
            return "told", "with what it is a part of", finding
        return "not normal", why, ""

    def _with(self, thing: Thing) -> str:
        """The finding that tells of what a thing is a part of; empty: none does."""
        for key in (*thing.parents, writer_of(thing.key)):
            whole = self._by_key.get(key)
            if whole is None or key == thing.key:
                continue
            rule = self.others.by(whole)
            named = self.told.get(key) or (rule.id if rule else "")
            if finding := named or self._with(whole):
                return finding
        return ""

    @cached_property
    def _by_key(self) -> Mapping[Key, Thing]:
        return self.base.shown.by_key

    def _off(self, thing: Thing, line: Line | None) -> str:
        if thing.key.kind == "value" and line is not None:
            low, high, _ = json.loads(thing.detail)
            known = Known.of(line)
            if outside(low, high, known):
                told = f"known are {known.least:g} to {known.greatest:g}"
                return f"{low:g} to {high:g}, {told} ({_said(line)})"
        if line is None:
            return "it is not in the baseline"
        return _said(line)


def _said(line: Line) -> str:
    """How a line came to be."""
    why = f": {line.reason}" if line.reason else ""
    if line.how == "learned":
        return f"learned, {line.times} times"
    return f"{line.how} by {line.who}{why}"
