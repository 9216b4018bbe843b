"""CISA's fourteen high-priority attributes, and which of them are known of an asset.

Source: CISA and partners, Foundations for OT Cybersecurity: Asset Inventory Guidance for Owners
and Operators, 2025-08, Appendix A, Table 1, priority "high". What is not visible on the wire is
filled by people alone: criticality and number always, location, logging and accounts mostly.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from otsec.inventory.model import PERSON, SURE, Asset, Attribute, Known
from otsec.inventory.roles import Traits

SHOWN = 6  # names of a long list
LOGGING = {  # services by which devices send what they log
    "udp/514": "syslog", "tcp/514": "syslog", "tcp/601": "syslog", "tcp/6514": "syslog over TLS",
    "udp/162": "SNMP traps", "tcp/5985": "Windows event forwarding",
    "tcp/5986": "Windows event forwarding",
}  # fmt: skip


class Wanted(NamedTuple):
    """One attribute of the guidance."""

    name: str  # as the guidance writes it
    key: str  # what `otsec asset set` calls it
    weight: int  # how much it matters not to know it, 1 to 5
    sources: tuple[str, ...]  # facts that fill it, the best first


HIGH: tuple[Wanted, ...] = (
    Wanted("Active/supported communication protocols", "protocols", 3, ()),
    Wanted("Asset criticality", "criticality", 4, ("criticality",)),
    Wanted("Asset number", "asset_number", 2, ("asset_number", "asset_id", "asset_tag")),
    Wanted("Asset role/type", "role", 5, ()),
    Wanted("Hostname", "hostname", 2, ("hostname", "name")),
    Wanted("IP address", "ip_address", 3, ()),
    Wanted("Logging", "logging", 1, ("logging",)),
    Wanted("MAC address", "mac", 2, ()),
    Wanted("Manufacturer", "vendor", 4, ("vendor",)),
    Wanted("Model", "model", 5, ("model", "product_name", "model_name", "order_number")),
    Wanted("Operating system", "os", 2, ("os",)),
    Wanted("Physical location/address", "location", 3, ("location",)),
    Wanted("Ports/services", "services", 2, ("services",)),
    Wanted(
        "User accounts", "user_accounts", 1, ("user_accounts", "user", "user_identity", "account")
    ),
)


def attributes(asset: Asset, traits: Traits) -> tuple[Attribute, ...]:
    """All fourteen of an asset, unknown ones with an empty value."""
    return tuple(
        OTHERS[one.key](one, asset, traits) if one.key in OTHERS else _fact(one, asset)
        for one in HIGH
    )


UNKNOWN = {one.key: Attribute(one.name, "", "", 0.0) for one in HIGH}  # of most, most are


def _fact(wanted: Wanted, asset: Asset) -> Attribute:
    found = [asset.own[name] for name in wanted.sources if name in asset.own]
    if not found:
        return UNKNOWN[wanted.key]
    best = max(found, key=lambda one: one.said_by == PERSON)  # the first, or a person's word
    return _told(wanted, best)


def _told(wanted: Wanted, one: Known) -> Attribute:
    return Attribute(wanted.name, one.value, one.said_by, one.confidence)


def _seen(wanted: Wanted, values: Sequence[str]) -> Attribute:
    """What is seen in the traffic itself."""
    if not values:
        return UNKNOWN[wanted.key]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return Attribute(wanted.name, ", ".join(values[:SHOWN]) + more, "traffic", 0.95)


def _role(wanted: Wanted, asset: Asset, _: Traits) -> Attribute:
    """A role that places nobody in a group counts as unknown."""
    sure = asset.role.confidence >= SURE
    said_by = PERSON if asset.role.confidence == 1.0 else "inference"
    return Attribute(wanted.name, asset.role.role, said_by, asset.role.confidence) if sure else (
        Attribute(wanted.name, "", "", asset.role.confidence)
    )  # fmt: skip


def _logging(wanted: Wanted, asset: Asset, traits: Traits) -> Attribute:
    if asset.best("logging"):
        return _fact(wanted, asset)
    return _seen(
        wanted,
        [
            f"{LOGGING[service]} to {', '.join(sorted(to)[:SHOWN])}"
            for service, to in sorted(traits.logs.items())
        ],
    )


def _services(wanted: Wanted, asset: Asset, _: Traits) -> Attribute:
    return _seen(wanted, asset.services) if asset.services else _fact(wanted, asset)


OTHERS: Mapping[str, Callable[[Wanted, Asset, Traits], Attribute]] = {
    "protocols": lambda wanted, asset, _: _seen(
        wanted, tuple(dict.fromkeys((*asset.answers, *asset.asks)))
    ),
    "role": _role,
    "ip_address": lambda wanted, asset, _: _seen(wanted, asset.ips),
    "logging": _logging,
    "mac": lambda wanted, asset, _: _seen(wanted, asset.macs),
    "services": _services,
}
