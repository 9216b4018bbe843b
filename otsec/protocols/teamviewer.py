"""TeamViewer on its own port: that it is there, by its mark and its first command, and no more.

Sources: [BETTER] bettercap's table of commands; [NDPI] nDPI's recogniser. Its maker publishes
neither; on ports 443 and 80 it is known by the name of its servers alone (words/services.py).
"""

import numpy as np

from otsec.columns import Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.protocols.api import Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.teamviewer import (
    DATAGRAM,
    HEADER,
    IN_FRONT,
    MARK,
    NEWER_MARK,
    SIZE,
    STREAM,
)
from otsec.protocols.keyed import plain_split

PLAIN, ON_UDP = 0, 1  # framings
COMMANDS = {  # [BETTER]: those with which something begins, or that are answers to them
    10: "identify", 11: "request_connect", 13: "disconnect", 16: "ping", 17: "ping_ok",
    18: "master_command", 19: "master_response", 22: "connect_to_waiting_thread",
    27: "keep_alive_beep", 29: "master_command_encrypted", 30: "master_response_encrypted",
    36: "ok", 37: "failed", 45: "new_master_login", 48: "new_master_login_answer",
    70: "udp_request_connect", 71: "udp_ping", 92: "data_encrypted", 93: "request_encryption",
}  # fmt: skip
BEGINS = (10, 11, 16, 18, 22, 27, 29, 45, 70, 71)
OPERATIONS = tuple(Operation(name, "session", code) for code, name in COMMANDS.items())
NOTE = "known by its mark and command; the rest is not public"


def _heads(units: Units) -> Header:
    start = units.start + np.where(units.framing == ON_UDP, IN_FRONT, 0)
    return gather(units.buffer, start, units.end, HEADER)[0]


def claims(units: Units) -> Mask:
    """The mark, with a command that begins something."""
    header = _heads(units)
    mine = (header["mark"] == MARK) & np.isin(header["command"], BEGINS)
    first, _ = gather(units.buffer, units.start, units.end, np.dtype("u1"))
    return np.asarray(mine & ((units.framing == PLAIN) | (first == 0)), np.bool_)


def sides(units: Units) -> Ints:
    """Nothing tells."""
    return np.full(len(units), Side.UNKNOWN, np.uint8)


def split(units: Units) -> Split:
    """Key: mark and command."""
    header = _heads(units)
    word = header["mark"].astype(np.uint64) << np.uint64(8) | header["command"].astype(np.uint64)
    return plain_split([word], ~np.isin(header["mark"], (MARK, NEWER_MARK)))


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """The command."""
    if reader.framing == ON_UDP:
        reader.take(IN_FRONT)
    mark, code = reader.u16(), reader.u8()
    if mark not in (MARK, NEWER_MARK):
        raise Malformed(f"mark {mark:#06x}")
    name = COMMANDS.get(code, f"unknown_{code:#04x}")
    return Message(name, "session", f"mark {mark:#06x}", note=NOTE)


PROTOCOL = Protocol(
    name="teamviewer",
    title="TeamViewer",
    standard="not published",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({5938}),
    framings=(STREAM, DATAGRAM),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    paired=False,
    head=SIZE,
    industrial=False,
    session=True,
)
