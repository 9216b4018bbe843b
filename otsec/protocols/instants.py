"""Times as devices send them, in columns: calendars and seven bytes of IEC 60870-5, as ns."""

import numpy as np

from otsec.columns import I64, U64, Mask

MS_NS = 1_000_000
LATEST_MS = 1 << 42  # since 1970, of the year 2109: what is later is no time of a clock
_DAY_MS = 86_400_000


def instant(year: I64, month: I64, day: I64, time_ms: I64) -> tuple[I64, Mask]:
    """Nanoseconds since 1970 of dates as they stand, and which there are; ``time_ms``: of day."""
    fits = (year >= 1970) & (year < 2100) & (month >= 1) & (month <= 12)
    fits &= (day >= 1) & (time_ms >= 0) & (time_ms < _DAY_MS)
    months = np.where(fits, (year - 1970) * 12 + month - 1, 0)
    first, behind = (
        (months + more).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for more in (0, 1)
    )
    fits &= first + day <= behind
    return np.where(fits, ((first + day - 1) * _DAY_MS + time_ms) * MS_NS, 0), fits


def cp56(word: U64) -> tuple[I64, Mask]:
    """Seven bytes as a word, the first one lowest: IEC 60870-5-101 7.2.6.18, CP56Time2a.

    Without those that say that they are invalid.
    """

    def part(at: int, bits: int) -> I64:
        return (word >> np.uint64(at) & np.uint64((1 << bits) - 1)).astype(np.int64)

    in_minute, minute, hour, year = part(0, 16), part(16, 6), part(24, 5), part(48, 7)
    time_ms = (hour * 60 + minute) * 60_000 + in_minute
    year += np.where(year >= 70, 1900, 2000)
    told, fits = instant(year, part(40, 4), part(32, 5), time_ms)
    return told, fits & (in_minute < 60_000) & (minute < 60) & (hour < 24) & (part(23, 1) == 0)


def decimal(word: U64, at: int) -> I64:
    """A byte of two decimal digits of words, the first byte lowest; below zero where it is none."""
    byte = (word >> np.uint64(8 * at) & np.uint64(0xFF)).astype(np.int64)
    return np.where((byte & 0xF < 10) & (byte >> 4 < 10), (byte >> 4) * 10 + (byte & 0xF), -1)
