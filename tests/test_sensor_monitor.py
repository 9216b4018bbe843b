"""`otsec monitor` on a cable of its own: the same store as from the recording, silent, without rights."""

import json
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from conftest import ROOT
from live_wire import ARRIVED_S, ENVIRONMENT, WAIT_S, Sensor, Wire, dumped, otsec, wire

from otsec.capture import open_capture
from otsec.capture.pcapng import told_ordinals
from otsec.cli import monitor
from otsec.packet_socket import RING_BYTES
from otsec.sensor.kept import EVIDENCE

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
PLANT_PACKETS = 9_959


@pytest.fixture
def cable() -> Iterator[Wire]:
    """A cable that nobody else uses."""
    with wire() as made:
        yield made


def _heard(folder: Path) -> tuple[int, int]:
    """Packets and losses as the last line of the log tells them."""
    found = re.findall(r"heard ([\d,]+) packets, ([\d,]+) dropped", (folder / "log").read_text())
    packets, dropped = (int(text.replace(",", "")) for text in found[-1])
    return packets, dropped


def _same_as_recording(folder: Path, store: str = "live.db", files: str = "evidence") -> None:
    """The store of the sensor equals the one that reading its recording gives."""
    read = otsec(folder, "analyze", files, "--db", "read.db", "-q")
    assert read.returncode == 0, read.stderr
    assert dumped(folder, store) == dumped(folder, "read.db")
    checked = otsec(folder, "db", "check", "--db", store)
    assert checked.returncode == 0, checked.stdout


def test_words_of_evidence() -> None:
    """The choices of the command line are those of the sensor."""
    assert monitor.EVIDENCE == EVIDENCE


def test_ring_of_the_command_line() -> None:
    """The size of a ring that the command line takes for granted is that of the ring."""
    parser = ArgumentParser()
    monitor.configure(parser)
    assert parser.parse_args([]).buffer == RING_BYTES


@pytest.mark.parametrize("workers", ["1", "2"])
def test_same_store_as_from_the_recording(cable: Wire, tmp_path: Path, workers: str) -> None:
    """What is heard live gives, line by line, the dump that analysing the recording gives."""
    sensor = Sensor(
        cable, tmp_path, "--db", "live.db", "-w", "evidence", "--evidence", "full",
        "--checkpoint", "1", "--evidence-size", "2M", "--workers", workers,
    )  # fmt: skip
    cable.replay(PLANT, 5_000)
    time.sleep(ARRIVED_S)

    assert sensor.stop() == 0
    assert _heard(tmp_path) == (PLANT_PACKETS, 0)
    files = sorted((tmp_path / "evidence").rglob("*.pcapng"))
    assert len(files) > 1
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    _same_as_recording(tmp_path)
    again = otsec(tmp_path, "analyze", "evidence", "--db", "live.db")
    assert f"{len(files)} of {len(files)} captures were known already" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_started_again(cable: Wire, tmp_path: Path, number: int) -> None:
    """Stopped or killed in the middle, the next run reads what the store lacks, and notes the gap."""
    words = ("--db", "live.db", "-w", "evidence", "--evidence", "full", "--checkpoint", "60")
    for run in range(3):
        sensor = Sensor(cable, tmp_path, *words)
        sensor.told("listening as point", run + 1)
        sender = cable.replaying(PLANT, 4_000)
        _until_recorded(tmp_path / "evidence", run + 1)
        time.sleep(0.3 + 0.2 * run)
        assert sensor.stop(number) == (0 if number == signal.SIGINT else -number)
        sender.terminate()
        sender.communicate()
    sensor = Sensor(cable, tmp_path, *words)
    sensor.told("listening as point", 4)
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(ARRIVED_S)
    assert sensor.stop() == 0

    _same_as_recording(tmp_path)
    lacked = sensor.log.read_text().count("that the store lacked")
    assert lacked == (3 if number == signal.SIGKILL else 0)
    with closing(sqlite3.connect(tmp_path / "live.db")) as store:
        gaps = store.execute("SELECT kind, detail FROM gap ORDER BY number").fetchall()
    assert gaps.count(("outage", "otsec was not listening")) == 3
    assert "outages" in otsec(tmp_path, "health", "--db", "live.db").stdout


@pytest.mark.parametrize("evidence", ["mixed", "headers", "ot-only"])
def test_killed_with_evidence_in_part(cable: Wire, tmp_path: Path, evidence: str) -> None:
    """The next run goes on at the last packet recorded, if every packet is; none stands twice."""
    words = ("--db", "live.db", "-w", "evidence", "--evidence", evidence, "--checkpoint", "3")
    for run in range(2):
        sensor = Sensor(cable, tmp_path, *words)
        sensor.told("listening as point", run + 1)
        sender = cable.replaying(PLANT, 2_000, times=100)
        _until_written(tmp_path / "live.db", run)
        _until_recorded(tmp_path / "evidence", more=20_000)
        assert sensor.stop(signal.SIGKILL) == -signal.SIGKILL
        sender.terminate()
        sender.communicate()
    sensor = Sensor(cable, tmp_path, *words)
    sensor.told("listening as point", 3)
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(ARRIVED_S)
    assert sensor.stop() == 0

    lacked = re.findall(r"read ([\d,]+) packets that the store lacked", sensor.log.read_text())
    assert len(lacked) == (0 if evidence == "ot-only" else 2)
    with closing(sqlite3.connect(tmp_path / "live.db")) as store:
        ((packets,),) = store.execute("SELECT packets FROM clock").fetchall()
        counted = store.execute("SELECT packets FROM capture WHERE packets > 0 ORDER BY id")
        assert sum(count for (count,) in counted) == packets
        gaps = store.execute("SELECT kind FROM gap").fetchall()
    assert gaps.count(("outage",)) == 2
    if evidence == "ot-only":
        return
    ordinals: list[int] = []
    for path in sorted((tmp_path / "evidence").rglob("*.pcapng")):
        with closing(open_capture(path)) as reader:
            for chunk in reader.chunks():
                for batch in chunk.batches:
                    ordinals += told_ordinals(batch).tolist()
    assert ordinals == list(range(packets))


def _until_written(db: Path, run: int) -> None:
    """Wait for a checkpoint of this run."""
    end = time.monotonic() + 60
    while True:
        with suppress(sqlite3.Error), closing(sqlite3.connect(db)) as store:
            written = store.execute("SELECT COUNT(*) FROM capture WHERE packets > 0").fetchall()
            if written[0][0] > run:
                return
        assert time.monotonic() < end
        time.sleep(0.05)


def _until_recorded(folder: Path, files: int = 0, more: int = 0) -> None:
    """Wait until so many files have packets in them, and all together so many more bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*.pcapng")]
    least, end = sum(sizes) + more, time.monotonic() + 60
    while sum(sizes) < least or sum(size > 20_000 for size in sizes) < files:
        assert time.monotonic() < end
        time.sleep(0.05)
        sizes = [path.stat().st_size for path in folder.rglob("*.pcapng")]


SEND_ONE = """
import socket, sys
way = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
way.bind((sys.argv[1], 0))
way.send(bytes.fromhex("020000000001020000000002") + b"\\x88\\xb8" + bytes(50))
"""


def test_an_interface_that_vanishes(cable: Wire, tmp_path: Path) -> None:
    """An interface that goes down is waited for; the time in between is a gap, also when read."""
    sensor = Sensor(cable, tmp_path, "--db", "live.db", "-w", "evidence", "--evidence", "full")
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(1)
    cable.run("ip", "link", "set", cable.near, "down")
    sensor.told("is down or gone")
    cable.run("ip", "link", "set", cable.near, "up")
    sensor.told("listening as point", 2)
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(ARRIVED_S)

    assert sensor.stop() == 0
    assert _heard(tmp_path) == (2, 0)
    _same_as_recording(tmp_path)
    with closing(sqlite3.connect(tmp_path / "live.db")) as store:
        gaps = store.execute("SELECT kind, detail FROM gap").fetchall()
    assert gaps == [("outage", "the interface was down or gone")]


@pytest.mark.slow
def test_silence_is_ticked_by_the_clock(cable: Wire, tmp_path: Path) -> None:
    """Without packets the machine's clock ticks, and the recording tells the same ticks."""
    sensor = Sensor(cable, tmp_path, "--db", "live.db", "-w", "evidence", "--evidence", "full")
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(13)
    cable.run(sys.executable, "-c", SEND_ONE, cable.far)
    time.sleep(ARRIVED_S)

    assert sensor.stop() == 0
    (file,) = (tmp_path / "evidence").rglob("*.pcapng")
    assert file.read_bytes().count(b"otsec tick") == 1
    _same_as_recording(tmp_path)


def test_overload_is_counted(cable: Wire, tmp_path: Path) -> None:
    """With a ring of 1 MiB and no rest for the sensor: heard plus dropped is exactly what was sent."""
    sensor = Sensor(
        cable, tmp_path, "--db", "live.db", "--buffer", "1M", "-w", "evidence", "--evidence", "full"
    )
    for _ in range(4):
        cable.replay(PLANT, 500_000)
    time.sleep(1)

    assert sensor.stop() == 0
    heard, dropped = _heard(tmp_path)
    assert heard + dropped == 4 * PLANT_PACKETS
    assert dropped > 0
    with closing(sqlite3.connect(tmp_path / "live.db")) as store:
        (lost,) = store.execute(
            "SELECT count FROM counter WHERE name = 'dropped_packets'"
        ).fetchone()
        beats = store.execute("SELECT SUM(packets), SUM(dropped) FROM heartbeat").fetchone()
    assert lost == dropped
    assert beats == (heard, dropped)


def test_several_interfaces(tmp_path: Path) -> None:
    """Each interface is a source of its own, with a recording of its own, and a clock of its own."""
    with wire(pairs=2) as cable:
        sensor = Sensor(
            cable, tmp_path, "-i", "near1", "--db", "live.db", "-w", "evidence",
            "--evidence", "full", "--workers", "2",
        )  # fmt: skip
        sensor.told("listening as point near1")
        sender = cable.replaying(PLANT, 4_000, far="far1")
        cable.replay(PLANT, 5_000)
        sender.communicate()
        time.sleep(ARRIVED_S)
        assert sensor.stop() == 0

    log = sensor.log.read_text()
    for name in ("near0", "near1"):
        assert f"{name}: heard {PLANT_PACKETS:,} packets, 0 dropped" in log
    _same_as_recording(tmp_path)


@pytest.mark.parametrize("evidence", ["mixed", "ot-only", "headers"])
def test_evidence_in_part(cable: Wire, tmp_path: Path, evidence: str) -> None:
    """Evidence that is not whole is named so, bears ordinals, and is never read in its place."""
    words = ("--db", "live.db", "-w", "evidence", "--evidence")
    sensor = Sensor(cable, tmp_path, *words, evidence)
    cable.replay(PLANT)
    time.sleep(ARRIVED_S)
    assert sensor.stop(signal.SIGTERM) == 0
    sensor = Sensor(cable, tmp_path, *words, "full", "--for", "0.5s")
    assert sensor.process.wait(WAIT_S) == 0

    (file,) = (tmp_path / "evidence").rglob("near0-*.pcapng")
    assert file.name.startswith(f"near0-{evidence}_00001_")
    assert 0 < file.stat().st_size < PLANT.stat().st_size + 40 * PLANT_PACKETS
    assert "that the store lacked" not in sensor.log.read_text()
    with closing(sqlite3.connect(tmp_path / "live.db")) as store:
        rows = store.execute("SELECT path, packets, reader_state FROM capture").fetchall()
        assert store.execute("SELECT packets FROM clock").fetchall() == [(PLANT_PACKETS,)]
    assert [(path, packets) for path, packets, _ in rows if packets] == [(str(file), PLANT_PACKETS)]
    assert json.loads(rows[0][2])["evidence"] == evidence
    _leads_back(tmp_path, file, evidence)


def _leads_back(folder: Path, file: Path, evidence: str) -> None:
    """A finding of the sensor leads to its packets in a recording that is not whole."""
    with closing(sqlite3.connect(folder / "live.db")) as store:
        (finding,) = store.execute(
            "SELECT id FROM finding WHERE title = 'S7 controller stopped'"
        ).fetchone()
    told = otsec(folder, "evidence", finding, "--db", "live.db", "-w", "out.pcapng", "-q")
    assert told.returncode == 0, told.stderr
    assert (b"P_PROGRAM" in (folder / "out.pcapng").read_bytes()) == (evidence != "headers")
    file.unlink()
    told = otsec(folder, "evidence", finding, "--db", "live.db", "-w", "gone.pcapng", "-q")
    assert (told.returncode, told.stderr.count("\n")) == (3, 1), told.stderr
    assert "is no longer there" in told.stderr


# ------------------------------------------------------------------------------ passive


def test_nothing_is_sent(cable: Wire, tmp_path: Path) -> None:
    """Not one frame leaves while otsec listens to traffic that would be answered."""
    before = cable.frames("rx", cable.far)
    sensor = Sensor(cable, tmp_path, "--db", "live.db", "-f", "tcp or not tcp")
    cable.replay(PLANT)
    time.sleep(1)

    assert sensor.stop() == 0
    assert _heard(tmp_path) == (PLANT_PACKETS, 0)
    assert cable.frames("rx", cable.far) - before == 0


def test_the_count_would_show_frames() -> None:
    """The same count on a cable with IPv6 sees what the kernel says of itself, so zero means zero."""
    with wire(silent=False) as speaking:
        end = time.monotonic() + 10
        while not (seen := speaking.frames("rx", speaking.far)) and time.monotonic() < end:
            time.sleep(0.1)

        assert seen > 0


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def test_rights(cable: Wire, tmp_path: Path) -> None:
    """Who reads packets has no right at all; the helper has one, no file, and no way to the network."""
    sensor = Sensor(cable, tmp_path, "--db", "live.db")
    helper = int(Path(f"/proc/{sensor.pid}/task/{sensor.pid}/children").read_text().split()[0])
    reads, opens = _status(sensor.pid), _status(helper)

    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(reads[kind], 16) == 0
        assert int(opens[kind], 16) in {0, 1 << 13}
    assert int(opens["CapEff"], 16) == 1 << 13
    assert reads["NoNewPrivs"] == opens["NoNewPrivs"] == "1"
    files = {str(path.readlink()) for path in Path(f"/proc/{helper}/fd").iterdir()}
    assert {name for name in files if not name.startswith("socket:")} <= {
        "/dev/null",
        str(sensor.log),
    }
    listening = cable.run("cat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp").stdout
    assert [line for line in listening.splitlines() if not line.lstrip().startswith("sl")] == []
    assert sensor.stop() == 0
    assert not Path(f"/proc/{helper}").exists()


def test_system_calls(cable: Wire, tmp_path: Path) -> None:
    """No call connects, binds an internet socket or sends on anything but the pair of the helper."""
    if not cable.run("which", "strace", check=False).stdout:
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    sensor = Sensor(
        cable, tmp_path, "--db", "live.db",
        before=["strace", "-f", "-yy", "-e", "trace=%network", "-o", str(trace)],
    )  # fmt: skip
    cable.replay(PLANT)
    time.sleep(1)
    sensor.process.send_signal(signal.SIGTERM)
    children = Path(f"/proc/{sensor.pid}/task/{sensor.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    sensor.process.wait(WAIT_S)

    calls = trace.read_text()
    assert "PACKET_RX_RING" in calls
    assert re.findall(r"\b(?:connect|listen|accept4?|sendmmsg)\(.*", calls) == []
    sent = re.findall(r"\b(?:sendmsg|sendto)\((.*)", calls)
    assert sent
    assert [call for call in sent if not re.match(r"\d+<UNIX:", call)] == []
    assert [call for call in re.findall(r"\bbind\((.*)", calls) if "AF_PACKET" not in call] == []


def test_without_rights(cable: Wire, tmp_path: Path) -> None:
    """Without CAP_NET_RAW the command says in one line what it needs: exit code 4."""
    done = cable.run(
        sys.executable, "-c", DROPPED, "monitor", "-i", cable.near, "--db", tmp_path / "x.db",
        check=False,
    )  # fmt: skip

    assert done.returncode == 4
    assert done.stderr.startswith("otsec: listening needs the right CAP_NET_RAW")
    assert done.stderr.count("\n") == 1


DROPPED = """
import sys
from otsec.sensor.rights import keep_only
keep_only(0)
from otsec.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_right_alone_is_enough(cable: Wire, tmp_path: Path) -> None:
    """With CAP_NET_RAW and no other right, as a service has it, everything works."""
    sensor = Sensor(
        cable, tmp_path, "--db", "live.db",
        before=[sys.executable, "-c", NET_RAW_ALONE],
    )  # fmt: skip
    cable.replay(PLANT)
    time.sleep(1)

    assert sensor.stop() == 0
    assert _heard(tmp_path) == (PLANT_PACKETS, 0)


NET_RAW_ALONE = """
import ctypes, os, sys
from otsec.sensor import rights
libc = ctypes.CDLL(None, use_errno=True)
import struct
bit = 1 << rights.CAP_NET_RAW
header = ctypes.create_string_buffer(struct.pack("Ii", rights.CAP_VERSION_3, 0), 8)
data = ctypes.create_string_buffer(struct.pack("6I", bit, bit, bit, 0, 0, 0), 24)
libc.prctl(rights.PR_SET_KEEPCAPS, 1, 0, 0, 0)
libc.prctl(28, 1 << 0 | 1 << 1, 0, 0, 0)  # PR_SET_SECUREBITS: root is nobody special
assert libc.capset(header, data) == 0
assert libc.prctl(rights.PR_CAP_AMBIENT, 2, rights.CAP_NET_RAW, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


# ---------------------------------------------------------------------------- as a service


def test_reloading(cable: Wire, tmp_path: Path) -> None:
    """SIGHUP with mistakes in the configuration tells them and keeps the old one; then it goes on."""
    config = tmp_path / "otsec.yaml"
    config.write_text("site: north\nstore: live.db\n")
    sensor = Sensor(cable, tmp_path)
    config.write_text("site: north\nsit: south\n")
    sensor.process.send_signal(signal.SIGHUP)
    sensor.told('otsec.yaml has no "sit"')
    config.write_text("site: north\nstore: live.db\nalert_budget: 5\ncaps: {facts: 900}\n")
    sensor.process.send_signal(signal.SIGHUP)
    sensor.told("in effect now: alert_budget")
    sensor.told("in effect after a restart: caps.facts")
    cable.replay(PLANT)
    time.sleep(ARRIVED_S)

    assert sensor.stop() == 0
    assert "so the old one stays in effect" in sensor.log.read_text()
    assert _heard(tmp_path) == (PLANT_PACKETS, 0)


def test_service_manager(cable: Wire, tmp_path: Path) -> None:
    """The service manager is told when it listens, that it lives, how it goes, and when it ends."""
    import socket

    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(10)
        sensor = Sensor(
            cable, tmp_path, "--db", "live.db", "--heartbeat", "0.5",
            env={"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"},
        )  # fmt: skip
        told: list[str] = []
        while not any(text.startswith("STATUS=") for text in told):
            told.append(manager.recv(4096).decode())
        assert sensor.stop() == 0
        while "STOPPING=1" not in told:
            told.append(manager.recv(4096).decode())

    assert told[0] == "READY=1"
    assert "WATCHDOG=1" in told
    (status, *_) = (text for text in told if text.startswith("STATUS="))
    assert re.fullmatch(r"STATUS=near0: listening, 0 packets \(0/s\), 0 dropped, .*", status)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["-i", "nothing0"], 3, "otsec: -i: there is no interface 'nothing0'; there are lo, "),
        (["-i", "../lo"], 2, "otsec: -i: '../lo' is no name of an interface; there are lo, "),
        ([], 2, "otsec: monitor: name an interface by -i"),
        (["-i", "near0", "-f", "tcp prot 5"], 2, "otsec: -f: not a filter: "),
        (["-i", "near0", "--evidence-size", "much"], 2, "otsec: monitor: argument --evidence-size: "),
        (["-i", "near0", "--db", "none/x.db"], 5, "otsec: none/x.db: "),
    ],
)  # fmt: skip
def test_mistakes(cable: Wire, tmp_path: Path, words: list[str], code: int, line: str) -> None:
    """A mistake is one line and an exit code, before anything is listened to."""
    done = cable.run(sys.executable, "-m", "otsec", "monitor", *words, check=False, cwd=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith(line)


def test_points_of_the_configuration(cable: Wire, tmp_path: Path) -> None:
    """The interfaces of otsec.yaml are taken where none is named, under the names of their points."""
    (tmp_path / "otsec.yaml").write_text("points:\n  cell 3: {interfaces: [near0]}\n")
    done = cable.run(
        sys.executable, "-m", "otsec", "monitor", "--for", "0.2s", "-q", check=False, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "otsec.db")) as store:
        assert store.execute("SELECT point, interface FROM site_source").fetchall() == [
            ("cell 3", "")
        ]


def test_doctor_judges_the_mirror(cable: Wire, tmp_path: Path) -> None:
    """`doctor -i` tells of the interface, the rights, the load, and what `health` would say."""
    sender = cable.replaying(PLANT, 2_500, times=50)
    done = cable.run(
        sys.executable, "-m", "otsec", "doctor", "-i", cable.near, "--for", "3s", "--json",
        "--db", tmp_path / "x.db", check=False,
    )  # fmt: skip
    sender.kill()
    sender.communicate()
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}

    assert done.returncode == 0
    assert rows["near0"]["found"] == "is up and has a link"
    assert rows["silence"]["state"] == rows["offloads"]["state"] == rows["rights"]["state"] == "ok"
    assert rows["load"]["found"].endswith("none lost")
    assert rows["directions"]["found"].startswith("Both sides are seen of")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("one_direction", "not usable for answers, outcomes and response times"),
        ("every_frame_twice", "usable with limits: see repeats"),
        ("only_broadcast", "not usable for what devices say to each other"),
        ("", "without traffic: nothing can be told"),
    ],
)
def test_doctor_tells_a_bad_mirror(cable: Wire, tmp_path: Path, name: str, sentence: str) -> None:
    """What is wrong with a mirror port is told in plain words after a few seconds."""
    sender = None
    if name:
        capture = ROOT / "pcaps" / "health" / f"{name}.pcap"
        sender = cable.replaying(capture, 500, times=9_999)
    done = cable.run(
        sys.executable, "-m", "otsec", "doctor", "-i", cable.near, "--for", "2s", "--json",
        "--db", tmp_path / "x.db", check=False,
    )  # fmt: skip
    if sender is not None:
        sender.kill()
        sender.communicate()
    (told,) = (row for row in json.loads(done.stdout)["rows"] if row["what"] == "mirror")
    assert sentence in told["found"]


def test_screens_beside(cable: Wire, tmp_path: Path) -> None:
    """With --tui the screens show what is heard; leaving them ends the sensor well."""
    import pty

    ours, theirs = pty.openpty()
    sensor = subprocess.Popen(
        [*cable.inside, sys.executable, "-m", "otsec", "monitor", "-i", cable.near, "--tui"],
        *(-1, None, theirs, theirs, theirs), cwd=tmp_path, env={**ENVIRONMENT, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = _shown_until(ours, b"1049h")  # the screens have the terminal
        cable.replay(PLANT, 5_000)
        shown += _shown_until(ours, b"PLC", b"10.20.1.")
        os.write(ours, b"q")
        shown += _shown_until(ours, b"dropped, into")
        assert sensor.wait(60) == 0
    finally:
        sensor.kill()
        sensor.wait()
        os.close(ours)
    assert b"Traceback" not in shown
    with closing(sqlite3.connect(tmp_path / "otsec.db")) as store:
        assert store.execute("SELECT packets FROM clock").fetchall() == [(PLANT_PACKETS,)]


def _shown_until(terminal: int, *words: bytes) -> bytes:
    """What a terminal shows until one of the words."""
    shown, end = b"", time.monotonic() + 90
    while not any(word in shown for word in words):
        assert time.monotonic() < end, shown[-2000:]
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65_536)
    return shown
