"""The order of messages as it is learned: the steps of each stream, and the cycle they make.

A step is a message with the two before it. Where each two have one message that nearly always
follows, the stream goes round in a cycle, and the model is a machine that knows the next message.
Else it is driven by events: then a step is as likely as it was often, smoothed by half a sight for
each that was seen and one that was not, and what a stream does in an hour costs so many bits a
message.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np

from otsec.baseline.model import Key, Scope, Sight, Thing
from otsec.baseline.spread import Reals, Spreads, centre
from otsec.baseline.timing import LEARNED_DAYS, Canonical
from otsec.columns import I64
from otsec.nanoseconds import HOUR_NS
from otsec.store import Store
from otsec.store.orders import StepRow
from otsec.store.queries import is_device
from otsec.store.timing import newest_hour, rhythms

BEGIN = "(begin)"  # of a connection, in the place of a message
OTHER = 255  # rank that all further steps of a stream share
NEARLY = 0.9  # of the times one message follows two, to be the next one of a cycle
CYCLE = 0.8  # of all messages are such, to be a cycle
LONGEST_CYCLE = 64  # messages
LEAST_HOURS, LEAST_MESSAGES = 12, 100  # that a stream was heard, to have a model
LEAST_SPREAD = 0.05  # bits: hours differ by as much
DAY_HOURS = 24

Context = tuple[str, str]  # the last two messages
ScopeOf = Callable[[tuple[str, str, str], str, str], Scope]
Name = tuple[int, str, str, str, str, str, str, str]  # a stream as a source saw it


@dataclass(frozen=True)
class Stream:
    """The messages of one sort between a client and a device, as one source saw them."""

    key: Key  # of kind `order`
    source: int
    point: str
    client: str  # as seen
    server: str
    steps: Sequence[StepRow]
    hour: I64
    spreads: Spreads  # one an hour; a bucket is the rank of a step

    def counts(self, rows: I64) -> I64:
        """How often each step was made in some of the hours, by rank."""
        mine = np.isin(self.spreads.owner, rows)
        return np.bincount(self.spreads.bucket[mine], self.spreads.count[mine], OTHER + 1).astype(
            np.int64
        )


def streams(
    store: Store, canonical: Canonical, since: int, made: Sequence[StepRow]
) -> list[Stream]:
    """All streams with what they did from an hour on; ``made``: all steps."""
    hours: dict[Name, dict[int, bytes]] = defaultdict(dict)
    for one in rhythms(store, since, orders=True):
        sort = one.kind.removeprefix("order_")
        name = (*one[:7], sort)
        hours[name][one.hour] = one.buckets
    found: dict[Name, list[StepRow]] = defaultdict(list)
    for row in made:
        if is_device(row.client):
            found[_name(row)].append(row)
    return [_stream(some, hours[name], canonical) for name, some in found.items() if name in hours]


def _name(row: StepRow) -> Name:
    return (row.source, *row[4:11])


def _stream(some: Sequence[StepRow], hours: Mapping[int, bytes], canonical: Canonical) -> Stream:
    first, ordered = some[0], sorted(hours)
    return Stream(
        stream_of(first, canonical),
        *(first.source, first.point, first.client, first.server, some, np.array(ordered)),
        Spreads.of([hours[hour] for hour in ordered]),
    )


def stream_of(row: StepRow, canonical: Canonical) -> Key:
    """What makes the stream of a step the same."""
    at = (row.site, row.group, row.place)
    return Key(
        *("order", *at, canonical(at, row.client), canonical(at, row.server)),
        *(row.service, row.protocol, row.device, row.sort),
    )


def message(text: str) -> str:
    """A message of a step for people."""
    return text or BEGIN


# -------------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Model:
    """How often each step of a stream was made while it was learned."""

    contexts: Mapping[Context, Mapping[str, int]]
    bits: Reals  # what a step costs, by its rank

    @classmethod
    def of(cls, some: Sequence[StepRow], contexts: Mapping[Context, Mapping[str, int]]) -> "Model":
        """The model of contexts that were learned; ``some``: steps that are to be told."""
        bits = np.full(OTHER + 1, log2(2 * len(some) + 2))  # of what was never met
        for row in some:
            if row.rank != OTHER and (known := contexts.get((row.earlier, row.before))):
                chance = known.get(row.after, 0) + 0.5
                bits[row.rank] = log2((sum(known.values()) + 0.5 * (len(known) + 1)) / chance)
        return cls(contexts, bits)

    def cycle(self) -> tuple[list[str], float]:
        """The messages in which the stream goes round, none if it does not; and how true it is."""
        following = {
            context: max(known.items(), key=lambda one: (one[1], one[0]))
            for context, known in self.contexts.items()
        }
        total = sum(sum(known.values()) for known in self.contexts.values())
        sure = {
            context: after
            for context, (after, times) in following.items()
            if times >= NEARLY * sum(self.contexts[context].values())
        }
        share = sum(following[context][1] for context in sure) / total if total else 0.0
        if share < CYCLE:
            return [], share
        return self._round(sure), share

    def _round(self, sure: Mapping[Context, str]) -> list[str]:
        begin = max(sure, key=lambda one: (sum(self.contexts[one].values()), one))
        found, context = [begin[1]], begin
        while context in sure and len(found) <= LONGEST_CYCLE:
            context = (context[1], sure[context])
            if context == begin:
                return found
            found.append(context[1])
        return []


# -------------------------------------------------------------------------------- learning


def things(
    store: Store, canonical: Canonical, scope: ScopeOf, until: int | None, rows: Sequence[StepRow]
) -> Iterator[Thing]:
    """Each step, and the order of each stream; ``until``: ns, of the latter whole hours before it.

    ``rows``: all steps. Of a stream with more steps than are kept no single one tells anything.
    """
    endless = {_name(row) for row in rows if row.rank == OTHER}
    for row in rows:
        if _name(row) not in endless and is_device(row.client):
            yield _step(row, canonical, scope)
    stop = newest_hour(store) + 1 if until is None else until // HOUR_NS
    most: dict[Key, Thing] = {}
    for one in streams(store, canonical, stop - LEARNED_DAYS * DAY_HOURS, rows):
        made = _order(one, stop, scope)
        if made is not None:
            before = most.get(made.key)
            if before is None or made.seen.times > before.seen.times:
                most[made.key] = made
    yield from most.values()


def _step(row: StepRow, canonical: Canonical, scope: ScopeOf) -> Thing:
    stream = stream_of(row, canonical)
    told = [message(one) for one in (row.earlier, row.before, row.after)]
    key = stream._replace(kind="step", object=" > ".join(told))
    packets = tuple(dict.fromkeys((row.first_packet, row.last_packet)))
    seen = Sight(row.times, row.source, row.point, *row[16:20], packets)
    parent = stream._replace(kind="conversation", device="", operation="")
    where = scope((row.site, row.group, row.place), row.client, row.server)
    detail = json.dumps([row.earlier, row.before, row.after])
    return Thing(key, where, seen, (parent,), detail, row.client, row.server)


def _order(one: Stream, stop: int, scope: ScopeOf) -> Thing | None:
    rows = np.flatnonzero(one.hour < stop)
    counts = one.counts(rows)
    total = int(counts.sum())
    if len(rows) < LEAST_HOURS or total < LEAST_MESSAGES:
        return None
    contexts: dict[Context, dict[str, int]] = defaultdict(dict)
    for row in one.steps:
        if row.rank != OTHER and counts[row.rank]:
            contexts[row.earlier, row.before][row.after] = int(counts[row.rank])
    model = Model.of(one.steps, contexts)
    cycle, share = model.cycle()
    costs = hourly(one, rows, model)
    middle, spread = centre(costs, LEAST_SPREAD)
    detail = [round(share, 4), round(middle, 3), round(spread, 3), " > ".join(cycle)]
    begin, end = (int(one.hour[rows[at]]) * HOUR_NS for at in (0, -1))
    seen = Sight(total, one.source, one.point, begin, 0, end, 0, ())
    parent = one.key._replace(kind="conversation", device="", operation="")
    where = scope(one.key[1:4], one.client, one.server)
    return Thing(one.key, where, seen, (parent,), json.dumps(detail), one.client, one.server)


def hourly(one: Stream, rows: I64, model: Model) -> Reals:
    """What a message cost in each of some hours as a mean, bits."""
    spreads = one.spreads.take(rows)
    cost = np.bincount(spreads.owner, spreads.count * model.bits[spreads.bucket], len(rows))
    return np.asarray(cost / spreads.total, np.float64)
