"""FINS: whole datagrams on UDP, frames with a header of their own on TCP.

Source: [W421] OMRON CS1W-ETN21 Operation Manual, Construction of Applications, 7-4 (FINS/TCP).
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing
from otsec.protocols.framing.whole import whole

MAGIC = 0x46494E53  # "FINS"
TCP_HEADER = np.dtype([("magic", ">u4"), ("length", ">u4"), ("command", ">u4"), ("error", ">u4")])
FRONT = 8  # bytes that the length does not count
SHORTEST, LONGEST = 8, 8 + 2012  # counted: command and error, and the longest FINS message
ICF = frozenset({0x80, 0x81, 0xC0, 0xC1})  # gateway; command or response; response wanted or not
HOPS = frozenset(range(8))
NETWORKS = frozenset(range(128))


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    length = header["length"].astype(np.int64)
    fits = (header["magic"] == MAGIC) & (length >= SHORTEST) & (length <= LONGEST)
    return np.where(fits, length + FRONT, NOT_MINE)


FINS_TCP = Framing(
    "fins_tcp",
    TCP_HEADER,
    _lengths,
    FRONT + LONGEST,
    begins=(*((at, frozenset({byte})) for at, byte in enumerate(b"FINS\0\0")),),
)
FINS_UDP = whole(
    "fins_udp",
    12,
    ((0, ICF), (1, frozenset({0})), (2, HOPS), (3, NETWORKS), (6, NETWORKS)),
)
