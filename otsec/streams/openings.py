"""The first unit of a connection may come in pieces: what could begin one is asked as it grows.

A *run* is what one side said without a hole. Each of its segments may begin the first unit, and
what begins there is asked with each segment that joins it, as long as a framing could still make
a longer frame of it. The earliest such beginning that a protocol claims is where its frames begin.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, Mask, gather_spans, ranges, starts_of
from otsec.model import TCP
from otsec.streams.claim import ON_IP, TRIES, ask
from otsec.streams.connections import UNCLAIMED
from otsec.streams.cut import Segments, heads
from otsec.streams.found import View, data_segments
from otsec.streams.owners import FlowClaims, Owners
from otsec.streams.runs import BEFORE
from otsec.streams.traffic import Traffic

NOTHING = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Runs:
    """Segments of runs as columns, those of each side in the order in which it sent them."""

    segments: Segments
    run: I64  # number of the run, from 0
    flow: I64  # position in the claims
    side: I64
    when: I64  # bytes of all traffic that had gone by with each segment


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Parts of runs: from the beginning of one segment to the end of another, by position."""

    first: I64
    last: I64

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: I64 | Mask) -> "_Stretches":
        return _Stretches(self.first[rows], self.last[rows])

    def joined(self, segments: Segments) -> Segments:
        """Each as one segment that stands alone."""
        start, stop = segments.start[self.first], segments.stop[self.last]
        end = np.minimum(segments.end[self.first], stop)
        return Segments(segments.buffer, segments.row[self.last], self.last, start, end, stop, stop)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What was asked, and which protocol claimed it (number, 0 for none) by which framing."""

    asked: _Stretches
    protocol: I64
    framing: I64


@dataclass(frozen=True, slots=True)
class Opened:
    """What asking gave."""

    wanted: Mask  # segments whose frames count for the protocol that was found
    waiting: I64  # of each segment the first one from which on it may begin a unit, or NOTHING


def ask_runs(owners: Owners, runs: Runs, claims: FlowClaims, window: int) -> Opened:
    """Ask about runs of connections that nobody owns; fills in the claims.

    ``window``: how much may go by on the wire between the first and the last piece of a unit.
    """
    new, rank = _first_tries(runs, claims)
    usable = new | (runs.segments.row == BEFORE)
    answers, open_ = _grow(owners, runs, claims, usable, new, window)
    found = _earliest(runs, answers)
    claims.tried += np.bincount(runs.flow[new], minlength=len(claims.tried))
    flow = runs.flow[found.asked.last]
    claims.tried[flow] = rank[found.asked.last]
    claims.protocol[flow], claims.framing[flow] = found.protocol, found.framing
    claims.by[flow] = found.asked.last
    claims.from_row[flow] = runs.segments.row[found.asked.last]
    claims.side[flow] = owners.sides(
        found.asked.joined(runs.segments), found.protocol, found.framing
    )
    wanted = _wanted(owners, runs, claims, found.asked, open_, window)
    waiting = np.full(len(usable), NOTHING)
    some = open_.take((claims.protocol == UNCLAIMED)[runs.flow[open_.last]])
    np.minimum.at(waiting, some.last, some.first)
    return Opened(wanted, waiting)


def must_join(owners: Owners, view: View, flows: I64, traffic: Traffic) -> I64:
    """Of some flows in order, those whose segments must be joined on the plain path.

    The others are owned by nobody, and nothing of them waits behind the batch.
    """
    lanes = np.flatnonzero(np.isin(view.flows.lane_flow, flows))
    segments = data_segments(view.buffer, view.packets, view.flows, lanes)
    heads = starts_of(np.diff(segments.lane, prepend=-1) != 0)
    counts = np.diff(heads, append=len(segments))
    segments = segments.take(ranges(heads, np.minimum(counts, TRIES)))
    flow, lane = view.flows.lane_flow[segments.lane], segments.lane
    names, number = np.unique(flow, return_inverse=True)
    claims = owners.known(view.slots[names], view.flows.key[names])
    side, when = view.flows.lane_side[lane], traffic.upto(view)[segments.row]
    laid = _side_by_side(segments)
    runs = Runs(laid, lane, number, side, when)
    opened = ask_runs(owners, runs, claims, traffic.cap)
    join = claims.protocol != UNCLAIMED
    join[number[segments.end < segments.stop]] = True
    waits = np.zeros(len(names), np.bool_)
    waits[number[(opened.waiting != NOTHING) & (laid.stop == laid.limit)]] = True
    join |= waits & owners.open(claims)
    return np.asarray(names[join])


def _side_by_side(segments: Segments) -> Segments:
    """The segments of each lane one behind the other in one buffer."""
    size = segments.end - segments.start
    stop = np.cumsum(size)
    buffer = gather_spans(segments.buffer, segments.start, size)
    ends = np.flatnonzero(np.diff(segments.lane, append=-1))
    limit = np.repeat(stop[ends], np.diff(ends, prepend=-1))
    return Segments(buffer, segments.row, segments.lane, stop - size, limit, stop, limit)


def _first_tries(runs: Runs, claims: FlowClaims) -> tuple[Mask, I64]:
    """Segments that have not been asked and may be, and how many of its flow were asked before."""
    rank = np.zeros(len(runs.run), np.int64)
    fresh = np.flatnonzero(runs.segments.row != BEFORE)
    order = fresh[
        np.lexsort((runs.segments.start[fresh], runs.side[fresh], runs.segments.row[fresh],
                    runs.flow[fresh]))
    ]  # fmt: skip
    heads = starts_of(np.diff(runs.flow[order], prepend=-1) != 0)
    counts = np.diff(heads, append=len(order))
    rank[order] = np.arange(len(order)) - np.repeat(heads, counts) + claims.tried[runs.flow[order]]
    new = rank < TRIES
    new[runs.segments.row == BEFORE] = False
    return new, rank


def _grow(
    owners: Owners, runs: Runs, claims: FlowClaims, usable: Mask, new: Mask, window: int
) -> tuple[_Answers, _Stretches]:
    """Ask what begins at each segment, ever longer: the answers, and all that could go on."""
    segments = runs.segments
    follows = np.zeros(len(usable), np.bool_)
    follows[:-1] = (runs.run[1:] == runs.run[:-1]) & usable[1:]
    stream = claims.transport[runs.flow] == ON_IP[TCP]
    begin = np.flatnonzero(usable)
    reach = _Stretches(begin, begin)
    answers, open_ = [], []
    while len(reach):
        joins = stream[reach.last]
        whole, longer = owners.heads(reach.joined(segments))
        asked = reach.take(new[reach.last] & (whole | ~joins))
        if len(asked):
            answers.append(_ask(owners, runs, claims, asked))
        reach = reach.take(longer & joins)
        open_.append(reach)
        reach = reach.take(follows[reach.last])
        reach = _Stretches(reach.first, reach.last + 1)
        reach = reach.take(runs.when[reach.last] - runs.when[reach.first] <= window)
    return _joined_answers(answers), _joined_stretches(open_)


def _ask(owners: Owners, runs: Runs, claims: FlowClaims, asked: _Stretches) -> _Answers:
    segments, flow = asked.joined(runs.segments), runs.flow[asked.last]
    told = ask(owners.registry, segments, claims.hint[flow], claims.transport[flow])
    mine = np.flatnonzero(told.protocol)
    return _Answers(asked.take(mine), told.protocol[mine], told.framing[mine])


def _joined_stretches(parts: list[_Stretches]) -> _Stretches:
    none = _Stretches(np.empty(0, np.int64), np.empty(0, np.int64))
    parts = [none, *parts]
    return _Stretches(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.last for part in parts]),
    )


def _joined_answers(parts: list[_Answers]) -> _Answers:
    none = np.empty(0, np.int64)
    return _Answers(
        _joined_stretches([part.asked for part in parts]),
        np.concatenate([none, *(part.protocol for part in parts)]),
        np.concatenate([none, *(part.framing for part in parts)]),
    )


def _earliest(runs: Runs, answers: _Answers) -> _Answers:
    """Of each flow the answer that came first; of what came together, what began first."""
    first, last = answers.asked.first, answers.asked.last
    flow = runs.flow[last]
    order = np.lexsort((first, last, runs.side[last], runs.segments.row[last], flow))
    order = order[starts_of(np.diff(flow[order], prepend=-1) != 0)]
    return _Answers(answers.asked.take(order), answers.protocol[order], answers.framing[order])


def _wanted(
    owners: Owners,
    runs: Runs,
    claims: FlowClaims,
    found: _Stretches,
    open_: _Stretches,
    window: int,
) -> Mask:
    """Segments from the first unit on: of its side from its beginning, of the other from then on.

    What waits there and may begin a frame of the same framing is kept too.
    """
    count, position = len(claims.protocol), np.arange(len(runs.run))
    first, since, speaker, when = np.full((4, count), NOTHING)
    flow = runs.flow[found.last]
    first[flow], since[flow] = found.first, runs.segments.row[found.last]
    speaker[flow], when[flow] = runs.side[found.last], runs.when[found.last]
    other = runs.side != speaker[runs.flow]
    late = runs.segments.row >= since[runs.flow]
    wanted = np.where(other, late, position >= first[runs.flow])
    before = np.flatnonzero(other & ~late & (claims.protocol[runs.flow] > 0))
    last = np.full(count, -1)
    last[runs.flow[before]] = before  # the last one written stays
    flow = runs.flow[open_.last]
    soon = when[flow] - runs.when[open_.first] <= window
    open_ = open_.take((open_.last == last[flow]) & soon)
    kept = np.full(count, NOTHING)
    for number, which in _pairs(claims, runs.flow[open_.last]):
        mine = (claims.protocol == number) & (claims.framing == which)
        some = open_.take(mine[runs.flow[open_.last]])
        framing = owners.protocol(number).framings[which].base
        some = some.take(heads(some.joined(runs.segments), framing)[1])
        np.minimum.at(kept, runs.flow[some.last], some.first)
    goes_on = runs.run == runs.run[last][runs.flow]
    return np.asarray(wanted | (other & goes_on & (position >= kept[runs.flow])), np.bool_)


def _pairs(claims: FlowClaims, flow: I64) -> list[tuple[int, int]]:
    """The distinct protocols and framings of some flows."""
    protocol, framing = claims.protocol[flow].tolist(), claims.framing[flow].tolist()
    return sorted(set(zip(protocol, framing, strict=True)))
