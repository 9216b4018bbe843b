"""Frames that go round in a loop of the network: more copies than a mirror makes."""

from pathlib import Path

from engine_runs import Bench, cells, difference, records

OWN = Path(__file__).parents[1] / "pcaps" / "attacks"
PANEL = "00:1c:06:60:00:11"


def looped(dump: list[str]) -> dict[str, int]:
    """How many copies no mirror makes, by who sent the frame to whom."""
    rows = cells(dump, "counter")
    return {row["detail"]: row["count"] for row in rows if row["name"] == "looped_frames"}


def test_a_loop_is_told_for_any_size_of_batches(tmp_path: Path) -> None:
    """One frame that goes round is one frame, and its copies beyond the seventh are counted."""
    content = (OWN / "network_loop.pcap").read_bytes()
    bench = Bench(tmp_path)
    dump = bench.dump(content)
    assert looped(dump) == {f"{PANEL} to ff:ff:ff:ff:ff:ff": 2_000 - 8}
    assert [row["packets_out"] for row in cells(dump, "conversation")] == [1]
    for options in ({"batch": 1}, {"batch": 7}, {"batch": 333, "hash_bits": 8}, {"workers": 2}):
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 700))


def test_senders_beyond_the_cap_are_told_together(tmp_path: Path) -> None:
    """A loop shows the frames of everybody; so many senders are told apart, the others are not."""
    content = (OWN / "network_loop.pcap").read_bytes()
    frame = records(content)[0]
    loops = []
    for turn in range(9):
        for sender in range(20):
            time = (1_767_600_000, turn * 1_000 + sender)
            head = b"".join(part.to_bytes(4, "little") for part in time)
            loops.append(head + frame[8:22] + frame[22:27] + bytes([sender]) + frame[28:])
    dump = Bench(tmp_path).dump(content[:24] + b"".join(loops))
    told = looped(dump)
    assert len(told) == 17
    assert told.pop("others") == 4
    assert set(told.values()) == {1}


def test_many_mirrors_make_no_loop(tmp_path: Path) -> None:
    """A frame that is seen at four ports is repeated, and no more."""
    dump = Bench(tmp_path).dump((OWN / "mirrored_four_times.pcap").read_bytes())
    assert looped(dump) == {}
    repeats = [row["count"] for row in cells(dump, "counter") if row["name"] == "duplicate_frames"]
    assert repeats == [1_200]
