"""A policy as a list of terms, each addresses, ports and what to do, for devices that know no more."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from otsec.policy.lowering import Loss, Lowering
from otsec.policy.model import Allow, Network, Policy, Rule
from otsec.policy.placing import People

VERSIONS = (4, 6)
EVERYWHERE = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}
ICMP = {"icmp": ("icmp", 4), "icmp6": ("icmpv6", 6)}  # how a service is called here, and of what


@dataclass(frozen=True, slots=True)
class Term:
    """What passes, or does not, between networks of one version of IP."""

    rule: Rule
    allow: Allow
    action: Literal["accept", "deny"]
    version: int
    sources: tuple[Network, ...]  # empty: everybody
    targets: tuple[Network, ...]
    protocol: str  # tcp, udp, sctp, icmp, icmpv6, or the number of another; empty: any
    ports: tuple[int, ...]  # empty: any


def terms(policy: Policy, people: People | None, at: int) -> tuple[list[Term], list[Loss]]:
    """The terms in the order in which they are asked, and what they cannot say.

    ``at``: ns; an exception that has expired by then is left out.
    """
    writer = _Terms(policy, people, at=at)
    return list(writer.terms()), writer.losses


@dataclass(slots=True)
class _Terms(Lowering):
    at: int = 0

    def terms(self) -> Iterator[Term]:
        for rule in self.policy.nevers:
            if self.forbids(rule):
                yield from self._of(rule, rule.allows[0], "deny")
        for rule in (*self.policy.exceptions, *self.policy.conduits):
            if rule.ends is not None and rule.ends <= self.at:
                self.lose(rule, f"left out: it has expired ({rule.expires})")
                continue
            self.unlimited(rule)
            self._timeless(rule)
            for allow in rule.allows:
                self.whole(rule, allow)
                yield from self._of(rule, allow, "accept")

    def _timeless(self, rule: Rule) -> None:
        if rule.window is not None:
            self.lose(rule, f'window "{rule.window.name}" is not kept: it passes at any time')
        if rule.expires is not None:
            self.lose(rule, f"it does not end by itself: take it out after {rule.expires}")

    def _of(self, rule: Rule, allow: Allow, action: Literal["accept", "deny"]) -> Iterator[Term]:
        sides = [self.addresses(rule, ends) for ends in (rule.sources, rule.targets)]
        without = (self.addresses(rule, rule.unless_from) or ()) if rule.unless_from else ()
        for version in VERSIONS:
            kept = [_of_version(side, version) for side in sides]
            source, target = kept
            if without and source is not None:
                source = _without(source or (EVERYWHERE[version],), without)
            if source is None or target is None:
                continue
            for protocol, ports in self._spoken(rule, allow, version):
                yield Term(rule, allow, action, version, source, target, protocol, ports)

    def _spoken(
        self, rule: Rule, allow: Allow, version: int
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Protocols above IP with their ports."""
        if not allow.ports:
            yield "", ()
        alone, by_kind = self.services(rule, allow, ICMP)
        yield from ((ICMP[kind][0], ()) for kind in alone if ICMP[kind][1] == version)
        for kind, numbers in by_kind.items():
            if kind == "ip":
                yield from ((str(number), ()) for number in numbers)
            else:
                yield kind, tuple(numbers)


def _of_version(nets: Sequence[Network] | None, version: int) -> tuple[Network, ...] | None:
    """Those of a version, joined; empty: everybody, None: nobody."""
    if nets is None:
        return ()
    found = [net for net in nets if net.version == version]
    return tuple(ipaddress.collapse_addresses(found)) if found else None  # type: ignore[type-var]


def _without(nets: Sequence[Network], others: Sequence[Network]) -> tuple[Network, ...] | None:
    """Networks without those of others; None: nothing is left."""
    left = list(nets)
    for other in others:
        kept: list[Network] = []
        for net in left:
            if net.version != other.version or not net.overlaps(other):
                kept.append(net)
            elif other.prefixlen > net.prefixlen:
                kept += net.address_exclude(other)  # type: ignore[arg-type]
        left = kept
    return tuple(sorted(left)) or None
