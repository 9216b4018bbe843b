"""The worst case: a scan in which no two units, and hardly two senders, are alike."""

import csv
import struct
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from capture_bytes import enhanced, interface, section
from conftest import ROOT, Command
from engine_runs import MS, Tcp, Wire, analyse, as_pcap, records, request

from otsec.bench import peak_memory

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
PACKETS = 100_000
FEW = 20_000  # packets of the part with which memory is compared: they fill every table too
CAPS = {  # so small that the scan fills them in its first second
    "connections": 4096,
    "conversations": 3000,
    "stations": 2500,
    "cached_messages": 1024,
    "value_cells": 1000,
}
BUFFER = 20 << 20  # bytes: 16 MiB of file at once, and a little
PACKED = 112  # requests in each segment
SEGMENTS = 1_500  # of them, for the memory of many to be compared with
POLLS = PACKETS // 100 + 2  # of the HMI, known before the scan began


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scan, a part of it, and small caps."""
    folder = tmp_path_factory.mktemp("scan")
    for name, packets in (("scan", PACKETS), ("part", FEW)):
        command = [sys.executable, "-B", "scan.py", str(folder / f"{name}.pcap")]
        command += ["--packets", str(packets)]
        subprocess.run(command, cwd=ROOT / "pcaps" / "modbus", check=True)
    caps = "".join(f"  {name}: {value}\n" for name, value in CAPS.items())
    (folder / "otsec.yaml").write_text(f"caps:\n{caps}")
    return folder


@pytest.fixture(scope="module")
def store(scan: Path, otsec_command: Command) -> Path:
    """The store of the whole scan."""
    done = otsec_command("analyze", "scan.pcap", "--db", "scan.db", "--quiet", cwd=scan)
    assert done.returncode == 0, done.stderr
    return scan / "scan.db"


@pytest.fixture
def listed(store: Path, otsec_command: Command) -> Any:
    """Give what a listing prints, as a list of rows."""

    def rows(*words: str) -> list[dict[str, str]]:
        done = otsec_command(*words, "--csv", "--db", store)
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(StringIO(done.stdout)))

    return rows


def test_known_before_is_not_lost(listed: Any) -> None:
    """The HMI that polled before the scan began is told to its last packet, exchange by exchange."""
    (row,) = listed("conversations", "client:10.10.10.11")
    assert (row["server"], row["protocol"], row["connections"]) == ("10.10.10.21", "modbus", "1")
    assert (int(row["packets_out"]), int(row["packets_in"])) == (POLLS, POLLS - 1)

    (row,) = listed("behaviours", "client:10.10.10.11")
    assert (row["operation"], row["object"]) == ("read_input_registers", "input 0-3")
    assert (row["outcome"], int(row["count"])) == ("ok", PACKETS // 100)


def test_scan_is_visible(listed: Any) -> None:
    """What finds no room of its own is told as that of many, down to the last packet."""
    rows = listed("conversations")
    (many,) = (row for row in rows if row["client"] == "many")
    assert many["server"] == "10.10.10.21"
    assert int(many["packets_out"]) > PACKETS * 9 // 10
    counted = sum(int(row["packets_out"]) + int(row["packets_in"]) for row in rows)
    assert counted >= PACKETS

    operations = {row["operation"] for row in listed("behaviours")}
    assert {"write_single_coil", "read_file_record", "read_device_identification"} <= operations


def test_caps_are_named(store: Path, otsec_command: Command) -> None:
    """Every table that was full is a counter of its name, with what found no room."""
    done = otsec_command("db", "dump", "--db", store)
    assert done.returncode == 0, done.stderr
    counted = {}
    tables = dict.fromkeys(("conversation", "station"), 0)
    for line in done.stdout.splitlines():
        table = line.partition(" ")[0]
        if table in tables:
            tables[table] += 1
        if 'name="cap:' in line:
            name = line.partition('name="cap:')[2].partition('"')[0]
            counted[name] = int(line.partition(" count=")[2].partition(" ")[0])
    assert set(counted) == {"connections", "conversations", "paths", "stations"}
    assert counted["connections"] > PACKETS * 9 // 10
    assert counted["stations"] > PACKETS * 9 // 10
    assert tables == {
        "conversation": CAPS["conversations"] + 1,  # and one of many
        "station": CAPS["stations"],
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_memory_is_bounded(scan: Path) -> None:
    """Once the tables are full, five times the scan takes no more than the buffer of a large file."""
    peaks = {}
    for name in ("part", "scan"):
        # the same batches for both, or the first would be a smaller one
        words = ["analyze", str(scan / f"{name}.pcap"), "--db", str(scan / f"{name}-memory.db")]
        words += ["--config", str(scan / "otsec.yaml"), "--batch", "8192", "--quiet"]
        peaks[name] = peak_memory([sys.executable, "-m", "otsec", *words], scan)
    assert peaks["part"] is not None
    assert peaks["scan"] is not None
    assert peaks["scan"] < peaks["part"] + BUFFER, peaks
    assert (scan / "scan-memory.db").stat().st_size < 10_000_000


def peak(capture: Path) -> int:
    """The most memory that reading a capture takes, in bytes."""
    words = ["analyze", str(capture), "--db", str(capture.with_suffix(".db")), "--quiet"]
    found = peak_memory([sys.executable, "-m", "otsec", *words, "--no-rules"], capture.parent)
    assert found is not None
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_units_at_once_are_bounded(tmp_path: Path) -> None:
    """A million requests in one batch take twice the memory of a sixth of them, not five times."""
    peaks = []
    for segments in (SEGMENTS, 6 * SEGMENTS):
        wire = Wire(step=MS)
        tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 502)))
        asks = b"".join(request(0x0101, 1, at, 1) for at in range(PACKED))
        for _ in range(segments):
            tcp.say(0, asks)
        path = tmp_path / f"{segments}.pcap"
        path.write_bytes(as_pcap(wire.frames))
        peaks.append(peak(path))
    few, many = peaks
    assert many < 3 * few, peaks


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_interfaces_cost_what_they_carry(tmp_path: Path) -> None:
    """The packets of a plant spread over a hundred interfaces take twice the memory of ten, not ten times."""
    peaks = []
    for many in (10, 100):
        blocks = [section(), interface() * many]
        for at, record in enumerate(records(PLANT.read_bytes())[:2_000]):
            seconds, micros = struct.unpack_from("<II", record)
            blocks.append(enhanced(at % many, seconds * 1_000_000 + micros, record[16:]))
        path = tmp_path / f"{many}.pcapng"
        path.write_bytes(b"".join(blocks))
        peaks.append(peak(path))
    few, lots = peaks
    assert lots < 2 * few, peaks


def test_more_units_than_16_bits_in_one_packet(tmp_path: Path) -> None:
    """What one packet completes, be it 126,000 messages behind a hole, is told of that packet."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 1883)))
    tcp.say(0, bytes.fromhex("1010 0004 4d515454 0402 003c 0004 61626364"))  # CONNECT
    ping, missing = b"\xc0\x00", 18
    for segment in range(180):
        tcp.packet(0, ping * 700, "PA", at=missing + 2 + 1400 * segment)
    for _ in range(len(wire.frames) % 2):  # an even ordinal shows a bit too many
        wire.udp(("10.0.0.1", 9), ("10.0.0.2", 9), b"discard")
    last = len(wire.frames)
    tcp.packet(0, ping, "PA", at=missing)
    path = tmp_path / "pings.pcap"
    path.write_bytes(wire.bytes())
    told = [line for line in analyse([path], tmp_path / "pings.db").dump if "pingreq" in line]
    (row,) = (line for line in told if line.startswith("behaviour") and "unanswered" in line)
    assert last % 2 == 0
    assert f" last_packet={last} " in row
