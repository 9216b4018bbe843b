"""From units to exchanges: key, tags and values in columns; each distinct thing decoded once.

A request waits for its response until one of these comes: a response with its tag, another
request with its tag, so many newer requests as the protocol lets wait, a minute, a clock step.
Which of them it was is decided by packets alone, so batch borders leave no trace.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from otsec.columns import I64, U64, Bytes, Ints, gather_spans, group, group_spans
from otsec.errors import WireError
from otsec.protocols.api import Message, Protocol, Reader, Side, Split, Units

TIMEOUT_NS = 60 * 10**9  # a response that takes longer is not seen as one
LATE_NS = 10 * 10**9  # a response that takes longer is late: no master waits that long
OPEN_TOLD = 10_000  # requests without response that a checkpoint tells; a flood has more
NEVER = np.iinfo(np.int64).max
PART_BITS = 16  # a position is the ordinal of the packet and the unit's number within it


@dataclass(frozen=True, slots=True)
class Calls:
    """Units of one protocol over one buffer, with whom they concern; all columns of one length."""

    buffer: Bytes
    start: I64
    end: I64
    framing: Ints
    kind: Ints
    side: Ints  # Side
    serial: I64  # of the connection
    slot: I64  # of the connection, -1 where it was carried over
    conversation: I64
    position: I64  # of the unit: ordinal << PART_BITS | number within the packet
    time: I64
    steady: I64
    epoch: I64
    number: I64  # of a request within its connection; 0 for responses

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: I64) -> "Calls":
        """Some rows, over the same buffer."""
        return replace(
            self,
            **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "buffer"},
        )

    def packed(self, rows: I64) -> "Calls":
        """Some rows, over a buffer of their own, to outlive the batch."""
        kept = self.take(rows)
        length = kept.end - kept.start
        end = np.cumsum(length)
        return replace(
            kept,
            buffer=gather_spans(self.buffer, kept.start, length),
            start=end - length,
            end=end,
            slot=np.full(len(rows), -1),
        )


@dataclass(frozen=True, slots=True)
class Content:
    """What an exchange says, whoever exchanged it and when."""

    message: Message
    elements_of: Side  # which unit carries the values


@dataclass(frozen=True, slots=True)
class Values:
    """Where the values of occurrences lie: one row an occurrence that carries any."""

    buffer: Bytes
    occurrence: I64
    start: I64
    count: I64  # elements that the unit holds
    type: Ints


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Exchanges in the order in which they were complete; all columns of one length."""

    conversation: I64
    content: I64
    position: I64  # when it was complete
    time: I64  # of the request, or of the unit if there is none
    ordinal: I64
    part: I64
    epoch: I64
    response_ns: I64  # -1 without a response
    values: tuple[Values, ...]

    def __len__(self) -> int:
        return len(self.content)


@dataclass(frozen=True, slots=True)
class Window:
    """The packets of a batch, by which requests run out of time."""

    steady: I64
    epoch: I64
    ordinal: int  # of row 0

    def first_at(self, steady: I64) -> I64:
        """Position of the first packet at or behind each steady time; NEVER if it is to come."""
        row = np.searchsorted(self.steady, steady)
        return np.where(row < len(self.steady), self.ordinal + row << PART_BITS, NEVER)

    def first_behind(self, epoch: I64) -> I64:
        """Position of the first packet of a later epoch."""
        row = np.searchsorted(self.epoch, epoch, side="right")
        return np.where(row < len(self.epoch), self.ordinal + row << PART_BITS, NEVER)


class Cache:
    """Each distinct thing decoded once: numbers for keys, messages for requests, contents."""

    def __init__(self, protocol: Protocol, cap: int, *, off: bool = False) -> None:
        self.protocol, self.cap, self.off = protocol, cap, off
        self.keys: dict[bytes, int] = {}
        self.messages: dict[int, Message | None] = {}
        self.pairs: dict[tuple[int, int, str], int] = {}
        self.contents: list[Content | None] = [None]
        self.decoded = 0
        self.next_key = 1

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return max(len(self.messages), len(self.pairs), len(self.contents)) > self.cap or (
            self.off and len(self.contents) > 1
        )

    def clear(self) -> None:
        """Forget all; numbers of keys and contents become void."""
        self.keys.clear()
        self.messages.clear()
        self.pairs.clear()
        self.contents = [None]

    def key_numbers(self, calls: Calls, split: Split, seed: int, bits: int) -> I64:
        """A number for the key of each unit, the same for the same key."""
        form = calls.side.astype(np.uint64) | calls.framing.astype(np.uint64) << np.uint64(8)
        words = [*split.key_words, form | calls.kind.astype(np.uint64) << np.uint64(16)]
        if self.off:
            numbers = np.arange(self.next_key, self.next_key + len(calls))
            self.next_key += len(calls)
            return numbers
        if (split.key_length > 0).any():
            groups = group_spans(calls.buffer, split.key_start, split.key_length, words, seed, bits)
        else:
            groups = group(words, seed, bits)
        first = groups.first
        head = np.stack([word[first] for word in words], axis=1).tobytes()
        width = 8 * len(words)
        spans = zip(split.key_start[first].tolist(), split.key_length[first].tolist(), strict=True)
        number = np.empty(len(first), np.int64)
        for at, (start, length) in enumerate(spans):
            key = head[at * width : (at + 1) * width]
            if length:
                key += calls.buffer[start : start + length].tobytes()
            known = self.keys.get(key)
            if known is None:
                known = self.keys[key] = self.next_key
                self.next_key += 1
            number[at] = known
        return number[groups.group_of_rows()]

    def decode(
        self, unit: tuple[bytes, int], side: Side, request: Message | None
    ) -> Message | None:
        """One unit, its bytes and framing, decoded; None where it contradicts the standard."""
        self.decoded += 1
        try:
            return self.protocol.decode(Reader(unit[0], framing=unit[1]), side, request)
        except WireError:
            return None

    def number(self, content: Content) -> int:
        """A number for a content."""
        self.contents.append(content)
        return len(self.contents) - 1


def settle(request: Message | None, response: Message | None, outcome: str) -> Content | None:
    """What an exchange says: the request's word for what was asked, the response's for the rest."""
    base = request or response
    if base is None:
        return None
    if response is None or request is None:
        elements = base.elements if request is not None else None
        of = Side.REQUEST
    else:
        elements = response.elements or request.elements
        of = Side.RESPONSE if response.elements else Side.REQUEST
    facts = (response.facts if response else ()) or base.facts
    said = response.outcome if response and not outcome else outcome
    note = base.note or (response.note if response else "")
    message = Message(
        base.operation, base.cls, base.object, base.device, said or "ok", elements, facts, note
    )
    return Content(message, of)


class Exchanges:
    """Ordered: the exchanges of one protocol at one source."""

    def __init__(self, cache: Cache, seed: int, bits: int = 64) -> None:
        self.cache, self.protocol = cache, cache.protocol
        self.seed, self.bits = seed, bits
        self.waiting: Calls | None = None

    def apply(
        self, parts: list[Calls], table: Any, window: Window
    ) -> tuple[Occurrences, list[tuple[I64, I64]]]:
        """Take the units of one batch; gives the exchanges that are complete.

        ``table``: of the connections; its ``requests`` and ``last_tag`` are kept up to date.
        Also gives (slot, side of the speaker: Side) of units that are malformed.
        """
        if self.cache.full:
            self.cache.clear()
        concerned, resting = self._wake(parts, window)
        parts = [*concerned, *parts]
        self.waiting = resting
        bad: list[tuple[I64, I64]] = []
        parts = [part for part in parts if len(part)]
        splits: list[Split] = []
        keys: list[I64] = []
        for at, part in enumerate(parts):
            kept, split = self._split(part, bad)
            parts[at] = kept
            splits.append(split)
            keys.append(self.cache.key_numbers(kept, split, self.seed, self.bits))
        if not sum(map(len, parts)):
            return _nothing(), bad
        work = Work(parts, splits, np.concatenate(keys))
        if self.protocol.paired:
            self._number_requests(work, table)
            found = self._pair(work, table, window)
        else:
            found = _one_way(work)
        return self._contents(work, found), bad

    def _wake(self, parts: list[Calls], window: Window) -> tuple[list[Calls], Calls | None]:
        """The waiting requests that this batch can concern, and those that it cannot."""
        waiting = self.waiting
        if waiting is None:
            return [], None
        serials: I64 = np.concatenate([np.empty(0, np.int64), *(part.serial for part in parts)])
        concerned = np.isin(waiting.serial, np.unique(serials))
        concerned |= window.first_at(waiting.steady + TIMEOUT_NS) < NEVER
        concerned |= window.first_behind(waiting.epoch) < NEVER
        if not concerned.any():
            return [], waiting
        resting = np.flatnonzero(~concerned)
        rest = waiting.packed(resting) if len(resting) else None
        return [waiting.take(np.flatnonzero(concerned))], rest

    def _split(self, part: Calls, bad: list[tuple[I64, I64]]) -> tuple[Calls, Split]:
        split = self.protocol.split(_units(part))
        if split.malformed.any():
            worse = np.flatnonzero(split.malformed & (part.slot >= 0))
            bad.append((part.slot[worse], part.side[worse].astype(np.int64)))
            part = part.take(np.flatnonzero(~split.malformed))
            split = self.protocol.split(_units(part))
        return part, split

    # ------------------------------------------------------------------ pairing

    def _number_requests(self, work: "Work", table: Any) -> None:
        """Give each new request its number within the connection."""
        new = np.flatnonzero((work.side != Side.RESPONSE) & (work.slot >= 0))
        if not len(new):
            return
        new = new[np.argsort(work.position[new], kind="stable")]
        slot = work.slot[new]
        order = np.argsort(slot, kind="stable")
        slot, new = slot[order], new[order]
        heads = np.flatnonzero(np.diff(slot, prepend=-1))
        counts = np.diff(heads, append=len(slot))
        rank = np.arange(len(slot)) - np.repeat(heads, counts)
        work.number[new] = table["requests"][slot] + 1 + rank
        work.requests = new
        table["requests"][slot[heads]] += counts

    def _pair(self, work: "Work", table: Any, window: Window) -> "Found":
        order = np.argsort(work.position, kind="stable")
        groups = group(
            [work.serial[order].astype(np.uint64), work.tag[order]], self.seed, self.bits
        )
        order = order[groups.order]
        same = np.zeros(len(order), np.bool_)
        same[1:] = True
        same[groups.start] = False
        asks = work.side[order] != Side.RESPONSE
        limit = self._limits(work, window)[order]
        position = work.position[order]
        follows = np.zeros(len(order), np.bool_)  # answered by the next in order
        follows[:-1] = asks[:-1] & ~asks[1:] & same[1:] & (position[1:] < limit[:-1])
        again = np.zeros(len(order), np.bool_)  # the tag was used again
        again[:-1] = asks[:-1] & asks[1:] & same[1:]
        limit[:-1] = np.where(again[:-1], np.minimum(limit[:-1], position[1:]), limit[:-1])
        answered = np.flatnonzero(follows)
        mute = np.flatnonzero(asks & ~follows & (limit < NEVER))
        waits = np.flatnonzero(asks & ~follows & (limit == NEVER))
        alone = np.flatnonzero(~asks & ~np.concatenate([[False], follows[:-1]]))
        none = np.full(len(mute), -1)
        epoch_limit = window.first_behind(work.epoch[order[mute]])
        found = Found(
            request=np.concatenate([order[answered], order[mute], np.full(len(alone), -1)]),
            response=np.concatenate([order[answered + 1], none, order[alone]]),
            position=np.concatenate([position[answered + 1], limit[mute], position[alone]]),
            outcome=np.concatenate(
                [
                    np.zeros(len(answered), np.int64),
                    np.where(limit[mute] == epoch_limit, GAP, UNANSWERED),
                    self._unasked(work, order[alone], table),
                ]
            ),
        )
        late = work.steady[found.response] - work.steady[found.request] > LATE_NS
        found.outcome[: len(answered)][late[: len(answered)]] = LATE
        self._remember_tags(work, table)
        self._wait(work, order[waits])
        return found

    def _limits(self, work: "Work", window: Window) -> I64:
        """Until which position each request may be answered."""
        limit = np.minimum(
            window.first_at(work.steady + TIMEOUT_NS), window.first_behind(work.epoch)
        )
        new = work.requests
        if not len(new):
            return limit
        serial = work.serial[new]
        by_serial = np.argsort(serial, kind="stable")  # stays in order of number within each
        new, serial = new[by_serial], serial[by_serial]
        heads = np.flatnonzero(np.diff(serial, prepend=-1))
        counts = np.diff(heads, append=len(serial))
        which = np.searchsorted(serial[heads], work.serial)
        which = np.minimum(which, len(heads) - 1)
        known = serial[heads][which] == work.serial
        index = work.number + self.protocol.outstanding - work.number[new[heads[which]]]
        pushed = known & (index >= 0) & (index < counts[which]) & (work.number > 0)
        newer = new[np.where(pushed, heads[which] + index, 0)]
        return np.where(pushed, np.minimum(limit, work.position[newer]), limit)

    def _unasked(self, work: "Work", rows: I64, table: Any) -> I64:
        """Whether each response that nobody waits for repeats the one before it."""
        outcome = np.full(len(rows), UNASKED)
        if not len(rows):
            return outcome
        responses = np.flatnonzero(work.side == Side.RESPONSE)
        order = responses[np.lexsort((work.position[responses], work.serial[responses]))]
        slot, tag = work.slot[order], work.tag[order]
        before, has = np.empty_like(tag), np.ones(len(tag), np.bool_)
        before[1:] = tag[:-1]
        heads = np.flatnonzero(np.diff(work.serial[order], prepend=-1))
        before[heads] = table["last_tag"][slot[heads]]
        has[heads] = table["has_tag"][slot[heads]]
        repeats = np.zeros(len(work.position), np.bool_)
        repeats[order[has & (before == tag)]] = True
        outcome[repeats[rows]] = DUPLICATE
        return outcome

    def _remember_tags(self, work: "Work", table: Any) -> None:
        responses = np.flatnonzero(work.side == Side.RESPONSE)
        responses = responses[np.argsort(work.position[responses], kind="stable")]
        slot = work.slot[responses]
        table["last_tag"][slot] = work.tag[responses]
        table["has_tag"][slot] = True

    def _wait(self, work: "Work", rows: I64) -> None:
        """Carry requests over to the next batch, as bytes of their own."""
        rows = np.sort(rows)
        packed = [] if self.waiting is None else [self.waiting]
        for part, base in zip(work.parts, work.bases, strict=True):
            mine = rows[(rows >= base) & (rows < base + len(part))]
            if len(mine):
                calls = replace(part, number=work.number[base : base + len(part)])
                packed.append(calls.packed(mine - base))
        self.waiting = _join(packed)

    # ------------------------------------------------------------------ contents

    def _contents(self, work: "Work", found: "Found") -> Occurrences:
        base = np.where(found.request >= 0, found.request, found.response)
        order = np.lexsort((work.position[base], found.position))  # some run out of time together
        request, response, base = found.request[order], found.response[order], base[order]
        content = self._number(work, request, response, found.outcome[order])
        keep = np.flatnonzero(content > 0)
        request, response, base = request[keep], response[keep], base[keep]
        both = (request >= 0) & (response >= 0)
        took = np.maximum(work.time[response] - work.time[request], 0)
        return Occurrences(
            conversation=work.conversation[base],
            content=content[keep],
            position=found.position[order][keep],
            time=work.time[base],
            ordinal=work.position[base] >> PART_BITS,
            part=work.position[base] & (1 << PART_BITS) - 1,
            epoch=work.epoch[base],
            response_ns=np.where(both, took, -1),
            values=self._values(work, content[keep], request, response),
        )

    def _number(self, work: "Work", request: I64, response: I64, outcome: I64) -> I64:
        """The content of each exchange; 0 where it contradicts the standard."""
        asked = np.where(request >= 0, work.key[request], 0)
        told = np.where(response >= 0, work.key[response], 0)
        groups = group(
            [asked.astype(np.uint64), told.astype(np.uint64), outcome.astype(np.uint64)],
            self.seed,
            self.bits,
        )
        first = groups.first
        numbers = np.empty(len(first), np.int64)
        rows = zip(
            asked[first].tolist(), told[first].tolist(), outcome[first].tolist(),
            request[first].tolist(), response[first].tolist(),
            strict=True,
        )  # fmt: skip
        pairs = self.cache.pairs
        for at, (ask, tell, how, request_row, response_row) in enumerate(rows):
            pair = (ask, tell, OUTCOMES[how])
            known = pairs.get(pair)
            if known is None:
                known = pairs[pair] = self._decode(work, pair, request_row, response_row)
            numbers[at] = known
        return numbers[groups.group_of_rows()]

    def _decode(
        self, work: "Work", pair: tuple[int, int, str], request_row: int, response_row: int
    ) -> int:
        cache, (ask, _, outcome) = self.cache, pair
        request = response = None
        if request_row >= 0:
            if ask not in cache.messages:
                cache.messages[ask] = cache.decode(work.unit(request_row), Side.REQUEST, None)
            request = cache.messages[ask]
        if response_row >= 0:
            response = cache.decode(work.unit(response_row), Side.RESPONSE, request)
            if response is None:
                outcome = "malformed"
        content = settle(request, response, outcome)
        return cache.number(content) if content else 0

    def _values(
        self, work: "Work", content: I64, request: I64, response: I64
    ) -> tuple[Values, ...]:
        """Where the values of each occurrence lie, by buffer."""
        contents = self.cache.contents
        used, which = np.unique(content, return_inverse=True)
        carries = np.array([_carrier(contents[one]) for one in used.tolist()], np.int64)[which]
        row = np.where(carries == Side.RESPONSE, response, np.where(carries == 0, request, -1))
        result = []
        for part, split, base in zip(work.parts, work.splits, work.bases, strict=True):
            mine = np.flatnonzero((row >= base) & (row < base + len(part)))
            unit = row[mine] - base
            mine, unit = mine[split.value_count[unit] > 0], unit[split.value_count[unit] > 0]
            if len(mine):
                result.append(
                    Values(
                        part.buffer,
                        mine,
                        split.value_start[unit],
                        split.value_count[unit],
                        split.value_type[unit],
                    )
                )
        return tuple(result)

    def open(self) -> Occurrences:
        """The first requests that still wait for their response; they go on waiting."""
        if self.waiting is None:
            return _nothing()
        first = np.argsort(self.waiting.position, kind="stable")[:OPEN_TOLD]
        waiting = self.waiting.take(first)
        split = self.protocol.split(_units(waiting))
        key = self.cache.key_numbers(waiting, split, self.seed, self.bits)
        work = Work([waiting], [split], key)
        rows = np.arange(len(waiting))
        none, outcome = np.full(len(rows), -1), np.full(len(rows), OPEN)
        return self._contents(work, Found(rows, none, work.position, outcome))

    # ------------------------------------------------------------------ state

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        if self.waiting is None:
            return {}
        return {f.name: getattr(self.waiting, f.name) for f in fields(Calls)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.waiting = Calls(**state) if state else None


OUTCOMES = ("", "late", "unanswered", "unknown", "unasked", "duplicate", "open")
LATE, UNANSWERED, GAP, UNASKED, DUPLICATE, OPEN = range(1, 7)


@dataclass(slots=True)
class Found:
    """Exchanges as rows of Work; -1 where there is no request or no response."""

    request: I64
    response: I64
    position: I64
    outcome: I64


class Work:
    """All units of a batch side by side."""

    def __init__(self, parts: list[Calls], splits: list[Split], key: I64) -> None:
        self.parts, self.splits, self.key = parts, splits, key
        sizes = [len(part) for part in parts]
        self.bases = [sum(sizes[:at]) for at in range(len(sizes))]
        self.tag: U64 = np.concatenate([split.tag for split in splits])
        self.side, self.serial, self.slot = (
            self._column("side"),
            self._column("serial"),
            self._column("slot"),
        )
        self.conversation, self.position = self._column("conversation"), self._column("position")
        self.time, self.steady = self._column("time"), self._column("steady")
        self.epoch, self.number = self._column("epoch"), self._column("number")
        self.requests: I64 = np.empty(0, np.int64)

    def _column(self, name: str) -> I64:
        return np.concatenate([getattr(part, name) for part in self.parts])

    def unit(self, row: int) -> tuple[bytes, int]:
        """The bytes of one unit, and its framing."""
        for part, base in zip(self.parts, self.bases, strict=True):
            if row < base + len(part):
                at = row - base
                return part.buffer[part.start[at] : part.end[at]].tobytes(), int(part.framing[at])
        raise IndexError(row)


def _units(part: Calls) -> Units:
    return Units(part.buffer, part.start, part.end, part.side, part.framing, part.kind)


def _one_way(work: Work) -> Found:
    rows = np.arange(len(work.position))
    none = np.full(len(rows), -1)
    return Found(rows, none, work.position, np.zeros(len(rows), np.int64))


def _carrier(content: Content | None) -> int:
    if content is None or content.message.elements is None:
        return -1
    return int(content.elements_of)


def _join(parts: list[Calls]) -> Calls | None:
    if not parts:
        return None
    shift = np.cumsum([0, *(len(part.buffer) for part in parts)])
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Calls)
    }
    for name in ("start", "end"):
        columns[name] = np.concatenate(
            [getattr(part, name) + by for part, by in zip(parts, shift, strict=False)]
        )
    return Calls(**columns)


def _nothing() -> Occurrences:
    empty = np.empty(0, np.int64)
    return Occurrences(empty, empty, empty, empty, empty, empty, empty, empty, ())
