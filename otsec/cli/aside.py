"""Judging in a process of its own: a sensor that listens does not wait for its findings.

Judging takes as long as the store is large, and packets come meanwhile. The process goes behind
all others, is told of each checkpoint, and answers with the findings that are new; it reads the
store as it was at one moment. Requests and answers are lines of JSON.
"""

import json
import select
import signal
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from otsec import processes
from otsec.cli import options
from otsec.errors import OtsecError

if TYPE_CHECKING:
    from otsec.config import Config

SETTINGS = ("db", "site", "rules")  # of the command line, that take the place of otsec.yaml's
NICE = 5  # packets go first
REST = 9  # times as long as judging took it rests, so that it takes a tenth of a core at most
AGAIN_S = 60.0  # until it is started again when it ended by itself


class Answer(NamedTuple):
    """What the process says when it has judged."""

    lines: list[str]  # findings that are new, and what went wrong
    took_s: float
    version: str  # of the rules in effect


class Aside:
    """The process, as who listens sees it."""

    def __init__(self, arguments: Namespace, config: "Config") -> None:
        self.wanted = not arguments.no_rules
        self.version = ""  # of the rules in effect, as far as it has told
        told = {name: getattr(arguments, name) for name in (*SETTINGS, "config")}
        told |= {"db": config.store}  # wherever that came from
        self._arguments = {name: None if one is None else str(one) for name, one in told.items()}
        self._silent = bool(arguments.tui)  # the screens have the terminal
        self._child: subprocess.Popen[bytes] | None = None
        self._busy = False
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._end()

    def begin(self) -> None:
        """Something was written: judge it, unless it is at it or has to rest."""
        if self.wanted and not self._busy and time.monotonic() >= self._due:
            self._busy = True
            self._ask("judge")

    def read_again(self) -> None:
        """Read rules and policy again; mistakes are told, and what was before stays in effect."""
        if self._child is not None:
            self._ask("read")

    def told(self) -> list[str]:
        """The lines that came meanwhile; waits for none."""
        return self._answer() if self._busy else []

    def last(self) -> list[str]:
        """Judge once more what is there now, here, where nothing else is to be done any more."""
        self._end()
        if not self.wanted:
            return []
        try:
            judge = _Judge(_arguments(self._arguments))
            with judge.store:
                if self.version:  # else none was judged yet, and all there is was there before
                    judge.findings.known = judge.in_store()
                lines = judge.new()
                self.version = judge.judging.version()
        except OtsecError as error:  # as a configuration that has mistakes meanwhile
            return [f"not judged: {error}"]
        return lines

    # --------------------------------------------------------------------------- the process

    def _ask(self, what: str) -> None:
        child = self._child = self._child or self._started()
        with suppress(OSError):  # it ended; `_answer` says so
            child.stdin.write(what.encode() + b"\n")  # type: ignore[union-attr]
            child.stdin.flush()  # type: ignore[union-attr]

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - otsec itself
            processes.words("otsec.cli.aside", json.dumps(self._arguments)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if self._silent else None,
            env=processes.surroundings(),
        )

    def _answer(self) -> list[str]:
        """The lines of an answer, if there is one."""
        child = self._child
        if child is None or child.stdout is None:
            return []
        if not select.select([child.stdout], [], [], 0)[0]:
            return []
        line = child.stdout.readline()
        self._busy = False
        if not line.endswith(b"\n"):
            self._end()
            self._due = time.monotonic() + AGAIN_S
            return [f"judging ended by itself; it is begun again in {AGAIN_S:.0f} s"]
        answer = Answer(**json.loads(line))
        self._due = time.monotonic() + REST * answer.took_s
        self.version = answer.version
        return answer.lines

    def _end(self) -> None:
        """What it is at is given up, and nothing half written."""
        child, self._child, self._busy = self._child, None, False
        if child is not None:
            child.kill()
            child.communicate()


# ------------------------------------------------------------------------------ in the process


def main(told: str) -> None:
    """Answer requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the one that asks
    processes.step_behind(NICE)
    arguments = _arguments(json.loads(told))
    judge: _Judge | None = None
    for line in sys.stdin:
        if line.strip() == "read":
            if judge is not None:
                judge.read_again(arguments)
            continue
        begun, version, lines = time.monotonic(), "", []
        try:
            judge = judge or _Judge(arguments)
            lines = judge.new()
            version = judge.judging.version()
        except OtsecError as error:  # as a store that is busy for too long
            lines = [f"not judged: {error}"]
        answer = Answer(lines, time.monotonic() - begun, version)
        sys.stdout.write(json.dumps(answer._asdict()) + "\n")
        sys.stdout.flush()


def _arguments(told: dict[str, str | None]) -> Namespace:
    """The command line of the sensor, as far as it is about judging."""
    config = told["config"]
    return Namespace(**{**told, "config": config and Path(config), "no_rules": False})


class _Judge:
    """A store that is open, and what it is judged by."""

    def __init__(self, arguments: Namespace) -> None:
        from otsec.cli.analyze import Judging
        from otsec.cli.watch import NewFindings
        from otsec.store import open_store

        config = options.configured(arguments, *SETTINGS)
        self.store = open_store(config.store, create=False)
        self.judging = Judging(arguments, self.store, config)
        self.findings = NewFindings(self.judging)

    def read_again(self, arguments: Namespace) -> None:
        """Take up rules, policy and configuration as they are now; mistakes are told."""
        from otsec.cli.output import say

        try:
            self.judging.config = options.configured(arguments, *SETTINGS)
        except OtsecError as error:
            say(f"otsec: not judged by the new configuration: {error}")
        self.judging.read_again()

    def new(self) -> list[str]:
        """A line for each finding that was not there before."""
        with self.store.snapshot():
            return self.findings.judged()

    def in_store(self) -> set[str]:
        """The findings of the judging before."""
        from otsec.store.findings import findings

        return {one.id for one in findings(self.store)}


if __name__ == "__main__":
    main(sys.argv[1])
