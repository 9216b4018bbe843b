"""Whose connection is it? Asked of its first segments, by content; ports only say whom to ask first."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather, span_word
from otsec.model import TCP, UDP, Kind
from otsec.protocols.api import Framing, Protocol, Side, Transport, Units
from otsec.streams.cut import Beginnings, Segments, Status, cut

TRIES = 32  # segments of a connection that are asked; a protocol that is there shows at once
TRANSPORTS: tuple[Transport, ...] = ("tcp", "udp", "ethernet")
ON_IP = {TCP: 0, UDP: 1}  # position in TRANSPORTS of the IP protocols that carry others
ON_ETHERNET = 2


@dataclass(frozen=True, slots=True)
class Claims:
    """For each segment the protocol that claims it (number from 1, 0 for none) and its framing."""

    protocol: I64
    framing: I64


class Registry:
    """The protocols that take part, numbered from 1 in the order of the registry."""

    def __init__(self, protocols: tuple[Protocol, ...]) -> None:
        self.protocols = protocols
        self.by_port = {transport: self._by_port(transport) for transport in TRANSPORTS}
        # nonzero for each port on which some protocol usually listens
        self.listened: I64 = self.by_port["tcp"] + self.by_port["udp"]
        self.beside = self._beside()
        self.asked = [  # number and framing, in the order in which they are asked
            (number, which)
            for number, protocol in enumerate(protocols, 1)
            for which in range(len(protocol.framings))
        ]
        self.beginnings = Beginnings([one.base for p in protocols for one in p.framings])
        # the framings of streams, each once, and how they begin
        self.of_streams = [*{one.base.name: one.base for one in self._over_tcp()}.values()]
        self.stream_beginnings = Beginnings(self.of_streams)
        # of each number, which transports carry it, by position in TRANSPORTS; -1: others
        self.carried: Mask = np.array(
            [[False] * (len(TRANSPORTS) + 1)]
            + [[*(name in one.transports for name in TRANSPORTS), False] for one in protocols]
        )

    def _over_tcp(self) -> Iterator[Framing]:
        for protocol in self.protocols:
            if "tcp" in protocol.transports:
                yield from protocol.framings

    def _by_port(self, transport: Transport) -> I64:
        table = np.zeros(1 << 16, np.int64)
        for number, protocol in reversed([*enumerate(self.protocols, 1)]):
            if transport in protocol.transports:
                table[sorted(protocol.ports_of(transport))] = number
        return table

    def _beside(self) -> Mask:
        """Whether two protocols, by number, can have the same ethertype, as all behind SNAP do."""
        found = np.zeros((len(self.protocols) + 1, len(self.protocols) + 1), np.bool_)
        spoken = [
            (number, protocol.ports_of("ethernet"))
            for number, protocol in enumerate(self.protocols, 1)
            if "ethernet" in protocol.transports
        ]
        for one, mine in spoken:
            found[one, [other for other, theirs in spoken if mine & theirs]] = True
        return found

    @property
    def names(self) -> list[str]:
        """The name of each number; 0 has none."""
        return ["", *(protocol.name for protocol in self.protocols)]

    @property
    def routine(self) -> frozenset[tuple[str, str]]:
        """Operations that are no events of their own: (protocol, operation)."""
        return frozenset((p.name, operation) for p in self.protocols for operation in p.routine)

    @property
    def telling(self) -> frozenset[tuple[str, str]]:
        """Operations that are events though others of their class are none."""
        return frozenset((p.name, operation) for p in self.protocols for operation in p.telling)

    @property
    def sessions(self) -> Mask:
        """Whether the connections of each protocol, by number, are kept one by one."""
        return np.array([False, *(protocol.session for protocol in self.protocols)])

    def renumber(self, names: list[str], numbers: Ints) -> Ints:
        """Numbers as they are now, from those of a registry with other names.

        A state may come from a version with other protocols; one that is no more owns nothing.
        """
        now = {name: number for number, name in enumerate(self.names)}
        table = np.array([now.get(name, 0) for name in names])
        return np.where(numbers > 0, table[np.maximum(numbers, 0)], numbers)

    def hint(self, key: U64) -> I64:
        """The protocol that the ports, or the ethertype, of each flow key suggest, 0 for none."""
        what, transport = key[:, 0], transports(key)
        found = np.zeros(len(key), np.int64)
        for position, name in enumerate(TRANSPORTS):
            table = self.by_port[name]
            shifts = (32,) if position == ON_ETHERNET else (16, 0)  # as flows puts them together
            mine = [table[(what >> np.uint64(by) & np.uint64(0xFFFF)).astype(int)] for by in shifts]
            said = np.where(mine[0] > 0, mine[0], mine[-1])
            found = np.where(transport == position, said, found)
        return found


def transports(key: U64) -> I64:
    """The transport of each flow, position in TRANSPORTS; -1 for others."""
    kind = key[:, 0] >> np.uint64(48)
    number = key[:, 0] >> np.uint64(32) & np.uint64(0xFFFF)
    found = np.full(len(key), -1)
    for protocol, position in ON_IP.items():
        found[number == protocol] = position
    found[kind == Kind.MAC] = ON_ETHERNET
    return found


def first_units(segments: Segments, framing: Framing, which: int) -> tuple[I64, Units]:
    """The message with which each segment begins, where it is whole: (segment, units)."""
    owner, buffer, start = np.arange(len(segments)), segments.buffer, segments.start
    end, limit = np.minimum(segments.end, segments.stop), segments.stop
    kind = np.zeros(len(owner), np.uint8)
    for one in framing.stack:
        whole, length = _whole_frames(buffer, start, end, limit, one)
        owner, start, kind = owner[whole], start[whole], kind[whole]
        end = start + length
        if one.pieces is not None:
            pieces = one.pieces(buffer, start, end)
            whole = np.flatnonzero(
                ~pieces.bad & pieces.last & (pieces.first | (not one.tells_first))
            )
            buffer, owner = pieces.buffer, owner[whole]
            start, end, kind = pieces.start[whole], pieces.end[whole], pieces.kind[whole]
        limit = end
    unknown = np.full(len(owner), Side.UNKNOWN, np.uint8)
    number = np.full(len(owner), which, np.uint8)
    return owner, Units(buffer, start, end, unknown, number, kind)


def _whole_frames(
    buffer: Bytes, start: I64, end: I64, limit: I64, framing: Framing
) -> tuple[I64, I64]:
    """The spans that begin with a whole frame, and its length; see `cut`."""
    header, fits = gather(buffer, start, end, framing.header)
    rows = np.flatnonzero(fits)
    at, behind = start[rows], end[rows]
    length = framing.lengths(buffer, at, behind, header[rows])
    if framing.datagram:
        length = np.where(length > 0, limit[rows] - at, length)
    whole = (length >= framing.header.itemsize) & (length <= framing.longest)
    whole &= at + length <= behind
    return rows[whole], length[whole]


def ask(registry: Registry, segments: Segments, hint: I64, transport: I64) -> Claims:
    """Ask every protocol of the transport about each segment; the hinted one is heard first.

    ``transport``: of each segment, position in TRANSPORTS. Of frames on Ethernet only protocols
    of their ethertype are asked.
    """
    protocol, framing = np.zeros((2, len(segments)), np.int64)
    if not len(segments):
        return Claims(protocol, framing)
    size = np.minimum(segments.end, segments.stop) - segments.start
    word, hints = span_word(segments.buffer, segments.start, size, 0), set(hint.tolist())
    begins = registry.beginnings.of(word, size)
    columns = np.flatnonzero(begins.any(axis=0)).tolist()
    for hinted in (True, False):
        for column in columns:
            number, which = registry.asked[column]
            if hinted and number not in hints:
                continue
            fits = begins[:, column] & (protocol == 0) & ((hint == number) == hinted)
            fits &= registry.carried[number, transport]
            fits &= registry.beside[number, hint] | (transport != ON_ETHERNET)
            some = np.flatnonzero(fits)
            if len(some):
                candidate = registry.protocols[number - 1]
                mine = some[_mine(candidate, which, segments.take(some), at_home=hinted)]
                protocol[mine], framing[mine] = number, which
    return Claims(protocol, framing)


def _mine(protocol: Protocol, which: int, segments: Segments, *, at_home: bool) -> Mask:
    """Whether each segment begins with a unit that the protocol claims, and holds no nonsense.

    ``at_home``: the ports are the protocol's own.
    """
    framing: Framing = protocol.framings[which]
    mine = np.zeros(len(segments), np.bool_)
    owner, units = first_units(segments, framing, which)
    if len(owner):
        mine[owner[protocol.claims(units)]] = True
        if at_home and protocol.claims_at_home is not None:
            mine[owner[protocol.claims_at_home(units)]] = True
        some = segments.take(np.flatnonzero(mine))
        frames = cut(some.alone(), framing.base)
        mine[np.flatnonzero(mine)[frames.segment[frames.status == Status.MALFORMED]]] = False
    return mine
