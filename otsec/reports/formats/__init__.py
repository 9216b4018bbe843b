"""Reports as files: a module a format, each a function of the report alone.

The same document gives the same bytes in every format: nothing comes from the clock, the machine
or the order of a hash table, and archives bear a fixed date.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from otsec.reports.document import Document

Files = Iterator[tuple[str, bytes]]  # name and content


@dataclass(frozen=True, slots=True)
class Manner:
    """How numbers and times are told to people."""

    time: Callable[[int], str]
    bytes: Callable[[int], str]
    duration: Callable[[int], str]  # of microseconds


@dataclass(frozen=True, slots=True)
class Finished:
    """A report that is written: the document, its canonical JSON, and the id."""

    document: Document
    json: bytes
    id: str


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a report."""

    name: str
    suffix: str  # of the file; of CSV that of the archive
    module: str  # has `write(report, manner) -> Files`
    about: str
    text: bool = True  # can go to standard output


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("json", ".json", "canonical", "all of it, for machines; what is signed"),
        Format("html", ".html", "page", "one page that fetches nothing, to read and to print"),
        Format("pdf", ".pdf", "pdf", "the same page on A4; needs otsec-monitor[pdf]", text=False),
        Format("csv", ".csv.zip", "tables", "each table in full, a file a table", text=False),
        Format("md", ".md", "markdown", "for tickets and wikis"),
        Format(
            "xlsx", ".xlsx", "sheets", "a sheet a table; needs otsec-monitor[office]", text=False
        ),
        Format("docx", ".docx", "word", "to edit; needs otsec-monitor[office]", text=False),
        Format("oscal", ".oscal.json", "oscal", "OSCAL assessment results, for GRC tools"),
    )
}


def finished(document: Document) -> Finished:
    """A report with its id."""
    from otsec.reports.formats import canonical  # noqa: PLC0415 - it needs this module

    return Finished(document, *canonical.whole(document))


def write(report: Finished, name: str, manner: Manner) -> Files:
    """The files of a report in a format: one, or for CSV one a table."""
    module = import_module(f"otsec.reports.formats.{FORMATS[name].module}")
    files: Files = module.write(report, manner)
    return files
