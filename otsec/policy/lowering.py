"""A policy as what firewalls know: addresses and ports. What else it says is lost, and remembered."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from otsec.policy.model import Allow, End, MacRange, Network, Policy, Rule
from otsec.policy.placing import People, Places


@dataclass(frozen=True, slots=True)
class Loss:
    """What a rule says and the firewall cannot."""

    rule: str
    what: str


@dataclass(slots=True)
class Lowering:
    """Turns ends of rules into networks; `losses` is what cannot be said, each once."""

    policy: Policy
    people: People | None
    losses: list[Loss] = field(default_factory=list)

    def addresses(self, rule: Rule, ends: Sequence[End]) -> tuple[Network, ...] | None:
        """The networks of who is meant; None: everybody."""
        found: list[Network] = []
        for end in ends:
            selector = end.selector
            if selector.any:
                return None
            by_asset = selector.roles or selector.tags or selector.assets
            if selector.macs or selector.vlans or selector.internet:
                self.lose(
                    rule, f'"{end.name}": MAC addresses, VLANs and `internet` are not known here'
                )
            elif selector.multicast:
                for group in selector.multicast:
                    if isinstance(group, MacRange):
                        self.lose(rule, f'"{end.name}": frames below IP do not pass a firewall')
                    else:
                        found.append(group)
            elif by_asset and self.people is None:
                self.lose(rule, f'"{end.name}": roles, tags and names need a store (--db)')
            elif by_asset:
                found += self.members(end)
            elif selector.nets:
                found += selector.nets
            else:
                found += self.zone_nets(rule, end)
        return tuple(dict.fromkeys(found))

    def zone_nets(self, rule: Rule, end: End) -> Iterator[Network]:
        """The networks of zones; deeper ones of other zones lie in them."""
        for zone in self.policy.zones:
            if zone.name not in end.selector.zones:
                continue
            yield from zone.nets
            if zone.assets or zone.vlans:
                self.lose(rule, f'zone "{zone.name}": its assets and VLANs are left out')
            for other in self.policy.zones:
                if other is not zone and any(_inside(net, zone.nets) for net in other.nets):
                    self.lose(rule, f'zone "{zone.name}" holds networks of zone "{other.name}"')

    def members(self, end: End) -> Iterator[Network]:
        """The addresses of a store that are meant."""
        places = Places(self.policy)
        number = places.number[end.selector]
        for person in self.people or ():
            for text in person.ips:
                if places.endpoint(text, "", person).selectors >> number & 1:
                    yield ipaddress.ip_network(text)

    def lose(self, rule: Rule, what: str) -> None:
        """Remember a loss, once."""
        loss = Loss(rule.id, plain(what))
        if loss not in self.losses:
            self.losses.append(loss)

    # ------------------------------------------------------------------- what rules say besides

    def forbids(self, rule: Rule) -> bool:
        """Whether a `never` can be said; one that cannot is lost as a whole."""
        forbidden = rule.allows[0]
        if forbidden.classes or forbidden.operations:
            self.lose(rule, f"operations ({forbidden.written}) are not seen here: not forbidden")
        elif rule.window is not None:
            self.lose(rule, f'not forbidden at all, for window "{rule.window.name}" allows it')
        else:
            return True
        return False

    def unlimited(self, rule: Rule) -> None:
        """What limits the use of a rule is lost."""
        if rule.max_session:
            self.lose(rule, "the longest session is not limited")
        if rule.needs_change:
            self.lose(rule, "whether there was a change is not asked")

    def services(
        self, rule: Rule, allow: Allow, known: Collection[str]
    ) -> tuple[list[str], dict[str, list[int]]]:
        """What an entry passes: known protocols without ports, and port numbers by transport.

        Ethertypes are lost.
        """
        alone: list[str] = []
        by_kind: dict[str, list[int]] = {}
        for port in sorted(allow.ports):
            kind, slash, number = port.partition("/")
            if slash:
                by_kind.setdefault(kind, []).append(int(number))
            elif kind in known:
                alone.append(kind)
            else:
                self.lose(rule, f"{allow.written}: ethertype {kind} does not pass a firewall")
        return alone, {kind: sorted(numbers) for kind, numbers in by_kind.items()}

    def whole(self, rule: Rule, allow: Allow) -> None:
        """That only some operations are allowed is lost."""
        if not allow.any_operation:
            self.lose(rule, f"{allow.written}: all operations pass")


def _inside(net: Network, nets: Iterable[Network]) -> bool:
    return any(
        net.version == wide.version and net.prefixlen > wide.prefixlen
        and net.network_address in wide for wide in nets
    )  # fmt: skip


def plain(text: str) -> str:
    """A text on one line, as a comment takes it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
