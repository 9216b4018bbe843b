"""Records of TLS, and handshake messages that go on from one record in the next.

Sources: [TLS12] RFC 5246 6.2; [TLS13] RFC 8446 5.1.

A unit is a record, header included; records of type handshake are joined where a message goes on
in the next one, headers included too. A record does not say whether it begins a message: it does
where nothing is open. It leaves one open where its own messages, of known types, run beyond it; a
record that begins none ends what is open unless it is full.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, gather, walk
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype([("type", "u1"), ("major", "u1"), ("minor", "u1"), ("length", ">u2")])
FRONT = HEADER.itemsize
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = range(20, 25)
TYPES = frozenset({CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT})
FULL = 1 << 14  # bytes of a record, [TLS12] 6.2.1
LONGEST = FULL + 2048  # encrypted, [TLS12] 6.2.3
LONGEST_MESSAGE = 1 << 16  # a chain of certificates
LONGEST_SAID = 1 << 17  # a message that says more is none
MESSAGE = np.dtype([("type", "u1"), ("high", "u1"), ("low", ">u2")])  # [TLS12] 7.4
_SPANS = np.isin(np.arange(256), [1, 2, 4, 11, 12, 13, 14, 15, 16, 22])  # in the clear


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each record; NOT_MINE where type, version or length is none of TLS."""
    length = header["length"].astype(np.int64)
    kind = header["type"]
    fits = (kind >= CHANGE_CIPHER_SPEC) & (kind <= HEARTBEAT) & (header["major"] == 3)
    fits &= (header["minor"] <= 4) & (length > 0) & (length <= LONGEST)
    fits &= (kind != CHANGE_CIPHER_SPEC) | (length == 1)
    return np.where(fits, length + FRONT, NOT_MINE)


def _leaves_open(buffer: Bytes, start: I64, end: I64) -> tuple[Ints, Ints]:
    """Whether handshake records begin with a message, and whether their last one runs beyond."""
    head, fits = gather(buffer, start, end, MESSAGE)
    begins = fits & _SPANS[head["type"]] & (head["high"] < LONGEST_SAID >> 16)

    def step(walker: I64, offset: I64) -> I64:
        head, fits = gather(buffer, offset, end[walker], MESSAGE)
        size = (head["high"].astype(np.int64) << 16) + head["low"] + MESSAGE.itemsize
        known = fits & _SPANS[head["type"]] & (size <= LONGEST_SAID)
        return np.where(known, size, 0)

    links = walk(start, np.where(begins, end, start), step)
    return begins, links.exit > end


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    header, _ = gather(buffer, start, end, HEADER)
    kind = header["type"]
    handshake = np.flatnonzero(kind == HANDSHAKE)
    last = np.ones(len(start), np.bool_)
    begins, beyond = _leaves_open(buffer, start[handshake] + FRONT, end[handshake])
    full = end[handshake] - start[handshake] >= FULL + FRONT
    last[handshake] = np.where(begins, ~beyond, ~full)
    none = np.zeros(len(start), np.bool_)
    return Pieces(
        buffer,
        start,
        end,
        first=none,
        last=last,
        lane=np.zeros(len(start), np.uint64),
        kind=np.where(kind == HANDSHAKE, 0, kind).astype(np.uint8),
        bad=none,
    )


TLS = Framing(
    "tls",
    HEADER,
    _lengths,
    longest=LONGEST + FRONT,
    pieces=_pieces,
    tells_first=False,
    longest_message=LONGEST_MESSAGE,
    begins=((0, TYPES), (1, frozenset({3})), (2, frozenset(range(5)))),
)
