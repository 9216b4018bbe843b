"""What a watched element held, from when to when: by it the plant says in which state it is.

An order consumer of one element that the configuration names; of all others the cells suffice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from otsec.aggregates.counters import Refusals, Row
from otsec.columns import I64
from otsec.config import StateFrom
from otsec.nanoseconds import HOUR_NS

APART_NS = HOUR_NS  # sights further apart say nothing of the time between them
PER_HOUR = 360  # runs of a behaviour in an hour; a value that changes faster tells no state


@dataclass(frozen=True, slots=True)
class Watch:
    """The element that is watched."""

    host: str  # address of the device, on either side of the conversation
    device: str  # device behind the address; empty: whichever
    space: str
    element: int


def watched(told: StateFrom | None) -> Watch | None:
    """The element that the configuration names, if any."""
    if told is None:
        return None
    space, _, element = told.object.rpartition(" ")
    return Watch(told.host, told.device, space, int(element))


class Watched:
    """Ordered: which conversations are those of the host that is watched, each told once."""

    def __init__(self, watch: Watch | None, parties: Callable[[int], tuple[str, str]]) -> None:
        """``parties``: client and server of a conversation."""
        self.watch, self.parties = watch, parties
        self.asked: set[int] = set()

    def among(self, conversations: Iterable[I64]) -> list[int]:
        """Those of them that were not asked about before."""
        if self.watch is None:
            return []
        told = {number for some in conversations for number in np.unique(some).tolist()}
        new = told - self.asked
        self.asked |= new
        return [number for number in new if self.watch.host in self.parties(number)]


@dataclass(slots=True)
class Run:
    """A value as long as it stayed; times in ns, packets by ordinal."""

    value: int  # as cells hold it
    epoch: int
    first: tuple[int, int]
    last: tuple[int, int]
    count: int


class Runs:
    """Ordered: from when to when each behaviour had a value; a run ends where it changes."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}  # of each behaviour, the one that goes on
        self.hours: dict[int, tuple[int, int]] = {}  # of each: an hour, and runs begun in it
        self.changed: dict[tuple[int, int], tuple[int, ...]] = {}  # by behaviour, first packet
        self.refused = Refusals()

    def add(self, behaviour: int, value: I64, seen: I64, epoch: I64) -> None:
        """Take the values of a behaviour, in order; ``seen``: time and ordinal of each."""
        cut = np.ones(len(value), np.bool_)
        cut[1:] = (value[1:] != value[:-1]) | (epoch[1:] != epoch[:-1])
        cut[1:] |= seen[1:, 0] - seen[:-1, 0] > APART_NS
        start = np.flatnonzero(cut)
        end = np.append(start[1:], len(value)) - 1
        columns = (value[start], epoch[start], end - start + 1)
        for held, when, count, first, last in zip(
            *(column.tolist() for column in columns),
            *(map(tuple, seen[rows].tolist()) for rows in (start, end)),
            strict=True,
        ):
            self._take(behaviour, Run(held, when, first, last, count))

    def _take(self, behaviour: int, new: Run) -> None:
        run = self.runs.get(behaviour)
        goes_on = run is not None and (run.value, run.epoch) == (new.value, new.epoch)
        if run is not None and goes_on and new.first[0] - run.last[0] <= APART_NS:
            run.last, run.count = new.last, run.count + new.count
        elif self._has_room(behaviour, new.first[0] // HOUR_NS):
            run = self.runs[behaviour] = new
        else:
            self.runs.pop(behaviour, None)
            self.refused.note(new.count, *new.first)
            return
        row = (run.value, *run.first, *run.last, run.count)
        self.changed[behaviour, run.first[1]] = row

    def _has_room(self, behaviour: int, hour: int) -> bool:
        known, begun = self.hours.get(behaviour, (hour, 0))
        begun = begun + 1 if known == hour else 1
        self.hours[behaviour] = hour, begun
        return begun <= PER_HOUR

    def take(self) -> list[tuple[int, ...]]:
        """Behaviour, value, first and last sight and count of runs that changed since the last call."""
        changed, self.changed = self.changed, {}
        return [(behaviour, *row) for (behaviour, _), row in sorted(changed.items())]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        runs = [
            [behaviour, run.value, run.epoch, *run.first, *run.last, run.count]
            for behaviour, run in self.runs.items()
        ]
        hours = [[behaviour, *hour] for behaviour, hour in self.hours.items()]
        return {"runs": runs, "hours": hours}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for behaviour, value, epoch, *seen, count in state["runs"]:
            first, last = (seen[0], seen[1]), (seen[2], seen[3])
            self.runs[behaviour] = Run(value, epoch, first, last, count)
        self.hours = {behaviour: (hour, begun) for behaviour, hour, begun in state["hours"]}


class Held:
    """Ordered: the runs of the watched element of one source, by behaviour."""

    def __init__(self, watch: Watch | None) -> None:
        self.watch = watch
        self.conversations: set[int] = set()  # with the host that is watched
        self.runs = Runs()
        self.kinds: dict[int, int] = {}  # how each behaviour codes its values

    @property
    def refused(self) -> Refusals:
        """Values of behaviours that had too many runs in an hour."""
        return self.runs.refused

    def place(self, conversation: int, device: str, space: str, first: int, size: int) -> int:
        """Where the element stands among those of a behaviour; -1 where it is not among them."""
        watch = self.watch
        if watch is None or space != watch.space or not first <= watch.element < first + size:
            return -1
        if conversation not in self.conversations or watch.device not in {"", device}:
            return -1
        return watch.element - first

    def add(self, behaviour: int, kind: int, value: I64, seen: I64, epoch: I64) -> None:
        """Take the values of a behaviour, in order; ``seen``: time and ordinal of each."""
        self.kinds[behaviour] = kind
        self.runs.add(behaviour, value, seen, epoch)

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `held` that changed since the last call."""
        watch, changed = self.watch, self.runs.take()
        if watch is None:
            return []
        return [
            (source, behaviour, watch.space, watch.element, self.kinds[behaviour], *run)
            for behaviour, *run in changed
        ]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        watch = self.watch
        named = None if watch is None else [watch.host, watch.device, watch.space, watch.element]
        return {"watch": named, **self.runs.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave, if the same element is watched."""
        if self.watch is None or state["watch"] is None or Watch(*state["watch"]) != self.watch:
            return
        self.runs.load(state)
