"""Rows that grow with time: those of a past day are summed up, then deleted, a day at a time.

Each step is a short transaction of its own, so whoever reads or writes meanwhile waits for little.
Behaviours keep their counts, so nothing is lost but the moments of what happened long ago.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, replace
from typing import Any

from otsec.config import Keep
from otsec.nanoseconds import DAY_NS
from otsec.store.database import Row, Store
from otsec.store.schema import NONE, TABLES
from otsec.store.sensor import Heartbeat

DAY_HOURS = 24
PAST = "past"  # kind of the events, and state of the heartbeats, that stand for a day
STEPS = 64  # days summed up in one call, so that it ends soon; the next one goes on


def retire(store: Store, source: int, keep: Keep, stop: Callable[[], bool]) -> int:
    """Sum up what of a source is older than it may be; how many rows went.

    Age counts back from the source's last packet, and from its last heartbeat.
    """
    gone = 0
    for step in (
        *_events(store, source, keep),
        *_connections(store, source, keep),
        *_hours(store, source, keep),
        *_heartbeats(store, source, keep),
    ):
        if stop():
            break
        gone += step()
    return gone


Step = Callable[[], int]


def _events(store: Store, source: int, keep: Keep) -> Iterator[Step]:
    """Days of events beyond age or number, the oldest first; then rows that are still too many."""
    found = store.all("SELECT last_time FROM clock WHERE source = ?", (source,))
    if not found:
        return
    today = int(found[0][0]) // DAY_NS
    days = store.all(
        "SELECT time / ?, COUNT(*) - COUNT(DISTINCT behaviour) FROM event WHERE source = ? AND kind <> ? "
        "GROUP BY time / ? ORDER BY time / ?",
        (DAY_NS, source, PAST, DAY_NS, DAY_NS),
    )
    total = _count(store, source)
    for day, fewer in days[:STEPS]:
        if day >= today or (day >= today - keep.event_days and total <= keep.event_rows):
            break
        total -= fewer
        yield lambda day=day: _sum_up_events(store, source, int(day))  # type: ignore[misc]
    yield lambda: _delete_events(store, source, keep.event_rows)


def _hours(store: Store, source: int, keep: Keep) -> Iterator[Step]:
    """What is kept by time goes as events do; nothing stands for it, for paths stay."""
    found = store.all("SELECT last_time FROM clock WHERE source = ?", (source,))
    if not found:
        return
    day = int(found[0][0]) // DAY_NS - keep.event_days
    for table, column, unit in (
        ("rhythm", "hour", DAY_HOURS),
        ("volume", "hour", DAY_HOURS),
        ("announcement", "time", DAY_NS),
        ("held", "last_time", DAY_NS),
        ("bout", "last_time", DAY_NS),
        ("silence", "end_time", DAY_NS),
    ):
        first = max(day * unit, _first_kept(store, source, table, column, keep.hour_rows))
        yield lambda row=(table, column, first): _delete_before(store, source, *row)  # type: ignore[misc]


def _first_kept(store: Store, source: int, table: str, column: str, most: int) -> int:
    """Up to where rows of a table must go for no more to be left than there may be."""
    found = store.all(
        f"SELECT {column} + 1 FROM {table} WHERE source = ? ORDER BY {column} DESC LIMIT 1 OFFSET ?",  # noqa: S608 - names of this file
        (source, most),
    )
    return int(found[0][0]) if found else 0


def _delete_before(store: Store, source: int, table: str, column: str, first: int) -> int:
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        return int(
            store.db.conn.execute(
                f"DELETE FROM {table} WHERE source = ? AND {column} < ?",  # noqa: S608 - names of this file
                (source, first),
            ).rowcount
        )


def _count(store: Store, source: int) -> int:
    return int(store.all("SELECT COUNT(*) FROM event WHERE source = ?", (source,))[0][0])


def _sum_up_events(store: Store, source: int, day: int) -> int:
    """One row for each behaviour of the day, at the packet of its first event."""
    shape = TABLES["event"]
    names = shape.names
    span = (source, day * DAY_NS, (day + 1) * DAY_NS, PAST)
    where = "WHERE source = ? AND time >= ? AND time < ? AND kind <> ?"
    rows = store.all(
        f"SELECT {', '.join(names)} FROM event {where} ORDER BY packet, part",  # noqa: S608 - names of schema.py
        span,
    )
    behaviour, kind, count = (names.index(name) for name in ("behaviour", "kind", "count"))
    sums: dict[int, list[object]] = {}
    for row in rows:
        first = sums.get(row[behaviour])
        if first is None:
            sums[row[behaviour]] = [*row[:kind], PAST, *row[kind + 1 :]]
        else:
            first[count] = int(str(first[count])) + int(row[count])
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        store.db.conn.execute(f"DELETE FROM event {where}", span)  # noqa: S608
        store.db.conn.executemany(shape.upsert, [tuple(row) for row in sums.values()])
    return len(rows) - len(sums)


def _delete_events(store: Store, source: int, most: int) -> int:
    """Delete the oldest sums where even they are more than there may be."""
    over = _count(store, source) - most
    if over <= 0:
        return 0
    found = store.all(
        "SELECT time FROM event WHERE source = ? AND kind = ? ORDER BY time LIMIT 1 OFFSET ?",
        (source, PAST, over),
    )
    until = int(found[0][0]) if found else None
    with store._transaction():  # noqa: SLF001
        done = store.db.conn.execute(
            "DELETE FROM event WHERE source = ? AND kind = ? AND (? IS NULL OR time < ?)",
            (source, PAST, until, until),
        )
    return int(done.rowcount)


# ------------------------------------------------------------------------------- connections


def _connections(store: Store, source: int, keep: Keep) -> Iterator[Step]:
    """As of events: days beyond age or number are summed up, then rows that are still too many go.

    What is not a day old may yet be written to.
    """
    found = store.all("SELECT last_time FROM clock WHERE source = ?", (source,))
    if not found:
        return
    today = int(found[0][0]) // DAY_NS
    days = store.all(
        "SELECT last_time / ?, COUNT(*) - COUNT(DISTINCT conversation) FROM connection "
        "WHERE source = ? GROUP BY last_time / ? ORDER BY last_time / ?",
        (DAY_NS, source, DAY_NS, DAY_NS),
    )
    total = _connection_count(store, source)
    for day, fewer in [one for one in days if one[1]][:STEPS]:
        if day >= today - 1 or (day >= today - keep.event_days and total <= keep.event_rows):
            break
        total -= fewer
        yield lambda day=day: _sum_up_connections(store, source, int(day))  # type: ignore[misc]
    yield lambda: _delete_connections(store, source, (today - 1) * DAY_NS, keep.event_rows)


def _connection_count(store: Store, source: int) -> int:
    return int(store.all("SELECT COUNT(*) FROM connection WHERE source = ?", (source,))[0][0])


def _delete_connections(store: Store, source: int, until: int, most: int) -> int:
    """Delete the oldest where even sums are more than there may be."""
    over = _connection_count(store, source) - most
    gone = store.all(
        "SELECT source, number, first_packet, last_packet FROM connection "
        "WHERE source = ? AND last_time < ? "
        "ORDER BY last_time, number LIMIT ?",
        (source, until, max(over, 0)),
    )
    _replace_connections(store, [(NONE, *one) for one in gone])
    return len(gone)


def _replace_connections(
    store: Store, gone: Sequence[tuple[int, ...]], sums: Sequence[Row] = ()
) -> None:
    """Delete rows; events name another one. ``gone``: its number, source, number, span."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        store.db.conn.executemany(
            "UPDATE event SET connection = ?1 "  # packets first: they are what events are kept by
            "WHERE source = ?2 AND packet BETWEEN ?4 AND ?5 AND connection = ?3",
            gone,
        )
        store.db.conn.executemany(
            "DELETE FROM connection WHERE source = ? AND number = ?", [one[1:3] for one in gone]
        )
        store.db.conn.executemany(TABLES["connection"].upsert, sums)


def _sum_up_connections(store: Store, source: int, day: int) -> int:
    """One row for each conversation of the day, numbered as its first; events follow."""
    shape = TABLES["connection"]
    where = "WHERE source = ? AND last_time >= ? AND last_time < ?"
    rows = store.all(
        f"SELECT {', '.join(shape.names)} FROM connection {where} "  # noqa: S608 - names of schema.py
        "ORDER BY conversation, first_packet, number",
        (source, day * DAY_NS, (day + 1) * DAY_NS),
    )
    sums: dict[int, dict[str, Any]] = {}
    gone: list[tuple[int, ...]] = []
    for row in rows:
        one = dict(zip(shape.names, row, strict=True))
        whole = sums.setdefault(one["conversation"], one)
        if whole is not one:
            span = one["first_packet"], one["last_packet"]
            gone.append((whole["number"], source, one["number"], *span))
            whole |= {name: whole[name] + one[name] for name in ADDED}
            whole |= {"client_port": 0, "ended": "", "opened": whole["opened"] & one["opened"]}
            if one["last_packet"] > whole["last_packet"]:
                whole |= {name: one[name] for name in ("last_time", "last_packet")}
    _replace_connections(store, gone, [tuple(one.values()) for one in sums.values()])
    return len(gone)


ADDED = (
    *("connections", "packets_out", "packets_in", "bytes_out", "bytes_in"),
    *("payload_out", "payload_in"),
)


# -------------------------------------------------------------------------------- heartbeats


def _heartbeats(store: Store, source: int, keep: Keep) -> Iterator[Step]:
    found = store.all("SELECT MAX(time) FROM heartbeat WHERE source = ?", (source,))
    if found[0][0] is None:
        return
    oldest = int(found[0][0]) // DAY_NS - keep.heartbeat_days
    days = store.all(
        "SELECT DISTINCT time / ? FROM heartbeat WHERE source = ? AND state <> ? AND time < ? "
        "ORDER BY 1 LIMIT ?",
        (DAY_NS, source, PAST, oldest * DAY_NS, STEPS),
    )
    for (day,) in days:
        yield lambda day=day: _sum_up_heartbeats(store, source, int(day))  # type: ignore[misc]


def _sum_up_heartbeats(store: Store, source: int, day: int) -> int:
    """One row for the day: sums, and of what is a height the highest."""
    shape = TABLES["heartbeat"]
    span = (source, day * DAY_NS, (day + 1) * DAY_NS)
    where = "WHERE source = ? AND time >= ? AND time < ?"
    rows: list[Row] = store.all(
        f"SELECT {', '.join(shape.names)} FROM heartbeat {where} ORDER BY time",  # noqa: S608 - names of schema.py
        span,
    )
    beats = [Heartbeat(*row) for row in rows]
    last = beats[-1]
    whole = replace(
        last,
        state=PAST,
        **{name: sum(getattr(one, name) for one in beats) for name in SUMMED},
        **{name: max(getattr(one, name) for one in beats) for name in HIGHEST},
        shed=next((one.shed for one in reversed(beats) if one.shed), ""),
    )
    with store._transaction():  # noqa: SLF001
        store.db.conn.execute(f"DELETE FROM heartbeat {where}", span)  # noqa: S608
        store.db.conn.execute(shape.upsert, astuple(whole))
    return len(rows) - 1


SUMMED = ("span_ms", "packets", "bytes", "dropped", "duplicates", "units")
HIGHEST = ("ring_percent", "lag_ms")
