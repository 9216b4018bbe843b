"""Histograms as bytes: reading, writing and adding them without a loop over buckets."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from otsec.columns import BUCKETS, starts_of
from otsec.model import HISTOGRAM


def pairs(buckets: bytes) -> list[tuple[int, int]]:
    """The (bucket, count) pairs of one histogram.

    Raises ValueError if the bytes are not whole pairs.
    """
    return [(int(row["bucket"]), int(row["count"])) for row in np.frombuffer(buckets, HISTOGRAM)]


def pack(counts: Sequence[tuple[int, int]]) -> bytes:
    """One histogram from its (bucket, count) pairs."""
    return np.array(sorted(counts), HISTOGRAM).tobytes()


def add(before: Sequence[bytes], after: Sequence[bytes]) -> list[bytes]:
    """Add histograms two by two; counts of the same bucket are summed, exactly."""
    blobs = [*before, *after]
    table = np.frombuffer(b"".join(blobs), HISTOGRAM)
    sizes = np.array([len(blob) // HISTOGRAM.itemsize for blob in blobs], np.int64)
    owner = np.repeat(np.arange(len(blobs)) % max(len(before), 1), sizes)
    word = owner * BUCKETS + table["bucket"]
    order = np.argsort(word, kind="stable")
    word = word[order]
    starts = starts_of(np.diff(word, prepend=-1) != 0)
    merged = np.empty(len(starts), HISTOGRAM)
    merged["bucket"] = word[starts] % BUCKETS
    merged["count"] = (
        np.add.reduceat(table["count"][order].astype(np.int64), starts) if len(starts) else 0
    )
    ends = np.searchsorted(word[starts], (np.arange(len(before)) + 1) * BUCKETS)
    data, size = merged.tobytes(), HISTOGRAM.itemsize
    cuts = [0, *(ends * size).tolist()]
    return [data[begin:end] for begin, end in pairwise(cuts)]
