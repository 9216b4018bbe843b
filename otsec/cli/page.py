"""A page of text for people: headings, paragraphs, items, tables, commands."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from otsec.cli.harmless import harmless, width
from otsec.cli.output import GAP, TABLE_TEXT, Column, Style, write

WIDEST = 100  # columns of running text; longer lines are hard to read
ENOUGH = 20  # columns in which a text can be told from others; an IPv4 or MAC address fits


class Page:
    """Writes text fitted to the terminal; what it is given may come from the network."""

    def __init__(self, style: Style, stream: TextIO, ending: str = "") -> None:
        """``ending``: what every command that the page names must end with."""
        self.style, self.stream, self.ending = style, stream, ending
        self.begun = False

    def head(self, text: str) -> None:
        """A heading, apart from what stands before it."""
        if self.begun:
            self.gap()
        self.begun = True
        self.text(text, bold=True)

    def gap(self) -> None:
        """An empty line."""
        self.stream.write("\n")

    def text(
        self, text: str, indent: str = "", first: str | None = None, *, bold: bool = False
    ) -> None:
        """A paragraph; ``first`` stands before its first line instead of the indent."""
        lines = textwrap.wrap(
            harmless(text),
            min(self.style.columns or WIDEST, WIDEST),
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        begin, end = ("\x1b[1m", "\x1b[0m") if bold and self.style.bold else ("", "")
        self.stream.writelines(f"{begin}{line}{end}\n" for line in lines)

    def item(self, text: str) -> None:
        """One of several."""
        self.text(text, "  ", "- ")

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[object],
        count: int,
        more: str = "",
        spare: Sequence[str] = (),
    ) -> None:
        """A table without the columns in which no row has anything.

        ``count``: of all rows; ``more``: the command that shows them; ``spare``: columns that are
        left out, in this order, where the terminal is too narrow.
        """
        shown = list(rows)
        told = [
            column
            for column in columns
            if column.kind not in {"text", "list"} or any(column.of(row) for row in shown)
        ]
        write("", fitting(told, shown, self.style, spare), shown, self.style, self.stream)
        self.more(len(shown), count, more)

    def more(self, shown: int, count: int, command: str = "") -> None:
        """How much is not shown, and what shows it."""
        if count > shown:
            where = f": {command}{self.ending}" if command else ""
            left = f"{count - shown:,}".replace(",", " ")
            self.unbroken(f"... and {left} more{where}")

    def command(self, command: str, about: str) -> None:
        """Something to type, and what it tells."""
        self.unbroken(f"  {command}{self.ending}")
        self.text(about, "      ")

    def unbroken(self, line: str) -> None:
        """A line with something to type, which copied from two lines would be another command."""
        self.stream.write(f"{harmless(line)}\n")


def fitting(
    columns: Sequence[Column], rows: Sequence[object], style: Style, spare: Sequence[str]
) -> Sequence[Column]:
    """The columns without those of ``spare``, in its order, that a terminal has no room for."""
    told = list(columns)
    for name in spare:
        if _fits(told, rows, style):
            break
        told = [column for column in told if column.name != name]
    return told


def _fits(columns: Sequence[Column], rows: Sequence[object], style: Style) -> bool:
    """Whether every column has the room it needs, or at least ENOUGH."""
    if style.columns is None:
        return True
    needed = [max(_needs(column, rows, style), width(column.title)) for column in columns]
    return sum(needed) + len(GAP) * (len(needed) - 1) <= style.columns


def _needs(column: Column, rows: Sequence[object], style: Style) -> int:
    values = [value for row in rows if (value := column.of(row)) is not None]
    text = TABLE_TEXT[column.kind]
    widest = max((width(text(value, style.zone)) for value in values), default=0)
    return min(widest, ENOUGH) if column.kind in {"text", "list"} else widest
