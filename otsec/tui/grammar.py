"""The filter line: `proto:modbus src:10.0.0.0/8 level>=high !vendor:siemens text`.

A term is ``KEY:VALUE``, ``KEY=VALUE``, ``KEY>=VALUE`` (also ``>``, ``<=``, ``<``) or a text that is
looked for anywhere in a row; ``!`` before it, or ``!=``, turns it round. All terms must hold. A
value with spaces stands in quotes. After ``:`` a word may be begun only (``proto:mod``), after
``=`` it is meant as it stands; ``*`` stands for anything in both.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple, TypeAlias

from otsec.errors import UsageError
from otsec.store.filters import SIGNS, Field, Filter, one_of

Fields: TypeAlias = Mapping[str, Field]
Moment: TypeAlias = Callable[[str, bool], int]  # a time's text, whether its end is meant; ns
Part: TypeAlias = Literal["key", "sign", "value", "text", "negation", "mistake"]

LONGEST = 2_000  # letters of a filter line; more was pasted by mistake
ALIASES = {
    "src": "client",
    "dst": "server",
    "ip": "host",
    "addr": "host",
    "protocol": "proto",
    "operation": "op",
    "place": "vlan",
    "sev": "level",
    "severity": "level",
}
WHOLE = frozenset({"vlan", "device", "service", "mac", "tag", "level"})  # never meant as begun

_TERM = re.compile(
    r"""(?P<negation>!?)
        (?:(?P<key>[A-Za-z_]+)(?P<sign>!=|>=|<=|[:=<>]))?
        (?P<value>"[^"]*"?|\S*)""",
    re.VERBOSE,
)


class Span(NamedTuple):
    """Letters of the line that are one part of a term."""

    begin: int
    end: int
    part: Part


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a line means, and where its parts stand."""

    filters: tuple[Filter, ...]
    spans: tuple[Span, ...]
    mistake: str  # the first, in words; empty: none


def parse(line: str, fields: Fields, moment: Moment | None = None) -> Parsed:
    """What a line means where rows can be asked for these fields."""
    filters: list[Filter] = []
    spans: list[Span] = []
    mistake = f"at most {LONGEST} letters" if len(line) > LONGEST else ""
    for found in _terms(line[:LONGEST]):
        try:
            filters.append(_filter(found, fields, moment))
        except UsageError as error:
            mistake = mistake or str(error)
            spans.append(Span(found.start(), found.end(), "mistake"))
        else:
            spans += _spans(found)
    return Parsed(tuple(filters), tuple(spans), mistake)


def _terms(line: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        found = _TERM.match(line, at)
        if found is None or found.end() == at:  # never: a term takes at least one letter
            return
        yield found
        at = found.end()


def _spans(found: re.Match[str]) -> Iterator[Span]:
    if found["negation"]:
        yield Span(found.start(), found.start("negation") + 1, "negation")
    if not found["key"]:
        yield Span(found.start("value"), found.end(), "text")
        return
    yield Span(*found.span("key"), "key")
    yield Span(*found.span("sign"), "negation" if found["sign"] == "!=" else "sign")
    yield Span(*found.span("value"), "value")


def _filter(found: re.Match[str], fields: Fields, moment: Moment | None) -> Filter:
    """The filter that a term means. Raises UsageError if it means none."""
    value = found["value"].strip('"') if found["value"][:1] == '"' else found["value"]
    negated = bool(found["negation"])
    if not found["key"]:
        if not value:
            raise UsageError("nothing behind !")
        return Filter("text", value, negated)
    name, sign = found["key"].casefold(), found["sign"]
    key = name if name in fields else ALIASES.get(name, name)
    if key not in fields:
        raise UsageError(f"no filter {found['key']!a}{_hint(name, fields)}")
    field = fields[key]
    if sign in SIGNS:
        if field.match not in {"number", "level"}:
            raise UsageError(f"{key} has no order; write {key}:{value or 'VALUE'}")
        return Filter(key, _needed(key, sign, value), negated, SIGNS[sign])
    if field.match in {"since", "until"}:
        return Filter(key, _moment(key, value, field, moment), negated)
    if field.match in {"number", "level"}:
        return Filter(key, _needed(key, sign, value), negated is not (sign == "!="))
    begun = sign == ":" and field.match == "word" and key not in WHOLE and value
    wanted = f"{value}*" if begun and not value.endswith("*") else _network(field, sign, value)
    one_of(key, wanted, field.words)
    return Filter(key, wanted, negated is not (sign == "!="))


def _needed(key: str, sign: str, value: str) -> str:
    if not value:
        raise UsageError(f"nothing behind {key}{sign}")
    return value


def _moment(key: str, value: str, field: Field, moment: Moment | None) -> str:
    if not value or moment is None:
        raise UsageError(f"{key} wants a time: 2026-01-31T08:00, 2026-01-31, or an age: 15m 2h 7d")
    return str(moment(value, field.match == "until"))


def _network(field: Field, sign: str, value: str) -> str:
    """An address that is still being typed stands for all that begin so."""
    if field.match != "address" or sign != ":" or not value or "*" in value:
        return value
    if "/" in value:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise UsageError(f"{value} is not a network; write it as 10.0.0.0/8") from None
        return value
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value if len(value) == 17 else f"{value}*"
    return value


def _hint(word: str, fields: Fields) -> str:
    near = get_close_matches(word, [*fields, *ALIASES], 1)
    if near:
        return f"; did you mean {near[0]}?"
    return f'; there are: {", ".join(fields)} ("{word}:..." in quotes looks for the text)'
