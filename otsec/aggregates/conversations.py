"""Who talks to whom by which service: connections, the client's ports folded."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, is_group, service_text
from otsec.aggregates.counters import Row
from otsec.columns import I64
from otsec.model import ACK, SYN, TCP, UDP, Kind, Packets, place_text
from otsec.streams.connections import COUNTS, REASONS, WITHDRAWN, Connections

MANY = "many"  # stands for addresses that there was no room to tell apart
RESERVE = 4096  # conversations beyond the cap that stand for many
EPHEMERAL = 32768  # the lowest port that clients draw from (Linux; IANA and Windows: 49152)

FOLDED = np.dtype(
    [
        ("connections", "<i8"),
        ("counts", "<i8", (2, len(COUNTS))),  # client's, server's
        ("first", "<i8", (2,)),
        ("last", "<i8", (2,)),
        ("protocol", "<i2"),
        ("doubtful", "?"),
        ("reason", "u1"),
        ("changed", "?"),
    ]
)
Key = tuple[str, int, str, str, str, int]  # place, kind, client, server, service, client known


def orient(
    kind: int, protocol: int, ports: tuple[int, int], speaker: int, flags: int, group: bool, hints: tuple[bool, bool]
) -> tuple[int, int]:
    """Which side is the client, and why, by the first packet: (side or -1, position in REASONS).

    ``speaker``: side that sent it; ``group``: to a group address; ``hints``: whether each side's
    port is one that a protocol listens on.
    """
    if protocol == TCP and kind != Kind.MAC and flags & SYN:
        return (1 - speaker if flags & ACK else speaker), REASONS.index("syn")
    if kind == Kind.MAC or group:
        return speaker, REASONS.index("publisher")
    if protocol not in (TCP, UDP):
        return -1, 0
    if hints[0] != hints[1]:
        return (1 if hints[0] else 0), REASONS.index("port")
    low, high = ports
    if (low >= EPHEMERAL) != (high >= EPHEMERAL):
        return (0 if low >= EPHEMERAL else 1), REASONS.index("port")
    if (low < 1024) != (high < 1024):
        return (1 if low < 1024 else 0), REASONS.index("port")
    return -1, 0


class Conversations:
    """Ordered: the conversations of one source."""

    def __init__(self, cap: int, connections: Connections, ports: I64) -> None:
        """``ports``: nonzero for each port that a protocol usually listens on."""
        self.cap = cap
        self.connections = connections
        self.ports = ports
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.table = np.zeros(1024, FOLDED)
        self.refused = 0
        self.mark = -1  # ordinal up to which live connections were written out

    # -------------------------------------------------------------- connections

    def enter(self, slots: I64, packets: Packets, rows: I64, ordinal: int) -> None:
        """New connections, each with the row of its first packet."""
        table = self.connections.table
        speaker = _speakers(table["key"][slots], packets, rows)
        columns = zip(
            slots.tolist(), table["key"][slots].tolist(), speaker.tolist(),
            packets.flags[rows].tolist(),
            strict=True,
        )  # fmt: skip
        found = [self._place(*one) for one in columns]
        if not found:
            return
        number, client, reason = (np.array(column) for column in zip(*found, strict=True))
        table["conversation"][slots] = number
        table["client"][slots] = client
        table["reason"][slots] = reason
        first = np.stack([packets.time[rows], ordinal + packets.row[rows]], axis=1)
        table["first"][slots] = first
        table["last"][slots] = first
        kind = table["key"][slots, 0] >> np.uint64(48)
        protocol = table["key"][slots, 0] >> np.uint64(32) & np.uint64(0xFFFF)
        table["content"][slots] = (kind == Kind.MAC) | (protocol != TCP)

    def _place(
        self, _slot: int, key: list[int], speaker: int, flags: int
    ) -> tuple[int, int, int]:
        what, low_lo, high_lo, place, low_hi, high_hi = key
        kind, protocol = what >> 48, what >> 32 & 0xFFFF
        ports = what >> 16 & 0xFFFF, what & 0xFFFF
        target = (high_hi, high_lo) if speaker == 0 else (low_hi, low_lo)
        hints = bool(self.ports[ports[0]]), bool(self.ports[ports[1]])
        client, reason = orient(
            kind, protocol, ports, speaker, flags, is_group(kind, *target), hints
        )
        return self._number(key, client), client, reason

    def _number(self, key: list[int], client: int) -> int:
        what, low_lo, high_lo, place, low_hi, high_hi = key
        kind, protocol = what >> 48, what >> 32 & 0xFFFF
        ports = what >> 16 & 0xFFFF, what & 0xFFFF
        ends = address_text(kind, low_hi, low_lo), address_text(kind, high_hi, high_lo)
        port = ports[1 - client] if client >= 0 else min(ports)
        one, other = (ends[client], ends[1 - client]) if client >= 0 else ends
        service = service_text(kind, protocol, port)
        name: Key = place_text(place), kind, one, other, service, int(client >= 0)
        known = self.index.get(name)
        if known is not None:
            return known
        if len(self.keys) < self.cap:
            return self._add(name)
        self.refused += 1
        return self._many(name)

    def _many(self, name: Key) -> int:
        """The conversation that stands for many like this one."""
        place, kind, _, server, service, known = name
        for stand_in in (
            (place, kind, MANY, server, service, known),
            (place, kind, MANY, MANY, service, known),
        ):
            if stand_in in self.index:
                return self.index[stand_in]
            if len(self.keys) < self.cap + RESERVE:
                return self._add(stand_in)
        rest: Key = ("", 0, MANY, MANY, MANY, 0)
        return self.index[rest] if rest in self.index else self._add(rest)

    def _add(self, name: Key) -> int:
        number = self.index[name] = len(self.keys)
        self.keys.append(name)
        if number == len(self.table):
            self.table = np.concatenate([self.table, np.zeros(number, FOLDED)])
        self.table["first"][number] = -1
        return number

    def turn(self, slots: I64) -> None:
        """The client may have become known by its protocol: move to the right conversation."""
        table = self.connections.table
        for slot in slots.tolist():
            key, client = table["key"][slot].tolist(), int(table["client"][slot])
            table["conversation"][slot] = self._number(key, client)

    def untracked(
        self, key: list[int], speaker: int, flags: int, counts: Any, seen: list[tuple[int, int]]
    ) -> None:
        """Packets of a flow that found no room among the connections; counted as one of many."""
        what, low_lo, high_lo, _, low_hi, high_hi = key
        kind, protocol = what >> 48, what >> 32 & 0xFFFF
        ports = what >> 16 & 0xFFFF, what & 0xFFFF
        target = (high_hi, high_lo) if speaker == 0 else (low_hi, low_lo)
        hints = bool(self.ports[ports[0]]), bool(self.ports[ports[1]])
        client, _ = orient(kind, protocol, ports, speaker, flags, is_group(kind, *target), hints)
        server = (high_hi, high_lo) if client <= 0 else (low_hi, low_lo)
        port = ports[1 - client] if client >= 0 else min(ports)
        service = service_text(kind, protocol, port)
        name: Key = place_text(key[3]), kind, MANY, address_text(kind, *server), service, int(client >= 0)
        number = self.index[name] if name in self.index else self._many(name)
        row = self.table[number]
        row["counts"] += counts[::-1] if client == 1 else counts
        self._seen(row, seen[0], seen[1])
        row["changed"] = True

    @staticmethod
    def _seen(row: Any, first: tuple[int, int], last: tuple[int, int]) -> None:
        if row["first"][1] < 0 and row["last"][1] == 0 or row["first"][1] > first[1]:
            row["first"] = first
        if row["last"][1] <= last[1]:
            row["last"] = last

    # -------------------------------------------------------------- folding

    def fold(self, slots: I64) -> None:
        """Connections that ended: what they counted stays with their conversation."""
        self._add_up(self.table, slots)
        self.table["changed"][self.connections.table["conversation"][slots]] = True

    def _add_up(self, into: Any, slots: I64) -> None:
        rows = self.connections.table[slots]
        number = rows["conversation"]
        np.add.at(into["connections"], number, 1)
        counts = rows["counts"].copy()
        turned = rows["client"] == 1
        counts[turned] = counts[turned, ::-1]
        np.add.at(into["counts"], number, counts)
        order = np.argsort(-rows["first"][:, 1], kind="stable")
        earlier = rows["first"][order]
        target = number[order]
        current = into["first"][target]
        better = (current[:, 1] < 0) | (earlier[:, 1] < current[:, 1])
        into["first"][target[better]] = earlier[better]
        order = np.argsort(rows["last"][:, 1], kind="stable")
        later, target = rows["last"][order], number[order]
        better = later[:, 1] >= into["last"][target][:, 1]
        into["last"][target[better]] = later[better]
        claimed = np.flatnonzero(rows["protocol"] > 0)
        into["protocol"][number[claimed]] = rows["protocol"][claimed]
        withdrawn = rows["protocol"] == WITHDRAWN
        into["doubtful"][number[withdrawn]] = True
        np.maximum.at(into["reason"], number, rows["reason"])

    # -------------------------------------------------------------- store

    def take_rows(self, source: int, names: list[str], ordinal: int) -> list[Row]:
        """Rows of the table `conversation` that changed since the last call."""
        live = np.flatnonzero(self.connections.table["alive"])
        total = self.table[: len(self.keys)].copy()
        self._add_up(total, live)
        rows = self.connections.table[live]
        changed = total["changed"]
        changed[rows["conversation"][rows["last"][:, 1] >= self.mark]] = True
        self.table["changed"] = False
        self.mark = ordinal
        return [self._row(source, names, number, total[number]) for number in np.flatnonzero(changed).tolist()]

    def _row(self, source: int, names: list[str], number: int, total: Any) -> Row:
        place, kind, client, server, service, _ = self.keys[number]
        counts = dict(zip(COUNTS, total["counts"].T.tolist(), strict=True))
        connections = int(total["connections"])
        unique = [p - r for p, r in zip(counts["payload"], counts["resent"], strict=True)]
        slack = 2 * connections  # SYN and FIN are acknowledged, but are no bytes
        lost = [
            max(passed, acked - heard - slack, 0)
            for passed, acked, heard in zip(counts["lost"], counts["acked"], unique, strict=True)
        ]
        undecoded = [max(u - d, 0) for u, d in zip(unique, counts["decoded"], strict=True)]
        protocol = int(total["protocol"])
        pairs = (counts["packets"], counts["bytes"], unique, lost, counts["resent"], undecoded)
        return (
            source, number, place, kind, client, server, service,
            REASONS[int(total["reason"])], names[protocol], "content" if protocol else "",
            int(total["doubtful"]), connections, *(value for pair in pairs for value in pair),
            sum(counts["malformed"]), sum(counts["truncated"]),
            *total["first"].tolist(), *total["last"].tolist(),
        )  # fmt: skip

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from: what ended connections left behind."""
        count = len(self.keys)
        return {
            "keys": [list(key) for key in self.keys],
            "folded": np.frombuffer(self.table[:count].tobytes(), np.uint8),
            "mark": self.mark,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.keys = [tuple(key) for key in state["keys"]]
        self.index = {key: number for number, key in enumerate(self.keys)}
        folded = np.frombuffer(state["folded"].tobytes(), FOLDED)
        self.table = np.zeros(max(1024, len(folded)), FOLDED)
        self.table[: len(folded)] = folded
        self.mark = state["mark"]


def _speakers(keys: Any, packets: Packets, rows: I64) -> I64:
    """Which side of each flow key sent the given packet."""
    what, low, high, _, low_hi, high_hi = keys.T
    source, source_hi = packets.source_lo[rows], packets.source_hi[rows]
    port = packets.source_port[rows].astype(np.uint64)
    is_low = (source == low) & (source_hi == low_hi)
    tied = (low == high) & (low_hi == high_hi)
    by_port = port == (what >> np.uint64(16) & np.uint64(0xFFFF))
    return np.where(tied, ~by_port, ~is_low).astype(np.int64)


_ = Iterable
