"""Every table of the screens: filter, order, columns, export, mouse, by one mechanism."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Command
from tmux_seat import Terminal
from tui_pilot import Seat, visit

from otsec.cli.output import Column
from otsec.errors import UsageError
from otsec.store.filters import Filter
from otsec.tui.kept import fields_of, filtered
from otsec.tui.table import GUTTER, VirtualTable
from otsec.tui.tables import TableScreen

SCREENS = {  # by what is typed to come there, a filter that some rows pass, and how many columns can be shown
    "2": "level>=medium",
    "3": "role=plc",
    "4": "packets>0",
    "5": "proto:modbus",
    "6": "proto:modbus",
    "7": "kind:engineering",
    "8": "class:write",
    "9": "how:told",
    "g b": "things>1",
    "g r": "name:exec",
    "3 enter": "attribute:vendor",
    "5 enter": "class:read",
}


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, otsec_command: Command) -> Path:
    """Ten minutes of the plant in a store."""
    path = tmp_path_factory.mktemp("tables") / "plant.db"
    done = otsec_command("analyze", ROOT / "pcaps" / "plant", "--db", path, "-q")
    assert done.returncode == 0, done.stderr
    return path


def test_every_table_can_do_the_same(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filter, order, columns and export are on every screen with rows, and count the same rows."""
    monkeypatch.chdir(tmp_path)

    async def do(seat: Seat) -> None:
        for number, (keys, line) in enumerate(SCREENS.items()):
            await seat.press(*keys.split())
            screen = seat.app.screen
            assert isinstance(screen, TableScreen)
            screen.filter_by("")
            await seat.settle()
            every = len(screen.table.rows)
            assert every > 0, keys
            await seat.press("slash")
            await seat.type(line)
            await seat.press("enter")
            kept = len(screen.table.rows)
            assert not screen.line.parsed.mistake
            assert 0 < kept <= every, f"{keys} {line}: {kept} of {every}"
            screen.filter_by(f"!zzz {line}")
            await seat.settle()
            assert len(screen.table.rows) == kept

            await seat.press("s")
            assert screen.table.sort == screen.table.columns[0].name
            await seat.press("S")
            assert len(screen.table.rows) == kept
            seat.app.export_to(f"{number}.json")
            await seat.until(lambda file=Path(f"{number}.json"): file.exists() and file.read_text("utf-8").endswith("}\n"))  # fmt: skip
            assert len(_rows(f"{number}.json")) == kept
            await seat.press("c", "space", "escape")
            assert set(screen.table.columns) < set(screen.columns)
            screen.filter_by("nobody-has-this")
            await seat.settle()
            assert len(screen.table.rows) == 0
            screen.filter_by("")
            await seat.settle()

    visit(plant, do, size=(120, 40))


def test_packets_of_a_short_list(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packets behind the facts of a device, and behind what is done, are written as a capture."""
    monkeypatch.chdir(tmp_path)

    async def do(seat: Seat) -> None:
        for number, (keys, line) in enumerate((("3", "attribute:vendor"), ("5", "class:read"))):
            await seat.press(keys)
            seat.app.screen.filter_by("modbus" if number else "")  # type: ignore[attr-defined]
            await seat.settle()
            await seat.press("enter")
            seat.app.screen.filter_by("nobody-has-this")  # type: ignore[attr-defined]
            await seat.settle()
            with pytest.raises(UsageError, match="no packet shows"):
                seat.app.export_to("none.pcapng")
            seat.app.screen.filter_by(line)  # type: ignore[attr-defined]
            await seat.settle()
            seat.app.export_to(f"{number}.pcapng")
            await seat.until(Path(f"{number}.pcapng.manifest.json").exists)
            await seat.press("p")
            assert type(seat.app.screen).__name__ == "PacketsScreen"
            await seat.press("escape", "escape", "escape")

    visit(plant, do)
    for number in range(2):
        assert json.loads(Path(f"{number}.pcapng.manifest.json").read_text("utf-8"))["packets"]


def test_a_view_keeps_its_filter(plant: Path) -> None:
    """Each list of a screen has a filter of its own, saved under its own name."""

    async def do(seat: Seat) -> None:
        await seat.press("g", "r")
        screen = seat.app.screen
        await seat.until(lambda: len(screen.table.rows))
        screen.filter_by("name:exec")
        await seat.settle()
        assert len(screen.table.rows) == 1
        await seat.press("t")
        assert screen.line.text == ""
        await seat.press("e")
        assert (screen.line.text, len(screen.table.rows)) == ("name:exec", 1)
        seat.app.save_filter("mine")
        assert seat.app.saved_filters()["mine"] == "name:exec"
        await seat.press("t")
        assert "mine" not in seat.app.saved_filters()

    visit(plant, do)


def _rows(name: str) -> list[object]:
    rows: list[object] = json.loads(Path(name).read_text("utf-8"))["rows"]
    return rows


COLUMNS = (
    Column("level", "level", value=lambda row: row[0]),
    Column("count", "count", "number", value=lambda row: row[1]),
    Column("client", "client", value=lambda row: row[2]),
    Column("tags", "tags", "list", value=lambda row: row[3]),
    Column("at", "at", "time", value=lambda row: row[4]),
    Column("sure", "sure", "flag", value=lambda row: row[5]),
)
ROWS = (
    ("high", 7, "10.0.0.1", ("a", "b"), 100, True),
    ("low", None, "10.0.1.1", (), None, False),
    ("critical", 40, "fe80::1", ("B*",), 300, False),
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter("level", "high", sign=">="), [0, 2]),
        (Filter("level", "hi"), [0]),
        (Filter("level", "high", negated=True), [1, 2]),
        (Filter("count", "7", sign=">"), [2]),
        (Filter("count", ""), [1]),
        (Filter("client", "10.0.0.0/16"), [0, 1]),
        (Filter("client", "10.0.0.0/16", negated=True), [2]),
        (Filter("tags", "b*"), [0, 2]),
        (Filter("tags", ""), [1]),
        (Filter("sure", "yes"), [0]),
        (Filter("since", "200"), [2]),
        (Filter("until", "200"), [0, 1]),
        (Filter("text", "E80::"), [2]),
    ],
)
def test_rows_are_filtered_by_their_columns(wanted: Filter, found: list[int]) -> None:
    """Words, numbers, levels, addresses, lists, flags and times pass as the filter line says."""
    assert set(fields_of(COLUMNS)) == {"level", "count", "client", "tags", "sure", "since", "until", "text"}  # fmt: skip
    assert filtered(ROWS, COLUMNS, [wanted]) == [ROWS[number] for number in found]


def test_what_is_no_level_is_told() -> None:
    """A level that there is not is an error, and no empty list."""
    with pytest.raises(UsageError, match="grave is no level"):
        filtered(ROWS, COLUMNS, [Filter("level", "grave", sign=">=")])


# ---------------------------------------------------------------------------------- mouse


def test_rows_and_heads_are_clicked(plant: Path) -> None:
    """A click selects a row, a second one opens it; a click on a head sorts, another turns round."""

    async def do(seat: Seat) -> None:
        await seat.press("2")
        table = seat.table
        await seat.pilot.click(VirtualTable, offset=(12, 3))
        await seat.settle()
        assert table.cursor == 2
        head = GUTTER + 1
        await seat.pilot.click(VirtualTable, offset=(head, 0))
        await seat.settle()
        assert (table.sort, table.descending) == (table.columns[0].name, False)
        await seat.pilot.click(VirtualTable, offset=(head, 0))
        await seat.settle()
        assert table.descending
        await seat.pilot.click(VirtualTable, offset=(12, 1), times=2)
        await seat.settle()
        assert "What was seen" in seat.text

    visit(plant, do)


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_the_mouse_in_a_terminal(plant: Path) -> None:
    """In tmux: a click selects, a second opens, the wheel scrolls, a head sorts, a key below works."""
    with Terminal(f"tui --db {plant}") as seat:
        seat.until("1 Overview")
        seat.press("-l", "3")
        seat.until("20 assets")
        place = next(n for n, line in enumerate(seat.text.split("\n")) if "HMI-ENERGY" in line)
        seat.mouse(10, place + 1)
        seat.until("\n> HMI-ENERGY")
        seat.mouse(4, place - 3)  # the head
        seat.until("20 assets, by name")
        seat.clicks(10, place, 2)
        seat.until("Facts")
        seat.press("escape")
        seat.until("20 assets")
        *_, (row, foot) = (
            (n, line) for n, line in enumerate(seat.text.split("\n"), 1) if "Help" in line
        )
        seat.mouse(foot.index("Help") + 1, row)
        seat.until("Assets: help")
        before = seat.text
        seat.mouse(20, 10, 65)
        seat.gone(before)


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_without_a_mouse(plant: Path) -> None:
    """With --no-mouse the terminal keeps its mouse, and every key works."""
    with Terminal(f"tui --no-mouse --db {plant}") as seat:
        seat.until("1 Overview")
        assert seat.asked("#{mouse_any_flag}") == "0"
        seat.press("-l", "3")
        seat.until("20 assets")
        seat.press("Down", "Enter")
        seat.until("Facts")
