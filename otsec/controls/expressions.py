"""Expressions over metrics, in three values: true, false, unknown (None).

``auth.fail_bursts > 0 and not policy.loaded``: metric, number, comparison, and, or, not; nothing
else, no brackets. A term that reads an unknown metric is unknown; `true or unknown` is true, `false
and unknown` is false (Kleene). A metric alone is true where it is not 0.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Truth: TypeAlias = bool | None
Values: TypeAlias = Mapping[str, float | None]  # None: unknown

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(r"\s*(?:(==|!=|<=|>=|<|>)|([0-9]+(?:\.[0-9]+)?)|([a-z][a-z0-9_.]*))")
_METRIC = re.compile(r"[a-z][a-z0-9]*\.[a-z0-9_]+")
WORDS = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class Term:
    """A comparison, or a metric alone."""

    left: str | float  # a metric by name, or a number
    sign: str = ""  # empty: the left side alone
    right: str | float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it reads."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, str))

    def truth(self, values: Values) -> Truth:
        """Whether it holds."""
        left, right = (_value(side, values) for side in (self.left, self.right))
        if left is None or right is None:
            return None
        return COMPARISONS[self.sign](left, right) if self.sign else left != 0

    def __str__(self) -> str:
        return (
            f"{_text(self.left)} {self.sign} {_text(self.right)}" if self.sign else str(self.left)
        )


@dataclass(frozen=True, slots=True)
class Expression:
    """A term, or a word over expressions."""

    word: Literal["term", "not", "and", "or"]
    parts: tuple["Expression", ...] = ()
    term: Term = Term(0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it reads, each once, in order."""
        own = self.term.names if self.word == "term" else ()
        return tuple(dict.fromkeys((*own, *(name for part in self.parts for name in part.names))))

    def truth(self, values: Values) -> Truth:
        """Whether it holds; None: that is not known."""
        if self.word == "term":
            return self.term.truth(values)
        told = [part.truth(values) for part in self.parts]
        if self.word == "not":
            return None if told[0] is None else not told[0]
        decides = self.word == "or"  # one true part decides `or`, one false part decides `and`
        if decides in told:
            return decides
        return None if None in told else not decides

    def holding(self, values: Values) -> "Iterator[Expression]":
        """The smallest parts that hold, of an expression that holds."""
        if self.word in {"term", "not"}:
            if self.truth(values):
                yield self
            return
        for part in self.parts:
            if self.word == "or" or self.truth(values):
                yield from part.holding(values)

    def failing(self, values: Values) -> "Iterator[Expression]":
        """The smallest parts that do not hold, or of which that is not known."""
        if self.word in {"term", "not"}:
            if not self.truth(values):
                yield self
            return
        for part in self.parts:
            yield from part.failing(values)

    def __str__(self) -> str:
        if self.word == "term":
            return str(self.term)
        if self.word == "not":
            return f"not {self.parts[0]}"
        return f" {self.word} ".join(map(str, self.parts))


def parse(text: str) -> Expression:
    """The expression of a text. Raises ValueError with what was expected and where."""
    tokens = list(_tokens(text))
    found, rest = _either(tokens)
    if rest:
        raise ValueError(f"expected and, or, or the end, found `{rest[0]}`")
    return found


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"`{text[at:].strip()[:20]}` is no metric, number or comparison")
        yield found[0].strip()
        at = found.end()


def _either(tokens: list[str]) -> tuple[Expression, list[str]]:
    return _joined(tokens, "or", lambda rest: _joined(rest, "and", _negated))


Parser: TypeAlias = Callable[[list[str]], tuple[Expression, list[str]]]


def _joined(
    tokens: list[str], word: Literal["and", "or"], parser: Parser
) -> tuple[Expression, list[str]]:
    part, rest = parser(tokens)
    parts = [part]
    while rest[:1] == [word]:
        part, rest = parser(rest[1:])
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Expression(word, tuple(parts))), rest


def _negated(tokens: list[str]) -> tuple[Expression, list[str]]:
    if tokens[:1] == ["not"]:
        part, rest = _negated(tokens[1:])
        return Expression("not", (part,)), rest
    left, rest = _side(tokens)
    if rest and rest[0] in COMPARISONS:
        right, behind = _side(rest[1:])
        return Expression("term", term=Term(left, rest[0], right)), behind
    return Expression("term", term=Term(left)), rest


def _side(tokens: list[str]) -> tuple[str | float, list[str]]:
    if not tokens or tokens[0] in WORDS or tokens[0] in COMPARISONS:
        found = f"`{tokens[0]}`" if tokens else "nothing"
        raise ValueError(f"expected a metric or a number, found {found}")
    if tokens[0][0].isdigit():
        return float(tokens[0]), tokens[1:]
    if not _METRIC.fullmatch(tokens[0]):
        raise ValueError(f"`{tokens[0]}` is no metric")
    return tokens[0], tokens[1:]


def _value(side: str | float, values: Values) -> float | None:
    return values[side] if isinstance(side, str) else side


def _text(side: str | float) -> str:
    return side if isinstance(side, str) else f"{side:g}"
