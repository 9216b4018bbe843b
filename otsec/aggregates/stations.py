"""Who was heard: each address that sent, with the MAC address that carried it."""

from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, mac_text
from otsec.aggregates.counters import Refusals, Row
from otsec.aggregates.span import NOT_SEEN, stretch
from otsec.columns import I64, Ints, group
from otsec.model import Kind, Packets, place_text
from otsec.streams.flows import Flows

STATION = np.dtype([("frames", "<i8"), ("first", "<i8", (2,)), ("last", "<i8", (2,)), ("new", "?")])

KEY_WORDS = 5  # kind, place, MAC, address in two words


class Stations:
    """Ordered: the stations of one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.index: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.table = np.zeros(1024, STATION)
        self.refused = Refusals()

    def add(self, packets: Packets, flows: Flows, ordinal: int) -> None:
        """Count each packet for its sender: a lane has one, or it is looked at more closely."""
        order, start, count = flows.order, flows.lane_start, flows.lane_count
        last = order[start + count - 1]
        alone = [np.flatnonzero((packets.kind != 0) & (packets.problem != 0))]
        pure = np.ones(len(start), np.bool_)
        if len(start):
            mac = packets.mac_source[order]
            other = mac != np.repeat(mac[start], count)
            if other.any():
                pure[np.repeat(np.arange(len(start)), count)[other]] = False
                alone.append(flows.rows_of_lanes(np.flatnonzero(~pure))[0])
        rows = np.concatenate(alone)
        self._add(
            packets,
            np.concatenate([order[start][pure], rows]),
            np.concatenate([last[pure], rows]),
            np.concatenate([count[pure], np.ones(len(rows), np.int64)]),
            ordinal,
        )

    def _add(self, packets: Packets, first: I64, last: I64, count: I64, ordinal: int) -> None:
        """Count ``count`` packets from row ``first`` to row ``last`` for the sender of each."""
        if not len(first):
            return
        kind = packets.kind[first].astype(np.uint64)
        words = [
            packets.mac_source[first],
            np.where(kind == Kind.MAC, np.uint64(0), packets.source_lo[first]),
            np.where(kind == Kind.MAC, np.uint64(0), packets.source_hi[first]),
            (kind << np.uint64(56)) ^ packets.place[first],
        ]
        groups = group(words, 0)
        begin = np.minimum.reduceat(first[groups.order], groups.start)
        end = np.maximum.reduceat(last[groups.order], groups.start)
        total = np.add.reduceat(count[groups.order], groups.start)
        self._note(packets, self._numbers(packets, begin), total, begin, end, ordinal)

    def _note(
        self, packets: Packets, number: I64, count: I64, first: I64, last: I64, ordinal: int
    ) -> None:
        over = np.flatnonzero(number < 0)
        for rows, times in ((first[over], count[over]), (last[over], 0 * over)):
            self.refused.note_all(packets.time[rows], ordinal + packets.row[rows], times)
        keep = np.flatnonzero(number >= 0)
        number, first, last = number[keep], first[keep], last[keep]
        table = self.table
        np.add.at(table["frames"], number, count[keep])
        ends = (
            np.stack([packets.time[rows], ordinal + packets.row[rows]], axis=1)
            for rows in (first, last)
        )
        stretch(table, number, *ends)
        table["new"][number] = True

    def _numbers(self, packets: Packets, rows: I64) -> I64:
        """The number of the sender of each row, -1 where there is no room; in order of rows."""
        kind = packets.kind[rows]
        by_mac = kind == Kind.MAC
        columns: list[Ints] = [
            kind, packets.place[rows], packets.mac_source[rows],
            np.where(by_mac, 0, packets.source_hi[rows]),
            np.where(by_mac, 0, packets.source_lo[rows]),
        ]  # fmt: skip
        order = np.argsort(rows, kind="stable")
        keys = np.stack([column.astype(np.uint64) for column in columns], axis=1)[order]
        enter = self._enter
        number = np.empty(len(rows), np.int64)
        number[order] = [enter(key) for key in keys.view(f"V{8 * KEY_WORDS}").ravel().tolist()]
        return number

    def _enter(self, key: bytes) -> int:
        known = self.index.get(key)
        if known is None:
            if len(self.index) >= self.cap:
                return -1
            known = self.index[key] = len(self.keys)
            self.keys.append(key)
            if known == len(self.table):
                self.table = np.concatenate([self.table, np.zeros(known, STATION)])
            self.table["first"][known] = NOT_SEEN
        return known

    def take_rows(self, source: int) -> list[Row]:
        """Rows of the table `station` that changed since the last call."""
        changed = np.flatnonzero(self.table["new"])
        self.table["new"][changed] = False
        return [
            (source, number, *_names(self.keys[number]), frames, *first, *last)
            for number, frames, first, last in zip(
                changed.tolist(),
                self.table["frames"][changed].tolist(),
                self.table["first"][changed].tolist(),
                self.table["last"][changed].tolist(),
                strict=True,
            )
        ]

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        table = np.frombuffer(self.table[: len(self.keys)].tobytes(), np.uint8)
        return {"keys": np.frombuffer(b"".join(self.keys), np.uint64), "table": table}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        keys = state["keys"].reshape(-1, KEY_WORDS)
        self.keys = keys.view(f"V{8 * KEY_WORDS}").ravel().tolist() if len(keys) else []
        self.index = {key: number for number, key in enumerate(self.keys)}
        table = np.frombuffer(state["table"].tobytes(), STATION)
        self.table = np.zeros(max(1024, len(table)), STATION)
        self.table[: len(table)] = table


def _names(key: bytes) -> tuple[str, str, str]:
    """Place, MAC and IP address as text."""
    kind, place, mac, high, low = np.frombuffer(key, np.uint64).tolist()
    address = "" if kind == Kind.MAC else address_text(kind, high, low)
    return place_text(place), mac_text(mac) if mac else "", address
