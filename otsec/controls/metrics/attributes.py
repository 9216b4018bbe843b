"""How much of the inventory guidance is known: `attr.NAME_pct` and `attr.NAME_conflicts`.

Source: CISA and partners, Foundations for OT Cybersecurity: Asset Inventory Guidance for Owners and
Operators, 2025-08, Appendix A, Table 1: 32 attributes, of which 14 are of high priority.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from otsec.clocks import LOCAL_TIME
from otsec.controls.basis import Basis, asset_item, count, each
from otsec.controls.metrics.assets import VERSIONS
from otsec.controls.model import Figure, Item, NotMeasurable
from otsec.inventory.completeness import HIGH
from otsec.inventory.knowledge import MAC_PREFIX
from otsec.inventory.model import PERSON, SURE, Asset
from otsec.inventory.vendors import vendor_of_mac

NAME = re.compile(r"[^a-z0-9]+")
VIRTUAL = re.compile(
    r"VMware|Hyper-V|Microsoft|QEMU|VirtualBox|PCS Systemtechnik|Xen|Parallels|Proxmox",
    re.IGNORECASE,
)
DESCRIPTIONS = ("note", "description", "system_description", "port_description")
TIME_SOURCES = ("time_source", "time_server", "clock_master")

Value: TypeAlias = Callable[[Basis, Asset], str]


class Attribute(NamedTuple):
    """One attribute of the guidance."""

    value: Value  # empty: not known
    facts: tuple[str, ...] = ()  # of which rival values are a conflict


def slug(name: str) -> str:
    """The name of an attribute as metrics write it."""
    return NAME.sub("_", name.casefold()).strip("_")


def _high(name: str) -> Value:
    return lambda _, asset: next(one.value for one in asset.attributes if one.name == name)


def _fact(*facts: str) -> Attribute:
    return Attribute(lambda _, asset: asset.value(*facts), facts)


def _cards(asset: Asset) -> str:
    """The makers of its network cards, of those heard on link."""
    makers = (vendor_of_mac(one.text) for one in asset.addresses if one.is_mac and not one.routed)
    return ", ".join(dict.fromkeys(maker for maker in makers if maker))


def _virtual(_basis: Basis, asset: Asset) -> str:
    if said := asset.value("virtual"):
        return said
    makers = _cards(asset)
    return "" if not makers else "virtual" if VIRTUAL.search(makers) else "physical"


def _hypervisor(_basis: Basis, asset: Asset) -> str:
    if said := asset.value("hypervisor"):
        return said
    found = VIRTUAL.search(_cards(asset))
    return found[0] if found else ""


def _os_version(_basis: Basis, asset: Asset) -> str:
    system = asset.value("os")
    return asset.value("os_version", "os_build") or (system if re.search(r"\d", system) else "")


def _vlan(_basis: Basis, asset: Asset) -> str:
    return ", ".join(asset.places) or asset.value("vlan")


def _monitoring(_basis: Basis, asset: Asset) -> str:
    points = sorted({one.last.source for one in asset.addresses if not one.told_by})
    return ", ".join((*points, *filter(None, (asset.value("monitoring"),))))


def _link(_basis: Basis, asset: Asset) -> str:
    if said := asset.value("communication"):
        return said
    return "Ethernet" if any(one.is_mac and not one.routed for one in asset.addresses) else ""


def _backup(basis: Basis, asset: Asset) -> str:
    if said := asset.value("backup"):
        return said
    declared = basis.site.inputs.backup
    servers = frozenset(declared.servers) if declared else frozenset()
    met = {one.server for one in asset.talks} | {one.client for one in asset.talks}
    return ", ".join(sorted(servers & met))


def _zone(basis: Basis, asset: Asset) -> str:
    if said := asset.value("time_zone"):
        return said
    told = (one for one in basis.clocks if one.asset == asset.id)
    agrees = any(one.standing == "agrees" and one.note == LOCAL_TIME for one in told)
    return str(basis.site.zone) if agrees else ""


def _time_source(basis: Basis, asset: Asset) -> str:
    told = [name for one in basis.clocks if one.asset == asset.id for name in one.source]
    return ", ".join(dict.fromkeys(told)) or asset.value(*TIME_SOURCES)


ATTRIBUTES: Mapping[str, Attribute] = {
    **{slug(one.name): Attribute(_high(one.name), one.sources) for one in HIGH},
    "backup_frequency_type": Attribute(_backup, ("backup",)),
    "baseline_image": _fact("baseline_image"),
    "department_owner": _fact("owner"),
    "distributor": _fact("distributor"),
    "firmware_software_version": _fact(*VERSIONS),
    "os_version": Attribute(_os_version, ("os_version", "os_build")),
    "physical_or_virtual": Attribute(_virtual, ("virtual",)),
    "vlan": Attribute(_vlan, ("vlan",)),
    "antivirus_endpoint_protection": _fact("antivirus"),
    "date_of_manufacture": _fact("manufactured"),
    "hypervisor": Attribute(_hypervisor, ("hypervisor",)),
    "local_time_zone": Attribute(_zone, ("time_zone",)),
    "location_within_hypervisor": _fact("hypervisor_location"),
    "network_monitoring": Attribute(_monitoring, ("monitoring",)),
    "notes_description": _fact(*DESCRIPTIONS),
    "primary_communication_method": Attribute(_link, ("communication",)),
    "serial_number": _fact("serial"),
    "time_source": Attribute(_time_source, TIME_SOURCES),
}


# --------------------------------------------------------------------------------- metrics


def _pct(name: str, one: Attribute) -> Callable[[Basis], Figure]:
    def measure(basis: Basis) -> Figure:
        if not basis.assets:
            return NotMeasurable("no asset was heard")
        return each(
            basis.assets,
            lambda asset: bool(one.value(basis, asset)),
            lambda asset, known: asset_item(
                asset, name, one.value(basis, asset) or "unknown", counted=known
            ),
            pct=True,
        )

    return measure


def _conflicts(name: str, one: Attribute) -> Callable[[Basis], Figure]:
    def measure(basis: Basis) -> Figure:
        if not basis.assets:
            return NotMeasurable("no asset was heard")
        return count(item for asset in basis.assets for item in _rivals(asset, name, one))

    return measure


def _rivals(asset: Asset, name: str, one: Attribute) -> Iterator[Item]:
    """The first conflict of an asset: values that two sources tell, or two roles that are sure.

    What a person said settles it, and the maker of a network card need not be that of the device.
    """
    if name == "asset_role_type":
        sure = [guess for guess in asset.guesses if guess.confidence >= SURE]
        if len(sure) > 1:
            yield asset_item(asset, "role", " or ".join(guess.role for guess in sure))
        return
    for fact in one.facts:
        told = [
            known
            for known in asset.known
            if known.attribute == fact and not known.device and known.said_by != MAC_PREFIX
        ]
        best = next((known for known in told if known.standing == "best"), None)
        if best is None or best.said_by == PERSON:
            continue
        rivals = (
            one for one in told if one.standing == "rival" and not _same(best.value, one.value)
        )
        if (rival := next(rivals, None)) is not None:
            yield asset_item(
                asset, fact, f"{best.value} ({best.said_by}) or {rival.value} ({rival.said_by})"
            )._replace(point=rival.last.source, packet=rival.last.packet)
            return


def _same(one: str, other: str) -> bool:
    """Whether two values are one name, with and without its domain."""
    short, long = sorted((one.casefold().rstrip("."), other.casefold().rstrip(".")), key=len)
    return long == short or long.startswith(f"{short}.")


def _fought_for(basis: Basis) -> Figure:
    """Assets whose address another device used too, as findings tell."""
    return count(basis.found(FOUGHT)) if basis.assets else NotMeasurable("no asset was heard")


FOUGHT = ("address-fought-for", "address-moved", "address-conflict")
METRICS: Mapping[str, Callable[[Basis], Figure]] = {
    **{f"attr.{name}_pct": _pct(name, one) for name, one in ATTRIBUTES.items()},
    **{f"attr.{name}_conflicts": _conflicts(name, one) for name, one in ATTRIBUTES.items()},
    "attr.ip_address_conflicts": _fought_for,
    "attr.mac_address_conflicts": _fought_for,
}
