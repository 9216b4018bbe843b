"""A screen of several short lists behind a key each, and what is to say of a row below them."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.output import Column
from otsec.store import Store
from otsec.tui.filterline import FilterLine
from otsec.tui.kept import KeptScreen
from otsec.tui.screen import Words
from otsec.tui.table import VirtualTable


class View(NamedTuple):
    """One of the lists of a screen."""

    name: str
    key: str  # that shows it
    title: str
    about: str
    columns: Sequence[Column]
    empty: str  # what is said where it has no rows
    key_of: Callable[[Any], Hashable]  # what tells a row from the others


def keys_of(screen: str, views: Sequence[View], below: str) -> list[Binding]:
    """The keys of the lists, and the one that goes between the rows and what stands below them."""
    return [
        *(
            Binding(one.key, f"view('{one.name}')", one.title, id=f"{screen}.{one.name}", tooltip=one.about)
            for one in views
        ),
        Binding("tab", "beside", below, show=False, id=f"{screen}.focus", tooltip=f"Between rows and {below.lower()}"),
    ]  # fmt: skip


class ViewsScreen(KeptScreen):
    """Lists of which one is shown, and a page below it."""

    VIEWS: ClassVar[Sequence[View]] = ()
    WAITING = "reading"
    MEANINGS: ClassVar[Sequence[tuple[str, str]]] = ()  # of words that are no columns
    DEFAULT_CSS = """
    ViewsScreen #told { height: 1; padding: 0 1; }
    ViewsScreen VirtualTable { height: 1fr; min-height: 5; display: none; }
    ViewsScreen VirtualTable.shown { display: block; }
    ViewsScreen VerticalScroll { height: 40%; border-top: solid $panel; padding: 0 1; }
    ViewsScreen #page { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.view = self.VIEWS[0]
        self._page = Text()
        self._lines: dict[str, str] = {}  # the filter of each list that is not shown

    @property
    def table(self) -> VirtualTable:
        """The rows that are shown."""
        return self.query_one(f"#{self.view.name}", VirtualTable)

    @property
    def columns(self) -> Sequence[Column]:
        """Those of the list."""
        return self.view.columns

    @property
    def kind(self) -> str:
        """The screen and the list."""
        return f"{self.NAME.lower()} {self.view.name}"

    def body(self) -> ComposeResult:
        """What is shown, its rows, and the page."""
        yield Static(id="told", markup=False)
        yield FilterLine(self.parsed)
        for one in self.VIEWS:
            yield VirtualTable(one.columns, tone=self.tone, id=one.name)
        with VerticalScroll():
            yield Static(id="page", markup=False)

    def action_view(self, name: str) -> None:
        """Show another list."""
        self._lines[self.view.name] = self.line.text
        self.view = next(one for one in self.VIEWS if one.name == name)
        self.line.begin(self._lines.get(name, ""))
        self.tell_page("")
        self.load()

    def load(self, *, again: bool = False) -> None:
        """Ask for the rows of the list."""
        view, table = self.view, self.table
        for one in self.query(VirtualTable):
            one.set_class(one is table, "shown")
        table.zone, table.waiting = self.otsec.zone, self.WAITING
        if not again:
            table.focus()
            self._tell_view(None)

        def use(rows: Sequence[Any]) -> None:
            self.none = view.empty
            self._tell_view(len(rows))
            self.keep(rows, view.key_of, again=again)

        self.ask("rows", lambda store: self.rows(store, view.name), use)

    def _tell_view(self, count: int | None) -> None:
        many = "" if count is None else f" ({count})"
        others = ", ".join(
            f"{one.key} {one.title.lower()}" for one in self.VIEWS if one != self.view
        )
        text = Text(f"{self.view.title}{many}: ", "bold")
        text.append(f"{self.view.about}; {others}", "not bold dim")
        self.query_one("#told", Static).update(text)

    def tell_page(self, told: str | Text) -> None:
        """Show something below the rows, from its beginning."""
        page = told if isinstance(told, Text) else Text(told)
        if page != self._page:  # else who reads stays where he is
            self._page = page
            self.query_one("#page", Static).update(page)
            self.query_one(VerticalScroll).scroll_home(animate=False)

    # ------------------------------------------------------------------ what a screen says

    def rows(self, store: Store, name: str) -> Sequence[Any]:
        """The rows of a list, in a thread."""
        raise NotImplementedError

    def words(self) -> Words:
        """Columns of every list, how to filter, words."""
        _, *others = super().words()
        return [
            *((f"Columns of {one.title}", [(c.title, c.about) for c in one.columns]) for one in self.VIEWS),
            *others,
            ("Words", list(self.MEANINGS)),
        ]  # fmt: skip
