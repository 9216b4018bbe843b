"""Sums by key that come in as tables, and are added up now and then."""

import numpy as np

from otsec.columns import I64

WAITING = 1 << 16  # columns that may wait before they are added up


def summed(table: I64) -> I64:
    """Columns of one key as one, in order of keys; row 0 holds the keys, at least 0."""
    table = table[:, np.argsort(table[0], kind="stable")]
    at = np.flatnonzero(np.diff(table[0], prepend=-1))
    return np.stack([table[0, at], *(np.add.reduceat(row, at) for row in table[1:])])


class Sums:
    """Tables of keys and counts, added up whenever what waits has outgrown the sum.

    So each column is sorted a few times in all, however many keys there are.
    """

    def __init__(self) -> None:
        self._sum: I64 | None = None
        self._waiting: list[I64] = []
        self._size = 0

    def add(self, table: I64) -> None:
        """Count a table: keys in row 0, what is added up in the others."""
        self._waiting.append(table)
        self._size += table.shape[1]
        if self._size > max(WAITING, 0 if self._sum is None else self._sum.shape[1]):
            self._settle()

    def take(self) -> I64 | None:
        """The sums in order of keys, and begin anew; None where nothing was counted."""
        self._settle()
        taken, self._sum = self._sum, None
        return taken

    def _settle(self) -> None:
        parts = [*([] if self._sum is None else [self._sum]), *self._waiting]
        if self._waiting:
            self._sum = summed(np.concatenate(parts, axis=1))
        self._waiting, self._size = [], 0
