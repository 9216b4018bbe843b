"""Hours of devices by how unlike their others they are: a list for the curious, never a trigger.

An isolation forest sees each hour as how far each count is from what the device does otherwise.
Two forests are grown, each of every other hour; each ranks the hours that it has not seen against
one another, which is what split-conformal prediction asks for: if hours were alike, a share p of
them would have a rank of at most p.
"""

import importlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from otsec.baseline.model import Scope
from otsec.baseline.spans import Spans
from otsec.errors import UsageError
from otsec.nanoseconds import HOUR_NS
from otsec.store import Store
from otsec.store.hours import Hour, hours

Numbers = npt.NDArray[np.float64]
MOST = 200_000  # hours of devices that are looked at, the newest
LEAST = 200  # fewer say nothing
LEAST_OWN = 8  # of one device
HEARD = 0.9  # share of an hour that somebody has to have listened
TREES, SEED = 100, 1
FAR = (1.0, 2.0, 4.0, 8.0)  # factors of two
SPARSE = 16  # hours for each that is far from all
TOLD = 3  # features that made it so
EXPLAINED = 500  # hours, the most unusual, of which that is told
FEATURES = {
    "bytes_out": "bytes sent",
    "bytes_in": "bytes received",
    "packets_out": "packets sent",
    "packets_in": "packets received",
    "receivers": "addresses sent to",
    "senders": "addresses heard from",
    "made": "changes and commands made",
    "met": "changes and commands received",
}


@dataclass(frozen=True, slots=True)
class Unusual:
    """One hour of one device."""

    hour: Hour
    share: float  # of such hours that are as unusual, or more; the least is the most unusual
    features: tuple[str, ...]  # what made it so, the strongest first

    @property
    def time(self) -> int:
        """When the hour begins, ns."""
        return self.hour.hour * HOUR_NS


def ranked(store: Store) -> list[Unusual]:
    """The hours of all devices, the most unusual first. Raises UsageError if there are too few."""
    rows = _whole(hours(store, MOST), Spans.of(store))
    if len(rows) < LEAST:
        raise UsageError(
            f"{len(rows)} whole hours of devices were captured; ranking them wants {LEAST}, "
            f"of devices with {LEAST_OWN} at least"
        )
    plain = np.array([[getattr(one, name) for name in FEATURES] for one in rows], np.float64)
    usual, away = _away(rows, plain)
    share, forests = _shares(rows, away)
    order = sorted(range(len(rows)), key=lambda n: (share[n], -float(np.abs(away[n]).max()), n))
    reasons: dict[int, tuple[str, ...]] = {}
    for part, forest in enumerate(forests):
        told = [n for n in order[:EXPLAINED] if rows[n].hour % 2 == part]
        reasons |= zip(told, _why(forest, away[told], plain[told], usual[told]), strict=True)
    return [Unusual(rows[n], float(share[n]), reasons.get(n, ())) for n in order]


def _whole(found: Sequence[Hour], spans: Spans) -> list[Hour]:
    """Hours in which somebody listened all the time, of devices that have enough of them."""
    heard: dict[tuple[Scope, int], bool] = {}
    kept: dict[tuple[str, ...], list[Hour]] = defaultdict(list)
    for one in found:
        key = Scope(one.site, one.group), one.hour
        if key not in heard:
            begin = one.hour * HOUR_NS
            listened = spans.of_group(key[0]).between(begin, begin + HOUR_NS)
            heard[key] = listened >= HEARD * HOUR_NS
        if heard[key]:
            kept[one[:4]].append(one)
    return [one for some in kept.values() if len(some) >= LEAST_OWN for one in some]


def _away(rows: Sequence[Hour], plain: Numbers) -> tuple[Numbers, Numbers]:
    """What each device does mostly, and how far each hour is from it, in factors of two."""
    usual = np.empty_like(plain)
    own: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(rows):
        own[one[:4]].append(number)
    for numbers in own.values():
        usual[numbers] = np.median(plain[numbers], axis=0)
    return usual, np.log2(plain + 1) - np.log2(usual + 1)


def _shares(rows: Sequence[Hour], away: Numbers) -> tuple[Numbers, tuple[Any, Any]]:
    """The share of hours as unusual as each, by the forest that has not seen it; the forests."""
    grown = _forest()
    odd = np.array([one.hour % 2 for one in rows], np.int64)
    share = np.ones(len(rows))
    forests: list[Any] = []
    for part in (0, 1):
        mine, others = np.flatnonzero(odd == part), np.flatnonzero(odd != part)
        if not len(mine) or not len(others):
            raise UsageError("all hours are even or odd; capture for longer")
        forest = grown(n_estimators=TREES, random_state=SEED, n_jobs=1).fit(_with_far(away[others]))
        scores = np.round(-forest.score_samples(away[mine]), 9)
        as_odd = len(mine) - np.searchsorted(np.sort(scores), scores, "left")
        share[mine] = as_odd / len(mine)
        forests.append(forest)
    return share, (forests[0], forests[1])


def _with_far(away: Numbers) -> Numbers:
    """Hours to grow a forest of, with some that are far from all in one count.

    A tree cuts only where its hours differ: without these it is blind to what never varied.
    """
    count = len(FEATURES)
    far = np.concatenate([np.eye(count) * step for size in FAR for step in (size, -size)])
    return np.concatenate([away, np.tile(far, (len(away) // SPARSE // len(far) + 1, 1))])


def _forest() -> Any:
    """The class of forests, which takes a second to import."""
    try:
        return importlib.import_module("sklearn.ensemble").IsolationForest
    except ImportError:
        raise UsageError(
            "ranking wants scikit-learn: python -m pip install 'otsec[ranking]'"
        ) from None


def _why(forest: Any, away: Numbers, plain: Numbers, usual: Numbers) -> Iterator[tuple[str, ...]]:
    """Of each hour the features without which it would be more like the others.

    The forest is asked once for all of them: each question has its price, however few rows it has.
    """
    if not len(away):
        return
    tried = np.repeat(away[:, np.newaxis], len(FEATURES) + 1, axis=1)
    for number in range(len(FEATURES)):
        tried[:, number + 1, number] = 0
    scores = -forest.score_samples(tried.reshape(-1, len(FEATURES))).reshape(tried.shape[:2])
    gains = np.round(scores[:, :1] - scores[:, 1:], 9)
    names = tuple(FEATURES.values())
    for row, gain in enumerate(gains):
        strongest = np.argsort(-gain, kind="stable")[:TOLD]
        yield tuple(
            f"{names[n]} {plain[row, n]:.0f} (mostly {usual[row, n]:.0f})"
            for n in strongest
            if gain[n] > 0 and away[row, n]
        )
