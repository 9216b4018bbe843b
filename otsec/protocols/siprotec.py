"""The datagram that halts Siemens SIPROTEC relays with an old EN100 module (CVE-2015-5374).

Sources: [ICSA] ICSA-15-202-01 and Siemens SSA-732541 (UDP port 50000, a manual restart is needed);
[ESET] ESET, "Win32/Industroyer" (2017): 18 bytes that begin with 11 49.

Nothing else is known of what EN100 modules speak there, and nothing else is recognised.
"""

import numpy as np

from otsec.columns import Ints, Mask, gather
from otsec.protocols.api import Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed

DATAGRAM = np.dtype([("begin", ">u2"), ("middle", "V14"), ("end", ">u2")])
BEGIN, END = 0x1149, 0x289E
HALT = Operation("en100_denial_of_service", "mode", BEGIN)


def claims(units: Units) -> Mask:
    """18 bytes, of which the first and the last two are known."""
    told, fits = gather(units.buffer, units.start, units.end, DATAGRAM)
    fits = fits & (units.end - units.start == DATAGRAM.itemsize)
    return np.asarray(fits & (told["begin"] == BEGIN) & (told["end"] == END), np.bool_)


def sides(units: Units) -> Ints:
    """Only who attacks says this."""
    return np.full(len(units), Side.REQUEST, np.uint8)


def split(units: Units) -> Split:
    """All of them are one thing."""
    return keyed(units, units.start, np.zeros(len(units), np.int64), ~claims(units))


def decode(_reader: Reader, _side: Side, _request: Message | None) -> Message:
    """The one message."""
    return Message(HALT.name, HALT.cls, note="CVE-2015-5374: the relay stops until it is restarted")


PROTOCOL = Protocol(
    name="siprotec",
    title="SIPROTEC EN100",
    standard="ICSA-15-202-01",
    transports=frozenset({"udp"}),
    ports=frozenset({50000}),
    framings=(
        whole(
            "siprotec",
            DATAGRAM.itemsize,
            ((0, frozenset({BEGIN >> 8})), (1, frozenset({BEGIN & 0xFF}))),
        ),
    ),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=(HALT,),
    paired=False,
    full=False,
    session=True,
)
