"""A report as one HTML page: no script, nothing fetched, to read on a screen and to print on A4."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from otsec.reports.document import (
    NUMERIC,
    Block,
    Card,
    Chart,
    Column,
    Document,
    Key,
    Keys,
    Paragraph,
    Points,
    Section,
    Table,
)
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.svg import svg
from otsec.reports.formats.widths import ACROSS, LONG, UPRIGHT, widths
from otsec.reports.formats.words import covered, key_last, key_number, left_out, told

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MOST_UPRIGHT = 9  # columns; a table with more is printed across the page
NARROW = frozenset({"tag", "level", "number", "share", "bytes", "duration", "time"})
WHOLE = frozenset({"id", "finding", "incident", "technique"})  # never broken
UNBROKEN = frozenset({' class="n"', ' class="t"', ' class="l"', ' class="k"'})  # marks of such
WIDE = frozenset(
    {
        "seen",
        "next",
        "why",
        "action",
        "limits",
        "sentence",
        "reason",
        "advice",
        "deeds",
        "stages",
        "closes",
        "needs",
    }
)  # sentences


def write(report: Finished, manner: Manner) -> Files:
    """The page."""
    yield f"{report.document.name}.html", text(report, manner).encode("utf-8")


def text(report: Finished, manner: Manner) -> str:
    """The page as text."""
    return "".join(_page(report, manner))


@cache
def _style() -> str:
    return resources.files("otsec.reports.formats").joinpath("report.css").read_text("utf-8")


def _page(report: Finished, manner: Manner) -> Iterator[str]:
    document = report.document
    tlp = f"TLP:{document.tlp}"
    version = dict(document.versions).get("otsec", "")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="generator" content="otsec {escape(version)}">\n'
        f"<title>{escape(document.title)}: {escape(document.site)}</title>\n"
        f'<style>\n@page {{ @top-right {{ content: "{tlp}"; }} '
        f'@bottom-left {{ content: "{document.kind} {report.id}"; }} }}\n{_style()}</style>\n'
        f'</head>\n<body class="{escape(document.kind)}">\n'
    )
    yield from _head(report, manner)
    yield "<main>\n"
    for section in document.sections:
        yield from _section(document, section, manner)
    yield (
        f"</main>\n<footer>{tlp}, report {report.id}, otsec {escape(version)}</footer>\n"
        "</body>\n</html>\n"
    )


def _head(report: Finished, manner: Manner) -> Iterator[str]:
    document = report.document
    tone = document.tlp.lower().replace("+", "-")
    yield (
        f'<header>\n<div class="mark {tone}">TLP:{document.tlp}</div>\n'
        f'<p class="over">{escape(document.title)}</p>\n<h1>{escape(document.site)}</h1>\n'
        f'<p class="soft">{escape(covered(document, manner))}</p>\n'
    )
    if document.redacted:
        hidden = ", ".join(document.redacted)
        yield f'<p class="soft">Under pseudonyms: {escape(hidden)}.</p>\n'
    yield '</header>\n<nav aria-label="Contents">\n'
    for section in document.sections:
        yield f'<a href="#{section.name}">{escape(section.title)}</a>\n'
    yield "</nav>\n"


def _section(document: Document, section: Section, manner: Manner) -> Iterator[str]:
    yield f'<section class="{section.name}">\n<h2 id="{section.name}">{escape(section.title)}</h2>\n'
    for block in section.blocks:
        yield from WRITE[type(block)](document, block, manner)
    yield "</section>\n"


# --------------------------------------------------------------------------------- blocks


def _paragraph(_document: Document, block: Any, _manner: Manner) -> Iterator[str]:
    mark = ' class="strong"' if block.strong else ""
    yield f"<p{mark}>{escape(block.text)}</p>\n"


def _points(_document: Document, block: Any, _manner: Manner) -> Iterator[str]:
    if block.title:
        yield f"<h3>{escape(block.title)}</h3>\n"
    yield '<ul class="points">\n'
    for item in block.items:
        yield f"<li>{escape(item)}</li>\n"
    yield "</ul>\n"


def _keys(_document: Document, block: Any, manner: Manner) -> Iterator[str]:
    yield '<dl class="keys">\n'
    for key in block.keys:
        yield _key(key, manner)
    yield "</dl>\n"


def _key(key: Key, manner: Manner) -> str:
    grave = " grave" if key.grave else ""
    last = key_last(key, manner)
    was = f"<dd>{escape(last)}</dd>" if last else ""
    shown = escape(key_number(key, manner))
    size = ' class="unknown"' if key.value is None else ""
    return (
        f'<div class="figure{grave}"><dt><b{size}>{shown}</b> {escape(key.name)}</dt>'
        f"<dd>{escape(key.about)}</dd>{was}</div>\n"
    )


def _chart(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    if not block.data.rows:
        yield f"<h3>{escape(block.title)}</h3>\n<p>{escape(block.data.empty)}</p>\n"
        return
    yield f"<figure>\n<figcaption><h3>{escape(block.title)}</h3>\n"
    yield f"<p>{escape(block.reading)}</p></figcaption>\n{svg(block, manner)}"
    yield "<details><summary>The same as a table</summary>\n"
    yield from _table(document, block.data, manner)
    yield "</details>\n</figure>\n"


def _card(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    yield f'<article class="card {block.tone}">\n<h3>{_tag(block.tone)} {escape(block.title)}</h3>\n'
    for label, sentence in block.texts:
        head = f"<b>{escape(label)}</b> " if label else ""
        yield f"<p>{head}{escape(sentence)}</p>\n"
    if block.table is not None:
        yield from _table(document, block.table, manner)
    yield "</article>\n"


def _tag(word: str) -> str:
    return f'<span class="tag {escape(word.replace(" ", "-"))}">{escape(word)}</span>'


def _table(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    table: Table = block
    if not table.rows:
        title = f"<h3>{escape(table.title)}</h3>\n" if table.title else ""
        yield f"{title}<p>{escape(table.empty)}</p>\n"
        return
    label = escape(table.title or table.name)
    shown = table.shown()
    across = len(shown) > MOST_UPRIGHT
    kinds = [table.columns[n].kind for n in shown]
    rows = [
        [told(row[n], kind, manner) for n, kind in zip(shown, kinds, strict=True)]
        for row in table.rows[: table.most]
    ]
    marks = [_mark(table.columns[n]) for n in shown]
    shares = _widths([table.columns[n].title for n in shown], marks, rows, across=across)
    even = ' class="even"' if shares else ""
    yield (
        f'<div class="wide{" across" if across else ""}" role="region" aria-label="{label}" '
        f'tabindex="0"><table{even}>\n'
    )
    reading = f'<span class="soft">{escape(table.reading)}</span>' if table.reading else ""
    hidden = "" if table.title else ' class="unseen"'
    yield f"<caption{hidden}>{label} {reading}</caption>\n{shares}<thead><tr>"
    for n, mark in zip(shown, marks, strict=True):
        yield f'<th scope="col"{mark}>{escape(table.columns[n].title)}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for row in rows:
        yield "<tr>"
        for cell, mark, kind in zip(row, marks, kinds, strict=True):
            yield f"<td{mark}>{_tag(cell) if kind == 'tag' and cell else escape(cell)}</td>"
        yield "</tr>\n"
    yield "</tbody></table></div>\n"
    if rest := left_out(document, table):
        yield f'<p class="small soft">{escape(rest)}</p>\n'


def _widths(
    titles: Sequence[str], marks: Sequence[str], rows: Sequence[Sequence[str]], *, across: bool
) -> str:
    """The widths of columns in print; empty: the table is short enough to be measured."""
    if len(rows) < LONG:
        return ""
    found = widths(
        titles, [mark in UNBROKEN for mark in marks], rows, ACROSS if across else UPRIGHT
    )
    each = "".join(f'<col style="--share:{one:g}%">' for one in found)
    return f"<colgroup>{each}</colgroup>\n"


def _mark(column: Column) -> str:
    """How a column is set."""
    if column.kind in NUMERIC:
        return ' class="n"'
    if column.kind == "time":
        return ' class="t"'
    if column.name in WIDE:
        return ' class="d"'
    if column.name in WHOLE:
        return ' class="l"'
    return ' class="k"' if column.kind in NARROW else ""


Write = Callable[[Document, Any, Manner], Iterator[str]]
WRITE: dict[type[Block], Write] = {
    Paragraph: _paragraph,
    Points: _points,
    Keys: _keys,
    Table: _table,
    Chart: _chart,
    Card: _card,
}
