"""The plain path: one TCP connection at a time, packet by packet, for whatever is not in order.

Retransmission, overlap (what was heard first stays), loss, disorder, mid-stream pick-up and
reused ports are settled here. What comes out is segments in order, in a buffer of their own.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.model import ACK, FIN, SYN

HOLE_NS = 10 * 10**9  # a hole that is older will not be filled: hosts retransmit within seconds
HELD_BYTES = 256 * 1024  # of one side behind a hole; more than any window that we met
HELD_SEGMENTS = 256
JUMP = 1 << 24  # a sequence number further off belongs to another stream


def distance(one: int, other: int) -> int:
    """How far sequence number ``one`` is ahead of ``other``, modulo 2**32 (RFC 9293 3.4)."""
    return ((one - other + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclass(slots=True)
class Delivery:
    """Bytes in order: the next of their side, or the first behind a break."""

    side: int
    row: int  # the packet that made them deliverable
    data: bytes  # as captured; the rest up to ``size`` was cut off
    size: int
    broken: bool  # bytes in front of these were lost, or another stream begins here
    at: int = 0  # bytes of its side that were heard before


@dataclass(slots=True)
class Stream:
    """One side of a connection."""

    next: int = -1
    held: dict[int, tuple[bytes, int]] = field(default_factory=dict)  # by sequence number
    order: list[int] = field(default_factory=list)  # these numbers, the next one first
    held_bytes: int = 0
    hole_since: int = 0
    acked: int = -1  # confirmed by the other side when the hole was no older than the clock tells
    broken: bool = False
    lost: int = 0  # counted since the last `Assembly.counts`
    resent: int = 0


@dataclass(slots=True)
class Segment:
    """One packet of the connection, as the plain path needs it."""

    row: int
    side: int
    steady: int
    seq: int
    ack: int
    flags: int
    data: bytes
    size: int


class Assembly:
    """Both sides of one connection."""

    __slots__ = ("streams",)

    def __init__(self, expected: tuple[int, int] = (-1, -1)) -> None:
        self.streams = (Stream(expected[0]), Stream(expected[1]))

    @property
    def waits(self) -> bool:
        """Whether anything is held behind a hole."""
        return bool(self.streams[0].held or self.streams[1].held)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait behind holes."""
        return self.streams[0].held_bytes + self.streams[1].held_bytes

    def give_up(self, segment: Segment) -> list[Delivery]:
        """Pass over all holes, because there is no more room for what waits behind them."""
        out: list[Delivery] = []
        for side, stream in enumerate(self.streams):
            while stream.held:
                self._skip(stream, side, segment, out)
        return out

    def begins_anew(self, segment: Segment) -> bool:
        """Whether this SYN opens another connection on the same ports."""
        stream = self.streams[segment.side]
        after = segment.seq + 1 & 0xFFFFFFFF
        return bool(segment.flags & SYN) and stream.next >= 0 and after != stream.next

    def feed(self, segment: Segment) -> list[Delivery]:
        """Take the next packet; gives what can be delivered because of it."""
        out: list[Delivery] = []
        for side, stream in enumerate(self.streams):
            if stream.held and segment.steady - stream.hole_since > HOLE_NS:
                self._skip(stream, side, segment, out)
            if stream.acked >= 0 and segment.steady > stream.hole_since:
                self._acknowledged(side, segment, stream.acked, out)
                stream.acked = -1
        self._take(segment, out)
        if segment.flags & ACK:
            other = self.streams[1 - segment.side]
            # What has one time stamp has no order: what fills the hole may stand behind this.
            if other.held and segment.steady == other.hole_since:
                other.acked = segment.ack
            else:
                self._acknowledged(1 - segment.side, segment, segment.ack, out)
        return out

    def _take(self, segment: Segment, out: list[Delivery]) -> None:
        stream, side = self.streams[segment.side], segment.side
        seq = segment.seq
        if segment.flags & SYN:
            seq = seq + 1 & 0xFFFFFFFF
            if stream.next < 0:
                stream.next = seq
        if segment.size:
            self._content(stream, side, seq, segment, out)
        end = seq + segment.size & 0xFFFFFFFF
        if segment.flags & FIN:
            if stream.next < 0:
                stream.next = end
            if stream.next == end:
                stream.next = end + 1 & 0xFFFFFFFF

    def _content(
        self, stream: Stream, side: int, seq: int, segment: Segment, out: list[Delivery]
    ) -> None:
        if stream.next < 0:
            stream.next = seq
        ahead = distance(seq, stream.next)
        if abs(ahead) > JUMP:
            stream.held.clear()
            stream.order.clear()
            stream.held_bytes = 0
            stream.broken, stream.next, stream.acked, ahead = True, seq, -1, 0
        if ahead > 0:
            self._hold(stream, side, seq, segment, out)
            return
        if ahead + segment.size <= 0:
            stream.resent += segment.size
            return
        stream.resent -= ahead
        self._deliver(stream, side, segment.row, segment.data[-ahead:], segment.size + ahead, out)
        self._drain(stream, side, segment.row, out)

    def _hold(
        self, stream: Stream, side: int, seq: int, segment: Segment, out: list[Delivery]
    ) -> None:
        if not stream.held:
            stream.hole_since = segment.steady
        known = stream.held.get(seq)
        if known is None:
            insort(stream.order, seq, key=_from(stream.next))
        else:
            stream.resent += min(segment.size, known[1])
        if known is None or known[1] < segment.size:
            stream.held[seq] = (segment.data, segment.size)
            stream.held_bytes += segment.size - (known[1] if known else 0)
        if stream.held_bytes > HELD_BYTES or len(stream.held) > HELD_SEGMENTS:
            self._skip(stream, side, segment, out)

    def _deliver(
        self, stream: Stream, side: int, row: int, data: bytes, size: int, out: list[Delivery]
    ) -> None:
        out.append(Delivery(side, row, data, size, stream.broken))
        stream.broken = False
        stream.next = stream.next + size & 0xFFFFFFFF

    def _drain(self, stream: Stream, side: int, row: int, out: list[Delivery]) -> None:
        while stream.held:
            seq = stream.order[0]
            ahead = distance(seq, stream.next)
            if ahead > 0:
                return
            data, size = stream.held.pop(stream.order.pop(0))
            stream.held_bytes -= size
            stream.resent += min(-ahead, size)
            if ahead + size > 0:
                self._deliver(stream, side, row, data[-ahead:], size + ahead, out)

    def _skip(self, stream: Stream, side: int, segment: Segment, out: list[Delivery]) -> None:
        """Give up the hole in front of what is held."""
        seq = stream.order[0]
        stream.lost += distance(seq, stream.next)
        stream.next, stream.broken = seq, True
        stream.hole_since = segment.steady
        self._drain(stream, side, segment.row, out)

    def _acknowledged(self, side: int, segment: Segment, ack: int, out: list[Delivery]) -> None:
        """What the other side confirms has arrived there: what we lack of it will not come."""
        stream = self.streams[side]
        while stream.held and 0 < distance(ack, stream.next) <= JUMP:
            if distance(ack, stream.order[0]) < 0:
                stream.lost += distance(ack, stream.next)
                stream.next, stream.broken = ack, True
                return
            self._skip(stream, side, segment, out)

    def dump(self) -> list[dict[str, Any]]:
        """Plain data to go on from."""
        return [
            {
                "next": stream.next,
                "held": [[seq, len(data), size] for seq, (data, size) in stream.held.items()],
                "data": np.frombuffer(b"".join(data for data, _ in stream.held.values()), np.uint8),
                "hole_since": stream.hole_since,
                "acked": stream.acked,
                "broken": stream.broken,
            }
            for stream in self.streams
        ]

    @classmethod
    def load(cls, state: list[dict[str, Any]]) -> "Assembly":
        """Go on from what `dump` gave."""
        assembly = cls()
        for stream, data in zip(assembly.streams, state, strict=True):
            stream.next, stream.hole_since = data["next"], data["hole_since"]
            stream.acked, stream.broken = data.get("acked", -1), data["broken"]
            content, at = data["data"].tobytes(), 0
            for seq, length, size in data["held"]:
                stream.held[seq] = content[at : at + length], size
                at += length
            stream.order = sorted(stream.held, key=_from(stream.next))
            stream.held_bytes = sum(size for _, size in stream.held.values())
        return assembly


def _from(base: int) -> Callable[[int], int]:
    """How far sequence numbers are ahead of ``base``: their order stays as ``base`` goes on."""
    return lambda seq: distance(seq, base)
