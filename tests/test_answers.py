"""More answers than requests are told, and never where the capture may lack what was asked."""

from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import (
    CLIENT,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    analyse,
    cells,
    difference,
    records,
)
from engine_runs import request as read
from engine_runs import response as registers

ATTACKS = ROOT / "pcaps" / "attacks"
COUNTED = {"modbus_answers_injected": 6, "modbus_answers_late": 0, "modbus_answers_lost": 0}


@pytest.mark.parametrize(("name", "count"), COUNTED.items())
def test_answers_are_counted(name: str, count: int, tmp_path: Path) -> None:
    """Each answer that nobody asked for counts once, however the packets come in batches."""
    bench, path = Bench(tmp_path), ATTACKS / f"{name}.pcap"
    dump = analyse([path], bench.store()).dump
    told = [row for row in cells(dump, "sequence") if row["verdict"] == "unasked"]

    assert sum(row["count"] for row in told) == count
    for batch in (1, 7, 50):
        assert not difference(dump, analyse([path], bench.store(), batch=batch).dump)


def written(number: int, size: int) -> tuple[bytes, bytes]:
    """Write multiple registers ([APP] 6.12) and its response."""
    head = number.to_bytes(2, "big") + bytes(2)
    body = bytes.fromhex("01 10 0101") + size.to_bytes(2, "big") + bytes([2 * size])
    body += bytes([1]) * 2 * size
    return head + len(body).to_bytes(2, "big") + body, head + bytes.fromhex("0006 01 10 0101") + (
        size.to_bytes(2, "big")
    )


def counted(bench: Bench, content: bytes) -> int:
    """How many answers nobody asked for, the same in batches of each size."""
    dump = bench.dump(content)
    for batch in (1, 7):
        assert not difference(dump, bench.dump(content, batch=batch))
    return sum(row["count"] for row in cells(dump, "sequence") if row["verdict"] == "unasked")


@pytest.mark.parametrize("cut", [0, 90])
def test_requests_that_were_cut_off_are_losses(cut: int, tmp_path: Path) -> None:
    """Long requests that the capture kept in part were asked all the same."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(1, 40):
        short = read(number, 1, 257, 1), registers(number, 1, [257])
        for side, data in enumerate(written(number, 60) if number % 4 else short):
            tcp.say(side, data)
        wire.time += SECOND
    parts = records(wire.bytes())
    kept = [
        part[:8] + min(len(part) - 16, cut).to_bytes(4, "little") + part[12 : 16 + cut]
        for part in parts
    ]
    content = wire.bytes()[:24] + b"".join(kept if cut else parts)

    assert counted(Bench(tmp_path), content) == 0


def test_first_bytes_that_nobody_understands(tmp_path: Path) -> None:
    """What was asked before the protocol showed may be answered behind it."""
    wire = Wire()
    for number in range(5):
        tcp = Tcp(wire, ends=(("10.0.0.1", 40_000 + number), ("10.0.0.2", 502)))
        tcp.open()
        tcp.say(CLIENT, bytes.fromhex("0001 0000 0006 01 00 0000 0001"))  # no function
        tcp.say(CLIENT, read(2, 1, 257, 2))
        tcp.say(SERVER, bytes.fromhex("0001 0000 0003 01 80 01"))
        tcp.say(SERVER, registers(2, 1, [257, 514]))
        wire.time += SECOND
        for turn in range(3, 6):
            tcp.say(CLIENT, read(turn, 1, 257, 2))
            tcp.say(SERVER, registers(turn, 1, [257, 514]))
            wire.time += SECOND

    assert counted(Bench(tmp_path), wire.bytes()) == 0
