"""What ``otsec policy simulate`` tells."""

import sys
import tempfile
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import options
from otsec.cli.output import Column, Style, time_text, write
from otsec.cli.page import Page
from otsec.errors import Exit, InputError

if TYPE_CHECKING:
    from otsec.policy.model import Policy
    from otsec.policy.simulation import Simulation, Use
    from otsec.policy.verdicts import Flow
    from otsec.store import Store

SHOWN = 12  # flows of one cause on the page
CAUSES = {  # headings, the worst first
    "never": "forbidden by a `never`",
    "safety": "across the boundary of a safety zone",
    "it_ot": "between IT and OT without the DMZ",
    "internet": "to or from the internet",
    "level_skip": "past a level in between",
    "expired": "by an exception that has expired",
    "not_begun": "by an exception that does not hold yet",
    "window": "outside the window",
    "session": "in sessions that last too long",
    "cross_zone": "between zones",
    "intra_zone": "within a zone",
    "baseline": "within a zone, not in the approved baseline",
    "unplaced": "with an end in no zone",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the machine formats: a flow that is cut or not read, a rule, or a change."""

    what: str  # `cut`, `undecoded`, `use`, `change`
    rule: str
    count: int
    last_time: int | None
    reason: str
    verdict: str = ""
    before: str = ""
    cause: str = ""
    from_zone: str = ""
    client: str = ""
    to_zone: str = ""
    server: str = ""
    protocol: str = ""
    cls: str = ""
    operation: str = ""
    lost: str = ""


COLUMNS = (
    Column("what", "what", about="cut, undecoded, use (of a rule) or change (against OLD)"),
    Column("rule", "rule"),
    Column("verdict", "verdict"),
    Column("before", "before", about="the verdict of OLD"),
    Column("cause", "cause"),
    Column("from", "from", value=lambda line: line.from_zone),
    Column("client", "client"),
    Column("to", "to", value=lambda line: line.to_zone),
    Column("server", "server"),
    Column("protocol", "protocol"),
    Column("class", "class", value=lambda line: line.cls),
    Column("operation", "operation"),
    Column("lost", "lost"),
    Column("count", "count", "number"),
    Column("last_time", "last seen", "time"),
    Column("reason", "reason"),
)


def show(arguments: Namespace, policy: "Policy", other: "Policy | None", style: Style) -> int:
    """Simulate and tell; the exit code."""
    from otsec.cli.policy import verdicts
    from otsec.policy.simulation import simulate

    with _traffic(arguments) as store:
        flows = verdicts(store, policy)
        before = None if other is None else verdicts(store, other)
    found = simulate(policy, flows, before)
    if style.format == "table":
        _tell(found, Page(style, sys.stdout), style, against=other)
    else:
        write("simulation", COLUMNS, _lines(found), style, sys.stdout)
    return _exit(found, arguments.fail_on, against=other is not None)


def _exit(found: "Simulation", fail_on: str, *, against: bool) -> int:
    if fail_on == "never":
        return Exit.FINE
    cut = bool(found.newly_cut) if against else bool(found.cut)
    return Exit.FINDINGS if cut or (fail_on == "undecoded" and found.unread) else Exit.FINE


@contextmanager
def _traffic(arguments: Namespace) -> "Iterator[Store]":
    """The store, or one that is made of captures for the time being."""
    from otsec.pipeline import Options, Run, plan_sources
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    if not arguments.captures:
        with open_store(config.store, readonly=True) as store:
            yield store
        return
    planned = plan_sources([Path(name) for name in arguments.captures], None)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "otsec.db")) as store:
        reading = Run(store, config, Options(), lambda *_: None, lambda: False)
        for outcome in reading.read(planned, named=False):
            if outcome.problem:
                raise InputError(f"{outcome.path}: {outcome.problem}")
        yield store


# ------------------------------------------------------------------------------- machines


def _lines(found: "Simulation") -> Iterator[Line]:
    from otsec.policy.reasons import reason

    for what, flows in (("cut", found.cut), ("undecoded", found.unread)):
        for flow in flows:
            yield _line(what, flow, "", reason(flow))
    for use in found.uses:
        remark = "" if use.flows else "not used"
        yield Line("use", use.rule.id, use.count, use.last_time or None, remark)
    for change in found.changes:
        yield _line("change", change.flow, change.before, reason(change.flow))


def _line(what: str, flow: "Flow", before: str, why: str) -> Line:
    from otsec.policy.reasons import zone_of
    from otsec.policy.simulation import loss

    return Line(
        what=what,
        rule=flow.rule,
        count=flow.count,
        last_time=flow.last_time,
        reason=why,
        verdict=flow.verdict,
        before=before,
        cause=flow.option.cause,
        from_zone=zone_of(flow.client),
        client=flow.client.address,
        to_zone=zone_of(flow.server),
        server=flow.server.address,
        protocol=flow.word,
        cls=flow.cls,
        operation=flow.operation,
        lost=loss(flow),
    )


# --------------------------------------------------------------------------------- people


class Lost(NamedTuple):
    """What one client loses at one server."""

    client: str
    server: str
    protocol: str
    lost: str
    rule: str


LOST = (
    Column("client", "who loses"),
    Column("lost", "what"),
    Column("protocol", "by"),
    Column("server", "of whom"),
    Column("rule", "rule"),
)


@dataclass(frozen=True, slots=True)
class Used:
    """How much a rule is used."""

    rule: str
    count: int
    last_time: int | None
    told: str


USED = (
    Column("rule", "conduit"),
    Column("count", "exchanges", "number"),
    Column("last_time", "last used", "time"),
    Column("told", "remark"),
)


def _tell(found: "Simulation", page: Page, style: Style, *, against: "Policy | None") -> None:
    total = sum(found.totals.values())
    page.head(f"{found.policy.name} on {total:,} exchanges{_span(found.flows, style)}")
    for verdict, count in found.totals.items():
        share = 100 * count / total if total else 0.0
        page.item(f"{verdict}: {count:,} ({share:.1f} %)")
    unread = sum(1 for flow in found.flows if not flow.cls)
    if unread:
        page.item(f"besides, {unread:,} flows in which no operation could be read")
    _tell_cut(found.cut, page)
    if found.unread:
        page.head(f"Could not be read, so it is not told as allowed ({len(found.unread)}):")
        _tell_flows(found.unread, page)
    page.head("Conduits and exceptions:")
    rows = [_used(use) for use in found.uses]
    page.table(USED, rows, len(rows))
    if against is not None:
        _tell_changes(found, page, against)


def _span(flows: "Sequence[Flow]", style: Style) -> str:
    if not flows:
        return ""
    first, last = min(flow.first_time for flow in flows), max(flow.last_time for flow in flows)
    return f", {time_text(first, style.zone)[:16]} to {time_text(last, style.zone)[:16]}"


def _tell_cut(cut: "Sequence[Flow]", page: Page) -> None:
    if not cut:
        page.head("Nothing would be cut.")
        return
    by_cause: dict[str, list[Flow]] = defaultdict(list)
    for flow in cut:
        by_cause[flow.option.cause].append(flow)
    for cause, heading in CAUSES.items():
        if by_cause[cause]:
            page.head(f"Would be cut, {heading} ({len(by_cause[cause])}):")
            _tell_flows(by_cause[cause], page)


def _tell_flows(flows: "Iterable[Flow]", page: Page) -> None:
    from otsec.policy.simulation import by_weight

    rows = list(dict.fromkeys(_lost(flow) for flow in by_weight(flows)))
    page.table(LOST, rows[:SHOWN], len(rows), "--json shows all of them", spare=("rule",))


def _lost(flow: "Flow") -> Lost:
    from otsec.policy.reasons import called
    from otsec.policy.simulation import loss

    return Lost(called(flow.client), called(flow.server), flow.word, loss(flow), flow.rule)


def _used(use: "Use") -> Used:
    remark = "" if use.flows else "not used"
    if use.rule.needs_change:
        remark = ", ".join(part for part in (remark, "each use needs a change") if part)
    return Used(use.rule.id, use.count, use.last_time or None, remark)


def _tell_changes(found: "Simulation", page: Page, against: "Policy") -> None:
    if not found.changes:
        page.head(f"{against.name} judges nothing otherwise.")
        return
    new = found.newly_cut
    page.head(f"Cut now, let through by {against.name} ({len(new)}):")
    _tell_flows((change.flow for change in new), page)
    others = [change for change in found.changes if change not in new]
    if others:
        page.head(f"Judged otherwise ({len(others)}):")
        for change in others[:SHOWN]:
            lost = _lost(change.flow)
            page.item(
                f"{lost.client} to {lost.server} by {lost.protocol} {change.flow.cls}: "
                f"{change.before} before, {change.flow.verdict} now"
            )
        page.more(min(len(others), SHOWN), len(others))
