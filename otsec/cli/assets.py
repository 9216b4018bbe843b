"""``otsec assets``: every device, what it is and what is known of it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from otsec.cli import listing
from otsec.cli.output import Column

if TYPE_CHECKING:
    from otsec.inventory.model import Asset
    from otsec.store import Store
    from otsec.store.queries import Filter

FILTERS = {
    "name": "the name, or a name that it gives itself",
    "role": "plc, hmi, ews, switch, ... or unknown",
    "level": "Purdue level: 0, 1, 2, 3, 3.5, 4, 5",
    "vendor": "the maker",
    "model": "product or order number, also of its modules",
    "host": "address or network of it",
    "mac": "MAC address of it",
    "proto": "a protocol that it answers or asks",
    "service": "tcp/502: a service that it answers",
    "reach": "`on link`, `routed` (seen behind a router) or `told` (never heard)",
    "tag": "a tag that a person gave it",
    "owner": "who a person said owns it",
    "criticality": "low, medium, high, critical",
    "vlan": "a VLAN in which it is seen",
    "group": "a point group in which it is seen",
    "site": "the site's name",
}


def _known(*attributes: str) -> Callable[[Any], str]:
    return lambda asset: asset.value(*attributes)


def _tags(asset: Any) -> tuple[str, ...]:
    from otsec.inventory.selection import tags

    return tags(asset)


COLUMNS = (
    Column("name", "name", about="by which every command finds it"),
    Column("role", "role", about="what it is", value=lambda asset: asset.role.role),
    Column("level", "level", "number", "Purdue level of the role, or a person's word"),
    Column("ips", "IP addresses", "list", "IP addresses, each once"),
    Column("macs", "MAC addresses", "list", "MAC addresses on link"),
    Column("vendor", "vendor", about="the maker", value=_known("vendor")),
    Column(
        "model",
        "model",
        about="product or order number",
        value=_known("model", "product_name", "model_name", "order_number"),
    ),
    Column("revision", "firmware", about="revision of the firmware", value=_known("revision")),
    Column("answers", "answers", "list", "protocols, else services, that it was seen to answer"),
    Column("asks", "asks", "list", "protocols, else services, in which it asks"),
    Column("filled", "known", "number", "how many of CISA's 14 attributes are known"),
    Column("last_time", "last seen", "time", "time of its last packet"),
    Column("id", "id", about="stays the same when more is captured", detail=True),
    Column(
        "confidence",
        "sure",
        "number",
        "of the role, 0 to 1; below 0.8 it places nobody in a policy group",
        detail=True,
        value=lambda asset: asset.role.confidence,
    ),
    Column("serial", "serial", about="the serial number", detail=True, value=_known("serial")),
    Column(
        "hostname",
        "hostname",
        about="the name in the network",
        detail=True,
        value=_known("hostname"),
    ),
    Column("os", "OS", about="the operating system", detail=True, value=_known("os")),
    *(
        Column(name, name, about=about, detail=True, value=_known(name))
        for name, about in (
            ("owner", "who answers for it, by a person's word"),
            ("criticality", "low, medium, high, critical, by a person's word"),
            ("location", "where it stands"),
            ("asset_number", "its number in the register"),
        )
    ),
    Column("tags", "tags", "list", "a person's words for groups", detail=True, value=_tags),
    *(
        Column(name, name, about=about, detail=True, value=_known(name))
        for name, about in (
            ("logging", "where it logs to, by a person's word"),
            ("user_accounts", "whose accounts it has"),
            ("note", "anything else that a person said"),
            ("impact", "of NERC CIP-002, by a person's word"),
            ("bes_class", "of NERC's glossary: bca, eacms, pacs, pca, tca"),
            ("esp", "the electronic security perimeter that it is in"),
            ("sl_t", "target security level of IEC 62443"),
            ("end_of_life", "the last day of its maker's support"),
        )
    ),
    Column("services", "services", "list", "services that it was seen to answer", detail=True),
    Column(
        "modules",
        "behind",
        "list",
        "modules of the rack, units behind the address",
        detail=True,
        value=lambda asset: tuple(module.device for module in asset.modules),
    ),
    Column("reach", "reach", about="on link, routed, or only told of", detail=True),
    Column("packets", "packets", "number", "packets sent", detail=True),
    Column("first_time", "first seen", "time", "time of its first packet", detail=True),
    Column("places", "vlans", "list", "VLANs in which it is seen", detail=True),
    Column("groups", "groups", "list", "point groups in which it is seen", detail=True),
    Column("site", "site", about="the site", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.epilog = described(COLUMNS)


def described(columns: Sequence[Column]) -> str:
    """The end of the help: filters of assets, and the columns."""
    return listing.EPILOG.format(
        filters="\n".join(f"  {key:<11} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, columns)),  # noqa: SLF001 - as all listings do
    )


def run(arguments: Namespace) -> int:
    """Print the assets, by address."""
    return listing.run(arguments, "assets", COLUMNS, tuple(FILTERS), query, closed=closed())


def closed() -> listing.Closed:
    """What assets can be asked for, where that is a closed list."""
    from otsec.inventory.people import CRITICALITIES
    from otsec.inventory.roles import ROLES

    reach = ("on link", "routed", "told")
    return {"role": tuple(ROLES), "reach": reach, "criticality": CRITICALITIES}


def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Asset]":
    """The assets that the filters leave."""
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import chosen

    return chosen(inventory(store).assets, filters)
