"""Many deviations that begin at once, as one: a project was loaded, a network rebuilt, a switch moved.

Thirty findings of one cause are not thirty things to look at. Two sorts of scope can shift: one
device, if much of what is known of it is other at once; and a point group, if many of its devices
deviate at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from otsec.baseline import kinds
from otsec.baseline.barred import OWN
from otsec.baseline.learning import Baseline
from otsec.baseline.model import NOVEL, Scope, Thing
from otsec.baseline.text import time_text
from otsec.changes.linking import linked
from otsec.detect import telling
from otsec.detect.cases import UNLINKED
from otsec.detect.model import LEVELS
from otsec.nanoseconds import SECOND_NS
from otsec.store import Store
from otsec.store.findings import Finding, Packet

SHIFTED = 0.3  # share of a scope: more at once are one event
SEVERAL = 5  # findings, and devices of a point group; fewer are told one by one
AT_ONCE_NS = 3_600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Deviation:
    """A finding of the baseline, and the things that it tells of."""

    found: tuple[Finding, tuple[Packet, ...]]
    things: tuple[Thing, ...]

    @property
    def finding(self) -> Finding:
        """The finding without its packets."""
        return self.found[0]


def joined(store: Store, base: Baseline, made: Sequence[Deviation]) -> list[Deviation]:
    """The same with one finding for each shift, but for what was announced."""
    if len(made) < SEVERAL:
        return list(made)
    links = linked(store, [one.finding for one in made])
    gone = {name for name, change in links.items() if change != UNLINKED}
    left = [one for one in made if one.finding.id not in gone and one.things]
    look = _Look(base)
    shifts: list[Deviation] = []
    for several in (look.of_devices, look.of_networks):
        for scope, some in several([one for one in left if one.finding.id not in gone]):
            shifts.append(look.told(scope, some))
            gone |= {one.finding.id for one in some}
    told = {one.finding.id for one in left} & gone
    return [one for one in made if one.finding.id not in told] + shifts


class _Look:
    def __init__(self, base: Baseline) -> None:
        self.base = base
        held = {key for key, line in base.known.items() if line.how != "forgotten"}
        things = [one for one in base.shown.things if one.key in held and one.key.kind in NOVEL]
        self.known = Counter(one.scope for one in things)
        self.devices = Counter(one.network for one in self.known if one != one.network)

    def of_devices(self, made: Iterable[Deviation]) -> Iterator[tuple[Scope, list[Deviation]]]:
        """Of a device, or of which devices there are: much of what is known is other at once."""
        by_scope: dict[Scope, list[Deviation]] = defaultdict(list)
        for one in made:
            scopes = {thing.scope for thing in one.things}
            if len(scopes) == 1:
                by_scope[scopes.pop()].append(one)
        for scope, mine in sorted(by_scope.items()):
            for some in _at_once(mine):
                new = len({thing.key for one in some for thing in one.things})
                if len(some) >= SEVERAL and new > SHIFTED * self.known[scope]:
                    yield scope, some

    def of_networks(self, made: Iterable[Deviation]) -> Iterator[tuple[Scope, list[Deviation]]]:
        """Of a point group: many of its devices deviate at once."""
        by_network: dict[Scope, list[Deviation]] = defaultdict(list)
        for one in made:
            by_network[one.things[0].scope.network].append(one)
        for network, mine in sorted(by_network.items()):
            for some in _at_once(mine):
                devices = {thing.scope for one in some for thing in one.things} - {network}
                many = len(devices) > max(SHIFTED * self.devices[network], SEVERAL - 1)
                if len(some) >= SEVERAL and many:
                    yield network, some

    def told(self, scope: Scope, some: Sequence[Deviation]) -> Deviation:
        """One finding for all: as bad as the worst, and with what they have in common."""
        findings = sorted((one.finding for one in some), key=lambda one: (one.first_time, one.id))
        things = tuple({thing.key: thing for one in some for thing in one.things}.values())
        first = findings[0]
        worst = max(findings, key=lambda one: LEVELS.index(one.level))
        kind = kinds.SHIFT
        words = {**self._words(scope, findings, things), "worst": worst.seen}
        about = f"{first.first_time} {scope.address}".rstrip()
        key = telling.Key(scope.site, scope.group, scope.place, kind.id, "", "", "", "", about)
        here = [one for one in some if one.finding.source == first.source]
        finding = first._replace(
            id=key.id,
            short="",
            place=scope.place,
            rule=kind.id,
            name=kind.name,
            category=OWN,
            level=worst.level,
            title=kind.title,
            client=telling.shared(one.client for one in findings),
            server=scope.address or telling.shared(one.server for one in findings),
            service=telling.shared(one.service for one in findings),
            device=telling.shared(one.device for one in findings),
            protocol=telling.shared(one.protocol for one in findings),
            times=sum(one.times for one in findings),
            witnesses=tuple(sorted({name for one in findings for name in one.witnesses})),
            last_time=max(one.last_time for one in findings),
            last_packet=max(one.finding.last_packet for one in here),
            operations=telling.distinct(name for one in findings for name in one.operations),
            objects=telling.distinct(name for one in findings for name in one.objects),
            outcomes=telling.distinct(name for one in findings for name in one.outcomes),
            techniques=telling.distinct(name for one in findings for name in one.techniques),
            falsepositives=kind.falsepositives,
            seen=kind.seen.format_map(words),
            expected=kind.expected.format_map(words),
            why=kind.why,
            next=kind.next.format_map(words),
            doubt="; ".join(dict.fromkeys(one.doubt for one in findings if one.doubt)),
            incident="",
        )
        packets = {each.packet: each for one in here for each in one.found[1]}
        shown = [packets[number]._replace(finding=key.id) for number in sorted(packets)]
        return Deviation((finding, tuple(telling.first_and_last(shown))), things)

    def _words(
        self, scope: Scope, findings: Sequence[Finding], things: Sequence[Thing]
    ) -> dict[str, str]:
        often = Counter(one.title for one in findings)
        devices = sorted({one.scope.address for one in things if one.scope.address})
        whole = self.known[scope] if scope.address else self.devices[scope]
        return {
            "where": scope.address or f"{len(devices)} of {whole} devices ({telling.few(devices)})",
            "since": time_text(findings[0].first_time // SECOND_NS * SECOND_NS),
            "what": telling.few([f"{n} times {title!r}" for title, n in often.most_common()]),
            "known": f"{whole} things" if scope.address else f"{whole} devices",
            "ids": telling.listed([one.id for one in things]),
        }


def _at_once(made: Iterable[Deviation]) -> Iterator[list[Deviation]]:
    """Those that begin within an hour of the first."""
    mine: list[Deviation] = []
    for one in sorted(made, key=lambda one: (one.finding.first_time, one.finding.id)):
        if mine and one.finding.first_time - mine[0].finding.first_time > AT_ONCE_NS:
            yield mine
            mine = []
        mine.append(one)
    if mine:
        yield mine
