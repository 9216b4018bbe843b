"""TriStation: how safety controllers of Triconex are programmed and watched.

Sources: [NOZOMI] Nozomi Networks, tricotools (dissector and controller, 2018); [FIREEYE] FireEye,
TriStation dissector and "A Totally Tubular Treatise on TRITON and TriStation" (2018).

Of a command its code is told, of programs and functions their number; their contents are opaque.
Two check sums are not told but one is looked at: CRC-16 of all in front of it.
"""

import numpy as np

from otsec.columns import Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.crc import Crc16
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import text
from otsec.protocols.words.tristation import (
    ANSWERS,
    COMMANDS,
    FIRST_REJECT,
    KEYS,
    REASONS,
    REJECTED,
    STATES,
)

FRONT = np.dtype([("type", "u1"), ("channel", "u1"), ("length", "<u2")])
HEADER = np.dtype(
    [("type", "u1"), ("channel", "u1"), ("length", "<u2"), ("path", "u1"), ("id", "u1"),
     ("command", "u1"), ("sequence", "u1"), ("unknown", "<u2"), ("sum", "<u2"),
     ("length_again", "<u2")]
)  # fmt: skip
CRC_SIZE, LONGEST = 2, 1536
CRC = Crc16(polynomial=0xA001, initial=0, inverted=False, longest=LONGEST)
CONNECT, CONNECTED, DISCONNECTED, DISCONNECT, COMMAND, PING = range(1, 7)
LIMIT, NOT_CONNECTED, DEAD, DENIED, FAILED = range(7, 12)
TYPES: dict[int, tuple[str, str]] = {  # operation, and the outcome that an answer tells
    CONNECT: ("connect", ""), CONNECTED: ("connect", "ok"), DISCONNECT: ("disconnect", ""),
    DISCONNECTED: ("disconnect", "ok"), PING: ("ping", ""),
    LIMIT: ("connect", "connection_limit_reached"), NOT_CONNECTED: ("command", "not_connected"),
    DEAD: ("connect", "main_processors_dead"), DENIED: ("connect", "refused"),
    FAILED: ("connect", "connection_failed"),
}  # fmt: skip
OPERATIONS = (
    *(Operation(*row, code) for code, row in COMMANDS.items()),
    Operation("connect", "session", CONNECT << 8),
    Operation("disconnect", "session", DISCONNECT << 8),
    Operation("ping", "session", PING << 8),
    Operation("command", "session", NOT_CONNECTED << 8),
)
PROGRAM, FUNCTION, READ_PROGRAM, READ_FUNCTION = 55, 56, 65, 66
DOWNLOAD, CP_STATUS = 59, 108
NUMBERED = {PROGRAM: "program", READ_PROGRAM: "program", FUNCTION: "function",
            READ_FUNCTION: "function"}  # fmt: skip
DATA = HEADER.itemsize
PROJECT_SIZE = 10  # letters of a project's name
STATUS_NAME, DOWNLOAD_NAME = 80, 24  # where it is in a status, and in a download
_TYPE = np.isin(np.arange(256), [*TYPES, COMMAND])
_KEPT = np.zeros(256, np.int64)  # bytes of data in the key, by command
_KEPT[list(NUMBERED)] = 2
_KEPT[DOWNLOAD], _KEPT[CP_STATUS] = 20, 76
_ANSWERED = np.full(256, 256)  # the command that an answer answers
_ANSWERED[list(COMMANDS)] = list(COMMANDS)
_ANSWERED[list(ANSWERS)] = list(ANSWERS.values())


def _read(units: Units) -> tuple[Header, Header, Mask]:
    """Header, header of a command, and whether lengths and check sum are right."""
    front, fits = gather(units.buffer, units.start, units.end, FRONT)
    size = units.end - units.start
    length = front["length"].astype(np.int64)
    fits = fits & _TYPE[front["type"]] & (length + FRONT.itemsize + CRC_SIZE == size)
    fits &= size <= LONGEST + CRC_SIZE
    header, told = gather(units.buffer, units.start, units.end, HEADER)
    again = told & (header["length_again"] == header["length"]) & (header["path"] <= 1)
    fits &= np.where(front["type"] == COMMAND, again, length == 0)
    rows = np.flatnonzero(fits)
    sums = CRC.of_spans(units.buffer, units.start[rows], size[rows] - CRC_SIZE)
    said, _ = gather(units.buffer, units.end[rows] - CRC_SIZE, units.end[rows], np.dtype("<u2"))
    fits[rows] = sums == said
    return front, header, np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """Two lengths and a check sum that agree."""
    return _read(units)[2]


def sides(units: Units) -> Ints:
    """Commands tell the direction; of the others who may send them is fixed."""
    front, header, _ = _read(units)
    answers = np.isin(front["type"], (CONNECTED, DISCONNECTED, *range(LIMIT, FAILED + 1)))
    answers |= (front["type"] == COMMAND) & (header["path"] == 1)
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: type, direction, command, which program. Tag: the number of the command."""
    front, header, fits = _read(units)
    is_command = front["type"] == COMMAND
    command = np.where(is_command, header["command"], 0)
    data = units.end - units.start - DATA - CRC_SIZE
    kept = np.where(is_command, np.minimum(_KEPT[command], data), 0)
    kept = np.where(_KEPT[command] > data, 0, kept)  # too short to name anything
    word = front["type"].astype(np.uint64) | command.astype(np.uint64) << np.uint64(8)
    word |= np.where(is_command, header["path"], 0).astype(np.uint64) << np.uint64(16)
    word |= (kept > 0).astype(np.uint64) << np.uint64(24)
    of_end = np.isin(front["type"], (DISCONNECT, DISCONNECTED))
    tag = np.where(is_command, header["sequence"].astype(np.int64) + 2, of_end)
    alone = (front["type"] == PING) | (front["type"] == NOT_CONNECTED)
    start = np.where(kept > 0, units.start + DATA, units.start)
    return keyed(
        units, start, np.maximum(kept, 0), ~fits, [word],
        tag=tag.astype(np.uint64), alone=alone,
    )  # fmt: skip


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A command or its answer, or what opens and closes the connection; [NOZOMI]."""
    kind = reader.u8()
    reader.take(3)
    if kind != COMMAND:
        name, outcome = TYPES.get(kind, (f"unknown_{kind:#04x}", ""))
        return Message(name, "session", outcome=outcome)
    path = reader.u8()
    reader.u8()
    code = reader.u8()
    reader.take(DATA - 7)
    size = reader.left() - CRC_SIZE
    if path:
        return _answer(reader, code, size, request)
    name, cls = COMMANDS.get(code, (f"unknown_{code:#04x}", "diagnose"))
    if code in NUMBERED and size >= 2:
        return Message(name, cls, f"{NUMBERED[code]} {reader.u16le()}")
    if code == DOWNLOAD and size >= _KEPT[DOWNLOAD]:
        project = text(reader.at(DOWNLOAD_NAME).take(PROJECT_SIZE).partition(b"\0")[0])
        return Message(name, cls, f"project {_plain(project)}")
    return Message(name, cls)


def _plain(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii")


def _answer(reader: Reader, code: int, size: int, request: Message | None) -> Message:
    name, cls = COMMANDS.get(ANSWERS.get(code, 256), (f"unknown_{code:#04x}", "diagnose"))
    if request is not None:
        name, cls = request.operation, request.cls
    if code == REJECTED or code >= FIRST_REJECT:
        outcome = "rejected" if code == REJECTED else REASONS.get(code, f"reason {code}")
        if request is None:
            name, cls = "command", _SESSION
        return Message(name, cls, outcome=outcome)
    facts: tuple[Fact, ...] = ()
    if code == CP_STATUS and size >= _KEPT[CP_STATUS]:
        facts = _status(reader)
    return Message(name, cls, outcome="ok", facts=facts)


_SESSION: OperationClass = "session"


def _status(reader: Reader) -> tuple[Fact, ...]:
    """Key switch, state, name of the project; [NOZOMI] cp_status_resp."""
    reader.take(7)
    key, state = reader.u8(), reader.u8()
    raw = reader.at(STATUS_NAME).take(PROJECT_SIZE).partition(b"\0")[0]
    name = _plain(text(raw))
    facts = [
        Fact("vendor", "Triconex"),
        Fact("product_name", "Tricon"),
        Fact("key_switch", KEYS.get(key, f"position {key}")),
        Fact("cpu_mode", STATES.get(state, f"state {state}")),
    ]
    if raw and not all(32 <= byte < 127 for byte in raw):
        raise Malformed("a name that is no text")
    return (*facts, Fact("project", name)) if name else tuple(facts)


PROTOCOL = Protocol(
    name="tristation",
    title="TriStation",
    standard="Nozomi tricotools, FireEye TriStation dissector",
    transports=frozenset({"udp"}),
    ports=frozenset({1502}),
    framings=(
        whole(
            "tristation",
            FRONT.itemsize + CRC_SIZE,
            ((0, frozenset(range(CONNECT, FAILED + 1))), (3, frozenset(range(LONGEST >> 8)))),
        ),
    ),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=("vendor", "product_name", "key_switch", "cpu_mode", "project"),
    full=False,
    session=True,
)
