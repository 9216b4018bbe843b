"""HTTP/1.x: requests, responses, and what both sides say that they are.

Sources: [HTTP] RFC 9110 and 9112; [BASIC] RFC 7617; [WSMV] MS-WSMV; [DOH] RFC 8484.

Read are the first line and few header fields. Queries, cookies and contents are not looked at;
of credentials in the clear the account is told, and the kind of the password. Of each side only the
beginning is read.
"""

import base64
import re
from dataclasses import replace
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import covered, kind_of, stand_in
from otsec.protocols.framing.http import CONTENT, EMPTY_LINE, HTTP, METHODS, START
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.words.services import DNS_OVER_HTTPS

HEAD = 1 << 14  # bytes of each side
MOST_PATH, MOST_FIELD, MOST_ACCOUNT = 128, 200, 64  # characters
CLASSES: dict[str, OperationClass] = {
    "GET": "read", "POST": "write", "PUT": "write", "DELETE": "write", "PATCH": "write",
}  # fmt: skip
OPERATIONS = (
    *(
        Operation(name.lower(), CLASSES.get(name, "browse"), code)
        for code, name in enumerate(METHODS)
    ),
    Operation("winrm", "session", 99),
    Operation("response", "read", 100),
    Operation("content", "read", 101),
)
IDENTITY = ("application", "hostname", "http_realm", "account", "credentials")
NUMBERS = re.compile(r"[\d.]+|\[.*\]?")  # a host that is an address
REALM = re.compile(r'realm="?([^",]*)', re.IGNORECASE)
OPAQUE = "opaque: content"


def claims(units: Units) -> Mask:
    """Header blocks with a first line of HTTP/1 and nothing but fields behind it."""
    mine = np.zeros(len(units), np.bool_)
    for row in np.flatnonzero(units.kind != CONTENT).tolist():
        try:
            _told(units.buffer[units.start[row] : units.end[row]].tobytes())
            mine[row] = True
        except WireError:
            continue
    return mine


def sides(units: Units) -> Ints:
    """Responses begin with the version."""
    side = np.where(_answers(units), Side.RESPONSE, Side.REQUEST)
    return np.where((units.kind != CONTENT), side, Side.UNKNOWN).astype(np.uint8)


def _answers(units: Units) -> Mask:
    word, _ = gather(units.buffer, units.start, units.end, np.dtype("S5"))
    return np.asarray(word == b"HTTP/", np.bool_)


STATUS = len("HTTP/1.1 ")


def split(units: Units) -> Split:
    """Key: what a header block says. Contents, and responses that announce another, stand alone."""
    block = np.flatnonzero(units.kind != CONTENT)
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, block, lambda data, _: _told(data)
    )
    status, fits = gather(units.buffer, units.start + STATUS, units.end, np.dtype("S3"))
    content = units.kind == CONTENT
    informs = fits & (status < b"200") & (status != b"101") & _answers(units)
    return plain_split(
        [units.kind.astype(np.uint64), *words], malformed, alone=np.asarray(content | informs)
    )


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A header block, or content."""
    if START.match(reader.data) is None and not reader.data.startswith(b"HTTP/1."):
        return Message("content", "read", note=OPAQUE, left=reader.left())
    said = _told(reader.data)
    if said.operation == "response" and request is not None:
        return replace(said, operation=request.operation, cls=request.cls, object=request.object)
    return said


@lru_cache(maxsize=512)
def _told(data: bytes) -> Message:
    """What a header block says."""
    empty = EMPTY_LINE.search(data)
    if START.match(data) is None or empty is None or empty.end() != len(data):
        raise Malformed("no header block")
    first, *lines = re.split(rb"\r?\n", data)[:-2]
    fields: dict[str, str] = {}
    for line in lines:
        if line[:1] in b" \t":  # goes on, [HTTP] 5.2
            continue
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name):
            raise Malformed(f"no header field in {len(line)} bytes")
        fields.setdefault(name.decode().lower(), text_of(value.strip(b" \t"), MOST_FIELD))
    if first.startswith(b"HTTP/"):
        return _response(first, fields)
    return _served(_request(first, fields), fields)


_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _request(first: bytes, fields: dict[str, str]) -> Message:
    method, target, _ = first.split(b" ")
    path = re.split(rb"[?#]", target, maxsplit=1)[0]
    name = method.decode()
    facts = []
    if agent := fields.get("user-agent"):
        facts.append(Fact("application", agent, "client"))
    host = fields.get("host", "")
    if (word := host.partition(":")[0]) and not NUMBERS.fullmatch(host.split(":")[0]):
        facts.append(Fact("hostname", word))
    facts += _basic(fields.get("authorization", ""))
    return Message(
        name.lower(), CLASSES.get(name, "browse"), text_of(_bare(path), MOST_PATH),
        facts=tuple(facts),
    )  # fmt: skip


def _basic(said: str) -> list[Fact]:
    """The account, and of which kind its password is; [BASIC] 2."""
    scheme, _, token = said.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        raw = base64.b64decode(token.strip(), validate=True)
    except ValueError:  # cut, or nonsense
        return [Fact("credentials", "clear", "client")]
    user, _, password = raw.partition(b":")
    account = text_of(user, MOST_ACCOUNT)
    facts = [Fact("account", account, "client")] if account else []
    return [*facts, Fact("credentials", kind_of(account, password.decode("latin-1")), "client")]


# fields that are read, here or by the framing; else only credentials
_KEPT = frozenset({b"user-agent", b"host", b"content-length", b"content-type", b"accept"})
_BASIC = re.compile(rb"(basic +)(.*)", re.IGNORECASE | re.DOTALL)
_LINE = re.compile(rb"([^\r\n:]*:?[ \t]*)([^\r\n]*)\r?\n")
_UNREAD = re.compile(rb"^[A-Z]+ (?:\w+://(?P<user>[^/@ ]*)@)?[^?# ]*(?:[?#](?P<query>[^ ]*))?")


def scrub(reader: Reader) -> bytes:
    """A request without what is not read of it."""
    return scrub_open(reader.data)


def scrub_open(data: bytes) -> bytes:
    """The same of one that is not complete, but for a line that is not; length and lines stay."""
    first = START.match(data)
    unread = _UNREAD.match(data)
    if first is None or unread is None:
        return data
    for group in ("user", "query"):
        begin, end = unread.span(group)
        data = covered(data, begin, end, b"-" * (end - begin)) if begin >= 0 else data
    at = first.end()
    while (line := _LINE.match(data, at)) is not None and line.end() - at > len(b"\r\n"):
        begin, end = line.span(2)
        data = covered(data, begin, end, _unread(line[1].rstrip(b": \t").lower(), line[2]))
        at = line.end()
    return data if line is None else covered(data, line.end(), len(data))


def _unread(name: bytes, value: bytes) -> bytes:
    """What stands for the value of a field."""
    if name in _KEPT:
        return value
    basic = _BASIC.fullmatch(value) if name == b"authorization" else None
    if basic is None:
        return b"-" * len(value)
    try:
        user, colon, password = base64.b64decode(basic[2].strip(b" \t"), validate=True).partition(
            b":"
        )
    except ValueError:  # nonsense
        return basic[1] + b"!" * len(basic[2])
    hidden = stand_in(text_of(user, MOST_ACCOUNT), password.decode("latin-1")).encode("latin-1")
    token = base64.b64encode(user + colon + hidden).ljust(len(basic[2]))
    return basic[1] + token


def _bare(path: bytes) -> bytes:
    """Without the user and password that may stand in an absolute target."""
    return re.sub(rb"^(\w+://)[^/@]*@", rb"\1", path)


def _response(first: bytes, fields: dict[str, str]) -> Message:
    status = first[9:12].decode()
    facts = []
    if server := fields.get("server"):
        facts.append(Fact("application", server))
    asked = fields.get("www-authenticate", "")
    if (realm := REALM.search(asked)) and realm[1]:
        facts.append(Fact("http_realm", realm[1]))
    outcome = "ok" if status < "400" else f"status {status}"
    return Message("response", "read", outcome=outcome, facts=tuple(facts))


WINRM = "/wsman"  # [WSMV] 2.2: what it is asked to do is sealed, or in content
DNS_MESSAGE = "application/dns-message"  # [DOH] 6


def _served(said: Message, fields: dict[str, str]) -> Message:
    """A request, with the service that it is made of where it is a known one."""
    if DNS_MESSAGE in (fields.get("content-type", ""), fields.get("accept", "")):
        said = replace(said, facts=(*said.facts, Fact("service", DNS_OVER_HTTPS)))
    if said.operation == "post" and (said.object == WINRM or said.object.startswith(f"{WINRM}/")):
        return replace(said, operation="winrm", cls="session")
    return said


PROTOCOL = Protocol(
    "http",
    "HTTP/1.x",
    "RFC 9110, RFC 9112",
    frozenset({"tcp"}),
    frozenset({80, 8000, 8008, 8080, 8081, 8088, 5357, 5985}),
    (HTTP,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    identity=(*IDENTITY, "service"),
    head=HEAD,
    industrial=False,
    scrub=scrub,
    scrub_open=scrub_open,
    session=True,
)
