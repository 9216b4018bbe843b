"""A report as DOCX, for consultants who go on writing in it; drawings stand as their tables."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from otsec.errors import UsageError
from otsec.reports.document import (
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
from otsec.reports.formats.archive import settled
from otsec.reports.formats.words import covered, key_last, key_number, left_out, told

INSTALL = "docx needs python-docx: python -m pip install 'otsec-monitor[office]'"
LIST, ROWS = "List Bullet", "Light Grid Accent 1"
MOST_UPRIGHT = 7  # columns; more make the letters small
SMALL, SMALLEST = 8.0, 6.5  # points


def write(report: Finished, manner: Manner) -> Files:
    """The document. Raises UsageError where python-docx is missing."""
    try:
        import docx  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(INSTALL) from error
    made = docx.Document()
    _cover(made, report, manner)
    for section in report.document.sections:
        made.add_heading(section.title, 1)
        for block in section.blocks:
            WRITE[type(block)](made, report.document, block, manner)
    out = io.BytesIO()
    made.save(out)
    yield f"{report.document.name}.docx", settled(out.getvalue())


def _cover(made: Any, report: Finished, manner: Manner) -> None:
    document = report.document
    mark = f"TLP:{document.tlp}"
    when = datetime.fromtimestamp(document.end // 10**9, UTC).replace(tzinfo=None)
    core = made.core_properties
    core.title, core.author, core.comments = f"{document.title}: {document.site}", "otsec", mark
    core.created = core.modified = when
    core.last_modified_by, core.revision, core.identifier = "otsec", 1, report.id
    core.language = "en"
    for section in made.sections:
        section.header.paragraphs[0].text = mark
        section.footer.paragraphs[0].text = f"{mark}, report {report.id}"
    made.add_heading(f"{document.title}: {document.site}", 0)
    made.add_paragraph(covered(document, manner))
    if document.redacted:
        made.add_paragraph(f"Under pseudonyms: {', '.join(document.redacted)}.")


def _paragraph(made: Any, _document: Document, block: Any, _manner: Manner) -> None:
    made.add_paragraph().add_run(block.text).bold = block.strong


def _points(made: Any, _document: Document, block: Any, _manner: Manner) -> None:
    if block.title:
        made.add_heading(block.title, 2)
    for item in block.items:
        made.add_paragraph(item, LIST)


def _keys(made: Any, _document: Document, block: Any, manner: Manner) -> None:
    rows = [
        (key.name, key_number(key, manner), key.about, key_last(key, manner)) for key in block.keys
    ]
    _rows(made, ("Figure", "Number", "", "Last report"), rows)


def _chart(made: Any, document: Document, block: Any, manner: Manner) -> None:
    made.add_heading(block.title, 2)
    if block.data.rows:
        made.add_paragraph(block.reading)
    _content(made, document, block.data, manner)


def _card(made: Any, document: Document, block: Any, manner: Manner) -> None:
    made.add_heading(f"{block.tone}: {block.title}", 2)
    for label, sentence in block.texts:
        paragraph = made.add_paragraph()
        if label:
            paragraph.add_run(f"{label} ").bold = True
        paragraph.add_run(sentence)
    if block.table is not None:
        _content(made, document, block.table, manner)


def _table(made: Any, document: Document, block: Any, manner: Manner) -> None:
    if block.title:
        made.add_heading(block.title, 2)
    if block.reading and block.rows:
        made.add_paragraph(block.reading)
    _content(made, document, block, manner)


def _content(made: Any, document: Document, table: Table, manner: Manner) -> None:
    if not table.rows:
        made.add_paragraph(table.empty)
        return
    shown = table.shown()
    kinds = [table.columns[n].kind for n in shown]
    rows = [
        tuple(told(row[n], kind, manner) for n, kind in zip(shown, kinds, strict=True))
        for row in table.rows[: table.most]
    ]
    _rows(made, tuple(table.columns[n].title for n in shown), rows)
    if rest := left_out(document, table):
        made.add_paragraph(rest)


def _rows(made: Any, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from docx.oxml import OxmlElement  # noqa: PLC0415 - an extra
    from docx.shared import Pt  # noqa: PLC0415

    grid = made.add_table(len(rows) + 1, len(heads), ROWS)
    size = Pt(SMALLEST if len(heads) > MOST_UPRIGHT else SMALL)
    cells = grid._cells  # noqa: SLF001 - asked for row by row it takes the square of the time
    for cell, text in zip(cells, (text for line in (heads, *rows) for text in line), strict=True):
        run = cell.paragraphs[0].add_run(text)
        run.font.size = size
    properties = grid.rows[0]._tr.get_or_add_trPr()  # noqa: SLF001 - the head again on each page
    properties.append(OxmlElement("w:tblHeader"))


Write = Callable[[Any, Document, Any, Manner], None]
WRITE: dict[type[Block], Write] = {
    Paragraph: _paragraph,
    Points: _points,
    Keys: _keys,
    Table: _table,
    Chart: _chart,
    Card: _card,
}
