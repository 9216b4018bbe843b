"""Rows of control frameworks as reports need them: measured once, and beside recommendations.

A recommendation closes a row if nothing contradicts the row any more once what the recommendation
is about is gone: its logic is asked again, with each figure less what of it comes from there.
Figures that are no counts stay as they are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otsec.controls import Evaluation, Judged, Measured, Period, Site, evaluate
from otsec.controls.basis import Basis
from otsec.controls.expressions import Values
from otsec.controls.frameworks import catalogue
from otsec.controls.inputs import Inputs
from otsec.controls.metrics.access import RULE, clear, weak
from otsec.controls.model import Framework, Item, NotConfigured, Number
from otsec.inventory.weaknesses import CLEAR_SERVICE
from otsec.reports.advice import Advice
from otsec.reports.subject import Subject

DEEDS = frozenset({"ops.program_unapproved", "ops.firmware_unapproved", "changes.unlinked"})


def measured(subject: Subject) -> Measured:
    """The figures of what a report is about, from what it has read already."""
    order = subject.order
    begin, end = subject.span
    site = Site(order.site, order.zone, order.policy, None, order.inputs or Inputs())
    basis = Basis(subject.store, site, Period(begin, end))
    basis.inventory, basis.directory = subject.inventory, subject.known
    basis.people, basis.talks = subject.people, subject.talks
    if order.policy is not None:
        basis.places, basis.ends = subject.places, subject.ends
    basis.cases, basis.sessions = tuple(subject.cases), tuple(subject.sessions)
    basis.flows = tuple(subject.flows)
    return Measured(basis)


def frameworks(subject: Subject) -> tuple[Framework, ...]:
    """The one that is asked for, else all. Raises UsageError where there is no such framework."""
    known, asked = catalogue(), subject.order.framework
    return (known.framework(asked),) if asked else known.frameworks


def evaluated(subject: Subject, figures: Measured) -> list[Evaluation]:
    """What the evidence comes to for each of them."""
    basis = figures.basis
    return [
        evaluate(subject.store, one, basis.period, basis.site, figures)
        for one in frameworks(subject)
    ]


# --------------------------------------------------------------------------------- closing


class Name(NamedTuple):
    """What people call a row."""

    framework: str
    row: str

    def __str__(self) -> str:
        return f"{self.framework} {self.row}"


@dataclass(frozen=True, slots=True)
class Closing:
    """What a recommendation does to contradicted rows."""

    whole: tuple[Name, ...] = ()  # nothing contradicts them any more
    part: tuple[Name, ...] = ()  # something else still does


def closings(
    figures: Measured, found: Sequence[Evaluation], told: Sequence[Advice]
) -> list[Closing]:
    """What each recommendation does."""
    rows = [
        (Name(one.framework.name, row.control.id), row)
        for one in found
        for row in one.rows
        if row.status == "contradicted"
    ]
    names = {name for _, row in rows for name in row.control.logic.contradicted.names}
    marks = _marks(figures.basis, told)
    taken = {name: _taken(figures, name, marks) for name in sorted(names)}
    return [_closing(rows, taken, number) for number in range(len(told))]


def few(names: Sequence[Name], most: int) -> str:
    """Some rows by name, each framework named once, and how many there are besides."""
    told = [
        one.row if before is not None and before.framework == one.framework else str(one)
        for before, one in zip((None, *names), names[:most], strict=False)
    ]
    rest = len(names) - most
    return ", ".join(told) + (f" and {rest} more" if rest > 0 else "")


def _closing(
    rows: Sequence[tuple[Name, Judged]], taken: Mapping[str, Counter[int]], number: int
) -> Closing:
    whole: list[Name] = []
    part: list[Name] = []
    for name, row in rows:
        logic = row.control.logic.contradicted
        less = {metric: taken[metric][number] for metric in logic.names}
        if any(less.values()):
            still = logic.truth(_values(row, logic.names, less))
            (part if still else whole).append(name)
    return Closing(tuple(whole), tuple(part))


def _values(row: Judged, names: Sequence[str], less: Mapping[str, int]) -> Values:
    known = {name: row.figures[name] for name in names}
    return {
        name: one.value - less[name] if isinstance(one, Number) else None
        for name, one in known.items()
    }


def _marks(basis: Basis, told: Sequence[Advice]) -> dict[object, list[int]]:
    """By what a figure may count, the recommendations that are about it."""
    found: dict[object, list[int]] = {}
    for number, one in enumerate(told):
        for mark in _of(basis, one):
            found.setdefault(mark, []).append(number)
    return found


def _of(basis: Basis, one: Advice) -> Iterator[object]:
    for finding in one.findings:
        yield finding.id
        point = basis.points.get(finding.source, "")
        yield from {(point, finding.first_packet), (point, finding.last_packet)}
    yield from (_mark(basis.flow_item(flow, counted=True)) for flow in one.flows)
    if one.weakness in RULE:
        yield from map(_mark, weak(one.weakness)(basis))
    elif one.weakness == CLEAR_SERVICE.title:
        yield from map(_mark, clear(basis))


def _mark(item: Item) -> object:
    """By what one thing that is counted is told from others."""
    return item.finding or item[1:]


def _packet(item: Item) -> object:
    """What was done, by the packet that shows it; a finding of the same packet is about it."""
    return item.finding or (item.point, item.packet)


def _taken(figures: Measured, name: str, marks: Mapping[object, Sequence[int]]) -> Counter[int]:
    """How much of a figure would be gone with each recommendation; nothing if it is no count."""
    figure = figures[name]
    if not isinstance(figure, Number) or not marks:
        return Counter()
    counted = [item for item in figure.items() if item.counted]
    if len(counted) != figure.value:
        return Counter()
    mark = _packet if name in DEEDS else _mark
    return Counter(number for item in counted for number in marks.get(mark(item), ()))


# ---------------------------------------------------------------------------------- needed


def needed(found: Sequence[Evaluation]) -> list[tuple[str, tuple[Name, ...]]]:
    """What must be said before rows can be told, with these rows; the most wanted first."""
    waiting: dict[str, list[Name]] = {}
    for one in found:
        for row in one.rows:
            if row.status != "insufficient":
                continue
            name = Name(one.framework.name, row.control.id)
            unsaid = {
                figure.command
                for figure in row.figures.values()
                if isinstance(figure, NotConfigured)
            }
            for command in sorted(unsaid):
                waiting.setdefault(command, []).append(name)
    ordered = sorted(waiting.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [(command, tuple(names)) for command, names in ordered]
