"""Capture time made safe to judge by: epochs between clock steps, and a clock that never runs back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from otsec.columns import I64
from otsec.model import TICK_NS

BACK_NS = 60 * 10**9  # a clock that runs back further has been set; less is disorder
AHEAD_NS = 24 * 3600 * 10**9  # no capture that goes on is silent for longer
# so long behind a step packets may come that were stamped in front of it: ports and cores that
# capture side by side hand over theirs in turn
STALE_NS = 10**9


STATE = ("latest", "last", "epoch", "steady", "left", "left_at")


@dataclass(frozen=True, slots=True)
class Step:
    """A clock step: the capture is blind between the two times."""

    row: int  # the first packet behind it
    begin: int
    end: int

    @property
    def kind(self) -> str:
        """Which way the clock went."""
        return "clock_back" if self.end < self.begin else "clock_ahead"


@dataclass(frozen=True, slots=True)
class Times:
    """Time of each packet as otsec judges it.

    ``epoch`` counts clock steps; absence and order are never judged across two epochs.
    ``steady`` is the capture time that went by since the source's first packet, in ns, without
    the steps; it never runs back. ``tick`` is the tick each packet counts in.
    """

    epoch: I64
    steady: I64
    steps: tuple[Step, ...]

    @property
    def tick(self) -> I64:
        """Number of the tick each packet counts in."""
        return self.steady // TICK_NS


class Clock:
    """Ordered: follows the time stamps of one source."""

    def __init__(self) -> None:
        self.latest: int | None = None  # the latest time since the last step
        self.last: int | None = None  # the last time stamp
        self.epoch = 0
        self.steady = 0
        self.left: int | None = None  # the latest time in front of the last step
        self.left_at = 0  # `steady` at that step

    def advance(self, time: I64) -> Times:
        """Take the time stamps of the next packets, at least one."""
        near = self.left is not None and self.steady - self.left_at <= STALE_NS
        return self._one_by_one(time) if near else self._together(time)

    def _together(self, time: I64) -> Times:
        before = np.empty_like(time)
        before[1:] = time[:-1]
        before[0] = time[0] if self.last is None else self.last
        apart = time - before
        if ((apart < -BACK_NS) | (apart > AHEAD_NS)).any():
            return self._one_by_one(time)
        first = time.copy()
        first[0] = time[0] if self.latest is None else max(int(time[0]), self.latest)
        latest = np.maximum.accumulate(first)
        begun = int(time[0]) if self.latest is None else self.latest
        steady = self.steady + latest - begun
        self.latest, self.last, self.steady = int(latest[-1]), int(time[-1]), int(steady[-1])
        return Times(np.full(len(time), self.epoch), steady, ())

    def _one_by_one(self, time: I64) -> Times:
        """The same where the clock steps, or has just done so."""
        steps, epoch, steady = [], np.empty_like(time), np.empty_like(time)
        for row, now in enumerate(time.tolist()):
            if not self._is_stale(now):
                if self.last is not None and not -BACK_NS <= now - self.last <= AHEAD_NS:
                    steps.append(Step(row, self.last, now))
                    self.left, self.left_at = self.latest, self.steady
                    self.epoch += 1
                    self.latest = now
                latest = now if self.latest is None else self.latest
                self.steady += max(now - latest, 0)
                self.latest, self.last = max(now, latest), now
            epoch[row], steady[row] = self.epoch, self.steady
        return Times(epoch, steady, tuple(steps))

    def _is_stale(self, time: int) -> bool:
        """Whether a packet was stamped in front of the last step, and came just behind it."""
        return (
            self.left is not None
            and abs(time - self.left) <= STALE_NS
            and self.steady - self.left_at <= STALE_NS
        )

    def skip(self, time: int) -> Times:
        """Go on at a time before which nothing could be heard: an epoch begins, but no step."""
        latest = time if self.latest is None else self.latest
        if self.last is None or -BACK_NS <= time - self.last <= AHEAD_NS:
            self.steady += max(time - latest, 0)
        self.latest = self.last = time
        self.left = None
        self.epoch += 1
        return Times(np.array([self.epoch]), np.array([self.steady]), ())

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {name: getattr(self, name) for name in STATE}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for name, value in state.items():
            setattr(self, name, value)
