"""CIP messages one by one: requests, and replies with their request."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from otsec.errors import Malformed
from otsec.protocols.api import U8, Elements, Fact, Message, Reader, Side
from otsec.protocols.cip.attributes import (
    MOST_LISTED,
    all_told,
    attribute_elements,
    list_told,
    number_told,
    set_told,
)
from otsec.protocols.cip.codes import (
    CLASSLESS,
    CLOSE,
    LARGE_OPEN,
    MANAGER_CLASS,
    MEMORY_CLASS,
    MULTIPLE,
    OPEN,
    PCCC_CLASS,
    PCCC_SERVICE,
    READ_WORDS,
    REPLY,
    SEND,
    SEND_FRONT,
    SET_LIST,
    SIZE_OF,
    STRUCTURE,
    SYMBOL_CLASS,
    SYMBOLIC,
    TYPES,
    WORD_BYTES,
    leading_class,
)
from otsec.protocols.cip.paths import Path, hex_of, read_path, take_padding
from otsec.protocols.cip.pccc import pccc_asked, pccc_told
from otsec.protocols.cip.said import MISMATCH, OPAQUE, OPAQUE_ATTRIBUTES, Said, outcome_of
from otsec.protocols.words import enip as words

# --------------------------------------------------------------------------------- decode


def joined(device: str, route: str) -> str:
    """A device, and one behind it."""
    return "/".join(part for part in (device, route) if part)


def read_send(data: bytes) -> tuple[bytes, str] | None:
    """What an Unconnected_Send carries and its route, [CIP1] 3-5.5.2; None if it is none."""
    if not data.startswith(SEND_FRONT):
        return None
    unit = Reader(data, len(SEND_FRONT))
    unit.u16le()
    size = unit.u16le()
    message = unit.take(size)
    take_padding(unit, size % 2)
    length, reserved = unit.u8(), unit.u8()
    route = read_path(unit.take(2 * length))
    if unit.left() or reserved or size < 2 or message[0] >= REPLY:
        raise Malformed(f"unconnected send of {size} bytes")
    return message, route.route


def read_service(data: bytes, device: str, side: Side, request: Message | None) -> Message:
    """One request, or a reply with its request; ``side``: who is said to speak."""
    unit = Reader(data)
    service = unit.u8()
    reply = service >= REPLY
    if service & 0x7F == 0 or (side != Side.UNKNOWN and reply != (side == Side.RESPONSE)):
        raise Malformed(f"service {service:#04x} of a {'server' if side else 'client'}")
    if not reply:
        raw = unit.take(2 * unit.u8())
        path = read_path(raw)
        return _asked(Said(joined(device, path.route), service, path, leading_class(raw), unit))
    if unit.u8():
        raise Malformed("the byte behind the service is not 0")
    status = unit.u8()
    extended = [unit.u16le() for _ in range(unit.u8())]
    outcome = outcome_of(status, extended)
    if request is not None:
        device = request.device
    said = Said(device, service & 0x7F, Path(), CLASSLESS, unit, request, status, outcome)
    return _told(said)


def _word_of(service: int, klass: int) -> words.Word:
    """The operation of a service on a class; of common ones the class of operation depends on it."""
    own = words.TAGS if klass == SYMBOLIC else words.OF_CLASS.get(klass, {})
    word = own.get(service) or words.COMMON.get(service)
    if word is None:
        return f"unknown_{service:#04x}", words.UNKNOWN_CLASS
    if service in words.GETS and klass in words.IDENTIFYING:
        return word[0], "browse"
    if service in words.SETS:
        if klass in words.CONFIGURING:
            return word[0], "config"
        if klass in words.CLOCKS:
            return word[0], "time"
    return word


# ------------------------------------------------------------------------------- requests


def _asked(said: Said) -> Message:
    klass, service = said.klass, said.service
    tag = klass in (SYMBOLIC, SYMBOL_CLASS)
    parse = (_TAG_REQUESTS if tag else _REQUESTS).get(service)
    if klass == MANAGER_CLASS:
        parse = _MANAGER_REQUESTS.get(service, parse)
    elif klass == PCCC_CLASS and service == PCCC_SERVICE:
        parse = pccc_asked
    elif klass == MEMORY_CLASS and service == READ_WORDS:
        parse = _words_asked
    if parse is not None:
        return parse(said, _word_of(service, klass))
    return said.opaque(_word_of(service, klass))


def _list_asked(said: Said, word: words.Word) -> Message:
    """[CIP1] A-4.3: the attributes' number and the attributes."""
    count = said.body.u16le()
    listed = [str(said.body.u16le()) for _ in range(count)]
    _end(said)
    if count > MOST_LISTED:
        listed[MOST_LISTED:] = [f"{count - MOST_LISTED} more"]
    plural = "s" if count != 1 else ""
    return said.message(word, f"{said.path.text} attribute{plural} {', '.join(listed)}")


def _list_to_set(said: Said, word: words.Word) -> Message:
    """[CIP1] A-4.4: a number, then id and data; whose size is not told, so a single one is read."""
    count = said.body.u16le()
    if not count:
        return said.message(word)
    first = said.body.u16le()
    text = f"{said.path.text} attribute {first}"
    if count == 1:
        return said.message(word, text, attribute_elements(text, said.body.left()))
    more = f"{text} and {count - 1} more"
    return said.message(word, more, note=OPAQUE_ATTRIBUTES).leaving(said.body.left())


def _number_asked(said: Said, word: words.Word) -> Message:
    return said.message(word, elements=attribute_elements(said.path.text, said.body.left()))


def _reset_asked(said: Said, word: words.Word) -> Message:
    """[CIP1] 5-2.3: one byte says how; without it, the power is cycled."""
    if said.bare:
        return said.message(word)
    how = said.body.u8()
    rest = said.body.rest()
    text = words.RESETS.get(how, f"{how:#04x}") + (f" {hex_of(rest)}" if rest else "")
    return said.message(word, f"{said.path.text} {text}")


def _find_asked(said: Said, word: words.Word) -> Message:
    most = said.body.u8()
    _end(said)
    return said.message(word, f"{said.path.text} at most {most}")


def _several_asked(said: Said, word: words.Word) -> Message:
    said.body.rest()
    return said.message(word)


def _end(said: Said) -> None:
    if said.body.left():
        raise Malformed(f"service {said.service:#04x}: {said.body.left()} bytes behind its content")


def _elements_text(path: Path, count: int) -> str:
    """`Tag`, `Tag[3]`, `Tag[3-12]`: elements from the one that the path names on."""
    if count == 1:
        return path.text
    match = _INDEX.fullmatch(path.text)
    if match is None:
        return f"{path.text} x{count}"
    first = int(match[2] or 0)
    return f"{match[1]}[{first}-{first + count - 1}]"


_INDEX = re.compile(r"([^\[\]]+?) ?(?:\[(\d+)\])?")
_RANGE = re.compile(r"(.+?) ?(?:\[(\d+)(?:-(\d+))?\])?(?: x(\d+))?(?: offset (\d+))?")


def _tag_elements(text: str, count: int, size: int) -> Elements:
    """The elements of an object's text that so many values of so many bytes are."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return Elements(text, 0, count)
    first = int(match[2] or 0) + int(match[5] or 0) // size
    return Elements(match[1], first, count)


def _read_asked(said: Said, word: words.Word) -> Message:
    """[DATA] read tag: the number of elements; of a fragment the offset in bytes."""
    text = _elements_text(said.path, said.body.u16le())
    if said.service == SEND:
        offset = said.body.u32le()
        text += f" offset {offset}" if offset else ""
    _end(said)
    return said.message(word, text)


def _write_asked(said: Said, word: words.Word) -> Message:
    """[DATA] write tag: type, number of elements, of a fragment the offset, the elements."""
    code = said.body.u16le()
    if code == STRUCTURE:
        said.body.u16le()
    text = _elements_text(said.path, said.body.u16le())
    if said.service == 0x53:
        offset = said.body.u32le()
        text += f" offset {offset}" if offset else ""
    kind, data = TYPES.get(code, U8), said.body.rest()
    size = int(SIZE_OF[kind])
    if len(data) % size:
        size = 1
    if not data:
        return said.message(word, text)
    return said.message(word, text, _tag_elements(text, len(data) // size, size))


def _words_asked(said: Said, word: words.Word) -> Message:
    """Words of a Logix controller's memory, as captures show: address, how many; the reply is they."""
    text = f"{said.path.text} address {said.body.u32le():#010x}"
    count = said.body.u16le()
    _end(said)
    return said.message(word, f"{text} x{count}")


def _modify_asked(said: Said, word: words.Word) -> Message:
    """[DATA] read modify write: the size of the masks, the OR mask, the AND mask, as bytes."""
    size = said.body.u16le()
    masks = said.body.rest()
    if not size or len(masks) != 2 * size:
        raise Malformed(f"{len(masks)} bytes of masks of {size}")
    elements = Elements(f"{said.path.text} or/and mask", 0, len(masks))
    return said.message(word, elements=elements)


_TRANSPORTS = ("cyclic", "change of state", "application", "reserved")
_CONNECTION_TYPES = ("null", "multicast", "point to point", "reserved")
_PRIORITIES = ("low", "high", "scheduled", "urgent")


def _parameters(value: int, *, large: bool) -> str:
    """Network connection parameters, [CIP1] 3-5.5.1.1; of both sizes the upper bits are alike."""
    flags, size = (value >> 16, value & 0xFFFF) if large else (value, value & 0x1FF)
    words_ = [
        f"{size} bytes",
        _CONNECTION_TYPES[flags >> 13 & 3],
        _PRIORITIES[flags >> 10 & 3],
        "variable" if flags >> 9 & 1 else "fixed",
    ]
    if flags >> 15 & 1:
        words_.append("redundant owner")
    return " ".join(words_)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A Forward_Open, [CIP1] 3-5.5.2."""

    name: str  # serial number of the connection, vendor and serial of its originator
    text: str
    path: Path
    transport: int
    points: tuple[str, str]  # what data to the target and from it belongs to
    facts: tuple[Fact, ...]


def read_opening(body: Reader, *, large: bool) -> _Opening:
    """The body of a Forward_Open."""
    body.take(2 + 4 + 4)  # tick and timeout; the connection ids, of which the response decides
    name, facts = _originator(body)
    multiplier = body.u8()
    reserved = body.take(3)
    sides = []
    for _ in range(2):
        interval = body.u32le()
        parameters = _parameters(body.u32le() if large else body.u16le(), large=large)
        sides.append(f"{interval} us {parameters}")
    transport = body.u8()
    raw = body.take(2 * body.u8())
    if body.left() or any(reserved) or multiplier > 7:
        raise Malformed("forward open")
    path = read_path(raw)
    trigger = _TRANSPORTS[transport >> 4 & 3]
    kind = f"class {transport & 0x0F} {trigger}{' server' if transport & 0x80 else ''}"
    text = f"{path.text} ({kind}, O->T {sides[0]}, T->O {sides[1]}, timeout x{4 << multiplier})"
    return _Opening(name, text, path, transport, _points(path.text), (*facts, *path.facts))


def _originator(body: Reader) -> tuple[str, tuple[Fact, ...]]:
    raw = body.take(8)
    vendor, serial = int.from_bytes(raw[2:4], "little"), int.from_bytes(raw[4:], "little")
    facts = (
        Fact("originator_vendor_id", str(vendor), "client"),
        Fact("originator_serial", f"{serial:#010x}", "client"),
    )
    return raw.hex(), facts


_POINT = re.compile(r"(?:connection point|instance) \d+")


def _points(text: str) -> tuple[str, str]:
    """What data to the target and what from it belongs to: the last two points of the path.

    [CIP1] 3-5.5.1.11: of three, the first is the configuration's; one stands for both.
    """
    found = list(_POINT.finditer(text))
    if not found:
        return text, text
    front = text[: found[0].start()]
    names = [front + match[0] for match in found]
    return (names[-2] if len(names) > 1 else names[0]), names[-1]


def _open_asked(said: Said, word: words.Word) -> Message:
    opening = read_opening(said.body, large=said.service == LARGE_OPEN)
    device = joined(said.device, opening.path.route)
    return replace(said, device=device).message(word, said.named(opening.text), facts=opening.facts)


def _close_asked(said: Said, word: words.Word) -> Message:
    """[CIP1] 3-5.5.3."""
    said.body.take(2)
    _, facts = _originator(said.body)
    size, reserved = said.body.u8(), said.body.u8()
    path = read_path(said.body.take(2 * size))
    _end(said)
    if reserved:
        raise Malformed("forward close")
    device = joined(said.device, path.route)
    told = replace(said, device=device)
    return told.message(word, said.named(path.text), facts=(*facts, *path.facts))


_REQUESTS: dict[int, Callable[[Said, words.Word], Message]] = {
    0x03: _list_asked,
    SET_LIST: _list_to_set,
    0x05: _reset_asked,
    MULTIPLE: _several_asked,
    0x10: _number_asked,
    0x11: _find_asked,
}
_TAG_REQUESTS = _REQUESTS | {
    0x4C: _read_asked,
    0x4D: _write_asked,
    0x4E: _modify_asked,
    0x52: _read_asked,
    0x53: _write_asked,
    0x55: _list_asked,  # [DATA] of all symbols from an instance on
}
_MANAGER_REQUESTS = {OPEN: _open_asked, LARGE_OPEN: _open_asked, CLOSE: _close_asked}


# -------------------------------------------------------------------------------- replies

_CODES = {  # services by operation, where the name does not say them
    name: code
    for table in (words.COMMON, words.TAGS, *words.OF_CLASS.values())
    for code, (name, _) in table.items()
}
_CARRIERS = (SEND, MULTIPLE)  # may fail in place of what they carry


def _told(said: Said) -> Message:
    asked = said.request
    if asked is not None and said.service != _code_of(asked.operation):
        failed = said.service in _CARRIERS and said.outcome != "ok"
        if not failed:
            return replace(said, outcome=MISMATCH).message(_word_told(said.service))
    word = _word_told(said.service)
    if said.outcome != "ok":
        return said.message(word)
    parse = _REPLIES.get(said.service)
    if parse is not None:
        return parse(said, word)
    return said.opaque(word)


def _code_of(operation: str) -> int:
    """The service of an operation; -1 where it is of no message."""
    if operation.startswith("pccc_"):
        return PCCC_SERVICE
    if operation.startswith("unknown_0x"):
        return int(operation.removeprefix("unknown_"), 16)
    return _CODES.get(operation, -1)


def _word_told(service: int) -> words.Word:
    """The operation of a reply by itself: other services have the same codes on other classes."""
    word = words.COMMON.get(service)
    if word is None and service in (OPEN, LARGE_OPEN):
        word = words.MANAGER[service]
    return word or (f"unknown_{service:#04x}", words.UNKNOWN_CLASS)


def _several_told(said: Said, word: words.Word) -> Message:
    said.body.rest()
    return said.message(word)


_READS = ("read_tag", "read_tag_fragmented")


def _typed_told(said: Said, word: words.Word) -> Message:
    """[DATA] the reply to a read of a tag: type, structures with their handle, elements."""
    operation = said.request.operation if said.request is not None else ""
    data = said.body.rest()
    code = int.from_bytes(data[:2], "little")
    front = 4 if code == STRUCTURE else 2
    kind = TYPES.get(code, U8 if code == STRUCTURE else 0)
    size, left = int(SIZE_OF[kind]), len(data) - front
    if not kind or left <= 0 or left % size:
        return _words_told(said, word, data)
    if said.request is None or operation not in _READS:
        return said.opaque(word, OPAQUE, len(data))
    elements = _tag_elements(said.request.object, left // size, size)
    return said.message(word, elements=elements)


def _words_told(said: Said, word: words.Word, data: bytes) -> Message:
    """What is no tag may be words of memory, if those were asked for."""
    count, rest = divmod(len(data), WORD_BYTES)
    asked = said.request
    if asked is None or asked.operation != "read_words" or rest or not count:
        return said.opaque(word, OPAQUE, len(data))
    return said.message(word, elements=Elements(asked.object.rpartition(" x")[0], 0, count))


def _opened(said: Said, word: words.Word) -> Message:
    """[CIP1] 3-5.5.2: connection ids, who asked, the intervals that are kept, more of the target's."""
    if said.extended or said.body.left() < 26:
        raise Malformed("the reply to a forward open")
    said.body.take(8)
    _, facts = _originator(said.body)
    intervals = said.body.u32le(), said.body.u32le()
    size = said.body.u8()
    said.body.u8()
    said.body.take(2 * size)
    _end(said)
    if said.request is None:
        text = f"unknown (O->T {intervals[0]} us, T->O {intervals[1]} us)"
        return said.message(word, text, facts=facts)
    kept = all(
        f"->{end} {one} us" in said.request.object for end, one in zip("TO", intervals, strict=True)
    )
    note = "" if kept else f"kept: O->T {intervals[0]} us, T->O {intervals[1]} us"
    return said.message(word, facts=facts, note=note)


def _closed(said: Said, word: words.Word) -> Message:
    """[CIP1] 3-5.5.3; the reply to a read-modify-write has the same code and nothing behind it."""
    if said.extended or said.body.left() < 10:
        said.body.rest()
        return said.message(word)
    _, facts = _originator(said.body)
    size = said.body.u8()
    said.body.u8()
    said.body.take(2 * size)
    _end(said)
    if said.request is None:
        word = words.MANAGER[CLOSE]
    return said.message(word, facts=facts)


_REPLIES: dict[int, Callable[[Said, words.Word], Message]] = {
    0x01: all_told,
    0x03: list_told,
    SET_LIST: set_told,
    MULTIPLE: _several_told,
    0x0E: number_told,
    0x4C: _typed_told,
    0x52: _typed_told,
    PCCC_SERVICE: pccc_told,
    OPEN: _opened,
    LARGE_OPEN: _opened,
    CLOSE: _closed,
}
