"""What else is told of one asset: whom it talks to, who writes to it, what happened when."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from otsec.inventory.assembly import Inventory
from otsec.inventory.identity import parts_of
from otsec.inventory.model import Asset, Node, Peer
from otsec.store import Store, queries
from otsec.store.contents import contents
from otsec.store.queries import Event, Filter, Writer, address_key
from otsec.store.views import Content

TOLD_CLASSES = ("program", "mode", "firmware", "config")  # operations that a timeline tells
INVENTORY = {"inventory-approve": "taken into", "inventory-retire": "taken out of"}
EVENTS = 200  # of each class and address that a timeline tells at most, the latest


class Moment(NamedTuple):
    """Something that happened to an asset."""

    time: int  # ns since 1970 UTC; of a person's act by the clock of the machine
    source: str  # empty where no packet shows it
    packet: int | None
    what: str
    who: str  # who did or said it


def peers(found: Inventory, asset: Asset) -> list[Peer]:
    """Whom it talks to, the busiest first."""
    own = {*asset.ips, *asset.macs}
    met: dict[tuple[str, str, str], list[Peer]] = {}
    for talk in asset.talks:
        asks = talk.client in own
        address = talk.server if asks else talk.client
        other = found.at(Node(talk.site, talk.group, talk.place, address))
        one = Peer(
            address=address,
            name=other.name if other else address,
            asset=other.id if other else "",
            way="asks" if asks else "answers",
            protocol=talk.protocol or talk.service,
            packets=talk.packets_out + talk.packets_in,
            last_time=talk.last_time,
        )
        met.setdefault((one.address, one.way, one.protocol), []).append(one)
    summed = [
        Peer(
            *(told[0].address, told[0].name, told[0].asset, told[0].way, told[0].protocol),
            packets=sum(one.packets for one in told),
            last_time=max(one.last_time for one in told),
        )
        for told in met.values()
    ]
    return sorted(summed, key=lambda one: (-one.packets, address_key(one.address), one.protocol))


def writers(store: Store, asset: Asset) -> list[Writer]:
    """Who wrote to it, second writers first."""
    found = [row for at in _filters(asset, "server") for row in queries.writers(store, at)]
    return sorted(found, key=lambda row: not row.second_writer)


def loaded(store: Store, asset: Asset) -> list[Content]:
    """What was loaded into it or read from it, the latest first."""
    found = [row for at in _filters(asset, "server") for row in contents(store, at)]
    return sorted(found, key=lambda row: (-row.last_time, -row.last_packet))


def timeline(store: Store, asset: Asset) -> list[Moment]:
    """What happened to it, the oldest first."""
    moments = [*_sights(asset), *_changes(asset), *_events(store, asset), *_acts(asset)]
    return sorted(moments, key=lambda one: (one.time, one.source, one.packet or 0, one.what))


def _filters(asset: Asset, field: str) -> Iterator[Sequence[Filter]]:
    for one in asset.addresses:
        node = one.node
        yield [
            Filter("site", node.site),
            Filter("group", node.group),
            Filter("vlan", node.place),
            Filter(field, node.address),
        ]


def _sights(asset: Asset) -> Iterator[Moment]:
    for one in asset.addresses:
        seen = f"{one.text} first {'told of by ' + one.told_by if one.told_by else 'heard'}"
        yield Moment(one.first.time, one.first.source, one.first.packet, seen, "")


def _changes(asset: Asset) -> Iterator[Moment]:
    for one in asset.changes:
        of = f" of {one.device}" if one.device else ""
        what = f"{one.attribute}{of} changed from {one.before} to {one.after} ({one.said_by})"
        yield Moment(one.seen.time, one.seen.source, one.seen.packet, what, "")


def _events(store: Store, asset: Asset) -> Iterator[Moment]:
    for at in _filters(asset, "server"):
        for cls in TOLD_CLASSES:
            for event in queries.events(store, [*at, Filter("class", cls)])[-EVENTS:]:
                yield _event(event)


def _event(event: Event) -> Moment:
    source = f"{event.point}/{event.interface}" if event.interface else event.point
    what = " ".join(part for part in (event.operation, event.object, event.device) if part)
    failed = "" if event.outcome in {"", "ok"} else f": {event.outcome}"
    more = f" ({event.count} times)" if event.count > 1 else ""
    told = f"{event.protocol} {what}{failed}{more}"
    return Moment(event.time, source, event.packet, told, event.client)


def _acts(asset: Asset) -> Iterator[Moment]:
    for act in asset.acts:
        if act.kind in {"merge", "split"}:
            what = f"{act.kind}: {_parts(act.before)} became {_parts(act.after)}"
        elif act.kind in INVENTORY:
            what = f"{INVENTORY[act.kind]} the approved inventory"
        elif act.after:
            what = f"{act.attribute} set to {act.after}" + (
                f" (was {act.before})" if act.before else ""
            )
        else:
            what = f"{act.attribute} taken back (was {act.before})"
        yield Moment(act.time, "", None, what + (f": {act.reason}" if act.reason else ""), act.who)


def _parts(text: str) -> str:
    return " and ".join(_addresses(node.address for node in part) for part in parts_of(text))


def _addresses(addresses: Iterable[str]) -> str:
    return "[" + ", ".join(dict.fromkeys(addresses)) + "]"
