"""``otsec maintenance``: when and where people work, so that it is neither learned nor alarming."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from otsec.cli import change

ACTIONS = {
    "add": "announce maintenance: where, when, and by whom",
    "list": "list maintenance, and what was seen in it",
    "close": "end it: what comes later is not announced",
}
ADD = """\
In this time nothing is learned of these devices. What is done to them is expected, but for what
changes them for good: program, mode, firmware, another identity or module want a record of their own
(otsec change add), and so does whoever is new in the network. --allow names what else may happen.
"""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    change.actions(parser, ACTIONS, {"add": _more_add, "close": change.more_close})


def _more_add(action: ArgumentParser) -> None:
    action.add_argument("id", metavar="ID", help="a name for it, M-12 or stop-2026-08")
    action.add_argument("--allow", metavar="A,B,...", default="", help="what else may happen")
    change.place(action)
    change.times(action, needed=False)
    action.epilog = ADD


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return DOING[arguments.action](arguments)


def _add(arguments: Namespace) -> int:
    from otsec.changes.records import IN_MAINTENANCE

    allowed = [*IN_MAINTENANCE, *arguments.allow.split(",")]
    return change.announce(arguments, "maintenance", arguments.id, allowed)


def _list(arguments: Namespace) -> int:
    return change.listed(arguments, "maintenance")


DOING: dict[str, Callable[[Namespace], int]] = {
    "add": _add,
    "list": _list,
    "close": change.close,
}
