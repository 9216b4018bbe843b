"""Who owns each connection: asks its first segments, and settles who the client is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, U64, Mask, span_word
from otsec.model import TCP, Kind
from otsec.protocols.api import Protocol, Side
from otsec.streams.claim import (
    ON_ETHERNET,
    ON_IP,
    TRIES,
    Claims,
    Registry,
    ask,
    first_units,
    transports,
)
from otsec.streams.connections import REASONS, UNCLAIMED, Connections
from otsec.streams.cut import Segments, heads

ALL = np.iinfo(np.int64).max


@dataclass(slots=True)
class FlowClaims:
    """What is known of the owner of each flow while a batch is worked on."""

    protocol: I64
    framing: I64
    tried: I64
    from_row: I64  # row of the segment by which it was claimed now; 0 if it was before
    by: I64  # position of that segment among those asked, -1 if it was not claimed now
    hint: I64
    transport: I64  # position in claim.TRANSPORTS
    side: I64 = field(init=False)  # Side of its first unit
    in_pieces: Mask = field(init=False)  # its first unit may have begun in an earlier segment

    def __post_init__(self) -> None:
        self.in_pieces = np.zeros(len(self.protocol), np.bool_)
        self.side = np.full(len(self.protocol), Side.UNKNOWN, np.int64)


class Owners:
    """Ordered: which protocol each connection belongs to."""

    def __init__(
        self,
        registry: Registry,
        connections: Connections,
        claimed: Callable[[I64, I64], None],
    ) -> None:
        """``claimed(slots, rows)`` is told when a protocol was found: the client may have changed.

        ``rows``: of the packets that showed it.
        """
        self.registry, self.connections, self._claimed = registry, connections, claimed
        heads = [protocol.head or ALL for protocol in registry.protocols]
        self.head = np.array([ALL, *heads])  # bytes of a side that each protocol looks at
        self._scrubs = [one.scrub_open for one in registry.protocols if one.scrub_open is not None]

    def scrubbed(self, data: bytes) -> bytes:
        """The front of a frame as it may outlive the program."""
        for scrub in self._scrubs:
            data = scrub(data)
        return data

    def known(self, slots: I64, keys: U64) -> FlowClaims:
        """What is known of the owners of some flows; slot -1: nothing."""
        table, safe = self.connections.table, np.maximum(slots, 0)
        count = len(slots)
        return FlowClaims(
            protocol=table["protocol"][safe].astype(np.int64),
            framing=table["framing"][safe].astype(np.int64),
            tried=table["tried"][safe].astype(np.int64),
            from_row=np.zeros(count, np.int64),
            by=np.full(count, -1, np.int64),
            hint=self.registry.hint(keys),
            transport=transports(keys),
        )

    def open(self, claims: FlowClaims) -> Mask:
        """Which flows nobody owns, and may still be asked."""
        open_ = (claims.protocol == UNCLAIMED) & (claims.tried < TRIES)
        open_ &= (claims.transport >= 0) & ((claims.transport != ON_ETHERNET) | (claims.hint > 0))
        return np.asarray(open_, np.bool_)

    def ask(self, segments: Segments, flow: I64, claims: FlowClaims) -> None:
        """Ask about the first segments of each flow, in row order; the first claim holds."""
        order = np.lexsort((segments.start, segments.row, flow))
        flow = flow[order]
        heads = np.flatnonzero(np.diff(flow, prepend=-1))
        counts = np.diff(heads, append=len(flow))
        rank = np.arange(len(flow)) - np.repeat(heads, counts)
        asked = np.flatnonzero(rank < TRIES - claims.tried[flow])
        if not len(asked):
            return
        picked = order[asked]
        answer = self._hear(segments.take(picked), flow[asked], rank[asked] == 0, claims)
        mine = np.flatnonzero(answer.protocol)
        owner = flow[asked[mine]]
        first = mine[np.flatnonzero(np.diff(owner, prepend=-1))]
        owner = flow[asked[first]]
        tried = np.bincount(flow[asked], minlength=len(claims.tried))
        tried[owner] = rank[asked[first]]
        claims.tried += tried
        claims.protocol[owner] = answer.protocol[first]
        claims.framing[owner] = answer.framing[first]
        claims.from_row[owner] = segments.row[picked[first]]
        claims.by[owner] = picked[first]
        said = self.sides(
            segments.take(picked[first]), claims.protocol[owner], claims.framing[owner]
        )
        claims.side[owner] = said
        joins = claims.transport[flow[asked]] == ON_IP[TCP]
        before = asked[(rank[asked] < tried[flow[asked]]) & joins]
        _, begun = self.heads(segments.take(order[before]))
        claims.in_pieces[flow[before[begun]]] = True

    def _hear(self, segments: Segments, flow: I64, leads: Mask, claims: FlowClaims) -> Claims:
        """What segments are; those behind the first of a flow are asked where that tells nothing.

        ``flow``: of each segment; ``leads``: which of them are the first.
        """
        answer = Claims(*np.zeros((2, len(segments)), np.int64))
        owned = np.zeros(len(claims.hint), np.bool_)
        for turn in (leads, ~leads):
            rows = np.flatnonzero(turn & ~owned[flow])
            owner = flow[rows]
            heard = ask(
                self.registry, segments.take(rows), claims.hint[owner], claims.transport[owner]
            )
            answer.protocol[rows], answer.framing[rows] = heard.protocol, heard.framing
            owned[owner[heard.protocol > 0]] = True
        return answer

    def heads(self, segments: Segments) -> tuple[Mask, Mask]:
        """Whether each segment, of TCP, begins with a whole frame or could begin a longer one.

        By any framing of any protocol.
        """
        whole, longer = np.zeros((2, len(segments)), np.bool_)
        size = np.minimum(segments.end, segments.stop) - segments.start
        word = span_word(segments.buffer, segments.start, size, 0)
        begins = self.registry.stream_beginnings.of(word, size)
        for number in np.flatnonzero(begins.any(axis=0)).tolist():
            rows = np.flatnonzero(begins[:, number])
            one, other = heads(segments.take(rows), self.registry.of_streams[number])
            whole[rows] |= one
            longer[rows] |= other
        return whole, longer

    def sides(self, segments: Segments, protocol: I64, framing: I64) -> I64:
        """Side of the unit with which each segment begins."""
        sides = np.full(len(segments), Side.UNKNOWN, np.int64)
        for number, which in set(zip(protocol.tolist(), framing.tolist(), strict=True)):
            mine = np.flatnonzero((protocol == number) & (framing == which))
            owner = self.protocol(number)
            first, units = first_units(segments.take(mine), owner.framings[which], which)
            sides[mine[first]] = owner.sides(units)
        return sides

    def own(self, slots: I64, claims: FlowClaims, new: I64, speaker: I64) -> None:
        """Protocols were found: note them, and who the client is by their word if no SYN told.

        ``new``: the flows, of all in ``claims``; ``slots``: their connections; ``speaker``: the
        side of each that sent the unit by which it was found.
        """
        table, side = self.connections.table, claims.side[new]
        table["protocol"][slots] = claims.protocol[new]
        table["framing"][slots] = claims.framing[new]
        told = np.where(side == Side.REQUEST, speaker, 1 - speaker)
        known = table["reason"][slots] == REASONS.index("syn")
        unclear = side == Side.UNKNOWN
        told = np.where(unclear & (table["client"][slots] < 0), speaker, told)
        turn = ~known & (~unclear | (table["client"][slots] < 0))
        turn &= ~((told == table["client"][slots]) & self._published(slots))
        table["client"][slots[turn]] = told[turn]
        table["reason"][slots[turn]] = REASONS.index("protocol")
        self._claimed(slots, claims.from_row[new])

    def _published(self, slots: I64) -> Mask:
        """Which connections on IP are sent to many: nothing tells their sender better."""
        table = self.connections.table
        on_ip = table["key"][slots, 0] >> np.uint64(48) != Kind.MAC
        return np.asarray(on_ip & (table["reason"][slots] == REASONS.index("publisher")))

    def protocol(self, number: int) -> Protocol:
        """A protocol by its number."""
        return self.registry.protocols[number - 1]
