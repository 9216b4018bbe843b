"""Records of announced changes and of maintenance, and the acts by which people make them.

A record is never altered: it is added, and it may be closed before its end.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from otsec.detect.cases import LONGEST, Word
from otsec.errors import UsageError
from otsec.inventory.model import Node
from otsec.policy.model import CLASSES
from otsec.store import Store
from otsec.store.acts import Act, ChangeAct, acts_of_changes

Sort: TypeAlias = Literal["change", "maintenance"]
MORE_ALLOWED: Mapping[str, str] = {  # beside the classes of operations
    "identity": "a device says another serial number, order number or name",
    "module": "a device or a module is new, or another",
    "conversation": "a new conversation",
    "internet": "a new conversation with an address of the internet",
    "silence": "a device falls silent",
}
ALLOWED = (*CLASSES, *MORE_ALLOWED)
# What maintenance brings with it; what changes a machine for good wants a record that says so.
IN_MAINTENANCE = tuple(
    name for name in (*CLASSES, "silence") if name not in {"program", "mode", "firmware"}
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,59}")
MOST_NODES = 10_000


@dataclass(frozen=True)
class Record:
    """Something announced: at which devices, by whom, when, and what may happen."""

    id: str
    sort: Sort
    site: str
    assets: tuple[str, ...]  # as they were named
    zone: str  # as it was named; empty: none
    nodes: tuple[Node, ...]  # the addresses that the names stood for when it was announced
    nets: tuple[str, ...]  # networks of the zone, for devices that come later
    hosts: tuple[str, ...]  # addresses of who may do it; none: anybody
    allowed: tuple[str, ...]
    begin: int  # ns
    end: int
    who: str
    reason: str
    state: str = ""  # of the plant meanwhile; empty: it does not tell
    closed: bool = False

    @cached_property
    def _here(self) -> frozenset[Node]:
        return frozenset(self.nodes)

    @cached_property
    def _networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(ipaddress.ip_network(one) for one in self.nets)

    @property
    def everywhere(self) -> bool:
        """Whether it is about the whole site."""
        return not self.assets and not self.zone

    def about(self, node: Node) -> bool:
        """Whether an address belongs to what it is about."""
        if node.site != self.site:
            return False
        if self.everywhere or node in self._here:
            return True
        try:
            address = ipaddress.ip_address(node.address)
        except ValueError:
            return False
        return any(address in net for net in self._networks if net.version == address.version)

    def lasts(self, begin: int, end: int) -> bool:
        """Whether all between two times lies in it."""
        return self.begin <= begin and end <= self.end


def records(store: Store) -> list[Record]:
    """All records, in the order in which they were announced."""
    found: dict[str, Record] = {}
    for act in acts_of_changes(store):
        if act.kind == "change-close":
            ended = int(json.loads(act.after)["end"])
            one = found[act.attribute]
            found[one.id] = replace(one, end=min(one.end, ended), closed=True)
        else:
            one = _read(act)
            found[one.id] = one
    return list(found.values())


def _read(act: Act) -> Record:
    said: dict[str, Any] = json.loads(act.after)
    for name in ("assets", "nets", "hosts", "allowed"):
        said[name] = tuple(said[name])
    said["nodes"] = tuple(Node(*one) for one in said["nodes"])
    return Record(act.attribute, **said, who=act.who, reason=act.reason)


# ------------------------------------------------------------------------------------- acts


def added(known: Sequence[Record], new: Sequence[Record], word: Word, kind: ChangeAct) -> list[Act]:
    """The acts that announce records. Raises UsageError for the first that cannot be."""
    ids = {one.id.casefold() for one in known}
    acts = []
    for one in new:
        _check(one, ids)
        ids.add(one.id.casefold())
        acts.append(_act(kind, one.id, "", _said(one), word._replace(who=one.who), one.reason))
    return acts


def _check(one: Record, ids: Iterable[str]) -> None:
    if not _ID.fullmatch(one.id):
        raise UsageError(
            f"{one.id!a} is no id of a record: 1 to 60 letters, digits and ._/#-, as CHG-4711"
        )
    if one.id.casefold() in {"unlinked", *ids}:
        raise UsageError(f"there is a record {one.id!a} already; close it, and take another id")
    if one.begin >= one.end:
        raise UsageError(f"{one.id}: it ends before it begins")
    if not one.allowed:
        raise UsageError(f"{one.id}: say with --allow what may happen: {', '.join(ALLOWED)}")
    if len(one.nodes) > MOST_NODES:
        raise UsageError(f"{one.id}: at most {MOST_NODES} addresses; announce it for the site")
    if not one.reason:
        raise UsageError(f"{one.id}: say why with --reason, for whoever looks at it in a year")
    if max(len(one.who), len(one.reason)) > LONGEST:
        raise UsageError(f"{one.id}: --by and --reason take at most {LONGEST} letters")


def same(one: Record, other: Record) -> bool:
    """Whether two records announce the same; what names stand for may have changed."""

    def matter(record: Record) -> tuple[object, ...]:
        return record.sort, record.assets, record.zone, record.allowed, record.begin, record.hosts

    return matter(one) == matter(other) and (other.closed or one.end == other.end)


def closed(known: Sequence[Record], name: str, at: int, word: Word) -> Act:
    """The act that ends a record at a time, ns."""
    met = [one for one in known if one.id.casefold() == name.casefold()]
    if not met:
        raise UsageError(f"no record {name!a}; `otsec change list` lists them")
    (one,) = met
    if one.closed:
        raise UsageError(f"{one.id} is closed already")
    end = json.dumps({"end": min(at, one.end)})
    return _act("change-close", one.id, json.dumps({"end": one.end}), end, word, word.reason)


def checked_allowed(names: Iterable[str]) -> tuple[str, ...]:
    """What may happen, in the order of the list; `any`: all of it. Raises UsageError."""
    asked = [name.strip().casefold() for name in names if name.strip()]
    for name in asked:
        if name not in {*ALLOWED, "any"}:
            raise UsageError(f"{name!a} is nothing that can be allowed; {', '.join(ALLOWED)}, any")
    return ALLOWED if "any" in asked else tuple(name for name in ALLOWED if name in asked)


def _said(one: Record) -> str:
    names = (
        *("sort", "site", "assets", "zone", "nodes", "nets", "hosts", "allowed", "begin", "end"),
        "state",
    )
    return json.dumps({name: getattr(one, name) for name in names}, ensure_ascii=False)


def _act(kind: ChangeAct, name: str, before: str, after: str, word: Word, reason: str) -> Act:
    return Act(
        *(0, word.time, word.who, kind, "", name, before, after, reason),
        login=word.login,
        host=word.host,
    )
