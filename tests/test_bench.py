"""`otsec bench`: the figures it gives, and that every stage it names is there to be timed."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Command

from otsec import cli
from otsec.bench import STAGES, Program, Spent, first_packet, peak_memory, watched
from otsec.bench_pairs import main
from otsec.capture import open_capture
from otsec.config import Config
from otsec.engine import Engine
from otsec.errors import InputError
from otsec.pipeline import Options, Run, plan_sources
from otsec.store import baseline as kept
from otsec.store import open_store
from otsec.store.dump import dump
from otsec.trials import read

CAPTURE = ROOT / "pcaps" / "modbus" / "normal_polling.pcap"
PACKETS = 824  # of it
POSIX = pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system has no wait4")


@POSIX
def test_table(otsec_command: Command, tmp_path: Path) -> None:
    """The tables name both programs, the ratio, the memory and every stage."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")
    done = otsec_command("bench", CAPTURE, "--rounds", "1", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{CAPTURE}: {PACKETS} packets, ")
    assert lines[0].endswith("; 1 round, 1 worker")
    words = [line.split()[0] for line in lines if line]
    assert words[1:4] == ["median", "otsec", "tshark"]
    assert "tshark takes " in done.stdout or "too small" in done.stdout
    assert "peak memory, anonymous and shared, of all processes: " in done.stdout
    stages = [line[:24].strip() for line in lines[lines.index("", 8) + 2 :]]
    assert stages == [*STAGES, "rest", "total"]
    assert lines[-1].split()[-1] == "100.0%"
    assert "round 1 of 1: otsec " in done.stderr
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_json(otsec_command: Command) -> None:
    """The JSON object has every round and figure; shares of the stages make one."""
    done = otsec_command("bench", CAPTURE, "--rounds", "2", "--alone", "--json", "--quiet")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["kind"] == "bench"
    assert found["bytes"] == CAPTURE.stat().st_size
    assert found["packets"] == PACKETS
    assert found["tshark"] is found["ratio"] is None
    assert found["without_tshark"] == "not asked for"
    mine = found["otsec"]
    assert len(mine["rounds_cpu_s"]) == len(mine["rounds_start_up_cpu_s"]) == 2
    assert min(mine["rounds_start_up_cpu_s"]) > 0
    assert [one["stage"] for one in found["stages"]] == [*STAGES, "rest"]
    assert sum(one["share"] for one in found["stages"]) == pytest.approx(1)
    timed = {one["stage"] for one in found["stages"] if one["ns_per_packet"]}
    assert {"read", "dissect", "duplicates", "flows", "framing", "exchanges", "store"} <= timed
    if sys.platform == "linux":
        assert 10e6 < found["peak_memory_bytes"] < 400e6


@POSIX
def test_without_tshark(otsec_command: Command) -> None:
    """Where there is no tshark the own figures are given, and that it is missing."""
    done = otsec_command("bench", CAPTURE, "--rounds", "1", env={"PATH": os.devnull})

    assert done.returncode == 0, done.stderr
    assert "\nnot compared with tshark: there is no tshark here\n" in done.stdout
    assert "\notsec " in done.stdout


@POSIX
@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, 3, "no such file; bench takes one capture"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1), 3, "has no packets"),
    ],
)
def test_nothing_to_measure(
    content: bytes | None, code: int, said: str, tmp_path: Path, otsec_command: Command
) -> None:
    """A missing file or a capture without packets is one line, not a division by zero."""
    path = tmp_path / "some.pcap"
    if content is not None:
        path.write_bytes(content)
    done = otsec_command("bench", path, "--alone")

    assert done.returncode == code
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_stages_are_timed_and_set_back(tmp_path: Path) -> None:
    """Within the block every stage can be charged; after it every function is what it was."""
    before = Engine.apply, Engine._flow, Run._checkpoint
    with watched() as watch, open_store(tmp_path / "some.db") as store:
        assert Engine._flow is not before[1]
        run = Run(store, Config(), Options(), lambda *_: None, lambda: False)
        packets = sum(one.packets for one in run.read(plan_sources([CAPTURE], None), named=False))

    assert (Engine.apply, Engine._flow, Run._checkpoint) == before
    assert packets == PACKETS
    assert watch.running == ["rest"]
    assert list(watch.spent) == [*STAGES, "rest"]
    untouched = {name for name, ns in watch.spent.items() if not ns}
    assert untouched <= {"fragments", "plain path"}


def test_first_packet(tmp_path: Path) -> None:
    """The capture for the start-up holds the first packet as it is, to the nanosecond."""
    path = tmp_path / "one.pcap"
    path.write_bytes(first_packet(CAPTURE))

    def first(capture: Path) -> tuple[int, int, int, int, bytes]:
        reader = open_capture(capture, batch_packets=1)
        batch = next(iter(reader.chunks())).batches[0]
        begin, size = int(batch.offset[0]), int(batch.captured[0])
        data = batch.buffer[begin : begin + size].tobytes()
        reader.close()
        return batch.link, size, int(batch.wire[0]), int(batch.time[0]), data

    assert first(path) == first(CAPTURE)
    assert path.stat().st_size == 24 + 16 + first(CAPTURE)[1]
    path.write_bytes(path.read_bytes()[:24])
    with pytest.raises(InputError, match="has no packets, nothing to measure"):
        first_packet(path)


def test_median_without_start_up() -> None:
    """The middle round counts, less the middle start-up, and never less than nothing."""
    program = Program(
        "some 1.0",
        rounds=(Spent(9.0, 8.0), Spent(2.0, 4.0), Spent(3.0, 5.0)),
        start_ups=(Spent(0.5, 1.0), Spent(5.0, 6.0), Spent(1.0, 2.0)),
    )
    assert program.start_up == Spent(1.0, 2.0)
    assert program.net == (Spent(8.0, 6.0), Spent(1.0, 2.0), Spent(2.0, 3.0))
    assert program.middle == Spent(2.0, 3.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_peak_memory(tmp_path: Path) -> None:
    """What a process and its children touch is counted, together; what they only reserve is not."""
    code = (
        "import mmap, subprocess, sys, time\n"
        "held, reserved = b'x' * 50_000_000, mmap.mmap(-1, 900_000_000)\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.run([sys.executable, '-c', sys.orig_argv[2], 'child'], check=True)\n"
        "time.sleep(0.1)\n"
    )
    peak = peak_memory([sys.executable, "-c", code], tmp_path)

    assert peak is not None
    assert 100e6 < peak < 150e6


@POSIX
def test_what_rules_cost(otsec_command: Command) -> None:
    """Both runs are measured in turn, and the ratio is told; nothing else of them differs."""
    done = otsec_command("bench", CAPTURE, "--rules", "--rounds", "1", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kind"] == "bench_rules"
    assert [one["program"] for one in told["programs"]] == ["without", "with rules and checks"]
    assert all(len(one["rounds_cpu_s"]) == 1 for one in told["programs"])
    assert len(told["ratios"]) <= 1
    assert told["wanted"] == 0.85
    assert told["once"] == []
    assert "round 1 of 1: without " in done.stderr


def test_what_is_left_out(tmp_path: Path) -> None:
    """The run without them has everything but findings, counters that do not follow, and contents."""
    plain, with_them = tmp_path / "plain.db", tmp_path / "with.db"
    capture = ROOT / "pcaps" / "tftp" / "peers.pcap"
    words = ["analyze", "-q", str(capture), "--point", "p"]
    for program, db in ((("otsec.bench_pairs", "rules"), plain), (("otsec",), with_them)):
        more = ["--no-rules"] if db == plain else []
        command = [sys.executable, "-m", *program, *words, "--db", str(db), *more]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    rows = {}
    for db in (plain, with_them):
        with open_store(db, readonly=True) as store:
            rows[db] = set(dump(store))
    assert rows[plain] < rows[with_them]
    more = {line.split()[0] for line in rows[with_them] - rows[plain]}
    assert more == {"content", "finding", "finding_packet"}


def test_what_baselines_take(tmp_path: Path) -> None:
    """Without them nothing of order, rhythms and paths is kept."""
    rows = {}
    for program in (("otsec.bench_pairs", "baselines"), ("otsec",)):
        db = tmp_path / f"{len(program)}.db"
        command = [sys.executable, "-m", *program, "analyze", "-q", str(CAPTURE), "--point", "p"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "--db", str(db)], check=True, env=env)
        with open_store(db, readonly=True) as store:
            rows[program[0]] = {line.split()[0] for line in dump(store)}
    assert rows["otsec"] - rows["otsec.bench_pairs"] >= {"path", "rhythm", "step", "volume"}
    assert not rows["otsec.bench_pairs"] - rows["otsec"]


@POSIX
def test_what_baselines_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Following is measured in pairs; learning all of the capture, and judging by that, apart."""
    assert cli.main(["bench", str(CAPTURE), "--baselines", "--rounds", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)

    assert (told["kind"], told["wanted"]) == ("bench_baselines", 0.8)
    assert [one["program"] for one in told["programs"]] == ["without", "with baselines"]
    assert [one["name"] for one in told["once"]] == ["learning", "judging by them"]
    assert all(one["cpu_s"] > 0 for one in told["once"])
    assert "judging by them: " in err
    db = tmp_path / "some.db"
    with open_store(db) as store:
        read(store, [CAPTURE])
    assert main(["once", "learn", str(db)]) == 0
    with open_store(db) as store:
        lines, ends = kept.lines(store), kept.ended(store)
    assert len(lines) == told["lines"]
    assert {one.ended for one in ends} == {1}
    assert main(["once", "judge", str(db)]) == 0
    with open_store(db) as store:
        assert not store.all("SELECT * FROM finding WHERE category = 'baseline'")
