"""`otsec analyze`: which captures it reads, what it says of bad ones, how it ends."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from capture_bytes import numbered, pcap
from conftest import ROOT, Command

POLLING = ROOT / "pcaps" / "modbus" / "normal_polling.pcap"
SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def dump(otsec_command: Command, db: Path, **options: Any) -> str:
    """The canonical text of a store."""
    done = otsec_command("db", "dump", "--db", db, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_same_result_for_any_way_to_read(otsec_command: Command, tmp_path: Path) -> None:
    """Batches, checkpoints, workers, standard input and gzip change nothing that is found.

    Each process hashes words in its own way, so nothing depends on the order of sets.
    """
    packed = tmp_path / "normal_polling.pcap.gz"
    packed.write_bytes(gzip.compress(POLLING.read_bytes()))
    ways: list[tuple[str | Path, ...]] = [
        (POLLING,),
        ("-r", POLLING, "--batch", "7"),
        (packed, "--checkpoint", "0.001", "--batch", "50"),
        (POLLING, "--workers", "2"),
    ]
    dumps = set()
    for number, words in enumerate(ways):
        db = tmp_path / f"{number}.db"
        done = otsec_command("analyze", *words, "--point", "tap", "--db", db, cold=True)
        assert (done.returncode, done.stderr) == (0, "")
        dumps.add(dump(otsec_command, db, cold=True))
    with POLLING.open("rb") as file:
        done = otsec_command(
            "analyze", "-", "--point", "tap", "--db", tmp_path / "in.db", stdin=file
        )
    assert done.returncode == 0, done.stderr
    dumps.add(dump(otsec_command, tmp_path / "in.db"))

    assert len(dumps) == 1
    assert "source" in dumps.pop()


def test_known_captures_are_told_in_one_line(otsec_command: Command, tmp_path: Path) -> None:
    """What was read before is not read again; one line says so, and --quiet says nothing."""
    words = ("analyze", ROOT / "pcaps" / "modbus", "--db", tmp_path / "x.db")
    first = otsec_command(*words)
    before = dump(otsec_command, tmp_path / "x.db")
    again, quiet = otsec_command(*words), otsec_command(*words, "--quiet")

    assert (first.returncode, first.stderr) == (0, "")
    assert again.stderr == "otsec: 9 of 9 captures were known already, nothing new in them\n"
    assert (again.stdout, quiet.stdout, quiet.stderr) == (first.stdout, "", "")
    asked = otsec_command(*words, "--quiet", "--json")
    assert (json.loads(asked.stdout)["kind"], asked.stderr) == ("summary", "")
    assert dump(otsec_command, tmp_path / "x.db") == before


def test_damage_is_named_and_the_rest_is_used(otsec_command: Command, tmp_path: Path) -> None:
    """A capture cut in a record: exit code 3, file and offset on standard error, the rest used."""
    data = pcap(numbered(10, size=40))
    (tmp_path / "cut.pcap").write_bytes(data[:-5])
    (tmp_path / "whole.pcap").write_bytes(data)
    done = otsec_command("analyze", tmp_path, "--db", tmp_path / "x.db")

    path = tmp_path / "cut.pcap"
    problem = f"{path}: ends inside a record, which begins at byte {len(data) - 56}"
    assert (done.returncode, done.stderr) == (3, f"otsec: {problem}\n")
    assert "2 captures of 2 sources, 19 packets;" in done.stdout
    assert "Problems with files\n" in done.stdout
    told = " ".join(done.stdout.split())
    assert f"- {problem}" in told


def test_only_capture_is_none(otsec_command: Command, tmp_path: Path) -> None:
    """A file that is no capture is one line and exit code 3; among others it does not stop them."""
    (tmp_path / "a.pcap").write_text("hello")
    alone = otsec_command("analyze", tmp_path / "a.pcap", "--db", tmp_path / "x.db")
    both = otsec_command("analyze", tmp_path / "a.pcap", POLLING, "--db", tmp_path / "x.db")
    line = f"otsec: {tmp_path / 'a.pcap'}: is no capture but text; give a pcap or pcapng file\n"

    assert (alone.returncode, alone.stdout, alone.stderr) == (3, "", line)
    assert (both.returncode, both.stderr) == (3, line)
    assert "824 packets" in both.stdout


def test_nothing_readable_leaves_nothing_behind(otsec_command: Command, tmp_path: Path) -> None:
    """Where no capture can be read no store is made; beside one that can, it leaves no source."""
    text = tmp_path / "notes.txt"
    text.write_text("to do: look at the mirror")
    db = tmp_path / "x.db"

    done = otsec_command("analyze", tmp_path / "nothing.pcap", text, "--db", db)

    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "none of the 2 captures can be read" in done.stderr
    assert not db.exists()
    done = otsec_command("analyze", "-q", tmp_path / "nothing.pcap", text, POLLING, "--db", db)
    assert done.returncode == 3, done.stderr
    health = otsec_command("health", "--db", db)
    assert "normal_polling" in health.stdout
    assert "nothing" not in health.stdout.replace("nothing can be told", "")
    assert "notes" not in health.stdout


def test_captures_of_the_configuration(otsec_command: Command, tmp_path: Path) -> None:
    """Without FILE the patterns of the points are read, relative to otsec.yaml, by their names."""
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "a.pcap").write_bytes(POLLING.read_bytes())
    config = tmp_path / "otsec.yaml"
    config.write_text("site: works\npoints:\n  line-1:\n    group: cell\n    files: ring/*.pcap\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = otsec_command("analyze", "--config", config, cwd=elsewhere)

    assert done.returncode == 0, done.stderr
    assert 'source "works/line-1/" group="cell"\n' in dump(otsec_command, elsewhere / "otsec.db")
    config.write_text("points:\n  line-1:\n    files: ring/*.cap\n")
    none = otsec_command("analyze", "--config", config)
    assert none.returncode == 3
    assert none.stderr == (
        f"otsec: {tmp_path}/ring/*.cap: no such file (`files` of point 'line-1' in {config}); "
        "correct the pattern, or name captures on the command line\n"
    )


def test_nothing_named(otsec_command: Command, tmp_path: Path) -> None:
    """No capture anywhere is a mistake in the command line, and no store is made."""
    done = otsec_command("analyze", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("otsec: analyze: name a capture, a folder of captures, or - for")
    assert list(tmp_path.iterdir()) == []


@SIGNALS
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_stopped_and_gone_on_with(
    otsec_command: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A signal ends it at a checkpoint; the same command goes on to the same result."""
    words = ["--point", "tap", "--batch", "2", "--checkpoint", "0.05"]
    path, db = tmp_path / "big.pcap", tmp_path / "x.db"
    path.write_bytes(pcap(numbered(4000, size=60)))
    process = subprocess.Popen(
        [sys.executable, "-m", "otsec", "analyze", str(path), *words, "--db", str(db)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 30
    while not db.with_name("x.db-wal").exists() and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (code, "")
    assert err == f"otsec: stopped; {db} holds what came so far, the same command goes on\n"
    again = otsec_command("analyze", path, *words[:2], "--db", db)
    assert again.returncode == 0, again.stderr
    whole = otsec_command("analyze", path, *words[:2], "--db", tmp_path / "whole.db")
    assert whole.returncode == 0
    assert dump(otsec_command, db) == dump(otsec_command, tmp_path / "whole.db")


@pytest.mark.slow
def test_all_shared_captures(otsec_command: Command, tmp_path: Path, captures: Path) -> None:
    """All real captures go through; only the one that is cut short is told as damaged."""
    done = otsec_command("analyze", captures, "--db", tmp_path / "x.db", timeout=300)

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "iti__melsoft_129_clean.pcap: ends inside a record" in done.stderr
    assert "284 captures of " in done.stdout
    assert len(done.stdout.splitlines()) <= 145


def test_select_and_operate_are_told_apart(otsec_command: Command, tmp_path: Path) -> None:
    """Rows of the summary differ in what they show, and its heading counts rows."""
    store = tmp_path / "x.db"
    told = otsec_command("analyze", ROOT / "pcaps" / "plant", "--db", store).stdout
    part = told[told.index("Who wrote what") : told.index("What could not be decoded")]
    heading, second, _, *rows, more, _ = part.splitlines()  # the third names the columns

    assert heading == "Who wrote what: 12 rows by object, writer, operation and outcome"
    assert (
        second == "1 of them by a second writer, who wrote what another client had written before."
    )
    assert [row.split()[7] for row in rows if "ioa 6100" in row] == [
        "c_dc_na_1_select",
        "c_dc_na_1",
    ]
    assert more.startswith(f"... and {12 - len(rows)} more: otsec writers")


def test_pages_name_commands_that_find_the_same_store(
    otsec_command: Command, tmp_path: Path
) -> None:
    """What the page of a device or a control says to type finds the store that was asked."""
    store = tmp_path / "x.db"
    otsec_command("analyze", "-q", ROOT / "pcaps" / "plant", "--db", store)

    device = otsec_command("asset", "10.20.1.1", "--db", store).stdout
    control = otsec_command("controls", "show", "SR", "1.1", "--db", store).stdout
    assert re.search(rf"more: otsec asset \w+ --json --db {re.escape(str(store))}\n", device)
    assert f"--what ... --by ... --db {store}\n" in control
