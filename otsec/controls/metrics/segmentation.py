"""What crosses zones, and what policy and baseline know of: `flows.`, `policy.`, `exceptions.`."""

import re
from collections.abc import Callable, Iterable, Iterator

from otsec.controls.basis import (
    POLICY_COMMAND,
    Basis,
    count,
    each,
    is_public,
    no_policy,
)
from otsec.controls.model import COUNTED, Figure, Item, NotConfigured, Number
from otsec.health.services import CERTAIN, usual
from otsec.policy.judging import is_dmz, is_it, skips
from otsec.policy.model import Policy, Zone
from otsec.policy.placing import Endpoint
from otsec.policy.verdicts import Flow
from otsec.store.queries import is_device

VIOLATED = frozenset({"deny", "unknown_endpoint"})
# Ports of mail (RFC 5321, 8314, 1939, 9051), chat (RFC 6120, 7194) and telephony (RFC 3261).
MESSAGING = frozenset({
    "tcp/25", "tcp/465", "tcp/587", "tcp/110", "tcp/995", "tcp/143", "tcp/993", "tcp/5222",
    "tcp/5269", "tcp/6667", "tcp/6697", "tcp/5060", "udp/5060", "tcp/1863",
})  # fmt: skip
MESSENGERS = (  # ends of names that clients ask for
    "outlook.com", "office365.com", "gmail.com", "mail.google.com", "mail.yahoo.com", "gmx.net",
    "web.de", "mail.ru", "qq.com", "whatsapp.com", "whatsapp.net", "telegram.org", "signal.org",
    "slack.com", "teams.microsoft.com", "discord.com", "facebook.com", "instagram.com", "x.com",
    "twitter.com", "linkedin.com", "tiktok.com", "wechat.com", "skype.com",
)  # fmt: skip
MESSENGER = re.compile(
    "|".join(rf"(?:^|\.){re.escape(end)}(?:[. ]|$)" for end in MESSENGERS), re.IGNORECASE
)
# Protocols by which network gear and hosts are managed.
MANAGEMENT = frozenset({"snmp", "ssh", "telnet", "winrm", "radius", "tftp"})
MANAGEMENT_SERVICES = frozenset({"udp/161", "tcp/22", "tcp/23", "tcp/5985", "tcp/5986", "udp/69"})


def loaded(basis: Basis) -> Figure:
    """Whether a policy is active: 1 or 0."""
    if basis.policy is None:
        return Number(0, f"no policy is named; {POLICY_COMMAND}")
    return Number(1, basis.policy.name)


def age_d(basis: Basis) -> Figure:
    """Days since a person approved the policy as it is."""
    policy = basis.policy
    if policy is None:
        return no_policy()
    command = f"otsec policy approve {basis.site.policy_path or policy.name} --by WHO"
    act = next(
        (
            one
            for one in reversed(basis.acts)
            if one.kind == "policy-approve" and one.after == policy.digest
        ),
        None,
    )
    if act is None:
        older = basis.approved("policy-approve")
        return NotConfigured(
            f"{command} (it was changed since it was approved)" if older else command
        )
    item = Item(COUNTED, act.who, "", "policy approved", policy.name, act.time, act.time)
    return Number(basis.age_d(act), f"approved by {act.who}", lambda: (item,))


# ------------------------------------------------------------------------------------ flows


Holds = Callable[[Flow], bool]


def _flows(basis: Basis, holds: Holds) -> Figure:
    """How many distinct flows are so; all flows are the population."""
    return each(
        basis.flows,
        holds,
        lambda flow, counted: basis.flow_item(flow, counted=counted),
    )


def by_policy(holds: Holds) -> Callable[[Basis], Figure]:
    """A count of flows as the policy judges them."""

    def measure(basis: Basis) -> Figure:
        return no_policy() if basis.policy is None else _flows(basis, holds)

    return measure


def _zones(flow: Flow) -> tuple[Zone, Zone] | None:
    one, other = flow.client.zone, flow.server.zone
    return None if one is None or other is None or one is other else (one, other)


def _skips(flow: Flow) -> bool:
    zones = _zones(flow)
    return zones is not None and flow.verdict in VIOLATED and skips(*zones)


def _it_ot(flow: Flow) -> bool:
    """Between office and process without the DMZ, whether the policy allows it or not."""
    zones = _zones(flow)
    if zones is None or any(is_dmz(zone) for zone in zones):
        return False
    return is_it(zones[0]) != is_it(zones[1])


def in_zone_kind(
    name: str, is_one: Callable[[Zone], bool], holds: Holds
) -> Callable[[Basis], Figure]:
    """A count of flows about zones of one kind; of a site that has none it must be said so."""

    def measure(basis: Basis) -> Figure:
        policy = basis.policy
        if policy is None:
            return no_policy()
        if not any(map(is_one, policy.zones)):
            if name in basis.site.inputs.absent:
                return Number(
                    0,
                    f"the site has no zone of this kind ({name}), as {basis.site.inputs.name} says",
                )
            return NotConfigured(_how(name, basis))
        return _flows(basis, holds)

    return measure


def _how(name: str, basis: Basis) -> str:
    kind = (
        f"a zone with `kind: {name}`"
        if name in {"wireless", "safety", "transient"}
        else f"a zone with the tag {name}"
    )
    return f"{kind} in the policy, or `absent: [{name}]` in {basis.site.inputs.name}"


def _of_kind(kind: str) -> Callable[[Zone], bool]:
    return lambda zone: zone.kind == kind


def tagged(*tags: str) -> Callable[[Zone], bool]:
    """Whether a zone has one of the tags."""
    return lambda zone: any(tag.casefold() in tags for tag in zone.tags)


def _crosses(flow: Flow, inner: Endpoint, outer: Endpoint, kind: str) -> bool:
    """Whether a flow that nobody declared crosses the border of a zone of some kind."""
    zone = inner.zone
    violates = flow.verdict in VIOLATED and zone is not outer.zone
    return violates and zone is not None and zone.kind == kind


def _into_safety(flow: Flow) -> bool:
    return _crosses(flow, flow.server, flow.client, "safety")


def _out_of_wireless(flow: Flow) -> bool:
    return _crosses(flow, flow.client, flow.server, "wireless")


def _transient(flow: Flow) -> bool:
    client = flow.client.zone
    return flow.verdict in VIOLATED and client is not None and client.kind == "transient"


TEST = tagged("test", "engineering")


def _test_to_production(flow: Flow) -> bool:
    zones = _zones(flow)
    return zones is not None and flow.verdict in VIOLATED and TEST(zones[0]) and not TEST(zones[1])


MANAGED = tagged("management")


def _managed_elsewhere(flow: Flow) -> bool:
    manages = flow.protocol in MANAGEMENT or flow.service in MANAGEMENT_SERVICES
    client = flow.client.zone
    return manages and flow.answered and not (client is not None and MANAGED(client))


def internet(basis: Basis) -> Figure:
    """Conversations between something of OT and an address of the internet."""

    def items() -> Iterator[Item]:
        for one in basis.conversations:
            where = (one.site, one.group, one.place)
            for near, far in ((one.client, one.server), (one.server, one.client)):
                if is_public(far) and is_device(far) and basis.ot(where, near):
                    yield basis.talk_item(one, f"{far} is an address of the internet")

    return count(items())


def messaging(basis: Basis) -> Figure:
    """Mail, chat and social media from OT: by port, and by the names that clients ask for."""

    def items() -> Iterator[Item]:
        for one in basis.conversations:
            where = (one.site, one.group, one.place)
            if one.service in MESSAGING and basis.ot(where, one.client):
                yield basis.talk_item(one, usual(one.service) or "mail or chat")
        named = {
            one.server: one.value
            for one in basis.facts
            if one.attribute == "hostname" and one.protocol in {"tls", "http"}
            and MESSENGER.search(one.value)
        }  # fmt: skip
        for one in basis.conversations:
            where = (one.site, one.group, one.place)
            if one.server in named and basis.ot(where, one.client):
                yield basis.talk_item(one, named[one.server])
        for asked in basis.doings(("proto", "dns"), ("class", "browse")):
            where = (asked.site, asked.group, asked.place)
            if MESSENGER.search(asked.object) and basis.ot(where, asked.client):
                yield basis.deed_item(asked)

    return count(items())


# -------------------------------------------------------------------------------- exceptions


def expired(basis: Basis) -> Figure:
    """Exceptions that ran out and still carry traffic."""
    if basis.policy is None:
        return no_policy()
    return _flows(basis, lambda flow: flow.option.cause == "expired")


def no_owner(basis: Basis) -> Figure:
    """Exceptions without owner, reason or end."""
    if basis.policy is None:
        return no_policy()

    def items(policy: Policy) -> Iterator[Item]:
        for rule in policy.exceptions:
            lacks = [key for key in ("owner", "reason") if not rule.told.get(key)]
            lacks += ["end"] if rule.ends is None and rule.expires is None else []
            told = f"without {', '.join(lacks)}" if lacks else "complete"
            yield Item(bool(lacks), rule.id, "", f"{policy.name}:{rule.place.line}", told)

    return count(items(basis.policy))


def unused(basis: Basis) -> Figure:
    """Conduits of the policy that nobody used."""
    if basis.policy is None:
        return no_policy()
    used = {
        flow.option.rule.id
        for flow in basis.flows
        if flow.option.rule is not None and flow.verdict not in VIOLATED
    }
    name = basis.policy.name
    return count(
        Item(idle, rule.id, "", f"{name}:{rule.place.line}", "not used" if idle else "used")
        for rule in basis.policy.conduits
        for idle in (rule.id not in used,)
    )


def unlisted(basis: Basis) -> Figure:
    """Services that were answered and are not in the baseline of the asset."""
    if not basis.learned:
        return NotConfigured("otsec baseline learn, then otsec baseline approve --by WHO")
    known = {
        (line.group, line.server, line.service)
        for line in basis.lines
        if line.kind == "conversation" and line.holds(basis.period.end)
    }
    names = _canonical(basis)
    return count(
        basis.talk_item(
            one, "in the baseline" if listed else "not in the baseline", counted=not listed
        )
        for one in basis.conversations
        if one.payload_in and is_device(one.server) and one.service.casefold() not in CERTAIN
        for listed in (
            any(
                (one.group, address, one.service) in known
                for address in names(one.server, one.group)
            ),
        )
    )


def _canonical(basis: Basis) -> Callable[[str, str], Iterable[str]]:
    """All addresses of who has an address: the baseline keeps one of them."""
    others: dict[tuple[str, str], tuple[str, ...]] = {}
    for asset in basis.inventory.assets:
        texts = (*asset.ips, *asset.macs)
        for one in asset.addresses:
            others[one.node.group, one.text] = texts
    return lambda address, group: others.get((group, address), (address,))


def exceptions_in_force(basis: Basis) -> int:
    """How many exceptions of the policy hold at the end of the period."""
    if basis.policy is None:
        return 0
    end = basis.period.end
    return sum(
        (rule.begins is None or rule.begins <= end) and (rule.ends is None or end < rule.ends)
        for rule in basis.policy.exceptions
    )


METRICS: dict[str, Callable[[Basis], Figure]] = {
    "policy.loaded": loaded,
    "policy.age_d": age_d,
    "flows.denied": by_policy(lambda flow: flow.verdict == "deny"),
    "flows.unmatched": by_policy(lambda flow: flow.verdict == "unknown_endpoint"),
    "flows.level_skip": by_policy(_skips),
    "flows.it_ot_direct": by_policy(_it_ot),
    "flows.internet": internet,
    "flows.safety_crossing": in_zone_kind("safety", _of_kind("safety"), _into_safety),
    "flows.wireless_crossing": in_zone_kind("wireless", _of_kind("wireless"), _out_of_wireless),
    "flows.messaging": messaging,
    "flows.transient": in_zone_kind("transient", _of_kind("transient"), _transient),
    "flows.test_prod": in_zone_kind("test", TEST, _test_to_production),
    "flows.mgmt_mixed": in_zone_kind("management", MANAGED, _managed_elsewhere),
    "exceptions.expired": expired,
    "exceptions.no_owner": no_owner,
    "conduits.unused": unused,
    "ports.unlisted": unlisted,
}
