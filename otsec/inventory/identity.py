"""Which addresses are one device: each join with its reason, and people's word above all.

Automatic joins are made anew each time from what the store holds, so a better reason or a new
capture changes them at once. What people merged or split is applied before, and wins.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from otsec.inventory.addresses import ARP, FEW, LEASES, OWN, Network, canonical
from otsec.inventory.model import Join, Node, is_mac
from otsec.store.acts import Act
from otsec.store.sightings import Said

CERTIFICATES = frozenset({"certificate_sha1", "certificate_sha256", "certificate_fingerprint"})
STATION_NAMES = frozenset({"profinet", "lldp"})  # protocols in which a name stands for one device
ORDERS = frozenset({"order_number", "product_code", "device_id"})
SHARED = 4  # cards with one serial number: more are a mistake or copies of one image
NO_SERIALS = frozenset({"none", "unknown", "default", "n/a", "serial", "123456789", "0123456789"})

MODULES = ("rack ", "slot ", "module ")  # how devices behind an address begin that share its rack

Parts = list[list[Node]]


@dataclass(slots=True)
class Partition:
    """Nodes in sets that grow by joins; some may not come together."""

    parent: dict[Node, Node]
    apart: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    joins: list[Join] = field(default_factory=list)
    refused: list[Join] = field(default_factory=list)

    def of(self, node: Node) -> Node:
        """The node that stands for the set."""
        while (parent := self.parent[node]) != node:
            self.parent[node] = node = self.parent[parent]
        return node

    def keep_apart(self, one: Node, other: Node) -> None:
        """Never join these two; to be said before any join."""
        self.apart[one].add(other)
        self.apart[other].add(one)

    def join(self, one: Node, other: Node, reason: str) -> None:
        """Make two sets one, unless they are to be kept apart."""
        first, second = self.of(one), self.of(other)
        if first == second:
            return
        if second in self.apart.get(first, ()):
            self.refused.append(Join(one, other, reason))
            return
        self.joins.append(Join(one, other, reason))
        self.parent[second] = first
        for third in self.apart.pop(second, set()):
            self.apart[third].discard(second)
            self.keep_apart(first, third)

    def sets(self) -> list[list[Node]]:
        """The sets, sorted."""
        found: dict[Node, list[Node]] = defaultdict(list)
        for node in sorted(self.parent):
            found[self.of(node)].append(node)
        return sorted(found.values())


def resolve(network: Network, said: Sequence[Said], acts: Sequence[Act]) -> Partition:
    """Bring together the addresses of each device."""
    partition = Partition({node: node for node in network.seen})
    _people(partition, network, acts)
    for ip, mac in network.owner.items():
        partition.join(mac, ip, _carried(network, mac, ip))
    placed = list(_placed(network, said))
    for one, other, reason in (
        *_told(partition, network, placed),
        *_routed(network),
        *_same(partition, _serials(placed), "the same serial number {1} of {0}"),
        *_same(partition, _certificates(placed), "the same certificate {0}"),
    ):
        partition.join(one, other, reason)
    for one, other, reason in _named(partition, placed):
        partition.join(one, other, reason)
    return partition


Reasoned = tuple[Node, Node, str]


def _carried(network: Network, mac: Node, ip: Node) -> str:
    frames = network.carriers.get(ip, {}).get(mac, 0)
    return f"{mac.address} carried {frames} packets of {ip.address}" if frames else (
        f"{mac.address} shows itself by ARP as {ip.address}"
    )  # fmt: skip


def _placed(network: Network, said: Iterable[Said]) -> Iterator[tuple[Node, Said]]:
    """What is said, with the node of which it is said, where there is one."""
    for one in said:
        node = network.home(one.site, one.group, one.place, one.address)
        if node is not None:
            yield node, one


def _told(
    partition: Partition, network: Network, placed: Iterable[tuple[Node, Said]]
) -> Iterator[Reasoned]:
    """Devices say their own addresses, and servers what address they gave out."""
    told: dict[tuple[Node, str, str], dict[str, Said]] = defaultdict(dict)
    for node, one in placed:
        if one.attribute in OWN and not one.device and one.protocol != ARP:
            told[node, one.protocol, one.attribute].setdefault(canonical(one.value), one)
    for (node, protocol, _), values in told.items():
        if len(values) > FEW:
            continue  # who names that many speaks for others as well
        for value, one in values.items():
            other = network.home(one.site, one.group, node.place, value)
            if other is None or other == node:
                continue
            reason = f"{protocol} tells of {node.address}: {one.attribute} {value}"
            if _contradicted(network, node, other, protocol):
                partition.refused.append(Join(node, other, reason))
            else:
                yield node, other, reason


def _contradicted(network: Network, node: Node, other: Node, protocol: str) -> bool:
    """Whether both have cards of their own that hardly are of one device.

    The cards of one device are of one maker; a frame that claims the address of somebody else's
    card is a mistake, or an attack. A lease says nothing once another card uses the address.
    """
    cards = [one if is_mac(one.address) else network.owner.get(one) for one in (node, other)]
    if None in cards or cards[0] == cards[1]:
        return False
    prefixes = {card.address[:8] for card in cards if card is not None}
    return protocol in LEASES or len(prefixes) > 1


def _routed(network: Network) -> Iterator[Reasoned]:
    """An address seen behind a router is the one that is on link elsewhere in the group."""
    for nodes in network.homes.values():
        on_link = [node for node in nodes if node in network.owner]
        if len(on_link) != 1 or is_mac(nodes[0].address):
            continue
        for node in nodes:
            if router := network.routed(node):
                where = on_link[0].place or "untagged"
                yield (
                    on_link[0],
                    node,
                    (f"{node.address}, seen behind {router}, is on link ({where}) only once"),
                )


# ----------------------------------------------------------------------- marks of a device


def is_serial(value: str) -> bool:
    """Whether a serial number can tell one device from another."""
    text = value.strip().lower().removeprefix("0x")
    return len(text) >= 4 and len(set(text)) > 1 and text not in NO_SERIALS


def _serials(placed: Iterable[tuple[Node, Said]]) -> dict[tuple[str, ...], list[Node]]:
    """By site, maker and serial number; also those that clients give as their own (CIP)."""
    makers: dict[tuple[Node, str, str], str] = {}
    found: list[tuple[Node, Said]] = []
    for node, one in placed:
        if one.attribute in {"vendor", "vendor_id", "originator_vendor_id"}:
            own = "originator" if one.attribute.startswith("originator") else one.device
            numbered = one.attribute != "vendor"
            if numbered or (node, one.protocol, own) not in makers:
                makers[node, one.protocol, own] = one.value
        elif (
            one.attribute in {"serial", "originator_serial"}
            and is_serial(one.value)
            and (not one.device or one.device.startswith(MODULES))
        ):
            found.append((node, one))
    marks: dict[tuple[str, ...], list[Node]] = defaultdict(list)
    for node, one in found:
        own = "originator" if one.attribute.startswith("originator") else one.device
        maker = makers.get((node, one.protocol, own), "")
        marks[f"{one.protocol} {maker}".rstrip(), one.value.strip(), node.site].append(node)
    return marks


def _certificates(placed: Iterable[tuple[Node, Said]]) -> dict[tuple[str, ...], list[Node]]:
    marks: dict[tuple[str, ...], list[Node]] = defaultdict(list)
    for node, one in placed:
        if one.attribute in CERTIFICATES and not one.device:
            marks[one.value, node.site].append(node)
    return marks


def _same(
    partition: Partition, marks: Mapping[tuple[str, ...], list[Node]], reason: str
) -> Iterator[Reasoned]:
    """All that bear one mark are one device, unless they are too many to be."""
    for mark, nodes in marks.items():
        bearers = sorted({partition.of(node) for node in nodes})
        if max(Counter(node.group for node in bearers).values()) > SHARED:
            continue
        for other in bearers[1:]:
            yield bearers[0], other, reason.format(*mark)


def _named(partition: Partition, placed: Iterable[tuple[Node, Said]]) -> Iterator[Reasoned]:
    """The same station name and order number in several places are one device.

    Not if serial numbers differ, nor if one place has two of the name: then one is a mistake.
    """
    told: dict[Node, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for node, one in placed:
        if not one.device or one.device.startswith(MODULES):
            bearer = told[partition.of(node)]
            if one.attribute == "name" and one.protocol in STATION_NAMES:
                bearer["name"].add(one.value.strip())
            elif one.attribute in ORDERS:
                bearer["order"].add(one.value.strip())
            elif one.attribute == "serial" and is_serial(one.value):
                bearer["serial"].add(one.value.strip())
    marks: dict[tuple[str, str, str], list[Node]] = defaultdict(list)
    for node, kinds in sorted(told.items()):
        for name in sorted(kinds["name"]):
            for order in sorted(kinds["order"]):
                marks[node.site, name, order].append(node)
    for (_, name, order), nodes in marks.items():
        places = {(node.group, node.place) for node in nodes}
        serials = {serial for node in nodes for serial in told[node]["serial"]}
        if len(serials) < 2 and len(places) == len(nodes):
            for other in nodes[1:]:
                yield nodes[0], other, f"the same station name {name} of a {order}"


# ---------------------------------------------------------------------------------- people


def parts_text(parts: Parts) -> str:
    """Sets of nodes as an act keeps them."""
    return json.dumps([[list(node) for node in part] for part in parts])


def parts_of(text: str) -> Parts:
    """The sets of nodes that an act keeps."""
    return [[Node(*node) for node in part] for part in json.loads(text)]


def _people(partition: Partition, network: Network, acts: Iterable[Act]) -> None:
    """Apply what people merged and split, the latest word on two addresses holds."""
    together: dict[tuple[Node, Node], str] = {}
    apart: dict[tuple[Node, Node], None] = {}
    for act in acts:
        if act.kind not in {"merge", "split"}:
            continue
        before, after = parts_of(act.before), parts_of(act.after)
        reason = f"{act.kind} by {act.who}" + (f": {act.reason}" if act.reason else "")
        for pair in _across(before):
            apart.pop(pair, None)
        for pair in _across(after):
            together.pop(pair, None)
            apart[pair] = None
        for part in after:
            together.update({_pair(part[0], other): reason for other in part[1:]})
    for one, other in apart:
        if one in network.seen and other in network.seen:
            partition.keep_apart(one, other)
    for (one, other), reason in together.items():
        if one in network.seen and other in network.seen:
            partition.join(one, other, reason)


def _across(parts: Parts) -> Iterator[tuple[Node, Node]]:
    for number, part in enumerate(parts):
        for other in parts[number + 1 :]:
            yield from (_pair(one, two) for one in part for two in other)


def _pair(one: Node, other: Node) -> tuple[Node, Node]:
    return (one, other) if one <= other else (other, one)
