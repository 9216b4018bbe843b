"""Findings: what is wrong, the worst first, each with its packets and its next step."""

import re
from hashlib import sha256

from otsec.detect.attack import techniques
from otsec.detect.cases import Case, word_on
from otsec.health.verdict import counted
from otsec.reports import figures
from otsec.reports.document import Card, Cell, Document, Key, Paragraph, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import Subject
from otsec.reports.wrong import Card as Rule
from otsec.reports.wrong import Wrong

LONGEST_NAME = 60  # letters of the name of a table
FINDINGS = columns(
    ("id", "Finding"), ("level", "Level", "tag"), ("state", "State"), ("title", "What"),
    ("who", "Who"), ("on", "On"), ("seen", "What was seen"), ("next", "Next*"),
    ("times", "Times", "number"), ("last", "Last", "time"), ("point", "Point"),
    ("packet", "Packet", "number"),
    ("owner", "Owner*"), ("expected", "Expected*"), ("why", "Why it matters*"),
    ("doubt", "Doubt*"), ("techniques", "ATT&CK*", "list"), ("incident", "Incident*"),
    ("rule", "Rule*"), ("client", "Address of who*"), ("server", "Address of on*"),
    ("device", "Behind it*"), ("service", "Service*"), ("protocol", "Protocol*"),
    ("first", "First*", "time"), ("first_packet", "First packet*", "number"), ("full_id", "Full id*"),
)  # fmt: skip
MOST_CARDS, MOST_ON_CARD = 12, 5


def gather(subject: Subject) -> Document:
    """The report."""
    told = subject.wrong
    counts = figures.level_counts(subject.open)
    grave = counts["critical"] + counts["high"]
    unowned = sum(not one.owner for one in subject.open)
    triaged = sum(one.state == "acknowledged" for one in subject.open)
    keys = (
        Key("open findings", len(subject.open), f"of {counted(len(subject.cases), 'finding')}"),
        Key("critical or high", grave, "of those that are open", grave=grave > 0),
        Key("incidents", len(told.incidents), "findings that are one story"),
        Key("acknowledged", triaged, "somebody looks at them"),
        Key("without owner", unowned, "assigned to nobody"),
        Key(
            "decided",
            len(subject.cases) - len(subject.open),
            "resolved, accepted, expected or none",
        ),
    )
    return framed(
        subject,
        "findings",
        "Findings",
        keys,
        (
            Section("findings", "What is wrong", (
                figures.per_day(subject), figures.ages(subject), incidents(told),
                *map(card, told.cards[:MOST_CARDS]), *_more(told), _every(subject),
            )),
            Section("decided", "What was decided", (decided(subject, ""),)),
        ),
    )  # fmt: skip


def card(one: Rule) -> Card:
    """The open findings of a rule; the newest are listed."""
    rows = tuple(
        (row.case.finding.short, row.who, row.on, row.case.finding.seen, row.case.finding.times,
         row.case.finding.last_time, row.point, row.case.finding.last_packet)
        for row in one.rows[:MOST_ON_CARD]
    )  # fmt: skip
    texts = [("", one.why)] if one.why else []
    texts += [("Next:", one.next)] if one.next else []
    texts += [("ATT&CK for ICS:", ", ".join(one.techniques))] if one.techniques else []
    hosts = len({row.on or row.who for row in one.rows})
    texts.append(("Seen:", f"{counted(len(one.rows), 'finding')} at {counted(hosts, 'host')}."))
    table = Table(
        f"rule-{_plain(one.rows[0].case.finding.name)}",
        "",
        columns(("id", "Finding"), ("who", "Who"), ("on", "On"), ("seen", "What was seen"),
                ("times", "Times", "number"), ("last", "Last", "time"), ("point", "Point"),
                ("packet", "Packet", "number")),
        rows,
    )  # fmt: skip
    return Card(one.level, one.title, tuple(texts), table)  # type: ignore[arg-type]


def _more(told: Wrong) -> list[Paragraph]:
    rest = len(told.cards) - MOST_CARDS
    if rest <= 0:
        return []
    return [Paragraph(f"{counted(rest, 'more rule')} found something; the table below has it.")]


def incidents(told: Wrong) -> Table:
    """Findings that hang together."""
    return Table(
        "incidents",
        "Incidents",
        columns(("id", "Incident"), ("begin", "From", "time"), ("end", "To", "time"),
                ("hosts", "Who acted", "list"), ("stages", "What happened, by stage of ATT&CK", "list")),
        tuple(
            (one.id, one.first_time, one.last_time, one.hosts,
             tuple(f"{stage}: {', '.join(titles)}" for stage, titles in one.stages))
            for one in told.incidents
        ),
        empty="No findings hang together.",
        reading="One host acts in all of them, or the target of one acts in a later one, within an hour.",
        key=("id",),
        most=40,
    )  # fmt: skip


def _every(subject: Subject) -> Table:
    """All open findings."""
    return Table(
        "findings",
        "Every open finding",
        FINDINGS,
        tuple(row(subject, one) for one in subject.open),
        empty="No finding is open.",
        key=("full_id", "title"),
    )


def row(subject: Subject, case: Case) -> tuple[Cell, ...]:
    """A finding as `FINDINGS` has it."""
    one = case.finding
    known = techniques()
    return (
        one.short, one.level, case.state, one.title,
        subject.name(one.group, one.place, one.client),
        subject.name(one.group, one.place, one.server), one.seen, one.next, one.times,
        one.last_time, subject.points.get(one.source, ""), one.last_packet,
        case.owner, one.expected, one.why, one.doubt,
        tuple(f"{name} {known[name].name}" for name in one.techniques if name in known),
        one.incident, one.name, one.client, one.server, one.device, one.service, one.protocol,
        one.first_time, one.first_packet, one.id,
    )  # fmt: skip


def decided(subject: Subject, title: str) -> Table:
    """Findings that nobody need look at any more, and who said so."""
    rows = []
    for case in subject.cases:
        if case.open:
            continue
        one = case.finding
        rows.append((one.short, one.level, one.title, subject.name(one.group, one.place, one.client),
                     subject.name(one.group, one.place, one.server), case.state, *word_on(case)))  # fmt: skip
    return Table(
        "decided",
        title,
        columns(("id", "Finding"), ("level", "Level", "tag"), ("title", "What"), ("who", "Who"),
                ("on", "On"), ("state", "State"), ("by", "Decided by"), ("reason", "Why")),
        tuple(rows),
        empty="Nothing was decided yet.",
        key=("id", "state"),
    )  # fmt: skip


def _plain(name: str) -> str:
    """A rule's name as part of a file's: a rule of one's own may be called anything."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME]
    return (
        plain
        if plain == name
        else f"{plain}-{sha256(name.encode(errors='replace')).hexdigest()[:8]}"
    )
