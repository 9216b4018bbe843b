"""Which ports there are and what hangs on what: told by LLDP, CDP and STP, else inferred, with why.

What a device says of its own port is told. Nothing in these protocols says what is at the far end,
so all else is inferred: they are not forwarded by bridges, so who sends them is a neighbour of the
switch that mirrors; an IP address that only a router's frames carry is behind that router.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Address, Asset, Node
from otsec.inventory.selection import chosen
from otsec.store import Store, queries
from otsec.store.filters import Filter
from otsec.store.views import Behaviour

NEIGHBOUR = ("lldp", "cdp", "stp")  # that bridges do not forward
BRIDGES = frozenset({"switch", "router", "firewall", "access_point", "gateway"})
MOST = 500  # that are named behind one device; the others are counted
PORT = "port "

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture: a network, a device, or something that hangs on it."""

    depth: int  # 0: a network; 1: a device; 2: its port, or what hangs on it
    name: str
    port: str  # of `name`, by which it hangs there
    how: str  # told, inferred; empty: a heading
    by: str  # the protocol that says so
    why: str
    asset: str  # its id; empty: none
    last_time: int  # ns; 0: none
    site: str = ""
    source: str = ""  # of the packets, `point` or `point/interface`
    packets: tuple[int, ...] = ()


def topology(store: Store, found: Inventory) -> list[Line]:
    """The picture, line by line: networks with their devices, those with their ports and neighbours."""
    spoken = _spoken(store)
    behind = _behind(found)
    nets = sorted({_net(row) for row in spoken} | {_net(node) for node in behind})
    return [line for net in nets for line in _network(net, spoken, behind, found)]


Net = tuple[str, str, str]  # site, point group, VLAN


def _net(one: "Behaviour | Node") -> Net:
    return one.site, one.group, one.place


def _spoken(store: Store) -> list[Behaviour]:
    """What was said of ports."""
    return [
        row
        for protocol in NEIGHBOUR
        for row in queries.behaviours(store, [Filter("proto", protocol)])
        if row.object.startswith(PORT)
    ]


def _behind(found: Inventory) -> dict[Node, list[tuple[Asset, Address]]]:
    """By router, the addresses that were only seen behind it."""
    behind: dict[Node, list[tuple[Asset, Address]]] = defaultdict(list)
    for asset in found.pick([Filter("reach", "routed")], chosen):
        for one in asset.addresses:
            if one.routed:
                behind[one.node._replace(address=one.routed)].append((asset, one))
    return behind


def _network(
    net: Net,
    spoken: Sequence[Behaviour],
    behind: "dict[Node, list[tuple[Asset, Address]]]",
    found: Inventory,
) -> Iterable[Line]:
    site, group, place = net
    name = f"{group or site}, {f'VLAN {place}' if place else 'untagged'}"
    yield Line(0, name, "", "", "", "", "", 0, site)
    ports: dict[str, list[Behaviour]] = defaultdict(list)
    for row in spoken:
        if _net(row) == net:
            ports[row.client].append(row)
    routers = {node.address: told for node, told in behind.items() if _net(node) == net}
    bridges, stations = dict[str, Asset | None](), dict[str, Asset | None]()
    for address in (*ports, *(one for one in routers if one not in ports)):
        asset = found.at(Node(*net, address))
        is_bridge = address in routers or _bridges(asset, ports[address])
        (bridges if is_bridge else stations)[address] = asset
    alone = len({asset.id if asset else one for one, asset in bridges.items()}) == 1
    hosts = [
        _neighbour(asset, address, _all_of(asset, address, stations, ports), bridges, alone=alone)
        for address, asset in _by_asset(stations)
    ]
    for number, (address, asset) in enumerate(_by_asset(bridges)):
        yield _device(site, address, asset)
        own = [address] if asset is None else _addresses(asset, bridges)
        for one in own:
            yield from _ports(site, ports[one])
        if alone and not number:
            yield from hosts
        for one in own:
            yield from _routed(site, routers.get(one, []))
    if not alone:
        yield from hosts


def _by_asset(found: dict[str, Asset | None]) -> list[tuple[str, Asset | None]]:
    """Each device once, by its first address."""
    first = dict[str, tuple[str, Asset | None]]()
    for address, asset in found.items():
        first.setdefault(asset.id if asset else address, (address, asset))
    return list(first.values())


def _addresses(asset: Asset, found: Mapping[str, Asset | None]) -> list[str]:
    """Those at which a device is; by its id, for of a large store each is read back when asked for."""
    return [address for address, other in found.items() if other and other.id == asset.id]


def _all_of(
    asset: Asset | None,
    address: str,
    addresses: Iterable[str],
    told: Mapping[str, Sequence[T]],
) -> list[T]:
    """What is told of all addresses of a device."""
    own = {one.text for one in asset.addresses} if asset else {address}
    return [row for one in addresses if one in own for row in told.get(one, ())]


def _bridges(asset: Asset | None, rows: Sequence[Behaviour]) -> bool:
    """Whether it forwards for others: it says so, by its part in the tree or by what it can do."""
    return any(row.protocol == "stp" for row in rows) or (
        asset is not None and asset.role.role in BRIDGES
    )


def _device(site: str, address: str, asset: Asset | None) -> Line:
    if asset is None:
        return Line(1, address, "", "told", "", "its address", "", 0, site)
    why = f"{asset.role.role}: {asset.role.evidence[0]}" if asset.role.evidence else asset.role.role
    return Line(1, asset.name, "", "told", "", why, asset.id, asset.last_time, site)


def _ports(site: str, rows: Sequence[Behaviour]) -> Iterable[Line]:
    """Each port once, by protocol and source."""
    same: dict[tuple[str, str, str], list[Behaviour]] = defaultdict(list)
    for row in rows:
        same[row.object, row.protocol, _source(row)].append(row)
    for (name, protocol, source), told in same.items():
        times = sum(row.count for row in told)
        first = min(told, key=lambda row: row.first_packet)
        last = max(told, key=lambda row: row.last_packet)
        why = f"it names its port, {times} time{'' if times == 1 else 's'}"
        port, packets = name.removeprefix(PORT), (first.first_packet, last.last_packet)
        yield Line(2, "", port, "told", protocol, why, "", last.last_time, site, source, packets)


def _neighbour(
    asset: Asset | None,
    address: str,
    rows: Sequence[Behaviour],
    bridges: dict[str, Asset | None],
    *,
    alone: bool,
) -> Line:
    """A station that names its port: at which switch, only where there is but one."""
    last = max(rows, key=lambda row: row.last_time)
    names = ", ".join(dict.fromkeys(row.object.removeprefix(PORT) for row in rows))
    heard = f"its {last.protocol} was heard at {_source(last)}, and no bridge forwards that"
    where = "" if alone else "; no switch" if not bridges else "; which of the switches is not told"
    return Line(
        2 if alone else 1,
        *(asset.name if asset else address, names, "inferred", last.protocol, f"{heard}{where}"),
        *(asset.id if asset else "", last.last_time, last.site, _source(last)),
        packets=(last.first_packet, last.last_packet),
    )


def _routed(site: str, told: "Sequence[tuple[Asset, Address]]") -> Iterable[Line]:
    for asset, one in told[:MOST]:
        yield Line(
            *(2, asset.name, "", "inferred", "ip", f"{one.text} was only seen behind it"),
            *(asset.id, one.last.time, site, one.last.source),
            packets=(one.first.packet, one.last.packet) if one.first.source == one.last.source else (one.last.packet,),
        )  # fmt: skip
    if len(told) > MOST:
        yield Line(2, f"{len(told) - MOST} more behind it", "", "inferred", "ip", "", "", 0, site)


def _source(row: Behaviour) -> str:
    return f"{row.point}/{row.interface}" if row.interface else row.point
