"""What was transferred, and what of it is another than was there before."""

from collections.abc import Iterable, Iterator
from typing import Any

from otsec.store.database import Store
from otsec.store.filters import Cells
from otsec.store.queries import address_key
from otsec.store.selects import Filters, made, selected, strongest
from otsec.store.views import Content

# what has one content at a time, as far as one source saw
THING = ("source", "place", "server", "device", "protocol", "kind", "name", "direction")
CONTENT = (
    *("place", "client", "server", "service", "protocol", "device", "kind", "name"),
    *("direction", "sha256", "reason"),
)


def contents(store: Store, filters: Filters = ()) -> list[Content]:
    """What was transferred, by server and name, the oldest first.

    What was there before is judged among all that was transferred, also what the filters hide.
    """
    rows = list(compared(selected(store, "contents", ())))
    if filters:
        kept = {_number(cells) for cells in selected(store, "contents", filters)}
        rows = [cells for cells in rows if _number(cells) in kept]
    found = [
        made(Content, cells, witnesses=witnesses) for cells, witnesses in strongest(rows, CONTENT)
    ]
    return sorted(found, key=_by_thing)


def changes(store: Store, filters: Filters = ()) -> list[Content]:
    """Of what was transferred that which differs from what was there before, by its hash.

    The same once more is no change, whoever transfers it; what is incomplete tells nothing.
    """
    return [row for row in contents(store, filters) if row.changed]


def _number(cells: Cells) -> tuple[object, ...]:
    return (cells["source"], *(cells[name] for name in CONTENT))


def compared(rows: Iterable[Cells]) -> Iterator[Cells]:
    """Each with the hash that was there before, and whether it came back later."""
    things: dict[tuple[object, ...], list[Cells]] = {}
    for cells in rows:
        things.setdefault(tuple(cells[name] for name in THING), []).append(cells)
    for thing in things.values():
        whole = [cells for cells in thing if cells["sha256"]]
        whole.sort(key=lambda one: one["first_packet"])
        yield from _in_order(whole)
        for cells in thing:
            if not cells["sha256"]:
                yield {**cells, "before": "", "returned": False}


def _in_order(whole: list[Cells]) -> Iterator[Cells]:
    """Complete transfers of one thing, in the order in which each content first came."""
    then = len(whole)  # the next of another content
    others: list[int] = []
    for at in reversed(range(len(whole))):
        if at + 1 < len(whole) and whole[at + 1]["sha256"] != whole[at]["sha256"]:
            then = at + 1
        others.append(then)
    latest: Cells | None = None
    for cells, other in zip(whole, reversed(others), strict=True):
        before = "" if latest is None else latest["sha256"]
        back = other < len(whole) and whole[other]["first_packet"] < cells["last_packet"]
        yield {**cells, "before": before, "returned": back}
        if latest is None or cells["last_packet"] > latest["last_packet"]:
            latest = cells


def _by_thing(row: Content) -> tuple[Any, ...]:
    return (
        *(row.site, row.group, address_key(row.server), row.place, row.device, row.protocol),
        *(row.kind, row.name, row.direction, row.first_time, row.first_packet),
        *(address_key(row.client), row.service, row.sha256, row.reason),
    )
