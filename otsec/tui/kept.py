"""A screen whose rows are kept whole: filtered by any of their columns, and nothing asked again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from otsec.cli.output import NUMERIC, Column
from otsec.errors import UsageError
from otsec.inventory.selection import ORDERS, passes
from otsec.store.filters import LEVELS, SIGNS, Field, Filter, Match
from otsec.tui.filterline import FilterLine
from otsec.tui.rows import NOTHING, Key, Listed
from otsec.tui.tables import TableScreen

ADDRESSES = frozenset({"client", "server", "host", "address"})
TIMES: Mapping[str, str] = {
    "since": "rows of which a time is not before this one",
    "until": "rows of which a time is not after this one",
}


def fields_of(columns: Sequence[Column]) -> dict[str, Field]:
    """What rows of these columns can be filtered by: each column by its name, times, a text."""
    found = {one.name: Field((one.name,), _match(one)) for one in columns if one.kind != "time"}
    if any(one.kind == "time" for one in columns):
        found |= {"since": Field((), "since"), "until": Field((), "until")}
    return {**found, "text": Field((), "text")}


def _match(column: Column) -> Match:
    if column.name == "level":
        return "level"
    if column.kind in NUMERIC:
        return "number"
    return "address" if column.name in ADDRESSES else "word"


def filtered(
    rows: Iterable[Any], columns: Sequence[Column], filters: Sequence[Filter]
) -> list[Any]:
    """The rows that pass all filters. Raises UsageError for what is none."""
    keys = {one.name: _looking(one) for one in columns}
    times = [one for one in columns if one.kind == "time"]

    def texts(row: Any) -> Iterable[str]:
        return (text for look in keys.values() for text in look(row))

    def passed(row: Any, one: Filter) -> bool:
        if one.field == "level":
            return any(_is_level(text, one) for text in keys["level"](row)) is not one.negated
        known = [at for column in times if (at := column.of(row))]
        span = (min(known), max(known)) if known else (0, 0)
        return passes(row, one, keys, texts, span)

    return [row for row in rows if all(passed(row, one) for one in filters)]


def _looking(column: Column) -> Callable[[Any], Sequence[str]]:
    return lambda row: _texts(column.of(row))


def _texts(value: Any) -> Sequence[str]:
    """A cell as it is compared; what has no value is found by an empty one."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, list | tuple):
        return tuple(map(str, value)) or ("",)
    return ("" if value is None else str(value),)


def _is_level(text: str, one: Filter) -> bool:
    named = [level for level in LEVELS if level.startswith(one.value.casefold())]
    if len(named) != 1:
        raise UsageError(f"level:{one.value} is no level; there are: {', '.join(LEVELS)}")
    if text not in LEVELS:
        return False
    here, there = LEVELS.index(text), LEVELS.index(named[0])
    return ORDERS[one.sign](here, there) if one.sign in SIGNS else here == there


class KeptScreen(TableScreen):
    """Short lists."""

    BINDINGS: ClassVar[list[BindingType]] = [  # the screen's own keys want the room
        Binding("x", "app.export", "Export", show=False, id="export", tooltip="Write what is shown to a file"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._every = NOTHING
        self.none = ""  # what is said where there are no rows at all

    @property
    def fields(self) -> Mapping[str, Field]:
        """Each column."""
        return fields_of(self.columns)

    @property
    def told(self) -> Mapping[str, str]:
        """What each column holds."""
        known = {**{one.name: one.about or one.title for one in self.columns}, **TIMES}
        return {name: known[name] for name in self.fields if name in known}

    def keep(self, rows: Sequence[Any], key: Callable[[Any], Key], *, again: bool) -> None:
        """Show rows, as the filter lets them; ``again``: the same as before, read once more."""
        self._every = Listed(rows, key)
        self._choose(again=again)

    def _choose(self, *, again: bool) -> None:
        parsed, table, rows = self.line.parsed, self.table, self._every
        if parsed.mistake:
            return
        if parsed.filters:
            try:
                rows = rows.only(lambda some: filtered(some, self.columns, parsed.filters))
            except UsageError as error:
                self.line.tell(str(error), wrong=True)
                return
        table.waiting = self.none_text()
        before = table.rows
        new = rows.new_since(before) if again and len(before) else frozenset()
        table.show(rows, again=again, new=new)
        self.tell_count()
        self.listed()

    def listed(self) -> None:
        """Other rows are shown."""

    def none_text(self) -> str:
        """What is said where there are no rows."""
        return super().none_text() if self.line.text.strip() or not self.none else self.none

    @on(FilterLine.Changed)
    def _changed(self) -> None:
        self._choose(again=False)

    def action_beside(self) -> None:
        """From the rows to what stands below them, and back."""
        below = self.query_one(VerticalScroll)
        self.set_focus(below if self.focused is self.table else self.table)
