"""PCCC, the commands of older controllers, inside CIP, [DF1]."""

import re
from dataclasses import replace

from otsec.errors import Malformed
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.cip.codes import (
    LOGICAL,
    LOGICAL_WRITES,
    PCCC_CLASS,
    PCCC_REPLIES,
    PCCC_SERVICE,
    REQUESTER,
)
from otsec.protocols.cip.paths import hex_of, text_of
from otsec.protocols.cip.said import OPAQUE, Said
from otsec.protocols.words import enip as words


def pccc_asked(said: Said, _word: words.Word) -> Message:
    """[CIP1] 5-60, [DF1] 7: who asks, command, status, transaction number, function, its data."""
    body = said.body
    facts = _requester(body)
    command, status = body.u8(), body.u8()
    body.u16le()
    if status or command & 0x40:
        raise Malformed(f"PCCC command {command:#04x} with status {status:#04x}")
    if command in words.PCCC_PLAIN:
        address = body.u16le()
        rest = body.rest()
        text = f"address {address}" + (f" {hex_of(rest)}" if rest else "")
        return said.message(words.PCCC_PLAIN[command], said.named(text), facts=facts)
    if command not in (0x06, 0x07, 0x0F):
        rest = body.rest()
        unknown: words.Word = (f"pccc_unknown_{command:#04x}", words.UNKNOWN_CLASS)
        return said.message(unknown, said.named(hex_of(rest)), facts=facts)
    function = body.u8()
    word = words.PCCC.get((command, function))
    if word is None:
        word = (f"pccc_unknown_{command:#04x}_{function:#04x}", words.UNKNOWN_CLASS)
    if command == 0x0F and function in LOGICAL:
        return _logical_asked(said, word, function, facts)
    rest = body.rest()
    text = hex_of(rest)
    if (command, function) == (0x0F, 0x80) and len(rest) == 1:
        text = words.PCCC_MODES.get(rest[0], f"mode {text}")
    return said.message(word, said.named(text), facts=facts)


def _requester(body: Reader) -> tuple[Fact, ...]:
    raw = body.take(body.u8() - 1)
    if len(raw) < REQUESTER - 1:
        raise Malformed(f"{len(raw)} bytes of a requester")
    vendor, serial = int.from_bytes(raw[:2], "little"), int.from_bytes(raw[2:6], "little")
    return (
        Fact("originator_vendor_id", str(vendor), "client"),
        Fact("originator_serial", f"{serial:#010x}{hex_of(raw[6:])}", "client"),
    )


def _field(body: Reader) -> int:
    """[DF1] 13: a byte, or 0xff and two bytes."""
    first = body.u8()
    return body.u16le() if first == 0xFF else first


def _logical_asked(said: Said, word: words.Word, function: int, facts: tuple[Fact, ...]) -> Message:
    """[DF1] 7-17 to 7-18: bytes, file, file type, element, sub-element; for a write the data."""
    body = said.body
    size, file, kind, element = body.u8(), _field(body), body.u8(), _field(body)
    sub = _field(body) if LOGICAL[function] == 3 else 0
    letter = words.FILE_LETTERS.get(kind)
    space = f"{letter}{file}" if letter else f"type {kind:#04x} file {file}"
    text = f"{space}:{element}" + (f".{sub}" if sub else "")
    step = 4 if letter == "F" else 2
    if not sub and letter in _SIMPLE and size > step and size % step == 0:
        text += f"-{element + size // step - 1}"
    elif size != step:
        text += f" {size} bytes"
    text = said.named(text)
    data = body.rest()
    if function == 0xAB:
        return said.message(word, f"{text} mask and data {hex_of(data)}", facts=facts)
    if function not in LOGICAL_WRITES:
        if data:
            raise Malformed("a read with data")
        return said.message(word, text, facts=facts)
    if len(data) % step:
        step = 1
    count = len(data) // step
    if not count:
        return said.message(word, text, facts=facts)
    simple = letter in _SIMPLE and not sub and step > 1
    elements = Elements(space, element, count) if simple else Elements(text, 0, count)
    return said.message(word, text, elements, facts)


_SIMPLE = frozenset("BFINOS")  # letters of files whose elements are one word, or one float
_FILE_RANGE = re.compile(r"([BINOS]\d+):(\d+)(?:-(\d+))?")


def pccc_told(said: Said, word: words.Word) -> Message:
    """[DF1] 7: who asked, command, status, transaction number, in a failure more, data."""
    raw = said.body.rest()
    if (
        said.extended
        or len(raw) < REQUESTER + 4
        or raw[0] != REQUESTER
        or not PCCC_REPLIES[raw[REQUESTER]]
    ):
        return said.opaque(word, OPAQUE, len(raw))
    body = Reader(raw)
    facts = _requester(body)
    command, status = body.u8(), body.u8()
    body.u16le()
    if said.request is None:
        word = words.OF_CLASS[PCCC_CLASS][PCCC_SERVICE]
    outcome = "ok"
    if status:
        more = words.PCCC_EXTENDED if status == 0xF0 and body.left() else words.PCCC_STATUSES
        code = body.u8() if more is words.PCCC_EXTENDED else status
        outcome = more.get(code, f"{code:#04x}")
    said = replace(said, outcome=outcome)
    data = body.rest()
    if command == 0x46 and not status and len(data) >= 16 and data[1] == 0xEE:
        return said.message(word, facts=(*facts, *_diagnosis(said, data)))
    if said.request is None or not data or status:
        return said.message(word, facts=facts)
    step = 1 if len(data) % 2 else 2
    match = _FILE_RANGE.fullmatch(said.request.object)
    if match is not None and step == 2:
        elements = Elements(match[1], int(match[2]), len(data) // step)
    else:
        unit = "bytes" if step == 1 else "words"
        name = said.request.object or said.request.operation
        elements = Elements(f"{name} {unit}", 0, len(data) // step)
    return said.message(word, elements=elements, facts=facts)


def _diagnosis(said: Said, data: bytes) -> tuple[Fact, ...]:
    """[DF1] 10: of SLC and MicroLogix: mode, type, interface, processor, series, name."""
    if said.request is None or said.request.operation != "pccc_diagnostic_status":
        return ()
    return (
        Fact("model_name", text_of(data[5:16]).strip(" \0")),
        Fact("device_type", f"{data[3]:#04x} on interface {data[2]:#04x}"),
        Fact("revision", f"series {data[4] >> 5} revision {data[4] & 0x1F}"),
        Fact("device_status", f"{data[0]:#04x}"),
        Fact("diagnostic_data", hex_of(data[16:])),
    )
