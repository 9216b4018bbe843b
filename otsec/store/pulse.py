"""How much happened when: counts of a store over its time, for the first screen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from otsec.store.database import Store
from otsec.store.selects import marks


class Pulse(NamedTuple):
    """Notable events in equal parts of the time of all sources."""

    begin: int  # ns
    width: int  # of a part, ns
    counts: tuple[int, ...]


class Remote(NamedTuple):
    """Somebody who works on a machine from another one."""

    client: str
    server: str
    protocol: str  # where none was recognised, what its port is used for
    by_port: bool
    last_time: int


def _span(store: Store, site: str, parts: int) -> tuple[int, int, int]:
    """Begin and end of a site's time, and the width of so many parts of it; ns."""
    ((begin, end),) = store.all(
        "SELECT COALESCE(MIN(k.first_time), 0), COALESCE(MAX(k.last_time), 0) FROM clock AS k "
        "JOIN site_source AS s ON s.id = k.source WHERE s.site = ? AND k.packets > 0",
        (site,),
    )
    return begin, end, max((end - begin) // parts + 1, 1)


def pulse(store: Store, site: str, parts: int) -> Pulse:
    """Notable events of a site in so many parts of its time."""
    begin, end, width = _span(store, site, parts)
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


def findings(store: Store, site: str, parts: int) -> dict[str, Pulse]:
    """Findings of a site by level, in the part of its time in which each was first seen."""
    begin, end, width = _span(store, site, parts)
    rows = store.all(
        "SELECT level, (MIN(MAX(first_time, ?), ?) - ?) / ? AS slice, COUNT(*) FROM finding "
        "WHERE site = ? GROUP BY level, slice",
        (begin, end, begin, width, site),
    )
    found: dict[str, list[int]] = {}
    for level, part, count in rows:
        found.setdefault(level, [0] * parts)[part] = count
    return {level: Pulse(begin, width, tuple(counts)) for level, counts in found.items()}


def remote(
    store: Store,
    site: str,
    protocols: Iterable[str],
    ports: Mapping[str, str],
    most: int,
    age_ns: int,
) -> list[Remote]:
    """Who works on what from afar, and was heard in the last moments of its source, the last first.

    ``ports``: by service, what it is where nothing was recognised.
    """
    spoken, known = list(protocols), list(ports)
    rows = store.all(
        "SELECT c.client, c.server, c.protocol, c.service, MAX(c.last_time) AS last FROM conversation AS c "  # noqa: S608 - marks only
        "JOIN site_source AS s ON s.id = c.source JOIN clock AS k ON k.source = c.source "
        f"WHERE s.site = ? AND (c.protocol IN ({marks(spoken)}) OR c.protocol = '' "
        f"AND c.service IN ({marks(known)}) AND c.payload_in > 0) AND c.last_time >= k.last_time - ? "
        "GROUP BY c.client, c.server, c.protocol, c.service ORDER BY last DESC, c.client, c.server LIMIT ?",
        (site, *spoken, *known, age_ns, most),
    )
    return [
        Remote(client, server, protocol or ports[service], not protocol, last)
        for client, server, protocol, service, last in rows
    ]


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
