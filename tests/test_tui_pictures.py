"""Every screen as it stands on a terminal, over a store that was written row by row.

The pictures are text, one file a size. Where a change of a screen is meant, look at what it made of
them: `python tests/test_tui_pictures.py` writes them anew.
"""

import contextlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from big_store import write
from tui_pilot import SIZES, Seat, visit

FOLDER = Path(__file__).parent / "pictures"
KEYS = {  # by picture, what is typed behind the picture before
    "overview": ("1",),
    "findings": ("2",),
    "finding": ("enter",),
    "assets": ("escape", "3"),
    "asset": ("enter",),
    "peers": ("tab", "tab", "tab"),
    "sensors": ("escape", "4"),
    "conversations": ("5",),
    "conversation": ("enter",),
    "graph": ("escape", "v"),
    "protocols": ("escape", "6"),
    "sessions": ("7",),
    "values": ("8",),
    "topology": ("9",),
    "zones": ("g", "z"),
    "reports": ("g", "r"),
    "baseline": ("g", "b"),
    "audit": ("a",),
    "go to": ("g",),
    "command": ("escape", "colon"),
}
STILL = 3  # looks at a screen that show the same
CHANGES = (  # what is of the version, and no matter of a screen
    (re.compile(r"rules of otsec \S+: \d+"), "rules of otsec VERSION: COUNT"),
    (re.compile(r"makers of network cards as of \S+"), "makers of network cards as of DATE"),
)


async def still(seat: Seat) -> str:
    """What stands on the screen, when nothing moves there any more."""
    same, before = 0, ""
    while same < STILL:
        await seat.settle()
        await seat.pilot.pause(0.1)
        same, before = (same + 1, before) if seat.text == before else (0, seat.text)
    return before


def pictures(size: tuple[int, int]) -> str:
    """All screens at a size, one below the other."""
    shown: list[str] = []

    async def do(seat: Seat) -> None:
        for name, keys in KEYS.items():
            await seat.press(*keys)
            text = await still(seat)
            for pattern, stands in CHANGES:
                text = pattern.sub(stands, text)
            shown.append(f"{f' {name} ':=^{size[0]}}\n{text.rstrip()}\n")

    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        write(Path("small.db"), assets=12, conversations_=30, findings_=9)
        visit(Path("small.db"), do, size=size)
    return "\n".join(shown)


def _file(size: tuple[int, int]) -> Path:
    return FOLDER / f"{size[0]}x{size[1]}.txt"


@pytest.mark.parametrize("size", SIZES)
def test_pictures(size: tuple[int, int]) -> None:
    """Every screen looks as it did when somebody last looked at it."""
    assert pictures(size) == _file(size).read_text("utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in SIZES:
        _file(one).write_text(pictures(one), "utf-8")
