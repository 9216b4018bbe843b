"""Labels: what happened in a capture, when, and how it should be told.

A table with tabs, one episode a line, the names of the columns above:
episode, from, to, kind (attack or benign), name, technique, hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from otsec.errors import InputError
from otsec.nanoseconds import HOUR_NS, SECOND_NS

COLUMNS = ("episode", "from", "to", "kind", "name", "technique", "hosts")
KINDS = ("attack", "benign")
MOST_BYTES = 16 << 20
EARLY_NS, LATE_NS = SECOND_NS, 60 * SECOND_NS  # an alert so long before or after belongs to it


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that happened."""

    name: str
    begin: int  # ns
    end: int
    attack: bool
    names: frozenset[str]  # of findings that tell it rightly; empty: nothing should be told
    technique: str  # of ATT&CK for ICS; empty: none
    hosts: tuple[str, ...]  # addresses; empty: it is about the capture or the whole plant

    def around(self, begin: int, end: int) -> bool:
        """Whether what was shown from one time to another belongs to it.

        What is judged by the hour is shown by hours in which it lies. Over a longer time an
        attack must be there from the first packet on, or from the first hour where hours are
        told, or else whatever goes on would find it.
        """
        if self.attack and end - begin > HOUR_NS:
            end = begin if begin % HOUR_NS else begin + HOUR_NS - 1
        return self.begin - EARLY_NS <= end and begin <= self.end + LATE_NS


def read(path: Path, zone: tzinfo) -> list[Episode]:
    """The episodes of a table, in order of time. Raises InputError with all that is wrong in it."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = file.read(MOST_BYTES).splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text in UTF-8") from None
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise InputError(f"{path}:1: expected the columns {' '.join(COLUMNS)}, with tabs between")
    found: list[Episode] = []
    problems: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:
            found.append(_episode(line.split("\t"), zone))
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    if problems:
        raise InputError("\n".join(problems))
    return sorted(found, key=lambda one: (one.begin, one.end, one.name))


def _episode(cells: Sequence[str], zone: tzinfo) -> Episode:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} columns, found {len(cells)}")
    name, begin, end, kind, names, technique, hosts = (cell.strip() for cell in cells)
    if kind not in KINDS:
        raise ValueError(f"kind: expected attack or benign, found {kind!a}")
    span = _time("from", begin, zone), _time("to", end, zone)
    if span[1] < span[0]:
        raise ValueError(f"ends before it begins: {begin} to {end}")
    told = frozenset(one for one in names.split("|") if one)
    addresses = tuple(one.strip() for one in hosts.split(",") if one.strip())
    return Episode(name, *span, kind == "attack", told, technique.upper(), addresses)


def _time(column: str, text: str, zone: tzinfo) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{column}: expected a time as 2026-01-12T10:28:05Z, found {text!a}"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=zone)
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND_NS
