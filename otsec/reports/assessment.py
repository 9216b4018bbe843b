"""The assessment: what a consultant hands over after a day of listening, as data."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from otsec import __version__
from otsec.clocks import Clock, capture_off, clocks
from otsec.detect.cases import cases
from otsec.health import Report, Severity, judge
from otsec.health.verdict import Verdict
from otsec.inventory.assembly import inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset
from otsec.inventory.wanted import Want, wanted
from otsec.inventory.weaknesses import OF_CLIENTS, Weakness, weaknesses
from otsec.reports import communication
from otsec.reports.communication import Pair, Relation
from otsec.reports.drawing import Drawing
from otsec.reports.findings import Row, Wrong, wrong
from otsec.sessions.assembly import sessions
from otsec.sessions.kinds import changes
from otsec.sessions.model import Session
from otsec.store import Store, queries, sightings
from otsec.store.queries import Filter, Protocol, Source, Writer
from otsec.store.timeline import Happening, happenings

MOST_ASSETS = 1000  # rows; the others are named by their number
MOST_SOURCES = 20
MOST_ACTIONS, MOST_SESSIONS, MOST_SHOWN, MOST_WANTS, MOST_RELATIONS = 60, 40, 12, 10, 120
CONTROLLERS = ("plc", "safety_plc", "rtu", "ied", "io", "drive", "robot_controller", "cnc", "meter")
GRAVE = ("program", "firmware", "mode", "file", "config", "control", "time", "write")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that stands at the top."""

    number: str
    name: str
    about: str
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a capture point could not show."""

    id: int  # of the source
    source: str  # its name
    sentence: str
    verdicts: tuple[Verdict, ...]
    tag: str  # of the worst of them: bad, warn or good


@dataclass(frozen=True, slots=True)
class Action:
    """Something that changed a device."""

    happening: Happening
    who: str
    on: str
    value: str


@dataclass(frozen=True, slots=True)
class Second:
    """The second writer of an object."""

    writer: Writer
    who: str
    on: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that the page shows."""

    site: str
    version: str
    first_time: int  # ns; 0 without packets
    last_time: int
    packets: int
    sources: tuple[Source, ...]
    figures: tuple[Figure, ...]
    points: tuple[str, ...]  # what stands out, in sentences
    troubles: tuple[Trouble, ...]  # the worst first
    trouble_count: int
    protocols: tuple[Protocol, ...]
    assets: tuple[Asset, ...]
    asset_count: int
    roles: tuple[tuple[str, int], ...]
    picture: Drawing
    relations: tuple[Relation, ...]
    relation_count: int
    outside: tuple[Pair, ...]  # between public addresses and the site
    wrong: Wrong
    weaknesses: tuple[Weakness, ...]
    writers: tuple[Second, ...]
    sessions: tuple[Session, ...]  # remote ones, and those that engineer
    session_count: int
    actions: tuple[Action, ...]  # the gravest
    action_count: int
    clocks: tuple[Clock, ...]  # those that do not agree
    clock_count: int
    capture_off_ns: int  # by which the capture's clock seems behind; 0: it does not
    wants: tuple[Want, ...]


def assessment(store: Store, site: str, zone: tzinfo) -> Assessment:
    """What a store shows of a site; ``zone``: in which devices keep local time."""
    here = [Filter("site", site)]
    found = inventory(store)
    known = Directory(found)
    assets = [asset for asset in found.assets if asset.site == site]
    sources = [one for one in queries.sources(store, here) if one.packets]
    end = max((one.last_time for one in sources), default=0)
    pairs = communication.pairs(found, site, sightings.talks(store), sightings.deeds(store))
    weak = weaknesses(found, site, sightings.shown(store, OF_CLIENTS))
    worked = [one for one in sessions(store, found) if one.site == site]
    told = [
        one
        for one in happenings(store, here)
        if changes(one.cls, one.operation) and one.protocol not in communication.HOUSEKEEPING
    ]
    second = [row for row in queries.writers(store, here) if row.second_writer]
    reports = judge(store, here, sources)
    of_time = [one for one in clocks(store, zone, found) if one.site == site]
    off = capture_off(of_time)
    out = [one for one in pairs if one.answered and _crosses(one)]
    points = {one.id: _point(one) for one in sources}
    found_wrong = wrong([one for one in cases(store) if one.finding.site == site], known, points)
    shown_sessions = [one for one in worked if one.remote or one.kind == "engineering"]
    relations = communication.relations(pairs)
    return Assessment(
        site=site,
        version=__version__,
        first_time=min((one.first_time for one in sources), default=0),
        last_time=end,
        packets=sum(one.packets for one in sources),
        sources=tuple(sources),
        figures=tuple(_figures(assets, found_wrong, weak, told, out, shown_sessions)),
        points=tuple(_points(assets, found_wrong, weak, told, out, second, reports)),
        troubles=tuple(map(_trouble, reports[:MOST_SOURCES])),
        trouble_count=len(reports),
        protocols=tuple(queries.protocols(store, here)),
        assets=tuple(assets[:MOST_ASSETS]),
        asset_count=len(assets),
        roles=tuple(
            sorted(
                Counter(asset.role.role for asset in assets).items(),
                key=lambda one: (-one[1], one[0]),
            )
        ),
        picture=communication.picture(pairs),
        relations=tuple(relations[:MOST_RELATIONS]),
        relation_count=len(relations),
        outside=tuple(out[:MOST_SHOWN]),
        wrong=found_wrong,
        weaknesses=tuple(weak),
        writers=tuple(
            Second(row, _name(known, row, row.client), _name(known, row, row.server))
            for row in second[:MOST_SHOWN]
        ),
        sessions=tuple(shown_sessions[:MOST_SESSIONS]),
        session_count=len(shown_sessions),
        actions=tuple(_actions(known, told)),
        action_count=len(told),
        clocks=tuple(one for one in of_time if one.standing in {"off", "steps", "needs time"}),
        clock_count=len(of_time),
        capture_off_ns=off[0] if off else 0,
        wants=tuple(wanted(assets)[:MOST_WANTS]),
    )


def _crosses(pair: Pair) -> bool:
    lanes = communication.lane_of(pair.source), communication.lane_of(pair.target)
    return (communication.OUTSIDE in lanes) and lanes[0] != lanes[1]


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}".replace(",", " ")


def _figures(
    assets: Sequence[Asset],
    bad: Wrong,
    weak: Sequence[Weakness],
    told: Sequence[Happening],
    out: Sequence[Pair],
    worked: Sequence[Session],
) -> list[Figure]:
    controllers = sum(asset.role.role in CONTROLLERS for asset in assets)
    high = sum(one.severity == "high" for one in weak)
    grave = sum(one.cls in GRAVE[:4] for one in told)
    remote = sum(one.remote for one in worked)
    return [
        Figure(f"{len(assets)}", "assets", f"{controllers} controllers and field devices"),
        Figure(f"{bad.open}", "findings", f"{bad.grave} of them high", grave=bad.grave > 0),
        Figure(f"{len(weak)}", "weaknesses", f"{high} of them high", grave=high > 0),
        Figure(f"{len(told)}", "changes", f"{grave} of program, mode or files", grave=grave > 0),
        Figure(f"{len(worked)}", "sessions", f"{remote} of them remote"),
        Figure(f"{len(out)}", "ways outside", "to or from public addresses", grave=bool(out)),
    ]


def _points(
    assets: Sequence[Asset],
    bad: Wrong,
    weak: Sequence[Weakness],
    told: Sequence[Happening],
    out: Sequence[Pair],
    second: Sequence[Writer],
    reports: Sequence[Report],
) -> list[str]:
    """What stands out, the gravest first."""
    points = [
        f"{card.title}: {_counted(len(card.rows), 'finding')}, {_between(card.rows[0])}."
        for card in bad.grave_cards
    ]
    grave = [one for one in told if one.cls in {"program", "firmware", "mode"}]
    if grave:
        words = Counter(one.operation for one in grave)
        named = ", ".join(f"{word} ({times})" for word, times in sorted(words.items())[:4])
        hosts = {(one.place, one.server) for one in grave}
        points.append(
            f"Programs or modes of {_counted(len(hosts), 'device')} were changed, or somebody "
            f"tried to: {named}."
        )
    points += [
        f"{one.title}: seen at {_counted(len({each.asset for each in one.shown}), 'asset')}."
        for one in weak
        if one.severity == "high"
    ]
    if out:
        points.append(
            f"{_counted(len(out), 'connection')} between the site and public addresses, "
            f"such as {out[0].source.name} to {out[0].target.name} ({out[0].protocol})."
        )
    if second:
        objects = {(row.server, row.device, row.object) for row in second}
        points.append(
            f"{_counted(len(objects), 'object')} in controllers "
            f"{'is' if len(objects) == 1 else 'are'} written by more than one client."
        )
    unknown = sum(asset.role.role == "unknown" for asset in assets)
    if unknown:
        points.append(f"The role of {_counted(unknown, 'asset')} could not be told.")
    poor = [one for one in reports if one.severity == Severity.BAD]
    if poor:
        points.append(
            f"{_counted(len(poor), 'capture point')} did not show all that "
            f"{'it' if len(poor) == 1 else 'they'} should; {poor[0].name} is {poor[0].sentence}."
        )
    return points


def _between(row: Row) -> str:
    """Who did it to whom, of one finding."""
    if row.who and row.on:
        return f"{row.who} to {row.on}"
    return f"at {row.on}" if row.on else f"by {row.who}" if row.who else "of the capture"


def _point(source: Source) -> str:
    return f"{source.point}/{source.interface}" if source.interface else source.point


def _trouble(report: Report) -> Trouble:
    told = [one for one in report.verdicts if one.severity in {Severity.BAD, Severity.WARN}]
    tag = min((one.severity for one in told), default=Severity.GOOD).name.lower()
    return Trouble(report.source.id, report.name, report.sentence, tuple(told), tag)


def _actions(known: Directory, told: Sequence[Happening]) -> list[Action]:
    """The gravest, in order of time."""
    kept = sorted(told, key=lambda one: (GRAVE.index(one.cls), one.time))[:MOST_ACTIONS]
    kept.sort(key=lambda one: (one.time, one.site, one.point, one.packet))
    return [
        Action(one, _name(known, one, one.client), _name(known, one, one.server), _value(one))
        for one in kept
    ]


def _name(known: Directory, one: Happening | Writer, address: str) -> str:
    asset = known.at(one.site, one.group, one.place, address)
    return asset.name if asset else address


def _value(one: Happening) -> str:
    values = ", ".join("none" if value is None else f"{value}" for value in one.values[:4])
    more = ", ..." if len(one.values) > 4 else ""
    return values + more or one.value_note


Filters = dict[str, Callable[..., str]]


def page(found: Assessment, filters: Filters, clean: Callable[[str], str]) -> str:
    """The page as HTML, whole in itself.

    ``filters``: how times, bytes and lengths of time are told; ``clean``: makes text of the network
    harmless, before it is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - heavy
    from markupsafe import Markup  # noqa: PLC0415

    def told(value: object) -> object:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("otsec.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=told,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    return environment.get_template("assessment.html.j2").render(report=found, most=MOST_SHOWN)
