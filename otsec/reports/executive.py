"""Two pages for management: what the risk is, for how long, and what to do first."""

from collections import Counter
from collections.abc import Sequence

from otsec.controls import Evaluation
from otsec.controls.model import STATUSES
from otsec.health.verdict import counted, duration
from otsec.nanoseconds import HOUR_NS
from otsec.reports import figures
from otsec.reports.advice import Advice, recommendations
from otsec.reports.controlled import Closing, closings, evaluated, few, measured, needed
from otsec.reports.document import Document, Key, Paragraph, Section, Table, columns
from otsec.reports.frame import cut, framed
from otsec.reports.subject import CONTROLLERS, Subject

MOST_ADVICE = 6
MOST_ROWS = 2  # of controls that a cell names
MOST_NEEDED = 3
LONGEST, LONGEST_TITLE = 160, 80  # letters of a cell that are shown


def gather(subject: Subject) -> Document:
    """The report."""
    told = recommendations(subject)
    measures = measured(subject)
    rows = evaluated(subject, measures)
    closed = closings(measures, rows, told)
    counts = figures.level_counts(subject.open)
    grave = counts["critical"] + counts["high"]
    weak = sum(one.severity == "high" for one in subject.weaknesses)
    worst = [one for one in subject.open if one.finding.level in {"critical", "high"}]
    oldest = max((subject.span[1] - one.finding.first_time for one in worst), default=None)
    controllers = sum(one.role.role in CONTROLLERS for one in subject.assets)
    blind = sum(max(one.end_time - one.begin_time, 0) for one in subject.gaps)
    keys = (
        Key("assets", len(subject.assets), f"{controllers} controllers and field devices"),
        Key("critical or high", grave, f"of {counted(len(subject.open), 'open finding')}",
            grave=grave > 0),
        Key("open longest", None if oldest is None else oldest // 1000,
            "of those" if worst else "none of that level is open", kind="duration"),
        Key("weaknesses", len(subject.weaknesses), f"{weak} of them high", grave=weak > 0),
        Key("remote sessions", sum(one.remote for one in subject.sessions),
            f"of {counted(len(subject.sessions), 'session')}"),
        Key("blind", blind // 1000, counted(len(subject.gaps), "gap"), kind="duration"),
    )  # fmt: skip
    return framed(
        subject,
        "executive",
        "Executive summary",
        keys,
        (
            Section("risk", "Risk, and for how long", (
                Paragraph(_risk(subject)), _by_level(subject), figures.ages(subject))),
            Section("advice", "What to do first", (_advice(told, closed),)),
            Section("controls", "Control frameworks", (Paragraph(_statuses(rows)), _needed(rows))),
        ),
        short=True,
    )  # fmt: skip


def _risk(subject: Subject) -> str:
    """The risk in two sentences."""
    if not subject.open:
        return "No finding is open; what could not be seen stands above."
    worst = subject.open[0].finding
    where = subject.name(worst.group, worst.place, worst.server or worst.client)
    age = duration(subject.span[1] - worst.first_time)
    states = sum(one.state == "new" for one in subject.open)
    return (
        f"The gravest is {worst.level}: {cut(worst.title, LONGEST_TITLE)} ({where or 'the capture'}), known for {age}. "
        f"Nobody has yet looked at {states} of {len(subject.open)} open findings."
    )


def _by_level(subject: Subject) -> Table:
    """Open findings by level: how many hosts, for how many hours."""
    end = subject.span[1]
    rows = []
    for level in figures.WORST_FIRST:
        mine = [one for one in subject.open if one.finding.level == level]
        if not mine:
            continue
        known = sorted(end - one.finding.first_time for one in mine)
        hosts = {(one.finding.group, one.finding.place, one.finding.server or one.finding.client)
                 for one in mine}  # fmt: skip
        rows.append((
            level, len(mine), len(hosts), sum(one.state == "new" for one in mine),
            round(known[len(known) // 2] / HOUR_NS, 1), round(known[-1] / HOUR_NS, 1),
        ))  # fmt: skip
    return Table(
        "risk",
        "",
        columns(("level", "Level", "tag"), ("open", "Open findings", "number"),
                ("hosts", "Hosts", "number"), ("new", "Nobody looked at", "number"),
                ("median", "Known for, median h", "number"), ("oldest", "Longest, h", "number")),
        tuple(rows),
        empty="No finding is open.",
        key=("level",),
    )  # fmt: skip


def _advice(told: Sequence[Advice], closed: Sequence[Closing]) -> Table:
    """What to do, ranked."""
    return Table(
        "advice",
        "",
        columns(("rank", "", "number"), ("level", "Level", "tag"), ("why", "Seen"),
                ("action", "Recommendation"), ("closes", "Closes"), ("needs", "Needs"),
                ("count", "Count*", "number"), ("hosts", "Hosts*", "number"),
                ("rows", "Control rows that it closes*", "list"),
                ("part", "Control rows that it closes in part*", "list"),
                ("whole_why", "Seen, in full*"), ("whole_action", "Recommendation, in full*")),
        tuple(
            (rank, one.level, cut(one.why, LONGEST_TITLE), cut(one.action, LONGEST), _closing(one, rows), one.needs,
             one.closes, one.hosts, tuple(map(str, rows.whole)), tuple(map(str, rows.part)),
             one.why, one.action)
            for rank, (one, rows) in enumerate(zip(told, closed, strict=True), 1)
        ),
        empty="Nothing needs doing that packets could tell of.",
        key=("whole_why",),
        most=MOST_ADVICE,
    )  # fmt: skip


def _closing(one: Advice, rows: Closing) -> str:
    parts = [one.closing]
    if rows.whole:
        parts.append(f"row{'s' * (len(rows.whole) > 1)} {few(rows.whole, MOST_ROWS)}")
    if rows.part:
        parts.append(f"in part {few(rows.part, MOST_ROWS)}")
    return "; ".join(parts)


def _statuses(found: Sequence[Evaluation]) -> str:
    """What rows come to, in two sentences."""
    counts = Counter[str]()
    for one in found:
        counts.update(one.counts)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    which = found[0].framework.name if len(found) == 1 else counted(len(found), "framework")
    return (
        f"Of {counted(counts.total(), 'row')} of {which}: {told}. "
        "Nothing here says that a framework is complied with; the evidence reports have each row."
    )


def _needed(found: Sequence[Evaluation]) -> Table:
    """What rows wait for that a person can say."""
    return Table(
        "needed",
        "",
        columns(("command", "What rows need that nobody has said yet"),
                ("count", "Rows", "number"), ("shown", "Such as"), ("rows", "All of them*", "list")),
        tuple((command, len(names), few(names, MOST_ROWS), tuple(map(str, names))) for command, names in needed(found)),
        empty="No row waits for anything that a person could say.",
        key=("command",),
        most=MOST_NEEDED,
    )  # fmt: skip
