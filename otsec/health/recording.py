"""Checks of how it was recorded: cut packets, clock, drops, files, and what could not be read."""

from collections import Counter
from collections.abc import Iterable

from otsec.cli.output import duration_text
