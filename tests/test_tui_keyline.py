"""Opening a screen styles it once, and draws the line of its keys once."""

from pathlib import Path
from unittest.mock import patch

import pytest
from conftest import PlantStore
from textual.color import Color
from textual.widgets._footer import FooterKey
from tui_pilot import Seat, visit

from otsec.tui.app import OtsecApp
from otsec.tui.keyline import KeyLine


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """The plant in a store."""
    return plant_store(tmp_path_factory.mktemp("keyline") / "plant.db")


def keys(seat: Seat) -> list[FooterKey]:
    """What stands in the line at the bottom."""
    return [*seat.app.screen.query_one(KeyLine).query(FooterKey)]


def test_keys_that_stay_are_not_made_anew(plant: Path) -> None:
    """Where other keys do something they are shown; where the same do, the line stays as it is."""

    async def do(seat: Seat) -> None:
        await seat.press("3")
        before = keys(seat)
        assert [key.description for key in before][:2] == ["Open", "Sort"]
        seat.app.screen.refresh_bindings()
        await seat.settle()
        assert keys(seat) == before
        await seat.press("slash")  # into the filter, where letters are letters
        assert [key.description for key in keys(seat)] != [key.description for key in before]
        shown = [one for one in seat.app.screen.active_bindings.values() if one.binding.show]
        assert [key.key for key in keys(seat)] == [one.binding.key for one in shown]

    visit(plant, do)


def test_a_new_screen_is_styled_once(plant: Path) -> None:
    """Styles are not read and applied anew because a screen opens for the first time."""

    async def do(seat: Seat) -> None:
        with patch.object(OtsecApp, "refresh_css") as again:
            await seat.press("2", "3", "5")
        assert not again.called

    visit(plant, do)


def test_other_colours_reach_every_screen(plant: Path) -> None:
    """A theme holds on the screen where it was chosen, on those opened before, and on new ones."""

    async def do(seat: Seat) -> None:
        await seat.press("2", "3")
        before = seat.app.screen.styles.background
        await seat.press("D")
        for key in ("3", "2", "5"):
            await seat.press(key)
            wanted = Color.parse(seat.app.get_css_variables()["background"])
            assert seat.app.screen.styles.background == wanted != before

    visit(plant, do)
