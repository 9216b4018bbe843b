"""TPKT as RDP has it: what is encrypted by TLS follows on the same connection.

Sources: [RFC1006] 6; [RDP] MS-RDPBCGR 5.4.5.1.

A record of TLS is a frame without an end, of which nothing is delivered.
"""

from dataclasses import replace

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE
from otsec.protocols.framing.tpkt_cotp import HEADER, TPKT_COTP, VERSION

ENDLESS = 1 << 20
RECORDS = (20, 21, 22, 23)  # types of TLS


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    length = TPKT_COTP.lengths(buffer, start, end, header)
    # type, version 3.x; in TPKT the version comes first
    sealed = np.isin(header["version"], RECORDS) & (header["reserved"] == VERSION)
    return np.where((length == NOT_MINE) & sealed, ENDLESS, length)


RDP = replace(
    TPKT_COTP,
    name="rdp",
    header=HEADER,
    lengths=_lengths,
    longest=ENDLESS,
    begins=((0, frozenset({VERSION})), (1, frozenset({0}))),
)
