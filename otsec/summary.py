"""What a store shows of a site, in one screen or two: what `otsec analyze` ends with.

Everything shown is counted in full; of long lists the most important rows are kept, and how many
there are. Industrial traffic stands before the rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from otsec import protocols
from otsec.health import Report, Severity, Verdict, judge
from otsec.health.services import INDUSTRIAL
from otsec.store import Store, overview
from otsec.store.overview import Here, Host, Nature, Part, Share
from otsec.store.queries import Conversation, Filter, Writer, sources

SHOWN = 8  # rows of a list: two screens hold them all
SOURCES_SHOWN = 6
OBJECTS_SHOWN = 3
RANGES_SHOWN = 4
FACTS_SHOWN = 3
REASONS_SHOWN = 2
PROBLEMS_SHOWN, PROBLEMS_KEPT = 5, 100  # on the screen, and in JSON


@dataclass(frozen=True, slots=True)
class Total:
    """What was read."""

    captures: int
    packets: int
    first_time: int  # ns; 0 without packets
    last_time: int
    sources: int
    silent: int  # sources without a packet


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device, by one of its addresses."""

    address: str
    place: str
    macs: tuple[str, ...]
    does: str  # `answers modbus (3 clients), asks tcp/102`
    units: tuple[str, ...]  # devices behind it that somebody talked to
    facts: tuple[str, ...]  # what it says of itself
    packets: int  # sent


@dataclass(frozen=True, slots=True)
class Doing:
    """What a client does with a server by a protocol."""

    client: str
    server: str
    place: str
    protocol: str
    units: int  # devices behind the server that it talks to
    reads: int
    writes: int  # also control
    others: int
    failed: int
    reasons: tuple[str, ...]  # why most of these failed
    objects: tuple[str, ...]  # written ones first, then the most frequent


@dataclass(frozen=True, slots=True)
class Trouble:
    """Verdicts of one check over all sources."""

    check: str
    severity: Severity
    sources: tuple[str, ...]  # where it holds, the worst first
    of_worst: tuple[Verdict, ...]  # of the first of them


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is shown; lists are cut, their full lengths stand beside them."""

    total: Total
    reports: tuple[Report, ...]  # of every source, the worst first
    heard: int  # IP addresses that sent something
    by_mac: int  # devices known by their MAC address alone
    addressed: int  # addresses that never sent anything
    devices: tuple[DeviceLine, ...]
    conversation_count: int
    conversations: tuple[Conversation, ...]
    doing_count: int
    doings: tuple[Doing, ...]
    writer_count: int
    second_writers: int
    writers: tuple[Writer, ...]
    payload: int  # bytes above the transport
    undecoded: int
    unread_count: int
    unread: tuple[Share, ...]
    troubles: tuple[Trouble, ...]  # the worst first
    problem_count: int = 0
    problems: tuple[str, ...] = field(default=())  # of files, a line each


def summarise(store: Store, site: str) -> Summary:
    """The summary of a site."""
    here, filters = Here.of(store, site), [Filter("site", site)]
    found = sources(store, filters)
    reports = judge(store, filters, found)
    likely = _likely()
    talks = overview.busiest(here, likely, SHOWN)
    doings = overview.doings(here, SHOWN)
    writes = overview.writes(here, SHOWN)
    unread = overview.unread(here, SHOWN)
    hosts = overview.hosts(here, likely, SHOWN)
    problem_count, problems = overview.problems(here, PROBLEMS_KEPT)
    return Summary(
        total=_total(reports, sum(one.captures for one in found)),
        reports=tuple(reports),
        heard=hosts.heard,
        by_mac=hosts.by_mac,
        addressed=hosts.addressed,
        devices=tuple(_device_lines(here, hosts.first)),
        conversation_count=talks.total,
        conversations=tuple(talks.first),
        doing_count=doings.total,
        doings=tuple(_doings(here, doings.first)),
        writer_count=writes.total,
        second_writers=writes.second,
        writers=tuple(writes.first),
        payload=unread.payload,
        undecoded=unread.undecoded,
        unread_count=unread.short,
        unread=unread.first,
        troubles=tuple(troubles(reports)),
        problem_count=problem_count,
        problems=tuple(problems),
    )


def _likely() -> tuple[str, ...]:
    """What is told first: industrial protocols by name, and services likely to be of one."""
    return (*protocols.industrial(), *INDUSTRIAL)


def _total(reports: Sequence[Report], captures: int) -> Total:
    found = [report.source for report in reports]
    spans = [(one.first_time, one.last_time) for one in found if one.packets]
    return Total(
        captures=captures,
        packets=sum(one.packets for one in found),
        first_time=min((first for first, _ in spans), default=0),
        last_time=max((last for _, last in spans), default=0),
        sources=len(found),
        silent=sum(not one.packets for one in found),
    )


# ------------------------------------------------------------------------------ devices


def _device_lines(here: Here, hosts: Sequence[Host]) -> Iterable[DeviceLine]:
    natures = overview.natures(here, hosts, _likely(), OBJECTS_SHOWN)
    for host, nature in zip(hosts, natures, strict=True):
        yield DeviceLine(
            host.address,
            host.place,
            (host.address,) if host.mac else nature.macs,
            _does(nature),
            _ranges(nature.devices),
            _identity(nature),
            host.packets,
        )


def _does(nature: Nature) -> str:
    told = (("answers", nature.answers, "client"), ("asks", nature.asks, "server"))
    return "; ".join(_part(verb, part, who) for verb, part, who in told if part.words)


def _part(verb: str, part: Part, who: str) -> str:
    more = part.number - len(part.words)
    named = ", ".join(part.words) + (f" and {more} more" if more else "")
    return f"{verb} {named} ({part.others} {who}{'' if part.others == 1 else 's'})"


def _ranges(units: Iterable[str]) -> tuple[str, ...]:
    """``unit 1-3``, ``unit 11``: units whose numbers follow each other as one."""
    runs: list[tuple[str, int, int]] = []
    others = []
    numbered = []
    for unit in units:
        kind, _, digits = unit.rpartition(" ")
        if kind and digits.isascii() and digits.isdecimal() and len(digits) < 10:
            numbered.append((kind, int(digits)))
        else:
            others.append(unit)
    for kind, digit in sorted(numbered):
        if runs and runs[-1][0] == kind and runs[-1][2] == digit - 1:
            runs[-1] = (kind, runs[-1][1], digit)
        else:
            runs.append((kind, digit, digit))
    told = [f"{kind} {a}" if a == b else f"{kind} {a}-{b}" for kind, a, b in runs] + sorted(others)
    more = len(told) - RANGES_SHOWN
    return (*told[:RANGES_SHOWN], *((f"{more} more",) if more > 0 else ()))


# What names a device best, in the order in which people say it.
_IDENTITY = ("vendor", "product_name", "model_name", "product_code", "revision")


def _identity(nature: Nature) -> tuple[str, ...]:
    """What a device says of itself, each value once, its maker and product first."""

    def rank(fact: tuple[str, str, str]) -> tuple[object, ...]:
        device, attribute, value = fact
        known = _IDENTITY.index(attribute) if attribute in _IDENTITY else len(_IDENTITY)
        return bool(device), known, attribute, device, value

    told: dict[str, str] = {}
    for device, attribute, value in sorted(nature.facts, key=rank):
        behind = f" ({device})" if device else ""
        label = "" if attribute in _IDENTITY else f"{attribute} "
        told.setdefault(value, f"{label}{value}{behind}")
    return tuple(told.values())[:FACTS_SHOWN]


# --------------------------------------------------------------------------- behaviours


def _doings(here: Here, found: Sequence[overview.Doing]) -> Iterable[Doing]:
    objects = overview.objects(here, found, OBJECTS_SHOWN)
    reasons = overview.failures(here, found, REASONS_SHOWN)
    for one, named, failed in zip(found, objects, reasons, strict=True):
        more = one.objects - len(named)
        yield Doing(
            client=one.client,
            server=one.server,
            place=one.place,
            protocol=one.protocol,
            units=one.devices,
            reads=one.reads,
            writes=one.writes,
            others=one.others,
            failed=one.failed,
            reasons=tuple(failed),
            objects=(*named, *((f"{more} more",) if more else ())),
        )


# ------------------------------------------------------------------------------- health


def troubles(reports: Sequence[Report]) -> list[Trouble]:
    """The bad verdicts, then the warnings of all sources, a line for each check."""
    return [*gathered(reports, Severity.BAD), *gathered(reports, Severity.WARN)]


def gathered(reports: Iterable[Report], severity: Severity) -> list[Trouble]:
    """The verdicts of one severity by check, those of most sources first."""
    together: dict[str, list[tuple[Report, tuple[Verdict, ...]]]] = defaultdict(list)
    for report in reports:
        mine: dict[str, list[Verdict]] = defaultdict(list)
        for verdict in report.verdicts:
            if verdict.severity == severity:
                mine[verdict.check].append(verdict)
        for check, verdicts in mine.items():
            together[check].append((report, tuple(verdicts)))
    found = []
    for check, told in together.items():
        told.sort(key=lambda pair: (-pair[1][0].share, -pair[0].source.packets, pair[0].name))
        names = tuple(report.name for report, _ in told)
        found.append(Trouble(check, severity, names, told[0][1]))
    return sorted(found, key=lambda one: (-len(one.sources), one.check))
