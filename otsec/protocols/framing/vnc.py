"""The handshake of RFB. Its messages do not say what they are; their forms tell them apart.

Source: [RFB] RFC 6143 7.1 to 7.3.

What is none of them, choices of one byte and pictures, is a frame without an end, of which nothing
is delivered.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Mask, gather, span_word
from otsec.protocols.api import Framing

HEADER = np.dtype([("first", "u1")])
VERSION_SIZE = 12
SERVER_INIT = np.dtype(
    [
        ("width", ">u2"), ("height", ">u2"), ("bits", "u1"), ("depth", "u1"), ("big", "u1"),
        ("true", "u1"), ("max", "V6"), ("shifts", "V3"), ("padding", "V3"), ("size", ">u4"),
    ]
)  # fmt: skip
SHAPE = np.dtype(SERVER_INIT.descr[:6])
LONGEST_NAME = 256
MOST_TYPES = 16
TYPES = {  # of security, [RFB] 7.1.2 and the IANA registry
    1: "none", 2: "vnc", 5: "ra2", 6: "ra2ne", 16: "tight", 17: "ultra", 18: "tls", 19: "vencrypt",
    20: "sasl", 21: "md5", 22: "xvp", 30: "apple_dh", 35: "apple_srp", 113: "mslogon_2",
    129: "ra2_256", 130: "ra2ne_256",
}  # fmt: skip
ENDLESS = 1 << 20
CHALLENGE = 16  # [RFB] 7.2.2: random, so it is what looks like nothing else
_RFB = int.from_bytes(b"RFB ", "little")
_KNOWN = np.isin(np.arange(256), list(TYPES))


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    size = end - start
    length = np.full(len(start), ENDLESS)
    word = span_word(buffer, start, size, 0)
    front = word & np.uint64(0xFFFF_FFFF)
    length[(size >= 4) & (front == _RFB)] = VERSION_SIZE
    first = header["first"].astype(np.int64)
    listed = (first >= 1) & (first <= MOST_TYPES) & (size > first)
    for at in range(1, MOST_TYPES + 1):
        octet, _ = gather(buffer, start + at, end, np.dtype("u1"))
        listed &= (first < at) | _KNOWN[octet]
    length[listed] = first[listed] + 1
    init, fits = gather(buffer, start, end, SERVER_INIT)
    # what is told by its first eight bytes can be no challenge
    shape, there = gather(buffer, start, end, SHAPE)
    plain = there & np.isin(shape["bits"], [8, 16, 32]) & (shape["depth"] <= shape["bits"])
    plain &= (shape["big"] <= 1) & (shape["true"] <= 1) & ~listed
    plain &= (shape["width"] > 0) & (shape["height"] > 0)
    named = plain & fits & (init["size"] <= LONGEST_NAME)
    length[named] = SERVER_INIT.itemsize + init["size"][named]
    result = (size >= 4) & _is_result(front)
    length[result] = 4
    length[there & (length == ENDLESS) & ~plain & ((first > MOST_TYPES) | (size > first))] = (
        CHALLENGE
    )
    return length


def _is_result(word: U64) -> Mask:
    """[RFB] 7.1.3; in version 3.3 the one type of security looks the same."""
    return np.asarray(np.isin(word, np.array([0, 1 << 24, 2 << 24], np.uint64)), np.bool_)


VNC = Framing(
    "vnc",
    HEADER,
    _lengths,
    longest=ENDLESS,
    begins=tuple((at, frozenset({letter})) for at, letter in enumerate(b"RFB ")),
)
