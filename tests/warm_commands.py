"""Runs of ``otsec`` in processes of their own that need not import anything any more.

A command of a test works for hundredths of a second, but imports for half of one, or for a whole
one where it loads rules. So a process that has done both, and nothing else, forks itself for each
command. What a child of it runs is what ``python -m otsec`` runs: its own streams, environment,
folder and exit code, and the interpreter ends as ever. Where the start itself is what is tested,
or the environment speaks to Python, a command is started cold.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryFile
from typing import IO, Any

import otsec

ROOT = Path(__file__).parents[1]
MOST = 1 << 20  # bytes of a request: words and environment
STREAMS = 3  # standard input, output and error
COLD = ("otsec.__main__", "otsec.tui")  # what is not imported: one runs, the other is large
Completed = subprocess.CompletedProcess[str]


class WarmCommands:
    """The process that forks commands, as long as it is wanted; the first command starts it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.here: socket.socket | None = None

    def run(
        self, words: Sequence[str], *, cwd: Path | None, env: dict[str, str], timeout: float
    ) -> Completed:
        """As ``subprocess.run`` of ``python -m otsec WORDS``, text out; nothing to read in."""
        here = self._connection()
        request = {"words": [*words], "cwd": str(cwd or Path.cwd()), "env": env}
        with TemporaryFile() as out, TemporaryFile() as err, Path(os.devnull).open("rb") as none:
            message = json.dumps(request).encode()
            assert len(message) < MOST
            socket.send_fds(here, [message], [one.fileno() for one in (none, out, err)])
            here.settimeout(timeout)
            try:
                status = int(here.recv(64))
            except TimeoutError:
                self.close()
                raise subprocess.TimeoutExpired(
                    ["otsec", *words], timeout, _text(out), _text(err)
                ) from None
            return subprocess.CompletedProcess(["otsec", *words], status, _text(out), _text(err))

    def _connection(self) -> socket.socket:
        if self.here is None:
            self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST)
            with there:
                self.process = subprocess.Popen(
                    [sys.executable, "-W", "error", __file__, str(there.fileno())],
                    pass_fds=[there.fileno()],
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
                )
        return self.here

    def close(self) -> None:
        """End it, and what it forked."""
        if self.here is None or self.process is None:
            return
        self.here.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.here = self.process = None


SHARED = WarmCommands()  # of all tests of a worker: what it imports takes longest
atexit.register(SHARED.close)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


# ------------------------------------------------------------------------------- the process


def serve(here: socket.socket) -> int:
    """Fork a child for each request; it leaves here with the exit code of its command."""
    _warm_up()
    while True:
        message, streams, _, _ = socket.recv_fds(here, MOST, STREAMS)
        if not message:
            return 0
        child = os.fork()
        if not child:
            here.close()
            return _command(json.loads(message), streams)
        for one in streams:
            os.close(one)
        _, status = os.waitpid(child, 0)
        here.send(str(os.waitstatus_to_exitcode(status)).encode())


def _warm_up() -> None:
    """Import what commands import, and read the rules: they are kept by what their files hold."""
    for module in walk_packages(otsec.__path__, "otsec."):
        if not module.name.startswith(COLD):
            import_module(module.name)
    from otsec.detect.loading import built_in, load

    load([built_in()])
    gc.freeze()  # or each child would walk all of it when it ends


def _command(request: dict[str, Any], streams: Sequence[int]) -> int:
    """Be the process of a command."""
    for number, one in enumerate(streams):
        os.dup2(one, number)
        os.close(one)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv[1:] = request["words"]
    from otsec.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))
