"""Who owns each connection: asks its first segments, and settles who the client is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, U64, Mask
from otsec.protocols.api import Protocol, Side
from otsec.streams.claim import ON_ETHERNET, TRIES, Registry, ask, first_units, transports
from otsec.streams.connections import REASONS, UNCLAIMED, Connections
from otsec.streams.cut import Segments


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

    def __post_init__(self) -> None:
        self.side = np.full(len(self.protocol), Side.UNKNOWN, np.int64)


class Owners:
    """Ordered: which protocol each connection belongs to."""

    def __init__(
        self,
        registry: Registry,
        connections: Connections,
        claimed: Callable[[I64], None],
    ) -> None:
        """``claimed(slots)`` is told when a protocol was found: the client may have changed."""
        self.registry, self.connections, self._claimed = registry, connections, claimed

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
        owner = flow[asked]
        answer = ask(
            self.registry, segments.take(picked), claims.hint[owner], claims.transport[owner]
        )
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
        said = self._sides(
            segments.take(picked[first]), claims.protocol[owner], claims.framing[owner]
        )
        claims.side[owner] = said

    def _sides(self, segments: Segments, protocol: I64, framing: I64) -> I64:
        sides = np.full(len(segments), Side.UNKNOWN, np.int64)
        for number, which in set(zip(protocol.tolist(), framing.tolist(), strict=True)):
            mine = np.flatnonzero((protocol == number) & (framing == which))
            owner = self.protocol(number)
            first, units = first_units(segments.take(mine), owner.framings[which], which)
            sides[mine[first]] = owner.sides(units)
        return sides

    def own(self, slots: I64, protocol: I64, framing: I64, speaker: I64, side: I64) -> None:
        """A protocol was found: note it, and who the client is by its word if no SYN told.

        ``speaker``: side that sent the unit by which it was found; ``side``: Side of that unit.
        """
        table = self.connections.table
        table["protocol"][slots] = protocol
        table["framing"][slots] = framing
        told = np.where(side == Side.REQUEST, speaker, 1 - speaker)
        known = table["reason"][slots] == REASONS.index("syn")
        unclear = side == Side.UNKNOWN
        told = np.where(unclear & (table["client"][slots] < 0), speaker, told)
        turn = ~known & (~unclear | (table["client"][slots] < 0))
        table["client"][slots[turn]] = told[turn]
        table["reason"][slots[turn]] = REASONS.index("protocol")
        self._claimed(slots)

    def protocol(self, number: int) -> Protocol:
        """A protocol by its number."""
        return self.registry.protocols[number - 1]
