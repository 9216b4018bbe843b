"""pcap: every variant, and every way a file can be damaged."""

from pathlib import Path

import pytest
from capture_bytes import (
    KUZNETZOV,
    MICRO,
    NANO,
    expected,
    numbered,
    pcap,
    pcap_header,
    pcap_record,
    read_bytes,
)

from otsec.capture import Damage, Interface

# Two packets written down by hand from the format's description, not by the writer.
MICRO_LE = bytes.fromhex(
    "d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000"
    "00f15365 40420f00 03000000 3c000000 aabbcc"
    "01f15365 00000000 00000000 2a000000"
)
NANO_BE = bytes.fromhex(
    "a1b23c4d 0002 0004 00000000 00000000 00040000 00000071"
    "6553f100 3b9ac9ff 00000003 0000003c aabbcc"
)


def test_bytes_of_the_description(tmp_path: Path) -> None:
    """A file written by hand is read field by field."""
    read = read_bytes(tmp_path, MICRO_LE)

    assert read.packets == [
        (0, 1_700_000_001_000_000_000, 60, b"\xaa\xbb\xcc"),
        (0, 1_700_000_001_000_000_000, 42, b""),
    ]
    assert read.reader.interfaces == [Interface(0, "", 1, 65535)]
    assert read.reader.format == "pcap"
    assert (read.reader.damage, read.reader.complete) == (None, True)


def test_big_endian_nanoseconds_by_hand(tmp_path: Path) -> None:
    """The most significant byte first, time stamps in nanoseconds, link type 113."""
    read = read_bytes(tmp_path, NANO_BE)

    assert read.packets == [(0, 1_700_000_000_999_999_999, 60, b"\xaa\xbb\xcc")]
    assert read.reader.interfaces == [Interface(0, "", 113, 262144)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [MICRO, NANO, KUZNETZOV])
@pytest.mark.parametrize("count", [0, 1, 700, 9000])
def test_variants(tmp_path: Path, order: str, magic: int, count: int) -> None:
    """Every byte order and resolution gives the packets that were written."""
    packets = numbered(count, size=33)

    read = read_bytes(tmp_path, pcap(packets, order, magic))

    assert read.packets == expected(packets)
    assert read.reader.damage is None


def test_link_type_without_what_stands_above_it(tmp_path: Path) -> None:
    """The bits above the link type tell the length of the frame check sequence."""
    read = read_bytes(tmp_path, pcap_header(link=0x5400_0001))

    assert read.reader.interfaces[0].link == 1


def test_more_captured_than_on_the_wire(tmp_path: Path) -> None:
    """A packet is at least as long on the wire as what was captured of it."""
    read = read_bytes(tmp_path, pcap_header() + pcap_record(0, b"abcd", wire=2))

    assert read.packets == [(0, 0, 4, b"abcd")]


def test_latest_moment(tmp_path: Path) -> None:
    """No field is big enough to make a time overflow."""
    record = bytes.fromhex("ffffffff ffffffff 01000000 01000000 00")
    content = pcap_header() + record

    read = read_bytes(tmp_path, content)

    assert read.packets[0][1] == 0xFFFFFFFF * 10**9 + 0xFFFFFFFF * 1000


@pytest.mark.parametrize("size", range(4, 24 + 3 * (16 + 5)))
def test_cut_at_every_byte(tmp_path: Path, size: int) -> None:
    """What is whole is used; the rest is named, and may still be being written."""
    packets = numbered(3, size=5)
    content = pcap(packets)[:size]

    read = read_bytes(tmp_path, content)

    whole = max(size - 24, 0) // 21
    end = 24 + whole * 21 if size >= 24 else 0
    assert read.packets == expected(packets[:whole])
    assert read.reader.complete == (size == end)
    damage = Damage(end, f"ends inside a record, which begins at byte {end}")
    assert read.reader.damage == (None if size == end else damage)
    assert (read.ends or [read.reader.state()["offset"]])[-1] == end


@pytest.mark.parametrize("magic", [MICRO, NANO, KUZNETZOV])
@pytest.mark.parametrize("count", [3, 3000])
def test_concatenated(tmp_path: Path, magic: int, count: int) -> None:
    """Files that `cat` put one behind the other are read through, also the empty ones."""
    packets = numbered(3 * count)
    first, second, third = packets[:count], packets[count : 2 * count], packets[2 * count :]
    content = pcap(first, "<", magic) + pcap(second, "<", magic) + pcap([]) + pcap(third, ">", NANO)

    read = read_bytes(tmp_path, content)

    assert read.packets == expected(packets)
    assert read.reader.damage is None
    assert read.ends[-1] == len(content)


def test_concatenated_with_another_link_type(tmp_path: Path) -> None:
    """What comes before a capture of another link type is used, and told where it ends."""
    packets = numbered(3)
    content = pcap(packets)

    read = read_bytes(tmp_path, content + pcap(packets, link=113))

    assert read.packets == expected(packets)
    assert read.reader.damage == Damage(
        len(content),
        "another capture, with link type 113 instead of 1, is appended; split the file "
        f"at byte {len(content)}",
    )
    assert read.reader.complete


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        (b"\xff" * 40, "no record: it would have 4,294,967,295 bytes at byte 132"),
        (
            pcap_record(0, b"")[:8] + b"\1\0\4\0" * 2,
            "no record: it would have 262,145 bytes at byte 132",
        ),
        (bytes(400), "zeros instead of a record at byte 132"),
    ],
)
def test_corrupt(tmp_path: Path, rest: bytes, text: str) -> None:
    """What comes before a record that cannot be one is used; the file is not half-written."""
    packets = numbered(3)

    read = read_bytes(tmp_path, pcap(packets) + rest)

    assert read.packets == expected(packets)
    assert read.reader.damage == Damage(132, text)
    assert read.reader.complete


def test_longest_packet(tmp_path: Path) -> None:
    """The largest snap length in use fits, with packets around it."""
    packets = [*numbered(2), (0, bytes(262_144)), *numbered(2)]

    read = read_bytes(tmp_path, pcap(packets), capacity=1 << 20)

    assert read.packets == expected(packets)


def test_clock_that_jumps(tmp_path: Path) -> None:
    """Record starts are found whatever the clock does."""
    packets = [
        (time + jump * 10**18 // 7, data)
        for (time, data), jump in zip(
            numbered(40_000), [row // 5000 % 3 for row in range(40_000)], strict=True
        )
    ]

    read = read_bytes(tmp_path, pcap(packets, magic=NANO))

    assert read.packets == expected(packets)


def test_changes_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nothing but file headers that differ is given up at a named cap."""
    monkeypatch.setattr("otsec.capture.contract.MAX_CHANGES", 10)
    content = (pcap_header("<") + pcap_header(">")) * 20

    read = read_bytes(tmp_path, content)

    assert read.reader.damage == Damage(
        264, "more than 10 captures or sections in one file at byte 264"
    )
