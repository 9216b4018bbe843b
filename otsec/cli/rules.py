"""``otsec rules``: which rules there are and whether they can fire, whether they are sound."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import options
from otsec.cli.harmless import harmless
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otsec.detect.loading import Loaded
    from otsec.detect.model import Rule
    from otsec.trials import Result

ACTIONS = {
    "list": "list the rules: level, technique, whether each can fire and has fired here",
    "show": "tell all of one rule",
    "check": "tell what is wrong with rules, line by line",
    "test": "run the captures that test the rules through the whole pipeline",
    "run": "judge the store anew, without its captures",
    "fields": "list the fields that rules can ask for",
}


class Listed(NamedTuple):
    """A rule and what became of it here."""

    rule: "Rule"
    fired: int | None  # findings in the store; None without a store
    state: str


RULES = (
    Column("name", "rule", about="by which people call it", value=lambda one: one.rule.name),
    Column("level", "level", about="how bad it is", value=lambda one: one.rule.level),
    Column("techniques", "ATT&CK", "list", "techniques of ATT&CK for ICS", value=lambda one: one.rule.techniques),
    Column("category", "category", about="the rows that it judges", value=lambda one: one.rule.category),
    Column("fired", "found", "number", "findings in this store"),
    Column("state", "state", about="can fire, or why it cannot"),
    Column("title", "what it finds", value=lambda one: one.rule.title),
    Column("id", "id", detail=True, value=lambda one: one.rule.id),
    Column("path", "file", detail=True, value=lambda one: one.rule.path),
    Column("tests", "tests", "number", "captures that test it", detail=True, value=lambda one: _tests(one.rule)),
)  # fmt: skip
PROBLEMS = (
    Column("path", "file"),
    Column("line", "line", "number"),
    Column("text", "what is wrong"),
)
RESULTS = (
    Column("rule", "rule", value=lambda one: one.rule.name),
    Column("kind", "must", value=lambda one: one.kind.replace("_", " ")),
    Column("capture", "capture", value=lambda one: one.trial.capture),
    Column("found", "found", "number"),
    Column("problem", "result", value=lambda one: one.problem or one.skipped or "as it should be"),
)
FIELDS = (
    Column("category", "category", value=lambda one: one[0].name),
    Column("name", "field", value=lambda one: one[1].name),
    Column("kind", "kind", value=lambda one: one[1].kind),
    Column("about", "what it holds", value=lambda one: one[1].about),
    Column("example", "example", value=lambda one: one[1].example),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        if name != "fields":
            options.rules(action)
        if name in {"list", "run"}:
            options.store(action)
        if name in {"check", "test"}:
            action.add_argument(
                "folder", nargs="?", type=Path, metavar="FOLDER",
                help="a folder of rules or one file (default: all rules)",
            )  # fmt: skip
        if name == "show":
            action.add_argument("name", metavar="RULE", help="name or id of the rule")
        if name == "test":
            action.add_argument(
                "--captures", type=Path, metavar="FOLDER",
                help="where the captures of the tests lie (default: beside the folder of rules)",
            )  # fmt: skip
            action.add_argument(
                "--shared", type=Path, metavar="FOLDER", help="captures that tests call shared:"
            )
        if name not in {"show", "run"}:
            options.formats(action)


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return DOING[arguments.action](arguments)


def _loaded(arguments: Namespace) -> "Loaded":
    """The rules of the folder that is named, else all."""
    from otsec.detect.loading import folders, load

    config = options.configured(arguments, "rules")
    named = getattr(arguments, "folder", None)
    return load([named] if named is not None else folders(config.rules))


def _tell(loaded: "Loaded") -> None:
    for problem in loaded.problems:
        say(f"otsec: {problem}")


def _list(arguments: Namespace) -> int:
    loaded = _loaded(arguments)
    fired = _fired(arguments)
    rows = [_listed(rule, fired) for rule in loaded.rules]
    style = style_of(arguments, options.configured(arguments).zone())
    shown = [column for column in RULES if arguments.format or not column.detail]
    if fired is None:
        shown = [column for column in shown if column.name != "fired"]
    write("rules", shown, rows, style, sys.stdout)
    _tell(loaded)
    return 0


def _fired(arguments: Namespace) -> "dict[str, int] | None":
    """How many findings each rule has in the store; None without a store."""
    from collections import Counter

    config = options.configured(arguments, "db")
    if not config.store.exists() and arguments.db is None:
        return None
    from otsec.store import open_store
    from otsec.store.findings import findings

    with open_store(config.store, readonly=True) as store:
        return dict(Counter(one.rule for one in findings(store)))


def _listed(rule: "Rule", fired: "dict[str, int] | None") -> Listed:
    found = None if fired is None else fired.get(rule.id, 0)
    if rule.cannot:
        return Listed(rule, None, f"cannot fire: {rule.cannot}")
    return Listed(rule, found, "can fire")


def _tests(rule: "Rule") -> int:
    return len(rule.fires) + len(rule.near_miss) + len(rule.quiet)


def _show(arguments: Namespace) -> int:
    from otsec.cli.page import Page
    from otsec.detect.attack import techniques

    loaded = _loaded(arguments)
    wanted = arguments.name.casefold()
    met = [rule for rule in loaded.rules if wanted in {rule.name.casefold(), rule.id.casefold()}]
    if not met:
        hint = options.nearest(wanted, [rule.name for rule in loaded.rules])
        raise UsageError(f"no rule {arguments.name!a}{hint or '; `otsec rules list` lists them'}")
    rule = met[0]
    page = Page(style_of(arguments, options.configured(arguments).zone()), sys.stdout)
    page.head(f"{rule.level.upper()}: {rule.title}")
    page.text(f"rule {rule.name}, {rule.id}, {rule.status}; {rule.path}")
    if rule.cannot:
        page.text(f"It cannot fire: {rule.cannot}.")
    for name in rule.techniques:
        one = techniques()[name]
        page.item(f"ATT&CK for ICS {one.id} {one.name}; {one.visible} visible to a passive tap")
    for title, text in (
        ("What it tells", rule.texts.seen),
        ("What is expected", rule.texts.expected),
        ("Why it matters", rule.texts.why),
        ("What to do next", rule.texts.next),
    ):
        if text:
            page.head(title)
            page.text(text)
    if rule.falsepositives:
        page.head("What else may look so")
        for text in rule.falsepositives:
            page.item(text)
    page.head("The rule")
    for line in _detection(rule.path.read_text("utf-8")):
        sys.stdout.write(f"  {line}\n")
    return 0


def _detection(text: str) -> "Iterable[str]":
    """The lines of a rule file that say what it looks for."""
    inside = False
    for line in text.splitlines():
        if line[:1].strip():
            inside = line.startswith(("detection:", "correlation:"))
        if inside and line.strip():
            yield harmless(line)


def _check(arguments: Namespace) -> int:
    loaded = _loaded(arguments)
    style = style_of(arguments, options.configured(arguments).zone())
    if style.format == "table":
        _tell(loaded)
        able = sum(not rule.cannot for rule in loaded.rules)
        say(
            f"sound rules: {len(loaded.rules)}, of which {len(loaded.rules) - able} cannot fire; "
            f"problems: {len(loaded.problems)}"
        )
    else:
        write("problems", PROBLEMS, loaded.problems, style, sys.stdout)
    return Exit.USAGE if loaded.problems else Exit.FINE


def _test(arguments: Namespace) -> int:
    from otsec.detect.loading import built_in
    from otsec.trials import Captures, try_rules

    loaded = _loaded(arguments)
    _tell(loaded)
    beside = (arguments.folder or built_in()).absolute()
    own = arguments.captures or next(
        (one / "pcaps" for one in (beside, *beside.parents) if (one / "pcaps").is_dir()), beside
    )
    results = list(try_rules(loaded.rules, Captures(own, arguments.shared or _shared(own))))
    style = style_of(arguments, options.configured(arguments).zone())
    write("tests", RESULTS, _ordered(results), style, sys.stdout)  # fmt: skip
    wrong = sum(bool(one.problem) for one in results)
    skipped = sum(bool(one.skipped) for one in results)
    if not arguments.quiet:
        say(f"tests: {len(results) - wrong - skipped} passed, {wrong} failed, {skipped} not run")
    return Exit.FINDINGS if wrong or loaded.problems else Exit.FINE


def _ordered(results: "Iterable[Result]") -> "list[Result]":
    return sorted(results, key=lambda one: (one.rule.name, one.kind))


def _shared(own: Path) -> Path | None:
    import os

    named = os.environ.get("OTSEC_CAPTURES")
    found = Path(named) if named else own.parent.parent / "shared" / "captures"
    return found if found.is_dir() else None


def _run(arguments: Namespace) -> int:
    from otsec.baseline.deviations import judge
    from otsec.cli.analyze import site_policy
    from otsec.schedule.recorded import settings
    from otsec.store import open_store

    config = options.configured(arguments, "db", "rules")
    loaded = _loaded(arguments)
    _tell(loaded)
    policy = site_policy(config)
    with open_store(config.store, create=False) as store:
        settings(store, config)
        found = judge(store, loaded.rules, policy, config)
    if not arguments.quiet:
        say(f"{len(loaded.rules)} rules: {len(found)} findings in {config.store}: otsec findings")
    return Exit.USAGE if loaded.problems else Exit.FINE


def _fields(arguments: Namespace) -> int:
    from otsec.detect.fields import CATEGORIES

    rows = [(category, field) for category in CATEGORIES.values() for field in category.fields]
    style = style_of(arguments, options.configured(arguments).zone())
    write("fields", FIELDS, rows, style, sys.stdout)
    return 0


DOING: "dict[str, Callable[[Namespace], int]]" = {
    "list": _list,
    "show": _show,
    "check": _check,
    "test": _test,
    "run": _run,
    "fields": _fields,
}
