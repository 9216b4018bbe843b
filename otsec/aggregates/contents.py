"""What was transferred: programs, blocks and files put together again, of which a hash is kept.

An order consumer: which units may be of a transfer is told in columns; those few are read one by
one, in order. What has come of a transfer is held until it ends, up to caps, so that a checkpoint
can carry it: the state of a hash cannot be carried.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.aggregates.asides import Asides, ends_of, sent
from otsec.aggregates.asides import End as Port
from otsec.aggregates.counters import Row, Tally
from otsec.columns import I64, Bytes, Mask
from otsec.errors import WireError
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.model import Packets
from otsec.protocols.api import (
    MEMORY,
    Begin,
    End,
    Expect,
    Piece,
    Reader,
    Side,
    Split,
    Transfers,
)

TRANSFER_BYTES = 8 << 20  # of one transfer
HELD_BYTES = 16 << 20  # of all of one protocol that are under way
UNDER_WAY = 1024  # transfers of one protocol
TALKS = 4096  # connections, or pairs of hosts, of which something is remembered
HOLES = 1024  # in one transfer whose pieces have places
ROWS = 16_384  # transfers of one protocol that are told apart
OPEN = "open"  # reason of what is under way at a checkpoint
AGAIN, CUT, MISSING = "begun anew", "end not seen", "pieces missing"
TOO_LONG, TOO_MUCH, TOO_MANY = "too long to keep", "too much at once", "too many at once"
TOO_HOLED = "too many pieces missing"

Scope = bytes  # the connection, or the two hosts
Lane = tuple[Scope, str]
Moment = tuple[int, int]  # time and ordinal of a packet
Key = tuple[int, str, str, str, str, str, str, str]
# conversation, protocol, device, kind, name, direction, SHA-256 and why there is none


@dataclass(slots=True)
class Transfer:
    """One that is under way."""

    begin: Begin
    conversation: int
    first: Moment
    last: Moment
    next: int  # number of the piece that comes next
    data: bytearray
    size: int = 0  # bytes that came, whether they were kept or not
    ahead: bool = False  # a later piece came first
    ended: bool = False  # the last piece came
    problem: str = ""  # why its bytes are no longer kept
    spans: list[list[int]] = field(default_factory=list)  # what came, of pieces that have places
    over: bool = False  # it was said to have ended, and its connection has not


@dataclass(frozen=True, slots=True)
class Heard:
    """The packets at hand, for transfers that go over connections of their own."""

    buffer: Bytes
    packets: Packets
    ordinal: int  # of the batch's first packet


class Contents(Tally[Key]):
    """Ordered: what was transferred by one protocol at one source."""

    def __init__(self, protocol: str, transfers: Transfers) -> None:
        super().__init__(ROWS)
        self.protocol, self.transfers = protocol, transfers
        self.sizes: dict[Key, int] = {}
        self.memory: dict[Scope, dict[str, Any]] = {}
        self.open: dict[Lane, Transfer] = {}  # those that were silent longest first
        self.held = 0
        self.asides = Asides()

    # ------------------------------------------------------------------ one batch

    def add(
        self, cut: Sequence[tuple[Calls, Split]], table: Any, heard: Heard | None = None
    ) -> None:
        """Take the units of one batch; ``table``: of the connections."""
        begin = [_begins(self.transfers, part) for part, _ in cut]
        if not self.memory and not any(mask.any() for mask in begin):
            self._hear(heard, set())
            return
        begun = {
            self._scope(table, slot)
            for (part, _), mask in zip(cut, begin, strict=True)
            for slot in np.unique(part.slot[mask]).tolist()
        }
        units = []
        for (part, _), mask in zip(cut, begin, strict=True):
            begins, others = np.flatnonzero(mask), _others(self.transfers, part, mask)
            slots = np.unique(part.slot[others]).tolist()
            mine = [slot for slot in slots if self._concerns(self._scope(table, slot), begun)]
            concerned = others[np.isin(part.slot[others], np.array(mine, np.int64))]
            for rows, begins_here in ((begins, True), (concerned, False)):
                positions = part.position[rows].tolist()
                units += [
                    (position, row, begins_here, part)
                    for position, row in zip(positions, rows.tolist(), strict=True)
                ]
        units.sort(key=_position)
        packets = self._packets(heard, self._expected(units, table))
        for position, row, begins_here, part in units:
            self._carried(heard, packets, position)
            self._read(part, row, table, begins=begins_here)
        self._carried(heard, packets)

    # ------------------------------------------------------- connections of their own

    def _expected(self, units: Sequence[tuple[int, int, bool, Calls]], table: Any) -> set[Port]:
        """The ends that units of this batch may announce."""
        found: set[Port] = set()
        if self.transfers.expects is None:
            return found
        for _, row, begins, part in units:
            if begins:
                data = part.buffer[part.start[row] : part.end[row]].tobytes()
                side = Side(int(part.side[row]))
                expected = self.transfers.expects(data, side)
                if expected is not None:
                    found.update(ends_of(expected, *_speaker(table, int(part.slot[row]), side)))
        return found

    def _packets(self, heard: Heard | None, more: set[Port]) -> list[int]:
        return [] if heard is None else self.asides.rows(heard.packets, more).tolist()[::-1]

    def _hear(self, heard: Heard | None, more: set[Port]) -> None:
        """Packets of a batch in which no unit is of a transfer."""
        self._carried(heard, self._packets(heard, more))

    def _carried(self, heard: Heard | None, packets: list[int], until: int | None = None) -> None:
        """Take the packets, the last of the list first, that came before a position."""
        while heard is not None and packets:
            ordinal = heard.ordinal + int(heard.packets.row[packets[-1]])
            if until is not None and ordinal << PART_BITS >= until:
                return
            row = packets.pop()
            found = self.asides.take(heard.buffer, heard.packets, row)
            if found is None:
                continue
            scope, piece, by_client = found
            transfer = self.open.get((scope, piece.lane))
            if transfer is not None and sent(transfer.begin.direction, by_client=by_client):
                moment = int(heard.packets.time[row]), ordinal
                self._step((scope, piece.lane), piece, transfer.conversation, moment)
                if transfer.ended and transfer.over:
                    self._conclude(self.open.pop((scope, piece.lane)), "")

    # ----------------------------------------------------------------------- units

    def _concerns(self, scope: Scope, begun: set[Scope]) -> bool:
        return scope in begun or scope in self.memory

    def _scope(self, table: Any, slot: int) -> Scope:
        if self.transfers.scope == "connection":
            return int(table["serial"][slot]).to_bytes(8, "little")
        return bytes(table["key"][slot][1:].tobytes())

    def _read(self, part: Calls, row: int, table: Any, *, begins: bool) -> None:
        slot = int(part.slot[row])
        scope = self._scope(table, slot)
        if not begins and scope not in self.memory:
            return
        memory = self.memory.pop(scope, {})
        ports = int(table["key"][slot][0])
        reader = Reader(
            part.buffer[part.start[row] : part.end[row]].tobytes(), framing=int(part.framing[row])
        )
        try:
            steps = self.transfers.read(
                reader, Side(int(part.side[row])), memory, (ports >> 16 & 0xFFFF, ports & 0xFFFF)
            )
        except WireError:
            steps = []
        moment = int(part.time[row]), int(part.position[row]) >> PART_BITS
        self._remember(scope, memory, moment)
        for step in steps:
            if isinstance(step, Expect):
                speaker = _speaker(table, slot, Side(int(part.side[row])))
                self.asides.expect(scope, step, *speaker)
            else:
                self._step((scope, step.lane), step, int(part.conversation[row]), moment)

    def _remember(self, scope: Scope, memory: dict[str, Any], moment: Moment) -> None:
        while len(memory) > MEMORY:
            del memory[next(iter(memory))]
        if memory:
            self.memory[scope] = memory
        if len(self.memory) > TALKS:
            self.refused.note(1, *moment)
            del self.memory[next(iter(self.memory))]

    # ------------------------------------------------------------------ one transfer

    def _step(
        self, lane: Lane, step: Begin | Piece | End, conversation: int, moment: Moment
    ) -> None:
        transfer = self.open.pop(lane, None)
        if isinstance(step, Begin):
            if transfer is not None:
                self._conclude(transfer, "" if transfer.over else AGAIN)
            while len(self.open) >= UNDER_WAY:
                self.refused.note(1, *moment)
                self._conclude(self.open.pop(next(iter(self.open))), TOO_MANY)
            transfer = Transfer(step, conversation, moment, moment, step.first, bytearray())
        elif transfer is None:
            return
        transfer.last = moment
        if isinstance(step, End):
            transfer.over = transfer.begin.aside and not (step.problem or transfer.ended)
            if not transfer.over:
                self._conclude(transfer, step.problem)
                return
        self.open[lane] = transfer  # behind all others: those that were silent longest go first
        if isinstance(step, Piece):
            self._take(transfer, step, moment)

    def _put(self, transfer: Transfer, piece: Piece, moment: Moment) -> None:
        """A piece that has a place; where it overlaps with others, the protocol says who holds."""
        begin, end = piece.number, piece.number + len(piece.data)
        transfer.ended |= piece.last
        transfer.size = max(transfer.size, end)
        if not transfer.problem and end > TRANSFER_BYTES:
            self._drop(transfer, TOO_LONG, moment)
        if transfer.problem:
            return
        growth = end - len(transfer.data)
        if growth > 0:
            transfer.data += bytes(growth)
            self.held += growth
        for left, right in _gaps(transfer, begin, end):
            transfer.data[left:right] = piece.data[left - begin : right - begin]
        _cover(transfer.spans, begin, end)
        transfer.ahead = transfer.spans not in ([], [[0, transfer.size]])
        if len(transfer.spans) > HOLES:
            self._drop(transfer, TOO_HOLED, moment)
        while self.held > HELD_BYTES:
            self._drop(next(one for one in self.open.values() if one.data), TOO_MUCH, moment)

    def _take(self, transfer: Transfer, piece: Piece, moment: Moment) -> None:
        if transfer.begin.placed:
            self._put(transfer, piece, moment)
            return
        numbers = self.transfers.numbers
        ahead = (piece.number - transfer.next) % numbers
        if ahead >= numbers // 2:  # once more
            return
        transfer.ahead = ahead > 0
        if ahead:
            return
        transfer.next = (transfer.next + 1) % numbers
        transfer.ended |= piece.last
        transfer.size += len(piece.data)
        if transfer.problem:
            return
        if len(transfer.data) + len(piece.data) > TRANSFER_BYTES:
            self._drop(transfer, TOO_LONG, moment)
            return
        transfer.data += piece.data
        self.held += len(piece.data)
        while self.held > HELD_BYTES:
            self._drop(next(one for one in self.open.values() if one.data), TOO_MUCH, moment)

    def _drop(self, transfer: Transfer, problem: str, moment: Moment) -> None:
        """Go on without the bytes of a transfer."""
        self.refused.note(1, *moment)
        self.held -= len(transfer.data)
        transfer.data, transfer.problem, transfer.spans = bytearray(), problem, []

    def _conclude(self, transfer: Transfer, problem: str) -> None:
        self.held -= len(transfer.data)
        reason = problem or transfer.problem or _lack(transfer)
        digest = "" if reason else hashlib.sha256(transfer.data).hexdigest()
        key = self._key(transfer, digest, reason)
        self.note(key, 1, transfer.first, transfer.last)
        if key in self.rows:
            self.sizes[key] = max(self.sizes.get(key, 0), transfer.size)

    def _key(self, transfer: Transfer, digest: str, reason: str) -> Key:
        begin = transfer.begin
        return (
            transfer.conversation, self.protocol, begin.device, begin.kind, begin.name,
            begin.direction, digest, reason,
        )  # fmt: skip

    # ------------------------------------------------------------------ state

    def take_rows(self, source: int) -> list[Row]:
        """Rows that changed since the last call, and one for each transfer under way."""
        rows: list[Row] = [
            (source, *key, self.sizes[key], *self.rows[key]) for key in sorted(self.changed)
        ]
        self.changed.clear()
        under_way: Tally[Key] = Tally()
        sizes: dict[Key, int] = {}
        for transfer in self.open.values():
            key = self._key(transfer, "", OPEN)
            under_way.note(key, 1, transfer.first, transfer.last)
            sizes[key] = max(sizes.get(key, 0), transfer.size)
        return rows + [(source, *key, sizes[key], *row) for key, row in under_way.rows.items()]

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds, but for what was under way."""
        for row in rows:
            key: Any = tuple(row[1:-6])
            if key[1] == self.protocol and key[-1] != OPEN:
                self.sizes[key], self.rows[key] = row[-6], list(row[-5:])

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        open_ = [
            [
                scope.hex(), lane, _fields(one.begin), one.conversation, one.first,
                one.last, one.next, len(one.data), one.size, one.ahead, one.ended, one.problem,
                one.spans, one.over,
            ]
            for (scope, lane), one in self.open.items()
        ]  # fmt: skip
        data = b"".join(bytes(one.data) for one in self.open.values())
        memory = [[scope.hex(), held] for scope, held in self.memory.items()]
        return {
            "open": open_,
            "data": np.frombuffer(data, np.uint8),
            "memory": memory,
            "asides": self.asides.dump(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        data, at = memoryview(state["data"].tobytes()), 0
        for scope, lane, begin, number, first, last, next_, kept, *rest in state["open"]:
            held = bytearray(data[at : at + kept])
            at += kept
            self.open[bytes.fromhex(scope), lane] = Transfer(
                Begin(*begin), number, tuple(first), tuple(last), next_, held, *rest
            )
        self.held = at
        self.memory = {bytes.fromhex(scope): held for scope, held in state["memory"]}
        self.asides.load(state.get("asides", []))


def _fields(begin: Begin) -> list[Any]:
    return [getattr(begin, name) for name in Begin.__slots__]


def _lack(transfer: Transfer) -> str:
    """What lacks for a transfer that has ended to be complete."""
    if transfer.ahead or (transfer.begin.placed and transfer.size and not transfer.spans):
        return MISSING
    if transfer.begin.tells_last and not transfer.ended:
        return CUT
    announced = transfer.begin.size
    return "" if announced in (-1, transfer.size) else f"{announced} bytes announced"


def _gaps(transfer: Transfer, begin: int, end: int) -> Iterable[tuple[int, int]]:
    """Where a piece writes what it brings: everywhere, or where nothing was."""
    if transfer.begin.placed == "last":
        yield begin, end
        return
    for left, right in transfer.spans:
        if left >= end:
            break
        if right > begin:
            if left > begin:
                yield begin, left
            begin = right
    if begin < end:
        yield begin, end


def _cover(spans: list[list[int]], begin: int, end: int) -> None:
    """Add a span to those that are there, in order and apart from one another."""
    if begin == end:
        return
    first = bisect_left(spans, begin, key=lambda span: span[1])
    last = bisect_right(spans, end, key=lambda span: span[0])
    met = spans[first:last]
    spans[first:last] = [[min([begin, *(s[0] for s in met)]), max([end, *(s[1] for s in met)])]]


def _speaker(table: Any, slot: int, side: Side) -> tuple[int, tuple[int, int]]:
    """The place of a connection, and the address of one of its sides as two words."""
    key, client = table["key"][slot], int(table["client"][slot])
    higher = (client == 1) == (side == Side.REQUEST)
    low, high = (key[2], key[5]) if higher else (key[1], key[4])
    return int(key[3]), (int(high), int(low))


def _begins(transfers: Transfers, part: Calls) -> Mask:
    """Which units may begin a transfer; not those that waited since an earlier batch."""
    return np.asarray(transfers.begins(part.units()) & (part.slot >= 0), np.bool_)


def _others(transfers: Transfers, part: Calls, begins: Mask) -> I64:
    """Rows that may go on with one, and do not begin one."""
    return np.flatnonzero(transfers.goes_on(part.units()) & (part.slot >= 0) & ~begins)


def _position(unit: tuple[int, int, bool, Calls]) -> int:
    return unit[0]
