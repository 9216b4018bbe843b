"""``otsec health``: whether the mirror is any good, worst first, and what to change."""

from argparse import ArgumentParser, Namespace

from otsec.cli import options


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="only this site")
    parser.add_argument("--point", metavar="NAME", help="only this capture point")
    options.formats(parser)


def run(arguments: Namespace) -> int:
    """Tell."""
    raise NotImplementedError(arguments.command)
