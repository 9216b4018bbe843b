"""The line at the bottom: which keys do something here.

Textual makes it anew whenever a binding may have changed, several times a screen, with a widget for
each key, and styles each of those twice. That was a third of the time that a screen takes to open.
"""

from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.widgets import Footer


class KeyLine(Footer):
    """Textual's footer in its narrow style, made anew only where other keys are to be shown."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._shown: list[ActiveBinding] = []

    def compose(self) -> ComposeResult:
        """The keys, narrow from the first."""
        self._shown = self._active()
        for key in super().compose():
            key.add_class("-compact", update=False)
            yield key

    async def recompose(self) -> None:
        """Make the line anew, if that makes another one."""
        if self.is_attached and self._shown != self._active():
            await super().recompose()

    def _active(self) -> list[ActiveBinding]:
        """The keys to show; none before the screen has told that it stands."""
        if not getattr(self, "_bindings_ready", True):  # Textual's own word, which may change
            return []
        return [one for one in self.screen.active_bindings.values() if one.binding.show]
