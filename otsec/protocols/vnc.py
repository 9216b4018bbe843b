"""VNC (RFB) as it begins: versions, kinds of security, the name of the desktop.

Source: [RFB] RFC 6143 7.1 to 7.3.

Of each side only the beginning is read. What a client chooses, and pictures, are opaque.
"""

import re
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask
from otsec.errors import Malformed
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.vnc import CHALLENGE, SERVER_INIT, TYPES, VERSION_SIZE, VNC
from otsec.protocols.spoken import split_by_message, text_of

HEAD = 48  # bytes of each side: up to where the server tells the desktop; pictures follow
VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n")  # [RFB] 7.1.1
RESULTS = {0: "ok", 1: "failed", 2: "too_many"}  # [RFB] 7.1.3
NAMES = (
    "protocol_version",
    "security_types",
    "security_result",
    "server_init",
    "challenge",
    "client_choice",
)
OPERATIONS = tuple(Operation(name, "session", code) for code, name in enumerate(NAMES))
IDENTITY = ("application_version", "vnc_security", "name")


def claims(units: Units) -> Mask:
    """The version, with which both sides begin."""
    rows = zip(units.start.tolist(), units.end.tolist(), strict=True)
    return np.array(
        [
            end - start == VERSION_SIZE
            and VERSION.fullmatch(units.buffer[start:end].tobytes()) is not None
            for start, end in rows
        ],
        np.bool_,
    )


def sides(units: Units) -> Ints:
    """The server speaks first, but both say the same."""
    return np.full(len(units), Side.UNKNOWN, np.uint8)


def split(units: Units) -> Split:
    """Key: what is said."""
    return split_by_message(units, lambda data, _: _told(data))


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """One message of the handshake."""
    said = _told(reader.data)
    if side != Side.REQUEST:
        return said
    if said.operation not in BY_CLIENT:
        return Message(
            "client_choice", "session", note="opaque: what a client chooses", left=len(reader.data)
        )
    facts = (Fact(one.attribute, one.value, "client") for one in said.facts)
    return Message(said.operation, said.cls, said.object, facts=tuple(facts), note=said.note)


BY_CLIENT = ("protocol_version", "challenge")


@lru_cache(maxsize=256)
def _told(data: bytes) -> Message:
    reader = Reader(data)
    if data.startswith(b"RFB "):
        version = VERSION.fullmatch(data)
        if version is None:
            raise Malformed("no version")
        word = f"RFB {int(version[1])}.{int(version[2])}"
        facts = (Fact("application_version", word),)
        return Message("protocol_version", "session", word, facts=facts)
    if len(data) == CHALLENGE:
        return Message("challenge", "session", note="opaque: random", left=len(data))
    if len(data) == 4:
        code = reader.u32()
        if code not in RESULTS:
            raise Malformed(f"result {code}")
        return Message("security_result", "session", RESULTS[code])
    if len(data) >= SERVER_INIT.itemsize:
        return _init(reader)
    if reader.u8() != reader.left() or not reader.left():
        raise Malformed("no list of types")
    codes = reader.rest()
    if not TYPES.keys() >= {*codes}:
        raise Malformed("unknown type")
    words = ", ".join(TYPES[code] for code in codes)
    return Message("security_types", "session", words, facts=(Fact("vnc_security", words),))


def _init(reader: Reader) -> Message:
    """[RFB] 7.3.2."""
    width, height, bits, depth = reader.u16(), reader.u16(), reader.u8(), reader.u8()
    if not width or not height or bits not in (8, 16, 32) or depth > bits:
        raise Malformed("no format of pixels")
    reader.take(14)  # how colours lie in a pixel
    name = reader.take(reader.u32())
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the name")
    what = f"{width} x {height}, {depth} bit"
    return Message("server_init", "session", what, facts=(Fact("name", text_of(name)),))


PROTOCOL = Protocol(
    "vnc",
    "VNC (RFB)",
    "RFC 6143",
    frozenset({"tcp"}),
    frozenset(range(5900, 5907)),
    (VNC,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    paired=False,
    identity=IDENTITY,
    head=HEAD,
    industrial=False,
    session=True,
)
