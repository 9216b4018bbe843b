"""The hash chain over the record of acts: a changed, added or missing row is named.

The link of an act is SHA-256 of the link before it and of what the act says. Whoever can write the
store can compute a whole new chain; so the head is also told by `otsec audit verify` and signed
with each scheduled report, and a head that was noted once must still be met on the way.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# What a link covers, in this order, for ever: a column that is added later needs links of its own.
COVERED = (
    *("number", "time", "who", "kind", "asset", "attribute", "before", "after", "reason"),
    *("login", "host", "finding", "seen_until"),
)
START = hashlib.sha256(b"otsec acts 1").hexdigest()  # stands before the first act
TRIGGERS = ("act_unchanged", "act_kept", "act_link_unchanged", "act_link_kept")
_ROWS = f"SELECT {', '.join(COVERED)} FROM act ORDER BY number"  # noqa: S608 - names of this file


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain ends: the newest act and its link."""

    number: int
    link: str


@dataclass(frozen=True, slots=True)
class Broken:
    """One place where the chain does not hold."""

    number: int  # of the act; 0: none
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of following the chain."""

    acts: int
    head: Head
    broken: tuple[Broken, ...]


def link(before: str, cells: Sequence[Any]) -> str:
    """The link of an act, given the link before and the cells of COVERED."""
    said = json.dumps(list(cells), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{said}".encode("ascii")).hexdigest()


def head(connection: sqlite3.Connection) -> Head:
    """The newest link; START before the first act."""
    newest = "SELECT number, link FROM act_link ORDER BY number DESC LIMIT 1"
    found = connection.execute(newest).fetchone()
    return Head(0, START) if found is None else Head(int(found[0]), str(found[1]))


def extend(connection: sqlite3.Connection, number: int) -> None:
    """Add the link of an act that was just recorded, within the same transaction."""
    one = f"SELECT {', '.join(COVERED)} FROM act WHERE number = ?"  # noqa: S608 - names of this file
    cells = connection.execute(one, (number,)).fetchone()
    connection.execute(
        "INSERT INTO act_link (number, link) VALUES (?, ?)",
        (number, link(head(connection).link, cells)),
    )


def link_all(connection: sqlite3.Connection) -> None:
    """Link the acts that there are; for the migration that brings the chain."""
    for cells in connection.execute(_ROWS).fetchall():
        extend(connection, int(cells[0]))


def verified(connection: sqlite3.Connection, noted: Sequence[Head] = ()) -> Verified:
    """Follow the chain; ``noted``: heads told earlier, which must lie on it."""
    rows = connection.execute(_ROWS).fetchall()
    links: dict[int, str] = dict(connection.execute("SELECT number, link FROM act_link").fetchall())
    broken = sorted(
        [*_broken(rows, links), *_not_met(noted, links), *_unguarded(connection)],
        key=lambda one: one.number,
    )
    return Verified(len(rows), head(connection), tuple(broken))


def _broken(rows: Iterable[Sequence[Any]], links: dict[int, str]) -> Iterator[Broken]:
    """Each link is compared with the stored one before it: a changed row names itself alone."""
    last, before, left = 0, START, dict(links)
    for cells in rows:
        number = int(cells[0])
        if number != last + 1:
            told = f"{last + 1}" if number == last + 2 else f"{last + 1} to {number - 1}"
            yield Broken(number, f"missing before it: {told}")
        stored = left.pop(number, "")
        if not stored:
            yield Broken(number, "has no link: added past otsec, or its link was deleted")
        elif stored != link(before, cells):
            yield Broken(number, "differs from what was recorded, or the links beside it do")
        last, before = number, stored or link(before, cells)
    for number in left:
        yield Broken(number, "was deleted; only its link is left")


def _not_met(noted: Sequence[Head], links: dict[int, str]) -> Iterator[Broken]:
    for one in noted:
        if one.number and links.get(one.number) != one.link:
            what = "is gone" if one.number not in links else "has another link"
            yield Broken(one.number, f"{what} than the head {one.link[:16]} that was noted")


def _unguarded(connection: sqlite3.Connection) -> Iterator[Broken]:
    asked = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    there = {name for (name,) in connection.execute(asked)}
    for name in TRIGGERS:
        if name not in there:
            yield Broken(0, f"the trigger {name}, which refuses changes, was removed")
