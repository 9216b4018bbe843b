"""Modbus RTU frames, as serial servers and radios put them on TCP unchanged.

They carry no length: the function and a byte count tell it, differently for requests and
responses, and the check sum decides which of the two it is.

Sources: [SERIAL] Modbus over Serial Line V1.02, 2.5.1; [APP] Application Protocol V1.1b3, 6.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Bytes, Header, Mask, span_word
from otsec.protocols.api import NOT_MINE, Framing
from otsec.protocols.framing.crc import Crc16

HEADER = np.dtype([("unit", "u1"), ("function", "u1"), ("third", "u1"), ("fourth", "u1")])
SHORTEST, LONGEST = 4, 256  # bytes with check sum, [SERIAL] 2.5.1
CHECK = Crc16(0xA001, 0xFFFF, inverted=False, longest=LONGEST)  # [SERIAL] 2.5.1.2
DEVICE_IDENTIFICATION = (0x2B, 0x0E)  # function and interface type whose responses are lists
_LIST_AT = 8  # the first object of such a list
_NO_COUNT = 0  # a frame of fixed length; no count stands at offset 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """The length of a frame: ``base`` bytes, and as many as the byte at ``count_at`` says."""

    base: int
    count_at: int = _NO_COUNT


# [APP] 6, a line for each function; two more bytes are the check sum
_REQUESTS = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 8), _Shape(8)),  # 8: with one word of data
    **dict.fromkeys((7, 11, 12, 17), _Shape(4)),
    **dict.fromkeys((15, 16), _Shape(9, count_at=6)),
    **dict.fromkeys((20, 21), _Shape(5, count_at=2)),
    22: _Shape(10),
    23: _Shape(13, count_at=10),
    24: _Shape(6),
    0x2B: _Shape(7),
}
_RESPONSES = {
    **dict.fromkeys((1, 2, 3, 4, 12, 17, 20, 21, 23), _Shape(5, count_at=2)),
    **dict.fromkeys((5, 6, 8, 11, 15, 16), _Shape(8)),
    7: _Shape(5),
    22: _Shape(10),
    24: _Shape(6, count_at=3),  # the low byte of two: never more than 64
    **dict.fromkeys(range(0x81, 0x100), _Shape(5)),
}


def _table(shapes: dict[int, _Shape]) -> tuple[I64, I64]:
    base, count_at = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for function, shape in shapes.items():
        base[function], count_at[function] = shape.base, shape.count_at
    return base, count_at


_TABLES = (_table(_REQUESTS), _table(_RESPONSES))


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    """Length of each frame whose check sum is right.

    Where the bytes at hand end before a frame could, the length it would have; else NOT_MINE.
    """
    result = np.zeros(len(start), np.int64)
    known = np.flatnonzero(_IN_USE[header["function"]])
    if len(known):
        result[known] = _frame_lengths(buffer, start[known], end[known], header[known])
    return result


_IN_USE = np.isin(np.arange(256), [*_REQUESTS, *_RESPONSES])


def _frame_lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    result = np.zeros(len(start), np.int64)
    waiting = np.zeros(len(start), np.int64)
    # responses first: the first eight bytes of a long one may look like a request by chance, while
    # behind a request there is seldom anything that could make it a response
    for side in (1, 0):
        length = _said(buffer, start, end, header, side)
        fits = (length >= SHORTEST) & (length <= LONGEST) & (start + length <= end)
        open_ = np.flatnonzero(fits & (result == NOT_MINE))
        right = open_[intact(buffer, start[open_], length[open_])]
        result[right] = length[right]
        longer = (start + length > end) & (length <= LONGEST)
        waiting = np.where(longer & (waiting == 0), length, waiting)
    return np.where(result == NOT_MINE, waiting, result)


def _said(buffer: Bytes, start: I64, end: I64, header: Header, side: int) -> I64:
    """The length by function and count; 0 where the function has no such frame."""
    base, count_at = _TABLES[side]
    function = header["function"]
    length: I64 = base[function]
    at = count_at[function]
    counted = np.flatnonzero(at)
    if len(counted):
        count = span_word(
            buffer, start[counted] + at[counted], end[counted] - start[counted] - at[counted], 0
        )
        length[counted] += (count & np.uint64(0xFF)).astype(np.int64)
        # the count itself may not be here yet: the frame is then at least one byte longer
        missing = start[counted] + at[counted] >= end[counted]
        length[counted[missing]] = np.maximum(base[function[counted]], at[counted] + 1)[missing]
    lists = np.flatnonzero(function == DEVICE_IDENTIFICATION[0])
    if len(lists):
        other = header["third"][lists] != DEVICE_IDENTIFICATION[1]
        if side == 1:
            length[lists] = _list_lengths(buffer, start[lists], end[lists])
        length[lists[other]] = 0
    return length


def _list_lengths(buffer: Bytes, start: I64, end: I64) -> I64:
    """The length of responses that list objects, [APP] 6.21: up to 123 of them, one a round."""
    number = span_word(buffer, start + _LIST_AT - 1, end - start - _LIST_AT + 1, 0)
    left = (number & np.uint64(0xFF)).astype(np.int64)
    length = np.full(len(start), _LIST_AT, np.int64)
    rows = np.flatnonzero(left > 0)
    while len(rows):
        at = length[rows]
        size = span_word(buffer, start[rows] + at + 1, end[rows] - start[rows] - at - 1, 0)
        length[rows] += 2 + (size & np.uint64(0xFF)).astype(np.int64)
        left[rows] -= 1
        rows = rows[(left[rows] > 0) & (length[rows] <= LONGEST)]
    return length + 2


def intact(buffer: Bytes, start: I64, length: I64) -> Mask:
    """Whether each span ends with the check sum of the bytes before it."""
    return np.asarray(CHECK.of_spans(buffer, start, length) == 0)


def is_frame(data: bytes) -> bool:
    """Whether these bytes are one whole frame, by length and check sum."""
    if not SHORTEST <= len(data) <= LONGEST:
        return False
    return len(data) in said_lengths(data) and CHECK.of(data) == 0


def said_lengths(data: bytes) -> tuple[int, ...]:
    """The lengths that a request and a response with these first bytes would have."""
    return tuple(
        length
        for shapes in (_REQUESTS, _RESPONSES)
        if (length := _said_plainly(data, shapes)) is not None
    )


def _said_plainly(data: bytes, shapes: dict[int, _Shape]) -> int | None:
    function = data[1]
    if function == DEVICE_IDENTIFICATION[0]:
        if data[2] != DEVICE_IDENTIFICATION[1]:
            return None
        if shapes is _RESPONSES:
            return _list_length_plainly(data)
    shape = shapes.get(function)
    if shape is None:
        return None
    if shape.count_at == _NO_COUNT:
        return shape.base
    if shape.count_at >= len(data):
        return max(shape.base, shape.count_at + 1)
    return shape.base + data[shape.count_at]


def _list_length_plainly(data: bytes) -> int:
    length = _LIST_AT
    for _ in range(data[_LIST_AT - 1] if len(data) >= _LIST_AT else 0):
        length += 2 + (data[length + 1] if length + 1 < len(data) else 0)
        if length > LONGEST:
            break
    return length + 2


def whole_frames(buffer: Bytes, start: I64, end: I64) -> Mask:
    """Whether each span is one whole frame, by length and check sum: `is_frame` in columns."""
    if not len(start):
        return np.empty(0, np.bool_)
    word = span_word(buffer, start, end - start, 0)
    header = word.view("u1").reshape(-1, 8)[:, :4].copy().view(HEADER)[:, 0]
    length = end - start
    fits = (length >= SHORTEST) & (length <= LONGEST)
    said = [_said(buffer, start, end, header, side) == length for side in (0, 1)]
    result: Mask = fits & (said[0] | said[1])
    rows = np.flatnonzero(result)
    result[rows] = intact(buffer, start[rows], length[rows])
    return result


RTU = Framing(
    "rtu",
    HEADER,
    _lengths,
    longest=LONGEST,
    # exceptions to functions that no standard names are cut, but none begins a connection
    begins=((1, frozenset(code | failed for code in _REQUESTS for failed in (0, 0x80))),),
)
