"""What is judged by order is the same wherever batches end, whatever the capture lacks."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from engine_runs import (
    CLIENT,
    HOUR,
    MS,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    analyse,
    cells,
    difference,
)
from engine_runs import request as read
from engine_runs import response as registers
from test_acknowledgements import Said as Unit
from test_dialogues import answer, ask

from otsec.aggregates import following, sequences, steps
from otsec.config import Caps
from otsec.state import unpack

MINUTE = 60 * SECOND
PORTS = {"modbus": 502, "dnp3": 20_000, "iec104": 2404}
REAL = steps.LANES
WAYS: tuple[dict[str, Any], ...] = (
    *({"batch": size} for size in (1, 7)),
    {"batch": 40, "workers": 2},
    {"batch": 5, "cache_off": True, "checkpoint_s": 0.0},
    {"batch": 9, "all_plain": True},
)


@dataclass
class Line:
    """One connection after the other between two stations, which number what they say."""

    wire: Wire
    protocol: str
    number: int
    tcp: Tcp = field(init=False)
    count: int = 1

    def __post_init__(self) -> None:
        self.open(whole=True)

    def open(self, *, whole: bool) -> None:
        """Begin a connection; ``whole``: also to be seen."""
        port = 40_000 + self.number
        ends = ("10.0.0.1", port), (f"10.0.1.{self.number}", PORTS[self.protocol])
        self.tcp = Tcp(self.wire, ends, first=(self.wire.ident << 12, self.wire.ident << 13 | 99))
        if whole:
            self.tcp.open()

    def said(self, side: int) -> bytes:
        """What a side says next; of the server the answer to what was asked last."""
        if self.protocol == "modbus":
            number = 0x0101 + self.count % 0x7000
            return read(number, 1, 257, 2) if side == CLIENT else registers(number, 1, [257, 514])
        if self.protocol == "dnp3":
            made = ask(self.count) if side == CLIENT else answer(self.count, self.count % 251)
            return made.frame
        number = self.count & 0x7FFF
        server = side == SERVER
        return Unit(0, server, *((number, 0) if server else (-1, number))).unit

    def say(self, side: int, random: Random, *, lossy: bool) -> None:
        """Send it, in one segment or two, of which one may never come, or come late."""
        data = self.said(side)
        base = self.tcp.sent[side]
        at = random.choice((0, 0, 0, 5, len(data) - 2))
        parts = [(base, data[:at]), (base + at, data[at:])] if at else [(base, data)]
        if random.random() < 0.1:
            parts.reverse()
        for begin, part in parts:
            self.tcp.packet(side, part, "PA", at=begin)
            if lossy and random.random() < 0.5:
                self.wire.frames.pop()
        self.tcp.sent[side] += len(data)
        if random.random() < 0.3:
            self.tcp.packet(1 - side)


def spoken(random: Random, turns: int, lines: int = 6) -> bytes:
    """A capture of several lines that speak in turn, with much that is odd, lost and silent."""
    wire = Wire()
    talks = [Line(wire, random.choice([*PORTS]), number) for number in range(lines)]
    for turn in range(turns):
        line = random.choice(talks)
        lossy = random.random() < 0.15
        if turn > 20 and random.random() < 0.05:
            line.count += random.choice((-3, 5))  # jumps
        for side in (CLIENT, SERVER):
            if random.random() > 0.03:
                line.say(side, random, lossy=lossy)
        while random.random() < 0.1:
            line.say(SERVER, random, lossy=False)  # nobody asked for it
        line.count += 1
        wire.time += random.choice((0, 5 * MS, 30 * MS, SECOND, 20 * SECOND, MINUTE))
        if random.random() < 0.03:
            wire.time += random.choice((11 * MINUTE, 40 * MINUTE, 61 * MINUTE, 2 * HOUR, -HOUR))
        if random.random() < 0.03:
            line.open(whole=random.random() < 0.5)
    return wire.bytes()


@pytest.mark.parametrize("room", [2, following.ROOM])
@pytest.mark.parametrize("seed", range(2))
def test_order_is_the_same_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, room: int
) -> None:
    """Counters, numbers, acknowledgements and answers are judged alike, also where there is no room for all."""
    monkeypatch.setattr(following, "ROOM", room)
    monkeypatch.setattr(sequences, "LANES", room)
    content, bench = spoken(Random(seed), 50), Bench(tmp_path)
    dump = bench.dump(content)

    assert {row["protocol"] for row in cells(dump, "sequence")} & PORTS.keys()
    for options in WAYS:
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 40))


@pytest.mark.parametrize(
    ("seed", "room", "lanes"), [(2, 1, 2), (4, 4, 3), (4, 4, REAL), (51, 16, 3), (5, 8, REAL)]
)
def test_the_last_places_are_the_same_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, room: int, lanes: int
) -> None:
    """Where steps, behaviours, facts and values have no room for all, batches have no say in who gets it."""
    monkeypatch.setattr(steps, "LANES", lanes)
    caps = Caps(behaviours=room, facts=room, value_cells=2 * room)
    content, bench = spoken(Random(seed), 60), Bench(tmp_path)
    dump = bench.dump(content, caps=caps)

    names = {row["name"] for row in cells(dump, "counter")}
    assert {"cap:behaviours", "cap:steps", "cap:cells"} & names
    for options in WAYS:
        if lanes == REAL or "workers" not in options:  # another process follows as many as ever
            assert not difference(dump, bench.dump(content, caps=caps, **options)), options
    assert not difference(dump, bench.grown(content, 40, caps=caps))


def followed(tmp_path: Path, times: int) -> dict[str, int]:
    """How many rows each consumer follows when three lines were opened so often, and spoke."""
    wire, random, sizes = Wire(), Random(1), dict[str, int]()
    lines = [Line(wire, protocol, number) for number, protocol in enumerate(PORTS)]
    for _ in range(times):
        for line in lines:
            line.open(whole=True)
            for side in (CLIENT, SERVER, CLIENT, SERVER):
                line.say(side, random, lossy=False)
                line.count += side == SERVER
            wire.time += SECOND
    capture, db = tmp_path / f"{times}.pcap", tmp_path / f"{times}.db"
    capture.write_bytes(wire.bytes())
    analyse([capture], db)
    with closing(sqlite3.connect(db)) as store:
        parts = {
            name: unpack(data) for name, data in store.execute("SELECT module, data FROM state")
        }
    for name in ("acknowledgements", "dialogues", "answers"):
        sizes[name] = sum(carried.shape[1] for carried in parts[name]["carried"].values())
    for name in ("steps", "sequences"):
        sizes[name] = len(parts[name]["lanes"])
    return sizes


def test_connections_on_known_ports_take_the_place_of_those_before(tmp_path: Path) -> None:
    """What is followed does not grow with connections that begin again and again on the same ports."""
    few = followed(tmp_path, 3)

    assert min(few.values()) >= 1
    assert followed(tmp_path, 40) == few
