"""RDP as it begins: what the client asks for, what the server takes, and who the client is.

Sources: [RDP] MS-RDPBCGR 2.2.1; [X224] ITU-T X.224 13; [T125] ITU-T T.125.

It stands on TPKT as S7comm and MMS do, so it is claimed only by a connection request with the
cookie or the negotiation request of RDP, and by the client's settings. That a user name is in the
cookie is told, the name is not. What comes behind, TLS or not, is opaque.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.rdp import RDP
from otsec.protocols.spoken import split_by_message

HEAD = 4096  # bytes of each side
REQUEST, CONFIRM = 0xE0, 0xD0  # [X224] 13.3, 13.4
ASKED, TAKEN, REFUSED = 1, 2, 3  # [RDP] 2.2.1.1.1, 2.2.1.2.1, 2.2.1.2.2
COOKIE, TOKEN = b"Cookie: mstshash=", b"Cookie: msts="
PROTOCOLS = {0: "rdp", 1: "tls", 2: "credssp", 4: "rdstls", 8: "credssp_early", 16: "aad"}
FAILURES = {
    1: "ssl_required_by_server", 2: "ssl_not_allowed_by_server", 3: "ssl_cert_not_on_server",
    4: "inconsistent_flags", 5: "hybrid_required_by_server",
    6: "ssl_with_user_auth_required_by_server",
}  # fmt: skip
INITIAL_TAG, RESPONSE_TAG = 0x7F65, 0x7F66  # BER, [T125] 7
DUCA, MCDN = b"Duca", b"McDn"  # H.221 keys of client and server, [RDP] 2.2.1.3, 2.2.1.4
CORE, SERVER_CORE = b"\x01\xc0", b"\x01\x0c"
IDENTITY = ("hostname", "os_build", "rdp_version", "rdp_security", "credentials")
OPERATIONS = (
    Operation("connection_request", "session", REQUEST),
    Operation("connection_confirm", "session", CONFIRM),
    Operation("connect_initial", "session", 0x65),
    Operation("connect_response", "session", 0x66),
    Operation("data", "session", 0),
)
OPAQUE = "opaque: behind the handshake"


def claims(units: Units) -> Mask:
    """Connection requests with cookie or negotiation; the client's settings."""
    mine = np.zeros(len(units), np.bool_)
    for row in range(len(units)):
        data = units.buffer[units.start[row] : units.end[row]].tobytes()
        try:
            name = _told(data, int(units.kind[row])).operation
        except WireError:
            continue
        mine[row] = name in {"connection_request", "connect_initial"}
    return mine


def sides(units: Units) -> Ints:
    """By the kind of the unit, or by the tag of what it carries."""
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    tag, _ = gather(units.buffer, units.start, units.end, np.dtype(">u2"))
    side[(units.kind == REQUEST) | ((units.kind == 0) & (tag == INITIAL_TAG))] = Side.REQUEST
    side[(units.kind == CONFIRM) | ((units.kind == 0) & (tag == RESPONSE_TAG))] = Side.RESPONSE
    return side


def split(units: Units) -> Split:
    """Key: what is said."""
    told = split_by_message(units, _told)
    tag, _ = gather(units.buffer, units.start, units.end, np.dtype(">u2"))
    alone = (units.kind == 0) & (tag != INITIAL_TAG) & (tag != RESPONSE_TAG)
    return replace(told, alone=np.asarray(alone, np.bool_))


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """A unit of X.224 that is no data begins with its length and its code."""
    data = reader.data
    kind = data[1] & 0xF0 if len(data) >= 7 and data[0] == len(data) - 1 else 0
    return _told(data, kind if kind in (REQUEST, CONFIRM) else 0)


@lru_cache(maxsize=256)
def _told(data: bytes, kind: int) -> Message:
    reader = Reader(data)
    if kind in (REQUEST, CONFIRM):
        if reader.u8() != len(data) - 1 or reader.u8() != kind:
            raise Malformed("length of the unit")
        reader.take(4)  # references
        if reader.u8():
            raise Malformed("class of transport")
        return _asked(reader) if kind == REQUEST else _confirmed(reader)
    if kind:
        raise Malformed(f"unit {kind:#04x}")
    if data.startswith(INITIAL_TAG.to_bytes(2, "big")) and _fits(data):
        return _initial(data)
    if data.startswith(RESPONSE_TAG.to_bytes(2, "big")) and _fits(data):
        return _response(data)
    return Message("data", "session", note=OPAQUE, left=len(data))


def _negotiation(reader: Reader, wanted: tuple[int, ...]) -> tuple[int, int]:
    kind, _, size, value = reader.u8(), reader.u8(), reader.u16le(), reader.u32le()
    if kind not in wanted or size != 8:
        raise Malformed(f"negotiation {kind} of {size} bytes")
    return kind, value


def _asked(reader: Reader) -> Message:
    """[RDP] 2.2.1.1."""
    facts: tuple[Fact, ...] = ()
    cookie = reader.data[reader.offset :].startswith((COOKIE, TOKEN))
    if cookie:
        end = reader.data.find(b"\r\n", reader.offset)
        if end < 0:
            raise Malformed("cookie without end")
        named = reader.data[reader.offset :].startswith(COOKIE)
        facts = (Fact("credentials", "user name clear (rdp cookie)", "client"),) if named else ()
        reader.at(end + 2)
    if not reader.left():
        if not cookie:
            raise Malformed("neither cookie nor negotiation")
        return Message("connection_request", "session", "rdp", facts=facts)
    _, asked = _negotiation(reader, (ASKED,))
    if reader.left() not in (0, 36):  # with correlation, [RDP] 2.2.1.1.2
        raise Malformed(f"{reader.left()} bytes behind the negotiation")
    if asked >> len(PROTOCOLS):
        raise Malformed(f"protocols {asked:#x}")
    words = [word for bit, word in PROTOCOLS.items() if bit and asked & bit] or ["rdp"]
    return Message("connection_request", "session", ", ".join(words), facts=facts)


def _confirmed(reader: Reader) -> Message:
    """[RDP] 2.2.1.2; the oldest servers say nothing of protocols."""
    if not reader.left():
        said, value = TAKEN, 0
    else:
        said, value = _negotiation(reader, (TAKEN, REFUSED))
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the negotiation")
    if said == REFUSED:
        outcome = FAILURES.get(value, f"failure {value}")
        return Message("connection_confirm", "session", outcome=outcome)
    word = PROTOCOLS.get(value, f"protocol {value}")
    return Message(
        "connection_confirm", "session", word, outcome="ok", facts=(Fact("rdp_security", word),)
    )


def _fits(data: bytes) -> bool:
    """Whether the length of a BER value is that of the message."""
    reader = Reader(data, 2)
    size = reader.u8()
    if size & 0x80:
        size = int.from_bytes(reader.take(size & 0x7F), "big")
    return size == reader.left()


def _block(data: bytes, key: bytes, kind: bytes) -> Reader:
    """The first block of settings, which stands behind the key and a length."""
    at = data.find(key)
    place = data.find(kind, at) if at >= 0 else -1
    if place < 0 or place > at + 8:
        raise Malformed("no settings")
    reader = Reader(data, place + 2)
    return reader.part(reader.u16le() - 4)


def _initial(data: bytes) -> Message:
    """[RDP] 2.2.1.3.2."""
    core = _block(data, DUCA, CORE)
    version = core.u32le()
    core.take(12)  # size of the screen, colours, keyboard
    build = core.u32le()
    name = core.take(32).decode("utf-16-le", "replace").partition("\0")[0]
    facts = [Fact("rdp_version", _version(version), "client")]
    if build:
        facts.append(Fact("os_build", str(build), "client"))
    if name:
        facts.append(Fact("hostname", name, "client"))
    return Message("connect_initial", "session", name, facts=tuple(facts))


def _response(data: bytes) -> Message:
    """[RDP] 2.2.1.4.2."""
    version = _version(_block(data, MCDN, SERVER_CORE).u32le())
    return Message(
        "connect_response", "session", outcome="ok", facts=(Fact("rdp_version", version),)
    )


def _version(code: int) -> str:
    return f"{code >> 16}.{code & 0xFFFF}"


PROTOCOL = Protocol(
    "rdp",
    "RDP",
    "MS-RDPBCGR",
    frozenset({"tcp"}),
    frozenset({3389}),
    (RDP,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    identity=IDENTITY,
    head=HEAD,
    industrial=False,
    routine=frozenset({"data"}),
    session=True,
)
