"""Bytes that messages leave untold: how many, and of what kind, whoever exchanged them.

What is told of a unit depends on its key alone, so what is left is its length without that.
"""

import re
from array import array
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64
from otsec.protocols.api import OPAQUE, Message, Reader, Side

PASSED_OVER = ""  # the kind of what is not opaque, but not told either
ALL = -1  # told
_KIND = re.compile(rf"{OPAQUE}([^,;(]*)")
SIDES = (Side.REQUEST, Side.RESPONSE)


@dataclass(frozen=True, slots=True)
class Told:
    """A unit that is not told to its end."""

    size: int  # bytes of it that are told
    kind: str  # of the rest


def told(unit: Reader, message: Message | None) -> Told | None:
    """How much of a unit, or item, its message tells; None: all of it."""
    if message is None or not message.left:
        return None
    size = len(unit.data) if unit.item is None else unit.item[1] - unit.item[0]
    found = _KIND.search(message.note)
    return Told(max(size - message.left, 0), found[1].strip() if found else PASSED_OVER)


@dataclass(frozen=True, slots=True)
class Left:
    """Units of which something is left."""

    occurrence: I64
    size: I64  # bytes
    kind: I64  # number in `Leavings.kinds`


class Leavings:
    """Of each content, by side, how much of the unit is told, and the kind of what is left."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.clear()

    def clear(self) -> None:
        """Forget the contents."""
        self.any = False
        self._told = {side: array("q", [ALL]) for side in SIDES}
        self._kind = {side: array("q", [0]) for side in SIDES}

    def add(self, *units: Told | None) -> None:
        """The next content; its request's unit and its response's."""
        for side, one in zip(SIDES, units, strict=True):
            self.any |= one is not None
            self._told[side].append(ALL if one is None else one.size)
            self._kind[side].append(0 if one is None else self._number(one.kind))

    def _number(self, kind: str) -> int:
        if kind not in self.kinds:
            self.kinds.append(kind)
        return self.kinds.index(kind)

    def rows(self, side: Side, content: I64, row: I64) -> I64:
        """Which occurrences leave something of the unit of a side, each unit once."""
        told_ = np.frombuffer(self._told[side], np.int64)[content]
        at = np.flatnonzero((told_ != ALL) & (row >= 0))
        _, first = np.unique(row[at], return_index=True)  # a unit can stand for several items
        return at[first]

    def left(self, side: Side, content: I64, at: I64, size: I64) -> Left:
        """What is left of the units of some occurrences, which have so many bytes."""
        told_ = np.frombuffer(self._told[side], np.int64)[content[at]]
        kind = np.frombuffer(self._kind[side], np.int64)[content[at]]
        return Left(at, size - told_, kind)
