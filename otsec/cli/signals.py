"""Stopping long work well: a signal sets a flag, the work looks at it between batches.

The first Ctrl-C or SIGTERM asks the work to reach a checkpoint and end; a second one ends it at
once, which loses nothing but what came after the last checkpoint.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from otsec.errors import Exit

# Python on Windows tells of a closed console by SIGBREAK; other systems have no such name.
NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")


class Stop:
    """Whether a signal asked to stop, and with which exit code the command then ends."""

    __slots__ = ("_requested", "exit")

    def __init__(self) -> None:
        self.exit: Exit = Exit.FINE  # SIGTERM is the service manager's ordinary way to stop
        self._requested = False

    def stop_requested(self) -> bool:
        """Whether to stop at the next good place."""
        return self._requested

    def finish(self) -> None:
        """Stop well for another reason than a signal."""
        self._requested = True

    def request(self, number: int, _frame: FrameType | None = None) -> None:
        """What a signal does."""
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        if number == signal.SIGINT:
            self.exit = Exit.INTERRUPTED
            if sys.stderr.isatty():
                sys.stderr.write(
                    "\notsec: stopping at the next checkpoint; again to stop at once\n"
                )


@contextmanager
def listening() -> Iterator[Stop]:
    """Signals set the flag of the Stop inside the block, and do what they did before behind it."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python lets only the main thread set handlers
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, stop.request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
