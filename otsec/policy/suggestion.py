"""A draft of a policy from what a store holds, and a list of what a person must look at first.

The draft is made of what repeats itself and only watches: reads, reports, sessions, names, time.
Whatever changes something, comes from afar, skips a level, goes to the internet, is rare, was not
answered or could not be read goes to the review list, never into the draft.
"""

import ipaddress
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import SURE, Asset, is_mac
from otsec.nanoseconds import DAY_NS
from otsec.policy import words
from otsec.policy.judging import Judge, skips
from otsec.policy.model import NOWHERE, Defaults, Network, Policy, Zone
from otsec.policy.placing import Endpoint, People, Places
from otsec.policy.verdicts import Acts, Flow, flows, judge_acts
from otsec.store import Store, queries
from otsec.store.queries import is_device

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# Classes that change nothing; time is one of them where it is asked for, not where it is set.
WATCHING = frozenset({"read", "report", "browse", "diagnose", "session"})
ASKED_FOR_TIME = frozenset({"ntp"})
FULL_DAYS = 14  # a plant does not show all that it does in less
V4_BITS, V6_BITS = 24, 64  # of the networks that become zones
LEAST_COUNT = 5  # exchanges; fewer are rare
FAN_OUT = 32  # servers of one client in one protocol; more look like a search


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on something is usual."""

    count: int = LEAST_COUNT
    days: int = 1
    fan_out: int = FAN_OUT


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A flow that is not in the draft, and why."""

    flow: Flow
    why: str


@dataclass(slots=True)
class Drafted:
    """A conduit of the draft."""

    id: str
    source: str
    target: str  # a group, or `{multicast: ...}`
    classes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by protocol
    flows: list[Flow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The draft."""

    text: str  # YAML
    conduits: tuple[Drafted, ...]
    review: tuple[Reviewed, ...]
    lacks: tuple[str, ...]  # what the time of observation does not show


def suggest(
    store: Store, inventory: Inventory, acts: Acts, limits: Limits, zone: "ZoneInfo"
) -> Suggestion:
    """A draft from all that a store holds."""
    frame = _Frame(inventory, zone)
    people = People(inventory)
    seen = [
        flow
        for flow in flows(judge_acts(Judge(frame.policy, Places(frame.policy)), acts, people, {}))
        if flow.option.cause != "link"
    ]
    kept, review = _sorted_out(seen, frame, limits)
    conduits = _conduits(kept, frame)
    lacks = tuple(lacking(store, zone))
    text = _Writer(frame, conduits, review, lacks, seen).text()
    return Suggestion(text, tuple(conduits), tuple(review), lacks)


# ----------------------------------------------------------------------------------- zones


class _Frame:
    """Zones and groups: networks as zones, the devices of one role in them as groups."""

    def __init__(self, inventory: Inventory, zone: "ZoneInfo") -> None:
        self.members: dict[str, list[tuple[str, Asset]]] = defaultdict(list)  # by group
        self.of: dict[str, str] = {}  # group by address
        self.zones: dict[str, Zone] = {}
        self.zone_of: dict[str, str] = {}  # zone by group
        self.site = inventory.assets[0].site if inventory.assets else "site"
        nets = self._nets(inventory)
        for name, (net, assets) in nets.items():
            vlans = (
                () if net is not None else tuple(sorted({p for _, a in assets for p in a.places}))
            )
            self.zones[name] = Zone(
                name,
                _level([asset for _, asset in assets]),
                (net,) if net is not None else (),
                (),
                () if net is not None else tuple(sorted({a.id for _, a in assets})),
                "process",
                (),
                None,
                "",
                f"VLAN {', '.join(vlans)}" if vlans else "",
                NOWHERE,
                (NOWHERE,),
            )
            for address, asset in assets:
                self._group(name, address, asset)
        self.mixed = [
            _mixed(name, assets) for name, (_, assets) in nets.items() if _mixed(name, assets)
        ]
        self.policy = Policy(
            name="draft",
            site=self.site,
            zone=zone,
            defaults=Defaults("deny", "deny", "alert"),
            zones=tuple(self.zones.values()),
            groups=(),
            windows=(),
            conduits=(),
            nevers=(),
            exceptions=(),
            tests=(),
            digest="",
        )

    def _nets(
        self, inventory: Inventory
    ) -> Mapping[str, tuple[Network | None, list[tuple[str, Asset]]]]:
        """The networks of private addresses, and who has no IP address at all."""
        found: dict[Network, list[tuple[str, Asset]]] = defaultdict(list)
        linked: list[tuple[str, Asset]] = []
        for asset in inventory.assets:
            for text in asset.ips:
                ip = ipaddress.ip_address(text)
                if is_device(text) and not (ip.is_global or ip.is_link_local):
                    bits = V4_BITS if ip.version == 4 else V6_BITS
                    found[
                        ipaddress.ip_network(
                            (int(ip), bits) if ip.version == 6 else f"{ip}/{bits}", strict=False
                        )
                    ].append((text, asset))
            if not asset.ips:
                linked += [(mac, asset) for mac in asset.macs if is_device(mac)]
        nets: dict[str, tuple[Network | None, list[tuple[str, Asset]]]] = {}
        for net in sorted(found, key=lambda one: (one.version, int(one.network_address))):
            nets[_net_name(net)] = (net, found[net])
        if linked:
            nets["layer-2"] = (None, linked)
        return nets

    def _group(self, zone: str, address: str, asset: Asset) -> None:
        role = asset.role
        sure = role.confidence >= SURE and role.role != "unknown"
        word = role.role if sure else address  # who may be anything shares no conduit with others
        name = f"{zone}-{re.sub(r'[^A-Za-z0-9]+', '-', word).strip('-')}"[:64]
        self.members[name].append((address, asset))
        self.of[address] = name
        self.zone_of[name] = zone
        if is_mac(address):
            return
        for mac in asset.macs:
            self.of.setdefault(mac, name)

    def end(self, end: Endpoint) -> str:
        """The group of an end; empty: none."""
        return self.of.get(end.address, "")


def _mixed(name: str, assets: Sequence[tuple[str, Asset]]) -> str:
    """What is said of a network in which several levels live; empty: they do not."""
    levels = sorted(
        {a.level for _, a in assets if a.level is not None and a.role.confidence >= SURE}
    )
    if len(levels) < 2:
        return ""
    return f"zone {name} holds devices of levels {', '.join(f'{one:g}' for one in levels)}: a flat network"


def _net_name(net: Network) -> str:
    if net.version == 4:
        return "net-" + "-".join(str(net.network_address).split(".")[:3])
    return "net6-" + (re.sub(r"[^0-9a-f]+", "-", str(net.network_address)).strip("-") or "0")


def _level(assets: Sequence[Asset]) -> float | None:
    """The level of most devices whose role is sure; of two equal ones the lower."""
    levels = Counter(
        asset.level for asset in assets if asset.level is not None and asset.role.confidence >= SURE
    )
    return min(levels, key=lambda level: (-levels[level], level)) if levels else None


# ------------------------------------------------------------------------------ sorting out


def _sorted_out(
    seen: Sequence[Flow], frame: _Frame, limits: Limits
) -> tuple[list[Flow], list[Reviewed]]:
    servers: dict[tuple[str, str], set[str]] = defaultdict(set)
    often: Counter[tuple[str, ...]] = Counter()
    days: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for flow in seen:
        servers[flow.client.address, flow.word].add(flow.server.address)
        key = _kind(flow, frame)
        often[key] += flow.count if flow.answered or flow.server.group else 0
        days[key] |= {flow.first_time // DAY_NS, flow.last_time // DAY_NS}
    kept, review = [], []
    for flow in seen:
        key = _kind(flow, frame)
        why = _doubtful(flow, frame) or _unusual(
            often[key], len(days[key]), len(servers[flow.client.address, flow.word]), limits
        )
        if why:
            review.append(Reviewed(flow, why))
        else:
            kept.append(flow)
    used = {_kind(flow, frame)[:3] for flow in kept}
    implied = [one for one in review if _implied(one, frame, used)]
    return [*kept, *(one.flow for one in implied)], [one for one in review if one not in implied]


def _implied(one: Reviewed, frame: _Frame, used: Collection[tuple[str, ...]]) -> bool:
    """Sessions of what is in the draft come with it, however few they were."""
    flow = one.flow
    return flow.cls == "session" and one.why.startswith("rare") and _kind(flow, frame)[:3] in used


def _kind(flow: Flow, frame: _Frame) -> tuple[str, ...]:
    """What a conduit tells apart: groups, protocol and class."""
    target = flow.server.address if flow.server.group else frame.end(flow.server)
    return frame.end(flow.client), target, flow.word, flow.cls


def _doubtful(flow: Flow, frame: _Frame) -> str:
    """Why a person must look at it, however usual it is."""
    if flow.client.internet or flow.server.internet:
        return "internet"
    if flow.client.group:
        return "who begins is a group address"
    if not frame.end(flow.client) or not (flow.server.group or frame.end(flow.server)):
        return "an end that is in no zone"
    if flow.protocol in words.REMOTE or flow.service in REMOTE_PORTS:
        return "remote access"
    if not flow.cls:
        return "its operations could not be read"
    if flow.cls not in WATCHING and not (flow.cls == "time" and flow.protocol in ASKED_FOR_TIME):
        return f"{flow.cls}: it changes something"
    known = words.protocols().get(flow.protocol)
    if known is None or flow.cls not in known.classes:
        return "not in the list of its protocol"
    one, other = flow.client.zone, flow.server.zone
    if one is not None and other is not None and skips(one, other):
        return f"skips a level: from {one.level:g} to {other.level:g}"
    return ""


def _unusual(often: int, days: int, servers: int, limits: Limits) -> str:
    if servers > limits.fan_out:
        return f"asks {servers} servers: a search?"
    if not often:
        return "never answered"
    if often < limits.count:
        return f"rare: {often} exchange{'' if often == 1 else 's'}"
    if days < limits.days:
        return f"seen on {days} day{'' if days == 1 else 's'} only"
    return ""


REMOTE_PORTS = frozenset().union(
    *(known.ports for name in words.REMOTE if (known := words.service(name)) is not None)
)


# --------------------------------------------------------------------------------- conduits


def _conduits(kept: Sequence[Flow], frame: _Frame) -> list[Drafted]:
    found: dict[tuple[str, str], Drafted] = {}
    for flow in kept:
        source = frame.end(flow.client)
        target = (
            f'{{multicast: "{flow.server.address}"}}'
            if flow.server.group
            else frame.end(flow.server)
        )
        one = found.setdefault((source, target), Drafted("", source, target))
        one.classes[flow.protocol].add(flow.cls)
        one.flows.append(flow)
    drafted = sorted(found.values(), key=lambda one: (one.source, one.target))
    for number, one in enumerate(drafted, 1):
        one.id = f"c{number:03}"
    return drafted


# ------------------------------------------------------------------------------ what lacks


def lacking(store: Store, zone: "ZoneInfo") -> Iterable[str]:
    """What the time of observation does not show of a plant."""
    spans = [(s.first_time, s.last_time) for s in queries.sources(store) if s.packets]
    if not spans:
        yield "nothing was captured"
        return
    first, last = min(first for first, _ in spans), max(last for _, last in spans)
    length = (last - first) / DAY_NS
    if length < FULL_DAYS:
        told = f"{length:.0f} days" if length >= 2 else f"{length * 24:.1f} hours"
        yield f"{told} were seen; a plant does not show all that it does in less than {FULL_DAYS} days"
    hours = _hours(spans, zone)
    if not any(moment.weekday() >= 5 for moment in hours):
        yield "no weekend was seen"
    if not any(moment.weekday() < 5 for moment in hours):
        yield "no working day was seen"
    for name, begin, end in (("early", 6, 14), ("late", 14, 22), ("night", 22, 6)):
        if not any(
            (begin <= m.hour < end) if begin < end else (m.hour >= begin or m.hour < end)
            for m in hours
        ):
            yield f"no {name} shift ({begin:02}:00 to {end:02}:00) was seen"
    if not any((moment + timedelta(days=1)).day == 1 or moment.day == 1 for moment in hours):
        yield "no end of a month was seen"
    gaps = queries.gaps(store)
    if gaps:
        blind = sum(max(0, gap.end_time - gap.begin_time) for gap in gaps) / 1e9
        yield f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'} in which the capture was blind ({blind:.0f} s)"


MOST_HOURS = 24 * 400  # of each source; longer ones hold all hours anyway


def _hours(spans: Iterable[tuple[int, int]], zone: "ZoneInfo") -> list[datetime]:
    hour = 3_600_000_000_000
    found = set()
    for first, last in spans:
        found |= set(range(first // hour, min(last // hour, first // hour + MOST_HOURS) + 1))
    return [datetime.fromtimestamp(one * 3_600, UTC).astimezone(zone) for one in sorted(found)]


# ------------------------------------------------------------------------------------ text


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the draft as YAML."""

    frame: _Frame
    conduits: Sequence[Drafted]
    review: Sequence[Reviewed]
    lacks: Sequence[str]
    seen: Sequence[Flow]

    def text(self) -> str:
        """The whole file."""
        return (
            "\n".join(
                [*self._head(), *self._zones(), *self._groups(), *self._allowed(), *self._tail()]
            )
            + "\n"
        )

    def _head(self) -> Iterable[str]:
        exchanges = sum(flow.count for flow in self.seen if flow.cls)
        covered = sum(flow.count for one in self.conduits for flow in one.flows)
        share = 100 * covered / exchanges if exchanges else 0.0
        yield "# A draft from traffic. Nobody has accepted it: each conduit is `status: proposed`."
        yield f"# {covered:,} of {exchanges:,} exchanges ({share:.1f} %) fall under it; the rest is"
        yield "# on the review list at the end, which a person must decide."
        yield from (f"# Warning: {lack}." for lack in (*self.lacks, *self.frame.mixed))
        yield "otsec_policy: 1"
        yield f"site: {{id: {_name(self.frame.site)}, timezone: {self.frame.policy.zone.key}}}"
        yield "defaults: {inter_zone: deny, intra_zone: deny, unplaced: alert}"

    def _zones(self) -> Iterable[str]:
        yield "zones:"
        for name, zone in self.frame.zones.items():
            level = "null" if zone.level is None else f"{zone.level:g}"
            where = f"nets: [{', '.join(map(_quoted, zone.nets))}]" if zone.nets else (
                f"assets: [{', '.join(map(_quoted, zone.assets))}]"
            )  # fmt: skip
            yield f"  {name}: {{level: {level}, {where}}}"
        if not self.frame.zones:
            yield "  {}"

    def _groups(self) -> Iterable[str]:
        used = {one.source for one in self.conduits} | {one.target for one in self.conduits}
        yield "groups:" if used & {*self.frame.members} else "groups: {}"
        for name, members in self.frame.members.items():
            if name not in used:
                continue
            ips = sorted({a for a, _ in members if not is_mac(a)}, key=queries.address_key)
            macs = sorted({a for a, _ in members if is_mac(a)})
            key, told = ("ips", ips) if ips else ("macs", macs)
            yield f"  {name}:"
            yield f"    zone: {self.frame.zone_of[name]}"
            yield f"    {key}:"
            names = dict(members)
            for address in told:
                asset = names[address]
                about = f"{asset.name}: {asset.role.role} ({asset.role.confidence:.2f})"
                yield f"      - {_quoted(address)}  # {_comment(about)}"

    def _allowed(self) -> Iterable[str]:
        yield "conduits:" if self.conduits else "conduits: []"
        for one in self.conduits:
            count = sum(flow.count for flow in one.flows)
            peers = {(flow.client.address, flow.server.address) for flow in one.flows}
            yield f"  # {count:,} exchanges, {len(peers)} pair{'' if len(peers) == 1 else 's'}"
            yield f"  - id: {one.id}"
            yield f"    from: {one.source}"
            yield f"    to: {one.target}"
            yield "    allow:"
            for protocol in sorted(one.classes):
                classes = sorted(one.classes[protocol])
                yield f"      - {{protocol: {protocol}, ops: [{', '.join(classes)}]}}"
            yield "    status: proposed"
            yield "    owner: TO-DO"
            yield "    reason: seen in traffic"

    def _tail(self) -> Iterable[str]:
        if not self.review:
            return
        yield "# Review list: not allowed by this draft."
        for one in self.review:
            flow = one.flow
            who = f"{flow.client.address} to {flow.server.address}"
            what = " ".join(word for word in (flow.word, flow.cls, flow.operation) if word)
            yield f"#   {_comment(f'{one.why} | {who} | {what} | {flow.count} times')}"


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if re.search(r"[:#{}\[\],&*!|>'%@` ]", text) or text.isdigit() else text


def _name(text: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:64]
    return clean or "site"


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
