"""What rules judge, as it was seen by one source: rows chosen by columns of few distinct values.

Combinations of those columns come first, so that rows which no rule can want never leave the
database.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from otsec.store.database import Row, Store

SELECTING = ("dnp3", "iec104")  # protocols in which points are selected before they are commanded
COMBINATIONS = 1_000  # more than these are not looked for in the database: all rows are read


class Seen(NamedTuple):
    """Where a row stands, and when it was seen."""

    source: int
    number: int  # of the behaviour or conversation; -1 without one
    times: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    packets: str  # a JSON list


class Occurrence(NamedTuple):
    """A notable event of a behaviour."""

    source: int
    behaviour: int
    time: int
    packet: int
    times: int
    capped: bool  # it stands for events up to the end of the hour


class Command(NamedTuple):
    """One command of a client, or several where they were only counted."""

    source: int
    behaviour: int
    packet: int
    time: int
    capped: bool  # it stands for events up to the end of the hour
    client: str
    server: str
    place: str
    protocol: str
    device: str
    operation: str
    object: str


class Break(NamedTuple):
    """Where time stepped, or packets are missing."""

    source: int
    kind: str
    begin_time: int
    end_time: int
    packet: int  # the first behind it


_SEEN = "{0}.first_time, {0}.first_packet, {0}.last_time, {0}.last_packet"
_BEHAVIOURS = (
    "FROM behaviour AS b JOIN conversation AS c "
    "ON c.source = b.source AND c.number = b.conversation"
)
_TALKS = "FROM conversation AS c"
_FACTS = (
    "FROM fact AS f JOIN conversation AS c ON c.source = f.source AND c.number = f.conversation"
)
_SUBJECT = "CASE f.about WHEN 'client' THEN c.client WHEN 'server' THEN c.server ELSE f.about END"

# Who says something over TCP was heard: where nothing of the other side was captured, nobody knows
# what it answered.
_OUTCOME = (
    "CASE WHEN b.outcome = 'unanswered' AND c.packets_in = 0 AND c.service LIKE 'tcp/%' "
    "THEN 'unknown' ELSE b.outcome END"
)
# Of each category: the columns that choose, all columns behind those of Seen, and the tables.
_CHOICE = {
    "operation": f"b.protocol, b.operation, b.class, {_OUTCOME}",
    "conversation": "c.service, c.protocol, c.claimed_by = 'content' AND NOT c.doubtful",
    "identity": "f.attribute, f.protocol",
    "sequence": "q.protocol, q.verdict, q.speaker",
    "content": "t.protocol, t.kind, t.direction",
    "health": "n.name",
}
_STEPPED = (  # by how much the clock was set within a conversation, ns
    "COALESCE((SELECT SUM(g.end_time - g.begin_time) FROM gap AS g WHERE g.source = c.source "
    "AND g.kind IN ('clock_back', 'clock_ahead') AND g.packet > c.first_packet "
    "AND g.packet <= c.last_packet), 0)"
)
# The same of columns that tell more rows apart: of a scan from many addresses still few.
_FINE = {
    "conversation": (
        "c.client_reason, c.connections, c.packets_out, c.packets_in, c.payload_out, c.payload_in, "
        "c.payload_out + c.lost_out, c.payload_in + c.lost_in, c.undecoded_out + c.undecoded_in, "
        f"c.malformed, (c.packets_out + c.packets_in) / (MAX(c.last_time - c.first_time - "
        f"{_STEPPED}, 0) / 1000000000 + 1)"
    ),
}
_ROWS = {
    "operation": (
        f"b.source, b.number, b.count, {_SEEN.format('b')}, b.packets, {_CHOICE['operation']}, "
        "c.client, c.server, c.service, c.place, b.device, b.object, b.count, b.note"
    ),
    "conversation": (
        f"c.source, c.number, c.connections, {_SEEN.format('c')}, '[]', {_CHOICE['conversation']}, "
        f"c.client, c.server, c.place, {_FINE['conversation']}"
    ),
    "identity": (
        f"f.source, -1, f.count, {_SEEN.format('f')}, '[]', {_CHOICE['identity']}, "
        f"f.value, {_SUBJECT}, f.device, c.place"
    ),
    "sequence": (
        f"q.source, -1, q.count, {_SEEN.format('q')}, '[]', {_CHOICE['sequence']}, "
        "c.client, c.server, c.service, c.place, q.count"
    ),
    "content": (
        f"t.source, -1, t.count, {_SEEN.format('t')}, '[]', {_CHOICE['content']}, "
        "c.client, c.server, c.service, c.place, t.device, t.name, t.size, t.sha256, t.reason"
    ),
    "lookup": (
        "l.source, -1, l.asked, l.first_time, l.first_packet, l.first_time, l.first_packet, '[]', "
        "l.address, l.place, l.asked, l.answered, l.asker"
    ),
    "health": (f"n.source, -1, n.count, {_SEEN.format('n')}, '[]', n.name, n.detail, n.count"),
}
_FROM = {
    "operation": _BEHAVIOURS,
    "conversation": _TALKS,
    "identity": _FACTS,
    "sequence": (
        "FROM sequence AS q JOIN conversation AS c "
        "ON c.source = q.source AND c.number = q.conversation"
    ),
    "content": (
        "FROM content AS t JOIN conversation AS c "
        "ON c.source = t.source AND c.number = t.conversation"
    ),
    "lookup": "FROM lookup AS l",
    "health": "FROM counter AS n",
}
_ORDER = {
    "operation": "b.source, b.first_packet, b.number",
    "conversation": "c.source, c.first_packet, c.number",
    "identity": "f.source, f.first_packet, f.conversation, f.value",
    "sequence": "q.source, q.first_packet, q.conversation, q.speaker, q.verdict",
    "content": "t.source, t.first_packet, t.conversation, t.name, t.direction, t.sha256, t.reason",
    "lookup": "l.source, l.place, l.address",
    "health": "n.source, n.name, n.detail",
}
_GAPS = (
    "SELECT source, -1, 1, begin_time, packet, end_time, packet, '[]', 'gap', kind, 1 "
    "FROM gap ORDER BY source, number"
)


def combinations(store: Store, category: str) -> list[Row]:
    """Every combination of the columns that choose rows of a category; lookups have none."""
    if category not in _CHOICE:
        return [()]
    found = store.all(f"SELECT DISTINCT {_CHOICE[category]} {_FROM[category]}")
    return [*found, ("gap",)] if category == "health" else found


def fine_combinations(store: Store, category: str) -> list[Row]:
    """The same with the columns that tell more rows apart; empty where they make too many."""
    if category not in _FINE:
        return []
    found = store.all(
        f"SELECT DISTINCT {_CHOICE[category]}, {_FINE[category]} {_FROM[category]} LIMIT ?",
        (COMBINATIONS + 1,),
    )
    return found if len(found) <= COMBINATIONS else []


def rows(
    store: Store, category: str, wanted: Sequence[Row], *, all_wanted: bool, fine: bool = False
) -> Iterator[tuple[Seen, Row]]:
    """Rows of a category: where each stands, and its cells; in order of sight within a source.

    ``wanted``: combinations of the columns that choose; ``all_wanted``: they are all that there are;
    ``fine``: they are combinations of those that tell more rows apart.
    """
    where = ""
    bound: tuple[str, ...] = ()
    if not all_wanted and len(wanted) <= COMBINATIONS:
        columns = f"{_CHOICE[category]}, {_FINE[category]}" if fine else _CHOICE[category]
        texts = ", ".join("json_extract(w.value, ?)" for _ in wanted[0])
        where = f"WHERE ({columns}) IN (SELECT {texts} FROM json_each(?) AS w)"  # noqa: S608 - text of this file
        bound = (*(f"$[{at}]" for at in range(len(wanted[0]))), json.dumps(list(wanted)))
    sql = f"SELECT {_ROWS[category]} {_FROM[category]} {where} ORDER BY {_ORDER[category]}"
    for row in store.all(sql, bound):
        yield Seen._make(row[:8]), row[8:]
    if category == "health" and ("gap",) in wanted:
        for row in store.all(_GAPS):
            yield Seen._make(row[:8]), row[8:]


class Carried(NamedTuple):
    """What a MAC address sent under an IP address."""

    last_packet: int
    ttl: int  # the most hops that packets had left; 0: not known


def carried(store: Store, addresses: Iterable[str]) -> dict[tuple[int, str, str, str], Carried]:
    """What MAC addresses sent under some addresses: by source, place, IP and MAC address."""
    rows = store.all(
        "SELECT source, place, address, mac, last_packet, ttl FROM station "
        "WHERE address IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(addresses)),),
    )
    return {row[:4]: Carried(*row[4:]) for row in rows}


def arp_replies(store: Store) -> dict[tuple[int, str], int]:
    """How many ARP replies each source saw in each place."""
    found = store.all(
        "SELECT b.source, c.place, SUM(b.count) FROM behaviour AS b JOIN conversation AS c "
        "ON c.source = b.source AND c.number = b.conversation "
        "WHERE b.protocol = 'arp' AND b.operation = 'reply' GROUP BY b.source, c.place"
    )
    return {(source, place): count for source, place, count in found}


def occurrences(store: Store, source: int, behaviours: Sequence[int]) -> list[Occurrence]:
    """The notable events of some behaviours of a source, in order of packets."""
    found = store.all(
        "SELECT source, behaviour, time, packet, count, kind = 'capped' FROM event "
        "WHERE source = ? AND behaviour IN (SELECT value FROM json_each(?)) "
        "ORDER BY packet, part, behaviour",
        (source, json.dumps(list(behaviours))),
    )
    return [Occurrence._make((*row[:5], bool(row[5]))) for row in found]


def commands(store: Store) -> list[Command]:
    """The commands of each source one by one in order of packets, of connections without holes."""
    found = store.all(
        "SELECT e.source, e.behaviour, e.packet, e.time, e.kind = 'capped', c.client, c.server, "
        "c.place, b.protocol, b.device, b.operation, b.object "
        "FROM event AS e JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "WHERE b.class = 'control' AND b.protocol IN (SELECT value FROM json_each(?)) "
        "AND c.service LIKE 'tcp/%' AND c.lost_out = 0 AND c.lost_in = 0 "
        "ORDER BY e.source, e.packet, e.part, e.behaviour",
        (json.dumps(list(SELECTING)),),
    )
    return [Command._make((*row[:4], bool(row[4]), *row[5:])) for row in found]


Pair = tuple[int, str, str, str, str]  # source, place, client, server, protocol


def reads_per_write(store: Store, changing: Iterable[str]) -> dict[Pair, int]:
    """How often who changes something reads for each time; ``changing``: classes of operations."""
    found = store.all(
        "SELECT b.source, c.place, c.client, c.server, b.protocol, "
        "SUM(b.count * (b.class = 'read')), SUM(b.count * (b.class IN "
        "(SELECT value FROM json_each(?)))) AS changes "
        "FROM behaviour AS b JOIN conversation AS c "
        "ON c.source = b.source AND c.number = b.conversation "
        "GROUP BY b.source, c.place, c.client, c.server, b.protocol HAVING changes > 0",
        (json.dumps(sorted(changing)),),
    )
    return {row[:5]: row[5] // row[6] for row in found}


def began(store: Store) -> dict[int, int]:
    """When the first packet of each source was seen, ns."""
    found = store.all("SELECT source, MIN(first_time) FROM conversation GROUP BY source")
    return dict(found)


def breaks(store: Store) -> list[Break]:
    """Where each source is broken, in order."""
    found = store.all(
        "SELECT source, kind, begin_time, end_time, packet FROM gap ORDER BY source, packet, number"
    )
    return list(map(Break._make, found))


def sources(store: Store) -> list[tuple[int, str, str, str]]:
    """Number, site, point group and name of each source, in order of names."""
    name = "CASE interface WHEN '' THEN point ELSE point || '/' || interface END"
    found: list[Any] = store.all(
        f"SELECT id, site, point_group, {name} FROM site_source ORDER BY site, point, interface"  # noqa: S608 - text of this file
    )
    return found
