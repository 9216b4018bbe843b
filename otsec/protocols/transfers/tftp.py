"""Files of TFTP, which go over ports of which one is that of the request.

Source: [TFTP] RFC 1350; [OPTIONS] RFC 2347, 2348. Only transfers with options are read, see
`tftp.py`.
"""

import re
from typing import Any

import numpy as np

from otsec.columns import Mask, gather
from otsec.protocols.api import Begin, Direction, End, Piece, Reader, Side, Step, Transfers, Units
from otsec.protocols.spoken import text_of

READ, WRITE, DATA, ACK, ERROR, OACK = range(1, 7)
CODE = np.dtype(">u2")
SIZE = 512  # bytes of a block, where no option says otherwise
BLKSIZE = re.compile(rb"[\0\6]blksize\0(\d{1,5})\0", re.IGNORECASE)
MOST_NAME = 256
Memory = dict[str, Any]


def begins(units: Units) -> Mask:
    """Requests."""
    code, fits = gather(units.buffer, units.start, units.end, CODE)
    return np.asarray(fits & ((code == READ) | (code == WRITE)), np.bool_)


def goes_on(units: Units) -> Mask:
    """Data, errors, and answers to options; acknowledgements tell nothing."""
    code, _ = gather(units.buffer, units.start, units.end, CODE)
    return np.isin(code, (DATA, ERROR, OACK))


def read(reader: Reader, _side: Side, memory: Memory, ports: tuple[int, int]) -> list[Step]:
    """One datagram. The memory holds the size of blocks of each transfer, by port."""
    code = reader.u16()
    lanes = [str(port) for port in sorted(ports, reverse=True)]
    if code in (READ, WRITE):
        direction: Direction = "to_server" if code == WRITE else "from_server"
        name = text_of(reader.data[2:].split(b"\0", 1)[0], MOST_NAME)
        memory[lanes[0]] = SIZE
        return [Begin(lanes[0], name, "file", direction, first=1)]
    lane = next((lane for lane in lanes if lane in memory), None)
    if lane is None:
        return []
    if code == OACK:
        found = BLKSIZE.search(reader.data[1:])
        memory[lane] = int(found[1]) if found is not None else SIZE
        return []
    number = reader.u16()
    if code == ERROR:
        del memory[lane]
        return [End(lane, "failed")]
    data = reader.rest()
    piece = Piece(lane, data, number, last=len(data) < memory[lane])
    if not piece.last:
        return [piece]
    return [piece, End(lane)]


TRANSFERS = Transfers("hosts", begins, goes_on, read, numbers=1 << 16)
