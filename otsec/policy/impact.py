"""What depends on a device: who would lose what if it were cut off.

A client depends on who answers it; a server on who commands or writes to it, if nobody else does.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset, Node
from otsec.policy.verdicts import Acts, Flow

# Services of which any server does as well as another, so that two of them are a spare.
SHARED = frozenset({"ntp", "dns", "dhcp", "ldap", "radius", "nbns"})
LINK = frozenset({"arp", "lldp", "cdp", "stp"})
MOVING = frozenset({"write", "control", "mode", "program"})
WORDS: Mapping[str, tuple[str, int]] = {  # class: what is lost, and how much it weighs
    "control": ("commands", 100), "write": ("writes", 90), "mode": ("starts and stops", 60),
    "read": ("polls", 80), "report": ("reports", 80), "time": ("time", 40), "session": ("sessions", 10),
    "program": ("programs", 30), "file": ("files", 30), "config": ("configuration", 20),
    "firmware": ("firmware", 10), "browse": ("names and identity", 15), "diagnose": ("diagnostics", 10),
    "": ("connections that could not be read", 30),
}  # fmt: skip
SPARE = 0.2  # of the weight of what there is another source for
MOST_DEPTH = 5
AGAIN = 3  # commands of a process that runs; fewer are somebody trying something
STATION = frozenset({"name", "hostname", "station_name"})


Deeds: TypeAlias = Collection[tuple[str, str, str, str]]  # client, server, protocol, operation


@dataclass(frozen=True, slots=True)
class Dependence:
    """One thing that somebody would lose."""

    who: str  # name of who loses it
    who_id: str
    on: str  # name of the device on which it depends
    lost: str  # polls, writes, time ...
    how: str  # `asks it`, `is commanded by it`, `hears it`
    protocol: str
    count: int  # exchanges; packets where nothing could be read
    every_us: int | None  # mean time between two, of what repeats itself
    last_time: int
    redundant: bool  # there is another one for it
    others: tuple[str, ...]  # who these are
    depth: int  # 1: of the device itself; 2: of who depends on it, ...

    @property
    def weight(self) -> float:
        """How bad it is."""
        heavy = next(weight for word, weight in WORDS.values() if word == self.lost)
        return heavy * (SPARE if self.redundant else 1.0)


@dataclass(slots=True)
class _Link:
    """What one asset does with another, of one protocol and class."""

    client: int
    server: int  # -1: a group, all that listen
    protocol: str
    cls: str
    by_source: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    first_time: int = 1 << 62
    last_time: int = 0
    answered: bool = False

    @property
    def count(self) -> int:
        """By the source that saw most."""
        return max(self.by_source.values(), default=0)


def impact(
    inventory: Inventory,
    acts: Acts,
    wanted: Sequence[Asset],
    depth: int = 1,
    besides: Deeds = frozenset(),
) -> list[Dependence]:
    """What depends on some devices, the worst first; ``besides``: what does not count."""
    links = list(_links(inventory, acts, besides))
    number = {asset.id: at for at, asset in enumerate(inventory.assets)}
    found: dict[tuple[object, ...], Dependence] = {}
    others = _Others.of(links)
    here = {number[asset.id] for asset in wanted}
    met = set(here)
    for step in range(1, min(depth, MOST_DEPTH) + 1):
        told = list(_of(inventory, links, others, here, met, step))
        for one in told:
            found.setdefault((one.who_id, one.on, one.lost, one.how, one.protocol), one)
        here = {number[one.who_id] for one in told if not one.redundant} - met
        met |= here
    return sorted(found.values(), key=_order)


def behind(inventory: Inventory, asset: Asset) -> list[Asset]:
    """The devices that are reached through a switch or router, as far as it was told.

    Behind a router is whose packets carry its MAC address; at a switch is who says so of itself
    (PROFINET's alias names the neighbour's port and station, IEC 61158-6-10).
    """
    macs, names = set(asset.macs), {name.casefold() for name in _stations(asset)}
    return [
        one
        for one in inventory.assets
        if one is not asset
        and (
            any(address.routed in macs for address in one.addresses if address.routed)
            or any(
                port_of(known.value)[1] in names
                for known in one.known
                if known.attribute == "alias"
            )
        )
    ]


def _stations(asset: Asset) -> Iterator[str]:
    yield asset.name
    yield from (known.value for known in asset.known if known.attribute in STATION)


def port_of(alias: str) -> tuple[str, str]:
    """Port and station of the neighbour, of `port-003.switch-hall-2`; empty: it names none."""
    port, dot, station = alias.partition(".")
    return (port, station.casefold()) if dot and port.startswith("port-") else ("", "")


def through(
    inventory: Inventory,
    acts: Acts,
    flows: Sequence[Flow],
    allowed_otherwise: Sequence[Flow],
    depth: int = 1,
) -> list[Dependence]:
    """What depends on a conduit: its flows, and of these those that others allow as well."""
    spare = {_named(flow) for flow in allowed_otherwise}
    people = {asset.id: asset for asset in inventory.assets}
    found = [_by_flow(flow, redundant=_named(flow) in spare) for flow in flows]
    losing = [people[one.who_id] for one in found if one.who_id in people and not one.redundant]
    if depth > 1 and losing:
        further = impact(inventory, acts, losing, depth - 1)
        found += (replace(one, depth=one.depth + 1) for one in further)
    return sorted(found, key=_order)


def _named(flow: Flow) -> tuple[str, ...]:
    return (
        *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
        *(flow.service, flow.protocol, flow.cls, flow.operation),
    )


def _by_flow(flow: Flow, *, redundant: bool) -> Dependence:
    client, server = flow.client, flow.server
    span = flow.last_time - flow.first_time
    return Dependence(
        who=client.person.name or client.address,
        who_id=client.person.id,
        on=server.person.name or server.address,
        lost=WORDS[flow.cls][0],
        how="passes it",
        protocol=flow.word,
        count=flow.count,
        every_us=_every(flow.count, span, flow.cls),
        last_time=flow.last_time,
        redundant=redundant,
        others=(),
        depth=1,
    )


def _every(count: int, span: int, cls: str) -> int | None:
    """Mean time between two in microseconds, of what repeats itself."""
    repeats = count > 3 and span > 0 and cls in {"read", "report", "write", "time"}
    return span // (count - 1) // 1_000 if repeats else None


def _order(one: Dependence) -> tuple[object, ...]:
    return one.depth, -one.weight, -one.count, one.who, one.protocol


def commands_alone(
    inventory: Inventory, acts: Acts, asset: Asset, besides: Deeds = frozenset()
) -> list[Dependence]:
    """What nobody but one device commands, and again and again: a process that runs by it.

    ``besides``: what does not count, because it is the attack.
    """
    return [
        one
        for one in impact(inventory, acts, [asset], besides=besides)
        if one.how == "is commanded by it" and not one.redundant and one.count >= AGAIN
    ]


def _links(inventory: Inventory, acts: Acts, besides: Deeds) -> Iterator[_Link]:
    where: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for node, at in inventory.by_node.items():
        where[node.site, node.group, node.address].add(at)
    ends = [
        (
            _at(inventory, where, Node(talk.site, talk.group, talk.place, talk.client)),
            _at(inventory, where, Node(talk.site, talk.group, talk.place, talk.server)),
        )
        for talk in acts.talks
    ]
    links: dict[tuple[int, int, str, str], _Link] = {}
    columns = (acts.talk, acts.act, acts.count, acts.first, acts.last, acts.answered)
    for talk, act, count, first, last, answered in zip(*(c.tolist() for c in columns), strict=True):
        client, server = ends[talk]
        done, heard = acts.acts[act], acts.talks[talk]
        protocol = done.protocol or heard.service
        if client < 0 or client == server or protocol in LINK:
            continue
        if besides and (heard.client, heard.server, protocol, done.operation) in besides:
            continue
        key = (client, server, protocol, done.cls)
        link = links.setdefault(key, _Link(*key))
        link.by_source[heard.source] += count
        link.first_time, link.last_time = min(link.first_time, first), max(link.last_time, last)
        link.answered |= answered
    yield from (link for link in links.values() if link.answered)


def _at(inventory: Inventory, where: Mapping[tuple[str, str, str], set[int]], node: Node) -> int:
    """The asset that has an address; -1: none, or several."""
    if node in inventory.by_node:
        return inventory.by_node[node]
    others = where.get((node.site, node.group, node.address), set())
    return next(iter(others)) if len(others) == 1 else -1


@dataclass(frozen=True, slots=True)
class _Others:
    """Who else does the same."""

    movers: Mapping[int, set[int]]  # by server, who changes something there
    servers: Mapping[tuple[int, str, str], set[int]]  # by client, protocol and class

    @classmethod
    def of(cls, links: Iterable[_Link]) -> Self:
        """Of all links."""
        movers: dict[int, set[int]] = defaultdict(set)
        servers: dict[tuple[int, str, str], set[int]] = defaultdict(set)
        for link in links:
            if link.cls in MOVING:
                movers[link.server].add(link.client)
            if link.protocol in SHARED and link.server >= 0:
                servers[link.client, link.protocol, link.cls].add(link.server)
        return cls(movers, servers)


def _of(
    inventory: Inventory,
    links: Sequence[_Link],
    others: _Others,
    here: set[int],
    met: set[int],
    depth: int,
) -> Iterator[Dependence]:
    """What depends on the devices of one step."""
    for link in links:
        if link.server in here and link.client not in met:
            spare = others.servers.get((link.client, link.protocol, link.cls), set()) - met
            yield _told(inventory, link, "asks it", spare, depth)
        if link.client in here and link.server >= 0 and link.server not in met:
            if link.cls in MOVING:
                spare = others.movers[link.server] - met
                yield _told(inventory, link, "is commanded by it", spare, depth)
            elif link.cls == "report":
                yield _told(inventory, link, "hears it", set(), depth)


def _told(inventory: Inventory, link: _Link, how: str, others: set[int], depth: int) -> Dependence:
    who, on = (link.client, link.server) if how == "asks it" else (link.server, link.client)
    span = link.last_time - link.first_time
    return Dependence(
        who=inventory.assets[who].name,
        who_id=inventory.assets[who].id,
        on=inventory.assets[on].name,
        lost=WORDS[link.cls][0],
        how=how,
        protocol=link.protocol,
        count=link.count,
        every_us=_every(link.count, span, link.cls),
        last_time=link.last_time,
        redundant=bool(others),
        others=tuple(sorted(inventory.assets[one].name for one in others)),
        depth=depth,
    )
