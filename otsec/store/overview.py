"""What a store shows of a site in few rows: everything counted in full, of lists only the top.

SQL counts, adds up and picks; a caller gets as many rows as it asks for, however many there are.
As in `queries`, nothing is summed over the sources of one group: the one that saw most counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from otsec.store.broadcasts import BROADCASTS
from otsec.store.database import Store
from otsec.store.filters import Cells, Filter, Span, span
from otsec.store.overlaps import Company
from otsec.store.queries import (
    BEHAVIOUR,
    CONVERSATION,
    NOT_REFUSED,
    WRITER,
    WRITING,
    Conversation,
    Number,
    Writer,
    address_key,
    companies,
    conversations,
    writers_of,
)
from otsec.store.selects import ANSWERED, UNDECODED, device_sql, marks, rows_sql

GOOD_OUTCOMES = ("", "ok", "open")  # nothing is wrong with these; an open one may still be answered


class Here(NamedTuple):
    """The site that is asked of."""

    store: Store
    site: str
    shared: bool  # some group has several sources, of which one is to be chosen

    @classmethod
    def of(cls, store: Store, site: str) -> "Here":
        """A site of a store."""
        crowd = store.all(
            "SELECT 1 FROM site_source WHERE site = ? GROUP BY point_group HAVING COUNT(*) > 1",
            (site,),
        )
        return cls(store, site, bool(crowd))

    def chosen(self, select: str, identity: Sequence[str]) -> str:
        """The SELECT with a column `shown`: 0 for rows of which another source saw more."""
        if not self.shared:
            return f"SELECT *, 1 AS shown FROM ({select})"  # noqa: S608 - text of this file
        same = f"point_group, {', '.join(identity)}"
        return (
            "SELECT *, source = FIRST_VALUE(source) OVER "  # noqa: S608 - text of this file
            f"(PARTITION BY {same} ORDER BY seen DESC, point, interface) AS shown FROM "
            f"(SELECT *, SUM(weight) OVER (PARTITION BY source, {same}) AS seen FROM ({select}))"
        )

    @property
    def talks(self) -> str:
        """Its conversations, as a SELECT with the site to be bound."""
        return self.chosen(_TALKS, CONVERSATION)

    @property
    def acts(self) -> str:
        """Its behaviours, as a SELECT with the site to be bound."""
        return self.chosen(_ACTS, BEHAVIOUR)


_TALKS = f"""
SELECT s.point_group, s.point, s.interface, c.source, c.place, c.kind, c.client, c.server,
    c.service, c.protocol, c.packets_out + c.packets_in AS weight,
    c.payload_out + c.payload_in AS payload,
    {UNDECODED["undecoded_out"]} + {UNDECODED["undecoded_in"]} AS undecoded,
    c.malformed, c.truncated, c.lost_out + c.lost_in AS lost
FROM site_source AS s JOIN conversation AS c ON c.source = s.id WHERE s.site = ?
"""  # noqa: S608 - text of this package
GRAVE = ("program", "mode", "firmware", "config", "file")  # classes whose operations are named
_GRAVE = ", ".join(map(repr, GRAVE))
_ACTS = f"""
SELECT s.site, s.point_group, s.point, s.interface, b.source, b.number, c.place, c.client,
    c.server, c.service, b.protocol, b.device, b.operation, b.class AS cls, b.object, b.outcome,
    b.count AS weight, b.first_time, b.class IN ({_GRAVE}) AS grave,
    CASE WHEN b.class IN ({_GRAVE}) THEN TRIM(b.operation || ' ' || b.object) ELSE b.object END
    AS deed
FROM site_source AS s JOIN behaviour AS b ON b.source = s.id
JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation WHERE s.site = ?
"""  # noqa: S608 - text of this package
_WORD = "CASE protocol WHEN '' THEN service ELSE protocol END"
_WRITES = f"cls IN ({', '.join(map(repr, WRITING))})"
_FAILED = f"outcome NOT IN ({', '.join(map(repr, GOOD_OUTCOMES))})"


def _rank(services: Sequence[str]) -> str:
    """0 for protocols given that were recognised, 1 for services given, 2 for any other."""
    return f"CASE WHEN {_WORD} IN ({marks(services)}) THEN protocol = '' ELSE 2 END"


def _flat(rows: Iterable[Sequence[object]]) -> tuple[object, ...]:
    return tuple(cell for row in rows for cell in row)


# ----------------------------------------------------------------------- conversations


class Talks(NamedTuple):
    """Who talks to whom."""

    total: int
    first: list[Conversation]  # of a protocol, then of likely ones; the busiest


def busiest(here: Here, services: Sequence[str], most: int) -> Talks:
    """How many conversations there are, and the first; ``services`` are likely protocols."""
    picked = here.store.all(
        f"SELECT {', '.join(CONVERSATION)} FROM ({here.talks}) WHERE shown "  # noqa: S608 - text of this package
        f"ORDER BY {_rank(services)}, weight DESC, client, server, service, place LIMIT ?",
        (here.site, *services, most),
    )
    ((count,),) = here.store.all(
        f"SELECT COUNT(*) FROM ({here.talks}) WHERE shown",  # noqa: S608 - text of this package
        (here.site,),
    )
    site = [Filter("site", here.site)]
    found = conversations(here.store, site, only=picked) if picked else []
    place = {key: at for at, key in enumerate(picked)}
    found.sort(key=lambda one: place[tuple(getattr(one, name) for name in CONVERSATION)])
    return Talks(count, found)


class Share(NamedTuple):
    """All conversations of one protocol, or of one service where none was recognised."""

    service: str
    conversations: int
    payload: int  # bytes
    undecoded: int  # bytes
    malformed: int
    truncated: int
    lost: int  # bytes


class Unread(NamedTuple):
    """Of how much payload how much was not decoded."""

    payload: int  # bytes
    undecoded: int  # bytes
    short: int  # protocols and services that are not whole
    first: tuple[Share, ...]  # of these


def unread(here: Here, most: int) -> Unread:
    """What was not decoded, cut or never seen, most undecoded bytes first."""
    rows = here.store.all(
        f"WITH share AS (SELECT {_WORD} AS name, "  # noqa: S608 - text of this package
        "COUNT(*) AS count, SUM(payload) AS payload, SUM(undecoded) AS undecoded, "
        "SUM(malformed) AS malformed, SUM(truncated) AS truncated, SUM(lost) AS lost "
        f"FROM ({here.talks}) WHERE shown GROUP BY name) "
        "SELECT SUM(payload) OVER (), SUM(undecoded) OVER (), SUM(short) OVER (), short, name, "
        "count, payload, undecoded, malformed, truncated, lost FROM (SELECT *, "
        "undecoded + malformed + truncated + lost > 0 AS short FROM share) "
        "ORDER BY short DESC, undecoded DESC, name LIMIT ?",
        (here.site, most),
    )
    if not rows:
        return Unread(0, 0, 0, ())
    worst = tuple(Share(*cells) for _, _, _, short, *cells in rows if short)
    payload, undecoded, short = rows[0][:3]
    return Unread(payload, undecoded, short, worst)


# -------------------------------------------------------------------------- behaviours

_DOING = ("point_group", "place", "client", "server", "protocol")


class Doing(NamedTuple):
    """What a client does with a server by a protocol."""

    group: str
    place: str
    client: str
    server: str
    protocol: str
    devices: int  # behind the server
    reads: int
    writes: int  # also control
    others: int
    failed: int
    objects: int


class Doings(NamedTuple):
    """Who does something with whom."""

    total: int
    first: list[Doing]  # who changes programs and modes, who writes, then who does most


def doings(here: Here, most: int) -> Doings:
    """How many clients do something with a server by a protocol, and the first of them."""
    rows = here.store.all(
        f"SELECT COUNT(*) OVER (), * FROM (SELECT {', '.join(_DOING)}, "  # noqa: S608 - text of this package
        "COUNT(DISTINCT NULLIF(device, '')), "
        "COALESCE(SUM(weight) FILTER (WHERE cls = 'read'), 0) AS reads, "
        f"COALESCE(SUM(weight) FILTER (WHERE {_WRITES}), 0) AS writes, "
        f"COALESCE(SUM(weight) FILTER (WHERE cls <> 'read' AND NOT {_WRITES}), 0) AS others, "
        f"COALESCE(SUM(weight) FILTER (WHERE {_FAILED}), 0), COUNT(DISTINCT NULLIF(deed, '')), "
        "SUM(grave) AS graves "
        f"FROM ({here.acts}) WHERE shown GROUP BY {', '.join(_DOING)}) "
        "ORDER BY graves = 0, writes = 0, reads + writes + others DESC, client, server, protocol, place LIMIT ?",
        (here.site, most),
    )
    return Doings(rows[0][0] if rows else 0, [Doing(*row[1:-1]) for row in rows])


def objects(here: Here, which: Sequence[Doing], most: int) -> list[list[str]]:
    """The objects of each: grave deeds by name first, what was written, the most frequent."""
    first = f"MIN(CASE WHEN grave THEN 0 WHEN {_WRITES} THEN 1 ELSE 2 END)"
    return _tops(here, which, "deed", "deed <> ''", (first, "MAX(weight)"), most)


def failures(here: Here, which: Sequence[Doing], most: int) -> list[list[str]]:
    """The outcomes with which each failed, the most frequent first."""
    return _tops(here, which, "outcome", _FAILED, ("0", "SUM(weight)"), most)


def _tops(
    here: Here, which: Sequence[Doing], column: str, wanted: str, order: tuple[str, str], most: int
) -> list[list[str]]:
    """The first values of a column for each; ``order``: what ranks first, and how much of it."""
    if not which:
        return []
    keys, group = [one[: len(_DOING)] for one in which], ", ".join(_DOING)
    first, much = order
    rows = here.store.all(
        f"SELECT {group}, {column} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {group} "  # noqa: S608 - text of this package
        f"ORDER BY first, much DESC, {column}) AS rank FROM ("
        f"SELECT {group}, {column}, {first} AS first, {much} AS much FROM ({here.acts}) "
        f"WHERE shown AND {wanted} AND {rows_sql(_DOING, keys)} GROUP BY {group}, {column})) "
        "WHERE rank <= ? ORDER BY rank",
        (here.site, *_flat(keys), most),
    )
    told: dict[tuple[object, ...], list[str]] = {key: [] for key in keys}
    for *key, word in rows:
        told[tuple(key)].append(word)
    return [told[key] for key in keys]


# ----------------------------------------------------------------------------- writers

_WRITTEN = ("place", "server", "device")  # what a write of one group is to
_NUMBER = ("source", "number")


class Writes(NamedTuple):
    """Who wrote which object."""

    total: int
    second: int  # of them, by somebody who was not the first
    first: list[Writer]  # the second writers, then what was written most often


def writes(here: Here, most: int) -> Writes:
    """How many clients wrote how many objects, and the first of them."""
    order = f"weight DESC, {', '.join(_WRITTEN)}, object, client"
    often = here.store.all(
        f"SELECT COUNT(*) OVER (), source, number FROM ({here.acts}) WHERE shown AND {_WRITES} "  # noqa: S608 - text of this package
        f"ORDER BY {order} LIMIT ?",
        (here.site, most),
    )
    if not often:
        return Writes(0, 0, [])
    picked = [(source, number) for _, source, number in often]
    met, second, seconds = _seconds(here, frozenset(picked), most)
    picked = [*seconds, *(key for key in picked if key not in seconds)][:most]
    identities = here.store.all(
        f"SELECT {', '.join(WRITER)} FROM ({_ACTS}) WHERE {rows_sql(_NUMBER, picked)}",  # noqa: S608 - text of this package
        (here.site, *_flat(picked)),
    )
    site = [Filter("site", here.site)]
    return Writes(often[0][0], second, writers_of(here.store, site, identities, met))


def _seconds(
    here: Here, asked: frozenset[Number], most: int
) -> tuple[dict[Number, Company], int, list[Number]]:
    """The company of those asked for and of second writers, how many these are, and the first.

    Where one client alone writes to a device nobody is second, so most devices are not looked at.
    """
    told = f"{_WRITES} AND outcome IN ({marks(NOT_REFUSED)})"
    device = ", ".join(("point_group", *_WRITTEN))
    rows = here.store.query(
        "SELECT w.*, v.space, v.first_element, LENGTH(v.minimum) / 8 AS elements "  # noqa: S608 - text of this package
        f"FROM ({here.acts}) AS w LEFT JOIN value AS v "
        f"ON v.source = w.source AND v.behaviour = w.number WHERE {told} AND ({device}) IN "
        f"(SELECT {device} FROM ({_ACTS}) WHERE {told} "
        f"GROUP BY {device} HAVING MIN(client) < MAX(client)) ORDER BY {device}",
        (here.site, *NOT_REFUSED, here.site, *NOT_REFUSED),
    )
    met: dict[Number, Company] = {}
    second, first = 0, list[tuple[tuple[object, ...], Number]]()
    for _, written in groupby(rows, itemgetter("point_group", *_WRITTEN)):
        cells = {(one["source"], one["number"]): one for one in written}
        late = list[Number]()
        for number, company in companies(cells.values()):
            if company.second and cells[number]["shown"]:
                late.append(number)
            if company.second or number in asked:
                met[number] = company
        second += len(late)
        ranked = ((_written(cells[number]), number) for number in late)
        first = nsmallest(most, [*first, *nsmallest(most, ranked)])
    numbers = [number for _, number in first]
    return met, second, numbers


def _written(cells: Cells) -> tuple[object, ...]:
    """Where a write stands in a list: by device, by object, by time."""
    named = span(cells["object"]) or Span(cells["object"], 0, 0)
    return (
        *(address_key(cells["server"]), cells["place"], cells["device"]),
        *(named.space, named.first, named.last, cells["first_time"]),
    )


# ----------------------------------------------------------------------------- devices


class Host(NamedTuple):
    """A device, by one of its addresses."""

    group: str
    place: str
    address: str
    mac: bool  # it is known by its MAC address alone
    packets: int  # sent


class Hosts(NamedTuple):
    """The devices of a site."""

    heard: int  # IP addresses that sent something
    by_mac: int  # devices known by their MAC address alone
    addressed: int  # addresses that never sent anything
    first: list[Host]


_HOST = ("point_group", "place", "address")


def hosts(here: Here, services: Sequence[str], most: int) -> Hosts:
    """How many devices there are, and the first: who answers protocols, who asks, who sends most.

    A MAC address that carries an IP address of a device is no device of its own.
    """
    rank = _rank(services)
    ends = " UNION ALL ".join(
        f"SELECT source, place, {end}, kind = 2, 0, {rank}, {answers} FROM conversation"  # noqa: S608 - text of this package
        for end, answers in (
            ("server", f"CASE WHEN {ANSWERED} THEN {rank} ELSE 2 END"),
            ("client", "2"),
        )
    )
    host = (
        "SELECT s.id AS source, point_group, e.place, e.address, MAX(mac) AS mac, "  # noqa: S608 - text of this package
        "SUM(frames) AS frames, MIN(rank) AS rank, MIN(answers) AS answers FROM ("
        "SELECT source, place, CASE address WHEN '' THEN mac ELSE address END AS address, "
        "address = '' AS mac, frames, 2 AS rank, 2 AS answers FROM station "
        f"UNION ALL {ends}) AS e JOIN site_source AS s ON s.id = e.source WHERE s.site = ? "
        "GROUP BY s.id, e.place, e.address"
    )
    if here.shared:
        host = (
            f"SELECT {', '.join(_HOST)}, MAX(mac) AS mac, MAX(frames) AS frames, "  # noqa: S608 - text of this package
            f"MIN(rank) AS rank, MIN(answers) AS answers FROM ({host}) GROUP BY {', '.join(_HOST)}"
        )
    rows = here.store.all(
        f"WITH carrying AS (SELECT s.point_group, t.place, t.mac FROM station AS t "  # noqa: S608 - text of this package
        f"JOIN site_source AS s ON s.id = t.source WHERE {device_sql('t.address')}), "
        f"host AS (SELECT * FROM ({host}) WHERE {device_sql('address')} "
        "AND CASE WHEN (point_group, place, address) IN (SELECT point_group, place, address "
        f"FROM ({BROADCASTS}) WHERE site = ?) THEN 0 ELSE 1 END "
        f"AND CASE WHEN mac AND ({', '.join(_HOST)}) IN carrying THEN 0 ELSE 1 END) "
        f"SELECT {', '.join(_HOST)}, mac, frames, heard, by_mac, addressed FROM host, ("
        "SELECT COUNT(*) FILTER (WHERE frames > 0 AND NOT mac) AS heard, "
        "COUNT(*) FILTER (WHERE frames > 0 AND mac) AS by_mac, "
        "COUNT(*) FILTER (WHERE frames = 0) AS addressed FROM host) "
        "ORDER BY frames = 0, rank, answers, frames DESC, address, place LIMIT ?",
        (*services, *services, *services, here.site, here.site, most),
    )
    if not rows:
        return Hosts(0, 0, 0, [])
    heard, by_mac, addressed = rows[0][5:]
    return Hosts(heard, by_mac, addressed, [Host(*row[:5]) for row in rows if row[4]])


class Part(NamedTuple):
    """What a device does as one end of its conversations."""

    words: tuple[str, ...]  # protocols, else services: those that matter most first
    number: int  # of all of them
    others: int  # addresses at the other end


class Nature(NamedTuple):
    """What is known of a device."""

    macs: tuple[str, ...]  # a few of those that carried its packets
    answers: Part
    asks: Part
    devices: tuple[str, ...]  # behind it; somebody talked to them and was not refused
    facts: tuple[tuple[str, str, str], ...]  # some: device, attribute and value


NOTHING = Part((), 0, 0)
BEHIND = 4096  # devices behind one address that are told apart
FACTS = 100  # of one address; enough to choose from
_TOLD_OF = {  # what is known of addresses: which columns, from where
    "macs": ("mac", "station AS t", "t.place, address, mac", "mac <> '' AND address <> ''"),
    "devices": (
        "device",
        "behaviour AS t JOIN conversation AS c ON (c.source, c.number) = (t.source, t.conversation)",
        "c.place, c.server AS address, device",
        f"device <> '' AND NOT {_FAILED}",
    ),
    "facts": (
        "device, attribute, value",
        "fact AS t JOIN conversation AS c ON (c.source, c.number) = (t.source, t.conversation)",
        (
            "c.place, CASE t.about WHEN 'client' THEN c.client WHEN 'server' THEN c.server "
            "ELSE t.about END AS address, device, attribute, value"
        ),
        "1 = 1",
    ),
}


def natures(here: Here, which: Sequence[Host], services: Sequence[str], most: int) -> list[Nature]:
    """What is known of each of these; ``most``: words and MAC addresses told of each."""
    macs = _told_of(here, which, "macs", most)
    devices = _told_of(here, which, "devices", BEHIND)
    facts = _told_of(here, which, "facts", FACTS)
    answers = _parts(here, which, services, ("server", "client"), most, ANSWERED)
    asks = _parts(here, which, services, ("client", "server"), most, "1 = 1")
    return [
        Nature(
            tuple(mac for (mac,) in macs[one[:3]]),
            answers.get(one[:3], NOTHING),
            asks.get(one[:3], NOTHING),
            tuple(device for (device,) in devices[one[:3]]),
            tuple(facts[one[:3]]),
        )
        for one in which
    ]


def _told_of(
    here: Here, which: Sequence[Host], what: str, most: int
) -> dict[tuple[str, str, str], list[Any]]:
    """Rows of one kind of each address, in order, at most so many."""
    columns, tables, select, wanted = _TOLD_OF[what]
    told: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    host = ", ".join(_HOST)
    rows = (
        here.store.all(
            f"SELECT {host}, {columns} FROM (SELECT *, ROW_NUMBER() OVER "  # noqa: S608 - text of this package
            f"(PARTITION BY {host} ORDER BY {columns}) AS rank FROM (SELECT DISTINCT {host}, {columns} "
            f"FROM (SELECT s.point_group, {select} FROM {tables} JOIN site_source AS s "
            f"ON s.id = t.source WHERE s.site = ? AND {wanted}) WHERE {rows_sql(_HOST, which)})) "
            f"WHERE rank <= ? ORDER BY {columns}",
            (here.site, *_flat(one[:3] for one in which), most),
        )
        if which
        else []
    )
    for group, place, address, *cells in rows:
        told[group, place, address].append(tuple(cells))
    return told


def _parts(
    here: Here,
    which: Sequence[Host],
    services: Sequence[str],
    ends: tuple[str, str],
    most: int,
    wanted: str,
) -> dict[tuple[str, str, str], Part]:
    """What each address does at the first of two ends of its conversations; ``wanted``: of which."""
    if not which:
        return {}
    mine, other = ends
    host = ", ".join(_HOST)
    talks = (
        f"SELECT point_group, place, {mine} AS address, {other} AS other, {_WORD} AS word, "  # noqa: S608 - text of this package
        f"{_rank(services)} AS rank FROM conversation JOIN site_source AS s ON s.id = source "
        f"WHERE s.site = ? AND {wanted} AND (point_group, place, {mine}) IN (VALUES "
        f"{', '.join(['(?, ?, ?)'] * len(which))})"
    )
    bound = (*services, here.site, *_flat(one[:3] for one in which))
    others = here.store.all(
        f"SELECT {host}, COUNT(DISTINCT other) FROM ({talks}) GROUP BY {host}",  # noqa: S608 - text of this package
        bound,
    )
    words = here.store.all(
        f"SELECT {host}, word, number FROM (SELECT *, COUNT(*) OVER (PARTITION BY {host}) "  # noqa: S608 - text of this package
        f"AS number, ROW_NUMBER() OVER (PARTITION BY {host} ORDER BY rank, word) AS at "
        f"FROM (SELECT {host}, word, MIN(rank) AS rank FROM ({talks}) GROUP BY {host}, word)) "
        "WHERE at <= ? ORDER BY at",
        (*bound, most),
    )
    told: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    numbers = {}
    for group, place, address, word, number in words:
        told[group, place, address].append(word)
        numbers[group, place, address] = number
    return {
        (group, place, address): Part(
            tuple(told[group, place, address]), numbers[group, place, address], count
        )
        for group, place, address, count in others
    }


# ------------------------------------------------------------------------------- files


def problems(here: Here, most: int) -> tuple[int, list[str]]:
    """How many captures are damaged, and what is wrong with the first of them."""
    rows = here.store.all(
        "SELECT COUNT(*) OVER (), path, damage FROM capture AS f "
        "JOIN site_source AS s ON s.id = f.source "
        "WHERE s.site = ? AND damage <> '' ORDER BY f.id LIMIT ?",
        (here.site, most),
    )
    return (rows[0][0] if rows else 0), [f"{path}: {damage}" for _, path, damage in rows]
