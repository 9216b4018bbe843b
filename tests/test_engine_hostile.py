"""Whatever is on the wire, and however little there is room for, only the packets decide."""

import struct
from dataclasses import dataclass

import pytest
from engine_runs import (
    CLIENT,
    HOUR,
    MS,
    PCAP_HEADER,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    cells,
    difference,
    request,
    response,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from otsec.config import Caps

chaos = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("hostile"))


# What both sides say, over and over: good units, with nonsense between.
ASKS = b"".join(request(0x0101 + at, 1 + at % 3, 0x0101 * (1 + at % 5), 2) for at in range(20))
ASKS = ASKS[:120] + b"GET / HTTP/1.0\r\n\r\n" * 6 + ASKS[120:]
TELLS = b"".join(response(0x0101 + at, 1 + at % 3, [at, at * 257]) for at in range(20))
WAYS = ("A", "A", "A", "A", "PA", "PA", "FA", "R", "S", "SA", "")
WAITS = (
    3 * MS,
    3 * MS,
    3 * MS,
    MS,
    SECOND,
    11 * SECOND,
    61 * SECOND,
    2 * HOUR,
    30 * HOUR,
    -90 * SECOND,
)


@dataclass(frozen=True)
class Event:
    """One packet."""

    connection: int
    side: int
    at: int  # in its stream, in bytes
    size: int
    flags: str
    wait: int  # in front of it
    cut: int  # bytes that the capture lacks


EVENT = st.builds(
    Event,
    st.sampled_from([0, 0, 0, 1, 2, 3]),
    st.integers(0, 1),
    st.integers(0, 40).map(lambda at: at * 4),
    st.sampled_from([0, 1, 5, 12, 13, 24, 40, 100]),
    st.sampled_from(WAYS),
    st.sampled_from(WAITS),
    st.sampled_from([0, 0, 0, 0, 0, 3, 30]),
)
EVENTS = st.lists(EVENT, min_size=2, max_size=40)
PLACES = (
    (("10.0.0.1", 40_000), ("10.0.0.2", 502)),
    (("10.0.0.3", 40_000), ("10.0.0.2", 502)),
    (("10.0.0.1", 50_000), ("10.0.0.4", 5020)),
    (("10.0.0.1", 40_001), ("10.0.0.2", 502)),
)


def capture(events: list[Event], *, running: bool) -> list[tuple[int, bytes, int]]:
    """Frames of some events: time, bytes captured, bytes on the wire."""
    wire = Wire(step=0)
    tcps = [Tcp(wire, ends, (2**32 - 50, 5)) for ends in PLACES]
    frames = []
    follow = {}
    for event in events:
        wire.time += event.wait
        tcp = tcps[event.connection]
        at = event.at
        if running:  # mostly in order: from where the side has come to
            at = follow.get((event.connection, event.side), 0) + (event.at if event.at > 140 else 0)
            follow[event.connection, event.side] = at + event.size
        stream = (ASKS, TELLS)[event.side]
        tcp.sent[1 - event.side] = follow.get((event.connection, 1 - event.side), event.at)
        tcp.packet(event.side, stream[at : at + event.size], event.flags, at=at)
        time, data = wire.frames[-1]
        frames.append((time, data[: max(len(data) - event.cut, 20)], len(data)))
    return frames


def as_pcap(frames: list[tuple[int, bytes, int]]) -> bytes:
    """The frames as a capture, cut by its snap length."""
    return PCAP_HEADER + b"".join(
        struct.pack("<IIII", *divmod(time, SECOND), len(data), wire) + data
        for time, data, wire in frames
    )


SMALL = st.builds(
    Caps,
    connections=st.sampled_from([1, 2, 100]),
    behaviours=st.sampled_from([1, 3, 100]),
    value_cells=st.sampled_from([1, 3, 100]),
    cached_messages=st.sampled_from([1, 100]),
    stations=st.sampled_from([1, 3, 100]),
    facts=st.just(100),
    events_per_hour=st.sampled_from([1, 2, 100]),
    gaps=st.sampled_from([1, 100]),
)


def same_for_all(bench: Bench, content: bytes, batch: int, caps: Caps | None) -> None:
    """The dump does not depend on the way to it."""
    found = bench.dump(content, caps=caps)
    ways = {
        "one by one": {"batch": 1},
        "batches": {"batch": batch},
        "plain": {"all_plain": True},
        "plain in batches, 8-bit hash": {"all_plain": True, "batch": batch, "hash_bits": 8},
        "no cache": {"cache_off": True},
        "checkpoints": {"batch": batch, "checkpoint_s": 0.0, "seed": 7},
    }
    for name, options in ways.items():
        other = bench.dump(content, caps=caps, **options)
        assert not (text := difference(found, other)), f"{name}\n{text}"
    other = bench.grown(content, batch + 4, caps=caps)
    assert not (text := difference(found, other)), f"run by run\n{text}"


@chaos
@given(events=EVENTS, running=st.booleans(), batch=st.integers(2, 9))
def test_chaos(bench: Bench, events: list[Event], batch: int, *, running: bool) -> None:
    """Packets of any order, flags, holes and times give the same dump in any batches."""
    same_for_all(bench, as_pcap(capture(events, running=running)), batch, None)


@chaos
@given(events=EVENTS, running=st.booleans(), batch=st.integers(2, 9), caps=SMALL)
def test_chaos_under_caps(
    bench: Bench, events: list[Event], batch: int, caps: Caps, *, running: bool
) -> None:
    """Where there is room for next to nothing, what is kept still depends on the packets alone."""
    same_for_all(bench, as_pcap(capture(events, running=running)), batch, caps)


@pytest.mark.parametrize("room", range(1, 6))
def test_the_last_places_go_to_who_comes_first(bench: Bench, room: int) -> None:
    """Where behaviours and facts have no room for all, packets decide, whatever protocol they are of."""
    wire = Wire()
    browser = Tcp(wire, (("10.0.0.3", 40_000), ("10.0.0.2", 80)))
    reader = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 502)))
    browser.open()
    reader.open()
    for number in range(1, 4):
        browser.say(CLIENT, b"GET /%d HTTP/1.1\r\nUser-Agent: one %d\r\n\r\n" % (number, number))
        reader.say(CLIENT, request(number, 1, number, 2))
        browser.say(
            SERVER, b"HTTP/1.1 200 OK\r\nServer: other %d\r\nContent-Length: 0\r\n\r\n" % number
        )
        reader.say(SERVER, response(number, 1, [1, 2]))
    content, caps = wire.bytes(), Caps(behaviours=room, facts=room)
    found = bench.dump(content, caps=caps)
    assert len(cells(found, "fact")) == room
    for batch in (1, 5):
        other = bench.dump(content, caps=caps, batch=batch)
        assert not (text := difference(found, other)), text


def test_withdrawn_while_bytes_wait(bench: Bench) -> None:
    """When a claim is withdrawn, what is held behind a hole is still delivered and counted once."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    tcp.say(CLIENT, request(1, 1, 5, 2))
    tcp.say(SERVER, response(1, 1, [1, 2]))
    tcp.packet(CLIENT, b"behind the hole", at=20)
    for number in range(10):
        tcp.say(SERVER, b"no unit of Modbus %d" % number)
    tcp.packet(CLIENT, b"the hole", at=12)
    tcp.packet(CLIENT, b"and more", at=35)
    tcp.sent[CLIENT] = 43
    tcp.packet(SERVER)
    content = wire.bytes()
    found = bench.dump(content)
    row = cells(found, "conversation")[0]
    assert (row["doubtful"], row["malformed"]) == (1, 8)
    assert (row["payload_out"], row["lost_out"], row["resent_out"]) == (43, 0, 0)
    for other in (bench.dump(content, batch=1), bench.grown(content, 7)):
        assert not (text := difference(found, other)), text
