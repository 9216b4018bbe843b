"""One unit opened: its lower layers, who serves and of whom it speaks.

Source: [135] ANSI/ASHRAE 135-2020, 6.2, 20.1, annex J.
"""

from dataclasses import dataclass

import numpy as np

from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Elements, Fact, Message, Reader, Side
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    BY_SERVER,
    COV,
    EVENT,
    I_AM,
    I_HAVE,
    LINK,
    NETWORK,
    SEGMENT,
    TELL,
    TOLD_COV,
    TOLD_EVENT,
    code_of,
)
from otsec.protocols.bac.units import INVOKE, IS_SEGMENT
from otsec.protocols.framing import bacnet as below
from otsec.protocols.words import bacnet as words

REPORTS = np.isin(
    np.arange(16 << 8),
    [
        *(code_of(TELL, one) for one in (I_AM, I_HAVE, TOLD_COV, TOLD_EVENT, 11, 12, 13)),
        *(code_of(ASK, one) for one in (COV, EVENT, 31, 32)),
    ],
)


@dataclass(frozen=True, slots=True)
class Pdu:
    """One unit while it is decoded."""

    body: Reader  # behind the service
    kind: int
    service: int
    side: Side
    request: Message | None
    first: int  # first byte of the application's unit
    device: str  # the address behind a router of who serves
    about: str  # of whom the facts are that it says
    notes: tuple[str, ...]
    turned: bool  # the server of the connection asks, or its client answers
    item: tuple[int, int] | None
    whole: bool  # it is as long as the virtual link says

    def says(
        self,
        operation: tuple[str, OperationClass],
        object_: str = "",
        *,
        outcome: str = "",
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        note: str = "",
    ) -> Message:
        """What the unit says."""
        if self.turned:  # the exchange has no answer by which its outcome could be told
            failed = outcome if outcome != "ok" else ""
            object_ = f"{object_} {failed}".strip()
            object_ = f"{object_} of the client".strip()
        notes = "; ".join((*self.notes, note) if note else self.notes)
        if not self.whole:  # what is cut short may still be read, but proves nothing
            facts = ()
        return Message(*operation, object_, self.device, outcome, elements, facts, notes)

    def answers(
        self,
        object_: str = "",
        *,
        outcome: str = "ok",
        cls: OperationClass | None = None,
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        note: str = "",
    ) -> Message:
        """What an answer says; its values belong to what was asked for."""
        operation = named(ASK, self.service)
        asked = self.request
        if asked is not None and asked.operation != operation[0]:
            return self.says(operation, object_, outcome=f"{outcome} to {operation[0]}", note=note)
        if asked is not None and elements is not None and asked.object != object_:
            elements, note = None, note or "of what was asked by another name"
        name = (operation[0], cls or operation[1])
        return self.says(name, object_, outcome=outcome, elements=elements, facts=facts, note=note)


def named(kind: int, service: int) -> tuple[str, OperationClass]:
    """Name and class of an operation, by type of unit and service."""
    word, table = _TABLES[kind]
    return table.get(service, (f"unknown_{word}{service:#04x}", "config"))


_TABLES: dict[int, tuple[str, words.Named]] = {
    ASK: ("confirmed_", words.CONFIRMED),
    TELL: ("unconfirmed_", words.UNCONFIRMED),
    NETWORK: ("network_", words.NETWORK),
    LINK: ("bvlc_", words.VIRTUAL_LINK),
}


def open_unit(reader: Reader, side: Side, request: Message | None) -> Pdu:
    """Read the headers of a unit; its body is what is left in the reader."""
    function, origin, said = _virtual_link(reader)
    if function != below.NO_LINK and function not in below.CARRIERS:
        return Pdu(
            reader, LINK, function, side, request, 0, "", _speaker(side), _length(reader, said),
            turned=False, item=None, whole=said == len(reader.data),
        )  # fmt: skip
    version, control = reader.u8(), reader.u8()
    if version != below.VERSION or control & below.RESERVED:
        raise Malformed(f"network header {version} {control:#04x}")
    target = _address(reader) if control & below.DESTINATION else ""
    source = _address(reader) if control & below.SOURCE else ""
    if control & below.DESTINATION:
        reader.u8()  # the hop count
    first = reader.u8()
    about = source or origin.partition(":")[0] or _speaker(side)
    network = control & below.NETWORK_MESSAGE
    kind, service = (NETWORK, first) if network else _application(reader, first)
    reports = not network and bool(REPORTS[code_of(kind, service)])
    segment = not network and bool(IS_SEGMENT[first])
    notes = (
        *_headers(control, function),
        *((f"forwarded for {origin}",) if origin else ()),
        *(() if segment else _length(reader, said)),
    )
    turned = not network and not reports and _turned(kind, first, side)
    if turned and kind != ASK and REPORTS[code_of(ASK, service)]:
        notes, turned = (*notes, "by the client, to whom it was reported"), False
    device, other = target, source
    if network or reports or side == Side.RESPONSE:
        device, other = source, target
    notes = (f"other end: {other}", *notes) if other else notes
    if side == Side.RESPONSE and not origin and not network:
        about = "server"  # the device is told apart by its address behind the router
    return Pdu(
        reader, kind, service, side, request, first, device, about, notes,
        turned=turned, item=reader.item,
        whole=segment or said == len(reader.data),
    )  # fmt: skip


def _virtual_link(reader: Reader) -> tuple[int, str, int]:
    """Function, who a forwarded message is from, and how many bytes there are said to be."""
    if reader.framing == below.ETHERNET:
        return below.NO_LINK, "", len(reader.data)
    kind, function, said = reader.u8(), reader.u8(), reader.u16()
    if kind != below.TYPE or function > below.LAST_FUNCTION:
        raise Malformed(f"virtual link {kind:#04x} {function:#04x}")
    return function, ip_text(reader) if function == below.FORWARDED else "", said


def _application(reader: Reader, first: int) -> tuple[int, int]:
    """Type and service, or reason."""
    kind = first >> 4
    if kind > ABORT:
        raise Malformed(f"a unit of type {kind}")
    reader.take(int(INVOKE[kind]))
    if kind == SEGMENT or IS_SEGMENT[first]:
        reader.take(2)  # number and size of the window
    return kind, 0 if kind == SEGMENT else reader.u8()


def _turned(kind: int, first: int, side: Side) -> bool:
    """Whether a server asks or a client answers."""
    if kind in (ABORT, SEGMENT):
        return side != Side.UNKNOWN and (first & BY_SERVER > 0) != (side == Side.RESPONSE)
    if kind == ASK:
        return side == Side.RESPONSE
    return kind != TELL and side == Side.REQUEST


def _speaker(side: Side) -> str:
    return "server" if side == Side.RESPONSE else "client"


_PRIORITIES = {1: "urgent", 2: "critical equipment", 3: "life safety"}  # [135] 6.2.2


def _headers(control: int, function: int) -> tuple[str, ...]:
    """What the headers say besides."""
    priority = _PRIORITIES.get(control & 3)
    notes = (priority,) if priority else ()
    return (*notes, "to be distributed") if function == below.DISTRIBUTE else notes


def _length(reader: Reader, said: int) -> tuple[str, ...]:
    """Where the virtual link says another length than there is."""
    size = len(reader.data)
    return (f"virtual link says {said} bytes",) if said != size else ()


def ip_text(reader: Reader) -> str:
    """An address and port, [135] J.1.2."""
    octets = reader.take(4)
    return f"{'.'.join(map(str, octets))}:{reader.u16()}"


def _address(reader: Reader) -> str:
    """`net 5 mac 10`, `net 5` for all of it, `all networks`."""
    network, size = reader.u16(), reader.u8()
    if size > below.LONGEST_ADDRESS:
        raise Malformed(f"an address of {size} bytes")
    mac = reader.take(size)
    if network == below.ALL_NETWORKS and not mac:
        return "all networks"
    text = str(mac[0]) if size == 1 else mac.hex(":")
    return f"net {network} mac {text}" if mac else f"net {network}"
