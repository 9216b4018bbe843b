"""From frames to messages: what frames carry is whole, or is joined from pieces in order.

Whole messages stay in columns. Pieces are joined one by one, by the one reassembler there is; it
holds at most what the framing says a message can have.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from otsec.columns import I64, Mask, group
from otsec.protocols.api import Framing, Pieces
from otsec.streams.claim import Registry
from otsec.streams.connections import Connections
from otsec.streams.cut import Segments, Status, cut, give_up
from otsec.streams.found import Found, View
from otsec.streams.traffic import Traffic

LANES = 4  # messages of one side that are open at a time: stations behind a gateway take turns

Name = tuple[int, int, int]  # slot, side, level of the framing


@dataclass(slots=True)
class Open:
    """A message of which pieces have come."""

    when: int  # bytes of all traffic that had gone by with its first piece
    packet: int  # ordinal of its last piece
    number: int  # of that piece, -1 where pieces have none
    data: bytearray = field(default_factory=bytearray)
    lost: bool = False  # given up: what still comes of it is passed over


@dataclass(frozen=True, slots=True)
class Odd:
    """A piece whose number does not follow that of the piece before it: its message is lost."""

    slot: int
    side: int
    time: int
    packet: int
    before: int  # packet of the piece before


class Messages:
    """Ordered: joins pieces, for the connections of one source."""

    def __init__(self, registry: Registry, traffic: Traffic) -> None:
        self.registry, self.traffic = registry, traffic
        self.open: dict[Name, dict[int, Open]] = {}  # by lane, the oldest first
        self.odd: list[Odd] = []  # of the batch at hand
        # slot, side and row of what did not become a message, of the batch at hand
        self.broken: list[tuple[int, int, int]] = []

    def apply(
        self, number: int, parts: list[Found], connections: Connections, view: View
    ) -> list[Found]:
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
                        for message in self._carried(part, one, level, connections, view)
                    ]
            found += chosen
        return [part for part in found if len(part)]

    def _carried(
        self, part: Found, framing: Framing, level: int, connections: Connections, view: View
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
            self.note_broken(part.take(worse))
        whole, piece = self._sort_out(part, pieces, framing, level)
        message = replace(
            part, buffer=pieces.buffer, start=pieces.start, end=pieces.end, kind=pieces.kind
        )
        found = [message.take(np.flatnonzero(whole))]
        rows = np.flatnonzero(piece)
        if len(rows):
            found.append(self._join(message, pieces, rows, framing, level, connections, view))
        return found

    def _sort_out(
        self, part: Found, pieces: Pieces, framing: Framing, level: int
    ) -> tuple[Mask, Mask]:
        """Which frames carry whole messages, and which belong to streams that must be joined."""
        data = (pieces.kind == 0) & ~pieces.bad
        own = (pieces.kind != 0) & ~pieces.bad
        rows = np.flatnonzero(data)
        open_ = any(at == level for _, _, at in self.open)
        alone = pieces.last[rows] & (pieces.first[rows] | (not framing.tells_first))
        if alone.all() and not open_:
            return own | data, np.zeros(len(data), np.bool_)
        streams = group(
            [column.astype(np.uint64) for column in (part.slot, part.side, pieces.lane)], 0
        )
        name = streams.group_of_rows()
        rows = rows[np.argsort(name[rows], kind="stable")]
        begins = pieces.first[rows].copy()
        if not framing.tells_first:  # a piece begins a message where the one before ended one
            begins[1:] |= pieces.last[rows][:-1] | (name[rows][1:] != name[rows][:-1])
            begins[:1] = True
        split = np.zeros(len(streams), np.bool_)
        split[name[rows[~(begins & pieces.last[rows])]]] = True
        if open_:
            head = streams.first
            split |= [
                lane in self.open.get((slot, side, level), ())
                for slot, side, lane in zip(
                    part.slot[head].tolist(), part.side[head].tolist(),
                    pieces.lane[head].tolist(), strict=True,
                )
            ]  # fmt: skip
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
        view: View,
    ) -> Found:
        """Join pieces one by one; gives the messages that they complete."""
        complete: list[bytes] = []
        owner: list[int] = []
        upto = self.traffic.upto(view)
        for row in rows.tolist():
            name = int(message.slot[row]), int(message.side[row]), level
            lanes, lane = self.open.setdefault(name, {}), int(pieces.lane[row])
            packet = int(message.row[row])
            now = int(upto[packet])
            held = lanes.get(lane)
            data = pieces.buffer[pieces.start[row] : pieces.end[row]].tobytes()
            number = -1 if pieces.number is None else int(pieces.number[row])
            ordinal = view.ordinal + int(view.packets.row[packet])
            if held is not None and not held.lost and now - held.when > self.traffic.cap:
                self._give_up(name, held, packet, connections)
                self.traffic.note_late(name[0], packet)
            if held is not None and number >= 0 and not held.lost:
                if number == held.number and held.data.endswith(data):
                    continue  # sent once more
                if not pieces.first[row] and number != (held.number + 1) % framing.numbers:
                    time = int(view.packets.time[packet])
                    self.odd.append(Odd(name[0], name[1], time, ordinal, held.packet))
                    _drop(name, held, connections)
            if bool(pieces.first[row]) or (held is None and not framing.tells_first):
                if held is not None:
                    self._give_up(name, held, packet, connections)
                    del lanes[lane]
                elif len(lanes) == LANES:
                    self._make_room(name, lanes, packet, connections)
                held = lanes[lane] = Open(now, ordinal, number)
            if held is None:  # its beginning was not seen
                connections.count_one(name[0], name[1], "truncated")
                self.broken.append((name[0], name[1], packet))
            elif not held.lost:
                held.data += data
                held.packet, held.number = ordinal, number
                if len(held.data) > framing.longest_message:
                    self._give_up(name, held, packet, connections)
            if held is not None and pieces.last[row]:
                del lanes[lane]
                if not held.lost:
                    complete.append(bytes(held.data))
                    owner.append(row)
            if not lanes:
                del self.open[name]
        size = np.array([len(data) for data in complete], np.int64)
        end = np.cumsum(size)
        joined = message.take(np.array(owner, np.int64))
        buffer = np.frombuffer(b"".join(complete), np.uint8)
        return replace(joined, buffer=buffer, start=end - size, end=end)

    def note_broken(self, part: Found) -> None:
        """Frames that did not become messages."""
        columns = (part.slot.tolist(), part.side.tolist(), part.row.tolist())
        self.broken += zip(*columns, strict=True)

    def _give_up(self, name: Name, held: Open, row: int, connections: Connections) -> None:
        """Drop a message that is open, and count it, unless that was done before."""
        if not held.lost:
            self.broken.append((name[0], name[1], row))
            _drop(name, held, connections)

    def _make_room(
        self, name: Name, lanes: dict[int, Open], packet: int, connections: Connections
    ) -> None:
        """Give up the oldest message of a side that opens too many."""
        oldest = next(iter(lanes))
        self._give_up(name, lanes.pop(oldest), packet, connections)
        self.traffic.note_late(name[0], packet)

    def finish(self) -> None:
        """Leave the batch."""
        self.odd, self.broken = [], []

    def sweep(self) -> None:
        """Drop the bytes of what is too old; that it was open is kept, to be told when more comes."""
        for lanes in self.open.values():
            for held in lanes.values():
                if self.traffic.is_old(held.when):
                    held.data = bytearray()

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        if self.open:
            gone = set(slots.tolist())
            self.open = {name: lanes for name, lanes in self.open.items() if name[0] not in gone}

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {
            "open": [
                [*name, lane, held.when, held.packet, held.number, held.data.hex(), held.lost]
                for name, lanes in self.open.items()
                for lane, held in lanes.items()
            ]
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.open = {}
        for slot, side, level, lane, when, packet, number, data, lost in state["open"]:
            lanes = self.open.setdefault((slot, side, level), {})
            lanes[lane] = Open(when, packet, number, bytearray.fromhex(data), lost)


def _drop(name: Name, held: Open, connections: Connections) -> None:
    connections.count_one(name[0], name[1], "truncated")
    held.data, held.lost = bytearray(), True


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
