"""Files of DNP3: opened, read or written block by block, closed.

Source: [1815] IEEE 1815-2012, 4.4.13 (file transfer) and A.27 (objects of group 70).
"""

from typing import Any

import numpy as np

from otsec.columns import Mask, gather
from otsec.protocols.api import Begin, Direction, End, Piece, Reader, Side, Step, Transfers, Units
from otsec.protocols.spoken import text_of

FILE = 70
COMMAND, STATUS_OF_COMMAND, TRANSPORT, STATUS = 3, 4, 5, 6
READ, WRITE, OPEN, CLOSE = 1, 2, 25, 26
FIRST_ANSWER = 129  # functions from there on are of responses, with indications behind them
REQUEST = np.dtype([("front", "V6"), ("function", "u1"), ("group", "u1")])
RESPONSE = np.dtype([("front", "V6"), ("function", "u1"), ("iin", "V2"), ("group", "u1")])
QUALIFIER = 0x5B  # a count, and a size in front of each object
LAST = 1 << 31  # bit of the number of a block
TO_BE_WRITTEN = (2, 3)  # modes, write and append
MOST_NAME = 256
Memory = dict[str, Any]


def begins(units: Units) -> Mask:
    """Fragments whose first object is of files."""
    request, _ = gather(units.buffer, units.start, units.end, REQUEST)
    response, _ = gather(units.buffer, units.start, units.end, RESPONSE)
    answers = request["function"] >= FIRST_ANSWER
    group = np.where(answers, response["group"], request["group"])
    return np.asarray(group == FILE, np.bool_)


def goes_on(units: Units) -> Mask:
    """Nothing else."""
    return np.zeros(len(units), np.bool_)


def read(reader: Reader, _side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """A fragment with one object of files."""
    reader.u8()
    target, source = reader.u16le(), reader.u16le()
    reader.u8()
    function = reader.u8()
    answers = function >= FIRST_ANSWER
    reader.take(2 if answers else 0)
    device = f"station {source if answers else target}"
    group, variation, qualifier, count = (reader.u8() for _ in range(4))
    if (group, qualifier, count) != (FILE, QUALIFIER, 1):
        return []
    body = reader.part(reader.u16le())
    if variation == COMMAND and function == OPEN:
        _asked(body, device, memory)
        return []
    if variation == STATUS_OF_COMMAND:
        return _closed(body, device) if function == CLOSE else _opened(body, device, memory)
    if variation == TRANSPORT and (function == WRITE or answers):
        lane, number = _lane(body, device), body.u32le()
        piece = Piece(lane, body.rest(), number & ~LAST, last=number >= LAST)
        return [piece, End(lane)] if answers and piece.last else [piece]
    if variation == STATUS and answers:
        lane, number = _lane(body, device), body.u32le()
        failed = body.u8()
        return [End(lane, "failed" if failed else "")] if failed or number & LAST else []
    return []


def _lane(body: Reader, device: str) -> str:
    return f"{device} {body.u32le()}"


def _asked(body: Reader, device: str, memory: Memory) -> None:
    """[1815] A.27.3: a file is to be opened; the answer gives it a number."""
    at, size = body.u16le(), body.u16le()
    body.take(6 + 2 + 4)  # created, permissions, key
    body.u32le()  # how long it is, which many tell wrong
    mode = body.u16le()
    body.u16le()
    request = body.u16le()
    name = text_of(body.at(at).take(size), MOST_NAME)
    memory[f"{device} {request}"] = [name, mode]


def _opened(body: Reader, device: str, memory: Memory) -> list[Step]:
    """[1815] A.27.4, in answer to an opening."""
    handle = body.u32le()
    body.take(6)  # how long, and the longest block
    asked = memory.pop(f"{device} {body.u16le()}", None)
    if asked is None or body.u8():
        return []
    name, mode = asked
    direction: Direction = "to_server" if mode in TO_BE_WRITTEN else "from_server"
    return [Begin(f"{device} {handle}", name, "file", direction, device)]


def _closed(body: Reader, device: str) -> list[Step]:
    return [End(_lane(body, device))]


TRANSFERS = Transfers("connection", begins, goes_on, read, numbers=LAST)
