"""Numbers of things by their keys: known ones are looked up in columns, others named one by one."""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from otsec.columns import I64, U64, hash_words
from otsec.streams.connections import key_bytes

MARK_BITS = 20  # of a key's hash; where there is no room for keys, as many have a place at most
MANY = 1_024  # keys from which on it is worth while to look which of them may be known


class Numbers(dict[bytes, int]):
    """The number of each key; keys are rows of words, all equally many."""

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        self._marks = np.empty(0, np.bool_)  # of hashes that keys have
        self._marked = -1  # how many keys that were

    def of(self, keys: U64, enter: Callable[[int], int], *, room: bool = True) -> I64:
        """The number of each row; shape of ``keys``: (rows, words).

        ``enter(row)`` gives the number of a key that is not known, in the order of the rows; one
        below 0 is not kept. Without ``room`` it is not asked, and all that are not known are -1.
        """
        if not room and len(keys) >= MANY:
            return self._known(keys)
        names = key_bytes(keys)
        numbers = self._looked_up(names)
        for row in np.flatnonzero(numbers < 0).tolist() if room else ():
            number = self.get(names[row], -1)  # it may have come twice
            if number < 0:
                number = enter(row)
                if number >= 0:
                    self[names[row]] = number
            numbers[row] = number
        return numbers

    def _known(self, keys: U64) -> I64:
        """The number of each row, -1 where it has none: of a flood of senders nearly all."""
        numbers = np.full(len(keys), -1)
        if self._marked != len(self):
            known = np.frombuffer(b"".join(self), np.uint64).reshape(-1, keys.shape[1])
            self._marks = np.zeros(1 << MARK_BITS, np.bool_)
            self._marks[_mark(known)] = True
            self._marked = len(self)
        rows = np.flatnonzero(self._marks[_mark(keys)])
        numbers[rows] = self._looked_up(key_bytes(keys[rows]))
        return numbers

    def _looked_up(self, names: list[bytes]) -> I64:
        return np.fromiter(map(self.get, names, repeat(-1)), np.int64, len(names))

    def clear(self) -> None:
        """Forget all keys."""
        super().clear()
        self._marked = -1


def _mark(keys: U64) -> I64:
    """The place of the mark of each key."""
    return (hash_words(list(keys.T), 0) >> np.uint64(64 - MARK_BITS)).astype(np.int64)
