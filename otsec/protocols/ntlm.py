"""What NTLM says of both sides: names, domains, the build of the system. No hash is looked at.

Source: [NLMP] MS-NLMP 2.2.
"""

from collections.abc import Iterator

from otsec.errors import Malformed
from otsec.protocols.api import Fact, Reader

SIGNATURE = b"NTLMSSP\0"
NEGOTIATE, CHALLENGE, AUTHENTICATE = 1, 2, 3
WORDS = {
    NEGOTIATE: "ntlm_negotiate",
    CHALLENGE: "ntlm_challenge",
    AUTHENTICATE: "ntlm_authenticate",
}
UNICODE, VERSION = 0x0000_0001, 0x0200_0000  # [NLMP] 2.2.2.5
PAIRS = {  # [NLMP] 2.2.2.1
    1: "netbios_name",
    2: "netbios_domain",
    3: "hostname",
    4: "domain",
    5: "forest",
}
MOST_PAIRS = 16
IDENTITY = ("netbios_name", "netbios_domain", "hostname", "domain", "forest", "os_build", "user")


def ntlm_of(blob: bytes) -> tuple[str, tuple[Fact, ...]]:
    """The message in a security blob and what it says; ``""`` where there is none."""
    at = blob.find(SIGNATURE)
    if at < 0:
        return "", ()
    reader = Reader(blob[at:], len(SIGNATURE))
    kind = reader.u32le()
    if kind == NEGOTIATE:
        return WORDS[kind], tuple(_negotiate(reader))
    if kind == CHALLENGE:
        return WORDS[kind], tuple(_challenge(reader))
    if kind == AUTHENTICATE:
        return WORDS[kind], tuple(_authenticate(reader))
    raise Malformed(f"NTLM message {kind}")


def _field(reader: Reader) -> bytes:
    """Bytes that are told by size and offset."""
    size, _, offset = reader.u16le(), reader.u16le(), reader.u32le()
    here = reader.offset
    data = reader.at(offset).take(size) if size else b""
    reader.at(here)
    return data


def _text(raw: bytes, flags: int) -> str:
    return raw.decode("utf-16-le" if flags & UNICODE else "latin-1", "replace").rstrip("\0")[:255]


def _negotiate(reader: Reader) -> Iterator[Fact]:
    flags = reader.u32le()
    if reader.left() < 16:
        return
    _field(reader)
    _field(reader)
    yield from _version(reader, flags, "client")


def _challenge(reader: Reader) -> Iterator[Fact]:
    name = _field(reader)
    flags = reader.u32le()
    reader.take(16)  # challenge, reserved
    if reader.left() < 8:  # old stacks
        return
    pairs = Reader(_field(reader))
    told = False
    for _ in range(MOST_PAIRS):
        if pairs.left() < 4:
            break
        kind, value = pairs.u16le(), pairs.take(pairs.u16le())
        if kind == 0:
            break
        if kind in PAIRS and value:
            told = True
            yield Fact(PAIRS[kind], _text(value, UNICODE))
    if name and not told:
        yield Fact("netbios_domain", _text(name, flags))
    yield from _version(reader, flags, "server")


def _authenticate(reader: Reader) -> Iterator[Fact]:
    _field(reader)  # the two responses: only stepped over
    _field(reader)
    domain, user, station = _field(reader), _field(reader), _field(reader)
    flags = UNICODE
    if reader.left() >= 12:
        _field(reader)
        flags = reader.u32le()
    who = "\\".join(word for word in (_text(domain, flags), _text(user, flags)) if word)
    if user:
        yield Fact("user", who, "client")
    if station:
        yield Fact("netbios_name", _text(station, flags), "client")
    yield from _version(reader, flags, "client")


def _version(reader: Reader, flags: int, about: str) -> Iterator[Fact]:
    """[NLMP] 2.2.2.10; who is not Windows leaves it empty or tells what it likes."""
    if not flags & VERSION or reader.left() < 8:
        return
    major, minor, build = reader.u8(), reader.u8(), reader.u16le()
    revision = int.from_bytes(reader.take(4)[3:], "big")
    if major and build and revision == 15:
        yield Fact("os_build", f"{major}.{minor}.{build}", about)
