"""Requests paired with their responses, in columns.

A request waits for its response until one of these comes: a response with its tag, another
request with its tag, so many newer requests as the protocol lets wait, a minute, a clock step.
Which of them it was is decided by packets alone, so batch borders leave no trace.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from otsec.columns import I64, group
from otsec.exchanges.cache import Cache, settle
from otsec.exchanges.calls import (
    NEVER,
    PART_BITS,
    Calls,
    Occurrences,
    Values,
    Window,
    join,
    nothing,
)
from otsec.exchanges.contexts import Known
from otsec.exchanges.work import (
    DUPLICATE,
    GAP,
    LATE,
    OPEN,
    OUTCOMES,
    UNANSWERED,
    UNASKED,
    Found,
    Work,
)
from otsec.protocols.api import Side, Split

TIMEOUT_NS = 60 * 10**9  # a response that takes longer is not seen as one
LATE_NS = 10 * 10**9  # a response that takes longer is late: no master waits that long
OPEN_TOLD = 10_000  # requests without response that a checkpoint tells; a flood has more


class Exchanges:
    """Ordered: the exchanges of one protocol at one source."""

    def __init__(self, cache: Cache, seed: int, bits: int = 64) -> None:
        self.cache, self.protocol = cache, cache.protocol
        self.seed, self.bits = seed, bits
        self.waiting: Calls | None = None
        contexts = cache.protocol.contexts
        self.known = None if contexts is None else Known(contexts, cache.cap)

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
        for at, part in enumerate(parts):
            parts[at], split = self._split(part, bad)
            splits.append(split)
        if not sum(map(len, parts)):
            return nothing(), bad
        if self.known is not None:
            parts = self.known.apply(parts, table)
        work = self._work(parts, splits)
        if self.protocol.paired:
            self._number_requests(work, table)
            found = self._pair(work, table, window)
        else:
            found = _one_way(work, np.arange(len(work.position)))
        return self._contents(work, found), bad

    def _work(self, parts: list[Calls], splits: list[Split]) -> Work:
        keys = [
            self.cache.key_numbers(part, split, self.seed, self.bits)
            for part, split in zip(parts, splits, strict=True)
        ]
        contexts = [""] if self.known is None else self.known.meanings
        work = Work(parts, splits, np.concatenate(keys), contexts)
        if self.protocol.items is not None:
            items = [self.protocol.items(part.units()) for part in parts]
            numbers = [
                self.cache.item_numbers(
                    part.buffer, work.key[base + one.owner], one, self.seed, self.bits
                )
                for part, one, base in zip(parts, items, work.bases, strict=True)
            ]
            work.add_items(items, numbers)
        return work

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
        split = self.protocol.split(part.units())
        if split.malformed.any():
            worse = np.flatnonzero(split.malformed & (part.slot >= 0))
            bad.append((part.slot[worse], part.side[worse].astype(np.int64)))
            part = part.take(np.flatnonzero(~split.malformed))
            split = self.protocol.split(part.units())
        return part, split

    # ------------------------------------------------------------------ pairing

    def _number_requests(self, work: Work, table: Any) -> None:
        """Give each new request its number within the connection."""
        asks = (work.side != Side.RESPONSE) & (work.slot >= 0)
        if work.alone is not None:
            asks &= ~work.alone
        new = np.flatnonzero(asks)
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

    def _pair(self, work: Work, table: Any, window: Window) -> Found:
        order = np.argsort(work.position, kind="stable")
        if work.alone is not None:
            order = order[~work.alone[order]]
        groups = group(
            [work.serial[order].astype(np.uint64), work.tag[order]], self.seed, self.bits
        )
        order = order[groups.order]
        same = np.zeros(len(order), np.bool_)
        same[1:] = True
        same[groups.start] = False
        asks = work.side[order] != Side.RESPONSE
        limit = np.full(len(order), NEVER)
        limit[asks] = self._limits(work, order[asks], window)
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
        none, nobody = np.full(len(mute), -1), np.full(len(alone), -1)
        took = np.maximum(work.time[order[answered + 1]] - work.time[order[answered]], 0)
        epoch_limit = window.first_behind(work.epoch[order[mute]])
        found = Found(
            request=np.concatenate([order[answered], order[mute], nobody]),
            response=np.concatenate([order[answered + 1], none, order[alone]]),
            position=np.concatenate([position[answered + 1], limit[mute], position[alone]]),
            outcome=np.concatenate(
                [
                    np.zeros(len(answered), np.int64),
                    np.where(limit[mute] == epoch_limit, GAP, UNANSWERED),
                    self._unasked(work, order[alone], table),
                ]
            ),
            took=np.concatenate([took, none, nobody]),
        )
        both = slice(len(answered))
        late = work.steady[found.response[both]] - work.steady[found.request[both]] > LATE_NS
        found.outcome[both][late] = LATE
        self._remember_tags(work, table)
        self._wait(work, order[waits])
        if work.alone is not None:
            found = found.join(_one_way(work, np.flatnonzero(work.alone)))
        return found

    def _limits(self, work: Work, rows: I64, window: Window) -> I64:
        """Until which position each of some requests may be answered."""
        limit = np.minimum(
            window.first_at(work.steady[rows] + TIMEOUT_NS), window.first_behind(work.epoch[rows])
        )
        new = work.requests
        if not len(new):
            return limit
        serial = work.serial[new]
        by_serial = np.argsort(serial, kind="stable")  # stays in order of number within each
        new, serial = new[by_serial], serial[by_serial]
        heads = np.flatnonzero(np.diff(serial, prepend=-1))
        counts = np.diff(heads, append=len(serial))
        which = np.searchsorted(serial[heads], work.serial[rows])
        which = np.minimum(which, len(heads) - 1)
        known = serial[heads][which] == work.serial[rows]
        number = work.number[rows]
        index = number + self.protocol.outstanding - work.number[new[heads[which]]]
        pushed = np.flatnonzero(known & (index >= 0) & (index < counts[which]) & (number > 0))
        newer = new[heads[which[pushed]] + index[pushed]]
        limit[pushed] = np.minimum(limit[pushed], work.position[newer])
        return limit

    def _unasked(self, work: Work, rows: I64, table: Any) -> I64:
        """Whether each response that nobody waits for repeats the one before it."""
        outcome = np.full(len(rows), UNASKED)
        if not len(rows):
            return outcome
        responses = work.responses()
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

    def _remember_tags(self, work: Work, table: Any) -> None:
        responses = work.responses()
        responses = responses[np.argsort(work.position[responses], kind="stable")]
        slot = work.slot[responses]
        table["last_tag"][slot] = work.tag[responses]
        table["has_tag"][slot] = True

    def _wait(self, work: Work, rows: I64) -> None:
        """Carry requests over to the next batch, as bytes of their own."""
        rows = np.sort(rows)
        packed = [] if self.waiting is None else [self.waiting]
        for part, base in zip(work.parts, work.bases, strict=True):
            mine = rows[(rows >= base) & (rows < base + len(part))]
            if len(mine):
                calls = replace(part, number=work.number[base : base + len(part)])
                packed.append(calls.packed(mine - base))
        self.waiting = join(packed)

    # ------------------------------------------------------------------ contents

    def _contents(self, work: Work, found: Found) -> Occurrences:
        base = np.where(found.request >= 0, found.request, found.response)
        order = np.lexsort((work.position[base], found.position))  # some run out of time together
        found, base = found.take(order), base[order]
        if work.items:
            found, which = work.itemize(found)
            base = base[which]
        request, response = found.request, found.response
        content = self._number(work, request, response, found.outcome)
        keep = np.flatnonzero(content > 0)
        request, response, base = request[keep], response[keep], base[keep]
        return Occurrences(
            conversation=work.conversation[base],
            content=content[keep],
            position=found.position[keep],
            time=work.time[base],
            ordinal=work.position[base] >> PART_BITS,
            part=work.position[base] & (1 << PART_BITS) - 1,
            epoch=work.epoch[base],
            response_ns=found.took[keep],
            tells=np.array(self.cache.tells)[content[keep]],
            values=self._values(work, content[keep], request, response),
        )

    def _number(self, work: Work, request: I64, response: I64, outcome: I64) -> I64:
        """The content of each exchange; 0 where it contradicts the standard."""
        asked = np.where(request >= 0, work.key[request], 0)
        told = np.where(response >= 0, work.key[response], 0)
        groups = group(
            [asked.astype(np.uint64), told.astype(np.uint64), outcome.astype(np.uint64)],
            self.seed,
            self.bits,
        )
        first = groups.first
        said = zip(
            asked[first].tolist(), told[first].tolist(), outcome[first].tolist(), strict=True
        )
        pairs = list(said)
        numbers = list(map(self.cache.pairs.get, pairs))
        for at, pair in enumerate(pairs):
            if numbers[at] is None:
                row = first[at]
                content = self._decode(work, pair, int(request[row]), int(response[row]))
                numbers[at] = self.cache.pairs[pair] = content
        return np.array(numbers, np.int64)[groups.group_of_rows()]

    def _decode(
        self, work: Work, pair: tuple[int, int, int], request_row: int, response_row: int
    ) -> int:
        cache, (ask, _, how) = self.cache, pair
        outcome = OUTCOMES[how]
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

    def _values(self, work: Work, content: I64, request: I64, response: I64) -> tuple[Values, ...]:
        """Where the values of each occurrence lie, by buffer."""
        carries = np.array(self.cache.carriers)[content]
        row = np.where(carries == Side.RESPONSE, response, np.where(carries == 0, request, -1))
        return work.values(row)

    def open(self) -> Occurrences:
        """The first requests that still wait for their response; they go on waiting."""
        if self.waiting is None:
            return nothing()
        first = np.argsort(self.waiting.position, kind="stable")[:OPEN_TOLD]
        waiting = self.waiting.take(first)
        work = self._work([waiting], [self.protocol.split(waiting.units())])
        rows = np.arange(len(waiting))
        none, outcome = np.full(len(rows), -1), np.full(len(rows), OPEN)
        return self._contents(work, Found(rows, none, work.position, outcome, none))

    # ------------------------------------------------------------------ state

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        waiting = {}
        if self.waiting is not None:
            waiting = {f.name: getattr(self.waiting, f.name) for f in fields(Calls)}
        known = {} if self.known is None else self.known.dump()
        return {"waiting": waiting, "contexts": known}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave; an empty state is a beginning."""
        waiting = state.get("waiting")
        self.waiting = Calls(**waiting) if waiting else None
        if self.known is not None and state.get("contexts"):
            self.known.load(state["contexts"])


def _one_way(work: Work, rows: I64) -> Found:
    """Units that stand alone: by their side as requests or responses without the other."""
    told = work.side[rows] == Side.RESPONSE
    none = np.full(len(rows), -1)
    return Found(
        request=np.where(told, none, rows),
        response=np.where(told, rows, none),
        position=work.position[rows],
        outcome=np.zeros(len(rows), np.int64),
        took=none,
    )
