"""``otsec asset NAME --timeline``: what changed the state of one device, the newest last."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from otsec.cli import listing, options
from otsec.cli.output import Column, say, style_of, write
from otsec.cli.page import fitting

if TYPE_CHECKING:
    from otsec.sessions.timeline import Action

COLUMNS = (
    Column("time", "time", "time", "when it was done; of several, the first"),
    Column("who", "who", about="who did it; empty: the device told of it itself"),
    Column("protocol", "protocol"),
    Column("cls", "class", about="program, mode, write, control, ...; identity: of itself"),
    Column("operation", "operation"),
    Column("object", "object", about="what it was done to"),
    Column("device", "device", about="behind the address"),
    Column("value", "value", about="that it carried, where values are kept"),
    Column("result", "result", about="ok, or how it failed"),
    Column("times", "times", "number", "of several that are told as one"),
    Column("packets", "packets", "list", "ordinals in their source"),
    Column("findings", "findings", "list", "ids of what is wrong with it and open, worst first"),
    Column("origin", "from", about="who is at the beginning of the chain of sessions"),
    Column("address", "address", about="of who did it", detail=True),
    Column("session", "session", about="its id, see otsec sessions", detail=True),
    Column("last_time", "last", "time", "when the last of several was done", detail=True),
    Column("note", "note", about="what was not decoded", detail=True),
    Column("doubtful", "doubtful", "flag", "its protocol's claim was withdrawn", detail=True),
    Column("place", "vlan", about="VLAN", detail=True),
    Column("point", "point", about="capture point that saw most of it", detail=True),
    Column("witnesses", "witnesses", "list", "other points that saw it", detail=True),
)
SPARE = ("object", "device", "value", "findings", "origin")  # left out where all are empty
NARROW = (
    "times",
    "cls",
    "protocol",
    "packets",
    "value",
)  # left out where the terminal is too narrow
KEYS = tuple(key for key in listing.FOR_BEHAVIOURS if key not in {"server", "group", "site"})


def configure(parser: ArgumentParser) -> None:
    """Arguments that only the timeline takes."""
    group = parser.add_argument_group("timeline")
    group.add_argument(
        "--timeline",
        nargs="*",
        metavar="FILTER",
        help="what changed its state: by whom, what, value, result, the newest last",
    )
    group.add_argument("-S", "--since", metavar="TIME", help="only from then on")
    group.add_argument("-U", "--until", metavar="TIME", help="only until then")
    group.add_argument("--sort", metavar="COLUMN", help="numbers and times: greatest first")
    group.add_argument("--reverse", action="store_true", help="the newest first")
    group.add_argument("--limit", type=int, metavar="N", help="the latest N")
    group.add_argument("--columns", metavar="A,B,...", help="these columns, or `all`")


def run(arguments: Namespace, name: str, filters: Sequence[str]) -> int:
    """Print what changed an asset."""
    from otsec.detect.cases import cases
    from otsec.detect.naming import Named
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import find
    from otsec.sessions.timeline import actions
    from otsec.store import open_store

    listing.chosen(arguments, COLUMNS)  # a mistake is told before anything is read
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        asset = find(found, name)
        wanted = [
            *listing.parse_filters(filters, KEYS),
            *listing.span(arguments, store, style.zone),
        ]
        rows = actions(store, found, asset, wanted)
        known = Named(cases(store), short=style.format == "table")

    def named(row: "Action") -> tuple[str, ...]:
        span = (row.time, row.last_time)
        told = [
            known.action(asset.site, row.place, row.address, address, row.operation, span)
            for address in (*asset.ips, *asset.macs)
        ]
        return tuple(one for ids in told for one in ids)

    whole = [c._replace(value=named) if c.name == "findings" else c for c in COLUMNS]
    chosen = listing.chosen(arguments, whole)
    if arguments.limit is not None:
        rows = rows[-arguments.limit :]
    columns = listing.filled(arguments, chosen, rows, SPARE)
    if not arguments.format and not arguments.columns:
        columns = fitting(columns, rows, style, NARROW)
    write("timeline", columns, listing.arranged(rows, arguments, whole), style, sys.stdout)
    if not rows and style.format == "table" and not arguments.quiet:
        say(f"nothing that changed {asset.name} was seen")
    return 0
