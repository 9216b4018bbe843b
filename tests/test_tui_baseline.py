"""The Baseline screen: completeness, audit and diff, and what a person approves there."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Command
from tui_pilot import Seat, visit

from otsec.store import open_store
from otsec.store.acts import every_act
from otsec.store.baseline import ended, lines
from otsec.tui.screens.baseline import BaselineScreen


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, otsec_command: Command) -> Path:
    """Ten minutes of the plant in a store; nothing is learned of it."""
    path = tmp_path_factory.mktemp("baseline") / "plant.db"
    done = otsec_command(
        "analyze", ROOT / "pcaps" / "plant" / "ten_minutes.pcap", "--db", path, "-q"
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def plant(analysed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(analysed, tmp_path / "plant.db"))


async def opened(seat: Seat) -> BaselineScreen:
    """The screen over the store."""
    await seat.press("g")
    await seat.press("b")
    screen = seat.app.screen
    assert isinstance(screen, BaselineScreen)
    await seat.until(lambda: len(screen.table.rows))
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_three_lists(plant: Path, size: tuple[int, int]) -> None:
    """Completeness, audit and diff stand behind a key each, and fit the terminal."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat)
        for key, words in (
            ("c", ("Completeness", "learning")),
            ("u", ("Audit", "high")),
            ("d", ("Diff", "new")),
        ):
            await seat.press(key)
            await seat.until(lambda: not screen.busy)
            for word in words:
                assert word in seat.text, seat.text
            assert all(len(line) <= size[0] for line in seat.text.split("\n"))
            assert screen.exported()[1]
        told = dict(word for _, words in screen.words() for word in words)
        assert {"learning", "approve", "needs a person"} <= told.keys()

    visit(plant, do, size=size)


def test_a_thing_is_approved_by_name_and_reason(plant: Path) -> None:
    """Without a reason nothing is kept; with one the line is, and who said so."""

    async def do(seat: Seat) -> None:
        screen = await opened(seat)
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
        screen = await opened(seat)
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
        screen = await opened(seat)
        await seat.press("A")
        assert seat.app.screen is screen  # nobody is asked for a reason

    visit(plant, do, readonly=True)
    with open_store(plant, readonly=True) as store:
        assert not lines(store)
