"""A report as Markdown, for tickets and wikis: headings, lists and pipe tables, no HTML."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from otsec.reports.document import (
    NUMERIC,
    Block,
    Card,
    Chart,
    Document,
    Keys,
    Paragraph,
    Points,
    Table,
)
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.words import covered, key_last, key_number, left_out, told

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
_LISTED = re.compile(r"^(\s*)([-+]|[0-9]+[.)])(?=\s)")


def write(report: Finished, manner: Manner) -> Files:
    """The text."""
    yield f"{report.document.name}.md", "".join(_text(report, manner)).encode("utf-8")


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _LISTED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


def _text(report: Finished, manner: Manner) -> Iterator[str]:
    document = report.document
    yield f"# {plain(document.title)}: {plain(document.site)}\n\n"
    yield f"**TLP:{document.tlp}**\n\n{plain(covered(document, manner))}\n"
    if document.redacted:
        yield f"\nUnder pseudonyms: {plain(', '.join(document.redacted))}.\n"
    for section in document.sections:
        yield f"\n## {plain(section.title)}\n"
        for block in section.blocks:
            yield "\n"
            yield from WRITE[type(block)](document, block, manner)
    yield f"\nTLP:{document.tlp}, report {report.id}\n"


def _paragraph(_document: Document, block: Any, _manner: Manner) -> Iterator[str]:
    text = plain(block.text)
    yield f"**{text}**\n" if block.strong else f"{text}\n"


def _points(_document: Document, block: Any, _manner: Manner) -> Iterator[str]:
    if block.title:
        yield f"### {plain(block.title)}\n\n"
    for item in block.items:
        yield f"- {plain(item)}\n"


def _keys(_document: Document, block: Any, manner: Manner) -> Iterator[str]:
    for key in block.keys:
        about = ", ".join(filter(None, (key.about, key_last(key, manner))))
        yield f"- **{plain(key_number(key, manner))}** {plain(key.name)}: {plain(about)}\n"


def _chart(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    yield f"### {plain(block.title)}\n\n"
    if block.data.rows:
        yield f"{plain(block.reading)}\n\n"
    yield from _rows(document, block.data, manner)


def _card(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    yield f"### {plain(block.tone)}: {plain(block.title)}\n\n"
    for label, sentence in block.texts:
        head = f"**{plain(label)}** " if label else ""
        yield f"{head}{plain(sentence)}\n\n"
    if block.table is not None:
        yield from _rows(document, block.table, manner)


def _table(document: Document, block: Any, manner: Manner) -> Iterator[str]:
    if block.title:
        yield f"### {plain(block.title)}\n\n"
    if block.reading and block.rows:
        yield f"{plain(block.reading)}\n\n"
    yield from _rows(document, block, manner)


def _rows(document: Document, table: Table, manner: Manner) -> Iterator[str]:
    if not table.rows:
        yield f"{plain(table.empty)}\n"
        return
    shown = table.shown()
    described = [table.columns[n] for n in shown]
    yield f"| {' | '.join(plain(one.title) or ' ' for one in described)} |\n"
    yield f"| {' | '.join('--:' if one.kind in NUMERIC else '---' for one in described)} |\n"
    for row in table.rows[: table.most]:
        cells = (plain(told(row[n], table.columns[n].kind, manner)) for n in shown)
        yield f"| {' | '.join(cells)} |\n"
    if rest := left_out(document, table):
        yield f"\n{plain(rest)}\n"


Write = Callable[[Document, Any, Manner], Iterator[str]]
WRITE: dict[type[Block], Write] = {
    Paragraph: _paragraph,
    Points: _points,
    Keys: _keys,
    Table: _table,
    Chart: _chart,
    Card: _card,
}
