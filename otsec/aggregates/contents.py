"""What was transferred: programs, blocks and files put together again, of which a hash is kept.

An order consumer: which units may be of a transfer is told in columns; those few are read one by
one, in order. What has come of a transfer is held until it ends, up to caps, so that a checkpoint
can carry it: the state of a hash cannot be carried.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from otsec.aggregates.counters import Row, Tally
from otsec.columns import I64, Mask
from otsec.errors import WireError
from otsec.exchanges.calls import PART_BITS, Calls
from otsec.protocols.api import (
    MEMORY,
    Begin,
    End,
    Piece,
    Reader,
    Side,
    Split,
    Step,
    Transfers,
)

TRANSFER_BYTES = 8 << 20  # of one transfer
HELD_BYTES = 16 << 20  # of all of one protocol that are under way
UNDER_WAY = 1024  # transfers of one protocol
TALKS = 4096  # connections, or pairs of hosts, of which something is remembered
ROWS = 16_384  # transfers of one protocol that are told apart
OPEN = "open"  # reason of what is under way at a checkpoint
AGAIN, CUT, MISSING = "begun anew", "end not seen", "pieces missing"
TOO_LONG, TOO_MUCH, TOO_MANY = "too long to keep", "too much at once", "too many at once"

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


class Contents(Tally[Key]):
    """Ordered: what was transferred by one protocol at one source."""

    def __init__(self, protocol: str, transfers: Transfers) -> None:
        super().__init__(ROWS)
        self.protocol, self.transfers = protocol, transfers
        self.sizes: dict[Key, int] = {}
        self.memory: dict[Scope, dict[str, Any]] = {}
        self.open: dict[Lane, Transfer] = {}  # those that were silent longest first
        self.held = 0

    # ------------------------------------------------------------------ one batch

    def add(self, cut: Sequence[tuple[Calls, Split]], table: Any) -> None:
        """Take the units of one batch; ``table``: of the connections."""
        marks = [_marked(self.transfers, part) for part, _ in cut]
        if not self.memory and not any(len(begins) for begins, _ in marks):
            return
        begun = {
            self._scope(table, slot)
            for (part, _), (begins, _) in zip(cut, marks, strict=True)
            for slot in np.unique(part.slot[begins]).tolist()
        }
        units = []
        for (part, _), (begins, others) in zip(cut, marks, strict=True):
            slots = np.unique(part.slot[others]).tolist()
            mine = [slot for slot in slots if self._concerns(self._scope(table, slot), begun)]
            concerned = others[np.isin(part.slot[others], np.array(mine, np.int64))]
            for rows, begins_here in ((begins, True), (concerned, False)):
                positions = part.position[rows].tolist()
                units += [
                    (position, row, begins_here, part)
                    for position, row in zip(positions, rows.tolist(), strict=True)
                ]
        for _, row, begins_here, part in sorted(units, key=_position):
            self._read(part, row, table, begins=begins_here)

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

    def _step(self, lane: Lane, step: Step, conversation: int, moment: Moment) -> None:
        transfer = self.open.pop(lane, None)
        if isinstance(step, Begin):
            if transfer is not None:
                self._conclude(transfer, AGAIN)
            while len(self.open) >= UNDER_WAY:
                self.refused.note(1, *moment)
                self._conclude(self.open.pop(next(iter(self.open))), TOO_MANY)
            transfer = Transfer(step, conversation, moment, moment, step.first, bytearray())
        elif transfer is None:
            return
        transfer.last = moment
        if isinstance(step, End):
            self._conclude(transfer, step.problem)
            return
        self.open[lane] = transfer  # behind all others: those that were silent longest go first
        if isinstance(step, Piece):
            self._take(transfer, step, moment)

    def _take(self, transfer: Transfer, piece: Piece, moment: Moment) -> None:
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
        transfer.data, transfer.problem = bytearray(), problem

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
            ]
            for (scope, lane), one in self.open.items()
        ]  # fmt: skip
        data = b"".join(bytes(one.data) for one in self.open.values())
        memory = [[scope.hex(), held] for scope, held in self.memory.items()]
        return {"open": open_, "data": np.frombuffer(data, np.uint8), "memory": memory}

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


def _fields(begin: Begin) -> list[Any]:
    return [getattr(begin, name) for name in Begin.__slots__]


def _lack(transfer: Transfer) -> str:
    """What lacks for a transfer that has ended to be complete."""
    if transfer.ahead:
        return MISSING
    if transfer.begin.tells_last and not transfer.ended:
        return CUT
    announced = transfer.begin.size
    return "" if announced in (-1, transfer.size) else f"{announced} bytes announced"


def _marked(transfers: Transfers, part: Calls) -> tuple[I64, I64]:
    """Rows that may begin a transfer, and those that may go on with one."""
    units, fresh = part.units(), part.slot >= 0  # not what waited since an earlier batch
    begins: Mask = transfers.begins(units) & fresh
    others = transfers.goes_on(units) & fresh & ~begins
    return np.flatnonzero(begins), np.flatnonzero(others)


def _position(unit: tuple[int, int, bool, Calls]) -> int:
    return unit[0]
