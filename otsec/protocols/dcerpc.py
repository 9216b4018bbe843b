"""DCE/RPC on TCP: which interfaces are bound, and what is called of them.

Sources: [RPC] C706 12.6 and appendices L, O; [RPCE] MS-RPCE 2.2.2; words/dcerpc.py for interfaces.

What a call means hangs on the interface that its context was bound to, so bindings are contexts.
Arguments are opaque, but for what the endpoint mapper is asked and answers; of results that end in
a status, the failures are told. The first fragment of a call stands for it. RPC in pipes of SMB and
over UDP is not read here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np

from otsec.columns import U64, Header, Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.model import OperationClass
from otsec.protocols.api import (
    Contexts,
    Fact,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.dcerpc import (
    ALTER,
    ALTER_RESPONSE,
    AUTH3,
    BIND,
    BIND_ACK,
    BIND_NAK,
    CALL_FRONT,
    CANCEL,
    DCERPC,
    FAULT,
    FRONT,
    HEADER,
    LITTLE,
    ORPHANED,
    REQUEST,
    RESPONSE,
    SHUTDOWN,
    number,
)
from otsec.protocols.keyed import plain_split
from otsec.protocols.ntlm import IDENTITY as OF_NTLM
from otsec.protocols.ntlm import ntlm_of
from otsec.protocols.spoken import keys_of
from otsec.protocols.words.dcerpc import (
    AUTHENTICATION,
    FAULTS,
    INTERFACES,
    LEVELS,
    NAKS,
    REJECTIONS,
    RETURNED,
    RETURNS,
)

PACKETS: dict[int, tuple[str, OperationClass]] = {  # [RPC] 12.6.1
    REQUEST: ("request", "session"), RESPONSE: ("response", "session"),
    FAULT: ("fault", "session"), BIND: ("bind", "session"), BIND_ACK: ("bind_ack", "session"),
    BIND_NAK: ("bind_nak", "session"), ALTER: ("alter_context", "session"),
    ALTER_RESPONSE: ("alter_context_response", "session"), AUTH3: ("auth3", "session"),
    SHUTDOWN: ("shutdown", "session"), CANCEL: ("cancel", "session"),
    ORPHANED: ("orphaned", "session"),
}  # fmt: skip
BINDS, ANSWERS = (BIND, ALTER), (RESPONSE, FAULT, BIND_ACK, BIND_NAK, ALTER_RESPONSE)
LONELY = (AUTH3, SHUTDOWN, CANCEL, ORPHANED)  # never answered
DEEP = (BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_RESPONSE, AUTH3)
WHOLE = 0x03  # flags of a fragment that is all of a call
WITH_OBJECT = 0x80  # flag: a request that names an object
MOST_CONTEXTS = 32
TRANSFERS = frozenset({
    "8a885d04-1ceb-11c9-9fe8-08002b104860",  # NDR
    "71710533-beba-4937-8319-b5dbef9ccc36",  # NDR64
})  # fmt: skip
FEATURES = "6cb71c2c-9812-4540"  # [RPCE] 3.3.1.5.3: no transfer syntax, but what the client can


def _operations() -> Iterator[Operation]:
    for code, (name, cls) in PACKETS.items():
        if code != REQUEST:  # those go by what they ask for
            yield Operation(name, cls, code)
    seen = set()
    for at, (interface, table) in enumerate(INTERFACES.values(), 1):
        for code, (name, cls) in table.items():
            if (interface, name) not in seen:
                seen.add((interface, name))
                yield Operation(f"{interface}_{name}", cls, at << 16 | code)


IDENTITY = (*OF_NTLM, "rpc_endpoint")
OPAQUE, SEALED = "opaque: arguments", "opaque: sealed arguments"

# ---------------------------------------------------------------------------- in columns

CALL = np.dtype([("head", "V20"), ("context", "V2"), ("operation", "V2")])


def _heads(units: Units) -> tuple[Header, Ints, Mask]:
    """Header, type, and whether it is there."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    kind = header["type"].astype(np.int64)
    fits &= (header["version"] == 5) & (header["minor"] <= 1) & np.isin(kind, list(PACKETS))
    return header, kind, np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """Bindings of interfaces in a known transfer syntax; calls whose every field is in bounds."""
    header, kind, fits = _heads(units)
    call, whole = gather(units.buffer, units.start, units.end, CALL)
    order = header["order"]
    context, operation = number(call["context"], order), number(call["operation"], order)
    size = number(header["length"], order)
    mine = fits & whole & (size == units.end - units.start) & (context < MOST_CONTEXTS)
    mine &= (number(header["call"], order) > 0) & (header["flags"] & 0x48 == 0)
    mine &= ((kind == REQUEST) & (operation < MOST_OPERATION)) | (
        (kind == RESPONSE) & (operation == 0)
    )
    for row in np.flatnonzero(fits & np.isin(kind, [BIND, BIND_ACK, ALTER])).tolist():
        try:
            said = _told(units.buffer[units.start[row] : units.end[row]].tobytes())
            mine[row] = said.known
        except WireError:
            continue
    return np.asarray(mine, np.bool_)


MOST_OPERATION = 256


def sides(units: Units) -> Ints:
    """By the type."""
    _, kind, _ = _heads(units)
    return np.where(np.isin(kind, ANSWERS), Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: type, context, operation, status; of bindings what they say. Tag: the call's number."""
    header, kind, fits = _heads(units)
    call, whole = gather(units.buffer, units.start, units.end, CALL)
    order = header["order"]
    fits &= whole | ~np.isin(kind, [REQUEST, RESPONSE, FAULT])
    size, there = number(header["length"], order), units.end - units.start
    fits &= np.where(header["flags"] & WHOLE == WHOLE, size == there, size <= there)
    operation = np.where(kind == REQUEST, number(call["operation"], order), 0)
    status, failed = gather(units.buffer, units.start + CALL_FRONT, units.end, np.dtype("V4"))
    fits &= failed | (kind != FAULT)
    bare = (number(header["auth"], order) == 0) & (units.end - units.start >= CALL_FRONT + 4)
    last, _ = gather(units.buffer, units.end - 4, units.end, np.dtype("V4"))
    returned = number(last, order)
    bare &= (kind == RESPONSE) & np.isin(returned, list(RETURNED))
    code = np.where(kind == FAULT, number(status, order), np.where(bare, returned, 0))
    front = header["type"].astype(np.uint64) | header["order"].astype(np.uint64) << np.uint64(8)
    front |= (header["flags"] & WITH_OBJECT).astype(np.uint64) << np.uint64(16)
    front |= (number(header["auth"], order) > 0).astype(np.uint64) << np.uint64(24)
    deep = np.flatnonzero(fits & (np.isin(kind, DEEP) | _maps(units, kind, operation)))
    words, malformed = keys_of(units, units.start, units.end, kind, deep, _say)
    calls = np.isin(kind, [REQUEST, RESPONSE, FAULT])
    return plain_split(
        [front | operation.astype(np.uint64) << np.uint64(32), code.astype(np.uint64), *words],
        np.asarray(malformed | ~fits, np.bool_),
        tag=(number(header["call"], order) << 1 | calls).astype(np.uint64),
        alone=np.isin(kind, LONELY),
    )


def _maps(units: Units, kind: Ints, operation: Ints) -> Mask:
    """Calls that may ask the endpoint mapper for an address, or answer that; see `_mapped`."""
    size = units.end - units.start
    asks = (kind == REQUEST) & (operation == MAP) & (size >= 80) & (size <= MOST_ASKED)
    answers, _ = gather(units.buffer, units.start, units.end, MAPPED)
    one = (answers["count"] > 0) & (answers["count"] == answers["actual"])
    return np.asarray(asks | ((kind == RESPONSE) & one & (answers["offset"] == 0)), np.bool_)


MAP = 3
MOST_ASKED = 512  # bytes
# handle, number of towers, and their array
MAPPED = np.dtype(
    [("head", "V44"), ("count", "<u4"), ("most", "<u4"), ("offset", "<u4"), ("actual", "<u4")]
)


def _say(data: bytes, _: int) -> Message:
    kind = data[2]
    if kind in DEEP:
        return _told(data).message
    return Message("", "session", _mapped(data))


# -------------------------------------------------------------------------------- decode


@dataclass(frozen=True, slots=True)
class _Told:
    message: Message
    known: bool = False  # whether it has what only RPC has
    contexts: tuple[tuple[int, str], ...] = ()  # number and interface


def decode(reader: Reader, _side: Side, request: Message | None) -> Message:
    """A binding, or a call of what its context was bound to."""
    data = reader.data
    head = _Head(reader)
    if head.kind in DEEP:
        said = _told(data).message
        if request is not None and head.kind in ANSWERS:
            return replace(said, object=request.object)
        return said
    name, cls = PACKETS[head.kind]
    if head.kind in LONELY:
        return Message(name, cls)
    if head.kind == REQUEST:
        return _request(head, data, reader.context)
    outcome = "ok"
    if head.kind == FAULT:
        code = head.u32(CALL_FRONT)
        outcome = FAULTS.get(code, f"fault {code:#010x}")
    elif not head.auth and len(data) >= CALL_FRONT + 4:
        known = _named(reader.context)[0] in RETURNS
        outcome = RETURNED.get(head.u32(len(data) - 4), outcome) if known else outcome
    facts = _endpoint(_mapped(data), request) if head.kind == RESPONSE else ()
    note = (SEALED if head.auth else OPAQUE) if len(data) > CALL_FRONT else ""
    said = Message(name, cls, outcome=outcome, facts=facts, note=note)
    if request is None:
        return replace(said, object=_named(reader.context)[0])
    return replace(said, operation=request.operation, cls=request.cls, object=request.object)


class _Head:
    """The header of a fragment, [RPC] 12.6.3.1, and numbers in its order of bytes."""

    def __init__(self, reader: Reader) -> None:
        self.data = reader.data
        first = Reader(reader.data)
        version, minor = first.u8(), first.u8()
        self.kind, self.flags, order = first.u8(), first.u8(), first.u8()
        if version != 5 or minor > 1 or self.kind not in PACKETS:
            raise Malformed(f"fragment {self.kind} of version {version}.{minor}")
        self.little = order == LITTLE
        self.size, self.auth, self.call = self.u16(8), self.u16(10), self.u32(12)

    def u16(self, at: int) -> int:
        """Two bytes at an offset."""
        raw = Reader(self.data, at).take(2)
        return int.from_bytes(raw, "little" if self.little else "big")

    def u32(self, at: int) -> int:
        """Four bytes at an offset."""
        raw = Reader(self.data, at).take(4)
        return int.from_bytes(raw, "little" if self.little else "big")

    def uuid(self, at: int) -> str:
        """A UUID at an offset."""
        raw = Reader(self.data, at).take(16)
        return str(UUID(bytes_le=raw) if self.little else UUID(bytes=raw))


def _named(context: str) -> tuple[str, dict[int, tuple[str, OperationClass]]]:
    """An interface's name, and its operations; those that are not known go by their number."""
    return INTERFACES.get(context.partition(" ")[0], (context, {}))


def _request(head: _Head, data: bytes, context: str) -> Message:
    interface, table = _named(context)
    code = head.u16(22)
    note = SEALED if head.auth else OPAQUE
    found = table.get(code)
    if found is None:
        unseen = "" if context else "; its binding was not seen"
        return Message(f"unknown_{code:#04x}", "session", interface, note=note + unseen)
    asked = _mapped(data) if (interface, code) == ("epmapper", MAP) else ""
    return Message(f"{interface}_{found[0]}", found[1], asked or interface, note=note)


def _endpoint(answer: str, request: Message | None) -> tuple[Fact, ...]:
    """Where the endpoint mapper says that an interface is."""
    if not answer or request is None or request.operation != "epmapper_map":
        return ()
    return (Fact("rpc_endpoint", answer),)


@lru_cache(maxsize=64)
def _told(data: bytes) -> _Told:
    head = _Head(Reader(data))
    if head.size != len(data):
        raise Malformed(f"fragment of {head.size} bytes, {len(data)} there")
    name, cls = PACKETS[head.kind]
    end = len(data) - (head.auth + 8 if head.auth else 0)
    facts, note = _authentication(data[end:])
    if head.kind == AUTH3:
        return _Told(Message(name, cls, facts=facts, note=note))
    if head.kind == BIND_NAK:
        reason = head.u16(FRONT)
        outcome = NAKS.get(reason, f"reason {reason}")
        return _Told(Message(name, cls, outcome=outcome))
    if head.kind in BINDS:
        contexts, known = _proposed(head, end)
        words = dict.fromkeys(_shown(meaning) for _, meaning in contexts)
        said = Message(name, cls, ", ".join(words), facts=facts, note=note)
        return _Told(said, known, contexts)
    outcome, known = _results(head, end)
    return _Told(Message(name, cls, outcome=outcome, facts=facts, note=note), known)


def _shown(meaning: str) -> str:
    return _named(meaning)[0]


def _proposed(head: _Head, end: int) -> tuple[tuple[tuple[int, str], ...], bool]:
    """Contexts of a binding, [RPC] 12.6.4.3, and whether all their syntaxes are known."""
    count, at = Reader(head.data, FRONT + 8).u8(), FRONT + 12
    if not 0 < count <= MOST_CONTEXTS:
        raise Malformed(f"{count} contexts")
    found, known = [], True
    for _ in range(count):
        context, syntaxes = head.u16(at), Reader(head.data, at + 2).u8()
        version = f"{head.u16(at + 20)}.{head.u16(at + 22)}"
        found.append((context, f"{head.uuid(at + 4)} {version}"))
        at += 24
        for _ in range(syntaxes):
            syntax = head.uuid(at)
            known &= syntax in TRANSFERS or syntax.startswith(FEATURES)
            at += 20
    if at > end:
        raise Malformed("contexts beyond the fragment")
    return tuple(found), known


def _results(head: _Head, end: int) -> tuple[str, bool]:
    """What became of a binding, [RPC] 12.6.4.4: ok where any of its contexts was taken."""
    at = FRONT + 8
    at += 2 + head.u16(at)
    at += -at % 4
    count = Reader(head.data, at).u8()
    if not 0 < count <= MOST_CONTEXTS:
        raise Malformed(f"{count} results")
    reasons: list[str] = []
    known = True
    for number_ in range(count):
        place = at + 4 + 24 * number_
        result, reason, syntax = head.u16(place), head.u16(place + 2), head.uuid(place + 4)
        known &= syntax in TRANSFERS or result > 0
        if result == 0:
            reasons.insert(0, "ok")
        elif result < NEGOTIATED:
            reasons.append(REJECTIONS.get(reason, f"reason {reason}"))
    if at + 4 + 24 * count > end:
        raise Malformed("results beyond the fragment")
    return reasons[0] if reasons else "ok", known and "ok" in reasons


NEGOTIATED = 3  # [RPCE] 2.2.2.4: no refusal, but what the server can


def _authentication(trailer: bytes) -> tuple[tuple[Fact, ...], str]:
    """[RPC] 13.2.6; names in what NTLM says."""
    if not trailer:
        return (), ""
    reader = Reader(trailer)
    kind, level = reader.u8(), reader.u8()
    words = AUTHENTICATION.get(kind, f"authentication {kind}"), LEVELS.get(level, f"level {level}")
    _, facts = ntlm_of(reader.at(8).rest())
    return facts, " ".join(words)


@lru_cache(maxsize=64)
def _mapped(data: bytes) -> str:
    """Interface and address of the first tower, [RPC] appendix L; ``""`` where there is none.

    Of requests the interface alone, for the rest of them says nothing.
    """
    try:
        head = _Head(Reader(data))
        if not head.little or head.auth:
            return ""
        if head.kind == REQUEST:
            if head.u16(22) != MAP or not 80 <= len(data) <= MOST_ASKED:
                return ""
            # an object, where its pointer is not null; the tower's pointer and two lengths
            at = CALL_FRONT + 4 + (16 if head.u32(CALL_FRONT) else 0) + 12
            return _tower(Reader(data, at)).partition(" ")[0]
        # count, largest count, offset, count, pointers; then the first tower and its two lengths
        count, _, offset, actual = (head.u32(at) for at in (44, 48, 52, 56))
        if not 0 < count <= MOST_CONTEXTS or count != actual or offset:
            return ""
        return _tower(Reader(data, 60 + 4 * count + 8))
    except WireError:
        return ""


TCP_FLOOR, UDP_FLOOR, IP_FLOOR, UUID_FLOOR, PIPE_FLOOR = 7, 8, 9, 13, 15


def _tower(reader: Reader) -> str:
    """[RPC] appendix L: interface, transfer syntax, RPC, port, address; port and address are big."""
    words = []
    for at in range(min(reader.u16le(), 8)):
        left, right = reader.part(reader.u16le()), reader.part(reader.u16le())
        code = left.u8()
        if at == 0 and code == UUID_FLOOR:
            words.append(_shown(str(UUID(bytes_le=left.take(16)))))
        elif code in (TCP_FLOOR, UDP_FLOOR):
            words.append(f"{'tcp' if code == TCP_FLOOR else 'udp'} {right.u16()}")
        elif code == IP_FLOOR:
            words.append(".".join(map(str, right.take(4))))
        elif code == PIPE_FLOOR:
            words.append(right.rest().rstrip(b"\0").decode("latin-1")[:128])
    if not words:
        raise Malformed("no tower")
    return " ".join(words)


# ------------------------------------------------------------------------------ contexts


def _sets(units: Units) -> Mask:
    _, kind, fits = _heads(units)
    return np.asarray(fits & np.isin(kind, BINDS), np.bool_)


def _names(units: Units) -> U64:
    """The context of calls, from 1."""
    header, kind, fits = _heads(units)
    call, _ = gather(units.buffer, units.start, units.end, CALL)
    context = number(call["context"], header["order"]) + 1
    calls = fits & np.isin(kind, [REQUEST, RESPONSE, FAULT])
    return np.where(calls, context, 0).astype(np.uint64)


def learn(reader: Reader, _side: Side, _memory: dict[str, Any]) -> list[tuple[int, str]]:
    """The interfaces that a binding proposes; what is refused is never called."""
    return [(context + 1, meaning) for context, meaning in _told(reader.data).contexts]


PROTOCOL = Protocol(
    name="dcerpc",
    title="DCE/RPC",
    standard="C706, MS-RPCE",
    transports=frozenset({"tcp"}),
    ports=frozenset({135}),
    framings=(DCERPC,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=tuple(_operations()),
    identity=IDENTITY,
    industrial=False,
    contexts=Contexts("connection", sets=_sets, names=_names, learn=learn),
    session=True,
)
