"""``otsec config``: check otsec.yaml, or show what is in effect and where it came from."""

import os
import sys
from argparse import ArgumentParser, Namespace

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, write

COLUMNS = (
    Column("name", "setting", about="name of the setting"),
    Column("value", "value", about="its value"),
    Column("origin", "origin", about="default, FILE:LINE, environment or command line"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="check|show", required=True)
    check = actions.add_parser("check", help="tell every mistake in the configuration")
    check.set_defaults(parser=check)
    show = actions.add_parser("show", help="show every effective value")
    show.add_argument("--origin", action="store_true", help="also show where each came from")
    options.store(show)
    show.add_argument("--site", metavar="NAME", help="as if this were the site's name")
    options.formats(show)
    show.set_defaults(parser=show)
    for action in (check, show):
        options.common_again(action)


def run(arguments: Namespace) -> int:
    """Check or show."""
    return check(arguments) if arguments.action == "check" else show(arguments)


def check(arguments: Namespace) -> int:
    """Raise ConfigError with every mistake; else say which file is fine."""
    from otsec.config import unknown_variables

    config = options.configured(arguments)
    for line in unknown_variables(os.environ):
        say(f"otsec: note: {line}")
    what = str(config.path) if config.path else "no configuration file, defaults are in effect"
    say(f"{what}: no mistakes" if config.path else what)
    return 0


def show(arguments: Namespace) -> int:
    """Print the settings."""
    from otsec.config import shown

    config = options.configured(arguments, "db", "site")
    style = style_of(arguments, config.zone())
    columns = COLUMNS if arguments.origin or arguments.format else COLUMNS[:2]
    write("settings", columns, shown(config), style, sys.stdout)
    return 0
