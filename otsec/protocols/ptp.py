"""PTP (version 2): which clock is the best of a network, who follows it, and the time it tells.

Sources: [1588] IEEE 1588-2019, 13 (messages), 7.6 (clock quality), annex D and F (UDP, Ethernet);
[802.1AS] IEEE 802.1AS-2020, 10 and 11. Version 1 has other messages and is not read.

Publishers are clients, and nothing is paired: most goes to groups. The key is version, domain,
flags and sender, of announcements all that they say of the best clock. Sequence numbers,
corrections, intervals and times are not in it; the times go to what is known of clocks.
"""

import numpy as np

from otsec.columns import U64, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    SAYS,
    Clocks,
    Fact,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Times,
    Units,
)
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address

ETHERTYPE = 0x88F7
EVENT_PORT, GENERAL_PORT = 319, 320
HEADER = np.dtype(  # [1588] 13.3
    [
        ("type", "u1"),  # behind four bits: 0 of 1588, 1 of 802.1AS
        ("version", "u1"),  # behind four bits of minor version
        ("length", ">u2"),
        ("domain", "u1"),
        ("minor_domain", "u1"),
        ("flags", ">u2"),
        ("correction", ">i8"),
        ("specific", ">u4"),
        ("clock", ">u8"),
        ("port", ">u2"),
        ("sequence", ">u2"),
        ("control", "u1"),
        ("interval", "i1"),
        ("seconds_high", ">u2"),  # from here on of those that begin with a time
        ("seconds", ">u4"),
        ("nanoseconds", ">u4"),
    ]
)
HEAD = 34  # bytes of the header of all messages
SHORTEST = HEADER.itemsize
PADDING = 14  # bytes behind a message: an Ethernet frame of 60 bytes with a VLAN tag

SYNC, DELAY_REQ, PDELAY_REQ, PDELAY_RESP = 0, 1, 2, 3
FOLLOW_UP, DELAY_RESP, PDELAY_RESP_FOLLOW_UP, ANNOUNCE, SIGNALING, MANAGEMENT = range(8, 14)
TIME: OperationClass = "time"
TYPES: dict[int, tuple[str, OperationClass, int, int]] = {  # class, least length, control field
    SYNC: ("sync", TIME, 44, 0),
    DELAY_REQ: ("delay_req", TIME, 44, 1),
    PDELAY_REQ: ("pdelay_req", TIME, 54, 5),
    PDELAY_RESP: ("pdelay_resp", TIME, 54, 5),
    FOLLOW_UP: ("follow_up", TIME, 44, 2),
    DELAY_RESP: ("delay_resp", TIME, 54, 3),
    PDELAY_RESP_FOLLOW_UP: ("pdelay_resp_follow_up", TIME, 54, 5),
    ANNOUNCE: ("announce", TIME, 64, 5),
    SIGNALING: ("signaling", TIME, 44, 5),
    MANAGEMENT: ("management", "diagnose", 48, 4),
}
ACTIONS: dict[int, tuple[str, OperationClass]] = {  # [1588] 15.4.1.6
    0: ("management_get", "diagnose"),
    1: ("management_set", "config"),
    2: ("management_response", "diagnose"),
    3: ("management_command", "config"),
    4: ("management_acknowledge", "diagnose"),
}
OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls, *_) in TYPES.items() if code != MANAGEMENT),
    *(Operation(name, cls, MANAGEMENT << 8 | code) for code, (name, cls) in ACTIONS.items()),
)
SOURCES = {  # [1588] 7.6.2.8
    0x10: "atomic clock",
    0x20: "GNSS",
    0x30: "terrestrial radio",
    0x39: "serial time code",
    0x40: "PTP",
    0x50: "NTP",
    0x60: "set by hand",
    0x90: "other",
    0xA0: "its own oscillator",
}
MANAGED = {  # [1588] 15.5.2.3, of those that change a clock or tell who it is
    0x0001: "clock description",
    0x0002: "user description",
    0x0005: "initialize",
    0x2004: "current data set",
    0x2000: "default data set",
    0x2002: "parent data set",
    0x2003: "time properties",
    0x2005: "priority 1",
    0x2006: "priority 2",
    0x2007: "domain",
    0x2008: "slave only",
    0x200D: "enable port",
    0x200E: "disable port",
    0x200F: "time",
    0x2010: "clock accuracy",
    0x2011: "utc properties",
}
UTC_VALID, TIMESCALE, TWO_STEP = 0x0004, 0x0008, 0x0200  # of the flags, 13.3.2.8
_OF_1588, _OF_802_1AS = 0, 1

_LEAST = np.full(16, 1 << 16)
_CONTROL = np.zeros(16, np.uint8)
for _code, (_, _, _length, _field) in TYPES.items():
    _LEAST[_code], _CONTROL[_code] = _length, _field
_TIMED = np.isin(np.arange(16), [SYNC, FOLLOW_UP])

MESSAGE = whole(
    "ptp",
    SHORTEST,
    (
        (0, frozenset(high << 4 | code for high in (_OF_1588, _OF_802_1AS) for code in TYPES)),
        (1, frozenset(minor << 4 | 2 for minor in range(16))),
    ),
)


def _read(units: Units) -> tuple[Header, Mask]:
    """Headers, and whether version, type and lengths go together."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    kind, size = header["type"] & 0xF, units.end - units.start
    length = header["length"].astype(np.int64)
    fits &= (header["type"] >> 4 <= _OF_802_1AS) & (header["version"] & 0xF == 2)
    fits &= (length >= _LEAST[kind]) & (length <= size) & (size - length <= PADDING)
    return header, np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """A sender, the control field of the type (0 since 2019), and a time that can be."""
    header, fits = _read(units)
    control = header["control"]
    fits &= (control == 0) | (control == _CONTROL[header["type"] & 0xF])
    timed = (header["nanoseconds"] < 1_000_000_000) | (header["type"] & 0xF >= SIGNALING)
    return np.asarray(fits & timed & (header["clock"] != 0), np.bool_)


def sides(units: Units) -> Ints:
    """Publishers are clients."""
    return np.full(len(units), Side.REQUEST, np.uint8)


# where the span of the key begins and ends: of announcements behind the time, of those that name
# another port that, of what is managed also what
_SPANS = np.zeros((16, 2), np.int64)
_SPANS[ANNOUNCE] = 44, 64
_SPANS[SIGNALING] = 34, 44
_SPANS[MANAGEMENT] = 34, 54
_SPANS[[PDELAY_RESP, DELAY_RESP, PDELAY_RESP_FOLLOW_UP]] = 44, 54


def split(units: Units) -> Split:
    """Key: what kind, who sends, and the span of `_SPANS`."""
    header, fits = _read(units)
    front: U64 = span_word(units.buffer, units.start, units.end - units.start, 0)
    front &= np.uint64(0xFFFF_FFFF_0000_FFFF)  # without the length
    span = _SPANS[header["type"] & 0xF]
    length = np.minimum(span[:, 1], header["length"]) - span[:, 0]
    words = [front, header["clock"].astype(np.uint64), header["port"].astype(np.uint64)]
    return keyed(units, units.start + span[:, 0], np.maximum(length, 0), ~fits, words)


def _times(units: Units, split: Split) -> Times:
    """The time of sending, where it is told: of Sync, or where that is too late, of Follow_Up."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    seconds = header["seconds"].astype(np.int64)
    fits &= _TIMED[header["type"] & 0xF] & ~split.malformed & (header["seconds_high"] == 0)
    fits &= (seconds > 0) & (header["nanoseconds"] < 1_000_000_000)
    fits &= (header["type"] & 0xF == FOLLOW_UP) | (header["flags"] & TWO_STEP == 0)
    rows = np.flatnonzero(fits)
    time = seconds[rows] * 1_000_000_000 + header["nanoseconds"][rows]
    none = np.zeros(len(rows), np.uint64)
    return Times(rows, time, none, np.full(len(rows), SAYS, np.uint8))


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """One message by its type."""
    about = "server" if side == Side.RESPONSE else "client"
    front, version = reader.u8(), reader.u8()
    kind = front & 0xF
    if version & 0xF != 2 or kind not in TYPES:
        raise Malformed(f"type {kind} of version {version & 0xF}")
    length, domain, minor, flags = reader.u16(), reader.u8(), reader.u8(), reader.u16()
    clock, port = address(reader.at(20).take(8)), reader.u16()
    name, cls, *_ = TYPES[kind]
    facts = [
        Fact("clock_identity", clock, about),
        Fact("ptp_port", str(port), about),
        Fact("ptp_domain", f"{domain}", about),
        Fact("ptp_version", f"2.{version >> 4}" + (" 802.1AS" if front >> 4 else ""), about),
    ]
    notes = [f"flags {flags:#06x}"] if flags else []
    notes += [f"minor domain {minor}"] if minor else []
    object_ = f"domain {domain}"
    told = HEAD + 10
    if kind == ANNOUNCE:
        facts += [Fact(*pair, about) for pair in _announced(reader.at(44), clock, flags)]
        told = 64
    elif kind == MANAGEMENT:
        name, cls, what, note = _managed(reader.at(HEAD))
        object_, told = f"{object_} {what}", 54
        notes.append(note)
    elif kind not in {SYNC, FOLLOW_UP, DELAY_REQ, PDELAY_REQ}:
        other = reader.at(HEAD if kind == SIGNALING else 44)
        object_ += f" of {address(other.take(8))} port {other.u16()}"
        notes += ["opaque: TLVs"] if kind == SIGNALING else []
        told = other.offset
    elif kind == PDELAY_REQ:
        told = 54  # ten reserved bytes
    message = Message(name, cls, object_, facts=tuple(facts), note=", ".join(notes))
    return message.leaving(max(length - told, 0))


def _announced(body: Reader, clock: str, flags: int) -> list[tuple[str, str]]:
    """The best clock as who announces knows it, 13.5."""
    offset = int.from_bytes(body.take(2), "big", signed=True)
    reserved, first, grade = body.u8(), body.u8(), body.u8()
    accuracy, variance, second = body.u8(), body.u16(), body.u8()
    master, steps, source = address(body.take(8)), body.u16(), body.u8()
    told = [
        ("clock_master", master),
        ("clock_class", str(grade)),
        ("clock_accuracy", f"{accuracy:#04x}"),
        ("clock_variance", f"{variance:#06x}"),
        ("clock_priority", f"{first} {second}"),
        ("clock_steps", str(steps)),
        ("time_source", SOURCES.get(source, f"{source:#04x}")),
    ]
    if flags & TIMESCALE and offset >= 0:
        valid = "" if flags & UTC_VALID else ", not valid"
        told.append(("utc_offset", f"{offset} s{valid}"))
    elif offset:
        told.append(("utc_offset", f"none, {offset} s announced"))
    if master == clock:
        told.append(("role_hint", "time_server"))
    return [*told, ("ptp_reserved", f"{reserved:#04x}")] if reserved else told


def _managed(body: Reader) -> tuple[str, OperationClass, str, str]:
    """What is done, to what and whom; how far the message goes, 15.4.1."""
    target, port = address(body.take(8)), body.u16()
    hops = body.u16()
    action, reserved = body.u8(), body.u8()
    name, cls = ACTIONS.get(action & 0xF, (f"management_unknown_{action & 0xF:#x}", "config"))
    note = f"hops {hops:#06x}, action {action:#04x} {reserved}"
    note += ", opaque: values" if action & 0xF else ""
    what = f"of {target} port {port}"
    if body.left() >= _TLV:
        kind, size, number = body.u16(), body.u16(), body.u16()
        known = MANAGED.get(number, f"{number:#06x}")
        what = f"{known if kind == 1 else f'TLV {kind:#06x} {number:#06x}'} {what}"
        note = f"{size} bytes, {note}"
    return name, cls, what, note


_TLV = 6  # bytes of type, length and management id


PROTOCOL = Protocol(
    name="ptp",
    title="PTP",
    standard="IEEE 1588-2019, IEEE 802.1AS-2020",
    transports=frozenset({"udp", "ethernet"}),
    ports=frozenset({EVENT_PORT, GENERAL_PORT, ETHERTYPE}),
    framings=(MESSAGE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    paired=False,
    clocks=Clocks(_times),
    identity=(
        "clock_identity", "ptp_port", "ptp_domain", "ptp_version", "clock_master", "clock_class",
        "clock_accuracy", "clock_variance", "clock_priority", "clock_steps", "time_source",
        "utc_offset", "ptp_reserved", "role_hint",
    ),
    routine=frozenset(name for name, cls, *_ in TYPES.values() if cls == TIME),
)  # fmt: skip
