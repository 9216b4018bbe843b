"""Measures a sensor on a cable of its own: ``python tests/live_soak.py [ring] [rate] [memory] [kill]``.

ring: the ring alone; rate: the whole pipeline with its store; both search for the highest rate
without loss. memory: resident size and store over time at 20,000 packets a second. kill: killed
(SIGKILL) again and again while it records; the store then equals the recording. ``make soak``
runs all of them. Needs root, or user namespaces.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from conftest import ROOT
from engine_runs import difference
from live_wire import Sensor, Wire, dumped, otsec, wire

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
SENDER = Path(__file__).with_name("live_sender.py")
RING = """
import json, select, sys, time
from otsec.capture.live.ring import Ring
from otsec.sensor.opener import Opener
near, wanted, ring_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Opener() as helper:
    opened, incoming = helper.open(near, b"", ring_bytes)
ring = Ring(opened, near, 1, incoming=incoming, ring_bytes=ring_bytes)
poll = select.poll()
poll.register(ring.fileno(), select.POLLIN)
print("ready", flush=True)
quiet, begin = 0, time.process_time()
while ring.tally.received + ring.tally.dropped < wanted and quiet < 300:
    poll.poll(100)
    quiet += 1
    while ring.read() is not None:
        quiet = 0
ring.lost(0)
print(json.dumps([ring.tally.received, ring.tally.dropped, time.process_time() - begin]))
"""


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def sent(cable: Wire, capture: Path, rate: float, times: int) -> tuple[int, float]:
    """Send frames from the far end, on core 0; how many, in how many seconds."""
    words = ["taskset", "-c", "0", sys.executable, SENDER, cable.far, capture, rate, times]
    done = cable.run(*map(str, words), timeout=3600)
    count, took = json.loads(done.stdout)
    return int(count), float(took)


def ring(cable: Wire, capture: Path, packets: int) -> None:
    """The ring alone, as fast as frames come."""
    process = cable.start(
        "taskset", "-c", "1", sys.executable, "-c", RING, cable.near, packets, 64 << 20
    )
    assert process.stdout is not None
    process.stdout.readline()
    count, took = sent(cable, capture, 0, 1)
    out, problem = process.communicate(timeout=600)
    assert process.returncode == 0, problem
    received, dropped, cpu = json.loads(out)
    say(
        f"ring alone: {count:,} sent at {count / took:,.0f}/s: {received:,} received, {dropped:,} "
        f"dropped, sum {'exact' if received + dropped == count else 'WRONG'}; "
        f"{cpu / max(received, 1) * 1e6:.2f} s of CPU a million, {received / cpu:,.0f}/s"
    )


def _listened(
    cable: Wire, folder: Path, capture: Path, rate: float, times: int, *words: str
) -> str:
    """One run of the whole pipeline; what became of the frames."""
    folder.mkdir()
    sensor = Sensor(cable, folder, "--db", "live.db", "--heartbeat", "1", *words)
    count, took = sent(cable, capture, rate, times)
    while _fullest(folder) > 0:  # what waits in the ring is worked off
        time.sleep(1)
    cpu, beside = _cpu(sensor.pid), sum(map(_cpu, _children(sensor.pid)))
    assert sensor.stop() == 0, sensor.log.read_text()
    with closing(sqlite3.connect(folder / "live.db")) as store:
        heard, dropped, most, lag = store.execute(
            "SELECT SUM(packets), SUM(dropped), MAX(ring_percent), MAX(lag_ms) FROM heartbeat"
        ).fetchone()
    return (
        f"{count:,} sent at {count / took:,.0f}/s: {heard:,} received, {dropped:,} dropped, sum "
        f"{'exact' if heard + dropped == count else 'WRONG'}; ring at most {most} % full, at most "
        f"{lag / 1000:.1f} s behind; {cpu / max(heard, 1) * 1e6:.2f} s of CPU a million, and "
        f"{beside / max(heard, 1) * 1e6:.2f} of processes beside"
    )


def _cpu(process: int) -> float:
    """Seconds of CPU of a process, user and system."""
    told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, told[11:13])) / os.sysconf("SC_CLK_TCK")


def _children(process: int) -> list[int]:
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def _fullest(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "live.db")) as store:
        found = store.execute("SELECT packets FROM heartbeat ORDER BY time DESC LIMIT 1").fetchone()
    return int(found[0]) if found else 1


def rate(
    cable: Wire, folder: Path, capture: Path, seconds: float, rates: list[float], buffer: str
) -> None:
    """The whole pipeline at rising rates, each for so long."""
    packets = sent(cable, capture, 0, 1)[0]
    for number, one in enumerate(rates):
        times = max(round(seconds * one / packets), 1)
        where = folder / f"rate{number}"
        say("pipeline: " + _listened(cable, where, capture, one, times, "--buffer", buffer))
    say(
        "overload, ring of 1 MiB: "
        + _listened(cable, folder / "overload", capture, 0, 1, "--buffer", "1M")
    )


def memory(cable: Wire, folder: Path, capture: Path, minutes: float) -> None:
    """Resident size, and the size of the store, over time."""
    count = sent(cable, capture, 0, 1)[0]
    folder.mkdir()
    sensor = Sensor(
        cable, folder, "--db", "live.db", "-w", "evidence", "--evidence-size", "500M"
    )  # fmt: skip
    packets = 20_000 * 60 * minutes
    words = [sys.executable, SENDER, cable.far, capture, 20_000, max(round(packets / count), 1)]
    sender = cable.start(*map(str, words))
    begin, sizes = time.monotonic(), []
    while sender.poll() is None:
        time.sleep(max(minutes * 60 / 30, 1))
        status = Path(f"/proc/{sensor.pid}/status").read_text()
        (kilobytes,) = (int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
        store = sum(path.stat().st_size for path in folder.glob("live.db*")) / 1e6
        sizes.append((time.monotonic() - begin, kilobytes / 1000))
        say(f"memory: {sizes[-1][0]:6.0f} s  {sizes[-1][1]:7.1f} MB resident  store {store:.1f} MB")
    sender.communicate()
    assert sensor.stop() == 0
    settled = [size for moment, size in sizes if moment >= minutes * 60 / 6] or [0.0]
    say(f"memory: after a sixth of the time between {min(settled):.1f} and {max(settled):.1f} MB")


def kill(cable: Wire, folder: Path, capture: Path, times: int) -> None:
    """Kill it again and again; then the store must be that of the recording."""
    folder.mkdir()
    words = ("--db", "live.db", "-w", "evidence", "--evidence", "full", "--checkpoint", "1.5")
    sender = cable.start(sys.executable, str(SENDER), cable.far, str(capture), "3000", "1000")
    for number in range(times):
        sensor = Sensor(cable, folder, *words)
        sensor.told("listening as point", number + 1)
        time.sleep(0.3 + number * 0.137 % 2.5)
        assert sensor.stop(signal.SIGKILL) == -signal.SIGKILL
    sender.kill()
    sender.communicate()
    sensor = Sensor(cable, folder, *words)
    sensor.told("listening as point", times + 1)
    assert sensor.stop() == 0, sensor.log.read_text()
    read = otsec(folder, "analyze", "evidence", "--db", "read.db", "-q")
    assert read.returncode == 0, read.stderr
    one, other = dumped(folder, "live.db"), dumped(folder, "read.db")
    again = sensor.log.read_text().count("that the store lacked")
    say(
        f"killed {times} times, read on from the recording {again} times: {len(one):,} lines of "
        f"dump, {'equal' if one == other else 'UNLIKE'}"
    )
    if one != other:
        say(difference(one, other))


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["ring", "rate", "memory", "kill"])
    parser.add_argument("--capture", type=Path, default=PLANT)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--buffer", default="128M")
    parser.add_argument("--rates", default="50000,100000,150000,200000,300000")
    given = parser.parse_args()
    with wire(lasts_s=4 * 3600) as cable, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "ring" in given.what:
            ring(cable, given.capture, sent(cable, given.capture, 0, 1)[0])
        if "rate" in given.what:
            rates = [float(text) for text in given.rates.split(",")]
            rate(cable, folder, given.capture, given.seconds, rates, given.buffer)
        if "memory" in given.what:
            memory(cable, folder / "memory", given.capture, given.minutes)
        if "kill" in given.what:
            kill(cable, folder / "kill", given.capture, given.kills)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        raise SystemExit(str(error)) from error
