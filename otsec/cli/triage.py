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
UNTIL = "the last day on which it holds, or a time, or a span from now: 30d (default: for good)"
EPILOG = """\
ID is a finding's id, or the first letters of it, or an incident: then all of its findings.
What is decided is kept for ever with who said it, the login name, the machine, the time, what
held before, and why; `otsec audit` lists it.
What was accepted until a day opens again after it, by the clock of the machine that shows it."""


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
    if command == "accept":
        parser.add_argument("--until", metavar="WHEN", help=UNTIL)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Take down the decision, for all findings or none."""
    from otsec.cli.listing import deadline
    from otsec.cli.output import time_text
    from otsec.detect.cases import cases, decided, one_of
    from otsec.store import open_store
    from otsec.store.acts import record

    kind = arguments.command
    config = options.configured(arguments, "db")
    word = word_of(arguments)
    if kind in REASONED and not word.reason:
        raise UsageError(f"{kind}: say why with --reason, for whoever looks at it in a year")
    given, text = getattr(arguments, "until", None), getattr(arguments, "text", "")
    until = deadline(given, config.zone(), word.time) if given is not None else 0
    with open_store(config.store, create=False) as store:
        found = cases(store)
        met = {case.finding.id: case for text in arguments.ids for case in one_of(found, text)}
        acts = [decided(case, kind, word, text, until) for case in met.values()]
        record(store, acts)
    if not arguments.quiet:
        end = f" until {time_text(until, config.zone())}" if until else ""
        for act in acts:
            one = met[act.finding].finding
            told = (act.after if not act.before else f"{act.before} -> {act.after}") + end
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
