"""The drawings that reports share, each with its sentence and its data.

Days are those of the site's zone; ages count back from the end of what the report covers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from otsec.detect.cases import Case
from otsec.detect.model import LEVELS
from otsec.health.verdict import counted, duration, number
from otsec.inventory.completeness import HIGH
from otsec.nanoseconds import DAY_NS, HOUR_NS
from otsec.policy.matrix import Cell as ZoneCell
from otsec.policy.simulation import is_cut
from otsec.reports.communication import LANES, lane_of
from otsec.reports.document import (
    Bars,
    Cell,
    Chart,
    Days,
    Grid,
    Lanes,
    Strip,
    Table,
    Tone,
    columns,
)
from otsec.reports.drawing import Flow as Line
from otsec.reports.drawing import Node, Weight
from otsec.reports.subject import CONTROLLERS, Subject
from otsec.sessions.kinds import ENGINEERING

WORST_FIRST = tuple(reversed(LEVELS))
TONES: tuple[Tone, ...] = ("critical", "high", "medium", "low", "informational")
SHORT_NS = 3 * DAY_NS  # what is shorter is drawn by the hour
TYPES = (
    "controllers and field devices",
    "operators' stations",
    "network",
    "servers and others",
    "unknown",
)
_STATIONS = frozenset({"hmi", "scada_server", "historian", "ews", "opc_server", "mes", "gateway"})
_NETWORK = frozenset({"switch", "router", "firewall", "access_point", "time_server"})
AGES = (  # of findings, up to
    (DAY_NS, "under a day"),
    (7 * DAY_NS, "1 to 7 days"),
    (30 * DAY_NS, "7 to 30 days"),
    (90 * DAY_NS, "30 to 90 days"),
)
OLDEST = "over 90 days"


Shown = tuple[str, str, int, int, str]  # point, state, begin, end, why it was blind


def by_level(title: str, label: str) -> tuple[tuple[str, str, str] | tuple[str, str], ...]:
    """Columns of a table that has a number for each level."""
    return ((label, title), *((level, level, "number") for level in WORST_FIRST))


def _counts(
    table: Mapping[str, Counter[str]], parts: Sequence[str]
) -> tuple[tuple[Cell, ...], ...]:
    """A row for each name with the count of each part."""
    return tuple((name, *(found[part] for part in parts)) for name, found in table.items())


# -------------------------------------------------------------------------------- coverage


def coverage(subject: Subject, most: int = 0) -> Chart:
    """When each capture point heard something, and when it was blind.

    ``most``: of so many points, those that were blind longest; 0: of all.
    """
    begin, end = subject.span
    rows: list[Shown] = []
    for one in subject.sources:
        name = subject.points[one.id]
        rows.append((name, "heard", max(one.first_time, begin), min(one.last_time, end), ""))
    named = {row[0] for row in rows}
    for gap in subject.gaps:
        name = f"{gap.point}/{gap.interface}" if gap.interface else gap.point
        if name in named:
            rows.append(
                (name, "blind", max(gap.begin_time, begin), min(gap.end_time, end), gap.kind)
            )
    points = len(named)
    gaps = sum(row[1] == "blind" for row in rows)
    reading = f"{counted(points, 'capture point')} heard something; "
    reading += f"{counted(gaps, 'gap')} in which one was blind." if gaps else "no gap is known."
    if 0 < most < points:
        rows = _blindest(rows, most)
        reading += f" The {most} that were blind longest are drawn; the health report has all."
    data = Table(
        "coverage",
        "When capture points heard something",
        columns(("point", "Capture point"), ("state", "State", "tag"), ("begin", "From", "time"),
                ("end", "To", "time"), ("kind", "Why blind")),
        tuple(rows),
        empty="No capture point heard anything.",
    )  # fmt: skip
    return Chart("Coverage", reading, Strip(begin, end), data)


def _blindest(rows: Sequence[Shown], most: int) -> list[Shown]:
    blind = Counter({row[0]: 0 for row in rows})
    for name, state, begin, end, _ in rows:
        blind[name] += end - begin if state == "blind" else 0
    kept = {name for name, _ in blind.most_common(most)}
    return [row for row in rows if row[0] in kept]


# ---------------------------------------------------------------------------------- assets


def by_purdue(subject: Subject) -> Chart:
    """Assets by level and type."""
    table: dict[str, Counter[str]] = {}
    for asset in subject.assets:
        table.setdefault(lane_of(asset), Counter())[_type(asset.role.role)] += 1
    rows = _counts({lane: table[lane] for lane in LANES if lane in table}, TYPES)
    unknown = sum(found["unknown"] for found in table.values())
    total = len(subject.assets)
    reading = f"{counted(total, 'asset')}; the role of {number(unknown)} could not be told."
    data = Table(
        "levels",
        "Assets by level and type",
        columns(("level", "Level"), *((f"type_{n}", one, "number") for n, one in enumerate(TYPES))),
        rows,
        empty="No asset was heard.",
    )
    tones: tuple[Tone, ...] = ("plain", "low", "good", "informational", "unknown")
    return Chart("Assets by Purdue level and type", reading, Bars(tones), data)


def _type(role: str) -> str:
    if role in CONTROLLERS:
        return TYPES[0]
    if role in _STATIONS:
        return TYPES[1]
    if role in _NETWORK:
        return TYPES[2]
    return TYPES[4] if role == "unknown" else TYPES[3]


def fill(subject: Subject) -> Chart:
    """Of how many assets each of CISA's fourteen attributes is known."""
    total = len(subject.assets)
    known = Counter(one.name for asset in subject.assets for one in asset.attributes if one.value)
    rows = sorted(
        ((one.name, known[one.name] / total, known[one.name]) for one in HIGH if total),
        key=lambda row: (row[1], row[0]),
    )
    mean = sum(row[1] for row in rows) / len(rows) if rows else 0.0
    reading = (
        f"On average {100 * mean:.0f} % of the fourteen attributes that CISA asks for first are "
        "known. Criticality, number and location are known from people alone."
    )
    data = Table(
        "fill",
        "How much is known",
        columns(("attribute", "Attribute"), ("share", "Known", "share")),
        tuple(row[:2] for row in rows),
        empty="No asset was heard.",
    )
    return Chart("What is known of the assets", reading, Bars(("plain",), 1.0), data)


# -------------------------------------------------------------------------------- findings


def per_day(subject: Subject) -> Chart:
    """New findings per day, or per hour of a short time, by level."""
    begin, end = subject.span
    width, form = (HOUR_NS, "%d %b %H:%M") if end - begin < SHORT_NS else (DAY_NS, "%d %b")
    zone = subject.order.zone

    def bucket(ns: int) -> datetime:
        local = datetime.fromtimestamp(ns // 10**9, zone)
        return local.replace(minute=0, second=0) if width == HOUR_NS else local.replace(
            hour=0, minute=0, second=0
        )  # fmt: skip

    counts: dict[datetime, Counter[str]] = {}
    if end:
        for at in range(begin, end + width, width):
            counts.setdefault(bucket(min(at, end)), Counter())
    for case in subject.cases:
        counts.setdefault(bucket(case.finding.first_time), Counter())[case.finding.level] += 1
    rows = _counts({f"{when:{form}}": counts[when] for when in sorted(counts)}, WORST_FIRST)
    unit = "hour" if width == HOUR_NS else "day"
    most = max(counts, key=lambda when: (counts[when].total(), when), default=None)
    reading = "No finding." if most is None or not subject.cases else (
        f"{counted(len(subject.cases), 'finding')}; most first seen in one {unit}: "
        f"{number(counts[most].total())} ({most:{form}})."
    )  # fmt: skip
    data = Table(
        "per_day",
        f"Findings per {unit} by level",
        columns(*by_level(unit.capitalize(), unit)),
        rows if subject.cases else (),
        empty="No finding in this time.",
    )
    return Chart(f"New findings per {unit}, by level", reading, Days(TONES), data)


def ages(subject: Subject) -> Chart:
    """Open findings by how long they are known."""
    table = {name: Counter[str]() for _, name in AGES} | {OLDEST: Counter[str]()}
    end = subject.span[1]
    for case in subject.open:
        table[_age(end - case.finding.first_time)][case.finding.level] += 1
    rows = _counts(table, WORST_FIRST)
    oldest = max((end - one.finding.first_time for one in subject.open), default=0)
    reading = f"{counted(len(subject.open), 'finding')} open" + (
        f", the oldest for {duration(oldest)}." if subject.open else "."
    )
    data = Table(
        "ages",
        "Open findings by age",
        columns(*by_level("Known for", "age")),
        rows if subject.open else (),
        empty="No finding is open.",
    )
    return Chart("Open findings by age", reading, Bars(TONES), data)


def _age(ns: int) -> str:
    return next((name for most, name in AGES if ns < most), OLDEST)


def level_counts(cases: Sequence[Case]) -> Counter[str]:
    """How many findings of each level."""
    return Counter(one.finding.level for one in cases)


# ----------------------------------------------------------------------------------- zones


def zones(subject: Subject) -> Chart | None:
    """The matrix of zones: allowed, violated, unused; None without a policy."""
    made = subject.matrix
    if made is None:
        return None
    rows = tuple(
        (one.source, one.target, one.state, _cell(one), _count(one), one.allowed, one.violated,
         one.undecoded, tuple(sorted(one.unused)))
        for one in (made.cells[key] for key in sorted(made.cells))
        if one.state
    )  # fmt: skip
    violated = sum(row[2] == "violated" for row in rows)
    unused = len({rule for one in made.cells.values() for rule in one.unused})
    reading = (
        f"Rows begin, columns answer. {counted(violated, 'way')} between zones "
        f"{'is' if violated == 1 else 'are'} violated; {counted(unused, 'conduit')} saw no traffic."
    )
    data = Table(
        "matrix",
        "Zones: who talks to whom",
        columns(
            ("source", "From"), ("target", "To"), ("state", "State", "tag"), ("told", "Flows"),
            ("count", "Count*", "number"), ("allowed", "Allowed", "number"),
            ("violated", "Violated", "number"), ("undecoded", "Not read", "number"),
            ("unused", "Conduits without traffic", "list"),
        ),
        rows,
        empty="Nothing was heard between zones.",
        key=("source", "target"),
    )  # fmt: skip
    return Chart("Zone by zone", reading, Grid(made.names), data)


def _cell(one: ZoneCell) -> str:
    told = f"{one.allowed} allowed, {one.violated} violated, {one.undecoded} not read"
    return f"{told}: {', '.join(sorted(one.violating)[:6])}" if one.violating else told


def _count(one: ZoneCell) -> int:
    numbers = {"violated": one.violated, "undecoded": one.undecoded, "allowed": one.allowed}
    return numbers.get(one.state, len(one.unused))


def violating(subject: Subject) -> Chart:
    """Violating paths alone, by level of the zones; without a policy who may change what."""
    nodes: dict[str, Node] = {}
    lines: list[Line] = []
    for flow in subject.flows:
        if not is_cut(flow.verdict):
            continue
        ends = []
        for end in (flow.client, flow.server):
            address = (flow.group, end.place, end.address)
            asset = subject.known.at(subject.site, *address)
            key = asset.id if asset else "|".join(address)
            if key not in nodes:
                name = asset.name if asset else end.address
                level = lane_of(asset) if asset else LANES[-1]
                nodes[key] = Node(key, name, end.zone.name if end.zone else "no zone", level)
            ends.append(key)
        if ends[0] == ends[1]:
            continue
        label = " ".join(part for part in (flow.word, flow.cls) if part)
        lines.append(Line(ends[0], ends[1], _weight(flow.cls), flow.count, label))
    paths = {(one.source, one.target) for one in lines}
    reading = f"{counted(len(paths), 'path')} between hosts that the policy does not allow."
    data = Table(
        "paths",
        "Paths that the policy does not allow",
        columns(("source", "From"), ("target", "To"), ("what", "What"), ("count", "Exchanges", "number")),
        tuple(
            (nodes[one.source].name, nodes[one.target].name, one.label, one.packets)
            for one in sorted(lines, key=lambda one: (-one.packets, one.label))
        ),
        empty="No path breaks the policy.",
    )  # fmt: skip
    return Chart(
        "Violating paths by Purdue level",
        reading,
        Lanes(tuple(nodes.values()), tuple(lines), LANES),
        data,
    )


def _weight(cls: str) -> Weight:
    if cls in ENGINEERING - {"config"}:
        return "change"
    if cls in {"write", "control", "config"}:
        return "write"
    return "read" if cls in {"read", "report"} else "other"


# --------------------------------------------------------------------------------- writers


def who_writes(subject: Subject) -> Table:
    """Who can change the process: each client with each device that it wrote to."""
    found: dict[tuple[str, str, str], list[tuple[str, int, int, int, str]]] = {}
    for one in subject.writers:
        where = (one.group, one.place)
        key = (subject.name(*where, one.client), subject.name(*where, one.server), one.device)
        found.setdefault(key, []).append(
            (one.protocol, one.count, one.last_time, one.last_packet, one.outcome)
        )
        if one.second_writer:
            found[key][-1] = (*found[key][-1][:4], f"{one.outcome}, second writer")
    rows = []
    for (client, server, device), acts in found.items():
        last = max(acts, key=lambda one: (one[2], one[3]))
        rows.append(
            (client, server, device, tuple(sorted({one[0] for one in acts})), len(acts),
             sum(one[1] for one in acts), "yes" if any("second" in one[4] for one in acts) else "",
             last[2], last[3])
        )  # fmt: skip
    rows.sort(key=lambda row: (not row[6], -row[5], row[0], row[1], row[2]))
    return Table(
        "writers",
        "Who can change the process",
        columns(
            ("client", "Writer"), ("server", "Device"), ("device", "Behind it"),
            ("protocols", "Protocol", "list"), ("objects", "Objects", "number"),
            ("count", "Writes", "number"), ("second", "Second writer"), ("last", "Last", "time"),
            ("packet", "Packet", "number"),
        ),
        tuple(rows),
        empty="Nobody was seen to write to a device.",
        reading="Every host that was seen to write or command, and the device that it did so to.",
        key=("client", "server", "device"),
    )  # fmt: skip


def second_writers(subject: Subject) -> Table:
    """Objects that another client had written before."""
    return Table(
        "second_writers",
        "Objects with more than one writer",
        columns(("server", "Device"), ("device", "Behind it"), ("object", "Object"),
                ("client", "Second writer"), ("operation", "Operation"),
                ("count", "Times", "number"), ("last", "Last", "time"),
                ("packet", "Packet", "number"), ("point", "Point*")),
        tuple(
            (subject.name(one.group, one.place, one.server), one.device, one.object,
             subject.name(one.group, one.place, one.client), one.operation, one.count,
             one.last_time, one.last_packet, one.point)
            for one in subject.writers
            if one.second_writer
        ),
        empty="No object was written by more than one client.",
        reading="Two clients that write the same object overwrite one another, and the second one is "
        "how tampering looks.",
        key=("server", "device", "object", "client"),
    )  # fmt: skip
