"""What is wrong with a policy as a whole: rules that fight, overlap or allow too much."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np

from otsec.config import text_of
from otsec.errors import ConfigError
from otsec.nanoseconds import SECOND_NS
from otsec.policy import cases
from otsec.policy.judging import is_dmz, is_it, skips
from otsec.policy.model import Allow, End, Policy, Rule, Selector, Zone
from otsec.policy.placing import People, Places
from otsec.policy.problems import Problems, as_text
from otsec.policy.reading import Read, read
from otsec.policy.verdicts import Flow
from otsec.policy.windows import EPOCH, local

LONGEST_EXCEPTION = 366  # days; who needs longer needs a conduit
WRITING = frozenset({"write", "control", "program", "mode", "firmware", "config", "file"})


@dataclass(frozen=True, slots=True)
class Against:
    """What a policy is checked against besides itself."""

    at: int  # ns
    people: People | None = None  # of a store
    flows: Sequence[Flow] | None = None  # of a store, in which unused conduits show
    since: int = 0  # the flows tell of the time from here, ns
    until: int = 0  # to here


def check(path: Path, against: Against) -> Read:
    """A policy with everything that is wrong with it."""
    return checked(read(text_of(path, "policy"), str(path)), against)


def required(path: Path, at: int) -> Policy:
    """A policy that can be used. Raises ConfigError with a line for every error; ``at``: ns."""
    found = check(path, Against(at))
    if found.policy is None:
        wrong = [problem for problem in found.problems if problem.fatal]
        raise ConfigError(as_text(str(path), wrong).rstrip("\n"))
    return found.policy


def usable(path: Path) -> Read:
    """A policy to judge by, with the errors that forbid it; no clock is asked.

    Its tests and how long its exceptions last are what `check` looks at.
    """
    found = read(text_of(path, "policy"), str(path))
    problems = Problems()
    for look in LOOKS if found.policy is not None else ():
        if look is not _expiry and found.policy is not None:
            look(found.policy, Against(0), problems)
    together = tuple(sorted({*found.problems, *problems.sorted()}))
    return replace(found, policy=None if problems.fatal else found.policy, problems=together)


def checked(found: Read, against: Against) -> Read:
    """The same of one that is read already."""
    if found.policy is None:
        return found
    problems = Problems()
    policy = found.policy
    for look in LOOKS:
        look(policy, against, problems)
    if not problems.fatal:
        cases.run(policy, against.at, problems)
    together = tuple(sorted({*found.problems, *problems.sorted()}))
    return replace(found, policy=None if problems.fatal else policy, problems=together)


# ----------------------------------------------------------------------------------- zones


def _overlaps(policy: Policy, _against: Against, problems: Problems) -> None:
    """Equal prefixes in two zones, VLANs and assets alike; deeper prefixes may lie in others."""
    for one, other in combinations(policy.zones, 2):
        for net, place in zip(other.nets, other.net_places, strict=True):
            if net in one.nets:
                problems.add(
                    place,
                    "E110",
                    f'zone "{other.name}" net {net} overlaps zone "{one.name}" '
                    f"(line {one.place.line}) with the same prefix",
                )
        for what, mine, theirs in (
            ("VLAN", one.vlans, other.vlans),
            ("asset", one.assets, other.assets),
        ):
            for word in sorted({*mine} & {*theirs}):
                problems.add(
                    other.place,
                    "E110",
                    f'zone "{other.name}" {what} {word} is in zone "{one.name}" too '
                    f"(line {one.place.line})",
                )
    for zone in policy.zones:
        for number, net in enumerate(zone.nets):
            if net in zone.nets[:number]:
                place = zone.net_places[number]
                problems.add(place, "E110", f'zone "{zone.name}" net {net} stands twice')


# ---------------------------------------------------------------------------------- expiry


def _today(policy: Policy, at: int) -> date:
    days = int(local(np.array([at], np.int64), policy.zone)[0]) // (86_400 * SECOND_NS)
    return date.fromordinal(EPOCH.toordinal() + days)


def _expiry(policy: Policy, against: Against, problems: Problems) -> None:
    today = _today(policy, against.at)
    for rule in policy.exceptions:
        if rule.expires is None:
            continue
        begins = rule.begins
        first = today if begins is None else _today(policy, begins)
        if begins is not None and first > rule.expires:
            problems.add(
                rule.expires_place,
                "E404",
                f'exception "{rule.id}" expires on {rule.expires}, before it starts on {first}',
            )
        elif (rule.expires - first).days > LONGEST_EXCEPTION:
            problems.add(
                rule.expires_place,
                "E403",
                f'exception "{rule.id}" lasts until {rule.expires}, more than a year; '
                "make it a conduit, or let it expire earlier",
            )
        elif rule.expires < today:
            problems.add(
                rule.expires_place,
                "W402",
                f'exception "{rule.id}" has expired ({rule.expires}); '
                "remove it or renew it with a new ticket",
            )
    for window in policy.windows:
        if window.to_date is not None and window.to_date < today:
            problems.add(
                window.place,
                "W408",
                f'window "{window.name}" lies in the past (until {window.to_date})',
            )


# ----------------------------------------------------------------------------------- rules


def _never_kills(policy: Policy, _against: Against, problems: Problems) -> None:
    """Conduits and exceptions of which a `never` leaves nothing, or not all."""
    for rule in (*policy.conduits, *policy.exceptions):
        for never in policy.nevers:
            if never.window is not None or not _within(rule, never):
                continue
            if any(_covers_end(end, one) for end in rule.sources for one in never.unless_from):
                continue
            killed = [allow for allow in rule.allows if _forbids(never, allow)]
            if len(killed) == len(rule.allows):
                kind, code = (rule.kind, "E501" if rule.kind == "conduit" else "E508")
                problems.add(
                    rule.place,
                    code,
                    f'{kind} "{rule.id}" allows nothing: never "{never.id}" '
                    f"(line {never.place.line}) forbids all of it",
                )
            elif killed:
                problems.add(
                    killed[0].place,
                    "W511",
                    f'{rule.kind} "{rule.id}": never "{never.id}" (line {never.place.line}) '
                    f"forbids {killed[0].written}",
                )


def _forbids(never: Rule, allow: Allow) -> bool:
    """Whether all that an entry allows is forbidden."""
    forbidden = never.allows[0]
    if forbidden.ports and not (allow.ports and allow.ports <= forbidden.ports):
        return False
    if forbidden.any_operation:
        return True
    if allow.any_operation:
        return False
    return allow.classes <= forbidden.classes and allow.operations <= forbidden.operations


def _same(policy: Policy, _against: Against, problems: Problems) -> None:
    """Conduits that another one contains, and exceptions that a conduit makes needless."""
    for rule in (*policy.conduits, *policy.exceptions):
        for other in policy.conduits:
            if other is rule or other.timed or other.max_session or not _within(rule, other):
                continue
            if not all(any(_contains(a, b) for a in other.allows) for b in rule.allows):
                continue
            mutual = not rule.timed and _within(other, rule) and all(
                any(_contains(a, b) for a in rule.allows) for b in other.allows
            )  # fmt: skip
            if mutual and other.place > rule.place:
                continue  # told at the later of the two
            if rule.kind == "exception":
                problems.add(
                    rule.place,
                    "W507",
                    f'exception "{rule.id}" is never reached: conduit "{other.id}" '
                    f"(line {other.place.line}) allows the same",
                )
            else:
                word = "is the same as" if mutual else "is contained in"
                problems.add(
                    rule.place,
                    "W502",
                    f'conduit "{rule.id}" {word} conduit "{other.id}" (line {other.place.line})',
                )
            break


def _contains(one: Allow, other: Allow) -> bool:
    """Whether an entry allows all that another does."""
    if (one.protocol, one.service, one.ports) != (other.protocol, other.service, other.ports):
        return False
    if one.any_operation:
        return True
    if other.any_operation:
        return False
    same = not one.details or one.details == other.details
    return same and other.classes <= one.classes and other.operations <= one.operations


def _within(rule: Rule, other: Rule) -> bool:
    """Whether all whom a rule means are meant by another."""
    return all(
        any(_covers_end(end, one) for one in theirs)
        for mine, theirs in ((rule.sources, other.sources), (rule.targets, other.targets))
        for end in mine
    )


def _covers_end(end: End, other: End) -> bool:
    return covers(end.selector, other.selector)


def covers(narrow: Selector, wide: Selector) -> bool:
    """Whether all whom one selector means are surely meant by another."""
    if wide.any:
        return True
    if narrow.any or narrow.internet != wide.internet:
        return False
    return all(
        not theirs or (mine and mine <= theirs)
        for mine, theirs in (
            (narrow.zones, wide.zones),
            (narrow.roles, wide.roles),
            (narrow.tags, wide.tags),
            (narrow.assets, wide.assets),
            (frozenset(narrow.nets), frozenset(wide.nets)),
            (frozenset(narrow.macs), frozenset(wide.macs)),
            (narrow.vlans, wide.vlans),
            (frozenset(narrow.multicast), frozenset(wide.multicast)),
        )
    )


# ------------------------------------------------------------------------------- too much


def _zones_of(policy: Policy, ends: Sequence[End]) -> list[Zone]:
    named = {name for end in ends for name in end.selector.zones}
    everybody = any(end.selector.any for end in ends)
    return [zone for zone in policy.zones if everybody or zone.name in named]


def _crossings(policy: Policy, rule: Rule) -> Iterator[tuple[Zone, Zone]]:
    for one in _zones_of(policy, rule.sources):
        for other in _zones_of(policy, rule.targets):
            if one is not other:
                yield one, other


def _too_much(policy: Policy, _against: Against, problems: Problems) -> None:
    for rule in (*policy.conduits, *policy.exceptions):
        label = f'{rule.kind} "{rule.id}"'
        everybody = [any(end.selector.any for end in ends) for ends in (rule.sources, rule.targets)]
        if all(everybody):
            problems.add(rule.place, "E504", f"{label} goes from any to any; name who is meant")
            continue
        for one, other in _crossings(policy, rule):
            if is_it(one) != is_it(other) and not (is_dmz(one) or is_dmz(other)):
                problems.add(
                    rule.place,
                    "W506",
                    f'{label} goes from "{one.name}" to "{other.name}", between IT and OT without '
                    "the DMZ",
                )
            elif skips(one, other):
                problems.add(
                    rule.place,
                    "W503",
                    f'{label} skips a level: from "{one.name}" (level {one.level:g}) to '
                    f'"{other.name}" (level {other.level:g})',
                )
            if other.kind == "safety" and (moving := _moving(rule)):
                problems.add(
                    moving.place,
                    "W505",
                    f'{label} allows {moving.written} into safety zone "{other.name}"',
                )


def _moving(rule: Rule) -> Allow | None:
    """The first entry that lets something be changed."""
    for allow in rule.allows:
        if (
            allow.any_operation
            or allow.classes & WRITING
            or (allow.operations and not allow.classes)
        ):
            return allow
    return None


# --------------------------------------------------------------------------------- a store


def _empty_groups(policy: Policy, against: Against, problems: Problems) -> None:
    """Groups in which nobody of the inventory is."""
    if against.people is None:
        return
    places = Places(policy)
    ends = [
        places.endpoint(address, "", person)
        for person in against.people
        for address in (*person.ips, *person.macs)
    ]
    for group in policy.groups:
        number = places.number.get(group.selector)
        if number is not None and not any(end.selectors >> number & 1 for end in ends):
            problems.add(
                group.place,
                "W204",
                f'group "{group.name}" is empty: no asset of the store is in it',
            )


def _unused(policy: Policy, against: Against, problems: Problems) -> None:
    """Conduits that nobody used, as far as the store tells."""
    if against.flows is None:
        return
    used = {flow.option.rule.id for flow in against.flows if flow.option.rule is not None}
    days = (against.until - against.since) // (86_400 * SECOND_NS)
    span = f"in the {days} days of the store" if days > 1 else "in the traffic of the store"
    for rule in policy.conduits:
        if rule.id not in used:
            problems.add(rule.place, "W510", f'conduit "{rule.id}" was not used {span}')


LOOKS = (_overlaps, _expiry, _never_kills, _same, _too_much, _empty_groups, _unused)
__all__ = ["Against", "check", "checked", "covers"]
