"""What an asset is, told by what it does and says; each guess with its evidence.

Rules are tables: of what is said, of what is answered and asked, of services. Rules that point to
the same role make it surer (one minus the product of their doubts), never certain.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from typing import NamedTuple

from otsec.inventory.families import (
    ANSWERS,
    CONTROL,
    DATABASES,
    DESCRIBING,
    HINTS,
    LONGEST,
    NAMES,
    NEUTRAL,
    PRODUCTS,
    PUBLISHES,
    SERVICES,
)
from otsec.inventory.model import PERSON, Guess, Known

ROLES: dict[str, float | None] = {  # with the Purdue level of each; None: it has none
    "plc": 1, "safety_plc": 1, "rtu": 1, "ied": 1, "io": 0, "drive": 0, "robot_controller": 1,
    "cnc": 1, "vehicle": 1, "meter": 0, "camera": 2, "hmi": 2, "scada_server": 2, "historian": 3,
    "ews": 2, "opc_server": 2, "mes": 3, "gateway": 1, "time_server": 3, "switch": None,
    "router": None, "firewall": None, "access_point": None, "domain_controller": 3,
    "jump_host": 3.5, "server": 3, "workstation": 3, "printer": 3, "mobile": 4, "unknown": None,
}  # fmt: skip
UNKNOWN = Guess("unknown", 0.0, ())
MOST_SURE = 0.99  # only a person is surer

Rule = tuple[re.Pattern[str], str, float]


class _Words:
    """Patterns with the roles that they speak for; compiled when they are first asked for."""

    def __init__(self, words: Iterable[tuple[str, str, float]]) -> None:
        self.words = tuple(words)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Each pattern with its role, and how sure that is."""
        return tuple(
            (re.compile(text, re.IGNORECASE), role, sure) for text, role, sure in self.words
        )

    @cached_property
    def any_of(self) -> re.Pattern[str]:
        """What matches where any of them does."""
        return re.compile("|".join(f"(?:{text})" for text, _, _ in self.words), re.IGNORECASE)

    def first(self, text: str) -> tuple[str, float]:
        """The role of the first pattern that a text meets; empty if it meets none, as most do."""
        if self.any_of.search(text):
            for pattern, role, confidence in self.rules:
                if pattern.search(text):
                    return role, confidence
        return "", 0.0


_ASKED = CONTROL - NEUTRAL  # protocols that say something of who asks in them
_ANSWERED = ANSWERS.keys() - NEUTRAL
_PRODUCTS, _NAMES = _Words(PRODUCTS), _Words(NAMES)
_HINTS = {attribute: _Words(words) for attribute, words in HINTS.items()}


@dataclass(slots=True)
class Traits:
    """What an asset is seen to do."""

    answers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    asks: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    publishes: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)  # answered
    logs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    # by class of operation, whom it is done to and in which protocols
    does: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(dict))
    behind: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    forwards: list[tuple[str, bool]] = field(default_factory=list)  # why, whether as a proxy
    leads_out: set[str] = field(default_factory=set)  # whom DHCP told that it is their gateway


class Sign(NamedTuple):
    """One thing that speaks for a role; things of one kind do not make each other surer."""

    kind: str
    role: str
    confidence: float
    evidence: str


def guess(traits: Traits, known: Iterable[Known]) -> tuple[Guess, ...]:
    """The roles that something speaks for, the likeliest first; never empty."""
    told = list(known)
    for one in told:
        if one.attribute == "role" and one.said_by == PERSON:
            return (Guess(one.value, 1.0, (f"said by {one.reason}",)),)
    signs: dict[str, list[Sign]] = defaultdict(list)
    for sign in (*_says(told), *_does(traits), *_answers(traits)):
        signs[sign.role].append(sign)
    guesses = [Guess(role, _sure(found), _evidence(found)) for role, found in signs.items()]
    return tuple(sorted(guesses, key=lambda one: (-one.confidence, one.role))) or (UNKNOWN,)


def _sure(signs: Iterable[Sign]) -> float:
    most: dict[str, float] = {}
    for sign in signs:
        most[sign.kind] = max(sign.confidence, most.get(sign.kind, 0.0))
    doubt = prod(1 - confidence for confidence in most.values())
    return min(MOST_SURE, round(1 - doubt, 2))


def _evidence(signs: Iterable[Sign]) -> tuple[str, ...]:
    ordered = sorted(signs, key=lambda sign: (-sign.confidence, sign.evidence))
    return tuple(dict.fromkeys(sign.evidence for sign in ordered))


def level_of(role: Guess, known: Iterable[Known]) -> float | None:
    """The Purdue level: what a person said, else that of the role."""
    for one in known:
        if one.attribute == "level" and one.said_by == PERSON:
            return float(one.value)
    return ROLES.get(role.role)


# ---------------------------------------------------------------------------------- signs


def _says(known: Iterable[Known]) -> Iterator[Sign]:
    """What it says of itself; what was replaced no longer counts, nor what units behind it say."""
    for one in known:
        if one.device or one.standing == "replaced":
            continue
        text = one.value[:LONGEST]
        if one.attribute in DESCRIBING:
            role, confidence = _product(text)
            if role:
                evidence = f"{one.attribute} {text!r} by {one.said_by}"
                sure = round(confidence * min(1.0, one.confidence + 0.1), 2)
                yield Sign("product", role, sure, evidence)
        hints = _HINTS.get(one.attribute)
        for pattern, role, confidence in hints.rules if hints is not None else ():
            if pattern.search(text):
                evidence = f"calls itself {text!r} by {one.said_by}"
                yield Sign(one.attribute, role, confidence, evidence)
        if one.attribute in {"name", "hostname"}:
            role, confidence = _NAMES.first(text)
            if role:
                yield Sign("name", role, confidence, f"is named {text!r}")


@lru_cache(maxsize=4096)  # a plant buys many of one kind
def _product(text: str) -> tuple[str, float]:
    return _PRODUCTS.first(text)


def _answers(traits: Traits) -> Iterator[Sign]:
    for protocol, clients in traits.answers.items():
        if protocol in ANSWERS:
            role, confidence = ANSWERS[protocol]
            evidence = f"answers {protocol} for {_count(clients, 'client')}"
            yield Sign(protocol, role, confidence, evidence)
    for protocol in traits.publishes:
        if protocol in PUBLISHES:
            yield Sign(protocol, *PUBLISHES[protocol], f"publishes {protocol}")
    for service in traits.services:
        if service in SERVICES:
            yield Sign(service, *SERVICES[service], f"answers on {service}")
    for protocol, units in traits.behind.items():
        if len(units) > 1:
            sure = 0.85 if len(units) > 2 else 0.6
            evidence = f"{len(units)} devices answer behind it ({protocol})"
            yield Sign("behind", "gateway", sure, evidence)
    for reason, proxy in traits.forwards:
        yield Sign("forwards", "router", 0.6 if proxy else 0.8, reason)
    if traits.leads_out:  # told, not seen; what a device is set to by itself is often a controller
        evidence = f"is the gateway of {_count(traits.leads_out, 'device')} by dhcp"
        yield Sign("leads out", "router", 0.75, evidence)


def _does(traits: Traits) -> Iterator[Sign]:
    asked = {p: s for p, s in traits.asks.items() if p in _ASKED}
    servers = set().union(*asked.values()) if asked else set()
    protocols = ", ".join(sorted(asked))
    for classes, role, sure, verb in (
        (("program", "firmware"), "ews", 0.85, "loads or reads programs or firmware of"),
        (("mode",), "ews", 0.5, "starts, stops or restarts"),
        (("config",), "ews", 0.3, "configures"),
    ):
        done = _together(traits.does, classes)
        if done:
            spoken = ", ".join(sorted(set().union(*done.values())))
            yield Sign(verb, role, sure, f"{verb} {_count(done, 'device')} ({spoken})")
    moved = _together(traits.does, ("write", "control"))
    read = _together(traits.does, ("read", "report"))
    if not servers or not _ANSWERED.isdisjoint(traits.answers):
        return  # a controller that asks others stays one
    stores = sorted((traits.answers.keys() | traits.services) & DATABASES)
    if read and not moved and stores:
        yield Sign("stores", "historian", 0.5, f"reads controllers, answers {', '.join(stores)}")
    told = f"reads {_count(read, 'device')}, writes to {_count(moved, 'device')} ({protocols})"
    if len(servers) > 3:
        yield Sign("asks", "scada_server", 0.7 if moved else 0.5, told)
        yield Sign("asks", "hmi", 0.3, told)
        if not moved:
            yield Sign("asks", "historian", 0.5, told)
    elif read and not moved and len(asked) > 1:  # whoever shows a process speaks one language
        yield Sign("asks", "historian", 0.6, told)
        yield Sign("asks", "hmi", 0.2, told)
    elif read or moved:
        yield Sign("asks", "hmi", 0.6 if moved else 0.4, told)
        yield Sign("asks", "scada_server", 0.3, told)


def _together(
    does: Mapping[str, Mapping[str, set[str]]], classes: Iterable[str]
) -> dict[str, set[str]]:
    """By server, the protocols in which operations of the classes are done to it."""
    found: dict[str, set[str]] = defaultdict(set)
    for cls in classes:
        for server, protocols in does.get(cls, {}).items():
            found[server] |= protocols & CONTROL
    return {server: protocols for server, protocols in found.items() if protocols}


def _count(things: Iterable[str], word: str) -> str:
    number = len(set(things))
    return f"{number} {word}{'' if number == 1 else 's'}"
