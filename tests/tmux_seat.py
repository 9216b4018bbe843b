"""otsec in a real terminal: tmux, keys sent to it, what it shows read back."""

import subprocess
import sys
import time
from secrets import token_hex
from typing import Self

from conftest import ROOT

PATIENCE_S = 60.0  # on a machine that has much else to do


class Terminal:
    """A terminal of its own in which otsec runs."""

    def __init__(self, words: str, *, width: int = 100, height: int = 30) -> None:
        """``words``: what stands behind `otsec`."""
        # Folders of tests that run side by side bear the same names, and the last one to leave
        # would end the server of all.
        self._tmux = ["tmux", "-L", f"otsec-{token_hex(6)}"]
        command = f"cd {ROOT}; {sys.executable} -m otsec {words}; echo left; sleep 30"
        self._begin = ["new-session", "-d", "-x", str(width), "-y", str(height), command]

    def __enter__(self) -> Self:
        """Begin."""
        subprocess.run([*self._tmux, *self._begin], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End this terminal, and no other."""
        subprocess.run([*self._tmux, "kill-server"], check=False)

    @property
    def text(self) -> str:
        """What it shows."""
        words = [*self._tmux, "capture-pane", "-p"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def asked(self, what: str) -> str:
        """What tmux knows of it, such as `#{mouse_any_flag}`."""
        words = [*self._tmux, "display-message", "-p", what]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def press(self, *keys: str) -> None:
        """Send keys, all of them at once."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def mouse(self, x: int, y: int, button: int = 0) -> None:
        """Press and let go a button at a cell, both from 1; 64 and 65 are the wheel."""
        self.clicks(x, y, 1, button)

    def clicks(self, x: int, y: int, times: int, button: int = 0) -> None:
        """The same, several times at once."""
        self.press("-l", "".join(f"\x1b[<{button};{x};{y}{end}" for end in "Mm") * times)

    def gone(self, text: str) -> None:
        """Wait until something else is shown."""
        for _ in range(int(PATIENCE_S / 0.1)):
            if self.text != text:
                return
            time.sleep(0.1)
        raise AssertionError(f"nothing changed in\n{text}")

    def until(self, word: str) -> None:
        """Wait until a word is shown."""
        for _ in range(int(PATIENCE_S / 0.1)):
            if word in self.text:
                return
            time.sleep(0.1)
        raise AssertionError(f"no {word} in\n{self.text}")
