"""Runs what the documents show: the output below each command in README.md and docs/tour.md, and the pictures.

    python docs/examples.py            # write both
    python docs/examples.py --check    # say what is old

In a block marked ``console`` each line ``$ otsec ...`` is run where `make demo` leaves its store,
and what it prints stands below it. Pictures are what the same commands print on a terminal.
"""
# ruff: noqa: INP001 - a script, no package

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "tour.md")
PICTURES = {  # by name, the command and how many of its first lines are shown; 0: all
    "summary": ("make demo", 0),
    "health": ("otsec health --db mirror.db", 0),
}
SPOILED = "otsec analyze pcaps/health/one_direction.pcap --db mirror.db"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = 112  # of the terminal in the pictures
LETTER, LINE, MARGIN = 7.2, 16, 14  # pixels: width of a letter, height of a line, frame
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


# ------------------------------------------------------------------------------- running


class Place:
    """A folder with the captures and the store that `make demo` makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        self.environment = {
            **kept,
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        }
        shutil.copytree(ROOT / "pcaps", folder / "pcaps")
        for command in (demo(), SPOILED):
            self.run(command)

    def run(self, command: str) -> str:
        """What a command prints where standard output is no terminal."""
        done = subprocess.run(  # noqa: S603 - our own command
            self._words(command),
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def run_on_terminal(self, command: str) -> str:
        """What a command prints on a terminal of `COLUMNS`; POSIX systems only."""
        import pty  # noqa: PLC0415 - Windows has none

        near, far = pty.openpty()
        terminal = {"TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": "50"}
        with subprocess.Popen(  # noqa: S603 - our own command
            self._words(command),
            cwd=self.folder,
            env={**self.environment, **terminal},
            stdin=subprocess.DEVNULL,
            stdout=far,
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(far)
            printed = b"".join(_all_of(near))
            os.close(near)
        if process.returncode:
            raise SystemExit(f"{command}: exit code {process.returncode}")
        return printed.decode().replace("\r\n", "\n")

    @staticmethod
    def _words(command: str) -> list[str]:
        program, *words = shlex.split(demo() if command == "make demo" else command)
        if program != "otsec":
            raise SystemExit(f"{command}: only otsec is run here")
        return [sys.executable, "-m", "otsec", *words]


def _is_setting(name: str) -> bool:
    """Whether a variable could change what is printed."""
    return name.startswith(("OTSEC_", "XDG_")) or name in {"NO_COLOR", "COLUMNS", "LINES"}


def _all_of(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other end is closed
            return
        if not piece:
            return
        yield piece


def demo() -> str:
    """The command that `make demo` runs, as the Makefile has it."""
    text = (ROOT / "Makefile").read_text("utf-8")
    found = re.search(r"^\t@?\$\(BIN\)/(otsec analyze .*)$", text, re.MULTILINE)
    if found is None:
        raise SystemExit("Makefile: make demo runs no otsec analyze")
    return found[1].replace("$(DB)", "demo.db")


# --------------------------------------------------------------------------------- pages


def page(text: str, place: Place) -> str:
    """A page with the output below its commands made new."""
    return BLOCK.sub(lambda block: f"```console\n{_outputs(block[1], place)}```", text)


def _outputs(block: str, place: Place) -> str:
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"$ {command}\n{place.run(command)}" for command in commands)


# ------------------------------------------------------------------------------ pictures


def picture(command: str, printed: str, most: int) -> str:
    """What was printed on a terminal as SVG."""
    lines = [f"{BOLD}$ {command}{PLAIN}", "", *printed.rstrip("\n").split("\n")]
    lines = lines[:most] if most else lines
    width = int(COLUMNS * LETTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    size = f'width="{width}" height="{height}"'
    font = "12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
        f"<title>{escape(command)}</title>",
        f'<rect {size} rx="6" fill="#1c2128"/>',
        f'<g style="font: {font}; fill: #d8dee9" xml:space="preserve">',
    ]
    for number, line in enumerate(lines):
        text = line.replace(BOLD, "").replace(PLAIN, "")
        if text:
            bold = ' font-weight="bold" fill="#ffffff"' if line.startswith(BOLD) else ""
            length = f'textLength="{len(text) * LETTER:.1f}"'  # keeps columns in any font
            where = f'x="{MARGIN}" y="{MARGIN + number * LINE + 12}"'
            parts.append(f'<text {where} {length}{bold} xml:space="preserve">{escape(text)}</text>')
    return "\n".join([*parts, "</g>", "</svg>", ""])


# ---------------------------------------------------------------------------------- main


def examples() -> dict[Path, str]:
    """What each page and picture should hold."""
    with TemporaryDirectory() as folder:
        place = Place(Path(folder))
        made = {path: page(path.read_text("utf-8"), place) for path in PAGES}
        if os.name == "posix":
            for name, (command, most) in PICTURES.items():
                path = ROOT / "docs" / "pictures" / f"{name}.svg"
                made[path] = picture(command, place.run_on_terminal(command), most)
    return made


def main(words: Sequence[str]) -> int:
    """Write pages and pictures, or with ``--check`` name those that are old."""
    wrong = 0
    for path, text in examples().items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        if "--check" in words:
            sys.stderr.write(f"{path.relative_to(ROOT)} is old; run python docs/examples.py\n")
            wrong = 1
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
