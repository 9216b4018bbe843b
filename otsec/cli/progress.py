"""One line on the terminal while long work runs: share done, packets a second, time left."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from otsec.cli.harmless import cut, harmless
from otsec.cli.output import bytes_text, duration_text, say

EVERY_S = 0.2  # a person reads no faster
RATE_OVER_S = 3.0  # time over which the rate is averaged


class Progress:
    """Shown only where standard error is a terminal and nobody asked for quiet.

    As a context manager it removes its line at the end. `update` may be called for every batch.
    """

    def __init__(
        self,
        total_bytes: int | None,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.total = total_bytes  # None where nobody knows, as on standard input
        self.shown = not quiet and self.stream.isatty()
        self.clock = clock
        self.begin = self.last = clock()
        self.rate = 0.0  # packets a second
        self.packets = 0  # at the last line
        self.dirty = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def update(self, done_bytes: int, packets: int, label: str = "") -> None:
        """Tell how far it is: bytes and packets since the beginning, and what is being read."""
        if not self.shown:
            return
        now = self.clock()
        passed = now - self.last
        if passed < EVERY_S:
            return
        now_rate = (packets - self.packets) / passed
        weight = min(1.0, passed / RATE_OVER_S) if self.rate else 1.0
        self.rate += (now_rate - self.rate) * weight
        self.last, self.packets = now, packets
        self._draw(self.line(done_bytes, packets, now - self.begin, label))

    def line(self, done_bytes: int, packets: int, passed_s: float, label: str = "") -> str:
        """The words of the line."""
        parts = [f"{packets} packets", f"{self.rate:,.0f}/s".replace(",", " ")]
        if self.total:
            share = min(1.0, done_bytes / self.total)
            parts.insert(0, f"{share:4.0%} of {bytes_text(self.total)}")
            if share > 0:
                left_s = passed_s * (1 - share) / share
                parts.append(
                    f"{duration_text(round(left_s) * 1_000_000)} left" if left_s >= 1 else ""
                )
        else:
            parts.insert(0, bytes_text(done_bytes))
        return "  ".join(part for part in (*parts, harmless(label)) if part)

    def tell(self, line: str) -> None:
        """A line that stays, above the one that shows how far it is."""
        self.clear()
        say(f"otsec: {line}")

    def clear(self) -> None:
        """Take the line away, so that what follows stands at the margin."""
        if self.dirty:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.dirty = False

    def _draw(self, line: str) -> None:
        import shutil

        self.stream.write("\r\x1b[K" + cut(line, shutil.get_terminal_size().columns - 1, "~"))
        self.stream.flush()
        self.dirty = True
