"""What reports are made of: a site and a period of a store, each part read once and when asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from otsec.clocks import Clock, clocks
from otsec.detect.cases import Case, cases, decided_of
from otsec.differences import Period
from otsec.health import Report, judge
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset
from otsec.inventory.wanted import Want, wanted
from otsec.inventory.weaknesses import OF_CLIENTS, Weakness, weaknesses
from otsec.reports import communication
from otsec.reports.communication import Pair
from otsec.reports.document import Tlp
from otsec.reports.wrong import Wrong, wrong
from otsec.sessions.assembly import sessions
from otsec.sessions.kinds import changes
from otsec.sessions.model import Session
from otsec.store import Store, queries, sightings, spoken
from otsec.store.filters import Filter
from otsec.store.queries import Gap, Protocol, Source, Writer
from otsec.store.sightings import Talk
from otsec.store.timeline import Happening, happenings

if TYPE_CHECKING:
    from otsec.controls.inputs import Inputs
    from otsec.policy.matrix import Matrix
    from otsec.policy.model import Policy
    from otsec.policy.placing import Endpoint, People, Places
    from otsec.policy.verdicts import Flow

CONTROLLERS = ("plc", "safety_plc", "rtu", "ied", "io", "drive", "robot_controller", "cnc", "meter")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants a report of."""

    site: str
    zone: ZoneInfo  # in which days begin, devices keep local time and people read
    period: Period | None = None  # None: all there is
    asked: str = ""  # the period in words
    tlp: Tlp = "AMBER"
    framework: str = ""
    about: str = ""  # id of a finding or an incident
    policy: "Policy | None" = None
    inputs: "Inputs | None" = None  # what the site says for its controls
    last: Mapping[str, Any] | None = None  # the canonical JSON of the last report
    versions: Mapping[str, str] = field(default_factory=dict)  # of the tool, rules and lists


class Subject:
    """A site of a store in a period."""

    def __init__(self, store: Store, order: Order) -> None:
        self.store = store
        self.order = order
        self.site = order.site
        self.here = [Filter("site", order.site)]
        self._names: dict[tuple[str, str, str], str] = {}
        self.ends: dict[tuple[str, str, str, str], Endpoint] = {}  # by site, group, place, address

    def forget(self) -> None:
        """Give back the memory of all that was read: what is asked for again is read again."""
        for name, part in vars(type(self)).items():
            if isinstance(part, cached_property):
                vars(self).pop(name, None)
        self._names.clear()
        self.ends.clear()

    # -------------------------------------------------------------------------- time

    def has(self, first: int, last: int) -> bool:
        """Whether something was seen in the period; both ns."""
        period = self.order.period
        return period is None or (last >= period.begin and first <= period.end)

    @cached_property
    def heard(self) -> tuple[int, int]:
        """Begin and end of what was captured of the site, ns; 0 without packets."""
        with_packets = [one for one in self.every_source if one.packets]
        return (
            min((one.first_time for one in with_packets), default=0),
            max((one.last_time for one in with_packets), default=0),
        )

    @cached_property
    def span(self) -> tuple[int, int]:
        """Begin and end of what the report covers: the period, else all that was captured."""
        period = self.order.period
        return self.heard if period is None else (period.begin, period.end)

    # ----------------------------------------------------------------------- coverage

    @cached_property
    def every_source(self) -> list[Source]:
        """All sources of the site."""
        return queries.sources(self.store, self.here)

    @cached_property
    def sources(self) -> list[Source]:
        """Those that heard something in the period."""
        return [
            one
            for one in self.every_source
            if one.packets and self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def points(self) -> Mapping[int, str]:
        """Names of sources by id."""
        return {
            one.id: f"{one.point}/{one.interface}" if one.interface else one.point
            for one in self.every_source
        }

    @cached_property
    def gaps(self) -> list[Gap]:
        """Spans in which a source was blind."""
        return [
            one
            for one in queries.gaps(self.store, self.here)
            if self.has(one.begin_time, one.end_time)
        ]

    @cached_property
    def mirrors(self) -> list[Report]:
        """What each capture point shows and hides, the worst first."""
        return judge(self.store, self.here, self.sources)

    @cached_property
    def protocols(self) -> list[Protocol]:
        """What is spoken, and how much of it could be read."""
        return spoken.protocols(self.store, self.here)

    # ------------------------------------------------------------------------- things

    @cached_property
    def inventory(self) -> Inventory:
        """All assets of the store."""
        return inventory(self.store, self.talks)

    @cached_property
    def talks(self) -> list[Talk]:
        """All conversations of the store, source by source."""
        return sightings.talks(self.store)

    @cached_property
    def known(self) -> Directory:
        """Who has an address."""
        return Directory(self.inventory)

    @cached_property
    def assets(self) -> list[Asset]:
        """Those of the site that were heard in the period."""
        return [
            one
            for one in self.inventory.assets
            if one.site == self.site and self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def cases(self) -> list[Case]:
        """Findings with what people decided of them, the worst first."""
        return [
            one
            for one in cases(self.store)
            if one.finding.site == self.site
            and self.has(one.finding.first_time, one.finding.last_time)
        ]

    @cached_property
    def spared(self) -> list[Case]:
        """Those that people accepted or meant to be so, the worst first."""
        return [
            one
            for one in decided_of(self.store)
            if one.finding.site == self.site
            and one.state in {"accepted", "expected"}
            and self.has(one.finding.first_time, one.finding.last_time)
        ]

    @cached_property
    def open(self) -> list[Case]:
        """Those that nobody has dealt with."""
        return [one for one in self.cases if one.open]

    @cached_property
    def weaknesses(self) -> list[Weakness]:
        """What was seen to be weak, the worst first; not what was last seen before the period."""
        shown = sightings.shown(self.store, OF_CLIENTS)
        told = weaknesses(self.inventory, self.site, shown)
        begin = self.span[0]
        kept = [
            replace(one, shown=tuple(each for each in one.shown if each.sight.time >= begin))
            for one in told
        ]
        return [one for one in kept if one.shown]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Who asks whom, by protocol."""
        told = [one for one in self.talks if self.has(one.first_time, one.last_time)]
        return communication.pairs(self.known, self.site, told, sightings.deeds(self.store))

    @cached_property
    def sessions(self) -> list[Session]:
        """Who worked on what."""
        return [
            one
            for one in sessions(self.store, self.inventory)
            if one.site == self.site and self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def happenings(self) -> list[Happening]:
        """What changed a device, the oldest first."""
        return [
            one
            for one in happenings(self.store, self.here)
            if changes(one.cls, one.operation)
            and one.protocol not in communication.HOUSEKEEPING
            and self.has(one.time, one.last_time)
        ]

    @cached_property
    def writers(self) -> list[Writer]:
        """Who wrote which object, second writers first."""
        return [
            one
            for one in queries.writers(self.store, self.here)
            if self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def clocks(self) -> list[Clock]:
        """Clocks of devices."""
        found = clocks(self.store, self.order.zone, self.inventory)
        return [
            one
            for one in found
            if one.site == self.site and self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def wrong(self) -> Wrong:
        """Findings by rule, as incidents, and as decided."""
        return wrong(self.cases, self.name, self.points)

    @cached_property
    def wants(self) -> list[Want]:
        """What is unknown and matters, and what would show it."""
        return wanted(self.assets)

    def name(self, group: str, place: str, address: str) -> str:
        """What an address of the site is called."""
        key = (group, place, address)
        found = self._names.get(key)
        if found is None:
            asset = self.known.at(self.site, *key) if address else None
            found = self._names[key] = asset.name if asset else address
        return found

    # ------------------------------------------------------------------------- policy

    @cached_property
    def flows(self) -> "Sequence[Flow]":
        """What the policy says of all that was done; nothing without a policy."""
        from otsec.policy.verdicts import flows, judged  # noqa: PLC0415 - only where there is a policy

        if self.order.policy is None:
            return ()
        made = judged(self.store, self.order.policy, self.people)
        return [
            one
            for one in flows(made)
            if one.site == self.site and self.has(one.first_time, one.last_time)
        ]

    @cached_property
    def places(self) -> "Places":
        """Zones of addresses. Raises ValueError where there is no policy."""
        from otsec.policy.placing import Places  # noqa: PLC0415

        if self.order.policy is None:
            raise ValueError("there is no policy")
        return Places(self.order.policy)

    def endpoint(self, where: tuple[str, str, str], address: str) -> "Endpoint":
        """Where the policy puts an address of a site, group and place; each is looked up once."""
        key = (*where, address)
        found = self.ends.get(key)
        if found is None:
            found = self.places.endpoint(address, where[2], self.people.at(*key))
            self.ends[key] = found
        return found

    @cached_property
    def people(self) -> "People":
        """Who has which address, as the policy asks."""
        from otsec.policy.placing import People  # noqa: PLC0415

        return People(self.inventory)

    @cached_property
    def zones_seen(self) -> frozenset[str]:
        """Names of the policy's zones of which somebody was heard."""
        if self.order.policy is None:
            return frozenset()
        ends = (
            self.endpoint(one.node[:3], one.text)
            for asset in self.assets
            for one in asset.addresses
            if not one.told_by
        )
        return frozenset(end.zone.name for end in ends if end.zone is not None)

    @cached_property
    def matrix(self) -> "Matrix | None":
        """The same by zones."""
        from otsec.policy.matrix import matrix  # noqa: PLC0415

        if self.order.policy is None:
            return None
        return matrix(self.order.policy, self.flows)
