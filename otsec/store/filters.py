"""Filters of the queries: what a field may be asked for, and how that becomes SQL."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from otsec.errors import UsageError

Cells: TypeAlias = Mapping[str, Any]  # one row by column name
Test: TypeAlias = Callable[[Cells], bool]
Match: TypeAlias = Literal["word", "address", "object", "text", "number", "level", "since", "until"]
Sign: TypeAlias = Literal["=", ">=", ">", "<=", "<"]
SIGNS: dict[str, Sign] = {">=": ">=", ">": ">", "<=": "<=", "<": "<"}  # those that want an order
LEVELS = ("informational", "low", "medium", "high", "critical")  # Sigma's, in their order


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; all conditions of a query must hold.

    Words are compared without regard to case, and ``*`` stands for anything. Addresses may be
    networks (``10.0.0.0/8``). An object that is a range matches every object it overlaps.
    ``since`` and ``until`` are times in ns. ``text`` is found anywhere in the row's texts.
    Numbers and levels may be asked for by ``sign``.
    """

    field: str
    value: str
    negated: bool = False
    sign: Sign = "="


@dataclass(frozen=True, slots=True)
class Field:
    """What a filter's field looks at: it matches if one of the columns does."""

    columns: tuple[str, ...]
    match: Match = "word"


@dataclass(frozen=True, slots=True)
class Condition:
    """Filters as SQL (to stand behind WHERE), its parameters, and what only Python can test."""

    sql: str
    parameters: tuple[object, ...]
    tests: tuple[Test, ...]

    def keeps(self, cells: Cells) -> bool:
        """Whether a row passes the tests that are not in the SQL."""
        return all(test(cells) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Span:
    """Numbered elements that an object names: ``holding 100-109``."""

    space: str
    first: int
    last: int

    def overlaps(self, other: "Span") -> bool:
        """Whether both name one same element."""
        return self.space == other.space and self.first <= other.last and other.first <= self.last


_SPAN = re.compile(r"(.*\S) (\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def span(text: str) -> Span | None:
    """The elements that an object names, None where it names no numbered ones."""
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    space, first, last = found.groups()
    return Span(space, int(first), int(last or first))


def condition(filters: Sequence[Filter], fields: Mapping[str, Field]) -> Condition:
    """Turn filters into a condition. Raises UsageError naming what is wrong with one."""
    sql, parameters, tests = ["1 = 1"], list[object](), list[Test]()
    for one in filters:
        field = _field(one, fields)
        if (test := _test(one, field)) is not None:
            tests.append(test)
            continue
        part, bound = _sql(one, field)
        sql.append(f"NOT ({part})" if one.negated else f"({part})")
        parameters += bound
    return Condition(" AND ".join(sql), tuple(parameters), tuple(tests))


def _field(one: Filter, fields: Mapping[str, Field]) -> Field:
    if one.field in fields:
        return fields[one.field]
    near = difflib.get_close_matches(one.field, fields, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"no field {one.field!r} to filter by{meant} (there are: {', '.join(fields)})")


def _sql(one: Filter, field: Field) -> tuple[str, list[object]]:
    if field.match == "level":
        return _level_sql(one, field)
    if field.match in {"since", "until", "number"}:
        sign = {"since": ">=", "until": "<=", "number": one.sign}[field.match]
        number = _number(one)
        return (
            " OR ".join(f"{column} {sign} ?" for column in field.columns),
            [number] * len(field.columns),
        )
    pattern = _pattern(one.value)
    if field.match == "text":
        pattern = f"%{pattern}%"
    part = " OR ".join(f"LOWER({column}) LIKE LOWER(?) ESCAPE '!'" for column in field.columns)
    return part, [pattern] * len(field.columns)


def _level_sql(one: Filter, field: Field) -> tuple[str, list[object]]:
    """A level by its rank; its beginning names it."""
    named = [level for level in LEVELS if level.startswith(one.value.casefold())]
    if not one.value or len(named) != 1:
        raise UsageError(f"{one.field}:{one.value} is no level; there are: {', '.join(LEVELS)}")
    ranks = " ".join(f"WHEN '{level}' THEN {rank}" for rank, level in enumerate(LEVELS))
    part = " OR ".join(f"CASE {column} {ranks} END {one.sign} ?" for column in field.columns)
    return part, [LEVELS.index(named[0])] * len(field.columns)


def _pattern(value: str) -> str:
    escaped = re.sub(r"([!%_])", r"!\1", value)
    return escaped.replace("*", "%")


def _number(one: Filter) -> int:
    try:
        number = int(one.value)
    except ValueError:
        raise UsageError(f"{one.field}:{one.value} is not a number") from None
    if not -(1 << 63) <= number < 1 << 63:
        raise UsageError(f"{one.field}:{one.value} is out of range")
    return number


def _test(one: Filter, field: Field) -> Test | None:
    """The filter as a test in Python, where SQL cannot say it simply."""
    matches: Callable[[str], bool]
    if field.match == "address" and "/" in one.value:
        matches = _in_network(one)
    elif field.match == "object" and (wanted := span(one.value)) is not None:
        matches = _names(wanted, one.value.casefold())
    else:
        return None
    return lambda cells: any(matches(cells[column]) for column in field.columns) is not one.negated


def _in_network(one: Filter) -> Callable[[str], bool]:
    try:
        network = ipaddress.ip_network(one.value, strict=False)
    except ValueError:
        raise UsageError(
            f"{one.field}:{one.value} is not a network; write it as 10.0.0.0/8"
        ) from None

    @lru_cache(maxsize=65_536)  # addresses repeat from row to row
    def matches(address: str) -> bool:
        try:
            return ipaddress.ip_address(address) in network
        except ValueError:  # a MAC address
            return False

    return matches


def _names(wanted: Span, text: str) -> Callable[[str], bool]:
    def matches(name: str) -> bool:
        folded = name.casefold()
        found = span(folded)
        if found is None:
            return folded == text
        return found.overlaps(lowered)

    lowered = Span(wanted.space.casefold(), wanted.first, wanted.last)
    return matches
