"""What depends on a device: who would lose what if it were cut off.

A client depends on who answers it; a server on who commands or writes to it, if nobody else does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset, Node
from otsec.policy.verdicts import Acts

# Services of which any server does as well as another, so that two of them are a spare.
SHARED = frozenset({"ntp", "dns", "dhcp", "ldap", "radius", "nbns"})
LINK = frozenset({"arp", "lldp", "cdp"})
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
    inventory: Inventory, acts: Acts, wanted: Sequence[Asset], depth: int = 1
) -> list[Dependence]:
    """What depends on some devices, the worst first."""
    links = list(_links(inventory, acts))
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
    return sorted(
        found.values(), key=lambda one: (one.depth, -one.weight, -one.count, one.who, one.protocol)
    )


def _links(inventory: Inventory, acts: Acts) -> Iterator[_Link]:
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
    repeats = link.count > 3 and span > 0 and link.cls in {"read", "report", "write", "time"}
    return Dependence(
        who=inventory.assets[who].name,
        who_id=inventory.assets[who].id,
        on=inventory.assets[on].name,
        lost=WORDS[link.cls][0],
        how=how,
        protocol=link.protocol,
        count=link.count,
        every_us=span // (link.count - 1) // 1_000 if repeats else None,
        last_time=link.last_time,
        redundant=bool(others),
        others=tuple(sorted(inventory.assets[one].name for one in others)),
        depth=depth,
    )
