"""What changed the state of a device: by whom, in which session, what, with what value and result."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from otsec.inventory.assembly import Inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset, Change
from otsec.sessions.assembly import sessions
from otsec.sessions.kinds import changes
from otsec.sessions.model import Session
from otsec.store import Store
from otsec.store.filters import Filter
from otsec.store.timeline import Happening, happenings


@dataclass(frozen=True, slots=True)
class Action:
    """Something that changed a device, or was meant to."""

    time: int  # ns since 1970 UTC by the capture's clock
    who: str  # name of the client's asset; empty: the device told of it itself
    address: str  # of the client
    origin: str  # who is at the beginning of the session's chain, where there is one
    session: str  # its id; empty: it belongs to none
    protocol: str
    device: str
    cls: str  # class of the operation; `identity`: something that it says of itself changed
    operation: str
    object: str
    value: str
    result: str  # `ok`, or how it failed
    times: int
    last_time: int
    packets: tuple[int, ...]  # ordinals in their source
    point: str
    witnesses: tuple[str, ...]
    place: str
    note: str
    doubtful: bool


def actions(
    store: Store, found: Inventory, asset: Asset, filters: Sequence[Filter] = ()
) -> list[Action]:
    """Every action on an asset that changes its state, the oldest first."""
    known = Directory(found)
    worked = _by_parties(sessions(store, found))
    told = [
        _action(one, known, worked)
        for one in _done(store, asset, filters)
        if changes(one.cls, one.operation)
    ]
    if not any(one.field not in {"since", "until"} for one in filters):
        told += [_changed(one) for one in asset.changes if _within(one.seen.time, filters)]
    return sorted(told, key=lambda one: (one.time, one.point, one.packets, one.operation))


def _done(store: Store, asset: Asset, filters: Sequence[Filter]) -> Iterator[Happening]:
    for address in asset.addresses:
        node = address.node
        at = [
            Filter("site", node.site),
            Filter("group", node.group),
            Filter("vlan", node.place),
            Filter("server", node.address),
        ]
        yield from happenings(store, [*at, *filters])


Parties = dict[tuple[str, str, str, str, str], list[Session]]


def _by_parties(found: Iterable[Session]) -> Parties:
    parties: Parties = {}
    for one in found:
        key = (one.site, one.group, one.client.address, one.server.address, one.service)
        parties.setdefault(key, []).append(one)
    return parties


def _session(one: Happening, worked: Parties) -> Session | None:
    """The session of which the time fits; of several the one that began last."""
    key = (one.site, one.group, one.client, one.server, one.service)
    fits = [each for each in worked.get(key, ()) if each.first_time <= one.time <= each.last_time]
    return max(fits, key=lambda each: each.first_time, default=None)


def _action(one: Happening, known: Directory, worked: Parties) -> Action:
    client = known.at(one.site, one.group, one.place, one.client)
    session = _session(one, worked)
    return Action(
        time=one.time,
        who=client.name if client else one.client,
        address=one.client,
        origin=session.origin if session and session.path else "",
        session=session.id if session else "",
        protocol=one.protocol,
        device=one.device,
        cls=one.cls,
        operation=one.operation,
        object=one.object,
        value=_value(one),
        result=one.outcome or "unknown",
        times=one.times,
        last_time=one.last_time,
        packets=one.packets,
        point=one.point,
        witnesses=one.witnesses,
        place=one.place,
        note=one.note,
        doubtful=one.doubtful,
    )


def _value(one: Happening) -> str:
    values = ", ".join("none" if value is None else f"{value}" for value in one.values)
    if values and one.value_note:
        return f"{values} ({one.value_note})"
    return values or one.value_note


def _changed(one: Change) -> Action:
    return Action(
        time=one.seen.time,
        who="",
        address="",
        origin="",
        session="",
        protocol=one.said_by,
        device=one.device,
        cls="identity",
        operation="changed",
        object=one.attribute,
        value=f"{one.before} -> {one.after}",
        result="ok",
        times=1,
        last_time=one.seen.time,
        packets=(one.seen.packet,),
        point=one.seen.source,
        witnesses=(),
        place="",
        note="",
        doubtful=False,
    )


def _within(time: int, filters: Iterable[Filter]) -> bool:
    return all(
        time >= int(one.value) if one.field == "since" else time <= int(one.value)
        for one in filters
    )
