"""What is wrong, as the assessment tells it: a card for each rule, incidents, and what was decided."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from otsec.detect.attack import techniques
from otsec.detect.cases import Case, word_on
from otsec.detect.incidents import stages
from otsec.detect.model import LEVELS

GRAVE = LEVELS.index("high")


@dataclass(frozen=True, slots=True)
class Row:
    """One finding."""

    case: Case
    who: str  # name of who did it
    on: str  # name of whom it was done to
    point: str  # at which its packets were captured
    said: str  # who decided of it and why; empty: nobody


@dataclass(frozen=True, slots=True)
class Card:
    """The open findings of one rule."""

    level: str
    title: str
    why: str
    next: str  # empty: it differs, and each finding tells its own
    techniques: tuple[str, ...]  # `T0858 Change Operating Mode`
    rows: tuple[Row, ...]  # the newest first


@dataclass(frozen=True, slots=True)
class Incident:
    """Findings that are one story."""

    id: str
    first_time: int
    last_time: int
    hosts: tuple[str, ...]  # who acted
    stages: tuple[tuple[str, tuple[str, ...]], ...]  # of ATT&CK, each with what was found


@dataclass(frozen=True, slots=True)
class Wrong:
    """All of it."""

    cards: tuple[Card, ...]  # the worst first
    incidents: tuple[Incident, ...]  # those with the gravest findings first
    decided: tuple[Row, ...]  # findings that are no longer open

    @property
    def open(self) -> int:
        """How many findings nobody has dealt with."""
        return sum(len(card.rows) for card in self.cards)

    @property
    def grave(self) -> int:
        """How many of them are high or critical."""
        return sum(len(card.rows) for card in self.grave_cards)

    @property
    def grave_cards(self) -> tuple[Card, ...]:
        """The rules of these."""
        return tuple(card for card in self.cards if LEVELS.index(card.level) >= GRAVE)


def wrong(
    cases: Sequence[Case], name: Callable[[str, str, str], str], points: Mapping[int, str]
) -> Wrong:
    """What findings of a site, the worst first, come to.

    ``name``: what an address is called, by group, place and address; ``points``: names of sources.
    """
    rows = [_row(case, name, points) for case in cases]
    by_rule: dict[str, list[Row]] = {}
    for row in rows:
        if row.case.open:
            by_rule.setdefault(row.case.finding.rule, []).append(row)
    decided = tuple(row for row in rows if not row.case.open)
    return Wrong(tuple(map(_card, by_rule.values())), tuple(_incidents(rows)), decided)


def _row(case: Case, name: Callable[[str, str, str], str], points: Mapping[int, str]) -> Row:
    one = case.finding
    said = ": ".join(filter(None, word_on(case)))
    who, on = (name(one.group, one.place, address) for address in (one.client, one.server))
    return Row(case, who, on, points.get(one.source, ""), said)


def _card(rows: Sequence[Row]) -> Card:
    one = rows[0].case.finding
    known = techniques()
    named = tuple(f"{name} {known[name].name}" for name in one.techniques if name in known)
    same = {row.case.finding.next for row in rows} == {one.next}
    return Card(one.level, one.title, one.why, one.next if same else "", named, tuple(rows))


def _incidents(rows: Iterable[Row]) -> Iterable[Incident]:
    """In the order of their worst findings; those of which nothing is open are over."""
    stories: dict[str, list[Row]] = {}
    for row in rows:
        if row.case.finding.incident:
            stories.setdefault(row.case.finding.incident, []).append(row)
    for name, story in stories.items():
        if not any(row.case.open for row in story):
            continue
        found = sorted((row.case.finding for row in story), key=lambda one: one.first_time)
        ordered = sorted(story, key=lambda row: row.case.finding.first_time)
        yield Incident(
            name,
            min(one.first_time for one in found),
            max(one.last_time for one in found),
            tuple(dict.fromkeys(row.who for row in ordered if row.who)),
            tuple(
                (stage.replace("-", " ") or "other", tuple(dict.fromkeys(one.title for one in met)))
                for stage, met in stages(found).items()
            ),
        )
