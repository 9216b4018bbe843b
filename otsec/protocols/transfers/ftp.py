"""Files of FTP, which go over connections of their own that the control connection announces.

Sources: [FTP] RFC 959 3.2, 4.1, 5.4; [EXT] RFC 2428 (EPRT, EPSV), RFC 3659 5 (REST).

A file has come when its connection ends and the server says that it has. What is resumed or added
to a file is only a part of it, and has no hash; nor has what is encrypted (RFC 4217 9).
"""

import re
from typing import Any

import numpy as np

from otsec.columns import Mask, span_word
from otsec.protocols.api import (
    Begin,
    Direction,
    End,
    Expect,
    Reader,
    Side,
    Step,
    Transfers,
    Units,
)
from otsec.protocols.spoken import text_of

LANE = "data"
DIRECTIONS: dict[bytes, Direction] = {
    b"retr": "from_server", b"stor": "to_server", b"stou": "to_server", b"appe": "to_server",
}  # fmt: skip
OTHERS = (b"rest", b"prot", b"auth", b"port", b"eprt")
PASSIVE = (b"227 ", b"229 ")
REPLIES = (b"125", b"150", b"226", b"250", b"425", b"426", b"450", b"451", b"452", b"532",
           b"550", b"551", b"552", b"553")  # fmt: skip
COMMAND = re.compile(rb"([A-Za-z]{4})(?: ([^\r\n]*))?\r?\n")
ENTERS = re.compile(rb"227 [^\r\n]*?(\d{1,3}(?:,\d{1,3}){5})")  # [FTP] 5.4 asks for no brackets
EXTENDED = re.compile(rb"229 [^\r\n]*\(([!-~])\1\1(\d{1,5})\1\)")
NUMBERS = re.compile(rb"\s*(\d{1,3}(?:,\d{1,3}){5})\s*")
NAMED = re.compile(rb"\s*([!-~])[12]\1([0-9A-Fa-f.:]{2,45})\1(\d{1,5})\1\s*")
MOST_NAME = 256
Memory = dict[str, Any]


def _words(words: tuple[bytes, ...]) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    return np.array([int.from_bytes(word, "little") for word in words], np.uint64)


_VERBS, _PASSIVE = _words((*DIRECTIONS, *OTHERS)), _words(PASSIVE)
_REPLIES = _words(REPLIES)
LOWER = np.uint64(0x2020_2020)


def begins(units: Units) -> Mask:
    """Commands that ask for a file or say how it comes, and what announces a connection."""
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    front = word & np.uint64(0xFFFF_FFFF)
    return np.asarray(np.isin(front | LOWER, _VERBS) | np.isin(front, _PASSIVE), np.bool_)


def goes_on(units: Units) -> Mask:
    """Replies that tell how a transfer goes on."""
    word = span_word(units.buffer, units.start, units.end - units.start, 0)
    return np.asarray(np.isin(word & np.uint64(0xFF_FFFF), _REPLIES), np.bool_)


def expects(data: bytes, _side: Side) -> Expect | None:
    """The end that a unit announces, if it does."""
    if (entered := ENTERS.match(data)) is not None:
        return _numbered(entered[1], of_server=True)
    if (extended := EXTENDED.match(data)) is not None:
        return _at("", int(extended[2]), of_server=True)
    command = COMMAND.fullmatch(data)
    verb = b"" if command is None else command[1].lower()
    argument = b"" if command is None else command[2] or b""
    if verb == b"port" and (numbers := NUMBERS.fullmatch(argument)) is not None:
        return _numbered(numbers[1], of_server=False)
    if verb == b"eprt" and (named := NAMED.fullmatch(argument)) is not None:
        return _at(named[2].decode(), int(named[3]), of_server=False)
    return None


def _numbered(text: bytes, *, of_server: bool) -> Expect | None:
    """[FTP] 4.1.2: four numbers of the address, two of the port."""
    *address, high, low = map(int, text.split(b","))
    if max(*address, high, low) > 0xFF:
        return None
    return _at(".".join(map(str, address)), high << 8 | low, of_server=of_server)


def _at(address: str, port: int, *, of_server: bool) -> Expect | None:
    return Expect(LANE, address, port, of_server) if 0 < port < 1 << 16 else None


def read(reader: Reader, side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """A command or a reply of the control connection."""
    data = reader.data
    if (expected := expects(data, side)) is not None:
        return [expected]
    if data[:1].isdigit():
        return _answered(data[:3], memory)
    command = COMMAND.fullmatch(data)
    if command is None:
        return []
    verb, argument = command[1].lower(), (command[2] or b"").strip()
    if verb == b"prot":
        memory["sealed"] = argument.upper() in (b"P", b"E")  # RFC 2228 3
    elif verb == b"rest" and argument.isdigit():
        memory["from"] = int(argument[:15])
    elif verb in DIRECTIONS:
        return _asked(verb, argument, memory)
    return []


def _asked(verb: bytes, argument: bytes, memory: Memory) -> list[Step]:
    start = memory.pop("from", 0)
    if memory.get("sealed"):
        return []
    memory["part"] = "added to what was there" if verb == b"appe" else ""
    if start:
        memory["part"] = f"only from byte {start} on"
    memory["begun"] = False
    name = text_of(argument, MOST_NAME)
    return [Begin(LANE, name, "file", DIRECTIONS[verb], placed="first", aside=True)]


def _answered(code: bytes, memory: Memory) -> list[Step]:
    if "part" not in memory:
        return []
    if code in (b"125", b"150"):
        memory["begun"] = True
        return []
    part, begun = memory.pop("part"), memory.pop("begun")
    if code in (b"226", b"250"):
        return [End(LANE, part)]
    return [End(LANE, "failed" if begun else "refused")]


TRANSFERS = Transfers("connection", begins, goes_on, read, expects=expects)
