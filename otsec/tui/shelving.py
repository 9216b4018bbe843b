"""The inventory of a large store, made by a process of its own: the screens go on meanwhile.

A few thousand assets are known in a second, in a thread. A hundred thousand take a minute and much
memory; so a child makes them, puts them on a shelf, and ends, and the screens read the shelf.
"""

import gc
import sys
import threading
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from otsec.errors import OtsecError, StorageError, UsageError
from otsec.processes import step_behind
from otsec.tui.aside import NICE, Child, begin, ended

if TYPE_CHECKING:
    from otsec.inventory.shelf import Shelf

KEPT = 2  # shelves: of the one before the last rows may still be on the screen
STOPPED = "the inventory was not made to its end; r makes it"


class Shelving:
    """Makes shelves, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._home: TemporaryDirectory[str] | None = None
        self._child: Child | None = None
        self._made: list[Path] = []
        self._ended = threading.Event()  # nobody waits for more

    def made(self) -> "Shelf":
        """A shelf of the store as it is now. Raises UsageError if stopped, StorageError otherwise."""
        from otsec.inventory.shelf import Shelf  # noqa: PLC0415 - only who has so many

        if self._ended.is_set():
            raise UsageError(STOPPED)
        if self._home is None:
            self._home = TemporaryDirectory(prefix="otsec-shelf-")
        folder = Path(mkdtemp(dir=self._home.name))
        self._child = begin("otsec.tui.shelving", str(self._path), str(folder))
        try:
            ended(self._child, stopped=STOPPED)
        except StorageError as error:
            raise StorageError(f"the inventory could not be made: {error}") from error
        finally:
            self._child = None
        self._made.append(folder)
        while len(self._made) > KEPT:
            rmtree(self._made.pop(0), ignore_errors=True)
        return Shelf(folder)

    @property
    def busy(self) -> bool:
        """Whether one is being made."""
        return self._child is not None

    def stop(self, *, for_good: bool = False) -> None:
        """Make no more of the one that is being made."""
        if for_good:
            self._ended.set()
        if (child := self._child) is not None:
            child.terminate()
        if for_good and self._home is not None:
            self._home.cleanup()


def main(store: str, folder: str) -> None:
    """Make the inventory of a store, and put it into a folder."""
    from otsec.cli.assets import COLUMNS  # noqa: PLC0415 - only in the child
    from otsec.cli.listing import natural  # noqa: PLC0415
    from otsec.inventory.assembly import inventory  # noqa: PLC0415
    from otsec.inventory.shelf import put  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415

    step_behind(NICE)
    gc.disable()  # millions of rows and no cycle among them: looking for some takes as long as they do
    with open_store(Path(store), readonly=True) as found:
        made = inventory(found)
    put(Path(folder), made, {column.name: column.of for column in COLUMNS}, natural)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OtsecError as error:
        sys.exit(str(error))
