"""A cable of its own for each test: a pair of interfaces in a network namespace, silent otherwise.

`Wire.near` is what otsec listens on, `Wire.far` is where frames are sent from and counted. Nothing
reaches the machine's own interfaces.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from warm_commands import SHARED

NEAR, FAR = "near0", "far0"
WAIT_S = 60.0
ARRIVED_S = 0.1  # by then what was sent is at the other end; a sensor that ends takes what came
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


class Wire:
    """The namespace, by the process that keeps it."""

    near, far = NEAR, FAR

    def __init__(self, keeper: subprocess.Popen[bytes], inside: list[str]) -> None:
        self.keeper, self.inside = keeper, inside

    def run(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace; it must end well unless ``check`` is False."""
        must = options.pop("check", True)
        options.setdefault("timeout", WAIT_S)
        done = subprocess.run(
            [*self.inside, *map(str, words)],
            capture_output=True,
            check=False,
            text=True,
            env=ENVIRONMENT,
            **options,
        )
        assert not must or done.returncode == 0, done.stderr
        return done

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Begin a command in the namespace."""
        return subprocess.Popen(
            [*self.inside, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, **options.pop("env", {})},
            **options,
        )

    def python(self, script: str, *words: str | Path, **options: Any) -> Any:
        """What a script prints as JSON."""
        return json.loads(self.run(sys.executable, "-c", script, *words, **options).stdout)

    def replay(self, capture: Path, rate: int = 20_000) -> None:
        """Send the frames of a capture from the far end."""
        self.run(*_replaying(self.far, capture, rate))

    def replaying(
        self, capture: Path, rate: int, times: int = 1, far: str = FAR
    ) -> subprocess.Popen[str]:
        """Begin to send the frames of a capture, so many times."""
        return self.start(*_replaying(far, capture, rate, times))

    def frames(self, what: str, interface: str) -> int:
        """A counter of an interface."""
        told = json.loads(self.run("ip", "-j", "-s", "link", "show", interface).stdout)
        return int(told[0]["stats64"][what]["packets"])

    def close(self) -> None:
        """Let it go, with all that runs in it."""
        self.keeper.kill()
        self.keeper.wait()


def _replaying(far: str, capture: Path, rate: int, times: int = 1) -> list[str | Path]:
    """The command; between two frames it sleeps, where it would else ask the clock all the time."""
    if shutil.which("tcpreplay") is None:
        pytest.skip("needs tcpreplay")
    how = ("-q", "-K", "--timer=nano", f"--pps={rate}", f"--loop={times}", "-i", far)
    return ["tcpreplay", *how, capture]


@contextmanager
def wire(*, silent: bool = True, pairs: int = 1, lasts_s: int = 600) -> Iterator[Wire]:
    """A cable; ``silent``: the kernel has nothing to say on it (no IPv6, no ARP).

    Of several pairs the others are ``near1`` and ``far1`` and so on. After ``lasts_s`` it is gone,
    whatever became of the test.
    """
    for tool, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {package}")
    mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    keeper = subprocess.Popen(
        ["unshare", *mine, "--net", "sh", "-c", f"echo; exec sleep {lasts_s}"],
        stdout=subprocess.PIPE,
    )
    assert keeper.stdout is not None
    if not keeper.stdout.readline():
        keeper.wait()
        pytest.skip("no network namespace can be made here")
    own = ["--user", "--preserve-credentials"] if mine else []
    made = Wire(keeper, ["nsenter", f"--target={keeper.pid}", *own, "--net"])
    try:
        for number in range(pairs):
            _lay(made, f"{NEAR[:-1]}{number}", f"{FAR[:-1]}{number}", silent=silent)
        yield made
    finally:
        keeper.stdout.close()
        made.close()


def _lay(made: Wire, near: str, far: str, *, silent: bool) -> None:
    """One pair of interfaces, up."""
    try:
        made.run("ip", "link", "add", far, "type", "veth", "peer", "name", near)
    except AssertionError as error:
        pytest.skip(f"no pair of interfaces can be made here: {error}")
    for name in (near, far):
        if silent:
            made.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        made.run("ip", "link", "set", name, "arp", "off" if silent else "on", "up")


class Sensor:
    """A running ``otsec monitor``."""

    def __init__(self, cable: Wire, folder: Path, *words: str | Path, **options: Any) -> None:
        self.folder = folder
        self.log = folder / "log"
        command = [sys.executable, "-m", "otsec", "monitor", "-i", cable.near, *map(str, words)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*cable.inside, *options.pop("before", []), *command],
                cwd=folder,
                env={**ENVIRONMENT, **options.pop("env", {})},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.told(options.pop("until", "listening as point"))

    def told(self, text: str, times: int = 1) -> None:
        """Wait until the log says something."""
        end = time.monotonic() + WAIT_S
        while self.log.read_text().count(text) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"no {text!r} in: {self.log.read_text()}"
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process that reads packets: nsenter becomes it."""
        return self.process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


def otsec(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run otsec outside, on what the sensor wrote."""
    return SHARED.run([*map(str, words)], cwd=folder, env=ENVIRONMENT, timeout=120)


def dumped(folder: Path, store: str) -> list[str]:
    """The canonical dump of a store."""
    done = otsec(folder, "db", "dump", "--db", store)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
