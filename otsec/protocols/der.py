"""What an X.509 certificate says of its owner; no signature is checked.

Source: [X509] RFC 5280; DER by ITU-T X.690 8.1.
"""

import hashlib
from dataclasses import dataclass

from otsec.protocols.api import Fact
from otsec.protocols.texts import sent

_SEQUENCE, _OID, _OCTETS, _EXTENSIONS, _INTEGER = 0x30, 0x06, 0x04, 0xA3, 0x02  # tags of DER
_NAMES = {  # [X509] 4.1.2.4, by the encoded object identifier
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x06": "C",
    b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",
}
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"  # [X509] 4.2.1.6
_URI_NAME, _DNS_NAME = 0x86, 0x82
MOST_ENTRIES = 64  # of any list in a certificate


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is read of a certificate, [X509] 4.1."""

    subject: str = ""
    issuer: str = ""
    serial: str = ""  # hexadecimal
    since: str = ""
    until: str = ""
    uris: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def _entries(data: bytes) -> list[tuple[int, bytes]]:
    """The entries of a DER value: (tag, content); nothing behind one that does not fit."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data) and len(found) < MOST_ENTRIES:
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            many = size & 0x7F
            size = int.from_bytes(data[at : at + many], "big") if 0 < many <= 4 else len(data)
            at += many
        if at + size > len(data):
            break
        found.append((tag, data[at : at + size]))
        at += size
    return found


def read_certificate(data: bytes) -> Certificate:
    """The first certificate of a chain; empty where it is none."""
    outer = _entries(data)
    parts = _entries(outer[0][1]) if outer and outer[0][0] == _SEQUENCE else []
    fields = _entries(parts[0][1]) if parts and parts[0][0] == _SEQUENCE else []
    # signature, issuer, validity, subject and key are lists; version and serial before them not
    lists = [content for tag, content in fields if tag == _SEQUENCE]
    if len(lists) < 4:
        return Certificate()
    times = [sent(content) for _, content in _entries(lists[2])]
    uris, hosts = _alternatives(
        next((content for tag, content in fields if tag == _EXTENSIONS), b"")
    )
    return Certificate(
        _distinguished(lists[3]),
        _distinguished(lists[1]),
        next((content.hex() for tag, content in fields if tag == _INTEGER), ""),
        _day(times[0] if times else ""),
        _day(times[-1] if times else ""),
        uris,
        hosts,
    )


def _distinguished(data: bytes) -> str:
    """A name as text, ``CN=..., O=...``."""
    words = []
    for _, group in _entries(data):
        for _, pair in _entries(group):
            parts = _entries(pair)
            if len(parts) == 2 and parts[0][0] == _OID:
                name = _NAMES.get(parts[0][1])
                words += [f"{name}={sent(parts[1][1])}"] if name else []
    return ", ".join(words)


def _alternatives(data: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """URIs and DNS names of a subject."""
    for _, extension in (one for _, listed in _entries(data) for one in _entries(listed)):
        parts = _entries(extension)
        if parts and parts[0] == (_OID, _ALTERNATIVE_NAMES) and parts[-1][0] == _OCTETS:
            names = [one for _, listed in _entries(parts[-1][1]) for one in _entries(listed)]
            uris = tuple(sent(content) for tag, content in names if tag == _URI_NAME)
            return uris, tuple(sent(content) for tag, content in names if tag == _DNS_NAME)
    return (), ()


def _day(time: str) -> str:
    """UTCTime or GeneralizedTime as a date, [X509] 4.1.2.5."""
    digits = time.removesuffix("Z")
    if len(digits) == 12:
        digits = ("20" if digits < "50" else "19") + digits
    return (
        f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
        if digits.isdigit() and len(digits) == 14
        else ""
    )


def subject_of(data: bytes) -> str:
    """Whose certificate it is; empty where it is none."""
    return read_certificate(data).subject


def certificate_facts(data: bytes, about: str) -> list[Fact]:
    """What a certificate, or the first of a chain, says of its owner."""
    if not data:
        return []
    found = read_certificate(data)
    first = _entries(data)[:1]
    size = len(data)
    if first:  # the thumbprint is that of the first of a chain
        size = data.index(first[0][1]) + len(first[0][1]) if first[0][1] else size
    return [
        Fact("certificate", found.subject, about),
        Fact(
            "certificate_sha1", hashlib.sha1(data[:size], usedforsecurity=False).hexdigest(), about
        ),
        Fact("certificate_until", found.until, about),
        *(Fact("application_uri", uri, about) for uri in found.uris),
        *(Fact("hostname", name, about) for name in found.hosts if name != "localhost"),
    ]
