"""Who was heard: each address that sent, with the MAC address that carried it."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, address_words, mac_number, mac_text
from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.numbers import Numbers
from otsec.aggregates.span import sights, unseen
from otsec.columns import FEW, I64, U64, Ints, group, with_room
from otsec.dissect import Openings, stack_text, stack_words
from otsec.model import Kind, Packets, place_of, place_text
from otsec.state import records
from otsec.streams.connections import key_bytes
from otsec.streams.flows import Flows

STATION = np.dtype(
    [
        ("frames", "<i8"),
        ("first", "<i8", (2,)),
        ("last", "<i8", (2,)),
        ("stack", "<u8", (2,)),  # as `otsec.dissect.stacks` tells it
        ("ttl", "u1"),  # the most hops that its packets had left
        ("asks", "?"),  # it was seen to open a connection, not only to answer
        ("new", "?"),
    ]
)

KEY_WORDS = 5  # kind, place, MAC, address in two words


class Stations:
    """Ordered: the stations of one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.index = Numbers()
        self.keys: list[list[int]] = []
        self.table = unseen(FEW, STATION)
        self.refused = Refusals()

    def add(self, packets: Packets, flows: Flows, ordinal: int) -> None:
        """Count each packet for its sender: a lane has one, or it is looked at more closely."""
        order, start, count = flows.order, flows.lane_start, flows.lane_count
        first, last = order[start], order[start + count - 1]
        ttl = np.maximum.reduceat(packets.ttl[order], start) if len(start) else packets.ttl[:0]
        alone = [np.flatnonzero((packets.kind != 0) & (packets.problem != 0))]
        mac = packets.mac_source
        other = mac[order] != np.repeat(mac[first], count)
        if other.any():
            lane = np.repeat(np.arange(len(start)), count)
            pure = np.ones(len(start), np.bool_)
            pure[lane[other]] = False
            alone.append(order[~pure[lane]])
            first, last, count, ttl = first[pure], last[pure], count[pure], ttl[pure]
        rows = np.concatenate(alone)
        if len(rows):
            first, last = np.concatenate([first, rows]), np.concatenate([last, rows])
            count = np.concatenate([count, np.ones(len(rows), np.int64)])
            ttl = np.concatenate([ttl, packets.ttl[rows]])
        if len(first):
            self._add(packets, first, last, count, ttl, ordinal)

    def _add(
        self, packets: Packets, first: I64, last: I64, count: I64, ttl: Ints, ordinal: int
    ) -> None:
        """Count ``count`` packets from row ``first`` to row ``last`` for the sender of each."""
        words = _words(packets, first)
        groups = group([word for word in words if word.any()], 0)
        begin = np.minimum.reduceat(first[groups.order], groups.start)
        end = np.maximum.reduceat(last[groups.order], groups.start)
        total = np.add.reduceat(count[groups.order], groups.start)
        most = np.maximum.reduceat(ttl[groups.order], groups.start)
        order = np.argsort(begin)  # who is heard first is entered first
        keys = np.stack([word[groups.first[order]] for word in words], axis=1)
        room = len(self.keys) < self.cap
        number = self.index.of(keys, lambda row: self._enter(keys[row].tolist()), room=room)
        seen = (sights(packets, rows[order], ordinal) for rows in (begin, end))
        self._note(number, total[order], *seen)
        known = number >= 0
        left, here = self.table["ttl"], number[known]
        left[here] = np.maximum(left[here], most[order][known])

    def _note(self, number: I64, count: I64, first: I64, last: I64) -> None:
        """Each number comes once, but for -1: there was no room."""
        over = number < 0
        if over.any():
            self.refused.note_spans(count[over], first[over], last[over])
            number, count, first, last = (part[~over] for part in (number, count, first, last))
        table = self.table
        table["frames"][number] += count
        new = table["first"][number, 1] < 0
        table["first"][number[new]] = first[new]
        table["last"][number] = last
        table["new"][number] = True

    def opened(self, packets: Packets, found: Openings) -> None:
        """Note the stack of senders that open connections: the last SYN, without one an answer."""
        if not len(found.row):
            return
        keys = np.stack(_words(packets, found.row), axis=1)
        number = self.index.of(keys, lambda _: -1, room=False)
        for answers in (True, False):
            mine = np.flatnonzero((number >= 0) & (found.answers == answers))
            if answers:
                mine = mine[~self.table["asks"][number[mine]]]
            at, words = number[mine], found.words[mine]
            differs = (self.table["stack"][at] != words).any(axis=1)
            self.table["new"][at[differs]] = True
            self.table["stack"][at] = words
            if not answers:
                self.table["asks"][at] = True

    def _enter(self, key: list[int]) -> int:
        number = len(self.keys)
        if number >= self.cap:
            return -1
        self.keys.append(key)
        self.table = with_room(self.table, number + 1, unseen)
        return number

    def take_rows(self, source: int) -> Iterator[Row]:
        """Rows of the table `station` that changed since the last call."""
        changed = np.flatnonzero(self.table["new"])
        self.table["new"][changed] = False
        return drawn(partial(self._rows, source), changed)

    def _rows(self, source: int, some: I64) -> list[Row]:
        table = self.table[some]
        return [
            (
                source, number, *_names(self.keys[number]), frames, *first, *last,
                stack_text(*stack), ttl,
            )
            for number, frames, first, last, stack, ttl in zip(
                some.tolist(),
                *(table[name].tolist() for name in ("frames", "first", "last", "stack", "ttl")),
                strict=True,
            )
        ]  # fmt: skip

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds, where no state tells more."""
        for _, number, place, mac, address, frames, *seen, stack, ttl in rows:
            kind, *words = address_words(address) if address else (Kind.MAC, 0, 0)
            key = [kind, place_of(place), mac_number(mac) if mac else 0, *words]
            self.index[key_bytes(np.array([key], np.uint64))[0]] = self._enter(key)
            stack_told = stack_words(stack)
            asks = stack.startswith("SYN:")
            self.table[number] = frames, seen[:2], seen[2:], stack_told, ttl, asks, False

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        table = self.table[: len(self.keys)]
        return {"keys": np.array(self.keys, np.uint64).ravel(), "table": table}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        keys = state["keys"].reshape(-1, KEY_WORDS)
        self.keys = keys.tolist()
        self.index = Numbers(zip(key_bytes(keys), range(len(keys)), strict=True))
        table = records(state["table"], STATION)
        self.table = with_room(self.table, len(table), unseen)
        self.table[: len(table)] = table


def _words(packets: Packets, rows: I64) -> list[U64]:
    """The sender of each row, as the words of a key."""
    kind = packets.kind[rows].astype(np.uint64)
    by_ip = (kind != Kind.MAC).astype(np.uint64)
    return [
        kind,
        packets.place[rows],
        packets.mac_source[rows],
        packets.source_hi[rows] * by_ip,
        packets.source_lo[rows] * by_ip,
    ]


def _names(key: list[int]) -> tuple[str, str, str]:
    """Place, MAC and IP address as text."""
    kind, place, mac, high, low = key
    address = "" if kind == Kind.MAC else address_text(kind, high, low)
    return place_text(place), mac_text(mac) if mac else "", address
