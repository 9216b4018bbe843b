"""``otsec watch``: follow a folder in which a recorder writes captures."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from otsec.cli import options
from otsec.cli.analyze import engine

EPILOG = """\
Files of tcpdump and dumpcap, rotated by size or time, are read while they are written.
Ctrl-C or SIGTERM ends it at a checkpoint; run again, it goes on where it ended."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the recorder writes")
    options.store(parser)
    engine(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Follow the folder."""
    raise NotImplementedError(arguments.command)
