"""Rows of long listings by their place: which rows there are, in order, and a few of them in full.

A screen scrolls through a million rows and shows forty. So a listing is asked for twice: once for
the keys of all rows that pass its filters, in order (one integer a row), then for the rows of a
few keys. A key stays the same as long as the row is there, whatever else is written.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from otsec.columns import I64
from otsec.store.acts import MEANT
from otsec.store.database import Store
from otsec.store.ends import NOW
from otsec.store.faults import told
from otsec.store.filters import LEVELS, Condition, Field, Filter, condition
from otsec.store.findings import Finding, finding_of
from otsec.store.queries import CONVERSATION, address_key
from otsec.store.schema import NONE, TABLES
from otsec.store.selects import FIELDS, Filters, made, marks, select_sql, source_name
from otsec.store.views import Conversation

MOST = 1_000_000  # rows of one listing; who wants more refines the filter
LOOKED_AT = 512  # of the worst findings, before all of them are
OPEN = frozenset({"new", "reopened", "acknowledged"})  # states
AT_ONCE = 512  # rows fetched by one statement
SHORT = 8  # digits of ids, once; acts name findings by them for ever
TOGETHER = 256  # rows of an order: fewer objects than make Python look for garbage
ENDS = frozenset({"client", "server"})


class Keyed(NamedTuple):
    """A row and the key by which it is found again."""

    key: int
    row: Any


class _Listing(NamedTuple):
    """What can be paged."""

    select: str  # its rows, to stand behind SELECT; WHERE can follow
    few: Callable[[Sequence[Any]], tuple[str, list[Any]]]  # the same for some keys; what is bound
    key: str  # the column that names a row for good
    identity: tuple[str, ...]  # what makes rows of several sources one; empty: each is its own
    order: tuple[str, ...]  # unless asked otherwise: numbers, the greatest first
    numbers: frozenset[str]  # columns that hold numbers
    lean: str  # the same rows without `costly` columns
    costly: frozenset[str]
    columns: Mapping[str, str]  # what sorting by a column means, where it is no plain column
    addresses: frozenset[str]  # columns that are put in order by the numbers of their addresses
    fields: Mapping[str, Field]
    made: Callable[[Mapping[str, Any], tuple[str, ...]], Any]
    number: Callable[[Any], int]  # the key as an integer
    name: Callable[[int], Any]  # and back


def _conversation(cells: Mapping[str, Any], witnesses: tuple[str, ...]) -> Conversation:
    return made(Conversation, cells, witnesses=witnesses, doubtful=bool(cells["doubtful"]))


class Decided(NamedTuple):
    """A finding, and what people made of it."""

    finding: Finding
    state: str
    owner: str
    change: str


def _decided(cells: Mapping[str, Any], _: tuple[str, ...]) -> Decided:
    row = tuple(cells[name] for name in TABLES["finding"].names)
    return Decided(finding_of(row), cells["state"], cells["owner"], cells["change"])


_STATES = {
    "ack": "acknowledged",
    "resolve": "resolved",
    "false-positive": "false positive",
    "accept": "accepted",
    "expect": "expected",
    "reopen": "reopened",
}
_ANNOUNCED = "COALESCE(l.change, 'unlinked') <> 'unlinked'"  # where nobody decided
_AGAIN = f"CASE WHEN {_ANNOUNCED} THEN 'expected' ELSE 'reopened' END"
_STATE = (
    f"CASE WHEN d.kind IS NULL THEN CASE WHEN {_ANNOUNCED} THEN 'expected' ELSE 'new' END "
    f"WHEN d.kind = 'resolve' AND f.last_time > d.seen_until OR d.over THEN {_AGAIN} "
    + " ".join(f"WHEN d.kind = '{kind}' THEN '{state}'" for kind, state in _STATES.items())
    + " END"
)
_DECIDING = ", ".join(map(repr, _STATES))


def _findings(acts: str = "") -> str:
    """Findings with what was decided; ``acts``: a condition on the acts that are looked at."""
    # Of several acts SQLite gives the other columns of the row that has the MAX. Only as a text can
    # it make an index of those that are meant, without which each finding looks at every act.
    return (
        f"f.*, f.count AS weight, {_STATE} AS state, COALESCE(o.after, '') AS owner, COALESCE(l.change, '') AS change, "  # noqa: S608 - text of this file
        f"CASE WHEN {_STATE} IN ({', '.join(map(repr, sorted(OPEN)))}) THEN 'open' ELSE 'closed' END "
        "AS standing FROM finding AS f "
        f"LEFT JOIN (SELECT CAST({MEANT} AS TEXT) AS meant, kind, seen_until, "
        f"kind = 'accept' AND attribute <> '' AND attribute <= {NOW} AS over, MAX(number) FROM act "
        f"WHERE kind IN ({_DECIDING}){acts} GROUP BY meant) AS d ON d.meant = f.id "
        f"LEFT JOIN (SELECT CAST({MEANT} AS TEXT) AS meant, after, MAX(number) FROM act WHERE kind = 'assign'{acts} "
        "GROUP BY meant) AS o ON o.meant = f.id "
        "LEFT JOIN finding_change AS l ON l.finding = f.id"
    )


def _few(ids: Sequence[Any]) -> tuple[str, list[Any]]:
    """The same of a few findings, and what is bound in it: of many acts only theirs are looked at."""
    names = [*ids, *{name[:SHORT] for name in ids}]
    return _findings(f" AND act.finding IN ({marks(names)})"), [*names, *names]


_FINDINGS = _findings()
_LEVEL = "CASE level " + " ".join(f"WHEN '{one}' THEN {n}" for n, one in enumerate(LEVELS)) + " END"
FINDING_FIELDS = {
    "level": Field(("level",), "level"),
    "state": Field(("state", "standing")),
    "rule": Field(("name", "rule")),
    "technique": Field(("techniques",), "text"),
    "incident": Field(("incident",)),
    "client": Field(("client",), "address"),
    "server": Field(("server",), "address"),
    "host": Field(("client", "server"), "address"),
    "device": Field(("device",)),
    "service": Field(("service",)),
    "proto": Field(("protocol",)),
    "category": Field(("category",)),
    "owner": Field(("owner",)),
    "change": Field(("change",)),
    "vlan": Field(("place",)),
    "group": Field(("point_group",)),
    "site": Field(("site",)),
    "id": Field(("id", "short")),
    "since": Field(("last_time",), "since"),
    "until": Field(("first_time",), "until"),
    "text": Field(
        (
            "id",
            "title",
            "name",
            "client",
            "server",
            "seen",
            "state",
            "owner",
            "incident",
            "protocol",
            "operations",
            "objects",
        ),
        "text",
    ),
}
LISTINGS: dict[str, _Listing] = {
    "conversations": _Listing(
        select_sql("conversations").removeprefix("SELECT "),
        lambda _: (select_sql("conversations").removeprefix("SELECT "), []),
        "c.rowid",
        CONVERSATION,
        ("weight",),
        frozenset(
            one.name
            for one in TABLES["conversation"].columns
            if one.type == "INTEGER" and one.name != "kind"
        ),
        select_sql("conversations").removeprefix("SELECT "),
        frozenset(),
        {"group": "point_group"},
        ENDS,
        FIELDS["conversations"],
        _conversation,
        int,
        int,
    ),
    "findings": _Listing(
        _FINDINGS,
        _few,
        "f.id",
        (),
        (_LEVEL, "last_time"),
        frozenset({"level", "count", "first_time", "last_time", "first_packet", "last_packet"}),
        "f.*, f.count AS weight FROM finding AS f",
        frozenset({"state", "owner", "change", "text"}),
        {"level": _LEVEL, "group": "point_group"},
        ENDS,
        FINDING_FIELDS,
        _decided,
        lambda name: int(f"1{name}", 16),  # ids are hexadecimal; the 1 keeps their leading zeros
        lambda number: f"{number:x}"[1:],
    ),
}


def order_of(
    store: Store,
    query: str,
    filters: Filters = (),
    sort: str = "",
    *,
    descending: bool = False,
    limit: int = MOST,
) -> I64:
    """The keys of the rows that pass the filters, in order of a column; at most ``limit``."""
    listing = LISTINGS[query]
    wanted = condition(filters, listing.fields)
    asked = {sort, *(one.field for one in filters)}
    plain = _chosen(store, query, lean=not asked & listing.costly)
    if limit < MOST and not sort:
        rank = "".join(f"{one} DESC, " for one in listing.order)
        tail = f"ORDER BY {rank}key" + ("" if wanted.tests else f" LIMIT {int(limit)}")
        keys = _keys(store, plain, wanted, (), tail)
        return np.fromiter(map(listing.number, islice(_first(keys), limit)), np.int64)
    ranks = [listing.columns.get(sort, sort), *listing.order] if sort else listing.order
    found = _ranked(listing, _keys(store, plain, wanted, ranks), len(ranks), sort)
    signs = [-1 if descending or not sort else 1, *[-1] * (len(ranks) - 1)]
    columns = [found[number + 1] * sign for number, sign in enumerate(signs)]
    order = np.lexsort((found[0], *reversed(columns)))
    kept: I64 = found[0, order[:limit]]
    return kept


def _first(rows: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
    return (key for (key,) in rows)


def _ranked(listing: _Listing, rows: Iterator[tuple[Any, ...]], ranks: int, sort: str) -> I64:
    """The keys of rows and their ranks, int64[1 + ranks, rows]; texts are ranked by their order.

    NumPy puts a million rows in order in a tenth of the time that SQLite takes, and of a text
    that many rows have only one is compared.
    """
    texts = sort and sort not in listing.numbers
    codes: defaultdict[Any, int] = defaultdict(count().__next__)
    parts = [np.empty((1 + ranks, 0), np.int64)]
    while some := list(islice(rows, TOGETHER)):
        keys, *cells = zip(*some, strict=True)
        part = np.empty((1 + ranks, len(some)), np.int64)
        part[0] = list(map(listing.number, keys))
        if texts:
            cells[0] = tuple(map(codes.__getitem__, cells[0]))
        for number, column in enumerate(cells, 1):
            part[number] = column
        parts.append(part)
    found: I64 = np.concatenate(parts, axis=1)
    if texts and codes:
        inorder = sorted(codes, key=address_key if sort in listing.addresses else None)
        places = np.empty(len(codes), np.int64)
        places[list(map(codes.__getitem__, inorder))] = np.arange(len(codes))
        found[1] = places[found[1]]
    return found


def _keys(
    store: Store, plain: str, wanted: Condition, ranks: Sequence[str], tail: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Keys that pass, each with what ranks it."""
    names = [f"rank_{n}" for n in range(len(ranks))]
    ordering = (f"{rank} AS {name}" for rank, name in zip(ranks, names, strict=True))
    shown = ", ".join(("key", *wanted.columns, *ordering))
    statement = f"SELECT {shown} FROM ({plain}) AS t WHERE {wanted.sql} {tail}"  # noqa: S608 - text of this package; values are bound
    with told(store.path):
        rows = store.db.conn.execute(statement, wanted.parameters)
        if not wanted.tests:
            yield from rows
            return
        every = [column[0] for column in rows.description]
        told_of = itemgetter("key", *names)
        kept = filter(wanted.keeps, (dict(zip(every, cells, strict=True)) for cells in rows))
        yield from (map(told_of, kept) if names else ((cells["key"],) for cells in kept))


def page(store: Store, query: str, keys: Sequence[int] | I64) -> list[Keyed]:
    """The rows of these keys, in their order; what is gone meanwhile is left out."""
    listing = LISTINGS[query]
    found: dict[int, Keyed] = {}
    wanted = [int(key) for key in keys]
    for begin in range(0, len(wanted), AT_ONCE):
        some = [listing.name(key) for key in wanted[begin : begin + AT_ONCE]]
        select, bound = listing.few(some)
        rows = list(
            store.query(
                f"SELECT {listing.key} AS key, {select} WHERE {listing.key} IN ({marks(some)})",
                [*bound, *some],
            )
        )
        met = _witnesses(store, query, rows)
        for cells in rows:
            key = listing.number(cells["key"])
            found[key] = Keyed(key, listing.made(cells, met.get(cells["key"], ())))
    return [found[key] for key in wanted if key in found]


def open_findings(store: Store, site: str | None = None) -> int:
    """How many findings somebody has yet to decide of, of a site or of all."""
    where, bound = ("", []) if site is None else (" AND site = ?", [site])
    ((count,),) = store.all(
        f"SELECT COUNT(*) FROM (SELECT {_FINDINGS}) WHERE standing = 'open'{where}",  # noqa: S608 - text of this file
        bound,
    )
    return int(count)


def worst_open(store: Store, site: str, count: int) -> list[Keyed]:
    """The worst findings of a site of which somebody has yet to decide.

    What was decided is asked only of the worst: of a million that takes longer than to find them.
    """
    for most in (LOOKED_AT, MOST):
        keys = order_of(store, "findings", [Filter("site", site)], limit=most)
        found = [
            keyed
            for begin in range(0, len(keys), AT_ONCE)
            for keyed in page(store, "findings", keys[begin : begin + AT_ONCE])
            if keyed.row.state in OPEN
        ][:count]
        if len(found) == count or len(keys) < most:
            break
    return found


def open_alerts(store: Store) -> list[str]:
    """What is noted of otsec itself, and somebody has yet to decide of."""
    rows = store.all(
        f"SELECT seen FROM (SELECT {_FINDINGS} WHERE f.source = {NONE}) "  # noqa: S608 - text of this file
        "WHERE standing = 'open' ORDER BY id"
    )
    return [seen for (seen,) in rows]


def judged(store: Store) -> bool:
    """Whether rules have found anything."""
    return bool(store.all("SELECT 1 FROM finding LIMIT 1"))


def shared(store: Store) -> bool:
    """Whether some point group has several sources, of which one is to be chosen."""
    return bool(
        store.all("SELECT 1 FROM site_source GROUP BY site, point_group HAVING COUNT(*) > 1")
    )


def _chosen(store: Store, query: str, *, lean: bool) -> str:
    """The SELECT with keys; of what several sources of one group saw, the row with most."""
    listing = LISTINGS[query]
    select = listing.lean if lean else listing.select
    plain = f"SELECT {listing.key} AS key, {select}"
    if not listing.identity or not shared(store):
        return plain
    same = ", ".join(("site", "point_group", *listing.identity))
    return (
        "SELECT * FROM (SELECT *, ROW_NUMBER() OVER "  # noqa: S608 - text of this package
        f"(PARTITION BY {same} ORDER BY weight DESC, point, interface) AS place_in "
        f"FROM ({plain})) WHERE place_in = 1"
    )


def _witnesses(
    store: Store, query: str, rows: Sequence[Mapping[str, Any]]
) -> dict[int, tuple[str, ...]]:
    """Who else saw each row: other sources of its group."""
    none: dict[int, tuple[str, ...]] = {cells["key"]: () for cells in rows}
    if not rows or not LISTINGS[query].identity or not shared(store):
        return none
    names = ("site", "point_group", *LISTINGS[query].identity)
    mine = {tuple(cells[name] for name in names): cells for cells in rows}
    marks = ", ".join(f"({', '.join('?' * len(names))})" for _ in mine)
    others = store.query(
        f"SELECT * FROM ({select_sql(query)}) WHERE ({', '.join(names)}) IN (VALUES {marks}) "  # noqa: S608 - text of this package
        "ORDER BY point, interface",
        [cell for key in mine for cell in key],
    )
    for cells in others:
        row = mine[tuple(cells[name] for name in names)]
        if source_name(cells) != source_name(row):
            none[row["key"]] = (*none[row["key"]], source_name(cells))
    return none


# -------------------------------------------------------------------------------- changes


def revision(store: Store) -> int:
    """A number that another program's commit changes; only of one connection over time."""
    return int(store.all("PRAGMA data_version")[0][0])


def interrupt(store: Store) -> None:
    """End what the store is being asked by another thread: it raises OperationalError there."""
    store.db.conn.interrupt()
