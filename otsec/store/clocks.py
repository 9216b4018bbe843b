"""What packets say of the time: readings of devices' clocks, and who sets whose."""

from typing import NamedTuple

from otsec.store.arrays import numbers
from otsec.store.database import Store


class Reading(NamedTuple):
    """An operation that carries a time, or sets one: a behaviour with the values that it has."""

    site: str
    group: str
    source: str  # `point` or `point/interface`
    place: str
    client: str
    server: str
    protocol: str
    device: str
    operation: str
    object: str
    outcome: str
    note: str
    times: int
    first_time: int  # ns, of the request where there is one
    first_packet: int
    last_time: int
    last_packet: int
    response_max_us: int  # of all of them
    space: str  # of the values; empty: it carries none that are kept
    first: tuple[int, ...]  # values of the first of them
    last: tuple[int, ...]
    minimum: tuple[int, ...]  # of each value
    maximum: tuple[int, ...]
    values_count: int  # how often there were values
    values_first_time: int
    values_last_time: int


class Stamp(NamedTuple):
    """How far ahead of the capture a clock was, by one protocol, in one way."""

    site: str
    group: str
    source: str
    place: str
    client: str
    server: str
    protocol: str
    device: str
    speaker: str  # `client`, `server`
    way: str  # `says`, `sets`, `marks`
    times: int
    first_ahead: int  # ns; local time is taken for UTC
    last_ahead: int
    least_ahead: int
    most_ahead: int
    first_time: int
    last_time: int
    last_packet: int


_SOURCE = (
    "s.site, s.point_group, "
    "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"
)
_BY_SOURCE = "ORDER BY s.site, s.point, s.interface"


def readings(store: Store, spaces: tuple[str, ...]) -> list[Reading]:
    """Behaviours of class `time`, and others of which the values are of some spaces (LIKE)."""
    others = " OR ".join(["v.space LIKE ?"] * len(spaces))
    rows = store.all(
        f"SELECT {_SOURCE}, c.place, c.client, c.server, b.protocol, b.device, b.operation, "  # noqa: S608 - text of this file
        "b.object, b.outcome, b.note, b.count, b.first_time, b.first_packet, b.last_time, "
        "b.last_packet, b.response_max_us, COALESCE(v.space, ''), COALESCE(v.first, x''), "
        "COALESCE(v.last, x''), COALESCE(v.minimum, x''), COALESCE(v.maximum, x''), "
        "COALESCE(v.count, 0), COALESCE(v.first_time, 0), COALESCE(v.last_time, 0) "
        "FROM behaviour AS b JOIN site_source AS s ON s.id = b.source "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "LEFT JOIN value AS v ON v.source = b.source AND v.behaviour = b.number "
        f"WHERE b.number >= 0 AND (b.class = 'time' OR {others}) "
        f"{_BY_SOURCE}, b.first_packet, b.number",
        spaces,
    )
    return [Reading(*row[:19], *(numbers(blob) for blob in row[19:23]), *row[23:]) for row in rows]


def stamps(store: Store) -> list[Stamp]:
    """What clocks said of which the store keeps differences."""
    rows = store.all(
        f"SELECT {_SOURCE}, c.place, c.client, c.server, t.protocol, t.device, t.speaker, t.way, "  # noqa: S608 - text of this file
        "t.count, t.first_ahead, t.last_ahead, t.least_ahead, t.most_ahead, t.first_time, "
        "t.last_time, t.last_packet FROM stamp AS t JOIN site_source AS s ON s.id = t.source "
        "JOIN conversation AS c ON c.source = t.source AND c.number = t.conversation "
        f"{_BY_SOURCE}, t.first_packet, t.device, t.way"
    )
    return [Stamp(*row) for row in rows]
