"""``otsec values``: what registers, coils and points held, element by element."""

from argparse import ArgumentParser, Namespace

from otsec.cli import listing
from otsec.cli.output import Column

COLUMNS = (
    Column("server", "server", about="address of who holds it"),
    Column("device", "device", about="the device behind the address; empty: the address itself"),
    Column("object", "object", about="the element"),
    Column("reads", "reads", "number", "values told by reading or reporting it"),
    Column("writes", "writes", "number", "values told by writing it"),
    Column("minimum", "min", "number", "least value"),
    Column("maximum", "max", "number", "greatest value"),
    Column("first", "first", "number", "value seen first"),
    Column("last", "last", "number", "value seen last"),
    Column("last_time", "last time", "time", "time of the last value"),
    Column("last_packet", "packet", "number", "the last value's packet, ordinal in its source"),
    Column("count", "count", "number", "values seen", detail=True),
    Column("first_time", "first time", "time", "time of the first value", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column("protocol", "protocol", about="the protocol", detail=True),
    Column("space", "space", about="which numbered elements: holding, coil, ...", detail=True),
    Column("element", "element", "number", "the element's number", detail=True),
    Column("place", "vlan", about="VLAN ids and VXLAN network; empty: untagged", detail=True),
    *listing.WHERE_SEEN,
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_BEHAVIOURS)


def run(arguments: Namespace) -> int:
    """Print the values by device and element."""
    from otsec.store import queries

    return listing.run(arguments, "values", COLUMNS, listing.FOR_BEHAVIOURS, queries.values)
