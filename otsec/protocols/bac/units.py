"""The headers of units as columns: what they are, whose, and where their bodies begin.

Source: [135] ANSI/ASHRAE 135-2020, 20.1 (application), annex J (virtual link).
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Bytes, Mask, span_word
from otsec.protocols.api import Units
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    COMPLEX,
    ERROR,
    LINK,
    NETWORK,
    OPERATIONS,
    REJECT,
    SEGMENT,
    SIMPLE,
    code_of,
)
from otsec.protocols.framing import bacnet as below
from otsec.protocols.framing.bacnet import octet
from otsec.protocols.words import bacnet as words

_HEADER = np.array([4, 2, 3, 3, 4, 3, 3, 3, *[1] * 8])  # bytes, by type; with the service
INVOKE = np.array([2, 0, *[1] * 6, *[0] * 8])  # offset of the invoke id, 0: none
_SERVICE = np.array([3, 1, 2, 2, 0, 2, 2, 2, *[0] * 8])  # offset of service or reason
_ZERO_BITS = (0x01, 0x0F, 0x0F, 0x03, 0x0C, 0x0F, 0x0F, 0x0E)  # that a first byte has not
_KEPT_BITS = (0xF8, 0xF0, 0xF0, 0xF8, 0xF3, 0xF0, 0xF0, 0xF1)  # that say what a unit is
_FIRST_FITS = np.array([
    one >> 4 < len(_ZERO_BITS)
    and not one & _ZERO_BITS[one >> 4]
    and not (one >> 4 in (ASK, COMPLEX) and one & below.MORE and not one & below.SEGMENTED)
    for one in range(256)
])  # fmt: skip
_FIRST_KEPT = np.array([one & _KEPT_BITS[one >> 4] if one < 0x80 else one for one in range(256)])
IS_SEGMENT = np.array([one >> 4 in (ASK, COMPLEX) and one & below.SEGMENTED > 0
                        for one in range(256)])  # fmt: skip


KNOWN = np.zeros(16 << 8, np.bool_)
KNOWN[[operation.code for operation in OPERATIONS]] = True
for _kind in (SIMPLE, COMPLEX, ERROR):
    KNOWN[[code_of(_kind, one) for one in words.CONFIRMED]] = True
KNOWN[
    [*range(code_of(REJECT, 0), code_of(REJECT, 10)), *range(code_of(ABORT, 0), code_of(ABORT, 12))]
] = 1


LINK_SIZES = {0: 2, 2: 0, 5: 2, 6: 0, 8: 6}  # bytes of the body, [135] J.2
LINK_ENTRY = 10  # bytes of an entry of a table
ORIGIN = 3  # of the words of the lower layers


@dataclass(frozen=True, slots=True)
class Found:
    """Units without their framing, as columns."""

    buffer: Bytes
    below: below.Networks
    code: I64  # type and service (or reason, or message of a lower layer)
    first: I64  # first byte of the application's unit; 0 in others
    invoke: I64
    body: I64  # offset behind the service
    end: I64
    good: Mask

    def take(self, rows: I64) -> "Bodies":
        """The bodies of some."""
        return Bodies(self.buffer, self.body[rows], self.end[rows], self.code[rows])


@dataclass(frozen=True, slots=True)
class Bodies:
    """What stands behind the service in some units."""

    buffer: Bytes
    start: I64
    end: I64
    code: I64

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64) -> "Bodies":
        """Some of them."""
        return Bodies(self.buffer, self.start[rows], self.end[rows], self.code[rows])


def cut(units: Units) -> Found:
    """Read the headers of units."""
    buffer, end = units.buffer, units.end
    layers = below.networks(buffer, units.start, end, units.framing == below.ETHERNET)
    at = layers.at
    word = span_word(buffer, at, end - at, 0)
    first = octet(word, 0)
    network = layers.control & below.NETWORK_MESSAGE != 0
    application = ~layers.link & ~network
    kind = np.where(application, first >> 4, np.where(network, NETWORK, LINK))
    segment = application & IS_SEGMENT[first]
    offset = _SERVICE[first >> 4] + 2 * segment
    service = (word >> (8 * offset).astype(np.uint64)).astype(np.int64) & 0xFF
    service = np.where(application, service, np.where(network, first, layers.function))
    service[application & (first >> 4 == SEGMENT)] = 0
    header = np.where(application, _HEADER[first >> 4] + 2 * segment, network)
    invoke = (word >> (8 * INVOKE[first >> 4]).astype(np.uint64)).astype(np.int64) & 0xFF
    # a wrong length is in the key, in front of who a forwarded message is from
    wrong = ~segment & (layers.said != end - units.start)
    layers.words[ORIGIN] |= np.where(wrong, layers.said, 0).astype(np.uint64) << np.uint64(48)
    good = layers.good & (at + header <= end) & (~application | _FIRST_FITS[first])
    return Found(
        buffer,
        layers,
        kind << 8 | service,
        np.where(application, _FIRST_KEPT[first], 0),
        np.where(application & (INVOKE[first >> 4] > 0), invoke, 0),
        np.minimum(at + header, end),
        end,
        good,
    )
