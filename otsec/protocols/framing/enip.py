"""The encapsulation of EtherNet/IP on TCP and UDP, and its connected data on UDP.

Source: [CIP2] The CIP Networks Library, Volume 2, 2-3 (encapsulation), 2-6 (common packet format).

Two forms that no byte can confuse: a message begins with a command, below 0x100, and the length of
what stands behind its 24 bytes. A datagram of connected data (UDP 2222) has no such header: it
begins with the number of its items, 2, and the type of the first, 0x8002; as command and length
that would be a command that does not exist.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, gather
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype(
    [
        ("command", "<u2"),
        ("length", "<u2"),  # of what stands behind the header
        ("session", "<u4"),
        ("status", "<u4"),
        ("context", "V6"),  # of 8 bytes of the sender's own
    ]
)
IO_HEADER = np.dtype(
    [
        ("count", "<u2"),  # of items
        ("address_type", "<u2"),
        ("address_length", "<u2"),
        ("connection", "<u4"),
        ("sequence", "<u4"),
        ("data_type", "<u2"),
        ("length", "<u2"),  # of the data
    ]
)
FRONT = 24  # bytes of the header: context, then options of 4 bytes
OPTIONS = np.dtype("<u4")  # must be 0, [CIP2] 2-3.7
COMMANDS = 0x100  # of those that exist, none is as great
STATUSES = 0x1_0000
SEQUENCED_ADDRESS, CONNECTED_DATA = 0x8002, 0xB1
LONGEST = 65_535 + FRONT


def is_io(io: Header) -> I64:
    """Length of each datagram of connected data, read as IO_HEADER; 0 where it is none."""
    fits = (io["count"] == 2) & (io["address_type"] == SEQUENCED_ADDRESS)
    fits &= (io["address_length"] == 8) & (io["data_type"] == CONNECTED_DATA)
    return np.where(fits, io["length"].astype(np.int64) + IO_HEADER.itemsize, 0)


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    """Length of each message or datagram; NOT_MINE where it can be neither."""
    fits = (header["command"] < COMMANDS) & (header["status"] < STATUSES)
    length = np.where(fits, header["length"].astype(np.int64) + FRONT, NOT_MINE)
    other = np.flatnonzero(~fits)
    if len(other):
        length[other] = is_io(np.ascontiguousarray(header[other]).view(IO_HEADER).reshape(-1))
    options, here = gather(buffer, start + FRONT - OPTIONS.itemsize, end, OPTIONS)
    length[fits & here & (options != 0)] = NOT_MINE
    return length


ENCAPSULATION = Framing("enip", HEADER, _lengths, longest=LONGEST)
