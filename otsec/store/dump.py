"""The canonical dump: all that derives from packets as text, equal for equal captures.

Rows are named by what they are, never by number, and lines are sorted, so that neither the order
of work nor its division shows. What does not derive from packets stays outside: paths, offsets,
state, and the counters that tell how the engine went about it (``engine:...``).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from otsec.store import histograms
from otsec.store.arrays import numbers
from otsec.store.database import Row, Store
from otsec.store.faults import told
from otsec.store.schema import NONE, TABLES, Column, Table

# Categories of findings that depend on what was learned, and on what people say of devices.
SAID = frozenset({"baseline", "outage"})
NOTHING = "-"  # a reference to nothing; every other value has quotes, digits or brackets
_CONVERSATION = ("place", "kind", "client", "server", "service")
_BEHAVIOUR = ("protocol", "device", "operation", "class", "object", "outcome")

Names: TypeAlias = Mapping[str, Mapping[int, str]]  # by table, the natural key of each number


def dump(store: Store) -> Iterator[str]:
    """The lines of the dump, without line ends: source by source, table by table.

    A line is the table, the source, and the columns as ``name=value``; text stands in quotes with
    everything but printable ASCII escaped. Sources without packets are left out. Until the last
    line is drawn the store is read in one transaction and can write nothing.
    """
    connection = store.db.conn
    with told(store.path):
        connection.execute("BEGIN")  # all lines show one moment, whoever writes meanwhile
    try:
        sources = store.all(
            "SELECT site, point, interface, id, point_group FROM site_source "
            "ORDER BY site, point, interface"
        )
        for site, point, interface, number, group in sources:
            name = _text("/".join(map(_part, (site, point, interface))))
            yield from _source(store, name, number, group)
            yield from _judged(store, name, number)
    finally:
        connection.execute("ROLLBACK")


def _source(store: Store, name: str, source: int, group: str) -> Iterator[str]:
    if not any(packets for (packets,) in _clock(store, source)):
        return
    yield f"source {name} group={_text(group)}"
    names = _names(store, source)
    for table in TABLES.values():
        if table.derived and table.pushed:
            show = _line(table, name, names)
            yield from sorted(
                show(row) for row in store.rows(table.name, source) if _tells(table, row)
            )


def _judged(store: Store, name: str, source: int) -> Iterator[str]:
    """What rules found, with the source that saw most of it.

    What deviates from the baseline stays outside, and outages: they are learned and said, not seen.
    """
    told, packets = TABLES["finding"], TABLES["finding_packet"]
    category, which = told.names.index("category"), packets.names.index("finding")
    rows = store.rows(told.name, source)
    own = {row[0] for row in rows if row[category] in SAID}
    show = _line(told, name, {"site_source": {source: name}}, without="short")
    yield from sorted(show(row) for row in rows if row[0] not in own)
    show = _line(packets, name, {"site_source": {source: name}})
    rows = store.rows(packets.name, source)
    yield from sorted(show(row) for row in rows if row[which] not in own)


def _clock(store: Store, source: int) -> list[Row]:
    return store.all("SELECT packets FROM clock WHERE source = ?", (source,))


def _part(name: str) -> str:
    return name.replace("\\", "\\\\").replace("/", "\\/")


def _tells(table: Table, row: Row) -> bool:
    return table.name != "counter" or not row[1].startswith("engine:")


def _names(store: Store, source: int) -> Names:
    """The natural keys of conversations and behaviours, as JSON lists."""
    columns = ", ".join(_CONVERSATION)
    conversations = {
        number: key
        for number, *key in store.all(
            f"SELECT number, {columns} FROM conversation WHERE source = ?",  # noqa: S608 - names of this file
            (source,),
        )
    }
    columns = ", ".join(_BEHAVIOUR)
    behaviours = {
        number: [*conversations.get(conversation, [NOTHING]), *key]
        for number, conversation, *key in store.all(
            f"SELECT number, conversation, {columns} FROM behaviour WHERE source = ?",  # noqa: S608 - names of this file
            (source,),
        )
    }
    connections = {
        number: json.dumps([*conversations.get(conversation, [NOTHING]), *key])
        for number, conversation, *key in store.all(
            "SELECT number, conversation, client_port, first_packet FROM connection "
            "WHERE source = ?",
            (source,),
        )
    }
    return {
        "connection": connections,
        "conversation": {number: json.dumps(key) for number, key in conversations.items()},
        "behaviour": {number: json.dumps(key) for number, key in behaviours.items()},
    }


def _line(table: Table, source: str, names: Names, without: str = "") -> Callable[[Row], str]:
    """A function that writes rows of a table, but for a column that others have a say in."""
    shown = [
        (position, f"{column.name}=", _writer(table, column, names))
        for position, column in enumerate(table.columns)
        if column.name not in {"source", "number", without}
    ]

    def line(row: Row) -> str:
        cells = [label + write(row[position]) for position, label, write in shown]
        return " ".join([table.name, source, *cells])

    return line


def _writer(table: Table, column: Column, names: Names) -> Callable[[Any], str]:
    if column.refers:
        known = names[column.refers.partition(".")[0]]
        return lambda number: NOTHING if number == NONE else known.get(number, "missing")
    if column.type == "INTEGER":
        return str
    if column.type == "BLOB":
        return _histogram if column.name == "buckets" else _array
    return _list if (table.name, column.name) == ("behaviour", "packets") else _text


def _text(text: str) -> str:
    return json.dumps(text)


def _list(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"))


def _histogram(buckets: bytes) -> str:
    return "[" + ",".join(f"{bucket}:{count}" for bucket, count in histograms.pairs(buckets)) + "]"


def _array(blob: bytes) -> str:
    return "[" + ",".join(map(str, numbers(blob))) + "]"
