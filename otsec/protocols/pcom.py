"""Unitronics PCOM on TCP, in its two modes: operands, modes, clock, identity, project and password.

Sources: [PCOM] Unitronics PCOM Protocol (ASCII commands, binary read of operands); [PYPCOM] the
package pcom, for data tables; [CLAROTY] Claroty Team82, PCOM-Tools, for the binary commands that
carry projects and check passwords.

In ASCII mode all is text and values are hexadecimal: they are not taken as values. Check sums are
looked at where a connection is claimed, then no more.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    SAYS,
    SETS,
    U16_LE,
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
from otsec.protocols.credentials import covered, kind_of, stand_in
from otsec.protocols.framing.pcom import ASCII, BINARY, FRONT, HEADER, PCOM_TCP
from otsec.protocols.instants import instant
from otsec.protocols.texts import text

# ASCII commands without operands, [PCOM]
PLAIN: dict[str, tuple[str, OperationClass]] = {
    "ID": ("identify", "browse"), "UG": ("get_unit_id", "browse"), "US": ("set_unit_id", "config"),
    "RC": ("read_clock", "read"), "SC": ("set_clock", "time"), "CCR": ("run", "mode"),
    "CCS": ("stop", "mode"), "CCE": ("reset", "mode"), "CCI": ("init", "mode"),
}  # fmt: skip
READS = {  # of operands: which; letters by which a counter's and a timer's are told apart
    "RE": "input", "RA": "output", "RB": "mb", "GS": "sb", "RM": "counter_bit", "RT": "timer_bit",
    "RW": "mi", "RNL": "ml", "RND": "dw", "RNF": "mf", "GF": "si", "RNH": "sl", "RNJ": "sdw",
    "GX": "counter", "GY": "counter_preset", "GT": "timer", "GP": "timer_preset",
    "RZB": "xb", "RZI": "xi", "RZL": "xl", "RZD": "xdw",
}  # fmt: skip
WRITES = {
    "SA": "output", "SB": "mb", "SS": "sb", "SW": "mi", "SNL": "ml", "SND": "dw", "SNF": "mf",
    "SF": "si", "SNH": "sl", "SNJ": "sdw", "SK": "counter", "SJ": "counter_preset",
    "SNK": "timer", "SNT": "timer_preset", "SZB": "xb", "SZI": "xi", "SZL": "xl", "SZD": "xdw",
}  # fmt: skip
READ, WRITE = "read_operands", "write_operands"
READ_MEMORY, PASSWORD, READ_TABLE, NAME, FIND, TRANSLATE, FLUSH = 1, 2, 4, 12, 16, 22, 26
WRITE_MEMORY, FORGET_PASSWORD, WRITE_TABLE, OPERANDS, SEVERAL = 65, 66, 68, 77, 80
ERROR = 0xFF
BINARIES: dict[int, tuple[str, OperationClass]] = {
    READ_MEMORY: ("read_memory", "program"), PASSWORD: ("check_password", "session"),
    READ_TABLE: ("read_data_table", "read"), NAME: ("get_plc_name", "browse"),
    FIND: ("find_resource", "program"), TRANSLATE: ("translate_resource", "program"),
    FLUSH: ("flush_memory_buffer", "program"), WRITE_MEMORY: ("write_memory", "program"),
    FORGET_PASSWORD: ("reset_upload_password", "config"),
    WRITE_TABLE: ("write_data_table", "write"), OPERANDS: (READ, "read"),
    SEVERAL: ("read_write_operands", "write"),
}  # fmt: skip
OPERATIONS = (
    *(Operation(*row, int.from_bytes(code.encode(), "big")) for code, row in PLAIN.items()),
    Operation(WRITE, "write", 0x53),
    *(Operation(*row, code) for code, row in BINARIES.items()),
)
SPACES = {  # of the binary mode
    1: "mb", 2: "sb", 3: "mi", 4: "si", 5: "ml", 6: "sl", 7: "mf", 8: "sf", 9: "input",
    10: "output", 11: "timer_bit", 12: "counter_bit", 16: "dw", 17: "sdw", 18: "counter",
    19: "counter_preset", 20: "timer", 21: "timer_preset",
}  # fmt: skip
OF_16_BITS = frozenset({"mi", "si", "counter", "counter_preset"})

STX = b"/_OPLC"
BINARY_HEADER = np.dtype(
    [("stx", "S6"), ("id", "u1"), ("id_again", "u1"), ("one", "u1"), ("zero", "u1", (3,)),
     ("command", "u1"), ("detail", "u1"), ("details", "u1", (6,)), ("length", "<u2"),
     ("check", "<u2")]
)  # fmt: skip
HEAD, FOOT = BINARY_HEADER.itemsize, 3  # bytes in front of and behind the data
BEFORE = 0xFE  # beside the id: behind it in a request, in front of it in a reply
RETURN, BACKSLASH = 0x0D, 0x5C
ASCII_HEADER = np.dtype([("begin", "u1"), ("letters", "u1", (6,))])
_DIGIT = np.isin(np.arange(256), list(b"0123456789ABCDEF"))
_UPPER = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_SETS = np.isin(np.arange(256), list(b"S"))  # first letter of what writes
_LONG = np.isin(np.arange(256), list(b"NZ"))  # second letter of codes of three
_KEPT = {READ_MEMORY: 0, WRITE_MEMORY: 0, WRITE_TABLE: 0, SEVERAL: 0}  # bytes of data in the key


class _Read:
    """What the beginning of each message says, in columns."""

    __slots__ = ("ascii", "at", "binary", "body", "fits", "front", "letters", "replies", "size")

    def __init__(self, units: Units) -> None:
        self.front: Header
        self.front, _ = gather(units.buffer, units.start, units.end, HEADER)
        self.at: I64 = units.start + FRONT
        self.size: I64 = units.end - self.at
        self.ascii: Mask = self.front["mode"] == ASCII
        last, _ = gather(units.buffer, units.end - 1, units.end, np.dtype("u1"))
        plain, long_enough = gather(units.buffer, self.at, units.end, ASCII_HEADER)
        self.letters: Ints = plain["letters"]
        told = self.letters[:, 0] == ord("A")
        ids = np.where(told[:, None], self.letters[:, 1:3], self.letters[:, 0:2])
        code = np.where(told[:, None], self.letters[:, 3:5], self.letters[:, 2:4])
        text_ = long_enough & (last == RETURN) & _DIGIT[ids].all(axis=1) & _UPPER[code].all(axis=1)
        self.body: Header
        self.body, whole = gather(units.buffer, self.at, units.end, BINARY_HEADER)
        body = self.body
        framed = whole & (last == BACKSLASH) & (body["stx"] == STX) & (body["one"] == 1)
        framed &= body["length"].astype(np.int64) + HEAD + FOOT == self.size
        answers = body["command"] >= 0x80
        framed &= np.where(answers, body["id"], body["id_again"]) == BEFORE
        self.binary: Mask = (self.front["mode"] == BINARY) & framed
        self.replies: Mask = np.where(self.ascii, told, answers)
        self.fits: Mask = np.where(self.ascii, text_, self.binary)


def claims(units: Units) -> Mask:
    """A message of either mode whose check sums are right."""
    read = _Read(units)
    mine = np.zeros(len(units), np.bool_)
    for row in np.flatnonzero(read.fits).tolist():
        mine[row] = _sums_fit(units.buffer[read.at[row] : units.end[row]], ascii_=read.ascii[row])
    return mine


def _sums_fit(data: Bytes, *, ascii_: bool) -> bool:
    if ascii_:
        begin = 2 if data[1] == ord("A") else 1
        return bool(f"{int(data[begin:-3].sum()) % 256:02X}".encode() == data[-3:-1].tobytes())
    head = -int(data[: HEAD - 2].sum()) % 0x10000
    foot = -int(data[HEAD:-FOOT].sum()) % 0x10000
    said = (int(data[HEAD - 2]) | int(data[HEAD - 1]) << 8, int(data[-3]) | int(data[-2]) << 8)
    return said == (head, foot)


def sides(units: Units) -> Ints:
    """Replies begin with ``/A``, or have the upper bit of their command."""
    read = _Read(units)
    return np.where(read.replies, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: the unit, the command, and what operands it names. Tag: the number of the transaction."""
    read = _Read(units)
    first, second = (np.where(read.replies, read.letters[:, at + 1], read.letters[:, at])
                     for at in (2, 3))  # fmt: skip
    long_ = _LONG[second] & ~read.replies
    code = np.where(long_, 3, 2)
    clock = (first == ord("S")) & (second == ord("C"))
    sets = _SETS[first] & ~clock
    identity = (first == ord("I")) | (first == ord("U"))
    text_ = np.where(sets, 3 + code + 6, np.where(clock, 5, read.size - 3))
    text_ = np.where(read.replies, np.where(identity, read.size - 3, 6), text_)
    command = read.body["command"]
    data = read.body["length"].astype(np.int64)
    kept = np.where(read.replies, np.where((command == NAME | 0x80), data, 0), data)
    kept = np.where(np.isin(command, list(_KEPT)), 0, kept)
    values = read.binary & (command == OPERANDS | 0x80)
    bodies = np.where(np.isin(command, (READ_MEMORY, WRITE_MEMORY)), 14, HEAD - 2) - 6
    # of the data as much as is kept, which lies behind a check sum that says nothing
    details = span_word(units.buffer, read.at + 6, np.where(read.binary, bodies, 0), 0)
    more = span_word(units.buffer, read.at + 6, np.where(read.binary, bodies, 0), 8)
    start = np.where(read.ascii, read.at, read.at + HEAD)
    length = np.where(read.ascii, np.minimum(text_, read.size), kept)
    count = np.where(values & read.fits, data // 2, 0)
    zeros = np.zeros(len(units), np.uint64)
    size = np.where(values, data, 0).astype(np.uint64)
    return Split(
        key_words=[
            np.where(read.ascii, 0, details).astype(np.uint64),
            np.where(read.ascii, 0, more).astype(np.uint64),
            np.where(read.ascii, zeros, size | np.uint64(1 << 32)),
        ],
        key_start=np.where(read.fits, start, units.start),
        key_length=np.where(read.fits, np.maximum(length, 0), 0),
        tag=read.front["transaction"].astype(np.uint64),
        value_start=read.at + np.where(count > 0, HEAD, 0),
        value_count=count,
        value_type=np.full(len(units), U16_LE, np.uint8),
        malformed=~read.fits,
    )


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A message of either mode."""
    mode = reader.at(2).u8()
    reader.at(FRONT)
    if mode == ASCII:
        return _ascii(reader, side, request)
    return _binary(reader, side, request)


def _unit(number: int) -> str:
    """The controller behind; 0 is the one that is spoken to."""
    return f"unit {number}" if number else ""


def _digits(raw: bytes) -> int:
    try:
        return int(raw, 16)
    except ValueError:
        raise Malformed(f"{raw!r} is no number") from None


def _words(raw: bytes) -> str:
    return text(raw).strip().encode("unicode_escape").decode("ascii")


def _ascii(reader: Reader, side: Side, request: Message | None) -> Message:
    """``/``, unit, command, operands; in a reply ``/A``; [PCOM]."""
    answers = reader.data[FRONT : FRONT + 2] == b"/A"
    if answers != (side == Side.RESPONSE):
        raise Malformed("a reply by a client")
    reader.take(2 if answers else 1)
    device = _unit(_digits(reader.take(2)))
    code = _words(reader.take(2))
    if answers:
        return _ascii_reply(reader, code, device, request)
    body = reader.data[reader.offset : -3]
    longer = code + _words(body[:1])
    if longer in PLAIN or longer in READS or longer in WRITES:
        code, body = longer, body[1:]
    if code in READS or code in WRITES:
        first, count = _digits(body[:4]), _digits(body[4:6])
        space = (READS | WRITES)[code]
        object_ = _named(space, first, count)
        if code in READS:
            return Message(READ, "read", object_, device)
        return Message(WRITE, "write", object_, device)
    row = PLAIN.get(code, (f"unknown_{code.lower()}", "diagnose"))
    note = f"with {_words(body)[:64]}" if code == "US" else ""
    return Message(*row, device=device, note=note)


def _named(space: str, first: int, count: int) -> str:
    return f"{space} {first}" if count <= 1 else f"{space} {first}-{first + count - 1}"


def _ascii_reply(reader: Reader, code: str, device: str, request: Message | None) -> Message:
    guesses: dict[str, tuple[str, OperationClass]] = {**PLAIN, "CC": ("mode", "mode"), "RN": (READ, "read"), "RZ": (READ, "read"),
               "SN": (WRITE, "write"), "SZ": (WRITE, "write"),
               **dict.fromkeys(READS, (READ, "read")), **dict.fromkeys(WRITES, (WRITE, "write"))}  # fmt: skip
    name, cls = guesses.get(code, (f"unknown_{code.lower()}", "diagnose"))
    if request is not None:
        name, cls = request.operation, request.cls
    facts: tuple[Fact, ...] = ()
    note = ""
    if code == "ID":
        facts, note = _identity(reader.data[reader.offset : -3])
    elif code == "UG":
        facts = (Fact("device_id", f"unit {_digits(reader.data[reader.offset : -3])}"),)
    return Message(name, cls, "", device, "ok", None, facts, note)


FAMILIES = (  # how codes of models begin, as the maker's driver has them
    ("13", "V130"), ("35", "V350"), ("43", "V430"), ("49", "V570"), ("57", "V570"), ("56", "V560"),
    ("53", "V530"), ("10", "V1040"), ("12", "V1210"), ("70", "V700"), ("23", "V230"),
    ("26", "V260"), ("28", "V280"), ("29", "V290"), ("S3", "SM35"), ("S4", "SM43"), ("S7", "SM70"),
    ("SM35", "SM35"), ("SM43", "SM43"), ("SM70", "SM70"), ("V", "V120"), ("W", "V120"),
    ("J", "Jazz"), ("1", "M91"), ("8", "M91"), ("7", "M90"), ("R", "M90"), ("T", "M90"),
)  # fmt: skip
MODEL, VERSION = 6, 8  # letters


def _identity(raw: bytes) -> tuple[tuple[Fact, ...], str]:
    """Model, revision of hardware, and versions: ``49T4  C00401036B00200253P``."""
    model, hardware = _words(raw[:MODEL]), _words(raw[MODEL : MODEL + 1])
    version = raw[MODEL + 1 : MODEL + 1 + VERSION]
    facts = [Fact("vendor", "Unitronics"), Fact("product_code", model)]
    family = next((name for begin, name in FAMILIES if model.startswith(begin)), "")
    facts += [Fact("model_name", f"{family} {model}")] if family else []
    facts += [Fact("hardware_revision", hardware)] if hardware else []
    if len(version) == VERSION and version.isdigit():
        major, minor, build = int(version[:3]), int(version[3:6]), int(version[6:])
        facts.append(Fact("revision", f"{major}.{minor}.{build}"))
    return tuple(facts), f"versions {_words(raw[MODEL + 1 :])}"


def _binary(reader: Reader, side: Side, request: Message | None) -> Message:
    """``/_OPLC``, unit, command, details, data; [PCOM], [CLAROTY]."""
    front = reader.take(HEAD)
    command, detail = front[12], front[13]
    answers = command >= 0x80
    if answers != (side == Side.RESPONSE):
        raise Malformed("a reply by a client")
    device = _unit(front[7] if answers else front[6])
    code = command & 0x7F if command != ERROR else 0
    name, cls = BINARIES.get(code, (f"unknown_{code:#04x}", "diagnose"))
    size = int.from_bytes(front[20:22], "little")
    if answers:
        if request is not None:
            name, cls = request.operation, request.cls
        return _binary_reply(reader, (command, detail, size), (name, cls, device), request)
    if code == PASSWORD:
        return Message(name, cls, device=device, facts=(_password(reader.take(size)),))
    if code == OPERANDS:
        return _operands(reader.part(size), int.from_bytes(front[18:20], "little"), device)
    object_, note = "", ""
    if code in (READ_MEMORY, WRITE_MEMORY):
        object_ = f"memory {detail}"
    elif code == FIND:
        object_ = f"resource {detail}"
    elif code == TRANSLATE:
        reader.u16le()
        object_ = f"resource index {reader.u16le()}"
    elif code in (READ_TABLE, WRITE_TABLE):
        object_ = f"table offset {int.from_bytes(front[14:18], 'little')}"
    elif code == SEVERAL:
        note = f"opaque: {int.from_bytes(front[18:20], 'little')} blocks"
    elif code != NAME and any(front[13:20]):
        note = f"details {front[13:20].hex()}"
    return Message(name, cls, object_, device, note=note)


def _password(raw: bytes) -> Fact:
    """It is judged, never kept."""
    word = text(raw).rstrip(" ")
    return Fact("credentials", "default" if word in DEFAULTS else kind_of("", word), "client")


def scrub(reader: Reader) -> bytes:
    """A password by its kind; default ones are everybody's."""
    data = reader.data
    if data[2] == ASCII or data[FRONT + 12] != PASSWORD:
        return data
    begin = FRONT + HEAD
    word = data[begin : begin + int.from_bytes(data[begin - 4 : begin - 2], "little")]
    shown = text(word).rstrip(" ")
    if not shown or shown in DEFAULTS:
        return data
    covering = stand_in("", shown)[:1].encode() * len(word)
    data = covered(data, begin, begin + len(word), covering)
    total = -sum(data[begin:-FOOT]) % 0x10000
    return covered(data, len(data) - FOOT, len(data) - 1, total.to_bytes(2, "little"))


DEFAULTS = frozenset({"1111", "*" * 8})  # CVE-2023-6448; [CLAROTY]
BY_ONE, RANGE = 0x00, 0x80  # of an operand's type: single addresses, or so many from one on


def _operands(data: Reader, blocks: int, device: str) -> Message:
    """Blocks of operands: how many, which, and where; [PCOM]."""
    places: list[tuple[str, int, int]] = []
    for _ in range(blocks):
        count, kind = data.u16le(), data.u8()
        data.u8()
        space = SPACES.get(kind & 0x7F, f"operand_{kind & 0x7F:#04x}")
        if kind & RANGE:
            places.append((space, data.u16le(), count))
        else:
            places += [(space, data.u16le(), 1) for _ in range(count)]
    if data.left():
        raise Malformed(f"{data.left()} bytes behind {blocks} blocks")
    named = [_named(*place) for place in places]
    elements = None
    if len(places) == 1 and places[0][0] in OF_16_BITS:
        elements = Elements(*places[0])
    more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
    return Message(READ, "read", ", ".join(named[:LISTED]) + more, device, elements=elements)


LISTED = 12
ACCEPTED = 0x64  # in the reply to a password, [CLAROTY]


def _binary_reply(
    reader: Reader,
    front: tuple[int, int, int],
    what: tuple[str, OperationClass, str],
    request: Message | None,
) -> Message:
    command, detail, size = front
    name, cls, device = what
    if command == ERROR:
        outcome = "refused" if name == "check_password" else "error"
        name = name if request is not None else "unknown_0xff"
        return Message(name, cls, device=device, outcome=outcome, note=f"error {detail}")
    if command & 0x7F == PASSWORD:
        outcome = "ok" if detail == ACCEPTED else "refused"
        return Message(name, cls, device=device, outcome=outcome, note=f"detail {detail:#04x}")
    facts: tuple[Fact, ...] = ()
    elements = None
    note = f"detail {detail:#04x}" if detail else ""
    if command & 0x7F == NAME:
        called = _words(reader.take(size))
        facts = (Fact("vendor", "Unitronics"), Fact("name", called)) if called else ()
    elif command & 0x7F == OPERANDS and request is not None and request.elements is not None:
        if size == 2 * request.elements.count:
            elements = request.elements
        else:
            note = f"{size} bytes for {request.elements.count} elements"
    return Message(name, cls, "", device, "ok", elements, facts, note)


_TIME_DIGITS = 14  # second, minute, hour, weekday, day, month, year: two digits each


def _times(units: Units, _split: Split) -> Times:
    """The clock as it is read and set in ASCII mode ([PCOM] commands RC and SC)."""
    read = _Read(units)
    code = np.where(read.replies[:, None], read.letters[:, 3:5], read.letters[:, 2:4])
    clock = read.ascii & read.fits & (code[:, 1] == ord("C"))
    says = clock & read.replies & (code[:, 0] == ord("R"))
    sets = clock & ~read.replies & (code[:, 0] == ord("S"))
    rows = np.flatnonzero(says | sets)
    begin = read.at[rows] + np.where(says[rows], 6, 5)
    rows = rows[units.end[rows] - begin >= _TIME_DIGITS + _SUM]
    begin = read.at[rows] + np.where(says[rows], 6, 5)
    digits, _ = gather(units.buffer, begin, units.end[rows], np.dtype(("u1", (_TIME_DIGITS,))))
    number = digits.reshape(-1, _TIME_DIGITS).astype(np.int64) - ord("0")
    fits = ((number >= 0) & (number <= 9)).all(axis=1)
    second, minute, hour, _, day, month, year = (number[:, 0::2] * 10 + number[:, 1::2]).T
    fits &= (hour < 24) & (minute < 60) & (second < 60)
    time, real = instant(year + 2000, month, day, ((hour * 60 + minute) * 60 + second) * 1000)
    fits &= real
    rows = rows[fits]
    unit = np.where(says[rows, None], read.letters[rows, 1:3], read.letters[rows, 0:2])
    lane = unit[:, 0].astype(np.uint64) << np.uint64(8) | unit[:, 1]
    return Times(rows, time[fits], lane, np.where(says[rows], SAYS, SETS).astype(np.uint8))


_SUM = 3  # bytes of check sum and return behind a message
CLOCKS = Clocks(_times, lambda lane: _unit(_digits(lane.to_bytes(2, "big"))))

PROTOCOL = Protocol(
    name="pcom",
    title="Unitronics PCOM",
    standard="Unitronics PCOM Protocol",
    transports=frozenset({"tcp"}),
    ports=frozenset({20256}),
    framings=(PCOM_TCP,),
    scrub=scrub,
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    clocks=CLOCKS,
    identity=(
        "vendor", "product_code", "model_name", "hardware_revision", "revision", "name",
        "device_id", "credentials",
    ),
    one_answer=True,
    session=True,
)  # fmt: skip
