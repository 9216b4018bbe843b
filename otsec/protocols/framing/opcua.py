"""The connection protocol of OPC UA on TCP: messages in chunks.

Source: [6] OPC 10000-6 1.05: 6.7.2 (chunks of secure conversation), 7.1 (connection protocol).

Only MSG comes in several chunks ([6] 6.7.2.2); a message of several is delivered as they came, one
behind the other, headers included: the size in the first header says that more follow. A chunk
does not say whether it is the first. It is where nothing is open, and where its body begins with
the id of a service in the clear. A chunk that aborts a message is a unit of its own kind, `ABORT`.

All chunks of a direction are one lane. [6] gives each message a request id, but chunks of two
messages are not mixed on one connection (the usual stacks refuse it), and where chunks are
encrypted so are their ids: lanes by id would never end.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, span_word
from otsec.protocols.api import NOT_MINE, Framing, Pieces
from otsec.protocols.words.opcua import SERVICES

HEADER = np.dtype([("type", "<u4"), ("size", "<u4")])  # [6] 7.1.2.2; three letters and chunk type
SEQUENCED = 24  # bytes in front of the body of MSG and CLO: header, channel, token, sequence
LONGEST = 1 << 18  # buffers of 64 KiB are usual
LONGEST_MESSAGE = 1 << 18  # many stacks take more, but it may be held for each connection
ABORT = 1  # Pieces.kind


def code(letters: bytes) -> int:
    """Type and chunk type as the header's first word."""
    return int.from_bytes(letters, "little")


HELLO, ACKNOWLEDGE, ERROR, REVERSE_HELLO = map(code, (b"HELF", b"ACKF", b"ERRF", b"RHEF"))
OPEN, CLOSE, MESSAGE, MORE, ABORTED = map(code, (b"OPNF", b"CLOF", b"MSGF", b"MSGC", b"MSGA"))
_SHORTEST = {  # bytes
    HELLO: 32, ACKNOWLEDGE: 28, ERROR: 16, REVERSE_HELLO: 16, OPEN: 32,
    CLOSE: SEQUENCED, MESSAGE: SEQUENCED, MORE: SEQUENCED, ABORTED: SEQUENCED,
}  # fmt: skip
_CODES = np.array(sorted(_SHORTEST), np.uint32)
_LEAST = np.array([_SHORTEST[one] for one in _CODES.tolist()], np.int64)
_KNOWN_SERVICE = np.isin(np.arange(1 << 16), list(SERVICES))


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each chunk; NOT_MINE where there is no such type, or not of such a size."""
    word = header["type"]
    at = np.minimum(np.searchsorted(_CODES, word), len(_CODES) - 1)
    size = header["size"].astype(np.int64)
    fits = (_CODES[at] == word) & (size >= _LEAST[at]) & (size <= LONGEST)
    return np.where(fits, size, NOT_MINE)


def services(word: U64) -> I64:
    """The service whose id a body begins with, in four bytes ([6] 5.2.2.9); 0: none is known."""
    number = ((word >> np.uint64(16)) & np.uint64(0xFFFF)).astype(np.int64)
    known = (word & np.uint64(0xFFFF) == 1) & _KNOWN_SERVICE[number]
    return np.where(known, number, 0)


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    """What whole chunks carry; see the head of this module for ``first``."""
    kind = (span_word(buffer, start, end - start, 0) & np.uint64(0xFFFF_FFFF)).astype(np.uint32)
    aborts, more = kind == ABORTED, kind == MORE
    first = ~(more | (kind == MESSAGE))
    rows = np.flatnonzero(~first)
    body = start[rows] + SEQUENCED
    first[rows] = services(span_word(buffer, body, end[rows] - body, 0)) > 0
    return Pieces(
        buffer=buffer,
        start=start,
        end=end,
        first=first,
        last=~more,
        lane=np.zeros(len(start), np.uint64),
        kind=np.where(aborts, ABORT, 0).astype(np.uint8),
        bad=np.zeros(len(start), np.bool_),
    )


OPCUA = Framing(
    "opcua",
    HEADER,
    _lengths,
    longest=LONGEST,
    pieces=_pieces,
    tells_first=False,
    longest_message=LONGEST_MESSAGE,
    begins=(
        *((at, frozenset(int(one) >> 8 * at & 0xFF for one in _SHORTEST)) for at in range(4)),
        (6, frozenset(range((LONGEST >> 16) + 1))),
        (7, frozenset({0})),
    ),
)
