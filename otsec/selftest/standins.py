"""Who of a site stands in for whom of a capture: by what both speak, and by their roles.

A capture happens in one VLAN of one point group of the site, the one whose devices fit best. For
each device of the capture the unused one is taken that speaks the same protocols from the same
side, or has the same role. Where the site has none, a free address of its network stands in.
Public addresses stay, for rules ask whether something comes from the internet.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple

from otsec.detect.rows import scope
from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset, Node, is_mac

SAME_ROLE, SAME_LEVEL = 3, 1
MOST_FREE = 253  # hosts of a network with 24 bits, without the first, which often is the router


class Place(NamedTuple):
    """Where in a site it happens."""

    site: str
    group: str
    place: str


class Traits(NamedTuple):
    """What makes one device like another."""

    answers: frozenset[str]  # protocols
    asks: frozenset[str]
    role: str
    level: float | None


@dataclass(frozen=True, slots=True)
class StandIn:
    """A device of the site that a device of the capture becomes."""

    asset: Asset | None  # None: nobody here is like it, a free address stands in
    address: str


@dataclass(slots=True)
class Cast:
    """Who becomes whom."""

    place: Place
    addresses: dict[str, str] = field(default_factory=dict)  # of the capture: of the site
    played: dict[str, StandIn] = field(default_factory=dict)  # by address of the site

    def of(self, address: str) -> str:
        """What an address of the capture becomes."""
        return self.addresses.get(address, address)

    def named(self, address: str) -> str:
        """An address of the site with the name of who has it."""
        played = self.played.get(address)
        if played is None or not address:
            return address
        if played.asset is None:
            return f"{address} (free)"
        name = played.asset.name
        return address if name == address else f"{address} ({name})"


def cast(capture: Inventory, site: Inventory) -> Cast | None:
    """Who stands in for whom; None where the site has no device."""
    parts = sorted(filter(_is_local, capture.assets), key=_weight)
    places = _places(site)
    if not places:
        return None
    stage = max(places, key=lambda one: (_fitting(parts, places[one]), len(places[one]), one))
    made = Cast(stage)
    unused = list(places[stage])
    free = _free(stage, site, places[stage])
    for part in parts:
        _play(made, part, _fittest(part, unused), free)
    _rest(made, capture, free)
    return made


def _places(site: Inventory) -> Mapping[Place, list[Asset]]:
    places: dict[Place, list[Asset]] = defaultdict(list)
    for asset in site.assets:
        here = {Place(*one.node[:3]) for one in asset.addresses if not one.told_by}
        for place in sorted(here):
            places[place].append(asset)
    return places


def _is_local(asset: Asset) -> bool:
    return all(scope(address) in {"private", "link"} for address in asset.ips)


def _weight(asset: Asset) -> tuple[object, ...]:
    """Controllers first, then who asks them: the others take what is left."""
    traits = _traits(asset)
    known = industrial()
    return (
        *(-len(traits.answers & known), -len(traits.asks & known), -asset.packets),
        asset.anchor,
    )


@cache
def industrial() -> frozenset[str]:
    """The industrial protocols that are decoded."""
    from otsec.protocols import PROTOCOLS  # noqa: PLC0415 - imports them all

    return frozenset(one.name for one in PROTOCOLS if one.industrial)


def _traits(asset: Asset) -> Traits:
    return Traits(frozenset(asset.answers), frozenset(asset.asks), asset.role.role, asset.level)


@lru_cache(65_536)
def _likeness(part: Traits, other: Traits) -> int:
    """How well one device stands for another; 0: not at all."""
    known = industrial()
    answers, asks = part.answers & other.answers, part.asks & other.asks
    points = 16 * len(answers & known) + 8 * len(asks & known)
    points += bool(answers - known) + bool(asks - known)
    if part.role != "unknown" and part.role == other.role:
        points += SAME_ROLE
    if part.level is not None and other.level is not None:
        points += SAME_LEVEL * ((part.level <= 1) == (other.level <= 1))
    return points


def _fitting(parts: Iterable[Asset], assets: Sequence[Asset]) -> int:
    """How well the devices of a place can stand for those of a capture."""
    kinds = {_traits(asset) for asset in assets}
    return sum(max(_likeness(traits, kind) for kind in kinds) for traits in map(_traits, parts))


def _fittest(part: Asset, unused: list[Asset]) -> Asset | None:
    """The unused device that is most like it, taken out of the list."""
    traits = _traits(part)
    best, most = -1, 0
    for number, asset in enumerate(unused):
        if bool(part.ips) is not bool(asset.ips):
            continue
        points = _likeness(traits, _traits(asset))
        if points > most:
            best, most = number, points
    return unused.pop(best) if most else None


def _free(stage: Place, site: Inventory, assets: Iterable[Asset]) -> Iterator[str]:
    """Addresses of the largest network of a place that nobody has, the last first."""
    networks = Counter(
        int(IPv4Address(one.text)) >> 8
        for asset in assets
        for one in asset.addresses
        if "." in one.text and scope(one.text) == "private"
    )
    if not networks:
        return
    network = min(networks, key=lambda one: (-networks[one], one))
    for host in range(254, 254 - MOST_FREE, -1):
        address = str(IPv4Address(network << 8 | host))
        if Node(*stage, address) not in site.by_node:
            yield address


def _play(made: Cast, part: Asset, asset: Asset | None, free: Iterator[str]) -> None:
    """Give each address of a device one of its stand-in; what it has none for is free, or stays."""
    for kind in (_is_ipv4, is_mac, _is_ipv6):
        often = sorted(part.addresses, key=lambda one: -one.frames)
        mine = list(dict.fromkeys(one.text for one in often if kind(one.text)))
        theirs: list[str] = []
        if asset is not None:
            here = [one.text for one in asset.addresses if Place(*one.node[:3]) == made.place]
            theirs = list(dict.fromkeys(filter(kind, here)))
        for number, address in enumerate(mine):
            if number < len(theirs):
                made.addresses[address] = theirs[number]
                made.played[theirs[number]] = StandIn(asset, theirs[number])
            elif kind is _is_ipv4 and (unowned := next(free, "")):
                made.addresses[address] = unowned
                made.played[unowned] = StandIn(None, unowned)
            else:
                made.addresses[address] = address


def _rest(made: Cast, capture: Inventory, free: Iterator[str]) -> None:
    """Addresses that nobody answers for, as scans ask for them; broadcasts to a network."""
    taken = set(made.addresses)
    for old, new in list(made.addresses.items()):
        if _is_ipv4(old) and (all_of := _all_of(old)) not in taken:
            made.addresses[all_of] = _all_of(new)
    taken = set(made.addresses)
    for node in sorted(capture.by_node):
        if (
            node.address not in taken
            and _is_ipv4(node.address)
            and scope(node.address) == "private"
        ):
            made.addresses[node.address] = next(free, node.address)


def _all_of(address: str) -> str:
    """The broadcast address of a network of 24 bits."""
    return f"{address.rpartition('.')[0]}.255"


def _is_ipv4(address: str) -> bool:
    return "." in address


def _is_ipv6(address: str) -> bool:
    return not _is_ipv4(address) and not is_mac(address)
