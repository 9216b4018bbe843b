"""Numbers of keys that were seen before."""

from functools import partial

import numpy as np
import pytest

from otsec.columns import I64, U64
from otsec.exchanges.recent import Recent


@pytest.mark.parametrize("bits", [1, 3, 64])
def test_numbers_are_those_of_a_dictionary(bits: int) -> None:
    """Each row gets the number of its own key, however many keys share a place."""
    random = np.random.default_rng(bits)
    recent, known = Recent(2, bits), dict[tuple[int, int], int]()
    asked = 0

    def ask(words: list[U64], rows: I64) -> I64:
        nonlocal asked
        asked += len(rows)
        keys = [(int(words[0][row]), int(words[1][row])) for row in rows.tolist()]
        return np.array([known.setdefault(key, len(known) - 1) for key in keys])

    for _ in range(20):
        words = [random.integers(0, 8, 50).astype(np.uint64) for _ in range(2)]
        batch = words
        found = recent.numbers(batch, 7, lambda rows, batch=batch: ask(batch, rows))  # type: ignore[misc]
        told = zip(*(word.tolist() for word in words), strict=True)
        assert found.tolist() == [known[key] for key in told]
    assert (asked < 500) == (bits == 64)  # it remembers, where there is a place for each


def test_places_come_with_what_is_seen() -> None:
    """Few keys take few places; many get them, and what was known before is still found."""
    recent, few = Recent(1), [np.arange(40, dtype=np.uint64)]
    many = [np.arange(5_000, dtype=np.uint64)]
    asked: list[int] = []

    def ask(words: list[U64], rows: I64) -> I64:
        asked.append(len(rows))
        return words[0][rows].astype(np.int64) * 3

    for words in (few, few, few, many, many, many, few):
        assert (recent.numbers(words, 7, partial(ask, words)) == words[0] * 3).all()
        if len(words[0]) == len(few[0]):
            small = len(asked) < 4  # some of forty share one of 64 places
            assert (recent.number.nbytes < 10_000) == small
    assert asked[-1] < 1_500  # of 5,000 keys so many share one of 16,384 places


def test_nothing_is_found_behind_clear() -> None:
    """What was forgotten is asked for again."""
    recent, words = Recent(1), [np.zeros(3, np.uint64)]
    assert recent.numbers(words, 0, lambda rows: rows * 0 + 5).tolist() == [5, 5, 5]
    assert recent.numbers(words, 0, lambda rows: rows * 0 + 6).tolist() == [5, 5, 5]
    recent.clear()
    assert recent.numbers(words, 0, lambda rows: rows * 0 + 6).tolist() == [6, 6, 6]
