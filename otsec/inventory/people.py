"""What people may say of assets, and how it becomes acts of the record."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from otsec.errors import UsageError
from otsec.inventory.addresses import canonical
from otsec.inventory.identity import parts_text
from otsec.inventory.knowledge import by_people
from otsec.inventory.model import PERSON, Asset, Node
from otsec.inventory.roles import ROLES
from otsec.store.acts import Act, ActKind

LONGEST = 500  # letters of a value or a reason
CRITICALITIES = ("low", "medium", "high", "critical")
PRESENCES = ("always on", "shift", "on demand", "mobile", "transient", "unknown")
IMPACTS = ("high", "medium", "low", "none")  # NERC CIP-002 Attachment 1
BES_CLASSES = ("bca", "eacms", "pacs", "pca", "tca", "none")  # of NERC's glossary
SECURITY_LEVELS = ("0", "1", "2", "3", "4")  # IEC 62443-3-3
LEVELS = ("0", "1", "2", "3", "3.5", "4", "5")


@dataclass(frozen=True, slots=True)
class Word:
    """Who says something, when (ns since 1970 UTC) and why."""

    who: str
    time: int
    reason: str


def _any(value: str) -> str:
    return value


def _one_of(*allowed: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        folded = value.casefold()
        if folded not in allowed:
            raise UsageError(f"{value!a} is none of {', '.join(allowed)}")
        return folded

    return check


def _tags(value: str) -> str:
    return ", ".join(dict.fromkeys(tag for tag in map(str.strip, value.split(",")) if tag))


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise UsageError(f"{value!a} is no date; write 2026-12-31") from None


SETTABLE: dict[str, Callable[[str], str]] = {  # how each value is checked
    "name": _any,
    "role": _one_of(*ROLES),
    "level": _one_of(*LEVELS),
    "criticality": _one_of(*CRITICALITIES),
    "presence": _one_of(*PRESENCES),
    "owner": _any,
    "location": _any,
    "cabinet": _any,
    "feed": _any,
    "asset_number": _any,
    "tags": _tags,
    "vendor": _any,
    "model": _any,
    "serial": _any,
    "revision": _any,
    "hostname": _any,
    "os": _any,
    "services": _any,
    "logging": _any,
    "user_accounts": _any,
    "note": _any,
    "impact": _one_of(*IMPACTS),
    "bes_class": _one_of(*BES_CLASSES),
    "esp": _any,
    "sl_t": _one_of(*SECURITY_LEVELS),
    "end_of_life": _day,
    "backup": _any,
    "baseline_image": _any,
    "distributor": _any,
    "os_version": _any,
    "virtual": _one_of("physical", "virtual"),
    "antivirus": _any,
    "manufactured": _day,
    "hypervisor": _any,
    "hypervisor_location": _any,
    "time_zone": _any,
    "monitoring": _any,
    "communication": _any,
}


def checked(attribute: str, value: str) -> str:
    """A value as it is kept. Raises UsageError if the attribute does not take it."""
    if attribute not in SETTABLE:
        raise UsageError(f"{attribute!a} cannot be set; there are: {', '.join(SETTABLE)}")
    text = value.strip()
    if len(text) > LONGEST:
        raise UsageError(f"{attribute}: {len(text)} letters; at most {LONGEST} are kept")
    try:
        return SETTABLE[attribute](text) if text else ""
    except UsageError as error:
        raise UsageError(f"{attribute}: {error}") from None


def shown(asset: Asset, attribute: str) -> str:
    """What holds now of an attribute that can be set, whoever says so."""
    if attribute == "role":
        return asset.role.role
    if attribute == "level":
        return "" if asset.level is None else f"{asset.level:g}"
    return asset.value(attribute)


def now_said(asset: Asset, people: Iterable[Act]) -> Asset:
    """The asset with all that people have said of it by now, if it was made some time ago."""
    nodes = set(_nodes(asset))
    mine = [act for act in people if Node(*json.loads(act.asset)) in nodes]
    own = {name: known for name, known in asset.own.items() if known.said_by != PERSON}
    return replace(asset, own=own | {known.attribute: known for known in by_people(mine)})


def said_values(
    asset: Asset, values: Mapping[str, str], word: Word, kind: ActKind = "set"
) -> list[Act]:
    """Acts for the values that a person has not said already; an empty value takes back."""
    acts = []
    for attribute, value in values.items():
        text = checked(attribute, value)
        best = asset.best(attribute)
        mine = best.value if best is not None and best.said_by == PERSON else ""
        if text != mine:
            acts.append(_act(asset, word, kind, attribute, shown(asset, attribute), text))
    return acts


def said_merge(one: Asset, other: Asset, word: Word) -> Act:
    """Two assets are one device."""
    if one.id == other.id:
        raise UsageError(f"{one.name!a} and {other.name!a} are one asset already")
    if one.site != other.site:
        raise UsageError("assets of two sites cannot be one")
    before = parts_text([_nodes(one), _nodes(other)])
    return _act(one, word, "merge", "", before, parts_text([[one.anchor, other.anchor]]))


def said_split(asset: Asset, address: str, word: Word) -> Act:
    """An address, with what hangs on it alone, is a device of its own; the others stay together."""
    wanted = canonical(address)
    nodes = _nodes(asset)
    found = [node for node in nodes if node.address == wanted]
    if not found:
        has = ", ".join((*asset.ips, *asset.macs))
        raise UsageError(f"{asset.name!a} has no address {address!a}; it has {has}")
    gone = _branch(asset, found[0]) | {*found}
    parts = [[node for node in nodes if node not in gone], [node for node in nodes if node in gone]]
    if not parts[0]:
        raise UsageError(f"{address!a} is the only address of {asset.name!a}")
    return _act(asset, word, "split", "", parts_text([nodes]), parts_text(parts))


def _branch(asset: Asset, node: Node) -> set[Node]:
    """What the joins connect with the anchor through the node alone; joins are a tree."""
    if node == asset.anchor:
        return {node}
    kept, todo = {asset.anchor}, [asset.anchor]
    while todo:
        here = todo.pop()
        near = {one for join in asset.joins for one in join[:2] if here in join[:2]}
        todo += near - kept - {node}
        kept |= near - {node}
    return {one.node for one in asset.addresses} - kept


def _nodes(asset: Asset) -> list[Node]:
    return [one.node for one in asset.addresses]


def _act(asset: Asset, word: Word, kind: ActKind, attribute: str, before: str, after: str) -> Act:
    anchor = json.dumps(list(asset.anchor))
    return Act(0, word.time, word.who, kind, anchor, attribute, before, after, word.reason)
