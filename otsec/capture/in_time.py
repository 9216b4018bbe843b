"""Records in order of their time stamps, where they were written a little out of it.

Several receive queues, or the two ports of a tap, hand over their packets in turn, so that what
was stamped first may be written behind what was stamped after it. Records between two places that
no record crosses in time are a stretch, and are put in order within it; each interface by itself,
as each has a clock of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Mask

SET_BACK_NS = 20_000_000  # a record stamped so much before the one in front: its clock was set
# Records; a longer stretch, as of clocks that do not agree, stays as it is. No record comes behind
# as many that were stamped after it: that would take 200,000 a second, and one late by 20 ms.
REACH = 4_096
NO_PACKET = -1  # instead of the number of an interface: a record that stays where it is


@dataclass(frozen=True, slots=True)
class Broken:
    """A stretch too long to be put in order, in which a chunk has ended."""

    latest: int  # of the stretch so far
    last: int


@dataclass(frozen=True, slots=True)
class Lane:
    """The records of one interface, some of which are out of order."""

    interface: int
    record: I64
    time: I64
    first: I64  # of each record: the first of its stretch
    last: I64  # of each record: the last of its stretch
    long: Mask  # of each record: whether its stretch is too long, or was when it began
    before: Broken | None  # the stretch that goes on with the first records
    going_on: int  # how many they are

    def order(self) -> I64:
        """The records in order of time within each stretch."""
        within = np.lexsort((self.time, self.first))
        within[self.long] = np.flatnonzero(self.long)
        return self.record[within]

    def kept(self) -> Iterator[tuple[int, int]]:
        """The first and the last record of each stretch that must not be cut."""
        which = np.flatnonzero((self.first == np.arange(len(self.first))) & ~self.long)
        which = which[self.last[which] > which]
        first, last = self.record[which], self.record[self.last[which]]
        yield from zip(first.tolist(), last.tolist(), strict=True)

    def broken(self, end: int) -> Broken | None:
        """The stretch that goes on behind a place."""
        count = int(np.searchsorted(self.record, end))
        if not count:
            return self.before
        if not self.long[count - 1] or self.last[count - 1] < count:
            return None
        latest = int(self.time[int(self.first[count - 1]) : count].max())
        if count <= self.going_on and self.before is not None:
            latest = max(latest, self.before.latest)
        return Broken(latest, int(self.time[count - 1]))


@dataclass(frozen=True, slots=True)
class Arranged:
    """How the records at hand go behind one another."""

    order: I64  # records, by the place at which each is read
    within: Mask  # of each place in front of a record, and behind the last: inside a stretch
    lanes: tuple[Lane, ...]

    def end(self, begin: int, wanted: int) -> int:
        """Where a chunk that begins there ends: near where it is wanted, at no place in a stretch."""
        if not self.within[wanted]:
            return wanted
        before = np.flatnonzero(~self.within[begin + 1 : wanted])
        if len(before):
            return begin + 1 + int(before[-1])
        return wanted + int(np.flatnonzero(~self.within[wanted:])[0])

    def broken(self, end: int) -> dict[int, Broken]:
        """The stretches, by interface, in which a chunk that ends there leaves off."""
        found = {lane.interface: lane.broken(end) for lane in self.lanes}
        return {interface: one for interface, one in found.items() if one is not None}


def arrange(time: I64, interface: I64, broken: dict[int, Broken], ends: I64) -> Arranged | None:
    """How records are put in order; None where they are in order, as nearly all are.

    ``time`` in ns and ``interface`` of each record; ``broken``: stretches that go on in these
    records; ``ends``: records in front of which the file once ended, so none goes back behind
    them. More than twice REACH records must be at hand behind the place where a chunk is to
    end, so that it does not matter where chunks end.
    """
    if not broken and (time[1:] >= time[:-1]).all():
        return None
    numbers = sorted({*np.unique(interface).tolist(), *broken} - {NO_PACKET})
    lanes = []
    for number in numbers:
        record = np.flatnonzero(interface == number)
        if number in broken or _is_late(time[record]).any():
            begins = np.searchsorted(record, ends)
            lanes.append(_lane(number, record, time[record], broken.get(number), begins))
    if not lanes:
        return None
    order = np.arange(len(time))
    depth = np.zeros(len(time) + 2, np.int64)
    for lane in lanes:
        order[lane.record] = lane.order()
        for first, last in lane.kept():
            depth[first + 1] += 1
            depth[last + 1] -= 1
    return Arranged(order, np.cumsum(depth)[:-1] > 0, tuple(lanes))


def _is_late(time: I64) -> Mask:
    """Of each record but the first: whether it was stamped a little before the one in front."""
    back = time[:-1] - time[1:]
    return np.asarray((back > 0) & (back <= SET_BACK_NS), np.bool_)


def latest(time: I64, interface: I64) -> dict[int, int]:
    """The latest time of each interface among the last records."""
    time, interface = time[-REACH:], interface[-REACH:]
    numbers = set(np.unique(interface).tolist()) - {NO_PACKET}
    return {number: int(time[interface == number].max()) for number in sorted(numbers)}


def goes_back(time: I64, interface: I64, before: dict[int, int]) -> bool:
    """Whether one of the first records belongs in front of records that were read before."""
    time, interface = time[:REACH], interface[:REACH]
    here = before.keys() & np.unique(interface).tolist()
    return any((time[interface == number] < before[number]).any() for number in here)


def _lane(interface: int, record: I64, time: I64, before: Broken | None, begins: I64) -> Lane:
    """Stretches: what part of the order of time takes up the same places in the order written.

    ``begins``: positions among these records at which order begins anew.
    """
    # What the stretch before had latest, and last, stands in front of them for now.
    front = [] if before is None else [before.latest, before.last]
    told = np.concatenate([np.array(front, np.int64), time])
    step = told[:-1] - told[1:] > SET_BACK_NS
    if front:
        step[0] = False
    anew = begins + len(front) - 1
    step[anew[(anew >= 0) & (anew < len(step))]] = True
    by_time = np.lexsort((told, np.append(0, np.cumsum(step))))
    ends = np.maximum.accumulate(by_time) == np.arange(len(told))
    stretch = np.cumsum(ends) - ends
    lasts = np.flatnonzero(ends)
    last = lasts[stretch]
    first = np.append(0, lasts[:-1] + 1)[stretch]
    going_on = int(last[1]) - 1 if front else 0
    skip = len(front)
    first, last = np.maximum(first[skip:] - skip, 0), last[skip:] - skip
    long = record[last] - record[first] >= REACH
    long[:going_on] = True  # what is in front of these was read as it stood
    return Lane(interface, record, time, first, last, long, before, going_on)
