"""``otsec writers``: who wrote which object; a second writer of one object stands first."""

from argparse import ArgumentParser, Namespace

from otsec.cli import listing
from otsec.cli.output import Column

COLUMNS = (
    Column("server", "server", about="address of who was written to"),
    Column("device", "device", about="the device behind the address; empty: the address itself"),
    Column("object", "object", about="what was written"),
    Column("client", "writer", about="address of who wrote"),
    Column("second_writer", "second", "flag", "another client had written an element of it before"),
    Column("operation", "operation", about="the protocol's own word"),
    Column("outcome", "outcome", about="ok, or how it failed"),
    Column("count", "count", "number", "how often"),
    Column("minimum", "min", "number", "least value written"),
    Column("maximum", "max", "number", "greatest value written"),
    Column("last", "last", "list", "values of the last write, an element a place"),
    Column("last_time", "last time", "time", "time of the last write"),
    Column("last_packet", "packet", "number", "the last write's packet, ordinal in its source"),
    Column("first_time", "first time", "time", "time of the first write", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column(
        "writers", "writers", "number", "clients that wrote one same element of it", detail=True
    ),
    Column("protocol", "protocol", about="the protocol", detail=True),
    Column("class", "class", about="write or control", detail=True, value=lambda row: row.cls),
    Column("place", "vlan", about="VLAN ids and VXLAN network; empty: untagged", detail=True),
    Column("doubtful", "doubtful", "flag", "the claim of its protocol was withdrawn", detail=True),
    *listing.WHERE_SEEN,
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_BEHAVIOURS)


def run(arguments: Namespace) -> int:
    """Print the writers, second writers first."""
    from otsec.store import queries

    return listing.run(arguments, "writers", COLUMNS, listing.FOR_BEHAVIOURS, queries.writers)
