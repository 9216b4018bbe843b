"""The judge: what a policy says of an operation between two ends.

The work is done for each distinct combination of who is meant, protocol and operation, of which a
plant has few; what depends on time is then judged in columns. `never` is asked before exceptions,
these before conduits, and defaults hold where no rule does; within a block there is no order.
"""

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from otsec.columns import I64, Mask
from otsec.nanoseconds import SECOND_NS
from otsec.policy import windows
from otsec.policy.model import DMZ, IMPLIED, IT_KINDS, LEVELS, Allow, Policy, Rule, Verdict, Zone
from otsec.policy.placing import Endpoint, Places
from otsec.store.filters import span

# What keeps a link going and never crosses a boundary: ARP, LLDP, spanning tree and other LLC of
# bridges, 802.1X, slow protocols, flow control, loop tests, CDP. No policy is about it.
LINK = frozenset({
    "0x0806", "0x8035", "0x88cc", "0x4242", "0x888e", "0x8809", "0x8808", "0x9000", "0x2000",
    "0xaaaa", "0x88e3", "0x892f",
})  # fmt: skip
NO_ADDRESS = frozenset({"0.0.0.0", "::", "255.255.255.255"})  # noqa: S104 - as client: who has none yet
UNTOLD = frozenset({"", "unknown", "(many)"})  # objects and devices that say nothing

Cause = Literal[
    "rule", "link", "default", "never", "expired", "not_begun", "window", "session", "safety",
    "it_ot", "internet", "level_skip", "cross_zone", "intra_zone", "baseline", "unplaced",
]  # fmt: skip


class What(NamedTuple):
    """What is done, without its object."""

    protocol: str  # that the bytes prove; empty: none
    service: str
    operation: str  # empty: it could not be read
    cls: str


class Thing(NamedTuple):
    """What it is done to."""

    device: str
    object: str
    appids: frozenset[int] = frozenset()


NOTHING = Thing("", "")


class Option(NamedTuple):
    """What holds, if its rule is in force."""

    verdict: Verdict
    cause: Cause
    rule: Rule | None  # the rule that decides
    near: Rule | None = None  # a conduit between the same ends that allows something else

    @property
    def by(self) -> Rule:
        """The rule, of what one decides."""
        if self.rule is None:
            raise ValueError(f"no rule decides {self.cause}")
        return self.rule


@dataclass(frozen=True, slots=True)
class Ruling:
    """The options for a combination: the first whose rule is in force holds."""

    options: tuple[Option, ...]
    lapsed: Option | None = None  # in place of the last, if it does not allow

    @property
    def timed(self) -> bool:
        """Whether it depends on time."""
        return len(self.options) > 1

    @property
    def rules(self) -> Iterator[Rule]:
        """The rules that it depends on."""
        return (option.rule for option in self.options if option.rule is not None)


LINKED = Ruling((Option("allow", "link", None),))


class Moments(NamedTuple):
    """When rows were seen, as columns."""

    time: I64
    session: I64  # length of the session in ns; -1: not known


Baseline = Collection[tuple[str, str, str, str]]  # client, server, protocol, class
SEVERITY: Mapping[Verdict, int] = {"allow": 0, "undecoded": 1, "unknown_endpoint": 2, "deny": 3}


class Judge:
    """Judges by one policy."""

    def __init__(self, policy: Policy, places: Places, baseline: Baseline = ()) -> None:
        self.policy = policy
        self.places = places
        self.baseline = baseline
        self.rules = policy.rules
        self.details = any(allow.details for rule in self.rules for allow in rule.allows)
        self._by_ends = self._index()
        self._unless = [self._bits(rule.unless_from) for rule in self.rules]
        self._candidates: dict[tuple[int, int], tuple[int, ...]] = {}
        self._plain: dict[
            object, Ruling | None
        ] = {}  # of operations of which no thing is asked for
        self._rulings: dict[object, Ruling] = {}
        self._crossings: dict[tuple[str, str], Option] = {}
        self._fits: dict[tuple[tuple[int, ...], What], tuple[tuple[int, Fit], ...]] = {}

    def _bits(self, ends: Iterable[object]) -> int:
        bits = 0
        for end in ends:
            bits |= 1 << self.places.number[end.selector]  # type: ignore[attr-defined]
        return bits

    def _index(self) -> dict[int, list[tuple[int, int]]]:
        """By selector of the source, the selectors of targets (as bits) with the rule's number."""
        index: dict[int, list[tuple[int, int]]] = {}
        for number, rule in enumerate(self.rules):
            targets = self._bits(rule.targets)
            for source in {self.places.number[end.selector] for end in rule.sources}:
                index.setdefault(source, []).append((targets, number))
        return index

    # ------------------------------------------------------------------------ candidates

    def candidates(self, client: Endpoint, server: Endpoint) -> tuple[int, ...]:
        """Numbers of the rules that are about these two ends, in order."""
        key = (client.selectors, server.selectors)
        if key not in self._candidates:
            found = set()
            for source in _ones(client.selectors):
                listed = self._by_ends.get(source, ())
                found |= {number for bits, number in listed if bits & server.selectors}
            kept = (n for n in sorted(found) if not self._unless[n] & client.selectors)
            self._candidates[key] = tuple(kept)
        return self._candidates[key]

    def ruling(self, client: Endpoint, server: Endpoint, what: What, thing: Thing) -> Ruling:
        """What holds for an operation between two ends, whose server is `Places.heard_by`."""
        return self.plain(client, server, what) or self.detailed(client, server, what, thing)

    def plain(self, client: Endpoint, server: Endpoint, what: What) -> Ruling | None:
        """The same, where it does not matter to what it is done; None: it does."""
        if what.service in LINK or client.address in NO_ADDRESS:
            return LINKED
        outside = client.internet or server.internet
        ends = (client.selectors, server.selectors, id(client.zone), id(server.zone), outside)
        learnt = (client.address, server.address) if self.baseline else None
        key = (ends, what, learnt)
        if key not in self._plain:
            fits = self._fitting(self.candidates(client, server), what)
            some = any(fit.details for _, fit in fits)
            self._plain[key] = None if some else self.detailed(client, server, what, NOTHING)
        return self._plain[key]

    def detailed(self, client: Endpoint, server: Endpoint, what: What, thing: Thing) -> Ruling:
        """What holds for an operation on a thing; things of which rules say the same share it."""
        candidates = self.candidates(client, server)
        default = self._default(client, server, what)
        fits = self._fitting(candidates, what)
        answers = tuple(fit.of(thing) for _, fit in fits)
        key = (candidates, what, default, answers)
        if key not in self._rulings:
            found = [
                (n, sure) for (n, _), sure in zip(fits, answers, strict=True) if sure is not None
            ]
            self._rulings[key] = self._ruled(candidates, found, default)
        return self._rulings[key]

    def _fitting(self, candidates: tuple[int, ...], what: What) -> "tuple[tuple[int, Fit], ...]":
        """Of the candidates, those that are about the operation, with how they are."""
        key = (candidates, what)
        if key not in self._fits:
            found = ((number, _fit(self.rules[number], what)) for number in candidates)
            self._fits[key] = tuple((number, fit) for number, fit in found if fit is not NO)
        return self._fits[key]

    def _ruled(
        self,
        candidates: Sequence[int],
        found: Sequence[tuple[int, bool]],
        default: Option,
    ) -> Ruling:
        options: list[Option] = []
        maybe_never = False
        for block in ("never", "exception", "conduit"):
            decided: list[Option] = []
            for number, sure in found:
                rule = self.rules[number]
                if rule.kind != block:
                    continue
                if block == "never":
                    maybe_never |= not sure
                    decided += [Option("deny", "never", rule)] if sure else []
                else:
                    verdict: Verdict = "allow" if sure and not maybe_never else "undecoded"
                    decided.append(Option(verdict, "rule", rule))
            decided.sort(key=_in_block)
            options += decided
            if any(not _conditional(option) for option in decided):
                break
        first = next((n for n, option in enumerate(options) if not _conditional(option)), None)
        if first is not None:
            return Ruling(tuple(options[: first + 1]))
        last = default
        if maybe_never and default.verdict == "allow":
            last = default._replace(verdict="undecoded")
        conduits = (self.rules[n] for n in candidates if self.rules[n].kind == "conduit")
        if last.verdict != "allow":
            last = last._replace(near=next(conduits, None))
        lapsed = next(
            (option for option in options if option.rule and option.verdict != "deny"), None
        )
        return Ruling((*options, last), lapsed)

    def _default(self, client: Endpoint, server: Endpoint, what: What) -> Option:
        """What holds where no rule does."""
        defaults = self.policy.defaults
        if client.zone is None or server.zone is None:
            cause: Cause = "internet" if client.internet or server.internet else "unplaced"
            verdicts: dict[str, Verdict] = {"alert": "unknown_endpoint", "deny": "deny"}
            return Option(verdicts.get(defaults.unplaced, "allow"), cause, None)
        if client.zone is server.zone:
            if defaults.intra_zone == "learn":
                known = (client.address, server.address, what.protocol or what.service, what.cls)
                return Option("allow" if known in self.baseline else "deny", "baseline", None)
            allowed = defaults.intra_zone == "allow"
            return Option(
                "allow" if allowed else "deny", "default" if allowed else "intra_zone", None
            )
        if defaults.inter_zone == "allow":
            return Option("allow", "default", None)
        names = (client.zone.name, server.zone.name)
        if names not in self._crossings:
            self._crossings[names] = Option("deny", crossing(client.zone, server.zone), None)
        return self._crossings[names]

    # ------------------------------------------------------------------------------- time

    def decide(self, ruling: Ruling, moments: Moments) -> tuple[tuple[Option, ...], I64]:
        """The options that hold, and for each row which of them, as a position."""
        options = list(ruling.options)
        chosen = np.full(len(moments.time), len(options) - 1, np.int64)
        lapsed = ruling.lapsed
        if lapsed is not None and options[-1].verdict != "allow" and lapsed.rule is not None:
            for cause, rows in self._lapsed(lapsed.rule, moments):
                options.append(Option("deny", cause, lapsed.rule))
                chosen[rows] = len(options) - 1
        for number in range(len(ruling.options) - 2, -1, -1):
            rule = ruling.options[number].rule
            if rule is not None:
                chosen[self.in_force(rule, moments)] = number
        return tuple(options), chosen

    def in_force(self, rule: Rule, moments: Moments) -> Mask:
        """In which rows a rule is in force."""
        held = windows.holds(rule, moments.time, self.policy.zone)
        return held & ~_too_long(rule, moments)

    def _lapsed(self, rule: Rule, moments: Moments) -> Iterator[tuple[Cause, Mask]]:
        """Why a rule that would allow something is not in force, and in which rows."""
        yield "session", _too_long(rule, moments)
        if rule.window is not None:
            yield "window", ~windows.inside(rule.window, moments.time, self.policy.zone)
        if rule.begins is not None:
            yield "not_begun", moments.time < rule.begins
        if rule.ends is not None:
            yield "expired", moments.time >= rule.ends


def _ones(bits: int) -> Iterator[int]:
    """The positions of the ones."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _conditional(option: Option) -> bool:
    return option.rule is not None and (option.rule.timed or option.rule.max_session > 0)


def _in_block(option: Option) -> tuple[bool, bool]:
    """Within a block what allows comes before what cannot be read, what always holds first."""
    return option.verdict == "undecoded", _conditional(option)


def _too_long(rule: Rule, moments: Moments) -> Mask:
    if not rule.max_session:
        return np.zeros(len(moments.time), bool)
    return moments.session > rule.max_session * SECOND_NS


def is_it(zone: Zone) -> bool:
    """Whether a zone belongs to the office or the world."""
    return zone.kind in IT_KINDS or (zone.level is not None and zone.level > DMZ)


def is_dmz(zone: Zone) -> bool:
    """Whether a zone lies between IT and OT."""
    return zone.kind == "dmz" or zone.level == DMZ


def crossing(one: Zone, other: Zone) -> Cause:
    """What makes it worst that something crosses from a zone to another."""
    if "safety" in {one.kind, other.kind}:
        return "safety"
    if is_it(one) != is_it(other) and not (is_dmz(one) or is_dmz(other)):
        return "it_ot"
    return "level_skip" if skips(one, other) else "cross_zone"


def skips(one: Zone, other: Zone) -> bool:
    """Whether a whole level lies between two zones; the DMZ is next to IT and to level 3."""
    if one.level is None or other.level is None or one is other:
        return False
    low, high = sorted((one.level, other.level))
    if high == DMZ:
        return low < 3
    if low == DMZ:
        return False
    return any(low < level < high for level in LEVELS if level != DMZ)


# ------------------------------------------------------------------------------ operations


class Fit(NamedTuple):
    """How a rule is about an operation: surely, or as far as can be read, and with which things."""

    sure: bool  # by an entry without details
    maybe: bool  # by an entry whose operations could not be read
    details: tuple[Allow, ...]  # entries that hold for some things only

    def of(self, thing: Thing) -> bool | None:
        """Whether it is surely about the thing; None: it is not."""
        if self.sure:
            return True
        told = [_named(allow, thing) for allow in self.details]
        if True in told:
            return True
        return False if self.maybe or None in told else None


NO = Fit(sure=False, maybe=False, details=())


def _fit(rule: Rule, what: What) -> Fit:
    about = _forbids if rule.kind == "never" else _allows
    entries = [(about(allow, what), allow) for allow in rule.allows]
    found = Fit(
        sure=any(how == "yes" for how, _ in entries),
        maybe=any(how == "maybe" for how, _ in entries),
        details=tuple(allow for how, allow in entries if how == "details"),
    )
    return NO if found == NO else found


_About: TypeAlias = Literal["yes", "maybe", "details", "no"]


def _forbids(allow: Allow, what: What) -> _About:
    """Whether an entry of a `never` is about an operation."""
    if allow.ports and what.service not in allow.ports:
        return "no"
    if allow.any_operation:
        return "yes"
    if not what.operation:
        return "maybe"
    return "yes" if what.cls in allow.classes or what.operation in allow.operations else "no"


def _allows(allow: Allow, what: What) -> _About:
    """Whether an entry of any other rule is about an operation."""
    at_port = what.service in allow.ports
    if allow.protocol and what.protocol == allow.protocol:
        proven = True
    elif allow.service and at_port and (not what.protocol or not allow.protocol):
        proven = allow.any_operation or bool(what.protocol)  # else nothing tells the operation
    elif at_port and not what.protocol:
        proven = False
    else:
        return "no"
    if not proven:
        return "maybe"
    if allow.any_operation:
        return "yes"
    if not what.operation:
        return "maybe"
    if what.cls == "session":
        return "yes"
    if allow.classes or allow.operations:
        implied = bool(allow.classes & IMPLIED.get(what.cls, frozenset()))
        if not (what.cls in allow.classes or what.operation in allow.operations or implied):
            return "no"
    return "details" if allow.details else "yes"


def _named(allow: Allow, thing: Thing) -> bool | None:
    """Whether an entry's details name a thing; None: the thing is not known."""
    unknown = False
    for kind, wanted in allow.details:
        told = DETAILS[kind](thing, wanted)
        if told is None:
            unknown = True
        elif not told:
            return False
    return None if unknown else True


def _objects(thing: Thing, wanted: tuple[str, ...]) -> bool | None:
    return None if thing.object in UNTOLD else any(_object(thing.object, one) for one in wanted)


@lru_cache(maxsize=65_536)
def _object(text: str, wanted: str) -> bool:
    allowed, named = span(wanted), span(text)
    if allowed is not None and named is not None and allowed.space == named.space:
        return allowed.first <= named.first and named.last <= allowed.last
    return _matches(text, wanted)


def _matches(text: str, wanted: str) -> bool:
    """Only * is special."""
    return fnmatch.fnmatchcase(text, wanted.replace("[", "[[]").replace("?", "[?]"))


def _devices(thing: Thing, wanted: tuple[str, ...]) -> bool | None:
    return any(_matches(thing.device, one) for one in wanted)


def _topics(thing: Thing, wanted: tuple[str, ...]) -> bool | None:
    topic = re.sub(r" qos \d.*$", "", thing.object)
    return (
        None if topic in UNTOLD else any(_topic(topic.split("/"), one.split("/")) for one in wanted)
    )


def _topic(levels: Sequence[str], wanted: Sequence[str]) -> bool:
    """MQTT 5.0 4.7: `+` is one level, `#` all that follow (also none)."""
    for number, want in enumerate(wanted):
        if want == "#":
            return True
        if number >= len(levels) or (want not in {"+", levels[number]}) or levels[number] == "#":
            return False
    return len(levels) == len(wanted)


def _numbered(prefix: str) -> "Callable[[Thing, tuple[str, ...]], bool | None]":
    def told(thing: Thing, wanted: tuple[str, ...]) -> bool | None:
        if not thing.device and prefix == "unit":  # the address itself: units 0 and 255
            return _in_ranges(0, wanted) or _in_ranges(255, wanted)
        word, _, number = thing.device.rpartition(" ")
        if word != prefix or not number.isdecimal():
            return None
        return _in_ranges(int(number), wanted)

    return told


def _in_ranges(number: int, wanted: tuple[str, ...]) -> bool:
    return any(
        int(first) <= number <= int(last)
        for first, _, last in (one.partition("-") for one in wanted)
    )


def _appids(thing: Thing, wanted: tuple[str, ...]) -> bool | None:
    return None if not thing.appids else all(_in_ranges(one, wanted) for one in thing.appids)


DETAILS: Mapping[str, Callable[[Thing, tuple[str, ...]], bool | None]] = {
    "objects": _objects,
    "nodes": _objects,
    "devices": _devices,
    "topics": _topics,
    "common_address": _numbered("ca"),
    "units": _numbered("unit"),
    "appid": _appids,
}
