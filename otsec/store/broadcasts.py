"""Broadcast addresses of networks: they look like those of devices, and nobody has them.

Which one it is depends on the size of the network, that no packet tells (RFC 919 7). But their
frames go to everybody, so who sends them is the publisher, and nobody ever sends from there.
"""

from typing import TypeAlias

from otsec.model import Kind
from otsec.store.database import Store
from otsec.store.selects import device_sql

At: TypeAlias = tuple[str, str, str, str]  # site, point group, place, address

_OF = "JOIN site_source AS s ON s.id = t.source WHERE (t.place, t.{}) IN (SELECT place, address FROM aloud)"
BROADCASTS = (  # site, point_group, place, address; to stand in a statement as a table
    "WITH aloud AS MATERIALIZED ("  # noqa: S608 - text of this package
    "SELECT DISTINCT s.site, s.point_group, t.place, t.server AS address "
    "FROM conversation AS t JOIN site_source AS s ON s.id = t.source "
    f"WHERE t.client_reason = 'publisher' AND t.kind = {Kind.IPV4} AND {device_sql('t.server')}) "
    "SELECT site, point_group, place, address FROM aloud "
    "EXCEPT SELECT s.site, s.point_group, t.place, t.address FROM station AS t "
    f"{_OF.format('address')} "
    "EXCEPT SELECT s.site, s.point_group, t.place, t.server FROM conversation AS t "
    f"{_OF.format('server')} AND t.client_reason <> 'publisher'"
)


def broadcasts(store: Store) -> frozenset[At]:
    """The addresses that frames to everybody went to, nothing else, and of which none ever came."""
    return frozenset(store.all(BROADCASTS))
