"""What of each packet is kept as evidence: personal traffic need not lie on a disk."""

from typing import Literal, TypeAlias

import numpy as np

from otsec.columns import I64, Mask
from otsec.engine import Columnar, Engine
from otsec.health.services import INDUSTRIAL
from otsec.inventory.families import CONTROL
from otsec.model import ARP, TCP, UDP, Kind, PacketBatch, Packets
from otsec.streams.connections import key_bytes

Evidence: TypeAlias = Literal["mixed", "ot-only", "headers", "full"]
EVIDENCE: dict[Evidence, str] = {
    "mixed": "industrial packets, ARP and LLDP in full, of others the headers",
    "ot-only": "industrial packets, ARP and LLDP in full, others not at all",
    "headers": "of all packets the headers",
    "full": "every byte of every packet",
}
LINK_HEADER = 14  # bytes kept of a packet that could not be read further
NEIGHBOURS = (ARP, 0x88CC)  # ARP and LLDP: who is there, and nothing of any person


def _numbers(kind: str) -> I64:
    """Ports, or ethertypes, of the industrial services of one kind."""
    found = [name.rpartition("/") for name in INDUSTRIAL]
    return np.array([int(text, 0) for before, _, text in found if before == kind], np.int64)


PORTS = {TCP: _numbers("tcp"), UDP: _numbers("udp")}
ETHERTYPES = np.concatenate([_numbers(""), np.array(NEIGHBOURS)])


def kept(evidence: Evidence, batch: PacketBatch, prepared: Columnar, engine: Engine) -> I64:
    """How many bytes of each packet of a batch are kept; below 0: nothing of it.

    The engine has taken the batch before, so that it knows whose connections these are.
    """
    if evidence == "full":
        return batch.captured
    packets = prepared.packets
    bytes_kept: I64 = np.minimum(batch.captured, LINK_HEADER)
    headers = packets.payload - batch.offset[packets.row]
    bytes_kept[packets.row] = np.clip(headers, LINK_HEADER, batch.captured[packets.row])
    if evidence == "headers":
        return bytes_kept
    rows = packets.row[industrial(prepared, engine)]
    if evidence == "ot-only":
        bytes_kept[:] = -1
    bytes_kept[rows] = batch.captured[rows]
    return bytes_kept


def industrial(prepared: Columnar, engine: Engine) -> Mask:
    """Which packets are of an industrial protocol: by number, or by what was recognised."""
    packets = prepared.packets
    found = _by_number(packets)
    flows = prepared.flows
    names = engine.registry.names
    numbers = [number for number, name in enumerate(names) if name in CONTROL]
    slots = engine.connections.find(key_bytes(flows.key))
    owner = np.where(slots >= 0, engine.connections.table["protocol"][slots], 0)
    lanes = np.flatnonzero(np.isin(owner, numbers)[flows.lane_flow])
    rows, _ = flows.rows_of_lanes(lanes)
    found[rows] = True
    return found


def _by_number(packets: Packets) -> Mask:
    found = (packets.kind == Kind.MAC) & np.isin(packets.protocol, ETHERTYPES)
    for protocol, ports in PORTS.items():
        mine = np.flatnonzero((packets.protocol == protocol) & (packets.kind != Kind.MAC))
        numbered = np.isin(packets.source_port[mine], ports)
        found[mine] = numbered | np.isin(packets.target_port[mine], ports)
    return np.asarray(found, np.bool_)
