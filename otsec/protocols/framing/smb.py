"""Session packets of NetBIOS, and of SMB directly on TCP.

Sources: [NBT] RFC 1002 4.3; [SMB2] MS-SMB2 2.1.

A unit is a packet with its header. Packets that are no session messages are units of their own
kind, which is their type. A packet longer than is looked at of a connection is never delivered.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, gather, span_word
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype([("type", "u1"), ("high", "u1"), ("low", ">u2")])
FRONT = HEADER.itemsize
MESSAGE, REQUEST, POSITIVE, NEGATIVE, RETARGET, KEEP_ALIVE = 0, 0x81, 0x82, 0x83, 0x84, 0x85
SMB1, SMB2, ENCRYPTED, COMPRESSED = (
    int.from_bytes(word, "little") for word in (b"\xffSMB", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB")
)
MAGICS = (SMB1, SMB2, ENCRYPTED, COMPRESSED)
SHORTEST = 35  # bytes of a message: the header of SMB1, and two empty lists
_SIZES = {REQUEST: 68, POSITIVE: 0, NEGATIVE: 1, RETARGET: 6, KEEP_ALIVE: 0}  # [NBT] 4.3
_ENCODED = frozenset(range(ord("A"), ord("P") + 1))  # letters of NetBIOS names, [NBT] 4.1


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    """Length of each packet; NOT_MINE where a message is none of SMB."""
    size = (header["high"].astype(np.int64) << 16) + header["low"]
    kind = header["type"]
    there = np.minimum(end - start - FRONT, 4)
    word = span_word(buffer, start + FRONT, np.maximum(there, 0), 0)
    fits = (kind == MESSAGE) & (size >= SHORTEST)
    fits &= (there < 4) | np.isin(word, np.array(MAGICS, np.uint64))
    for code, wanted in _SIZES.items():
        fits |= (kind == code) & (size == wanted)
    return np.where(fits, size + FRONT, NOT_MINE)


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    header, _ = gather(buffer, start, end, HEADER)
    all_, none = np.ones(len(start), np.bool_), np.zeros(len(start), np.bool_)
    lane = np.zeros(len(start), np.uint64)
    return Pieces(buffer, start, end, all_, all_, lane, header["type"].copy(), none)


SMB = Framing(
    "smb",
    HEADER,
    _lengths,
    longest=(1 << 24) + FRONT,
    pieces=_pieces,
    begins=(
        (0, frozenset({MESSAGE, *_SIZES})),
        (4, frozenset({0xFF, 0xFE, 0xFD, 0xFC, 32})),
        *((at, frozenset({letter}) | _ENCODED) for at, letter in enumerate(b"SMB", 5)),
    ),
)
