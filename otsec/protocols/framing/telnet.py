"""Commands of Telnet, and lines of text between them.

Source: [TELNET] RFC 854.

A line ends with its end, before a command, or behind what asks for a name or a password, for
nothing follows that until somebody has typed.
"""

import re

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("first", "u1")])
IAC, SE, SB, WILL, WONT, DO, DONT = 255, 240, 250, 251, 252, 253, 254
FIRST_COMMAND = 236  # EOF, RFC 1184
LONGEST_LINE = 1024  # bytes; the rest of a longer one counts as another
LONGEST_OPTION = 1024  # bytes of a subnegotiation
OPTION = re.compile(rb"\xff\xfa(?:[^\xff]|\xff\xff)*\xff\xf0")
PROMPT = (
    rb"(?:(?<!last )\blogin(?: name)?|\buser ?(?:name|id)|\baccount"
    rb"|\bpass(?:word|wd|code)(?: for [!-9;-~]{1,32})?) ?:"
)
END = re.compile(rb"\r[\n\0]?|\n|(?=\xff[^\xff])|" + PROMPT, re.IGNORECASE)


def _lengths(buffer: Bytes, start: I64, end: I64, _header: Header) -> I64:
    length = np.full(len(start), NOT_MINE)
    for row, (begin, stop) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        length[row] = _length(buffer[begin : min(stop, begin + LONGEST_LINE)].tobytes())
    return length


def _length(data: bytes) -> int:
    """Length of the command or line; more than is there where its end is not."""
    if not data:  # the capture kept none of it
        return LONGEST_LINE
    if data[0] == IAC and len(data) < 2:
        return 2
    if data[0] == IAC and data[1] != IAC:
        return _command(data)
    found = END.search(data)
    if found is None:
        return LONGEST_LINE
    at_the_end = found.end() == len(data) < LONGEST_LINE
    return found.end() + (at_the_end and found[0] == b"\r")


def _command(data: bytes) -> int:
    code = data[1]
    if code == SB:
        option = OPTION.match(data)
        if option is not None:
            return option.end()
        return NOT_MINE if len(data) >= LONGEST_OPTION else LONGEST_OPTION
    if WILL <= code <= DONT:
        return 3
    return 2 if code >= FIRST_COMMAND else NOT_MINE


TELNET = Framing(
    "telnet",
    HEADER,
    _lengths,
    longest=LONGEST_LINE,
    begins=((0, frozenset({IAC})), (1, frozenset({WILL, DO}))),
)
