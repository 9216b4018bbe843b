"""What a store shows of a site, in one screen or two: what `otsec analyze` ends with.

Everything shown is counted in full; of long lists the most important rows are kept, and how many
there are. Industrial traffic stands before the rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from otsec.health import Report, Severity, Verdict, judge
from otsec.health.services import READ, by_number
from otsec.store import Store
from otsec.store.queries import (
    WRITING,
    Behaviour,
    Conversation,
    Device,
    Fact,
    Filter,
    Writer,
    address_key,
    behaviours,
    conversations,
    devices,
    facts,
    sources,
    writers,
)

SHOWN = 8  # rows of a list: two screens hold them all
SOURCES_SHOWN = 6
OBJECTS_SHOWN = 3
RANGES_SHOWN = 4
FACTS_SHOWN = 3
PROBLEMS_SHOWN = 5
GOOD_OUTCOMES = frozenset({"", "ok", "open"})


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
    objects: tuple[str, ...]  # written ones first, then the most frequent


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A service of which payload was not decoded."""

    service: str  # `modbus`, or `tcp/102` where no protocol was recognised
    conversations: int
    payload: int  # bytes
    undecoded: int  # bytes
    malformed: int
    truncated: int
    lost: int  # bytes


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
    unread: tuple[Undecoded, ...]
    troubles: tuple[Trouble, ...]  # the worst first
    problems: tuple[str, ...] = field(default=())  # files, a line each


def summarise(store: Store, site: str) -> Summary:
    """The summary of a site."""
    here = [Filter("site", site)]
    reports = judge(store, here)
    talks = sorted(conversations(store, here), key=_importance)
    done = behaviours(store, here)
    doings = sorted(_doings(done), key=_by_weight)
    wrote = writers(store, here)
    unread = sorted(_unread(talks), key=lambda row: (-row.undecoded, row.service))
    addresses = _devices(devices(store, here))
    mine = {one.id for one in sources(store, here)}
    return Summary(
        total=_total(reports, sum(one.captures for one in sources(store, here))),
        reports=tuple(reports),
        heard=sum(bool(one.packets) and not _is_mac(one) for one in addresses),
        by_mac=sum(bool(one.packets) and _is_mac(one) for one in addresses),
        addressed=sum(not one.packets for one in addresses),
        devices=tuple(_device_lines(addresses, done, facts(store, here), talks)),
        conversation_count=len(talks),
        conversations=tuple(talks[:SHOWN]),
        doing_count=len(doings),
        doings=tuple(doings[:SHOWN]),
        writer_count=len(wrote),
        second_writers=sum(row.second_writer for row in wrote),
        writers=tuple(wrote[:SHOWN]),
        payload=sum(row.payload for row in unread),
        undecoded=sum(row.undecoded for row in unread),
        unread_count=sum(_is_short(row) for row in unread),
        unread=tuple([row for row in unread if _is_short(row)][:SHOWN]),
        troubles=tuple(troubles(reports)),
        problems=tuple(
            f"{one.path}: {one.damage}"
            for one in store.all_captures()
            if one.damage and one.source in mine
        ),
    )


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


def _is_mac(one: Device) -> bool:
    return one.address in one.macs


def _devices(found: Sequence[Device]) -> list[Device]:
    """Without the MAC addresses that only carry IP addresses told by themselves."""
    carrying = {
        (one.site, one.group, one.place, mac)
        for one in found
        if not _is_mac(one)
        for mac in one.macs
    }
    return [one for one in found if (one.site, one.group, one.place, one.address) not in carrying]


def _device_lines(
    found: Sequence[Device],
    done: Iterable[Behaviour],
    told: Iterable[Fact],
    talks: Iterable[Conversation],
) -> list[DeviceLine]:
    units: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in done:
        if row.device and row.outcome in GOOD_OUTCOMES:
            units[row.place, row.server].add(row.device)
    said: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in told:
        said[fact.place, fact.server].append(fact)
    read = {talk.protocol for talk in talks if talk.protocol}
    ranked = sorted(found, key=lambda one: _device_rank(one, read))
    return [
        DeviceLine(
            one.address,
            one.place,
            one.macs,
            _does(one),
            _ranges(units[one.place, one.address]),
            _identity(said[one.place, one.address]),
            one.packets,
        )
        for one in ranked[:SHOWN]
        if one.packets
    ]


def _device_rank(one: Device, read: set[str]) -> tuple[object, ...]:
    """Who answers industrial protocols, then who asks them, then by traffic; the silent last."""
    ranks = [
        min((_word_rank(word, read) for word in words), default=2)
        for words in (one.answers, one.asks)
    ]
    return (
        not one.packets,
        min(ranks),
        ranks[0],
        -one.packets,
        address_key(one.address),
        one.place,
    )


def _word_rank(word: str, read: set[str]) -> int:
    """0: a protocol that was recognised; 1: an industrial one by its number; 2: any other."""
    return 0 if word in read else 1 if by_number(word) else 2


def _does(one: Device) -> str:
    parts = []
    for verb, words, others, who in (
        ("answers", one.answers, one.clients, "client"),
        ("asks", one.asks, one.servers, "server"),
    ):
        if not words:
            continue
        ranked = sorted(words, key=lambda word: (_word_rank(word, _named(words)), word))
        named = ", ".join(ranked[:OBJECTS_SHOWN])
        more = f" and {len(words) - OBJECTS_SHOWN} more" if len(words) > OBJECTS_SHOWN else ""
        parts.append(f"{verb} {named}{more} ({others} {who}{'' if others == 1 else 's'})")
    return "; ".join(parts)


def _named(words: Iterable[str]) -> set[str]:
    """The words that are protocols, not numbers."""
    return {word for word in words if "/" not in word and not word.startswith("0x")}


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


def _identity(said: Iterable[Fact]) -> tuple[str, ...]:
    """What a device says of itself, each value once, its maker and product first."""

    def rank(fact: Fact) -> tuple[object, ...]:
        known = _IDENTITY.index(fact.attribute) if fact.attribute in _IDENTITY else len(_IDENTITY)
        return bool(fact.device), known, fact.attribute, fact.device, fact.value

    told: dict[str, str] = {}
    for fact in sorted(said, key=rank):
        behind = f" ({fact.device})" if fact.device else ""
        label = "" if fact.attribute in _IDENTITY else f"{fact.attribute} "
        told.setdefault(fact.value, f"{label}{fact.value}{behind}")
    return tuple(told.values())[:FACTS_SHOWN]


# ------------------------------------------------------------- conversations, behaviours


def _importance(row: Conversation) -> tuple[object, ...]:
    return (
        0 if row.protocol else 1 if by_number(row.service) else 2,
        -row.packets_out - row.packets_in,
        address_key(row.client),
        address_key(row.server),
        row.service,
        row.place,
    )


def _doings(done: Iterable[Behaviour]) -> Iterable[Doing]:
    together: dict[tuple[str, str, str, str], list[Behaviour]] = defaultdict(list)
    for row in done:
        together[row.place, row.client, row.server, row.protocol].append(row)
    for (place, client, server, protocol), rows in together.items():
        reads = sum(row.count for row in rows if row.cls == "read")
        writes = sum(row.count for row in rows if row.cls in WRITING)
        yield Doing(
            client=client,
            server=server,
            place=place,
            protocol=protocol,
            units=len({row.device for row in rows if row.device}),
            reads=reads,
            writes=writes,
            others=sum(row.count for row in rows) - reads - writes,
            failed=sum(row.count for row in rows if row.outcome not in GOOD_OUTCOMES),
            objects=_objects(rows),
        )


def _objects(rows: Iterable[Behaviour]) -> tuple[str, ...]:
    ranked = sorted(rows, key=lambda row: (row.cls not in WRITING, -row.count, row.object))
    named = dict.fromkeys(row.object for row in ranked if row.object)
    more = len(named) - OBJECTS_SHOWN
    return (*list(named)[:OBJECTS_SHOWN], *((f"{more} more",) if more > 0 else ()))


def _by_weight(row: Doing) -> tuple[object, ...]:
    return (
        not row.writes,
        -(row.reads + row.writes + row.others),
        address_key(row.client),
        address_key(row.server),
        row.protocol,
        row.place,
    )


def _unread(talks: Iterable[Conversation]) -> Iterable[Undecoded]:
    together: dict[str, list[Conversation]] = defaultdict(list)
    for talk in talks:
        if talk.service not in READ:
            together[talk.protocol or talk.service].append(talk)
    for service, rows in together.items():
        yield Undecoded(
            service=service,
            conversations=len(rows),
            payload=sum(row.payload_out + row.payload_in for row in rows),
            undecoded=sum(row.undecoded_out + row.undecoded_in for row in rows),
            malformed=sum(row.malformed for row in rows),
            truncated=sum(row.truncated for row in rows),
            lost=sum(row.lost_out + row.lost_in for row in rows),
        )


def _is_short(row: Undecoded) -> bool:
    return bool(row.undecoded or row.malformed or row.truncated or row.lost)


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
