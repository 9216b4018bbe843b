"""Which unknown facts matter most, and which routine action or tap would reveal each.

Nothing here asks a device: every action is one that people of the plant do anyway, and that the
mirror then shows.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otsec.inventory.completeness import HIGH
from otsec.inventory.families import CONTROL
from otsec.inventory.model import Asset

REST = 1  # weight of an asset by itself
OF_PROCESS, OF_OPERATION = 4, 2  # of those that move the process, and that people move it with
OUTSIDE = 0.1  # of addresses of the internet, which are nobody's to keep an inventory of
EXTRAS = {"revision": ("Firmware version", 4), "serial": ("Serial number", 2)}  # of controllers
WORDS = {**{one.key: (one.name, one.weight) for one in HIGH}, **EXTRAS}

IDENTITY = ("role", "vendor", "model", "revision", "serial")
BY_PEOPLE = ("criticality", "asset_number", "location", "logging", "user_accounts")


class Reveal(NamedTuple):
    """What would show some attributes of assets for which it holds."""

    shows: tuple[str, ...]
    action: str
    holds: Callable[[Asset], bool]
    worth: float = 1.0  # less where it is not sure to show them


@dataclass(frozen=True, slots=True)
class Want:
    """One action, and what it would reveal of which assets."""

    importance: float  # weights of attributes times those of assets, summed
    action: str
    reveals: tuple[str, ...]  # attributes, the most important first
    assets: tuple[str, ...]  # by name, those that gain most first
    facts: int  # how many unknown facts it would fill


def _answers(*protocols: str) -> Callable[[Asset], bool]:
    wanted = frozenset(protocols)
    return lambda asset: bool(
        wanted.intersection(asset.answers) or wanted.intersection(asset.services)
    )


def _routed(asset: Asset) -> bool:
    return asset.reach == "routed"


def _windows(asset: Asset) -> bool:
    return bool({"tcp/445", "tcp/135", "tcp/139", "tcp/3389", "smb", "rdp"} & {
        *asset.services, *asset.answers
    })  # fmt: skip


def _network_gear(asset: Asset) -> bool:
    return asset.role.role in {"switch", "router", "access_point", "firewall"}


def _always(_: Asset) -> bool:
    return True


# The first that holds for an asset and shows an attribute is the one that is proposed for it.
REVEALS: tuple[Reveal, ...] = (
    Reveal(
        (*IDENTITY, "hostname"),
        "open the S7 controller online once in STEP 7 or TIA Portal "
        "(SZL 0x0011 and 0x001C tell order number, firmware, name and serial number)",
        _answers("s7comm", "s7comm_plus"),
    ),
    Reveal(
        IDENTITY,
        "browse to the EtherNet/IP device once in RSLinx or FactoryTalk Linx "
        "(List Identity tells maker, product, revision and serial number)",
        _answers("enip", "tcp/44818", "udp/44818"),
    ),
    Reveal(
        ("role", "vendor", "model", "revision"),
        "read the Modbus device identification once with the maker's tool "
        "(function 43/14, on older devices 17)",
        _answers("modbus", "umas", "tcp/502"),
    ),
    Reveal(
        (*IDENTITY, "hostname", "location"),
        "let a BACnet workstation discover the device once "
        "(its device object tells maker, model, firmware, name and location)",
        _answers("bacnet", "udp/47808"),
    ),
    Reveal(
        IDENTITY,
        "let the DNP3 master read the device attributes once (group 0, variations 242 to 252)",
        _answers("dnp3", "tcp/20000", "udp/20000"),
    ),
    Reveal(
        ("vendor", "model", "revision", "hostname"),
        "connect to the OPC UA server once with a client that lists endpoints "
        "(endpoints and BuildInfo tell product, version and certificate)",
        _answers("opcua", "tcp/4840"),
    ),
    Reveal(
        IDENTITY,
        "connect to the IED once with its configuration tool (MMS Identify and name plates)",
        _answers("mms"),
    ),
    Reveal(
        (*IDENTITY, "hostname", "ip_address"),
        "search for devices once in the PROFINET engineering tool, "
        "with a tap in that segment (DCP is not routed)",
        _answers("profinet", "0x8892"),
    ),
    Reveal(
        IDENTITY,
        "take it from the project: IEC 60870-5-104 tells neither maker nor model "
        "(`otsec asset import`)",
        _answers("iec104", "tcp/2404"),
    ),
    Reveal(
        ("mac", "hostname", "vendor", "model", "role"),
        "put a tap into the segment behind the router: MAC address, ARP, DHCP, LLDP and "
        "PROFINET DCP are seen only there",
        _routed,
    ),
    Reveal(
        ("role", "vendor", "model", "hostname", "revision", "ip_address"),
        "switch LLDP on at the switch or router, or let the network management ask it once "
        "by SNMP (sysDescr and sysName tell product, version and name)",
        _network_gear,
    ),
    Reveal(
        ("hostname", "os", "role", "model"),
        "let somebody open a share or a remote desktop of the computer once "
        "(SMB and RDP tell name, domain and build of Windows)",
        _windows,
    ),
    Reveal(
        ("hostname", "os", "vendor"),
        "let the device renew its DHCP lease, by a restart in the next stop "
        "(DHCP tells its name and make)",
        lambda asset: bool(asset.ips) and asset.reach == "on link" and not _of_process(asset),
    ),
    Reveal(
        BY_PEOPLE,
        "let who knows the plant fill in the register: `otsec assets --csv`, then "
        "`otsec asset import`; no packet tells it",
        _always,
        worth=0.3,  # no packet is waited for, so it can be done at any time
    ),
    Reveal(
        tuple(WORDS),
        "capture for longer, over a start of the plant or a stop for maintenance: so far "
        "nothing that it sent tells",
        _always,
        worth=0.2,
    ),
)


def wanted(assets: Iterable[Asset]) -> list[Want]:
    """What to do, the most revealing first."""
    gains: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for asset in assets:
        for attribute in _unknown(asset):
            for reveal in REVEALS:
                if attribute in reveal.shows and reveal.holds(asset):
                    worth = _weight(asset) * WORDS[attribute][1] * reveal.worth
                    gains[reveal.action][asset.name][attribute] = worth
                    break
    found = [_want(action, told) for action, told in gains.items()]
    return sorted(found, key=lambda want: (-want.importance, want.action))


def _want(action: str, told: dict[str, dict[str, float]]) -> Want:
    by_attribute: dict[str, float] = defaultdict(float)
    for gain in told.values():
        for attribute, worth in gain.items():
            by_attribute[attribute] += worth
    return Want(
        importance=round(sum(by_attribute.values()), 1),
        action=action,
        reveals=tuple(
            WORDS[attribute][0]
            for attribute in sorted(by_attribute, key=lambda name: (-by_attribute[name], name))
        ),
        assets=tuple(sorted(told, key=lambda name: (-sum(told[name].values()), name))),
        facts=sum(map(len, told.values())),
    )


def _unknown(asset: Asset) -> Iterator[str]:
    filled: Sequence[bool] = [bool(one.value) for one in asset.attributes]
    for one, known in zip(HIGH, filled, strict=True):
        if not known and not _needless(asset, one.key):
            yield one.key
    if _of_process(asset):
        yield from (name for name in EXTRAS if not asset.value(name))


def _needless(asset: Asset, key: str) -> bool:
    """What some devices cannot have."""
    only_link = not asset.ips
    return only_link and key in {"ip_address", "services", "user_accounts", "os"}


def _of_process(asset: Asset) -> bool:
    return bool(CONTROL.intersection(asset.answers)) or asset.level in {0, 1}


def _weight(asset: Asset) -> float:
    if asset.reach == "routed" and all(ipaddress.ip_address(ip).is_global for ip in asset.ips):
        return OUTSIDE
    if _of_process(asset):
        return OF_PROCESS
    if asset.level == 2 or CONTROL.intersection(asset.asks):
        return OF_OPERATION
    return REST
