"""From what rules hit to findings: grouped, told in plain words, joined into incidents."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from otsec.detect import incidents
from otsec.detect.correlation import DROPS, Together
from otsec.detect.model import LEVELS, Rule
from otsec.detect.rows import Judged, Source, scope
from otsec.detect.telling import (
    FURTHER,
    KEPT,
    LONGEST,
    MANY,
    MOST,
    NAMELESS,
    TO_ALL,
    UNTOLD,
    Key,
    few,
    finding,
    first_and_last,
    outcome_words,
    shared,
)
from otsec.store.findings import Finding, Packet
from otsec.store.judged import Break

DONE = frozenset({"operation", "session"})  # categories whose rows have an outcome
_HOLE = re.compile(r"\{(\w+)\}")


class Sighted(NamedTuple):
    """A packet of a hit."""

    packet: int
    time: int
    row: Judged


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that holds for a row, or for rows together."""

    rule: Rule
    key: Key
    source: Source
    rows: tuple[Judged, ...]
    sights: tuple[Sighted, ...]  # in order of packets
    count: int
    number: int  # of a correlation, the most in one window

    @classmethod
    def of_row(cls, rule: Rule, row: Judged) -> Self:
        """What one row makes."""
        seen = row.seen
        sights = [Sighted(seen.first_packet, seen.first_time, row)]
        if seen.last_packet != seen.first_packet:
            sights.append(Sighted(seen.last_packet, seen.last_time, row))
        named = {name: _named(row, name) for name in ("client", "server", "service", "device")}
        return cls(rule, _key(rule, row, named), row.source, (row,), tuple(sights), seen.times, 0)

    @classmethod
    def of_group(cls, rule: Rule, made: Together, group_by: Sequence[str]) -> Self:
        """What rows make together; only what they were grouped by is part of the key."""
        points = sorted(made.points, key=lambda point: (point.packet, point.which))
        rows = tuple({id(point.row): point.row for point in points}.values())
        first = rows[0]
        grouped = {*group_by, *({"server"} if {"address", "name"} & {*group_by} else ())}
        named = {
            name: _named(first, name) if name in grouped else ""
            for name in ("client", "server", "service", "device")
        }
        sights = tuple(Sighted(point.packet, point.time, point.row) for point in points)
        count = sum(point.times for point in points)
        others = {*group_by} - {*named, "place", "address"}
        about = "; ".join(str(first.cell(name)) for name in sorted(others))
        key = _key(rule, first, named)._replace(about=about)
        return cls(rule, key, first.source, rows, sights, count, made.number)


def _named(row: Judged, name: str) -> str:
    """Who it is about: of what devices say, the device; of counters, the counter."""
    if name == "server" and row.category.name in {"identity", "lookup"}:
        return str(row.cell("address"))
    if name == "device" and row.category.name == "health":
        return str(row.cell("detail"))
    return str(row.cell(name))


def _key(rule: Rule, row: Judged, named: Mapping[str, str]) -> Key:
    source = row.source
    return Key(source.site, source.group, str(row.cell("place")), rule.id, **named)


# -------------------------------------------------------------------------------- grouping


def findings(
    hits: Iterable[Hit], breaks: Sequence[Break]
) -> list[tuple[Finding, tuple[Packet, ...]]]:
    """The findings that hits make, worst first, then the newest; incidents are joined."""
    groups: dict[Key, dict[str, list[Hit]]] = defaultdict(lambda: defaultdict(list))
    for hit in hits:
        groups[hit.key][hit.source.name].append(hit)
    gaps = _gaps(breaks)
    bounded = _bounded(groups)
    made = [_finding(key, bounded[key], gaps) for key in sorted(bounded)]
    made = incidents.joined(made)
    made.sort(key=lambda one: (-LEVELS.index(one[0].level), -one[0].last_time, one[0].id))
    return made


Groups = Mapping[Key, Mapping[str, Sequence[Hit]]]


def _bounded(groups: Groups) -> Groups:
    """At most MOST findings of each rule, those seen first; one more stands for all others."""
    of_rule: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    for key in groups:
        of_rule[key.site, key.group, key.rule].append(key)
    if all(len(keys) <= MOST for keys in of_rule.values()):
        return groups
    bounded: dict[Key, Mapping[str, Sequence[Hit]]] = {}
    for (site, group, rule), keys in of_rule.items():
        ordered = sorted(keys, key=lambda key: (_first_sight(groups[key]), key))
        bounded.update((key, groups[key]) for key in ordered[:MOST])
        further: dict[str, list[Hit]] = defaultdict(list)
        for key in ordered[MOST:]:
            for source, hits in groups[key].items():
                further[source] += hits
        if further:
            bounded[Key(site, group, "", rule, "", "", "", "", FURTHER)] = further
    return bounded


def _first_sight(sources: Mapping[str, Sequence[Hit]]) -> tuple[int, int]:
    sights = [
        (one.time, one.packet) for hits in sources.values() for hit in hits for one in hit.sights
    ]
    return min(sights)


Gaps = Mapping[int, Sequence[Break]]


def _gaps(breaks: Sequence[Break]) -> Gaps:
    gaps: dict[int, list[Break]] = defaultdict(list)
    for one in breaks:
        gaps[one.source].append(one)
    return gaps


def _finding(
    key: Key, sources: Mapping[str, Sequence[Hit]], gaps: Gaps
) -> tuple[Finding, tuple[Packet, ...]]:
    """One finding: as the source tells it that saw most, the others are witnesses."""
    name = min(sources, key=lambda one: (-sum(hit.count for hit in sources[one]), one))
    hits = sources[name]
    rule, source = hits[0].rule, hits[0].source
    rows = [row for hit in hits for row in hit.rows]
    sights = sorted({(one.packet, one.time): one for hit in hits for one in hit.sights}.items())
    (first_packet, first_time), _ = sights[0]
    (last_packet, last_time), _ = sights[-1]
    told = _told(hits, rows)
    doubt = _doubt(first_packet, last_packet, rows, gaps.get(source.number, ()))
    if key.about == FURTHER:
        more = f"This stands for all beyond the first {MOST} findings of the rule"
        doubt = f"{more}. {doubt}" if doubt else more
    made = finding(key, rule, rule.category)._replace(
        client=told["client"],
        server=told["at"],
        service=told["service"],
        device=told["device"],
        protocol=told["protocol"],
        times=sum(hit.count for hit in hits),
        source=source.number,
        witnesses=tuple(sorted(one for one in sources if one != name)),
        first_time=first_time,
        first_packet=first_packet,
        last_time=last_time,
        last_packet=last_packet,
        operations=_distinct(rows, "operation"),
        objects=_distinct(rows, "object"),
        outcomes=_outcomes(rows),
        seen=_filled(rule.texts.seen, told),
        expected=_filled(rule.texts.expected, told),
        why=_filled(rule.texts.why, told),
        next=_filled(rule.texts.next, told),
        doubt=doubt,
    )
    shown = first_and_last([one for _, one in sights])
    return made, tuple(_packet(made, source, one) for one in shown)


def _packet(finding: Finding, source: Source, sighted: Sighted) -> Packet:
    row = sighted.row
    words = [str(row.cell(name)) for name in ("device", "operation", "object")]
    what = " ".join(word for word in words if word not in NAMELESS) or _bare(row)
    if row.category.name in DONE:
        what = f"{what[:LONGEST]}: {_ended(row)}"
    return Packet(source.number, finding.id, sighted.packet, sighted.time, what[: 2 * LONGEST])


def _bare(row: Judged) -> str:
    """What a row without an operation shows."""
    if attribute := str(row.cell("attribute")):
        return f"{attribute.replace('_', ' ')} {row.cell('value')}"
    return str(row.cell("service") or row.cell("address"))


def _ended(row: Judged) -> str:
    """How an operation ended, in words; what nobody was asked to do was not done."""
    outcome = str(row.cell("outcome"))
    if outcome != "ok":
        return outcome_words(outcome)
    named = UNTOLD.get((str(row.cell("protocol")), str(row.cell("operation"))))
    to_all = scope(str(row.cell("server"))) == "group"
    return named or (TO_ALL if to_all else outcome_words(outcome))


def _outcomes(rows: Sequence[Judged]) -> tuple[str, ...]:
    """Outcomes, the most frequent first, without an `ok` that is no success."""
    told = [
        row for row in rows if row.cell("outcome") != "ok" or _ended(row) == outcome_words("ok")
    ]
    return _distinct(told, "outcome")


def _distinct(rows: Iterable[Judged], name: str) -> tuple[str, ...]:
    """The values of a cell, the most frequent first."""
    often: Counter[str] = Counter()
    for row in rows:
        value = row.cell(name)
        if value != "" or name == "outcome":
            often[str(value)[:LONGEST]] += row.seen.times
    ordered = sorted(often, key=lambda value: (-often[value], value))
    return tuple(ordered[:KEPT])


# ----------------------------------------------------------------------------------- words


def _told(hits: Sequence[Hit], rows: Sequence[Judged]) -> dict[str, str]:
    """What stands for each hole of a rule's texts."""
    first = rows[0]

    def one(name: str) -> str:
        """The value that all rows have."""
        return shared(_named(row, name) for row in rows)

    correlation = hits[0].rule.correlation
    server, device, service = one("server"), one("device"), one("service")
    if not device and correlation and "object" in correlation.group_by:
        device = one("object")  # who has no address is known by that alone
    device = "" if device in NAMELESS else device
    named = f"{server} ({device})" if device not in {"", MANY} else server
    numbers = [hit.number for hit in hits]
    timespan = correlation.timespan_s if correlation else 0
    told = {
        "client": one("client"),
        "at": server,
        "server": named,
        "service": service,
        "protocol": one("protocol"),
        "device": device,
        "count": str(sum(hit.count for hit in hits)),
        "number": str(max(numbers)),
        "timespan": _timespan(timespan),
        "operations": few(_distinct(rows, "operation")),
        "objects": few(_distinct(rows, "object")) or "nothing named",
        "outcomes": few(_words(rows), between=" / "),
        "values": few(_values(rows, correlation.counted if correlation else "")),
        "verdicts": few(_distinct(rows, "verdict"), most=KEPT),
        "times": _times(sum(hit.count for hit in hits)),
    }
    for name in (
        *("address", "attribute", "value", "before", "held_by"),
        *("name", "detail", "asked", "port_protocol", "sha256", "size"),
    ):
        told[name] = str(first.cell(name))[:LONGEST] or ("nothing" if name == "before" else "")
    return told


def _words(rows: Iterable[Judged]) -> Sequence[str]:
    """How operations ended, the most frequent first."""
    often: Counter[tuple[str, str]] = Counter()
    for row in rows:
        often[str(row.cell("outcome")), _ended(row)] += row.seen.times
    ordered = sorted(often, key=lambda told: (-often[told], told))
    return list(dict.fromkeys(word for _, word in ordered))


def _values(rows: Sequence[Judged], counted: str) -> Sequence[str]:
    """What a correlation counts; of what devices say, all that they said."""
    if counted:
        return _distinct(rows, counted)
    told = [str(row.cell(name))[:LONGEST] for row in rows for name in ("before", "value")]
    return [value for value in dict.fromkeys(told) if value]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _timespan(seconds: int) -> str:
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds and not seconds % size:
            number = seconds // size
            return f"{number} {word}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"


def _filled(text: str, told: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: told.get(hole[1], ""), text)


def _doubt(first: int, last: int, rows: Iterable[Judged], gaps: Sequence[Break]) -> str:
    """What limits the times, and how complete they are."""
    packets = [gap.packet for gap in gaps]
    inside = gaps[bisect_right(packets, first) : bisect_left(packets, last + 1)]
    told = []
    if steps := sum(gap.kind != DROPS for gap in inside):
        told.append(
            f"The clock of the capture stepped {steps} times between the first and the last packet"
            if steps > 1
            else "The clock of the capture stepped between the first and the last packet"
        )
    if any(gap.kind == DROPS for gap in inside):
        told.append("The capture lost packets in between, so it may have happened more often")
    if any(row.cell("outcome") in {"open", "unknown"} for row in rows):
        told.append("The answer was not captured, so it is not known whether it was done")
    return ". ".join(told)
