"""Beckhoff ADS on AMS: variables, states, files, routes and identities of TwinCAT.

Sources: [ADS] Beckhoff Information System, TwinCAT 3 ADS, AMS/ADS specification; [LIB] Beckhoff's
ADS library, for the discovery service on UDP and the services of port 10000.

The key is target, command, indices and lengths, of names their bytes; what is read and written is
values, where it is as long as a number. The type of a variable is not told: it is taken for an
unsigned number. A variable that is known by a handle is named by the exchange that gave the
handle, else it is `symbol unknown`.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    SETS,
    U8,
    U16_LE,
    U32_LE,
    U64_LE,
    Clocks,
    Contexts,
    Elements,
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
from otsec.protocols.credentials import hidden, kind_of, stand_in
from otsec.protocols.framing.ams import (
    AMS_TCP,
    COMMANDS,
    DISCOVERY,
    DISCOVERY_SIZE,
    FRONT,
    MAGIC,
    TCP_HEADER,
)
from otsec.protocols.instants import instant
from otsec.protocols.texts import text
from otsec.protocols.words.ads import (
    AREAS,
    DATE_AND_TIME,
    DEFAULT_LOGINS,
    ERRORS,
    FILE_NAMES,
    GROUPS,
    OF_SYSTEM,
    PLATFORMS,
    PORTS,
    REGISTRY,
    START_PROCESS,
    STATES,
    SUM_READ,
    SUM_READ_WRITE,
    SUM_WRITE,
    SYMBOL_BY_HANDLE,
    SYMBOL_BY_NAME,
    SYMBOL_NAMES,
    SYSTEM_SERVICE,
    TIME_SERVICES,
)

ON_TCP = 0  # position in Protocol.framings
HEAD = TCP_HEADER.itemsize
INFO, READ, WRITE, STATE, CONTROL, NOTIFY, FORGET, NOTIFICATION, READ_WRITE = range(1, COMMANDS + 1)
ANSWER, ADS_COMMAND = 0x0001, 0x0004  # state flags, [ADS] AMS header
KNOWN_FLAGS = 0x01FF
NAMES: dict[int, tuple[str, OperationClass]] = {
    INFO: ("read_device_info", "browse"), READ: ("read", "read"), WRITE: ("write", "write"),
    STATE: ("read_state", "read"), CONTROL: ("write_control", "mode"),
    NOTIFY: ("add_notification", "config"), FORGET: ("delete_notification", "config"),
    NOTIFICATION: ("notification", "report"), READ_WRITE: ("read_write", "write"),
}  # fmt: skip
SERVER_INFO, ADD_ROUTE, DELETE_ROUTE = 1, 6, 7  # of the discovery service, [LIB]
SERVICES: dict[int, tuple[str, OperationClass]] = {
    SERVER_INFO: ("server_info", "browse"), ADD_ROUTE: ("add_route", "config"),
    DELETE_ROUTE: ("delete_route", "config"),
}  # fmt: skip
RESPONSE = 0x8000_0000
DISCOVERY_HEADER = np.dtype(
    [("magic", "<u4"), ("invoke", "<u4"), ("service", "<u4"), ("net_id", "u1", (6,)),
     ("port", "<u2"), ("tags", "<u4")]
)  # fmt: skip
_MAGIC = int.from_bytes(MAGIC, "little")
_SET_TIME, _REGISTRY_READ, _REGISTRY_WRITE = "time_set", "registry_read", "registry_write"
OPERATIONS = (
    *(Operation(*row, code) for code, row in NAMES.items()),
    *(Operation(name, cls, code << 8) for code, (name, cls) in SERVICES.items()),
    *(
        Operation(name, cls, code << 16)
        for (name, cls), code in {
            row: code for code, row in (OF_SYSTEM | GROUPS).items() if row not in SERVICES.values()
        }.items()
    ),
    Operation(_SET_TIME, "time", TIME_SERVICES << 16),
    Operation("time_read", "read", TIME_SERVICES << 16 | 1),
    Operation(_REGISTRY_READ, "browse", REGISTRY[0] << 16),
    Operation(_REGISTRY_WRITE, "config", REGISTRY[0] << 16 | 1),
)
# bytes of data behind the header, by command: of requests and of responses, and where the length
# of what follows them lies (-1: nothing follows)
_ASKS = np.array([0, 0, 12, 12, 0, 8, 40, 4, 8, 16], np.int64)
_ASKS_MORE = np.array([-1, -1, -1, 8, -1, 4, -1, -1, 0, 12], np.int64)
_TELLS = np.array([0, 24, 8, 4, 8, 4, 8, 4, 0, 8], np.int64)
_TELLS_MORE = np.array([-1, -1, 4, -1, -1, -1, -1, -1, -1, 4], np.int64)
_BODY = np.dtype([("group", "<u4"), ("offset", "<u4"), ("length", "<u4"), ("more", "<u4")])
_WORD = np.dtype("<u4")
_NUMBERS = np.zeros(9, np.uint8)  # value type by how many bytes it has
_NUMBERS[[1, 2, 4, 8]] = U8, U16_LE, U32_LE, U64_LE
_SUMS = {SUM_READ: 12, SUM_WRITE: 12, SUM_READ_WRITE: 16}  # bytes for each variable
_ANYWHERE = SYMBOL_NAMES | frozenset(_SUMS)  # groups whose data is names
_SPOKEN = _ANYWHERE | FILE_NAMES | frozenset(REGISTRY)  # the same of the system service
_NAMED = tuple(np.array(sorted(groups)) for groups in (_ANYWHERE, _SPOKEN, _SUMS))
_BEGIN_OF_TARGET = int.from_bytes(b"<TcTarge", "little")  # how the answer to target_info begins


class _Read:
    """What the headers of units on TCP say, in columns."""

    __slots__ = ("answers", "body", "command", "data", "fits", "header", "size", "tcp")

    def __init__(self, units: Units) -> None:
        self.tcp: Mask = units.framing == ON_TCP
        self.header: Header
        self.header, fits = gather(units.buffer, units.start, units.end, TCP_HEADER)
        flags = self.header["flags"]
        self.command: I64 = np.minimum(self.header["command"], COMMANDS).astype(np.int64)
        self.answers: Mask = (flags & ANSWER) != 0
        self.data: I64 = units.start + HEAD
        self.size: I64 = units.end - self.data
        # the shorter ones end before the last of these
        words = [span_word(units.buffer, self.data, np.maximum(self.size, 0), at) for at in (0, 8)]
        self.body: Header = np.stack(words, axis=1).view(_BODY).reshape(-1)
        fits &= self.header["length"] == units.end - units.start - FRONT
        fits &= self.tcp & (self.header["command"] <= COMMANDS) & (self.header["command"] > 0)
        fits &= (flags & ADS_COMMAND != 0) & (flags & ~np.uint16(KNOWN_FLAGS) == 0)
        least = np.where(self.answers, _TELLS[self.command], _ASKS[self.command])
        at = np.where(self.answers, _TELLS_MORE[self.command], _ASKS_MORE[self.command])
        more, told = gather(units.buffer, self.data + np.maximum(at, 0), units.end, _WORD)
        follow = np.where((at >= 0) & told, more.astype(np.int64), 0)
        follow = np.where((self.command == NOTIFICATION) & ~self.answers, follow - 4, follow)
        exact = self.size == least + follow
        # some leave out what fills the name up
        exact |= self.answers & (self.command == INFO) & (self.size >= 9) & (self.size <= least)
        # what failed may carry nothing, or only its result
        failed = self.answers & ((self.header["error"] != 0) | (self.size == 4))
        self.fits: Mask = fits & (exact | (failed & (self.size <= least + follow)))


def _discovery(units: Units) -> tuple[Header, Mask]:
    header, fits = gather(units.buffer, units.start, units.end, DISCOVERY_HEADER)
    service = header["service"] & ~np.uint32(RESPONSE)
    fits = fits & (units.framing != ON_TCP) & (header["magic"] == _MAGIC)
    return header, fits & (service > 0) & (service < 256) & (header["tags"] < 64)


def claims(units: Units) -> Mask:
    """Two lengths that agree with the command and its data; the number of the discovery."""
    return np.asarray(_Read(units).fits | _discovery(units)[1], np.bool_)


def sides(units: Units) -> Ints:
    """A bit of the header tells; notifications come from the device."""
    read, (header, _) = _Read(units), _discovery(units)
    of_tcp = read.answers | (read.command == NOTIFICATION)
    answers = np.where(read.tcp, of_tcp, header["service"] & np.uint32(RESPONSE) != 0)
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: the device behind, command, indices, names. Tag: invoke id, command."""
    read, (discovery, found) = _Read(units), _discovery(units)
    header, fits = read.header, read.fits | found
    told = read.answers | (read.command == NOTIFICATION)
    target, source = (
        span_word(units.buffer, units.start + at, np.maximum(units.end - units.start - at, 0), 0)
        for at in (TARGET, SOURCE)
    )
    server, client = np.where(told, source, target), np.where(told, 0, source & _NET)
    length, value, begin = _parts(read, units)
    code = read.command.astype(np.uint64) | read.answers.astype(np.uint64) << np.uint64(8)
    code |= value.astype(np.uint64) << np.uint64(16)  # of values only how long they are
    code |= header["error"].astype(np.uint64) << np.uint64(32)
    words = [server, client, code]
    if not read.tcp.all():
        words = [np.where(read.tcp, word, 0) for word in words]
        begin = np.where(read.tcp, begin, units.start + 8)
        length = np.where(read.tcp, length, units.end - begin)
    invoke = np.where(read.tcp, header["invoke"], discovery["invoke"]).astype(np.uint64)
    count = (_WIDTHS[np.minimum(value, 9)] > 0) & read.fits
    return Split(
        key_words=[*(word.astype(np.uint64) for word in words), _place(read)],
        key_start=np.where(fits, begin, units.start),
        key_length=np.where(fits, length, 0),
        tag=invoke | np.where(read.tcp, read.command, 0).astype(np.uint64) << np.uint64(32),
        value_start=np.where(count, units.end - value, units.start),
        value_count=count.astype(np.int64),
        value_type=_NUMBERS[np.where(count, value, 1)],
        malformed=~fits,
        alone=read.tcp & (read.command == NOTIFICATION),
    )


TARGET, SOURCE = 6, 14  # offsets of net id and port
_NET = np.uint64((1 << 48) - 1)
_INDEXED, _READS_OR_BOTH = (
    np.isin(np.arange(16), codes)
    for codes in ((READ, WRITE, NOTIFY, READ_WRITE), (READ, READ_WRITE))
)
_SPEAKS = np.isin(np.arange(16), (WRITE, READ_WRITE))
_WIDTHS = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1, 0])  # whether so many bytes are a number


def _place(read: _Read) -> U64:
    """Index group and offset of requests; not where the offset is a handle, which says nothing."""
    indexed = ~read.answers & _INDEXED[read.command] & read.fits
    group = read.body["group"]
    offset = np.where(group == SYMBOL_BY_HANDLE, 0, read.body["offset"]).astype(np.uint64)
    return np.where(indexed, group | offset << np.uint64(32), 0).astype(np.uint64)


def _parts(read: _Read, units: Units) -> tuple[I64, I64, I64]:
    """Of each unit how long the span of its key is, how long its value, where the span begins."""
    ask, command = ~read.answers, read.command
    head = np.where(ask, _ASKS[command], _TELLS[command])
    behind = np.maximum(read.size - head, 0)
    whole = np.zeros(len(units), np.bool_)  # whether all that follows is in the key
    size = np.minimum(head, read.size)
    rows = np.flatnonzero(ask & _SPEAKS[command])
    if len(rows):
        group = read.body["group"][rows]
        of_system = read.header["target_port"][rows] == SYSTEM_SERVICE
        whole[rows] = np.where(of_system, np.isin(group, _NAMED[1]), np.isin(group, _NAMED[0]))
        each = np.where(group == SUM_READ_WRITE, 16, 12)
        listed = head[rows] + read.body["offset"][rows].astype(np.int64) * each
        listed = np.where(np.isin(group, _NAMED[2]), listed, read.size[rows])
        size[rows] = np.where(whole[rows], np.minimum(listed, read.size[rows]), size[rows])
    long_ = np.flatnonzero(~ask & _READS_OR_BOTH[command] & (behind > 8))
    begins = span_word(units.buffer, read.data[long_] + 8, behind[long_], 0)
    whole[long_] = begins == _BEGIN_OF_TARGET
    values = ~whole & np.where(ask, _SPEAKS[command], _READS_OR_BOTH[command])
    value = np.where(values, np.minimum(behind, 0xFFFF), 0)
    size = np.where(values | (whole & ask), size, read.size)
    size[(command == NOTIFICATION) | (ask & (command == FORGET))] = 0  # a handle says nothing
    size[~ask & (command == NOTIFY)] = 4
    # indices are in a word of their own: only lengths and what comes behind them is in the span
    skip = np.where(ask & _INDEXED[command], 8, 0)
    size = np.minimum(size, np.maximum(read.size, 0))
    return np.maximum(size - skip, 0), value, read.data + np.minimum(skip, np.maximum(read.size, 0))


# ------------------------------------------------------------------------------ contexts


def _group(units: Units, header: Header, rows: I64) -> Ints:
    """The index group of some requests; 0 where there is none."""
    size = np.minimum(header["size"][rows], 4).astype(np.int64)
    return span_word(units.buffer, units.start[rows] + HEAD, size, 0).astype(np.int64)


def _sets(units: Units) -> Mask:
    """Exchanges that give a handle for a name."""
    header, _ = gather(units.buffer, units.start, units.end, TCP_HEADER)
    sets = (header["command"] == READ_WRITE) & (units.framing == ON_TCP)
    answers = header["flags"] & ANSWER != 0
    rows = np.flatnonzero(sets & ~answers)
    sets[rows] = _group(units, header, rows) == SYMBOL_BY_NAME
    return np.asarray(sets & (~answers | (header["size"] == 12)), np.bool_)


def _names(units: Units) -> U64:
    """The handle by which a variable is read or written; with one, so that none is 0."""
    header, _ = gather(units.buffer, units.start, units.end, TCP_HEADER)
    names = np.zeros(len(units), np.uint64)
    code = np.minimum(header["command"], COMMANDS)
    rows = np.flatnonzero(
        _NAMING[code] & (header["flags"] & ANSWER == 0) & (header["size"] >= 8)
        & (units.framing == ON_TCP) & (units.end - units.start >= HEAD + 8)
    )  # fmt: skip
    rows = rows[_group(units, header, rows) == SYMBOL_BY_HANDLE]
    offset = units.start[rows] + HEAD + 4
    names[rows] = span_word(units.buffer, offset, np.full(len(rows), 4), 0) + np.uint64(1)
    return names


_NAMING = np.isin(np.arange(16), (READ, WRITE, READ_WRITE))


def _learn(reader: Reader, side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """The name of a request waits for the handle of its response."""
    invoke = reader.at(HEAD - 4).u32le()
    if side != Side.RESPONSE:
        size = reader.at(HEAD + 12).u32le()
        memory[str(invoke)] = _printable(reader.take(size))
        return []
    name = memory.pop(str(invoke), "")
    if not name or reader.u32le() or reader.u32le() != 4:
        return []
    return [(reader.u32le() + 1, name)]


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A message on TCP, or one of the discovery service."""
    if reader.framing != ON_TCP and (reader.framing is not None or reader.data[:4] == MAGIC):
        return _discovered(reader, side)
    reader.take(6)
    target, target_port = _net(reader.take(6)), reader.u16le()
    source, source_port = _net(reader.take(6)), reader.u16le()
    command, flags = reader.u16le(), reader.u16le()
    reader.u32le()
    error = reader.u32le()
    reader.u32le()
    if command not in NAMES:
        raise Malformed(f"command {command}")
    answers = bool(flags & ANSWER)
    name, cls = NAMES[command]
    if answers or command == NOTIFICATION:
        return _answer(reader, command, (source, source_port), error, request)
    device, port = target, f"port {target_port}"
    facts = (Fact("ams_net_id", source, "client"),)
    if command in (INFO, STATE, FORGET):
        return Message(name, cls, port, device, facts=facts)
    if command == CONTROL:
        state, internal = reader.u16le(), reader.u16le()
        size = reader.u32le()
        note = f"device state {internal}" if internal else ""
        note += f" data {reader.take(size).hex()}" if size else ""
        object_ = f"{port} {STATES.get(state, f'state {state}')}"
        return Message(name, cls, object_, device, facts=facts, note=note.strip())
    return _indexed(reader, command, device, target_port, facts)


def _net(raw: bytes) -> str:
    return ".".join(map(str, raw))


def _printable(raw: bytes) -> str:
    """Text with zeros between its parts; what cannot be printed as numbers."""
    parts = text(raw).replace("\0", "\\")
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in parts)


def _indexed(
    reader: Reader, command: int, device: str, port: int, facts: tuple[Fact, ...]
) -> Message:
    """What is read or written: an operation of its own, or an area; [ADS] ADS commands."""
    group, offset = reader.u32le(), reader.u32le()
    length = reader.u32le()
    if command == NOTIFY:
        mode, delay, cycle = reader.u32le(), reader.u32le(), reader.u32le()
        object_ = f"port {port} {_place_named(group, offset, length, '')[0]}"
        note = f"{length} bytes, mode {mode}, delay {delay}, cycle {cycle}"
        reserved = reader.take(16)
        note += f", {reserved.hex()}" if any(reserved) else ""
        return Message(*NAMES[NOTIFY], object_, device, facts=facts, note=note)
    size = reader.u32le() if command == READ_WRITE else length
    name, cls = _operation(command, port, group)
    if command in (WRITE, READ_WRITE) and group in (
        _ANYWHERE if port != SYSTEM_SERVICE else _SPOKEN
    ):
        what, note = _of_names(reader, group, offset, size)
        note = f"{note}, reads {length}" if command == READ_WRITE else note
        return Message(name, cls, f"port {port} {what}", device, facts=facts, note=note)
    object_, elements = _place_named(group, offset, length, reader.context)
    if (name, cls) not in NAMES.values():
        object_, elements = f"offset {offset:#x}" if offset else "", None
    if elements is not None:
        elements = replace(elements, space=f"port {port} {elements.space}")
    note = f"{length} bytes"
    if command == READ_WRITE:
        note, elements = f"reads {length}, writes {size}", None
    return Message(name, cls, f"port {port} {object_}".strip(), device, "", elements, facts, note)


def _operation(command: int, port: int, group: int) -> tuple[str, OperationClass]:
    if port == SYSTEM_SERVICE and group in REGISTRY:
        if command == WRITE:
            return _REGISTRY_WRITE, "config"
        return _REGISTRY_READ, "browse"
    if port == SYSTEM_SERVICE and group == TIME_SERVICES:
        return (_SET_TIME, "time") if command == WRITE else ("time_read", "read")
    table = OF_SYSTEM if port == SYSTEM_SERVICE and group in OF_SYSTEM else GROUPS
    if table is OF_SYSTEM or group >= SYMBOL_BY_NAME:
        return table.get(group, NAMES[command])
    return NAMES[command]


def _place_named(group: int, offset: int, length: int, context: str) -> tuple[str, Elements | None]:
    """An area with the bytes in it, a variable, or the plain indices."""
    if group == SYMBOL_BY_HANDLE:
        symbol = context or "unknown"
        number = length in (1, 2, 4, 8) and bool(context)
        return f"symbol {symbol}", Elements(f"symbol {symbol}", 0, 1) if number else None
    number = length in (1, 2, 4, 8)
    if group not in AREAS:
        space = f"group {group:#x}"
        return f"{space} offset {offset}", Elements(space, offset, 1) if number else None
    space = AREAS[group]
    last = offset + max(length, 1) - 1
    where = str(offset) if last == offset else f"{offset}-{last}"
    return f"{space} {where}", Elements(space, offset, 1) if number else None


def _of_names(reader: Reader, group: int, offset: int, size: int) -> tuple[str, str]:
    """What the data of a request names: a variable, a file, a key of the registry, a list."""
    if group in _SUMS:
        width = _SUMS[group]
        if size < offset * width:
            raise Malformed(f"{offset} in {size} bytes")
        parts = [reader.part(width) for _ in range(offset)]
        named = [_place_named(one.u32le(), one.u32le(), one.u32le(), "")[0] for one in parts]
        lengths = [int.from_bytes(one.data[8:12], "little") for one in parts]
        more = f" and {offset - LISTED} more" if offset > LISTED else ""
        return ", ".join(named[:LISTED]) + more, f"{offset} variables of {lengths[:LISTED]} bytes"
    if group == START_PROCESS and size >= LENGTHS:
        reader.take(LENGTHS)
        size -= LENGTHS
    name = _printable(reader.take(size))
    what = f"symbol {name}" if group >= SYMBOL_BY_NAME else name
    return what, f"offset {offset:#x}" if offset else f"{size} bytes"


LISTED = 8
LENGTHS = 12  # bytes in front of the command, folder and arguments of a process


def _answer(
    reader: Reader, command: int, who: tuple[str, int], error: int, request: Message | None
) -> Message:
    name, cls = NAMES[command]
    device, port = who
    if request is not None:
        name, cls = request.operation, request.cls
    if command == NOTIFICATION:
        note = "opaque: values of what was subscribed"
        return Message(name, cls, f"port {port}", device, note=note)
    result = error or (reader.u32le() if reader.left() >= 4 else 0)
    outcome = ERRORS.get(result, f"error {result:#06x}")
    if result:
        return Message(name, cls, device=device, outcome=outcome)
    if command == INFO:
        return Message(name, cls, device=device, outcome=outcome, facts=_info(reader, device, port))
    if command == STATE:
        state, internal = reader.u16le(), reader.u16le()
        told = STATES.get(state, f"state {state}")
        note = f"device state {internal}" if internal else ""
        return Message(name, cls, device=device, outcome=outcome, note=f"{told} {note}".strip())
    if command not in (READ, READ_WRITE):
        return Message(name, cls, device=device, outcome=outcome)
    size = reader.u32le()
    facts = _target(reader) if reader.data[reader.offset :].startswith(b"<TcTarge") else ()
    elements = request.elements if request is not None and size in (1, 2, 4, 8) else None
    note = f"{size} bytes"
    return Message(name, cls, "", device, outcome, elements, facts, note)


def _info(reader: Reader, net: str, port: int) -> tuple[Fact, ...]:
    """Version, revision, build, name; [ADS] read device info."""
    version = f"{reader.u8()}.{reader.u8()}.{reader.u16le()}"
    name = _printable(reader.rest().partition(b"\0")[0])
    where = PORTS.get(port, f"port {port}")
    return (
        Fact("vendor", "Beckhoff"),
        Fact("ams_net_id", net),
        Fact("application_version", f"{name} {version}"),
        Fact("ads_service", f"{where}: {name}"),
    )


def _target(reader: Reader) -> tuple[Fact, ...]:
    """What the answer to target_info says in XML: type of the controller, version of TwinCAT."""
    said = text(reader.rest()[:_LOOKED_AT])
    facts = [Fact("vendor", "Beckhoff")]
    if found := re.search(r"<TargetType>([^<]{1,64})</TargetType>", said):
        facts.append(Fact("model_name", found[1]))
    numbers = [
        found[1] if (found := re.search(rf"<{word}>(\d{{1,6}})</{word}>", said)) else ""
        for word in ("Version", "Revision", "Build")
    ]
    if all(numbers):
        facts.append(Fact("application_version", f"TwinCAT {'.'.join(numbers)}"))
    return tuple(facts)


_LOOKED_AT = 2000


# ------------------------------------------------------------------------------ discovery

STATUS, PASSWORD, TC_VERSION, OS_VERSION, COMPUTER, NET_ID, ROUTE, USER, FINGERPRINT = (
    1, 2, 3, 4, 5, 7, 12, 13, 18,
)  # fmt: skip


def _discovered(reader: Reader, side: Side) -> Message:
    """Service, net id of who speaks, tags; [LIB] AddRemoteRoute, GetRemoteAddress."""
    reader.take(8)
    service = reader.u32le()
    net = _net(reader.take(6))
    port = reader.u16le()
    answers = side == Side.RESPONSE
    if bool(service & RESPONSE) != answers:
        raise Malformed("a response by a client")
    tags: dict[int, bytes] = {}
    for _ in range(reader.u32le()):
        tag, size = reader.u16le(), reader.u16le()
        tags.setdefault(tag, reader.take(size))
    if reader.left() > DISCOVERY_SIZE:
        raise Malformed(f"{reader.left()} bytes behind the tags")
    code = service & ~RESPONSE
    name, cls = SERVICES.get(code, (f"unknown_{code:#04x}", "diagnose"))
    facts = [Fact("ams_net_id", net, "server" if answers else "client")]
    notes = [f"port {port}"] if port != SYSTEM_SERVICE else []
    known = {STATUS, PASSWORD, TC_VERSION, OS_VERSION, COMPUTER, NET_ID, ROUTE, USER, FINGERPRINT}
    notes += [f"tag {tag}: {data.hex()[:64]}" for tag, data in tags.items() if tag not in known]
    if answers:
        facts += _of_server(tags)
        status = int.from_bytes(tags.get(STATUS, b"\0"), "little")
        outcome = ERRORS.get(status, f"error {status:#06x}")
        return Message(name, cls, outcome=outcome, facts=tuple(facts), note=", ".join(notes))
    facts += _login(tags)
    object_ = ""
    if ROUTE in tags or COMPUTER in tags:
        to = f"{_printable(tags.get(COMPUTER, b''))} {_net(tags.get(NET_ID, b''))}".strip()
        object_ = f"route {_printable(tags.get(ROUTE, b''))}" + (f" to {to}" if to else "")
    return Message(name, cls, object_, facts=tuple(facts), note=", ".join(notes))


def _login(tags: dict[int, bytes]) -> list[Fact]:
    """Who adds a route; the password itself is judged, never kept."""
    if USER not in tags and PASSWORD not in tags:
        return []
    user, password = text(tags.get(USER, b"")), text(tags.get(PASSWORD, b""))
    known = (user.lower(), password) in DEFAULT_LOGINS
    kind = "default" if known else kind_of(user, password)
    facts = [Fact("account", _printable(user.encode()), "client")] if user else []
    return [*facts, Fact("credentials", kind, "client")]


def scrub(reader: Reader) -> bytes:
    """The password of a route by its kind; default ones are everybody's."""
    data = reader.data
    if reader.framing != 1:
        return data
    head = Reader(data, DISCOVERY_TAGS)
    tags: dict[int, bytes] = {}
    for _ in range(head.u32le()):
        tag, size = head.u16le(), head.u16le()
        tags.setdefault(tag, head.take(size))
    user, password = text(tags.get(USER, b"")), text(tags.get(PASSWORD, b""))
    if (user.lower(), password) in DEFAULT_LOGINS:
        return data
    return hidden(data, tags.get(PASSWORD, b"").rstrip(b"\0"), stand_in(user, password).encode())


DISCOVERY_TAGS = 20  # bytes in front of the tags


def _of_server(tags: dict[int, bytes]) -> list[Fact]:
    facts = []
    if tags.get(COMPUTER):
        facts += [Fact("vendor", "Beckhoff"), Fact("hostname", _printable(tags[COMPUTER]))]
    version = tags.get(TC_VERSION, b"")
    if len(version) >= 4:
        build = int.from_bytes(version[2:4], "little")
        facts.append(Fact("application_version", f"TwinCAT {version[0]}.{version[1]}.{build}"))
    system = tags.get(OS_VERSION, b"")
    if len(system) >= 20:
        _, major, minor, build, platform = (
            int.from_bytes(system[at : at + 4], "little") for at in range(0, 20, 4)
        )
        kind = PLATFORMS.get(platform, f"platform {platform}")
        facts.append(Fact("os", f"{kind} {major}.{minor} build {build}"))
    if tags.get(FINGERPRINT):
        facts.append(Fact("fingerprint", _printable(tags[FINGERPRINT])))
    return facts


_TIME = np.dtype(
    [
        (part, "<u2")
        for part in ("year", "month", "weekday", "day", "hour", "minute", "second", "ms")
    ]
)  # TIMESTRUCT, [ADS] TcUtilities, NT_SetLocalTime


def _times(units: Units, _split: Split) -> Times:
    """The time that is set by the system service; who reads it asks by a number that answers lack."""
    read = _Read(units)
    sets = read.fits & ~read.answers & (read.command == WRITE)
    sets &= read.header["target_port"] == SYSTEM_SERVICE
    sets &= (read.body["group"] == TIME_SERVICES) & (read.body["offset"] == DATE_AND_TIME)
    rows = np.flatnonzero(sets)
    told, fits = gather(units.buffer, read.data[rows] + _HEAD_OF_WRITE, units.end[rows], _TIME)
    part = {name: told[name].astype(np.int64) for name in _TIME.names or ()}
    fits &= (part["hour"] < 24) & (part["minute"] < 60) & (part["second"] < 60)
    ms = ((part["hour"] * 60 + part["minute"]) * 60 + part["second"]) * 1000 + part["ms"]
    time, real = instant(part["year"], part["month"], part["day"], ms)
    fits &= real & (part["ms"] < 1000)
    rows = rows[fits]
    span = units.end[rows] - units.start[rows]
    lane = span_word(units.buffer, units.start[rows] + TARGET, span, 0) & _NET
    return Times(rows, time[fits], lane, np.full(len(rows), SETS, np.uint8))


_HEAD_OF_WRITE = 12  # group, offset, length
CLOCKS = Clocks(_times, lambda lane: ".".join(map(str, lane.to_bytes(6, "little"))))

PROTOCOL = Protocol(
    name="ads",
    title="Beckhoff ADS",
    standard="Beckhoff AMS/ADS specification",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({48898, 48899}),
    framings=(AMS_TCP, DISCOVERY),
    scrub=scrub,
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    clocks=CLOCKS,
    contexts=Contexts("connection", sets=_sets, names=_names, learn=_learn),
    identity=(
        "vendor", "model_name", "hostname", "os", "application_version", "ads_service",
        "ams_net_id", "account", "credentials", "fingerprint",
    ),
    session=True,
)  # fmt: skip
