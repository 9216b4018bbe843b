"""Fragments of connection-oriented DCE/RPC, and the calls that they join to.

Sources: [RPC] C706 12.6; [RPCE] MS-RPCE 2.2.2.

A unit is a fragment with its header; of a call in several, the first with its header and what the
others carry behind theirs. Calls on one connection are told apart by their numbers.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, gather
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype(
    [
        ("version", "u1"), ("minor", "u1"), ("type", "u1"), ("flags", "u1"), ("order", "u1"),
        ("drep", "V3"), ("length", "V2"), ("auth", "V2"), ("call", "V4"),
    ]
)  # fmt: skip
FRONT = HEADER.itemsize
CALL_FRONT = FRONT + 8  # of requests and responses: hint, context, operation or cancel count
REQUEST, RESPONSE, FAULT = 0, 2, 3
BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_RESPONSE, AUTH3 = 11, 12, 13, 14, 15, 16
SHUTDOWN, CANCEL, ORPHANED = 17, 18, 19
TYPES = (REQUEST, RESPONSE, FAULT, *range(BIND, ORPHANED + 1))
_LEAST = np.full(256, FRONT)
_LEAST[[REQUEST, RESPONSE, FAULT]] = CALL_FRONT
_LEAST[[BIND, ALTER]] = FRONT + 12
FIRST, LAST = 1, 2  # flags
BIG, LITTLE = 0x00, 0x10  # order of bytes


def number(raw: Ints, order: Ints) -> I64:
    """Numbers as they are sent, in the order that each header tells."""
    size = raw.dtype.itemsize
    little = raw.copy().view(f"<u{size}").astype(np.int64)
    big = raw.copy().view(f">u{size}").astype(np.int64)
    return np.where(order == LITTLE, little, big)


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each fragment; NOT_MINE where it is none."""
    size = number(header["length"], header["order"])
    auth = number(header["auth"], header["order"])
    fits = (header["version"] == 5) & (header["minor"] <= 1) & np.isin(header["type"], TYPES)
    fits &= np.isin(header["order"], (BIG, LITTLE)) & (size >= _LEAST[header["type"]])
    fits &= (auth == 0) | (auth + 8 + FRONT <= size)
    return np.where(fits, size, NOT_MINE)


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    header, _ = gather(buffer, start, end, HEADER)
    call = np.isin(header["type"], (REQUEST, RESPONSE))
    first = ~call | (header["flags"] & FIRST != 0)
    return Pieces(
        buffer=buffer,
        start=np.where(first, start, start + CALL_FRONT),
        end=end,
        first=first,
        last=~call | (header["flags"] & LAST != 0),
        lane=number(header["call"], header["order"]).astype(np.uint64),
        kind=np.zeros(len(start), np.uint8),
        bad=np.zeros(len(start), np.bool_),
    )


DCERPC = Framing(
    "dcerpc",
    HEADER,
    _lengths,
    longest=65_535,
    pieces=_pieces,
    begins=(
        (0, frozenset({5})),
        (1, frozenset({0, 1})),
        (2, frozenset(TYPES)),
        (4, frozenset({BIG, LITTLE})),
        *((at, frozenset({0})) for at in (5, 6, 7)),
    ),
)
