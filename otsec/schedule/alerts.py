"""What is wrong with scheduled reports, as findings: runs not made, and what did not arrive.

They follow from the table of runs and not from packets, so they belong to no source and stay out
of the canonical dump; people decide of them as of all findings.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from otsec.config import Config
from otsec.controls.site import name_of
from otsec.detect.telling import Key, finding
from otsec.health.verdict import counted
from otsec.nanoseconds import SECOND_NS
from otsec.schedule.running import LATE_NS
from otsec.schedule.times import latest_dues
from otsec.store import Store
from otsec.store import schedules as kept
from otsec.store.findings import Finding, note
from otsec.store.schedules import REMOVED

CATEGORY = "health"


class Kind(NamedTuple):
    """One thing that goes wrong with a schedule."""

    name: str
    title: str
    what: str  # of one time
    expected: str
    why: str
    next: str
    level: str = "medium"
    techniques: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()


MISSED = Kind(
    "report-missed",
    "Scheduled report was not made",
    "run",
    "A report at each due time.",
    "The report of that time is missing where somebody asks for it, and what it would have told was "
    "read by nobody.",
    "See why: otsec schedule runs {name}. Have it made after all: otsec schedule retry {name}. Who "
    "works schedules off stands in otsec schedule --help.",
)
UNDELIVERED = Kind(
    "report-undelivered",
    "Scheduled report was not delivered",
    "delivery",
    "Each target of a schedule gets each report.",
    "Who should read the report does not have it; it lies in its folder.",
    "Look at the target in otsec.yaml, and send the folder by hand: otsec schedule runs {name}.",
)


def raised(store: Store, config: Config) -> list[Finding]:
    """Keep what is wrong now as findings; gives those that are new or went on."""
    return note(store, list(alerts(store, name_of(config, store))))


def overdue(store: Store, now: int) -> list[str]:
    """Schedules that nobody works off: due for longer than `LATE_NS`, and not even taken down."""
    told = []
    for one in kept.schedules(store):
        due = latest_dues(one.cron, ZoneInfo(one.zone), one.since, now - LATE_NS, 1)
        if due and all(run.due < due[-1] for run in kept.runs_of(store, one.name)):
            told.append(
                f"Schedule {one.name}: was due {_when(due[-1])}, and nobody works schedules off "
                "(otsec report run --due)."
            )
    return told


def alerts(store: Store, site: str) -> Iterator[Finding]:
    """A finding for each schedule and kind."""
    names = [one.name for one in kept.schedules(store)]
    bad = [
        one
        for one in kept.runs(store)
        if one.state in {"missed", "failed"} and one.error != REMOVED
    ]
    lost = [one for one in kept.deliveries(store) if one.state == "failed"]
    for name in names:
        missed = [(one.due, one.error) for one in bad if one.schedule == name]
        undelivered = [
            (one.due, f"to {one.target}: {one.error}") for one in lost if one.schedule == name
        ]
        for kind, told in ((MISSED, missed), (UNDELIVERED, undelivered)):
            if told:
                yield _alert(site, name, kind, told)


def _alert(site: str, name: str, kind: Kind, told: Sequence[tuple[int, str]]) -> Finding:
    first, (last, why) = told[0][0], told[-1]
    key = Key(site, "", "", kind.name, "", "", "", "", name)
    return finding(key, kind, CATEGORY)._replace(
        times=len(told),
        first_time=first,
        last_time=last,
        seen=f"Schedule {name}: {counted(len(told), kind.what)}; the last was due {_when(last)}: {why}.",
        expected=kind.expected,
        why=kind.why,
        next=kind.next.format(name=name),
    )


def _when(ns: int) -> str:
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
