"""What a store shows that its baseline does not hold, as findings in the form that rules make them.

Only devices of which learning has ended are judged. What a rule has told already is not told
again; what comes with something new (the operations of a new conversation) is told with it.
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from otsec.baseline import kinds, outage_kinds
from otsec.baseline.allowed import verdicts
from otsec.baseline.barred import NO_RULES, OWN, Told
from otsec.baseline.evidence import DAY_NS
from otsec.baseline.kinds import Kind
from otsec.baseline.learning import Baseline, baseline
from otsec.baseline.model import CHANGING, NOVEL, Key, Scope, Thing
from otsec.baseline.off_time import off_time
from otsec.baseline.outages import Outage, outages
from otsec.baseline.ranges import Known, Where, covered, inside, outside
from otsec.baseline.spans import SECOND_NS
from otsec.baseline.states import by_state, elsewhere, states
from otsec.baseline.text import time_text
from otsec.changes.linking import link
from otsec.config import Config
from otsec.detect import findings as telling
from otsec.detect import incidents
from otsec.detect.judging import found_in
from otsec.detect.model import LEVELS, Level, Rule
from otsec.detect.rows import scope as scope_of_address
from otsec.detect.violations import violations
from otsec.inventory.model import Node
from otsec.policy.model import Policy
from otsec.store import Store
from otsec.store import baseline as kept
from otsec.store.baseline import Line
from otsec.store.filters import Span
from otsec.store.findings import Finding, Packet, replace
from otsec.store.judged import Occurrence

Found = tuple[Finding, tuple[Packet, ...]]
SEVERAL = 5  # new servers of one client by one service that are told as one finding
SILENCES = 3  # so many times the longest silence that was ever heard
LEAST_SILENT_S = 600
SHIFTED = 0.3  # share of the devices that are always on: more at once are one event
NAMED = 4
WIDE = frozenset({kinds.NEW_CONVERSATION.name, kinds.NEW_PEER.name})
AT_ONCE = "several at once"
LEVEL_OF_CLASS: Mapping[str, Level] = {  # of an operation that its client never did
    **dict.fromkeys(("program", "mode", "firmware"), "high"),
    **dict.fromkeys(("write", "control", "config", "file", "time"), "medium"),
}


def judge(
    store: Store,
    rules: Sequence[Rule],
    policy: Policy | None = None,
    config: Config | None = None,
) -> list[Finding]:
    """Judge a store by rules, by the site's policy and by its baseline, and keep the findings.

    ``config``: tells of states of the plant. Gives them, the worst first.
    """
    by_rules = found_in(store, rules)
    found = list(by_rules)
    base = baseline(store) if kept.ended(store) else None
    if policy is not None:
        found += violations(store, verdicts(store, policy, base=base))
    out = outages(store, None if base is None else base.shown.inventory)
    if base is not None:
        told_of = states(config, store) if config is not None else None
        strange = () if told_of is None else tuple(elsewhere(base, told_of, store))
        deviating = deviations(base, [one for one, _ in found], out, strange)
        found += (one.found for one in deviating)
    found += outage_kinds.told(out)
    if len(found) > len(by_rules):
        found = incidents.joined(found)
        found.sort(key=lambda one: (-LEVELS.index(one[0].level), -one[0].last_time, one[0].id))
    told = replace(store, found)
    link(store, told)
    return told


@dataclass(frozen=True, slots=True)
class Deviation:
    """A finding of the baseline, and the things that it tells of."""

    found: Found
    things: tuple[Thing, ...]


def deviations(
    base: Baseline,
    told: Sequence[Finding],
    out: Sequence[Outage] = (),
    strange: Iterable[tuple[Thing, str]] = (),
) -> list[Deviation]:
    """All that deviates; ``told``: findings of rules, of which nothing is told again.

    ``out``: outages, by which devices are silent that are not missed for it; ``strange``: what was
    done in another state of the plant than otherwise, with that state.
    """
    rules = [one for one in told if one.category not in NO_RULES and one.level != "informational"]
    look = _Look(base, Told(rules), tuple(one for one in out if one.open and len(one.devices) > 1))
    groups: dict[tuple[str, telling.Key], list[Thing]] = defaultdict(list)
    by_name = {one.name: one for one in kinds.ALL}
    for kind, thing, about in look.deviating():
        groups[kind.name, _key(kind, thing, about)].append(thing)
    for thing, state in strange:
        if look.judges(thing):
            level = LEVEL_OF_CLASS.get(thing.key.cls, "low")
            key = _key(kinds.OTHER_STATE, thing, f"{level}: {state}")
            groups[kinds.OTHER_STATE.name, key].append(thing)
    made = [
        Deviation(look.finding(by_name[name], key, things), tuple(things))
        for (name, key), things in sorted(_bounded(_several(groups)).items())
    ]
    return made + [Deviation(found, things) for found, things in off_time(base, out)]


def _key(kind: Kind, thing: Thing, about: str) -> telling.Key:
    key = thing.key
    service = key.service if kind in {kinds.NEW_CONVERSATION, kinds.NEW_PEER} else ""
    where = (key.site, key.group, key.place, kind.id)
    return telling.Key(*where, thing.client, thing.server, service, key.device, about)


Groups = Mapping[tuple[str, telling.Key], Sequence[Thing]]


def _several(groups: Mapping[tuple[str, telling.Key], list[Thing]]) -> Groups:
    """Many new servers of one client by one service, and many silent devices, as one each."""
    wide: dict[tuple[str, telling.Key], list[tuple[str, telling.Key]]] = defaultdict(list)
    for name, key in groups:
        if name in WIDE or key.about == AT_ONCE:
            wide[name, key._replace(server="")].append((name, key))
    made: dict[tuple[str, telling.Key], Sequence[Thing]] = dict(groups)
    for one, narrow in wide.items():
        if len(narrow) >= SEVERAL:
            made[one] = [thing for each in narrow for thing in groups[each]]
            for each in narrow:
                del made[each]
    return made


def _bounded(groups: Groups) -> Groups:
    """At most so many findings of a kind in a point group as of a rule; one more for the rest."""
    made: dict[tuple[str, telling.Key], list[Thing]] = {}
    often: Counter[tuple[str, ...]] = Counter()
    for (name, key), things in sorted(groups.items(), key=lambda one: _begin(one[1])):
        kind = (name, key.site, key.group, key.about)
        often[kind] += 1
        if often[kind] > telling.MOST:
            about = f"{key.about} {telling.FURTHER}".strip()
            key = telling.Key(key.site, key.group, "", key.rule, "", "", "", "", about)  # noqa: PLW2901
        made.setdefault((name, key), []).extend(things)
    return made


def _begin(things: Iterable[Thing]) -> tuple[int, int, Key]:
    return min((one.first_time, one.seen.first_packet, one.key) for one in things)


@dataclass(frozen=True)
class _Look:
    base: Baseline
    told: Told
    out: tuple[Outage, ...] = ()  # of several devices, that go on

    # --------------------------------------------------------------------- what deviates

    def deviating(self) -> Iterator[tuple[Kind, Thing, str]]:
        """Each thing that deviates, by what, and what else its finding is grouped by."""
        new = [thing for thing in self.base.shown.things if self._new(thing)]
        keys = {thing.key for thing in new}
        writing = {thing.key[1:6] for thing in new if self._writes(thing)}
        for thing in new:
            with_it = thing.key.kind != "writer" and not keys.isdisjoint(thing.parents)
            with_it |= thing.key.kind == "conversation" and thing.key[1:6] in writing
            if not with_it:
                yield from (
                    (kind, one, about)
                    for kind, one, about in self._kinds(thing, writing)
                    if not self._told(one, _level(kind, one.key.cls, about))
                )
        yield from self._values(keys)
        yield from self._silent()

    def _new(self, thing: Thing) -> bool:
        if thing.key.kind not in NOVEL or not self._judged(thing):
            return False
        line = self.base.known.get(thing.key)
        return line is None or not line.holds(thing.last_time)

    def _judged(self, thing: Thing) -> bool:
        """Whether learning of it has ended, and the capture was not blind."""
        if self.base.end(thing.scope) is None:
            return False
        heard = self.base.shown.spans.of_group(thing.scope.network)
        return not heard.in_gap(thing.first_time, thing.last_time)

    def judges(self, thing: Thing) -> bool:
        """Whether a thing is to be told of, and no rule has told of it."""
        level = _level(kinds.OTHER_STATE, thing.key.cls, "")
        return self._judged(thing) and not self._told(thing, level)

    def _told(self, thing: Thing, level: Level) -> bool:
        """Whether a rule tells of it, and as no less than it is."""
        return self.told.by(thing, level) is not None

    def _kinds(
        self, thing: Thing, writing: set[tuple[str, str, str, str, str]]
    ) -> Iterator[tuple[Kind, Thing, str]]:
        kind = thing.key.kind
        if kind == "device":
            yield kinds.NEW_DEVICE, thing, ""
        elif kind == "conversation":
            public = scope_of_address(thing.server) == "public"
            yield (kinds.NEW_PEER if public else kinds.NEW_CONVERSATION), thing, ""
        elif kind == "writer":
            if self._writes(thing):
                yield kinds.NEW_WRITER, thing, ""
        elif thing.key[1:6] in writing and thing.key.cls in CHANGING:
            return  # told with the new writer
        elif kind == "operation":
            yield kinds.NEW_OPERATION, thing, LEVEL_OF_CLASS.get(thing.key.cls, "low")
        elif kind == "object":
            within = inside(thing.key, self._ranges)
            sort = "change" if thing.key.cls in CHANGING else "read"
            yield kinds.NEW_OBJECT, thing, f"{sort} {'inside' if within else 'outside'}"
        elif kind == "identity" and self._said_before(thing.key):
            yield kinds.IDENTITY, thing, ""

    def _writes(self, thing: Thing) -> bool:
        """Whether a change is news: of its class, or as its client is not known to change at all."""
        if thing.key.kind != "writer":
            return False
        known = any(key.kind == "writer" and key[1:6] == thing.key[1:6] for key in self._holding)
        return thing.key.cls in WRITES or not known

    @cached_property
    def _holding(self) -> Mapping[Key, Line]:
        return {key: one for key, one in self.base.known.items() if one.how != "forgotten"}

    @cached_property
    def _ranges(self) -> Mapping[Where, list[Span]]:
        return covered(self._holding)

    def _said_before(self, key: Key) -> list[str]:
        """What else is known of an attribute of the device."""
        return [
            one.object
            for one in self._identities.get(key._replace(object=""), ())
            if one.object != key.object
        ]

    @cached_property
    def _identities(self) -> Mapping[Key, Sequence[Key]]:
        found: dict[Key, list[Key]] = defaultdict(list)
        for key in self._holding:
            if key.kind == "identity":
                found[key._replace(object="")].append(key)
        return found

    def _values(self, new: set[Key]) -> Iterator[tuple[Kind, Thing, str]]:
        off: dict[int, list[Thing]] = defaultdict(list)
        for thing in self.base.shown.values:
            line = self._holding.get(thing.key)
            if line is None or not self._judged(thing) or not new.isdisjoint(thing.parents):
                continue
            low, high, _ = json.loads(thing.detail)
            if outside(low, high, Known.of(line)):
                off[thing.seen.source].append(thing)
        for source, things in off.items():
            writes: dict[int, list[Occurrence]] = defaultdict(list)
            for one in self.base.shown.events(source, sorted({one.behaviour for one in things})):
                writes[one.behaviour].append(one)
            for thing in things:
                late = self._since_known(thing, writes[thing.behaviour])
                if not self._told(late, kinds.VALUE.level):
                    yield kinds.VALUE, late, ""

    def _since_known(self, thing: Thing, writes: Sequence[Occurrence]) -> Thing:
        """The writes of a value among which those outside of its range must be.

        What was written while its range was learned is within it.
        """
        line = self._holding[thing.key]
        late = [one for one in writes if one.time > line.last_time]
        if not late:
            return thing
        moments = tuple((one.packet, one.time) for one in late)
        if len(moments) > telling.PACKETS:
            moments = (*moments[: telling.PACKETS - 2], *moments[-2:])
        packet, time = moments[0]
        times = sum(one.times for one in late)
        seen = thing.seen._replace(times=times, first_time=time, first_packet=packet)
        return dataclasses.replace(thing, seen=seen, moments=moments)

    def _silent(self) -> Iterator[tuple[Kind, Thing, str]]:
        always: dict[Scope, int] = defaultdict(int)
        silent: dict[Scope, list[Thing]] = defaultdict(list)
        for thing in self.base.shown.things:
            line = self._holding.get(thing.key) if thing.key.kind == "presence" else None
            if line is None or self.base.end(thing.scope) is None:
                continue
            name, longest_s, _ = json.loads(line.detail)
            asset = self.base.shown.inventory.at(Node(*thing.scope))
            said = None if asset is None else asset.best("presence")  # a person's word
            if (name if said is None else said.value) != "always on":
                continue
            network = thing.scope.network
            always[network] += 1
            heard = self.base.shown.spans.of_group(network)
            gone_s = heard.between(thing.last_time, heard.end) // SECOND_NS
            late = gone_s >= max(SILENCES * longest_s, LEAST_SILENT_S)
            if late and not self._is_out(thing.scope):
                silent[network].append(thing)
        for network, things in silent.items():
            many = len(things) >= SEVERAL and len(things) > SHIFTED * always[network]
            for thing in things:
                yield kinds.SILENT, thing, AT_ONCE if many else ""

    def _is_out(self, scope: Scope) -> bool:
        """Whether an outage that goes on tells why a device is silent."""
        asset = self.base.shown.inventory.at(Node(*scope))
        mine = {scope.address} if asset is None else {one.text for one in asset.addresses}
        return any(
            (one.site, one.group) == scope[:2]
            and not mine.isdisjoint(device.address for device in one.devices)
            for one in self.out
        )

    # ------------------------------------------------------------------------ the finding

    def finding(self, kind: Kind, key: telling.Key, things: Sequence[Thing]) -> Found:
        """One finding: as the earliest of its things tells it."""
        ordered = sorted(things, key=lambda one: (one.first_time, one.seen.first_packet, one.key))
        first = ordered[0]
        last = max(things, key=lambda one: (one.last_time, one.seen.last_packet))
        words = self._words(kind, ordered)
        outcomes = tuple(dict.fromkeys(one for thing in ordered for one in thing.outcomes))
        here = first.seen.source
        mine = [one for one in ordered if one.seen.source == here]
        finding = Finding(
            id=key.id,
            site=key.site,
            group=key.group,
            place=key.place,
            rule=kind.id,
            name=kind.name,
            category=OWN,
            level=_level(kind, first.key.cls, key.about),
            title=kind.title,
            client=words["client"],
            server=words["server"],
            service=key.service,
            device=key.device,
            protocol=_one({one.key.protocol for one in things}),
            times=sum(one.seen.times for one in things),
            source=here,
            witnesses=tuple(sorted({one.seen.point for one in things} - {first.seen.point})),
            first_time=first.first_time,
            first_packet=first.seen.first_packet,
            last_time=last.last_time,
            last_packet=max(one.seen.last_packet for one in mine),
            operations=_distinct(one.key.operation for one in ordered),
            objects=_distinct(one.key.object for one in ordered),
            outcomes=outcomes,
            techniques=kind.techniques,
            falsepositives=kind.falsepositives,
            seen=kind.seen.format_map(words),
            expected=kind.expected.format_map(words),
            why=kind.why.format_map(words),
            next=kind.next.format_map(words),
            doubt=_doubt(outcomes, key) or words.get("doubt", ""),
            incident="",
        )
        return finding, tuple(_packets(finding, mine))

    def _words(self, kind: Kind, things: Sequence[Thing]) -> dict[str, str]:
        first = things[0]
        server = _one({one.server for one in things})
        client = _one({one.client for one in things})
        at = f"{server} ({first.key.device})" if first.key.device else server
        end = self.base.end(first.scope)
        watched = end.watched_ns if end is not None else 0
        days = f"{watched / DAY_NS:.1f} days" if watched else "the time"
        fill = {
            "client": client,
            "server": server,
            "at": at,
            "services": _few({f"{t.key.service} {t.key.protocol}".rstrip() for t in things}),
            "operations": _few(dict.fromkeys(t.key.operation or t.key.cls for t in things)),
            "objects": _few(dict.fromkeys(t.key.object for t in things if t.key.object))
            or "nothing named",
            "ids": " ".join(t.id for t in things[:NAMED]) + (" ..." if things[NAMED:] else ""),
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
            key.kind == "device" and key[1:3] == things[0].key[1:3] for key in self._holding
        )
        mine = things[0].key.server
        done = [
            one
            for one in self.base.shown.things
            if one.key.kind == "conversation" and mine in {one.key.client, one.key.server}
        ]
        peers = {one.key.server if one.key.client == mine else one.key.client for one in done}
        does = f" and talks to {_few(sorted(peers))}" if peers else ""
        return {"known": str(known), "does": does}

    def _of_conversation(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            f"{other.server} by {other.service}"
            for other in self._holding
            if other.kind == "conversation" and other[1:5] == key[1:5]
        }
        told = f"{things[0].client} talks to {_few(sorted(known))}." if known else ""
        return {"peers": told or f"{things[0].client} was not known to talk to anybody."}

    def _of_writer(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        keys = {thing.key for thing in things}
        at = (key.server, key.device, *key[1:4])
        known = {
            other.client: line
            for other, line in self._holding.items()
            if other.kind == "writer" and (other.server, other.device, *other[1:4]) == at
        }
        told = ", ".join(f"{name} ({_how(line)})" for name, line in sorted(known.items())[:NAMED])
        done = [
            one
            for one in self.base.shown.things
            if one.key.kind in {"operation", "object"}
            and one.key[1:6] == key[1:6]
            and one.key.device == key.device
            and one.key.cls in {thing.key.cls for thing in things}
        ]
        values = [
            f"{one.key.object} = {_range(one.detail)}"
            for one in self.base.shown.values
            if not keys.isdisjoint(one.parents)
        ]
        return {
            "values": f" with {_few(values)}" if values else "",
            "writers": f"It is changed by {told}." if told else "Nobody changed it before.",
            "operations": _few(dict.fromkeys(one.key.operation for one in done)) or key.cls,
            "objects": _few(dict.fromkeys(one.key.object for one in done if one.key.object))
            or "nothing named",
        }

    def _of_operation(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            other.operation
            for other in self._holding
            if other.kind == "operation" and other[1:6] == key[1:6] and other.device == key.device
        }
        told = (
            f"{things[0].client} does {_few(sorted(known))} there." if known else "Nothing of it."
        )
        return {"operations_known": told}

    def _of_object(self, things: Sequence[Thing]) -> dict[str, str]:
        key = things[0].key
        known = {
            other.object
            for other in self._holding
            if other.kind == "object"
            and other[1:6] == key[1:6]
            and (other.device, other.operation) == (key.device, key.operation)
        }
        within = all(inside(one.key, self._ranges) for one in things)
        told = "within what it asks for otherwise" if within else "where it never was before"
        did = f"{things[0].client} did {key.operation} on {_few(sorted(known))}."
        return {"covered": told, "objects_known": did if known else "It never did so on anything."}

    def _of_value(self, things: Sequence[Thing]) -> dict[str, str]:
        values, ranges, among = [], [], 0
        for one in things[:NAMED]:
            low, high, first = json.loads(one.detail)
            line = self._holding[one.key]
            known = Known.of(line)
            off = [value for value in dict.fromkeys((low, high)) if outside(value, value, known)]
            values.append(f"{' and '.join(f'{value:g}' for value in off)} to {one.key.object}")
            among = max(among, 0 if outside(first, first, known) else one.seen.times)
            told = f"{one.key.object} from {known.least:g} to {known.greatest:g}"
            ranges.append(f"{told} ({_how(line)})")
        doubt = f"Which of {among} writes it was is not kept" if among > 1 else ""
        return {"values": ", ".join(values), "ranges": f"{', '.join(ranges)}.", "doubt": doubt}

    def _of_identity(self, things: Sequence[Thing]) -> dict[str, str]:
        told = [f"{one.key.operation.replace('_', ' ')} {one.key.object}" for one in things]
        known = [
            f"{one.key.operation.replace('_', ' ')} {' or '.join(self._said_before(one.key))}"
            for one in things
        ]
        return {"identity": _few(told), "identity_known": f"{_few(known)}."}

    def _of_state(self, things: Sequence[Thing]) -> dict[str, str]:
        state, normal = by_state(things)
        return {"state": state, "states": _few(normal)}

    def _of_silent(self, things: Sequence[Thing]) -> dict[str, str]:
        first = min(things, key=lambda one: one.last_time)
        heard = self.base.shown.spans.of_group(first.scope.network)
        gone_s = heard.between(first.last_time, heard.end) // SECOND_NS
        line = self._holding[first.key]
        told = {
            "last": time_text(first.last_time // SECOND_NS * SECOND_NS),
            "silent": f"{gone_s} s",
            "presence": str(json.loads(line.detail)[2]),
        }
        if len(things) > 1:
            names = _few([one.server for one in things])
            told["server"] = telling.MANY
            told["silent"] += f"; with it {names}: look at the capture and the power feed first"
        return told


WRITES = frozenset({"write", "control", "program", "mode", "firmware"})


def _level(kind: Kind, cls: str, about: str) -> Level:
    if kind in {kinds.NEW_OPERATION, kinds.OTHER_STATE}:
        return LEVEL_OF_CLASS.get(cls, "low")
    if kind is kinds.NEW_OBJECT:
        return OBJECTS[about.removesuffix(telling.FURTHER).strip()]
    return kind.level


OBJECTS: Mapping[str, Level] = {
    "change outside": "high",
    "change inside": "low",
    "read outside": "medium",
    "read inside": "low",
}


def _one(values: Iterable[str]) -> str:
    some = sorted(set(values))
    return some[0] if len(some) == 1 else telling.MANY


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value[: telling.LONGEST] for value in values if value))[
        : telling.KEPT
    ]


def _few(values: Iterable[str]) -> str:
    some = [value[: telling.LONGEST] for value in values]
    more = len(some) - NAMED
    told = ", ".join(some[:NAMED])
    return f"{told} and {more} more" if more > 0 else told


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


def _packets(finding: Finding, things: Iterable[Thing]) -> Iterator[Packet]:
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
    ordered = [shown[number] for number in sorted(shown)]
    if len(ordered) > telling.PACKETS:
        ordered = [*ordered[: telling.PACKETS - 2], *ordered[-2:]]
    yield from ordered
