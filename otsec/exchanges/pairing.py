"""Requests paired with their responses, in columns.

A request waits for its response until one of these comes: a response with its tag, another
request with its tag, so many newer requests as the protocol lets wait, a minute, a clock step.
Which of them it was is decided by packets alone, so batch borders leave no trace.
"""

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from otsec.columns import I64, U64, group
from otsec.exchanges.aloud import Aloud
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
from otsec.exchanges.left import SIDES, Left, told
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
from otsec.protocols.api import Message, Side, Split

TIMEOUT_NS = 60 * 10**9  # a response that takes longer is not seen as one
LATE_NS = 10 * 10**9  # a response that takes longer is late: no master waits that long
OPEN_TOLD = 10_000  # requests without response that a checkpoint tells; a flood has more


class Taken(NamedTuple):
    """What comes of the units of one batch; it holds on to the bytes of the batch."""

    found: Occurrences  # exchanges that are complete
    bad: list[tuple[I64, I64]]  # (slot, side of the speaker: Side) of units that are malformed
    cut: list[tuple[Calls, Split]]  # the well-formed units
    work: Work | None = None  # the same with their keys; None: there are none


class Exchanges:
    """Ordered: the exchanges of one protocol at one source."""

    def __init__(self, cache: Cache, seed: int, bits: int = 64) -> None:
        self.cache, self.protocol = cache, cache.protocol
        self.seed, self.bits = seed, bits
        self.waiting: Calls | None = None
        self.aloud = Aloud()
        contexts = cache.protocol.contexts
        self.known = None if contexts is None else Known(contexts, cache.cap)

    def apply(self, parts: list[Calls], table: Any, window: Window) -> Taken:
        """Take the units of one batch.

        ``table``: of the connections; its ``requests`` and ``last_tag`` are kept up to date.
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
        cut = list(zip(parts, splits, strict=True))
        if not sum(map(len, parts)):
            return Taken(nothing(), bad, cut)
        if self.known is not None:
            parts = self.known.apply(parts, table)
        work = self._work(parts, splits)
        if self.protocol.paired:
            asked = self.aloud.mark(work)
            self._number_requests(work, table)
            found = self._pair(work, table, window)
            self.aloud.settle(work, asked, found, table)
        else:
            found = _one_way(work, np.arange(len(work.position)))
        return Taken(self._contents(work, found), bad, cut, work)

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
        if not asks.any():
            return
        new = work.order[asks[work.order]]
        new = new[np.argsort(work.slot[new], kind="stable")]
        slot = work.slot[new]
        heads = np.flatnonzero(np.diff(slot, prepend=-1))
        counts = np.diff(heads, append=len(slot))
        rank = np.arange(len(slot)) - np.repeat(heads, counts)
        work.number[new] = table["requests"][slot] + 1 + rank
        table["requests"][slot[heads]] += counts
        self._push(work, new)
        self._push_carried(work, new[heads], counts, new)

    def _push(self, work: Work, new: I64) -> None:
        """Note which request is one too many for each; ``new``: by connection, in order."""
        beyond = self.protocol.outstanding
        newer, older = new[beyond:], new[: max(len(new) - beyond, 0)]
        mine = work.slot[newer] == work.slot[older]
        work.pushed[older[mine]] = work.position[newer[mine]]

    def _push_carried(self, work: Work, head: I64, counts: I64, new: I64) -> None:
        """The same for requests of earlier batches; ``head``: the first new of each connection."""
        carried = np.flatnonzero((work.slot < 0) & (work.number > 0))
        if not len(carried):
            return
        by_serial = np.argsort(work.serial[head])
        serial = work.serial[head[by_serial]]
        which = np.minimum(np.searchsorted(serial, work.serial[carried]), len(serial) - 1)
        known = serial[which] == work.serial[carried]
        which = by_serial[which]
        rank = work.number[carried] + self.protocol.outstanding - work.number[head[which]]
        pushed = np.flatnonzero(known & (rank >= 0) & (rank < counts[which]))
        newer = new[(np.cumsum(counts) - counts)[which[pushed]] + rank[pushed]]
        work.pushed[carried[pushed]] = work.position[newer]

    def _pair(self, work: Work, table: Any, window: Window) -> Found:
        order = work.order
        if work.alone is not None:
            order = order[~work.alone[order]]
        groups = group(
            [work.serial[order].astype(np.uint64), work.tag[order]], self.seed, self.bits
        )
        order = order[groups.order]
        asks = work.side[order] != Side.RESPONSE
        position, pushed = work.position[order], work.pushed[order]
        steady, epoch = work.steady[order], work.epoch[order]
        of_tag = np.ones(len(order), np.bool_)  # whether the one before has the same tag
        of_tag[groups.start] = False
        of_tag = of_tag[1:]
        in_time = (epoch[1:] == epoch[:-1]) & (steady[1:] - steady[:-1] < TIMEOUT_NS)
        in_time &= position[1:] < pushed[:-1]
        follows = np.zeros(len(order), np.bool_)  # answered by the next in order
        follows[:-1] = asks[:-1] & ~asks[1:] & of_tag & in_time
        limit = pushed  # until when it may be answered; looked at only where it was not
        again = np.flatnonzero(asks[:-1] & asks[1:] & of_tag)  # the tag was used again
        limit[again] = np.minimum(limit[again], position[again + 1])
        open_ = np.flatnonzero(asks & ~follows)
        epoch_limit = window.first_behind(epoch[open_])
        limit[open_] = np.minimum.reduce(
            [limit[open_], window.first_at(steady[open_] + TIMEOUT_NS), epoch_limit]
        )
        answered = np.flatnonzero(follows)
        over = limit[open_] < NEVER
        mute, waits = open_[over], open_[~over]
        alone = np.flatnonzero(~asks & ~np.concatenate([[False], follows[:-1]]))
        none, nobody = np.full(len(mute), -1), np.full(len(alone), -1)
        took = np.maximum(work.time[order[answered + 1]] - work.time[order[answered]], 0)
        found = Found(
            request=np.concatenate([order[answered], order[mute], nobody]),
            response=np.concatenate([order[answered + 1], none, order[alone]]),
            position=np.concatenate([position[answered + 1], limit[mute], position[alone]]),
            outcome=np.concatenate(
                [
                    np.zeros(len(answered), np.int64),
                    np.where(limit[mute] == epoch_limit[over], GAP, UNANSWERED),
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

    def _unasked(self, work: Work, rows: I64, table: Any) -> I64:
        """Whether each response that nobody waits for repeats the one before it."""
        outcome = np.full(len(rows), UNASKED)
        if not len(rows):
            return outcome
        responses = work.order[work.responds()[work.order]]
        order = responses[np.argsort(work.serial[responses], kind="stable")]
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
        responses = work.order[work.responds()[work.order]]
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
            single=work.single[base],
            epoch=work.epoch[base],
            response_ns=found.took[keep],
            tells=np.frombuffer(self.cache.tells, np.bool_)[content[keep]],
            values=self._values(work, content[keep], request, response),
            left=self._left(work, content[keep], (request, response)),
        )

    def _number(self, work: Work, request: I64, response: I64, outcome: I64) -> I64:
        """The content of each exchange; 0 where it contradicts the standard."""
        asked = np.where(request >= 0, work.key[request], 0).astype(np.uint64)
        told = np.where(response >= 0, work.key[response], 0).astype(np.uint64)
        words = [asked, told, outcome.astype(np.uint64)]

        def decode(rows: I64) -> I64:
            some = [word[rows] for word in words]
            return self._decoded(work, some, request[rows], response[rows])

        return self.cache.recent_pairs.numbers(words, self.seed, decode)

    def _decoded(self, work: Work, words: list[U64], request: I64, response: I64) -> I64:
        groups = group(words, self.seed, self.bits)
        first = groups.first
        pairs = list(zip(*(word[first].tolist() for word in words), strict=True))
        numbers = list(map(self.cache.pairs.get, pairs))
        for at in np.argsort(first).tolist():  # as they came: items of one unit come together
            if numbers[at] is None:
                row, pair = first[at], pairs[at]
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
            request = self.asked(work, request_row)
        answered = None
        if response_row >= 0:
            unit = work.unit(response_row)
            response = cache.decode(unit, Side.RESPONSE, request)
            answered = told(unit, response)
            if response is None:
                outcome = "malformed"
        content = settle(request, response, outcome)
        asked = cache.told.get(ask) if request_row >= 0 else None
        return cache.number(content, asked, answered) if content else 0

    def asked(self, work: Work, row: int) -> Message | None:
        """What a request or an item of one says; None where it contradicts the standard."""
        cache, key = self.cache, int(work.key[row])
        if key not in cache.messages:
            unit = work.unit(row)
            cache.messages[key] = cache.decode(unit, Side.REQUEST, None)
            if (one := told(unit, cache.messages[key])) is not None:
                cache.told[key] = one
        return cache.messages[key]

    def reported(self, work: Work, row: int) -> Message | None:
        """What a unit says that nobody asked for."""
        number = self.cache.pairs.get((0, int(work.key[row]), 0), 0)
        if number and (content := self.cache.contents[number]) is not None:
            return content.message
        return self.cache.decode(work.unit(row), Side.RESPONSE, None)

    def _left(self, work: Work, content: I64, rows: tuple[I64, I64]) -> tuple[Left, ...]:
        """What the units of each occurrence leave untold; ``rows``: of requests, responses."""
        leavings = self.cache.leavings
        if not leavings.any:
            return ()
        some = []
        for side, row in zip(SIDES, rows, strict=True):
            at = leavings.rows(side, content, row)
            if len(at):
                some.append(leavings.left(side, content, at, work.sizes(row[at])))
        return tuple(some)

    def _values(self, work: Work, content: I64, request: I64, response: I64) -> tuple[Values, ...]:
        """Where the values of each occurrence lie, by buffer."""
        carries = np.frombuffer(self.cache.carriers, np.int8)[content]
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
            kept = self._scrubbed(self.waiting)
            waiting = {f.name: getattr(kept, f.name) for f in fields(Calls)}
        known = {} if self.known is None else self.known.dump()
        return {"waiting": waiting, "contexts": known, "aloud": self.aloud.dump()}

    def _scrubbed(self, waiting: Calls) -> Calls:
        """The same requests without the secrets in them, saying the same."""
        scrub = self.protocol.scrub
        if scrub is None:
            return waiting
        meanings = [""] if self.known is None else self.known.meanings
        buffer = waiting.buffer.copy()
        for at in range(len(waiting)):
            unit = self.cache.alike(scrub, waiting.unit(at, meanings))
            buffer[waiting.start[at] : waiting.end[at]] = np.frombuffer(unit, np.uint8)
        other = replace(waiting, buffer=buffer)
        one, two = (self.protocol.split(calls.units()) for calls in (waiting, other))
        for at in np.flatnonzero((one.malformed != two.malformed) | (one.tag != two.tag)).tolist():
            span = slice(int(waiting.start[at]), int(waiting.end[at]))
            buffer[span] = waiting.buffer[span]
        return other

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave; an empty state is a beginning."""
        waiting = state.get("waiting")
        self.waiting = Calls(**waiting) if waiting else None
        self.aloud.load(state.get("aloud", []))
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
