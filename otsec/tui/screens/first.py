"""First start: nothing was captured yet; what can be done about it."""

from textual.app import ComposeResult
from textual.widgets import Static

from otsec.tui.screen import BaseScreen


class FirstScreen(BaseScreen):
    """An empty store, or none."""

    NAME = "First start"

    def body(self) -> ComposeResult:
        """What can be done."""
        yield Static("nothing was captured yet", markup=False)
