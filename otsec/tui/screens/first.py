"""First start: nothing was captured yet; what can be done about it, and how far it is."""

import subprocess
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec import processes
from otsec.health.verdict import number
from otsec.tui.cells import safe
from otsec.tui.screen import BaseScreen, Words

LOOK_S = 0.3  # between looks at the program that reads
TELLING = 4_000  # letters of what it said that are kept


def demo() -> Path | None:
    """The plant to look around in: beside the package, or in it."""
    packed = Path(str(files("otsec") / "demo"))
    beside = Path(str(files("otsec"))).parent / "pcaps" / "plant"
    return next((path for path in (packed, beside) if path.is_dir()), None)


class FirstScreen(BaseScreen):
    """An empty store, or none."""

    NAME = "First start"
    AUTO_FOCUS = "VerticalScroll"
    CSS = "FirstScreen Static { height: auto; padding: 1 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open a capture", id="first.open", tooltip="Read a capture, or a folder of them"),
        Binding("l", "listen", "Listen", id="first.listen", tooltip="Listen on an interface of this machine, without ever sending"),
        Binding("d", "demo", "Load the demo", id="first.demo", tooltip="Ten minutes of a water works, with an incident"),
        Binding("escape", "stop", "Stop reading", show=False, id="first.stop", tooltip="Stop reading; what was read stays"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._reading: subprocess.Popen[str] | None = None
        self._what = ""

    def body(self) -> ComposeResult:
        """What can be done."""
        with VerticalScroll():
            yield Static(id="offer", markup=False)

    def load(self, *, again: bool = False) -> None:  # noqa: ARG002 - told anew either way
        """Tell what can be done."""
        self._offer()
        if self._reading is None:
            self.set_interval(LOOK_S, self._look)

    def _offer(self, said: str = "") -> None:
        text = Text()
        if self.otsec.trouble and self.otsec.path.exists():  # what it holds nobody knows
            text.append("The store cannot be read\n\n", "bold")
            text.append(f"{safe(self.otsec.trouble, 600)}\n", "bold yellow")
        else:
            text.append("Nothing was captured yet\n\n", "bold")
            text.append(f"The store {safe(self.otsec.path)} holds no packets.\n")
        text.append("\n  o", "bold")
        text.append("  open a capture: pcap or pcapng, also compressed, or a folder of them\n")
        text.append("  l", "bold")
        text.append("  listen on an interface of this machine, without ever sending\n")
        if demo() is not None:
            text.append("  d", "bold")
            text.append("  load the demo: ten minutes of a water works, with an incident in it\n")
        text.append("  ?", "bold")
        text.append("  help          ")
        text.append("q", "bold")
        text.append("  quit\n")
        text.append("\nIn another terminal, `otsec watch FOLDER` follows a recorder into the same store;\n", "dim")  # fmt: skip
        text.append("what it learns is shown here as it comes.\n", "dim")
        if said:
            text.append(f"\n{safe(said, TELLING)}\n", "bold")
        self.query_one("#offer", Static).update(text)

    # ---------------------------------------------------------------------------- actions

    def action_open(self) -> None:
        """Ask which capture, and read it."""
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

        def use(line: str | None) -> None:
            if line and line.strip():
                self.read(Path(line.strip()).expanduser())

        def check(line: str) -> str:
            return "" if Path(line.strip()).expanduser().exists() else "there is no such file"

        def words(before: str) -> list[str]:
            _ = before
            return sorted(str(path) for path in Path().glob("*.pcap*"))

        self.app.push_screen(LineDialog("open FILE or FOLDER:", words=words, check=check), use)

    def action_demo(self) -> None:
        """Read the demo."""
        path = demo()
        if path is None:
            self.otsec.complain("this otsec was installed without its demo")
        else:
            self.read(path)

    def action_listen(self) -> None:
        """Ask on which interface, and listen there."""
        from otsec.capture.live.interface import names  # noqa: PLC0415 - only who asks pays
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - as above

        known = names()

        def use(line: str | None) -> None:
            if line and line.strip():
                self._run(f"on {line.strip()}", "monitor", "-i", line.strip())

        def check(line: str) -> str:
            return "" if line.strip() in known else "this machine has no such interface"

        title = f"listen on (there are: {', '.join(known)}):"
        self.app.push_screen(LineDialog(title, words=lambda _: known, check=check), use)

    def read(self, path: Path) -> None:
        """Read a capture into the store."""
        self._run(str(path), "analyze", str(path))

    def _run(self, what: str, *command: str) -> None:
        """Run a command that fills the store, in a process of its own."""
        if self.otsec.readonly:
            self.otsec.complain("this otsec only reads; start it without --read-only")
            return
        if self._reading is not None:
            self.otsec.complain(f"{self._what} is being read; Esc or :stop ends that")
            return
        self._what = self.otsec.reading = what
        self.otsec.stop_reading = self.action_stop
        words = processes.words(processes.OTSEC, *command, "--quiet")
        words += ["--db", str(self.otsec.path), "--site", self.otsec.config.site]
        if self.otsec.config.path is not None:
            words += ["--config", str(self.otsec.config.path)]
        self._reading = subprocess.Popen(  # noqa: S603 - otsec itself
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=processes.surroundings(),
            start_new_session=True,
        )
        self._look()

    def _look(self) -> None:
        """How far it is."""
        if self._reading is None:
            return
        code = self._reading.poll()
        if code is None:
            read = f"{number(self.otsec.packets)} packets so far" if self.otsec.packets else "begun"
            self._offer(f"reading {self._what}: {read}; Esc stops, what was read stays")
            return
        told = ""
        if self._reading.stderr:
            with self._reading.stderr as stream:
                told = stream.read(TELLING)
        self._reading, self.otsec.reading = None, ""
        self._offer(told.strip() or ("stopped" if code else "read"))
        if self._otsec_has_packets():
            self.otsec.show("overview")

    def _otsec_has_packets(self) -> bool:
        self.otsec.reopen()
        return bool(self.otsec.packets)

    def action_stop(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.terminate()  # it ends at a checkpoint

    def on_unmount(self) -> None:
        """Nobody reads on behind a closed window."""
        if self._reading is not None:
            self.action_stop()
            if self._reading.stderr:
                self._reading.stderr.close()
            self._reading.wait()
        super().on_unmount()

    def words(self) -> Words:
        """What is offered."""
        return [
            (
                "Words",
                [
                    ("capture", "packets that a recorder wrote: a pcap or pcapng file"),
                    ("store", "the file in which otsec keeps what it learns"),
                    ("demo", "a made-up water works: twenty devices, nine protocols, and a laptop that does not belong"),
                ],
            )
        ]  # fmt: skip
