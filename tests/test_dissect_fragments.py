"""Fragments of IP datagrams, joined."""

import json
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from dissect_frames import batch_of, buffer_of
from engine_runs import Bench, Wire, cells
from hypothesis import given, settings
from hypothesis import strategies as st

from otsec.dissect import Fragments, dissect, dissect_datagrams, fragments
from otsec.model import Problem

SECOND = 1_000_000_000
DATA = bytes.fromhex("03e8 07d0 0028 0000") + bytes(range(32))  # UDP, 1000 to 2000, 32 bytes
JOINED_4 = bytes.fromhex("4500 003c 0007 0000 40 11 0000 0a000001 0a000002") + DATA
ADDRESSES_6 = bytes.fromhex("fd000000000000000000000000000001 fd000000000000000000000000000002")
DESTINATION_OPTIONS = bytes.fromhex("2c00 0104 00000000")  # names the fragment header
JOINED_6 = (
    bytes.fromhex("60000000 0030 3c 40") + ADDRESSES_6 + bytes.fromhex("1100 0104 00000000") + DATA
)


def ipv4(start: int, data: bytes, *, more: bool, number: int = 7, options: bytes = b"") -> bytes:
    """An IPv4 fragment of protocol UDP."""
    field = (start >> 3) | (0x2000 if more else 0)
    words = [0x40 + 5 + len(options) // 4 << 8, 20 + len(options) + len(data), number, field]
    header = b"".join(word.to_bytes(2, "big") for word in words)
    return header + bytes.fromhex("40 11 0000 0a000001 0a000002") + options + data


def ipv6(start: int, data: bytes, *, more: bool, number: int = 7) -> bytes:
    """An IPv6 fragment of protocol UDP, behind destination options."""
    length = (len(data) + 16).to_bytes(2, "big")
    fragment = b"\x11\0" + (start | more).to_bytes(2, "big") + number.to_bytes(4, "big")
    fixed = bytes.fromhex("60000000") + length + bytes.fromhex("3c 40") + ADDRESSES_6
    return fixed + DESTINATION_OPTIONS + fragment + data


def add(
    joiner: Fragments, datagrams: Iterable[bytes], times: list[int] | None = None, cut: int = 0
) -> list[tuple[int, bytes]]:
    """Offer datagrams, as one batch of raw IP."""
    frames = list(datagrams)
    wires = [len(frame) for frame in frames]
    batch = batch_of([frame[: len(frame) - cut] for frame in frames], 101, times, wires)
    packets = dissect(batch)
    rows = np.flatnonzero(packets.problem == Problem.FRAGMENT)
    assert len(rows) == len(frames)
    return joiner.add(packets, rows, batch.buffer)


THREE_4 = [
    ipv4(0, DATA[:16], more=True),
    ipv4(16, DATA[16:32], more=True),
    ipv4(32, DATA[32:], more=False),
]
THREE_6 = [
    ipv6(0, DATA[:16], more=True),
    ipv6(16, DATA[16:32], more=True),
    ipv6(32, DATA[32:], more=False),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize(("three", "joined"), [(THREE_4, JOINED_4), (THREE_6, JOINED_6)])
def test_join(order: tuple[int, ...], three: list[bytes], joined: bytes) -> None:
    """Fragments in any order give the whole datagram, at the row that completed it."""
    joiner = Fragments()
    assert add(joiner, (three[at] for at in order)) == [(2, joined)]
    assert joiner.counters == {"fragments": 3, "joined": 1}
    assert joiner.pending == {}
    assert joiner.size == 0


@pytest.mark.parametrize("joined", [JOINED_4, JOINED_6])
def test_joined_datagram_is_dissected(joined: bytes) -> None:
    """A joined datagram is whole for the dissector: ports, and the payload to its end."""
    like = dissect(batch_of([THREE_4[0]], 101))
    packets = dissect_datagrams(buffer_of([joined]), np.array([0]), np.array([len(joined)]), like)
    assert packets.problem.tolist() == [Problem.NONE]
    assert packets.source_port.tolist() == [1000]
    assert packets.payload_wire.tolist() == [32]
    assert joined[int(packets.payload[0]) :] == DATA[8:]


def test_options_of_the_first_fragment_stay() -> None:
    """The header of the first fragment, options and all, is the datagram's."""
    first = ipv4(0, DATA[:16], more=True, options=bytes.fromhex("94040000"))
    joined = bytes.fromhex("4600 0040 0007 0000 40 11 0000 0a000001 0a000002 94040000") + DATA
    assert add(Fragments(), [THREE_4[2], THREE_4[1], first]) == [(2, joined)]


def test_datagrams_do_not_mix() -> None:
    """Fragments of two datagrams, interleaved, are joined each to its own."""
    other = [ipv4(0, b"A" * 16, more=True, number=8), ipv4(16, b"B", more=False, number=8)]
    joined = bytes.fromhex("4500 0025 0008 0000 40 11 0000 0a000001 0a000002") + b"A" * 16 + b"B"
    mixed = [THREE_4[0], other[0], THREE_4[2], other[1], THREE_4[1]]
    assert add(Fragments(), mixed) == [(3, joined), (4, JOINED_4)]


def test_repeated_fragments_change_nothing() -> None:
    """A fragment that comes twice is no overlap."""
    joiner = Fragments()
    assert add(joiner, [THREE_4[0], THREE_4[0], THREE_4[2], THREE_4[1]]) == [(3, JOINED_4)]
    assert joiner.counters == {"fragments": 4, "joined": 1}


@pytest.mark.parametrize(
    ("place", "data", "overlapping"),
    [
        (0, b"\xff" * 8 + DATA[8:], 2),  # before what is there and into it
        (8, DATA, 1),  # within it
        (24, DATA[:32] + b"\xff" * 8, 2),  # into it and behind
    ],
)
def test_overlap_first_wins(place: int, data: bytes, overlapping: int) -> None:
    """Where fragments overlap with other bytes, what came first stays, and it is counted."""
    joiner = Fragments()
    there = ipv4(8, DATA[8:32], more=True)
    false = ipv4(place, b"\xff" * 16, more=True)
    rest = [ipv4(0, DATA[:16], more=True), ipv4(32, DATA[32:], more=False)]
    assert add(joiner, [there, false, *rest]) == [(3, JOINED_4[:20] + data)]
    assert joiner.counters["overlapping"] == overlapping


def test_teardrop() -> None:
    """A last fragment that lies within an earlier one is malformed, and nothing is joined."""
    joiner = Fragments()
    assert add(joiner, [ipv4(0, b"A" * 32, more=True), ipv4(8, b"B" * 4, more=False)]) == []
    assert joiner.counters == {"fragments": 2, "malformed": 1}


@pytest.mark.parametrize(
    "bad",
    [
        ipv4(0, b"A" * 15, more=True),  # not a multiple of eight
        ipv4(8, b"", more=False),  # nothing in it
        ipv4(0xFFF8, b"A" * 16, more=False),  # beyond the longest datagram: ping of death
    ],
)
def test_malformed_fragment(bad: bytes) -> None:
    """A fragment that contradicts the standard is counted and not kept."""
    joiner = Fragments()
    assert add(joiner, [bad]) == []
    assert joiner.counters == {"fragments": 1, "malformed": 1}
    assert joiner.pending == {}


def test_longer_than_any_datagram() -> None:
    """Data that only the options of the first header make too long is malformed, and let go."""
    joiner = Fragments()
    end = ipv4(65_472, bytes(40), more=False)  # 65,532 bytes with its own header
    assert add(joiner, [end, ipv4(0, bytes(65_472), more=True, options=bytes(40))]) == []
    assert joiner.counters == {"fragments": 2, "malformed": 1}
    assert joiner.size == 0


def test_two_ends() -> None:
    """Of two last fragments with different ends the first counts; data behind it is malformed."""
    joiner = Fragments()
    more = [THREE_4[2], ipv4(40, b"X", more=False), ipv4(40, b"Y" * 8, more=True)]
    assert add(joiner, [*more, *THREE_4[:2]]) == [(4, JOINED_4)]
    assert joiner.counters == {"fragments": 5, "malformed": 2, "joined": 1}


def test_cut_fragment() -> None:
    """A fragment that was not captured to its end cannot be joined, and is counted."""
    joiner = Fragments()
    assert add(joiner, THREE_4, cut=1) == []
    assert joiner.counters == {"fragments": 3, "cut": 3}


@pytest.mark.parametrize("later", [31 * SECOND, -31 * SECOND])
def test_time_out(later: int) -> None:
    """Fragments more than 30 s apart, also by a clock set back, are of different datagrams."""
    joiner = Fragments()
    start = 100 * SECOND
    times = [start, start + later, start + later]
    assert add(joiner, THREE_4, times) == []
    assert joiner.counters == {"fragments": 3, "timed_out": 1}
    assert add(joiner, THREE_4[:1], [start + later]) == [(0, JOINED_4)]


def test_cap_on_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap the oldest datagram is given up, and it is counted."""
    monkeypatch.setattr(fragments, "MAX_PENDING", 2)
    joiner = Fragments()
    firsts = [ipv4(0, DATA[:16], more=True, number=number) for number in range(3)]
    add(joiner, firsts)
    assert [key[-1] for key in joiner.pending] == [1, 2]
    assert joiner.counters == {"fragments": 3, "evicted": 1}


def test_cap_on_bytes() -> None:
    """However far apart fragments claim to stand, what waits stays under its cap."""
    joiner = Fragments()
    for number in range(300):
        add(joiner, [ipv4(65_000, b"A" * 8, more=True, number=number)])
        assert joiner.size <= fragments.MAX_PENDING_BYTES
    assert joiner.size == sum(pending.cost() for pending in joiner.pending.values())
    assert joiner.counters["evicted"] == 300 - len(joiner.pending) > 200


def test_dump_and_load() -> None:
    """A joiner goes on from its dump, taken through JSON after any fragment, as if never stopped."""
    joiner = Fragments()
    joined = []
    for one in [*THREE_6[:2], *THREE_4[1:], THREE_6[2], THREE_4[0]]:
        joined += [datagram for _, datagram in add(joiner, [one])]
        state = joiner.dump()
        joiner = Fragments()
        joiner.load(json.loads(json.dumps(state)))
        assert joiner.dump() == state
    assert joined == [JOINED_6, JOINED_4]
    assert joiner.size == 0


@given(st.integers(0, 2**32), st.integers(9, 2_000))
@settings(max_examples=60, deadline=None)
def test_any_cut_any_order_with_repeats(seed: int, size: int) -> None:
    """A datagram cut anywhere, its pieces shuffled, repeated and overlapping, comes out whole."""
    chance = random.Random(seed)
    data = chance.randbytes(size)
    edges = sorted({0, 8, *(chance.randrange((size + 7) >> 3) << 3 for _ in range(8))})
    pieces = [
        ipv4(start, data[start:end], more=end < size)
        for start, end in zip(edges, [*edges[1:], size], strict=True)
    ]
    start = chance.choice(edges[1:])
    pieces.append(ipv4(start, data[start:], more=False))
    pieces += chance.choices(pieces, k=3)
    chance.shuffle(pieces)
    joiner = Fragments()
    joined = [datagram for piece in pieces for _, datagram in add(joiner, [piece])]
    header = bytes.fromhex("4500") + (20 + size).to_bytes(2, "big") + JOINED_4[4:20]
    assert joined[0] == header + data
    assert joiner.counters["overlapping"] == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(1, 6), st.booleans(), st.integers(0, 1)),
        max_size=40,
    )
)
@settings(max_examples=100, deadline=None)
def test_hostile_pieces(pieces: list[tuple[int, int, bool, int]]) -> None:
    """Whatever pieces come, what waits is counted right and spans stay apart and in order."""
    joiner = Fragments()
    for start, size, more, number in pieces:
        last = not more and start > 0  # else it is no fragment
        add(joiner, [ipv4(start * 8, b"x" * size * 8, more=not last, number=number)])
        assert joiner.size == sum(pending.cost() for pending in joiner.pending.values())
        for pending in joiner.pending.values():
            edges = [edge for span in pending.spans for edge in span]
            assert edges == sorted(set(edges))
            assert len(pending.data) == edges[-1]


def test_what_joined_datagrams_came_in_is_counted(tmp_path: Path) -> None:
    """Tunnels that came in fragments count as others do, and each fragment is one frame."""
    bench, wire = Bench(tmp_path), Wire()
    wire.ip("10.0.0.8", "10.0.0.9", 99, b"seen")
    wire.frames += 2 * wire.frames  # a mirror's copies, so that rows are no positions
    inner = bytes.fromhex("4500 0024 0001 0000 40 11 0000 0a000003 0a000004 03e8 07d0 0010 0000")
    body = bytes.fromhex("0000 0800") + inner + bytes(8)
    for number, cut in enumerate((16, len(body))):  # cut in two, and whole
        for start, data in ((0, body[:cut]), (cut, body[cut:])):
            if data:
                more = start + len(data) < len(body)
                word = (start >> 3 | more << 13).to_bytes(2, "big")
                head = b"\x45\0" + (20 + len(data)).to_bytes(2, "big") + bytes([0, number]) + word
                ends = bytes.fromhex("40 2f 0000 0a000001 0a000002")
                macs = bytes.fromhex("01005e000001 020000000001 8100 0005 0800")
                wire.frames.append((wire.time, macs + head + ends + data))
                wire.time += wire.step
    for batch in (1, 2, 7):
        lines = bench.dump(wire.bytes(), batch=batch)
        found = {row["name"]: row["count"] for row in cells(lines, "counter")}
        assert found["duplicate_frames"] == 2
        assert (found["fragments"], found["fragments:joined"], found["seen:gre"]) == (2, 1, 2)
        assert (found["group_frames"], found["tagged"]) == (3, 3)
        frames = {row["address"]: row["frames"] for row in cells(lines, "station")}
        assert frames == {"10.0.0.1": 1, "10.0.0.3": 2, "10.0.0.8": 1}


def test_how_many_wait_is_told_wherever_batches_end(tmp_path: Path) -> None:
    """That fragments waited in between leaves no trace when none waits any more."""
    bench, wire = Bench(tmp_path), Wire()
    for datagram in THREE_4:
        wire.frames.append((wire.time, bytes.fromhex("020000000002 020000000001 0800") + datagram))
        wire.time += wire.step
    assert bench.dump(wire.bytes(), batch=1) == bench.dump(wire.bytes())
