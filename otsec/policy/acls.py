"""A policy as access lists of Cisco, Juniper, Palo Alto and Fortinet, written by aerleon.

aerleon (Apache-2.0) is an extra of its own: `pip install otsec-monitor[export]`. What these devices
cannot say is a remark beside each term and a table at the head. Nothing is ever sent to a device.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otsec.errors import UsageError
from otsec.policy.lowering import Loss, plain
from otsec.policy.model import Network, Policy
from otsec.policy.terms import Term

_KEYWORDS = re.compile(r"^[ !*#/]*(?:remark )?\$(?:Id|Date|Revision):\$[ ]*\n", re.MULTILINE)
_NO_REMARK = re.compile(r"[^\w .,;:()'=+-]")  # what could end a remark of one of these devices
LONGEST_NAME = 24  # letters; Palo Alto takes 63, with what aerleon puts before it
NUMBERED = {"1": "icmp", "2": "igmp", "47": "gre", "50": "esp", "51": "ah", "58": "icmpv6", "89": "ospf",
            "103": "pim", "112": "vrrp"}  # fmt: skip
PLAIN = frozenset({"tcp", "udp", "icmp", "icmpv6"})


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of device."""

    name: str  # as aerleon calls it
    filters: tuple[
        tuple[str, tuple[int, ...]], ...
    ]  # options of each list, and versions of IP in it
    stateful: bool  # replies pass by themselves
    protocols: frozenset[str]  # beside numbers of NUMBERED; others are lost
    remark: Callable[[Sequence[str]], str]


def _lines(sign: str) -> Callable[[Sequence[str]], str]:
    return lambda lines: "".join(f"{sign} {line}\n" for line in lines)


def _block(begin: str, end: str, never: str) -> Callable[[Sequence[str]], str]:
    def made(lines: Sequence[str]) -> str:
        kept = (line.replace(never, never[0] + " " + never[1:]) for line in lines)
        return f"{begin}\n" + "".join(f"  {line}\n" for line in kept) + f"{end}\n"

    return made


STATEFUL, STATELESS = True, False
FIREWALL = PLAIN | {"sctp"}
TARGETS: Mapping[str, Target] = {
    "cisco": Target(
        "cisco", (("otsec-v4 extended", (4,)), ("otsec-v6 inet6", (6,))), STATELESS,
        PLAIN | {*NUMBERED.values()}, _lines("!"),
    ),
    "juniper": Target(
        "juniper", (("otsec-v4 inet", (4,)), ("otsec-v6 inet6", (6,))), STATELESS,
        PLAIN | {*NUMBERED.values()}, _block("/*", "*/", "*/"),
    ),
    "paloalto": Target(
        "paloalto", (("from-zone any to-zone any mixed", (4, 6)),), STATEFUL, FIREWALL,
        _block("<!--", "-->", "--"),
    ),
    "fortigate": Target(
        "fortigate", (("from-zone any to-zone any mixed", (4, 6)),), STATEFUL, PLAIN, _lines("#"),
    ),
}  # fmt: skip


def export(
    kind: str, policy: Policy, found: Sequence[Term], lost: list[Loss], *, enforce: bool
) -> str:
    """The access lists as text; what is lost besides is added to ``lost``."""
    api, naming = _aerleon()
    target = TARGETS[kind]
    if not target.stateful:
        _lose(lost, "all rules", "this device keeps no state: replies pass by terms of their own")
    written = _Written(target, lost, enforce=enforce)
    filters = [
        {
            "header": {"targets": {target.name: options}},
            "terms": [*written.terms(found, versions), *written.rest()],
        }
        for options, versions in target.filters
    ]
    definitions = naming.Naming()
    definitions.ParseDefinitionsObject(
        {"networks": written.networks, "services": written.services}, "otsec"
    )
    made: Mapping[str, str] = api.Generate([{"filename": "otsec", "filters": filters}], definitions)
    text = _KEYWORDS.sub("", "".join(made.values()))
    first, _, rest = text.partition("\n")
    head = target.remark(list(_head(policy, lost, enforce=enforce)))
    return f"{first}\n{head}{rest}" if first.startswith("<?xml") else head + text


def _aerleon() -> tuple[Any, Any]:
    """Aerleon's two modules, quiet. Raises UsageError where it is not installed."""
    try:
        from absl import logging  # noqa: PLC0415 - an extra, and a third of a second
        from aerleon import api  # noqa: PLC0415
        from aerleon.lib import naming  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "policy export: this kind of rules is written by aerleon, which is not installed: "
            "python -m pip install 'otsec-monitor[export]' (nftables and suricata need nothing)"
        ) from None
    logging.set_verbosity(logging.ERROR)
    return api, naming


def _lose(lost: list[Loss], rule: str, what: str) -> None:
    if Loss(rule, what) not in lost:
        lost.append(Loss(rule, what))


class _Written:
    """Terms as aerleon takes them, with names for their networks and ports."""

    def __init__(self, target: Target, lost: list[Loss], *, enforce: bool) -> None:
        self.target, self.lost = target, lost
        self.deny = "deny" if enforce else "accept"  # what becomes of what is not allowed
        self.networks: dict[str, Any] = {}
        self.services: dict[str, Any] = {}
        self._names: dict[object, str] = {}

    def terms(self, found: Sequence[Term], versions: Sequence[int]) -> Iterator[dict[str, Any]]:
        told: set[str] = set()
        if not self.target.stateful:
            yield {
                "name": "replies-tcp",
                "protocol": "tcp",
                "option": "tcp-established",
                "action": "accept",
            }
        for term in found:
            protocol = NUMBERED.get(term.protocol, term.protocol)
            if term.version not in versions:
                continue
            if protocol and protocol not in self.target.protocols:
                _lose(self.lost, term.rule.id, f"protocol {protocol} cannot be said here: left out")
                continue
            made = self._term(term, protocol)
            if term.rule.id not in told:
                told.add(term.rule.id)
                told_of = [f"{term.rule.kind} {term.rule.id}", *self._lost_of(term.rule.id)]
                made["comment"] = _NO_REMARK.sub(" ", "; ".join(told_of))
            yield made
            if not self.target.stateful and term.action == "accept" and protocol == "udp":
                yield self._reply(made)

    def _term(self, term: Term, protocol: str) -> dict[str, Any]:
        sides = {"source-address": term.sources, "destination-address": term.targets}
        action = self.deny if term.action == "deny" else "accept"
        made: dict[str, Any] = {"name": self._unique(term), "action": action}
        made |= {key: self._network(nets) for key, nets in sides.items() if nets}
        if protocol:
            made["protocol"] = protocol
        if term.ports:
            made["destination-port"] = self._service(protocol, term.ports)
        if term.action == "deny":
            made["logging"] = True
        return made

    def _reply(self, made: Mapping[str, Any]) -> dict[str, Any]:
        turned = {
            "source-address": "destination-address", "destination-address": "source-address",
            "destination-port": "source-port",
        }  # fmt: skip
        reply = {turned.get(key, key): value for key, value in made.items() if key != "comment"}
        return {**reply, "name": f"{made['name']}-r"}

    def rest(self) -> Iterator[dict[str, Any]]:
        """What no rule is about."""
        yield {"name": "otsec-deny", "action": self.deny, "logging": True}

    def _lost_of(self, rule: str) -> list[str]:
        return [f"lost: {one.what}" for one in self.lost if one.rule == rule]

    def _unique(self, term: Term) -> str:
        named = re.sub(r"[^A-Za-z0-9-]", "-", term.rule.id)[:LONGEST_NAME]
        number = sum(key[0] == named for key in self._names if isinstance(key, tuple))
        self._names[named, number] = named
        return f"{named}-{number + 1}"

    def _network(self, nets: Sequence[Network]) -> str:
        name = self._names.setdefault(tuple(map(str, nets)), f"OTSEC_NET_{len(self.networks) + 1}")
        self.networks[name] = {"values": [{"address": str(net)} for net in nets]}
        return name

    def _service(self, protocol: str, ports: Sequence[int]) -> str:
        name = self._names.setdefault((protocol, ports, ""), f"OTSEC_SVC_{len(self.services) + 1}")
        self.services[name] = [{"protocol": protocol, "port": str(n)} for n in ports]
        return name


def _head(policy: Policy, lost: Sequence[Loss], *, enforce: bool) -> Iterator[str]:
    yield f"Zones and conduits of {plain(policy.site)}, from {plain(policy.name)} (SHA-256 {policy.digest})."
    yield "Review before use. Nothing was sent to any device."
    if not enforce:
        yield "What the policy denies is let through and logged; --enforce drops it."
    yield f"What this cannot say ({len(lost)}):"
    yield from (f"  {plain(loss.rule)}: {plain(loss.what)}" for loss in lost)
