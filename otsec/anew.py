"""Going on with a source whose state nobody can read: from the rows of the store alone.

A sensor that was updated must go on in its store. All that was counted is in the rows; what was
under way (connections, requests that wait, what they agreed on) is let go, and a gap says so.
"""

from collections import Counter
from typing import Any

from otsec.engine import Engine
from otsec.store import Store

KIND = "restart"  # of the gap: nothing was lost of the capture, but nothing is judged across it
DETAIL = "an otsec of another version went on: what was under way is not known"
REBUILT = ("station", "conversation", "path", "announcement")  # else told by the state
FRAGMENTS = "fragments:"  # begins the names of what became of datagrams


def rebuild(engine: Engine, store: Store, source: int) -> None:
    """Bring a new engine to where the store's rows of a source are."""
    rows: dict[str, list[tuple[Any, ...]]] = {
        table: store.rows(table, source) for table in (*engine.tables, *REBUILT)
    }
    engine.restore(rows)
    for *_, last, epoch, steady in rows["clock"]:
        engine.clock.load({"latest": last, "last": last, "epoch": epoch, "steady": steady})
    engine.stations.restore(rows["station"])
    engine.paths.restore(rows["path"], engine.clock.steady)
    engine.announcements.restore(sorted(rows["announcement"], key=lambda row: int(row[4])))
    engine.conversations.restore(rows["conversation"], engine.registry.names, engine.packets)
    engine.conversations.singles.count = store.next_number("connection", source)
    engine.totals.begin_anew()
    engine.fragments.counters = Counter(
        {
            name.removeprefix(FRAGMENTS): int(row[0])
            for (name, _), row in engine.hearing.counters.rows.items()
            if name.startswith(FRAGMENTS) and name != FRAGMENTS + "waiting"
        }
    )
    engine.hearing.gap_count = store.next_number("gap", source)
    last = engine.clock.last
    if last is not None:
        engine.clock.skip(last)
        engine.hearing.gap(KIND, last, last, engine.packets, DETAIL, heard=False)
