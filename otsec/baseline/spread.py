"""Histograms as the store keeps them, measured: medians, quantiles, tails, and sums of what is off.

The buckets are logarithmic (`columns.bucket`), so all is computed with logarithms of microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from otsec.columns import BUCKETS, I64
from otsec.model import HISTOGRAM

Reals = NDArray[np.float64]
TAIL = 0.98  # what is greater is the tail (Siffert and others, KDD 2017)
LEAST_TAIL = 50  # values in it, without which nothing can be said of its shape
STEEPEST = 0.5  # shape of a tail; beyond its variance is infinite, and so is the fit
ONE_IN = 1e-4  # answers that take longer than the limit
MOST = 4.0  # standard deviations that one value of a drift counts for at most
NO_NEWS = 2.0  # of them: days differ from each other
ALARM = 12.0  # of the running sum
MAD = 1.4826  # standard deviation by median of deviations, of normal values


def _edges() -> Reals:
    """Logarithm of the least value of each bucket, and one more for the end of the last."""
    number = np.arange(4, BUCKETS + 1)
    exponent, part = (number + 4) // 4 + 1, (number + 4) % 4
    edges = np.concatenate([[0.5, 1, 2, 3], np.ldexp(0.5 + part / 8, exponent)])
    return np.asarray(np.log(edges), np.float64)


EDGES = _edges()


@dataclass(frozen=True)
class Spreads:
    """Many histograms: pairs of bucket and count one behind the other."""

    owner: I64  # the histogram of each pair
    bucket: I64
    count: I64
    total: I64  # of each histogram

    @classmethod
    def of(cls, blobs: Sequence[bytes]) -> "Spreads":
        """Histograms as the store keeps them; none is empty."""
        table = np.frombuffer(b"".join(blobs), HISTOGRAM)
        sizes = np.array([len(blob) // HISTOGRAM.itemsize for blob in blobs], np.int64)
        owner = np.repeat(np.arange(len(blobs)), sizes)
        count = table["count"].astype(np.int64)
        total = np.bincount(owner, count, len(blobs)).astype(np.int64)
        return cls(owner, table["bucket"].astype(np.int64), count, total)

    def take(self, rows: I64) -> "Spreads":
        """Some of the histograms."""
        new = np.full(len(self.total), -1)
        new[rows] = np.arange(len(rows))
        mine = np.flatnonzero(new[self.owner] >= 0)
        owner = new[self.owner[mine]]
        order = np.argsort(owner, kind="stable")
        mine = mine[order]
        return Spreads(owner[order], self.bucket[mine], self.count[mine], self.total[rows])

    def medians(self) -> Reals:
        """Logarithm of the median of each, evenly spread within its bucket."""
        before = np.cumsum(self.count) - self.count
        begin = np.cumsum(self.total) - self.total
        wanted = begin + self.total / 2
        at = np.searchsorted(before + self.count, wanted, side="left")
        at = np.minimum(at, len(before) - 1)
        part = (wanted - before[at]) / self.count[at]
        low, high = EDGES[self.bucket[at]], EDGES[self.bucket[at] + 1]
        return np.asarray(low + part * (high - low), np.float64)

    def above(self, limits: Reals) -> I64:
        """How many of each are in buckets that begin above its limit (a logarithm)."""
        over = np.where(EDGES[self.bucket] >= limits[self.owner], self.count, 0)
        return np.bincount(self.owner, over, len(self.total)).astype(np.int64)

    def below(self, limit: float) -> I64:
        """How many of each are in buckets that end below a limit (a logarithm)."""
        under = np.where(EDGES[self.bucket + 1] <= limit, self.count, 0)
        return np.bincount(self.owner, under, len(self.total)).astype(np.int64)

    def whole(self) -> I64:
        """All of them as one, a count a bucket."""
        return np.bincount(self.bucket, self.count, BUCKETS).astype(np.int64)


def quantile(counts: I64, share: float) -> float:
    """The logarithm of a quantile of one histogram; the upper end of its bucket."""
    at = int(np.searchsorted(np.cumsum(counts), share * counts.sum(), side="left"))
    return float(EDGES[min(at, BUCKETS - 1) + 1])


def near(counts: I64, middle: float, within: float) -> float:
    """The share of one histogram that lies within a distance of a logarithm, buckets as a whole."""
    inside = (EDGES[1:] >= middle - within) & (EDGES[:-1] <= middle + within)
    return float(counts[inside].sum() / counts.sum())


def limit(counts: I64) -> float:
    """The logarithm of what one value in ten thousand exceeds, as the tail tells, and none yet did.

    A generalised Pareto distribution is fitted to the values above a high quantile, by their mean
    and variance (Hosking and Wallis, 1987). With too few of them it is twice the greatest.
    """
    total = int(counts.sum())
    greatest = float(EDGES[int(np.flatnonzero(counts)[-1]) + 1])
    threshold = quantile(counts, TAIL)
    tail = np.flatnonzero((EDGES[:BUCKETS] >= threshold - 1e-9) & (counts > 0))
    excesses = int(counts[tail].sum())
    if excesses < LEAST_TAIL:
        return greatest + log(2)
    middle = np.exp((EDGES[tail] + EDGES[tail + 1]) / 2) - exp(threshold)
    mean = float(np.average(middle, weights=counts[tail]))
    variance = float(np.average((middle - mean) ** 2, weights=counts[tail]))
    if variance <= 0:
        return greatest + log(2)
    shape = min(max((1 - mean * mean / variance) / 2, -STEEPEST), STEEPEST)
    scale = mean * (1 - shape)
    share = ONE_IN * total / excesses
    beyond = scale * (share**-shape - 1) / shape if abs(shape) > 1e-9 else scale * -log(share)
    return max(log(exp(threshold) + max(beyond, 0.0)), greatest)


def centre(values: Reals, least: float) -> tuple[float, float]:
    """Median, and standard deviation by the median of deviations, which is no less than given."""
    middle = float(np.median(values))
    return middle, max(MAD * float(np.median(np.abs(values - middle))), least)


def drift(off: Reals, sure: Sequence[bool]) -> tuple[int, int] | None:
    """First and last position of values that went away for good; None: they did not.

    ``off``: by how many standard deviations each is too great; ``sure``: where an alarm holds.
    """
    running = sums((np.clip(off, -MOST, MOST) - NO_NEWS).tolist())
    above = [at for at, total in enumerate(running) if total >= ALARM and sure[at]]
    if not above:
        return None
    return max((at + 1 for at in range(above[0]) if not running[at]), default=0), above[-1]


def sums(steps: Sequence[float]) -> list[float]:
    """The running sum of each step, never below zero (CUSUM, Page 1954)."""
    total, found = 0.0, []
    for step in steps:
        total = max(0.0, total + step)
        found.append(total)
    return found
