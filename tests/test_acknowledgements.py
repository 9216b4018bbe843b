"""Acknowledgements of IEC 60870-5-104: what columns find is what a plain walk over the units finds."""

import struct
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from engine_runs import MS, SECOND, Bench, cells, difference

OWN = Path(__file__).parents[1] / "pcaps"
sys.path.insert(0, str(OWN / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - the generators' own

HOSTS = (Host("centre", "00:60:e9:00:00:01", "10.0.0.1"), Host("rtu", "00:60:e9:00:00:02", "10.0.0.2"))  # fmt: skip
DATA = bytes.fromhex("0b0103000b00bc0200000000")  # one scaled value
ROUND, K, W = 1 << 15, 12, 8
T1, T2, T3 = (seconds * SECOND for seconds in (15, 10, 20))
CENTRE, RTU = False, True  # whether it is the server who speaks


@dataclass(frozen=True, slots=True)
class Said:
    """One unit: when, by whom, its number and what it acknowledges; -1: none."""

    ms: int
    by_server: bool
    sent: int = -1
    upto: int = -1
    lost: bool = False  # by the capture

    @property
    def unit(self) -> bytes:
        """Its bytes: I, S, or a test."""
        if self.sent >= 0:
            return bytes([0x68, 4 + len(DATA)]) + struct.pack("<HH", self.sent << 1, self.upto << 1) + DATA  # fmt: skip
        if self.upto >= 0:
            return b"\x68\x04\x01\x00" + struct.pack("<H", self.upto << 1)
        return b"\x68\x04\x43\x00\x00\x00"


def captured(folder: Path, said: Iterable[Said]) -> bytes:
    """The units as a capture, each in a segment."""
    tape = Tape()
    link = Connection(tape, *HOSTS, 50_000, 2404)
    link.open(START - 1_000_000)
    for one in said:
        (link.answer if one.by_server else link.ask)(START + one.ms * 1_000, one.unit)
        if one.lost:
            tape.records.pop()
    tape.write(folder / "said.pcap")
    return (folder / "said.pcap").read_bytes()


def verdicts(dump: list[str]) -> Counter[tuple[str, str]]:
    """How often each verdict was given of each side, counters left out."""
    return Counter(
        {
            (row["speaker"], row["verdict"]): row["count"]
            for row in cells(dump, "sequence")
            if row["verdict"] not in {"skips", "repeats", "returns", "restarts"}
        }
    )


# ----------------------------------------------------------------------- the plain walk


@dataclass
class End:
    """One side, as far as it was heard."""

    name: str
    heard: int = -1
    upto: int = -1
    when_acked: int = 0
    sent: dict[int, int] = field(default_factory=dict)  # times by number
    last: int = -1
    told: set[str] = field(default_factory=set)


def plainly(said: Iterable[Said]) -> Counter[tuple[str, str]]:
    """The verdicts over a talk of which nothing was lost and all numbers of which follow."""
    ends = End("client"), End("server")
    found: Counter[tuple[str, str]] = Counter()
    for one in said:
        now, me, partner = one.ms * MS, ends[one.by_server], ends[not one.by_server]
        if me.heard >= 0 and now - me.heard > T3 + T1:
            found[me.name, "t3"] += 1
        if me.upto >= 0 and partner.last >= 0:
            late = _late(now, me, partner)
            for verdict in late - me.told - ({"t2"} if "t1" in late - me.told else set()):
                found[(partner if verdict == "k" else me).name, verdict] += 1
            me.told = late
        if me.upto >= 0 and one.upto >= 0 and (one.upto - me.upto) % ROUND >= ROUND // 2:
            found[me.name, "acks_back"] += 1
        if one.sent >= 0:
            wrong = me.last >= 0 and partner.upto >= 0
            if wrong and 0 < (partner.upto - one.sent) % ROUND < ROUND // 2:
                found[partner.name, "acks_unsent"] += now - partner.when_acked > 100 * MS
            me.sent[one.sent] = now
            me.last = one.sent
        if one.upto >= 0:
            me.told = me.told if one.upto == me.upto else set()
            me.upto, me.when_acked = one.upto, now
        me.heard = now
    return +found


def _late(now: int, me: End, partner: End) -> set[str]:
    waiting = (partner.last + 1 - me.upto + ROUND // 2) % ROUND - ROUND // 2
    late = {"k"} if waiting > K else set()
    for verdict, further, most in (("t1", 0, T1), ("t2", 0, T2), ("w", W - 1, SECOND)):
        since = partner.sent.get((me.upto + further) % ROUND)
        if further < waiting <= 32 and since is not None and now - since > most:
            late.add(verdict)
    return late


def talk(random: Random, *, honest: bool) -> list[Said]:
    """Two that send, acknowledge and test, at times that are near all limits."""
    said: list[Said] = []
    ms, sent, seen = 0, [ROUND - 20, 3], [3, ROUND - 20]  # who sends first goes round soon
    for _ in range(300):
        ms += random.choice((30, 200, 2_000) if honest else (30, 500, 2_000, 9_000, 18_000, 40_000))
        side = random.random() < 0.5
        mine, other = int(side), int(not side)
        if honest or random.random() < 0.1:
            seen[mine] = sent[other]
        upto = seen[mine]
        if not honest and random.random() < 0.04:
            upto = (upto + random.choice((-3, 2, 5))) % ROUND
        kind = random.choice("iiisu")
        if honest and kind == "u":
            kind = "s"
        said.append(Said(ms, side, sent[mine] if kind == "i" else -1, upto if kind in "is" else -1))
        sent[mine] = (sent[mine] + (kind == "i")) % ROUND
    return said


@pytest.mark.parametrize("seed", range(6))
def test_columns_find_what_a_plain_walk_finds(tmp_path: Path, seed: int) -> None:
    """All verdicts over talks at the limits of windows and times, for any size of batches."""
    said = talk(Random(seed), honest=False)
    content = captured(tmp_path, said)
    bench = Bench(tmp_path)
    dump = bench.dump(content)
    assert verdicts(dump) == plainly(said)
    assert {verdict for _, verdict in plainly(said)} > {"t1", "t2", "t3", "acks_back", "k"}
    for options in ({"batch": 7}, {"batch": 64}, {"all_plain": True, "batch": 50}):
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 60))


@pytest.mark.parametrize("seed", range(4))
def test_what_the_capture_lost_is_nobodys_fault(tmp_path: Path, seed: int) -> None:
    """Who keeps all windows and times is told of nothing, whatever packets the capture lacks."""
    random = Random(seed)
    said = talk(random, honest=True)
    assert not plainly(said)
    some = [Said(one.ms, one.by_server, one.sent, one.upto, random.random() < 0.2) for one in said]
    bench = Bench(tmp_path)
    content = captured(tmp_path, some)
    dump = bench.dump(content)
    assert not verdicts(dump)
    assert not difference(dump, bench.dump(content, batch=5))
    one_way = [Said(one.ms, one.by_server, one.sent, one.upto, one.by_server) for one in said]
    assert not verdicts(bench.dump(captured(tmp_path, one_way)))
    mute = [Said(one.ms, one.by_server, one.sent, one.upto, 90 < at < 210) for at, one in enumerate(said)]  # fmt: skip
    assert not verdicts(bench.dump(captured(tmp_path, mute)))


@pytest.mark.parametrize(("late_ms", "expected"), [(150, {("client", "acks_unsent"): 1}), (60, {})])
def test_taps_that_change_places(
    tmp_path: Path, late_ms: int, expected: dict[tuple[str, str], int]
) -> None:
    """A unit that the tap shows a little behind its acknowledgement was not foretold."""
    said = [
        Said(0, RTU, 0, 0), Said(10, CENTRE, -1, 1), Said(500, CENTRE, -1, 2),
        Said(500 + late_ms, RTU, 1, 0), Said(2_000, RTU, 2, 0),
    ]  # fmt: skip
    assert verdicts(Bench(tmp_path).dump(captured(tmp_path, said))) == expected
