"""The terminal UI over a store that is being written, that is hostile, or that is not there."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from big_store import write as write_big
from conftest import ROOT
from inventory_stores import new_store, tap
from tmux_seat import Terminal
from tui_pilot import Seat, visit

from otsec import processes
from otsec.store import open_store

HOSTILE = "=cmd|' /C calc'!A0<b>[red]\x1b[2J\u202eevil\u2066" + "x" * 65_536


def test_rows_that_come_are_marked_and_the_selected_stays(tmp_path: Path) -> None:
    """What is written appears within moments; the selected row stays, on its line of the screen."""
    with new_store(tmp_path) as store:
        heard = tap(store)
        for n in range(30):
            heard.talks(f"10.0.0.{n + 1}", "10.0.1.1", "modbus", packets_out=1000 - n)
        heard.write()
    path = tmp_path / "inventory.db"

    async def do(seat: Seat) -> None:
        await seat.press("5", *["down"] * 12)
        selected, line = seat.table.selected, seat.table.cursor - seat.table.scroll_offset.y
        with open_store(path) as writing:
            more = tap(writing)
            for n in range(30):
                more.talks(f"10.0.0.{n + 1}", "10.0.1.1", "modbus", packets_out=1000 - n)
            for n in range(5):  # busier than all others, so they stand before them
                more.talks(f"10.9.0.{n + 1}", "10.0.1.1", "modbus", packets_out=9000 + n)
            more.write()
        await seat.until(lambda: len(seat.table.rows) == 35)
        await seat.settle()
        assert seat.table.selected == selected
        assert seat.table.cursor - seat.table.scroll_offset.y == line
        assert "5 new" in seat.text
        await seat.press("n")
        assert seat.table.selected.client.startswith("10.9.0.")
        assert "4 new" in seat.text

    visit(path, do, size=(100, 30))


def test_what_is_written_while_it_is_left(tmp_path: Path) -> None:
    """A store that is written while the screens are taken down does not end them with an error."""
    with new_store(tmp_path) as store:
        heard = tap(store)
        heard.talks("10.0.0.1", "10.0.1.1", "modbus")
        heard.write()
    path, left = tmp_path / "inventory.db", []

    async def do(seat: Seat) -> None:
        await seat.press("5")
        app, prune = seat.app, seat.app._prune

        async def pruned(*nodes: Any, **options: Any) -> None:
            await prune(*nodes, **options)
            if not app.screen.children:
                app.revision, app.screen.read_at = app.revision + 1, 0.0
                left.append(app.screen)
                await app.follow()

        app._prune = pruned

    visit(path, do)
    assert left


def test_paused_it_does_not_follow(tmp_path: Path) -> None:
    """While it is paused nothing moves; r reads once."""
    with new_store(tmp_path) as store:
        heard = tap(store)
        heard.talks("10.0.0.1", "10.0.1.1", "modbus")
        heard.write()
    path = tmp_path / "inventory.db"

    async def do(seat: Seat) -> None:
        await seat.press("5", "space")
        with open_store(path) as writing:
            more = tap(writing)
            more.talks("10.0.0.1", "10.0.1.1", "modbus")
            more.talks("10.0.0.2", "10.0.1.1", "modbus")
            more.write()
        await seat.pilot.pause(0.8)
        assert len(seat.table.rows) == 1
        await seat.press("r")
        assert len(seat.table.rows) == 2

    visit(path, do)


def test_untrusted_text_changes_nothing_but_its_cell(tmp_path: Path) -> None:
    """Controls, markup, bidi overrides and 64 kB of text stay in their cell, in exports too."""
    with new_store(tmp_path) as store:
        heard = tap(store)
        heard.heard("00:1b:1b:00:00:01", "10.0.0.1")
        heard.heard("00:1b:1b:00:00:02", "10.0.0.2")
        heard.says("10.0.0.1", "lldp", name=HOSTILE, vendor=HOSTILE, model="[bold]x[/bold]")
        heard.talks("10.0.0.2", "10.0.0.1", HOSTILE[:80])
        heard.write()

    async def do(seat: Seat) -> None:
        for keys in (("3",), ("enter",), ("tab",), ("escape", "5"), ("enter",), ("escape", "1")):
            await seat.press(*keys)
            shown = seat.text
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            assert "\u2066" not in shown
            assert all(len(line) <= 100 for line in shown.split("\n"))
        await seat.press("3")
        assert "=cmd|" in seat.text
        await seat.press("colon")
        await seat.type("export a.csv")
        await seat.press("enter")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        visit(tmp_path / "inventory.db", do, size=(100, 30))
    written = (tmp_path / "a.csv").read_text("utf-8")
    assert "\x1b" not in written
    assert "\n=cmd" not in written
    assert ",=cmd" not in written


def test_first_start_offers_the_demo(tmp_path: Path) -> None:
    """Without a store it offers what can be done, and shows the demo when it was read."""
    path = tmp_path / "new.db"

    async def do(seat: Seat) -> None:
        assert "Nothing was captured yet" in seat.text
        await seat.press("o")
        await seat.type("/nowhere.pcap")
        await seat.press("enter")
        assert "there is no such file" in seat.text
        await seat.press("escape")
        await seat.pilot.press("d")
        await seat.until(lambda: seat.app.current_mode == "overview")
        await seat.settle()
        await seat.until(lambda: "S7 controller stopped" in seat.text)
        await seat.until(lambda: not seat.app.reading)

    visit(path, do, size=(80, 24))


def test_first_start_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listening runs `otsec monitor` on an interface that there is; `:stop` ends it."""
    told = tmp_path / "told"
    fake = tmp_path / "monitor"
    fake.write_text(f'#!/bin/sh\necho "$@" >{told}\nexec sleep 600\n', "utf-8")
    fake.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(fake))

    async def do(seat: Seat) -> None:
        await seat.press("l")
        assert "lo" in seat.text
        await seat.type("nowhere")
        await seat.press("enter")
        assert "no such interface" in seat.text
        await seat.press(*["backspace"] * len("nowhere"))
        await seat.type("lo")
        await seat.press("enter")
        assert "reading on lo" in seat.text
        await seat.until(told.exists)
        await seat.press("colon")
        await seat.type("stop")
        await seat.press("enter")
        await seat.until(lambda: not seat.app.reading)

    visit(tmp_path / "new.db", do)
    assert told.read_text("utf-8").startswith("-m otsec monitor -i lo --quiet --db ")


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    """What two people decide at the same time of the same finding and asset stands in the record, both of it."""
    from otsec.config import Config
    from otsec.store.acts import every_act
    from otsec.tui.app import OtsecApp

    path = tmp_path / "plant.db"
    words = [sys.executable, "-m", "otsec", "analyze", ROOT / "pcaps" / "plant", "--db", path, "-q"]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})

    async def one(who: str, meeting: asyncio.Barrier) -> None:
        from otsec.tui.edit import _say

        app = OtsecApp(Config(store=path), who=who)
        async with app.run_test(size=(120, 40)) as pilot:
            seat = Seat(app, pilot)
            await seat.settle()
            await seat.press("2")
            await meeting.wait()
            await seat.press("a", "C")
            await seat.type(f"seen by {who}")
            await seat.press("enter", "3")
            ids = [app.listing().table.selected.id]
            await meeting.wait()
            app.screen.ask(
                "say", lambda _: _say(app.screen, ids, {"owner": who}, ""), lambda _: None
            )
            await seat.settle()
            await meeting.wait()

    async def both() -> None:
        meeting = asyncio.Barrier(2)
        await asyncio.gather(one("ann", meeting), one("bob", meeting))

    asyncio.run(both())
    with open_store(path, readonly=True) as store:
        acts = every_act(store)
    comments = {(act.who, act.reason or act.after) for act in acts if act.kind == "comment"}
    assert comments == {("ann", "seen by ann"), ("bob", "seen by bob")}
    owners = [act for act in acts if act.attribute == "owner"]
    assert {act.after for act in owners} == {"ann", "bob"}
    assert len([act for act in acts if act.kind == "ack"]) >= 1


def test_a_store_of_another_program_is_told(tmp_path: Path) -> None:
    """A file that is no store ends in words on the first screen."""
    path = tmp_path / "other.db"
    path.write_bytes(b"not a database at all" * 100)

    async def do(seat: Seat) -> None:
        assert "not a store of otsec" in seat.text
        assert "holds no packets" not in seat.text

    visit(path, do)


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_in_a_real_terminal(tmp_path: Path) -> None:
    """In tmux: open, filter level>=high, reach the packets, acknowledge, quit; the store has it."""
    path = tmp_path / "plant.db"
    otsec = [sys.executable, "-m", "otsec"]
    subprocess.run(
        [*otsec, "analyze", str(ROOT / "pcaps" / "plant"), "--db", str(path), "-q"],
        check=True,
        cwd=ROOT,
    )
    with Terminal(f"tui --db {path} --by ann") as seat:
        seat.until("S7 controller stopped")
        seat.press("2")
        seat.until(" findings")
        seat.press("/")
        seat.press("-l", "level>=high")
        seat.until("1 finding")
        seat.press("Enter")
        seat.press("p")
        seat.until("s7comm request: plc_stop")
        seat.press("Escape")
        seat.until("1 finding")
        seat.press("a")
        seat.until("acknowledged")
        seat.press("q")
        seat.until("left")
    done = subprocess.run(
        [*otsec, "findings", "--db", str(path), "state:acknowledged", "--json"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "S7 controller stopped" in done.stdout


def test_a_big_store_is_paged(tmp_path: Path) -> None:
    """Only the pages that are looked at are kept, however far one goes."""
    path = tmp_path / "big.db"
    write_big(path, assets=500, conversations_=20_000, findings_=5_000)

    async def do(seat: Seat) -> None:
        for key, count in (("5", 20_000), ("2", 5_000)):
            await seat.press(key)
            assert len(seat.table.rows) == count
            await seat.press("end", "home", "pagedown", "end")
            assert seat.table.cursor == count - 1
            assert seat.table.selected is not None
            assert len(seat.table.rows._pages) <= 24

    visit(path, do)


@pytest.mark.slow
def test_it_is_measured(tmp_path: Path) -> None:
    """`otsec bench --tui` gives every figure of a store, each with its unit."""
    import json

    path = tmp_path / "big.db"
    write_big(path, assets=200, conversations_=3_000, findings_=1_000)
    done = subprocess.run(
        [sys.executable, "-m", "otsec", "bench", "--tui", "--db", str(path), "--json", "-q"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["first paint after imports"]["unit"] == "ms"
    assert rows["findings: repaint of a key, 95 %"]["value"] > 0
    assert rows["query: conversations by last seen (3,000 rows)"]["value"] > 0
