"""Requests and responses: which belong together, and what becomes of those that stand alone."""

import struct

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
    cells,
    difference,
    request,
    response,
    said,
    write,
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("exchanges"))


def play(script: str) -> Wire:
    """A connection on which is done what a script says.

    ``ask 1 5``: request 1, for register 5; ``tell 1``: its response; ``wait 20``: milliseconds;
    ``lose 7``: bytes of the client that the capture lacks;
    ``noise``: a packet of somebody else. Each packet takes three milliseconds.
    """
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.9", 40_000), ("10.0.0.2", 502)))
    tcp.open()
    for step in script.split(", "):
        what, *numbers = step.split()
        one, other = [*map(int, numbers), 0, 0][:2]
        if what == "ask":
            tcp.say(CLIENT, request(one, 1, other, 1))
        elif what == "tell":
            tcp.say(SERVER, response(one, 1, [7]))
        elif what == "lose":
            tcp.sent[CLIENT] += one
        elif what == "wait":
            wire.time += one * MS
        else:
            wire.udp(("10.9.9.9", 9), ("10.9.9.8", 9), b"noise")
    return wire


def asks(count: int) -> str:
    """Requests 1 to count, each for the register of its number."""
    return ", ".join(f"ask {number} {number}" for number in range(1, count + 1))


def left_open(begin: int, end: int) -> dict[str, int]:
    """Requests that still wait."""
    return {f"holding {number} open": 1 for number in range(begin, end + 1)}


CASES: dict[str, tuple[str, dict[str, int]]] = {
    "answered": ("ask 1, tell 1", {"holding 0 ok": 1}),
    "crossed": (
        "ask 1 1, ask 2 2, tell 2, tell 1", {"holding 1 ok": 1, "holding 2 ok": 1},
    ),
    "freed by its answer": (
        "ask 1 1, tell 1, lose 7, ask 2 2, tell 2", {"holding 1 ok": 1, "holding 2 ok": 1},
    ),
    "in time": ("ask 1, wait 9997, tell 1", {"holding 0 ok": 1}),
    "late": ("ask 1, wait 9998, tell 1", {"holding 0 late": 1}),
    "almost a minute": ("ask 1, wait 59996, noise", {"holding 0 open": 1}),
    "unanswered": ("ask 1, wait 59997, noise", {"holding 0 unanswered": 1}),
    "too late": (
        "ask 1, wait 59997, tell 1", {"holding 0 unanswered": 1, "unknown unasked": 1},
    ),
    "answered twice": (
        "ask 1, tell 1, tell 1", {"holding 0 ok": 1, "unknown duplicate": 1},
    ),
    "unasked": ("ask 1, tell 1, tell 2", {"holding 0 ok": 1, "unknown unasked": 1}),
    "tag used again": (
        "ask 1 1, ask 1 2, tell 1", {"holding 1 unanswered": 1, "holding 2 ok": 1},
    ),
    "window full": (f"{asks(16)}, tell 1", {"holding 1 ok": 1, **left_open(2, 16)}),
    "pushed out": (
        f"{asks(17)}, tell 1",
        {"holding 1 unanswered": 1, "unknown unasked": 1, **left_open(2, 17)},
    ),
    "clock set back": (
        "ask 1, wait -3600000, tell 1", {"holding 0 unknown": 1, "unknown unasked": 1},
    ),
    "clock ahead": ("ask 1, wait 90000000, noise", {"holding 0 unknown": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("script", "outcomes"), CASES.values(), ids=CASES)
def test_outcomes(bench: Bench, script: str, outcomes: dict[str, int]) -> None:
    """Each request gets the outcome that its packets show, in any batches and after any restart."""
    content = play(script).bytes()
    found = bench.dump(content)
    counts = {f"{what} {outcome}": count for (_, _, what, outcome), count in said(found).items()}
    assert counts == outcomes
    for options in ({"batch": 1}, {"batch": 1, "checkpoint_s": 0.0}, {"batch": 3}):
        assert not (text := difference(found, bench.dump(content, **options))), text
    assert not (text := difference(found, bench.grown(content, 1))), text


def test_times_and_values(bench: Bench) -> None:
    """Response times, intervals and values are those of the packets, to the microsecond."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number, value in enumerate((5, 70_00, 6, 7)):
        wire.time = Wire().time + SECOND * (1 + number * (number + 1))  # 1, 3, 7, 13 s
        tcp.say(CLIENT, request(number, 1, 100, 2))
        wire.time += (number + 1) * 10 * MS - wire.step
        tcp.say(SERVER, response(number, 1, [value, 9]))
    found = bench.dump(wire.bytes())
    behaviour = cells(found, "behaviour")[0]
    got = {name: behaviour[name] for name in behaviour if name.startswith(("response", "interval"))}
    assert got == {
        "response_count": 4, "response_min_us": 10_000, "response_max_us": 40_000,
        "response_sum_us": 100_000,
        "interval_count": 3, "interval_min_us": 2_000_000, "interval_max_us": 6_000_000,
        "interval_sum_us": 12_000_000,
    }  # fmt: skip
    value = cells(found, "value")[0]
    assert [value[name] for name in ("minimum", "maximum", "first", "last", "count")] == [
        [5, 9], [7000, 9], [5, 9], [7, 9], 4,
    ]  # fmt: skip
    assert behaviour["packets"] == [9]  # the fourth request; the first and last stand apart
    assert (behaviour["first_packet"], behaviour["last_packet"]) == (3, 9)


def test_packets_of_written_extremes(bench: Bench) -> None:
    """The first packet of the least and of the greatest written value is kept, in any batches."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number, value in enumerate((50, 70, 40, 70, 40, 60)):
        pdu = struct.pack(">HHHBBHH", number, 0, 6, 1, 6, 100, value)
        tcp.say(CLIENT, pdu)
        tcp.say(SERVER, pdu)
    content = wire.bytes()
    found = bench.dump(content)
    (value,) = cells(found, "value")
    packets = {name: value[f"{name}_seen"][1] for name in ("minimum", "maximum")}
    assert (value["minimum"], value["maximum"]) == ([40], [70])
    assert packets == {"minimum": 7, "maximum": 5}  # of the third and of the second request
    for options in ({"batch": 1}, {"batch": 2, "checkpoint_s": 0.0}, {"all_plain": True}):
        assert not (text := difference(found, bench.dump(content, **options))), text
    assert not (text := difference(found, bench.grown(content, 1))), text


def test_intervals_stop_at_clock_steps(bench: Bench) -> None:
    """No interval is measured across a clock step."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number, wait in enumerate((0, SECOND, -HOUR, SECOND, SECOND)):
        wire.time += wait
        tcp.say(CLIENT, request(number, 1, 100, 2))
        tcp.say(SERVER, response(number, 1, [1, 9]))
    behaviour = cells(bench.dump(wire.bytes()), "behaviour")[0]
    assert (behaviour["count"], behaviour["interval_count"]) == (5, 3)


def test_each_connection_for_itself(bench: Bench) -> None:
    """The same transaction number on two connections pairs nothing across them."""
    wire = Wire()
    one, other = (Tcp(wire, (("10.0.0.1", port), ("10.0.0.2", 502))) for port in (40_000, 40_001))
    for tcp in (one, other):
        tcp.open()
    one.say(CLIENT, write(1, 1, 5, 1))
    other.say(CLIENT, write(1, 1, 6, 2))
    other.say(SERVER, write(1, 1, 6, 2))
    one.say(SERVER, write(1, 1, 5, 1))
    found = said(bench.dump(wire.bytes()))
    assert found == {
        ("unit 1", "write_single_register", "holding 5", "ok"): 1,
        ("unit 1", "write_single_register", "holding 6", "ok"): 1,
    }


def test_protocol_on_another_port(bench: Bench) -> None:
    """Modbus on ports that suggest nothing is found beside Modbus on 502, client and all."""
    wire = Wire()
    ends = ((("10.0.0.1", 50_000), ("10.0.0.2", 60_000)), (("10.0.0.3", 40_000), ("10.0.0.4", 502)))
    for at, place in enumerate(ends):
        tcp = Tcp(wire, place)
        tcp.say(CLIENT, request(1, 1 + at, 5, 1))
        tcp.say(SERVER, response(1, 1 + at, [7]))
    found = bench.dump(wire.bytes())
    assert said(found) == {
        ("unit 1", "read_holding_registers", "holding 5", "ok"): 1,
        ("unit 2", "read_holding_registers", "holding 5", "ok"): 1,
    }
    seen = [
        (row["client"], row["service"], row["protocol"]) for row in cells(found, "conversation")
    ]
    assert seen == [("10.0.0.1", "tcp/60000", "modbus"), ("10.0.0.3", "tcp/502", "modbus")]


def test_turned_conversation_leaves_nothing(bench: Bench) -> None:
    """A checkpoint before the client is known leaves no trace once it is."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 50_000), ("10.0.0.2", 60_000)))
    tcp.packet(CLIENT)
    tcp.packet(SERVER)
    tcp.say(CLIENT, request(1, 1, 5, 1))
    content = wire.bytes()
    found = bench.dump(content)
    other = bench.dump(content, batch=1, checkpoint_s=0.0)
    assert not (text := difference(found, other)), text


def test_first_unit_in_pieces(bench: Bench) -> None:
    """A connection whose first request comes in two segments loses nothing."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    ask = request(1, 1, 5, 1)
    tcp.say(CLIENT, ask[:5])
    tcp.say(CLIENT, ask[5:])
    tcp.say(SERVER, response(1, 1, [7]))
    assert said(bench.dump(wire.bytes())) == {
        ("unit 1", "read_holding_registers", "holding 5", "ok"): 1
    }
