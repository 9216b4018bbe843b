"""Who comes in and how: `services.`, `auth.`, `remote.`, `crypto.`, `certs.`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from otsec.controls.basis import Basis, count, each, no_policy
from otsec.controls.metrics.segmentation import VIOLATED, tagged
from otsec.controls.model import Figure, Item, NotConfigured, Number
from otsec.inventory.weaknesses import CLEAR, RULES
from otsec.policy.judging import is_it
from otsec.policy.model import Zone
from otsec.sessions.authentication import OPEN
from otsec.sessions.kinds import CHANGING, changes
from otsec.sessions.model import Session
from otsec.store.sightings import Talk  # noqa: TC001 - as other rows
from otsec.store.views import Behaviour

RULE = {rule.weakness.title: rule for rule in RULES}
REMOTE = frozenset({"interactive", "tunnel"})
# Remote shells that ask for no password that is worth the name (RFC 1282, IANA).
SHELLS = {"tcp/512": "rexec", "tcp/513": "rlogin", "tcp/514": "rsh"}
# What says all it says in clear text: control protocols, and those by which hosts are managed.
PLAIN_ADMIN = frozenset({"telnet", "ftp", "tftp", "http", "vnc", "snmp"})
PLAIN_OT = frozenset({*OPEN, "codesys", "siprotec", "s7comm", "mms"})
GOOD = frozenset({"", "ok"})
WEAK_CHANNELS = frozenset({"None", "Basic128Rsa15"})  # OPC 10000-7: withdrawn
FAILURES = ("login-brute-force", "ssh-brute-force", "s7-password-tried", "bacnet-password-tried")


def weak(*titles: str) -> Callable[[Basis], Iterator[Item]]:
    """What facts of the period show of these weaknesses, a row for each value of each asset."""
    rules = [RULE[title] for title in titles]

    def items(basis: Basis) -> Iterator[Item]:
        for one in basis.facts:
            for rule in rules:
                if one.attribute in rule.attributes and rule.holds(one.value, one.last_time):
                    yield basis.fact_item(one)
                    break

    return items


def _counted(items: Callable[[Basis], Iterable[Item]]) -> Callable[[Basis], Figure]:
    return lambda basis: count(items(basis))


# --------------------------------------------------------------------------------- services


def clear(basis: Basis) -> Iterator[Item]:
    """Conversations in protocols that send all they say in clear text."""
    for one in basis.conversations:
        if one.protocol in CLEAR and one.payload_in:
            yield basis.talk_item(one, CLEAR[one.protocol])


def insecure(basis: Basis) -> Figure:
    """Services that protect nothing: of clear text, without a password, or of broken versions."""

    def items() -> Iterator[Item]:
        yield from clear(basis)
        for one in basis.conversations:
            if one.service in SHELLS and one.payload_in and not one.protocol:
                yield basis.talk_item(one, SHELLS[one.service])
        for fact in basis.facts:
            told = fact.attribute == "credentials" and fact.value.startswith("clear")
            if told and fact.protocol == "http":
                yield basis.fact_item(fact, "login by HTTP in clear text")
            if fact.attribute == "vnc_security" and fact.value.startswith("none"):
                yield basis.fact_item(fact, "VNC without a password")
        yield from weak("SNMP without encryption (versions 1 and 2c)", "SMB version 1")(basis)

    return count(items())


# ----------------------------------------------------------------------------------- logins


def fail_bursts(basis: Basis) -> Figure:
    """Bursts of failed logins."""
    return count(basis.found(FAILURES))


def plain_ops(basis: Basis) -> Figure:
    """Operations that changed a device and were accepted although nobody was asked who he is."""
    return count(basis.deed_item(one) for one in _plain_deeds(basis))


def _plain_deeds(basis: Basis) -> Iterator[Behaviour]:
    """One of each client, server, protocol and operation."""
    met: set[tuple[str, ...]] = set()
    for cls in CHANGING:
        for one in basis.doings(("class", cls)):
            key = (one.group, one.place, one.client, one.server, one.protocol, one.operation)
            accepted = one.outcome in GOOD and changes(one.cls, one.operation)
            if accepted and one.protocol in OPEN and key not in met:
                met.add(key)
                yield one


# ----------------------------------------------------------------------------------- remote


def _remote(basis: Basis) -> Iterator[Session]:
    """Sessions of people into OT, from another zone or from outside; without a policy all of them."""
    for one in basis.sessions:
        where = (one.site, one.group, one.place)
        if one.kind not in REMOTE:
            continue
        if basis.policy is None:
            yield one
            continue
        client, server = (basis.zone(where, end.address) for end in (one.client, one.server))
        if (server is None or not is_it(server)) and (client is not server or client is None):
            yield one


def _item(one: Session, told: str, *, counted: bool = True) -> Item:
    return Item(
        *(counted, one.client.name, one.server.name, f"{one.protocol} {one.service}", told),
        *(one.first_time, one.last_time, one.point, one.first_packet),
    )


def sessions(basis: Basis) -> Figure:
    """Remote sessions of people into OT."""
    return count(_item(one, one.authentication_reason) for one in _remote(basis))


def bypass(basis: Basis) -> Figure:
    """Remote sessions into OT that did not come through the declared jump zone."""
    if basis.policy is None:
        return no_policy()
    name = basis.site.inputs.jump_zone
    jump = basis.policy.zone_named(name) if name else None
    if jump is None:
        told = f"the policy has no zone {name}" if name else ""
        return NotConfigured(
            basis.site.inputs.how("remote: jump_zone") + (f" ({told})" if told else "")
        )

    def items(jump: Zone) -> Iterator[Item]:
        for one in _remote(basis):
            where = (one.site, one.group, one.place)
            client, server = (basis.zone(where, end.address) for end in (one.client, one.server))
            if server is jump:
                continue  # on its way
            through = client is jump
            told = f"from {client.name if client else 'no zone'}"
            yield _item(one, told, counted=not through)

    return count(items(jump))


def unapproved(basis: Basis) -> Figure:
    """Remote sessions that the policy does not allow."""
    if basis.policy is None:
        return no_policy()
    denied: dict[tuple[str, ...], str] = {}
    for flow in basis.flows:
        if flow.verdict in VIOLATED:
            key = (flow.group, flow.place, flow.client.address, flow.server.address, flow.service)
            denied[key] = flow.rule

    def items() -> Iterator[Item]:
        for one in _remote(basis):
            key = (one.group, one.place, one.client.address, one.server.address, one.service)
            rule = denied.get(key)
            yield _item(one, f"denied by {rule}" if rule else "allowed", counted=rule is not None)

    return count(items())


def overlong(basis: Basis) -> Figure:
    """Remote sessions that lasted longer than their conduit, or the site, allows."""
    limit = basis.site.inputs.max_session_s
    told = [rule.max_session for rule in basis.policy.conduits] if basis.policy else []
    if not limit and not any(told):
        return NotConfigured(
            f"{basis.site.inputs.how('remote: max_session')}, or `max_session:` of a conduit"
        )
    limits = _limits(basis)

    def items() -> Iterator[Item]:
        for one in _remote(basis):
            key = (one.group, one.place, one.client.address, one.server.address, one.service)
            most = limits.get(key) or limit
            minutes = one.duration_us // 60_000_000
            if most:
                over = one.connections == 1 and one.duration_us > most * 1_000_000
                yield _item(one, f"{minutes} min of {most // 60}", counted=over)

    return count(items())


def _limits(basis: Basis) -> dict[tuple[str, ...], int]:
    """The longest session that the conduit of each flow allows, seconds."""
    return {
        (flow.group, flow.place, flow.client.address, flow.server.address, flow.service):
        flow.option.rule.max_session
        for flow in basis.flows
        if flow.option.rule is not None and flow.option.rule.max_session
    }  # fmt: skip


def concurrent(basis: Basis) -> Figure:
    """Remote sessions that begin while their target has as many as it may."""
    most = basis.site.inputs.max_concurrent
    if most is None:
        return NotConfigured(basis.site.inputs.how("remote: max_concurrent"))
    by_target: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for one in _remote(basis):
        by_target[one.group, one.server.address].append(one)
    return count(item for some in by_target.values() for item in _overlaps(some, most))


def _overlaps(some: Sequence[Session], most: float) -> Iterator[Item]:
    ordered = sorted(some, key=lambda one: (one.first_time, one.first_packet))
    for number, one in enumerate(ordered):
        others = sum(before.last_time > one.first_time for before in ordered[:number])
        yield _item(one, f"{others} others at the same time", counted=others >= most)


# ----------------------------------------------------------------------------------- crypto


UNTRUSTED = frozenset({"wireless", "remote", "external"})
IS_UNTRUSTED = tagged("untrusted")


def _plain(protocol: str) -> bool:
    return protocol in PLAIN_OT or protocol in PLAIN_ADMIN


def plain_crosszone(basis: Basis) -> Figure:
    """Conversations in clear text, of the process or of administration, that cross zones."""
    return _plain_between(basis, lambda one, other: one is not other)


def plain_untrusted(basis: Basis) -> Figure:
    """Conversations in clear text from or to zones that are wireless, outside or untrusted."""
    if basis.policy is None:
        return no_policy()

    def untrusted(zone: Zone) -> bool:
        return zone.kind in UNTRUSTED or IS_UNTRUSTED(zone)

    if not any(map(untrusted, basis.policy.zones)):
        if {"wireless", "untrusted"} <= basis.site.inputs.absent:
            return Number(0, f"the site has no such zone, as {basis.site.inputs.name} says")
        return NotConfigured(
            "a zone of kind wireless, remote or external, or with the tag untrusted, in the policy, or "
            f"`absent: [wireless, untrusted]` in {basis.site.inputs.name}"
        )
    return _plain_between(basis, lambda one, other: untrusted(one) or untrusted(other))


def _plain_between(basis: Basis, holds: Callable[[Zone, Zone], bool]) -> Figure:
    if basis.policy is None:
        return no_policy()

    rows: list[tuple[Talk, Zone, Zone]] = []
    for one in basis.conversations:
        if _plain(one.protocol):
            where = (one.site, one.group, one.place)
            client, server = (basis.zone(where, end) for end in (one.client, one.server))
            if client is not None and server is not None:
                rows.append((one, client, server))
    return each(
        rows,
        lambda row: holds(*row[1:]),
        lambda row, counted: basis.talk_item(
            row[0], f"{row[1].name} to {row[2].name}", counted=counted
        ),
    )


def weak_crypto(basis: Basis) -> Figure:
    """Versions, ciphers and channels that are withdrawn or protect nothing."""

    def items() -> Iterator[Item]:
        yield from weak("Old version of TLS", "Weak cipher of TLS", "SSH version 1")(basis)
        for one in basis.doings(("proto", "opcua"), ("op", "open_secure_channel")):
            if one.object in WEAK_CHANNELS and one.outcome in GOOD:
                yield basis.deed_item(one, f"channel with security {one.object}")

    return count(items())


def bad_certificates(basis: Basis) -> Figure:
    """Certificates that have expired, or are signed by nobody whom the site declares."""
    trusted = tuple(word.casefold() for word in basis.site.inputs.authorities)

    def items() -> Iterator[Item]:
        yield from weak("Expired certificate")(basis)
        if not trusted:
            return
        for one in basis.facts:
            if one.attribute == "certificate_issuer":
                known = any(word in one.value.casefold() for word in trusted)
                yield basis.fact_item(one, f"issued by {one.value}", counted=not known)

    return count(items())


METRICS: dict[str, Callable[[Basis], Figure]] = {
    "services.insecure": insecure,
    "auth.cleartext": _counted(weak("Credentials in clear text")),
    "auth.default_creds": _counted(weak("Default credentials")),
    "auth.fail_bursts": fail_bursts,
    "auth.anonymous": _counted(weak("Anonymous access")),
    "auth.plain_ops": plain_ops,
    "remote.sessions": sessions,
    "remote.bypass": bypass,
    "remote.unapproved": unapproved,
    "remote.overlong": overlong,
    "remote.concurrent": concurrent,
    "crypto.plain_crosszone": plain_crosszone,
    "crypto.plain_untrusted": plain_untrusted,
    "crypto.weak": weak_crypto,
    "certs.bad": bad_certificates,
}
