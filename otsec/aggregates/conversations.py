"""Who talks to whom by which service: connections, the client's ports folded."""

from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, is_group, service_text
from otsec.aggregates.counters import Refusals, Row
from otsec.aggregates.span import NOT_SEEN, stretch
from otsec.columns import I64, U64, Ints, group
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


def orient(keys: U64, speaker: I64, flags: Ints, ports: I64) -> tuple[I64, I64]:
    """Which side of each flow is the client, and why, by its first packet.

    ``keys``: flow keys; ``speaker``: side that sent it; ``flags``: its TCP flags; ``ports``:
    nonzero for each port that a protocol listens on. Gives side or -1, and position in REASONS.
    """
    what, low_lo, high_lo, _, low_hi, high_hi = keys.T
    kind, protocol = what >> np.uint64(48), what >> np.uint64(32) & np.uint64(0xFFFF)
    port = np.stack([what >> np.uint64(16), what]) & np.uint64(0xFFFF)
    port = port.astype(np.int64)
    from_low = speaker == 0
    group = is_group(kind, np.where(from_low, high_hi, low_hi), np.where(from_low, high_lo, low_lo))
    hinted, transient, low = ports[port] > 0, port >= EPHEMERAL, port < 1024
    ported = (protocol == TCP) | (protocol == UDP)
    told = [
        ((protocol == TCP) & (kind != Kind.MAC) & (flags & SYN != 0), "syn",
         np.where(flags & ACK != 0, 1 - speaker, speaker)),
        ((kind == Kind.MAC) | group, "publisher", speaker),
        (ported & (hinted[0] != hinted[1]), "port", hinted[0]),
        (ported & (transient[0] != transient[1]), "port", ~transient[0]),
        (ported & (low[0] != low[1]), "port", low[0]),
    ]  # fmt: skip
    tests = [test for test, _, _ in told]
    client = np.select(tests, [side.astype(np.int64) for _, _, side in told], -1)
    reason = np.select(tests, [np.int64(REASONS.index(name)) for _, name, _ in told], 0)
    return client, reason


class Conversations:
    """Ordered: the conversations of one source."""

    def __init__(self, cap: int, connections: Connections, ports: I64) -> None:
        """``ports``: nonzero for each port that a protocol usually listens on."""
        self.cap = cap
        self.connections = connections
        self.ports = ports
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.folded: dict[bytes, int] = {}  # cache of numbers, client's port left out
        self.table = np.zeros(1024, FOLDED)
        self.refused = Refusals()
        self.mark = -1  # ordinal up to which live connections were written out

    # -------------------------------------------------------------- connections

    def enter(self, slots: I64, packets: Packets, rows: I64, ordinal: int) -> None:
        """New connections, each with the row of its first packet."""
        if not len(slots):
            return
        table = self.connections.table
        first = np.stack([packets.time[rows], ordinal + packets.row[rows]], axis=1)
        table["first"][slots] = first
        self.name(slots, packets, rows)
        table["last"][slots] = first
        what = table["key"][slots, 0]
        protocol = what >> np.uint64(32) & np.uint64(0xFFFF)
        table["stream"][slots] = (what >> np.uint64(48) != Kind.MAC) & (protocol == TCP)

    def name(self, slots: I64, packets: Packets, rows: I64) -> None:
        """Settle the conversation of connections by their first packets."""
        table, keys = self.connections.table, self.connections.table["key"][slots]
        client, reason = orient(
            keys, _speakers(keys, packets, rows), packets.flags[rows], self.ports
        )
        number = self._numbers(keys, client)
        table["conversation"][slots] = number
        table["client"][slots] = client
        table["reason"][slots] = reason
        self.refused.note_all(*table["first"][slots[number >= self.cap]].T)

    def _numbers(self, keys: U64, client: I64) -> I64:
        """The conversation of each flow, new ones in the order given."""
        folded, port = _fold_ports(keys, client)
        names = folded.view(f"V{folded.shape[1] * 8}").ravel().tolist()
        number = np.empty(len(names), np.int64)
        for at, name in enumerate(names):
            known = self.folded.get(name)
            if known is None:
                if len(self.folded) > 2 * self.cap:
                    self.folded.clear()
                known = self._named(keys[at].tolist(), int(port[at]), int(client[at]))
                self.folded[name] = known
            number[at] = known
        return number

    def _named(self, key: list[int], port: int, client: int) -> int:
        """The conversation by its names; a new one if there is room, else one of many."""
        what, low_lo, high_lo, place, low_hi, high_hi = key
        kind, protocol = what >> 48, what >> 32 & 0xFFFF
        ends = address_text(kind, low_hi, low_lo), address_text(kind, high_hi, high_lo)
        one, other = (ends[client], ends[1 - client]) if client >= 0 else ends
        service = service_text(kind, protocol, port)
        name: Key = place_text(place), kind, one, other, service, int(client >= 0)
        known = self.index.get(name)
        if known is not None:
            return known
        return self._add(name) if len(self.keys) < self.cap else self._many(name)

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
        self.table["first"][number] = NOT_SEEN
        return number

    def turn(self, slots: I64) -> None:
        """The client may have become known by its protocol: move to the right conversation."""
        table = self.connections.table
        number = self._numbers(table["key"][slots], table["client"][slots].astype(np.int64))
        before = table["conversation"][slots]
        self.table["changed"][before[before != number]] = True  # it may be left without any
        table["conversation"][slots] = number

    def untracked(
        self, keys: U64, speaker: I64, flags: Ints, counts: I64, first: I64, last: I64
    ) -> None:
        """Flows that found no room among the connections: counted as one of many.

        ``counts``: shape (flows, 2, COUNTS); ``first``, ``last``: (time, ordinal) of each.
        """
        client, _ = orient(keys, speaker, flags, self.ports)
        masked, port = _fold_ports(keys, client)
        for side, columns in enumerate(((1, 4), (2, 5))):  # the client stands for many
            masked[np.ix_(client == side, columns)] = 0
        groups = group([*masked.T], 0)
        heads = groups.first
        stand_in = np.empty(len(groups), np.int64)
        for lot in np.argsort(heads).tolist():  # in the order given, which is that of time
            at = int(heads[lot])
            stand_in[lot] = self._stand_in(keys[at].tolist(), int(port[at]), int(client[at]))
        number = stand_in[groups.group_of_rows()]
        turned = client == 1
        counts[turned] = counts[turned, ::-1]
        np.add.at(self.table["counts"], number, counts)
        stretch(self.table, number, first, last)
        self.table["changed"][number] = True

    def _stand_in(self, key: list[int], port: int, client: int) -> int:
        what, low_lo, high_lo, place, low_hi, high_hi = key
        kind = what >> 48
        server = (low_hi, low_lo) if client == 1 else (high_hi, high_lo)
        service = service_text(kind, what >> 32 & 0xFFFF, port)
        name = place_text(place), kind, MANY, address_text(kind, *server), service, int(client >= 0)
        return self.index[name] if name in self.index else self._many(name)

    # -------------------------------------------------------------- folding

    def fold(self, slots: I64) -> None:
        """Connections that ended: what they counted stays with their conversation."""
        self._add_up(self.table, slots)
        self.table["changed"][self.connections.table["conversation"][slots]] = True

    def _add_up(self, into: Any, slots: I64) -> None:
        if not len(slots):
            return
        rows = self.connections.table[slots]
        number = rows["conversation"]
        np.add.at(into["connections"], number, 1)
        counts = rows["counts"].copy()
        turned = rows["client"] == 1
        counts[turned] = counts[turned, ::-1]
        np.add.at(into["counts"], number, counts)
        stretch(into, number, rows["first"], rows["last"])
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
        table, changed = self.connections.table, total["changed"]
        changed[table["conversation"][live[table["last"][live, 1] >= self.mark]]] = True
        self.table["changed"] = False
        self.mark = ordinal
        number = np.flatnonzero(changed)
        return self._rows(source, names, number, total[number])

    def _rows(self, source: int, names: list[str], number: I64, total: Any) -> list[Row]:
        counts = {name: total["counts"][:, :, at] for at, name in enumerate(COUNTS)}
        unique = counts["payload"] - counts["resent"]
        slack = 2 * total["connections"][:, None]  # SYN and FIN are acknowledged, but are no bytes
        lost = np.maximum(np.maximum(counts["lost"], counts["acked"] - unique - slack), 0)
        undecoded = np.maximum(unique - counts["decoded"], 0)
        numbers = np.concatenate(
            [
                total["doubtful"][:, None], total["connections"][:, None],
                counts["packets"], counts["bytes"], unique, lost, counts["resent"], undecoded,
                counts["malformed"].sum(axis=1)[:, None], counts["truncated"].sum(axis=1)[:, None],
                total["first"], total["last"],
            ],
            axis=1,
        )  # fmt: skip
        told = zip(
            number.tolist(), total["reason"].tolist(), total["protocol"].tolist(), numbers.tolist(),
            strict=True,
        )  # fmt: skip
        return [
            (
                source, at, *self.keys[at][:5], REASONS[reason], names[protocol],
                "content" if protocol else "", *row,
            )
            for at, reason, protocol, row in told
        ]  # fmt: skip

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


def _fold_ports(keys: U64, client: I64) -> tuple[U64, I64]:
    """Flow keys without the client's port, and the port of the service."""
    low, high = keys[:, 0] >> np.uint64(16) & np.uint64(0xFFFF), keys[:, 0] & np.uint64(0xFFFF)
    port = np.where(client == 0, high, np.where(client == 1, low, np.minimum(low, high)))
    folded = keys.copy()
    folded[:, 0] = keys[:, 0] >> np.uint64(32) << np.uint64(32) | port << np.uint64(8)
    folded[:, 0] |= (client + 1).astype(np.uint64)
    return folded, port.astype(np.int64)


def _speakers(keys: Any, packets: Packets, rows: I64) -> I64:
    """Which side of each flow key sent the given packet."""
    what, low, high, _, low_hi, high_hi = keys.T
    source, source_hi = packets.source_lo[rows], packets.source_hi[rows]
    port = packets.source_port[rows].astype(np.uint64)
    is_low = (source == low) & (source_hi == low_hi)
    tied = (low == high) & (low_hi == high_hi)
    by_port = port == (what >> np.uint64(16) & np.uint64(0xFFFF))
    speaker: I64 = np.where(tied, ~by_port, ~is_low).astype(np.int64)
    return speaker
