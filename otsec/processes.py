"""Processes of otsec's own, started with the interpreter and the modules that run here."""

import os
import sys
from contextlib import suppress

OTSEC = "otsec"


def words(module: str, *arguments: str) -> list[str]:
    """The command that runs one of otsec's modules; `OTSEC` is the command line."""
    return [sys.executable, "-m", module, *arguments]


def surroundings() -> dict[str, str]:
    """The environment in which such a process finds the same modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def step_behind(how_far: int) -> None:
    """Let others go first; ``how_far``: 1 to 19, as of nice(1)."""
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(how_far)
