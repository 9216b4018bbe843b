"""Which session was worked through which: from the vendor to the controller.

Packets do not say that somebody who sits at a jump host by one session opens the next one from
there. Time and direction do, with a confidence that is the sum of what speaks for it (`WEIGHTS`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from otsec.sessions.model import Session, Step

SLACK_NS = 60 * 10**9  # a session may begin so long after the last packet of the one before
SOON_NS = 10 * 60 * 10**9
BRIEF_NS = 5 * 10**9  # nobody works in a session that is over so soon
LONGEST_WAY = 8  # sessions; longer ways are circles of machines that work on one another
LEAST = 0.3  # a step below it is not told
SUREST = 0.95

BASE = 0.35  # began at the host on which the one before ended, while that was open
WEIGHTS = {
    "no other session was open on that host": 0.25,
    "began and ended while it was open": 0.15,
    "began within ten minutes of it": 0.1,
    "that host does this only while such a session is open": 0.15,
    "it was over within five seconds": -0.25,
}
ALONE, WITHIN, SOON, ONLY, BRIEF = WEIGHTS


def joined(sessions: Sequence[Session]) -> list[Session]:
    """The sessions, in order of their beginning, each with the way to it."""
    open_ones = dict(_open_entries(sessions))
    habits: dict[tuple[str, ...], list[bool]] = defaultdict(list)
    for one in sessions:
        habits[_habit(one)].append(bool(open_ones[one.id]))
    before: dict[str, tuple[Session, Step]] = {}
    for one in sessions:
        habit = habits[_habit(one)]
        found = _before(one, open_ones[one.id], only=len(habit) > 1 and all(habit))
        if found is not None:
            before[one.id] = found
    return [replace(one, path=_path(one, before)) for one in sessions]


def _open_entries(sessions: Sequence[Session]) -> Iterator[tuple[str, list[Session]]]:
    """By id of each session, those to the host where it began that were open then."""
    entries = [
        one
        for one in sessions
        if one.kind in {"interactive", "tunnel"} and one.server.address != one.client.address
    ]
    going: dict[tuple[str, str], list[Session]] = defaultdict(list)  # by host, as time goes on
    at = 0
    for one in sessions:
        while at < len(entries) and entries[at].first_time <= one.first_time:
            going[_host(entries[at], server=True)].append(entries[at])
            at += 1
        host = _host(one, server=False)
        going[host] = [each for each in going[host] if _open_at(each, one)]
        yield one.id, [each for each in going[host] if each.id != one.id]


def _host(session: Session, *, server: bool) -> tuple[str, str]:
    party = session.server if server else session.client
    return session.site, party.asset or party.address


def _habit(session: Session) -> tuple[str, ...]:
    return (*_host(session, server=False), *_host(session, server=True), session.protocol)


def _before(
    session: Session, open_ones: Sequence[Session], *, only: bool
) -> tuple[Session, Step] | None:
    """The session through which this one was worked, if any; of equals the one that began last."""
    if not open_ones:
        return None
    steps = [(one, _step(one, session, len(open_ones), only=only)) for one in open_ones]
    best = max(steps, key=lambda pair: (pair[1].confidence, pair[0].first_time, pair[0].id))
    return best if best[1].confidence >= LEAST else None


def _open_at(entry: Session, session: Session) -> bool:
    return entry.first_time <= session.first_time <= entry.last_time + SLACK_NS


def _step(entry: Session, session: Session, rivals: int, *, only: bool) -> Step:
    tests = {
        ALONE: rivals == 1,
        WITHIN: session.last_time <= entry.last_time,
        SOON: session.first_time - entry.first_time <= SOON_NS,
        ONLY: only,
        BRIEF: entry.last_time - entry.first_time < BRIEF_NS,
    }
    reasons = tuple(reason for reason, holds in tests.items() if holds)
    sure = BASE + sum(WEIGHTS[reason] for reason in reasons)
    if entry.outcome:
        sure, reasons = 0.0, (*reasons, "its login was refused")
    return Step(entry.id, entry.client.name, round(min(max(sure, 0.0), SUREST), 2), reasons)


def _path(session: Session, before: dict[str, tuple[Session, Step]]) -> tuple[Step, ...]:
    steps: list[Step] = []
    met = {session.id}
    here = session.id
    while here in before and len(steps) < LONGEST_WAY:
        entry, step = before[here]
        if entry.id in met:
            break
        met.add(entry.id)
        steps.insert(0, step)
        here = entry.id
    return tuple(steps)
