"""IEC 60870-5-104, read passively: the application of IEC 60870-5-101 on TCP.

Sources: [104] IEC 60870-5-104:2006, [101] IEC 60870-5-101:2003 for types, causes and elements,
[7] IEC TS 60870-5-7:2013 for the security types, whose bodies are opaque here.

The key of a unit is its type, originator and common address; of a command or a file unit besides
object address, qualifiers and cause. Data are cut into items, one an object: its address and its
quality are the key. Sequence numbers, times and values are in no key. The tag is type, common
address and object address: 104 has no other number that joins a command and its confirmation.

The cause of data (periodic, spontaneous, interrogated, ...) is left out. It says why a point was
sent, not what it is: with it each point would be three behaviours, its values torn apart, and a
station that is interrogated once more would look new. A cause tells where it changes the meaning:
deactivation is an operation of its own, as are the selection before an execution and the report that
a command has ended; a refusal and a cause that the type cannot have are outcomes.

A confirmation answers its activation, and data of cause "requested" a read command. All else stands
alone: data, terminations, files, security, acknowledgements (S), and tests of the link by
the controlled station, as their confirmation comes from the side that otherwise asks. Commands to
all stations (common address 65535) stand alone too: each station confirms with its own address.

Types that 104 does not take over from 101, those with a time of three bytes and 104 and 106, are
read nevertheless: gateways send them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from otsec.columns import I64, U64, Ints, Mask, span_word
from otsec.errors import Malformed, Truncated
from otsec.model import OperationClass
from otsec.protocols.api import (
    FOLLOWS,
    MARKS,
    REPEATS,
    RETURNS,
    SAYS,
    SETS,
    SKIPS,
    Acknowledging,
    Clocks,
    Counting,
    Elements,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Times,
    Units,
)
from otsec.protocols.framing.apci import APCI, FRONT, SHORTEST, START
from otsec.protocols.instants import cp56
from otsec.protocols.words import iec104 as words
from otsec.protocols.words.iec104 import END_OF_START, OPEN, TYPES, Type

CONTROL = FRONT + SHORTEST  # where the data unit begins
ADDRESS = CONTROL + 6  # where its first object address is
OBJECT = ADDRESS + 3  # where its first element is
SEGMENT_LENGTH = OBJECT + 3  # where a unit with a segment of a file says how long that is
BROADCAST = 0xFFFF  # common address, [101] 7.2.4
MOST_OBJECTS = 127  # in a unit, [101] 7.2.2
ADDRESSES = 1 << 24

# ---------------------------------------------------------------------------- the words

SUPERVISORY = "supervisory"  # an S unit: what was received up to N(R)
DEACTIVATE, SELECT, TERMINATION = "_deactivate", "_select", "_termination"
LASTING = (  # whose end is told, [101] 7.3.2 and 7.3.4
    *(code for code, one in TYPES.items() if one.cls == "control"),
    words.INTERROGATION,
    words.COUNTER_INTERROGATION,
)
REVOCABLE = (*LASTING, words.PARAMETER_ACTIVATION)  # whose activation can be taken back


def _operations() -> tuple[Operation, ...]:
    """Types by their code; what they can be besides, numbered behind it."""
    plain = [Operation(one.name, one.cls, code) for code, one in TYPES.items()]
    more: list[tuple[int, str, OperationClass]] = [
        *((code, SELECT, "control") for code in words.SELECTABLE),
        *((code, DEACTIVATE, TYPES[code].cls) for code in REVOCABLE),
        *((code, TERMINATION, "report") for code in LASTING),
        *((words.COUNTER_INTERROGATION, word, "write") for word in words.FREEZES[1:]),
        *((words.CALL, word, "file") for word in words.CALLS.values()),
    ]
    beyond = [
        Operation(TYPES[code].name + word, cls, number << 8 | code)
        for number, (code, word, cls) in enumerate(more, 1)
    ]
    links = {name: code for code, name in reversed(words.UNNUMBERED.items())}
    unnumbered = [Operation(name, "session", code << 16) for name, code in links.items()]
    return (*plain, *beyond, *unnumbered, Operation(SUPERVISORY, "session", 1 << 16))


OPERATIONS = _operations()

# ------------------------------------------------------------------------------- tables

# types whose units are cut into items
LISTED = {
    code for code, one in TYPES.items()
    if one.group == "monitor" and code != words.END_OF_INITIALISATION
} | {words.DIRECTORY}  # fmt: skip


def _sizes() -> NDArray[np.int16]:
    """Bytes of a unit by its number of objects (VSQ) times 256 and type.

    0 where there is no such unit; OPEN: any size that has room for the head of the data unit.
    """
    sizes = np.full((256, 256), OPEN, np.int16)
    sizes[:, 0] = 0  # not used, [101] 7.2.1
    for code, one in TYPES.items():
        size = one.element.size
        sizes[:, code] = 0
        sizes[1, code] = OPEN if size == OPEN else OBJECT + size
        if code == words.KEY_STATUS_REQUEST:
            sizes[1, code] = ADDRESS + 2
        if code in LISTED:
            many = np.arange(1, MOST_OBJECTS + 1)
            sizes[many, code] = ADDRESS + many * (3 + size)
            sizes[SEQUENCE + many, code] = OBJECT + many * size
    return sizes.ravel()


def _masks(codes: set[int]) -> U64:
    """By type, what of the eight bytes from an object's address on belongs to a key."""
    masks = np.zeros(256, np.uint64)
    for code in codes:
        masks[code] = int.from_bytes(b"\xff" * 3 + TYPES[code].element.key, "little")
    return masks


def _by_type(value: Callable[[Type], int], dtype: type) -> Ints:
    table: Ints = np.zeros(256, dtype)
    for code, one in TYPES.items():
        table[code] = value(one)
    return table


def _by_cause(causes: Callable[[int, Type], set[int]]) -> Mask:
    """By type times 64 and cause."""
    table = np.zeros((256, 64), np.bool_)
    for code, one in TYPES.items():
        table[code, list(causes(code, one))] = True
    return table.ravel()


def _asking(code: int, one: Type) -> set[int]:
    if one.group != "command":
        return set()
    return {words.REQUESTED} if code == words.READ else {words.ACTIVATION, words.DEACTIVATION}


def _answering(code: int, one: Type) -> set[int]:
    """Causes of what answers an activation or a read command.

    A read command is answered by data; who confirms it besides, as lib60870 does, says it alone.
    """
    if code == words.READ:
        return set(words.REFUSALS)
    if one.group == "command":
        return {words.CONFIRMED, words.DEACTIVATED, *words.REFUSALS}
    return {words.REQUESTED} if code in LISTED and one.group == "monitor" else set()


def _expected(code: int, one: Type) -> set[int]:
    """All causes that a type can have, [101] 7.2.3 and 7.3."""
    if one.group == "monitor":
        return set(words.REPORTED)
    if one.group == "security":
        return set(words.SECURED)
    if one.group == "file":
        return {words.REQUESTED, words.FILE_TRANSFER, *words.REFUSALS}
    told = _asking(code, one) | _answering(code, one)
    if code in LASTING:
        told.add(words.TERMINATED)
    if code == words.CLOCK:
        told.add(words.SPONTANEOUS)
    return told | set(words.REPORTED if code in words.PARAMETERS else ())


def _told(code: int, one: Type) -> set[int]:
    """Causes that only the controlled station has."""
    if one.group == "command":
        answered = {words.CONFIRMED, words.DEACTIVATED, words.TERMINATED}
        return _expected(code, one) - _asking(code, one) | answered
    return _expected(code, one) if one.group == "monitor" else set()


SEQUENCE = 0x80  # SQ: one address, and elements that follow it, [101] 7.2.2
_SIZES = _sizes()
_BODY, _ITEM = _masks(set(TYPES) - LISTED), _masks(LISTED)
for _code, _one in TYPES.items():  # their bodies have no object address
    if _one.group == "security":
        _user = 0xFFFF << 8 * words.USERS[_code] if _code in words.USERS else 0
        _BODY[_code] = words.FIRST_SEGMENT | words.LAST_SEGMENT | _user
_IS_LISTED = np.isin(np.arange(256), list(LISTED))
_ELEMENT = _by_type(lambda one: max(one.element.size, 0), np.int64)
_SPAN = _by_type(lambda one: one.element.span, np.int64)
_VALUES = _by_type(lambda one: one.element.values, np.int64)
_VALUE_TYPE = _by_type(lambda one: one.element.type, np.uint8)
_VALUE_AT = _by_type(lambda one: one.element.at, np.int64)
_ASKS, _ANSWERS = _by_cause(_asking), _by_cause(_answering)
_EXPECTED, _TOLD = _by_cause(_expected), _by_cause(_told)
# where the cause is no part of the key
_PLAIN = _EXPECTED & np.repeat(_IS_LISTED, 64)
_STEPS = np.isin(np.arange(256), words.STEPS)
_CODES = np.isin(np.arange(256), list(words.UNNUMBERED))
_CONFIRMS = np.isin(np.arange(256), words.CONFIRMATIONS)

# ------------------------------------------------------------------- units as columns

_BYTE = np.uint64(0xFF)
_S_UNIT = 0x01  # the control field of S units, [104] 5.1 figure 7


@dataclass(frozen=True, slots=True)
class _Apdus:
    """Units as columns."""

    front: U64  # the eight bytes from the control field on: control, type, VSQ, cause, originator
    back: U64  # the eight bytes behind those: common address, object address, three more
    size: I64
    data: Mask  # I units
    type: I64  # 0 where it is none
    cause: I64  # type times 64 and cause


def _apdus(units: Units) -> _Apdus:
    size = units.end - units.start
    front = span_word(units.buffer, units.start, size, FRONT)
    back = span_word(units.buffer, units.start, size, FRONT + 8)
    kind = ((front >> np.uint64(32)) & _BYTE).astype(np.int64)
    cause = ((front >> np.uint64(48)) & np.uint64(words.CAUSE_BITS)).astype(np.int64)
    return _Apdus(front, back, size, np.asarray(front & np.uint64(1) == 0), kind, kind << 6 | cause)


def _well_formed(units: Units, apdus: _Apdus) -> Mask:
    """Whether control field, number of objects and length go together."""
    wanted = _SIZES[(apdus.front >> np.uint64(32)) & np.uint64(0xFFFF)]
    fits: Mask = (wanted == apdus.size) | ((wanted == OPEN) & (apdus.size >= ADDRESS))
    # the lowest bit of N(R), and a cause
    fits &= (apdus.front & np.uint64(1 << 16) == 0) & (apdus.cause & words.CAUSE_BITS != 0)
    sequences = np.flatnonzero(apdus.data & (apdus.front & np.uint64(SEQUENCE << 40) != 0))
    if len(sequences):
        number = (apdus.front[sequences] >> np.uint64(40)) & np.uint64(MOST_OBJECTS)
        last = _first_address(apdus.back[sequences]) + number.astype(np.int64)
        fits[sequences] &= (last <= ADDRESSES) | ~_IS_LISTED[apdus.type[sequences]]
    segments = np.flatnonzero(apdus.type == words.SEGMENT)
    if len(segments):
        fits[segments] &= apdus.size[segments] == _segment_sizes(units, segments)
    secured = np.flatnonzero(_SEGMENTED[apdus.type])
    if len(secured):
        first = apdus.back[secured] >> np.uint64(16) & np.uint64(words.FIRST_SEGMENT) != 0
        least = np.where(first, _SECURED_LEAST[apdus.type[secured]], ADDRESS + 1)
        fits[secured] &= apdus.size[secured] >= least
    links = np.flatnonzero(~apdus.data)
    fits[links] = _link_fits(apdus.front[links], apdus.size[links])
    return fits


_SECURITY = np.isin(
    np.arange(256), [code for code, one in TYPES.items() if one.group == "security"]
)
_SEGMENTED = _SECURITY & (np.arange(256) != words.KEY_STATUS_REQUEST)
_SECURED_LEAST = np.full(256, ADDRESS + 1)
for _code, _at in words.USERS.items():
    _SECURED_LEAST[_code] = ADDRESS + _at + 2


def _segment_sizes(units: Units, rows: I64) -> I64:
    """How long units with a segment of a file are by its length, [101] 7.2.6.36."""
    start, end = units.start[rows] + SEGMENT_LENGTH, units.end[rows]
    length = span_word(units.buffer, start, end - start, 0) & _BYTE
    return SEGMENT_LENGTH + 1 + length.astype(np.int64)


def _first_address(back: U64) -> I64:
    return ((back >> np.uint64(16)) & np.uint64(ADDRESSES - 1)).astype(np.int64)


def _link_fits(front: U64, size: I64) -> Mask:
    """Whether an S or U unit is its control field and nothing else, [104] 5.1."""
    code = (front & _BYTE).astype(np.int64)
    unnumbered = (code == front) & _CODES[code]
    supervisory = front & np.uint64(0x1_FFFF) == _S_UNIT
    return np.asarray((size == CONTROL) & (unnumbered | supervisory))


# -------------------------------------------------------------------- claims and sides


def claims(units: Units) -> Mask:
    """Whether each unit is of this protocol beyond reasonable doubt.

    S and U units leave no choice in four and six bytes. Data must be of a known type, with a
    cause that the type can have, a common address, and as long as their number of objects makes
    them; security types, whose length nothing tells, are not taken for proof.
    """
    apdus = _apdus(units)
    edge = span_word(units.buffer, units.start, apdus.size, 0) & np.uint64(0xFFFF)
    mine: Mask = edge.astype(np.int64) == START | (apdus.size - FRONT) << 8
    mine &= _well_formed(units, apdus)
    known = _EXPECTED[apdus.cause] & ~_SECURITY[apdus.type]
    known &= apdus.back & np.uint64(0xFFFF) != 0
    # frames of M-Bus and of 101 have their length twice, and the start octet again behind it
    doubled = edge >> np.uint64(8) == apdus.front & _BYTE
    known &= ~(doubled & ((apdus.front >> np.uint64(8)) & _BYTE == START))
    return mine & (known | ~apdus.data)


def sides(units: Units) -> Ints:
    """The controlling station asks, the controlled one answers and reports.

    UNKNOWN of what both say: tests of the link, acknowledgements, files, security.
    """
    apdus = _apdus(units)
    result: Ints = np.where(_ASKS[apdus.cause], Side.REQUEST, Side.UNKNOWN)
    result[_TOLD[apdus.cause]] = Side.RESPONSE
    links = np.flatnonzero(~apdus.data)
    result[links] = _SIDE_OF_LINK[(apdus.front[links] & _BYTE).astype(np.int64)]
    return result.astype(np.uint8)


_SIDE_OF_LINK = np.full(256, Side.UNKNOWN)
_SIDE_OF_LINK[[words.STARTDT, words.STOPDT]] = Side.REQUEST
_SIDE_OF_LINK[[words.STARTED, words.STOPPED]] = Side.RESPONSE

# ------------------------------------------------------------------------------- split

_HEAD = np.uint64(0xFFFF_00FF)  # of the key: type, cause, originator
_HEAD_PLAIN = np.uint64(0xFFC0_00FF)  # the same without the cause
_LINK_KEY, _LINK_TAG = np.uint64(1 << 48), np.uint64(1 << 63)
_OBJECT_BITS = np.uint64((1 << 40) - 1)  # common address and object address
_ALONE_CA = np.uint64(BROADCAST)


def split(units: Units) -> Split:
    """See the head of this module for what is a key and what pairs."""
    apdus = _apdus(units)
    malformed = ~_well_formed(units, apdus)
    common = apdus.back & np.uint64(0xFFFF)
    head = (apdus.front >> np.uint64(32)) & np.where(_PLAIN[apdus.cause], _HEAD_PLAIN, _HEAD)
    head |= common << np.uint64(32)
    listed = _IS_LISTED[apdus.type]
    kind = np.where(listed, words.READ, apdus.type).astype(np.uint64)
    tag = apdus.back & _OBJECT_BITS | kind << np.uint64(40)
    answers = _ANSWERS[apdus.cause] & (units.side == Side.RESPONSE)
    # data answer a read command only if they are of one object
    answers &= ~listed | (apdus.front & np.uint64(MOST_OBJECTS << 40) == np.uint64(1 << 40))
    asks = _ASKS[apdus.cause] & (units.side != Side.RESPONSE) & (common != _ALONE_CA)
    paired = answers | asks
    body = np.zeros(len(units), np.uint64)
    start, count = units.start + OBJECT, np.zeros(len(units), np.int64)
    length, value_type = count.copy(), np.zeros(len(units), np.uint8)
    links = np.flatnonzero(~apdus.data)
    if len(links):
        control = apdus.front[links] & _BYTE
        link = control.astype(np.int64)
        head[links] = _LINK_KEY | control
        tag[links] = _LINK_TAG | _TAG_OF_LINK[link]
        confirms = _CONFIRMS[link] == (units.side[links] == Side.RESPONSE)
        paired[links] = confirms & _CODES[link]
    rest = np.flatnonzero(apdus.data & ~listed)
    if len(rest):
        code = apdus.type[rest]
        body[rest] = span_word(units.buffer, units.start[rest], apdus.size[rest], ADDRESS)
        mask = _BODY[code]
        body[rest] &= np.where(_LATER[body[rest] & _BYTE] & _SEGMENTED[code], _SEGMENT, mask)
        length[rest] = np.where(malformed[rest], 0, _SPAN[code])
        count[rest] = np.where(malformed[rest], 0, _VALUES[code])
        value_type[rest] = _VALUE_TYPE[code]
    return Split(
        key_words=[head, body],
        key_start=start,
        key_length=length,
        tag=np.where(paired, tag, np.uint64(0)),
        value_start=start,
        value_count=count,
        value_type=value_type,
        malformed=malformed,
        alone=~paired,
    )


# of a message of authentication, which bytes belong to the key where it is not the first segment
_SEGMENT = np.uint64(words.FIRST_SEGMENT | words.LAST_SEGMENT)
_LATER = np.arange(256) & words.FIRST_SEGMENT == 0
_TAG_OF_LINK = np.zeros(256, np.uint64)
for _code, _name in words.UNNUMBERED.items():
    _TAG_OF_LINK[_code] = list(words.UNNUMBERED.values()).index(_name) + 1


_BEHIND_ADDRESS = np.uint64((1 << 64) - ADDRESSES)


def items(units: Units) -> Items:
    """The objects of units of data; the key of each is its address and its quality."""
    apdus = _apdus(units)
    number = ((apdus.front >> np.uint64(40)) & np.uint64(MOST_OBJECTS)).astype(np.int64)
    number[~(_IS_LISTED[apdus.type] & apdus.data)] = 0
    owner = np.repeat(np.arange(len(units)), number)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number)
    code = apdus.type[owner]
    sequence = apdus.front & np.uint64(SEQUENCE << 40) != 0
    pitch = _ELEMENT[apdus.type] + np.where(sequence, 0, 3)
    element = (units.start + OBJECT)[owner] + rank * pitch[owner]
    end = element + _ELEMENT[code]
    word = span_word(units.buffer, element - 3, units.end[owner] - element + 3, 0)
    follows = sequence[owner]
    if follows.any():  # the address is said once
        address = (_first_address(apdus.back)[owner] + rank).astype(np.uint64)
        word = np.where(follows, word & _BEHIND_ADDRESS | address, word)
    key = word & _ITEM[code]
    count = _VALUES[code]
    steps = np.flatnonzero(_STEPS[code])
    if len(steps):  # where it has no value, see `_step`, the position is in the key
        position = (word[steps] >> np.uint64(24)) & _BYTE
        odd = steps[(position ^ position << np.uint64(1)) & np.uint64(0x80) != 0]
        key[odd] |= word[odd] & np.uint64(0xFF << 24)
        count[odd] = 0
    statistics = np.flatnonzero(code == words.SECURITY_STATISTICS)
    if len(statistics):
        at = element[statistics] + words.COUNTER_FLAGS
        flags = span_word(units.buffer, at, units.end[owner[statistics]] - at, 0)
        key[statistics] |= (flags & np.uint64(words.COUNTER_MARKS)) << np.uint64(40)
    none = np.zeros(len(owner), np.int64)
    return Items(
        owner=owner,
        start=element - np.where(follows, 0, 3),
        end=end,
        split=Split(
            key_words=[key],
            key_start=element,
            key_length=_SPAN[code],
            tag=none.astype(np.uint64),
            value_start=element + _VALUE_AT[code],
            value_count=count,
            value_type=_VALUE_TYPE[code],
            malformed=none > 0,
        ),
    )


# ------------------------------------------------------------------------------ decode

UNKNOWN_CLASS: OperationClass = "config"  # what it changes is unknown: it is to be looked at
_NOT_PUBLIC = "opaque: the type is not public"
_AUTHENTICATION = "opaque: authentication"
MISMATCH = "mismatch"  # a confirmation that does not fit the command that it answers


@dataclass(frozen=True, slots=True)
class _Asdu:
    """The head of a data unit, and who says it."""

    code: int
    cause: int  # with the bits for negative and test
    originator: int
    common: int
    side: Side
    request: Message | None

    @property
    def reason(self) -> int:
        """The cause of transmission."""
        return self.cause & words.CAUSE_BITS

    @property
    def repeats(self) -> bool:
        """Whether it says again what a command has said: confirmations and what ends one."""
        again = {words.CONFIRMED, words.DEACTIVATION, words.DEACTIVATED, words.TERMINATED}
        return self.reason in again or self.reason in words.REFUSALS

    def says(
        self,
        object_: str = "",
        *,
        variant: str = "",
        cls: OperationClass | None = None,
        elements: Elements | None = None,
        marks: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Message:
        """A message; ``marks``: what is not as it should be, the worst first."""
        known = TYPES.get(self.code)
        if self.reason == words.TERMINATED and self.code in LASTING:
            variant, cls = TERMINATION, "report"
        name = known.name + variant if known else f"unknown_{self.code:#04x}"
        marks = (*self._marks(), *marks)
        if self._astray(name):
            marks = (*marks, MISMATCH)
        if self.originator:
            notes = (*notes, f"originator {self.originator}")
        asks = self.side == Side.REQUEST
        return Message(
            operation=name,
            cls=cls or (known.cls if known else UNKNOWN_CLASS),
            object=object_,
            device=f"ca {self.common}",
            outcome="" if asks else (*marks, "ok")[0],
            elements=elements,
            note=", ".join(filter(None, (*notes, *marks[0 if asks else 1 :]))),
        )

    def _marks(self) -> tuple[str, ...]:
        """What cause, P/N and T say, [101] 7.2.3."""
        reason = self.reason
        said = words.CAUSES.get(reason, f"cause_{reason}")
        marks = []
        if not self._expected():
            marks.append(f"unexpected_{said}")
        elif reason in words.REFUSALS:
            marks.append(said)
        elif self.cause & words.NEGATIVE:
            marks.append("negative")
        if self.cause & words.UNDER_TEST:
            marks.append("test")
        return tuple(marks)

    def _expected(self) -> bool:
        return self.code not in TYPES or bool(_EXPECTED[self.code << 6 | self.reason])

    def _astray(self, name: str) -> bool:
        """Whether it answers another operation than its own; a refusal does not say what."""
        if self.request is None or self.reason not in {words.CONFIRMED, words.DEACTIVATED}:
            return False
        return self.request.operation != name


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct unit, or one object of it.

    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts [104].
    """
    start, length = reader.u8(), reader.u8()
    if start != START or not SHORTEST <= length <= APCI.longest - FRONT:
        raise Malformed(f"start {start:#04x}, length {length}")
    if reader.left() < length:
        raise Truncated(f"{length} bytes, {reader.left()} left")
    if reader.left() > length:
        raise Malformed(f"{reader.left() - length} bytes behind the unit")
    control = reader.take(SHORTEST)
    if control[0] & 1:
        return _link(control, reader.left(), side)
    if control[2] & 1:
        raise Malformed(f"N(R) {control[2:].hex()}")
    return _data(reader, side, request)


def _link(control: bytes, left: int, side: Side) -> Message:
    """An S or U unit."""
    code = int.from_bytes(control, "little")
    if left or (code not in words.UNNUMBERED and code & 0x1_FFFF != _S_UNIT):
        raise Malformed(f"control field {control.hex()}, {left} bytes behind it")
    name = words.UNNUMBERED.get(code, SUPERVISORY)
    answers = code in words.CONFIRMATIONS and side != Side.REQUEST
    return Message(name, "session", outcome="ok" if answers else "")


def _data(reader: Reader, side: Side, request: Message | None) -> Message:
    """An I unit, [101] 7.2."""
    if reader.left() < ADDRESS - CONTROL:
        raise Malformed(f"{reader.left()} bytes of a data unit")
    code, number, cause, originator = reader.u8(), reader.u8(), reader.u8(), reader.u8()
    asdu = _Asdu(code, cause, originator, reader.u16le(), side, request)
    wanted, size = int(_SIZES[number << 8 | code]), len(reader.data)
    if asdu.reason == 0 or wanted not in {OPEN, size}:
        raise Malformed(f"type {code}, cause {asdu.reason}, VSQ {number:#04x}, {size} bytes")
    known = TYPES.get(code)
    if known is None:
        return asdu.says(notes=(_NOT_PUBLIC,)).leaving(len(reader.rest()))
    if known.group == "security":
        return _security(asdu, reader)
    if code in LISTED:
        return _listed(asdu, number, reader)
    address = _address(reader)
    return _SAYS.get(code, _command)(asdu, address, reader)


def _address(reader: Reader) -> int:
    """An object address, [101] 7.2.5."""
    return int.from_bytes(reader.take(3), "little")


def _listed(asdu: _Asdu, number: int, reader: Reader) -> Message:
    """One object of a unit that lists them; without one, the unit for itself."""
    sequence, item = number & SEQUENCE, reader.item
    size = TYPES[asdu.code].element.size
    first = _address(reader)
    if sequence and first + number - SEQUENCE > ADDRESSES:
        raise Malformed(f"{number - SEQUENCE} objects from {first}")
    if item is None:
        return asdu.says()
    reader.at(item[0])
    address = first + (item[0] - OBJECT) // size if sequence else _address(reader)
    element = reader.take(size)
    return _OBJECTS.get(asdu.code, _point)(asdu, address, element)


def _elements(asdu: _Asdu, address: int) -> Elements | None:
    """Whose values the unit carries; those of a command are told where it is given."""
    element = TYPES[asdu.code].element
    if not element.values or asdu.repeats:
        return None
    if element.about:
        return Elements(f"ioa {address} {element.about}", 0, element.values)
    return Elements("ioa", address, element.values)


def _quality(octet: int) -> tuple[str, ...]:
    return tuple(word for bit, word in words.QUALITIES if octet & bit)


def _point(asdu: _Asdu, address: int, element: bytes) -> Message:
    """One object of process data; its value is in the columns."""
    at = TYPES[asdu.code].element.quality
    marks: tuple[str, ...] = ()
    if at >= 0:
        own = TYPES[asdu.code].element.key[at]
        marks = _quality(element[at] & own)
    return asdu.says(f"ioa {address}", elements=_elements(asdu, address), marks=marks)


def _protection(asdu: _Asdu, address: int, element: bytes) -> Message:
    """As other points, but an invalid elapsed time is told."""
    told = _point(asdu, address, element)
    if element[TYPES[asdu.code].element.quality] & words.ELAPSED_INVALID:
        note = ", ".join(filter(None, ("elapsed time invalid", told.note)))
        return replace(told, note=note)
    return told


def _step(asdu: _Asdu, address: int, element: bytes) -> Message:
    """A step position, [101] 7.2.6.5: seven bits with sign, and whether it is moving.

    Read as a whole, the octet is the position where its upper two bits are alike: at rest and
    not negative, or moving and negative. Of others there is no value; the note tells it.
    """
    octet = element[0]
    moving, below = bool(octet & 0x80), bool(octet & 0x40)
    notes = ("moving",) if moving else ()
    elements = _elements(asdu, address)
    if moving != below:
        notes = (f"step {(octet & 0x7F) - 128 * below}", *notes)
        elements = None
    marks = _quality(element[1] & words.FLAGS)
    return asdu.says(f"ioa {address}", elements=elements, marks=marks, notes=notes)


def _counter(asdu: _Asdu, address: int, element: bytes) -> Message:
    """An integrated total, [101] 7.2.6.9; its sequence number is not told."""
    marks, notes = _counter_flags(element[4])
    elements = _elements(asdu, address)
    return asdu.says(f"ioa {address}", elements=elements, marks=marks, notes=notes)


def _counter_flags(octet: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    marks = ("invalid",) if octet & 0x80 else ()
    notes = (("carry",) if octet & 0x20 else ()) + (("adjusted",) if octet & 0x40 else ())
    return marks, notes


def _statistics(asdu: _Asdu, address: int, element: bytes) -> Message:
    """A security statistic, [7] 7.2: whose association it is, and a counter."""
    association = int.from_bytes(element[: words.COUNTER_AT], "little")
    marks, notes = _counter_flags(element[words.COUNTER_FLAGS])
    elements = Elements("ioa", address, 1)
    text = f"ioa {address} association {association}"
    return asdu.says(text, elements=elements, marks=marks, notes=notes)


def _entry(asdu: _Asdu, address: int, element: bytes) -> Message:
    """An entry of a directory, [101] 7.3.6.7."""
    status = element[5]
    kind = "directory" if status & 0x40 else "file"
    notes = (
        f"{int.from_bytes(element[2:5], 'little')} bytes",
        f"status {status & 0x1F}" if status & 0x1F else "",
        "last" if status & 0x20 else "",
        "in transfer" if status & 0x80 else "",
    )
    text = f"ioa {address} {kind} {int.from_bytes(element[:2], 'little')}"
    return asdu.says(text, notes=notes)


_OBJECTS: dict[int, Callable[[_Asdu, int, bytes], Message]] = {
    **dict.fromkeys(words.STEPS, _step),
    **dict.fromkeys(words.COUNTERS, _counter),
    **dict.fromkeys(words.PROTECTION, _protection),
    words.SECURITY_STATISTICS: _statistics,
    words.DIRECTORY: _entry,
}

# ---------------------------------------------------------------------------- commands


def _ending(asdu: _Asdu) -> str:
    """What makes a deactivation an operation of its own."""
    ends = asdu.reason in {words.DEACTIVATION, words.DEACTIVATED} and asdu.code in REVOCABLE
    return DEACTIVATE if ends else ""


def _elsewhere(address: int) -> tuple[str, ...]:
    """A note where an address stands that should be 0."""
    return (f"ioa {address}",) if address else ()


def _command(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """A process command, a parameter, or a read command; the value is in the columns."""
    element = reader.rest()
    variant = ""
    notes: tuple[str, ...] = ()
    if asdu.code in words.SELECTABLE:
        at = len(TYPES[asdu.code].element.key) - 1
        qualifier = element[at]
        variant = SELECT if qualifier & words.SELECT else ""
        if asdu.code in words.SET_POINTS:
            notes = _numbered("qualifier", qualifier & 0x7F)
        else:
            pulse = (qualifier >> 2) & 0x1F
            notes = (words.PULSES.get(pulse, f"qualifier {pulse}"),)
    return asdu.says(
        f"ioa {address}",
        variant=_ending(asdu) or variant,
        elements=_elements(asdu, address),
        notes=notes,
    )


def _numbered(word: str, number: int) -> tuple[str, ...]:
    return (f"{word} {number}",) if number else ()


def _parameter(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """A parameter of measured values, [101] 7.3.5."""
    qualifier = reader.rest()[-1]
    kind = words.KINDS.get(qualifier & 0x3F, f"parameter {qualifier & 0x3F}")
    notes = (
        "change" if qualifier & 0x40 else "",
        "not in operation" if qualifier & 0x80 else "",
    )
    text = f"ioa {address} {kind}"
    elements = None if asdu.repeats else Elements(text, 0, 1)
    return asdu.says(text, elements=elements, notes=notes)


def _parameter_activation(asdu: _Asdu, address: int, reader: Reader) -> Message:
    what = reader.u8()
    text = words.ACTIVATIONS.get(what, f"qualifier {what}")
    return asdu.says(f"ioa {address} {text}", variant=_ending(asdu))


def _interrogation(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """Which group is asked for, [101] 7.2.6.22."""
    group = reader.u8()
    text = "station" if group == 20 else f"group {group - 20}"
    if not 20 <= group <= 36:
        text = f"qualifier {group}"
    return asdu.says(text, variant=_ending(asdu), notes=_elsewhere(address))


def _counter_interrogation(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """Which counters are asked for, and whether they are frozen or reset, [101] 7.2.6.23."""
    qualifier = reader.u8()
    group = qualifier & 0x3F
    text = "counters" if group == 5 else f"counters group {group}"
    if not 1 <= group <= 5:
        text = f"counters qualifier {group}"
    freeze = words.FREEZES[qualifier >> 6]
    ending = _ending(asdu)
    notes = (*_elsewhere(address), freeze.strip("_") if ending else "")
    cls: OperationClass | None = "write" if freeze and not ending else None
    return asdu.says(text, variant=ending or freeze, cls=cls, notes=notes)


def _whole_station(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """A command without an object: clock and test with a time."""
    reader.rest()
    return asdu.says(notes=_elsewhere(address))


def _delay(asdu: _Asdu, address: int, reader: Reader) -> Message:
    reader.rest()
    elements = None if asdu.repeats else Elements("delay", 0, 1)
    return asdu.says(elements=elements, notes=_elsewhere(address))


def _test(asdu: _Asdu, address: int, reader: Reader) -> Message:
    pattern = reader.u16le()
    wrong = "" if pattern == words.TEST_PATTERN else f"pattern {pattern:#06x}"
    return asdu.says(notes=(*_elsewhere(address), wrong))


def _coded(texts: dict[int, str]) -> "Callable[[_Asdu, int, Reader], Message]":
    """A command whose only element is a code."""

    def says(asdu: _Asdu, address: int, reader: Reader) -> Message:
        code = reader.u8()
        return asdu.says(texts.get(code, f"qualifier {code}"), notes=_elsewhere(address))

    return says


def _initialised(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """A station has restarted, [101] 7.3.3.1: by what, and whether with changed parameters."""
    octet = reader.u8()
    what = words.RESTARTS.get(octet & 0x7F, f"cause {octet & 0x7F}")
    notes = ("changed parameters" if octet & 0x80 else "", *_elsewhere(address))
    return asdu.says(what, notes=notes)


# ---------------------------------------------------------------------------- security


def _security(asdu: _Asdu, reader: Reader) -> Message:
    """A message of authentication or of its keys, [7]: whose it is, where it begins."""
    if asdu.code == words.KEY_STATUS_REQUEST:
        return asdu.says(f"user {reader.u16le()}")
    body = reader.rest()
    segment = Reader(body).u8()
    begins, ends = segment & words.FIRST_SEGMENT, segment & words.LAST_SEGMENT
    notes = (_AUTHENTICATION, "" if ends else "more follows", "" if begins else "goes on")
    at = words.USERS.get(asdu.code)
    if at is None or not begins:
        return asdu.says(notes=notes).leaving(len(body) - 1)
    user = f"user {Reader(body, at).u16le()}"
    return asdu.says(user, notes=notes).leaving(len(body) - 3)


# ------------------------------------------------------------------------------- files


def _file(address: int, name: int, section: int | None = None) -> str:
    text = f"ioa {address} file {name}" if address else f"file {name}"
    return text if section is None else f"{text} section {section}"


def _size(reader: Reader) -> str:
    return f"{int.from_bytes(reader.take(3), 'little')} bytes"


def _file_ready(asdu: _Asdu, address: int, reader: Reader) -> Message:
    text, size = _file(address, reader.u16le()), _size(reader)
    return _ready(asdu, text, size, reader.u8(), "negative")


def _section_ready(asdu: _Asdu, address: int, reader: Reader) -> Message:
    text = _file(address, reader.u16le(), reader.u8())
    size = _size(reader)
    return _ready(asdu, text, size, reader.u8(), "not_ready")


def _ready(asdu: _Asdu, text: str, size: str, qualifier: int, refusal: str) -> Message:
    """FRQ and SRQ, [101] 7.2.6.28 and 7.2.6.29."""
    marks = (refusal,) if qualifier & 0x80 else ()
    return asdu.says(text, notes=(size, *_numbered("qualifier", qualifier & 0x7F)), marks=marks)


def _call(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """Directory, file or section is called, [101] 7.2.6.30."""
    text = _file(address, reader.u16le(), reader.u8())
    qualifier = reader.u8()
    code, error = qualifier & 0x0F, qualifier >> 4
    variant = words.CALLS.get(code, "")
    return asdu.says(
        text,
        variant=variant,
        marks=_file_error(error),
        notes=() if variant else _numbered("qualifier", code),
    )


def _file_error(error: int) -> tuple[str, ...]:
    return (words.FILE_ERRORS.get(error, f"error_{error}"),) if error else ()


def _last(asdu: _Asdu, address: int, reader: Reader) -> Message:
    text = _file(address, reader.u16le(), reader.u8())
    qualifier, check = reader.u8(), reader.u8()
    what = words.ENDS.get(qualifier, f"qualifier {qualifier}")
    return asdu.says(text, notes=(what, f"check sum {check:#04x}"))


def _acknowledged(asdu: _Asdu, address: int, reader: Reader) -> Message:
    text = _file(address, reader.u16le(), reader.u8())
    qualifier = reader.u8()
    code, error = qualifier & 0x0F, qualifier >> 4
    what, refused = words.ACKNOWLEDGEMENTS.get(code, (f"qualifier {code}", False))
    # who asks for the file says so too, and a request has no outcome
    text = f"{text} refused" if refused else text
    return asdu.says(text, marks=_file_error(error), notes=(what,))


def _segment(asdu: _Asdu, address: int, reader: Reader) -> Message:
    text = _file(address, reader.u16le(), reader.u8())
    size = reader.u8()
    if size != reader.left():
        raise Malformed(f"segment of {size} bytes, {reader.left()} left")
    reader.rest()
    return asdu.says(text, notes=("contents not kept",))


def _log(asdu: _Asdu, address: int, reader: Reader) -> Message:
    """A file of archived data is asked for by a span of time, [104] 8.8."""
    text = _file(address, reader.u16le())
    reader.rest()
    return asdu.says(text)


_SAYS: dict[int, Callable[[_Asdu, int, Reader], Message]] = {
    words.END_OF_INITIALISATION: _initialised,
    words.INTERROGATION: _interrogation,
    words.COUNTER_INTERROGATION: _counter_interrogation,
    words.CLOCK: _whole_station,
    words.TEST: _test,
    words.RESET_PROCESS: _coded(words.RESETS),
    words.DELAY: _delay,
    words.TIMED_TEST: _whole_station,
    **dict.fromkeys(words.PARAMETERS, _parameter),
    words.PARAMETER_ACTIVATION: _parameter_activation,
    words.FILE_READY: _file_ready,
    words.SECTION_READY: _section_ready,
    words.CALL: _call,
    words.LAST: _last,
    words.ACKNOWLEDGED: _acknowledged,
    words.SEGMENT: _segment,
    words.LOG: _log,
}


def _counters(units: Units, _split: Split) -> tuple[Mask, U64, U64]:
    """The N(S) of what carries data, [104] 5.1."""
    apdus = _apdus(units)
    number = apdus.front >> np.uint64(1) & np.uint64(0x7FFF)
    return apdus.data, np.zeros(len(units), np.uint64), number


def _verdict(before: U64, now: U64) -> Ints:
    step = (now - before) & np.uint64(0x7FFF)
    return np.select([step == 1, step == 0, step < 0x4000], [FOLLOWS, REPEATS, SKIPS], RETURNS)


COUNTING = Counting(_counters, _verdict)
_SECOND = 1_000_000_000


def _acknowledges(units: Units, _split: Split) -> tuple[I64, I64]:
    """N(S) of what carries data, N(R) of that and of S units, [104] 5.1."""
    apdus = _apdus(units)
    sent = (apdus.front >> np.uint64(1) & np.uint64(0x7FFF)).astype(np.int64)
    upto = (apdus.front >> np.uint64(17) & np.uint64(0x7FFF)).astype(np.int64)
    supervisory = apdus.front & np.uint64(3) == _S_UNIT
    return np.where(apdus.data, sent, -1), np.where(apdus.data | supervisory, upto, -1)


# the values that [104] 5.2, 5.5 and table 9.6 propose
ACKNOWLEDGING = Acknowledging(
    _acknowledges, 1 << 15, k=12, w=8, t1_ns=15 * _SECOND, t2_ns=10 * _SECOND, t3_ns=20 * _SECOND
)

# Types whose last object ends in a time, [101] 7.3: events of the controlled station, commands of
# the controlling one, and the clock.
_TIMED_EVENTS = np.isin(np.arange(256), list(range(30, 41)))
_TIMED_COMMANDS = np.isin(np.arange(256), [*range(58, 65), words.TIMED_TEST])
_SPONTANEOUS, _ACTIVATION = 3, 6
_TIME_BYTES = 7


def _times(units: Units, _split: Split) -> Times:
    """What an object ends in: CP56Time2a. Confirmations are left out: they repeat."""
    apdus = _apdus(units)
    cause = apdus.cause & words.CAUSE_BITS
    clock = apdus.type == words.CLOCK
    way = np.where(clock & (cause == _ACTIVATION), SETS, SAYS)
    marks = _TIMED_EVENTS[apdus.type]
    way[marks] = MARKS
    mine = (marks | clock) & (cause == _SPONTANEOUS)
    mine |= (_TIMED_COMMANDS[apdus.type] | clock) & (cause == _ACTIVATION)
    mine &= apdus.data & (apdus.size >= OBJECT + _TIME_BYTES)
    rows = np.flatnonzero(mine)
    at = units.end[rows] - _TIME_BYTES
    told, fits = cp56(span_word(units.buffer, at, units.end[rows] - at, 0))
    rows, told = rows[fits], told[fits]
    return Times(rows, told, apdus.back[rows] & np.uint64(0xFFFF), way[rows].astype(np.uint8))


CLOCKS = Clocks(_times, lambda common: f"ca {common}")


PROTOCOL = Protocol(
    name="iec104",
    title="IEC 60870-5-104",
    standard="IEC 60870-5-104:2006, IEC 60870-5-101:2003",
    transports=frozenset({"tcp"}),
    ports=frozenset({2404}),
    framings=(APCI,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    items=items,
    routine=frozenset({SUPERVISORY, "testfr"}),
    telling=frozenset({END_OF_START}),
    counting=COUNTING,
    acknowledging=ACKNOWLEDGING,
    clocks=CLOCKS,
    session=True,
)
