"""What some units of S7comm say of later ones.

Of which block the pieces of a load are, of what a cyclic job tells, and which list a further piece
goes on with; records that lie in two pieces are told as one by way of it.
"""

from typing import Any

import numpy as np

from otsec.columns import I64, U64, Mask, span_word
from otsec.protocols.api import Reader, Side, Units
from otsec.protocols.s7.columns import Pdus, byte_of, pdus_of
from otsec.protocols.s7.layout import DATA_HEAD, ERROR, HEAD, LISTED, USER_PARAMETERS
from otsec.protocols.s7.said import file_named, text_of
from otsec.protocols.s7.user_data import (
    CHANGES,
    LONGEST_OBJECT,
    WATCHES,
    addresses_of,
    list_name,
    monitored,
    tells_facts,
)
from otsec.protocols.words import s7comm as words
from otsec.protocols.words.s7comm import ACK_DATA, JOB, USERDATA

_PIECES, _UPLOADS, _DOWNLOAD, _JOBS_OF, _MONITORS = (number << 40 for number in range(1, 6))
_LOADS = np.isin(np.arange(256), (words.START_UPLOAD, words.END_UPLOAD, words.DOWNLOAD_BLOCK))
_FETCHED = np.isin(np.arange(256), (words.DOWNLOAD_BLOCK, words.DOWNLOAD_ENDED))
_RUNNING = np.isin(np.arange(256), (words.UPLOAD, words.END_UPLOAD))


def _codes(*pairs: tuple[int, int, int]) -> Mask:
    """Whether user data of a type, group and function is one of some; by these three as one."""
    return np.isin(
        np.arange(1 << 16), [type_ << 12 | group << 8 | sub for type_, group, sub in pairs]
    )


_LISTED_BY = ((words.CPU, words.READ_SZL), (words.BLOCKS, words.LIST_TYPE))
_CYCLIC_JOBS = (words.TRANSFER, words.UNSUBSCRIBE, *CHANGES)
_SETTING = _codes(
    *((type_, words.CYCLIC, sub) for type_ in (words.ASKS, words.ANSWERS) for sub in _CYCLIC_JOBS),
    *((words.ASKS, *service) for service in _LISTED_BY),
    *((type_, words.PROGRAMMER, sub) for type_ in (words.ASKS, words.ANSWERS) for sub in WATCHES),
)
_IN_PIECES = _codes(
    *((type_, *service) for type_ in (words.ASKS, words.ANSWERS) for service in _LISTED_BY)
)
_CYCLIC_PUSHES = _codes(*((words.PUSH, words.CYCLIC, sub) for sub in range(256)))
_MONITOR_PUSHES = _codes(*((words.PUSH, words.PROGRAMMER, sub) for sub in WATCHES))
_ENDS = words.ASKS << 12 | words.CYCLIC << 8 | words.UNSUBSCRIBE


def _user_codes(pdus: Pdus) -> I64:
    """Type, group and function of user data as one number; 0 of other units."""
    code = pdus.byte(5) << 8 | pdus.byte(6)
    return np.where(pdus.kind == USERDATA, code, 0)


def sets(units: Units) -> Mask:
    """What begins or ends a load or a cyclic job, and pieces of lists."""
    pdus = pdus_of(units)
    function = pdus.byte(0)
    mask: Mask = (pdus.kind == JOB) & _LOADS[function]
    mask |= (pdus.kind == ACK_DATA) & (function == words.START_UPLOAD)
    codes = _user_codes(pdus)
    mask |= _SETTING[codes]
    rows = np.flatnonzero(_IN_PIECES[codes] & (codes >> 12 == words.ANSWERS))
    if len(rows):
        mask[rows[_pieces(pdus.take(rows))]] = True
    return mask


def _pieces(pdus: Pdus) -> Mask:
    """Of what may come in pieces those that are one, or ask for the next."""
    behind = span_word(pdus.buffer, pdus.body + 8, pdus.data - pdus.body - 8, 0)
    asks = pdus.byte(5) >> 4 == words.ASKS
    pieces: Mask = asks | (byte_of(behind, 0) != 0)
    pieces &= pdus.data - pdus.body == USER_PARAMETERS[1]
    return pieces


def names(units: Units) -> U64:
    """The load, list or cyclic job that a unit goes on with, by its number."""
    pdus = pdus_of(units)
    function, sequence = pdus.byte(0), pdus.byte(7)
    names = np.zeros(len(units), np.uint64)
    names[(pdus.kind == ACK_DATA) & _FETCHED[function]] = _DOWNLOAD
    rows = np.flatnonzero((pdus.kind == JOB) & _RUNNING[function])
    names[rows] = (pdus.front[rows] >> np.uint64(32)) | np.uint64(_UPLOADS)
    codes = _user_codes(pdus)
    rows = np.flatnonzero(_IN_PIECES[codes])
    if len(rows):
        rows = rows[_pieces(pdus.take(rows))]
        names[rows] = _PIECES | (codes[rows] & 0xF00) | sequence[rows]
    rows = np.flatnonzero(_CYCLIC_PUSHES[codes])
    names[rows] = _JOBS_OF | sequence[rows]
    rows = np.flatnonzero(_MONITOR_PUSHES[codes])
    names[rows] = _MONITORS | (codes[rows] & 0xFF) << 8 | sequence[rows]
    rows = np.flatnonzero(codes == _ENDS)
    if len(rows):
        names[rows] = _JOBS_OF | byte_of(pdus.take(rows).data_word(), 5)
    return names


def learn(reader: Reader, _side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """What a unit that begins or ends something says of those that go on with it."""
    data = reader.rest()
    if len(data) < HEAD + 8:
        return []
    kind, reference, size = data[1], f"{data[4]} {data[5]}", data[6] << 8 | data[7]
    body = data[HEAD:]
    if kind == USERDATA:
        return _learn_user(body[:size], body[size:], reference, memory)
    if kind == ACK_DATA:
        object_ = memory.pop(reference, "")
        number = int.from_bytes(body[ERROR + 4 : ERROR + 8], "little")
        return [(_UPLOADS | number, object_)] if object_ and size >= _NUMBERED else []
    if body[0] == words.END_UPLOAD:
        return [(_UPLOADS | int.from_bytes(body[4:8], "little"), "")]
    named = Reader(body, 8)
    object_ = file_named(named.take(named.u8()))[0]
    if body[0] == words.DOWNLOAD_BLOCK:
        return [(_DOWNLOAD, object_)]
    memory[reference] = object_
    return []


_NUMBERED = 8  # bytes of parameters that give an upload its number


def _learn_user(
    parameters: bytes, data: bytes, reference: str, memory: dict[str, Any]
) -> list[tuple[int, str]]:
    if len(parameters) not in USER_PARAMETERS:
        return []
    what, function, sequence = parameters[5], parameters[6], parameters[7]
    type_, group = what >> 4, what & 0xF
    if group == words.CYCLIC:
        return _learn_cyclic(type_, function, sequence, data, reference, memory)
    if group == words.PROGRAMMER:
        return _learn_monitor(type_, function, sequence, data, reference, memory)
    if type_ == words.ANSWERS:
        long = len(parameters) == USER_PARAMETERS[1]
        return _learn_piece(parameters, data, reference, memory) if long else []
    if group == words.CPU:
        memory[_ASKED] = [*memory.get(_ASKED, []), reference][-_OUTSTANDING:]
    elif len(data) >= DATA_HEAD + 2:
        kind = text_of(data[DATA_HEAD : DATA_HEAD + 2])
        memory[reference] = words.BLOCK_TYPES.get(kind, f"type {kind}")
    return []


_ASKED = "asked"  # references of the last requests for lists; what answers one begins a list
_OUTSTANDING = 8


def _learn_piece(
    parameters: bytes, data: bytes, reference: str, memory: dict[str, Any]
) -> list[tuple[int, str]]:
    """A piece of a list: what the next one is a piece of, and what of a record is still to come."""
    group, sequence, number = parameters[5] & 0xF, parameters[7], parameters[8]
    name, chain = _PIECES | group << 8 | sequence, f"{group} {sequence} {number}"
    held, raw = memory.pop(chain, ""), data[DATA_HEAD:]
    if parameters[9] != 1:
        return [(name, "")]
    if group == words.BLOCKS:
        meaning = memory.pop(reference, "") or held
    elif reference in memory.get(_ASKED, []):
        meaning = _begun_list(Reader(raw)) if len(raw) >= LISTED - DATA_HEAD else ""
    else:
        meaning = _going_on(held, raw)
    if meaning:
        memory[chain] = meaning
    return [(name, meaning)]


def _begun_list(body: Reader) -> str:
    """A list and, where its records tell facts, their size and the bytes of one that is not whole."""
    number, index, size, _ = (body.u16() for _ in range(4))
    name = list_name(number, index)
    return (
        _going_on(f"{name}|{size}|", body.rest()) if tells_facts(number, index) and size else name
    )


def _going_on(held: str, raw: bytes) -> str:
    name, _, rest = held.partition("|")
    if not rest:
        return held
    size, begun = rest.split("|")
    left = bytes.fromhex(begun) + raw
    return f"{name}|{size}|{left[len(left) - len(left) % int(size) :].hex()}"


def _learn_monitor(
    type_: int, function: int, sequence: int, data: bytes, reference: str, memory: dict[str, Any]
) -> list[tuple[int, str]]:
    """What a job of the programmer watches; its answer gives it the number by which it tells."""
    if type_ == words.ANSWERS:
        object_ = memory.pop(reference, "")
        return [(_MONITORS | function << 8 | sequence, object_)] if object_ else []
    if object_ := monitored(function, Reader(data, DATA_HEAD))[1]:
        memory[reference] = object_[:LONGEST_OBJECT]
    return []


def _learn_cyclic(
    type_: int, function: int, sequence: int, data: bytes, reference: str, memory: dict[str, Any]
) -> list[tuple[int, str]]:
    if function == words.UNSUBSCRIBE:
        ends = type_ == words.ASKS and len(data) >= DATA_HEAD + 2
        return [(_JOBS_OF | data[DATA_HEAD + 1], "")] if ends else []
    if type_ == words.ANSWERS:
        object_ = memory.pop(reference, "")
        size = max(len(data) - DATA_HEAD, 0)  # of an answer that leaves out nothing
        return [(_JOBS_OF | sequence, f"{object_}|{size}")] if object_ else []
    body = Reader(data, DATA_HEAD)
    count = body.u16()
    body.u16()
    memory[reference] = addresses_of(body, count)
    return []
