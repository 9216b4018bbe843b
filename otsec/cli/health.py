"""``otsec health``: whether the mirror is any good, worst first, and what to change."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, time_text, write
from otsec.cli.page import Page

if TYPE_CHECKING:
    from otsec.cli.output import Style
    from otsec.health import Report, Verdict
    from otsec.summary import Trouble

NAMED = 5  # sources named of one check

EPILOG = """\
bad: something cannot be told from what was captured; warn: there is a hole in it; good;
unknown: nothing captured to judge it by. Machine formats have a row for each source and check."""


class Line(NamedTuple):
    """One verdict of one source, or its overall sentence."""

    site: str
    point: str
    interface: str
    check: str
    severity: str
    figure: str
    packets: tuple[int, ...]
    packet: int | None
    packet_time: int | None
    cause: str
    advice: str


COLUMNS = (
    Column("site", "site"),
    Column("point", "point"),
    Column("interface", "interface"),
    Column("check", "check"),
    Column("severity", "severity"),
    Column("figure", "figure"),
    Column("packet", "packet", "number"),
    Column("packet_time", "packet time", "time"),
    Column("packets", "packets", "list"),
    Column("cause", "cause"),
    Column("advice", "advice"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="only this site")
    parser.add_argument("--point", metavar="NAME", help="only this capture point")
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also how otsec went about it: cache, slow path",
    )
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Tell."""
    from otsec.health import judge
    from otsec.store import open_store
    from otsec.store.queries import Filter

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    names = {"site": arguments.site, "point": arguments.point}
    filters = [Filter(field, name) for field, name in names.items() if name is not None]
    with open_store(config.store, readonly=True) as store:
        reports = judge(store, filters, engine=arguments.verbose)
    if style.format != "table":
        write("health", COLUMNS, _lines(reports), style, sys.stdout)
    elif reports:
        _tell(reports, style)
    elif not arguments.quiet:
        say(f"nothing in {config.store} matches" if filters else f"{config.store} holds none")
    return 0


# ------------------------------------------------------------------------------- machines


def _lines(reports: "Iterable[Report]") -> Iterable[Line]:
    for report in reports:
        where = (report.source.site, report.source.point, report.source.interface)
        severity = report.severity.name.lower()
        yield Line(*where, "overall", severity, report.sentence, (), None, None, "", "")
        for one in report.verdicts:
            first = one.evidence[0] if one.evidence else None
            yield Line(
                *where,
                one.check,
                one.severity.name.lower(),
                one.figure,
                tuple(packet.ordinal for packet in one.evidence),
                first.ordinal if first else None,
                first.time if first else None,
                one.cause,
                one.advice,
            )


# --------------------------------------------------------------------------------- people


def _tell(reports: "Sequence[Report]", style: "Style") -> None:
    from otsec.health import Severity, overall
    from otsec.summary import gathered

    page = Page(style, sys.stdout)
    page.head(overall(reports))
    told = {severity: gathered(reports, severity) for severity in Severity}
    for severity in (Severity.BAD, Severity.WARN):
        for trouble in told[severity]:
            page.gap()
            _tell_trouble(page, trouble, len(reports), style)
    for severity, words in ((Severity.GOOD, "Good:"), (Severity.UNKNOWN, "Not judged:")):
        if told[severity]:
            page.gap()
            page.text(words)
            for trouble in told[severity]:
                page.item(_briefly(trouble, len(reports)))


def _tell_trouble(page: "Page", trouble: "Trouble", sources: int, style: "Style") -> None:
    where = trouble.sources[0]
    if len(trouble.sources) > 1:
        where = f"{len(trouble.sources)} of {sources} sources, worst {where}"
    page.text(f"{trouble.severity.name}  {trouble.check}  ({where})", bold=True)
    for verdict in trouble.of_worst:
        _tell_verdict(page, verdict, style)
    if len(trouble.sources) > 1:
        others = trouble.sources[1 : NAMED + 1]
        more = len(trouble.sources) - 1 - len(others)
        page.text(f"also: {', '.join(others)}{f' and {more} more' if more else ''}", "      ")


def _tell_verdict(page: "Page", verdict: "Verdict", style: "Style") -> None:
    page.text(verdict.figure, "      ")
    if verdict.evidence:
        seen = ", ".join(
            f"{packet.ordinal} ({time_text(packet.time, style.zone)})"
            for packet in verdict.evidence
        )
        page.text(f"packet{'s' if len(verdict.evidence) > 1 else ''}: {seen}", "      ")
    page.text(f"likely cause: {verdict.cause}", "      ")
    page.text(f"to change: {verdict.advice}", "      ")


def _briefly(trouble: "Trouble", sources: int) -> str:
    if sources > 1:
        return f"{trouble.check}: {len(trouble.sources)} of {sources} sources"
    return f"{trouble.check}: {' '.join(one.figure for one in trouble.of_worst)}"
