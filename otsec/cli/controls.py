"""``otsec controls``: what passive evidence says of the controls of standards and laws."""

import hashlib
import io
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec.cli import listing, options
from otsec.cli.output import Column, Style, say, style_of, time_text, write
from otsec.cli.page import Page
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.controls.evaluation import Measured
    from otsec.controls.model import Control, Coverage, Evaluation, Figure, Framework, Item, Judged
    from otsec.store import Store
    from otsec.store.queries import Filter

ACTIONS = {
    "frameworks": "list the frameworks, and what each can at best come to",
    "list": "list the rows: what each asks for, what it looks at, and what it cannot show",
    "metrics": "measure all figures, and tell of each that is unknown what would make it known",
    "evaluate": "come to a status for each row, with what led to it",
    "show": "tell all of one row: its figures, what contradicts it, what is missing",
    "population": "list the rows behind a figure, as auditors sample them",
}
EPILOG = """\
Never is anything called compliant. Statuses: contradicted (one packet is enough), insufficient
(something that the row reads is not known, or too little was captured), partial, supported; context
rows carry facts alone. The period is all that the store holds, or what --since and --until say.
"""
POPULATION_EPILOG = """\
With --csv the hash of what was written is told on standard error; it is that of the file.
Rows that are not counted were looked at too: the population from which to sample.
"""
NO_VALUE = None


class Row(NamedTuple):
    """A row of a framework, evaluated or not."""

    slug: str
    control: "Control"
    judged: "Judged | None" = None


class Measure(NamedTuple):
    """A metric with its figure."""

    name: str
    figure: "Figure"
    about: str


def _of_control(name: str) -> Any:
    return lambda row: getattr(row.control, name)


def _of_judged(name: str) -> Any:
    return lambda row: getattr(row.judged, name)


def _of_logic(name: str) -> Callable[[Row], str]:
    return lambda row: str(getattr(row.control.logic, name))


def _showing(status: str) -> "Callable[[Framework], int]":
    return lambda one: sum(row.max_status == status for row in one.controls)


def _figures(row: Row) -> tuple[str, ...]:
    from otsec.controls.model import Number

    judged = row.judged
    if judged is None:
        return ()
    return tuple(
        f"{name}={figure.value:.6g}" if isinstance(figure, Number) else f"{name}=?"
        for name, figure in judged.figures.items()
    )


def _evidence(row: Row) -> tuple[str, ...]:
    return tuple(map(_leads, row.judged.evidence)) if row.judged else ()


def _leads(item: "Item") -> str:
    """What leads to the packets of an item: its finding, or point and ordinal."""
    if item.finding:
        return f"finding {item.finding}"
    return f"{item.point} packet {item.packet}" if item.packet is not None else item.subject


COMMON = (
    Column("framework", "framework", about="as a command takes it", value=lambda row: row.slug),
    Column("row", "row", about="identifier of the row", value=_of_control("id")),
)
TOLD = (
    Column("version", "version", about="of the standard", detail=True, value=_of_control("version")),
    Column("check", "check", about="what is looked at", detail=True, value=_of_control("check")),
    Column("evidence", "evidence", about="what serves as evidence", detail=True, value=_of_control("evidence")),
    Column("limits", "limits", about="what it cannot show", detail=True, value=_of_control("limits")),
    Column("id_source", "identifier", about="outline, guidance, or memory: not checked against the standard", detail=True, value=_of_control("id_source")),
)  # fmt: skip
LIST = (
    *COMMON,
    Column("max_status", "at most", about="the most that it can show", value=_of_control("max_status")),
    Column("title", "title", about="in our own words", value=_of_control("title")),
    *(one._replace(detail=one.name in {"version", "evidence", "id_source"}) for one in TOLD),
    *(
        Column(name, name, about="expression over metrics", detail=True,
               value=_of_logic(name))
        for name in ("contradicted", "insufficient", "supported")
    ),
)  # fmt: skip
EVALUATE = (
    *COMMON,
    Column("status", "status", about="contradicted, insufficient, partial, supported, context", value=_of_judged("status")),
    Column("title", "title", about="in our own words", value=_of_control("title")),
    Column("says", "what it comes to", about="in words", value=_of_judged("says")),
    Column("max_status", "at most", about="the most that it can show", detail=True, value=_of_control("max_status")),
    *TOLD,
    Column("figures", "figures", "list", "what was measured; ? is unknown", detail=True, value=_figures),
    Column("unknown", "unknown", "list", "and why", detail=True,
           value=lambda row: tuple(f"{name}: {why}" for name, why in row.judged.unknown.items())),
    Column("leads", "leads to", "list", "of a contradicted row: findings, or packets", detail=True, value=_evidence),
    Column("more", "more", "number", "how many of these are left out", detail=True, value=_of_judged("more")),
    Column("notes", "notes", "list", "what else is to be known", detail=True, value=_of_judged("notes")),
    Column("attestations", "attested", "list", "what people vouch for", detail=True,
           value=lambda row: tuple(f"{one.kind} by {one.who}: {one.what}" for one in row.judged.attestations)),
)  # fmt: skip
FRAMEWORKS = (
    Column("slug", "framework", about="as a command takes it"),
    Column("name", "name", about="of the standard or law"),
    Column("rows", "rows", "number", "how many", value=lambda one: len(one.controls)),
    *(
        Column(status, f"at most {status}", "number", "rows that can show so much at most",
               value=_showing(status))
        for status in ("supported", "partial", "context")
    ),
    Column("unchecked", "unchecked", "number", "rows whose identifier was not checked against the standard",
           value=lambda one: sum(row.id_source == "memory" for row in one.controls)),
)  # fmt: skip
METRICS = (
    Column("metric", "metric", value=lambda one: one.name),
    Column("value", "value", "number", "1 and 0 for yes and no; none: unknown",
           value=lambda one: getattr(one.figure, "value", NO_VALUE)),
    Column("unknown", "why it is unknown", about="and what would make it known",
           value=lambda one: _unknown(one.figure)),
    Column("told", "how", about="where the number alone would mislead", detail=True,
           value=lambda one: getattr(one.figure, "told", "")),
    Column("about", "what it is", detail=True),
)  # fmt: skip
POPULATION = (
    Column("counted", "counted", "flag", "it makes the figure"),
    Column("subject", "subject", about="asset, client, sensor or rule"),
    Column("other", "with", about="the server, where there are two"),
    Column("what", "what", about="service, operation, attribute"),
    Column("told", "told", about="what was seen, or is missing"),
    Column("first_time", "first", "time", "when first", value=lambda one: one.first_time or None),
    Column("last_time", "last", "time", "when last", value=lambda one: one.last_time or None),
    Column("point", "point", about="the capture point"),
    Column("packet", "packet", "number", "that shows it, ordinal in its source"),
    Column("finding", "finding", about="that leads to packets"),
)
FILTERS = {
    "framework": "as `otsec controls frameworks` lists them",
    "row": "identifier of the row; * stands for anything",
    "status": "contradicted, insufficient, partial, supported, context",
    "check": "what is looked at: segmentation, remote, ...",
    "metric": "a metric that the row reads",
    "version": "of the standard",
}


def _unknown(figure: "Figure") -> str:
    from otsec.controls.model import why_unknown

    return why_unknown(figure)


# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        CONFIGURE[name](action)
    parser.epilog = EPILOG


def _listed(columns: Sequence[Column], filters: dict[str, str], epilog: str = "") -> Any:
    def configured(action: ArgumentParser) -> None:
        listing.configure(action, columns, ())
        action.epilog = epilog + listing.epilog(columns, filters)

    return configured


def _given(action: ArgumentParser) -> None:
    """What a site says for its controls, and which framework."""
    action.add_argument("--policy", type=Path, metavar="FILE", help="the policy that is active")
    action.add_argument(
        "--inputs",
        type=Path,
        metavar="FILE",
        help="what the site says for its controls (default: compliance.yaml beside otsec.yaml)",
    )


def _evaluate_arguments(action: ArgumentParser) -> None:
    _listed(EVALUATE, FILTERS, EPILOG + "\n")(action)
    _given(action)
    action.add_argument("--framework", metavar="F", help="only this one")


def _list_arguments(action: ArgumentParser) -> None:
    _listed(LIST, {key: about for key, about in FILTERS.items() if key != "status"})(action)
    action.add_argument("--framework", metavar="F", help="only this one")


def _metrics_arguments(action: ArgumentParser) -> None:
    _listed(METRICS, {"metric": "name of the metric; * stands for anything"})(action)
    _given(action)


def _show_arguments(action: ArgumentParser) -> None:
    action.add_argument(
        "row", nargs="+", metavar="ROW", help="its identifier, or framework and identifier"
    )
    _spanned(action)
    _given(action)
    options.formats(action)


def _population_arguments(action: ArgumentParser) -> None:
    action.add_argument("metric", metavar="METRIC", help="the metric, flows.denied")
    _spanned(action)
    _given(action)
    action.add_argument("--counted", action="store_true", help="only rows that make the figure")
    options.formats(action)
    action.epilog = POPULATION_EPILOG


def _spanned(action: ArgumentParser) -> None:
    options.store(action)
    action.add_argument("--site", metavar="NAME", help="this site")
    action.add_argument("-S", "--since", metavar="TIME", help="the period begins then")
    action.add_argument("-U", "--until", metavar="TIME", help="it ends then; a date means its end")


CONFIGURE = {
    "frameworks": _listed(FRAMEWORKS, {}),
    "list": _list_arguments,
    "metrics": _metrics_arguments,
    "evaluate": _evaluate_arguments,
    "show": _show_arguments,
    "population": _population_arguments,
}


# --------------------------------------------------------------------------------- running


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return RUN[arguments.action](arguments)


def _frameworks(arguments: Namespace) -> int:
    from otsec.controls.frameworks import catalogue

    return listing.show(arguments, "frameworks", FRAMEWORKS, catalogue().frameworks)


def _chosen(arguments: Namespace) -> "Sequence[Framework]":
    from otsec.controls.frameworks import catalogue

    known = catalogue()
    return [known.framework(arguments.framework)] if arguments.framework else known.frameworks


def _list(arguments: Namespace) -> int:
    keys = [key for key in FILTERS if key != "status"]
    filters = listing.parse_filters(arguments.filter, keys)
    rows = [Row(one.slug, control) for one in _chosen(arguments) for control in one.controls]
    return listing.show(arguments, "controls", LIST, _passing(rows, filters))


def _passing(rows: "Iterable[Row]", filters: "Sequence[Filter]") -> list[Row]:
    from otsec.inventory.selection import passes

    keys = {
        "framework": lambda row: (row.slug, row.control.framework),
        "row": lambda row: (row.control.id,),
        "status": lambda row: (row.judged.status if row.judged else "",),
        "check": lambda row: (row.control.check,),
        "metric": lambda row: row.control.logic.metrics,
        "version": lambda row: (row.control.version,),
    }
    return [row for row in rows if all(passes(row, one, keys, _texts, (0, 0)) for one in filters)]


def _texts(row: Row) -> Iterable[str]:
    one = row.control
    yield from (row.slug, one.framework, one.id, one.title, one.check, one.evidence, one.limits)
    if row.judged is not None:
        yield from (row.judged.status, row.judged.says, *row.judged.notes)


def _split(filters: "Sequence[Filter]") -> "tuple[dict[str, str], list[Filter]]":
    """What tells the period and the site, and the filters of rows."""
    told = {one.field: one.value for one in filters if one.field in {"since", "until", "site"}}
    return told, [one for one in filters if one.field not in told]


def _measured(arguments: Namespace, store: "Store", told: dict[str, str]) -> "Measured":
    """The figures of the site and period that are asked for."""
    from dataclasses import replace

    from otsec.controls.basis import Basis
    from otsec.controls.evaluation import Measured
    from otsec.controls.model import Period
    from otsec.controls.site import site_of, whole

    config = options.configured(arguments, "db")
    site = site_of(config, store, arguments.policy, arguments.inputs)
    if "site" in told:
        site = replace(site, name=told["site"])
    period = whole(store, site.name)
    period = Period(int(told.get("since", period.begin)), int(told.get("until", period.end)))
    if period.end < period.begin:
        raise UsageError("the period ends before it begins")
    return Measured(Basis(store, site, period))


def _evaluate(arguments: Namespace) -> int:
    from otsec.controls.evaluation import evaluate
    from otsec.controls.model import STATUSES

    found: list[Evaluation] = []

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Row]":
        told, rest = _split(filters)
        figures = _measured(arguments, store, told)
        basis = figures.basis
        found.extend(
            evaluate(store, one, basis.period, basis.site, figures) for one in _chosen(arguments)
        )
        rows = [Row(one.framework.slug, row.control, row) for one in found for row in one.rows]
        return _passing(rows, rest)

    code = listing.run(
        arguments, "controls", EVALUATE, tuple(FILTERS), query, closed={"status": STATUSES}
    )
    if not arguments.format and not arguments.quiet and found:
        _tell(found, style_of(arguments, options.configured(arguments).zone()))
    return code


def _tell(found: "Sequence[Evaluation]", style: Style) -> None:
    """What stands beside every status: period, coverage, and what is stricter than rows ask."""
    from otsec.controls.model import STATUSES

    counts = {status: sum(one.counts[status] for one in found) for status in STATUSES}
    say(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    for line in _covered(found[0].coverage, style):
        say(line)
    if found[0].stricter:
        say(f"stricter than rows ask for: {'; '.join(found[0].stricter)}")
    if found[0].exceptions:
        say(f"exceptions of the policy in force: {found[0].exceptions}")


def _covered(one: "Coverage", style: Style) -> Iterable[str]:
    from otsec.controls.model import Number
    from otsec.health.verdict import counted

    begin, end = (time_text(at, style.zone) for at in one.period)
    yield f"period {begin} to {end}; {counted(len(one.sensors), 'capture point')}"
    told = [
        f"{name.removeprefix('cov.')} {figure.value:.3g}" if isinstance(figure, Number)
        else f"{name.removeprefix('cov.')} unknown"
        for name, figure in one.figures.items()
    ]  # fmt: skip
    yield f"coverage: {', '.join(told)}"
    if one.zones_not_seen:
        yield f"zones that no sensor sees: {', '.join(one.zones_not_seen)}"


def _metrics(arguments: Namespace) -> int:
    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Measure]":
        from otsec.controls.frameworks import catalogue
        from otsec.controls.metrics import METRICS as NAMES
        from otsec.inventory.selection import passes

        told, rest = _split(filters)
        figures = _measured(arguments, store, told)
        about = catalogue().metrics
        keys = {"metric": lambda one: (one.name,)}
        rows = [Measure(name, figures[name], about.get(name, "")) for name in NAMES]
        return [
            row
            for row in rows
            if all(
                passes(row, one, keys, lambda row: (row.name, row.about), (0, 0)) for one in rest
            )
        ]

    return listing.run(arguments, "metrics", METRICS, ("metric",), query)


# -------------------------------------------------------------------------------- one row


def _spoken(arguments: Namespace, store: "Store") -> dict[str, str]:
    """Period and site as filters tell them."""
    zone = options.configured(arguments, "db").zone()
    told = {one.field: one.value for one in listing.span(arguments, store, zone)}
    return told if arguments.site is None else {**told, "site": arguments.site}


def _show(arguments: Namespace) -> int:
    from otsec.controls.evaluation import evaluate
    from otsec.controls.frameworks import catalogue
    from otsec.store import open_store

    known = catalogue()
    control = known.control(" ".join(arguments.row))
    slug = known.slug(control)
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        figures = _measured(arguments, store, _spoken(arguments, store))
        found = evaluate(store, slug, figures.basis.period, figures.basis.site, figures)
        judged = next(one for one in found.rows if one.control.id == control.id)
        if style.format != "table":
            write("controls", EVALUATE, [Row(slug, control, judged)], style, sys.stdout)
        else:
            _page(slug, judged, found, style, options.same_store(config))
    return 0


def _page(slug: str, one: "Judged", found: "Evaluation", style: Style, ending: str) -> None:
    control = one.control
    page = Page(style, sys.stdout, ending)
    page.head(f"{control.framework} {control.id}: {control.title}")
    page.text(f"{one.status}: {one.says}")
    for note in one.notes:
        page.item(note)
    page.item(f"version {control.version}; shows {control.max_status} at most")
    page.item(f"evidence: {control.evidence}")
    page.item(f"limits: {control.limits}")
    for line in _covered(found.coverage, style):
        page.item(line)
    page.head("Figures")
    shown = [column for column in METRICS if column.name != "about"]
    page.table(
        shown, [Measure(name, figure, "") for name, figure in one.figures.items()], len(one.figures)
    )
    page.text(f"contradicted: {control.logic.contradicted}")
    page.text(f"insufficient: {control.logic.insufficient}")
    page.text(f"supported:    {control.logic.supported}")
    if one.evidence:
        page.head("What contradicts it" if one.status == "contradicted" else "What was seen")
        more = next(iter(control.logic.contradicted.names), "")
        page.table(
            POPULATION[1:],
            one.evidence,
            len(one.evidence) + one.more,
            f"otsec controls population {more}",
        )
    if one.attestations:
        page.head("What people vouch for")
        for said in one.attestations:
            until = " (expired)" if said.expired else ""
            file = f", {said.file} sha256 {said.sha256}" if said.sha256 else ""
            page.item(f"{said.kind} by {said.who}{until}: {said.what}{file}")
    page.unbroken(
        f"to vouch for it: otsec attest add {slug} {control.id} --what ... --by ...{ending}"
    )


# ------------------------------------------------------------------------------- population


def _population(arguments: Namespace) -> int:
    from otsec.controls.frameworks import catalogue
    from otsec.controls.metrics import METRICS as NAMES
    from otsec.controls.model import Number, why_unknown
    from otsec.store import open_store

    name = arguments.metric
    if name not in NAMES:
        hint = options.nearest(name, list(NAMES)) or "; `otsec controls metrics` lists them"
        raise UsageError(f"no metric {name!a}{hint}")
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        figures = _measured(arguments, store, _spoken(arguments, store))
        figure = figures[name]
        if not isinstance(figure, Number):
            raise UsageError(f"{name} is {why_unknown(figure)}")
        items = [one for one in figure.items() if one.counted or not arguments.counted]
    if style.format == "csv":
        text = csv_text(items)
        sys.stdout.write(text)
        told = f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
    else:
        write("population", POPULATION, items, style, sys.stdout)
        told = catalogue().metrics.get(name, name)
    if not arguments.quiet:
        counted = sum(one.counted for one in items)
        say(f"{name} is {figure.value:.6g}; {counted} of {len(items)} rows are counted; {told}")
    return 0


def csv_text(items: "Iterable[Item]") -> str:
    """A population as CSV: the same bytes for the same rows, times in UTC."""
    buffer = io.StringIO()
    write("population", POPULATION, items, Style("csv", UTC), buffer)
    return buffer.getvalue()


RUN = {
    "frameworks": _frameworks,
    "list": _list,
    "metrics": _metrics,
    "evaluate": _evaluate,
    "show": _show,
    "population": _population,
}
