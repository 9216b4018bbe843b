"""What people decide of findings: ``otsec ack``, ``resolve``, ``false-positive`` and the others."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.output import say
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.detect.cases import Word

TEXTS = {"assign": ("WHO", "to whom"), "comment": ("TEXT", "the remark")}
REASONED = frozenset({"false-positive", "accept", "expect"})  # nobody could judge them later
EPILOG = """\
ID is a finding's id, or the first letters of it, or an incident: then all of its findings.
What is decided is kept for ever with who said it, the login name, the machine, the time, what
held before, and why; `otsec audit` lists it."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    command = parser.prog.rpartition(" ")[2]
    parser.add_argument(
        "ids", nargs="+" if command not in TEXTS else 1, metavar="ID", help="the finding"
    )
    if command in TEXTS:
        metavar, about = TEXTS[command]
        parser.add_argument("text", metavar=metavar, help=about)
    options.store(parser)
    parser.add_argument("--by", metavar="WHO", help="who decides (default: the login name)")
    needed = " (must be told)" if command in REASONED else ""
    parser.add_argument("--reason", metavar="TEXT", default="", help=f"why{needed}")
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Take down the decision, for all findings or none."""
    from otsec.detect.cases import cases, decided, one_of
    from otsec.store import open_store
    from otsec.store.acts import record

    kind = arguments.command
    config = options.configured(arguments, "db")
    word = word_of(arguments)
    if kind in REASONED and not word.reason:
        raise UsageError(f"{kind}: say why with --reason, for whoever looks at it in a year")
    with open_store(config.store, create=False) as store:
        found = cases(store)
        met = {case.finding.id: case for text in arguments.ids for case in one_of(found, text)}
        acts = [decided(case, kind, word, getattr(arguments, "text", "")) for case in met.values()]
        record(store, acts)
    if not arguments.quiet:
        for act in acts:
            one = met[act.finding].finding
            told = act.after if not act.before else f"{act.before} -> {act.after}"
            say(f"{one.short} {one.title}: {told} (by {word.who})")
    return 0


def word_of(arguments: Namespace) -> "Word":
    """Who decides, when, where and why, by the arguments `by` and `reason`."""
    import platform
    import time

    from otsec.detect.cases import Word
    from otsec.login import login, who

    reason = arguments.reason.strip()
    return Word(who(arguments.by), login(), platform.node(), time.time_ns(), reason)
