"""What a protocol gives to the engine, and what it is given.

The way of a byte: a *framing* cuts segments into units, in columns. A *protocol* says which units
are its own (`claims`), cuts each into key, tags and values (`split`), and decodes one of each
distinct key in plain Python (`decode`).

Two things are for protocols that need them. Units that list things are cut again into *items*,
each with a key and values of its own. Units that change what later ones mean set a *context*, which
is part of the key of what stands in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal, TypeAlias

import numpy as np

from otsec.columns import I64, U64, Bytes, Header, Ints, Mask
from otsec.errors import Truncated
from otsec.model import OperationClass

OPAQUE = "opaque: "  # in a note, before the kind of what is not told
NOT_MINE = 0  # a framing's length where the bytes cannot be its header

Transport: TypeAlias = Literal["tcp", "udp", "ethernet"]
Depth: TypeAlias = Literal["full", "operations", "identity", "openings"]


class Side(IntEnum):
    """Who speaks in a unit."""

    REQUEST = 0  # what a client sends
    RESPONSE = 1  # what a server sends
    UNKNOWN = 2


class Reader:
    """Reads one unit from its front; every bound is checked here and nowhere else.

    Raises Truncated where a read would pass the end.
    """

    __slots__ = ("context", "data", "framing", "item", "offset")

    def __init__(
        self,
        data: bytes,
        offset: int = 0,
        framing: int | None = None,
        item: tuple[int, int] | None = None,
        context: str = "",
    ) -> None:
        """What is read, and what is known of it.

        ``framing``: position in Protocol.framings, None where only the bytes can tell; ``item``:
        where the item to decode begins and ends in a unit that was cut into items, None for the
        unit itself; ``context``: what `Contexts.learn` said, empty where it was not seen.
        """
        self.data = data
        self.offset = offset
        self.framing = framing
        self.item = item
        self.context = context

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.offset + size
        if size < 0 or end > len(self.data):
            raise Truncated(f"{size} bytes at {self.offset}, {self.left()} left")
        piece = self.data[self.offset : end]
        self.offset = end
        return piece

    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.offset

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left())

    def u8(self) -> int:
        """An unsigned byte."""
        at = self.offset
        if at >= len(self.data):
            return self.take(1)[0]  # says what lacks
        self.offset = at + 1
        return self.data[at]

    def u16(self) -> int:
        """Two bytes, most significant first."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four bytes, most significant first."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Eight bytes, most significant first."""
        return int.from_bytes(self.take(8), "big")

    def u16le(self) -> int:
        """Two bytes, least significant first."""
        return int.from_bytes(self.take(2), "little")

    def u32le(self) -> int:
        """Four bytes, least significant first."""
        return int.from_bytes(self.take(4), "little")

    def u64le(self) -> int:
        """Eight bytes, least significant first."""
        return int.from_bytes(self.take(8), "little")

    def at(self, offset: int) -> "Reader":
        """Go on at another offset of the same unit."""
        if not 0 <= offset <= len(self.data):
            raise Truncated(f"offset {offset} of {len(self.data)} bytes")
        self.offset = offset
        return self

    def part(self, size: int) -> "Reader":
        """The next bytes as a reader of their own."""
        return Reader(self.take(size), framing=self.framing, context=self.context)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a message says of a device; text as sent, decoded, not cleaned."""

    attribute: str  # vendor, product_code, revision, ...
    value: str
    about: str = "server"  # or "client", or the address of whoever else it is about


@dataclass(frozen=True, slots=True)
class Elements:
    """Which numbered elements the values of a message belong to."""

    space: str  # holding, coil, ...; the object's own word
    first: int  # number of the first element
    count: int


@dataclass(frozen=True, slots=True)
class Message:
    """One distinct request or response, decoded."""

    operation: str  # the protocol's own word; unknown codes `unknown_0x2b`
    cls: OperationClass
    object: str = ""  # canonical text, `holding 100-109`
    device: str = ""  # the device behind the address, `unit 3`; "" where the address is the device
    outcome: str = ""  # "ok", or how it failed; "" in a request
    elements: Elements | None = None  # whose values the unit carries
    facts: tuple[Fact, ...] = ()
    note: str = ""  # what was not decoded of it, and why
    # bytes of this unit, or item, that are not told: by the note opaque, of a kind that it names;
    # else passed over. What is told of a unit must depend on its key alone, what is left need not
    left: int = field(default=0, compare=False, repr=False)

    def leaving(self, size: int) -> "Message":
        """The same, of a unit of which so many bytes are not told."""
        return replace(self, left=size) if size else self


@dataclass(frozen=True, slots=True)
class Units:
    """Units of one protocol as columns over one buffer; what `split` works on."""

    buffer: Bytes
    start: I64  # offset of each unit, framing header included
    end: I64  # offset behind its last byte
    side: Ints  # u1, Side
    framing: Ints  # u1, position of the framing in Protocol.framings
    kind: Ints  # u1, Pieces.kind

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Split:
    """Units, or items of units, cut into key, tag and values: columns as long as those.

    A key is the words together with the span's bytes. ``decode`` gets the bytes of the unit that
    was seen first with that key, so it must look at nothing outside key and framing header. The
    key of an item has the key of its unit in front of it.
    """

    key_words: list[U64]
    key_start: I64  # the span of the unit that also belongs to the key
    key_length: I64  # 0 where the words are all
    tag: U64  # pairs a response with its request within a connection
    value_start: I64  # offset of the first value
    value_count: I64  # elements from there; 0 where the unit carries none
    value_type: Ints  # u1, position in VALUE_TYPES
    malformed: Mask  # units that contradict the standard; not decoded, counted
    # units that stand alone in a protocol whose others are requests and responses: reports,
    # announcements, broadcasts; None where there are none
    alone: Mask | None = None
    value_step: I64 | None = None  # bytes from one value to the next; None: they lie side by side


@dataclass(frozen=True, slots=True)
class Items:
    """Units cut again into the things that they list; a unit that owns none stands whole.

    The k-th item of a response belongs to the k-th of its request; where one of the two lists
    none or fewer, the whole unit takes the place of the missing ones.
    """

    owner: I64  # position of the unit of each item, ascending
    start: I64
    end: I64
    split: Split  # of the items; tags and marks of items are not looked at


@dataclass(frozen=True, slots=True)
class Contexts:
    """How some units change what later ones mean.

    ``sets(units)``: the few units that do; each is decoded by ``learn(reader, side, memory)``, in
    order, which gives pairs of a context's name and its meaning as text; no text: it has ended.
    ``memory`` is plain data of strings, lists and numbers that lasts from call to call, one a
    scope, of at most `MEMORY` entries: what a request proposed until its response accepts it.
    ``names(units)``: the context in which each unit stands, 0 for none.
    """

    scope: Literal["connection", "hosts"]  # who shares contexts: one 5-tuple, or two addresses
    sets: Callable[[Units], Mask]
    names: Callable[[Units], U64]
    learn: Callable[[Reader, Side, dict[str, Any]], list[tuple[int, str]]]


FOLLOWS, SKIPS, REPEATS, RETURNS, RESTARTS = range(5)
VERDICTS = ("follows", "skips", "repeats", "returns", "restarts")


@dataclass(frozen=True, slots=True)
class Counting:
    """How senders number what they send, so that lost, repeated and foreign units show.

    ``read(units, split)``: which units have a counter, what tells the counters of one speaker on
    one connection apart, and the counter. ``verdict(before, now)``: whether each counter follows
    the one before it on its lane, one of `VERDICTS`: RETURNS is one that was passed long ago,
    RESTARTS one with which a sender begins. Counters further apart than ``within_ns`` are not
    compared: a short one has gone round by then.
    """

    read: Callable[[Units, Split], tuple[Mask, U64, U64]]
    verdict: Callable[[U64, U64], Ints]
    within_ns: int = 600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Acknowledging:
    """How both sides of a connection acknowledge what the other one has sent.

    ``read(units, split)``: the number of each unit, and the number up to which it acknowledges
    those of the partner (the next one that is expected); -1 where it has none. Numbers go round
    at ``modulus``. The times and windows are those that the standard proposes.
    """

    read: Callable[[Units, Split], tuple[I64, I64]]
    modulus: int
    k: int  # units that may wait for an acknowledgement
    w: int  # units after which one is due
    t1_ns: int  # after which without one the connection is to be closed
    t2_ns: int  # after which one is due without w units
    t3_ns: int  # of silence after which a side asks whether the other one is there


class Turn(IntEnum):
    """What a numbered unit is in the talk of two stations."""

    ASKS = 0
    ANSWERS = 1
    REPORTS = 2  # of its own accord
    CONFIRMS = 3  # that a report came


FIRST, LAST, FREE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Numbered:
    """Units that two stations number, as columns of one length."""

    unit: I64  # position of the unit
    pair: I64  # tells the two stations on one connection from others
    by: I64  # who asks, or is answered
    turn: I64  # Turn
    number: I64
    mark: U64  # equal where the units say the same
    marks: I64  # FIRST and LAST of the pieces of an answer; FREE: may have the number before it


@dataclass(frozen=True, slots=True)
class Numbering:
    """How two stations number what they ask, answer and report, so that foreign units show.

    ``read(units)``: those that are numbered. Each request has the next number, its answer the same
    one, and further parts of the answer those behind it; reports are numbered apart. What is sent
    once more is the same in all its bytes. Numbers go round at ``modulus``.
    """

    read: Callable[[Units], Numbered]
    modulus: int


SAYS, SETS, MARKS = range(3)
WAYS = ("says", "sets", "marks")


@dataclass(frozen=True, slots=True)
class Times:
    """Times that some units carry, as columns of one length."""

    unit: I64  # position of the unit, ascending
    time: I64  # ns since 1970, as the clock has it: local time as if it were UTC
    lane: U64  # tells the devices behind one address apart
    way: Ints  # position in WAYS: its sender's time, one that is set, one at which something was


@dataclass(frozen=True, slots=True)
class Clocks:
    """What units say of clocks: ``read(units, split)``; ``device(lane)`` names a device."""

    read: Callable[[Units, Split], Times]
    device: Callable[[int], str] = lambda _: ""


Direction: TypeAlias = Literal["to_server", "from_server"]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transfer begins; another one on its lane has ended without a word."""

    lane: str  # tells apart the transfers of one scope
    name: str
    kind: str  # `block`, `program`, `file`
    direction: Direction
    device: str = ""
    size: int = -1  # bytes that were announced, -1: none were
    tells_last: bool = True  # whether the last piece says that it is
    first: int = 0  # number of the first piece
    # where pieces have a place instead of a number, in bytes from the beginning: which of two
    # that overlap holds
    placed: Literal["", "first", "last"] = ""
    aside: bool = False  # has ended when its connection has, and it was said that it has


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a transfer."""

    lane: str
    data: bytes
    # pieces are numbered one by one, or by their place; who sends one again gives it the same one
    number: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """A transfer has ended."""

    lane: str
    problem: str = ""  # why not all of it was transferred


@dataclass(frozen=True, slots=True)
class Expect:
    """The next transfers go over a TCP connection to this end, in the lane."""

    lane: str
    address: str  # empty: that of who says so
    port: int
    of_server: bool  # whether the end is the server's


Step: TypeAlias = Begin | Piece | End | Expect


@dataclass(frozen=True, slots=True)
class Transfers:
    """How programs, blocks and files are transferred.

    ``begins(units)``: units that may begin a transfer, and those that none but transfers have;
    ``goes_on(units)``: what else may belong to one, looked at only where something is remembered.
    Each is read by ``read(reader, side, memory, ports)``, in order. ``memory`` is as that of
    `Contexts`; what is not of a transfer leaves it empty. ``ports``: those of the connection.
    """

    scope: Literal["connection", "hosts"]  # who shares a memory and lanes, as in `Contexts`
    begins: Callable[[Units], Mask]
    goes_on: Callable[[Units], Mask]
    read: Callable[[Reader, Side, dict[str, Any], tuple[int, int]], list[Step]]
    numbers: int = 1 << 32  # numbers of pieces begin anew behind so many
    expects: Callable[[bytes, Side], Expect | None] | None = None  # of a unit that may begin


MEMORY = 64  # entries; the oldest make room

VALUE_TYPES: tuple[np.dtype[Any] | None, ...] = (
    None,  # bits, least significant first
    *map(
        np.dtype,
        (
            ">u2", "u1", ">i2", ">u4", ">i4",
            "i1", "<u2", "<i2", "<u4", "<i4", ">u8", "<u8", ">i8", "<i8",
            ">f4", "<f4", ">f8", "<f8",
        ),
    ),
)  # fmt: skip
BITS, U16_BE, U8, I16_BE, U32_BE, I32_BE = range(6)
I8, U16_LE, I16_LE, U32_LE, I32_LE, U64_BE, U64_LE, I64_BE, I64_LE = range(6, 15)
F32_BE, F32_LE, F64_BE, F64_LE = range(15, 19)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What frames carry, as columns as long as the frames: whole messages or pieces of them.

    A framing that transforms (DNP3 strips check sums) brings a buffer of its own.
    """

    buffer: Bytes
    start: I64
    end: I64
    first: Mask  # begins a message
    last: Mask  # ends one; first and last together: a whole message
    lane: U64  # pieces of one sender with different numbers are joined apart
    kind: Ints  # u1: 0 carries a message; else a unit of the framing's own, numbered by it
    bad: Mask  # fails the framing's own checks: counted as malformed, not joined
    number: I64 | None = None  # of each piece within its message, where the framing numbers them


@dataclass(frozen=True, slots=True)
class Framing:
    """Says over columns where each frame of a stream, datagram or message begins and ends.

    ``lengths(buffer, start, end, header)`` gives the frame length in bytes for each start, at
    least ``header.itemsize``; NOT_MINE where the bytes cannot be such a frame. ``end`` is where
    the bytes at hand end, which may be before the frame does. ``pieces(buffer, start, end)``
    says what whole frames carry; without it a frame is a message. ``over`` is the framing on
    whose messages this one stands; without it, on the transport. ``datagram``: a frame is always
    a whole datagram or Ethernet payload, padding included, whatever length it has said.
    """

    name: str
    header: np.dtype[Any]  # the bytes needed to know a frame's length
    lengths: Callable[[Bytes, I64, I64, Header], I64]
    longest: int  # bytes; a frame said to be longer is NOT_MINE
    pieces: Callable[[Bytes, I64, I64], Pieces] | None = None
    over: "Framing | None" = None
    tells_first: bool = True  # else a piece begins a message where the one before ended one
    longest_message: int = 65_536  # bytes that pieces may join up to
    datagram: bool = False
    numbers: int = 0  # pieces of a message are numbered, and the numbers go round at this
    # the values that bytes of a frame can have, by offset below 8: most of what is no such frame
    # is told by them at a glance; bytes that are not listed can be anything
    begins: tuple[tuple[int, frozenset[int]], ...] = ()

    @property
    def stack(self) -> tuple["Framing", ...]:
        """The framings that stand on one another, the one on the transport first."""
        return (self,) if self.over is None else (*self.over.stack, self)

    @property
    def base(self) -> "Framing":
        """The framing on the transport."""
        return self.stack[0]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of a protocol's list of operations."""

    name: str
    cls: OperationClass
    code: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol; each file of this package ends in one."""

    name: str
    title: str  # as people write it, `Modbus/TCP`
    standard: str
    transports: frozenset[Transport]
    # where it is usually found: a hint which to try first, never a proof; with "ethernet" the
    # ethertypes (LLC: DSAP and SSAP), and only frames of those are asked for
    ports: frozenset[int]
    framings: tuple[Framing, ...]
    # Whether each unit, alone, is of this protocol beyond reasonable doubt. Asked only of the
    # first units of connections that no protocol owns yet.
    claims: Callable[[Units], Mask]
    sides: Callable[[Units], Ints]  # Side of each unit by its content, UNKNOWN if it could be both
    split: Callable[[Units], Split]
    decode: Callable[[Reader, Side, Message | None], Message]
    operations: tuple[Operation, ...]
    # Which further units are, where a port of the connection is one of its own: those in which too
    # little stands to tell them from what others could send.
    claims_at_home: Callable[[Units], Mask] | None = None
    paired: bool = True  # whether requests have responses
    one_answer: bool = False  # whether each request has one at most, and servers say nothing else
    outstanding: int = 16  # requests that may wait for their response on one connection
    identity: tuple[str, ...] = field(default=())  # attributes its facts can have
    industrial: bool = True  # else it is of the office and the network, read for who is there
    # bytes of each side of a TCP connection that are looked at, where only the beginning tells
    # anything (handshakes, banners); 0: all of them
    head: int = 0
    items: Callable[[Units], Items] | None = None  # of units that `split` found well-formed
    contexts: Contexts | None = None
    counting: Counting | None = None
    acknowledging: Acknowledging | None = None
    numbering: Numbering | None = None
    clocks: Clocks | None = None
    transfers: Transfers | None = None
    # A unit of the same length that decodes to the same message, with every secret in it replaced:
    # what a request is kept as where it must outlive the program. None: no unit of it holds any.
    scrub: Callable[[Reader], bytes] | None = None
    # the same for the front of a frame of which more is to come, and of the same length; what is
    # given may be of another protocol
    scrub_open: Callable[[bytes], bytes] | None = None
    session: bool = False  # somebody works in its connections, so each is kept by itself
    # operations of which any session is made all the time: counted, but never events, unless one
    # fails
    routine: frozenset[str] = frozenset()
    # operations of a class that is otherwise only counted of which each is an event
    telling: frozenset[str] = frozenset()
    # whether every field of every message is told; else little beyond operation and class, as where
    # nothing more is public
    full: bool = True

    @property
    def depth(self) -> Depth:
        """How much of it is read."""
        if self.head:
            return "openings"
        if not self.industrial:
            return "identity"
        return "full" if self.full else "operations"

    @property
    def operation_names(self) -> tuple[str, ...]:
        """Its operations in the order of their names; one can have several codes and classes."""
        return tuple(sorted({operation.name for operation in self.operations}))

    @property
    def services(self) -> tuple[str, ...]:
        """Where it is usually found, as services are written: ``tcp/502``, ``0x88b8``."""
        return tuple(
            f"{port:#06x}" if transport == "ethernet" else f"{transport}/{port}"
            for transport in sorted(self.transports, reverse=True)
            for port in sorted(self.ports_of(transport))
        )

    def ports_of(self, transport: Transport) -> frozenset[int]:
        """Its ports over one transport, ethertypes over Ethernet.

        Of what is on IP as well, an LLC address (DSAP and SSAP are alike) or an ethertype of
        those that industry has, 0x88xx, is of Ethernet.
        """
        if "ethernet" not in self.transports or len(self.transports) == 1:
            return self.ports
        lower = {port for port in self.ports if port >> 8 in (port & 0xFF, 0x88)}
        return frozenset(lower) if transport == "ethernet" else self.ports - lower


DEPTHS: dict[Depth, str] = {
    "full": "every field of every message: operations, objects, outcomes, values",
    "operations": "operation and class of every message, little of what it carries",
    "identity": "what tells who is there",
    "openings": "the beginning of each side of a connection",
}
