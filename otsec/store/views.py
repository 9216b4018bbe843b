"""The rows that queries give: frozen, a sentence per field that needs one.

Times are ns since 1970 UTC by the capture's clock; a packet is its ordinal within the source.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One tap, and how much it gave."""

    id: int
    site: str
    point: str
    group: str
    interface: str
    packets: int
    first_time: int  # ns; 0 without packets
    last_time: int
    captures: int
    incomplete: int  # captures not read to their end
    damaged: int
    gaps: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who talks to whom by which service; columns as in the table of the same name."""

    number: int
    site: str
    group: str
    point: str  # where most of it was seen
    interface: str
    witnesses: tuple[str, ...]  # who else saw it
    place: str
    kind: int
    client: str
    server: str
    service: str
    client_reason: str
    protocol: str
    claimed_by: str
    doubtful: bool
    connections: int
    packets_out: int
    packets_in: int
    bytes_out: int
    bytes_in: int
    payload_out: int
    payload_in: int
    lost_out: int
    lost_in: int
    resent_out: int
    resent_in: int
    undecoded_out: int
    undecoded_in: int
    malformed: int
    truncated: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a client does with a server; columns as in the table of the same name."""

    source: int
    number: int
    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str
    outcome: str
    count: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    packets: tuple[int, ...]
    response_count: int
    response_min_us: int
    response_max_us: int
    response_sum_us: int
    interval_count: int
    interval_min_us: int
    interval_max_us: int
    interval_sum_us: int
    note: str
    doubtful: bool  # its conversation's claim was withdrawn


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote an object, and with what values."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    client: str
    server: str
    device: str
    object: str
    protocol: str
    operation: str
    cls: str
    outcome: str
    count: int
    minimum: int | float | None  # of all values written; None where none was seen
    maximum: int | float | None
    last: tuple[int | float | None, ...]  # the values of the last write, an element a place
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int
    writers: int  # clients that wrote one same element of it, at most; 0: it was refused
    second_writer: bool  # another client had written an element of it before
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Value:
    """What one element held, over all behaviours that told its value."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    server: str
    device: str
    protocol: str
    space: str
    element: int
    object: str  # `holding 100`
    reads: int  # values told by reading (or reported) and by writing
    writes: int
    count: int
    minimum: int | float | None  # None: it never was a number
    maximum: int | float | None
    first: int | float | None
    last: int | float | None
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol of a point group; the numbers of the source that saw most, by conversation."""

    site: str
    group: str
    protocol: str  # "" where none was recognised
    conversations: int
    doubtful: int  # conversations whose claim was withdrawn
    messages: int  # exchanges, and messages that are no part of one
    operations: tuple[str, ...]
    failures: int  # messages whose outcome is not `ok`
    packets: int
    payload: int  # bytes
    undecoded: int  # bytes of payload that no protocol accounted for
    accounted: float | None  # per cent of the payload, told or opaque; None: not known
    opaque: float | None  # per cent of the payload, encrypted or open by the standard
    opaque_kinds: tuple[str, ...]  # what that is, most bytes first
    lost: int  # bytes never seen
    malformed: int
    truncated: int


@dataclass(frozen=True, slots=True)
class Device:
    """An address, and what it is seen to do; a device with two addresses is two rows."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    address: str  # IP address, or MAC address where it has none
    macs: tuple[str, ...]  # that carried its packets; a router's, if it is beyond one
    packets: int  # frames it sent; 0: it was only addressed
    first_time: int
    last_time: int
    asks: tuple[str, ...]  # protocols (else services) in which it is the client
    answers: tuple[str, ...]  # in which it is the server
    clients: int  # addresses that ask it
    servers: int  # addresses that it asks


@dataclass(frozen=True, slots=True)
class Fact:
    """What messages say of a device; rival values are rows of their own."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    server: str
    device: str
    attribute: str
    value: str
    protocol: str
    count: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


@dataclass(frozen=True, slots=True)
class Content:
    """A program, block or file that was transferred; columns as in the table of the same name."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    kind: str
    name: str
    direction: str
    sha256: str  # "" where it is incomplete
    reason: str  # why it is; "" where it is complete
    size: int
    count: int
    before: str  # SHA-256 of what was there before it first came; "": nothing is known
    returned: bool  # another came between the first and the last of these transfers
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int

    @property
    def changed(self) -> bool:
        """Whether it is another than was there before, at least once."""
        return bool(self.sha256) and (self.returned or self.before not in ("", self.sha256))


@dataclass(frozen=True, slots=True)
class Event:
    """One notable thing. Each source tells its own."""

    site: str
    group: str
    point: str
    interface: str
    time: int
    packet: int
    part: int
    kind: str
    place: str
    client: str
    server: str
    service: str
    protocol: str
    device: str
    operation: str
    cls: str
    object: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Count:
    """One counter of a source."""

    site: str
    group: str
    point: str
    interface: str
    name: str
    detail: str
    count: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which a source was blind."""

    site: str
    group: str
    point: str
    interface: str
    kind: str
    begin_time: int
    end_time: int
    packet: int
    detail: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """An address that was asked for."""

    site: str
    group: str
    point: str
    interface: str
    witnesses: tuple[str, ...]
    place: str
    address: str
    asked: int
    answered: int
    asker: str
    first_time: int
    first_packet: int
