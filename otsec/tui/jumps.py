"""Where a person was: back and forward through screens, with their filters and selected rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otsec.tui.rows import Key
from otsec.tui.screen import BaseScreen
from otsec.tui.tables import TableScreen

if TYPE_CHECKING:
    from otsec.tui.app import OtsecApp

MOST = 100  # places that are remembered; the oldest goes


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: a screen as it was looked at."""

    mode: str
    text: str  # the filter of its listing
    key: Key  # of the selected row
    details: tuple[Callable[[], BaseScreen], ...]  # what was open above the listing


class Jumps:
    """Places behind and before the one that is shown."""

    def __init__(self, app: "OtsecApp") -> None:
        self._app = app
        self._behind: list[Spot] = []
        self._before: list[Spot] = []
        self._moving = False  # by this list itself

    def leave(self) -> None:
        """Remember where one is, because it is left for somewhere else."""
        here = self._here()
        if self._moving or here is None or here.mode == "first":
            return
        if here not in self._behind[-1:]:
            self._behind = [*self._behind, here][-MOST:]
        self._before.clear()

    def back(self) -> bool:
        """Go where one was before; gives whether there is such a place."""
        return self._go(self._behind, self._before)

    def forward(self) -> bool:
        """Go where one was before one went back."""
        return self._go(self._before, self._behind)

    def _go(self, source: list[Spot], other: list[Spot]) -> bool:
        here = self._here()
        while source and source[-1] == here:
            source.pop()
        if not source or here is None:
            return False
        other.append(here)
        spot = source.pop()
        self._moving = True
        try:
            self._show(spot)
        finally:
            self._moving = False
        return True

    def _here(self) -> Spot | None:
        shown = [one for one in self._app.screen_stack if isinstance(one, BaseScreen)]
        if not shown:
            return None
        text, key, first = "", None, shown[0]
        if isinstance(first, TableScreen) and first.is_mounted:
            text, key = first.line.text, first.table.key
        return Spot(self._app.current_mode, text, key, tuple(one.again for one in shown[1:]))

    def _show(self, spot: Spot) -> None:
        app = self._app
        app.switch_mode(spot.mode)
        while len(app.screen_stack) > 1:
            app.pop_screen()
        first = app.screen_stack[0]
        if isinstance(first, TableScreen):
            first.table.key = spot.key
            if first.line.text == spot.text:
                place = first.table.rows.place(spot.key)
                first.table.select(place or 0)
            first.filter_by(spot.text)
        for again in spot.details:
            app.push_screen(again())
