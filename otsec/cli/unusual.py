"""``otsec unusual``: hours of devices by how unlike their others they are; nothing alarms by it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import listing
from otsec.cli.baseline_rows import Keys, passing
from otsec.cli.output import Column
from otsec.nanoseconds import HOUR_NS

if TYPE_CHECKING:
    from otsec.baseline.ranking import Unusual
    from otsec.store import Store
    from otsec.store.queries import Filter

COLUMNS = (
    Column("share", "share", "number", "of hours that are as unusual or more, if hours were alike"),
    Column("time", "hour", "time", "when it begins", value=lambda one: one.told.time),
    Column("name", "name", about="the asset's name"),
    Column("address", "address", about="its address", value=lambda one: one.told.hour.address),
    Column("features", "what made it so", "list", "the strongest first; what the device does mostly",
           value=lambda one: one.told.features),
    Column("place", "vlan", about="the VLAN", detail=True, value=lambda one: one.told.hour.place),
    Column("group", "group", about="point group", detail=True, value=lambda one: one.told.hour.group),
    Column("site", "site", about="the site", detail=True, value=lambda one: one.told.hour.site),
)  # fmt: skip
FILTERS = {
    "name": "the asset's name",
    "host": "its address, or a network",
    "vlan": "the VLAN",
    "group": "the point group",
    "site": "the site's name",
}
KEYS: Keys = {
    "name": lambda one: (one.name,),
    "host": lambda one: (one.told.hour.address,),
    "vlan": lambda one: (one.told.hour.place,),
    "group": lambda one: (one.told.hour.group,),
    "site": lambda one: (one.told.hour.site,),
}
USUAL = 20  # rows of a table for which nobody asked otherwise


class Row(NamedTuple):
    """One hour, with the name of the asset."""

    told: "Unusual"
    name: str

    @property
    def share(self) -> float:
        """Rounded to what it means."""
        return float(f"{self.told.share:.3g}")


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.epilog = listing.EPILOG.format(
        filters="\n".join(f"  {key:<10} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, COLUMNS)),  # noqa: SLF001 - as all listings do
    )


def run(arguments: Namespace) -> int:
    """Print the hours, the most unusual first."""

    def query(store: "Store", filters: "Sequence[Filter]") -> Sequence[Row]:
        from otsec.baseline.ranking import ranked
        from otsec.inventory.assembly import inventory
        from otsec.inventory.model import Node

        found = inventory(store)
        rows = []
        for one in ranked(store):
            asset = found.at(Node(*one.hour[:4]))
            rows.append(Row(one, "" if asset is None else asset.name))
        return passing(rows, filters, KEYS, lambda row: (row.told.time, row.told.time + HOUR_NS))

    if arguments.limit is None and not arguments.format:
        arguments.limit = USUAL
    return listing.run(arguments, "unusual", COLUMNS, tuple(FILTERS), query)
