"""How long a frame or message may be open: while so much goes by on the wire, and no longer.

What is open holds memory until its rest comes. All of it together is bounded by age, counted in
bytes of all traffic of the source: what began more than `cap` bytes ago is given up when more of
it comes. So what is held came within the last `cap` bytes. Packets alone decide that: not what
else is open, nor where batches end, nor when ended connections are let go.
"""

import numpy as np

from otsec.columns import I64
from otsec.streams.found import View


class Traffic:
    """Ordered: how many bytes of the source have gone by, packet by packet."""

    def __init__(self, cap: int) -> None:
        self.cap, self.passed = cap, 0
        self._swept = 0
        self._late: list[tuple[int, int]] = []
        self._upto: I64 | None = None

    def upto(self, view: View) -> I64:
        """Bytes that have gone by with each packet of the batch at hand."""
        if self._upto is None:
            self._upto = self.passed + np.cumsum(view.packets.wire)
        return self._upto

    def note_late(self, slot: int, row: int) -> None:
        """The packet of this row came too late for what was open on its connection."""
        self._late.append((slot, row))

    def forget_late(self, slot: int, row: int) -> None:
        """What came behind this row belongs to nobody."""
        self._late = [one for one in self._late if one[0] != slot or one[1] <= row]

    def end(self, view: View) -> list[tuple[int, int]]:
        """Leave the batch; gives time and ordinal of the packets that came too late."""
        self.passed += int(view.packets.wire.sum())
        late, self._late, self._upto = self._late, [], None
        time, ordinal = view.packets.time, view.ordinal + view.packets.row
        return [(int(time[row]), int(ordinal[row])) for _, row in late]

    def must_sweep(self) -> bool:
        """Whether so much has gone by that what is too old should be dropped, late or not."""
        if self.passed - self._swept <= self.cap // 8:
            return False
        self._swept = self.passed
        return True

    def is_old(self, since: int) -> bool:
        """Whether what began then will be given up when more of it comes."""
        return self.passed - since > self.cap
