"""What a policy would have done to the traffic that a store holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from otsec.policy.judging import SEVERITY
from otsec.policy.model import Policy, Rule, Verdict
from otsec.policy.verdicts import Flow


@dataclass(frozen=True, slots=True)
class Use:
    """How much a rule was used."""

    rule: Rule
    flows: int
    count: int  # exchanges
    last_time: int  # ns; 0: it was not used


@dataclass(frozen=True, slots=True)
class Change:
    """A flow that another policy judges otherwise."""

    flow: Flow  # as the policy judges it
    before: Verdict  # worst of what the other policy says of it


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it."""

    policy: Policy
    flows: tuple[Flow, ...]
    totals: dict[Verdict, int]  # exchanges
    cut: tuple[Flow, ...]  # denied, or of ends that nobody knows: the worst first
    unread: tuple[Flow, ...]
    uses: tuple[Use, ...]
    changes: tuple[Change, ...]

    @property
    def unused(self) -> tuple[Use, ...]:
        """Conduits that nobody used."""
        return tuple(use for use in self.uses if not use.flows and use.rule.kind == "conduit")

    @property
    def newly_cut(self) -> tuple[Change, ...]:
        """What the other policy lets through, and this one does not."""
        return tuple(one for one in self.changes if is_cut(one.flow.verdict) > is_cut(one.before))


def is_cut(verdict: Verdict) -> bool:
    """Whether who enforces the policy lets it not through."""
    return verdict in {"deny", "unknown_endpoint"}


def simulate(
    policy: Policy, flows: Sequence[Flow], other: Sequence[Flow] | None = None
) -> Simulation:
    """What a policy did; ``other``: the same traffic as another policy judges it."""
    totals: dict[Verdict, int] = dict.fromkeys(SEVERITY, 0)
    for flow in flows:
        if flow.cls:  # where nothing could be read there are packets, and no exchanges
            totals[flow.verdict] += flow.count
    return Simulation(
        policy=policy,
        flows=tuple(flows),
        totals=totals,
        cut=tuple(flow for flow in flows if is_cut(flow.verdict)),
        unread=tuple(flow for flow in flows if flow.verdict == "undecoded"),
        uses=tuple(_uses(policy, flows)),
        changes=tuple(_changes(flows, other)) if other is not None else (),
    )


def _uses(policy: Policy, flows: Sequence[Flow]) -> Iterable[Use]:
    by_rule: dict[str, list[Flow]] = {}
    for flow in flows:
        if flow.option.rule is not None and not is_cut(flow.verdict):
            by_rule.setdefault(flow.rule, []).append(flow)
    for rule in (*policy.conduits, *policy.exceptions):
        used = by_rule.get(rule.id, [])
        yield Use(
            rule,
            len(used),
            sum(flow.count for flow in used),
            max((flow.last_time for flow in used), default=0),
        )


def _key(flow: Flow) -> tuple[str, ...]:
    return (
        *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
        *(flow.service, flow.protocol, flow.cls, flow.operation),
    )


def _changes(flows: Sequence[Flow], other: Sequence[Flow]) -> Iterable[Change]:
    """What is judged otherwise: of each kind of flow the worst of both."""
    before, now = _worst(other), _worst(flows)
    for key, flow in now.items():
        old = before.get(key)
        if old is not None and old.verdict != flow.verdict:
            yield Change(flow, old.verdict)


def _worst(flows: Sequence[Flow]) -> dict[tuple[str, ...], Flow]:
    found: dict[tuple[str, ...], Flow] = {}
    for flow in flows:
        known = found.get(_key(flow))
        if known is None or SEVERITY[flow.verdict] > SEVERITY[known.verdict]:
            found[_key(flow)] = flow
    return found


LOSSES = {  # what is lost with a class of operations, in a word
    "read": "poll", "report": "reports", "write": "write", "control": "command", "program": "program transfer",
    "mode": "start or stop", "firmware": "firmware update", "config": "configuration",
    "file": "file transfer", "diagnose": "diagnostics", "browse": "browsing", "time": "time",
    "session": "session", "": "connection",
}  # fmt: skip


WORST = (  # classes, by what it means to lose them, or that somebody tried
    *("firmware", "program", "mode", "control", "write", "config", "file", "time", "read"),
    *("report", "diagnose", "browse", "session", ""),
)


def by_weight(flows: Iterable[Flow]) -> list[Flow]:
    """What matters most first: what changes something, then what is done most."""
    return sorted(flows, key=lambda flow: (WORST.index(flow.cls), -flow.count))


def loss(flow: Flow) -> str:
    """What who begins would have lost: `poll every 1.0 s`, `write, twice`."""
    word = LOSSES[flow.cls]
    if flow.count < 2 or flow.last_time <= flow.first_time or not flow.cls:
        return word
    every = (flow.last_time - flow.first_time) / (flow.count - 1) / 1e9
    if flow.cls in {"read", "report", "time"} and flow.count > 3:
        return f"{word} every {_seconds(every)}"
    return f"{word}, {flow.count} times"


def _seconds(seconds: float) -> str:
    for limit, divisor, unit in (
        (1, 1e-3, "ms"),
        (120, 1, "s"),
        (7_200, 60, "min"),
        (172_800, 3_600, "h"),
    ):
        if seconds < limit:
            return f"{seconds / divisor:.3g} {unit}"
    return f"{seconds / 86_400:.3g} d"
