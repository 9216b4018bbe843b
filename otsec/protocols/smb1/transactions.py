"""Transactions of SMB 1: what they ask for, and what of them only attacks have.

Sources: [CIFS] MS-CIFS 2.2.4.33, 2.2.4.46, 2.2.4.62; [SRVS] MS-SRVS 3.1.4.30; for the marks the
public analyses of MS17-010 and of DoublePulsar.

Of a request the subcommand is told; of a look into a pipe its number, since no pipe has number 0;
of an NT transaction whether it announces more data than the older ones can carry. An answer that
says `not implemented` under the multiplex id by which DoublePulsar answers is told by that.
"""

from typing import Any

import numpy as np

from otsec.columns import U64, Header, Mask, gather
from otsec.errors import WireError
from otsec.protocols.api import Reader, Units
from otsec.protocols.words.smb1 import (
    NT_TRANSACT,
    SUBCOMMANDS,
    TRANSACTION,
    TRANSACTION_2,
)

WORDS = 32  # where the count of words stands, behind the front of NetBIOS of 4 bytes
OLD_WORDS, NT_WORDS = 14, 19  # words without the setup
PEEK, TRANSACT = 0x23, 0x26  # subcommands of a transaction
MOST_DATA = 0xFFFF  # bytes of data that an older transaction can announce
NOT_IMPLEMENTED, IMPLANT = 0xC000_0002, 0x51  # the answer to 0x41
LARGE, FROM_IMPLANT, NO_PIPE = "over 65535 bytes", "multiplex id 0x51", "0"

OLD = np.dtype(
    {
        "names": ["count", "size", "setup", "pipe"],
        "formats": ["u1", "u1", "<u2", "<u2"],
        "offsets": [36, 63, 65, 67],
        "itemsize": 69,
    }
)
OLD_SHORT = np.dtype(
    {
        "names": ["count", "size", "setup"],
        "formats": ["u1", "u1", "<u2"],
        "offsets": [36, 63, 65],
        "itemsize": 67,
    }
)
NT = np.dtype(
    {
        "names": ["count", "total", "function"],
        "formats": ["u1", "<u4", "<u2"],
        "offsets": [36, 44, 73],
        "itemsize": 75,
    }
)


def marks(units: Units, is_1: Mask, answers: Mask, header: Header) -> U64:
    """All that `told` looks at, for the key; 0 where it tells nothing."""
    asks, command = is_1 & ~answers, header["command"]
    old = asks & np.isin(command, (TRANSACTION, TRANSACTION_2))
    nt = asks & (command == NT_TRANSACT)
    implant = is_1 & answers & (command == TRANSACTION_2)
    implant &= (header["status"] == NOT_IMPLEMENTED) & (header["multiplex"] == IMPLANT)
    word = np.zeros(len(units.start), np.uint64)
    if old.any():
        short, fits = gather(units.buffer, units.start, units.end, OLD_SHORT)
        long, both = gather(units.buffer, units.start, units.end, OLD)
        fits &= old & (short["count"] > OLD_WORDS) & (short["size"] > 0)
        peeks = fits & (command == TRANSACTION) & (short["setup"] == PEEK)
        peeks &= both & (short["count"] > OLD_WORDS + 1) & (long["pipe"] == 0)
        word[fits] = short["setup"][fits].astype(np.uint64) | np.uint64(1 << 16)
        word[peeks] |= np.uint64(1 << 17)
    if nt.any():
        body, fits = gather(units.buffer, units.start, units.end, NT)
        fits &= nt & (body["count"] >= NT_WORDS)
        large = fits & (body["total"] > MOST_DATA)
        word[fits] = body["function"][fits].astype(np.uint64) | np.uint64(1 << 16)
        word[large] |= np.uint64(1 << 18)
    word[implant] = np.uint64(1 << 19)
    return word


def told(data: bytes, command: int, *, answers: bool) -> str:
    """What a message asks for, or which mark it has; ``data``: from the header on."""
    try:
        if answers:
            return FROM_IMPLANT if command == TRANSACTION_2 and _implanted(data) else ""
        if command == NT_TRANSACT:
            return _nt(data)
        return _old(data, command) if command in SUBCOMMANDS else ""
    except WireError:
        return ""


def _implanted(data: bytes) -> bool:
    return (Reader(data, 5).u32le(), Reader(data, 30).u16le()) == (NOT_IMPLEMENTED, IMPLANT)


def _named(command: int, code: int) -> str:
    return SUBCOMMANDS[command].get(code, f"subcommand {code:#06x}")


def _old(data: bytes, command: int) -> str:
    count, size = Reader(data, WORDS).u8(), Reader(data, 59).u8()
    code = Reader(data, 61).u16le()
    if count <= OLD_WORDS or not size:
        return ""
    name = _named(command, code)
    if (command, code) != (TRANSACTION, PEEK) or count <= OLD_WORDS + 1:
        return name
    pipe = data[63:65]
    return f"{name} {NO_PIPE}" if pipe == b"\0\0" else name


def _nt(data: bytes) -> str:
    count, total = Reader(data, WORDS).u8(), Reader(data, 40).u32le()
    code = Reader(data, 69).u16le()
    if count < NT_WORDS:
        return ""
    name = _named(NT_TRANSACT, code)
    return f"{name} {LARGE}" if total > MOST_DATA else name


# ------------------------------------------------------------------- calls in pipes

CALL = np.dtype(
    [
        ("version", "u1"), ("minor", "u1"), ("type", "u1"), ("flags", "u1"), ("order", "<u4"),
        ("rest", "V14"), ("operation", "<u2"),
    ]
)  # fmt: skip
LITTLE = 0x10  # order of bytes: little endian, ASCII, IEEE
CANONICALIZE, STUB = 31, 24  # [SRVS] 3.1.4.30; where arguments begin
# of each carrier where the offset of its data stands, from the packet's beginning, and its size
CARRIERS_1 = {TRANSACTION: (61, "<u2"), 0x2F: (59, "<u2")}  # [CIFS] 2.2.4.33.1, 2.2.4.43.1
CARRIERS_2 = {9: (70, "<u2"), 11: (92, "<u4")}  # [SMB2] 2.2.21, 2.2.31
CLIMBS = "path_canonicalize climbing"
ASKS = "path_canonicalize"


def calls(units: Units, command: Any, is_1: Mask, is_2: Mask) -> Mask:
    """Requests that carry a call to make a path canonical."""
    found = np.zeros(len(units.start), np.bool_)
    for mine, carriers in ((is_1, CARRIERS_1), (is_2, CARRIERS_2)):
        for code, (place, form) in carriers.items():
            rows = np.flatnonzero(mine & (command == code))
            if not len(rows):
                continue
            end = units.end[rows]
            offset, fits = gather(units.buffer, units.start[rows] + place, end, np.dtype(form))
            begin = units.start[rows] + 4 + offset.astype(np.int64)
            call, there = gather(units.buffer, np.minimum(begin, end), end, CALL)
            fits &= there & (call["version"] == 5) & (call["type"] == 0)
            fits &= (call["order"] == LITTLE) & (call["operation"] == CANONICALIZE)
            found[rows[fits]] = True
    return found


def called(data: bytes, command: int, *, newer: bool) -> str:
    """What a message that `calls` names asks to make canonical; ``data``: the whole packet."""
    place, form = (CARRIERS_2 if newer else CARRIERS_1).get(command, (0, ""))
    if not form:
        return ""
    try:
        at = Reader(data, place)
        offset = at.u16le() if form == "<u2" else at.u32le()
        call = Reader(data, 4 + offset)
        head = call.take(STUB)
        if head[0] != 5 or head[2] or head[4:8] != b"\x10\0\0\0" or head[22:24] != b"\x1f\0":
            return ""
        path = _path(Reader(call.rest()))
    except WireError:
        return ""
    return CLIMBS if "..\\..\\" in path or path.startswith("\\..\\") else ASKS


def _path(stub: Reader) -> str:
    """[SRVS] 3.1.4.30: the name of a server, where there is one, and the path."""
    if stub.u32le():
        _string(stub)
        stub.take(min(-stub.offset % 4, stub.left()))
    return _string(stub).replace("/", "\\")


def _string(stub: Reader) -> str:
    """Most letters, first letter, letters, and these ([C706] 14.3.4.2)."""
    stub.u32le(), stub.u32le()
    return stub.take(2 * min(stub.u32le(), stub.left() // 2)).decode("utf-16-le", "replace")
