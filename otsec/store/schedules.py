"""Schedules of reports, their runs and their deliveries; none of it derives from packets.

A run is known by (schedule, due time), a delivery by these and its target. Each changes state in
one transaction, so that whoever is killed leaves it as before or as after.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from otsec.store.acts import Act, add
from otsec.store.database import Store, storable
from otsec.store.schema import TABLES

RunState: TypeAlias = Literal["waiting", "running", "done", "failed", "missed", "retired"]
SentState: TypeAlias = Literal["waiting", "sent", "failed"]
REMOVED = "the schedule was removed"  # why a run was not made that nobody misses


class Schedule(NamedTuple):
    """One schedule; columns as in the table of the same name."""

    name: str
    words: str
    cron: str
    zone: str
    kinds: str
    formats: str
    span: str
    options: str
    folder: str
    targets: str
    catch_up: str
    keep_count: int
    keep_days: int
    hold: int
    since: int


class Run(NamedTuple):
    """One run of a schedule; columns as in the table `report_run`."""

    schedule: str
    due: int
    state: RunState
    recorded: int
    period: str = ""
    begin: int = 0
    end: int = 0
    started: int = 0
    ended: int = 0
    tries: int = 0
    next_try: int = 0
    error: str = ""
    folder: str = ""
    number: int = 0
    manifest: str = ""
    hold: int = 0


class Delivery(NamedTuple):
    """One report on its way to one target; columns as in the table of the same name."""

    schedule: str
    due: int
    target: str
    state: SentState = "waiting"
    tries: int = 0
    next_try: int = 0
    ended: int = 0
    error: str = ""


def schedules(store: Store) -> list[Schedule]:
    """All schedules by name."""
    return [Schedule(*row) for row in _rows(store, "schedule", "ORDER BY name")]


def runs(store: Store) -> list[Run]:
    """All runs, those that are due first at the head."""
    return [Run(*row) for row in _rows(store, "report_run", "ORDER BY due, schedule")]


def runs_of(store: Store, schedule: str) -> list[Run]:
    """The runs of a schedule in order of their due times."""
    rows = _rows(store, "report_run", "WHERE schedule = ? ORDER BY due", (schedule,))
    return [Run(*row) for row in rows]


def deliveries(store: Store) -> list[Delivery]:
    """All deliveries in order of the reports' due times."""
    rows = _rows(store, "delivery", "ORDER BY due, schedule, target")
    return [Delivery(*row) for row in rows]


def head(store: Store) -> tuple[int, str]:
    """Number and manifest of the newest run in the chain; 0 and "" before the first."""
    found = store.all("SELECT number, manifest FROM report_run ORDER BY number DESC LIMIT 1")
    return (int(found[0][0]), str(found[0][1])) if found else (0, "")


def put_schedule(store: Store, schedule: Schedule, act: Act) -> None:
    """Add a schedule or replace the one of that name, with the act that says so."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        _put(store, "schedule", [schedule])
        add(store, [act])


def remove_schedule(store: Store, name: str, act: Act) -> None:
    """Take a schedule away; its runs stay, those that wait are missed."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        store.db.conn.execute("DELETE FROM schedule WHERE name = ?", (name,))
        store.db.conn.execute(
            "UPDATE report_run SET state = 'missed', error = ? "
            "WHERE schedule = ? AND state IN ('waiting', 'running')",
            (REMOVED, name),
        )
        add(store, [act])


def put_runs(
    store: Store,
    changed: Iterable[Run],
    *,
    deliver: Iterable[Delivery] = (),
    acts: Sequence[Act] = (),
) -> None:
    """Write runs, the deliveries that follow from them and what is recorded of them: all or none."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        _put(store, "report_run", changed)
        _put(store, "delivery", deliver)
        add(store, acts)


def put_deliveries(store: Store, changed: Iterable[Delivery]) -> None:
    """Write deliveries."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        _put(store, "delivery", changed)


def _put(store: Store, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    store.db.conn.executemany(
        TABLES[table].upsert,
        [[storable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows],
    )


def _rows(
    store: Store, table: str, rest: str, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    names = ", ".join(TABLES[table].names)
    return store.all(f"SELECT {names} FROM {table} {rest}", parameters)  # noqa: S608 - texts of this file
