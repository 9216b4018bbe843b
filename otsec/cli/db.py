"""``otsec db``: the canonical text of a store, what it holds, whether it is sound, a copy of it."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import options
from otsec.cli.output import Column, Style, bytes_text, say, style_of, write

if TYPE_CHECKING:
    from otsec.store import Store
    from otsec.store.upkeep import Info


class Line(NamedTuple):
    """One thing to know of a store."""

    name: str
    value: str


LINE = (Column("name", "name", about="what"), Column("value", "value", about="how much"))
PROBLEM = (Column("problem", "problem", about="what is wrong", value=str),)
CAPTURES = (
    Column("path", "capture", about="where it lay when it was last read"),
    Column("packets", "packets", "number", "packets read from it"),
    Column("position", "read up to", "bytes", "uncompressed bytes read"),
    Column("complete", "complete", "flag", "read to its end"),
    Column("damage", "damage", about="what is wrong with the file"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, about in (
        ("dump", "write everything derived from packets as canonical text"),
        ("info", "versions, sizes, rows and captures"),
        ("check", "tell whether the store is sound"),
        ("backup", "copy the store to a new file, also while it is in use"),
    ):
        action = actions.add_parser(name, help=about, description=f"{about.capitalize()}.")
        options.store(action)
        options.common_again(action)
        action.set_defaults(parser=action)
        if name == "backup":
            action.add_argument("file", type=Path, metavar="FILE", help="the copy; must not exist")
        if name in {"info", "check"}:
            options.formats(action)


def run(arguments: Namespace) -> int:
    """Open the store and do what is asked."""
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        if arguments.action == "dump":
            return dump(store)
        if arguments.action == "backup":
            return backup(store, arguments.file)
        if arguments.action == "check":
            return check(store, style)
        return info(store, style)


def dump(store: "Store") -> int:
    """Print the canonical text."""
    from otsec.store.dump import dump as lines

    sys.stdout.writelines(f"{line}\n" for line in lines(store))
    return 0


def backup(store: "Store", path: Path) -> int:
    """Copy the store."""
    from otsec.store.upkeep import backup as copy

    copy(store, path)
    say(f"{store.path} copied to {path}")
    return 0


def check(store: "Store", style: Style) -> int:
    """Print what is wrong; the exit code tells whether anything is."""
    from otsec.errors import Exit
    from otsec.store.upkeep import check as problems

    found = problems(store)
    write("problems", PROBLEM, found, style, sys.stdout)
    if not found:
        say(f"{store.path}: sound")
    return Exit.STORAGE if found else Exit.FINE


def info(store: "Store", style: Style) -> int:
    """Print what the store is and holds."""
    from otsec.store.upkeep import info as told

    known = told(store)
    write("store", LINE, _lines(known), style, sys.stdout)
    if known.captures and style.format == "table":
        sys.stdout.write("\n")
        write("captures", CAPTURES, known.captures, style, sys.stdout)
    return 0


def _lines(known: "Info") -> list[Line]:
    return [
        Line("store", str(known.path)),
        Line("schema", f"{known.schema} (this otsec writes {known.newest})"),
        Line("SQLite", known.sqlite),
        Line("size", bytes_text(known.size_bytes)),
        Line("not yet moved in", bytes_text(known.wal_bytes)),
        Line("captures", str(len(known.captures))),
        *(Line(f"rows of {name}", str(count)) for name, count in known.rows.items()),
    ]
