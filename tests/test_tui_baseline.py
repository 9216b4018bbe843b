"""The Baseline screen: completeness, audit and diff, and what a person approves there."""

import shutil
from pathlib import Path

import pytest
from conftest import PlantStore
from tui_pilot import SIZES, Seat, goes_through, opened, visit

from otsec.store import open_store
from otsec.store.acts import every_act
from otsec.store.baseline import ended, lines
from otsec.tui.screens.baseline import VIEWS, BaselineScreen
from otsec.tui.screens.reports import VIEWS as REPORTS


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """Ten minutes of the plant in a store; nothing is learned of it."""
    return plant_store(tmp_path_factory.mktemp("baseline") / "plant.db")


@pytest.fixture
def plant(analysed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(analysed, tmp_path / "plant.db"))


@pytest.mark.parametrize("size", SIZES)
def test_three_lists(plant: Path, size: tuple[int, int]) -> None:
    """Completeness, audit and diff stand behind a key each, and fit the terminal."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        shown = {
            "e": ("Completeness", "learning"),
            "a": ("Audit", "high"),
            "d": ("Diff", "new"),
        }
        await goes_through(seat, screen, shown, {"learning", "approve", "needs a person"})

    visit(plant, do, size=size)


def test_the_keys_of_all_screens_hold_here(plant: Path) -> None:
    """No list of the screen takes a key that means something else everywhere: u turns to UTC."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        everywhere = set(seat.app._bindings.key_to_bindings)
        for views in (VIEWS, REPORTS):
            assert not everywhere & {view.key for view in views}
        await seat.press("u")
        assert seat.app.utc
        assert screen.view.name == "status"

    visit(plant, do)


def test_its_rows_are_sorted_and_exported(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list is ordered by a column as a long one is, and x writes it to a file."""
    monkeypatch.chdir(plant.parent)

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        await seat.press("d")
        await seat.until(lambda: not screen.busy)
        table = screen.table
        column = next(one for one in table.columns if one.kind == "number")
        table.sort_by(column.name, descending=True)
        shown = [column.of(table.rows.at(place).row) for place in range(len(table.rows))]
        assert shown == sorted(shown, reverse=True)
        assert len(set(shown)) > 1
        await seat.press("x")
        assert seat.app.focused.value == "baseline_diff.csv"
        await seat.press("enter")
        await seat.until((plant.parent / "baseline_diff.csv").exists)
        assert len(table.rows) == len(shown)

    visit(plant, do)
    lines_ = (plant.parent / "baseline_diff.csv").read_text("utf-8").splitlines()
    assert len(lines_) > 2


def test_a_thing_is_approved_by_name_and_reason(plant: Path) -> None:
    """Without a reason nothing is kept; with one the line is, and who said so."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        await seat.press("d")
        await seat.until(lambda: not screen.busy and len(screen.table.rows))
        before = len(screen.table.rows)
        await seat.press("A")
        await seat.press("enter")
        assert "say why" in seat.text
        await seat.type("ticket 4711")
        await seat.press("enter")
        await seat.until(lambda: not screen.busy and len(screen.table.rows) < before)

    visit(plant, do)
    with open_store(plant, readonly=True) as store:
        (line,) = lines(store)
        (act,) = every_act(store)
    assert (line.how, line.who, line.reason) == ("approved", "ann", "ticket 4711")
    assert act.kind == "baseline-approve"


def test_a_device_is_approved_and_its_learning_ends(plant: Path) -> None:
    """All that may be learned of it becomes normal, but for program, mode and firmware."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        await seat.press("down")
        await seat.press("A")
        await seat.type("acceptance test")
        await seat.press("enter")
        await seat.until(lambda: not screen.busy and "approved" in seat.text)

    visit(plant, do)
    with open_store(plant, readonly=True) as store:
        assert len(ended(store)) == 1
        kept = lines(store)
    assert kept
    assert not {one.cls for one in kept} & {"program", "mode", "firmware"}


def test_who_only_reads_decides_nothing(plant: Path) -> None:
    """A screen that only reads takes no decision down."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "b", BaselineScreen)
        await seat.press("A")
        assert seat.app.screen is screen  # nobody is asked for a reason

    visit(plant, do, readonly=True)
    with open_store(plant, readonly=True) as store:
        assert not lines(store)
