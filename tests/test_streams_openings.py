"""First units that come in pieces, and caps on what is open, whatever the batches."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from engine_runs import (
    CLIENT,
    SERVER,
    Bench,
    Said,
    Tcp,
    Wire,
    cells,
    counter,
    difference,
    request,
    response,
    said,
    taken,
    total,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_engine_hostile import EVENTS, Event, as_pcap, capture, same_for_all
from test_streams_nesting import dnp3, toy

from otsec.capture import open_capture
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.protocols.framing.dnp3 import DNP3
from otsec.streams.claim import TRIES, Registry
from otsec.streams.messages import LANES

quick = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WAYS: dict[str, dict[str, Any]] = {
    "one by one": {"batch": 1},
    "three by three": {"batch": 3, "seed": 9},
    "plain": {"all_plain": True},
    "checkpoints": {"batch": 2, "checkpoint_s": 0.0},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("openings"))


def same_any_way(bench: Bench, content: bytes, caps: Caps | None = None) -> list[str]:
    """The dump, which is the same for all ways to it."""
    found = bench.dump(content, caps=caps)
    for name, options in WAYS.items():
        other = bench.dump(content, caps=caps, **options)
        assert not (text := difference(found, other)), f"{name}\n{text}"
    return found


def undecoded(lines: list[str]) -> tuple[int, int]:
    """Bytes that are in no unit, of client and server."""
    mine = [line for line in lines if 'protocol="modbus"' in line]
    return total(mine, "undecoded_out"), total(mine, "undecoded_in")


# ------------------------------------------------------------------------- first units

ASK, TELL = request(0x0101, 1, 0x0203, 2), response(0x0101, 1, [0x0707, 0x0909])
ONCE: Said = Counter({("unit 1", "read_holding_registers", "holding 515-516", "ok"): 1})
FIRST: dict[str, tuple[list[bytes], list[bytes]]] = {
    "header, then body": ([ASK[:7], ASK[7:]], [TELL]),
    "half a header": ([ASK[:3], ASK[3:]], [TELL]),
    "byte by byte": ([bytes([byte]) for byte in ASK], [TELL]),
    "both sides in pieces": ([ASK[:7], ASK[7:]], [TELL[:1], TELL[1:8], TELL[8:]]),
    "serial": (
        [b"\x01\x03\x02", b"\x03\x00\x02\x35\xb3"],
        [b"\x01\x03\x04\x07\x07\x09\x09\x8c\xd0"],
    ),
}


def pieces(ask: list[bytes], tell: list[bytes]) -> Wire:
    """A connection on which is asked and answered in these segments."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 5020)))
    tcp.open()
    for side, parts in ((CLIENT, ask), (SERVER, tell)):
        for part in parts:
            tcp.say(side, part)
    return wire


@pytest.mark.parametrize("name", FIRST)
def test_first_unit(bench: Bench, name: str) -> None:
    """The first unit is found however it is cut, on any port, and all its bytes are decoded."""
    ask, tell = FIRST[name]
    found = same_any_way(bench, pieces(ask, tell).bytes())
    assert said(found) == ONCE
    assert undecoded(found) == (0, 0)


def test_answer_begins_before_the_claim(bench: Bench) -> None:
    """What the other side began to say before the claim is not lost with it."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.say(CLIENT, ASK[:9])
    tcp.say(SERVER, TELL[:8])
    tcp.say(CLIENT, ASK[9:])
    tcp.say(SERVER, TELL[8:])
    found = same_any_way(bench, wire.bytes())
    assert said(found) == ONCE
    assert undecoded(found) == (0, 0)


def test_tries_bound_the_pieces(bench: Bench) -> None:
    """A unit in more pieces than segments are asked is nobody's, and nothing of it is held."""
    data = response(0x0101, 1, [0x0707] * 20)
    wire = pieces([bytes([byte]) for byte in data[: TRIES + 1]], [])
    found = same_any_way(bench, wire.bytes())
    assert {row["protocol"] for row in cells(found, "conversation")} == {""}


def test_nothing_behind_a_hole_is_joined(bench: Bench) -> None:
    """Two halves between which bytes were lost are no unit."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.say(CLIENT, ASK[:7])
    tcp.sent[CLIENT] += 5
    tcp.say(CLIENT, ASK[7:])
    tcp.packet(SERVER)  # confirms what the capture lacks
    tcp.say(CLIENT, ASK)
    found = same_any_way(bench, wire.bytes())
    assert undecoded(found) == (len(ASK), 0)


@quick
@given(
    cuts=st.lists(st.integers(1, 200), max_size=12),
    again=st.lists(st.integers(0, 200), max_size=3),
    front=st.lists(st.integers(0, 12), max_size=3),
    skip=st.integers(0, 11),
)
def test_any_segmentation(
    bench: Bench, cuts: list[int], again: list[int], front: list[int], skip: int
) -> None:
    """A stream cut anywhere, out of order and repeated, gives all its units from the first on."""
    asks = [request(0x0101 + at, 1, 0x0203, 2) for at in range(6)]
    stream = b"".join(asks)
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    ends = sorted({cut for cut in cuts if cut < len(stream)} | {0, len(stream)})
    parts = list(pairwise(ends))
    for place in front:
        parts.insert(0, parts.pop(place % len(parts)))
    parts += [parts[at % len(parts)] for at in again]
    for begin, end in parts:
        tcp.packet(CLIENT, stream[begin:end], "PA", at=begin)
    found = same_any_way(bench, wire.bytes())
    assert undecoded(found) == (0, 0)
    assert sum(said(found).values()) == len(asks)
    late = Wire()  # and one that begins in the middle of a unit is the same in any batches
    tcp = Tcp(late)
    for begin, end in pairwise(ends):
        tcp.packet(CLIENT, stream[max(begin, skip) : end], "PA", at=max(begin, skip))
    same_any_way(bench, late.bytes())


# ------------------------------------------------------------------------- caps on what is open


@quick
@given(
    events=EVENTS,
    running=st.booleans(),
    batch=st.integers(2, 9),
    room=st.sampled_from([1, 150, 600, 3_000]),
)
def test_chaos_in_little_room(
    bench: Bench, events: list[Event], batch: int, room: int, *, running: bool
) -> None:
    """What is given up for want of room depends on the packets alone."""
    content = as_pcap(capture(events, running=running))
    same_for_all(bench, content, batch, Caps(reassembly_bytes=room))


def test_a_claim_decides_of_what_the_other_side_began(bench: Bench) -> None:
    """What may have begun a unit is let go when the other side shows another framing."""
    events = [
        Event(0, 0, 116, 12, "SA", 1_000_000, 0),
        Event(0, 1, 104, 13, "A", -90_000_000_000, 0),
        Event(0, 1, 84, 12, "S", -90_000_000_000, 0),
    ]
    same_for_all(bench, as_pcap(capture(events, running=False)), 2, None)


@pytest.mark.parametrize(("room", "given_up"), [(1_000, True), (2_000, False)])
def test_frames_open_for_too_long(bench: Bench, room: int, given_up: bool) -> None:
    """A frame is given up, and told, if more traffic than its room goes by before it is whole.

    Its rest may be the beginning of another one, which what follows disproves.
    """
    wire = Wire()
    tcp = Tcp(wire)
    tcp.say(CLIENT, ASK)
    tcp.say(SERVER, TELL)
    tcp.say(CLIENT, ASK[:7])
    for _ in range(20):
        wire.udp(("10.9.9.9", 9), ("10.9.9.8", 9), b"noise, noise, noise")
    tcp.say(CLIENT, ASK[7:])
    tcp.say(CLIENT, ASK)
    found = same_any_way(bench, wire.bytes(), Caps(reassembly_bytes=room))
    assert counter(found, "cap:reassembly") == given_up
    assert total(found, "truncated") == given_up
    assert undecoded(found) == (2 * len(ASK) if given_up else 0, 0)


def run(wire: Wire, folder: Path, room: int, batch: int) -> tuple[Engine, dict[str, list[Any]]]:
    """An engine that knows a toy on DNP3, behind a capture, and its rows."""
    path = folder / "open.pcap"
    path.write_bytes(wire.bytes())
    registry, options = Registry((toy(DNP3, 5),)), Settings(seed=7)
    engine = Engine(registry, Caps(reassembly_bytes=room), options)
    reader = open_capture(path, batch_packets=batch)
    for chunk in reader.chunks():
        for one in chunk.batches:
            engine.apply(one, columnar(one, registry, options))
    reader.close()
    return engine, taken(engine)


def counted(rows: dict[str, list[Any]], name: str) -> int:
    """A counter."""
    return sum(row[3] for row in rows["counter"] if row[1] == name)


@pytest.mark.parametrize("batch", [1, 7, 65_536])
def test_lanes_are_capped(tmp_path: Path, batch: int) -> None:
    """Stations behind one connection are the sender's to choose, how many are joined is not."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 20_000)))
    tcp.say(CLIENT, dnp3(b"T\x01\x00first", 200))
    flood = [dnp3(b"T\x01\x01" + b"n" * 30, 20, (1, 100 + at)) for at in range(50)]
    size = len(dnp3(b"n" * 20, 20))
    for one in flood:
        tcp.say(CLIENT, one[:size])
    tcp.say(CLIENT, flood[-1][size:])
    engine, rows = run(wire, tmp_path, 10**6, batch)
    assert {name: len(lanes) for name, lanes in engine.streams.messages.open.items()} == {
        (0, 0, 0): LANES - 1
    }
    assert counted(rows, "cap:reassembly") == 50 - LANES
    assert sorted(row[7] for row in rows["behaviour"]) == ["firs of 5", "nnnn of 30"]


@pytest.mark.parametrize("batch", [1, 7, 65_536])
def test_messages_open_for_too_long(tmp_path: Path, batch: int) -> None:
    """A message is given up with its rest, if more traffic than its room goes by between."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 20_000)))
    tcp.say(CLIENT, dnp3(b"T\x01\x00first", 200))
    long, size = dnp3(b"T\x01\x01" + b"n" * 50, 20), len(dnp3(b"n" * 20, 20))
    tcp.say(CLIENT, long[:size])
    for _ in range(10):
        wire.udp(("10.9.9.9", 9), ("10.9.9.8", 9), b"noise" * 20)
    tcp.say(CLIENT, long[size:])
    tcp.say(CLIENT, dnp3(b"T\x01\x02again", 200))
    engine, rows = run(wire, tmp_path, 1_000, batch)
    assert not engine.streams.messages.open
    assert counted(rows, "cap:reassembly") == 1
    assert sorted(row[7] for row in rows["behaviour"]) == ["agai of 5", "firs of 5"]


def test_what_is_too_old_holds_no_memory(tmp_path: Path) -> None:
    """Of frames that nobody finishes, next to nothing is held once their room has gone by."""
    wire = Wire()
    for port in range(1_000, 1_200):
        tcp = Tcp(wire, (("10.0.0.1", port), ("10.0.0.2", 20_000)))
        frame = dnp3(b"T\x01\x00" + b"n" * 200, 240)
        tcp.say(CLIENT, frame)
        tcp.say(CLIENT, frame[:-1])
    engine, _ = run(wire, tmp_path, 5_000, 64)
    held = [one.data for kept in engine.streams.plain.open.values() for one in kept]
    assert len(held) == 200
    assert sum(map(len, held)) < 200 + 2 * 5_000 * 9 // 8 + 64 * 300
