"""The baseline as it is kept, and what only it asks of the rest of the store.

Its lines are made by `otsec.baseline`; here they are rows. They hold what was learned and what
people said, so they are no part of the canonical dump.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from otsec.store import acts
from otsec.store.acts import Act
from otsec.store.arrays import told
from otsec.store.database import Row, Store, storable
from otsec.store.queries import NOT_REFUSED, WRITER, WRITING
from otsec.store.schema import NONE, TABLES
from otsec.store.selects import made, marks, selected, source_name
from otsec.store.views import Behaviour, Conversation

How: TypeAlias = Literal["learned", "approved", "imported", "forgotten"]


class Line(NamedTuple):
    """One learned thing; columns as in the table `baseline`."""

    id: str
    kind: str
    site: str
    group: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str
    detail: str
    times: int
    first_time: int
    last_time: int
    point: str
    packets: str  # a JSON list
    how: How
    who: str
    reason: str
    since: int
    until: int

    def holds(self, at: int) -> bool:
        """Whether it is normal at a time, ns by the capture's clock."""
        return self.how != "forgotten" and (not self.until or at <= self.until)


class Ended(NamedTuple):
    """A scope of which learning has ended; columns as in the table `baseline_scope`."""

    site: str
    group: str
    place: str
    address: str  # empty: which devices there are
    ended: int
    how: str
    singles: int
    watched_ns: int


class Watched(NamedTuple):
    """When a source listened."""

    site: str
    group: str
    first_time: int
    last_time: int
    gaps: tuple[tuple[str, int, int], ...]  # kind, begin and end of each


class Written(NamedTuple):
    """What a client wrote to one element."""

    number: int  # of the behaviour within its source
    site: str
    group: str
    point: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str  # the element, `holding 100`
    low: int | float
    high: int | float
    first: int | float
    last: int | float | None
    times: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    # time and packet of the least and of the greatest value; None: not kept
    low_seen: tuple[int, int] | None = None
    high_seen: tuple[int, int] | None = None


_TIMES = ("first_time", "first_packet", "last_time", "last_packet")

# ------------------------------------------------------------------------------- the lines


def lines(store: Store) -> list[Line]:
    """All lines, also the forgotten ones, in order of their ids."""
    return [Line(*row) for row in _all(store, "baseline")]


def ended(store: Store) -> list[Ended]:
    """The scopes of which learning has ended."""
    return [Ended(*row) for row in _all(store, "baseline_scope")]


def keep(
    store: Store, changed: Iterable[Line], closed: Iterable[Ended] = (), said: Sequence[Act] = ()
) -> None:
    """Write lines, ends of learning and the acts that made them so, all or none."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        connection = store.db.conn
        connection.executemany(TABLES["baseline"].upsert, map(_storable, changed))
        connection.executemany(TABLES["baseline_scope"].upsert, map(_storable, closed))
        acts.add(store, said)


def reopen(store: Store, scopes: Iterable[Ended]) -> None:
    """Let learning of scopes go on."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        store.db.conn.executemany(
            "DELETE FROM baseline_scope "
            "WHERE site = ? AND point_group = ? AND place = ? AND address = ?",
            [scope[:4] for scope in scopes],
        )


class Moment(NamedTuple):
    """A notable operation that was not refused, or a span of minutes in which something was written."""

    site: str
    group: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str  # of what was written; empty: it is not told apart by objects
    source: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    times: int


def moments(store: Store) -> Iterator[Moment]:
    """All notable operations that are kept one by one, then all writes, in order of packets."""
    for row in store.db.conn.execute(
        "SELECT s.site, s.point_group, c.place, c.client, c.server, c.service, b.protocol, b.device, "  # noqa: S608 - only marks are put in
        "b.operation, b.class, '', e.source, e.time, e.packet, e.time, e.packet, 1 FROM event AS e "
        "JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        f"JOIN site_source AS s ON s.id = e.source WHERE e.kind = 'operation' "
        f"AND b.outcome IN ({marks(NOT_REFUSED)}) "
        "ORDER BY s.site, s.point, s.interface, e.packet, e.part, e.behaviour",
        NOT_REFUSED,
    ):
        yield Moment._make(row)
    for row in store.db.conn.execute(
        "SELECT s.site, s.point_group, c.place, c.client, c.server, c.service, b.protocol, b.device, "  # noqa: S608 - only marks are put in
        "b.operation, b.class, b.object, t.source, t.first_time, t.first_packet, t.last_time, "
        "t.last_packet, t.count FROM bout AS t "
        "JOIN behaviour AS b ON b.source = t.source AND b.number = t.behaviour "
        "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
        f"JOIN site_source AS s ON s.id = t.source WHERE b.outcome IN ({marks(NOT_REFUSED)}) "
        "ORDER BY s.site, s.point, s.interface, t.first_packet, t.behaviour",
        NOT_REFUSED,
    ):
        yield Moment._make(row)


class HeldValue(NamedTuple):
    """What the element held by which the plant says its state, from when to when."""

    site: str
    group: str
    client: str
    server: str
    device: str
    space: str
    element: int
    value: int | float | None  # None: not a number
    first_time: int
    last_time: int


def held(store: Store) -> list[HeldValue]:
    """All that was held, in order of time."""
    return [
        HeldValue._make((*row, told(np.array([value]), kind)[0], first, last))
        for *row, kind, value, first, last in store.all(
            "SELECT s.site, s.point_group, c.client, c.server, b.device, h.space, h.element, "
            "h.value_type, h.value, h.first_time, h.last_time FROM held AS h "
            "JOIN behaviour AS b ON b.source = h.source AND b.number = h.behaviour "
            "JOIN conversation AS c ON c.source = b.source AND c.number = b.conversation "
            "JOIN site_source AS s ON s.id = h.source "
            "ORDER BY h.first_time, h.last_time, h.source, h.behaviour"
        )
    ]


def _all(store: Store, name: str) -> list[Row]:
    table = TABLES[name]
    return store.all(
        f"SELECT {', '.join(table.names)} FROM {name} ORDER BY {', '.join(table.key)}"  # noqa: S608 - names of schema.py
    )


def _storable(row: Row) -> Row:
    return tuple(storable(cell) if isinstance(cell, str) else cell for cell in row)


# ------------------------------------------------------------------------- what is learned


def watched(store: Store) -> list[Watched]:
    """When each source listened, in order of names; those without packets are left out."""
    gaps: dict[int, list[tuple[str, int, int]]] = {}
    for source, *gap in store.all(
        "SELECT source, kind, begin_time, end_time FROM gap ORDER BY source, number"
    ):
        gaps.setdefault(source, []).append((gap[0], gap[1], gap[2]))
    rows = store.all(
        "SELECT s.id, s.site, s.point_group, k.first_time, k.last_time FROM site_source AS s "
        "JOIN clock AS k ON k.source = s.id WHERE k.packets > 0 "
        "ORDER BY s.site, s.point, s.interface"
    )
    return [Watched._make((*row[1:], tuple(gaps.get(row[0], ())))) for row in rows]


def talks(store: Store) -> list[Conversation]:
    """All conversations as each source saw them: captures of two days may be two sources."""
    return [
        made(Conversation, cells, witnesses=(), doubtful=bool(cells["doubtful"]))
        for cells in selected(store, "conversations", ())
    ]


def deeds(store: Store) -> list[Behaviour]:
    """All behaviours as each source saw them; requests that still wait are left out."""
    return [
        made(
            Behaviour,
            cells,
            witnesses=(),
            packets=tuple(json.loads(cells["packets"])),
            doubtful=bool(cells["doubtful"]),
        )
        for cells in selected(store, "behaviours", (), "AND number >= 0")
    ]


def written(store: Store) -> list[Written]:
    """What each source saw written to each numbered element, by whom, unless it was refused."""
    wanted = f"AND cls IN ({marks(WRITING)}) AND elements > 0"
    rows = (
        cells
        for cells in selected(store, "writers", (), wanted, WRITING)
        if cells["outcome"] in NOT_REFUSED
    )
    found: list[Written] = []
    for cells in rows:
        kind = cells["value_type"] or 0
        low, high, first, last = (
            told(np.frombuffer(cells[name], "<i8"), kind)
            for name in ("minimum", "maximum", "first", "last")
        )
        told_once = Written(
            number=cells["number"],
            site=cells["site"],
            group=cells["point_group"],
            point=source_name(cells),
            **{name: cells[name] for name in (*WRITER[:8], *_TIMES)},
            object="",
            low=0,
            high=0,
            first=0,
            last=None,
            times=cells["count"],
        )
        traces = [_seen(cells[f"{name}_seen"], len(low)) for name in ("minimum", "maximum")]
        for at, (least, most, began) in enumerate(zip(low, high, first, strict=True)):
            if least is not None and most is not None and began is not None:
                element = f"{cells['space']} {cells['first_element'] + at}"
                one = told_once._replace(object=element, low=least, high=most, first=began)
                low_seen, high_seen = (trace[at] for trace in traces)
                one = one._replace(last=last[at], low_seen=low_seen, high_seen=high_seen)
                found.append(one)
    return found


def _seen(blob: bytes, size: int) -> list[tuple[int, int] | None]:
    """Time and packet of each element's extreme."""
    told = np.frombuffer(blob, "<i8").reshape(-1, 2).tolist()
    found = [(time, packet) if packet != NONE else None for time, packet in told]
    return found or [None] * size
