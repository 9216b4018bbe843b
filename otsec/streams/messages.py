"""From frames to messages: what frames carry is whole, or is joined from pieces in order.

Whole messages stay in columns. Pieces are joined one by one, by the one reassembler there is; it
holds at most what the framing says a message can have.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from otsec.columns import I64, Mask
from otsec.protocols.api import Framing, Pieces
from otsec.streams.claim import Registry
from otsec.streams.connections import Connections
from otsec.streams.cut import Segments, Status, cut, give_up
from otsec.streams.found import Found

Name = tuple[int, int, int, int]  # slot, side, level of the framing, lane


class Messages:
    """Ordered: joins pieces, for the connections of one source."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.open: dict[Name, bytearray] = {}

    def apply(self, number: int, parts: list[Found], connections: Connections) -> list[Found]:
        """The messages that whole frames of a protocol carry, all framings of it."""
        framings = self.registry.protocols[number - 1].framings
        if not any(framing.pieces or framing.over for framing in framings):
            return parts
        found: list[Found] = []
        for which, framing in enumerate(framings):
            chosen = [part.take(part.framing == which) for part in parts]
            for level, one in enumerate(framing.stack):
                if level:
                    chosen = [_frames_of(part, one, connections) for part in chosen]
                if one.pieces:
                    chosen = [
                        message
                        for part in chosen
                        for message in self._carried(part, one, level, connections)
                    ]
            found += chosen
        return [part for part in found if len(part)]

    def _carried(
        self, part: Found, framing: Framing, level: int, connections: Connections
    ) -> list[Found]:
        if framing.pieces is None or not len(part):
            return [part]
        order = np.lexsort((part.start, part.row, part.side, part.slot))
        part = part.take(order)
        pieces = framing.pieces(part.buffer, part.start, part.end)
        if pieces.bad.any():
            worse = np.flatnonzero(pieces.bad)
            connections.count(
                part.slot[worse], part.side[worse], "malformed", np.ones(len(worse), np.int64)
            )
        whole, piece = self._sort_out(part, pieces, framing, level)
        message = replace(
            part, buffer=pieces.buffer, start=pieces.start, end=pieces.end, kind=pieces.kind
        )
        found = [message.take(np.flatnonzero(whole))]
        rows = np.flatnonzero(piece)
        if len(rows):
            found.append(self._join(message, pieces, rows, framing, level, connections))
        return found

    def _sort_out(
        self, part: Found, pieces: Pieces, framing: Framing, level: int
    ) -> tuple[Mask, Mask]:
        """Which frames carry whole messages, and which belong to streams that must be joined."""
        data = (pieces.kind == 0) & ~pieces.bad
        own = (pieces.kind != 0) & ~pieces.bad
        stream = np.stack([part.slot, part.side, pieces.lane.astype(np.int64)], axis=1)
        _, name = np.unique(stream, axis=0, return_inverse=True)
        name = name.reshape(-1)
        rows = np.flatnonzero(data)
        rows = rows[np.argsort(name[rows], kind="stable")]
        begins = pieces.first[rows].copy()
        if not framing.tells_first:  # a piece begins a message where the one before ended one
            begins[1:] |= pieces.last[rows][:-1] | (name[rows][1:] != name[rows][:-1])
            begins[:1] = True
        split = np.zeros(int(name.max()) + 1, np.bool_)
        split[name[rows[~(begins & pieces.last[rows])]]] = True
        for slot, side, at, lane in self.open:
            if at == level:
                split[name[(stream == (slot, side, lane)).all(axis=1)]] = True
        joined = data & split[name]
        return own | (data & ~joined), joined

    def _join(
        self,
        message: Found,
        pieces: Pieces,
        rows: I64,
        framing: Framing,
        level: int,
        connections: Connections,
    ) -> Found:
        """Join pieces one by one; gives the messages that they complete."""
        complete: list[bytes] = []
        owner: list[int] = []
        for row in rows.tolist():
            slot, side = int(message.slot[row]), int(message.side[row])
            name = slot, side, level, int(pieces.lane[row])
            data = pieces.buffer[pieces.start[row] : pieces.end[row]].tobytes()
            held = self.open.get(name)
            begins = bool(pieces.first[row]) or (held is None and not framing.tells_first)
            if begins and held is not None:
                self._abandon(name, connections)
            if begins:
                held = self.open[name] = bytearray()
            if held is None:  # its beginning was not seen
                connections.count_one(slot, side, "truncated")
                continue
            held += data
            if len(held) > framing.longest_message:
                self._abandon(name, connections)
            elif pieces.last[row]:
                complete.append(bytes(self.open.pop(name)))
                owner.append(row)
        size = np.array([len(data) for data in complete], np.int64)
        end = np.cumsum(size)
        joined = message.take(np.array(owner, np.int64))
        buffer = np.frombuffer(b"".join(complete), np.uint8)
        return replace(joined, buffer=buffer, start=end - size, end=end)

    def _abandon(self, name: Name, connections: Connections) -> None:
        del self.open[name]
        connections.count_one(name[0], name[1], "truncated")

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        if self.open:
            gone = set(slots.tolist())
            self.open = {name: data for name, data in self.open.items() if name[0] not in gone}

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {"open": [[*name, data.hex()] for name, data in self.open.items()]}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.open = {
            (slot, side, level, lane): bytearray.fromhex(data)
            for slot, side, level, lane, data in state["open"]
        }


def _frames_of(part: Found, framing: Framing, connections: Connections) -> Found:
    """Cut messages into frames of the framing that stands on them."""
    rows = np.arange(len(part))
    segments = Segments(part.buffer, rows, rows, part.start, part.end, part.end, part.end)
    frames = cut(segments, framing)
    frames = give_up(frames, segments, np.flatnonzero(frames.exit < part.end), Status.MALFORMED)
    found = replace(part.take(frames.segment), start=frames.start, end=frames.end)
    bad = np.flatnonzero(frames.status != Status.WHOLE)
    connections.count(found.slot[bad], found.side[bad], "malformed", np.ones(len(bad), np.int64))
    return found.take(np.flatnonzero(frames.status == Status.WHOLE))
