"""Rows of long listings by their place: which rows there are, in order, and a few of them in full.

A screen scrolls through a million rows and shows forty. So a listing is asked for twice: once for
the keys of all rows that pass its filters, in order (one integer a row), then for the rows of a
few keys. A key stays the same as long as the row is there, whatever else is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from otsec.columns import I64
from otsec.store.database import Store
from otsec.store.filters import Condition, condition
from otsec.store.queries import CONVERSATION, address_key
from otsec.store.selects import FIELDS, Filters, made, select_sql, source_name
from otsec.store.views import Conversation

MOST = 1_000_000  # rows of one listing; who wants more refines the filter
AT_ONCE = 512  # rows fetched by one statement


class Keyed(NamedTuple):
    """A row and the key by which it is found again."""

    key: int
    row: Any


class _Listing(NamedTuple):
    """What can be paged."""

    table: str  # whose row numbers are the keys, as `c` in its SELECT
    identity: tuple[str, ...]  # what makes rows of several sources one
    order: str  # unless asked otherwise
    columns: Mapping[str, str]  # what sorting by a column means, where it is no plain column
    made: Callable[[Mapping[str, Any], tuple[str, ...]], Any]


def _conversation(cells: Mapping[str, Any], witnesses: tuple[str, ...]) -> Conversation:
    return made(Conversation, cells, witnesses=witnesses, doubtful=bool(cells["doubtful"]))


LISTINGS: dict[str, _Listing] = {
    "conversations": _Listing(
        "c",
        CONVERSATION,
        "weight DESC",
        {
            "client": "ADDRESS_RANK(client)",
            "server": "ADDRESS_RANK(server)",
            "group": "point_group",
        },
        _conversation,
    ),
}
SEARCHED = frozenset({"text", "list"})  # kinds of columns that begin with A, others with the most


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
    listing, wanted = LISTINGS[query], condition(filters, FIELDS[query])
    rank = f"{listing.columns.get(sort, sort)}{' DESC' if descending else ''}, " if sort else ""
    columns = "key" if not wanted.tests else "*"
    rows = _connection(store).execute(
        f"SELECT {columns} FROM ({_chosen(store, query)}) AS t WHERE {wanted.sql} "  # noqa: S608 - text of this package; values are bound
        f"ORDER BY {rank}{listing.order}, key"
        + (f" LIMIT {int(limit)}" if not wanted.tests else ""),
        wanted.parameters,
    )
    keys = _tested(rows, wanted, limit) if wanted.tests else (key for (key,) in rows)
    return np.fromiter(keys, np.int64)


def _tested(rows: Any, wanted: Condition, limit: int) -> Iterable[int]:
    names = [column[0] for column in rows.description]
    for cells in rows:
        if limit <= 0:
            return
        named = dict(zip(names, cells, strict=True))
        if wanted.keeps(named):
            limit -= 1
            yield named["key"]


def page(store: Store, query: str, keys: Sequence[int] | I64) -> list[Keyed]:
    """The rows of these keys, in their order; what is gone meanwhile is left out."""
    listing = LISTINGS[query]
    found: dict[int, Keyed] = {}
    told = [int(key) for key in keys]
    for begin in range(0, len(told), AT_ONCE):
        some = told[begin : begin + AT_ONCE]
        rows = list(
            store.query(
                f"{select_sql(query, f'{listing.table}.rowid AS key, ')} "
                f"WHERE {listing.table}.rowid IN ({', '.join('?' * len(some))})",
                some,
            )
        )
        met = _witnesses(store, query, rows)
        for cells in rows:
            found[cells["key"]] = Keyed(cells["key"], listing.made(cells, met[cells["key"]]))
    return [found[key] for key in told if key in found]


def shared(store: Store) -> bool:
    """Whether some point group has several sources, of which one is to be chosen."""
    return bool(
        store.all("SELECT 1 FROM site_source GROUP BY site, point_group HAVING COUNT(*) > 1")
    )


def _chosen(store: Store, query: str) -> str:
    """The SELECT with keys; of what several sources of one group saw, the row with most."""
    listing = LISTINGS[query]
    plain = select_sql(query, f"{listing.table}.rowid AS key, ")
    if not shared(store):
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
    if not rows or not shared(store):
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


def _connection(store: Store) -> Any:
    """The connection, on which addresses can be put in order of their numbers."""
    store.db.conn.create_function("ADDRESS_RANK", 1, _address_rank, deterministic=True)
    return store.db.conn


@lru_cache(maxsize=262_144)
def _address_rank(address: str) -> str:
    version, number, text = address_key(address)
    return f"{version}{number:039d}{text}"
