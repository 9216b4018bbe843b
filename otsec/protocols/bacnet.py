"""BACnet on UDP (BACnet/IP) and on Ethernet, read passively.

Source: [135] ANSI/ASHRAE 135-2020: clauses 13 to 17 (services), 20 (encoding), 21 (structures);
the layers below in `framing.bacnet`, the words in `words.bacnet`.

The key of a unit is what the layers below say (hop count left out), type and service, and of the
body what names the object: where one property is read or written, all but its value; where objects
are listed, nothing, for each property is an item of its own. Bodies that are long or change with
each message (files, logs, event lists, times) are not in it: of them only the form is checked.
Values of properties are cut where they are one number; texts are read where they say what a
device is.

The device is the address behind a router, network and MAC. Where both ends speak from the same
port, each may ask the other; what the server of a connection asks and its client answers stands
alone, and its object ends in `of the client`.
"""

import numpy as np

from otsec.columns import I64, U64, Ints, Mask, hash_words, span_word
from otsec.protocols.api import VALUE_TYPES, Items, Message, Protocol, Reader, Side, Split, Units
from otsec.protocols.bac.bodies import MOMENT_STEP, read_bodies
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    BY_SERVER,
    COMPLEX,
    ERROR,
    I_AM,
    I_HAVE,
    LINK,
    NETWORK,
    OPERATIONS,
    READ,
    REJECT,
    SEGMENT,
    SIMPLE,
    TELL,
    TIME,
    UTC_TIME,
    WHO_IS,
    code_of,
)
from otsec.protocols.bac.lists import GRAMMARS, cut_items, in_order
from otsec.protocols.bac.lower import link_message, network_message
from otsec.protocols.bac.pdu import REPORTS, open_unit
from otsec.protocols.bac.plain import next_tag
from otsec.protocols.bac.properties import item
from otsec.protocols.bac.reads import Read, reference
from otsec.protocols.bac.services import KINDS, SERVICES, plain
from otsec.protocols.bac.tags import CONTEXT
from otsec.protocols.bac.units import KNOWN, Bodies, Found, cut
from otsec.protocols.credentials import covered
from otsec.protocols.framing import bacnet as below
from otsec.protocols.framing.bacnet import octet
from otsec.protocols.words import bacnet as words


def items(units: Units) -> Items:
    """The properties that units list, read, written or reported."""
    found = cut(units)
    parts = []
    for code in GRAMMARS:
        rows = np.flatnonzero((found.code == code) & found.good)
        if len(rows):
            owner, start, end, one = cut_items(found.take(rows), code)
            parts.append((rows[owner], start, end, one))
    return in_order(parts, len(units))


def split(units: Units) -> Split:
    """Key: the layers below, type and service, and of the body what names the object."""
    found = cut(units)
    bodies = Bodies(found.buffer, found.body, found.end, found.code)
    read = read_bodies(bodies)
    malformed = ~(found.good & read.good)
    if malformed.any():
        read.key_end[malformed], read.value_count[malformed] = found.body[malformed], 0
    what = found.first.astype(np.uint64) << np.uint64(24) | read.more
    what |= found.code.astype(np.uint64) << np.uint64(32)
    moments = (found.code == code_of(TELL, TIME)) | (found.code == code_of(TELL, UTC_TIME))
    return Split(
        [*found.below.words, what],
        found.body,
        read.key_end - found.body,
        _tag_words(found),
        read.value_at,
        read.value_count,
        read.value_type,
        malformed,
        _alone(found, units.side),
        _steps(read, moments) if moments.any() else None,
    )


def _steps(read: Read, moments: Mask) -> I64:
    return np.where(moments, MOMENT_STEP, _SIZES[read.value_type])


_SIZES = np.array([1, *(0 if one is None else one.itemsize for one in VALUE_TYPES[1:])])
LINK_TAG = np.uint64(1 << 63)


def _tag_words(found: Found) -> U64:
    """The invoke id, with the addresses of both ends where one is behind a router."""
    tag = found.invoke.astype(np.uint64)
    tag[found.below.link] = LINK_TAG
    head, target, source = found.below.words[:3]
    rows = np.flatnonzero((head & np.uint64(0xFFFF_FFFF_FFFF) != 0) & ~found.below.link)
    if len(rows):
        low = np.uint64(0xFF_FFFF)
        ends = [
            (head[rows] >> np.uint64(24) & low, target[rows]),
            (head[rows] & low, source[rows]),
        ]
        asks = found.code[rows] >> 8 == ASK
        server = [np.where(asks, one, other) for one, other in zip(*ends, strict=True)]
        client = [np.where(asks, other, one) for one, other in zip(*ends, strict=True)]
        tag[rows] |= hash_words([*server, *client], 1) >> np.uint64(9) << np.uint64(8)
    return tag


_STANDS_ALONE = np.isin(np.arange(16), (TELL, SEGMENT, NETWORK))
_ANSWERS = np.isin(np.arange(16), (SIMPLE, COMPLEX, ERROR, REJECT, ABORT))
_LINK_ALONE = 0x60  # the result of a broadcast that could not be distributed


def _alone(found: Found, side: Ints) -> Mask:
    """Reports and announcements, and what is said against the direction of the connection."""
    kind = found.code >> 8
    answers = _ANSWERS[kind] & ((kind != ABORT) | (found.first & BY_SERVER != 0))
    alone = _STANDS_ALONE[kind] | ((kind == ABORT) & ~answers)
    alone |= (kind == ASK) & (side == Side.RESPONSE)
    alone |= answers & (side == Side.REQUEST)
    link = np.flatnonzero(kind == LINK)
    if len(link):
        service = found.code[link] & 0xFF
        told = _LINK_ANSWERS[service]
        alone[link] = (told & (side[link] == Side.REQUEST)) | (
            ~told & (side[link] == Side.RESPONSE)
        )
        alone[link] |= service == 0x0C
        result = span_word(found.buffer, found.body[link], found.end[link] - found.body[link], 0)
        alone[link] |= (service == 0) & (octet(result, 1) == _LINK_ALONE)
    return np.asarray(alone, np.bool_)


_LINK_ANSWERS = np.isin(np.arange(256), (0x00, 0x03, 0x07))


def claims(units: Units) -> Mask:
    """Whether each unit is BACnet beyond reasonable doubt: known in all, and well-formed.

    Without a virtual link only what has much in it that cannot be otherwise.
    """
    mine = np.zeros(len(units), np.bool_)
    found = cut(units)
    rows = np.flatnonzero(found.good & KNOWN[found.code] & (found.code != code_of(LINK, 0x0C)))
    if len(rows):
        bodies = found.take(rows)
        mine[rows] = read_bodies(bodies).good & _telling(bodies)
    bare = units.framing == below.ETHERNET
    return np.asarray(mine & (~bare | (_CERTAIN[found.code] & (found.end - units.start >= _LEAST))))


_CERTAIN = np.isin(
    np.arange(16 << 8),
    [
        *(code_of(TELL, one) for one in (I_AM, I_HAVE, TIME, WHO_IS, UTC_TIME)),
        code_of(ASK, READ),
        code_of(COMPLEX, READ),
    ],
)
_LEAST = 8  # bytes of a unit without a virtual link


def _telling(bodies: Bodies) -> Mask:
    """Whether what is asked or told in a few bytes is what it can be."""
    telling = np.ones(len(bodies), np.bool_)
    size = bodies.end - bodies.start
    word = span_word(bodies.buffer, bodies.start, size, 0)
    link = bodies.code == code_of(LINK, 0)
    code = octet(word, 0) << 8 | octet(word, 1)
    telling &= ~link | np.isin(code, list(words.LINK_RESULTS))
    announced = bodies.code == code_of(TELL, I_AM)
    telling &= ~announced | ((octet(word, 0) == 0xC4) & (octet(word, 5) >> 4 == 2) & (size > 8))
    asked = bodies.code == code_of(TELL, WHO_IS)
    telling &= ~asked | (size == 0) | (octet(word, 0) & 0xF8 == 0x08)
    read = bodies.code == code_of(ASK, READ)
    if read.any():
        telling &= ~read | (reference(bodies)[0] == bodies.end)
    return telling


def sides(units: Units) -> Ints:
    """The side by content; who reports to one other only is its server."""
    found = cut(units)
    kind, first = found.code >> 8, found.first
    side = _SIDES[found.code]
    by_server = ((kind == SEGMENT) | (kind == ABORT)) & (first & BY_SERVER != 0)
    side[by_server] = Side.RESPONSE
    reports = REPORTS[found.code]
    if reports.any():
        everybody = np.isin(
            found.below.function, (below.FORWARDED, below.DISTRIBUTE, below.BROADCAST)
        )
        target = (found.below.words[0] >> np.uint64(32)).astype(np.int64) & 0xFFFF
        everybody |= (found.below.control & below.DESTINATION != 0) & (target == below.ALL_NETWORKS)
        unclear = found.below.function == below.NO_LINK
        told = np.where(unclear, Side.UNKNOWN, Side.RESPONSE)
        side = np.where(reports, np.where(everybody, Side.REQUEST, told), side)
    return np.where(found.good, side, Side.UNKNOWN).astype(np.uint8)


def _side_table() -> Ints:
    table = np.full(16 << 8, Side.REQUEST, np.uint8)
    for kind in (SIMPLE, COMPLEX, ERROR, REJECT):
        table[kind << 8 : (kind + 1) << 8] = Side.RESPONSE
    table[LINK << 8 : (LINK + 1) << 8][_LINK_ANSWERS] = Side.RESPONSE
    return table


_SIDES = _side_table()


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One unit, or one property that it lists."""
    pdu = open_unit(reader, side, request)
    if pdu.kind == NETWORK:
        return network_message(pdu)
    if pdu.kind == LINK:
        return link_message(pdu)
    if pdu.item is not None:
        return item(pdu, *pdu.item)
    known = SERVICES.get((pdu.kind, pdu.service)) or KINDS.get(pdu.kind)
    if known is not None:
        return known(pdu)
    return plain(pdu)


_SHOWN = {17: 2, 20: 1}  # the context tag of the password, by service; [135] 16.1, 16.4


def scrub(reader: Reader) -> bytes:
    """Passwords; that they are not empty is all that is told."""
    data = reader.data
    pdu = open_unit(reader, Side.REQUEST, None)
    number = _SHOWN.get(pdu.service) if pdu.kind == ASK else None
    while number is not None and pdu.body.left():
        tag, content = next_tag(pdu.body)
        if tag.kind == CONTEXT and tag.number == number and content:
            end = pdu.body.offset
            data = covered(data, end - len(content) + 1, end)  # behind the set of characters
    return data


PROTOCOL = Protocol(
    name="bacnet",
    title="BACnet",
    standard="ANSI/ASHRAE 135-2020",
    transports=frozenset({"udp", "ethernet"}),
    ports=frozenset({47808, 0x8282}),
    framings=(below.BVLL, below.LLC),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    outstanding=64,
    identity=(
        *dict.fromkeys(name for table in words.IDENTITY.values() for name in table.values()),
        "max_apdu", "segmentation", "role_hint", "routes_to", "bacnet_network",
    ),
    items=items,
    scrub=scrub,
    routine=frozenset({"segment_ack"}),
    session=True,
)  # fmt: skip
