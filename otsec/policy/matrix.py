"""Who talks to whom by zones, and how: the matrix of a policy, and its zones by level."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from otsec.policy.judging import is_it
from otsec.policy.model import DMZ, LEVELS, End, Policy, Zone
from otsec.policy.simulation import is_cut
from otsec.policy.verdicts import Flow

OUTSIDE = "no zone"  # those that no zone has
INTERNET = "internet"
STATES = ("violated", "undecoded", "allowed", "unused")  # of a cell, the worst first


@dataclass(slots=True)
class Cell:
    """What goes from one zone to another; counts are of flows."""

    source: str
    target: str
    allowed: int = 0
    violated: int = 0
    undecoded: int = 0
    exchanges: int = 0
    used: set[str] = field(default_factory=set)  # conduits and exceptions
    unused: set[str] = field(default_factory=set)
    violating: set[str] = field(default_factory=set)  # protocols and classes of what is violated

    @property
    def state(self) -> str:
        """The worst of it; empty: nothing goes there, and nothing may."""
        numbers = (self.violated, self.undecoded, self.allowed, len(self.unused))
        return next((state for state, n in zip(STATES, numbers, strict=True) if n), "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """Zones in order of their level, the highest first, and what goes between them."""

    names: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    members: dict[str, int]  # addresses seen in each zone


def matrix(policy: Policy, flows: Sequence[Flow]) -> Matrix:
    """The matrix of what was judged."""
    cells: dict[tuple[str, str], Cell] = {}
    members: dict[str, set[str]] = defaultdict(set)

    def cell(source: str, target: str) -> Cell:
        return cells.setdefault((source, target), Cell(source, target))

    for flow in flows:
        source, target = zones_of(flow)
        for end, name in ((flow.client, source), (flow.server, target)):
            if not end.group:
                members[name].add(end.address)
        if flow.option.cause == "link":
            continue
        one = cell(source, target)
        one.exchanges += flow.count if flow.cls else 0
        if is_cut(flow.verdict):
            one.violated += 1
            one.violating.add(" ".join(word for word in (flow.word, flow.cls) if word))
        elif flow.verdict == "undecoded":
            one.undecoded += 1
        else:
            one.allowed += 1
        if flow.option.rule is not None and not is_cut(flow.verdict):
            one.used.add(flow.rule)
    used = {
        flow.rule for flow in flows if flow.option.rule is not None and not is_cut(flow.verdict)
    }
    for rule in (*policy.conduits, *policy.exceptions):
        if rule.id in used:
            continue
        for source in _zones(policy, rule.sources):
            for target in _zones(policy, rule.targets) or [source]:  # a group of all that listen
                cell(source, target).unused.add(rule.id)
    names = [zone.name for zone in sorted(policy.zones, key=_height)]
    others = [name for name in (INTERNET, OUTSIDE) if any(name in key for key in cells)]
    return Matrix(
        (*others, *names), cells, {name: len(members[name]) for name in (*others, *names)}
    )


def _height(zone: Zone) -> tuple[float, str]:
    return -(zone.level if zone.level is not None else -1.0), zone.name


def _name(flow: Flow, *, server: bool) -> str:
    end = flow.server if server else flow.client
    if end.zone is not None:
        return end.zone.name
    return INTERNET if end.internet else OUTSIDE


def zones_of(flow: Flow) -> tuple[str, str]:
    """The cell to which a flow belongs."""
    return _name(flow, server=False), _name(flow, server=True)


def _zones(policy: Policy, ends: Iterable[End]) -> list[str]:
    """The zones of which somebody is meant, as far as the text tells."""
    found: dict[str, None] = {}
    for end in ends:
        if end.selector.any:
            found.update(dict.fromkeys(zone.name for zone in policy.zones))
        for zone in policy.zones:
            held = any(net.version == own.version and net.subnet_of(own)  # type: ignore[arg-type]
                       for net in end.selector.nets for own in zone.nets)  # fmt: skip
            if zone.name in end.selector.zones or (held and not end.selector.zones):
                found[zone.name] = None
    return list(found)


def levels(policy: Policy) -> list[tuple[str, list[Zone]]]:
    """Zones by Purdue level, the highest first; those without one last."""
    rows: list[tuple[str, list[Zone]]] = []
    for level in sorted(LEVELS, reverse=True):
        zones = [zone for zone in policy.zones if zone.level == level]
        if zones:
            rows.append((_title(level), zones))
    loose = [zone for zone in policy.zones if zone.level is None]
    return [*rows, ("no level", loose)] if loose else rows


def _title(level: float) -> str:
    names = {
        5.0: "enterprise and world", 4.0: "office", DMZ: "DMZ", 3.0: "operations", 2.0: "supervision",
        1.0: "control", 0.0: "process",
    }  # fmt: skip
    return f"{level:g} {names[level]}"


def side(zone: Zone) -> str:
    """`it` or `ot`."""
    return "it" if is_it(zone) else "ot"
