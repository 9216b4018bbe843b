"""Which addresses there are, which MAC address carries which IP address, and which MACs forward.

A MAC address counts only on link: behind a router every packet has the router's. So before an IP
address may share an asset with the MAC address that carried it, the MAC must look like one host.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from otsec.inventory.model import Node, Sight, is_mac
from otsec.model import ip_text
from otsec.store.queries import is_device
from otsec.store.sightings import Lookup, Said, Station, Talk

FEW = 3  # IPv4 addresses that one network card may have before it looks like a router
FEW_V6 = 16  # IPv6 gives a card several: link-local, global, temporary ones
VIRTUAL_ROUTERS = ("00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f")
# VRRP (RFC 9568 7.3) and HSRP: a MAC address that routers pass on among themselves
OWN = frozenset({"ip_address", "mac", "port_mac"})  # attributes that are addresses of who says so
LOCAL = 16  # hops left, up to which packets are not meant to leave the link
# hops that stacks begin with, as far as known: one less and a router was passed. What left with
# more by chance is taken for near, as a device without ARP is not torn off its card for a guess.
BEGINNINGS = frozenset({20, 30, 32, 40, 50, 60, 64, 100, 128, 200, 255})
USUAL = frozenset({64, 128, 255})  # of these, what nearly all systems begin with
ARP = "arp"  # the protocol whose facts bind addresses beyond doubt
LEASES = frozenset({"dhcp"})  # who says what address another is to have, for a while


@dataclass(slots=True)
class Seen:
    """What is known of one address."""

    frames: int  # by the source that saw most
    first: Sight
    last: Sight
    told_by: str = ""  # the protocol that told of it, where nobody heard it


@dataclass(slots=True)
class Forwarder:
    """A MAC address that carries what others sent."""

    reasons: list[str] = field(default_factory=list)
    proxy: bool = False  # it answers ARP for others; else it is a router


@dataclass(slots=True)
class Network:
    """All addresses, and how they hang together on the link."""

    seen: dict[Node, Seen]
    carried: dict[Node, dict[Node, int]]  # by MAC, the frames of each IP address
    carriers: dict[Node, dict[Node, int]]  # the same by IP address
    owner: dict[Node, Node]  # by IP address, the MAC address of the same card
    forwarders: dict[Node, Forwarder]
    homes: dict[tuple[str, str, str], list[Node]]  # by site, group and address, all places

    def home(self, site: str, group: str, place: str, address: str) -> Node | None:
        """The node that an address means at a place: there, else the only one of the group."""
        here = Node(site, group, place, address)
        if here in self.seen:
            return here
        known = self.homes.get((site, group, address), ())
        on_link = [node for node in known if not self.routed(node)]
        chosen = on_link or known
        return chosen[0] if len(chosen) == 1 else None

    def routed(self, node: Node) -> str:
        """The MAC address of the router behind which an IP address is; empty: on link."""
        carriers = self.carriers.get(node)
        if not carriers or node in self.owner:
            return ""
        return max(sorted(carriers), key=carriers.__getitem__).address


def network(
    stations: Sequence[Station],
    lookups: Sequence[Lookup],
    said: Sequence[Said],
    talks: Sequence[Talk],
) -> Network:
    """Take together what was heard of every address."""
    seen = _heard(stations)
    _told(seen, said, talks)
    carriers = _carriers(stations)
    bound = _bound(seen, said)
    leased = _leased(said)
    on_link = {Node(one.site, one.group, one.place, one.address) for one in lookups}
    on_link.update(ip for ips in bound.values() for ip in ips)
    carried: dict[Node, dict[Node, int]] = defaultdict(dict)
    for ip, macs in carriers.items():
        for mac, frames in macs.items():
            carried[mac][ip] = frames
    own = {mac: _without(ips, leased.get(mac, ())) for mac, ips in bound.items()}
    carrying = {mac: _without(ips, leased.get(mac, ())) for mac, ips in carried.items()}
    hops_left = _hops_left(stations)
    forwarders = _forwarders(seen, carrying, own, on_link, hops_left)
    _note_between(forwarders, carriers, talks)
    owner = _owners(carriers, bound, own, forwarders, hops_left)
    _note_foreign(forwarders, carried, owner)
    homes: dict[tuple[str, str, str], list[Node]] = defaultdict(list)
    for node in sorted(seen):
        homes[node.site, node.group, node.address].append(node)
    return Network(seen, carried, carriers, owner, forwarders, homes)


# ------------------------------------------------------------------------------- addresses


def _heard(stations: Iterable[Station]) -> dict[Node, Seen]:
    """Every address that sent. Frames are those of the source that saw most, never a sum."""
    frames: dict[Node, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    spans: dict[Node, tuple[Sight, Sight]] = {}
    for one in stations:
        first = Sight(one.first_time, one.source, one.first_packet)
        last = Sight(one.last_time, one.source, one.last_packet)
        sender = one.address if is_device(one.address) else one.mac
        for address in (one.mac, one.address):
            if not is_device(address):
                continue
            node = Node(one.site, one.group, one.place, address)
            frames[node][one.source] += one.frames if address == sender else 0
            known = spans.get(node, (first, last))
            spans[node] = min(known[0], first), max(known[1], last)
    return {node: Seen(max(frames[node].values()), *span) for node, span in spans.items()}


def _told(seen: dict[Node, Seen], said: Iterable[Said], talks: Iterable[Talk]) -> None:
    """Add addresses that nobody heard, but that are there without doubt.

    Those are servers whose protocol was recognised over TCP, of which only the clients were
    recorded, and addresses that a device says it has.
    """
    for talk in talks:
        node = Node(talk.site, talk.group, talk.place, talk.server)
        if talk.claimed and talk.service.startswith("tcp/") and node not in seen:
            first = Sight(talk.first_time, talk.source, talk.first_packet)
            last = Sight(talk.last_time, talk.source, talk.last_packet)
            seen[node] = Seen(0, first, last, talk.protocol)
    hosts = {(node.site, node.group, node.address) for node in seen}
    for (subject, protocol, _), told in _claims(said).items():
        if subject not in seen and protocol != ARP:
            continue
        for address, one in told.items():
            node = Node(subject.site, subject.group, subject.place, address)
            if (node.site, node.group, address) not in hosts:
                seen[node] = Seen(0, *one, protocol)
                hosts.add((node.site, node.group, address))
        if subject not in seen:  # an address of which ARP alone tells
            spans = list(told.values())
            seen[subject] = Seen(0, min(s[0] for s in spans), max(s[1] for s in spans), protocol)


Spans = dict[str, tuple[Sight, Sight]]  # first and last, by address


def _claims(said: Iterable[Said]) -> dict[tuple[Node, str, str], Spans]:
    """By who says so, protocol and attribute, addresses that it says it has: a few, or none count."""
    claims: dict[tuple[Node, str, str], Spans] = defaultdict(dict)
    for one in said:
        if one.attribute in OWN and not one.device:
            address = canonical(one.value)
            if is_device(address) and is_device(one.address):
                subject = Node(one.site, one.group, one.place, one.address)
                first = Sight(one.first_time, one.source, one.first_packet)
                last = Sight(one.last_time, one.source, one.last_packet)
                told = claims[subject, one.protocol, one.attribute]
                known = told.get(address, (first, last))
                told[address] = min(known[0], first), max(known[1], last)
    return {key: told for key, told in claims.items() if len(told) <= FEW}


@lru_cache(maxsize=65_536)
def canonical(address: str) -> str:
    """An address as the store writes it; what is none comes back as it was."""
    text = address.strip().lower()
    if is_mac(text.replace("-", ":")):
        return text.replace("-", ":")
    try:
        return ip_text(ipaddress.ip_address(text))
    except ValueError:
        return address


# -------------------------------------------------------------------------------- carrying


def _carriers(stations: Iterable[Station]) -> dict[Node, dict[Node, int]]:
    frames: dict[Node, dict[Node, dict[str, int]]] = {}
    for one in stations:
        if is_device(one.address) and is_device(one.mac):
            ip = Node(one.site, one.group, one.place, one.address)
            mac = Node(one.site, one.group, one.place, one.mac)
            by_source = frames.setdefault(ip, {}).setdefault(mac, defaultdict(int))
            by_source[one.source] += one.frames
    return {
        ip: {mac: max(by_source.values()) for mac, by_source in macs.items()}
        for ip, macs in frames.items()
    }


def _hops_left(stations: Iterable[Station]) -> dict[tuple[Node, Node], int]:
    """By MAC and IP address the most hops that packets had left; 0: not known."""
    most: dict[tuple[Node, Node], int] = defaultdict(int)
    for one in stations:
        at = (one.site, one.group, one.place)
        key = Node(*at, one.mac), Node(*at, one.address)
        most[key] = max(most[key], one.ttl)
    return most


def _bound(seen: Mapping[Node, Seen], said: Iterable[Said]) -> dict[Node, dict[Node, int]]:
    """By MAC address, the IP addresses that it showed by ARP, and how often."""
    bound: dict[Node, dict[Node, int]] = defaultdict(dict)
    for one in said:
        if one.protocol == ARP and one.attribute == "mac" and is_device(one.address):
            ip = Node(one.site, one.group, one.place, one.address)
            mac = Node(one.site, one.group, one.place, canonical(one.value))
            if mac in seen and ip in seen and not one.device:
                bound[mac][ip] = max(bound[mac].get(ip, 0), one.times)
    return bound


def _leased(said: Iterable[Said]) -> dict[Node, set[Node]]:
    """By MAC address the IP addresses that it was given for a while, however many by now."""
    leased: dict[Node, set[Node]] = defaultdict(set)
    for one in said:
        if one.protocol in LEASES and one.attribute == "ip_address" and is_mac(one.address):
            at = (one.site, one.group, one.place)
            leased[Node(*at, one.address)].add(Node(*at, canonical(one.value)))
    return leased


def _without(ips: Mapping[Node, int], leased: Collection[Node]) -> dict[Node, int]:
    return {ip: count for ip, count in ips.items() if ip not in leased}


def _forwarders(
    seen: Mapping[Node, Seen],
    carried: Mapping[Node, Mapping[Node, int]],
    bound: Mapping[Node, Mapping[Node, int]],
    on_link: set[Node],
    hops_left: Mapping[tuple[Node, Node], int],
) -> dict[Node, Forwarder]:
    """The MAC addresses that do not look like one host."""
    found: dict[Node, Forwarder] = {}
    for mac in sorted(seen):
        if not is_mac(mac.address):
            continue
        ips = carried.get(mac, {})
        left = {ip: hops_left.get((mac, ip), 0) for ip in sorted(ips) if ip not in on_link}
        reasons = list(_reasons(mac, ips, left))
        far = [ip for ip, hops in left.items() if passed_a_router(hops)]
        if far:
            told = _some(f"{ip.address} with {left[ip]} hops left" for ip in far)
            reasons.append(f"carries packets that passed a router: of {told}")
        proxy = len(bound.get(mac, ())) > FEW
        if proxy:
            shown = _some(ip.address for ip in bound[mac])
            reasons.append(f"shows itself by ARP as {len(bound[mac])} addresses ({shown})")
        if reasons:
            found[mac] = Forwarder(reasons, proxy or all(ip in on_link for ip in ips))
    return found


def _reasons(mac: Node, ips: Iterable[Node], left: Mapping[Node, int]) -> Iterable[str]:
    """``left``: hops that packets had left, of the addresses that nobody saw on the link."""
    if mac.address.startswith(VIRTUAL_ROUTERS):
        yield "is a virtual router's (VRRP or HSRP)"
    fourth = sorted(ip for ip in ips if "." in ip.address)
    if len(fourth) > FEW:
        yield f"carries {len(fourth)} IPv4 addresses ({_some(ip.address for ip in fourth)})"
    nets = {ip.address.rpartition(".")[0] for ip in fourth if not _self_given(ip.address)}
    if len(nets) > 1 and not _of_one_stack({left[ip] for ip in fourth if ip in left}):
        yield f"carries addresses of {len(nets)} subnets ({_some(f'{n}.0/24' for n in nets)})"
    sixth = sum(":" in ip.address for ip in ips)
    if sixth > FEW_V6:
        yield f"carries {sixth} IPv6 addresses"


def _of_one_stack(hops: set[int]) -> bool:
    """Whether one host sent packets just so: a router takes a hop, and systems begin differently."""
    return len(hops) < 2 and hops <= USUAL


def passed_a_router(hops: int) -> bool:
    """Whether packets that have so many hops left did; 0: not known."""
    return hops > LOCAL and hops not in BEGINNINGS


def _self_given(address: str) -> bool:
    return address.startswith("169.254.")  # RFC 3927: a host without DHCP gives itself one


def _note_between(
    forwarders: dict[Node, Forwarder],
    carriers: Mapping[Node, Mapping[Node, int]],
    talks: Iterable[Talk],
) -> None:
    """Note cards that alone carry both sides of a conversation: no host asks itself by wire."""
    between: dict[Node, set[tuple[Node, Node]]] = defaultdict(set)
    for talk in talks:
        if not (talk.packets_out and talk.packets_in):
            continue
        at = (talk.site, talk.group, talk.place)
        one, other = Node(*at, talk.client), Node(*at, talk.server)
        cards = carriers.get(one, {}).keys()
        if one != other and len(cards) == 1 and cards == carriers.get(other, {}).keys():
            between[next(iter(cards))].add((min(one, other), max(one, other)))
    for mac, pairs in sorted(between.items()):
        told = _some(f"{one.address} and {other.address}" for one, other in pairs)
        reason = f"carries both sides of what is said between {told}"
        forwarders.setdefault(mac, Forwarder(proxy=True)).reasons.append(reason)


def _owners(
    carriers: Mapping[Node, Mapping[Node, int]],
    bound: Mapping[Node, Mapping[Node, int]],
    own: Mapping[Node, Mapping[Node, int]],
    forwarders: Mapping[Node, Forwarder],
    hops_left: Mapping[tuple[Node, Node], int],
) -> dict[Node, Node]:
    """By IP address the MAC address of its card: one that ARP shows, else what carried it most.

    But who carries it from near comes first: whoever shows an address by ARP, and sends nothing
    from it or only what took a hop on its way, may have taken it from somebody else.
    """
    shown: dict[Node, dict[Node, int]] = defaultdict(dict)
    for mac, ips in bound.items():
        for ip, count in ips.items():
            if len(own[mac]) <= FEW:
                shown[ip][mac] = count
    owner = {}
    for ip in sorted({*carriers, *shown}):
        frames = {m: n for m, n in carriers.get(ip, {}).items() if m not in forwarders}
        near = {mac for mac in frames if not passed_a_router(hops_left.get((mac, ip), 0))}
        claims = {
            mac: (mac in near, mac in shown[ip], frames.get(mac, 0))
            for mac in {*frames, *shown[ip]}
        }
        if claims:
            owner[ip] = max(sorted(claims), key=claims.__getitem__)
    return owner


def _note_foreign(
    forwarders: dict[Node, Forwarder],
    carried: Mapping[Node, Mapping[Node, int]],
    owner: Mapping[Node, Node],
) -> None:
    """A card that has an address, and carries those of other cards besides, forwards these."""
    owners = set(owner.values())
    for mac, ips in carried.items():
        foreign = [ip.address for ip in ips if owner.get(ip, mac) != mac]
        if foreign and mac in owners:
            reason = f"carries {_some(foreign)} besides, which other MAC addresses have"
            forwarders.setdefault(mac, Forwarder()).reasons.append(reason)


def _some(names: Iterable[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    listed = sorted(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
