"""The order in which messages come, as the baseline asks for it."""

from typing import NamedTuple

from otsec.store.database import Store
from otsec.store.timing import SOURCE_TEXTS


class StepRow(NamedTuple):
    """Which message followed which two, as one source saw it in one stream."""

    source: int
    site: str
    group: str
    point: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    sort: str  # `asks`, `changes` or `tells`
    earlier: str  # empty: the connection began
    before: str
    after: str  # empty: any other
    rank: int
    times: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


def steps(store: Store) -> list[StepRow]:
    """All steps of conversations that are not in doubt, stream by stream in order of rank."""
    return [
        StepRow(*row)
        for row in store.all(
            f"SELECT t.source, {SOURCE_TEXTS}, c.place, c.client, c.server, c.service, t.protocol, "  # noqa: S608 - text of this package
            "t.device, t.sort, t.earlier, t.before, t.after, t.rank, t.count, t.first_time, "
            "t.first_packet, t.last_time, t.last_packet FROM step AS t "
            "JOIN site_source AS s ON s.id = t.source "
            "JOIN conversation AS c ON c.source = t.source AND c.number = t.conversation "
            "WHERE NOT c.doubtful ORDER BY t.source, c.place, c.client, c.server, c.service, "
            "t.protocol, t.device, t.sort, t.rank"
        )
    ]
