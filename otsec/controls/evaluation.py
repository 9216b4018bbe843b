"""Rows of a framework with their statuses: what the evidence of a period comes to.

In this order: `contradicted` where its expression is true from what is known, one packet is enough;
`insufficient` where any metric that the logic reads is unknown, or its expression is true;
`supported` where that expression is true; else `partial`. A row shows no more than its most: rows
that are `context` at most carry facts alone. Nothing is ever called compliant.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nsmallest
from itertools import zip_longest
from typing import NamedTuple

from otsec.controls.approvals import attestations
from otsec.controls.basis import Basis, point_name
from otsec.controls.expressions import Values
from otsec.controls.frameworks import Catalogue, catalogue
from otsec.controls.inputs import LOOSEST
from otsec.controls.metrics import METRICS, segmentation, upkeep
from otsec.controls.metrics.coverage import BLIND
from otsec.controls.model import (
    UNCHECKED,
    Attestation,
    Control,
    Coverage,
    Evaluation,
    Figure,
    Framework,
    Item,
    Judged,
    Number,
    Period,
    Sensor,
    Status,
)
from otsec.controls.site import Site, whole
from otsec.controls.words import found, number, says
from otsec.nanoseconds import DAY_NS
from otsec.store import Store

MOST_EVIDENCE = 10  # items of a contradicted row that are named; the population has all
REVIEW_DAYS = 35  # CIP-010-4 R2.1; also how old the self-test of CIP-015-1 R1.2 may be
COVERAGE = {"days": "cov.days", "zones_pct": "cov.zones_seen_pct", "loss_pct": "cov.loss_pct"}
ORDER: Mapping[Status, int] = {"partial": 1, "supported": 2}


class Measured:
    """Figures of a site in a period, each measured once, when it is asked for."""

    def __init__(self, basis: Basis, known: Mapping[str, Figure] | None = None) -> None:
        """``known``: figures that are not measured, since they are known already."""
        self.basis = basis
        self._figures: dict[str, Figure] = dict(known or {})
        self._proofs: dict[str, tuple[tuple[Item, ...], int]] = {}

    def __getitem__(self, name: str) -> Figure:
        if name not in self._figures:
            self._figures[name] = METRICS[name](self.basis)
        return self._figures[name]

    def proof(self, name: str) -> tuple[tuple[Item, ...], int]:
        """What a figure counts: those first that have a packet or a finding to show; and how many."""
        if name not in self._proofs:
            figure = self[name]
            items = figure.items() if isinstance(figure, Number) else ()
            found = [one for one in items if one.counted]
            first = nsmallest(
                MOST_EVIDENCE, found, lambda one: one.packet is None and not one.finding
            )
            self._proofs[name] = tuple(first), len(found)
        return self._proofs[name]

    def values(self, names: Iterable[str]) -> Values:
        """The numbers of some metrics; None: not known."""
        figures = {name: self[name] for name in names}
        return {
            name: figure.value if isinstance(figure, Number) else None
            for name, figure in figures.items()
        }


def evaluate(
    store: Store,
    framework: str | Framework,
    period: Period | None,
    site: Site,
    measured: Measured | None = None,
) -> Evaluation:
    """What the evidence of a period comes to for a framework; without a period of all that is held.

    `measured`: figures that were measured already of the same store, period and site, as by the
    evaluation of another framework.
    """
    known: Catalogue = catalogue()
    chosen = known.framework(framework) if isinstance(framework, str) else framework
    figures = measured or Measured(Basis(store, site, period or whole(store, site.name)))
    basis = figures.basis
    said = attestations(basis.acts, basis.period.end)
    rows = tuple(
        judge(control, figures, [one for one in said if one.row == f"{chosen.slug} {control.id}"])
        for control in chosen.controls
    )
    return Evaluation(
        framework=chosen,
        site=site.name,
        coverage=coverage(figures),
        rows=rows,
        stricter=tuple(_stricter(site)),
        exceptions=segmentation.exceptions_in_force(basis),
    )


def _stricter(site: Site) -> Iterator[str]:
    """The thresholds of coverage that the site has tightened."""
    for key, limit in site.inputs.coverage.items():
        yield f"{COVERAGE[key]}: {limit:g} instead of {LOOSEST[key]:g}"


# ------------------------------------------------------------------------------------- rows


def judge(control: Control, figures: Measured, said: Iterable[Attestation] = ()) -> Judged:
    """One row over figures; ``said``: what people vouch for it."""
    logic = control.logic
    values = figures.values(logic.metrics)
    read = {name: figures[name] for name in logic.metrics}
    unknown = [name for name, value in values.items() if value is None]
    lacking = list(_lacking(control, values, figures.basis.site))
    special = SPECIAL.get((control.framework, control.id), nothing_special)(figures.basis)
    status = _status(control, values, lacks=bool(unknown or lacking or special.lacks))
    if special.cap and ORDER.get(status, 0) > ORDER["partial"]:
        status = "partial"
    notes = [UNCHECKED] if control.id_source == "memory" else []
    notes += [text for text in (special.lacks, special.cap) if text]
    against = bool(logic.contradicted.truth(values))
    told, more = _evidence(control, values, figures) if against else ((), 0)
    return Judged(
        control=control,
        status=status,
        says=says(
            control, status, values, read, [*lacking, *([special.lacks] if special.lacks else [])]
        ),
        figures=read,
        evidence=told,
        more=more,
        notes=tuple(notes),
        attestations=tuple(said),
    )


def _status(control: Control, values: Values, *, lacks: bool) -> Status:
    if control.max_status == "context":
        return "context"
    if control.logic.contradicted.truth(values):
        return "contradicted"
    if lacks or control.logic.insufficient.truth(values) is not False:
        return "insufficient"
    holds = control.logic.supported.truth(values)
    return "supported" if holds and control.max_status == "supported" else "partial"


def _lacking(control: Control, values: Values, site: Site) -> Iterator[str]:
    """What does not suffice, in words: of the row, and of the site's own stricter thresholds."""
    if control.logic.insufficient.truth(values):
        for part in control.logic.insufficient.holding(values):
            yield found(part, values)
    for key, limit in site.inputs.coverage.items():
        value = values.get(COVERAGE[key])
        if value is not None and (value > limit if key == "loss_pct" else value < limit):
            yield f"{COVERAGE[key]} is {number(value)}; the site asks for {limit:g}"


def _evidence(control: Control, values: Values, figures: Measured) -> tuple[tuple[Item, ...], int]:
    """What contradicts a row, of each of its figures in turn; and how much more there is."""
    contradicting = control.logic.contradicted.holding(values)
    names = dict.fromkeys(name for part in contradicting for name in part.names)
    proofs = [figures.proof(name) for name in names]
    turns = zip_longest(*(items for items, _ in proofs))
    told = [item for turn in turns for item in turn if item is not None][:MOST_EVIDENCE]
    return tuple(told), sum(count for _, count in proofs) - len(told)


# ------------------------------------------------------------------------------ special rules


class Special(NamedTuple):
    """What a row asks for besides its logic; empty: it has it."""

    lacks: str = ""  # why the evidence does not suffice
    cap: str = ""  # why it shows no more than partial


def nothing_special(_basis: Basis) -> Special:
    """Most rows ask for nothing else."""
    return Special()


def _reviewed(basis: Basis) -> Special:
    """CIP-010-4 R2.1: somebody has looked for changes, at most 35 days before the period's end."""
    act = basis.approved("baseline-review", "baseline-approve", "baseline-import")
    if act is None:
        return Special(
            lacks="no review of the baseline is recorded (otsec baseline review --by WHO)"
        )
    age = basis.age_d(act)
    if age > REVIEW_DAYS:
        return Special(
            lacks=f"the last review of the baseline is {age:.0f} days old, {REVIEW_DAYS} at most"
        )
    return Special()


def _self_tested(basis: Basis) -> Special:
    """CIP-015-1 R1.2: detection is shown by tests: not more than partial without a fresh one."""
    act = upkeep.last_self_test(basis)
    if act is None:
        return Special(
            cap="no self-test of all rules is recorded (otsec selftest): partial at most"
        )
    if (age := basis.age_d(act)) > REVIEW_DAYS:
        return Special(
            cap=f"the last self-test is {age:.0f} days old, {REVIEW_DAYS} at most: partial at most"
        )
    if upkeep.self_test_failed(act):
        return Special(cap=f"the last self-test had failures ({act.after[:200]}): partial at most")
    return Special()


SPECIAL: Mapping[tuple[str, str], Callable[[Basis], Special]] = {
    ("NERC CIP", "CIP-010-4 R2.1"): _reviewed,
    ("NERC CIP", "CIP-015-1 R1.2"): _self_tested,
}


# --------------------------------------------------------------------------------- coverage


def coverage(figures: Measured) -> Coverage:
    """What the evidence stands on."""
    basis = figures.basis
    return Coverage(
        period=basis.period,
        sensors=tuple(_sensors(basis)),
        zones=tuple(basis.zone_names),
        zones_not_seen=tuple(name for name, seen in basis.zone_names.items() if not seen),
        figures={name: figures[name] for name in METRICS if name.startswith("cov.")},
    )


def _sensors(basis: Basis) -> Iterator[Sensor]:
    for one in basis.sources:
        name = point_name(one.point, one.interface)
        gaps = [gap for gap in basis.gaps if point_name(gap.point, gap.interface) == name]
        blind = [
            min(gap.end_time, basis.period.end) - max(gap.begin_time, basis.period.begin)
            for gap in gaps
            if gap.kind in BLIND
        ]
        begin, end = max(one.first_time, basis.period.begin), min(one.last_time, basis.period.end)
        heard = end - begin - sum(blind)
        yield Sensor(name, max(heard, 0) / DAY_NS, one.packets, len(gaps))
