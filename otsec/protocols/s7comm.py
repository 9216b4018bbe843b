"""S7comm on ISO transport: the older of the protocols that S7 controllers speak.

The maker has not published it. Its layout is that of tshark's dissector (4.0), of libnodave and
snap7, which are public, and of real traffic; system state lists are those of [SSL], see the words.
[RFC1006] and [ISO8073] for the connection under it.

A unit is an S7 message, or a unit of COTP that opens or ends its connection. The key of reads and
writes is their header only: each thing that they list is an item, with its address as key. Of user
data the key is what the service needs to be named (`_Kept`); what follows are values, as octets.
References of messages are tags; sequence numbers, time stamps, passwords and bodies of blocks are
in neither.

Three things are said by units before: of which block the pieces of a load are, of what a cyclic
job tells, and which list a further fragment goes on with. They are contexts.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, Mask, span_word
from otsec.protocols.api import (
    BITS,
    U8,
    U16_BE,
    U32_BE,
    Clocks,
    Contexts,
    Items,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.credentials import covered
from otsec.protocols.framing.tpkt_cotp import TPKT_COTP
from otsec.protocols.s7.clocks import times
from otsec.protocols.s7.columns import (
    Cut,
    Pdus,
    byte_of,
    cut_lists,
    list_things,
    one_fits,
    pdus_of,
    roles_of,
    well_formed,
    with_headers,
)
from otsec.protocols.s7.contexts import learn, names, sets
from otsec.protocols.s7.jobs import decode
from otsec.protocols.s7.layout import (
    ALARM,
    CALLED,
    CALLING,
    CONFIRM,
    CONNECT,
    CONNECTED,
    DATA_HEAD,
    DIAGNOSED,
    DISCONNECT,
    DISCONNECT_CONFIRM,
    HEAD,
    LISTED,
    MONITORED,
    NUMBERS,
    PLUS_ID,
    PROTECTION,
    SENT,
    SUBSCRIBED,
    TELLING,
    TIME,
    TRANSPORT_ERROR,
)
from otsec.protocols.s7.user_data import ASKED
from otsec.protocols.transfers.s7 import TRANSFERS
from otsec.protocols.words import s7comm as words
from otsec.protocols.words.s7comm import ACK, ACK_DATA, JOB, USERDATA, WRITE

OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in words.CONNECTIONS.items()),
    Operation(*words.PLUS, PLUS_ID),
    Operation(*words.ACKNOWLEDGE, ACK),
    *(Operation(name, cls, code) for code, (name, cls) in words.FUNCTIONS.items()),
    *(Operation(name, cls, words.PI_SERVICE) for name, cls in words.PROGRAM_INVOCATIONS.values()),
    Operation(*words.MODE_TRANSITION, USERDATA << 16),
    Operation(*words.CYCLIC_DATA, USERDATA << 16 | words.CYCLIC << 8),
    Operation(*words.BSEND, USERDATA << 16 | words.PBC << 8),
    *(
        Operation(name, cls, USERDATA << 16 | group << 8 | function)
        for (group, function), (name, cls) in words.USERDATA_SERVICES.items()
    ),
)
_FUNCTIONS = np.isin(np.arange(256), list(words.FUNCTIONS))
_GROUPS = np.isin(np.arange(16), list(words.GROUPS))
_TYPES = np.isin(np.arange(16), (0, 3, 4, 7, 8, 11))
_SERVER_ASKS = np.isin(np.arange(256), (words.DOWNLOAD_BLOCK, words.DOWNLOAD_ENDED))
_OWN = np.isin(np.arange(256), (CONNECT, CONFIRM, DISCONNECT, DISCONNECT_CONFIRM, TRANSPORT_ERROR))

# ------------------------------------------------------------------- sides and claims


def sides(units: Units) -> Ints:
    """Jobs come from the client, except those by which the server fetches a block from it."""
    pdus = pdus_of(units)
    roles = roles_of(pdus)
    turned = np.isin(pdus.kind, (JOB, ACK_DATA)) & _SERVER_ASKS[pdus.byte(0)]
    turned &= roles != Side.UNKNOWN
    return np.where(turned, Side.RESPONSE - roles, roles).astype(np.uint8)


# ----------------------------------------------------------------------------- claims


def claims(units: Units) -> Mask:
    """Whether each unit is S7comm beyond reasonable doubt.

    A message of a known service whose lengths all agree; or a unit that opens a connection between
    two TSAPs that both are a type of connection, and a rack and slot.
    """
    pdus, head = with_headers(units)
    mine: Mask = well_formed(pdus) & (head["redundancy"] == 0)
    kind = pdus.byte(5)
    user = _GROUPS[kind & 0xF] & _TYPES[kind >> 4]
    mine &= np.where(pdus.kind == USERDATA, user, _FUNCTIONS[pdus.byte(0)] | (pdus.kind == ACK))
    mine &= (pdus.kind != ACK) | (pdus.end == pdus.body)
    rows = np.flatnonzero((units.kind == CONNECT) | (units.kind == CONFIRM))
    if len(rows):
        mine[rows] = _places(units.buffer, units.start[rows], units.end[rows])
    return mine


def _places(buffer: Bytes, start: I64, end: I64) -> Mask:
    """Whether each CR or CC has, besides a size, two TSAPs that are types of connection."""
    fits: Mask = byte_of(span_word(buffer, start, end - start, 0), 0) + 1 == end - start
    at, found = start + CONNECTED, np.zeros(len(start), np.int64)
    for _ in range(3):
        word = span_word(buffer, at, end - at, 0)
        code, size, first = (byte_of(word, place) for place in range(3))
        tsap = (size == 2) & (first >= 1) & (first <= 3)
        found |= np.where(tsap & (code == CALLING), 1, 0) | np.where(tsap & (code == CALLED), 2, 0)
        at += np.where(at < end, 2 + size, 0)
    fits &= (at == end) & (found == 3)
    return fits


# ------------------------------------------------------------------------------- split


ALL = 0xFFFF
_KEPT_OF_JOBS = np.full(512, ALL, np.int64)  # by function; 256 more for answers
_KEPT_OF_JOBS[[256 + words.UPLOAD, 256 + words.DOWNLOAD_BLOCK]] = DATA_HEAD


class _Kept:
    """How much of the data of user data is key, by type, group and function as one number.

    ``skip``: offset behind its head where the key goes on; ``kept``: where it ends; ``told``:
    whether the rest are values.
    """

    def __init__(self) -> None:
        form = (16, 16, 256)
        skip, kept, told = (
            np.full(form, DATA_HEAD),
            np.full(form, DATA_HEAD),
            np.ones(form, np.bool_),
        )
        for group, function in ASKED:
            kept[words.ASKS, group, function] = ALL
        kept[:, words.PBC] = SENT
        for type_ in (words.PUSH, words.ANSWERS):
            kept[type_, words.PROGRAMMER, _services(words.PROGRAMMER)] = MONITORED
            kept[type_, words.CYCLIC, _SUBSCRIPTIONS] = SUBSCRIBED
        kept[
            words.ANSWERS, words.BLOCKS, (words.LIST_BLOCKS, words.LIST_TYPE, words.BLOCK_INFO)
        ] = ALL
        kept[words.ANSWERS, words.CPU, words.READ_SZL] = LISTED
        kept[words.PUSH, words.CPU, words.ALARM_PUSHES] = ALARM
        skip[words.PUSH, words.CPU, words.ALARM_PUSHES] = DATA_HEAD + TIME
        kept[words.PUSH, words.CPU, words.DIAGNOSTIC] = DIAGNOSED
        kept[words.ASKS, words.SECURITY, words.SET_PASSWORD] = DATA_HEAD
        told[words.PUSH, words.CPU, words.DIAGNOSTIC] = False
        told[words.ASKS, words.SECURITY, words.SET_PASSWORD] = False
        told[words.ANSWERS, words.TIME, (words.READ_CLOCK, words.READ_CLOCK_FOLLOWING)] = False
        self.skip, self.kept, self.told = skip.reshape(-1), kept.reshape(-1), told.reshape(-1)


def _services(group: int) -> list[int]:
    return [function for of, function in words.USERDATA_SERVICES if of == group]


_SUBSCRIPTIONS = (words.TRANSFER, words.CHANGE_DRIVEN, words.CHANGE_DRIVEN_MODIFY)
_KEPT = _Kept()
_NUMBERED = np.isin(np.arange(16), (words.CYCLIC, words.PROGRAMMER))  # sequence numbers name jobs
_TELLS = np.isin(np.arange(256), TELLING)


def split(units: Units) -> Split:
    """Key: service, and what names its object. Tag: the reference of the message."""
    pdus, head = with_headers(units)
    malformed = ~well_formed(pdus)
    roles = roles_of(pdus)
    user = pdus.kind == USERDATA
    function = pdus.byte(0)
    row = np.where(pdus.kind == JOB, function, 256 + function)
    words0 = pdus.kind.astype(np.uint64) | head["redundancy"].astype(np.uint64) << np.uint64(8)
    words0 |= pdus.error.astype(np.uint64) << np.uint64(24)
    key_start = pdus.body + np.minimum(8, pdus.data - pdus.body)
    zero = np.zeros(len(units), np.int64)
    result = Split(
        key_words=[words0, pdus.front, zero.astype(np.uint64)],
        key_start=key_start,
        key_length=np.minimum(pdus.data + _KEPT_OF_JOBS[row], pdus.end) - key_start,
        tag=head["reference"].astype(np.uint64),
        value_start=pdus.end.copy(),
        value_count=zero,
        value_type=np.full(len(units), U8, np.uint8),
        malformed=malformed,
        alone=_alone(units, pdus, roles),
    )
    lists = np.flatnonzero(list_things(pdus))
    result.key_length[lists] = 0
    result.key_words[1][lists] &= np.uint64(0xFF)
    rows = np.flatnonzero(user)
    if len(rows):
        _split_user(result, rows, pdus.take(rows))
    rows = np.flatnonzero(~pdus.good)
    if len(rows):
        _split_own(result, rows, units, pdus.kind[rows])
    result.key_length[malformed] = 0
    result.value_count[malformed] = 0
    return result


def _alone(units: Units, pdus: Pdus, roles: Ints) -> Mask:
    """Units without another that belongs to them, and exchanges that the server begins."""
    alone: Mask = (roles != units.side) & (units.side != Side.UNKNOWN)
    alone |= (roles == Side.UNKNOWN) & (pdus.kind != USERDATA)
    pushed = (pdus.byte(5) >> 4 == words.PUSH) | (pdus.byte(5) >> 4 == words.NC_PUSH)
    alone |= pushed & (pdus.kind == USERDATA)
    return alone


def _split_user(result: Split, rows: I64, pdus: Pdus) -> None:
    """The parts of user data that `split` puts together differently."""
    what, sub, size = pdus.byte(5), pdus.byte(6), pdus.end - pdus.data
    row = what << 8 | sub
    kept, told = _KEPT.kept[row], _KEPT.told[row]
    lists = np.flatnonzero((what == 0x84) & (sub == words.READ_SZL))
    front = pdus.front.copy()
    front[~_NUMBERED[what & 0xF]] &= np.uint64((1 << 56) - 1)
    behind = span_word(pdus.buffer, pdus.body + 8, pdus.data - pdus.body - 8, 0)
    piece = byte_of(behind, 0) != 0  # of a list; its number is not key, but whether it is one
    behind = behind & np.uint64(0xFFFF_FF00) | piece.astype(np.uint64)
    result.key_words[1][rows] = front
    result.key_words[2][rows] = behind | pdus.data_word() << np.uint64(32)
    if len(lists):
        kept[lists[_tells(pdus.take(lists)) | piece[lists]]] = ALL
    kept = np.minimum(kept, size)
    start = np.minimum(_KEPT.skip[row], kept)
    result.key_start[rows] = pdus.data + start
    result.key_length[rows] = kept - start
    result.tag[rows] |= np.uint64(USERDATA << 32)
    count = np.where(told, size - kept, 0)
    wide = np.zeros(len(rows), np.bool_)
    wide[lists] = count[lists] & 1 == 0
    result.value_start[rows] = pdus.data + kept
    result.value_count[rows] = np.where(wide, count >> 1, count)
    result.value_type[rows] = np.where(wide, U16_BE, U8)


def _tells(pdus: Pdus) -> Mask:
    """System state lists of which facts are told: their records are key."""
    word = pdus.data_word(DATA_HEAD)
    tells: Mask = _TELLS[byte_of(word, 1)]
    tells |= (byte_of(word, 1) == PROTECTION[0]) & (byte_of(word, 3) == PROTECTION[1])
    return tells


def _split_own(result: Split, rows: I64, units: Units, kind: Ints) -> None:
    """Units of COTP, and S7comm-plus."""
    start, end = units.start[rows], units.end[rows]
    size = end - start
    word = span_word(units.buffer, start, size, 0)
    to, source = (word >> np.uint64(by) & np.uint64(0xFFFF) for by in (16, 32))
    result.key_words[0][rows] = kind.astype(np.uint64) | word << np.uint64(48)
    result.key_words[1][rows] = 0
    front = np.where(kind == TRANSPORT_ERROR, 4, 6)
    least = np.where(kind == DISCONNECT_CONFIRM, front, front + 1)
    fits = _OWN[kind] & (byte_of(word, 0) + 1 == size) & (size >= least)
    fits &= (kind != CONNECT) | (to == 0)
    plus = kind == PLUS_ID
    fits |= plus
    result.malformed[rows] = ~fits
    result.key_start[rows] = np.where(plus, end, np.minimum(start + front, end))
    result.key_length[rows] = end - result.key_start[rows]
    result.tag[rows] = np.where(kind == CONNECT, source, to) | np.uint64(CONNECT << 32)


# ------------------------------------------------------------------------------- items


_TYPED = np.full(256, U8, np.uint8)
_WIDTH = np.zeros(256, np.int64)
for _code, (_kind, _bytes) in NUMBERS.items():
    _TYPED[_code], _WIDTH[_code] = _kind, _bytes
_PLAIN = np.array([U8, U8, U16_BE, U8, U32_BE], np.uint8)  # by number of bytes; longer ones: octets
_PLAIN_WIDTH = np.array([1, 1, 2, 1, 4])


def _typed(head: U64, size: I64) -> tuple[Ints, I64]:
    """(type, number) of the values behind a head.

    Numbers as it says; else of one, two or four bytes one number, else octets.
    """
    code = byte_of(head, 1)
    short = np.where(size <= 4, size, 1)
    kind, width = _PLAIN[short], _PLAIN_WIDTH[short]
    numbers = (_WIDTH[code] > 0) & (size % np.maximum(_WIDTH[code], 1) == 0)
    kind = np.where(numbers, _TYPED[code], kind)
    width = np.where(numbers, _WIDTH[code], width)
    count = size // width
    bit = (code == words.BIT_DATA) & (byte_of(head, 2) << 8 | byte_of(head, 3) == 1)
    return np.where(bit, BITS, kind), count


def items(units: Units) -> Items:
    """What reads and writes list: addresses with what is written, values read, return codes."""
    pdus = pdus_of(units)
    rows = np.flatnonzero(list_things(pdus))
    some = pdus.take(rows)
    one = some.byte(1) == 1
    if one.all():
        return _together([_one_each(some, rows)])
    single, many = np.flatnonzero(one), np.flatnonzero(~one)
    parts = [_one_each(some.take(single), rows[single])]
    return _together([*parts, *_many_each(some.take(many), rows[many])])


_HEAD_BYTES = np.uint64(0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some items, in order within their unit."""

    owner: I64
    start: I64
    length: I64
    first: U64  # the first eight bytes that are key, and
    second: U64  # the eight behind them
    long: I64  # bytes of the span that are key, where there are more
    head: U64  # of the value that is written, which is key too
    value_start: I64
    value_count: I64
    value_type: Ints


def _part(
    buffer: Bytes, cut: Cut, keyed: I64, head: U64, word: U64, value: tuple[I64, I64]
) -> _Part:
    """Items of which so many bytes are key; ``word``: heads of the values, which lie at ``value``."""
    kind, count = _typed(word, value[1])
    first, second = (span_word(buffer, cut.start, keyed, at) for at in (0, 8))
    long = np.where(keyed > 16, keyed, 0)
    return _Part(cut.owner, cut.start, cut.length, first, second, long, head, value[0], count, kind)


def _one_each(pdus: Pdus, rows: I64) -> _Part:
    """The items of units that list one each."""
    good = one_fits(pdus)
    if not good.all():
        pdus, rows = pdus.take(np.flatnonzero(good)), rows[good]
    asks, writes = pdus.kind == JOB, pdus.byte(0) == WRITE
    start = np.where(asks, pdus.body + 2, pdus.data)
    length = np.where(asks, pdus.data, pdus.end) - start
    keyed = np.where(asks, length, np.where(writes, 1, DATA_HEAD))
    word = pdus.data_word() & _HEAD_BYTES
    valued = (asks == writes) & (asks | (byte_of(word, 0) == words.SUCCESS))
    size = np.where(valued, pdus.end - pdus.data - DATA_HEAD, 0)
    at = np.where(valued, pdus.data + DATA_HEAD, pdus.end)
    head = np.where(asks & writes, word, np.uint64(0))
    return _part(pdus.buffer, Cut(rows, start, length, good), keyed, head, word, (at, size))


def _many_each(pdus: Pdus, rows: I64) -> list[_Part]:
    """The items of units that list several: addresses, values read, return codes."""
    lists, buffer = cut_lists(pdus), pdus.buffer
    addresses, read, codes, written = lists.addresses, lists.read, lists.codes, lists.written
    writes = pdus.byte(0)[addresses.owner] == WRITE
    head = np.zeros(len(writes), np.uint64)
    # the k-th value that is written belongs to the k-th address of all that are to be written
    head[writes] = span_word(buffer, written.start, written.length, 0) & _HEAD_BYTES
    at, size = addresses.start + addresses.length, np.zeros(len(writes), np.int64)
    at[writes], size[writes] = written.start + DATA_HEAD, written.length - DATA_HEAD
    word = span_word(buffer, read.start, read.length, 0) & _HEAD_BYTES
    read_size = np.where(byte_of(word, 0) == words.SUCCESS, read.length - DATA_HEAD, 0)
    none, nothing = np.zeros_like(word), np.zeros_like(codes.start)
    unvalued = nothing.astype(np.uint64)
    parts = [
        _part(buffer, addresses, addresses.length, head, head, (at, size)),
        _part(
            buffer,
            read,
            np.full_like(read.start, DATA_HEAD),
            none,
            word,
            (read.start + DATA_HEAD, read_size),
        ),
        _part(buffer, codes, codes.length, unvalued, unvalued, (codes.start, nothing)),
    ]
    return [replace(part, owner=rows[part.owner]) for part in parts]


def _together(parts: list[_Part]) -> Items:
    """All items in order of their units."""

    def column(name: str) -> Any:
        if len(parts) == 1:
            return getattr(parts[0], name)
        return np.concatenate([getattr(part, name) for part in parts])[order]

    order = np.argsort(np.concatenate([part.owner for part in parts]), kind="stable")
    owner, start = column("owner"), column("start")
    return Items(
        owner=owner,
        start=start,
        end=start + column("length"),
        split=Split(
            key_words=[column("first"), column("second"), column("head")],
            key_start=start,
            key_length=column("long"),
            tag=np.zeros(len(owner), np.uint64),
            value_start=column("value_start"),
            value_count=column("value_count"),
            value_type=column("value_type"),
            malformed=np.zeros(len(owner), np.bool_),
        ),
    )


def scrub(reader: Reader) -> bytes:
    """What a password is shown with, and what is given to program services for logins."""
    data = reader.data
    parameter = int.from_bytes(data[6:8], "big")
    if data[1] == USERDATA:
        group, function = data[HEAD + 5] & 0x0F, data[HEAD + 6]
        if (group, function) != (words.SECURITY, words.SET_PASSWORD):
            return data
        return covered(data, HEAD + parameter + DATA_HEAD, len(data))
    body = Reader(data, HEAD)
    if data[1] != JOB or body.u8() != words.PI_SERVICE:
        return data
    body.take(7)
    size = body.u16()
    begin = body.offset
    body.take(size)
    name = body.take(body.u8())
    return covered(data, begin, begin + size) if b"LOGIN" in name else data


PROTOCOL = Protocol(
    name="s7comm",
    title="S7comm",
    standard="not published; ISO transport by RFC 1006 and ISO 8073 class 0",
    transports=frozenset({"tcp"}),
    ports=frozenset({102}),
    framings=(TPKT_COTP,),
    claims=claims,
    sides=sides,
    split=split,
    clocks=Clocks(times),
    decode=decode,
    operations=OPERATIONS,
    identity=(
        "order_number", "hardware_revision", "revision", "module_type", *words.IDENTITY.values(),
        "vendor_id", "profile_id", "cpu_mode", "protection_level", "key_switch", "program_block",
        "role_hint", "slot",
    ),
    items=items,
    scrub=scrub,
    contexts=Contexts("connection", sets=sets, names=names, learn=learn),
    transfers=TRANSFERS,
    routine=frozenset({"acknowledge"}),
    session=True,
)  # fmt: skip
