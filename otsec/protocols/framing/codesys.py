"""CODESYS V3: datagrams, and the blocks in which TCP carries them.

Sources: [KASPERSKY] "Security research: CODESYS Runtime, a PLC control framework" (2019), part 2:
block driver and datagram layer; [MICROSOFT] ics-forensics-tools, codesysv3_protocol.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing
from otsec.protocols.framing.whole import whole

BLOCK = np.dtype([("magic", "<u4"), ("length", "<u4"), ("datagram", "u1")])
BLOCK_SIZE = 8
MAGIC = 0xE8170100
DATAGRAM = 0xC5
SHORTEST, LONGEST = BLOCK_SIZE + 6, 1 << 16
# six bytes, in words of two; hops in the upper bits
LENGTHS = frozenset(hops << 3 | 3 for hops in range(1, 32))
SERVICES = frozenset({1, 2, 3, 4, 64})


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    length = header["length"].astype(np.int64)
    fits = (header["magic"] == MAGIC) & (header["datagram"] == DATAGRAM)
    fits &= (length >= SHORTEST) & (length <= LONGEST)
    return np.where(fits, length, NOT_MINE)


ON_TCP = Framing(
    "codesys_block",
    BLOCK,
    _lengths,
    LONGEST,
    begins=tuple((at, frozenset({byte})) for at, byte in enumerate(MAGIC.to_bytes(4, "little"))),
)
ON_UDP = whole("codesys_datagram", 8, ((0, frozenset({DATAGRAM})), (1, LENGTHS), (3, SERVICES)))
