"""Each distinct thing decoded once: numbers for keys, messages, and what exchanges say."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, group, group_spans
from otsec.errors import WireError
from otsec.exchanges.calls import Calls
from otsec.exchanges.left import Leavings, Told
from otsec.exchanges.recent import Recent
from otsec.exchanges.work import OUTCOMES, UNASKED
from otsec.protocols.api import Items, Message, Protocol, Reader, Side, Split

OF_ITEM = np.uint64(1 << 32)  # tells the keys of items from those of units
NOBODY = -1
FINE = frozenset({"", "ok"})  # outcomes
NAMELESS = frozenset({"", "unknown"})  # objects: the request, which was not heard, names them
KEY_BYTES = 256  # of a key on average, for which the cap on cached messages has room


@dataclass(frozen=True, slots=True)
class Content:
    """What an exchange says, whoever exchanged it and when."""

    message: Message
    elements_of: Side  # which unit carries the values
    asked: int  # how many of the facts, the first ones, the request says


class Cache:
    """Each distinct thing decoded once: numbers for keys, messages for requests, contents."""

    def __init__(self, protocol: Protocol, cap: int, *, off: bool = False) -> None:
        self.protocol, self.cap, self.off = protocol, cap, off
        self.keys: dict[bytes, int] = {}
        self.messages: dict[int, Message | None] = {}
        self.pairs: dict[tuple[int, int, int], int] = {}
        self.contents: list[Content | None] = [None]
        self.carriers = array("b", [NOBODY])  # of each content, whose unit carries values: Side
        self.tells = array("b", [False])  # of each content, whether it says a fact
        self.leavings = Leavings()
        self.told: dict[int, Told] = {}  # of messages, those that do not tell all of their unit
        self.recent: dict[int, Recent] = {}  # of keys, by how many words they have
        self.recent_pairs = Recent(3)
        self.key_bytes = 0
        self.decoded = 0
        self.next_key = 1

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        entries = max(len(self.keys), len(self.messages), len(self.pairs), len(self.contents))
        too_many = entries > self.cap or self.key_bytes > self.cap * KEY_BYTES
        return too_many or (self.off and len(self.contents) > 1)

    def clear(self) -> None:
        """Forget all; numbers of keys and contents become void."""
        self.keys.clear()
        self.recent.clear()
        self.recent_pairs.clear()
        self.key_bytes = 0
        self.messages.clear()
        self.told.clear()
        self.leavings.clear()
        self.pairs.clear()
        self.contents = [None]
        del self.carriers[1:], self.tells[1:]

    def key_numbers(self, calls: Calls, split: Split, seed: int, bits: int) -> I64:
        """A number for the key of each unit, the same for the same key."""
        form = calls.side.astype(np.uint64) | calls.framing.astype(np.uint64) << np.uint64(8)
        words = [*split.key_words, form | calls.kind.astype(np.uint64) << np.uint64(16)]
        if self.protocol.contexts is not None:
            words.append(calls.context.astype(np.uint64))
        return self._numbers(calls.buffer, words, split, seed, bits)

    def item_numbers(self, buffer: Bytes, unit: I64, items: Items, seed: int, bits: int) -> I64:
        """A number for the key of each item. ``unit``: the number of each one's unit."""
        words = [*items.split.key_words, unit.astype(np.uint64), np.full(len(unit), OF_ITEM)]
        return self._numbers(buffer, words, items.split, seed, bits)

    def _numbers(self, buffer: Bytes, words: list[U64], split: Split, seed: int, bits: int) -> I64:
        if self.off:
            numbers = np.arange(self.next_key, self.next_key + len(words[0]))
            self.next_key += len(numbers)
            return numbers
        start, length = split.key_start, split.key_length

        def name(rows: I64) -> I64:
            some = [word[rows] for word in words]
            return self._named(buffer, some, start[rows], length[rows], seed, bits)

        if (length > 0).any():
            return name(np.arange(len(length)))
        recent = self.recent.setdefault(len(words), Recent(len(words), bits))
        return recent.numbers(words, seed, name)

    def _named(
        self, buffer: Bytes, words: list[U64], start: I64, length: I64, seed: int, bits: int
    ) -> I64:
        """The numbers of keys, by their bytes; those without one get the next."""
        if (length > 0).any():
            groups = group_spans(buffer, start, length, words, seed, bits)
        else:
            groups = group(words, seed, bits)
        first = groups.first
        names = np.stack([word[first] for word in words], axis=1).view(f"V{8 * len(words)}")
        keys: list[bytes] = names.ravel().tolist()
        for at in np.flatnonzero(length[first]).tolist():
            begin = int(start[first[at]])
            keys[at] += buffer[begin : begin + int(length[first[at]])].tobytes()
        known = list(map(self.keys.get, keys))
        for at, key in enumerate(keys):
            if known[at] is None:
                known[at] = self.keys[key] = self.next_key
                self.next_key += 1
                self.key_bytes += len(key)
        number = np.array(known, np.int64)
        return number[groups.group_of_rows()]

    def decode(self, unit: Reader, side: Side, request: Message | None) -> Message | None:
        """One unit or item, decoded; None where it contradicts the standard."""
        self.decoded += 1
        try:
            return self.protocol.decode(unit, side, request)
        except WireError:
            return None

    def alike(self, scrub: Callable[[Reader], bytes], unit: Reader) -> bytes:
        """A request without its secrets; as it is where it would not say the same without them."""
        data = unit.data

        def says(data: bytes) -> Message:
            again = Reader(data, framing=unit.framing, context=unit.context)
            return self.protocol.decode(again, Side.REQUEST, None)

        try:
            other = scrub(unit)
            if other == data or len(other) != len(data):  # bytes that are left untold are counted
                return data
            mine, was = says(other), says(data)
        except (WireError, ValueError, IndexError, OverflowError):
            return data
        return other if (mine, mine.left) == (was, was.left) else data

    def number(self, content: Content, asked: Told | None, answered: Told | None) -> int:
        """A number for a content; of units that are not told to their end, how far they are."""
        self.contents.append(content)
        self.leavings.add(asked, answered)
        self.carriers.append(
            NOBODY if content.message.elements is None else int(content.elements_of)
        )
        self.tells.append(bool(content.message.facts))
        return len(self.contents) - 1


def settle(request: Message | None, response: Message | None, outcome: str) -> Content | None:
    """What an exchange says: the request's word for what was asked, the response's for the rest."""
    base = request or response
    if base is None:
        return None
    told = response is not None and (response.elements is not None or request is None)
    elements = response.elements if response is not None and told else base.elements
    of = Side.RESPONSE if told else Side.REQUEST
    facts = (request.facts if request else ()) + (response.facts if response else ())
    said = outcome or (response or base).outcome
    if outcome == OUTCOMES[UNASKED] and base.outcome not in FINE and base.object not in NAMELESS:
        said = f"{base.outcome}, {outcome}"  # it names what it is about: it tells how that is, too
    note = base.note or (response.note if response else "")
    message = Message(
        base.operation, base.cls, base.object, base.device, said or "ok", elements, facts, note
    )
    return Content(message, of, len(request.facts) if request else 0)
