"""WireGuard: that there is a tunnel, who begins it, and that something goes through it.

Source: [WG] J. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", 5.4.

All of it is encrypted but types, indices and a counter. A message of data is taken for WireGuard
alone only if all of that fits and its check value looks random.
"""

import numpy as np

from otsec.columns import Header, Ints, Mask, gather
from otsec.protocols.api import Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import plain_split

HEADER = np.dtype([("type", "<u4"), ("index", "V4"), ("counter", "<u8")])
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4  # the type, and three zeros behind it
SIZES = {INITIATION: 148, RESPONSE: 92, COOKIE: 64}  # bytes, [WG] 5.4.2, 5.4.3, 5.4.7
SHORTEST, BLOCK = (
    32,
    16,
)  # bytes of data: a head of 16, content filled up to blocks, its check value
MOST_COUNTED = 1 << 40  # messages with one key; it lives for three minutes
CHECK = np.dtype([("value", "u1", (BLOCK,))])
RANDOM = 10  # different bytes of the 16 that a check value has; of random ones fewer: 1 in 10**6
NAMES = {
    INITIATION: "handshake_initiation", RESPONSE: "handshake_response", COOKIE: "cookie_reply",
    DATA: "transport_data",
}  # fmt: skip
OPERATIONS = tuple(Operation(name, "session", code) for code, name in NAMES.items())
OPAQUE = "opaque: encrypted"
MESSAGE = whole(
    "wireguard",
    SHORTEST,
    ((0, frozenset(NAMES)), *((at, frozenset({0})) for at in (1, 2, 3))),
)


def _heads(units: Units) -> tuple[Header, Mask]:
    """Header, and whether the length is that of the type."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    size = units.end - units.start
    right = (header["type"] == DATA) & (size >= SHORTEST) & (size % BLOCK == 0)
    for kind, wanted in SIZES.items():
        right |= (header["type"] == kind) & (size == wanted)
    return header, np.asarray(fits & right, np.bool_)


def claims(units: Units) -> Mask:
    """Handshakes of the right length with random keys; data whose counter and end look right."""
    header, mine = _heads(units)
    mine &= (header["type"] != DATA) | (header["counter"] < MOST_COUNTED)
    mine &= header["index"] != np.zeros((), "V4")
    # of handshakes in the midst of a key or a cookie: check values at the end may be zero
    kind = header["type"]
    at = np.select([kind == DATA, kind == INITIATION, kind == RESPONSE], [-BLOCK, -140, -80], -32)
    check, _ = gather(units.buffer, units.end + at, units.end, CHECK)
    octets = np.sort(check["value"], axis=1)
    different = 1 + (octets[:, 1:] != octets[:, :-1]).sum(axis=1)
    return np.asarray(mine & (different >= RANDOM), np.bool_)


def sides(units: Units) -> Ints:
    """Who begins a handshake asks."""
    header, fits = _heads(units)
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    side[fits & (header["type"] == INITIATION)] = Side.REQUEST
    side[fits & (header["type"] == RESPONSE)] = Side.RESPONSE
    return side


def split(units: Units) -> Split:
    """Key: the type. Either side may begin a handshake, so all stand alone but the first's."""
    header, fits = _heads(units)
    pairs = np.where(units.side == Side.RESPONSE, RESPONSE, INITIATION) == header["type"]
    return plain_split([header["type"].astype(np.uint64)], ~fits, alone=~pairs)


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """Its type."""
    kind = reader.u32le()
    reader.take(SHORTEST - 4)
    answers = kind in (RESPONSE, COOKIE)
    name = NAMES.get(kind, f"unknown_{kind:#04x}")
    return Message(name, "session", outcome="ok" if answers else "", note=OPAQUE)


PROTOCOL = Protocol(
    name="wireguard",
    title="WireGuard",
    standard="WireGuard whitepaper",
    transports=frozenset({"udp"}),
    ports=frozenset({51820}),
    framings=(MESSAGE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    session=True,
)
