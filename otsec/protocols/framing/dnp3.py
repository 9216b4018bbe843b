"""The link and transport layers of DNP3, on TCP and UDP (and behind serial servers).

Source: [1815] IEEE 1815-2012, 9.2 (link frames), 8.2 (transport segments).

A frame has a header of 8 bytes and up to 16 blocks of user data, each followed by its check sum.
The check sum of the header decides in `lengths` what is a frame; those of the blocks are checked
and taken out by `pieces`. A message is the application fragment; in front of it stand five bytes
of the first frame's header, as sent: control, destination (2, little-endian), source (2).
Frames without user data (resets, acknowledgements, link status) are messages of five such bytes,
their kind is 0x80 with the frame's PRM bit (0x40) and function code.
A piece that is not first (FIR 0) and finds nothing open belongs to a message whose beginning was
lost: it begins none. A message whose pieces are not numbered one by one is given up, as an
outstation does.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Mask, gather, ranges, span_word, windows
from otsec.protocols.api import NOT_MINE, Framing, Pieces
from otsec.protocols.framing.crc import Crc16

HEADER = np.dtype(
    [
        ("start", ">u2"),
        ("length", "u1"),  # control, addresses and user data, without check sums
        ("control", "u1"),
        ("destination", "<u2"),
        ("source", "<u2"),
        ("check", "<u2"),
    ]
)
START = 0x0564
FRONT = 10  # the header with its check sum
COUNTED = 5  # bytes of the header that the length counts
BLOCK, CHECK_BYTES = 16, 2
LONGEST = FRONT + 250 + 16 * CHECK_BYTES
CHECK = Crc16(0xA6BC, 0x0000, inverted=True, longest=BLOCK)  # [1815] 9.2.4.1.8

DIR, PRM = 0x80, 0x40  # bits of the control octet: from a master; from who began
FUNCTION = 0x0F
CONFIRMED_USER_DATA, UNCONFIRMED_USER_DATA = 3, 4  # function codes where PRM is set
LINK_KIND = 0x80
FIN, FIR = 0x80, 0x40  # bits of the transport octet
NUMBERS = 64  # its other bits number the segments of a fragment, [1815] 8.2.1.3
PREFIX = 5  # bytes in front of the application fragment


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each frame; NOT_MINE where start or header check sum are wrong."""
    length = header["length"].astype(np.int64)
    fits = (header["start"] == START) & (length >= COUNTED)
    rows = np.flatnonzero(fits)
    if len(rows):
        right = CHECK.of_words(_header_words(header[rows])) == header["check"][rows]
        fits[rows] = right
    return np.where(fits, _frame_length(length - COUNTED), NOT_MINE)


def _frame_length(size: I64) -> I64:
    """Bytes of a frame with that many bytes of user data."""
    return FRONT + size + CHECK_BYTES * ((size + BLOCK - 1) // BLOCK)


def _header_words(header: Header) -> U64:
    """The 8 bytes under the header's check sum as little-endian words; shape (rows, 1)."""
    flat = np.ascontiguousarray(header).view(np.uint8)
    words = windows(flat, np.dtype("<u8"))[np.arange(len(header)) * FRONT].view("<u8")
    return np.asarray(words.reshape(-1, 1))


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    """What whole frames carry, check sums taken out, in a buffer of their own.

    There each frame has a row of 16 bytes for what stands in front of its message, and one for
    each block. Where a message begins, the fifth byte in front of it takes the place of the
    transport octet, so that the message lies in one piece.
    """
    word = span_word(buffer, start, end - start, 0)
    control = ((word >> np.uint64(24)) & np.uint64(0xFF)).astype(np.uint8)
    size = np.maximum(((word >> np.uint64(16)) & np.uint64(0xFF)).astype(np.int64) - COUNTED, 0)
    function = control & FUNCTION
    data = (control & PRM != 0) & (
        (function == CONFIRMED_USER_DATA) | (function == UNCONFIRMED_USER_DATA)
    )
    cut = start + _frame_length(size) != end  # not a frame that `lengths` has measured
    size = np.where(cut, 0, size)
    blocks = (size + BLOCK - 1) // BLOCK
    row = np.cumsum(blocks + 1) - blocks  # of the first block
    rows = np.zeros((int((blocks + 1).sum()), 2), np.uint64)
    bad = _unpack(buffer, start + FRONT, size, blocks, row, rows)
    bad |= cut | (data & (size == 0))
    data &= size > 0
    transport = rows[np.where(data, row, 0), 0] if len(rows) else np.empty(0, np.uint64)
    first = ~data | (transport & np.uint64(FIR) != 0)
    last = ~data | (transport & np.uint64(FIN) != 0)
    number = (transport & np.uint64(NUMBERS - 1)).astype(np.int64)
    addresses = word >> np.uint64(24)  # and the control octet: five bytes
    rows[row - 1, 0] = addresses
    rows[row - 1, 1] = addresses << np.uint64(32)
    begins = data & first
    rows[row[begins], 0] ^= (transport ^ addresses >> np.uint64(32))[begins] & np.uint64(0xFF)
    body = BLOCK * row
    front = np.where(begins, body + 1 - PREFIX, np.where(data, body + 1, body - BLOCK))
    return Pieces(
        buffer=rows.view(np.uint8).reshape(-1),
        start=front,
        end=np.where(data, body + size, front + PREFIX),
        first=first,
        last=last,
        # both addresses and the direction: stations share a connection behind a gateway
        lane=(word >> np.uint64(32)) | (control & np.uint8(DIR)).astype(np.uint64) << np.uint64(32),
        kind=np.where(data, 0, LINK_KIND | control & (PRM | FUNCTION)).astype(np.uint8),
        bad=bad,
        number=number,
    )


def _unpack(buffer: Bytes, start: I64, size: I64, blocks: I64, row: I64, rows: U64) -> Mask:
    """Put the user data of frames into rows, block by block; gives where a check sum is wrong.

    A block is read with its check sum from 18 bytes that end with it, so that zeros take the place
    of what a short one lacks in front, and all have their check sums taken alike.
    """
    wrong = np.zeros(len(start), np.bool_)
    frame = np.repeat(np.arange(len(start)), blocks)
    number = ranges(np.zeros(len(start), np.int64), blocks)
    lacks = np.maximum(BLOCK * (number + 1) - size[frame], 0)  # bytes, in the last of each frame
    at = start[frame] + number * _BLOCK.itemsize - lacks
    behind = at + _BLOCK.itemsize
    if len(at) and int(at.min()) < 0:
        buffer = np.concatenate([np.zeros(BLOCK, np.uint8), buffer])
        at, behind = at + BLOCK, behind + BLOCK
    block, _ = gather(buffer, at, behind, _BLOCK)
    words = block["words"]
    short = np.flatnonzero(lacks)
    words[short] &= _KEPT[lacks[short]]
    wrong[frame[CHECK.of_words(words) != block["check"]]] = True
    words[short] = _moved_down(words[short], lacks[short])
    rows[row[frame] + number] = words
    return wrong


_BLOCK = np.dtype([("words", "<u8", (2,)), ("check", "<u2")])
_KEPT = np.array(  # by the bytes that a block lacks in front
    [
        divmod((1 << 128) - (1 << 8 * lacks) & (1 << 128) - 1, 1 << 64)[::-1]
        for lacks in range(BLOCK)
    ],
    np.uint64,
)


def _moved_down(words: U64, count: I64) -> U64:
    """Numbers of two words, the lower one first, without so many of their lowest bytes, 1 to 15."""
    low, high = words.T
    bits = (8 * count).astype(np.uint64)
    far, rest = bits >= np.uint64(64), bits & np.uint64(63)
    low, high = np.where(far, high, low), np.where(far, np.uint64(0), high)
    carried = np.where(rest > 0, high << (np.uint64(64) - rest & np.uint64(63)), np.uint64(0))
    return np.stack([low >> rest | carried, high >> rest], axis=1)


DNP3 = Framing(
    "dnp3",
    HEADER,
    _lengths,
    longest=LONGEST,
    pieces=_pieces,
    numbers=NUMBERS,
    begins=((0, frozenset({START >> 8})), (1, frozenset({START & 0xFF}))),
)
