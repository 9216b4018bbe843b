"""FTP: who logs in and how, which files are fetched, left, renamed and deleted.

Sources: [FTP] RFC 959 4; [TLS] RFC 4217; [EXT] RFC 2389, 2428, 3659.

Read is the control connection. Files go over connections of their own, of which nothing but their
place in this one tells that they are of FTP: those are not claimed, but their bytes are put
together (`transfers/ftp.py`). A transfer is answered by the
reply that begins it; how it ended is told by a message that stands alone. Passwords are named by
kind. Behind AUTH all is encrypted.
"""

import re
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from otsec.columns import U64, Ints, Mask, span_word
from otsec.errors import Malformed
from otsec.model import OperationClass
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
from otsec.protocols.credentials import covered, kind_of, stand_in
from otsec.protocols.framing.ftp import FTP
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.transfers.ftp import TRANSFERS

HEAD = 1 << 20  # bytes of each side
MOST_PATH, MOST_ACCOUNT, MOST_TEXT = 256, 64, 128  # characters
COMMANDS: dict[str, OperationClass] = {  # [FTP] 4.1, [TLS] 3, [EXT]
    "user": "session", "pass": "session", "acct": "session", "auth": "session",
    "pbsz": "session", "prot": "session", "ccc": "session", "rein": "session",
    "quit": "session", "noop": "session", "port": "session", "pasv": "session",
    "eprt": "session", "epsv": "session", "type": "session", "stru": "session",
    "mode": "session", "opts": "session", "abor": "session", "rest": "session",
    "retr": "file", "stor": "file", "stou": "file", "appe": "file", "allo": "file",
    "dele": "file", "rnfr": "file", "rnto": "file", "rmd": "file", "mkd": "file",
    "smnt": "file", "mfmt": "file",
    "cwd": "browse", "cdup": "browse", "pwd": "browse", "list": "browse", "nlst": "browse",
    "mlsd": "browse", "mlst": "browse", "stat": "browse", "size": "browse", "mdtm": "browse",
    "syst": "browse", "help": "browse", "feat": "browse", "site": "config",
}  # fmt: skip
OLD = {"xcup": "cdup", "xcwd": "cwd", "xmkd": "mkd", "xpwd": "pwd", "xrmd": "rmd"}  # RFC 775
NAMED = ("file", "browse")  # classes whose argument is a path
ADDRESSED = ("port", "eprt")
PLAIN = ("site", "auth", "prot", "type", "opts")  # whose argument is a word that tells something
GREETING, BEGINS, ENDED, ABORTED = "greeting", "reply", "transfer_complete", "transfer_aborted"
ALONE = {b"220": GREETING, b"120": GREETING, b"226": ENDED, b"426": ABORTED}
OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in enumerate(COMMANDS.items())),
    Operation(GREETING, "session", 220),
    Operation(ENDED, "file", 226),
    Operation(ABORTED, "file", 426),
    Operation(BEGINS, "session", 200),
)
FAILURES = {  # [FTP] 4.2.1
    "421": "service_closing", "425": "no_data_connection", "426": "aborted", "430": "refused",
    "450": "file_busy", "451": "local_error", "452": "no_space", "500": "syntax_error",
    "501": "syntax_error", "502": "not_implemented", "503": "bad_sequence",
    "504": "not_implemented", "530": "refused", "532": "account_needed", "534": "refused",
    "550": "file_unavailable", "551": "page_type", "552": "no_space", "553": "name_not_allowed",
}  # fmt: skip
IDENTITY = ("application", "account", "credentials", "os")
ANONYMOUS = ("anonymous", "ftp")  # RFC 1635
COMMAND = re.compile(rb"([A-Za-z]{3,4})(?: ([^\r\n]*))?\r?\n")
REPLY = re.compile(rb"([1-6]\d\d)([ -])([^\r\n]*)\r?\n")
GREETS = re.compile(
    rb"220[ -](?=.*(?:ftp|ready for new user))(?!.*(?:smtp|mail))", re.IGNORECASE | re.DOTALL
)
# what servers of FTP say and those of mail (220, 250, 550 and status x.y.z) and news (211, 215) do
# not: by the code and a word of [FTP] 5.4, or of the servers in use
OWN_REPLY = re.compile(
    rb"331[ -][ -~]*\r?\n|227 [ -~]*\d+(?:,\d+){5}[ -~]*\r?\n|229 [ -~]*\(\|\|\|\d|213 \d+\r?\n"
    rb'|257[ -]"|(?![2-5]\d\d[ -]\d\.\d)(?:'
    rb"1[25][05][ -][ -~]*(?:data connection|data channel|opening|mode)"
    rb"|200[ -][ -~]*(?:\btype\b|\bport\b|eprt|switching to|\bmode\b|\bstru\b|pbsz|\bprot\b|utf-?8)"
    rb"|211-(?:features|extensions)|215 (?:unix|windows|mvs|vms|os/|vxworks|nucleus)"
    rb"|226[ -][ -~]*(?:transfer|data connection|data channel|directory send|closing)"
    rb"|230[ -][ -~]*(?:log|user|anonymous|guest|access)|530[ -][ -~]*(?:log|user and pass)"
    rb"|234[ -][ -~]*(?:tls|ssl|negotiat)|250[ -][ -~]*(?:director|cwd|cdup|dele\b|rnto|rmd|renam)"
    rb"|350[ -][ -~]*(?:rnfr|rest\b|restart|renam|destination)|42[56][ -][ -~]*(?:data|connection|transfer)"
    rb"|550[ -][ -~]*(?:file|director|path))",
    re.IGNORECASE,
)
# commands that neither mail (STAT, LIST, RETR 1, DELE 1, USER, PASS) nor news and chat have
OWN_COMMAND = re.compile(
    rb"(?:PASV|EPSV|SYST|FEAT|CDUP|X?PWD|XCUP|TYPE [AIEL](?: [NTC8])?|AUTH (?:TLS|SSL)|PBSZ 0|PROT [CP]"
    rb"|PORT \d+(?:,\d+){5}|EPRT \|[ -~]+|MODE [SBC]|STRU [FRP]|REST \d+|ALLO \d+|OPTS UTF8 ON"
    rb"|(?:X?CWD|STOR|APPE|RNFR|RNTO|X?MKD|X?RMD|SIZE|MDTM) [^\r\n]+|MLSD(?: [^\r\n]+)?|MLST(?: [^\r\n]+)?"
    rb"|NLST(?: [^\r\n]+)?|(?:RETR|DELE) [^\r\n]*[./\\][^\r\n]*)\r?\n",
    re.IGNORECASE,
)
LAST_LINE = re.compile(rb"\n\d\d\d [^\n]*\n\Z")
SIZE = re.compile(rb"\((\d{1,15}) bytes\)")
ENDS = "opaque: contents on a connection of their own"


def _data(units: Units, row: int) -> bytes:
    return units.buffer[units.start[row] : units.end[row]].tobytes()


def claims(units: Units) -> Mask:
    """Greetings that say FTP, and what no other protocol of lines says, from anywhere in a session.

    USER, PASS and RETR are of POP3 too, 220 is of SMTP.
    """
    return np.array(
        [
            any(one.match(data) for one in (GREETS, OWN_REPLY, OWN_COMMAND))
            for data in (_data(units, row) for row in range(len(units)))
        ],
        np.bool_,
    )


def _front(units: Units) -> Ints:
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    return (word & np.uint64(0xFF)).astype(np.uint8)


def sides(units: Units) -> Ints:
    """Replies begin with a number."""
    first = _front(units)
    answers = (first >= ord("1")) & (first <= ord("6"))
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


_ALONE = np.array([int.from_bytes(code, "little") for code in ALONE], np.uint64)


def split(units: Units) -> Split:
    """Key: what is said. Greetings and ends of transfers stand alone."""
    rows = np.arange(len(units))
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, rows, lambda data, _: _told(data)
    )
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    alone = np.isin(word & np.uint64(0xFF_FFFF), _ALONE)
    return plain_split(words, malformed, alone=alone)


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A command or a reply."""
    said = _told(reader.data)
    if said.operation == "pass":
        return _password(reader.data, reader.context)
    if request is None or said.operation != BEGINS:
        return said
    facts = said.facts if request.operation == "syst" else ()
    return replace(
        said, operation=request.operation, cls=request.cls, object=request.object, facts=facts
    )


@lru_cache(maxsize=512)
def _told(data: bytes) -> Message:
    """A command or a reply; of passwords a digest stands in the note, for the key alone."""
    reply = REPLY.match(data)
    if reply is not None:
        return _reply(reply, data)
    command = COMMAND.fullmatch(data)
    if command is None:
        raise Malformed("no command")
    word = command[1].decode().lower()
    name, argument = OLD.get(word, word), (command[2] or b"").strip()
    cls = COMMANDS.get(name)
    if cls is None:
        return Message(f"unknown_{name}", "session")
    if name == "pass":
        return Message(name, cls, note=blake2b(argument, digest_size=16).hexdigest())
    if name == "user":
        account = text_of(argument, MOST_ACCOUNT)
        facts = (Fact("account", account, "client"),) if account else ()
        return Message(name, cls, account, facts=facts)
    if name in ADDRESSED:
        return Message(name, cls, _address(argument))
    if name == "mfmt":
        argument = argument.partition(b" ")[2]  # behind the time
    if cls in NAMED:
        return Message(name, cls, text_of(argument, MOST_PATH))
    return Message(name, cls, _word(name, argument) if name in PLAIN else "")


def _word(name: str, argument: bytes) -> str:
    """The first word, for SITE takes passwords too; of SITE EXEC and CHMOD it is enough."""
    return text_of(argument.split(b" ", 1)[0].upper() if name == "site" else argument, 32)


def _address(argument: bytes) -> str:
    """Where the data shall go: another host than the client's is a bounce; [EXT] RFC 2428 2."""
    if argument[:1] == b"|":
        parts = argument.split(b"|")
        return text_of(parts[2], 45) if len(parts) > 2 else ""
    return text_of(b".".join(argument.split(b",")[:4]), 45)


def _password(data: bytes, account: str) -> Message:
    command = COMMAND.fullmatch(data)
    password = (command[2] or b"").decode("latin-1") if command is not None else ""
    kind = "anonymous" if account.lower() in ANONYMOUS else kind_of(account, password)
    return Message("pass", "session", account, facts=(Fact("credentials", kind, "client"),))


def scrub(reader: Reader) -> bytes:
    """A password by its kind; of what is told by its name alone, the name."""
    command, data = COMMAND.fullmatch(reader.data), reader.data
    if command is None or command[2] is None:
        return data
    word = command[1].decode().lower()
    begin, end = command.span(2)
    if word == "pass":
        hidden = stand_in(reader.context, command[2].decode("latin-1")).encode("latin-1")
        return covered(data, begin, end, hidden)
    if word == "site":  # takes passwords too
        first = len(command[2]) - len(command[2].lstrip())
        words = command[2].strip().split(b" ", 1)
        return covered(data, begin + first + len(words[0]) + 1, end) if len(words) > 1 else data
    return data if word in COMMANDS and word != "acct" else covered(data, begin, end)


def _reply(reply: "re.Match[bytes]", data: bytes) -> Message:
    code, text = reply[1].decode(), text_of(reply[3].strip(), MOST_TEXT)
    outcome = "ok" if code < "400" else FAILURES.get(code, f"status {code}")
    name = ALONE.get(reply[1], BEGINS)
    if reply[2] == b"-" and LAST_LINE.search(data) is None:
        if data.count(b"\n") > 1:
            raise Malformed("no last line")
        name = BEGINS  # the first line of a reply that is too long
    facts: tuple[Fact, ...] = ()
    if name == GREETING and code == "220" and text:
        facts = (Fact("application", text),)
    if (
        code == "215" and text and name == BEGINS and reply[2] == b" "
    ):  # [FTP] 4.2.1: the type of system
        facts = (Fact("os", text),)
    size = SIZE.search(reply[3]) if code in ("125", "150") else None
    note = f"{ENDS}, {size[1].decode()} bytes" if size is not None else ""
    cls: OperationClass = "file" if name in (ENDED, ABORTED) else "session"
    return Message(name, cls, outcome=outcome, facts=facts, note=note)


# ----------------------------------------------------------------------------- contexts

ACCOUNT = 1  # name of the context: who is logging in
_USER, _REIN, _PASS = (int.from_bytes(word, "little") for word in (b"user", b"rein", b"pass"))


def _verb(units: Units) -> U64:
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    return (word & np.uint64(0xFFFF_FFFF)) | np.uint64(0x2020_2020)


def _sets(units: Units) -> Mask:
    return np.isin(_verb(units), np.array([_USER, _REIN], np.uint64))


def _names(units: Units) -> U64:
    return np.where(_verb(units) == np.uint64(_PASS), ACCOUNT, 0).astype(np.uint64)


def _learn(reader: Reader, _side: Side, _memory: dict[str, Any]) -> list[tuple[int, str]]:
    """The account of the password that follows."""
    said = _told(reader.data)
    return [(ACCOUNT, said.object if said.operation == "user" else "")]


PROTOCOL = Protocol(
    "ftp",
    "FTP",
    "RFC 959, RFC 4217",
    frozenset({"tcp"}),
    frozenset({21, 2121}),
    (FTP,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    outstanding=1,
    identity=IDENTITY,
    head=HEAD,
    contexts=Contexts("connection", _sets, _names, _learn),
    industrial=False,
    transfers=TRANSFERS,
    scrub=scrub,
    routine=frozenset({"noop", "type", "stru", "mode", "pasv", "epsv", "opts", "rest"})
    | {GREETING, ENDED, BEGINS},
    session=True,
)
