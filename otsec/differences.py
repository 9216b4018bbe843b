"""What differs between two stores, or between two periods of one.

Two sides are compared in sections: findings, assets, facts, conversations, operations. What is on one side
alone is `new` or `gone`, a fact of which the best value is another is `changed`, and what there is
on both is `bigger` or `smaller` where its rate over the time captured differs by more than chance.

The store keeps sums, not their course. So of a period it is known what was heard in it (its first
and last packets say so), and not how much: there `bigger` and `smaller` are never told, and what
was heard before and behind a period counts as heard in it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple, TypeAlias

from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.knowledge import SEVERAL
from otsec.inventory.model import Asset, Known
from otsec.nanoseconds import HOUR_NS
from otsec.store import Store
from otsec.store.findings import Finding, findings
from otsec.store.queries import (
    Behaviour,
    Conversation,
    address_key,
    behaviours,
    conversations,
    sources,
)

Change: TypeAlias = Literal["new", "gone", "changed", "bigger", "smaller"]
Section: TypeAlias = Literal["findings", "assets", "facts", "conversations", "operations"]
SECTIONS: tuple[Section, ...] = ("findings", "assets", "facts", "conversations", "operations")
CHANGES: tuple[Change, ...] = ("new", "gone", "changed", "bigger", "smaller")

FACTOR = 2.0  # a rate that grew by less is told of nobody
SIGMAS = 4.0  # counts of independent packets differ by so much of chance once in 16,000
FEWEST = 20  # packets or exchanges on the busier side; fewer are chance
# Of these a value more or less says nothing: they are made anew, or come with what is asked.
PASSING = frozenset({"dhcp_fingerprint", "server_state", "clock_master"})
# Of these each kind has a value of its own, which the value begins with: SYN and SYN-ACK.
OF_KINDS = frozenset({"tcp_stack"})


class Period(NamedTuple):
    """A span of capture time, ns, both ends in it."""

    begin: int
    end: int


class Difference(NamedTuple):
    """One thing that differs."""

    section: Section
    change: Change
    site: str
    subject: str  # the asset, or client and server
    what: str  # the fact, service or operation
    before: str
    after: str
    time: int  # ns, on the side where it is to be seen: first of new, last of gone
    packet: int | None  # ordinal in the source, where the store names it
    point: str
    rank: int = 0  # the lower, the more it matters among its like


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared."""

    found: Inventory
    assets: tuple[Asset, ...]
    talks: tuple[Conversation, ...]
    acts: tuple[Behaviour, ...]
    wrong: tuple[Finding, ...]
    points: Mapping[int, str]  # names of sources
    hours: float  # captured
    period: Period | None

    def has(self, first: int, last: int) -> bool:
        """Whether something was heard in its period."""
        return self.period is None or (last >= self.period.begin and first <= self.period.end)


def side(store: Store, period: Period | None = None) -> Side:
    """What a store shows, or shows in a period."""
    found = inventory(store)
    taps = sources(store)
    spans = [(one.first_time, one.last_time) for one in taps if one.packets]
    length = max((last for _, last in spans), default=0) - min((at for at, _ in spans), default=0)
    points = {
        one.id: f"{one.point}/{one.interface}" if one.interface else one.point for one in taps
    }
    empty = Side(found, (), (), (), (), points, length / HOUR_NS, period)
    return Side(
        found,
        tuple(one for one in found.assets if empty.has(one.first_time, one.last_time)),
        tuple(one for one in conversations(store) if empty.has(one.first_time, one.last_time)),
        tuple(one for one in behaviours(store) if empty.has(one.first_time, one.last_time)),
        tuple(one for one in findings(store) if empty.has(one.first_time, one.last_time)),
        points,
        empty.hours,
        period,
    )


def differences(before: Side, after: Side, factor: float = FACTOR) -> list[Difference]:
    """All that differs, section by section, new before gone before the rest."""
    scope = _scope(before, after)
    pairs, fresh, lost = _matched(before, after, scope)
    told = [
        *_findings(before, after, factor, scope),
        *_assets(fresh, lost),
        *(one for old, new in pairs for one in _facts(before, after, old, new)),
        *_counted("conversations", before.talks, after.talks, (before, after), factor, scope),
        *_counted("operations", before.acts, after.acts, (before, after), factor, scope),
    ]
    return sorted(told, key=_order)


def _order(one: Difference) -> tuple[object, ...]:
    return (
        *(SECTIONS.index(one.section), CHANGES.index(one.change), one.rank, one.site),
        *(address_key(one.subject.partition(" ")[0]), one.subject, one.what, one.before, one.after),
    )


# --------------------------------------------------------------------------------- matching

Scope = Callable[[str, str], tuple[str, str]]


def _scope(before: Side, after: Side) -> Scope:
    """How site and group are compared: not at all where either side has but one.

    Two captures of one network bear the names that whoever read them gave.
    """
    seen = [{node[:2] for node in each.found.by_node} for each in (before, after)]
    if all(len(names) <= 1 for names in seen):
        return lambda _site, _group: ("", "")
    return lambda site, group: (site, group)


Pairs = list[tuple[Asset, Asset]]


def _matched(before: Side, after: Side, scope: Scope) -> tuple[Pairs, list[Asset], list[Asset]]:
    """Assets of both sides that share most addresses; those of one alone."""

    def nodes(asset: Asset) -> set[tuple[object, ...]]:
        return {
            (*scope(one.node.site, one.node.group), one.node.place, one.node.address)
            for one in asset.addresses
        }

    holders: dict[tuple[object, ...], int] = {}
    for number, asset in enumerate(before.assets):
        holders.update(dict.fromkeys(nodes(asset), number))
    shared: list[tuple[int, int, int]] = []
    for number, asset in enumerate(after.assets):
        met = Counter(holders[node] for node in nodes(asset) if node in holders)
        shared += [(-count, old, number) for old, count in met.items()]
    pairs: Pairs = []
    old_left, new_left = set(range(len(before.assets))), set(range(len(after.assets)))
    for _, old, new in sorted(shared):
        if old in old_left and new in new_left:
            pairs.append((before.assets[old], after.assets[new]))
            old_left.discard(old)
            new_left.discard(new)
    fresh = [after.assets[number] for number in sorted(new_left)]
    return pairs, fresh, [before.assets[number] for number in sorted(old_left)]


# --------------------------------------------------------------------------------- findings

LEVELS = ("critical", "high", "medium", "low", "informational")  # the worst first


def _findings(before: Side, after: Side, factor: float, scope: Scope) -> Iterator[Difference]:
    """What is wrong on one side alone, or more often than before; whatever people decided of it."""
    mine, others = _keyed(before, scope), _keyed(after, scope)
    for key, one in others.items():
        if key not in mine:
            yield _finding("new", after, one, "", _grave(one))
    for key, one in mine.items():
        if key not in others:
            yield _finding("gone", before, one, _grave(one), "")
    if before.period or after.period:
        return
    for key in mine.keys() & others.keys():
        old, new = mine[key], others[key]
        change = grown(old.times, new.times, before.hours, after.hours, factor)
        if change:
            yield _finding(change, after, new, _grave(old), _grave(new))


def _keyed(side: Side, scope: Scope) -> dict[tuple[object, ...], Finding]:
    """By what makes them the same on both sides; of several alike the first, the second, ..."""
    met: Counter[tuple[object, ...]] = Counter()
    found: dict[tuple[object, ...], Finding] = {}
    for one in sorted(side.wrong, key=lambda one: (one.first_time, one.id)):
        what = (one.place, one.rule, one.client, one.server, one.service, one.device)
        key = (*scope(one.site, one.group), *what)
        found[*key, met[key]] = one
        met[key] += 1
    return found


def _grave(one: Finding) -> str:
    return f"{one.level}, {_many(one.times, 'time')}"


def _finding(change: Change, side: Side, one: Finding, before: str, after: str) -> Difference:
    sight = (
        (one.last_time, one.last_packet) if change == "gone" else (one.first_time, one.first_packet)
    )
    who = " -> ".join(part for part in (one.client, one.server) if part)
    of = f" ({one.device})" if one.device else ""
    what = f"{one.title}{of}, {one.service}" if one.service else f"{one.title}{of}"
    where = f" in VLAN {one.place}" if one.place else ""
    told = (f"{who}{where}", what, before, after, *sight, side.points.get(one.source, ""))
    return Difference("findings", change, one.site, *told, LEVELS.index(one.level))


# ----------------------------------------------------------------------------------- assets


def _assets(fresh: Iterable[Asset], lost: Iterable[Asset]) -> Iterator[Difference]:
    for change, assets in (("new", fresh), ("gone", lost)):
        for one in assets:
            here = [address for address in one.addresses if not address.told_by] or one.addresses
            sight = (
                min(address.first for address in here)
                if change == "new"
                else max(address.last for address in here)
            )
            told = _described(one)
            yield Difference(
                "assets",
                change,  # type: ignore[arg-type]  # one of the two words above
                one.site,
                one.name,
                ", ".join((*one.ips, *one.macs)),
                *(("", told) if change == "new" else (told, "")),
                sight.time,
                sight.packet if sight.source else None,
                sight.source,
            )


def _described(asset: Asset) -> str:
    parts = (
        asset.role.role,
        asset.value("vendor"),
        asset.value("model", "product_name", "model_name", "order_number"),
    )
    return ", ".join(part for part in parts if part and part != "unknown") or "unknown"


# ------------------------------------------------------------------------------------ facts

Fact = tuple[str, str]  # device and attribute


def _facts(before: Side, after: Side, old: Asset, new: Asset) -> Iterator[Difference]:
    """Values of an asset of which there is another, and values more or less."""
    told, tells = _values(before, old), _values(after, new)
    for key in sorted({*told, *tells}):
        device, attribute = key
        mine, others = told.get(key, {}), tells.get(key, {})
        what = f"{attribute} of {device}" if device else attribute
        rest = [value for value in others if value not in mine]
        gone = [value for value in mine if value not in others]
        if attribute not in SEVERAL and rest and gone:
            known = others[rest[0]]
            yield _fact("changed", new, what, gone[0], rest[0], known)
            continue
        yield from (_fact("new", new, what, "", value, others[value]) for value in rest)
        if before.period is None or mine:
            yield from (_fact("gone", new, what, value, "", mine[value]) for value in gone)


def _values(side: Side, asset: Asset) -> dict[Fact, dict[str, Known]]:
    """What packets say of an asset, the best value of each attribute first."""
    found: dict[Fact, dict[str, Known]] = defaultdict(dict)
    for one in asset.known:
        heard = one.last.source and side.has(one.first.time, one.last.time)
        if heard and one.standing != "replaced" and one.attribute not in PASSING:
            attribute = one.attribute
            if attribute in OF_KINDS:
                attribute += f" {one.value.partition(':')[0]}"
            found[one.device, attribute].setdefault(one.value, one)
    return found


def _fact(
    change: Change, asset: Asset, what: str, before: str, after: str, known: Known
) -> Difference:
    sight = known.last if change == "gone" else known.first
    where = (sight.time, sight.packet, sight.source)
    return Difference("facts", change, asset.site, asset.name, what, before, after, *where)


# ------------------------------------------------- conversations and operations

Row: TypeAlias = Conversation | Behaviour


class _View(NamedTuple):
    """How rows of one sort are told."""

    key: Callable[[Row], tuple[object, ...]]
    what: Callable[[Row], str]
    told: Callable[[Row], str]
    count: Callable[[Row], int]
    rank: Callable[[Row], int]


GRAVE = ("program", "firmware", "mode", "file", "config", "control", "write", "time")  # come first


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _talk_text(row: Row) -> str:
    assert isinstance(row, Conversation)  # noqa: S101 - of its own view
    counts = (
        (_packets(row), "packet"),
        (row.bytes_out + row.bytes_in, "byte"),
        (row.connections, "connection"),
    )
    return ", ".join(_many(*one) for one in counts)


def _talk_rank(row: Row) -> int:
    return not row.protocol  # what was recognised first


def _act_rank(row: Row) -> int:
    assert isinstance(row, Behaviour)  # noqa: S101 - of its own view
    return GRAVE.index(row.cls) if row.cls in GRAVE else len(GRAVE)


def _act_key(row: Row) -> tuple[object, ...]:
    assert isinstance(row, Behaviour)  # noqa: S101 - of its own view
    return (*_parties(row), row.device, row.operation, row.object, row.outcome)


def _act_what(row: Row) -> str:
    assert isinstance(row, Behaviour)  # noqa: S101 - of its own view
    what = " ".join(part for part in (row.operation, row.object, row.device) if part)
    return f"{row.protocol} {what}" + ("" if row.outcome in {"", "ok"} else f": {row.outcome}")


def _parties(row: Row) -> tuple[object, ...]:
    return row.place, row.client, row.server, row.service, row.protocol


def _packets(row: Row) -> int:
    return row.packets_out + row.packets_in if isinstance(row, Conversation) else row.count


VIEWS: dict[Section, _View] = {
    "conversations": _View(
        _parties,
        lambda row: f"{row.service} {row.protocol}".rstrip(),
        _talk_text,
        _packets,
        _talk_rank,
    ),
    "operations": _View(
        _act_key, _act_what, lambda row: _many(_packets(row), "time"), _packets, _act_rank
    ),
}


def _counted(
    section: Section,
    old: Sequence[Row],
    new: Sequence[Row],
    sides: tuple[Side, Side],
    factor: float,
    scope: Scope,
) -> Iterator[Difference]:
    view = VIEWS[section]

    def keyed(rows: Sequence[Row]) -> dict[tuple[object, ...], Row]:
        return {(*scope(row.site, row.group), *view.key(row)): row for row in rows}

    mine, others = keyed(old), keyed(new)
    for key, row in others.items():
        if key not in mine:
            yield _row(section, "new", view, row, None, row)
    for key, row in mine.items():
        if key not in others:
            yield _row(section, "gone", view, row, row, None)
    if any(side.period for side in sides):
        return
    hours = sides[0].hours, sides[1].hours
    for key in mine.keys() & others.keys():
        change = grown(view.count(mine[key]), view.count(others[key]), *hours, factor)
        if change:
            yield _row(section, change, view, others[key], mine[key], others[key])


def _row(
    section: Section, change: Change, view: _View, row: Row, old: Row | None, new: Row | None
) -> Difference:
    sight = (
        (row.last_time, row.last_packet) if change == "gone" else (row.first_time, row.first_packet)
    )
    subject = f"{row.client} -> {row.server}" + (f" in VLAN {row.place}" if row.place else "")
    return Difference(
        section,
        change,
        row.site,
        subject,
        view.what(row),
        view.told(old) if old else "",
        view.told(new) if new else "",
        *sight,
        f"{row.point}/{row.interface}" if row.interface else row.point,
        view.rank(row),
    )


def grown(
    before: int, after: int, hours_before: float, hours_after: float, factor: float = FACTOR
) -> Literal["bigger", "smaller"] | None:
    """Whether a rate grew or shrank by the factor, and by more than chance.

    Counts of ``before`` and ``after`` over as many hours; each may be off by its square root.
    """
    share = hours_after / hours_before if hours_before > 0 and hours_after > 0 else 1.0
    expected = before * share
    if max(before, after) < FEWEST:
        return None
    if abs(after - expected) <= SIGMAS * sqrt(after + before * share * share):
        return None
    if after >= factor * expected:
        return "bigger"
    return "smaller" if after * factor <= expected else None
