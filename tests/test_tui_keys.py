"""Keys that are typed quicker than screens open."""

import shutil
from pathlib import Path

import pytest
from conftest import PlantStore
from textual.widgets import Input
from tmux_seat import Terminal
from tui_pilot import Seat, visit


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """Ten minutes of the plant in a store."""
    return plant_store(tmp_path_factory.mktemp("keys") / "plant.db")


@pytest.mark.parametrize(
    ("keys", "screen"),
    [
        (("g", "r"), "ReportsScreen"),
        (("g", "b"), "BaselineScreen"),
        (("g", "z"), "ZonesScreen"),
        (("2", "g", "r", "g", "g", "g", "5"), "ConversationsScreen"),
        (("g", "escape", "g", "b", "u", "W"), "BaselineScreen"),
    ],
)
def test_no_key_is_lost(plant: Path, keys: tuple[str, ...], screen: str) -> None:
    """Keys that arrive in one read lead where they lead one by one."""

    async def do(seat: Seat) -> None:
        await seat.press_at_once(*keys)
        await seat.until(lambda: type(seat.app.screen).__name__ == screen)
        assert seat.app.utc == ("u" in keys)

    visit(plant, do)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("2", "slash", *"level"), "level"),
        (("colon", *"asset"), "asset"),
        (("g", "5", "x", *"a"), "conversations.csva"),
    ],
)
def test_text_behind_a_key_comes_into_the_line(
    plant: Path, keys: tuple[str, ...], text: str
) -> None:
    """What is typed at once behind the key that opens a line stands in that line, in order."""

    async def do(seat: Seat) -> None:
        await seat.press_at_once(*keys)
        await seat.until(lambda: isinstance(seat.app.focused, Input))
        await seat.until(lambda: seat.app.focused.value == text)

    visit(plant, do)


@pytest.mark.parametrize("leaves", ["enter", "tab", "escape"])
def test_a_key_behind_the_line_is_for_the_rows(plant: Path, leaves: str) -> None:
    """What is typed at once behind the key that leaves a line does not come into it."""

    async def do(seat: Seat) -> None:
        await seat.press_at_once("2", "slash", *"stopped", leaves, "u")
        await seat.until(lambda: seat.app.utc)
        assert seat.app.listing().query_one(Input).value == "stopped"
        assert seat.app.focused is seat.table

    visit(plant, do)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_what_is_typed_is_seen(plant: Path, size: tuple[int, int]) -> None:
    """A command, a reason, the name of a file stand on the screen while they are typed."""

    async def do(seat: Seat) -> None:
        for keys, typed in ((("colon",), "assets"), (("2", "R"), "bad cable"), (("x",), "")):
            await seat.press(*keys)
            await seat.type(typed)
            shown = [line.strip() for line in seat.text.split("\n")]
            assert seat.app.focused.value in shown
            assert typed in seat.app.focused.value
            await seat.press("escape")

    visit(plant, do, size=size)


def test_a_widget_that_goes_holds_up_no_key(plant: Path) -> None:
    """A key whose widget never answers is given up after a moment, and the next one is taken."""

    async def do(seat: Seat) -> None:
        keystrokes = seat.app._keystrokes
        keystrokes._climb = lambda *_: None  # nobody says that the key was worked off
        await seat.pilot.press("2")
        del keystrokes._climb
        await seat.press_at_once("g", "5")
        await seat.until(lambda: seat.app.current_mode == "conversations")

    visit(plant, do)


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_keys_of_one_read_in_a_terminal(plant: Path) -> None:
    """In tmux: `g` and `r` sent in one go show the reports, `g` and `b` the baseline."""
    with Terminal(f"tui --db {plant}") as seat:
        seat.until("1 Overview")
        seat.press("g", "r")
        seat.until("Kinds (")
        seat.press("g", "b")
        seat.until("Completeness")
        seat.press("-l", "2/level>=low")
        seat.until("level>=low")
        seat.until("Findings")
