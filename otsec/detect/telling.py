"""What makes findings the same, how many there are, and what all of them share."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from otsec.protocols.words import dnp3, iec104
from otsec.store.findings import Finding
from otsec.store.schema import NONE

# 60 bits: of a million findings two are the same once in two million sites. With a 1 in front it
# is still a number that a screen can hold in a column (`store.paging`).
ID_DIGITS = 15
SHOWN = 4  # of operations, objects and outcomes in a sentence
KEPT = 20  # of them in a finding
MOST = 200  # findings of one rule in a point group; a scan must not bury what else is wrong
PACKETS = 12  # of a finding: the first ones and the last
LONGEST = 120  # letters of one object or value; devices may say anything
MANY = "several"
FURTHER = "further"  # what the finding is about that stands for all beyond MOST

OUTCOMES = {  # in words; others are the device's own
    "ok": "it was done",
    "open": "no answer was seen",
    "unanswered": "it was never answered",
    "unknown": "no answer was seen",
    "late": "it was answered late",
    "unasked": "nobody had asked",
    "duplicate": "it was answered twice",
    "malformed": "the answer contradicts the protocol",
    "mismatch": "the answer belongs to another request",
    "asked": "the device asked for it",
    "challenge": "proof was asked for",
    "challenged": "proof was asked for",
    "problem": "the device says that it has a problem",
    "in_progress": "more was asked for",
    "": "it needs no answer",
}
QUALITIES = frozenset(  # what is said of a value, which is told nevertheless: nothing is refused
    {
        *dnp3.QUALITY,
        *(word for words in dnp3.MORE_QUALITY.values() for word in words if word),
        *(word for _, word in iec104.QUALITIES),
    }
)
TO_ALL = "it was sent to all"  # what nobody in particular was asked for
UNTOLD: Mapping[tuple[str, str], str] = {  # what ends well and tells nothing of what it is for
    ("ssh", "kex_reply"): "keys were agreed on, the login is encrypted",
    ("ssh", "kex_gex_reply"): "keys were agreed on, the login is encrypted",
}
NAMELESS = frozenset({"", "unknown"})  # devices that have no name to tell
_T = TypeVar("_T")


class Key(NamedTuple):
    """What makes findings the same."""

    site: str
    group: str
    place: str
    rule: str
    client: str
    server: str
    service: str
    device: str
    about: str = ""  # what else a correlation groups by

    @property
    def id(self) -> str:
        """A name that never changes; who has fewer digits of it has an older version's, or typed it."""
        return hashlib.sha256(json.dumps(list(self)).encode()).hexdigest()[:ID_DIGITS]


class Sort(Protocol):
    """What findings of one rule, or of one kind, have in common."""

    @property
    def name(self) -> str:
        """By which people call it."""

    @property
    def level(self) -> str:
        """How bad it is, where what was seen does not say more."""

    @property
    def title(self) -> str:
        """What it is, in few words."""

    @property
    def techniques(self) -> tuple[str, ...]:
        """Of ATT&CK for ICS."""

    @property
    def falsepositives(self) -> tuple[str, ...]:
        """What else it may be."""


def finding(key: Key, sort: Sort, category: str) -> Finding:
    """A finding with all that its key and sort say; of no source, and nothing was seen yet."""
    return Finding(
        id=key.id,
        site=key.site,
        group=key.group,
        place=key.place,
        rule=key.rule,
        name=sort.name,
        category=category,
        level=sort.level,
        title=sort.title,
        client=key.client,
        server=key.server,
        service=key.service,
        device=key.device,
        protocol="",
        times=0,
        source=NONE,
        witnesses=(),
        first_time=0,
        first_packet=NONE,
        last_time=0,
        last_packet=NONE,
        operations=(),
        objects=(),
        outcomes=(),
        techniques=sort.techniques,
        falsepositives=sort.falsepositives,
        seen="",
        expected="",
        why="",
        next="",
        doubt="",
        incident="",
    )


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Names as a command takes them; dots stand for those that are too many."""
    return " ".join(names[:most]) + (" ..." if len(names) > most else "")


def outcome_words(outcome: str) -> str:
    """An outcome for people."""
    if outcome in OUTCOMES:
        return OUTCOMES[outcome]
    if QUALITIES.issuperset(outcome.split(", ")):
        return f"marked {outcome.replace('_', ' ')}"
    return f"refused ({outcome.removeprefix('exception ').replace('_', ' ')})"


def shared(values: Iterable[str]) -> str:
    """The value that all have."""
    found = set(values)
    return found.pop() if len(found) == 1 else MANY


def distinct(values: Iterable[str]) -> tuple[str, ...]:
    """What a finding keeps of values, each once, in their order."""
    return tuple(dict.fromkeys(value[:LONGEST] for value in values if value))[:KEPT]


def few(values: Iterable[str], number: int = 0, *, between: str = ", ", most: int = SHOWN) -> str:
    """Values in a sentence: the first ones, and how many more there are of ``number``."""
    told = [value[:LONGEST] for value in values]
    more = max(number, len(told)) - most
    shown = between.join(told[:most])
    return f"{shown} and {more} more" if more > 0 else shown


def first_and_last(packets: Sequence[_T]) -> Sequence[_T]:
    """What a finding keeps of its packets: the first ones and the last two."""
    return packets if len(packets) <= PACKETS else [*packets[: PACKETS - 2], *packets[-2:]]
