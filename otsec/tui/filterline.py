"""The filter line: coloured while it is typed, with a history, and how many rows there are."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from otsec.tui.cells import safe
from otsec.tui.grammar import LONGEST, Parsed, Part

if TYPE_CHECKING:
    from textual.timer import Timer

PAUSE_S = 0.2  # of typing, before rows are asked for
HISTORY = 100  # lines kept of a screen
STYLES: dict[Part, str] = {
    "key": "bold cyan",
    "sign": "cyan",
    "value": "green",
    "text": "",
    "negation": "bold magenta",
    "mistake": "underline bold red",
}


class _Colours(Highlighter):
    """Colours the parts of a line; a mistake is underlined as well."""

    def __init__(self, parsed: Callable[[str], Parsed]) -> None:
        self.parsed = parsed

    def highlight(self, text: Text) -> None:
        """Style the text in place."""
        for begin, end, part in self.parsed(text.plain).spans:
            text.stylize(STYLES[part], begin, end)


class FilterInput(Input):
    """The line itself; up and down go through its history."""

    BINDINGS = [  # noqa: RUF012 - textual reads it so
        Binding("up", "older", "Older filter", show=False, id="filter.older"),
        Binding("down", "newer", "Newer filter", show=False, id="filter.newer"),
        Binding("escape", "leave", "To the rows", id="filter.leave"),
    ]

    def __init__(self, parsed: Callable[[str], Parsed]) -> None:
        super().__init__(
            placeholder="/ to filter",
            highlighter=_Colours(parsed),
            compact=True,
            max_length=LONGEST,
            select_on_focus=False,
        )
        self.history: list[str] = []
        self._place = 0

    def remember(self, line: str) -> None:
        """Keep a line that was used."""
        if line.strip() and line not in self.history[-1:]:
            self.history = [*self.history, line][-HISTORY:]
        self._place = len(self.history)

    def action_older(self) -> None:
        """The line before."""
        self._go(-1)

    def action_newer(self) -> None:
        """The line behind; beyond the last an empty one."""
        self._go(1)

    def _go(self, step: int) -> None:
        self._place = max(0, min(self._place + step, len(self.history)))
        at_end = self._place == len(self.history)
        self.value = "" if at_end else self.history[self._place]
        self.cursor_position = len(self.value)

    def action_leave(self) -> None:
        """Back to the rows."""
        self.remember(self.value)
        self.post_message(FilterLine.Left())


class FilterLine(Horizontal):
    """The line, and at its right how many rows pass it or what is wrong with it."""

    DEFAULT_CSS = """
    FilterLine { height: 1; background: $surface; }
    FilterLine > Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $surface; }
    FilterLine > Input:focus { border: none; background: $boost; }
    FilterLine > #count { width: auto; max-width: 60%; height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Changed(Message):
        """The line means something else."""

        def __init__(self, parsed: Parsed) -> None:
            super().__init__()
            self.parsed = parsed

    class Left(Message):
        """The line was left."""

    def __init__(self, parsed: Callable[[str], Parsed]) -> None:
        super().__init__()
        self.parse = parsed
        self._timer: Timer | None = None
        self._told = ""

    def compose(self) -> ComposeResult:
        """The line and the count."""
        yield FilterInput(self.parse)
        yield Static(id="count", markup=False)

    @property
    def line(self) -> FilterInput:
        """The line itself."""
        return self.query_one(FilterInput)

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.line.value

    @property
    def parsed(self) -> Parsed:
        """What it means."""
        return self.parse(self.text)

    def set(self, text: str) -> None:
        """Write into it, as if typed."""
        self.line.value = text
        self.line.cursor_position = len(text)
        self.line.remember(text)

    def begin(self, text: str) -> None:
        """Stand there from the beginning, with rows that are asked for anyway."""
        self._told = text
        with self.line.prevent(Input.Changed):
            self.set(text)

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Say something at its right."""
        self.query_one("#count", Static).update(
            Text(safe(text), "bold red" if wrong else "", no_wrap=True)
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Wait for the end of typing; what is wrong is told at once."""
        event.stop()
        parsed = self.parsed
        if parsed.mistake:
            self.tell(parsed.mistake, wrong=True)
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_S, self._changed)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Use it now."""
        event.stop()
        self._used()

    def on_key(self, event: events.Key) -> None:
        """A tab leads to the rows as well."""
        if event.key == "tab" and self.line.has_focus:
            event.stop()
            self._used()

    def _used(self) -> None:
        self.line.remember(self.text)
        self._changed()
        self.post_message(self.Left())

    def _changed(self) -> None:
        if self._timer:
            self._timer.stop()
            self._timer = None
        parsed = self.parsed
        if not parsed.mistake and self.text != self._told:
            self._told = self.text
            self.post_message(self.Changed(parsed))
