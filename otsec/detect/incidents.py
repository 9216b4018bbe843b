"""Incidents: findings that are one story, by host, time and stage of an attack.

Two findings belong together when one host acts in both (or the target of one acts in the later
one) and no more than an hour lies between them. Only findings that name a technique and are of
level medium or above make an incident: a weak setting is nobody's deed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from otsec.detect import attack
from otsec.detect.model import LEVELS
from otsec.store.findings import Finding, Packet

NEAR_NS = 3_600 * 1_000_000_000
LEAST = LEVELS.index("medium")
NOBODY = frozenset({"", "several", "many"})

Found = tuple[Finding, tuple[Packet, ...]]


def joined(found: Sequence[Found]) -> list[Found]:
    """The findings with the name of their incident; those that stand alone have none."""
    able = [one for one, _ in found if LEVELS.index(one.level) >= LEAST and one.techniques]
    named: dict[str, str] = {}
    for story in _stories(able):
        if len(story) > 1:
            first = min(story, key=lambda one: (one.first_time, one.id))
            name = name_of(first.id)
            named.update((one.id, name) for one in story)
    return [(one._replace(incident=named.get(one.id, "")), packets) for one, packets in found]


def name_of(first: str) -> str:
    """The name of an incident that begins with a finding.

    Its first seven digits are of the first eight of the finding, of which they were made when ids
    had no more: so names that somebody wrote down then still begin one.
    """
    digits = (hashlib.sha256(part.encode()).hexdigest() for part in (first[:8], first))
    return "i" + "".join(one[:size] for one, size in zip(digits, (7, 5), strict=True))


def _stories(found: Sequence[Finding]) -> Iterable[list[Finding]]:
    """Sets of findings that hang together."""
    root = {one.id: one.id for one in found}

    def top(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    actors: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    targets: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for one in sorted(found, key=lambda one: (one.first_time, one.id)):
        where = (one.site, one.group)
        if one.client not in NOBODY:
            actors[*where, one.client].append(one)
        if one.server not in NOBODY:
            targets[*where, one.server].append(one)
    for host, acting in actors.items():
        for before, after in _near(acting):
            root[top(after.id)] = top(before.id)
        for after in acting:
            for before in targets.get(host, ()):
                if before.first_time <= after.first_time <= before.last_time + NEAR_NS:
                    root[top(after.id)] = top(before.id)
    stories: dict[str, list[Finding]] = defaultdict(list)
    for one in found:
        stories[top(one.id)].append(one)
    return stories.values()


def _near(acting: Sequence[Finding]) -> Iterable[tuple[Finding, Finding]]:
    """Pairs of which the later begins within an hour of all that came before."""
    latest = None
    for one in acting:
        if latest is not None and one.first_time <= latest.last_time + NEAR_NS:
            yield latest, one
        if latest is None or one.last_time > latest.last_time:
            latest = one


def stages(story: Iterable[Finding]) -> Mapping[str, list[Finding]]:
    """The findings of an incident by stage of ATT&CK, in the order of the stages."""
    known = attack.techniques()
    by_stage: dict[int, list[Finding]] = defaultdict(list)
    for one in story:
        places = [known[name].stage for name in one.techniques if name in known]
        by_stage[min(places, default=len(attack.STAGES))].append(one)
    names = (*attack.STAGES, "")
    return {names[stage]: by_stage[stage] for stage in sorted(by_stage)}
