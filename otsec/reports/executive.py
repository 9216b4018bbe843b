"""Two pages for management: what the risk is, for how long, and what to do first."""

from otsec.health.verdict import counted, duration
from otsec.reports import figures
from otsec.reports.advice import Advice, recommendations
from otsec.reports.document import Document, Key, Paragraph, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import CONTROLLERS, Subject

MOST_ADVICE = 8
HOUR_NS = 3_600 * 10**9


def gather(subject: Subject) -> Document:
    """The report."""
    told = recommendations(subject)
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
            Section("advice", "What to do first", (_advice(told),)),
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
        f"The gravest is {worst.level}: {worst.title} ({where or 'the capture'}), known for {age}. "
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


def _advice(told: list[Advice]) -> Table:
    """What to do, ranked."""
    return Table(
        "advice",
        "",
        columns(("rank", "", "number"), ("level", "Level", "tag"), ("why", "Seen"),
                ("action", "Recommendation"), ("closes", "Closes"), ("needs", "Needs"),
                ("count", "Count*", "number"), ("hosts", "Hosts*", "number")),
        tuple(
            (rank, one.level, one.why, one.action, one.closing, one.needs, one.closes, one.hosts)
            for rank, one in enumerate(told, 1)
        ),
        empty="Nothing needs doing that packets could tell of.",
        key=("why",),
        most=MOST_ADVICE,
    )  # fmt: skip
