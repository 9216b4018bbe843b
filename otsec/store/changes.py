"""What was announced, as far as the store knows it: links from findings to records of changes.

The records are acts (`store.acts`). The links are worked out anew whenever findings or records
change; they depend on what people said, so they are no part of the canonical dump.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otsec.nanoseconds import DAY_NS, HOUR_NS
from otsec.store.database import Store, storable
from otsec.store.findings import Finding
from otsec.store.schema import TABLES
from otsec.store.selects import marks


class Span(NamedTuple):
    """What was done between two times, ns; mostly one event, so that both are the same."""

    begin: int
    end: int
    times: int
    source: int


class Deed(NamedTuple):
    """What was done to a device within a span of time."""

    site: str
    group: str
    place: str
    client: str
    server: str
    cls: str
    operation: str


def links(store: Store) -> dict[str, str]:
    """By finding, the record that announces it, or `unlinked`."""
    return dict(store.all("SELECT finding, change FROM finding_change ORDER BY finding"))


def link(store: Store, found: Mapping[str, str]) -> None:
    """Keep these links and no others."""
    if links(store) == found:
        return
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        connection = store.db.conn
        connection.execute("DELETE FROM finding_change")
        rows = [(name, storable(change)) for name, change in sorted(found.items())]
        connection.executemany(TABLES["finding_change"].upsert, rows)


def classes(store: Store) -> Mapping[tuple[str, str], frozenset[str]]:
    """The classes of each operation, by protocol and operation; also by operation alone."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for protocol, operation, cls in store.all(
        "SELECT DISTINCT protocol, operation, class FROM behaviour"
    ):
        found[protocol, operation].add(cls)
        found["", operation].add(cls)
    return {key: frozenset(some) for key, some in found.items()}


def classes_of(store: Store, finding: Finding, servers: Sequence[str]) -> frozenset[str]:
    """The classes of what the client of a finding did at some servers, while it lasts.

    Of a finding of one service only what was done by that.
    """
    return frozenset(
        cls
        for (cls,) in store.all(
            "SELECT DISTINCT b.class FROM behaviour AS b "  # noqa: S608 - only marks are put in
            "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
            "JOIN site_source AS s ON s.id = b.source "
            "WHERE s.site = ? AND s.point_group = ? AND c.place = ? "
            f"AND c.client = ? AND c.server IN ({marks(servers)}) AND ? IN ('', c.service) "
            "AND b.first_time <= ? AND b.last_time >= ?",
            (
                *(finding.site, finding.group, finding.place, finding.client, *servers),
                *(finding.service, finding.last_time, finding.first_time),
            ),
        )
    )


def held(store: Store) -> Mapping[tuple[str, str, str, str], frozenset[str]]:
    """The addresses that each MAC address carried, by site, point group, place and MAC address."""
    found: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for site, group, place, mac, address in store.all(
        "SELECT DISTINCT s.site, s.point_group, t.place, t.mac, t.address FROM station AS t "
        "JOIN site_source AS s ON s.id = t.source WHERE t.mac <> '' AND t.address <> ''"
    ):
        found[site, group, place, mac].add(address)
    return {key: frozenset(some) for key, some in found.items()}


def spans(store: Store, finding: Finding) -> list[Span]:
    """The notable events that a finding of operations stands for, by time.

    What was only counted is told as the hour, or the day, in which it happened.
    """
    if not finding.operations:
        return []
    rows = store.all(
        "SELECT e.time, e.kind, e.count, e.source FROM event AS e "  # noqa: S608 - only marks are put in
        "JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "JOIN site_source AS s ON s.id = e.source "
        "WHERE s.site = ? AND s.point_group = ? AND c.place = ? AND c.client = ? AND c.server = ? "
        f"AND b.operation IN ({marks(finding.operations)}) ORDER BY e.time, e.source, e.packet",
        (
            *(finding.site, finding.group, finding.place, finding.client, finding.server),
            *finding.operations,
        ),
    )
    return [Span(time, _until(time, kind), count, source) for time, kind, count, source in rows]


def _until(time: int, kind: str) -> int:
    """The last moment that an event may stand for."""
    size = {"capped": HOUR_NS, "past": DAY_NS}.get(kind)
    return time if size is None else (time // size + 1) * size - 1


def deeds(store: Store, begin: int, end: int, allowed: Sequence[str]) -> list[Deed]:
    """What was certainly done within a span, of some classes."""
    inside = "b.first_time BETWEEN ? AND ? OR b.last_time BETWEEN ? AND ?"
    rows = store.all(
        "SELECT DISTINCT s.site, s.point_group, c.place, c.client, c.server, b.class, b.operation "  # noqa: S608 - only marks are put in
        "FROM behaviour AS b "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "JOIN site_source AS s ON s.id = b.source "
        f"WHERE b.class IN ({marks(allowed)}) AND b.first_time <= ? AND b.last_time >= ? "
        f"AND ({inside} OR EXISTS (SELECT 1 FROM event AS e WHERE e.source = b.source "
        "AND e.behaviour = b.number AND e.time BETWEEN ? AND ?)) "
        "ORDER BY s.site, s.point_group, c.place, c.client, c.server, b.class, b.operation",
        (*allowed, end, begin, *(begin, end) * 3),
    )
    return list(map(Deed._make, rows))
