"""The order of messages: learned as lines, told where it is broken, and how; never across an outage."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from engine_runs import CLIENT, HOUR, SECOND, SERVER, START, Tcp, Wire, analyse, request, response
from engine_runs import write as written_by

from otsec.baseline.deviations import judge
from otsec.baseline.explaining import explained
from otsec.baseline.learning import approve, baseline, bring, learn
from otsec.baseline.text import read, written
from otsec.detect.cases import Word
from otsec.store import Store, open_store
from otsec.store import baseline as kept
from otsec.store.findings import Finding, packets

WORD = Word("Ann", "ann", "desk", START, "ticket 4711")
DAY = 24 * HOUR
DAYS = 4  # that are learned


@dataclass
class Machine:
    """A panel that goes round in reads and steps through a recipe in writes, day after day."""

    wire: Wire = field(default_factory=Wire)
    count: int = 0
    connection: Tcp | None = None

    def does(self, *names: str) -> None:
        """Reads (`r5`) and writes (`w5`) of registers by their number, ten seconds apart."""
        if self.connection is None:
            self.connection = Tcp(self.wire)
            self.connection.open()
        for name in names:
            self.count = self.count % 60_000 + 1
            number = int(name[1:])
            if name[0] == "r":
                asked, told = request(self.count, 1, number, 1), response(self.count, 1, [7])
            else:
                asked = told = written_by(self.count, 1, number, 5)
            self.connection.say(CLIENT, asked)
            self.connection.say(SERVER, told)
            self.wire.time += 10 * SECOND

    def day(self, *between: str) -> None:
        """Two hours of polls around a recipe; ``between``: what else is done in its middle."""
        begin = self.wire.time
        for turn in range(24):
            self.does("r1", "r2", "r3")
            if turn % 6 == 2:
                self.does("w10", "w11")
                if turn == 8:
                    self.does(*between)
                self.does("w12")
            self.wire.time += 300 * SECOND
        self.wire.time = begin + DAY

    @property
    def now(self) -> int:
        """When the next packet comes, ns."""
        return self.wire.time


def learned(folder: Path, *late: Callable[[Machine], None]) -> Store:
    """A store in which days were learned, and later ones judged."""
    machine = Machine()
    for _ in range(DAYS):
        machine.day()
    until = machine.now
    for one in late:
        one(machine)
    path = folder / "capture.pcap"
    path.write_bytes(machine.wire.bytes())
    analyse([path], folder / "store.db")
    store = open_store(folder / "store.db")
    learn(store, 1_000, until)
    return store


def told(store: Store) -> list[Finding]:
    """The findings of order."""
    return [one for one in judge(store, []) if one.name in {"message-order", "order-drift"}]


def after(*between: str) -> Callable[[Machine], None]:
    """A day on which something else is done in the middle of a recipe."""
    return lambda machine: machine.day(*between)


def test_another_day_of_the_same_is_not_told(tmp_path: Path) -> None:
    """Days like those that were learned break no order."""
    with learned(tmp_path, after(), after()) as store:
        assert not told(store)


REGISTER = "write_single_register holding "
READ = "read_holding_registers holding "


@pytest.mark.parametrize(
    ("between", "level", "seen"),
    [
        (["w12", "w10"], "medium", f"{REGISTER}10 came {REGISTER}12; {REGISTER}11 is missing"),
        (["w30"], "medium", f"{REGISTER}30; it is one too many in front of {REGISTER}12"),
        (["w30", "w31"], "medium", f"came {REGISTER}30; instead of {REGISTER}12"),
        (["w11"], "low", f"came {REGISTER}11; it came twice"),
        (["r2", "r1"], "low", f"{READ}2; {READ}1 is missing"),
        (["r1", "r3"], "low", f"{READ}3; {READ}2 is missing"),
    ],
    ids=["one missing", "one too many", "another", "twice", "read missing", "read twice"],
)
def test_a_message_out_of_turn_is_told(
    tmp_path: Path, between: list[str], level: str, seen: str
) -> None:
    """What never followed two messages is told with what did, and how the order was broken."""
    with learned(tmp_path, after(*between)) as store:
        (one,) = told(store)
        assert (one.level, one.name, one.client) == (level, "message-order", "10.0.0.1")
        assert seen in one.seen
        operation, _, _ = (REGISTER if level == "medium" or "w11" in between else READ).partition(
            " "
        )
        assert one.operations == (operation,)
        shown = [packet.packet for packet, _ in packets(store, one.id)]
        assert shown[0] == one.first_packet


def test_where_nothing_was_seen_often_nothing_is_told(tmp_path: Path) -> None:
    """An order that was learned on one occasion only promises nothing of the next."""

    def seldom(machine: Machine) -> None:
        machine.day("w20", "w21")

    with learned(tmp_path, after(), seldom) as store:
        (one,) = told(store)  # behind a recipe that is well known
        assert f"came {REGISTER}20" in one.seen
        assert f"came {REGISTER}21" not in one.seen  # nobody knows what follows the other


def lost(machine: Machine) -> None:
    """A day of which the capture lacks a write in the middle of a recipe."""
    before = len(machine.wire.frames)
    machine.day()
    frames = machine.wire.frames[before:]
    writes = [at for at, (_, data) in enumerate(frames) if data[61:62] == b"\x06"]
    gone = {writes[at] for at in (2, 3)}
    machine.wire.frames[before:] = [one for at, one in enumerate(frames) if at not in gone]


def test_what_the_capture_lost_is_not_missing(tmp_path: Path) -> None:
    """Where bytes of the connection were lost nobody knows whether a message is missing."""
    with learned(tmp_path, lost) as store:
        assert not told(store)


def shuffled() -> Iterator[str]:
    """Reads in an order that is another each time."""
    for turn in range(400):
        yield f"r{1 + turn * turn % 7 % 3}"


def test_a_stream_that_gets_unusual_for_good_is_told_by_the_hour(tmp_path: Path) -> None:
    """Of a stream that leaves its cycle for hours the messages cost more bits than ever."""

    def other(machine: Machine) -> None:
        for name in shuffled():
            machine.does(name)
            machine.wire.time += 120 * SECOND

    with learned(tmp_path, other) as store:
        names = {one.name for one in told(store)}
        assert names == {"message-order"}  # the drift is told with it
        base = baseline(store)
        everything = [one for one in base.shown.things if one.key.kind == "step"]
        approve(store, base, everything, WORD, 0, end=False)
        assert {one.name for one in told(store)} <= {"order-drift"}


def test_the_cycle_is_a_line(tmp_path: Path) -> None:
    """Each stream is a line with its cycle, each step one with its messages and how often."""
    with learned(tmp_path) as store:
        lines = kept.lines(store)
    (asks,) = (json.loads(one.detail) for one in lines if one.kind == "order")
    steps = {one.object: one.times for one in lines if one.kind == "step"}

    assert asks[0] > 0.9
    assert sorted(asks[3].split(" > ")) == [f"{READ}{at}" for at in (1, 2, 3)]
    assert steps[f"{REGISTER}10 > {REGISTER}11 > {REGISTER}12"] == 4 * DAYS
    assert f"(begin) > (begin) > {READ}1" in steps


def test_lines_go_through_text(tmp_path: Path) -> None:
    """Imported into another store the text of a baseline judges as where it was learned."""
    with learned(tmp_path, after("w12", "w10")) as store:
        before = [one.seen for one in told(store)]
        text = "\n".join(written(kept.lines(store), kept.ended(store)))
        lines, ends = read(text, "baseline.txt")
        assert {one.kind for one in lines} >= {"order", "step"}
        (tmp_path / "again").mkdir()
        with learned(tmp_path / "again", after("w12", "w10")) as again:
            kept.reopen(again, kept.ended(again))
            assert not told(again)
            bring(again, baseline(again), lines, ends, WORD, replace=True)
            assert [one.seen for one in told(again)] == before


def test_what_a_person_approves_is_in_order(tmp_path: Path) -> None:
    """A finding of order is approved by its id, and explained by it."""
    with learned(tmp_path, after("w12", "w10")) as store:
        (one,) = told(store)
        base = baseline(store)
        reasons = explained(store, base, [one.id])
        assert {reason.verdict for reason in reasons} == {"told"}
        things = [thing for thing in base.shown.things if thing.id in {r.id for r in reasons}]
        approve(store, base, things, WORD, 0, end=False)
        assert not told(store)
