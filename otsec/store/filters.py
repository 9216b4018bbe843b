"""Filters of the queries: what a field may be asked for, and how that becomes SQL."""

import difflib
import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
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
    words: tuple[str, ...] = ()  # all that rows can have there, where that is a closed list


@dataclass(frozen=True, slots=True)
class Condition:
    """Filters as SQL (to stand behind WHERE), its parameters, and what only Python can test."""

    sql: str
    parameters: tuple[object, ...]
    tests: tuple[Test, ...]
    columns: tuple[str, ...] = ()  # that the tests look at

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


def one_of(key: str, value: str, words: Sequence[str]) -> None:
    """Raise UsageError naming the nearest word where a value matches none that rows can have."""
    if value and words and not is_one_of(value, words):
        near = nearest(value, words)
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(words)}"
        raise UsageError(f"{key}:{value} matches nothing; {hint}")


def is_one_of(value: str, words: Iterable[str]) -> bool:
    """Whether a value of a filter matches one of the words."""
    pattern = value.casefold().replace("[", "[[]").replace("?", "[?]")  # only * is special
    return any(fnmatch.fnmatchcase(word.casefold(), pattern) for word in words)


def nearest(value: str, words: Sequence[str]) -> str:
    """The word that a value of a filter is most like, or nothing."""
    folded = {word.casefold(): word for word in words}
    near = difflib.get_close_matches(value.casefold().strip("*"), folded, 1)
    return folded[near[0]] if near else ""


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
    columns: dict[str, None] = {}
    for one in filters:
        field = _field(one, fields)
        begin, whole = _octets(one, field)
        if not whole and (test := _test(one, field)) is not None:
            tests.append(test)
            columns |= dict.fromkeys(field.columns)
            if not begin or one.negated:
                continue
        part, bound = _beginning(begin, field) if begin else _sql(one, field)
        sql.append(f"NOT ({part})" if one.negated else f"({part})")
        parameters += bound
    return Condition(" AND ".join(sql), tuple(parameters), tuple(tests), tuple(columns))


def _octets(one: Filter, field: Field) -> tuple[str, bool]:
    """``10.20.``: how all addresses of a network begin, and whether all that begin so are of it."""
    if field.match != "address" or "/" not in one.value:
        return "", False
    try:
        network = ipaddress.ip_network(one.value, strict=False)
    except ValueError:
        return "", False
    count = min(network.prefixlen // 8, 3) if network.version == 4 else 0
    octets = str(network.network_address).split(".")[:count]
    return "".join(f"{octet}." for octet in octets), count > 0 and network.prefixlen == 8 * count


def _beginning(text: str, field: Field) -> tuple[str, list[object]]:
    """Texts that begin so, as a range that needs no function: of a million rows in no time."""
    beyond = text[:-1] + chr(ord(text[-1]) + 1)
    part = " OR ".join(f"({column} >= ? AND {column} < ?)" for column in field.columns)
    return part, [text, beyond] * len(field.columns)


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
    part = " OR ".join(f"{column} LIKE ? ESCAPE '!'" for column in field.columns)  # folds ASCII
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
        return inside(one.value)
    except ValueError:
        raise UsageError(
            f"{one.field}:{one.value} is not a network; write it as 10.0.0.0/8"
        ) from None


@lru_cache(maxsize=16)  # of a filter asked of row after row
def inside(text: str) -> Callable[[str], bool]:
    """Whether an address is of a network. Raises ValueError if the text names none."""
    network = ipaddress.ip_network(text, strict=False)
    family = AF_INET if network.version == 4 else AF_INET6
    mask, base = int(network.netmask), int(network.network_address)

    def matches(address: str) -> bool:
        try:
            return int.from_bytes(inet_pton(family, address), "big") & mask == base
        except (OSError, ValueError):  # of the other family, a MAC address, a NUL in a name
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
