"""``otsec baseline``: what is normal, how complete it is, what is risky in it, and who said so."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import listing, options
from otsec.cli.baseline_rows import (
    AUDIT,
    AUDIT_KEYS,
    DIFF,
    FILTERS,
    LIST,
    OF_AUDIT,
    OF_STATUS,
    SPARE,
    STATUS,
    STATUS_KEYS,
    Row,
    chosen,
    closed,
    passing,
)
from otsec.cli.output import Column, duration_text, say, time_text
from otsec.errors import InputError, UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from otsec.baseline.audit import Risk
    from otsec.baseline.learning import Baseline
    from otsec.baseline.model import Key, Thing
    from otsec.baseline.standing import Standing
    from otsec.detect.cases import Word
    from otsec.store import Store
    from otsec.store.baseline import Ended, Line
    from otsec.store.queries import Filter

    Rows = dict[Key, Row]

ACTIONS = {
    "status": "tell of each device how complete its baseline is, and what keeps it open",
    "learn": "learn what the store shows, and end learning where the evidence suffices",
    "audit": "list what is risky and about to become normal, worst first",
    "list": "list what is normal, and what was forgotten",
    "approve": "make things normal, by a named person",
    "forget": "take things out, by a named person; they are not learned again",
    "review": "take down that a named person looked for changes",
    "export": "write the baseline as text, a line a thing",
    "diff": "tell how a text, or what the store shows, differs from the baseline",
    "import": "take over a baseline from text, by a named person",
}
LISTINGS = frozenset({"status", "audit", "list", "diff"})
SAID = frozenset({"approve", "forget", "review", "import"})
MOST_BYTES = 256 << 20  # of a text; a million lines

EPILOGS = {
    "status": """\
A thing that was seen on one occasion only (within 8 hours) may be one of many that are rare. Of n1
such things in T days n1 / T new ones a day are to be expected, with 95 % confidence at most the
upper bound of a Poisson count over T. Learning of the surest devices ends, one after the other, as
long as the bound on all of them together stays within `alert_budget` (false alerts a day).
""",
    "approve": """\
THING is an id (`otsec baseline list`, `audit`), or a filter: all things that match are chosen.
A finding of the baseline may stand for the things that it tells of, by its id.
Program, mode and firmware are chosen only where their class or their id is named.
""",
    "forget": """\
THING is an id (`otsec baseline list`), or a filter: all things that match are chosen.
""",
    "export": """\
otsec baseline export -o baseline.txt && git diff baseline.txt
""",
    "diff": """\
Exit code 0: nothing differs; 1: something does. Counts and times are not compared.
""",
    "import": """\
Lines that are new or other are taken over as said by --by; with --replace lines that the text does
not have are forgotten. All lines are checked first.
""",
}
# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        if name in LISTINGS:
            columns, filters = SHAPES[name]
            listing.configure(action, columns, ())
            action.epilog = EPILOGS.get(name, "") + _filters(filters) + _columns(columns)
        else:
            options.store(action)
            action.epilog = EPILOGS.get(name, "") + (_filters(FILTERS) if name in CHOOSING else "")
        if name in SAID:
            action.add_argument("--by", metavar="WHO", help="who decides (default: the login name)")
            action.add_argument("--reason", metavar="TEXT", default="", help="why (must be told)")
        if name in MORE:
            MORE[name](action)


CHOOSING = frozenset({"approve", "forget"})


def _filters(filters: dict[str, str]) -> str:
    rows = "\n".join(f"  {key:<10} {about}" for key, about in filters.items())
    return f"\nfilters: KEY:VALUE, !KEY:VALUE for all others, TEXT anywhere; keys:\n{rows}\n"


def _columns(columns: Sequence[Column]) -> str:
    rows = "\n".join(map(listing._described, columns))  # noqa: SLF001 - as all listings do
    return (
        f"\ncolumns (those in brackets only with --columns, --json, --jsonl and --csv):\n{rows}\n"
    )


def _more_learn(action: ArgumentParser) -> None:
    action.add_argument(
        "--until",
        metavar="TIME",
        help="only what was seen by then (capture time), or 2d before the end",
    )


def _more_approve(action: ArgumentParser) -> None:
    action.add_argument("things", nargs="*", metavar="THING", help="ids or filters, see below")
    action.add_argument("--all", action="store_true", help="all that may be learned")
    action.add_argument("--until", metavar="TIME", help="it holds until then (capture time)")
    action.add_argument(
        "--complete", action="store_true", help="learning of the devices that it is about ends too"
    )


def _more_forget(action: ArgumentParser) -> None:
    action.add_argument("things", nargs="+", metavar="THING", help="ids or filters, see below")


def _more_export(action: ArgumentParser) -> None:
    action.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to this file")


def _more_diff(action: ArgumentParser) -> None:
    action.add_argument(
        "--with", dest="file", type=Path, metavar="FILE",
        help="compare with this text (default: with what the store shows)",
    )  # fmt: skip


def _more_import(action: ArgumentParser) -> None:
    action.add_argument("file", type=Path, metavar="FILE", help="the text; - is standard input")
    action.add_argument(
        "--replace", action="store_true", help="forget what is kept and not in the text"
    )


MORE: dict[str, Callable[[ArgumentParser], None]] = {
    "learn": _more_learn,
    "approve": _more_approve,
    "forget": _more_forget,
    "export": _more_export,
    "diff": _more_diff,
    "import": _more_import,
}
SHAPES: dict[str, tuple[Sequence[Column], dict[str, str]]] = {
    "status": (STATUS, OF_STATUS),
    "audit": (AUDIT, OF_AUDIT),
    "list": (LIST, FILTERS),
    "diff": (DIFF, FILTERS),
}


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return DOING[arguments.action](arguments)


# -------------------------------------------------------------------------------- listings


def _status(arguments: Namespace) -> int:
    config = options.configured(arguments, "db")

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Standing]":
        from otsec.baseline.learning import baseline
        from otsec.baseline.standing import standings

        found = standings(baseline(store), config.alert_budget)
        return passing(found, filters, STATUS_KEYS, lambda one: (one.ended, one.ended))

    code = listing.run(arguments, "baseline status", STATUS, tuple(OF_STATUS), query, SPARE)
    if not arguments.format and not arguments.quiet:
        budget = config.alert_budget
        say(f"budget: {budget} false alert{'' if budget == 1 else 's'} a day (alert_budget)")
    return code


def _audit(arguments: Namespace) -> int:
    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Risk]":
        from otsec.baseline.audit import audit
        from otsec.baseline.learning import baseline

        found = audit(store, baseline(store))
        return passing(found, filters, AUDIT_KEYS, lambda one: (one.first_time, one.last_time))

    return listing.run(arguments, "baseline audit", AUDIT, tuple(OF_AUDIT), query)


def _list(arguments: Namespace) -> int:
    def query(store: "Store", filters: "Sequence[Filter]") -> Sequence[Row]:
        from otsec.store.baseline import lines

        asked = any(one.field in {"how", "id"} for one in filters)
        rows = [Row(one, "", one.how) for one in lines(store) if asked or one.how != "forgotten"]
        return chosen(_ordered(rows), filters)

    return listing.run(arguments, "baseline", LIST, tuple(FILTERS), query, SPARE, closed=closed())


def _diff(arguments: Namespace) -> int:
    from otsec.errors import Exit

    met: list[Row] = []

    def query(store: "Store", filters: "Sequence[Filter]") -> Sequence[Row]:
        found = _against_text(store, arguments.file) if arguments.file else _against_store(store)
        met.extend(chosen(_ordered(found), filters))
        return met

    code = listing.run(
        arguments, "baseline diff", DIFF, tuple(FILTERS), query, SPARE, closed=closed()
    )
    return Exit.FINDINGS if met else code


def _against_text(store: "Store", path: Path) -> list[Row]:
    from otsec.baseline.learning import matter
    from otsec.store.baseline import lines

    told = {one.id: one for one in _read(path)[0]}
    mine = {one.id: one for one in lines(store) if one.how != "forgotten"}
    rows = [Row(one, "gone", one.how) for one in mine.values() if one.id not in told]
    for one in told.values():
        if one.id not in mine:
            rows.append(Row(one, "new", one.how))
        elif matter(one) != matter(mine[one.id]):
            rows.append(Row(one, "other", one.how))
    return rows


def _against_store(store: "Store") -> list[Row]:
    from otsec.baseline.learning import as_lines, baseline
    from otsec.baseline.model import NOVEL

    base = baseline(store)
    shown = as_lines(base)
    rows = []
    for key, one in shown.items():
        known = base.known.get(key)
        if known is None or known.how == "forgotten":
            rows.append(Row(one, "new", "new" if known is None else known.how))
        elif one.kind == "value" and one.detail != known.detail:
            rows.append(Row(one, "other", known.how))
    rows += [
        Row(known, "gone", known.how)
        for key, known in base.known.items()
        if key not in shown and key.kind in NOVEL and known.how != "forgotten"
    ]
    return rows


def _ordered(rows: Iterable[Row]) -> list[Row]:
    from otsec.baseline.model import KINDS
    from otsec.store.queries import address_key

    changes = ("new", "other", "gone", "")
    return sorted(
        rows,
        key=lambda row: (
            *(changes.index(row.change), row.line.site, row.line.group),
            *(address_key(row.line.server), address_key(row.line.client), row.line.place),
            *(KINDS.index(row.line.kind), row.line[6:13]),
        ),
    )


# --------------------------------------------------------------------------------- learning


def _learn(arguments: Namespace) -> int:
    from otsec.baseline.learning import learn
    from otsec.schedule.recorded import settings
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    zone = config.zone()
    with open_store(config.store, create=False) as store:
        settings(store, config)
        until = _moment(arguments.until, store, zone)
        told = learn(store, config.alert_budget, until)
    if not arguments.quiet:
        new = f"{told.new} new things, {len(told.lines) - told.new} seen again"
        say(new if told.lines else "nothing to learn: all that is seen is known or decided")
        for one in told.closed:
            _say_ended(one, zone)
    return 0


def _say_ended(one: "Ended", zone: "tzinfo") -> None:
    name = one.address or f"(devices of {one.group or one.site})"
    watched = duration_text(one.watched_ns // 1000)
    say(f"learning of {name} ended at {time_text(one.ended, zone)}: watched for {watched}, "
        f"{one.singles} things seen on one occasion only")  # fmt: skip


def _moment(text: str | None, store: "Store", zone: "tzinfo") -> int | None:
    from otsec.store.queries import sources

    if text is None:
        return None

    def newest() -> int:
        return max((source.last_time for source in sources(store)), default=0)

    return listing.moment(text, zone, newest, at_end=True)


# -------------------------------------------------------------------------------- deciding


def _approve(arguments: Namespace) -> int:
    from otsec.baseline.learning import approve

    if arguments.all is bool(arguments.things):
        raise UsageError("approve: name things by id or filter, or say --all")
    return _decide(
        arguments,
        lambda store, base, named, word, until: approve(
            store, base, named, word, until, end=arguments.complete
        ),
    )


def _forget(arguments: Namespace) -> int:
    from otsec.baseline.learning import forget

    arguments.all, arguments.until = False, None
    return _decide(
        arguments, lambda store, base, named, word, _until: forget(store, base, named, word)
    )


def _review(arguments: Namespace) -> int:
    """Nothing changes by it; controls ask how long ago somebody looked."""
    from otsec.baseline.kinds import ALL
    from otsec.cli.triage import word_of
    from otsec.controls.approvals import reviewed_baseline
    from otsec.detect.cases import cases
    from otsec.store import open_store
    from otsec.store.acts import record

    word = word_of(arguments)
    if not word.reason:
        raise UsageError("review: say what came of it with --reason")
    names = {kind.name for kind in ALL}
    with open_store(options.configured(arguments, "db").store, create=False) as store:
        still = sum(one.open for one in cases(store) if one.finding.name in names)
        record(store, [reviewed_baseline(word, still)])
    if not arguments.quiet:
        say(f"reviewed by {word.who}; {still} deviations open")
    return 0


Deciding = Callable[["Store", "Baseline", "Sequence[Thing | Line]", "Word", int], "Sequence[Line]"]


def _decide(arguments: Namespace, decide: Deciding) -> int:
    from otsec.baseline.learning import baseline
    from otsec.cli.triage import word_of
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    with open_store(config.store, create=False) as store:
        base = baseline(store)
        until = _moment(arguments.until, store, config.zone()) or 0
        named = _named(store, base, arguments)
        lines = decide(store, base, named, word, until)
    if not arguments.quiet:
        _tell(lines, word)
    return 0


def _named(store: "Store", base: "Baseline", arguments: Namespace) -> "list[Thing | Line]":
    """The things that ids and filters name; of those in the store the thing, else the line."""
    from otsec.baseline.learning import as_lines

    approving = arguments.action == "approve"
    rows = {key: Row(line, "", line.how) for key, line in base.known.items()}
    if approving:
        for key, line in as_lines(base).items():
            rows.setdefault(key, Row(line, "new", "new"))
    found, filters = _by_id(store, base, rows, arguments.things)
    if filters or arguments.all:
        found |= _by_filter(base, rows, filters, arguments)
    wanted = {"new", "learned", "imported", "approved"} | ({"forgotten"} if approving else set())
    found = {key: row for key, row in found.items() if row.how in wanted}
    if not found:
        raise UsageError(f"{arguments.action}: nothing matches; see `otsec baseline list`, `audit`")
    things = {thing.key: thing for thing in base.shown.things}
    return [things.get(key) or row.line for key, row in found.items()]


def _by_id(
    store: "Store", base: "Baseline", rows: "Rows", words: "Sequence[str]"
) -> "tuple[Rows, list[str]]":
    """The rows that words name by the id of a thing or of a finding, and all other words."""
    from otsec.baseline.explaining import things_of

    found: Rows = {}
    others: list[str] = []
    for word in words:
        ids = {key: row for key, row in rows.items() if row.line.id.startswith(word.casefold())}
        if ids and len(word) >= LEAST_ID:
            if len(ids) > 1:
                raise UsageError(f"{word!a} begins the ids of {len(ids)} things; write more of it")
            found.update(ids)
        elif ":" not in word and (met := things_of(store, base, word)):
            found.update((thing.key, rows[thing.key]) for thing in met)
        else:
            others.append(word)
    return found, others


def _by_filter(
    base: "Baseline", rows: "Rows", filters: "Sequence[str]", arguments: Namespace
) -> "Rows":
    """The rows that pass filters; what is guarded or barred is approved only by its class or id."""
    parsed = listing.parse_filters(filters, tuple(FILTERS), closed())
    passed = {id(row) for row in chosen(rows.values(), parsed)}
    found = {key: row for key, row in rows.items() if id(row) in passed}
    if arguments.action != "approve":
        return found
    if not any(one.field == "class" for one in parsed):
        found = {key: row for key, row in found.items() if not key.guarded}
    if arguments.all:
        found = {key: row for key, row in found.items() if key not in base.barred}
    return found


LEAST_ID = 4  # letters of an id


def _tell(lines: "Sequence[Line]", word: "Word") -> None:
    from otsec.baseline.words import described

    for one in lines[:SHOWN]:
        say(f"{one.id} {described(one)}: {one.how} (by {word.who})")
    if len(lines) > SHOWN:
        say(f"... and {len(lines) - SHOWN} more")


SHOWN = 10


# ------------------------------------------------------------------------------------ text


def _export(arguments: Namespace) -> int:
    from otsec.baseline.text import written
    from otsec.store import open_store
    from otsec.store.baseline import ended, lines

    config = options.configured(arguments, "db")
    with open_store(config.store, readonly=True) as store:
        told = list(written(lines(store), ended(store)))
    text = "".join(f"{line}\n" for line in told)
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, "utf-8")
    if len(told) == 1 and not arguments.quiet:
        say("nothing is learned yet: otsec baseline learn")
    return 0


def _read(path: Path) -> "tuple[list[Line], list[Ended]]":
    from otsec.baseline.text import read

    if str(path) == "-":
        return read(sys.stdin.read(MOST_BYTES), "-")
    try:
        with path.open(encoding="utf-8") as file:
            return read(file.read(MOST_BYTES), str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text in UTF-8") from None


def _import(arguments: Namespace) -> int:
    from otsec.baseline.learning import baseline, bring
    from otsec.cli.triage import word_of
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    lines, ends = _read(arguments.file)
    with open_store(config.store, create=False) as store:
        changed = bring(store, baseline(store), lines, ends, word, replace=arguments.replace)
    if not arguments.quiet:
        if changed:
            _tell(changed, word)
        else:
            say("nothing new")
    return 0


DOING: dict[str, Callable[[Namespace], int]] = {
    "status": _status,
    "learn": _learn,
    "audit": _audit,
    "list": _list,
    "approve": _approve,
    "forget": _forget,
    "review": _review,
    "export": _export,
    "diff": _diff,
    "import": _import,
}
