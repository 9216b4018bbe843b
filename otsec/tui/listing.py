"""A screen with one long listing, asked of the store; what is specific stands in its class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult

from otsec.store import Store
from otsec.store.filters import Filter
from otsec.tui.filterline import FilterLine
from otsec.tui.rows import Key, Listed, Rows, arranged
from otsec.tui.table import VirtualTable
from otsec.tui.tables import TableScreen

if TYPE_CHECKING:
    from otsec.tui.aside import Found


@dataclass(frozen=True, slots=True)
class Ask:
    """What rows are wanted, in which order."""

    filters: tuple[Filter, ...]
    sort: str
    descending: bool
    again: bool  # the same as before


class ListingScreen(TableScreen):
    """Rows of one kind."""

    SHOWN: ClassVar[Sequence[str]] = ()  # columns, in the order of their importance
    ASIDE: ClassVar[bool] = False  # whether the rows of a large store are found by a child
    INVENTORY: ClassVar[bool] = False  # which then needs the inventory

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self._complete = False
        self.beyond = 0  # rows that are not shown

    def body(self) -> ComposeResult:
        """Filter and table."""
        yield FilterLine(self.parsed)
        yield VirtualTable(self.COLUMNS, shown=self.SHOWN, tone=self.tone, id="rows", orders=False)

    # ------------------------------------------------------------------------------ rows

    def find(self, store: Store, ask: Ask) -> Iterator[Rows]:
        """The rows, in a thread; first what is quickly known, last all."""
        self.beyond = 0
        if self.ASIDE and self.otsec.large(store):
            found = self._aside(store, ask)
            self.beyond = found.total - len(found.rows)
            yield Listed(found.rows, self.key)
            return
        rows = arranged(self.rows(store, ask.filters), self.COLUMNS, ask.sort, descending=ask.descending)  # fmt: skip
        yield Listed(rows, self.key)

    def rows(self, store: Store, filters: Sequence[Filter]) -> Sequence[Any]:
        """The rows of a listing that is kept whole."""
        return self.made(store, filters, lambda: self.otsec.inventory(store))

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """The same, where no screen is: in a child."""
        raise NotImplementedError

    def _aside(self, store: Store, ask: Ask) -> "Found":
        """Rows of a large store, found by a child, which is stopped with the question."""
        from otsec.tui import aside  # noqa: PLC0415 - only large stores pay

        shelf = self.otsec.inventory(store).folder if self.INVENTORY else None  # type: ignore[attr-defined] # of a large store it is a shelf
        child = aside.begin_listing(self.otsec.path, type(self))
        with self.stoppable("rows", child.terminate):
            return aside.listed(child, ask, shelf)

    def key(self, row: Any) -> Key:
        """By what a row is known, where rows do not bring their keys with them."""
        raise NotImplementedError

    def load(self, *, again: bool = False) -> None:
        """Ask for the rows."""
        parsed, table = self.line.parsed, self.table
        if parsed.mistake:
            return
        table.zone = self.otsec.zone
        if not again or not len(table.rows):
            self.line.tell("loading")
            table.waiting = "loading"
        ask = Ask(parsed.filters, table.sort, table.descending, again)
        self._complete = False
        before, shown = table.rows, [again]  # whether this listing is on the screen already

        def found(store: Store) -> Iterator[tuple[Rows, frozenset[Key]]]:
            for rows in self.find(store, ask):
                yield rows, rows.new_since(before) if again and len(before) else frozenset()

        def use(answer: tuple[Rows, frozenset[Key]]) -> None:
            rows, new = answer
            table.waiting = self.none_text()
            table.show(rows, again=shown[0], new=new)
            shown[0] = True
            self.tell_count()

        self.ask_on("rows", found, use, self._failed)

    def loaded(self, name: str) -> None:
        """All rows are known."""
        if name == "rows":
            self._complete = True
            self.tell_count()

    def _failed(self, told: str) -> None:
        self.line.tell(told, wrong=True)

    def counts(self) -> list[str]:
        """The same, and whether these are all."""
        parts, shown = super().counts(), len(self.table.rows)
        if self.beyond:
            parts[0] = (
                f"the first {shown:,} of {shown + self.beyond:,} {self.ONE[1]}; filter for others"
            )
        if "rows" in self.busy and not self._complete:
            parts.insert(1, "counting, Esc stops")
        return parts

    def action_clear(self) -> None:
        """All rows again; while rows are being counted, no more of that."""
        if "rows" in self.busy and len(self.table.rows) and self.stop():
            self.line.tell(f"{len(self.table.rows):,} so far, not all; r asks again", wrong=True)
            return
        super().action_clear()

    @on(FilterLine.Changed)
    def _changed(self) -> None:
        self.load()

    @on(VirtualTable.SortAsked)
    def _sorted(self) -> None:
        self.load()
