"""Numbers of keys that were seen before, found in columns.

A table with one place for each hash: the hash only guesses, the words decide. Who comes to a place
that another key has takes it; the other one is asked for again. So a row costs a few look-ups,
whatever was seen, and only what is new is grouped.
"""

from collections.abc import Callable

import numpy as np

from otsec.columns import I64, U64, hash_words

PLACE_BITS = 14  # what a batch asks for again and again, in 128 KiB a word
FEW_BITS, MORE_BITS = 2, 4  # places at first, and by how much they grow: many a source says little
_NOWHERE = -2  # of a place that nobody has; numbers may be -1


class Recent:
    """Ordered: the numbers of keys, each of so many words."""

    def __init__(self, words: int, bits: int = 64, place_bits: int = PLACE_BITS) -> None:
        self._many, self._most = words, min(bits, place_bits)
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._take(min(FEW_BITS, self._most))

    def _take(self, bits: int) -> None:
        """Have so many places, with nobody in them."""
        self.bits, self._asked = bits, 0
        self.words = np.zeros((self._many, 1 << bits), np.uint64)
        self.number = np.full(1 << bits, _NOWHERE)

    def numbers(self, words: list[U64], seed: int, ask: Callable[[I64], I64]) -> I64:
        """The number of each row. ``ask(rows)`` gives those of rows that are not found."""
        hashed = hash_words(words, seed)
        place = self._places(hashed)
        number = self.number[place]
        for word, known in zip(words, self.words, strict=True):
            number[known[place] != word] = _NOWHERE
        new = np.flatnonzero(number == _NOWHERE)
        if len(new):
            number[new] = ask(new)
            self._make_room(len(new), seed)
            self._enter([word[new] for word in words], hashed[new], number[new])
        return number

    def _places(self, hashed: U64) -> I64:
        return (hashed >> np.uint64(64 - self.bits)).view(np.int64)

    def _enter(self, words: list[U64], hashed: U64, number: I64) -> None:
        place = self._places(hashed)
        self.number[place] = number
        for word, known in zip(words, self.words, strict=True):
            known[place] = word

    def _make_room(self, asked: int, seed: int) -> None:
        """Have more places once as many keys were asked for as there are."""
        self._asked += asked
        bits = self.bits
        while bits < self._most and self._asked >= 1 << bits:
            bits += MORE_BITS
        if bits == self.bits:
            return
        held = np.flatnonzero(self.number != _NOWHERE)
        words, number = list(self.words[:, held]), self.number[held]
        self._take(min(bits, self._most))
        self._enter(words, hash_words(words, seed), number)
