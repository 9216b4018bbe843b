"""What the inventory is made of: every row that tells of an address, as it was seen by one source.

Unlike `queries`, these choose nothing between sources: the inventory does, once it knows which
addresses are one device. Rows come in the order of sources by name, so what is made of them does
not depend on the order in which captures were read.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from otsec.store.database import Row, Store


class Station(NamedTuple):
    """An address that sent, and the MAC address that carried it."""

    site: str
    group: str
    source: str  # `point` or `point/interface`
    place: str
    mac: str
    address: str
    frames: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    stack: str  # how it opens TCP connections
    ttl: int  # the most hops that its packets had left; 0: not known


class Lookup(NamedTuple):
    """An address that ARP asked for or showed."""

    site: str
    group: str
    place: str
    address: str
    answered: int


class Said(NamedTuple):
    """What a protocol says of an address, or of a device behind it."""

    site: str
    group: str
    source: str
    place: str
    address: str  # of whom it is said
    device: str
    attribute: str
    value: str
    protocol: str
    times: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


class Shown(NamedTuple):
    """How a client shows a server who he is: what it says of its credentials."""

    site: str
    group: str
    source: str
    place: str
    client: str
    server: str
    attribute: str
    value: str
    protocol: str
    last_time: int
    last_packet: int


class Talk(NamedTuple):
    """A conversation."""

    site: str
    group: str
    source: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    claimed: int  # 1: its bytes prove the protocol
    packets_out: int
    packets_in: int
    payload_in: int  # bytes above the transport: an answer, where a refusal has none
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    malformed: int  # units that break their protocol

    @property
    def packets(self) -> int:
        """Of both ways."""
        return self.packets_out + self.packets_in


class Deed(NamedTuple):
    """What a client does with a device of a server, operations of one class taken together."""

    site: str
    group: str
    place: str
    client: str
    server: str
    protocol: str
    device: str
    cls: str
    times: int
    answered: int  # of these, those that show that the device is there


_SOURCE = (
    "s.site, s.point_group, "
    "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"
)
_BY_SOURCE = "ORDER BY s.site, s.point, s.interface"
_SEEN = "first_time, {0}.first_packet, {0}.last_time, {0}.last_packet"

# A gateway says that the device behind it is not there, so its answer proves no device.
_SILENT = "b.outcome IN ('', 'unanswered', 'unknown', 'open') OR b.outcome LIKE '%gateway_%'"


R = TypeVar("R", Station, Talk)


def _made(kind: type[R], rows: Iterable[Row]) -> list[R]:
    """Rows of which equal texts are one: addresses and services repeat in each of very many."""
    texts: dict[str, str] = {}
    one = texts.setdefault
    return [
        kind._make([one(cell, cell) if type(cell) is str else cell for cell in row]) for row in rows
    ]


def many(store: Store, stations_: int, conversations: int) -> bool:
    """Whether there are more of either than so many."""
    return any(
        store.all(f"SELECT 1 FROM {table} LIMIT 1 OFFSET ?", [most])  # noqa: S608 - text of this file
        for table, most in (("station", stations_), ("conversation", conversations))
    )


def stations(store: Store) -> list[Station]:
    """Who sent, source by source."""
    rows = store.each(
        f"SELECT {_SOURCE}, t.place, t.mac, t.address, t.frames, t.{_SEEN.format('t')}, t.stack, t.ttl "  # noqa: S608 - text of this file
        f"FROM station AS t JOIN site_source AS s ON s.id = t.source {_BY_SOURCE}, t.number"
    )
    return _made(Station, rows)


def lookups(store: Store) -> list[Lookup]:
    """Who showed by ARP to be there."""
    rows = store.all(
        "SELECT s.site, s.point_group, l.place, l.address, l.answered "  # noqa: S608 - text of this file
        "FROM lookup AS l JOIN site_source AS s ON s.id = l.source "
        f"WHERE l.answered > 0 {_BY_SOURCE}"
    )
    return list(map(Lookup._make, rows))


def said(store: Store) -> list[Said]:
    """All facts, each with the address of whom it is told."""
    rows = store.all(
        f"SELECT {_SOURCE}, c.place, CASE f.about WHEN 'client' THEN c.client "  # noqa: S608 - text of this file
        "WHEN 'server' THEN c.server ELSE f.about END, f.device, f.attribute, f.value, "
        f"f.protocol, f.count, f.{_SEEN.format('f')} "
        "FROM fact AS f JOIN site_source AS s ON s.id = f.source "
        "JOIN conversation AS c ON c.source = f.source AND c.number = f.conversation "
        f"{_BY_SOURCE}, f.first_packet, f.conversation, f.attribute, f.value"
    )
    return list(map(Said._make, rows))


def shown(store: Store, attributes: Sequence[str]) -> list[Shown]:
    """What is said in conversations of who takes part, of some attributes."""
    marks = ", ".join("?" * len(attributes))
    rows = store.all(
        f"SELECT {_SOURCE}, c.place, c.client, c.server, f.attribute, f.value, f.protocol, "  # noqa: S608 - text of this file
        "f.last_time, f.last_packet FROM fact AS f JOIN site_source AS s ON s.id = f.source "
        "JOIN conversation AS c ON c.source = f.source AND c.number = f.conversation "
        f"WHERE f.about IN ('client', 'server') AND f.attribute IN ({marks}) "
        f"{_BY_SOURCE}, f.first_packet, f.conversation, f.attribute, f.value",
        tuple(attributes),
    )
    return list(map(Shown._make, rows))


def talks(store: Store) -> list[Talk]:
    """All conversations."""
    rows = store.each(
        f"SELECT {_SOURCE}, c.place, c.client, c.server, c.service, c.protocol, "  # noqa: S608 - text of this file
        "c.claimed_by = 'content' AND NOT c.doubtful, c.packets_out, c.packets_in, "
        f"c.payload_in, c.{_SEEN.format('c')}, c.malformed "
        f"FROM conversation AS c JOIN site_source AS s ON s.id = c.source {_BY_SOURCE}, c.number"
    )
    return _made(Talk, rows)


def most_seen(talks: Iterable[Talk]) -> list[Talk]:
    """Of a conversation that several points of a group saw, that of the point that saw most."""
    best: dict[tuple[str, ...], Talk] = {}
    for talk in talks:
        key = (talk.site, talk.group, talk.place, talk.client, talk.server, talk.service)
        known = best.get(key)
        if known is None or talk.packets > known.packets:
            best[key] = talk
    return list(best.values())


def deeds(store: Store) -> list[Deed]:
    """What is done to whom, by class of operation."""
    rows = store.all(
        "SELECT s.site, s.point_group, c.place, c.client, c.server, b.protocol, b.device, b.class, "  # noqa: S608 - text of this file
        f"SUM(b.count), SUM(CASE WHEN {_SILENT} THEN 0 ELSE b.count END) "
        "FROM behaviour AS b JOIN site_source AS s ON s.id = b.source "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        "GROUP BY b.source, b.conversation, b.protocol, b.device, b.class "
        f"{_BY_SOURCE}, b.conversation, b.device, b.class"
    )
    return list(map(Deed._make, rows))
