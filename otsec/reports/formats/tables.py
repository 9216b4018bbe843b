"""Every table in full as CSV: UTF-8, a head, ISO 8601 UTC, no cell that a spreadsheet computes."""

import csv
import io
from typing import Any

from otsec.reports.document import NUMERIC, Table, table_file
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.canonical import time_text

FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # a spreadsheet computes such a cell


def write(report: Finished, _manner: Manner) -> Files:
    """A file for each table."""
    for table in report.document.tables():
        yield table_file(report.document, table), _csv(table)


def _csv(table: Table) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    told = {
        n: time_text if column.kind == "time" else _text
        for n, column in enumerate(table.columns)
        if column.kind not in NUMERIC
    }
    for row in table.rows:
        cells: list[Any] = list(row)
        for n, tell in told.items():
            if cells[n] is not None and cells[n] != "":
                cells[n] = tell(cells[n])
        writer.writerow(cells)
    return out.getvalue().encode("utf-8")


def _text(cell: str | tuple[str, ...]) -> str:
    return safe(", ".join(cell) if isinstance(cell, tuple) else cell)


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in FORMULA else text
