"""SMB 1 to 3, on NetBIOS and on TCP: who speaks, and which shares are opened.

Sources: [CIFS] MS-CIFS 2.2; [SMB] MS-SMB 2.2; [SMB2] MS-SMB2 2.2; [NBT] RFC 1002 4.3.

Negotiation, sessions (with NTLM) and shares are read; of all else the command. Of compounds the
first command is told, of chains of SMB 1 too. Of files that are opened in SMB 2 the names of the
services' pipes are told, of transactions of SMB 1 what they ask for. What files hold is put together (`transfers/smb.py`). Of each side the first 64 MB are read.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from otsec.columns import U64, Header, Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered
from otsec.protocols.framing.smb import (
    COMPRESSED,
    ENCRYPTED,
    FRONT,
    KEEP_ALIVE,
    NEGATIVE,
    POSITIVE,
    REQUEST,
    RETARGET,
    SMB,
    SMB1,
    SMB2,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.ntlm import IDENTITY as OF_NTLM
from otsec.protocols.ntlm import ntlm_of
from otsec.protocols.smb1 import transactions
from otsec.protocols.spoken import keys_of
from otsec.protocols.transfers.smb import TRANSFERS

HEAD = 64 << 20  # bytes of each side: file servers send more than anybody wants to follow
MOST_DIALECTS, MOST_PATH = 64, 256

HEADER_1 = np.dtype(
    [
        ("session", "V4"), ("magic", "<u4"), ("command", "u1"), ("status", "<u4"), ("flags", "u1"),
        ("flags2", "<u2"), ("process_high", "<u2"), ("signature", "V8"), ("reserved", "<u2"),
        ("tree", "<u2"), ("process", "<u2"), ("user", "<u2"), ("multiplex", "<u2"),
    ]
)  # fmt: skip
HEADER_2 = np.dtype(
    [
        ("session", "V4"), ("magic", "<u4"), ("size", "<u2"), ("charge", "<u2"),
        ("status", "<u4"), ("command", "<u2"), ("credits", "<u2"), ("flags", "<u4"),
        ("next", "<u4"), ("message", "<u8"),
    ]
)  # fmt: skip
SIZE_2 = 64  # of the header, [SMB2] 2.2.1
ANSWERS_1, ANSWERS_2 = 0x80, 0x01
UNICODE_1 = 0x8000  # of flags2
PENDING, MORE_PROCESSING = 0x0000_0103, 0xC000_0016  # [MS-ERREF]
UNASKED = 0xFFFF_FFFF_FFFF_FFFF  # message of notifications, [SMB2] 2.2.23

Command = tuple[str, OperationClass]
NEGOTIATE: Command = ("negotiate", "session")
SESSION_SETUP: Command = ("session_setup", "session")
TREE_CONNECT: Command = ("tree_connect", "session")
LOGOFF: Command = ("logoff", "session")
TREE_DISCONNECT: Command = ("tree_disconnect", "session")
COMMANDS_1: dict[int, Command] = {  # [CIFS] 2.2.2.1
    0x00: ("create_directory", "file"), 0x01: ("delete_directory", "file"),
    0x04: ("close", "file"), 0x05: ("flush", "file"), 0x06: ("delete", "file"),
    0x07: ("rename", "file"), 0x08: ("query_information", "browse"),
    0x10: ("check_directory", "browse"), 0x24: ("lock", "file"), 0x25: ("transaction", "file"),
    0x26: ("transaction_secondary", "file"), 0x33: ("transaction2_secondary", "file"),
    0xA1: ("nt_transact_secondary", "file"),
    0x2B: ("echo", "session"), 0x2E: ("read", "file"), 0x2F: ("write", "file"),
    0x32: ("transaction2", "file"), 0x34: ("find_close", "browse"), 0x71: TREE_DISCONNECT,
    0x72: NEGOTIATE, 0x73: SESSION_SETUP, 0x74: LOGOFF, 0x75: TREE_CONNECT,
    0xA0: ("nt_transact", "file"), 0xA2: ("create", "file"), 0xA4: ("cancel", "session"),
}  # fmt: skip
COMMANDS_2: dict[int, Command] = {  # [SMB2] 2.2.1.2
    0: NEGOTIATE, 1: SESSION_SETUP, 2: LOGOFF, 3: TREE_CONNECT, 4: TREE_DISCONNECT,
    5: ("create", "file"), 6: ("close", "file"), 7: ("flush", "file"), 8: ("read", "file"),
    9: ("write", "file"), 10: ("lock", "file"), 11: ("ioctl", "file"), 12: ("cancel", "session"),
    13: ("echo", "session"), 14: ("query_directory", "browse"), 15: ("change_notify", "browse"),
    16: ("query_info", "browse"), 17: ("set_info", "file"), 18: ("oplock_break", "session"),
}  # fmt: skip
PACKETS: dict[int, str] = {  # [NBT] 4.3.1
    REQUEST: "netbios_request",
    POSITIVE: "netbios_positive",
    NEGATIVE: "netbios_negative",
    RETARGET: "netbios_retarget",
    KEEP_ALIVE: "netbios_keep_alive",
}
SEALED = {ENCRYPTED: "encrypted", COMPRESSED: "compressed"}
_ALL: dict[str, tuple[OperationClass, int]] = {
    **{name: (cls, 0x100 + code) for code, (name, cls) in COMMANDS_1.items()},
    **{name: (cls, 0x200 + code) for code, (name, cls) in COMMANDS_2.items()},
    **{name: ("session", code) for code, name in PACKETS.items()},
    **{name: ("file", code & 0xFF) for code, name in SEALED.items()},
}
OPERATIONS = tuple(Operation(name, cls, code) for name, (cls, code) in _ALL.items())
STATUS = {  # [MS-ERREF] 2.3
    0xC000_0022: "access_denied", 0xC000_006D: "logon_failure", 0xC000_0034: "object_name_not_found",
    0xC000_00CC: "bad_network_name", 0xC000_0002: "not_implemented", 0xC000_00BB: "not_supported",
    0xC000_000D: "invalid_parameter", 0xC000_0072: "account_disabled",
    0xC000_0234: "account_locked_out", 0xC000_0043: "sharing_violation",
    0xC000_0035: "object_name_collision", 0xC000_0203: "user_session_deleted",
    0xC000_0120: "cancelled", 0xC000_0011: "end_of_file",
    0xC000_0205: "insufficient_server_resources",
}  # fmt: skip
# not errors, though the highest bits are set or others than zero: more to come, no more files
FINE = {0, MORE_PROCESSING, 0x8000_0005, 0x8000_0006, 0x0000_010B, 0x0000_010C}
DIALECTS = {
    0x0202: "SMB 2.0.2", 0x0210: "SMB 2.1", 0x0222: "SMB 2.2.2", 0x0224: "SMB 2.2.4",
    0x02FF: "SMB 2.???", 0x0300: "SMB 3.0", 0x0302: "SMB 3.0.2", 0x0311: "SMB 3.1.1",
}  # fmt: skip
SHARES = {1: "disk", 2: "pipe", 3: "print"}
IDENTITY = (*OF_NTLM, "os", "application", "smb_dialect", "smb_guid", "smb_signing")
OPAQUE = "opaque: file services"


# ---------------------------------------------------------------------------- in columns


def _heads(units: Units) -> tuple[Header, Header, Mask, Mask]:
    """Both headers, and which of them it is."""
    one, fits_1 = gather(units.buffer, units.start, units.end, HEADER_1)
    two, _ = gather(units.buffer, units.start, units.end, HEADER_2)
    size = units.end - units.start
    plain = units.kind == 0
    is_1 = plain & fits_1 & (one["magic"] == SMB1)
    is_2 = plain & (size >= FRONT + SIZE_2) & (one["magic"] == SMB2) & (two["size"] == SIZE_2)
    return one, two, is_1, is_2


def claims(units: Units) -> Mask:
    """Headers of known commands; requests for a session between two NetBIOS names."""
    one, two, is_1, is_2 = _heads(units)
    mine = is_1 & np.isin(one["command"], list(COMMANDS_1))
    mine |= is_2 & (two["command"] < len(COMMANDS_2))
    for row in np.flatnonzero(mine | (units.kind == REQUEST)).tolist():
        try:
            _told(units.buffer[units.start[row] : units.end[row]].tobytes())
            mine[row] = True
        except WireError:
            mine[row] = False
    return np.asarray(mine, np.bool_)


def sides(units: Units) -> Ints:
    """A flag of the header tells."""
    one, two, is_1, is_2 = _heads(units)
    answers = (is_1 & (one["flags"] & ANSWERS_1 != 0)) | (is_2 & (two["flags"] & ANSWERS_2 != 0))
    side = np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)
    side[~(is_1 | is_2)] = Side.UNKNOWN
    side[units.kind == REQUEST] = Side.REQUEST
    side[np.isin(units.kind, [POSITIVE, NEGATIVE, RETARGET])] = Side.RESPONSE
    return side


def split(units: Units) -> Split:
    """Key: command and status; of what is read, what it says. Tag: the message's number."""
    one, two, is_1, is_2 = _heads(units)
    magic, fits = gather(units.buffer, units.start + FRONT, units.end, np.dtype("<u4"))
    sealed = (units.kind == 0) & fits & np.isin(magic, list(SEALED))
    known = np.isin(units.kind, list(PACKETS)) | sealed | is_1 | is_2
    command = np.where(is_1, one["command"], np.where(is_2, two["command"], 0)).astype(np.uint64)
    status = np.where(is_1, one["status"], np.where(is_2, two["status"], 0)).astype(np.uint64)
    answers = np.where(is_1, one["flags"] & ANSWERS_1 != 0, is_2 & (two["flags"] & ANSWERS_2 != 0))
    status = np.where(answers, status, 0).astype(np.uint64)
    deep = (is_1 & np.isin(command, DEEP_1)) | (is_2 & np.isin(command, DEEP_2))
    deep |= np.isin(units.kind, list(PACKETS))
    name_size, _ = gather(units.buffer, units.start + FRONT + NAMED, units.end, np.dtype("<u2"))
    deep |= is_2 & (command == CREATE_2) & ~answers & np.isin(name_size, _PIPE_SIZES)
    calls = ~answers & transactions.calls(units, command, is_1, is_2)
    mark = np.where(calls, 0, transactions.marks(units, is_1, answers, one)).astype(np.uint64)
    deep |= calls
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, np.flatnonzero(deep), lambda data, _: _told(data)
    )
    word = command | answers.astype(np.uint64) << np.uint64(16) | status << np.uint64(32)
    form = units.kind.astype(np.uint64) | np.where(units.kind == 0, magic, 0).astype(
        np.uint64
    ) << np.uint64(8)
    waits = status == PENDING
    waits |= is_2 & (two["message"] == UNASKED)
    cancels = (is_1 & np.isin(command, SILENT_1)) | (is_2 & (command == CANCEL_2))
    return plain_split(
        [form, word, mark, *words],
        np.asarray(malformed | ~known, np.bool_),
        tag=_tags(one, two, is_1, is_2),
        alone=np.asarray(waits | sealed | cancels | (units.kind == KEEP_ALIVE), np.bool_),
    )


DEEP_1, DEEP_2 = [0x72, 0x73, 0x75], [0, 1, 3]
CREATE_2, NAMED = 5, SIZE_2 + 46  # [SMB2] 2.2.13: where the size of the name stands
PIPES = frozenset({  # by which services are asked from afar, as DCE/RPC in them
    "atsvc", "browser", "epmapper", "eventlog", "initshutdown", "lsarpc", "lsass", "netlogon",
    "ntsvcs", "psexesvc", "samr", "spoolss", "srvsvc", "svcctl", "winreg", "wkssvc",
})  # fmt: skip
_PIPE_SIZES = sorted({2 * len(name) for name in PIPES})
# never answered; of transactions in several messages the first one is, [CIFS] 2.2.4.34, .47, .63
SILENT_1, CANCEL_2 = [0xA4, 0x26, 0x33, 0xA1], 12


def _tags(one: Header, two: Header, is_1: Mask, is_2: Mask) -> U64:
    low = one["multiplex"].astype(np.uint64) | one["process"].astype(np.uint64) << np.uint64(16)
    low |= one["process_high"].astype(np.uint64) << np.uint64(32) | np.uint64(1 << 48)
    other = np.uint64(1 << 49)  # packets of NetBIOS
    return np.where(is_1, low, np.where(is_2, two["message"], other)).astype(np.uint64)


# -------------------------------------------------------------------------------- decode


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """One packet; the share that a response is about is that of its request."""
    said = _told(reader.data)
    if request is not None and said.outcome:
        return replace(said, object=request.object or said.object)
    return said


@lru_cache(maxsize=512)
def _told(data: bytes) -> Message:
    reader = Reader(data)
    kind, size = reader.u8(), int.from_bytes(reader.take(3), "big")
    if size != reader.left():
        raise Malformed(f"packet of {size} bytes, {reader.left()} there")
    if kind:
        return _packet(kind, reader)
    magic = reader.u32le()
    if magic in SEALED:
        return Message(SEALED[magic], "file", note=f"opaque: {SEALED[magic]}", left=reader.left())
    message = Reader(data[FRONT:])
    if magic == SMB1:
        return _message_1(message)
    if magic == SMB2:
        return _message_2(message)
    raise Malformed(f"message {magic:#010x}")


def _packet(kind: int, reader: Reader) -> Message:
    """[NBT] 4.3.2 to 4.3.6."""
    if kind not in PACKETS:
        raise Malformed(f"packet {kind:#04x}")
    if kind == REQUEST:
        called, calling = _name(reader), _name(reader)
        facts = [Fact("netbios_name", calling, "client")]
        if called != ANY_SERVER:
            facts.append(Fact("netbios_name", called))
        return Message(PACKETS[kind], "session", called, facts=tuple(facts))
    outcome = {POSITIVE: "ok", KEEP_ALIVE: ""}.get(kind, f"error {reader.rest().hex()}")
    return Message(PACKETS[kind], "session", outcome=outcome)


ANY_SERVER = "*SMBSERVER"


def _name(reader: Reader) -> str:
    """An encoded NetBIOS name, without its last character that tells the service."""
    raw = reader.take(reader.u8())
    if len(raw) != 32 or reader.u8() or any(not 0x41 <= octet <= 0x50 for octet in raw):
        raise Malformed("no NetBIOS name")
    pairs = zip(raw[::2], raw[1::2], strict=True)
    octets = bytes((high - 0x41) << 4 | low - 0x41 for high, low in pairs)
    return octets[:15].decode("latin-1").rstrip(" \0")


def _outcome(status: int, *, answers: bool) -> str:
    if not answers:
        return ""
    if status in FINE:
        return "ok"
    return "pending" if status == PENDING else STATUS.get(status, f"status {status:#010x}")


def _message_2(reader: Reader) -> Message:
    """[SMB2] 2.2.1; offsets in bodies count from the header on."""
    head = Reader(reader.data, 4)
    if head.u16le() != SIZE_2:
        raise Malformed("size of the header")
    head.u16le()
    status, command, _, flags = head.u32le(), head.u16le(), head.u16le(), head.u32le()
    reader.at(SIZE_2)
    answers = bool(flags & ANSWERS_2)
    outcome = _outcome(status, answers=answers)
    name, cls = COMMANDS_2.get(command, (f"unknown_{command:#06x}", "file"))
    if command == CREATE_2 and not answers:
        return Message(name, cls, _pipe(reader.data), note=OPAQUE, left=reader.left())
    if command not in DEEP_2:
        what = "" if answers else _call(reader.data, command, newer=True)
        return Message(name, cls, what, outcome=outcome, note=OPAQUE, left=reader.left())
    if outcome not in ("", "ok"):
        return Message(name, cls, outcome=outcome)
    read = (_REQUESTS_2, _RESPONSES_2)[answers][command]
    what, facts = read(reader)
    return Message(name, cls, what, outcome=outcome, facts=facts)


def _call(data: bytes, command: int, *, newer: bool = False) -> str:
    return transactions.called(bytes(FRONT) + data, command, newer=newer)


Told = tuple[str, tuple[Fact, ...]]  # object, facts


def _pipe(data: bytes) -> str:
    """The name of what is opened, [SMB2] 2.2.13, where it is that of a service."""
    try:
        reader = Reader(data, NAMED - 2)
        offset, size = reader.u16le(), reader.u16le()
        name = _blob(reader, offset, size) if size in _PIPE_SIZES else b""
    except WireError:
        return ""
    word = name.decode("utf-16-le", "replace").lower()
    return word if word in PIPES else ""


def _sized(reader: Reader, size: int) -> Reader:
    if reader.u16le() != size:
        raise Malformed(f"structure is not of {size} bytes")
    return reader


def _blob(reader: Reader, offset: int, size: int) -> bytes:
    return reader.at(offset).take(size) if size else b""


def _negotiate_2(reader: Reader) -> Told:
    count = _sized(reader, 36).u16le()
    if count > MOST_DIALECTS:
        raise Malformed(f"{count} dialects")
    reader.take(8)  # security mode, reserved, capabilities
    guid = reader.take(16)
    reader.take(8)
    words = [DIALECTS.get(code, f"{code:#06x}") for code in (reader.u16le() for _ in range(count))]
    facts = (Fact("smb_guid", guid.hex(), "client"),) if any(guid) else ()
    return ", ".join(words), facts


def _negotiated_2(reader: Reader) -> Told:
    mode, code = _sized(reader, 65).u16le(), reader.u16le()
    reader.take(2)
    guid = reader.take(16)
    reader.take(32)  # capabilities, sizes, times
    offset, size = reader.u16le(), reader.u16le()
    _, facts = ntlm_of(_blob(reader, offset, size))
    dialect = DIALECTS.get(code, f"{code:#06x}")
    signing = "required" if mode & 2 else "enabled"
    told = (
        Fact("smb_dialect", dialect),
        Fact("smb_guid", guid.hex()),
        Fact("smb_signing", signing),
    )
    return dialect, (*told, *facts)


def _setup_2(reader: Reader) -> Told:
    _sized(reader, 25).take(10)  # flags, mode, capabilities, channel
    offset, size = reader.u16le(), reader.u16le()
    return ntlm_of(_blob(reader, offset, size))


def _set_up_2(reader: Reader) -> Told:
    _sized(reader, 9).take(2)
    offset, size = reader.u16le(), reader.u16le()
    return ntlm_of(_blob(reader, offset, size))


def _tree_2(reader: Reader) -> Told:
    _sized(reader, 9).take(2)
    offset, size = reader.u16le(), reader.u16le()
    return _blob(reader, offset, size).decode("utf-16-le", "replace")[:MOST_PATH], ()


def _tree_connected_2(reader: Reader) -> Told:
    kind = _sized(reader, 16).u8()
    return SHARES.get(kind, f"share {kind}"), ()


_REQUESTS_2: dict[int, Callable[[Reader], Told]] = {0: _negotiate_2, 1: _setup_2, 3: _tree_2}
_RESPONSES_2: dict[int, Callable[[Reader], Told]] = {
    0: _negotiated_2, 1: _set_up_2, 3: _tree_connected_2,
}  # fmt: skip


def _message_1(reader: Reader) -> Message:
    """[CIFS] 2.2.3: header, words, bytes."""
    head = Reader(reader.data, 4)
    command, status, flags, flags2 = head.u8(), head.u32le(), head.u8(), head.u16le()
    reader.at(HEADER_1.itemsize - FRONT)
    answers = bool(flags & ANSWERS_1)
    outcome = _outcome(status, answers=answers)
    name, cls = COMMANDS_1.get(command, (f"unknown_{command:#04x}", "file"))
    if command not in DEEP_1:
        what = transactions.told(reader.data, command, answers=answers)
        what = what if answers else _call(reader.data, command) or what
        return Message(name, cls, what, outcome=outcome, note=OPAQUE, left=reader.left())
    words = reader.part(2 * reader.u8())
    size = reader.u16le()
    if size > reader.left():
        raise Malformed(f"{size} bytes, {reader.left()} left")
    end = reader.offset + size
    octets = Reader(reader.data[:end], reader.offset)
    if outcome not in ("", "ok") or not words.data:
        dialects = _dialects(octets) if command == DEEP_1[0] and not answers else ""
        return Message(name, cls, dialects, outcome=outcome)
    read = (_REQUESTS_1, _RESPONSES_1)[answers].get((command, len(words.data) // 2))
    what, facts = read(words, octets, bool(flags2 & UNICODE_1)) if read else ("", ())
    return Message(name, cls, what, outcome=outcome, facts=facts)


def _dialects(octets: Reader) -> str:
    """[CIFS] 2.2.4.52.1."""
    found: list[str] = []
    while octets.left() and len(found) < MOST_DIALECTS:
        if octets.u8() != 2:
            raise Malformed("no dialect")
        found.append(_string(octets, unicode=False))
    return ", ".join(found)[:MOST_PATH]


def _string(reader: Reader, *, unicode: bool) -> str:
    """A text up to its zero or the end; in UTF-16 at an even offset from the header on."""
    if not unicode:
        end = reader.data.find(b"\0", reader.offset)
        raw = reader.take((end if end >= 0 else len(reader.data)) - reader.offset)
        reader.take(min(1, reader.left()))
        return raw.decode("latin-1")
    reader.take(min(reader.offset % 2, reader.left()))
    units = []
    while reader.left() >= 2 and (unit := reader.take(2)) != b"\0\0":
        units.append(unit)
    return b"".join(units).decode("utf-16-le", "replace")


def _texts(octets: Reader, unicode: bool, names: tuple[str, ...], about: str) -> tuple[Fact, ...]:  # noqa: FBT001
    words = ((name, _string(octets, unicode=unicode)) for name in names)
    return tuple(Fact(name, word[:MOST_PATH], about) for name, word in words if name and word)


def _setup_1(words: Reader, octets: Reader, unicode: bool) -> Told:  # noqa: FBT001
    """[SMB] 2.2.4.6.1."""
    words.at(14)
    what, facts = ntlm_of(octets.take(words.u16le()))
    return what, (*facts, *_texts(octets, unicode, ("os", "application"), "client"))


def _setup_old_1(words: Reader, octets: Reader, unicode: bool) -> Told:  # noqa: FBT001
    """[CIFS] 2.2.4.53.1; passwords are only stepped over."""
    words.at(14)
    octets.take(words.u16le() + words.u16le())
    user, domain = (_string(octets, unicode=unicode)[:MOST_PATH] for _ in range(2))
    who = "\\".join(word for word in (domain, user) if word)
    told = (Fact("user", who, "client"),) if user else ()
    return "", (*told, *_texts(octets, unicode, ("os", "application"), "client"))


def _set_up_1(words: Reader, octets: Reader, unicode: bool) -> Told:  # noqa: FBT001
    """[SMB] 2.2.4.6.2."""
    words.at(6)
    what, facts = ntlm_of(octets.take(words.u16le()))
    return what, (*facts, *_texts(octets, unicode, ("os", "application"), "server"))


def _set_up_old_1(_words: Reader, octets: Reader, unicode: bool) -> Told:  # noqa: FBT001
    names = ("os", "application", "netbios_domain")
    return "", _texts(octets, unicode, names, "server")


def _tree_1(words: Reader, octets: Reader, unicode: bool) -> Told:  # noqa: FBT001
    """[CIFS] 2.2.4.55.1."""
    words.at(6)
    octets.take(words.u16le())  # password
    return _string(octets, unicode=unicode)[:MOST_PATH], ()


PASSWORDS_AT = {0x73: (14, 2), 0x75: (6, 1)}  # by command: where their lengths stand, how many


def scrub(reader: Reader) -> bytes:
    """[CIFS] 2.2.4.53.1, 2.2.4.55.1: passwords and what is made of them; version 2 has none."""
    data = reader.data
    words = HEADER_1.itemsize + 1
    if len(data) < words or data[FRONT : FRONT + 4] != b"\xffSMB":
        return data
    form = data[FRONT + 4], data[words - 1]
    if form not in ((0x73, 13), (0x75, 4)):
        return data
    at, count = PASSWORDS_AT[form[0]]
    lengths = Reader(data, words + at)
    size = sum(lengths.u16le() for _ in range(count))
    octets = words + 2 * form[1] + 2
    return covered(data, octets, octets + size)


Read = Callable[[Reader, Reader, bool], Told]
_REQUESTS_1: dict[tuple[int, int], Read] = {  # by command and number of words
    (0x73, 12): _setup_1, (0x73, 13): _setup_old_1, (0x75, 4): _tree_1,
}  # fmt: skip
_RESPONSES_1: dict[tuple[int, int], Read] = {(0x73, 4): _set_up_1, (0x73, 3): _set_up_old_1}

PROTOCOL = Protocol(
    "smb",
    "SMB",
    "MS-SMB2, MS-CIFS, MS-NLMP",
    frozenset({"tcp"}),
    frozenset({139, 445}),
    (SMB,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    identity=IDENTITY,
    head=HEAD,
    industrial=False,
    transfers=TRANSFERS,
    scrub=scrub,
    routine=frozenset({"echo", "cancel"}),
    session=True,
)
