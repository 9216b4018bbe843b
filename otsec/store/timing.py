"""Paths, their silences and volumes, and rhythms, as what is judged over time asks for them."""

from collections.abc import Iterator
from typing import NamedTuple

from otsec.store.database import Store

SOURCE_TEXTS = (  # site, point group and point
    "s.site, s.point_group, "
    "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"
)
_JOIN = "JOIN site_source AS s ON s.id = t.source"
WHOLE = ""  # receiver of the path that stands for a sender as a whole


class Listened(NamedTuple):
    """A source, and when it was listened to."""

    source: int
    site: str
    group: str
    point: str  # `point` or `point/interface`
    first_time: int
    last_time: int
    packets: int


class Gap(NamedTuple):
    """A span in which a source was blind."""

    source: int
    kind: str
    begin_time: int
    end_time: int
    packet: int
    detail: str


class Path(NamedTuple):
    """Who sends to whom; without receiver a sender as a whole."""

    source: int
    place: str
    sender: str
    receiver: str
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    least_ns: int  # silences up to this are usual
    packets: int
    hours: int  # in which it was heard


class Silence(NamedTuple):
    """A path that was silent for longer than usual, and was heard again."""

    source: int
    place: str
    sender: str
    receiver: str
    begin_time: int
    begin_packet: int
    end_time: int
    end_packet: int
    least_ns: int


class Announcement(NamedTuple):
    """Somebody told everybody that an address is his."""

    source: int
    place: str
    address: str
    time: int
    packet: int
    mac: str


class Volume(NamedTuple):
    """What a path carried in one hour."""

    source: int
    place: str
    sender: str
    receiver: str
    hour: int
    packets: int
    bytes: int


class Rhythm(NamedTuple):
    """Response times, or intervals, of one client and device in one hour."""

    source: int
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    hour: int
    kind: str
    buckets: bytes


def listened(store: Store) -> list[Listened]:
    """The sources that were heard, in order of names."""
    return [
        Listened(*row)
        for row in store.all(
            f"SELECT s.id, {SOURCE_TEXTS}, t.first_time, t.last_time, t.packets "  # noqa: S608 - text of this file
            f"FROM clock AS t {_JOIN} WHERE t.packets > 0 ORDER BY s.site, s.point, s.interface"
        )
    ]


def gaps(store: Store) -> list[Gap]:
    """All gaps, in order of sight."""
    return [
        Gap(*row)
        for row in store.all(
            "SELECT source, kind, begin_time, end_time, packet, detail FROM gap "
            "ORDER BY source, number"
        )
    ]


def paths(store: Store, least: int) -> list[Path]:
    """The paths of at least so many packets, in order; with the packets and hours of each.

    With them come the path back and the receiver as a whole, whose packets and hours are 0 where
    they are fewer. So who sent less, as forged senders do, costs next to nothing.
    """
    return [
        Path(*row)
        for row in store.all(
            "WITH sent AS ("
            "SELECT source, place, sender, receiver, SUM(packets) AS packets, COUNT(*) AS hours "
            "FROM volume GROUP BY source, place, sender, receiver HAVING SUM(packets) >= ?1 "
            "UNION ALL "
            "SELECT source, place, sender, '', SUM(packets), COUNT(DISTINCT hour) "
            "FROM volume GROUP BY source, place, sender HAVING SUM(packets) >= ?1), "
            "wanted AS ("
            "SELECT source, place, sender, receiver FROM sent "
            "UNION SELECT source, place, receiver, sender FROM sent WHERE receiver != '' "
            "UNION SELECT source, place, receiver, '' FROM sent WHERE receiver != '') "
            "SELECT t.source, t.place, t.sender, t.receiver, t.first_time, t.first_packet, "
            "t.last_time, t.last_packet, t.least_ns, COALESCE(v.packets, 0), COALESCE(v.hours, 0) "
            "FROM wanted AS w JOIN path AS t ON t.source = w.source AND t.place = w.place "
            "AND t.sender = w.sender AND t.receiver = w.receiver "
            "LEFT JOIN sent AS v ON v.source = t.source AND v.place = t.place "
            "AND v.sender = t.sender AND v.receiver = t.receiver "
            "ORDER BY t.source, t.place, t.sender, t.receiver",
            (least,),
        )
    ]


def silences(store: Store) -> list[Silence]:
    """All silences, in order of their begin."""
    return [
        Silence(*row)
        for row in store.all(
            "SELECT source, place, sender, receiver, begin_time, begin_packet, end_time, "
            "end_packet, least_ns FROM silence "
            "ORDER BY source, begin_time, begin_packet, place, sender, receiver"
        )
    ]


def newest_hour(store: Store) -> int:
    """The last hour of which something is known; 0: none."""
    ((found,),) = store.all("SELECT MAX(hour) FROM volume")
    return int(found or 0)


def announcements(store: Store) -> list[Announcement]:
    """All announcements, in order of time."""
    return [
        Announcement(*row)
        for row in store.all(
            "SELECT source, place, address, time, packet, mac FROM announcement "
            "ORDER BY source, time, packet"
        )
    ]


def volumes(store: Store, since: int = 0) -> Iterator[Volume]:
    """What each path carried, hour by hour, from an hour on; path by path."""
    for row in store.each(
        "SELECT source, place, sender, receiver, hour, packets, bytes FROM volume "
        "WHERE hour >= ? ORDER BY source, place, sender, receiver, hour",
        (since,),
    ):
        yield Volume._make(row)


def loud(store: Store, least: int) -> Iterator[Volume]:
    """What each path carried, hour by hour, of who sent at least so many packets in all."""
    for row in store.each(
        "SELECT source, place, sender, receiver, hour, packets, bytes FROM volume "
        "WHERE (source, place, sender) IN (SELECT source, place, sender FROM volume "
        "GROUP BY source, place, sender HAVING SUM(packets) >= ?) "
        "ORDER BY source, place, sender, receiver, hour",
        (least,),
    ):
        yield Volume._make(row)


def rhythms(store: Store, since: int = 0, *, orders: bool = False) -> list[Rhythm]:
    """How fast devices are asked and answer, hour by hour, from an hour on.

    ``orders``: instead how often each step of a stream was made.
    """
    return [
        Rhythm(*row)
        for row in store.all(
            "SELECT t.source, c.place, c.client, c.server, c.service, t.protocol, t.device, "
            "t.hour, t.kind, t.buckets FROM rhythm AS t "
            "JOIN conversation AS c ON c.source = t.source AND c.number = t.conversation "
            "WHERE t.hour >= ? AND (t.kind LIKE 'order~_%' ESCAPE '~') = ? "
            "ORDER BY t.source, c.place, c.client, c.server, c.service, t.protocol, t.device, "
            "t.hour, t.kind",
            (since, int(orders)),
        )
    ]
