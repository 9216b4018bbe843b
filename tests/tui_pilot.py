"""Running the terminal UI in tests: press keys, wait until nothing is being asked, read the screen.

Textual's pilot guesses when the application has done its work: it sleeps until the process took
little CPU time, several times a key. Here the event loop itself is asked whether more is to be done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from unittest.mock import patch

from textual import events

from otsec.config import Config
from otsec.store import open_store
from otsec.tui.app import OtsecApp
from otsec.tui.views import ViewsScreen

PATIENCE_S = 60.0  # on a machine that has much else to do
LOOK_S = 0.005  # between looks at what a thread or a timer will change
KEYS = {
    " ": "space", ":": "colon", "/": "slash", ".": "full_stop", "!": "exclamation_mark",
    ">": "greater_than_sign", "=": "equals_sign", "-": "minus", "*": "asterisk", "_": "underscore",
    '"': "quotation_mark", ",": "comma",
}  # fmt: skip


class Seat:
    """A person before the screen."""

    def __init__(self, app: OtsecApp, pilot: Any) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each when the one before has done its work."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def press_at_once(self, *keys: str) -> None:
        """Press keys as a terminal hands them over that read them in one piece."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await self.pilot.pause(0.3)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        await self.pilot.press(*(KEYS.get(letter, letter) for letter in text))
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is being asked, and all that is known stands on the screen."""
        end = monotonic() + PATIENCE_S
        await self._painted()
        while waits := self._asking() or self._typing() or self.app._batch_count:
            assert monotonic() < end, waits  # a new screen is not painted before it was filled
            await asyncio.sleep(LOOK_S)
            await self._painted()

    async def _painted(self) -> None:
        """Wait until every message is handled, and those that painting them makes."""
        end = monotonic() + PATIENCE_S
        await self.pilot.pause()
        while ready := _ready():
            assert monotonic() < end, ready
            await self.pilot.pause()

    def _asking(self) -> list[Any]:
        return [(one, one.busy) for one in self.app.screen_stack if getattr(one, "busy", None)]

    def _typing(self) -> list[Any]:
        lines = self.app.screen.query("FilterLine")
        return [line for line in lines if getattr(line, "_timer", None) is not None]

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until something is true."""
        end = monotonic() + PATIENCE_S
        while not true():
            assert monotonic() < end, "it never came"
            await self.pilot.pause(LOOK_S)

    @property
    def text(self) -> str:
        """What stands on the screen, a line a line."""
        width = self.app.size.width
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text[:width].rstrip() for strip in lines)

    @property
    def table(self) -> Any:
        """The rows of the screen."""
        from otsec.tui.table import VirtualTable

        return self.app.screen.query_one(VirtualTable)


SIZES = [(80, 24), (120, 40)]
S = TypeVar("S", bound=ViewsScreen)


async def opened(seat: Seat, letter: str, kind: type[S]) -> S:
    """The screen of several lists that stands behind `g` and a letter, with its first rows."""
    await seat.press("g", letter)
    screen = seat.app.screen
    assert isinstance(screen, kind)
    await seat.until(lambda: len(screen.table.rows))
    return screen


async def idle(_min_sleep: float = 0.0, _max_sleep: float = 0.0) -> None:
    """Wait until the event loop has nothing to do but wait for threads, timers and keys.

    It stands in for Textual's `wait_for_idle`, and so takes what that takes.
    """
    end = monotonic() + PATIENCE_S
    await asyncio.sleep(0)
    while ready := _ready():
        assert monotonic() < end, ready
        await asyncio.sleep(0)


def _ready() -> list[Any]:
    """What the event loop will run next, without waiting for anything."""
    loop: Any = asyncio.get_running_loop()
    return [*loop._ready]


async def goes_through(
    seat: Seat, screen: ViewsScreen, shown: Mapping[str, Sequence[str]], told: AbstractSet[str]
) -> None:
    """Each list stands behind its key, fits the terminal, can be exported; its words are explained.

    ``shown``: what stands there by key; ``told``: words that the help explains.
    """
    for key, words in shown.items():
        await seat.press(key)
        await seat.until(lambda: not screen.busy)
        for word in words:
            assert word in seat.text, seat.text
        assert all(len(line) <= seat.app.size.width for line in seat.text.split("\n"))
        _, columns, rows = screen.exported()
        with open_store(seat.app.path, readonly=True) as store:
            assert len(rows(store)) == len(screen.table.rows)
        assert columns
    meanings = dict(word for _, words in screen.words() for word in words)
    assert told <= meanings.keys()


def visit(
    path: Path,
    do: Callable[[Seat], Awaitable[None]],
    *,
    size: tuple[int, int] = (120, 40),
    readonly: bool = False,
    **settings: Any,
) -> None:
    """Open the terminal UI over a store, and do something there."""

    async def session() -> None:
        app = OtsecApp(Config(store=path, **settings), readonly=readonly, who="ann")
        async with app.run_test(size=size) as pilot:
            seat = Seat(app, pilot)
            await seat.settle()
            await do(seat)

    with patch("textual.app.wait_for_idle", idle), patch("textual.pilot.wait_for_idle", idle):
        asyncio.run(session())
