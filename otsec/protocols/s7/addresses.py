"""Addresses of S7comm as canonical text, and what the values at them are called."""

import re
from collections.abc import Callable

from otsec.errors import Malformed
from otsec.protocols.api import Elements, Reader
from otsec.protocols.s7.layout import ADDRESS, NUMBERS
from otsec.protocols.s7.said import ValueHead
from otsec.protocols.words import s7comm as words


def values_in(head: ValueHead) -> int:
    """How many values there are: as many as `items` finds in columns."""
    size = head.size
    width = NUMBERS.get(head.kind, (0, size if size in (1, 2, 4) else 1))[1]
    return size // width if size % width == 0 else size


_LETTERS = {1: "B", 2: "W", 4: "D"}
_OBJECT = re.compile(
    r"(?P<front>D[BI]\d+\.D[BI](?=[BX])|[A-Z]+ )(?P<form>[BX]?)"
    r"(?P<byte>\d+)(?:\.(?P<bit>\d))?(?:-(?P<last>\d+))?"
)


def size_of(object_: str) -> int | None:
    """Bytes that an object has; None where its text does not tell."""
    found = _OBJECT.fullmatch(object_)
    if found is None:
        return None
    if found["bit"] is not None:
        return None if found["last"] else 1
    count = int(found["last"] or found["byte"]) - int(found["byte"]) + 1
    return 2 * count if found["front"] in ("T ", "C ") else count


def elements_of(object_: str, head: ValueHead) -> Elements:
    """What the values of an object are called: by address, or else by their place in it."""
    number = values_in(head)
    found = _OBJECT.fullmatch(object_)
    if found is None or number == 0:
        return Elements(object_, 0, number)
    front, byte = found["front"], int(found["byte"])
    if front in ("T ", "C "):
        return Elements(front[0], byte, 1) if number == 1 else Elements(object_, 0, number)
    if head.bit and found["bit"] is not None:
        return Elements(object_.rpartition(".")[0], int(found["bit"]), 1)
    letter = _LETTERS.get(head.size // number, "")
    front = front.rstrip()
    if number > 1 and letter != "B":
        return Elements(f"{front}{letter}{byte}", 0, number)
    return Elements(f"{front}{letter}", byte, number)


def address_of(body: Reader) -> tuple[str, str]:
    """(object, note) of an address."""
    if (mark := body.u8()) != ADDRESS:
        raise Malformed(f"an address that begins with {mark:#04x}")
    body = Reader(body.take(body.u8()))
    syntax = body.u8()
    result = _SYNTAXES.get(syntax, _other)(body)
    if body.left():
        raise Malformed(f"{body.left()} bytes behind an address")
    return result if syntax in _SYNTAXES else (f"syntax {syntax:#04x} {result[0]}", "")


def _other(body: Reader) -> tuple[str, str]:
    return body.rest().hex(), ""


def _any(body: Reader) -> tuple[str, str]:
    """A pointer of type ANY: type, number, data block, area, address in bits."""
    kind, count, block, area = body.u8(), body.u16(), body.u16(), body.u8()
    address = int.from_bytes(body.take(3), "big")
    if count == 0:
        raise Malformed("an address of no elements")
    if area in words.TIMERS_COUNTERS:
        note = "200 family" if area > 0x1D else ""
        if kind != area:
            note = ", ".join(filter(None, (note, f"type {kind:#04x}")))
        note += f", data block {block}" if block else ""
        return stretch(f"{words.TIMERS_COUNTERS[area]} ", address, count), note
    in_block = area in (words.DATA_BLOCKS, words.INSTANCES)
    front = _front(area, block)
    note = f"data block {block}" if block and not in_block else ""
    byte, bit = divmod(address, 8)
    if kind == words.BIT:
        text = f"{front}{'X' if in_block else ''}{byte}.{bit}"
        if count > 1:
            last = address + count - 1
            text += f"-{last % 8}" if last // 8 == byte else f"-{last // 8}.{last % 8}"
        return text, note
    front += "B" if in_block else ""
    size = words.TYPE_BYTES.get(kind)
    if size is None or bit:
        return f"{front}{byte}.{bit} type {kind:#04x} count {count}", note
    return stretch(front, byte, size * count), note


def _front(area: int, block: int) -> str:
    if area in (words.DATA_BLOCKS, words.INSTANCES):
        letter = "B" if area == words.DATA_BLOCKS else "I"
        return f"D{letter}{block}.D{letter}"
    return f"{words.AREAS.get(area, f'area {area:#04x}')} "


def stretch(front: str, first: int, count: int) -> str:
    """So many numbered things, as text."""
    return f"{front}{first}" if count == 1 else f"{front}{first}-{first + count - 1}"


def _blocks_read(body: Reader) -> tuple[str, str]:
    """Stretches of data blocks, five bytes each."""
    parts = []
    for _ in range(body.u8()):
        size, block, address = body.u8(), body.u16(), body.u16()
        parts.append(stretch(f"DB{block}.DBB", address, max(size, 1)) if size else "nothing")
    return ", ".join(parts), ""


def _symbolic(body: Reader) -> tuple[str, str]:
    """A variable by the check sum of its name and the numbers of its path, of 1200 and 1500."""
    reserved, one, two, check = body.u8(), body.u16(), body.u16(), body.u32()
    if one == 0x8A0E:
        area = f"DB{two}"
    elif one == 0 and two in words.SYMBOLIC_AREAS:
        area = words.SYMBOLIC_AREAS[two]
    else:
        area = f"area {one:#06x} {two:#06x}"
    path = []
    while body.left():
        path.append(f"{body.u32():x}")
    note = "" if reserved == 0xFF else f"reserved {reserved:#04x}"
    return f"{area} symbol {check:#010x} {'.'.join(path)}".strip(), note


def _numeric(body: Reader) -> tuple[str, str]:
    """A variable of a numeric control: area and unit, column, line, module, lines."""
    area, column, line, module, lines = body.u8(), body.u16(), body.u16(), body.u8(), body.u8()
    unit = f"area {area >> 5} unit {area & 0x1F}"
    return f"NCK {unit} module {module:#04x} column {column} line {line} lines {lines}", ""


_SYNTAXES: dict[int, Callable[[Reader], tuple[str, str]]] = {
    words.ANY: _any,
    words.DBREAD: _blocks_read,
    words.SYMBOLIC: _symbolic,
    words.NCK[0]: _numeric,
}
