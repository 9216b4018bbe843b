"""LDAP: who binds how, what is searched, and what is changed in the directory.

Sources: [LDAP] RFC 4511; [TLS] RFC 4511 4.14; [PASSWORD] RFC 3062; [ADTS] MS-ADTS 5.1.1.1.3 (NTLM
without SASL), 3.1.1.3.2 (what a domain controller says of itself).

Passwords are named by kind. Filters and what is found are not looked at, but for the entry in
which a server describes itself. Behind StartTLS and SASL's own protection all is opaque. LDAP on
UDP (domain controllers are looked for with it) is read alike.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from otsec.columns import I64, Ints, Mask
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered, kind_of, stand_in
from otsec.protocols.framing.ldap import INTEGER, LDAP, SEQUENCE
from otsec.protocols.keyed import plain_split
from otsec.protocols.ntlm import IDENTITY as OF_NTLM
from otsec.protocols.ntlm import ntlm_of
from otsec.protocols.spoken import keys_of, text_of

OCTETS, ENUM, BOOLEAN, SET, CONTROLS = 0x04, 0x0A, 0x01, 0x31, 0xA0  # tags
BIND, UNBIND, SEARCH, ENTRY, MODIFY, ADD = 0x60, 0x42, 0x63, 0x64, 0x66, 0x68
DELETE, RENAME, COMPARE, ABANDON, REFERENCE, EXTENDED = 0x4A, 0x6C, 0x6E, 0x50, 0x73, 0x77
INTERMEDIATE, BIND_RESPONSE, EXTENDED_RESPONSE = 0x79, 0x61, 0x78
REQUESTS: dict[int, tuple[str, OperationClass]] = {  # [LDAP] 4.2 to 4.12
    BIND: ("bind", "session"),
    UNBIND: ("unbind", "session"),
    SEARCH: ("search", "read"),
    MODIFY: ("modify", "config"),
    ADD: ("add", "config"),
    DELETE: ("delete", "config"),
    RENAME: ("modify_dn", "config"),
    COMPARE: ("compare", "read"),
    ABANDON: ("abandon", "session"),
    EXTENDED: ("extended", "session"),
}
ANSWERS: dict[int, int] = {
    BIND_RESPONSE: BIND, 0x65: SEARCH, 0x67: MODIFY, 0x69: ADD, 0x6B: DELETE, 0x6D: RENAME,
    0x6F: COMPARE, EXTENDED_RESPONSE: EXTENDED,
}  # fmt: skip
PARTS: dict[int, str] = {
    ENTRY: "search_entry", REFERENCE: "search_reference", INTERMEDIATE: "intermediate",
}  # fmt: skip
EXTENSIONS: dict[bytes, tuple[str, OperationClass]] = {
    b"1.3.6.1.4.1.1466.20037": ("start_tls", "session"),
    b"1.3.6.1.4.1.4203.1.11.1": ("password_modify", "config"),
    b"1.3.6.1.4.1.4203.1.11.3": ("who_am_i", "browse"),
}
ALONE = frozenset({UNBIND, ABANDON, *PARTS})  # have no response, or are one of many
ALL: dict[str, tuple[OperationClass, int]] = {
    **{name: (cls, code) for code, (name, cls) in REQUESTS.items()},
    **{name: ("read", code) for code, name in PARTS.items()},
    **{name: (cls, 256 + at) for at, (name, cls) in enumerate(EXTENSIONS.values())},
}
OPERATIONS = tuple(Operation(name, cls, code) for name, (cls, code) in ALL.items())
RESULTS = {  # [LDAP] appendix A
    0: "ok", 1: "operations_error", 2: "protocol_error", 3: "time_limit", 4: "size_limit",
    5: "compare_false", 6: "ok", 7: "method_not_supported", 8: "stronger_auth_required",
    10: "referral", 11: "admin_limit", 13: "confidentiality_required", 14: "in_progress",
    16: "no_such_attribute", 17: "undefined_attribute", 19: "constraint_violation",
    20: "value_exists", 32: "no_such_object", 34: "invalid_dn", 48: "inappropriate_auth",
    49: "refused", 50: "insufficient_rights", 51: "busy", 52: "unavailable",
    53: "unwilling", 65: "object_class_violation", 68: "entry_exists", 80: "other",
}  # fmt: skip
SCOPES = {0: "base", 1: "one level", 2: "subtree", 3: "children"}
SICILY = {0x89: "discovery", 0x8A: "ntlm", 0x8B: "ntlm"}  # [ADTS]
IDENTITY = (
    *OF_NTLM, "account", "credentials", "auth_method", "vendor", "application_version",
    "role_hint",
)  # fmt: skip
DESCRIBES = {  # attributes of the entry without a name, RFC 4512 5.1, RFC 3045, [ADTS]
    b"vendorname": "vendor",
    b"vendorversion": "application_version",
    b"dnshostname": "hostname",
}
MOST_NAME, MOST_LISTED = 200, 8  # characters; changes or attributes of one message
HEAD = 1 << 22  # bytes of each side
RESULTS_OPAQUE = "opaque: what was found"


# -------------------------------------------------------------------------- one message


def _tlv(reader: Reader) -> tuple[int, Reader]:
    """The next element; [LDAP] 5.1 has only definite lengths."""
    tag, size = reader.u8(), reader.u8()
    if size >= 0x80:
        width = size & 0x7F
        if not 1 <= width <= 4:
            raise Malformed(f"length of {width} bytes")
        size = int.from_bytes(reader.take(width), "big")
    return tag, reader.part(size)


def _want(reader: Reader, *tags: int) -> Reader:
    tag, content = _tlv(reader)
    if tag not in tags:
        raise Malformed(f"tag {tag:#04x}, not {tags[0]:#04x}")
    return content


def _octets(reader: Reader) -> bytes:
    return _want(reader, OCTETS).rest()


def _number(reader: Reader, tag: int = INTEGER) -> int:
    content = _want(reader, tag)
    if not 1 <= content.left() <= 4:
        raise Malformed(f"number of {content.left()} bytes")
    return int.from_bytes(content.rest(), "big")


def _opened(data: bytes) -> tuple[int, int, Reader]:
    """Number, operation, and its content."""
    outer = Reader(data)
    inner = _want(outer, SEQUENCE)
    if outer.left():
        raise Malformed(f"{outer.left()} bytes behind the message")
    number = _number(inner)
    tag, content = _tlv(inner)
    if inner.left():
        _want(inner, CONTROLS)
    if inner.left() or (tag not in REQUESTS and tag not in ANSWERS and tag not in PARTS):
        raise Malformed(f"operation {tag:#04x}")
    return number, tag, content


def _head(data: bytes) -> tuple[int, int]:
    """Number and operation, without a look at how the message goes on."""
    reader = Reader(data, 1)
    size = reader.u8()
    reader.take(size & 0x7F if size >= 0x80 else 0)
    number = _number(reader)
    return number, reader.u8()


@lru_cache(maxsize=256)
def _told(data: bytes) -> Message:
    """What a message says; entries are looked at only where they have no name."""
    _, tag, content = _opened(data)
    if tag in PARTS:
        facts = _described(content) if tag == ENTRY else ()
        return Message(PARTS[tag], "read", outcome="ok", facts=facts, note=RESULTS_OPAQUE)
    if tag in ANSWERS:
        return _result(tag, content)
    name, cls = REQUESTS[tag]
    if tag == BIND:
        return _bind(content)
    if tag == EXTENDED:
        return _extended(content)
    if tag in (DELETE, ABANDON, UNBIND):
        return Message(name, cls, text_of(content.rest(), MOST_NAME) if tag == DELETE else "")
    dn = text_of(_octets(content), MOST_NAME)
    if tag == SEARCH:
        scope = _number(content, ENUM)
        _search_rest(content)
        where = dn or "root"
        return Message(name, cls, f"{where} ({SCOPES.get(scope, scope)})")
    if tag == MODIFY:
        dn = f"{dn}: {_changes(_want(content, SEQUENCE))}"
    elif tag == RENAME:
        dn = f"{dn}: {text_of(_octets(content), MOST_NAME)}"
    return Message(name, cls, dn)


def _search_rest(reader: Reader) -> None:
    """[LDAP] 4.5.1: how aliases are followed, limits, what is compared and given."""
    _number(reader, ENUM)
    _number(reader)
    _number(reader)
    _want(reader, BOOLEAN)
    _tlv(reader)
    _want(reader, SEQUENCE)


def _changes(reader: Reader) -> str:
    """[LDAP] 4.6: the attributes that are changed, not their values."""
    names: list[str] = []
    while reader.left() and len(names) < MOST_LISTED:
        change = _want(reader, SEQUENCE)
        _number(change, ENUM)
        names.append(text_of(_octets(_want(change, SEQUENCE)), 64))
    return ", ".join(dict.fromkeys(names))


def _result(tag: int, reader: Reader) -> Message:
    """[LDAP] 4.1.9; of NTLM the challenge."""
    code = _number(reader, ENUM)
    _octets(reader)
    _octets(reader)
    facts: tuple[Fact, ...] = ()
    if tag == BIND_RESPONSE:
        while reader.left():
            _, content = _tlv(reader)
            facts += ntlm_of(content.rest())[1]
    name, cls = REQUESTS[ANSWERS[tag]]
    return Message(name, cls, outcome=RESULTS.get(code, f"result {code}"), facts=facts)


def _bind(reader: Reader) -> Message:
    """[LDAP] 4.2, [ADTS]."""
    _number(reader)
    dn = text_of(_octets(reader), MOST_NAME)
    tag, content = _tlv(reader)
    facts = [Fact("account", dn, "client")] if dn else []
    if tag == 0x80:  # simple
        password = content.rest().decode("latin-1")
        kind = kind_of(_account(dn), password) if dn else "anonymous"
        facts.append(Fact("credentials", kind, "client"))
        facts.append(Fact("auth_method", "simple", "client"))
    elif tag == 0xA3:
        mechanism = text_of(_octets(content), 32)
        facts.append(Fact("auth_method", f"sasl {mechanism}", "client"))
        if content.left():
            facts += ntlm_of(_octets(content))[1]
    elif tag in SICILY:
        facts.append(Fact("auth_method", f"sicily {SICILY[tag]}", "client"))
        facts += ntlm_of(content.rest())[1]
    else:
        raise Malformed(f"authentication {tag:#04x}")
    return Message("bind", "session", dn, facts=tuple(facts))


def scrub(reader: Reader) -> bytes:
    """A password by its kind; what is written and compared, of which nothing is read, not at all."""
    data = reader.data
    _, begin, _ = _span(data, 0)
    at = _span(data, begin)[2]
    tag, begin, end = _span(data, at)
    if tag == MODIFY:
        at = _span(data, begin)[2]
        for start, stop in _changed(data, *_span(data, at)[1:]):
            data = covered(data, start, stop)
        return data
    if tag in (ADD, COMPARE, EXTENDED):  # behind its name
        return covered(data, _span(data, begin)[2], end)
    return _scrubbed(data, begin) if tag == BIND else data


def _scrubbed(data: bytes, at: int) -> bytes:
    _, begin, end = _span(data, _span(data, at)[2])
    dn = text_of(data[begin:end], MOST_NAME)
    tag, begin, end = _span(data, end)
    if tag == 0x80:
        password = data[begin:end].decode("latin-1")
        hidden = stand_in(_account(dn) if dn else "", password)
        return covered(data, begin, end, hidden.encode("latin-1"))
    if tag == 0xA3:
        _, _, begin = _span(data, begin)
        if begin < end and not ntlm_of(data[begin:end])[1]:
            _, begin, end = _span(data, begin)
            return covered(data, begin, end)
    return data


def _changed(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the values of changes lie, [LDAP] 4.6."""
    while at < end:
        _, begin, at = _span(data, at)
        _, begin, _ = _span(data, _span(data, begin)[2])  # the attribute, behind what is done
        yield _span(data, begin)[2], at


def _span(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of an element's content."""
    reader = Reader(data, at)
    tag, content = _tlv(reader)
    return tag, reader.offset - content.left(), reader.offset


def _account(dn: str) -> str:
    """The name in a distinguished name, or beside a domain."""
    first = dn.partition(",")[0]
    name = first.partition("=")[2] or first
    return name.rpartition("\\")[2].partition("@")[0]


def _extended(reader: Reader) -> Message:
    """[LDAP] 4.12; of changed passwords only that they are."""
    oid = _want(reader, 0x80).rest()
    name, cls = EXTENSIONS.get(oid, REQUESTS[EXTENDED])
    return Message(name, cls, "" if oid in EXTENSIONS else text_of(oid, 64))


def _described(reader: Reader) -> tuple[Fact, ...]:
    """What a server says of itself in the entry without a name."""
    if _octets(reader):
        return ()
    facts: list[Fact] = []
    listed = _want(reader, SEQUENCE)
    while listed.left():
        attribute = _want(listed, SEQUENCE)
        name, values = _octets(attribute).lower(), _want(attribute, SET)
        first = _octets(values) if values.left() else b""
        if name in DESCRIBES and first:
            facts.append(Fact(DESCRIBES[name], text_of(first, MOST_NAME)))
        if name == b"defaultnamingcontext":
            parts = text_of(first, MOST_NAME).lower().split(",")
            labels = [part[3:] for part in parts if part.startswith("dc=")]
            facts += [Fact("domain", ".".join(labels))] if labels else []
        if name == b"domaincontrollerfunctionality":
            facts.append(Fact("role_hint", "domain_controller"))
    return tuple(facts)


# ------------------------------------------------------------------------------ columns


def _rows(units: Units) -> list[bytes]:
    spans = zip(units.start.tolist(), units.end.tolist(), strict=True)
    return [units.buffer[start:end].tobytes() for start, end in spans]


def claims(units: Units) -> Mask:
    """Messages that are whole to their last element, of known operations."""
    mine = np.zeros(len(units), np.bool_)
    for row, data in enumerate(_rows(units)):
        try:
            _told(data)
            mine[row] = True
        except WireError:
            continue
    return mine


def _heads(units: Units) -> tuple[I64, I64]:
    """Number and operation of each message, zeros where there are none."""
    heads = np.zeros((2, len(units)), np.int64)
    spans = zip(units.start.tolist(), units.end.tolist(), strict=True)
    for row, (start, end) in enumerate(spans):
        try:
            heads[:, row] = _head(units.buffer[start : min(end, start + 16)].tobytes())
        except WireError:
            continue
    return heads[0], heads[1]


_ASKS = np.array(list(REQUESTS))
_ALONE = np.array(list(ALONE))


def sides(units: Units) -> Ints:
    """The operation tells."""
    _, tag = _heads(units)
    return np.where(np.isin(tag, _ASKS), Side.REQUEST, Side.RESPONSE).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: what is said. Tag: the message's number."""
    rows = np.arange(len(units))
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, rows, lambda data, _: _told(data)
    )
    number, tag = _heads(units)
    return plain_split(words, malformed, tag=number.astype(np.uint64), alone=np.isin(tag, _ALONE))


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A message, or a result with what was asked."""
    said = _told(reader.data)
    if request is None or said.operation in PARTS.values() or not said.outcome:
        return said
    return replace(said, operation=request.operation, cls=request.cls, object=request.object)


PROTOCOL = Protocol(
    "ldap",
    "LDAP",
    "RFC 4511",
    frozenset({"tcp", "udp"}),
    frozenset({389, 3268}),
    (LDAP,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    outstanding=64,
    identity=IDENTITY,
    head=HEAD,
    industrial=False,
    scrub=scrub,
    routine=frozenset({"unbind", "abandon"}),
    session=True,
)
