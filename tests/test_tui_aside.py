"""Long listings of a large store are found by a child: the same rows, and it can be stopped."""

from pathlib import Path

import pytest
from conftest import ROOT, Command
from tui_pilot import Seat, visit

from otsec.tui import app, aside


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, otsec_command: Command) -> Path:
    """The plant and its switches in a store."""
    path = tmp_path_factory.mktemp("aside") / "plant.db"
    captures = [
        ROOT / "pcaps" / "plant" / "ten_minutes.pcap",
        ROOT / "pcaps" / "stp" / "trees.pcap",
    ]
    done = otsec_command("analyze", *captures, "--db", path, "-q")
    assert done.returncode == 0, done.stderr
    return path


KEYS = {"7": "sessions", "8": "values", "9": "topology"}


def _rows(path: Path) -> dict[str, list[object]]:
    """The rows of these screens."""
    found: dict[str, list[object]] = {}

    async def do(seat: Seat) -> None:
        for key, name in KEYS.items():
            await seat.press(key)
            found[name] = [seat.table.rows.at(place).row for place in range(len(seat.table.rows))]

    visit(path, do)
    return found


def test_a_child_finds_the_same_rows(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions, writes and topology are the same whether a thread or a child finds them."""
    by_thread = _rows(plant)
    assert all(by_thread.values())
    monkeypatch.setattr(app, "LARGE", (0, 0))
    assert _rows(plant) == by_thread


def test_it_hands_over_what_a_person_can_look_at(
    plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many rows the first ones are shown, and it is said how many there are."""
    monkeypatch.setattr(app, "LARGE", (0, 0))
    given = aside.listed
    monkeypatch.setattr(
        aside,
        "listed",
        lambda *asked: aside.Found((found := given(*asked)).rows[:2], found.total),
    )

    async def do(seat: Seat) -> None:
        await seat.press("7")
        assert len(seat.table.rows) == 2
        assert "the first 2 of " in seat.text

    visit(plant, do)


def test_it_is_stopped(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`:stop` ends the child, and the screen goes on."""
    monkeypatch.setattr(app, "LARGE", (0, 0))
    children: list[aside.Child] = []

    def slow(*_: object) -> aside.Child:
        children.append(aside.begin("timeit", "-n1", "-r1", "import time; time.sleep(600)"))
        return children[-1]

    monkeypatch.setattr(aside, "begin_listing", slow)

    async def do(seat: Seat) -> None:
        await seat.pilot.press("8")
        await seat.until(lambda: children)
        assert seat.app.screen.busy
        await seat.until(lambda: seat.app.screen._stops)
        seat.app.run_command("stop")
        assert not seat.app.screen.busy
        await seat.until(lambda: children[0].poll() is not None)
        await seat.press("2")
        assert len(seat.table.rows)

    visit(plant, do)
