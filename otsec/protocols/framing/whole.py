"""Messages that fill their datagram or frame, and the cut of those that need no finer one.

For protocols that say who a device is: their messages are few and alike, so all of a message but
what numbers it is the key.
"""

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Mask
from otsec.protocols.api import U8, Framing, Split, Units

LONGEST = 65_535


def whole(
    name: str,
    shortest: int,
    begins: tuple[tuple[int, frozenset[int]], ...] = (),
) -> Framing:
    """A framing of whole datagrams or frames of at least so many bytes."""
    header = np.dtype([("front", f"V{shortest}")])

    def lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
        """All of it, whatever it says."""
        return np.full(len(header), shortest, np.int64)

    return Framing(name, header, lengths, LONGEST, datagram=True, begins=begins)


def keyed(
    units: Units,
    start: I64,
    length: I64,
    malformed: Mask,
    words: list[U64] | None = None,
    *,
    tag: U64 | None = None,
    alone: Mask | None = None,
) -> Split:
    """Units without values; the key is a span of each, and some words."""
    count = len(units)
    none = np.zeros(count, np.uint64)
    return Split(
        key_words=words or [none],
        key_start=np.where(malformed, units.start, start),
        key_length=np.where(malformed, 0, length),
        tag=none if tag is None else tag,
        value_start=units.start,
        value_count=np.zeros(count, np.int64),
        value_type=np.full(count, U8, np.uint8),
        malformed=malformed,
        alone=alone,
    )


def text(raw: bytes) -> str:
    """Bytes as the text that they are meant to be, without the zeros that end it."""
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def address(raw: bytes) -> str:
    """An IPv4, IPv6 or MAC address as text, by its length; hex for others."""
    if len(raw) == 4:
        return ".".join(map(str, raw))
    if len(raw) == 16:
        from ipaddress import IPv6Address  # noqa: PLC0415 - rare

        return str(IPv6Address(raw))
    return raw.hex(":")
