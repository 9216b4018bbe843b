"""A report as XLSX: a sheet of sentences and figures, then every table in full with filters."""

import io
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

from otsec.errors import UsageError
from otsec.reports.document import Card, Cell, Column, Keys, Paragraph, Points, Table
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.words import covered, key_last, key_number

INSTALL = "xlsx needs XlsxWriter: python -m pip install 'otsec-monitor[office]'"
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - cells know no zone; the head says that they are UTC
MOST_ROWS = 1_048_575  # of a sheet, below its head
MOST_LETTERS = 32_000  # of a cell
WIDTHS = {"time": 21, "number": 11, "level": 8, "tag": 13, "share": 9, "bytes": 13, "duration": 14}
SETTINGS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
FORMS = {"time": "yyyy-mm-dd hh:mm:ss", "share": "0.0 %", "number": "#,##0.##", "bytes": "#,##0"}


def write(report: Finished, manner: Manner) -> Files:
    """The workbook. Raises UsageError where XlsxWriter is missing, OSError for want of room."""
    try:
        import xlsxwriter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(INSTALL) from error
    out = io.BytesIO()
    with TemporaryDirectory(prefix="otsec-") as parts:  # which it leaves lying where it fails
        try:
            _book(report, manner, xlsxwriter.Workbook(out, {**SETTINGS, "tmpdir": parts}))
        except xlsxwriter.exceptions.FileCreateError as error:
            raise error.args[0] from None  # the OSError, which says what is the matter
    yield f"{report.document.name}.xlsx", out.getvalue()


def _book(report: Finished, manner: Manner, book: Any) -> None:
    document = report.document
    with book:
        book.set_properties({
            "title": f"{document.title}: {document.site}",
            "comments": f"TLP:{document.tlp}, report {report.id}",
            "created": _moment(document.end),
        })  # fmt: skip
        forms = {kind: book.add_format({"num_format": form}) for kind, form in FORMS.items()}
        head = book.add_format({"bold": True, "bottom": 2, "text_wrap": True, "valign": "top"})
        _sentences(book, report, manner)
        taken = {"report"}
        for table in document.tables():
            if table.rows:
                _table(book, table, f"TLP:{document.tlp}", taken, head, forms)


def _moment(ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ns // 1000)


def _sentences(book: Any, report: Finished, manner: Manner) -> None:
    """The first sheet."""
    document = report.document
    sheet = book.add_worksheet("Report")
    sheet.set_header(f"&RTLP:{document.tlp}")
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 3, 60)
    bold = book.add_format({"bold": True})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    lines: list[tuple[str, ...]] = [
        (f"TLP:{document.tlp}", f"{document.title}: {document.site}"),
        ("Period", covered(document, manner)),
        ("Report", report.id),
        ("Times", "in the sheets of tables: UTC"),
    ]
    for section in document.sections:
        lines.append((section.title,))
        for block in section.blocks:
            if isinstance(block, Paragraph):
                lines.append(("", block.text))
            elif isinstance(block, Points):
                lines += [("", item) for item in block.items]
            elif isinstance(block, Keys):
                lines += [
                    (one.name, key_number(one, manner), one.about, key_last(one, manner))
                    for one in block.keys
                ]
            elif isinstance(block, Card):
                lines.append((block.tone, block.title))
                lines += [("", f"{label} {text}".strip()) for label, text in block.texts]
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            form = wrap if column else bold
            sheet.write_string(number, column, text[:MOST_LETTERS], form)


def _table(
    book: Any, table: Table, mark: str, taken: set[str], head: Any, forms: dict[str, Any]
) -> None:
    sheet = book.add_worksheet(_name(table.name, taken))
    sheet.set_header(f"&R{mark}")
    sheet.freeze_panes(1, 1)
    rows = table.rows[:MOST_ROWS]
    sheet.autofilter(0, 0, len(rows), len(table.columns) - 1)
    for n, column in enumerate(table.columns):
        sheet.set_column(n, n, WIDTHS.get(column.kind, 24))
        sheet.write_string(0, n, _head(column), head)
    for at, row in enumerate(rows, 1):
        for n, (cell, column) in enumerate(zip(row, table.columns, strict=True)):
            _cell(sheet, at, n, cell, column, forms)


def _head(column: Column) -> str:
    unit = {"time": " (UTC)", "duration": " (us)", "bytes": " (bytes)"}.get(column.kind, "")
    return f"{column.title or column.name}{unit}"


def _cell(sheet: Any, at: int, n: int, cell: Cell, column: Column, forms: dict[str, Any]) -> None:
    if cell is None or cell in ("", ()):
        return
    if isinstance(cell, str | tuple):
        text = ", ".join(cell) if isinstance(cell, tuple) else cell
        sheet.write_string(at, n, text[:MOST_LETTERS])
    elif column.kind == "time":
        sheet.write_datetime(at, n, _moment(int(cell)), forms["time"])
    else:
        sheet.write_number(at, n, cell, forms.get(column.kind))


def _name(name: str, taken: set[str]) -> str:
    """The name of a sheet: at most 31 letters, none twice."""
    base = "".join("-" if letter in "[]:*?/\\'" else letter for letter in name)[:28]
    found, number = base, 2
    while found.lower() in taken:
        found, number = f"{base}{number}", number + 1
    taken.add(found.lower())
    return found
