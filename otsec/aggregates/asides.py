"""Transfers on connections of their own, which another connection announces: their bytes in place.

What is announced is known in columns, so a packet costs something only where an end was announced.
Nothing but its end tells what such a connection carries: it is not claimed, and its segments are
taken here as they came, by their sequence numbers.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple

import numpy as np

from otsec.columns import I64, Bytes, Mask
from otsec.model import ACK, FIN, RST, SYN, TCP, Packets
from otsec.protocols.api import Direction, Expect, Piece

ENDS = 1024  # that are announced at once; the oldest make room
WINDOW = 1 << 31  # sequence numbers further off lie before
LOW = (1 << 64) - 1


class End(NamedTuple):
    """One end of a TCP connection."""

    place: int
    high: int  # words of the address
    low: int
    port: int


@dataclass(slots=True)
class Stream:
    """A connection to an announced end."""

    lane: str
    of_server: bool
    ends: list[End]  # the one announced, and the same port of who announced it
    peer: End | None = None
    base: list[int] | None = None  # first sequence number of the peer and of the end, -1: not seen
    closed: bool = False


class Asides:
    """Ordered: ends that were announced, by who announced them."""

    def __init__(self) -> None:
        self.streams: dict[bytes, Stream] = {}  # by scope of the transfers
        self.owner: dict[End, bytes] = {}

    def expect(self, scope: bytes, expected: Expect, place: int, speaker: tuple[int, int]) -> None:
        """An end was announced; ``speaker``: words of the address of who did."""
        self.forget(scope)
        if len(self.streams) >= ENDS:
            self.forget(next(iter(self.streams)))
        ends = ends_of(expected, place, speaker)
        self.streams[scope] = Stream(expected.lane, expected.of_server, ends)
        for end in ends:
            if (before := self.owner.get(end)) is not None and before != scope:
                self.forget(before)
            self.owner[end] = scope

    def forget(self, scope: bytes) -> None:
        """No more is expected."""
        stream = self.streams.pop(scope, None)
        for end in stream.ends if stream is not None else ():
            if self.owner.get(end) == scope:
                del self.owner[end]

    def rows(self, packets: Packets, more: set[End]) -> I64:
        """The packets to or from announced ends, or to ``more``."""
        wanted = self.owner.keys() | more
        if not wanted:
            return np.empty(0, np.int64)
        ports = np.zeros(1 << 16, np.bool_)
        ports[[end.port for end in wanted]] = True
        tcp = packets.protocol == TCP
        rows = np.flatnonzero(tcp & (ports[packets.source_port] | ports[packets.target_port]))
        lows = np.array(sorted({end.low for end in wanted}), np.uint64)
        near: Mask = np.isin(packets.source_lo[rows], lows) | np.isin(packets.target_lo[rows], lows)
        return rows[near]

    def take(self, buffer: Bytes, packets: Packets, row: int) -> tuple[bytes, Piece, bool] | None:
        """What a packet brings: scope, piece, and whether the client sent it; None: nothing."""
        source, target = _end(packets, row, "source"), _end(packets, row, "target")
        by_end = source in self.owner
        end, other = (source, target) if by_end else (target, source)
        scope = self.owner.get(end)
        stream = None if scope is None else self.streams.get(scope)
        if scope is None or stream is None:
            return None
        flags, seq = int(packets.flags[row]), int(packets.seq[row])
        if flags & SYN and not flags & ACK and not by_end:
            stream.peer, stream.base, stream.closed = other, [-1, -1], False
        if stream.peer != other or stream.base is None or flags & RST:
            return None
        if flags & SYN:
            stream.base[by_end] = (seq + 1) % (1 << 32)
            return None
        if stream.base[by_end] < 0:
            return None
        place = (seq - stream.base[by_end]) % (1 << 32)
        data = buffer[int(packets.payload[row]) : int(packets.payload_end[row])].tobytes()
        if place >= WINDOW or not (data or flags & FIN):
            return None
        stream.closed |= bool(flags & FIN)
        piece = Piece(stream.lane, data, place, last=bool(flags & FIN))
        return scope, piece, by_end != stream.of_server

    def dump(self) -> list[Any]:
        """Plain data to go on from."""
        return [
            [
                *(scope.hex(), one.lane, one.of_server, one.ends),
                *(one.peer, one.base, one.closed),
            ]
            for scope, one in self.streams.items()
        ]

    def load(self, state: list[Any]) -> None:
        """Go on from what `dump` gave."""
        for name, lane, of_server, ends, peer, base, closed in state:
            scope, made = bytes.fromhex(name), [End(*end) for end in ends]
            self.streams[scope] = Stream(
                lane, of_server, made, None if peer is None else End(*peer), base, closed
            )
            self.owner.update((end, scope) for end in made)


def sent(direction: Direction, *, by_client: bool) -> bool:
    """Whether what one side sent is of a transfer in that direction."""
    return (direction == "to_server") is by_client


def ends_of(expected: Expect, place: int, speaker: tuple[int, int]) -> list[End]:
    """The end that is meant: as was said, and at who said it, where addresses are translated."""
    ends = [End(place, *speaker, expected.port)]
    try:
        number = int(ip_address(expected.address))
    except ValueError:
        return ends
    return list(dict.fromkeys([End(place, number >> 64, number & LOW, expected.port), *ends]))


def _end(packets: Packets, row: int, side: str) -> End:
    high, low = (int(getattr(packets, f"{side}_{word}")[row]) for word in ("hi", "lo"))
    return End(int(packets.place[row]), high, low, int(getattr(packets, f"{side}_port")[row]))
