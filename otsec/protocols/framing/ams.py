"""ADS/AMS: frames on TCP, and datagrams of the discovery service.

Source: [ADS] Beckhoff Information System, TwinCAT 3 ADS, AMS/ADS specification: AMS/TCP header,
AMS header.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing
from otsec.protocols.framing.whole import whole

TCP_HEADER = np.dtype(
    [("reserved", "<u2"), ("length", "<u4"), ("target", "u1", (6,)), ("target_port", "<u2"),
     ("source", "u1", (6,)), ("source_port", "<u2"), ("command", "<u2"), ("flags", "<u2"),
     ("size", "<u4"), ("error", "<u4"), ("invoke", "<u4")]
)  # fmt: skip
FRONT = 6  # bytes that the length does not count
AMS_SIZE = 32
LONGEST = 1 << 18  # bytes; symbols of a large program are read in fewer
COMMANDS = 9


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each frame; NOT_MINE where its two lengths do not agree, or no such command is."""
    length, size = header["length"].astype(np.int64), header["size"].astype(np.int64)
    fits = (header["reserved"] == 0) & (length == size + AMS_SIZE) & (length <= LONGEST - FRONT)
    fits &= (header["command"] >= 1) & (header["command"] <= COMMANDS)
    return np.where(fits, length + FRONT, NOT_MINE)


ZERO = frozenset({0})
AMS_TCP = Framing(
    "ams_tcp",
    TCP_HEADER,
    _lengths,
    LONGEST,
    begins=((0, ZERO), (1, ZERO), (4, frozenset(range(LONGEST >> 16))), (5, ZERO)),
)
MAGIC = bytes.fromhex("03661471")
DISCOVERY_SIZE = 24
DISCOVERY = whole(
    "ams_discovery",
    DISCOVERY_SIZE,
    tuple((at, frozenset({byte})) for at, byte in enumerate(MAGIC)),
)
