"""OMRON FINS on UDP and TCP: memory, programs, modes, files, identities.

Sources: [W342] OMRON SYSMAC CS/CJ Series Communications Commands Reference Manual; [W227] FINS
Commands Reference Manual (CV series); [W421] CS1W-ETN21 Operation Manual (FINS/TCP).

The key of a message is its addresses and its command with what names an object. Contents of
memory are values; of programs and files nothing is kept, of times how far clocks are off. A response to a read does not
say whether it holds bits or words: it is cut into words where its length is even, and its values
are taken only where its request asked for as many.
"""

import numpy as np

from otsec.columns import I64, U64, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    SAYS,
    SETS,
    U8,
    U16_BE,
    U32_BE,
    Clocks,
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
from otsec.protocols.credentials import covered
from otsec.protocols.framing.fins import FINS_TCP, FINS_UDP, HOPS, ICF, NETWORKS, TCP_HEADER
from otsec.protocols.instants import decimal, instant
from otsec.protocols.texts import text
from otsec.protocols.words.fins import (
    AREA_TRANSFER,
    AREAS,
    BLOCK_READ,
    BLOCK_WRITE,
    CLOCK_READ,
    CLOCK_WRITE,
    COMMANDS,
    CONNECTION,
    CONTROLLER,
    CYCLE_TIME,
    END_CODES,
    FAL_READ,
    FATAL,
    FILE_COPY,
    FILE_READ,
    FILE_WRITE,
    FILL,
    FLAGS,
    FORCE,
    FORCED_READ,
    LOOPBACK,
    MESSAGE,
    MESSAGE_CLEAR,
    MODES,
    NAME_READ,
    NAME_SET,
    NON_FATAL,
    OK,
    PARAMETER_CLEAR,
    PARAMETER_READ,
    PARAMETER_TRANSFER,
    PARAMETER_WRITE,
    PROGRAM_CLEAR,
    PROGRAM_READ,
    PROGRAM_TRANSFER,
    PROGRAM_WRITE,
    PROTECT,
    READ,
    READ_SEVERAL,
    RELAY,
    RUN,
    STATUS,
    STATUS_READ,
    STOP,
    TCP_ERRORS,
    TEST_DATA,
    TRANSFER,
    UNPROTECT,
    WRITE,
)

PORTS = frozenset({9600})
ON_UDP, ON_TCP = 0, 1  # positions in Protocol.framings
HEADER = np.dtype(
    [("icf", "u1"), ("rsv", "u1"), ("gct", "u1"), ("dna", "u1"), ("da1", "u1"), ("da2", "u1"),
     ("sna", "u1"), ("sa1", "u1"), ("sa2", "u1"), ("sid", "u1"), ("command", ">u2")]
)  # fmt: skip
RESPONDS, NO_ANSWER = 0x40, 0x01  # bits of the first byte, [W342] 3-3
ADDRESSES, COMMAND, BODY = 3, 10, 12  # offsets
NODE_OF_CLIENT, NODE_OF_SERVER, FRAME, FRAME_ERROR, CONFIRMATION = 0, 1, 2, 3, 6  # [W421] 7-4

NODE_ADDRESS, NOT_SENT, CONFIRM = "node_address", "frame_error", "connection_confirmation"
OPERATIONS = (
    *(Operation(row[0], row[1], code) for code, row in COMMANDS.items()),
    Operation("message_clear", "control", MESSAGE << 8 | MESSAGE_CLEAR),
    Operation("fal_read", "diagnose", MESSAGE << 8 | FAL_READ),
    Operation(NODE_ADDRESS, "session", 0),
    Operation(NOT_SENT, "session", FRAME_ERROR),
    Operation(CONFIRM, "session", CONFIRMATION),
)
_CODES = np.array(sorted(COMMANDS), np.int64)
_FAR = 1 << 16  # longer than any message
_ROWS = [COMMANDS[code] for code in _CODES.tolist()]
_LEAST, _MOST = (np.array([row[at] for row in _ROWS], np.int64) for at in (2, 3))
_KEYED = np.array([[_FAR if row[at] is None else row[at] for row in _ROWS] for at in (4, 5)])
_ICF, _HOPS, _NETWORKS = (np.isin(np.arange(256), list(values)) for values in (ICF, HOPS, NETWORKS))
_BIT = np.array([code in AREAS and AREAS[code][1] for code in range(256)])
_AREA = np.array([code in AREAS for code in range(256)])
_ENDS = np.array(sorted(END_CODES), np.int64)


class _Read:
    """What the headers of units say, in columns."""

    __slots__ = ("at", "bare", "code", "fits", "header", "row", "said", "size", "start", "tcp")

    def __init__(self, units: Units) -> None:
        on_tcp = units.framing == ON_TCP
        self.start = units.start + np.where(on_tcp, TCP_HEADER.itemsize, 0)
        self.tcp: Header
        self.tcp, _ = gather(units.buffer, units.start, units.end, TCP_HEADER)
        self.bare: Mask = on_tcp & (self.tcp["command"] != FRAME)
        self.header: Header
        self.header, fits = gather(units.buffer, self.start, units.end, HEADER)
        self.code: I64 = self.header["command"].astype(np.int64)
        self.at: I64 = np.minimum(np.searchsorted(_CODES, self.code), len(_CODES) - 1)
        self.said: Mask = (self.header["icf"] & RESPONDS) != 0
        self.size: I64 = units.end - self.start - BODY  # bytes behind the command
        known = _CODES[self.at] == self.code
        least = np.where(self.said, 2, np.where(known, _LEAST[self.at], 0))
        most = np.where(self.said | ~known, _FAR, _MOST[self.at])
        fits &= (self.size >= least) & (self.size <= most) & (self.header["rsv"] == 0)
        fits &= _ICF[self.header["icf"]] & _HOPS[self.header["gct"]]
        fits &= _NETWORKS[self.header["dna"]] & _NETWORKS[self.header["sna"]]
        whole = (units.end - units.start).astype(np.int64)
        command = self.tcp["command"]
        alone = ((command == NODE_OF_CLIENT) & (whole == 20)) | (
            (command == NODE_OF_SERVER) & (whole == 24)
        )
        alone |= ((command == FRAME_ERROR) | (command == CONFIRMATION)) & (whole == 16)
        self.fits: Mask = np.where(self.bare, alone, fits)
        self.row: Mask = known & ~self.bare


def claims(units: Units) -> Mask:
    """On TCP what begins with FINS; on UDP a header and a known command of a possible length."""
    read = _Read(units)
    body, _ = gather(units.buffer, read.start + BODY, units.end, np.dtype(">u2"))
    of_memory = (read.code <= WRITE) & (read.code >= READ) & ~read.said
    end = (body & ~np.uint16(RELAY | FATAL | NON_FATAL)).astype(np.int64)
    sure = read.row & (~of_memory | _AREA[body >> 8]) & (~read.said | np.isin(end, _ENDS))
    return np.asarray(read.fits & (read.bare | sure | (units.framing == ON_TCP)), np.bool_)


def sides(units: Units) -> Ints:
    """By the first byte; of frames without a message by what they are for."""
    read = _Read(units)
    server = (read.tcp["command"] == NODE_OF_SERVER) | (read.tcp["command"] == FRAME_ERROR)
    answers = np.where(read.bare, server, read.said)
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: addresses, command, and what of the body names something. Tag: service id, command."""
    read = _Read(units)
    keyed = np.where(read.row, _KEYED[read.said.astype(np.int64), read.at], _FAR)
    keyed = np.where(read.bare, _FAR, np.minimum(keyed, read.size) + COMMAND - ADDRESSES + 2)
    begin = np.where(read.bare, units.start, read.start + ADDRESSES)
    length = np.where(read.fits, np.minimum(keyed, units.end - begin), 0)
    # the service id lies between addresses and command: words, not the span, hold what is before
    words = _words(read, units)
    skip = np.where(read.bare, 0, COMMAND - ADDRESSES)
    values = _values(read, units)
    tag = np.where(read.bare, read.tcp["command"] <= NODE_OF_SERVER, read.header["sid"] + 2)
    tag = tag.astype(np.uint64) | np.where(read.bare, 0, read.code).astype(np.uint64) << np.uint64(
        16
    )
    quiet = ~read.said & (read.header["icf"] & NO_ANSWER != 0)
    return Split(
        key_words=words,
        key_start=np.where(read.fits, begin + skip, units.start),
        key_length=np.where(read.fits, np.maximum(length - skip, 0), 0),
        tag=tag,
        value_start=values[0],
        value_count=values[1],
        value_type=values[2],
        malformed=~read.fits,
        alone=np.where(read.bare, read.tcp["command"] > NODE_OF_SERVER, quiet),
    )


def _words(read: _Read, units: Units) -> list[U64]:
    """First byte and the server's address; where it matters how many values there are, the size."""
    header = read.header
    word = header["icf"].astype(np.uint64)
    for asked, told in (("dna", "sna"), ("da1", "sa1"), ("da2", "sa2")):
        part = np.where(read.said, header[told], header[asked])
        word = word << np.uint64(8) | part.astype(np.uint64)
    word = np.where(read.bare, 0, word | units.framing.astype(np.uint64) << np.uint64(56))
    size = np.where(read.bare | ~_sized(read), 0, read.size)
    return [word.astype(np.uint64), size.astype(np.uint64)]


def _sized(read: _Read) -> Mask:
    """Where the number of values must be that of what was asked for."""
    asked, told = ~read.said & (read.code == WRITE), read.said & (read.code == READ)
    return np.asarray(asked | told | (read.said & (read.code == CYCLE_TIME)), np.bool_)


def _values(read: _Read, units: Units) -> tuple[I64, I64, Ints]:
    """Where the values of each unit begin, how many there are, and of which type."""
    area, _ = gather(units.buffer, read.start + BODY, units.end, np.dtype("u1"))
    writes = read.row & ~read.said & (read.code == WRITE)
    reads = read.row & read.said & (read.code == READ)
    times = read.row & read.said & (read.code == CYCLE_TIME)
    ahead = np.where(writes, 6, 2)
    size = np.maximum(read.size - ahead, 0)
    single = np.where(writes, _BIT[area], size % 2 == 1)
    kind = np.where(times, U32_BE, np.where(single, U8, U16_BE)).astype(np.uint8)
    width = np.where(times, 4, np.where(single, 1, 2))
    count = np.where((writes | reads | times) & read.fits, size // width, 0)
    return np.where(count > 0, read.start + BODY + ahead, units.start), count, kind


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A message, or a frame of TCP without one."""
    if reader.framing == ON_TCP:
        reader.take(8)
        command, error = reader.u32(), reader.u32()
        if command != FRAME:
            return _bare(reader, command, error)
    front = reader.take(10)
    code = reader.u16()
    name, cls = COMMANDS[code][:2] if code in COMMANDS else (f"unknown_{code:#06x}", "diagnose")
    answers = bool(front[0] & RESPONDS)
    if answers != (side == Side.RESPONSE):
        raise Malformed("a response by a client")
    device = _device(*(front[6:9] if answers else front[3:6]))
    if answers:
        return _answer(reader, (code, name, cls), device, request)
    body = _ASKS.get(code, _asks)(reader)
    if code == MESSAGE:
        name, cls = body[2], "control" if body[2] == "message_clear" else cls
    return Message(name, cls, body[0], device, "", body[1], note=body[3])


def _device(network: int, node: int, unit: int) -> str:
    """Who is meant behind the address; empty where nobody is named."""
    if not (network or node or unit):
        return ""
    where = f"node {network}.{node}" if network else f"node {node}"
    return f"{where} unit {unit}" if unit else where


def _bare(reader: Reader, command: int, error: int) -> Message:
    """[W421] 7-4."""
    outcome = TCP_ERRORS.get(error, f"error {error:#x}")
    if command == NODE_OF_CLIENT:
        wished = reader.u32()
        said = (Fact("fins_node", str(wished), "client"),) if wished else ()
        note = f"error {error:#x}" if error else ""
        return Message(NODE_ADDRESS, "session", facts=said, note=note)
    if command == NODE_OF_SERVER:
        client, server = reader.u32(), reader.u32()
        told = (("client", client), ("server", server))
        facts = tuple(Fact("fins_node", str(node), about) for about, node in told if node)
        return Message(NODE_ADDRESS, "session", outcome=outcome, facts=facts)
    if command == FRAME_ERROR:
        return Message(NOT_SENT, "session", outcome=outcome)
    if command == CONFIRMATION:
        return Message(CONFIRM, "session", note=f"error {error:#x}" if error else "")
    raise Malformed(f"command {command}")


_Asked = tuple[str, Elements | None, str, str]  # object, elements, operation, note


def _asks(reader: Reader) -> _Asked:
    """A request whose body is parameters, or names an object by them."""
    rest = reader.rest()
    return rest.hex(" ") if rest else "", None, "", ""


_Place = tuple[str, int, int, bool]  # space, word, bit, whether bits are meant


def _place(reader: Reader) -> _Place:
    """An area and an address in it, [W342] 5-2-2."""
    code, word, bit = reader.u8(), reader.u16(), reader.u8()
    space, bits = AREAS.get(code, (f"area_{code:#04x}", False))
    if bit > 15 and space not in FLAGS and bits:
        bits = False
        space = f"area_{code:#04x}_{bit}"
    return space, word, bit, bits


def _named(place: _Place, count: int = 1) -> str:
    """``dm 100-109``, ``cio 3.05``."""
    space, word, bit, bits = place
    if bits and space not in FLAGS:
        first, last = word * 16 + bit, word * 16 + bit + count - 1
        both = f"{space} {first >> 4}.{first & 15:02d}"
        return both if count == 1 else f"{both}-{last >> 4}.{last & 15:02d}"
    odd = f" bit {bit}" if bit and not bits else ""
    return f"{space} {word}{odd}" if count == 1 else f"{space} {word}-{word + count - 1}{odd}"


def _area(reader: Reader) -> _Asked:
    """A range of memory that is read or written, [W342] 5-3-2, 5-3-3."""
    place = _place(reader)
    space, word, bit, bits = place
    count = reader.u16()
    if not count:
        raise Malformed("no elements")
    if bits:
        number = word if space in FLAGS else word * 16 + bit
        elements = Elements(f"{space}_bit" if space not in FLAGS else space, number, count)
    else:
        elements = Elements(space, word, count)
    return _named(place, count), elements, "", ""


def _written(reader: Reader) -> _Asked:
    asked = _area(reader)
    elements = asked[1]
    width = 1 if elements is not None and _of_bits(elements) else 2
    if elements is not None and reader.left() != elements.count * width:
        return asked[0], None, "", f"{reader.left()} bytes for {elements.count} elements"
    return asked


def _of_bits(elements: Elements) -> bool:
    return elements.space.endswith("_bit") or elements.space in FLAGS


def _filled(reader: Reader) -> _Asked:
    named = _area(reader)[0]
    return named, None, "", f"with {reader.u16()}"


def _several(reader: Reader) -> _Asked:
    """[W342] 5-3-5."""
    places = []
    while reader.left():
        places.append(_named(_place(reader)))
    return ", ".join(places), None, "", ""


def _moved(reader: Reader) -> _Asked:
    """[W342] 5-3-6."""
    source, target = _place(reader), _place(reader)
    count = reader.u16()
    return f"{_named(target, count)} from {_named(source, count)}", None, "", ""


def _parameters(reader: Reader) -> _Asked:
    """[W342] 5-3-7 to 5-3-9; the upper bit of the length says that these are the last."""
    area, first, count = reader.u16(), reader.u16(), reader.u16()
    words = {0x8010: "plc_setup", 0x8012: "io_table", 0x8013: "routing_tables",
             0x8002: "cpu_bus_unit_setup", 0x8011: "peripheral_setup"}  # fmt: skip
    named = words.get(area, f"parameter_area_{area:#06x}")
    last = max(first + (count & 0x7FFF) - 1, first)
    return f"{named} {first}-{last}", None, "", "last" if count >> 15 else ""


def _parameters_cleared(reader: Reader) -> _Asked:
    """[W342] 5-3-9."""
    named = _parameters(reader)[0]
    return named, None, "", f"with {reader.u16()}"


def _protection(reader: Reader) -> _Asked:
    """[W342] W227 2-12: program, protect code, range, password; the password is never kept."""
    program, code = reader.u16(), reader.u8()
    first, last = reader.u32(), reader.u32() if reader.left() >= 4 else 0
    return _program_named(program), None, "", f"code {code:#04x} words {first:#x}-{last:#x}"


def scrub(reader: Reader) -> bytes:
    """Passwords of protection, of which nothing is told."""
    if reader.framing == ON_TCP:
        reader.take(16)
    reader.take(10)
    if reader.u16() not in (PROTECT, UNPROTECT):
        return reader.data
    _protection(reader)
    return covered(reader.data, reader.offset, len(reader.data))


def _program_named(number: int) -> str:
    return "all programs" if number == 0xFFFF else f"program {number}"


def _program(reader: Reader) -> _Asked:
    """[W342] 5-3-10, 5-3-11: program number; where in it, and its contents, are left out."""
    return _program_named(reader.u16()), None, "", ""


def _cleared(reader: Reader) -> _Asked:
    number, clear = reader.u16(), reader.u8()
    return _program_named(number), None, "", f"code {clear}"


def _mode(reader: Reader) -> _Asked:
    """[W342] 5-3-12: monitor or run."""
    number = reader.u16() if reader.left() >= 2 else 0
    program = _program_named(number) if number else ""
    if not reader.left():
        return program, None, "", ""
    mode = reader.u8()
    return program, None, "", f"to {MODES.get(mode, f'mode {mode:#04x}')}"


def _nothing(_reader: Reader) -> _Asked:
    return "", None, "", ""


def _messages(reader: Reader) -> _Asked:
    """[W342] 5-3-20 to 5-3-22."""
    parameter = reader.u16()
    names = {0: "message_read", MESSAGE_CLEAR: "message_clear", FAL_READ: "fal_read"}
    kind = parameter >> 8 & (MESSAGE_CLEAR | FAL_READ)
    return f"messages {parameter & 0x3FFF:#06x}", None, names.get(kind, "message_read"), ""


def _disk(reader: Reader) -> str:
    number = reader.u16()
    return {0: "memory_card", 1: "em"}.get(number >> 15, "disk") + f" {number & 0x7FFF}"


def _file(reader: Reader) -> _Asked:
    """[W342] 5-3-26: disk, name."""
    disk = _disk(reader)
    return f"{disk} {_letters(reader.take(12))}", None, "", ""


def _file_to(reader: Reader) -> _Asked:
    """[W342] 5-3-27: disk, what to do where it exists, name."""
    disk, how = _disk(reader), reader.u16()
    words = {0: "new", 1: "append", 2: "overwrite", 3: "insert"}
    note = words.get(how, f"parameter {how:#06x}")
    return f"{disk} {_letters(reader.take(12))}", None, "", note


def _files(reader: Reader) -> _Asked:
    """A disk, or disks and names, [W342] 5-3-25 to 5-3-32; behind names their folders."""
    places = []
    while reader.left() >= 14:
        places.append(f"{_disk(reader)} {_letters(reader.take(12))}")
    if reader.left() >= 2 and not places:
        places.append(_disk(reader))
    rest = f"with {reader.rest().hex(' ')}" if reader.left() else ""
    return " to ".join(places), None, "", rest


def _renamed(reader: Reader) -> _Asked:
    disk = _disk(reader)
    old, new = _letters(reader.take(12)), _letters(reader.take(12))
    rest = f"with {reader.rest().hex(' ')}" if reader.left() else ""
    return f"{disk} {old} to {new}", None, "", rest


def _label(reader: Reader) -> _Asked:
    disk, what = _disk(reader), reader.u16()
    words = {0: "create", 1: "delete"}
    return f"{disk} {_letters(reader.rest())}".strip(), None, "", words.get(what, f"{what:#06x}")


def _exchanged(reader: Reader) -> _Asked:
    """Memory or parameters to or from a file, [W342] 5-3-31, 5-3-32."""
    how, area, first = reader.u16(), reader.u16(), reader.u16()
    count, disk, name = reader.u16(), _disk(reader), _letters(reader.take(12))
    words = {0: "area to file", 1: "file to area", 2: "compare"}
    note = f"{words.get(how, f'{how:#06x}')}, area {area:#06x} {first:#06x} {count}"
    rest = f", {reader.rest().hex(' ')}" if reader.left() else ""
    return f"{disk} {name}", None, "", note + rest


def _exchanged_program(reader: Reader) -> _Asked:
    how, program, first = reader.u16(), reader.u16(), reader.u32()
    count, disk, name = reader.u32(), _disk(reader), _letters(reader.take(12))
    words = {0: "program to file", 1: "file to program", 2: "compare"}
    note = f"{words.get(how, f'{how:#06x}')}, program {program} {first:#x} {count:#x}"
    rest = f", {reader.rest().hex(' ')}" if reader.left() else ""
    return f"{disk} {name}", None, "", note + rest


def _letters(raw: bytes) -> str:
    return text(raw.partition(b"\0")[0]).strip().encode("unicode_escape").decode("ascii")


def _deleted(reader: Reader) -> _Asked:
    disk, count = _disk(reader), reader.u16()
    names = [_letters(reader.take(12)) for _ in range(min(count, reader.left() // 12))]
    rest = reader.rest()
    note = "" if len(names) == count and not rest else f"{count} files, rest {rest.hex()}"
    return f"{disk} {' '.join(names)}".strip(), None, "", note


def _forced(reader: Reader) -> _Asked:
    """[W342] 5-3-33: pairs of what to do and which bit."""
    count = reader.u16()
    words = {
        0: "reset",
        1: "set",
        0x8000: "release_to_0",
        0x8001: "release_to_1",
        0xFFFF: "release",
    }
    told: list[tuple[str, str]] = []
    while reader.left() >= 6:
        what = reader.u16()
        told.append((_named(_place(reader)), words.get(what, f"{what:#06x}")))
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind {len(told)} bits")
    places, note = ", ".join(place for place, _ in told), ", ".join(word for _, word in told)
    return places, None, "", note if len(told) == count else f"{note}, count {count}"


def _named_anew(reader: Reader) -> _Asked:
    return _letters(reader.rest()), None, "", ""


_ASKS = {
    READ: _area, WRITE: _written, FILL: _filled, READ_SEVERAL: _several, TRANSFER: _moved,
    PARAMETER_READ: _parameters, PARAMETER_WRITE: _parameters, PARAMETER_CLEAR: _parameters_cleared,
    PROTECT: _protection, UNPROTECT: _protection,
    PROGRAM_READ: _program, PROGRAM_WRITE: _program, PROGRAM_CLEAR: _cleared,
    RUN: _mode, STOP: _mode, MESSAGE: _messages, CLOCK_WRITE: _nothing, LOOPBACK: _nothing,
    TEST_DATA: _nothing, BLOCK_READ: _nothing, BLOCK_WRITE: _nothing,
    FILE_READ: _file, FILE_WRITE: _file_to, 0x2205: _deleted, FORCE: _forced,
    FORCED_READ: _area, NAME_SET: _named_anew,
    0x0C01: _program, 0x0C02: _program, 0x0C03: _program, 0x2204: _files, 0x2206: _label, FILE_COPY: _files, 0x2208: _renamed, 0x2209: _files,
    AREA_TRANSFER: _exchanged, PARAMETER_TRANSFER: _exchanged,
    PROGRAM_TRANSFER: _exchanged_program,
}  # fmt: skip


# ------------------------------------------------------------------------------- responses


def _answer(
    reader: Reader,
    command: tuple[int, str, OperationClass],
    device: str,
    request: Message | None,
) -> Message:
    """An end code, and what was asked for; [W342] 5-1-3."""
    code, name, cls = command
    end = reader.u16()
    flags = RELAY | FATAL | NON_FATAL
    outcome = END_CODES.get(end & ~flags, f"error {end & ~flags:#06x}")
    notes = [word for bit, word in _END_FLAGS if end & bit]
    elements = None
    facts: list[Fact] = []
    if request is not None and code == MESSAGE:
        name, cls = request.operation, request.cls
    if outcome == OK and code in (READ, CYCLE_TIME):
        elements = _held(reader, code, request, notes)
    elif outcome == OK and code in _TELLS:
        facts, more = _TELLS[code](reader)
        notes += more
    elif reader.left() and COMMANDS.get(code, (0,) * 6)[5] is None:
        notes.append(f"data {reader.rest().hex()[:200]}")
    return Message(name, cls, "", device, outcome, elements, tuple(facts), ", ".join(notes))


_END_FLAGS = ((RELAY, "error on the way"), (FATAL, "fatal CPU error"), (NON_FATAL, "CPU error"))


def _held(reader: Reader, code: int, request: Message | None, notes: list[str]) -> Elements | None:
    """Whose values a response to a read holds, if there are as many as were asked for."""
    size = reader.left()
    if code == CYCLE_TIME:
        return Elements("cycle_time", 0, size // 4) if size and size % 4 == 0 else None
    asked = request.elements if request is not None else None
    if asked is None:
        return None
    bits = _of_bits(asked)
    if size != asked.count * (1 if bits else 2):
        notes.append(f"{size} bytes for {asked.count} elements")
        return None
    return None if bits and size % 2 == 0 else asked


_Told = tuple[list[Fact], list[str]]
MODEL, SYSTEM, AREAS_SIZE, ERRORS = 20, 40, 12, 24  # bytes of [W342] 5-3-17, 5-3-19


def _controller(reader: Reader) -> _Told:
    """Model and version, and what is for the system; or the numbers of units on the bus."""
    front = reader.data[reader.offset : reader.offset + 1]
    if front < b" ":  # units on the bus: numbers, no text
        return [], [f"units {reader.rest().hex()}"]
    model, version = reader.take(MODEL), reader.take(MODEL)
    reader.take(SYSTEM + AREAS_SIZE)
    facts = [Fact("vendor", "Omron"), Fact("model_name", _letters(model))]
    facts += [Fact("revision", _letters(version))] if _letters(version) else []
    return facts, []


def _units(reader: Reader) -> _Told:
    """Units and their models, [W342] 5-3-18."""
    count = reader.u8()
    facts = []
    while reader.left() >= MODEL + 1:
        address, model = reader.u8(), reader.take(MODEL)
        facts.append(Fact("module", f"{address:#04x} {_letters(model)}"))
    rest = f", rest {reader.rest().hex()}" if reader.left() else ""
    return facts, [f"count {count:#04x}{rest}"]


def _status(reader: Reader) -> _Told:
    """[W342] 5-3-19: status, mode, errors, messages, error message."""
    status, mode = reader.u8(), reader.u8()
    told = [STATUS.get(status, f"status {status:#04x}"), MODES.get(mode, f"mode {mode:#04x}")]
    facts = [Fact("cpu_mode", " ".join(told))]
    return facts, [f"errors {errors.hex()}"] if any(errors := reader.take(ERRORS)) else []


def _name(reader: Reader) -> _Told:
    name = _letters(reader.rest())
    return ([Fact("name", name)] if name else []), []


_TELLS = {CONTROLLER: _controller, CONNECTION: _units, STATUS_READ: _status, NAME_READ: _name}

_YEARS_BEFORE_98 = 98  # [W342] 5-3-20: the last two digits, of 1998 to 2097


def _times(units: Units, _split: Split) -> Times:
    """Year to second as two digits each, and the weekday; [W342] 5-3-19 and 5-3-20.

    Who sets a clock may leave the seconds out: they become 0.
    """
    read = _Read(units)
    says = read.row & read.said & (read.code == CLOCK_READ) & (read.size >= _END + _CALENDAR)
    sets = read.row & ~read.said & (read.code == CLOCK_WRITE)
    rows = np.flatnonzero(read.fits & (says | sets))
    at = read.start[rows] + BODY + np.where(says[rows], _END, 0)
    word = span_word(units.buffer, at, units.end[rows] - at, 0)
    end = span_word(units.buffer, at - _END, units.end[rows] - at, 0) & np.uint64(0xFFFF)
    year, month, day, hour, minute, second = (decimal(word, part) for part in range(6))
    fits = np.min([year, month, day, hour, minute, second], axis=0) >= 0
    fits &= (hour < 24) & (minute < 60) & (second < 60) & (sets[rows] | (end == 0))
    year += np.where(year < _YEARS_BEFORE_98, 2000, 1900)
    time, real = instant(year, month, day, ((hour * 60 + minute) * 60 + second) * 1000)
    fits &= real
    rows = rows[fits]
    names = ("sna", "sa1", "sa2"), ("dna", "da1", "da2")
    of_sender, of_target = (
        sum(
            read.header[name][rows].astype(np.uint64) << np.uint64(8 * at)
            for at, name in enumerate(one)
        )
        for one in names
    )
    lane = np.where(says[rows], of_sender, of_target).astype(np.uint64)
    return Times(rows, time[fits], lane, np.where(says[rows], SAYS, SETS).astype(np.uint8))


_END, _CALENDAR = 2, 7  # bytes of the end code, and of a time
CLOCKS = Clocks(_times, lambda lane: _device(*lane.to_bytes(3, "little")))

PROTOCOL = Protocol(
    name="fins",
    title="OMRON FINS",
    standard="OMRON W342, W421",
    transports=frozenset({"tcp", "udp"}),
    ports=PORTS,
    framings=(FINS_UDP, FINS_TCP),
    scrub=scrub,
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    clocks=CLOCKS,
    identity=("vendor", "model_name", "revision", "module", "cpu_mode", "name", "fins_node"),
    one_answer=True,
    session=True,
)
