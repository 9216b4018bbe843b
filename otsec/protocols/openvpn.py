"""OpenVPN on UDP and TCP: that there is a tunnel, who begins it, how its handshake is protected.

Sources: [OVPN] OpenVPN's protocol description (openvpn.net, "OpenVPN Wire Protocol"), 3 and 4.

It is known by its resets, whose every field is in its place in one of the three ways of protection.
The TLS within its control messages is opaque, as is what it carries.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.protocols.api import (
    NOT_MINE,
    Fact,
    Framing,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import plain_split

CLIENT_RESET, SERVER_RESET, CLIENT_RESET_3 = 7, 8, 10
DATA, DATA_2 = 6, 9
CODES = {  # [OVPN] 3.2: the upper five bits of the first byte; the lower three number a key
    3: "control_soft_reset", 4: "control", 5: "ack", DATA: "data",
    CLIENT_RESET: "control_hard_reset_client", SERVER_RESET: "control_hard_reset_server",
    DATA_2: "data_v2", CLIENT_RESET_3: "control_hard_reset_client_v3", 11: "control_wkc",
}  # fmt: skip
OPERATIONS = tuple(Operation(name, "session", code) for code, name in CODES.items())
RESETS = (CLIENT_RESET, SERVER_RESET, CLIENT_RESET_3)
SESSION = 9  # bytes in front of what protects: code, session
DIGESTS = (16, 20, 28, 32, 48, 64)  # bytes of a digest by tls-auth
SEALED = SESSION + 8 + 32  # bytes with tls-crypt in front of what it encrypts
# behind what protects: none acknowledged, first message; or that, and whose session it was
ASKS, ANSWERS = 5, 17
EARLIEST = 1_000_000_000  # seconds since 1970, as packets by tls-auth and tls-crypt tell them
SHORTEST_KEY, LONGEST_KEY = 64, 1024  # bytes of the client's own key, with tls-crypt-v2
LONGEST_RESET = SEALED + ASKS + LONGEST_KEY
IDENTITY = ("openvpn_protection",)
ON_UDP, ON_TCP = 0, 1
SHORTEST = 2
OPAQUE = "opaque: encrypted"
TCP_HEADER = np.dtype([("length", ">u2"), ("code", "u1")])
# nothing is asked about but resets, so what cannot begin one need not wait for more of it
_RESETS = frozenset(code << 3 for code in RESETS)


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """Length of each packet on TCP, which stands in front of it."""
    size = header["length"].astype(np.int64)
    code = header["code"] >> 3
    fits = np.isin(code, list(CODES)) & (size >= SHORTEST)
    fits &= ~np.isin(code, RESETS) | (size <= LONGEST_RESET)
    return np.where(fits, size + 2, NOT_MINE)


UDP_PACKET = whole("openvpn", SHORTEST, ((0, _RESETS),))
TCP_PACKET = Framing(
    "openvpn_tcp",
    TCP_HEADER,
    _lengths,
    longest=(1 << 16) + 1,
    begins=((0, frozenset(range((LONGEST_RESET >> 8) + 1))), (2, _RESETS)),
)
_FRONT = np.dtype([("first", "u1"), ("session", ">u8")])
_REPLAY = np.dtype([("number", ">u4"), ("time", ">u4")])


def _packets(units: Units) -> tuple[I64, I64]:
    """Where each packet begins, and its code."""
    start = units.start + np.where(units.framing == ON_TCP, 2, 0)
    first, _ = gather(units.buffer, start, units.end, np.dtype("u1"))
    return start, (first >> 3).astype(np.int64)


def _protection(units: Units, start: I64, code: I64) -> I64:
    """Of resets which of PROTECTIONS fits them, from 1; 0 for none."""
    front, fits = gather(units.buffer, start, units.end, _FRONT)
    fits &= np.isin(code, RESETS) & (front["session"] > 0) & (front["first"] & 7 == 0)
    size = units.end - start
    how = np.zeros(len(start), np.int64)
    ends = np.where(code == SERVER_RESET, ANSWERS, ASKS)
    for digest, protection in ((0, 1), *((one, 2) for one in DIGESTS)):
        replay = SESSION + digest if digest else 0
        behind = start + SESSION + (digest + 8 if digest else 0)
        right = fits & (code != CLIENT_RESET_3) & (size == behind - start + ends)
        right &= _begins(units, behind, code)
        right &= _dated(units, start + replay) if digest else right
        how[right] = protection
    crypt = fits & _dated(units, start + SESSION)
    how[crypt & (code != CLIENT_RESET_3) & (size == SEALED + ends)] = 3
    key, _ = gather(units.buffer, units.end - 2, units.end, np.dtype(">u2"))  # its own length last
    longer = (size == SEALED + ASKS + key) & (key > SHORTEST_KEY) & (size <= LONGEST_RESET)
    how[crypt & (code == CLIENT_RESET_3) & longer] = 4
    return how


def _begins(units: Units, at: I64, code: I64) -> Mask:
    """Whether the first message stands there: nothing, or the reset, acknowledged; number 0."""
    asks, _ = gather(units.buffer, at, units.end, np.dtype([("acks", "u1"), ("number", ">u4")]))
    told, _ = gather(
        units.buffer, at, units.end,
        np.dtype([("acks", "u1"), ("acked", ">u4"), ("session", ">u8"), ("number", ">u4")]),
    )  # fmt: skip
    first = (asks["acks"] == 0) & (asks["number"] == 0)
    answer = (told["acks"] == 1) & (told["acked"] == 0) & (told["session"] > 0)
    answer &= told["number"] == 0
    return np.asarray(np.where(code == SERVER_RESET, answer, first), np.bool_)


def _dated(units: Units, at: I64) -> Mask:
    """Whether the number of a first packet, and a time, stand there."""
    replay, fits = gather(units.buffer, at, units.end, _REPLAY)
    return np.asarray(fits & (replay["number"] - 1 < 16) & (replay["time"] >= EARLIEST), np.bool_)


PROTECTIONS = ("", "none", "tls-auth", "tls-crypt", "tls-crypt-v2")


def claims(units: Units) -> Mask:
    """Resets of which every field is where it must be."""
    start, code = _packets(units)
    return np.asarray(_protection(units, start, code) > 0, np.bool_)


def sides(units: Units) -> Ints:
    """Resets tell."""
    _, code = _packets(units)
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    side[np.isin(code, (CLIENT_RESET, CLIENT_RESET_3))] = Side.REQUEST
    side[code == SERVER_RESET] = Side.RESPONSE
    return side


def split(units: Units) -> Split:
    """Key: code, and of resets how they are protected. All but resets stand alone."""
    start, code = _packets(units)
    how = np.zeros(len(units), np.int64)
    resets = np.isin(code, RESETS)
    if resets.any():
        how = _protection(units, start, code)
    words = [(code | how << 8 | units.framing.astype(np.int64) << 16).astype(np.uint64)]
    return plain_split(words, ~np.isin(code, list(CODES)), alone=~resets)


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """Its code, and of resets the protection."""
    data = reader.data[2:] if reader.framing == ON_TCP else reader.data
    if not data:
        raise Malformed("no packet")
    code = data[0] >> 3
    name = CODES.get(code, f"unknown_{code:#04x}")
    if code not in RESETS:
        return Message(name, "session", note=OPAQUE)
    one = np.array([0]), np.array([len(data)])
    none = np.zeros(1, np.uint8)
    units = Units(np.frombuffer(data, np.uint8), *one, none, none, none)
    word = PROTECTIONS[int(_protection(units, one[0], np.array([code]))[0])]
    about = "server" if code == SERVER_RESET else "client"
    facts = (Fact("openvpn_protection", word, about),) if word else ()
    outcome = "ok" if code == SERVER_RESET else ""
    return Message(name, "session", word, outcome=outcome, facts=facts)


PROTOCOL = Protocol(
    name="openvpn",
    title="OpenVPN",
    standard="OpenVPN wire protocol",
    transports=frozenset({"udp", "tcp"}),
    ports=frozenset({1194}),
    framings=(UDP_PACKET, TCP_PACKET),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=IDENTITY,
    industrial=False,
    session=True,
)
