"""The layers below BACnet's application: virtual link on UDP, bare on Ethernet, network header.

Source: [135] ANSI/ASHRAE 135-2020, annex J (BACnet/IP), clause 6 (network layer), clause 7
(Ethernet, LLC service access point 0x82), 5.2 and 20.1 (segments).

A unit is a frame as sent. Segments of one message are joined behind the first of them, whose
headers stay in front. The virtual link's length is not relied on: a datagram holds one frame, and
receivers that look at nothing else take what is there. Nothing in a frame tells a segment that was
sent again from one that was not; a message with one twice contradicts its own form.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Mask, hash_words, span_word
from otsec.protocols.api import NOT_MINE, Framing, Pieces

VIRTUAL_LINK, ETHERNET = 0, 1  # positions in Protocol.framings
TYPE = 0x81  # of BACnet/IP, [135] J.2
FORWARDED, DISTRIBUTE, UNICAST, BROADCAST = 0x04, 0x09, 0x0A, 0x0B
CARRIERS = (FORWARDED, DISTRIBUTE, UNICAST, BROADCAST)  # functions with a network message
LAST_FUNCTION = 0x0C
NO_LINK = 0xFF  # stands for the function of what came without a virtual link
FRONT, ORIGIN = 4, 6  # bytes of the virtual link header, and of who a forwarded message is from
LONGEST = 2048  # bytes; the standard's 1,507 would do, but nothing forbids a longer maximum

VERSION = 1  # [135] 6.2.1
NETWORK_MESSAGE, DESTINATION, SOURCE, EXPECTING = 0x80, 0x20, 0x08, 0x04  # bits of the control
RESERVED = 0x50
LONGEST_ADDRESS = 7  # bytes of a MAC address, those of LonTalk, [135] table 6-2
ALL_NETWORKS = 0xFFFF

SEGMENTED, MORE = 0x08, 0x04  # bits of a request's and a complex answer's first byte
REQUEST, COMPLEX_ANSWER = 0, 3  # types of unit, [135] 20.1.1


@dataclass(frozen=True, slots=True)
class Networks:
    """What the layers below say of units, as columns."""

    function: I64  # of the virtual link; NO_LINK without one
    link: Mask  # a message of the virtual link itself, with nothing of the network layer in it
    control: I64  # of the network layer
    at: I64  # offset behind these headers: the application's unit, or the body of a link message
    # all of it but the hop count: function, control, and network (2 bytes) and length of address of
    # destination and source in one; the address of each; who a forwarded message is from
    words: list[U64]
    said: I64  # bytes that there are by the word of the virtual link
    good: Mask


def networks(buffer: Bytes, start: I64, end: I64, bare: Mask) -> Networks:
    """Read the headers of whole units; ``bare``: those without a virtual link."""
    word = span_word(buffer, start, end - start, 0)
    function = np.where(bare, NO_LINK, octet(word, 1))
    good = bare | ((octet(word, 0) == TYPE) & (function <= LAST_FUNCTION))
    link = ~bare & ~_CARRIES[function]
    said = np.where(bare, end - start, octet(word, 2) << 8 | octet(word, 3))
    good &= said >= np.where(bare, 0, FRONT)
    forwarded = function == FORWARDED
    network = start + np.where(bare, 0, FRONT) + np.where(forwarded, ORIGIN, 0)
    plain = not (bare.any() or forwarded.any())  # the network layer begins in the same word
    head = word >> np.uint64(32) if plain else span_word(buffer, network, end - network, 0)
    control = np.where(link, 0, octet(head, 1))
    good &= link | ((octet(head, 0) == VERSION) & (control & RESERVED == 0) & (network + 2 <= end))
    words = [function.astype(np.uint64) << np.uint64(56), *np.zeros((3, len(start)), np.uint64)]
    words[0] |= control.astype(np.uint64) << np.uint64(48)
    at = np.where(link, start + FRONT, network + 2)
    for bit, place, mac in ((DESTINATION, 24, 1), (SOURCE, 0, 2)):
        rows = np.flatnonzero(control & bit)
        if len(rows):
            number, address, behind, fits = _address(buffer, at[rows], end[rows])
            if bit == SOURCE:  # nobody is everybody, [135] 6.2.2
                fits &= (number & np.uint64(0xFF) != 0) & (number >> np.uint64(8) < ALL_NETWORKS)
            words[0][rows] |= number << np.uint64(place)
            words[mac][rows], at[rows] = address, behind
            good[rows] &= fits
    at += control & DESTINATION != 0  # the hop count
    good &= at <= end
    rows = np.flatnonzero(forwarded)
    if len(rows):
        words[3][rows] = span_word(buffer, start[rows] + FRONT, np.full(len(rows), ORIGIN), 0)
    return Networks(function, link, control, at, words, said, good)


_CARRIES = np.isin(np.arange(256), [*CARRIERS, NO_LINK])


def _address(buffer: Bytes, at: I64, end: I64) -> tuple[U64, U64, I64, Mask]:
    """Network and length of address as one number, the address, where it ends, whether it fits."""
    word = span_word(buffer, at, end - at, 0)
    size = octet(word, 2)
    behind = at + 3 + size
    fits = (size <= LONGEST_ADDRESS) & (behind <= end)
    number = (octet(word, 0) << 16 | octet(word, 1) << 8 | size).astype(np.uint64)
    address = span_word(buffer, at + 3, np.where(fits, size, 0), 0)
    return number, address, np.where(fits, behind, at), fits


def octet(word: U64, at: int) -> I64:
    """One byte of words that `span_word` gave."""
    return ((word >> np.uint64(8 * at)) & np.uint64(0xFF)).astype(np.int64)


# ----------------------------------------------------------------------------- framings

LINK_HEADER = np.dtype([("type", "u1"), ("function", "u1"), ("length", ">u2")])
NETWORK_HEADER = np.dtype([("version", "u1"), ("control", "u1")])


def _link_lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each frame; NOT_MINE where it is no function of BACnet/IP."""
    fits = (header["type"] == TYPE) & (header["function"] <= LAST_FUNCTION)
    return np.where(fits, header["length"].astype(np.int64), NOT_MINE)


def _network_lengths(_buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    """All there is; NOT_MINE where the network header cannot be one."""
    fits = (header["version"] == VERSION) & (header["control"] & RESERVED == 0)
    return np.where(fits, end - start, NOT_MINE)


def _link_pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    return _pieces(buffer, start, end, np.zeros(len(start), np.bool_))


def _network_pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    return _pieces(buffer, start, end, np.ones(len(start), np.bool_))


def _pieces(buffer: Bytes, start: I64, end: I64, bare: Mask) -> Pieces:
    """Whole messages, and segments; of those but the first what stands behind their headers."""
    below = networks(buffer, start, end, bare)
    count = len(start)
    found = Pieces(
        buffer,
        start,
        end,
        first=np.ones(count, np.bool_),
        last=np.ones(count, np.bool_),
        lane=np.zeros(count, np.uint64),
        kind=np.zeros(count, np.uint8),
        bad=np.zeros(count, np.bool_),
    )
    carries = below.good & ~below.link & (below.control & NETWORK_MESSAGE == 0) & (below.at < end)
    first_byte = buffer[np.where(carries, below.at, 0)] if len(buffer) else start
    rows = np.flatnonzero(carries & _SEGMENT[first_byte])
    if len(rows):
        begin = start.copy()
        _segments(buffer, below, rows, begin, found)
        return Pieces(
            buffer, begin, end, found.first, found.last, found.lane, found.kind, found.bad
        )
    return found


_SEGMENT = np.array([one >> 4 in (REQUEST, COMPLEX_ANSWER) and one & SEGMENTED > 0
                     for one in range(256)])  # fmt: skip


def _segments(buffer: Bytes, below: Networks, rows: I64, begin: I64, found: Pieces) -> None:
    """Fill in what segments are; ``begin`` is where each piece's bytes begin."""
    at, end = below.at[rows], found.end[rows]
    word = span_word(buffer, at, end - at, 0)
    asks = octet(word, 0) >> 4 == REQUEST
    shifted = np.where(asks, word >> np.uint64(8), word)  # a request has one byte more in front
    invoke, number = octet(shifted, 1), octet(shifted, 2)
    body = at + 5 + asks
    found.bad[rows] = body > end
    found.first[rows] = number == 0
    found.last[rows] = octet(word, 0) & MORE == 0
    begin[rows] = np.where((number == 0) | (body > end), begin[rows], body)
    route = hash_words([one[rows] for one in below.words[:3]], 1) >> np.uint64(24)
    found.lane[rows] = route << np.uint64(9) | (invoke << 1 | asks).astype(np.uint64)


BVLL = Framing(
    "bvll",
    LINK_HEADER,
    _link_lengths,
    longest=LONGEST,
    pieces=_link_pieces,
    datagram=True,
    begins=(
        (0, frozenset({TYPE})),
        (1, frozenset(range(LAST_FUNCTION + 1))),
        (2, frozenset(range((LONGEST >> 8) + 1))),
    ),
)
LLC = Framing(
    "bacnet_llc",
    NETWORK_HEADER,
    _network_lengths,
    longest=LONGEST,
    pieces=_network_pieces,
    datagram=True,
    begins=(
        (0, frozenset({VERSION})),
        (1, frozenset(one for one in range(256) if not one & RESERVED)),
    ),
)
