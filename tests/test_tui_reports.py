"""The Reports screen: kinds, schedules and runs; a report is written and read there."""

import shutil
from pathlib import Path

import pytest
from conftest import Command, PlantStore
from tui_pilot import SIZES, Seat, goes_through, opened, visit

from otsec.store import open_store
from otsec.store.schedules import Run, put_runs
from otsec.tui.screens.reports import ReportsScreen


@pytest.fixture(scope="module")
def analysed(
    tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore, otsec_command: Command
) -> Path:
    """Ten minutes of the plant in a store, with a schedule of which one run was worked off."""
    path = plant_store(tmp_path_factory.mktemp("reports") / "plant.db")
    words = ("schedule", "add", "hourly", "hourly", "health", "--db", path, "--by", "Ann", "-q")
    done = otsec_command(*words)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def plant(analysed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(analysed, tmp_path / "plant.db"))


@pytest.mark.parametrize("size", SIZES)
def test_three_lists(plant: Path, size: tuple[int, int]) -> None:
    """Kinds, schedules and runs stand behind a key each, and fit the terminal."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "r", ReportsScreen)
        shown = {
            "t": ("Schedules", "hourly"),
            "o": ("Runs", "nothing was due yet"),
            "e": ("Kinds", "executive"),
        }
        await goes_through(seat, screen, shown, {"due", "covers", "Write"})

    visit(plant, do, size=size)


def test_a_report_is_written_and_read(plant: Path) -> None:
    """W writes the selected kind beside the store and shows its text; what it needs is asked for."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "r", ReportsScreen)
        await seat.press("W")
        await seat.until(lambda: "Key figures" in seat.text)
        assert "S7 controller stopped" in str(screen.query_one("#page").render())
        screen.table.select(1)
        await seat.press("W")
        assert "evidence: name" in seat.text
        await seat.type("nothing-known")
        await seat.press("enter")
        await seat.until(lambda: "nothing-known" in str(screen.query_one("#page").render()))

    visit(plant, do, size=(120, 60))
    names = {path.name for path in (plant.parent / "reports").iterdir()}
    assert names == {"executive.html", "executive.json", "executive.md"}


def test_what_only_reads_writes_no_report(plant: Path) -> None:
    """Where nothing may be changed, no report is written."""

    async def do(seat: Seat) -> None:
        await opened(seat, "r", ReportsScreen)
        await seat.press("W")
        assert not (plant.parent / "reports").exists()

    visit(plant, do, readonly=True)


def test_a_run_is_read(plant: Path, otsec_command: Command) -> None:
    """Enter on a run shows what it wrote, and why there is nothing where it failed."""
    folder = plant.parent / "run"
    done = otsec_command(
        "report", "run", "health", "--format", "json", "--db", plant, "-o", folder, "-q"
    )
    assert done.returncode == 0, done.stderr
    with open_store(plant, create=False) as store:
        failed = Run("hourly", 2, "failed", 2, error="the disk is full")
        put_runs(store, [Run("hourly", 1, "done", 1, folder=str(folder)), failed])

    async def do(seat: Seat) -> None:
        screen = await opened(seat, "r", ReportsScreen)
        await seat.press("o")
        await seat.until(lambda: len(screen.table.rows))
        await seat.press("enter")
        assert "the disk is full" in str(screen.query_one("#page").render())
        await seat.press("down", "enter")
        page = str(screen.query_one("#page").render())
        assert str(folder) in page
        assert "ten_minutes" in page

    visit(plant, do)
