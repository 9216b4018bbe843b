"""What a store shows that its baseline does not hold, as findings in the form that rules make them.

Only devices of which learning has ended are judged. What a rule has told already is not told
again; what comes with something new (the operations of a new conversation) is told with it.
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from otsec.baseline import kinds, outage_kinds
from otsec.baseline.allowed import verdicts
from otsec.baseline.barred import NO_RULES, Told
from otsec.baseline.kinds import Kind
from otsec.baseline.learning import Baseline, baseline
from otsec.baseline.model import CHANGING, NOVEL, Key, Scope, Thing
from otsec.baseline.off_order import off_order
from otsec.baseline.off_time import off_time
from otsec.baseline.outages import Outage, outages
from otsec.baseline.ranges import Known, outside
from otsec.baseline.shift import SEVERAL, SHIFTED, Deviation, joined
from otsec.baseline.spans import Heard
from otsec.baseline.states import elsewhere, states
from otsec.baseline.telling import Telling, written_outside
from otsec.baseline.things import pair
from otsec.changes.linking import link
from otsec.config import Config
from otsec.detect import incidents, telling
from otsec.detect.judging import found_in
from otsec.detect.model import LEVELS, Level, Rule
from otsec.detect.rows import scope as scope_of_address
from otsec.detect.violations import violations
from otsec.inventory.model import Node
from otsec.memory import no_cycles
from otsec.nanoseconds import SECOND_NS
from otsec.policy.model import Policy
from otsec.store import Store
from otsec.store import baseline as kept
from otsec.store.baseline import Line
from otsec.store.findings import Finding, replace
from otsec.store.judged import Occurrence

SILENCES = 3  # so many times the longest silence that was ever heard
LEAST_SILENT_S = 600
EITHER_WAY = frozenset({"conversation", "operation", "object"})
WIDE = frozenset({kinds.NEW_CONVERSATION.name, kinds.NEW_PEER.name})
WRITES = frozenset({"write", "control", "program", "mode", "firmware"})
BLIND = frozenset({"tap-outage", "sensor-overload", "vlan-lost"})
AT_ONCE = "several at once"


def judge(
    store: Store,
    rules: Sequence[Rule],
    policy: Policy | None = None,
    config: Config | None = None,
) -> list[Finding]:
    """Judge a store by rules, by the site's policy and by its baseline, and keep the findings.

    ``config``: tells of states of the plant. Gives them, the worst first.
    """
    with no_cycles():
        return _judged(store, rules, policy, config)


def _judged(
    store: Store, rules: Sequence[Rule], policy: Policy | None, config: Config | None
) -> list[Finding]:
    by_rules = found_in(store, rules)
    found = list(by_rules)
    base = baseline(store) if kept.ended(store) else None
    if policy is not None:
        found += violations(store, verdicts(store, policy, base=base))
    out = outages(store, None if base is None else base.shown.inventory)
    if base is not None:
        told_of = states(config, store) if config is not None else None
        strange = () if told_of is None else tuple(elsewhere(base, told_of, store))
        zone = UTC if config is None else config.zone()
        made = deviations(base, [one for one, _ in found], out, strange, zone)
        deviating = joined(store, base, made)
        found += (one.found for one in deviating)
    found += outage_kinds.told(out)
    if len(found) > len(by_rules):
        found = incidents.joined(found)
        found.sort(key=lambda one: (-LEVELS.index(one[0].level), -one[0].last_time, one[0].id))
    told = replace(store, found)
    link(store, told)
    return told


def deviations(
    base: Baseline,
    told: Sequence[Finding],
    out: Sequence[Outage] = (),
    strange: Iterable[tuple[Thing, str]] = (),
    zone: tzinfo = UTC,
) -> list[Deviation]:
    """All that deviates; ``told``: findings of rules, of which nothing is told again.

    ``out``: outages, by which devices are silent that are not missed for it; ``strange``: what was
    done in another state of the plant than otherwise, with that state; ``zone``: of the site.
    """
    rules = [one for one in told if one.category not in NO_RULES and one.level != "informational"]
    look = _Look(
        base,
        Told(rules),
        tuple(one for one in out if one.open and len(one.devices) > 1),
        tuple(one for one in out if one.kind in BLIND),
    )
    groups: dict[tuple[str, telling.Key], list[Thing]] = defaultdict(list)
    by_name = {one.name: one for one in kinds.ALL}
    for kind, thing, about in look.deviating():
        groups[kind.name, _key(kind, thing, about)].append(thing)
    for thing, state in strange:
        if look.judges(thing):
            level = kinds.LEVEL_OF_CLASS.get(thing.key.cls, "low")
            key = _key(kinds.OTHER_STATE, thing, f"{level}: {state}")
            groups[kinds.OTHER_STATE.name, key].append(thing)
    say = Telling(base)
    made = [
        Deviation(say.finding(by_name[name], key, things), tuple(things))
        for (name, key), things in sorted(_bounded(_several(groups)).items())
    ]
    others = [*off_time(base, out, zone), *off_order(base, out)]
    return made + [Deviation(found, things) for found, things in others]


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
    blind: tuple[Outage, ...] = ()  # that hide who goes on talking

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
                    if not self._told(one, kinds.level(kind, one.key.cls, about))
                )
        yield from self._values(keys)
        yield from self._silent()

    def _new(self, thing: Thing) -> bool:
        if thing.key.kind not in NOVEL or not self._judged(thing):
            return False
        line = self.base.known.get(thing.key) or self._turned(thing.key)
        return line is None or not line.holds(thing.last_time)

    def _turned(self, key: Key) -> Line | None:
        """What is known the other way round, where only the first packet tells who asks whom."""
        if key.kind not in EITHER_WAY or pair(key) not in self.base.shown.either:
            return None
        return self.base.known.get(key._replace(client=key.server, server=key.client))

    def _judged(self, thing: Thing) -> bool:
        """Whether learning of it has ended, and the capture was not blind."""
        if self.base.end(thing.scope) is None:
            return False
        heard = self.base.shown.spans.of_group(thing.scope.network)
        return not heard.in_gap(thing.first_time, thing.last_time)

    def judges(self, thing: Thing) -> bool:
        """Whether a thing is to be told of, and no rule has told of it."""
        least = kinds.level(kinds.OTHER_STATE, thing.key.cls, "")
        return self._judged(thing) and not self._told(thing, least)

    def _told(self, thing: Thing, least: Level) -> bool:
        """Whether a rule tells of it, and as no less than it is."""
        return self.told.by(thing, least) is not None

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
            yield kinds.NEW_OPERATION, thing, kinds.LEVEL_OF_CLASS.get(thing.key.cls, "low")
        elif kind == "object":
            within = self.base.covers(thing.key)
            sort = "change" if thing.key.cls in CHANGING else "read"
            yield kinds.NEW_OBJECT, thing, f"{sort} {'inside' if within else 'outside'}"
        elif kind == "identity" and self.base.said_before(thing.key):
            yield kinds.IDENTITY, thing, ""

    def _writes(self, thing: Thing) -> bool:
        """Whether a change is news: of its class, or as its client is not known to change at all."""
        if thing.key.kind != "writer":
            return False
        known = any(
            key.kind == "writer" and key[1:6] == thing.key[1:6] for key in self.base.holding
        )
        return thing.key.cls in WRITES or not known

    def _values(self, new: set[Key]) -> Iterator[tuple[Kind, Thing, str]]:
        off: dict[int, list[Thing]] = defaultdict(list)
        for thing in self.base.shown.values:
            line = self.base.holding.get(thing.key)
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
        """The writes of a value that are outside of its range: the worst, and the last one.

        Where these are not kept, those among which they must be: what was written while the range
        was learned is within it.
        """
        line = self.base.holding[thing.key]
        if exact := written_outside(thing, Known.of(line)):
            return exact
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
            line = self.base.holding.get(thing.key) if thing.key.kind == "presence" else None
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
            gone = heard.between(thing.last_time, heard.end) - self._hidden(thing, heard)
            gone_s = gone // SECOND_NS
            late = gone_s >= max(SILENCES * longest_s, LEAST_SILENT_S)
            if late and not self._is_out(thing.scope):
                silent[network].append(thing)
        for network, things in silent.items():
            many = len(things) >= SEVERAL and len(things) > SHIFTED * always[network]
            for thing in things:
                yield kinds.SILENT, thing, AT_ONCE if many else ""

    def _hidden(self, thing: Thing, heard: Heard) -> int:
        """How long outages of tap or VLAN have hidden a device since it was last heard, ns."""
        hidden, upto = 0, thing.last_time
        for one in self.blind:  # in order of their begin
            whole = one.kind != "vlan-lost" or one.place == thing.scope.place
            mine = whole and (one.site, one.group) == thing.scope[:2]
            end = heard.end if one.open else one.end
            if mine and end > upto:
                hidden += heard.between(max(one.begin, upto), end)
                upto = end
        return hidden

    def _is_out(self, scope: Scope) -> bool:
        """Whether an outage that goes on tells why a device is silent."""
        asset = self.base.shown.inventory.at(Node(*scope))
        mine = {scope.address} if asset is None else {one.text for one in asset.addresses}
        return any(
            (one.site, one.group) == scope[:2]
            and not mine.isdisjoint(device.address for device in one.devices)
            for one in self.out
        )
