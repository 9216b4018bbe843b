"""States of the plant (production, cleaning, start-up): what is normal in one and not in another.

A state is told by the calendar of otsec.yaml; by a value that a device tells, which counts more;
or by a record of a change or of maintenance, which counts most. Judged is what changes something:
operations that the store keeps one by one, and writes, of which it keeps from when to when they
were made, object by object.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from otsec.aggregates.held import APART_NS, watched
from otsec.baseline.learning import Baseline
from otsec.baseline.model import Key, Scope, Sight, Thing
from otsec.changes.records import Record, records
from otsec.columns import I64, Mask
from otsec.config import DAYS_OF_WEEK, Config, StateFrom
from otsec.policy.model import NOWHERE, Window
from otsec.policy.windows import inside
from otsec.store import Store
from otsec.store import baseline as kept

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

OTHERWISE = "otherwise"  # when no state is told
UNSURE = -1  # the state changed between two sights of the value
STEP_NS = 15 * 60 * 1_000_000_000  # how finely it is looked in which states anybody listened
SAID = frozenset({"approved", "imported"})


@dataclass(frozen=True, slots=True)
class States:
    """When the plant is in which state."""

    windows: Mapping[str, tuple[Window, ...]]
    zone: tzinfo
    announced: tuple[Record, ...]  # that tell a state
    told: Mapping[tuple[str, str], tuple["Held", ...]] = field(default_factory=dict)
    # by site and point group, in order of time: what a value said
    by_value: tuple[str, ...] = ()  # states that it can say

    @property
    def names(self) -> tuple[str, ...]:
        """All states; the last is that of all other times."""
        said = (one.state for one in self.announced)
        return tuple(dict.fromkeys((*self.windows, *self.by_value, *said, OTHERWISE)))

    def at(self, times: I64, network: tuple[str, str] = ("", "")) -> I64:
        """The state at each time (ns), by its position in `names`; UNSURE while it changed.

        ``network``: site and point group, whose value counts.
        """
        names = self.names
        found = np.full(len(times), len(names) - 1, np.int64)
        for number, windows in reversed([*enumerate(self.windows.values())]):  # the first counts
            for window in windows:
                found[inside(window, times, cast("ZoneInfo", self.zone))] = number
        for held in self.told.get(network, ()):
            mine = (times >= held.begin) & (times <= held.end)
            found[mine] = names.index(held.state) if held.state else UNSURE
        for one in self.announced:
            found[(times >= one.begin) & (times <= one.end)] = names.index(one.state)
        return found


class Held(NamedTuple):
    """A span of time in which a value said the state."""

    begin: int
    end: int
    state: str  # empty: it changed meanwhile


def states(config: Config, store: Store) -> States | None:
    """The states of a site; None: nobody told of any, so that nothing is judged by them."""
    announced = tuple(one for one in records(store) if one.state)
    if not config.states and not announced and config.state_from is None:
        return None
    windows = {name: tuple(map(_window, spans)) for name, spans in config.states.items()}
    told = _by_value(config.state_from, store)
    names = () if config.state_from is None else tuple(config.state_from.states)
    return States(windows, config.zone(), announced, told, names)


def _by_value(
    state_from: StateFrom | None, store: Store
) -> Mapping[tuple[str, str], tuple[Held, ...]]:
    """What the value said of the state of each network, in order of time.

    A value holds from its first sight to its last. Between two sights that differ it is not known
    when it changed; where nobody asked for long, nothing is known.
    """
    watch = watched(state_from)
    if watch is None or state_from is None:
        return {}
    rows: dict[tuple[str, str], list[kept.HeldValue]] = defaultdict(list)
    for one in kept.held(store):
        wanted = watch.host in {one.client, one.server} and watch.device in {"", one.device}
        if wanted and (one.space, one.element) == (watch.space, watch.element):
            rows[one.site, one.group].append(one)
    return {network: tuple(_spans(some, state_from)) for network, some in rows.items()}


def _spans(rows: Sequence[kept.HeldValue], state_from: StateFrom) -> Iterator[Held]:
    """Spans of one network; ``rows``: in order of their first sights, of all who asked."""
    before: kept.HeldValue | None = None
    for row in rows:
        if before is not None and 0 < row.first_time - before.last_time <= APART_NS:
            state = _meant(row.value, state_from) if before.value == row.value else ""
            if state is not None:
                yield Held(before.last_time + 1, row.first_time - 1, state)
        state = _meant(row.value, state_from)
        if state is not None:
            yield Held(row.first_time, row.last_time, state)
        if before is None or row.last_time > before.last_time:
            before = row


def _meant(value: float | None, state_from: StateFrom) -> str | None:
    """The state that a value means; None: it means none, so the calendar counts."""
    for name, values in state_from.states.items():
        for one in values:
            low, _, high = one.partition("..")
            if value is not None and float(low) <= value <= float(high or low):
                return name
    return None


def _window(text: str) -> Window:
    """`mon-fri 06:00-22:00`, as the configuration has checked it."""
    *named, hours = text.split()
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in hours.split("-"))
    days: set[int] = set()
    for part in ",".join(named).split(",") if named else ():
        first, _, last = part.partition("-")
        begin = DAYS_OF_WEEK.index(first)
        size = (DAYS_OF_WEEK.index(last or first) - begin) % 7
        days.update((begin + step) % 7 for step in range(size + 1))
    return Window(text, frozenset(days), start, end, None, None, NOWHERE)


# ------------------------------------------------------------------------------ deviations


def elsewhere(base: Baseline, told: States, store: Store) -> Iterator[tuple[Thing, str]]:
    """What is known and was done in a state in which it never was; and that state.

    A thing is told with only those of its packets; its detail is a JSON list of the state and of
    those in which it was done. A state in which nobody listened while learning is told of nothing.
    """
    by_key = base.shown.by_key
    watched: dict[tuple[Scope, int], frozenset[int]] = {}
    for key, marks in _times(base, store, by_key).items():
        thing = by_key.get(key)
        until = _until(base, thing) if thing is not None else None
        if thing is None or until is None:
            continue
        seen = _Seen.of(marks)
        numbers = np.stack([told.at(times, thing.scope[:2]) for times in seen.times])
        normal = frozenset(numbers[seen.times <= until].tolist()) - {UNSURE}
        network = thing.scope.network
        if (network, until) not in watched:
            watched[network, until] = _watched(base, told, network, until)
        strange = [*watched[network, until] - normal] if normal else []
        for number in sorted(strange):
            ends = (seen.times > until) & (numbers == number)
            if ends.any():
                yield _told(thing, told, number, normal, seen.among(ends))


def _until(base: Baseline, thing: Thing) -> int | None:
    """Up to when all that is known of a thing is normal, ns; None: it is not judged."""
    line, end = base.known.get(thing.key), base.end(thing.scope)
    if line is None or end is None or line.how == "forgotten":
        return None
    return max(end.ended, line.since) if line.how in SAID else end.ended


def _watched(base: Baseline, told: States, network: Scope, until: int) -> frozenset[int]:
    """In which states anybody listened while it was learned."""
    found: set[int] = set()
    for begin, end in base.shown.spans.of_group(network).spans:
        if begin <= until:
            times = np.arange(begin, min(end, until) + 1, STEP_NS, dtype=np.int64)
            found.update(np.unique(told.at(times, network[:2])).tolist())
    return frozenset(found) - {UNSURE}


Marks = tuple["array[int]", ...]  # see `_Seen`


@dataclass(frozen=True, slots=True)
class _Seen:
    """When something was done: two moments of each span in which it was, the same of one alone."""

    source: I64
    times: I64  # shape (2, spans): the first and the last of each
    packets: I64
    count: I64  # how often it was done from one to the other

    @classmethod
    def of(cls, marks: Marks) -> "_Seen":
        source, first, packet, last, last_packet, count = (np.array(one, np.int64) for one in marks)
        return cls(source, np.stack([first, last]), np.stack([packet, last_packet]), count)

    def among(self, ends: Mask) -> Sight:
        """What was seen at some of the moments; of a span with both of them all of it was."""
        which, at = np.nonzero(ends)
        here = int(self.source[at[0]])
        times = np.where(ends.all(axis=0), self.count, ends.any(axis=0))
        mine = self.source[at] == here
        which, at = which[mine], at[mine]
        time, packet = self.times[which, at], self.packets[which, at]
        first, last = int(np.argmin(time)), int(np.argmax(time))
        return Sight(
            *(int(times[self.source == here].sum()), here, ""),
            *(int(time[first]), int(packet[first]), int(time[last]), int(packet[last])),
            (),
        )


def _times(base: Baseline, store: Store, known: Container[Key]) -> Mapping[Key, Marks]:
    """When each operation was done that is kept one by one, and each object written."""
    found: dict[Key, Marks] = defaultdict(lambda: tuple(array("q") for _ in range(6)))
    for one in kept.moments(store):
        at = (one.site, one.group, one.place)
        key = Key(
            *("operation", *at),
            *(base.shown.canonical(at, one.client), base.shown.canonical(at, one.server)),
            *(one.service, one.protocol, one.device, one.operation, one.cls),
        )
        what = key._replace(kind="object", object=one.object)
        for column, value in zip(found[what if what in known else key], one[11:], strict=True):
            column.append(value)
    return found


def _told(
    thing: Thing, told: States, number: int, normal: frozenset[int], seen: Sight
) -> tuple[Thing, str]:
    names = told.names
    detail = json.dumps([names[number], [names[one] for one in sorted(normal)]])
    here = seen._replace(point=thing.seen.point)
    return replace(thing, seen=here, detail=detail), names[number]


def by_state(things: Sequence[Thing]) -> tuple[str, list[str]]:
    """The state of a finding, and the states in which its things are normal."""
    state, normal = json.loads(things[0].detail)
    return str(state), [str(one) for one in normal]
