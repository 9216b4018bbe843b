"""Numbers of keys that were seen before, found in columns.

A table with one place for each hash: the hash only guesses, the words decide. Who comes to a place
that another key has takes it; the other one is asked for again. So a row costs a few look-ups,
whatever was seen, and only what is new is grouped.
"""

from collections.abc import Callable

import numpy as np

from otsec.columns import I64, U64, hash_words

PLACE_BITS = 14  # what a batch asks for again and again, in 128 KiB a word
_NOWHERE = -2  # of a place that nobody has; numbers may be -1


class Recent:
    """Ordered: the numbers of keys, each of so many words."""

    def __init__(self, words: int, bits: int = 64, place_bits: int = PLACE_BITS) -> None:
        self.bits = min(bits, place_bits)
        self._many = words
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        # made anew when it is asked: of forty protocols a network speaks few
        self.words, self.number = np.empty((self._many, 0), np.uint64), np.empty(0, np.int64)

    def numbers(self, words: list[U64], seed: int, ask: Callable[[I64], I64]) -> I64:
        """The number of each row. ``ask(rows)`` gives those of rows that are not found."""
        if not len(self.number):
            self.words = np.zeros((self._many, 1 << self.bits), np.uint64)
            self.number = np.full(1 << self.bits, _NOWHERE)
        place = (hash_words(words, seed) >> np.uint64(64 - self.bits)).view(np.int64)
        number = self.number[place]
        for word, known in zip(words, self.words, strict=True):
            number[known[place] != word] = _NOWHERE
        new = np.flatnonzero(number == _NOWHERE)
        if len(new):
            number[new] = self.number[place[new]] = ask(new)
            for word, known in zip(words, self.words, strict=True):
                known[place[new]] = word[new]
        return number
