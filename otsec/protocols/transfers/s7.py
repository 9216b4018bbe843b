"""Blocks of S7comm, loaded into a controller or out of it.

Source: as in `words/s7comm.py`. A block is loaded into a controller by the controller, which asks
the client for each piece by name. Pieces have no numbers: they are counted by the jobs that ask.
"""

from typing import Any

import numpy as np

from otsec.columns import Mask, gather
from otsec.protocols.api import Begin, End, Piece, Reader, Side, Step, Transfers, Units
from otsec.protocols.s7.said import file_named
from otsec.protocols.words.s7comm import (
    ACK_DATA,
    DOWNLOAD_BLOCK,
    DOWNLOAD_ENDED,
    END_UPLOAD,
    JOB,
    REQUEST_DOWNLOAD,
    START_UPLOAD,
    UPLOAD,
)

FRONT = np.dtype([("protocol", "u1"), ("kind", "u1"), ("rest", "V8"), ("job", "u1")])
ANSWER = np.dtype([("front", "V12"), ("function", "u1")])
_LOADS = np.isin(
    np.arange(256),
    (REQUEST_DOWNLOAD, DOWNLOAD_BLOCK, DOWNLOAD_ENDED, START_UPLOAD, UPLOAD, END_UPLOAD),
)
MORE, FAILED = 1, 2  # bits of the status of a load
Memory = dict[str, Any]


def begins(units: Units) -> Mask:
    """All services of loads."""
    front, _ = gather(units.buffer, units.start, units.end, FRONT)
    answer, _ = gather(units.buffer, units.start, units.end, ANSWER)
    mask = (front["kind"] == JOB) & _LOADS[front["job"]]
    mask |= (front["kind"] == ACK_DATA) & _LOADS[answer["function"]]
    return np.asarray(mask & (front["protocol"] == 0x32), np.bool_)


def goes_on(units: Units) -> Mask:
    """Nothing else."""
    return np.zeros(len(units), np.bool_)


def read(reader: Reader, _side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """One job of a load, or what answers it."""
    reader.u8()
    kind = reader.u8()
    reader.u16()
    reference, size = reader.take(2).hex(), reader.u16()
    reader.u16()
    if kind == JOB:
        return _asked(reader, size, reference, memory)
    failed = reader.u16()
    asked = memory.pop(reference, None)
    if asked is None:
        return []
    function, lane, number = asked
    body = reader.part(size)
    if body.u8() != function:
        return []
    if function == START_UPLOAD:
        return [] if failed else _begun(body, lane)
    if function == REQUEST_DOWNLOAD:
        return [End(lane, "refused")] if failed else []
    if failed:
        return [End(lane, "failed")]
    status = body.u8()
    content = reader.take(reader.u16() + 2)[2:]  # behind a mark
    return [Piece(lane, content, number, last=not status & MORE)]


def _asked(reader: Reader, size: int, reference: str, memory: Memory) -> list[Step]:
    body = reader.part(size)
    function, status = body.u8(), body.u8()
    body.take(2)
    number = body.u32()
    if function in (UPLOAD, END_UPLOAD):
        lane = f"out {number}"
        return _next(function, lane, status, reference, memory)
    name, where = file_named(body.take(body.u8()))
    lane = f"in {name} {where}"
    if function == START_UPLOAD:
        memory[reference] = [function, name, 0]
        return []
    if function != REQUEST_DOWNLOAD:
        return _next(function, lane, status, reference, memory)
    memory[lane] = 0
    memory[reference] = [function, lane, 0]
    sizes = body.take(body.u8())[1:7] if body.left() else b""
    size = int(sizes) if sizes.isdigit() else -1
    return [Begin(lane, name, "block", "to_server", size=size)]


def _next(function: int, lane: str, status: int, reference: str, memory: Memory) -> list[Step]:
    """The next piece is asked for, or no further one."""
    number = memory.pop(lane, 0)
    if function in (END_UPLOAD, DOWNLOAD_ENDED):
        return [End(lane, "failed" if status & FAILED else "")]
    memory[lane] = number + 1
    memory[reference] = [function, lane, number]
    return []


def _begun(body: Reader, name: str) -> list[Step]:
    body.take(3)
    lane = f"out {body.u32()}"
    raw = body.rest()  # a length and digits; some servers have the digits alone
    digits = raw[1:] if raw[:1] == bytes([len(raw) - 1]) else raw
    size = int(digits) if digits.isdigit() else -1
    return [Begin(lane, name, "block", "from_server", size=size)]


TRANSFERS = Transfers("connection", begins, goes_on, read)
