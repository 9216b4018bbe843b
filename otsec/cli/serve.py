"""``otsec serve``: the terminal UI in a browser on this machine."""

import os
import sys
from argparse import ArgumentParser, Namespace

from otsec import processes
from otsec.cli import options
from otsec.errors import Exit, UsageError

PORT = 8765
EPILOG = """\
It listens on 127.0.0.1 only and prints a link that works once; another one is printed when it was
used. Each page is a terminal UI of its own. From elsewhere: ssh -L 8765:127.0.0.1:8765 HOST, then
open the link there. The page loads nothing from outside this machine. Ctrl-C ends it."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="the site that is shown")
    parser.add_argument(
        "--port", type=_port, metavar="N", default=PORT, help=f"default: {PORT}; 0: any free one"
    )
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="let pages decide on findings and edit assets (default: they only read)",
    )
    parser.add_argument(
        "--by", metavar="WHO", default="", help="who acts (default: the login name)"
    )
    parser.epilog = EPILOG


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


def run(arguments: Namespace) -> int:
    """Serve until interrupted."""
    config = options.configured(arguments, "db", "site")
    if not config.store.exists():
        raise UsageError(f"there is no store {config.store}; `otsec analyze` makes one")
    words = processes.words(processes.OTSEC, "tui", "--db", str(config.store.absolute()))
    words += ["--site", config.site]
    if config.path is not None:
        words += ["--config", str(config.path)]
    if arguments.by:
        words += ["--by", arguments.by]
    if not arguments.allow_changes:
        words += ["--read-only"]
    from otsec.tui.browser.server import serve

    os.environ.update(processes.surroundings())
    if not arguments.quiet:
        may = "pages can make changes" if arguments.allow_changes else "pages only read"
        sys.stderr.write(f"otsec: {config.site}, {config.store}: {may}; Ctrl-C ends it\n")
    serve(words, f"otsec: {config.site}", arguments.port, _tell)
    return Exit.FINE


def _tell(link: str) -> None:
    sys.stdout.write(f"{link}\n")
    sys.stdout.flush()
