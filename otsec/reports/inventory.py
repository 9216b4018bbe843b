"""The inventory: every device, what is known of it, who says so, and what is not known."""

from collections import Counter

from otsec.health.verdict import counted
from otsec.inventory.model import SURE, Asset
from otsec.reports import figures
from otsec.reports.document import Document, Key, Paragraph, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import CONTROLLERS, Subject

ASSETS = columns(
    ("name", "Name"), ("role", "Role"), ("sure", "Sure", "number"), ("level", "Level", "level"),
    ("ips", "IP addresses", "list"), ("macs", "MAC addresses", "list"), ("vendor", "Maker"),
    ("model", "Model"), ("revision", "Firmware"), ("answers", "Answers", "list"),
    ("filled", "Known of 14", "number"), ("last", "Last heard", "time"),
    ("serial", "Serial*"), ("hostname", "Host name*"), ("os", "Operating system*"),
    ("asks", "Asks*", "list"), ("owner", "Owner*"), ("criticality", "Criticality*"),
    ("location", "Location*"), ("asset_number", "Number*"), ("vlans", "VLANs*", "list"),
    ("reach", "Reach*"), ("first", "First heard*", "time"), ("packets", "Packets*", "number"),
    ("id", "Id*"),
)  # fmt: skip
MODEL = ("model", "product_name", "model_name", "order_number")


def gather(subject: Subject) -> Document:
    """The report."""
    assets = subject.assets
    unsure = sum(asset.role.confidence < SURE for asset in assets)
    nameless = sum(not asset.value("vendor") or not asset.value(*MODEL) for asset in assets)
    bare = sum(not asset.value("revision") for asset in assets)
    ownerless = sum(not asset.value("owner") for asset in assets)
    controllers = sum(asset.role.role in CONTROLLERS for asset in assets)
    filled = sum(asset.filled for asset in assets) / (14 * len(assets)) if assets else None
    keys = (
        Key("assets", len(assets), f"{controllers} controllers and field devices"),
        Key("known", filled, "of the fourteen attributes, on average", kind="share"),
        Key("unsure roles", unsure, "below 0.8: they place nobody in a group of the policy"),
        Key("unidentified", nameless, "no maker or no model is known"),
        Key("unknown firmware", bare, "neither clean nor weak: unknown"),
        Key("without owner", ownerless, "nobody said who answers for them", grave=False),
    )
    return framed(
        subject,
        "inventory",
        "Inventory of assets",
        keys,
        (
            Section(
                "inventory",
                "Inventory",
                (
                    figures.by_purdue(subject),
                    figures.fill(subject),
                    listed(subject),
                    _makers(assets),
                ),
            ),
            Section("unknown", "What to find out next", (find_out(subject),)),
        ),
    )


def listed(subject: Subject) -> Table:
    """All assets; controllers before others, and of each what is least known."""
    ordered = sorted(
        subject.assets,
        key=lambda one: (one.role.role not in CONTROLLERS, one.filled, one.name),
    )
    return Table(
        "assets",
        "Assets",
        ASSETS,
        tuple(map(_row, ordered)),
        empty="No asset was heard.",
        reading="Controllers and field devices first, of these what is least known.",
        key=("name",),
    )


def _row(one: Asset) -> tuple[str | int | float | tuple[str, ...] | None, ...]:
    return (
        one.name, one.role.role.replace("_", " "), one.role.confidence, one.level,
        one.ips, one.macs, one.value("vendor"), one.value(*MODEL), one.value("revision"),
        one.answers, one.filled, one.last_time,
        one.value("serial"), one.value("hostname"), one.value("os"), one.asks,
        one.value("owner"), one.value("criticality"), one.value("location"),
        one.value("asset_number"), one.places, one.reach, one.first_time, one.packets, one.id,
    )  # fmt: skip


def _makers(assets: list[Asset]) -> Table:
    """Assets by maker and role."""
    found = Counter(
        (asset.value("vendor") or "unknown", asset.role.role.replace("_", " ")) for asset in assets
    )
    rows = sorted(((*key, count) for key, count in found.items()), key=lambda row: (-row[2], row))
    return Table(
        "makers",
        "Assets by maker and role",
        columns(("vendor", "Maker"), ("role", "Role"), ("assets", "Assets", "number")),
        tuple(rows),
        key=("vendor", "role"),
        most=40,
    )


def find_out(subject: Subject) -> Table | Paragraph:
    """What is unknown and matters, and the routine action that would show it."""
    wants = subject.wants
    if not wants:
        return Paragraph("Nothing of weight is unknown.")
    return Table(
        "wanted",
        "",
        columns(("action", "Action"), ("reveals", "Tells", "list"), ("assets", "Assets", "number"),
                ("such", "Such as", "list"), ("facts", "Unknown facts", "number")),
        tuple(
            (one.action, one.reveals[:6], len(one.assets), one.assets[:4], one.facts)
            for one in wants
        ),
        reading=f"{counted(len(wants), 'routine action')}; otsec itself asks no device.",
        key=("action",),
        most=40,
    )  # fmt: skip
