"""Which message follows which: steps of streams, the same however a capture is read."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import (
    CLIENT,
    HOUR,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    cells,
    difference,
    request,
    response,
    write,
)

from otsec.config import Caps
from otsec.streams.connections import Connections

PLANT = Path(__file__).parents[1] / "pcaps" / "plant" / "ten_minutes.pcap"
WAYS = (
    {"batch": 1},
    {"batch": 7, "checkpoint_s": 0.0},
    {"all_plain": True},
    {"cache_off": True, "hash_bits": 8, "seed": 9},
)
Steps = dict[tuple[str, str, str], int]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("steps"))


class Talk:
    """A client that reads and writes registers of a device by their first number."""

    def __init__(self, wire: Wire, port: int = 40_000, *, opened: bool = True) -> None:
        self.wire, self.count = wire, 0
        self.tcp = Tcp(wire, (("10.0.0.1", port), ("10.0.0.2", 502)))
        if opened:
            self.tcp.open()

    def reads(self, *addresses: int, unit: int = 1) -> None:
        """One after the other, each answered."""
        for address in addresses:
            self.count += 1
            self.tcp.say(CLIENT, request(self.count, unit, address, 1))
            self.tcp.say(SERVER, response(self.count, unit, [7]))

    def writes(self, *addresses: int) -> None:
        """The same."""
        for address in addresses:
            self.count += 1
            for side in (CLIENT, SERVER):
                self.tcp.say(side, write(self.count, 1, address, 5))

    def loses(self, address: int) -> None:
        """A read that the capture has not, neither it nor its answer."""
        before = len(self.wire.frames)
        self.reads(address)
        del self.wire.frames[before:]


def short(name: str) -> str:
    """A message by its register."""
    return name.rpartition(" ")[2] if name else "^"


def steps(dump: Iterable[str], sort: str = "asks", device: str = "unit 1") -> Steps:
    """The steps of one sort and how often each was made."""
    return {
        (short(row["earlier"]), short(row["before"]), short(row["after"])): row["count"]
        for row in cells(dump, "step")
        if (row["sort"], row["device"]) == (sort, device)
    }


def told(bench: Bench, wire: Wire) -> list[str]:
    """What a capture gives, in all ways the same."""
    content = wire.bytes()
    found = bench.dump(content)
    for options in WAYS:
        assert not (text := difference(found, bench.dump(content, **options))), text
    for packets in (1, 5):
        assert not (text := difference(found, bench.grown(content, packets))), text
    return found


def around(*names: str) -> Counter[tuple[str, str, str]]:
    """The steps of messages one behind the other."""
    return Counter(zip(names, names[1:], names[2:], strict=False))


def test_a_cycle_is_its_steps(bench: Bench) -> None:
    """Each message is counted with the two before it, from the beginning of its connection on."""
    wire = Wire()
    Talk(wire).reads(*[1, 2, 1, 3] * 4)
    found = told(bench, wire)
    names = ["^", "^", *["1", "2", "1", "3"] * 4]

    assert steps(found) == dict(around(*names))
    assert {row["after"] for row in cells(found, "step")} == {
        f"read_holding_registers holding {at}" for at in (1, 2, 3)
    }


def test_what_is_read_and_what_is_changed_are_streams_of_their_own(bench: Bench) -> None:
    """Writes between reads leave the order of the reads as it is, also over two connections."""
    wire = Wire()
    one, two = Talk(wire), Talk(wire, 40_001)
    for turn in range(3):
        one.reads(1, 2)
        one.writes(8)
        two.writes(9)
        two.reads(5)
        one.reads(3, unit=turn + 2)
    found = told(bench, wire)

    reads = around("^", "^", *"12" * 3) + around("^", "^", *"555")
    assert steps(found) == dict(reads)
    assert steps(found, "changes") == dict(around(*"898989"))
    assert steps(found, device="unit 3") == {("^", "^", "3"): 1}


def test_nothing_is_counted_where_bytes_were_lost(bench: Bench) -> None:
    """Behind messages that the capture lost the order is known again with the third."""
    wire = Wire()
    talk = Talk(wire)
    talk.reads(1, 2, 3)
    talk.loses(1)
    wire.time += 20 * SECOND  # nobody waits so long for what is missing
    talk.reads(2, 3, 1, 2)

    assert steps(told(bench, wire)) == dict(around("^", "^", *"123") + around(*"2312"))


def test_connections_may_be_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind half a billion connections of a source it is known as well where bytes were lost."""
    wire = Wire()
    for port in (40_000, 40_001):
        talk = Talk(wire, port)
        talk.reads(1, 2, 3)
        talk.loses(1)
        wire.time += 20 * SECOND
        talk.reads(2, 3, 1, 2)
    content = wire.bytes()
    young = bench.dump(content)
    begin = Connections.__init__

    def old(self: Connections, *arguments: Any) -> None:
        begin(self, *arguments)
        self.serial = 1 << 29

    monkeypatch.setattr(Connections, "__init__", old)
    assert sum(steps(young).values()) == 2 * sum(
        (around("^", "^", *"123") + around(*"2312")).values()
    )
    for packets in (4096, 5):
        text = difference(young, bench.dump(content, batch=packets, checkpoint_s=0.0))
        assert not text, text


def stepped(wire: Wire) -> None:
    """The clock is set back."""
    wire.time -= 2 * HOUR


def nothing(_wire: Wire) -> None:
    """All goes on."""


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (nothing, around("^", "^", *"123123")),
        (stepped, around("^", "^", *"123") + around(*"123")),
    ],
)
def test_nothing_is_counted_across_a_gap(
    bench: Bench, between: Callable[[Wire], None], expected: Counter[tuple[str, str, str]]
) -> None:
    """A step of the clock ends an order; without one it goes on."""
    wire = Wire()
    talk = Talk(wire)
    talk.reads(1, 2, 3)
    between(wire)
    talk.reads(1, 2, 3)

    assert steps(told(bench, wire)) == dict(expected)


def test_a_connection_that_had_begun_before_is_counted_from_its_third_message(
    bench: Bench,
) -> None:
    """Of a connection whose beginning was not captured nobody knows what came before."""
    wire = Wire()
    Talk(wire, opened=False).reads(1, 2, 3, 1)

    assert steps(told(bench, wire)) == dict(around(*"1231"))


def test_steps_are_counted_by_the_hour(bench: Bench) -> None:
    """The hours of a stream add up to its steps, by rank."""
    wire = Wire()
    talk = Talk(wire)
    for _ in range(6):
        talk.reads(1, 2, 3)
        wire.time += HOUR // 2
    found = told(bench, wire)
    hours = [row["buckets"] for row in cells(found, "rhythm") if row["kind"] == "order_asks"]
    ranks: Counter[int] = Counter()
    for buckets in hours:
        pairs = (pair.split(":") for pair in buckets.strip("[]").split(","))
        ranks.update({int(rank): int(count) for rank, count in pairs})

    assert len(hours) > 2
    assert dict(ranks) == {row["rank"]: row["count"] for row in cells(found, "step")}


def test_a_stream_without_order_is_bounded(bench: Bench) -> None:
    """Beyond 255 steps of a stream all are one, and no request is lost to the count."""
    wire = Wire()
    Talk(wire).reads(*range(400))
    content = wire.bytes()
    found = bench.dump(content)
    rows = cells(found, "step")

    assert len(rows) == 256
    assert max(rows, key=lambda row: int(row["rank"]))["count"] == 400 - 255
    assert sum(row["count"] for row in rows) == 400
    for options in ({"batch": 7, "checkpoint_s": 0.0}, {"all_plain": True}):
        assert not (text := difference(found, bench.dump(content, **options))), text
    assert not (text := difference(found, bench.grown(content, 211))), text


def test_all_steps_are_bounded(bench: Bench) -> None:
    """Steps for which there is no room in the store are counted as such."""
    wire = Wire()
    Talk(wire).reads(*range(60))
    found = bench.dump(wire.bytes(), caps=Caps(behaviours=20))

    assert len(cells(found, "step")) == 20
    (cap,) = (row for row in cells(found, "counter") if row["name"] == "cap:steps")
    assert cap["count"] == 40


def test_streams_without_steps_are_kept_where_there_is_no_room_for_more(bench: Bench) -> None:
    """What has a place keeps it when the capture is read on, also a stream that made no step yet."""
    wire = Wire()
    first = Talk(wire)
    first.reads(1)
    first.writes(9)  # one message only: a stream of its own, and no step
    first.reads(2, 3, 1, 2, 3, 1)
    content, caps = wire.bytes(), Caps(behaviours=2)
    found = bench.dump(content, caps=caps)

    assert not cells(found, "gap")
    assert not difference(found, bench.grown(content, 9, caps=caps))


def test_lists_are_told_by_their_ends(bench: Bench) -> None:
    """A request that lists things is called by the first and the last of them and their number."""
    found = bench.dump(PLANT.read_bytes())
    (times,) = (
        row["count"]
        for row in cells(found, "step")
        if row["protocol"] == "enip" and row["earlier"] == row["before"] == row["after"]
        and row["after"] == "read_tag Program:Filters.Turbidity to Program:Filters.Chlorine (3)"
    )  # fmt: skip

    assert times == 298


def test_changes_that_are_hours_apart_follow_one_another(bench: Bench) -> None:
    """What is changed is rare: its order goes on over silences and connections, that of reading does not."""
    wire = Wire()
    for number in range(5):
        talk = Talk(wire, 40_000 + number)
        talk.writes(9, 10)
        talk.reads(1, 2, 1, 2)
        wire.time += 3 * HOUR
    content = wire.bytes()
    found = bench.dump(content)
    changed = [row for row in cells(found, "step") if row["sort"] == "changes"]

    assert sum(row["count"] for row in changed) == 2 * 5 - 2
    for options in WAYS:
        assert not (text := difference(found, bench.dump(content, **options))), text
