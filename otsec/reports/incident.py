"""One incident, or one finding: its course, the hosts in it, the packets, and what was decided."""

from collections.abc import Sequence

from otsec.detect.attack import techniques
from otsec.detect.cases import Case, one_of
from otsec.detect.incidents import stages
from otsec.detect.model import LEVELS
from otsec.health.verdict import counted
from otsec.reports.document import (
    Block,
    Card,
    Cell,
    Document,
    Key,
    Paragraph,
    Points,
    Section,
    Table,
    columns,
)
from otsec.reports.findings import FINDINGS, row
from otsec.reports.frame import framed
from otsec.reports.subject import Subject
from otsec.store.findings import packets

AROUND_NS = 3_600 * 10**9  # before and behind, in which other things may belong to it


def gather(subject: Subject) -> Document:
    """The report. Raises UsageError where no finding or incident has that id."""
    story = sorted(
        one_of(subject.cases, subject.order.about),
        key=lambda one: (one.finding.first_time, one.finding.id),
    )
    begin = min(one.finding.first_time for one in story)
    end = max(one.finding.last_time for one in story)
    worst = max((one.finding.level for one in story), key=LEVELS.index)
    hosts = _hosts(subject, story)
    shown = [
        (case, packet, point)
        for case in story
        for packet, point in packets(subject.store, case.finding.id)
    ]
    open_ = sum(one.open for one in story)
    keys = (
        Key("findings", len(story), f"{worst} is the worst", grave=worst in {"high", "critical"}),
        Key("hosts", len(hosts), "act in it, or are acted on"),
        Key("length", (end - begin) // 1000, "from its first to its last packet", kind="duration"),
        Key("techniques", len({name for one in story for name in one.finding.techniques}),
            "of ATT&CK for ICS"),
        Key("packets", len(shown), "are named as evidence"),
        Key("open", open_, "findings that nobody has dealt with", grave=open_ > 0),
    )  # fmt: skip
    name = story[0].finding.incident if len(story) > 1 else story[0].finding.short
    word = "Incident" if len(story) > 1 else "Finding"
    course = sorted(
        (packet.time, point, packet.packet, case.finding.title, packet.what, case.finding.short)
        for case, packet, point in shown
    )
    return framed(
        subject,
        "incident",
        f"{word} {name}",
        keys,
        (
            Section("story", "What happened", (*_stages(story), *map(_card, story))),
            Section("hosts", "Who was in it", (Table(
                "hosts", "",
                columns(("host", "Host"), ("address", "Address"), ("role", "Role"), ("part", "Part"),
                        ("findings", "Findings", "number"), ("level", "Level", "level"),
                        ("vendor", "Maker"), ("model", "Model")),
                tuple(hosts)),)),
            Section("course", "Its course, packet by packet", (Table(
                "packets", "",
                columns(("time", "Time", "time"), ("point", "Point"), ("packet", "Packet", "number"),
                        ("title", "Finding"), ("seen", "What it shows"), ("id", "Id*")),
                tuple(course), empty="No packet is kept of it.",
                reading=f"otsec evidence {name} -w FILE writes them as a capture."),)),
            Section("around", "What else changed devices then", (_around(subject, begin, end),)),
            Section("decisions", "What was decided", (_decisions(story),)),
            Section("findings", "Every finding of it", (Table(
                "findings", "", FINDINGS, tuple(row(subject, one) for one in story),
                key=("full_id", "title")),)),
        ),
    )  # fmt: skip


def _stages(story: Sequence[Case]) -> list[Block]:
    """The stages of ATT&CK through which it went."""
    found = stages(one.finding for one in story)
    told = [
        f"{stage.replace('-', ' ')}: {', '.join(dict.fromkeys(one.title for one in met))}"
        for stage, met in found.items()
        if stage
    ]
    return [Points("By stage of ATT&CK for ICS", tuple(told))] if told else []


def _card(case: Case) -> Card:
    one = case.finding
    known = techniques()
    named = ", ".join(f"{name} {known[name].name}" for name in one.techniques if name in known)
    texts = [
        ("Seen:", one.seen), ("Expected:", one.expected), ("Why it matters:", one.why),
        ("Next:", one.next), ("Doubt:", one.doubt), ("May also be:", "; ".join(one.falsepositives)),
        ("ATT&CK for ICS:", named), ("State:", case.state + (f", {case.owner}" if case.owner else "")),
    ]  # fmt: skip
    told = tuple((label, text) for label, text in texts if text)
    return Card(one.level, f"{one.title} ({one.short})", told)  # type: ignore[arg-type]


def _hosts(subject: Subject, story: Sequence[Case]) -> list[tuple[Cell, ...]]:
    """Those who act before those who are acted on."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for case in story:
        one = case.finding
        for address, part in ((one.client, "acts"), (one.server, "is acted on")):
            if address and address not in {"several", "many"}:
                found.setdefault((one.group, one.place, address), []).append(part)
    rows: list[tuple[Cell, ...]] = []
    for (group, place, address), parts in found.items():
        asset = subject.known.at(subject.site, group, place, address)
        rows.append((
            asset.name if asset else address, address,
            asset.role.role.replace("_", " ") if asset else "unknown",
            " and ".join(dict.fromkeys(sorted(parts))), len(parts), asset.level if asset else None,
            asset.value("vendor") if asset else "",
            asset.value("model", "product_name", "model_name", "order_number") if asset else "",
        ))  # fmt: skip
    return sorted(rows, key=lambda row: (str(row[3]), str(row[0])))


def _around(subject: Subject, begin: int, end: int) -> Table:
    near = [
        one for one in subject.happenings
        if one.last_time >= begin - AROUND_NS and one.time <= end + AROUND_NS
    ]  # fmt: skip
    return Table(
        "around",
        "",
        columns(("time", "Time", "time"), ("who", "Who"), ("operation", "Operation"),
                ("object", "Object"), ("on", "On"), ("times", "Times", "number"),
                ("outcome", "Result"), ("point", "Point"), ("packet", "Packet", "number")),
        tuple(
            (one.time, subject.name(one.group, one.place, one.client), one.operation, one.object,
             subject.name(one.group, one.place, one.server), one.times, one.outcome or "unknown",
             one.point, one.packet)
            for one in near
        ),
        empty="No other operation that changes a device was seen within an hour.",
        reading=f"{counted(len(near), 'operation')} from an hour before to an hour behind it.",
    )  # fmt: skip


def _decisions(story: Sequence[Case]) -> Table | Paragraph:
    """Acts of people, the oldest first; the only times that are by a machine's clock."""
    rows = sorted(
        (act.time, act.who, act.kind, one.finding.short, act.after, act.reason)
        for one in story
        for act in one.acts
    )
    if not rows:
        return Paragraph("Nobody has decided anything yet.")
    return Table(
        "decisions",
        "",
        columns(("time", "When, by the machine's clock", "time"), ("who", "Who"), ("what", "Did"),
                ("finding", "Finding"), ("after", "So that it is"), ("reason", "Why")),
        tuple(rows),
    )  # fmt: skip
