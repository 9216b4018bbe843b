"""One unit as a person reads it: its messages, tag and values, without the engine.

The same functions of the protocol as in columns, on a batch of one.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import Bytes
from otsec.protocols.api import VALUE_TYPES, Items, Message, Protocol, Reader, Side, Split, Units
from otsec.protocols.values import from_cells, to_cells

Number = int | float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one unit says. Items, where it lists any, each have a message and values."""

    messages: tuple[Message, ...]
    tag: int
    alone: bool
    values: tuple[tuple[Number, ...], ...]


def read(
    protocol: Protocol,
    data: bytes,
    side: Side,
    request: bytes | None = None,
    *,
    framing: int = 0,
    kind: int = 0,
    context: str = "",
) -> Reading | None:
    """Read one unit, a response with its request; None where it is malformed by its form.

    Raises Truncated or Malformed where `Protocol.decode` does.
    """
    asked: tuple[Message, ...] = ()
    if request is not None:
        asking = read(protocol, request, Side.REQUEST, framing=framing, kind=kind, context=context)
        asked = asking.messages if asking is not None else ()
        if len(asked) > 1:  # the whole, for what the response does not list
            whole = Reader(request, framing=framing, context=context)
            asked = (*asked, protocol.decode(whole, Side.REQUEST, None))
    units = _one(data, side, framing, kind)
    split = protocol.split(units)
    if split.malformed[0]:
        return None
    items = protocol.items(units) if protocol.items is not None else None
    spans: list[tuple[int, int] | None] = [None]
    if items is not None and len(items.owner):
        spans = list(zip(items.start.tolist(), items.end.tolist(), strict=True))
    messages = tuple(
        protocol.decode(
            Reader(data, framing=framing, item=span, context=context), side, _asked(asked, at)
        )
        for at, span in enumerate(spans)
    )
    alone = split.alone is not None and bool(split.alone[0])
    return Reading(messages, int(split.tag[0]), alone, _values(units.buffer, split, items))


def _one(data: bytes, side: Side, framing: int, kind: int) -> Units:
    buffer = np.frombuffer(data, np.uint8)
    marks = [np.array([mark], np.uint8) for mark in (side, framing, kind)]
    return Units(buffer, np.array([0]), np.array([len(data)]), *marks)


def _asked(asked: tuple[Message, ...], at: int) -> Message | None:
    """The part of the request that an item of the response belongs to."""
    if not asked:
        return None
    return asked[min(at, len(asked) - 1)]


def _values(buffer: Bytes, split: Split, items: Items | None) -> tuple[tuple[Number, ...], ...]:
    splits = [split] if items is None else [split, items.split]
    return tuple(
        _numbers(buffer, one, row)
        for one in splits
        for row in np.flatnonzero(one.value_count > 0).tolist()
    )


def _numbers(buffer: Bytes, split: Split, row: int) -> tuple[Number, ...]:
    start, count = int(split.value_start[row]), int(split.value_count[row])
    kind = int(split.value_type[row])
    dtype = VALUE_TYPES[kind]
    if dtype is None:
        octets = buffer[start : start + (count + 7) // 8]
        return tuple(np.unpackbits(octets, count=count, bitorder="little").tolist())
    step = dtype.itemsize if split.value_step is None else int(split.value_step[row])
    at = start + step * np.arange(count)
    raw = np.frombuffer(
        b"".join(buffer[one : one + dtype.itemsize].tobytes() for one in at.tolist()), dtype
    )
    return tuple(from_cells(to_cells(raw), kind).tolist())
