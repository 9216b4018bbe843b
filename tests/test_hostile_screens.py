"""A device named to harm: on every screen and in every page its name stays in its cell."""

import re
from pathlib import Path

import pytest
from inventory_stores import new_store, tap
from tui_pilot import Seat, visit

from otsec.cli import main
from otsec.cli.harmless import width

NAME = "=cmd|' /C calc'!A0<b>[red]\x1b[2J\u202eevil\u2066" + "x" * 65_536
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ufeff]")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A store in which a switch and a host say all that of themselves."""
    with new_store(tmp_path) as store:
        heard = tap(store, site="site")
        heard.heard("00:1b:1b:00:00:01", "10.0.0.1")
        heard.heard("00:1b:1b:00:00:02", "10.0.0.2")
        for address in ("10.0.0.1", "10.0.0.2"):
            heard.says(address, "lldp", name=NAME, vendor=NAME, role_hint="bridge")
            heard.does(address, "01:80:c2:00:00:0e", "lldp", "report", object=f"port {NAME}")
        heard.talks("10.0.0.2", "10.0.0.1", NAME[:80])
        heard.write()
        return Path(store.path)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_every_screen_keeps_its_lines(hostile: Path, size: tuple[int, int]) -> None:
    """No screen is wider or higher than the terminal, and none has a control or a turn of direction."""

    async def do(seat: Seat) -> None:
        for key in "123456789":
            await seat.press(key)
            lines = seat.text.split("\n")
            assert len(lines) <= size[1]
            assert all(width(line) <= size[0] for line in lines)
            assert not RAW.search(seat.text.replace("\n", ""))
            if key in {"3", "9"}:
                assert "=cmd|" in seat.text
        await seat.press("3", "enter")
        assert "[red]" in seat.text
        await seat.press("tab", "tab", "tab", "question_mark", "escape", "escape", "y")
        assert len(seat.text.split("\n")) <= size[1]

    visit(hostile, do, size=size)


def test_the_page_keeps_it_as_text(hostile: Path, tmp_path: Path) -> None:
    """In HTML the name is text: no tag, no control, no turn of direction comes of it."""
    page = tmp_path / "page.html"

    assert (
        main(
            ["report", "assessment", "-q", "--site", "site", "--db", str(hostile), "-o", str(page)]
        )
        == 0
    )
    text = page.read_text("utf-8")
    assert "&lt;b&gt;" in text
    assert "<b>[red]" not in text
    assert not RAW.search(text)
