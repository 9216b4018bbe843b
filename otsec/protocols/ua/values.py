"""Values and their statuses as columns: [6] 5.2.2."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask
from otsec.protocols.api import (
    F32_LE,
    F64_LE,
    I8,
    I16_LE,
    I32_LE,
    I64_LE,
    U8,
    U16_LE,
    U32_LE,
    U64_LE,
)
from otsec.protocols.ua.codes import BUILD_INFO, LONG_TEXT, SERVER_STATUS
from otsec.protocols.ua.heads import (
    BYTE,
    INT,
    NODE_SIZES,
    SHORT,
    behind_node,
    behind_text,
    shifted,
    signed,
    words_at,
)

WALKED, WHOLE, WRONG = range(3)  # a list is cut; stands whole; contradicts the standard


@dataclass(slots=True)
class Points:
    """Items of lists, as columns."""

    row: I64  # of Lists
    start: I64
    end: I64
    key_words: list[U64]
    key_start: I64
    key_length: I64
    value_start: I64
    value_count: I64
    value_type: Ints

    def take(self, keep: I64) -> "Points":
        """Some of the rows, in this order."""
        columns = (
            self.key_start, self.key_length, self.value_start, self.value_count, self.value_type,
        )  # fmt: skip
        return Points(
            self.row[keep], self.start[keep], self.end[keep],
            [word[keep] for word in self.key_words], *(column[keep] for column in columns),
        )  # fmt: skip


STRING, BYTE_STRING, XML, NODE_ID, EXPANDED, QUALIFIED, LOCALIZED, STRUCTURE = (
    12, 15, 16, 17, 18, 20, 21, 22,
)  # fmt: skip
ARRAY, DIMENSIONS = 0x80, 0x40  # in the encoding byte of a variant, [6] 5.2.2.16
_FIXED = np.zeros(64, np.int64)  # bytes of a value, by built-in type, [6] 5.1.2
_FIXED[1:12] = 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8
_FIXED[[13, 14, 19]] = 8, 16, 4
TYPES = np.zeros(64, np.uint8)  # of numbers, in VALUE_TYPES
TYPES[1:12] = U8, I8, U8, I16_LE, U16_LE, I32_LE, U32_LE, I64_LE, U64_LE, F32_LE, F64_LE
TYPES[19] = U32_LE
_PREFIXED = np.isin(np.arange(64), (STRING, BYTE_STRING, XML))
TOLD = np.isin(np.arange(64), (STRING, XML, NODE_ID, EXPANDED, QUALIFIED, LOCALIZED))
TAIL = np.array(  # bytes behind the value of a DataValue, by its mask: status, times, picoseconds
    [4 * (m >> 1 & 1) + 8 * (m >> 2 & 1) + 8 * (m >> 3 & 1) + 2 * (m >> 4 & 1) + 2 * (m >> 5 & 1)
     for m in range(256)]
)  # fmt: skip
MOST_VALUES = 128  # of one array
MOST_PARTS = 64  # of an array whose elements have no fixed size; a longer one is not walked
MOST_STATUS = 1024  # bytes of a server's status that are read
SINGLE = -2  # in place of an array's length


def data_values(
    buffer: Bytes, rows: I64, start: I64, named: I64, at: I64, end: I64
) -> tuple[Points, Ints]:
    """Items that end in a DataValue, [6] 5.2.2.17, at ``at``; ``named..at`` belongs to the key."""
    head = words_at(buffer, at, end)
    mask = (head & BYTE).astype(np.int64)
    has = mask & 1
    variant = np.where(has > 0, shifted(head, 8) & BYTE, 0).astype(np.int64)
    kind, array = variant & 0x3F, variant & ARRAY > 0
    length = signed(head, 2)
    count = np.maximum(length, 0)
    content = at + 1 + has
    prefixed, fixed = _PREFIXED[kind], _FIXED[kind]
    size = np.where(array, 4 + count * fixed, np.where(prefixed, 4 + count, fixed))
    behind = content + size
    wrong = (mask > 0x3F) | ((array | prefixed) & (length < -1)) | (kind > 25)
    wrong |= (variant & DIMENSIONS > 0) & ~array | (kind == 0) & (variant > 0)
    state = np.where(wrong, WRONG, WALKED)
    unsized = np.flatnonzero((fixed == 0) & (kind > 0) & (array | ~prefixed))
    if len(unsized):
        elements = np.where(array, length, SINGLE)[unsized]
        behind[unsized], walked = _behind_unsized(
            buffer, content[unsized], end[unsized], kind[unsized], elements
        )
        state[unsized[~walked & ~wrong[unsized]]] = WHOLE
    sized = np.flatnonzero(variant & DIMENSIONS)
    if len(sized):
        dimensions = signed(words_at(buffer, behind[sized], end[sized]))
        behind[sized] += 4 + 4 * np.maximum(dimensions, 0)
    status = np.zeros(len(at), np.uint64)
    coded = np.flatnonzero(mask & 2)
    if len(coded):
        status[coded] = words_at(buffer, behind[coded], end[coded]) & INT
    stop = behind + TAIL[mask]
    state[(stop > end) & (state == WALKED)] = WRONG
    shape = (mask | variant << 8 | np.where(array, count, 0) << 16).astype(np.uint64)
    numbers = np.where(array, np.minimum(count, MOST_VALUES), 1)
    points = Points(
        rows, start, stop, [shape, status, np.zeros(len(at), np.uint64)], named.copy(),
        at - named, content + np.where(array, 4, 0),
        np.where((TYPES[kind] > 0) & (state == WALKED), numbers, 0),
        np.where(TYPES[kind] > 0, TYPES[kind], U8).astype(np.uint8),
    )  # fmt: skip
    told = np.flatnonzero(TOLD[kind] & (state == WALKED) & (~array | (kind == STRING)))
    if len(told):
        told = told[behind[told] - content[told] <= LONG_TEXT]
        points.key_length[told] = behind[told] - named[told]
    structures = np.flatnonzero((kind == STRUCTURE) & (state == WALKED) & ~array)
    if len(structures):
        _keep_structures(buffer, points, structures, content, behind)
    return points, state


def _keep_structures(buffer: Bytes, points: Points, rows: I64, content: I64, behind: I64) -> None:
    """What of structures is in the key: the id of their encoding, and of two the rest besides.

    Those two tell who a server is; the times at the beginning of its status are left out.
    """
    word = words_at(buffer, content[rows], behind[rows]) & np.uint64(0xFF_FFFF_FFFF)
    plain = (word & np.uint64(0xFF_0000_FFFF)) == np.uint64(1 | 1 << 32)
    number = np.where(plain, shifted(word, 16) & SHORT, 0).astype(np.int64)
    points.key_words[2][rows] = np.where(plain, word, 0)
    begin = content[rows] + 9 + np.where(number == SERVER_STATUS, 16, 0)
    size = behind[rows] - begin
    told = (number == SERVER_STATUS) | (number == BUILD_INFO)
    told &= (size > 0) & (size <= MOST_STATUS) & (points.key_length[rows] == 0)
    points.key_start[rows] = np.where(told, begin, points.key_start[rows])
    points.key_length[rows] = np.where(told, size, points.key_length[rows])


def _behind_unsized(buffer: Bytes, at: I64, end: I64, kind: I64, length: I64) -> tuple[I64, Mask]:
    """Where values end whose type has no fixed size, and whether they could be walked."""
    walked = np.isin(kind, list(_BEHIND)) & (length <= MOST_PARTS)
    at = at + np.where(length > SINGLE, 4, 0)
    left = np.where(walked, np.where(length > SINGLE, np.maximum(length, 0), 1), 0)
    rows = np.flatnonzero(left)
    while len(rows):
        for one in np.unique(kind[rows]).tolist():
            mine = rows[kind[rows] == one]
            at[mine] = _BEHIND[one](buffer, at[mine], end[mine])
        left[rows] -= 1
        rows = rows[(left[rows] > 0) & (at[rows] <= end[rows])]
    return at, walked


def _behind_expanded(buffer: Bytes, at: I64, end: I64) -> I64:
    """ExpandedNodeId, [6] 5.2.2.10."""
    word = words_at(buffer, at, end)
    encoding = (word & np.uint64(0x3F)).astype(np.int64)
    named = (encoding == 3) | (encoding == 5)
    size = NODE_SIZES[encoding]
    behind = at + size + np.where(named, np.maximum(signed(word, 3), 0), 0)
    behind = np.where(size == 0, end + 1, np.minimum(behind, end + 1))
    with_uri = np.flatnonzero(word & np.uint64(0x80))
    behind[with_uri] = behind_text(buffer, behind[with_uri], end[with_uri])
    return behind + np.where(word & np.uint64(0x40), 4, 0)


def _behind_qualified(buffer: Bytes, at: I64, end: I64) -> I64:
    return behind_text(buffer, at + 2, end)


def _behind_localized(buffer: Bytes, at: I64, end: I64) -> I64:
    """LocalizedText, [6] 5.2.2.14."""
    mask = words_at(buffer, at, end) & BYTE
    behind = at + 1
    for bit in (1, 2):
        rows = np.flatnonzero(mask & np.uint64(bit))
        behind[rows] = behind_text(buffer, behind[rows], end[rows])
    return behind


def _behind_structure(buffer: Bytes, at: I64, end: I64) -> I64:
    """ExtensionObject, [6] 5.2.2.15."""
    behind = np.minimum(behind_node(buffer, at, end), end + 1)
    bodied = np.flatnonzero(words_at(buffer, behind, end) & BYTE)
    behind = behind + 1
    behind[bodied] = behind_text(buffer, behind[bodied], end[bodied])
    return behind


_BEHIND: dict[int, Callable[[Bytes, I64, I64], I64]] = {
    **dict.fromkeys((STRING, BYTE_STRING, XML), behind_text),
    NODE_ID: behind_node,
    EXPANDED: _behind_expanded,
    QUALIFIED: _behind_qualified,
    LOCALIZED: _behind_localized,
    STRUCTURE: _behind_structure,
}
