"""``otsec selftest``: whether each rule would tell of its attack on this site's devices."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, write
from otsec.cli.page import fitting
from otsec.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.detect.cases import Word
    from otsec.detect.model import Rule
    from otsec.selftest.running import Outcome, Progress, Site
    from otsec.trials import Captures

ALL_RULES = "all rules"
NAMED = 20  # rules that did not fire, in the record
SILENT = ("silent", "suppressed")

COLUMNS = (
    Column("rule", "rule", about="by which people call it", value=lambda one: one.rule.name),
    Column("level", "level", about="how bad it is", value=lambda one: one.rule.level),
    Column("result", "result", about="fired, suppressed, silent, not tested, cannot fire"),
    Column("client", "by", about="who of this site stands in for who did it"),
    Column("server", "to", about="who of this site stands in for whom it was done to"),
    Column("why", "because", about="what suppresses it, why it cannot fire, what differs here"),
    Column("capture", "capture", about="the attack that was replayed", detail=True),
    Column("finding", "finding", about="the id that the finding would have here", detail=True),
    Column("seen", "seen", about="what people would read", detail=True),
    Column("techniques", "ATT&CK", "list", "techniques of ATT&CK for ICS", detail=True, value=lambda one: one.rule.techniques),
    Column("id", "rule id", about="the rule, by id", detail=True, value=lambda one: one.rule.id),
)  # fmt: skip
NARROW = ("level", "client", "server")  # left out, in this order, on a narrow terminal

EPILOG = """\
For each rule a capture that fires it is given the addresses of devices of this site, chosen by
protocol and role, and the VLAN and time of the site, and goes through the whole pipeline into a
scratch store, in which what is known of the devices, what people decided of findings, otsec.yaml
and your own rules hold as they do here. The site's store is only read, but for the record.

fired        people would be told
suppressed   it was found, or would be but for what column `because` names
silent       it was not found: the rule does not cover these addresses
not tested   no capture that fires it is here; --captures names a folder that has it
cannot fire  the rule protects nobody in this version

The record (date, who, how many rules came to what) is kept for good; `otsec audit selftest`
lists it. The exit code is 1 if a rule was silent or suppressed.
"""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--rule",
        action="append",
        metavar="RULE",
        help="only this rule, by name or id; may be given several times",
    )
    options.store(parser)
    options.rules(parser)
    parser.add_argument(
        "--captures", type=Path, metavar="FOLDER", help="where captures of your own rules lie"
    )
    parser.add_argument(
        "--shared", type=Path, metavar="FOLDER", help="captures that rules call shared:"
    )
    parser.add_argument("--no-record", action="store_true", help="do not keep what came of it")
    parser.add_argument("--by", metavar="WHO", help="who tests (default: the login name)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Replay, tell and record."""
    from otsec.cli.triage import word_of
    from otsec.detect.loading import folders, load
    from otsec.selftest.running import Site, self_test
    from otsec.store import open_store

    config = options.configured(arguments, "db", "rules")
    loaded = load(folders(config.rules))
    for problem in loaded.problems:
        say(f"otsec: {problem}")
    rules = _chosen(loaded.rules, arguments.rule)
    word = None if arguments.no_record else word_of(arguments)
    with open_store(config.store, readonly=True) as store:
        site = Site.of(store, config)
    told = self_test(site, rules, _captures(arguments, config.rules), _progress(arguments))
    style = style_of(arguments, config.zone())
    shown = [column for column in COLUMNS if arguments.format or not column.detail]
    if style.format == "table":
        shown = list(fitting(shown, told, style, NARROW))
    write("selftest", shown, told, style, sys.stdout)
    if word is not None:
        what = ", ".join(rule.name for rule in rules[:NAMED]) if arguments.rule else ALL_RULES
        _record(site, word, what, told)
    if not arguments.quiet:
        say(_sum(told))
    failed = loaded.problems or any(one.result in SILENT for one in told)
    return Exit.FINDINGS if failed else Exit.FINE


def _chosen(rules: "Sequence[Rule]", names: "Sequence[str] | None") -> "Sequence[Rule]":
    if not names:
        return rules
    wanted = {name.casefold(): name for name in names}
    met = [rule for rule in rules if {rule.name.casefold(), rule.id.casefold()} & {*wanted}]
    for folded, name in wanted.items():
        if not any(folded in {rule.name.casefold(), rule.id.casefold()} for rule in met):
            hint = options.nearest(folded, [rule.name for rule in rules])
            raise UsageError(f"no rule {name!a}{hint or '; `otsec rules list` lists them'}")
    return met


def _captures(arguments: Namespace, own: Path | None) -> "list[Captures]":
    """Where captures are looked for: in the folder named, beside the user's rules, with otsec's."""
    from otsec.detect.loading import built_in
    from otsec.trials import Captures

    folders = [arguments.captures] if arguments.captures is not None else []
    if own is not None:
        beside = own.absolute()
        folders += [one / "pcaps" for one in (beside, beside.parent) if (one / "pcaps").is_dir()]
    folders.append(built_in().parent / "pcaps")
    return [Captures(folder, arguments.shared) for folder in folders]


def _progress(arguments: Namespace) -> "Progress":
    """One line on the terminal: which capture of how many."""
    shown = not arguments.quiet and sys.stderr.isatty()

    def tell(done: int, count: int, name: str) -> None:
        if shown:
            from otsec.cli.harmless import harmless

            end = "" if done < count else "\r\x1b[K"
            sys.stderr.write(f"\r\x1b[K{done} of {count} attacks  {harmless(name)[:50]}{end}")
            sys.stderr.flush()

    return tell


def _sum(told: "Sequence[Outcome]") -> str:
    from otsec.selftest.running import summed

    counts = ", ".join(f"{count} {result}" for result, count in summed(told).items() if count)
    return f"{len(told)} rule{'' if len(told) == 1 else 's'}: {counts}"


def _record(site: "Site", word: "Word", what: str, told: "Sequence[Outcome]") -> None:
    """Keep what came of it, for good."""
    from otsec.store import open_store
    from otsec.store.acts import Act, record

    silent = [one.rule.name for one in told if one.result in SILENT]
    more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
    after = _sum(told) + (f"; did not fire: {', '.join(silent[:NAMED])}{more}" if silent else "")
    act = Act(
        *(0, word.time, word.who, "selftest", "", what, "", after, word.reason),
        login=word.login,
        host=word.host,
    )
    with open_store(site.config.store, create=False) as store:
        record(store, [act])
