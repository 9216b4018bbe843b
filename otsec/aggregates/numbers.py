"""Numbers of things by their keys: known ones are looked up in columns, others named one by one."""

from collections.abc import Callable
from itertools import repeat

import numpy as np

from otsec.columns import I64, U64
from otsec.streams.connections import key_bytes


class Numbers(dict[bytes, int]):
    """The number of each key; keys are rows of words, all equally many."""

    def of(self, keys: U64, enter: Callable[[int], int], *, room: bool = True) -> I64:
        """The number of each row; shape of ``keys``: (rows, words).

        ``enter(row)`` gives the number of a key that is not known, in the order of the rows; one
        below 0 is not kept. Without ``room`` it is not asked, and all that are not known are -1.
        """
        names = key_bytes(keys)
        numbers = np.fromiter(map(self.get, names, repeat(-1)), np.int64, len(names))
        for row in np.flatnonzero(numbers < 0).tolist() if room else ():
            number = self.get(names[row], -1)  # it may have come twice
            if number < 0:
                number = enter(row)
                if number >= 0:
                    self[names[row]] = number
            numbers[row] = number
        return numbers
