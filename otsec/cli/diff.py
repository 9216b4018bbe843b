"""``otsec diff``: what is new, gone or bigger between two stores, captures or periods."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from otsec.cli import listing, options
from otsec.cli.output import Column, Style, say, style_of, time_text, write
from otsec.cli.page import Page
from otsec.errors import InputError, UsageError

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.differences import Difference, Period, Side
    from otsec.store import Store

SHOWN = 15  # rows of a change of a section on the page; --json has all
SQLITE = b"SQLite format 3\0"
SECTIONS = (
    "findings",
    "assets",
    "facts",
    "conversations",
    "operations",
)  # as otsec.differences has them

EPILOG = """\
otsec diff before.db after.db            two stores
otsec diff monday.pcap tuesday.pcap      two captures, or folders of them, read for this alone
otsec diff --db site.db --from 2026-01-01..2026-01-07 --to 2026-01-08..2026-01-14
                                         two periods of one store; without --from all before --to

Exit code 0: nothing differs in the sections asked for; 1: something does.

Assets are the same where they share addresses. Facts are compared of assets that are on both
sides. Findings are compared as the rules of each side found them, whatever people decided of them;
captures are judged as `otsec analyze` does. bigger and smaller: the rate over the time captured differs by --factor and by more than
chance. The store keeps sums, so of periods it is only told what is new and what is gone.

columns (of --json, --jsonl and --csv):
{columns}
"""

COLUMNS = (
    Column("section", "section", about="findings, assets, facts, conversations or operations"),
    Column("change", "change", about="new, gone, changed, bigger or smaller"),
    Column("subject", "who", about="the asset, or client -> server"),
    Column(
        "what", "what", about="what is wrong, its addresses, the fact, the service, the operation"
    ),
    Column("before", "before", about="what was"),
    Column("after", "after", about="what is"),
    Column("time", "seen", "time", "first packet of what is new; last packet of what is gone"),
    Column("packet", "packet", "number", "its ordinal in the source"),
    Column("point", "point", about="its capture point"),
    Column("site", "site", about="the site"),
)
OF_PAGE = {  # columns of a change on the page
    "new": ("subject", "what", "after", "time"),
    "gone": ("subject", "what", "before", "time"),
    "changed": ("subject", "what", "before", "after", "time"),
    "bigger": ("subject", "what", "before", "after"),
    "smaller": ("subject", "what", "before", "after"),
}


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("sides", nargs="*", metavar="A B", help="stores or captures")
    options.store(parser)
    parser.add_argument("--from", dest="old", metavar="T..T", help="the period before")
    parser.add_argument("--to", dest="new", metavar="T..T", help="the period behind it")
    parser.add_argument("--only", metavar="A,B", help=f"only these sections: {', '.join(SECTIONS)}")
    parser.add_argument(
        "--factor", type=_factor, default=2.0, metavar="N", help="bigger: so many times (default 2)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N rows of each change")
    options.formats(parser)
    parser.epilog = EPILOG.format(columns="\n".join(map(listing._described, COLUMNS)))  # noqa: SLF001 - as all listings do


def _factor(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 1 < found < 1e9:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"expected a number above 1, found {text!a}")
    return found


def run(arguments: Namespace) -> int:
    """Print what differs; 1 if anything does."""
    from otsec.differences import differences

    sections = _sections(arguments.only)
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    before, after, names = _sides(arguments, config, style.zone)
    found = [one for one in differences(before, after, arguments.factor) if one.section in sections]
    if style.format == "table":
        _page(found, names, style, arguments.limit or SHOWN, quiet=bool(arguments.quiet))
    else:
        write("differences", COLUMNS, _limited(found, arguments.limit), style, sys.stdout)
    return 1 if found else 0


def _sections(text: str | None) -> Sequence[str]:
    if text is None:
        return SECTIONS
    wanted = text.split(",")
    for word in wanted:
        if word not in SECTIONS:
            hint = options.nearest(word, list(SECTIONS)) or f"; there are: {', '.join(SECTIONS)}"
            raise UsageError(f"--only: no section {word!a}{hint}")
    return wanted


def _limited(found: Sequence["Difference"], limit: int | None) -> Iterator["Difference"]:
    seen: Counter[tuple[str, str]] = Counter()
    for one in found:
        seen[one.section, one.change] += 1
        if limit is None or seen[one.section, one.change] <= limit:
            yield one


# ---------------------------------------------------------------------------------- sides

Names = tuple[str, str]
# what a device says as it starts may hold long after
CALLED = {("facts", "gone"): "not said again, which may hold still"}


def _sides(arguments: Namespace, config: "Config", zone: tzinfo) -> tuple["Side", "Side", Names]:
    from otsec.differences import side

    if arguments.old is None and arguments.new is None:
        if len(arguments.sides) != 2:
            raise UsageError("diff: name two stores or captures, or periods with --from and --to")
        told = []
        for name in arguments.sides:
            with _opened(Path(name), config) as store:
                told.append(side(store))
        return told[0], told[1], (arguments.sides[0], arguments.sides[1])
    if arguments.sides:
        raise UsageError("diff: periods are of the one store of --db; name no others")
    from otsec.store import open_store

    with open_store(config.store, readonly=True) as store:
        old, new = _periods(arguments, store, zone)
        names = tuple(
            f"{time_text(one.begin, zone)} to {time_text(one.end, zone)}" for one in (old, new)
        )
        return side(store, old), side(store, new), (names[0], names[1])


def _periods(arguments: Namespace, store: "Store", zone: tzinfo) -> tuple["Period", "Period"]:
    from otsec.differences import Period
    from otsec.store.queries import sources

    heard = [one for one in sources(store) if one.packets]
    if not heard:
        raise UsageError("diff: the store holds no packets")
    first, last = min(one.first_time for one in heard), max(one.last_time for one in heard)

    def period(text: str, option: str) -> Period:
        begin, dots, end = text.partition("..")
        if not dots:
            raise UsageError(f"{option} {text!a}: write two times with .. between them")
        found = Period(
            listing.moment(begin, zone, lambda: last) if begin else first,
            listing.moment(end, zone, lambda: last, at_end=True) if end else last,
        )
        if found.begin > found.end:
            raise UsageError(f"{option} {text!a}: it ends before it begins")
        return found

    if arguments.new is None:
        old = period(arguments.old, "--from")
        return old, Period(old.end + 1, max(last, old.end + 1))
    new = period(arguments.new, "--to")
    if arguments.old is None:
        return Period(min(first, new.begin - 1), new.begin - 1), new
    return period(arguments.old, "--from"), new


@contextmanager
def _opened(path: Path, config: "Config") -> Iterator["Store"]:
    """The store, or one made of captures and thrown away."""
    from otsec.store import open_store

    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_file():
        with path.open("rb") as file:
            kept = file.read(len(SQLITE)) == SQLITE
        if kept:
            with open_store(path, readonly=True) as store:
                yield store
            return
    with (
        TemporaryDirectory(prefix="otsec-diff-") as folder,
        open_store(Path(folder) / "read.db") as store,
    ):
        _read(store, path, config)
        yield store


def _read(store: "Store", path: Path, config: "Config") -> None:
    from otsec.detect.judging import judge
    from otsec.detect.loading import folders, load
    from otsec.pipeline import Options, Run, plan_sources

    reading = Run(store, config, Options(), lambda *_: None, lambda: False)
    for outcome in reading.read(plan_sources([path], None), named=False):
        if outcome.problem:
            say(f"otsec: {outcome.path}: {outcome.problem}")
    judge(store, load(folders(config.rules)).rules)


# ----------------------------------------------------------------------------------- page


def _page(
    found: Sequence["Difference"], names: Names, style: Style, most: int, *, quiet: bool
) -> None:
    page = Page(style, sys.stdout)
    if not found:
        if not quiet:
            say(f"nothing differs between {names[0]} and {names[1]}")
        return
    page.head("What differs")
    page.text(f"before: {names[0]}", "        ", "")
    page.text(f"after:  {names[1]}", "        ", "")
    known = {column.name: column for column in COLUMNS}
    kinds: dict[tuple[str, str], list[Difference]] = {}
    for one in found:
        kinds.setdefault((one.section, one.change), []).append(one)
    for (section, change), rows in kinds.items():
        page.head(f"{section.capitalize()}: {len(rows)} {CALLED.get((section, change), change)}")
        columns = [known[name] for name in OF_PAGE[change]]
        page.table(columns, rows[:most], len(rows), "the same with --json", ("time",))
