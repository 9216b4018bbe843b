"""An inventory on disk: of a hundred thousand assets the few that are looked at are read back.

`put` writes a folder; `Shelf` reads it. There is each asset by itself, packed; what filters look
at, as plain texts in blocks; for each column the place of each asset in its order; and the hash of
each address with the asset that has it. So a filter goes through texts and not through assets, an
order is one sort of integers, and an address is found by a search in a sorted column.

The folder is of one run of one user: it is written by a child process into a directory of its own.
"""

import json
import marshal
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, overload

import numpy as np

from otsec.columns import I64, U64, Ints
from otsec.inventory.addresses import canonical
from otsec.inventory.assembly import Inventory, node_id
from otsec.inventory.model import Asset, Node
from otsec.inventory.selection import KEYS, passes, texts
from otsec.store.filters import Filter

TEXT, TIMES = "text", "times"  # columns beside those of the filters
UNKNOWN = -1  # place in the order of a column of which an asset has no value
BETWEEN = "\0"  # texts of an asset
PACKED = 1  # zlib's quickest: a third of the size, for a twentieth of the time

Value = Callable[[Asset], Any]  # of a column
Rank = Callable[[Any], Any]  # what puts values in order


def put(folder: Path, found: Inventory, columns: Mapping[str, Value], rank: Rank) -> None:
    """Write an inventory; ``columns``: by name, what can be sorted by."""
    _put_assets(folder, found.assets)
    _put_texts(folder, found.assets)
    ranks = [_ranks([value(asset) for asset in found.assets], rank) for value in columns.values()]
    np.save(folder / "ranks.npy", np.array(ranks, np.int32).reshape(len(columns), -1))
    nodes = list(found.by_node.items())
    hashes = np.array([_hash(node) for node, _ in nodes], np.uint64)
    numbers = np.array([number for _, number in nodes], np.int64)
    order = np.argsort(hashes, kind="stable")
    np.save(folder / "hashes.npy", hashes[order])
    np.save(folder / "numbers.npy", numbers[order])
    with (folder / "nodes").open("wb") as file:
        marshal.dump([(*node, number) for node, number in nodes], file)
    (folder / "columns.json").write_text(json.dumps(list(columns)), encoding="utf-8")  # the last


def _put_assets(folder: Path, assets: Sequence[Asset]) -> None:
    ends = np.zeros(len(assets) + 1, np.int64)
    with (folder / "assets").open("wb") as file:
        for number, asset in enumerate(assets):
            file.write(zlib.compress(pickle.dumps(asset, 5), PACKED))
            ends[number + 1] = file.tell()
    np.save(folder / "ends.npy", ends)
    np.save(folder / "ids.npy", np.array([int(one.id, 16) for one in assets], np.int64))


def _put_texts(folder: Path, assets: Sequence[Asset]) -> None:
    """For each filter what it looks at, asset by asset; all texts as one; times."""
    columns: dict[str, list[Any]] = {
        **{key: [tuple(told(one)) for one in assets] for key, told in KEYS.items()},
        TEXT: [BETWEEN.join(texts(one)).casefold() for one in assets],
        TIMES: [(one.first_time, one.last_time) for one in assets],
    }
    for key, column in columns.items():
        with (folder / f"told-{key}").open("wb") as file:
            marshal.dump(column, file)


def _ranks(values: Sequence[Any], rank: Rank) -> list[int]:
    known = sorted({value for value in values if value not in {None, "", ()}}, key=rank)
    places: dict[Any, int] = {}
    for value in known:
        places[value] = len(places)
    return [places.get(value, UNKNOWN) for value in values]


def _hash(node: Node) -> int:
    told = "\0".join(map(str, node)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big")


class Shelf(Inventory):
    """An inventory that was put into a folder."""

    __slots__ = ("_columns", "_folder", "_ranks", "ids")
    ids: I64  # of the assets, as numbers
    _folder: Path
    _columns: list[str]
    _ranks: Ints  # by column and asset

    def __init__(self, folder: Path) -> None:
        ids: I64 = np.load(folder / "ids.npy")
        assets = _Assets(folder, len(ids))
        for name, value in (
            ("assets", assets),
            ("by_node", _Nodes(folder, assets)),
            ("ids", ids),
            ("_folder", folder),
            ("_ranks", np.load(folder / "ranks.npy", mmap_mode="r")),
            ("_columns", json.loads((folder / "columns.json").read_text("utf-8"))),
        ):
            object.__setattr__(self, name, value)  # of a frozen class

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    def order(self, filters: Sequence[Filter], sort: str, *, descending: bool) -> I64:
        """Numbers of the assets that pass, in order of a column; those without a value stand last."""
        kept = self._kept(filters) if filters else np.arange(len(self.ids))
        if sort not in self._columns:
            return kept
        ranks = self._ranks[self._columns.index(sort)][kept].astype(np.int64)
        placed = np.where(ranks == UNKNOWN, np.iinfo(np.int64).max, -ranks if descending else ranks)
        return kept[np.argsort(placed, kind="stable")]

    def _kept(self, filters: Sequence[Filter]) -> I64:
        kept = np.ones(len(self.ids), np.bool_)
        for one in filters:
            kept &= np.fromiter(self._passing(one), np.bool_, len(self.ids))
        return np.flatnonzero(kept)

    def _passing(self, one: Filter) -> Iterator[bool]:
        """Asset by asset whether it passes; a plain text is looked for in all texts at once."""
        if one.field in {"since", "until"}:
            return (passes(None, one, {}, _nothing, span) for span in self._told(TIMES))
        if one.field == TEXT:
            wanted = one.value.casefold()
            if "*" not in wanted:
                return ((wanted in told) is not one.negated for told in self._told(TEXT))
            return (passes(told, one, {}, _apart, (0, 0)) for told in self._told(TEXT))
        looked_at = {one.field: _itself}
        return (passes(told, one, looked_at, _nothing, (0, 0)) for told in self._told(one.field))

    def _told(self, key: str) -> list[Any]:
        with (self._folder / f"told-{key}").open("rb") as file:
            found: list[Any] = marshal.load(file)  # noqa: S302 - written by a child of ours
        return found

    def pick(self, filters: Sequence[Filter], _choose: Any = None) -> list[Asset]:
        """The assets that pass filters, only these unpacked."""
        return [self.assets[int(at)] for at in self.order(filters, "", descending=False)]

    def named(self, text: str) -> list[Asset]:
        """By id, else by name, else by address."""
        wanted, address = text.strip().casefold(), canonical(text)
        for node, number in self.by_node.items():
            if node_id(node) == wanted:
                return [self.assets[number]]
        named = [
            number
            for number, names in enumerate(self._told("name"))
            if wanted in (name.casefold() for name in names)
        ]
        at = [number for number, hosts in enumerate(self._told("host")) if address in hosts]
        return [self.assets[number] for number in named or at]


def _nothing(_: object) -> Iterable[str]:
    return ()


def _itself(told: Iterable[str]) -> Iterable[str]:
    return told


def _apart(told: str) -> Iterable[str]:
    return told.split(BETWEEN)


class _Assets(Sequence[Asset]):
    """Assets that are unpacked when they are asked for."""

    def __init__(self, folder: Path, count: int) -> None:
        self._path, self._count = folder / "assets", count
        self._ends: I64 = np.load(folder / "ends.npy", mmap_mode="r")

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Asset: ...
    @overload
    def __getitem__(self, at: slice) -> list[Asset]: ...
    def __getitem__(self, at: int | slice) -> Asset | list[Asset]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(self._count))]
        if not 0 <= at < self._count:
            raise IndexError(at)
        with self._path.open("rb") as file:
            file.seek(int(self._ends[at]))
            packed = file.read(int(self._ends[at + 1] - self._ends[at]))
        found: Asset = pickle.loads(zlib.decompress(packed))  # noqa: S301 - written by a child of ours
        return found


class _Nodes(Mapping[Node, int]):
    """Which asset has an address."""

    def __init__(self, folder: Path, assets: _Assets) -> None:
        self._path, self._assets = folder / "nodes", assets
        self._hashes: U64 = np.load(folder / "hashes.npy")
        self._numbers: I64 = np.load(folder / "numbers.npy")

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, node: Node) -> int:
        wanted = np.uint64(_hash(node))
        first = int(np.searchsorted(self._hashes, wanted))
        for place in range(first, len(self._hashes)):
            if self._hashes[place] != wanted:
                break
            number = int(self._numbers[place])
            if any(one.node == node for one in self._assets[number].addresses):
                return number
        raise KeyError(node)

    def __iter__(self) -> Iterator[Node]:
        with self._path.open("rb") as file:
            for *told, _ in marshal.load(file):  # noqa: S302 - as above
                yield Node(*told)

    def items(self) -> Any:
        """Addresses with the assets that have them, without looking for each."""
        with self._path.open("rb") as file:
            return [(Node(*told), number) for *told, number in marshal.load(file)]  # noqa: S302 - as above
