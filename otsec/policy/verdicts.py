"""Verdicts: what a policy says of all that a store holds.

Each behaviour of each conversation is judged, and each conversation in which nothing could be read.
What is worst of the moments at which it is known to have been seen is its verdict. Rows that differ
in nothing but object, outcome and time are then told as one *flow*.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from otsec.columns import I64, Mask
from otsec.policy import windows
from otsec.policy.judging import (
    SEVERITY,
    Baseline,
    Judge,
    Moments,
    Option,
    Ruling,
    Thing,
    What,
)
from otsec.policy.model import Policy, Rule, Verdict
from otsec.policy.placing import Endpoint, People, Places
from otsec.store import Store, doings
from otsec.store.broadcasts import At, broadcasts
from otsec.store.doings import Conversed, Done

UNREAD = ("", "", "")  # protocol is that of the conversation, then operation and class


class Shown(NamedTuple):
    """Which rows of the store show a flow: those seen first and last."""

    source: int
    talk: int  # number of the conversation within the source
    first: int  # number of a behaviour within the source; -1: the conversation itself
    last: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What a client does with a server: operations of one kind with one verdict."""

    site: str
    group: str
    point: str  # that saw most of it
    witnesses: tuple[str, ...]
    place: str
    client: Endpoint
    server: Endpoint
    service: str
    protocol: str
    cls: str  # empty: it could not be read
    operation: str
    option: Option
    count: int  # exchanges; packets where nothing could be read
    objects: int  # rows of the store that are told as this one
    first_time: int
    last_time: int
    at: int  # a moment at which the verdict held
    doubt: bool  # not all its moments are known, and time matters
    answered: bool  # whether one of it was not without an answer
    shown: "Shown"

    @property
    def verdict(self) -> Verdict:
        """What the policy says."""
        return self.option.verdict

    @property
    def rule(self) -> str:
        """The rule that decides, or the default."""
        if self.option.rule is not None:
            return self.option.rule.id
        return RULES.get(self.option.cause, "inter_zone")

    @property
    def word(self) -> str:
        """The protocol, where none was recognised the service."""
        return self.protocol or self.service


RULES = {  # how rules are called that have no id
    "link": "link",
    "internet": "unplaced",
    "unplaced": "unplaced",
    "intra_zone": "intra_zone",
    "baseline": "intra_zone",
}


class Act(NamedTuple):
    """What is done, without what the conversation tells."""

    protocol: str
    operation: str
    cls: str


@dataclass(frozen=True, slots=True)
class Acts:
    """Rows to judge, as columns over conversations and distinct acts."""

    talks: Sequence[Conversed]
    acts: Sequence[Act]
    talk: I64  # position in `talks`
    act: I64  # position in `acts`
    number: I64  # of the behaviour; -1: the conversation itself
    count: I64
    first: I64  # ns
    last: I64
    answered: Mask
    things: Sequence[tuple[str, str]]  # device and object; empty: nobody asks for them
    aloud: frozenset[At]  # broadcast addresses

    def __len__(self) -> int:
        return len(self.talk)


# ----------------------------------------------------------------------------------- rows


def acts_of(store: Store, *, details: bool) -> Acts:
    """All that a store holds to be judged."""
    talks = doings.conversed(store)
    at = {(talk.source, talk.number): position for position, talk in enumerate(talks)}
    numbers: dict[tuple[str, ...], int] = {}
    parts: list[tuple[I64, ...]] = []
    things: list[tuple[str, str]] = []
    spoken = np.zeros(len(talks), bool)
    for source, done in doings.done(store, details=details):  # in pieces
        part = _columns(source, done, at, numbers)
        spoken[part[0]] = True
        parts.append(part)
        if details:
            things += zip(done.device, done.object, strict=True)
    silent = _unread(talks, np.flatnonzero(~spoken), numbers)
    parts.append(silent)
    if details:
        things += [("", "")] * len(silent[0])
    talk, act, number, count, first, last, answered = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    names = [Act._make(key) for key in numbers]
    columns = talk, act, number, count, first, last, answered > 0
    return Acts(talks, names, *columns, things, broadcasts(store))


def _columns(
    source: int,
    done: Done,
    at: Mapping[tuple[int, int], int],
    numbers: dict[tuple[str, ...], int],
) -> tuple[I64, ...]:
    """The behaviours of one source: talk, act, number, count, first, last, answered."""
    size = len(done.number)
    conversation = np.array(done.conversation, np.int64)
    distinct, where = np.unique(conversation, return_inverse=True)
    talk = np.array([at[source, int(number)] for number in distinct], np.int64)[where]
    keys = zip(done.protocol, done.operation, done.cls, strict=True)
    act = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, size)
    integers = (done.number, done.times, done.first_time, done.last_time, done.answered)
    number, count, first, last, answered = (np.array(column, np.int64) for column in integers)
    return talk, act, number, count, first, last, answered


def _unread(
    talks: Sequence[Conversed], rows: I64, numbers: dict[tuple[str, ...], int]
) -> tuple[I64, ...]:
    """Conversations in which nothing was read, as rows of their own."""
    some = [talks[row] for row in rows]

    def column(values: Iterable[int]) -> I64:
        return np.fromiter(values, np.int64, len(some))

    keys = ((talk.protocol, "", "") for talk in some)
    return (
        rows.astype(np.int64),
        column(numbers.setdefault(key, len(numbers)) for key in keys),
        np.full(len(some), -1, np.int64),
        column(talk.packets for talk in some),
        column(talk.first_time for talk in some),
        column(talk.last_time for talk in some),
        column(talk.payload > 0 for talk in some),
    )


# --------------------------------------------------------------------------------- judging


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of each row."""

    judge: Judge
    acts: Acts
    ends: Sequence[tuple[Endpoint, Endpoint]]  # of each conversation
    options: Sequence[Option]
    option: I64  # position in `options`
    at: I64  # the moment that decides, ns
    doubt: Mask

    @property
    def verdict(self) -> I64:
        """Severity of each row's verdict."""
        severity = np.array([SEVERITY[option.verdict] for option in self.options], np.int64)
        return severity[self.option] if len(severity) else self.option


def judged(
    store: Store,
    policy: Policy,
    people: People,
    baseline: Baseline = (),
    acts: Acts | None = None,
) -> Judged:
    """Judge a store anew; ``acts`` are what was read of it already, with details."""
    judge = Judge(policy, Places(policy), baseline)
    if acts is None:
        acts = acts_of(store, details=judge.details)
    names = doings.appids(store) if _wants_appids(policy) else {}
    return judge_acts(judge, acts, people, names, store)


def _wants_appids(policy: Policy) -> bool:
    return any(
        key == "appid" for rule in policy.rules for allow in rule.allows for key, _ in allow.details
    )


AppIds = Mapping[tuple[int, int], Mapping[str, set[int]]]


def judge_acts(
    judge: Judge, acts: Acts, people: People, appids: AppIds, store: Store | None = None
) -> Judged:
    """Judge rows; from the store come only further moments of what depends on time."""
    ends = _ends(judge.places, acts, people)
    where, groups = _grouped(acts, ends)
    board = _Board(judge, acts)
    rulings = [judge.plain(*group) for group in groups]
    plain = [None if one is None or one.timed else one.options[-1] for one in rulings]
    chosen = np.array([-1 if one is None else board.number(one) for one in plain], np.int64)
    if len(groups):
        board.option[:] = chosen[where]
    wanted = [number for number, one in enumerate(plain) if one is None]
    timed: list[tuple[Ruling, I64]] = []
    for number, rows in _rows_by_group(where, wanted).items():
        ruling = rulings[number]
        if ruling is not None:
            timed.append((ruling, rows))
            continue
        for one, some in _by_thing(judge, acts, rows, groups[number], appids):
            if one.timed:
                timed.append((one, some))
            else:
                board.option[some] = board.number(one.options[-1])
    if timed:
        known = _moments(store, acts, np.concatenate([rows for _, rows in timed])) if store else {}
        for ruling, rows in timed:
            board.take(ruling, rows, known)
    return Judged(judge, acts, ends, board.options, board.option, board.at, board.doubt)


class _Board:
    """The verdicts of rows, as they are found."""

    def __init__(self, judge: Judge, acts: Acts) -> None:
        self.judge, self.acts = judge, acts
        self.options: list[Option] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self.option = np.zeros(len(acts), np.int64)
        self.at, self.doubt = acts.first.copy(), np.zeros(len(acts), bool)

    def number(self, one: Option) -> int:
        """The position of an option; options that say the same share it."""
        key = (one.verdict, one.cause, id(one.rule), id(one.near))
        if key not in self._numbers:
            self._numbers[key] = len(self.options)
            self.options.append(one)
        return self._numbers[key]

    def take(
        self, ruling: Ruling, rows: I64, known: Mapping[tuple[int, int], Sequence[int]]
    ) -> None:
        """Judge rows of one combination over time."""
        made, position, moment, doubt = _over_time(self.judge, self.acts, rows, ruling, known)
        numbers = np.array([self.number(one) for one in made], np.int64)
        self.option[rows] = numbers[position]
        self.at[rows], self.doubt[rows] = moment, doubt


def _by_thing(
    judge: Judge, acts: Acts, rows: I64, group: "Group", appids: AppIds
) -> Iterator[tuple[Ruling, I64]]:
    """Rows of one combination by what rules say of the things that they are done to."""
    found: dict[int, tuple[Ruling, list[int]]] = {}
    for row in rows.tolist():
        ruling = judge.detailed(*group, _thing(acts, row, appids))
        found.setdefault(id(ruling), (ruling, []))[1].append(row)
    for ruling, some in found.values():
        yield ruling, np.array(some, np.int64)


def _thing(acts: Acts, row: int, appids: AppIds) -> Thing:
    device, named = acts.things[row]
    talk = acts.talks[int(acts.talk[row])]
    of = appids.get((talk.source, talk.number)) if appids else None
    if of is None:
        return Thing(device, named)
    told = [ids for name, ids in of.items() if named == name or named.startswith(f"{name} ")]
    return Thing(device, named, frozenset().union(*told))


def _ends(places: Places, acts: Acts, people: People) -> list[tuple[Endpoint, Endpoint]]:
    """Client and server of each conversation, each end made once."""
    single: dict[tuple[str, str, str, str], Endpoint] = {}
    heard: dict[tuple[int, str], Endpoint] = {}

    def end(talk: Conversed, address: str) -> Endpoint:
        key = (talk.site, talk.group, talk.place, address)
        if key not in single:
            aloud = key in acts.aloud
            single[key] = places.endpoint(address, talk.place, people.at(*key), aloud=aloud)
        return single[key]

    def near(one: Endpoint, other: Endpoint) -> Endpoint:
        if not one.group or other.zone is None:
            return one
        key = (id(one), other.zone.name)
        if key not in heard:
            heard[key] = places.heard_by(one, other)
        return heard[key]

    found = []
    for talk in acts.talks:
        client, server = end(talk, talk.client), end(talk, talk.server)
        found.append((near(client, server), near(server, client)))
    return found


Group = tuple[Endpoint, Endpoint, What]


def _grouped(acts: Acts, ends: Sequence[tuple[Endpoint, Endpoint]]) -> tuple[I64, list[Group]]:
    """Distinct combinations, and for each row which it is."""
    sorts: dict[tuple[object, ...], int] = {}
    of_talk = np.fromiter(
        (
            sorts.setdefault((id(client), id(server), talk.service), len(sorts))
            for talk, (client, server) in zip(acts.talks, ends, strict=True)
        ),
        np.int64,
        len(acts.talks),
    )
    key = of_talk[acts.talk] * max(len(acts.acts), 1) + acts.act
    _, first, where = np.unique(key, return_index=True, return_inverse=True)
    groups = []
    for row in first.tolist():
        position = int(acts.talk[row])
        act, talk = acts.acts[int(acts.act[row])], acts.talks[position]
        what = What(act.protocol, talk.service, act.operation, act.cls)
        groups.append((*ends[position], what))
    return where.astype(np.int64), groups


# ------------------------------------------------------------------------------------ time


def _rows_by_group(where: I64, wanted: Sequence[int]) -> dict[int, I64]:
    order = np.argsort(where, kind="stable")
    begin = np.searchsorted(where[order], wanted, "left")
    end = np.searchsorted(where[order], wanted, "right")
    return {number: order[a:b] for number, a, b in zip(wanted, begin, end, strict=True)}


def _moments(store: Store, acts: Acts, rows: I64) -> dict[tuple[int, int], list[int]]:
    """By source and behaviour, further times at which it was seen."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows[(acts.number[rows] >= 0) & (acts.count[rows] > 2)].tolist():
        wanted[acts.talks[int(acts.talk[row])].source].append(int(acts.number[row]))
    return {
        (source, number): times
        for source, numbers in wanted.items()
        for number, times in doings.moments(store, source, sorted(numbers)).items()
    }


def _over_time(
    judge: Judge,
    acts: Acts,
    rows: I64,
    ruling: Ruling,
    known: Mapping[tuple[int, int], Sequence[int]],
) -> tuple[tuple[Option, ...], I64, I64, Mask]:
    """Of rows of one combination: options, which holds, when, and whether there is a doubt."""
    further = [
        known.get((acts.talks[int(acts.talk[row])].source, int(acts.number[row])), ())
        for row in rows.tolist()
    ]
    row = np.concatenate([
        np.arange(len(rows)), np.arange(len(rows)),
        np.repeat(np.arange(len(rows)), [len(times) for times in further]),
    ])  # fmt: skip
    time = np.concatenate([
        acts.first[rows], acts.last[rows],
        np.array([time for times in further for time in times], np.int64),
    ])  # fmt: skip
    session = _sessions(acts, rows)
    made, position = judge.decide(ruling, Moments(time, session[row]))
    severity = np.array([SEVERITY[option.verdict] for option in made], np.int64)[position]
    order = np.lexsort((time, -severity, row))
    worst = order[np.searchsorted(row[order], np.arange(len(rows)))]
    doubt = (acts.count[rows] > 2 + np.array([len(times) for times in further], np.int64)) & (
        severity[worst] == 0
    )
    for rule in ruling.rules:
        doubt &= ~_all_the_time(judge, rule, acts, rows, position[worst], made)
    return made, position[worst], time[worst], doubt


def _all_the_time(
    judge: Judge, rule: Rule, acts: Acts, rows: I64, position: I64, made: Sequence[Option]
) -> Mask:
    """In which rows a rule decided, and held from first to last."""
    decided = np.isin(position, [n for n, option in enumerate(made) if option.rule is rule])
    return decided & windows.lasts(rule, acts.first[rows], acts.last[rows], judge.policy.zone)


def _sessions(acts: Acts, rows: I64) -> I64:
    """How long the session of each row lasted: of a conversation of one connection."""
    talks = [acts.talks[int(talk)] for talk in acts.talk[rows].tolist()]
    return np.fromiter(
        (talk.last_time - talk.first_time if talk.connections == 1 else -1 for talk in talks),
        np.int64,
        len(talks),
    )


# ----------------------------------------------------------------------------------- flows


def flows(found: Judged) -> list[Flow]:
    """What was judged, rows of one kind and verdict told as one; the worst first."""
    acts = found.acts
    if not len(acts):
        return []
    key = (acts.talk * len(acts.acts) + acts.act) * max(len(found.options), 1) + found.option
    distinct, where = np.unique(key, return_inverse=True)
    size = len(distinct)
    order = np.lexsort((acts.number, acts.first, where))
    begin = np.searchsorted(where[order], np.arange(size))
    earliest = order[begin]
    latest = np.lexsort((acts.number, acts.last, where))[np.append(begin[1:], len(where)) - 1]
    count = np.add.reduceat(acts.count[order], begin)
    at = np.minimum.reduceat(found.at[order], begin)
    doubt, answered = (
        np.logical_or.reduceat(column[order], begin) for column in (found.doubt, acts.answered)
    )
    columns = (earliest, latest, count, np.bincount(where, minlength=size), at, doubt, answered)
    told = [
        _flow(found, *cells, doubt=unsure, answered=done)
        for *cells, unsure, done in zip(*(c.tolist() for c in columns), strict=True)
    ]
    return sorted(_strongest(told), key=_order)


def _flow(
    found: Judged, earliest: int, latest: int, count: int, rows: int, at: int, *, doubt: bool, answered: bool
) -> Flow:  # fmt: skip
    acts = found.acts
    position = int(acts.talk[earliest])
    talk, act = acts.talks[position], acts.acts[int(acts.act[earliest])]
    client, server = found.ends[position]
    return Flow(
        *(talk.site, talk.group, talk.point, (), talk.place, client, server, talk.service),
        *(act.protocol, act.cls, act.operation, found.options[int(found.option[earliest])]),
        *(count, rows, int(acts.first[earliest]), int(acts.last[latest]), at),
        doubt=doubt,
        answered=answered,
        shown=Shown(talk.source, talk.number, int(acts.number[earliest]), int(acts.number[latest])),
    )


def _identity(flow: Flow) -> tuple[object, ...]:
    return (
        *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
        *(flow.service, flow.protocol, flow.cls, flow.operation, flow.verdict, flow.rule),
        flow.option.cause,
    )


def _strongest(told: Iterable[Flow]) -> Iterator[Flow]:
    """Of flows that several points of a group saw, those of the point that saw most."""
    seen: dict[tuple[object, ...], dict[str, Flow]] = defaultdict(dict)
    for flow in told:
        seen[_identity(flow)].setdefault(flow.point, flow)
    for points in seen.values():
        best = max(points.values(), key=lambda flow: flow.count)
        others = tuple(sorted(point for point in points if point != best.point))
        yield replace(best, witnesses=others) if others else best


def _order(flow: Flow) -> tuple[object, ...]:
    return (
        -SEVERITY[flow.verdict],
        *(_identity(flow)),
    )
