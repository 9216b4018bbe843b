"""What stands in a cell: text of the network made harmless, times short, sizes for people."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from otsec.cli.harmless import cut, harmless, width
from otsec.cli.output import NUMERIC, Column, Kind, bytes_text, duration_text
from otsec.nanoseconds import SECOND_NS

LONGEST = 300  # letters of a value that are looked at for a cell; no terminal shows more
LISTED = 40  # items of a list, alike
MARK = "\u2026"  # stands for what was cut off


def time_text(ns: int, zone: tzinfo) -> str:
    """``2026-01-05 08:09:54``: the zone stands once, at the top of the screen."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND_NS)
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def safe(text: object, most: int = LONGEST) -> str:
    """Any text for one line of the screen, cut where nobody reads on."""
    shown = str(text)
    return harmless(shown) if len(shown) <= most else harmless(shown[:most]) + MARK


def _number(value: Any, _: tzinfo) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"


_TEXT: dict[Kind, Callable[[Any, tzinfo], str]] = {
    "text": lambda value, _: safe(value),
    "list": lambda value, _: safe(", ".join(map(str, value[:LISTED]))),
    "number": _number,
    "bytes": lambda value, _: bytes_text(value),
    "time": time_text,
    "duration": lambda value, _: duration_text(value),
    "flag": lambda value, _: "yes" if value else "no",
}


def cell_text(column: Column, row: object, zone: tzinfo) -> str:
    """What a column shows of a row."""
    value = column.of(row)
    return "-" if value is None else _TEXT[column.kind](value, zone)


def fitted(text: str, size: int, *, right: bool = False) -> str:
    """The text in exactly that many columns of the terminal."""
    shown = cut(text, size, MARK)
    fill = " " * (size - width(shown))
    return fill + shown if right else shown + fill


def is_right(column: Column) -> bool:
    """Whether a column's values stand at its right."""
    return column.kind in NUMERIC
