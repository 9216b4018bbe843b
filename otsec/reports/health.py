"""Health: what each capture point saw, what it could not, and what to change."""

from otsec.health import Severity
from otsec.health.verdict import counted
from otsec.reports.document import Document, Key, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import Subject


def gather(subject: Subject) -> Document:
    """The report."""
    count = {each: sum(one.severity == each for one in subject.mirrors) for each in Severity}
    payload = sum(one.payload for one in subject.protocols)
    lost = sum(one.lost for one in subject.protocols)
    unread = sum(one.undecoded for one in subject.protocols)
    blind = sum(max(one.end_time - one.begin_time, 0) for one in subject.gaps)
    damaged = sum(one.damaged + one.incomplete for one in subject.sources)
    keys = (
        Key("capture points", len(subject.mirrors), f"{count[Severity.GOOD]} of them good"),
        Key("not usable", count[Severity.BAD], "for some purpose", grave=count[Severity.BAD] > 0),
        Key("blind", blind // 1000, counted(len(subject.gaps), "gap"), kind="duration"),
        Key("never seen", lost / (payload + lost) if payload else None,
            "of the payload" if payload else "no payload was heard", kind="share"),
        Key("not read", unread / payload if payload else None,
            "of the payload" if payload else "no payload was heard", kind="share"),
        Key("damaged captures", damaged, "or not read to their end", grave=damaged > 0),
    )  # fmt: skip
    return framed(
        subject,
        "health",
        "Health of the sensors",
        keys,
        (Section("health", "What was judged", (_verdicts(subject), _gaps(subject))),
         Section("protocols", "How much of each protocol could be read", (spoken(subject),))),
    )  # fmt: skip


def _verdicts(subject: Subject) -> Table:
    """Each check of each point, the worst first."""
    rows = sorted(
        (
            (each.severity, one.name, each.severity.name.lower(), each.check, each.figure,
             each.cause, each.advice, tuple(str(packet.ordinal) for packet in each.evidence))
            for one in subject.mirrors
            for each in one.verdicts
        ),
        key=lambda row: (row[0], row[1], row[3], row[4]),
    )  # fmt: skip
    return Table(
        "verdicts",
        "Checks of each capture point",
        columns(("point", "Capture point"), ("state", "", "tag"), ("check", "Check"),
                ("seen", "What was seen"), ("cause", "Probably"), ("advice", "Next"),
                ("packets", "Packets", "list")),
        tuple(row[1:] for row in rows),
        empty="Nothing was captured.",
        key=("point", "check"),
    )  # fmt: skip


def _gaps(subject: Subject) -> Table:
    """Spans in which a point was blind, the longest first."""
    ordered = sorted(
        subject.gaps,
        key=lambda one: (one.begin_time - one.end_time, one.begin_time, one.point, one.interface),
    )
    return Table(
        "gaps",
        "Gaps",
        columns(("point", "Capture point"), ("kind", "Kind"), ("begin", "From", "time"),
                ("end", "To", "time"), ("length", "Length", "duration"), ("detail", "What is known")),
        tuple(
            (f"{one.point}/{one.interface}" if one.interface else one.point, one.kind,
             one.begin_time, one.end_time, max(one.end_time - one.begin_time, 0) // 1000, one.detail)
            for one in ordered
        ),
        empty="No capture point was blind, as far as is known.",
        reading="Nothing that is absent or out of order is judged across a gap.",
    )  # fmt: skip


def spoken(subject: Subject) -> Table:
    """What is spoken, and what could not be read of it."""
    return Table(
        "protocols",
        "",
        columns(("protocol", "Protocol"), ("group", "Group of points*"),
                ("conversations", "Conversations", "number"), ("messages", "Messages", "number"),
                ("failures", "Failed", "number"), ("payload", "Payload", "bytes"),
                ("unread", "Not read", "share"), ("opaque", "Encrypted or open by the standard", "share"),
                ("lost", "Never seen", "bytes"), ("malformed", "Malformed", "number")),
        tuple(
            (one.protocol or "not recognised", one.group, one.conversations, one.messages,
             one.failures, one.payload, one.undecoded / one.payload if one.payload else None,
             None if one.opaque is None else one.opaque / 100, one.lost, one.malformed)
            for one in subject.protocols
        ),
        empty="No conversation was heard.",
        reading="Of the whole store: how much was read is not kept by time.",
        key=("protocol", "group"),
    )  # fmt: skip
