"""Caps: where there is no room, what was known goes on, the rest is counted, and the cap is named."""

import random
import struct
from collections.abc import Callable
from functools import partial

import numpy as np
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
    counter,
    difference,
    request,
    response,
    said,
    total,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

from otsec.aggregates.behaviours import _tally
from otsec.aggregates.counters import Counters, Refusals
from otsec.aggregates.span import NOT_SEEN, stretch
from otsec.aggregates.sums import summed
from otsec.config import Caps


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("caps"))


def poll(tcp: Tcp, number: int, at: int = 5, value: int = 7) -> None:
    """One exchange."""
    tcp.say(CLIENT, request(number, 1, at, 2))
    tcp.say(SERVER, response(number, 1, [value, 9]))


def known_among(many: Callable[[Wire, int], None], count: int, wait: int = SECOND) -> Wire:
    """A known connection that polls on, and between its polls what is new each time."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(count):
        poll(tcp, number)
        many(wire, number)
        wire.time += wait
    return wire


def equal(bench: Bench, wire: Wire, caps: Caps) -> list[str]:
    """The dump under the caps, after checking that it is the same for any batches."""
    content = wire.bytes()
    found = bench.dump(content, caps=caps)
    for options in (
        {"batch": 1},
        {"batch": 7},
        {"batch": 20, "checkpoint_s": 0.0},
        {"all_plain": True, "cache_off": True, "hash_bits": 8},
    ):
        other = bench.dump(content, caps=caps, **options)
        assert not (text := difference(found, other)), f"{options}\n{text}"
    other = bench.grown(content, len(wire.frames) // 3, caps=caps)
    assert not (text := difference(found, other)), f"run by run\n{text}"
    return found


POLLS = ("unit 1", "read_holding_registers", "holding 5-6", "ok")


def new_client(wire: Wire, number: int) -> None:
    """A SYN from an address that nobody saw before."""
    Tcp(wire, ((f"10.1.0.{number + 1}", 40_000), ("10.0.0.2", 80))).packet(CLIENT, flags="S", at=-1)


def test_connections(bench: Bench) -> None:
    """A flood of connections: those that are known count on, the others count as many."""
    wire = known_among(new_client, 40)
    found = equal(bench, wire, Caps(connections=8))
    assert said(found)[POLLS] == 40
    flood = [row for row in cells(found, "conversation") if row["service"] == "tcp/80"]
    assert sum(row["packets_out"] for row in flood) == 40
    many = [row for row in flood if row["client"] == "many"]
    assert [(row["server"], row["packets_out"]) for row in many] == [
        ("10.0.0.2", counter(found, "cap:connections"))
    ]
    assert 0 < counter(found, "cap:connections") < 40


def test_room_is_made(bench: Bench) -> None:
    """Connections that ended make room within a minute: a slow scan is followed wholly."""
    found = equal(bench, known_among(new_client, 30, 100 * SECOND), Caps(connections=4))
    assert counter(found, "cap:connections") == 0
    assert total(found, "connections") == 31


def test_requests_wait_across_minutes(bench: Bench) -> None:
    """Where room is made minute by minute, an answer in the next minute is still an answer."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    tcp.say(CLIENT, request(1, 1, 5, 2))
    wire.time += 8 * SECOND
    for _ in range(6):
        new_client(wire, len(wire.frames))
        wire.time += 8 * SECOND
    tcp.say(CLIENT, request(2, 1, 5, 2))
    wire.time += 4 * SECOND
    tcp.say(SERVER, response(2, 1, [1, 2]))
    wire.time += 2 * HOUR
    new_client(wire, len(wire.frames))
    found = equal(bench, wire, Caps(connections=2))
    assert {key[3]: count for key, count in said(found).items()} == {"ok": 1, "unanswered": 1}


def test_conversations(bench: Bench) -> None:
    """Conversations beyond the cap are counted as one of many, by server and service."""
    found = equal(bench, known_among(new_client, 30), Caps(conversations=5))
    assert said(found)[POLLS] == 30
    names = [(row["client"], row["connections"]) for row in cells(found, "conversation")]
    assert sorted(names) == sorted(
        [("10.0.0.1", 1), *((f"10.1.0.{n}", 1) for n in range(1, 5)), ("many", 26)]
    )
    assert counter(found, "cap:conversations") == 26


def turned(wire: Wire, number: int) -> list[Callable[[], None]]:
    """A connection without SYN, whose client shows only when it is claimed, by its port not."""
    ends = (f"10.2.0.{number + 1}", 20_000), ("10.0.0.2", 40_000)
    tcp = Tcp(wire, ends)
    return [lambda: tcp.packet(SERVER), lambda: poll(tcp, 1)]


def reused(wire: Wire, number: int) -> list[Callable[[], None]]:
    """A connection whose ports are used again, by the other side."""
    ends = (f"10.3.0.{number + 1}", 40_000), ("10.0.0.3", 40_000)
    again = Tcp(wire, (ends[1], ends[0]), first=(50_000, 60_000))
    return [Tcp(wire, ends).open, again.open]


@pytest.mark.parametrize("connections", [100, 5])
@pytest.mark.parametrize("seed", range(4))
def test_who_gets_the_last_conversations(bench: Bench, seed: int, connections: int) -> None:
    """New, turned, reused and untracked connections get the last places in order of packets."""
    chance, wire = random.Random(seed), Wire()
    plans = [kind(wire, number) for number in range(4) for kind in (turned, reused)]
    plans += [[partial(new_client, wire, number)] for number in range(4)]
    turns = [plan for plan in plans for _ in plan]
    chance.shuffle(turns)
    for plan in turns:
        plan.pop(0)()
    caps = Caps(conversations=5, connections=connections)
    found = equal(bench, wire, caps)
    names = [row["client"] for row in cells(found, "conversation")]
    assert "many" in names
    assert len([name for name in names if name != "many"]) <= 5
    assert counter(found, "cap:conversations") > 0


def test_stations(bench: Bench) -> None:
    """Senders beyond the cap are not told apart; those known count on."""
    found = equal(bench, known_among(new_client, 30), Caps(stations=4))
    frames = {row["address"]: row["frames"] for row in cells(found, "station")}
    assert frames == {"10.0.0.1": 32, "10.0.0.2": 31, "10.1.0.1": 1, "10.1.0.2": 1}
    assert counter(found, "cap:stations") == 28


def test_behaviours(bench: Bench) -> None:
    """A sweep over addresses: known behaviours count on, the rest counts by operation, then as one."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(40):
        poll(tcp, 2 * number)
        poll(tcp, 2 * number + 1, at=1000 + number)
    found = equal(bench, wire, Caps(behaviours=8))
    assert said(found)[POLLS] == 40
    assert said(found)["unit 1", "read_holding_registers", "(many)", "ok"] == 33
    assert counter(found, "cap:behaviours") == 33
    assert said(found).total() == 80


def test_value_cells(bench: Bench) -> None:
    """Values beyond the cap are not kept; those known follow on."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(20):
        poll(tcp, 2 * number, value=number)
        poll(tcp, 2 * number + 1, at=1000 + number % 10)
    found = equal(bench, wire, Caps(value_cells=7))
    values = sorted(cells(found, "value"), key=lambda row: row["first_element"])
    assert [row["first_element"] for row in values] == [5, 1000, 1001]
    assert [values[0][name] for name in ("first", "last", "count")] == [[0, 9], [19, 9], 20]
    assert counter(found, "cap:cells") == 8


def test_events(bench: Bench) -> None:
    """Of what fails again and again the first of each hour are kept, and how many followed."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    poll(tcp, 0)
    for hour in range(2):
        wire.time = Wire().time + SECOND + hour * HOUR
        for number in range(6):
            tcp.say(SERVER, response(100 + 10 * hour + number, 1, [1]))  # nobody asked
    found = equal(bench, wire, Caps(events_per_hour=4))
    events = [(row["kind"], row["count"], row["packet"]) for row in cells(found, "event")]
    assert sorted(events, key=lambda event: event[2]) == [
        *(("failure", 1, packet) for packet in range(5, 9)), ("capped", 2, 9),
        *(("failure", 1, packet) for packet in range(11, 15)), ("capped", 2, 15),
    ]  # fmt: skip


def test_gaps(bench: Bench) -> None:
    """Clock steps beyond the cap are still counted."""
    wire = Wire()
    for _ in range(10):
        wire.udp(("10.0.0.1", 5), ("10.0.0.2", 6), b"x")
        wire.time += 30 * HOUR
    found = equal(bench, wire, Caps(gaps=3))
    assert [row["kind"] for row in cells(found, "gap")] == ["clock_ahead"] * 3
    assert counter(found, "gap:clock_ahead") == 9


def ask_for(wire: Wire, target: tuple[int, ...], sender: tuple[int, ...] = (10, 0, 0, 1)) -> None:
    """An ARP request."""
    mac = bytes.fromhex("02000a000001")
    head = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 06 04 0001")
    wire.frames.append((wire.time, head + mac + bytes(sender) + bytes(6) + bytes(target)))
    wire.time += wire.step


def test_who_has_no_address_is_not_looked_up(bench: Bench) -> None:
    """Who asks before having an address (0.0.0.0) shows none; that it asked is kept."""
    wire = Wire()
    for _ in range(3):
        ask_for(wire, (10, 0, 0, 9), (0, 0, 0, 0))
    rows = cells(equal(bench, wire, Caps()), "lookup")
    assert [(row["address"], row["asked"], row["answered"]) for row in rows] == [("10.0.0.9", 3, 0)]


def test_lookups(bench: Bench) -> None:
    """Addresses asked for beyond the cap are counted; the first ones are kept."""
    wire = Wire()
    for number in range(12):
        ask_for(wire, (10, 0, 1, 200 - number))
    found = equal(bench, wire, Caps(stations=4))
    asked = [row["address"] for row in cells(found, "lookup")]
    assert sorted(asked) == ["10.0.0.1", "10.0.1.198", "10.0.1.199", "10.0.1.200"]
    assert counter(found, "cap:lookups") == 9


def test_facts(bench: Bench) -> None:
    """Rival identities beyond the cap are counted; the first ones are kept."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(10):
        tcp.say(CLIENT, bytes.fromhex(f"{number:04x} 0000 0005 01 2b 0e 04 00"))
        name = f"vendor {number}".encode()
        body = bytes.fromhex("01 2b 0e 04 01 00 00 01 00") + bytes([len(name)]) + name
        tcp.say(SERVER, struct.pack(">HHH", number, 0, len(body)) + body)
    found = equal(bench, wire, Caps(facts=3))
    assert [row["value"] for row in cells(found, "fact")] == ["vendor 0", "vendor 1", "vendor 2"]
    assert counter(found, "cap:facts") == 7


def test_small_cache(bench: Bench) -> None:
    """A cache with room for one message costs time, and changes nothing."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number in range(30):
        tcp.say(CLIENT, write(number, 1 + number % 3, number % 5, number))
        tcp.say(SERVER, write(number, 1 + number % 3, number % 5, number))
    small = equal(bench, wire, Caps(cached_messages=1))
    assert not (text := difference(bench.dump(wire.bytes()), small)), text


# ------------------------------------------------------------------------------- merging

SEEN = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=30)


@given(SEEN, st.integers(1, 5))
def test_first_and_last_sight(seen: list[tuple[int, int]], batch: int) -> None:
    """First and last sight of each row are the same in whatever order and lots they are told."""
    table = np.zeros(5, [("first", "<i8", (2,)), ("last", "<i8", (2,))])
    table["first"] = NOT_SEEN
    for begin in range(0, len(seen), batch):
        number, ordinal = np.array(seen[begin : begin + batch], np.int64).T
        sight = np.stack([100 * ordinal, ordinal], axis=1)
        stretch(table, number, sight, sight)
    for row in {number for number, _ in seen}:
        ordinals = [ordinal for number, ordinal in seen if number == row]
        assert table["first"][row].tolist() == [100 * min(ordinals), min(ordinals)]
        assert table["last"][row].tolist() == [100 * max(ordinals), max(ordinals)]


@given(st.lists(st.integers(0, 40), min_size=1), st.integers(1, 6))
def test_histograms_merge(values: list[int], batch: int) -> None:
    """A histogram is the same whether its values come at once or lot by lot, in any order."""
    lots = [np.array(values[at : at + batch]) for at in range(0, len(values), batch)]
    merged = summed(np.concatenate([_tally(lot) for lot in reversed(lots)], axis=1))
    assert merged.tolist() == _tally(np.array(values)).tolist()
    assert merged[1].sum() == len(values)


@given(SEEN)
def test_counters_and_refusals(seen: list[tuple[int, int]]) -> None:
    """What is counted out of order keeps its first and last packet."""
    counters, refusals = Counters(), Refusals()
    for count, packet in seen:
        here = 100 * packet, packet
        counters.add("name", count, here, here)
        refusals.note(count + 1, *here)
    packets = [packet for _, packet in seen]
    first, last = min(packets), max(packets)
    number = sum(count for count, _ in seen)
    assert counters.take_rows(1) == [(1, "name", "", number, 100 * first, first, 100 * last, last)]
    assert refusals.count == number + len(seen)
    assert (refusals.first, refusals.last) == ((100 * first, first), (100 * last, last))
