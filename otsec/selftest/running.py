"""Replays the attack of each rule, as it would be at the site, and tells what came of it.

What the site knows of its devices, what people decided of findings, its settings and its own rules
hold in the scratch store as they do in the site's. Where a rule stays silent the same is tried
without each of them, so that it can be told what suppresses it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from otsec.capture import Source
from otsec.config import Caps, Config, Point
from otsec.detect.cases import Case, cases
from otsec.detect.judging import judge
from otsec.detect.model import Rule
from otsec.detect.rows import SURE
from otsec.errors import OtsecError
from otsec.evidence.captures import Frame
from otsec.evidence.pcapng import Interface
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.model import Asset, Node
from otsec.inventory.people import shown
from otsec.pipeline import Options, Run
from otsec.selftest.readdress import can_be_tagged, frames, write
from otsec.selftest.standins import Cast, cast, industrial
from otsec.store import Store, open_store, queries
from otsec.store.acts import Act, acts_of_findings, record
from otsec.trials import Captures, read

Result: TypeAlias = Literal["fired", "suppressed", "silent", "not tested", "cannot fire"]
RESULTS: tuple[Result, ...] = ("silent", "suppressed", "not tested", "cannot fire", "fired")
SAID = ("role", "level", "vendor", "name")  # what rules ask of the inventory
LATER_NS = 10**9  # the attack comes so long behind the last packet of the site
NAME = "attack.pcapng"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule."""

    rule: Rule
    result: Result
    why: str = ""
    capture: str = ""
    client: str = ""  # of the site, with its name
    server: str = ""
    finding: str = ""  # the id that it would have here
    seen: str = ""  # what people would read


@dataclass(frozen=True, slots=True)
class Site:
    """What of a site matters to rules."""

    config: Config
    found: Inventory
    decisions: tuple[Act, ...]
    end: int  # of what was captured, ns; 0: nothing was captured
    points: Mapping[tuple[str, str], str]  # a point of each site and group

    @classmethod
    def of(cls, store: Store, config: Config) -> "Site":
        """As the store knows it."""
        sources = queries.sources(store)
        return cls(
            config,
            inventory(store),
            tuple(acts_of_findings(store)),
            max((one.last_time for one in sources), default=0),
            {(one.site, one.group): one.point for one in reversed(sources)},
        )


Progress: TypeAlias = Callable[[int, int, str], None]  # captures done, of how many, the next one


def self_test(
    site: Site, rules: Sequence[Rule], captures: Sequence[Captures], progress: Progress
) -> list[Outcome]:
    """What becomes of each rule, the worst first."""
    told: list[Outcome] = []
    wanted: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        name, why = _capture(rule, captures)
        if rule.cannot:
            told.append(Outcome(rule, "cannot fire", rule.cannot))
        elif name:
            wanted[name].append(rule)
        else:
            told.append(Outcome(rule, "not tested", why))
    for done, name in enumerate(sorted(wanted)):
        progress(done, len(wanted), name)
        told += _replayed(site, name, _path(name, captures), wanted[name])
    progress(len(wanted), len(wanted), "")
    return sorted(told, key=lambda one: (RESULTS.index(one.result), one.rule.name))


def _capture(rule: Rule, captures: Sequence[Captures]) -> tuple[str, str]:
    """The first capture that fires the rule and is here, or why there is none."""
    names = [trial.capture for trial in rule.fires]
    found = next((name for name in names if _path(name, captures) != Path()), "")
    if not names:
        return "", "the rule names no capture that fires it"
    return found, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not here"


def _path(name: str, captures: Sequence[Captures]) -> Path:
    """Where a capture lies; the empty path: nowhere."""
    return next((path for one in captures if (path := one.path(name)) is not None), Path())


# ----------------------------------------------------------------------------------- replaying


@dataclass(slots=True)
class _Play:
    """A capture made ready for the site."""

    site: Site
    name: str
    cast: Cast
    frames: Sequence[Frame]
    interfaces: Sequence[Interface]
    place: str | None  # the VLAN it is put into; None: as it was captured
    rules: Sequence[Rule]
    acts: Sequence[Act] = field(default=())

    def met(self, *, known: bool = True, caps: bool = True) -> Mapping[str, list[Case]]:
        """The findings of each rule; ``known``: with what the site knows, ``caps``: its limits."""
        with (
            TemporaryDirectory(prefix="otsec-selftest-") as folder,
            open_store(Path(folder) / "scratch.db") as store,
        ):
            path = Path(folder) / NAME
            begin = self.site.end + LATER_NS if self.site.end else 0
            named = self.cast.addresses
            write(path, self.frames, self.interfaces, named, self.place, begin)
            self._read(store, path, caps=caps)
            record(store, [*self.acts, *self.site.decisions] if known else [])
            judge(store, self.rules)
            return _by_rule(cases(store))

    def _read(self, store: Store, path: Path, *, caps: bool) -> None:
        """As `otsec analyze` reads it, at a point of the site that sees these devices."""
        where = self.cast.place
        point = self.site.points.get((where.site, where.group), "selftest")
        config = replace(
            self.site.config,
            store=store.path,
            site=where.site,
            points={point: Point(point, where.group)},
            caps=self.site.config.caps if caps else Caps(),
        )
        run = Run(store, config, Options(), lambda *_: None, lambda: False)
        for _ in run.read([Source(point, (path,))], named=True):
            pass


def _replayed(site: Site, name: str, path: Path, rules: Sequence[Rule]) -> Iterator[Outcome]:
    try:
        found, interfaces = frames(path)
        play, plainly = _ready(site, name, path, rules, (found, interfaces))
    except OtsecError as error:
        yield from (Outcome(rule, "not tested", str(error), name) for rule in rules)
        return
    if play is None:
        why = f"{site.config.store} holds no device that could be attacked"
        yield from (Outcome(rule, "not tested", why, name) for rule in rules)
        return
    met = play.met()
    for rule in rules:
        made = met.get(rule.id, [])
        if made:
            yield _told(play, rule, made)
        else:
            yield _silent(play, rule, plainly.get(rule.id, []))


def _ready(
    site: Site,
    name: str,
    path: Path,
    rules: Sequence[Rule],
    found: tuple[Sequence[Frame], Sequence[Interface]],
) -> tuple[_Play | None, Mapping[str, list[Case]]]:
    """The play, and what the rules find in the capture as it is."""
    with (
        TemporaryDirectory(prefix="otsec-selftest-") as folder,
        open_store(Path(folder) / "scratch.db") as store,
    ):
        read(store, [path])
        judge(store, rules)
        there, plainly = inventory(store), _by_rule(cases(store))
    made = cast(there, site.found)
    if made is None:
        return None, plainly
    single = len({node.place for node in there.by_node}) <= 1
    moved = single and can_be_tagged(found[0], made.place.place)
    place = made.place.place if moved else None
    return _Play(site, name, made, *found, place, rules, tuple(_said(made, place, there))), plainly


def _by_rule(found: Iterable[Case]) -> Mapping[str, list[Case]]:
    met: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        met[case.finding.rule].append(case)
    return met


def _said(made: Cast, place: str | None, there: Inventory) -> Iterator[Act]:
    """What the site knows of who stands in, as if people said so in the scratch store."""
    places = {place} if place is not None else {node.place for node in there.by_node}
    for address, played in sorted(made.played.items()):
        for attribute, value in _known(played.asset).items():
            for one in sorted(places):
                node = json.dumps(list(Node(made.place.site, made.place.group, one, address)))
                yield Act(0, 0, "selftest", "set", node, attribute, "", value, "")


def _known(asset: Asset | None) -> Mapping[str, str]:
    if asset is None:
        return {}
    told = {attribute: shown(asset, attribute) for attribute in SAID}
    told["name"] = asset.name
    if asset.role.confidence < SURE:
        del told["role"]
    return {attribute: value for attribute, value in told.items() if value}


# ------------------------------------------------------------------------------------- telling


def _told(play: _Play, rule: Rule, made: Sequence[Case]) -> Outcome:
    """It found something: people are told, unless they decided not to be."""
    case = next((case for case in made if case.open), made[0])
    finding = case.finding
    result: Result = "fired" if case.open else "suppressed"
    why = ""
    if not case.open:
        act = [one for one in case.acts if one.kind not in {"assign", "comment"}][-1]
        why = f"{case.state} by {act.who}" + (f": {act.reason}" if act.reason else "")
    else:
        why = _unlike(play, finding.server, finding.protocol)
    return Outcome(
        rule,
        result,
        why,
        play.name,
        play.cast.named(finding.client),
        play.cast.named(finding.server),
        finding.id,
        finding.seen,
    )


def _unlike(play: _Play, server: str, protocol: str) -> str:
    """How the attack differs from one that could happen: nobody, or not this one, speaks it."""
    if protocol not in industrial():
        return ""
    speakers = [one for one in play.site.found.assets if protocol in one.answers]
    if not speakers:
        return f"nobody here was seen to answer {protocol}"
    played = play.cast.played.get(server)
    if played is None or (played.asset is not None and protocol in played.asset.answers):
        return ""
    return f"{server} was not seen to answer {protocol}"


def _silent(play: _Play, rule: Rule, plainly: Sequence[Case]) -> Outcome:
    """It found nothing here: what suppresses it."""
    if not plainly:
        return Outcome(rule, "silent", "it finds nothing in its capture as it is", play.name)
    finding = plainly[0].finding
    ends = [play.cast.named(play.cast.of(one)) for one in (finding.client, finding.server)]
    result: Result = "suppressed"
    if play.met(known=False).get(rule.id):
        why = f"what is known of them here: {_knowledge(play, finding.client, finding.server)}"
    elif play.met(caps=False).get(rule.id):
        why = f"caps of {play.site.config.path or 'the configuration'}"
    elif play.met(known=False, caps=False).get(rule.id):
        why = "caps of the configuration and what is known of the devices, together"
    else:
        result, why = "silent", "it fires at the addresses of its capture and not at these"
    return Outcome(rule, result, why, play.name, ends[0], ends[1])


def _knowledge(play: _Play, *addresses: str) -> str:
    told = []
    for address in map(play.cast.of, addresses):
        played = play.cast.played.get(address)
        known = _known(played.asset) if played else {}
        words = ", ".join(f"{name} {value}" for name, value in known.items())
        if words:
            told.append(f"{address}: {words}")
    return "; ".join(told) or "nothing"


def summed(outcomes: Iterable[Outcome]) -> dict[Result, int]:
    """How many rules came to which result."""
    counts = Counter(one.result for one in outcomes)
    return {result: counts[result] for result in reversed(RESULTS)}
