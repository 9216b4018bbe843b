"""EtherNet/IP and CIP on TCP and UDP, read passively; PCCC inside CIP.

Sources: [CIP1] The CIP Networks Library, Volume 1 (CIP), 3.29; [CIP2] Volume 2 (EtherNet/IP), 1.27;
[DATA] Logix 5000 Data Access, 1756-PM020; [DF1] DF1 Protocol and Command Set, 1770-6.5.16.

The operation of a unit that carries a CIP message is the message's service; the commands of the
encapsulation are operations only where they carry none. The services of a Multiple_Service_Packet
are items. An Unconnected_Send is taken off: what it carries is told, its route is the device.

The key of a message is its service and path, and of its body what names the object. Session,
sender context, sequence counts, connection ids and serial numbers, transaction numbers of PCCC and
values are not in it. Which form a body has is told by the columns (`Cut`) and in plain Python
alike, as the form is a part of the key and the bytes that show it may not be.

A response does not say of which class its attributes are. So attributes that look like an identity,
a name or an address belong to the key, and become facts if the request asked for those; others are
values, or are counted as opaque.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather, span_word
from otsec.errors import Malformed, Truncated
from otsec.protocols.api import (
    U8,
    Contexts,
    Elements,
    Fact,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.cip.attributes import dotted, identity_facts, read_identity
from otsec.protocols.cip.codes import (
    CLOSE,
    EMBEDDED,
    LARGE_OPEN,
    MULTIPLE,
    MULTIPLE_FRONT,
    OPEN,
    PCCC_CLASS,
    REPLY,
    SEND,
    SEND_FRONT,
    SYMBOL_CLASS,
)
from otsec.protocols.cip.cut import (
    HEAD,
    LIST,
    TELLING,
    WORD,
    Cut,
    Messages,
    cut_lists,
    cut_messages,
    octet,
    read_messages,
    u16_at,
    unwrap,
)
from otsec.protocols.cip.messages import (
    joined,
    read_opening,
    read_send,
    read_service,
)
from otsec.protocols.cip.paths import text_of
from otsec.protocols.cip.said import MISMATCH, UNKNOWN_DEVICE, UNKNOWN_OBJECT
from otsec.protocols.framing.enip import (
    CONNECTED_DATA,
    ENCAPSULATION,
    FRONT,
    HEADER,
    IO_HEADER,
    OPTIONS,
    SEQUENCED_ADDRESS,
    is_io,
)
from otsec.protocols.transfers.cip import TRANSFERS
from otsec.protocols.words import enip as words

NOP, LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES = 0x00, 0x04, 0x63, 0x64
REGISTER, UNREGISTER, RR_DATA, UNIT_DATA = 0x65, 0x66, 0x6F, 0x70
INDICATE_STATUS, CANCEL = 0x72, 0x73
IO = 0x100  # stands for a command where a datagram of connected data has none
NO_COMMAND = 0x101  # stands for all that is none
LISTS = (LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES)

NULL_ADDRESS, CONNECTED_ADDRESS, UNCONNECTED_DATA = 0x00, 0xA1, 0xB2  # items, [CIP2] 2-6
IDENTITY_ITEM, SERVICES_ITEM = 0x0C, 0x100
MOST_ITEMS = 8  # of a common packet: an address, data, two sockets, and room for what is to come

# --------------------------------------------------------------- what stands around messages

_PACKET = np.dtype(
    [
        ("interface", "<u4"),
        ("timeout", "<u2"),
        ("count", "<u2"),
        ("address_type", "<u2"),
        ("address_length", "<u2"),
    ]
)
_ITEM = np.dtype([("type", "<u2"), ("length", "<u2")])
_ONE_WAY = np.isin(np.arange(NO_COMMAND + 1), (NOP, UNREGISTER, INDICATE_STATUS, CANCEL, IO))
_ODD = [np.uint64(0x9E3779B97F4A7C15 * odd & (1 << 64) - 1 | 1) for odd in (1, 3, 5, 7)]


@dataclass(frozen=True, slots=True)
class _Envelopes:
    """Units as columns: where the CIP message of each stands, and what is around it."""

    command: I64
    status: I64
    session: U64
    start: I64  # of the message; equal to ``end`` where there is none
    end: I64
    sequence: U64  # counts of connected messages; sender contexts of the others
    fits: Mask


def _envelopes(units: Units) -> _Envelopes:
    buffer, start, end = units.buffer, units.start, units.end
    header, whole = gather(buffer, start, end, HEADER)
    command = np.minimum(header["command"].astype(np.int64), NO_COMMAND)
    session = header["session"].astype(np.uint64)
    status = header["status"].astype(np.int64)
    sequence, _ = gather(buffer, start + 12, end, np.dtype("<u8"))
    options, here = gather(buffer, start + FRONT - OPTIONS.itemsize, end, OPTIONS)
    fits = whole & here & (options == 0) & (start + FRONT + header["length"] == end)
    fits &= (command < IO) & (status <= 0xFFFF)
    sequence = sequence.astype(np.uint64)
    at, stop = end.copy(), end.copy()
    other = np.flatnonzero(command >= 2)
    other = other[command[other] == 2]
    if len(other):
        io = header[other].view(IO_HEADER).reshape(-1)
        length = is_io(io)
        other, io, length = other[length > 0], io[length > 0], length[length > 0]
        command[other], status[other] = IO, 0
        session[other] = io["connection"]
        count, _ = gather(buffer, start[other] + IO_HEADER.itemsize, end[other], WORD)
        sequence[other] = io["sequence"] | count.astype(np.uint64) << np.uint64(32)
        fits[other] = start[other] + length == end[other]
    rows = np.flatnonzero(((command == RR_DATA) | (command == UNIT_DATA)) & (status == 0))
    if len(rows):
        connected = command[rows] == UNIT_DATA
        at[rows], stop[rows], right = _carried(buffer, start[rows] + FRONT, end[rows], connected)
        fits[rows] &= right
        count, _ = gather(buffer, at[rows] - 2, end[rows], WORD)
        sequence[rows] = np.where(connected, count, sequence[rows])
    return _Envelopes(command, status, session, at, stop, sequence, fits)


def _carried(buffer: Bytes, at: I64, end: I64, connected: Mask) -> tuple[I64, I64, Mask]:
    """The CIP messages of common packets: (start, end, whether the packets are right)."""
    packet, _ = gather(buffer, at, end, _PACKET)
    length = packet["address_length"].astype(np.int64)
    fits = (packet["interface"] == 0) & (packet["count"] >= 2) & (packet["count"] <= MOST_ITEMS)
    fits &= packet["address_type"] == np.where(connected, CONNECTED_ADDRESS, NULL_ADDRESS)
    fits &= length == np.where(connected, 4, 0)
    data = at + _PACKET.itemsize + length
    item, here = gather(buffer, data, end, _ITEM)
    fits &= here & (item["type"] == np.where(connected, CONNECTED_DATA, UNCONNECTED_DATA))
    message = data + _ITEM.itemsize + 2 * connected
    stop = data + _ITEM.itemsize + item["length"]
    fits &= (message + 2 <= stop) & (stop <= end)
    behind, left = stop.copy(), packet["count"].astype(np.int64) - 2
    rows = np.flatnonzero(fits & (left > 0))
    while len(rows):
        more, here = gather(buffer, behind[rows], end[rows], _ITEM)
        behind[rows] += np.where(here, _ITEM.itemsize + more["length"].astype(np.int64), 0)
        left[rows] -= here
        rows = rows[here & (left[rows] > 0) & (behind[rows] <= end[rows])]
    fits &= (left == 0) & (behind == end)
    return np.where(fits, message, end), np.where(fits, stop, end), fits


# ------------------------------------------------------------------------ units and items


def split(units: Units) -> Split:
    """Key: command and status, and of a CIP message what `Cut` says. Tag: see `_tags`."""
    around = _envelopes(units)
    cut = cut_messages(read_messages(units.buffer, around.start, around.end))
    malformed = ~around.fits
    carries = around.start < around.end
    malformed |= carries & ~_consistent(cut.messages, units.side)
    _add_bodies(cut, units, around, np.flatnonzero(~carries & ~malformed))
    listing = np.flatnonzero((cut.plan == LIST) & carries & ~malformed)
    if len(listing):
        malformed[listing] = ~cut_lists(cut.messages.take(listing))[3]
    form = around.command.astype(np.uint64) | around.status.astype(np.uint64) << np.uint64(16)
    empty = (units.end - units.start == FRONT).astype(np.uint64)
    form |= cut.messages.reply.astype(np.uint64) << np.uint64(32) | empty << np.uint64(33)
    named = np.where(around.command == IO, around.session, 0)
    return cut.split(
        [form, named], _tags(around, cut.messages), malformed, _ONE_WAY[around.command]
    )


def _consistent(messages: Messages, side: Ints) -> Mask:
    """Whether messages are whole, and of the side that sent them."""
    return np.asarray(
        messages.fits & ((side == Side.UNKNOWN) | (messages.reply == (side == Side.RESPONSE)))
    )


def _add_bodies(cut: Cut, units: Units, around: _Envelopes, rows: I64) -> None:
    """What units without a CIP message have instead: the bodies of commands, connected data."""
    if not len(rows):
        return
    command, start, end = around.command[rows], units.start[rows], units.end[rows]
    io = command == IO
    body = start + np.where(io, IO_HEADER.itemsize, FRONT)
    told = np.isin(command, (*LISTS, REGISTER)) & (around.status[rows] == 0)
    cut.plan[rows] = HEAD
    cut.key_start[rows], cut.key_end[rows] = body, np.where(told, end, body)
    counted = body + 2  # behind the sequence count of transport class 1, [CIP1] 3-4.4
    cut.value_start[rows] = counted
    cut.value_count[rows] = np.where(io & (counted < end), end - counted, 0)
    cut.value_type[rows] = U8


def _tags(around: _Envelopes, messages: Messages) -> U64:
    """Pairs responses with requests: the sender's context; of connected messages their count.

    The two directions of a connection have different ids, so a count is not unique among several
    connections of one session: the service makes it so in nearly all cases.
    """
    tag = around.sequence * _ODD[0] + around.command.astype(np.uint64) * _ODD[1]
    sessions = np.isin(around.command, (RR_DATA, UNIT_DATA, IO))
    tag += np.where(sessions, around.session, 0).astype(np.uint64) * _ODD[2]
    service = np.where(around.command == UNIT_DATA, messages.service, 0)
    return np.asarray(tag + service.astype(np.uint64) * _ODD[3])


def items(units: Units) -> Items:
    """The services that Multiple_Service_Packets list."""
    likely = np.flatnonzero(_LISTING[_service(units)])
    some = _take(units, likely)
    around = _envelopes(some)
    messages = unwrap(read_messages(units.buffer, around.start, around.end))[0]
    status = octet(messages.head, 2)
    tells = ~messages.reply | TELLING[status] | (status == EMBEDDED)
    lists = (messages.service == MULTIPLE) & messages.fits & around.fits & tells
    rows = np.flatnonzero(lists & (around.start < around.end))
    owner, start, end, right = cut_lists(messages.take(rows))
    if not right.all():
        kept = np.flatnonzero(right[owner])
        owner, start, end = owner[kept], start[kept], end[kept]
    cut = cut_messages(read_messages(units.buffer, start, end))
    none = np.zeros(len(owner), np.uint64)
    return Items(likely[rows[owner]], start, end, cut.split([], none, ~cut.messages.fits, None))


def _take(units: Units, rows: I64) -> Units:
    """Some of the units."""
    return Units(
        units.buffer, units.start[rows], units.end[rows], units.side[rows],
        units.framing[rows], units.kind[rows],
    )  # fmt: skip


def _service(units: Units) -> Ints:
    """The byte where a service stands, if a unit carries a message in the usual two items."""
    command, _ = gather(units.buffer, units.start, units.end, WORD)
    at = units.start + np.where(command == UNIT_DATA, _CONNECTED_FRONT, _UNCONNECTED_FRONT)
    service, _ = gather(units.buffer, at, units.end, np.dtype("u1"))
    sent = np.flatnonzero(service == SEND)  # what an Unconnected_Send carries counts
    if len(sent):
        inner = at[sent] + len(SEND_FRONT) + 4
        service[sent], _ = gather(units.buffer, inner, units.end[sent], np.dtype("u1"))
    return np.where((command == UNIT_DATA) | (command == RR_DATA), service, 0)


_UNCONNECTED_FRONT = FRONT + _PACKET.itemsize + _ITEM.itemsize
_CONNECTED_FRONT = _UNCONNECTED_FRONT + 6  # a connection id and a sequence count
_LISTING = np.arange(256) & 0x7F == MULTIPLE


# -------------------------------------------------------------------- claims, sides, contexts


def claims(units: Units) -> Mask:
    """Whether each unit is EtherNet/IP beyond reasonable doubt.

    Its lengths agree from outside to inside, and its body is one that its command has.
    """
    around = _envelopes(units)
    messages = read_messages(units.buffer, around.start, around.end)
    command, size = around.command, units.end - units.start - FRONT
    known = np.isin(around.status, list(words.STATUSES))
    body = span_word(units.buffer, units.start + FRONT, size, 0)
    carries = (
        (around.start < around.end) & messages.fits & (messages.reply | _path_likely(messages))
    )
    mine = carries & (around.session != 0)
    mine |= (command == REGISTER) & (size == 4) & (u16_at(body, 0) == 1) & (u16_at(body, 2) == 0)
    mine |= (command == UNREGISTER) & (size == 0) & (around.session != 0) & (around.status == 0)
    mine |= (command == LIST_IDENTITY) & (size == 0) & (around.session == 0) & (around.status == 0)
    identity = (
        (u16_at(body, 0) == 1) & (u16_at(body, 2) == IDENTITY_ITEM) & (u16_at(body, 4) == size - 6)
    )
    mine |= (command == LIST_IDENTITY) & identity & (size > 38)
    services = (
        (u16_at(body, 0) == 1) & (u16_at(body, 2) == SERVICES_ITEM) & (u16_at(body, 4) == size - 6)
    )
    mine |= (command == LIST_SERVICES) & services & (size == 26)
    mine |= (command == IO) & (around.session != 0) & (units.end - units.start > IO_HEADER.itemsize)
    return np.asarray(mine & around.fits & known)


def claims_at_home(units: Units) -> Mask:
    """Whether each unit asks for a list: zeros but for the command, so the port must speak for it."""
    around = _envelopes(units)
    asks = np.isin(around.command, LISTS) & (units.end - units.start == FRONT)
    return np.asarray(asks & around.fits & (around.session == 0) & (around.status == 0))


_SEGMENTS = np.isin(np.arange(256), (0x20, 0x21, 0x91, *range(1, 16)))


def _path_likely(messages: Messages) -> Mask:
    """Whether a request's path begins as one may: with a class, a name, or a port."""
    return _SEGMENTS[octet(messages.head, 2)] & (messages.body > messages.start + 2)


def sides(units: Units) -> Ints:
    """The side by the reply bit of messages, by body and session of commands."""
    around = _envelopes(units)
    service, _ = gather(units.buffer, around.start, around.end, np.dtype("u1"))
    carries = around.start < around.end
    answers = np.where(carries, service >= REPLY, around.status != 0)
    answers |= np.isin(around.command, LISTS) & (units.end - units.start > FRONT)
    answers |= (around.command == REGISTER) & (around.session != 0)
    side = np.where(answers, Side.RESPONSE, Side.REQUEST)
    either = _ONE_WAY[around.command] & (around.command != UNREGISTER)
    return np.where(either | ~around.fits, Side.UNKNOWN, side).astype(np.uint8)


def _context_names(units: Units) -> U64:
    """Connection ids, which are what connected units name; never 0, which is no name."""
    first, _ = gather(units.buffer, units.start, units.end, np.dtype("<u4"))
    io = first == _IO_FRONT
    connected = first & np.uint32(0xFFFF) == UNIT_DATA
    at = units.start + np.where(io, _IO_ID, _CONNECTED_ID)
    connection, here = gather(units.buffer, at, units.end, np.dtype("<u4"))
    return np.where((io | connected) & here, connection | _NAMED, np.uint64(0))


_NAMED = np.uint64(1 << 32)
_IO_FRONT = SEQUENCED_ADDRESS << 16 | 2  # number of items and type of the first
_IO_ID, _CONNECTED_ID = 6, FRONT + _PACKET.itemsize


def _sets_context(units: Units) -> Mask:
    """Units that open or close connections, or as well may be others with the same codes."""
    return np.asarray(_SETTING[_service(units)])


_SETTING = np.isin(np.arange(256) & 0x7F, (OPEN, LARGE_OPEN, CLOSE))


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct request or response, or one service of a Multiple_Service_Packet.

    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts [CIP1] or
    [CIP2].
    """
    data = reader.data
    if data[:4] == b"\x02\x00\x02\x80":
        return _io_data(data, reader.context)
    unit = Reader(data)
    command, length, _session, status = (
        unit.u16le(), unit.u16le(), unit.u32le(), unit.u32le(),
    )  # fmt: skip
    unit.take(8)
    if unit.u32le() or status > 0xFFFF:
        raise Malformed("options, or a status that is none")
    body = unit.take(length)
    if unit.left():
        raise Malformed(f"{unit.left()} bytes behind the message")
    if command in (RR_DATA, UNIT_DATA) and status == 0:
        begin, end, device = _span(data, command, reader.context)
        try:
            return _carried_message(reader, (begin, end), device, side, request)
        except Truncated as error:  # the unit is whole, so its content contradicts its length
            raise Malformed(str(error)) from error
    return _command_message(command, status, body, side, request)


def _span(data: bytes, command: int, context: str) -> tuple[int, int, str]:
    """Where the CIP message stands, and the device at the other end of its connection."""
    unit = Reader(data, FRONT)
    interface, _timeout, count = unit.u32le(), unit.u16le(), unit.u16le()
    connected = command == UNIT_DATA
    kind, address = unit.u16le(), unit.take(unit.u16le())
    data_kind, size = unit.u16le(), unit.u16le()
    expected = (CONNECTED_ADDRESS, 4, CONNECTED_DATA) if connected else (0, 0, UNCONNECTED_DATA)
    if interface or (kind, len(address), data_kind) != expected:
        raise Malformed(f"items {kind:#04x} and {data_kind:#04x} on interface {interface}")
    begin, end = unit.offset + 2 * connected, unit.offset + size
    unit.at(end)
    for _ in range(count - 2):
        unit.u16le()
        unit.take(unit.u16le())
    if unit.left() or not 2 <= count <= MOST_ITEMS or begin + 2 > end:
        raise Malformed(f"{count} items")
    return begin, end, _connected_device(context) if connected else ""


def _carried_message(
    reader: Reader, span: tuple[int, int], device: str, side: Side, request: Message | None
) -> Message:
    data = reader.data[span[0] : span[1]]
    route = read_send(data)
    if route is not None:
        data, path = route
        device = joined(device, path)
    if reader.item is not None:
        if data[0] == MULTIPLE and not data.startswith(MULTIPLE_FRONT):
            raise Malformed("a multiple service packet that is not for the message router")
        data = reader.data[reader.item[0] : reader.item[1]]
        inner = read_send(data)
        if inner is not None:
            data, path = inner
            device = joined(device, path)
    return read_service(data, device, side, request)


# -------------------------------------------------------------------- commands, connected data


def _command_message(
    command: int, status: int, body: bytes, side: Side, request: Message | None
) -> Message:
    """A command without a CIP message, [CIP2] 2-4."""
    name, cls = words.COMMANDS.get(command) or (f"unknown_{command:#04x}", words.UNKNOWN_CLASS)
    if command in (RR_DATA, UNIT_DATA) and not status:
        raise Malformed("no message")
    if side == Side.REQUEST and status:
        raise Malformed(f"a request with status {status:#x}")
    outcome = words.STATUSES.get(status, f"{status:#x}") if side == Side.RESPONSE else ""
    object_, device = "", ""
    if command == REGISTER and not status:
        version, flags = Reader(body).u16le(), Reader(body, 2).u16le()
        if len(body) != 4 or flags:
            raise Malformed(f"{len(body)} bytes, flags {flags:#x}")
        object_ = f"protocol version {version}"
    if request is not None and side == Side.RESPONSE:
        if name != request.operation and command not in (RR_DATA, UNIT_DATA):
            outcome = MISMATCH
        name, cls, device = request.operation, request.cls, request.device
        object_ = request.object or object_
    if status or command not in LISTS:
        left = len(body) if command != REGISTER else 0
        note = OPAQUE_BODY if left else ""
        return Message(name, cls, object_, device, outcome, note=note, left=left)
    if side == Side.REQUEST or (side == Side.UNKNOWN and not body):
        if body:
            raise Malformed(f"{name} with {len(body)} bytes")
        return Message(name, cls)
    facts, left = _items_told(Reader(body))
    note = OPAQUE_ITEM if left else ""
    return Message(name, cls, "", "", outcome, facts=facts, note=note, left=left)


OPAQUE_BODY = "opaque: body of a command that leaves it open"
OPAQUE_ITEM = "opaque: items that are neither identity nor services"


def _items_told(body: Reader) -> tuple[tuple[Fact, ...], int]:
    """Items of the answers to lists, [CIP2] 2-4.2 to 2-4.4: facts, and bytes not told."""
    facts: list[Fact] = []
    left = 0
    try:
        for _ in range(body.u16le()):
            kind, item = body.u16le(), Reader(body.take(body.u16le()))
            read = _ITEMS.get(kind)
            if read is None:
                left += item.left()
                continue
            facts += read(item)
            if item.left():
                raise Malformed(f"{item.left()} bytes behind an item")
    except Truncated as error:
        raise Malformed(str(error)) from error
    if body.left():
        raise Malformed(f"{body.left()} bytes behind the items")
    return tuple(facts), left


def _identity_item(item: Reader) -> tuple[Fact, ...]:
    """[CIP2] 2-4.2.3: version, socket address (most significant byte first), identity, state."""
    version, family, port = item.u16le(), item.u16(), item.u16()
    address, zero = item.u32(), item.u64()
    if version != 1 or family != 2 or zero:
        raise Malformed(f"identity of version {version}, family {family}")
    told = read_identity(item)
    state = identity_facts({8: bytes([item.u8()])})
    where = [Fact("ip_address", dotted(address))] if address else []
    return (*told, *state, *where, Fact("enip_port", str(port)))


def _services_item(item: Reader) -> tuple[Fact, ...]:
    """[CIP2] 2-4.6: version, flags (CIP over TCP, class 0 and 1 over UDP), a name of 16 bytes."""
    version, flags = item.u16le(), item.u16le()
    name, _, rest = item.take(16).partition(b"\0")
    if rest.strip(b"\0") or version != 1:
        raise Malformed(f"services of version {version}")
    over = [word for bit, word in _CAPABILITIES.items() if flags & bit]
    other = flags & ~sum(_CAPABILITIES)
    over += [f"{other:#06x}"] if other else []
    return (Fact("enip_service", f"{text_of(name)}: {', '.join(over)}"),)


_CAPABILITIES = {0x0020: "CIP over TCP", 0x0100: "class 0 and 1 over UDP"}
_ITEMS = {IDENTITY_ITEM: _identity_item, SERVICES_ITEM: _services_item}


def _io_data(data: bytes, context: str) -> Message:
    """Cyclic data of a connection, as bytes behind the sequence count of transport class 1."""
    unit = Reader(data)
    count, _, _, connection, _ = (
        unit.u16le(), unit.u16le(), unit.u16le(), unit.u32le(), unit.u32le(),
    )  # fmt: skip
    kind, size = unit.u16le(), unit.u16le()
    if count != 2 or data[4:6] != b"\x08\0" or kind != CONNECTED_DATA or size != unit.left():
        raise Malformed(f"{count} items, {size} bytes of data")
    known = json.loads(context) if context else {}
    object_ = known.get("object", UNKNOWN_OBJECT)
    device = known.get("device", UNKNOWN_DEVICE)
    name, cls = words.IO_DATA
    if size <= 2:
        return Message(name, cls, object_, device)
    space = object_ if known else f"connection {connection:#010x}"
    first = 2 if known.get("transport") == 0 else 0
    return Message(name, cls, object_, device, elements=Elements(space, first, size - 2))


def _connected_device(context: str) -> str:
    """The device at the other end of a connection; what was never opened is not known."""
    return str(json.loads(context)["device"]) if context else UNKNOWN_DEVICE


def learn(reader: Reader, side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """What Forward_Opens say of the connections with the ids that their responses give.

    ``memory``: by the serial number of a connection and its originator, what was asked for, then
    the ids.
    """
    data = reader.data
    command = int.from_bytes(data[:2], "little")
    begin, end, device = _span(data, command, "")
    message = data[begin:end]
    sent = read_send(message)
    message, route = sent if sent is not None else (message, "")
    if message[0] in (OPEN, LARGE_OPEN):
        _propose(message, joined(route, "" if command == RR_DATA else device), memory)
        return []
    if side != Side.RESPONSE or len(message) < 14 or message[1:4] != b"\0\0\0":
        return []
    service = message[0] & 0x7F
    if service == CLOSE:
        ids = memory.pop(message[4:12].hex(), [])[4:]
        return [(one, "") for one in ids]
    name = message[12:20].hex()
    proposed = memory.get(name)
    if service not in (OPEN, LARGE_OPEN) or proposed is None:
        return []
    ids = [int.from_bytes(message[at : at + 4], "little") | int(_NAMED) for at in (4, 8)]
    memory[name] = [*proposed[:4], *ids]
    where, transport, to, back = proposed[:4]
    return [
        (one, json.dumps({"device": where, "transport": transport, "object": f"{point} {way}"}))
        for one, point, way in zip(ids, (to, back), ("O->T", "T->O"), strict=True)
    ]


def _propose(message: bytes, device: str, memory: dict[str, Any]) -> None:
    body = Reader(message, 2 + 2 * message[1])
    opening = read_opening(body, large=message[0] == LARGE_OPEN)
    where = joined(device, opening.path.route)
    memory[opening.name] = [where, opening.transport & 0x0F, *opening.points]


# ---------------------------------------------------------------------------- the protocol


def _operations() -> tuple[Operation, ...]:
    """All operations; the code is the command, or the service below the class it is of."""
    found = [Operation(name, cls, code) for code, (name, cls) in words.COMMANDS.items()]
    found.append(Operation(*words.IO_DATA, IO))
    for service, (name, cls) in words.COMMON.items():
        classes = [cls]
        if service in words.GETS:
            classes.append("browse")
        if service in words.SETS:
            classes += ["config", "time"]
        found += [Operation(name, one, 1 << 16 | service) for one in classes]
    for klass, table in {**words.OF_CLASS, SYMBOL_CLASS: words.TAGS}.items():
        found += [
            Operation(name, cls, klass << 16 | service) for service, (name, cls) in table.items()
        ]
    for (command, function), (name, cls) in words.PCCC.items():
        found.append(Operation(name, cls, PCCC_CLASS << 16 | command << 8 | function))
    for command, (name, cls) in words.PCCC_PLAIN.items():
        found.append(Operation(name, cls, PCCC_CLASS << 16 | command << 8))
    return tuple(found)


PROTOCOL = Protocol(
    name="enip",
    title="EtherNet/IP",
    standard="The CIP Networks Library, Volumes 1 and 2",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({44818, 2222}),
    framings=(ENCAPSULATION,),
    claims=claims,
    claims_at_home=claims_at_home,
    sides=sides,
    split=split,
    decode=decode,
    operations=_operations(),
    outstanding=64,
    identity=(
        "vendor", "vendor_id", "device_type", "product_code", "revision", "device_status",
        "serial", "product_name", "device_state", "ip_address", "enip_port", "enip_service",
        "network_mask", "gateway", "name_server", "name_server_2", "domain", "hostname", "mac",
        "link_speed", "name", "description", "model_name", "diagnostic_data",
        "change_number", "change_signature",
        "expected_vendor_id", "expected_device_type", "expected_product_code",
        "expected_revision", "expected_serial", "originator_vendor_id", "originator_serial",
    ),
    items=items,
    contexts=Contexts("hosts", _sets_context, _context_names, learn),
    transfers=TRANSFERS,
    routine=frozenset({"multiple_service_packet"}),
    session=True,
)  # fmt: skip
