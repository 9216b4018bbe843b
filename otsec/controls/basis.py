"""What metrics are measured from: a store, a period and a site, each part read once and when asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from ipaddress import ip_address
from typing import TypeVar

from otsec import clocks as clock_rows
from otsec.baseline import kinds
from otsec.baseline.spans import Heard, Spans
from otsec.clocks import Clock
from otsec.controls.model import Item, NotConfigured, Number, Period
from otsec.controls.site import Site
from otsec.detect.cases import Case, cases
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import SURE, Asset
from otsec.nanoseconds import DAY_NS
from otsec.policy.judging import is_dmz, is_it
from otsec.policy.model import Policy, Zone
from otsec.policy.placing import NOBODY, Endpoint, People, Places
from otsec.policy.reasons import reason
from otsec.policy.verdicts import Flow, flows, judged
from otsec.sessions.assembly import sessions
from otsec.sessions.model import Session
from otsec.store import Store, queries, sightings
from otsec.store import baseline as kept
from otsec.store import controls as rows
from otsec.store.acts import Act, every_act
from otsec.store.filters import Filter
from otsec.store.sensor import Heartbeat
from otsec.store.sightings import Talk
from otsec.store.views import Behaviour, Fact, Gap, Source

OT_LEVEL = 3.0  # the highest level that is not the DMZ or the office
INFRASTRUCTURE = frozenset({"router", "firewall", "switch", "access_point"})
DECIDED_AWAY = frozenset({"false positive", "expected"})  # it was nothing, or it was meant to be so
POLICY_COMMAND = "name it: `policy:` in otsec.yaml, or --policy (otsec policy suggest drafts one)"

T = TypeVar("T")
Where = tuple[str, str, str]  # site, group, place


class Basis:
    """One site in one period."""

    def __init__(self, store: Store, site: Site, period: Period) -> None:
        self.store = store
        self.site = site
        self.period = period
        self.ends: dict[tuple[str, str, str, str], Endpoint] = {}
        self._names: dict[tuple[str, str, str, str], str] = {}
        self._flow_items: dict[int, Item] = {}

    # ------------------------------------------------------------------------------ capture

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the site that gave packets in the period."""
        found = (one for one in queries.sources(self.store) if one.site == self.site.name)
        return tuple(
            one for one in found if one.packets and self.period.has(one.first_time, one.last_time)
        )

    @cached_property
    def points(self) -> Mapping[int, str]:
        """Names of the sources, by number."""
        return {one.id: point_name(one.point, one.interface) for one in self.sources}

    @cached_property
    def heard(self) -> tuple[Heard, ...]:
        """When each point group of the site was listened to."""
        spans = Spans.of(self.store)
        return tuple(heard for scope, heard in spans.groups.items() if scope.site == self.site.name)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """Spans of the period in which the capture was blind."""
        found = (one for one in queries.gaps(self.store) if one.site == self.site.name)
        return tuple(one for one in found if self.period.has(one.begin_time, one.end_time))

    @cached_property
    def heartbeats(self) -> Sequence[tuple[str, Heartbeat]]:
        """What sensors told of themselves in the period, each with its capture point."""
        return rows.heartbeats(self.store, self.site.name, *self.period)

    @cached_property
    def live(self) -> frozenset[int]:
        """Sources on which a sensor listened itself; others are recordings."""
        return rows.live(self.store, self.site.name)

    # ---------------------------------------------------------------------------- inventory

    @cached_property
    def inventory(self) -> Inventory:
        """Who is there, at all sites and times."""
        return inventory(self.store)

    @cached_property
    def directory(self) -> Directory:
        """Assets by address."""
        return Directory(self.inventory)

    @cached_property
    def assets(self) -> tuple[Asset, ...]:
        """The assets of the site that were heard in the period."""
        return tuple(
            one
            for one in self.inventory.assets
            if one.site == self.site.name
            and one.reach != "told"
            and self.period.has(one.first_time, one.last_time)
        )

    def name(self, where: Where, address: str) -> str:
        """The name of who has an address, with the address."""
        key = (*where, address)
        found = self._names.get(key)
        if found is None:
            asset = self.directory.at(*key) if address else None
            name = asset.name if asset else address
            found = self._names[key] = name if address in name else f"{name} ({address})"
        return found

    @cached_property
    def acts(self) -> Sequence[Act]:
        """What people said and decided, the oldest first."""
        return every_act(self.store)

    # ----------------------------------------------------------------------------- findings

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The findings of the site in the period, with what people decided."""
        return tuple(
            one
            for one in cases(self.store)
            if one.finding.site == self.site.name
            and self.period.has(one.finding.first_time, one.finding.last_time)
        )

    @cached_property
    def deviations(self) -> frozenset[str]:
        """Names of the findings that the baseline makes."""
        return frozenset(kind.name for kind in kinds.ALL)

    def found(self, names: Iterable[str]) -> Iterator[Item]:
        """Findings of these rules; those are not counted that were no such thing, or meant."""
        wanted = frozenset(names) & self._of_rules.keys()
        met = sorted(at for name in wanted for at in self._of_rules[name])
        return (self.case_item(self.cases[at]) for at in met)

    @cached_property
    def _of_rules(self) -> Mapping[str, Sequence[int]]:
        """Where the findings of each rule stand in `cases`."""
        found: dict[str, list[int]] = {}
        for at, one in enumerate(self.cases):
            found.setdefault(one.finding.name, []).append(at)
        return found

    def case_item(self, case: Case, *, counted: bool | None = None, told: str = "") -> Item:
        """A finding as one of a population."""
        one = case.finding
        where = (one.site, one.group, one.place)
        return Item(
            case.state not in DECIDED_AWAY if counted is None else counted,
            self.name(where, one.client or one.server),
            self.name(where, one.server) if one.client else "",
            one.title,
            told or f"{one.seen} ({case.state})",
            one.first_time,
            one.last_time,
            self.points.get(one.source, ""),
            one.first_packet,
            one.id,
        )

    # ------------------------------------------------------------------------------- policy

    @property
    def policy(self) -> Policy | None:
        """The policy that is active."""
        return self.site.policy

    @cached_property
    def places(self) -> Places | None:
        """Zones of addresses."""
        return None if self.policy is None else Places(self.policy)

    @cached_property
    def people(self) -> People:
        """Who has which address, as the policy asks."""
        return People(self.inventory)

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """What the policy says of all that was seen in the period; nothing without a policy."""
        if self.policy is None:
            return ()
        told = flows(judged(self.store, self.policy, self.people))
        return tuple(
            one
            for one in told
            if one.site == self.site.name and self.period.has(one.first_time, one.last_time)
        )

    def endpoint(self, where: Where, address: str) -> Endpoint | None:
        """Where the policy puts an address; None without a policy."""
        if self.places is None:
            return None
        key = (*where, address)
        found = self.ends.get(key)
        if found is None:
            person = self.people.at(*key) or NOBODY
            found = self.ends[key] = self.places.endpoint(address, where[2], person)
        return found

    def zone(self, where: Where, address: str) -> Zone | None:
        """The zone of an address."""
        end = self.endpoint(where, address)
        return None if end is None else end.zone

    @cached_property
    def zone_names(self) -> Mapping[str, frozenset[str]]:
        """By zone, the names of the addresses on link in it that were heard in the period."""
        seen: dict[str, set[str]] = {
            zone.name: set() for zone in (self.policy.zones if self.policy else ())
        }
        for asset in self.assets:
            for one in asset.addresses:
                zone = self.zone(one.node[:3], one.text)
                if (
                    zone is None
                    or one.told_by
                    or not self.period.has(one.first.time, one.last.time)
                ):
                    continue
                if not one.routed or is_it(zone) or zone.kind == "external":
                    seen[zone.name].add(asset.name)
        return {name: frozenset(names) for name, names in seen.items()}

    @cached_property
    def flow_sights(self) -> Mapping[tuple[str, ...], rows.Sight]:
        """The first sight of each operation and conversation, by what makes a flow."""
        found: dict[tuple[str, ...], rows.Sight] = {}
        for operations in (True, False):
            for one in rows.sights(self.store, self.site.name, operations=operations):
                key = (*one[:7], one.point)
                found.setdefault(key, one)
        return found

    def flow_item(self, flow: Flow, *, counted: bool) -> Item:
        """A flow as one of a population, with the packet that shows it first.

        Many figures have all flows as their population; what is told of one is made once.
        """
        known = self._flow_items.get(id(flow))
        if known is None:
            known = self._flow_items[id(flow)] = self._flow_item(flow)
        return known._replace(counted=True) if counted else known

    def _flow_item(self, flow: Flow) -> Item:
        key = (
            *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
            *(flow.service, flow.operation, flow.point),
        )
        sight = self.flow_sights.get(key)
        what = " ".join(dict.fromkeys(w for w in (flow.word, flow.cls, flow.operation) if w))
        return Item(
            *(False, _called(flow.client), _called(flow.server), what, reason(flow)),
            *(flow.first_time, flow.last_time, flow.point, sight.packet if sight else None),
        )

    # -------------------------------------------------------------------------------- flows

    @cached_property
    def rates(self) -> Sequence[rows.Rate]:
        """How much of the payload of the period was accounted for, by service and protocol."""
        return rows.rates(self.store, self.site.name, *self.period)

    @cached_property
    def talks(self) -> Sequence[Talk]:
        """All conversations of the store, source by source."""
        return sightings.talks(self.store)

    @cached_property
    def conversations(self) -> tuple[Talk, ...]:
        """Who talked to whom in the period, by whom that saw most of it; the busiest first."""
        return tuple(
            one
            for one in sorted(sightings.most_seen(self.talks), key=_by_traffic)
            if one.site == self.site.name and self.period.has(one.first_time, one.last_time)
        )

    def talk_item(self, one: Talk, told: str, *, counted: bool = True) -> Item:
        """A conversation as one of a population."""
        where = (one.site, one.group, one.place)
        return Item(
            counted,
            self.name(where, one.client),
            self.name(where, one.server),
            " ".join(dict.fromkeys(w for w in (one.protocol, one.service) if w)),
            told,
            *(one.first_time, one.last_time, one.source, one.first_packet),
        )

    def doings(self, *wanted: tuple[str, str]) -> tuple[Behaviour, ...]:
        """What was done in the period, by filters of listings."""
        filters = [Filter("site", self.site.name), *(Filter(*one) for one in wanted)]
        return tuple(
            one
            for one in queries.behaviours(self.store, filters)
            if self.period.has(one.first_time, one.last_time)
        )

    def deed_item(self, one: Behaviour, told: str = "", *, counted: bool = True) -> Item:
        """Something that was done as one of a population."""
        where = (one.site, one.group, one.place)
        what = " ".join(w for w in (one.protocol, one.operation, one.object, one.device) if w)
        return Item(
            *(counted, self.name(where, one.client), self.name(where, one.server), what),
            *(told or one.outcome, one.first_time, one.last_time),
            *(point_name(one.point, one.interface), one.first_packet),
        )

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What messages said in the period of who takes part."""
        return tuple(
            one
            for one in queries.facts(self.store)
            if one.site == self.site.name and self.period.has(one.first_time, one.last_time)
        )

    def fact_item(self, one: Fact, told: str = "", *, counted: bool = True) -> Item:
        """A fact as one of a population."""
        where = (one.site, one.group, one.place)
        return Item(
            *(counted, self.name(where, one.server), "", f"{one.protocol} {one.attribute}"),
            *(told or one.value, one.first_time, one.last_time),
            *(point_name(one.point, one.interface), one.first_packet),
        )

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """Who worked on what in the period."""
        return tuple(
            one
            for one in sessions(self.store, self.inventory)
            if one.site == self.site.name and self.period.has(one.first_time, one.last_time)
        )

    @cached_property
    def clocks(self) -> tuple[Clock, ...]:
        """Clocks of devices, of the period."""
        found = clock_rows.clocks(self.store, self.site.zone, self.inventory)
        return tuple(
            one
            for one in found
            if one.site == self.site.name and self.period.has(one.first_time, one.last_time)
        )

    # ----------------------------------------------------------------------------- baseline

    @cached_property
    def lines(self) -> Sequence[kept.Line]:
        """What is held to be normal."""
        return [one for one in kept.lines(self.store) if one.site == self.site.name]

    @cached_property
    def learned(self) -> bool:
        """Whether learning of something of the site has ended, and a named person approved of it."""
        ended = any(one.site == self.site.name for one in kept.ended(self.store))
        return ended and self.approved("baseline-approve", "baseline-import") is not None

    def approved(self, *names: str) -> Act | None:
        """The last act of these kinds."""
        return next((act for act in reversed(self.acts) if act.kind in names), None)

    # ------------------------------------------------------------------------------ helpers

    def ot(self, where: Where, address: str) -> bool:
        """Whether an address is of OT: by its zone, else by the level that is surely known."""
        zone = self.zone(where, address)
        if zone is not None:
            return not is_it(zone) and not is_dmz(zone) and zone.kind != "external"
        asset = self.directory.at(*where, address)
        return asset is not None and ot_asset(asset)

    def age_d(self, act: Act) -> float:
        """Days from an act to the end of the period; what was done later is no day old."""
        return max(self.period.end - act.time, 0) / DAY_NS


def ot_asset(asset: Asset) -> bool:
    """Whether an asset is of the process by its level, where that is sure."""
    sure = asset.role.confidence >= SURE or bool(asset.best("level"))
    return asset.level is not None and asset.level <= OT_LEVEL and sure


def _by_traffic(one: Talk) -> tuple[object, ...]:
    return (
        *(one.group, -one.packets, queries.address_key(one.client)),
        *(queries.address_key(one.server), one.service, one.place),
    )


def asset_item(asset: Asset, what: str = "", told: str = "", *, counted: bool = True) -> Item:
    """An asset as one of a population, with the packet that was heard of it last."""
    heard = [one for one in asset.addresses if not one.told_by] or list(asset.addresses)
    last = max(heard, key=lambda one: one.last).last
    return Item(
        *(counted, asset.name, "", what, told, asset.first_time, asset.last_time),
        *(last.source, last.packet),
    )


def count(items: Iterable[Item], told: str = "") -> Number:
    """How many of a population are counted."""
    found = tuple(items)
    return Number(sum(one.counted for one in found), told, lambda: found)


def each(
    rows: Sequence[T],
    holds: Callable[[T], bool],
    item: Callable[[T, bool], Item],
    *,
    pct: bool = False,
) -> Number:
    """How many rows hold something, or the share per cent; of none 0.

    Their items are only made when somebody asks for the population, which may be large.
    """
    met = sum(map(holds, rows))
    value = (100 * met / len(rows) if rows else 0.0) if pct else met
    return Number(value, items=lambda: (item(row, holds(row)) for row in rows))


def no_policy() -> NotConfigured:
    """What is said where a policy is needed."""
    return NotConfigured(POLICY_COMMAND)


def point_name(point: str, interface: str) -> str:
    """How people call a capture point."""
    return f"{point}/{interface}" if interface else point


@lru_cache(maxsize=65_536)  # addresses repeat from row to row
def is_public(address: str) -> bool:
    """Whether an address is of the internet."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _called(end: Endpoint) -> str:
    name = end.person.name
    return end.address if not name or end.address in name else f"{name} ({end.address})"
