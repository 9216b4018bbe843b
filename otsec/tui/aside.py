"""Questions whose answer takes long or much memory, asked in a process of its own.

A thread would hold up the screens, for one at a time runs Python, and what it used stays with the
process. A child is nice to the screens, ends, and leaves the rows that are shown.
"""

import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec import processes
from otsec.errors import OtsecError, StorageError, UsageError

if TYPE_CHECKING:
    from otsec.tui.listing import Ask

NICE = 5  # what is looked at now goes before
MOST_ROWS = 20_000  # that a child hands over; a person refines the filter before
STOPPED = "it was not finished; r begins again"

Child = subprocess.Popen[bytes]


class Found(NamedTuple):
    """Rows of a listing, and how many there are in all."""

    rows: list[Any]
    total: int


def begin(module: str, *words: str) -> Child:
    """Start a module of otsec with the interpreter that runs here."""
    return subprocess.Popen(  # noqa: S603 - otsec itself
        processes.words(module, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=processes.surroundings(),
        start_new_session=True,
    )


def ended(child: Child, given: bytes = b"", stopped: str = STOPPED) -> bytes:
    """What it prints. Raises UsageError if it was stopped, StorageError with what it says."""
    printed, told = child.communicate(given)
    if child.returncode < 0:
        raise UsageError(stopped)
    if child.returncode:
        lines = told.decode("utf-8", "replace").strip().splitlines() or ["it ended"]
        raise StorageError(lines[-1])
    return printed


def listed(child: Child, ask: "Ask", shelf: Path | None) -> Found:
    """The rows of a listing as a child finds them; ``shelf``: where the inventory is, if wanted."""
    printed = ended(child, pickle.dumps((ask, shelf)))
    return Found(*pickle.loads(printed))  # noqa: S301 - of our own child


def begin_listing(store: Path, screen: type) -> Child:
    """A child that waits for what to find in a store for a listing screen."""
    return begin("otsec.tui.aside", str(store), f"{screen.__module__}:{screen.__qualname__}")


def main(store: str, screen: str) -> None:
    """Find the rows of a listing, and hand over the first ones."""
    from otsec.inventory.shelf import Shelf  # noqa: PLC0415 - only in the child
    from otsec.store import open_store  # noqa: PLC0415
    from otsec.tui.rows import arranged  # noqa: PLC0415

    processes.step_behind(NICE)
    module, name = screen.split(":")
    listing = getattr(import_module(module), name)
    ask, shelf = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our own parent
    with open_store(Path(store), readonly=True) as found:
        rows = listing.made(found, ask.filters, lambda: Shelf(shelf))
    rows = arranged(rows, listing.COLUMNS, ask.sort, descending=ask.descending)
    pickle.dump((list(rows[:MOST_ROWS]), len(rows)), sys.stdout.buffer, 5)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OtsecError as error:
        sys.exit(str(error))
