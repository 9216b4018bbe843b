"""What a sensor tells of itself, and what of the store it lets go when it grows old."""

from bisect import bisect_right
from dataclasses import astuple, dataclass, fields
from itertools import accumulate
from pathlib import Path

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
    findings: int = 0
    rules: str = ""


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


def evidence_of(store: Store, source: int) -> dict[str, list[Path]]:
    """The captures of a source in which packets of each finding lie, by the finding's id.

    The source must be alone at its point, as that of a sensor is.
    """
    captures = store.all(
        "SELECT path, packets FROM capture WHERE source = ? AND packets > 0 ORDER BY id", (source,)
    )
    ends = list(accumulate(packets for _, packets in captures))
    found: dict[str, list[Path]] = {}
    for finding, packet in store.all(
        "SELECT finding, packet FROM finding_packet WHERE source = ? ORDER BY finding, packet",
        (source,),
    ):
        at = bisect_right(ends, packet)
        if at < len(captures):
            path = Path(captures[at][0])
            paths = found.setdefault(finding, [])
            if path not in paths:
                paths.append(path)
    return found
