"""How much happened when: counts of a store over its time, for the first screen."""

from collections.abc import Sequence
from typing import NamedTuple

from otsec.store.database import Store


class Pulse(NamedTuple):
    """Notable events in equal parts of the time of all sources."""

    begin: int  # ns
    width: int  # of a part, ns
    counts: tuple[int, ...]


def pulse(store: Store, site: str, parts: int) -> Pulse:
    """Notable events of a site in so many parts of its time."""
    ((begin, end),) = store.all(
        "SELECT COALESCE(MIN(k.first_time), 0), COALESCE(MAX(k.last_time), 0) FROM clock AS k "
        "JOIN site_source AS s ON s.id = k.source WHERE s.site = ? AND k.packets > 0",
        (site,),
    )
    width = max((end - begin) // parts + 1, 1)
    rows = store.all(
        "SELECT (e.time - ?) / ? AS slice, SUM(e.count) FROM event AS e "
        "JOIN site_source AS s ON s.id = e.source WHERE s.site = ? AND e.time BETWEEN ? AND ? "
        "GROUP BY slice",
        (begin, width, site, begin, end),
    )
    counts = [0] * parts
    for part, count in rows:
        counts[part] = count
    return Pulse(begin, width, tuple(counts))


def blind(store: Store, site: str) -> Sequence[tuple[str, int, int]]:
    """Gaps by kind: how many, and how long together, ns."""
    return [
        (kind, count, length)
        for kind, count, length in store.all(
            "SELECT g.kind, COUNT(*), SUM(MAX(g.end_time - g.begin_time, 0)) FROM gap AS g "
            "JOIN site_source AS s ON s.id = g.source WHERE s.site = ? GROUP BY g.kind ORDER BY 2 DESC",
            (site,),
        )
    ]
