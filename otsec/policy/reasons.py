"""Why a verdict is as it is, in plain words, and the smallest conduit that would change it."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from otsec.inventory.model import is_mac
from otsec.policy import windows, words
from otsec.policy.judging import Cause, Option
from otsec.policy.model import IMPLIED, Rule
from otsec.policy.placing import Endpoint
from otsec.policy.verdicts import Flow

DOING = {  # a class of operations as what somebody does
    "read": "reads from", "write": "writes to", "control": "controls", "program": "loads or reads programs of",
    "mode": "starts, stops or restarts", "firmware": "changes the firmware of", "config": "configures",
    "file": "transfers files with", "diagnose": "runs diagnostics on", "browse": "browses",
    "time": "exchanges time with", "report": "exchanges reports with", "session": "opens sessions to",
    "": "talks to",
}  # fmt: skip
Told: TypeAlias = Callable[[Flow, Option], str]


def name_of(end: Endpoint) -> str:
    """What an end is called: its name with the address, or the address."""
    name = end.person.name
    return name if not name or end.address in name else f"{name} ({end.address})"


def called(end: Endpoint) -> str:
    """The same; never empty."""
    return name_of(end) or end.address


def zone_of(end: Endpoint) -> str:
    """The zone's name; empty: none."""
    return end.zone.name if end.zone is not None else ""


def reason(flow: Flow) -> str:
    """Why, in one sentence."""
    option = flow.option
    return _REASONS[option.cause](flow, option)


def _who(flow: Flow) -> str:
    doing = DOING[flow.cls]
    by = f" by {flow.word}"
    return f"{called(flow.client)} {doing} {called(flow.server)}{by}"


def _between(flow: Flow) -> str:
    one, other = zone_of(flow.client) or "no zone", zone_of(flow.server) or "no zone"
    if one == other:
        return f"within {one}"
    return f"from {one} to {other}"


def _rule(flow: Flow, option: Option) -> str:
    if option.verdict == "undecoded":
        what = "its operations could not be read" if flow.protocol else "no protocol was recognised"
        return f'{option.by.kind} "{option.by.id}" may allow it, but {what}'
    change = "; each use needs a change" if option.by.needs_change else ""
    proposed = "; it is proposed, nobody has accepted it" if option.by.status == "proposed" else ""
    told = option.by.told.get("reason", "")
    return f'{option.by.kind} "{option.by.id}" allows it{f": {told}" if told else ""}{change}{proposed}'


def _never(flow: Flow, option: Option) -> str:
    what = option.by.allows[0].written
    forbidden = "all" if what == "any" else what
    why = option.by.told.get("reason", "")
    return f'{_who(flow)}; never "{option.by.id}" forbids {forbidden} {_between(flow)}' + (
        f": {why}" if why else ""
    )


def _expired(flow: Flow, option: Option) -> str:
    return (
        f'{_who(flow)}; exception "{option.by.id}" that allowed it has expired '
        f"({option.by.expires})"
    )


def _not_begun(flow: Flow, option: Option) -> str:
    return f'{_who(flow)}; exception "{option.by.id}" does not hold yet'


def _window(flow: Flow, option: Option) -> str:
    return (
        f'{_who(flow)}; {option.by.kind} "{option.by.id}" allows it only in '
        f"{windows.told(option.by.window) if option.by.window else option.by.id}"
    )


def _session(flow: Flow, option: Option) -> str:
    return (
        f"{_who(flow)}; the session lasts longer than the {option.by.max_session // 60} minutes "
        f'that {option.by.kind} "{option.by.id}" allows'
    )


def _crossing(what: str) -> Told:
    def told(flow: Flow, option: Option) -> str:
        return f"{_who(flow)} {_between(flow)}{what}{_near(option.near)}"

    return told


def _near(rule: Rule | None) -> str:
    if rule is None:
        return ""
    allowed = "; ".join(allow.written for allow in rule.allows)
    return f'; conduit "{rule.id}" between them allows only {allowed}'


def _unplaced(flow: Flow, _option: Option) -> str:
    nowhere = [called(end) for end in (flow.client, flow.server) if end.zone is None]
    return (
        f"{_who(flow)}; {' and '.join(nowhere)} {'is' if len(nowhere) == 1 else 'are'} in no zone"
    )


def _internet(flow: Flow, _option: Option) -> str:
    outside = [called(end) for end in (flow.client, flow.server) if end.internet]
    return f"{_who(flow)}; {' and '.join(outside)} is on the internet"


def _default(flow: Flow, _option: Option) -> str:
    if flow.option.verdict == "undecoded":
        return f"{_who(flow)}; what is done could not be read, and a `never` forbids some of it"
    return f"defaults allow what goes {_between(flow)}"


_REASONS: dict[Cause, Told] = {
    "rule": _rule,
    "link": lambda _flow, _option: "keeps the link going; no policy is about it",
    "default": _default,
    "never": _never,
    "expired": _expired,
    "not_begun": _not_begun,
    "window": _window,
    "session": _session,
    "safety": _crossing(", a boundary of a safety zone"),
    "it_ot": _crossing(", between IT and OT without the DMZ"),
    "level_skip": _crossing(", past a level in between"),
    "cross_zone": _crossing(""),
    "intra_zone": _crossing(", which allows only its conduits"),
    "baseline": _crossing(", which is not in the approved baseline"),
    "internet": _internet,
    "unplaced": _unplaced,
}


def expected(flow: Flow) -> str:
    """What the policy lets pass instead, in one sentence."""
    option = flow.option
    if option.rule is not None:
        by = option.rule.told
        said = (("owner", "owned by"), ("approved_by", "approved by"), ("ticket", "ticket"))
        told = "; ".join(f"{words} {by[key]}" for key, words in said if by.get(key))
        return f'{option.rule.kind.capitalize()} "{option.rule.id}" of the policy{f" ({told})" if told else ""}.'
    if option.near is not None:
        allowed = "; ".join(allow.written for allow in option.near.allows)
        return f'Conduit "{option.near.id}" allows only {allowed}.'
    if flow.client.zone is None or flow.server.zone is None:
        return "Both ends are in a zone of the policy, or a conduit names them."
    return f"Nothing of the kind: the policy has no conduit for it {_between(flow)}."


# --------------------------------------------------------------------------------- conduits


def smallest(flow: Flow) -> str:
    """The smallest conduit that would allow it, as YAML; empty where it is allowed or none can."""
    return smallest_of([flow])


def smallest_of(flows: Sequence[Flow]) -> str:
    """The smallest conduit that would allow all of some flows that no `never` forbids, as YAML."""
    wanted = [flow for flow in flows if conduit_can(flow)]
    if not wanted:
        return ""
    entries: dict[str, set[str]] = {}
    for flow in wanted:
        named = flow.cls and flow.protocol in words.protocols()
        entry = f"protocol: {flow.protocol}" if named else f"service: {flow.service}"
        entries.setdefault(entry, set()).add(flow.cls)
    allow = ", ".join(_entry(entry, classes) for entry, classes in entries.items())
    client, server = (
        ends_text(flow.client for flow in wanted),
        ends_text(flow.server for flow in wanted),
    )
    return f"{{id: NAME, from: {client}, to: {server}, allow: [{allow}], owner: NAME, reason: WHY}}"


def conduit_can(flow: Flow) -> bool:
    """Whether a conduit would change the verdict."""
    return flow.option.verdict != "allow" and flow.option.cause != "never"


def _entry(named: str, classes: set[str]) -> str:
    return f"{{{named}}}" if "" in classes else f"{{{named}, ops: [{', '.join(needed(classes))}]}}"


def ends_text(ends: Iterable[Endpoint]) -> str:
    """A selector for each kind of address."""
    by_key: dict[str, dict[str, None]] = {}
    for end in ends:
        key = "multicast" if end.group else "macs" if is_mac(end.address) else "ips"
        by_key.setdefault(key, {})[f'"{end.address}"'] = None
    made = []
    for key, texts in by_key.items():
        told = ", ".join(texts)
        made.append(f"{{{key}: {told if len(texts) == 1 else f'[{told}]'}}}")
    return made[0] if len(made) == 1 else f"[{', '.join(made)}]"


def needed(classes: set[str]) -> list[str]:
    """Classes without those that come with the others, in the order of the list."""
    return [
        cls
        for cls in DOING
        if cls and cls in classes and not (IMPLIED.get(cls, frozenset()) & (classes - {cls}))
    ]
