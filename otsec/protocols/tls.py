"""TLS, as far as it is in the clear: hellos, certificates, alerts.

Sources: [TLS12] RFC 5246; [TLS13] RFC 8446; [EXT] RFC 6066 and the IANA registry of extensions;
[JA3] Salesforce, BSD-3; [JA4] the TLS client fingerprint of FoxIO, BSD-3.

Handshake messages are items. Random numbers, session ids, key shares, tickets and signatures are in
no key; what is encrypted is told as opaque. Of each side only the beginning is read.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from otsec.columns import I64, Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.protocols.api import (
    Fact,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.der import read_certificate
from otsec.protocols.framing.tls import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    FRONT,
    HANDSHAKE,
    HEADER,
    HEARTBEAT,
    TLS,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.words.services import service_of, service_of_certificate

HEAD = 1 << 15  # bytes of each side: hello, and a chain of certificates
MOST_LISTED = 512  # of ciphers, extensions, groups
MOST_CERTIFICATES = 16
MOST_NAMES = 16  # of a certificate

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
HANDSHAKES = {  # [TLS12] 7.4, [TLS13] 4
    0: "hello_request",
    CLIENT_HELLO: "client_hello",
    SERVER_HELLO: "server_hello",
    4: "new_session_ticket",
    CERTIFICATE: "certificate",
    12: "server_key_exchange",
    13: "certificate_request",
    14: "server_hello_done",
    15: "certificate_verify",
    16: "client_key_exchange",
    22: "certificate_status",
}
EMPTY = (0, 14)  # messages without content
BY_CLIENT, BY_SERVER = (
    frozenset({CLIENT_HELLO, 15, 16}),
    frozenset({0, SERVER_HELLO, 4, 12, 13, 14, 22}),
)
RETRY_CODE, ENCRYPTED_CODE = 6, 256
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
RECORDS = {
    CHANGE_CIPHER_SPEC: "change_cipher_spec",
    ALERT: "alert",
    APPLICATION_DATA: "application_data",
    HEARTBEAT: "heartbeat",
}
OPERATIONS = (
    *(Operation(name, "session", code) for code, name in HANDSHAKES.items()),
    Operation("hello_retry_request", "session", RETRY_CODE),
    Operation("encrypted_handshake", "session", ENCRYPTED_CODE),
    *(Operation(name, "session", code << 8) for code, name in RECORDS.items()),
)
VERSIONS = {
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}
ALERTS = {  # [TLS12] 7.2, [TLS13] 6
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed",
    22: "record_overflow", 30: "decompression_failure", 40: "handshake_failure",
    41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate",
    44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 60: "export_restriction", 70: "protocol_version",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
    90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
    110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
    113: "bad_certificate_status_response", 114: "bad_certificate_hash_value",
    115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
LEVELS = {1: "warning", 2: "fatal"}
NAME, GROUPS, POINTS, SIGNATURES, ALPN, SUPPORTED_VERSIONS = 0, 10, 11, 13, 16, 43
JA4_VERSIONS = {0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}
IDENTITY = (
    "hostname", "tls_ja3", "tls_ja3s", "tls_ja4", "tls_version", "tls_versions_offered", "tls_cipher",
    "tls_alpn", "tls_alpn_offered", "certificate", "certificate_issuer", "certificate_serial",
    "certificate_from", "certificate_until", "certificate_self_signed", "certificate_sha1",
    "certificate_name", "service",
)  # fmt: skip

# ------------------------------------------------------------------------------- claims


def _clear(units: Units) -> tuple[Ints, I64, Mask]:
    """Type of the record, of its first message where it is a handshake, and if that is right."""
    header, fits = gather(units.buffer, units.start, units.end, _FRONT)
    size = (header["high"].astype(np.int64) << 16) + header["low"]
    within = size + FRONT + 4 <= units.end - units.start
    right = fits & (header["type"] == HANDSHAKE) & (header["major"] == 3) & within
    return header["type"], np.where(right, header["message"], 255), header["version"] >> 8 == 3


_FRONT = np.dtype(
    [*HEADER.descr, ("message", "u1"), ("high", "u1"), ("low", ">u2"), ("version", ">u2")]
)


def claims(units: Units) -> Mask:
    """Hellos whose lengths agree to the last byte; records of data where a capture began late."""
    kind, message, version = _clear(units)
    hello = ((message == CLIENT_HELLO) | (message == SERVER_HELLO)) & version & (units.kind == 0)
    for row in np.flatnonzero(hello).tolist():
        try:
            for _, _, data in _messages(units.buffer[units.start[row] : units.end[row]].tobytes()):
                _told(data)
        except WireError:
            hello[row] = False
    header, _ = gather(units.buffer, units.start, units.end, HEADER)
    data = (kind == APPLICATION_DATA) & (header["minor"] == 3) & (header["length"] >= SHORTEST_DATA)
    return np.asarray(hello | data, np.bool_)


SHORTEST_DATA = 17  # a check sum and what it is of


def sides(units: Units) -> Ints:
    """By the messages that only one of the two sends."""
    _, message, _ = _clear(units)
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    side[np.isin(message, list(BY_CLIENT))] = Side.REQUEST
    side[np.isin(message, list(BY_SERVER))] = Side.RESPONSE
    return side


# -------------------------------------------------------------------------------- units

Span = tuple[int, int, bytes]  # where a message begins and ends in the unit, and its bytes


@lru_cache(maxsize=512)  # each is asked for by claim, split and items
def _messages(unit: bytes) -> tuple[Span, ...]:
    """The handshake messages in a unit of one or more records; none where it is encrypted."""
    reader = Reader(unit)
    body, begins, places = bytearray(), [], []  # where each record begins there, and in the unit
    while reader.left():
        kind, major, minor, size = reader.u8(), reader.u8(), reader.u8(), reader.u16()
        if kind != HANDSHAKE or major != 3 or minor > 4:
            raise Malformed(f"record {kind}, version {major}.{minor}")
        begins.append(len(body))
        places.append(reader.offset)
        body += reader.take(size)

    def place(at: int) -> int:
        record = bisect_right(begins, at) - 1
        return places[record] + at - begins[record]

    found: list[Span] = []
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at + 1 : at + 4], "big") + 4
        known = body[at] in HANDSHAKES and (size == 4) <= (body[at] in EMPTY)
        if not known or at + size > len(body):
            return ()
        found.append((place(at), place(at + size - 1) + 1, bytes(body[at : at + size])))
        at += size
    return tuple(found)


def split(units: Units) -> Split:
    """Key: what kind of record it is; alerts in the clear whole."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    kind, size = header["type"], units.end - units.start
    malformed = ~fits | (header["major"] != 3) | (header["minor"] > 4)
    malformed |= ~np.isin(kind, [HANDSHAKE, *RECORDS])
    alone = kind != HANDSHAKE
    malformed |= alone & (header["length"] + FRONT != size)
    short, whole = gather(units.buffer, units.start + FRONT, units.end, np.dtype(">u2"))
    clear = (kind == ALERT) & (size == FRONT + 2) & whole
    word = kind.astype(np.uint64) | np.where(clear, short.astype(np.uint64) + 1, 0) << np.uint64(16)
    malformed |= (kind == CHANGE_CIPHER_SPEC) & (_last(units) != 1)
    for row in np.flatnonzero((kind == HANDSHAKE) & ~malformed).tolist():
        try:
            for _, _, data in _messages(units.buffer[units.start[row] : units.end[row]].tobytes()):
                _told(data)
        except WireError:
            malformed[row] = True
    return plain_split([word], np.asarray(malformed, np.bool_))


def _last(units: Units) -> Ints:
    last, _ = gather(units.buffer, units.end - 1, units.end, np.dtype("u1"))
    return last


def items(units: Units) -> Items:
    """The messages of handshake records; those that are encrypted have none."""
    header, _ = gather(units.buffer, units.start, units.end, HEADER)
    owner, start, end, messages = [], [], [], []
    for row in np.flatnonzero(header["type"] == HANDSHAKE).tolist():
        begin = int(units.start[row])
        for one, other, data in _messages(units.buffer[begin : units.end[row]].tobytes()):
            owner.append(row)
            start.append(begin + one)
            end.append(begin + other)
            messages.append(data)
    keys = Units(
        np.frombuffer(b"".join(messages), np.uint8),
        *_spans(messages),
        *(np.zeros(len(messages), np.uint8) for _ in range(3)),
    )
    words, malformed = keys_of(
        keys, keys.start, keys.end, keys.kind, np.arange(len(messages)), lambda data, _: _told(data)
    )
    return Items(
        np.array(owner, np.int64),
        np.array(start, np.int64),
        np.array(end, np.int64),
        plain_split(words, malformed),
    )


def _spans(messages: list[bytes]) -> tuple[I64, I64]:
    size = np.array([len(data) for data in messages], np.int64)
    end = np.cumsum(size)
    return end - size, end


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """One record, or the handshake message that `reader.item` says."""
    data = reader.data
    kind, major, minor, size = reader.u8(), reader.u8(), reader.u8(), reader.u16()
    if major != 3 or minor > 4:
        raise Malformed(f"version {major}.{minor}")
    if kind == HANDSHAKE:
        spans = _messages(data)
        if reader.item is None and spans:
            return _about(_told(spans[0][2]), side)
        for begin, _, message in spans:
            if reader.item is not None and begin == reader.item[0]:
                said = _told(message)
                return _about(said, side).leaving(said.left)
        return Message("encrypted_handshake", "session", note=OPAQUE, left=reader.left())
    if kind not in RECORDS or size != reader.left():
        raise Malformed(f"record {kind} of {size} bytes, {reader.left()} left")
    if kind == CHANGE_CIPHER_SPEC:
        return Message("change_cipher_spec", "session")
    if kind == ALERT and size == 2:
        level, why = reader.u8(), reader.u8()
        level_word = LEVELS.get(level, f"unknown_{level:#04x}")
        return Message("alert", "session", f"{level_word} {ALERTS.get(why, f'unknown_{why:#04x}')}")
    return Message(RECORDS[kind], "session", note=OPAQUE, left=reader.left())


OPAQUE = "opaque: encrypted"


def _about(message: Message, side: Side) -> Message:
    """Facts that stand for the speaker, as those of a certificate, are about that side."""
    speaker = "client" if side == Side.REQUEST else "server"
    facts = tuple(
        Fact(fact.attribute, fact.value, speaker) if fact.about == SPEAKER else fact
        for fact in message.facts
    )
    return Message(
        message.operation, message.cls, message.object, outcome=message.outcome, facts=facts,
        note=message.note,
    )  # fmt: skip


SPEAKER = "speaker"


@lru_cache(maxsize=1024)  # claims, keys and messages ask one after the other
def _told(message: bytes) -> Message:
    """A handshake message, `SPEAKER` in place of who sent it."""
    reader = Reader(message, 4)
    tell = _TELL.get(message[0])
    if tell is not None:
        said = tell(reader)
        if reader.left():
            raise Malformed(f"{reader.left()} bytes behind {said.operation}")
        return said
    note = WITHHELD if reader.left() else ""
    return Message(HANDSHAKES[message[0]], "session", note=note, left=reader.left())


WITHHELD = "opaque: keys and signatures"


# ------------------------------------------------------------------------------- hellos


def _grease(code: int) -> bool:
    """Whether it is a code that only proves tolerance, RFC 8701."""
    return code & 0x0F0F == 0x0A0A and code >> 8 == code & 0xFF


def _codes(reader: Reader, size: int) -> list[int]:
    """A list of two-byte codes, GREASE left out."""
    if size % 2 or size > 2 * MOST_LISTED:
        raise Malformed(f"list of {size} bytes")
    found = (reader.u16() for _ in range(size // 2))
    return [code for code in found if not _grease(code)]


@dataclass
class _Hello:
    """What a hello says."""

    version: int
    offers: bool  # a client's
    ciphers: list[int] = field(default_factory=list)
    extensions: list[int] = field(default_factory=list)
    name: str = ""
    named: bool = False
    groups: list[int] = field(default_factory=list)
    points: bytes = b""
    signatures: list[int] = field(default_factory=list)
    alpn: list[bytes] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The version that is spoken, or the newest that is offered."""
        return max(self.versions, default=self.version)


def _extensions(reader: Reader, hello: _Hello) -> None:
    if not reader.left():
        return
    listed = reader.part(reader.u16())
    while listed.left():
        kind = listed.u16()
        content = listed.part(listed.u16())
        if _grease(kind):
            continue
        if len(hello.extensions) == MOST_LISTED:
            raise Malformed("too many extensions")
        hello.extensions.append(kind)
        read = _EXTENSIONS.get(kind)
        if read is not None and content.left():
            read(content, hello)


def _server_name(content: Reader, hello: _Hello) -> None:
    hello.named = True
    names = content.part(content.u16())
    while names.left():
        kind, name = names.u8(), names.take(names.u16())
        if kind == 0 and not hello.name:
            hello.name = text_of(name, 255)


def _groups(content: Reader, hello: _Hello) -> None:
    hello.groups = _codes(content, content.u16())


def _points(content: Reader, hello: _Hello) -> None:
    hello.points = content.take(content.u8())


def _signatures(content: Reader, hello: _Hello) -> None:
    hello.signatures = _codes(content, content.u16())


def _alpn(content: Reader, hello: _Hello) -> None:
    names = content.part(content.u16())
    while names.left() and len(hello.alpn) < MOST_LISTED:
        hello.alpn.append(names.take(names.u8()))


def _versions(content: Reader, hello: _Hello) -> None:
    hello.versions = _codes(content, content.u8() if hello.offers else 2)


_EXTENSIONS: dict[int, Callable[[Reader, _Hello], None]] = {
    NAME: _server_name,
    GROUPS: _groups,
    POINTS: _points,
    SIGNATURES: _signatures,
    ALPN: _alpn,
    SUPPORTED_VERSIONS: _versions,
}


def _version(code: int) -> str:
    return VERSIONS.get(code, f"unknown_{code:#06x}")


def _client_hello(reader: Reader) -> Message:
    hello = _Hello(reader.u16(), offers=True)
    _check_version(hello.version)
    reader.take(32)  # random
    if (size := reader.u8()) > 32:
        raise Malformed(f"session id of {size} bytes")
    reader.take(size)
    hello.ciphers = _codes(reader, reader.u16())
    methods = reader.take(reader.u8())
    if 0 not in methods:
        raise Malformed("no compression method null")
    _extensions(reader, hello)
    offered = sorted(set(hello.versions or [hello.version]), reverse=True)
    facts = [
        Fact("tls_ja3", _ja3(hello), "client"),
        Fact("tls_ja4", _ja4(hello), "client"),
        Fact("tls_versions_offered", ", ".join(map(_version, offered)), "client"),
    ]
    if hello.alpn:
        names = ", ".join(text_of(name) for name in hello.alpn[:MOST_NAMES])
        facts.append(Fact("tls_alpn_offered", names, "client"))
    if hello.name:
        facts.append(Fact("hostname", hello.name))
        facts += [Fact("service", word) for word in (service_of(hello.name),) if word]
    return Message("client_hello", "session", hello.name, facts=tuple(facts))


def _check_version(version: int) -> None:
    if version not in VERSIONS:
        raise Malformed(f"version {version:#06x}")


def _server_hello(reader: Reader) -> Message:
    hello = _Hello(reader.u16(), offers=False)
    _check_version(hello.version)
    retry = reader.take(32) == RETRY
    if (size := reader.u8()) > 32:
        raise Malformed(f"session id of {size} bytes")
    reader.take(size)
    cipher, method = reader.u16(), reader.u8()
    if method > 1:
        raise Malformed(f"compression method {method}")
    _extensions(reader, hello)
    parts = (str(hello.version), str(cipher), "-".join(map(str, hello.extensions)))
    facts = [
        Fact("tls_version", _version(hello.newest)),
        Fact("tls_cipher", f"{cipher:#06x}"),
        Fact("tls_ja3s", _md5(",".join(parts))),
    ]
    if hello.alpn:
        facts.append(Fact("tls_alpn", text_of(hello.alpn[0])))
    name = "hello_retry_request" if retry else "server_hello"
    said = f"{_version(hello.newest)} {cipher:#06x}" + (" compressed" if method else "")
    return Message(name, "session", said, facts=tuple(facts))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _ja3(hello: _Hello) -> str:
    """[JA3]: version, ciphers, extensions, groups, point formats; decimal, in order."""
    lists = (hello.ciphers, hello.extensions, hello.groups, hello.points)
    return _md5(",".join([str(hello.version), *("-".join(map(str, one)) for one in lists)]))


def _ja4(hello: _Hello) -> str:
    """[JA4]: what is offered, counted; digests of ciphers and of extensions, both sorted."""
    version = JA4_VERSIONS.get(hello.newest, "00")
    counts = "".join(f"{min(len(one), 99):02d}" for one in (hello.ciphers, hello.extensions))
    front = f"t{version}{'d' if hello.named else 'i'}{counts}{_ends(hello.alpn)}"
    extensions = ",".join(
        f"{one:04x}" for one in sorted(hello.extensions) if one not in (NAME, ALPN)
    )
    signatures = ",".join(f"{one:04x}" for one in hello.signatures)
    ciphers = ",".join(f"{one:04x}" for one in sorted(hello.ciphers))
    behind = f"{extensions}_{signatures}" if signatures else extensions
    return f"{front}_{_short(ciphers)}_{_short(behind if extensions else '')}"


def _ends(alpn: list[bytes]) -> str:
    """First and last character of the first name; of its digits in hexadecimal if not letters."""
    if not alpn or not alpn[0]:
        return "00"
    first, last = alpn[0][:1], alpn[0][-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode()
    return first.hex()[0] + last.hex()[1]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


# -------------------------------------------------------------------------- certificates


def _certificate(reader: Reader) -> Message:
    chain = reader.part(int.from_bytes(reader.take(3), "big"))
    certificates = []
    while chain.left():
        certificates.append(chain.take(int.from_bytes(chain.take(3), "big")))
        if len(certificates) > MOST_CERTIFICATES:
            raise Malformed("too many certificates")
    if not certificates:
        return Message("certificate", "session", "none")
    first = certificates[0]
    found = read_certificate(first)
    if not found.serial:
        raise Malformed("no certificate")
    told = {
        "certificate": found.subject,
        "certificate_issuer": found.issuer,
        "certificate_serial": found.serial,
        "certificate_from": found.since,
        "certificate_until": found.until,
        "certificate_self_signed": "yes" if found.subject == found.issuer else "no",
        "certificate_sha1": hashlib.sha1(first, usedforsecurity=False).hexdigest(),
    }
    facts = [Fact(name, value, SPEAKER) for name, value in told.items() if value]
    facts += [Fact("certificate_name", name, SPEAKER) for name in found.hosts[:MOST_NAMES]]
    if service := service_of_certificate(found.subject):
        facts.append(Fact("service", service, SPEAKER))
    issuers = [read_certificate(one).subject for one in certificates[1:]]
    return Message(
        "certificate", "session", " < ".join([found.subject, *issuers]), facts=tuple(facts)
    )


_TELL: dict[int, Callable[[Reader], Message]] = {
    CLIENT_HELLO: _client_hello,
    SERVER_HELLO: _server_hello,
    CERTIFICATE: _certificate,
}

PROTOCOL = Protocol(
    "tls",
    "TLS",
    "RFC 5246, RFC 8446",
    frozenset({"tcp"}),
    frozenset({443, 636, 853, 989, 990, 993, 995, 3269, 4843, 5061, 5671, 6514, 8443, 8883, 9443}),
    (TLS,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    paired=False,
    identity=IDENTITY,
    head=HEAD,
    items=items,
    industrial=False,
    routine=frozenset(
        {"application_data", "change_cipher_spec", "encrypted_handshake", "heartbeat"}
    ),
)
