"""What commands print: rows as a table, JSON, JSON lines or CSV, and times in the site's zone.

Data goes to standard output and nothing else does; talk goes to standard error. On a terminal a
table is fitted to its width; elsewhere it is plain aligned text in full, without colours. JSON
holds every column as it is kept (bytes, microseconds, exact times); a table shows them for people.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, NamedTuple, TextIO, TypeAlias

from otsec.cli.harmless import cell, cut, harmless, width
from otsec.nanoseconds import SECOND_NS

SCHEMA_VERSION = 1  # of the rows in JSON; grows when a column changes its meaning or goes away
LEAST_WIDTH = 8  # a text column is not cut below this
GAP = "  "

Format: TypeAlias = Literal["table", "json", "jsonl", "csv"]
Kind: TypeAlias = Literal["text", "list", "number", "bytes", "time", "duration", "flag"]
NUMERIC: frozenset[Kind] = frozenset({"number", "bytes", "duration"})


class Column(NamedTuple):
    """One column of a listing; its name is the key in JSON and what ``--columns`` takes."""

    name: str
    title: str
    kind: Kind = "text"  # bytes are counted; a duration is in microseconds; a time in ns since 1970
    about: str = ""
    detail: bool = False  # not in a table unless asked for by --columns
    value: Callable[[Any], Any] | None = None  # of a row; None: the attribute of the same name

    def of(self, row: object) -> Any:
        """The value of a row; None where it has none."""
        return getattr(row, self.name) if self.value is None else self.value(row)


class Style(NamedTuple):
    """How rows are shown."""

    format: Format = "table"
    zone: tzinfo = UTC
    columns: int | None = None  # width of the terminal; None: as wide as it needs
    bold: bool = False  # the head


def write(
    kind: str, columns: Sequence[Column], rows: Iterable[object], style: Style, stream: TextIO
) -> None:
    """Write the rows, objects with an attribute for each column."""
    WRITERS[style.format](kind, columns, rows, style, stream)


def say(text: str) -> None:
    """A line to the person, on standard error."""
    sys.stderr.write("\n".join(harmless(line) for line in text.split("\n")) + "\n")


# ------------------------------------------------------------------------------- values


def time_text(ns: int, zone: tzinfo, *, exact: bool = False) -> str:
    """ISO 8601 with offset: to the millisecond; exact: as fine as the value is."""
    seconds, rest = divmod(ns, SECOND_NS)
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone)
    offset = moment.isoformat()[19:]
    digits = 3
    if exact:
        digits = next(digits for digits in (3, 6, 9) if not rest % 10 ** (9 - digits))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 10 ** (9 - digits):0{digits}d}{offset}"


def bytes_text(count: int) -> str:
    """A number of bytes for people, in decimal units."""
    if abs(count) < 1000:
        return f"{count} B"
    size = float(count)
    units = ["kB", "MB", "GB", "TB"]
    size /= 1000
    while abs(size) >= 999.5 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.0f} {units[0]}" if abs(size) >= 99.95 else f"{size:.1f} {units[0]}"


def duration_text(us: int) -> str:
    """A number of microseconds for people."""
    if us < 1000:
        return f"{us} us"
    if us < 60_000_000:
        size, unit = (us / 1000, "ms") if us < 999_500 else (us / 1_000_000, "s")
        return f"{size:.0f} {unit}" if size >= 99.95 else f"{size:.1f} {unit}"
    seconds = us // 1_000_000
    for above, big, below, small in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= above:
            return f"{seconds // above} {big} {seconds % above // below} {small}"
    return f"{seconds} s"


TABLE_TEXT: dict[Kind, Callable[[Any, tzinfo], str]] = {
    "text": lambda value, _: harmless(str(value)),
    "list": lambda value, _: harmless(", ".join(map(str, value))),
    "number": lambda value, _: f"{value:.6g}" if isinstance(value, float) else str(value),
    "bytes": lambda value, _: bytes_text(value),
    "time": time_text,
    "duration": lambda value, _: duration_text(value),
    "flag": lambda value, _: "yes" if value else "no",
}
UNTOUCHED: frozenset[Kind] = frozenset({"number", "bytes", "duration"})


def _shown(column: Column, row: object, style: Style) -> str:
    value = column.of(row)
    return "-" if value is None else TABLE_TEXT[column.kind](value, style.zone)


def _plain(column: Column, row: object, zone: tzinfo) -> Any:
    """A value for JSON."""
    value = column.of(row)
    if value is None or column.kind in UNTOUCHED:
        return _finite(value)
    if column.kind == "time":
        return time_text(value, zone, exact=True)
    if column.kind == "list":
        return [_finite(item) if isinstance(item, int | float) else str(item) for item in value]
    return bool(value) if column.kind == "flag" else str(value)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity; their names are kept as text."""
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return str(value)
    return value


def _dumped(value: object) -> str:
    """JSON in ASCII; DEL, which JSON lets through, is escaped too."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


# ------------------------------------------------------------------------------- formats


def _json(
    kind: str, columns: Sequence[Column], rows: Iterable[object], style: Style, stream: TextIO
) -> None:
    stream.write(f'{{"schema_version": {SCHEMA_VERSION}, "kind": {_dumped(kind)}, "rows": [')
    between = "\n"
    for row in rows:
        stream.write(between)
        stream.write(_dumped({c.name: _plain(c, row, style.zone) for c in columns}))
        between = ",\n"
    stream.write("\n]}\n")


def _json_lines(
    kind: str, columns: Sequence[Column], rows: Iterable[object], style: Style, stream: TextIO
) -> None:
    for row in rows:
        line = {"schema_version": SCHEMA_VERSION, "kind": kind}
        line.update((c.name, _plain(c, row, style.zone)) for c in columns)
        stream.write(_dumped(line) + "\n")


def _csv(
    _kind: str, columns: Sequence[Column], rows: Iterable[object], style: Style, stream: TextIO
) -> None:
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_csv_cell(column, row, style.zone) for column in columns])


def _csv_cell(column: Column, row: object, zone: tzinfo) -> Any:
    value = column.of(row)
    if value is None:
        return ""
    if column.kind == "list":
        return cell(", ".join(map(str, value)))
    if column.kind == "flag":
        return "yes" if value else "no"
    return cell(str(value)) if column.kind == "text" else _plain(column, row, zone)


def _table(
    _kind: str, columns: Sequence[Column], rows: Iterable[object], style: Style, stream: TextIO
) -> None:
    cells = [[_shown(column, row, style) for column in columns] for row in rows]
    if not cells:
        return  # a head over nothing tells nothing
    heads = [column.title for column in columns]
    widths = [max(map(width, column)) for column in zip(heads, *cells, strict=True)]
    widths = _fitted(widths, columns, style.columns)
    mark = _mark(stream)
    bold, plain = ("\x1b[1m", "\x1b[0m") if style.bold else ("", "")
    stream.write(f"{bold}{_line(heads, columns, widths, mark)}{plain}\n")
    stream.writelines(_line(line, columns, widths, mark) + "\n" for line in cells)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], mark: str) -> str:
    return GAP.join(
        _padded(cut(text, size, mark), size, right=column.kind in NUMERIC)
        for text, column, size in zip(cells, columns, widths, strict=True)
    ).rstrip(" ")


def _padded(text: str, size: int, *, right: bool) -> str:
    fill = " " * (size - width(text))
    return fill + text if right else text + fill


def _fitted(widths: list[int], columns: Sequence[Column], limit: int | None) -> list[int]:
    """Narrow the widest text columns until the line fits, or all are as narrow as they get."""
    if limit is None:
        return widths
    fitted = list(widths)
    texts = [n for n, column in enumerate(columns) if column.kind in {"text", "list"}]
    while sum(fitted) + len(GAP) * (len(fitted) - 1) > limit:
        widest = max(texts, key=fitted.__getitem__, default=None)
        if widest is None or fitted[widest] <= LEAST_WIDTH:
            break
        fitted[widest] -= 1
    return fitted


def _mark(stream: TextIO) -> str:
    """What stands for text that was cut off."""
    try:
        "\u2026".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "~"
    return "\u2026"


WRITERS: dict[Format, Callable[[str, Sequence[Column], Iterable[object], Style, TextIO], None]] = {
    "table": _table,
    "json": _json,
    "jsonl": _json_lines,
    "csv": _csv,
}


# ------------------------------------------------------------------------------- style


def style_of(arguments: Any, zone: tzinfo) -> Style:
    """The style that the command line and the terminal ask for."""
    shown = UTC if getattr(arguments, "utc", False) else zone
    chosen: Format = getattr(arguments, "format", None) or "table"
    if chosen != "table" or not sys.stdout.isatty():
        return Style(chosen, shown)
    import shutil

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return Style("table", shown, shutil.get_terminal_size().columns, bold=not plain)
