"""Numbers of things by their keys."""

from itertools import count

import numpy as np

from otsec.aggregates.numbers import MANY, Numbers
from otsec.columns import U64

WORDS = 3


def keys(begin: int, many: int) -> U64:
    """Keys that are all different."""
    return np.arange(begin * WORDS, (begin + many) * WORDS, dtype=np.uint64).reshape(-1, WORDS)


def no_room(_: int) -> int:
    """Is never asked."""
    raise AssertionError


def test_a_flood_is_looked_up_as_few_keys_are() -> None:
    """Where there is no room, known keys have their numbers and all others -1, however many come."""
    numbers, next_one = Numbers(), count()
    for known in (0, 100, 200):  # what comes to be known later is known, too
        numbers.of(keys(0, known), lambda _: next(next_one))
        asked = np.concatenate([keys(1_000, MANY), keys(0, 400)])[::-1]

        at_once = numbers.of(asked, no_room, room=False)
        one_by_one = [numbers.of(asked[at : at + 1], no_room, room=False)[0] for at in range(400)]

        assert at_once[:400].tolist() == one_by_one
        assert (at_once >= 0).sum() == len(numbers)
        assert (at_once[400:] == -1).all()

    numbers.clear()
    assert (numbers.of(asked, no_room, room=False) == -1).all()
