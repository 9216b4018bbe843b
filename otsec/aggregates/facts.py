"""What messages say of devices, rivals side by side."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from otsec.aggregates.counters import Refusals, Row, drawn
from otsec.aggregates.span import stretch, unseen
from otsec.columns import FEW, I64, group, ranges, with_room
from otsec.exchanges.cache import Content
from otsec.exchanges.calls import PART_BITS, Occurrences

FACT = np.dtype([("count", "<i8"), ("first", "<i8", (2,)), ("last", "<i8", (2,)), ("changed", "?")])
Key = tuple[int, str, str, str, str, str]
# conversation, device, attribute, value, protocol, about
Told = tuple[str, Sequence[Content | None], Occurrences]  # protocol, its contents, its exchanges
Said = tuple[tuple[int, ...], tuple[int, ...]]  # facts that a request says, and its response


class Facts:
    """Ordered: the facts of one source."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.index: dict[Key, int] = {}
        self.keys: list[Key] = []
        self.table = unseen(FEW, FACT)
        self.said: dict[str, dict[int, Said]] = {}  # by protocol, of conversation and content
        self.refused = Refusals()

    def add(self, told: Told, rows: I64) -> None:
        """Take what some exchanges of one batch say, in order."""
        protocol, _, found = told
        if not len(rows):
            return
        names, first, which, count = np.unique(
            found.pairs()[rows], return_index=True, return_inverse=True, return_counts=True
        )
        known = self.said.setdefault(protocol, {})
        said = list(map(known.get, names.tolist()))
        new = [at for at, one in enumerate(said) if one is None]
        for at in sorted(new, key=first.tolist().__getitem__):  # who comes first is kept
            said[at] = self.meet(told, int(rows[first[at]]), int(names[at]))
        for answers in (False, True):
            numbers = [one[answers] if one else () for one in said]
            sizes = np.fromiter(map(len, numbers), np.int64, len(numbers))
            number = np.fromiter(chain.from_iterable(numbers), np.int64, int(sizes.sum()))
            if len(number):
                begin, end = _spans(found, rows, which, count, told=answers)
                lot = np.repeat(np.arange(len(names)), sizes)
                often = _messages(found, rows, which, sizes, number)
                self._note(number, count[lot] if often is None else often, begin[lot], end[lot])

    def has_room(self, told: Sequence[Told]) -> bool:
        """Whether all that the exchanges of a batch may say can be kept."""
        room = self.cap - len(self.keys)
        for protocol, contents, found in told:
            rows = np.flatnonzero(found.tells)
            names, first = np.unique(found.pairs()[rows], return_index=True)
            known = self.said.get(protocol, {})
            for name, row in zip(names.tolist(), rows[first].tolist(), strict=True):
                if name not in known and (content := contents[int(found.content[row])]) is not None:
                    room -= len(content.message.facts)
        return room >= 0

    def meet(self, told: Told, row: int, name: int) -> Said:
        """What a conversation and content, by their ``name``, say that come in a row."""
        protocol, contents, found = told
        known = self.said.setdefault(protocol, {})
        if name not in known:
            content, conversation = contents[int(found.content[row])], int(found.conversation[row])
            known[name] = self._enter(protocol, conversation, content)
        return known[name]

    def forget_contents(self, protocol: str) -> None:
        """Numbers of contents became void."""
        self.said.pop(protocol, None)

    def _enter(self, protocol: str, conversation: int, content: Content | None) -> Said:
        """The numbers of what a content says, -1 where there is no room."""
        said: tuple[list[int], list[int]] = [], []
        if content is None:
            return (), ()
        for place, fact in enumerate(content.message.facts):
            device = content.message.device if fact.about == "server" else ""
            key = conversation, device, fact.attribute, fact.value, protocol, fact.about
            number = self.index.get(key, -1)
            if number < 0 and len(self.keys) < self.cap:
                number = self._add(key)
            said[place >= content.asked].append(number)
        return tuple(said[0]), tuple(said[1])  # as lists they take twice the room

    def _add(self, key: Key) -> int:
        number = self.index[key] = len(self.keys)
        self.keys.append(key)
        self.table = with_room(self.table, number + 1, unseen)
        return number

    def _note(self, number: I64, count: I64, first: I64, last: I64) -> None:
        over = number < 0
        if over.any():
            self.refused.note_spans(count[over], first[over], last[over])
            number, count, first, last = (one[~over] for one in (number, count, first, last))
        np.add.at(self.table["count"], number, count)
        stretch(self.table, number, first, last)
        self.table["changed"][number] = True

    def take_rows(self, source: int) -> Iterator[Row]:
        """Rows that changed since the last call: source, key, count, first and last packet."""
        changed = np.flatnonzero(self.table["changed"])
        self.table["changed"] = False
        return drawn(partial(self._rows, source), changed)

    def _rows(self, source: int, changed: I64) -> list[Row]:
        stats = self.table[changed]
        seen = zip(
            *(stats[name].tolist() for name in ("count", "first", "last")), changed.tolist(),
            strict=True,
        )  # fmt: skip
        return [
            (source, *self.keys[number], count, *first, *last)
            for count, first, last, number in seen
        ]

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take back what the store holds."""
        for _, *key, count, first_time, first, last_time, last in rows:
            number = self._add(tuple(key))
            seen = (first_time, first), (last_time, last)
            self.table[["count", "first", "last"]][number] = (count, *seen)


def _messages(found: Occurrences, rows: I64, which: I64, sizes: I64, number: I64) -> I64 | None:
    """In how many messages each fact is said; None where no message was cut into items.

    Each item of a message says again what the whole of it says, as the indications of DNP3.
    ``which``: the lot of each of ``rows``; ``sizes``: how many facts each lot says, ``number``.
    """
    asked = found.ordinal[rows] << PART_BITS | found.part[rows]  # the unit that was cut
    where = np.stack([asked, found.position[rows]])
    if not (where[1, 1:] == where[1, :-1]).any():  # items of a message are complete together
        return None
    said = sizes[which]
    place = ranges((np.cumsum(sizes) - sizes)[which], said)
    fact = np.where(number < 0, -1 - np.arange(len(number)), number)[place]
    told = [column.view(np.uint64) for column in (fact, *np.repeat(where, said, axis=1))]
    return np.bincount(place[group(told, 0).first], minlength=len(number))


def _spans(found: Occurrences, rows: I64, which: I64, count: I64, *, told: bool) -> tuple[I64, I64]:
    """First and last packet of each lot of exchanges, as (time, ordinal) rows.

    ``which``: the lot of each of ``rows``; ``told``: of the responses, where there are any; else
    of the requests.
    """
    time, ordinal = found.time[rows], found.ordinal[rows]
    if told:
        answered = found.response_ns[rows] >= 0
        time = time + np.where(answered, found.response_ns[rows], 0)
        ordinal = np.where(answered, found.position[rows] >> PART_BITS, ordinal)
    order = np.lexsort((ordinal, which))
    end = np.cumsum(count)
    seen = np.stack([time, ordinal], axis=1)
    return seen[order[end - count]], seen[order[end - 1]]
