"""Which protocols are spoken: sums over conversations and behaviours, by protocol.

The database sums where it can, and a million conversations are a second. It cannot where several
sources saw the same, of which the one that saw most counts, nor where a filter needs Python.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from otsec.store.database import Store
from otsec.store.filters import Cells, condition
from otsec.store.queries import BEHAVIOUR, CONVERSATION, counters
from otsec.store.selects import FIELDS, Filters, select_sql, selected, strongest
from otsec.store.views import Protocol

_OF_SOURCES = {"site", "group", "point", "interface"}  # filters that counters have too
_Name: TypeAlias = tuple[str, str, str]  # site, group, protocol
_COLUMNS = {  # what is summed of conversations, and over which columns
    "packets": ("packets_out", "packets_in"),
    "payload": ("payload_out", "payload_in"),
    "undecoded": ("undecoded_out", "undecoded_in"),
    "lost": ("lost_out", "lost_in"),
    "malformed": ("malformed",),
    "truncated": ("truncated",),
}
_TALKS = {
    "conversations": "COUNT(*)",
    "doubtful": "SUM(doubtful <> 0)",
    **{name: f"SUM({' + '.join(columns)})" for name, columns in _COLUMNS.items()},
}
_PAYLOAD = {name: _TALKS[name] for name in ("payload", "undecoded")}
_DONE = {"count": "SUM(count)"}


@dataclass(slots=True)
class _Sums:
    """What is told of one protocol."""

    talks: Counter[str] = field(default_factory=Counter)  # by the names of `_TALKS`
    messages: int = 0
    failures: int = 0
    operations: set[str] = field(default_factory=set)

    def done(self, operation: str, outcome: str, count: int) -> None:
        """Add messages."""
        self.operations.add(operation)
        self.messages += count
        self.failures += count if outcome not in {"", "ok"} else 0


@dataclass(slots=True)
class _Account:
    """What became of the payload of a protocol, bytes of all sources: shares are told of it."""

    payload: int = 0
    undecoded: int = 0
    passed_over: int = 0
    opaque: Counter[str] = field(default_factory=Counter)  # by kind

    def share(self, size: int) -> float | None:
        """In per cent, rounded down."""
        return 1000 * size // self.payload / 10 if self.payload else None


def protocols(store: Store, filters: Filters = ()) -> list[Protocol]:
    """What is spoken, the busiest protocol of each point group first."""
    found: defaultdict[_Name, _Sums] = defaultdict(_Sums)
    alone = _alone(store)
    talks = summed = _summed(store, "conversations", filters, _TALKS) if alone else None
    if summed is None:
        for cells, _ in strongest(selected(store, "conversations", filters), CONVERSATION):
            found[_name(cells)].talks.update(_talk(cells))
    else:
        for cells in summed:
            found[_name(cells)].talks.update({name: cells[name] for name in _TALKS})
    also = ("operation", "outcome")
    summed = _summed(store, "behaviours", filters, _DONE, also) if alone else None
    if summed is None:
        every = strongest(selected(store, "behaviours", filters), BEHAVIOUR)
        summed = [cells for cells, _ in every]
    for cells in summed:
        found[_name(cells)].done(cells["operation"], cells["outcome"], cells["count"])
    accounts = _accounts(store, filters, talks)
    rows = [_protocol(name, sums, accounts) for name, sums in found.items()]
    return sorted(rows, key=lambda row: (row.site, row.group, -row.packets, row.protocol))


def _alone(store: Store) -> bool:
    """Whether each group of points has one source, so that all rows count."""
    return not store.all(
        "SELECT 1 FROM site_source GROUP BY site, point_group HAVING COUNT(*) > 1 LIMIT 1"
    )


def _summed(
    store: Store,
    query: str,
    filters: Filters,
    sums: Mapping[str, str],
    also: tuple[str, ...] = (),
) -> list[Mapping[str, Any]] | None:
    """Sums by protocol, and by further columns; None where a filter is none of the database."""
    wanted = condition(filters, FIELDS[query])
    if wanted.tests:
        return None
    by = ", ".join(("site", "point_group", "protocol", *also))
    told = ", ".join(f"{sum_} AS {name}" for name, sum_ in sums.items())
    return list(
        store.query(
            f"SELECT {by}, {told} FROM ({select_sql(query)}) AS t WHERE {wanted.sql} GROUP BY {by}",  # noqa: S608 - text of this package; values are bound
            wanted.parameters,
        )
    )


def _name(cells: Cells) -> _Name:
    return cells["site"], cells["point_group"], cells["protocol"]


def _talk(cells: Cells) -> dict[str, int]:
    return {
        "conversations": 1,
        "doubtful": int(cells["doubtful"] != 0),
        **{name: sum(cells[column] for column in columns) for name, columns in _COLUMNS.items()},
    }


def _accounts(
    store: Store, filters: Filters, summed: list[Mapping[str, Any]] | None
) -> dict[_Name, _Account] | None:
    """None where the filters choose among conversations: the counters know nothing of these.

    ``summed``: sums over all conversations, where they are known already.
    """
    if not {one.field for one in filters} <= {*_OF_SOURCES, "proto"}:
        return None
    found: defaultdict[_Name, _Account] = defaultdict(_Account)
    summed = summed or _summed(store, "conversations", filters, _PAYLOAD)
    if summed is None:
        for cells in selected(store, "conversations", filters):
            found[_name(cells)].payload += cells["payload_out"] + cells["payload_in"]
            found[_name(cells)].undecoded += cells["undecoded_out"] + cells["undecoded_in"]
    else:
        for cells in summed:
            account = found[_name(cells)]
            account.payload, account.undecoded = cells["payload"], cells["undecoded"]
    for row in counters(store, [one for one in filters if one.field in _OF_SOURCES]):
        what, _, protocol = row.name.partition(":")
        if what == "opaque":
            found[row.site, row.group, protocol].opaque[row.detail] += row.count
        elif what == "passed_over":
            found[row.site, row.group, protocol].passed_over += row.count
    return found


def _protocol(name: _Name, sums: _Sums, accounts: Mapping[_Name, _Account] | None) -> Protocol:
    account = _Account() if accounts is None else accounts[name]
    told = account.payload - account.undecoded - account.passed_over
    site, group, protocol = name
    return Protocol(
        site=site,
        group=group,
        protocol=protocol,
        messages=sums.messages,
        operations=tuple(sorted(sums.operations)),
        failures=sums.failures,
        accounted=account.share(max(told, 0)),
        opaque=account.share(account.opaque.total()),
        opaque_kinds=tuple(kind for kind, _ in account.opaque.most_common()),
        **{what: sums.talks[what] for what in _TALKS},
    )
