"""What a few frames say, by otsec's own decoders: the engine itself, run over them alone.

So a response is read with its request, a unit with the context set before it, a message with all
its pieces, as when the capture was analysed. Besides what the engine keeps, each exchange is told
with the frames of its request and response.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np

from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.evidence.captures import Frame
from otsec.exchanges.calls import PART_BITS, Calls, Occurrences
from otsec.exchanges.contexts import Known
from otsec.exchanges.pairing import Exchanges
from otsec.exchanges.work import Found, Work
from otsec.model import PacketBatch
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import VALUE_TYPES, Contexts, Message
from otsec.protocols.values import from_cells, to_cells
from otsec.streams.claim import Registry

SEED = 0x0E71DE4CE  # nothing that a hash decides is shown
MOST_VALUES = 64  # of one message that are told
NONE = -1


@dataclass(frozen=True, slots=True)
class Unit:
    """Where a request or response stands: the frame that completed it, and its length."""

    frame: int  # position among the frames
    size: int  # bytes of the unit


@dataclass(frozen=True, slots=True)
class Said:
    """One exchange, or one message that stands alone."""

    protocol: str
    message: Message
    request: Unit | None
    response: Unit | None
    took_ns: int  # from request to response; -1 without both
    values: tuple[int | float, ...]

    @property
    def alone(self) -> bool:
        """Whether it is no half of an exchange: a report, an announcement."""
        return (self.request is None or self.response is None) and not self.message.outcome

    def halves(self) -> Iterator[tuple[str, Unit]]:
        """``request``, ``response`` or ``message``, with where it stands."""
        for part, unit in (("request", self.request), ("response", self.response)):
            if unit is not None:
                yield ("message" if self.alone else part), unit

    def units(self) -> tuple[Unit, ...]:
        """Its request and its response, as far as there are any."""
        return tuple(unit for unit in (self.request, self.response) if unit is not None)


@dataclass(frozen=True, slots=True)
class Study:
    """What frames say, and which of them change how later ones are read."""

    said: tuple[Said, ...]
    setters: frozenset[int]  # positions of frames that set a context


class Learning(Known):
    """The contexts of one protocol; notes the frames of the units that set them."""

    def __init__(self, contexts: Contexts, cap: int, setters: set[int]) -> None:
        super().__init__(contexts, cap)
        self.setters = setters

    def _said(self, part: Calls, row: int, scope: bytes) -> list[tuple[int, str]]:
        said = super()._said(part, row, scope)
        self.setters.add(int(part.position[row]) >> PART_BITS)
        return said


class Listening(Exchanges):
    """The exchanges of one protocol, each noted with its frames."""

    def __init__(self, like: Exchanges) -> None:
        super().__init__(like.cache, like.seed, like.bits)
        self.noted: list[Said] = []
        self.setters: set[int] = set()
        if self.protocol.contexts is not None:
            self.known = Learning(self.protocol.contexts, like.cache.cap, self.setters)

    def _contents(self, work: Work, found: Found) -> Occurrences:
        occurrences = super()._contents(work, found)
        rows = found
        base = np.where(rows.request >= 0, rows.request, rows.response)
        order = np.lexsort((work.position[base], rows.position))
        rows = rows.take(order)
        if work.items:
            rows, which = work.itemize(rows)
            whole = found.take(order).take(which)
        else:
            whole = rows
        content = self._number(work, rows.request, rows.response, rows.outcome)
        keep = np.flatnonzero(content > 0)
        values = _values(occurrences)
        for at, row in enumerate(keep.tolist()):
            told = self.cache.contents[int(content[row])]
            if told is None:
                continue
            self.noted.append(
                Said(
                    self.protocol.name,
                    told.message,
                    _unit(work, int(whole.request[row])),
                    _unit(work, int(whole.response[row])),
                    int(rows.took[row]),
                    values.get(at, ()),
                )
            )
        return occurrences


def _unit(work: Work, row: int) -> Unit | None:
    """The unit of a row of Work; None where there is none."""
    if row < 0:
        return None
    number = int(np.searchsorted(work.bases, row, "right")) - 1
    part, at = work.parts[number], row - work.bases[number]
    return Unit(int(work.position[row]) >> PART_BITS, int(part.end[at] - part.start[at]))


def _values(found: Occurrences) -> dict[int, tuple[int | float, ...]]:
    """The first values that each occurrence carries."""
    told: dict[int, tuple[int | float, ...]] = {}
    for lot in found.values:
        columns = (lot.occurrence, lot.start, lot.count, lot.type)
        step = [0] * len(lot.occurrence) if lot.step is None else lot.step.tolist()
        each = zip(*(column.tolist() for column in columns), step, strict=True)
        for occurrence, start, count, kind, apart in each:
            told[occurrence] = _read(lot.buffer, start, min(count, MOST_VALUES), kind, apart)
    return told


def _read(buffer: Any, start: int, count: int, kind: int, step: int) -> tuple[int | float, ...]:
    dtype = VALUE_TYPES[kind]
    if dtype is None:
        octets = buffer[start : start + (count + 7) // 8]
        bits = np.unpackbits(octets, bitorder="little")[:count]
        return tuple(bits.tolist())
    at = start + (step or dtype.itemsize) * np.arange(count)
    pieces = [buffer[one : one + dtype.itemsize].tobytes() for one in at.tolist()]
    raw = np.frombuffer(b"".join(piece for piece in pieces if len(piece) == dtype.itemsize), dtype)
    return tuple(from_cells(to_cells(raw), kind).tolist())


def study(frames: Sequence[Frame]) -> Study:
    """What frames of one source say, in their order; requests without a response too."""
    registry = Registry(PROTOCOLS)
    engine = Engine(registry, Caps(), Settings(seed=SEED))
    listening = [Listening(one) for one in engine.exchanges]
    engine.exchanges = list(listening)
    for batch in batches(frames):
        engine.apply(batch, columnar(batch, registry, engine.settings))
    for one in listening:
        one.open()  # goes through the contents as well: what nobody answered is told
    said = [told for one in listening for told in one.noted]
    return Study(tuple(said), frozenset().union(*(one.setters for one in listening)))


def batches(frames: Sequence[Frame]) -> list[PacketBatch]:
    """Frames as batches, one for each stretch of one link type."""
    return [_batch(list(some)) for _, some in groupby(frames, key=lambda one: one.link)]


def _batch(frames: Sequence[Frame]) -> PacketBatch:
    size = np.array([len(one.data) for one in frames], np.int64)
    return PacketBatch(
        interface=0,
        link=frames[0].link,
        buffer=np.frombuffer(b"".join(one.data for one in frames) + bytes(8), np.uint8),
        offset=np.cumsum(size) - size,
        captured=size,
        wire=np.array([one.wire for one in frames], np.int64),
        time=np.array([one.time for one in frames], np.int64),
    )


def plain(said: Said) -> dict[str, object]:
    """What was said, for JSON; frames are left to who knows their names."""
    message = said.message
    told: dict[str, object] = {"protocol": said.protocol}
    told.update(
        (one.name, getattr(message, one.name))
        for one in fields(message)
        if one.name not in {"cls", "elements", "facts"}
    )
    told["class"] = message.cls
    told["values"] = list(said.values)
    told["facts"] = [
        {"attribute": fact.attribute, "value": fact.value, "about": fact.about}
        for fact in message.facts
    ]
    return told
