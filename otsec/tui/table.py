"""The table: draws the lines that are seen, from rows that may be a million.

The selected row is known by its key, so it stays selected, on the same line of the screen, when
rows come, go or change their order. What came since is marked until it was looked at.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Any, ClassVar, TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from otsec.cli.harmless import width
from otsec.cli.output import Column
from otsec.tui.cells import cell_text, fitted, is_right
from otsec.tui.rows import NOTHING, Key, Listed, Row, Rows

Tone: TypeAlias = Callable[[Any, Column], str]  # a row and a column: "", good, warn, bad, quiet

GUTTER = 2  # columns before the first: what the row is, without any colour
GAP = 2
WIDEST = 44  # columns of one cell, unless there is room
NARROWEST = 17  # a text is not cut below this: a MAC address; what has no room is scrolled to
LOOKED_AT = 60  # rows that say how wide the columns are
MOST_NEW = 2_000  # rows that are marked as new; more is another listing
TONES = ("good", "warn", "bad", "quiet")


def _shown(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    by_name = {column.name: column for column in columns}
    if names:
        return tuple(by_name[name] for name in names if name in by_name)
    return tuple(column for column in columns if not column.detail)


class _OfTable(Message):
    """What a table tells, and of which row."""

    def __init__(self, table: "VirtualTable", row: Any = None) -> None:
        super().__init__()
        self.table, self.row = table, row

    @property
    def control(self) -> "VirtualTable":
        """The table."""
        return self.table


class VirtualTable(ScrollView, can_focus=True):
    """Rows in columns, of which only what is seen is ever drawn."""

    DEFAULT_CSS = """
    VirtualTable { height: 1fr; width: 1fr; background: $background; color: $foreground; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; }
    VirtualTable > .table--head { text-style: bold; color: $primary; background: $panel; }
    VirtualTable > .table--cursor { text-style: reverse; }
    VirtualTable > .table--dim-cursor { text-style: bold; background: $panel; }
    VirtualTable > .table--good { color: $success; }
    VirtualTable > .table--warn { color: $warning; }
    VirtualTable > .table--bad { color: $error; text-style: bold; }
    VirtualTable > .table--quiet { color: $foreground 60%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--head",
        "table--cursor",
        "table--dim-cursor",
        *(f"table--{tone}" for tone in TONES),
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up", tooltip="One row up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down", tooltip="One row down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page_down"),
        Binding("home", "first", "First", show=False, id="table.first", tooltip="First row"),
        Binding("end,G", "last", "Last", show=False, id="table.last", tooltip="Last row"),
        Binding("left,h", "sideways(-8)", "Left", show=False, id="table.left"),
        Binding("right,l", "sideways(8)", "Right", show=False, id="table.right"),
        Binding("enter", "choose", "Open", id="table.open", tooltip="All of the selected row"),
        Binding(
            "m",
            "mark",
            "Mark",
            show=False,
            id="table.mark",
            tooltip="Mark the row for an act on several",
        ),
        Binding(
            "n",
            "next_new",
            "Next new",
            show=False,
            id="table.new",
            tooltip="The next row that came since",
        ),
        Binding("s", "sort(1)", "Sort", id="table.sort", tooltip="Sort by the next column"),
        Binding("S", "turn", "Turn", show=False, id="table.turn", tooltip="Turn the order round"),
    ]

    class Chosen(_OfTable):
        """A row was opened."""

    class Moved(_OfTable):
        """Another row is selected."""

    class SortAsked(_OfTable):
        """Rows are wanted in another order."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        shown: Sequence[str] = (),
        tone: Tone | None = None,
        id: str | None = None,  # noqa: A002 - textual's word
        orders: bool = True,
    ) -> None:
        """``shown``: names of the columns that are shown, in this order; none: all but details.

        ``orders``: it brings its rows into the order of a column itself; else it asks for them.
        """
        super().__init__(id=id)
        self._orders = orders
        self._given: Rows = NOTHING  # in their own order
        self.all_columns = tuple(columns)
        self.columns = _shown(columns, shown)
        self.tone = tone
        self.zone: tzinfo = UTC
        self.rows: Rows = NOTHING
        self.cursor = 0
        self.key: Key = None
        self.marked: set[Key] = set()
        self.fresh: frozenset[Key] = frozenset()
        self.sort, self.descending = "", False
        self.follow_top = False  # the first row stays selected, whichever it becomes
        self.waiting = ""  # what is said while there are no rows
        self._widths = [width(column.title) + 1 for column in self.columns]
        self._wanted: list[int] = []
        self._styles: dict[str, Style] = {}

    # ------------------------------------------------------------------------------ rows

    @property
    def selected(self) -> Any:
        """The selected row; None without rows."""
        found = self._at(self.cursor)
        return found.row if found else None

    @property
    def chosen(self) -> list[Any]:
        """The marked rows, else the selected one."""
        if not self.marked:
            return [self.selected] if self.selected is not None else []
        places = sorted(p for key in self.marked if (p := self.rows.place(key)) is not None)
        return [found.row for place in places if (found := self._at(place))]

    def show(self, rows: Rows, *, again: bool = False, new: frozenset[Key] = frozenset()) -> None:
        """Show rows; ``again``: of the same listing as before; ``new``: keys that came since."""
        before, line = self.rows, self.cursor - self.scroll_offset.y
        self._given = rows
        if self._orders and self.sort and isinstance(rows, Listed):
            rows = rows.ordered(self.all_columns, self.sort, descending=self.descending)
        self.rows = rows
        if again:
            self.fresh = (self.fresh | new) if len(self.fresh) + len(new) <= MOST_NEW else new
            self.fresh = self.fresh if len(self.fresh) <= MOST_NEW else frozenset()
        else:
            self.fresh = frozenset()
            self.marked.clear()
        at_top = self.follow_top and not self.cursor
        place = rows.place(self.key) if self.key is not None and not at_top else None
        if place is None:
            place = min(self.cursor, len(rows) - 1) if again else 0
        self.cursor = max(place, 0)
        self._measure(grow=again and bool(len(before)))
        self._resize()
        if len(rows):
            self.scroll_to(y=max(self.cursor - line, 0), animate=False, force=True, immediate=True)
        self._select(self.cursor, scroll=not again)
        self.refresh()

    def _at(self, place: int) -> Row | None:
        return self.rows.at(place) if 0 <= place < len(self.rows) else None

    def _select(self, place: int, *, scroll: bool = True) -> None:
        found = self._at(place)
        moved = found is not None and found.key != self.key
        self.cursor = place
        self.key = found.key if found else self.key
        if scroll:
            self._scroll_there()
        if moved and found:
            self.post_message(self.Moved(self, found.row))

    def _scroll_there(self) -> None:
        height = max(self.scrollable_content_region.height - 1, 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True, immediate=True)

    # --------------------------------------------------------------------------- columns

    def set_columns(self, columns: Sequence[Column], shown: Sequence[str] = ()) -> None:
        """Other columns altogether, for other rows."""
        if self.all_columns != tuple(columns):
            self.all_columns = tuple(columns)
            self.columns = _shown(columns, shown)
            self.rows, self.key, self.sort, self.cursor = NOTHING, None, "", 0
            self._given = NOTHING
            self._measure()

    def choose_columns(self, names: Sequence[str]) -> None:
        """Show these columns, in this order."""
        self.columns = _shown(self.all_columns, names)
        self._measure()
        self._resize()
        self.refresh()

    def _measure(self, *, grow: bool = False) -> None:
        """How wide each column is; ``grow``: at least as wide as it needed to be before."""
        rows = [self._at(place) for place in self._looked_at()]
        wanted = []
        for column in self.columns:
            texts = [cell_text(column, found.row, self.zone) for found in rows if found]
            need = max((width(text) for text in texts), default=0)
            wanted.append(max(need, width(column.title) + 1))
        if grow and len(wanted) == len(self._wanted):
            wanted = [max(pair) for pair in zip(wanted, self._wanted, strict=True)]
        self._wanted = wanted
        self._widths = [
            min(need, max(WIDEST, width(column.title) + 1))
            for need, column in zip(wanted, self.columns, strict=True)
        ]
        self._fit()

    def _looked_at(self) -> range:
        begin = max(min(self.cursor, len(self.rows) - LOOKED_AT), 0)
        return range(begin, min(begin + LOOKED_AT, len(self.rows)))

    def _fit(self) -> None:
        """Narrow the widest texts where there is too little room; use what room is left."""
        whole = self.content_region
        barred = (
            len(self.rows) + 1 > whole.height
        )  # not asked of the bar, which comes a moment later
        room = whole.width - (self.styles.scrollbar_size_vertical if barred else 0) - GUTTER
        if room <= 0:
            return
        texts = [
            number
            for number, column in enumerate(self.columns)
            if not is_right(column) and column.kind != "time"
        ]
        while self._across() > room and texts:
            widest = max(texts, key=self._widths.__getitem__)
            if self._widths[widest] <= NARROWEST:
                break
            self._widths[widest] -= 1
        seen, used = 0, 0
        for size in self._widths:  # columns that are seen whole
            if used + size > room:
                break
            used += size + GAP
            seen += 1
        left = max(room - used + GAP, 0)
        for number in range(seen):
            more = max(min(self._wanted[number] - self._widths[number], left), 0)
            self._widths[number] += more
            left -= more

    def _across(self) -> int:
        return sum(self._widths) + GAP * max(len(self._widths) - 1, 0)

    def _resize(self) -> None:
        self.virtual_size = Size(GUTTER + self._across(), len(self.rows) + 1)

    def on_resize(self) -> None:
        """Another width, other columns."""
        self._measure()
        self._resize()
        self._scroll_there()

    # --------------------------------------------------------------------------- drawing

    def notify_style_update(self) -> None:
        """Forget the styles of another theme."""
        super().notify_style_update()
        self._styles = {}

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = (
                self.get_component_rich_style(f"table--{name}") if name else self.rich_style
            )
        return self._styles[name]

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the head, or a row."""
        across, size = self.scroll_offset.x, self.scrollable_content_region.width
        if y:
            strip = self._line(self.scroll_offset.y + y - 1)
            return strip.crop(across, across + size).adjust_cell_length(size, self.rich_style)
        head = self._style("head")
        strip = self._head().crop(across, across + size).adjust_cell_length(size, head)
        if self.virtual_size.width - across > size:  # there are more columns
            strip = Strip.join([strip.crop(0, size - 1), Strip([Segment(">", head)])])
        return strip

    def _head(self) -> Strip:
        style = self._style("head")
        parts = [" " * GUTTER]
        for column, size in zip(self.columns, self._widths, strict=True):
            mark = ("v" if self.descending else "^") if column.name == self.sort else ""
            parts.append(fitted(f"{column.title}{mark}", size, right=is_right(column)))
            parts.append(" " * GAP)
        return Strip([Segment("".join(parts).rstrip(" "), style)])

    def _line(self, place: int) -> Strip:
        if place >= len(self.rows):
            said = self.waiting if not len(self.rows) and place == 0 else ""
            return Strip([Segment(f"  {said}", self._style("quiet" if said else ""))])
        found = self._at(place)
        if found is None:
            return Strip([Segment("  (gone)", self._style("quiet"))])
        over = None
        if place == self.cursor:
            over = self._style("cursor" if self.has_focus else "dim-cursor")
        segments = [Segment(self._gutter(place, found.key), over or self._style(""))]
        for number, (column, size) in enumerate(zip(self.columns, self._widths, strict=True)):
            text = fitted(cell_text(column, found.row, self.zone), size, right=is_right(column))
            style = over or self._style(self.tone(found.row, column) if self.tone else "")
            segments.append(Segment(text, style))
            if number < len(self.columns) - 1:
                segments.append(Segment(" " * GAP, over or self._style("")))
        strip = Strip(segments)
        if over is not None:
            strip = strip.adjust_cell_length(
                max(strip.cell_length, self.scrollable_content_region.width), over
            )
        return strip

    def _gutter(self, place: int, key: Key) -> str:
        mark = "*" if key in self.marked else "+" if key in self.fresh else " "
        return (">" if place == self.cursor else " ") + mark

    # --------------------------------------------------------------------------- actions

    def _go(self, place: int) -> None:
        if len(self.rows):
            self._select(max(0, min(place, len(self.rows) - 1)))
            self.refresh()

    def select(self, place: int) -> None:
        """Select the row at a place."""
        self._go(place)

    def action_move(self, rows: int) -> None:
        """Select another row."""
        self._go(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Select the row a screen further."""
        self._go(self.cursor + pages * max(self.scrollable_content_region.height - 2, 1))

    def action_first(self) -> None:
        """Select the first row; what is new was seen."""
        self._go(0)

    def action_last(self) -> None:
        """Select the last row."""
        self._go(len(self.rows) - 1)

    def action_sideways(self, columns: int) -> None:
        """Scroll to columns that have no room."""
        self.scroll_to(x=self.scroll_offset.x + columns, animate=False, force=True)

    def action_choose(self) -> None:
        """Open the selected row."""
        if self.selected is not None:
            self.post_message(self.Chosen(self, self.selected))

    def action_mark(self) -> None:
        """Mark the row, or no longer, and go on."""
        if (found := self._at(self.cursor)) is not None:
            self.marked ^= {found.key}
            self._go(self.cursor + 1)

    def action_next_new(self) -> None:
        """Select the next row that came since; it then is no longer new."""
        self.fresh -= {self.key}
        places = sorted(p for key in self.fresh if (p := self.rows.place(key)) is not None)
        if not places:
            self.fresh = frozenset()
        else:
            self._go(next((place for place in places if place > self.cursor), places[0]))
            self.fresh -= {self.key}
        self.refresh()

    def action_sort(self, step: int) -> None:
        """Sort by the next column."""
        names = ["", *(column.name for column in self.columns)]
        at = names.index(self.sort) if self.sort in names else 0
        self.sort_by(names[(at + step) % len(names)])

    def action_turn(self) -> None:
        """Turn the order round."""
        if self.sort:
            self.sort_by(self.sort, descending=not self.descending)

    def sort_by(self, name: str, *, descending: bool | None = None) -> None:
        """Ask for the rows in the order of a column; "" is the listing's own order."""
        found = {column.name: column for column in self.all_columns}.get(name)
        numeric = found is not None and found.kind not in {"text", "list"}
        self.sort = name if found else ""
        self.descending = numeric if descending is None else descending
        self.refresh()
        if self._orders:
            self.show(self._given, again=True)
        else:
            self.post_message(self.SortAsked(self))

    # ----------------------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        """Select a row, open it at the second click; on the head sort."""
        if event.y <= 0:
            self._sort_at(event.x + self.scroll_offset.x)
            return
        place = self.scroll_offset.y + event.y - 1
        if place < len(self.rows):
            self._go(place)
            if event.chain > 1:
                self.action_choose()

    def _sort_at(self, x: int) -> None:
        at = GUTTER
        for column, size in zip(self.columns, self._widths, strict=True):
            if at <= x < at + size + GAP:
                same = self.sort == column.name
                self.sort_by(column.name, descending=not self.descending if same else None)
                return
            at += size + GAP
