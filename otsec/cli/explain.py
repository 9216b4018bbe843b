"""``otsec explain``: why something was told or was not, by which line, from which packets."""

import sys
from argparse import ArgumentParser, Namespace

from otsec.cli import options
from otsec.cli.output import Column, style_of, write

EPILOG = """\
otsec explain 61bdad60                          a finding, or a thing of the baseline, by id
otsec explain 10.0.0.7 PLC-1                    all that a client does with a server
otsec explain 10.0.0.7 10.0.0.21 tcp/502        by one service

normal: a line of the baseline holds it. told: a finding tells of it. not judged: learning goes on.
not normal: no line holds it, and nothing was told of it alone (see why).
"""
COLUMNS = (
    Column("verdict", "verdict", about="normal, told, not judged, not normal"),
    Column("kind", "kind", about="conversation, operation, object, writer, value, identity, ..."),
    Column("what", "what", about="what was seen or learned"),
    Column("why", "why", about="why it was told, or not"),
    Column("since", "since", "time", "since when it is normal"),
    Column("times", "times", "number", "how often it was seen"),
    Column("packets", "packets", "list", "that show it, ordinals at the point"),
    Column("point", "point", about="capture point"),
    Column("finding", "finding", about="that tells of it"),
    Column("id", "id", about="for approve and forget"),
    Column("how", "how", about="learned, approved, imported, forgotten", detail=True),
    Column("who", "by", about="who said so", detail=True),
    Column("first_time", "first", "time", "when first seen", detail=True),
    Column("last_time", "last", "time", "when last seen", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "words", nargs="+", metavar="ID | CLIENT SERVER [SERVICE]", help="what to explain"
    )
    options.store(parser)
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Print the reasons."""
    from otsec.baseline.explaining import explained
    from otsec.baseline.learning import baseline
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        found = explained(store, baseline(store), arguments.words)
    shown = [
        column
        for column in COLUMNS
        if arguments.format
        or (not column.detail and any(column.of(one) not in {None, "", ()} for one in found))
    ]
    write("reasons", shown, found, style, sys.stdout)
    return 0
