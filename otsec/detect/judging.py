"""Judges a store: every rule over every row that it can want, and what comes of it.

Nothing here depends on how the store was filled: the same rows and rules give the same findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from otsec.detect.correlation import Breaks, Events, together
from otsec.detect.fields import CATEGORIES, Category
from otsec.detect.findings import Hit, findings
from otsec.detect.model import Rule
from otsec.detect.rows import Judged, Rows, blank
from otsec.store import Store, judged
from otsec.store.findings import Finding, Packet, replace

Wanting: TypeAlias = tuple[int, int]  # positions of a rule and of one of its selections
Chosen: TypeAlias = dict[Wanting, list[Judged]]


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
            hits += _correlated(store, rule, parts, Breaks(breaks))
    return findings(hits, breaks)


def _choose(rows: Rows, rules: Sequence[Rule]) -> Chosen:
    """The rows that each selection of each rule chooses."""
    chosen: Chosen = defaultdict(list)
    for category in CATEGORIES.values():
        wanting = [
            ((at, which), selection.condition)
            for at, rule in enumerate(rules)
            for which, selection in enumerate(rule.selections)
            if selection.category == category.name
        ]
        if wanting:
            _choose_of(rows, category, wanting, chosen)
    return chosen


def _choose_of(
    rows: Rows, category: Category, wanting: Sequence[tuple[Wanting, Any]], chosen: Chosen
) -> None:
    combinations = rows.combinations(category)
    possible: dict[tuple[Any, ...], list[tuple[Wanting, Any]]] = {}
    for combination in combinations:
        cells = blank(category, combination)
        asking = [one for one in wanting if one[1](cells) is not False]
        if asking:
            possible[combination] = asking
    if not possible:
        return
    size = len(category.coarse)
    every = len(possible) == len(combinations)
    for row in rows.read(category, list(possible), all_wanted=every):
        key = tuple(row.cells[:size]) if size else ()
        for name, condition in possible.get(key, ()):
            if _holds(rows, row, condition):
                chosen[name].append(row)


def _holds(rows: Rows, row: Judged, condition: Any) -> bool:
    """Whether a condition holds; what costs something is only filled in where it decides."""
    verdict = condition(row.cells)
    if verdict is None:
        rows.fill_counts(row)
        rows.fill_scope(row)
        verdict = condition(row.cells)
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
    store: Store, rule: Rule, parts: Sequence[Sequence[Judged]], breaks: Breaks
) -> Iterable[Hit]:
    correlation = rule.correlation
    if correlation is None:
        return
    groups: dict[tuple[Any, ...], list[tuple[int, Judged]]] = defaultdict(list)
    for which, rows in enumerate(parts):
        for row in rows:
            key = (row.source.number, *(row.cell(name) for name in correlation.group_by))
            groups[key].append((which, row))
    events = _events(store, parts) if correlation.kind != "value_count" else {}
    for group in groups.values():
        made = together(correlation, group, events, breaks)
        if made is not None:
            yield Hit.of_group(rule, made, correlation.group_by)


def _events(store: Store, parts: Sequence[Sequence[Judged]]) -> Events:
    """The notable events of the rows, by source and behaviour."""
    numbers: dict[int, set[int]] = defaultdict(set)
    for rows in parts:
        for row in rows:
            if row.category.name == "operation":
                numbers[row.source.number].add(row.seen.number)
    events: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for source, behaviours in numbers.items():
        for one in judged.occurrences(store, source, sorted(behaviours)):
            events[source, one.behaviour].append(one)
    return events
