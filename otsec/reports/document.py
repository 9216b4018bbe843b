"""One report as data: sections of paragraphs, key figures, tables, drawings and cards.

A kind of report gathers a `Document`; a format writes it. Times are ns since 1970 UTC, shares are
between 0 and 1, lengths of time are in microseconds. A document is a value: the same store and the
same period give an equal one, and its id is a hash of all that it says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, TypeAlias, cast

from otsec.reports.drawing import Flow, Node

Cell: TypeAlias = str | int | float | tuple[str, ...] | None
CellKind: TypeAlias = Literal[
    "text", "list", "number", "bytes", "time", "duration", "share", "tag", "level"
]
NUMERIC: frozenset[CellKind] = frozenset({"number", "bytes", "duration", "share", "level"})
WITH_TEXT: frozenset[CellKind] = frozenset({"text", "list", "tag"})
Tlp: TypeAlias = Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]
TLPS: tuple[Tlp, ...] = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")  # FIRST, TLP 2.0
Tone: TypeAlias = Literal[
    "critical", "high", "medium", "low", "informational", "good", "warn", "bad", "unknown", "plain"
]
AT_ONCE = 10_000  # rows of which the columns stand beside them
MOST_ROWS = 500  # of a table that people read; JSON, CSV and XLSX have all


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    title: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A number that stands at the top, and what it was in the last report."""

    name: str
    value: float | None  # None: not known, and `about` says why
    about: str
    grave: bool = False
    kind: CellKind = "number"
    last: float | None = None  # None: there is no last report, or it did not know


@dataclass(frozen=True, slots=True)
class Keys:
    """The key figures."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    title: str
    kind: CellKind = "text"
    detail: bool = False  # not on a page: JSON, CSV and XLSX alone have it


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, the worst first."""

    name: str  # of its file, unique in the document
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "None."  # what is said where there is no row
    reading: str = ""  # what to see in it, in a sentence
    key: tuple[str, ...] = ()  # columns that name a row; then reports can be compared by it
    most: int = MOST_ROWS  # rows on a page

    def shown(self) -> tuple[int, ...]:
        """Positions of the columns that a page shows: details stay away, and what is empty."""
        kept = [n for n, column in enumerate(self.columns) if not column.detail]
        return tuple(
            n
            for n in kept
            if n == kept[0] or any(row[n] not in ("", None, ()) for row in self.rows[: self.most])
        )


@dataclass(frozen=True, slots=True)
class Bars:
    """Lying bars: the first column of the data names each, every other one is a part of it."""

    tones: tuple[Tone, ...]  # of the parts
    whole: float = 0.0  # that a full bar stands for; 0: the longest


@dataclass(frozen=True, slots=True)
class Days:
    """Standing bars beside each other, as `Bars`."""

    tones: tuple[Tone, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """Spans of time in rows: the data has name, state, begin and end."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix: the data has row, column, state, and then what the cell says."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """Boxes in lanes, and lines between them."""

    nodes: tuple[Node, ...]
    flows: tuple[Flow, ...]
    lanes: tuple[str, ...]  # the first at the top


Picture: TypeAlias = Bars | Days | Strip | Grid | Lanes


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with all that is in it as a table."""

    title: str
    reading: str  # what to see in it, in a sentence
    picture: Picture
    data: Table

    @property
    def alt(self) -> str:
        """What stands for it where it cannot be seen."""
        return f"{self.title}. {self.reading}"


@dataclass(frozen=True, slots=True)
class Card:
    """Something that is wrong: why it matters, what to do, and where it was seen."""

    tone: Tone
    title: str
    texts: tuple[tuple[str, str], ...]  # label, which may be empty, and sentence
    table: Table | None = None


Block: TypeAlias = Paragraph | Points | Keys | Table | Chart | Card


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    kind: str
    title: str
    site: str
    framework: str  # of an evidence report; empty: of none
    begin: int  # of the time it covers, ns; 0 without packets
    end: int
    period: str  # as it was asked for; empty: all there is
    zone: str  # in which times are shown
    tlp: Tlp
    redacted: tuple[str, ...]  # what stands under pseudonyms
    versions: tuple[tuple[str, str], ...]  # of the tool, rules, lists and policy
    sections: tuple[Section, ...]

    @property
    def name(self) -> str:
        """How its files begin."""
        return f"{self.kind}-{self.framework}" if self.framework else self.kind

    def tables(self) -> Iterator[Table]:
        """All tables in order, those of drawings too; cards show some rows of others."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    yield block
                elif isinstance(block, Chart):
                    yield block.data

    def key_figures(self) -> Iterator[Key]:
        """All key figures."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Keys):
                    yield from block.keys


def table_file(document: Document, table: Table) -> str:
    """The name of the CSV file of a table."""
    return f"{document.name}.{table.name}.csv"


# ---------------------------------------------------------------------------------- texts


def mapped(document: Document, told: Callable[[str], str]) -> Document:
    """The same report with every text put through a function; each distinct text once."""
    known: dict[str, str] = {}

    def text(one: str) -> str:
        found = known.get(one)
        if found is None:
            found = known[one] = told(one)
        return found

    return replace(
        document,
        title=text(document.title),
        site=text(document.site),
        period=text(document.period),
        sections=tuple(
            replace(
                section,
                title=text(section.title),
                blocks=tuple(_block(block, text) for block in section.blocks),
            )
            for section in document.sections
        ),
    )


Told: TypeAlias = Callable[[str], str]


def _block(block: Block, told: Told) -> Block:
    if isinstance(block, Paragraph):
        return replace(block, text=told(block.text))
    if isinstance(block, Points):
        return Points(told(block.title), tuple(map(told, block.items)))
    if isinstance(block, Keys):
        return Keys(tuple(replace(one, about=told(one.about)) for one in block.keys))
    if isinstance(block, Table):
        return _table(block, told)
    if isinstance(block, Chart):
        return replace(
            block,
            title=told(block.title),
            reading=told(block.reading),
            picture=_picture(block.picture, told),
            data=_table(block.data, told),
        )
    return replace(
        block,
        title=told(block.title),
        texts=tuple((label, told(text)) for label, text in block.texts),
        table=None if block.table is None else _table(block.table, told),
    )


def _table(table: Table, told: Told) -> Table:
    texts = {n for n, column in enumerate(table.columns) if column.kind in WITH_TEXT}
    return replace(
        table,
        title=told(table.title),
        reading=told(table.reading),
        columns=tuple(replace(one, title=told(one.title)) for one in table.columns),
        rows=changed(table.rows, dict.fromkeys(texts, lambda cell: _cell(cell, told))),
    )


def _cell(cell: Cell, told: Told) -> Cell:
    if isinstance(cell, str):
        return told(cell)
    return tuple(map(told, cell)) if isinstance(cell, tuple) else cell


def changed(
    rows: tuple[tuple[Cell, ...], ...], tell: Mapping[int, Callable[[Cell], Cell]]
) -> tuple[tuple[Cell, ...], ...]:
    """Rows with some columns put through a function, each distinct cell of a column once.

    Tables have hundreds of thousands of rows and few distinct cells; most columns stay as they are,
    and where all do, so do the rows.
    """
    parts = (rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE))
    made = [(part, _changed(part, tell)) for part in parts]
    if all(before is after for before, after in made):
        return rows
    return tuple(chain.from_iterable(after for _, after in made))


def _changed(
    rows: tuple[tuple[Cell, ...], ...], tell: Mapping[int, Callable[[Cell], Cell]]
) -> tuple[tuple[Cell, ...], ...]:
    columns: list[Sequence[Cell]] = list(zip(*rows, strict=True))
    same = True
    for n, function in tell.items():
        given = columns[n]
        others = {one: made for one in set(given) if (made := function(one)) != one}
        if others:
            same = False
            columns[n] = [others.get(one, one) for one in given]
    return rows if same else tuple(zip(*columns, strict=True))


def _picture(picture: Picture, told: Told) -> Picture:
    if isinstance(picture, Grid):
        return Grid(tuple(map(told, picture.names)))
    if not isinstance(picture, Lanes):
        return picture
    return replace(
        picture,
        nodes=tuple(
            replace(one, name=told(one.name), about=told(one.about)) for one in picture.nodes
        ),
        flows=tuple(replace(one, label=told(one.label)) for one in picture.flows),
    )


def columns(*described: Sequence[str]) -> tuple[Column, ...]:
    """Columns of (name, title[, kind]); a title that ends in ``*`` makes a detail."""
    return tuple(
        Column(
            one[0],
            one[1].removesuffix("*"),
            cast("CellKind", one[2] if len(one) > 2 else "text"),
            detail=one[1].endswith("*"),
        )
        for one in described
    )
