"""Units of the protocols that say who a device is, as they come in captures."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from otsec.capture import open_capture
from otsec.columns import I64
from otsec.dissect import dissect
from otsec.model import UDP, Kind, PacketBatch, Packets
from otsec.protocols.api import Protocol, Side, Units


def units_of(data: list[bytes], side: Side = Side.UNKNOWN) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    zeros = np.zeros(len(data), np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, zeros + np.uint8(side), zeros, zeros)


def batches(path: Path) -> Iterator[tuple[int, PacketBatch, Packets]]:
    """Batches of a capture, dissected, and how many packets came before."""
    reader, before = open_capture(path), 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            yield before, batch, dissect(batch, Counter())
            before += len(batch)
    reader.close()


def spans(batch: PacketBatch, packets: Packets, protocol: Protocol) -> tuple[I64, I64, I64]:
    """Rows and payloads of all datagrams, or of the frames with the protocol's ethertypes."""
    end = np.minimum(packets.payload_end, packets.payload + packets.payload_wire)
    mine = np.isin(packets.protocol, list(protocol.ports)) & (packets.kind == Kind.MAC)
    if "ethernet" not in protocol.transports:
        mine[:] = False
    if protocol.transports != {"ethernet"}:
        mine |= (packets.protocol == UDP) & (packets.kind != Kind.MAC)
    shortest = protocol.framings[0].header.itemsize
    whole = (end - packets.payload >= shortest) & (packets.row < len(batch))
    rows = np.flatnonzero(mine & whole)
    return packets.row[rows], packets.payload[rows], end[rows]


def claimed_by(path: Path, protocols: list[Protocol]) -> list[int]:
    """How many units of a capture each protocol claims."""
    counts = [0] * len(protocols)
    for _, batch, packets in batches(path):
        for number, protocol in enumerate(protocols):
            _, start, end = spans(batch, packets, protocol)
            zeros = np.zeros(len(start), np.uint8)
            units = Units(batch.buffer, start, end, zeros + np.uint8(2), zeros, zeros)
            counts[number] += int(protocol.claims(units).sum()) if len(start) else 0
    return counts


def payloads(path: Path, protocol: Protocol) -> Iterator[tuple[int, bytes]]:
    """Frame and payload of all that could be the protocol's."""
    for before, batch, packets in batches(path):
        columns = (column.tolist() for column in spans(batch, packets, protocol))
        for row, begin, stop in zip(*columns, strict=True):
            yield before + row + 1, batch.buffer[begin:stop].tobytes()


def claimed(path: Path, protocol: Protocol) -> list[tuple[int, bytes]]:
    """Those that the protocol claims."""
    found = list(payloads(path, protocol))
    if not found:
        return []
    mine = protocol.claims(units_of([data for _, data in found])).tolist()
    return [one for one, yes in zip(found, mine, strict=True) if yes]


def side_of(protocol: Protocol, data: bytes) -> Side:
    """What a unit says of who speaks; a client where it does not."""
    side = Side(int(protocol.sides(units_of([data]))[0]))
    return Side.REQUEST if side == Side.UNKNOWN else side
