"""``otsec analyze``: read captures into a store and sum up what they show."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from otsec.cli import options

EPILOG = """\
A capture is known by its content: one that was read before is not read again, one that has grown
is read on from where it ended, so the same command can be run after an interruption.
Without FILE the files of the points in otsec.yaml are read."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "captures",
        nargs="*",
        metavar="FILE",
        help="pcap or pcapng, also gzip or zstd; a folder: all in it; -: standard input",
    )
    parser.add_argument(
        "-r", dest="read", action="append", default=[], metavar="FILE", help="the same as FILE"
    )
    options.store(parser)
    engine(parser)
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the summary as one JSON object",
    )
    parser.add_argument(
        "--utc", action="store_true", help="times in UTC instead of the site's zone"
    )
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Read the captures."""
    raise NotImplementedError(arguments.command)


def engine(parser: ArgumentParser) -> None:
    """Arguments of every command that reads captures."""
    parser.add_argument("--point", metavar="NAME", help="capture point: the files are one source")
    parser.add_argument("--site", metavar="NAME", help="the site (default: `site` of otsec.yaml)")
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes that dissect (default 1); the result is the same",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=None,
        metavar="PACKETS",
        help="packets in a batch; the result is the same",
    )


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"expected a whole number of at least 1, found {text!a}")
    return int(text)


def named_captures(arguments: Namespace) -> list[Path]:
    """Every capture on the command line, ``-`` for standard input."""
    return [Path(name) for name in (*arguments.read, *arguments.captures)]
