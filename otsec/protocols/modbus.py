"""Modbus on TCP and UDP, read passively; RTU frames on TCP; UMAS recognised.

Sources: [APP] Modbus Application Protocol V1.1b3; [TCP] Messaging on TCP/IP Implementation Guide
V1.0b; [SERIAL] Modbus over Serial Line V1.02. UMAS, which is not published by its maker, by the
names that public research gives (the plc4x driver, public Wireshark dissectors, Kaspersky ICS
CERT 2022); codes outside [APP] by the names of Zeek's analyser, which has them from PI-MBUS-300.

The key of a unit is its first bytes, cut to what names the operation and its object: unit,
function, address, count; where an object is a list, a span of the unit besides. Transaction id,
UMAS session, register and coil values, masks, counters and event logs are not in it, with one
exception: a write of several file records has its data between the records' numbers, so all of
it is the key.

Units 0 and 255 mean the address itself on TCP and UDP ([TCP] 4.4.2), so `device` is empty there.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from otsec.columns import I64, U64, Bytes, Ints, Mask, gather, span_word
from otsec.errors import Malformed, Truncated
from otsec.model import OperationClass
from otsec.protocols.api import (
    BITS,
    U16_BE,
    Elements,
    Fact,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing import mbap, modbus_rtu
from otsec.protocols.texts import sent
from otsec.protocols.transfers.umas import TRANSFERS

MBAP_FRAMING, RTU_FRAMING = 0, 1  # positions in Protocol.framings

READ_BITS, READ_REGISTERS = (1, 2), (3, 4)
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
EXCEPTION_STATUS, DIAGNOSTICS, EVENT_COUNTER, EVENT_LOG, SERVER_ID = 7, 8, 11, 12, 17
READ_FILE, WRITE_FILE, MASK_WRITE, READ_WRITE, READ_FIFO = 20, 21, 22, 23, 24
ENCAPSULATED, UMAS = 0x2B, 0x5A
CANOPEN, DEVICE_IDENTIFICATION = 13, 14  # MEI types of function 0x2b, [APP] 6.19
FAILED = 0x80  # set in the function code of an exception response, [APP] 7

MOST_BITS_READ, MOST_REGISTERS_READ = 2000, 125  # [APP] 6.1, 6.3
MOST_COILS_WRITTEN, MOST_REGISTERS_WRITTEN = 1968, 123  # [APP] 6.11, 6.12
MOST_WRITTEN_AND_READ = 121  # [APP] 6.17
MOST_QUEUED = 31  # [APP] 6.18
ADDRESSES = 65_536
RECORD = 6  # reference type of a file record, [APP] 6.14

# ---------------------------------------------------------------------------- the words

FUNCTIONS: dict[int, tuple[str, OperationClass]] = {  # [APP] 6
    1: ("read_coils", "read"),
    2: ("read_discrete_inputs", "read"),
    3: ("read_holding_registers", "read"),
    4: ("read_input_registers", "read"),
    WRITE_COIL: ("write_single_coil", "write"),
    WRITE_REGISTER: ("write_single_register", "write"),
    EXCEPTION_STATUS: ("read_exception_status", "diagnose"),
    EVENT_COUNTER: ("get_comm_event_counter", "diagnose"),
    EVENT_LOG: ("get_comm_event_log", "diagnose"),
    WRITE_COILS: ("write_multiple_coils", "write"),
    WRITE_REGISTERS: ("write_multiple_registers", "write"),
    SERVER_ID: ("report_server_id", "browse"),
    READ_FILE: ("read_file_record", "file"),
    WRITE_FILE: ("write_file_record", "file"),
    MASK_WRITE: ("mask_write_register", "write"),
    READ_WRITE: ("read_write_multiple_registers", "write"),
    READ_FIFO: ("read_fifo_queue", "read"),
}
DIAGNOSES: dict[int, tuple[str, OperationClass]] = {  # sub-functions of 8, [APP] 6.8.1
    0: ("return_query_data", "diagnose"),
    1: ("restart_communications_option", "mode"),
    2: ("return_diagnostic_register", "diagnose"),
    3: ("change_ascii_input_delimiter", "diagnose"),
    4: ("force_listen_only_mode", "mode"),
    10: ("clear_counters_and_diagnostic_register", "diagnose"),
    11: ("return_bus_message_count", "diagnose"),
    12: ("return_bus_communication_error_count", "diagnose"),
    13: ("return_bus_exception_error_count", "diagnose"),
    14: ("return_server_message_count", "diagnose"),
    15: ("return_server_no_response_count", "diagnose"),
    16: ("return_server_nak_count", "diagnose"),
    17: ("return_server_busy_count", "diagnose"),
    18: ("return_bus_character_overrun_count", "diagnose"),
    19: ("return_iop_overrun_count", "diagnose"),  # 19 and 21 are of PI-MBUS-300
    20: ("clear_overrun_counter_and_flag", "diagnose"),
    21: ("get_clear_modbus_plus_statistics", "diagnose"),
}
COUNTED = (2, *range(11, 20))  # sub-functions whose response is a register or a counter
INTERFACES: dict[int, tuple[str, OperationClass]] = {  # MEI types
    CANOPEN: ("canopen_general_reference", "write"),  # reads or writes; mixed is write
    DEVICE_IDENTIFICATION: ("read_device_identification", "browse"),
}
UMAS_FUNCTIONS: dict[int, tuple[str, OperationClass]] = {
    0x01: ("umas_init_comm", "session"),
    0x02: ("umas_read_id", "browse"),
    0x03: ("umas_read_project_info", "browse"),
    0x04: ("umas_read_plc_info", "browse"),
    0x06: ("umas_read_card_info", "browse"),
    0x0A: ("umas_repeat", "diagnose"),
    0x10: ("umas_take_plc_reservation", "session"),
    0x11: ("umas_release_plc_reservation", "session"),
    0x12: ("umas_keep_alive", "session"),
    0x20: ("umas_read_memory_block", "read"),
    0x22: ("umas_read_variables", "read"),
    0x23: ("umas_write_variables", "write"),
    0x24: ("umas_read_coils_registers", "read"),
    0x25: ("umas_write_coils_registers", "write"),
    0x26: ("umas_read_variable_names", "browse"),
    0x30: ("umas_initialize_upload", "program"),
    0x31: ("umas_upload_block", "program"),
    0x32: ("umas_end_strategy_upload", "program"),
    0x33: ("umas_initialize_download", "program"),
    0x34: ("umas_download_block", "program"),
    0x35: ("umas_end_strategy_download", "program"),
    0x39: ("umas_read_eth_master_data", "diagnose"),
    0x40: ("umas_start_plc", "mode"),
    0x41: ("umas_stop_plc", "mode"),
    0x50: ("umas_monitor_plc", "read"),
    0x58: ("umas_check_plc", "diagnose"),
    0x70: ("umas_read_io_object", "read"),
    0x71: ("umas_write_io_object", "write"),
    0x73: ("umas_get_status_module", "diagnose"),
}
UMAS_FAILED, UMAS_OK = 0xFD, 0xFE  # stand in a response where a request has its function
RESERVED: dict[int, tuple[str, OperationClass]] = {  # of old controllers; bodies not published
    9: ("program_484", "program"),
    10: ("poll_484", "program"),
    13: ("program_584_984", "program"),
    14: ("poll_584_984", "program"),
    18: ("program_884_u84", "program"),
    19: ("reset_comm_link_884_u84", "mode"),
    40: ("program_concept", "program"),
    125: ("firmware_replacement", "firmware"),
    126: ("program_584_984_2", "program"),
    127: ("report_local_address", "browse"),
}
EXCEPTIONS = {  # [APP] 7; 7 is of the older PI-MBUS-300
    1: "illegal_function",
    2: "illegal_data_address",
    3: "illegal_data_value",
    4: "server_device_failure",
    5: "acknowledge",
    6: "server_device_busy",
    7: "negative_acknowledge",
    8: "memory_parity_error",
    10: "gateway_path_unavailable",
    11: "gateway_target_device_failed_to_respond",
}
IDENTITY = {  # objects of a device identification, [APP] 6.21
    0: "vendor",
    1: "product_code",
    2: "revision",
    3: "vendor_url",
    4: "product_name",
    5: "model_name",
    6: "user_application",
}
LEVELS = {1: "basic", 2: "regular", 3: "extended"}  # read device id codes
INDIVIDUAL = 4
# what an unknown code changes is unknown too, so it is put where it will be looked at
UNKNOWN_CLASS: OperationClass = "config"
_UNNAMED: dict[int, OperationClass] = {  # functions that have a second code, where it is not known
    DIAGNOSTICS: "diagnose",
    ENCAPSULATED: "browse",
    UMAS: "session",
}
SPACES = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding"} | {
    WRITE_COILS: "coil",
    WRITE_REGISTERS: "holding",
}
OPERATIONS = tuple(  # the code is the function; behind it, where there is one, its second code
    Operation(name, cls, code)
    for prefix, table in (
        (None, FUNCTIONS),
        (DIAGNOSTICS, DIAGNOSES),
        (ENCAPSULATED, INTERFACES),
        (UMAS, UMAS_FUNCTIONS),
        (None, RESERVED),
    )
    for second, (name, cls) in table.items()
    for code in (second if prefix is None else prefix << 16 | second,)
)
_FUNCTION_OF = {operation.name: operation.code >> 16 or operation.code for operation in OPERATIONS}

# -------------------------------------------------------------- what a body looks like

_SIZES = 512  # columns of the tables below: bytes of a body; none but UMAS has more than 258
_BODY_BYTES = 6  # of the body that stand in the front word


@dataclass(frozen=True, slots=True)
class _Form:
    """How the body (what follows the function) of a request or response is built."""

    sizes: tuple[int, ...] | range  # how many bytes it may have
    # which bytes it must have at which offset, given its size
    bytes_at: Callable[[int], dict[int, int]] = lambda _size: {}
    # least and most of the word at offset 2, the count in most requests
    count: Callable[[int], tuple[int, int]] = lambda _size: (0, 0xFFFF)
    ranged: bool = False  # whether address and count must stay within the addresses
    kept: int = 0  # bytes that belong to the key


def _counted(size: int) -> dict[int, int]:
    """The first byte counts the rest."""
    return {0: size - 1}


def _fixed(least: int, most: int) -> Callable[[int], tuple[int, int]]:
    return lambda _size: (least, most)


_LONGEST = mbap.LONGEST - mbap.SHORTEST
_EMPTY = _Form((0,))
_ECHO = _Form((4,), kept=2)
_COIL_ECHO = replace(_ECHO, bytes_at=lambda _size: {3: 0}, count=_fixed(0xFF00, 0x0000))
_RECORDS = _Form(range(10, 253), _counted)
_FORMS: tuple[dict[int, _Form], dict[int, _Form]] = (
    {  # requests
        **dict.fromkeys(
            READ_BITS, _Form((4,), count=_fixed(1, MOST_BITS_READ), ranged=True, kept=4)
        ),
        **dict.fromkeys(
            READ_REGISTERS, _Form((4,), count=_fixed(1, MOST_REGISTERS_READ), ranged=True, kept=4)
        ),
        WRITE_COIL: _COIL_ECHO,
        WRITE_REGISTER: _ECHO,
        **dict.fromkeys((EXCEPTION_STATUS, EVENT_COUNTER, EVENT_LOG, SERVER_ID), _EMPTY),
        DIAGNOSTICS: _Form(range(4, _LONGEST, 2), kept=2),
        WRITE_COILS: _Form(
            range(6, 6 + MOST_COILS_WRITTEN // 8),
            lambda size: {4: size - 5},
            lambda size: (8 * size - 47, 8 * size - 40),
            ranged=True,
            kept=4,
        ),
        WRITE_REGISTERS: _Form(
            range(7, 6 + 2 * MOST_REGISTERS_WRITTEN, 2),
            lambda size: {2: 0, 3: (size - 5) // 2, 4: size - 5},
            ranged=True,
            kept=4,
        ),
        READ_FILE: _Form(range(8, 247, 7), _counted),
        WRITE_FILE: _RECORDS,
        MASK_WRITE: _Form((6,), kept=2),
        READ_WRITE: _Form(
            range(11, 10 + 2 * MOST_WRITTEN_AND_READ, 2),
            count=_fixed(1, MOST_REGISTERS_READ),
            ranged=True,
            kept=4,
        ),
        READ_FIFO: _Form((2,), kept=2),
        ENCAPSULATED: _Form(range(1, _LONGEST), kept=1),
        UMAS: _Form(range(2, _SIZES)),
    },
    {  # responses
        **dict.fromkeys(READ_BITS, _Form(range(2, 252), _counted, kept=1)),
        **dict.fromkeys(READ_REGISTERS, _Form(range(3, 252, 2), _counted, kept=1)),
        WRITE_COIL: _COIL_ECHO,
        WRITE_REGISTER: _ECHO,
        EXCEPTION_STATUS: _Form((1,)),
        DIAGNOSTICS: _Form(range(4, _LONGEST, 2), kept=2),
        EVENT_COUNTER: _Form((4,)),
        EVENT_LOG: _Form(range(7, 72), _counted),
        WRITE_COILS: _Form((4,), count=_fixed(1, MOST_COILS_WRITTEN), ranged=True, kept=4),
        WRITE_REGISTERS: _Form((4,), count=_fixed(1, MOST_REGISTERS_WRITTEN), ranged=True, kept=4),
        SERVER_ID: _Form(range(2, 252), _counted),
        READ_FILE: _Form(range(5, 247), _counted, kept=2),
        WRITE_FILE: _RECORDS,
        MASK_WRITE: _Form((6,), kept=2),
        READ_WRITE: _Form(range(3, 252, 2), _counted, kept=1),
        READ_FIFO: _Form(
            range(4, 5 + 2 * MOST_QUEUED, 2),
            lambda size: {0: 0, 1: size - 2, 2: 0, 3: (size - 4) // 2},
        ),
        ENCAPSULATED: _Form(range(1, _LONGEST), kept=1),
        UMAS: _Form(range(2, _SIZES)),
        **dict.fromkeys(range(FAILED + 1, 256), _Form((1,), kept=1)),
    },
)
_RARE_FUNCTIONS = (
    DIAGNOSTICS,
    SERVER_ID,
    READ_FILE,
    WRITE_FILE,
    READ_WRITE,
    ENCAPSULATED,
    UMAS,
)


class _Tables:
    """The forms as look-ups: by side and function a row, and by row and size of the body.

    A body fits if ``front & mask == value``, and its count lies within ``span`` of ``least``,
    modulo 2**16. Row 0 fits nothing, row 1 everything.
    """

    def __init__(self) -> None:
        forms = list({id(form): form for side in _FORMS for form in side.values()}.values())
        rows = 2 + len(forms)
        self.mask = np.zeros(rows * _SIZES, np.uint64)
        self.value = np.ones(rows * _SIZES, np.uint64)  # 0 & mask is never 1
        self.value[_SIZES : 2 * _SIZES] = 0
        self.least = np.zeros(rows * _SIZES, np.uint16)
        self.span = np.full(rows * _SIZES, 0xFFFF, np.uint16)
        self.row = np.full(512, _SIZES, np.int64)  # times _SIZES, by side times 256 and function
        self.row[[0, 256, 256 + FAILED]] = 0  # function 0 is not valid, [APP] 4.1
        self.row[FAILED:256] = 0  # exceptions are no requests
        self.ranged = np.zeros(512, np.bool_)
        self.kept = np.full(512, _front_mask(0), np.uint64)
        for row, form in enumerate(forms, 2):
            self._fill(row * _SIZES, form)
        numbers = {id(form): row * _SIZES for row, form in enumerate(forms, 2)}
        for side, by_function in enumerate(_FORMS):
            for function, form in by_function.items():
                self.row[side << 8 | function] = numbers[id(form)]
                self.ranged[side << 8 | function] = form.ranged
                self.kept[side << 8 | function] = _front_mask(form.kept)

    def _fill(self, row: int, form: _Form) -> None:
        at = row + np.array(form.sizes)
        required = [form.bytes_at(size) for size in form.sizes]
        self.mask[at] = [_front(dict.fromkeys(one, 0xFF)) for one in required]
        self.value[at] = [_front(one) for one in required]
        counts = [form.count(size) for size in form.sizes]
        self.least[at] = [least for least, _ in counts]
        self.span[at] = [(most - least) & 0xFFFF for least, most in counts]


def _front(bytes_at: dict[int, int]) -> int:
    """A front word with these bytes at these offsets of its body."""
    return sum(byte << 8 * (_BODY_BYTES - 1 - at) for at, byte in bytes_at.items())


def _front_mask(kept: int) -> int:
    """The unit, the function and ``kept`` bytes of the body in a front word."""
    return (0xFFFF << 48) | ((1 << 8 * kept) - 1) << 8 * (_BODY_BYTES - kept)


_TABLES = _Tables()
_RARE = np.isin(np.arange(256), _RARE_FUNCTIONS)


# ------------------------------------------------------------------- units as columns


@dataclass(frozen=True, slots=True)
class _Pdus:
    """Units without their framing, as columns."""

    buffer: Bytes
    unit: I64  # offset of the unit identifier
    end: I64  # offset behind the last byte of the body
    size: I64  # bytes of the body
    front: U64  # unit, function and six bytes of the body, most significant first; zero behind it
    function: I64
    count: NDArray[np.uint16]  # the word at offset 2 of the body

    def take(self, rows: I64) -> "_Pdus":
        """Some of them."""
        return _Pdus(
            self.buffer,
            self.unit[rows],
            self.end[rows],
            self.size[rows],
            self.front[rows],
            self.function[rows],
            self.count[rows],
        )

    def body(self, at: int) -> U64:
        """The eight bytes from offset ``at`` of the bodies, most significant first."""
        return span_word(self.buffer, self.unit, self.end - self.unit, 2 + at).byteswap()


def _pdus(units: Units) -> _Pdus:
    rtu = units.framing == RTU_FRAMING
    if rtu.any():
        unit = units.start + np.where(rtu, 0, mbap.FRONT)
        end = units.end - np.where(rtu, 2, 0)
    else:
        unit, end = units.start + mbap.FRONT, units.end
    front = span_word(units.buffer, unit, end - unit, 0).byteswap()
    function = ((front >> np.uint64(48)) & np.uint64(0xFF)).astype(np.int64)
    count = (front >> np.uint64(16)).astype(np.uint16)
    return _Pdus(units.buffer, unit, end, end - unit - 2, front, function, count)


def _fits(pdus: _Pdus, side: int | I64) -> Mask:
    """Whether the bodies have the form of that side's; true for unknown functions."""
    row = pdus.function + side * 256
    at = _TABLES.row[row] + np.minimum(pdus.size, _SIZES - 1)
    fits: Mask = pdus.front & _TABLES.mask[at] == _TABLES.value[at]
    fits &= pdus.count - _TABLES.least[at] <= _TABLES.span[at]
    address = (pdus.front >> np.uint64(32)).astype(np.uint16)
    over = address + (pdus.count - np.uint16(1)) < address
    if over.any():
        fits &= ~(over & _TABLES.ranged[row])
    rare = np.flatnonzero(_RARE[pdus.function] & fits)
    if len(rare):
        sides = np.broadcast_to(side, fits.shape)[rare]
        fits[rare] = _rare_fits(pdus.take(rare), sides)
    return fits


def _rare_fits(pdus: _Pdus, side: I64) -> Mask:
    fits = np.ones(len(side), np.bool_)
    for (function, asked), check in _CHECKS.items():
        rows = np.flatnonzero((pdus.function == function) & (side == asked))
        if len(rows):
            fits[rows] = check(pdus.take(rows))
    return fits


def _byte(word: U64, at: int) -> I64:
    """One byte of words that `_Pdus.body` gave."""
    return ((word >> np.uint64(56 - 8 * at)) & np.uint64(0xFF)).astype(np.int64)


def _word(word: U64, at: int) -> I64:
    """Two bytes of words that `_Pdus.body` gave."""
    return ((word >> np.uint64(48 - 8 * at)) & np.uint64(0xFFFF)).astype(np.int64)


def _records_asked(pdus: _Pdus) -> Mask:
    """[APP] 6.14: sub-requests of 7 bytes; at most 35, one a round."""
    return _walk(pdus, lambda reference: np.full(len(reference), 7))


def _records_written(pdus: _Pdus) -> Mask:
    """[APP] 6.15: sub-requests of 7 bytes and their data; at most 27, one a round."""
    return _walk(pdus, lambda reference: 7 + 2 * _word(reference, 5))


def _walk(pdus: _Pdus, length: Callable[[U64], I64]) -> Mask:
    """Whether file references follow one another up to the end, each of a possible record."""
    fits = np.ones(len(pdus.unit), np.bool_)
    at = pdus.unit + 3
    rows = np.flatnonzero(at < pdus.end)
    while len(rows):
        reference = span_word(pdus.buffer, at[rows], pdus.end[rows] - at[rows], 0).byteswap()
        records = _word(reference, 5)
        good = (_byte(reference, 0) == RECORD) & (records > 0)
        good &= _word(reference, 3) + records <= ADDRESSES
        at[rows] += length(reference)
        good &= at[rows] <= pdus.end[rows]
        fits[rows[~good]] = False
        rows = rows[good & (at[rows] < pdus.end[rows])]
    return fits


def _records_read(pdus: _Pdus) -> Mask:
    """[APP] 6.14: each a length, the reference type and registers; at most 61, one a round."""
    fits = np.ones(len(pdus.unit), np.bool_)
    at = pdus.unit + 3
    rows = np.flatnonzero(at < pdus.end)
    while len(rows):
        head = span_word(pdus.buffer, at[rows], pdus.end[rows] - at[rows], 0).byteswap()
        length = _byte(head, 0)
        good = (_byte(head, 1) == RECORD) & (length >= 3) & (length % 2 == 1)
        at[rows] += 1 + length
        good &= at[rows] <= pdus.end[rows]
        fits[rows[~good]] = False
        rows = rows[good & (at[rows] < pdus.end[rows])]
    return fits


def _written_range(pdus: _Pdus) -> Mask:
    """[APP] 6.17: the second range of a read/write and its byte count."""
    word = pdus.body(4)
    address, count, size = _word(word, 0), _word(word, 2), _byte(word, 4)
    fits: Mask = (size == pdus.size - 9) & (count * 2 == size)
    return fits & (address + count <= ADDRESSES)


def _interface_asked(pdus: _Pdus) -> Mask:
    """[APP] 6.21: three bytes; bodies of other interface types are not known."""
    word = pdus.body(0)
    code = _byte(word, 1)
    fits: Mask = (pdus.size == 3) & (code >= 1) & (code <= INDIVIDUAL)
    fits |= _byte(word, 0) != DEVICE_IDENTIFICATION
    return fits


def _interface_answered(pdus: _Pdus) -> Mask:
    """[APP] 6.21: a list of objects; at most 123, one a round."""
    word = pdus.body(0)
    code, follows, left = _byte(word, 1), _byte(word, 3), _byte(word, 5)
    fits: Mask = (pdus.size >= 6) & (code >= 1) & (code <= INDIVIDUAL)
    fits &= (follows == 0) | (follows == 0xFF)
    at = pdus.unit + 8
    rows = np.flatnonzero(fits & (left > 0))
    while len(rows):
        head = span_word(pdus.buffer, at[rows], pdus.end[rows] - at[rows], 0).byteswap()
        good = at[rows] + 2 <= pdus.end[rows]
        at[rows] += 2 + _byte(head, 1)
        left[rows] -= 1
        rows = rows[good & (at[rows] <= pdus.end[rows]) & (left[rows] > 0)]
    fits &= (left == 0) & (at == pdus.end)
    fits |= _byte(word, 0) != DEVICE_IDENTIFICATION
    return fits


def _umas_answers(pdus: _Pdus) -> Mask:
    second = _byte(pdus.body(0), 1)
    answers: Mask = (second == UMAS_OK) | (second == UMAS_FAILED)
    return answers


def _umas_asks(pdus: _Pdus) -> Mask:
    return ~_umas_answers(pdus)


_CHECKS: dict[tuple[int, Side], Callable[[_Pdus], Mask]] = {
    (READ_FILE, Side.REQUEST): _records_asked,
    (READ_FILE, Side.RESPONSE): _records_read,
    (WRITE_FILE, Side.REQUEST): _records_written,
    (WRITE_FILE, Side.RESPONSE): _records_written,
    (READ_WRITE, Side.REQUEST): _written_range,
    (ENCAPSULATED, Side.REQUEST): _interface_asked,
    (ENCAPSULATED, Side.RESPONSE): _interface_answered,
    (UMAS, Side.REQUEST): _umas_asks,
    (UMAS, Side.RESPONSE): _umas_answers,
}

# -------------------------------------------------------------------- claims and sides

_PUBLIC = np.isin(np.arange(256), [*FUNCTIONS, DIAGNOSTICS, ENCAPSULATED, UMAS])
_PUBLIC[FAILED:] = _PUBLIC[:FAILED]
_LAST_ADDRESS = 247  # of serial units, [SERIAL] 2.2


def claims(units: Units) -> Mask:
    """Whether each unit is Modbus beyond reasonable doubt: its framing, and a public function."""
    mine = np.zeros(len(units), np.bool_)
    pdus = _pdus(units)
    rows = np.flatnonzero(_PUBLIC[pdus.function] & (pdus.size >= 0))
    if not len(rows):
        return mine
    some = pdus if len(rows) == len(units) else pdus.take(rows)
    fits = _fits(some, 0) | _fits(some, 1)
    coded = np.flatnonzero(_CODED[some.function] & fits)
    if len(coded):
        fits[coded] = _second_code_known(some.take(coded))
    serial = units.framing[rows] == RTU_FRAMING
    if serial.any():
        # ROC Plus has the same check sum; to group 2 its messages without data read as bits
        roc = np.isin(some.function, READ_BITS) & (some.size == 4) & (some.count & 0xFF == 0)
        fits &= ~(roc & serial)
    rows = rows[fits]
    mine[rows[_framed(units, rows)]] = True
    return mine


def _second_code_known(pdus: _Pdus) -> Mask:
    """Whether sub-function, interface type, UMAS function or exception code has a name."""
    known = np.ones(len(pdus.unit), np.bool_)
    word = pdus.front
    for mask, table in (
        (pdus.function == DIAGNOSTICS, _DIAGNOSES[_word(word, 2)]),
        (pdus.function == ENCAPSULATED, _byte(word, 2) == DEVICE_IDENTIFICATION),
        (pdus.function == UMAS, _UMAS_CODES[_byte(word, 3)]),
        (pdus.function >= FAILED, _EXCEPTIONS[_byte(word, 2)]),
    ):
        known &= ~mask | table
    return known


_CODED = np.isin(np.arange(256), (DIAGNOSTICS, ENCAPSULATED, UMAS, *range(FAILED, 256)))
_DIAGNOSES = np.isin(np.arange(1 << 16), list(DIAGNOSES))
_UMAS_CODES = np.isin(np.arange(256), [*UMAS_FUNCTIONS, UMAS_OK, UMAS_FAILED])
_EXCEPTIONS = np.isin(np.arange(256), list(EXCEPTIONS))


def _framed(units: Units, rows: I64) -> Mask:
    """Whether the units are whole units of their framing, and of a possible address."""
    start, end, framing = units.start[rows], units.end[rows], units.framing[rows]
    word = span_word(units.buffer, start, end - start, 0).byteswap()
    said = ((word >> np.uint64(16)) & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    framed: Mask = said == end - start - mbap.FRONT
    serial = np.flatnonzero(framing == RTU_FRAMING)
    if len(serial):
        whole = modbus_rtu.whole_frames(units.buffer, start[serial], end[serial])
        framed[serial] = whole & (_byte(word[serial], 0) <= _LAST_ADDRESS)
    return framed


def sides(units: Units) -> Ints:
    """The side by content; UNKNOWN where the unit could be both, as the echoes of writes, or none."""
    pdus = _pdus(units)
    asks, answers = _fits(pdus, 0), _fits(pdus, 1)
    return np.asarray(_SIDE[asks.view(np.uint8) + answers.view(np.uint8) * 2])


_SIDE = np.array([Side.UNKNOWN, Side.REQUEST, Side.RESPONSE, Side.UNKNOWN], np.uint8)

# ------------------------------------------------------------------------------- split


class _ValueTables:
    """Where the values of a unit stand, by side times 256 and function."""

    def __init__(self) -> None:
        self.at = np.zeros(512, np.int64)  # offset from the unit identifier
        self.per_byte = np.zeros(512, np.int64)  # values for each two bytes counted
        self.per_count = np.zeros(512, np.int64)  # values for each one counted
        self.fixed = np.zeros(512, np.int64)
        self.type = np.zeros(512, np.uint8)
        for function in (*READ_BITS, *READ_REGISTERS, READ_WRITE):
            row = 256 + function
            bits = function in READ_BITS
            self.at[row], self.per_byte[row] = 3, 16 if bits else 1
            self.type[row] = BITS if bits else U16_BE
        for function, kind, at, fixed in (
            (WRITE_COIL, BITS, 4, 1),
            (WRITE_REGISTER, U16_BE, 4, 1),
            (MASK_WRITE, U16_BE, 4, 2),
            (256 + EXCEPTION_STATUS, BITS, 2, 8),
        ):
            self.at[function], self.fixed[function], self.type[function] = at, fixed, kind
        for function, kind in ((WRITE_COILS, BITS), (WRITE_REGISTERS, U16_BE)):
            self.at[function], self.per_count[function], self.type[function] = 7, 1, kind


_VALUES = _ValueTables()
_RTU_ALIKE_SIZE = np.full(256, -1, np.int64)  # see `_could_be_rtu`
_RTU_ALIKE_SIZE[[1, 2, 3, 4, 5, 6, 8, 11, 15, 16]] = 0
_RTU_ALIKE_SIZE[22] = 2
_RTU_ALIKE_ANY = np.isin(np.arange(256), (15, 16, 23))


def split(units: Units) -> Split:
    """Key: unit, function, address, count and what else names an object. Tag: transaction id."""
    pdus = _pdus(units)
    side, malformed = _settle(units.side, pdus)
    row = pdus.function + side * 256
    counted = _byte(pdus.front, 2)
    key = pdus.front & _TABLES.kept[row] | side.astype(np.uint64)
    count = (counted * _VALUES.per_byte[row] >> 1) + pdus.count * _VALUES.per_count[row]
    count += _VALUES.fixed[row]
    count[malformed] = 0
    serial = units.framing == RTU_FRAMING
    transaction, _ = gather(units.buffer, units.start, units.end, np.dtype(">u2"))
    tag = transaction.astype(np.uint64)
    malformed |= _could_be_rtu(units, pdus, tag) & ~serial
    if serial.any():
        key |= serial.astype(np.uint64) << np.uint64(1)
        tag[serial] = 0
    result = Split(
        key_words=[key],
        key_start=pdus.unit + 2,
        key_length=np.zeros(len(units), np.int64),
        tag=tag,
        value_start=pdus.unit + _VALUES.at[row],
        value_count=count,
        value_type=_VALUES.type[row],
        malformed=malformed,
    )
    rare = np.flatnonzero(_RARE[pdus.function] & ~malformed)
    if len(rare):
        _split_rare(result, rare, pdus.take(rare), side[rare])
    return result


def _settle(side: Ints, pdus: _Pdus) -> tuple[I64, Mask]:
    """The side of each unit, and whether it is malformed as such.

    A side that is not known is taken as request if the unit has a request's form.
    """
    settled = side.astype(np.int64)
    unknown = np.flatnonzero(settled == Side.UNKNOWN)
    if len(unknown):
        some = pdus.take(unknown)
        settled[unknown] = ~_fits(some, 0) & _fits(some, 1)
    return settled, ~_fits(pdus, settled)


def _could_be_rtu(units: Units, pdus: _Pdus, transaction: U64) -> Mask:
    """Units that are by chance whole RTU frames too, check sum and all.

    `decode` sees only bytes and takes such a unit for a frame; here it is known that it is none,
    so it is not decoded. It takes a transaction id that reads as address and function, and a
    length that reads as count, before one in 65,536 comes out right.
    """
    function = (transaction & np.uint64(0xFF)).astype(np.int64)
    result = np.zeros(len(units), np.bool_)
    rows = np.flatnonzero((pdus.size == _RTU_ALIKE_SIZE[function]) | _RTU_ALIKE_ANY[function])
    if len(rows):
        function, size, front = function[rows], pdus.size[rows], pdus.front[rows]
        # the byte counts of such frames are the unit identifier or the third byte of the body
        both = function == READ_WRITE
        counted = np.where(both, _byte(front, 4) == size - 5, _byte(front, 0) == size - 1)
        rows = rows[counted | (size == _RTU_ALIKE_SIZE[function])]
    if len(rows):
        frames = modbus_rtu.whole_frames(units.buffer, units.start[rows], units.end[rows])
        result[rows] = frames
    return result


def _split_rare(result: Split, rows: I64, pdus: _Pdus, side: I64) -> None:
    """Correct the columns of functions whose second code or lists do not fit the tables."""
    for (function, asked), correct in _CORRECTIONS.items():
        some = np.flatnonzero((pdus.function == function) & (side == asked))
        if len(some):
            correct(result, rows[some], pdus.take(some))


def _diagnosis_answered(result: Split, rows: I64, pdus: _Pdus) -> None:
    counts = np.isin(_word(pdus.front, 2), COUNTED) & (pdus.size == 4)
    result.value_start[rows] = pdus.unit + 4
    result.value_count[rows] = counts
    result.value_type[rows] = U16_BE


def _whole_body(result: Split, rows: I64, pdus: _Pdus) -> None:
    result.key_length[rows] = pdus.size


def _first_record_read(result: Split, rows: I64, pdus: _Pdus) -> None:
    single = pdus.size == _byte(pdus.front, 3) + 2
    result.value_start[rows] = pdus.unit + 5
    result.value_count[rows] = np.where(single, (_byte(pdus.front, 3) - 1) // 2, 0)
    result.value_type[rows] = U16_BE


def _record_to_write(result: Split, rows: I64, pdus: _Pdus) -> None:
    _record_written(result, rows, pdus)
    single = result.key_length[rows] < pdus.size
    result.value_start[rows] = pdus.unit + 10
    result.value_count[rows] = np.where(single, (pdus.size - 8) // 2, 0)
    result.value_type[rows] = U16_BE


def _record_written(result: Split, rows: I64, pdus: _Pdus) -> None:
    records = _word(pdus.body(6), 0)
    result.key_length[rows] = np.where(pdus.size == 8 + 2 * records, 8, pdus.size)


def _second_range(result: Split, rows: I64, pdus: _Pdus) -> None:
    count = _word(pdus.body(6), 0)
    result.key_start[rows] = pdus.unit + 6
    result.key_length[rows] = 4
    result.value_start[rows] = pdus.unit + 11
    result.value_count[rows] = count
    result.value_type[rows] = U16_BE


def _identification_asked(result: Split, rows: I64, pdus: _Pdus) -> None:
    known = _byte(pdus.front, 2) == DEVICE_IDENTIFICATION
    kept = np.where(known, np.uint64(_front_mask(3)), np.uint64(_front_mask(1)))
    result.key_words[0][rows] |= pdus.front & kept


def _identification_answered(result: Split, rows: I64, pdus: _Pdus) -> None:
    known = _byte(pdus.front, 2) == DEVICE_IDENTIFICATION
    result.key_length[rows] = np.where(known, pdus.size, 0)


def _umas_function(result: Split, rows: I64, pdus: _Pdus) -> None:
    result.key_words[0][rows] |= pdus.front & np.uint64(0xFF << 32)


_CORRECTIONS: dict[tuple[int, Side], Callable[[Split, I64, _Pdus], None]] = {
    (DIAGNOSTICS, Side.RESPONSE): _diagnosis_answered,
    (SERVER_ID, Side.RESPONSE): _whole_body,
    (READ_FILE, Side.REQUEST): _whole_body,
    (READ_FILE, Side.RESPONSE): _first_record_read,
    (WRITE_FILE, Side.REQUEST): _record_to_write,
    (WRITE_FILE, Side.RESPONSE): _record_written,
    (READ_WRITE, Side.REQUEST): _second_range,
    (ENCAPSULATED, Side.REQUEST): _identification_asked,
    (ENCAPSULATED, Side.RESPONSE): _identification_answered,
    (UMAS, Side.REQUEST): _umas_function,
    (UMAS, Side.RESPONSE): _umas_function,
}

# ------------------------------------------------------------------------------ decode


@dataclass(slots=True)
class _Pdu:
    """One unit without its framing."""

    device: str
    function: int
    body: Reader
    request: Message | None  # the request that it answers, if it is known and of this function
    astray: bool = False  # whether it answers a request of another function

    def asks(
        self,
        operation: tuple[str, OperationClass],
        object_: str = "",
        elements: Elements | None = None,
        note: str = "",
    ) -> Message:
        """A request."""
        name, cls = operation
        return Message(name, cls, object_, self.device, "", elements, (), note)

    def answers(
        self,
        operation: tuple[str, OperationClass],
        object_: str | None = None,
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        *,
        outcome: str = "ok",
        note: str = "",
    ) -> Message:
        """A response; with ``object_`` None its object is its request's."""
        name, cls = operation
        if self.request is not None:
            name, cls = self.request.operation, self.request.cls
        if object_ is None:
            object_ = self.request.object if self.request is not None else UNKNOWN_OBJECT
        elif self.request is not None and self.request.object != object_:
            outcome = MISMATCH
        if self.astray:
            outcome = MISMATCH
        return Message(name, cls, object_, self.device, outcome, elements, facts, note)


UNKNOWN_OBJECT = "unknown"  # of a response whose request was not seen
MISMATCH = "mismatch"  # the response does not fit the request with its transaction id
_OPAQUE = "opaque: the code is not public"
_UMAS_OPAQUE = "opaque: UMAS is not public"


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct request or response, in its framing.

    Where the reader does not know the framing, bytes that are one whole RTU frame, check sum and
    all, are one; others have an MBAP header.
    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts [APP].
    """
    unit, pdu, serial = _unframe(reader)
    device = f"unit {unit}" if serial or unit not in (0, 255) else ""
    if side != Side.UNKNOWN:
        return _decode_pdu(device, pdu, side, request)
    try:
        return _decode_pdu(device, pdu, Side.REQUEST, None)
    except Malformed:
        return _decode_pdu(device, pdu, Side.RESPONSE, request)


def _unframe(reader: Reader) -> tuple[int, bytes, bool]:
    """(unit, function and body, whether it is an RTU frame)."""
    data = reader.rest()
    known = reader.framing
    if known == RTU_FRAMING or (known is None and modbus_rtu.is_frame(data)):
        return data[0], data[1:-2], True
    if len(data) < _HEADER.size:
        raise Truncated(f"{len(data)} bytes of a header and a function")
    _, protocol, length, unit, function = _HEADER.unpack_from(data)
    longest = mbap.LONGEST_UMAS if function == mbap.UMAS else mbap.LONGEST
    if protocol != 0 or not mbap.SHORTEST <= length <= longest:
        if any(said > len(data) for said in modbus_rtu.said_lengths(data)):
            raise Truncated(f"{len(data)} bytes of an RTU frame")
        raise Malformed(f"protocol id {protocol}, length {length}, and no RTU check sum")
    behind = len(data) - mbap.FRONT - length
    if behind < 0:
        raise Truncated(f"{-behind} bytes of the unit are missing")
    if behind:
        raise Malformed(f"{behind} bytes behind the unit")
    return unit, data[mbap.FRONT + 1 :], False


_HEADER = struct.Struct(">HHHBB")  # [TCP] 3.1.3, and the function


def _decode_pdu(device: str, pdu: bytes, side: Side, request: Message | None) -> Message:
    code = pdu[0]
    if code in (0, FAILED) or (side == Side.REQUEST and code > FAILED):
        raise Malformed(f"function {code:#04x}")
    function = code & ~FAILED
    body = Reader(pdu, 1)
    if side == Side.REQUEST:
        said = _Pdu(device, function, body, None)
        parse = _REQUESTS.get(function, _unknown_asked)
    else:
        own = request if request is not None and _function_of(request) == function else None
        said = _Pdu(device, function, body, own, astray=request is not None and own is None)
        parse = _failed if code > FAILED else _RESPONSES.get(function, _unknown_answered)
    try:
        message = parse(said)
    except Truncated as error:  # the unit is whole, so its content contradicts its length
        raise Malformed(f"function {code:#04x}: {error}") from error
    if body.left():
        raise Malformed(f"function {code:#04x}: {body.left()} bytes behind its content")
    return message


def _function_of(message: Message) -> int:
    name = message.operation
    if name.startswith("unknown_"):
        return int(name.removeprefix("unknown_"), 16)
    return _FUNCTION_OF.get(name, UMAS)


def _operation(function: int) -> tuple[str, OperationClass]:
    """The operation of a function, without its second code where it has one."""
    known = FUNCTIONS.get(function) or RESERVED.get(function)
    return known or (f"unknown_{function:#04x}", _UNNAMED.get(function, UNKNOWN_CLASS))


def _elements_text(space: str, first: int, count: int) -> str:
    return f"{space} {first}" if count == 1 else f"{space} {first}-{first + count - 1}"


def _range(body: Reader, most: int) -> tuple[int, int]:
    """Address and count; Malformed where the standard has no such range."""
    first, count = _RANGE_WORDS.unpack(body.take(4))
    if not 1 <= count <= most or first + count > ADDRESSES:
        raise Malformed(f"{count} elements from {first}")
    return first, count


_RANGE_WORDS = struct.Struct(">HH")


def _counted_bytes(body: Reader, count: int) -> bytes:
    size = body.u8()
    if size != count:
        raise Malformed(f"byte count {size}, expected {count} bytes")
    return body.take(size)


def _read_asked(pdu: _Pdu) -> Message:
    most = MOST_BITS_READ if pdu.function in READ_BITS else MOST_REGISTERS_READ
    first, count = _range(pdu.body, most)
    return pdu.asks(FUNCTIONS[pdu.function], _elements_text(SPACES[pdu.function], first, count))


_RANGE = re.compile(r"(coil|discrete|input|holding|.*, read) (\d+)(?:-(\d+))?")


def _read_answered(pdu: _Pdu) -> Message:
    """The values belong to the request's elements, if there are as many as it asked for."""
    size = pdu.body.u8()
    pdu.body.take(size)
    bits = pdu.function in READ_BITS
    if not 1 <= size <= 250 or (not bits and size % 2):
        raise Malformed(f"byte count {size}")
    operation = FUNCTIONS[pdu.function]
    asked = _RANGE.fullmatch(pdu.request.object) if pdu.request is not None else None
    if asked is None:
        return pdu.answers(operation)
    first = int(asked[2])
    count = int(asked[3] or first) - first + 1
    if size != ((count + 7) // 8 if bits else 2 * count):
        note = f"{size} bytes for {count} elements"
        return pdu.answers(operation, outcome=MISMATCH, note=note)
    if pdu.function == READ_WRITE:  # an exchange shows one set of values: what was written
        return pdu.answers(operation)
    return pdu.answers(operation, elements=Elements(asked[1], first, count))


def _coil_value(body: Reader) -> None:
    value = body.u16()
    if value not in (0x0000, 0xFF00):
        raise Malformed(f"coil value {value:#06x}")


def _single_asked(pdu: _Pdu) -> Message:
    space, address = SPACES[pdu.function], pdu.body.u16()
    if pdu.function == WRITE_COIL:
        _coil_value(pdu.body)
    else:
        pdu.body.u16()
    elements = Elements(space, address, 1)
    return pdu.asks(FUNCTIONS[pdu.function], f"{space} {address}", elements)


def _single_answered(pdu: _Pdu) -> Message:
    space, address = SPACES[pdu.function], pdu.body.u16()
    if pdu.function == WRITE_COIL:
        _coil_value(pdu.body)
    else:
        pdu.body.u16()
    return pdu.answers(FUNCTIONS[pdu.function], f"{space} {address}")


def _multiple_asked(pdu: _Pdu) -> Message:
    coils = pdu.function == WRITE_COILS
    first, count = _range(pdu.body, MOST_COILS_WRITTEN if coils else MOST_REGISTERS_WRITTEN)
    _counted_bytes(pdu.body, (count + 7) // 8 if coils else 2 * count)
    space = SPACES[pdu.function]
    text = _elements_text(space, first, count)
    return pdu.asks(FUNCTIONS[pdu.function], text, Elements(space, first, count))


def _multiple_answered(pdu: _Pdu) -> Message:
    coils = pdu.function == WRITE_COILS
    first, count = _range(pdu.body, MOST_COILS_WRITTEN if coils else MOST_REGISTERS_WRITTEN)
    return pdu.answers(FUNCTIONS[pdu.function], _elements_text(SPACES[pdu.function], first, count))


def _mask_asked(pdu: _Pdu) -> Message:
    """The values are the AND and the OR mask; the register's own are not in it."""
    address = pdu.body.u16()
    pdu.body.u32()
    masks = Elements(f"holding {address} and/or mask", 0, 2)
    return pdu.asks(FUNCTIONS[MASK_WRITE], f"holding {address}", masks)


def _mask_answered(pdu: _Pdu) -> Message:
    address = pdu.body.u16()
    pdu.body.u32()
    return pdu.answers(FUNCTIONS[MASK_WRITE], f"holding {address}")


def _read_write_asked(pdu: _Pdu) -> Message:
    first, count = _range(pdu.body, MOST_REGISTERS_READ)
    first_written, written = _range(pdu.body, MOST_WRITTEN_AND_READ)
    _counted_bytes(pdu.body, 2 * written)
    text = _elements_text("holding", first_written, written)
    read = _elements_text("read", first, count)
    elements = Elements("holding", first_written, written)
    return pdu.asks(FUNCTIONS[READ_WRITE], f"{text}, {read}", elements)


def _empty_asked(pdu: _Pdu) -> Message:
    return pdu.asks(FUNCTIONS[pdu.function])


def _exception_status(pdu: _Pdu) -> Message:
    pdu.body.u8()
    elements = Elements("exception_status", 0, 8)
    return pdu.answers(FUNCTIONS[EXCEPTION_STATUS], "", elements)


def _event_counter(pdu: _Pdu) -> Message:
    pdu.body.u32()
    return pdu.answers(FUNCTIONS[EVENT_COUNTER], "")


def _event_log(pdu: _Pdu) -> Message:
    size = pdu.body.u8()
    if not 6 <= size <= 70:
        raise Malformed(f"byte count {size}")
    pdu.body.take(size)
    return pdu.answers(FUNCTIONS[EVENT_LOG], "")


def _diagnosis(pdu: _Pdu) -> tuple[int, tuple[str, OperationClass], str]:
    """(sub-function, operation, object)."""
    second = pdu.body.u16()
    size = len(pdu.body.take(pdu.body.left()))
    if size < 2 or size % 2:
        raise Malformed(f"{size} bytes of data")
    known = DIAGNOSES.get(second)
    if known is None:
        return second, _operation(DIAGNOSTICS), f"sub-function {second}"
    return second, known, ""


def _diagnosis_asked(pdu: _Pdu) -> Message:
    _, operation, object_ = _diagnosis(pdu)
    return pdu.asks(operation, object_)


def _diagnosis_told(pdu: _Pdu) -> Message:
    second, operation, object_ = _diagnosis(pdu)
    if pdu.request is not None and pdu.request.operation != operation[0]:
        pdu = replace(pdu, request=None, astray=True)
    counter = Elements(operation[0], 0, 1) if second in COUNTED else None
    return pdu.answers(operation, object_, counter)


def _readable(raw: bytes) -> str:
    text = sent(raw)
    return text if text.isprintable() else raw.hex()


def _server_id(pdu: _Pdu) -> Message:
    """[APP] 6.13 leaves the length of the id to the device: it ends where the status stands.

    That is the second byte, as most devices have it, or the last, as software servers do.
    """
    raw = pdu.body.take(pdu.body.u8())
    if not raw:
        raise Malformed("byte count 0")
    operation = FUNCTIONS[SERVER_ID]
    for at in (1, len(raw) - 1):
        status = _RUN_STATUS.get(raw[at]) if 0 < at < len(raw) else None
        if status is not None:
            facts = [Fact("server_id", _readable(raw[:at])), Fact("run_status", status)]
            if raw[at + 1 :]:
                facts.append(Fact("server_data", _readable(raw[at + 1 :])))
            return pdu.answers(operation, "", facts=tuple(facts))
    facts = [Fact("server_id", _readable(raw))]
    return pdu.answers(operation, "", facts=tuple(facts), note="no run status found")


_RUN_STATUS = {0x00: "off", 0xFF: "on"}


def _reference(body: Reader) -> tuple[str, int, int, int]:
    """A file reference, [APP] 6.14: (object, file, first record, registers)."""
    kind, file, record, count = body.u8(), body.u16(), body.u16(), body.u16()
    if kind != RECORD or count == 0 or record + count > ADDRESSES:
        raise Malformed(f"reference type {kind}, {count} registers from record {record}")
    return _elements_text(f"file {file} record", record, count), file, record, count


def _file_asked(pdu: _Pdu) -> Message:
    body = Reader(pdu.body.take(pdu.body.u8()))
    texts = [_reference(body)[0]]
    while body.left():
        texts.append(_reference(body)[0])
    return pdu.asks(FUNCTIONS[READ_FILE], ", ".join(texts))


_RECORDS_TEXT = re.compile(r"(file \d+ record) (\d+)(?:-(\d+))?")


def _file_answered(pdu: _Pdu) -> Message:
    body = Reader(pdu.body.take(pdu.body.u8()))
    sizes: list[int] = []
    while body.left() or not sizes:
        length, kind = body.u8(), body.u8()
        if kind != RECORD or length < 3 or length % 2 == 0:
            raise Malformed(f"reference type {kind}, {length} bytes of record")
        sizes.append(len(body.take(length - 1)) // 2)
    operation = FUNCTIONS[READ_FILE]
    asked = _RECORDS_TEXT.fullmatch(pdu.request.object) if pdu.request is not None else None
    if asked is None or len(sizes) > 1:
        return pdu.answers(operation)
    first = int(asked[2])
    count = int(asked[3] or first) - first + 1
    if count != sizes[0]:
        note = f"{sizes[0]} registers for {count}"
        return pdu.answers(operation, outcome=MISMATCH, note=note)
    return pdu.answers(operation, elements=Elements(asked[1], first, count))


def _records(pdu: _Pdu) -> tuple[str, Elements | None]:
    """What a write of file records, or its echo, names."""
    body = Reader(pdu.body.take(pdu.body.u8()))
    texts: list[str] = []
    elements = None
    while body.left() or not texts:
        text, file, record, count = _reference(body)
        body.take(2 * count)
        texts.append(text)
        elements = Elements(f"file {file} record", record, count)
    return ", ".join(texts), elements if len(texts) == 1 else None


def _records_to_write(pdu: _Pdu) -> Message:
    return pdu.asks(FUNCTIONS[WRITE_FILE], *_records(pdu))


def _records_answered(pdu: _Pdu) -> Message:
    return pdu.answers(FUNCTIONS[WRITE_FILE], _records(pdu)[0])


def _fifo_asked(pdu: _Pdu) -> Message:
    return pdu.asks(FUNCTIONS[READ_FIFO], f"fifo {pdu.body.u16()}")


def _fifo_answered(pdu: _Pdu) -> Message:
    """What stands in a queue are values of no numbered element."""
    size, count = pdu.body.u16(), pdu.body.u16()
    if count > MOST_QUEUED or size != 2 + 2 * count:
        raise Malformed(f"byte count {size}, {count} values")
    pdu.body.take(2 * count)
    return pdu.answers(FUNCTIONS[READ_FIFO])


def _interface(kind: int) -> tuple[tuple[str, OperationClass], str, str]:
    """Operation, object and note of an interface type whose body is not decoded."""
    known = INTERFACES.get(kind)
    if known is None:
        return _operation(ENCAPSULATED), f"mei {kind}", _OPAQUE
    return known, "", "opaque: of the protocol that it carries"


def _encapsulated_asked(pdu: _Pdu) -> Message:
    kind = pdu.body.u8()
    if kind != DEVICE_IDENTIFICATION:
        operation, object_, note = _interface(kind)
        return pdu.asks(operation, object_, note=note).leaving(len(pdu.body.rest()))
    code, first = pdu.body.u8(), pdu.body.u8()
    return pdu.asks(INTERFACES[kind], _identification_object(code, first))


def _identification_object(code: int, first: int) -> str:
    """What is asked for: a level, from its beginning or going on at an object, or one object."""
    if code == INDIVIDUAL:
        return f"object {first:#04x}"
    if code not in LEVELS:
        raise Malformed(f"read device id code {code}")
    return f"{LEVELS[code]} from {first:#04x}" if first else LEVELS[code]


def _encapsulated_answered(pdu: _Pdu) -> Message:
    kind = pdu.body.u8()
    operation = INTERFACES.get(kind, _operation(ENCAPSULATED))
    if pdu.request is not None and pdu.request.operation != operation[0]:
        pdu = replace(pdu, request=None, astray=True)
    if kind != DEVICE_IDENTIFICATION:
        operation, object_, note = _interface(kind)
        return pdu.answers(operation, object_, note=note).leaving(len(pdu.body.rest()))
    code, _conformity, follows, _next = (pdu.body.u8() for _ in range(4))
    number = pdu.body.u8()
    if not 1 <= code <= INDIVIDUAL or follows not in (0x00, 0xFF):
        raise Malformed(f"read device id code {code}, more follows {follows:#04x}")
    facts = []
    for _ in range(number):
        object_id = pdu.body.u8()
        attribute = IDENTITY.get(object_id, f"object_{object_id:#04x}")
        facts.append(Fact(attribute, sent(pdu.body.take(pdu.body.u8()))))
    note = "more follows" if follows else ""
    return pdu.answers(operation, facts=tuple(facts), note=note)


def _umas_asked(pdu: _Pdu) -> Message:
    pdu.body.u8()  # which session, not what is done
    code, left = pdu.body.u8(), len(pdu.body.rest())
    if code in (UMAS_OK, UMAS_FAILED):
        raise Malformed("a UMAS response from a client")
    unknown = (f"umas_{code:#04x}", UNKNOWN_CLASS)
    return pdu.asks(UMAS_FUNCTIONS.get(code, unknown), note=_UMAS_OPAQUE).leaving(left)


def _umas_answered(pdu: _Pdu) -> Message:
    pdu.body.u8()
    code, left = pdu.body.u8(), len(pdu.body.rest())
    if code not in (UMAS_OK, UMAS_FAILED):
        raise Malformed(f"UMAS response {code:#04x}")
    outcome = "ok" if code == UMAS_OK else "umas_error"
    return pdu.answers(_operation(UMAS), outcome=outcome, note=_UMAS_OPAQUE).leaving(left)


def _unknown_asked(pdu: _Pdu) -> Message:
    left = len(pdu.body.rest())
    return pdu.asks(_operation(pdu.function), note=_OPAQUE).leaving(left)


def _unknown_answered(pdu: _Pdu) -> Message:
    left = len(pdu.body.rest())
    return pdu.answers(_operation(pdu.function), "", note=_OPAQUE).leaving(left)


def _failed(pdu: _Pdu) -> Message:
    code = pdu.body.u8()
    outcome = f"exception {EXCEPTIONS.get(code, f'{code:#04x}')}"
    return pdu.answers(_operation(pdu.function), outcome=outcome)


_REQUESTS: dict[int, Callable[[_Pdu], Message]] = {
    **dict.fromkeys((*READ_BITS, *READ_REGISTERS), _read_asked),
    **dict.fromkeys((WRITE_COIL, WRITE_REGISTER), _single_asked),
    **dict.fromkeys((EXCEPTION_STATUS, EVENT_COUNTER, EVENT_LOG, SERVER_ID), _empty_asked),
    DIAGNOSTICS: _diagnosis_asked,
    **dict.fromkeys((WRITE_COILS, WRITE_REGISTERS), _multiple_asked),
    READ_FILE: _file_asked,
    WRITE_FILE: _records_to_write,
    MASK_WRITE: _mask_asked,
    READ_WRITE: _read_write_asked,
    READ_FIFO: _fifo_asked,
    ENCAPSULATED: _encapsulated_asked,
    UMAS: _umas_asked,
}
_RESPONSES: dict[int, Callable[[_Pdu], Message]] = {
    **dict.fromkeys((*READ_BITS, *READ_REGISTERS, READ_WRITE), _read_answered),
    **dict.fromkeys((WRITE_COIL, WRITE_REGISTER), _single_answered),
    EXCEPTION_STATUS: _exception_status,
    DIAGNOSTICS: _diagnosis_told,
    EVENT_COUNTER: _event_counter,
    EVENT_LOG: _event_log,
    **dict.fromkeys((WRITE_COILS, WRITE_REGISTERS), _multiple_answered),
    SERVER_ID: _server_id,
    READ_FILE: _file_answered,
    WRITE_FILE: _records_answered,
    MASK_WRITE: _mask_answered,
    READ_WRITE: _read_answered,
    READ_FIFO: _fifo_answered,
    ENCAPSULATED: _encapsulated_answered,
    UMAS: _umas_answered,
}

PROTOCOL = Protocol(
    name="modbus",
    title="Modbus/TCP",
    standard="Modbus Application Protocol V1.1b3, Messaging on TCP/IP V1.0b",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({502}),
    framings=(mbap.MBAP, modbus_rtu.RTU),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=(*IDENTITY.values(), "server_id", "run_status", "server_data"),
    transfers=TRANSFERS,
    one_answer=True,
    routine=frozenset({"umas_keep_alive"}),
    session=True,
)
