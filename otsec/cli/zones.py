"""``otsec zones``: who talks to whom by zones, as a matrix or a Purdue diagram."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from otsec.cli import options, policy
from otsec.cli.harmless import harmless, width
from otsec.cli.output import Column, Style, style_of, write
from otsec.cli.page import Page

if TYPE_CHECKING:
    from otsec.policy.matrix import Cell, Matrix
    from otsec.policy.model import Policy

EPILOG = """\
A cell tells the flows of the worst kind: 3! violated, 2? could not be read, 7 allowed, (1) conduits
that nobody used. Rows begin, columns answer. --svg and --mermaid write a picture."""

COLUMNS = (
    Column("from", "from", about="zone of who begins", value=lambda cell: cell.source),
    Column("to", "to", about="zone of who answers", value=lambda cell: cell.target),
    Column("state", "state", about="violated, undecoded, allowed or unused: the worst"),
    Column("allowed", "allowed", "number", "flows that are allowed"),
    Column("violated", "violated", "number", "flows that are denied, or of unknown ends"),
    Column("undecoded", "undecoded", "number", "flows that could not be read"),
    Column("exchanges", "exchanges", "number", "exchanges of all of them"),
    Column("used", "used", "list", "conduits that were used", value=lambda cell: sorted(cell.used)),
    Column("unused", "unused", "list", "that were not", value=lambda cell: sorted(cell.unused)),
    Column(
        "violating",
        "violated by",
        "list",
        "protocols and classes of what is violated",
        value=lambda cell: sorted(cell.violating),
    ),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    options.store(parser)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--svg", choices=("matrix", "purdue"), help="a picture: the matrix, or zones by level"
    )
    choice.add_argument("--mermaid", action="store_true", help="zones by level as Mermaid text")
    policy.into(parser)
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Judge the store, and show it by zones."""
    from otsec.policy import drawing
    from otsec.policy.matrix import matrix
    from otsec.store import open_store

    chosen = policy.loaded(arguments.file)
    config = options.configured(arguments, "db")
    style = style_of(arguments, chosen.zone)
    with open_store(config.store, readonly=True) as store:
        made = matrix(chosen, policy.verdicts(store, chosen))
    if arguments.svg:
        draw = {"matrix": drawing.matrix_svg, "purdue": drawing.purdue_svg}[arguments.svg]
        policy.give(arguments, draw(chosen, made))
    elif arguments.mermaid:
        policy.give(arguments, drawing.purdue_mermaid(chosen, made))
    elif style.format != "table":
        write("zones", COLUMNS, [made.cells[key] for key in sorted(made.cells)], style, sys.stdout)
    else:
        _tell(chosen, made, style)
    return 0


# --------------------------------------------------------------------------------- people


class Crossed(NamedTuple):
    """One pair of zones in the list below the matrix."""

    source: str
    target: str
    told: str


CROSSED = (Column("source", "from"), Column("target", "to"), Column("told", "what"))


def _tell(judged_by: "Policy", made: "Matrix", style: Style) -> None:
    page = Page(style, sys.stdout)
    page.head(f"Zones of {judged_by.site} (rows begin, columns answer)")
    _table(made, style)
    cells = [made.cells[key] for key in sorted(made.cells)]
    for heading, rows in (
        ("Violated:", [Crossed(c.source, c.target, _violated(c)) for c in cells if c.violated]),
        (
            "Conduits that nobody used:",
            [Crossed(c.source, c.target, ", ".join(sorted(c.unused))) for c in cells if c.unused],
        ),
    ):
        if rows:
            page.head(heading)
            page.table(CROSSED, rows, len(rows))


def _violated(cell: "Cell") -> str:
    shown = sorted(cell.violating)
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
    return f"{cell.violated} flows: {', '.join(shown[:6])}{more}"


def _table(made: "Matrix", style: Style) -> None:
    """The matrix itself; too wide a one has numbers in place of the names above it."""
    names = [harmless(name) for name in made.names]
    texts = [[_sign(made.cells.get((one, other))) for other in made.names] for one in made.names]
    longest = max(map(width, names), default=0)
    heads = names
    if style.columns and longest + sum(max(width(name), 4) + 2 for name in names) > style.columns:
        heads = [str(n) for n in range(1, len(names) + 1)]
        names = [f"{n} {name}" for n, name in enumerate(names, 1)]
        longest = max(map(width, names), default=0)
    wide = [max(width(head), *(len(row[n]) for row in texts), 3) for n, head in enumerate(heads)]
    lines = [["", *heads], *([name, *row] for name, row in zip(names, texts, strict=True))]
    for line in lines:
        first = line[0] + " " * (longest - width(line[0]))
        rest = "  ".join(
            " " * (size - width(text)) + text for text, size in zip(line[1:], wide, strict=True)
        )
        sys.stdout.write(f"{first}  {rest}".rstrip() + "\n")


def _sign(cell: "Cell | None") -> str:
    state = cell.state if cell is not None else ""
    if cell is None or not state:
        return "."
    return {
        "violated": f"{cell.violated}!",
        "undecoded": f"{cell.undecoded}?",
        "allowed": f"{cell.allowed}",
        "unused": f"({len(cell.unused)})",
    }[state]
