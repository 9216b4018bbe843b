"""Cyclic check sums of 16 bits, for many spans at once.

A CRC is linear over bits: that of a span is the exclusive or of what each of its bytes gives at
its distance from the span's end, and of what the initial value gives at that length. So a span
needs one look-up a byte, in any order, and no round waits for the one before.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from otsec.columns import I64, U64, Bytes, gather_spans

U16 = NDArray[np.uint16]


@dataclass(frozen=True)
class Crc16:
    """A check sum whose bits run least significant first, as Modbus and DNP3 have it."""

    polynomial: int  # reversed, without its highest bit
    initial: int
    inverted: bool  # whether all bits are turned at the end
    longest: int  # bytes of the longest span

    @cached_property
    def _steps(self) -> U16:
        """What one byte makes of a register of zeros; shape (256,)."""
        register = np.arange(256, dtype=np.uint16)
        for _ in range(8):
            odd = register & 1 == 1
            register >>= 1
            register[odd] ^= np.uint16(self.polynomial)
        return register

    def _one_more(self, register: U16) -> U16:
        """The registers after one more byte, zero."""
        return np.asarray((register >> 8) ^ self._steps[register & 0xFF])

    @cached_property
    def _tables(self) -> tuple[U16, U16]:
        """By distance from the end times 256 and byte; and by length what the initial value gives."""
        bytes_at = np.empty((self.longest, 256), np.uint16)
        initial = np.empty(self.longest + 1, np.uint16)
        initial[0] = self.initial
        bytes_at[0] = self._steps
        for length in range(1, self.longest + 1):
            initial[length] = self._one_more(initial[length - 1 : length])[0]
            if length < self.longest:
                bytes_at[length] = self._one_more(bytes_at[length - 1])
        if self.inverted:
            initial ^= np.uint16(0xFFFF)
        return bytes_at.reshape(-1), initial

    @cached_property
    def _pairs(self) -> tuple[U16, ...]:
        """What each 16-bit little-endian word of a span gives, the last word of the span first."""
        bytes_at = self._tables[0].reshape(-1, 256)
        word = np.arange(1 << 16)
        low, high = word & 0xFF, word >> 8
        return tuple(
            bytes_at[at + 1][low] ^ bytes_at[at][high] for at in range(0, self.longest - 1, 2)
        )

    def of_spans(self, buffer: Bytes, start: I64, length: I64) -> U16:
        """The check sum of each span; the caller has checked the bounds, 1 <= length <= longest."""
        if not len(start):
            return np.empty(0, np.uint16)
        bytes_at, initial = self._tables
        ends = np.cumsum(length)
        distance = np.repeat(ends, length) - np.arange(1, int(ends[-1]) + 1)
        given = bytes_at[distance << 8 | gather_spans(buffer, start, length)]
        return np.asarray(np.bitwise_xor.reduceat(given, ends - length) ^ initial[length])

    def of_words(self, words: U64) -> U16:
        """The check sum of each row of little-endian words, 8 bytes each; shape (rows, words).

        Where the initial value is 0, zeros in front of a span change nothing.
        """
        pairs = np.ascontiguousarray(words).view("<u2")
        count = pairs.shape[1]
        result = np.full(len(words), self._tables[1][2 * count], np.uint16)
        for number in range(count):
            result ^= self._pairs[count - 1 - number][pairs[:, number]]
        return result

    def of(self, data: bytes) -> int:
        """The check sum of one span, byte by byte."""
        register, steps = self.initial, self._step_list
        for byte in data:
            register = register >> 8 ^ steps[(register ^ byte) & 0xFF]
        return register ^ 0xFFFF if self.inverted else register

    @cached_property
    def _step_list(self) -> list[int]:
        return [int(step) for step in self._steps]
