"""Finding captures in folders, and planning which of them are one source."""

import gzip
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from time import process_time

import pytest
from capture_bytes import (
    START,
    enhanced,
    interface,
    numbered,
    pcap,
    section,
)

from otsec.capture import find_captures, open_capture, plan, times
from otsec.errors import InputError, RightsError

SECOND = 10**9
BEGIN = START * SECOND


def at(second: float, count: int = 2, link: int = 1, gap: float = 0.1) -> bytes:
    """A capture from a moment on, with a packet each ``gap`` seconds."""
    packets = [(BEGIN + int((second + row * gap) * SECOND), b"abcd") for row in range(count)]
    return pcap(packets, link=link)


def make(folder: Path, files: dict[str, bytes]) -> list:
    """Write files; their paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [folder / name for name in files]


def planned(paths: Iterable[Path], folder: Path, point: str | None = None) -> dict[str, list[str]]:
    """Points, and their captures by name below the folder."""
    return {
        source.point: [str(path.relative_to(folder)) for path in source.captures]
        for source in plan(paths, point)
    }


# ----------------------------------------------------------------------------------- finding


def test_folders_are_searched_by_content(tmp_path: Path) -> None:
    """Captures are found below folders whatever their names are, and nothing else."""
    make(
        tmp_path,
        {
            "b/two.txt": at(0),
            "b/c/one.dat": gzip.compress(at(0)),
            "a.pcapng": section(),
            "b/readme.pcap": b"not one",
            "b/empty.pcap": b"",
            "b/text.gz": gzip.compress(b"text"),
        },
    )

    found = find_captures([tmp_path])

    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "a.pcapng",
        "b/c/one.dat",
        "b/two.txt",
    ]


def test_named_files_stay(tmp_path: Path) -> None:
    """A file that was named is kept, whatever it is, and each file once."""
    text, missing = make(tmp_path, {"x.txt": b"text"})[0], tmp_path / "missing"

    again = tmp_path / ".." / tmp_path.name / "x.txt"

    assert find_captures([text, missing, text, again]) == [again, missing]


def test_folder_without_captures(tmp_path: Path) -> None:
    """A folder in which there is none is an error."""
    with pytest.raises(InputError, match="has no capture in it; name a folder with pcap files"):
        find_captures([tmp_path])


def test_links_that_lead_back(tmp_path: Path) -> None:
    """Links to folders above end nowhere, and a file that is linked is read once."""
    (path,) = make(tmp_path, {"a/x.pcap": at(0)})
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "y.pcap").symlink_to(path)
    (tmp_path / "a" / "dangling").symlink_to(tmp_path / "nothing")

    assert find_captures([tmp_path]) == [path]


def test_pipes_in_folders_are_not_waited_for(tmp_path: Path) -> None:
    """A named pipe in a folder is passed over."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    paths = make(tmp_path, {"x.pcap": at(0)})
    os.mkfifo(tmp_path / "pipe")

    assert find_captures([tmp_path]) == paths


def test_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked into is told, not passed over."""
    make(tmp_path, {"x.pcap": at(0)})

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)

    with pytest.raises(RightsError, match="no permission to list it"):
        find_captures([tmp_path])


# ------------------------------------------------------------------------------------- times


def pcapng(packets: list[tuple[int, bytes]]) -> bytes:
    """A pcapng with packets in microseconds."""
    blocks = (enhanced(0, time // 1000, data) for time, data in packets)
    return section() + interface() + b"".join(blocks)


@pytest.mark.parametrize("make_capture", [pcap, pcapng])
@pytest.mark.parametrize(("count", "size"), [(1, 10), (500, 100), (15_000, 100), (3000, 1500)])
def test_times(tmp_path: Path, make_capture: Callable[..., bytes], count: int, size: int) -> None:
    """First and last time are found, also at the end of a file too long to be read for it."""
    packets = numbered(count, size=size)
    (path,) = make(tmp_path, {"x": make_capture(packets)})

    assert times(path) == (packets[0][0], packets[-1][0])


@pytest.mark.parametrize("make_capture", [pcap, pcapng])
def test_times_of_what_is_half_written(tmp_path: Path, make_capture: Callable[..., bytes]) -> None:
    """A long file that ends inside a record does not tell its last time cheaply."""
    (path,) = make(tmp_path, {"x": make_capture(numbered(15_000, size=100))[:-3]})

    assert times(path) == (BEGIN, None)


def test_times_unknown(tmp_path: Path) -> None:
    """What is compressed must be read for its last time, and an empty capture has none."""
    packed, empty = make(tmp_path, {"x": gzip.compress(at(0)), "y": pcap([])})

    assert times(packed) == (BEGIN, None)
    assert times(empty) == (None, None)


# ---------------------------------------------------------------------------------- planning

NAMES = [
    ("x.pcap", "x"),
    ("x.pcap.gz", "x"),
    ("x.PCAPNG.zst", "x"),
    ("x", "x"),
    ("x.gz", "x"),
    ("ring_00001_20240101.pcap", "ring"),
    ("ring_00001_20240101120000.pcap", "ring"),
    ("ring_20240101120000_00001.pcapng", "ring"),
    ("ring_00001.pcap", "ring"),
    ("ring-20240101.pcap", "ring"),
    ("ring.pcap0", "ring"),
    ("ring.pcap12", "ring"),
    ("ring.pcap.1", "ring"),
    ("ring.pcap-20240101.gz", "ring"),
    ("ring-2024-01-01_12-00-00.pcap", "ring"),
    ("ring.2024-01-01T12:00:00Z.pcap", "ring"),
    ("ring_1704067200.pcap", "ring"),
    ("20240101-1200_ring.pcap", "ring"),
    ("ring_20240101_tap.pcap", "ring_tap"),
    ("20240101.pcap", "20240101"),
    ("modbus_test_2.pcap", "modbus_test_2"),
    ("port_44818.pcap", "port_44818"),
    ("s7-1200.pcap", "s7-1200"),
    ("part1.pcap", "part1"),
    ("4SICS-151022.pcap", "4SICS-151022"),
    ("C37.118.pcap", "C37.118"),
    ("ring_20241399.pcap", "ring_20241399"),
]


@pytest.mark.parametrize(("name", "point"), NAMES)
def test_names_of_points(tmp_path: Path, name: str, point: str) -> None:
    """What rotation adds to a name is taken off it, and nothing else."""
    paths = make(tmp_path, {name: at(0)})

    assert planned(paths, tmp_path) == {point: [name]}


ROTATIONS = [
    # dumpcap's ring, the oldest number being the newest file
    (
        {
            "r_00003_20240101.pcap": at(2),
            "r_00001_20240101.pcap": at(9),
            "r_00002_20240101.pcap": at(0),
        },
        {"r": ["r_00002_20240101.pcap", "r_00003_20240101.pcap", "r_00001_20240101.pcap"]},
    ),
    # tcpdump -C, and logrotate
    ({"r.pcap": at(0), "r.pcap1": at(2)}, {"r": ["r.pcap", "r.pcap1"]}),
    (
        {"r.pcap": at(5), "r.pcap.1": at(2), "r.pcap.2.gz": gzip.compress(at(0))},
        {"r": ["r.pcap.2.gz", "r.pcap.1", "r.pcap"]},
    ),
    # a number of any kind, if it is all that differs
    ({"part1.pcap": at(0), "part2.pcap": at(2)}, {"part": ["part1.pcap", "part2.pcap"]}),
    ({"1_tap.pcap": at(3), "2_tap.pcap": at(0)}, {"tap": ["2_tap.pcap", "1_tap.pcap"]}),
    ({"tap2_1.pcap": at(3), "tap2_2.pcap": at(0)}, {"tap2": ["tap2_2.pcap", "tap2_1.pcap"]}),
    (
        {
            "t1_00001.pcap": at(0),
            "t2_00001.pcap": at(0),
            "t1_00002.pcap": at(2),
            "t2_00002.pcap": at(2),
        },
        {"t1": ["t1_00001.pcap", "t1_00002.pcap"], "t2": ["t2_00001.pcap", "t2_00002.pcap"]},
    ),
    # an empty member, as tcpdump -G writes on a quiet network
    ({"r_1.pcap": at(0), "r_2.pcap": pcap([])}, {"r": ["r_1.pcap", "r_2.pcap"]}),
    # nothing is left of the name
    ({"1.pcap": at(0), "2.pcap": at(2)}, {"1": ["1.pcap", "2.pcap"]}),
    # cut between two packets of the same moment
    ({"r_2.pcap": at(0, 1), "r_1.pcap": at(0)}, {"r": ["r_2.pcap", "r_1.pcap"]}),
    # several receive queues, or interfaces, are written a little out of order
    ({"r_1.pcap": at(0), "r_2.pcap": at(0.0999)}, {"r": ["r_1.pcap", "r_2.pcap"]}),
    ({"r_1.pcap": at(0), "r_2.pcap": at(0.081)}, {"r": ["r_1.pcap", "r_2.pcap"]}),
    ({"r_1.pcap": at(0), "r_2.pcap": at(0.081, 1)}, {"r": ["r_1.pcap", "r_2.pcap"]}),
]


@pytest.mark.parametrize(("files", "points"), ROTATIONS)
def test_rotated_files_are_one_source(
    tmp_path: Path, files: dict[str, bytes], points: dict[str, list[str]]
) -> None:
    """Files of one folder and link type, alike but for a number, in the order of their times."""
    assert planned(make(tmp_path, files), tmp_path) == points


NOT_ROTATED = [
    ({"r_1.pcap": at(0), "r_2.pcap": at(0.05)}, ["r_1", "r_2"]),  # overlap
    ({"r_1.pcap": at(0), "r_2.pcap": at(0)}, ["r_1", "r_2"]),  # the same moment
    ({"r_1.pcap": at(0, gap=0.01), "r_2.pcap": at(0.001, gap=0.01)}, ["r_1", "r_2"]),
    ({"r_1.pcap": at(0, 9), "r_2.pcap.gz": gzip.compress(at(0.5))}, ["r_1", "r_2"]),
    ({"r_1.pcap.gz": gzip.compress(at(0, 9)), "r_2.pcap": at(0.5)}, ["r_1", "r_2"]),
    ({"r_1.pcap": at(0), "r_2.pcap": at(2, link=113)}, ["r_1", "r_2"]),  # link type
    ({"r_1.pcap": at(0), "r_2.pcapng": section() + interface()}, ["r_1", "r_2"]),  # format
    ({"a_1.pcap": at(0), "b_2.pcap": at(2)}, ["a_1", "b_2"]),  # name
    ({"a_1_1.pcap": at(0), "a_2_2.pcap": at(2)}, ["a_1_1", "a_2_2"]),  # two numbers
    ({"a/r_1.pcap": at(0), "b/r_2.pcap": at(2)}, ["r_1", "r_2"]),  # folder
    ({"r_1.pcap": at(0), "r_2.pcap": b"text"}, ["r_1", "r_2"]),  # no capture: told when opened
]


@pytest.mark.parametrize(("files", "points"), NOT_ROTATED)
def test_others_are_sources_of_their_own(
    tmp_path: Path, files: dict[str, bytes], points: list[str]
) -> None:
    """Whatever else differs makes two sources."""
    assert list(planned(make(tmp_path, files), tmp_path)) == points


def test_names_that_are_taken(tmp_path: Path) -> None:
    """A name that is taken gets the folder's in front, then a number."""
    paths = make(
        tmp_path, {"a/r.pcap": at(0), "b/r.pcap": at(0), "c/b/r.pcap": at(0), "d/b/r.pcap": at(0)}
    )

    assert list(planned(reversed(paths), tmp_path)) == ["r", "b/r", "b/r#2", "b/r#3"]


def test_point_joins_files(tmp_path: Path) -> None:
    """Files given with a point are one source in time order, whatever they are called."""
    paths = make(tmp_path, {"b.pcap": at(0), "a.pcapng": section(), "c.pcap": at(-5)})

    assert planned(paths, tmp_path, "Tap 7") == {"Tap 7": ["a.pcapng", "c.pcap", "b.pcap"]}


def test_point_refuses_overlap(tmp_path: Path) -> None:
    """Two files at the same time cannot come from one tap."""
    paths = make(tmp_path, {"a.pcap": at(0), "b.pcap": at(5, 20), "c.pcap": at(6)})

    with pytest.raises(InputError) as error:
        plan(paths, "tap")

    assert str(error.value) == (
        f"{paths[1]} and {paths[2]}: overlap in time, so they cannot be one point; "
        "give each a point of its own"
    )


def test_nothing_to_plan() -> None:
    """No captures make no sources."""
    assert plan([], None) == []
    assert plan([], "tap") == []


def test_first_time_behind_many_blocks(tmp_path: Path) -> None:
    """Finding the first packet behind blocks of other kinds takes no longer than reading all."""
    other = struct.pack("<III", 0x77, 12, 12)
    path = tmp_path / "blocks.pcapng"
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)
    packet = struct.pack("<IIIIIII60sI", 6, 92, 0, 0, 7, 60, 60, bytes(60), 92)
    path.write_bytes(section + interface + other * 100_000 + packet)

    begin = process_time()
    reader = open_capture(path)
    assert sum(len(chunk.batches) for chunk in reader.chunks()) == 1
    reader.close()
    read = process_time()
    assert times(path)[0] == 7_000
    assert process_time() - read < 10 * (read - begin)
