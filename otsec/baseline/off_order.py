"""What deviates in the order of messages: a message out of turn, missing or too many; and drifts.

A message is told where the two before it are well known and it never followed them. What comes
behind it is judged again as soon as two messages are known once more. Where the order was seldom
seen, or something in it on one occasion only, nothing is told: so much more new is to be expected.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from otsec.baseline import order_kinds as kinds
from otsec.baseline.barred import OWN
from otsec.baseline.evidence import OCCASION_NS
from otsec.baseline.kinds import Kind
from otsec.baseline.learning import Baseline
from otsec.baseline.model import DID, Key, Thing
from otsec.baseline.orders import LEAST_SPREAD, OTHER, Context, Model, Stream, hourly, message
from otsec.baseline.outages import Outage
from otsec.baseline.spread import drift
from otsec.baseline.text import hour_text, time_text
from otsec.baseline.timing import DAY_HOURS
from otsec.detect import telling
from otsec.detect.model import Level
from otsec.nanoseconds import DAY_NS, HOUR_NS
from otsec.store.baseline import Line
from otsec.store.findings import Finding, Packet

LEAST_TIMES = 10  # that two messages were followed by something known
LEAST_NS = 2 * DAY_NS  # over which that was
ALONE = {"changes"}  # sorts of which one message out of turn is news enough
NEAR_NS = HOUR_NS  # behind an outage an order may be broken by it
JUDGED_DAYS = 14
MORE_BITS = 0.5  # so much dearer a message must have become
NAMED = 3

Found = tuple[Finding, tuple[Packet, ...]]


class Broken(NamedTuple):
    """A message that never followed the two before it."""

    thing: Thing
    context: Context
    after: str
    known: Mapping[str, Line]  # what followed them otherwise


def off_order(base: Baseline, out: Sequence[Outage]) -> list[tuple[Found, tuple[Thing, ...]]]:
    """What deviates, as findings with the things that each tells of."""
    look = _Look(base, tuple(out))
    groups: dict[telling.Key, list[Broken]] = defaultdict(list)
    for one in look.broken():
        groups[_key(kinds.BROKEN, one.thing)].append(one)
    made = [
        (look.finding(key, some), tuple(one.thing for one in some))
        for key, some in sorted(groups.items(), key=lambda one: (_begin(one[1]), one[0]))
    ][: telling.MOST]
    drifting = [
        (found, (thing,))
        for key, (thing, found) in sorted(look.drifting().items())
        if key._replace(rule=kinds.BROKEN.id) not in groups
    ]
    return made + drifting[: telling.MOST]


def _key(kind: Kind, thing: Thing) -> telling.Key:
    key = thing.key
    where = (key.site, key.group, key.place, kind.id, thing.client, thing.server, key.service)
    return telling.Key(*where, key.device, key.operation)


def _begin(some: Sequence[Broken]) -> int:
    return min(one.thing.first_time for one in some)


@dataclass(frozen=True)
class _Look:
    base: Baseline
    out: tuple[Outage, ...]

    @cached_property
    def learned(self) -> Mapping[Key, Mapping[Context, Mapping[str, Line]]]:
        """What follows which two messages, stream by stream."""
        found: dict[Key, dict[Context, dict[str, Line]]] = defaultdict(lambda: defaultdict(dict))
        for key, line in self.base.known.items():
            if key.kind == "step" and line.how != "forgotten":
                earlier, before, after = json.loads(line.detail)
                found[key._replace(kind="order", object="")][earlier, before][after] = line
        return found

    @cached_property
    def new(self) -> Sequence[Thing]:
        """Steps that are not in the baseline."""
        return [
            thing
            for thing in self.base.shown.things
            if thing.key.kind == "step" and self._new(thing)
        ]

    def _new(self, thing: Thing) -> bool:
        line = self.base.known.get(thing.key)
        return line is None or not line.holds(thing.last_time)

    # ------------------------------------------------------------------------- single steps

    def broken(self) -> Iterator[Broken]:
        """Messages that never followed the two before them."""
        for thing in self.new:
            end = self.base.end(thing.scope)
            stream = thing.key._replace(kind="order", object="")
            earlier, before, after = json.loads(thing.detail)
            known = self.learned.get(stream, {}).get((earlier, before), {})
            if end is None or thing.first_time <= end.ended or not _sure(known):
                continue
            heard = self.base.shown.spans.of_group(thing.scope.network)
            if not heard.in_gap(thing.first_time, thing.last_time) and not self._is_out(thing):
                yield Broken(thing, (earlier, before), after, known)

    def _is_out(self, thing: Thing) -> bool:
        """Whether an outage shortly before tells why messages are missing."""
        return any(
            (one.site, one.group) == thing.scope[:2]
            and one.begin <= thing.last_time
            and thing.first_time <= (one.end or thing.last_time) + NEAR_NS
            and (
                not one.devices
                or not {thing.client, thing.server}.isdisjoint(d.address for d in one.devices)
            )
            for one in self.out
        )

    def finding(self, key: telling.Key, some: Sequence[Broken]) -> Found:
        """Steps of one stream as one finding, as the first of them tells it."""
        ordered = sorted(some, key=lambda one: (one.thing.first_time, one.thing.seen.first_packet))
        first = ordered[0]
        lines = sorted(first.known.items(), key=lambda one: (-one[1].times, one[0]))
        after = list(dict.fromkeys(one.after for one in ordered))[1 : NAMED + 1]
        words = {
            "before": _quoted(message(one) for one in first.context),
            "after": _cut(first.after),
            "more": f", also {_quoted(after)}" if after else "",
            "how": self._how(first),
            "expected": _quoted(name for name, _ in lines[:NAMED]),
            "times": str(sum(line.times for _, line in lines)),
            "since": time_text(min(line.first_time for _, line in lines))[:10],
        }
        level: Level = "medium" if any(map(_alarming, ordered)) else "low"
        things = [one.thing for one in ordered]
        found, shown = _finding(kinds.BROKEN, key, level, things, words)
        said = [one.after.partition(" ") for one in ordered]
        operations, objects = (
            tuple(dict.fromkeys(one[at] for one in said if one[at]))[: telling.KEPT]
            for at in (0, 2)
        )
        return found._replace(operations=operations, objects=objects), shown

    def _how(self, one: Broken) -> str:
        """In which way the order was broken: by what came instead, and what came next."""
        stream = one.thing.key._replace(kind="order", object="")
        usual = max(one.known, key=lambda name: (one.known[name].times, name))
        behind = self.learned[stream].get((one.context[1], usual), {})
        if one.after == one.context[1]:
            return "it came twice"
        if one.after in behind:
            return f"{_cut(usual)} is missing"
        if (stream, one.context[1], one.after, usual) in self._followed:
            return f"it is one too many in front of {_cut(usual)}"
        return f"instead of {_cut(usual)}"

    @cached_property
    def _followed(self) -> set[tuple[Key, str, str, str]]:
        """New steps: stream and messages."""
        found: set[tuple[Key, str, str, str]] = set()
        for thing in self.new:
            earlier, before, after = json.loads(thing.detail)
            found.add((thing.key._replace(kind="order", object=""), earlier, before, after))
        return found

    # ------------------------------------------------------------------------------- drifts

    def drifting(self) -> Mapping[telling.Key, tuple[Thing, Found]]:
        """Streams that have become less usual for good, by the running sum of what hours cost."""
        found = {}
        for one in self.base.shown.ordered(JUDGED_DAYS * DAY_HOURS):
            thing, line = self.base.shown.by_key.get(one.key), self.base.known.get(one.key)
            if thing is None or line is None or line.how == "forgotten":
                continue
            told = self._drift(one, thing, line)
            if told is not None:
                found[_key(kinds.DRIFT, thing)] = thing, told
        return found

    def _drift(self, one: Stream, thing: Thing, line: Line) -> Found | None:
        end = self.base.end(thing.scope)
        if end is None or (one.client, one.server) != (thing.client, thing.server):
            return None
        since = max(end.ended, line.since)
        if any(row.rank == OTHER and row.first_time <= since for row in one.steps):
            return None  # it had more steps than are kept, so nobody knows what they cost
        rows = np.flatnonzero(one.hour >= -(-since // HOUR_NS))
        contexts = {
            context: {after: line.times for after, line in known.items()}
            for context, known in self.learned.get(one.key, {}).items()
        }
        if not len(rows) or not contexts:
            return None
        _, middle, spread, _ = json.loads(line.detail)
        costs = hourly(one, rows, Model.of(one.steps, contexts))
        off = (costs - middle) / max(spread, LEAST_SPREAD)  # a text may say anything
        found = drift(off, [True] * len(off))
        if found is None:
            return None
        begin, last = found
        dear = float(np.median(costs[begin : last + 1]))
        if dear - middle < MORE_BITS:
            return None
        span = (int(one.hour[rows[begin]]), int(one.hour[rows[last]]))
        words = {
            "bits": f"{dear:.1f}",
            "begin": hour_text(span[0]),
            "learned": f"{middle:.1f}",
            "spread": f"{spread:.1f}",
        }
        seen = thing.seen._replace(
            times=last - begin + 1,
            first_time=span[0] * HOUR_NS,
            last_time=(span[1] + 1) * HOUR_NS - 1,
        )
        here = Thing(thing.key, thing.scope, seen, (), "", thing.client, thing.server)
        finding, _ = _finding(
            kinds.DRIFT, _key(kinds.DRIFT, thing), kinds.DRIFT.level, [here], words
        )
        return finding._replace(doubt="Times are told by the hour"), ()


def _alarming(one: Broken) -> bool:
    """Whether a change came out of turn; one that is done twice may not have been answered."""
    return one.thing.key.operation in ALONE and one.after != one.context[1]


def _sure(known: Mapping[str, Line]) -> bool:
    """Whether it is well known what follows two messages: often, and nothing on one occasion only."""
    if not known or sum(line.times for line in known.values()) < LEAST_TIMES:
        return False
    spans = [(line.first_time, line.last_time) for line in known.values() if line.how == "learned"]
    if any(last - first < OCCASION_NS for first, last in spans):
        return False
    return not spans or max(last - first for first, last in spans) >= LEAST_NS


def _quoted(names: object) -> str:
    return ", ".join(_cut(str(name)) for name in names)  # type: ignore[attr-defined]


def _cut(name: str) -> str:
    return name[: telling.LONGEST]


def _finding(
    kind: Kind, key: telling.Key, level: Level, things: Sequence[Thing], words: dict[str, str]
) -> Found:
    first, last = things[0], max(things, key=lambda one: one.last_time)
    at = f"{first.server} ({key.device})" if key.device else first.server
    ids = telling.listed([one.id for one in things], NAMED)
    fill = {"client": first.client, "server": first.server, "at": at, "ids": ids}
    fill |= {"did": DID[first.key.operation], **words}
    mine = [one for one in things if one.seen.source == first.seen.source]
    finding = telling.finding(key, kind, OWN)._replace(
        level=level,
        client=first.client,
        server=first.server,
        protocol=first.key.protocol,
        times=sum(one.seen.times for one in things),
        source=first.seen.source,
        witnesses=tuple(sorted({one.seen.point for one in things} - {first.seen.point})),
        first_time=first.first_time,
        first_packet=first.seen.first_packet,
        last_time=last.last_time,
        last_packet=max(one.seen.last_packet for one in mine),
        seen=kind.seen.format_map(fill),
        expected=kind.expected.format_map(fill),
        why=kind.why,
        next=kind.next.format_map(fill),
    )
    shown: dict[int, Packet] = {}
    for one in mine:
        for packet, time in (
            (one.seen.first_packet, one.first_time),
            (one.seen.last_packet, one.last_time),
        ):
            what = one.key.object.rpartition(" > ")[2][: telling.LONGEST]
            shown.setdefault(packet, Packet(one.seen.source, finding.id, packet, time, what))
    return finding, tuple(shown[packet] for packet in sorted(shown)[: telling.PACKETS])
