"""Evidence for one framework: what speaks for and against each control, and what cannot be told.

Never is anything called compliant. Each row stands with the period, the sensors, the zones that
were not seen, how much was read and the gaps; the population behind each figure is a table, because
auditors sample.
"""

from collections.abc import Iterator, Mapping

from otsec.controls import Evaluation, Judged
from otsec.controls.frameworks import catalogue
from otsec.controls.model import STATUSES, Figure, Item, Number, why_unknown
from otsec.health.verdict import counted
from otsec.reports.controlled import evaluated, measured
from otsec.reports.document import (
    Bars,
    Block,
    Cell,
    Chart,
    Document,
    Key,
    Paragraph,
    Section,
    Table,
    Tone,
    columns,
)
from otsec.reports.frame import framed
from otsec.reports.subject import Subject

TONES: tuple[Tone, ...] = ("bad", "unknown", "warn", "good", "informational")  # as STATUSES
MOST_NAMED = 4  # packets beside a row; the table behind has all that are told
RANK = {status: rank for rank, status in enumerate(STATUSES)}
MEANS = (
    "Contradicted: at least one packet speaks against it. Insufficient: too little was seen, or "
    "something that the row reads is not known. Partial and supported: evidence speaks for it, as "
    "far as a listener can see. Context: facts alone, without a verdict."
)
CONTROLS = columns(
    ("control", "Control"), ("title", "What it asks for"), ("status", "Status", "tag"),
    ("seen", "What was seen"), ("evidence", "Packets and findings", "list"),
    ("limits", "What this cannot show"), ("notes", "Notes", "list"),
    ("attested", "People attest", "list"),
    ("most", "It can at best be*"), ("check", "Check*"), ("figures", "Figures*", "list"),
    ("unknown", "Not known*", "list"), ("coverage", "It stands on*"), ("version", "Version*"),
    ("priority", "Priority*"),
)  # fmt: skip
ITEMS = (
    ("subject", "Who"), ("other", "To whom"), ("what", "What"), ("told", "What was seen"),
    ("last", "Last", "time"), ("point", "Point"), ("packet", "Packet", "number"),
    ("finding", "Finding"), ("first", "First*", "time"),
)  # fmt: skip


def gather(subject: Subject) -> Document:
    """The report. Raises UsageError where there is no such framework."""
    figures = measured(subject)
    [told] = evaluated(subject, figures)
    counts = told.counts
    keys = (
        Key("contradicted", counts["contradicted"], f"of {counted(len(told.rows), 'row')}",
            grave=counts["contradicted"] > 0),
        Key("insufficient", counts["insufficient"], "too little is seen or configured"),
        Key("partial", counts["partial"], "a listener cannot show all of it"),
        Key("supported", counts["supported"], "as far as a listener can see"),
        Key("context", counts["context"], "facts alone"),
        Key("exceptions", told.exceptions, "of the policy that are in force"),
    )  # fmt: skip
    stands = _stands(told)
    return framed(
        subject,
        "evidence",
        f"Evidence for {told.framework.name}",
        keys,
        (
            Section("controls", "Controls", tuple(_controls(told, stands))),
            Section("against", "What contradicts them, packet by packet", (_against(told),)),
            Section("known", "Figures", (_figures(told),)),
            Section("attested", "What people attest", (_attested(told),)),
            Section("population", "Populations to sample from", (_population(told),)),
        ),
    )


# -------------------------------------------------------------------------------- controls


def _controls(told: Evaluation, stands: str) -> Iterator[Block]:
    yield Paragraph(MEANS)
    yield Chart(
        f"Statuses of {told.framework.name}",
        f"{counted(told.counts['contradicted'], 'row')} contradicted, "
        f"{told.counts['insufficient']} insufficient, of {len(told.rows)}.",
        Bars(TONES),
        Table(
            "statuses",
            "Statuses",
            columns(("framework", "Framework"), *((one, one, "number") for one in STATUSES)),
            ((told.framework.name, *(told.counts[one] for one in STATUSES)),),
        ),
    )
    yield Paragraph(f"Every row stands on: {stands}")
    if told.stricter:
        yield Paragraph(f"The site asks for more than the rows do: {'; '.join(told.stricter)}.")
    ordered = sorted(
        told.rows, key=lambda one: RANK[one.status]
    )  # of one status as in the standard
    yield Table(
        "controls",
        "",
        CONTROLS,
        tuple(_control(one, stands) for one in ordered),
        key=("control", "status"),
    )


def _control(one: Judged, stands: str) -> tuple[Cell, ...]:
    control = one.control
    rest = len(one.evidence) + one.more - MOST_NAMED
    more = (f"and {rest} more",) if rest > 0 else ()
    return (
        control.id, control.title, one.status, one.says,
        (*map(_packet, one.evidence[:MOST_NAMED]), *more), control.limits, one.notes,
        tuple(f"{each.kind} by {each.who}: {each.what}" + (", expired" if each.expired else "")
              for each in one.attestations),
        control.max_status, control.check,
        tuple(f"{name} {_value(figure)}" for name, figure in one.figures.items()),
        tuple(f"{name}: {reason}" for name, reason in one.unknown.items()), stands,
        control.version, control.priority,
    )  # fmt: skip


def _packet(item: Item) -> str:
    """Where to look."""
    if item.finding:
        return f"finding {item.finding}"
    return f"{item.point} #{item.packet}" if item.packet is not None else item.subject


def _value(figure: Figure) -> str:
    return f"{figure.value:.6g}" if isinstance(figure, Number) else why_unknown(figure)


def _stands(told: Evaluation) -> str:
    """What every row stands on, in a sentence."""
    coverage = told.coverage
    sensors = ", ".join(
        f"{one.name} ({one.days:.1f} days, {counted(one.gaps, 'gap')})" for one in coverage.sensors
    )
    unseen = ", ".join(coverage.zones_not_seen)
    zones = (
        f"{len(coverage.zones)} zones, {f'not seen: {unseen}' if unseen else 'all of them seen'}"
        if coverage.zones
        else "no policy, so no zone is known"
    )
    figures = "; ".join(f"{name} {_value(one)}" for name, one in sorted(coverage.figures.items()))
    return f"sensors {sensors or 'none'}; {zones}; {figures}."


# -------------------------------------------------------------------------------- evidence


def _item(one: Item) -> tuple[Cell, ...]:
    return (
        one.subject, one.other, one.what, one.told, one.last_time or None, one.point, one.packet,
        one.finding, one.first_time or None,
    )  # fmt: skip


def _against(told: Evaluation) -> Table:
    return Table(
        "against",
        "",
        columns(("control", "Control"), *ITEMS),
        tuple(
            (one.control.id, *_item(item))
            for one in told.rows
            if one.status == "contradicted"
            for item in one.evidence
        ),
        empty="No packet contradicts a row of this framework.",
    )


def _all_figures(told: Evaluation) -> Mapping[str, Figure]:
    found = {name: figure for row in told.rows for name, figure in row.figures.items()}
    return dict(sorted({**told.coverage.figures, **found}.items()))


def _figures(told: Evaluation) -> Table:
    """All metrics that the rows read; those that are not known first."""
    about = catalogue().metrics
    rows = [
        (name, figure.value if isinstance(figure, Number) else None, about.get(name, ""),
         why_unknown(figure) or (figure.told if isinstance(figure, Number) else ""),
         sum(name in row.figures for row in told.rows))
        for name, figure in _all_figures(told).items()
    ]  # fmt: skip
    return Table(
        "figures",
        "",
        columns(("metric", "Metric"), ("value", "Value", "number"), ("about", "What it is"),
                ("told", "How it came about, or why it is not known"), ("rows", "Rows", "number")),
        tuple(sorted(rows, key=lambda row: (row[1] is not None, row[0]))),
        reading="A figure that is not known makes each row that reads it insufficient.",
        key=("metric",),
    )  # fmt: skip


def _attested(told: Evaluation) -> Table:
    return Table(
        "attestations",
        "",
        columns(("row", "Row"), ("kind", "Kind"), ("who", "Who"), ("what", "What"),
                ("file", "File"), ("sha256", "SHA-256"), ("expires", "Expires", "time"),
                ("expired", "State", "tag")),
        tuple(
            (each.row, each.kind, each.who, each.what, each.file, each.sha256, each.expires or None,
             "expired" if each.expired else "in force")
            for one in told.rows
            for each in one.attestations
        ),
        empty="Nobody has attested anything; what packets cannot show stays open (otsec attest).",
        reading="An attestation changes no status: it stands beside what was seen.",
    )  # fmt: skip


def _population(told: Evaluation) -> Table:
    """All that each figure looked at, whether it counts or not."""
    rows = [
        (name, "yes" if item.counted else "", *_item(item))
        for name, figure in _all_figures(told).items()
        if isinstance(figure, Number)
        for item in figure.items()
    ]
    return Table(
        "population",
        "",
        columns(("metric", "Metric"), ("counted", "Counted"), *ITEMS),
        tuple(rows),
        empty="No figure has a population.",
        reading="The hash of this table's CSV stands in the manifest.",
        most=25,
    )
