"""The screens beside a sensor: `otsec tui` over the store that is being written, in its terminal."""

import subprocess
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from otsec import processes

if TYPE_CHECKING:
    from otsec.config import Config

KEPT = 200  # lines said meanwhile, that are shown when the screens are left
WAIT_S = 5.0  # for the screens to give the terminal back


class Screens:
    """They have the terminal for as long as they run; what is said meanwhile is said behind."""

    def __init__(self, config: "Config", left: Callable[[], None]) -> None:
        """``left``: called once when somebody has left them."""
        self._left = left
        self._said: deque[str] = deque(maxlen=KEPT)
        words = processes.words(processes.OTSEC, "tui", "--db", str(config.store))
        words += ["--site", config.site]
        if config.path is not None:
            words += ["--config", str(config.path)]
        self._child = subprocess.Popen(  # noqa: S603 - otsec itself
            words, env=processes.surroundings()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """End them, and say what was kept."""
        from otsec.cli.output import say

        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        while self._said:
            say(f"otsec: {self._said.popleft()}")

    def keep(self, line: str) -> None:
        """A line that is shown when the screens are left."""
        self._said.append(line)

    def look(self) -> None:
        """Whether they were left."""
        if self._child.poll() is not None:
            self._left()
