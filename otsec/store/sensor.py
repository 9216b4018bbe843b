"""What a sensor tells of itself, and what of the store it lets go when it grows old."""

from dataclasses import astuple, dataclass, fields

from otsec.store.database import Store
from otsec.store.schema import TABLES


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One row of the table `heartbeat`; the columns say what they hold."""

    source: int
    time: int
    span_ms: int
    state: str
    packets: int
    bytes: int
    dropped: int
    ring_percent: int
    lag_ms: int
    duplicates: int
    units: int
    one_sided_percent: int
    decoded_percent: int
    recorded_bytes: int
    shed: str
    clock: str
    clock_offset_us: int


def beat(store: Store, rows: list[Heartbeat]) -> None:
    """Write heartbeats."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        store.db.conn.executemany(TABLES["heartbeat"].upsert, [astuple(row) for row in rows])


def heartbeats(store: Store, source: int, last: int) -> list[Heartbeat]:
    """The last heartbeats of a source, oldest first."""
    names = ", ".join(field.name for field in fields(Heartbeat))
    rows = store.all(
        f"SELECT {names} FROM heartbeat WHERE source = ? ORDER BY time DESC LIMIT ?",  # noqa: S608 - names of this file
        (source, last),
    )
    return [Heartbeat(*row) for row in reversed(rows)]
