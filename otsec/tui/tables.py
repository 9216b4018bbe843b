"""A screen with rows: filter line, table, sorting, columns, copies, export; whatever the rows are."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from otsec.cli.listing import moment
from otsec.cli.output import Column
from otsec.errors import UsageError
from otsec.health.verdict import counted
from otsec.store.filters import Field
from otsec.tui.filterline import FilterLine
from otsec.tui.grammar import Parsed, parse
from otsec.tui.screen import BaseScreen, Words
from otsec.tui.table import VirtualTable

if TYPE_CHECKING:
    from otsec.store import Store

GRAMMAR = (  # of the filter line, for the help
    ("key:value", "rows whose key begins with the value; * stands for anything, !key:value for all others"),
    ("key=value", "rows whose key is exactly the value; != for all others"),
    ("level>=3", "for what has an order: >= > <= <"),
    ("text", "rows in which the text stands anywhere; in quotes if it has spaces"),
    ("+", "a row that came since the list was first shown; n goes from one to the next"),
    ("*", "a row that you marked"),
)  # fmt: skip


class TableScreen(BaseScreen):
    """Rows of one kind at a time."""

    COLUMNS: ClassVar[Sequence[Column]] = ()
    FIELDS: ClassVar[Mapping[str, Field]] = {}
    KEYS: ClassVar[Mapping[str, str]] = {}  # what each filter looks at, for the help
    KIND: ClassVar[str] = ""  # of the rows in JSON, and of an export's name
    ONE: ClassVar[tuple[str, str]] = ("row", "rows")
    AUTO_FOCUS = "VirtualTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        # Of priority, so that what is typed at once behind it comes into the line already.
        Binding("slash", "filter", "Filter", priority=True, id="filter", tooltip="Show only rows that match"),
        Binding("c", "columns", "Columns", show=False, id="columns", tooltip="Which columns are shown"),
        Binding("x", "app.export", "Export", id="export", tooltip="Write what is shown to a file"),
        Binding("y", "copy", "Copy", show=False, id="copy", tooltip="Copy the row to the clipboard"),
        Binding("escape", "clear", "Clear", show=False, id="clear", tooltip="Show all rows again"),
    ]  # fmt: skip

    def __init__(self, text: str = "") -> None:
        """``text``: the filter to begin with."""
        super().__init__()
        self._ready, self._text = False, text

    def on_mount(self) -> None:
        """Begin with the filter that was asked for."""
        self._ready = True
        self.line.begin(self._text)
        super().on_mount()

    @property
    def columns(self) -> Sequence[Column]:
        """All columns of the rows."""
        return self.COLUMNS

    @property
    def fields(self) -> Mapping[str, Field]:
        """What the rows can be filtered by."""
        return self.FIELDS

    @property
    def told(self) -> Mapping[str, str]:
        """What each filter looks at, in words."""
        return self.KEYS

    @property
    def kind(self) -> str:
        """Of the rows in JSON, of an export's name, and of what filters are kept for."""
        return self.KIND

    @property
    def table(self) -> VirtualTable:
        """The rows."""
        return self.query_one("#rows", VirtualTable)

    @property
    def line(self) -> FilterLine:
        """The filter."""
        return self.query_one(FilterLine)

    def tone(self, row: Any, column: Column) -> str:  # noqa: ARG002 - of screens that have one
        """How a cell is coloured."""
        return ""

    # ----------------------------------------------------------------------------- count

    def counts(self) -> list[str]:
        """How many rows there are, and what else is to say of them."""
        table = self.table
        parts = [counted(len(table.rows), *self.ONE)]
        if table.marked:
            parts.append(f"{len(table.marked)} marked")
        if table.fresh:
            parts.append(f"{len(table.fresh)} new (n)")
        if table.sort:
            parts.append(f"by {table.sort}")
        return parts

    def tell_count(self) -> None:
        """Say how many rows there are."""
        if not self.line.parsed.mistake:
            self.line.tell(", ".join(self.counts()))

    def none_text(self) -> str:
        """What is said where there are no rows."""
        return f"no {self.ONE[1]} match" if self.line.text.strip() else f"no {self.ONE[1]}"

    # --------------------------------------------------------------------------- filters

    def parsed(self, text: str) -> Parsed:
        """What a filter line means here."""
        return parse(text, self.fields, self.moment)

    def moment(self, text: str, at_end: bool) -> int:  # noqa: FBT001 - as the grammar calls it
        """A time in ns."""
        return moment(text, self.otsec.zone, lambda: self.otsec.newest, at_end=at_end)

    def filter_by(self, text: str) -> None:
        """Show only what matches; before the screen is there, as soon as it is."""
        if self._ready:
            self.line.set(text)
        else:
            self._text = text

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a line of text a slash is a slash."""
        if action == "filter" and (isinstance(self.focused, Input) or self.app.screen is not self):
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Type a filter."""
        self.set_focus(self.line.line)  # at once: the next key is for it

    def action_clear(self) -> None:
        """All rows, none marked."""
        self.table.marked.clear()
        self.table.refresh()
        self.filter_by("")
        self.tell_count()

    @on(FilterLine.Left)
    def _left(self) -> None:
        self.set_focus(self.table)

    @on(VirtualTable.Moved)
    def _moved(self) -> None:
        self.tell_count()

    @on(VirtualTable.Chosen)
    def _chosen(self, event: VirtualTable.Chosen) -> None:
        self.opened(event.row)

    # --------------------------------------------------------------------------- actions

    def opened(self, row: Any) -> None:
        """Show all of a row."""
        from otsec.tui.screens.row import RowScreen  # noqa: PLC0415 - only who asks pays

        self.app.push_screen(RowScreen(self, row))

    def action_columns(self) -> None:
        """Choose the columns."""
        from otsec.tui.dialogs import ColumnsDialog  # noqa: PLC0415 - only who asks pays

        shown = [column.name for column in self.table.columns]

        def use(names: "list[str] | None") -> None:
            if names:
                self.table.choose_columns(names)

        self.app.push_screen(ColumnsDialog(self.columns, shown), use)

    def action_copy(self) -> None:
        """Copy the row: a line a column."""
        row = self.table.selected
        if row is None:
            return
        from otsec.tui.cells import cell_text  # noqa: PLC0415 - as above

        lines = [f"{one.title}: {cell_text(one, row, self.otsec.zone)}" for one in self.columns]
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify("copied, if this terminal lets programs copy; x writes a file")

    def exported(self) -> "tuple[str, Sequence[Column], Callable[[Store], Sequence[Any]]]":
        """What an export writes: the kind of the rows, their columns, and how to read them all."""
        rows = self.table.rows
        return self.kind, self.columns, lambda _: rows.all_rows()

    def shown_by(self, row: Any) -> Sequence[str]:  # noqa: ARG002 - of screens that know
        """The packets that show a row, as `otsec show` takes them."""
        raise UsageError(
            f"of {self.ONE[1]} no packets are kept; open one to find those that show it"
        )

    def shown_by_all(self) -> list[str]:
        """The packets that show the marked rows, else all rows."""
        from otsec.tui.export import MOST_ROWS  # noqa: PLC0415 - only who asks pays

        rows, marked = self.table.rows, self.table.marked
        count = len(marked) or len(rows)
        if count > MOST_ROWS:
            raise UsageError(
                f"the packets of {count:,} {self.ONE[1]} are more than a capture is good for; "
                f"filter or mark at most {MOST_ROWS:,}"
            )
        chosen = self.table.chosen if marked else rows.all_rows()
        names = [name for row in chosen for name in self.shown_by(row)]
        if not names:
            raise UsageError(f"no packet shows these {self.ONE[1]}")
        return names

    def action_packets(self) -> None:
        """The packets that show the selected row."""
        if (row := self.table.selected) is not None:
            self.otsec.attempt(lambda: self.otsec.show_packets(self.shown_by(row)))

    def words(self) -> Words:
        """Columns, filters, signs."""
        return [
            (f"Columns of {self.ONE[1]}", [(one.title, one.about) for one in self.columns]),
            ("Filters", list(self.told.items())),
            ("How to filter", list(GRAMMAR)),
        ]
