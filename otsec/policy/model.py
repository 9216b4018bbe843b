"""The nouns of a policy, a sentence per field.

Times are ns since 1970 UTC. Whatever a person wrote has its place in the file, so that whatever is
found wrong with it can name the line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

IpAddress: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Verdict: TypeAlias = Literal["allow", "deny", "unknown_endpoint", "undecoded"]
VERDICTS: tuple[Verdict, ...] = ("allow", "undecoded", "unknown_endpoint", "deny")  # worse last
RuleKind: TypeAlias = Literal["conduit", "never", "exception"]

ANY = "any"
CLASSES = (  # of operations, the design's closed list
    *("read", "write", "control", "program", "mode", "firmware", "config", "file", "diagnose"),
    *("browse", "time", "report", "session"),
)
# What is allowed together with something else: without a session nothing can be read, and what may
# be asked for may also be reported by itself.
IMPLIED = {"session": frozenset({ANY, *CLASSES}), "report": frozenset({"read"})}
LEVELS = (0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0)
DMZ = 3.5
ZONE_KINDS = (
    *("process", "safety", "wireless", "transient", "dmz", "enterprise", "remote", "external"),
)
IT_KINDS = frozenset({"enterprise", "remote"})


class Place(NamedTuple):
    """Where something stands in the file, both from 1."""

    line: int
    column: int


NOWHERE = Place(1, 1)


class MacRange(NamedTuple):
    """MAC addresses that begin alike: `01:0c:cd:01:00:00/32`."""

    value: int
    bits: int

    def holds(self, address: int) -> bool:
        """Whether an address, as a number, is one of them."""
        return (address ^ self.value) >> (48 - self.bits) == 0


@dataclass(frozen=True, slots=True)
class Selector:
    """Who is meant: all that is named must hold; of several of one kind, one is enough."""

    any: bool = False
    zones: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()  # names and ids, folded
    nets: tuple[Network, ...] = ()
    macs: tuple[MacRange, ...] = ()
    vlans: frozenset[str] = frozenset()
    multicast: tuple[Network | MacRange, ...] = ()
    internet: bool = False  # addresses of the internet


@dataclass(frozen=True, slots=True)
class End:
    """One end of a rule as it was written, and who is meant."""

    name: str
    selector: Selector
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Zone:
    """Assets with the same needs of protection."""

    name: str
    level: float | None
    nets: tuple[Network, ...]
    vlans: tuple[str, ...]
    assets: tuple[str, ...]
    kind: str  # of ZONE_KINDS
    tags: tuple[str, ...]
    sl_t: int | None  # target security level, IEC 62443-3-2
    owner: str
    reason: str
    place: Place
    net_places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Some of those of a zone, or of several."""

    name: str
    selector: Selector
    place: Place


@dataclass(frozen=True, slots=True)
class Window:
    """When something is allowed, by the clocks of the site."""

    name: str
    days: frozenset[int]  # Monday is 0; empty: all
    start: int  # minutes of the day
    end: int  # not above start: it ends on the next day
    from_date: date | None
    to_date: date | None  # the last day
    place: Place


Details: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]  # of what kind, and any one of these


@dataclass(frozen=True, slots=True)
class Allow:
    """Some operations of one protocol, or of one service; of a `never` those of all."""

    protocol: str = ""  # as decoders call it; empty: any
    service: str = ""  # as it was written; empty: not told by service
    ports: frozenset[str] = frozenset()  # `tcp/502`, ethertypes: where it is usually found
    classes: frozenset[str] = frozenset()  # none, and no operations: any
    operations: frozenset[str] = frozenset()
    details: Details = ()
    written: str = ""  # as a person reads it: `modbus read, write`
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def any_operation(self) -> bool:
        """Whether operations are not told apart."""
        return not self.classes and not self.operations and not self.details


@dataclass(frozen=True, slots=True)
class Rule:
    """A conduit, a `never`, or an exception."""

    id: str
    kind: RuleKind
    sources: tuple[End, ...]
    targets: tuple[End, ...]
    allows: tuple[Allow, ...]  # what it is about; of a `never` what it forbids
    place: Place
    window: Window | None = None  # of a conduit when it holds; of a `never` when it does not
    unless_from: tuple[End, ...] = ()
    begins: int | None = None  # ns, of an exception
    ends: int | None = None  # ns, behind its last day
    expires: date | None = None
    expires_place: Place = NOWHERE
    max_session: int = 0  # seconds; 0: any
    needs_change: bool = False
    status: str = "accepted"
    told: Mapping[str, str] = field(default_factory=dict)  # owner, reason, approved_by, ticket

    @property
    def timed(self) -> bool:
        """Whether it holds only at some times."""
        return self.window is not None or self.begins is not None or self.ends is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """One end of a test: an address, and what is known of who has it."""

    address: str
    role: str = ""
    tags: tuple[str, ...] = ()
    asset: str = ""
    vlan: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A test that stands in the policy."""

    client: Subject
    server: Subject
    protocol: str
    service: str
    op: str  # a class, or an operation of the protocol; empty: none could be read
    object: str
    device: str
    appids: frozenset[int]
    at: int | None  # ns
    expect: Verdict
    rule: str  # id of the rule that must decide; empty: any
    place: Place


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where no rule does."""

    inter_zone: str = "deny"
    intra_zone: str = "allow"
    unplaced: str = "alert"


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy; every reference in it is resolved."""

    name: str  # of the file
    site: str
    zone: "ZoneInfo"
    defaults: Defaults
    zones: tuple[Zone, ...]
    groups: tuple[Group, ...]
    windows: tuple[Window, ...]
    conduits: tuple[Rule, ...]
    nevers: tuple[Rule, ...]
    exceptions: tuple[Rule, ...]
    tests: tuple[Case, ...]
    digest: str  # SHA-256 of the file's text, in hexadecimal digits

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in the order in which they are asked."""
        return (*self.nevers, *self.exceptions, *self.conduits)

    def zone_named(self, name: str) -> Zone | None:
        """The zone of a name."""
        return next((zone for zone in self.zones if zone.name == name), None)
