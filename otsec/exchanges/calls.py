"""Units on their way to exchanges, and what comes out, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather_spans
from otsec.exchanges.left import Left
from otsec.protocols.api import VALUE_TYPES, Reader, Units

NEVER = np.iinfo(np.int64).max
CONTENT_BITS = 32
# A position is the ordinal of the packet and the unit's number within it. One packet can complete
# all that waits behind the holes of both sides, hundreds of thousands of units of two bytes.
PART_BITS = 20
VALUE_BITS = np.array(
    [1 if dtype is None else 8 * dtype.itemsize for dtype in VALUE_TYPES]
)  # of a value


@dataclass(frozen=True, slots=True)
class Calls:
    """Units of one protocol over one buffer, with whom they concern; all columns of one length."""

    buffer: Bytes
    start: I64
    end: I64
    framing: Ints
    kind: Ints
    side: Ints  # Side
    serial: I64  # of the connection
    slot: I64  # of the connection, -1 where it was carried over
    conversation: I64
    single: I64  # row of the connection in the store's table; NO_ROW: none
    position: I64  # of the unit: ordinal << PART_BITS | number within the packet
    time: I64
    steady: I64
    epoch: I64
    number: I64  # of a request within its connection; 0 for responses
    context: I64  # number of the context in which it stands; 0: none, or not seen
    aloud: Mask  # sent to everybody, or to a group

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64) -> "Calls":
        """Some rows, over the same buffer."""
        return replace(
            self,
            **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "buffer"},
        )

    def units(self) -> Units:
        """What a protocol is given of them."""
        return Units(self.buffer, self.start, self.end, self.side, self.framing, self.kind)

    def unit(self, at: int, contexts: Sequence[str]) -> Reader:
        """One unit, to be decoded; ``contexts``: their meanings by number."""
        data = self.buffer[self.start[at] : self.end[at]].tobytes()
        context = contexts[int(self.context[at])]
        return Reader(data, framing=int(self.framing[at]), context=context)

    def packed(self, rows: I64) -> "Calls":
        """Some rows, over a buffer of their own, to outlive the batch."""
        kept = self.take(rows)
        length = kept.end - kept.start
        end = np.cumsum(length)
        return replace(
            kept,
            buffer=gather_spans(self.buffer, kept.start, length),
            start=end - length,
            end=end,
            slot=np.full(len(rows), -1),
        )


@dataclass(frozen=True, slots=True)
class Values:
    """Where the values of occurrences lie: one row an occurrence that carries any."""

    buffer: Bytes
    occurrence: I64
    start: I64
    count: I64  # elements that the unit holds
    type: Ints
    step: I64 | None  # bytes from one to the next, of bits none; None: side by side

    def packed(self) -> "Values":
        """The same over their bytes alone; over the same buffer where spans repeat much of it."""
        bits = VALUE_BITS[self.type]
        length = self.count * bits + 7 >> 3
        if self.step is not None:  # bits are side by side all the same
            length = np.where(bits == 1, length, (self.count - 1) * self.step + (bits >> 3))
        if int(length.sum()) >= len(self.buffer):
            return self
        start = np.cumsum(length) - length
        return replace(self, buffer=gather_spans(self.buffer, self.start, length), start=start)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Exchanges in the order in which they were complete; all columns of one length."""

    conversation: I64
    content: I64
    position: I64  # when it was complete
    time: I64  # of the request, or of the unit if there is none
    ordinal: I64
    part: I64
    single: I64  # row of the connection, NO_ROW for none
    epoch: I64
    response_ns: I64  # -1 without a response
    tells: Mask  # whether it says a fact of a device
    values: tuple[Values, ...]
    left: tuple[Left, ...] = ()  # what of the units is not told

    def __len__(self) -> int:
        return len(self.content)

    def packed(self) -> "Occurrences":
        """What totals want of them, over the bytes of their values alone."""
        return replace(self, values=tuple(values.packed() for values in self.values), left=())

    def pairs(self) -> U64:
        """Conversation and content of each exchange as one number."""
        return (self.conversation << CONTENT_BITS | self.content).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class Window:
    """The packets of a batch, by which requests run out of time."""

    steady: I64
    epoch: I64
    ordinal: int  # of row 0

    def first_at(self, steady: I64) -> I64:
        """Position of the first packet at or behind each steady time; NEVER if it is to come."""
        row = np.searchsorted(self.steady, steady)
        return np.where(row < len(self.steady), self.ordinal + row << PART_BITS, NEVER)

    def first_behind(self, epoch: I64) -> I64:
        """Position of the first packet of a later epoch."""
        row = np.searchsorted(self.epoch, epoch, side="right")
        return np.where(row < len(self.epoch), self.ordinal + row << PART_BITS, NEVER)


def join(parts: list[Calls]) -> Calls | None:
    """All units over one buffer; None where there are no parts."""
    if not parts:
        return None
    shift = np.cumsum([0, *(len(part.buffer) for part in parts)])
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Calls)
    }
    for name in ("start", "end"):
        columns[name] = np.concatenate(
            [getattr(part, name) + by for part, by in zip(parts, shift, strict=False)]
        )
    return Calls(**columns)


def nothing() -> Occurrences:
    """No exchanges."""
    empty = np.empty(0, np.int64)
    return Occurrences(*(empty,) * 9, empty > 0, ())
