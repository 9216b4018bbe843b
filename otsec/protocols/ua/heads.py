"""Units of OPC UA without what all of them have in front, as columns."""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, span_word
from otsec.protocols.api import Side, Units
from otsec.protocols.framing.opcua import (
    ABORT,
    ABORTED,
    ACKNOWLEDGE,
    CLOSE,
    ERROR,
    HELLO,
    MESSAGE,
    MORE,
    OPEN,
    REVERSE_HELLO,
    SEQUENCED,
    services,
)
from otsec.protocols.ua.codes import (
    CHANNEL_OPEN,
    MOST,
    MOST_OF,
    OPEN_CHANNEL,
    PUBLISHED,
    READ,
    READ_DONE,
    WRITE,
    WRITE_DONE,
)
from otsec.protocols.words.opcua import REQUESTS, RESPONSES, SERVICE_FAULT

_LETTERS = np.uint64(0xFFFF_FFFF)
BYTE, SHORT, INT = np.uint64(0xFF), np.uint64(0xFFFF), np.uint64(0xFFFF_FFFF)
_NUMBERS = 1 << 16
ASKS = np.isin(np.arange(_NUMBERS), list(REQUESTS))
TELLS = np.isin(np.arange(_NUMBERS), [*RESPONSES, SERVICE_FAULT])
KEPT = np.full(_NUMBERS, MOST, np.int64)
KEPT[list(MOST_OF)] = list(MOST_OF.values())
IS_LIST = np.isin(np.arange(_NUMBERS), (READ, READ_DONE, WRITE, WRITE_DONE, PUBLISHED))
HELLOS = np.array((HELLO, ACKNOWLEDGE, ERROR, REVERSE_HELLO), np.uint64)


def shifted(word: U64, bits: int) -> U64:
    """What stands behind so many bits."""
    return np.asarray(word >> np.uint64(bits))


def signed(word: U64, at: int = 0) -> I64:
    """Four bytes of a little-endian word as a signed number."""
    return (shifted(word, 8 * at) & INT).astype(np.uint32).view(np.int32).astype(np.int64)


def words_at(buffer: Bytes, at: I64, end: I64) -> U64:
    """Eight bytes from each offset, zero beyond the end."""
    return span_word(buffer, at, end - at, 0)


@dataclass(frozen=True, slots=True)
class Heads:
    """Units without what all of them have in front, as columns."""

    buffer: Bytes
    start: I64
    end: I64
    kind: U64  # type and chunk type
    size: I64  # of the first chunk
    body: I64  # where the id of the service stands, if there is one
    service: I64  # 0: none that is known
    first: U64  # the first bytes of the body
    front: Mask  # whether header, size and what stands in front of the body fit


def heads_of(units: Units) -> Heads:
    """What each unit has in front, [6] 6.7.2 and 7.1.2."""
    buffer, start, end = units.buffer, units.start, units.end
    word = words_at(buffer, start, end)
    kind, size = word & _LETTERS, shifted(word, 32).astype(np.int64)
    more = kind == MORE
    front = np.where(more, size < end - start, size == end - start)
    front &= np.where(units.kind == ABORT, kind == ABORTED, kind != ABORTED)
    sequenced = (kind == MESSAGE) | more | (kind == CLOSE) | (kind == ABORTED)
    opens = kind == OPEN
    body = start + np.where(sequenced, SEQUENCED, 8)
    if opens.any():
        rows = np.flatnonzero(opens)
        body[rows] = _behind_security(buffer, start[rows], end[rows])
    front &= (body <= end) & (sequenced | opens | np.isin(kind, HELLOS))
    first = words_at(buffer, body, end)
    service = np.where((sequenced & (units.kind != ABORT)) | opens, services(first), 0)
    service[opens & (service != OPEN_CHANNEL) & (service != CHANNEL_OPEN)] = 0
    return Heads(buffer, start, end, kind, size, body, service, first, front)


def _behind_security(buffer: Bytes, start: I64, end: I64) -> I64:
    """Where the body begins behind policy, certificate and thumbprint, [6] 6.7.2.3."""
    at = start + 12
    for _ in range(3):
        at = behind_text(buffer, at, end)
    return at + 8  # the sequence header


def lengths_at(buffer: Bytes, at: I64) -> U64:
    """Eight bytes from each offset, whatever unit they belong to.

    For lengths alone: one that is read beyond its unit's end makes the unit end beyond it too.
    """
    return span_word(buffer, at, len(buffer) - at, 0)


def behind_text(buffer: Bytes, at: I64, end: I64) -> I64:
    """Where a string or byte string ends; beyond ``end`` where it cannot be one."""
    length = signed(lengths_at(buffer, at))
    return np.where(length < -1, end + 1, at + 4 + np.maximum(length, 0))


NODE_SIZES = np.zeros(64, np.int64)  # by encoding, [6] 5.2.2.9
NODE_SIZES[:6] = 2, 4, 7, 7, 19, 7


def behind_node(buffer: Bytes, at: I64, end: I64) -> I64:
    """Where a NodeId ends; beyond ``end`` where it cannot be one."""
    word = lengths_at(buffer, at)
    encoding = (word & BYTE).astype(np.int64)
    size = NODE_SIZES[np.minimum(encoding, 63)]
    length = signed(word, 3)
    named = (encoding == 3) | (encoding == 5)
    behind = at + size + np.where(named, np.maximum(length, 0), 0)
    return np.where((size == 0) | (named & (length < -1)), end + 1, behind)


@dataclass(frozen=True, slots=True)
class Bodies:
    """What stands behind the header of a service, as columns."""

    at: I64  # where it begins
    odd: Mask  # the header has more in it than most: diagnostics, a structure
    status: I64  # of responses


def bodies_of(heads: Heads) -> Bodies:
    """Request and response headers, [4] 7.33, 7.34."""
    buffer, end, body = heads.buffer, heads.end, heads.body
    at = body + 28
    odd = np.zeros(len(at), np.bool_)
    status = np.zeros(len(at), np.int64)
    asks = np.flatnonzero(ASKS[heads.service])
    if len(asks):
        token = behind_node(buffer, body[asks] + 4, end[asks])
        audit = behind_text(buffer, token + 16, end[asks])
        more = shifted(words_at(buffer, audit, end[asks]), 32) & np.uint64(0xFFFFFF)
        at[asks] = audit + 7
        odd[asks] = more != 0
    tells = np.flatnonzero(TELLS[heads.service])
    if len(tells):
        word = words_at(buffer, body[tells] + 12, end[tells])
        status[tells] = shifted(word, 32).astype(np.int64)
        more = words_at(buffer, body[tells] + 20, end[tells])
        odd[tells] = (more != 0) & (more != np.uint64(0xFFFF_FFFF << 8))
    return Bodies(at, odd, status)


_LONGEST_HELLO = 8_232  # two texts of 4,096 bytes, [6] 7.1.2


def misshapen(heads: Heads) -> Mask:
    """Headers that do not fit, and hellos whose texts do not end where they end."""
    buffer, start, end = heads.buffer, heads.start, heads.end
    wrong = ~heads.front
    for kind, texts in ((HELLO, (28,)), (ACKNOWLEDGE, ()), (ERROR, (12,)), (REVERSE_HELLO, (8, 0))):
        rows = np.flatnonzero(heads.kind == kind)
        if not len(rows):
            continue
        begin = start[rows]
        at = begin + 28 if kind == ACKNOWLEDGE else begin
        for skip in texts:
            at = behind_text(buffer, at + skip, end[rows])
        wrong[rows] |= (at != end[rows]) | (end[rows] - begin > _LONGEST_HELLO)
        if kind == ERROR:
            status = words_at(buffer, begin + 8, end[rows]) & INT
            wrong[rows] |= status & np.uint64(1 << 31) == 0
        elif kind != REVERSE_HELLO:  # buffers, [6] 7.1.2.3
            word = words_at(buffer, begin + 8, end[rows])
            sizes = words_at(buffer, begin + 12, end[rows])
            wrong[rows] |= (word & INT > 0xFF) | (sizes & INT < 1024) | (shifted(sizes, 32) < 1024)
    return wrong


def sides_of(heads: Heads) -> Ints:
    """Who speaks so; UNKNOWN where it is encrypted."""
    side = np.full(len(heads.kind), Side.UNKNOWN, np.uint8)
    side[(heads.kind == HELLO) | (heads.kind == CLOSE) | ASKS[heads.service]] = Side.REQUEST
    told = (heads.kind == ACKNOWLEDGE) | (heads.kind == ERROR) | (heads.kind == REVERSE_HELLO)
    side[told | TELLS[heads.service]] = Side.RESPONSE
    return side
