"""The cut of units that carry no values: their key is a span of each, or words.

For protocols that say who a device is: their messages are few and alike, so all of a message but
what numbers it is the key.
"""

import numpy as np

from otsec.columns import I64, U64, Mask
from otsec.protocols.api import U8, Split, Units


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
    start, length = np.where(malformed, units.start, start), np.where(malformed, 0, length)
    words = words or [np.zeros(len(units), np.uint64)]
    return plain_split(words, malformed, tag, alone, start=start, length=length)


def plain_split(
    words: list[U64],
    malformed: Mask,
    tag: U64 | None = None,
    alone: Mask | None = None,
    *,
    start: I64 | None = None,
    length: I64 | None = None,
) -> Split:
    """Units without values; the key is words, and a span where there is one."""
    none = np.zeros(len(malformed), np.int64)
    return Split(
        key_words=words,
        key_start=none if start is None else start,
        key_length=none if length is None else length,
        tag=none.astype(np.uint64) if tag is None else tag,
        value_start=none if start is None else start,
        value_count=none,
        value_type=np.full(len(malformed), U8, np.uint8),
        malformed=malformed,
        alone=alone,
    )
