"""Who talks to whom by which service: connections, the client's ports folded."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from otsec.aggregates.addresses import address_text, is_group, service_text
from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.numbers import Numbers
from otsec.aggregates.singles import Singles
from otsec.aggregates.span import sights, stretch, unseen
from otsec.columns import FEW, I64, U64, Ints, Mask, group, with_room
from otsec.model import ACK, ECHO, ECHOED, ICMP, ICMPV6, SYN, TCP, UDP, Kind, Packets, place_text
from otsec.state import records
from otsec.streams.connections import COUNTS, REASONS, WITHDRAWN, Connections
from otsec.streams.flows import BROADCAST

MANY = "many"  # stands for addresses that there was no room to tell apart
RESERVE = 4096  # conversations beyond the cap that stand for many
MANY_BIT = 24  # of the first word of `_fold_ports`, free there
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
NOBODY: Key = ("", 0, "", "", "", 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Flows that are to be counted for a conversation from one of their packets on."""

    ordinal: I64  # of that packet
    keys: U64  # of the flows
    client: I64  # side of the client, -1 unknown
    given: Callable[[I64], None]  # is told the conversations
    many: bool = False  # the client stands for many


def orient(keys: U64, speaker: I64, flags: Ints, aloud: Mask, ports: I64) -> tuple[I64, I64]:
    """Which side of each flow is the client, and why, by its first packet.

    ``keys``: flow keys; ``speaker``: side that sent it; ``flags``: its TCP flags; ``aloud``: whether
    its frame went to everybody, as it does to the broadcast address of a network, which only who
    knows the network's size can tell from others; ``ports``: nonzero for each port that a protocol
    listens on. Gives side or -1, and position in REASONS.
    """
    what, low_lo, high_lo, _, low_hi, high_hi = keys.T
    kind, protocol = what >> np.uint64(48), what >> np.uint64(32) & np.uint64(0xFFFF)
    port = np.stack([what >> np.uint64(16), what]) & np.uint64(0xFFFF)
    port = port.astype(np.int64)
    from_low = speaker == 0
    group = is_group(kind, np.where(from_low, high_hi, low_hi), np.where(from_low, high_lo, low_lo))
    hinted, transient, low = ports[port] > 0, port >= EPHEMERAL, port < 1024
    group |= aloud & (protocol != TCP)
    ported = (protocol == TCP) | (protocol == UDP)
    echo = (kind != Kind.MAC) & np.isin(protocol, (ICMP, ICMPV6)) & (flags & (ECHO | ECHOED) != 0)
    told = [  # the strongest last
        (ported & (low[0] != low[1]), "port", low[0]),
        (ported & (transient[0] != transient[1]), "port", ~transient[0]),
        (ported & (hinted[0] != hinted[1]), "port", hinted[0]),
        (echo, "protocol", np.where(flags & ECHO != 0, speaker, 1 - speaker)),
        ((kind == Kind.MAC) | group, "publisher", speaker),
        ((protocol == TCP) & (kind != Kind.MAC) & (flags & SYN != 0), "syn",
         np.where(flags & ACK != 0, 1 - speaker, speaker)),
    ]  # fmt: skip
    client, reason = np.full((2, len(keys)), -1)
    reason[:] = 0
    for test, name, side in told:
        client = np.where(test, side, client)
        reason[test] = REASONS.index(name)
    return client, reason


class Conversations:
    """Ordered: the conversations of one source."""

    def __init__(self, cap: int, connections: Connections, ports: I64, singles: Singles) -> None:
        """``ports``: nonzero for each port that a protocol usually listens on."""
        self.cap = cap
        self.connections = connections
        self.ports, self.singles = ports, singles
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.known = Numbers()  # of flows, the client's port left out; may be forgotten
        self.wanted: list[Wanted] = []  # in the batch at hand
        self.claimed: list[tuple[I64, I64]] = []  # in it: connections, and what showed the protocol
        self.table = unseen(FEW, FOLDED)
        self.refused = Refusals()
        self.mark = -1  # ordinal up to which live connections were written out

    # -------------------------------------------------------------- connections

    def enter(self, slots: I64, packets: Packets, rows: I64, ordinal: int) -> None:
        """New connections, each with the row of its first packet."""
        if not len(slots):
            return
        table = self.connections.table
        first = sights(packets, rows, ordinal)
        table["first"][slots] = first
        self.name(slots, packets, rows)
        table["last"][slots] = first
        what = table["key"][slots, 0]
        protocol = what >> np.uint64(32) & np.uint64(0xFFFF)
        table["stream"][slots] = (what >> np.uint64(48) != Kind.MAC) & (protocol == TCP)

    def name(self, slots: I64, packets: Packets, rows: I64) -> None:
        """Settle the client of connections by their first packets, and want a conversation."""
        table, keys = self.connections.table, self.connections.table["key"][slots]
        client, reason = orient(
            keys,
            _speakers(keys, packets, rows),
            packets.flags[rows],
            packets.mac_target[rows] == BROADCAST,
            self.ports,
        )
        table["client"][slots] = client
        table["reason"][slots] = reason
        given = partial(self._begin, slots)
        self.wanted.append(Wanted(table["first"][slots, 1], keys, client, given))

    def turn(self, slots: I64, seen: I64) -> None:
        """The client may have become known by its protocol: want the right conversation.

        ``seen``: (time, ordinal) of the packets that showed it.
        """
        table = self.connections.table
        client = table["client"][slots].astype(np.int64)
        given = partial(self._move, slots, seen)
        self.wanted.append(Wanted(seen[:, 1], table["key"][slots], client, given))

    def untracked(
        self,
        keys: U64,
        speaker: I64,
        flags: Ints,
        aloud: Mask,
        counts: I64,
        first: I64,
        last: I64,
    ) -> None:
        """Packets whose flows found no room among the connections: counted as one of many.

        ``counts``: shape (packets, 2, COUNTS); ``first``, ``last``: (time, ordinal) of each, in
        order.
        """
        client, _ = orient(keys, speaker, flags, aloud, self.ports)
        keys = keys.copy()
        for side, columns in enumerate(((1, 4), (2, 5))):  # the client stands for many
            keys[np.ix_(client == side, columns)] = 0
        folded, _ = _fold_ports(keys, client)
        groups = group([*folded.T], 0)
        heads, tails = groups.first, groups.order[groups.start + groups.count - 1]
        turned = client == 1
        counts[turned] = counts[turned, ::-1]
        sums = np.add.reduceat(counts[groups.order], groups.start)

        def count(number: I64) -> None:
            np.add.at(self.table["counts"], number, sums)
            stretch(self.table, number, first[heads], last[tails])
            self.table["changed"][number] = True

        self.wanted.append(Wanted(first[heads, 1], keys[heads], client[heads], count, many=True))

    def settle(self) -> None:
        """Give conversations to all that were wanted in a batch, in the order of their packets.

        So it does not depend on where batches end who gets the last ones below the cap.
        """
        wanted, self.wanted = self.wanted, []
        if not wanted:
            return
        ordinal, keys, client = (
            np.concatenate([getattr(one, name) for one in wanted])
            for name in ("ordinal", "keys", "client")
        )
        sizes = [len(one.ordinal) for one in wanted]
        many = np.repeat([one.many for one in wanted], sizes)
        order = np.argsort(ordinal, kind="stable")
        number = np.empty(len(order), np.int64)
        number[order] = self._numbers(keys[order], client[order], many[order])
        for one, mine in zip(wanted, np.split(number, np.cumsum(sizes)[:-1]), strict=True):
            one.given(mine)
        claimed, self.claimed = self.claimed, []
        if claimed:
            slots, seen = (np.concatenate(column) for column in zip(*claimed, strict=True))
            self.singles.claimed(slots, seen)

    def _begin(self, slots: I64, number: I64) -> None:
        table = self.connections.table
        table["conversation"][slots] = number
        self._note_refused(number, table["first"][slots])

    def _move(self, slots: I64, seen: I64, number: I64) -> None:
        table = self.connections.table
        before = table["conversation"][slots]
        moved = before != number
        self.table["changed"][before[moved]] = True  # it may be left without any
        table["conversation"][slots] = number
        self._note_refused(number[moved], seen[moved])
        self.claimed.append((slots, seen))

    def _note_refused(self, number: I64, seen: I64) -> None:
        """Count those whose conversation is one of many."""
        if len(self.keys) >= self.cap:
            many = [self.keys[one][2] == MANY for one in number.tolist()]
            self.refused.note_all(*seen[np.array(many, np.bool_)].T)

    def _numbers(self, keys: U64, client: I64, many: Mask) -> I64:
        """The conversation of each flow, new ones in the order given; ``many``: of one of many."""
        folded, port = _fold_ports(keys, client)
        folded[:, 0] |= many.astype(np.uint64) << np.uint64(MANY_BIT)
        if len(self.known) > 2 * self.cap:
            self.known.clear()
        return self.known.of(
            folded,
            lambda row: self._enter(
                keys[row].tolist(), int(port[row]), int(client[row]), many=bool(many[row])
            ),
        )

    def _enter(self, key: list[int], port: int, client: int, *, many: bool) -> int:
        """The conversation by its names; a new one if there is room, else one of many."""
        what, low_lo, high_lo, place, low_hi, high_hi = key
        kind, protocol = what >> 48, what >> 32 & 0xFFFF
        ends = address_text(kind, low_hi, low_lo), address_text(kind, high_hi, high_lo)
        one, other = (ends[client], ends[1 - client]) if client >= 0 else ends
        service = service_text(kind, protocol, port)
        one = MANY if many else one
        name: Key = place_text(place), kind, one, other, service, int(client >= 0)
        known = self.index.get(name)
        if known is not None:
            return known
        return self._many(name) if many or len(self.keys) >= self.cap else self._add(name)

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
        self.table = with_room(self.table, number + 1, unseen)
        return number

    def parties(self, number: int) -> tuple[str, str]:
        """Client and server of a conversation."""
        return self.keys[number][2], self.keys[number][3]

    # -------------------------------------------------------------- folding

    def fold(self, slots: I64) -> None:
        """Connections that ended: what they counted stays with their conversation."""
        self._add_up(self.table, slots)
        self.singles.fold(slots)
        self.table["changed"][self.connections.table["conversation"][slots]] = True

    def _add_up(self, into: Any, slots: I64) -> None:
        if not len(slots):
            return
        number = self.connections.table["conversation"][slots]
        order = np.argsort(number, kind="stable")
        rows, number = self.connections.table[slots[order]], number[order]
        heads = np.flatnonzero(np.diff(number, prepend=-1))
        stretch(into, number, rows["first"], rows["last"])
        number = number[heads]
        counts = rows["counts"]
        turned = np.flatnonzero(rows["client"] == 1)
        counts[turned] = counts[turned, ::-1]
        into["counts"][number] += np.add.reduceat(counts, heads)
        into["connections"][number] += np.diff(heads, append=len(slots))
        into["doubtful"][number] |= np.logical_or.reduceat(rows["protocol"] == WITHDRAWN, heads)
        for name in ("protocol", "reason"):
            most = np.maximum.reduceat(rows[name], heads)
            into[name][number] = np.maximum(into[name][number], most)

    # -------------------------------------------------------------- store

    def take_singles(self, source: int) -> Iterator[Row]:
        """Rows of the table `connection` that changed; to be taken before `take_rows`."""
        return self.singles.take_rows(source, self.mark)

    def take_rows(self, source: int, names: list[str], ordinal: int) -> Iterator[Row]:
        """Rows of the table `conversation` that changed since the last call."""
        live = np.flatnonzero(self.connections.table["alive"])
        total = self.table[: len(self.keys)].copy()
        self._add_up(total, live)
        table, changed = self.connections.table, total["changed"]
        changed[table["conversation"][live[table["last"][live, 1] >= self.mark]]] = True
        self.table["changed"] = False
        self.mark = ordinal
        return drawn(
            lambda some: self._rows(source, names, some, total[some]), np.flatnonzero(changed)
        )

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

    def restore(self, rows: Iterable[tuple[Any, ...]], names: list[str], mark: int) -> None:
        """Take back what the store holds, where no state tells more; ``mark``: packets by then.

        What live connections had counted stays with their conversations.
        """
        self.mark = mark
        for row in rows:
            number, key, (reason, protocol, _, doubtful, connections) = row[1], row[2:7], row[7:12]
            while len(self.keys) < number:  # one that was left without connections
                self._add(NOBODY)
            why = REASONS.index(reason)
            self._add((*key, int(why > 0)))
            packets, sizes, unique, lost, resent, undecoded = np.array(row[12:24]).reshape(6, 2)
            units = np.array([[row[24], 0], [row[25], 0]])  # of the two sides together
            counts = (packets, sizes, unique + resent, unique, lost, resent, unique - undecoded)
            self.table[number] = (
                connections, np.stack([*counts, *units], axis=1), row[26:28], row[28:30],
                names.index(protocol) if protocol in names else 0, doubtful, why, False,
            )  # fmt: skip

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from: what ended connections left behind."""
        count = len(self.keys)
        return {
            "keys": [list(key) for key in self.keys],
            "folded": self.table[:count],
            "mark": self.mark,
            "singles": self.singles.dump(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.keys = [tuple(key) for key in state["keys"]]
        self.index = {key: number for number, key in enumerate(self.keys)}
        folded = records(state["folded"], FOLDED)
        self.table = with_room(self.table, len(folded), unseen)
        self.table[: len(folded)] = folded
        self.mark = state["mark"]
        self.singles.load(state["singles"])


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
