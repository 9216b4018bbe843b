"""Reads captures into a scratch store as a sensor would, in steps of capture time.

Until a given time everything is learned. Then learning is ended everywhere, complete or not, and
after each step the store is judged, so that each finding has the time at which it came up.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from otsec.baseline.barred import OWN
from otsec.baseline.deviations import judge
from otsec.baseline.learning import Baseline, baseline, end_everywhere, learn
from otsec.capture import Reader
from otsec.config import Config
from otsec.detect.cases import UNLINKED
from otsec.detect.model import LEVELS, Rule
from otsec.engine import Columnar, columnar
from otsec.errors import InputError, UsageError
from otsec.model import PacketBatch
from otsec.nanoseconds import SECOND_NS
from otsec.pipeline import Options, Place, Run, plan_sources
from otsec.store import Store
from otsec.store.changes import links
from otsec.store.findings import Finding, packets

APART_NS = 8 * 3_600 * SECOND_NS  # a finding that was quiet for so long comes up again
ACCEPTED = 1 << 62  # of a finding that came again and again while learning
ALERTS = LEVELS.index("medium")  # from this level on somebody is called


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding that came up."""

    time: int  # ns: of the first packet that shows it, in the step in which it came up
    until: int  # ns: of the last one in that step
    told: int  # ns: when it was told, the end of that step
    finding: Finding
    change: str = ""  # the record that announced it; `unlinked`: none did, and one should

    @property
    def expected(self) -> bool:
        """Whether it was announced."""
        return self.change not in {"", UNLINKED}

    @property
    def counts(self) -> bool:
        """Whether somebody is called."""
        return LEVELS.index(self.finding.level) >= ALERTS and not self.expected


@dataclass
class Heard:
    """What came of it."""

    begin: int = 0  # ns: from when on was judged
    end: int = 0
    known: frozenset[str] = frozenset()  # addresses that were heard while learning
    alerts: list[Alert] = field(default_factory=list)
    lasted: dict[str, int] = field(default_factory=dict)  # by finding: until when, ns
    left_open: int = 0  # devices of which learning had not ended by itself
    devices: int = 0


class Steps:
    """Ends learning when it is time, and judges after each step."""

    def __init__(
        self,
        store: Store,
        rules: Sequence[Rule],
        config: Config,
        span: tuple[int, int],
        announce: Callable[[Store], object],
    ) -> None:
        """``span``: until when is learned, and how long a step is, ns."""
        self.store, self.rules, self.config = store, rules, config
        self.until, self.step = span
        self.announce = announce
        until = self.until
        self.next = until
        self.heard = Heard(begin=until)
        self._last: dict[str, int] = {}  # by finding: when it was last seen
        self._learned: frozenset[frozenset[str]] = frozenset()
        self._loud: set[str] = set()  # findings that somebody was called for

    def reached(self, time: int) -> None:
        """All before a time is in the store."""
        if time <= self.until:
            self._learn()
        else:
            self._judge(time)
        self.next = time + self.step

    def _learn(self) -> None:
        """Learn, end learning everywhere; what came up so far has been dealt with."""
        store = self.store
        self.announce(store)
        for one in judge(store, self.rules, config=self.config):
            self._last[one.id] = one.last_time
            if one.last_time - one.first_time >= APART_NS:
                self._last[one.id] = ACCEPTED
            if LEVELS.index(one.level) >= ALERTS:
                self._loud.add(one.id)
        learn(store, self.config.alert_budget)
        self.heard.devices, self.heard.left_open = end_everywhere(store, self.until)
        self._learned = self._addresses(baseline(store))

    def _addresses(self, base: Baseline) -> frozenset[frozenset[str]]:
        """The addresses of each device."""
        return frozenset(
            frozenset(one.node.address for one in asset.addresses)
            for asset in base.shown.inventory.assets
        )

    def end(self) -> None:
        """Settle who was known: also by an address that a known device has got since."""
        before = frozenset[str]().union(*self._learned)
        now = self._addresses(baseline(self.store))
        known = (one for one in now if not before.isdisjoint(one))
        self.heard.known = before.union(*known)

    def _judge(self, time: int) -> None:
        since = self.next - self.step
        found = judge(self.store, self.rules, config=self.config)
        changes = links(self.store)
        for one in found:
            self._note(one, since, time, changes.get(one.id, ""))
            self.heard.lasted[one.id] = one.last_time
        self.heard.end = time

    def _note(self, one: Finding, since: int, now: int, change: str) -> None:
        before = self._last.get(one.id)
        self._last[one.id] = max(one.last_time, before or 0)
        made = Alert(*self._shown(one, since, now), now, one, change)
        if before is not None:
            again = one.category != OWN and one.last_time - before >= APART_NS
            louder = made.counts and one.id not in self._loud and one.last_time > before
            if before == ACCEPTED or not (again or louder):
                return
        if made.counts:
            self._loud.add(one.id)
        self.heard.alerts.append(made)

    def _shown(self, one: Finding, since: int, now: int) -> tuple[int, int]:
        """From when until when something shows a finding within the step."""
        times = [packet.time for packet, _ in packets(self.store, one.id)]
        times += [one.first_time, one.last_time]
        mine = [time for time in times if since <= time < now]
        return (min(mine), max(mine)) if mine else (now, now)


class Stepped(Run):
    """Reads captures, and stops for a moment at each step; batches are cut there to the packet."""

    steps: Steps

    def _batches(
        self, reader: Reader
    ) -> Iterator[tuple[Place, PacketBatch | None, Columnar | None]]:
        settings = self.options.settings
        for place, batch, _ in super()._batches(reader):
            if batch is None:
                yield place, None, None
                continue
            begin, size = 0, len(batch)
            while begin < size:
                beyond = np.flatnonzero(batch.time[begin:] >= self.steps.next)
                end = begin + int(beyond[0]) if len(beyond) else size
                if end > begin:
                    part = batch.take(slice(begin, end))
                    last = place.last and end == size
                    mine = tuple(
                        replace(one, row=one.row - begin)
                        for one in place.drops
                        if begin <= one.row < end or (last and one.row >= end)
                    )
                    tick = place.tick if end == size else None
                    piece = replace(place, drops=mine, tick=tick, last=last)
                    yield piece, part, columnar(part, self.registry, settings)
                if len(beyond):
                    self.write(self.engines.values(), ())
                    self._pass(int(batch.time[end]))
                begin = end

    def _pass(self, time: int) -> None:
        """Judge up to a time; of a long silence only the end."""
        steps = self.steps
        while steps.next <= time:
            behind = (time - steps.next) // steps.step
            skipping = behind > 1 and steps.next > steps.until
            steps.reached(steps.next + (behind * steps.step if skipping else 0))


def replay(
    store: Store,
    config: Config,
    paths: Sequence[Path],
    rules: Sequence[Rule],
    until: int,
    step: int,
    progress: Callable[[int, int, str], None],
    announce: Callable[[Store], object] = lambda _: None,
) -> Heard:
    """What came up after a time, in a store that is empty.

    ``announce``: enters what was announced, once all that is learned from is there. Raises UsageError where the captures do not go on behind that time, or are of several points.
    """
    sources = plan_sources(list(paths), None)
    if len(sources) > 1:
        raise UsageError("evaluate: give the captures of one point; their learning is one")
    run = Stepped(store, config, Options(), progress, lambda: False)
    run.steps = Steps(store, rules, config, (until, step), announce)
    end = 0
    for outcome in run.read(sources, named=True):
        if outcome.problem:
            raise InputError(outcome.problem)
        end = max(int(engine.last_time) for _, engine in run.engines.values())
    heard = run.steps.heard
    if not heard.devices:
        raise UsageError("evaluate: the captures end before learning does; see --learn-until")
    if end >= heard.end:
        run.steps.reached(end + 1)
    run.steps.end()
    return heard
