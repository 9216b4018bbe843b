"""The assessment: what a consultant hands over after a day of listening."""

from collections import Counter
from collections.abc import Iterator, Sequence

from otsec.clocks import capture_off
from otsec.health import Severity
from otsec.health.verdict import counted, duration
from otsec.inventory.weaknesses import Weakness
from otsec.reports import communication, figures
from otsec.reports.changes import ENGINEERED, operations
from otsec.reports.communication import Pair
from otsec.reports.document import (
    Block,
    Card,
    Chart,
    Document,
    Key,
    Lanes,
    Paragraph,
    Section,
    Table,
    Tone,
    columns,
)
from otsec.reports.findings import card, decided, incidents
from otsec.reports.frame import framed
from otsec.reports.health import spoken
from otsec.reports.inventory import find_out, listed
from otsec.reports.sessions import told as session_table
from otsec.reports.subject import CONTROLLERS, Subject
from otsec.reports.wrong import Row, Wrong

MOST_CARDS = 30
MOST_SHOWN = 12  # rows of a weakness on its card; the table behind has all
TONES: dict[str, Tone] = {
    "high": "high", "medium": "medium", "low": "low", "informational": "informational"
}  # fmt: skip


def gather(subject: Subject) -> Document:
    """The report."""
    told, out = subject.wrong, _outside(subject)
    return framed(
        subject,
        "assessment",
        "Assessment of an industrial network, by listening",
        tuple(_keys(subject, told, out)),
        (
            Section("protocols", "How much of each protocol could be read", (spoken(subject),)),
            Section("wrong", "What is wrong", tuple(_wrong(subject, told))),
            Section("weaknesses", "Weaknesses", tuple(_weak(subject, out))),
            Section("changed", "What was changed", (operations(subject, subject.happenings),)),
            Section("sessions", "Who worked on what", (session_table(
                "sessions",
                "",
                [one for one in subject.sessions if one.remote or one.kind == "engineering"],
                "No remote or engineering session was seen.",
            ),)),
            Section("communication", "Who talks to whom", tuple(_communication(subject))),
            Section("inventory", "Inventory", (figures.by_purdue(subject), listed(subject))),
            Section("clocks", "Clocks", tuple(_clocks(subject))),
            Section("next", "What to find out next", (find_out(subject),)),
        ),
        standing=tuple(_standing(subject, told, out)),
    )  # fmt: skip


# --------------------------------------------------------------------------------- figures


def _keys(subject: Subject, told: Wrong, out: Sequence[Pair]) -> Iterator[Key]:
    controllers = sum(asset.role.role in CONTROLLERS for asset in subject.assets)
    high = sum(one.severity == "high" for one in subject.weaknesses)
    grave = sum(one.cls in ENGINEERED for one in subject.happenings)
    worked = [one for one in subject.sessions if one.remote or one.kind == "engineering"]
    remote = sum(one.remote for one in worked)
    yield Key("assets", len(subject.assets), f"{controllers} controllers and field devices")
    yield Key("findings", told.open, f"{told.grave} of them high", grave=told.grave > 0)
    yield Key("weaknesses", len(subject.weaknesses), f"{high} of them high", grave=high > 0)
    yield Key("changes", len(subject.happenings), f"{grave} of program, mode or files",
              grave=grave > 0)  # fmt: skip
    yield Key("sessions", len(worked), f"{remote} of them remote")
    yield Key("ways outside", len(out), "to or from public addresses", grave=bool(out))


def _standing(subject: Subject, told: Wrong, out: Sequence[Pair]) -> Iterator[str]:
    """What stands out, the gravest first."""
    for one in told.grave_cards:
        yield f"{one.title}: {counted(len(one.rows), 'finding')}, {_between(one.rows[0])}."
    grave = [one for one in subject.happenings if one.cls in {"program", "firmware", "mode"}]
    if grave:
        words = Counter(one.operation for one in grave)
        named = ", ".join(f"{word} ({times})" for word, times in sorted(words.items())[:4])
        hosts = {(one.place, one.server) for one in grave}
        was = "was" if len(hosts) == 1 else "were"
        yield (
            f"Programs or modes of {counted(len(hosts), 'device')} {was} changed, or somebody "
            f"tried to: {named}."
        )
    for weak in subject.weaknesses:
        if weak.severity == "high":
            assets = {each.asset for each in weak.shown}
            yield f"{weak.title}: seen at {counted(len(assets), 'asset')}."
    if out:
        yield (
            f"{counted(len(out), 'connection')} between the site and public addresses, "
            f"such as {out[0].source.name} to {out[0].target.name} ({out[0].protocol})."
        )
    second = {(row.server, row.device, row.object) for row in subject.writers if row.second_writer}
    if second:
        verb = "is" if len(second) == 1 else "are"
        yield f"{counted(len(second), 'object')} in controllers {verb} written by more than one client."
    unknown = sum(asset.role.role == "unknown" for asset in subject.assets)
    if unknown:
        yield f"The role of {counted(unknown, 'asset')} could not be told."
    poor = [one for one in subject.mirrors if one.severity == Severity.BAD]
    if poor:
        they = "it" if len(poor) == 1 else "they"
        yield (
            f"{counted(len(poor), 'capture point')} did not show all that {they} should; "
            f"{poor[0].name} is {poor[0].sentence}."
        )


def _between(row: Row) -> str:
    """Who did it to whom, of one finding."""
    if row.who and row.on:
        return f"{row.who} to {row.on}"
    return f"at {row.on}" if row.on else f"by {row.who}" if row.who else "of the capture"


# ----------------------------------------------------------------------------------- wrong


def _wrong(subject: Subject, told: Wrong) -> Iterator[Block]:
    if told.cards:
        yield Paragraph(
            "What rules found and nobody has dealt with yet, the worst first, each with the packet "
            "that shows it. What is not listed was not seen, which does not say that it did not "
            "happen."
        )
        yield incidents(told)
        yield from map(card, told.cards[:MOST_CARDS])
    elif told.decided:
        yield Paragraph("All that rules found has been dealt with.")
    else:
        yield Paragraph("No rule found anything in what could be read.")
    if told.decided:
        yield decided(subject, "What was decided")


def _weak(subject: Subject, out: Sequence[Pair]) -> Iterator[Block]:
    if subject.weaknesses:
        yield Paragraph(
            "Each was seen in traffic, with the packet that shows it. A weakness that is not listed "
            "was not seen, which does not say that it is not there. Credentials are those that "
            "somebody used, whether or not they were taken."
        )
        yield from map(_card, subject.weaknesses)
        yield _shown(subject.weaknesses)
    else:
        yield Paragraph(
            "None of the weaknesses that otsec looks for was seen in what could be read."
        )
    yield figures.who_writes(subject)
    yield figures.second_writers(subject)
    if out:
        yield Table(
            "outside",
            "Ways outside",
            columns(("source", "From"), ("target", "To"), ("protocol", "Protocol"),
                    ("packets", "Packets", "number")),
            tuple((one.source.name, one.target.name, one.protocol, one.packets) for one in out),
            key=("source", "target", "protocol"),
        )  # fmt: skip


SHOWN = columns(
    ("asset", "Asset"), ("by", "Used by"), ("what", "Seen"), ("protocol", "Told by"),
    ("last", "Last", "time"), ("point", "Point"), ("packet", "Packet", "number"),
)  # fmt: skip


def _card(one: Weakness) -> Card:
    rows = tuple(
        (each.asset, each.by, each.seen, each.said_by, each.sight.time, each.sight.source,
         each.sight.packet)
        for each in one.shown[:MOST_SHOWN]
    )  # fmt: skip
    return Card(
        TONES[one.severity],
        one.title,
        (("", one.why), ("Next:", one.action)),
        Table(f"weakness {one.title}", "", SHOWN, rows),
    )


def _shown(weak: Sequence[Weakness]) -> Table:
    """All of them as rows, for files."""
    return Table(
        "weaknesses",
        "Where each was seen",
        (*columns(("level", "Level", "tag"), ("weakness", "Weakness")), *SHOWN),
        tuple(
            (one.severity, one.title, each.asset, each.by, each.seen, each.said_by, each.sight.time,
             each.sight.source, each.sight.packet)
            for one in weak
            for each in one.shown
        ),
        key=("weakness", "asset", "by"),
    )  # fmt: skip


# --------------------------------------------------------------------------- communication


def _outside(subject: Subject) -> list[Pair]:
    lanes = communication.lanes_of(subject.pairs)
    beyond = {key for key, lane in lanes.items() if lane == communication.OUTSIDE}
    return [
        one
        for one in subject.pairs
        if one.answered and (one.source.id in beyond) != (one.target.id in beyond)
    ]


def _communication(subject: Subject) -> Iterator[Block]:
    told = communication.relations(subject.pairs)
    nodes, flows = communication.shown(subject.pairs)
    table = Table(
        "relations",
        "By level and protocol",
        columns(("source", "From"), ("target", "To"), ("protocol", "Protocol"),
                ("by_port", "By its number"), ("what", "What"), ("pairs", "Pairs", "number"),
                ("packets", "Packets", "number"), ("such", "Such as", "list")),
        tuple(
            (one.source, one.target, one.protocol, one.by_port, WHAT[one.weight], one.pairs,
             one.packets, one.examples)
            for one in told
        ),
        empty="No two assets were heard to answer one another.",
        key=("source", "target", "protocol"),
        most=120,
    )  # fmt: skip
    if flows:
        yield Chart(
            "By Purdue level, from the client to the server",
            "Only what was answered, and without what merely keeps a network going (ARP, DHCP, DNS, "
            "time, names of neighbours).",
            Lanes(nodes, flows, communication.LANES),
            table,
        )
    else:
        yield table


WHAT = {"change": "changes", "write": "writes", "read": "reads", "other": ""}


# ---------------------------------------------------------------------------------- clocks


def _clocks(subject: Subject) -> Iterator[Block]:
    off = capture_off(subject.clocks)
    if off:
        yield Paragraph(
            f"The clock of the capture itself seems to be wrong by {_ahead(off[0])}: several devices "
            "agree on that.",
            strong=True,
        )
    wrong = [one for one in subject.clocks if one.standing in {"off", "steps", "needs time"}]
    if wrong:
        yield Table(
            "clocks",
            "",
            columns(("device", "Device"), ("protocol", "Protocol"), ("way", "It"),
                    ("standing", "Standing"), ("ahead", "Ahead of the capture by"),
                    ("source", "From", "list"), ("last", "Last", "time"),
                    ("packet", "Packet", "number"), ("note", "Note")),
            tuple(
                (f"{one.name} {one.device}".strip(), one.protocol, one.way, one.standing,
                 _between_times(one.offset_low_ns, one.offset_high_ns), one.source, one.last_time,
                 one.packet, one.note)
                for one in wrong
            ),
            reading="Logs of devices whose clocks are wrong cannot be laid beside each other.",
            key=("device", "protocol", "way"),
        )  # fmt: skip
    elif subject.clocks:
        yield Paragraph(
            f"No clock was heard that is off; of {len(subject.clocks)} it is known who sets them or "
            "asks for the time (otsec clocks)."
        )
    else:
        yield Paragraph("No packet tells the time of any device.")


def _ahead(ns: int) -> str:
    """A signed length of time."""
    size = abs(ns)
    told = duration(size) if size >= 10**9 else f"{size / 10**6:.0f} ms"
    return f"{'-' if ns < 0 else '+'}{told}"


def _between_times(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return ""
    one, other = _ahead(low), _ahead(high)
    return one if one == other else f"{one} to {other}"
