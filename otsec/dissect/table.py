"""The table that the layers fill: packets as columns, and where each stands.

While a batch is dissected, ``payload`` of its packets is the cursor: the offset of the first byte
that no layer has read. ``payload_end`` is where the captured bytes of the enclosing layer end and
``wire_end`` where they would end had everything been captured; both shrink as lengths are read.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Ints, Mask, gather
from otsec.model import Kind, PacketBatch, Packets, Problem

MAX_TUNNELS = 4  # frames within frames; overlays of overlays have two


class Layer(Enum):
    """What can follow in a packet."""

    ETHERNET = auto()
    ETHERTYPE = auto()  # behind an ethertype or an 802.3 length; the numbers are these
    LLC = auto()
    PPP = auto()
    SESSION = auto()  # PPPoE
    IP = auto()  # of the version that its first nibble says
    IPV4 = auto()
    IPV6 = auto()
    TRANSPORT = auto()  # the numbers are IP protocols
    GRE = auto()
    IP_IN_IP = auto()
    VXLAN = auto()


class Next(NamedTuple):
    """Which rows go on with which layer."""

    layer: Layer
    rows: I64  # ascending, each once
    number: Ints  # what the layer above said of each row; empty where the layer needs none
    tunnels: int = 0  # frames around


NO_NUMBER = np.empty(0, np.uint16)


def of(column: Ints, rows: I64) -> Ints:
    """The values of some rows; without a copy where these are all rows."""
    return column if len(rows) == len(column) else column[rows]


def put(column: Ints, rows: I64, values: Ints | int) -> None:
    """Set the values of some rows, quicker where these are all rows."""
    if len(rows) == len(column):
        column[:] = values
    else:
        column[rows] = values


@dataclass(slots=True)
class Table:
    """Packets being dissected."""

    buffer: Bytes
    packets: Packets
    wire_end: I64
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, rows: I64, dtype: np.dtype[Any]) -> tuple[Header, I64, I64]:
        """Read a header at the cursor of each row: (headers of the rows read, these, the others).

        The others get their problem: CUT where more was on the wire, else MALFORMED. The cursor
        stays; see `skip`.
        """
        packets = self.packets
        at, end = of(packets.payload, rows), of(packets.payload_end, rows)
        header, fits = gather(self.buffer, at, end, dtype)
        if fits.all():
            return header, rows, rows[:0]
        missed = rows[~fits]
        self.mark_short(missed, packets.payload[missed] + dtype.itemsize)
        return header[fits], rows[fits], missed

    def mark_short(self, rows: I64, end: I64) -> None:
        """Rows whose header should end at ``end``, beyond the bytes at hand."""
        cut = end <= self.wire_end[rows]
        self.packets.problem[rows] = np.where(cut, Problem.CUT, Problem.MALFORMED)

    def mark(self, rows: I64, problem: Problem) -> None:
        """Rows that go no further."""
        if len(rows):
            self.packets.problem[rows] = problem

    def skip(self, rows: I64, size: Ints | int) -> None:
        """Move the cursor behind a header that was read, or whose length was checked."""
        payload = self.packets.payload
        if len(rows) == len(payload):
            payload += size
        else:
            payload[rows] += size

    def fits(self, rows: I64, size: I64) -> Mask:
        """Whether ``size`` bytes from the cursor lie within the bytes at hand."""
        ok = of(self.packets.payload, rows) + size <= of(self.packets.payload_end, rows)
        return np.asarray(ok, np.bool_)

    def clip(self, rows: I64, end: I64) -> None:
        """What follows the cursor ends at ``end`` at the latest: a length was read."""
        put(self.wire_end, rows, np.minimum(of(self.wire_end, rows), end))
        packets = self.packets
        put(packets.payload_end, rows, np.minimum(of(packets.payload_end, rows), end))

    def describe_link(self, rows: I64, protocol: Ints | int) -> None:
        """Rows that are described by their link layer, for they are not IP."""
        packets = self.packets
        put(packets.protocol, rows, protocol)
        with_mac = rows[of(packets.kind, rows) == Kind.MAC]
        put(packets.source_lo, with_mac, of(packets.mac_source, with_mac))
        put(packets.target_lo, with_mac, of(packets.mac_target, with_mac))

    def describe_missed(self, rows: I64, protocol: int) -> None:
        """Rows whose IP header could not be read; those within another IP stay described by it."""
        if len(rows):
            kind = self.packets.kind[rows]
            self.describe_link(rows[(kind != Kind.IPV4) & (kind != Kind.IPV6)], protocol)

    def finish(self) -> Packets:
        """The packets, when no layer is left."""
        packets = self.packets
        packets.payload_wire = np.maximum(self.wire_end - packets.payload, 0)
        return packets


def start_table(batch: PacketBatch) -> Table:
    """A table in which nothing is read yet; row by row the packets of the batch."""
    rows = len(batch)
    end = np.minimum(batch.offset + batch.captured, len(batch.buffer))
    wire_end = batch.offset + np.maximum(batch.wire, batch.captured)
    return _table(
        batch.buffer, np.arange(rows), batch.time, batch.wire, batch.offset, end, wire_end
    )


def start_datagrams(buffer: Bytes, start: I64, end: I64, like: Packets) -> Table:
    """A table of whole IP datagrams, which take what lies below IP from the rows of ``like``."""
    table = _table(buffer, like.row.copy(), like.time, like.wire, start, end, end.copy())
    packets = table.packets
    packets.mac_source = like.mac_source.copy()
    packets.mac_target = like.mac_target.copy()
    packets.place = like.place.copy()
    return table


def _table(
    buffer: Bytes, row: I64, time: I64, wire: I64, start: I64, end: I64, wire_end: I64
) -> Table:
    rows = len(row)
    no_high = np.zeros(rows, np.uint64)  # shared, until an IPv6 header is read
    packets = Packets(
        row=row,
        time=time.copy(),
        wire=wire.copy(),
        mac_source=_words(rows),
        mac_target=_words(rows),
        place=_words(rows),
        kind=np.zeros(rows, np.uint8),
        protocol=np.zeros(rows, np.uint16),
        source_hi=no_high,
        source_lo=_words(rows),
        target_hi=no_high,
        target_lo=_words(rows),
        source_port=np.zeros(rows, np.uint16),
        target_port=np.zeros(rows, np.uint16),
        ttl=np.zeros(rows, np.uint8),
        network=np.full(rows, -1, np.int64),
        payload=start.copy(),
        payload_end=np.maximum(end, start),
        payload_wire=np.zeros(0, np.int64),  # set at the end
        seq=np.zeros(rows, np.int64),
        ack=np.zeros(rows, np.int64),
        flags=np.zeros(rows, np.uint8),
        problem=np.zeros(rows, np.uint8),
    )
    return Table(buffer, packets, wire_end)


def _words(rows: int) -> U64:
    return np.zeros(rows, np.uint64)
