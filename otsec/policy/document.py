"""A YAML file as values that know where they stand.

Values are taken as they are written, not as YAML 1.1 reads them: `on` and `no` are words and a
date is text. What other programs would read as a number (`22:00` is 1320 to them) must be quoted.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from otsec.policy.model import Place
from otsec.policy.problems import Problems, meant_or_all, shown

SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")  # YAML 1.1 int and float
ALIASES = 10_000  # nodes read of one file, through aliases too; more is a trap


@dataclass(frozen=True, slots=True)
class Value:
    """One node of the file."""

    node: yaml.Node
    document: "Document"

    @property
    def place(self) -> Place:
        """Where it begins."""
        mark = self.node.start_mark
        return Place(mark.line + 1, mark.column + 1)

    @property
    def kind(self) -> str:
        """`a mapping`, `a list`, `nothing` or `"text"`."""
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        return "nothing" if self.empty else f'"{shown(self.node.value)}"'

    @property
    def empty(self) -> bool:
        """Whether nothing is written."""
        return self.plain and self.node.value in {"", "~", "null"}

    @property
    def plain(self) -> bool:
        """Whether it is a word without quotes (libyaml says so by "", PyYAML by None)."""
        return isinstance(self.node, yaml.ScalarNode) and not self.node.style

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def wrong(self, code: str, text: str) -> None:
        """Tell that something is wrong with it."""
        self.document.problems.add(self.place, code, text)

    # ------------------------------------------------------------------------------- taking

    def entries(self, where: str, known: Sequence[str] | None = None) -> "dict[str, Entry]":
        """The keys of a mapping; those that are unknown or stand twice are told and left out."""
        if not self.is_map:
            self.wrong("E104", f"{where}: expected `key: value`, found {self.kind}")
            return {}
        found: dict[str, Entry] = {}
        for key_node, node in self._pairs():
            key = Value(key_node, self.document)
            if not isinstance(key_node, yaml.ScalarNode):
                key.wrong("E104", f"{where}: expected a key, found {key.kind}")
                continue
            name = str(key_node.value)
            if name in found:
                key.wrong(
                    "E103",
                    f'{where}: "{shown(name)}" stands twice, first in line '
                    f"{found[name].key.place.line}",
                )
            elif known is not None and name not in known:
                key.wrong(
                    "E102", f'{where}: unknown key "{shown(name)}"{meant_or_all(name, known)}'
                )
            else:
                found[name] = Entry(key, Value(node, self.document))
        return found

    def _pairs(self) -> "Iterator[tuple[yaml.Node, yaml.Node]]":
        pairs: Any = self.node.value
        for key, node in pairs:
            self.document.count()
            yield key, node

    def peek(self, name: str) -> str:
        """The text under a key, without telling anything; empty: there is none."""
        pairs: Any = self.node.value if self.is_map else ()
        return next(
            (
                str(node.value)
                for key, node in pairs
                if key.value == name and isinstance(node, yaml.ScalarNode)
            ),
            "",
        )

    def items(self, where: str) -> "list[Value]":
        """The items of a list; a value alone is a list of one."""
        if not self.is_list:
            if self.is_map or self.empty:
                self.wrong("E104", f"{where}: expected a list, found {self.kind}")
                return []
            return [self]
        nodes: Any = self.node.value
        for _ in nodes:
            self.document.count()
        return [Value(node, self.document) for node in nodes]

    def text(self, where: str) -> str | None:
        """One word or sentence; None after telling that it is none."""
        if not isinstance(self.node, yaml.ScalarNode) or self.empty:
            self.wrong("E104", f"{where}: expected text, found {self.kind}")
            return None
        text = str(self.node.value)
        if self.plain and SEXAGESIMAL.fullmatch(text):
            self.wrong(
                "E105",
                f"{where}: {text} is read as a number by many YAML programs; "
                f'write it in quotes: "{text}"',
            )
            return text
        if not text.strip() or not text.isprintable():
            self.wrong("E104", f"{where}: expected text, found {self.kind}")
            return None
        return text

    def taken(
        self, where: str, expected: str, parse: Callable[[str], Any], code: str = "E107"
    ) -> Any:
        """What `parse` makes of the text; None after telling that a ValueError came of it."""
        text = self.text(where)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.wrong(code, f'{where}: expected {expected}, found "{shown(text)}"{error}')
            return None

    def one_of(self, where: str, known: Sequence[str], code: str = "E107") -> str | None:
        """One of the words; None after telling that it is none of them."""
        text = self.text(where)
        if text is None or text in known:
            return text
        self.wrong(code, f'{where}: no "{shown(text)}"{meant_or_all(text, known)}')
        return None

    def flag(self, where: str) -> bool:
        """True or false."""
        return self.one_of(where, ("true", "false")) == "true"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, and its value."""

    key: Value
    value: Value


class Document:
    """One file, and what is wrong with it."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self._nodes = 0

    def count(self) -> None:
        """One more node is looked at; aliases let a small file have endless many."""
        self._nodes += 1
        if self._nodes > ALIASES * 10:
            raise _TooManyError

    def root(self, text: str) -> Value | None:
        """The whole file; None after telling that it is no YAML."""
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            node = yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark else None
            self.problems.add(place, "E100", _syntax(text, error, place))
            return None
        except (yaml.YAMLError, RecursionError) as error:
            words = " ".join(str(error).split("\n")[0].split()) or "nested too deep"
            self.problems.add(None, "E100", f"not YAML: {shown(words)}")
            return None
        if node is None:
            self.problems.add(
                None, "E101", "the file is empty; `otsec policy new` gives an example"
            )
            return None
        return Value(node, self)


class _TooManyError(Exception):
    """Aliases were laid on top of each other."""


TooManyError = _TooManyError


def _syntax(text: str, error: "yaml.MarkedYAMLError", place: Place | None) -> str:
    lines = text.splitlines()
    near = lines[place.line - 1] if place and place.line <= len(lines) else ""
    if "\t" in near[: len(near) - len(near.lstrip())]:
        return "a tab, where YAML wants spaces; replace it by two spaces"
    context = f"{error.context}, " if error.context else ""
    return f"not YAML: {context}{error.problem}"
