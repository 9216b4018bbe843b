"""Cells as people read them, alike in all formats for people."""

from collections.abc import Callable
from typing import Any

from otsec.reports.document import Cell, CellKind, Key, Table, table_file
from otsec.reports.document import Document as Report
from otsec.reports.formats import Manner


def number(value: float) -> str:
    """A number with thin groups; at most two digits behind the point."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
    return text.replace(",", "\u00a0")


def share(value: float) -> str:
    """Per cent; never 0 or 100 where it is not exactly so."""
    if 0 < value < 0.01:
        return "under 1\u00a0%"
    if 0.99 < value < 1:
        return "over 99\u00a0%"
    return f"{100 * value:.0f}\u00a0%"


TELL: dict[CellKind, Callable[[Any, Manner], str]] = {
    "text": lambda value, _: str(value),
    "tag": lambda value, _: str(value),
    "list": lambda value, _: ", ".join(value) if isinstance(value, tuple) else str(value),
    "number": lambda value, _: number(value),
    "level": lambda value, _: f"{value:g}",
    "bytes": lambda value, manner: manner.bytes(value),
    "time": lambda value, manner: manner.time(value),
    "duration": lambda value, manner: manner.duration(value) if value else "0 s",
    "share": lambda value, _: share(value),
}


def told(cell: Cell, kind: CellKind, manner: Manner) -> str:
    """A cell as text."""
    if cell is None or cell == "":
        return ""
    if isinstance(cell, str):
        return cell
    return TELL[kind](cell, manner)


def key_number(key: Key, manner: Manner) -> str:
    """The number of a key figure."""
    return "not known" if key.value is None else told(key.value, key.kind, manner)


def key_last(key: Key, manner: Manner) -> str:
    """What it was in the last report; empty: nothing is known of that."""
    if key.last is None or key.value is None:
        return ""
    if key.last == key.value:
        return "as in the last report"
    return f"{told(key.last, key.kind, manner)} in the last report"


def left_out(document: Report, table: Table) -> str:
    """What is said below a table of which a page does not show all rows; empty: it does."""
    rest = len(table.rows) - table.most
    if rest <= 0:
        return ""
    rows = "1 more row is" if rest == 1 else f"{number(rest)} more rows are"
    return f"{rows} not shown here; {table_file(document, table)} (--format csv) has all."


def covered(document: Report, manner: Manner) -> str:
    """The time that a report covers."""
    if not document.end:
        return "No packets were read."
    span = f"{manner.time(document.begin)} to {manner.time(document.end)}"
    return f"{span} ({document.period})" if document.period else span
