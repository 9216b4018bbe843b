"""``otsec change``: what was announced, what came of it, and what came unannounced."""

import csv
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from otsec.cli import listing, options
from otsec.cli.baseline_rows import Keys, passing
from otsec.cli.output import Column, say, time_text
from otsec.errors import InputError, UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from otsec.changes.linking import Standing
    from otsec.changes.records import Record, Sort
    from otsec.config import Config
    from otsec.detect.cases import Word
    from otsec.inventory.assembly import Inventory
    from otsec.store import Store
    from otsec.store.acts import ChangeAct
    from otsec.store.queries import Filter

    Rows = Sequence[tuple[int, Mapping[str, str]]]

ACTIONS = {
    "add": "announce a change: where, by whom, when, and what may happen",
    "list": "list what was announced, and what was seen of it",
    "close": "end it: what comes later is not announced",
    "import": "announce the changes of a table, as ticket systems write it",
}
ADD = """\
What is found at these devices in this time, and is allowed by the record in all that it is, becomes
a finding in the state `expected`, linked to the record. All else is told as ever: by another host,
at another device, of another class, or a minute late. Nothing that was seen in that time alone is
learned. --allow takes classes of operations (read, write, control, program, mode, firmware, config,
file, diagnose, browse, time, report, session), identity (a device says other numbers), module (a
device or module is new), conversation, internet, silence, or any.
"""
IMPORT = """\
FILE is CSV with a head: id, from, to, allow, and assets or zone; also hosts, by, reason. Lists are
separated by ;. Lines that say what is announced already are passed over, all lines are
checked first.
"""
CSV_COLUMNS = ("id", "assets", "zone", "from", "to", "allow", "hosts", "by", "reason")
MOST_ROWS = 10_000
MOST_TOLD = 20  # lines of mistakes

COLUMNS = (
    Column("id", "id", about="by which it was announced", value=lambda one: one.record.id),
    Column("sort", "what", about="change or maintenance", value=lambda one: one.record.sort),
    Column("stage", "is", about="planned, open, over or closed, by the capture's clock"),
    Column("seen", "came of it", about="seen, not seen, not captured (nobody listened), not yet"),
    Column("findings", "findings", "number", "that it explains: otsec findings --all change:ID"),
    Column("begin", "from", "time", "begin", value=lambda one: one.record.begin),
    Column("end", "to", "time", "end", value=lambda one: one.record.end),
    Column("where", "where", about="assets, zone, or the site", value=lambda one: _where(one.record)),
    Column("allowed", "allowed", "list", "what may happen", value=lambda one: one.record.allowed),
    Column("hosts", "from hosts", "list", "who may do it", value=lambda one: one.record.hosts),
    Column("who", "by", about="who announced it", value=lambda one: one.record.who),
    Column("reason", "why", about="why", value=lambda one: one.record.reason),
    Column("state", "state", about="of the plant meanwhile", detail=True,
           value=lambda one: one.record.state),
    Column("done", "done", "list", "operations seen in its time, of what it allows", detail=True),
    Column("site", "site", about="the site", detail=True, value=lambda one: one.record.site),
)  # fmt: skip
SPARE = ("hosts",)
NARROW = ("reason", "who", "sort", "allowed", "hosts", "findings")
FILTERS = {
    "id": "the record",
    "what": "change or maintenance",
    "is": "planned, open, over, closed",
    "seen": "seen, not seen, not captured, not yet",
    "asset": "asset or zone, as it was named",
    "allow": "what may happen",
    "by": "who announced it",
    "site": "the site",
}
KEYS: Keys = {
    "id": lambda one: (one.record.id,),
    "what": lambda one: (one.record.sort,),
    "is": lambda one: (one.stage,),
    "seen": lambda one: (one.seen,),
    "asset": lambda one: (_where(one.record), *one.record.assets),
    "allow": lambda one: one.record.allowed,
    "by": lambda one: (one.record.who,),
    "site": lambda one: (one.record.site,),
}


def _where(record: "Record") -> str:
    return record.zone or ", ".join(record.assets) or "the site"


# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    actions(parser, ACTIONS, MORE)


def actions(
    parser: ArgumentParser,
    told: Mapping[str, str],
    more: Mapping[str, Callable[[ArgumentParser], None]],
) -> None:
    """The actions of changes, or of maintenance."""
    for name, action in options.actions(parser, told):
        if name == "list":
            listing.configure(action, COLUMNS, ())
            action.epilog = listing.epilog(COLUMNS, FILTERS)
            continue
        options.store(action)
        action.add_argument("--by", metavar="WHO", help="who says so (default: the login name)")
        action.add_argument("--reason", metavar="TEXT", default="", help="why (must be told)")
        more[name](action)


def _more_add(action: ArgumentParser) -> None:
    action.add_argument("id", metavar="ID", help="the number of the change, CHG-4711")
    action.add_argument(
        "--allow", metavar="A,B,...", required=True, help="what may happen, see below"
    )
    place(action)
    times(action, needed=True)
    action.epilog = ADD


def place(action: ArgumentParser) -> None:
    """``--asset`` or ``--zone``, and ``--host``."""
    where = action.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--asset", action="append", metavar="NAME", help="asset by id, name or address; repeatable"
    )
    where.add_argument("--zone", metavar="NAME", help="a zone of the policy that otsec.yaml names")
    where.add_argument("--everywhere", action="store_true", help="the whole site")
    action.add_argument(
        "--state", metavar="NAME", default="", help="the plant is in this state meanwhile: cleaning"
    )
    action.add_argument(
        "--host", action="append", metavar="NAME", default=[],
        help="only what these hosts do (default: whoever does it); repeatable",
    )  # fmt: skip


def times(action: ArgumentParser, *, needed: bool) -> None:
    """``--from`` and ``--to``."""
    now = "" if needed else " (default: now)"
    action.add_argument(
        "--from", dest="begin", metavar="TIME", required=needed, help=f"2026-01-31T08:00{now}"
    )
    action.add_argument("--to", dest="end", metavar="TIME", required=True, help="a date: its end")


def more_close(action: ArgumentParser) -> None:
    """What closing takes."""
    action.add_argument("id", metavar="ID", help="of the record")
    action.add_argument("--at", metavar="TIME", help="when it ended (default: now)")


def _more_import(action: ArgumentParser) -> None:
    action.add_argument("file", type=Path, metavar="FILE", help="the table")
    action.epilog = IMPORT


MORE = {"add": _more_add, "close": more_close, "import": _more_import}


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return DOING[arguments.action](arguments)


# --------------------------------------------------------------------------------- listing


def listed(arguments: Namespace, sort: "Sort | None" = None) -> int:
    """List the records, all or those of one sort."""
    from otsec.changes.linking import Seen, Stage
    from otsec.changes.records import Sort

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Standing]":
        from otsec.changes.linking import standings
        from otsec.changes.records import records

        wanted = [one for one in records(store) if sort in {None, one.sort}]
        return passing(
            standings(store, wanted), filters, KEYS, lambda one: (one.record.begin, one.record.end)
        )

    closed = {"what": get_args(Sort), "is": get_args(Stage), "seen": get_args(Seen)}
    code = listing.run(arguments, "changes", COLUMNS, tuple(FILTERS), query, SPARE, NARROW, closed)
    if not arguments.format and not arguments.quiet:
        _tell_unlinked(arguments)
    return code


def _tell_unlinked(arguments: Namespace) -> None:
    from otsec.detect.cases import UNLINKED
    from otsec.store import open_store
    from otsec.store.changes import links

    config = options.configured(arguments, "db")
    with open_store(config.store, readonly=True) as store:
        lone = sum(change == UNLINKED for change in links(store).values())
    if lone:
        are = "finding tells" if lone == 1 else "findings tell"
        say(f"{lone} {are} of a change that nobody announced: otsec findings change:unlinked")


# ------------------------------------------------------------------------------- announcing


class Asked(NamedTuple):
    """A record as it was asked for, in words."""

    id: str
    assets: tuple[str, ...]
    zone: str
    begin: str
    end: str
    allowed: tuple[str, ...]
    hosts: tuple[str, ...]
    who: str
    reason: str
    state: str = ""


def _add(arguments: Namespace) -> int:
    return announce(arguments, "change", arguments.id, arguments.allow.split(","))


def announce(arguments: Namespace, sort: "Sort", name: str, allowed: Sequence[str]) -> int:
    """Announce what the arguments say."""
    from otsec.changes.records import records
    from otsec.cli.triage import word_of
    from otsec.inventory.assembly import inventory
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    asked = Asked(
        name,
        tuple(arguments.asset or ()),
        arguments.zone or "",
        arguments.begin or "",
        arguments.end,
        tuple(allowed),
        tuple(arguments.host),
        word.who,
        word.reason,
        arguments.state,
    )
    with open_store(config.store, create=False) as store:
        made = _record(asked, sort, config, inventory(store), word)
        _keep(store, records(store), [made], word, "change-add")
        _tell(store, [made], config.zone(), quiet=arguments.quiet)
    return 0


def _record(
    asked: Asked, sort: "Sort", config: "Config", found: "Inventory", word: "Word"
) -> "Record":
    from otsec.changes import naming
    from otsec.changes.records import Record, checked_allowed
    from otsec.cli.analyze import site_policy

    zone = config.zone()
    meant = naming.of_assets(found, asked.assets)
    if asked.zone:
        policy = site_policy(config)
        if policy is None:
            raise UsageError("--zone: otsec.yaml names no policy whose zones could be meant")
        meant = naming.of_zone(found, policy, asked.zone)
    sites = {node.site for node in meant.nodes} or {config.site}
    if len(sites) > 1:
        raise UsageError(f"{asked.id}: these assets are of several sites; announce one each")
    return Record(
        asked.id,
        sort,
        sites.pop(),
        asked.assets,
        asked.zone,
        *meant,
        naming.hosts(found, asked.hosts),
        checked_allowed(asked.allowed),
        _moment(asked.begin, zone) if asked.begin else word.time,
        _moment(asked.end, zone, at_end=True),
        asked.who,
        asked.reason,
        asked.state.strip(),
    )


def _moment(text: str, zone: "tzinfo", *, at_end: bool = False) -> int:
    def newest() -> int:
        raise UsageError(f"{text!a}: a change wants a time of the calendar, 2026-01-31T08:00")

    return listing.moment(text, zone, newest, at_end=at_end)


def _keep(
    store: "Store",
    known: "Sequence[Record]",
    made: "Sequence[Record]",
    word: "Word",
    kind: "ChangeAct",
) -> None:
    from otsec.changes.linking import link
    from otsec.changes.records import added
    from otsec.store.acts import record

    record(store, added(known, made, word, kind))
    link(store)


def _tell(store: "Store", made: "Sequence[Record]", zone: "tzinfo", *, quiet: bool) -> None:
    from collections import Counter

    from otsec.store.changes import links

    often = Counter(links(store).values())
    for one in [] if quiet else made[:MOST_TOLD]:
        span = f"{time_text(one.begin, zone)} to {time_text(one.end, zone)}"
        explains = f"; findings that it explains: {often[one.id]}" if often[one.id] else ""
        say(f"{one.id}: {_where(one)}, {span}, {', '.join(one.allowed)}{explains}")
    if len(made) > MOST_TOLD and not quiet:
        say(f"... and {len(made) - MOST_TOLD} more")


def close(arguments: Namespace) -> int:
    """End a record."""
    from otsec.changes.linking import link
    from otsec.changes.records import closed, records
    from otsec.cli.triage import word_of
    from otsec.store import open_store
    from otsec.store.acts import record

    config = options.configured(arguments, "db")
    zone = config.zone()
    word = word_of(arguments)
    at = word.time if arguments.at is None else _moment(arguments.at, zone, at_end=True)
    with open_store(config.store, create=False) as store:
        record(store, [closed(records(store), arguments.id, at, word)])
        link(store)
        (one,) = [r for r in records(store) if r.id.casefold() == arguments.id.casefold()]
    if not arguments.quiet:
        say(f"{one.id} ends at {time_text(one.end, zone)} (by {word.who})")
    return 0


# ------------------------------------------------------------------------------- from a table


def _import(arguments: Namespace) -> int:
    from otsec.cli.triage import word_of
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    rows = rows_of(arguments.file)
    with open_store(config.store, create=False) as store:
        made = take_in(store, arguments.file, rows, config, word)
        _tell(store, made, config.zone(), quiet=arguments.quiet)
    if not arguments.quiet and len(made) < len(rows):
        say(f"{len(rows) - len(made)} of {len(rows)} were announced before")
    return 0


def take_in(
    store: "Store", path: Path, rows: "Rows", config: "Config", word: "Word"
) -> "list[Record]":
    """Announce the rows of a table that are not announced; names stand for who is there now.

    Raises UsageError naming every wrong line.
    """
    from otsec.changes.records import records
    from otsec.inventory.assembly import inventory

    known = records(store)
    found = inventory(store)

    def read(row: Mapping[str, str]) -> "Record":
        return _record(_asked(row, word), "change", config, found, word)

    made = _new(path, rows, known, read, word)
    _keep(store, known, made, word, "change-import")
    return made


def _new(
    path: Path,
    rows: "Rows",
    known: "Sequence[Record]",
    read: "Callable[[Mapping[str, str]], Record]",
    word: "Word",
) -> "list[Record]":
    """The records of a table that are not announced; raises UsageError naming every wrong line."""
    from otsec.changes.records import added, same

    by_id = {one.id.casefold(): one for one in known}
    made: list[Record] = []
    wrong: list[str] = []
    for line, row in rows:
        try:
            one = read(row)
            before = by_id.get(one.id.casefold())
            if before is None or not same(one, before):
                added([*known, *made], [one], word, "change-import")
                made.append(one)
        except UsageError as error:
            wrong.append(f"{path}:{line}: {error}")
    if wrong:
        more = [f"... and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else []
        raise UsageError("\n".join([*wrong[:MOST_TOLD], *more]))
    return made


def _asked(row: Mapping[str, str], word: "Word") -> Asked:
    """A line of the table, in words. Raises UsageError if it lacks what it must tell."""
    cells = {name: row.get(name, "") for name in CSV_COLUMNS}
    lacking = [name for name in ("id", "from", "to", "allow") if not cells[name]]
    if lacking:
        raise UsageError(f"nothing in {', '.join(lacking)}")
    if bool(cells["assets"]) is bool(cells["zone"]):
        raise UsageError("assets or zone must tell where, and not both")
    return Asked(
        cells["id"],
        tuple(name.strip() for name in cells["assets"].split(";") if name.strip()),
        cells["zone"],
        cells["from"],
        cells["to"],
        tuple(cells["allow"].replace(";", " ").replace(",", " ").split()),
        tuple(name.strip() for name in cells["hosts"].split(";") if name.strip()),
        cells["by"] or word.who,
        cells["reason"] or word.reason,
    )


def rows_of(path: Path) -> "Rows":
    """The lines of a table with their numbers; cells by column. Raises InputError, UsageError."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    from otsec.cli.register import plain

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip().casefold() for name in next(reader, [])]
            for name in head:
                if name not in CSV_COLUMNS:
                    hint = options.nearest(name, [*CSV_COLUMNS])
                    told = hint or f"; it takes {', '.join(CSV_COLUMNS)}"
                    raise UsageError(f"{path}:1: no column {name!a}{told}")
            for row in reader:
                if reader.line_num > MOST_ROWS:
                    raise InputError(f"{path}: has more than {MOST_ROWS} lines")
                if len(row) > len(head):
                    told = f"{len(row)} cells, but {len(head)} columns"
                    raise InputError(f"{path}:{reader.line_num}: {told}")
                if any(row):
                    cells = [plain(cell.strip()) for cell in row]
                    yield reader.line_num, dict(zip(head, cells, strict=False))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV in UTF-8 ({error})") from error


DOING: dict[str, Callable[[Namespace], int]] = {
    "add": _add,
    "list": listed,
    "close": close,
    "import": _import,
}
