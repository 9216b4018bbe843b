"""Messages that fill their datagram or frame."""

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import Framing

LONGEST = 65_535


def whole(
    name: str,
    shortest: int,
    begins: tuple[tuple[int, frozenset[int]], ...] = (),
) -> Framing:
    """A framing of whole datagrams or frames of at least so many bytes."""
    header = np.dtype([("front", f"V{shortest}")])

    def lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
        """All of it, whatever it says."""
        return np.full(len(header), shortest, np.int64)

    return Framing(name, header, lengths, LONGEST, datagram=True, begins=begins)
