"""What is shown, as a file: rows in the formats of the command, or the packets behind them."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from otsec.cli.output import Column, Format, Style, write
from otsec.errors import StorageError, UsageError
from otsec.evidence.captures import Library
from otsec.evidence.gather import Rule, gather
from otsec.evidence.package import manifest_path
from otsec.evidence.package import write as write_package
from otsec.evidence.references import resolve
from otsec.store import Store

FORMATS: dict[str, Format] = {".csv": "csv", ".json": "json", ".jsonl": "jsonl"}
PACKETS = ".pcapng"  # the packets that show the rows
MOST_ROWS = 1_000  # of which packets are gathered at a time


def target(name: str, endings: Collection[str], folder: Path | None = None) -> Path:
    """The file that a name means; ``folder``: where it goes whatever else the name says.

    Raises UsageError where it is none, or exists.
    """
    path = Path(name).expanduser()
    if path.suffix.lower() not in endings:
        raise UsageError(f"{name!a}: end the name in {', '.join(endings)}")
    if folder is not None:
        return folder / re.sub(r"[^\w.-]", "_", path.name, flags=re.ASCII)
    if path.exists():
        raise UsageError(f"{name!a} exists already; name another file")
    return path


def packed(path: Path) -> Path:
    """A capture and its manifest in one file, for who is handed one file."""
    archive = path.with_suffix(".zip")
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for one in (path, manifest_path(path)):
            file.write(one, one.name)
    return archive


def write_packets(path: Path, store: Store, ids: Sequence[str]) -> int:
    """Write the packets that ids name as a capture with a manifest; gives their number."""
    if manifest_path(path).exists():
        raise UsageError(f"{manifest_path(path)} exists already; name another file")
    library, wanted = Library(store), resolve(store, ids)
    return write_package(path, library, ids, wanted, gather(library, wanted, Rule()), None).packets


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
