"""SSH up to where it is encrypted: software, algorithms, the host's key.

Sources: [TRANS] RFC 4253; [ECDH] RFC 5656 4; [GEX] RFC 4419 3; [HASSH] Salesforce, BSD-3.

Cookies, padding and shares of keys are not told. Of each side only the beginning is read.
"""

import base64
import hashlib
import re
from dataclasses import replace
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask
from otsec.errors import Malformed
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.ssh import LONGEST_LINE, SSH
from otsec.protocols.spoken import split_by_message, text_of

HEAD = 4096  # bytes of each side: line, algorithms and key exchange
LINE = re.compile(rb"SSH-(2\.0|1\.\d{1,2})-([!-~]+)(?: ([^\r\n\0]*))?\r?\n")  # [TRANS] 4.2
KEXINIT, NEWKEYS = 20, 21
CODES = {  # [TRANS] 12
    1: "disconnect",
    2: "ignore",
    3: "unimplemented",
    4: "debug",
    KEXINIT: "kexinit",
    NEWKEYS: "newkeys",
    30: "kex_init",
    31: "kex_reply",
    32: "kex_gex_init",
    33: "kex_gex_reply",
    34: "kex_gex_request",
}
REPLIES = (31, 33)  # with the host's key, [TRANS] 8, [ECDH] 4, [GEX] 3
LISTS = 10  # names of algorithms, [TRANS] 7.1
IDENTITY = ("application", "ssh_version", "ssh_hassh", "ssh_hassh_server", "ssh_host_key")
OPERATIONS = (
    Operation("identification", "session", 0),
    *(Operation(name, "session", code) for code, name in CODES.items()),
)
WITHHELD = "opaque: keys and signatures"


def claims(units: Units) -> Mask:
    """The line with which each side begins."""
    rows = zip(units.start.tolist(), units.end.tolist(), strict=True)
    return np.array(
        [
            LINE.fullmatch(units.buffer[start : min(end, start + LONGEST_LINE)].tobytes())
            is not None
            for start, end in rows
        ],
        np.bool_,
    )


def sides(units: Units) -> Ints:
    """Both sides say the same things."""
    return np.full(len(units), Side.UNKNOWN, np.uint8)


def split(units: Units) -> Split:
    """Key: what is said."""
    return split_by_message(units, lambda data, _: _told(data))


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """The line, or a packet."""
    said = _told(reader.data)
    speaker = "client" if side == Side.REQUEST else "server"
    other = "ssh_hassh_server" if side == Side.REQUEST else "ssh_hassh"
    facts = (
        Fact(fact.attribute, fact.value, speaker) for fact in said.facts if fact.attribute != other
    )
    return replace(said, facts=tuple(facts))


@lru_cache(maxsize=512)
def _told(data: bytes) -> Message:
    if data.startswith(b"SSH-"):
        line = LINE.fullmatch(data)
        if line is None:
            raise Malformed("no identification")
        said = text_of(line[2] + (b" " + line[3] if line[3] else b""), LONGEST_LINE)
        facts = Fact("application", said), Fact("ssh_version", line[1].decode())
        return Message("identification", "session", said, facts=facts)
    reader = Reader(data)
    size, padding, code = reader.u32(), reader.u8(), reader.u8()
    if size != len(data) - 4 or padding > size - 2:
        raise Malformed(f"packet {code} of {size} bytes")
    payload = reader.part(size - 2 - padding)
    if code == KEXINIT:
        return _algorithms(payload)
    if code in REPLIES:
        return Message(CODES[code], "session", facts=_host_key(payload), note=WITHHELD)
    if code == NEWKEYS and payload.left():
        raise Malformed(f"{payload.left()} bytes behind newkeys")
    name = CODES.get(code, f"unknown_{code:#04x}")
    note = WITHHELD if payload.left() else ""
    return Message(name, "session", note=note).leaving(len(data) - FRONT if note else 0)


FRONT = 6  # length, padding and code; what is behind it is padded at random


def _algorithms(reader: Reader) -> Message:
    """[TRANS] 7.1; [HASSH] of what either side takes, of which only the speaker's counts."""
    reader.take(16)  # cookie
    lists = [text_of(reader.take(reader.u32()), 1 << 14) for _ in range(LISTS)]
    guess, reserved = reader.u8(), reader.u32()
    if guess > 1 or reserved or reader.left():
        raise Malformed("behind the algorithms")
    kex, keys, encryption, encryption_back, mac, mac_back, packed, packed_back, *_ = lists
    facts = (
        Fact("ssh_hassh", _md5(kex, encryption, mac, packed)),
        Fact("ssh_hassh_server", _md5(kex, encryption_back, mac_back, packed_back)),
    )
    firsts = ", ".join(one.partition(",")[0] for one in (kex, keys, encryption, mac))
    return Message("kexinit", "session", firsts, facts=facts)


def _md5(*lists: str) -> str:
    return hashlib.md5(";".join(lists).encode(), usedforsecurity=False).hexdigest()


_KEY_NAMES = (b"ssh-", b"ecdsa-", b"rsa-sha2-", b"sk-", b"x509v3-")


def _host_key(reader: Reader) -> tuple[Fact, ...]:
    """The key's finger print as `ssh-keygen -l` shows it; none where it is a group instead."""
    key = reader.take(reader.u32())
    name = Reader(key).take(min(Reader(key).u32(), len(key))) if len(key) >= 4 else b""
    if not key[4:].startswith(_KEY_NAMES) or len(name) < 4:
        return ()
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return (Fact("ssh_host_key", f"SHA256:{digest}"),)


PROTOCOL = Protocol(
    "ssh",
    "SSH",
    "RFC 4253",
    frozenset({"tcp"}),
    frozenset({22}),
    (SSH,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    paired=False,
    identity=IDENTITY,
    head=HEAD,
    industrial=False,
    session=True,
)
