"""Who is there, and who answers for it: `assets.`."""

import fnmatch
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime

from otsec.controls.approvals import INVENTORY, approved_nodes
from otsec.controls.basis import INFRASTRUCTURE, Basis, asset_item, count, each, no_policy
from otsec.controls.inputs import Product, Vulnerability
from otsec.controls.model import COUNTED, Figure, Item, NotConfigured, NotMeasurable, Number
from otsec.errors import UsageError
from otsec.inventory.completeness import HIGH
from otsec.inventory.model import Asset, Change, Node
from otsec.inventory.selection import find
from otsec.inventory.weaknesses import RULES

APPROVE = "otsec inventory approve --by WHO"
VERSIONS = ("revision", "firmware", "software_version", "os_version", "hardware_revision")
NO_SERIALS = frozenset({"none", "unknown", "default", "n/a", "0", "1", "123456789", "0123456789"})
CHANGING = frozenset({
    "model", "order_number", "product_name", "serial", "ip_address", "role",
    "revision", "firmware", "software_version", "os", "os_version",
})  # fmt: skip
SAME_TWICE = (*("address-fought-for", "address-moved", "address-conflict", "goose-two-publishers"),)
DHCP = "two-dhcp-servers"
ADVISORIES = "this version reads no advisories"
OPEN = frozenset({"open"})


def total(basis: Basis) -> Figure:
    """Assets that were heard."""
    return each(basis.assets, lambda _: True, lambda one, _: asset_item(one))


# ------------------------------------------------------------------------------- approval


def is_approved(asset: Asset, nodes: frozenset[Node]) -> bool:
    """Whether one of the addresses of an asset was approved."""
    return any(one.node in nodes for one in asset.addresses)


def unapproved(basis: Basis) -> Figure:
    """Assets that were heard and are not in the approved inventory."""
    nodes = approved_nodes(basis.acts)
    if nodes is None:
        return NotConfigured(APPROVE)
    return each(
        basis.assets,
        lambda one: not is_approved(one, nodes),
        lambda one, new: asset_item(
            one, "inventory", "not approved" if new else "approved", counted=new
        ),
    )


def missing(basis: Basis) -> Figure:
    """Approved assets that were not heard in the period."""
    nodes = approved_nodes(basis.acts)
    if nodes is None:
        return NotConfigured(APPROVE)
    heard = {one.id for one in basis.assets}

    def items() -> Iterator[Item]:
        told: set[str] = set()
        for node in sorted(node for node in nodes if node.site == basis.site.name):
            asset = basis.inventory.at(node)
            name = asset.id if asset else node.address
            if name in told:
                continue
            told.add(name)
            if asset is None:
                yield Item(COUNTED, node.address, "", "inventory", "approved, never heard")
            else:
                gone = asset.id not in heard
                yield asset_item(asset, "inventory", "not heard" if gone else "heard", counted=gone)

    return count(items())


def inventory_age_d(basis: Basis) -> Figure:
    """Days since a person approved the inventory as a whole."""
    told = (one for one in reversed(basis.acts) if one.kind == "inventory-approve")
    act = next((one for one in told if one.attribute == INVENTORY), None)
    if act is None:
        return NotConfigured(APPROVE)
    item = Item(COUNTED, act.who, "", "inventory approved", act.after, act.time, act.time)
    return Number(basis.age_d(act), f"approved by {act.who}", lambda: (item,))


def rogue_infra(basis: Basis) -> Figure:
    """Routers, switches, access points, servers of addresses that nobody approved."""
    nodes = approved_nodes(basis.acts)
    if nodes is None:
        return NotConfigured(APPROVE)

    def items() -> Iterator[Item]:
        for one in basis.assets:
            serves = "dhcp" in one.answers
            if one.role.role in INFRASTRUCTURE or serves:
                known = is_approved(one, nodes)
                what = "dhcp server" if serves else one.role.role
                yield asset_item(
                    one, what, "approved" if known else "not approved", counted=not known
                )
        yield from basis.found([DHCP])

    return count(items())


# ------------------------------------------------------------------------- what is known


def unidentified_pct(basis: Basis) -> Figure:
    """Assets of which maker or model is not known."""
    return _lacking(basis, "vendor and model", _unidentified)


def _unidentified(one: Asset) -> bool:
    known = {attribute.name: attribute.value for attribute in one.attributes}
    return not (known["Manufacturer"] and known["Model"])


def fw_unknown_pct(basis: Basis) -> Figure:
    """Assets of which neither firmware nor operating system is known."""
    return _lacking(basis, "firmware or OS", lambda one: not one.value(*VERSIONS, "os"))


def _lacking(basis: Basis, what: str, lacks: Callable[[Asset], bool]) -> Figure:
    if not basis.assets:
        return NotMeasurable("no asset was heard")
    return each(
        basis.assets,
        lacks,
        lambda one, lacking: asset_item(
            one, what, "unknown" if lacking else "known", counted=lacking
        ),
        pct=True,
    )


def high_attr_pct(basis: Basis) -> Figure:
    """How much of the fourteen high-priority attributes is known, over all assets."""
    if not basis.assets:
        return NotMeasurable("no asset was heard")
    filled = sum(one.filled for one in basis.assets)
    return Number(
        100 * filled / (len(HIGH) * len(basis.assets)),
        items=lambda: (
            asset_item(
                one, "attributes", f"{one.filled} of {len(HIGH)}", counted=one.filled == len(HIGH)
            )
            for one in basis.assets
        ),
    )


def no_owner(basis: Basis) -> Figure:
    """Assets without an owner."""
    return _unsaid(basis, "owner")


def no_criticality(basis: Basis) -> Figure:
    """Assets of which nobody said how critical they are."""
    return _unsaid(basis, "criticality")


def _unsaid(basis: Basis, attribute: str) -> Figure:
    return each(
        basis.assets,
        lambda one: not one.value(attribute),
        lambda one, lacks: asset_item(
            one, attribute, one.value(attribute) or "nobody said", counted=lacks
        ),
    )


# ---------------------------------------------------------------------------------- changes


def changes(basis: Basis) -> Iterator[Item]:
    """Changes of identity in the period; those that a decision links to a record are not counted."""
    linked = frozenset(
        address
        for case in basis.cases
        if case.state == "expected" and case.finding.name in {"identity-changed", "address-moved"}
        for address in (case.finding.server, case.finding.client)
        if address
    )
    for asset in basis.assets:
        for one in asset.changes:
            if one.attribute in CHANGING and basis.period.has(one.seen.time, one.seen.time):
                yield _change(
                    asset, one, linked=bool(linked.intersection((*asset.ips, *asset.macs)))
                )


def _change(asset: Asset, one: Change, *, linked: bool) -> Item:
    told = f"{one.before} -> {one.after} ({'expected' if linked else 'no record'})"
    return Item(
        *(not linked, asset.name, one.device, one.attribute, told),
        *(one.seen.time, one.seen.time, one.seen.source, one.seen.packet),
    )


def changed_unapproved(basis: Basis) -> Figure:
    """Changes of firmware, model, serial number, role or address that nobody expected."""
    return count(changes(basis))


# ----------------------------------------------------------------------- weak and doubled


def eol(basis: Basis) -> Figure:
    """Assets whose maker supports them no more: known systems, and products of the site's list."""
    day = _last_day(basis)
    products = basis.site.inputs.products
    items = [item for asset in basis.assets for item in _unsupported(asset, products, day)]
    if not items and not products and not any(one.value("end_of_life") for one in basis.assets):
        return NotConfigured(
            f"{basis.site.inputs.how('end_of_life')}, or otsec asset set NAME end_of_life=DATE"
        )
    return count(items)


def _last_day(basis: Basis) -> date:
    end = datetime.fromtimestamp(basis.period.end // 10**9, UTC)
    return end.astimezone(basis.site.zone).date()


_SYSTEMS = next(rule for rule in RULES if rule.weakness.title == "Operating system without support")


def _unsupported(asset: Asset, products: Iterable[Product], day: date) -> Iterator[Item]:
    """Why an asset is out of support, the first reason."""
    said, system = asset.value("end_of_life"), asset.best("os")
    if said and date.fromisoformat(said) < day:
        yield asset_item(asset, "end of life", f"since {said}")
        return
    if system is not None and _SYSTEMS.holds(system.value, 0):
        yield asset_item(asset, "operating system", f"{system.value}: no support")._replace(
            packet=system.last.packet if system.last.source else None, point=system.last.source
        )
        return
    told = {"vendor": asset.value("vendor"), "model": _model(asset), "os": asset.value("os")}
    for one in products:
        wanted = {"vendor": one.vendor, "model": one.model, "os": one.os}
        if one.until < day and all(_like(told[key], text) for key, text in wanted.items()):
            what = " ".join(text for text in told.values() if text)
            yield asset_item(asset, "end of life", f"{what}: since {one.until}")
            return


def _model(asset: Asset) -> str:
    return asset.value("model", "product_name", "model_name", "order_number")


def _like(text: str, wanted: str) -> bool:
    pattern = wanted.casefold().replace("[", "[[]").replace("?", "[?]")  # only * is special
    return wanted == "*" or fnmatch.fnmatchcase(text.casefold(), pattern)


def kev(basis: Basis) -> Figure:
    """Open vulnerabilities of the site's list that are known to be exploited."""
    return _vulnerable(basis, lambda one, _: one.exploited)


def cve_overdue(basis: Basis) -> Figure:
    """Open vulnerabilities of the site's list that should have been dealt with by now."""
    return _vulnerable(basis, lambda one, day: one.until < day)


def _vulnerable(basis: Basis, holds: Callable[[Vulnerability, date], bool]) -> Figure:
    """What is listed is known; of what is not listed nothing is, so none is no number."""
    listed = basis.site.inputs.vulnerabilities
    if listed is None:
        return NotMeasurable(
            f"{ADVISORIES}; those that you know go into `remediation:` of compliance.yaml"
        )
    day = _last_day(basis)
    items = tuple(
        _listed(basis, one, counted=one.state in OPEN and holds(one, day)) for one in listed
    )
    if not any(one.counted for one in items):
        return NotMeasurable(f"{ADVISORIES}; of the {len(items)} that are listed none counts")
    return Number(sum(one.counted for one in items), "of those that are listed", lambda: items)


def _listed(basis: Basis, one: Vulnerability, *, counted: bool) -> Item:
    told = f"{one.state}, due {one.until}" + (", exploited" if one.exploited else "")
    try:
        return asset_item(find(basis.inventory, one.asset), one.cve, told, counted=counted)
    except UsageError:
        return Item(counted, one.asset, "", one.cve, f"{told}; not heard")


def dual_homed(basis: Basis) -> Figure:
    """Assets with addresses in more than one zone; what routes between zones is none of them."""
    if basis.policy is None:
        return no_policy()

    def items() -> Iterator[Item]:
        for asset in basis.assets:
            zones = {
                zone.name
                for one in asset.addresses
                if not one.routed and (zone := basis.zone(one.node[:3], one.text)) is not None
            }
            if asset.role.role not in INFRASTRUCTURE:
                yield asset_item(
                    asset, "zones", ", ".join(sorted(zones)) or "none", counted=len(zones) > 1
                )

    return count(items())


def duplicate_id(basis: Basis) -> Figure:
    """Addresses, names and serial numbers that two devices have."""
    return count((*basis.found(SAME_TWICE), *_serials(basis)))


def _serials(basis: Basis) -> Iterator[Item]:
    by_serial: dict[tuple[str, str], list[Asset]] = defaultdict(list)
    for asset in basis.assets:
        serial = asset.value("serial")
        if serial and serial.casefold() not in NO_SERIALS:
            by_serial[asset.value("vendor"), serial].append(asset)
    for (vendor, serial), assets in sorted(by_serial.items()):
        if len(assets) > 1:
            others = ", ".join(one.name for one in assets[1:4])
            yield asset_item(assets[0], "serial", f"{vendor} {serial}: also {others}".strip())


METRICS = {
    "assets.total": total,
    "assets.unapproved": unapproved,
    "assets.missing": missing,
    "assets.unidentified_pct": unidentified_pct,
    "assets.fw_unknown_pct": fw_unknown_pct,
    "assets.high_attr_pct": high_attr_pct,
    "assets.changed_unapproved": changed_unapproved,
    "assets.kev": kev,
    "assets.cve_overdue": cve_overdue,
    "assets.eol": eol,
    "assets.dual_homed": dual_homed,
    "assets.no_owner": no_owner,
    "assets.no_criticality": no_criticality,
    "assets.rogue_infra": rogue_infra,
    "assets.duplicate_id": duplicate_id,
    "assets.inventory_age_d": inventory_age_d,
}
