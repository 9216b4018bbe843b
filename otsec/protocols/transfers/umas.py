"""Programs of Modicon controllers, loaded by UMAS.

Source: the public descriptions of UMAS that `modbus.py` names. There an upload goes into the
controller and a download out of it. What answers is told by its transaction.
"""

from typing import Any

import numpy as np

from otsec.columns import Mask, gather
from otsec.protocols.api import (
    Begin,
    Direction,
    End,
    Piece,
    Reader,
    Side,
    Step,
    Transfers,
    Units,
)

FRONT = np.dtype(
    [
        ("transaction", ">u2"), ("protocol", "V4"), ("unit", "u1"), ("function", "u1"),
        ("session", "u1"), ("code", "u1"),
    ]
)  # fmt: skip
UMAS, FAILED, OK = 0x5A, 0xFD, 0xFE
INTO, INTO_BLOCK, INTO_ENDS, OUT, OUT_BLOCK, OUT_ENDS = range(0x30, 0x36)
FILES = {0x01: "project", 0x10: "project backup"}  # APX and APB
Memory = dict[str, Any]
_LOADS = np.arange(INTO, OUT_ENDS + 1)


def begins(units: Units) -> Mask:
    """All requests of loads; framing 0 is that of TCP."""
    front, fits = gather(units.buffer, units.start, units.end, FRONT)
    mask = fits & (units.framing == 0) & (units.side != Side.RESPONSE)
    return np.asarray(mask & (front["function"] == UMAS) & np.isin(front["code"], _LOADS), np.bool_)


def goes_on(units: Units) -> Mask:
    """Answers, which do not say to what."""
    front, fits = gather(units.buffer, units.start, units.end, FRONT)
    mask = fits & (units.framing == 0) & (units.side != Side.REQUEST)
    return np.asarray(mask & (front["function"] == UMAS) & (front["code"] >= FAILED), np.bool_)


def read(reader: Reader, _side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """A request of a load, or an answer."""
    transaction = reader.take(2).hex()
    reader.take(4)
    unit = reader.u8()
    reader.take(2)
    code = reader.u8()
    if code in (OK, FAILED):
        asked = memory.pop(transaction, None)
        return _answered(reader, code, asked) if asked is not None else []
    reader.u8()
    number = reader.u8()
    into = code <= INTO_ENDS
    lane = f"{'in' if into else 'out'} {unit} {number}"
    memory[transaction] = [code, lane, 0]
    if code in (INTO, OUT):
        name, device = FILES.get(number, f"file {number:#04x}"), f"unit {unit}"
        direction: Direction = "to_server" if into else "from_server"
        return [Begin(lane, name, "program", direction, device, tells_last=not into, first=1)]
    block = reader.u16le()
    if code == INTO_BLOCK:
        return [Piece(lane, reader.take(reader.u16le()), block)]
    if code == OUT_BLOCK:
        memory[transaction] = [code, lane, block]
        return []
    if code == OUT_ENDS:
        return [End(lane)]
    return [Piece(lane, b"", block + 1), End(lane)]  # it tells how many there were


def _answered(reader: Reader, code: int, asked: list[Any]) -> list[Step]:
    function, lane, block = asked
    if code == FAILED:
        return [End(lane, "refused" if function in (INTO, OUT) else "failed")]
    if function != OUT_BLOCK:
        return []
    last = reader.u8() == 1
    reader.u8()
    return [Piece(lane, reader.take(reader.u16le()), block, last=last)]


TRANSFERS = Transfers("connection", begins, goes_on, read, numbers=1 << 16)
