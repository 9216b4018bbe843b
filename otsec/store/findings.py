"""Findings: what rules made of the store, written anew whenever it is judged.

They derive from packets and rules alone, so they belong in the canonical dump; what people decide
of them are acts (`store.acts`), kept by the finding's id, which never changes.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from otsec.store.database import Row, Store, storable
from otsec.store.schema import NONE, TABLES


class Finding(NamedTuple):
    """One finding; columns as in the table of the same name."""

    id: str
    site: str
    group: str
    place: str
    rule: str
    name: str
    category: str
    level: str
    title: str
    client: str
    server: str
    service: str
    device: str
    protocol: str
    times: int
    source: int
    witnesses: tuple[str, ...]
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    operations: tuple[str, ...]
    objects: tuple[str, ...]
    outcomes: tuple[str, ...]
    techniques: tuple[str, ...]
    falsepositives: tuple[str, ...]
    seen: str
    expected: str
    why: str
    next: str
    doubt: str
    incident: str
    short: str = ""  # as much of the id as tells it from all others; given by `replace`

    @property
    def own(self) -> bool:
        """Whether it is about otsec itself, so that no packet shows it."""
        return self.source == NONE


class Packet(NamedTuple):
    """A packet that shows a finding."""

    source: int
    finding: str
    packet: int
    time: int
    what: str


LEAST = 8  # letters of a short id: what ids had before they were longer
AT_ONCE = 500  # values that one statement binds
LISTS = (
    *("witnesses", "operations", "objects", "outcomes", "techniques", "falsepositives"),
)  # columns that hold JSON lists


def replace(store: Store, found: Sequence[tuple[Finding, Sequence[Packet]]]) -> list[Finding]:
    """Keep these findings, but for what is noted of otsec itself no others, all or none.

    Gives them with their short ids.
    """
    own = noted(store)
    short = shortest([finding.id for finding in (*own, *(finding for finding, _ in found))])
    kept = [finding._replace(short=short[finding.id]) for finding, _ in found]
    own = [finding._replace(short=short[finding.id]) for finding in own]
    rows = [_row(finding) for finding in (*own, *kept)]
    packets = [
        (*one[:4], storable(one.what)) for _, packets in found for one in packets
    ]  # fmt: skip
    if (rows, packets) == (_all(store, "finding"), _all(store, "finding_packet")):
        return kept
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        connection = store.db.conn
        connection.execute("DELETE FROM finding WHERE source <> ?", (NONE,))
        connection.execute("DELETE FROM finding_packet")
        connection.executemany(TABLES["finding"].upsert, rows)
        connection.executemany(TABLES["finding_packet"].upsert, packets)
    return kept


def noted(store: Store) -> list[Finding]:
    """What is noted of otsec itself: findings of no source."""
    return _told(store.all(_select("finding", f"WHERE source = {NONE}")))


def note(store: Store, found: Sequence[Finding]) -> list[Finding]:
    """Keep these findings of no source and no others; gives those that are new or go on."""
    before = {one.id: one for one in noted(store)}
    ids = [name for (name,) in store.all("SELECT id FROM finding")]
    short = shortest([*ids, *(one.id for one in found)])
    kept = [one._replace(short=short[one.id]) for one in found]
    if kept != list(before.values()):
        with store._transaction():  # noqa: SLF001 - this is a part of the store
            connection = store.db.conn
            connection.execute("DELETE FROM finding WHERE source = ?", (NONE,))
            connection.executemany(TABLES["finding"].upsert, map(_row, kept))
    return [one for one in kept if one.id not in before or before[one.id].last_time < one.last_time]


def shortest(ids: Sequence[str]) -> dict[str, str]:
    """Of each id as many of its first letters, at least `LEAST`, as no other id begins with."""
    ordered = sorted(set(ids))
    alike = [_alike(one, other) for one, other in pairwise(ordered)]
    return {
        name: name[: max(LEAST, before + 1, after + 1)]
        for name, before, after in zip(ordered, [0, *alike], [*alike, 0], strict=False)
    }


def _alike(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def beginning(store: Store, text: str) -> list[str]:
    """The ids that begin so, in order; of an incident that begins so, those of its findings."""
    column = "incident" if text.startswith("i") else "id"  # ids are hexadecimal
    rows = store.all(
        f"SELECT id, {column} FROM finding WHERE {column} >= ? AND {column} < ? || 'z' "  # noqa: S608 - one of two names
        f"ORDER BY {column}, id",
        (text, text),
    )
    if len({name for _, name in rows}) > 1 and rows[0][1] == text:
        return [one for one, name in rows if name == text]
    return [one for one, _ in rows]


def findings(store: Store, column: str = "", values: Sequence[str] = ()) -> list[Finding]:
    """All findings in order of their ids, or those with one of the values in a column."""
    if not column:
        return _told(store.each(_select("finding")))
    names = TABLES["finding"].names
    if column not in names:
        raise ValueError(column)
    found: list[Finding] = []
    for begin in range(0, len(values), AT_ONCE):
        some = values[begin : begin + AT_ONCE]
        rows = store.all(
            f"SELECT {', '.join(names)} FROM finding WHERE {column} IN "  # noqa: S608 - names of schema.py
            f"({', '.join('?' * len(some))}) ORDER BY id",
            some,
        )
        found += _told(rows)
    return found


def first_seen(store: Store, site: str, begin: int, end: int) -> int:
    """How many findings of a site were first seen in a span; ns, both ends in it."""
    rows = store.all(
        "SELECT COUNT(*) FROM finding WHERE site = ? AND first_time BETWEEN ? AND ?",
        (site, begin, end),
    )
    return int(rows[0][0])


def packets(store: Store, finding: str) -> list[tuple[Packet, str]]:
    """The packets of a finding in order, each with the name of its source."""
    name = "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"
    rows = store.all(
        f"SELECT p.source, p.finding, p.packet, p.time, p.what, {name} FROM finding_packet AS p "  # noqa: S608 - text of this file
        "JOIN site_source AS s ON s.id = p.source WHERE p.finding = ? ORDER BY p.packet, p.what",
        (finding,),
    )
    return [(Packet._make(row[:5]), row[5]) for row in rows]


def _all(store: Store, name: str) -> list[Row]:
    return store.all(_select(name))


def _select(name: str, where: str = "") -> str:
    table = TABLES[name]
    return f"SELECT {', '.join(table.names)} FROM {name} {where} ORDER BY {', '.join(table.key)}"  # noqa: S608 - names of schema.py


def _row(finding: Finding) -> Row:
    cells: list[Any] = []
    values: tuple[Any, ...] = finding
    for name, value in zip(Finding._fields, values, strict=True):
        if name in LISTS:
            cells.append(storable(json.dumps(list(value), ensure_ascii=False)))
        else:
            cells.append(storable(value) if isinstance(value, str) else value)
    return tuple(cells)


_LISTED = tuple(map(Finding._fields.index, LISTS))
_ALIKE = tuple(  # texts that many findings share; each is kept once
    n for n, kind in enumerate(Finding.__annotations__.values())
    if kind is str and Finding._fields[n] not in {"id", "short", "incident"}
)  # fmt: skip


def finding_of(row: Row) -> Finding:
    """A finding of a row, in the order of the table's columns."""
    return _told([row])[0]


def _told(rows: Iterable[Row]) -> list[Finding]:
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {"[]": ()}
    found = []
    for row in rows:
        cells = list(row)
        for n in _ALIKE:
            cells[n] = texts.setdefault(cells[n], cells[n])
        for n in _LISTED:
            text = cells[n]
            if text not in lists:
                lists[text] = tuple(json.loads(text))
            cells[n] = lists[text]
        found.append(Finding._make(cells))
    return found
