"""Telnet: options, and who logs in how.

Sources: [TELNET] RFC 854, 855; [ENVIRON] RFC 1572; the options by the IANA registry.

It is known by its options alone; a connection that has none is claimed by nobody. Of each side
only the beginning is read. Who is asked for a name and a password is told with the kind of the
password; what else is typed and shown is not. Whether the login was accepted can be told only
where the server says it in words that are known.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from otsec.columns import U64, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.protocols.api import (
    Contexts,
    Fact,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.credentials import kind_of
from otsec.protocols.framing.telnet import (
    DO,
    DONT,
    FIRST_COMMAND,
    IAC,
    PROMPT,
    SB,
    SE,
    TELNET,
    WILL,
    WONT,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import text_of

HEAD = 1 << 16  # bytes of each side
MOST_ACCOUNT = 64  # characters
VERBS = {WILL: "will", WONT: "wont", DO: "do", DONT: "dont"}
OPTIONS = {
    0: "binary", 1: "echo", 3: "suppress_go_ahead", 5: "status", 6: "timing_mark",
    24: "terminal_type", 25: "end_of_record", 31: "window_size", 32: "terminal_speed",
    33: "flow_control", 34: "linemode", 35: "x_display", 36: "environ", 37: "authentication",
    38: "encrypt", 39: "new_environ", 42: "charset", 44: "com_port", 46: "start_tls",
}  # fmt: skip
COMMANDS = {
    236: "end_of_file", 237: "suspend", 238: "abort", 239: "end_of_record", SE: "end_of_option",
    241: "no_operation", 242: "data_mark", 243: "break", 244: "interrupt", 245: "abort_output",
    246: "are_you_there", 247: "erase_character", 248: "erase_line", 249: "go_ahead",
}  # fmt: skip
NEW_ENVIRON = 39
# what a server says to a login; looked for nowhere else
REFUSED = re.compile(
    rb"\b(?:incorrect|invalid|fail(?:ed|ure)|denied|wrong|not correct|rejected|bad password)\b",
    re.IGNORECASE,
)
ACCEPTED = re.compile(
    rb"\A\W*last login\b|\A\W*welcome\b|\blog(?:ged|in) (?:in )?(?:ok|success)", re.IGNORECASE
)
PASSWORD = re.compile(rb"pass(?:word|wd|code)[^:]*:\Z", re.IGNORECASE)
ASKS = re.compile(PROMPT + rb"\Z", re.IGNORECASE)
USER = re.compile(
    rb"[\x00\x03]USER\x01([^\x00-\x03\xff]*)"
)  # [ENVIRON] 2: a variable and its value
ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|[\0\n\r]")
NAMES = (
    *VERBS.values(), "subnegotiation", "command", "login_prompt", "password_prompt", "account",
    "password", "login", "input", "output",
)  # fmt: skip
OPERATIONS = tuple(Operation(name, "session", code) for code, name in enumerate(NAMES))
IDENTITY = ("account", "credentials")
TYPED, SHOWN = "opaque: what is typed", "opaque: what is shown"
FRONT = np.dtype([("first", "u1"), ("code", "u1"), ("option", "u1")])
_KNOWN = np.array(list(OPTIONS), np.uint8)


def claims(units: Units) -> Mask:
    """An offer of, or a wish for, an option that is in use."""
    front, fits = gather(units.buffer, units.start, units.end, FRONT)
    mine = fits & (units.end - units.start == FRONT.itemsize) & (front["first"] == IAC)
    mine &= (front["code"] == WILL) | (front["code"] == DO)
    return np.asarray(mine & np.isin(front["option"], _KNOWN), np.bool_)


def sides(units: Units) -> Ints:
    """Both sides say the same things."""
    return np.full(len(units), Side.UNKNOWN, np.uint8)


def split(units: Units) -> Split:
    """Key: what is said. Of what is typed a digest: what it is depends on what was asked."""
    words = np.zeros((2, len(units)), np.uint64)
    malformed = np.zeros(len(units), np.bool_)
    spans = zip(units.start.tolist(), units.end.tolist(), units.side.tolist(), strict=True)
    for row, (begin, end, side) in enumerate(spans):
        data = units.buffer[begin:end].tobytes()
        try:
            key = _key(data, Side(side))
        except Malformed:
            malformed[row] = True
            continue
        words[:, row] = np.frombuffer(blake2b(key, digest_size=16).digest(), "<u8")
    return plain_split(list(words), malformed)


def _key(data: bytes, side: Side) -> bytes:
    if _is_text(data):
        return data if side != Side.RESPONSE else repr(_shown(data)).encode()
    return repr(_command(data)).encode("utf-8", "surrogatepass")


def _is_text(data: bytes) -> bool:
    return data[:1] != b"\xff" or data[:2] == b"\xff\xff"


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """A command, or a line by what was asked before it."""
    data = reader.data
    if not _is_text(data):
        return _command(data)
    state, _, account = reader.context.partition(" ")
    if side != Side.RESPONSE:
        return _typed(data, state, account)
    name = _shown(data)
    if state == "verdict" and name in ("refused", "login_prompt"):  # it asks again
        return Message("login", "session", account, outcome="refused")
    if state == "verdict" and name == "accepted":
        return Message("login", "session", account, outcome="ok")
    if name in ("login_prompt", "password_prompt"):
        return Message(name, "session")
    return Message("output", "session", note=SHOWN)


@lru_cache(maxsize=256)
def _command(data: bytes) -> Message:
    if len(data) < 2 or data[1] < FIRST_COMMAND:
        raise Malformed("no command")
    code = data[1]
    if code == SB:
        return _subnegotiation(data)
    if code in VERBS:
        if len(data) != FRONT.itemsize:
            raise Malformed(f"{len(data)} bytes")
        return Message(VERBS[code], "session", _option(data[2]))
    if len(data) != 2:
        raise Malformed(f"{len(data)} bytes")
    return Message("command", "session", COMMANDS[code])


def _option(code: int) -> str:
    return OPTIONS.get(code, f"option {code}")


def _subnegotiation(data: bytes) -> Message:
    if len(data) < 5 or data[-2:] != b"\xff\xf0":
        raise Malformed("no end of an option")
    option, content = data[2], data[3:-2]
    facts: tuple[Fact, ...] = ()
    if option == NEW_ENVIRON and (user := USER.search(content)) and user[1]:
        facts = (Fact("account", text_of(user[1], MOST_ACCOUNT), "client"),)
    return Message(
        "subnegotiation", "session", _option(option), facts=facts, note="opaque: option's content"
    )


def _shown(data: bytes) -> str:
    """What kind of line a server shows."""
    line = ESCAPES.sub(b"", data)
    if ASKS.search(data) is not None:
        return "password_prompt" if PASSWORD.search(data) is not None else "login_prompt"
    if REFUSED.search(line) is not None:
        return "refused"
    return "accepted" if ACCEPTED.search(line) is not None else "output"


def _line(data: bytes) -> bytes:
    """What was typed, without its end and what was taken back."""
    line = bytearray()
    for octet in ESCAPES.sub(b"", data):
        if octet in (0x08, 0x7F):
            del line[-1:]
        else:
            line.append(octet)
    return bytes(line)


def _typed(data: bytes, state: str, account: str) -> Message:
    line = _line(data)
    if data[-1:] not in (b"\0", b"\n"):  # cut, or somebody who ends lines as nobody should
        return Message("input", "session", note=TYPED)
    if state == "login" and line.strip():
        who = text_of(line.strip(), MOST_ACCOUNT)
        return Message("account", "session", who, facts=(Fact("account", who, "client"),))
    if state == "password":
        kind = kind_of(account, line.decode("latin-1"))
        return Message("password", "session", account, facts=(Fact("credentials", kind, "client"),))
    return Message("input", "session", note=TYPED)


# ----------------------------------------------------------------------------- contexts

DIALOGUE = 1  # name of the context: what was asked last, and whose login it is
WAITS = {"login_prompt": "login", "password_prompt": "password"}


def _texts(units: Units) -> Mask:
    front, _ = gather(units.buffer, units.start, units.end, np.dtype("u1"))
    return np.asarray(front != IAC, np.bool_)


def _names(units: Units) -> U64:
    return np.where(_texts(units), DIALOGUE, 0).astype(np.uint64)


def _learn(reader: Reader, side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """What was asked for, and what was typed on it."""
    state, account = memory.get("state", ""), memory.get("account", "")
    if side == Side.RESPONSE:
        name = _shown(reader.data)
        if state == "verdict" and name in ("refused", "accepted"):
            state = ""
        state = WAITS.get(name, state)
    elif state == "login" and (line := _line(reader.data).strip()):
        state, account = "", text_of(line, MOST_ACCOUNT)
    elif state != "login":
        state = "verdict" if state == "password" else ""
    if (state, account) == (memory.get("state", ""), memory.get("account", "")):
        return []
    memory["state"], memory["account"] = state, account
    return [(DIALOGUE, f"{state} {account}")]


PROTOCOL = Protocol(
    "telnet",
    "Telnet",
    "RFC 854",
    frozenset({"tcp"}),
    frozenset({23, 2323}),
    (TELNET,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    paired=False,
    identity=IDENTITY,
    head=HEAD,
    contexts=Contexts("connection", _texts, _names, _learn),
    industrial=False,
    routine=frozenset(NAMES) - {"account", "password", "login"},
    session=True,
)
