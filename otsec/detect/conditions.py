"""Conditions over a row of cells, in three values: true, false, and None where it cannot be told.

pySigma parses a rule into a tree; this walks the tree once and makes functions of it. A cell that
is UNKNOWN makes what depends on it unknown (Kleene's logic), so the same condition can first be
asked with few cells, and with the costly ones only where that does not decide.
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

Cells: TypeAlias = Sequence[Any]
Verdict: TypeAlias = bool | None
Condition: TypeAlias = Callable[[Cells], Verdict]
Test: TypeAlias = Callable[[Any], bool]


class _Unknown:
    """The cell of a row that is not known yet."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
KEPT = 4096  # values of which a test remembers the answer


class UnusableError(ValueError):
    """A condition that cannot be judged here; says what is wrong."""


def all_of(parts: Sequence[Condition]) -> Condition:
    """True where all are."""

    def judge(cells: Cells) -> Verdict:
        verdict: Verdict = True
        for part in parts:
            told = part(cells)
            if told is False:
                return False
            if told is None:
                verdict = None
        return verdict

    return parts[0] if len(parts) == 1 else judge


def any_of(parts: Sequence[Condition]) -> Condition:
    """True where one is."""

    def judge(cells: Cells) -> Verdict:
        verdict: Verdict = False
        for part in parts:
            told = part(cells)
            if told:
                return True
            if told is None:
                verdict = None
        return verdict

    return parts[0] if len(parts) == 1 else judge


def not_of(part: Condition) -> Condition:
    """True where it is false."""

    def judge(cells: Cells) -> Verdict:
        told = part(cells)
        return None if told is None else not told

    return judge


def leaf(position: int, test: Test) -> Condition:
    """A test of one cell; cells repeat, so the answers are kept."""
    asked = lru_cache(KEPT)(test)

    def judge(cells: Cells) -> Verdict:
        cell = cells[position]
        return None if cell is UNKNOWN else asked(cell)

    return judge


def same(position: int, other: int) -> Condition:
    """Whether two cells hold the same."""

    def judge(cells: Cells) -> Verdict:
        one, two = cells[position], cells[other]
        return None if one is UNKNOWN or two is UNKNOWN else _folded(one) == _folded(two)

    return judge


def _folded(cell: Any) -> Any:
    return cell.casefold() if isinstance(cell, str) else cell


# ---------------------------------------------------------------------------------- pySigma


class Walker:
    """Makes a condition of the tree that pySigma parsed."""

    def __init__(self, positions: Mapping[str, int], kinds: Mapping[str, str]) -> None:
        self.positions, self.kinds = positions, kinds
        self.fields: set[str] = set()
        self.plain: list[tuple[str, str]] = []  # fields, and words that they are compared with

    def walk(self, node: Any) -> Condition:
        """The condition of a node and all below it; raises UnusableError."""
        from sigma.conditions import (  # noqa: PLC0415 - costs start-up where no rule is judged
            ConditionAND,
            ConditionFieldEqualsValueExpression,
            ConditionNOT,
            ConditionOR,
            ConditionValueExpression,
        )

        if isinstance(node, ConditionAND):
            return all_of([self.walk(arg) for arg in node.args])
        if isinstance(node, ConditionOR):
            return any_of([self.walk(arg) for arg in node.args])
        if isinstance(node, ConditionNOT):
            return not_of(self.walk(node.args[0]))
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._field(node.field, node.value)
        if isinstance(node, ConditionValueExpression):
            raise UnusableError("a value without a field; name the field that holds it")
        raise UnusableError(f"{type(node).__name__} is not supported")

    def _field(self, name: str, value: Any) -> Condition:
        from sigma.types import SigmaFieldReference, SigmaString  # noqa: PLC0415 - as above

        if isinstance(value, SigmaString) and not value.contains_special():
            self.plain.append((name, str(value)))
        position = self._position(name)
        if isinstance(value, SigmaFieldReference):
            if value.starts_with or value.ends_with:
                raise UnusableError(f"{name}: fieldref takes no startswith or endswith here")
            return same(position, self._position(value.field))
        return leaf(position, test_of(name, self.kinds[name], value))

    def _position(self, name: str) -> int:
        if name not in self.positions:
            raise UnusableError(f"no field {name!a}")
        self.fields.add(name)
        return self.positions[name]


def test_of(name: str, kind: str, value: Any) -> Test:
    """The test of a cell that a value of pySigma means; raises UnusableError."""
    from sigma import types  # noqa: PLC0415 - as above

    if isinstance(value, types.SigmaCompareExpression):
        if kind != "number":
            raise UnusableError(f"{name} is {kind}, and cannot be more or less than a number")
        return _compared(value.op.name, value.number.number)
    if isinstance(value, types.SigmaBool):
        return _flag(name, kind, wanted=value.boolean)
    if isinstance(value, types.SigmaNumber):
        if kind != "number":
            return _equals(str(value.number))
        return _number(value.number)
    if isinstance(value, types.SigmaNull):
        return lambda cell: cell in ("", -1)
    if isinstance(value, types.SigmaExists):
        wanted = value.exists
        return lambda cell: (cell not in ("", -1)) is wanted
    if kind != "text":
        raise UnusableError(f"{name} is a {kind}, found {str(value)!a}")
    if isinstance(value, types.SigmaRegularExpression):
        return _matches(name, str(value.regexp.original), value)
    if isinstance(value, types.SigmaCIDRExpression):
        return _within(value.network)
    if isinstance(value, types.SigmaString):
        return _text(value)
    raise UnusableError(f"{name}: {type(value).__name__} is not supported")


def _number(wanted: float) -> Test:
    return lambda cell: bool(cell == wanted)


def _compared(op: str, number: float) -> Test:
    compare = getattr(operator, {"LTE": "le", "GTE": "ge", "LT": "lt", "GT": "gt"}[op])
    return lambda cell: bool(compare(cell, number))


def _flag(name: str, kind: str, *, wanted: bool) -> Test:
    if kind != "flag":
        raise UnusableError(f"{name} is {kind}, found {str(wanted).lower()}")
    return lambda cell: bool(cell) is wanted


def _equals(wanted: str) -> Test:
    folded = wanted.casefold()
    return lambda cell: str(cell).casefold() == folded


def _text(value: Any) -> Test:
    """Sigma compares without regard to case, unless `cased` is asked for."""
    from sigma.types import SigmaCasedString, SpecialChars  # noqa: PLC0415 - as above

    wild = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    cased = isinstance(value, SigmaCasedString)
    if all(isinstance(part, str) for part in value.s):
        plain = "".join(value.s)
        return (lambda cell: cell == plain) if cased else _equals(plain)
    pattern = "".join(
        re.escape(part) if isinstance(part, str) else wild.get(part, "") for part in value.s
    )
    found = re.compile(pattern, re.DOTALL | (0 if cased else re.IGNORECASE))
    return lambda cell: found.fullmatch(cell) is not None


def _matches(name: str, pattern: str, value: Any) -> Test:
    flags = 0
    for flag in value.flags:
        flags |= value.sigma_to_python_flags[flag]
    try:
        found = re.compile(pattern, flags)
    except re.error as error:
        raise UnusableError(f"{name}: {pattern!a} is no regular expression: {error}") from None
    return lambda cell: found.search(cell) is not None


def _within(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Test:
    def test(cell: Any) -> bool:
        try:
            return ipaddress.ip_address(cell) in network
        except ValueError:
            return False

    return test


def leaves_of(node: Any) -> Iterator[Any]:
    """The comparisons in a tree that pySigma parsed."""
    from sigma.conditions import ConditionItem  # noqa: PLC0415 - as above

    if isinstance(node, ConditionItem):
        for arg in node.args:
            yield from leaves_of(arg)
    elif node is not None:
        yield node


def named_in(node: Any) -> Iterator[str]:
    """The selections that a condition names, as pySigma parsed it without them."""
    from sigma.conditions import ConditionIdentifier, ConditionItem  # noqa: PLC0415 - as above

    if isinstance(node, ConditionIdentifier):
        yield node.identifier
    elif isinstance(node, ConditionItem):
        for arg in node.args:
            yield from named_in(arg)


def texts_of(node: Any, name: str) -> Iterable[str] | None:
    """The values that a field must have for a node to be true; None where it need have none."""
    from sigma import conditions, types  # noqa: PLC0415 - as above

    if isinstance(node, conditions.ConditionFieldEqualsValueExpression):
        if node.field != name or not isinstance(node.value, types.SigmaString):
            return None
        return ["".join(map(str, node.value.s))] if not node.value.contains_special() else None
    if isinstance(node, conditions.ConditionAND):
        told = [found for arg in node.args if (found := texts_of(arg, name)) is not None]
        return min(map(list, told), key=len) if told else None
    if isinstance(node, conditions.ConditionOR):
        each = [texts_of(arg, name) for arg in node.args]
        if any(found is None for found in each):
            return None
        return [text for found in each for text in found or ()]
    return None
