"""What the exchanges of one source add up to: behaviours with their values, facts, and steps.

All of it is fed by shares alone, one behind the other, and gives nothing back: it may lie in
another process than what makes the shares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from otsec.aggregates.behaviours import Behaviours
from otsec.aggregates.bouts import Bouts
from otsec.aggregates.counters import Counters, Row
from otsec.aggregates.facts import Facts
from otsec.aggregates.held import Held, Watch
from otsec.aggregates.phrases import Said
from otsec.aggregates.steps import Steps
from otsec.aggregates.values import Cells
from otsec.config import Caps
from otsec.exchanges.cache import Content
from otsec.exchanges.calls import Occurrences

CAPPED = ("behaviours", "cells", "facts", "held", "bouts", "steps")
TABLES = ("fact", "step", "behaviour", "value", "counter")  # of the store, that are taken back
PARTS = ("behaviours", "steps")  # whose state is kept; in the order in which they are taken up


@dataclass(frozen=True, slots=True)
class Share:
    """What was exchanged in a batch, or in a part of one."""

    void: list[str]  # protocols whose numbers of contents begin anew
    contents: Mapping[str, Sequence[Content | None]]  # by protocol, those with the next numbers
    found: list[tuple[str, Occurrences]]  # by protocol, exchanges that are complete
    said: Said
    watched: list[int]  # conversations of the host that the configuration has watched, if new


@dataclass(frozen=True, slots=True)
class Plan:
    """How the totals of a source are made."""

    caps: Caps
    seed: int
    routine: frozenset[tuple[str, str]]  # see `Behaviours`, as of what follows
    telling: frozenset[tuple[str, str]]
    watch: Watch | None = None
    states: bool = False  # bouts of control are kept


class Sums(Protocol):
    """Where the shares of one source are added up."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Of the store, those whose rows `restore` wants."""

    def take(self, share: Share) -> None:
        """Count what was exchanged."""

    def take_rows(self, source: int) -> dict[str, Iterable[Row]]:
        """All rows that changed since the last call, by table; drawn before the next share."""

    def dump(self) -> dict[str, Any]:
        """The state of each part, to go on from."""

    def restore(self, rows: dict[str, list[Row]]) -> None:
        """Take back what is in the rows whole, by table."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave, behind `restore`."""

    def begin_anew(self) -> None:
        """Go on without what `dump` gave, behind `restore`."""


class Totals:
    """Ordered: the sums of one source."""

    def __init__(self, plan: Plan) -> None:
        caps = plan.caps
        self.seed = plan.seed
        self.cells, self.facts = Cells(caps.value_cells), Facts(caps.facts)
        self.held, self.bouts = Held(plan.watch), Bouts(follows=plan.states)
        self.behaviours = Behaviours(
            *(caps.behaviours, caps.events_per_hour, self.cells, self.facts),
            *(plan.routine, plan.telling, self.held, self.bouts),
        )
        self.steps = Steps(caps.behaviours, self.behaviours.rhythms)
        self.counters = Counters()  # of caps that were hit
        self.contents: dict[str, list[Content | None]] = {}  # by protocol and number

    @property
    def tables(self) -> tuple[str, ...]:
        """Of the store, those whose rows `restore` wants."""
        return TABLES

    def take(self, share: Share) -> None:
        """Count what was exchanged."""
        for protocol in share.void:
            self.contents.pop(protocol, None)
            self.behaviours.forget_contents(protocol)
        for protocol, contents in share.contents.items():
            self.contents.setdefault(protocol, []).extend(contents)  # the first is that of none
        self.held.conversations.update(share.watched)
        self.behaviours.add(
            [(name, self.contents.setdefault(name, []), found) for name, found in share.found]
        )
        self.steps.follow(share.said, self.seed)

    def take_rows(self, source: int) -> dict[str, Iterable[Row]]:
        """All rows that changed since the last call, by table; drawn before the next share."""
        for name in CAPPED:
            self.counters.capped(name, getattr(self, name).refused)
        return {
            **self.behaviours.take_rows(source),
            "fact": self.facts.take_rows(source),
            "step": self.steps.take_rows(source),
            "counter": self.counters.take_rows(source),
        }

    def dump(self) -> dict[str, Any]:
        """The state of each part, to go on from."""
        return {name: getattr(self, name).dump() for name in PARTS}

    def restore(self, rows: dict[str, list[Row]]) -> None:
        """Take back what is in the rows whole, by table."""
        self.counters.restore(rows["counter"])
        self.facts.restore(rows["fact"])
        self.steps.restore(rows["step"])
        self.behaviours.restore(rows["behaviour"], rows["value"])

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave, behind `restore`."""
        for name in PARTS:
            getattr(self, name).load(state[name])

    def begin_anew(self) -> None:
        """Go on without what `dump` gave, behind `restore`."""
        self.behaviours.begin_anew()
