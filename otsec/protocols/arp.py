"""ARP: which hardware address says that it has which IP address.

Source: RFC 826; announcements and probes by RFC 5227. Who was asked for is kept by `aggregates.lookups`,
so that a sweep over all addresses is not a behaviour for each of them.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import ARP
from otsec.protocols.api import (
    NOT_MINE,
    Fact,
    Framing,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.keyed import keyed

UNIT = np.dtype(
    [
        ("hardware", ">u2"),
        ("protocol", ">u2"),
        ("sizes", ">u2"),  # of a hardware and of a protocol address
        ("operation", ">u2"),
        ("sender_mac", "u1", (6,)),
        ("sender_ip", "u1", (4,)),
        ("target_mac", "u1", (6,)),
        ("target_ip", "u1", (4,)),
    ]
)
ETHERNET, IPV4, SIZES = 1, 0x0800, 0x0604
WORDS = {1: "request", 2: "reply"}
OPERATIONS = tuple(Operation(name, "browse", code) for code, name in WORDS.items())
NOBODY = "0.0.0.0"  # noqa: S104 - the sender of a probe has no address yet, RFC 5227 2.1.1


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    fits = (header["hardware"] == ETHERNET) & (header["protocol"] == IPV4)
    return np.where(fits & (header["sizes"] == SIZES), UNIT.itemsize, NOT_MINE)


FRAME = Framing("arp", UNIT, _lengths, longest=9_216, datagram=True)


def claims(units: Units) -> Mask:
    """Whether each unit asks or answers for an IPv4 address."""
    header, fits = gather(units.buffer, units.start, units.end, UNIT)
    return np.asarray(fits & np.isin(header["operation"], list(WORDS)), np.bool_)


def sides(units: Units) -> Ints:
    """Who speaks is the client: all of it counts for its sender."""
    return np.full(len(units), Side.REQUEST, np.uint8)


def split(units: Units) -> Split:
    """Key: operation and the sender's two addresses."""
    header, fits = gather(units.buffer, units.start, units.end, UNIT)
    malformed = np.asarray(~fits | ~np.isin(header["operation"], list(WORDS)), np.bool_)
    words = [header["operation"].astype(np.uint64)]
    return keyed(units, units.start + 8, np.full(len(units), 10), malformed, words)


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """What its sender says of itself."""
    if (reader.u16(), reader.u16(), reader.u16()) != (ETHERNET, IPV4, SIZES):
        raise Malformed("not Ethernet and IPv4")
    operation = WORDS.get(reader.u16())
    if operation is None:
        raise Malformed("not a request or reply")
    mac, address = reader.take(6).hex(":"), ".".join(map(str, reader.take(4)))
    reader.take(10)
    facts = () if address == NOBODY else (Fact("mac", mac, about=address),)
    return Message(operation, "browse", facts=facts)


PROTOCOL = Protocol(
    name="arp",
    title="ARP",
    standard="RFC 826",
    transports=frozenset({"ethernet"}),
    ports=frozenset({ARP}),
    framings=(FRAME,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    paired=False,
    identity=("mac",),
    industrial=False,
)
