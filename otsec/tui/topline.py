"""The two lines at the top: which screens there are, and what is being looked at."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from otsec.tui.cells import safe

NARROW = 104  # columns below which the screens' short names are shown


class TopLine(Vertical):
    """Screens with their keys; site, store, time of the last packet, zone, pause."""

    DEFAULT_CSS = """
    TopLine { height: 2; background: $panel; }
    TopLine > #tabs { height: 1; text-wrap: nowrap; }
    TopLine > #state { height: 1; color: $foreground 80%; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def compose(self) -> ComposeResult:
        """Both lines."""
        yield Static(id="tabs", markup=False)
        yield Static(id="state", markup=False)

    def tell(self, screens: list[tuple[str, str, str]], here: str, state: str) -> None:
        """``screens``: key, name and short name of each; ``here``: the name of this one."""
        line = Text(no_wrap=True)
        for key, name, short in screens:
            shown = name if name == here or self.app.size.width >= NARROW else short
            style = "reverse bold" if name == here else ""
            line.append(f" {key} {shown} ", style)
        self.query_one("#tabs", Static).update(line)
        self.query_one("#state", Static).update(Text(f" {safe(state, 500)}", no_wrap=True))
