"""What was transferred, and what of it is another than was there before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from otsec.store.database import Store
from otsec.store.filters import Cells
from otsec.store.queries import address_key
from otsec.store.selects import Filters, made, selected, strongest
from otsec.store.views import Content

# what has one content at a time
THING = (
    "site",
    "point_group",
    "place",
    "server",
    "device",
    "protocol",
    "kind",
    "name",
    "direction",
)
NEAR_NS = 60 * 10**9  # between two taps that see the same: their clocks differ by less
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
    """Each with the hash that was there before, and whether it came back later.

    What one source saw before counts for the others of its point group as well.
    """
    things: dict[tuple[object, ...], list[Cells]] = {}
    for cells in rows:
        things.setdefault(tuple(cells[name] for name in THING), []).append(cells)
    for thing in things.values():
        yield from _in_order(_contents(cells for cells in thing if cells["sha256"]))
        for cells in thing:
            if not cells["sha256"]:
                yield {**cells, "before": "", "returned": False}


@dataclass(slots=True)
class _Held:
    """A content that a thing had, as one source saw it come, or several at once."""

    first: int  # packet, of one source alone; else time
    last: int
    rows: list[Cells]

    @property
    def sha256(self) -> str:
        return str(self.rows[0]["sha256"])


def _contents(rows: Iterable[Cells]) -> list[_Held]:
    """Complete transfers of one thing, in the order in which each content first came."""
    whole = list(rows)
    alone = len({cells["source"] for cells in whole}) == 1
    first, last = ("first_packet", "last_packet") if alone else ("first_time", "last_time")
    held: list[_Held] = []
    for cells in sorted(whole, key=lambda one: (one[first], one["source"], one["first_packet"])):
        same = None if alone else _witnessed(held, cells)
        if same is None:
            held.append(_Held(cells[first], cells[last], [cells]))
        else:
            same.last = max(same.last, cells[last])
            same.rows.append(cells)
    return held


def _witnessed(held: Iterable[_Held], cells: Cells) -> _Held | None:
    """What another source saw come at the same time."""
    return next(
        (
            one
            for one in held
            if one.sha256 == cells["sha256"]
            and cells["first_time"] - one.first <= NEAR_NS
            and all(other["source"] != cells["source"] for other in one.rows)
        ),
        None,
    )


def _in_order(held: list[_Held]) -> Iterator[Cells]:
    then = len(held)  # the next of another content
    others: list[int] = []
    for at in reversed(range(len(held))):
        if at + 1 < len(held) and held[at + 1].sha256 != held[at].sha256:
            then = at + 1
        others.append(then)
    latest: _Held | None = None
    for one, other in zip(held, reversed(others), strict=True):
        before = "" if latest is None else latest.sha256
        back = other < len(held) and held[other].first < one.last
        for cells in one.rows:
            yield {**cells, "before": before, "returned": back}
        if latest is None or one.last > latest.last:
            latest = one


def _by_thing(row: Content) -> tuple[Any, ...]:
    return (
        *(row.site, row.group, address_key(row.server), row.place, row.device, row.protocol),
        *(row.kind, row.name, row.direction, row.first_time, row.first_packet),
        *(address_key(row.client), row.service, row.sha256, row.reason),
    )
