"""Dissects a batch: layer by layer, each over all packets that have it."""

from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from otsec.columns import I64, Bytes
from otsec.dissect import link, network, transport, tunnels
from otsec.dissect.common import read_common
from otsec.dissect.table import NO_NUMBER, Layer, Next, Table, start_datagrams, start_table
from otsec.model import PacketBatch, Packets, Problem

READERS: dict[Layer, Callable[[Table, Next], list[Next]]] = {
    Layer.ETHERNET: link.ethernet,
    Layer.ETHERTYPE: link.ethertype,
    Layer.LLC: link.llc,
    Layer.PPP: link.ppp,
    Layer.SESSION: link.session,
    Layer.IP: network.ip,
    Layer.IPV4: network.ipv4,
    Layer.IPV6: network.ipv6,
    Layer.TRANSPORT: transport.transport,
    Layer.GRE: tunnels.gre,
    Layer.IP_IN_IP: tunnels.ip_in_ip,
    Layer.VXLAN: tunnels.vxlan,
}


def dissect(batch: PacketBatch, counts: Counter[str] | None = None) -> Packets:
    """What the headers of each packet say; row by row the packets of the batch.

    ``counts``, where given, is added how many packets came in which wrapping: ``hsr``, ``prp``,
    ``pppoe``, ``gre``, ``erspan``, ``vxlan``, ``ip_in_ip``.
    """
    table = start_table(batch)
    reader = link.LINK_READERS.get(batch.link)
    rows = np.arange(len(batch))
    if reader is None:
        table.mark(rows, Problem.UNKNOWN_LINK)
        return table.finish()
    if reader is link.ethernet:
        rows = read_common(table)
    return _run(table, reader(table, Next(Layer.ETHERNET, rows, NO_NUMBER)), counts)


def dissect_datagrams(
    buffer: Bytes, start: I64, end: I64, like: Packets, counts: Counter[str] | None = None
) -> Packets:
    """What the headers of whole IP datagrams say, which lie in ``buffer`` from start to end.

    Row number, time, size on the wire, MAC addresses and place are those of ``like``, row by row;
    offsets are positions in ``buffer``; ``counts`` as in `dissect`.
    """
    table = start_datagrams(buffer, start, end, like)
    return _run(table, [Next(Layer.IP, np.arange(len(start)), NO_NUMBER)], counts)


def _run(table: Table, steps: list[Next], counts: Counter[str] | None) -> Packets:
    """Follow every step until none is left; it ends, for each step reads on or counts up."""
    waiting = deque(steps)
    while waiting:
        step = waiting.popleft()
        if len(step.rows):
            waiting.extend(READERS[step.layer](table, step))
    if counts is not None:
        counts.update(+table.counts)  # without zeros
    return table.finish()
