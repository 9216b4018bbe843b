"""The nouns of sessions, a sentence per field; times are ns since 1970 UTC by the capture."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from otsec.sessions.kinds import SessionKind

Authentication: TypeAlias = Literal["none", "clear", "challenge", "certificate", "unknown"]


class Party(NamedTuple):
    """One end of a session."""

    address: str
    name: str  # of the asset; the address where it is none
    asset: str  # its id; empty: none
    role: str
    outside: bool  # a public address


class Deed(NamedTuple):
    """What was done in a session, taken together."""

    cls: str
    operation: str
    object: str
    device: str
    outcome: str
    times: int
    sure: bool  # all of it lies within the session; else it may belong to another of the two

    @property
    def text(self) -> str:
        """As it is told in a line."""
        what = " ".join(part for part in (self.operation, self.object, self.device) if part)
        times = f" x{self.times}" if self.times > 1 else ""
        failed = "" if self.outcome in {"", "ok"} else f" ({self.outcome})"
        return f"{what}{times}{failed}" + ("" if self.sure else " (here or in another session)")


class Step(NamedTuple):
    """A session through which another one was worked, and why that is thought."""

    session: str  # id of the session before
    name: str  # of its client
    confidence: float  # 0 to 1, of this step alone
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of a session protocol, or several that the store does not tell apart."""

    id: str
    site: str
    group: str
    point: str
    witnesses: tuple[str, ...]
    place: str
    kind: SessionKind
    protocol: str
    service: str
    client: Party
    server: Party
    account: tuple[str, ...]
    authentication: Authentication
    authentication_reason: str
    first_time: int
    last_time: int
    first_packet: int
    last_packet: int
    connections: int  # 1, or how many are told as one
    extent: str  # how start and end are known: `connection`, `connections`, `conversation`
    bytes_out: int  # sent by the client
    bytes_in: int
    client_port: int  # 0: not known, or of several
    ended: str  # `closed`, `reset`; empty: nobody said that it ends, or of several
    active: bool  # still going on when the capture ended
    outcome: str  # how it failed, where a login was refused; empty: nothing tells
    deeds: tuple[Deed, ...]  # what changes a device, the gravest first
    changes: int  # how many operations in it changed a device, or tried to
    by_port: bool  # only the number of the port tells the protocol
    path: tuple[Step, ...] = ()  # the sessions before it, the outermost first

    @property
    def duration_us(self) -> int:
        """From its first packet to the last one that is known to be its own, microseconds."""
        return (self.last_time - self.first_time) // 1000

    @property
    def chain(self) -> tuple[str, ...]:
        """Everybody on the way, from who began to who was worked on."""
        return (*(step.name for step in self.path), self.client.name, self.server.name)

    @property
    def chain_confidence(self) -> float | None:
        """How sure the whole way is, 0 to 1; None where nobody stands before the client."""
        if not self.path:
            return None
        sure = 1.0
        for step in self.path:
            sure *= step.confidence
        return round(sure, 2)

    @property
    def origin(self) -> str:
        """Who is at the beginning."""
        return self.chain[0]

    @property
    def remote(self) -> bool:
        """A person, or somebody from outside, on another machine."""
        return self.kind in {"interactive", "tunnel"} or self.client.outside or bool(self.path)
