"""The nouns of controls, a sentence per field; times are ns since 1970 UTC by the capture."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from otsec.controls.expressions import Expression
from otsec.policy.model import Place

Status: TypeAlias = Literal["contradicted", "insufficient", "partial", "supported", "context"]
STATUSES: tuple[Status, ...] = ("contradicted", "insufficient", "partial", "supported", "context")
Most: TypeAlias = Literal["supported", "partial", "context"]
IdSource: TypeAlias = Literal["outline", "memory", "guidance"]
UNCHECKED = "identifier not checked against the standard"


class Period(NamedTuple):
    """A span of capture time, ns, both ends in it."""

    begin: int
    end: int

    def has(self, first: int, last: int) -> bool:
        """Whether something that was seen from first to last was seen in it.

        The store keeps first and last sights: what was seen before and behind counts as seen in it.
        """
        return last >= self.begin and first <= self.end


# ---------------------------------------------------------------------------------- figures


COUNTED = True  # of an item that makes the figure


class Item(NamedTuple):
    """One row of the population behind a figure."""

    counted: bool  # it makes the figure; the others were looked at too
    subject: str  # the asset, the client, the sensor, the rule of the policy
    other: str = ""  # the server, where there are two
    what: str = ""  # what it is about: service, operation, attribute
    told: str = ""  # what was seen or is missing, in words
    first_time: int = 0  # ns; 0: none
    last_time: int = 0
    point: str = ""  # the capture point that saw it
    packet: int | None = None  # that shows it, ordinal in its source
    finding: str = ""  # that leads to the packets, by id


Items: TypeAlias = Callable[[], Iterable[Item]]


def nothing() -> Iterable[Item]:
    """The population of a figure that has none."""
    return ()


@dataclass(frozen=True, slots=True)
class Number:
    """A figure that was measured; 1 and 0 stand for yes and no."""

    value: float
    told: str = ""  # how it came about, where the number alone would mislead
    items: Items = field(default=nothing, compare=False)


@dataclass(frozen=True, slots=True)
class NotMeasurable:
    """A figure that cannot be measured here."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """A figure that needs something which a person has not said yet."""

    command: str  # that would say it


Figure: TypeAlias = Number | NotMeasurable | NotConfigured


def why_unknown(figure: Figure) -> str:
    """Why a figure is not known; empty: it is."""
    if isinstance(figure, NotMeasurable):
        return f"not measurable here: {figure.reason}"
    return f"not configured: {figure.command}" if isinstance(figure, NotConfigured) else ""


# --------------------------------------------------------------------------------- the data


@dataclass(frozen=True, slots=True)
class Logic:
    """When a row is contradicted, when the evidence does not suffice, and when it supports."""

    contradicted: Expression
    insufficient: Expression
    supported: Expression

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that it reads, each once."""
        parts = (self.contradicted, self.insufficient, self.supported)
        return tuple(dict.fromkeys(name for part in parts for name in part.names))


@dataclass(frozen=True, slots=True)
class Control:
    """One requirement of one framework, as far as passive evidence bears on it."""

    framework: str
    version: str
    id: str
    title: str
    check: str  # what is looked at, by name
    evidence: str  # what serves as evidence
    logic: Logic
    max_status: Most  # the most that it can show
    limits: str  # what it cannot show
    id_source: IdSource
    priority: str  # of the inventory guidance; else empty
    place: Place


@dataclass(frozen=True, slots=True)
class Framework:
    """The rows of one standard or law."""

    name: str
    slug: str  # of its file; what a command takes
    order: int
    controls: tuple[Control, ...]


# ------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a person vouches for beyond what the wire shows; it changes no status."""

    number: int  # of the act
    row: str  # `nerc-cip CIP-004 R2`
    kind: str  # `evidence`, `compensating` or `review`
    who: str
    what: str
    file: str  # name of the file
    sha256: str  # of the file; empty: none
    said: int  # ns, by the clock of the machine
    expires: int  # ns, behind its last day; 0: it does not
    expired: bool  # at the end of the period


@dataclass(frozen=True, slots=True)
class Judged:
    """One row with its status and all that led to it."""

    control: Control
    status: Status
    says: str  # what it comes to, in words
    figures: Mapping[str, Figure]  # of the metrics that its logic reads
    evidence: tuple[Item, ...]  # of a contradicted row: what contradicts it
    more: int  # how much of that is left out
    notes: tuple[str, ...]
    attestations: tuple[Attestation, ...]

    @property
    def unknown(self) -> dict[str, str]:
        """Metrics that are not known, and why."""
        told = ((name, why_unknown(figure)) for name, figure in self.figures.items())
        return {name: reason for name, reason in told if reason}


@dataclass(frozen=True, slots=True)
class Sensor:
    """What one capture point gave in the period."""

    name: str
    days: float
    packets: int  # all that it gave, also outside of the period
    gaps: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the evidence stands on; it is told beside every row."""

    period: Period
    sensors: tuple[Sensor, ...]
    zones: tuple[str, ...]  # of the policy
    zones_not_seen: tuple[str, ...]
    figures: Mapping[str, Figure]  # those of `cov.`


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the evidence of a period comes to for one framework."""

    framework: Framework
    site: str
    coverage: Coverage
    rows: tuple[Judged, ...]
    stricter: tuple[str, ...]  # thresholds that the site has tightened, in words
    exceptions: int  # of the policy that are in force at the end of the period

    @property
    def period(self) -> Period:
        """What it is about."""
        return self.coverage.period

    @property
    def counts(self) -> dict[Status, int]:
        """How many rows came to which status."""
        return {status: sum(row.status == status for row in self.rows) for status in STATUSES}
