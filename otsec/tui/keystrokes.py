"""Keys one after the other: the next is looked at when the one before has done its work.

A key that opens a screen or a question does so in several steps, and a terminal hands over all that
was typed quickly, or pasted, in one piece. Without this the second key would go to the widget that
had the focus when the first was typed, and be lost.
"""

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import App
    from textual.events import Key
    from textual.message_pump import MessagePump

Take: TypeAlias = "Callable[[Key], Awaitable[None]]"

PATIENCE_S = (
    5.0  # with a key whose widget never answers; a screen may take seconds on a busy machine
)
MOST = 1_000  # keys that wait; a paste of more is not typed by a person


class Keystrokes:
    """The keys that wait for one that is at work."""

    def __init__(self, app: "App[None]", take: Take) -> None:
        """``take``: hands a key to the widget that has the focus."""
        self._app, self._take = app, take
        self._waiting: deque[Key] = deque(maxlen=MOST)
        self._turn = 0  # of the key that is at work
        self._since: float | None = None  # when it began; None: none is

    async def put(self, key: "Key") -> None:
        """Hand on a key, or keep it until its turn comes."""
        self._waiting.append(key)
        if self._since is None:
            await self._begin()

    async def hurry(self) -> None:
        """Wait no longer for a widget that never answers; called now and then."""
        if self._since is not None and monotonic() - self._since > PATIENCE_S:
            await self._next(self._turn)

    async def _begin(self) -> None:
        self._since = monotonic()
        self._turn += 1
        turn, target = self._turn, self._app.focused or self._app.screen
        way = self._way(target)
        await self._take(self._waiting.popleft())
        self._climb(way, turn)

    def _way(self, node: "MessagePump | None") -> "list[MessagePump]":
        """Whom a key comes by from its widget up, and then what was set off by it.

        The latter twice each, for a widget that hears of it may say so, and that goes up as well.
        """
        up = []
        while node is not None and node is not self._app:
            up.append(node)
            node = node._parent  # noqa: SLF001 - `parent` of the topmost raises
        return [*up, *(one for one in up for _ in range(2))]

    def _climb(self, way: "list[MessagePump]", turn: int) -> None:
        """Follow a key: whoever wants it has had it when the end is reached."""
        if not way or not way[0].call_later(self._climb, way[1:], turn):
            self._settle(turn, None)  # or who goes hears nothing any more

    def _settle(self, turn: int, seen: "MessagePump | None") -> None:
        """Wait until the screen that the key opened, or came back to, has its focus."""
        if not self._app.screen_stack:  # it is being left
            return
        top = self._app.screen
        if top is seen or not top.call_later(self._app.call_later, self._settle, turn, top):
            self._app.call_later(self._next, turn)

    async def _next(self, turn: int) -> None:
        """The next key, once for each turn."""
        if turn == self._turn and self._since is not None:
            self._since = None
            if self._waiting:
                await self._begin()
