"""User data of S7comm decoded: system state, blocks, cyclic jobs, programmer, messages, time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from otsec.errors import Malformed
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.s7.addresses import address_of, stretch
from otsec.protocols.s7.layout import (
    ADDRESS,
    DATA_HEAD,
    LISTED,
    MONITORED,
    PROTECTION,
    SUBSCRIBED,
    TELLING,
    TIME,
    USER_HEADS,
    USER_PARAMETERS,
)
from otsec.protocols.s7.said import (
    CONTINUED,
    MISMATCH,
    UNKNOWN_OBJECT,
    Said,
    Word,
    failure,
    file_named,
    returned,
    text_of,
    value_head,
)
from otsec.protocols.words import s7comm as words

# --------------------------------------------------------------------------- user data


@dataclass(frozen=True, slots=True)
class _User:
    """User data without its parameters."""

    said: Said
    type: int
    group: int
    function: int
    sequence: int
    piece: bool  # of a list that has several
    size: int  # bytes of the data behind its head, values among them
    data: Reader

    def values(self, object_: str | None, unit: str = "byte", *notes: str) -> Message:
        """The rest are values: what they mean is not known of all services."""
        at = 0 if unit == "word" else self.data.offset - DATA_HEAD
        count = self.data.left() // (2 if unit == "word" else 1)
        self.data.rest()
        elements = Elements(unit, at, count) if count else None
        return self.said.tell(object_, elements, (), *notes)

    def opaque(self, object_: str | None, *notes: str) -> Message:
        """The rest is not told: how it is laid out differs from message to message."""
        left = len(self.data.rest())
        note = f"opaque: data, {left} bytes" if left else ""
        return self.said.tell(object_, None, (), *notes, note).leaving(left)


def user_data(body: Reader, size: int, request: Message | None, notes: tuple[str, ...]) -> Message:
    """User data of any group; ``size``: bytes of the parameters, behind which the data stand."""
    asked = _parameters(body, size)
    answers = asked.type not in (words.ASKS, words.NC_ASKS)
    word = _service(asked.type, asked.group, asked.function)
    if answers and request is not None and request.operation != word[0]:
        request, outcome = None, MISMATCH
    else:
        outcome = failure(asked.error) if answers else ""
    if not answers and asked.error:
        notes = (*notes, failure(asked.error))
    data = body.rest()
    outcome, told = _data_head(data, outcome)
    said = Said(word, answers, body, request, body.context, outcome, (*notes, *asked.notes, *told))
    user = _User(
        said, asked.type, asked.group, asked.function, asked.sequence, asked.piece,
        max(len(data) - DATA_HEAD, 0), Reader(data, min(DATA_HEAD, len(data))),
    )  # fmt: skip
    message = _service_told(user)
    if user.data.left():
        raise Malformed(f"{word[0]}: {user.data.left()} bytes behind its content")
    return message


_METHODS = {8: 0x11, 12: 0x12}  # by bytes of the parameters


class _Parameters(NamedTuple):
    """The parameters of user data."""

    type: int
    group: int
    function: int
    sequence: int
    piece: bool  # of a list that has several
    error: int
    notes: tuple[str, ...]  # what is unusual of them


def _parameters(body: Reader, size: int) -> _Parameters:
    if size not in USER_PARAMETERS:
        raise Malformed(f"{size} bytes of parameters")
    head = int.from_bytes(body.take(3), "little")
    length, method, what, function, sequence = (body.u8() for _ in range(5))
    if head not in USER_HEADS or (head == USER_HEADS[0] and length != size - 4):
        raise Malformed(f"parameters {head:#08x} of {length} bytes")
    reference, last, error = (body.u8(), body.u8(), body.u16()) if size == 12 else (0, 0, 0)
    notes = []
    if last:
        notes.append("more follows" if last == 1 else f"last {last:#04x}")
    if method != (_METHODS[size] if head == USER_HEADS[0] else 0):
        notes.append(f"method {method:#04x}")
    if head == USER_HEADS[1] and length != 0x10:
        notes.append(f"length {length}")
    return _Parameters(
        what >> 4, what & 0xF, function, sequence, reference != 0, error, tuple(notes)
    )


def _data_head(data: bytes, outcome: str) -> tuple[str, tuple[str, ...]]:
    """(outcome, notes) by the head of the data, given the outcome that the parameters tell."""
    if not data:
        return outcome, ()
    head = value_head(Reader(data))
    null = head.kind == words.NULL_DATA and any(data[2:DATA_HEAD])
    if null or head.size != len(data) - DATA_HEAD:
        raise Malformed(f"{len(data)} bytes of data, said otherwise")
    code, notes = data[0], []
    failed = code not in (words.SUCCESS, words.NOT_THERE)
    if outcome == "ok" and (failed or (code == words.NOT_THERE and len(data) > DATA_HEAD)):
        outcome = returned(code)
    elif outcome != "ok" and failed:
        notes.append(returned(code))
    if head.kind != (words.NULL_DATA if len(data) == DATA_HEAD else words.OCTETS):
        notes.append(f"type {head.kind:#04x}")
    return outcome, tuple(notes)


def _service_told(user: _User) -> Message:
    """What the service of user data says."""
    service = user.group, user.function
    if user.group == words.MODE:
        return _mode(user)
    if not user.size and service not in _WITHOUT_DATA:
        return user.said.tell(None if user.said.answers else "")
    forms = {words.PUSH: _PUSHES, words.ASKS: ASKED, words.ANSWERS: _TOLD}.get(user.type, {})
    return forms.get(service, _values_only)(user)


def _service(type_: int, group: int, function: int) -> Word:
    """The operation of a type, group and function."""
    if group == words.MODE:
        return words.MODE_TRANSITION
    if group == words.PBC:
        return words.BSEND
    if group == words.CYCLIC and type_ == words.PUSH:
        return words.CYCLIC_DATA
    name = f"unknown_{words.GROUPS.get(group, f'{group:#04x}')}_{function:#04x}"
    return words.USERDATA_SERVICES.get((group, function), (name, "config"))


def _values_only(user: _User) -> Message:
    object_ = "" if not user.said.answers or user.type in (words.PUSH, words.NC_PUSH) else None
    return user.values(object_)


def _mode(user: _User) -> Message:
    mode = words.MODES.get(user.function, f"mode {user.function}")
    facts = (Fact("cpu_mode", mode),) if user.function in words.MODES else ()
    note = "" if user.type == words.PUSH else f"type {user.type}"
    message = user.said.tell(mode, None, facts, note)
    user.data.rest()
    return message


# -- lists of the system's state


_PIECE = "a piece of a list whose beginning was not seen"
_SUMMARY = 0x0F  # high byte of ids that ask only how many records there are


def list_name(number: int, index: int) -> str:
    """A system state list as text; all its names are numbers."""
    return f"SZL {number:#06x} index {index:#06x}"


def _list_asked(user: _User) -> Message:
    if not user.size:
        return user.said.tell(
            user.said.context.split("|")[0] or UNKNOWN_OBJECT, None, (), CONTINUED
        )
    number, index = user.data.u16(), user.data.u16()
    return user.said.tell(list_name(number, index))


def _list_told(user: _User) -> Message:
    """Records of a list; those that identify as facts, others as values."""
    asked = user.said.request
    if user.said.outcome != "ok":
        return user.values(None)
    if user.piece and (asked is None or asked.note.endswith(CONTINUED)):
        return _list_continued(user)
    if user.size < LISTED - DATA_HEAD:
        return user.values(None)
    data, note = user.data, ""
    number, index, size, count = (data.u16() for _ in range(4))
    object_ = list_name(number, index)
    if asked is not None and asked.object.startswith(f"SZL {number:#06x} "):
        note = "" if asked.object == object_ else f"index {index:#06x} in the answer"
        object_ = asked.object  # some answer every index with the whole list
    if not user.piece and size * count != data.left() and (number >> 8 != _SUMMARY or data.left()):
        raise Malformed(f"{data.left()} bytes for {count} records of {size}")
    if not tells_facts(number, index):
        records = f"{count} of {size} bytes"
        if user.piece:
            return user.opaque(object_, records, note)
        return user.values(object_, "word" if data.left() % 2 == 0 else "byte", records, note)
    facts, notes = _records(number, size, data.rest())
    return user.said.tell(object_, None, facts, note, notes)


def tells_facts(number: int, index: int) -> bool:
    """Whether the records of a list identify the device or say its state."""
    low = number & 0xFF
    return low in TELLING or (low, index & 0xFF) == PROTECTION


def _records(number: int, size: int, raw: bytes) -> tuple[tuple[Fact, ...], str]:
    """(facts, note) of whole records; what is left over is a part of one."""
    parse, least = _RECORDS[number & 0xFF]
    if size < least:
        return (), f"records of {size} bytes: {raw.hex()}"
    told = [parse(raw[at : at + size]) for at in range(0, len(raw) - size + 1, size)]
    facts = [fact for some, _ in told for fact in some if fact.value]
    return tuple(dict.fromkeys(facts)), ", ".join(note for _, note in told if note)


def _list_continued(user: _User) -> Message:
    """A further piece; the context says of which list, and what of a record was in the one before."""
    object_, _, rest = user.said.context.partition("|")
    if not object_ or user.said.request is None:
        return user.opaque(UNKNOWN_OBJECT, _PIECE)
    if not rest:
        return user.opaque(None)
    size, begun = rest.split("|")
    number = int(object_.split()[1], 16)
    facts, note = _records(number, int(size), bytes.fromhex(begun) + user.data.rest())
    return user.said.tell(None, None, facts, note)


_Told = tuple[list[Fact], str]


def _identification(record: bytes) -> _Told:
    """[SSL] W#16#xy11: index, order number, type, two versions."""
    index, order = int.from_bytes(record[:2], "big"), text_of(record[2:22])
    mark, version, minor, patch = record[24:28]
    kind = Fact("module_type", f"0x{record[22:24].hex()}")
    if index in (1, 6):
        note = f"description {mark} {minor} {patch}"
        return [Fact("order_number", order), Fact("hardware_revision", str(version)), kind], note
    text = f"{chr(mark) if 0x20 < mark < 0x7F else f'{mark:#04x} '}{version}.{minor}.{patch}"
    if index == _FIRMWARE:
        return [Fact("revision", f"{order} {text}".strip()), kind], ""
    return [Fact(f"component_{index:#06x}", f"{order} {text}".strip()), kind], ""


_FIRMWARE = 7


def _component(record: bytes) -> _Told:
    """[SSL] W#16#xy1C: index and text, or numbers of the manufacturer; of a rack where there are two."""
    rack, index = record[0], record[1]
    if index == words.MANUFACTURER:
        maker, profile = (int.from_bytes(record[at : at + 2], "big") for at in (2, 4))
        if not any(record[2:]):
            return [], f"rack {rack}" if rack else ""
        more = record[6:].rstrip(b"\0").hex()
        facts = [
            Fact("vendor_id", str(maker)),
            Fact("profile_id", f"{profile:#06x} {more}".strip()),
        ]
        return facts, f"rack {rack}" if rack else ""
    head, _, tail = record[2:].partition(b"\0")
    text = f"{text_of(head)} {tail.rstrip(bytes(1)).hex()}".strip()
    name = words.IDENTITY.get(index, f"component_{index:#06x}")
    return [Fact(name if not rack else f"{name}_{rack:#04x}", text)], ""


def _transition(record: bytes) -> _Told:
    """[SSL] W#16#xy24: event, states before and now, what it says more, and since when."""
    state = record[3] & 0xF
    note = f"event 0x{record[:2].hex()} {record[2]:#04x} from state {record[3] >> 4}"
    note += f" with {record[4:-8].hex()} at {record[-8:].hex()}"
    return [Fact("cpu_mode", words.OPERATING_STATES.get(state, f"state {state}"))], note


def _protection(record: bytes) -> _Told:
    """[SSL] W#16#xy32 index 4: levels of protection, and the mode switch."""
    level, switch = (int.from_bytes(record[at : at + 2], "big") for at in (6, 8))
    facts = [Fact("protection_level", str(level))]
    if switch:
        facts.append(Fact("key_switch", words.SWITCHES.get(switch, f"position {switch}")))
    more = f"by switch 0x{record[2:4].hex()}, by password 0x{record[4:6].hex()}"
    return facts, f"index 0x{record[:2].hex()}, {more}, then {record[10:].rstrip(bytes(1)).hex()}"


_RECORDS: dict[int, tuple[Callable[[bytes], _Told], int]] = {
    0x11: (_identification, 28),
    0x1C: (_component, 34),
    0x24: (_transition, 20),
    0x32: (_protection, 12),
}

# -- blocks


def _blocks_counted(user: _User) -> Message:
    counts = []
    while user.data.left():
        kind, count = text_of(user.data.take(2)), user.data.u16()
        counts.append(f"{words.BLOCK_TYPES.get(kind, kind)} {count}")
    return user.said.tell(None, None, (), ", ".join(counts))


def _type_asked(user: _User) -> Message:
    if not user.size:
        return user.said.tell(user.said.context or UNKNOWN_OBJECT, None, (), CONTINUED)
    kind = text_of(user.data.take(2))
    return user.said.tell(words.BLOCK_TYPES.get(kind, f"type {kind}"))


def _type_told(user: _User) -> Message:
    """Numbers of the blocks of a type, those with the same flags and language together."""
    if user.said.outcome != "ok" or user.size % 4:
        return user.opaque(None)
    runs: dict[tuple[int, int], list[list[int]]] = {}
    while user.data.left():
        number, flags, language = user.data.u16(), user.data.u8(), user.data.u8()
        run = runs.setdefault((flags, language), [[number, number]])
        if number == run[-1][1] + 1:
            run[-1][1] = number
        elif number != run[-1][1]:
            run.append([number, number])
    texts = [
        f"{' '.join(stretch('', first, last - first + 1) for first, last in run)} "
        f"(flags {flags:#04x}, language {language})"
        for (flags, language), run in runs.items()
    ]
    return user.said.tell(None, None, (), _shortened(", ".join(texts)))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_OBJECT else text[:LONGEST_OBJECT] + "..."


def _block_asked(user: _User) -> Message:
    object_, where = file_named(b"_" + user.data.take(8))
    return user.said.tell(object_, None, (), where)


_INFO = 78  # bytes of what is told of a block


def _block_told(user: _User) -> Message:
    """Language, number, times and check sum of a block; a fact, for a change of it shows there."""
    if user.said.outcome != "ok" or user.size != _INFO:
        return user.values(None)
    body = user.data
    mark, length, unknown = body.u16(), body.u16(), body.u16()
    constant, reserved, flags, language = body.u16(), body.u8(), body.u8(), body.u8()
    kind, number, load, security = body.u8(), body.u16(), body.u32(), body.u32()
    code_time, interface_time = (_since_1984(body.take(6)) for _ in range(2))
    parts = [body.u16() for _ in range(4)]
    author, family, title = (text_of(body.take(8)) for _ in range(3))
    version, rest, check = body.u8(), body.u8(), body.u16()
    behind = body.take(8)
    block = f"{words.SUBBLOCK_TYPES.get(kind, f'type {kind} ')}{number}"
    fact = Fact(
        "program_block",
        f"{block} {title} {version >> 4}.{version & 0xF} check sum {check:#06x} "
        f"code {code_time} interface {interface_time}",
    )
    note = (
        f"language {language}, flags {flags:#04x}, security {security}, load memory {load}, "
        f"sizes {' '.join(map(str, parts))}, author {author}, family {family}"
    )
    usual = (mark, length, constant, rest, any(behind)) == (0x0100, 0x4A, 0x7070, 0, False)
    marks = f"{mark:#06x} {length} {constant:#06x} {rest:#04x} {behind.hex()}"
    more = f"marks {unknown:#06x} {reserved:#04x}" + ("" if usual else f" {marks}")
    return user.said.tell(None, None, (fact,), note, more)


def _since_1984(raw: bytes) -> str:
    """A time of the block's header: milliseconds of the day, and days since 1984-01-01."""
    days, moment = int.from_bytes(raw[4:], "big"), int.from_bytes(raw[:4], "big")
    since = np.timedelta64(days, "D") + np.timedelta64(moment, "ms")
    return str(np.datetime64("1984-01-01T00:00:00.000") + since)


# -- cyclic services


def _subscribed(user: _User) -> Message:
    """Addresses to be told of cyclically, or whenever they change."""
    data = user.data
    count, base, factor = data.u16(), data.u8(), data.u8()
    interval = f"every {factor}x{_BASES.get(base, f'base {base}')}"
    job = f"job {user.sequence}" if user.sequence else ""
    if user.function == words.TRANSFER or user.function in CHANGES:
        return user.said.tell(addresses_of(data, count), None, (), interval, job)
    return user.values(None, "byte", interval, job)


_BASES = {0: "100ms", 1: "1s", 2: "10s"}
CHANGES = (words.CHANGE_DRIVEN, words.CHANGE_DRIVEN_MODIFY)
LONGEST_OBJECT = 2_000  # characters; a list of addresses may have thousands


def addresses_of(data: Reader, count: int) -> str:
    """So many addresses, filled up to even numbers of bytes, as one text."""
    texts = []
    for number in range(count):
        end = (
            data.offset + 2 + data.data[data.offset + 1] if data.left() > 1 else len(data.data) + 1
        )
        text, note = address_of(Reader(data.take(end - data.offset)))
        texts.append(f"{text} ({note})" if note else text)
        if (end - DATA_HEAD) & 1 and number + 1 < count:
            data.u8()
    return _shortened(", ".join(texts))


def _first_told(user: _User) -> Message:
    return _cyclic(user, None)


def _cyclic_told(user: _User) -> Message:
    """What a job tells; where it leaves out what did not change, it is laid out anew each time."""
    object_, _, size = user.said.context.partition("|")
    if size != str(user.size):
        left = len(user.data.rest())
        note = f"job {user.sequence}, opaque: values that changed, {user.size} bytes"
        return user.said.tell(object_ or f"job {user.sequence}", None, (), note).leaving(left)
    return _cyclic(user, object_)


def _cyclic(user: _User, object_: str | None) -> Message:
    """How many values, the head of the first, and all else as octets."""
    job = f"job {user.sequence}"
    if user.size < SUBSCRIBED - DATA_HEAD:
        return user.values(object_, "byte", job)
    data = user.data
    count, code, kind, size = data.u16(), data.u8(), data.u8(), data.u16()
    said = user.said
    if said.outcome == "ok" and code != words.SUCCESS:
        said = replace(said, outcome=returned(code))
    note = f"{job}, {count} values, first of type {kind} length {size}"
    return replace(user, said=said).values(object_, "byte", note)


def _ended(user: _User) -> Message:
    """The end of a cyclic job, by its number."""
    function, job = user.data.u8(), user.data.u8()
    note = f"job {job} of function {function}"
    sequence = f"sequence {user.sequence}" if user.sequence else ""
    object_ = user.said.context.partition("|")[0] or f"job {job}"
    return user.said.tell(object_, None, (), note, sequence)


# -- programmer commands


def _monitor_asked(user: _User) -> Message:
    """A job of the programmer: ten numbers of when and how often, then what it is about."""
    when, object_, note, more = monitored(user.function, user.data)
    sequence = f"sequence {user.sequence}" if user.sequence else ""
    about = f"of {more}" if more else ""
    return user.said.tell(object_, None, (), f"when {when}", note, about, sequence)


def monitored(function: int, data: Reader) -> tuple[str, str, str, str]:
    """(when, object, note, rest) of a job of the programmer."""
    size, rest = data.u16(), data.u16()
    head, body = Reader(data.take(size)), Reader(data.take(rest))
    when = " ".join(f"{head.u16():x}" for _ in range(min(size // 2, 10)))
    object_, note = "", ""
    if function in _OF_BLOCK and head.left() >= 4:
        kind, number = head.u16(), head.u16()
        object_ = f"{words.SUBBLOCK_TYPES.get(kind, f'type {kind} ')}{number}"
    elif function in _OF_VARIABLES and body.left():
        object_, note = _variables(body)
    elif function in _OF_JOBS and body.left() >= 2:
        count = 1
        if function == _DELETE:
            count = body.u16()
        elif function == _REPLACE:
            note = f"reserved {body.u16():#06x}"
        object_ = ", ".join(_job_named(body) for _ in range(count))
    more = " ".join(part.rest().hex() for part in (head, body) if part.left())
    return when, object_, note, more


_OF_BLOCK = (1, 19)
_OF_VARIABLES = (words.VARIABLE_STATUS, words.MODIFY, words.FORCE)
WATCHES = (*_OF_BLOCK, *_OF_VARIABLES)  # functions whose jobs tell of what they watch
_DELETE, _REPLACE = 15, 18
_OF_JOBS = (13, 14, _DELETE, 17, _REPLACE)


def _job_named(body: Reader) -> str:
    """A job by what it does, and its number."""
    function, job = body.u8(), body.u8()
    name = words.USERDATA_SERVICES.get((words.PROGRAMMER, function))
    return f"{name[0] if name else f'{function:#04x}'} job {job}"


def _variables(body: Reader) -> tuple[str, str]:
    """(addresses, what is written to them)."""
    count = body.u16()
    texts = [_variable(body) for _ in range(count)]
    written = []
    while body.left():
        form = body.data[body.offset : body.offset + 2].hex()
        size = value_head(body).size
        written.append(("" if form == _PLAIN else f"{form}:") + body.take(size).hex())
        if size & 1 and body.left():
            body.u8()
    return ", ".join(texts), f"values {' '.join(written)}" if written else ""


_PLAIN = "0009"  # no return code, octets


def _variable(body: Reader) -> str:
    area, factor, block, address = body.u8(), body.u8(), body.u16(), body.u16()
    if area in (words.MONITORED_TIMER, words.MONITORED_COUNTER):
        return stretch("T " if area == words.MONITORED_TIMER else "C ", address, max(factor, 1))
    letter = words.MONITORED_AREAS.get(area >> 4)
    width = area & 0xF
    if letter is None or width > 3:
        return f"area {area:#04x} {factor} {block} {address}"
    in_block = letter == "DB"
    front = f"DB{block}.DB" if in_block else f"{letter} "
    beside = f" of {block}" if block and not in_block else ""
    if width == 0:
        return f"{front}{'X' if in_block else ''}{address}.{factor}{beside}"
    front += "B" if in_block else ""
    return stretch(front, address, (1, 1, 2, 4)[width] * max(factor, 1)) + beside


def _monitor_told(user: _User) -> Message:
    """Two sizes, two numbers of the job, and values whose form is that of the job."""
    job = f"job {user.sequence}"
    object_ = None if user.type == words.ANSWERS else user.said.context or job
    if user.size < MONITORED - DATA_HEAD:
        return user.values(object_)
    size, rest, one, other = (user.data.u16() for _ in range(4))
    if size + rest + 4 != user.size:
        raise Malformed(f"{user.size} bytes of a job, said {size} and {rest}")
    note = f"{job}, state {one:#06x} {other:#06x}, {size} and {rest} bytes"
    return user.values(object_, "byte", note)


# -- messages of the controller


def _service_asked(user: _User) -> Message:
    """Which events are to be told."""
    events, reserved, name = user.data.u8(), user.data.u8(), text_of(user.data.take(8))
    named = [word for bit, word in _EVENTS.items() if events & bit]
    if events & ~sum(_EVENTS):
        named.append(f"{events:#04x}")
    more = user.data.rest().hex()
    notes = (
        f"as {name}",
        f"reserved {reserved:#04x}" if reserved else "",
        f"of {more}" if more else "",
    )
    return user.said.tell(", ".join(named) or "nothing", None, (), *notes)


_EVENTS = {1: "mode transitions", 2: "system diagnostics", 4: "user messages", 0x80: "alarms"}


def _diagnosed(user: _User) -> Message:
    """An entry of the diagnostic buffer, [SSL] W#16#xyA0; its time stamp is not looked at."""
    event, priority, block = user.data.u16(), user.data.u8(), user.data.u8()
    kind, info, more = user.data.u16(), user.data.u16(), user.data.u32()
    user.data.rest()
    note = f"priority {priority}, OB {block}, data {kind:#06x}, info {info:#06x} {more:#010x}"
    return user.said.tell(f"event {event:#06x}", None, (), note)


def _alarmed(user: _User) -> Message:
    """An alarm; its time stamp is not looked at, its states and values are octets."""
    user.data.take(TIME)
    function, count, mark, size = (user.data.u8() for _ in range(4))
    syntax, number, event = user.data.u8(), user.data.u8(), user.data.u32()
    note = f"function {function:#04x}, {count} alarms, first {mark:#04x} of {size} bytes "
    note += f"syntax {syntax:#04x} with {number} values"
    return user.values(f"event {event:#010x}", "byte", note)


def _alarms_asked(user: _User) -> Message:
    """Acknowledgement, lock or query of alarms: objects of a length, a syntax and a number."""
    data = user.data
    function, count = data.u8(), data.u8()
    texts, notes = [], []
    for _ in range(count):
        if (mark := data.u8()) != ADDRESS:
            raise Malformed(f"an alarm that begins with {mark:#04x}")
        body = Reader(data.take(data.u8()))
        syntax, number = body.u8(), body.u8()
        if syntax == _QUERY:
            kind, reserved, event = body.u8(), body.u8(), body.u32()
            texts.append(f"query {kind} {event:#010x}")
            notes.append(f"reserved {reserved:#04x}")
        else:
            texts.append(f"event {body.u32():#010x}")
        notes.append(f"syntax {syntax:#04x} {number} {body.rest().hex()}".strip())
    note = ", ".join(notes)
    more = data.rest().hex()
    return user.said.tell(
        ", ".join(texts), None, (), f"function {function:#04x}", note, f"of {more}" if more else ""
    )


_QUERY = 0x1A

# -- security, blocks of programs, and time


def _password(user: _User) -> Message:
    """What stands in it is neither read nor kept."""
    user.data.rest()
    return user.said.tell("")


def _sent(user: _User) -> Message:
    """A block that a program sends to another's, by the number on which both agreed."""
    if user.size < 8:
        return user.values(None if user.said.answers else "")
    mark, size, syntax, reserved = (user.data.u8() for _ in range(4))
    note = f"{mark:#04x} {size} {syntax:#04x} {reserved}, function {user.function}"
    return user.values(f"R_ID {user.data.u32():#010x}", "byte", note)


def _clock_set(user: _User) -> Message:
    """A reserved byte, the century, and a time stamp of eight bytes in decimal digits."""
    reserved, raw = user.data.u8(), user.data.take(9).hex()
    if not raw.isdigit():
        raise Malformed(f"time {raw}")
    year = ("20" if raw[2] < "9" else "19") + raw[2:4]  # [SSL] DATE_AND_TIME: 1990 to 2089
    clock = f"{raw[8:10]}:{raw[10:12]}:{raw[12:14]}.{raw[14:17]}"
    note = f"to {year}-{raw[4:6]}-{raw[6:8]} {clock}, century {raw[:2]} weekday {raw[17]}"
    more = user.data.rest().hex()
    notes = (f"reserved {reserved:#04x}" if reserved else "", f"of {more}" if more else "")
    return user.said.tell("", None, (), note, *notes)


def _clock_told(user: _User) -> Message:
    user.data.rest()
    return user.said.tell(None)


_Form = Callable[[_User], Message]
_PROGRAMMERS = [key for key in words.USERDATA_SERVICES if key[0] == words.PROGRAMMER]
_PUSHES: dict[tuple[int, int], _Form] = {
    **dict.fromkeys(_PROGRAMMERS, _monitor_told),
    **{(words.CYCLIC, sub): _cyclic_told for sub in (words.TRANSFER, *CHANGES)},
    (words.CPU, words.DIAGNOSTIC): _diagnosed,
    **{(words.CPU, sub): _alarmed for sub in words.ALARM_PUSHES},
    **{(words.PBC, sub): _sent for sub in range(256)},
}
ASKED: dict[tuple[int, int], _Form] = {
    **dict.fromkeys(_PROGRAMMERS, _monitor_asked),
    **{(words.CYCLIC, sub): _subscribed for sub in (words.TRANSFER, *CHANGES)},
    (words.CYCLIC, words.UNSUBSCRIBE): _ended,
    (words.BLOCKS, words.LIST_TYPE): _type_asked,
    (words.BLOCKS, words.BLOCK_INFO): _block_asked,
    (words.CPU, words.READ_SZL): _list_asked,
    (words.CPU, words.MESSAGE_SERVICE): _service_asked,
    **{(words.CPU, sub): _alarms_asked for sub in (7, 8, 11, 19)},
    (words.SECURITY, words.SET_PASSWORD): _password,
    **{(words.PBC, sub): _sent for sub in range(256)},
    (words.TIME, words.SET_CLOCK): _clock_set,
    (words.TIME, words.SET_CLOCK_FOLLOWING): _clock_set,
}
_TOLD: dict[tuple[int, int], _Form] = {
    **dict.fromkeys(_PROGRAMMERS, _monitor_told),
    **{(words.CYCLIC, sub): _first_told for sub in (words.TRANSFER, *CHANGES)},
    (words.BLOCKS, words.LIST_BLOCKS): _blocks_counted,
    (words.BLOCKS, words.LIST_TYPE): _type_told,
    (words.BLOCKS, words.BLOCK_INFO): _block_told,
    (words.CPU, words.READ_SZL): _list_told,
    **{(words.PBC, sub): _sent for sub in range(256)},
    (words.TIME, words.READ_CLOCK): _clock_told,
    (words.TIME, words.READ_CLOCK_FOLLOWING): _clock_told,
}
_WITHOUT_DATA = ((words.CPU, words.READ_SZL), (words.BLOCKS, words.LIST_TYPE))
