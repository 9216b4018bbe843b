"""Prints the summary that `otsec analyze` ends with: tables for people, or one JSON object."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO

from otsec.cli import conversations, findings, options, writers
from otsec.cli.output import (
    SCHEMA_VERSION,
    Column,
    Style,
    bytes_text,
    duration_text,
    time_text,
    write,
)
from otsec.cli.page import Page
from otsec.detect.cases import cases
from otsec.detect.model import LEVELS
from otsec.health import overall
from otsec.health.services import CERTAIN, usual
from otsec.health.verdict import counted, number, percent
from otsec.store.queries import is_device
from otsec.summary import PROBLEMS_SHOWN, SOURCES_SHOWN, Summary, Trouble, summarise

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.detect.cases import Case
    from otsec.health import Report
    from otsec.store import Store
    from otsec.store.overview import Share
    from otsec.store.queries import Conversation, Writer


VALUES_SHOWN = 4
FINDINGS_SHOWN = 8
INCIDENTS_SHOWN = 2
NEXT_SHOWN = 4
OUTCOMES = {  # those whose names say too little
    "open": "no answer yet",
    "unanswered": "never answered",
    "unasked": "answer to no question",
    "mismatch": "answer to another question",
    "duplicate": "answered twice",
    "late": "answered late",
    "malformed": "answer against the standard",
    "unknown": "answer not seen",
}


def _lasts(row: "Report") -> int | None:
    """Capture time from first to last packet, microseconds."""
    source = row.source
    return max(source.last_time - source.first_time, 0) // 1000 if source.packets else None


def _usually(row: "Conversation | Share") -> str:
    """What usually has the service's number; a question mark, for a number proves nothing."""
    name = usual(row.service)
    return f"{name}?" if name and name not in CERTAIN else name


def _few(row: "Writer") -> tuple[object, ...]:
    """The first values of a write; a block of 100 registers would push all else off the screen."""
    return row.last if len(row.last) <= VALUES_SHOWN else (*row.last[:VALUES_SHOWN], "...")


def _worded(outcome: str) -> str:
    """An outcome for people."""
    return OUTCOMES.get(outcome, outcome.removeprefix("exception ").replace("_", " "))


def _spoken(row: "Conversation") -> str:
    return row.protocol or _usually(row)


SOURCES = (
    Column("name", "source"),
    Column("captures", "files", "number", value=lambda row: row.source.captures),
    Column("packets", "packets", "number", value=lambda row: row.source.packets),
    Column(
        "first_time",
        "begins",
        "time",
        value=lambda r: r.source.first_time if r.source.packets else None,
    ),
    Column("lasts_us", "lasts", "duration", value=_lasts),
    Column("sentence", "verdict"),
)
FINDINGS = tuple(
    column
    for column in findings.COLUMNS
    if column.name
    in {"short", "level", "title", "client", "server", "service", "count", "last_time"}
)
DEVICES = (
    Column("address", "address"),
    Column("place", "vlan"),
    Column("macs", "mac", "list"),
    Column("does", "what it does"),
    Column("units", "devices behind", "list"),
    Column("facts", "says of itself", "list"),
    Column("packets", "sent", "number"),
)
CONVERSATIONS = (
    Column("client", "client"),
    Column("server", "server"),
    Column("place", "vlan"),
    Column("service", "service"),
    Column("protocol", "protocol", value=_spoken),
    Column("packets", "packets", "number", value=lambda row: row.packets_out + row.packets_in),
    Column("bytes", "bytes", "bytes", value=lambda row: row.bytes_out + row.bytes_in),
)
DOINGS = (
    Column("client", "client"),
    Column("server", "server"),
    Column("place", "vlan"),
    Column("protocol", "protocol"),
    Column("units", "devices behind", "number", value=lambda row: row.units or None),
    Column("reads", "reads", "number"),
    Column("writes", "writes", "number"),
    Column("others", "other", "number"),
    Column("failed", "failed", "number"),
    Column("reasons", "why failed", "list", value=lambda row: [*map(_worded, row.reasons)]),
    Column("objects", "of what", "list"),
)
WRITERS = (
    Column("server", "server"),
    Column("device", "device"),
    Column("object", "object"),
    Column("client", "writer"),
    Column("second_writer", "second writer", "flag"),
    Column("operation", "operation"),
    Column("count", "times", "number"),
    Column("outcome", "outcome", value=lambda row: _worded(row.outcome)),
    Column("minimum", "min", "number"),
    Column("maximum", "max", "number"),
    Column("last", "last", "list", value=_few),
    Column("last_time", "last time", "time"),
)
UNREAD = (
    Column("service", "service"),
    Column("guess", "usually", value=_usually),
    Column("conversations", "conversations", "number"),
    Column("payload", "payload", "bytes"),
    Column("undecoded", "not decoded", "bytes"),
    Column("malformed", "malformed", "number"),
    Column("truncated", "cut", "number"),
    Column("lost", "never seen", "bytes"),
)


def show(store: "Store", config: "Config", style: Style, problems: Sequence[str] = ()) -> None:
    """Print the summary of the site; ``problems``: of captures that the store knows nothing of."""
    found = summarise(store, config.site)
    open_cases = [one for one in cases(store) if one.open and one.finding.site == config.site]
    lines = list(dict.fromkeys((*problems, *found.problems)))
    if style.format == "json":
        _as_json(found, open_cases, lines, style, sys.stdout)
        return
    _as_text(found, open_cases, lines, config, style, sys.stdout)


# ----------------------------------------------------------------------------------- text


def _as_text(
    found: Summary,
    wrong: "Sequence[Case]",
    problems: Sequence[str],
    config: "Config",
    style: Style,
    stream: TextIO,
) -> None:
    page = Page(style, stream, options.same_store(config))
    total = found.total
    page.head(f"What was read into {config.store}, site {config.site}")
    page.text(_read(found, style))
    if found.reports:
        page.table(
            SOURCES, _sources(found), total.sources, "otsec health", ("first_time", "captures")
        )
    if not total.packets:
        page.text("No traffic: nothing can be told of devices, nor of what they do.")
    else:
        _findings(wrong, page)
        _traffic(found, page)
    page.head("Can this be relied on?")
    page.text(overall(found.reports))
    for trouble in found.troubles[:SOURCES_SHOWN]:
        page.item(_trouble(trouble, total.sources))
    page.more(SOURCES_SHOWN, len(found.troubles), "otsec health")
    if problems:
        page.head("Problems with files")
        for line in problems[:PROBLEMS_SHOWN]:
            page.item(line)
        page.more(PROBLEMS_SHOWN, max(len(problems), found.problem_count), "otsec db info")
    page.head("What to type next")
    for command, about in (*_next_of(wrong), *_next(found))[:NEXT_SHOWN]:
        page.command(command, about)


def _findings(wrong: "Sequence[Case]", page: Page) -> None:
    """What rules found and nobody has decided, worst first."""
    told = Counter(one.finding.level for one in wrong)
    shown = [one for one in wrong if one.finding.level != "informational"]
    if not wrong:
        page.head("What is wrong: no rule found anything")
        return
    page.head(
        f"What is wrong: {', '.join(f'{told[one]} {one}' for one in reversed(LEVELS) if told[one])}"
    )
    page.table(
        FINDINGS, shown[:FINDINGS_SHOWN], len(wrong), "otsec findings", ("last_time", "count")
    )
    stories = Counter(one.finding.incident for one in wrong if one.finding.incident)
    for name in [*stories][:INCIDENTS_SHOWN]:
        page.unbroken(
            f"{stories[name]} of them are one incident: otsec finding {name}{page.ending}"
        )
    page.more(INCIDENTS_SHOWN, len(stories), "otsec findings --columns incident,short,title")


def _next_of(wrong: "Sequence[Case]") -> Iterable[tuple[str, str]]:
    """What to type first where something is wrong."""
    if wrong and wrong[0].finding.level != "informational":
        worst = wrong[0].finding
        yield (
            f"otsec finding {worst.short}",
            f"{worst.title}: what was seen, why it matters, what to do",
        )


def _traffic(found: Summary, page: Page) -> None:
    page.head(
        f"Devices: {number(found.heard)} with an IP address, {number(found.by_mac)} known by their "
        "MAC address alone"
    )
    if found.addressed:
        page.text(
            f"{counted(found.addressed, 'more address was', 'more addresses were')} sent to, but "
            "never sent anything."
        )
    page.table(
        DEVICES,
        found.devices,
        found.heard + found.by_mac,
        "otsec assets",
        spare=("packets", "macs", "units"),
    )
    page.head(f"Who talks to whom: {counted(found.conversation_count, 'conversation')}")
    page.table(CONVERSATIONS, found.conversations, found.conversation_count, "otsec conversations")
    page.head("Who reads and writes what")
    if found.doings:
        page.table(
            DOINGS,
            found.doings,
            found.doing_count,
            "otsec behaviours",
            ("others", "units", "reasons"),
        )
    else:
        page.text("Nothing that otsec can read asks for or sets anything.")
    if found.writers:
        page.head(
            f"Who wrote what: {counted(found.writer_count, 'row')} by object, writer, operation and "
            "outcome"
        )
        if found.second_writers:
            page.text(
                f"{number(found.second_writers)} of them by a second writer, who wrote what another "
                "client had written before."
            )
        page.table(
            WRITERS,
            found.writers,
            found.writer_count,
            "otsec writers",
            ("last_time", "minimum", "maximum", "outcome", "operation"),
        )
    page.head("What could not be decoded or seen")
    page.text(
        f"{bytes_text(found.undecoded)} of {bytes_text(found.payload)} payload "
        f"({percent(found.undecoded, found.payload)}) belong to no protocol that otsec reads, or "
        "could not be read."
        if found.payload
        else "No payload above the transport."
    )
    page.table(UNREAD, found.unread, found.unread_count, "otsec protocols")


def _read(found: Summary, style: Style) -> str:
    total = found.total
    if not total.sources:
        return "Nothing: no capture has been read for this site."
    read = (
        f"{counted(total.captures, 'capture')} of {counted(total.sources, 'source')}, "
        f"{counted(total.packets, 'packet')}"
    )
    if total.silent:
        read += f"; {counted(total.silent, 'source')} without any packet"
    if not total.packets:
        return f"{read}."
    lasted = duration_text(max(total.last_time - total.first_time, 0) // 1000)
    return (
        f"{read}; from {time_text(total.first_time, style.zone)} to "
        f"{time_text(total.last_time, style.zone)} ({lasted})."
    )


def _sources(found: Summary) -> "list[Report]":
    """The worst sources, then those with most packets, when there are too many to show all."""
    if len(found.reports) <= SOURCES_SHOWN:
        return list(found.reports)
    return sorted(found.reports, key=lambda one: -one.source.packets)[:SOURCES_SHOWN]


def _trouble(trouble: Trouble, sources: int) -> str:
    worst, *more = trouble.of_worst
    where = trouble.sources[0]
    if len(trouble.sources) > 1:
        where = f"{number(len(trouble.sources))} of {number(sources)} sources, worst {where}"
    said = f"{trouble.severity.name} {trouble.check} ({where}): {worst.figure}"
    if more:
        said += f" And {number(len(more))} more of {trouble.check}: otsec health."
    return f"{said} To change: {worst.advice}." if worst.advice else said


def _next(found: Summary) -> Iterable[tuple[str, str]]:
    """Commands worth typing now, three or four."""
    if not found.total.packets:
        yield "otsec health", "why there may be nothing"
        yield "otsec db info", "which captures were read, and how far"
        yield "otsec doctor", "whether this machine has what otsec needs"
        return
    yield (
        "otsec health",
        "everything that limits these captures, with packets and what to change",
    )
    if found.writers:
        yield "otsec writers", "who wrote which object, second writers first"
        server = found.writers[0].server
        yield f"otsec behaviours server:{server}", "all that is done with one device"
    elif found.doings:
        server = found.doings[0].server
        yield f"otsec behaviours server:{server}", "all that is done with one device"
    else:
        yield "otsec protocols", "what is spoken, and how much of it could be read"
    for busiest in found.conversations:
        if is_device(busiest.server):
            yield f"otsec conversations host:{busiest.server}", "everybody who talks to this device"
            return


# ----------------------------------------------------------------------------------- JSON


def _as_json(
    found: Summary,
    wrong: "Sequence[Case]",
    problems: Sequence[str],
    style: Style,
    stream: TextIO,
) -> None:
    total = found.total
    tables: tuple[tuple[str, Sequence[Column], Sequence[object]], ...] = (
        ("sources", SOURCES, found.reports),
        ("findings", findings.COLUMNS, wrong),
        ("devices", DEVICES, found.devices),
        ("conversations", conversations.OF_STORE, found.conversations),
        ("doings", tuple(one._replace(value=None) for one in DOINGS), found.doings),
        ("writers", writers.COLUMNS, found.writers),
        ("undecoded", UNREAD, found.unread),
    )
    answer: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": "summary",
        "captures": total.captures,
        "packets": total.packets,
        "first_time": time_text(total.first_time, style.zone, exact=True)
        if total.packets
        else None,
        "last_time": time_text(total.last_time, style.zone, exact=True) if total.packets else None,
        "counts": {
            "sources": total.sources,
            "sources_without_packets": total.silent,
            "addresses_heard": found.heard,
            "macs_alone": found.by_mac,
            "addresses_silent": found.addressed,
            "conversations": found.conversation_count,
            "doings": found.doing_count,
            "writers": found.writer_count,
            "second_writers": found.second_writers,
            "payload_bytes": found.payload,
            "undecoded_bytes": found.undecoded,
        },
        "overall": overall(found.reports),
        "health": [
            {
                "check": one.check,
                "severity": one.severity.name.lower(),
                "sources": list(one.sources),
                "worst": one.of_worst[0].figure,
                "cause": one.of_worst[0].cause,
                "advice": one.of_worst[0].advice,
            }
            for one in found.troubles
        ],
        "problems": list(problems),
    }
    for name, columns, rows in tables:
        answer[name] = _rows(columns, rows, style)
    stream.write(json.dumps(answer, indent=1).replace("\x7f", "\\u007f") + "\n")


def _rows(columns: Sequence[Column], rows: Sequence[object], style: Style) -> Any:
    """Rows as the listings give them."""
    text = StringIO()
    write("", columns, rows, style._replace(format="json"), text)
    return json.loads(text.getvalue())["rows"]
