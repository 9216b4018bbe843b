"""Every table in full as CSV: UTF-8, a head, ISO 8601 UTC, no cell that a spreadsheet computes."""

import csv
import io

from otsec.reports.document import AT_ONCE, NUMERIC, Cell, Table, changed, table_file
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.canonical import time_cell

FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # a spreadsheet computes such a cell


def write(report: Finished, _manner: Manner) -> Files:
    """A file for each table."""
    for table in report.document.tables():
        yield table_file(report.document, table), _csv(table)


def _csv(table: Table) -> bytes:
    out = io.BytesIO()
    with io.TextIOWrapper(out, "utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        told = {
            n: time_cell if column.kind == "time" else _text
            for n, column in enumerate(table.columns)
            if column.kind not in NUMERIC
        }
        for begin in range(0, len(table.rows), AT_ONCE):
            writer.writerows(changed(table.rows[begin : begin + AT_ONCE], told))
        text.flush()
        return out.getvalue()


def _text(cell: Cell) -> Cell:
    if isinstance(cell, tuple):
        return safe(", ".join(cell))
    return safe(cell) if isinstance(cell, str) else cell


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in FORMULA else text
