"""Who wrote the same elements as others, and who came first; linear but for sorting.

A write-everything scan from spoofed clients makes as many rows as the cap on behaviours allows,
all overlapping, so rows are never compared two by two.
"""

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Moment: TypeAlias = tuple[int, str]  # time and, where times are equal, the client


@dataclass(frozen=True, slots=True)
class Write:
    """One client that wrote some elements."""

    client: str
    first: int  # number of the first element
    last: int
    first_time: int  # ns


@dataclass(frozen=True, slots=True)
class Company:
    """In whose company a client wrote its elements."""

    writers: int  # clients that wrote one same element of them, at most; itself included
    second: bool  # another client had written one of them before this client did


def company(writes: Sequence[Write]) -> list[Company]:
    """For each write, the clients that wrote one of its elements too."""
    edges = sorted({w.first for w in writes} | {w.last + 1 for w in writes})
    count, owner = _sweep(writes, edges)
    most = _RangeMaximum(count)
    change = [n for n, (a, b) in enumerate(pairwise(owner), 1) if a != b]
    told = []
    for write in writes:
        begin, end = bisect_left(edges, write.first), bisect_left(edges, write.last + 1)
        at = bisect_left(change, begin + 1)
        alone = owner[begin] == write.client and (at == len(change) or change[at] >= end)
        told.append(Company(most.over(begin, end), second=not alone))
    return told


def _sweep(writes: Sequence[Write], edges: Sequence[int]) -> tuple[list[int], list[str]]:
    """Between each edge and the next: how many clients wrote there, and which was the first."""
    begins = sorted(writes, key=lambda write: write.first)
    ends = sorted(writes, key=lambda write: write.last)
    present: Counter[str] = Counter()
    waiting: list[tuple[Moment, int]] = []  # who wrote here, earliest on top; stale ones beyond
    count, owner = [], []
    begun = ended = 0
    for edge in edges:
        while ended < len(ends) and ends[ended].last < edge:
            _leave(present, ends[ended].client)
            ended += 1
        while begun < len(begins) and begins[begun].first <= edge:
            write = begins[begun]
            present[write.client] += 1
            heapq.heappush(waiting, ((write.first_time, write.client), write.last))
            begun += 1
        while waiting and waiting[0][1] < edge:
            heapq.heappop(waiting)
        count.append(len(present))
        owner.append(waiting[0][0][1] if waiting else "")
    return count, owner


def _leave(present: Counter[str], client: str) -> None:
    present[client] -= 1
    if not present[client]:
        del present[client]


class _RangeMaximum:
    """Greatest of any range of numbers, from tables of the greatest of 1, 2, 4, ... in a row."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._tables = [list(numbers)]
        width = 1
        while 2 * width <= len(self._tables[0]):
            table = self._tables[-1]
            self._tables.append(list(map(max, table, table[width:])))
            width *= 2

    def over(self, begin: int, end: int) -> int:
        """The greatest of numbers[begin:end], which is not empty."""
        level = (end - begin).bit_length() - 1
        table = self._tables[level]
        return max(table[begin], table[end - (1 << level)])
