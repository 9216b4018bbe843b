"""``otsec wanted``: which unknown facts matter most, and what would reveal them."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from otsec.cli import listing
from otsec.cli.assets import FILTERS, closed, described
from otsec.cli.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.inventory.wanted import Want
    from otsec.store import Store
    from otsec.store.queries import Filter

SHOWN = 4  # names in a table

COLUMNS = (
    Column("importance", "matters", "number", "weights of what is unknown, summed"),
    Column("action", "what would reveal it", about="a routine action, a tap, or a person"),
    Column("facts", "facts", "number", "unknown facts that it would fill"),
    Column("reveals", "tells", "list", "attributes, the most important first"),
    Column(
        "assets_count",
        "assets",
        "number",
        "of how many assets",
        value=lambda want: len(want.assets),
    ),
    Column("assets", "of", "list", "the assets, those that gain most first"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.epilog = described(COLUMNS)


def run(arguments: Namespace) -> int:
    """Print what to do, the most revealing first."""
    return listing.run(arguments, "wanted", COLUMNS, tuple(FILTERS), query, closed=closed())


def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Want]":
    """What would reveal most of the assets that the filters leave."""
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import chosen
    from otsec.inventory.wanted import wanted

    return wanted(chosen(inventory(store).assets, filters))
