"""What becomes key and values of a body, as columns; references to properties, single values.

Source: [135] ANSI/ASHRAE 135-2020, 20.2 and 21.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, span_word
from otsec.protocols.bac.tags import EXTENDED, TAG
from otsec.protocols.bac.units import Bodies
from otsec.protocols.words import bacnet as words


@dataclass(slots=True)
class Read:
    """What is found in bodies, as columns: it becomes the key and the values."""

    key_end: I64  # the key's span ends here
    value_at: I64
    value_count: I64
    value_type: Ints
    more: U64  # of the key: what the value is, and behind it; see `value_words`
    good: Mask

    @classmethod
    def nothing(cls, bodies: Bodies) -> "Read":
        """Nothing is kept, there are no values."""
        zeros = np.zeros(len(bodies), np.int64)
        return cls(
            bodies.start.copy(),
            zeros,
            zeros.copy(),
            np.zeros(len(bodies), np.uint8),
            np.zeros(len(bodies), np.uint64),
            np.ones(len(bodies), np.bool_),
        )

    def put(self, rows: I64, other: "Read") -> None:
        """Take what was found in some rows."""
        for name in self.__slots__:
            getattr(self, name)[rows] = getattr(other, name)


def reference(bodies: Bodies) -> tuple[I64, I64, I64]:
    """Where an object's property, with its index, ends (0: there is none), the object, the property."""
    buffer, start, end = bodies.buffer, bodies.start, bodies.end
    word = span_word(buffer, start, end - start, 0).byteswap()
    size = (word >> np.uint64(16)).astype(np.int64) & 0xFF
    size -= 0x18  # of the property, context 1
    fits = (word >> np.uint64(56) == 0x0C) & (size >= 1) & (size <= 4)
    object_ = (word >> np.uint64(24)).astype(np.int64) & 0xFFFF_FFFF
    property_ = (word >> np.uint64(8)).astype(np.int64) & 0xFF
    long = np.flatnonzero(fits & (size > 1))
    if len(long):
        property_[long] = number_at(buffer, start[long] + 6, size[long])
    behind = start + 6 + np.where(fits, size, 0)
    index = buffer[np.minimum(behind, len(buffer) - 1)].astype(np.int64) - 0x28  # context 2
    indexed = (index >= 1) & (index <= 4) & (behind < end)
    if indexed.any():
        behind = np.where(indexed, behind + 1 + index, behind)
    return np.where(fits & (behind <= end), behind, 0), object_, property_


def number_at(buffer: Bytes, at: I64, size: I64) -> I64:
    """Unsigned numbers of up to four bytes."""
    word = span_word(buffer, at, size, 0).byteswap()
    return (word >> np.uint64(32)).astype(np.int64) >> (32 - 8 * size)


CONSTRUCTED = np.uint64(0xFF)  # in place of a value's first byte, where it is not one alone


def value_words(read: Read, buffer: Bytes, at: I64, rows: I64) -> None:
    """Cut single values: the first byte of the tag, and of bits how many are not used, are told."""
    at = at[rows]
    first = buffer[at]
    read.value_type[rows], read.value_count[rows] = TAG.value_type[first], TAG.value_count[first]
    read.value_at[rows] = at + TAG.value_at[first]
    told = np.where(first & 0xF8 == 0x10, 0x10, first).astype(np.uint64)
    long_double = (first == 0x55) & (buffer[np.minimum(at + 1, len(buffer) - 1)] != 8)
    read.value_count[rows[long_double]] = 0
    bits = (first >> 4 == 8) & (first & 7 != EXTENDED)
    unused = buffer[np.minimum(at + 1, len(buffer) - 1)].astype(np.uint64)
    read.good[rows[bits & (unused > 7)]] = False
    read.more[rows] = told | np.where(bits, unused << np.uint64(8), np.uint64(0))


def tells(object_: I64, property_: I64) -> Mask:
    """Whether a property says what its device is."""
    kind, small = object_ >> 22, np.minimum(property_, _TOLD.shape[1] - 1)
    return np.asarray(_TOLD[np.where(kind < len(_TOLD), kind, 0), small])


_TOLD = np.zeros((64, 1024), np.bool_)
for _kind, _properties in words.IDENTITY.items():
    _TOLD[_kind, list(_properties)] = True
