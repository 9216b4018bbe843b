"""A register of assets as CSV: what `otsec assets --csv` writes, or a list that people keep.

A row names its asset by id, asset number, MAC or IP address, serial number or name, the first of
these that finds one. Of the other columns those that people may set are taken, where their cell
differs from what the export would write; an empty cell says nothing.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from otsec.cli import assets
from otsec.cli.harmless import FORMULA, cell
from otsec.cli.options import nearest
from otsec.cli.output import say
from otsec.errors import InputError, UsageError
from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset
from otsec.inventory.people import SETTABLE, Word, said_values
from otsec.inventory.selection import candidates
from otsec.store.acts import Act

MOST_ROWS = 100_000
MOST_TOLD = 20  # lines of mistakes
NAMING = (
    "id",
    "macs",
    "mac",
    "ips",
    "ip",
    "serial",
    "name",
)  # columns that name an asset, in order
EXPORTED = {column.name: column for column in assets.COLUMNS}


def read(found: Inventory, path: Path, word: Word) -> list[Act]:
    """Acts for all that a register says anew; raises UsageError naming every wrong line."""
    rows = list(_rows(path))
    acts: list[Act] = []
    wrong: list[str] = []
    unseen: list[int] = []
    for line, row in rows:
        try:
            asset = _asset(found, row)
            if asset is None:
                unseen.append(line)
            else:
                acts += said_values(asset, _new(asset, row), word, "import")
        except UsageError as error:
            wrong.append(f"{path}:{line}: {error}")
    if wrong:
        more = [f"... and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else []
        raise UsageError("\n".join([*wrong[:MOST_TOLD], *more]))
    if unseen:
        lines = ", ".join(map(str, unseen[:MOST_TOLD])) + (" ..." if unseen[MOST_TOLD:] else "")
        say(f"{len(unseen)} of {len(rows)} rows name nothing that was heard: line {lines}")
    return acts


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The lines with their numbers; cells by column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            _check(path, head)
            for row in reader:
                if reader.line_num > MOST_ROWS:
                    raise InputError(f"{path}: has more than {MOST_ROWS} lines")
                if len(row) > len(head):
                    told = f"{len(row)} cells, but {len(head)} columns"
                    raise InputError(f"{path}:{reader.line_num}: {told}")
                yield reader.line_num, dict(zip(head, map(str.strip, row), strict=False))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no CSV in UTF-8 ({error})") from error


def _check(path: Path, head: Sequence[str]) -> None:
    known = {*EXPORTED, *SETTABLE, *NAMING}
    for name in head:
        if name not in known:
            hint = nearest(name, sorted(known)) or f"; it takes {', '.join(SETTABLE)}"
            raise UsageError(f"{path}:1: no column {name!a}{hint}")
    if not {*NAMING}.intersection(head):
        raise UsageError(f"{path}:1: no column names the asset; one of {', '.join(NAMING)} must")


def _asset(found: Inventory, row: Mapping[str, str]) -> Asset | None:
    for name in NAMING:
        for text in _names(plain(row.get(name, "")), several=name in {"macs", "ips"}):
            if name == "serial":
                met = [one for one in found.assets if one.value("serial") == text]
            else:
                met = candidates(found, text)
            if len(met) > 1:
                ids = ", ".join(one.id for one in met[:5])
                raise UsageError(f"{name} {text!a} is of {len(met)} assets; say one id: {ids}")
            if met:
                return met[0]
    return None


def _names(text: str, *, several: bool) -> list[str]:
    parts = text.split(",") if several else [text]
    return [part.strip() for part in parts if part.strip()]


def _new(asset: Asset, row: Mapping[str, str]) -> dict[str, str]:
    """What the row says that the export would not."""
    return {
        name: plain(text)
        for name in SETTABLE
        if (text := row.get(name, "")) and text != exported(asset, name)
    }


def exported(asset: Asset, name: str) -> str:
    """A cell as the export writes it."""
    column = EXPORTED.get(name)
    value = None if column is None else column.of(asset)
    if column is None or value is None:
        return ""
    if column.kind == "list":
        return cell(", ".join(map(str, value))).strip()
    return cell(str(value)).strip() if column.kind == "text" else f"{value:g}"


def plain(text: str) -> str:
    """A cell without the apostrophe that keeps spreadsheets from computing it."""
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA else text
