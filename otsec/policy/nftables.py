"""A policy as a rule set of nftables, for a firewall between the zones; to be reviewed before use.

A firewall knows addresses, ports and its own clock. What else a policy says is lost, and each loss
is told: as a comment beside the rule and in the table at the head.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from otsec.nanoseconds import SECOND_NS
from otsec.policy.lowering import Loss, Lowering
from otsec.policy.model import Allow, Network, Policy, Rule, Window
from otsec.policy.placing import People
from otsec.policy.values import MINUTES

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
IP_PROTOCOLS = {"icmp": "ip protocol icmp", "icmp6": "meta l4proto ipv6-icmp"}
FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))


@dataclass(slots=True)
class _Set:
    """Addresses of one side of rules, by a name of their own."""

    name: str
    nets: tuple[Network, ...]

    def of(self, version: int) -> list[Network]:
        """Those of one version of IP, joined where they touch."""
        return list(_collapsed(self.nets, version))


def _collapsed(nets: Iterable[Network], version: int) -> Iterator[Network]:
    if version == 4:
        yield from ipaddress.collapse_addresses(
            net for net in nets if isinstance(net, ipaddress.IPv4Network)
        )
    else:
        yield from ipaddress.collapse_addresses(
            net for net in nets if isinstance(net, ipaddress.IPv6Network)
        )


@dataclass(slots=True)
class _Writer(Lowering):
    enforce: bool = False
    sets: dict[tuple[Network, ...], _Set] = field(default_factory=dict)

    def named(self, nets: tuple[Network, ...]) -> str:
        """The name of a set of networks."""
        if nets not in self.sets:
            self.sets[nets] = _Set(f"otsec_{len(self.sets) + 1}", nets)
        return self.sets[nets].name

    # -------------------------------------------------------------------------- rules

    def rules(self) -> Iterator[str]:
        """The lines of the chain."""
        yield "ct state established,related counter accept"
        for rule in self.policy.nevers:
            yield from self._never(rule)
        for rule in (*self.policy.exceptions, *self.policy.conduits):
            yield from self._allowed(rule)
        verdict = "drop" if self.enforce else "accept"
        yield f'log prefix "otsec-deny " counter {verdict}'

    def _never(self, rule: Rule) -> Iterator[str]:
        if not self.forbids(rule):
            return
        verdict = f'log prefix "otsec-never {rule.id} " counter '
        verdict += "drop" if self.enforce else "accept"
        ports = list(self._ports(rule, rule.allows[0])) if rule.allows[0].ports else [""]
        for match in self._ends(rule):
            for port in ports:
                words = " ".join(word for word in (match.strip(), port) if word)
                yield f"{words} {verdict} {_comment(rule)}".strip()

    def _allowed(self, rule: Rule) -> Iterator[str]:
        self.unlimited(rule)
        times = list(_times(rule, self.policy))
        if rule.window is not None or rule.ends is not None:
            self.lose(
                rule, f"times are by the clock of the firewall, meant for {self.policy.zone.key}"
            )
        for allow in rule.allows:
            self.whole(rule, allow)
            for match in self._ends(rule):
                for port in self._ports(rule, allow):
                    for time in times:
                        words = " ".join(word for word in (match.strip(), port, time) if word)
                        yield f"{words} counter accept {_comment(rule)}"

    def _ends(self, rule: Rule) -> Iterator[str]:
        """What matches both ends, of each version of IP in which both have addresses."""
        sides = [self.addresses(rule, ends) for ends in (rule.sources, rule.targets)]
        without = self.addresses(rule, rule.unless_from) if rule.unless_from else ()
        for version, word, _ in FAMILIES:
            shown = [side is None or any(net.version == version for net in side) for side in sides]
            if not all(shown) or (version == 6 and sides == [None, None]):
                continue
            parts = []
            for side, name in zip(sides, ("saddr", "daddr"), strict=True):
                if side is not None:
                    parts.append(f"{word} {name} @{self.named(side)}_{version}")
            if without and any(net.version == version for net in without):
                parts.insert(0, f"{word} saddr != @{self.named(without)}_{version}")
            yield " ".join(parts) + " "

    def _ports(self, rule: Rule, allow: Allow) -> Iterator[str]:
        alone, by_kind = self.services(rule, allow, IP_PROTOCOLS)
        yield from (IP_PROTOCOLS[kind] for kind in alone)
        for kind, numbers in by_kind.items():
            listed = ", ".join(map(str, numbers))
            yield f"meta l4proto {{ {listed} }}" if kind == "ip" else f"{kind} dport {{ {listed} }}"


def _comment(rule: Rule) -> str:
    return f'comment "{rule.kind} {rule.id}"'


def _times(rule: Rule, policy: Policy) -> Iterator[str]:
    """What matches the times of a rule: of a window over midnight, one for each of its days."""
    dates = ""
    if rule.expires is not None:
        first = "1970-01-01"
        if rule.begins is not None:
            seconds = rule.begins // SECOND_NS
            first = str(datetime.fromtimestamp(seconds, policy.zone).date())
        dates = f'meta time "{first} 00:00:00"-"{rule.expires} 23:59:59"'
    if rule.window is None:
        yield dates
        return
    for days, hours in _window(rule.window):
        yield " ".join(word for word in (dates, _dates(rule.window), days, hours) if word)


def _dates(window: Window) -> str:
    if window.from_date is None and window.to_date is None:
        return ""
    first, last = window.from_date or "1970-01-01", window.to_date or "2037-12-31"
    return f'meta time "{first} 00:00:00"-"{last} 23:59:59"'


def _window(window: Window) -> Iterator[tuple[str, str]]:
    if window.start < window.end:
        yield _days(window.days), _hours(window.start, window.end)
        return
    yield _days(window.days), _hours(window.start, MINUTES)
    if window.end:
        yield _days(frozenset((day + 1) % 7 for day in window.days)), _hours(0, window.end)


def _days(days: frozenset[int]) -> str:
    named = ", ".join(f'"{DAYS[day]}"' for day in sorted(days))
    return f"meta day {{ {named} }}" if days else ""


def _hours(start: int, end: int) -> str:
    """Up to the last second before the end."""
    if (start, end) == (0, MINUTES):
        return ""
    last = end * 60 - 1
    clock = f"{last // 3600:02}:{last // 60 % 60:02}:{last % 60:02}"
    return f'meta hour "{start // 60:02}:{start % 60:02}:00"-"{clock}"'


def export(
    policy: Policy, people: People | None = None, *, enforce: bool = False
) -> tuple[str, list[Loss]]:
    """The rule set as text, and what it cannot say."""
    writer = _Writer(policy, people, enforce=enforce)
    chain = list(writer.rules())
    lines = list(_head(policy, writer.losses, enforce=enforce))
    lines.append("table inet otsec {")
    for one in writer.sets.values():
        for version, _, kind in FAMILIES:
            nets = one.of(version)
            if nets:
                lines.append(f"  set {one.name}_{version} {{")
                lines.append(f"    type {kind}; flags interval;")
                lines.append(f"    elements = {{ {', '.join(map(str, nets))} }}")
                lines.append("  }")
    lines.append("  chain forward {")
    lines.append("    type filter hook forward priority filter; policy accept;")
    told: set[str] = set()
    for line in chain:
        for loss in writer.losses:
            if line.endswith(f' {loss.rule}"') and loss.rule not in told:
                lines += [
                    f"    # lost: {one.what}" for one in writer.losses if one.rule == loss.rule
                ]
                told.add(loss.rule)
        lines.append(f"    {line}")
    lines += ["  }", "}"]
    return "\n".join(lines) + "\n", writer.losses


def _head(policy: Policy, losses: Sequence[Loss], *, enforce: bool) -> Iterator[str]:
    yield f"# Zones and conduits of {policy.site}, from {policy.name} (SHA-256 {policy.digest})."
    yield "# Review before use. Nothing was sent to any device. Check it with `nft -c -f FILE`."
    if not enforce:
        yield "# What the policy denies is let through and logged; --enforce drops it."
    yield f"# What this cannot say ({len(losses)}):"
    yield from (f"#   {loss.rule}: {loss.what}" for loss in losses)
