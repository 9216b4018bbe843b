"""Ticks, outages and losses between packets: the same in batches of any size, and when resumed."""

import struct
from pathlib import Path

import pytest
from capture_bytes import block
from engine_runs import CLIENT, SECOND, SERVER, START, Tcp, Wire, analyse, cells, request, response

from otsec.capture import open_capture
from otsec.capture.pcapng import MAX_TICKS, OUTAGE, TICK
from otsec.sensor.recording import interface_block, section, statistics

Note = tuple[int, bytes]  # how many packets stand before a block, and the block


def _packet(time: int, frame: bytes) -> bytes:
    head = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFF_FFFF, len(frame), len(frame))
    return block(6, head + frame + bytes(-len(frame) % 4))


def _recording(frames: list[tuple[int, bytes]], notes: list[Note]) -> bytes:
    parts = [section(START), interface_block("eth1", 1)]
    for number, (time, frame) in enumerate(frames):
        parts += [one for at, one in notes if at == number]
        parts.append(_packet(time, frame))
    return b"".join([*parts, *(one for at, one in notes if at == len(frames))])


def _polled(asked: int) -> list[tuple[int, bytes]]:
    """A Modbus connection: each request is answered, but for the last."""
    wire = Wire()
    link = Tcp(wire)
    link.open()
    for number in range(asked):
        link.say(CLIENT, request(number, 1, 100, 2))
        if number < asked - 1:
            link.say(SERVER, response(number, 1, [number, 2]))
        wire.time += SECOND
    return wire.frames


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A recording with losses, silence and an outage between its packets."""
    frames = _polled(40)
    end = frames[-1][0]
    other = Wire(time=end + 400 * SECOND)
    second = Tcp(other, (("10.0.0.9", 41_000), ("10.0.0.2", 502)))
    second.open()
    second.say(CLIENT, request(7, 1, 300, 1))
    notes = [
        (10, statistics(frames[9][0] + 1, 5, b"")),
        (10, statistics(frames[9][0] + 2, 6, b"")),
        (33, statistics(frames[33][0], 9, b"")),
        (50, statistics(frames[49][0] + 3 * SECOND // 4, 9, TICK)),
        *(
            (len(frames), statistics(end + second * SECOND, 9, TICK))
            for second in (10, 20, 30, 40, 50, 60, 70)
        ),
        (len(frames), statistics(end + 390 * SECOND, 9, OUTAGE + b" it was dark")),
        (len(frames) + 4, statistics(end + 500 * SECOND, 11, b"")),
        (len(frames) + 4, statistics(end + 501 * SECOND, 11, OUTAGE)),
    ]
    path = tmp_path / "eth1_00001_20260105080000.pcapng"
    path.write_bytes(_recording(frames + other.frames, notes))
    return path


def test_what_ticks_and_outages_tell(recorded: Path, tmp_path: Path) -> None:
    """A tick shows that a request went unanswered, an outage that nobody knows; gaps stand in place."""
    lines = analyse([recorded], tmp_path / "x.db").dump

    packets = len(_polled(40)) + 4
    told = {(row["kind"], row["packet"], row["detail"]) for row in cells(lines, "gap")}
    assert told == {
        ("drops", 10, "5 packets"),
        ("drops", 10, "1 packets"),
        ("drops", 33, "3 packets"),
        ("outage", packets - 4, "it was dark"),
        ("drops", packets, "2 packets"),
        ("outage", packets, "outage"),
    }
    outcomes = {(row["object"], row["outcome"]): row["count"] for row in cells(lines, "behaviour")}
    assert outcomes == {
        ("holding 100-101", "ok"): 39,
        ("holding 100-101", "unanswered"): 1,
        ("holding 300", "unknown"): 1,
    }


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_in_batches_of_any_size(recorded: Path, tmp_path: Path, batch: int) -> None:
    """Wherever batches end, the dump is the same, with workers too."""
    whole = analyse([recorded], tmp_path / "whole.db").dump

    assert analyse([recorded], tmp_path / "x.db", batch=batch, checkpoint_s=0).dump == whole
    assert analyse([recorded], tmp_path / "y.db", batch=batch, workers=2).dump == whole


def test_grown_block_by_block(recorded: Path, tmp_path: Path) -> None:
    """A recording that is read while it grows, cut behind any block, gives the same dump."""
    whole = analyse([recorded], tmp_path / "whole.db").dump
    content = recorded.read_bytes()
    ends, at = [], 0
    while at < len(content):
        at += int.from_bytes(content[at + 4 : at + 8], "little")
        ends.append(at)
    path = tmp_path / "grown.pcapng"
    for end in [*ends[4::9], len(content)]:
        path.write_bytes(content[:end])
        grown = analyse([path], tmp_path / "grown.db").dump

    assert grown == whole


def test_ticks_are_capped(tmp_path: Path) -> None:
    """A file that is nothing but ticks is read in bounded work, and told to be damaged."""
    path = tmp_path / "x.pcapng"
    tick = statistics(START, 0, TICK)
    path.write_bytes(_recording(_polled(1), [(2, tick * (MAX_TICKS + 100))]))
    reader = open_capture(path)

    assert sum(len(chunk.ticks) for chunk in reader.chunks()) == MAX_TICKS
    assert reader.damage is not None
    assert reader.damage.text == f"more than {MAX_TICKS:,} ticks; the others are left out"
    reader.close()


def test_hostile_notes(tmp_path: Path) -> None:
    """Statistics blocks cut anywhere, or of interfaces that are not there, harm nothing."""
    good = statistics(START + 5, 3, OUTAGE + b" \xff\x1b[31m")
    strange = [
        good[:4] + struct.pack("<I", 24) + good[8:20] + struct.pack("<I", 24),
        good.replace(
            struct.pack("<II", 5, len(good)) + bytes(4), struct.pack("<III", 5, len(good), 9)
        ),
        statistics(0, 2**64 - 1, TICK),
        good,
    ]
    path = tmp_path / "x.pcapng"
    path.write_bytes(_recording(_polled(2), [(3, one) for one in strange]))

    lines = analyse([path], tmp_path / "x.db").dump
    assert any(line.startswith("gap") and "\\u001b[31m" in line for line in lines)
