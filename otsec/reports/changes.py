"""Changes: what changed devices, and what is new in the network or went away."""

from collections import Counter

from otsec.differences import SECTIONS, Difference, Period, differences, side
from otsec.health.verdict import counted
from otsec.reports.document import Block, Document, Key, Paragraph, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import Subject
from otsec.store.timeline import Happening

GRAVE = ("program", "firmware", "mode", "file", "config", "control", "time", "write")
ENGINEERED = frozenset(GRAVE[:4])


def gather(subject: Subject) -> Document:
    """The report."""
    done = subject.happenings
    classes = Counter(one.cls for one in done)
    grave = sum(classes[one] for one in ENGINEERED)
    failed = sum(one.outcome not in {"", "ok"} for one in done)
    actors = {(one.group, one.place, one.client) for one in done}
    values = [
        (asset, one) for asset in subject.assets for one in asset.changes
        if subject.has(one.seen.time, one.seen.time)
    ]  # fmt: skip
    new = _new(subject)
    keys = (
        Key("operations", len(done), "that changed a device, or tried to"),
        Key("programs, modes, files", grave, "the gravest of them", grave=grave > 0),
        Key("refused", failed, "of these operations"),
        Key("actors", len(actors), "hosts that changed something"),
        Key("changed facts", len(values), "firmware, names, addresses of devices"),
        Key("new or gone", None if new is None else len(new),
            "nothing was captured before this time" if new is None else "in the network"),
    )  # fmt: skip
    facts = sorted(values, key=lambda one: (one[1].seen, one[0].name, one[1].attribute))
    return framed(
        subject,
        "changes",
        "Changes",
        keys,
        (
            Section("changes-of-devices", "What changed devices", (
                _by_class(classes), operations(subject, done))),
            Section("facts", "What devices say otherwise than before", (Table(
                "facts", "",
                columns(("time", "Time", "time"), ("asset", "Asset"), ("attribute", "What"),
                        ("before", "Before"), ("after", "After"), ("by", "Told by"),
                        ("point", "Point"), ("packet", "Packet", "number")),
                tuple((one.seen.time, asset.name, one.attribute, one.before, one.after, one.said_by,
                       one.seen.source, one.seen.packet) for asset, one in reversed(facts)),
                empty="No device said anything of itself that differs from what it said before.",
            ),)),
            Section("new", "What is new, and what is gone", _told(new)),
        ),
    )  # fmt: skip


def _by_class(classes: Counter[str]) -> Table:
    return Table(
        "classes",
        "By class of operation",
        columns(("class", "Class"), ("times", "Kept one by one", "number")),
        tuple((one, classes[one]) for one in GRAVE if classes[one]),
        empty="No operation was seen that changes a device.",
    )


def operations(subject: Subject, done: list[Happening]) -> Table:
    """What was done, the gravest classes first, of each the newest."""
    ordered = sorted(done, key=lambda one: (_rank(one), -one.time, one.packet))
    return Table(
        "operations",
        "Operations that changed a device",
        columns(("time", "Time", "time"), ("who", "Who"), ("class", "Class"),
                ("operation", "Operation"), ("object", "Object"), ("on", "On"), ("value", "Value"),
                ("times", "Times", "number"), ("outcome", "Result"), ("packet", "Packet", "number"),
                ("protocol", "Protocol*"), ("device", "Behind it*"), ("client", "Address of who*"),
                ("server", "Address of on*"), ("point", "Point*"), ("last", "Last*", "time")),
        tuple(
            (one.time, subject.name(one.group, one.place, one.client), one.cls, one.operation,
             one.object, subject.name(one.group, one.place, one.server), _value(one), one.times,
             one.outcome or "unknown", one.packet, one.protocol, one.device, one.client, one.server,
             one.point, one.last_time)
            for one in ordered
        ),
        empty="No operation was seen that changes a device.",
        reading="The gravest first. Was each of them work that somebody ordered?",
    )  # fmt: skip


def _rank(one: Happening) -> int:
    return GRAVE.index(one.cls) if one.cls in GRAVE else len(GRAVE)


def _value(one: Happening) -> str:
    values = ", ".join("none" if value is None else f"{value}" for value in one.values[:4])
    return (values + (", ..." if len(one.values) > 4 else "")) or one.value_note


def _new(subject: Subject) -> list[Difference] | None:
    """What differs from the time of the same length before; None where nothing was heard then."""
    period = subject.order.period
    if period is None or subject.heard[0] >= period.begin or not subject.heard[1]:
        return None
    length = period.end - period.begin
    before = Period(max(period.begin - length - 1, subject.heard[0]), period.begin - 1)
    found = differences(side(subject.store, before), side(subject.store, period))
    return [one for one in found if one.site in {"", subject.site}]


def _told(new: list[Difference] | None) -> tuple[Block, ...]:
    if new is None:
        return (Paragraph(
            "There is no time before to compare with: name a --period that begins after the first "
            "packet, or compare two stores by otsec diff."
        ),)  # fmt: skip
    counts = Counter((one.section, one.change) for one in new)
    told = ", ".join(
        f"{counted(counts[section, change], section.removesuffix('s'))} {change}"
        for section in SECTIONS
        for change in ("new", "gone", "changed")
        if counts[section, change]
    )
    table = Table(
        "differences",
        "",
        columns(("change", "Change", "tag"), ("section", "What"), ("subject", "Who"),
                ("what", "Of it"), ("before", "Before"), ("after", "After"), ("time", "Seen", "time"),
                ("packet", "Packet", "number"), ("point", "Point")),
        tuple((one.change, one.section, one.subject, one.what, one.before, one.after, one.time,
               one.packet, one.point) for one in new),
        empty="Nothing is new or gone against the time of the same length before.",
        reading=f"Against the time of the same length before: {told}." if told else "",
    )  # fmt: skip
    return (table,)
