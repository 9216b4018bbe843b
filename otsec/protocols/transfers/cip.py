"""Files of CIP: electronic data sheets, firmware and whatever else a file object holds.

Source: [CIP1] 5-42 (file object, class 0x37), as two published implementations read it too, OpENer
and CIPster. An upload goes out of the device, a download into it. Pieces have numbers up to 255,
and behind the last one stands a check sum. Programs of Logix are not transferred by it but by
services that nobody has published: of those only the operations are told.
"""

from typing import Any

import numpy as np

from otsec.columns import Mask, gather, span_word
from otsec.errors import WireError
from otsec.protocols.api import Begin, End, Piece, Reader, Side, Step, Transfers, Units
from otsec.protocols.cip.messages import read_send
from otsec.protocols.spoken import text_of

RR_DATA, UNIT_DATA = 0x6F, 0x70
HEADER = np.dtype(
    {"names": ["command", "length"], "formats": ["<u2", "<u2"], "offsets": [0, 2], "itemsize": 24}
)
ITEMS = 24 + 6  # where the items of a packet begin
ADDRESSES = {RR_DATA: 0, UNIT_DATA: 4}  # bytes of the address item
MESSAGE = {RR_DATA: 40, UNIT_DATA: 46}  # where the message stands
SEND, WRAPPED = 0x52, 10  # what Unconnected_Send puts in front of a message, [CIP1] 3-5.5.4
FILE = 0x37
READ, WRITE, READ_PIECE, WRITE_PIECE = 0x4B, 0x4C, 0x4F, 0x50
SERVICES = (READ, WRITE, READ_PIECE, WRITE_PIECE)
REPLY = 0x80
FIRST, MIDDLE, LAST, ABORT, ONLY = range(5)  # kinds of packets
KIND = 3  # place of it in what is remembered of a request
KNOWN = {0xC8: "EDS and icons", 0xC9: "related EDS and icons"}  # [CIP1] 5-42: numbers of instances
STRING, STRING_2, SHORT_STRING = 0xD0, 0xD5, 0xDA  # types of texts
MOST_NAME = 256
Memory = dict[str, Any]


def _message(units: Units) -> "tuple[np.ndarray[Any, np.dtype[np.uint64]], Mask]":
    """The first eight bytes of each message, what is wrapped taken out, and whether it has any."""
    head, fits = gather(units.buffer, units.start, units.end, HEADER)
    fits = fits & np.isin(head["command"], (RR_DATA, UNIT_DATA))
    connected = head["command"] == UNIT_DATA
    at = units.start + np.where(connected, MESSAGE[UNIT_DATA], MESSAGE[RR_DATA])
    word = span_word(units.buffer, np.minimum(at, units.end), np.maximum(units.end - at, 0), 0)
    at = at + np.where(word & np.uint64(0xFF) == np.uint64(SEND), WRAPPED, 0)
    word = span_word(units.buffer, np.minimum(at, units.end), np.maximum(units.end - at, 0), 0)
    return word, np.asarray(fits & (units.framing == 0), np.bool_)


def begins(units: Units) -> Mask:
    """Requests for files."""
    word, fits = _message(units)
    file = (word >> np.uint64(16)) & np.uint64(0xFFFF) == np.uint64(FILE << 8 | 0x20)
    return np.asarray(fits & file & np.isin(word & np.uint64(0xFF), SERVICES), np.bool_)


def goes_on(units: Units) -> Mask:
    """Answers, which do not say to what class."""
    word, fits = _message(units)
    answers = [service | REPLY for service in SERVICES]
    return np.asarray(fits & np.isin(word & np.uint64(0xFF), answers), np.bool_)


def read(reader: Reader, _side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """A request about a file, or an answer to one."""
    command = reader.u16le()
    context = reader.at(12).take(8).hex()
    reader.at(ITEMS).take(2 + 4 + ADDRESSES[command] + 2)
    body = reader.part(reader.u16le())
    if command == UNIT_DATA:
        context = f"count {body.u16le()}"
    service = body.u8()
    if service & REPLY:
        asked = memory.pop(context, None)
        return _answered(service & ~REPLY, body, asked) if asked is not None else []
    device = ""
    if (sent := read_send(body.data)) is not None:
        body, device = Reader(sent[0]), sent[1]
        service = body.u8()
    number = _instance(body.part(2 * body.u8()))
    if number is None:
        return []
    return _asked(service, body, (context, number, device), memory)


def _instance(path: Reader) -> int | None:
    """The number of the file that a path names, [CIP1] C-1.4.2."""
    if path.take(2) != bytes([0x20, FILE]) or path.left() < 2:
        return None
    kind = path.u8()
    if kind == 0x24:
        return path.u8()
    path.u8()
    return path.u16le() if kind == 0x25 else None


def _asked(service: int, body: Reader, which: tuple[str, int, str], memory: Memory) -> list[Step]:
    context, number, device = which
    lane = f"{'out' if service in (READ, READ_PIECE) else 'in'} {number} {device}"
    memory[context] = [service, lane, number, MIDDLE, device]
    if service == WRITE:
        size = body.u32le()
        body.take(4)  # version of the format, revision
        name = _text(body) or KNOWN.get(number, f"file {number}")
        return [Begin(lane, name, "file", "to_server", device, size)]
    if service != WRITE_PIECE:
        return []
    piece, kind = body.u8(), body.u8()
    memory[context][KIND] = kind
    if kind == ABORT:
        return [End(lane, "aborted")]
    return [_piece(lane, piece, kind, body)]


def _piece(lane: str, number: int, kind: int, body: Reader) -> Piece:
    last = kind in (LAST, ONLY)
    data = body.rest()
    return Piece(lane, data[:-2] if last else data, number, last=last)


def _answered(service: int, body: Reader, asked: list[Any]) -> list[Step]:
    wanted, lane, number, kind, device = asked
    if service != wanted:
        return []
    body.u8()
    status = body.u8()
    body.take(2 * body.u8())
    if status:
        return [End(lane, "refused" if service in (READ, WRITE) else "failed")]
    if service == READ:
        name = KNOWN.get(number, f"file {number}")
        return [Begin(lane, name, "file", "from_server", device, body.u32le())]
    if service == READ_PIECE:
        piece, kind = body.u8(), body.u8()
        if kind == ABORT:
            return [End(lane, "aborted")]
        found = _piece(lane, piece, kind, body)
        return [found, End(lane)] if found.last else [found]
    return [End(lane)] if service == WRITE_PIECE and kind in (LAST, ONLY) else []


def _text(body: Reader) -> str:
    """The first of some texts in several languages, [CIP1] C-5.2.11."""
    try:
        if not body.u8():
            return ""
        body.take(3)  # language
        kind = body.u8()
        body.take(2)  # set of characters
        if kind == SHORT_STRING:
            return text_of(body.take(body.u8()), MOST_NAME)
        size = body.u16le()
        if kind == STRING_2:
            return body.take(2 * size).decode("utf-16-le", "replace")[:MOST_NAME]
        return text_of(body.take(size), MOST_NAME) if kind == STRING else ""
    except WireError:
        return ""


TRANSFERS = Transfers("connection", begins, goes_on, read, numbers=256)
