"""One row in full: every column a line, whole as it is, with what it means."""

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.harmless import harmless
from otsec.tui.cells import cell_text
from otsec.tui.screen import BaseScreen, Words

if TYPE_CHECKING:
    from otsec.tui.tables import TableScreen

LONGEST = 20_000  # letters of one value; the store holds more only if somebody means harm


class RowScreen(BaseScreen):
    """All of one row of a listing."""

    NAME = "Row"
    AUTO_FOCUS = "VerticalScroll"
    CSS = "RowScreen Static { height: auto; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="back", tooltip="Back to the list"),
        Binding("p", "packets", "Packets", id="packets", tooltip="Packets that show it"),
        Binding("j", "roll(1)", "Down", show=False, id="row.down"),
        Binding("k", "roll(-1)", "Up", show=False, id="row.up"),
    ]

    def __init__(self, listing: "TableScreen", row: Any) -> None:
        super().__init__()
        self._listing, self._row = listing, row

    def body(self) -> ComposeResult:
        """A line a column."""
        with VerticalScroll():
            yield Static(id="cells", markup=False)

    def load(self, *, again: bool = False) -> None:  # noqa: ARG002 - a row that was opened stays
        """Write the lines."""
        text = Text()
        for column in self._listing.columns:
            value = column.of(self._row)
            if column.kind == "list" and value is not None:
                shown = "\n".join(harmless(str(item)[:LONGEST]) for item in value)
            elif column.kind == "text" and value is not None:
                shown = harmless(str(value)[:LONGEST])
            else:
                shown = cell_text(column, self._row, self.otsec.zone)
            if shown in {"", "-"}:
                continue
            first, *more = shown.split("\n")
            text.append(f"{column.title:<18} ", "bold")
            text.append(f"{first}\n")
            for line in more:
                text.append(f"{'':<18} {line}\n")
        text.rstrip()
        self.query_one("#cells", Static).update(text)

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_packets(self) -> None:
        """Packets that show it, where the list knows them."""
        self._listing.action_packets()

    def action_roll(self, lines: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def words(self) -> Words:
        """Columns."""
        return [("Words", [(one.title, one.about) for one in self._listing.columns])]
