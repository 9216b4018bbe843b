"""Packets that were written a little out of order are read in order of their time stamps."""

import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from capture_bytes import (
    START,
    Packet,
    enhanced,
    interface,
    option,
    packets_of,
    pcap,
    pcap_header,
    pcap_record,
    read_all,
    section,
    simple,
    statistics,
)
from engine_runs import CLIENT, SERVER, Tcp, Wire, analyse, as_pcap, request, response
from evidence_runs import evidence
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otsec.capture import contract, in_time, open_capture
from otsec.evidence.captures import Library
from otsec.store import open_store
from otsec.store.references import taps

US, MS = 1_000, 1_000_000
SMALL = 8  # instead of REACH, so that stretches are soon too long
SET_BACK_NS = 5 * MS


@contextmanager
def small() -> Iterator[None]:
    """Stretches of a few records are long, and read in little pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_time, "SET_BACK_NS", SET_BACK_NS)
        patch.setattr(in_time, "REACH", SMALL)
        patch.setattr(contract, "REACH", SMALL)
        patch.setattr(contract, "MAX_ENDS", 2)
        patch.setattr(contract, "LEAST_PIECE", 64)  # bytes: a record at least
        patch.setattr(contract, "USUAL_RECORD", 20)
        yield


def in_order(times: Sequence[int], places: Sequence[int]) -> list[int]:
    """Which records are read, one behind the other: the same said as simply as possible.

    ``places``: where they stand among the records of all interfaces.
    """
    segments: list[list[int]] = []
    for number, time in enumerate(times):
        if not number or times[number - 1] - time > SET_BACK_NS:
            segments.append([])
        segments[-1].append(number)
    order = []
    for segment in segments:
        cuts = [
            at
            for at in range(len(segment) + 1)
            if not segment[:at]
            or not segment[at:]
            or max(times[n] for n in segment[:at]) <= min(times[n] for n in segment[at:])
        ]
        for begin, end in pairwise(cuts):
            part = segment[begin:end]
            is_long = places[part[-1]] - places[part[0]] >= SMALL
            order += part if is_long else sorted(part, key=lambda n: times[n])
    return order


def read_in_pieces(path: Path, batch: int, *, again: bool) -> list[Packet]:
    """All packets; ``again``: by a new reader behind each chunk."""
    packets: list[Packet] = []
    state = None
    while True:
        reader = open_capture(path, batch_packets=batch, state=state, in_time=True)
        came = False
        for chunk in reader.chunks():
            packets += packets_of(chunk)
            came = True
            if again:
                break
        state = reader.state()
        reader.close()
        if not again or not came:
            return packets


def disorder(seed: int) -> list[int]:
    """Time stamps of sixty records: more or less of them late, clocks set, or not in agreement.

    None comes behind as many as REACH that were stamped after it.
    """
    dice = random.Random(seed)
    share, most, set_back = dice.random(), dice.randrange(1, 5), dice.choice([0, 0.05, 0.2])
    times: list[int] = []
    now, since_set = START * 10**9, 0
    for _ in range(60):
        now += dice.choice([0, MS, MS, MS + 1])
        if dice.random() < set_back:
            now += dice.choice([-30 * MS, 30 * MS, -SET_BACK_NS])
        time = now - dice.randrange(most + 1) * MS * (dice.random() < share)
        if times and times[-1] - time > SET_BACK_NS:
            since_set = len(times)
        if sum(before > time for before in times[since_set:]) >= SMALL:
            time = now = max(times[since_set:])
        times.append(time)
    return times


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 9), st.integers(0, 1), st.booleans())
def test_any_disorder(
    tmp_path_factory: pytest.TempPathFactory, seed: int, batch: int, kind: int, again: bool
) -> None:
    """Whatever the batches, and wherever reading went on, order is that of time within stretches."""
    times = disorder(seed)
    contents = [number.to_bytes(4, "big") for number in range(len(times))]
    path = tmp_path_factory.mktemp("any") / "x.pcap"
    if kind:
        blocks = (enhanced(0, time // US, data) for time, data in zip(times, contents, strict=True))
        path.write_bytes(section() + interface() + b"".join(blocks))
    else:
        path.write_bytes(pcap(list(zip(times, contents, strict=True)), magic=0xA1B23C4D))
    told = [time // US * US if kind else time for time in times]

    with small():
        packets = read_in_pieces(path, batch, again=again)

    assert [(time, data) for _, time, _, data in packets] == [
        (told[number], contents[number]) for number in in_order(told, range(len(told)))
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 1 << 12), max_size=4),
)
def test_files_that_grow(
    tmp_path_factory: pytest.TempPathFactory, seed: int, batch: int, other: int, cuts: list[int]
) -> None:
    """What was read of a file while it grew comes in the same order when it is read again."""
    times = disorder(seed)
    contents = [number.to_bytes(4, "big") for number in range(len(times))]
    whole = pcap(list(zip(times, contents, strict=True)), magic=0xA1B23C4D)
    path = tmp_path_factory.mktemp("grown") / "x.pcap"
    packets: list[Packet] = []
    state = None
    with small():
        for end in [*sorted(cut for cut in cuts if 24 <= cut < len(whole)), len(whole)]:
            path.write_bytes(whole[:end])
            reader = open_capture(path, batch_packets=batch, state=state, in_time=True)
            packets += read_all(reader).packets
            state = reader.state()
        again = read_all(open_capture(path, batch_packets=other, like=state)).packets

    assert again == packets
    assert sorted(data for *_, data in packets) == contents


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 6), st.booleans())
@example(
    seed=4760, batch=1, again=False
)  # no place between stretches for longer than the look ahead
def test_interfaces(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    batch: int,
    again: bool,
) -> None:
    """Each interface is put in order by itself, between blocks of other kinds; one starts late."""
    dice = random.Random(seed)
    late, blocks = dice.choice([0, 3500, 6500]), [interface()]
    told: list[list[tuple[int, bytes, int]]] = [[], [], []]
    for number in range(90):
        if number in {0, 50}:
            blocks.append(interface())
        lane = dice.randrange(2 if number <= 50 else 3)
        time = START * 10**6 + number * 1000 - dice.choice([0, late, late, 1500])
        time += lane * 3_600_000_000  # its clock is hours off
        data = number.to_bytes(4, "big")
        told[lane].append((time * US, data, len(blocks)))
        blocks.append(enhanced(lane, time, data))
        if dice.random() < 0.1:
            blocks.append(statistics(lane, time, number))
    path = tmp_path_factory.mktemp("lanes") / "x.pcapng"
    path.write_bytes(section() + b"".join(blocks))

    with small():
        packets = read_in_pieces(path, batch, again=again)

    for number, mine in enumerate(told):
        times, _, places = zip(*mine, strict=True)
        expected = [mine[at][:2] for at in in_order(times, places)]
        assert [(t, data) for one, t, _, data in packets if one == number] == expected


def test_as_they_stand(tmp_path: Path) -> None:
    """The order written is kept where nobody asks for another, and where packets tell theirs.

    Simple packets have no time; a sensor numbers what it records, which is judged as it came.
    """
    times = [START * 10**9 + at * MS for at in (0, 3, 1, 2, 9)]
    packets = [(time, bytes([at])) for at, time in enumerate(times)]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(packets))
    other = tmp_path / "y.pcapng"
    blocks = [enhanced(0, time // US, data) for time, data in packets]
    other.write_bytes(section() + interface() + b"".join([*blocks[:3], simple(b"s"), *blocks[3:]]))

    def order(**options: bool) -> bytes:
        return b"".join(data for *_, data in read_all(open_capture(path, **options)).packets)

    assert order() == bytes([0, 1, 2, 3, 4])
    assert order(in_time=True) == bytes([0, 2, 3, 1, 4])
    recorded = tmp_path / "z.pcapng"
    blocks = [
        enhanced(0, time // US, data, options=option(5, at.to_bytes(8, "little")) + option(0, b""))
        for at, (time, data) in enumerate(packets)
    ]
    recorded.write_bytes(section() + interface() + b"".join(blocks))
    numbered = read_all(open_capture(recorded, in_time=True)).packets
    assert b"".join(data for *_, data in numbered) == bytes([0, 1, 2, 3, 4])
    mixed = read_all(open_capture(other, in_time=True)).packets
    assert b"".join(data for *_, data in mixed) == b"\0\1\2s\3\4"


def test_appended_files(tmp_path: Path) -> None:
    """A file header in the midst of records, as `cat` leaves it, is no packet and stays there."""
    times = [START * 10**9 + at * MS for at in (0, 3, 1, 2)]
    records = [pcap_record(time, bytes([at])) for at, time in enumerate(times)]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap_header() + b"".join([*records[:2], pcap_header(), *records[2:]]))

    packets = read_all(open_capture(path, in_time=True)).packets

    assert [data for *_, data in packets] == [b"\0", b"\2", b"\3", b"\1"]


def session() -> Wire:
    """A client that reads forty times, a request each 400 us."""
    wire = Wire()
    one = Tcp(wire)
    one.open()
    for number in range(40):
        one.say(CLIENT, request(number, 1, number, 2))
        one.say(SERVER, response(number, 1, [number, 7]))
    wire.frames = [
        (wire.frames[0][0] + 200_000 * at, data) for at, (_, data) in enumerate(wire.frames)
    ]
    return wire


def spoiled(wire: Wire) -> list[tuple[int, bytes]]:
    """Its frames with their times, written up to 3 ms late."""
    dice = random.Random(3)
    return sorted(wire.frames, key=lambda frame: frame[0] + dice.randrange(3 * MS))


def test_nothing_else_is_seen(tmp_path: Path) -> None:
    """A store of a capture written in disorder is that of the capture in order."""
    wire = session()
    dumps = []
    for name, frames in (("a", wire.frames), ("b", spoiled(wire))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.pcap").write_bytes(as_pcap(frames))
        dumps.append(
            [
                line
                for line in analyse([folder / "x.pcap"], folder / "x.db").dump
                if not line.startswith(("capture", "source"))
            ]
        )

    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 20


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark")
def test_evidence(tmp_path: Path) -> None:
    """Evidence is the packets meant, and tells the number that Wireshark shows of each."""
    frames = spoiled(session())
    path = tmp_path / "x.pcap"
    path.write_bytes(as_pcap(frames))
    analyse([path], tmp_path / "test.db", batch=16)
    in_file = {data: number for number, (_, data) in enumerate(frames, 1)}
    by_time = sorted(frames, key=lambda frame: frame[0])

    with open_store(tmp_path / "test.db", readonly=True) as store:
        (tap,) = taps(store)
        found = Library(store).frames(tap, np.arange(10, 60))
    evidence(tmp_path / "test.db", tmp_path / "out.pcapng", "tap:20")

    assert [one.data for one in found] == [data for _, data in by_time[10:60]]
    assert [one.number for one in found] == [in_file[data] for _, data in by_time[10:60]]
    fields = ["-T", "fields", "-e", "frame.number", "-e", "tcp.payload"]
    told = subprocess.run(
        ["tshark", "-n", "-r", path, *fields], capture_output=True, check=True, text=True
    ).stdout.splitlines()
    for one in found:
        number, payload = f"{told[one.number - 1]}\t".split("\t")[:2]
        assert (int(number), bytes.fromhex(payload)) == (one.number, one.data[54:])
