"""The link and transport layers of DNP3, on TCP and UDP (and behind serial servers).

Source: [1815] IEEE 1815-2012, 9.2 (link frames), 8.2 (transport segments).

A frame has a header of 8 bytes and up to 16 blocks of user data, each followed by its check sum.
The check sum of the header decides in `lengths` what is a frame; those of the blocks are checked
and taken out by `pieces`. A message is the application fragment; in front of it stand five bytes
of the first frame's header, as sent: control, destination (2, little-endian), source (2).
Frames without user data (resets, acknowledgements, link status) are messages of five such bytes,
their kind is 0x80 with the frame's PRM bit (0x40) and function code.
A piece that is not first (FIR 0) and finds nothing open belongs to a message whose beginning was
lost: it begins none.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Mask, gather_spans, ranges, span_word, windows
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
    """The 8 bytes under the header's check sum as little-endian words."""
    flat = np.ascontiguousarray(header).view(np.uint8)
    return np.asarray(windows(flat, np.dtype("<u8"))[np.arange(len(header)) * FRONT].view("<u8"))


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    """What whole frames carry, check sums taken out, in a buffer of their own."""
    word = span_word(buffer, start, end - start, 0)
    control = ((word >> np.uint64(24)) & np.uint64(0xFF)).astype(np.uint8)
    size = np.maximum(((word >> np.uint64(16)) & np.uint64(0xFF)).astype(np.int64) - COUNTED, 0)
    function = control & FUNCTION
    data = (control & PRM != 0) & (
        (function == CONFIRMED_USER_DATA) | (function == UNCONFIRMED_USER_DATA)
    )
    cut = start + _frame_length(size) != end  # not a frame that `lengths` has measured
    size = np.where(cut, 0, size)
    bad, body, body_start = _bodies(buffer, start + FRONT, size)
    bad |= cut | (data & (size == 0))
    data &= size > 0
    transport = np.where(data, body[np.where(data, body_start, 0)] if len(body) else 0, 0)
    first = ~data | (transport & FIR != 0)
    last = ~data | (transport & FIN != 0)
    joined, piece_start, piece_end = _prefixed(
        buffer, start, body, body_start + 1, np.where(data, size - 1, 0), first
    )
    return Pieces(
        buffer=joined,
        start=piece_start,
        end=piece_end,
        first=first,
        last=last,
        # both addresses and the direction: stations share a connection behind a gateway
        lane=(word >> np.uint64(32)) | (control & np.uint8(DIR)).astype(np.uint64) << np.uint64(32),
        kind=np.where(data, 0, LINK_KIND | control & (PRM | FUNCTION)).astype(np.uint8),
        bad=bad,
    )


def _bodies(buffer: Bytes, start: I64, size: I64) -> tuple[Mask, Bytes, I64]:
    """User data without check sums: (a check sum is wrong, all bytes, where each body begins)."""
    blocks = (size + BLOCK - 1) // BLOCK
    total = int(blocks.sum())
    body_start = np.cumsum(size) - size
    wrong = np.zeros(len(start), np.bool_)
    if total == 0:
        return wrong, np.empty(0, np.uint8), body_start
    frame = np.repeat(np.arange(len(start)), blocks)
    number = ranges(np.zeros(len(start), np.int64), blocks)
    block_start = start[frame] + number * (BLOCK + CHECK_BYTES)
    block_size = np.minimum(size[frame] - number * BLOCK, BLOCK)
    said = span_word(buffer, block_start + block_size, np.full(total, CHECK_BYTES), 0)
    unlike = CHECK.of_spans(buffer, block_start, block_size) != said
    wrong[frame[unlike]] = True
    return wrong, gather_spans(buffer, block_start, block_size), body_start


def _prefixed(
    buffer: Bytes, start: I64, body: Bytes, body_start: I64, size: I64, first: Mask
) -> tuple[Bytes, I64, I64]:
    """Pieces one behind the other, those that are first with the addresses in front."""
    front = np.where(first, PREFIX, 0)
    piece_end = np.cumsum(front + size)
    piece_start = piece_end - front - size
    joined = np.empty(int(piece_end[-1]) if len(piece_end) else 0, np.uint8)
    joined[ranges(piece_start, front)] = gather_spans(buffer, start + 3, front)
    joined[ranges(piece_start + front, size)] = gather_spans(body, body_start, size)
    return joined, piece_start, piece_end


DNP3 = Framing("dnp3", HEADER, _lengths, longest=LONGEST, pieces=_pieces)
