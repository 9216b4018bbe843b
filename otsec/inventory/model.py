"""The nouns of the inventory, a sentence per field.

Times are ns since 1970 UTC by the capture's clock; a packet is its ordinal within its source.
Confidence is between 0 and 1: 1 is a person's word, and what packets say stays below it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from otsec.store.acts import Act
from otsec.store.sightings import Talk

SURE = 0.8  # a role below it places nobody in a group of the policy
PERSON = "person"  # who says what no protocol says


class Node(NamedTuple):
    """An address where it counts: the same text elsewhere is another node."""

    site: str
    group: str
    place: str
    address: str


class Sight(NamedTuple):
    """A packet that shows something; ordered by time."""

    time: int
    source: str
    packet: int


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an asset."""

    node: Node
    frames: int  # sent from it, by the source that saw most; 0: it was only told of
    first: Sight
    last: Sight
    routed: str  # the MAC address of the router that it was seen behind; empty: on link
    told_by: str  # the protocol that tells of it where it was never heard

    @property
    def text(self) -> str:
        """The address."""
        return self.node.address

    @property
    def is_mac(self) -> bool:
        """Whether it is a MAC address."""
        return is_mac(self.node.address)


class Join(NamedTuple):
    """Why two addresses are one asset."""

    one: Node
    other: Node
    reason: str


class Known(NamedTuple):
    """One value of one attribute, and who says so."""

    attribute: str
    value: str
    device: str  # the device behind the address that it is said of; empty: the asset itself
    said_by: str  # a protocol, `mac prefix`, or `person`
    confidence: float
    times: int  # how often it was said, by the source that saw most
    first: Sight
    last: Sight
    witnesses: tuple[str, ...] = ()  # other sources that saw it
    standing: str = "best"  # `best`, `also` (several hold at once), `rival`, `replaced`
    reason: str = ""  # a person's, with the name


@dataclass(frozen=True, slots=True)
class Change:
    """A value that took the place of another."""

    seen: Sight
    attribute: str
    device: str
    before: str
    after: str
    said_by: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A role, how sure it is, and what speaks for it."""

    role: str
    confidence: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A device behind the address: a module of a rack, or a unit behind a gateway."""

    device: str  # `rack 0 slot 2`, `unit 3`
    kind: str  # `module` or `unit`
    protocols: tuple[str, ...]
    known: tuple[Known, ...]  # the best value of each attribute


@dataclass(frozen=True, slots=True)
class Peer:
    """Who an asset talks to, in one protocol."""

    address: str
    name: str  # of the asset; the address where it is none
    asset: str  # its id; empty: none
    way: str  # `asks` or `answers`
    protocol: str  # where none was recognised, the service
    packets: int
    last_time: int


class Attribute(NamedTuple):
    """One of CISA's high-priority attributes of an asset."""

    name: str
    value: str  # empty: unknown
    said_by: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Asset:
    """One physical device."""

    id: str
    name: str
    site: str
    groups: tuple[str, ...]  # point groups in which it is seen
    addresses: tuple[Address, ...]  # the anchor first
    joins: tuple[Join, ...]  # why they are one
    known: tuple[Known, ...]  # of all attributes, the best value of each first
    changes: tuple[Change, ...]
    guesses: tuple[Guess, ...]  # the likeliest role first
    level: float | None  # Purdue level; None: none, or unknown
    modules: tuple[Module, ...]
    talks: tuple[Talk, ...]
    answers: tuple[str, ...]  # protocols (else services) that it was seen to answer
    asks: tuple[str, ...]
    services: tuple[str, ...]  # that it was seen to answer
    acts: tuple[Act, ...]
    notes: tuple[str, ...]  # what was seen of its addresses that the joins do not tell
    own: Mapping[str, Known]  # by attribute, the best value of the asset itself
    attributes: tuple[Attribute, ...] = field(default=())  # CISA's, all of them

    @property
    def anchor(self) -> Node:
        """The address that names it."""
        return self.addresses[0].node

    @property
    def role(self) -> Guess:
        """The likeliest role."""
        return self.guesses[0]

    @property
    def reach(self) -> str:
        """`on link`, `routed` (only ever behind a router) or `told` (never heard)."""
        if any(not one.told_by and not one.routed for one in self.addresses):
            return "on link"
        return "routed" if any(one.routed for one in self.addresses) else "told"

    @property
    def ips(self) -> tuple[str, ...]:
        """IP addresses, each once."""
        return tuple(dict.fromkeys(one.text for one in self.addresses if not one.is_mac))

    @property
    def macs(self) -> tuple[str, ...]:
        """MAC addresses, each once."""
        return tuple(dict.fromkeys(one.text for one in self.addresses if one.is_mac))

    @property
    def places(self) -> tuple[str, ...]:
        """The VLANs in which it is seen, without the untagged."""
        return tuple(dict.fromkeys(one.node.place for one in self.addresses if one.node.place))

    @property
    def packets(self) -> int:
        """Packets sent, as far as seen."""
        return sum(one.frames for one in self.addresses)

    @property
    def first_time(self) -> int:
        """When it was first heard."""
        return min(one.first.time for one in self.addresses)

    @property
    def last_time(self) -> int:
        """When it was last heard."""
        return max(one.last.time for one in self.addresses)

    @property
    def filled(self) -> int:
        """How many of CISA's high-priority attributes are known."""
        return sum(bool(one.value) for one in self.attributes)

    def best(self, *attributes: str) -> Known | None:
        """The best value of the first of the attributes of which the asset itself has one."""
        for attribute in attributes:
            if attribute in self.own:
                return self.own[attribute]
        return None

    def value(self, *attributes: str) -> str:
        """The same as text; empty: unknown."""
        found = self.best(*attributes)
        return found.value if found else ""


def is_mac(address: str) -> bool:
    """Whether an address is a MAC address: six bytes, where IPv6 has `::` or seven colons."""
    return len(address) == 17 and address.count(":") == 5 and "::" not in address
