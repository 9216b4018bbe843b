"""Paths, silences, volumes and rhythms are the same however a capture is read, and they add up."""

import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from engine_runs import (
    CLIENT,
    HOUR,
    SECOND,
    SERVER,
    START,
    Bench,
    Tcp,
    Wire,
    analyse,
    as_pcap,
    cells,
    difference,
    write,
)
from outage_plants import announced, frame

from otsec.aggregates.paths import LEAST_NS, NEWS, OFTEN, YOUNG_NS
from otsec.config import Keep
from otsec.store import open_store
from otsec.store.retention import retire
from otsec.store.timing import announcements, loud, newest_hour, paths, rhythms, volumes

ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PLANT = Path(__file__).parents[1] / "pcaps" / "plant" / "ten_minutes.pcap"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("timing"))


def irregular(seed: int) -> list[tuple[int, bytes]]:
    """Hosts that speak now and then for some hours, with pauses of all lengths."""
    random, frames = Random(seed), []
    for source, target in ((ONE, TWO), (TWO, ONE), (ONE, THREE), (THREE, ONE)):
        time = START
        while time < START + 9 * HOUR:
            time += int(random.paretovariate(0.9) * 9 * SECOND)
            frames.append(frame(time, source, target, bytes(random.randrange(40))))
    return sorted(frames)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_however_it_is_read(bench: Bench, seed: int) -> None:
    """Neither batches, checkpoints, runs nor hashes show in silences, volumes and paths."""
    content = as_pcap(irregular(seed))
    found = bench.dump(content)

    assert sum(line.startswith("silence") for line in found) > 20
    for options in (
        {"batch": 1},
        {"batch": 7},
        {"batch": 64, "checkpoint_s": 0.0},
        {"hash_bits": 8, "seed": 3},
    ):
        assert not difference(found, bench.dump(content, **options)), options
    assert not difference(found, bench.grown(content, 300))


def test_which_silences_are_kept(bench: Bench) -> None:
    """As a plain reading of the rule gives them: sender by sender, one packet after the other."""
    frames = irregular(4)
    lines = bench.dump(as_pcap(frames))

    times: dict[str, list[int]] = defaultdict(list)
    for time, content in frames:
        times[".".join(map(str, content[30:34]))].append(time)
    wanted = []
    for sender, mine in times.items():
        usual, longer = LEAST_NS, []
        for before, after in pairwise(sorted(mine)):
            if after - before <= usual:
                continue
            if after - before > NEWS * usual and before - mine[0] >= YOUNG_NS:
                wanted.append((sender, before, after, usual))
            longer.append(after - before)
            if len(longer) == OFTEN:
                usual, longer = max(usual * 3 // 2, sum(longer) // OFTEN), []
    kept = [
        (one["sender"], one["begin_time"], one["end_time"], one["least_ns"])
        for one in cells(lines, "silence")
        if not one["receiver"]
    ]
    assert len(kept) > 5
    assert sorted(kept) == sorted(wanted)


def test_volumes_are_all_packets(bench: Bench) -> None:
    """What paths carry by the hour is each packet once, in the hour of its time."""
    frames = irregular(5)
    lines = bench.dump(as_pcap(frames))

    wanted = Counter(time // HOUR for time, _ in frames)
    found = Counter[int]()
    for one in cells(lines, "volume"):
        found[one["hour"]] += one["packets"]
    assert found == wanted
    assert sum(one["bytes"] for one in cells(lines, "volume")) == sum(
        len(content) for _, content in frames
    )


def test_paths_of_who_sent_little_are_not_read(bench: Bench) -> None:
    """Of forged senders nothing is read, and of who sent enough all that tells whether it is heard."""
    frames = [frame(START + n * SECOND, ONE, TWO, b"") for n in range(30)]
    frames += [frame(START + n * SECOND, TWO, ONE, b"") for n in range(3)]
    frames += [frame(START, f"10.7.7.{n}", TWO, b"") for n in range(100)]
    path = bench.store()
    capture = path.with_suffix(".pcap")
    capture.write_bytes(as_pcap(sorted(frames)))
    analyse([capture], path)

    with open_store(path, readonly=True) as store:
        found = [(one.sender, one.receiver, one.packets, one.hours) for one in paths(store, 30)]
        assert found == [(ONE, "", 30, 1), (ONE, TWO, 30, 1), (TWO, "", 0, 0), (TWO, ONE, 0, 0)]
        assert {one.sender for one in loud(store, 30)} == {ONE}
        assert len(paths(store, 1)) == 2 * (2 + 100)


def test_rhythms_are_the_histograms_by_the_hour(bench: Bench) -> None:
    """Summed over hours and objects both tables tell the same."""
    found = analyse([PLANT], bench.store(), point="hall").dump

    by_behaviour, by_hour = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for line in found:
        table = line.partition(" ")[0]
        if table not in {"histogram", "rhythm"}:
            continue
        kind, buckets = re.search(r' kind="(\w+)" buckets=\[(.*)\]', line).groups()  # type: ignore[union-attr]
        for pair in buckets.split(","):
            bucket, count = map(int, pair.split(":"))
            (by_behaviour if table == "histogram" else by_hour)[kind, bucket] += count
    changes = by_hour.pop(("changes", 0))
    of_order = {key for key in by_hour if key[0].startswith("order_")}  # of steps, by their rank
    assert {key: by_hour[key] for key in by_hour.keys() - of_order} == by_behaviour
    wanted = sum(
        one["count"]
        for one in cells(found, "behaviour")
        if one["class"] in {"write", "control", "program", "mode", "firmware", "config"}
        and one["outcome"] in {"ok", ""}
    )
    assert changes == wanted > 0


def test_changes_and_answers_stand_in_their_hour(bench: Bench) -> None:
    """A write at night is in the hour of the night, and its answer too."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number, hour in enumerate((0, 0, 3)):
        wire.time = START + hour * HOUR + (number + 1) * SECOND
        tcp.say(CLIENT, write(number, 1, 5, 7))
        tcp.say(SERVER, write(number, 1, 5, 7))
    path = bench.store()
    capture = path.with_suffix(".pcap")
    capture.write_bytes(wire.bytes())
    analyse([capture], path)

    with open_store(path, readonly=True) as store:
        found = {(one.kind, one.hour - START // HOUR) for one in rhythms(store)}
        assert {("changes", 0), ("changes", 3), ("response_us", 3)} <= found
        assert ("changes", 1) not in found
        assert newest_hour(store) == START // HOUR + 3


def test_announcements(bench: Bench) -> None:
    """Who announces an address is kept one by one, and no more than so many a day."""
    frames = [announced(START + n * SECOND, ONE) for n in range(20)]
    frames += [announced(START + 24 * HOUR, ONE), announced(START + 24 * HOUR + SECOND, TWO)]
    path = bench.store()
    capture = path.with_suffix(".pcap")
    capture.write_bytes(as_pcap(frames))
    analyse([capture], path, batch=3, checkpoint_s=0.0)

    with open_store(path, readonly=True) as store:
        found = Counter((one.address, one.time >= START + HOUR) for one in announcements(store))
    assert found == {(ONE, False): 8, (ONE, True): 1, (TWO, True): 1}


def test_old_hours_go(bench: Bench) -> None:
    """Hours older than events may be are deleted; paths stay."""
    frames = [
        frame(START + day * 24 * HOUR, ONE, TWO, b"x" * (day + 1)) for day in range(5)
    ]  # fmt: skip
    path = bench.store()
    capture = path.with_suffix(".pcap")
    capture.write_bytes(as_pcap(frames))
    analyse([capture], path)

    with open_store(path) as store:
        assert len(list(volumes(store))) == 5
        retire(store, 1, Keep(event_days=2), lambda: False)
        assert [one.hour for one in volumes(store)] == [
            (START // HOUR) + day * 24 for day in (2, 3, 4)
        ]
        assert len(paths(store, 1)) == 2
