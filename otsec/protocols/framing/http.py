"""Messages of HTTP/1.x: header blocks, and what lies between them.

Source: [HTTP] RFC 9112 2 and 6.

A unit is a header block, up to the empty line. Short content of known length is passed over with
it, and chunks are frames of their own kind, `CONTENT`. Longer content, or such of unknown length, is
a frame without an end, of which nothing is delivered, nor of what follows. So is an answer to HEAD
that tells a length: it waits for content that does not come.
"""

import re

import numpy as np

from otsec.columns import I64, Bytes, Header, Mask, span_word
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype([("first", "u1")])
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})(?:;[^\r\n]*)?\r\n")  # [HTTP] 7.1
LONGEST_CHUNK_LINE = 128
LONGEST_BLOCK = 8192  # bytes of a header block; servers refuse more
LONGEST_WITH_CONTENT = 16_384  # bytes of block and content that are waited for
ENDLESS = 1 << 20  # more than is ever looked at
METHODS = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND",
)  # fmt: skip
START = re.compile(
    rb"(?:(?:" + "|".join(METHODS).encode() + rb") [!-\xff]+ HTTP/1\.[01]"
    rb"|HTTP/1\.[01] [1-5]\d\d(?: [^\r\n]*)?)\r?\n"
)
SHORTEST = 5  # bytes: the last chunk
LINE = 4096  # bytes of a first line
EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r?\n", re.IGNORECASE)
BARE = re.compile(rb"HTTP/1\.[01] (?:1\d\d|204|304)")  # responses without content, [HTTP] 6.3
CONTENT = 1  # Pieces.kind
_WORDS = [name.encode() + b" " for name in METHODS] + [b"HTTP/1."]
_FRONTS = np.unique([int.from_bytes(word[:4].ljust(4), "little") for word in _WORDS])


def fronts(buffer: Bytes, start: I64, end: I64) -> Mask:
    """Whether each span begins with a method or a version."""
    word = span_word(buffer, start, end - start, 0) & np.uint64(0xFFFF_FFFF)
    return np.asarray(np.isin(word, _FRONTS), np.bool_)


def _lengths(buffer: Bytes, start: I64, end: I64, _header: Header) -> I64:
    """Length of each block, or of the chunk that is there instead."""
    begins = fronts(buffer, start, end)
    length = np.full(len(start), ENDLESS)
    for row in np.flatnonzero(end - start >= SHORTEST).tolist():
        there = buffer[start[row] : min(int(end[row]), int(start[row]) + LONGEST_WITH_CONTENT)]
        length[row] = (_block if begins[row] else _chunk)(there.tobytes())
    return length


def _block(data: bytes) -> int:
    """Length of a header block and its content; more than is there where that does not tell."""
    if START.match(data) is None:
        line = data.find(b"\n", 0, LINE)
        return NOT_MINE if line >= 0 or len(data) >= LINE else LINE
    empty = EMPTY_LINE.search(data, 0, LONGEST_BLOCK)
    if empty is None:
        return NOT_MINE if len(data) >= LONGEST_BLOCK else LONGEST_BLOCK
    size = empty.end()
    said = LENGTH.search(data, 0, size)
    content = int(said[1]) if said is not None and BARE.match(data) is None else 0
    if size + content > LONGEST_WITH_CONTENT:
        return size
    return size + content


def _chunk(data: bytes) -> int:
    """Length of a chunk with its line, [HTTP] 7.1; the last one has no content."""
    line = CHUNK.match(data, 0, LONGEST_CHUNK_LINE)
    return ENDLESS if line is None else line.end() + int(line[1], 16) + 2


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    block = fronts(buffer, start, end)
    behind = end.copy()
    for row in np.flatnonzero(block).tolist():
        data = buffer[start[row] : min(int(end[row]), int(start[row]) + LONGEST_BLOCK)].tobytes()
        empty = EMPTY_LINE.search(data)
        behind[row] = start[row] + (empty.end() if empty is not None else len(data))
    all_, none = np.ones(len(start), np.bool_), np.zeros(len(start), np.bool_)
    kind = np.where(block, 0, CONTENT).astype(np.uint8)
    return Pieces(buffer, start, behind, all_, all_, np.zeros(len(start), np.uint64), kind, none)


HTTP = Framing(
    "http",
    HEADER,
    _lengths,
    longest=ENDLESS,
    pieces=_pieces,
    begins=tuple((at, frozenset(word[at] for word in _WORDS)) for at in range(4)),
)
