"""An inventory on disk is the inventory: the same assets, orders, filters and names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PlantStore

from otsec.cli.assets import COLUMNS
from otsec.errors import StorageError, UsageError
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.model import Node
from otsec.inventory.selection import candidates, chosen
from otsec.inventory.shelf import Shelf
from otsec.store import open_store
from otsec.store.filters import Filter
from otsec.tui import shelving
from otsec.tui.listing import arranged


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore
) -> Iterator[tuple[Inventory, Shelf]]:
    """The plant's inventory, and the same from a child's shelf."""
    path = plant_store(tmp_path_factory.mktemp("plant") / "plant.db")
    with open_store(path, readonly=True) as store:
        found = inventory(store)
    made = shelving.Shelving(path)
    yield found, made.made()
    made.stop(for_good=True)


def test_it_holds_every_asset(both: tuple[Inventory, Shelf]) -> None:
    """Each asset reads back as it was put, and each address leads to its asset."""
    found, shelf = both

    assert list(shelf.assets) == list(found.assets)
    assert dict(shelf.by_node.items()) == dict(found.by_node)
    assert list(shelf.by_node) == list(found.by_node)
    assert {node: shelf.at(node) for node in found.by_node} == {
        node: found.at(node) for node in found.by_node
    }
    assert shelf.at(Node("site", "net", "", "192.0.2.1")) is None


@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
@pytest.mark.parametrize("descending", [False, True])
def test_it_orders_as_the_listing(
    both: tuple[Inventory, Shelf], column: str, descending: bool
) -> None:
    """By any column, either way, the order is that of the whole listing."""
    found, shelf = both

    rows = arranged(found.assets, COLUMNS, column, descending=descending)
    order = shelf.order([], column, descending=descending)
    assert [shelf.assets[int(at)].id for at in order] == [row.id for row in rows]


@pytest.mark.parametrize(
    "one",
    [
        Filter("role", "plc"),
        Filter("host", "10.20.1.0/28"),
        Filter("text", "siemens"),
        Filter("proto", "s7*", negated=True),
        Filter("level", "2", sign=">="),
        Filter("since", "1767600480000000000"),
    ],
)
def test_it_filters_as_the_listing(both: tuple[Inventory, Shelf], one: Filter) -> None:
    """What passes a filter is what passes it in the whole listing, and never all or nothing here."""
    found, shelf = both

    wanted = [row.id for row in chosen(found.assets, [one])]
    assert [shelf.assets[int(at)].id for at in shelf.order([one], "", descending=False)] == wanted
    assert 0 < len(wanted) < len(found.assets)


@pytest.mark.parametrize("text", ["HMI-WATER", "hmi-water", "10.20.1.21", "id", "nobody"])
def test_it_finds_what_a_person_names(both: tuple[Inventory, Shelf], text: str) -> None:
    """An id, a name or an address leads to the same assets."""
    found, shelf = both

    wanted = found.assets[3].id if text == "id" else text
    assert candidates(shelf, wanted) == candidates(found, wanted)


def test_a_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What the child could not do is one line; one that was ended makes no more."""
    made = shelving.Shelving(tmp_path / "none.db")
    with pytest.raises(StorageError, match="the inventory could not be made"):
        made.made()
    made.stop(for_good=True)
    with pytest.raises(UsageError):
        made.made()
