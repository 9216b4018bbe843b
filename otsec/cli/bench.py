"""``otsec bench``: measure the pipeline on a capture, stage by stage."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from otsec.cli.analyze import engine, positive


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("capture", type=Path, metavar="FILE", help="the capture to measure on")
    parser.add_argument(
        "--rounds",
        type=positive,
        default=5,
        metavar="N",
        help="interleaved rounds, of which the median counts (default 5)",
    )
    parser.add_argument(
        "--against", choices=("tshark",), help="also measure this program on the same capture"
    )
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the table as one JSON object",
    )
    engine(parser)


def run(arguments: Namespace) -> int:
    """Measure."""
    raise NotImplementedError(arguments.command)
