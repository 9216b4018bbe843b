"""The page as PDF on A4, by WeasyPrint: an extra, as it needs a library of the system (Pango)."""

import logging
from typing import Any

from otsec.errors import UsageError
from otsec.reports.formats import Files, Finished, Manner, page

INSTALL = (
    "pdf needs WeasyPrint and Pango: python -m pip install 'otsec-monitor[pdf]', and on Debian "
    "apt install libpango-1.0-0 libpangoft2-1.0-0; else print the html from a browser"
)


def write(report: Finished, manner: Manner) -> Files:
    """The document. Raises UsageError where WeasyPrint or Pango is missing."""
    weasyprint = _weasyprint()
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # style that it does not know is left
    made = weasyprint.HTML(string=page.text(report, manner), url_fetcher=_refused)
    yield (
        f"{report.document.name}.pdf",
        made.write_pdf(pdf_identifier=report.id.encode("ascii"), pdf_variant="pdf/ua-1"),
    )


def _weasyprint() -> Any:
    try:
        import weasyprint  # noqa: PLC0415 - heavy, and an extra
    except (ImportError, OSError) as error:
        raise UsageError(INSTALL) from error
    return weasyprint


def _refused(url: str, *_: object, **__: object) -> dict[str, object]:
    """Nothing is fetched, whatever stands in a page."""
    raise ValueError(f"not fetched: {url}")
