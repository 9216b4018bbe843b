"""Units of S7comm as columns: what they are, whether they have their form, and what they list."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Ints, Mask, gather, rounds, span_word
from otsec.protocols.api import Side, Units
from otsec.protocols.s7.layout import (
    ADDRESS,
    CONFIRM,
    CONNECT,
    DATA_HEAD,
    ERROR,
    HEAD,
    HEADER,
    PLUS_ID,
    PROTOCOL_ID,
    USER_HEADS,
    USER_PARAMETERS,
)
from otsec.protocols.words import s7comm as words
from otsec.protocols.words.s7comm import ACK, ACK_DATA, JOB, READ, USERDATA, WRITE

_KINDS = np.isin(np.arange(256), (JOB, ACK, ACK_DATA, USERDATA))
_LISTS = np.isin(np.arange(256), (READ, WRITE))
_ROLE = np.full(256, Side.UNKNOWN, np.uint8)  # of a kind, for what is not user data
_ROLE[[JOB, CONNECT]] = Side.REQUEST
_ROLE[[ACK, ACK_DATA, CONFIRM]] = Side.RESPONSE
_USER_ROLE = np.full(16, Side.UNKNOWN, np.uint8)  # of a type of user data
_USER_ROLE[[words.ASKS, words.NC_ASKS]] = Side.REQUEST
_USER_ROLE[[words.ANSWERS, words.NC_ANSWERS, words.PUSH, words.NC_PUSH]] = Side.RESPONSE


@dataclass(frozen=True, slots=True)
class Pdus:
    """Units as columns; what does not fit its lengths is not ``good``, and zero."""

    buffer: Bytes
    end: I64
    kind: Ints  # u1: ROSCTR; the code of a unit of COTP, 0x72 of S7comm-plus
    body: I64  # offset of the parameters
    data: I64  # offset of the data
    front: U64  # the first eight bytes of the parameters, the first one lowest; zero behind them
    error: I64  # class and code of ACK and ACK_DATA
    good: Mask

    def take(self, rows: I64) -> "Pdus":
        """Some of them."""
        if len(rows) == len(self.kind):
            return self
        columns = (getattr(self, name)[rows] for name in self.__slots__[1:])
        return Pdus(self.buffer, *columns)

    def byte(self, at: int) -> I64:
        """One byte of ``front``."""
        return ((self.front >> np.uint64(8 * at)) & np.uint64(0xFF)).astype(np.int64)

    def data_word(self, at: int = 0) -> U64:
        """Eight bytes of the data from an offset, the first one lowest."""
        return span_word(self.buffer, self.data, self.end - self.data, at)


def with_headers(units: Units) -> tuple[Pdus, Header]:
    """Units as columns, and their headers."""
    head, good = gather(units.buffer, units.start, units.end, HEADER)
    kind = head["kind"]
    answers = (kind == ACK) | (kind == ACK_DATA)
    body = units.start + HEAD + np.where(answers, ERROR, 0)
    parameters = head["parameters"].astype(np.int64)
    data = body + parameters
    good &= (head["protocol"] == PROTOCOL_ID) & _KINDS[kind] & (units.kind == 0)
    good &= data + head["data"] == units.end
    error = np.zeros(len(units), np.int64)
    rows = np.flatnonzero(answers & good)
    if len(rows):
        some, _ = gather(units.buffer, body[rows] - ERROR, units.end[rows], np.dtype(">u2"))
        error[rows] = some
    if not good.all():
        parameters = np.where(good, parameters, 0)
        kind = np.where(good, kind, np.where(units.kind != 0, units.kind, 0)).astype(np.uint8)
        plus = (units.kind == 0) & (head["protocol"] == PLUS_ID)
        kind[plus & (units.end - units.start >= DATA_HEAD)] = PLUS_ID
        body, data = np.where(good, body, units.end), np.where(good, data, units.end)
    front = span_word(units.buffer, body, parameters, 0)
    return Pdus(units.buffer, units.end, kind, body, data, front, error, good), head


def pdus_of(units: Units) -> Pdus:
    """Units as columns."""
    return with_headers(units)[0]


def roles_of(pdus: Pdus) -> Ints:
    """Who speaks by what is said: the side that asks, or the one that answers or tells."""
    user = pdus.kind == USERDATA
    return np.where(user, _USER_ROLE[pdus.byte(5) >> 4], _ROLE[pdus.kind])


# ------------------------------------------------------------------------------ forms

_BIT_LENGTHS = np.isin(np.arange(256), (words.BIT_DATA, words.BYTE_DATA, words.INT_DATA))


def well_formed(pdus: Pdus) -> Mask:
    """Whether units that are ``good`` have the form of their kind."""
    fits = pdus.good.copy()
    size = pdus.data - pdus.body
    fits &= (size > 0) | (pdus.kind == ACK) | (pdus.error != 0)
    rows = np.flatnonzero(pdus.kind == USERDATA)
    if len(rows):
        fits[rows] &= _user_fits(pdus.take(rows))
    rows = np.flatnonzero(list_things(pdus))
    if len(rows):
        fits[rows] &= _lists_fit(pdus.take(rows))
    return fits


def _user_fits(pdus: Pdus) -> Mask:
    """Parameters of a known form, and data as long as its head says."""
    size, front = pdus.data - pdus.body, pdus.front
    first = front & np.uint64(0xFFFFFF)
    fits: Mask = np.isin(size, USER_PARAMETERS)
    fits &= ((first == USER_HEADS[0]) & (pdus.byte(3) == size - 4)) | (first == USER_HEADS[1])
    size, word = pdus.end - pdus.data, pdus.data_word()
    fits &= (size == 0) | ((size >= DATA_HEAD) & (value_size(word) == size))
    fits &= (byte_of(word, 1) != words.NULL_DATA) | (word & np.uint64(0xFFFF0000) == 0)
    return fits


def byte_of(word: U64, at: int) -> I64:
    """One byte of words of which the first byte is the lowest."""
    return ((word >> np.uint64(8 * at)) & np.uint64(0xFF)).astype(np.int64)


def value_size(word: U64) -> I64:
    """Bytes of a value with its head, by its head."""
    length = byte_of(word, 2) << 8 | byte_of(word, 3)
    kind = byte_of(word, 1)
    length = np.where(_BIT_LENGTHS[kind], length + 7 >> 3, length)
    return np.where(kind == words.NULL_DATA, 0, length) + DATA_HEAD


def _told_size(word: U64) -> I64:
    """The same in responses, where a value that could not be read has only a head."""
    return np.where(byte_of(word, 0) == words.SUCCESS, value_size(word), DATA_HEAD)


def _address_size(word: U64) -> I64:
    """Bytes of an address, by its first ones; 0 where it is none."""
    return np.where(byte_of(word, 0) == ADDRESS, byte_of(word, 1) + 2, 0)


# ------------------------------------------------------------------------------ lists


@dataclass(frozen=True, slots=True)
class Cut:
    """Things that units list one behind the other; in order of unit, then place."""

    owner: I64
    start: I64
    length: I64
    fits: Mask  # of the units: as many as counted, and nothing behind them

    def of(self, units: Mask) -> "Cut":
        """Those of some units."""
        rows = np.flatnonzero(units[self.owner])
        return Cut(self.owner[rows], self.start[rows], self.length[rows], self.fits)


def _code_size(word: U64) -> I64:
    return np.ones(len(word), np.int64)


def _cut(
    buffer: Bytes,
    start: I64,
    stop: I64,
    count: I64,
    size: Callable[[U64], I64],
    fill: int = 1,
) -> Cut:
    """Cut lists in rounds: round k cuts the k-th thing of every unit.

    Those of an odd number of bytes are filled up, but for the last.
    """
    at, fits = start.copy(), count > 0
    found: list[tuple[I64, I64, I64]] = []
    rows = np.flatnonzero(fits)
    number = 0
    while len(rows):
        number += 1
        place = at[rows]
        length = size(span_word(buffer, place, stop[rows] - place, 0))
        inside = (length > 0) & (place + length <= stop[rows])
        if not inside.all():
            fits[rows[~inside]] = False
            rows, place, length = rows[inside], place[inside], length[inside]
        found.append((rows, place, length))
        more = count[rows] > number
        at[rows] = place + length + (length & fill & more)
        rows = rows[more]
    fits &= at == stop
    return Cut(*rounds(found), fits)


def list_things(pdus: Pdus) -> Mask:
    """Units that list addresses, values or codes."""
    mask: Mask = pdus.good & _LISTS[pdus.byte(0)]
    mask &= (pdus.kind == JOB) | ((pdus.kind == ACK_DATA) & (pdus.error == 0))
    return mask


def _lists_fit(pdus: Pdus) -> Mask:
    """Whether reads and writes list as many as they count, and nothing else."""
    fits = one_fits(pdus)
    many = np.flatnonzero(pdus.byte(1) != 1)
    if len(many):
        fits[many] = cut_lists(pdus.take(many)).fits
    return fits


def one_fits(pdus: Pdus) -> Mask:
    """The same of those that list one, without cutting."""
    asks, writes, size = pdus.kind == JOB, pdus.byte(0) == WRITE, pdus.end - pdus.data
    word = pdus.data_word()
    told = value_size(word)
    told = np.where(asks | (byte_of(word, 0) == words.SUCCESS), told, DATA_HEAD)
    told = np.where(asks == writes, told, np.where(asks, 0, 1))
    listed = np.where(asks, pdus.byte(3) + 4, 2)
    fits: Mask = (told == size) & (listed == pdus.data - pdus.body)
    fits &= ~asks | (pdus.byte(2) == ADDRESS)
    return fits


@dataclass(frozen=True, slots=True)
class _Lists:
    """Reads and writes cut into what they list."""

    addresses: Cut  # of requests
    written: Cut  # of requests to write: the values, as many as addresses
    read: Cut  # of responses to read
    codes: Cut  # of responses to write
    fits: Mask


def cut_lists(pdus: Pdus) -> _Lists:
    """Reads and writes cut into what they list; nothing of those that do not fit."""
    asks, writes, count = pdus.kind == JOB, pdus.byte(0) == WRITE, pdus.byte(1)
    buffer, data, end = pdus.buffer, pdus.data, pdus.end
    addresses = _cut(buffer, pdus.body + 2, data, np.where(asks, count, 0), _address_size)
    written = _cut(buffer, data, end, np.where(asks & writes, count, 0), value_size)
    read = _cut(buffer, data, end, np.where(asks | writes, 0, count), _told_size)
    codes = _cut(buffer, data, end, np.where(~asks & writes, count, 0), _code_size, fill=0)
    alone = data == end
    fits = np.where(asks, addresses.fits, data - pdus.body == 2)
    fits &= np.where(
        asks, np.where(writes, written.fits, alone), np.where(writes, codes.fits, read.fits)
    )
    return _Lists(
        addresses.of(fits), written.of(fits), read.of(fits), codes.of(fits), np.asarray(fits)
    )
