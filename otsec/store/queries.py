"""What the listings and screens ask of a store: each query gives frozen rows, typed.

Points of one group see the same network, so nothing is summed over sources: of what several
sources saw, the row of the source that saw most is shown, and the others are its *witnesses*.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, TypeAlias

import numpy as np

from otsec.columns import I64, ranges, starts_of
from otsec.protocols.values import is_float
from otsec.store import histograms
from otsec.store.arrays import VALUE_BYTES, told
from otsec.store.broadcasts import broadcasts
from otsec.store.database import Store
from otsec.store.filters import Cells, Field, Filter, Span, condition, span
from otsec.store.overlaps import Company, Write, company
from otsec.store.selects import FIELDS, Filters, among, made, selected, source_name, strongest
from otsec.store.views import (
    Behaviour,
    Conversation,
    Count,
    Device,
    Event,
    Fact,
    Gap,
    Lookup,
    Protocol,
    Source,
    Value,
    Writer,
)

__all__ = [
    "FIELDS",
    "Behaviour",
    "Conversation",
    "Count",
    "Device",
    "Event",
    "Fact",
    "Filter",
    "Gap",
    "Lookup",
    "Protocol",
    "Source",
    "Value",
    "Writer",
]


WRITING = ("write", "control")  # classes of operations that set an object to something
# Outcomes after which the object may hold what was sent: nobody said no.
NOT_REFUSED = ("", "ok", "late", "duplicate", "unanswered", "unknown", "open")


@lru_cache(maxsize=65_536)
def address_key(address: str) -> tuple[int, int, str]:
    """Where an address stands in a list: IPv4 before IPv6 before others, by number."""
    for version, family in ((4, AF_INET), (6, AF_INET6)):
        try:
            number = inet_pton(family, address)
        except (OSError, ValueError):  # of the other family, a MAC address, a NUL in a name
            continue
        return version, int.from_bytes(number, "big"), ""
    return 9, 0, address


# -------------------------------------------------------------------------------- queries


def sources(store: Store, filters: Filters = ()) -> list[Source]:
    """All sources, also those without packets."""
    return [made(Source, cells) for cells in selected(store, "sources", filters)]


CONVERSATION = ("place", "kind", "client", "server", "service")


def conversations(
    store: Store, filters: Filters = (), *, only: Sequence[Sequence[object]] = ()
) -> list[Conversation]:
    """Who talks to whom, the busiest first; ``only``: those of these identities (CONVERSATION)."""
    found = selected(store, "conversations", filters, *among(CONVERSATION, only))
    rows = [
        made(Conversation, cells, witnesses=witnesses, doubtful=bool(cells["doubtful"]))
        for cells, witnesses in strongest(found, CONVERSATION)
    ]
    return sorted(rows, key=_by_traffic)


def _by_traffic(row: Conversation) -> tuple[Any, ...]:
    return (
        *(row.site, row.group, -row.packets_out - row.packets_in),
        *(address_key(row.client), address_key(row.server), row.service, row.place),
    )


BEHAVIOUR = (
    *("place", "client", "server", "service", "protocol", "device", "operation", "cls"),
    *("object", "outcome"),
)


def behaviours(store: Store, filters: Filters = ()) -> list[Behaviour]:
    """What everybody does: by client, server and device, the most frequent first."""
    rows = [
        made(
            Behaviour,
            cells,
            witnesses=witnesses,
            packets=tuple(json.loads(cells["packets"])),
            doubtful=bool(cells["doubtful"]),
        )
        for cells, witnesses in strongest(selected(store, "behaviours", filters), BEHAVIOUR)
    ]
    return sorted(rows, key=_by_peers)


def _by_peers(row: Behaviour) -> tuple[Any, ...]:
    return (
        *(row.site, row.group, address_key(row.client), address_key(row.server), row.place),
        *(row.device, -row.count, row.operation, row.object, row.outcome, row.service),
    )


def histogram(store: Store, source: int, behaviour: int) -> dict[str, list[tuple[int, int]]]:
    """The histograms of a behaviour by kind, as pairs of bucket and count."""
    rows = store.all(
        "SELECT kind, buckets FROM histogram WHERE source = ? AND behaviour = ? ORDER BY kind",
        (source, behaviour),
    )
    return {kind: histograms.pairs(buckets) for kind, buckets in rows}


# -------------------------------------------------------------------------------- writers

WRITER = (
    *("place", "client", "server", "service", "protocol", "device", "operation", "cls"),
    *("object", "outcome"),
)
Number: TypeAlias = tuple[int, int]  # source and number of a behaviour
_WRITES = f"AND cls IN ({', '.join(map(repr, WRITING))})"
_REFUSED = Company(writers=0, second=False)
_ALONE = Company(writers=1, second=False)
_OF_DEVICE = {"site", "group", "vlan", "server", "device"}  # filters that keep all its writers


def writers(store: Store, filters: Filters = ()) -> list[Writer]:
    """Who wrote which object: second writers first, then by object.

    Whether a writer is the second is judged among all writers of the object, also those that the
    filters hide.
    """
    early = [one for one in filters if one.field in _OF_DEVICE]
    rows = list(selected(store, "writers", early, _WRITES))
    met = _companies(rows)
    if len(early) < len(filters):
        shown = selected(store, "writers", filters, _WRITES)
        kept = {(cells["source"], cells["number"]) for cells in shown}
        rows = [cells for cells in rows if (cells["source"], cells["number"]) in kept]
    return _told(rows, met)


def writers_of(
    store: Store, filters: Filters, only: Sequence[Sequence[object]], met: Mapping[Number, Company]
) -> list[Writer]:
    """Some writers by identity (WRITER), when it is known in whose company each wrote."""
    condition, bound = among(WRITER, only)
    return _told(selected(store, "writers", filters, f"{_WRITES} {condition}", bound), met)


def _told(rows: Iterable[Cells], met: Mapping[Number, Company]) -> list[Writer]:
    given = []
    for cells, witnesses in strongest(rows, WRITER):
        otherwise = _ALONE if cells["outcome"] in NOT_REFUSED else _REFUSED
        mine = met.get((cells["source"], cells["number"]), otherwise)
        given.append(_writer(cells, witnesses, mine))
    return sorted(given, key=_by_object)


def _companies(rows: Iterable[Cells]) -> dict[Number, Company]:
    """The company of each write that was not refused, by source and behaviour."""
    devices: dict[tuple[str, ...], list[Cells]] = {}
    for cells in rows:
        if cells["outcome"] in NOT_REFUSED:
            devices.setdefault(tuple(cells[name] for name in _DEVICE), []).append(cells)
    return {number: one for writes in devices.values() for number, one in companies(writes)}


def companies(rows: Iterable[Cells]) -> Iterator[tuple[Number, Company]]:
    """The company of each write to one device, none of which was refused."""
    scopes: dict[tuple[str, str], tuple[list[Number], list[Write]]] = {}
    for cells in rows:
        what, elements = _target(cells)
        numbered, writes = scopes.setdefault(what, ([], []))
        numbered.append((cells["source"], cells["number"]))
        writes.append(Write(cells["client"], elements.first, elements.last, cells["first_time"]))
    for numbered, writes in scopes.values():
        yield from zip(numbered, company(writes), strict=True)


_DEVICE = ("site", "point_group", "place", "server", "device")


def _target(cells: Cells) -> tuple[tuple[str, str], Span]:
    """What was written: a kind of thing with its name, and which elements of it."""
    named = span(cells["object"])
    if cells["elements"]:
        first = cells["first_element"]
        told = Span(cells["space"], first, first + cells["elements"] - 1)
        if named is not None and (named.space, named.first) == (told.space, told.first):
            told = Span(told.space, told.first, max(told.last, named.last))  # values cut short
        return ("elements", told.space), told
    if named is not None:
        return ("elements", named.space), named
    if cells["object"]:
        return ("object", cells["object"]), Span("", 0, 0)
    return ("operation", f"{cells['protocol']} {cells['operation']}"), Span("", 0, 0)


def _writer(cells: Cells, witnesses: tuple[str, ...], met: Company) -> Writer:
    minimum, maximum, last = (
        told(np.frombuffer(cells[name] or b"", "<i8"), cells["value_type"] or 0)
        for name in ("minimum", "maximum", "last")
    )
    return made(
        Writer,
        cells,
        witnesses=witnesses,
        minimum=min((one for one in minimum if one is not None), default=None),
        maximum=max((one for one in maximum if one is not None), default=None),
        last=tuple(last),
        writers=met.writers,
        second_writer=met.second,
        doubtful=bool(cells["doubtful"]),
    )


def _by_object(row: Writer) -> tuple[Any, ...]:
    named = span(row.object) or Span(row.object, 0, 0)
    return (
        *(not row.second_writer, row.site, row.group, address_key(row.server), row.place),
        *(row.device, named.space, named.first, named.last, row.first_time),
        *(address_key(row.client), row.operation, row.outcome, row.protocol, row.object),
    )


# --------------------------------------------------------------------------------- values

ARRAYS = ("minimum", "maximum", "first", "last")
_SPACE = ("site", "point_group", "place", "server", "device", "protocol", "space")


@dataclass(frozen=True, slots=True)
class _Elements:
    """Elements of value rows as columns: one row an element of a behaviour."""

    scope: I64  # number of (source and space)
    element: I64
    reads: I64
    writes: I64
    minimum: I64
    maximum: I64
    first: I64
    last: I64
    first_time: I64
    first_packet: I64
    last_time: I64
    last_packet: I64

    def take(self, rows: I64) -> "_Elements":
        return _Elements(*(getattr(self, field.name)[rows] for field in fields(self)))


def values(store: Store, filters: Filters = ()) -> list[Value]:
    """What each element held, by device and element; what was refused to write does not count."""
    late = [one for one in filters if one.field == "object" and span(one.value) is not None]
    early = [one for one in filters if one not in late]
    rows = [
        cells
        for cells in selected(store, "values", early)
        if cells["cls"] not in WRITING or cells["outcome"] in NOT_REFUSED
    ]
    if not rows:
        return []
    scopes: dict[tuple[object, ...], int] = {}
    for cells in rows:
        scopes.setdefault(_scope(cells), len(scopes))
    merged = _merge(_expand(rows, scopes))
    cells_of = {scopes[_scope(cells)]: cells for cells in rows}
    given = list(_values(merged, [cells_of[number] for number in range(len(scopes))]))
    if late:
        wanted = condition(late, {"object": Field(("object",), "object")})
        given = [row for row in given if wanted.keeps({"object": row.object})]
    return sorted(given, key=_by_element)


def _scope(cells: Cells) -> tuple[object, ...]:
    return (cells["source"], *_space(cells))


def _space(cells: Cells) -> tuple[object, ...]:
    """What elements of one number share; floats and integers are never merged."""
    return (*(cells[name] for name in _SPACE), is_float(cells["value_type"]))


def _expand(rows: Sequence[Cells], scopes: Mapping[tuple[object, ...], int]) -> _Elements:
    size = np.array([min(len(c[name]) for name in ARRAYS) // VALUE_BYTES for c in rows], np.int64)

    def each(numbers: Iterable[int]) -> I64:
        return np.repeat(np.fromiter(numbers, np.int64, len(rows)), size)

    def inside(name: str) -> I64:
        cut = (c[name][: n * VALUE_BYTES] for c, n in zip(rows, size.tolist(), strict=True))
        return np.frombuffer(b"".join(cut), "<i8").astype(np.int64)

    return _Elements(
        scope=each(scopes[_scope(cells)] for cells in rows),
        element=ranges(np.array([cells["first_element"] for cells in rows], np.int64), size),
        reads=each(0 if cells["cls"] in WRITING else cells["count"] for cells in rows),
        writes=each(cells["count"] if cells["cls"] in WRITING else 0 for cells in rows),
        **{name: inside(name) for name in ARRAYS},
        **{
            name: each(cells[name] for cells in rows)
            for name in ("first_time", "first_packet", "last_time", "last_packet")
        },
    )


def _merge(table: _Elements) -> _Elements:
    """One row a scope and element: counts summed, extremes, first and last by time and ordinal."""
    early = table.take(
        np.lexsort((table.first_packet, table.first_time, table.element, table.scope))
    )
    late = table.take(np.lexsort((table.last_packet, table.last_time, table.element, table.scope)))
    changed = (np.diff(early.scope, prepend=-1) != 0) | (np.diff(early.element, prepend=-1) != 0)
    start = starts_of(changed)
    end = np.append(start[1:], len(changed))[: len(start)] - 1
    if not len(start):
        return table
    return _Elements(
        scope=early.scope[start],
        element=early.element[start],
        reads=np.add.reduceat(early.reads, start),
        writes=np.add.reduceat(early.writes, start),
        minimum=np.minimum.reduceat(early.minimum, start),
        maximum=np.maximum.reduceat(early.maximum, start),
        first=early.first[start],
        last=late.last[end],
        first_time=early.first_time[start],
        first_packet=early.first_packet[start],
        last_time=late.last_time[end],
        last_packet=late.last_packet[end],
    )


def _values(table: _Elements, scopes: Sequence[Cells]) -> Iterator[Value]:
    """The rows to show: per element that of the source that saw most."""
    views: dict[tuple[object, ...], int] = {}
    view_of = [views.setdefault(_space(cells), len(views)) for cells in scopes]
    view = np.array(view_of, np.int64)[table.scope]
    count = table.reads + table.writes
    order = np.lexsort((table.scope, -count, table.element, view))
    view, table = view[order], table.take(order)
    start = starts_of(
        (np.diff(view, prepend=-1) != 0) | (np.diff(table.element, prepend=-1) != 0)
    ).tolist()
    columns = {field.name: getattr(table, field.name).tolist() for field in fields(table)}
    scope = columns.pop("scope")
    for begin, end in zip(start, [*start[1:], len(view)], strict=True):
        cells = scopes[scope[begin]]
        row = {name: column[begin] for name, column in columns.items()}
        held = np.array([row[name] for name in ARRAYS], np.int64)
        row.update(zip(ARRAYS, told(held, cells["value_type"]), strict=True))
        yield Value(
            **{name: cells[name] for name in ("site", "point", "interface", *_SPACE[2:])},
            **row,
            group=cells["point_group"],
            witnesses=tuple(source_name(scopes[other]) for other in scope[begin + 1 : end]),
            object=f"{cells['space']} {row['element']}",
            count=row["reads"] + row["writes"],
        )


def _by_element(row: Value) -> tuple[Any, ...]:
    return (
        *(row.site, row.group, address_key(row.server), row.place, row.device),
        *(row.protocol, row.space, row.element),
    )


# -------------------------------------------------------------------------------- devices


_ADDRESS = ("site", "point_group", "place", "address")
_Address = tuple[str, ...]


@dataclass(slots=True)
class _Doings:
    """What addresses do in conversations; each by site, group, place and address."""

    asks: dict[_Address, set[str]]
    answers: dict[_Address, set[str]]
    clients: dict[_Address, set[str]]
    servers: dict[_Address, set[str]]


def devices(store: Store, filters: Filters = ()) -> list[Device]:
    """Every address of a device, by number; those of groups and broadcasts are nobody's."""
    doing, nobody = _doings(store), broadcasts(store)
    rows = [
        _device(cells, witnesses, doing)
        for cells, witnesses in strongest(_stations(store, filters), ("place", "address"))
        if is_device(cells["address"]) and tuple(cells[name] for name in _ADDRESS) not in nobody
    ]
    return sorted(rows, key=lambda row: (row.site, row.group, address_key(row.address), row.place))


def _stations(store: Store, filters: Filters) -> list[Cells]:
    """One row a source and address: all that carried it taken together."""
    taken: dict[tuple[object, ...], dict[str, Any]] = {}
    for cells in selected(store, "devices", filters, "AND address <> ''"):
        key = (cells["source"], cells["place"], cells["address"])
        known = taken.setdefault(key, {**cells, "macs": set(), "weight": 0})
        if cells["mac"]:
            known["macs"].add(cells["mac"])
        if cells["frames"] or not known["weight"]:  # when it was addressed only tells of the silent
            known["first_time"] = min(known["first_time"], cells["first_time"])
            known["last_time"] = max(known["last_time"], cells["last_time"])
        known["weight"] += cells["frames"]
    return list(taken.values())


def _doings(store: Store) -> _Doings:
    doing = _Doings(defaultdict(set), defaultdict(set), defaultdict(set), defaultdict(set))
    for cells in selected(store, "pairs", ()):
        where = (cells["site"], cells["point_group"], cells["place"])
        client, server = cells["client"], cells["server"]
        asking, answering = (*where, client), (*where, server)
        doing.asks[asking].add(cells["word"])
        doing.servers[asking].add(server)
        if cells["answered"]:
            doing.answers[answering].add(cells["word"])
            doing.clients[answering].add(client)
    return doing


def _device(cells: Cells, witnesses: tuple[str, ...], doing: _Doings) -> Device:
    address = tuple(cells[name] for name in _ADDRESS)
    return made(
        Device,
        cells,
        witnesses=witnesses,
        macs=tuple(sorted(cells["macs"])),
        packets=cells["weight"],
        asks=tuple(sorted(doing.asks.get(address, ()))),
        answers=tuple(sorted(doing.answers.get(address, ()))),
        clients=len(doing.clients.get(address, ())),
        servers=len(doing.servers.get(address, ())),
    )


MULTICAST_V4, MULTICAST_V6 = 0xE, 0xFF  # RFC 5771 3, RFC 4291 2.7: the first bits
BROADCAST_V4 = 0xFFFF_FFFF
_MAC = re.compile(r"[0-9a-f]([0-9a-f])(:[0-9a-f]{2}){5}")


@lru_cache(maxsize=65_536)
def is_device(address: str) -> bool:
    """Whether an address can be of one device: no group address, and no stand-in for many."""
    version, number, _ = address_key(address)
    if version == 4:
        return number >> 28 != MULTICAST_V4 and 0 < number < BROADCAST_V4
    if version == 6:
        return number >> 120 != MULTICAST_V6 and number > 0
    mac = _MAC.fullmatch(address)
    return mac is not None and not int(mac[1], 16) & 1  # the group bit, IEEE 802 8.2.2


# --------------------------------------------------------------------------- the plain ones


def facts(store: Store, filters: Filters = ()) -> list[Fact]:
    """What messages say of devices; counts of one source's conversations are taken together."""
    identity = ("place", "server", "device", "attribute", "value", "protocol")
    taken: dict[tuple[object, ...], dict[str, Any]] = {}
    for cells in selected(store, "facts", filters):
        key = (cells["source"], *(cells[name] for name in identity))
        known = taken.setdefault(key, {**cells, "weight": 0})
        known["weight"] += cells["count"]
        for end, better in (("first", min), ("last", max)):
            names = (f"{end}_time", f"{end}_packet")
            moments = [tuple(one[name] for name in names) for one in (known, cells)]
            known.update(zip(names, better(moments), strict=True))
    rows = [
        made(Fact, cells, witnesses=witnesses, count=cells["weight"])
        for cells, witnesses in strongest(taken.values(), identity)
    ]
    return sorted(
        rows,
        key=lambda row: (
            *(row.site, row.group, address_key(row.server), row.place, row.device),
            *(row.attribute, row.value, row.protocol),
        ),
    )


def events(store: Store, filters: Filters = ()) -> list[Event]:
    """Notable things in order of time, then source and packet."""
    rows = [made(Event, cells) for cells in selected(store, "events", filters)]
    return sorted(
        rows,
        key=lambda row: (
            *(row.time, row.site, row.point, row.interface, row.packet, row.part, row.kind),
            *(row.operation, row.object, row.outcome),
        ),
    )


def counters(store: Store, filters: Filters = ()) -> list[Count]:
    """The counters of each source, by name."""
    rows = [made(Count, cells) for cells in selected(store, "counters", filters)]
    return sorted(rows, key=lambda row: (row.site, row.point, row.interface, row.name, row.detail))


def gaps(store: Store, filters: Filters = ()) -> list[Gap]:
    """The gaps of each source, in order."""
    rows = [made(Gap, cells) for cells in selected(store, "gaps", filters)]
    return sorted(rows, key=lambda row: (row.site, row.point, row.interface, row.packet, row.kind))


def lookups(store: Store, filters: Filters = ()) -> list[Lookup]:
    """Addresses asked for: those that never answered first, the most asked first."""
    rows = [
        made(Lookup, cells, witnesses=witnesses)
        for cells, witnesses in strongest(selected(store, "lookups", filters), ("place", "address"))
    ]
    return sorted(
        rows,
        key=lambda row: (
            *(row.answered > 0, -row.asked, row.site, row.group),
            *(address_key(row.address), row.place),
        ),
    )
