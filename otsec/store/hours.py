"""What each device did in each hour, for ranking hours by how unusual they are."""

from typing import NamedTuple

from otsec.nanoseconds import HOUR_NS
from otsec.store.database import Store


class Hour(NamedTuple):
    """One device in one hour, on the network; counts are of the source that saw most."""

    site: str
    group: str
    place: str
    address: str
    hour: int  # since 1970 UTC
    packets_out: int
    bytes_out: int
    receivers: int
    packets_in: int
    bytes_in: int
    senders: int
    made: int  # notable operations that it did
    met: int  # that were done to it


_PATHS = (
    "SELECT s.site, s.point_group, v.place, v.sender, v.receiver, v.hour, "
    "MAX(v.packets) AS packets, MAX(v.bytes) AS bytes "
    "FROM volume AS v JOIN site_source AS s ON s.id = v.source "
    "GROUP BY s.site, s.point_group, v.place, v.sender, v.receiver, v.hour"
)
_DONE = (
    "SELECT s.site, s.point_group, c.place, c.{0} AS address, e.time / {1} AS hour, "
    "SUM(e.count) AS times FROM event AS e "
    "JOIN conversation AS c ON c.source = e.source AND c.number = e.conversation "
    "JOIN site_source AS s ON s.id = e.source WHERE e.kind IN ('operation', 'capped') "
    "GROUP BY s.site, s.point_group, c.place, c.{0}, e.time / {1}"
)
_SAME = (
    "{0}.site = o.site AND {0}.point_group = o.point_group AND {0}.place = o.place "
    "AND {0}.address = o.address AND {0}.hour = o.hour"
)


def hours(store: Store, most: int) -> list[Hour]:
    """All hours of all devices that sent something, at most so many, the newest first."""
    rows = store.all(
        f"WITH path AS MATERIALIZED ({_PATHS}), "  # noqa: S608 - text of this file
        "o AS MATERIALIZED (SELECT site, point_group, place, sender AS address, hour, "
        "SUM(packets) AS packets, SUM(bytes) AS bytes, COUNT(*) AS peers FROM path "
        "GROUP BY site, point_group, place, sender, hour), "
        "i AS MATERIALIZED (SELECT site, point_group, place, receiver AS address, hour, "
        "SUM(packets) AS packets, SUM(bytes) AS bytes, COUNT(*) AS peers FROM path "
        "GROUP BY site, point_group, place, receiver, hour), "
        f"made AS MATERIALIZED ({_DONE.format('client', HOUR_NS)}), "
        f"met AS MATERIALIZED ({_DONE.format('server', HOUR_NS)}) "
        "SELECT o.site, o.point_group, o.place, o.address, o.hour, o.packets, o.bytes, o.peers, "
        "COALESCE(i.packets, 0), COALESCE(i.bytes, 0), COALESCE(i.peers, 0), "
        "COALESCE(made.times, 0), COALESCE(met.times, 0) FROM o "
        f"LEFT JOIN i ON {_SAME.format('i')} LEFT JOIN made ON {_SAME.format('made')} "
        f"LEFT JOIN met ON {_SAME.format('met')} "
        "ORDER BY o.hour DESC, o.site, o.point_group, o.place, o.address LIMIT ?",
        (most,),
    )
    return list(map(Hour._make, rows))
