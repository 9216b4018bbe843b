"""docs/tour.md: every key and every command of it does what the page says."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Command, PlantStore
from tui_pilot import Seat, visit

PAGE = (ROOT / "docs" / "tour.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|console|keys)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = {"?": "question_mark", "{": "left_curly_bracket", "}": "right_curly_bracket"}
BY_HAND = ("otsec tui",)  # what its keys stand for


def steps() -> Iterator[tuple[str, list[str]]]:
    """Keys with the texts that must then stand there, and commands, in order of the page."""
    for kind, block in BLOCK.findall(PAGE):
        for line in block.splitlines():
            if kind == "keys":
                key, *wanted = (part.strip() for part in line.split("|"))
                yield key, wanted
            elif kind == "sh" or line.startswith("$ "):
                yield line.removeprefix("$ "), []


def test_the_keys_of_the_tour(tmp_path: Path, plant_store: PlantStore) -> None:
    """Each key leads to what stands beside it."""
    path = plant_store(tmp_path / "demo.db")
    keys = [(key, wanted) for key, wanted in steps() if wanted]
    assert len(keys) > 20

    async def do(seat: Seat) -> None:
        for key, wanted in keys:
            if key.startswith("/"):
                await seat.press("slash")
                await seat.type(key[1:])
            else:
                await seat.press(NAMES.get(key, key))
            missing = [text for text in wanted if text not in seat.text]
            assert not missing, f"{key}: no {missing} in\n{seat.text}"

    visit(path, do)


def test_the_commands_of_the_tour(
    tmp_path: Path, otsec_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command ends well where the commands before it were run."""
    shutil.copytree(ROOT / "pcaps" / "plant", tmp_path / "pcaps" / "plant")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ann")
    typed = [line for line, wanted in steps() if not wanted and not line.startswith(BY_HAND)]
    assert len(typed) > 8

    for line in typed:
        program, *words = shlex.split(line)
        done = otsec_command(*words)
        assert (program, done.returncode) == ("otsec", 0), f"{line}: {done.stderr}"
    assert (tmp_path / "stop.pcapng.manifest.json").exists()
    assert "<svg" in (tmp_path / "report.html").read_text("utf-8")
