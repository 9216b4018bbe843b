"""The columnar idioms against plain loops that do the same one by one."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otsec.columns import gather_spans, group, put_spans


def grouped(words: Sequence[Sequence[int]], bits: int) -> list[list[int]]:
    """Rows of equal words, by `group`."""
    groups = group([np.array(word, np.uint64) for word in words], 7, bits)
    ends = groups.start + groups.count
    return [groups.order[a:b].tolist() for a, b in zip(groups.start, ends, strict=True)]


def grouped_plainly(words: Sequence[Sequence[int]]) -> list[list[int]]:
    """The same by a dictionary."""
    found: dict[tuple[int, ...], list[int]] = {}
    for row, key in enumerate(zip(*words, strict=True)):
        found.setdefault(key, []).append(row)
    return list(found.values())


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=200),
    st.sampled_from([1, 4, 8, 16, 20, 32, 64]),
)
def test_group(rows: list[tuple[int, int]], bits: int) -> None:
    """Rows are in one group if their words are equal, in row order, however the hashes collide."""
    words = list(zip(*rows, strict=True))
    assert sorted(grouped(words, bits)) == sorted(grouped_plainly(words))


@pytest.mark.parametrize("keys", [100, 3_000, 60_000])
def test_group_of_many_keys(keys: int) -> None:
    """Few keys and many are brought together alike."""
    words = np.random.default_rng(3).integers(0, keys, (2, 70_000)) // np.array([[1], [keys // 2]])
    assert sorted(grouped(words.tolist(), 64)) == sorted(grouped_plainly(words.tolist()))


@pytest.mark.parametrize("longest", [3, 2000])
def test_spans_are_copied_however_long(longest: int) -> None:
    """Short spans and long ones are gathered, and put to their places, as slices would be."""
    rng = np.random.default_rng(3)
    buffer = rng.integers(0, 256, 5000).astype(np.uint8)
    length = rng.integers(0, longest, 20)
    start = rng.integers(0, 5000 - longest, 20)
    at = np.cumsum(length) - length
    wanted = b"".join(buffer[b : b + n].tobytes() for b, n in zip(start, length, strict=True))
    target = np.zeros(int(length.sum()), np.uint8)

    put_spans(target, at, buffer, start, length)

    assert gather_spans(buffer, start, length).tobytes() == wanted == target.tobytes()
