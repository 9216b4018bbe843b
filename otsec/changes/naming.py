"""What the names in a record stand for: addresses of assets, of a zone, or networks."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from otsec.errors import UsageError
from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Node
from otsec.inventory.selection import candidates, one_of
from otsec.policy.model import Policy, Zone
from otsec.policy.placing import People, Places


class Meant(NamedTuple):
    """Addresses as they stand in the network, and networks as text."""

    nodes: tuple[Node, ...] = ()
    nets: tuple[str, ...] = ()


def of_assets(found: Inventory, names: Sequence[str]) -> Meant:
    """Those of assets by id, name or address; an address may be of a device that is yet to come."""
    nodes: list[Node] = []
    nets: list[str] = []
    for name in names:
        met = candidates(found, name)
        if not met and (net := _host(name)):
            nets.append(net)
        else:
            nodes += (address.node for address in one_of(met, found, name).addresses)
    return Meant(tuple(dict.fromkeys(nodes)), tuple(dict.fromkeys(nets)))


def of_zone(found: Inventory, policy: Policy, name: str) -> Meant:
    """Those that a policy puts into a zone. Raises UsageError if there is no such zone."""
    zone = policy.zone_named(name)
    if zone is None:
        names = ", ".join(one.name for one in policy.zones)
        raise UsageError(f"the policy has no zone {name!a}; it has {names}")
    places, people = Places(policy), People(found)
    nodes = [
        node
        for node in found.by_node
        if places.endpoint(node.address, node.place, people.at(*node)).zone == zone
    ]
    return Meant(tuple(sorted(nodes)), _own_networks(policy, zone))


def _own_networks(policy: Policy, zone: Zone) -> tuple[str, ...]:
    """Networks of a zone in which no other zone has a part."""
    others = [net for one in policy.zones if one != zone for net in one.nets]
    return tuple(str(net) for net in zone.nets if not any(net.overlaps(one) for one in others))


def hosts(found: Inventory, names: Sequence[str]) -> tuple[str, ...]:
    """All addresses of those who may do it."""
    meant = of_assets(found, names)
    alone = [net.partition("/")[0] for net in meant.nets]
    return tuple(dict.fromkeys([*(node.address for node in meant.nodes), *alone]))


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        return ""
