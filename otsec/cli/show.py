"""``otsec show``: the packets behind something in the store, taken apart."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from otsec.cli import evidence, options
from otsec.cli.harmless import harmless
from otsec.cli.output import (
    SCHEMA_VERSION,
    Column,
    Style,
    bytes_text,
    duration_text,
    say,
    style_of,
    time_text,
    write,
)
from otsec.cli.page import Page
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.evidence.deep import Dissection, Layer
    from otsec.evidence.view import Heard, View

SHOWN = 10  # packets taken apart on a page; --limit shows more, --json has all
FIELDS = 60  # of a layer; --json has all
VALUES = 16
LINE = 16  # bytes of a line of the hex dump
HEX = 512  # bytes of a packet on a page; --json has all
LOWER = frozenset(  # layers that the line above them says
    {"eth", "ip", "ipv6", "tcp", "udp", "vlan", "sll", "raw", "ethertype", "llc", "null"}
)
TITLES = {"DATA": "data"}
EPILOG = (
    evidence.IDS
    + """
Each packet is shown as otsec reads it, and as tshark does, which runs in a process that has no
network, no rights and little time. Without tshark the bytes are shown.
"""
)

OTHERS = (
    Column("id", "packet", about="capture point and ordinal"),
    Column("time", "time", "time"),
    Column("source", "from"),
    Column("target", "to"),
    Column("wire", "length", "bytes"),
    Column(
        "operations",
        "otsec",
        "list",
        value=lambda row: tuple(dict.fromkeys(_brief(one) for one in row.heard)),
    ),
    Column("why", "why", "list"),
)

SPARE = ("wire", "time", "operations")  # columns that a narrow terminal goes without


def _brief(heard: "Heard") -> str:
    message = heard.said.message
    return f"{heard.said.protocol} {message.operation}"


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("id", nargs="+", metavar="ID", help="what to show the packets of")
    evidence.common(parser)
    parser.add_argument(
        "--limit", type=int, default=SHOWN, metavar="N", help=f"take N apart (default: {SHOWN})"
    )
    parser.add_argument(
        "--layers", action="store_true", help="show Ethernet, IP and TCP of tshark too"
    )
    parser.add_argument("--hex", action="store_true", help="show the bytes too")
    parser.add_argument(
        "--no-tshark", action="store_true", help="do not ask tshark, show otsec's reading and bytes"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="end tshark after so long (default: 30)"
    )
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Find the packets, have them taken apart, print them."""
    from otsec.evidence import view
    from otsec.store import open_store

    if arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: expected a number of at least 1")
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        library, wanted, gathered = evidence.found(arguments, store)
        rows = view.views(library, gathered)
    deep: Dissection | None = None
    if not arguments.no_tshark:
        rows, deep = view.dissected(rows, gathered, **_bounds(arguments))
    notes = [note for one in gathered for note in one.notes]
    if deep is not None:
        notes += [text for text in (deep.problem, deep.note) if text]
        notes += _not_given_up(deep)
    if style.format == "json":
        _json(rows, deep, notes)
    elif style.format == "jsonl":
        for row in rows:
            line = {"schema_version": SCHEMA_VERSION, "kind": "packet", **row.plain()}
            sys.stdout.write(_ascii(line) + "\n")
    elif style.format == "csv":
        write("packets", OTHERS, rows, style, sys.stdout)
    else:
        what = list(dict.fromkeys(f"{one.id}: {one.why}" for one in wanted))
        _page(arguments, rows, deep, what, style)
    if style.format != "json" and not arguments.quiet:
        for note in notes:
            say(f"note: {note}")
    return 0


def _bounds(arguments: Namespace) -> dict[str, float]:
    if arguments.timeout is None:
        return {}
    if not 0 < arguments.timeout <= 3_600:
        raise UsageError(f"--timeout {arguments.timeout:g}: expected seconds, up to 3600")
    return {"seconds": arguments.timeout}


SEPARATED = {
    "network": "tshark's process could not be cut off from the network",
    "limits": "tshark's process could not be limited in memory and time",
    "user": "tshark's process could not change to a user without rights",
    "privileges": "tshark's process could not be kept from gaining rights",
}


def _not_given_up(deep: "Dissection") -> list[str]:
    """What the child that ran tshark still could do on this system."""
    return [f"{SEPARATED[name]} on this system" for name, done in deep.given_up.items() if not done]


# ----------------------------------------------------------------------------------- JSON


def _json(rows: "Sequence[View]", deep: "Dissection | None", notes: list[str]) -> None:
    dissector = None
    if deep is not None:
        dissector = {"how": deep.how, "problem": deep.problem, "given_up": deep.given_up}
    whole = {
        "schema_version": SCHEMA_VERSION,
        "kind": "packets",
        "dissector": dissector,
        "notes": notes,
        "rows": [row.plain() for row in rows],
    }
    sys.stdout.write(_ascii(whole, 1) + "\n")


def _ascii(value: object, indent: int | None = None) -> str:
    return json.dumps(_finite(value), indent=indent).replace("\x7f", "\\u007f")


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity; their names are kept as text."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value


# ----------------------------------------------------------------------------------- page


def _page(
    arguments: Namespace,
    rows: "Sequence[View]",
    deep: "Dissection | None",
    what: Sequence[str],
    style: Style,
) -> None:
    page = Page(style, sys.stdout)
    telling = [row for row in rows if row.telling]
    named = [row for row in telling if row.named]
    if len(telling) > arguments.limit:
        telling = named[: arguments.limit]
    for text in what[: arguments.limit]:
        page.text(text, bold=True)
    page.more(min(len(what), arguments.limit), len(what))
    page.begun = True
    for row in telling:
        _packet(arguments, page, row, deep)
    shown = {row.id for row in telling}
    others = [row for row in rows if row.id not in shown]
    if others:
        page.head("Packets that belong to it")
        page.table(OTHERS, others[:50], len(others), "the same with --json", SPARE)


def _packet(arguments: Namespace, page: Page, row: "View", deep: "Dissection | None") -> None:
    style = page.style
    page.head(f"{row.id}  {time_text(row.time, style.zone, exact=True)}")
    cut = "" if row.captured == row.wire else f", of which {row.captured} were captured"
    where = f"frame {row.frame} of {row.capture}" if row.frame is not None else row.capture
    vlan = f", VLAN {row.place}" if row.place else ""
    page.text(
        f"{row.source} -> {row.target}  {row.transport}{vlan}, {bytes_text(row.wire)}{cut}; {where}",
        "    ",
        "  ",
    )
    page.text("; ".join(row.why), "    ", "  ")
    if row.problem:
        page.text(row.problem, "    ", "  ")
    for heard in row.heard:
        _heard(page, heard)
    layers = row.layers or ()
    upper = [layer for layer in layers if layer.name not in LOWER] or layers[-1:]
    for layer in layers if arguments.layers else upper:
        _layer(page, layer)
    if arguments.hex or not row.layers:
        if row.layers is None and not row.heard and deep is not None and deep.problem:
            page.text("tshark did not come to this packet", "    ", "  ")
        for line in hex_dump(row.data[:HEX], row.payload):
            page.stream.write(f"    {line}\n")
        page.more(min(HEX, len(row.data)), len(row.data), "bytes with --json")


def _heard(page: Page, heard: "Heard") -> None:
    """One message as otsec reads it."""
    said, message = heard.said, heard.said.message
    told = [
        f"{said.protocol} {heard.part}: {message.operation} ({message.cls})",
        message.object,
        message.device,
        message.outcome and f"outcome {message.outcome}",
    ]
    page.text(", ".join(filter(None, told)), "    ", "  otsec   ")
    if heard.other:
        way = "answered by" if heard.part == "request" else "answers"
        page.text(f"{way} {heard.other}, {duration_text(said.took_ns // 1000)}", "      ", "    ")
    if said.values:
        values = " ".join(f"{value:.6g}" for value in said.values[:VALUES])
        more = f" ... {len(said.values)} in all" if len(said.values) > VALUES else ""
        page.text(f"values {values}{more}", "      ", "    ")
    for fact in message.facts:
        page.text(f"{fact.attribute}: {fact.value} (of {fact.about})", "      ", "    ")
    if message.note:
        page.text(message.note, "      ", "    ")


def _layer(page: Page, layer: "Layer") -> None:
    """One layer as tshark shows it."""
    page.stream.write(f"  tshark  {harmless(TITLES.get(layer.name, layer.name))}\n")
    for _, shown in layer.fields[:FIELDS]:
        page.text(shown, "      ", "    ")
    page.more(FIELDS, len(layer.fields) + layer.more, "all with --json")


def hex_dump(data: bytes, payload: int) -> Iterator[str]:
    """Bytes as lines of offset, hexadecimal and ASCII; the content begins a line of its own."""
    starts = [*range(0, payload, LINE), *range(payload, len(data), LINE)]
    for at, end in zip(starts, [*starts[1:], len(data)], strict=False):
        piece = data[at:end]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        yield f"{at:04x}  {piece.hex(' '):<{3 * LINE}} {text}"
