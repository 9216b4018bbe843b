"""One capture, one dump: however it is batched, split, packed, decoded, killed and resumed."""

import gzip
import os
import random
import struct
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from engine_runs import OWN, Bench, analyse, difference, killed, records

SPREAD = (  # of the real captures, small ones of many kinds
    "modbus/icsnpp-modbus__modbus_example.pcap",
    "modbus/zeek__modbusSmall.pcap",
    "modbus/zeek__fuzz-72.pcap",
    "modbus/zeek__modbus-and-non-modbus-p502.pcap",
    "modbus/nDPI__modbus.pcap",
    "modbus/suricata-verify__modbus.pcap",
    "modbus/Quickdraw-Snort__modicon_test.pcap",  # bodies that are opaque
    "bacnet/icsnpp-bacnet__bacnet_segmented_data.pcap",
    "bacnet/icsnpp-bacnet__bacnet_error_reject_abort.pcap",
    "dnp3/zeek__dnp3_file_read.pcap",
    "dnp3/suricata-verify__dnp3-eve-input.pcap",
    "enip-cip/ipal_transcriber__cip.pcapng",
    "enip-cip/nDPI__ethernetIP.pcap",
    "goose/iti__Sample_File_GOOSE.pcap",
    "iec104/iti__090813_diverse.pcap",
    "iec104/nDPI__iec60780-5-104.pcap",
    "opcua/icsnpp-opcua-binary__open62541_client-server_minimal.pcap",
    "opcua/icsnpp-opcua-binary__python_opcua-client-server_encrypted.pcapng",
    "profinet/iti__Profinet_Failed.pcap",
    "s7comm/icsnpp-s7comm__snap7.pcap",
    "s7comm/nDPI__s7comm.pcap",
    "snmp/nDPI__snmp.pcapng",
)
PLANT = OWN[0].parents[1] / "plant" / "ten_minutes.pcap"  # all protocols of plants
FEW, MANY = 400, 5_000  # packets up to which batches of 1 and of 7 are quick enough
WAYS: dict[str, dict[str, Any]] = {
    "4096": {"batch": 4096},
    "another seed": {"seed": 99},
    "cache off": {"cache_off": True},
    "8-bit hash": {"hash_bits": 8},
    "plain": {"all_plain": True},
    "plain, no cache, 8 bits": {"all_plain": True, "cache_off": True, "hash_bits": 8},
    "small shares": {"share": 200},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("equal"))


def same_for_all(bench: Bench, path: Path) -> None:
    """All ways to analyse a capture give one dump."""
    found = analyse([path], bench.store())
    packets = found.outcomes[0].packets
    ways = dict(WAYS)
    if packets <= MANY:
        ways |= {"7": {"batch": 7}, "plain 7": {"batch": 7, "all_plain": True}}
        ways |= {"checkpoints": {"batch": 50, "checkpoint_s": 0.0}}
    if packets <= FEW:
        ways |= {"1": {"batch": 1}}
    for name, options in ways.items():
        other = analyse([path], bench.store(), **options).dump
        assert not (text := difference(found.dump, other)), f"{name}\n{text}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_own_captures(bench: Bench, path: Path) -> None:
    """Neither batches, hashes, cache nor path show in what our captures give."""
    same_for_all(bench, path)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_resumed_again_and_again(bench: Bench, path: Path) -> None:
    """A capture read in many runs, each by an engine that was saved and loaded, is the capture."""
    content = path.read_bytes()
    found = bench.dump(content)
    for packets in (len(records(content)) // 2, 43):
        other = bench.grown(content, packets)
        assert not (text := difference(found, other)), f"{packets}\n{text}"


@pytest.mark.parametrize("name", SPREAD)
def test_real_captures(bench: Bench, captures: Path, name: str) -> None:
    """Neither batches, hashes, cache nor path show in what real captures give."""
    same_for_all(bench, captures / name)


def test_other_protocols(bench: Bench, captures: Path) -> None:
    """Nor do they in captures without any Modbus: small ones, one of each folder."""
    small = {
        path.parent: path
        for path in sorted(captures.glob("*/*cap*"))
        if 2_000 < path.stat().st_size < 12_000
    }.values()
    assert len(small) > 10
    for path in small:
        found = analyse([path], bench.store()).dump
        for name, options in {
            "7": {"batch": 7, "seed": 1, "checkpoint_s": 0.0},
            "plain": {"all_plain": True, "hash_bits": 8, "cache_off": True},
        }.items():
            other = analyse([path], bench.store(), **options).dump
            assert not (text := difference(found, other)), f"{path.name}, {name}\n{text}"


@pytest.mark.parametrize(
    "options",
    [*WAYS.values(), {"batch": 97, "checkpoint_s": 0.5}, {"batch": 3_000, "workers": 2}],
    ids=[*WAYS, "checkpoints", "workers"],
)
def test_plant(bench: Bench, options: dict[str, Any]) -> None:
    """Nor do they in ten minutes of a plant that speaks all protocols of plants."""
    found = plant_dump(str(bench.folder))
    other = analyse([PLANT], bench.store(), **options).dump
    assert not (text := difference(list(found), other)), text


@cache
def plant_dump(folder: str) -> tuple[str, ...]:
    """What the plant gives, read at once."""
    return tuple(analyse([PLANT], Path(folder) / "plant.db").dump)


@pytest.mark.parametrize("way", ["split", "grown", "gzip", "pcapng"])
def test_plant_in_other_files(bench: Bench, way: str) -> None:
    """Files cut at any packet, files that grow, and other formats give the plant."""
    found, content = plant_dump(str(bench.folder)), PLANT.read_bytes()
    parts = records(content)
    if way == "split":
        cuts = [0, *sorted(random.Random(way).sample(range(1, len(parts)), 4)), len(parts)]
        files = [content[:24] + b"".join(parts[a:b]) for a, b in pairwise(cuts)]
        other = bench.dump(files)
    elif way == "grown":
        other = bench.grown(content, len(parts) // 3)
    else:
        other = bench.dump(gzip.compress(content) if way == "gzip" else as_pcapng(content))
    assert not (text := difference(list(found), other)), text


def test_two_workers(bench: Bench) -> None:
    """Two processes give the dump of one, for many batches and for few."""
    path = next(path for path in OWN if path.stem == "normal_polling")
    found = analyse([path], bench.store()).dump
    for batch in (65_536, 100):
        other = analyse([path], bench.store(), batch=batch, workers=2).dump
        assert not (text := difference(found, other)), f"{batch}\n{text}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_split_into_files(bench: Bench, path: Path) -> None:
    """A capture cut into files at any packets, joined by their point, is the capture."""
    content = path.read_bytes()
    found = bench.dump(content)
    parts, chance = records(content), random.Random(path.stem)
    for pieces in (2, 3, 7):
        cuts = sorted(chance.sample(range(1, len(parts)), min(pieces, len(parts)) - 1))
        files = [
            content[:24] + b"".join(parts[begin:end])
            for begin, end in zip([0, *cuts], [*cuts, len(parts)], strict=True)
        ]
        other = bench.dump(files, batch=chance.choice([5, 4096]))
        assert not (text := difference(found, other)), f"{cuts}\n{text}"


def as_pcapng(content: bytes) -> bytes:
    """The packets of a little-endian pcap with microseconds as pcapng."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    link = struct.unpack_from("<I", content, 20)[0]
    blocks = [
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack("<HHI", link, 0, 65_535)),
    ]
    for record in records(content):
        seconds, micros, captured, wire = struct.unpack_from("<IIII", record)
        ticks = seconds * 1_000_000 + micros
        head = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, captured, wire)
        blocks.append(block(6, head + record[16:]))
    return b"".join(blocks)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_packed_and_in_pcapng(bench: Bench, path: Path) -> None:
    """gzip, zstd and pcapng are only other ways to write a capture."""
    content = path.read_bytes()
    found = bench.dump(content)
    assert len(found) > 3
    for name, other in {
        "gzip": gzip.compress(content),
        "zstd": zstandard.compress(content),
        "pcapng": as_pcapng(content),
    }.items():
        assert not (text := difference(found, bench.dump(other))), f"{name}\n{text}"


# ------------------------------------------------------------------------------- killed

KILLED = ("normal_polling", "all_functions", "gateway_units")
MOMENTS = ("batch begun", "batch done", "checkpoint begun", "checkpoint in part", "checkpoint done")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    ("path", "sizes"),
    [
        *((path, (10, 40)) for path in OWN if path.stem in KILLED),
        (PLANT, (400, 1500)),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_killed_and_resumed(bench: Bench, path: Path, sizes: tuple[int, int]) -> None:
    """Killed at any moment, also twice, and run again: the same dump as if nothing had been."""
    found = analyse([path], bench.store()).dump
    chance = random.Random(path.stem)
    runs = []
    for trial in range(8):
        batch = chance.choice(sizes)
        batches = found_packets(found) // batch
        moments = []
        for _ in range(1 + trial % 2):
            what = MOMENTS[(trial + len(moments)) % len(MOMENTS)]
            times = batches * 8 if what == "checkpoint in part" else batches
            moments.append((what, chance.randrange(max(times // (1 + trial % 2), 1))))
        db = str(bench.store())
        runs.append({"paths": [str(path)], "db": db, "batch": batch, "moments": moments})
    assert killed(runs) >= 7
    for run in runs:
        again = analyse([path], Path(run["db"]))
        assert again.outcomes[0].known
        assert not (text := difference(found, again.dump)), f"{run['moments']}\n{text}"


def found_packets(lines: list[str]) -> int:
    """Packets by the clock of a dump."""
    return int(
        next(line for line in lines if line.startswith("clock ")).split("packets=")[1].split()[0]
    )
