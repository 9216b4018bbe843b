"""Segmentation: what the policy says of all that was done, by zones and conduits."""

from collections.abc import Sequence

from otsec.health.verdict import counted
from otsec.policy.model import Policy, Rule
from otsec.policy.reasons import name_of, reason, smallest, zone_of
from otsec.policy.simulation import is_cut
from otsec.policy.verdicts import Flow
from otsec.reports import figures
from otsec.reports.document import (
    MOST_ROWS,
    Block,
    Cell,
    Column,
    Document,
    Key,
    Paragraph,
    Section,
    Table,
    columns,
)
from otsec.reports.frame import framed
from otsec.reports.subject import Subject

FLOWS = columns(
    ("verdict", "Verdict", "tag"), ("source", "From"), ("client", "Client"), ("target", "To"),
    ("server", "Server"), ("protocol", "Protocol"), ("operation", "Operation"),
    ("count", "Exchanges", "number"), ("last", "Last", "time"), ("reason", "Why"),
    ("rule", "Rule*"), ("cause", "Cause*"), ("class", "Class*"), ("service", "Service*"),
    ("conduit", "Smallest conduit that would allow it*"), ("first", "First*", "time"),
    ("at", "A moment at which it held*", "time"), ("doubt", "Not all moments are known*"),
    ("vlan", "VLAN*"), ("group", "Group of points*"), ("point", "Point*"),
)  # fmt: skip

MOST_FLOWS = 100  # of all flows on a page, where those that break the policy stand above


def gather(subject: Subject) -> Document:
    """The report."""
    policy = subject.order.policy
    if policy is None:  # the command asks for one
        raise ValueError("segmentation needs a policy")
    cut = [one for one in subject.flows if is_cut(one.verdict)]
    unread = [one for one in subject.flows if one.verdict == "undecoded"]
    unplaced = [one for one in subject.flows if one.verdict == "unknown_endpoint"]
    unseen = [zone.name for zone in policy.zones if zone.name not in subject.zones_seen]
    unused = [one for one in _rules(subject, policy) if one[5] == 0]
    keys = (
        Key("violating flows", len(cut), f"of {counted(len(subject.flows), 'flow')}",
            grave=bool(cut)),
        Key("not read", len(unread), "allowed by port, operations unknown: not counted as allowed"),
        Key("ends in no zone", len(unplaced), "flows of which an end is in no zone",
            grave=bool(unplaced)),
        Key("zones not seen", len(unseen), f"of {len(policy.zones)}; nothing is told of them"),
        Key("unused conduits", len(unused), f"of {len(policy.conduits)}"),
        Key("exceptions", len(policy.exceptions), "each with an end, see below"),
    )  # fmt: skip
    matrix = figures.zones(subject)
    return framed(
        subject,
        "segmentation",
        "Segmentation: zones and conduits",
        keys,
        (
            Section("zones", "Zones", (
                *((matrix,) if matrix else ()), figures.violating(subject), _zones(subject, policy))),
            Section("violations", "What the policy does not allow", tuple(_violations(cut))),
            Section("conduits", "Conduits", (_conduits(subject, policy),)),
            Section("writers", "Writers", (figures.who_writes(subject), figures.second_writers(subject))),
            Section("flows", "Every flow", (
                _flows("flows", "", subject.flows, "Nothing was heard that a policy could judge.",
                       MOST_FLOWS if cut else MOST_ROWS),)),
        ),
    )  # fmt: skip


def _violations(cut: list[Flow]) -> list[Block]:
    if not cut:
        return [Paragraph(
            "No flow was seen that the policy does not allow. What was not seen is told above."
        )]  # fmt: skip
    return [_flows("violations", "", cut, "")]


def _flows(
    name: str, title: str, flows: Sequence[Flow], empty: str, most: int = MOST_ROWS
) -> Table:
    return Table(name, title, FLOWS, tuple(map(_row, flows)), empty=empty, most=most)


def _row(one: Flow) -> tuple[Cell, ...]:
    return (
        one.verdict, zone_of(one.client) or "no zone", name_of(one.client),
        zone_of(one.server) or "no zone", name_of(one.server), one.word,
        one.operation or "not read", one.count, one.last_time, reason(one),
        one.rule, one.option.cause, one.cls, one.service,
        smallest(one) if is_cut(one.verdict) else "", one.first_time, one.at,
        "yes" if one.doubt else "", one.place, one.group, one.point,
    )  # fmt: skip


def _zones(subject: Subject, policy: Policy) -> Table:
    """The zones with how many of each were seen."""
    made = subject.matrix
    members = made.members if made else {}
    return Table(
        "zones",
        "Zones of the policy",
        columns(("zone", "Zone"), ("level", "Level", "level"), ("kind", "Kind"),
                ("seen", "Addresses seen", "number"), ("sl_t", "SL-T", "level"), ("owner", "Owner"),
                ("reason", "Reason"), ("nets", "Networks*", "list")),
        tuple(
            (zone.name, zone.level, zone.kind, members.get(zone.name, 0), zone.sl_t, zone.owner,
             zone.reason, tuple(map(str, zone.nets)))
            for zone in sorted(policy.zones, key=lambda one: (members.get(one.name, 0) > 0, one.name))
        ),
        reading="Those of which nobody was heard stand first.",
        key=("zone",),
    )  # fmt: skip


RULES: tuple[Column, ...] = columns(
    ("id", "Conduit"), ("kind", "Kind"), ("source", "From"), ("target", "To"), ("allows", "Allows"),
    ("flows", "Flows", "number"), ("last", "Last used", "time"), ("owner", "Owner"),
    ("reason", "Reason"), ("window", "Window"),
)  # fmt: skip


def _conduits(subject: Subject, policy: Policy) -> Table:
    """What is allowed, and whether anybody used it."""
    return Table(
        "conduits",
        "",
        RULES,
        tuple(_rules(subject, policy)),
        empty="The policy has no conduit.",
        reading="Unused ones first: each is a way that is open for nobody known.",
        key=("id",),
    )


def _rules(subject: Subject, policy: Policy) -> list[tuple[Cell, ...]]:
    used: dict[str, list[Flow]] = {}
    for flow in subject.flows:
        if flow.option.rule is not None and not is_cut(flow.verdict):
            used.setdefault(flow.rule, []).append(flow)
    rows = [_rule(one, used.get(one.id, [])) for one in (*policy.conduits, *policy.exceptions)]
    return sorted(rows, key=lambda row: (row[5] != 0, str(row[0])))


def _rule(one: Rule, flows: list[Flow]) -> tuple[Cell, ...]:
    return (
        one.id, one.kind, ", ".join(end.name for end in one.sources),
        ", ".join(end.name for end in one.targets),
        "; ".join(allow.written for allow in one.allows), len(flows),
        max((flow.last_time for flow in flows), default=None),
        one.told.get("owner", ""), one.told.get("reason", ""),
        one.window.name if one.window else "",
    )  # fmt: skip
