"""pcapng: sections, interfaces, clocks, every packet block, drops, and every way to be damaged."""

from pathlib import Path
from struct import pack

import pytest
from capture_bytes import (
    START,
    block,
    enhanced,
    expected,
    interface,
    numbered,
    old_packet,
    option,
    read_bytes,
    section,
    simple,
    statistics,
)

from otsec.capture import Damage, Drops, Interface

# Written down by hand from the format's description, not by the writer: a section, an interface
# `eth0` in nanoseconds, a packet of three bytes.
BY_HAND = bytes.fromhex(
    "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
    "00000001 00000028 0071 0000 00000100 0002 0004 65746830 0009 0001 09000000 0000 0000 00000028"
    "00000006 00000024 00000000 17979cfe 362a0001 00000003 0000003c aabbcc00 00000024"
)
TICKS = START * 10**6


def of_numbered(packets: list[tuple[int, bytes]], order: str = "<", number: int = 0) -> bytes:
    """Enhanced packets in microseconds."""
    return b"".join(enhanced(number, time // 1000, data, order) for time, data in packets)


def test_bytes_of_the_description(tmp_path: Path) -> None:
    """A file written by hand is read field by field."""
    read = read_bytes(tmp_path, BY_HAND)

    assert read.packets == [(0, 0x17979CFE362A0001, 60, b"\xaa\xbb\xcc")]
    assert read.reader.interfaces == [Interface(0, "eth0", 113, 256)]
    assert read.reader.format == "pcapng"
    assert (read.reader.damage, read.reader.complete) == (None, True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [0, 1, 700, 9000])
def test_byte_orders(tmp_path: Path, order: str, count: int) -> None:
    """Both byte orders give the packets that were written."""
    packets = numbered(count, size=33)

    read = read_bytes(tmp_path, section(order) + interface(order) + of_numbered(packets, order))

    assert read.packets == expected(packets)
    assert read.reader.damage is None


def test_sections_number_interfaces_on(tmp_path: Path) -> None:
    """A later section has interfaces of its own, byte order included; numbers run on."""
    one, two, three = numbered(3)
    content = (
        section("<")
        + interface("<")
        + of_numbered([one], "<")
        + interface("<", link=113)
        + of_numbered([two], "<", number=1)
        + section(">")
        + interface(">", link=101)
        + of_numbered([three], ">", number=0)
    )

    read = read_bytes(tmp_path, content)

    assert read.packets == expected([one]) + expected([two], 1) + expected([three], 2)
    assert [told.link for told in read.reader.interfaces] == [1, 113, 101]
    assert read.ends[-1] == len(content)


def test_interfaces_mixed(tmp_path: Path) -> None:
    """Packets of several interfaces come in one batch each, in the order of the file."""
    packets = numbered(2000)
    blocks = [of_numbered([packet], number=row % 3) for row, packet in enumerate(packets)]

    read = read_bytes(tmp_path, section() + interface() * 3 + b"".join(blocks))

    assert read.packets == [
        packet for number in range(3) for packet in expected(packets[number::3], number)
    ]
    assert len(read.ends) == 1


CLOCKS = [
    (None, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
    (0, 1_700_000_000, 1_700_000_000_000_000_000),
    (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
    (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
    (12, 1_700_000_000_123_999, 1_700_000_000_123),
    (28, (1 << 64) - 1, 1),
    (29, (1 << 64) - 1, 0),
    (127, (1 << 64) - 1, 0),
    (0, (1 << 64) - 1, (1 << 63) - 1),
    (6, (1 << 64) - 1, (1 << 63) - 1),
    (0x80, 1_700_000_000, 1_700_000_000_000_000_000),
    (0x81, 3, 1_500_000_000),
    (0x80 | 10, (1_700_000_000 << 10) | 1, 1_700_000_000_000_976_562),
    (0x80 | 32, (1_700_000_000 << 32) | (1 << 31), 1_700_000_000_500_000_000),
    (0x80 | 43, (1 << 43) | ((1 << 43) - 1), 1_999_999_999),
    (0x80 | 63, (1 << 63) | (1 << 62), 1_500_000_000),
    (0x80 | 107, (1 << 64) - 1, 0),
    (0x80 | 127, (1 << 64) - 1, 0),
    (0x80, (1 << 64) - 1, (1 << 63) - 1),
]


@pytest.mark.parametrize(("resolution", "ticks", "time"), CLOCKS)
def test_resolutions(tmp_path: Path, resolution: int | None, ticks: int, time: int) -> None:
    """Times are exact to the nanosecond below, and end at the last that fits."""
    options = b"" if resolution is None else option(9, bytes([resolution]))

    read = read_bytes(tmp_path, section() + interface(options=options) + enhanced(0, ticks, b""))

    assert read.packets == [(0, time, 0, b"")]


@pytest.mark.parametrize(
    ("offset", "time"),
    [
        (3600, (START + 3600) * 10**9),
        (-3600, (START - 3600) * 10**9),
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), START * 10**9 - ((1 << 63) - 1)),
    ],
)
def test_offsets(tmp_path: Path, offset: int, time: int) -> None:
    """The offset in seconds is added, and never overflows."""
    options = option(14, pack("<q", offset))

    read = read_bytes(tmp_path, section() + interface(options=options) + enhanced(0, TICKS, b""))

    assert read.packets == [(0, time, 0, b"")]


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_packet_block(tmp_path: Path, order: str) -> None:
    """Simple packets have no time and take that of the packet before; old blocks are read."""
    content = (
        section(order)
        + interface(order, snaplen=6)
        + simple(b"early", order)
        + enhanced(0, TICKS, b"abcde", order, options=option(2, b"\1\0\0\0", order), wire=60)
        + simple(b"simple", order, wire=1000)
        + old_packet(0, 0xFFFF, TICKS + 1, b"old", order)
        + block(0x40000BAD, b"of nobody", order)
        + simple(b"last", order)
    )

    read = read_bytes(tmp_path, content)

    now = START * 10**9
    assert read.packets == [
        (0, 0, 5, b"early"),
        (0, now, 60, b"abcde"),
        (0, now, 1000, b"simple"),
        (0, now + 1000, 3, b"old"),
        (0, now + 1000, 4, b"last"),
    ]
    assert read.reader.damage is None


@pytest.mark.parametrize("batch_packets", [1, 3, 65536])
def test_drops(tmp_path: Path, batch_packets: int) -> None:
    """What was lost is told once, whether by packets, by statistics, or by both."""
    lost = option(1, b"why") + option(4, pack("<Q", 5))
    content = (
        section()
        + interface()
        + interface(options=option(9, b"\x09"))
        + statistics(0, TICKS, 0)
        + enhanced(0, TICKS + 1, b"abc", options=lost)
        + old_packet(1, 7, 8, b"abc")
        + statistics(0, TICKS + 2, 25)
        + statistics(1, 9, 7)
        + statistics(0, TICKS + 3, 25)
        + statistics(9, TICKS + 3, 25)
        + enhanced(0, TICKS + 4, b"abc")
    )

    read = read_bytes(tmp_path, content, batch_packets=batch_packets)

    now = START * 10**9
    assert read.drops == [
        Drops(0, now + 1000, 5, 0),
        Drops(1, 8, 7, 0),
        Drops(0, now + 2000, 20, 0),
    ]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (enhanced(1, TICKS, b"abc"), "a packet of interface 1, of 1 in the section, at byte {}"),
        (
            enhanced(0, TICKS, b"abc").replace(b"\3\0\0\0\3", b"\5\0\0\0\3"),
            "a packet block that its packet does not fit in, at byte {}",
        ),
        (block(6, b"abc"), "a packet block that its packet does not fit in, at byte {}"),
    ],
)
def test_one_bad_packet_costs_one_packet(tmp_path: Path, bad: bytes, text: str) -> None:
    """A block that is whole, but makes no sense, is left out and told; reading goes on."""
    packets = numbered(4)
    content = section() + interface() + of_numbered(packets[:2])

    read = read_bytes(tmp_path, content + bad + of_numbered(packets[2:]))

    assert read.packets == expected(packets)
    assert read.reader.damage == Damage(len(content), text.format(len(content)))
    assert read.reader.complete


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        (pack("<II", 6, 8), None),
        (pack("<III", 6, 8, 8), "no block: it would have 8 bytes"),
        (pack("<III", 6, 33, 8), "no block: it would have 33 bytes"),
        (pack("<III", 6, 1 << 31, 8), "a block of type 6 with 2,147,483,648 bytes"),
        (block(6, bytes(40))[:-4] + b"\x30\0\0\0", "a block with two different lengths"),
        (section(major=2), "a section of version 2, which otsec does not know"),
        (section()[:8] + bytes(20), "a section header without a byte order"),
        (
            pack("<IIIIIII", 0x0A0D0D0A, 20, 0x1A2B3C4D, 1, 0, 0, 0),
            "no section header: it would have 20 bytes",
        ),
    ],
)
def test_corrupt(tmp_path: Path, rest: bytes, text: str) -> None:
    """What comes before a block that cannot be one is used."""
    packets = numbered(3)
    content = section() + interface() + of_numbered(packets)
    text = f"{text} at byte 204" if text else "ends inside a record, which begins at byte 204"

    read = read_bytes(tmp_path, content + rest)

    assert read.packets == expected(packets)
    assert read.reader.damage == Damage(204, text)


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """What is whole is used; the rest is named, and may still be being written."""
    packets = numbered(2, size=5)
    parts = [section(), interface(), *(of_numbered([packet]) for packet in packets)]
    content = b"".join(parts)
    bounds = [sum(map(len, parts[:count])) for count in range(5)]

    for size in range(4, len(content) + 1):
        read = read_bytes(tmp_path, content[:size])

        whole = sum(bound <= size for bound in bounds) - 1
        end = bounds[whole]
        assert read.packets == expected(packets[: max(whole - 2, 0)])
        assert read.reader.complete == (size == end)
        damage = Damage(end, f"ends inside a record, which begins at byte {end}")
        assert read.reader.damage == (None if size == end else damage)
        assert read.reader.state()["offset"] == end


def test_long_blocks_of_others_are_passed_over(tmp_path: Path) -> None:
    """A block that holds no packet may be longer than the buffer."""
    packets = numbered(4)
    head = section() + interface() + of_numbered(packets[:2])
    skipped = block(0x0BAD, bytes(3 << 20))
    content = head + skipped + of_numbered(packets[2:])

    read = read_bytes(tmp_path, content, capacity=1 << 20)
    cut = read_bytes(tmp_path, content[: 2 << 20], capacity=1 << 20)

    assert read.packets == expected(packets)
    assert read.reader.damage is None
    assert cut.packets == expected(packets[:2])
    assert (cut.reader.complete, cut.reader.state()["offset"]) == (False, len(head))


def test_interfaces_are_capped(tmp_path: Path) -> None:
    """Interfaces above the cap are left out with their packets, which is told."""
    one, two = numbered(2)
    content = section() + interface() * 1030
    packets = of_numbered([one], number=1023) + of_numbered([two], number=1024)

    read = read_bytes(tmp_path, content + packets)

    assert read.packets == expected([one], 1023)
    assert len(read.reader.interfaces) == 1024
    assert read.reader.damage == Damage(
        28 + 1024 * 20, "more than 1,024 interfaces; the others are left out"
    )


def test_name_is_bounded_text(tmp_path: Path) -> None:
    """A name is text whatever its bytes are, and not longer than 256 of them."""
    content = section() + interface(options=option(2, b"\xff" + b"a" * 999))

    read = read_bytes(tmp_path, content)

    assert read.reader.interfaces[0].name == "\ufffd" + "a" * 255
