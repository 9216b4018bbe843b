"""Capture time made safe to judge by: epochs between clock steps, and a clock that never runs back."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from otsec.columns import I64, Mask
from otsec.model import TICK_NS

BACK_NS = 60 * 10**9  # a clock that runs back further has been set; less is disorder
AHEAD_NS = 24 * 3600 * 10**9  # no capture that goes on is silent for longer


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

    def advance(self, time: I64) -> Times:
        """Take the time stamps of the next packets, at least one."""
        before = np.empty_like(time)
        before[1:] = time[:-1]
        before[0] = time[0] if self.last is None else self.last
        apart = time - before
        stepped = (apart < -BACK_NS) | (apart > AHEAD_NS)
        steps: tuple[Step, ...] = ()
        if stepped.any():
            rows = np.flatnonzero(stepped)
            steps = tuple(
                Step(row, begin, end)
                for row, begin, end in zip(
                    rows.tolist(), before[rows].tolist(), time[rows].tolist(), strict=True
                )
            )
        latest = self._latest(time, stepped)
        grown = np.diff(latest, prepend=self.latest if self.latest is not None else time[0])
        grown[stepped] = 0
        epoch = self.epoch + np.cumsum(stepped)
        steady = self.steady + np.cumsum(np.maximum(grown, 0))
        self.latest, self.last = int(latest[-1]), int(time[-1])
        self.epoch, self.steady = int(epoch[-1]), int(steady[-1])
        return Times(epoch, steady, steps)

    def skip(self, time: int) -> Times:
        """Go on at a time before which nothing could be heard: an epoch begins, but no step."""
        latest = time if self.latest is None else self.latest
        if self.last is None or -BACK_NS <= time - self.last <= AHEAD_NS:
            self.steady += max(time - latest, 0)
        self.latest = self.last = time
        self.epoch += 1
        return Times(np.array([self.epoch]), np.array([self.steady]), ())

    def _latest(self, time: I64, stepped: Mask) -> I64:
        """Running maximum since the last step."""
        first = time.copy()
        if self.latest is not None and not stepped[0]:
            first[0] = max(int(time[0]), self.latest)
        if not stepped.any():
            return np.maximum.accumulate(first)
        bounds = [0, *np.flatnonzero(stepped).tolist(), len(time)]
        latest = np.empty_like(time)
        for begin, end in pairwise(bounds):
            if end > begin:
                latest[begin:end] = np.maximum.accumulate(first[begin:end])
        return latest

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {name: getattr(self, name) for name in ("latest", "last", "epoch", "steady")}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        for name, value in state.items():
            setattr(self, name, value)
