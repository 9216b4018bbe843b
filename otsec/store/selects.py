"""The SELECTs of the queries, what they may be filtered by, and the choice between sources."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from otsec.model import CLASSES
from otsec.store.database import Store
from otsec.store.filters import Cells, Field, Filter, condition
from otsec.store.schema import TABLES

Filters: TypeAlias = Sequence[Filter]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=_Dataclass)

# --------------------------------------------------------------------------------- fields

_OF_SOURCE = {
    "site": Field(("site",)),
    "group": Field(("point_group",)),
    "point": Field(("point",)),
    "interface": Field(("interface",)),
}
_TIMES = {
    "since": Field(("last_time",), "since"),
    "until": Field(("first_time",), "until"),
}
_OF_CONVERSATION = {
    **_OF_SOURCE,
    "vlan": Field(("place",)),
    "client": Field(("client",), "address"),
    "server": Field(("server",), "address"),
    "host": Field(("client", "server"), "address"),
    "service": Field(("service",)),
    "proto": Field(("protocol",)),
}
_OF_BEHAVIOUR = {
    **_OF_CONVERSATION,
    "device": Field(("device",)),
    "op": Field(("operation",)),
    "class": Field(("cls",), words=CLASSES),
    "object": Field(("object",), "object"),
    "outcome": Field(("outcome",)),
}
_TEXTS = ("site", "point", "place", "client", "server", "service", "protocol")
_TEXTS_OF_BEHAVIOUR = (*_TEXTS, "device", "operation", "cls", "object", "outcome")


def _fields(base: Mapping[str, Field], *texts: str) -> dict[str, Field]:
    return {**base, **_TIMES, "text": Field(texts, "text")}


FIELDS: dict[str, dict[str, Field]] = {
    "sources": _fields(_OF_SOURCE, "site", "point_group", "point", "interface"),
    "conversations": _fields(_OF_CONVERSATION, *_TEXTS),
    "behaviours": _fields(_OF_BEHAVIOUR, *_TEXTS_OF_BEHAVIOUR),
    "writers": _fields(_OF_BEHAVIOUR, *_TEXTS_OF_BEHAVIOUR),
    "values": _fields(_OF_BEHAVIOUR, *_TEXTS_OF_BEHAVIOUR),
    "protocols": _fields(_OF_CONVERSATION, *_TEXTS),
    "devices": _fields(
        {
            **_OF_SOURCE,
            "vlan": Field(("place",)),
            "address": Field(("address",), "address"),
            "host": Field(("address",), "address"),
            "mac": Field(("mac",)),
        },
        *("site", "point", "place", "address", "mac"),
    ),
    "facts": _fields(
        {
            **_OF_SOURCE,
            "vlan": Field(("place",)),
            "server": Field(("server",), "address"),
            "host": Field(("server",), "address"),
            "device": Field(("device",)),
            "attribute": Field(("attribute",)),
            "value": Field(("value",)),
            "proto": Field(("protocol",)),
        },
        *("site", "point", "place", "server", "device", "attribute", "value", "protocol"),
    ),
    "contents": _fields(
        {
            **_OF_CONVERSATION,
            "device": Field(("device",)),
            "kind": Field(("kind",)),
            "name": Field(("name",)),
            "direction": Field(("direction",)),
            "sha256": Field(("sha256",)),
            "reason": Field(("reason",)),
        },
        *(*_TEXTS, "device", "kind", "name", "direction", "sha256", "reason"),
    ),
    "events": {
        **_OF_BEHAVIOUR,
        "kind": Field(("kind",)),
        "since": Field(("time",), "since"),
        "until": Field(("time",), "until"),
        "text": Field((*_TEXTS_OF_BEHAVIOUR, "kind"), "text"),
    },
    "counters": _fields(
        {**_OF_SOURCE, "name": Field(("name",)), "detail": Field(("detail",))},
        *("site", "point", "name", "detail"),
    ),
    "gaps": {
        **_OF_SOURCE,
        "kind": Field(("kind",)),
        "since": Field(("end_time",), "since"),
        "until": Field(("begin_time",), "until"),
        "text": Field(("site", "point", "kind", "detail"), "text"),
    },
    "lookups": {
        **_OF_SOURCE,
        "vlan": Field(("place",)),
        "address": Field(("address",), "address"),
        "host": Field(("address",), "address"),
        "text": Field(("site", "point", "place", "address"), "text"),
    },
}

# ------------------------------------------------------------------------------------ SQL

# ARP is read into look-ups, below any protocol: nothing of it stays undecoded.
UNDECODED = {
    name: f"CASE c.service WHEN '0x0806' THEN 0 ELSE c.{name} END"
    for name in ("undecoded_out", "undecoded_in")
}
# A TCP connection of no protocol in which the server says nothing was refused: that is no answer.
ANSWERED = "(service NOT LIKE 'tcp/%' OR protocol <> '' OR payload_in + lost_in > 0)"
_TALK = ", ".join(
    f"{UNDECODED.get(name, f'c.{name}')} AS {name}" for name in TABLES["conversation"].names
)
_SITE = "s.site, s.point_group, s.point, s.interface"
_SQL = {
    "sources": (
        "s.id, "
        "COALESCE(k.packets, 0) AS packets, COALESCE(k.first_time, 0) AS first_time, "
        "COALESCE(k.last_time, 0) AS last_time, "
        "(SELECT COUNT(*) FROM capture AS f WHERE f.source = s.id) AS captures, "
        "(SELECT COUNT(*) FROM capture AS f WHERE f.source = s.id AND f.complete = 0) "
        "AS incomplete, "
        "(SELECT COUNT(*) FROM capture AS f WHERE f.source = s.id AND f.damage <> '') AS damaged, "
        "(SELECT COUNT(*) FROM gap AS g WHERE g.source = s.id) AS gaps "
        "FROM site_source AS s LEFT JOIN clock AS k ON k.source = s.id"
    ),
    "conversations": (
        f"{_TALK}, c.packets_out + c.packets_in AS weight "
        "FROM conversation AS c JOIN site_source AS s ON s.id = c.source"
    ),
    "behaviours": (
        "c.place, c.client, c.server, c.service, c.doubtful, b.*, b.class AS cls, b.count AS weight "
        "FROM behaviour AS b JOIN site_source AS s ON s.id = b.source "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation"
    ),
    "writers": (
        "c.place, c.client, c.server, c.service, c.doubtful, b.source, b.number, b.protocol, b.device, "
        "b.operation, b.class AS cls, b.object, b.outcome, b.count, b.first_time, b.first_packet, "
        "b.last_time, b.last_packet, b.count AS weight, v.space, v.first_element, "
        "LENGTH(v.minimum) / 8 AS elements, v.value_type, v.minimum, v.maximum, v.first, v.last, "
        "v.minimum_seen, v.maximum_seen, b.note "
        "FROM behaviour AS b JOIN site_source AS s ON s.id = b.source "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "LEFT JOIN value AS v ON v.source = b.source AND v.behaviour = b.number"
    ),
    "values": (
        "c.place, c.client, c.server, c.service, b.protocol, b.device, b.operation, b.class AS cls, b.object, "
        "b.outcome, v.* FROM value AS v JOIN site_source AS s ON s.id = v.source "
        "JOIN behaviour AS b ON b.source = v.source AND b.number = v.behaviour "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation"
    ),
    "devices": (
        "t.source, t.place, t.mac, t.address, t.frames, t.first_time, t.last_time "
        "FROM (SELECT source, place, mac, CASE address WHEN '' THEN mac ELSE address END "
        "AS address, frames, first_time, last_time FROM station "
        "UNION ALL SELECT source, place, '', client, 0, MIN(first_time), MAX(last_time) "
        "FROM conversation GROUP BY source, place, client "
        "UNION ALL SELECT source, place, '', server, 0, MIN(first_time), MAX(last_time) "
        "FROM conversation GROUP BY source, place, server"
        ") AS t JOIN site_source AS s ON s.id = t.source"
    ),
    "pairs": (
        "c.place, c.client, c.server, "
        "CASE c.protocol WHEN '' THEN c.service ELSE c.protocol END AS word, "
        f"{ANSWERED} AS answered FROM conversation AS c JOIN site_source AS s ON s.id = c.source"
    ),
    "facts": (
        "c.place, CASE f.about WHEN 'client' THEN c.client WHEN 'server' THEN c.server "
        "ELSE f.about END AS server, f.* "
        "FROM fact AS f JOIN site_source AS s ON s.id = f.source "
        "JOIN conversation AS c ON c.source = f.source AND c.number = f.conversation"
    ),
    "contents": (
        "c.place, c.client, c.server, c.service, t.*, t.count AS weight "
        "FROM content AS t JOIN site_source AS s ON s.id = t.source "
        "JOIN conversation AS c ON c.source = t.source AND c.number = t.conversation"
    ),
    "events": (
        "e.time, e.packet, e.part, e.kind, e.count, "
        "COALESCE(c.place, '') AS place, COALESCE(c.client, '') AS client, "
        "COALESCE(c.server, '') AS server, COALESCE(c.service, '') AS service, "
        "COALESCE(b.protocol, c.protocol, '') AS protocol, COALESCE(b.device, '') AS device, "
        "COALESCE(b.operation, '') AS operation, COALESCE(b.class, '') AS cls, "
        "COALESCE(b.object, '') AS object, COALESCE(b.outcome, '') AS outcome "
        "FROM event AS e JOIN site_source AS s ON s.id = e.source "
        "LEFT JOIN conversation AS c ON c.source = e.source AND c.number = e.conversation "
        "LEFT JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour"
    ),
    "counters": ("n.* FROM counter AS n JOIN site_source AS s ON s.id = n.source"),
    "gaps": "g.* FROM gap AS g JOIN site_source AS s ON s.id = g.source",
    "lookups": ("l.*, l.asked AS weight FROM lookup AS l JOIN site_source AS s ON s.id = l.source"),
}


def select_sql(query: str) -> str:
    """One of the SELECTs above with its source's name, to stand in a statement of this package."""
    return f"SELECT {_SITE}, {_SQL[query]}"


_THEN = {"devices": ", frames DESC"}  # what sent something before what was only addressed


def selected(
    store: Store, query: str, filters: Filters, extra: str = "", bound: Sequence[object] = ()
) -> Iterator[Cells]:
    """Rows of one of the SELECTs above that pass the filters, sources in order of their names.

    ``extra``: a further condition, begun by AND, with what is ``bound`` in it.
    """
    wanted = condition(filters, FIELDS.get(query, _OF_SOURCE))
    rows = store.query(
        f"SELECT * FROM ({select_sql(query)}) AS t WHERE {wanted.sql} {extra} "  # noqa: S608 - text of this file; values are bound
        f"ORDER BY site, point, interface{_THEN.get(query, '')}",
        (*wanted.parameters, *bound),
    )
    return filter(wanted.keeps, rows) if wanted.tests else rows


# where the values of filters stand that are no closed list: table and column
_OPEN = {
    "proto": ("conversation", "protocol"),
    "service": ("conversation", "service"),
    "op": ("behaviour", "operation"),
    "outcome": ("behaviour", "outcome"),
    "category": ("finding", "category"),
}


def values_of(store: Store, field: str) -> list[str]:
    """What rows of the store have in a filter's field; of fields that are not in _OPEN nothing."""
    if field not in _OPEN:
        return []
    table, column = _OPEN[field]
    told = store.all(f"SELECT DISTINCT {column} FROM {table} WHERE {column} <> '' ORDER BY 1")  # noqa: S608 - text of this file
    return [word for (word,) in told]


def marks(values: Sequence[object]) -> str:
    """The place-holders of as many values."""
    return ", ".join("?" * len(values))


def rows_sql(columns: Sequence[str], rows: Sequence[object]) -> str:
    """The condition that columns are those of one of the rows, whose cells are to be bound."""
    each = f"({marks(columns)})"
    return f"({', '.join(columns)}) IN (VALUES {', '.join([each] * len(rows))})"


def among(
    columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[str, tuple[object, ...]]:
    """What `selected` takes for rows of which the columns are given; of none, all pass."""
    if not rows:
        return "", ()
    return f"AND {rows_sql(columns, rows)}", tuple(cell for row in rows for cell in row)


def device_sql(column: str) -> str:
    """The condition that an address can be of one device, as `queries.is_device` tests it.

    Addresses are as `aggregates.addresses` writes them; what is no address is `many` or empty.
    IPv4 addresses that begin with 1, as all private ones do, need no further look.
    """
    groups = ("22[4-9].*", "23[0-9].*", "ff??:*", "?[13579bdf]:??:??:??:??:??")
    others = ("", "many", "0.0.0.0", "255.255.255.255", "::")  # noqa: S104 - bound to nothing
    patterns = " OR ".join(f"{column} GLOB '{pattern}'" for pattern in groups)
    told = f"NOT ({patterns}) AND {column} NOT IN ({', '.join(map(repr, others))})"
    return f"({column} GLOB '1*.*' OR {told})"


# ------------------------------------------------------------------------------- witnesses


def source_name(cells: Cells) -> str:
    """Tell how a witness is called: its point, and its interface where it has a name."""
    point, interface = cells["point"], cells["interface"]
    return f"{point}/{interface}" if interface else str(point)


def strongest(
    rows: Iterable[Cells], identity: Sequence[str]
) -> list[tuple[Cells, tuple[str, ...]]]:
    """Of rows that are the same in one point group, those of the source with the most weight.

    With them come the names of the other sources. Of equal weights the first source counts.
    """
    groups: dict[tuple[Any, ...], list[Cells]] = {}
    key = itemgetter("site", "point_group", *identity)
    for cells in rows:
        groups.setdefault(key(cells), []).append(cells)
    chosen: list[tuple[Cells, tuple[str, ...]]] = []
    for group in groups.values():
        if len(group) == 1:  # most, and there may be as many as the caps let be
            chosen.append((group[0], ()))
        else:
            chosen += _strongest(group)
    return chosen


def _strongest(rows: Iterable[Cells]) -> list[tuple[Cells, tuple[str, ...]]]:
    """The same of rows that are one in a point group."""
    seen: dict[str, list[Cells]] = {}
    for cells in rows:
        seen.setdefault(source_name(cells), []).append(cells)
    best = max(seen, key=lambda name: sum(cells["weight"] for cells in seen[name]))
    witnesses = tuple(name for name in seen if name != best)
    return [(cells, witnesses) for cells in seen[best]]


def made(kind: type[T], cells: Cells, **others: object) -> T:
    """A row of the given kind from the columns of the same names."""
    given = {name: cells[name] for name in kind.__dataclass_fields__ if name in cells}
    return kind(**{**given, "group": cells["point_group"], **others})
