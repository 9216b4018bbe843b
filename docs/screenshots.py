"""Draws the pictures of the terminal UI in docs/pictures, from the plant of `make demo`.

python docs/screenshots.py
"""
# ruff: noqa: INP001 - a script, no package

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from otsec.config import Config
from otsec.tui.app import OtsecApp

ROOT = Path(__file__).resolve().parents[1]
SIZE = (112, 30)
PICTURES = {"tui": (), "tui-finding": ("2", "enter"), "tui-asset": ("3", *["down"] * 6, "enter")}
FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)  # fetched from elsewhere; any monospace does


async def draw(store: Path) -> None:
    """Press the keys of each picture, and write what is seen."""
    for name, keys in PICTURES.items():
        app = OtsecApp(Config(site="site", store=store))
        async with app.run_test(size=SIZE) as pilot:
            for key in ("", *keys):
                if key:
                    await pilot.press(key)
                await pilot.pause()
                while any(getattr(screen, "busy", None) for screen in app.screen_stack):
                    await pilot.pause(0.05)
            await pilot.pause(0.5)
            picture = FONT.sub("", app.export_screenshot(title="otsec"))
            picture = re.sub(r"terminal-\d+", "terminal", picture)
        text = "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"
        (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(text, "utf-8")


def main() -> None:
    """Read the plant, and draw."""
    with TemporaryDirectory() as folder:
        os.chdir(folder)  # the path of the store is seen in the pictures
        store = Path("demo.db")
        words = [sys.executable, "-m", "otsec", "analyze", str(ROOT / "pcaps" / "plant")]
        words += ["--db", str(store), "-q"]
        found = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(words, check=True, env=found)  # noqa: S603 - our own command
        asyncio.run(draw(store))


if __name__ == "__main__":
    main()
