"""When something was written, as spans: by them it is told in which state of the plant it was done.

Writes are counted, not kept one by one: a panel writes its clock each second. A bout is what one
behaviour wrote within five minutes; its first and its last packet are moments that are known.
"""

from otsec.aggregates.counters import Refusals, Row
from otsec.aggregates.held import Runs
from otsec.columns import I64

CLASS = "write"  # what else changes something is kept one by one
BOUT_NS = 300 * 10**9  # the plant is longer in a state than this


class Bouts:
    """Ordered: the bouts of one source, if its site tells of states."""

    def __init__(self, *, follows: bool) -> None:
        self.follows = follows
        self.runs = Runs()

    @property
    def refused(self) -> Refusals:
        """Writes of behaviours that had too many bouts in an hour."""
        return self.runs.refused

    def add(self, behaviour: int, seen: I64, epoch: I64) -> None:
        """Take occurrences of a behaviour, in order; ``seen``: time and ordinal of each."""
        self.runs.add(behaviour, seen[:, 0] // BOUT_NS, seen, epoch)

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `bout` that changed since the last call."""
        return [(source, behaviour, *seen) for behaviour, _, *seen in self.runs.take()]
