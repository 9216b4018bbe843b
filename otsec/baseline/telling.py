"""What the baseline holds against a thing, as a finding in plain words."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from otsec.baseline import kinds
from otsec.baseline.barred import OWN
from otsec.baseline.kinds import Kind
from otsec.baseline.learning import Baseline
from otsec.baseline.model import Thing
from otsec.baseline.ranges import Known, outside
from otsec.baseline.states import by_state
from otsec.baseline.text import time_text
from otsec.detect import telling
from otsec.nanoseconds import DAY_NS, SECOND_NS
from otsec.store.baseline import Line
from otsec.store.findings import Finding, Packet

Found = tuple[Finding, tuple[Packet, ...]]
NAMED = telling.SHOWN


@dataclass(frozen=True)
class Telling:
    """Fills the words of a kind from what the baseline holds."""

    base: Baseline

    def finding(self, kind: Kind, key: telling.Key, things: Sequence[Thing]) -> Found:
        """One finding: as the earliest of its things tells it."""
        ordered = sorted(things, key=lambda one: (one.first_time, one.seen.first_packet, one.key))
        first = ordered[0]
        last = max(things, key=lambda one: (one.last_time, one.seen.last_packet))
        words = self._words(kind, ordered)
        outcomes = tuple(dict.fromkeys(one for thing in ordered for one in thing.outcomes))
        here = first.seen.source
        mine = [one for one in ordered if one.seen.source == here]
        finding = telling.finding(key, kind, OWN)._replace(
            level=kinds.level(kind, first.key.cls, key.about),
            client=words["client"],
            server=words["server"],
            protocol=telling.shared(one.key.protocol for one in things),
            times=sum(one.seen.times for one in things),
            source=here,
            witnesses=tuple(sorted({one.seen.point for one in things} - {first.seen.point})),
            first_time=first.first_time,
            first_packet=first.seen.first_packet,
            last_time=last.last_time,
            last_packet=max(one.seen.last_packet for one in mine),
            operations=telling.distinct(one.key.operation for one in ordered)
            or self._operations(ordered),
            objects=telling.distinct(one.key.object for one in ordered),
            outcomes=outcomes,
            seen=kind.seen.format_map(words),
            expected=kind.expected.format_map(words),
            why=kind.why.format_map(words),
            next=kind.next.format_map(words),
            doubt=_doubt(outcomes, key) or words.get("doubt", ""),
        )
        return finding, tuple(_packets(finding, mine))

    def _words(self, kind: Kind, things: Sequence[Thing]) -> dict[str, str]:
        first = things[0]
        server = telling.shared(one.server for one in things)
        client = telling.shared(one.client for one in things)
        at = f"{server} ({first.key.device})" if first.key.device else server
        end = self.base.end(first.scope)
        watched = end.watched_ns if end is not None else 0
        days = f"{watched / DAY_NS:.1f} days" if watched else "the time"
        fill = {
            "client": client,
            "server": server,
            "at": at,
            "services": telling.few(
                sorted({f"{t.key.service} {t.key.protocol}".rstrip() for t in things})
            ),
            "operations": telling.few(dict.fromkeys(t.key.operation or t.key.cls for t in things)),
            "objects": telling.few(dict.fromkeys(t.key.object for t in things if t.key.object))
            or "nothing named",
            "ids": telling.listed([one.id for one in things]),
            "watched": days,
        }
        filling: Mapping[str, Callable[[Sequence[Thing]], dict[str, str]]] = {
            kinds.NEW_DEVICE.name: self._of_device,
            kinds.NEW_CONVERSATION.name: self._of_conversation,
            kinds.NEW_PEER.name: self._of_conversation,
            kinds.NEW_WRITER.name: self._of_writer,
            kinds.NEW_OPERATION.name: self._of_operation,
            kinds.NEW_OBJECT.name: self._of_object,
            kinds.VALUE.name: self._of_value,
            kinds.IDENTITY.name: self._of_identity,
            kinds.SILENT.name: self._of_silent,
            kinds.OTHER_STATE.name: self._of_state,
        }
        return fill | filling[kind.name](things)

    def _of_device(self, things: Sequence[Thing]) -> dict[str, str]:
        known = sum(
            key.kind == "device" and key[1:3] == things[0].key[1:3] for key in self.base.holding
        )
        mine = things[0].key.server
        done = [
            one
            for one in self.base.shown.things
            if one.key.kind == "conversation" and mine in {one.key.client, one.key.server}
        ]
        peers = {one.key.server if one.key.client == mine else one.key.client for one in done}
        does = f" and talks to {telling.few(sorted(peers))}" if peers else ""
        return {"known": str(known), "does": does}

    def _of_conversation(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            f"{other.server} by {other.service}"
            for other in self.base.holding
            if other.kind == "conversation" and other[1:5] == key[1:5]
        }
        told = f"{things[0].client} talks to {telling.few(sorted(known))}." if known else ""
        return {"peers": told or f"{things[0].client} was not known to talk to anybody."}

    def _of_writer(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        keys = {thing.key for thing in things}
        at = (key.server, key.device, *key[1:4])
        known = {
            other.client: line
            for other, line in self.base.holding.items()
            if other.kind == "writer" and (other.server, other.device, *other[1:4]) == at
        }
        told = ", ".join(f"{name} ({_how(line)})" for name, line in sorted(known.items())[:NAMED])
        done = self._done(things)
        values = [
            f"{one.key.object} = {_range(one.detail)}"
            for one in self.base.shown.values
            if not keys.isdisjoint(one.parents)
        ]
        return {
            "values": f" with {telling.few(values)}" if values else "",
            "writers": f"It is changed by {told}." if told else "Nobody changed it before.",
            "operations": telling.few(dict.fromkeys(one.key.operation for one in done)) or key.cls,
            "objects": telling.few(dict.fromkeys(one.key.object for one in done if one.key.object))
            or "nothing named",
        }

    def _done(self, things: Sequence[Thing]) -> list[Thing]:
        """What was done there by who changes something, as far as it is of these classes."""
        key = things[0].key
        client = self.base.shown.canonical(key[1:4], things[0].client)
        return [
            one
            for one in self.base.shown.things
            if one.key.kind in {"operation", "object"}
            and one.key[1:6] == (*key[1:4], client, key.server)
            and one.key.device == key.device
            and one.key.cls in {thing.key.cls for thing in things}
        ]

    def _operations(self, things: Sequence[Thing]) -> tuple[str, ...]:
        """The operations of who changes something, of whom the things tell only that he does."""
        if things[0].key.kind not in {"writer", "value"}:
            return ()
        return telling.distinct(one.key.operation for one in self._done(things))

    def _of_operation(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            other.operation
            for other in self.base.holding
            if other.kind == "operation" and other[1:6] == key[1:6] and other.device == key.device
        }
        told = (
            f"{things[0].client} does {telling.few(sorted(known))} there."
            if known
            else "Nothing of it."
        )
        return {"operations_known": told}

    def _of_object(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            other.object
            for other in self.base.holding
            if other.kind == "object"
            and other[1:6] == key[1:6]
            and (other.device, other.operation) == (key.device, key.operation)
        }
        within = all(self.base.covers(one.key) for one in things)
        told = "within what it asks for otherwise" if within else "where it never was before"
        did = f"{things[0].client} did {key.operation} on {telling.few(sorted(known))}."
        return {"covered": told, "objects_known": did if known else "It never did so on anything."}

    def _of_value(self, things: Sequence[Thing]) -> dict[str, str]:
        values, ranges, among, kept_of = [], [], 0, True
        for one in things[:NAMED]:
            low, high, first = json.loads(one.detail)
            line = self.base.holding[one.key]
            known = Known.of(line)
            off = [value for value in dict.fromkeys((low, high)) if outside(value, value, known)]
            values.append(f"{' and '.join(f'{value:g}' for value in off)} to {one.key.object}")
            kept_of &= written_outside(one, known) is not None
            among = max(among, 0 if outside(first, first, known) else one.seen.times)
            told = f"{one.key.object} from {known.least:g} to {known.greatest:g}"
            ranges.append(f"{told} ({_how(line)})")
        doubt = f"Which of {among} writes it was is not kept" if among > 1 else ""
        doubt = (
            "Told are the worst and the last such write; there may be more" if kept_of else doubt
        )
        return {"values": ", ".join(values), "ranges": f"{', '.join(ranges)}.", "doubt": doubt}

    def _of_identity(self, things: Sequence[Thing]) -> dict[str, str]:
        told = [f"{one.key.operation.replace('_', ' ')} {one.key.object}" for one in things]
        known = [
            f"{one.key.operation.replace('_', ' ')} {' or '.join(self.base.said_before(one.key))}"
            for one in things
        ]
        return {"identity": telling.few(told), "identity_known": f"{telling.few(known)}."}

    def _of_state(self, things: Sequence[Thing]) -> dict[str, str]:
        state, normal = by_state(things)
        objects = telling.few(dict.fromkeys(one.key.object for one in things if one.key.object))
        on = f" on {objects}" if objects else ""
        return {"state": state, "states": telling.few(normal), "on": on}

    def _of_silent(self, things: Sequence[Thing]) -> dict[str, str]:
        first = min(things, key=lambda one: one.last_time)
        heard = self.base.shown.spans.of_group(first.scope.network)
        gone_s = heard.between(first.last_time, heard.end) // SECOND_NS
        line = self.base.holding[first.key]
        told = {
            "last": time_text(first.last_time // SECOND_NS * SECOND_NS),
            "silent": f"{gone_s} s",
            "presence": str(json.loads(line.detail)[2]),
        }
        if len(things) > 1:
            names = telling.few([one.server for one in things])
            told["server"] = telling.MANY
            told["silent"] += f"; with it {names}: look at the capture and the power feed first"
        return told


def written_outside(thing: Thing, known: Known) -> Thing | None:
    """A written value with only those of its writes that are known to be outside of its range.

    None: the packets of what is outside are not kept.
    """
    low, high, _ = json.loads(thing.detail)
    off = [one for one in thing.extremes if outside(one[0], one[0], known)]
    wanted = {value for value in (low, high) if outside(value, value, known)}
    if not wanted <= {value for value, _, _ in off}:
        return None
    moments = sorted({(packet, time) for _, packet, time in off})
    (packet, time), (last_packet, last_time) = moments[0], moments[-1]
    seen = thing.seen._replace(
        times=len(moments),
        first_time=time,
        first_packet=packet,
        last_time=last_time,
        last_packet=last_packet,
    )
    return replace(thing, seen=seen, moments=tuple(moments))


def _range(detail: str) -> str:
    low, high, _ = json.loads(detail)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _how(line: Line) -> str:
    """How often something was seen that is known, or who said it."""
    if line.how in {"approved", "imported"}:
        return f"{line.how} by {line.who}"
    return f"{line.times} times since {time_text(line.first_time)[:10]}"


def _doubt(outcomes: Iterable[str], key: telling.Key) -> str:
    if key.about.endswith(telling.FURTHER):
        return f"This stands for all beyond the first {telling.MOST} findings of its kind"
    if {"open", "unknown"}.intersection(outcomes):
        return "The answer was not captured, so it is not known whether it was done"
    return ""


def _packets(finding: Finding, things: Iterable[Thing]) -> Sequence[Packet]:
    shown: dict[int, Packet] = {}
    for one in things:
        words = (one.key.device, one.key.operation, one.key.object)
        what = " ".join(word for word in words if word) or one.key.service or one.key.kind
        for number, time in (
            (one.seen.first_packet, one.first_time),
            (one.seen.last_packet, one.last_time),
            *one.moments,
        ):
            packet = Packet(one.seen.source, finding.id, number, time, what[: telling.LONGEST])
            shown.setdefault(number, packet)
    return telling.first_and_last([shown[number] for number in sorted(shown)])
