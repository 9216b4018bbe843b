"""The clock of a CPU, where it is read or set."""

import numpy as np

from otsec.protocols.api import SAYS, SETS, Split, Times, Units
from otsec.protocols.instants import decimal, instant
from otsec.protocols.s7.columns import pdus_of
from otsec.protocols.s7.layout import DATA_HEAD
from otsec.protocols.words import s7comm as words
from otsec.protocols.words.s7comm import USERDATA

_AT = DATA_HEAD + 2  # behind a reserved byte and the century
_READS = (words.READ_CLOCK, words.READ_CLOCK_FOLLOWING)
_SETS = (words.SET_CLOCK, words.SET_CLOCK_FOLLOWING)
_NINETIES = 90  # [SSL] DATE_AND_TIME: 1990 to 2089


def times(units: Units, _split: Split) -> Times:
    """A date and time of eight bytes in decimal digits, the last of which is the weekday."""
    pdus = pdus_of(units)
    kind, service = pdus.byte(5), pdus.byte(6)
    clock = (pdus.kind == USERDATA) & (kind & 0xF == words.TIME) & (pdus.end - pdus.data >= _AT + 8)
    told = (kind >> 4 == words.ANSWERS) & np.isin(service, _READS)
    sets = (kind >> 4 == words.ASKS) & np.isin(service, _SETS)
    rows = np.flatnonzero(clock & (told | sets))
    word = pdus.take(rows).data_word(_AT)
    year, month, day, hour, minute, second = (decimal(word, at) for at in range(6))
    ms = decimal(word, 6) * 10 + decimal(word >> np.uint64(4) & np.uint64(0xF << 56), 7)
    digits = np.min([year, month, day, hour, minute, second, decimal(word, 6)], axis=0) >= 0
    year += np.where(year < _NINETIES, 2000, 1900)
    time, fits = instant(year, month, day, ((hour * 60 + minute) * 60 + second) * 1000 + ms)
    fits &= digits & (hour < 24) & (minute < 60) & (second < 60)
    rows = rows[fits]
    way = np.where(sets[rows], SETS, SAYS).astype(np.uint8)
    return Times(rows, time[fits], np.zeros(len(rows), np.uint64), way)
