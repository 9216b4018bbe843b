"""Lines of an FTP control connection: commands, and replies of one or more lines.

Source: [FTP] RFC 959 4.1 and 4.2.

What begins as neither is encrypted (RFC 4217): a frame without an end, of which nothing is
delivered.
"""

import re

import numpy as np

from otsec.columns import I64, Bytes, Header
from otsec.protocols.api import NOT_MINE, Framing

HEADER = np.dtype([("first", "u1")])
LONGEST_LINE = 4096 + 16  # bytes: a path and its command
LONGEST_REPLY = 16_384  # bytes of all lines; of longer ones only the first line is a reply
ENDLESS = 1 << 20
FRONT = re.compile(rb"[A-Za-z]{3,4}[ \r\n]|[1-6]\d\d[ -]|[ \t!-~]")
MANY = re.compile(rb"([1-6]\d\d)-")  # [FTP] 4.2: the last line has the code and a space
# what shows by its first letters that it may be FTP; see `claims`
WORDS = (
    *(
        "PASV",
        "EPSV",
        "SYST",
        "FEAT",
        "CDUP",
        "PWD ",
        "XPWD",
        "XCUP",
        "TYPE",
        "AUTH",
        "PBSZ",
        "PROT",
    ),
    *(
        "PORT",
        "EPRT",
        "MODE",
        "STRU",
        "REST",
        "ALLO",
        "OPTS",
        "CWD ",
        "XCWD",
        "STOR",
        "APPE",
        "RNFR",
    ),
    *(
        "RNTO",
        "MKD ",
        "XMKD",
        "RMD ",
        "XRMD",
        "SIZE",
        "MDTM",
        "MLSD",
        "MLST",
        "NLST",
        "RETR",
        "DELE",
    ),
)
OPENINGS = (
    *(b"120", b"125", b"150", b"200", b"211", b"213", b"215", b"220", b"226", b"227", b"229"),
    *(b"230", b"234", b"250", b"257", b"331", b"350", b"425", b"426", b"530", b"550"),
    *(word.encode() for word in WORDS),
    *(word.lower().encode() for word in WORDS),
)


def _lengths(buffer: Bytes, start: I64, end: I64, _header: Header) -> I64:
    length = np.full(len(start), ENDLESS)
    for row, (begin, stop) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        length[row] = _length(buffer[begin : min(stop, begin + LONGEST_REPLY)].tobytes())
    return length


def _length(data: bytes) -> int:
    """Length of the command or reply; more than is there where its end is not."""
    if FRONT.match(data) is None:
        return ENDLESS
    line = data.find(b"\n", 0, LONGEST_LINE) + 1
    if not line:
        return NOT_MINE if len(data) >= LONGEST_LINE else LONGEST_LINE
    many = MANY.match(data)
    if many is None:
        return line
    last = re.compile(b"\n" + many[1] + rb" [^\n]*\n").search(data, line - 1)
    if last is not None:
        return last.end()
    return line if len(data) >= LONGEST_REPLY else LONGEST_REPLY


FTP = Framing(
    "ftp",
    HEADER,
    _lengths,
    longest=ENDLESS,
    begins=tuple((at, frozenset(word[at] for word in OPENINGS)) for at in range(3)),
)
