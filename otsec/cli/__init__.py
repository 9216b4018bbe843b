"""The command: one file per command, each with `configure` and `run`, and one place that catches.

Nothing heavy is imported before a command runs, so `otsec --help` costs what argparse costs; a
command's own file is imported only when its name is on the command line.
"""

import errno
import gc
import os
import sys
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from otsec import __version__
from otsec.cli.options import common, common_again, unknown_choice, unknown_option
from otsec.errors import (
    Exit,
    InputError,
    OtsecError,
    RightsError,
    StorageError,
    UsageError,
)

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMMANDS = {  # in the order of the help
    "tui": "look around in the terminal; what `otsec` alone does",
    "serve": "the terminal UI in a browser on this machine",
    "analyze": "read captures into a store and sum up what they show",
    "watch": "follow a folder in which a recorder writes captures",
    "monitor": "listen on interfaces, passively, and record evidence",
    "conversations": "list who talks to whom, by which service",
    "behaviours": "list what each client does with each server",
    "writers": "list who wrote which object, second writers first",
    "contents": "list programs, blocks and files that were transferred",
    "values": "list what registers, coils and points held",
    "protocols": "list the protocols, and how much of each could be read",
    "assets": "list every device: what it is, who made it, what it speaks",
    "asset": "tell all of one device, set what only people know, merge and split",
    "inventory": "approve what was heard as the inventory, or take it out again",
    "wanted": "tell which unknown facts matter most, and what would reveal them",
    "sessions": "list who worked on which machine, through which others, and what was done",
    "clocks": "list each device's clock against the capture's, and where its time comes from",
    "diff": "tell what is new, gone or bigger between two stores, captures or periods",
    "report": "write reports for people who were not there: in eight formats",
    "schedule": "say which reports are written when, and see what came of it",
    "policy": "check a policy of zones and conduits, judge by it, suggest one, try one out",
    "controls": "tell what the evidence says of each control of a standard, and what is missing",
    "attest": "vouch for what no packet shows, beside a row of controls",
    "impact": "tell what depends on a device, a switch or a conduit, worst first",
    "zones": "show who talks to whom by zones: matrix, Purdue diagram",
    "show": "dissect the packets behind something in the store",
    "evidence": "write the packets behind something in the store as a capture",
    "findings": "list what is wrong, worst first",
    "finding": "tell all of one finding, or of one incident",
    "respond": "propose what to do about a finding: the smallest cut, its cost, what comes first",
    "ack": "say that somebody is looking at a finding",
    "resolve": "say that a finding is dealt with; it opens again if it goes on",
    "false-positive": "say that a finding is none",
    "accept": "say that the risk of a finding is accepted",
    "expect": "say that what a finding tells is meant to be so",
    "reopen": "take back what was decided of a finding",
    "assign": "give a finding to somebody",
    "comment": "add a remark to a finding",
    "change": "announce changes, and tell which findings they explain and which none does",
    "maintenance": "say when and where people work: nothing of it is learned",
    "audit": "list what people said and decided, who, when and why",
    "rules": "list, check and test the rules, or judge the store anew",
    "selftest": "replay the attack of each rule on this site's devices, and tell whether it fires",
    "evaluate": "replay labelled captures, and tell what is found, how soon, how often falsely",
    "baseline": "learn what is normal, check it before it protects, keep it as text",
    "outages": "tell what went out and when: tap, VLAN, power, switch, one device, the clock",
    "unusual": "rank hours of devices by how unlike their others they are, for the curious",
    "explain": "tell why something was told or was not: by which line, who, which packets",
    "health": "tell whether the mirror is any good, worst first",
    "db": "dump, describe, check or back up a store",
    "config": "check the configuration, or show what is in effect",
    "bench": "measure the pipeline on a capture, stage by stage",
    "doctor": "tell whether this machine has what otsec needs",
}
MODULES = dict.fromkeys(  # commands that share a file
    ("ack", "resolve", "false-positive", "accept", "expect", "reopen", "assign", "comment"),
    "triage",
)
EXITS = """\
exit codes: 0 fine, 1 findings at or above --fail-on, 2 usage or configuration, 3 a capture is
unreadable or damaged (what came before the damage is kept), 4 permission, 5 storage, 70 a bug in
otsec, 130 interrupted"""

# What the system refuses, in words; everything else that nobody expected is a bug.
REFUSALS: dict[int, tuple[type[OtsecError], str]] = {
    errno.EACCES: (RightsError, "not allowed; check the owner and the permissions"),
    errno.EPERM: (RightsError, "not allowed; check the owner and the permissions"),
    errno.EROFS: (RightsError, "cannot write, the file system is read-only"),
    errno.ENOSPC: (StorageError, "no space left; free some and run the same command again"),
    errno.EDQUOT: (StorageError, "the disk quota is used up; free some space and try again"),
    errno.EFBIG: (StorageError, "the file would become larger than the system allows"),
    errno.EIO: (InputError, "the device reports a read or write error; check the disk"),
    errno.ENOTDIR: (UsageError, "a part of this name is a file, not a folder; check the name"),
    errno.EISDIR: (UsageError, "is a folder; name a file"),
    errno.ENAMETOOLONG: (UsageError, "the name is longer than the system allows"),
    errno.ELOOP: (UsageError, "a link that leads back to itself; check the name"),
    errno.EMFILE: (UsageError, "too many open files; raise the limit (ulimit -n)"),
}

# When Python looks for cycles (gc.set_threshold): with its own 700 objects it walks the rows of a
# large store again and again, a third of the time of listing them; nothing here makes many cycles.
COLLECT = (50_000, 20, 20)


class Parser(ArgumentParser):
    """An ArgumentParser whose errors are one line and name what was probably meant."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage."""
        command = self.prog.partition(" ")[2]
        hint = f"see `{self.prog} --help`"
        raise UsageError(f"{command + ': ' if command else ''}{unknown_choice(message)}; {hint}")

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Print help or version; argparse says nothing where they cannot be written."""
        (file or sys.stderr).write(message)


def _path(word: str) -> Path:
    """A name of a file or folder: none is empty, though `Path` takes that for the working folder."""
    if not word:
        raise ArgumentTypeError("expected a name, found nothing; is a variable of the shell empty?")
    return Path(word)


def build_parser(words: Sequence[str]) -> Parser:
    """The parser; commands whose names are not among the words have no arguments of their own."""
    top = Parser(
        prog="otsec",
        description="Listen to an industrial network without sending: who is there, who does what.",
        epilog=f"{EXITS}\n\nmore on a command: otsec COMMAND --help",
    )
    top.add_argument("--version", action="version", version=f"otsec {__version__}")
    common(top)

    def wanted(**options: Any) -> Parser | None:
        """Those alone: for each, argparse looks three times for a translation of its words."""
        return Parser(**options) if options["prog"].rpartition(" ")[2] in words else None

    commands = top.add_subparsers(
        dest="command",
        metavar="COMMAND",
        title="commands",
        parser_class=cast("type[Parser]", wanted),
    )
    for name, summary in COMMANDS.items():
        parser = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        if name in words:
            common_again(parser)
            module = import_module(f"otsec.cli.{MODULES.get(name, name)}")
            module.configure(parser)
            parser.set_defaults(run=module.run, parser=parser)
    return top


def parse(argv: Sequence[str]) -> Namespace:
    """What the command line asks for; raises UsageError, or SystemExit after ``--help``."""
    top = build_parser(argv)
    arguments, rest = top.parse_known_args(argv)
    if arguments.command is None:
        if not rest:
            top.print_help(sys.stderr)
            raise SystemExit(Exit.USAGE)
        arguments.parser = top
    if rest:
        arguments.parser.error(unknown_option(rest[0], arguments.parser.format_help()))
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code and prints no traceback unless asked to."""
    words = sys.argv[1:] if argv is None else list(argv)
    words = words or _alone()
    _usable_streams()
    gc.set_threshold(*COLLECT)
    debug = "--debug" in words
    try:
        code = _run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that catches
        gone = isinstance(error, OSError) and _reader_gone()
        code = Exit.FINE if gone else _told(error, words, debug=debug)
    return _flushed(code)


def _alone() -> list[str]:
    """What `otsec` without a word means: the terminal UI, where there is a terminal."""
    streams = (sys.stdin, sys.stdout)
    return ["tui"] if all(one is not None and one.isatty() for one in streams) else []


def _run(words: Sequence[str]) -> int:
    try:
        arguments = parse(words)
        return int(arguments.run(arguments) or 0)
    except SystemExit as stop:  # argparse after --help and --version
        return stop.code if isinstance(stop.code, int) else Exit.FINE


def _told(error: Exception, words: Sequence[str], *, debug: bool) -> int:
    """Say what went wrong on standard error; the exit code."""
    from otsec.cli.bug import write_report
    from otsec.cli.output import say

    if debug:
        import traceback

        sys.stderr.write("".join(traceback.format_exception(error)))
    known = _as_known(error) or _no_text(error, words)
    if known is not None:
        say("\n".join(f"otsec: {line}" for line in str(known).split("\n")))
        return known.exit
    where = write_report(error, words)
    told = f"report written to {where}" if where else "no report could be written; see --debug"
    say(f"otsec: internal error: {type(error).__name__}: {str(error)[:200]}; {told}")
    return Exit.BUG


def _as_known(error: Exception) -> OtsecError | None:
    """The error as something that a user can act on, None if it is a bug."""
    if isinstance(error, OtsecError):
        return error
    if isinstance(error, MemoryError):
        return StorageError("out of memory; close other programs, or lower caps in otsec.yaml")
    if isinstance(error, OSError) and error.errno in REFUSALS:
        kind, words = REFUSALS[error.errno]
        return kind(f"{error.filename}: {words}" if error.filename else words)
    return None


def _no_text(error: Exception, words: Sequence[str]) -> OtsecError | None:
    """A word that is no text, which only names of files may be, where text was wanted."""
    if isinstance(error, UnicodeEncodeError):
        for word in words:
            if any(
                "\udc80" <= letter <= "\udcff" for letter in word
            ):  # PEP 383: bytes as they came
                return UsageError(f"{word!a} is not UTF-8 text; type it in a terminal set to UTF-8")
    return None


def _usable_streams() -> None:
    """Streams that are closed lead nowhere; letters that an encoding lacks are shown as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us, as services and `2>&-` do
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _reader_gone() -> bool:
    """Whether who read our output has closed it, as `head` does."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if _closed_by_reader(stream)]
    for stream in gone:
        _to_nowhere(stream)
    return bool(gone)


def _closed_by_reader(stream: TextIO) -> bool:
    try:
        stream.flush()
        import select

        poll = select.poll()  # with nothing left to flush only the system knows
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except BrokenPipeError:
        return True
    except OSError as error:
        return sys.platform == "win32" and error.errno == errno.EINVAL  # its broken pipe
    except (AttributeError, ValueError):  # no poll on Windows; no real file in tests
        return False


def _flushed(code: int) -> int:
    """Flush what is left, so that the interpreter's own flush cannot fail with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _to_nowhere(stream)
    return int(code)


def _to_nowhere(stream: TextIO) -> None:
    """Let what could not be written vanish."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no real file, as in tests
        pass
