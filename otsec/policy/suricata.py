"""A policy as rules of Suricata: what no conduit allows raises an alert, or is dropped.

Suricata asks `pass` before all else, so a `never` could not stand above conduits. Conduits mark
their flows instead (flowbits), and what is not marked at the end is what the policy denies.
Modbus is told apart by reads and writes (keyword `modbus`); of other protocols operations are lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otsec.policy.lowering import Loss, plain
from otsec.policy.model import IMPLIED, Network, Policy
from otsec.policy.terms import Term

FIRST_SID = 1_900_000  # of the range for local rules, 1,000,000 to 1,999,999
MARK = "otsec.allowed"
WRITING = frozenset({"write", "control", "program", "mode", "config", "firmware"})
OF_ITS_OWN = frozenset({"tcp", "udp", "icmp", "sctp"})  # protocols of rule heads


@dataclass(slots=True)
class _Sids:
    last: int = FIRST_SID - 1

    def next(self) -> int:
        """A number of its own."""
        self.last += 1
        return self.last


def export(policy: Policy, found: Sequence[Term], lost: list[Loss], *, enforce: bool) -> str:
    """The rules as text; operations of Modbus that are kept are taken out of ``lost``."""
    kept = {
        Loss(term.rule.id, f"{term.allow.written}: all operations pass")
        for term in found
        if _read_only(term)
    }
    lost[:] = [one for one in lost if one not in kept]
    if kept:
        lost.append(
            Loss(
                "all rules",
                "reads of Modbus are told from writes only if app-layer.protocols.modbus is enabled",
            )
        )
    lines = list(_rules(policy, found, lost, enforce=enforce))
    return "".join(f"{line}\n" for line in (*_head(policy, lost, enforce=enforce), *lines))


def _rules(
    policy: Policy, found: Sequence[Term], lost: Sequence[Loss], *, enforce: bool
) -> Iterator[str]:
    sids, told, act = _Sids(), set[str](), "drop" if enforce else "alert"
    for term in found:
        if term.rule.id not in told:
            told.add(term.rule.id)
            yield f"# {term.rule.kind} {term.rule.id}"
            yield from (f"#   lost: {plain(one.what)}" for one in lost if one.rule == term.rule.id)
        name = f"otsec {term.rule.kind} {_quoted(term.rule.id)}"
        if term.action == "deny":
            yield _rule(
                act, term, sids, name, f"{_flow(term)}{_rarely()}classtype:policy-violation;"
            )
            continue
        yield _rule(
            "alert", term, sids, name, f"{_flow(term)}flowbits:set,{MARK}; flowbits:noalert;"
        )
        if _read_only(term):
            yield _rule(
                *(act, term, sids, f"{name}: allows no write", "modbus: access write;"),
                modbus=True,
            )
    if policy.defaults.intra_zone == "allow":
        yield "# within a zone"
        for zone in policy.zones:
            if zone.nets:
                nets = _several([str(net) for net in zone.nets])
                yield (
                    f'alert ip {nets} any -> {nets} any (msg:"otsec within zone {_quoted(zone.name)}"; '
                    f"flowbits:set,{MARK}; flowbits:noalert; sid:{sids.next()}; rev:1;)"
                )
    yield "# everything else"
    for net in _zones(policy):
        ends = f"{net} any -> any any"
        yield (
            f'{act} ip {ends} (msg:"otsec: no conduit allows it"; flowbits:isnotset,{MARK}; '
            f"{_rarely()}classtype:policy-violation; sid:{sids.next()}; rev:1;)"
        )


def _rule(
    act: str, term: Term, sids: _Sids, name: str, options: str, *, modbus: bool = False
) -> str:
    """One rule; a protocol without a word of its own is told by its number."""
    head = "modbus" if modbus else _protocol(term)
    ports = "any" if modbus or not term.ports else _several([str(port) for port in term.ports])
    number = f"ip_proto:{term.protocol}; " if term.protocol.isdecimal() else ""
    return (
        f"{act} {head} {_nets(term.sources)} any -> {_nets(term.targets)} {ports} "
        f'(msg:"{name}"; {number}{options} sid:{sids.next()}; rev:1;)'
    )


def _protocol(term: Term) -> str:
    if term.protocol == "icmpv6":
        return "icmp"
    return term.protocol if term.protocol in OF_ITS_OWN else "ip"


def _flow(term: Term) -> str:
    return "flow:to_server; " if term.protocol in {"tcp", "udp", "sctp"} else ""


def _rarely() -> str:
    """At most one alert an hour of one source, or a scan would fill the log."""
    return "threshold:type limit, track by_src, count 1, seconds 3600; "


def _read_only(term: Term) -> bool:
    """Whether an entry allows reading Modbus and nothing that writes."""
    allow = term.allow
    plain = (
        allow.protocol == "modbus"
        and term.protocol == "tcp"
        and not allow.operations
        and not allow.details
    )
    reading = bool(allow.classes) and allow.classes <= {"read", *IMPLIED}
    return plain and reading and term.action == "accept" and not allow.classes & WRITING


def _nets(nets: Sequence[Network]) -> str:
    return _several([str(net) for net in nets]) if nets else "any"


def _several(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"


def _zones(policy: Policy) -> list[str]:
    """The networks of all zones, those who begin."""
    nets = [str(net) for zone in policy.zones for net in zone.nets]
    return [_several(nets)] if nets else ["any"]


def _quoted(text: str) -> str:
    """As a message takes it: without what ends it."""
    return plain(text).replace("\\", "/").replace('"', "'").replace(";", ",").replace(":", " ")


def _head(policy: Policy, lost: Sequence[Loss], *, enforce: bool) -> Iterator[str]:
    yield f"# Zones and conduits of {plain(policy.site)}, from {plain(policy.name)} (SHA-256 {policy.digest})."
    yield "# Review before use. Nothing was sent to any device. Check it with `suricata -T -S FILE`."
    if not enforce:
        yield "# What the policy denies raises an alert; --enforce makes it drop (Suricata inline)."
    yield f"# What this cannot say ({len(lost)}):"
    yield from (f"#   {plain(loss.rule)}: {plain(loss.what)}" for loss in lost)
