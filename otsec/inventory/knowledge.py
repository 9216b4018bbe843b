"""What is known of an asset: values of attributes, rivals side by side, and what changed when."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from otsec.inventory.identity import MODULES
from otsec.inventory.model import PERSON, Address, Change, Known, Module, Sight
from otsec.inventory.vendors import TELLING, vendor_of_mac, vendor_told
from otsec.store.acts import Act
from otsec.store.sightings import Said

MAC_PREFIX = "mac prefix"
# How far a protocol is to be believed when it tells who somebody is. Industrial protocols read it
# from the device itself; those of offices tell what somebody typed, or what anybody could send.
CONFIDENCE = {
    PERSON: 1.0,
    **dict.fromkeys(
        (
            *("s7comm", "enip", "modbus", "dnp3", "bacnet", "opcua", "profinet", "mms", "goose"),
            *("iec104", "umas", "s7comm_plus", "hartip", "fins", "melsec", "ads"),
        ),
        0.95,
    ),
    "arp": 0.95,
    **dict.fromkeys(("lldp", "cdp", "stp"), 0.9),
    "snmp": 0.85,
    **dict.fromkeys(("smb", "ntlm", "rdp", "ssh", "tls"), 0.7),
    **dict.fromkeys(("dhcp", "nbns", "dns", "http", "ntp", "vnc"), 0.6),
    "tcp": 0.3,
    MAC_PREFIX: 0.3,
}
OTHERWISE = 0.5  # of protocols that are not listed
EXPECTED = "expected_"  # what a client expects of a module (CIP electronic key), not what it is
EXPECTED_FACTOR = 0.6
FOLDED_FACTOR = 0.9  # what one module says, taken for the whole
SEVERAL = frozenset({  # attributes that hold several values at once
    "account", "application", "application_uri", "auth_method", "certificate",
    "certificate_sha1", "credentials", "endpoint", "endpoint_url", "enip_service", "ip_address", "mac", "management_address", "name_server",
    "port_description", "port_mac", "port_role", "role_hint", "tags", "tree_root", "user", "user_identity", "vlan",
})  # fmt: skip
LISTED = frozenset({"ip_address"})  # of these, a value that ends before another begins is told
NO_DEVICE = frozenset({"", "unknown"})  # the address itself, and what a lost context hides

Key = tuple[str, str, str, str]  # device, attribute, value, who says so


def gather(facts: Iterable[Said]) -> list[Known]:
    """Facts of one asset, each value once for each protocol; counts of the source that saw most."""
    found: dict[Key, list[Said]] = {}
    for fact in facts:
        for attribute, value in _named(fact):
            found.setdefault((fact.device, attribute, value, fact.protocol), []).append(fact)
    return [_known(key, told) for key, told in found.items()]


def _named(fact: Said) -> Iterable[tuple[str, str]]:
    """The attribute and value, and the maker that the value stands for."""
    if value := fact.value.strip():
        yield fact.attribute, value
    if fact.attribute in TELLING and (
        maker := vendor_told(fact.protocol, fact.attribute, fact.value)
    ):
        expected = EXPECTED if fact.attribute.startswith(EXPECTED) else ""
        yield f"{expected}vendor", maker


def _known(key: Key, told: Sequence[Said]) -> Known:
    device, attribute, value, protocol = key
    confidence = CONFIDENCE.get(protocol, OTHERWISE)
    if attribute.startswith(EXPECTED):
        attribute, protocol = attribute.removeprefix(EXPECTED), f"{protocol} (expected)"
        confidence *= EXPECTED_FACTOR
    mine, witnesses = _most(told)
    first = min(mine, key=_BEGIN)
    last = max(mine, key=_END)
    return Known(
        *(attribute, value, device, protocol, confidence, sum(fact.times for fact in mine)),
        Sight(first.first_time, first.source, first.first_packet),
        Sight(last.last_time, last.source, last.last_packet),
        witnesses,
    )


_BEGIN, _END = attrgetter("first_time", "first_packet"), attrgetter("last_time", "last_packet")


def _most(told: Sequence[Said]) -> tuple[Sequence[Said], tuple[str, ...]]:
    """What the source says that saw most, and the names of the others."""
    if len(told) == 1:  # as nearly always
        return told, ()
    times: Counter[str] = Counter()
    for fact in told:
        times[fact.source] += fact.times
    most = max(sorted(times), key=times.__getitem__)
    return [fact for fact in told if fact.source == most], tuple(sorted({*times} - {most}))


def by_prefix(addresses: Iterable[Address]) -> list[Known]:
    """Makers of network cards; of little weight, for many devices have cards of other makers."""
    return [
        Known(
            *("vendor", vendor, "", MAC_PREFIX, CONFIDENCE[MAC_PREFIX], one.frames),
            *(one.first, one.last),
        )
        for one in addresses
        if one.is_mac and (vendor := vendor_of_mac(one.text))
    ]


def by_people(acts: Iterable[Act]) -> list[Known]:
    """The last word of people on each attribute; an empty one takes it back."""
    last = {act.attribute: act for act in acts if act.kind in {"set", "import"}}
    return [
        Known(
            *(attribute, act.after, "", PERSON, CONFIDENCE[PERSON], 1),
            *(Sight(act.time, "", 0),) * 2,
            reason=f"{act.who}{': ' if act.reason else ''}{act.reason}",
        )
        for attribute, act in last.items()
        if act.after
    ]


# ------------------------------------------------------------------------------- standing


def weigh(known: Iterable[Known]) -> tuple[tuple[Known, ...], tuple[Change, ...]]:
    """All values in order, the best of each attribute first, and what replaced what.

    What was folded is told twice, of the device and of the asset; a change of it is told once.
    """
    groups: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for one in known:
        groups[one.device, one.attribute].append(one)
    told: list[Known] = []
    changes: list[Change] = []
    for (_, attribute), values in sorted(groups.items()):
        if len(values) == 1:  # as most are
            told += values
            continue
        values.sort(key=_weight)
        met = list(_changes(values))
        replaced = {(change.said_by, change.before) for change in met}
        replaced -= {(change.said_by, change.after) for change in met[-1:]}
        told += _standing(values, replaced, several=attribute in SEVERAL)
        changes += met if attribute not in SEVERAL - LISTED else []
    once = {(one.seen, one.attribute, one.before, one.after): one for one in reversed(changes)}
    return tuple(told), tuple(sorted(once.values(), key=lambda one: one.seen))


def _weight(one: Known) -> tuple[object, ...]:
    """The most believed first; of equals the latest, then the most often told."""
    return -one.confidence, -one.last.time, -one.times, one.said_by, one.value


def _changes(values: Sequence[Known]) -> Iterable[Change]:
    """Values of one protocol of which each ends before the next begins."""
    by_protocol: dict[str, list[Known]] = defaultdict(list)
    for one in values:
        if one.said_by not in {PERSON, MAC_PREFIX}:
            by_protocol[one.said_by].append(one)
    for protocol, told in sorted(by_protocol.items()):
        told.sort(key=lambda one: (one.first, one.last))
        for before, after in itertools.pairwise(told):
            if before.last < after.first:
                yield Change(
                    after.first, after.attribute, after.device, before.value, after.value, protocol
                )


def _standing(
    values: Sequence[Known], replaced: set[tuple[str, str]], *, several: bool
) -> Iterable[Known]:
    current = [one for one in values if (one.said_by, one.value) not in replaced]
    best = (current or values)[0]
    for one in [best, *(other for other in values if other is not best)]:
        if one is best:
            yield one
            continue
        if one.value.casefold() == best.value.casefold():
            standing = "also"
        elif one not in current:
            standing = "replaced"
        else:
            standing = "also" if several else "rival"
        yield one._replace(standing=standing)


# -------------------------------------------------------------------------------- modules


def fold(known: Sequence[Known], behind: Iterable[str]) -> list[Known]:
    """What devices behind the address say, also as said of the asset where that is plain.

    That is what the only device behind it says, and of the modules of a rack what the one says
    that says most. ``behind``: all devices, also those that say nothing.
    """
    own = {one.attribute for one in known if not one.device}
    devices = sorted({*behind, *(one.device for one in known)} - NO_DEVICE)
    counts = {device: sum(one.device == device for one in known) for device in devices}
    racked = [device for device in devices if device.startswith(MODULES) and counts[device]]
    if len(devices) == 1:
        chosen = devices[0]
    elif racked:
        chosen = max(racked, key=counts.__getitem__)
    else:
        return list(known)
    return [
        *known,
        *(
            one._replace(device="", confidence=one.confidence * FOLDED_FACTOR)
            for one in known
            if one.device == chosen and one.attribute not in own
        ),
    ]


def modules(known: Sequence[Known], spoken: Mapping[str, set[str]]) -> tuple[Module, ...]:
    """The devices behind an address; ``spoken``: in which protocols somebody talks to each."""
    found: dict[str, list[Known]] = {device: [] for device in spoken if device not in NO_DEVICE}
    for one in known:
        if one.device not in NO_DEVICE and one.standing in {"best", "also"}:
            found.setdefault(one.device, []).append(one)
    return tuple(
        Module(
            device,
            "module" if device.startswith(MODULES) else "unit",
            tuple(sorted(spoken.get(device, set()) | {one.said_by for one in told})),
            tuple(told),
        )
        for device, told in sorted(found.items(), key=lambda item: _natural(item[0]))
    )


def _natural(device: str) -> list[tuple[int, int, str]]:
    """Numbers within names count as numbers."""
    words = device.split()
    return [(0, int(w), "") if w.isascii() and w.isdecimal() else (1, 0, w) for w in words]
