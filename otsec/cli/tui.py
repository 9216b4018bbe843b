"""``otsec tui``: the terminal UI over a store, also while it is being written."""

import os
import sys
from argparse import ArgumentParser, Namespace

from otsec.cli import options
from otsec.errors import Exit, UsageError

EPILOG = """\
Keys: 1 to 9 screens, / filter, : command, ? help on everything, q quit. `otsec` alone is the same.
NO_COLOR=1 shows no colours. Keys can be changed under `keys` in otsec.yaml."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="the site that is shown")
    parser.add_argument(
        "--by", metavar="WHO", default="", help="who acts (default: the login name)"
    )
    parser.add_argument("--read-only", action="store_true", help="nothing can be changed")
    parser.add_argument(
        "--no-mouse", action="store_true", help="leave the mouse to the terminal, to select text"
    )
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Open it, until it is left."""
    config = options.configured(arguments, "db", "site")
    if not (_served() or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError("the terminal UI needs a terminal; `otsec assets` and others list")
    from otsec.tui.app import OtsecApp

    app = OtsecApp(config, readonly=arguments.read_only, who=arguments.by)
    app.run(mouse=not arguments.no_mouse)
    return int(app.return_code or Exit.FINE)


def _served() -> bool:
    """Whether `otsec serve` runs it, for a page of a browser."""
    return os.environ.get("TEXTUAL_DRIVER") == "textual.drivers.web_driver:WebDriver"
