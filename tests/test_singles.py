"""Single connections: each begins and ends as it does on the wire, so many an hour."""

from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import (
    CLIENT,
    HOUR,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    analyse,
    cells,
    request,
    response,
)
from store_rows import row, store_with, write
from test_aggregates_caps import equal, poll
from wire_captures import tshark

from otsec.config import Caps, Keep
from otsec.nanoseconds import DAY_NS
from otsec.store.retention import retire
from otsec.store.upkeep import check


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("singles"))


def dial(wire: Wire, port: int) -> Tcp:
    """A connection from a port, with one poll."""
    tcp = Tcp(wire, (("10.0.0.1", port), ("10.0.0.2", 502)))
    tcp.open()
    poll(tcp, port)
    return tcp


def test_each_has_its_row(bench: Bench) -> None:
    """Port, packets, and how it ended are told of each, also where a port is used again at once."""
    wire = Wire()
    dial(wire, 40_000).close()
    other = dial(wire, 40_001)
    again = Tcp(wire, other.ends, (5_000_000, 9_000_000))  # no silence, no FIN: a SYN alone
    again.open()
    poll(again, 7)
    again.packet(SERVER, flags="R")
    found = cells(equal(bench, wire, Caps()), "connection")
    assert sorted(
        (row["first_packet"], row["client_port"], row["last_packet"], row["opened"], row["ended"])
        for row in found
    ) == [(0, 40_000, 6, 1, "closed"), (7, 40_001, 11, 1, ""), (12, 40_001, 17, 1, "reset")]
    assert {(row["packets_out"], row["packets_in"]) for row in found} == {(4, 3), (3, 2), (3, 3)}


def test_so_many_an_hour(bench: Bench) -> None:
    """Beyond the cap of an hour connections share a row, which sums them up; the next hour begins anew."""
    wire = Wire()
    for hour in range(2):
        wire.time = Wire().time + hour * HOUR
        for number in range(5):
            dial(wire, 40_000 + 10 * hour + number).close()
            wire.time += 90 * SECOND
    dump = equal(bench, wire, Caps(events_per_hour=2))
    rows = sorted(cells(dump, "connection"), key=lambda one: one["first_packet"])
    assert [(one["connections"], one["client_port"], one["packets_out"]) for one in rows] == [
        (1, 40_000, 4), (1, 40_001, 4), (3, 0, 12), (1, 40_010, 4), (1, 40_011, 4), (3, 0, 12),
    ]  # fmt: skip
    assert [one["last_packet"] - one["first_packet"] for one in rows] == [6, 6, 20, 6, 6, 20]


def test_events_name_their_connection(bench: Bench) -> None:
    """Of two connections open at once each failure is of that on which it was, also when late."""
    wire = Wire()
    one, two = dial(wire, 40_000), dial(wire, 40_001)
    one.say(CLIENT, request(9, 1, 5, 2))
    for tcp in (two, one):
        tcp.say(SERVER, response(99, 1, [1]))  # nobody asked
    wire.time += 90 * SECOND
    poll(two, 10)  # by now the first one waits no more
    dump = equal(bench, wire, Caps())
    told = [(event["packet"], event["connection"]) for event in cells(dump, "event")]
    assert sorted((packet, 40_000 in name) for packet, name in told) == [
        (10, True), (11, False), (12, True),
    ]  # fmt: skip


CAPTURES = ("plant/ten_minutes.pcap",)
SHARED = (
    "labelled-switched-network/westermo-2023-right-tap-reduced.pcap",
    "enip-cip/ipal_transcriber__cip.pcapng",
    "s7comm/icsnpp-s7comm__snap7.pcap",
)


def _streams(path: Path) -> dict[tuple[str, ...], list[tuple[int, int, bool, bool]]]:
    """By addresses and ports: first and last frame of each stream of tshark, SYN and FIN."""
    names = ("ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.stream", "frame.number")
    flags = ("tcp.flags.syn", "tcp.flags.fin")
    fields = [word for name in (*names, *flags) for word in ("-e", name)]
    streams: dict[str, list[list[str]]] = defaultdict(list)
    for cells_ in tshark(path, "-Y", "tcp && !icmp", *fields):
        streams[cells_[4]].append(cells_)
    found = defaultdict(list)
    for lines in streams.values():
        source, target, port, other = lines[0][:4]
        ends = [int(lines[at][5]) - 1 for at in (0, -1)]
        opened, closed = (any(line[at] in {"1", "True"} for line in lines) for at in (6, 7))
        for key in ((source, target, port, other), (target, source, other, port)):
            found[key].append((ends[0], ends[1], opened, closed))
    return found


@pytest.mark.parametrize("name", [*CAPTURES, *SHARED])
def test_connections_are_tsharks_streams(bench: Bench, name: str, captures: Path) -> None:
    """Every connection over TCP has ports, first and last frame, SYN and FIN of a stream of tshark."""
    path = ROOT / "pcaps" / name if name in CAPTURES else captures / name
    streams, db = _streams(path), bench.store()
    rows = [
        one
        for one in cells(analyse([path], db).dump, "connection")
        if one["conversation"][-1].startswith("tcp/") and one["connections"] == 1
    ]
    assert rows
    odd = []
    for one in rows:
        *_, client, server, service = one["conversation"]
        key = client, server, str(one["client_port"]), service.removeprefix("tcp/")
        told = (
            one["first_packet"],
            one["last_packet"],
            bool(one["opened"]),
            one["ended"] == "closed",
        )
        if told not in streams.get(key, []):
            odd.append((key, told, streams.get(key)))
    assert odd == []


def test_old_ones_are_summed_up(tmp_path: Path) -> None:
    """Connections beyond their age are one row a conversation and day, and events follow them."""
    days = 6
    store = store_with(tmp_path / "x.db")
    write(
        store,
        clock=[row("clock", source=1, packets=1000, last_time=days * DAY_NS - 1)],
        conversation=[row("conversation", source=1, number=number) for number in (0, 1)],
        connection=[
            row(
                "connection", source=1, number=3 * day + part, conversation=part % 2, connections=1,
                client_port=9, bytes_out=100, ended="closed", opened=1, first_packet=10 * day + part,
                last_packet=10 * day + part, first_time=day * DAY_NS, last_time=day * DAY_NS + part,
            )
            for day in range(days)
            for part in range(3)
        ],
        behaviour=[row("behaviour", source=1, number=0, conversation=0)],
        event=[
            row("event", source=1, packet=10 * day + 2, time=day * DAY_NS + 2, conversation=0,
                behaviour=0, kind="operation", count=1, connection=3 * day + 2)
            for day in range(days)
        ],
    )  # fmt: skip

    retire(store, 1, Keep(event_days=2), lambda: False)
    told = store.all(
        "SELECT number, connections, bytes_out, client_port, ended, last_packet FROM connection "
        "ORDER BY number"
    )
    assert told[:4] == [(0, 2, 200, 0, "", 2), (1, 1, 100, 9, "closed", 1),
                        (3, 2, 200, 0, "", 12), (4, 1, 100, 9, "closed", 11)]  # fmt: skip
    assert len(told) == 3 * 2 + 3 * 3
    assert store.all("SELECT connection FROM event ORDER BY packet LIMIT 2") == [(0,), (3,)]
    assert check(store) == []

    for _ in range(3):
        retire(store, 1, Keep(event_days=2, event_rows=8), lambda: False)
    assert store.all("SELECT COUNT(*), SUM(connections), MIN(number) FROM connection") == [
        (8, 9, 9)
    ]
    assert check(store) == []
    store.close()
