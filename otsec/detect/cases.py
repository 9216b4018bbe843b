"""Findings with what people decided of them: the state of each, and how decisions are taken down."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otsec.detect.model import LEVELS
from otsec.errors import UsageError
from otsec.inventory.selection import passes
from otsec.store import Store
from otsec.store.acts import Act, FindingAct, acts_of_findings
from otsec.store.changes import links
from otsec.store.ends import end_of, end_text, is_over, now_text
from otsec.store.filters import Filter
from otsec.store.findings import Finding, findings

STATES: Mapping[str, str] = {  # what each decision makes of a finding
    "ack": "acknowledged",
    "resolve": "resolved",
    "false-positive": "false positive",
    "accept": "accepted",
    "expect": "expected",
    "reopen": "reopened",
}
NEW, AGAIN, EXPECTED = "new", "reopened", "expected"
UNLINKED = "unlinked"  # a change that no record announces
OPEN = frozenset({NEW, AGAIN, "acknowledged"})
BACK = {  # what is told of a decision that no longer holds
    "resolve": "it was resolved, and has been seen since",
    "accept": "it was accepted for a time, which is over",
}
LONGEST = 2_000  # letters of a reason or a remark
WORST: dict[str, int] = {
    level: -at for at, level in enumerate(LEVELS)
}  # where a level stands in listings


class Word(NamedTuple):
    """Who decides, when (ns since 1970 UTC), where and why."""

    who: str
    login: str
    host: str
    time: int
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """A finding and its history."""

    finding: Finding
    state: str
    owner: str  # to whom it is assigned; empty: nobody
    acts: tuple[Act, ...]  # the oldest first
    change: str = ""  # the record that announces it; `unlinked`: none does, and one should

    @property
    def open(self) -> bool:
        """Whether somebody has yet to decide."""
        return self.state in OPEN

    @property
    def rank(self) -> tuple[int, int, str]:
        """The order of listings: worst first, then the newest."""
        return WORST[self.finding.level], -self.finding.last_time, self.finding.id


def cases(store: Store, now: str | None = None) -> list[Case]:
    """All findings with their states, worst first.

    Acceptances end by the clock of the machine, or at ``now``, as `store.ends` writes it; "" is
    before every end.
    """
    by_finding: dict[str, list[Act]] = defaultdict(list)
    for act in acts_of_findings(store):
        by_finding[act.finding].append(act)
    announced, now = links(store), now_text() if now is None else now
    found = [
        _case(one, by_finding.get(one.id, ()), announced.get(one.id, ""), now)
        for one in findings(store)
    ]
    return sorted(found, key=lambda case: case.rank)


def cases_of(store: Store, ids: Sequence[str]) -> list[Case]:
    """The findings of these ids. Raises UsageError for one that is not there."""
    by_finding: dict[str, list[Act]] = defaultdict(list)
    for act in acts_of_findings(store):
        by_finding[act.finding].append(act)
    found = {one.id: one for one in findings(store, "id", ids)}
    for name in ids:
        if name not in found:
            raise UsageError(f"no finding {name!a} any more: rules or captures are others now")
    announced, now = links(store), now_text()
    return [
        _case(found[name], by_finding.get(name, ()), announced.get(name, ""), now) for name in ids
    ]


def decided_of(store: Store) -> list[Case]:
    """The findings that somebody decided of, or that a record announces; worst first.

    Without those that nobody has looked at, which may be very many.
    """
    ids = {act.finding for act in acts_of_findings(store)}
    ids |= {finding for finding, change in links(store).items() if change != UNLINKED}
    there = [one.id for one in findings(store, "id", sorted(ids))]
    return sorted(cases_of(store, there), key=lambda case: case.rank)


def in_incident(store: Store, incident: str) -> list[Case]:
    """The findings of an incident, in order of time."""
    ids = [one.id for one in findings(store, "incident", [incident])]
    return sorted(cases_of(store, ids), key=lambda case: case.finding.first_time)


def _case(finding: Finding, acts: Sequence[Act], change: str, now: str) -> Case:
    fresh = EXPECTED if change not in {"", UNLINKED} else ""  # what nobody has decided is so
    state, owner = fresh or NEW, ""
    for act in acts:
        if act.kind == "assign":
            owner = act.after
        elif act.kind in STATES:
            state = STATES[act.kind]
            if state == "resolved" and finding.last_time > act.seen_until:
                state = fresh or AGAIN  # it went on
            if act.kind == "accept" and is_over(act.attribute, now):
                state = fresh or AGAIN
    return Case(finding, state, owner, tuple(acts), change)


def deciding(case: Case) -> Act | None:
    """What was decided of it last; None: nothing yet."""
    return next((act for act in reversed(case.acts) if act.kind in STATES), None)


def why_again(case: Case) -> str:
    """Why it is open although it was decided, unless a person opened it again."""
    act = deciding(case) if case.state == AGAIN else None
    return BACK.get(act.kind, "") if act else ""


def ends(act: Act) -> int:
    """When an acceptance ends, ns since 1970 UTC; 0: never, or it is none."""
    return end_of(act.attribute) if act.kind == "accept" else 0


def word_on(case: Case) -> tuple[str, str]:
    """Who decided of a finding last, and why; of what a record announces the record; else nobody."""
    act = deciding(case)
    if case.state == EXPECTED and (act is None or act.kind != "expect"):
        return "", f"announced by change {case.change}"
    return (act.who, act.reason) if act else ("", "")


# ----------------------------------------------------------------------------------- acts


def decided(case: Case, kind: FindingAct, word: Word, text: str = "", until: int = 0) -> Act:
    """The act of a decision. Raises UsageError if it says nothing.

    ``text``: to whom, or the remark; ``until``: when an acceptance ends, in ns; 0: never.
    """
    if kind == "assign":
        before, after = case.owner, text
    elif kind == "comment":
        before, after = "", text
    else:
        before, after = case.state, STATES[kind]
        last = deciding(case)
        again = last is not None and last.attribute == end_text(until)  # not until another moment
        if before == after and again and kind != "ack":
            raise UsageError(f"{case.finding.id} is {after} already")
    if kind in {"comment", "assign"} and not text.strip():
        raise UsageError(f"{kind}: say {'what' if kind == 'comment' else 'to whom'}")
    if max(len(word.reason), len(text), len(word.who)) > LONGEST:
        raise UsageError(f"at most {LONGEST} letters are kept")
    return Act(
        *(0, word.time, word.who, kind, "", end_text(until), before, after, word.reason),
        login=word.login,
        host=word.host,
        finding=case.finding.id,
        seen_until=case.finding.last_time,
    )


# -------------------------------------------------------------------------------- choosing


def one_of(found: Sequence[Case], text: str) -> list[Case]:
    """The finding of an id or of its beginning, or those of an incident. Raises UsageError."""
    wanted = text.strip().casefold()
    name: Callable[[Case], str] = (
        _incident if wanted.startswith("i") else _id
    )  # ids are hexadecimal
    met = [case for case in found if wanted and name(case).startswith(wanted)]
    names = sorted({name(case) for case in met})
    if wanted in names[:1] or len(names) == 1:  # the name itself is the first that begins so
        return [case for case in met if name(case) == names[0]]
    if met:
        kind = "findings" if name is _id else "incidents"
        raise UsageError(f"{text!a} begins the ids of {len(names)} {kind}: {', '.join(names[:5])}")
    raise UsageError(f"no finding {text!a}; `otsec findings` lists them")


def _id(case: Case) -> str:
    return case.finding.id


def _incident(case: Case) -> str:
    return case.finding.incident


def chosen(found: Iterable[Case], filters: Sequence[Filter]) -> list[Case]:
    """The cases that pass all filters."""
    return [case for case in found if all(_passes(case, one) for one in filters)]


def _passes(case: Case, one: Filter) -> bool:
    return passes(case, one, KEYS, _texts, (case.finding.first_time, case.finding.last_time))


def _texts(case: Case) -> Iterable[str]:
    one = case.finding
    yield from (one.id, one.title, one.name, one.client, one.server, one.seen, case.state)
    yield from (case.owner, one.incident, one.protocol, *one.operations, *one.objects)


KEYS: Mapping[str, Callable[[Case], Iterable[str]]] = {  # what each filter looks at
    "id": lambda case: (case.finding.id, case.finding.short),
    "level": lambda case: (case.finding.level,),
    "state": lambda case: (case.state, "open" if case.open else "closed"),
    "rule": lambda case: (case.finding.name, case.finding.rule),
    "category": lambda case: (case.finding.category,),
    "technique": lambda case: case.finding.techniques or ("",),
    "incident": lambda case: (case.finding.incident,),
    "owner": lambda case: (case.owner,),
    "change": lambda case: (case.change,),
    "client": lambda case: (case.finding.client,),
    "server": lambda case: (case.finding.server,),
    "host": lambda case: (case.finding.client, case.finding.server),
    "device": lambda case: (case.finding.device,),
    "service": lambda case: (case.finding.service,),
    "proto": lambda case: (case.finding.protocol,),
    "vlan": lambda case: (case.finding.place,),
    "group": lambda case: (case.finding.group,),
    "site": lambda case: (case.finding.site,),
}
