"""RADIUS: who wants in at which access server, and whether it is let in; accounting.

Sources: [AUTH] RFC 2865; [ACCOUNT] RFC 2866; [EXT] RFC 2869, 3579 (EAP); [DYNAMIC] RFC 5176;
[BLAST] CVE-2024-3596.

Passwords are hidden by a shared secret and are not looked at. A message without the attribute
Message-Authenticator can be forged [BLAST]; that is noted where it matters.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.texts import address, text

HEADER = np.dtype([("code", "u1"), ("id", "u1"), ("length", ">u2"), ("authenticator", "V16")])
LONGEST = 4096  # bytes, [AUTH] 3
REQUESTS: dict[int, tuple[str, OperationClass]] = {
    1: ("access_request", "session"),
    4: ("accounting_request", "report"),
    12: ("status_server", "diagnose"),
    40: ("disconnect_request", "control"),
    43: ("coa_request", "config"),
}
RESPONSES: dict[int, tuple[str, OperationClass, str]] = {
    2: ("access_accept", "session", "ok"),
    3: ("access_reject", "session", "refused"),
    5: ("accounting_response", "report", "ok"),
    11: ("access_challenge", "session", "challenge"),
    41: ("disconnect_ack", "control", "ok"),
    42: ("disconnect_nak", "control", "refused"),
    44: ("coa_ack", "config", "ok"),
    45: ("coa_nak", "config", "refused"),
}
ACCOUNTING = {  # [ACCOUNT] 5.1
    1: "accounting_start", 2: "accounting_stop", 3: "accounting_interim", 7: "accounting_on",
    8: "accounting_off",
}  # fmt: skip
USER, PASSWORD, CHAP, NAS_ADDRESS, FRAMED_ADDRESS, REPLY, VENDOR = 1, 2, 3, 4, 8, 18, 26
CALLED, CALLING, NAS_NAME, STATUS, EAP, MESSAGE_AUTHENTICATOR = 30, 31, 32, 40, 79, 80
MICROSOFT, MS_CHAP = 311, (1, 11, 25)  # RFC 2548
EAP_TYPES = {
    1: "identity", 4: "md5", 13: "tls", 21: "ttls", 25: "peap", 26: "mschapv2", 43: "fast",
    55: "teap",
}  # fmt: skip
NAMES: dict[str, tuple[OperationClass, int]] = {
    **{name: (cls, code) for code, (name, cls) in REQUESTS.items()},
    **{name: (cls, code) for code, (name, cls, _) in RESPONSES.items()},
    **{name: ("report", 256 + code) for code, name in ACCOUNTING.items()},
}
OPERATIONS = tuple(Operation(name, cls, code) for name, (cls, code) in NAMES.items())
IDENTITY = ("account", "auth_method", "name", "role_hint")
MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[-:.]?){5}[0-9A-Fa-f]{2}")
IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
MOST_TEXT = 64  # characters
FORGEABLE = "no message authenticator"
MESSAGE = whole(
    "radius",
    HEADER.itemsize,
    ((0, frozenset({*REQUESTS, *RESPONSES})), (2, frozenset(range(LONGEST // 256 + 1)))),
)


@dataclass(frozen=True, slots=True)
class _Said:
    """A message and its attributes, the first of each type."""

    code: int
    attributes: dict[int, bytes]
    eap: bytes


def claims(units: Units) -> Mask:
    """Messages whose attributes fill them, of requests with who asks."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    few = fits & (header["length"] == units.end - units.start)
    few &= np.isin(header["code"], [*REQUESTS, *RESPONSES])
    mine = np.zeros(len(units), np.bool_)
    for row in np.flatnonzero(few).tolist():
        try:
            said = _read(units.buffer[units.start[row] : units.end[row]].tobytes())
        except WireError:
            continue
        wanted = (NAS_ADDRESS, NAS_NAME) if said.code in REQUESTS else (EAP, MESSAGE_AUTHENTICATOR)
        mine[row] = any(kind in said.attributes for kind in wanted)
    return mine


def sides(units: Units) -> Ints:
    """The code tells."""
    code, _ = gather(units.buffer, units.start, units.end, np.dtype("u1"))
    return np.where(np.isin(code, list(REQUESTS)), Side.REQUEST, Side.RESPONSE).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: what is said. Tag: the identifier."""
    rows = np.arange(len(units))
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, rows, lambda data, _: _told(data)
    )
    header, _ = gather(units.buffer, units.start, units.end, HEADER)
    return plain_split(words, malformed, tag=header["id"].astype(np.uint64))


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A request, or a response with what was asked."""
    said = _told(reader.data)
    if said.outcome and request is not None:
        return replace(said, operation=request.operation, cls=request.cls, object=request.object)
    return said


def _read(data: bytes) -> _Said:
    reader = Reader(data)
    code, _, length = reader.u8(), reader.u8(), reader.u16()
    if not HEADER.itemsize <= length <= min(len(data), LONGEST):
        raise Malformed(f"length {length} of {len(data)} bytes")
    if code not in REQUESTS and code not in RESPONSES:
        raise Malformed(f"code {code}")
    reader = Reader(data[:length], HEADER.itemsize)
    attributes: dict[int, bytes] = {}
    eap = b""
    while reader.left():
        kind, size = reader.u8(), reader.u8()
        value = reader.take(size - 2)
        if kind == VENDOR and attributes.get(VENDOR, b"")[4:5] in map(_octet, MS_CHAP):
            continue
        if kind == VENDOR or kind not in attributes:
            attributes[kind] = value
        eap += value if kind == EAP else b""
    return _Said(code, attributes, eap)


def _octet(number: int) -> bytes:
    return bytes([number])


@lru_cache(maxsize=256)
def _told(data: bytes) -> Message:
    said = _read(data)
    have = said.attributes
    note = FORGEABLE if MESSAGE_AUTHENTICATOR not in have and said.code in (1, 2, 3, 11) else ""
    if said.code in RESPONSES:
        name, cls, outcome = RESPONSES[said.code]
        lets_in = said.code in (2, 3, 11)
        facts = (Fact("role_hint", "authentication_server"),) if lets_in else ()
        return Message(name, cls, outcome=outcome, facts=facts, note=note)
    name, cls = REQUESTS[said.code]
    if name == "accounting_request" and len(have.get(STATUS, b"")) == 4:
        name = ACCOUNTING.get(have[STATUS][3], name)
    account = text_of(text(have.get(USER, b"")).encode(), MOST_TEXT)
    station = _station(text(have.get(CALLING, b"")))
    told = [Fact("account", account, station)] if account else []
    if method := _method(said):
        told.append(Fact("auth_method", method, station))
    where = have.get(NAS_ADDRESS, b"")
    if have.get(NAS_NAME):
        nas = address(where) if len(where) == 4 and any(where) else "client"
        told.append(Fact("name", text_of(text(have[NAS_NAME]).encode(), MOST_TEXT), nas))
    return Message(name, cls, account, facts=tuple(told), note=note)


def scrub(reader: Reader) -> bytes:
    """Passwords hidden by the shared secret, and answers to challenges, of which nothing is read."""
    data, at = reader.data, HEADER.itemsize
    end = int.from_bytes(data[2:4], "big")
    while at + 2 <= end:
        kind, size = data[at], max(data[at + 1], 2)
        keep = KEEPS.get(kind, size)
        data = covered(data, at + keep, at + size) if keep < size else data
        at += size
    return data


# type, length and what is read of attributes with secrets: of vendors' their number and type, of
# EAP its header and type
KEEPS = {PASSWORD: 2, CHAP: 2, VENDOR: 7, EAP: 7}


def _station(told: str) -> str:
    """Who logs in, by the address with which it calls; else all that is known is who asks."""
    told = told.strip("\0 ")
    if MAC.fullmatch(told):
        return bytes.fromhex(re.sub(r"[-:.]", "", told)).hex(":")
    return told if IPV4.fullmatch(told) and max(map(int, told.split("."))) < 256 else "client"


def _method(said: _Said) -> str:
    """How the password is shown, [AUTH] 5.2 and 5.3, RFC 2548, [EXT] RFC 3579."""
    have = said.attributes
    if said.eap:
        kind = said.eap[4] if len(said.eap) > 4 else 0
        return f"eap {EAP_TYPES.get(kind, kind)}" if kind > 1 else "eap"
    if PASSWORD in have:
        return "pap"
    if CHAP in have:
        return "chap"
    vendor = have.get(VENDOR, b"")
    known = vendor[:4] == MICROSOFT.to_bytes(4, "big") and vendor[4:5] in map(_octet, MS_CHAP)
    return "mschap" if known else ""


PROTOCOL = Protocol(
    "radius",
    "RADIUS",
    "RFC 2865, RFC 2866, RFC 5176",
    frozenset({"udp"}),
    frozenset({1812, 1813, 1645, 1646, 3799}),
    (MESSAGE,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    outstanding=256,
    identity=IDENTITY,
    industrial=False,
    scrub=scrub,
)
