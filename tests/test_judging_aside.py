"""Judging beside who listens: new findings are told, nobody waits, and it may end by itself."""

import os
import signal
import time
from argparse import Namespace
from pathlib import Path

from conftest import ROOT

from otsec.cli import main
from otsec.cli.aside import Aside
from otsec.config import load
from otsec.errors import Exit
from otsec.store import open_store

BEFORE = ROOT / "pcaps" / "s7comm" / "operator.pcap"
STOPPED = ROOT / "pcaps" / "s7comm" / "engineer.pcap"
WAIT_S = 60.0


def beside(db: Path, **words: object) -> Aside:
    """A process that judges a store."""
    named = {
        "db": db,
        "site": None,
        "rules": None,
        "config": None,
        "no_rules": False,
        "tui": False,
    } | words
    return Aside(Namespace(**named), load(None, overrides={"store": (str(db), "--db")}))


def answered(judging: Aside) -> list[str]:
    """The lines of the next answer; none is waited for within one call."""
    end = time.monotonic() + WAIT_S
    while True:
        begun = time.monotonic()
        before = judging._busy
        lines = judging.told()
        assert time.monotonic() - begun < 5
        if before and not judging._busy:
            return lines
        assert time.monotonic() < end
        time.sleep(0.02)


def test_new_findings_are_told(tmp_path: Path) -> None:
    """What was there before is not told, what comes is, and the rules in effect are known."""
    db = tmp_path / "x.db"
    assert main(["analyze", str(BEFORE), "--db", str(db), "-q", "--no-rules"]) == Exit.FINE
    with beside(db) as judging:
        judging.begin()
        assert answered(judging) == []
        assert judging.version.endswith(")")
        assert main(["analyze", str(STOPPED), "--db", str(db), "-q", "--no-rules"]) == Exit.FINE
        judging.begin()
        assert not judging._busy  # it rests
        told = judging.last()
    assert any("S7 controller stopped" in line for line in told), told
    with open_store(db, readonly=True) as store:
        assert store.all("SELECT COUNT(*) FROM finding WHERE title = 'S7 controller stopped'")


def test_ends_by_itself(tmp_path: Path) -> None:
    """A process that is gone is told of in one line and begun again; nobody else ends with it."""
    db = tmp_path / "x.db"
    with open_store(db), beside(db) as judging:
        judging.begin()
        assert answered(judging) == []
        assert judging._child is not None
        os.kill(judging._child.pid, signal.SIGKILL)
        judging._child.wait()
        judging._due = 0.0
        judging.begin()
        assert answered(judging) == ["judging ended by itself; it is begun again in 60 s"]
        judging.begin()
        assert judging._child is None  # not yet
        judging._due = 0.0
        judging.begin()
        assert answered(judging) == []


def test_a_store_that_cannot_be_judged(tmp_path: Path) -> None:
    """What keeps it from judging is told in a line, and it goes on."""
    db = tmp_path / "x.db"
    with beside(db) as judging:
        judging.begin()
        (line,) = answered(judging)
        assert line.startswith(f"not judged: {db}: there is no such store")
        with open_store(db):
            judging._due = 0.0
            judging.begin()
            assert answered(judging) == []


def test_without_rules(tmp_path: Path) -> None:
    """Who does not want findings pays for no process."""
    with beside(tmp_path / "x.db", no_rules=True) as judging:
        judging.begin()
        assert judging.last() == []
        assert judging._child is None
