"""What all listings share: filters, the span of time, columns, order, and the way out.

A filter is a word ``KEY:VALUE`` (or ``KEY=VALUE``, which a shell leaves alone when it begins with
``!``); ``!KEY:VALUE`` and ``KEY!=VALUE`` turn it round; a word without a key is looked for in all
texts of a row.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, write
from otsec.cli.page import fitting
from otsec.errors import UsageError
from otsec.nanoseconds import SECOND_NS

if TYPE_CHECKING:
    from otsec.store import Store
    from otsec.store.queries import Filter

    Query = Callable[[Store, Sequence[Filter]], Sequence[object]]

Closed: TypeAlias = Mapping[str, Sequence[str]]  # by key of a filter: all words that rows can have

WHERE_SEEN = (  # the last columns of every listing
    Column("site", "site", about="site of the tap", detail=True),
    Column("group", "group", about="group of points that see the same network", detail=True),
    Column("point", "point", about="capture point that saw most of it", detail=True),
    Column("interface", "interface", about="interface of the capture", detail=True),
    Column("witnesses", "witnesses", "list", "other points that saw it", detail=True),
)
FILTERS = {  # every key that some listing takes
    "site": "the site's name",
    "group": "the point group",
    "point": "the capture point",
    "interface": "the interface of the capture",
    "vlan": "the VLAN (place): 10, 100.10, vni 5000",
    "client": "address or network of who asks",
    "server": "address or network of who answers",
    "host": "address or network of either",
    "service": "tcp/502, udp/53, 0x88b8",
    "proto": "the protocol, modbus",
    "device": "the device behind the address, unit 3",
    "op": "the operation, write_single_register",
    "class": "read, write, control, program, ...",
    "object": "the object; a range matches what it overlaps: holding 100-109",
    "outcome": "ok, or how it failed",
    "kind": "block, program or file",
    "name": "the name of what was transferred; *.bin",
    "direction": "to_server or from_server",
    "sha256": "its hash, or how it begins: 05a4*",
    "reason": "why it is incomplete; reason: without a word: it is complete",
}
FOR_CONVERSATIONS = (
    *("proto", "client", "server", "host", "service", "vlan"),
    *("point", "group", "site", "interface"),
)
FOR_BEHAVIOURS = ("class", "op", "object", "device", "outcome", *FOR_CONVERSATIONS)

FOR_CONTENTS = ("kind", "name", "direction", "sha256", "reason", "device", *FOR_CONVERSATIONS)

ALIASES = {"protocol": "proto", "operation": "op", "place": "vlan"}  # the columns' names

EPILOG = """\
filters: KEY:VALUE or KEY=VALUE; !KEY:VALUE or KEY!=VALUE for all others; TEXT anywhere in a row.
Several filters must all hold; * in a value stands for anything. Keys:
{filters}

columns (those in brackets only with --columns, --json, --jsonl and --csv):
{columns}
"""

FIRST_NS, LAST_NS = -(1 << 63), (1 << 63) - 1  # what a column of the store holds
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser, columns: Sequence[Column], keys: Sequence[str]) -> None:
    """The arguments that every listing takes."""
    parser.add_argument(
        "filter", nargs="*", metavar="FILTER", help="only rows that match, see below"
    )
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="only this site")
    parser.add_argument(
        "-S",
        "--since",
        metavar="TIME",
        help="only what was still seen then: 2026-01-31T08:00, a date, or 2h before the last packet",
    )
    parser.add_argument(
        "-U", "--until", metavar="TIME", help="only what was seen by then; a date means its end"
    )
    parser.add_argument("--sort", metavar="COLUMN", help="numbers and times: greatest first")
    parser.add_argument("--reverse", action="store_true", help="turn the order round")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N rows")
    parser.add_argument("--columns", metavar="A,B,...", help="these columns, or `all`")
    options.formats(parser)
    parser.epilog = epilog(columns, {key: FILTERS[key] for key in keys})


def epilog(columns: Sequence[Column], filters: Mapping[str, str]) -> str:
    """What stands below the arguments of a listing: its filters and its columns."""
    told = "\n".join(f"  {key:<10} {about}" for key, about in filters.items())
    return EPILOG.format(filters=told, columns="\n".join(map(_described, columns)))


def _described(column: Column) -> str:
    name = f"[{column.name}]" if column.detail else column.name
    return f"  {name:<20} {column.about or column.title}"


# ------------------------------------------------------------------------------- running


def run(
    arguments: Namespace,
    kind: str,
    columns: Sequence[Column],
    keys: Sequence[str],
    query: "Query",
    spare: Sequence[str] = (),
    narrow: Sequence[str] = (),
    closed: Closed = MappingProxyType({}),
) -> int:
    """Print what a query gives; `kind` names the rows in JSON.

    ``spare``: columns that a table leaves out where no row has anything in them; ``narrow``: those
    that it leaves out, in this order, where the terminal is too narrow; ``closed``: what filters
    can be asked for, where that is a closed list.
    """
    from otsec.store import open_store

    told = chosen(arguments, columns)
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        filters = [
            *parse_filters(arguments.filter, keys, closed),
            *span(arguments, store, style.zone),
            *_at(arguments.site),
        ]
        rows = arranged(query(store, filters), arguments, columns)
        tell = not rows and style.format == "table" and not arguments.quiet
        hint = _meant(store, filters) if tell else ""
    shown = rows[: arguments.limit]
    columns = filled(arguments, told, shown, spare)
    if not arguments.format and not arguments.columns:
        columns = fitting(columns, shown, style, narrow)
    write(kind, columns, shown, style, sys.stdout)
    if tell:
        say(f"nothing in {config.store} matches{hint}" if filters else f"{config.store} holds none")
    return 0


def _meant(store: "Store", filters: "Sequence[Filter]") -> str:
    """What may have been meant by a value that the store does not hold."""
    from otsec import protocols
    from otsec.store.filters import is_one_of, nearest
    from otsec.store.selects import values_of

    for one in filters:
        if one.negated or not one.value:
            continue
        known = values_of(store, one.field)
        if one.field == "proto":
            known = [*known, *(protocol.name for protocol in protocols.PROTOCOLS)]
        if not is_one_of(one.value, known) and (near := nearest(one.value, known)):
            return f"; did you mean {one.field}:{near}?"
    return ""


def show(arguments: Namespace, kind: str, columns: Sequence[Column], rows: Sequence[object]) -> int:
    """Print rows that come from no store."""
    shown = chosen(arguments, columns)
    style = style_of(arguments, options.configured(arguments).zone())
    write(kind, shown, arranged(rows, arguments, columns)[: arguments.limit], style, sys.stdout)
    return 0


def chosen(arguments: Namespace, columns: Sequence[Column]) -> Sequence[Column]:
    """The columns to show: a table shows the main ones, other formats all."""
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: expected a number of at least 1")
    if arguments.sort is not None:
        _column(arguments.sort, columns, "--sort")
    if arguments.columns is None:
        return [column for column in columns if arguments.format or not column.detail]
    if arguments.columns == "all":
        return columns
    return [_column(name, columns, "--columns") for name in arguments.columns.split(",")]


def filled(
    arguments: Namespace, columns: Sequence[Column], rows: Sequence[object], spare: Sequence[str]
) -> Sequence[Column]:
    """The columns of a table without the spare ones that are empty; nobody asked for them."""
    if arguments.format or arguments.columns:
        return columns
    return [
        column
        for column in columns
        if column.name not in spare or any(column.of(row) not in NOTHING for row in rows)
    ]


NOTHING = (None, "", ())


def _column(name: str, columns: Sequence[Column], option: str) -> Column:
    known = {column.name: column for column in columns}
    if name not in known:
        hint = options.nearest(name, list(known)) or f"; there are: {', '.join(known)}"
        raise UsageError(f"{option}: no column {name!a}{hint}")
    return known[name]


def arranged(
    rows: Sequence[object], arguments: Namespace, columns: Sequence[Column]
) -> Sequence[object]:
    """The rows in the order asked for, else in the order of the query."""
    if arguments.sort is None:
        return list(reversed(rows)) if arguments.reverse else rows
    column = _column(arguments.sort, columns, "--sort")
    greatest_first = column.kind not in {"text", "list"}
    known = [row for row in rows if column.of(row) is not None]
    known.sort(
        key=lambda row: natural(column.of(row)), reverse=greatest_first is not arguments.reverse
    )
    return [*known, *(row for row in rows if column.of(row) is None)]


def natural(value: Any) -> Any:
    """A sort key in which numbers within text count as numbers: ``unit 2`` before ``unit 10``."""
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    parts = re.split(r"([0-9]+)", value.casefold())
    return [(part, 0) if n % 2 == 0 else ("", int(part)) for n, part in enumerate(parts)]


# ------------------------------------------------------------------------------- filters

_FILTER = re.compile(r"(!?)([A-Za-z_]+)(!?)[:=](.*)", re.DOTALL)


def parse_filters(
    words: Sequence[str], keys: Sequence[str], closed: Closed = MappingProxyType({})
) -> "list[Filter]":
    """The filters that the words mean; raises UsageError naming a key, or a word, that is none."""
    from otsec.model import CLASSES

    return [_filter(word, keys, {"class": CLASSES, **closed}) for word in words]


def _filter(word: str, keys: Sequence[str], closed: Closed) -> "Filter":
    from otsec.store.filters import Filter, one_of

    found = _FILTER.fullmatch(word)
    if found is None:
        negated = word.startswith("!")
        return Filter("text", word[negated:], negated)
    before, key, behind, value = found.groups()
    key = ALIASES.get(key, key)
    if key not in keys and key != "text":
        hint = options.nearest(key, [*keys]) or f"; there are: {', '.join(keys)}"
        raise UsageError(f"no filter {key!a}{hint} (write text:{word} to look for it anywhere)")
    one_of(key, value, closed.get(key, ()))
    return Filter(key, value, bool(before) is not bool(behind))


def _at(site: str | None) -> "list[Filter]":
    from otsec.store.queries import Filter

    return [] if site is None else [Filter("site", site)]


# ------------------------------------------------------------------------------- time


def span(arguments: Namespace, store: "Store", zone: tzinfo) -> "list[Filter]":
    """The filters of ``--since`` and ``--until``."""
    from otsec.store.queries import Filter, sources

    def newest() -> int:
        return max((source.last_time for source in sources(store)), default=0)

    given: Mapping[str, str | None] = {"since": arguments.since, "until": arguments.until}
    return [
        Filter(key, str(moment(text, zone, newest, at_end=key == "until")))
        for key, text in given.items()
        if text is not None
    ]


def deadline(text: str, zone: tzinfo, now: int) -> int:
    """Until when something holds, in ns: a day to its end, a time, or a span from now such as 30d.

    Raises UsageError, also for what is over.
    """
    from otsec.store.ends import LAST

    try:
        if length := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
            at = now + int(length[1]) * UNITS_S[length[2]] * SECOND_NS
        else:
            at = _moment(text, zone, lambda: 0, at_end=True) + 1
    except UsageError:
        at = 0
    if not 0 < at <= LAST:
        raise UsageError(
            f"{text!a} is no time to come; write 2027-01-31, 2027-01-31T18:00, or from now: 12h 30d 8w"
        )
    if at <= now:
        raise UsageError(f"{text} is over already")
    return at


def moment(text: str, zone: tzinfo, newest: Callable[[], int], *, at_end: bool = False) -> int:
    """A time in ns: ISO 8601 (in the zone, if it has no offset), or an age such as ``2h``.

    An age counts back from the newest packet. A date is its first instant; at_end: its last.
    Raises UsageError for what is no time, and for what 64 bits of ns cannot hold: no packet has it.
    """
    ns = _moment(text, zone, newest, at_end=at_end)
    if not FIRST_NS <= ns <= LAST_NS:
        raise UsageError(f"{text!a} is out of range: times are told from 1678 to 2261")
    return ns


def _moment(text: str, zone: tzinfo, newest: Callable[[], int], *, at_end: bool) -> int:
    if age := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
        return newest() - int(age[1]) * UNITS_S[age[2]] * SECOND_NS
    fraction = re.search(r"(?<=[:0-9][0-9])[.,]([0-9]{1,9})(?=[+\-Z]|$)", text)
    if "W" in text:  # a week is neither a day nor a time: its end would be a Monday's begin
        raise _no_time(text)
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    try:
        when = datetime.fromisoformat(whole)
        if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text) and at_end:
            when = datetime.combine(when.date() + timedelta(days=1), time())
        if when.tzinfo is None:
            when = when.replace(tzinfo=zone)
        seconds = int(when.timestamp())
    except (ValueError, OverflowError):
        raise _no_time(text) from None
    nanoseconds = int(fraction[1].ljust(9, "0")) if fraction else 0
    ends_day = at_end and "T" not in text and " " not in text
    return seconds * SECOND_NS + nanoseconds - (1 if ends_day else 0)


def _no_time(text: str) -> UsageError:
    return UsageError(
        f"{text!a} is no time; write 2026-01-31T08:00, 2026-01-31, or an age: 90s 15m 2h 7d"
    )
