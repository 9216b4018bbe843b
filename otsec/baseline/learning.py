"""The baseline of a store: what it holds to be normal, what it learns, and what people decide."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from otsec.baseline import text
from otsec.baseline.barred import OPEN, barred, open_findings
from otsec.baseline.evidence import Evidence, Pool, closing, evidence
from otsec.baseline.model import KINDS, Key, Scope, Thing
from otsec.baseline.ranges import Where, covered, inside
from otsec.baseline.things import At, Shown, shown
from otsec.changes.records import Record, records
from otsec.detect.cases import LONGEST, Word
from otsec.errors import UsageError
from otsec.inventory.assembly import inventory
from otsec.memory import no_cycles
from otsec.store import Store
from otsec.store import baseline as kept
from otsec.store.acts import Act, BaselineAct
from otsec.store.baseline import Ended, How, Line
from otsec.store.filters import Span
from otsec.store.findings import Finding


@dataclass(frozen=True)
class Baseline:
    """What is kept, beside what the store shows."""

    shown: Shown
    lines: tuple[Line, ...]
    ended: Mapping[Scope, Ended]
    announced: tuple[Record, ...]  # changes and maintenance
    findings: tuple[Finding, ...]  # of rules, open, of level high and above

    @cached_property
    def barred(self) -> Mapping[Key, str]:
        """Why a thing is not learned."""
        return barred(self.shown.things, self.shown.spans, self.findings, self.announced)

    @cached_property
    def known(self) -> Mapping[Key, Line]:
        """The lines by what makes them the same, of addresses as the inventory tells them now."""
        found: dict[Key, Line] = {}
        for one in self.lines:
            key = self.now(key_of(one))
            before = found.get(key)
            if before is None or _rank(one) > _rank(before):
                found[key] = one
        return found

    @cached_property
    def holding(self) -> Mapping[Key, Line]:
        """What is known and was not taken back."""
        return {key: one for key, one in self.known.items() if one.how != "forgotten"}

    def covers(self, key: Key) -> bool:
        """Whether all elements of an object are within those that are known."""
        return inside(key, self._ranges)

    @cached_property
    def _ranges(self) -> Mapping[Where, list[Span]]:
        return covered(self.holding)

    def said_before(self, key: Key) -> list[str]:
        """What else is known of an attribute of the device."""
        return [
            one.object
            for one in self._identities.get(key._replace(object=""), ())
            if one.object != key.object
        ]

    @cached_property
    def _identities(self) -> Mapping[Key, Sequence[Key]]:
        found: dict[Key, list[Key]] = defaultdict(list)
        for key in self.holding:
            if key.kind == "identity":
                found[key._replace(object="")].append(key)
        return found

    def now(self, key: Key) -> Key:
        """A key with the addresses that stand for its devices now."""
        at: At = (key.site, key.group, key.place)
        client, server = (
            self.shown.canonical(at, address) if address else ""
            for address in (key.client, key.server)
        )
        return key._replace(client=client, server=server)

    def end(self, scope: Scope) -> Ended | None:
        """Where learning of a scope has ended; None: it goes on."""
        return self._ended_now.get(scope)

    @cached_property
    def _ended_now(self) -> Mapping[Scope, Ended]:
        """The ends of learning, of addresses as the inventory tells them now."""
        found = {}
        for scope, one in self.ended.items():
            at: At = scope[:3]
            address = self.shown.canonical(at, scope.address) if scope.address else ""
            found[scope._replace(address=address)] = one
        return found

    @cached_property
    def said(self) -> frozenset[Key]:
        """What people made normal, or not."""
        return frozenset(key for key, one in self.known.items() if one.how != "learned")

    def learnable(self, until: int | None = None) -> list[Thing]:
        """What may be learned: all that nothing bars and nobody decided against."""
        return [
            thing
            for thing in self.shown.things
            if thing.key not in self.barred
            and (until is None or thing.first_time <= until)
            and not self._forgotten(thing.key)
        ]

    @cached_property
    def undecided(self) -> Mapping[Scope, str]:
        """Scopes of which learning cannot end, because a finding is open; and which."""
        begin = OPEN.partition("{")[0]
        return {
            thing.scope: self.barred[thing.key]
            for thing in self.shown.things
            if self.barred.get(thing.key, "").startswith(begin) and thing.key not in self.said
        }

    def may_end(self, found: Sequence[Evidence], budget: int) -> list[Evidence]:
        """The scopes that still learn and whose learning may end."""
        able = [
            one for one in found if self.end(one.scope) is None and one.scope not in self.undecided
        ]
        return closing(able, self.pools(), budget)

    def _forgotten(self, key: Key) -> bool:
        line = self.known.get(key)
        return line is not None and line.how == "forgotten"

    def pools(self) -> dict[str, Pool]:
        """What the scopes that evidence has closed let expect, by site."""
        pools: dict[str, Pool] = {}
        for scope, one in self.ended.items():
            if one.how == "evidence":
                pool = pools.get(scope.site, Pool())
                pools[scope.site] = pool.with_(one.singles, one.watched_ns)
        return pools


def _rank(line: Line) -> tuple[bool, int]:
    """Of lines that are the same by now, that of a person counts, then the newer one."""
    return line.how != "learned", line.since


def key_of(line: Line) -> Key:
    """What makes a line the same."""
    return Key(*line[1:13])  # type: ignore[arg-type]  # its kind was checked when it was read


def baseline(store: Store, until: int | None = None) -> Baseline:
    """The baseline of a store; ``until``: ns, of time only what was measured by then."""
    seen = shown(store, inventory(store), until)
    return Baseline(
        seen,
        tuple(one for one in kept.lines(store) if one.kind in KINDS),
        {Scope(*one[:4]): one for one in kept.ended(store)},
        tuple(records(store)),
        tuple(open_findings(store)),
    )


# -------------------------------------------------------------------------------- learning


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of learning once."""

    lines: tuple[Line, ...]  # new or changed
    new: int
    closed: tuple[Ended, ...]


def learn(store: Store, budget: int, until: int | None = None) -> Learned:
    """Learn what the store shows of all scopes that still learn, and end what may end.

    ``budget``: false alerts in a day that the site can bear; ``until``: ns, learn only what was
    seen by then.
    """
    with no_cycles():
        return _learn(store, budget, until)


def _learn(store: Store, budget: int, until: int | None) -> Learned:
    base = baseline(store, until)
    lines, new = [], 0
    for thing in base.learnable(until):
        if base.end(thing.scope) is not None:
            continue
        at = _at(base, thing.scope, until)
        before = base.known.get(thing.key)
        made = _line(thing, "learned", at, until=until)
        if before is not None:
            made = _kept(made, before)
        else:
            new += 1
        if made != before:
            lines.append(made)
    found = evidence(base.learnable(until), base.shown.spans, base.said, until)
    ends = base.may_end(found, budget)
    closed = tuple(
        Ended(*one.scope, _at(base, one.scope, until), "evidence", len(one.singles), one.watched_ns)
        for one in ends
    )
    kept.keep(store, lines, closed)
    return Learned(tuple(lines), new, closed)


def end_everywhere(store: Store, at: int | None = None) -> tuple[int, int]:
    """End learning of all that still learn, complete or not: how many there are, and were ended.

    ``at``: ns; None: where each point group was last listened to.
    """
    base = baseline(store)
    found = evidence(base.learnable(), base.shown.spans, base.said)
    ends = [
        Ended(*one.scope, _at(base, one.scope, at), "evidence", len(one.singles), one.watched_ns)
        for one in found
        if base.end(one.scope) is None
    ]
    kept.keep(store, (), ends)
    return len(found), len(ends)


def _at(base: Baseline, scope: Scope, until: int | None) -> int:
    end = base.shown.spans.of_group(scope.network).end
    return end if until is None else min(until, end)


def _line(thing: Thing, how: How, since: int, who: str = "", reason: str = "", until: int | None = None) -> Line:  # fmt: skip
    """A thing as a line; ``until``: as it was known then."""
    late = until is not None and thing.last_time > until
    detail = thing.detail
    last = until if late and until is not None else thing.last_time
    if late and until is not None and thing.key.kind == "value":
        detail, last = _range(thing, until)
    return Line(
        *(thing.id, *thing.key, detail, thing.seen.times, thing.first_time),
        last,
        *(thing.seen.point, json.dumps(list(thing.seen.packets)), how, who, reason, since, 0),
    )


def _range(thing: Thing, until: int) -> tuple[str, int]:
    """Between which values an element was written by a time for sure, and when it last was so.

    The first value was; least, greatest and last, as far as it is known when that was.
    """
    first = json.loads(thing.detail)[2]
    known = [(value, time) for value, _, time in thing.extremes if time <= until]
    values = [first, *(value for value, _ in known)]
    return (
        json.dumps([min(values), max(values), first]),
        max((time for _, time in known), default=thing.first_time),
    )


def as_lines(base: Baseline) -> dict[Key, Line]:
    """All that the store shows as lines, as if it were learned now."""
    return {
        thing.key: _line(thing, "learned", base.shown.spans.of_group(thing.scope.network).end)
        for thing in base.shown.things
    }


def _kept(made: Line, before: Line) -> Line:
    """A line as it is learned again: what people said of it stays."""
    return made._replace(
        id=before.id,
        client=before.client,
        server=before.server,
        how=before.how,
        who=before.who,
        reason=before.reason,
        since=before.since,
        until=before.until,
        first_time=min(made.first_time, before.first_time)
        if before.first_time
        else made.first_time,
        detail=_joined(made, before),
    )


def _joined(made: Line, before: Line) -> str:
    """Ranges only grow: what was approved beyond what is seen stays."""
    if made.kind != "value" or not before.detail:
        return made.detail
    old, new = json.loads(before.detail), json.loads(made.detail)
    return json.dumps([min(old[0], new[0]), max(old[1], new[1]), old[2]])


# ------------------------------------------------------------------------------- decisions


def approve(
    store: Store,
    base: Baseline,
    chosen: Sequence[Thing | Line],
    word: Word,
    until: int,
    *,
    end: bool,
) -> list[Line]:
    """Make things normal, by a named person; ``end``: learning of their devices ends as well.

    ``until``: ns by the capture's clock; 0: for good.
    """
    lines = [_said(base, one, "approved", word)._replace(until=until) for one in chosen]
    scopes = {one.scope for one in chosen if isinstance(one, Thing)} if end else set()
    closed = [
        Ended(*scope, _at(base, scope, None), "approved", 0, 0)
        for scope in sorted(scopes)
        if base.end(scope) is None
    ]
    acts = _acts(base, lines, word, "baseline-approve")
    acts += [
        _act(word, "baseline-approve", text.end_line(one), "learning", "ended") for one in closed
    ]
    kept.keep(store, lines, closed, acts)
    return lines


def forget(store: Store, base: Baseline, chosen: Sequence[Thing | Line], word: Word) -> list[Line]:
    """Take things out; they are not learned again unless somebody approves them."""
    lines = [_said(base, one, "forgotten", word)._replace(until=0) for one in chosen]
    kept.keep(store, lines, (), _acts(base, lines, word, "baseline-forget"))
    return lines


def bring(
    store: Store,
    base: Baseline,
    lines: Sequence[Line],
    ends: Sequence[Ended],
    word: Word,
    *,
    replace: bool,
) -> list[Line]:
    """Take over the lines of a text, as said by who brings it; gives those that are new or other.

    ``replace``: what is kept and not in the text is forgotten.
    """
    _check_word(word)
    before = {one.id: one for one in base.lines}
    changed = []
    for one in lines:
        told = before.get(one.id)
        if told is None or told.how == "forgotten" or matter(told) != matter(one):
            how = f", {one.how} by {one.who}" if one.who else ""
            why = f": {one.reason}" if one.reason else ""
            reason = f"{word.reason}{f' ({how[2:]}{why})' if how else ''}"[:LONGEST]
            changed.append(one._replace(how="imported", who=word.who, reason=reason))
    if replace:
        mine = {one.id for one in lines}
        changed += [
            one._replace(how="forgotten", who=word.who, reason=word.reason, until=0)
            for one in base.lines
            if one.id not in mine and one.how != "forgotten"
        ]
    news = [one for one in ends if Scope(*one[:4]) not in base.ended]
    closed = [one._replace(how="imported") for one in news]
    acts = _acts(base, changed, word, "baseline-import")
    acts += [
        _act(word, "baseline-import", text.end_line(one), "learning", "ended") for one in closed
    ]
    kept.keep(store, changed, closed, acts)
    return changed


def matter(line: Line) -> tuple[str, int]:
    """What of a line is more than a count."""
    return line.detail if line.kind == "value" else "", line.until


def _said(base: Baseline, one: Thing | Line, how: How, word: Word) -> Line:
    _check_word(word)
    if isinstance(one, Line):
        return one._replace(how=how, who=word.who, reason=word.reason)
    before = base.known.get(one.key)
    made = _line(one, how, base.shown.spans.of_group(one.scope.network).end, word.who, word.reason)
    if before is not None:
        made = made._replace(id=before.id, client=before.client, server=before.server)
        if before.how != "forgotten":
            made = made._replace(detail=_joined(made, before))
    return made


def _check_word(word: Word) -> None:
    if not word.reason:
        raise UsageError("say why with --reason, for whoever looks at it in a year")
    if max(len(word.who), len(word.reason)) > LONGEST:
        raise UsageError(f"--by and --reason take at most {LONGEST} letters")


def _acts(base: Baseline, lines: Iterable[Line], word: Word, kind: BaselineAct) -> list[Act]:
    before = {one.id: one.how for one in base.lines}
    return [
        _act(word, kind, text.name(one), before.get(one.id, "not in it"), one.how) for one in lines
    ]


def _act(word: Word, kind: BaselineAct, what: str, before: str, after: str) -> Act:
    return Act(
        *(0, word.time, word.who, kind, "", what, before, after, word.reason),
        login=word.login,
        host=word.host,
    )
