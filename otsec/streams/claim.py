"""Whose connection is it? Asked of its first segments, by content; ports only say whom to ask first."""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Bytes, Ints, Mask
from otsec.model import TCP, UDP
from otsec.protocols.api import Framing, Protocol, Side, Transport, Units
from otsec.streams.cut import Frames, Segments, Status, cut

TRIES = 32  # segments of a connection that are asked; a protocol that is there shows at once
TRANSPORTS: dict[int, Transport] = {TCP: "tcp", UDP: "udp"}


@dataclass(frozen=True, slots=True)
class Claims:
    """For each segment the protocol that claims it (number from 1, 0 for none) and its framing."""

    protocol: I64
    framing: I64


class Registry:
    """The protocols that take part, numbered from 1 in the order of the registry."""

    def __init__(self, protocols: tuple[Protocol, ...]) -> None:
        self.protocols = protocols
        self.by_port = {
            transport: self._by_port(transport) for transport in ("tcp", "udp", "ethernet")
        }

    def _by_port(self, transport: Transport) -> I64:
        table = np.zeros(1 << 16, np.int64)
        for number, protocol in enumerate(self.protocols, 1):
            if transport in protocol.transports:
                table[sorted(protocol.ports)] = number
        return table

    def number(self, name: str) -> int:
        """The number of a protocol by its name, 0 where there is none."""
        names = [protocol.name for protocol in self.protocols]
        return names.index(name) + 1 if name in names else 0

    def hint(self, key: np.ndarray[tuple[int, int], np.dtype[np.uint64]]) -> I64:
        """The protocol that the ports of each flow key suggest, 0 for none."""
        what = key[:, 0]
        transport = (what >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
        kind = (what >> np.uint64(48)).astype(np.int64)
        low = (what >> np.uint64(16) & np.uint64(0xFFFF)).astype(np.int64)
        high = (what & np.uint64(0xFFFF)).astype(np.int64)
        found = np.zeros(len(key), np.int64)
        for number, name in TRANSPORTS.items():
            table = self.by_port[name]
            ports = np.where(table[low] > 0, table[low], table[high])
            found = np.where((transport == number) & (kind != 2), ports, found)
        return found


def units_of(buffer: Bytes, frames: Frames, framing: int, side: Ints | None = None) -> Units:
    """Frames that are whole messages, as units."""
    count = len(frames.start)
    unknown = np.full(count, Side.UNKNOWN, np.uint8)
    return Units(
        buffer,
        frames.start,
        frames.end,
        unknown if side is None else side,
        np.full(count, framing, np.uint8),
        np.zeros(count, np.uint8),
    )


def ask(registry: Registry, segments: Segments, hint: I64, tcp: Mask) -> Claims:
    """Ask every protocol of the transport about each segment; the hinted one is heard first."""
    protocol = np.zeros(len(segments), np.int64)
    framing = np.zeros(len(segments), np.int64)
    for number, candidate in reversed(list(enumerate(registry.protocols, 1))):
        fits = (tcp & ("tcp" in candidate.transports)) | (~tcp & ("udp" in candidate.transports))
        asked = np.flatnonzero(fits & ((protocol == 0) | (protocol != hint)))
        for which in reversed(range(len(candidate.framings))):
            if len(asked):
                mine = asked[_mine(candidate, which, segments.take(asked))]
                protocol[mine], framing[mine] = number, which
    return Claims(protocol, framing)


def _mine(protocol: Protocol, which: int, segments: Segments) -> Mask:
    """Whether each segment begins with a unit that the protocol claims, and holds no nonsense."""
    framing: Framing = protocol.framings[which]
    frames = cut(segments.alone(), framing)
    mine = np.zeros(len(segments), np.bool_)
    head = np.flatnonzero((frames.start == segments.start[frames.segment]) & (frames.status == 0))
    if len(head):
        picked = frames.take(head)
        claimed = protocol.claims(units_of(segments.buffer, picked, which))
        mine[picked.segment[claimed]] = True
    mine[frames.segment[frames.status == Status.MALFORMED]] = False
    return mine
