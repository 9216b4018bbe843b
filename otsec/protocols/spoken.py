"""Protocols that are read only at the beginning of a connection: the key is what a unit says.

Handshakes and banners come once a connection, and what makes two of them different things stands
here and there between random numbers and times. So each is taken apart in plain Python, and its
key is the digest of its message. What comes behind the beginning is cut off by `Protocol.head`, or
is opaque and has its key in columns.
"""

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from otsec.columns import I64, U64, Mask
from otsec.errors import WireError
from otsec.protocols.api import Message, Split, Units
from otsec.protocols.keyed import plain_split

Tell = Callable[[bytes, int], Message]  # the bytes of a unit, and its kind


def keys_of(
    units: Units, start: I64, end: I64, kind: I64, rows: I64, tell: Tell
) -> tuple[list[U64], Mask]:
    """Key words and whether it is malformed, of the spans of some rows; the others have zeros."""
    words = np.zeros((2, len(start)), np.uint64)
    malformed = np.zeros(len(start), np.bool_)
    for row in rows.tolist():
        data = units.buffer[start[row] : end[row]].tobytes()
        try:
            said = repr(tell(data, int(kind[row])))
        except WireError:
            malformed[row] = True
            continue
        digest = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        words[:, row] = np.frombuffer(digest, "<u8")
    return list(words), malformed


def split_by_message(units: Units, tell: Tell) -> Split:
    """Cut units of which each is taken apart."""
    rows = np.arange(len(units))
    words, malformed = keys_of(units, units.start, units.end, units.kind, rows, tell)
    return plain_split([units.kind.astype(np.uint64), *words], malformed)


def text_of(raw: bytes, most: int = 128) -> str:
    """Text as sent, bytes that are no printable ASCII as in a Python literal, cut."""
    return raw[:most].decode("latin-1").encode("unicode_escape").decode("ascii")
