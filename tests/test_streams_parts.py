"""Clock, flows, framing and reassembly against plain loops that do the same one by one."""

from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from engine_runs import HOUR, SECOND, Tcp, Wire
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otsec.dissect import dissect
from otsec.model import ACK, FIN, SYN, PacketBatch, Packets
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Framing
from otsec.streams import reassembly
from otsec.streams.clock import Clock, Step
from otsec.streams.cut import Beginnings, Segments, Status, could_begin, cut_runs
from otsec.streams.flows import find_flows
from otsec.streams.reassembly import HELD_SEGMENTS, HOLE_NS, Assembly, Segment, distance

# ------------------------------------------------------------------------------- clock

WAITS = (
    0,
    1,
    SECOND,
    59 * SECOND,
    -SECOND,
    -60 * SECOND,
    -60 * SECOND - 1,
    24 * HOUR,
    24 * HOUR + 1,
)


def advance_plainly(times: list[int]) -> tuple[list[int], list[int], list[Step]]:
    """Epoch and steady time of each packet, and the steps, one packet at a time."""
    epochs, steadies, steps = [], [], []
    epoch = steady = 0
    latest = last = times[0]
    left: tuple[int, int] | None = None  # the latest time in front of a step, and when that was
    for row, time in enumerate(times):
        if left and abs(time - left[0]) <= SECOND and steady - left[1] <= SECOND:
            epochs.append(epoch)
            steadies.append(steady)
            continue
        if time - last < -60 * SECOND or time - last > 24 * HOUR:
            epoch += 1
            steps.append(Step(row, last, time))
            left, latest = (latest, steady), time
        elif time > latest:
            steady += time - latest
            latest = time
        last = time
        epochs.append(epoch)
        steadies.append(steady)
    return epochs, steadies, steps


@given(st.lists(st.sampled_from(WAITS), min_size=1, max_size=30), st.integers(1, 7))
@example([0, -60 * SECOND - 1, 24 * HOUR + 1], 1)
def test_clock(waits: list[int], batch: int) -> None:
    """The clock of a source says the same of each packet for any batches, also saved between."""
    times = [HOUR * 1000 + at for at in accumulate(waits)]
    clock = Clock()
    epochs, steadies, steps = [], [], []
    for begin in range(0, len(times), batch):
        found = clock.advance(np.array(times[begin : begin + batch], np.int64))
        epochs += found.epoch.tolist()
        steadies += found.steady.tolist()
        steps += [Step(begin + step.row, step.begin, step.end) for step in found.steps]
        state, clock = clock.dump(), Clock()
        clock.load(state)
    assert (epochs, steadies, steps) == advance_plainly(times)
    assert all(one <= other for one, other in pairwise(steadies))


@pytest.mark.parametrize(
    ("wait", "kind"),
    [
        (-60 * SECOND, ""),
        (-60 * SECOND - 1, "clock_back"),
        (24 * HOUR, ""),
        (24 * HOUR + 1, "clock_ahead"),
    ],
)
def test_clock_steps(wait: int, kind: str) -> None:
    """A minute back or a day ahead is disorder or silence; a nanosecond more is a step."""
    steps = Clock().advance(np.array([10 * HOUR, 10 * HOUR + wait], np.int64)).steps
    assert [step.kind for step in steps] == ([kind] if kind else [])


# ------------------------------------------------------------------------------- flows

HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.255")
SENT = st.tuples(
    st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.sampled_from([1, 502]),
    st.sampled_from([1, 502]), st.booleans(), st.integers(0, 3), st.sampled_from(["A", "S", "FA"]),
)  # fmt: skip


def packets_of(sent: list[tuple[str, str, int, int, bool, int, str]]) -> Packets:
    """Packets as the engine sees them, dissected."""
    wire = Wire()
    at: dict[tuple[str, str, int, int], int] = {}
    for source, target, port, other, tcp, size, flags in sent:
        if not tcp:
            wire.udp((source, port), (target, other), bytes(size))
            continue
        name = source, target, port, other
        talk = Tcp(wire, ((source, port), (target, other)))
        talk.packet(0, bytes(size), flags, at=at.get(name, 0))
        at[name] = at.get(name, 0) + size + ("S" in flags) + ("F" in flags)
    frames = [data for _, data in wire.frames]
    end = np.cumsum([len(data) for data in frames])
    size = np.array([len(data) for data in frames])
    buffer = np.frombuffer(b"".join(frames), np.uint8)
    times = np.array([time for time, _ in wire.frames])
    return dissect(PacketBatch(0, 1, buffer, end - size, size, size, times), {})


@given(st.lists(SENT, min_size=1, max_size=30), st.sampled_from([8, 64]))
def test_flows(sent: list[tuple[str, str, int, int, bool, int, str]], bits: int) -> None:
    """Lanes are the packets of one direction in order, flows are both directions of one talk."""
    flows = find_flows(packets_of(sent), 1, bits)
    plain: dict[object, list[int]] = {}
    for row, (source, target, port, other, tcp, _, _) in enumerate(sent):
        plain.setdefault((source, target, port, other, tcp), []).append(row)
    lanes = [
        flows.order[begin : begin + count].tolist()
        for begin, count in zip(flows.lane_start.tolist(), flows.lane_count.tolist(), strict=True)
    ]
    assert sorted(lanes) == sorted(plain.values())
    talks: dict[object, list[int]] = {}
    for (source, target, port, other, tcp), rows in plain.items():
        ends = frozenset([(source, port), (target, other)])
        talks.setdefault((ends, tcp), []).extend(rows)
    found = [
        sorted(flows.rows_of_lanes(lanes[lanes >= 0])[0].tolist()) for lanes in flows.flow_lanes
    ]
    assert sorted(found) == sorted(sorted(rows) for rows in talks.values())
    for flow, rows in enumerate(found):
        assert (flows.flow_first[flow], flows.flow_last[flow]) == (rows[0], rows[-1])
    for lane, rows in enumerate(lanes):
        assert flows.lane_payload[lane] == sum(sent[row][5] for row in rows)
        tcp = sent[rows[0]][4]
        late_syn = any("S" in sent[row][6] and _moves(sent[row]) for row in rows[1:])
        assert flows.lane_in_order[lane] == (not tcp or not late_syn or not _before(sent, rows))


def _moves(one: tuple[str, str, int, int, bool, int, str]) -> bool:
    return one[4] and (one[5] > 0 or one[6] != "A")


def _before(sent: list[tuple[str, str, int, int, bool, int, str]], rows: list[int]) -> bool:
    """Whether anything with content stands in front of a SYN of the lane."""
    seen = False
    for row in rows:
        if seen and "S" in sent[row][6]:
            return True
        seen |= _moves(sent[row])
    return False


# ------------------------------------------------------------------------------- framing

LENGTHS = np.dtype([("length", "u1"), ("check", "u1")])
TOY = Framing(  # length of the frame, twice
    "toy",
    LENGTHS,
    lambda _buffer, _start, _end, header: np.where(
        header["length"] == header["check"], header["length"].astype(np.int64), 0
    ),
    longest=9,
)
Cut = list[tuple[int, int, int, Status]]


def cut_plainly(runs: list[list[tuple[bytes, int]]]) -> tuple[Cut, list[int]]:
    """Frames as (segment, start, end, status), and where each run's open frame begins.

    ``runs``: the segments of each run as bytes at hand and size.
    """
    frames: Cut = []
    opens = []
    base = number = 0
    for run in runs:
        data = b"".join(part + bytes(size - len(part)) for part, size in run)
        stops = list(accumulate(size for _, size in run))
        begins = [0, *stops[:-1]]
        lacks = [
            begin + len(part)
            for begin, (part, size) in zip(begins, run, strict=True)
            if len(part) < size
        ]
        at = 0
        while at < len(data):
            segment = next(n for n, stop in enumerate(stops) if stop > at)
            lack = min((one for one in lacks if one >= begins[segment]), default=len(data))
            shown = next((stop for stop in stops if stop >= min(at + 2, lack + 1)), None)
            if at + 2 > lack:  # a byte of the header lacks: given up with the segment that lacks it
                if lack == len(data):
                    break
                end, status = shown, Status.TRUNCATED
            elif data[at] != data[at + 1] or not 2 <= data[at] <= 9:
                end, status = shown, Status.MALFORMED
            elif at + data[at] > len(data):
                break
            else:
                end = at + data[at]
                status = Status.TRUNCATED if end > lack else Status.WHOLE
            frames.append((number + segment, base + at, base + min(end, lack), status))
            at = end
        opens.append(base + at)
        base += len(data)
        number += len(run)
    return frames, opens


PIECE = st.lists(
    st.sampled_from([b"\2\2", b"\3\3x", b"\5\5xyz", b"\1", b"\3", b"\7\7"]), max_size=4
)
SEGMENT = st.tuples(PIECE.map(b"".join), st.sampled_from([0, 0, 0, 0, 1, 3]))
RUNS = st.lists(st.lists(SEGMENT, min_size=1, max_size=8), min_size=1, max_size=4)


@given(st.lists(st.binary(max_size=9), max_size=20), st.sampled_from([0, 1, 52]))
@example([bytes([0, 0, 0, 0, 0, 6, 1, 3]), b"\3\0\0\x16\x11\xe0", b"\x05", b""], 52)
def test_beginnings_are_those_of_each_framing(spans: list[bytes], many: int) -> None:
    """What all framings say of the first bytes of spans at once is what each says alone."""
    framings = [one.base for protocol in PROTOCOLS for one in protocol.framings][:many]
    word = np.array([int.from_bytes(one[:8], "little") for one in spans], np.uint64)
    size = np.array([len(one) for one in spans], np.int64)
    found = Beginnings(framings).of(word, size)

    assert found.shape == (len(spans), len(framings))
    for number, framing in enumerate(framings):
        assert found[:, number].tolist() == could_begin(framing, word, size).tolist()


@settings(max_examples=300)
@given(RUNS)
@example([[(b"\3", 0), (b"\3", 0), (b"x\2\2", 0)]])
@example([[(b"\2\2\3", 0), (b"\1\2\2", 0), (b"\2\2", 0)]])
def test_cut_runs(drawn: list[list[tuple[bytes, int]]]) -> None:
    """Guess, verify and redo gives the frames that reading byte by byte gives."""
    runs = [[(part, len(part) + less) for part, less in run if part or less] for run in drawn]
    runs = [run for run in runs if run]
    if not runs:
        return
    columns, owner, chunks, base = [], [], [], 0
    for number, run in enumerate(runs):
        limit = base + sum(size for _, size in run)
        lacks, at = [], base
        for part, size in run:
            lacks += [at + len(part)] if len(part) < size else []
            at += size
        at = base
        for part, size in run:
            end = min((one for one in lacks if one >= at), default=limit)
            columns.append((len(columns), number, at, end, at + size, limit))
            owner.append(number)
            chunks.append(part + bytes(size - len(part)))
            at += size
        base = limit
    buffer = np.frombuffer(b"".join(chunks), np.uint8)
    segments = Segments(buffer, *np.array(columns, np.int64).T)
    found = cut_runs(segments, np.array(owner), TOY)
    rows = zip(
        found.segment.tolist(), found.start.tolist(), found.end.tolist(),
        map(Status, found.status.tolist()), strict=True,
    )  # fmt: skip
    frames, opens = cut_plainly(runs)
    assert list(rows) == frames
    ends = [int(segments.limit[owner.index(number)]) for number in range(len(runs))]
    for number, (open_, end) in enumerate(zip(opens, ends, strict=True)):
        mine = [at for at, one in enumerate(owner) if one == number]
        left = [int(found.exit[at]) for at in mine if found.exit[at] < segments.stop[at]]
        assert left == ([open_] if open_ < end else [])


# ------------------------------------------------------------------------------- reassembly

STREAM = bytes(range(256))


def segment(at: int, size: int, row: int = 0, **more: int) -> Segment:
    """A segment of the stream, from side 0; sequence numbers wrap after 100 bytes."""
    seq = at - 100 & 0xFFFFFFFF
    one = Segment(row, 0, 0, seq, 0, 0, STREAM[at : at + size], size)
    return replace(one, **more)


def feed(
    segments: list[Segment], expected: int = -100 & 0xFFFFFFFF
) -> tuple[Assembly, list[bytes]]:
    """Runs of bytes that come out, broken where something lacks; saved after each segment."""
    assembly = Assembly((expected, -1))
    runs = [b""]
    for one in segments:
        for delivery in assembly.feed(one):
            if delivery.broken:
                runs.append(b"")
            runs[-1] += delivery.data
            assert delivery.row == one.row
        lost, resent = [[getattr(s, name) for s in assembly.streams] for name in ("lost", "resent")]
        assembly = Assembly.load(assembly.dump())
        for stream, less, more in zip(assembly.streams, lost, resent, strict=True):
            stream.lost, stream.resent = less, more
    return assembly, runs


PARTS = st.lists(st.tuples(st.integers(0, 199), st.integers(1, 56)), min_size=1, max_size=25)


@given(PARTS)
def test_reassembly(parts: list[tuple[int, int]]) -> None:
    """Of pieces in any order comes out what is whole from the front; repeats are counted."""
    assembly, runs = feed([segment(at, size, row) for row, (at, size) in enumerate(parts)])
    known = {byte for at, size in parts for byte in range(at, at + size)}
    whole = next(byte for byte in range(257) if byte not in known)
    assert runs == [STREAM[:whole]]
    stream = assembly.streams[0]
    held = sum(size for _, size in stream.held.values())
    assert stream.lost == 0
    assert assembly.waits == any(byte > whole for byte in known)
    assert stream.resent + whole + held == sum(size for _, size in parts)


def test_hole_is_given_up_in_time() -> None:
    """What lacks is waited for ten seconds, then what comes is told to stand behind a hole."""
    early = [segment(0, 10), segment(20, 10, 1), segment(30, 5, 2, steady=HOLE_NS)]
    assert feed(early)[1] == [STREAM[:10]]
    assembly, runs = feed([*early, segment(35, 5, 3, steady=HOLE_NS + 1)])
    assert runs == [STREAM[:10], STREAM[20:40]]
    assert assembly.streams[0].lost == 10


def test_acknowledged_holes_are_lost() -> None:
    """What the other side confirms has arrived there, so the capture lacks it for ever."""
    ack = Segment(2, 1, 1, 5, -100 + 25 & 0xFFFFFFFF, ACK, b"", 0)
    assembly, runs = feed([segment(0, 10), segment(20, 10, 1), ack])
    assert runs == [STREAM[:10], STREAM[20:30]]
    assert assembly.streams[0].lost == 10


def test_acknowledged_at_the_same_time() -> None:
    """Where the clock is too coarse to tell what came first, a hole waits until it ticks."""
    before = [
        segment(0, 10),
        segment(20, 10, 1),
        Segment(2, 1, 0, 5, -70 & 0xFFFFFFFF, ACK, b"", 0),
    ]

    assembly, runs = feed([*before, segment(10, 10, 3)])
    assert (runs, assembly.streams[0].lost) == ([STREAM[:30]], 0)
    assembly, runs = feed([*before, segment(30, 10, 3, steady=1)])
    assert (runs, assembly.streams[0].lost) == ([STREAM[:10], STREAM[20:40]], 10)


def test_held_segments_are_capped() -> None:
    """A hole that is never filled holds no more than its cap: the oldest piece is let through."""
    flood = [segment(2 + at % 250, 1, at + 1, seq=2 * at + 1) for at in range(HELD_SEGMENTS + 1)]
    assembly = Assembly((0, -1))
    out = [delivery for one in flood for delivery in assembly.feed(one)]
    assert [(delivery.size, delivery.broken) for delivery in out] == [(1, True)]
    assert len(assembly.streams[0].held) == HELD_SEGMENTS
    assert assembly.streams[0].lost == 1


def test_many_holes_cost_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment behind hundreds of holes is put in its place without a look at all that wait."""
    looks = 0

    def counted(one: int, other: int) -> int:
        nonlocal looks
        looks += 1
        return distance(one, other)

    monkeypatch.setattr(reassembly, "distance", counted)
    assembly = Assembly((0, -1))
    holes = 4 * HELD_SEGMENTS
    for at in range(holes):
        assembly.feed(segment(2 + at % 250, 1, at + 1, seq=2 * at + 1))
    assert len(assembly.streams[0].held) == HELD_SEGMENTS
    assert looks < holes * 4 * HELD_SEGMENTS.bit_length()


@pytest.mark.parametrize(
    ("flags", "seq", "anew"),
    [(SYN, 99, False), (SYN, 98, True), (SYN, 5000, True), (ACK, 98, False), (FIN, 5000, False)],
)
def test_syn_of_another_connection(flags: int, seq: int, *, anew: bool) -> None:
    """A SYN whose number does not fit opens another connection; the same SYN again does not."""
    assembly = Assembly((100, -1))
    assert assembly.begins_anew(Segment(0, 0, 0, seq, 0, flags, b"", 0)) is anew
