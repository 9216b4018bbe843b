"""Joins IP fragments to datagrams.

Where fragments overlap, the bytes that came first stay (as in RFC 815 and most hosts' IPv4; a
strict IPv6 host drops such datagrams, RFC 8200 4.5, but a monitor that drops them shows less).
Overlaps with other bytes are counted.

Sources: RFC 791 3.2, RFC 8200 4.5.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import starmap
from operator import itemgetter
from typing import Any, TypeAlias

from otsec.columns import I64, Bytes
from otsec.dissect.network import AH
from otsec.model import Kind, Packets

TIMEOUT_NS = 30_000_000_000  # what Linux waits; RFC 791 says at least 15 s, RFC 8200 60 s
MAX_PENDING = 1_024  # datagrams that wait for fragments at once; a busy link has a few
MAX_PENDING_BYTES = 4 << 20  # of all that wait: 64 datagrams of the greatest length
PENDING_COST, SPAN_COST = 512, 128  # bytes that a waiting datagram, and each span, cost beside data
LONGEST = 65_535  # bytes of a datagram, headers and all (IPv6: behind the fixed header)
IPV6_FIXED, FRAGMENT_HEADER = 40, 8  # bytes

Key: TypeAlias = tuple[int, ...]  # place, kind, addresses, protocol (IPv4 only), id


@dataclass(slots=True)
class _Row:
    """What is needed of a row of `Packets`."""

    time: int
    place: int
    kind: int
    protocol: int
    source_hi: int
    source_lo: int
    target_hi: int
    target_lo: int
    network: int
    payload: int
    payload_end: int
    payload_wire: int


@dataclass(slots=True)
class _Piece:
    """One fragment as it came."""

    start: int  # offset in the data of the datagram
    data: bytes
    last: bool
    header: bytes  # of the fragment, without IPv6's fragment header

    @property
    def end(self) -> int:
        return self.start + len(self.data)


@dataclass(slots=True)
class _Pending:
    """A datagram of which not all is there."""

    time: int  # of its first fragment seen
    data: bytearray = field(default_factory=bytearray)  # zero where nothing came yet
    spans: list[tuple[int, int]] = field(default_factory=list)  # what came; ascending, apart
    size: int = -1  # of the data, once the last fragment came
    header: bytes = b""  # of the fragment at 0

    def cost(self) -> int:
        return len(self.data) + PENDING_COST + SPAN_COST * len(self.spans)

    def whole(self) -> bool:
        return self.spans == [(0, self.size)]

    def put(self, piece: _Piece) -> str:
        """Add a fragment where nothing came yet; what is wrong with it, or ``""``."""
        if piece.last and self.size < 0 and len(self.data) <= piece.end:
            self.size = piece.end
        if piece.end > self.size >= 0 or (piece.last and piece.end != self.size):
            return "malformed"  # two ends, or data behind the end
        if piece.start == 0 and not self.header:
            self.header = piece.header
        if piece.start >= len(self.data):
            self._append(piece)
            return ""
        return self._fill(piece)

    def _append(self, piece: _Piece) -> None:
        """Add what begins at or behind the end of all that came: the usual order."""
        if self.spans and piece.start == len(self.data):
            self.spans[-1] = (self.spans[-1][0], piece.end)
        else:
            self.data.extend(bytes(piece.start - len(self.data)))
            self.spans.append((piece.start, piece.end))
        self.data += piece.data

    def _fill(self, piece: _Piece) -> str:
        """Add what came late, or overlaps."""
        first = bisect_left(self.spans, piece.start, key=itemgetter(1))
        behind = bisect_right(self.spans, piece.end, key=itemgetter(0))
        fresh = bytearray(piece.data)
        for start, end in self.spans[first:behind]:
            old = self.data[max(start, piece.start) : min(end, piece.end)]
            at = max(start - piece.start, 0)
            fresh[at : at + len(old)] = old
        self.data.extend(bytes(max(piece.end - len(self.data), 0)))
        self.data[piece.start : piece.end] = fresh
        touched = [*self.spans[first:behind], (piece.start, piece.end)]
        self.spans[first:behind] = [(min(touched)[0], max(end for _, end in touched))]
        return "overlapping" if fresh != piece.data else ""


@dataclass(slots=True)
class Fragments:
    """The ordered half: fragments of one source that wait for the rest of their datagrams.

    ``counters`` has ``fragments``, ``joined`` (datagrams), ``cut`` (not captured whole),
    ``malformed``, ``overlapping`` (with other bytes), and datagrams given up: ``timed_out`` and
    ``evicted`` (a cap was hit).
    """

    counters: Counter[str] = field(default_factory=Counter)
    pending: dict[Key, _Pending] = field(default_factory=dict)  # in order of their first fragment
    size: int = 0  # bytes that all pending cost
    most_bytes: int = MAX_PENDING_BYTES

    def add(self, packets: Packets, rows: I64, buffer: Bytes) -> list[tuple[int, bytes]]:
        """Join fragments: (the row that completed it, whole datagram), in order of the rows.

        ``rows`` are positions in ``packets`` whose problem is FRAGMENT, ascending. The header of a
        datagram says that it is no fragment and how long it is; IPv4's check sum is 0.
        """
        joined = []
        columns = [getattr(packets, name)[rows].tolist() for name in _Row.__slots__]
        self.counters["fragments"] += len(rows)
        for at, row in zip(rows.tolist(), starmap(_Row, zip(*columns, strict=True)), strict=True):
            self._time_out(row.time)
            read = _read(row, buffer)
            if isinstance(read, str):
                self.counters[read] += 1
                continue
            datagram = self._insert(*read, row.time)
            if datagram is not None:
                joined.append((at, datagram))
        return joined

    def _insert(self, key: Key, piece: _Piece, time: int) -> bytes | None:
        pending = self.pending.get(key)
        if pending is not None and _is_stale(pending, time):
            self._drop(key, "timed_out")
            pending = None
        if pending is None:
            pending = self.pending[key] = _Pending(time)
            self.size += pending.cost()
        before = pending.cost()
        if problem := pending.put(piece):
            self.counters[problem] += 1
        self.size += pending.cost() - before
        if pending.whole():
            datagram = _datagram(key[1], pending)
            self._drop(key, "malformed" if datagram is None else "joined")
            return datagram
        while len(self.pending) > MAX_PENDING or self.size > self.most_bytes:
            self._drop(next(iter(self.pending)), "evicted")
        return None

    def _time_out(self, time: int) -> None:
        while self.pending:
            key, oldest = next(iter(self.pending.items()))
            if not _is_stale(oldest, time):
                return
            self._drop(key, "timed_out")

    def _drop(self, key: Key, reason: str) -> None:
        self.size -= self.pending.pop(key).cost()
        self.counters[reason] += 1

    def dump(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "counters": dict(self.counters),
            "pending": [
                {
                    "key": list(key),
                    "time": pending.time,
                    "data": pending.data.hex(),
                    "spans": [list(span) for span in pending.spans],
                    "size": pending.size,
                    "header": pending.header.hex(),
                }
                for key, pending in self.pending.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state dumped before."""
        self.counters = Counter(state["counters"])
        self.pending = {
            tuple(one["key"]): _Pending(
                one["time"],
                bytearray.fromhex(one["data"]),
                [(start, end) for start, end in one["spans"]],
                one["size"],
                bytes.fromhex(one["header"]),
            )
            for one in state["pending"]
        }
        self.size = sum(pending.cost() for pending in self.pending.values())


def _is_stale(pending: _Pending, time: int) -> bool:
    """Also where the clock was set back."""
    return abs(time - pending.time) > TIMEOUT_NS


def _read(row: _Row, buffer: Bytes) -> tuple[Key, _Piece] | str:
    """A fragment and which datagram it is of, or what is wrong with it."""
    if row.payload_end - row.payload < row.payload_wire:
        return "cut"
    whole = buffer[row.network : row.payload_end].tobytes()
    size = row.payload - row.network
    header, data = whole[:size], whole[size:]
    if row.kind == Kind.IPV4:
        field, number = int.from_bytes(header[6:8], "big"), int.from_bytes(header[4:6], "big")
        start, last = (field & 0x1FFF) << 3, not field & 0x2000
        protocol, room = row.protocol, LONGEST - size
    else:
        own, header = header[-FRAGMENT_HEADER:], header[:-FRAGMENT_HEADER]
        field, number = int.from_bytes(own[2:4], "big"), int.from_bytes(own[4:8], "big")
        start, last = field & 0xFFF8, not field & 1
        protocol, room = 0, LONGEST + IPV6_FIXED - len(header)
        header = _end_chain(header, own[0])
    if not data or start + len(data) > room or (not last and len(data) % 8):
        return "malformed"
    addresses = (row.source_hi, row.source_lo, row.target_hi, row.target_lo)
    key = (row.place, row.kind, *addresses, protocol, number)
    return key, _Piece(start, data, last, header)


def _end_chain(header: bytes, following: int) -> bytes:
    """An IPv6 header with its extensions, the last of which now names what follows the fragment's."""
    position, number, at = 6, header[6], IPV6_FIXED
    while at < len(header):
        position, size = at, header[at + 1]
        at += (size + 2) << 2 if number == AH else (size + 1) << 3
        number = header[position]
    return header[:position] + bytes([following]) + header[position + 1 :]


def _datagram(kind: int, pending: _Pending) -> bytes | None:
    """The whole datagram; None if it is longer than any, for the first header has more options."""
    header = bytearray(pending.header)
    total = len(header) + pending.size
    if total > LONGEST + (0 if kind == Kind.IPV4 else IPV6_FIXED):
        return None
    if kind == Kind.IPV4:
        header[2:4] = total.to_bytes(2, "big")
        header[6:8] = bytes(2)  # neither offset nor more fragments
        header[10:12] = bytes(2)  # the check sum was the fragment's
    else:
        header[4:6] = (total - IPV6_FIXED).to_bytes(2, "big")
    return bytes(header + pending.data)
