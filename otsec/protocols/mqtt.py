"""MQTT 3.1, 3.1.1 and 5: who connects how, what is published and who reads it.

Sources: [V3] MQTT 3.1.1; [V5] MQTT 5.0; [SPB] Sparkplug 3.0 4.

A topic is what is published; its content is opaque, so all that is published on one topic is one
thing. Packet numbers pair. Commands of Sparkplug to a node or device are told apart by their
topics. Of a password it is told that it is sent in the clear, and no more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from otsec.columns import I64, Ints, Mask, gather, span_word
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered
from otsec.protocols.framing.mqtt import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    MQTT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    digits,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of

MOST_FILTERS = 16  # of a subscription, that are told
MOST_TOPIC, MOST_METHOD = 256, 32
PACKETS: dict[int, tuple[str, OperationClass]] = {  # [V3] 2.2.1, [V5] 2.1.2
    CONNECT: ("connect", "session"), CONNACK: ("connack", "session"),
    PUBLISH: ("publish", "report"), PUBACK: ("puback", "report"), PUBREC: ("pubrec", "report"),
    PUBREL: ("pubrel", "report"), PUBCOMP: ("pubcomp", "report"),
    SUBSCRIBE: ("subscribe", "config"), SUBACK: ("suback", "config"),
    UNSUBSCRIBE: ("unsubscribe", "config"), UNSUBACK: ("unsuback", "config"),
    PINGREQ: ("pingreq", "session"), PINGRESP: ("pingresp", "session"),
    DISCONNECT: ("disconnect", "session"), AUTH: ("auth", "session"),
}  # fmt: skip
DELIVER = "deliver"  # what a broker publishes to who has subscribed
COMMANDS = {"NCMD": "sparkplug_ncmd", "DCMD": "sparkplug_dcmd"}  # [SPB] 4.1
SPARKPLUG = "spBv1.0"
OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in PACKETS.items()),
    Operation(DELIVER, "report", 0x200 + PUBLISH),
    *(Operation(name, "write", 0x100 + at) for at, name in enumerate(COMMANDS.values())),
)
ANSWERS = {CONNACK: CONNECT, SUBACK: SUBSCRIBE, UNSUBACK: UNSUBSCRIBE, PINGRESP: PINGREQ}
ACKNOWLEDGE = (PUBACK, PUBREC, PUBREL, PUBCOMP)
READ = (CONNECT, CONNACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH)
_SIDES = np.full(16, Side.UNKNOWN, np.uint8)
_SIDES[list(ANSWERS.values())], _SIDES[list(ANSWERS)] = Side.REQUEST, Side.RESPONSE
REFUSALS = {  # [V3] 3.2.2.3
    1: "unacceptable_protocol_version", 2: "identifier_rejected", 3: "server_unavailable",
    4: "bad_user_name_or_password", 5: "not_authorized",
}  # fmt: skip
REASONS = {  # [V5] 2.4, and of [V3] 3.9.3 the one failure, which is the first
    0x80: "unspecified_error", 0x81: "malformed_packet", 0x82: "protocol_error",
    0x83: "implementation_specific_error", 0x84: "unsupported_protocol_version",
    0x85: "client_identifier_not_valid", 0x86: "bad_user_name_or_password",
    0x87: "not_authorized", 0x88: "server_unavailable", 0x89: "server_busy", 0x8A: "banned",
    0x8B: "server_shutting_down", 0x8C: "bad_authentication_method", 0x8D: "keep_alive_timeout",
    0x8E: "session_taken_over", 0x8F: "topic_filter_invalid", 0x90: "topic_name_invalid",
    0x91: "packet_identifier_in_use", 0x92: "packet_identifier_not_found",
    0x93: "receive_maximum_exceeded", 0x94: "topic_alias_invalid", 0x95: "packet_too_large",
    0x96: "message_rate_too_high", 0x97: "quota_exceeded", 0x98: "administrative_action",
    0x99: "payload_format_invalid", 0x9A: "retain_not_supported", 0x9B: "qos_not_supported",
    0x9C: "use_another_server", 0x9D: "server_moved", 0x9E: "shared_subscriptions_not_supported",
    0x9F: "connection_rate_exceeded", 0xA0: "maximum_connect_time",
    0xA1: "subscription_identifiers_not_supported", 0xA2: "wildcard_subscriptions_not_supported",
}  # fmt: skip
VERSIONS = {("MQIsdp", 3): "3.1", ("MQTT", 4): "3.1.1", ("MQTT", 5): "5.0"}
BRIDGE = 0x80  # of the level, as Mosquitto's bridges set it
IDENTITY = ("mqtt_client_id", "mqtt_version", "account", "credentials", "role_hint")


# ---------------------------------------------------------------------------- in columns


@dataclass(frozen=True, slots=True)
class _Heads:
    """Of each unit."""

    first: Ints  # type and flags
    kind: I64
    body: I64  # offset behind the length
    size: I64  # bytes of the topic of what is published, else 0
    fits: Mask  # whether the topic does
    number: I64  # that pairs, or 0


def _heads(units: Units) -> _Heads:
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    first = (word & np.uint64(0xFF)).astype(np.int64)
    count, left = digits(word)
    body, kind = units.start + 1 + count, first >> 4
    published = kind == PUBLISH
    size, _ = gather(units.buffer, body, units.end, np.dtype(">u2"))
    size = np.where(published, size, 0).astype(np.int64)
    numbered = ~published | (first & 6 > 0)  # a topic comes first, and then not always a number
    place = np.where(published, body + 2 + size, body)
    number, whole = gather(units.buffer, place, units.end, np.dtype(">u2"))
    fits = (body + left == units.end) & (kind > 0)
    fits &= ~published | (place + 2 * (first & 6 > 0) <= units.end)
    numbered &= whole & np.isin(
        kind, [PUBLISH, *ACKNOWLEDGE, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK]
    )
    return _Heads(first, kind, body, size, fits, np.where(numbered, number, 0).astype(np.int64))


def claims(units: Units) -> Mask:
    """Connections and subscriptions; what is published on a topic that cannot be chance.

    Only the first are known by their name; of the others the lengths agree to the last byte, and
    topics are words, of several levels or long.
    """
    heads = _heads(units)
    mine = heads.fits & np.isin(heads.kind, [CONNECT, SUBSCRIBE])
    mine |= heads.fits & (heads.kind == PUBLISH) & (heads.size >= SHORTEST_TOPIC)
    for row in np.flatnonzero(mine).tolist():
        data = units.buffer[units.start[row] : units.end[row]].tobytes()
        try:
            mine[row] = _surely(_told(data), data)
        except WireError:
            mine[row] = False
    return np.asarray(mine, np.bool_)


SHORTEST_TOPIC, LONG_WORD = 5, 8  # characters: of a topic of several levels, or of one


def _surely(said: Message, data: bytes) -> bool:
    """Whether words alone prove it."""
    if said.operation == "connect":
        return True
    topic = said.object
    plain = topic.isprintable() and topic.isascii() and len(data) > SHORTEST_TOPIC + 4
    return plain and ("/" in topic or len(topic) >= LONG_WORD)


def sides(units: Units) -> Ints:
    """Who connects, subscribes or asks for a sign of life is the client."""
    return _SIDES[_heads(units).kind]


def split(units: Units) -> Split:
    """Key: what is said; of what is published, flags and topic. Tag: the packet's number."""
    heads = _heads(units)
    deep = np.flatnonzero(heads.fits & np.isin(heads.kind, READ))
    words, bad = keys_of(
        units, units.start, units.end, heads.kind, deep, lambda data, _: _told(data)
    )
    reason, _ = gather(units.buffer, heads.body + 2, units.end, np.dtype("u1"))
    code = np.where(np.isin(heads.kind, ACKNOWLEDGE), reason, 0).astype(np.uint64)
    response = np.isin(heads.kind, list(ANSWERS))
    # requests and their responses have types next to each other
    asked = np.where(response, heads.kind - 1, heads.kind)
    told = plain_split(
        [heads.first.astype(np.uint64) | code << np.uint64(8), *words],
        np.asarray(bad | ~heads.fits, np.bool_),
        (asked << 16 | heads.number).astype(np.uint64),
        np.asarray(~np.isin(asked, list(ANSWERS.values())), np.bool_),
    )
    published = heads.fits & (heads.kind == PUBLISH)
    return replace(
        told,
        key_start=np.where(published, heads.body, units.start),
        key_length=np.where(published, heads.size + 2, 0),
    )


# -------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One packet; what a subscription's answer is about is what was asked for."""
    said = _told(reader.data)
    if reader.data[0] >> 4 == PUBLISH and side == Side.RESPONSE:
        return replace(said, operation=DELIVER, cls="report")
    if request is not None and said.outcome:
        return replace(said, object=request.object or said.object)
    return said


def _told(data: bytes) -> Message:
    reader = Reader(data)
    first = reader.u8()
    if _varint(reader) != reader.left():
        raise Malformed("length of the packet")
    name, cls = PACKETS.get(first >> 4, ("", "session"))
    read = _READ.get(first >> 4)
    if first >> 4 == PUBLISH:
        return _published(reader, first & 15)
    if read is not None:
        return replace(read(reader), operation=name, cls=cls)
    if first >> 4 in ACKNOWLEDGE:
        reader.take(2)
        code = reader.u8() if reader.left() else 0
        return Message(name, cls, outcome=_reason(code) if first >> 4 != PUBREL else "")
    if not name or reader.left():
        raise Malformed(f"packet {first:#04x}")
    return Message(name, cls, outcome="ok" if first >> 4 == PINGRESP else "")


def _varint(reader: Reader) -> int:
    value = 0
    for at in range(4):
        octet = reader.u8()
        value |= (octet & 0x7F) << 7 * at
        if octet < 0x80:
            return value
    raise Malformed("length without end")


def _text(reader: Reader, *, topic: bool = False) -> str:
    """[V3] 1.5.3; topics have at least one character, 4.7.3."""
    try:
        said = reader.take(reader.u16()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("text is not UTF-8") from error
    if "\0" in said or (topic and not said):
        raise Malformed("text with a zero, or no topic")
    return said


def _reason(code: int) -> str:
    return "ok" if code < 0x80 else REASONS.get(code, f"reason {code:#04x}")


def _published(reader: Reader, flags: int) -> Message:
    """[V3] 3.3; in [V5] a number that was given to a topic may stand for it."""
    name, cls = PACKETS[PUBLISH]
    topic = _text(reader)
    if any(sign in topic for sign in "#+"):
        raise Malformed("published on a pattern")
    notes = [f"qos {flags >> 1 & 3}", *(["retained"] if flags & 1 else [])]
    notes += ["sent again"] if flags & 8 else []
    notes += [] if topic else ["topic by its alias only"]
    levels = topic.split("/")
    if levels[0] == SPARKPLUG and len(levels) >= 4 and levels[2] in COMMANDS:
        name, cls = COMMANDS[levels[2]], "write"
    return Message(name, cls, topic[:MOST_TOPIC], note=", ".join([*notes, "opaque: content"]))


def _connect(reader: Reader) -> Message:
    """[V3] 3.1, [V5] 3.1."""
    name, level, flags = _text(reader), reader.u8(), reader.u8()
    version = VERSIONS.get((name, level & ~BRIDGE))
    if version is None or flags & 1 or flags & 0x18 == 0x18:
        raise Malformed(f"{name[:8]!r} of level {level}, flags {flags:#04x}")
    notes = [f"keep alive {reader.u16()} s", *(["clean"] if flags & 2 else [])]
    notes += ["bridge"] if level & BRIDGE else []
    asked = _properties(reader) if level == 5 else {}
    client = _text(reader)
    if flags & 4:
        if level == 5:
            _properties(reader)
        will = _text(reader, topic=True)
        reader.take(reader.u16())
        notes.append(
            f"will {will[:MOST_TOPIC]} qos {flags >> 3 & 3}{' retained' * (flags >> 5 & 1)}"
        )
    elif flags & 0x38:
        raise Malformed("flags of a will that is not there")
    account = _text(reader) if flags & 0x80 else ""
    if flags & 0x40:
        reader.take(reader.u16())
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the connection")
    facts = [Fact("mqtt_version", version, "client")]
    facts += [Fact("mqtt_client_id", client, "client")] if client else []
    facts += [Fact("account", account, "client")] if account else []
    kind = "clear" if flags & 0x40 else "none"
    if AUTH_METHOD in asked:
        kind = "challenge"
        notes.append(f"challenge by {asked[AUTH_METHOD][:MOST_METHOD]}")
    facts.append(Fact("credentials", kind, "client"))
    return Message("", "session", f"MQTT {version}", facts=tuple(facts), note=", ".join(notes))


def scrub(reader: Reader) -> bytes:
    """A connection without its password and its will, of which nothing is told."""
    data, outer = reader.data, Reader(reader.data)
    if outer.u8() >> 4 != CONNECT:
        return data
    _varint(outer)
    _text(outer)
    version, flags = outer.u8(), outer.u8()
    outer.u16()
    if version == 5:
        _properties(outer)
    _text(outer)
    if flags & 4:
        if version == 5:
            _properties(outer)
        _text(outer, topic=True)
        data = _hidden(outer, data)
    if flags & 0x80:
        _text(outer)
    return _hidden(outer, data) if flags & 0x40 else data


def _hidden(reader: Reader, data: bytes) -> bytes:
    size = len(reader.take(reader.u16()))
    return covered(data, reader.offset - size, reader.offset)


# [V5] 2.2.2.2: bytes of each property; 0: a variable number, -1: bytes, -2: text, -3: two texts
PROPERTIES = {
    0x01: 1, 0x02: 4, 0x03: -2, 0x08: -2, 0x09: -1, 0x0B: 0, 0x11: 4, 0x12: -2, 0x13: 2, 0x15: -2,
    0x16: -1, 0x17: 1, 0x18: 4, 0x19: 1, 0x1A: -2, 0x1C: -2, 0x1F: -2, 0x21: 2, 0x22: 2, 0x23: 2,
    0x24: 1, 0x25: 1, 0x26: -3, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
AUTH_METHOD, ASSIGNED_ID, SAID_WHY = 0x15, 0x12, 0x1F


def _properties(reader: Reader) -> dict[int, str]:
    """Those that are single texts; of the others the form."""
    inner, found = reader.part(_varint(reader)), {}
    while inner.left():
        code = _varint(inner)
        form = PROPERTIES.get(code)
        if form is None:
            raise Malformed(f"property {code}")
        if form > 0:
            inner.take(form)
        elif form == 0:
            _varint(inner)
        elif form == -1:
            inner.take(inner.u16())
        else:
            found[code] = _text(inner)
            if form == -3:
                _text(inner)
    return found


def _connected(reader: Reader) -> Message:
    """[V3] 3.2, [V5] 3.2."""
    flags, code = reader.u8(), reader.u8()
    if flags > 1:
        raise Malformed(f"flags {flags:#04x}")
    told = _properties(reader) if reader.left() else {}
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the answer")
    outcome = REFUSALS.get(code) or _reason(code)
    facts = [Fact("role_hint", "broker")] if outcome == "ok" else []
    if ASSIGNED_ID in told:
        facts.append(Fact("mqtt_client_id", told[ASSIGNED_ID], "client"))
    notes = [
        *(["session goes on"] if flags else []),
        *([told[SAID_WHY]] if SAID_WHY in told else []),
    ]
    return Message("", "session", outcome=outcome, facts=tuple(facts), note=", ".join(notes))


def _listed(reader: Reader, *, options: bool) -> list[str]:
    """The filters of a subscription, with the most that each wants."""
    filters = []
    while reader.left():
        topic = _text(reader, topic=True)[:MOST_TOPIC]
        if options and (code := reader.u8()) & 0xC0 | (code & 3 == 3):
            raise Malformed(f"options {code:#04x}")
        filters.append(f"{topic} qos {code & 3}" if options else topic)
    if not filters:
        raise Malformed("no topics")
    return filters


def _filters(reader: Reader, *, options: bool) -> Message:
    """[V3] 3.8, 3.10; [V5] has properties in front, of which none can be taken for a topic."""
    reader.take(2)
    here = reader.offset
    try:
        found = _listed(reader, options=options)
    except WireError:
        reader.at(here)
        _properties(reader)
        found = _listed(reader, options=options)
    more = [f"and {len(found) - MOST_FILTERS} more"] if len(found) > MOST_FILTERS else []
    return Message("", "config", ", ".join([*found[:MOST_FILTERS], *more]))


def _granted(reader: Reader) -> Message:
    """[V3] 3.9, 3.11; the first failure of those that are listed."""
    reader.take(2)
    codes = reader.rest()
    return Message("", "config", outcome=_reason(max(codes, default=0)))


def _parted(reader: Reader) -> Message:
    """[V5] 3.14, 3.15."""
    code = reader.u8() if reader.left() else 0
    told = _properties(reader) if reader.left() else {}
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the reason")
    note = told.get(SAID_WHY, "")
    method = told.get(AUTH_METHOD, "")
    return Message("", "session", method, outcome=_reason(code) if code >= 0x80 else "", note=note)


_READ: dict[int, Callable[[Reader], Message]] = {
    CONNECT: _connect,
    CONNACK: _connected,
    SUBSCRIBE: lambda reader: _filters(reader, options=True),
    UNSUBSCRIBE: lambda reader: _filters(reader, options=False),
    SUBACK: _granted,
    UNSUBACK: _granted,
    DISCONNECT: _parted,
    AUTH: _parted,
}

PROTOCOL = Protocol(
    name="mqtt",
    title="MQTT",
    standard="MQTT 3.1, 3.1.1, 5.0",
    transports=frozenset({"tcp"}),
    ports=frozenset({1883}),
    framings=(MQTT,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=IDENTITY,
    scrub=scrub,
    session=True,
)
