"""PROFINET on Ethernet: DCP, cyclic data, alarms, PTCP; pieces of frames recognised.

Source: [61158] IEC 61158-6-10:2014: 4.2 (frame ids), 4.3 (DCP), 4.4 (PTCP), 4.7 (cyclic data),
4.8 (fragments), 4.9 (alarms).

The frame id says what follows. Cyclic data have it in their key with their length and status; the
cycle counter is the tag, all bytes of the data are values (what they mean is told only when the
relation is established, and by the device's GSD file). Of DCP and alarms all is in the key but
transaction id, endpoints and sequence numbers: they are rare. Of PTCP the key is the first block,
which names the clock or the port: time stamps, delays and the clock's quality are passed over.

Answers to `identify` go by multicast's nature to who asked, from any device: they stand alone, as
all does but `get` and `set`. One conversation of two stations holds all that they send each other,
so a request may come from the side that counts as server; such a one stands alone too.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    FOLLOWS,
    REPEATS,
    RETURNS,
    U8,
    Counting,
    Elements,
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
from otsec.protocols.words import profinet as words

ETHERTYPE = 0x8892
ID = np.dtype(">u2")
DCP_HEADER = np.dtype(
    [
        ("frame", ">u2"),
        ("service", "u1"),
        ("type", "u1"),
        ("xid", ">u4"),
        ("delay", ">u2"),  # of the answer, in 10 ms; reserved but in identify requests
        ("length", ">u2"),
    ]
)
ALARM_HEADER = np.dtype(
    [
        ("frame", ">u2"),
        ("target", ">u2"),
        ("source", ">u2"),
        ("type", "u1"),
        ("flags", "u1"),
        ("sent", ">u2"),
        ("acknowledged", ">u2"),
        ("length", ">u2"),
    ]
)
STATUS = np.dtype([("cycle", ">u2"), ("data", "u1"), ("transfer", "u1")])  # behind cyclic data
LONGEST = 65_535

# ------------------------------------------------------------------------------ frame ids

OTHER, CYCLIC, DCP, ALARM, PTCP, PIECE = range(6)
HELLO, GET_SET, IDENTIFY, IDENTIFIED = 0xFEFC, 0xFEFD, 0xFEFE, 0xFEFF
HIGH, LOW = 0xFC01, 0xFE01
SYNC: dict[int, tuple[str, OperationClass]] = {
    0x0020: ("sync", "report"),  # a follow-up comes
    0x0021: ("sync", "report"),
    0x0080: ("sync", "report"),
    0x0081: ("sync", "report"),
    0xFF00: ("sync_announce", "report"),
    0xFF01: ("sync_announce", "report"),
    0xFF20: ("sync_follow_up", "report"),
    0xFF21: ("sync_follow_up", "report"),
    0xFF40: ("delay_request", "diagnose"),
    0xFF41: ("delay_response", "diagnose"),  # a follow-up comes
    0xFF42: ("delay_follow_up", "diagnose"),
    0xFF43: ("delay_response", "diagnose"),
}
DELAYS = 0xFF40
_KINDS = np.zeros(1 << 16, np.uint8)
_KINDS[0x0100:0x1000] = CYCLIC  # class 3
_KINDS[0x8000:0xFC00] = CYCLIC  # classes 1 and 2
_KINDS[[HELLO, GET_SET, IDENTIFY, IDENTIFIED]] = DCP
_KINDS[[HIGH, LOW]] = ALARM
_KINDS[list(SYNC)] = PTCP
_KINDS[0xFF80:0xFF90] = PIECE
_MULTICAST = np.zeros(1 << 16, np.bool_)  # cyclic data from a publisher to a group
_MULTICAST[0xBC00:0xC000] = _MULTICAST[0xF800:0xFC00] = True

# services and types of DCP, [61158] 4.3.1.3
GET, SET, IDENTIFY_SERVICE, HELLO_SERVICE = 3, 4, 5, 6
ASKS, ANSWERS, NOT_SUPPORTED = 0, 1, 5
_SERVICES = {
    HELLO: (HELLO_SERVICE,),
    GET_SET: (GET, SET),
    IDENTIFY: (IDENTIFY_SERVICE,),
    IDENTIFIED: (IDENTIFY_SERVICE,),
}
_FORMS = frozenset(  # frame id, service and type that go together
    frame << 16 | service << 8 | kind
    for frame, services in _SERVICES.items()
    for service in services
    for kind in {
        HELLO: (ASKS,),
        GET_SET: (ASKS, ANSWERS, NOT_SUPPORTED),
        IDENTIFY: (ASKS,),
        IDENTIFIED: (ANSWERS, NOT_SUPPORTED),
    }[frame]
)
_FORM_CODES = np.array(sorted(_FORMS))

VERSION = 0x10  # of alarms, in the high half of the type
DATA, REJECT, ACKNOWLEDGE, ERROR = 1, 2, 3, 4
WINDOW, WANTS_ACKNOWLEDGE = 0x01, 0x10  # flags
NOTIFICATIONS, NOTIFIED = (0x0001, 0x0002), (0x8001, 0x8002)  # blocks: high, low
CHANNEL, EXTENDED_CHANNEL = 0x8000, 0x8002  # what an alarm brings

OPERATIONS = (
    Operation("get", "browse", GET),
    Operation("set", "config", SET),
    Operation("signal", "control", SET << 8 | 3),
    Operation("factory_reset", "mode", SET << 8 | 5),
    Operation("reset_to_factory", "mode", SET << 8 | 6),
    Operation("identify", "browse", IDENTIFY_SERVICE),
    Operation("hello", "report", HELLO_SERVICE),
    Operation("cyclic_data", "report", 0x8000),
    Operation("alarm", "report", HIGH),
    Operation("alarm_acknowledge", "control", HIGH << 8 | 0x80),
    Operation("alarm_transport_reject", "session", HIGH << 8 | REJECT),
    Operation("alarm_transport_acknowledge", "session", HIGH << 8 | ACKNOWLEDGE),
    Operation("alarm_transport_error", "session", HIGH << 8 | ERROR),
    Operation("frame_piece", "report", 0xFF80),
    *(
        Operation(name, cls, min(code for code, one in SYNC.items() if one[0] == name))
        for name, cls in dict(SYNC.values()).items()
    ),
)
_CLASSES = {operation.name: operation.cls for operation in OPERATIONS}

# ------------------------------------------------------------------------------- framing


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    """All of the frame, whatever its id."""
    return np.full(len(header), ID.itemsize, np.int64)


PROFINET_RT = Framing("profinet_rt", np.dtype([("frame", ">u2")]), _lengths, LONGEST, datagram=True)


@dataclass(frozen=True, slots=True)
class _Frames:
    """Units by frame id, as columns."""

    buffer: Bytes
    start: I64
    end: I64
    frame: I64
    kind: Ints  # u1

    def of(self, kind: int) -> I64:
        """Rows of one kind."""
        return np.flatnonzero(self.kind == kind)


def _frames(units: Units) -> _Frames:
    raw, fits = gather(units.buffer, units.start, units.end, ID)
    frame = raw.astype(np.int64)
    kind = np.where(fits, _KINDS[frame], OTHER)
    return _Frames(units.buffer, units.start, units.end, frame, kind)


def _read(frames: _Frames, rows: I64, dtype: np.dtype[np.void], behind: int = 0) -> Header:
    """A header of some rows, or what stands ``behind`` bytes before their end; zero if cut."""
    start, end = frames.start[rows], frames.end[rows]
    header, _ = gather(
        frames.buffer, np.maximum(end - behind, start) if behind else start, end, dtype
    )
    return header


# ---------------------------------------------------------------------- what fits the form


def _dcp_fits(frames: _Frames, rows: I64, header: Header) -> Mask:
    """Whether service and type belong to the frame id, and blocks fill the length, 4.3.1.2."""
    form = frames.frame[rows] << 16 | header["service"].astype(np.int64) << 8 | header["type"]
    start = frames.start[rows] + DCP_HEADER.itemsize
    end = start + header["length"]
    fits = np.isin(form, _FORM_CODES) & (end <= frames.end[rows])
    selects = (header["service"] == GET) & (header["type"] == ASKS)
    fits &= ~selects | (header["length"] % 2 == 0)
    at = np.where(selects, end, start)
    left = np.flatnonzero(fits & (at < end))
    while len(left):  # one block a round
        head = span_word(frames.buffer, at[left], end[left] - at[left], 0).byteswap()
        size = (head >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
        behind = at[left] + 4 + size
        good = (at[left] + 4 <= end[left]) & (behind <= end[left])
        fits[left[~good]] = False
        at[left] = behind + size % 2
        left = left[good & (at[left] < end[left])]
    return np.asarray(fits, np.bool_)


def _alarm_fits(frames: _Frames, rows: I64, header: Header) -> Mask:
    """Whether version, type, window and lengths are those of [61158] 4.9.2."""
    kind, size = header["type"], header["length"].astype(np.int64)
    fits = (kind & 0xF0 == VERSION) & (kind & 0x0F >= DATA) & (kind & 0x0F <= ERROR)
    fits &= header["flags"] & ~np.uint8(WANTS_ACKNOWLEDGE) == WINDOW
    fits &= frames.start[rows] + ALARM_HEADER.itemsize + size <= frames.end[rows]
    fits &= (kind & 0x0F != ERROR) | (size == 4)
    fits &= (kind & 0x0F != DATA) | (size >= 6)
    silent = (kind & 0x0F == REJECT) | (kind & 0x0F == ACKNOWLEDGE)
    return np.asarray(fits & (~silent | (size == 0)), np.bool_)


_TLV = 22  # where the blocks of PTCP begin
_SUBDOMAIN, _PORT = (1, 22), (6, 6)  # type and length of the blocks that come first
_MOST_BLOCKS = 16


def _ptcp_fits(frames: _Frames, rows: I64) -> Mask:
    """Whether the first block names a clock, or where delay is measured a port, and all end; 4.4."""
    at, end = frames.start[rows] + _TLV, frames.end[rows]
    kind, size = _first_blocks(frames.frame[rows])
    head = _tlv_heads(frames.buffer, at, end)
    fits = head == kind << 9 | size
    ended = np.zeros(len(rows), np.bool_)
    going = np.flatnonzero(fits)
    for _ in range(_MOST_BLOCKS):  # one block a round, up to the one of type and length 0
        head = _tlv_heads(frames.buffer, at[going], end[going])
        ended[going] = head == 0
        going, head = going[head > 0], head[head > 0]
        at[going] += 2 + (head & 0x1FF)
    return np.asarray(fits & ended, np.bool_)


def _tlv_heads(buffer: Bytes, at: I64, end: I64) -> I64:
    """Type and length of the blocks at some offsets; -1 beyond the end."""
    head, fits = gather(buffer, at, end, ID)
    return np.where(fits, head.astype(np.int64), -1)


def _first_blocks(frame: I64) -> tuple[I64, I64]:
    """Type and length of the first block that messages of PTCP have."""
    delays = frame >= DELAYS
    kind, size = (np.where(delays, p, c) for c, p in zip(_SUBDOMAIN, _PORT, strict=True))
    return kind, size


def _piece_fits(frames: _Frames, rows: I64) -> Mask:
    """Whether the length, in units of eight bytes, is that of the frame; 4.8."""
    start, end = frames.start[rows], frames.end[rows]
    head = span_word(frames.buffer, start, end - start, 0).byteswap()
    size = (head >> np.uint64(40) & np.uint64(0xFF)).astype(np.int64) * 8
    reserved = head >> np.uint64(32) & np.uint64(0x40)
    return np.asarray((start + 4 + size <= end) & (size > 0) & (reserved == 0), np.bool_)


def claims(units: Units) -> Mask:
    """Whether each unit has the form that its frame id tells; asked only of its ethertype."""
    frames = _frames(units)
    mine = np.zeros(len(units), np.bool_)
    rows = frames.of(CYCLIC)
    if len(rows):
        status = _read(frames, rows, STATUS, STATUS.itemsize)
        mine[rows] = frames.end[rows] - frames.start[rows] >= _SHORTEST_CYCLIC
        mine[rows] &= (status["data"] & _RESERVED == 0) & (status["transfer"] == 0)
    for kind, dtype, check in ((DCP, DCP_HEADER, _dcp_fits), (ALARM, ALARM_HEADER, _alarm_fits)):
        rows = frames.of(kind)
        if len(rows):
            mine[rows] = check(frames, rows, _read(frames, rows, dtype))
    for kind, fits in ((PTCP, _ptcp_fits), (PIECE, _piece_fits)):
        rows = frames.of(kind)
        if len(rows):
            mine[rows] = fits(frames, rows)
    return mine


_SHORTEST_CYCLIC = 46  # frame id, at least 40 bytes, status; 4.7.2
_RESERVED = 0x48  # bits of the data status that are zero


def sides(units: Units) -> Ints:
    """DCP tells; who publishes to a group is the client; two that exchange data could be either.

    An alarm comes from a device, which is the server; its acknowledgement from a controller.
    """
    frames = _frames(units)
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    rows = frames.of(DCP)
    side[rows] = np.where(_read(frames, rows, DCP_HEADER)["type"] & 1, Side.RESPONSE, Side.REQUEST)
    side[_MULTICAST[frames.frame] | (frames.kind == PTCP)] = Side.REQUEST
    rows = frames.of(ALARM)
    rows = rows[_read(frames, rows, ALARM_HEADER)["type"] & 0x0F == DATA]
    at = frames.start[rows] + ALARM_HEADER.itemsize
    block, _ = gather(frames.buffer, at, frames.end[rows], ID)
    side[rows[np.isin(block, NOTIFICATIONS)]] = Side.RESPONSE
    side[rows[np.isin(block, NOTIFIED)]] = Side.REQUEST
    return side


# -------------------------------------------------------------------------------- split


def split(units: Units) -> Split:
    """Key: frame id and what is in front of this module. Tag: the counter that pairs or orders."""
    frames, count = _frames(units), len(units)
    none = np.zeros(count, np.int64)
    alone = np.ones(count, np.bool_)
    rows = frames.of(DCP)
    if len(rows):
        alone[rows] = _stand_alone(_read(frames, rows, DCP_HEADER), units.side[rows])
    result = Split(
        key_words=[frames.frame.astype(np.uint64)],
        key_start=units.start.copy(),
        key_length=none.copy(),
        tag=np.zeros(count, np.uint64),
        value_start=units.start + ID.itemsize,
        value_count=none.copy(),
        value_type=np.full(count, U8, np.uint8),
        malformed=units.start + ID.itemsize > units.end,
        alone=alone,
    )
    for kind, cut in _SPLITS.items():
        rows = np.arange(count) if (frames.kind == kind).all() else frames.of(kind)
        if len(rows):
            cut(result, frames, rows)
    return result


def _split_cyclic(result: Split, frames: _Frames, rows: I64) -> None:
    size = frames.end[rows] - frames.start[rows]
    status = _read(frames, rows, STATUS, STATUS.itemsize)
    told = status["data"].astype(np.int64) | status["transfer"].astype(np.int64) << 8
    result.key_words[0][rows] |= (told << 16 | size << 32).astype(np.uint64)
    result.tag[rows] = status["cycle"]
    result.value_count[rows] = np.maximum(size - ID.itemsize - STATUS.itemsize, 0)
    result.malformed[rows] = size <= ID.itemsize + STATUS.itemsize


def _split_dcp(result: Split, frames: _Frames, rows: I64) -> None:
    header = _read(frames, rows, DCP_HEADER)
    service, kind = header["service"].astype(np.int64), header["type"].astype(np.int64)
    result.key_words[0][rows] |= (service << 16 | kind << 24).astype(np.uint64)
    result.key_start[rows] = frames.start[rows] + DCP_HEADER.itemsize
    fits = _dcp_fits(frames, rows, header)
    result.key_length[rows] = np.where(fits, header["length"], 0)
    result.tag[rows] = header["xid"]
    result.malformed[rows] = ~fits


def _stand_alone(header: Header, side: Ints) -> Mask:
    """Of DCP: all but get and set, and those of them that come from the wrong side."""
    paired = (header["service"] == GET) | (header["service"] == SET)
    answers = header["type"] & 1 != 0
    return np.asarray(~paired | (answers != (side == Side.RESPONSE)), np.bool_)


def _split_alarm(result: Split, frames: _Frames, rows: I64) -> None:
    header = _read(frames, rows, ALARM_HEADER)
    told = header["type"].astype(np.uint64) << np.uint64(16)
    result.key_words[0][rows] |= told | header["flags"].astype(np.uint64) << np.uint64(24)
    result.key_start[rows] = frames.start[rows] + ALARM_HEADER.itemsize
    fits = _alarm_fits(frames, rows, header)
    result.key_length[rows] = np.where(fits, header["length"], 0)
    for name in ("target", "source", "sent", "acknowledged"):
        result.tag[rows] = result.tag[rows] << np.uint64(16) | header[name]
    result.malformed[rows] = ~fits


def _split_ptcp(result: Split, frames: _Frames, rows: I64) -> None:
    fits = _ptcp_fits(frames, rows)
    _, size = _first_blocks(frames.frame[rows])
    result.key_start[rows] = frames.start[rows] + _TLV
    result.key_length[rows] = np.where(fits, 2 + size, 0)
    at = frames.start[rows] + _SEQUENCE_AT
    result.tag[rows] = gather(frames.buffer, at, frames.end[rows], ID)[0]
    result.malformed[rows] = ~fits


_SEQUENCE_AT = 14  # of the sequence id of PTCP


def _split_piece(result: Split, frames: _Frames, rows: I64) -> None:
    at = frames.start[rows] + ID.itemsize
    head, _ = gather(frames.buffer, at, frames.end[rows], np.dtype(">u2"))
    result.key_words[0][rows] |= head.astype(np.uint64) << np.uint64(16)
    result.malformed[rows] = ~_piece_fits(frames, rows)


_SPLITS: dict[int, Callable[[Split, _Frames, I64], None]] = {
    CYCLIC: _split_cyclic,
    DCP: _split_dcp,
    ALARM: _split_alarm,
    PTCP: _split_ptcp,
    PIECE: _split_piece,
}

# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One frame, by its id."""
    frame = reader.u16()
    kind = int(_KINDS[frame])
    if kind == OTHER:
        note = "opaque: frame id that is reserved, or not known"
        return Message(f"unknown_{frame:#06x}", "config", note=note, left=reader.left())
    return _DECODERS[kind](reader, frame, side, request)


def _speaker(side: Side) -> str:
    return "server" if side == Side.RESPONSE else "client"


def _decode_cyclic(reader: Reader, frame: int, side: Side, _request: Message | None) -> Message:
    """Data of [61158] 4.7; the status says whether they are to be used."""
    size = reader.left() - STATUS.itemsize
    if size <= 0:
        raise Malformed(f"cyclic data of {size} bytes")
    reader.take(size + 2)
    status, transfer = reader.u8(), reader.u8()
    told = [word for word, bit, good in _STATUS_BITS if bool(status & bit) != good]
    if status & _RESERVED:
        told.append(f"status {status:#04x}")
    if transfer:
        told.append(f"transfer_status {transfer:#04x}")
    name = f"frame id {frame:#06x}"
    outcome = ", ".join(told) or ("ok" if side == Side.RESPONSE else "")
    elements = Elements(f"{name} byte", 0, size)
    return Message("cyclic_data", "report", name, outcome=outcome, elements=elements)


_STATUS_BITS = (  # what it means if a bit is not as it should be; 4.7.2.1
    ("backup", 0x01, True),
    ("redundancy", 0x02, False),
    ("invalid", 0x04, True),
    ("stop", 0x10, True),
    ("problem", 0x20, True),
    ("ignore", 0x80, False),
)


def _decode_piece(reader: Reader, frame: int, _side: Side, _request: Message | None) -> Message:
    size, status = reader.u8(), reader.u8()
    if 8 * size > reader.left():
        raise Malformed(f"piece of {8 * size} bytes")
    more = "" if status & 0x80 else ", the last"
    note = f"opaque: piece of a frame, number {status & 0x3F}, {size} times 8 bytes{more}"
    return Message("frame_piece", "report", f"frame id {frame:#06x}", note=note, left=8 * size)


def _decode_ptcp(reader: Reader, frame: int, side: Side, _request: Message | None) -> Message:
    """The first block of a message of [61158] 4.4."""
    name, cls = SYNC[frame]
    reader.at(_TLV)
    head = reader.u16()
    body = reader.part(head & 0x1FF)
    mac = body.take(6).hex(":")
    if head >> 9 == _PORT[0]:
        return Message(name, cls, facts=(Fact("port_mac", mac, _speaker(side)),))
    domain = str(UUID(bytes=body.take(16)))
    facts = (Fact("clock_master", mac, _speaker(side)), Fact("sync_domain", domain, _speaker(side)))
    return Message(name, cls, "time" if frame & 1 else "clock", facts=facts)


# --------------------------------------------------------------------------------- alarms


def _decode_alarm(reader: Reader, frame: int, side: Side, _request: Message | None) -> Message:
    """An alarm, or what its transport says of itself; [61158] 4.9."""
    reader.take(4)
    kind, flags = reader.u8() & 0x0F, reader.u8()
    reader.take(4)
    body = reader.part(reader.u16())
    priority = "high" if frame == HIGH else "low"
    waits = ", to be acknowledged" if flags & WANTS_ACKNOWLEDGE else ""
    if kind == DATA:
        return _alarm(body, side, priority)
    if kind == ERROR:
        return Message("alarm_transport_error", "session", priority, outcome=_status(body.u32()))
    name = "alarm_transport_reject" if kind == REJECT else "alarm_transport_acknowledge"
    return Message(name, "session", priority + waits)


def _alarm(body: Reader, side: Side, priority: str) -> Message:
    block, size = body.u16(), body.u16()
    version = body.u8(), body.u8()
    if size - 2 != body.left():
        raise Malformed(f"block of {size} bytes, {body.left() + 2} are there")
    kind, api, slot, subslot = body.u16(), body.u32(), body.u16(), body.u16()
    where = f"slot {slot} subslot {subslot:#06x}" + (f" api {api:#x}" if api else "")
    word = words.ALARMS.get(kind, f"alarm_{kind:#06x}")
    note = "" if version == (1, 0) else f"version {version[0]}.{version[1]}"
    if block in NOTIFIED:
        what = " ".join((priority, word, where, *_specifier(body)))
        return Message("alarm_acknowledge", "control", what, outcome=_status(body.u32()), note=note)
    if block not in NOTIFICATIONS:
        raise Malformed(f"block {block:#06x} in an alarm")
    module, submodule = body.u32(), body.u32()
    states = _specifier(body)
    facts = (Fact("module", f"{where} {module:#010x} {submodule:#010x}", _speaker(side)),)
    told, opaque, left = _channels(body)
    what = " ".join((priority, word, where, *told, *states))
    note = ", ".join(one for one in (note, opaque) if one)
    return Message("alarm", "report", what, facts=facts, note=note, left=left)


def _specifier(body: Reader) -> list[str]:
    """What kinds of diagnosis are present; the sequence number is passed over."""
    specifier = body.u16()
    bits = ((11, "channel"), (12, "manufacturer"), (13, "submodule"), (14, "reserved"), (15, "ar"))
    return [f"{word}_diagnosis" for bit, word in bits if specifier >> bit & 1]


def _channels(body: Reader) -> tuple[list[str], str, int]:
    """The channels that an alarm tells of; kind and bytes of what is not decoded."""
    told: list[str] = []
    while body.left():
        structure = body.u16()
        if structure not in (CHANNEL, EXTENDED_CHANNEL):
            kind = f"opaque: alarm data, structure {structure:#06x}"
            return told, kind, len(body.rest())
        channel, properties, error = body.u16(), body.u16(), body.u16()
        word = words.CHANNEL_ERRORS.get(error, f"error {error:#06x}")
        more = ""
        if structure == EXTENDED_CHANNEL:
            more = f" {body.u16():#06x} {body.u32():#010x}"
        told.append(f"channel {channel:#06x} {word}{more} properties {properties:#06x}")
    return told, "", 0


def _status(code: int) -> str:
    """The four bytes of a PNIO status, [61158] 5.2.6."""
    if not code:
        return "ok"
    first, decode_, second, third = code.to_bytes(4, "big")
    known = (first, decode_, second) == (words.RTA_ERROR, words.PNIO, words.CLASS_PROTOCOL)
    return words.ABORTS.get(third, f"abort {third}") if known else f"status {code:#010x}"


# ------------------------------------------------------------------------------------ DCP


@dataclass(frozen=True, slots=True)
class _Block:
    """One block of DCP: what it names, and what it says."""

    option: int
    suboption: int
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    error: str = "ok"

    @property
    def name(self) -> str:
        return _block_name(self.option, self.suboption)


def _block_name(option: int, suboption: int) -> str:
    return words.BLOCKS.get((option, suboption), f"option_{option:#04x}.{suboption}")


def _decode_dcp(reader: Reader, frame: int, side: Side, request: Message | None) -> Message:
    """[61158] 4.3: hello, identify, get and set."""
    service, kind = reader.u8(), reader.u8()
    if (frame << 16 | service << 8 | kind) not in _FORMS:
        raise Malformed(f"service {service} of type {kind} in frame {frame:#06x}")
    reader.take(6)
    body = reader.part(reader.u16())
    asks = kind == ASKS
    about = _speaker(side)
    if service == GET and asks:
        wanted = [_block_name(body.u8(), body.u8()) for _ in range(body.left() // 2)]
        return Message("get", "browse", ", ".join(wanted))
    tells = (service in (GET, IDENTIFY_SERVICE) and not asks) or service == HELLO_SERVICE
    blocks = list(_blocks(body, tells=tells, sets=service == SET and asks))
    if service == SET:
        return _asked(blocks) if asks else _set(blocks, kind, request, about)
    told = tuple(Fact(*fact, about) for block in blocks for fact in block.facts)
    outcome = _outcome(blocks, kind)
    if service == IDENTIFY_SERVICE and asks:
        return Message("identify", "browse", _listed(blocks))
    if service == IDENTIFY_SERVICE:
        return Message("identify", "browse", outcome=outcome, facts=told)
    if service == HELLO_SERVICE:
        return Message("hello", "report", facts=told)
    what = request.object if request else ", ".join(block.name for block in blocks)
    return Message("get", "browse", what, outcome=outcome, facts=told)


def _outcome(blocks: list[_Block], kind: int) -> str:
    errors = [block.error for block in blocks if block.error != "ok"]
    return "not_supported" if kind == NOT_SUPPORTED else errors[0] if errors else "ok"


def _listed(blocks: list[_Block]) -> str:
    return ", ".join(f"{block.name} {block.text}".rstrip() for block in blocks)


_ACTS = ("factory_reset", "reset_to_factory", "signal")  # the gravest first


def _act(names: list[str]) -> str:
    return next((name for name in _ACTS if name in names), "set")


def _asked(blocks: list[_Block]) -> Message:
    operation = _act([block.name for block in blocks])
    return Message(operation, _CLASSES[operation], _listed(blocks))


def _set(blocks: list[_Block], kind: int, request: Message | None, about: str) -> Message:
    """The answer to a request to set; what was set is true of the device from now on."""
    for block in blocks:
        if block.name != "response":
            raise Malformed(f"{block.name} in an answer to set")
    if request is not None:
        operation, what = request.operation, request.object
    else:
        operation = _act([block.text for block in blocks])
        what = ", ".join(block.text for block in blocks)
    outcome = _outcome(blocks, kind)
    facts: tuple[Fact, ...] = ()
    if request is not None and request.operation in ("set", *_ACTS) and outcome == "ok":
        facts = tuple(Fact(*fact, about) for fact in _now_set(what))
    asked = {part.partition(" ")[0] for part in what.split(", ")}
    strange = [block.text for block in blocks if block.text not in asked]
    note = f"answers {', '.join(strange)}" if strange else ""
    cls = _CLASSES.get(operation, "config")
    return Message(operation, cls, what, outcome=outcome, facts=facts, note=note)


def _now_set(what: str) -> Iterator[tuple[str, str]]:
    """What the object of a request to set says of the device; see `_shown`."""
    for part in what.split(", "):
        if found := _SET_NAME.fullmatch(part):
            yield "name", json.loads(found[1]) if found[1].startswith('"') else found[1]
        elif found := _SET_ADDRESS.fullmatch(part):
            yield from _address_facts(*found.groups())


_SET_NAME = re.compile(r"name (\S+) \S+")
_SET_ADDRESS = re.compile(r"ip_address (\S+) network_mask (\S+) gateway (\S+) \S+")


def _blocks(body: Reader, *, tells: bool, sets: bool) -> Iterator[_Block]:
    """Blocks: option, suboption, length, and info or qualifier; each padded to an even length."""
    while body.left():
        option, suboption = body.u8(), body.u8()
        size = body.u16()
        content = body.part(size)
        if size % 2 and body.left():
            body.take(1)
        mark = None
        if (tells or sets) and option != words.ALL and (size or option != words.CONTROL):
            mark = content.u16()
        yield _block(option, suboption, content, mark, sets=sets)


def _block(option: int, suboption: int, content: Reader, mark: int | None, *, sets: bool) -> _Block:
    """What one block says; ``mark``: its info, or if it ``sets`` its qualifier."""
    name = _block_name(option, suboption)
    if name == "response":
        told = _block_name(content.u8(), content.u8())
        code = content.u8()
        error = words.BLOCK_ERRORS.get(code, f"error {code}")
        return _Block(option, suboption, told, error=error)
    note: tuple[tuple[str, str], ...] = ()
    if mark and not sets and name not in _ADDRESSES:
        note = (("dcp_block_info", f"{name} {mark:#06x}"),)
    if name in _CONTENTS:
        text, facts = _CONTENTS[name](content)
    else:
        raw = content.take(content.left())
        text, facts = raw.hex(), (((name, raw.hex()),) if raw else ())
    if content.left():
        raise Malformed(f"{content.left()} bytes too many in {name}")
    if sets and mark is not None:
        text = f"{text} {_qualifier(name, mark)}".strip()
    elif name in _ADDRESSES and mark is not None:
        facts = (*facts, *_assignment(mark))
    return _Block(option, suboption, text, (*facts, *note))


_ADDRESSES = ("ip_address", "ip_suite")
NO_ADDRESS = ".".join("0000")


def _qualifier(name: str, mark: int) -> str:
    """How long what is set is to last, or what a reset resets; 4.3.1.4.1."""
    if name == "reset_to_factory" and mark >> 1:
        return words.RESETS.get(mark & ~1, f"qualifier {mark:#06x}")
    return {0: "temporary", 1: "permanent"}.get(mark, f"qualifier {mark:#06x}")


def _assignment(mark: int) -> tuple[tuple[str, str], ...]:
    how = words.ADDRESSES.get(mark & ~words.CONFLICT, f"info {mark:#06x}")
    facts = (("ip_assignment", how),)
    return (*facts, ("ip_conflict", "true")) if mark & words.CONFLICT else facts


Told = tuple[str, tuple[tuple[str, str], ...]]  # text, facts


def _shown(text: str) -> str:
    """A text within an object: as it is where it is one word, else quoted and without commas."""
    if text and all((one.isalnum() and one.isascii()) or one in ".-_%+" for one in text):
        return text
    return json.dumps(text).replace(",", "\\u002c").replace(" ", "\\u0020")


def _text(attribute: str) -> Callable[[Reader], Told]:
    def read(content: Reader) -> Told:
        text = content.rest().decode("ascii", "backslashreplace").rstrip("\0")
        return _shown(text), (((attribute, text),) if text else ())

    return read


def _number(attribute: str, size: int) -> Callable[[Reader], Told]:
    def read(content: Reader) -> Told:
        text = f"0x{content.take(size).hex()}"
        return text, ((attribute, text),)

    return read


def _two(first: str, second: str) -> Callable[[Reader], Told]:
    def read(content: Reader) -> Told:
        one, other = (f"0x{content.take(2).hex()}" for _ in range(2))
        return f"{one} {other}", ((first, one), (second, other))

    return read


def _dotted(content: Reader) -> str:
    return ".".join(map(str, content.take(4)))


def _address(content: Reader) -> Told:
    address, mask, gateway = (_dotted(content) for _ in range(3))
    text = f"{address} network_mask {mask} gateway {gateway}"
    return text, tuple(_address_facts(address, mask, gateway))


def _address_facts(address: str, mask: str, gateway: str) -> Iterator[tuple[str, str]]:
    told = (("ip_address", address), ("network_mask", mask), ("gateway", gateway))
    yield from (fact for fact in told if fact[1] != NO_ADDRESS)


def _suite(content: Reader) -> Told:
    text, facts = _address(content)
    servers = [one for one in (_dotted(content) for _ in range(4)) if one != NO_ADDRESS]
    return " ".join((text, *servers)), (*facts, *(("name_server", one) for one in servers))


def _role(content: Reader) -> Told:
    bits, reserved = content.u8(), content.u8()
    if reserved:
        raise Malformed(f"reserved byte {reserved:#04x}")
    roles = [word for bit, word in words.ROLES.items() if bits & bit]
    if rest := bits & ~sum(words.ROLES):
        roles.append(f"{rest:#04x}")
    return " ".join(roles), tuple(("role_hint", role) for role in roles)


def _options(content: Reader) -> Told:
    names = [_block_name(content.u8(), content.u8()) for _ in range(content.left() // 2)]
    text = " ".join(names)
    return text, (("dcp_options", text),)


def _mac(content: Reader) -> Told:
    text = content.take(6).hex(":")
    return text, (("mac", text),)


def _instance(content: Reader) -> Told:
    text = f"{content.u8()}.{content.u8()}"
    return text, (("instance", text),)


def _initiative(content: Reader) -> Told:
    value = content.u16()
    text = {0: "no_hello", 1: "hello"}.get(value, f"{value:#06x}")
    return text, (("initiative", text),)


def _signal(content: Reader) -> Told:
    value = content.u16()
    return "flash_once" if value == 0x0100 else f"{value:#06x}", ()


def _nothing(_content: Reader) -> Told:
    return "", ()


_CONTENTS: dict[str, Callable[[Reader], Told]] = {
    "mac": _mac,
    "ip_address": _address,
    "ip_suite": _suite,
    "station_type": _text("product_name"),
    "name": _text("name"),
    "device_id": _two("vendor_id", "device_id"),
    "role": _role,
    "options": _options,
    "alias": _text("alias"),
    "instance": _instance,
    "oem_device_id": _two("oem_vendor_id", "oem_device_id"),
    "rsi_properties": _number("rsi_properties", 2),
    "tsn_domain_name": _text("tsn_domain"),
    "initiative": _initiative,
    "start_transaction": _nothing,
    "end_transaction": _nothing,
    "signal": _signal,
    "factory_reset": _nothing,
    "reset_to_factory": _nothing,
    "all": _nothing,
}
_DECODERS: dict[int, Callable[[Reader, int, Side, Message | None], Message]] = {
    CYCLIC: _decode_cyclic,
    DCP: _decode_dcp,
    ALARM: _decode_alarm,
    PTCP: _decode_ptcp,
    PIECE: _decode_piece,
}


def _counters(units: Units, split: Split) -> tuple[Mask, U64, U64]:
    """The cycle counters of cyclic data, [PN] 4.7.2.1.3.2."""
    frames = _frames(units)
    return frames.kind == CYCLIC, frames.frame.astype(np.uint64), split.tag


def _verdict(before: U64, now: U64) -> Ints:
    """It goes on by as many steps of 31.25 us as the cycle takes, which only the sender knows."""
    step = (now - before) & np.uint64(0xFFFF)
    return np.select([step == 0, step < 0x8000], [REPEATS, FOLLOWS], RETURNS)


HALF_ROUND_NS = 0x8000 * 31_250  # behind it none can tell ahead from back
COUNTING = Counting(_counters, _verdict, HALF_ROUND_NS)


PROTOCOL = Protocol(
    name="profinet",
    title="PROFINET DCP and RT",
    standard="IEC 61158-6-10",
    transports=frozenset({"ethernet"}),
    ports=frozenset({ETHERTYPE}),
    framings=(PROFINET_RT,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=(
        "name", "product_name", "vendor_id", "device_id", "role_hint", "ip_address",
        "network_mask", "gateway", "name_server", "ip_assignment", "ip_conflict", "mac", "alias",
        "instance", "oem_vendor_id", "oem_device_id", "rsi_properties", "initiative", "dcp_options",
        "dcp_block_info", "module", "port_mac", "clock_master", "sync_domain", "tsn_domain",
        *(name for name in words.BLOCKS.values() if name not in _CONTENTS),
    ),
    routine=frozenset({"alarm_transport_acknowledge"}),
    counting=COUNTING,
)  # fmt: skip
