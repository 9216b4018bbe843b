"""Processes of otsec's own, started with the interpreter and the modules that run here."""

import os
import sys
from contextlib import suppress

OTSEC = "otsec"
PR_SET_PDEATHSIG = 1


def words(module: str, *arguments: str) -> list[str]:
    """The command that runs one of otsec's modules; `OTSEC` is the command line."""
    return [sys.executable, "-m", module, *arguments]


def surroundings() -> dict[str, str]:
    """The environment in which such a process finds the same modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def end_with_parent(how: int) -> None:
    """Ask Linux to send this process a signal when the one that started it is gone; prctl(2).

    Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - few processes want it

    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)


def step_behind(how_far: int) -> None:
    """Let others go first; ``how_far``: 1 to 19, as of nice(1)."""
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(how_far)
