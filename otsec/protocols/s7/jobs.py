"""Units of S7comm decoded: connections, jobs and their answers, reads and writes."""

from collections.abc import Callable
from dataclasses import replace

from otsec.errors import Malformed, Truncated
from otsec.protocols.api import Fact, Message, Reader, Side
from otsec.protocols.s7.addresses import address_of, elements_of, size_of
from otsec.protocols.s7.layout import (
    CALLED,
    CALLING,
    CONFIRM,
    CONNECT,
    DATA_HEAD,
    DISCONNECT,
    DISCONNECT_CONFIRM,
    ERROR,
    HEAD,
    PLUS_ID,
    PROTOCOL_ID,
    SIZE,
    TRANSPORT_ERROR,
)
from otsec.protocols.s7.said import (
    ASKED,
    BODY,
    MISMATCH,
    UNKNOWN_OBJECT,
    Said,
    ValueHead,
    failure,
    file_named,
    reserved_in,
    rest_of,
    returned,
    text_of,
    value_head,
)
from otsec.protocols.s7.user_data import user_data
from otsec.protocols.words import s7comm as words
from otsec.protocols.words.s7comm import ACK, ACK_DATA, JOB, READ, USERDATA, WRITE


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct unit, or what it lists.

    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts itself.
    """
    data, item = reader.rest(), reader.item
    unit = Reader(data, context=reader.context)
    first, second = unit.u8(), unit.u8()
    if second in _ENDS or second & 0xF0 in (CONNECT, CONFIRM):
        return _connection(unit.at(0), request)
    if first == PLUS_ID:
        return Message(
            *words.PLUS,
            f"version {second}",
            outcome="ok" if side == Side.RESPONSE else "",
            note="opaque: not S7comm",
            left=len(data) - 2,
        )
    if first != PROTOCOL_ID or second not in (JOB, ACK, ACK_DATA, USERDATA):
        raise Malformed(f"protocol id {first:#04x}, message {second}")
    redundancy, _reference, size, data_size = (unit.u16() for _ in range(4))
    error = unit.u16() if second in (ACK, ACK_DATA) else 0
    body = Reader(unit.take(size + data_size), context=reader.context)
    if unit.left():
        raise Malformed(f"{unit.left()} bytes behind the unit")
    notes = (f"redundancy {redundancy:#06x}",) if redundancy else ()
    try:
        if second == USERDATA:
            return user_data(body, size, request, notes)
        if item is not None:
            return _item(data, second, size, item, request, notes)
        return _job(second, body, size, side, error, request, notes)
    except Truncated as error_:  # the unit is whole, so its content contradicts its lengths
        raise Malformed(str(error_)) from error_


AREA_CODE = 1  # byte: a stretch that is read by DBREAD (S7-400) has a return code of its own
_ENDS = (DISCONNECT, DISCONNECT_CONFIRM, TRANSPORT_ERROR)


# ------------------------------------------------------------------------- connections


def _connection(unit: Reader, request: Message | None) -> Message:
    """A unit of COTP, class 0."""
    size, code, to = unit.u8(), unit.u8(), unit.u16()
    body = unit.part(size - 3)
    if unit.left():
        raise Malformed(f"{unit.left()} bytes behind the unit")
    notes = [f"credit {code & 0xF}"] if code & 0xF and code not in _ENDS else []
    try:
        if code == TRANSPORT_ERROR:
            message = Message(*words.CONNECTIONS[code], object=f"cause {body.u8()}")
        elif code == DISCONNECT_CONFIRM:
            body.u16()
            message = Message(*words.CONNECTIONS[code])
        elif code == DISCONNECT:
            body.u16()
            message = Message(*words.CONNECTIONS[code], object=f"reason {body.u8()}")
        else:
            return _opened(code & 0xF0, to, body, request, notes)
        return replace(message, note=rest_of(body))
    except Truncated as error:
        raise Malformed(str(error)) from error


def _opened(code: int, to: int, body: Reader, request: Message | None, notes: list[str]) -> Message:
    """A request for a connection, or its confirmation; the two TSAPs name what is connected."""
    if code == CONNECT and to:
        raise Malformed(f"connection request to reference {to}")
    body.u16()
    if (options := body.u8()) != 0:
        notes.append(f"class {options >> 4} options {options & 0xF}")
    tsaps = {CALLING: b"", CALLED: b""}
    while body.left():
        parameter, value = body.u8(), body.take(body.u8())
        if parameter in tsaps:
            tsaps[parameter] = value
        elif parameter == SIZE and len(value) == 1:
            notes.append(f"units of {1 << min(value[0], 63)} bytes")
        else:
            notes.append(f"parameter {parameter:#04x} {value.hex()}")
    object_ = f"TSAP 0x{tsaps[CALLING].hex()} to 0x{tsaps[CALLED].hex()}"
    answers = code == CONFIRM
    device, facts = _place(tsaps[CALLED], confirmed=answers)
    if answers and request is not None and request.object != object_:
        notes.append(object_)
        object_, device = request.object, request.device
    outcome = "ok" if answers else ""
    return Message(
        *words.CONNECTIONS[CONNECT], object_, device, outcome, None, facts, ", ".join(notes)
    )


def _place(called: bytes, *, confirmed: bool) -> tuple[str, tuple[Fact, ...]]:
    """Device and facts of a called TSAP: type of connection, rack and slot."""
    if len(called) != 2 or called[0] not in words.CONNECTION_TYPES:
        return "", ()
    device = f"rack {called[1] >> 5} slot {called[1] & 0x1F}"
    if confirmed:
        return device, (Fact("slot", device),)
    return device, (Fact("role_hint", words.CONNECTION_TYPES[called[0]], "client"),)


# -------------------------------------------------------------------------------- jobs


def _job(
    kind: int,
    body: Reader,
    size: int,
    side: Side,
    error: int,
    request: Message | None,
    notes: tuple[str, ...],
) -> Message:
    """A job, or what answers one."""
    answers = kind != JOB
    outcome = failure(error) if answers else ASKED if side == Side.RESPONSE else ""
    if answers and side == Side.REQUEST and error:
        notes = (*notes, outcome)
    if kind == ACK or (answers and size == 0):
        word = (request.operation, request.cls) if request is not None else words.ACKNOWLEDGE
        said = Said(word, answers, body, request, body.context, outcome, notes)
        return said.tell(None, None, (), rest_of(body))
    function = body.u8()
    word = words.FUNCTIONS.get(function, (f"unknown_{function:#04x}", "config"))
    if answers and request is not None:
        if request.operation == word[0] or function == words.PI_SERVICE:
            word = (request.operation, request.cls)
        else:
            request, outcome = None, MISMATCH
    said = Said(word, answers, body, request, body.context, outcome, notes)
    if function in (READ, WRITE) and not (answers and error):
        return said.tell(None if answers else "", None)
    table = _ANSWERS if answers else _JOBS
    message = table.get(function, _opaque)(said)
    if body.left():
        raise Malformed(f"function {function:#04x}: {body.left()} bytes behind its content")
    return message


def _opaque(said: Said) -> Message:
    """A service whose parameters are not known: they are shown as they are."""
    return said.tell(None if said.answers else "", None, (), rest_of(said.body))


def _setup(said: Said) -> Message:
    body = said.body
    reserved = reserved_in(body, 1)
    calling, called, size = body.u16(), body.u16(), body.u16()
    note = f"{calling} and {called} jobs at a time, units of {size} bytes"
    return said.tell("", None, (), reserved, note)


def _status(body: Reader) -> str:
    """The status byte of loads, and two bytes behind it of unknown use."""
    status, control = body.u8(), body.u16()
    said = [word for bit, word in ((1, "more follows"), (2, "failed")) if status & bit]
    if status & ~3:
        said.append(f"status {status:#04x}")
    if control not in (0, 0x0100):
        said.append(f"control {control:#06x}")
    return ", ".join(said)


def _load(said: Said) -> Message:
    """A job that names its file: the load of a block begins or ends, or its next piece is asked."""
    body = said.body
    status = _status(body)
    reserved = reserved_in(body, 4)
    object_, where = file_named(body.take(body.u8()))
    sizes = body.take(body.u8()) if body.left() else b""  # a mark, six digits each of two sizes
    note = ""
    if sizes:
        if len(sizes) != 13 or not sizes[1:].isdigit():
            raise Malformed(f"sizes of a block {sizes.hex()}")
        note = f"load memory {int(sizes[1:7])} bytes, code {int(sizes[7:])} bytes"
        note += "" if sizes[:1] == b"1" else f", mark {sizes[:1].hex()}"
    return said.tell(object_, None, (), status, reserved, where, note)


def _numbered(said: Said) -> Message:
    """A job that goes on with an upload, by the number that the server gave it."""
    status = _status(said.body)
    said.body.u32()
    return said.tell(said.context or UNKNOWN_OBJECT, None, (), status)


def _begun(said: Said) -> Message:
    """The answer that gives an upload its number, and says how long the block is."""
    body = said.body
    status = _status(body)
    body.u32()
    raw = body.rest()  # a length and digits; some servers have the digits alone
    digits = raw[1:] if raw[:1] == bytes([len(raw) - 1]) else b""
    length = f"{int(digits)} bytes" if digits.isdigit() else f"length {raw.hex()}"
    return said.tell(None, None, (), status, length)


def _piece(said: Said) -> Message:
    """A piece of a block; what is in it is the maker's."""
    body = said.body
    status = body.u8() if body.left() else 0
    said_so = "more follows" if status == 1 else f"status {status:#04x}" if status else ""
    object_ = None
    if said.word[0] == "download_block":
        object_ = said.context or UNKNOWN_OBJECT
    note, left = "", 0
    if body.left():
        size, mark = body.u16(), body.u16()
        left = len(body.rest())
        note = f"{BODY}, {size} bytes"
        note += "" if mark == 0x00FB else f", mark {mark:#06x}"
    return said.tell(object_, None, (), said_so, note).leaving(left)


def _done(said: Said) -> Message:
    status = said.body.rest()
    object_ = said.context or UNKNOWN_OBJECT if said.word[0] == "download_ended" else None
    return said.tell(object_, None, (), f"status {status.hex()}" if any(status) else "")


def _invoked(said: Said) -> Message:
    """A program invocation: a parameter, which may be a list of blocks, and a name."""
    body = said.body
    reserved = reserved_in(body, 6)
    mark = body.u8()
    parameter, name = body.take(body.u16()), text_of(body.take(body.u8()))
    word = words.PROGRAM_INVOCATIONS.get(name)
    note = "" if mark == 0xFD else f"mark {mark:#04x}"
    if word is None:
        secret = "LOGIN" in name  # what comes with it may be a password
        object_ = name if secret else f"{name} {text_of(parameter)}".strip()
        return said.tell(object_, None, (), reserved, note)
    if name == "P_PROGRAM":
        object_ = words.STARTS.get(parameter, text_of(parameter))
    elif name in ("_INSE", "_INS2", "_DELE"):
        object_ = _blocks(Reader(parameter))
    else:
        object_ = text_of(parameter)
    return replace(said, word=word).tell(object_, None, (), reserved, note)


def _blocks(body: Reader) -> str:
    """Blocks that a service is about, each in eight letters."""
    number, reserved = body.u8(), body.u8()
    named = [file_named(b"_" + body.take(8)) for _ in range(number)]
    if body.left() or reserved:
        raise Malformed(f"{body.left()} bytes behind {number} blocks")
    return ", ".join(f"{block} ({where})" for block, where in named)


def _stopped(said: Said) -> Message:
    reserved = reserved_in(said.body, 5)
    name = text_of(said.body.take(said.body.u8()))
    return said.tell("" if name == "P_PROGRAM" else name, None, (), reserved)


_JOBS: dict[int, Callable[[Said], Message]] = {
    words.SETUP: _setup,
    words.REQUEST_DOWNLOAD: _load,
    words.DOWNLOAD_BLOCK: _load,
    words.DOWNLOAD_ENDED: _load,
    words.START_UPLOAD: _load,
    words.UPLOAD: _numbered,
    words.END_UPLOAD: _numbered,
    words.PI_SERVICE: _invoked,
    words.PLC_STOP: _stopped,
}
_ANSWERS: dict[int, Callable[[Said], Message]] = {
    words.SETUP: _setup,
    words.REQUEST_DOWNLOAD: _done,
    words.DOWNLOAD_BLOCK: _piece,
    words.DOWNLOAD_ENDED: _done,
    words.START_UPLOAD: _begun,
    words.UPLOAD: _piece,
    words.END_UPLOAD: _done,
    words.PI_SERVICE: _done,
    words.PLC_STOP: _done,
}

# ----------------------------------------------------------------- reads and writes


def _item(
    data: bytes,
    kind: int,
    size: int,
    item: tuple[int, int],
    request: Message | None,
    notes: tuple[str, ...],
) -> Message:
    """One of the things that a read or write lists."""
    begin, end = item
    body = Reader(data, HEAD + (ERROR if kind == ACK_DATA else 0))
    function = body.u8()
    if function not in (READ, WRITE):
        raise Malformed(f"function {function:#04x} lists nothing")
    word = words.FUNCTIONS[function]
    own = Reader(Reader(data, begin).take(end - begin))
    said = Said(word, kind != JOB, own, request, "", "", notes)
    if kind == JOB:
        object_, note = address_of(own)
        elements = None
        if function == WRITE:
            code, head = _written(data, HEAD, size, begin)
            elements = elements_of(object_, head)
            note = ", ".join(filter(None, (note, f"code {code:#04x}" if code else "")))
        return said.tell(object_, elements, (), note)
    if request is not None and request.operation != word[0]:
        said = replace(said, request=None, outcome=MISMATCH)
        return said.tell(None)
    if function == WRITE:
        return replace(said, outcome=returned(own.u8())).tell(None)
    return _value_read(said)


def _written(data: bytes, start: int, size: int, begin: int) -> tuple[int, ValueHead]:
    """Code and head of the value that belongs to the address at ``begin``."""
    addresses = Reader(data, start + 2)
    values = Reader(data, start + size)
    while addresses.offset < begin:
        addresses.take(1)
        length = addresses.u8()
        addresses.take(length + (length & 1))
        length = value_head(values).size
        values.take(length + (length & 1))
    return values.data[values.offset], value_head(values)


def _value_read(said: Said) -> Message:
    """A value with its head; its elements are those of its request, if it is as long as asked."""
    head = value_head(said.body)
    said = replace(said, outcome=returned(said.body.data[0]))
    if said.outcome != "ok":
        form = said.body.data[1:DATA_HEAD]
        said.body.rest()
        return said.tell(None, None, (), f"form {form.hex()}" if any(form) else "")
    if head.kind not in words.DATA_TYPES:
        said = replace(said, notes=(*said.notes, f"type {head.kind:#04x}"))
    if said.request is None:
        return said.tell(None, None, (), f"{head.size} bytes of type {head.kind}")
    expected = size_of(said.request.object)
    if expected is not None and head.kind == words.OCTETS and head.size == expected + AREA_CODE:
        return said.tell(None, None, (), "value behind a code of its own")
    if expected is not None and expected != head.size:
        note = f"{head.size} bytes for {expected}"
        return replace(said, outcome=MISMATCH).tell(None, None, (), note)
    return said.tell(None, elements_of(said.request.object, head))
