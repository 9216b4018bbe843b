"""OPC UA binary on TCP, read passively.

Sources: [4] OPC 10000-4 1.05 (services), [6] OPC 10000-6 1.05 (encoding, secure conversation,
connection protocol), [X509] RFC 5280.

A body is in the clear if it begins with the id of a service in four bytes, as all stacks write
it; signed bodies have a signature behind it. Every other body is opaque: it is encrypted.

Units that are polled or reported (read, write, publish) are cut into items, and their key is what
names a node and says how it went. Of all other units the first bytes of the body are the key, up
to `MOST` of them, and no more is read: a longer list is told by its beginning. Session handles,
time stamps, sequence and token numbers are in no key, nor are numbers, time stamps and long texts
of values. A message in several chunks is not cut into items.

Publish requests wait for minutes until there is something to report, so they and their responses
are not paired. The encrypted have no request id that could be read, and are not paired either.

Where a server calls its client ([6] 7.1.2.6) requests come from the server's side of the
connection: they and their responses are told, but not paired.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Ints, Mask
from otsec.errors import Malformed, Truncated, WireError
from otsec.protocols.api import (
    U8,
    Contexts,
    Fact,
    Items,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.credentials import covered
from otsec.protocols.der import certificate_facts
from otsec.protocols.framing.opcua import (
    ABORTED,
    ACKNOWLEDGE,
    CLOSE,
    ERROR,
    HELLO,
    MESSAGE,
    MORE,
    OPCUA,
    OPEN,
    REVERSE_HELLO,
    SEQUENCED,
)
from otsec.protocols.ua.codes import (
    CHANNEL_OPEN,
    CLOSE_CHANNEL,
    CREATE_ITEMS,
    HELLO_TAG,
    ITEMS_CREATED,
    ITEMS_MODIFIED,
    MODIFY_ITEMS,
    MOST,
    MOST_OF,
    NO_POLICY,
    OPEN_CHANNEL,
    OPEN_TAG,
    PUBLISH,
    PUBLISH_FAULTS,
    PUBLISHED,
    READ,
    READ_DONE,
    SIGNATURES,
    TEST_STACK_EX,
    WRITE,
    WRITE_DONE,
    policy_name,
)
from otsec.protocols.ua.facts import FACTS, node_facts
from otsec.protocols.ua.heads import (
    HELLOS,
    INT,
    KEPT,
    SHORT,
    Bodies,
    Heads,
    behind_text,
    bodies_of,
    heads_of,
    misshapen,
    shifted,
    sides_of,
    words_at,
)
from otsec.protocols.ua.lists import Reading, read_units
from otsec.protocols.ua.objects import OBJECTS, attribute_text
from otsec.protocols.ua.types import (
    Body,
    Value,
    byte_string,
    diagnostic,
    extension,
    fill,
    item_value,
    length_of,
    node_id,
    qualified_name,
    status_word,
    string,
)
from otsec.protocols.ua.unit import (
    ABORTS,
    CALLS_BACK,
    FAILS,
    FAULT,
    GREETS,
    MISMATCH,
    SECURED,
    UNKNOWN_OBJECT,
    Unit,
    elements_of,
    told_once,
)
from otsec.protocols.ua.values import WALKED, WRONG
from otsec.protocols.words.opcua import ATTRIBUTES, BODIES, REQUESTS, RESPONSES, SERVICE_FAULT

# ---------------------------------------------------------------------------- claims and sides


def claims(units: Units) -> Mask:
    """Whether each unit is OPC UA beyond reasonable doubt: its header, and what stands behind it."""
    heads = heads_of(units)
    mine = ~misshapen(heads)
    rows = np.flatnonzero(mine & (heads.kind == OPEN))
    if len(rows):
        policy = heads.start[rows] + 16
        named = words_at(heads.buffer, policy, heads.body[rows]) == _POLICY_PREFIX
        mine[rows] = named
    rows = np.flatnonzero(mine & np.isin(heads.kind, (MESSAGE, CLOSE)) & (heads.service == 0))
    if len(rows):  # encrypted: whole blocks of a cipher, and a channel and token that are numbered
        word = words_at(heads.buffer, heads.start[rows] + 8, heads.end[rows])
        blocks = (heads.end[rows] - heads.start[rows]) % 16 == 0
        mine[rows] = blocks & (word & INT > 0) & (shifted(word, 32) > 0)
    mine &= (heads.kind != MORE) & (heads.kind != ABORTED)
    rows = np.flatnonzero(mine & (heads.service > 0))
    if len(rows):
        mine[rows] = (bodies_of(heads).at <= heads.end)[rows]
    return mine


def sides(units: Units) -> Ints:
    """The side by content; UNKNOWN where it is encrypted."""
    return sides_of(heads_of(units))


_POLICY_PREFIX = np.uint64(int.from_bytes(b"http://o", "little"))


# --------------------------------------------------------------------------------------- split

OPAQUE, ODD, LISTED_APART = 1, 2, 4  # in a key: how a unit is read


def split(units: Units) -> Split:
    """Key: the service, and what is said; tag: the request id. See the head of this module."""
    reading = read_units(units)
    heads, bodies, lists = reading.heads, reading.bodies, reading.lists
    _remember(units, reading)
    plain = heads.service > 0
    malformed = misshapen(heads) | (plain & (bodies.at > heads.end))
    malformed[lists.unit[lists.state == WRONG]] = True
    none = np.zeros(len(units), np.int64)
    hello = np.isin(heads.kind, HELLOS)
    aborted = heads.kind == ABORTED
    opaque = ~plain & ~hello & ~aborted
    walked = lists.unit[lists.state == WALKED]

    form = opaque * OPAQUE | bodies.odd * ODD
    form[walked] |= LISTED_APART
    key_start = np.where(plain & ~bodies.odd, bodies.at, heads.body)
    key_length = np.minimum(heads.end - key_start, KEPT[heads.service])
    key_length[hello] = (heads.end - heads.start)[hello] - 8
    opened = opaque & (heads.kind == OPEN)
    key_start[opened] = heads.start[opened] + 12
    key_length[opened] = np.minimum(
        heads.body[opened] - 20 - heads.start[opened], KEPT[OPEN_CHANNEL]
    )
    key_length[opaque & ~opened] = 0
    key_length[walked] = 0
    key_start[malformed], key_length[malformed] = heads.start[malformed], 0
    number = np.where(
        opaque & (heads.first & SHORT == 1), shifted(heads.first, 16) & SHORT, heads.service
    )
    beyond = heads.end - key_start > KEPT[heads.service]
    behind = none.copy()
    behind[lists.unit] = np.where(lists.state == WALKED, lists.end - lists.at, 0)
    # or where the first chunk ends
    subscription = np.where(heads.kind == MORE, heads.size, 0).astype(np.uint64)
    subscription[lists.unit] = lists.subscription
    return Split(
        key_words=[
            heads.kind
            | form.astype(np.uint64) << np.uint64(32)
            | number.astype(np.uint64) << np.uint64(48),
            (bodies.status | behind << 32 | beyond.astype(np.int64) << 40).astype(np.uint64),
            subscription,
        ],
        key_start=key_start,
        key_length=key_length,
        tag=_tags(heads),
        value_start=heads.start,
        value_count=none,
        value_type=np.full(len(units), U8, np.uint8),
        malformed=malformed,
        alone=_alone(units, heads, bodies, opaque),
    )


def _tags(heads: Heads) -> U64:
    """The request id; a hello and an open channel are answered before anything else is asked."""
    tag = shifted(words_at(heads.buffer, heads.start + 16, heads.end), 32)
    tag[np.isin(heads.kind, HELLOS)] = HELLO_TAG
    tag[heads.kind == OPEN] = OPEN_TAG
    return tag


def _alone(units: Units, heads: Heads, bodies: Bodies, opaque: Mask) -> Mask:
    """Units that are no part of a pair: see the head of this module."""
    side = sides_of(heads)
    alone = (opaque & (heads.kind != OPEN)) | (heads.kind == CLOSE)
    alone |= (heads.kind == ERROR) | (heads.kind == REVERSE_HELLO)
    alone |= (heads.service == PUBLISH) | (heads.service == PUBLISHED)
    alone |= (heads.service == SERVICE_FAULT) & np.isin(bodies.status, PUBLISH_FAULTS)
    aborted = np.flatnonzero(heads.kind == ABORTED)
    alone[aborted] = (units.side[aborted] == Side.REQUEST) | ~_says_why(heads, aborted)
    turned = (side != Side.UNKNOWN) & (units.side != Side.UNKNOWN) & (side != units.side)
    return np.asarray(alone | turned, np.bool_)


def _says_why(heads: Heads, rows: I64) -> Mask:
    """Whether the abortion of a message can be read, [6] 6.7.3; if not, it is encrypted."""
    at, end = heads.body[rows], heads.end[rows]
    failed = words_at(heads.buffer, at, end) & INT >= np.uint64(1 << 31)
    return np.asarray(failed & (behind_text(heads.buffer, at + 4, end) == end))


# The contexts and items of units are asked for behind their split, and all three need the lists:
# the readings of the last few are kept until their items were asked for.
_READINGS: deque[tuple[Units, Reading]] = deque(maxlen=4)


def _remember(units: Units, reading: Reading) -> None:
    _READINGS.append((units, reading))


def _remembered(units: Units, *, forget: bool = False) -> Reading:
    """What `split` found in these very units, or finds now."""
    for at, (kept, reading) in enumerate(_READINGS):
        if all(getattr(kept, name) is getattr(units, name) for name in _COLUMNS):
            if forget:
                del _READINGS[at]
            return reading
    return read_units(units)


_COLUMNS = ("buffer", "start", "end", "kind")


def items(units: Units) -> Items:
    """Values read, written and reported, and the nodes that are asked for."""
    reading = _remembered(units, forget=True)
    lists, points = reading.lists, reading.points
    none = np.zeros(len(points.row), np.uint64)
    return Items(
        owner=lists.unit[points.row],
        start=points.start,
        end=points.end,
        split=Split(
            key_words=points.key_words,
            key_start=points.key_start,
            key_length=points.key_length,
            tag=none,
            value_start=points.value_start,
            value_count=points.value_count,
            value_type=points.value_type,
            malformed=none.astype(np.bool_),
        ),
    )


# -------------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """One distinct request or response; see `split` for what it may look at.

    Raises Truncated if the unit is longer than its bytes, Malformed if it contradicts [4] or [6].
    """
    data = reader.data
    kind, size = reader.u32le(), reader.u32le()
    if (size >= len(data)) if kind == MORE else (size != len(data)):
        raise Truncated(f"{len(data)} bytes of {size}")
    read = _KINDS.get(kind)
    if read is None:
        raise Malformed(f"type {data[:4]!r}")
    try:
        return read(reader, side, request)
    except Truncated as error:  # the unit is whole, so its content contradicts its length
        raise Malformed(f"{data[:4]!r}: {error}") from error


def _whole(reader: Reader, message: Message) -> Message:
    if reader.left():
        raise Malformed(f"{reader.left()} bytes behind the content")
    return message


def _hello(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """[6] 7.1.2.3; the url is what the client was told to ask for."""
    reader.take(20)  # version, sizes of buffers and messages
    url = string(reader)
    facts = (Fact("endpoint_url", url),) if url else ()
    return _whole(reader, Message(*GREETS, url, facts=facts))


def _acknowledge(reader: Reader, _side: Side, request: Message | None) -> Message:
    """[6] 7.1.2.4."""
    reader.take(20)
    object_ = request.object if request is not None else UNKNOWN_OBJECT
    return _whole(reader, Message(*GREETS, object_, outcome="ok"))


def _error(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """[6] 7.1.2.5."""
    status, reason = reader.u32le(), string(reader)
    return _whole(reader, Message(*FAILS, reason, outcome=status_word(status)))


def _reverse_hello(reader: Reader, side: Side, _request: Message | None) -> Message:
    """[6] 7.1.2.6: a server calls its client, so it is mostly the one that opens the connection."""
    uri, url = string(reader), string(reader)
    facts = [Fact("application_uri", uri), Fact("endpoint_url", url)]
    message = Message(*CALLS_BACK, url, facts=told_once(facts))
    return _whole(reader, _turned(message, Side.RESPONSE, side))


def _abort(reader: Reader, _side: Side, request: Message | None) -> Message:
    """[6] 6.7.3; where it is encrypted the error cannot be read."""
    reader.take(SEQUENCED - 8)
    name, cls = ABORTS if request is None else (request.operation, request.cls)
    object_ = "" if request is None else request.object
    body = Reader(reader.rest())
    try:
        status = body.u32le()
        byte_string(body)  # the reason in words
    except WireError:
        status = 0
    if not status >> 31 or body.left():
        message = Message(name, cls, object_, outcome="aborted", note=_opaque(reader.context))
        return message.leaving(len(body.data))
    return Message(name, cls, object_, outcome=f"aborted {status_word(status)}")


def _opaque(policy: str) -> str:
    if policy == NO_POLICY:
        return "opaque: no service that is known, on a channel without encryption"
    return f"opaque: encrypted ({policy})" if policy else "opaque: encrypted, its channel not seen"


def _turned(message: Message, speaks: Side, side: Side) -> Message:
    """Facts say of client and server by the connection; where a server calls, they are turned."""
    if side in (speaks, Side.UNKNOWN) or not message.facts:
        return message
    facts = (replace(fact, about=_OTHER.get(fact.about, fact.about)) for fact in message.facts)
    return replace(message, facts=tuple(facts))


_OTHER = {"server": "client", "client": "server"}


# -------------------------------------------------------------------------- bodies of services


def _secured(reader: Reader, side: Side, request: Message | None) -> Message:
    """MSG and CLO."""
    service = _service_at(reader.data, SEQUENCED)
    if not service:
        return _encrypted(reader, side)
    return _service(reader, SEQUENCED, service, side, request)


def _service_at(data: bytes, at: int) -> int:
    if data[at : at + 2] != b"\1\0":
        return 0
    number = int.from_bytes(data[at + 2 : at + 4], "little")
    known = number in REQUESTS or number in RESPONSES or number == SERVICE_FAULT
    return number if known else 0


def _encrypted(reader: Reader, side: Side) -> Message:
    data, policy = reader.data, reader.context
    left = len(data) - (SEQUENCED if policy == NO_POLICY else SECURED_FROM)
    if data[:3] == b"CLO":
        return Message(*REQUESTS[CLOSE_CHANNEL], note=_opaque(policy), left=left)
    if policy == NO_POLICY and data[SEQUENCED : SEQUENCED + 2] == b"\1\0":
        number = int.from_bytes(data[SEQUENCED + 2 : SEQUENCED + 4], "little")
        return Message(f"unknown_{number:#06x}", "config", note=_opaque(policy), left=left)
    towards = {Side.REQUEST: "to the server", Side.RESPONSE: "to the client"}.get(side, "")
    return Message(*SECURED, towards, note=_opaque(policy), left=left)


SECURED_FROM = 16  # behind the header, the channel and its token, [6] 6.7.2.3; all else is sealed


def _open(reader: Reader, side: Side, request: Message | None) -> Message:
    """OPN, [6] 6.7.2.3: who speaks shows its certificate, even where the body is encrypted."""
    reader.take(4)
    policy, certificate, thumbprint = (
        policy_name(string(reader)),
        byte_string(reader),
        byte_string(reader),
    )
    sealed = reader.left()
    reader.take(8)
    service = _service_at(reader.data, reader.offset)
    if service in (OPEN_CHANNEL, CHANNEL_OPEN):
        reader.context = policy
        return _service(reader, reader.offset, service, side, request)
    about = "server" if side == Side.RESPONSE else "client"
    facts = certificate_facts(certificate, about)
    if thumbprint:
        other = "client" if side == Side.RESPONSE else "server"
        facts.append(Fact("certificate_sha1", thumbprint.hex(), other))
    outcome = "ok" if side == Side.RESPONSE else ""
    message = Message(
        *REQUESTS[OPEN_CHANNEL], policy, "", outcome, None, told_once(facts), _opaque(policy),
        left=sealed,
    )  # fmt: skip
    if request is not None and request.object != policy:
        return replace(message, outcome=MISMATCH)
    return message


def _service(reader: Reader, at: int, service: int, side: Side, request: Message | None) -> Message:
    """A body in the clear: its header, then what it asks or tells."""
    own = Side.REQUEST if service in REQUESTS else Side.RESPONSE
    status, odd = _pass_header(reader.at(at + 4), own)
    # of reports the context is their subscription, not their channel
    policy = "" if service == PUBLISHED else reader.context
    paired = request if own == Side.RESPONSE else None
    unit = Unit(service, own, reader.offset, status, policy, paired)
    if reader.item is not None:
        message = _item(unit, reader)
    elif service in LISTS and not odd and _is_walked(reader.data):
        message = _listed(unit, reader)
    else:  # a header that is odd belongs to the key
        message = _said(unit, reader, at if odd else unit.at)
    return _turned(message, own, side)


def _pass_header(reader: Reader, side: Side) -> tuple[int, bool]:
    """Request and response headers, [4] 7.33 and 7.34: (status, whether it is odd as in `Bodies`)."""
    if side == Side.REQUEST:
        node_id(reader)  # the session's token, a secret
        reader.take(16)
        byte_string(reader)
        reader.take(4)
        odd = reader.data[reader.offset : reader.offset + 3] != bytes(3)
        extension(reader)
        return 0, odd
    reader.take(12)
    status = reader.u32le()
    odd = reader.data[reader.offset : reader.offset + 8] not in (bytes(8), _NO_STRINGS)
    diagnostic(reader)
    for _ in range(length_of(reader)):
        byte_string(reader)
    extension(reader)
    return status, odd


_NO_STRINGS = b"\0\xff\xff\xff\xff\0\0\0"  # no diagnostics, no table of strings, no structure


def _said(unit: Unit, reader: Reader, begin: int) -> Message:
    """A unit that is not cut into items; ``begin``: where that of it begins which is its key."""
    kept = MOST_OF.get(unit.service, MOST)
    data = reader.data
    note = f"only the first {kept} bytes are read" if begin + kept < len(data) else ""
    if data[3:4] == b"C":
        size = int.from_bytes(data[4:8], "little")
        if unit.policy not in ("", NO_POLICY) and size < begin + kept:
            note, kept = "only the first chunk is read: each has a signature", size - begin
        content = Reader(_unchunked(data[: begin + kept], unit.at))
    else:
        content = Reader(data[unit.at : begin + kept])
    body: Body = {}
    name = BODIES.get(unit.service, "")
    if unit.service in TEST_STACK_EX:
        return _message(unit, body, "opaque: no longer in the standard")
    try:
        if name:
            fill(content, name, body)
    except Truncated:
        if not note:
            raise
    if not note:
        _check_signature(content.left(), unit.policy)
    return _message(unit, body, note or (LISTS_WHOLE if unit.service in (READ, WRITE) else ""))


LISTS_WHOLE = "its list stands whole"  # so its object is not that of one item of the response


def _check_signature(size: int, policy: str) -> None:
    if size not in SIGNATURES or (size and policy == NO_POLICY):
        raise Malformed(f"{size} bytes behind the content")


LISTS = (READ, READ_DONE, WRITE, WRITE_DONE, PUBLISHED)


def _is_walked(data: bytes) -> bool:
    """Whether `split` has cut the list, so that only the header may be looked at."""
    marks = [np.zeros(1, np.uint8)] * 3
    units = Units(np.frombuffer(data, np.uint8), np.array([0]), np.array([len(data)]), *marks)
    state = read_units(units).lists.state
    return len(state) > 0 and bool(state[0] == WALKED)


def _unchunked(data: bytes, at: int) -> bytes:
    """The body of a message in several chunks, whose headers stand between."""
    found = bytearray()
    begin = 0
    while begin + 8 <= len(data):
        size = int.from_bytes(data[begin + 4 : begin + 8], "little")
        if size < SEQUENCED:
            raise Malformed(f"chunk of {size} bytes")
        found += data[max(begin + SEQUENCED, at) : begin + size]
        begin += size
        if begin < len(data) and data[begin : begin + 3] not in (b"MSG", b"MS", b"M"):
            raise Malformed("no chunk behind a chunk")
    return bytes(found)


def _message(unit: Unit, body: Body, note: str) -> Message:
    facts = FACTS.get(unit.service, _no_facts)(body, unit)
    if unit.side == Side.REQUEST:
        return unit.says(OBJECTS.get(unit.service, _no_object)(body), facts=facts, note=note)
    own = OBJECTS.get(unit.service, _no_object)(body)
    return unit.says(own, outcome=_outcome_of(body), facts=facts, note=note)


def _no_facts(_body: Body, _unit: Unit) -> list[Fact]:
    return []


def _no_object(_body: Body) -> str:
    return ""


def _statuses_of(body: Body) -> Iterator[int]:
    for name in ("results", "add_results", "remove_results", "configuration_results"):
        for one in body.get(name, ()):
            if isinstance(one, Value):
                yield one.status
            else:
                yield one["status_code"] if isinstance(one, dict) else one


def _outcome_of(body: Body) -> str:
    """The first failure among the results that were read, and whether all failed."""
    found = [status_word(status) for status in _statuses_of(body)]
    failed = [word for word in found if word != "ok"]
    if not failed:
        return "ok"
    return failed[0] if len(failed) == len(found) else f"partly {failed[0]}"


# --------------------------------------------------------------------- items of read and write


def _listed(unit: Unit, reader: Reader) -> Message:
    """A list whose items are told apart: an empty one, or in place of items that are missing."""
    if unit.service == PUBLISHED:
        return unit.says(f"subscription {reader.at(unit.at).u32le()}")
    return unit.says()


def _item(unit: Unit, reader: Reader) -> Message:
    begin, end = reader.item or (0, 0)
    item = Reader(reader.data[begin:end])
    if unit.service == READ:
        return unit.says(_attribute_of(item, encoded=True))
    if unit.service == WRITE_DONE:
        return unit.says(outcome=status_word(item.u32le()))
    if unit.service == WRITE:
        object_ = _attribute_of(item)
        return unit.says(object_, elements=elements_of(object_, item_value(item)))
    object_ = ""
    if unit.service == PUBLISHED:
        handle, subscription = item.u32le(), reader.at(unit.at).u32le()
        object_ = _monitored(reader.context, subscription, handle)
    value = item_value(item)
    known = object_ or (unit.request.object if unit.request is not None else "")
    if unit.astray or (unit.request is not None and unit.request.note):
        known = ""
    elements = elements_of(known, value) if known else None
    facts = node_facts(known, value)
    return unit.says(object_, outcome=status_word(value.status), elements=elements, facts=facts)


def _attribute_of(item: Reader, *, encoded: bool = False) -> str:
    """What is read or written: the node, its attribute if it is not the value, its part."""
    node, number, range_ = node_id(item), item.u32le(), string(item)
    text = node if number == 13 else f"{node} {ATTRIBUTES.get(number, f'attribute {number}')}"
    if range_:
        text += f"[{range_}]"
    encoding = qualified_name(item) if encoded else ""
    return f"{text} as {encoding}" if encoding else text


# ------------------------------------------------------------------------------------ contexts

CHANNEL = 1  # the context of all units of a channel: the name of its policy
SUBSCRIPTION = 2  # and on: of what a subscription reports, the nodes of its handles as JSON
MOST_NAMED = 4_096  # characters of one subscription's nodes; handles beyond have no name
READ_FOR_NAMES = 16_384  # bytes of a body that are read for them


_NAMING = (CREATE_ITEMS, ITEMS_CREATED, MODIFY_ITEMS, ITEMS_MODIFIED)


def _sets(units: Units) -> Mask:
    heads = heads_of(units)
    named = np.isin(heads.service, _NAMING)
    return np.asarray(heads.front & ((heads.kind == OPEN) | (named & (heads.kind == MESSAGE))))


def _contexts(units: Units) -> U64:
    reading = _remembered(units)
    kind, lists = reading.heads.kind, reading.lists
    none = np.isin(kind, HELLOS) | (kind == OPEN)
    found = np.where(none, 0, CHANNEL).astype(np.uint64)
    reports = lists.service == PUBLISHED
    found[lists.unit[reports]] = lists.subscription[reports] + SUBSCRIPTION
    return found


def learn(reader: Reader, _side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """What an opened channel and created items mean for what follows.

    ``memory`` has under ``r`` and the request id what a request asked for: its subscription and
    for each item handle and node, or item and handle; under ``s`` and the subscription's id its
    items: handle, item, node.
    """
    data = reader.data
    reader.take(8)
    if data[:3] == b"OPN":
        reader.take(4)
        return [(CHANNEL, policy_name(string(reader)) or NO_POLICY)]
    service, request = _service_at(data, SEQUENCED), reader.at(20).u32le()
    if service not in _NAMING:
        return []
    body = _body_for_names(data, service)
    if service in (CREATE_ITEMS, MODIFY_ITEMS):
        listed: list[Body] = body.get("items_to_create") or body.get("items_to_modify") or []
        memory[f"r{request}"] = [body.get("subscription_id", 0), list(map(_wanted, listed))]
        return []
    subscription, wanted = memory.pop(f"r{request}", (0, []))
    if not wanted:
        return []
    name = f"s{subscription}"
    known = _named_items(memory.get(name, []), wanted, list(body.get("results", ())))
    memory[name] = known
    nodes = {str(handle): node for handle, _, node in known}
    return [(subscription + SUBSCRIPTION, json.dumps(nodes, separators=(",", ":")))]


def _body_for_names(data: bytes, service: int) -> Body:
    content = Reader(data[: SEQUENCED + READ_FOR_NAMES]).at(SEQUENCED + 4)
    _pass_header(content, Side.REQUEST if service in REQUESTS else Side.RESPONSE)
    body: Body = {}
    try:
        fill(content, BODIES[service], body)
    except Truncated:
        if len(data) <= SEQUENCED + READ_FOR_NAMES:
            raise
    return body


def _wanted(one: Body) -> list[Any]:
    """[item, handle, node]; a new item has no number yet, a modified one has its node already."""
    handle = one["requested_parameters"]["client_handle"]
    if "item_to_monitor" in one:
        return [-1, handle, attribute_text(one["item_to_monitor"])]
    return [one["monitored_item_id"], handle, ""]


def _named_items(
    known: list[list[Any]], wanted: list[list[Any]], results: list[Body]
) -> list[list[Any]]:
    """The items of a subscription behind what a response has granted."""
    items = {item: [handle, item, node] for handle, item, node in known}
    for (item, handle, node), result in zip(wanted, results, strict=False):
        if result["status_code"] >> 30:
            continue
        number = result.get("monitored_item_id", item)
        text = node or (items[number][2] if number in items else "")
        if text:
            items[number] = [handle, number, text]
    size = 0
    kept = []
    for handle, item, node in items.values():
        size += len(node) + len(str(handle)) + 6
        if size > MOST_NAMED:
            break
        kept.append([handle, item, node])
    return kept


def _monitored(context: str, subscription: int, handle: int) -> str:
    """The node that a handle stands for, if its creation was seen."""
    names = json.loads(context) if context else {}
    return str(names.get(str(handle), f"subscription {subscription} handle {handle}"))


_KINDS: dict[int, Callable[[Reader, Side, Message | None], Message]] = {
    HELLO: _hello,
    ACKNOWLEDGE: _acknowledge,
    ERROR: _error,
    REVERSE_HELLO: _reverse_hello,
    OPEN: _open,
    MESSAGE: _secured,
    MORE: _secured,
    CLOSE: _secured,
    ABORTED: _abort,
}
OPERATIONS = tuple(
    Operation(name, cls, number)
    for number, (name, cls) in (
        *REQUESTS.items(),
        (SERVICE_FAULT, FAULT),
        # those of the connection have no number: their letters stand for it
        (HELLO, GREETS), (REVERSE_HELLO, CALLS_BACK), (ERROR, FAILS), (ABORTED, ABORTS),
        (MESSAGE, SECURED),
    )
)  # fmt: skip

# [6] 5.1.3 and 5.2.2.15: identity tokens as they stand in a request: id, how it is coded, and
# how many strings are in front of the secret
_TOKENS = ((b"\1\0\x44\1\1", 2), (b"\1\0\xac\3\1", 1))


def scrub(reader: Reader) -> bytes:
    """Passwords and issued tokens; that there are some is all that is told."""
    data = reader.data
    for mark, before in _TOKENS:
        at = data.find(mark)
        while at >= 0:
            token = Reader(data, at + len(mark) + 4)
            for _ in range(before):
                byte_string(token)
            secret = byte_string(token)
            data = covered(data, token.offset - len(secret), token.offset)
            at = data.find(mark, at + 1)
    return data


PROTOCOL = Protocol(
    name="opcua",
    title="OPC UA binary",
    standard="OPC 10000-4 and 10000-6 1.05 (IEC 62541-4, IEC 62541-6)",
    transports=frozenset({"tcp"}),
    ports=frozenset({4840, 4841, 4855, 48010, 48020, 48030, 53530, 62541}),
    framings=(OPCUA,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    outstanding=256,
    identity=(
        "vendor", "product_name", "product_uri", "revision", "build", "application",
        "application_uri", "role_hint", "server_state", "endpoint", "endpoint_url", "hostname",
        "certificate", "certificate_sha1", "certificate_until", "user_identity",
        "user_certificate",
    ),
    items=items,
    scrub=scrub,
    contexts=Contexts("connection", sets=_sets, names=_contexts, learn=learn),
    session=True,
)  # fmt: skip
