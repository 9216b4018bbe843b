"""What only the metrics of controls ask of a store."""

from dataclasses import fields
from typing import NamedTuple

from otsec.store.database import Store
from otsec.store.sensor import Heartbeat

_POINT = "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"


class Sight(NamedTuple):
    """When an operation of a conversation was first seen, and by which packet."""

    site: str
    group: str
    place: str
    client: str
    server: str
    service: str
    operation: str  # empty: the conversation itself
    time: int
    packet: int
    point: str


class Rate(NamedTuple):
    """How much of the payload of some conversations was accounted for, bytes."""

    service: str
    protocol: str
    payload: int
    undecoded: int


def sights(store: Store, site: str, *, operations: bool) -> list[Sight]:
    """The first sight of each conversation, or of each operation in each, source by source."""
    if operations:
        shown, joined = "b.operation", "behaviour AS b JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation"  # fmt: skip
        seen, grouped = (
            "MIN(b.first_time), MIN(b.first_packet)",
            "b.source, b.conversation, b.operation",
        )
    else:
        shown, joined = "''", "conversation AS c"
        seen, grouped = "c.first_time, c.first_packet", "c.source, c.number"
    rows = store.all(
        f"SELECT s.site, s.point_group, c.place, c.client, c.server, c.service, {shown}, {seen}, "  # noqa: S608 - text of this file
        f"{_POINT} FROM {joined} JOIN site_source AS s ON s.id = c.source WHERE s.site = ? "
        f"GROUP BY {grouped} ORDER BY s.site, s.point, s.interface, c.number, {shown}",
        (site,),
    )
    return list(map(Sight._make, rows))


def rates(store: Store, site: str, begin: int, end: int) -> list[Rate]:
    """Payload by service and protocol, of conversations seen in a period.

    Of each point group that of the source that saw most.
    """
    rows = store.all(
        "SELECT service, protocol, SUM(payload), SUM(undecoded) FROM ("
        "SELECT c.service, c.protocol, MAX(c.payload_out + c.payload_in) AS payload, "
        "c.undecoded_out + c.undecoded_in AS undecoded "
        "FROM conversation AS c JOIN site_source AS s ON s.id = c.source "
        "WHERE s.site = ? AND c.last_time >= ? AND c.first_time <= ? "
        "GROUP BY s.point_group, c.place, c.client, c.server, c.service, c.protocol) "
        "GROUP BY service, protocol ORDER BY service, protocol",
        (site, begin, end),
    )
    return [Rate(*row) for row in rows]


def heartbeats(store: Store, site: str, begin: int, end: int) -> list[tuple[str, Heartbeat]]:
    """Heartbeats of a period, each with its capture point, in order of time."""
    names = ", ".join(f"h.{field.name}" for field in fields(Heartbeat))
    rows = store.all(
        f"SELECT {_POINT}, {names} FROM heartbeat AS h JOIN site_source AS s ON s.id = h.source "  # noqa: S608 - names of this file
        "WHERE s.site = ? AND h.time BETWEEN ? AND ? ORDER BY s.point, s.interface, h.time",
        (site, begin, end),
    )
    return [(row[0], Heartbeat(*row[1:])) for row in rows]


def live(store: Store, site: str) -> frozenset[int]:
    """The sources on which a sensor of otsec listened itself."""
    rows = store.all(
        "SELECT DISTINCT h.source FROM heartbeat AS h JOIN site_source AS s ON s.id = h.source "
        "WHERE s.site = ?",
        (site,),
    )
    return frozenset(int(row[0]) for row in rows)


def oldest(store: Store, site: str) -> tuple[int, int, str] | None:
    """The oldest notable event, or else behaviour, that is held: time, packet and point."""
    for table, time, packet in (
        ("event", "time", "packet"),
        ("behaviour", "first_time", "first_packet"),
    ):
        rows = store.all(
            f"SELECT t.{time}, t.{packet}, {_POINT} FROM {table} AS t "  # noqa: S608 - text of this file
            f"JOIN site_source AS s ON s.id = t.source WHERE s.site = ? ORDER BY t.{time} LIMIT 1",
            (site,),
        )
        if rows:
            return int(rows[0][0]), int(rows[0][1]), str(rows[0][2])
    return None


def shown(store: Store) -> frozenset[str]:
    """The findings of which a packet is kept."""
    return frozenset(
        str(row[0]) for row in store.all("SELECT DISTINCT finding FROM finding_packet")
    )


def silent_sources(store: Store, site: str) -> list[tuple[str, int, int, int]]:
    """Sources that gave packets of which nothing was recorded: point, packets, first, last time."""
    rows = store.all(
        f"SELECT {_POINT}, k.packets, k.first_time, k.last_time FROM clock AS k "  # noqa: S608 - text of this file
        "JOIN site_source AS s ON s.id = k.source WHERE s.site = ? AND k.packets > 0 "
        "AND NOT EXISTS (SELECT 1 FROM conversation AS c WHERE c.source = k.source) "
        "ORDER BY s.point, s.interface",
        (site,),
    )
    return [(str(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in rows]
