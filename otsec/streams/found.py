"""One batch as the ordered half looks at it, and the frames that it finds there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask
from otsec.model import TCP, Kind, Packets
from otsec.streams.claim import Registry
from otsec.streams.clock import Times
from otsec.streams.cut import Frames, Segments, cut
from otsec.streams.flows import Flows
from otsec.streams.reassembly import Segment


@dataclass(frozen=True, slots=True)
class Found:
    """Frames of one protocol over one buffer, with where they came from."""

    buffer: Bytes
    start: I64
    end: I64
    status: Ints
    row: I64
    slot: I64
    side: I64  # of the flow that sent it
    framing: I64
    kind: Ints  # u1, Pieces.kind

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: Mask | I64) -> "Found":
        """Some of the rows."""
        columns = (
            self.start, self.end, self.status, self.row, self.slot, self.side, self.framing,
            self.kind,
        )  # fmt: skip
        return Found(self.buffer, *(column[keep] for column in columns))


@dataclass(frozen=True, slots=True)
class Speculation:
    """Frames cut in advance, for flows whose ports suggest a protocol."""

    number: int  # of the protocol
    segments: Segments  # lane: number of the lane in Flows
    frames: Frames


@dataclass(slots=True)
class View:
    """One batch, as the ordered half looks at it."""

    buffer: Bytes
    packets: Packets
    flows: Flows
    times: Times
    slots: I64
    fresh: Mask
    ordinal: int
    tcp_flow: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.tcp_flow = _is(self.flows.key, TCP)

    def segments_of(self, flows: I64) -> Iterator[tuple[int, Segment]]:
        """The packets of some flows in order, each with its flow, for the plain path."""
        packets, buffer = self.packets, self.buffer
        lanes = self.flows.flow_lanes[flows]
        lanes = lanes[lanes >= 0]
        rows, position = self.flows.rows_of_lanes(lanes)
        order = np.argsort(rows, kind="stable")
        rows, lane = rows[order], lanes[position[order]]
        columns = (
            self.flows.lane_flow[lane], rows, self.flows.lane_side[lane], self.times.steady[rows],
            packets.seq[rows], packets.ack[rows], packets.flags[rows],
            packets.payload[rows], packets.payload_end[rows], packets.payload_wire[rows],
        )  # fmt: skip
        for flow, row, side, steady, seq, ack, flags, start, end, size in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            data = buffer[start : min(end, start + size)].tobytes() if size else b""
            yield flow, Segment(row, side, steady, seq, ack, flags, data, size)


def _is(key: U64, protocol: int) -> Mask:
    """Whether each flow is of an IP protocol."""
    what = key[:, 0] >> np.uint64(32)
    return np.asarray(
        (what & np.uint64(0xFFFF) == protocol) & (what >> np.uint64(16) != Kind.MAC), np.bool_
    )


def data_segments(buffer: Bytes, packets: Packets, flows: Flows, lanes: I64) -> Segments:
    """The payloads of some lanes, as segments that stand alone, lane by lane in row order."""
    rows, position = flows.rows_of_lanes(lanes)
    start, wire = packets.payload[rows], packets.payload_wire[rows]
    full = np.flatnonzero((wire > 0) & (start >= 0))
    rows, position, start, wire = rows[full], position[full], start[full], wire[full]
    end = np.minimum(packets.payload_end[rows], start + wire)
    behind = start + wire
    return Segments(buffer, rows, lanes[position], start, end, behind, behind)


def speculate(
    buffer: Bytes, packets: Packets, flows: Flows, registry: Registry
) -> list[Speculation]:
    """Cut the segments of all flows whose ports suggest a protocol, by its first framing."""
    hint = registry.hint(flows.key)[flows.lane_flow] if len(flows.key) else np.empty(0, np.int64)
    found = []
    for number in np.unique(hint[hint > 0]).tolist():
        if registry.protocols[number - 1].head:
            continue  # of most of it nothing is read
        lanes = np.flatnonzero(hint == number)
        segments = data_segments(buffer, packets, flows, lanes)
        framing = registry.protocols[number - 1].framings[0].base
        found.append(Speculation(number, segments, cut(segments, framing)))
    return found
