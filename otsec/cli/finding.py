"""``otsec finding``: all of one finding, or of one incident."""

import io
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec.cli import findings, options
from otsec.cli.output import Column, Style, style_of, time_text, write
from otsec.cli.page import Page

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.detect.cases import Case
    from otsec.inventory.assembly import Inventory
    from otsec.inventory.model import Asset
    from otsec.store import Store
    from otsec.store.acts import Act

SHOWN = 12  # packets on a page; the store keeps no more
PACKETS = (
    Column("packet", "packet", "number", "ordinal in its source", value=lambda one: one[0].packet),
    Column("time", "time", "time", value=lambda one: one[0].time),
    Column("what", "what it shows", value=lambda one: one[0].what),
    Column("source", "point", value=lambda one: one[1]),
)
ACTS = (
    Column("time", "when", "time"),
    Column("who", "who"),
    Column("login", "login"),
    Column("host", "on"),
    Column("kind", "what"),
    Column("before", "before"),
    Column("after", "after"),
    Column("ends", "until", "time", value=lambda act: _ends(act) or None),
    Column("reason", "why"),
)
ENDLESS = tuple(column for column in ACTS if column.name != "ends")
CHAIN = tuple(
    column
    for column in findings.COLUMNS
    if column.name
    in {"short", "level", "state", "title", "client", "server", "service", "first_time"}
)
LESS = ("state", "level", "client", "server")  # on a narrow terminal


def _ends(act: "Act") -> int:
    from otsec.detect.cases import ends

    return ends(act)


class Party(NamedTuple):
    """Who takes part in a finding."""

    part: str  # `by`, `to`, or `of`: of whom something is told
    address: str
    name: str
    role: str
    level: str
    vendor: str


PARTIES = (
    Column("part", ""),
    Column("address", "address"),
    Column("name", "name"),
    Column("role", "role"),
    Column("level", "level"),
    Column("vendor", "vendor"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "id", metavar="ID", help="id of a finding, the beginning of it, or an incident"
    )
    options.store(parser)
    options.formats(parser)


def run(arguments: Namespace) -> int:
    """Print it."""
    from otsec.detect.cases import cases, one_of
    from otsec.inventory.assembly import inventory
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        found = cases(store)
        met = one_of(found, arguments.id)
        assets = inventory(store)
        if style.format == "json":
            _json(store, met, assets, style)
        elif style.format != "table":
            write("findings", findings.COLUMNS, met, style, sys.stdout)
        elif len(met) > 1 or met[0].finding.incident == arguments.id:
            _incident(met, config, style)
        else:
            story = [one for one in found if one.finding.incident == met[0].finding.incident]
            _page(store, met[0], story, assets, config, style)
    return 0


def _rows(kind: str, columns: Sequence[Column], told: Sequence[Any], style: Style) -> Any:
    buffer = io.StringIO()
    write(kind, columns, told, style, buffer)
    return json.loads(buffer.getvalue())


def _json(store: "Store", met: "Sequence[Case]", assets: "Inventory", style: Style) -> None:
    from otsec.store.findings import packets

    whole = _rows("findings", findings.COLUMNS, met, style)
    for row, case in zip(whole["rows"], met, strict=True):
        row["parties"] = _rows("parties", PARTIES, _parties(case, assets), style)["rows"]
        row["packets"] = _rows("packets", PACKETS, packets(store, case.finding.id), style)["rows"]
        row["decisions"] = _rows("decisions", ACTS, case.acts, style)["rows"]
    sys.stdout.write(json.dumps(whole, indent=1).replace("\x7f", "\\u007f") + "\n")


# ----------------------------------------------------------------------------------- pages


def _page(
    store: "Store",
    case: "Case",
    story: "Sequence[Case]",
    assets: "Inventory",
    config: "Config",
    style: Style,
) -> None:
    from otsec.detect.cases import why_again
    from otsec.store.findings import packets

    one = case.finding
    page = Page(style, sys.stdout, options.same_store(config))
    page.head(f"{one.level.upper()}: {one.title}")
    owner = f", assigned to {case.owner}" if case.owner else ""
    again = f" ({why})" if (why := why_again(case)) else ""
    page.text(f"finding {one.short}, {case.state}{again}{owner}; rule {one.name}")
    page.head("What was seen")
    page.text(one.seen)
    page.text(_when(case, style))
    if case.change:
        page.text(_announced(case.change))
    if one.doubt:
        page.text(f"{one.doubt}.")
    if parties := _parties(case, assets):
        page.gap()
        page.table(PARTIES, parties, len(parties))
    for title, text in (("What was expected", one.expected), ("Why it matters", one.why)):
        if text:
            page.head(title)
            page.text(text)
    for line in _techniques(case):
        page.item(line)
    if one.falsepositives:
        page.head("What else may look so")
        for text in one.falsepositives:
            page.item(text)
    page.head("What to do next")
    page.text(one.next)
    shown = packets(store, one.id)
    if shown:
        page.head("Packets")
        page.table(PACKETS, shown[:SHOWN], len(shown))
    elif one.own:
        page.text("It is about otsec itself: no packet shows it.")
    if one.witnesses:
        page.text(f"Seen by other points as well: {', '.join(one.witnesses)}.")
    if one.incident and len(story) > 1:
        page.head(f"Part of incident {one.incident}")
        _chain(page, story)
    if case.acts:
        page.head("What was decided")
        page.table(ACTS if any(map(_ends, case.acts)) else ENDLESS, case.acts, len(case.acts))
    page.head("What to type next")
    for command, about in _next(case):
        page.command(command, about)


def _when(case: "Case", style: Style) -> str:
    one = case.finding
    first, last = (time_text(at, style.zone) for at in (one.first_time, one.last_time))
    if one.first_time == one.last_time:
        return f"Once, at {first}." if one.times == 1 else f"{one.times} times, at {first}."
    often = "Once" if one.times == 1 else f"{one.times} times"
    return f"{often}, from {first} to {last}."


def _announced(change: str) -> str:
    if change == "unlinked":
        return "No record of a change announces it (otsec change add)."
    return f"It was announced: {change} (otsec change list id:{change})."


def _parties(case: "Case", assets: "Inventory") -> list[Party]:
    one = case.finding
    to = "of" if one.category == "identity" else "to"
    return [
        _party(part, address, _asset(case, address, assets))
        for part, address in (("by", one.client), (to, one.server))
        if address
    ]


def _party(part: str, address: str, asset: "Asset | None") -> Party:
    if asset is None:
        return Party(part, address, "", "", "", "")
    level = "" if asset.level is None else f"{asset.level:g}"
    role = "" if asset.role.role == "unknown" else asset.role.role
    return Party(part, address, asset.name, role, level, asset.value("vendor"))


def _asset(case: "Case", address: str, assets: "Inventory") -> "Asset | None":
    from otsec.inventory.model import Node

    one = case.finding
    return assets.at(Node(one.site, one.group, one.place, address))


def _techniques(case: "Case") -> list[str]:
    from otsec.detect.attack import techniques

    known = techniques()
    told = [known[name] for name in case.finding.techniques if name in known]
    return [
        f"ATT&CK for ICS {one.id} {one.name} ({', '.join(one.tactics).replace('-', ' ')})"
        for one in told
    ]


def _incident(story: "Sequence[Case]", config: "Config", style: Style) -> None:
    page = Page(style, sys.stdout, options.same_store(config))
    first = min(case.finding.first_time for case in story)
    last = max(case.finding.last_time for case in story)
    page.head(f"Incident {story[0].finding.incident}: {len(story)} findings")
    hosts = dict.fromkeys(case.finding.client for case in story if case.finding.client)
    page.text(
        f"from {time_text(first, style.zone)} to {time_text(last, style.zone)}; by "
        f"{', '.join(hosts)}"
    )
    _chain(page, story)
    page.head("What to type next")
    page.command(f"otsec finding {story[0].finding.short}", "the worst of them, with its packets")
    page.command(
        f"otsec ack {story[0].finding.incident}", "say that you are looking at all of them"
    )


def _chain(page: Page, story: "Sequence[Case]") -> None:
    """The findings of an incident by stage of ATT&CK, each stage in order of time."""
    from otsec.detect.incidents import stages

    by_id = {case.finding.id: case for case in story}
    for stage, found in stages(case.finding for case in story).items():
        page.text(f"{stage.replace('-', ' ') or 'other'}:")
        ordered = sorted(found, key=lambda one: (one.first_time, one.id))
        page.table(CHAIN, [by_id[one.id] for one in ordered], len(ordered), spare=LESS)


def _next(case: "Case") -> list[tuple[str, str]]:
    one = case.finding
    show = (f"otsec show {one.short}", "what its packets say, as otsec and tshark read them")
    told = [] if one.own else [show]
    if case.open and case.state != "acknowledged":
        told.append((f"otsec ack {one.short}", "say that you are looking at it"))
    if case.open:
        told.append((f"otsec resolve {one.short} --reason '...'", "say that it is dealt with"))
    else:
        told.append((f"otsec reopen {one.short}", "take back what was decided"))
    for side, address in (("client", one.client), ("server", one.server)):
        if address and address != "several":
            told.append((f"otsec behaviours {side}:{address}", f"all that the {side} took part in"))
    if one.incident:
        told.append((f"otsec finding {one.incident}", "the whole incident"))
    if one.own:
        return told
    evidence = f"otsec evidence {one.short} -w {one.short}.pcapng"
    return [*told, (evidence, "its packets, with those that belong to them, as a capture")]
