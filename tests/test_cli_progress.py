"""The line of progress, and stopping on a signal."""

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT

from otsec.cli.progress import Progress
from otsec.cli.signals import Stop, listening
from otsec.errors import Exit


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Clock:
    """A clock that the test turns."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line tells share, rate and time left, is redrawn in place and taken away at the end."""
    monkeypatch.setenv("COLUMNS", "100")
    stream, clock = Terminal(), Clock()

    with Progress(4_000_000, stream=stream, clock=clock) as progress:
        progress.update(10, 1)  # too early to tell
        clock.now = 102.0
        progress.update(1_000_000, 20_000, "a\x1b.pcap")
        clock.now = 102.1
        progress.update(1_100_000, 22_000)  # too soon after the last
        clock.now = 103.0
        progress.update(4_500_000, 60_000)

    assert stream.getvalue().split("\r\x1b[K") == [
        "",
        " 25% of 4.0 MB  20000 packets  10 000/s  6.0 s left  a\\x1b.pcap",
        "100% of 4.0 MB  60000 packets  20 000/s",
        "",
    ]


def test_progress_of_unknown_length() -> None:
    """Where nobody knows the length, what was read is told instead of a share."""
    progress = Progress(None, stream=Terminal(), clock=Clock())

    assert progress.line(5_000, 12, 1.0) == "5.0 kB  12 packets  0/s"


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_no_progress(stream: io.StringIO, *, quiet: bool) -> None:
    """No line where standard error is no terminal, and none with --quiet."""
    clock = Clock()
    with Progress(10, quiet=quiet, stream=stream, clock=clock) as progress:
        clock.now += 5
        progress.update(5, 5)

    assert stream.getvalue() == ""


def test_a_narrow_terminal_is_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is cut to the terminal, since a wrapped one could not be taken away."""
    monkeypatch.setenv("COLUMNS", "20")
    stream, clock = Terminal(), Clock()
    progress = Progress(100, stream=stream, clock=clock)
    clock.now += 1
    progress.update(50, 1000, "x" * 100)

    assert len(stream.getvalue().removeprefix("\r\x1b[K")) == 19


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.FINE)]
)
def test_stopping(number: signal.Signals, code: Exit) -> None:
    """The first signal sets the flag, the second stops at once, the old handlers come back."""
    before = signal.getsignal(number)

    with listening() as stop:
        assert not stop.stop_requested()
        signal.raise_signal(number)
        assert stop.stop_requested()
        assert stop.exit == code
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)

    assert signal.getsignal(number) == before


def test_listening_in_another_thread() -> None:
    """Where Python allows no handlers, the block runs without."""
    found: list[Stop] = []

    def work() -> None:
        with listening() as stop:
            found.append(stop)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert not found[0].stop_requested()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 0)])
def test_a_command_that_is_stopped(tmp_path: Path, name: str, code: int) -> None:
    """Work that looks at the flag ends by itself, with 130 after Ctrl-C and 0 after SIGTERM."""
    script = (
        "import time\n"
        "from otsec.cli.signals import listening\n"
        "with listening() as stop:\n"
        "    print('ready', flush=True)\n"
        "    while not stop.stop_requested(): time.sleep(0.01)\n"
        "print('flushed')\n"
        "raise SystemExit(int(stop.exit))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.Signals[name])
    rest, _ = child.communicate(timeout=10)

    assert (child.returncode, rest) == (code, "flushed\n")
