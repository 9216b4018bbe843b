"""The nouns of detection, a sentence per field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from otsec.detect.conditions import Condition

Level: TypeAlias = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")

Correlating: TypeAlias = Literal["event_count", "value_count", "temporal", "temporal_ordered"]


@dataclass(frozen=True, slots=True)
class Texts:
    """What a rule tells people; words in braces are filled in from what was seen."""

    seen: str = ""
    expected: str = ""
    why: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A capture that tests a rule."""

    capture: str  # below `pcaps/`, or `shared:` and a path below the shared captures
    findings: int
    where: Mapping[str, str] = field(default_factory=dict)  # fields that each finding must have


@dataclass(frozen=True, slots=True)
class Selection:
    """What chooses rows of one category."""

    name: str
    category: str
    condition: Condition
    fields: frozenset[str]
    protocols: frozenset[str]  # that it is bound to; empty: to none


@dataclass(frozen=True, slots=True)
class Correlation:
    """How rows that were chosen make a finding together."""

    kind: Correlating
    group_by: tuple[str, ...]
    timespan_s: int
    holds: Callable[[int], bool]  # of the count; unused by the temporal ones
    least: int  # the least count that holds
    counted: str  # the field whose values are counted, for `value_count`
    order: tuple[int, ...] = ()  # positions in `selections`, for the temporal ones


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to judge."""

    id: str
    name: str  # the file's name: by which people call it
    title: str
    level: Level
    status: str
    techniques: tuple[str, ...]  # of ATT&CK for ICS, `T0858`
    category: str
    selections: tuple[Selection, ...]
    correlation: Correlation | None
    texts: Texts
    falsepositives: tuple[str, ...]
    fires: tuple[Trial, ...]
    near_miss: tuple[Trial, ...]
    quiet: tuple[Trial, ...]
    cannot: str  # why it cannot fire in this version; empty: it can
    path: Path
    line: int
