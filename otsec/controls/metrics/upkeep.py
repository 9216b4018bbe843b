"""How the site keeps watch: `intel.`, `time.`, `baseline.`, `alerts.`, `audit.`, `reports.`, `backup.`."""

import re
from collections.abc import Callable, Iterator

from otsec.controls.basis import Basis, asset_item, count, each
from otsec.controls.inputs import Backup
from otsec.controls.metrics.coverage import NO_SENSOR
from otsec.controls.model import COUNTED, Figure, Item, NotConfigured, NotMeasurable, Number
from otsec.detect.cases import STATES, Case
from otsec.inventory.model import SURE
from otsec.nanoseconds import DAY_NS, SECOND_NS
from otsec.store.acts import Act, verified
from otsec.store.schedules import Run, runs, schedules

BASELINE = "otsec baseline learn, then otsec baseline approve --by WHO"


def intel_age_d(_basis: Basis) -> Figure:
    """Days since indicators were updated."""
    return NotMeasurable("this version reads no indicators")


# ------------------------------------------------------------------------------------- time


def unsynced(basis: Basis) -> Figure:
    """Clocks of devices that are off by more than the limit, or say that they need the time."""
    limit = basis.site.inputs.clock_limit_s * SECOND_NS
    told = [one for one in basis.clocks if one.standing != "unknown"]
    if not told:
        return NotMeasurable("no device told its time")

    set_at = {(one.asset, one.device): one.last_time for one in basis.clocks if one.way == "is set"}

    def items() -> Iterator[Item]:
        for one in told:
            answered = set_at.get((one.asset, one.device), 0) >= one.last_time
            if one.standing == "needs time" and answered:
                continue  # it was given the time when it asked for it
            low, high = one.offset_low_ns, one.offset_high_ns
            off = low is not None and high is not None and (low > limit or high < -limit)
            counted = off or one.standing in {"needs time", "steps"}
            ahead = f", {(low + high) / 2e9:+.3f} s" if low is not None and high is not None else ""
            yield Item(
                *(counted, one.name, "", one.protocol, f"{one.standing}{ahead}"),
                *(one.first_time, one.last_time, one.point, one.packet),
            )

    return count(items())


def rogue_source(basis: Basis) -> Figure:
    """Who serves time without being declared for it."""
    declared = basis.site.inputs.time_sources
    if not declared:
        return NotConfigured(basis.site.inputs.how("time: sources"))

    def items() -> Iterator[Item]:
        for one in basis.doings(("class", "time")):
            if one.protocol == "ntp" and one.outcome in {"", "ok"}:
                # who broadcasts serves; else who is asked
                source = one.client if one.operation == "broadcast" else one.server
                yield basis.deed_item(one, f"time from {source}", counted=source not in declared)

    return count(items())


def sensor_offset_ms(basis: Basis) -> Figure:
    """The largest difference between a sensor's clock and its server, as its system estimates it."""
    told = [(point, one) for point, one in basis.heartbeats if one.clock == "synchronised"]
    if not told:
        beats = bool(basis.heartbeats)
        return NotMeasurable("no sensor's clock was set by a server" if beats else NO_SENSOR)
    point, worst = max(told, key=lambda one: abs(one[1].clock_offset_us))
    item = Item(
        COUNTED, point, "", "clock", f"{worst.clock_offset_us} us", worst.time, worst.time, point
    )
    return Number(abs(worst.clock_offset_us) / 1000, items=lambda: (item,))


# --------------------------------------------------------------------------------- baseline


def baseline_exists(basis: Basis) -> Figure:
    """Whether learning of something has ended and a named person approved: 1 or 0."""
    act = basis.approved("baseline-approve", "baseline-import")
    if not basis.learned or act is None:
        return Number(0, f"no baseline that a person approved; {BASELINE}")
    return Number(1, f"approved by {act.who}", lambda: (_said(act, "baseline"),))


def _said(act: Act, what: str) -> Item:
    return Item(COUNTED, act.who, "", what, act.reason or act.after, act.time, act.time)


def baseline_age_d(basis: Basis) -> Figure:
    """Days since a person approved the baseline, or something in it."""
    act = basis.approved("baseline-approve", "baseline-import")
    if not basis.learned or act is None:
        return NotConfigured(BASELINE)
    return Number(basis.age_d(act), f"approved by {act.who}", lambda: (_said(act, "baseline"),))


def deviations_open(basis: Basis) -> Figure:
    """Deviations from the baseline that nobody has judged."""
    if not basis.learned:
        return NotConfigured(BASELINE)
    return count(
        basis.case_item(one, counted=one.open and not _judged(one))
        for one in basis.cases
        if one.finding.name in basis.deviations
    )


def _judged(case: Case) -> bool:
    """Whether somebody has looked at it."""
    return case.state == "acknowledged"


# ----------------------------------------------------------------------------------- alerts


def alerts_total(basis: Basis) -> Figure:
    """Findings of the period."""
    return each(
        basis.cases, lambda _: True, lambda case, counted: basis.case_item(case, counted=counted)
    )


def over_sla(basis: Basis) -> Figure:
    """Findings of live sensors that nobody looked at in time; of recordings that is not known."""
    limits = basis.site.inputs.triage_s
    if not limits:
        return NotConfigured(basis.site.inputs.how("triage"))
    if not basis.live:
        return NotMeasurable(f"{NO_SENSOR}, so when a finding could be seen is not known")

    def items() -> Iterator[Item]:
        for one in basis.cases:
            limit = limits.get(one.finding.level)
            if limit is None or one.finding.source not in basis.live:
                continue
            due = one.finding.first_time + limit * SECOND_NS
            looked = min((act.time for act in one.acts if act.kind in STATES), default=0)
            late = (looked or basis.period.end) > due
            told = "nobody looked at it" if not looked else "looked at"
            yield basis.case_item(one, counted=late, told=f"{told}{', late' if late else ''}")

    return count(items())


def forward_fail(_basis: Basis) -> Figure:
    """Findings that did not reach a receiver."""
    return NotMeasurable("this version forwards no findings")


# ------------------------------------------------------------------------------------ record


def chain_ok(basis: Basis) -> Figure:
    """Whether the hash chain of the record of acts holds: 1 or 0.

    How many acts there are is not told: writing a report is one, and would change the next report.
    """
    found = verified(basis.store)
    items = tuple(
        Item(COUNTED, f"act {one.number}", "", "record", one.what) for one in found.broken
    )
    return Number(int(not items), items=lambda: items)


def reports_missed(basis: Basis) -> Figure:
    """Runs of schedules that were missed, or given up."""
    return _runs(basis, lambda run: run.state in {"missed", "failed"})


def reports_unsigned(basis: Basis) -> Figure:
    """Runs of schedules that wrote reports without a signed manifest."""
    return _runs(basis, lambda run: run.state in {"done", "retired"} and not run.manifest)


def _runs(basis: Basis, counts: Callable[[Run], bool]) -> Figure:
    """Runs that were due since the period began; the clock is the machine's, not the capture's."""
    if not schedules(basis.store):
        return NotConfigured("otsec schedule add NAME WHEN KIND --by WHO")
    due = [run for run in runs(basis.store) if run.due >= basis.period.begin]
    return count(
        Item(counts(run), run.schedule, "", "report", f"{run.state} {run.error}".strip(), run.due, run.due)
        for run in due
    )  # fmt: skip


# ----------------------------------------------------------------------------------- backup


def backup_overdue(basis: Basis) -> Figure:
    """Assets of the declared roles of which no transfer to a backup server was seen in time."""
    declared = basis.site.inputs.backup
    if declared is None:
        return NotConfigured(basis.site.inputs.how("backup"))
    return count(_backups(basis, declared))


def _backups(basis: Basis, declared: Backup) -> Iterator[Item]:
    since = basis.period.end - declared.interval_s * SECOND_NS
    for asset in basis.assets:
        sure = asset.role.confidence >= SURE
        if not sure or asset.role.role not in declared.roles or {*asset.ips} & {*declared.servers}:
            continue
        last = max(
            (talk for talk in asset.talks if {talk.client, talk.server} & {*declared.servers} and talk.payload_in),
            key=lambda talk: (talk.last_time, talk.last_packet),
            default=None,
        )  # fmt: skip
        late = last is None or last.last_time < since
        if last is None:
            yield asset_item(asset, "backup", "no transfer was ever seen")
        else:
            days = (basis.period.end - last.last_time) / DAY_NS
            yield asset_item(asset, "backup", f"last {days:.1f} days ago", counted=late)._replace(
                other=last.server, point=last.source, packet=last.last_packet
            )


# ---------------------------------------------------------------------------------- self-test

_FAILED = re.compile(r"\b([1-9][0-9]*) (?:silent|suppressed)\b")


def last_self_test(basis: Basis) -> Act | None:
    """The last self-test of all rules."""
    told = (act for act in reversed(basis.acts) if act.kind == "selftest")
    return next((act for act in told if act.attribute == "all rules"), None)


def self_test_failed(act: Act) -> bool:
    """Whether a rule did not fire in it."""
    return _FAILED.search(act.after) is not None or "did not fire" in act.after


METRICS: dict[str, Callable[[Basis], Figure]] = {
    "intel.age_d": intel_age_d,
    "time.unsynced": unsynced,
    "time.rogue_source": rogue_source,
    "time.sensor_offset_ms": sensor_offset_ms,
    "baseline.exists": baseline_exists,
    "baseline.age_d": baseline_age_d,
    "baseline.deviations_open": deviations_open,
    "alerts.total": alerts_total,
    "alerts.over_sla": over_sla,
    "alerts.forward_fail": forward_fail,
    "audit.chain_ok": chain_ok,
    "reports.missed": reports_missed,
    "reports.unsigned": reports_unsigned,
    "backup.overdue": backup_overdue,
}
