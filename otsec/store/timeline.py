"""What changed the state of devices, each time it is known, with the values that it carried.

Operations of notable classes are kept one by one. Writes are counted, by object and outcome, with
the time of the first and the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from otsec.store.arrays import told
from otsec.store.database import Store
from otsec.store.filters import Cells, Filter
from otsec.store.queries import WRITER, Number
from otsec.store.selects import marks, selected, source_name, strongest

KEPT = ("control", "program", "mode", "firmware", "config", "file", "time")  # one by one
COUNTED = ("write",)
MOST_VALUES = 16  # elements of which the values are told


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that was done to a device, or several like ones between two times."""

    site: str
    group: str
    point: str  # `point` or `point/interface`
    witnesses: tuple[str, ...]
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str
    outcome: str
    time: int  # ns
    packet: int
    times: int  # how often it was done up to its end
    last_time: int  # of the last of them
    last_packet: int
    values: tuple[int | float | None, ...]  # those of the last of them; empty: none is known
    value_note: str  # how these are known where they may be another time's
    packets: tuple[int, ...]  # that show it
    note: str  # what was not decoded of it
    doubtful: bool


def happenings(store: Store, filters: Sequence[Filter]) -> list[Happening]:
    """What passes the filters, the oldest first; filters are those of behaviours."""
    span = [one for one in filters if one.field in {"since", "until"}]
    others = [one for one in filters if one not in span]
    wanted = f"AND cls IN ({marks(KEPT + COUNTED)})"
    rows = strongest(selected(store, "writers", others, wanted, (*KEPT, *COUNTED)), WRITER)
    kept = {_number(cells) for cells, _ in rows if cells["cls"] in KEPT}
    events = _events(store, kept) if kept else {}
    found = []
    for cells, witnesses in rows:
        mine = events.get(_number(cells), [])
        found += [_kept(cells, witnesses, event, len(mine)) for event in mine]
        if not mine:
            found += _counted(cells, witnesses)
    found = [one for one in found if all(_within(one, each) for each in span)]
    return sorted(found, key=lambda one: (one.time, one.site, one.point, one.packet, one.operation))


def _number(cells: Cells) -> Number:
    return cells["source"], cells["number"]


def _within(one: Happening, each: Filter) -> bool:
    if each.field == "since":
        return one.last_time >= int(each.value)
    return one.time <= int(each.value)


def _events(store: Store, wanted: set[Number]) -> dict[Number, list[tuple[int, int, int]]]:
    """Time, packet and count of the events of behaviours, in order."""
    found: dict[Number, list[tuple[int, int, int]]] = {}
    for source, behaviour, *event in store.all(
        "SELECT source, behaviour, time, packet, count FROM event ORDER BY source, packet, part"
    ):
        if (source, behaviour) in wanted:
            found.setdefault((source, behaviour), []).append((event[0], event[1], event[2]))
    return found


def _kept(
    cells: Cells, witnesses: tuple[str, ...], event: tuple[int, int, int], events: int
) -> Happening:
    time, packet, times = event
    last = (time, packet)
    if times > 1:  # beyond the cap of an hour, counted together
        last = (cells["last_time"], cells["last_packet"])
    values, note = _values(cells, first=packet == cells["first_packet"] and times == 1,
                           last=packet == cells["last_packet"], only=events == 1)  # fmt: skip
    return _happening(cells, witnesses, (time, packet), last, times, values, note)


def _counted(cells: Cells, witnesses: tuple[str, ...]) -> list[Happening]:
    """The first, and the last with how many lie between them."""
    count = cells["count"]
    first = (cells["first_time"], cells["first_packet"])
    last = (cells["last_time"], cells["last_packet"])
    told = _values(cells, first=True, last=False, only=count == 1)
    found = [_happening(cells, witnesses, first, first, 1, *told)]
    if count > 1:
        told = _values(cells, first=False, last=True, only=False)
        if count > 2:
            told = (told[0], f"last of {count} writes{_between(cells)}")
        found.append(_happening(cells, witnesses, last, last, count - 1, *told))
    return found


def _happening(
    cells: Cells,
    witnesses: tuple[str, ...],
    first: tuple[int, int],
    last: tuple[int, int],
    times: int,
    values: tuple[int | float | None, ...],
    value_note: str,
) -> Happening:
    return Happening(
        site=cells["site"],
        group=cells["point_group"],
        point=source_name(cells),
        witnesses=witnesses,
        **{name: cells[name] for name in WRITER},
        time=first[0],
        packet=first[1],
        times=times,
        last_time=last[0],
        last_packet=last[1],
        values=values,
        value_note=value_note,
        packets=tuple(dict.fromkeys((first[1], last[1]))),
        note=cells["note"],
        doubtful=bool(cells["doubtful"]),
    )


def _values(
    cells: Cells, *, first: bool, last: bool, only: bool
) -> tuple[tuple[int | float | None, ...], str]:
    """The values of an occurrence, as far as the first and the last of all tell them."""
    if not cells["last"]:
        return (), ""
    if only or last:
        return _numbers(cells, "last"), ""
    if first:
        return _numbers(cells, "first"), ""
    low, high = _numbers(cells, "minimum"), _numbers(cells, "maximum")
    return (low, "") if low == high else ((), _between(cells).removeprefix(", "))


def _between(cells: Cells) -> str:
    low = [one for one in _numbers(cells, "minimum") if one is not None]
    high = [one for one in _numbers(cells, "maximum") if one is not None]
    return f", between {min(low)} and {max(high)}" if low and min(low) != max(high) else ""


def _numbers(cells: Cells, name: str) -> tuple[int | float | None, ...]:
    raw = np.frombuffer(cells[name] or b"", "<i8")[:MOST_VALUES]
    return tuple(told(raw, cells["value_type"] or 0))
