"""What is shown, as a file: the same rows in the same formats as the listings of the command."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from otsec.cli.output import Column, Format, Style, write
from otsec.errors import StorageError, UsageError

FORMATS: dict[str, Format] = {".csv": "csv", ".json": "json", ".jsonl": "jsonl"}


def target(name: str) -> Path:
    """The file that a name means. Raises UsageError where it is none, or exists."""
    path = Path(name).expanduser()
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{name!a}: end the name in {', '.join(FORMATS)}")
    if path.exists():
        raise UsageError(f"{name!a} exists already; name another file")
    return path


def export(
    path: Path, kind: str, columns: Sequence[Column], rows: Iterable[Any], zone: tzinfo
) -> int:
    """Write the rows; gives their number. The file is its owner's alone, as the store is."""
    counted = _Counted(rows)
    style = Style(FORMATS[path.suffix.lower()], zone)
    try:
        number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(number, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
            write(kind, columns, counted, style, file)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; name another file") from error
    return counted.count


class _Counted:
    """Rows that are counted while they are gone through."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.count += 1
            yield row
