"""Scores alerts against episodes: found or not, how named, how soon; false ones a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from otsec.baseline.evidence import poisson_bound
from otsec.detect.cases import EXPECTED, UNLINKED
from otsec.detect.telling import MANY
from otsec.evaluation.labels import Episode
from otsec.evaluation.replay import Alert, Heard
from otsec.nanoseconds import DAY_NS

ANYBODY = frozenset({"", MANY, "several"})
Z = 1.959964  # 95 %, both sides
METHODS: Mapping[str, str] = {  # of findings by name; those of rules are `rules`
    **dict.fromkeys(
        ("new-device", "new-conversation", "new-external-peer", "new-writer", "new-operation",
         "new-object", "other-state", "shift"), "lists",
    ),
    "value-outside": "values",
    "identity-changed": "identity",
    "silent-device": "silence",
    "message-order": "order",
    "order-drift": "order",
}  # fmt: skip
OF_CATEGORY: Mapping[str, str] = {"baseline": "timing", "outage": "outages"}


def method(alert: Alert) -> str:
    """By which method a finding was made."""
    one = alert.finding
    return METHODS.get(one.name) or OF_CATEGORY.get(one.category, "rules")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one episode."""

    episode: Episode
    known: bool  # whether who acts was heard while learning
    alerts: tuple[Alert, ...]  # that somebody is called for, the first one first
    others: tuple[Alert, ...]  # of lower levels

    @property
    def found(self) -> bool:
        """Whether somebody was called."""
        return bool(self.alerts)

    @property
    def named(self) -> bool:
        """Whether a finding told what it was; where nothing should be told, nothing was."""
        names = self.episode.names
        if not names:
            return not self.alerts
        if EXPECTED in names and not self.alerts and any(one.expected for one in self.others):
            return True
        return any(
            one.finding.name in names or one.change == UNLINKED in names
            for one in (*self.alerts, *self.others)
        )

    @property
    def technique(self) -> bool:
        """Whether an alert names the technique."""
        return any(self.episode.technique in one.finding.techniques for one in self.alerts)

    @property
    def delay_us(self) -> int | None:
        """From its beginning to the first packet that shows it; None: not found."""
        if not self.alerts:
            return None
        return max(min(one.time for one in self.alerts) - self.episode.begin, 0) // 1000

    @property
    def who(self) -> str:
        """Whether who acts was known; of what is benign that it is."""
        if not self.episode.attack:
            return "benign"
        return "known" if self.known else "unknown"

    @property
    def told(self) -> tuple[str, ...]:
        """The findings that tell of it."""
        names = (
            f"{one.finding.name} ({one.change})" if one.expected else one.finding.name
            for one in (*self.alerts, *self.others)
        )
        return tuple(dict.fromkeys(names))

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.episode.attack:
            return "found" if self.found else "missed"
        if self.alerts and not self.named:
            return "false alert"
        return "named" if self.named else "not named"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with a 95 % interval (Wilson)."""

    of: int
    all: int

    @property
    def interval(self) -> tuple[float, float]:
        """The share lies between these."""
        if not self.all:
            return 0.0, 1.0
        n, p = self.all, self.of / self.all
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True, slots=True)
class Method:
    """What one method contributed."""

    name: str
    alerts: int
    attacks: int  # that it found
    alone: int  # of these, found by no other
    false: int


@dataclass(frozen=True, slots=True)
class Score:
    """All that is to be told."""

    results: tuple[Result, ...]
    false: tuple[Alert, ...]  # alerts outside of every attack
    days: float
    methods: tuple[Method, ...]
    left_open: int
    devices: int
    expected: int = 0  # findings of which nobody was called, for they were announced

    def attacks(self, *, known: bool) -> Share:
        """Attacks that were found, by who was known or not."""
        mine = [one for one in self.results if one.episode.attack and one.known is known]
        return Share(sum(one.found for one in mine), len(mine))

    @property
    def benign(self) -> Share:
        """Harmless episodes that were named as they should be."""
        mine = [one for one in self.results if not one.episode.attack]
        return Share(sum(one.named for one in mine), len(mine))

    @property
    def techniques(self) -> Share:
        """Attacks of which an alert names the technique."""
        mine = [one for one in self.results if one.episode.attack and one.episode.technique]
        return Share(sum(one.technique for one in mine), len(mine))

    @property
    def false_a_day(self) -> float:
        """False alerts in a day."""
        return len(self.false) / self.days

    @property
    def at_most(self) -> float:
        """The same, with 95 % confidence (exact, Poisson)."""
        return poisson_bound(len(self.false)) / self.days


def score(heard: Heard, episodes: Sequence[Episode], wanted: frozenset[str] | None = None) -> Score:
    """Alerts against episodes; ``wanted``: only findings of these methods."""
    alerts = [one for one in heard.alerts if wanted is None or method(one) in wanted]
    judged = [one for one in episodes if one.end > heard.begin and one.begin < heard.end]
    results = []
    for one in judged:
        mine = [
            alert
            for alert in alerts
            if one.around(alert.time, _until(heard, alert, one)) and _about(alert, one)
        ]
        mine.sort(key=lambda alert: (alert.time, alert.finding.id))
        results.append(
            Result(
                one,
                bool(one.hosts) and one.hosts[0] in heard.known,
                tuple(alert for alert in mine if alert.counts),
                tuple(alert for alert in mine if not alert.counts),
            )
        )
    hit = {id(alert) for one in results if one.episode.attack for alert in one.alerts}
    false = tuple(one for one in alerts if one.counts and id(one) not in hit)
    days = (heard.end - heard.begin) / DAY_NS
    methods = _methods(alerts, results, hit)
    expected = sum(one.expected for one in alerts)
    return Score(tuple(results), false, days, methods, heard.left_open, heard.devices, expected)


def _until(heard: Heard, alert: Alert, episode: Episode) -> int:
    """Until when an alert lasts; what is told of an outage while it lasts goes on to its end."""
    if episode.attack or alert.counts:
        return alert.until
    return max(alert.until, heard.lasted.get(alert.finding.id, 0))


def _about(alert: Alert, episode: Episode) -> bool:
    """Whether a finding is about the hosts of an episode."""
    if not episode.hosts:
        return not episode.attack
    told = {alert.finding.client, alert.finding.server}
    return not told.isdisjoint(episode.hosts) or told <= ANYBODY


def _methods(
    alerts: Sequence[Alert], results: Sequence[Result], hit: set[int]
) -> tuple[Method, ...]:
    names = sorted({method(one) for one in alerts if one.counts})
    by = {
        one.episode.name: {method(alert) for alert in one.alerts}
        for one in results
        if one.episode.attack
    }
    return tuple(
        Method(
            name,
            sum(one.counts and method(one) == name for one in alerts),
            sum(name in some for some in by.values()),
            sum(some == {name} for some in by.values()),
            sum(one.counts and method(one) == name and id(one) not in hit for one in alerts),
        )
        for name in names
    )
