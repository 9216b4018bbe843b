"""``otsec report``: pages for people who were not there."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.harmless import harmless
from otsec.cli.output import bytes_text, duration_text, say, time_text
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.store import Store

STDOUT = Path("-")

EPILOG = """\
assessment   what was seen and what was not, inventory, communication, weaknesses, changes, sessions
             and clocks of a site: one HTML page without scripts, pictures or fonts from outside,
             to read or to print (A4)
"""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "kind", choices=("assessment",), metavar="KIND", help="which one, see below"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the page; -: standard output",
    )
    options.store(parser)
    parser.add_argument(
        "--site", metavar="NAME", help="the site (default: that of otsec.yaml, else the only one)"
    )
    parser.add_argument(
        "--utc", action="store_true", help="times in UTC instead of the site's zone"
    )
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Write the page."""
    from datetime import UTC

    from otsec.reports.assessment import assessment, page
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    shown = UTC if arguments.utc else config.zone()
    with open_store(config.store, readonly=True) as store:
        site = _site(store, arguments.site, config.site)
        found = assessment(store, site, config.zone())
    text = page(found, _filters(shown), harmless)
    if arguments.output == STDOUT:
        sys.stdout.write(text)
        return 0
    _write(arguments.output, text)
    if not arguments.quiet:
        say(f"otsec: wrote {arguments.output}, {bytes_text(len(text.encode()))}")
    return 0


def _site(store: "Store", asked: str | None, configured: str) -> str:
    """The site to report on."""
    from otsec.store.queries import sources

    sites = sorted({one.site for one in sources(store)})
    if not sites:
        raise UsageError("report: the store holds no captures; see otsec analyze")
    if asked is None:
        if configured in sites:
            return configured
        if len(sites) == 1:
            return sites[0]
    elif asked in sites:
        return asked
    wrong = "" if asked is None else f"no site {asked!a}; "
    raise UsageError(f"report: {wrong}say --site, one of: {', '.join(map(ascii, sites))}")


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read: it names the weak places of a plant."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - of a handle
        file.write(text)


# ---------------------------------------------------------------------------------- filters


def _filters(zone: tzinfo) -> dict[str, Callable[..., str]]:
    """How the page tells numbers and times."""

    def time(ns: int) -> str:
        text = time_text(ns, zone)
        return f"{text[:10]} {text[11:19]}{text[23:]}".replace("+00:00", "Z")

    return {
        "time": time,
        "number": _number,
        "bytes": bytes_text,
        "length_of_time": duration_text,
        "share": _share,
        "level": lambda level: "" if level is None else f"{level:g}",
        "ahead": _ahead,
    }


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _share(part: int, whole: int) -> str:
    if not part or not whole:
        return ""
    share = 100 * part / whole
    return "under 1 %" if share < 1 else f"{share:.0f} %"


def _ahead(ns: int) -> str:
    from otsec.cli.clocks import ahead_text

    return ahead_text(ns)
