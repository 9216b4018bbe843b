"""``otsec impact``: what depends on a device, worst first."""

import sys
from argparse import ArgumentParser, Namespace

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import UsageError

EPILOG = """\
Who asks it loses polls, time, names or logins; who is commanded by it or hears its reports loses
these. Spare: somebody else seen to do the same. What was not captured is not told: a device that
nothing seems to depend on may still be needed."""

COLUMNS = (
    Column("who", "who loses", about="the device that would lose something"),
    Column("lost", "what", about="polls, writes, commands, reports, time, names, sessions, ..."),
    Column("how", "how", about="asks it, is commanded by it, hears it"),
    Column("protocol", "protocol", about="the protocol, else the service"),
    Column("every_us", "every", "duration", "mean time between two, of what repeats itself"),
    Column("count", "count", "number", "exchanges; packets where nothing could be read"),
    Column("redundant", "spare", "flag", "somebody else was seen to do the same"),
    Column("last_time", "last seen", "time", "when it was seen last"),
    Column("depth", "depth", "number", "1: depends on it; 2: on who depends on it", detail=True),
    Column("on", "on", about="the device on which it depends", detail=True),
    Column("others", "others", "list", "who else does the same", detail=True),
    Column("who_id", "id", about="id of who loses", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("asset", metavar="ASSET", help="name, id, IP or MAC address of a device")
    options.store(parser)
    parser.add_argument(
        "--depth", type=int, default=1, metavar="N", help="also who depends on these, 1 to 5 steps"
    )
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Tell what depends on it."""
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import find
    from otsec.policy.impact import MOST_DEPTH, impact
    from otsec.policy.verdicts import acts_of
    from otsec.store import open_store

    if not 1 <= arguments.depth <= MOST_DEPTH:
        raise UsageError(f"--depth {arguments.depth}: expected a number from 1 to {MOST_DEPTH}")
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        asset = find(found, arguments.asset)
        rows = impact(found, acts_of(store, details=False), [asset], arguments.depth)
    deeper = {"depth", "on"} if arguments.depth > 1 else set[str]()
    shown = [
        one for one in COLUMNS if style.format != "table" or not one.detail or one.name in deeper
    ]
    write("impact", shown, rows, style, sys.stdout)
    if not rows and style.format == "table" and not arguments.quiet:
        say(f"nothing was seen that depends on {asset.name}")
    return 0
