"""TDS (Microsoft SQL Server): who logs in how, and what statements do to which tables.

Source: [TDS] MS-TDS 2.2.

Statements are told by their verb and the name behind it; their text is not kept, for secrets stand
in it. Passwords, which are only disguised, are named by kind. Results are opaque, but for what the
server says of itself, for errors, and how they end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from otsec.columns import Header, Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered, kind_of, stand_in
from otsec.protocols.framing.tds import (
    ATTENTION,
    BATCH,
    BULK,
    FRONT,
    HEADER,
    LAST,
    LOGIN7,
    LOGIN_OLD,
    MANAGER,
    PRELOGIN,
    QUERY,
    RESULT,
    RPC,
    SEALED,
    SSPI,
    TDS,
    TOKEN,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.ntlm import IDENTITY as OF_NTLM
from otsec.protocols.ntlm import ntlm_of
from otsec.protocols.spoken import keys_of, text_of

PACKETS: dict[int, tuple[str, OperationClass]] = {
    PRELOGIN: ("prelogin", "session"), LOGIN7: ("login7", "session"),
    LOGIN_OLD: ("login", "session"), SSPI: ("sspi", "session"), TOKEN: ("fedauth", "session"),
    BATCH: ("batch", "session"), QUERY: ("batch", "session"), RPC: ("rpc", "write"),
    BULK: ("bulk_load", "write"), MANAGER: ("transaction", "session"),
    ATTENTION: ("attention", "session"), RESULT: ("result", "read"),
}  # fmt: skip
VERBS: dict[str, OperationClass] = {
    "select": "read", "insert": "write", "update": "write", "delete": "write", "merge": "write",
    "truncate": "write", "execute": "write", "create": "config", "alter": "config",
    "drop": "config", "grant": "config", "revoke": "config", "deny": "config",
    "restore": "file", "backup": "file", "reconfigure": "config", "shutdown": "mode",
    "dbcc": "diagnose", "kill": "control",
}  # fmt: skip
SHELL = "xp_cmdshell"  # runs a command of the operating system
TUNNEL, SEALED_NAME = "prelogin_tls", "encrypted"
_ALL: dict[str, tuple[OperationClass, int]] = {
    **{name: (cls, code) for code, (name, cls) in PACKETS.items()},
    **{name: (cls, 256 + at) for at, (name, cls) in enumerate(VERBS.items())},
    SHELL: ("control", 512),
    TUNNEL: ("session", 513),
    SEALED_NAME: ("session", 514),
}
OPERATIONS = tuple(Operation(name, cls, code) for name, (cls, code) in _ALL.items())
IDENTITY = (
    *OF_NTLM, "account", "credentials", "auth_method", "application", "application_version",
    "tds_version", "tds_encryption", "name",
)  # fmt: skip
ENCRYPTION = {0: "login only", 1: "on", 2: "not supported", 3: "required"}  # [TDS] 2.2.6.5
VERSION_OPTION, ENCRYPTION_OPTION, INSTANCE_OPTION, END = 0, 1, 2, 0xFF
MOST_OPTION = 8  # highest token of an option
PROCEDURES = {  # [TDS] 2.2.6.6
    1: "sp_cursor", 2: "sp_cursoropen", 3: "sp_cursorprepare", 4: "sp_cursorexecute",
    5: "sp_cursorprepexec", 6: "sp_cursorunprepare", 7: "sp_cursorfetch", 8: "sp_cursoroption",
    9: "sp_cursorclose", 10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute",
    13: "sp_prepexec", 14: "sp_prepexecrpc", 15: "sp_unprepare",
}  # fmt: skip
ERRORS = {  # numbers of messages that everybody meets
    18456: "refused", 18452: "refused", 18470: "account_disabled", 18486: "account_locked_out",
    18487: "password_expired", 18488: "password_expired", 4060: "no_such_database",
    229: "permission_denied", 208: "no_such_object", 15281: "blocked", 2812: "no_such_procedure",
}  # fmt: skip
MOST_NAME = 128  # characters
MOST_TEXT = 16_384  # characters of a statement that are looked at
WITHHELD = "opaque: text of a statement"
OPAQUE, TLS_OPAQUE = "opaque: rows", "opaque: encrypted"
HEADERS_LENGTH = 22  # of the one header of a request, [TDS] 2.2.5.3: 22, 18, type 2
HEADERS = bytes.fromhex("16000000120000000200")


# ------------------------------------------------------------------------------ columns


def _heads(units: Units) -> Header:
    header, _ = gather(units.buffer, units.start, units.end, HEADER)
    return header


def claims(units: Units) -> Mask:
    """What both sides say before a login, logins, and requests with their header."""
    mine = np.zeros(len(units), np.bool_)
    kind = _heads(units)["type"]
    few = (units.kind != SEALED) & np.isin(kind, (PRELOGIN, LOGIN7, RESULT, BATCH, RPC))
    for row in np.flatnonzero(few).tolist():
        data = units.buffer[units.start[row] : units.end[row]].tobytes()
        if data[0] in (BATCH, RPC):
            mine[row] = data[FRONT:].startswith(HEADERS)
            continue
        try:
            said = _told(data, 0)
        except WireError:
            continue
        mine[row] = said.operation in ("prelogin", "login7") and bool(said.facts)
    return mine


def sides(units: Units) -> Ints:
    """The type tells; encrypted, both say the same."""
    side = np.where(_heads(units)["type"] == RESULT, Side.RESPONSE, Side.REQUEST)
    return np.where(units.kind == SEALED, Side.UNKNOWN, side).astype(np.uint8)


FIRST_TOKENS = (0x00, 0xAA, 0xAB, 0xAD, 0xE3, 0xED, 0xFD, 0xFE, 0xFF)  # that are looked behind


def split(units: Units) -> Split:
    """Key: what is said; of rows of results only that they are, and how they end."""
    header = _heads(units)
    sealed = units.kind == SEALED
    result = ~sealed & (header["type"] == RESULT)
    token, _ = gather(units.buffer, units.start + FRONT, units.end, np.dtype("u1"))
    done, fits = gather(units.buffer, units.end - DONE.itemsize, units.end, DONE)
    begins = result & (header["id"] <= 1) & np.isin(token, FIRST_TOKENS)
    ends = result & ((header["status"] & LAST) != 0)
    failed = ends & fits & _failed(done)
    told = np.flatnonzero(~sealed & (~result | begins))
    words, malformed = keys_of(units, units.start, units.end, units.kind, told, _told)
    form = np.where(sealed, 1, np.where(result, 2 + 2 * ends + failed, 0)).astype(np.uint64)
    form |= begins.astype(np.uint64) << np.uint64(8)
    # before a login the whole is joined; a tunnel in it is in one packet or several
    return plain_split([form, *words], malformed, alone=np.asarray(sealed | (result & ~ends)))


DONE = np.dtype([("token", "u1"), ("status", "<u2"), ("command", "<u2"), ("rows", "<u8")])


def _failed(done: Header) -> Mask:
    """[TDS] 2.2.7.6: the bit of errors in what ends a result."""
    return np.asarray((done["token"] >= 0xFD) & ((done["status"] & 2) != 0), np.bool_)


# --------------------------------------------------------------------------- one packet


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A packet, or the end of a result with what was asked."""
    data = reader.data
    if len(data) < FRONT:
        raise Malformed(f"{len(data)} bytes")
    if data[0] in (20, 21, 22, 23) and data[1] == 3:
        return Message(SEALED_NAME, "session", note=TLS_OPAQUE)
    if data[0] != RESULT:
        return _told(data, 0)
    said = _result(data)
    if request is None:
        return said
    return replace(said, operation=request.operation, cls=request.cls, object=request.object)


def _result(data: bytes) -> Message:
    """[TDS] 2.2.7: a packet of a result, as far as `split` makes it a thing of its own."""
    begins = data[6] <= 1 and data[FRONT:][:1] in [bytes([token]) for token in FIRST_TOKENS]
    said = _told(data, 0) if begins else Message("result", "read", note=OPAQUE)
    outcome = said.outcome or "ok"
    if data[1] & LAST and outcome == "ok" and len(data) >= FRONT + DONE.itemsize:
        done = np.frombuffer(data[-DONE.itemsize :], DONE)
        outcome = "error" if _failed(done)[0] else "ok"
    return replace(said, outcome=outcome)


@lru_cache(maxsize=256)
def _told(data: bytes, _kind: int) -> Message:
    header = np.frombuffer(data[:FRONT], HEADER)[0] if len(data) >= FRONT else None
    if header is None or header["length"] > len(data):
        raise Malformed(f"{len(data)} bytes")
    kind = data[0]
    body = _joined(data)
    if kind not in PACKETS:
        raise Malformed(f"packet {kind:#04x}")
    name, cls = PACKETS[kind]
    if kind == PRELOGIN or (kind == RESULT and body[:1] == b"\0"):
        return _prelogin(body, "client" if kind == PRELOGIN else "server")
    if kind == RESULT:
        return _tokens(body)
    if kind == LOGIN7:
        return _login(body)
    if kind in (BATCH, QUERY):
        return _statement(body[_headers(body) :].decode("utf-16-le", "replace"), name, cls)
    if kind == RPC:
        return _call(Reader(body, _headers(body)))
    if kind == SSPI:
        return Message(name, cls, facts=ntlm_of(body)[1])
    return Message(name, cls)


def _joined(data: bytes) -> bytes:
    """The packets' contents, one behind the other."""
    parts, at = [], 0
    while at + FRONT <= len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < FRONT:
            raise Malformed(f"packet of {length} bytes")
        parts.append(data[at + FRONT : at + length])
        at += length
    if at != len(data):
        raise Malformed("packets that do not fill the message")
    return b"".join(parts)


def _headers(body: bytes) -> int:
    """Length of what stands in front of statements since TDS 7.2, [TDS] 2.2.5.3."""
    size = int.from_bytes(body[:4], "little")
    return size if HEADERS_LENGTH <= size <= min(len(body), 256) else 0


def _prelogin(body: bytes, about: str) -> Message:
    """[TDS] 2.2.6.5: version, encryption, instance; or TLS in its stead."""
    if body[:1] in (b"\x14", b"\x15", b"\x16", b"\x17") and body[1:2] == b"\3":
        return Message(TUNNEL, "session", note=TLS_OPAQUE)
    reader = Reader(body)
    options: dict[int, bytes] = {}
    while (token := reader.u8()) != END:
        place, size = reader.u16(), reader.u16()
        if token > MOST_OPTION or token in options:
            raise Malformed(f"option {token}")
        options[token] = Reader(body).at(place).take(size)
    version, encryption = options.get(VERSION_OPTION, b""), options.get(ENCRYPTION_OPTION, b"")
    if len(version) != 6 or (len(encryption) != 1 and encryption):
        raise Malformed("options of odd lengths")
    facts = []
    if any(version[:4]) and about == "server":  # a client's is of its library
        number = f"{version[0]}.{version[1]}.{int.from_bytes(version[2:4], 'big')}"
        facts.append(Fact("application_version", number, about))
    if encryption:
        word = ENCRYPTION.get(encryption[0] & 0x1F, f"{encryption[0]:#04x}")
        facts.append(Fact("tds_encryption", word, about))
    instance = text_of(options.get(INSTANCE_OPTION, b"").rstrip(b"\0"), MOST_NAME)
    outcome = "ok" if about == "server" else ""
    instance = instance if about == "client" else ""
    return Message("prelogin", "session", instance, outcome=outcome, facts=tuple(facts))


FIELDS = (
    "host", "user", "password", "application", "server", "extension", "library", "language",
    "database",
)  # fmt: skip
FIXED = 36  # bytes in front of the fields, [TDS] 2.2.6.4
INTEGRATED = 0x80  # of the second byte of flags


def _login(body: bytes) -> Message:
    """[TDS] 2.2.6.4: who logs in, from where, with what."""
    reader = Reader(body)
    length, version = reader.u32le(), reader.u32le()
    if length != len(body):
        raise Malformed(f"login of {length} bytes in {len(body)}")
    flags = reader.at(25).u8()
    reader.at(FIXED)
    said = {}
    for field in FIELDS:
        place, count = reader.u16le(), reader.u16le()
        raw = Reader(body).at(place).take(2 * count) if field != "extension" and count else b""
        said[field] = _plain(raw) if field == "password" else raw.decode("utf-16-le", "replace")
    reader.take(6)  # the client's MAC, or a number in its stead
    place, count = reader.u16le(), reader.u16le()
    integrated = bool(flags & INTEGRATED)
    user = _clean(said["user"])
    facts = [
        Fact(attribute, _clean(said[field]), about)
        for field, attribute, about in (
            ("host", "hostname", "client"), ("application", "application", "client"),
            ("user", "account", "client"),
        )
        if said[field]
    ]  # fmt: skip
    facts.append(Fact("tds_version", f"{version >> 28}.{version >> 24 & 15}", "client"))
    if integrated:
        facts.append(Fact("auth_method", "integrated", "client"))
        facts += ntlm_of(Reader(body).at(place).take(count))[1] if count else ()
    elif user:
        facts.append(Fact("auth_method", "sql", "client"))
        facts.append(Fact("credentials", kind_of(user, said["password"]), "client"))
    return Message("login7", "session", user, facts=tuple(facts), note=_on(said))


def _on(said: dict[str, str]) -> str:
    """Which server and database are meant, and by which library."""
    words = ("server", "database", "library")
    return ", ".join(f"{word} {_clean(said[word])}" for word in words if said[word])


def _clean(words: str) -> str:
    return words[:MOST_NAME].encode("unicode_escape").decode("ascii")


def _plain(raw: bytes) -> str:
    """A password out of its disguise, [TDS] 2.2.6.4."""
    bare = bytes(((octet ^ 0xA5) << 4 | (octet ^ 0xA5) >> 4) & 0xFF for octet in raw)
    return bare.decode("utf-16-le", "replace")


# ---------------------------------------------------------------------------- statements

# what does not end goes on to the end, so that each is looked at once
TEXTS = r"'(?:[^']|'')*(?:'|\Z)|--[^\r\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z)"
VERB = r"\b(" + "|".join(VERBS) + r"|exec)\b"
NAME = r"(?:\[[^\]\r\n]{1,128}\]|\"[^\"\r\n]{1,128}\"|[\w@#$]{1,128}|(?<=\.)(?=\.))"
TARGET = (
    r"\b(?:(?:insert|delete|merge|truncate)(?:\s+(?:into|from|table))?|from|into|to|update"
    r"|exec(?:ute)?|table|view|proc(?:edure)?|function|trigger|login|user|database|index|role)\s+"
    rf"(?:@\w+\s*=\s*)?({NAME}(?:\.{NAME}){{0,3}})"
)
KEYWORDS = frozenset({"from", "into", "table", "view", "login", "user", "database", "top"})


def _statement(text: str, name: str, cls: OperationClass) -> Message:
    """What the first verb of a batch does, and to what."""
    bare = re.sub(TEXTS, "''", text[:MOST_TEXT])
    verb = re.search(VERB, bare, re.IGNORECASE)
    word = verb[1].lower() if verb is not None else ""
    word = "execute" if word == "exec" else word
    target = _target(bare, verb.start()) if verb is not None else ""
    if SHELL in text.lower():
        return Message(SHELL, "control", f"{word} {target}".strip(), note=WITHHELD)
    if not word:
        return Message(name, cls, note=WITHHELD)
    return Message(word, VERBS[word], target, note=WITHHELD)


def _target(bare: str, at: int) -> str:
    """The first name that is no word of the language."""
    for found in re.finditer(TARGET, bare[at:], re.IGNORECASE):
        name = re.sub(r"[\[\]\"]", "", found[1])
        if name.lower() not in KEYWORDS:
            return _clean(name)
    return ""


def _call(reader: Reader) -> Message:
    """[TDS] 2.2.6.6: a procedure; statements in its parameters tell more than its name."""
    size = reader.u16le()
    if size == 0xFFFF:
        code = reader.u16le()
        name = PROCEDURES.get(code, f"procedure {code}")
    else:
        name = _clean(reader.take(2 * size).decode("utf-16-le", "replace"))
    reader.u16le()  # flags
    for text in _texts(reader):
        said = _statement(text, "", "write")
        if said.operation:
            return said
    if name.lower().rpartition(".")[2] == SHELL:
        return Message(SHELL, "control", "execute xp_cmdshell", note=WITHHELD)
    return Message("rpc", "write", name)


INTN, NVARCHAR, NTEXT = 0x26, 0xE7, 0x63  # [TDS] 2.2.5.4
MOST_PARAMETERS = 4


def _texts(reader: Reader) -> Iterator[str]:
    """Texts among the first parameters; none behind one of another type."""
    for _ in range(MOST_PARAMETERS):
        if reader.left() < 4:
            return
        reader.take(2 * reader.u8())  # name
        reader.u8()
        kind = reader.u8()
        if kind == INTN:
            reader.u8()
            reader.take(reader.u8())
        elif kind == NVARCHAR:
            most = reader.u16le()
            reader.take(5)  # collation
            raw = _chunks(reader) if most == 0xFFFF else _short(reader)
            yield raw.decode("utf-16-le", "replace")
        elif kind == NTEXT:
            reader.take(9)
            yield reader.take(reader.u32le()).decode("utf-16-le", "replace")
        else:
            return


def _short(reader: Reader) -> bytes:
    size = reader.u16le()
    return b"" if size == 0xFFFF else reader.take(size)


def _chunks(reader: Reader) -> bytes:
    """[TDS] 2.2.5.2.3: a length of all, then pieces up to an empty one."""
    if reader.u64le() == (1 << 64) - 1:
        return b""
    parts = []
    while size := reader.u32le():
        parts.append(reader.take(size))
    return b"".join(parts)


# ------------------------------------------------------------------------------- results

LOGINACK, ERROR, INFO, ENVCHANGE, SSPI_TOKEN = 0xAD, 0xAA, 0xAB, 0xE3, 0xED


@dataclass(slots=True)
class _Told:
    """What the tokens of a result have said so far."""

    facts: list[Fact]
    outcome: str = ""


def _tokens(body: bytes) -> Message:
    """[TDS] 2.2.7: the tokens in front of rows."""
    reader, told = Reader(body), _Told([])
    while reader.left():
        token = reader.u8()
        if token in (LOGINACK, ERROR, INFO, ENVCHANGE, SSPI_TOKEN):
            _one(token, reader.part(reader.u16le()), told)
        elif token in (0xFD, 0xFE, 0xFF):
            reader.take(DONE.itemsize - 1)
        elif token == 0x79:  # what a procedure returns
            reader.take(4)
        else:
            break
    facts = tuple(dict.fromkeys(told.facts))
    return Message("result", "read", outcome=told.outcome, facts=facts, note=OPAQUE)


def _one(token: int, reader: Reader, told: _Told) -> None:
    if token == LOGINACK:
        reader.u8()
        version = reader.u32()
        name = _text(reader, reader.u8())
        numbers = reader.u8(), reader.u8(), reader.u16()
        told.facts += [
            Fact("application", name),
            Fact("application_version", ".".join(map(str, numbers))),
            Fact("tds_version", f"{version >> 28}.{version >> 24 & 15}"),
        ]
    elif token == SSPI_TOKEN:
        told.facts += ntlm_of(reader.rest())[1]
    elif token in (ERROR, INFO):
        number = reader.u32le()
        reader.take(2)  # state, class
        _text(reader, reader.u16le())  # may quote what was asked
        server = _text(reader, reader.u8())
        if server:
            told.facts.append(Fact("name", server))
        if token == ERROR and not told.outcome:
            told.outcome = ERRORS.get(number, f"error {number}")


def _text(reader: Reader, count: int) -> str:
    return _clean(reader.take(2 * count).decode("utf-16-le", "replace").rstrip("\0"))


# --------------------------------------------------------------------------- scrubbing


def scrub(reader: Reader) -> bytes:
    """A login without its password; of statements and calls no more than is told of them."""
    data, kind = reader.data, reader.data[0]
    if kind == LOGIN7:
        return _laid(data, _without_password(_joined(data)))
    if kind in (BULK, TOKEN):
        return _laid(data, b"")
    if kind in (BATCH, QUERY, RPC):
        said, room = _told(data, 0), len(_joined(data))
        blanks = BLANK * (room // 2)
        texts = (text.encode("utf-16-le") for text in _short_for(said))
        bodies = _calls(said, texts) if kind == RPC else (text + blanks for text in texts)
        for body in bodies:
            if len(body) <= room or kind != RPC:
                short = _laid(data, body)
                if _told(short, 0) == said:
                    return short
    return data


BLANK = " ".encode("utf-16-le")


def _laid(data: bytes, body: bytes) -> bytes:
    """A message with another body, cut or filled up to the length of its own, in its packets."""
    out, at, taken = bytearray(data), 0, 0
    body = body.ljust(len(data), b"\0")
    while at + FRONT <= len(data):
        end = at + max(int.from_bytes(data[at + 2 : at + 4], "big"), FRONT)
        size = min(end, len(data)) - at - FRONT
        out[at + FRONT : at + FRONT + size] = body[taken : taken + size]
        taken, at = taken + size, end
    return bytes(out)


def _short_for(said: Message) -> Iterator[str]:
    """Statements that could be told so."""
    verb, target, more = said.operation, said.object, ""
    if verb == SHELL:
        verb, _, target = target.partition(" ")
        more = f" --{SHELL}"
    elif verb not in VERBS:
        verb = ""
    name = target.encode().decode("unicode_escape")
    parts = ".".join(f"[{part}]" if part else "" for part in name.split("."))
    for shape in (name, parts):
        yield f"{verb} {shape}{more}"
        yield f"{verb} from {shape}{more}"
    yield more


def _calls(said: Message, texts: Iterator[bytes]) -> Iterator[bytes]:
    """A procedure without anything given to it, else one that executes a statement."""
    name = SHELL if said.operation == SHELL else said.object.encode().decode("unicode_escape")
    if said.operation in ("rpc", SHELL):
        yield (len(name)).to_bytes(2, "little") + name.encode("utf-16-le") + bytes(2)
    for text in texts:
        size = len(text).to_bytes(2, "little")
        yield EXECUTE + bytes([0, 0, NVARCHAR]) + size + bytes(5) + size + text


EXECUTE = bytes.fromhex("ffff0a000000")  # sp_executesql, without flags
USER_AT, CHANGED_AT = FIXED + 4, FIXED + 50  # of a login; of what changes its password, since 7.2
VERSION_7_2 = 0x7200_0000


def _without_password(body: bytes) -> bytes:
    reader = Reader(body, 4)
    version = reader.u32le()
    reader.at(USER_AT)
    place, count = reader.u16le(), reader.u16le()
    user = _clean(body[place : place + 2 * count].decode("utf-16-le", "replace"))
    place, count = reader.u16le(), reader.u16le()
    hidden = stand_in(user, _plain(body[place : place + 2 * count]))
    body = covered(body, place, place + 2 * count, _disguised(hidden))
    if version >= VERSION_7_2:
        reader = Reader(body, CHANGED_AT)
        place, count = reader.u16le(), reader.u16le()
        body = covered(body, place, place + 2 * count)
    return body


def _disguised(password: str) -> bytes:
    """As a client disguises it, [TDS] 2.2.6.4."""
    raw = password.encode("utf-16-le")
    return bytes(((octet << 4 | octet >> 4) & 0xFF) ^ 0xA5 for octet in raw)


PROTOCOL = Protocol(
    "tds",
    "TDS (Microsoft SQL Server)",
    "MS-TDS",
    frozenset({"tcp"}),
    frozenset({1433}),
    (TDS,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    outstanding=4,
    identity=IDENTITY,
    industrial=False,
    scrub=scrub,
    routine=frozenset(
        {"prelogin", "batch", "transaction", "attention", "sspi", TUNNEL, SEALED_NAME}
    ),
    session=True,
)
