"""Tags, the pieces that bodies are made of: of many bodies at once, and one by one.

Source: [135] ANSI/ASHRAE 135-2020, 20.2.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, span_word, walk
from otsec.errors import Malformed
from otsec.protocols.api import BITS, F32_BE, F64_BE, I8, I16_BE, I32_BE, U8, U16_BE, U32_BE
from otsec.protocols.framing.bacnet import octet

PRIMITIVE, CONTEXT, OPEN, CLOSE, NO_TAG = range(5)  # [135] 20.2.1
EXTENDED = 5  # length of a tag whose length stands behind it
_LONG_NUMBER = 15


class _TagTables:
    """What the first byte of a tag says."""

    def __init__(self) -> None:
        self.kind = np.zeros(256, np.uint8)
        self.number = (np.arange(256) >> 4).astype(np.uint8)
        self.length = np.zeros(256, np.int64)  # header and content; 0 where it is not all
        self.value_type = np.zeros(256, np.uint8)
        self.value_count = np.zeros(256, np.int64)
        self.value_at = np.ones(256, np.int64)
        for first in range(256):
            self._enter(first)
        for tag, sizes in _NUMBERS.items():
            for size, kind in sizes.items():
                self.value_type[tag << 4 | size], self.value_count[tag << 4 | size] = kind, 1
        for size in range(2, EXTENDED):  # a bit string: how many bits are not used, then bits
            self.value_type[0x80 | size], self.value_count[0x80 | size] = U8, size - 1
            self.value_at[0x80 | size] = 2
        for first in (0x10, 0x11):  # a boolean has its value where others have their length
            self.value_type[first], self.value_count[first], self.value_at[first] = BITS, 1, 0
        self.value_type[0x55], self.value_count[0x55], self.value_at[0x55] = F64_BE, 1, 2

    def _enter(self, first: int) -> None:
        number, length = first >> 4, first & 7
        if first & 8:
            self.kind[first] = {6: OPEN, 7: CLOSE}.get(length, CONTEXT)
        elif length > EXTENDED or number > 12 or (number == 1 and length > 1):
            self.kind[first] = NO_TAG
        if length < EXTENDED or length > 5:
            boolean = number == 1 and not first & 8
            self.length[first] = 1 if length > 5 or boolean else 1 + length
        if number == _LONG_NUMBER:
            self.length[first] = 0


_NUMBERS = {  # by number of the tag, [135] 20.2.1.4, and bytes: type of the value
    2: {1: U8, 2: U16_BE, 4: U32_BE},
    3: {1: I8, 2: I16_BE, 4: I32_BE},
    4: {4: F32_BE},
    9: {1: U8, 2: U16_BE, 4: U32_BE},
    10: {4: U32_BE},
    11: {4: U32_BE},
    12: {4: U32_BE},
}
TAG = _TagTables()


def measure(buffer: Bytes, at: I64, end: I64) -> tuple[I64, I64]:
    """Bytes of the tags at some offsets, and of the header of each; 0 where there is none."""
    first = buffer[at]
    length = TAG.length[first]
    header = np.ones(len(at), np.int64)
    rows = np.flatnonzero(length == 0)
    if len(rows):
        word = span_word(buffer, at[rows], end[rows] - at[rows], 0)
        length[rows], header[rows] = _long(word)
    bad = (TAG.kind[first] == NO_TAG) | (at + length > end)
    length[bad] = 0
    return length, header


def _long(word: U64) -> tuple[I64, I64]:
    """The same of tags with a number or a length of their own byte, [135] 20.2.1.2 and 20.2.1.3."""
    small = octet(word, 0) & 7
    header = np.where(octet(word, 0) >> 4 == _LONG_NUMBER, 2, 1)
    word = word >> (8 * header).astype(np.uint64)
    extended = small == EXTENDED
    said = octet(word, 0)
    size = np.where(said < 254, said, octet(word, 1) << 8 | octet(word, 2))
    more = np.where(said < 254, 1, 3)
    four = said == 255
    if four.any():
        size = np.where(four, size << 16 | octet(word, 3) << 8 | octet(word, 4), size)
        more = np.where(four, 5, more)
    header = np.where(extended, header + more, header)
    size = np.where(extended, size, np.where(small > 5, 0, small))
    return header + size, header


@dataclass(frozen=True, slots=True)
class Tags:
    """All tags of some spans, one behind the other; those inside others too."""

    owner: I64  # number of the span
    at: I64
    end: I64  # behind its content
    content: I64
    number: I64
    kind: Ints
    depth: I64  # opening and closing tags stand where what they enclose is enclosed
    good: Mask  # of each span: tags up to its end, each that opens has one that closes


ROUNDS_BYTES = 2048  # longer spans, of joined segments, are walked one by one


def tags_of(buffer: Bytes, start: I64, end: I64) -> Tags:
    """The tags of some spans, up to where there is none."""
    short = np.flatnonzero(end - start <= ROUNDS_BYTES)
    links = walk(
        start[short],
        end[short],
        lambda walker, offset: measure(buffer, offset, end[short][walker])[0],
    )
    owner, at, exits = short[links.walker], links.offset, start.copy()
    exits[short] = links.exit
    if len(short) < len(start):
        owner, at = _walk_long(buffer, start, end, owner, at, exits)
    length, header = measure(buffer, at, end[owner])
    first = buffer[at]
    kind = TAG.kind[first]
    number = TAG.number[first].astype(np.int64)
    long_number = number == _LONG_NUMBER
    if long_number.any():
        number[long_number] = buffer[at[long_number] + 1]
    opens, closes = kind == OPEN, kind == CLOSE
    level = np.cumsum(opens.view(np.int8) - closes.view(np.int8), dtype=np.int64)
    good = exits == end
    depth = level - opens
    if len(owner):
        heads = np.flatnonzero(np.diff(owner, prepend=-1))
        tails = np.append(heads[1:], len(owner)) - 1
        base = np.where(heads > 0, level[heads - 1], 0)
        counts = tails - heads + 1
        good[owner[heads]] &= level[tails] == base
        depth -= np.repeat(base, counts)
        good[owner[depth < 0]] = False
    return Tags(owner, at, at + length, at + header, number, kind, depth, good)


def _walk_long(
    buffer: Bytes, start: I64, end: I64, owner: I64, at: I64, exits: I64
) -> tuple[I64, I64]:
    """The tags of long spans put among those of the others; fills in where they end."""
    owners, offsets = [owner], [at]
    for row in np.flatnonzero(end - start > ROUNDS_BYTES).tolist():
        data = buffer[start[row] : end[row]].tobytes()
        found, offset = [], 0
        try:
            while offset < len(data):
                behind = tag_at(data, offset).end
                found.append(offset)
                offset = behind
        except Malformed:
            pass
        exits[row] = start[row] + offset
        owners.append(np.full(len(found), row))
        offsets.append(start[row] + np.array(found, np.int64))
    owner, at = np.concatenate(owners), np.concatenate(offsets)
    order = np.argsort(owner, kind="stable")
    return owner[order], at[order]


class Tag(NamedTuple):
    """One tag; ``content`` is where its content begins."""

    kind: int
    number: int
    content: int
    end: int


def tag_at(data: bytes, at: int) -> Tag:
    """One tag as plain Python; Malformed where there is none."""
    if at >= len(data):
        raise Malformed(f"no tag at {at}")
    first = data[at]
    kind, number, length = int(TAG.kind[first]), first >> 4, int(TAG.length[first])
    if kind == NO_TAG:
        raise Malformed(f"tag {first:#04x} at {at}")
    header = 1
    if not length:
        header, length, number = _long_tag(data, at)
    if at + length > len(data):
        raise Malformed(f"tag at {at} has {length} bytes, {len(data) - at} left")
    return Tag(kind, number, at + header, at + length)


def _long_tag(data: bytes, at: int) -> tuple[int, int, int]:
    """Header, all bytes and number of a tag with a byte for its number or its length."""
    number, small = data[at] >> 4, data[at] & 7
    begin = at + 1
    front = data[begin : begin + 6].ljust(6, b"\0")
    if number == _LONG_NUMBER:
        number, begin, front = front[0], begin + 1, front[1:]
    if small != EXTENDED:
        return begin - at, begin - at + (small if small < EXTENDED else 0), number
    size, more = front[0], 1
    if size >= 254:
        more = 3 if size == 254 else 5
        size = int.from_bytes(front[1:more], "big")
    return begin + more - at, begin + more - at + size, number
