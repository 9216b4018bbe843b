"""Judges a store: every rule over every row that it can want, and what comes of it.

Nothing here depends on how the store was filled: the same rows and rules give the same findings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from otsec.detect.conditions import Condition, Verdict
from otsec.detect.correlation import Breaks, Events, together
from otsec.detect.fields import CATEGORIES, Category
from otsec.detect.findings import Hit, findings
from otsec.detect.model import Correlation, Rule
from otsec.detect.rows import ASSET_FIELDS, Judged, Rows, blank
from otsec.store import Store, judged
from otsec.store.findings import Finding, Packet, replace

Wanting: TypeAlias = tuple[int, int]  # positions of a rule and of one of its selections
Chosen: TypeAlias = dict[Wanting, list[Judged]]
Group: TypeAlias = list[tuple[int, Judged]]  # each row with the position of its selection


class Wish(NamedTuple):
    """What one selection of one rule wants of the rows of its category."""

    name: Wanting
    condition: Condition
    chooses: Callable[[Rows, Judged, Condition], bool]


def judge(store: Store, rules: Sequence[Rule]) -> list[Finding]:
    """Judge a store anew and keep the findings; gives them, worst first."""
    found = found_in(store, rules)
    return replace(store, found)


def found_in(store: Store, rules: Sequence[Rule]) -> list[tuple[Finding, tuple[Packet, ...]]]:
    """The findings of a store, worst first, with their packets."""
    able = [rule for rule in rules if not rule.cannot]
    rows = Rows(store)
    chosen = _choose(rows, able)
    breaks = judged.breaks(store)
    hits: list[Hit] = []
    for at, rule in enumerate(able):
        parts = [chosen.get((at, which), []) for which in range(len(rule.selections))]
        if rule.correlation is None:
            hits += _plain(rule, parts[0])
        elif any(parts):
            hits += _correlated(rows, rule, parts, Breaks(breaks))
    return findings(hits, breaks)


def _choose(rows: Rows, rules: Sequence[Rule]) -> Chosen:
    """The rows that each selection of each rule chooses; of those that can wait, may choose."""
    chosen: Chosen = defaultdict(list)
    for category in CATEGORIES.values():
        wanting = [
            Wish((at, which), selection.condition, _may_hold if _waits(rule) else _holds)
            for at, rule in enumerate(rules)
            for which, selection in enumerate(rule.selections)
            if selection.category == category.name
        ]
        if wanting:
            _choose_of(rows, category, wanting, chosen)
    return chosen


def _choose_of(rows: Rows, category: Category, wanting: Sequence[Wish], chosen: Chosen) -> None:
    names, combinations = rows.combinations(category)
    possible: dict[tuple[Any, ...], list[Wish]] = {}
    for combination in combinations:
        cells = blank(category, names, combination)
        asking = [one for one in wanting if one.condition(cells) is not False]
        if asking:
            possible[combination] = asking
    if not possible:
        return
    at = [category.names.index(name) for name in names]
    every = len(possible) == len(combinations)
    for row in rows.read(category, names, list(possible), all_wanted=every):
        key = tuple(row.cells[one] for one in at)
        for wish in possible.get(key, ()):
            if wish.chooses(rows, row, wish.condition):
                chosen[wish.name].append(row)


def _waits(rule: Rule) -> bool:
    """Whether the inventory need not be asked before it is known which rows come together."""
    correlation = rule.correlation
    return (
        correlation is not None
        and bool(correlation.order)
        and ASSET_FIELDS.isdisjoint(correlation.group_by)
    )


def _may_hold(rows: Rows, row: Judged, condition: Condition) -> bool:
    """Whether a condition holds, or may once the inventory is asked."""
    return _verdict(rows, row, condition) is not False


def _verdict(rows: Rows, row: Judged, condition: Condition) -> Verdict:
    """Whether a condition holds; None where the inventory must be asked."""
    verdict = condition(row.cells)
    if verdict is None:
        rows.fill_counts(row)
        rows.fill_scope(row)
        verdict = condition(row.cells)
    return verdict


def _holds(rows: Rows, row: Judged, condition: Condition) -> bool:
    """Whether a condition holds; what costs something is only filled in where it decides."""
    verdict = _verdict(rows, row, condition)
    if verdict is None:
        rows.fill_assets(row)
        verdict = condition(row.cells)
    if verdict is None:
        rows.fill_names(row)
        verdict = condition(row.cells)
    return bool(verdict)


def _plain(rule: Rule, rows: Iterable[Judged]) -> Iterable[Hit]:
    for row in rows:
        yield Hit.of_row(rule, row)


def _correlated(
    rows: Rows, rule: Rule, parts: Sequence[Sequence[Judged]], breaks: Breaks
) -> Iterable[Hit]:
    correlation = rule.correlation
    if correlation is None:
        return
    groups: dict[tuple[Any, ...], Group] = defaultdict(list)
    for which, some in enumerate(parts):
        for row in some:
            rows.fill(row, correlation.group_by)
            key = (row.source.number, *(row.cell(name) for name in correlation.group_by))
            groups[key].append((which, row))
    whole = [_settled(rows, rule, one) for one in groups.values() if _whole(correlation, one)]
    found = [row for group in whole for _, row in group]
    events = _events(rows.store, found) if correlation.kind != "value_count" else {}
    for group in whole:
        made = together(correlation, group, events, breaks)
        if made is not None:
            yield Hit.of_group(rule, made, correlation.group_by)


def _whole(correlation: Correlation, group: Group) -> bool:
    """Whether a group has rows of each rule that must come together; else it makes nothing."""
    return {which for which, _ in group}.issuperset(correlation.order)


def _settled(rows: Rows, rule: Rule, group: Group) -> Group:
    """The rows of a group that are chosen indeed, now that it is worth asking the inventory."""
    if not _waits(rule):
        return group
    conditions = [selection.condition for selection in rule.selections]
    return [(which, row) for which, row in group if _holds(rows, row, conditions[which])]


def _events(store: Store, rows: Iterable[Judged]) -> Events:
    """The notable events of the rows, by source and behaviour."""
    numbers: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row.category.name == "operation":
            numbers[row.source.number].add(row.seen.number)
    events: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for source, behaviours in numbers.items():
        for one in judged.occurrences(store, source, sorted(behaviours)):
            events[source, one.behaviour].append(one)
    return events
