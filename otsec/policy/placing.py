"""Who is who in a policy: the zone of an address, and all that selectors say of it."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import SURE, Asset, Node, is_mac
from otsec.inventory.selection import tags
from otsec.policy.model import IpAddress, MacRange, Network, Policy, Selector, Zone
from otsec.policy.values import ends_network
from otsec.store.queries import is_device


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of who has an address."""

    role: str = ""  # only where it is sure enough
    tags: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()  # name and id, folded
    ips: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    name: str = ""
    id: str = ""
    level: float | None = None


NOBODY = Person()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a conversation."""

    address: str
    place: str
    person: Person
    zone: Zone | None
    group: bool  # a group address: all that listen
    internet: bool
    selectors: int  # bit n: selector n of `Places` means it


class Places:
    """Puts addresses into the zones and groups of a policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.selectors = _selectors(policy)
        self.number = {selector: number for number, selector in enumerate(self.selectors)}
        self._index = _Index(self.selectors)
        self._prefixes = _prefixes(policy.zones)
        self._ends = {
            net.broadcast_address for zone in policy.zones for net in zone.nets
            if net.version == 4 and net.prefixlen < 31
        }  # fmt: skip
        self._by_vlan = {vlan: zone for zone in policy.zones for vlan in zone.vlans}
        self._by_asset = {name: zone for zone in policy.zones for name in zone.assets}

    def endpoint(
        self, address: str, place: str, person: Person, *, aloud: bool = False
    ) -> Endpoint:
        """Where an address belongs; ``aloud``: it is the broadcast address of some network."""
        ip = _ip(address)
        ends = ip in self._ends or (aloud and ip is not None and ends_network(ip))
        group = ends or not is_device(address)
        zone = None if group else self._zone(ip, place, person)
        internet = ip is not None and ip.is_global and not group and zone is None
        bare = Endpoint(address, place, person, zone, group, internet, 0)
        return self._with_selectors(bare)

    def heard_by(self, server: Endpoint, client: Endpoint) -> Endpoint:
        """A group address as seen from who sends to it: those in the zone of the sender."""
        if not server.group or client.zone is None:
            return server
        near = Endpoint(
            server.address, server.place, server.person, client.zone, group=True, internet=False, selectors=0
        )  # fmt: skip
        return self._with_selectors(near)

    def _with_selectors(self, bare: Endpoint) -> Endpoint:
        bits = 0
        for number, placed in self._index.near(bare):
            if means(self.selectors[number], bare, placed=placed):
                bits |= 1 << number
        return Endpoint(
            bare.address, bare.place, bare.person, bare.zone, bare.group, bare.internet, bits
        )  # fmt: skip

    def _zone(self, ip: IpAddress | None, place: str, person: Person) -> Zone | None:
        """An asset that a zone names, the deepest prefix, that of its other addresses, its VLAN."""
        for name in person.names:
            if name in self._by_asset:
                return self._by_asset[name]
        found = self._deepest([ip] if ip is not None else [])
        if found is None and (ip is None or ip.is_link_local):
            found = self._deepest([one for text in person.ips if (one := _ip(text)) is not None])
        return found or self._by_vlan.get(place)

    def _deepest(self, addresses: Iterable[IpAddress]) -> Zone | None:
        best: tuple[int, Zone] | None = None
        for address in addresses:
            for bits, zones in self._prefixes[address.version]:
                zone = zones.get(int(address) >> (address.max_prefixlen - bits))
                if zone is not None:
                    if best is None or bits > best[0]:
                        best = (bits, zone)
                    break
        return None if best is None else best[1]


class _Index:
    """Which selectors can mean an end at all, so that few of many are looked at."""

    def __init__(self, selectors: Sequence[Selector]) -> None:
        self._always: list[int] = []
        self._by_zone: dict[str, list[int]] = defaultdict(list)
        self._by_address: dict[str, list[int]] = defaultdict(list)
        for number, selector in enumerate(selectors):
            hosts = [net for net in selector.nets if net.prefixlen == net.max_prefixlen]
            if hosts and len(hosts) == len(selector.nets):
                for net in hosts:
                    self._by_address[str(net.network_address)].append(number)
            elif selector.zones:
                for zone in selector.zones:
                    self._by_zone[zone].append(number)
            else:
                self._always.append(number)

    def near(self, end: Endpoint) -> Iterator[tuple[int, bool]]:
        """Numbers of selectors, some perhaps twice, and whether their addresses hold."""
        yield from ((number, False) for number in self._always)
        if end.zone is not None:
            yield from ((number, False) for number in self._by_zone.get(end.zone.name, ()))
        others = end.person.ips if is_mac(end.address) else ()
        for address in (end.address, *others):
            yield from ((number, True) for number in self._by_address.get(address, ()))


def means(selector: Selector, end: Endpoint, *, placed: bool = False) -> bool:
    """Whether a selector means an end of a conversation; ``placed``: its addresses hold."""
    if selector.any:
        return True
    if selector.multicast and not (
        end.group and any(_among(end.address, group) for group in selector.multicast)
    ):
        return False
    if selector.zones and (end.zone is None or end.zone.name not in selector.zones):
        return False
    if selector.vlans and end.place not in selector.vlans:
        return False
    if selector.internet and not end.internet:
        return False
    if end.group:  # who listens has no one address, role or name
        return not (
            selector.roles or selector.tags or selector.assets or selector.nets or selector.macs
        )
    person = end.person
    zone_tags = {tag.casefold() for tag in end.zone.tags} if end.zone else set()
    return (
        (not selector.roles or person.role in selector.roles)
        and (not selector.tags or bool(selector.tags & (person.tags | zone_tags)))
        and (not selector.assets or bool(selector.assets & person.names))
        and (placed or not selector.nets or _any(selector.nets, end.address, person.ips))
        and (not selector.macs or _any(selector.macs, end.address, person.macs))
    )


def _any(ranges: Sequence[Network | MacRange], address: str, others: Sequence[str]) -> bool:
    """Whether the address is in a range; of the other kind, one of the same asset."""
    wants_mac = isinstance(ranges[0], MacRange)
    texts = (address,) if is_mac(address) is wants_mac else others
    return any(_among(text, one) for text in texts for one in ranges)


def _among(text: str, group: Network | MacRange) -> bool:
    if isinstance(group, MacRange):
        return is_mac(text) and group.holds(int(text.replace(":", ""), 16))
    ip = _ip(text)
    return ip is not None and ip.version == group.version and ip in group


@lru_cache(maxsize=65_536)  # addresses repeat from row to row
def _ip(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _selectors(policy: Policy) -> tuple[Selector, ...]:
    found: dict[Selector, None] = {}
    for rule in policy.rules:
        for end in (*rule.sources, *rule.targets, *rule.unless_from):
            found[end.selector] = None
    return tuple(found)


def _prefixes(zones: Sequence[Zone]) -> Mapping[int, list[tuple[int, dict[int, Zone]]]]:
    """By version of IP, the zones by prefix, the longest first."""
    tables: dict[int, dict[int, dict[int, Zone]]] = {4: defaultdict(dict), 6: defaultdict(dict)}
    for zone in zones:
        for net in zone.nets:
            bits = net.prefixlen
            tables[net.version][bits][int(net.network_address) >> (net.max_prefixlen - bits)] = zone
    return {version: sorted(table.items(), reverse=True) for version, table in tables.items()}


# ------------------------------------------------------------------------------- inventory


class People:
    """Who has which address, by the inventory."""

    def __init__(self, found: Inventory) -> None:
        self._found = found
        self._people = [_person(asset) for asset in found.assets]
        self._anywhere: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        for node, number in found.by_node.items():
            self._anywhere[node.site, node.group, node.address].add(number)

    def at(self, site: str, group: str, place: str, address: str) -> Person:
        """Who has an address there; else, if only one has it anywhere in the point group, that."""
        number = self._found.by_node.get(Node(site, group, place, address))
        if number is None:
            others = self._anywhere.get((site, group, address), ())
            if len(others) != 1:
                return NOBODY
            (number,) = others
        return self._people[number]

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people)


def _person(asset: Asset) -> Person:
    sure = asset.role.confidence >= SURE and asset.role.role != "unknown"
    return Person(
        role=asset.role.role if sure else "",
        tags=frozenset(tag.casefold() for tag in tags(asset)),
        names=frozenset({asset.name.casefold(), asset.id}),
        ips=asset.ips,
        macs=asset.macs,
        name=asset.name,
        id=asset.id,
        level=asset.level,
    )
