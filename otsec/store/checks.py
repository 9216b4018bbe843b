"""What the checks of `otsec health` ask of one source: sums and a few examples, never whole tables.

A table holds as many rows as its cap allows, and caps may be raised to millions; so SQL adds up,
and an example is fetched only where there is something to complain of.
"""

from collections.abc import Sequence
from typing import NamedTuple

from otsec.store.broadcasts import BROADCASTS
from otsec.store.database import Store
from otsec.store.selects import device_sql, marks

WINDOW = 14_600  # bytes that TCP sends at most before the first acknowledgement (RFC 6928 2)


class Spoken(NamedTuple):
    """All conversations of one protocol together."""

    protocol: str  # "" where none was recognised
    packets: int
    payload: int  # bytes
    undecoded: int  # bytes
    malformed: int
    truncated: int


class Numbered(NamedTuple):
    """All conversations together of one service of which no protocol was recognised."""

    service: str
    packets: int


class Streams(NamedTuple):
    """TCP conversations that carried data, by which sides of them were seen."""

    both: int
    client_alone: int  # and the server must have sent something that was not seen
    server_alone: int
    unproven: int  # one side alone, and nothing shows that the other one ever sent anything
    sent: int  # bytes, of those with both sides, also those that were never seen
    lost: int  # bytes of them that were never seen


class Torn(NamedTuple):
    """Conversations that go one way with one VLAN tag, and back with another or none."""

    pairs: int
    streams: int  # halves of them among those of `Streams`
    one: str  # ends and service of one of them
    other: str
    service: str


class Example(NamedTuple):
    """A conversation that shows something."""

    client: str
    server: str
    service: str
    place: str
    amount: int  # of what it shows
    packet: int  # its first, by ordinal
    time: int


class Owners(NamedTuple):
    """IP addresses and the devices that send them, told by MAC addresses that carry no other."""

    addresses: int
    shared: int  # by several devices
    worst: tuple[tuple[str, str], ...]  # place and address of some of these


class Sender(NamedTuple):
    """A MAC address with the first packet that it sent."""

    mac: str
    packet: int
    time: int


class Lookups(NamedTuple):
    """Addresses of devices that ARP asked for."""

    asked: int
    silent: int  # never answered


class Silent(NamedTuple):
    """An address that was asked for and never answered."""

    address: str
    asked: int
    packet: int
    time: int


class Silence(NamedTuple):
    """Addresses that were asked for and never answered."""

    heard: int  # of which other things are heard
    worst: tuple[Silent, ...]  # most asked first, those that are never heard before the others


class Files(NamedTuple):
    """The captures of a point, over all its interfaces."""

    read: int
    bad: int  # damaged, or not read to the end
    path: str  # of the first bad one
    damage: str


# ----------------------------------------------------------------------- conversations

_PACKETS = "packets_out + packets_in"
_PAYLOAD = "payload_out + payload_in"
_UNDECODED = "undecoded_out + undecoded_in"
_LOST = "lost_out + lost_in"
_BOTH = "(packets_out > 0 AND packets_in > 0)"
# Who sends data over TCP has been answered before, or forges: that the other side spoke is proven
# by what was acknowledged to it, or by more data than is ever sent without an acknowledgement.
_CLIENT_ALONE = f"(packets_in = 0 AND (lost_in > 0 OR payload_out > {WINDOW} * (connections + 1)))"
_SERVER_ALONE = f"(packets_out = 0 AND (lost_out > 0 OR payload_in > {WINDOW} * (connections + 1)))"
_UNPROVEN = f"NOT ({_BOTH} OR {_CLIENT_ALONE} OR {_SERVER_ALONE})"
_CARRIED = f"(service GLOB 'tcp/*' AND {device_sql('client')} AND {_PAYLOAD} + {_LOST} > 0)"

SHOWS = {  # what an example can be asked for: which rows, and what of it counts
    "one side": (f"{_CARRIED} AND ({_CLIENT_ALONE} OR {_SERVER_ALONE})", _PACKETS),
    "unproven": (f"{_CARRIED} AND {_UNPROVEN}", _PACKETS),
    "lost": (f"{_CARRIED} AND {_BOTH}", _LOST),
    "not decoded": ("protocol = ?", f"malformed * 1000000 + {_UNDECODED}"),
    "numbered": ("protocol = '' AND service = ?", _PACKETS),
    "between": ("client IN (?, ?) AND server IN (?, ?) AND service = ?", _PACKETS),
}


def spoken(store: Store, source: int) -> list[Spoken]:
    """What is spoken, by protocol."""
    rows = store.all(
        f"SELECT protocol, SUM({_PACKETS}), SUM({_PAYLOAD}), SUM({_UNDECODED}), "  # noqa: S608 - text of this file
        "SUM(malformed), SUM(truncated) FROM conversation WHERE source = ? "
        "GROUP BY protocol ORDER BY protocol",
        (source,),
    )
    return [Spoken(*row) for row in rows]


def numbered(
    store: Store, source: int, services: Sequence[str], *, groups: bool = False
) -> list[Numbered]:
    """What has one of these numbers, but no protocol; ``groups``: what is sent to groups instead."""
    which = f"NOT {device_sql('server')}" if groups else "protocol = ''"
    rows = store.all(
        f"SELECT service, SUM({_PACKETS}) FROM conversation WHERE source = ? "  # noqa: S608 - text of this file
        f"AND service IN ({marks(services)}) AND {which} GROUP BY service ORDER BY service",
        (source, *services),
    )
    return [Numbered(*row) for row in rows]


def streams(store: Store, source: int) -> Streams:
    """How the TCP conversations that carried data were seen."""
    (row,) = store.all(
        f"SELECT COUNT(*) FILTER (WHERE {_BOTH}), COUNT(*) FILTER (WHERE {_CLIENT_ALONE}), "  # noqa: S608 - text of this file
        f"COUNT(*) FILTER (WHERE {_SERVER_ALONE}), COUNT(*) FILTER (WHERE {_UNPROVEN}), "
        f"COALESCE(SUM({_PAYLOAD} + {_LOST}) FILTER (WHERE {_BOTH}), 0), "
        f"COALESCE(SUM({_LOST}) FILTER (WHERE {_BOTH}), 0) "
        f"FROM conversation WHERE source = ? AND {_CARRIED}",
        (source,),
    )
    return Streams(*row)


def silent_elsewhere_heard(store: Store, source: int) -> int:
    """Of the conversations with one side alone: those whose silent side answers others."""
    ((count,),) = store.all(
        "SELECT COUNT(*) FROM conversation WHERE source = ? "  # noqa: S608 - text of this file
        f"AND {_CARRIED} AND ({_CLIENT_ALONE} OR {_SERVER_ALONE}) "
        "AND CASE packets_in WHEN 0 THEN server ELSE client END IN ("
        f"SELECT server FROM conversation WHERE source = ? AND {_CARRIED} AND {_BOTH} "
        f"UNION SELECT client FROM conversation WHERE source = ? AND {_CARRIED} AND {_BOTH})",
        (source, source, source),
    )
    return int(count)


def torn(store: Store, source: int) -> Torn:
    """Pairs of which each direction has a VLAN tag of its own; both are devices."""
    # Of each pair: the least and the greatest place in which the lower and the higher end speak.
    lower = "(client < server) = (packets_out > 0)"
    rows = store.all(
        "SELECT COUNT(*) OVER (), SUM(streams) OVER (), one, other, service FROM ("  # noqa: S608 - text of this file
        "SELECT MIN(client, server) AS one, MAX(client, server) AS other, service, "
        f"MIN(place) FILTER (WHERE {lower}) AS low_first, "
        f"MAX(place) FILTER (WHERE {lower}) AS low_last, "
        f"MIN(place) FILTER (WHERE NOT {lower}) AS high_first, "
        f"MAX(place) FILTER (WHERE NOT {lower}) AS high_last, "
        f"COUNT(*) FILTER (WHERE {_CARRIED}) AS streams, MIN(number) AS number "
        "FROM conversation WHERE source = ? AND (packets_out > 0) <> (packets_in > 0) "
        f"AND {device_sql('server')} GROUP BY one, other, service) "
        "WHERE low_first IS NOT NULL AND high_first IS NOT NULL "
        "AND NOT (low_first = low_last AND low_last = high_first AND high_first = high_last) "
        "ORDER BY number LIMIT 1",
        (source,),
    )
    return Torn(*rows[0]) if rows else Torn(0, 0, "", "", "")


def places(store: Store, source: int, most: int) -> list[str]:
    """Places of conversations in order, the untagged one among them."""
    rows = store.all(
        "SELECT DISTINCT place FROM conversation WHERE source = ? ORDER BY place LIMIT ?",
        (source, most),
    )
    return [place for (place,) in rows]


def examples(
    store: Store, source: int, shows: str, most: int, parameters: Sequence[object] = ()
) -> list[Example]:
    """Conversations that show something (a key of SHOWS), those with most of it first."""
    rows, amount = SHOWS[shows]
    found = store.all(
        f"SELECT client, server, service, place, {amount} AS amount, first_packet, first_time "  # noqa: S608 - text of this file
        f"FROM conversation WHERE source = ? AND {rows} ORDER BY amount DESC, number LIMIT ?",
        (source, *parameters, most),
    )
    return [Example(*row) for row in found]


# ----------------------------------------------------------------------------- stations


def has_macs(store: Store, source: int) -> bool:
    """Whether the link has MAC addresses."""
    return bool(
        store.all("SELECT 1 FROM station WHERE source = ? AND mac <> '' LIMIT 1", (source,))
    )


# A router's MAC carries many addresses, so only MACs that carry one alone tell of a device.
# Every host has the loopback addresses (RFC 1122 3.2.1.3, RFC 4291 2.5.3).
_OWNERS = f"""
SELECT place, address, COUNT(*) AS owners, MIN(frames) AS frames FROM (
    SELECT place, mac, MIN(address) AS address, SUM(frames) AS frames FROM station
    WHERE source = ? AND mac <> '' AND address <> '' GROUP BY place, mac HAVING COUNT(*) = 1)
WHERE {device_sql("address")} AND address NOT LIKE '127.%' AND address <> '::1'
GROUP BY place, address
"""  # noqa: S608 - text of this file


def owners(store: Store, source: int, most: int) -> Owners:
    """IP addresses of which the MAC addresses tell one device each, and those that have several."""
    rows = store.all(
        "SELECT COUNT(*) OVER (), COUNT(*) FILTER (WHERE owners > 1) OVER (), place, address, "  # noqa: S608 - text of this file
        f"owners FROM ({_OWNERS}) ORDER BY owners > 1 DESC, frames DESC, address LIMIT ?",
        (source, most),
    )
    if not rows:
        return Owners(0, 0, ())
    shared = tuple((place, address) for *_, place, address, count in rows if count > 1)
    return Owners(rows[0][0], rows[0][1], shared)


def senders(store: Store, source: int, place: str, address: str, most: int) -> list[Sender]:
    """MAC addresses that carry an IP address, and no other."""
    rows = store.all(
        "SELECT mac, first_packet, first_time FROM station WHERE source = ? AND place = ? "
        "AND address = ? AND mac IN (SELECT mac FROM station WHERE source = ? AND place = ? "
        "AND mac <> '' AND address <> '' GROUP BY mac HAVING COUNT(*) = 1) ORDER BY number LIMIT ?",
        (source, place, address, source, place, most),
    )
    return [Sender(*row) for row in rows]


# ------------------------------------------------------------------------------ look-ups

_ASKED = (
    f"source = ? AND asked > 0 AND {device_sql('address')} AND CASE WHEN (place, address) IN ("  # noqa: S608 - text of this file
    f"SELECT b.place, b.address FROM ({BROADCASTS}) AS b JOIN site_source AS s "
    "ON s.site = b.site AND s.point_group = b.point_group WHERE s.id = ?) THEN 0 ELSE 1 END"
)


def lookups(store: Store, source: int) -> Lookups:
    """How many addresses of devices were asked for, and how many of them never answered."""
    (row,) = store.all(
        f"SELECT COUNT(*), COUNT(*) FILTER (WHERE answered = 0) FROM lookup WHERE {_ASKED}",  # noqa: S608 - text of this file
        (source, source),
    )
    return Lookups(*row)


# A row that is not in a list is found out at once only where NULL need not be told from false: in
# WHERE and behind CASE WHEN. Elsewhere SQLite reads the whole list for each row.


def silent(store: Store, source: int, most: int) -> Silence:
    """Addresses that never answered: how many are heard otherwise; the most asked of the others."""
    rows = store.all(
        "SELECT SUM(heard) OVER (), address, asked, first_packet, first_time FROM ("  # noqa: S608 - text of this file
        "SELECT *, CASE WHEN (place, address) IN "
        "(SELECT place, address FROM station WHERE source = ?) THEN 1 ELSE 0 END "
        f"AS heard FROM lookup WHERE {_ASKED} AND answered = 0) "
        "ORDER BY heard, asked DESC, address LIMIT ?",
        (source, source, source, most),
    )
    return Silence(rows[0][0] if rows else 0, tuple(Silent(*row[1:]) for row in rows))


# -------------------------------------------------------------------------------- files


def files(store: Store, site: str, point: str) -> Files:
    """The captures of a point, and the first of those that are damaged or were not read whole."""
    rows = store.all(
        "SELECT COUNT(*) OVER (), COUNT(*) FILTER (WHERE bad) OVER (), path, damage FROM ("
        "SELECT *, damage <> '' OR complete = 0 AS bad FROM capture WHERE source IN "
        "(SELECT id FROM site_source WHERE site = ? AND point = ?)) ORDER BY bad DESC, id LIMIT 1",
        (site, point),
    )
    return Files(*rows[0]) if rows else Files(0, 0, "", "")
