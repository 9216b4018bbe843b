"""Which packets belong together, in columns: lanes (one direction of a flow) and flows.

A pure function of the packets: no state, so it may run in any process. It *assumes* nothing
about earlier batches; what it finds out about order is checked by `connections`.
"""

from dataclasses import dataclass, replace

import numpy as np

from otsec.columns import I64, U64, Groups, Ints, Mask, group, ranges
from otsec.model import ACK, ARP, FIN, SYN, Kind, Packets

BROADCAST = (1 << 48) - 1
KEY_WORDS = 6  # what tells one flow from another, see `_key_words`


@dataclass(frozen=True, slots=True)
class Flows:
    """Lanes and flows of one batch.

    A *lane* is all packets from one end of a flow to the other, in row order; a *flow* has one
    lane or two. The *lower* end of a flow is the one with the smaller address (then port).
    """

    order: I64  # rows of all packets that have an address, lane by lane
    lane_start: I64  # where each lane begins in `order`
    lane_count: I64
    lane_flow: I64  # the flow of each lane
    lane_side: I64  # 0 where the lower end speaks, 1 where the higher
    lane_tcp: Mask
    lane_bytes: I64  # on the wire
    lane_payload: I64  # on the wire
    lane_flags: Ints  # u1, all TCP flags that were seen
    lane_in_order: Mask  # each TCP segment begins where the one before ended; SYN only in front
    lane_seq: I64  # sequence number of the first segment with content, -1 without one
    lane_next: I64  # sequence number that is expected behind the last one, -1 without one
    lane_ack_first: I64  # first acknowledgement number, -1 without one
    lane_ack_last: I64
    key: U64  # shape (flows, KEY_WORDS)
    flow_first: I64  # first row of each flow
    flow_last: I64  # last row
    flow_lanes: I64  # shape (flows, 2): the lane of each side, -1 where it is silent

    def rows_of_lanes(self, lanes: I64) -> tuple[I64, I64]:
        """Rows of some lanes, lane by lane, and for each the position of its lane in `lanes`."""
        count = self.lane_count[lanes]
        return self.order[ranges(self.lane_start[lanes], count)], np.repeat(
            np.arange(len(lanes)), count
        )


def _fold_arp(table: Packets) -> Packets:
    """ARP counts for who sends it alone, as if all of it were broadcast.

    Answers go to each who asked, so that a switch full of hosts would make a conversation of every
    pair; who was asked for is told by lookups.
    """
    arp = np.flatnonzero((table.protocol == ARP) & (table.kind == Kind.MAC))
    if not len(arp):
        return table
    target = table.target_lo.copy()
    target[arp] = BROADCAST
    return replace(table, target_lo=target)


def higher_speaks(packets: Packets, rows: I64) -> Mask:
    """Whether the sender is the higher end: by low word, high word, port, then not."""
    source, target = packets.source_lo[rows], packets.target_lo[rows]
    higher = source > target
    tied = np.flatnonzero(source == target)
    if len(tied):
        same = rows[tied]
        source, target = packets.source_hi[same], packets.target_hi[same]
        port, other = packets.source_port[same], packets.target_port[same]
        higher[tied] = (source > target) | ((source == target) & (port > other))
    return np.asarray(higher, np.bool_)


def find_flows(packets: Packets, seed: int, bits: int = 64) -> Flows:
    """Group the packets that have addresses into lanes and flows."""
    rows = np.flatnonzero((packets.kind != 0) & (packets.problem == 0))
    table = packets if len(rows) == len(packets) else packets.take(rows)
    what: Ints = table.kind.astype(np.uint64)
    for column in (table.protocol, table.source_port, table.target_port):
        what = what << 16 | column
    table = _fold_arp(table)
    words = [what, table.source_lo, table.target_lo]
    words += [word for word in (table.place, table.source_hi, table.target_hi) if word.any()]
    lanes = group(words, seed, bits)
    order, start, count = lanes.order, lanes.start, lanes.count
    first = lanes.first
    higher = higher_speaks(table, first)
    key = _key_words(table, first, higher)
    flows = group([key[:, 0], *(word for word in key.T[1:] if word.any())], seed, bits)
    lane_flow = flows.group_of_rows() if len(first) else np.empty(0, np.int64)
    side = higher.astype(np.int64)
    flow_lanes = np.full((len(flows), 2), -1, np.int64)
    flow_lanes[lane_flow, side] = np.arange(len(first))
    last = order[start + count - 1] if len(start) else start
    tcp = (table.protocol[first] == 6) & (table.kind[first] != 2)
    flags = table.flags[order]
    payload = table.payload_wire[order]
    told = _tcp_order(table, lanes, tcp, flags, payload)
    return Flows(
        order=rows[order],
        lane_start=start,
        lane_count=count,
        lane_flow=lane_flow,
        lane_side=side,
        lane_tcp=tcp,
        lane_bytes=_per_lane(np.add, table.wire[order], start),
        lane_payload=_per_lane(np.add, payload, start),
        lane_flags=_per_lane(np.bitwise_or, flags, start),
        lane_in_order=told.in_order,
        lane_seq=told.seq,
        lane_next=told.next,
        lane_ack_first=told.ack_first,
        lane_ack_last=told.ack_last,
        key=key[flows.first],
        flow_first=rows[_both(np.minimum, first, flow_lanes)],
        flow_last=rows[_both(np.maximum, last, flow_lanes)],
        flow_lanes=flow_lanes,
    )


def _per_lane(ufunc: np.ufunc, column: Ints, start: I64) -> Ints:
    return np.asarray(ufunc.reduceat(column, start)) if len(start) else column[:0]


def _both(choose: np.ufunc, lane_value: I64, flow_lanes: I64) -> I64:
    """The smaller or larger of a value over the lanes of each flow."""
    one, other = flow_lanes.T
    one, other = np.where(one < 0, other, one), np.where(other < 0, one, other)
    return np.asarray(choose(lane_value[one], lane_value[other]))


def _key_words(table: Packets, rows: I64, higher: Mask) -> U64:
    """Key of each row's flow, the same for both directions; shape (rows, KEY_WORDS)."""
    source = (table.source_lo[rows], table.source_hi[rows], table.source_port[rows])
    target = (table.target_lo[rows], table.target_hi[rows], table.target_port[rows])
    low = [np.where(higher, b, a).astype(np.uint64) for a, b in zip(source, target, strict=True)]
    high = [np.where(higher, a, b).astype(np.uint64) for a, b in zip(source, target, strict=True)]
    what = (
        (table.kind[rows].astype(np.uint64) << np.uint64(48))
        | (table.protocol[rows].astype(np.uint64) << np.uint64(32))
        | (low[2] << np.uint64(16))
        | high[2]
    )
    return np.stack([what, low[0], high[0], table.place[rows], low[1], high[1]]).T


class _TcpOrder:
    """What the TCP headers of each lane say about order; the `lane_` columns of Flows."""

    def __init__(self, lanes: int) -> None:
        self.in_order = np.ones(lanes, np.bool_)
        self.seq, self.next, self.ack_first, self.ack_last = np.full((4, lanes), -1, np.int64)


def _tcp_order(table: Packets, lanes: Groups, tcp: Mask, flags: Ints, payload: I64) -> _TcpOrder:
    """Guess that each segment, an empty one too, begins where the one before it ended.

    Then what stands at both ends of a lane says it all; the lanes for which the guess fails are
    looked at once more, closely. `flags` and `payload` are in the order of lanes.
    """
    order, start, last = lanes.order, lanes.start, lanes.start + lanes.count - 1
    told = _TcpOrder(len(start))
    if not tcp.any():
        return told
    turns = np.flatnonzero(flags & (SYN | FIN))
    length = payload.copy()
    length[turns] += (flags[turns] & SYN != 0) + (flags[turns] & FIN != 0).astype(np.int64)
    seq = table.seq[order]
    behind = seq + length & 0xFFFFFFFF
    odd = np.zeros(len(order), np.bool_)
    odd[1:] = seq[1:] != behind[:-1]
    odd[turns] |= flags[turns] & SYN != 0
    odd[start] = flags[start] & flags[last] & ACK == 0
    plain = tcp & ~_per_lane(np.bitwise_or, odd, start)
    told.ack_first[plain] = table.ack[order[start[plain]]]
    told.ack_last[plain] = table.ack[order[last[plain]]]
    full = plain & (_per_lane(np.add, length, start) > 0)
    told.seq[full] = seq[start[full]]
    told.next[full] = behind[last[full]]
    _look_closely(told, table, lanes, np.flatnonzero(tcp & ~plain), length)
    return told


def _look_closely(told: _TcpOrder, table: Packets, lanes: Groups, some: I64, length: I64) -> None:
    """The same for some lanes, from each of their segments."""
    count = lanes.count[some]
    place = ranges(lanes.start[some], count)
    rows, lane, length = lanes.order[place], np.repeat(some, count), length[place]
    flags = table.flags[rows]
    has = np.flatnonzero(length > 0)
    _segments_in_order(told, table.seq[rows[has]], length[has], flags[has], lane[has])
    acks = np.flatnonzero((flags & ACK) != 0)
    owner, value = lane[acks], table.ack[rows[acks]]
    told.ack_last[owner] = value  # the last one written stays
    told.ack_first[owner[::-1]] = value[::-1]


def _segments_in_order(told: _TcpOrder, seq: I64, length: I64, flags: Ints, lane: I64) -> None:
    behind = (seq + length) & 0xFFFFFFFF
    same = lane[1:] == lane[:-1]
    broken = same & ((seq[1:] != behind[:-1]) | ((flags[1:] & SYN) != 0))
    told.in_order[lane[1:][broken]] = False
    told.next[lane] = behind
    told.seq[lane[::-1]] = seq[::-1]
