"""TFTP: which files are read and written, and why not.

Sources: [TFTP] RFC 1350; [OPTIONS] RFC 2347, 2348, 2349, 7440.

A transfer goes on between ports of which one is new, so it is not on the conversation of its
request. Data and acknowledgements do not show whose they are: they are read only where their
conversation began with an answer to options or with an error, which do.
"""

import re
from functools import lru_cache

import numpy as np

from otsec.columns import Ints, Mask, gather
from otsec.errors import Malformed
from otsec.protocols.api import Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.transfers.tftp import TRANSFERS

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)  # [TFTP] 5, [OPTIONS] RFC 2347
NAMES = {
    RRQ: "read_request",
    WRQ: "write_request",
    DATA: "data",
    ACK: "acknowledgment",
    ERROR: "error",
    OACK: "option_acknowledgment",
}
OPERATIONS = tuple(Operation(name, "file", code) for code, name in NAMES.items())
ERRORS = {  # [TFTP] appendix I, RFC 2347
    0: "failed", 1: "file_not_found", 2: "access_violation", 3: "disk_full",
    4: "illegal_operation", 5: "unknown_transfer", 6: "file_exists", 7: "no_such_user",
    8: "option_refused",
}  # fmt: skip
OF_SERVERS = (1, 2, 6, 7)  # errors that only they have
HEADER = np.dtype([("code", ">u2"), ("number", ">u2")])
MOST_NAME = 256  # characters
LARGEST = 65_464  # bytes of a block, RFC 2348
SHORTEST_TEXT = 4  # characters of an error by which it is known
REQUEST = re.compile(
    rb"\0[\x01\x02]([^\0-\x1f\x7f]{1,512})\0(netascii|octet|mail)\0((?:[!-~]{1,32}\0[!-~]{0,64}\0)*)",
    re.IGNORECASE,
)
KNOWN_OPTIONS = re.compile(
    rb"\0\x06((?:(?:blksize2?|tsize|u?timeout|windowsize|multicast|rollover)\0[\d.,]{1,64}\0)+)",
    re.IGNORECASE,
)
OPTIONS = re.compile(rb"\0\x06((?:[!-~]{1,32}\0[!-~]{0,64}\0)+)")
FAILURE = re.compile(rb"\0\x05\0([\0-\x08])([\t -\xff]*)\0")
OPAQUE = "opaque: contents of a file"
MESSAGE = whole(
    "tftp", HEADER.itemsize, ((0, frozenset({0})), (1, frozenset(range(RRQ, OACK + 1))))
)


def claims(units: Units) -> Mask:
    """Requests; answers to options that there are; errors with a text."""
    mine = np.zeros(len(units), np.bool_)
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    few = fits & np.isin(header["code"], (RRQ, WRQ, ERROR, OACK))
    for row in np.flatnonzero(few).tolist():
        data = units.buffer[units.start[row] : units.end[row]].tobytes()
        failure = FAILURE.fullmatch(data)
        mine[row] = (
            REQUEST.fullmatch(data) is not None
            or KNOWN_OPTIONS.fullmatch(data) is not None
            or (failure is not None and len(failure[2]) >= SHORTEST_TEXT and failure[2].isascii())
        )
    return mine


def sides(units: Units) -> Ints:
    """Who asks for a file is the client; who accepts options, or has or takes no file, the server."""
    header, _ = gather(units.buffer, units.start, units.end, HEADER)
    found = np.full(len(units), Side.UNKNOWN, np.uint8)
    found[np.isin(header["code"], (RRQ, WRQ))] = Side.REQUEST
    refuses = (header["code"] == ERROR) & np.isin(header["number"], OF_SERVERS)
    found[refuses | (header["code"] == OACK)] = Side.RESPONSE
    return found


def split(units: Units) -> Split:
    """Key: what is said; of data and acknowledgements only that they are."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    size = units.end - units.start
    code = header["code"]
    flow = fits & ((code == DATA) | (code == ACK))
    told = np.flatnonzero(~flow)
    words, malformed = keys_of(
        units, units.start, units.end, units.kind, told, lambda data, _: _told(data)
    )
    malformed |= flow & (code == ACK) & (size != HEADER.itemsize)
    malformed |= flow & (size > LARGEST + HEADER.itemsize)
    return plain_split([np.where(flow, code, 0).astype(np.uint64), *words], malformed)


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """A message."""
    code = reader.u16()
    if code == DATA:
        return Message(NAMES[DATA], "file", note=OPAQUE)
    if code == ACK:
        return Message(NAMES[ACK], "file")
    return _told(reader.data)


@lru_cache(maxsize=256)
def _told(data: bytes) -> Message:
    request = REQUEST.fullmatch(data)
    if request is not None:
        words = [request[2].decode().lower(), *_options(request[3])]
        return Message(
            NAMES[data[1]], "file", text_of(request[1], MOST_NAME), note=", ".join(words)
        )
    answer = OPTIONS.fullmatch(data)
    if answer is not None:
        words = _options(answer[1])
        return Message(NAMES[OACK], "file", outcome="ok", note=", ".join(words))
    failure = FAILURE.fullmatch(data)
    if failure is None:
        raise Malformed(f"no message in {len(data)} bytes")
    return Message(NAMES[ERROR], "file", outcome=ERRORS[failure[1][0]], note=text_of(failure[2]))


def _options(data: bytes) -> list[str]:
    """Each with its value: `tsize 4096` is the size of the file."""
    words = data.split(b"\0")[:-1]
    pairs = zip(words[::2], words[1::2], strict=True)
    return [f"{text_of(name).lower()} {text_of(value)}" for name, value in pairs]


PROTOCOL = Protocol(
    "tftp",
    "TFTP",
    "RFC 1350, RFC 2347",
    frozenset({"udp"}),
    frozenset({69}),
    (MESSAGE,),
    claims,
    sides,
    split,
    decode,
    OPERATIONS,
    paired=False,
    industrial=False,
    transfers=TRANSFERS,
    routine=frozenset({NAMES[DATA], NAMES[ACK], NAMES[OACK]}),
    session=True,
)
