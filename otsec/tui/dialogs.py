"""Small screens over a screen: help, commands, columns, a question with one answer."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, SelectionList, Static
from textual.widgets.selection_list import Selection

from otsec.cli.output import Column
from otsec.tui.cells import safe
from otsec.tui.screen import Words

LINE_CSS = """
{name} {{ align: center bottom; background: $background 30%; }}
{name} > Vertical {{ height: auto; background: $panel; padding: 0 1; }}
{name} Input {{ border: none; height: 1; padding: 0; background: $boost; }}
{name} Static {{ height: auto; }}
"""


class HelpScreen(ModalScreen[None]):
    """The keys of a screen, and every word on it."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 40%; }
    HelpScreen > VerticalScroll { width: 96%; max-width: 110; height: 94%; background: $surface; border: round $primary; padding: 0 1; }
    HelpScreen Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", id="help.close"),
        Binding("j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, title: str, keys: Sequence[tuple[str, str]], words: Words) -> None:
        super().__init__()
        self._title, self._keys, self._words = title, keys, words

    def compose(self) -> ComposeResult:
        """Keys first, then words."""
        with VerticalScroll():
            yield Static(self.text)

    @property
    def text(self) -> Text:
        """All of it."""
        text = Text()
        text.append(f"{self._title}: help (Esc closes, arrows scroll)\n", "bold")
        _section(text, "Keys", self._keys, 14)
        for heading, words in self._words:
            told = [(word, meaning) for word, meaning in words if meaning]
            _section(text, heading, told, min(max((len(w) for w, _ in told), default=0) + 1, 22))
        return text

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _section(text: Text, heading: str, words: Sequence[tuple[str, str]], size: int) -> None:
    text.append(f"\n{heading}\n", "bold underline")
    for word, meaning in words:
        text.append(f"  {safe(word):<{size}} ", "bold")
        text.append(f"{safe(meaning, 600)}\n")


class Begun(Suggester):
    """Completes the word that is being typed, of words known at each place."""

    def __init__(self, words: Callable[[str], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._words = words

    async def get_suggestion(self, value: str) -> str | None:
        """The line with its last word completed."""
        if not value:
            return None
        before, space, last = value.rpartition(" ")
        for word in self._words(before):
            if last and word.startswith(last) and word != last:
                return f"{before}{space}{word}"
        return None


class LineDialog(ModalScreen[str | None]):
    """One line of text: a command, a path, a reason."""

    DEFAULT_CSS = LINE_CSS.format(name="LineDialog")
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Never mind", id="line.leave")
    ]

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        words: Callable[[str], Sequence[str]] | None = None,
        check: Callable[[str], str] | None = None,
    ) -> None:
        """``words``: what completes; ``check``: what is wrong with a line, "" where nothing is."""
        super().__init__()
        self._title, self._value, self._check = title, value, check
        self._suggester = Begun(words) if words else None
        self._early = ""

    def compose(self) -> ComposeResult:
        """What is asked, and the line."""
        with Vertical():
            yield Static(Text(safe(self._title, 1000)))
            yield Input(self._value, suggester=self._suggester, select_on_focus=False, compact=True)

    def on_key(self, event: events.Key) -> None:
        """What is typed before the line is there belongs into it."""
        if self.focused is None and event.is_printable and event.character:
            self._early += event.character
            event.stop()

    def on_mount(self) -> None:
        """Begin with what was typed already."""
        line = self.query_one(Input)
        line.value += self._early
        line.cursor_position = len(line.value)
        self.set_focus(line)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give it, if nothing is wrong with it."""
        if self._check and (wrong := self._check(event.value)):
            self.query_one(Static).update(
                Text.assemble(safe(self._title, 1000), "  ", (safe(wrong), "bold red"))
            )
            return
        self.dismiss(event.value)


class GoDialog(ModalScreen[str | None]):
    """Every screen and the key that leads there; `g` leads to the first row."""

    DEFAULT_CSS = """
    GoDialog { align: center middle; background: $background 40%; }
    GoDialog > Static { width: auto; height: auto; background: $surface; border: round $primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Never mind", id="go.leave")
    ]

    def __init__(self, places: Sequence[tuple[str, str, str]]) -> None:
        """``places``: key, name and title of each."""
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        """A line a screen."""
        text = Text("Go to\n", "bold")
        for key, _, title in (*self._places, ("g", "", "the first row")):
            text.append(f"\n  {key}  ", "bold")
            text.append(title)
        yield Static(text)

    def on_key(self, event: events.Key) -> None:
        """Go where the key leads; any other key closes."""
        if event.key == "escape":
            return
        event.stop()
        names = {"g": "", **{key: name for key, name, _ in self._places}}
        self.dismiss(names.get(event.character or ""))


class ColumnsDialog(ModalScreen[list[str] | None]):
    """Which columns are shown."""

    DEFAULT_CSS = """
    ColumnsDialog { align: center middle; background: $background 40%; }
    ColumnsDialog > Vertical { width: 90%; max-width: 90; height: auto; max-height: 90%; background: $surface; border: round $primary; }
    ColumnsDialog SelectionList { height: auto; max-height: 100%; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,c", "give", "Done", id="columns.done", priority=True),
        Binding("j", "down", "Down", show=False, id="columns.down"),
        Binding("k", "up", "Up", show=False, id="columns.up"),
    ]

    def __init__(self, columns: Sequence[Column], shown: Sequence[str]) -> None:
        super().__init__()
        self._columns, self._shown = columns, shown

    def compose(self) -> ComposeResult:
        """A line a column."""
        with Vertical():
            yield Static("Columns: space shows or hides one, Esc closes")
            yield SelectionList[str](
                *(
                    Selection(
                        Text(f"{one.title:<16} {one.about}"), one.name, one.name in self._shown
                    )
                    for one in self._columns
                )
            )

    def action_give(self) -> None:
        """Show what was chosen."""
        chosen = set(self.query_one(SelectionList).selected)
        before = [name for name in self._shown if name in chosen]
        self.dismiss(
            [
                *before,
                *(
                    one.name
                    for one in self._columns
                    if one.name in chosen and one.name not in before
                ),
            ]
        )

    def action_down(self) -> None:
        """The next column."""
        self.query_one(SelectionList).action_cursor_down()

    def action_up(self) -> None:
        """The column before."""
        self.query_one(SelectionList).action_cursor_up()
