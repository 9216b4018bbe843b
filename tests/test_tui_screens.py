"""The screens of the terminal UI over the plant of the demo, at their least and usual size."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import Command, PlantStore
from tui_pilot import Seat, visit

from otsec.store import open_store
from otsec.store.acts import every_act

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """The plant in a store."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db")


@pytest.fixture
def plant(analysed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copy(analysed, tmp_path / "plant.db"))


SCREENS = {  # key, and what must stand on the screen at any size
    "1": ("1 Overview", "what needs a person", "S7 controller stopped", "Capture health"),
    "2": ("2 Findings", "high", "S7 controller st", "10.20.1.199", "findings"),
    "3": ("3 Assets", "HMI-WATER", "router", "10.20.1.1", "20 assets"),
    "4": ("4 Sensors", "ten_minutes", "warn", "lookups"),
    "5": ("5 Conversations", "10.20.1.1", "tcp/502", "modbus", "conversations"),
    "6": ("6 Protocols", "modbus", "s7comm", "protocols"),
    "7": ("7 Sessions", "engineering", "EWS-1", "11 sessions"),
    "9": ("9 Topo", "sw-control-r", "port 8", "told"),
    "8": ("8 Values", "holding 100", "10.20.1.23", "writes"),
}


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_by_its_key(analysed: Path, size: tuple[int, int]) -> None:
    """Each digit shows its screen, within the terminal, with help that explains its words."""

    async def do(seat: Seat) -> None:
        for key, words in SCREENS.items():
            await seat.press(key)
            shown = seat.text
            missing = [word for word in words if word not in shown]
            assert not missing, f"{key}: no {missing} in\n{shown}"
            assert all(len(line) <= size[0] for line in shown.split("\n"))
            assert len(shown.split("\n")) <= size[1]
            await seat.press("question_mark")
            assert "Keys" in seat.text
            assert "help" in seat.text
            await seat.press("escape")

    visit(analysed, do, size=size)


@pytest.mark.parametrize("size", [(60, 16), (300, 80)])
def test_it_fits_narrow_and_wide_terminals(analysed: Path, size: tuple[int, int]) -> None:
    """No screen breaks where there is little room, or much."""

    async def do(seat: Seat) -> None:
        for key in SCREENS:
            await seat.press(key)
            assert all(len(line) <= size[0] for line in seat.text.split("\n"))

    visit(analysed, do, size=size)


def test_every_word_is_explained(analysed: Path) -> None:
    """No column of any screen stands in the help without a meaning."""

    async def do(seat: Seat) -> None:
        for key in SCREENS:
            await seat.press(key)
            screen = seat.app.screen
            told = {word for _, words in screen.words() for word, about in words if about}  # type: ignore[attr-defined]
            titles = {column.title for column in seat.table.columns}
            assert titles <= told, f"{key}: {titles - told}"

    visit(analysed, do)


def test_every_key_has_an_id(analysed: Path) -> None:
    """Whatever a key does can be given to another key in the configuration."""

    async def do(seat: Seat) -> None:
        for key in (*SCREENS, "enter"):
            await seat.press(key)
            ours = [
                active.binding
                for active in seat.app.screen.active_bindings.values()
                if type(active.node).__module__.startswith("otsec")
                and active.binding.action not in {"command_palette", "help_quit"}
            ]
            nameless = [one.key for one in ours if not one.id and one in type(seat.app).BINDINGS]
            assert not nameless

    visit(analysed, do)


def test_keys_of_the_configuration(analysed: Path) -> None:
    """`keys` of otsec.yaml gives an action another key."""

    async def do(seat: Seat) -> None:
        await seat.press("f5")
        assert "20 assets" in seat.text

    visit(analysed, do, keys={"screen.assets": "f5"})


# -------------------------------------------------------------------------------- listings


def test_filter_sort_and_back(analysed: Path) -> None:
    """A filter narrows the rows while it is typed, its mistakes are told, Esc takes it away."""

    async def do(seat: Seat) -> None:
        await seat.press("5", "slash")
        await seat.type("proto:s7 !src:10.20.1.199")
        rows = seat.table.rows
        shown = [rows.at(place).row for place in range(len(rows))]
        assert shown
        assert {row.protocol for row in shown} == {"s7comm"}
        assert "10.20.1.199" not in {row.client for row in shown}
        await seat.type(" foo:1")
        assert "no filter 'foo'" in seat.text
        await seat.press("escape")
        assert seat.table.has_focus
        await seat.press("escape")
        assert len(seat.table.rows) > len(shown)
        await seat.press("s", "S")
        clients = [seat.table.rows.at(place).row.client for place in range(5)]
        assert seat.table.sort == "client"
        assert clients[0].startswith("d")  # MAC addresses stand behind IP addresses

    visit(analysed, do)


def test_filters_are_remembered(
    analysed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up brings back the last filter; a kept one is used by name, in the next start as well."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def do(seat: Seat) -> None:
        await seat.press("3", "slash")
        await seat.type("role:plc")
        await seat.press("enter")
        assert len(seat.table.rows) == 5, seat.text
        await seat.press("colon")
        await seat.type("save plcs")
        await seat.press("enter", "escape")
        assert len(seat.table.rows) == 20
        await seat.press("slash", "up", "enter")
        assert len(seat.table.rows) == 5

    async def again(seat: Seat) -> None:
        await seat.press("3", "colon")
        await seat.type("use plcs")
        await seat.press("enter")
        assert len(seat.table.rows) == 5

    visit(analysed, do)
    visit(analysed, again)


def test_columns_are_chosen(analysed: Path) -> None:
    """The dialog and the command show other columns."""

    async def do(seat: Seat) -> None:
        await seat.press("3", "colon")
        await seat.type("columns name,serial,tags")
        await seat.press("enter")
        assert [column.name for column in seat.table.columns] == ["name", "serial", "tags"]
        await seat.press("c", "space", "escape")
        assert [column.name for column in seat.table.columns] == ["serial", "tags"]

    visit(analysed, do)


def _read(name: str) -> str:
    return Path(name).read_text("utf-8")


def _hash(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("key", "name"), [("3", "assets.csv"), ("5", "talks.json"), ("2", "found.jsonl")]
)
def test_what_is_shown_is_exported(
    analysed: Path, tmp_path: Path, key: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file has the rows that are shown, as the command writes them; none is overwritten."""
    monkeypatch.chdir(tmp_path)

    async def do(seat: Seat) -> None:
        await seat.press(key, "colon")
        await seat.type(f"export {name}")
        await seat.press("enter")
        written = _read(name)
        assert written.count("10.20.1.") >= len(seat.table.rows) // 2
        if name.endswith(".csv"):
            assert len(written.splitlines()) == len(seat.table.rows) + 1
        await seat.press("colon")
        await seat.type(f"export {name}")
        await seat.press("enter")
        assert _read(name) == written

    visit(analysed, do)


def test_the_packets_of_what_is_shown_are_exported(
    analysed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that ends in .pcapng takes the packets of the marked rows, else of all that are shown."""
    monkeypatch.chdir(tmp_path)

    async def do(seat: Seat) -> None:
        await seat.press("2", "slash")
        await seat.type("level=high")
        await seat.press("enter", "x")
        assert ".pcapng" in seat.text
        await seat.press(*["backspace"] * len("findings.csv"))
        await seat.type("stop.pcapng")
        await seat.press("enter")
        told = json.loads(_read("stop.pcapng.manifest.json"))
        assert told["ids"] == [f"finding:{seat.table.rows.at(0).row.finding.id}"]
        assert _hash("stop.pcapng") == told["sha256"]
        assert any(
            "STOP" in str(one["why"]) or "plc_stop" in str(one["why"]) for one in told["packets"]
        )
        seat.app.clear_notifications()
        await seat.press("3", "colon")
        await seat.type("export assets.pcapng")
        await seat.press("enter")
        assert "no packets are kept" in next(iter(seat.app._notifications)).message

    visit(analysed, do)


def test_commands_say_what_is_wrong(analysed: Path) -> None:
    """An unknown command names those that there are, and changes nothing."""

    async def do(seat: Seat) -> None:
        for line in ("frobnicate", "sort nothing", "use nothing", "theme pink", "columns x"):
            await seat.press("3", "colon")
            await seat.type(line)
            await seat.press("enter")
            assert seat.app._notifications, line
            seat.app.clear_notifications()
        assert seat.app.current_mode == "assets"

    visit(analysed, do)


# ---------------------------------------------------------------------------------- details


def test_asset_with_facts_and_their_packets(analysed: Path) -> None:
    """Enter shows all of a device, Tab its parts, p the packet that shows a fact, Esc goes back."""

    async def do(seat: Seat) -> None:
        await seat.press("3")
        seat.app.open_asset("10.20.1.21")
        await seat.settle()
        assert "INTAKE STATION" in seat.text
        assert "CPU 315-2 PN/DP" in seat.text
        for title in ("Addresses", "Behind it", "Peers", "Writers", "Timeline", "Completeness"):
            await seat.press("tab")
            assert title in seat.text
        await seat.press("shift+tab")
        assert "plc_stop" in seat.text
        while "plc_stop" not in seat.table.selected.what:
            await seat.press("down")
        await seat.press("p")
        assert "s7comm request: plc_stop" in seat.text
        await seat.press("escape", "escape")
        assert "20 assets" in seat.text

    visit(analysed, do, size=(140, 50))


def test_conversation_and_graph(analysed: Path) -> None:
    """A conversation shows what is done in it; the graph draws who talks to whom by level."""

    async def do(seat: Seat) -> None:
        await seat.press("5", "slash")
        await seat.type("client=10.20.1.199 proto:modbus")
        await seat.press("enter", "enter")
        assert "write_single_register" in seat.text
        await seat.press("p")
        assert "modbus" in seat.text
        await seat.press("escape", "escape", "v")
        assert "Level 1, control: 10" in seat.text
        assert "Level 2, supervision asks" in seat.text
        await seat.press("escape")
        assert "conversation" in seat.text

    visit(analysed, do)


def test_values_and_writers(analysed: Path) -> None:
    """V goes from who wrote to what was held and back, with the same filter."""

    async def do(seat: Seat) -> None:
        await seat.press("8", "slash")
        await seat.type("server=10.20.1.23")
        await seat.press("enter", "v")
        assert type(seat.app.screen).__name__ == "HeldScreen"
        assert {seat.table.rows.at(n).row.server for n in range(len(seat.table.rows))} == {
            "10.20.1.23"
        }
        await seat.press("v")
        assert "second" in seat.text

    visit(analysed, do)


def test_a_row_in_full(analysed: Path) -> None:
    """Enter on a session shows every column of it."""

    async def do(seat: Seat) -> None:
        await seat.press("7", "enter")
        assert "login told by" in seat.text
        await seat.press("escape")
        assert "11 sessions" in seat.text

    visit(analysed, do)


# ------------------------------------------------------------------------------------- acts


def test_a_finding_is_acknowledged_and_resolved(plant: Path) -> None:
    """What is decided stands in the record with who said it; several are decided at once."""

    async def do(seat: Seat) -> None:
        await seat.press("2")
        count = len(seat.table.rows)
        await seat.press("enter")
        assert "What was seen" in seat.text
        await seat.press("a")
        assert "acknowledged" in seat.text
        await seat.press("R")
        await seat.type("spoke with the shift")
        await seat.press("enter", "escape")
        assert "resolved" in seat.text
        await seat.press("down", "m", "m", "A", "enter")
        assert "whoever looks at it" in seat.text  # a reason is needed
        await seat.type("known")
        await seat.press("enter")
        await seat.type("next spring")
        await seat.press("enter")
        assert "to come; write" in seat.text
        await seat.press("ctrl+u")
        await seat.type("2999-12-31")
        await seat.press("enter")
        await seat.press("o")
        assert len(seat.table.rows) == count - 3

    visit(plant, do)

    with open_store(plant, readonly=True) as store:
        acts = every_act(store)
    assert [(act.kind, act.before, act.after, act.who) for act in acts] == [
        ("ack", "new", "acknowledged", "ann"),
        ("resolve", "acknowledged", "resolved", "ann"),
        ("accept", "new", "accepted", "ann"),
        ("accept", "new", "accepted", "ann"),
    ]
    assert acts[1].reason == "spoke with the shift"
    assert [act.attribute for act in acts] == ["", "", *["3000-01-01T00:00:00Z"] * 2]


def test_an_asset_is_edited(plant: Path) -> None:
    """Only what was changed is kept, with reason; a value that does not go is told."""

    async def do(seat: Seat) -> None:
        await seat.press("3")
        seat.app.open_asset("10.20.1.21")
        await seat.settle()
        await seat.press("e")
        dialog = seat.app.screen
        dialog.query_one("#criticality").value = "vital"  # type: ignore[attr-defined]
        await seat.press("enter")
        assert "is none of low, medium" in seat.text
        dialog.query_one("#criticality").value = "high"  # type: ignore[attr-defined]
        dialog.query_one("#owner").value = "=cmd|' /C calc'!A0"  # type: ignore[attr-defined]
        dialog.query_one("#reason").value = "asked the shift"  # type: ignore[attr-defined]
        await seat.press("enter")
        assert "criticality high" in seat.text

    visit(plant, do)

    with open_store(plant, readonly=True) as store:
        acts = every_act(store)
    assert {(act.attribute, act.after, act.reason) for act in acts} == {
        ("criticality", "high", "asked the shift"),
        ("owner", "=cmd|' /C calc'!A0", "asked the shift"),
    }


def test_read_only_changes_nothing(plant: Path) -> None:
    """With --read-only every act is refused in words."""

    async def do(seat: Seat) -> None:
        await seat.press("2", "a", "3", "e")
        assert len(seat.app._notifications) == 2

    visit(plant, do, readonly=True)

    with open_store(plant, readonly=True) as store:
        assert every_act(store) == []


# ----------------------------------------------------------------------------------- time


def test_zone_and_pause(analysed: Path) -> None:
    """U turns all times to UTC and back; space stops following."""

    async def do(seat: Seat) -> None:
        await seat.press("5")
        assert "2026-01-05 09:09:59" in seat.text
        await seat.press("u")
        assert "2026-01-05 08:09:59" in seat.text
        assert "UTC" in seat.text
        await seat.press("space")
        assert "PAUSED" in seat.text
        await seat.press("space")
        assert "PAUSED" not in seat.text

    visit(analysed, do, time_zone="Europe/Berlin")


def test_themes_and_palette(analysed: Path) -> None:
    """D goes through the themes, also those without colours; ctrl+p lists what can be done."""

    async def do(seat: Seat) -> None:
        seen = set()
        for _ in range(4):
            seen.add(seat.app.theme)
            await seat.press("D")
        assert seen == {"otsec-dark", "otsec-light", "otsec-contrast", "otsec-mono"}
        await seat.press("ctrl+p")
        await seat.until(lambda: "Findings" in seat.text)

    visit(analysed, do)


def test_no_colour(analysed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR nothing on the screen is coloured; what is selected is marked all the same."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def do(seat: Seat) -> None:
        await seat.press("2")
        picture = seat.app.export_screenshot()
        colours = set(re.findall(r"fill: (#[0-9a-f]{6})", picture)) - {"#c5c8c6"}  # of the frame
        assert all(one[1:3] == one[3:5] == one[5:7] for one in colours)
        assert re.search(r"^> ?.*high", seat.text, re.MULTILINE)

    visit(analysed, do)


@pytest.mark.skipif(os.name != "posix", reason="the command is run on a terminal of POSIX")
def test_without_a_terminal_it_says_so(analysed: Path, otsec_command: Command) -> None:
    """Where there is no terminal the command says what to use instead."""
    done = otsec_command("tui", "--db", analysed)

    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


def test_go_leads_to_every_screen(analysed: Path) -> None:
    """G lists all screens, also those without a digit; the key behind it leads there."""
    from otsec.tui.places import EVERY

    async def do(seat: Seat) -> None:
        assert len({one.key for one in EVERY} - {"g"}) == len(EVERY)
        for one in EVERY:
            await seat.press("g")
            assert one.title in seat.text
            await seat.press(one.key)
            assert seat.app.current_mode == one.name
        await seat.press("3", "end")
        assert seat.table.cursor
        await seat.pilot.press("g", "g")
        await seat.settle()
        assert not seat.table.cursor
        await seat.press("g", "question_mark")
        assert seat.app.current_mode == "assets"

    visit(analysed, do)


def test_back_and_forward(analysed: Path) -> None:
    """Back leads through where one was, with filter, row and what was open there; forward undoes it."""

    async def do(seat: Seat) -> None:
        def here() -> tuple[str, str, str, object]:
            first = seat.app.screen_stack[0]
            return (
                seat.app.current_mode,
                type(seat.app.screen).__name__,
                first.line.text if hasattr(first, "line") else "",
                first.table.key if hasattr(first, "line") else None,
            )

        places = [here()]
        await seat.press("3", "slash")
        await seat.type("role:plc")
        await seat.press("enter", "down", "down")
        places.append(here())
        await seat.press("enter")
        places.append(here())
        await seat.press("5", "end")
        places.append(here())
        await seat.press("2")
        places.append(here())
        for place in places[-2::-1]:
            await seat.press("left_curly_bracket")
            assert here() == place
        await seat.press("left_curly_bracket")
        assert here() == places[0]
        for place in places[1:]:
            await seat.press("right_curly_bracket")
            assert here() == place
        await seat.press("ctrl+o", "escape")
        assert here() == places[-2]

    visit(analysed, do)
