"""The nouns of the baseline, a sentence per field.

Times are ns since 1970 UTC by the capture's clock; a packet is its ordinal within its source.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "device",
    "conversation",
    "operation",
    "object",
    "writer",
    "value",
    "identity",
    "presence",
    "volume",
    "cycle",
    "response",
    "load",
    "week",
    "changes",
    "hours",
    "order",
    "step",
]
KINDS: tuple[Kind, ...] = (
    *("device", "conversation", "operation", "object", "writer", "value", "identity"),
    *("presence", "volume", "cycle", "response", "load", "week", "changes", "hours"),
    *("order", "step"),
)
# What is measured by the hour.
TIMED = frozenset({"cycle", "response", "load", "week", "changes", "hours"})
# Which message follows which: judged by themselves, and no reason for learning to go on.
ORDERED = frozenset({"order", "step"})
# Of these one that was never seen before is told; the others describe what is there.
NOVEL = frozenset({"device", "conversation", "operation", "object", "writer", "identity"})
# Nobody but a named person makes these normal: they change what a machine does ever after.
GUARDED = frozenset({"program", "mode", "firmware"})
CHANGING = frozenset({"write", "control", "program", "mode", "firmware", "config", "file", "time"})
DID = {"asks": "asked", "changes": "changed", "tells": "was told by"}  # by sort of a stream
ID_DIGITS = 10  # 40 bits: among 100,000 lines two are the same once in 200 sites


class Scope(NamedTuple):
    """A device; without address: which devices there are in the point group."""

    site: str
    group: str
    place: str = ""
    address: str = ""

    @property
    def network(self) -> "Scope":
        """The point group as a whole."""
        return Scope(self.site, self.group)


class Key(NamedTuple):
    """What makes learned things the same."""

    kind: Kind
    site: str
    group: str
    place: str
    client: str = ""
    server: str = ""
    service: str = ""
    protocol: str = ""
    device: str = ""
    operation: str = ""  # of an identity the attribute
    cls: str = ""
    object: str = ""  # of an identity the value

    @property
    def id(self) -> str:
        """A short name that never changes."""
        return hashlib.sha256(json.dumps(list(self)).encode()).hexdigest()[:ID_DIGITS]

    @property
    def guarded(self) -> bool:
        """Whether it is normal only if a named person says so."""
        return self.cls in GUARDED


class Sight(NamedTuple):
    """How often something was seen, and which packets show it."""

    times: int
    source: int  # NONE where the packets are of no single source
    point: str
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    packets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that the store shows and that can be normal."""

    key: Key
    scope: Scope  # whose learning it belongs to
    seen: Sight
    parents: tuple[Key, ...] = ()  # things that are new with it when they are new
    detail: str = ""  # as in the table `baseline`
    client: str = ""  # the addresses as they were seen
    server: str = ""
    outcomes: tuple[str, ...] = ()
    behaviour: int = -1  # of what was written by one client: its number within the source
    moments: tuple[tuple[int, int], ...] = ()  # packet and time of further writes that show it
    # of what was written by one client: its least, greatest and last value, each with the packet
    # and the time of it; less than three: of one that is not known
    extremes: tuple[tuple[float, int, int], ...] = ()

    @property
    def id(self) -> str:
        """Its name, and that of its line."""
        return self.key.id

    @property
    def first_time(self) -> int:
        """When it was first seen, ns."""
        return self.seen.first_time

    @property
    def last_time(self) -> int:
        """When it was last seen, ns."""
        return self.seen.last_time
