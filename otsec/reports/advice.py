"""Recommendations: what to do first, what it closes, and what it needs.

They come from open findings, from weaknesses, from what the policy does not allow and from blind
spots; the gravest first, of equal ones what closes most. What one needs follows from the hosts that
it touches: who runs them, and whether the process must stand still.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otsec.detect.model import LEVELS
from otsec.health import Severity
from otsec.health.verdict import counted
from otsec.inventory.model import Asset
from otsec.policy.simulation import is_cut
from otsec.reports.subject import CONTROLLERS, Subject

if TYPE_CHECKING:
    from otsec.policy.verdicts import Flow
    from otsec.store.findings import Finding

ORDER = tuple(reversed(LEVELS))
NETWORK = frozenset({"switch", "router", "firewall", "access_point"})
LOOKED_AT = frozenset({"informational"})  # levels that ask nobody to do anything


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation."""

    level: str
    action: str
    why: str  # what was seen, in a few words
    closes: int  # findings, weak hosts, flows or blind points
    closing: str  # the same in words
    needs: str
    hosts: int  # that are touched
    findings: "tuple[Finding, ...]" = ()
    flows: "tuple[Flow, ...]" = ()
    weakness: str = ""  # its title


def recommendations(subject: Subject) -> list[Advice]:
    """All of them, ranked."""
    told = [*_findings(subject), *_weak(subject), *_denied(subject), *_blind(subject)]
    return sorted(told, key=lambda one: (ORDER.index(one.level), -one.closes))


def _findings(subject: Subject) -> Iterator[Advice]:
    """One for each rule."""
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for case in subject.open:
        if case.finding.level not in LOOKED_AT:
            by_rule[case.finding.rule].append(case.finding)
    for seen in by_rule.values():
        one = seen[0]
        same = all(each.next == one.next for each in seen)
        where = {(each.group, each.place, each.server or each.client) for each in seen}
        hosts = [subject.known.at(subject.site, *each) for each in sorted(where)]
        touched = {each.id: each for each in hosts if each is not None}
        action = one.next if same and one.next else (
            "Go through the findings with those who answer for the hosts, worst first: "
            f"otsec findings rule={one.name}."
        )  # fmt: skip
        yield Advice(one.level, action, one.title, len(seen), counted(len(seen), "finding"),
                     _ask(touched.values()), len(touched),
                     findings=tuple(seen))  # fmt: skip


def _weak(subject: Subject) -> Iterator[Advice]:
    by_name = {asset.name: asset for asset in subject.assets}
    for one in subject.weaknesses:
        if one.severity in LOOKED_AT:
            continue
        names = {shown.asset for shown in one.shown}
        touched = [by_name[name] for name in sorted(names) if name in by_name]
        closing = f"the weakness at {counted(len(names), 'host')}"
        yield Advice(one.severity, one.action, one.title, len(names), closing, _change(touched),
                     len(names), weakness=one.title)  # fmt: skip


def _denied(subject: Subject) -> Iterator[Advice]:
    """One for each pair of zones between which the policy is broken."""
    found: dict[tuple[str, str], list[Flow]] = defaultdict(list)
    for flow in subject.flows:
        if is_cut(flow.verdict):
            zones = (flow.client.zone.name if flow.client.zone else "no zone",
                     flow.server.zone.name if flow.server.zone else "no zone")  # fmt: skip
            found[zones].append(flow)
    for (source, target), flows in found.items():
        words = Counter(" ".join(part for part in (one.word, one.cls) if part) for one in flows)
        named = ", ".join(
            word for word, _ in sorted(words.items(), key=lambda one: (-one[1], one[0]))[:3]
        )
        hosts = {
            (one.group, end.place, end.address) for one in flows for end in (one.client, one.server)
        }
        grave = any(one.option.cause in {"never", "internet", "safety", "it_ot"} for one in flows)
        yield Advice(
            "high" if grave else "medium",
            f"Stop it, or allow it by a conduit with owner and reason: {named}.",
            f"The policy does not allow {source} to {target}",
            len(flows),
            counted(len(flows), "flow"),
            "the owner of the zone, and a rule of the firewall between them",
            len(hosts),
            flows=tuple(flows),
        )  # fmt: skip


def _blind(subject: Subject) -> Iterator[Advice]:
    for one in subject.mirrors:
        bad = [each for each in one.verdicts if each.severity == Severity.BAD and each.advice]
        if bad:
            yield Advice("medium", bad[0].advice, f"{one.name} is {one.sentence}", 1,
                         "a blind spot", "who runs the switch with the mirror port", 1)  # fmt: skip


# ----------------------------------------------------------------------------------- needs


def _kinds(touched: Iterable[Asset]) -> dict[str, int]:
    found = Counter(
        "controller" if one.role.role in CONTROLLERS
        else "network device" if one.role.role in NETWORK
        else "computer"
        for one in touched
    )  # fmt: skip
    return {
        kind: found[kind] for kind in ("controller", "network device", "computer") if found[kind]
    }


def _ask(touched: Iterable[Asset]) -> str:
    """Who must be asked; nothing is changed by that."""
    kinds = _kinds(touched)
    if not kinds:
        return "somebody who knows the network; nothing stands still"
    told = ", ".join(counted(count, kind) for kind, count in kinds.items())
    who = "the shift or who engineers them" if "controller" in kinds else "who runs them"
    return f"a word with {who} ({told}); nothing stands still"


def _change(touched: Iterable[Asset]) -> str:
    """Who must change something, and when."""
    kinds = _kinds(touched)
    if not kinds:
        return "who runs the hosts"
    told = ", ".join(counted(count, kind) for kind, count in kinds.items())
    if "controller" in kinds:
        return f"a maintenance window ({told})"
    return f"an administrator ({told})"
