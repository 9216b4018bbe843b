"""The mark with which TeamViewer's packets begin, and their command.

Sources: [BETTER] bettercap's parser of TeamViewer packets; [NDPI] nDPI's recogniser.

What stands behind the command is not public. So of a stream the first packet of each side is
known, and all behind it is a frame without an end; on UDP eleven bytes stand in front.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("mark", ">u2"), ("command", "u1")])
SIZE = HEADER.itemsize
MARK, NEWER_MARK = 0x1724, 0x1130
IN_FRONT = 11  # bytes, on UDP; the first is a counter
ON_UDP = np.dtype([("counter", "u1"), ("front", f"V{IN_FRONT - 1}"), *HEADER.descr])
ENDLESS = 1 << 20


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Of the head of a packet; what does not begin as one goes on with one."""
    return np.where(np.isin(header["mark"], (MARK, NEWER_MARK)), SIZE, ENDLESS)


def _datagrams(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    return np.where(header["mark"] == MARK, ON_UDP.itemsize, NOT_MINE)


STREAM = Framing(
    "teamviewer",
    HEADER,
    _lengths,
    longest=ENDLESS,
    begins=((0, frozenset({0x17, 0x11})), (1, frozenset({0x24, 0x30}))),
)
DATAGRAM = Framing(
    "teamviewer_udp",
    ON_UDP,
    _datagrams,
    longest=1 << 16,
    datagram=True,
    begins=((0, frozenset({0})),),
)
