"""What could be done about a finding: the smallest cut that ends it, what it costs, what comes first.

A proposal for people, never an action. The cut is written as a policy, so that what it would have
cut in the recorded traffic is told by the same judge that judges every other policy.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from otsec.detect.model import LEVELS
from otsec.detect.rows import scope
from otsec.detect.telling import MANY
from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset, Node, is_mac
from otsec.nanoseconds import SECOND_NS
from otsec.policy import words
from otsec.policy.checking import Against, checked
from otsec.policy.impact import Deeds, Dependence, commands_alone, impact, port_of
from otsec.policy.model import Policy, Zone
from otsec.policy.placing import People, Places
from otsec.policy.reading import read
from otsec.policy.reasons import ends_text
from otsec.policy.verdicts import Acts, Flow, acts_of, flows, judged
from otsec.store import Store
from otsec.store.findings import Finding

BEFORE_NS = 60 * SECOND_NS  # what began so shortly before the first finding belongs to it
LONG_NS = 3_600 * SECOND_NS  # who commands for longer may be the one by whom the process runs
ATTACKING = LEVELS.index("medium")
SAFETY_PROTOCOLS = frozenset({"tristation"})
NOBODY = frozenset({"", MANY})
RULE = "contain"
DOUBTFUL = 0.3  # a safety controller is not cut off because it is only probably one
ZoneOf: TypeAlias = Callable[[Asset], Zone | None]


@dataclass(frozen=True, slots=True)
class Warned:
    """Why a device must not be cut off."""

    device: str
    why: str


@dataclass(frozen=True, slots=True)
class Response:
    """A proposal."""

    findings: tuple[Finding, ...]
    attack: tuple[Flow, ...]  # the flows that the findings tell of
    policy: str  # the cut as a policy; empty: there is none
    cut: tuple[Flow, ...]  # all that it would have cut
    warned: tuple[Warned, ...]
    firewall: tuple[str, ...]
    switch: tuple[str, ...]
    people: tuple[str, ...]
    collect: tuple[str, ...]
    check: tuple[str, ...]
    lost: tuple[Dependence, ...]  # what isolating those who did it would cost

    @property
    def besides(self) -> tuple[Flow, ...]:
        """What the cut would end as well."""
        own = {deed(flow) for flow in self.attack}
        return tuple(flow for flow in self.cut if deed(flow) not in own)


def deed(flow: Flow) -> tuple[str, ...]:
    """What makes a flow the same, whatever a policy says of it."""
    return (
        *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
        *(flow.service, flow.protocol, flow.cls, flow.operation),
    )


def respond(
    store: Store,
    inventory: Inventory,
    about: Sequence[Finding],
    everything: Sequence[Finding],
    zones: Policy | None = None,
) -> Response:
    """The proposal for some findings; ``everything``: all findings, ``zones``: the site's policy."""
    acts, people = acts_of(store, details=False), People(inventory)
    seen = flows(judged(store, _policy(_text(about[0].site, "")), people, acts=acts))
    attack = [flow for flow in seen if any(tells(one, flow) for one in about)]
    able = [flow for flow in attack if flow.option.cause != "link"]
    text = _text(about[0].site, _never(about, able)) if able else ""
    cut: list[Flow] = []
    if text:
        after = flows(judged(store, _policy(text), people, acts=acts))
        cut = [flow for flow in after if flow.verdict == "deny"]
    doing, done = _parties(inventory, about, attack)
    stories = [one for one in everything if LEVELS.index(one.level) >= ATTACKING]
    besides = _attacks([*about, *stories], seen)
    places = None if zones is None else Places(zones)

    def zone_of(asset: Asset) -> Zone | None:
        anchor = asset.anchor
        if places is None:
            return None
        return places.endpoint(anchor.address, anchor.place, people.at(*anchor)).zone

    return Response(
        findings=tuple(about),
        attack=tuple(attack),
        policy=text,
        cut=tuple(cut),
        warned=tuple(_warned(inventory, acts, besides, [*doing, *done], attack, zone_of)),
        firewall=tuple(_firewall(able)),
        switch=tuple(_switch(doing)),
        people=tuple(_people(doing, done, zone_of)),
        collect=tuple(_collect(about, doing, done)),
        check=tuple(_check(doing, done)),
        lost=tuple(impact(inventory, acts, doing, besides=besides)) if doing else (),
    )


# ---------------------------------------------------------------------------------- attack


def tells(finding: Finding, flow: Flow) -> bool:
    """Whether a finding tells of a flow: by who, to whom, how and when."""
    named = ((finding.client, flow.client.address), (finding.server, flow.server.address))
    if all(said in NOBODY for said, _ in named):
        return False
    if any(said not in NOBODY and said != seen for said, seen in named):
        return False
    where = (finding.site, finding.group) == (flow.site, flow.group)
    at = finding.service in {*NOBODY, flow.service}
    by = finding.protocol in {*NOBODY, flow.protocol, flow.word} or not flow.protocol
    done = not finding.operations or not flow.operation or flow.operation in finding.operations
    met = flow.first_time <= finding.last_time and finding.first_time <= flow.last_time
    return where and at and by and done and met


def _attacks(findings: Iterable[Finding], seen: Sequence[Flow]) -> Deeds:
    """What is done by who is told of, since the first finding told of them."""
    began: dict[tuple[str, ...], int] = {}
    for one in findings:
        key = (one.site, one.group, one.client)
        began[key] = min(began.get(key, one.first_time), one.first_time)
    return {
        (flow.client.address, flow.server.address, flow.word, flow.operation)
        for flow in seen
        if flow.last_time - flow.first_time < LONG_NS
        and (begin := began.get((flow.site, flow.group, flow.client.address))) is not None
        and flow.first_time >= begin - BEFORE_NS
    }


def _parties(
    inventory: Inventory, about: Sequence[Finding], attack: Sequence[Flow]
) -> tuple[list[Asset], list[Asset]]:
    """The devices that did it and those that it was done to."""
    first = about[0]
    sides: list[list[Asset]] = []
    for said, of_flows in (
        ([one.client for one in about], [flow.client.address for flow in attack]),
        ([one.server for one in about], [flow.server.address for flow in attack]),
    ):
        addresses = dict.fromkeys([*(one for one in said if one not in NOBODY), *of_flows])
        met = (
            inventory.at(Node(first.site, first.group, first.place, address))
            for address in addresses
        )
        sides.append(
            list({asset.id: asset for asset in met if asset is not None and _ours(asset)}.values())
        )
    return sides[0], sides[1]


def _ours(asset: Asset) -> bool:
    """Whether somebody of the site can go there."""
    return scope(asset.anchor.address) in {"private", "link"}


# ------------------------------------------------------------------------------ containment


def _never(about: Sequence[Finding], attack: Sequence[Flow]) -> str:
    """The cut as a rule: whoever did it, to whom, by the services that were used."""
    services = sorted({flow.service for flow in attack})
    told = ", ".join(services) if all(map(words.service, services)) else ""
    at = f", services: [{told}]" if told else ""
    client, server = (
        ends_text(flow.client for flow in attack),
        ends_text(flow.server for flow in attack),
    )
    names = ", ".join(one.id for one in about)
    return (
        f"never:\n  - {{id: {RULE}, from: {client}, to: {server}{at}, "
        f'reason: "finding {names}"}}\n'  # in quotes: names of an incident stand between commas
    )


def _text(site: str, never: str) -> str:
    """A policy that allows everything but this."""
    quoted = '"' + site.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        f"otsec_policy: 1\nsite: {{id: {quoted}, timezone: UTC}}\n"
        "defaults: {inter_zone: allow, intra_zone: allow, unplaced: allow}\n"
        f'zones:\n  everything: {{nets: ["0.0.0.0/0", "::/0"]}}\n{never}'
    )


def _policy(text: str) -> Policy:
    found = checked(read(text, "containment"), Against(0))
    if found.policy is None:
        raise ValueError(f"a cut that is no policy: {found.problems}")
    return found.policy


def _firewall(attack: Sequence[Flow]) -> Iterator[str]:
    """A line for each pair and service, and as nftables."""
    pairs = sorted({
        (flow.client.address, flow.server.address, flow.service) for flow in attack
    })  # fmt: skip
    for client, server, service in pairs:
        if is_mac(client) or is_mac(server) or "/" not in service:
            yield f"{client} to {server}, {service}: not IP; only the switch can stop it"
            continue
        kind, _, port = service.partition("/")
        family = "ip6" if ":" in client else "ip"
        yield f"deny {kind} from {client} to {server} port {port}"
        yield (
            f"nft insert rule inet filter forward {family} saddr {client} {family} daddr {server} "
            f"{kind} dport {port} counter drop"
        )


def _switch(doing: Sequence[Asset]) -> Iterator[str]:
    """The port of each device that did it, as far as it is known."""
    for asset in doing:
        if asset.reach == "routed":
            routers = {one.routed for one in asset.addresses if one.routed}
            yield (
                f"{asset.name} is behind a router ({', '.join(sorted(routers))}): "
                "its own port is in another network; stop it at the firewall"
            )
            continue
        aliases = [port_of(one.value) for one in asset.known if one.attribute == "alias"]
        for port, station in (one for one in aliases if one[1]):
            yield f"{asset.name} says that it is at {port} of {station}: shut that port down"
        for mac in asset.macs:
            dotted = ".".join(mac.replace(":", "")[at : at + 4] for at in (0, 4, 8))
            yield (
                f"{asset.name} has {mac}: find its port (`show mac address-table address {dotted}`), "
                "then move the port to a quarantine VLAN, or shut it down"
            )


# ---------------------------------------------------------------------------------- people


def _warned(
    inventory: Inventory,
    acts: Acts,
    besides: Deeds,
    assets: Sequence[Asset],
    attack: Sequence[Flow],
    zone_of: ZoneOf,
) -> Iterator[Warned]:
    """Devices that must stay on the network, whatever befalls them."""
    served = {flow.server.address for flow in attack if flow.protocol in SAFETY_PROTOCOLS}
    for asset in {one.id: one for one in assets}.values():
        if _is_safety(asset, served, zone_of(asset)):
            yield Warned(
                asset.name,
                "it is a safety controller, or may be one: cutting it off can trip the plant or "
                "take its protection away; cut off who talks to it",
            )
        alone = commands_alone(inventory, acts, asset, besides)
        if alone:
            often = f"{alone[0].lost}, {alone[0].count} times"
            more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
            yield Warned(
                asset.name,
                f"nobody else was seen to command {alone[0].who}{more} ({often}): without it the "
                "process runs on unattended; ask the shift first",
            )


def _is_safety(asset: Asset, served: set[str], zone: Zone | None) -> bool:
    """Whether a device may be a safety controller; in doubt it is."""
    guessed = any(one.role == "safety_plc" and one.confidence >= DOUBTFUL for one in asset.guesses)
    return guessed or bool(served & {*asset.ips}) or (zone is not None and zone.kind == "safety")


def _people(doing: Sequence[Asset], done: Sequence[Asset], zone_of: ZoneOf) -> Iterator[str]:
    """Who answers for the devices."""
    for asset in {one.id: one for one in (*doing, *done)}.values():
        owner, where, zone = asset.value("owner"), asset.value("location"), zone_of(asset)
        told = [f"owner {owner}"] if owner else []
        told += [f"zone {zone.name}, owner {zone.owner or 'unknown'}"] if zone is not None else []
        told += [f"at {where}"] if where else []
        nobody = f"nobody said who owns it (otsec asset set {asset.id} owner=...)"
        yield f"{asset.name}: {'; '.join(told) or nobody}"
    if doing:
        yield f"Ask the shift who is at {doing[0].name}, and what is being done, before anything is cut"


CONTROLLERS = frozenset(
    {"plc", "safety_plc", "rtu", "ied", "drive", "robot_controller", "cnc", "io"}
)
COMPUTERS = frozenset({
    *("hmi", "scada_server", "historian", "ews", "opc_server", "mes", "domain_controller"),
    *("jump_host", "server", "workstation", "unknown"),
})  # fmt: skip
COLLECT = {  # what is lost when a device is switched off or restarted
    "controller": "{name}: before a restart, upload its program and read its diagnostic buffer, "
    "and keep both beside the last backup",
    "computer": "{name}: memory first, then the disk and the log of logins; do not switch it off",
    "network": "{name}: its log, its configuration, its tables of addresses",
}
CHECK = {
    "controller": "{name}: key switch and mode, who is logged in, program and setpoints against the "
    "last backup, what stands on the panel",
    "computer": "{name}: who is logged in, which programs run, what was connected to it",
    "network": "{name}: whether its configuration was changed, and by whom",
}


def _sort(asset: Asset) -> str:
    role = asset.role.role
    return "controller" if role in CONTROLLERS else "computer" if role in COMPUTERS else "network"


def _collect(
    about: Sequence[Finding], doing: Sequence[Asset], done: Sequence[Asset]
) -> Iterator[str]:
    for one in about:
        yield f"otsec evidence {one.id} -w {one.id}.pcapng"
    for asset in {one.id: one for one in (*doing, *done)}.values():
        yield COLLECT[_sort(asset)].format(name=asset.name)
    yield "The log of the firewall and the address tables of the switches, before they run over"


def _check(doing: Sequence[Asset], done: Sequence[Asset]) -> Iterator[str]:
    for asset in {one.id: one for one in (*done, *doing)}.values():
        yield CHECK[_sort(asset)].format(name=asset.name)
