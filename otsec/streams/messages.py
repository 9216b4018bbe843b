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
SCATTERED = 16  # pieces of one side in datagrams that wait; the longest message of DNP3 has nine
NEAR_NS = 10**8  # within this two datagrams may change places on their way to a port

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
class Piece:
    """What one frame carries of a message."""

    number: int  # -1 where pieces have none
    first: bool
    last: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Coming:
    """A piece as it comes."""

    name: Name
    lane: int
    piece: Piece
    row: int
    packet: int  # ordinal
    time: int
    steady: int
    when: int  # bytes of all traffic that had gone by with it


@dataclass(slots=True)
class Waiting:
    """A piece that came in a datagram, and waits for the others of its message."""

    piece: Piece
    steady: int
    when: int


Scattered = dict[tuple[int, int], Waiting]  # by lane and number; who came first stands first


@dataclass(frozen=True, slots=True)
class Odd:
    """A piece whose number does not follow that of the piece before it: its message is lost."""

    slot: int
    side: int
    time: int
    packet: int
    before: int  # packet of the piece before
    protocol: int = 0  # its number


class Messages:
    """Ordered: joins pieces, for the connections of one source."""

    def __init__(self, registry: Registry, traffic: Traffic) -> None:
        self.registry, self.traffic = registry, traffic
        self.open: dict[Name, dict[int, Open]] = {}  # by lane, the oldest first
        self.scattered: dict[Name, Scattered] = {}
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
        known = len(self.odd)
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
        self.odd[known:] = [replace(one, protocol=number) for one in self.odd[known:]]
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
        upto, stream = self.traffic.upto(view), connections.table["stream"]
        for row in rows.tolist():
            name = int(message.slot[row]), int(message.side[row]), level
            lane, packet = int(pieces.lane[row]), int(message.row[row])
            piece = Piece(
                -1 if pieces.number is None else int(pieces.number[row]),
                bool(pieces.first[row]),
                bool(pieces.last[row]),
                pieces.buffer[pieces.start[row] : pieces.end[row]].tobytes(),
            )
            one = Coming(
                *(name, lane, piece, packet, view.ordinal + int(view.packets.row[packet])),
                *(int(view.packets.time[packet]), int(view.times.steady[packet])),
                int(upto[packet]),
            )
            put = self._put if piece.number < 0 or stream[name[0]] else self._put_beside
            data = put(one, framing, connections)
            if data is not None:
                complete.append(data)
                owner.append(row)
        size = np.array([len(data) for data in complete], np.int64)
        end = np.cumsum(size)
        joined = message.take(np.array(owner, np.int64))
        buffer = np.frombuffer(b"".join(complete), np.uint8)
        return replace(joined, buffer=buffer, start=end - size, end=end)

    def _put(self, one: Coming, framing: Framing, connections: Connections) -> bytes | None:
        """Put a piece to its message; gives the message where that is whole now."""
        name, lane, piece = one.name, one.lane, one.piece
        lanes = self.open.setdefault(name, {})
        held = lanes.get(lane)
        if held is not None and not self._is_new(one, held, framing, connections):
            return None
        if piece.first or (held is None and not framing.tells_first):
            held = self._begin(one, lanes, connections)
        if held is None:  # its beginning was not seen
            connections.count_one(name[0], name[1], "truncated")
            self.broken.append((name[0], name[1], one.row))
        elif not held.lost:
            held.data += piece.data
            held.packet, held.number = one.packet, piece.number
            if len(held.data) > framing.longest_message:
                self._give_up(name, held, one.row, connections)
        whole = None
        if held is not None and piece.last:
            del lanes[lane]
            whole = None if held.lost else bytes(held.data)
        if not lanes:
            del self.open[name]
        return whole

    def _is_new(self, one: Coming, held: Open, framing: Framing, connections: Connections) -> bool:
        """Whether a piece is not the last one sent once more.

        What is open is given up where it is too old, or where the piece does not follow.
        """
        name, piece = one.name, one.piece
        if held.lost:
            return True
        if one.when - held.when > self.traffic.cap:
            self._give_up(name, held, one.row, connections)
            self.traffic.note_late(name[0], one.row)
        elif piece.number >= 0:
            if piece.number == held.number and held.data.endswith(piece.data):
                return False
            if not piece.first and piece.number != (held.number + 1) % framing.numbers:
                self.odd.append(Odd(name[0], name[1], one.time, one.packet, held.packet))
                _drop(name, held, connections)
        return True

    def _begin(self, one: Coming, lanes: dict[int, Open], connections: Connections) -> Open:
        """Open a message with its first piece; the one that was open on its lane is given up."""
        before = lanes.pop(one.lane, None)
        if before is not None:
            self._give_up(one.name, before, one.row, connections)
        elif len(lanes) == LANES:
            self._make_room(one.name, lanes, one.row, connections)
        lanes[one.lane] = begun = Open(one.when, one.packet, one.piece.number)
        return begun

    def _put_beside(self, one: Coming, framing: Framing, connections: Connections) -> bytes | None:
        """The same of a datagram: it may have changed places with those in front of it.

        A message of one piece waits for nobody, and nobody for it. Of the others a piece must come
        behind those in front of it, however slowly, or at most NEAR_NS before them.
        """
        piece, key = one.piece, (one.lane, one.piece.number)
        if piece.first and piece.last:
            return piece.data
        waiting = self.scattered.setdefault(one.name, {})
        self._pass_by(one, waiting, framing.numbers, connections)
        if key in waiting and waiting[key].piece == piece:
            return None  # sent once more
        if key in waiting or len(waiting) == SCATTERED:
            self._lose(one, waiting, [key if key in waiting else next(iter(waiting))], connections)
        waiting[key] = Waiting(piece, one.steady, one.when)
        message = _message(waiting, key, framing.numbers)
        if not (waiting[message[0]].piece.first and waiting[message[-1]].piece.last):
            return None
        data = b"".join(waiting.pop(part).piece.data for part in message)
        if not waiting:
            del self.scattered[one.name]
        return data

    def _pass_by(
        self, one: Coming, waiting: Scattered, numbers: int, connections: Connections
    ) -> None:
        """Give up what waits on the lane of a piece, and for longer than it may."""
        before = _message(waiting, (one.lane, (one.piece.number - 1) % numbers), numbers)
        if one.piece.first or (before and not waiting[before[0]].piece.first):
            before = []
        old = [key for key, other in waiting.items() if one.when - other.when > self.traffic.cap]
        if not set(before).isdisjoint(old):
            self.traffic.note_late(one.name[0], one.row)
            before = []
        late = [
            key
            for key, other in waiting.items()
            if key[0] == one.lane and key not in before
            if one.steady - other.steady > NEAR_NS or key in old
        ]
        self._lose(one, waiting, late, connections)

    def _lose(
        self,
        one: Coming,
        waiting: Scattered,
        keys: list[tuple[int, int]],
        connections: Connections,
    ) -> None:
        """Give up pieces of which the rest does not come."""
        if not keys:
            return
        begun = sum(waiting.pop(key).piece.first for key in keys)
        connections.count_one(one.name[0], one.name[1], "truncated", max(begun, 1))
        self.broken.append((one.name[0], one.name[1], one.row))

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
        for waiting in self.scattered.values():
            for one in waiting.values():
                if self.traffic.is_old(one.when):
                    one.piece = replace(one.piece, data=b"")

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        gone = set(slots.tolist()) if self.open or self.scattered else set()
        for name in [name for name in self.open if name[0] in gone]:
            del self.open[name]
        for name in [name for name in self.scattered if name[0] in gone]:
            del self.scattered[name]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {
            "open": [
                [*name, lane, held.when, held.packet, held.number, held.data.hex(), held.lost]
                for name, lanes in self.open.items()
                for lane, held in lanes.items()
            ],
            "scattered": [
                [*name, lane, *_plain(one)]
                for name, waiting in self.scattered.items()
                for (lane, _), one in waiting.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.open = {}
        for slot, side, level, lane, when, packet, number, data, lost in state["open"]:
            lanes = self.open.setdefault((slot, side, level), {})
            lanes[lane] = Open(when, packet, number, bytearray.fromhex(data), lost)
        self.scattered = {}
        for slot, side, level, lane, number, first, last, data, *came in state["scattered"]:
            piece = Piece(number, first, last, bytes.fromhex(data))
            waiting = self.scattered.setdefault((slot, side, level), {})
            waiting[lane, number] = Waiting(piece, *came)


def _message(waiting: Scattered, key: tuple[int, int], numbers: int) -> list[tuple[int, int]]:
    """The pieces that lie behind one another around one of them, as far as they are there."""
    if key not in waiting:
        return []
    lane, found = key[0], [key]
    while not waiting[found[0]].piece.first:
        before = lane, (found[0][1] - 1) % numbers
        if before not in waiting or waiting[before].piece.last:
            break
        found.insert(0, before)
    while not waiting[found[-1]].piece.last:
        behind = lane, (found[-1][1] + 1) % numbers
        if behind not in waiting or waiting[behind].piece.first:
            break
        found.append(behind)
    return found


def _plain(one: Waiting) -> list[Any]:
    piece = one.piece
    return [piece.number, piece.first, piece.last, piece.data.hex(), one.steady, one.when]


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
