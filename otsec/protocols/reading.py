"""One unit as a person reads it: its messages, tag and values, without the engine.

The same functions of the protocol as in columns, on a batch of one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from otsec.columns import I64, Bytes
from otsec.errors import WireError
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
    """Read one unit, a response with its request; None where it is malformed.

    By its form, or as `Protocol.decode` finds.
    """
    return next(
        read_all(protocol, [data], side, request, framing=framing, kind=kind, context=context)
    )


def read_all(
    protocol: Protocol,
    units: Sequence[bytes],
    side: Side,
    request: bytes | None = None,
    *,
    framing: int = 0,
    kind: int = 0,
    context: str = "",
) -> Iterator[Reading | None]:
    """Read units that all answer one request, or none; see `read`."""
    asked: tuple[Message, ...] = ()
    if request is not None:
        asking = read(protocol, request, Side.REQUEST, framing=framing, kind=kind, context=context)
        asked = asking.messages if asking is not None else ()
        if len(asked) > 1:  # the whole, for what the response does not list
            whole = Reader(request, framing=framing, context=context)
            asked = (*asked, protocol.decode(whole, Side.REQUEST, None))
    columns = _columns(units, side, framing, kind)
    split = protocol.split(columns)
    good = np.flatnonzero(~split.malformed)
    items = _items(protocol, columns, good)
    for at, data in enumerate(units):
        if split.malformed[at]:
            yield None
            continue
        rows = np.flatnonzero(items.owner == at) if items is not None else np.empty(0, np.int64)
        begin = int(columns.start[at])
        spans: list[tuple[int, int] | None] = [None]
        if items is not None and len(rows):
            ends = zip(items.start[rows].tolist(), items.end[rows].tolist(), strict=True)
            spans = [(start - begin, end - begin) for start, end in ends]
        try:
            messages = tuple(
                protocol.decode(
                    Reader(data, framing=framing, item=span, context=context),
                    side,
                    _asked(asked, number),
                )
                for number, span in enumerate(spans)
            )
        except WireError:
            yield None
            continue
        values = [_numbers(columns.buffer, split, at)] if split.value_count[at] > 0 else []
        if items is not None:
            full = rows[items.split.value_count[rows] > 0]
            values += [_numbers(columns.buffer, items.split, row) for row in full.tolist()]
        alone = split.alone is not None and bool(split.alone[at])
        yield Reading(messages, int(split.tag[at]), alone, tuple(values))


def _columns(units: Sequence[bytes], side: Side, framing: int, kind: int) -> Units:
    size = np.array([len(unit) for unit in units], np.int64)
    end = np.cumsum(size)
    marks = [np.full(len(units), mark, np.uint8) for mark in (side, framing, kind)]
    return Units(np.frombuffer(b"".join(units), np.uint8), end - size, end, *marks)


def _items(protocol: Protocol, units: Units, good: I64) -> Items | None:
    """The items of the units that are well-formed; ``owner`` counts all units."""
    if protocol.items is None or not len(good):
        return None
    columns = (units.start, units.end, units.side, units.framing, units.kind)
    items = protocol.items(Units(units.buffer, *(column[good] for column in columns)))
    return replace(items, owner=good[items.owner])


def _asked(asked: tuple[Message, ...], at: int) -> Message | None:
    """The part of the request that an item of the response belongs to."""
    if not asked:
        return None
    return asked[min(at, len(asked) - 1)]


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
